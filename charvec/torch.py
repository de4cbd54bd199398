"""Adapter: character vectors in PyTorch. The only module that imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from charvec.errors import MissingPackage
from charvec.vectors import CharVectors

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingPackage(
        "E-NO-TORCH", "PyTorch is not installed", help='pip install "charvec[torch]", or torch as its own page says'
    ) from error

__all__ = ["embedding"]


def embedding(
    vectors: CharVectors,
    vocab: Mapping[str, int] | Sequence[str] | None = None,
    *,
    freeze: bool = True,
    padding_idx: int | None = 0,
    unk: str | None = None,
    **matrix_options: Any,
) -> nn.Embedding:
    """An ``nn.Embedding`` with one row for each entry of a vocabulary.

    Args:
        vectors: as :func:`charvec.load` gives them.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0, unknown 1,
            then the characters by code point.
        freeze: whether training leaves the vectors as they are.
        padding_idx: the id of padding: its row is zeros and gets no gradient; None for none.
        unk: the entry for unknown characters; with ``vocab=None`` it is ``<UNK>`` by itself.
        matrix_options: as for :meth:`CharVectors.matrix_for`.

    Returns:
        float32 weights [largest id + 1, dim], a copy of their own.

    Raises:
        UsageError: as :meth:`CharVectors.matrix_for`.
        IndexError: when ``padding_idx`` is no row.
    """
    if vocab is None:
        vocab, unk = vectors.vocabulary(), unk or "<UNK>"
    matrix = vectors.matrix_for(vocab, unk=unk, **matrix_options).matrix
    if padding_idx is not None:
        matrix[padding_idx] = 0
    weights = torch.from_numpy(np.ascontiguousarray(matrix))
    return nn.Embedding.from_pretrained(weights, freeze=freeze, padding_idx=padding_idx)
