"""Verb: lay character vectors out on a plane, to look at."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import integer
from charvec.errors import UsageError
from charvec.plumbing.map_page import DRAWN
from charvec.plumbing.text import scripts
from charvec.principal import principal_axes
from charvec.storage import as_vectors
from charvec.valueclass import dataclass
from charvec.vectors import CharVectors

__all__ = ["AXES", "DRAWN", "NEAREST", "CharacterMap", "draw"]

#: Principal axes to choose two from.
AXES = 8
#: Neighbours of each character.
NEAREST = 10
#: Rows compared with all others at once.
_BATCH = 256


@dataclass(frozen=True, eq=False)
class CharacterMap:
    """Characters on a plane, the commonest first.

    Attributes:
        chars: the characters drawn, [n].
        counts: uint64 [n], occurrences in the samples; zeros when the vectors do not know.
        scripts: Unicode script of each, [n].
        places: float32 [n, AXES or fewer], on the principal axes of the rows after each was brought to length 1.
        shares: float64, one an axis: the share of the variance along it.
        nearest: int64 [n, NEAREST or fewer], places in :attr:`chars` of those with the highest cosines, best first,
            equal ones in the order of the map.
        cosines: float32, of the same shape.
        of: how many characters there were to choose from.
        flat: characters left out because their vector has no direction: zeros, NaN or infinity.
    """

    chars: list[str]
    counts: NDArray[np.uint64]
    scripts: list[str]
    places: NDArray[np.float32]
    shares: NDArray[np.float64]
    nearest: NDArray[np.int64]
    cosines: NDArray[np.float32]
    of: int
    flat: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json`` and the page: numbers with as many digits as a screen can show."""
        rows = zip(
            self.chars, self.counts.tolist(), self.scripts, self.places.tolist(), self.nearest.tolist(),
            self.cosines.tolist(), strict=True,
        )  # fmt: skip
        return {
            "of": self.of,
            "unicode": scripts.UNICODE_VERSION,
            "shares": [round(share, 4) for share in self.shares.tolist()],
            "without_direction": self.flat,
            "characters": [
                {
                    "char": char,
                    "count": count,
                    "script": script,
                    "places": [round(place, 4) for place in places],
                    "nearest": nearest,
                    "cosines": [round(cosine, 4) for cosine in cosines],
                }
                for char, count, script, places, nearest, cosines in rows
            ],
        }


def draw(vectors: CharVectors | str | os.PathLike[str], *, top: int = DRAWN) -> CharacterMap:
    """Lay the commonest characters out by the directions of their vectors.

    Args:
        vectors: of any kind, or the path of a vector file.
        top: characters drawn at the most: those with the highest counts, equal ones by code point; so the first ones
            by code point where counts are unknown.

    Raises:
        UsageError: ``E-ARGUMENT`` when ``top`` is no whole number above zero, and for what holds no vectors;
            ``E-NO-DIRECTION`` when no vector has one.
        CharvecError: as :func:`charvec.load` does, for a path.
    """
    most = integer(top)
    if most is None or most < 1:
        raise UsageError("E-ARGUMENT", f"top={top!r} is no number of characters", help="say how many are to be drawn")
    vectors = as_vectors(vectors, "draw(vectors)")
    sound = np.isfinite(vectors.norms)
    if not sound.any():
        raise UsageError(
            "E-NO-DIRECTION",
            "none of the vectors has a direction: each is zeros, or holds NaN or infinity"
            if len(vectors)
            else "there are no vectors to draw",
            help="`charvec info FILE` says where they come from",
        )
    order = np.argsort(-vectors.counts.astype(np.float64), kind="stable")
    chosen = order[sound[order]][:most]
    units = (vectors.at(chosen) / vectors.norms[chosen, None]).astype(np.float32)
    places, shares = _places(units)
    nearest, cosines = _neighbours(units)
    chars = vectors.chars
    names = scripts.SCRIPTS
    return CharacterMap(
        [chars[place] for place in chosen],
        vectors.counts[chosen],
        [names[each] for each in scripts.script_ids(vectors.codepoints[chosen])],
        places,
        shares,
        nearest,
        cosines,
        len(vectors),
        [chars[place] for place in np.flatnonzero(~sound)],
    )


def _places(units: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Places on the principal axes, at least two, and the share of the variance along each."""
    count, dim = units.shape
    number = max(2, min(AXES, dim, count - 1))
    places = np.zeros((count, number), np.float32)
    if count > 1 and (units != units[0]).any():
        axes, _ = principal_axes(units, min(number, dim), np.ones(count))
        places[:, : axes.basis.shape[1]] = axes.project(units)
    variances = places.astype(np.float64).var(axis=0)
    total = float(units.astype(np.float64).var(axis=0).sum())
    return places, variances / total if total else variances


def _neighbours(units: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each row the places of those nearest to it, without itself, and the cosines."""
    count = len(units)
    wanted = min(NEAREST, count - 1)
    nearest = np.empty((count, wanted), np.int64)
    cosines = np.empty((count, wanted), np.float32)
    for start in range(0, count if wanted else 0, _BATCH):
        some = units[start : start + _BATCH] @ units.T
        own = np.arange(len(some))
        some[own, start + own] = -np.inf
        best = np.sort(np.argpartition(-some, wanted - 1, axis=1)[:, :wanted], axis=1)
        # of those that are as good as the last one, partitioning takes any
        last = np.take_along_axis(some, best, axis=1).min(axis=1)
        for row in np.flatnonzero(np.count_nonzero(some >= last[:, None], axis=1) > wanted).tolist():
            good = np.flatnonzero(some[row] >= last[row])
            best[row] = np.sort(good[np.argsort(-some[row, good], kind="stable")[:wanted]])
        order = np.argsort(-np.take_along_axis(some, best, axis=1), axis=1, kind="stable")
        nearest[start : start + len(some)] = np.take_along_axis(best, order, axis=1)
        cosines[start : start + len(some)] = np.take_along_axis(some, nearest[start : start + len(some)], axis=1)
    return nearest, cosines
