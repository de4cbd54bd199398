"""tiktoken's ranks, held against the `tiktoken` library for every character, and files that lie."""

from __future__ import annotations

import os
import unicodedata
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.status import Status
from charvec.vocabularies import tiktoken as member

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "data" / "vocabularies" / "tiktoken" / "samples.tiktoken"
#: How Qwen's tokenizers part words.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
SAMPLE = sorted({*range(0x3400), *range(0x4E00, 0xA000, 5), *range(0xF900, 0x10200), *SCALARS[::97]})
SAMPLE = [codepoint for codepoint in SAMPLE if not 0xD800 <= codepoint < 0xE000]


def is_text(data: bytes) -> bool:
    """Whether the bytes are whole characters."""
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def disagreements(path: Path, codepoints: list[int], composed: bool) -> list[str]:
    """Code points that charvec and `tiktoken` spell differently.

    The character, brought into composed form where the model's tokenizer does so, is encoded alone. One token: exact,
    normalized when it became another character, composed when it became several. Else it is encoded with a blank in
    front; if that is one token: boundary, or normalized. Else composed when every token is whole characters, or bytes.
    """
    tiktoken = pytest.importorskip("tiktoken")
    load = pytest.importorskip("tiktoken.load")
    ranks = load.load_tiktoken_bpe(str(path))
    encoding = tiktoken.Encoding("x", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    spelling = vocabularies.read(path).spell(np.array(codepoints, np.uint32))
    wrong = []
    for place, codepoint in enumerate(codepoints):
        char = chr(codepoint)
        text = unicodedata.normalize("NFC", char) if composed else char
        ids = encoding.encode_ordinary(text)
        word = encoding.encode_ordinary(" " + text)
        if len(ids) == 1:
            status = Status.EXACT if text == char else Status.NORMALIZED if len(text) == 1 else Status.COMPOSED
        elif len(word) == len(text) == 1:
            status, ids = (Status.BOUNDARY if text == char else Status.NORMALIZED), word
        else:
            whole = all(is_text(encoding.decode_single_token_bytes(row)) for row in ids)
            status = Status.COMPOSED if whole else Status.BYTES
        if (status, tuple(ids)) != (Status(spelling.status[place]), spelling.ids(place)):
            wrong.append(f"U+{codepoint:04X} {Status(spelling.status[place]).label} {spelling.ids(place)}, {ids}")
    return wrong


@pytest.mark.parametrize("composed", [False, True])
def test_against_the_library(composed: bool, tmp_path: Path) -> None:
    """A sample of all scalar values, or all; as it stands, and with Qwen's normalisation."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes(GOLDEN.read_bytes())
    if composed:
        (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "QWenTokenizer"}')
    assert vocabularies.read(path).settings == {"normalizer": "NFC" if composed else None}
    assert not disagreements(path, SCALARS if os.environ.get("CHARVEC_SLOW") else SAMPLE, composed)


@pytest.mark.parametrize("name", ["qwen.tiktoken", "hy.tiktoken"])
def test_composed_by_the_name(name: str, tmp_path: Path) -> None:
    """By their names alone the files of Qwen's first generation and of Hunyuan are known to be composed first."""
    path = tmp_path / name
    path.write_bytes(GOLDEN.read_bytes())
    assert vocabularies.read(path).settings == {"normalizer": "NFC"}
    assert vocabularies.locate(str(tmp_path)) == str(path)


def write(folder: Path, ranks: dict[bytes, int]) -> Path:
    """A file of these ranks."""
    path = folder / "tokenizer.model"
    path.write_bytes(b"".join(b"%s %d\n" % (b64encode(piece), rank) for piece, rank in ranks.items()))
    return path


BYTES = {bytes([byte]): byte for byte in range(256)}


def spelt(path: Path, text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabularies.read(path).spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


def test_statuses(tmp_path: Path) -> None:
    """Whole, at the beginning of a word only, in fragments; a blank is a piece as others are."""
    ranks = {**BYTES, "我".encode(): 256, b"\xe5\xad": 257, " é".encode(): 258, "\xa0".encode(): 259}
    path = write(tmp_path, ranks)
    assert spelt(path, "A 我字é\xa0") == [
        *(("exact", (0x41,)), ("exact", (0x20,)), ("exact", (256,)), ("bytes", (257, 0x97))),
        *(("boundary", (258,)), ("exact", (259,))),
    ]
    assert vocabularies.read(path).size == 260
    assert not disagreements(path, SAMPLE[:2000], composed=False)


def test_a_byte_that_is_no_piece(tmp_path: Path) -> None:
    """What cannot be spelt is unknown."""
    path = write(tmp_path, {piece: rank for piece, rank in BYTES.items() if rank < 0xE0})
    assert spelt(path, "a字") == [("exact", (0x61,)), ("unknown", ())]


def test_a_sentencepiece_model_of_the_same_name_is_none(tmp_path: Path) -> None:
    """``tokenizer.model`` is told by its content."""
    other = ROOT / "tests" / "data" / "vocabularies" / "sentencepiece" / "bpe_bytes.model"
    (tmp_path / "tokenizer.model").write_bytes(other.read_bytes())
    assert vocabularies.read(tmp_path / "tokenizer.model").kind == "sentencepiece"
    assert vocabularies.read(write(tmp_path, BYTES)).kind == "tiktoken"


GOOD = b"YQ== 0\nYg== 1\n"


@pytest.mark.parametrize(
    "tail",
    [
        *(b"YQ== 2\n", b"Yw== 1\n", b"Yw==\n", b"Yw== x\n", b"Yw== -2\n", b"Yw== 2 3\n", b"Y 2\n"),
        *(b"Yw== 9999999999\n", b"Yw== 99999999999999999999\n", b"Yw== 1_0\n", b"\xff\xff 2\n", b"Yw== 2\0\n"),
    ],
)
def test_damage(tail: bytes, tmp_path: Path) -> None:
    """Lines far behind the first that are none."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes(GOOD + b"\n" * 5000 + tail)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert (caught.value.code, caught.value.exit_code) == ("E-TIKTOKEN", 65)


def test_casing_is_no_question(tmp_path: Path) -> None:
    """It has no setting for lower case."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, BYTES), lowercase=False)
    assert caught.value.code == "E-CASING"


def test_a_file_far_too_large(tmp_path: Path) -> None:
    """Refused by its size, before it is read."""
    path = write(tmp_path, BYTES)
    with path.open("ab") as file:
        file.write(b"".join(b"%s %d\n" % (b64encode(b"%06d" % rank), rank) for rank in range(256, 800)))
    os.truncate(path, member.MAX_BYTES + 1)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-TOO-LARGE"
