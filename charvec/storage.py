"""Verbs: load and save vector files.

A file is written whole or not at all: to a temporary name in the same folder, read back and compared, fsync, renamed,
fsync of the folder. After a crash, a kill, a full disk or Ctrl-C the output path holds the old file or the new one,
never a third.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from charvec import formats
from charvec.arguments import path_of
from charvec.errors import (
    CharvecError,
    CharvecWarning,
    DamagedFile,
    Note,
    OutputError,
    PermissionDenied,
    ReadWriteError,
    UsageError,
    WrongFile,
    from_os_error,
)
from charvec.plumbing.files import File, unrecognised

if TYPE_CHECKING:
    # charvec.formats.hdf5 imports NumPy beside its other work
    from charvec.vectors import CharVectors

__all__ = ["as_vectors", "check_output", "load", "not_stored", "put", "replacing", "save", "write_whole"]

#: Bytes written, and read back, at once.
_WRITE = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def nothing() -> None:
    """Complete what is complete."""


def load(path: str | os.PathLike[str], *, check: bool = True) -> CharVectors:
    """Load a vector file of any format charvec writes; told by content, not by suffix.

    Args:
        path: the file.
        check: compare the digest of charvec's own format, and refuse any changed byte. False reads a file that another
            tool edited; damage is then not noticed, and can crash the HDF5 library.

    Returns:
        the vectors; large arrays are views into one read-only copy of the file.

    Raises:
        UsageError: ``E-ARGUMENT`` for what is no path; ``E-PATH`` for one that no file can have.
        NotFound, PermissionDenied, ReadWriteError: when it cannot be read.
        InputError: when it is damaged, hostile, of a newer version, or no vector file.
    """
    path = path_of(path, "load(path)")
    _refuse_folder(path)
    with File(path) as file:
        member = _member_of(file)
        data = file.pread(0, file.size)
    return member.read(file.path, data, check)


def as_vectors(vectors: object, call: str) -> CharVectors:
    """What a function was given as vectors, loaded when it is the path of a file.

    Args:
        vectors: what :func:`load` gave, or a path.
        call: the function and its arguments, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else, such as when arguments changed places.
        CharvecError: as :func:`load`.
    """
    from charvec.vectors import CharVectors

    if isinstance(vectors, CharVectors):
        return vectors
    if isinstance(vectors, (str, os.PathLike)):
        return load(vectors)
    raise UsageError(
        "E-ARGUMENT",
        f"{call}: a {type(vectors).__name__} holds no vectors",
        help=f"the order is {call}; vectors are what charvec.load() gives, or the path of a vector file",
    )


def format_of(path: str | os.PathLike[str]) -> formats.Member:
    """The format of a vector file, told by how it begins; errors as :func:`load`."""
    _refuse_folder(path)
    with File(path) as file:
        return _member_of(file)


def _refuse_folder(path: str | os.PathLike[str]) -> None:
    """Say what can be done with a folder, such as `charvec convert --for` writes.

    Raises:
        WrongFile: ``E-NOT-A-FILE``.
    """
    name = os.fspath(path)
    if os.path.isdir(name):
        raise WrongFile(
            "E-NOT-A-FILE",
            f"{name} is a folder, not a file",
            path=name,
            help=f"name the vector file in it; as a model it is read by `charvec dump SAMPLES -m {name}`",
        )


def _member_of(file: File) -> formats.Member:
    member = formats.sniff(file.head)
    if member is None:
        raise unrecognised(file, "a vector file")
    return member


def save(
    vectors: CharVectors | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write vectors to a file, whole or not at all.

    Args:
        vectors: what to write, or the path of a vector file, which is loaded.
        path: the file. A symbolic link is followed: what it leads to is replaced.
        format: ``hdf5``, ``npz``, ``safetensors``, ``text``, ``word2vec``, ``word2vec-binary`` or ``pickle``; None to
            go by the suffix.
        overwrite: replace the file when it exists.

    Returns:
        characters the format cannot hold, which were left out. A mean, axes, or a pooling that it cannot hold is a
        :class:`~charvec.errors.CharvecWarning`, ``W-NOT-STORED``.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else than vectors and a path.
        OutputError: as :func:`check_output`.
        ReadWriteError: ``E-DISK-FULL``, ``E-IO``; the old file is then untouched.
    """
    left_out, notes = put(vectors, path, format=format, overwrite=overwrite)
    for note in notes:
        warnings.warn(f"[{note.code}] {note.message}", CharvecWarning, stacklevel=2)
    return left_out


