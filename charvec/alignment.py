"""Noun: a matrix aligned with the vocabulary of someone's own model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError, WrongFile

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["Aligned", "align"]


@dataclass(frozen=True, eq=False)
class Aligned:
    """A matrix aligned with a vocabulary, and what of the vocabulary has a vector. Unpacks into the two.

    Attributes:
        matrix: float32 [largest id + 1, dim].
        found: entries that have a vector, in the order of the vocabulary.
        missing: entries that have none; pad and unk count as neither.
    """

    matrix: NDArray[np.float32]
    found: tuple[str, ...]
    missing: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        yield self.matrix
        yield {"found": list(self.found), "missing": list(self.missing)}


def align(
    vectors: CharVectors,
    vocab: Mapping[str, int] | Sequence[str],
    *,
    pad: str | None,
    unk: str | None,
    missing: str,
    seed: int,
) -> Aligned:
    """The work of :meth:`charvec.vectors.CharVectors.matrix_for`, which says what is what; same errors."""
    if missing not in ("zeros", "unk", "mean", "normal", "error"):
        raise UsageError(
            "E-MISSING", f"missing={missing!r} is unknown", help="choose zeros, unk, mean, normal or error"
        )
    entries = _entries(vocab)
    ordinary = [(piece, row) for piece, row in entries if piece not in (pad, unk)]
    found = [(piece, row) for piece, row in ordinary if piece in vectors]
    lost = [(piece, row) for piece, row in ordinary if piece not in vectors]
    if lost and missing == "error":
        raise WrongFile(
            "E-NO-VECTOR",
            f"{len(lost)} of {len(entries)} entries have no vector",
            found=", ".join(repr(piece) for piece, _ in lost[:8]),
            help="choose what their rows shall be with missing=",
        )
    result = np.zeros((max((row for _, row in entries), default=-1) + 1, vectors.dim), np.float32)
    if found:
        result[[row for _, row in found]] = vectors.at(vectors.places("".join(piece for piece, _ in found)))
    mean = _mean(vectors.matrix)
    unknown = vectors[unk] if unk is not None and unk in vectors else mean
    for piece, row in entries:
        if piece == unk and piece != pad:
            result[row] = unknown
    rows_lost = [row for _, row in lost]
    if missing == "unk":
        result[rows_lost] = unknown
    elif missing == "mean":
        result[rows_lost] = mean
    elif missing == "normal" and rows_lost:
        result[rows_lost] = _drawn(result[[row for _, row in found]] if found else vectors.matrix, len(rows_lost), seed)
    return Aligned(result, tuple(piece for piece, _ in found), tuple(piece for piece, _ in lost))


def _entries(vocab: Mapping[str, int] | Sequence[str]) -> list[tuple[str, int]]:
    if isinstance(vocab, Set):
        raise UsageError("E-VOCAB-IDS", "a set has no order", help="give a list, or a dictionary of ids")
    entries = list(vocab.items()) if isinstance(vocab, Mapping) else [(piece, row) for row, piece in enumerate(vocab)]
    taken: set[int] = set()
    for piece, row in entries:
        if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or row < 0 or int(row) in taken:
            raise UsageError(
                "E-VOCAB-IDS",
                f"the id of {piece!r} is {row!r}: negative, no integer, or used twice",
                help="ids are the rows of the matrix; give every entry one of its own",
            )
        taken.add(int(row))
    return [(piece, int(row)) for piece, row in entries]


def _finite(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    # one row of NaN would make every mean NaN
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.asarray(rows[finite])


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [dim]: the mean of the finite rows, summed in float64; zeros when there are none."""
    rows = _finite(rows)
    if not len(rows):
        return np.zeros(rows.shape[1], np.float32)
    return np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)


def _drawn(rows: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float64]:
    """float64 [count, dim]: drawn from a normal distribution with the mean and standard deviation of each column."""
    noise = np.random.default_rng(seed).standard_normal((count, rows.shape[1]))
    rows = _finite(rows)
    if not len(rows):
        return noise
    return np.asarray(rows.mean(axis=0, dtype=np.float64) + noise * rows.std(axis=0, dtype=np.float64))
