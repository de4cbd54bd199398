"""Verb: tell a vocabulary that is shifted against its matrix, as after a line of it was lost or added.

BERT vocabularies hold runs of placeholders, ``[unused1]`` and so on. No text has them, so training moves their vectors
little and all alike: in one real model their lengths are 0.43 to 0.48, while other pieces have 0.25, or 0.62 and more.
So the matrix itself shows where a run begins and ends. If that is some lines above or below where the vocabulary says
so, every later row belongs to another piece.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charvec.errors import CharvecError, Note
from charvec.rows import sample_rows
from charvec.tensor import Tensor
from charvec.vocabulary import Vocabulary

__all__ = ["shift_notes"]

#: Rows looked at on each side of the end of a run, and the most lines of a shift that is looked for.
REACH, FARTHEST = 12, 4
#: Shorter runs, and shorter stretches between them, say too little.
SHORTEST = 2 * FARTHEST
#: Placeholders from which the usual length is taken.
SAMPLED = 64


def shift_notes(tensor: Tensor, vocabulary: Vocabulary) -> list[Note]:
    """One ``W-VOCAB-SHIFTED`` when the vocabulary seems shifted; nothing when it is not, or when that cannot be told.

    About 120 rows are read, and only of vocabularies with placeholders.

    Args:
        tensor: the matrix [rows, dim].
        vocabulary: whose :attr:`~charvec.vocabulary.Vocabulary.unused` are the rows of placeholders.
    """
    if len(vocabulary.unused) < SHORTEST:
        return []
    unused = np.array(vocabulary.unused, np.int64)
    unused = unused[unused < tensor.rows]
    edge = _last_edge(unused, min(tensor.rows, vocabulary.size))
    if edge is None:
        return []
    window = np.arange(edge - REACH, edge + REACH)
    window = window[(window >= 0) & (window < tensor.rows)]
    sample = unused[np.linspace(0, len(unused) - 1, min(SAMPLED, len(unused))).astype(np.int64)]
    ids, place = np.unique(np.concatenate((sample, window)), return_inverse=True)
    try:
        rows = sample_rows(tensor, ids)
    except CharvecError:
        return []  # whoever needs rows will be told
    with np.errstate(over="ignore", invalid="ignore"):  # rows that are not finite are alike to none
        lengths = np.sqrt((rows * rows).sum(axis=1))[place]
        alike = _alike(lengths[: len(sample)], lengths[len(sample) :])
    shift = _shift(alike, window, np.isin(np.arange(window[0] - FARTHEST, window[-1] + FARTHEST + 1), unused))
    if not shift:
        return []
    direction = "lost" if shift > 0 else "added"
    lines = f"{abs(shift)} line" + ("s" if abs(shift) > 1 else "")
    return [
        Note(
            "W-VOCAB-SHIFTED",
            f"{vocabulary.path} seems shifted against the matrix {tensor.name!r}: its placeholders end at row "
            f"{edge - 1:,}, but by their vectors at row {edge - 1 + shift:,}; {lines} of it "
            f"{'was' if abs(shift) == 1 else 'were'} {direction}, and later characters would get wrong vectors",
            vocabulary.path,
        )
    ]


def _last_edge(unused: NDArray[np.int64], rows: int) -> int | None:
    """The row after the last run of placeholders that is long enough and is followed by enough other rows.

    A line lost or added anywhere before shows there; one amid its last rows does not.
    """
    if not len(unused):
        return None
    ends = np.flatnonzero(np.diff(unused, append=rows + SHORTEST) > 1)
    starts = np.concatenate(([0], ends[:-1] + 1))
    for start, end in zip(starts[::-1].tolist(), ends[::-1].tolist(), strict=True):
        after = (int(unused[end + 1]) if end + 1 < len(unused) else rows) - int(unused[end]) - 1
        if end - start + 1 >= SHORTEST and after >= SHORTEST:
            return int(unused[end]) + 1
    return None


def _alike(usual: NDArray[np.floating], lengths: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether each length is like that of the placeholders: by their median and its spread, whatever strays."""
    middle = _median(usual)
    spread = _median(np.abs(usual - middle))
    alike: NDArray[np.bool_] = np.abs(lengths - middle) <= max(6 * 1.4826 * spread, 0.02 * middle)
    return alike


def _median(numbers: NDArray[np.floating]) -> float:
    """As :func:`numpy.median`, which loads NumPy's masked arrays: 8 ms of a run of 170."""
    ordered = np.sort(numbers)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _shift(alike: NDArray[np.bool_], window: NDArray[np.int64], labels: NDArray[np.bool_]) -> int:
    """By how many lines the rows that are alike lie below those labelled so; 0 also when no shift fits.

    Args:
        alike: bool [n], of the rows in the window.
        window: int64 [n], these rows.
        labels: bool [n + 2 * FARTHEST], whether the vocabulary calls a row a placeholder, from FARTHEST rows earlier.
    """
    wrong = {}
    for shift in range(-FARTHEST, FARTHEST + 1):
        moved = labels[FARTHEST - shift : FARTHEST - shift + len(window)]
        wrong[shift] = int((moved != alike).sum())
    best = min(wrong, key=lambda shift: (wrong[shift], abs(shift)))
    # one row may stray, in a matrix that fits as in one that does not
    fits = wrong[best] <= 1 and wrong[0] - wrong[best] >= abs(best)
    return best if fits else 0
