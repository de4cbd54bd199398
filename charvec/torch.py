"""Adapter: character vectors in PyTorch. The only module that imports torch."""

from __future__ import annotations

import os
from typing import Any, Literal

from charvec.arguments import flag
from charvec.errors import MissingPackage
from charvec.storage import as_vectors
from charvec.tables import Default, Vocab, check_mode, table
from charvec.vectors import CharVectors

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingPackage(
        "E-NO-TORCH", "PyTorch is not installed", help='pip install "charvec[torch]", or torch as its own page says'
    ) from error

__all__ = ["embedding", "embedding_bag"]


def embedding(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    freeze: bool = True,
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> nn.Embedding:
    """An ``nn.Embedding`` with one row for each entry of a vocabulary.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0,
            unknown 1, then the characters by code point.
        freeze: whether training leaves the vectors as they are.
        padding_idx: the id of padding: its row is zeros and gets no gradient; None for none. When it is not given, it
            is the id of ``pad``, and without a ``pad`` it is 0.
        options: ``pad``, ``unk``, ``pad_id``, ``unk_id``, ``missing`` and ``seed``, as for
            :func:`charvec.tables.table`.

    Returns:
        float32 weights [largest id + 1, dim], a copy of their own.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`.
    """
    vectors = as_vectors(vectors, "embedding(vectors, vocab)")
    rows = table(vectors, vocab, padding_idx=padding_idx, **options)
    weights = torch.from_numpy(rows.matrix)
    made: nn.Embedding = nn.Embedding.from_pretrained(  # type: ignore[no-untyped-call]
        weights, freeze=flag(freeze, "freeze"), padding_idx=rows.padding
    )
    return made


def embedding_bag(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    mode: Literal["mean", "sum"] = "mean",
    freeze: bool = True,
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> nn.EmbeddingBag:
    """An ``nn.EmbeddingBag``: one vector for each text, the mean or sum of those of its characters.

    Padding counts for nothing, not even in the mean. Give characters without a vector the id of padding, and the layer
    computes what :meth:`CharVectors.encode` does; give them that of ``unk``, and each adds the mean of all vectors.

    Args:
        vectors: as for :func:`embedding`.
        vocab: as there.
        mode: ``mean`` or ``sum``.
        freeze: as there.
        padding_idx: as there.
        options: as there.

    Returns:
        float32 weights [largest id + 1, dim], a copy of their own.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`; ``E-POOLING`` for another mode.
    """
    vectors = as_vectors(vectors, "embedding_bag(vectors, vocab)")
    check_mode("mode", mode)
    rows = table(vectors, vocab, padding_idx=padding_idx, **options)
    weights = torch.from_numpy(rows.matrix)
    made: nn.EmbeddingBag = nn.EmbeddingBag.from_pretrained(
        weights, freeze=flag(freeze, "freeze"), mode=mode, padding_idx=rows.padding
    )
    return made
