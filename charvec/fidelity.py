"""Part of the noun vectors: how true smaller vectors are to those they were made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["describe", "fidelity", "problem"]

#: Rows compared at once; two blocks in float64 stay in a cache.
BLOCK = 64
#: Rows, evenly spread, whose neighbours among each other are compared.
SAMPLE = 500
#: Neighbours that are compared.
NEIGHBOURS = 10
#: Decimals that are kept. What lies below differs from one processor to another, and files must not.
DECIMALS = 9


def fidelity(
    rows: NDArray[np.float32], smaller: NDArray[np.float32], to: str, own: NDArray[np.float32] | None = None
) -> dict[str, Any]:
    """Measures of what rows lost, for the provenance; empty when no row has a direction.

    Args:
        rows: float32 [n, dim], as they were.
        smaller: float32 [n, dim], as they are now.
        to: what ``rows`` were: ``float32``, or the narrower type they had been rounded to already.
        own: float32 [n, fewer], when the rows are places on other axes now, of which ``smaller`` is restored: the
            neighbours that users get are then those among these.

    Returns:
        ``min_cosine`` and ``mean_cosine`` over all rows that have a direction, rounded down; ``nearest_same`` and
        ``nearest_10_same``, the share of the nearest neighbour and of the ten nearest that stay the same, among
        :data:`SAMPLE` rows evenly spread; their number, ``sample``; and ``to``. With ``own`` the neighbours are those
        among these, and ``restored_nearest_same`` and ``restored_nearest_10_same`` tell of those among ``smaller``.
    """
    cosines = _cosines(rows, smaller)
    directed = np.flatnonzero(np.isfinite(cosines))
    if not len(directed):
        return {}
    found: dict[str, Any] = {"to": to, "min_cosine": _down(cosines[directed].min())}
    found["mean_cosine"] = _down(cosines[directed].mean())
    step = len(directed) / min(SAMPLE, len(directed))
    sample = directed[(np.arange(min(SAMPLE, len(directed))) * step).astype(np.int64)]
    if len(sample) > NEIGHBOURS:
        before = _neighbours(rows[sample].astype(np.float64))
        for prefix, each in (("", smaller),) if own is None else (("", own), ("restored_", smaller)):
            after = _neighbours(each[sample].astype(np.float64))
            found[prefix + "nearest_same"] = float(np.mean(before[:, 0] == after[:, 0]))
            shared = (before[:, :, None] == after[:, None, :]).sum()
            found[prefix + "nearest_10_same"] = float(shared / before.size)
        found["sample"] = len(sample)
    return found


def describe(found: Mapping[str, Any]) -> str:
    """One line for people."""
    text = f"cosine to the {found['to']} rows at least {_seven(found['min_cosine'])}, "
    text += f"{_seven(found['mean_cosine'])} on average"
    if "sample" in found:
        text += f"; of {found['sample']} rows, the nearest is the same for {_share(found['nearest_same'])}, "
        text += f"of the 10 nearest {_share(found['nearest_10_same'])} are"
    if "restored_nearest_same" in found:
        text += f" (restored: {_share(found['restored_nearest_same'])} and "
        text += f"{_share(found['restored_nearest_10_same'])})"
    return text


def problem(found: Any) -> str | None:
    """What is wrong with measures read from a file; None when nothing is."""
    if not isinstance(found, dict) or not isinstance(found.get("to"), str):
        return "fidelity is no object, or does not say to what"
    numbers = ["min_cosine", "mean_cosine"]
    numbers += ["nearest_same", "nearest_10_same"] if "sample" in found else []
    if "restored_nearest_same" in found:
        numbers += ["restored_nearest_same", "restored_nearest_10_same"]
    if any(type(found.get(name)) is not float or not -1 <= found[name] <= 1 for name in numbers):
        return "fidelity holds what is no cosine, or no share"
    return "fidelity has no size of its sample" if type(found.get("sample", 0)) is not int else None


def _cosines(rows: NDArray[np.float32], smaller: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64 [n]: of each row with what became of it; NaN where the row has no direction, 0 where it lost it."""
    cosines = np.full(len(rows), np.nan)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start in range(0, len(rows), BLOCK):
            block = slice(start, start + BLOCK)
            one, two = rows[block].astype(np.float64), smaller[block].astype(np.float64)
            dots, ones, twos = (np.einsum("ij,ij->i", *pair) for pair in ((one, two), (one, one), (two, two)))
            found = np.clip(dots / np.sqrt(ones * twos), -1.0, 1.0)
            found[(twos == 0) & (ones > 0)] = 0.0
            found[~np.isfinite(ones) | (ones == 0)] = np.nan
            cosines[block] = found
    return cosines


def _neighbours(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """int64 [n, 10]: the rows with the largest cosines to each; equal ones by position."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows = rows / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosines = np.round(rows @ rows.T, DECIMALS)
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]


def _down(value: float) -> float:
    """Rounded down; what differs from 1 by rounding errors of float64 alone is 1."""
    scale = 10.0**DECIMALS
    return min(1.0, math.floor(float(value) * scale + 1e-3) / scale)


def _seven(value: float) -> str:
    """Seven decimals, rounded down."""
    return f"{math.floor(value * 1e7 + 1e-3) / 1e7:.7f}"


def _share(value: float) -> str:
    return f"{math.floor(value * 1000 + 1e-6) / 10:.1f} %"
