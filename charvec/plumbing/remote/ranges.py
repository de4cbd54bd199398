"""Plumbing: parts of a remote file, fetched at the same time.

Two ways lead to the bytes: a web server is asked for ranges and what it answers is compared with what it was asked, and
any other file system of fsspec reads from here to there. Both begin again after a lost connection where they stopped,
both notice when the file changes in between, and both raise whatever the libraries below them do.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import IO, Any, Protocol

from charvec.plumbing.remote import remote_samples as remote
from charvec.plumbing.remote import remote_stream
from charvec.plumbing.remote.remote_faults import ChangedError, judge, status_of

__all__ = ["SMALL", "Ranges", "System", "Web", "WholeError"]

#: A whole file up to so many bytes is taken from a server that sends no parts.
SMALL = 8 << 20
#: Bytes after which a connection that is lost again has done its work, and attempts are counted anew.
PROGRESS = 1 << 18
#: Seconds that a server may ask to be left alone before the next attempt.
PATIENCE = 30.0
#: Headers that are for one server only.
_PRIVATE = ("authorization", "cookie", "proxy-authorization")


class WholeError(OSError):
    """The server sends nothing but the whole file, of ``size`` bytes (None when it does not say)."""

    def __init__(self, size: int | None) -> None:
        super().__init__(errno.EOPNOTSUPP, "the server sends no parts of files")
        self.size = size


class Ranges(Protocol):
    """Where bytes come from."""

    #: Bytes of the file, known after the first answer.
    size: int | None

    def submit(self, start: int, end: int) -> Future[bytes]:
        """Begin to fetch the bytes from ``start`` to before ``end``; fewer come only where the file ends."""

    def check(self) -> None:
        """Raise ChangedError when the file is not the one it was; for whoever is not told with each answer."""


def _running(loop: Any, work: Any) -> Future[bytes]:
    return asyncio.run_coroutine_threadsafe(work, loop)


class Web:
    """A file on a web server, by ranges.

    Args:
        system: fsspec's file system for the web, whose connections are used.
        url: the file.
        headers: sent to its server, and to no other that it refers to.
    """

    def __init__(self, system: Any, url: str, headers: dict[str, str] | None = None) -> None:
        self._system = system
        self._url = url
        self._headers = headers or {}
        self._final: Any = None  # where the server sent us
        self._version: str | None = None
        self._parts = False  # whether the server has sent parts
        self.size: int | None = None

    def submit(self, start: int, end: int) -> Future[bytes]:
        """As :meth:`Ranges.submit`; the whole file, however long, from a server that sends no parts of small ones."""
        return _running(self._system.loop, self._fetch(start, end))

    def check(self) -> None:
        """Every answer was compared when it came."""

    async def _fetch(self, start: int, end: int) -> bytes:
        got, counted = bytearray(), 0
        delays = iter(remote_stream.DELAYS)
        while True:
            try:
                return await self._part(start, end, got)
            except WholeError:
                raise
            except Exception as error:  # aiohttp and what lies below it
                again = self._final is not None and status_of(error) in (400, 401, 403, 404, 410)
                self._final = None  # what we were sent to is valid for some time only
                if again:
                    continue
                if len(got) - counted >= PROGRESS:
                    counted, delays = len(got), iter(remote_stream.DELAYS)
                delay = next(delays, None) if judge(error)[0] == "passing" else None
                if delay is None:
                    raise
                await asyncio.sleep(max(delay, min(_asked_to_wait(error), PATIENCE)))

    async def _part(self, start: int, end: int, got: bytearray) -> bytes:
        """Ask once for what is missing of the part, and add it to ``got``."""
        system, begin = self._system, start + len(got)
        session = await system.set_session()
        headers = {**system.kwargs.get("headers", {}), **self._headers}
        if self._final is not None and self._final.origin() != system.encode_url(self._url).origin():
            headers = {key: value for key, value in headers.items() if key.lower() not in _PRIVATE}
        headers["Range"] = f"bytes={begin}-{end - 1}"
        options = {**system.kwargs, "headers": headers}
        async with await _answer(session.get(self._final or system.encode_url(self._url), **options)) as answer:
            if answer.status == 416:  # there is nothing from there on
                total = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range", ""))
                self._measured(int(total[1]) if total else begin)
                return bytes(got)
            answer.raise_for_status()
            if answer.history:
                self._final = answer.url
            if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                raise OSError(errno.ENOTSUP, "the server compresses what it sends, although it was asked not to")
            self._check(answer.headers)
            if answer.status != 206:
                return await self._all(answer, begin, end, got)
            place = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
            if not place or int(place[1]) != begin or int(place[2]) >= int(place[3]):
                raise OSError(errno.EIO, "the server sent another part than it was asked for")
            self._measured(int(place[3]))
            self._parts = True
            await _receive(answer, got, min(end, int(place[3])) - start)
        return bytes(got)

    async def _all(self, answer: Any, begin: int, end: int, got: bytearray) -> bytes:
        """The answer of a server that takes no notice of what part it was asked for."""
        said = answer.headers.get("Content-Length", "")
        length = int(said) if said.isdigit() else None
        self._parts = False
        if begin or (length if length is not None else 0) > SMALL:
            raise WholeError(length)
        whole = bytearray()
        async for block in answer.content.iter_any():
            whole += block
            if len(whole) > SMALL:
                raise WholeError(None)
        self._measured(len(whole))
        got += whole
        return bytes(got)

    def _measured(self, size: int) -> None:
        if self.size not in (None, size):
            raise ChangedError(errno.EIO, "it changed on the server while it was read")
        self.size = size

    def _check(self, headers: Any) -> None:
        version = headers.get("ETag") or headers.get("Last-Modified") or ""
        if self._version is not None and version != self._version:
            raise ChangedError(errno.EIO, "it changed on the server while it was read")
        self._version = version

    def save(self, file: IO[bytes], advance: Callable[[int], None]) -> Future[bytes]:
        """Begin to fetch the whole file into ``file``; after a lost connection what is missing, where parts are sent.

        Args:
            file: empty and open for writing.
            advance: called with the number of bytes that came, negative when they have to come once more.
        """
        return _running(self._system.loop, self._save(file, advance))

    async def _save(self, file: IO[bytes], advance: Callable[[int], None]) -> bytes:
        delays = iter(remote_stream.DELAYS)
        while True:
            start = file.tell()
            try:
                await self._rest(file, advance)
                return b""
            except Exception as error:  # aiohttp and what lies below it
                if file.tell() - start >= PROGRESS and self._parts:
                    delays = iter(remote_stream.DELAYS)
                delay = next(delays, None) if judge(error)[0] == "passing" else None
                if delay is None:
                    raise
                await asyncio.sleep(delay)

    async def _rest(self, file: IO[bytes], advance: Callable[[int], None]) -> None:
        """Fetch what is missing in ``file``, all of it from a server that sends no parts."""
        session = await self._system.set_session()
        headers = {**self._system.kwargs.get("headers", {}), **self._headers}
        if self._parts:
            headers["Range"] = f"bytes={file.tell()}-"
        options = {**self._system.kwargs, "headers": headers}
        async with await _answer(session.get(self._system.encode_url(self._url), **options)) as answer:
            answer.raise_for_status()
            self._check(answer.headers)
            if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {file.tell()}-"):
                advance(-file.tell())
                file.seek(0)
                file.truncate()
            async for block in answer.content.iter_any():
                file.write(block)
                advance(len(block))
        self._measured(file.tell())


async def _answer(coming: Any) -> Any:
    """The beginning of an answer; the time-out of the connection knows nothing of servers that only say 100."""
    return await asyncio.wait_for(coming, 2 * remote.TIMEOUT)


async def _receive(answer: Any, got: bytearray, length: int) -> None:
    """Add what comes to ``got`` until there are ``length`` bytes."""
    async for block in answer.content.iter_any():
        got += block[: length - len(got)]
        if len(got) >= length:
            return
    if len(got) < length:
        raise ConnectionError(f"the connection ended {length - len(got):,} bytes too early")


def _asked_to_wait(error: BaseException) -> float:
    """Seconds, when the server said how long."""
    headers = getattr(error, "headers", None)
    said = headers.get("Retry-After", "") if headers else ""
    return float(said) if said.isdigit() else 0.0


class System:
    """A file on any other file system of fsspec.

    Args:
        system: fsspec's file system.
        path: what it calls the file.
        info: what it says of it.
        version: tells the version from what it says.
    """

    def __init__(self, system: Any, path: str, info: dict[str, Any], version: Any) -> None:
        self._system = system
        self._path = path
        self._of = version
        self._version = version(info)
        self.size: int | None = info.get("size") if isinstance(info.get("size"), int) else None

    def submit(self, start: int, end: int) -> Future[bytes]:
        """As :meth:`Ranges.submit`; at once where the file system does one thing at a time."""
        if getattr(self._system, "async_impl", False):
            return _running(self._system.loop, self._fetch(start, end))
        done: Future[bytes] = Future()
        try:
            done.set_result(self._system.cat_file(self._path, start=start, end=end))
        except Exception as error:
            done.set_exception(error)
        return done

    async def _fetch(self, start: int, end: int) -> bytes:
        delays = iter(remote_stream.DELAYS)
        while True:
            try:
                part: bytes = await self._system._cat_file(self._path, start=start, end=end)
                return part
            except Exception as error:  # what the libraries below it raise
                delay = next(delays, None) if judge(error)[0] == "passing" else None
                if delay is None:
                    raise
                await asyncio.sleep(delay)

    def check(self) -> None:
        """Ask once more which version it is: no answer says so."""
        self._system.invalidate_cache()
        info = self._system.info(self._path)
        if self._of(info) != self._version or info.get("size") != self.size:
            raise ChangedError(errno.EIO, "it changed while it was read")
