"""Plumbing: whether the columns of character vectors fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from charvec.counts import UNICODE_SIZE
from charvec.dtypes import STORED
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
    if stored.ndim != 2 or len(stored) != len(vectors.codepoints) or str(stored.dtype) not in STORED:
        _refuse(f"{len(vectors.codepoints)} code points, rows of {stored.dtype} and shape {stored.shape}")
    if (scales is None) == (str(stored.dtype) == "int8") or (scales is not None and len(scales) != len(stored)):
        _refuse("one scale for each row belongs to int8 and to no other type")
    if (vectors.codebooks is None) == (str(stored.dtype) == "uint8"):
        _refuse("codebooks belong to uint8 and to no other type")
    if vectors.codebooks is not None and (vectors.codebooks.ndim != 3 or len(vectors.codebooks) != stored.shape[1]):
        _refuse(f"{stored.shape[1]} codes a row, codebooks of shape {vectors.codebooks.shape}")
    if vectors.codebooks is not None and stored.size and stored.max() >= vectors.codebooks.shape[1]:
        _refuse(f"the code {stored.max()}, codebooks of {vectors.codebooks.shape[1]}")
    pca = vectors.pca
    if pca is not None and (pca.basis.ndim != 2 or pca.mean.shape != (pca.dim,) or pca.basis.shape[1] != vectors.dim):
        _refuse(f"{vectors.dim} dimensions, axes of shape {pca.basis.shape} from a mean of shape {pca.mean.shape}")
    if vectors.mean is not None and vectors.mean.shape != (vectors.dim,):
        _refuse(f"{vectors.dim} dimensions, a mean of shape {vectors.mean.shape}")
    if vectors.sources is not None and len(vectors.sources) != len(stored):
        _refuse(f"{len(stored)} rows, {len(vectors.sources)} sources")


def _refuse(problem: str) -> NoReturn:
    raise UsageError(
        "E-COLUMNS", f"columns that do not fit together: {problem}", help="give every column one entry a character"
    )
