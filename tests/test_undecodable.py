"""Encodings honestly: right when they are told, never wrong in silence, and every undecodable byte accounted for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from damaging import overwrite
from hypothesis import given, settings
from hypothesis import strategies as st

import charvec
from charvec.cli import main
from charvec.errors import InputError, UsageError
from charvec.plumbing.text import counting
from charvec.plumbing.text.counting import Tolerant

TEXTS = Path(__file__).resolve().parents[1] / "samples" / "texts"
CODECS = [
    ("simplified.txt", "gb18030"),
    ("traditional.txt", "big5"),
    ("japanese.txt", "shift_jis"),
    ("japanese.txt", "euc_jp"),
    ("korean.txt", "euc_kr"),
    ("mixed.txt", "gb18030"),
    ("mixed.txt", "utf-16"),
    ("mixed.txt", "utf-16-le"),
    ("mixed.txt", "utf-16-be"),
    ("mixed.txt", "utf-32"),
]


def text_of(name: str, codec: str) -> str:
    """The text, but for what the codec cannot hold."""
    return (TEXTS / name).read_text("utf-8").encode(codec, "ignore").decode(codec)


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_right_when_told(tmp_path: Path, name: str, codec: str) -> None:
    """Each text comes out exactly, and with nothing to say, under its own encoding."""
    text = text_of(name, codec)
    path = tmp_path / "sample.txt"
    path.write_bytes(text.encode(codec))
    counts = charvec.scan(path, encoding={"*": codec})
    assert dict(counts) == Counter(text) and counts.samples.complete and counts.samples.bad_bytes == 0


@pytest.mark.parametrize(("name", "codec"), CODECS)
@pytest.mark.parametrize("size", [40, 400, 10_000])
def test_never_wrong_in_silence(tmp_path: Path, name: str, codec: str, size: int) -> None:
    """Untold, the text is counted exactly, or refused, or a loss is told; of any length."""
    text = text_of(name, codec)[:size]
    path = tmp_path / "sample.txt"
    path.write_bytes(text.encode(codec))
    try:
        counts = charvec.scan(path)
    except InputError as error:
        assert error.code == "E-ENCODING"
    else:
        assert dict(counts) == Counter(text) or not counts.samples.complete


@pytest.mark.parametrize(("name", "codec"), CODECS[:6])
def test_never_wrong_under_another_name(tmp_path: Path, name: str, codec: str) -> None:
    """The wrong encoding named: what it cannot decode is counted; the numbers always add up to the file's bytes."""
    data = text_of(name, codec).encode(codec)
    path = tmp_path / "sample.txt"
    path.write_bytes(data)
    for other in ("big5", "euc_kr", "shift_jis", "gb18030", "utf-16-le"):
        counts = charvec.scan(path, encoding={"*": other})
        decoded = sum(len(char.encode(other)) * times for char, times in counts.items())
        assert decoded + counts.samples.bad_bytes <= len(data) + len(counts) or counts.samples.complete


