"""spaCy's ``key2row``: which row of its ``vectors`` a word has, by a hash of the word.

Layout (spacy ``vectors.pyx``, ``to_disk``): MessagePack, a map of unsigned integers, the hashes, and rows. The hash is
MurmurHash2 of Austin Appleby in its 64-bit form A, of the word's UTF-8, with the seed 1 (spacy ``strings.pyx``); words
that are spaCy's own symbols go by their numbers instead. The words themselves lie elsewhere, and are not needed: every
character is hashed.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, WrongFile
from charvec.plumbing import places
from charvec.plumbing.arrays.word_vectors import SEPARATORS
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short, read_whole
from charvec.plumbing.spelling.dictionary import refuse_casing
from charvec.status import Status
from charvec.vocabulary import Spelling, Vocabulary

__all__ = ["NAME", "read", "sniff", "word_hash"]

NAME = "spacy-keys"

#: 14 bytes a word; the largest published tables have some 700,000 words.
MAX_BYTES = 256_000_000
MAX_WORDS = 1 << 23
#: No matrix has more rows.
MAX_ROW = 1 << 31

#: The symbols that are one character, the tag of what is no other part of speech and a blank (``symbols.pyx``).
SYMBOLS = {"X": 101, "_": 456}

_MAP = re.compile(
    rb"(?:[\x81-\x8f]|\xde[\s\S]{2}|\xdf[\s\S]{4})(?:\xcf[\s\S]{8}|\x65|\xcd\x01\xc8)(?:[\0-\x7f]|[\xcc-\xcf])"
)
_COUNTS = {0xDE: 2, 0xDF: 4}
_INTEGERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FACTOR, _SEED, _ALL = 0xC6A4A7935BD1E995, 1, (1 << 64) - 1


def sniff(file: File) -> bool:
    """A map whose first key is a number of 64 bits or a symbol's, and whose first value is a number."""
    return _MAP.match(file.head) is not None


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the map, and beside it whether it is what finds the rows.

    Raises:
        DamagedFile: ``E-VOCAB-ENTRY``, ``E-TRUNCATED``.
        WrongFile: ``E-TOKENIZER-KIND`` for vectors of floret, which have no words; ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is said.
    """
    path = file.path
    refuse_casing(path, lowercase)
    settings = places.join(places.parent(path), "vectors.cfg")
    files = [path]
    if places.exists(settings):
        files.append(settings)
        if b'"floret"' in read_whole(settings, limit=1_000_000):
            raise WrongFile(
                "E-TOKENIZER-KIND",
                f"{settings}: these vectors are of floret, which puts every word together from parts",
                path=settings,
                help="a character has no row of its own in such a model; choose another",
            )
    data = file.whole(MAX_BYTES, "a table of spaCy")
    rows = _rows(data, path)
    size = max(rows.values(), default=0) + 1
    digest = blake2b(data, digest_size=32).hexdigest()
    return Vocabulary(path, NAME, size, digest, Hashed(rows), {}, tuple(files))


class Hashed:
    """Spells a character by the row that its hash has; white space that has none counts as removed."""

    def __init__(self, rows: dict[int, int]) -> None:
        self._rows = rows

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        chars = list(map(chr, codepoints.tolist()))
        rows = np.array(list(map(self._row, chars)), np.int64)
        blank = [place for place in np.flatnonzero(rows < 0).tolist() if chars[place] in SEPARATORS]
        return Spelling.of_single(rows, dict.fromkeys(blank, (Status.REMOVED, ())))

    def _row(self, char: str) -> int:
        row = self._rows.get(word_hash(char))
        # releases differ in what is a symbol
        return self._rows.get(SYMBOLS.get(char, -1), -1) if row is None else row


def word_hash(word: str) -> int:
    """The hash of a word, of which spaCy keeps the row; a number of 64 bits."""
    data = word.encode()
    value = _SEED ^ (len(data) * _FACTOR & _ALL)
    end = len(data) // 8 * 8
    for start in range(0, end, 8):
        part = int.from_bytes(data[start : start + 8], "little") * _FACTOR & _ALL
        part = (part ^ part >> 47) * _FACTOR & _ALL
        value = (value ^ part) * _FACTOR & _ALL
    if end < len(data):
        value = (value ^ int.from_bytes(data[end:], "little")) * _FACTOR & _ALL
    value = (value ^ value >> 47) * _FACTOR & _ALL
    return value ^ value >> 47


def _rows(data: bytes, path: str) -> dict[int, int]:
    """The map: hash -> row."""
    first = data[0]
    place = 1 + _COUNTS.get(first, 0)
    count = int.from_bytes(data[1:place], "big") if place > 1 else first & 15
    if count > MAX_WORDS:
        _refuse(path, f"it claims {count:,} words", 0)
    found: list[int] = []
    for _ in range(2 * count):
        code = data[place] if place < len(data) else 0
        width = _INTEGERS.get(code, 0)
        if place + width >= len(data):
            raise cut_short(path, len(data), f": {count:,} words do not fit into it")
        if code > 0x7F and not width:
            _refuse(path, f"byte {place:,} begins no number", place)
        found.append(int.from_bytes(data[place + 1 : place + 1 + width], "big") if width else code)
        place += 1 + width
    if place < len(data):
        _refuse(path, f"{len(data) - place:,} bytes follow the {count:,} words", place)
    if max(found[1::2], default=0) >= MAX_ROW:
        _refuse(path, "a row is none of a matrix", 0)
    rows = dict(zip(found[::2], found[1::2], strict=True))
    if len(rows) < count:
        _refuse(path, "a word is there twice", 0)
    return rows


def _refuse(path: str, problem: str, offset: int) -> None:
    raise DamagedFile(
        "E-VOCAB-ENTRY",
        f"{path}: damaged table of spaCy: {problem}",
        path=path,
        offset=offset,
        help="save or download the model again",
    )
