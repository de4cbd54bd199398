"""Part of the noun vectors: the element types a vector file can have, and rows turned into them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError, WrongFile

__all__ = ["DTYPES", "STORED", "check_dtype", "convert_rows", "parse_dtype", "storable"]

#: Element types a vector file can have. ``pq`` stands for product quantisation, see :mod:`charvec.codebooks`.
DTYPES = ("float32", "float16", "int8", "pq")

#: What the stored array holds with each of them.
STORED = ("float32", "float16", "int8", "uint8")


def check_dtype(dtype: str) -> None:
    """Refuse what is no element type.

    Raises:
        UsageError: ``E-DTYPE``.
    """
    parse_dtype(dtype)


def parse_dtype(dtype: str) -> tuple[str, int | None]:
    """A name of :data:`DTYPES`, and of ``pq:M`` the number of parts of a row.

    Raises:
        UsageError: ``E-DTYPE``.
    """
    name, colon, parts = dtype.partition(":") if isinstance(dtype, str) else ("", "", "")
    if name not in DTYPES or (colon and (name != "pq" or not re.fullmatch("[1-9][0-9]{0,6}", parts))):
        raise UsageError("E-DTYPE", f"{dtype!r} is no element type", help="choose " + ", ".join(DTYPES) + " or pq:M")
    return name, int(parts) if colon else None


def convert_rows(rows: NDArray[np.float32], dtype: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Rows as they are stored with a dtype, and with ``int8`` their scales.

    Args:
        rows: float32 [n, dim].
        dtype: ``float32``, ``float16`` or ``int8``. ``float16`` rounds to nearest. ``int8`` keeps one float32 scale a
            row: value = scale * integer, scale = largest absolute value of the row / 127.

    Returns:
        rows [n, dim] of that type, and float32 [n] or None.

    Raises:
        UsageError: ``E-DTYPE`` for another type.
        WrongFile: ``E-OVERFLOW`` when finite values do not fit into the type, or int8 is asked of NaN or infinity.
    """
    if dtype not in ("float32", "float16", "int8"):
        raise UsageError("E-DTYPE", f"{dtype!r} is not stored row by row", help="choose float32, float16 or int8")
    if dtype == "float32":
        return rows, None
    if dtype == "float16":
        with np.errstate(over="ignore"):
            halves = rows.astype(np.float16)
        if np.any(np.isinf(halves) & np.isfinite(rows)):
            raise _overflow("float16", "values beyond 65,504")
        return halves, None
    if not np.isfinite(rows).all():
        raise _overflow("int8", "values that are not finite")
    scales = (np.abs(rows).max(axis=1, initial=0) / np.float32(127)).astype(np.float32)
    # 127 times the scale of the very largest floats rounds to infinity; one step less does not
    with np.errstate(over="ignore"):
        beyond = np.isinf(scales * np.float32(127))
    scales[beyond] = np.nextafter(scales[beyond], np.float32(0))
    steps = rows / np.where(scales > 0, scales, 1)[:, None]
    return np.clip(np.rint(steps), -127, 127).astype(np.int8), scales


def storable(rows: NDArray[np.float32], dtype: str) -> NDArray[np.bool_]:
    """Which rows a dtype can hold, bool [n]; the others are an ``E-OVERFLOW``.

    Args:
        rows: float32 [n, dim].
        dtype: one of :data:`DTYPES`.
    """
    if dtype == "float32":
        return np.ones(len(rows), bool)
    most = np.finfo(np.float32 if dtype == "int8" else np.float16).max
    with np.errstate(over="ignore"):
        # float16 takes a little more than its largest by rounding, and has NaN and infinity, which the others have not
        held = np.isfinite(rows.astype(np.float16)) | ~np.isfinite(rows) if dtype == "float16" else np.abs(rows) <= most
    every: NDArray[np.bool_] = np.logical_and.reduce(held, axis=1)
    return every


def _overflow(dtype: str, what: str) -> WrongFile:
    return WrongFile("E-OVERFLOW", f"the vectors hold {what}, which {dtype} cannot store", help="use --dtype float32")
