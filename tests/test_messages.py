"""Messages say what to do in the words of whoever reads them, and fit the terminal they are read on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_embedding import save

import charvec
from charvec.cli import main
from charvec.errors import CharvecError, UsageError
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


def folder_of(path: Path, rows: int, pieces: int, name: str = "vocab.txt") -> Path:
    """A model's folder whose vocabulary need not fit its matrix."""
    path.mkdir(exist_ok=True)
    if rows:
        save(path / "model.safetensors", {"embeddings.word_embeddings.weight": np.zeros((rows, 2), np.float32)})
    listed = ["[PAD]", "[UNK]", *(chr(0x4E00 + place) for place in range(pieces - 2))]
    (path / name).write_text("\n".join(listed) + "\n", "utf-8")
    return path


def notes(**options: Any) -> list[str]:
    """What opening a model says of the padding."""
    model = charvec.open(**options)
    return [note.message for note in model.notes if note.code == "W-VOCAB-PADDED"]


def test_a_smaller_vocabulary_is_not_taken_for_padding_alone(tmp_path: Path) -> None:
    """One beside the model that fits exactly is named; so is the suspicion when more is left than padding adds."""
    folder = folder_of(tmp_path / "m", 2000, 1990)
    (said,) = notes(model=folder)
    assert said.endswith("2,000 rows; the rest is taken as padding")
    folder_of(folder, 0, 300, "vocab.txt")
    (said,) = notes(model=folder)
    assert said.endswith("; is it the vocabulary of this model?")
    folder_of(folder, 0, 2000, "vocab_large.txt")
    (said,) = notes(model=folder)
    assert f"{folder / 'vocab_large.txt'} has exactly 2,000, so this is probably the vocabulary of another" in said
    other = folder_of(tmp_path / "other", 0, 1990) / "vocab.txt"
    (said,) = notes(model=folder, vocab=other)
    assert "vocab_large.txt has exactly 2,000" in said
    assert notes(model=folder, vocab=folder / "vocab_large.txt") == []


def refused(**options: Any) -> CharvecError:
    """The error of opening a model whose vocabulary is too large."""
    with pytest.raises(CharvecError) as caught:
        charvec.open(**options)
    assert caught.value.code == "E-VOCAB-ROWS"
    return caught.value


def test_too_large_a_vocabulary_is_blamed_on_what_was_named(tmp_path: Path) -> None:
    """On the tensor, on the vocabulary, or on the download."""
    folder = folder_of(tmp_path / "m", 50, 50)
    tensors = {"embeddings.word_embeddings.weight": np.zeros((50, 2)), "pooler.dense.weight": np.zeros((2, 2))}
    save(folder / "model.safetensors", tensors)
    said = refused(model=folder, tensor="pooler.dense.weight").help
    assert "--tensor" in said and "'embeddings.word_embeddings.weight', which fits" in said and "download" not in said
    large = folder_of(tmp_path / "large", 0, 60) / "vocab.txt"
    assert "charvec tensors" in refused(model=folder, tensor="pooler.dense.weight", vocab=large).help
    assert f"{folder / 'vocab.txt'} has exactly as many" in refused(model=folder, vocab=large).help
    folder_of(folder, 0, 40)
    said = refused(model=folder, vocab=large).help
    assert "--vocab" in said and "download" not in said
    assert "download" in refused(model=folder_of(folder, 0, 60)).help


def test_a_folder_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Help names the folders below that hold one, or what is looked for."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("a")
    (tmp_path / "rest").mkdir()
    assert main(["tensors", str(tmp_path)]) == 66
    said = capsys.readouterr().err
    assert all(word in said for word in (".safetensors", ".gguf", ".onnx", ".keras", ".ckpt.index", ".vec"))
    folder_of(tmp_path / "rest" / ".." / "near", 5, 5)
    folder_of(tmp_path / "rest" / "deep", 5, 5)
    assert main(["tensors", str(tmp_path)]) == 66
    said = capsys.readouterr().err
    assert f"holds a model: {tmp_path / 'near'}, {tmp_path / 'rest' / 'deep'}\n" in said


def test_paths_instead_of_what_they_lead_to(tmp_path: Path) -> None:
    """Models and vector files may be named; samples are counted first, and the message says how."""
    text, file = tmp_path / "a.txt", tmp_path / "a.h5"
    text.write_text("水木", "utf-8")
    vectors = charvec.dump(text, model=MODEL, out=file)
    counts, model = charvec.scan(text), charvec.open(MODEL)
    assert not charvec.diff(file, vectors) and not charvec.diff(str(file), file)
    assert not charvec.diff(charvec.lookup(MODEL, counts), vectors)
    assert charvec.cover(Path(MODEL), counts) == charvec.cover(model, counts)
    assert charvec.update(file, counts, MODEL).counts.tolist() == [2, 2]
    assert charvec.merge([file, vectors]).chars == vectors.chars
    trimmed = charvec.trim(MODEL, {"水": 1}, tmp_path / "small")
    assert 0 < len(trimmed.old_ids) < trimmed.pieces
    calls: list[Callable[[], Any]] = [
        lambda: charvec.update(file, text, model),  # type: ignore[arg-type]
        lambda: charvec.update(file, str(text), model),  # type: ignore[arg-type]
        lambda: charvec.update(counts, file, model),  # type: ignore[arg-type]
        lambda: charvec.cover(model, text),  # type: ignore[arg-type]
        lambda: charvec.cover(counts, model),  # type: ignore[arg-type]
        lambda: charvec.lookup(model, text),  # type: ignore[arg-type]
        lambda: charvec.lookup(model, str(text)),
        lambda: charvec.trim(model, text, tmp_path / "x"),  # type: ignore[arg-type]
        lambda: charvec.trim(counts, model, tmp_path / "x"),  # type: ignore[arg-type]
        lambda: charvec.select(str(text)),  # type: ignore[arg-type]
        lambda: charvec.diff(file, counts),  # type: ignore[arg-type]
        lambda: charvec.merge([file, counts]),  # type: ignore[list-item]
        lambda: charvec.merge(file),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "E-ARGUMENT", caught.value
        assert "charvec.scan(SAMPLES)" in caught.value.help or "charvec.load()" in caught.value.help
