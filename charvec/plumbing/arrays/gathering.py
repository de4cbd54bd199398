"""Plumbing: wanted rows of a file that holds rows at equal distances, read in ascending order, neighbours in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.files import File

__all__ = ["CHUNK", "batches", "gather", "portions", "runs", "straight"]

#: Bytes read and converted at once. Measured flat from 256 KiB to 4 MiB; less memory waits for the digest.
CHUNK = 1 << 18
#: A gap of up to so many bytes between wanted rows is read over: cheaper than one more call of the system. 5,000 of
#: 21,128 rows, CPU time for gaps of 0, 2, 8 and 32 KiB: rows of 256 bytes 15, 4, 3, 3 ms; of 1.5 KiB 21, 19, 17, 16;
#: of 3 KiB 18, 26, 24, 33.
GAP = 8192


def portions(wanted: NDArray[np.int64], stride: int, width: int, gap: int) -> Iterator[tuple[int, int]]:
    """Runs of wanted rows with small gaps, each of which fits into one chunk, or is a single row.

    Args:
        wanted: int64 [n], ascending; repetitions allowed.
        stride: bytes from one row to the next.
        width: bytes of a row that are read.
        gap: bytes between wanted rows that are read over.

    Yields:
        start and end of the run in ``wanted``.
    """
    most, reach = CHUNK // max(1, stride) + 1, max(0, CHUNK - width) // max(1, stride)
    # found for all at once: calls of NumPy for each run took 14 ms of 5,000 scattered rows, this takes 0.4
    breaks = (np.flatnonzero(np.diff(wanted) * stride > stride + gap) + 1).tolist()
    for start, end in pairwise((0, *breaks, len(wanted))):
        while start < end:
            stop = end
            if end - start > most or wanted[end - 1] - wanted[start] > reach:
                within = int(np.searchsorted(wanted[start:end], wanted[start] + reach, "right"))
                stop = start + min(max(within, 1), most)
            yield start, stop
            start = stop


def runs(file: File, offset: int, stride: int, width: int, wanted: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    """As :func:`portions`, and a remote file is told what will be read: it decides which gaps are worth fetching.

    Args:
        file: an open file.
        offset: where row 0 starts.
        stride: as for :func:`portions`.
        width: likewise.
        wanted: likewise.
    """
    if not file.remote:
        return portions(wanted, stride, width, GAP)
    found = list(portions(wanted, stride, width, 0))
    file.expect(
        (offset + first * stride, (last - first) * stride + width)
        for first, last in ((int(wanted[start]), int(wanted[end - 1])) for start, end in found)
    )
    return found


def batches(
    file: File, offset: int, stride: int, width: int, wanted: NDArray[np.int64]
) -> Iterator[tuple[int, int, memoryview, NDArray[np.int64]]]:
    """Wanted rows run after run, as many at a time as fit into one chunk: 6,000 single rows of 8 KiB take 200 turns.

    Args:
        file: an open file.
        offset: where row 0 starts.
        stride: bytes from one row to the next.
        width: bytes of a row that are read.
        wanted: int64 [n], ascending; repetitions allowed.

    Yields:
        start and end of the batch in ``wanted``; bytes that are valid until the next; and int64 [end - start], the
        places of the rows in these: row k starts at byte ``stride * places[k]``.

    Raises:
        CharvecError: as :meth:`charvec.plumbing.files.File.pread_into`.
    """
    if not len(wanted):
        return
    _require(file, offset, stride, width, wanted)
    starts, ends = np.array(list(runs(file, offset, stride, width, wanted)), np.int64).T
    firsts = wanted[starts]
    lengths = (wanted[ends - 1] - firsts) * stride + width
    # each run starts at a multiple of the stride, so that one view shows the rows of all
    step = max(1, stride)
    filled = np.cumsum(-(-lengths // step))
    buffer = memoryview(bytearray(min(max(CHUNK, width), int(wanted[-1] - wanted[0] + 1) * stride + width)))
    run = 0
    while run < len(starts):
        before = int(filled[run - 1]) if run else 0
        after = int(np.searchsorted(filled, before + len(buffer) // step, "right")) if stride else 0
        these = slice(run, max(run + 1, after))
        places = np.concatenate(((0,), filled[these][:-1] - before))
        begins = places * step
        _fill(file, buffer, begins, begins + lengths[these], offset + firsts[these] * stride)
        begin, end = int(starts[run]), int(ends[these][-1])
        shifts = np.repeat(firsts[these] - places, ends[these] - starts[these])
        yield begin, end, buffer[: int(begins[-1] + lengths[these][-1])], wanted[begin:end] - shifts
        run = these.stop


def straight(
    file: File, offset: int, wanted: NDArray[np.int64], rows: NDArray[Any], order: NDArray[np.intp]
) -> Iterator[tuple[int, int]]:
    """Read rows to where they belong, without a buffer between and nothing but what is wanted.

    5,000 rows of 3 KiB take 14 ms where 25 MB hold them, through a buffer 17; scattered over 62 MB 25 instead of 44.

    Args:
        file: an open file on this machine.
        offset: where row 0 starts; rows follow one another without a gap.
        wanted: int64 [n], ascending; repetitions allowed.
        rows: [m, columns], contiguous; what is filled in.
        order: intp [n]: wanted row k becomes ``rows[order[k]]``.

    Yields:
        start and end in ``wanted`` of what has just been read, about one chunk each time.

    Raises:
        CharvecError: as :meth:`charvec.plumbing.files.File.pread_into`.
    """
    width = rows.shape[1] * rows.itemsize
    most = max(1, CHUNK // width)
    cells = rows.reshape(-1).view(np.uint8).data
    if len(wanted):
        _require(file, offset, width, width, wanted)
    together = (np.diff(wanted) == 1) & (np.diff(order) == 1)
    for start in range(0, len(wanted), most):
        end = min(start + most, len(wanted))
        breaks = np.flatnonzero(~together[start : end - 1]) + start + 1
        starts, ends = np.concatenate(((start,), breaks)), np.concatenate((breaks, (end,)))
        begins = order[starts] * width
        _fill(file, cells, begins, begins + (ends - starts) * width, offset + wanted[starts] * width)
        yield start, end


def _require(file: File, offset: int, stride: int, width: int, wanted: NDArray[np.int64]) -> None:
    """Raise unless the first and the last row lie in the file, before NumPy reckons with offsets of 64 bits."""
    for row in (wanted[0], wanted[-1]):
        file.require(offset + int(row) * stride, width)


def _fill(
    file: File, buffer: memoryview, begins: NDArray[np.int64], ends: NDArray[np.int64], offsets: NDArray[np.int64]
) -> None:
    file.pread_each(buffer, zip(begins.tolist(), ends.tolist(), offsets.tolist(), strict=True))


def gather(
    file: File, offset: int, stride: int, width: int, wanted: NDArray[np.int64]
) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Bytes of wanted rows; arguments and errors as for :func:`batches`.

    Yields:
        start and end of a batch in ``wanted``, and its rows: uint8 [end - start, width], valid until the next.
    """
    for start, end, raw, places in batches(file, offset, stride, width, wanted):
        count = int(places[-1]) + 1
        yield start, end, np.ndarray((count, width), np.uint8, raw, strides=(stride, 1))[places]
