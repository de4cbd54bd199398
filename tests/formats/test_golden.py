"""Golden files: every format still reads what it wrote, writes the same bytes, and knows its own from the others'."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vector_samples import DTYPES, FORMATS, LOSSLESS, ROOT, SUFFIX, assert_same, charvec, small

import charvec as package
from charvec import formats

DATA = Path(__file__).resolve().parents[1] / "data" / "vectors"
VERSIONS = json.loads((DATA / "versions.json").read_text())
HERE = {
    "npz": f"numpy {np.__version__}, python {platform.python_version()}, {sys.platform}",
}
GOLDEN = [(name, dtype) for name in FORMATS for dtype in DTYPES]


def golden(name: str, dtype: str) -> Path:
    """The file of a format and element type."""
    return DATA / f"{dtype}{SUFFIX[name]}"


@pytest.mark.parametrize(("name", "dtype"), GOLDEN)
def test_bytes(name: str, dtype: str, tmp_path: Path) -> None:
    """Writing the same vectors gives the bytes of the golden file."""
    if VERSIONS.get(name, HERE.get(name)) != HERE.get(name):
        pytest.skip(f"the golden file was written with {VERSIONS[name]}")
    small(dtype).save(tmp_path / "out", format=name)
    assert (tmp_path / "out").read_bytes() == golden(name, dtype).read_bytes()


@pytest.mark.parametrize(("name", "dtype"), GOLDEN)
def test_reads(name: str, dtype: str) -> None:
    """Reading a golden file gives the vectors it was made of."""
    vectors, expected = package.load(golden(name, dtype)), small(dtype)
    if name in LOSSLESS:
        assert_same(vectors, expected)
        return
    kept = [place for place, char in enumerate(expected.chars) if char in vectors]
    assert vectors.chars == [expected.chars[place] for place in kept]
    assert vectors.matrix.tobytes() == expected.matrix[kept].tobytes()


def test_every_member_has_a_golden_file() -> None:
    """A format that is added brings its golden file."""
    assert tuple(member.NAME for member in formats.members()) == FORMATS
    assert all(SUFFIX[member.NAME] in member.SUFFIXES for member in formats.members())


@pytest.mark.parametrize(("name", "dtype"), GOLDEN)
def test_exactly_one_sniffer_says_yes(name: str, dtype: str) -> None:
    """However much of a golden file is seen, its own format knows it and no other does."""
    head = golden(name, dtype).read_bytes()[:4096]
    assert [member.NAME for member in formats.members() if member.sniff(head)] == [name]
    for length in range(min(len(head), 300)):
        known = [member.NAME for member in formats.members() if member.sniff(head[:length])]
        # of a binary file that ends before its first number nobody knows that it is none of text
        assert known in ([], [name]) or (name == "word2vec-binary" and known == ["word2vec"] and length < 12)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * 64,
        b"hello world\n",
        b"\xd6\xd0 0.1 0.2\n",  # not UTF-8
        b"a\0b 0.1 0.2\n",
        b"{}",
        b"version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_strangers(head: bytes) -> None:
    """Heads that belong to nobody."""
    assert formats.sniff(head) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0 0.5 1e-05\n", "text"),
        (b"3 5 6\n", "text"),
        ("水 0.5\n".encode(), "text"),
        ("水 nan -inf\r\n".encode(), "text"),
        (b"5 0.25\n", "text"),
        (b"3 5\n", "word2vec"),
        (b"2 2 \r\n\0 1 2", "word2vec"),
    ],
)
def test_text_or_word2vec(head: bytes, name: str) -> None:
    """A header is two integers and nothing else; a zero byte may be the whole key."""
    assert [member.NAME for member in formats.members() if member.sniff(head)] == [name]


def test_determinism(tmp_path: Path) -> None:
    """Hash seed, locale and working folder leave no trace in any format."""
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from vector_samples import FORMATS, DTYPES, small\n"
        "for dtype in DTYPES:\n"
        "    for name in FORMATS: small(dtype).save(f'{dtype}.{name}', format=name)\n"
    )
    made = []
    for number, (seed, lang) in enumerate([("1", "C"), ("2", "zh_CN.UTF-8")]):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        env = {**os.environ, "PYTHONHASHSEED": seed, "LANG": lang, "LC_ALL": lang}
        subprocess.run([sys.executable, "-c", script, str(ROOT), str(ROOT / "tests")], cwd=folder, env=env, check=True)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(made[0]) == len(FORMATS) * len(DTYPES) and made[0] == made[1]


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize("name", FORMATS)
def test_commands_read_them(command: str, name: str) -> None:
    """``info`` and ``verify`` take every format, and say no more of it than the format can prove."""
    done = charvec(command, golden(name, "float32"))
    assert done.returncode == 0 and not done.stderr
    if command == "verify":
        assert ("whole" in done.stdout) == (name in ("hdf5", "npz"))
