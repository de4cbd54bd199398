"""Adapter: character vectors in PyTorch. The only module that imports torch."""

from __future__ import annotations

from collections.abc import KeysView, Mapping, Sequence
from enum import Enum
from typing import Any

from charvec.alignment import entries_of
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


class _Default(Enum):
    """What an argument is when the caller said nothing; None has a meaning of its own."""

    PADDING = "the padding entry"


def embedding(
    vectors: CharVectors,
    vocab: Mapping[str, int] | Sequence[str] | KeysView[str] | None = None,
    *,
    freeze: bool = True,
    padding_idx: int | _Default | None = _Default.PADDING,
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
        padding_idx: the id of padding: its row is zeros and gets no gradient; None for none. When it is not given, it
            is the id of ``pad``, and without a ``pad`` it is 0.
        pad: the entry for padding; with ``vocab=None`` it is ``<PAD>`` by itself.
        unk: the entry for unknown characters; with ``vocab=None`` it is ``<UNK>`` by itself.
        matrix_options: as for :meth:`CharVectors.matrix_for`.

    Returns:
        float32 weights [largest id + 1, dim], a copy of their own.

    Raises:
        UsageError: as :meth:`CharVectors.matrix_for`; ``E-PADDING`` when ``padding_idx``, given or not, is the id of
            an entry other than ``pad`` whose row would be lost: a character, ``unk``, or one that ``missing`` filled.
        IndexError: when ``padding_idx`` is no row.
    """
    if vocab is None:
        pad, unk = pad or "<PAD>", unk or "<UNK>"
        vocab = vectors.vocabulary(pad, unk)
    aligned = vectors.matrix_for(vocab, pad=pad, unk=unk, **matrix_options)
    pieces = {row: piece for piece, row in entries_of(vocab)}
    if isinstance(padding_idx, _Default):
        padding_idx = _default_padding(pieces, pad)
    if padding_idx is not None:
        _check_padding(pieces, aligned, padding_idx, pad=pad, unk=unk)
        aligned.matrix[padding_idx] = 0
    weights = torch.from_numpy(aligned.matrix)
    made: nn.Embedding = nn.Embedding.from_pretrained(weights, freeze=freeze, padding_idx=padding_idx)  # type: ignore[no-untyped-call]
    return made


def _default_padding(pieces: Mapping[int, str], pad: str | None) -> int | None:
    """The id of the padding entry; 0 when none is named, None when there are no rows at all."""
    if not pieces:
        return None
    return next((row for row, piece in pieces.items() if piece == pad), 0)


def _check_padding(
    pieces: Mapping[int, str], aligned: Aligned, padding_idx: int, *, pad: str | None, unk: str | None
) -> None:
    """Refuse to zero a row that means something.

    Args:
        pieces: the entry of each id.
        aligned: the matrix, and which entries have vectors.
        padding_idx: the id to be zeroed, also counted from the end.
        pad: the entry whose row is zeros anyhow.
        unk: the entry for unknown characters.

    Raises:
        UsageError: ``E-PADDING``.
        IndexError: when ``padding_idx`` is no row.
    """
    row = range(len(aligned.matrix))[padding_idx]
    piece = pieces.get(row)
    if piece is None or piece == pad:
        return
    if piece == unk or piece in aligned.found or aligned.matrix[row].any():
        raise UsageError(
            "E-PADDING",
            f"padding_idx={padding_idx} is the id of {piece!r}, whose vector would be lost",
            help="name the padding entry with pad=, give its id as padding_idx, or say padding_idx=None",
        )
