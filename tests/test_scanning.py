"""Scanning whole samples, through the library and the command: every bad input, and UTF-8 to the last byte."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import itertools
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from damaging import overwrite
from effort import tries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import charvec
from charvec import batches, cli, formats, reading, sharing
from charvec.counts import UNICODE_SIZE, Counts
from charvec.errors import InputError, NotFound, PermissionDenied, UsageError
from charvec.plumbing.text.counting import Tally
from charvec.readers import utf8
from charvec.reading import Outcome, Source
from charvec.samples import find_samples

posix = pytest.mark.skipif(os.name != "posix", reason="needs links, pipes and modes of a Unix system")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

TEXTS = Path(__file__).parent / "data" / "texts"
ZH = (TEXTS / "utf-8.simplified-recipe.txt").read_bytes()
PNG = (TEXTS / "binary.png.txt").read_bytes()
HOME = Path(charvec.__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*args: str, stdin: bytes | None = b"", env: dict[str, str] | None = None, **options: Any) -> Any:
    """Run ``charvec scan`` in a process of its own; it must not leave a traceback, nor write anything raw."""
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    result = subprocess.run(
        [sys.executable, "-m", "charvec", "scan", *args],
        capture_output=True,
        input=stdin,
        env=environment,
        timeout=60,
        check=False,
        **options,
    )
    for stream in (result.stdout, result.stderr):
        assert b"Traceback" not in stream and b"E-BUG" not in stream, stream
        assert_inert(stream.decode())
    return result


def assert_inert(text: str) -> None:
    """Nothing in it moves a terminal's cursor or turns the reading order round."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


def rows(stdout: bytes) -> dict[str, int]:
    """The command's table as character -> count."""
    lines = [line.split("\t") for line in stdout.decode().splitlines()]
    assert all(len(line) == 3 for line in lines)
    return {chr(int(code[2:], 16)): int(count) for code, _, count in lines}


def scan(*names: str, **options: Any) -> Counts:
    """Scan, and check what must hold of every result."""
    counts = charvec.scan(list(names), **options)
    samples = counts.samples
    assert samples.characters == int(counts.occurrences.sum())
    assert samples.skipped <= len(samples.problems) and samples.complete == (not samples.problems)
    assert all(ord(char) < 0xD800 or ord(char) > 0xDFFF for char in counts)
    for note in (*samples.problems, *samples.remarks):
        assert re.fullmatch(r"[EWN]-[A-Z0-9-]+", note.code) and note.message
    return counts


def codes(counts: Counts) -> list[str]:
    """Ids of everything that was lost or is remarkable."""
    return [note.code for note in (*counts.samples.problems, *counts.samples.remarks)]


# the plan's bad inputs: what is written, characters counted, ids, exit code

SEPARATORS = "a\nb\rc\x0bd\x0ce\x85f\u2028g\u2029"
EXACT: dict[str, tuple[bytes, str, list[str]]] = {
    "tx-empty": (b"", "", []),
    "tx-bom": ("\ufeff水".encode(), "水", []),
    "tx-midbom": ("水\ufeff木".encode(), "水\ufeff木", ["N-MIDDLE-BOM"]),
    "tx-utf16be": ("\ufeff水😀".encode("utf-16-be"), "水😀", []),
    "tx-utf16le": ("\ufeff水😀".encode("utf-16-le"), "水😀", []),
    "tx-utf32": ("\ufeff水😀".encode("utf-32-le"), "水😀", []),
    "tx-cr": (b"a\rb\rc", "a\rb\rc", []),
    "tx-seps": (SEPARATORS.encode(), SEPARATORS, []),
    "tx-vs": ("\ufe0f葛\U000e0100👨\u200d👩".encode(), "\ufe0f葛\U000e0100👨\u200d👩", []),
    "tx-combining": (("a" + "\u0301" * 5000).encode(), "a" + "\u0301" * 5000, []),
    "tx-pua": ("\ue000\uf8ff\U000f0000\U0010fffd".encode(), "\ue000\uf8ff\U000f0000\U0010fffd", []),
    "tx-astral": ("𠀀𪛖𝄞😀".encode(), "𠀀𪛖𝄞😀", []),
    "tx-compat": ("豈更⼀⺀㍿ﷺ".encode(), "豈更⼀⺀㍿ﷺ", []),
    "tx-all": ("".join(map(chr, range(0x3000, 0x3400))).encode(), "".join(map(chr, range(0x3000, 0x3400))), []),
    "tx-bidi": ("\u202e\u2066a\u2069\u061c\u200f".encode(), "\u202e\u2066a\u2069\u061c\u200f", []),
    "tx-nul": (b"x" * 9000 + b"\0", "x" * 9000 + "\0", []),
    "tx-control": (b"\x01\x7f\x1b[31m", "\x01\x7f\x1b[31m", []),
    "tx-noncharacter": ("\ufdd0\uffff\U0010ffff".encode(), "\ufdd0\uffff\U0010ffff", []),
    "tx-enc-hz": ("你好，世界。今天".encode("hz"), "", ["W-ESCAPED-ENCODING"]),
    "tx-lfs": (b"version https://git-lfs.github.com/spec/v1\n", "", ["W-LFS-POINTER"]),
    "tx-mojibake": (ZH.decode("latin-1").encode(), ZH.decode("latin-1"), ["W-MOJIBAKE"]),
}
EXACT["tx-gz"] = (gzip.compress(ZH), ZH.decode(), [])
PARTIAL: dict[str, tuple[bytes, str, str, int, int]] = {
    # bytes, characters counted, id, offset of the first bad byte, bad bytes
    "tx-bad1": ("水\n木".encode() + b"\xff" + "火".encode(), "水\n木火", "W-UTF8", 7, 1),
    "tx-cesu": ("水水水水水水水".encode() + b"\xed\xa0\xbd\xed\xb8\x80", "水水水水水水水", "W-UTF8", 21, 6),
    "tx-overlong": ("水水水水水".encode() + b"\xc0\xaf\xe0\x80", "水水水水水", "W-UTF8", 15, 4),
    "tx-escapes": ("水木\x9b31m\x1b]0;".encode() + b"\x9b", "水木\x9b31m\x1b]0;", "W-UTF8", 15, 1),
    "tx-cut": ("水木".encode()[:-1], "水", "W-UTF8", 3, 2),
    "tx-beyond": ("水木".encode() + b"\xf5" + "火".encode(), "水木火", "W-UTF8", 6, 1),
    "tx-utf16odd": ("\ufeff水".encode("utf-16-le") + b"a", "水", "W-UTF16", 4, 1),
    "tx-utf16lone": ("\ufeff水".encode("utf-16-le") + b"\x00\xd8a\0", "水a", "W-UTF16", 4, 2),
    "tx-utf32bad": ("\ufeff水".encode("utf-32-be") + b"\0\x11\0\0", "水", "W-UTF32", 8, 4),
}
SKIPPED: dict[str, tuple[bytes, str]] = {
    "tx-binary": (b"text\0more", "W-BINARY"),
    "tx-png": (PNG, "W-BINARY"),
    "tx-zeros": (bytes(4096), "W-BINARY"),
    "tx-gzgz": (gzip.compress(gzip.compress(ZH)), "W-BINARY"),
}


