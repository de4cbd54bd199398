"""Plumbing: reading a remote file as :class:`charvec.plumbing.files.File` does, by position.

Rows are announced before they are read: those that lie close together are fetched in one go, several such parts at the
same time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from itertools import pairwise

from charvec.plumbing.progress import Progress, Silent
from charvec.plumbing.remote.remote_file import UNASKED, Remote, policy

__all__ = ["Reader", "parts_of"]

#: Parts that are fetched at the same time.
AT_ONCE = 8
#: Bytes of a part that holds several rows.
PART = 4 << 20
#: A gap of up to so many bytes between rows is fetched with them, as long as all gaps together take no more than the
#: rows and ALLOWANCE: a request costs some 100 ms, in which 8 connections bring that much.
GAP, ALLOWANCE = 1 << 18, 1 << 19
#: A gap that is always fetched: smaller than what a request costs anyway.
NEAR = 1 << 13


class Reader:
    """Reading a remote file from one place.

    Args:
        remote: the file.
    """

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self._parts: deque[tuple[int, int]] = deque()  # announced, not begun
        self._coming: deque[tuple[int, int, Future[bytes]]] = deque()
        self._now: tuple[int, bytes] = (0, b"")
        self._bar: Progress = Silent()

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say what will be read, by offset and length, in ascending order."""
        self.close()
        remote = self.remote
        if remote.is_here:
            return
        parts = [(max(0, start), min(end, remote.size)) for start, end in parts_of(ranges)]
        self._parts.extend((start, end) for start, end in parts if start < end)
        total = sum(end - start for start, end in self._parts)
        if total > UNASKED and total > remote.size // 2:
            try:
                remote.consent("the rows lie all over the file", total)
            except BaseException:
                self._parts.clear()
                raise
        self._bar = policy.progress()
        self._bar.start(total, "fetch")
        self._begin()

    def _begin(self) -> None:
        while self._parts and len(self._coming) < AT_ONCE:
            start, end = self._parts.popleft()
            self._coming.append((start, end, self.remote.ranges.submit(start, end)))

    def read(self, start: int, length: int) -> bytes | memoryview:
        """Bytes that lie in the file."""
        at, part = self._now
        while not at <= start <= start + length <= at + len(part):
            if not self._coming or start < self._coming[0][0] or self.remote.is_here:
                return self.remote.read(start, length)
            at, end, coming = self._coming.popleft()
            part = self.remote.wait(coming, at, end)
            self._now = at, part
            self._bar.advance(len(part))
            self._begin()
            if not self._coming:
                self._bar.close()
                self.remote.attempt(self.remote.ranges.check)
        return memoryview(part)[start - at : start - at + length]

    def close(self) -> None:
        """Fetch no more."""
        self._bar.close()
        self._parts.clear()
        while self._coming:
            self._coming.popleft()[2].cancel()
        self._now = (0, b"")


def parts_of(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in ascending order, put together to parts that are fetched in one go each.

    Args:
        ranges: offset and length of each.

    Returns:
        beginning and end of each part; every range lies in one of them.
    """
    merged: list[list[int]] = []
    wanted = 0
    for start, length in ranges:
        wanted += length
        if merged and merged[-1][0] <= start <= merged[-1][1] and start + length - merged[-1][0] <= PART:
            merged[-1][1] = max(merged[-1][1], start + length)
        else:
            merged.append([start, start + length])
    gaps = sorted((after[0] - before[1], place) for place, (before, after) in enumerate(pairwise(merged)))
    bridged: set[int] = set()
    room = wanted + ALLOWANCE
    for gap, place in gaps:
        if gap > NEAR and (len(merged) - len(bridged) <= AT_ONCE or gap > min(GAP, room)):
            break
        bridged.add(place)
        room -= max(gap, 0)
    parts = merged[:1]
    for place, each in enumerate(merged[1:]):
        if place in bridged and each[1] - parts[-1][0] <= PART:
            parts[-1][1] = max(parts[-1][1], each[1])
        else:
            parts.append(each)
    return [(start, end) for start, end in parts]
