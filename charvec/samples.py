"""Verb: find the sample files that a user names as files, folders, patterns or ``-``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from charvec.errors import NotFound, Note, OutputError, from_os_error

__all__ = ["STDIN", "Found", "find_samples"]

#: The name of standard input.
STDIN = "-"

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Found:
    """One thing found: a file to read, a problem, or a number of hidden entries passed over.

    Attributes:
        path: the file, as the user would write it; "" when there is none to read.
        size: bytes, 0 where unknown.
        problem: why something cannot be read.
        hidden: number of hidden files and folders passed over.
    """

    path: str = ""
    size: int = 0
    problem: Note | None = None
    hidden: int = 0


def find_samples(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: Iterable[str] = (),
    hidden: bool = False,
    not_this: str | os.PathLike[str] | None = None,
) -> Iterator[Found]:
    """Files to scan, each once, in the order they were named, folders in the order of their sorted names.

    Folders are searched to any depth. Symbolic links inside them are not followed: what they lead to inside the folder is read
    under its own name, what lies outside was not named. A hard link counts as a file of its own. A pipe is read when it
    is named, and passed over inside a folder.

    Args:
        samples: files, folders, glob patterns (``**`` matches any depth), ``-``.
        extensions: when given, only files of these suffixes are read inside folders, e.g. ``("txt", "csv")``; any case.
        hidden: also read files and folders whose name begins with a dot.
        not_this: a file that is left out, because it is the output.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name or pattern matches nothing.
        OutputError: ``E-OUTPUT-IS-INPUT`` when ``not_this`` is itself named.
    """
    named = [samples] if isinstance(samples, (str, os.PathLike)) else list(samples)
    suffixes = tuple("." + extension.lower().lstrip("*.") for extension in extensions)
    output = _identity(not_this) if not_this is not None else None
    seen: set[tuple[str, str]] = set()
    for path in [match for name in named for match in _expand(os.fspath(name))]:
        if path == STDIN:
            yield Found(path)
            continue
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                yield Found(problem=Note("W-LOOP", f"{path} is a link that leads to itself", path))
                continue
            raise from_os_error(error, path) from None
        if stat.S_ISDIR(status.st_mode):
            found = _walk(path, suffixes, hidden)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode):
            if output is not None and _identity(path) == output:
                raise OutputError(
                    "E-OUTPUT-IS-INPUT",
                    f"{path} is both a sample and the output",
                    path=path,
                    help="write to another file",
                )
            found = iter([Found(path, status.st_size)])
        else:
            found = iter([Found(problem=_special(path, status.st_mode))])
        for each in found:
            if each.path:
                # the same file named twice, or named and found in a named folder, is read once
                folder, name = os.path.split(each.path)
                key = (_real_folder(folder), name)
                if key in seen or (output is not None and _identity(each.path) == output):
                    continue
                seen.add(key)
            yield each


def _expand(name: str) -> list[str]:
    if name == STDIN or os.path.lexists(name):
        return [name]
    if _GLOB.intersection(name):
        from glob import glob

        matches = sorted(glob(name, recursive=True))
        if matches:
            return matches
        raise NotFound("E-NOT-FOUND", f"nothing matches {name}", path=name, help="check the pattern")
    raise NotFound("E-NOT-FOUND", f"{name} does not exist", path=name, help="check the path")



def _real_folder(folder: str) -> str:
    return os.path.realpath(folder or ".")


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _special(path: str, mode: int) -> Note:
    kinds = ((stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))
    kind = next((name for test, name in kinds if test(mode)), "special file")
    return Note("W-SPECIAL", f"{path} is a {kind}, not a file; it was not read", path)


def _walk(root: str, suffixes: tuple[str, ...], hidden: bool) -> Iterator[Found]:
    """Everything below a folder. Iterative, because folders can be nested deeper than Python's stack."""
    real_root = os.path.realpath(root)
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            code = "W-PERMISSION" if isinstance(error, PermissionError) else "W-READ"
            yield Found(problem=Note(code, f"{folder}: {error.strerror}; nothing in it was read", folder))
            continue
        folders = []
        passed = 0
        for entry in entries:
            if entry.name.startswith(".") and not hidden:
                passed += 1
                continue
            if entry.is_symlink():
                problem = _link(entry.path, real_root)
                if problem:
                    yield Found(problem=problem)
                continue
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
                size = entry.stat(follow_symlinks=False).st_size
            except OSError as error:
                yield Found(problem=Note("W-READ", f"{entry.path}: {error.strerror}", entry.path))
                continue
            if stat.S_ISDIR(mode):
                folders.append(entry.path)
            elif suffixes and not entry.name.lower().endswith(suffixes):
                continue
            elif stat.S_ISREG(mode):
                yield Found(entry.path, size)
            else:
                yield Found(problem=_special(entry.path, mode))
        if passed:
            yield Found(hidden=passed)
        pending.extend(reversed(folders))


def _link(path: str, real_root: str) -> Note | None:
    """What to say of a symbolic link inside a folder; None when what it leads to is read anyway."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Note("W-LOOP", f"{path} is a link that leads to itself", path)
        return Note("W-LINK", f"{path} is a link that leads nowhere", path)
    target = os.path.realpath(path)
    if target == real_root or target.startswith(real_root.rstrip(os.sep) + os.sep) or real_root.startswith(target):
        return None
    return Note("W-LINK", f"{path} is a link out of the folder and was not followed; name it to read it", path)