@pytest.mark.parametrize("name", EXACT)
def test_good_and_remarkable_texts(name: str) -> None:
    """Every character is itself and counted; exit 0; the table shows code points and nothing raw."""
    data, text, wanted = EXACT[name]
    text = text or data.decode()
    Path("sample.txt").write_bytes(data)
    counts = scan("sample.txt")
    assert dict(counts.items()) == Counter(text) and codes(counts) == wanted
    assert (counts.samples.files, counts.samples.bytes, counts.samples.bad_bytes) == (1, len(data), 0)
    result = command("sample.txt", "-v")
    assert result.returncode == 0 and rows(result.stdout) == Counter(text)
    for code in wanted:
        assert f"[{code}]" in result.stderr.decode()


@pytest.mark.parametrize("name", PARTIAL)
def test_damaged_texts(name: str) -> None:
    """What is sound is counted, what is not is counted in bytes and located; exit 3."""
    data, text, code, offset, bad = PARTIAL[name]
    Path("sample.txt").write_bytes(data)
    counts = scan("sample.txt")
    assert dict(counts.items()) == Counter(text) and codes(counts) == [code]
    assert counts.samples.problems[0].offset == offset and counts.samples.bad_bytes == bad
    result = command("sample.txt")
    assert result.returncode == 3 and rows(result.stdout) == Counter(text)
    assert f"[{code}]" in result.stderr.decode() and str(offset) in result.stderr.decode()


def test_gzip_cut_short() -> None:
    """``tx-gztrunc``: what could be inflated is counted, the damage is named; exit 3."""
    Path("sample.txt").write_bytes(gzip.compress(ZH * 50)[:-20])
    counts = scan("sample.txt")
    # perhaps in the middle of a character
    assert codes(counts)[-1] == "W-GZIP" and set(codes(counts)) <= {"W-GZIP", "W-UTF8"} and counts.samples.files == 1
    assert all(counts[char] <= number for char, number in Counter(ZH.decode() * 50).items() if char in counts)
    assert 0 < counts.samples.characters < len(ZH.decode()) * 50
    result = command("sample.txt")
    assert result.returncode == 3 and b"[W-GZIP]: sample.txt" in result.stderr


@pytest.mark.parametrize("name", SKIPPED)
def test_files_that_are_no_text(name: str) -> None:
    """Skipped and named, whatever the suffix says; exit 3, alone and beside a good one."""
    data, code = SKIPPED[name]
    Path("sample.txt").write_bytes(data)
    Path("good.txt").write_bytes(ZH)
    counts = scan("sample.txt")
    assert codes(counts) == [code] and len(counts) == 0 and counts.samples.skipped == 1 and not counts.samples.files
    both = scan("sample.txt", "good.txt")
    assert both == scan("good.txt") and codes(both) == [code] and both.samples.bytes == len(ZH)
    result = command("sample.txt", "good.txt")
    assert result.returncode == 3 and f"[{code}]: sample.txt" in result.stderr.decode()
    assert rows(result.stdout) == Counter(ZH.decode())


LEGACY = [
    ("simplified-notice", "gb18030", "gb18030"),
    ("simplified-recipe", "gbk", "gb18030"),
    ("traditional-essay", "big5", "big5"),
    ("traditional-travel", "cp950", "big5"),
    ("japanese-diary", "shift_jis", "shift_jis"),
    ("japanese-guide", "euc_jp", "euc_jp"),
    ("korean-letter", "euc_kr", "cp949"),
    ("korean-news", "cp949", "cp949"),
]


@pytest.mark.parametrize(("name", "encoding", "guess"), LEGACY)
def test_other_encodings_are_never_guessed(name: str, encoding: str, guess: str) -> None:
    """``tx-enc-*``: not one character is counted; the likeliest encoding is named first; told, it is read exactly."""
    text = (TEXTS / f"utf-8.{name}.txt").read_text("utf-8")
    Path("legacy.txt").write_bytes(text.encode(encoding))
    Path("utf8.txt").write_text(text, "utf-8", newline="")
    expected = scan("utf8.txt")
    with pytest.raises(InputError) as caught:
        scan("legacy.txt")
    assert caught.value.code == "E-ENCODING" and f"it may be {guess}" in caught.value.message
    assert caught.value.offset is not None and caught.value.exit_code == 65
    both = scan("legacy.txt", "utf8.txt")
    assert both == expected and codes(both) == ["E-ENCODING"] and both.samples.skipped == 1
    for how in (encoding, {"*": encoding}, {"*.txt": encoding}, {"leg*": encoding}, {"legacy.txt": guess}):
        told = scan("legacy.txt", encoding=how)
        assert told == expected and told.samples.complete and told.samples.bad_bytes == 0


def test_other_encodings_through_the_command() -> None:
    """65 when nothing could be read, 3 when something was; ``--encoding`` for all, and for a pattern."""
    text = (TEXTS / "utf-8.japanese-diary.txt").read_text("utf-8")
    Path("legacy.sjis").write_bytes(text.encode("shift_jis"))
    Path("utf8.txt").write_text(text, "utf-8")
    result = command("legacy.sjis")
    assert result.returncode == 65 and result.stdout == b""
    assert b"error[E-ENCODING]: legacy.sjis" in result.stderr and b"may be shift_jis" in result.stderr
    assert b"help: " in result.stderr and b"--encoding" in result.stderr
    result = command("legacy.sjis", "utf8.txt")
    assert result.returncode == 3 and rows(result.stdout) == Counter(text) and b"[E-ENCODING]" in result.stderr
    result = command(".", "--encoding", "*.sjis=shift_jis")
    assert result.returncode == 0 and rows(result.stdout) == {char: 2 * n for char, n in Counter(text).items()}
    result = command("legacy.sjis", "--encoding", "cp932", "--strict")
    assert result.returncode == 0 and rows(result.stdout) == Counter(text)
    result = command("legacy.sjis", "utf8.txt", "--strict")
    assert result.returncode == 65 and result.stdout == b"" and b"[E-SAMPLES]" in result.stderr
    result = command("legacy.sjis", "--json")
    assert json.loads(result.stderr)["id"] == "E-ENCODING" and json.loads(result.stderr)["path"] == "legacy.sjis"


@pytest.mark.parametrize(
    "codec", ["nonsense", "", "rot13", "hex", "base64", "zlib", "idna", "punycode", "undefined", "a\0"]
)
def test_unusable_codecs(codec: str) -> None:
    """Not Python's, not for text, or unable to go on behind an error: refused before anything is read."""
    Path("x").write_bytes(b"abc")
    for encoding in (codec, {"*.none": codec}):
        with pytest.raises(UsageError) as caught:
            charvec.scan("x", encoding=encoding)
        assert caught.value.code == "E-CODEC" and caught.value.exit_code == 2