def reference(data: bytes) -> tuple[Counter[str], list[int]]:
    """CPython's own decoder, byte by byte: characters and the offsets of bytes that are none."""
    text = data.decode("utf-8", "surrogateescape")
    offsets, offset = [], 0
    for char in text:
        if "\udc80" <= char <= "\udcff":
            offsets.append(offset)
        offset += len(char.encode("utf-8", "surrogateescape"))
    return Counter(char for char in text if not "\udc80" <= char <= "\udcff"), offsets


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(st.sampled_from([b"\xff", b"\xe6\xb0", b"\xed\xa0\x80", "水".encode(), b"a", "𠮷".encode()])))
def test_skip_locates_every_byte(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    """``errors="skip"``: every byte is a part of a character that was counted, or in one of the places."""
    data = b"".join(parts)
    path = tmp_path_factory.getbasetemp() / "skip.txt"
    overwrite(path, data)
    counts = charvec.scan(path, errors="skip")
    expected, offsets = reference(data.removeprefix(b"\xef\xbb\xbf"))
    assert dict(counts) == expected
    places = [place for note in counts.samples.problems for place in note.places]
    assert [offset for start, length in places for offset in range(start, start + length)] == offsets
    assert counts.samples.bad_bytes == len(offsets) and "\ufffd" not in counts


def test_skip_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places are those in the file, wherever the blocks are cut; UTF-16 and told encodings alike."""
    from charvec import reading

    monkeypatch.setattr(reading, "BLOCK", 16)
    path = tmp_path / "a.txt"
    path.write_bytes("水木火".encode() * 5 + b"\xff" + "土".encode() * 9 + b"\xe6\xb0")
    (note,) = charvec.scan(path, errors="skip").samples.problems
    assert note.places == ((45, 1), (73, 2)) and note.offset == 45
    path.write_bytes("\ufeff水木火土".encode("utf-16-le") + b"\x00\xd8" + "火".encode("utf-16-le") * 9)
    (note,) = charvec.scan(path, errors="skip").samples.problems
    assert note.places == ((10, 2),)
    path.write_bytes("你好".encode("gb18030") * 9 + b"\xff a" + "火".encode("gb18030"))
    (note,) = charvec.scan(path, errors="skip", encoding="gb18030").samples.problems
    assert note.places == ((36, 1),)


def test_skip_reads_what_is_not_utf8(tmp_path: Path) -> None:
    """A file of another encoding is refused as ever; with "skip" what happens to be decodable is counted."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain, " + "你好".encode("gbk") + b" end")
    with pytest.raises(InputError, match="E-ENCODING"):
        charvec.scan(path)
    counts = charvec.scan(path, errors="skip")
    assert dict(counts) == Counter("plain,  end") and counts.samples.bad_bytes == 4
    assert [note.code for note in counts.samples.problems] == ["W-UTF8"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_strict_leaves_out_the_file(tmp_path: Path, jobs: int) -> None:
    """``errors="strict"``: a file with one undecodable byte gives nothing, wherever the byte is; the others stay."""
    (tmp_path / "good.txt").write_text("木", encoding="utf-8")
    (tmp_path / "early.txt").write_bytes("水".encode() + b"\xff" + "水".encode() * 300_000)
    (tmp_path / "late.txt").write_bytes("水a".encode() * 300_000 + b"\xff")
    (tmp_path / "cut.txt").write_bytes("水".encode() + "火".encode()[:2])
    (tmp_path / "utf16.txt").write_bytes("\ufeff水".encode("utf-16-le") + b"\x00\xd8")
    counts = charvec.scan(tmp_path, errors="strict", jobs=jobs)
    assert dict(counts) == {"木": 1}
    assert (counts.samples.files, counts.samples.skipped, counts.samples.bad_bytes) == (1, 4, 0)
    assert {note.code for note in counts.samples.problems} == {"W-UTF8", "W-UTF16"}
    assert all("nothing of it was counted" in note.message for note in counts.samples.problems)
    told = tmp_path / "gbk"
    told.mkdir()
    (told / "a.txt").write_bytes("你好".encode("gbk") + b"\xff" + "火".encode("gbk"))
    (told / "b.txt").write_bytes("你好".encode("gbk"))
    assert dict(charvec.scan(told, errors="strict", encoding="gbk", jobs=jobs)) == {"你": 1, "好": 1}


def test_valid_in_both(tmp_path: Path) -> None:
    """Two ideographs in GBK can be valid UTF-8: read so, but never in silence, with or without a told encoding."""
    path = tmp_path / "a.txt"
    path.write_bytes("水木".encode("gbk"))
    counts = charvec.scan(path, encoding="gbk")
    assert [note.code for note in counts.samples.remarks] == ["W-MAYBE-ENCODING"]
    assert dict(charvec.scan(path, encoding={"*": "gbk"})) == {"水": 1, "木": 1}
    for text in ("Voix ambiguë d'un cœur", "Широкая электрификация", "Ξεσκεπάζω την", "דג סקרן שט", "é"):
        path.write_text(text, encoding="utf-8")
        assert charvec.scan(path).samples.remarks == (), text


def test_unknown_word() -> None:
    """A misspelt choice is named, with the choices."""
    with pytest.raises(UsageError, match="E-ARGUMENT"):
        charvec.scan("x", errors="ignore")


def test_command_lists_the_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has every place; the message the number and the first."""
    path = tmp_path / "a.txt"
    path.write_bytes("水".encode() + b"\xff\xfe" + "木".encode() + b"\x80")
    assert main(["scan", str(path), "--errors", "skip", "--json", "-q"]) == 3
    output = capsys.readouterr()
    (note,) = json.loads(output.out)["notes"]
    assert note["places"] == [[3, 2], [8, 1]] and "3 bytes left out" in output.err


def test_many_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many places are kept, but every byte is counted."""
    monkeypatch.setattr(counting, "PLACES", 5)
    decoder = Tolerant("utf-8", locate=True)
    assert decoder.decode(b"a\xff" * 50, False) + decoder.decode(b"a\xff" * 50, True) == "a" * 100
    assert decoder.bad_bytes == 100 and len(decoder.places) == 5 and decoder.first == 1
