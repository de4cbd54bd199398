"""Plumbing: many 16-bit numbers written as varints one after the other, of which some are wanted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.protobuf import Malformed

__all__ = ["Halves"]

#: Bytes that are looked at in one go, and elements between two places that are remembered.
PORTION = 1 << 20
STEP = 1 << 16


def ends_of(data: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where numbers end: the bytes without their highest bit."""
    return np.flatnonzero(data < 128)


def decode(data: NDArray[np.uint8]) -> NDArray[np.float16]:
    """The float16 whose bits are the numbers in ``data``, which begins and ends with a whole one.

    Raises:
        Malformed: when a number has more than 16 bits.
    """
    ends = ends_of(data)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    widths = ends - starts
    if len(widths) and widths.max() > 2:
        raise Malformed("a number has more than 16 bits")
    values = (data[starts] & 127).astype(np.uint32)
    for place in (1, 2):
        longer = np.flatnonzero(widths >= place)
        values[longer] |= (data[starts[longer] + place] & 127).astype(np.uint32) << 7 * place
    if len(values) and values.max() > 0xFFFF:
        raise Malformed("a number has more than 16 bits")
    return values.astype(np.uint16).view(np.float16)


class Halves:
    """Where every 65,536th number begins; found once, by reading all of them, and kept without the numbers.

    Attributes:
        marks: place of number 0, 65,536 and so on; last the end.
        count: how many there are.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """Find them among ``size`` bytes, of which ``read`` gives those at an offset, so many."""
        self.marks, self.count = [0], 0
        for start in range(0, size, PORTION):
            data = np.frombuffer(read(start, min(PORTION, size - start)), np.uint8)
            ends = ends_of(data)
            first = -self.count % STEP or STEP
            self.marks += (ends[first - 1 :: STEP] + (start + 1)).tolist()
            self.count += len(ends)
        if self.count % STEP:
            self.marks.append(size)

    def read(self, read: Callable[[int, int], bytes], start: int, stop: int) -> NDArray[np.float16]:
        """Numbers ``start`` to ``stop``; raises as :func:`decode`."""
        first, last = start // STEP, -(-stop // STEP)
        begin, end = self.marks[first], self.marks[last]
        data = np.frombuffer(read(begin, end - begin), np.uint8)
        return decode(data)[start - first * STEP : stop - first * STEP]
