"""word2vec binary, for gensim with ``binary=True`` and for the tools of word2vec itself.

A key ends at the first U+0020, and line feeds before a key are skipped (the C tool writes one behind each vector):
these two are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.arrays.word2vec_binary import chunks, parse

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "gensim-binary"
ALIASES: tuple[str, ...] = ("word2vec-binary",)
READERS = "gensim load_word2vec_format(binary=True), word2vec's distance and word-analogy"
FILES: tuple[str, ...] = ()
LOSES = frozenset(" \n")
MIN_DIM = 1
SPECIAL = Special()


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The one file."""
    return {"": chunks(rows)}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Its entries.

    Raises:
        DamagedFile: as :func:`charvec.plumbing.arrays.word2vec_binary.parse`.
    """
    return KeyedRows.of(parse(files[""], path), dim)
