"""Adapter: character vectors as gensim's KeyedVectors. The only module that imports gensim."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from charvec.errors import MissingPackage, UsageError
from charvec.storage import as_vectors
from charvec.tables import Vocab, table
from charvec.vectors import CharVectors

try:
    from gensim.models import KeyedVectors
except ImportError as error:
    raise MissingPackage("E-PACKAGE", "gensim is not installed", help='pip install "charvec[gensim]"') from error

__all__ = ["keyed_vectors"]


def keyed_vectors(
    vectors: CharVectors | str | os.PathLike[str], vocab: Vocab | None = None, **options: Any
) -> KeyedVectors:
    """A ``KeyedVectors``, in memory: every key is kept, space and line feed too, which gensim's text files lose.

    ``kv.save`` and ``KeyedVectors.load`` keep them as well, and the counts.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: entries and their ids, which become gensim's indices; None for the characters alone, commonest first, as
            gensim has it (``restrict_vocab`` takes the first ones).
        options: with a ``vocab``: ``pad``, ``unk``, ``missing`` and ``seed``, as for :func:`charvec.tables.table`.

    Returns:
        float32 vectors of their own; the attribute ``count`` of a character says how often it occurred.

    Raises:
        CharvecError: as :func:`charvec.tables.table`; ``E-ARGUMENT`` for options without a ``vocab``; ``E-VOCAB-IDS``
            when ids leave gaps, which have no keys, or an entry has two.
    """
    vectors = as_vectors(vectors, "keyed_vectors(vectors, vocab)")
    if vocab is None:
        if options:
            raise UsageError("E-ARGUMENT", f"{min(options)}= needs a vocab", help="give your vocabulary as vocab=")
        order = np.lexsort((vectors.codepoints, ~vectors.counts))  # inverted: the largest first
        keys, rows = [vectors.chars[place] for place in order.tolist()], vectors.at(order)
    else:
        made = table(vectors, vocab, padding_idx=None, **options)
        if not len(set(made.pieces.values())) == len(made.pieces) == len(made.matrix):
            raise UsageError(
                "E-VOCAB-IDS",
                f"{len(made.matrix):,} rows for {len(set(made.pieces.values())):,} different entries",
                help="give every row one entry: ids from 0 without gaps, no entry twice",
            )
        keys, rows = [made.pieces[row] for row in range(len(made.matrix))], made.matrix
    result = KeyedVectors(vectors.dim, dtype=np.float32)
    result.add_vectors(keys, rows)
    counts = dict(zip(vectors.chars, vectors.counts.tolist(), strict=True))
    # as gensim's own readers fill it; the extras of add_vectors fail in 4.4
    result.allocate_vecattrs(["count"], [np.int64])
    result.expandos["count"][:] = [counts.get(key, 0) for key in keys]
    return result
