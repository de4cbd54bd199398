"""Every reader of samples keeps the family's contract; golden files are named after the reader that must take them."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

import charvec
from charvec.plumbing.text.counting import Tally
from charvec.readers import choose, members
from charvec.reading import BLOCK, Options, Outcome, Source

TEXTS = Path(__file__).parents[1] / "data" / "texts"
GOLDEN = sorted(path for path in TEXTS.glob("*.txt") if not path.name.startswith("compressed."))
#: What the golden files marked so hold.
SHORT = "字 charvec\né😀\n"


def read(data: bytes) -> tuple[Outcome, Tally]:
    """What the reader that takes the data makes of it."""
    tally = Tally()
    source = Source(io.BytesIO(data), lambda count: None)
    return choose(source.head).read("a file", source, tally, Options()), tally


def text_of(tally: Tally) -> dict[str, int]:
    """The characters counted."""
    return {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]}


def test_every_member_has_golden_files() -> None:
    """A reader without one would not be tested."""
    assert {path.name.split(".")[0] for path in GOLDEN} == {member.NAME for member in members()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_exactly_one_sniffer_says_yes(path: Path) -> None:
    """Order never matters, and it is the member the file is named after."""
    head = path.read_bytes()[:BLOCK]
    assert [member.NAME for member in members() if member.sniff(head)] == [path.name.split(".")[0]]
    assert path.name.split(".")[0] == choose(head).NAME


def test_exactly_one_sniffer_says_yes_to_anything() -> None:
    """Also for beginnings of golden files, and for noise with their first bytes."""
    chance = random.Random(5)
    for path in GOLDEN:
        data = path.read_bytes()
        for length in range(min(len(data), 40)):
            for head in (data[:length], data[:length] + chance.randbytes(9), data[:length] + b"\0" * 5):
                assert sum(member.sniff(head) for member in members()) == 1, head


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_readers_skip_or_read_whole(path: Path) -> None:
    """Text is counted without loss, all else is skipped with one note that names the file; nothing lies in between."""
    data = path.read_bytes()
    kind = path.name.split(".")[0]
    if kind in ("parquet", "arrow"):
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    outcome, tally = read(data)
    if kind == "binary":
        assert outcome.skipped and [note.code for note in outcome.problems] == ["W-BINARY"]
        assert "a file" in outcome.problems[0].message and outcome.problems[0].path == "a file"
        assert not tally.table.any()
        return
    assert not outcome.skipped and not outcome.problems and not outcome.remarks and not outcome.bad_bytes
    text = data.decode() if kind == "utf-8" else SHORT
    text = text.removeprefix("\ufeff")
    assert text_of(tally) == {char: text.count(char) for char in text}


@pytest.mark.parametrize("kind", ["gzip", "zstd", "xz", "bzip2", "zip"])
def test_compressed_files_are_read(kind: str) -> None:
    """What is in them is counted, whatever their suffix."""
    if kind == "zstd":
        pytest.importorskip("backports.zstd", reason="no zstd is installed")
    counts = charvec.scan(TEXTS / f"compressed.{kind}.txt")
    assert dict(counts) == {char: SHORT.count(char) for char in SHORT} and counts.samples.complete


@pytest.mark.parametrize(
    "text", ["BZh is no word\n", "GIF89a: 一种图片格式\n", "PK\n", "MZ\n", "﻿%PDF-1.4 mark first\n"]
)
def test_text_that_begins_like_a_binary_file(text: str) -> None:
    """A few letters make no picture."""
    outcome, tally = read(text.encode())
    assert not outcome.skipped and int(tally.table.sum()) == len(text.removeprefix("\ufeff"))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["Plain English, and some more of it.\n", "第一行是中文。\n第二行也是，不过长一点。\n"]
)
def test_utf16_without_its_mark_is_skipped_with_a_hint(codec: str, text: str) -> None:
    """It is not guessed at, but the message says what it looks like."""
    outcome, tally = read(text.encode(codec))
    assert outcome.skipped and outcome.problems[0].code == "W-BINARY" and not tally.table.any()
    assert f"--encoding {codec}" in outcome.problems[0].message


def test_no_such_hint_for_real_binary_data() -> None:
    """Random bytes and numbers are called binary and nothing else."""
    chance = random.Random(11)
    for data in (
        chance.randbytes(5000) + b"\0",
        bytes(5000),
        bytes(range(256)) * 9,
        b"\x7fELF\x02\x01\x01\0" + bytes(99),
    ):
        outcome, _ = read(data)
        assert outcome.skipped and "--encoding" not in outcome.problems[0].message


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_damaged_utf16_and_utf32(codec: str) -> None:
    """Lone surrogates and odd bytes are left out, counted and located."""
    mark = "\ufeff".encode(codec)
    unit = 2 if "16" in codec else 4
    high = "\ud83d".encode(codec, "surrogatepass")
    outcome, tally = read(mark + "一二".encode(codec) + high + "三".encode(codec) + b"\x4e")
    assert text_of(tally) == {"一": 1, "三": 1, "二": 1}
    assert outcome.bad_bytes == unit + 1
    assert [note.code for note in outcome.problems] == ["W-UTF16" if unit == 2 else "W-UTF32"]
    assert outcome.problems[0].offset == 3 * unit


@pytest.mark.parametrize("text", ["", "\ufeff", "x", "\ufeff\ufeff", "😀"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_one_mark_at_the_beginning_is_no_character(codec: str, text: str) -> None:
    """A second one is."""
    outcome, tally = read(("\ufeff" + text).encode(codec))
    assert text_of(tally) == {char: text.count(char) for char in text} and not outcome.problems
