"""Plumbing: whether the columns of character vectors fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from charvec.counts import UNICODE_SIZE
from charvec.dtypes import DTYPES
from charvec.errors import UsageError

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["check_fit"]


def check_fit(vectors: CharVectors) -> None:
    """Refuse columns of different lengths, and code points out of order, where look-ups would give another's row.

    Raises:
        UsageError: ``E-COLUMNS``.
    """
    for codepoints, counts, spelling in (
        (vectors.codepoints, vectors.counts, vectors.spelling),
        (vectors.missing_codepoints, vectors.missing_counts, vectors.missing_spelling),
    ):
        size = len(codepoints)
        if len(counts) != size or len(spelling) != size or len(spelling.row_offsets) != size + 1:
            _refuse(f"{size} code points, {len(counts)} counts, {len(spelling)} statuses")
        if not (codepoints[1:] > codepoints[:-1]).all() or (size and codepoints[-1] >= UNICODE_SIZE):
            _refuse("code points must ascend and be Unicode's")
    stored, scales = vectors.stored, vectors.scales
    if stored.ndim != 2 or len(stored) != len(vectors.codepoints) or str(stored.dtype) not in DTYPES:
        _refuse(f"{len(vectors.codepoints)} code points, rows of {stored.dtype} and shape {stored.shape}")
    if (scales is None) == (str(stored.dtype) == "int8") or (scales is not None and len(scales) != len(stored)):
        _refuse("one scale for each row belongs to int8 and to no other type")
    if vectors.sources is not None and len(vectors.sources) != len(stored):
        _refuse(f"{len(stored)} rows, {len(vectors.sources)} sources")


def _refuse(problem: str) -> NoReturn:
    raise UsageError(
        "E-COLUMNS", f"columns that do not fit together: {problem}", help="give every column one entry a character"
    )