def test_what_is_said_of_some_files_beats_what_is_said_of_all() -> None:
    """``*`` comes last, in whatever order they are given; among patterns the first wins."""
    Path("a.gbk").write_bytes("水".encode("gbk"))
    Path("b.big5").write_bytes("木".encode("big5"))
    for encoding in ({"*": "big5", "*.gbk": "gbk"}, {"*.gbk": "gbk", "*": "big5"}, {"a*": "gbk", "*.*": "big5"}):
        assert dict(scan(".", encoding=encoding).items()) == {"水": 1, "木": 1}


def test_encodings_leave_pictures_alone() -> None:
    """``--encoding latin-1`` decodes anything; a picture or an archive in the folder is still no text."""
    Path("a.txt").write_bytes("été".encode("latin-1"))
    Path("b.txt").write_bytes(PNG)
    Path("c.txt").write_bytes(gzip.compress(b"x"))
    Path("d.txt").write_bytes(b"a\0b")
    counts = scan(".", encoding="latin-1")
    assert dict(counts.items()) == Counter("étéx") and codes(counts) == ["W-BINARY", "W-BINARY"]
    Path("e.txt").write_bytes("水 water".encode("utf-16-le"))
    assert dict(scan("e.txt", encoding="utf-16-le").items()) == Counter("水 water")


