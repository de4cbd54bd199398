"""Plumbing: vectors of texts from the vectors of their characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["pool"]

#: Characters gathered at once: 64 Ki rows of 768 floats are 192 MiB, of 128 floats 32 MiB.
CHUNK = 1 << 16


def pool(vectors: CharVectors, texts: Sequence[str], pooling: str) -> NDArray[np.float32]:
    """The sum or mean of the vectors of the known characters of each text: float32 [len(texts), dim].

    Raises:
        UsageError: ``E-POOLING`` for another pooling than ``mean`` and ``sum``.
    """
    if pooling not in ("mean", "sum"):
        raise UsageError("E-POOLING", f"{pooling!r} is no pooling", help="choose mean, sum or None")
    result = np.zeros((len(texts), vectors.dim), np.float32)
    start = 0
    while start < len(texts):
        # as many whole texts as fit into a chunk; one text longer than a chunk goes alone
        end, size = start + 1, len(texts[start])
        while end < len(texts) and size + len(texts[end]) <= CHUNK:
            size += len(texts[end])
            end += 1
        _pool_some(vectors, texts[start:end], pooling, result[start:end])
        start = end
    return result


def _pool_some(vectors: CharVectors, texts: Sequence[str], pooling: str, result: NDArray[np.float32]) -> None:
    """Fill float32 [len(texts), dim]."""
    places = vectors.places("".join(texts))
    text_of = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    known = places >= 0
    places, text_of = places[known], text_of[known]
    # summed in float64: in float32 a long text would lose digits
    sums = np.zeros(result.shape, np.float64)
    for first in range(0, len(places), CHUNK):
        part = slice(first, first + CHUNK)
        owners = text_of[part]
        starts = np.flatnonzero(np.concatenate(([True], owners[1:] != owners[:-1])))
        with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be
            sums[owners[starts]] += np.add.reduceat(vectors.at(places[part]), starts, axis=0, dtype=np.float64)
    if pooling == "mean":
        sums /= np.maximum(np.bincount(text_of, minlength=len(texts)), 1)[:, None]
    with np.errstate(over="ignore"):
        result[:] = sums
