"""Adapter: character vectors in PyTorch. The only module that imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from charvec.errors import MissingPackage, UsageError
from charvec.vectors import Aligned, CharVectors

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
    pad: str | None = None,
    unk: str | None = None,
    **matrix_options: Any,
) -> nn.Embedding:
    """An ``nn.Embedding`` with one row for each entry of a vocabulary.

    Args:
        vectors: as :func:`charvec.load` gives them.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0,
            unknown 1, then the characters by code point.
        freeze: whether training leaves the vectors as they are.
        padding_idx: the id of padding: its row is zeros and gets no gradient; None for none.
        pad: the entry for padding; with ``vocab=None`` it is ``<PAD>`` by itself.
        unk: the entry for unknown characters; with ``vocab=None`` it is ``<UNK>`` by itself.
        matrix_options: as for :meth:`CharVectors.matrix_for`.

    Returns:
        float32 weights [largest id + 1, dim], a copy of their own.

    Raises:
        UsageError: as :meth:`CharVectors.matrix_for`; ``E-PADDING`` when ``padding_idx`` is the id of a character
            whose vector would be lost.
        IndexError: when ``padding_idx`` is no row.
    """
    if vocab is None:
        pad, unk = pad or "<PAD>", unk or "<UNK>"
        vocab = vectors.vocabulary(pad, unk)
    aligned = vectors.matrix_for(vocab, pad=pad, unk=unk, **matrix_options)
    if padding_idx is not None:
        _check_padding(vocab, aligned, padding_idx)
        aligned.matrix[padding_idx] = 0
    weights = torch.from_numpy(aligned.matrix)
    made: nn.Embedding = nn.Embedding.from_pretrained(weights, freeze=freeze, padding_idx=padding_idx)  # type: ignore[no-untyped-call]
    return made


def _check_padding(vocab: Mapping[str, int] | Sequence[str], aligned: Aligned, padding_idx: int) -> None:
    row = range(len(aligned.matrix))[padding_idx]
    ids = vocab if isinstance(vocab, Mapping) else {piece: place for place, piece in enumerate(vocab)}
    for piece in aligned.found:
        if ids[piece] == row:
            raise UsageError(
                "E-PADDING",
                f"padding_idx={padding_idx} is the id of {piece!r}, whose vector would be lost",
                help="give the id of the padding entry, or padding_idx=None",
            )
