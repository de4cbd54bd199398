"""word2vec binary: a header line "characters dimensions", then character, U+0020, float32 values and a line feed.

The layout that gensim reads with ``binary=True`` and the tools of word2vec themselves. A key ends at U+0020, and line
feeds before a key are skipped, so these two characters are left out. Files of either tool are read, whatever words
they hold beside characters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from charvec.plumbing.arrays.keyed_rows import KeyedRows, portions
from charvec.plumbing.arrays.plain import check_some, from_pairs
from charvec.plumbing.arrays.word2vec_binary import HEADER, chunks, holds_text, parse
from charvec.vectors import CharVectors

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "word2vec-binary"
SUFFIXES: tuple[str, ...] = (".bin",)
PROOF = ""
HOLDS = "float32"

_LEAVE_OUT = (" ", "\n")


def sniff(head: bytes) -> bool:
    """A first line of two integers, and no text behind it."""
    return HEADER.match(head) is not None and not holds_text(head)


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file.

    Returns:
        space and line feed where the vectors hold them; they were left out.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when no entry would be left.
    """
    left_out = [char for char in vectors.chars if char in _LEAVE_OUT]
    kept = [place for place, char in enumerate(vectors.chars) if char not in _LEAVE_OUT]
    check_some(len(kept), "a word2vec file")
    rows = KeyedRows([vectors.chars[place] for place in kept], vectors.matrix[kept])
    for portion in portions(chunks(rows)):
        file.write(portion)
    return left_out


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the file.

    Raises:
        DamagedFile: as :func:`charvec.plumbing.arrays.word2vec_binary.parse` and
            :func:`charvec.plumbing.arrays.plain.from_pairs`.
    """
    return from_pairs(parse(data, path), path, NAME)
