"""Plumbing: reading one remote file, on behind lost connections.

Sequential reading is what a scan does and what is made fast; going to another place is possible where the file system
can.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import time
from typing import Any, cast

from charvec.plumbing.remote.remote_faults import ChangedError, judge, reason, status_of

__all__ = ["BLOCK", "DELAYS", "Stream"]

#: Bytes fetched ahead.
BLOCK = 4 << 20
#: Seconds to wait before each further attempt. Attempts are counted anew once a block went well.
DELAYS = (0.5, 1.0, 2.0, 4.0)


class Stream(io.BufferedIOBase):
    """A remote file. ``read`` gives as many bytes as it is asked for, except at the end and before a fault.

    Args:
        system: fsspec's file system.
        path: what it calls the file.
        web: whether it is a web server.
    """

    def __init__(self, system: Any, path: str, *, web: bool) -> None:
        self._system = system
        self._path = path
        self._web = web
        self._file: Any = None
        self._at = 0
        self._size: int | None = None
        self._version: str | None = None
        self._fault: OSError | None = None
        self._delays = iter(DELAYS)
        self._well = 0  # bytes read since the last failure
        # A web server sends a file from some place to its end for one request, which is the fastest way to read all of
        # it. Whoever jumps about is served by blocks.
        self._streamed = web
        self._parts = True  # whether the server sends parts

    def connect(self) -> None:
        """Open the file where reading shall go on; raises whatever the file system does."""
        self._drop()
        if self._streamed:
            self._connect_web()
            return
        options = {"size": self._size} if self._web else {}
        self._file = self._system.open(self._path, "rb", block_size=BLOCK, cache_type="readahead", **options)
        size = getattr(self._file, "size", None)
        if isinstance(size, int):
            if self._size not in (None, size):
                raise ChangedError(errno.EIO, "it changed while it was read")
            self._size = size
        if self._at:
            self._file.seek(self._at)

    def _connect_web(self) -> None:
        headers = {**self._system.kwargs.get("headers", {}), "Range": f"bytes={self._at}-"}
        try:
            # a size is given so that it is not asked for: the answer says it
            self._file = self._system.open(self._path, "rb", block_size=0, size=1, headers=headers)
        except Exception as error:
            if status_of(error) != 416:  # there is nothing from there on
                raise
            self._file = io.BytesIO()
            self._size = self._at if self._size is None else self._size
            return
        answer = self._file.r
        self._parts = answer.status == 206
        self._check_version(answer.headers)
        length = answer.headers.get("Content-Length", "")
        begin = 0
        if self._parts:
            place = re.match(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            begin = int(place[1]) if place else self._at
            self._size = int(place[2]) if place and place[2] != "*" else self._size
        elif length.isdigit():
            self._size = int(length)
        if begin > self._at:
            raise OSError(errno.EIO, "the server sent another part than it was asked for")
        self._skip(self._at - begin)

    def _skip(self, count: int) -> None:
        """Read bytes that were read before, from a server that always begins at the beginning."""
        while count:
            part = self._file.read(min(count, 1 << 20))
            if not part:
                raise ConnectionError("the file ends before the place where reading stopped")
            count -= len(part)

    def _check_version(self, headers: Any) -> None:
        version = headers.get("ETag") or headers.get("Last-Modified")
        if self._version is not None and version != self._version:
            raise ChangedError(errno.EIO, "it changed on the server while it was read")
        self._version = version

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(Exception):  # it is of no use any more
                file.close()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Whether any place can be gone to."""
        if self._web:
            return self._parts and self._size is not None
        return bool(self._file is None or self._file.seekable())

    def tell(self) -> int:
        """The number of bytes before the next one that is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to some place.

        Raises:
            OSError: when that is not possible here.
            ValueError: for a place before the beginning.
        """
        if whence != os.SEEK_SET:
            if whence == os.SEEK_END and self._size is None:
                raise OSError(errno.ESPIPE, "the size is not known")
            offset += self._at if whence == os.SEEK_CUR else cast(int, self._size)
        if offset < 0:
            raise ValueError("a place before the beginning")
        if offset != self._at:
            if not self.seekable():
                raise OSError(errno.ESPIPE, "the server does not send parts of files")
            if self._streamed:
                self._streamed = False
                self._drop()
            elif self._file is not None:
                self._file.seek(offset)
            self._at = offset
            self._fault = None
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, fewer only at the end or before a fault; all that are left for -1.

        Raises:
            OSError: when they cannot be had.
        """
        if self.closed:
            raise ValueError("reading a closed file")
        left = size if size is not None and size >= 0 else -1
        parts: list[bytes] = []
        while left:
            if self._fault is not None:
                if parts:
                    break  # what came before the fault is good
                raise self._fault
            part = self._some(min(left, BLOCK) if left > 0 else BLOCK)
            if part:
                parts.append(part)
                left -= len(part) if left > 0 else 0
            elif self._fault is None:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        """As :meth:`read`."""
        return self.read(size)

    def _some(self, count: int) -> bytes:
        """Some of the bytes, none at the end; none, and a fault, when they cannot be had."""
        while True:
            try:
                if self._file is None:
                    self.connect()
                part: bytes = self._file.read(count)
                if not part and self._size is not None and self._at < self._size:
                    raise ConnectionError(f"the connection ended {self._size - self._at:,} bytes too early")
            except Exception as error:  # the many file systems raise whatever the libraries below them do
                self._drop()
                kind, culprit = judge(error)
                if isinstance(culprit, ValueError) and self._web and not self._streamed:
                    self._streamed, self._parts = True, False  # the server promised parts and does not send them
                    continue
                delay = next(self._delays, None) if kind == "passing" else None
                if delay is None:
                    denied = kind == "denied"
                    self._fault = (PermissionError if denied else OSError)(
                        errno.EACCES if denied else errno.EIO, reason(culprit)
                    )
                    return b""
                time.sleep(delay)
                self._well = 0
                continue
            self._at += len(part)
            self._well += len(part)
            if self._well >= BLOCK:
                self._delays = iter(DELAYS)
            return part

    def close(self) -> None:
        """Give the connection back."""
        self._drop()
        super().close()
