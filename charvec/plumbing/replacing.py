"""Plumbing: files that are written whole or not at all.

To a temporary name in the same folder, read back and compared, fsync, renamed, fsync of the folder. After a crash, a
kill, a full disk or Ctrl-C the output path holds the old file or the new one, never a third.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import Any, BinaryIO, NoReturn, cast

from charvec.errors import CharvecError, DamagedFile, OutputError, PermissionDenied, ReadWriteError, from_os_error

__all__ = ["alive", "check_target", "replacing", "sync_folder", "write_error", "write_whole"]

#: Bytes written, and read back, at once.
_WRITE = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_target(path: str, *, overwrite: bool = False, inputs: Iterable[str] = ()) -> None:
    """Refuse an output that could not be written in the end, before any work is done.

    Args:
        path: where it is to be written.
        overwrite: whether it may replace a file.
        inputs: files it must not be.

    Raises:
        OutputError: ``E-OUTPUT-EXISTS``, ``E-OUTPUT-FOLDER``, ``E-OUTPUT-NO-FOLDER``, ``E-OUTPUT-SPECIAL``,
            ``E-OUTPUT-IS-INPUT``.
        PermissionDenied: ``E-PERMISSION`` when its folder cannot be written to.
    """
    with contextlib.suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            # asked before links are followed: what /dev/stdout leads to may be a pipe, which has no path
            raise OutputError(
                "E-OUTPUT-SPECIAL", f"{path} is no regular file", path=path, help="name a file, which is written whole"
            )
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise OutputError("E-OUTPUT-FOLDER", f"{path} is a folder", path=path, help="name a file in it")
    if not os.path.isdir(folder):
        raise OutputError(
            "E-OUTPUT-NO-FOLDER", f"the folder of {path} does not exist", path=path, help=f"make it: mkdir -p {folder}"
        )
    if os.path.exists(target):
        status = os.stat(target)
        for each in inputs:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(each), status):
                    raise OutputError(
                        "E-OUTPUT-IS-INPUT", f"{path} is also an input", path=path, help="write to another file"
                    )
        if not overwrite:
            raise OutputError(
                "E-OUTPUT-EXISTS",
                f"{path} exists",
                path=path,
                help="say -f (in Python: overwrite=True) to replace it, or name another file",
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionDenied(
            "E-PERMISSION", f"{folder}: no permission to write there", path=path, help="write to another folder"
        )


def write_whole(path: str | os.PathLike[str], data: bytes | memoryview, *, overwrite: bool = False) -> None:
    """Write bytes to a file, whole or not at all, and read them back before the old file is given up.

    Raises:
        OutputError: ``E-OUTPUT-EXISTS`` when it has come into being meanwhile.
        ReadWriteError: ``E-DISK-FULL``, ``E-IO``.
    """
    with replacing(os.fspath(path), overwrite) as output:
        output.write(data)


class _Output(io.RawIOBase):
    """A file that is written from beginning to end and then read back. What was written first can be written again.

    A memoryview is compared with what it shows, which must not change until then. Of anything else a CRC-32 is kept,
    five times as fast as the digests that vector files carry: this is about a disk or a memory that fails while the
    file is written, not about anyone's intent.
    """

    def __init__(self, file: BinaryIO, path: str, name: str) -> None:
        self._file = file
        self.name = name  # where it lies until it is renamed
        self._path = path  # for messages
        self._portions: list[tuple[int, int | memoryview]] = []  # length, and checksum or what was written
        self._same = 0  # portions, after the first one, that were read back and are the same
        self._again = False

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Write everything, in portions, so that one call of a large buffer can be interrupted."""
        view = memoryview(data).cast("B")
        if self._again:
            if len(view) != self._portions[0][0]:
                raise ValueError("what is written again has another length")
            self._file.write(view)
            self._portions[0] = len(view), zlib.crc32(view)  # short
            return len(view)
        for start in range(0, len(view), _WRITE):
            part = view[start : start + _WRITE]
            self._file.write(part)
            self._portions.append((len(part), part if isinstance(data, memoryview) else zlib.crc32(part)))
        return len(view)

    def flush(self) -> None:
        """Bring what was written to the disk and compare it, but for the first portion, which may change.

        Whoever has something to do before the end of the file is known does it meanwhile in another thread, as the disk
        does its part: of the 33 ms that saving 15 MB took, 8 are spent waiting for it and 15 with a digest.
        """
        if self._file.closed or not self._portions:
            return
        self._file.flush()
        if self._again:
            return
        faults: list[BaseException] = []

        def synchronise() -> None:
            try:
                os.fsync(self._file.fileno())
            except BaseException as error:  # what the system tells once must not get lost
                faults.append(error)

        waiting = Thread(target=synchronise)
        try:
            waiting.start()
        except RuntimeError:  # the system allows no more threads
            synchronise()
        try:
            self._file.seek(sum(length for length, _ in self._portions[: 1 + self._same]))
            for portion in self._portions[1 + self._same :]:
                self._compare(*portion)
                self._same += 1
        finally:
            if waiting.ident is not None:
                waiting.join()
        if faults:
            raise faults[0]

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go back to the beginning, to write the first portion again."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("only the beginning can be sought")
        self._again = True
        return self._file.seek(0)

    def verify(self) -> None:
        """Compare what is in the file with what was written, where that was not done yet, and bring it to the disk.

        Raises:
            DamagedFile: ``E-WRITE-VERIFY``.
        """
        self._file.flush()
        self._file.seek(0)
        for number, (length, written) in enumerate(self._portions):
            if 0 < number <= self._same:
                self._file.seek(length, io.SEEK_CUR)
            else:
                self._compare(length, written)
        if self._file.read(1):
            self._refuse()
        os.fsync(self._file.fileno())

    def _compare(self, length: int, written: int | memoryview) -> None:
        found = self._file.read(length)
        # startswith compares memory with memory; == of bytes and a memoryview goes from element to element
        if not (found.startswith(written) if isinstance(written, memoryview) else zlib.crc32(found) == written):
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise DamagedFile(
            "E-WRITE-VERIFY",
            f"{self._path}: what was read back is not what was written",
            path=self._path,
            help="check the disk",
        )


