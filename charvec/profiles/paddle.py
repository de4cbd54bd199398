"""The .npz of PaddleNLP's TokenEmbedding: an array ``vocab`` of texts and an array ``embedding``.

``[UNK]`` and ``[PAD]`` are appended by TokenEmbedding itself. NumPy's texts have a fixed length and end at the last
character that is not U+0000, so U+0000 as a key would be read as an empty text: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.plumbing.arrays.foreign_npz import arrays, words_of
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.zip_writer import npy, stored

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "paddle"
ALIASES: tuple[str, ...] = ("paddlenlp",)
READERS = "PaddleNLP TokenEmbedding"
FILES: tuple[str, ...] = ()
LOSES = frozenset("\0")
MIN_DIM = 1
SPECIAL = Special(pad="[PAD]", unk="[UNK]")


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The one file."""
    vocab = npy(np.array(list(rows.keys)))
    return {"": stored([("vocab.npy", vocab), ("embedding.npy", npy(np.asarray(rows.matrix, "<f4")))], "the .npz")}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Its rows and keys.

    Raises:
        InputError: as :mod:`charvec.plumbing.arrays.foreign_npz`.
    """
    found = arrays(files[""], path)
    return KeyedRows(words_of(found["vocab"], path), found["embedding"])
