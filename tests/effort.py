"""How much is tried: a sample in every run; with CHARVEC_SLOW set, before a release, all of it."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALARS", "SLOW", "every", "tries"]

SLOW = bool(os.environ.get("CHARVEC_SLOW"))
#: Unicode's scalar values, in order: uint32 [1112064].
SCALARS = np.concatenate((np.arange(0xD800), np.arange(0xE000, 0x110000))).astype(np.uint32)


def tries(few: int, many: int) -> int:
    """How many generated cases a test tries."""
    return many if SLOW else few


def every(nth: int) -> NDArray[np.uint32]:
    """Every nth scalar value from U+3400 on, and all before, with white space of every kind; all of them when slow."""
    return SCALARS if SLOW else np.concatenate((SCALARS[:0x3400], SCALARS[0x3400::nth]))
