"""Plumbing: reading parts of files, and telling what a file is when it is not what was expected.

All reading of checkpoints goes through :class:`File`: positioned reads, never a memory map. A file that is truncated
while it is mapped kills the process with SIGBUS; a positioned read merely comes back short.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from charvec.errors import CharvecError, DamagedFile, UnsafeFile, UsageError, WrongFile, from_os_error
from charvec.plumbing import places

if TYPE_CHECKING:
    from charvec.plumbing.remote.remote_reader import Reader

__all__ = ["File", "cut_short", "inside", "read_whole", "unrecognised"]

#: Bytes looked at to recognise a file.
HEAD = 4096


class File:
    """A file opened for positioned reads: one on this machine, behind a URL, or in a model on the hub.

    Attributes:
        path: as given, for messages.
        size: bytes when it was opened.
        head: the first 4,096 bytes, or fewer.
        remote: whether each reading that was not announced with :meth:`expect` may be a request to a server.

    Raises:
        NotFound, PermissionDenied, ReadWriteError: when it cannot be opened.
        UsageError: ``E-PATH`` for a name that no file can have.
        WrongFile: ``E-NOT-A-FILE`` when it is a folder, a device or a pipe.
        CharvecError: of a remote file as :func:`charvec.plumbing.remote.remote_file.known`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd = -1
        self._reader: Reader | None = None
        local = places.on_disk(self.path)
        self.remote = local is None
        if local is None:
            from charvec.plumbing.remote.remote_file import known
            from charvec.plumbing.remote.remote_reader import Reader

            remote = known(self.path)
            self._reader = Reader(remote)
            self.size = remote.size
            self.head = self.pread(0, min(HEAD, self.size))
            return
        try:
            # O_NONBLOCK: opening a pipe nobody writes to would hang before fstat could tell what it is
            self._fd = os.open(local, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise from_os_error(error, self.path) from None
        except ValueError:  # U+0000 or half of a surrogate pair
            raise UsageError("E-PATH", f"no file can be named {self.path!r}", help="check the name") from None
        try:
            status = os.fstat(self._fd)
            if not stat.S_ISREG(status.st_mode):
                kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
                raise WrongFile(
                    "E-NOT-A-FILE",
                    f"{self.path} is {kind}, not a file",
                    path=self.path,
                    help="name a regular file",
                )
            self.size = status.st_size
            self.head = self.pread(0, min(HEAD, self.size))
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def identity(self) -> tuple[int, ...] | None:
        """What another opening of the same file, unchanged, has as well; None for a remote file."""
        if self._reader is not None:
            return None
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Announce what will be read next, offsets and lengths in ascending order; for a local file nothing happens."""
        if self._reader is not None:
            self._reader.expect(ranges)

    def require(self, offset: int, length: int) -> None:
        """Raise, as :meth:`pread` does, unless so many bytes are there from ``offset``."""
        if offset < 0 or length < 0 or offset + length > self.size:
            self._short(offset, length)

    def pread(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``.

        Raises:
            DamagedFile: ``E-TRUNCATED`` when the file ends before.
            ReadWriteError: when the system cannot read it.
        """
        self.require(offset, length)
        if self._reader is not None:
            return bytes(self._reader.read(offset, length))
        parts = []
        while length:
            try:
                part = os.pread(self._fd, length, offset)
            except OSError as error:
                raise from_os_error(error, self.path) from None
            if not part:
                self._short(offset, length)
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def whole(self, limit: int, what: str) -> bytes:
        """All bytes of a file that is to be small; the arguments say how small, and what it is taken for.

        Raises:
            WrongFile: ``E-TOO-LARGE``.
            CharvecError: as :meth:`pread`.
        """
        if self.size > limit:
            raise WrongFile(
                "E-TOO-LARGE",
                f"{self.path} has {self.size:,} bytes, more than the limit of {limit:,} for {what}",
                path=self.path,
                help="check that it is the file you meant",
            )
        return self.pread(0, self.size)

    def head_lines(self) -> list[bytes]:
        """The lines in :attr:`head`, but for one that is cut off there."""
        lines = self.head.split(b"\n")
        if len(self.head) < self.size or not lines[-1]:
            lines.pop()  # cut off, or the empty rest
        return lines

    def pread_into(self, buffer: memoryview, offset: int) -> None:
        """Fill ``buffer`` (bytes, writable, contiguous) from ``offset``; raises as :meth:`pread` does."""
        self.require(offset, len(buffer))
        if self._reader is not None:
            buffer[:] = self._reader.read(offset, len(buffer))
            return
        while len(buffer):
            try:
                count = os.preadv(self._fd, [buffer], offset)
            except OSError as error:
                raise from_os_error(error, self.path) from None
            if not count:
                self._short(offset, len(buffer))
            buffer = buffer[count:]
            offset += count

    def pread_each(self, buffer: memoryview, runs: Iterable[tuple[int, int, int]]) -> None:
        """Fill parts of ``buffer``, as :meth:`pread_into` does; of each its beginning, its end, and the file's offset.

        Thousands of short parts: a call of :meth:`pread_into` for each would take twice as long. That the offsets lie
        in the file was made sure of before (:meth:`require`).
        """
        if self._reader is None:
            preadv, descriptor = os.preadv, self._fd
            try:
                for begin, end, offset in runs:
                    if preadv(descriptor, (buffer[begin:end],), offset) != end - begin:
                        self.pread_into(buffer[begin:end], offset)  # which says what is missing, or gets the rest
            except OSError as error:
                raise from_os_error(error, self.path) from None
            return
        for begin, end, offset in runs:
            self.pread_into(buffer[begin:end], offset)

    def _short(self, offset: int, length: int) -> None:
        present = self.size if self.remote else os.fstat(self._fd).st_size
        raise DamagedFile(
            "E-TRUNCATED",
            f"{self.path} is cut short: bytes {offset:,} to {offset + length:,} are needed",
            path=self.path,
            offset=present,
            found=f"{present:,} bytes present",
            help="download or copy the file again",
        )

    def close(self) -> None:
        """Give the descriptor back, fetch nothing more; closing twice is fine."""
        if self._reader is not None:
            self._reader.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def cut_short(path: str, size: int, how: str, found: str = "") -> DamagedFile:
    """The error for a download that stopped early.

    Args:
        path: the file.
        size: bytes present.
        how: what tells that something is missing; goes on after "is cut short".
        found: what is there; by default the number of bytes.
    """
    return DamagedFile(
        "E-TRUNCATED",
        f"{path} is cut short{how}",
        path=path,
        offset=size,
        found=found or f"{size:,} bytes present",
        help="the download stopped early; download the file again",
    )


def read_whole(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """All bytes of a small file.

    Raises:
        WrongFile: ``E-TOO-LARGE`` when it has more than ``limit`` bytes.
        CharvecError: as :class:`File`.
    """
    with File(path) as file:
        return file.whole(limit, "such a file")


def inside(folder: str, name: str, *, by: str) -> str:
    """The path of ``name`` in ``folder``, where ``name`` was read from the file ``by``.

    Raises:
        UnsafeFile: ``E-PATH-ESCAPE`` when it is absolute or leads out of the folder.
    """
    parts = re.split(r"[\\/]", name)
    # a colon is a drive or a stream on Windows, wherever it stands; the writers of such names never use it
    if not name or "\0" in name or ":" in name or os.path.isabs(name) or parts[0] == "" or ".." in parts:
        raise UnsafeFile(
            "E-PATH-ESCAPE",
            f"{by} points to {name!r}, outside its own folder",
            path=by,
            help="do not use this file unless you know who made it; its parts must lie beside it",
        )
    return places.join(folder, *parts)


_LFS = rb"version https://git-lfs[^\n]*\n(?:.*\n)*?oid sha256:([0-9a-f]+)\n(?:.*\n)*?size (\d+)"


def unrecognised(file: File, wanted: str) -> CharvecError:
    """What to say of a file that no member of a family recognises.

    Most such files are downloads gone wrong, so those are called by their name.

    Args:
        file: the file.
        wanted: what was expected, e.g. ``"a checkpoint"``.

    Returns:
        the error to raise: ``E-EMPTY``, ``E-LFS-POINTER``, ``E-NOT-WEIGHTS``, ``E-COMPRESSED`` or ``E-FORMAT``.
    """
    head, path = file.head, file.path
    again = "download the file again"
    if not head:
        return DamagedFile("E-EMPTY", f"{path} is empty", path=path, found="0 bytes", help=again)
    if head.startswith(b"version https://git-lfs"):
        pointer = re.match(_LFS, head)
        promise = (
            f"; the pointer promises {int(pointer[2]):,} bytes (sha256 {pointer[1][:8].decode()}...)" if pointer else ""
        )
        folder = os.path.dirname(path) or "."
        return WrongFile(
            "E-LFS-POINTER",
            f"{path} is a Git LFS pointer, not {wanted}",
            path=path,
            found=f"{file.size:,} bytes{promise}",
            help="name the address that the weights themselves are downloaded from"
            if file.remote
            else f"run `git lfs pull` in {folder}, or download the file again",
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:512].lower()
    for start, name in _PAGES:
        if re.match(start, text):
            return WrongFile(
                "E-NOT-WEIGHTS",
                f"{path} is {name}, not {wanted}",
                path=path,
                found=repr(head[:60].decode("utf-8", "replace")),
                help=f"a server probably answered with an error message; look into the file, then {again}",
            )
    for magic, name in _COMPRESSED:
        if head.startswith(magic):
            return WrongFile(
                "E-COMPRESSED",
                f"{path} is compressed with {name}; {wanted} is read in place and must not be",
                path=path,
                help=f"decompress it first (`{name} -d`)",
            )
    for magic, at, name, help in _OTHERS:
        if re.match(magic, head[at : at + 100]):
            return WrongFile("E-FORMAT", f"{path} is {name}, which charvec does not read", path=path, help=help)
    if not head.strip(b"\0"):
        return DamagedFile(
            "E-NOT-WEIGHTS",
            f"{path} holds only zero bytes where {wanted} was expected",
            path=path,
            found=f"{file.size:,} bytes, the first {len(head):,} all zero",
            help=f"the download reserved the space and never filled it; {again}",
        )
    return WrongFile(
        "E-FORMAT",
        f"{path} is not {wanted} in any format charvec knows",
        path=path,
        found=f"it begins with the bytes {head[:16].hex(' ')}",
        help="see docs/formats.md for the formats that are read",
    )


_PAGES = (
    (rb"<!doctype html", "an HTML page"),
    (rb"<html", "an HTML page"),
    (rb"<\?xml", "an XML document"),
    (rb"<error", "an XML error message"),
    (rb"\{", "a JSON document"),
    (rb'\[\s*["{\[\]]', "a JSON document"),
)

#: What programs write that is not read: how it begins, where, what it is, what to do.
_OTHERS = (
    (
        rb"SQLite format 3\0",
        0,
        "a database of SQLite, as Magnitude's vectors are",
        "export its vectors as text, a line each",
    ),
    (rb"TFL3", 4, "a model of TensorFlow Lite", "name the model that it was converted from"),
    (
        rb"\d+ \d+ \d+ \d+ \d+ \d+ \S+ \S+\n",
        0,
        "a table of floret, which has no words",
        "write the vectors of its words as text, model.save_vectors('x.vec') in Python, and name that file",
    ),
)
_COMPRESSED = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
)