def put(
    vectors: CharVectors | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    overwrite: bool = False,
    complete: Callable[[], None] = nothing,
) -> tuple[list[str], list[Note]]:
    """The work of :func:`save`, for those who tell of its notes themselves; same errors.

    Args:
        vectors: as for :func:`save`.
        path: likewise.
        format: likewise.
        overwrite: likewise.
        complete: completes ``vectors.source``, without making it longer; see :func:`charvec.extraction.lookup_ahead`.

    Returns:
        characters that were left out; and as notes, what else the format cannot hold.
    """
    path = path_of(path, "save(vectors, path)")
    check_output(path, format=format, overwrite=overwrite)
    member = formats.by_suffix(path) if format is None else formats.by_name(format)
    vectors = as_vectors(vectors, "save(vectors, path)")
    write_ahead = getattr(member, "write_ahead", None)
    with replacing(path, overwrite) as output:
        if write_ahead is not None:
            left_out = write_ahead(vectors, output, complete)
        else:
            complete()
            left_out = member.write(vectors, output)
    return left_out, not_stored(vectors, path, f"the format {member.NAME}") if member.HOLDS else []


def not_stored(vectors: CharVectors, path: str, what: str) -> list[Note]:
    """What of vectors is lost where rows alone are kept; empty when nothing is.

    Args:
        vectors: what is written.
        path: the file or folder.
        what: the format or profile, for the message.
    """
    options = vectors.source.get("options", {})
    gone = [
        *(["the mean of --center"] if vectors.mean is not None else []),
        *([f"the {vectors.dim} axes of --pca"] if vectors.pca is not None else []),
        *(["the weights of --sif"] if "sif" in options else []),
    ]
    if not gone:
        return []
    message = f"{path}: {what} keeps rows, but not {' and '.join(gone)}; a .h5, .npz or .safetensors file keeps all"
    return [Note("W-NOT-STORED", message, path)]


def check_output(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    overwrite: bool = False,
    inputs: Iterable[str] = (),
) -> None:
    """Refuse an output that could not be written in the end, before any work is done.

    Raises:
        UsageError: ``E-SUFFIX``, ``E-FORMAT-NAME``, ``E-OUTPUT-STDOUT``; ``E-ARGUMENT``, ``E-PATH`` for no path.
        OutputError: ``E-OUTPUT-EXISTS``, ``E-OUTPUT-FOLDER``, ``E-OUTPUT-NO-FOLDER``, ``E-OUTPUT-IS-INPUT``.
        PermissionDenied: ``E-PERMISSION`` when its folder cannot be written to.
    """
    path = path_of(path, "the output")
    if path == "-":
        raise UsageError(
            "E-OUTPUT-STDOUT",
            "a vector file cannot go to standard output: it is written to a temporary file and renamed",
            help="name a file",
        )
    if os.path.isdir(path):
        check_target(path)  # refuses, whatever the name of the folder ends in
    if format is not None:
        formats.by_name(format)
    else:
        formats.by_suffix(path)
    check_target(path, overwrite=overwrite, inputs=inputs)


def check_target(path: str, *, overwrite: bool = False, inputs: Iterable[str] = ()) -> None:
    """The part of :func:`check_output` that holds for any output, whatever its format; same errors."""
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
        if not stat.S_ISREG(status.st_mode):
            raise OutputError("E-OUTPUT-SPECIAL", f"{path} is no regular file", path=path, help="name another file")
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
        waiting.start()
        try:
            self._file.seek(sum(length for length, _ in self._portions[: 1 + self._same]))
            for portion in self._portions[1 + self._same :]:
                self._compare(*portion)
                self._same += 1
        finally:
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
        descriptor = os.open(temporary, flags, 0o666)
    except OSError as error:
        raise write_error(error, path) from None
    try:
        with open(descriptor, "r+b") as file:
            if overwrite and os.path.exists(target):
                with contextlib.suppress(OSError):
                    os.fchmod(descriptor, stat.S_IMODE(os.stat(target).st_mode))
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
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_error(error: OSError, path: str) -> CharvecError:
    if error.errno in _FULL:
        return ReadWriteError(
            "E-DISK-FULL",
            f"{path}: {error.strerror}; nothing was changed",
            path=path,
            help="free some space, or write elsewhere; --dtype float16 halves the file",
        )
    return from_os_error(error, path, "writing")
