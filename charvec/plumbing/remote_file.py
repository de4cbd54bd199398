"""Plumbing: a remote file as :class:`charvec.plumbing.files.File` reads it, by position.

What is read of a file's headers is kept for as long as the process lives, within limits, so that a small file is
fetched once however often it is opened. Rows are announced before they are read: those that lie close together are
fetched in one go, several such parts at the same time.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from itertools import pairwise
from typing import IO, Any

from charvec.errors import CharvecError, DamagedFile, NotFound, ReadWriteError, UsageError, from_os_error
from charvec.plumbing import addresses
from charvec.plumbing.progress import Progress, Silent
from charvec.plumbing.ranges import SMALL, Ranges, System, Web, WholeError
from charvec.plumbing.remote import _Place, _version
from charvec.plumbing.remote_faults import ChangedError, judge, translated

__all__ = ["Reader", "Remote", "begin", "forget", "known", "policy"]

#: Bytes fetched first of a file, and at least; of a file of text or configuration, which is read as a whole.
FIRST, FIRST_OF_TEXT = 1 << 16, 1 << 20
#: Most bytes fetched ahead of what is read, once that much was read of a file.
MOST_AHEAD = 4 << 20
#: Bytes of headers and small files that are kept in all.
KEPT = 128 << 20
#: Parts that are fetched at the same time.
AT_ONCE = 8
#: Bytes of a part that holds several rows.
PART = 4 << 20
#: A gap of up to so many bytes between rows is fetched with them, as long as all gaps together take no more than the
#: rows and ALLOWANCE: a request costs some 100 ms, in which 8 connections bring that much.
GAP, ALLOWANCE = 1 << 18, 1 << 19
#: A gap that is always fetched: smaller than what a request costs anyway.
NEAR = 1 << 13
#: Suffixes of files that are small, and read as a whole.
_TEXT = (".json", ".txt", ".model", ".vocab", ".index", ".md", ".cfg")


class _Policy:
    """What the user allows, and wants to see; set by the command line.

    Attributes:
        progress: makes the bar for what is fetched.
        ask: whether a whole file of so many bytes (None: unknown) shall be fetched; None when nobody can be asked.
    """

    progress: Callable[[], Progress] = Silent
    ask: Callable[[str, int | None], bool] | None = None


policy = _Policy()
_ALLOWED: set[str] = set()
_KNOWN: dict[str, Remote | CharvecError] = {}


def begin(path: str, *, whole: bool) -> None:
    """A model is opened: what was missing may be there now, and whole files of its folder may be fetched.

    Args:
        path: the model.
        whole: fetch all of a file from a server that sends no parts of files.
    """
    for each in [each for each, found in _KNOWN.items() if isinstance(found, CharvecError)]:
        del _KNOWN[each]
    if whole:
        _ALLOWED.add(addresses.parent(path))


def known(path: str) -> Remote:
    """The file behind a path; what is known of it is kept.

    Raises:
        CharvecError: as :func:`charvec.plumbing.remote.find_remote`; UsageError ``E-WHOLE-FILE`` when the server sends
            no parts of the file and nobody allowed to fetch all of it.
    """
    found = _KNOWN.get(path)
    if found is None:
        try:
            found = Remote(path)
        except (NotFound, UsageError) as error:
            found = error  # others may pass
        _KNOWN[path] = found
    if isinstance(found, CharvecError):
        raise found.with_traceback(None)
    return found


def forget() -> None:
    """Forget all files, so that they are asked for anew."""
    for each in _KNOWN.values():
        if isinstance(each, Remote) and each._file is not None:
            each._file.close()
    _KNOWN.clear()
    _ALLOWED.clear()


class Remote:
    """A remote file as this process knows it.

    Attributes:
        path: as it is shown.
        size: bytes.
        head: its first bytes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._spans: list[tuple[int, bytes]] = []  # what was fetched, where it begins
        self._file: IO[bytes] | None = None  # all of it
        self._read = 0  # bytes of headers fetched so far
        self.ranges: Ranges = self._attempt(lambda: _ranges(path))
        first = FIRST_OF_TEXT if addresses.base_name(path).endswith(_TEXT) else FIRST
        head = self.fetch(0, first if self.ranges.size is None else min(first, self.ranges.size))
        if self.ranges.size is None:
            raise ReadWriteError(
                "E-REMOTE",
                f"{path}: the server does not say how large the file is",
                path=path,
                help="download the file, and name the copy",
            )
        self.size: int = self.ranges.size
        self.head = head[:4096]
        self._keep(0, head)

    def _attempt(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (CharvecError, CancelledError):
            raise
        except ChangedError as error:
            raise _changed(self.path, error) from None
        except Exception as error:  # what file systems and the libraries below them raise
            raise translated(self.path, *judge(error)) from None

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes from ``start`` to before ``end``, and more from a server that sends the whole of a small file."""
        if start >= end:
            return b""
        part = self.wait(self.ranges.submit(start, end), start, end)
        self._attempt(self.ranges.check)
        return part

    def wait(self, coming: Future[bytes], start: int, end: int) -> bytes:
        """What was begun to fetch, whole."""
        try:
            part: bytes = self._attempt(lambda: self._or_whole(coming, start, end))
        except BaseException:
            coming.cancel()
            raise
        size = self.ranges.size
        if size is not None and len(part) < min(end, size) - start:
            raise _changed(self.path, OSError("it became shorter"))
        return part

    def _or_whole(self, coming: Future[bytes], start: int, end: int) -> bytes:
        try:
            return coming.result()
        except WholeError as error:
            if error.size is not None and error.size <= SMALL:
                whole: bytes = self.ranges.submit(0, 1).result()
                return whole[start:end]
            self._fetch_all(error.size)
            return self._from_file(start, end)

    def _fetch_all(self, size: int | None) -> None:
        """Fetch the whole file into a temporary one, if that is allowed."""
        if self._file is not None:
            return
        if addresses.parent(self.path) not in _ALLOWED and not (policy.ask and policy.ask(self.path, size)):
            raise UsageError(
                "E-WHOLE-FILE",
                f"{self.path}: this server sends whole files only, no parts of them",
                path=self.path,
                found=f"{size:,} bytes would have to be fetched" if size is not None else "it does not say how large",
                help="say --download (in Python: download=True) to fetch it all for this run",
            )
        assert isinstance(self.ranges, Web)
        file = tempfile.TemporaryFile()  # noqa: SIM115 (it stays open as long as the process runs)
        bar = policy.progress()
        try:
            bar.start(size, "fetch")
            self.ranges.save(file, bar.advance).result()
        except OSError as error:
            file.close()
            if error.filename is not None or judge(error)[0] != "broken":
                raise
            raise from_os_error(error, self.path, "writing a temporary copy of") from None
        except BaseException:
            file.close()
            raise
        finally:
            bar.close()
        self._file = file

    def _from_file(self, start: int, end: int) -> bytes:
        import os

        assert self._file is not None
        return os.pread(self._file.fileno(), end - start, start)

    def _keep(self, start: int, part: bytes) -> None:
        self._spans.append((start, part))
        self._read += len(part)
        total = 0
        for each in [each for each in _KNOWN.values() if isinstance(each, Remote)][::-1]:
            total += sum(len(span) for _, span in each._spans)
            if total > KEPT and each is not self:
                each._spans.clear()

    def read(self, start: int, length: int) -> bytes:
        """Bytes that lie in the file, fetched with some more behind them unless they were fetched before."""
        if self._file is not None:
            return self._from_file(start, start + length)
        for at, span in reversed(self._spans):
            if at <= start and start + length <= at + len(span):
                return span[start - at : start - at + length]
        begin, front = start, b""
        for at, span in self._spans:  # the first bytes may be there
            if at <= start < at + len(span) and len(front) < at + len(span) - start:
                front = span[start - at :]
                begin = start + len(front)
        ahead = min(MOST_AHEAD, max(FIRST, self._read))
        part = self.fetch(begin, min(max(start + length, begin + ahead), self.size))
        self._keep(start, front + part)
        return (front + part)[:length]


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
        if remote._file is not None:
            return
        parts = [(max(0, start), min(end, remote.size)) for start, end in parts_of(ranges)]
        self._parts.extend((start, end) for start, end in parts if start < end)
        self._bar = policy.progress()
        self._bar.start(sum(end - start for start, end in self._parts), "fetch")
        self._begin()

    def _begin(self) -> None:
        while self._parts and len(self._coming) < AT_ONCE:
            start, end = self._parts.popleft()
            self._coming.append((start, end, self.remote.ranges.submit(start, end)))

    def read(self, start: int, length: int) -> bytes | memoryview:
        """Bytes that lie in the file."""
        at, part = self._now
        while not at <= start <= start + length <= at + len(part):
            if not self._coming or start < self._coming[0][0] or self.remote._file is not None:
                return self.remote.read(start, length)
            at, end, coming = self._coming.popleft()
            part = self.remote.wait(coming, at, end)
            self._now = at, part
            self._bar.advance(len(part))
            self._begin()
            if not self._coming:
                self._bar.close()
                self.remote._attempt(self.remote.ranges.check)
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


def _ranges(path: str) -> Ranges:
    """Where the bytes of a path come from."""
    from charvec.plumbing import hub

    if hub.is_hub(path):
        url, headers = hub.address(path)
        place = _Place(url)
        return Web(place.system, place.path, headers)
    place = _Place(addresses.real(path))
    if place.is_web:
        return Web(place.system, place.path)
    info = place.attempt(lambda: place.system.info(place.path))
    if info.get("type") == "directory":
        raise NotFound("E-NOT-FOUND", f"{path} is a folder", path=path, help="name a file in it")
    return System(place.system, place.path, info, _version)


def _changed(path: str, error: OSError) -> DamagedFile:
    with contextlib.suppress(IndexError):
        error = OSError(error.args[-1])
    return DamagedFile(
        "E-REMOTE-CHANGED",
        f"{path}: {error}",
        path=path,
        help="run the command again; what was read before and after belongs to two different files",
    )
