"""Messages say what to do in the words of whoever reads them, and fit the terminal they are read on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
from test_embedding import save

from charvec.cli import main
from charvec.plumbing.terminal import table, width, wrapped
from tests.vector_samples import build

ROOT = Path(__file__).resolve().parents[1]
TEXTS = str(ROOT / "samples" / "texts")
MODEL = str(ROOT / "samples" / "tiny-bert-zh")


def test_long_lines_are_broken_at_spaces() -> None:
    """Every word stays whole, nothing is lost, lines that fit stay; columns are those of the terminal."""
    text = "  help: " + " ".join(["水木", "a", "longer-word-than-the-terminal-is-wide", "b  c"] * 3)
    lines = wrapped(text, 30).split("\n")
    assert " ".join(line.strip() for line in lines).split() == text.split()
    assert all(width(line) <= 30 for line in lines if "longer" not in line)
    assert lines[0].startswith("  help: ") and all(line.startswith(" " * 6) for line in lines[1:])
    assert wrapped(text, None) == text and wrapped("a  b", 4) == "a  b"


def test_tables_on_a_narrow_terminal() -> None:
    """What is too long in the last column goes on below its beginning."""
    rows = [["name", "one two three four five"], ["n", "six"]]
    assert table(rows, columns=20) == "name  one two three\n      four five\nn     six"
    assert table(rows) == "name  one two three four five\nn     six"


def on_terminal(columns: int, *arguments: str, cwd: Path) -> list[str]:
    """What the command shows on a terminal of so many columns, line by line."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "charvec", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment) as process:
        os.close(theirs)
        said = b""
        try:
            while block := os.read(ours, 1 << 16):
                said += block
        except OSError:  # its other end is closed
            pass
        os.close(ours)
    assert process.returncode is not None
    return said.decode().replace("\r\n", "\n").split("\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of its own")
@pytest.mark.parametrize(
    "arguments",
    [
        ("dump", "nowhere.txt", "--format", "xyz", "-o", "a"),
        ("tensors", "folder"),
        ("info", "a.h5"),
        ("explain",),
        ("explain", "E-VOCAB-ROWS"),
        ("verify", "a.h5"),
    ],
)
def test_terminals(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No line is longer than the terminal, unless it is one word."""
    (tmp_path / "folder").mkdir()
    for number in range(9):
        (tmp_path / "folder" / f"no-model-{number}.txt").write_text("")
    assert main(["dump", TEXTS, "-o", str(tmp_path / "a.h5"), "-q"]) == 0
    lines = on_terminal(50, *arguments, cwd=tmp_path)
    assert len(lines) > 1 and any(lines)
    for line in lines:
        assert width(line) <= 50 or len(line.split()) <= 2, line


def test_no_terminal_no_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes to a file or a pipe has each part of a message in one line."""
    assert main(["dump", "nowhere", "--keep", "exactly"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("charvec: error[E-KEEP]: ") and said.count("\n") == said.count("\n  ") + 1


def test_merge_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not only how Python spells it."""
    for dim in (2, 3):
        build("ab", np.zeros((2, dim), np.float32)).save(tmp_path / f"{dim}.h5")
    assert main(["merge", str(tmp_path / "2.h5"), str(tmp_path / "3.h5"), "-o", str(tmp_path / "c.h5")]) == 65
    assert "--how concat (in Python: how='concat')" in capsys.readouterr().err


def test_tensors_does_not_send_people_to_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list that help speaks of stands above it; other commands name the command that prints it."""
    path = tmp_path / "model.safetensors"
    save(path, {"odd": np.zeros((4, 2), np.float32), "other": np.zeros((4, 2, 2), np.float32)})
    for further in ([], ["--tensor", "nothing"], ["--tensor", "other"]):
        assert main(["tensors", str(path), *further]) in (65, 66)
        out, err = capsys.readouterr()
        assert "odd" in out and "charvec tensors" not in err and "list" in err, err
        assert main(["dump", TEXTS, "-m", str(path), "-o", str(tmp_path / "a.h5"), *further]) in (65, 66)
        assert "charvec tensors" in capsys.readouterr().err
