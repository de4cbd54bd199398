"""Verbs: load and save vector files, the latter as :mod:`charvec.plumbing.replacing` writes: whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from charvec import formats
from charvec.arguments import an, flag, path_of
from charvec.errors import CharvecWarning, Note, UsageError, WrongFile
from charvec.plumbing.files import File, unrecognised
from charvec.plumbing.replacing import check_target, replacing

if TYPE_CHECKING:
    # charvec.formats.hdf5 imports NumPy beside its other work
    from charvec.vectors import CharVectors

__all__ = ["as_vectors", "check_output", "left_out_notes", "load", "not_stored", "put", "save"]


def load(path: str | os.PathLike[str], *, check: bool = True) -> CharVectors:
    """Load a vector file of any format charvec writes; told by content, not by suffix.

    Args:
        path: the file.
        check: compare the digest of charvec's own format, and refuse any changed byte. False reads a file that another
            tool edited; damage is then not noticed, and can crash the HDF5 library.

    Returns:
        the vectors; large arrays are views into one read-only copy of the file.

    Raises:
        UsageError: ``E-ARGUMENT`` for what is no path, and no truth value; ``E-PATH`` for a path that no file can have.
        NotFound, PermissionDenied, ReadWriteError: when it cannot be read.
        InputError: when it is damaged, hostile, of a newer version, or no vector file.
    """
    path, check = path_of(path, "load(path)"), flag(check, "check")
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
        f"{call}: {an(vectors)} holds no vectors",
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
    complete: Callable[[], None] | None = None,
) -> tuple[list[str], list[Note]]:
    """The work of :func:`save`, for those who tell of its notes themselves; same errors.

    Args:
        vectors: as for :func:`save`.
        path: likewise.
        format: likewise.
        overwrite: likewise.
        complete: completes ``vectors.source``, as for :meth:`charvec.formats.Member.write`; called once, by the member
            or here. See :func:`charvec.extraction.lookup_ahead`.

    Returns:
        characters that were left out; and as notes, what else the format cannot hold.
    """
    path, overwrite = path_of(path, "save(vectors, path)"), flag(overwrite, "overwrite")
    check_output(path, format=format, overwrite=overwrite)
    member = formats.by_suffix(path) if format is None else formats.by_name(format)
    vectors = as_vectors(vectors, "save(vectors, path)")
    with replacing(path, overwrite) as output:
        left_out = member.write(vectors, output, complete)
        if complete is not None and member.HOLDS:
            complete()
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


def left_out_notes(path: str, left_out: list[str]) -> list[Note]:
    """What to say of characters that a format cannot hold; nothing when it holds all."""
    if not left_out:
        return []
    from charvec.plumbing.terminal import shown_some

    said = f"{path}: this format cannot hold {len(left_out)} of the characters: {shown_some(left_out, 5)}"
    return [Note("W-LEFT-OUT", said, path)]


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
    path, overwrite = path_of(path, "the output"), flag(overwrite, "overwrite")
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
