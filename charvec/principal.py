"""Part of the noun vectors: principal axes, on which rows of many dimensions are told by few numbers.

Means and places on axes are the same on every machine: sums are taken element by element in float64, in one order, and
never by a matrix product, whose last bits depend on the processor and on the number of threads. The axes themselves
come from LAPACK; they are rounded to multiples of 2 to the power of -20, which is far above its rounding errors unless
two variances are (nearly) equal: then any directions between the two axes are as good.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.valueclass import dataclass

__all__ = ["Principal", "explained_share", "principal_axes", "weighted_mean"]

#: Rows that are multiplied together: their sums stay in a cache.
BLOCK = 128
#: Axes are rounded to multiples of 1 over this.
GRID = 1 << 20
#: What lies this much below the largest variance is rounding; its direction means nothing.
NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Principal:
    """A change of coordinates: from rows of ``dim`` values to their places on ``len(axes)`` axes, and back.

    Attributes:
        basis: float32 [dim, N], one axis a column, of length 1 but for rounding; zeros where rows do not vary.
        mean: float32 [dim], the point the axes start from.
    """

    basis: NDArray[np.float32]
    mean: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Length of the rows before."""
        return int(self.basis.shape[0])

    def project(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """(rows - mean) times basis: float32 [n, N] of rows [n, dim], each as if it were alone."""
        return _product(rows, self.basis, self.mean, None)

    def restore(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Rows times the transposed basis, plus mean: float32 [n, dim] of rows [n, N], each as if it were alone."""
        return _product(rows, np.ascontiguousarray(self.basis.T), None, self.mean)

    def same_as(self, other: Principal | None) -> bool:
        """Whether rows of both lie in one space."""
        return other is not None and np.array_equal(self.basis, other.basis) and np.array_equal(self.mean, other.mean)


def _product(
    rows: NDArray[Any],
    matrix: NDArray[np.float32],
    less: NDArray[np.float32] | None,
    plus: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """(rows - less) times matrix plus something, summed in float64 in the order of the columns and rounded once."""
    wide = matrix.astype(np.float64)
    result = np.empty((len(rows), matrix.shape[1]), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # rows that are not finite stay so
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK].astype(np.float64)
            if less is not None:
                some -= less
            columns = np.ascontiguousarray(some.T)
            sums = np.zeros((len(some), matrix.shape[1]))
            term = np.empty_like(sums)
            for column, factors in zip(columns, wide, strict=True):
                np.multiply(column[:, None], factors, out=term)
                sums += term
            result[start : start + BLOCK] = sums if plus is None else sums + plus
    return result


def weighted_mean(rows: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 [dim]: the mean of rows [n, dim] with weights [n], not all zero; summed in float64 row by row."""
    total = np.zeros(rows.shape[1])
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be
        for start in range(0, len(rows), BLOCK):
            total += (rows[start : start + BLOCK] * weights[start : start + BLOCK, None]).sum(axis=0)
    mean: NDArray[np.float32] = (total / weights.sum()).astype(np.float32)
    return mean


def explained_share(
    rows: NDArray[np.float32], places: NDArray[np.float32], weights: NDArray[np.float64]
) -> float | None:
    """The share of the variance of rows that lies along axes, which other rows may have given; None without any.

    Args:
        rows: float32 [n, dim]; those that are not finite are passed over.
        places: float32 [n, N], theirs on the axes.
        weights: float64 [n], as for :func:`principal_axes`.
    """
    sound = np.isfinite(rows).all(axis=1) & np.isfinite(places).all(axis=1) & (weights > 0)
    if not sound.any():
        return None
    total, along = (_variance(each[sound], weights[sound]) for each in (rows, places))
    return along / total if total > 0 else None


def _variance(rows: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    """The weighted sum of squared distances from the weighted mean."""
    mean, total = weighted_mean(rows, weights).astype(np.float64), 0.0
    for start in range(0, len(rows), BLOCK):
        away = rows[start : start + BLOCK] - mean
        total += float((away * away).sum(axis=1) @ weights[start : start + BLOCK])
    return total


def principal_axes(rows: NDArray[np.float32], number: int, weights: NDArray[np.float64]) -> tuple[Principal, float]:
    """The axes along which rows vary most, and the share of their variance that lies along these.

    Source: Pearson 1901, Hotelling 1933; by the eigenvectors of the covariance, or of the products of rows where there
    are fewer rows than dimensions. Of the two directions of an axis that one is taken whose largest value is positive.

    Args:
        rows: float32 [n, dim], finite, not all the same.
        number: how many axes, at most dim.
        weights: float64 [n], not negative, not all zero: how much each row counts.
    """
    mean = weighted_mean(rows, weights)
    about = (rows.astype(np.float64) - mean) * np.sqrt(weights / weights.sum())[:, None]
    if len(rows) < rows.shape[1]:
        values, vectors = np.linalg.eigh(about @ about.T)
        vectors = about.T @ vectors / np.sqrt(np.where(values > NOTHING * values[-1], values, np.inf))
    else:
        values, vectors = np.linalg.eigh(about.T @ about)
    values = np.maximum(values, 0.0)
    total = float(values.sum())
    order = np.argsort(-values, kind="stable")[:number]
    sound = values[order] > NOTHING * values.max(initial=0.0)
    basis = np.zeros((rows.shape[1], number), np.float32)
    found = np.round(vectors[:, order[sound]] * GRID) / GRID
    if found.size:
        largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
        basis[:, : found.shape[1]] = found * np.where(largest < 0, -1.0, 1.0) + 0.0  # no negative zeros
    return Principal(basis, mean), float(values[order].sum()) / total if total else 1.0
