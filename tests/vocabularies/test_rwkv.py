"""RWKV's vocabularies, held against the tokenizer of the `rwkv` package for every character, and files that lie."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from vocabulary_samples import DATA, installed

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.spelling.literals import literal, unescape
from charvec.status import Status
from charvec.vocabularies import rwkv as member

GOLDEN = DATA / "rwkv" / "samples.txt"
PUBLISHED = installed("rwkv", "rwkv_vocab_v20230424.txt")
SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
SAMPLE = sorted({*range(0x3400), *range(0x4E00, 0xA000, 5), *range(0xF900, 0x10200), *SCALARS[::97]})
SAMPLE = [codepoint for codepoint in SAMPLE if not 0xD800 <= codepoint < 0xE000]


@pytest.mark.parametrize("path", [GOLDEN, PUBLISHED], ids=["golden", "published"])
def test_against_the_library(path: Path) -> None:
    """A sample of all scalar values, or all, by the golden file and by the published one.

    The character is encoded alone; one token is exact. Else it is encoded with a blank in front, and one token is
    boundary. Else composed where every token is whole characters, or bytes.
    """
    tokenizer = pytest.importorskip("rwkv.rwkv_tokenizer").TRIE_TOKENIZER(str(path))
    codepoints = SCALARS if os.environ.get("CHARVEC_SLOW") else SAMPLE
    spelling = vocabularies.read(path).spell(np.array(codepoints, np.uint32))
    wrong = []
    for place, codepoint in enumerate(codepoints):
        ids, word = tokenizer.encode(chr(codepoint)), tokenizer.encode(" " + chr(codepoint))
        if len(ids) == 1:
            status = Status.EXACT
        elif len(word) == 1:
            status, ids = Status.BOUNDARY, word
        else:
            status = Status.BYTES
        if (status, tuple(ids)) != (Status(spelling.status[place]), spelling.ids(place)):
            wrong.append(f"U+{codepoint:04X} {Status(spelling.status[place]).label} {spelling.ids(place)}, {ids}")
    assert not wrong


def test_beside_a_model(tmp_path: Path) -> None:
    """Found by its name, and the matrix has one row more than lines: row 0 ends a text."""
    path = tmp_path / "rwkv_vocab_v20230424.txt"
    path.write_bytes(GOLDEN.read_bytes())
    assert vocabularies.locate(str(tmp_path)) == str(path)
    vocabulary = vocabularies.read(path)
    assert (vocabulary.kind, vocabulary.size) == ("rwkv", len(path.read_text("utf-8").splitlines()) + 1)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path, lowercase=True)
    assert caught.value.code == "E-CASING"


@pytest.mark.parametrize(
    "lines",
    [
        "1 'a' 2",
        "1 'a'",
        "1 a 1",
        "1 'a' 1\n1 'b' 1",
        "1 'a' 1\n2 '\\x61' 1",
        "1 'a' 1\n\n2 'b' 1",
        "1 'a' 1\n4294967296 'b' 1",
        "1 'a' 1\n2 __import__('os') 1",
        "1 'a' 1\n2 'b'.upper() 1",
        "1 'a' 1\n2 b'\u00e9' 2",
        "1 '' 0",
    ],
)
def test_what_is_no_such_file(lines: str, tmp_path: Path) -> None:
    """Another number of bytes, no quotes, what stands twice, rows of no matrix; nothing is ever evaluated."""
    path = tmp_path / "v.txt"
    path.write_text(lines, "utf-8")
    with File(path) as file, pytest.raises(CharvecError) as caught:
        member.read(file)
    assert (caught.value.code, caught.value.exit_code) == ("E-RWKV-VOCAB", 65)


def test_a_line_that_is_none(tmp_path: Path) -> None:
    """Behind the part that was looked at to recognise the file, it is told with its number."""
    path = tmp_path / "v.txt"
    path.write_bytes(GOLDEN.read_bytes() + b"what\n")
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-RWKV-VOCAB" and "b'what'" in caught.value.message


def test_literals() -> None:
    """Whatever Python prints is read back, strings in UTF-8."""
    generator = np.random.default_rng(5)
    for _ in range(3000):
        codes = generator.choice([*range(0x180), 0x2028, 0x4E00, 0x1F602, 0xE0001, 0x10FFFF], generator.integers(9))
        text = "".join(chr(code) for code in codes)
        assert literal(repr(text)) == text.encode()
        data = generator.integers(0, 256, generator.integers(9), np.uint8).tobytes()
        assert literal(repr(data)) == data
        assert unescape(repr(data)[2:-1].encode()) == data
    damaged = ("'\\x6'", "'\\q'", "b'\\u0061'", "'\\ud800'", "'\\U00110000'")
    for none in (*damaged, "", "a", "'a", "'a'b'", "u'a'", "rb'a'"):
        assert literal(none) is None
