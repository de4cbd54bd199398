"""word2vec text for ``spacy init vectors``, which splits lines from the right, and so takes U+0020 as a key.

It opens the file as text with universal line ends: line feed and carriage return as a key end their line before its
values, and the load fails. These two are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special, from_lines, lines

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "spacy"
ALIASES: tuple[str, ...] = ()
READERS = "spacy init vectors LANG FILE OUT"
FILES: tuple[str, ...] = ()
LOSES = frozenset("\n\r")
MIN_DIM = 1
SPECIAL = Special()


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The one file."""
    return {"": lines(rows, header=True)}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Its lines.

    Raises:
        DamagedFile: as :func:`charvec.plumbing.arrays.keyed_rows.from_lines`.
    """
    return from_lines(files[""], path, dim, header=True)
