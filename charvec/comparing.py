"""Verb: what differs between two sets of character vectors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.codebooks import quantise
from charvec.counts import characters
from charvec.dtypes import DTYPES, convert_rows
from charvec.errors import WrongFile
from charvec.provenance import model_differences, same_model
from charvec.reduction import same_space
from charvec.status import Status
from charvec.storage import as_vectors
from charvec.vectors import CharVectors

__all__ = ["Change", "Difference", "diff"]


@dataclass(frozen=True)
class Change:
    """A character that both have, in some way differently.

    Attributes:
        char: the character.
        largest: largest absolute difference of a value; 0 when the vectors are equal, NaN when something is not finite.
        cosine: of the two vectors; NaN likewise.
        status: the status before and after, or None when it is the same or unknown.
        rows: the row ids before and after, or None likewise.
    """

    char: str
    largest: float
    cosine: float
    status: tuple[Status, Status] | None = None
    rows: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``; NaN becomes None."""
        return {
            "char": self.char,
            "codepoint": f"U+{ord(self.char):04X}",
            "largest": self.largest if self.largest == self.largest else None,
            "cosine": self.cosine if self.cosine == self.cosine else None,
            "status": [status.label for status in self.status] if self.status else None,
            "rows": [list(rows) for rows in self.rows] if self.rows else None,
        }


@dataclass(frozen=True)
class Difference:
    """What differs between two sets of vectors, the second seen from the first.

    Attributes:
        came: characters only the second has, by code point.
        went: characters only the first has.
        changed: characters whose vector, status or row ids differ, the most different vectors first. Vectors of
            different dimensions cannot be compared: none is listed then.
        common: number of characters that both have.
        counts: characters both have, but with other counts: (before, after).
        dim: dimensions before and after.
        dtype: element types before and after.
        rounding: whether all vectors of the two become equal when the one is rounded to the other's element type.
        origin: in what their models differ; empty when they are one, or unknown.
        options: options they were made with that differ: (before, after).
    """

    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[Change, ...]
    common: int
    counts: Mapping[str, tuple[int, int]]
    dim: tuple[int, int]
    dtype: tuple[str, str]
    rounding: bool
    origin: tuple[str, ...]
    options: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        """Whether there is any difference in the characters or their vectors; counts and provenance are none."""
        return bool(self.came or self.went or self.changed or self.dim[0] != self.dim[1])

    @property
    def equal(self) -> int:
        """Number of characters that are the same in both; of vectors of different dimensions none is."""
        return self.common - len(self.changed) if self.dim[0] == self.dim[1] else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "different": bool(self),
            "came": [_named(char) for char in self.came],
            "went": [_named(char) for char in self.went],
            "changed": [change.as_dict() for change in self.changed],
            "common": self.common,
            "equal": self.equal,
            "counts": [{**_named(char), "before": old, "after": new} for char, (old, new) in self.counts.items()],
            "dim": list(self.dim),
            "dtype": list(self.dtype),
            "only_rounding": self.rounding,
            "model_differs_in": list(self.origin),
            "options": {key: list(pair) for key, pair in self.options.items()},
        }


def _named(char: str) -> dict[str, str]:
    return {"char": char, "codepoint": f"U+{ord(char):04X}"}


def diff(before: CharVectors | str | os.PathLike[str], after: CharVectors | str | os.PathLike[str]) -> Difference:
    """Which characters came, went or changed, and by how much.

    Vectors are compared bit for bit as float32, whatever element type they are stored in. Statuses and row ids are
    compared where both files know them; text and pickle files do not. Of vectors of different dimensions only the
    characters are compared.

    Args:
        before: as :func:`charvec.load` gives them, or the path of a vector file.
        after: likewise.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else.
        WrongFile: ``E-REDUCED`` when the vectors are places on different principal axes.
        CharvecError: as :func:`charvec.load` for paths.
    """
    before, after = as_vectors(before, "diff(before, after)"), as_vectors(after, "diff(before, after)")
    if not same_space(before, after):
        raise WrongFile(
            "E-REDUCED",
            "the vectors cannot be compared: they are places on different principal axes",
            help="restore each first with `charvec convert IN OUT --restore`, or compare what they were made of",
        )
    common, first, second = np.intersect1d(before.codepoints, after.codepoints, assume_unique=True, return_indices=True)
    changed = _changes(before, after, first, second) if before.dim == after.dim else ()
    counted = "converted" not in before.source and "converted" not in after.source
    old, new = before.counts[first], after.counts[second]
    counts = {
        chr(codepoint): (int(one), int(two))
        for codepoint, one, two in zip(common.tolist(), old.tolist(), new.tolist(), strict=True)
        if one != two and counted
    }
    return Difference(
        tuple(characters(np.setdiff1d(after.codepoints, before.codepoints, assume_unique=True))),
        tuple(characters(np.setdiff1d(before.codepoints, after.codepoints, assume_unique=True))),
        changed,
        len(common),
        counts,
        (before.dim, after.dim),
        (before.dtype, after.dtype),
        bool(changed) and _only_rounding(before, after, first, second),
        tuple(model_differences(before.source, after.source)) if _know_models(before, after) else (),
        _options(before, after),
    )


