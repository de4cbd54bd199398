"""Verb: share out what was found into batches, among as many workers as help."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator

from charvec.batches import Batch, is_plain_utf8, open_sample
from charvec.plumbing.written import is_vector_file
from charvec.reading import BLOCK, Options
from charvec.samples import STDIN, Found

__all__ = ["available_cores", "own_workers", "shared_out", "size_of"]

#: Bytes counted together, when the work is shared out. So much takes a second at worst, and a tenth with the kernel.
BATCH_BYTES = 1 << 25
#: Files counted together.
BATCH_FILES = 512
#: A file is cut into ranges no smaller, and none larger, than these.
MIN_RANGE, MAX_RANGE = 1 << 26, 1 << 28


def shared_out(found: Iterator[Found], options: Options, jobs: int, *, sized: bool) -> Iterator[list[Batch]]:
    """Share out what was found; a large file as several ranges, everything else as one batch.

    Args:
        found: in the order of the reports.
        options: for every batch.
        jobs: number of workers; for one alone nothing is cut.
        sized: whether batches are bounded in bytes, for which the size of every file is asked for.
    """
    numbers = itertools.count()
    together: list[Found] = []
    size = 0
    for each in found:
        length = size_of(each) if sized else 0
        large = jobs > 1 and length >= 2 * MIN_RANGE and not each.remote
        ranges = _ranges(each, length, options, jobs) if large else []
        # what is not the same for sure when it is read again is counted here, and not kept for later
        alone = bool(ranges) or each.path == STDIN or each.pipe or (each.remote and not each.version)
        if together and (alone or size >= BATCH_BYTES or len(together) >= BATCH_FILES):
            yield [Batch(next(numbers), tuple(together), options)]
            together, size = [], 0
        if ranges:
            number = next(numbers)
            yield [Batch(number, (each,), options, start, end) for start, end in ranges]
        elif alone:
            yield [Batch(next(numbers), (each,), options)]
        else:
            together.append(each)
            size += length
    if together:
        yield [Batch(next(numbers), tuple(together), options)]


def _ranges(found: Found, size: int, options: Options, jobs: int) -> list[tuple[int, int]]:
    """Ranges to cut a file into; none when it must be read from the beginning."""
    try:
        with open_sample(found.path, wait=False) as stream:
            head = stream.read(BLOCK)
    except OSError:
        return []  # it will be opened once more, to say what is wrong
    if not is_plain_utf8(found.path, head, options) or (found.inside and is_vector_file(head)):
        return []
    step = min(max(MIN_RANGE, -(-size // (2 * jobs))), MAX_RANGE)
    return [(start, min(size, start + step)) for start in range(0, size, step)]


def size_of(found: Found) -> int:
    """Bytes of a file; 0 where that cannot be known."""
    if found.remote or not found.path:
        return found.size or 0
    try:
        status = os.stat(found.path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def available_cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_workers(jobs: int) -> int:
    """How many threads or processes are started for so many jobs: beyond the cores they only take memory."""
    return min(jobs, max(_FEW, _A_CORE * available_cores()))


#: Threads or processes that are never too many, and those for each core.
_FEW, _A_CORE = 32, 8
