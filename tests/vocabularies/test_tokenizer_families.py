"""``tokenizer.json`` with the steps of published models: what the library makes of a character is its row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from library_reference import disagreements
from published_tokenizers import APART, COMMON, FAMILIES
from random_tokenizers import compare

#: ASCII and Latin, marks, blanks of every kind, jamo, kana, ideographs that are pieces and such that are none,
#: syllables, what normalisers change, and what no vocabulary has.
CHARS = "".join(
    [
        *map(chr, [*range(0x100), 0x301, 0x3A9, 0x416, 0x1100, 0x1161, *range(0x2000, 0x2010), 0x2014, 0x201C, 0x2028]),
        *map(chr, [0x2160, 0x2460, 0x2581, *range(0x3000, 0x3010), 0x304C, 0x30AB, 0x30AC, 0x33A1, 0xF9D1, 0xFB01]),
        *map(chr, [*range(0xFF01, 0xFF20), 0xFF76, 0xFF9E, 0xFEFF, 0x1F602, 0x1F923, 0x20000, 0xE000, 0x10FFFD]),
        *("我的一是不了在人有他這中大来上个国龍齉가나다거것학교ひらカナ", *COMMON[:5]),
    ]
)


@pytest.mark.parametrize("name", FAMILIES)
def test_characters_between_others(name: str, tmp_path: Path) -> None:
    """Status and rows are what is left of the library's answer when those around the character are taken away."""
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(FAMILIES[name](), ensure_ascii=False), "utf-8")
    assert not disagreements(path, sorted(map(ord, CHARS)))


@pytest.mark.parametrize("name", APART)
def test_characters_by_offsets(name: str, tmp_path: Path) -> None:
    """Each row is one that the library gives to the character, and none is missing."""
    outcome, wrong, missing = compare(APART[name](), tmp_path / "tokenizer.json", "".join(sorted(set(CHARS))))
    assert (outcome, wrong, missing) == ("compared", [], [])
