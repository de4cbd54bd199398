"""A folder for NER-FunTool: a list of characters with their ids, and a pickled matrix.

``vocab_cn.txt`` has a line ``character TAB id`` for each row, ``new_bert_embedding.pkl`` is a NumPy array whose rows
follow it; seven rows for ``<PAD>``, ``<UNK>`` and other special tokens stand before the characters. Padding is row 0 by
the program's own code. Put the first into its folder ``data``, the second into ``embedding``, in place of the two
files of these names that ``data_preprocess.py`` would make.

The list is read as text with universal line ends and cut at tabs: line feed, carriage return and tab as a character are
lost, and the last one ends the load. They are left out.

Layout: ``load_vocab`` and ``gen_char_embedding`` of github.com/WenRichard/NER-FunTool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.foreign_npz import keys_by_id
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.pickles.numpy_pickle import Array, numpy_globals
from charvec.plumbing.pickles.pickle_writer import array
from charvec.plumbing.pickles.unpickle import load

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "ner-funtool"
ALIASES: tuple[str, ...] = ("funtool",)
READERS = "NER-FunTool"
FILES: tuple[str, ...] = ("new_bert_embedding.pkl", "vocab_cn.txt")
LOSES = frozenset("\t\n\r")
MIN_DIM = 1
SPECIAL = Special(where="first", more=("<CLS>", "<SEP>", "<MASK>", "<NUM>", "<ENG>"), needed=True, places=("first",))


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """Both files."""
    lines = (f"{key}\t{row}\n".encode() for row, key in enumerate(rows.keys))
    return {"new_bert_embedding.pkl": [b"\x80\x03", *array(rows.matrix), b"."], "vocab_cn.txt": lines}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Rows and their keys.

    Raises:
        InputError: when they are not of this layout.
    """
    matrix, _ = load(files["new_bert_embedding.pkl"], path, allowed=numpy_globals())
    if not isinstance(matrix, Array) or matrix.dtype != "<f4" or len(matrix.shape) != 2:
        raise DamagedFile("E-PICKLE", f"{path}: no pickled matrix", path=path, help="write the folder again")
    ids: dict[str, int] = {}
    for line in files["vocab_cn.txt"].decode().split("\n")[:-1]:
        key, _, row = line.partition("\t")
        if key in ids or not row.isdecimal():
            raise DamagedFile(
                "E-TEXT-LINE", f"{path}: {line[:40]!r} is no key and id", path=path, help="write it again"
            )
        ids[key] = int(row)
    values = np.frombuffer(matrix.data, "<f4").reshape(matrix.shape)
    return KeyedRows(keys_by_id(ids, len(values), path), values)