@pytest.mark.parametrize(
    ("codec", "written"),
    [
        *(
            (codec, codec)
            for codec in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030", "utf-7")
        ),
        *(("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("UTF16", "utf-16-le"), ("utf-32", "utf-32-le")),
    ],
)
def test_marks_in_named_encodings(codec: str, written: str) -> None:
    """One at the beginning is no character there either; the next one is. Without one it is little-endian."""
    for text, counted in (("\ufeff水", "水"), ("水\ufeff", "水\ufeff"), ("\ufeff", ""), ("\ufeff\ufeff", "\ufeff")):
        Path("x").write_bytes(text.encode(written))
        assert dict(scan("x", encoding=codec).items()) == Counter(counted)
    for name in ("utf-16", "utf-32"):
        Path("x").write_bytes("\ufeff水".encode(f"{name}-be"))
        assert dict(scan("x", encoding=name).items()) == {"水": 1}


def test_damage_in_named_encodings() -> None:
    """Left out, counted and located, also across the edges of blocks; lone surrogates are no characters."""
    text = (TEXTS / "utf-8.simplified-notice.txt").read_text("utf-8")
    data = text.encode("gb18030")
    Path("x").write_bytes(data[:90] + b"\xff" + data[90:] + b"\x81")
    counts = scan("x", encoding="gb18030")
    assert dict(counts.items()) == Counter(text) and counts.samples.bad_bytes == 2
    assert codes(counts) == ["W-DECODE"] and counts.samples.problems[0].offset == 90
    Path("x").write_bytes(b"a+2AA-b")
    counts = scan("x", encoding="utf-7")
    assert dict(counts.items()) == {"a": 1, "b": 1} and codes(counts) == ["W-DECODE"]
    assert command("x", "--encoding", "utf-7").returncode == 3


# UTF-8 to the last byte


def reference(data: bytes) -> tuple[Counter[str], int | None, int]:
    """What Python's strict decoder says: characters, offset of the first bad byte, bad bytes."""
    body = data.removeprefix(b"\xef\xbb\xbf")
    mark = len(data) - len(body)
    text = body.decode("utf-8", "ignore")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Counter(text), mark + error.start, len(body) - len(text.encode())
    return Counter(text), None, 0


def check(data: bytes, outcome: Outcome, tally: Tally, text: Counter[str]) -> bool:
    """Compare the verdict on one file; whether its characters were counted."""
    expected, first, bad = reference(data)
    if outcome.skipped:
        assert [note.code for note in outcome.problems] == ["E-ENCODING"] and outcome.problems[0].offset == first
        assert outcome.bad_bytes == 0
        return False
    text += expected
    assert outcome.bad_bytes == bad
    assert (first is None) == (not outcome.problems)
    if first is not None:
        note = outcome.problems[0]
        assert (note.code, note.offset, len(outcome.problems)) == ("W-UTF8", first, 1)
        line = data.count(b"\n", 0, first) + 1
        assert f"byte {first}, line {line} (0x{data[first]:02x})" in note.message
        assert f"{bad:,} byte{'s' * (bad > 1)} left out" in note.message
    return True


def is_utf8_in_the_main(data: bytes) -> bool:
    """The rule: no damage, or more sound characters beyond ASCII than bad bytes; a cut at the end is forgiven."""
    text, first, bad = reference(data)
    beyond = sum(number for char, number in text.items() if char > "\x7f")
    cut = codecs.getincrementaldecoder("utf-8")("ignore")
    cut.decode(data)
    left = len(cut.getstate()[0])
    return first is None or beyond > bad - left


PIECES = [
    *(
        piece.encode()
        for piece in ("a", "\n", "é", "水", "木火", "😀", "\ufeff", "\u0800", "\U0010ffff", "plain text\n")
    ),
    *(bytes.fromhex(piece) for piece in ("c0af", "c1bf", "e08080", "e09fbf", "f08080af", "f08fbfbf")),  # overlong
    *(bytes.fromhex(piece) for piece in ("eda080", "edbfbf", "eda0bdedb880")),  # surrogates
    *(bytes.fromhex(piece) for piece in ("80", "bf", "8080", "ff", "fe", "f5808080", "f4908080", "f8888080")),
    *(bytes.fromhex(piece) for piece in ("c3", "e6", "e6b0", "f0", "f09f", "f09f98")),  # cut
]


def spoilt(chance: random.Random) -> bytes:
    """A text, mostly sound, as it can come out of a bad copy."""
    sound = chance.random() < 0.3
    pieces = chance.choices(PIECES[:10] if sound else PIECES, k=chance.randrange(1, 12))
    data = bytearray(b"".join(pieces))
    how = chance.random()
    if how < 0.15:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how < 0.3:
        del data[chance.randrange(len(data)) :]
    elif how < 0.35:
        data[:0] = b"\xef\xbb\xbf"
    return bytes(data)


@pytest.mark.parametrize("block", [7, 8, 9, 16, 33, 64, 1 << 18])
def test_utf8_agrees_with_python(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Short files with every kind of damage, read in blocks so small that characters lie across their edges."""
    monkeypatch.setattr(reading, "BLOCK", block)
    chance = random.Random(block)
    verdicts: Counter[bool] = Counter()
    for _ in range(tries(15, 60)):
        tally, text = Tally(), Counter[str]()
        for _ in range(250):
            data = spoilt(chance)
            outcome = utf8.read("x", Source(io.BytesIO(data), lambda count: None), tally, reading.Options())
            verdicts[check(data, outcome, tally, text)] += 1
            if block > len(data):
                assert outcome.skipped == (not is_utf8_in_the_main(data))
        # the characters of all of them together; what was not counted must have left nothing behind
        codepoints = tally.table.nonzero()[0]
        assert {chr(code): int(tally.table[code]) for code in codepoints} == text
    assert min(verdicts[True], verdicts[False]) > 400


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(7, 64))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_add_up(monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], block: int) -> None:
    """Bad bytes, bytes of counted characters and the mark make the file; nothing is counted of a file not read."""
    monkeypatch.setattr(reading, "BLOCK", block)
    data = b"".join(pieces)
    overwrite(Path("x"), data)
    Path("y").touch()
    try:
        counts = scan("x", "y")
    except InputError as error:
        assert error.code == "E-ENCODING"
        return
    counted = sum(len(char.encode()) * number for char, number in counts.items())
    assert counts.samples.bytes == len(data)
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16, where a character has other bytes
        assert counted + counts.samples.bad_bytes + 3 * data.startswith(b"\xef\xbb\xbf") == len(data)


def test_the_verdict_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged Chinese text is the same damaged text at any size of block."""
    data = ZH[:200] + b"\xff\xfe" + ZH[200:]
    Path("x").write_bytes(data)
    whole = scan("x")
    assert whole.samples.bad_bytes >= 2 and codes(whole) == ["W-UTF8"]
    for block in range(7, 65):
        monkeypatch.setattr(reading, "BLOCK", block)
        counts = scan("x")
        assert counts == whole and counts.samples == whole.samples


def test_ascii_then_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of ASCII were counted before the file turns out to be none: they are taken back."""
    monkeypatch.setattr(reading, "BLOCK", 64)
    Path("good").write_bytes("abc水".encode())
    garbage = "中文编码".encode("gb18030") * 30
    for length in (0, 1, 63, 64, 65, 127, 500):
        Path("bad").write_bytes(b"a" * length + garbage)
        counts = scan("good", "bad")
        assert dict(counts.items()) == Counter("abc水") and codes(counts) == ["E-ENCODING"]
        assert counts.samples.problems[0].offset == length and counts.samples.bytes == 6
    Path("bad").write_bytes(b"a" * 500 + b"\xe4")
    assert dict(scan("good", "bad").items()) == Counter("abc水")


def test_much_damage_is_no_slower() -> None:
    """A file that is all damage behind one good character needs no call for each bad byte."""
    Path("x").write_bytes("水木火土金\n".encode() * 60_000 + b"\xff\xc0\x80" * 700_000)
    counts = scan("x")
    assert counts.samples.bad_bytes == 2_100_000 and counts["水"] == 60_000


def test_every_scalar_survives() -> None:
    """All 1,112,064 of them, in every form that is read without being told."""
    scalars = [*range(0xD800), *range(0xE000, UNICODE_SIZE)]
    text = "".join(map(chr, scalars[1:])) + "\0"  # a zero byte at the beginning would make it binary
    for codec in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        Path("x").write_bytes(("\ufeff" + text).encode(codec))
        counts = scan("x")
        assert len(counts) == 1_112_064 and (counts.occurrences == 1).all() and counts.samples.complete
        assert counts.codepoints.tolist() == scalars


# properties


def test_a_cut_at_every_character() -> None:
    """scan(A + B) == scan(A) + scan(B), and the numbers of both add up."""
    text = "水 a\né木木😀\ufeff字\r\n" * 2
    Path("whole").write_text(text, "utf-8", newline="")
    whole = scan("whole")
    for cut in range(1, len(text)):
        if text[cut] == "\ufeff":
            continue  # at the beginning of a file it is a mark
        Path("a").write_text(text[:cut], "utf-8", newline="")
        Path("b").write_text(text[cut:], "utf-8", newline="")
        one, two = scan("a"), scan("b")
        both = one + two
        assert both == whole == scan("a", "b")
        assert both.samples.characters == whole.samples.characters == len(text)
        assert both.samples.bytes == whole.samples.bytes and both.samples.files == 2


def test_order_and_repetition_do_not_matter() -> None:
    """Any order of the files gives the same counts, and naming one twice reads it once."""
    for name, text in {"a": "水水木", "b": "木火", "c": "é\n"}.items():
        Path(name).write_text(text, "utf-8")
    whole = scan("a", "b", "c")
    for order in itertools.permutations("abc"):
        counts = scan(*order, *order)
        assert counts == whole and counts.samples.files == 3 and list(counts) == list(whole)


def test_hash_seed_and_locale_do_not_matter() -> None:
    """The same bytes on standard output."""
    Path("d").mkdir()
    for name in ("x", "y", "é", "z"):
        Path("d", name).write_bytes(ZH)
    outputs = {
        command("d", env={"PYTHONHASHSEED": seed, "LC_ALL": locale, "PYTHONUTF8": "1"}).stdout
        for seed, locale in (("0", "C"), ("1", "C.UTF-8"), ("77", "POSIX"))
    }
    assert len(outputs) == 1 and b"\t4\n" in outputs.pop()


def test_numbers_add_up() -> None:
    """Files read, skipped and hidden make up what the folder holds; the summary says the same."""
    Path("d/sub").mkdir(parents=True)
    Path("d/good").write_bytes(ZH)
    Path("d/empty").write_bytes(b"")
    Path("d/sub/cut").write_bytes(ZH[:-2])
    Path("d/png").write_bytes(PNG)
    Path("d/legacy").write_bytes(ZH.decode().encode("gbk"))
    Path("d/.hidden").write_bytes(b"x")
    samples = scan("d").samples
    assert (samples.files, samples.skipped, samples.hidden, len(samples.problems)) == (3, 2, 1, 3)
    assert samples.bytes == 2 * len(ZH) - 2
    result = command("d", "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 3
    assert (report["files"], report["skipped"], report["hidden"], report["bytes"]) == (3, 2, 1, samples.bytes)
    assert sum(report["counts"].values()) == report["characters"] == samples.characters
    assert len(report["counts"]) == report["distinct"] and len(report["notes"]) == 3
    assert b"3 files" in result.stderr and b"1 hidden" in result.stderr


# the file system


@posix
def test_tree_with_a_link_to_its_parent_and_a_hard_link() -> None:
    """``fs-tree``, ``fs-hardlink``: each file once, the hard link as its own; exit 0."""
    Path("t/s").mkdir(parents=True)
    Path("t/s/a").write_text("水", "utf-8")
    os.symlink("..", "t/s/up")
    os.link("t/s/a", "t/b")
    assert dict(scan("t").items()) == {"水": 2} and scan("t").samples.complete
    assert command("t").returncode == 0


@posix
def test_loops_pipes_sockets_and_links_out() -> None:
    """``fs-loop``, ``fs-fifo``, ``fs-sock``: named, skipped, no hang; exit 3."""
    Path("t").mkdir()
    Path("t/a").write_text("水", "utf-8")
    Path("other").write_text("木", "utf-8")
    os.symlink("loop", "t/loop")
    os.symlink("../other", "t/out")
    os.mkfifo("t/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("t/sock")
        counts = scan("t")
        assert dict(counts.items()) == {"水": 1}
        assert sorted(codes(counts)) == ["W-LINK", "W-LOOP", "W-SPECIAL", "W-SPECIAL"]
        assert counts.samples.skipped == 4
        result = command("t")
        assert result.returncode == 3 and result.stderr.count(b"warning[") == 4


@posix
def test_a_pipe_named_alone_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """``fs-fifo``: to its end, in whatever pieces its writer gives it."""
    monkeypatch.setattr(reading, "BLOCK", 64)
    os.mkfifo("pipe")
    data = "水木火土\n".encode() * 50

    def write() -> None:
        with open("pipe", "wb", buffering=0) as pipe:
            for start in range(0, len(data), 7):
                pipe.write(data[start : start + 7])

    writer = threading.Thread(target=write)
    writer.start()
    counts = scan("pipe")
    writer.join()
    assert dict(counts.items()) == dict.fromkeys("水木火土\n", 50) and counts.samples.bytes == len(data)


@posix
def test_no_permission_to_read() -> None:
    """Named alone: exit 77. Beside others, or in a folder: listed, exit 3."""
    Path("d").mkdir()
    Path("d/a").write_text("水", "utf-8")
    Path("d/shut").write_text("木", "utf-8")
    Path("d/shut").chmod(0)
    Path().chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        counts = scan("d")
        assert dict(counts.items()) == {"水": 1} and codes(counts) == ["W-PERMISSION"]
        assert codes(scan("d/shut", "d/a")) == ["W-PERMISSION"]
        with pytest.raises(PermissionDenied) as caught:
            scan("d/shut")
        assert caught.value.code == "E-PERMISSION" and caught.value.exit_code == 77
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between listing and opening: listed as unread, the others are read."""
    for name in "abc":
        Path(name).write_text(name, "utf-8")
    opened = batches.open_sample

    def vanishing(path: str, *, wait: bool) -> BinaryIO:
        Path("b").unlink(missing_ok=True)
        return opened(path, wait=wait)

    monkeypatch.setattr(batches, "open_sample", vanishing)
    counts = scan("a", "b", "c")
    assert dict(counts.items()) == {"a": 1, "c": 1} and codes(counts) == ["W-READ"]


@posix
def test_a_file_that_becomes_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening it does not wait for a writer who never comes."""
    Path("d").mkdir()
    Path("d/a").write_text("a", "utf-8")
    opened = batches.open_sample

    def swapped(path: str, *, wait: bool) -> BinaryIO:
        os.remove(path)
        os.mkfifo(path)
        return opened(path, wait=wait)

    monkeypatch.setattr(batches, "open_sample", swapped)
    counts = scan("d")
    assert codes(counts) == ["W-SPECIAL"] and counts.samples.skipped == 1


class Failing(io.BytesIO):
    """A disk that fails after some bytes."""

    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self.good = good

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.good:
            raise OSError(5, "Input/output error")
        return super().read(min(size or 0, self.good - self.tell()))


@pytest.mark.parametrize("good", [0, 1, 6, 7, 40, 64, 65, 100])
def test_a_disk_that_fails(monkeypatch: pytest.MonkeyPatch, good: int) -> None:
    """``rt-in-eio``: what came before is counted, the rest is named; every byte read is accounted for."""
    monkeypatch.setattr(reading, "BLOCK", 64)
    data = "水木".encode() * 20
    tally = Tally()
    source = Source(Failing(data, good), lambda count: None)
    outcome = batches._count_text("x", "x", source, reading.Options(), tally)
    assert outcome.problems[-1].code == "W-READ" and outcome.problems[-1].offset == good == outcome.bytes
    if good == 1:
        assert outcome.skipped and outcome.problems[0].code == "E-ENCODING"
        return
    assert outcome.skipped == (good == 0) and outcome.bad_bytes == good % 3
    assert tally.table.sum() == good // 3


@posix
def test_a_file_that_grows() -> None:
    """``rt-in-grow``: a prefix is read, and it is said; a writer as fast as the reader cannot keep it busy for ever."""
    Path("x").write_bytes(b"a" * 600_000)

    class Appending:
        def start(self, total: int | None) -> None:
            assert total == 600_000

        def advance(self, count: int) -> None:
            with open("x", "ab") as file:
                file.write(b"b" * 300_000)

        def close(self) -> None:
            pass

    counts = scan("x", progress=Appending())
    assert dict(counts.items()) == {"a": 600_000} and codes(counts) == ["W-GREW"]
    assert counts.samples.complete


def test_a_file_that_shrinks() -> None:
    """What is left is counted; that something is missing is said, and makes exit 3."""
    Path("x").write_bytes(b"a" * 900_000)

    class Cutting:
        def start(self, total: int | None) -> None:
            pass

        def advance(self, count: int) -> None:
            os.truncate("x", 500_000)

        def close(self) -> None:
            pass

    counts = scan("x", progress=Cutting())
    assert dict(counts.items()) == {"a": 500_000} and codes(counts) == ["W-SHRANK"]
    assert counts.samples.bytes == 500_000


def test_files_moved_about_while_they_are_read() -> None:
    """A thread renames, cuts, appends and deletes: no crash, and the numbers still add up."""
    Path("d").mkdir()
    stop = threading.Event()
    chance = random.Random(3)

    def disturb() -> None:
        while not stop.is_set():
            name = Path("d", str(chance.randrange(20)))
            with contextlib.suppress(OSError):
                how = chance.randrange(4)
                if how == 0:
                    name.write_bytes(ZH * chance.randrange(300))
                elif how == 1:
                    name.unlink()
                elif how == 2:
                    os.truncate(name, 5)
                else:
                    name.rename(Path("d", str(chance.randrange(20))))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(40):
            with contextlib.suppress(NotFound, InputError):
                scan("d")
    finally:
        stop.set()
        thread.join()


def test_many_files() -> None:
    """``rt-in-many``, scaled to 20,000: all are read, each once, and little memory is needed for each."""
    Path("d").mkdir()
    for number in range(20_000):
        with open(f"d/{number}", "wb") as file:
            file.write(b"\xe6\xb0\xb4")
    counts = scan("d")
    assert dict(counts.items()) == {"水": 20_000} and counts.samples.files == 20_000
    tracemalloc.start()
    assert sum(1 for _ in find_samples("d")) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 20_000


@posix
def test_few_file_descriptors() -> None:
    """``rt-lim-fds``: 16 are enough for any number of files and folders."""
    import resource

    for number in range(40):
        Path(f"d{number}/" + "s/" * 20).mkdir(parents=True)
        Path(f"d{number}", "s", "x").write_text("水", "utf-8")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

    result = command(".", preexec_fn=limit)
    assert result.returncode == 0 and rows(result.stdout) == {"水": 40}


@linux
@pytest.mark.parametrize(
    ("name", "code"), [("/proc/self/mem", "E-READ"), ("/dev/zero", "E-SPECIAL"), ("/dev/null", "E-SPECIAL")]
)
def test_files_of_the_system(name: str, code: str) -> None:
    """``rt-in-proc``: named alone they are refused at once, exit 65; beside a text they are listed, exit 3."""
    with pytest.raises(InputError) as caught:
        scan(name)
    assert caught.value.code == code and caught.value.path == name
    assert command(name).returncode == 65
    Path("x").write_text("水", "utf-8")
    assert codes(scan(name, "x")) == [code.replace("E-", "W-")]


@linux
def test_files_without_a_size() -> None:
    """What the system makes up is read to its end, and nothing is said of its size."""
    counts = scan("/proc/self/status", "/proc/cpuinfo")
    assert counts.samples.complete and not counts.samples.remarks and counts.samples.bytes > 500
    assert scan("/sys/kernel").samples.files > 0


# the command


def test_results_on_stdout_and_the_rest_on_stderr() -> None:
    """Commonest first, then by code point; ``-q`` leaves the summary out."""
    Path("x").write_text("水水木a木水b", "utf-8")
    result = command("x")
    assert result.stdout.decode() == "U+6C34\t水\t3\nU+6728\t木\t2\nU+0061\ta\t1\nU+0062\tb\t1\n"
    assert result.returncode == 0 and b"1 file, 17 bytes, 7 characters, 4 distinct" in result.stderr
    result = command("x", "-q")
    assert result.returncode == 0 and result.stderr == b""


def test_standard_input() -> None:
    """Read once, from pipe and file; damaged, of another encoding, empty and closed as any other sample."""
    result = command("-", "-", stdin="水木".encode())
    assert result.returncode == 0 and rows(result.stdout) == {"水": 1, "木": 1} and b"1 file" in result.stderr
    assert command("-", stdin=b"").returncode == 0
    assert command("-", stdin="水木".encode() + b"\xff").returncode == 3
    result = command("-", stdin=ZH.decode().encode("gbk"))
    assert result.returncode == 65 and b"standard input is not UTF-8" in result.stderr and b"gb18030" in result.stderr
    result = command("-", "--encoding", "gb18030", stdin=ZH.decode().encode("gbk"))
    assert result.returncode == 0 and rows(result.stdout) == Counter(ZH.decode())


@posix
def test_standard_input_that_cannot_be_read() -> None:
    """Closed, or a folder: an answer, no traceback."""
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    line = f'"{sys.executable}" -m charvec scan - '
    for redirect in ("<&-", "< ."):
        result = subprocess.run(
            line + redirect, shell=True, capture_output=True, env=environment, check=False, timeout=60
        )
        assert result.returncode == 65 or b"is a directory, cannot continue" in result.stderr
        assert b"Traceback" not in result.stderr


def test_standard_input_that_someone_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """In notebooks it has no bytes beneath; without a console it is None."""
    for replaced in (None, io.StringIO("x")):
        monkeypatch.setattr(sys, "stdin", replaced)
        with pytest.raises(InputError) as caught:
            charvec.scan("-")
        assert caught.value.code == "E-READ"


@pytest.mark.parametrize(
    ("args", "code", "exit_code"),
    [
        (["nothing"], "E-NOT-FOUND", 66),
        (["x", "nothing"], "E-NOT-FOUND", 66),
        (["*.nothing"], "E-NOT-FOUND", 66),
        ([""], "E-NOT-FOUND", 66),
        (["\x1b[31m\n\u202e"], "E-NOT-FOUND", 66),
        (["x", "--nonsense"], "E-USAGE", 2),
        (["x", "--encodin", "gbk"], "E-USAGE", 2),
        ([], "E-USAGE", 2),
        (["x", "--encoding", "nonsense"], "E-CODEC", 2),
        (["x", "--encoding", ""], "E-CODEC", 2),
        (["x", "-o", "x"], "E-OUTPUT-EXISTS", 73),
        (["x", "-o", "x", "-f"], "E-OUTPUT-IS-INPUT", 73),
        (["x", "-o", "none/y"], "E-OUTPUT-NO-FOLDER", 73),
        (["x", "-o", "."], "E-OUTPUT-FOLDER", 73),
    ],
)
def test_errors_of_the_command(capsys: pytest.CaptureFixture[str], args: list[str], code: str, exit_code: int) -> None:
    """``rt-cli-*``: one message with a stable id and a remedy on stderr, nothing on stdout, inputs untouched."""
    Path("x").write_text("水", "utf-8")
    assert cli.main(["scan", *args]) == exit_code
    output = capsys.readouterr()
    assert output.out == "" and f"error[{code}]" in output.err and "\n  help: " in output.err
    assert_inert(output.err)
    assert Path("x").read_text("utf-8") == "水" and sorted(os.listdir()) == ["x"]


def test_errors_in_a_process_of_its_own() -> None:
    """The exit code is the process's."""
    assert command("nothing").returncode == 66
    assert command("--nonsense").returncode == 2


def test_a_name_too_many_is_offered() -> None:
    """A misspelt option is answered with the right one."""
    Path("x").write_text("水", "utf-8")
    assert b"did you mean --encoding?" in command("x", "--encodng=gbk").stderr


@posix
def test_dangerous_names_and_texts() -> None:
    """Names with escapes, newlines, bidi controls and bytes that are no UTF-8; texts with all of Unicode's controls."""
    names = ["\x1b[31mred\n", "\u202egnp.txt", "\udcff\udc9b", "a\u2028b", "\x9b31m"]
    Path("d").mkdir()
    for name in names:
        Path("d", name).write_bytes(PNG)
    controls = "".join(
        map(chr, [*range(32), *range(0x7F, 0xA0), 0x61C, *range(0x200B, 0x2010), *range(0x2028, 0x202F)])
    )
    Path("d", "text").write_text(controls[1:] + "\U000e0001\u2066\u2069\u3000\xa0", "utf-8", newline="")
    for args in (["d"], ["d", "--json"], [*(f"d/{name}" for name in names), "-v"]):
        result = command(*args)
        assert result.returncode == 3 and result.stderr.count(b"[W-BINARY]") == 5
    assert len(json.loads(command("d", "--json").stdout)["notes"]) == 5


def test_output_file() -> None:
    """Table or JSON, whole; ``-`` is standard output; ``-f`` replaces; the output in the folder is no sample."""
    Path("d").mkdir()
    Path("d/x").write_text("水水木", "utf-8")
    table = "U+6C34\t水\t2\nU+6728\t木\t1\n"
    result = command("d", "-o", "d/out.tsv")
    assert result.returncode == 0 and result.stdout == b"" and Path("d/out.tsv").read_text("utf-8") == table
    assert command("d", "-o", "d/out.tsv").returncode == 73
    assert command("d", "-o", "d/out.tsv", "-f").returncode == 0
    assert Path("d/out.tsv").read_text("utf-8") == table
    assert command("d/x", "-o", "-").stdout.decode() == table
    result = command("d/x", "--json", "-o", "out.json")
    assert result.stdout == b"" and json.loads(Path("out.json").read_text("utf-8"))["counts"] == {
        "U+6C34": 2,
        "U+6728": 1,
    }
    assert sorted(os.listdir("d")) == ["out.tsv", "x"] and sorted(os.listdir()) == ["d", "out.json"]


def test_strict_writes_nothing() -> None:
    """``--strict``: 65 when a sample was skipped or damaged."""
    Path("x").write_bytes("水木".encode() + b"\xff")
    result = command("x", "--strict", "-o", "out.tsv")
    assert result.returncode == 65 and not Path("out.tsv").exists()
    assert b"error[E-SAMPLES]: 1 sample skipped or damaged, and --strict was asked for" in result.stderr


def test_a_mark_in_the_middle() -> None:
    """It is counted, and told of, as often as it is there."""
    for times, told in ((1, "once"), (2, "2 times")):
        Path("x").write_text("水\ufeff" * times + "木", "utf-8")
        (note,) = scan("x").samples.remarks
        assert note.code == "N-MIDDLE-BOM" and f"U+FEFF was counted {told} inside texts" in note.message


def test_repeated_warnings_are_folded() -> None:
    """The first few in full, then a number."""
    Path("d").mkdir()
    for number in range(30):
        Path("d", f"{number:02}").write_bytes(PNG)
    result = command("d")
    assert result.returncode == 3 and result.stderr.count(b"warning[W-BINARY]") == 6 and b"and 25 more" in result.stderr
    assert command("d", "-v").stderr.count(b"warning[W-BINARY]") == 30


def test_nothing_to_read() -> None:
    """An empty folder, and a suffix that no file has, are errors: a misspelt --ext must not look like success."""
    Path("d").mkdir()
    for options in ({}, {"extensions": ("csv",)}, {"extensions": "csv"}):
        with pytest.raises(NotFound) as caught:
            scan("d", **options)
        assert caught.value.code == "E-NO-FILES"
        Path("d/x.txt").write_text("x", "utf-8")
        if not options:
            assert codes(scan("d")) == []
    assert codes(scan("d", extensions=(each for each in ("txt",)))) == [] and codes(scan("d", extensions="txt")) == []
    assert command("d", "--ext", "csv").returncode == 66


def test_a_general_encoding_spares_unicode() -> None:
    """``--encoding gb18030`` is about the files that are not UTF-8; with a pattern it decides for all that match."""
    text = "今天天气很好，我们去公园。"
    for name, codec in (("utf8", "utf-8"), ("marked", "utf-16"), ("gbk", "gb18030")):
        Path(name).write_bytes(text.encode(codec))
    expected = Counter(text)
    for name in ("utf8", "marked", "gbk"):
        assert dict(scan(name, encoding="gb18030")) == expected, name
        assert dict(scan(name, encoding={"": "gb18030"})) == expected, name
    assert dict(scan("utf8", encoding={"*": "gb18030"})) != expected
    assert command("utf8", "--encoding", "gb18030").stdout == command("utf8").stdout


def test_own_files_are_no_samples() -> None:
    """Vector files that earlier runs wrote, and the model's own files, are passed over inside folders and named."""
    Path("d").mkdir()
    Path("d/text.txt").write_text("水", "utf-8")
    Path("d/old.h5").write_bytes(b"\x89charvec\r\n\x1a\n" + bytes(600))
    Path("d/vocab.txt").write_text("[PAD]\n火\n", "utf-8")
    counts = scan("d", not_these=["d/vocab.txt"])
    assert dict(counts) == {"水": 1} and counts.samples.complete
    assert sorted(note.code for note in counts.samples.remarks) == ["N-MODEL-FILE", "N-VECTOR-FILE"]
    assert dict(scan("d/vocab.txt", not_these=["d/vocab.txt"])) == Counter("[PAD]\n火\n")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("suffix", [suffix for member in formats.members() for suffix in member.SUFFIXES])
def test_own_files_of_any_format_are_no_samples(
    suffix: str, dtype: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder they are passed over, also packed, also cut into ranges; a text that is named itself is read."""
    Path("d").mkdir()
    Path("d/text.txt").write_text("\t 水火人大é", "utf-8")
    assert cli.main(["dump", "d/text.txt", "-o", f"d/old{suffix}", "--dtype", dtype, "--keep", "exact", "-q"]) == 0
    data = Path(f"d/old{suffix}").read_bytes()
    if suffix != ".npz":  # no archive is read inside another
        Path("d/packed.gz").write_bytes(gzip.compress(data))
    for jobs in (None, 2):
        counts = scan("d", jobs=jobs)
        assert dict(counts) == Counter("\t 水火人大é") and counts.samples.complete and counts.samples.files == 1
        assert {note.path for note in counts.samples.remarks} == {f"d/{path.name}" for path in Path("d").glob("[op]*")}
        assert {note.code for note in counts.samples.remarks} == {"N-VECTOR-FILE"}
        monkeypatch.setattr(sharing, "MIN_RANGE", 50)
    capsys.readouterr()
    assert cli.main(["scan", "d", "-q"]) == 0 and capsys.readouterr().err == ""
    if suffix in (".txt", ".vec"):
        assert dict(scan(f"d/old{suffix}")) == Counter(data.decode())
        Path("d/other.txt").write_bytes(b"".join(data.splitlines(keepends=True)[::-1]))  # in another order
        assert scan("d").samples.files == 2
    else:
        with pytest.raises(NotFound, match="E-NO-FILES"):
            scan(f"d/old{suffix}")


def test_json_escapes_are_named() -> None:
    """Text hidden in escapes is counted as it stands, with a warning."""
    Path("x.jsonl").write_text(json.dumps({"text": "今天天气很好我们"}), "utf-8")
    assert codes(scan("x.jsonl")) == ["W-JSON-ESCAPES"]


@posix
def test_a_full_disk_and_a_closed_pipe() -> None:
    """``rt-out-stdoutfull``: 74; ``rt-out-pipe``: quiet, as the signal would end it."""
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    Path("x").write_bytes("".join(map(chr, range(0x3000, 0x9FFF))).encode())
    line = f'"{sys.executable}" -m charvec scan -q x '
    if os.path.exists("/dev/full"):
        result = subprocess.run(line + "> /dev/full", shell=True, capture_output=True, env=environment, check=False)
        assert result.returncode == 74 and b"error[E-IO]" in result.stderr and b"Traceback" not in result.stderr
    script = line + "| head -n 1; exit ${PIPESTATUS[0]}"
    for unbuffered in ("", "1"):
        environment["PYTHONUNBUFFERED"] = unbuffered
        result = subprocess.run(["bash", "-c", script], capture_output=True, env=environment, check=False)
        assert result.returncode == 141 and result.stderr == b"" and result.stdout.count(b"\n") == 1


@posix
def test_a_closed_standard_error() -> None:
    """What has nowhere to go is not said; above all it does not go among the results."""
    Path("x.txt").write_bytes("水火木金土".encode() * 9 + b"\xff" + "水".encode())
    line = f'"{sys.executable}" -m charvec scan x.txt'
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    whole, alone = (
        subprocess.run(["bash", "-c", line + end], capture_output=True, env=environment, check=False)
        for end in ("", " 2>&-")
    )
    assert b"W-UTF8" in whole.stderr and whole.stdout.count(b"\n") == 5
    assert (alone.stdout, alone.stderr, alone.returncode) == (whole.stdout, b"", whole.returncode)


@linux
def test_a_current_folder_that_is_gone() -> None:
    """It is named, and not what nobody asked for."""
    Path("gone").mkdir()
    line = f'cd gone && rmdir ../gone && "{sys.executable}" -c "from charvec.cli import run; run()" scan .'
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=environment, check=False)
    assert done.returncode == 66 and b"error[E-NOT-FOUND]: the current folder is gone" in done.stderr, done.stderr


@posix
def test_typed_text_ends_at_the_first_ctrl_d() -> None:
    """A terminal says once that a text is over; who asks it again keeps the user waiting for a second Ctrl-D."""
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    process = subprocess.Popen(
        [sys.executable, "-m", "charvec", "scan", "-"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    try:
        os.write(ours, "水火\n水\n".encode() + b"\x04")  # what is typed ahead waits in the terminal
        out, _ = process.communicate(timeout=60)
        seen = os.read(ours, 1 << 16)
    finally:
        process.kill()
        os.close(ours)
    assert rows(out) == {"\n": 2, "水": 2, "火": 1} and process.returncode == 0, seen
    # no bar runs through what is typed
    assert b"1 file, 11 bytes" in seen and b"scan:" not in seen, seen


@posix
def test_interrupted() -> None:
    """Ctrl-C while it waits for standard input: one line, and the process ends by the signal."""
    import signal
    import time

    environment = {**os.environ, "PYTHONPATH": str(HOME)}
    process = subprocess.Popen(
        [sys.executable, "-m", "charvec", "scan", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        # a shell's background jobs ignore the signal, and so would everything started from one
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # type: ignore[arg-type,return-value]
    )
    assert process.stdin is not None
    process.stdin.write(b"a" * (1 << 20))  # more than a pipe holds: once it is written, most of it has been read
    process.stdin.flush()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT and out == b"" and err == b"charvec: interrupted\n"


def test_the_bar_is_closed_whatever_happens() -> None:
    """Also when the scan fails or is interrupted; and it ends where it said it would."""

    class Bar:
        def __init__(self, fail: type[BaseException] | None = None) -> None:
            self.total, self.done, self.closed, self.fail = 0, 0, 0, fail

        def start(self, total: int | None) -> None:
            self.total = total or 0

        def advance(self, count: int) -> None:
            self.done += count
            if self.fail:
                raise self.fail

        def close(self) -> None:
            self.closed += 1

    Path("a").write_bytes(ZH * 900)
    Path("b").write_bytes(PNG + bytes(500_000))
    Path("c").write_bytes(ZH.decode().encode("gbk") * 900)
    bar = Bar()
    scan("a", "b", "c", progress=bar)
    assert bar.done == bar.total == sum(map(os.path.getsize, "abc")) and bar.closed == 1
    for fail in (KeyboardInterrupt, MemoryError):
        bar = Bar(fail)
        with pytest.raises(fail):
            charvec.scan("a", progress=bar)
        assert bar.closed == 1


@posix
def test_a_bar_on_a_terminal_only() -> None:
    """Someone who watches sees it; a file or a pipe gets nothing of it, nor does ``-q`` show it."""
    Path("x").write_bytes(ZH * 3000)
    shown = on_terminal("scan", "x")
    assert b"scan:" in shown and b"0%" in shown and b"\r" in shown
    assert b"scan:" not in on_terminal("scan", "x", "-q")
    assert b"scan:" not in command("x").stderr


def on_terminal(*args: str) -> bytes:
    """What the command writes to a terminal on standard error."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(HOME), "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-m", "charvec", *args], stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b"".join(iter(lambda: read_terminal(ours), b""))
    os.close(ours)
    assert process.wait(60) == 0
    return seen


def read_terminal(descriptor: int) -> bytes:
    """Some bytes; none once the other side is closed, which Linux calls an error."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


# memory


def test_memory_does_not_grow_with_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of 8 MB and one of 64 MB, clean, damaged and of another encoding, need the same."""
    for kind in ("clean", "damaged", "gbk"):
        peaks = []
        for size in (8, 64):
            unit = "天地玄黄宇宙洪荒".encode("gbk" if kind == "gbk" else "utf-8") * 4096
            with open("x", "wb") as file:
                for _ in range((size << 20) // len(unit)):
                    file.write(unit)
                    if kind == "damaged":
                        file.write(b"\xff\xe5\xff")
            tracemalloc.start()
            counts = charvec.scan("x", encoding="gb18030" if kind == "gbk" else None)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert counts.samples.bytes > (size - 1) << 20
        assert abs(peaks[1] - peaks[0]) < 1 << 20 and max(peaks) < 32 << 20


def test_text_that_is_taken_apart() -> None:
    """Syllables and voiced kana in parts are named, since models know the whole; normalised or a few, they are not."""
    import unicodedata

    Path("ko.txt").write_text(unicodedata.normalize("NFD", "한글 코퍼스는 말뭉치다"), "utf-8")
    Path("ja.txt").write_text(unicodedata.normalize("NFD", "ガギグゲゴパピプペポ"), "utf-8")
    Path("few.txt").write_text("か\u3099 ᄀ ᅡ ᆨ", "utf-8")
    said = {name: [note.message for note in scan(name).samples.remarks] for name in ("ko.txt", "ja.txt", "few.txt")}
    assert "15 parts of Hangul syllables;" in said["ko.txt"][0] and "--normalize NFC" in said["ko.txt"][0]
    assert ": 10 voicing marks of kana;" in said["ja.txt"][0] and said["few.txt"] == []
    both = scan("ko.txt", "ja.txt")
    assert codes(both) == ["W-DECOMPOSED"] and both.samples.complete
    for form in ("NFC", "NFD"):
        assert codes(scan("ko.txt", "ja.txt", normalize=form)) == []


def test_files_of_several_encodings() -> None:
    """Where one name for all would be wrong, each message has the option that reads its file."""
    text = "明日はラーメンを食べに行く予定です。カタカナ、ひらがな、漢字。"
    Path("one").mkdir()
    Path("two").mkdir()
    Path("one/a.txt").write_bytes(text.encode("cp932"))
    Path("two/b.txt.gz").write_bytes(gzip.compress(text.encode("euc_jp")))
    Path("two/c.txt").write_text("é", "utf-8")
    notes = scan("one", "two").samples.problems
    options = [re.findall("--encoding '([^']+)=(\\w+)'", note.message) for note in notes]
    assert options == [[("a.txt", "shift_jis")], [("b.txt", "euc_jp")]]
    counts = scan("one", "two", encoding=dict(option[0] for option in options))
    assert counts.samples.complete and counts["明"] == 2 and counts["é"] == 1
    Path("two/b.txt.gz").write_bytes(Path("one/a.txt").read_bytes())
    assert all(note.message.endswith("--encoding NAME") for note in scan("one", "two").samples.problems)