def _know_models(before: CharVectors, after: CharVectors) -> bool:
    return "source" in before.source and "source" in after.source


def _changes(
    before: CharVectors, after: CharVectors, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[Change, ...]:
    """Characters both have that differ; ``first`` and ``second`` are their places."""
    one, two = before.at(first), after.at(second)
    same = (_bits(one) == _bits(two)).all(axis=1)
    known = "converted" not in before.source and "converted" not in after.source
    other_status = (before.status[first] != after.status[second]) & known
    other_rows = np.zeros(len(first), bool)
    if known and same_model(before.source, after.source):
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        other_rows[:] = [before.spelling.ids(old) != after.spelling.ids(new) for old, new in pairs]
    changes = []
    for place in np.flatnonzero(~same | other_status | other_rows).tolist():
        old, new = int(first[place]), int(second[place])
        largest, cosine = _distance(one[place], two[place])
        changes.append(
            Change(
                chr(int(before.codepoints[old])),
                0.0 if same[place] else largest,
                1.0 if same[place] else cosine,
                (Status(int(before.status[old])), Status(int(after.status[new]))) if other_status[place] else None,
                (before.spelling.ids(old), after.spelling.ids(new)) if other_rows[place] else None,
            )
        )
    # NaN, which compares with nothing, is the largest difference of all
    return tuple(sorted(changes, key=lambda change: (change.largest == change.largest, -change.largest, change.char)))


def _bits(rows: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(rows).view(np.uint32)


def _distance(one: NDArray[np.float32], two: NDArray[np.float32]) -> tuple[float, float]:
    """Largest absolute difference and cosine, computed in float64."""
    wide, other = one.astype(np.float64), two.astype(np.float64)
    with np.errstate(invalid="ignore"):
        largest = float(np.abs(wide - other).max(initial=0))
        norms = float(np.linalg.norm(wide) * np.linalg.norm(other))
        cosine = float(np.clip(wide @ other / norms, -1, 1)) if norms else float("nan")
    return largest, cosine


def _only_rounding(before: CharVectors, after: CharVectors, first: NDArray[np.intp], second: NDArray[np.intp]) -> bool:
    """Whether the wider of the two, rounded to the type of the other, gives the other."""
    order = {dtype: place for place, dtype in enumerate(DTYPES)}
    if before.dim != after.dim or before.dtype == after.dtype:
        return False
    if not {before.dtype, after.dtype} <= order.keys():
        return False
    wide, narrow = (before, after) if order[before.dtype] < order[after.dtype] else (after, before)
    places = (first, second) if wide is before else (second, first)
    rows = wide.at(places[0])
    if not np.isfinite(rows).all():
        return False
    if narrow.codebooks is not None:
        return bool((quantise(rows, narrow.codebooks) == narrow.stored[places[1]]).all())
    stored, scales = convert_rows(rows, narrow.dtype)
    same = (stored == narrow.stored[places[1]]).all()
    if scales is not None and narrow.scales is not None:
        same &= (scales == narrow.scales[places[1]]).all()
    return bool(same)


def _options(before: CharVectors, after: CharVectors) -> dict[str, tuple[Any, Any]]:
    if "options" not in before.source or "options" not in after.source:
        return {}
    old, new = (dict(vectors.source["options"]) for vectors in (before, after))
    keys = sorted({*old, *new} - {"dtype"})
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}
