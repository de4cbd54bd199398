"""A folder for Chinese-Text-Classification-Pytorch and its many copies: a matrix and a pickled dictionary of ids.

``embedding.npz`` has one array, ``embeddings``; ``vocab.pkl`` is ``{character: row}``. The models take the last row for
padding (``padding_idx = n_vocab - 1``) and look unknown characters up as ``<UNK>``, the row before it. No character is
lost. Copy both files into ``DATASET/data`` and name ``embedding.npz`` as the embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.plumbing.arrays.foreign_npz import arrays, ids_of, keys_by_id
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.pickles.pickle_writer import dictionary
from charvec.plumbing.zip_writer import npy, stored

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "chinese-text-classification"
ALIASES: tuple[str, ...] = ("chinese-text-classification-pytorch", "textcnn")
READERS = "Chinese-Text-Classification-Pytorch and its copies"
FILES: tuple[str, ...] = ("embedding.npz", "vocab.pkl")
LOSES: frozenset[str] = frozenset()
MIN_DIM = 1
SPECIAL = Special(where="last", needed=True, places=("last",))


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """Both files."""
    matrix = stored([("embeddings.npy", npy(np.asarray(rows.matrix, "<f4")))], "embedding.npz")
    ids = ((key, row) for row, key in enumerate(rows.keys))
    return {"embedding.npz": matrix, "vocab.pkl": [b"\x80\x03", dictionary(ids), b"."]}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Rows and their keys.

    Raises:
        InputError: as :mod:`charvec.plumbing.arrays.foreign_npz`.
    """
    matrix = arrays(files["embedding.npz"], path)["embeddings"]
    return KeyedRows(keys_by_id(ids_of(files["vocab.pkl"], path), len(matrix), path), matrix)
