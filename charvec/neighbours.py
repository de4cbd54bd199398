"""Plumbing: the rows of a matrix nearest to a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["nearest"]

#: Larger than the error of a float32 cosine.
_MARGIN = 1e-4


def nearest(vectors: CharVectors, query: str | NDArray[np.floating], k: int) -> list[tuple[str, float]]:
    """The work of :meth:`charvec.vectors.CharVectors.nearest`, which says what is what; same errors."""
    if not isinstance(k, (int, np.integer)):
        raise UsageError("E-ARGUMENT", f"k={k!r} is no integer", help="say how many neighbours are wanted")
    others = np.ones(len(vectors), np.bool_)
    if isinstance(query, str):
        own = vectors.places(query)
        own = own[own >= 0]
        if not len(own):
            raise KeyError(query)
        others[own] = False
        vector = np.asarray(vectors.encode(query), np.float64)
    else:
        vector = np.asarray(query, np.float64)
        if vector.shape != (vectors.dim,):
            raise UsageError(
                "E-DIM", f"the query has the shape {vector.shape}", help=f"give a vector of length {vectors.dim}"
            )
    places = np.flatnonzero(others)
    k = max(0, min(k, len(places)))
    if not k:
        return []
    length = float(np.linalg.norm(vector))
    unit = vector / length if 0 < length < np.inf else np.zeros(vectors.dim)
    with np.errstate(invalid="ignore"):
        rough = np.nan_to_num(vectors.matrix @ unit.astype(np.float32) / vectors.norms)[places]
        # the last bits of a float32 product depend on where a row lies: whatever may belong to the first k is done anew
        near = places[rough >= np.partition(rough, -k)[-k] - _MARGIN]
        cosines = np.nan_to_num(np.einsum("ij,j->i", vectors.matrix[near], unit) / vectors.norms[near])
    best = np.lexsort((near, -np.round(cosines, 12)))[:k]
    cosines = np.clip(cosines, -1.0, 1.0)
    return [(chr(int(vectors.codepoints[near[place]])), float(cosines[place])) for place in best]
