"""A folder for OpenNRE and DocRED: ``vec.npy``, float32, and ``word2id.json``, ``{character: row}``.

Both append ``[UNK]`` and ``[PAD]`` themselves. No character is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.plumbing.arrays.foreign_npz import array_of, keys_by_id
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.safejson import parse
from charvec.plumbing.zip_writer import npy

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "opennre"
ALIASES: tuple[str, ...] = ("docred",)
READERS = "OpenNRE, DocRED"
FILES: tuple[str, ...] = ("vec.npy", "word2id.json")
LOSES: frozenset[str] = frozenset()
MIN_DIM = 1
SPECIAL = Special(pad="[PAD]", unk="[UNK]")


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """Both files."""
    ids = json.dumps({key: row for row, key in enumerate(rows.keys)}).encode()
    return {"vec.npy": npy(np.asarray(rows.matrix, "<f4")), "word2id.json": [ids, b"\n"]}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Rows and their keys.

    Raises:
        InputError: as :mod:`charvec.plumbing.arrays.foreign_npz` and :func:`charvec.plumbing.safejson.parse`.
    """
    matrix = array_of(files["vec.npy"], "vec.npy", path)
    return KeyedRows(keys_by_id(parse(files["word2id.json"], path), len(matrix), path), matrix)
