"""Plumbing: remote files as this process knows them, read by position.

What is read of a file's headers is kept for as long as the process lives, within limits, so that a small file is
fetched once however often it is opened.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import IO, Any

from charvec.errors import CharvecError, DamagedFile, NotFound, ReadWriteError, UsageError
from charvec.plumbing.progress import Progress, Silent
from charvec.plumbing.remote import addresses
from charvec.plumbing.remote.ranges import SMALL, Ranges, System, Web, WholeError
from charvec.plumbing.remote.remote_faults import ChangedError, judge, translated
from charvec.plumbing.remote.remote_samples import _Place, _version

__all__ = ["Remote", "begin", "forget", "known", "policy"]

#: Bytes fetched first of a file, and at least; of a file of text or configuration, which is read as a whole.
FIRST, FIRST_OF_TEXT = 1 << 16, 1 << 20
#: Most bytes fetched ahead of what is read, once that much was read of a file.
MOST_AHEAD = 4 << 20
#: Bytes of headers and small files that are kept in all, and of one file.
KEPT, KEPT_OF_ONE = 128 << 20, 32 << 20
#: Bytes that are fetched of a file without asking, unless they are the wanted rows: some formats have no index, and all
#: of the file has to be read.
UNASKED = 64 << 20
#: Suffixes of files that are small, and read as a whole.
_TEXT = (".json", ".txt", ".model", ".vocab", ".index", ".md", ".cfg")


class _Policy:
    """What the user allows, and wants to see; set by the command line.

    Attributes:
        progress: makes the bar for what is fetched.
        ask: whether a file shall be fetched whole: its path, why, its size (None: unknown); None when nobody can be
            asked.
    """

    progress: Callable[[], Progress] = Silent
    ask: Callable[[str, str, int | None], bool] | None = None


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
        CharvecError: as :func:`charvec.plumbing.remote.remote_samples.find_remote`; UsageError ``E-WHOLE-FILE`` when
            the server sends no parts of the file and nobody allowed to fetch all of it.
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
        self._allowed = False  # whether all of it may be fetched
        self.ranges: Ranges = self.attempt(lambda: _ranges(path))
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

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Do something with the file system; its errors become ours."""
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
        self.attempt(self.ranges.check)
        return part

    def wait(self, coming: Future[bytes], start: int, end: int) -> bytes:
        """What was begun to fetch, whole."""
        try:
            part: bytes = self.attempt(lambda: self._or_whole(coming, start, end))
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
            self.consent("this server sends whole files only, no parts of them", error.size)
            self._fetch_all()
            return self._from_file(start, end)

    def consent(self, why: str, size: int | None) -> None:
        """Go on only when the user allows to fetch all of the file, or nearly.

        Raises:
            UsageError: ``E-WHOLE-FILE``.
        """
        if (
            self._allowed
            or addresses.parent(self.path) in _ALLOWED
            or (policy.ask and policy.ask(self.path, why, size))
        ):
            self._allowed = True
            return
        raise UsageError(
            "E-WHOLE-FILE",
            f"{self.path}: {why}",
            path=self.path,
            found=f"{size:,} bytes would have to be fetched" if size is not None else "it does not say how large",
            help="say --download (in Python: download=True) to fetch it all for this run",
        )

    def _fetch_all(self) -> None:
        """Fetch the whole file into a temporary one."""
        if self._file is not None or not isinstance(self.ranges, Web):
            return
        file = tempfile.TemporaryFile()  # noqa: SIM115 (it stays open as long as the process runs)
        bar = policy.progress()
        try:
            bar.start(self.ranges.size, "fetch")
            self.wait(self.ranges.save(file, bar.advance), 0, 0)
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
        while len(self._spans) > 2 and sum(len(span) for _, span in self._spans) > KEPT_OF_ONE:
            del self._spans[1]  # the first is the head
        total = 0
        for each in [each for each in _KNOWN.values() if isinstance(each, Remote)][::-1]:
            total += sum(len(span) for _, span in each._spans)
            if total > KEPT and each is not self:
                each._spans.clear()

    @property
    def is_here(self) -> bool:
        """Whether there is a copy of all of it."""
        return self._file is not None

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
        if self._read + length > UNASKED and not self._allowed:
            self.consent("this kind of file has to be read from its beginning to its end", self.size)
            self._fetch_all()
            return self.read(start, length)
        ahead = min(MOST_AHEAD, max(FIRST, self._read))
        part = self.fetch(begin, min(max(start + length, begin + ahead), self.size))
        self._keep(start, front + part)
        return (front + part)[:length]


def _ranges(path: str) -> Ranges:
    """Where the bytes of a path come from."""
    from charvec.plumbing.remote import hub

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
