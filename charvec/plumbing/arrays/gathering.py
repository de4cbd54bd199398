"""Plumbing: wanted rows of a file that holds rows at equal distances, read in ascending order, neighbours in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.files import File

__all__ = ["CHUNK", "batches", "gather", "portions", "runs"]

#: Bytes read and converted at once. Measured flat from 256 KiB to 4 MiB; less memory waits for the digest.
CHUNK = 1 << 18
#: A gap of up to so many bytes between wanted rows is read over: cheaper than going round the loop once more. 5,000 of
#: 21,128 rows of 3 KiB took 26 ms with 4 KiB, 15 ms with 32 KiB, 15 ms with 256 KiB.
GAP = 32768


def portions(wanted: NDArray[np.int64], stride: int, width: int, gap: int = GAP) -> Iterator[tuple[int, int]]:
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
        return portions(wanted, stride, width)
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
    found = list(runs(file, offset, stride, width, wanted))
    firsts = wanted[[start for start, _ in found]].tolist()
    lasts = wanted[[end - 1 for _, end in found]].tolist()
    # each run starts at a multiple of the stride, so that one view shows the rows of all
    step = max(1, stride)
    buffer = memoryview(bytearray(min(max(CHUNK, width), (lasts[-1] - firsts[0] + 1) * stride + width)))
    begin = filled = place = 0
    shifts: list[int] = []
    counts: list[int] = []
    for (start, end), first, last in zip(found, firsts, lasts, strict=True):
        length = (last - first) * stride + width
        if shifts and (place * step + length > len(buffer) or not stride):
            yield begin, start, buffer[:filled], wanted[begin:start] - np.repeat(shifts, counts)
            begin, place, shifts, counts = start, 0, [], []
        filled = place * step + length
        file.pread_into(buffer[place * step : filled], offset + first * stride)
        shifts.append(first - place)
        counts.append(end - start)
        place = -(-filled // step)
    yield begin, len(wanted), buffer[:filled], wanted[begin:] - np.repeat(shifts, counts)


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