@contextlib.contextmanager
def replacing(path: str, overwrite: bool) -> Iterator[BinaryIO]:
    """A temporary file that takes the place of ``path`` when the block ends well, and vanishes when it does not."""
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    # a name may have 255 bytes, and this one is longer than the target's by up to 28
    prefix = "." + os.fsencode(name)[:200].decode("utf-8", "ignore") + "."
    _sweep(folder, prefix)
    temporary = os.path.join(folder, f"{prefix}{os.getpid()}.{os.urandom(4).hex()}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(temporary, "r+b", opener=lambda name, _: os.open(name, flags, 0o666)) as file:
            if overwrite and os.path.exists(target):
                with contextlib.suppress(OSError):
                    os.fchmod(file.fileno(), stat.S_IMODE(os.stat(target).st_mode))
            output = _Output(file, path, temporary)
            yield cast(BinaryIO, output)
            output.verify()
        if overwrite:
            os.replace(temporary, target)
        else:
            _link_new(temporary, target, path)
        sync_folder(folder)
    except OSError as error:
        raise write_error(error, path) from None
    finally:
        # gone already when all went well
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _link_new(temporary: str, target: str, path: str) -> None:
    """Give the file its name unless something has taken the name meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputError(
            "E-OUTPUT-EXISTS", f"{path} has come into being meanwhile", path=path, help="say -f to replace it"
        ) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EMLINK):
            raise
        os.replace(temporary, target)  # a file system without hard links


def sync_folder(folder: str) -> None:
    """Bring what was done to the names in a folder to the disk, where the system lets one."""
    with contextlib.suppress(OSError):  # some systems do not open folders; the file itself is safe already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sweep(folder: str, prefix: str) -> None:
    """Remove temporary files that killed runs left behind for this very output."""
    with contextlib.suppress(OSError):
        for each in os.listdir(folder):
            leftover = each.startswith(prefix) and re.fullmatch(r"([0-9]{1,9})\.[0-9a-f]{8}\.tmp", each[len(prefix) :])
            if leftover and not alive(int(leftover[1])):
                os.unlink(os.path.join(folder, each))


def alive(pid: int) -> bool:
    """Whether a process of that number runs, or may run."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_error(error: OSError, path: str) -> CharvecError:
    """What to raise for an error of the system while ``path`` was written."""
    if error.errno in _FULL:
        return ReadWriteError(
            "E-DISK-FULL",
            f"{path}: {error.strerror}; nothing was changed",
            path=path,
            help="free some space, or write elsewhere; --dtype float16 halves the file",
        )
    return from_os_error(error, path, "writing")
