"""Plumbing: the rows of a matrix nearest to a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import an, integer
from charvec.errors import UsageError

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["nearest", "nearest_to_texts"]

#: Larger than the error of a float32 cosine.
_MARGIN = 1e-4
#: Larger than the error of a float64 cosine: what lies closer together is equal.
_EQUAL = 1e-12
#: Queries that go through the matrix together.
BATCH = 64


def nearest(vectors: CharVectors, query: str | NDArray[np.floating], k: int) -> list[tuple[str, float]]:
    """The work of :meth:`charvec.vectors.CharVectors.nearest`, which says what is what; same errors."""
    wanted = integer(k)
    if wanted is None:
        raise UsageError("E-ARGUMENT", f"k={k!r} is no integer", help="say how many neighbours are wanted")
    if isinstance(query, str):
        (answer,) = nearest_to_texts(vectors, [query], wanted)
        if answer is None:
            raise KeyError(query)
        return answer
    try:
        vector = np.asarray(query, np.float64)
    except (TypeError, ValueError):
        raise UsageError(
            "E-ARGUMENT",
            f"{an(query)} is no query",
            help="give a character, a text, or a vector of numbers",
        ) from None
    if vector.shape != (vectors.dim,):
        raise UsageError(
            "E-DIM", f"the query has the shape {vector.shape}", help=f"give a vector of length {vectors.dim}"
        )
    units, rough = _rough(vectors, vector[None])
    return _best(vectors, np.empty(0, np.int64), units[0], rough[0], wanted)


def nearest_to_texts(vectors: CharVectors, texts: list[str], k: int) -> list[list[tuple[str, float]] | None]:
    """For each text its neighbours, as :func:`nearest`; None for one without a single known character."""
    queries = np.asarray(vectors.encode(texts), np.float64).reshape(len(texts), vectors.dim)
    answers: list[list[tuple[str, float]] | None] = []
    for start in range(0, len(texts), BATCH):
        units, rough = _rough(vectors, queries[start : start + BATCH])
        for text, unit, cosines in zip(texts[start : start + BATCH], units, rough, strict=True):
            own = vectors.places(text)
            own = own[own >= 0]
            answers.append(_best(vectors, own, unit, cosines, k) if len(own) else None)
    return answers


def _rough(vectors: CharVectors, queries: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Queries of length 1, zeros for one without a direction; and their cosines with every row, roughly."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(queries, axis=1)
        sound = (lengths > 0) & np.isfinite(lengths)
        units = np.where(sound[:, None], queries, 0.0) / np.where(sound, lengths, 1.0)[:, None]
        return units, np.nan_to_num((units.astype(np.float32) @ vectors.matrix.T) / vectors.norms)


def _best(
    vectors: CharVectors, own: NDArray[np.int64], unit: NDArray[np.float64], rough: NDArray[np.float64], k: int
) -> list[tuple[str, float]]:
    """The k best of all rows but its own."""
    k = max(0, min(k, len(vectors) - len(set(own.tolist()))))
    if not k:
        return []
    rough = rough.copy()
    rough[own] = -np.inf  # which no other is
    # the last bits of a float32 product depend on where a row lies: whatever may belong to the first k is done anew
    near = np.flatnonzero(rough >= np.partition(rough, -k)[-k] - _MARGIN)
    with np.errstate(invalid="ignore"):
        cosines = np.einsum("ij,j->i", vectors.matrix[near], unit) / vectors.norms[near]
    if not np.isfinite(cosines).all():
        cosines = np.nan_to_num(cosines)
    # cosines that are equal differ by rounding, on whichever side of a decimal they lie
    order = np.argsort(-cosines, kind="stable")
    near, cosines = near[order], cosines[order]
    rank = np.zeros(len(near), np.int64)
    np.cumsum(cosines[1:] - cosines[:-1] < -_EQUAL, out=rank[1:])
    best = np.lexsort((near, rank))[:k]
    chars = vectors.codepoints[near[best]].tolist()
    return list(zip(map(chr, chars), np.clip(cosines[best], -1.0, 1.0).tolist(), strict=True))
