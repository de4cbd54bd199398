"""Verb: find the sample files that a user names as files, folders, patterns or ``-``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from charvec.errors import Note, NotFound, OutputError

__all__ = ["STDIN", "Found", "find_samples"]

#: The name of standard input.
STDIN = "-"

_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """One thing found: a file to read, a problem, or a number of hidden entries passed over.

    Attributes:
        path: the file, as the user would write it; "" when there is none to read.
        pipe: whether it is a named pipe, whose writer is waited for.
        problem: why something cannot be read.
        remark: why something was passed over that is no sample.
        hidden: number of hidden files and folders passed over.
    """

    path: str = ""
    pipe: bool = False
    problem: Note | None = None
    remark: Note | None = None
    hidden: int = 0


def find_samples(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: Iterable[str] = (),
    hidden: bool = False,
    not_this: str | os.PathLike[str] | None = None,
    not_these: Iterable[str] = (),
) -> Iterator[Found]:
    """Files to scan, each once, in the order they were named, folders in the order of their sorted names.

    Folders are searched to any depth. Symbolic links inside them are not followed: what they lead to inside the folder
    is read under its own name, what lies outside was not named. A hard link counts as a file of its own. A pipe is read
    when it is named, and passed over inside a folder.

    Args:
        samples: files, folders, glob patterns (``**`` matches any depth), ``-``.
        extensions: when given, only files of these suffixes are read inside folders, e.g. ``("txt", "csv")``; any case.
        hidden: also read files and folders whose name begins with a dot.
        not_this: a file that is left out, because it is the output.
        not_these: files that are passed over inside folders, because they are the model; read when they are named.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name or pattern matches nothing.
        OutputError: ``E-OUTPUT-IS-INPUT`` when ``not_this`` is itself named.
    """
    named = [samples] if isinstance(samples, (str, os.PathLike)) else list(samples)
    paths = [match for name in named for match in _expand(os.fspath(name))]
    output = _identity(not_this) if not_this is not None else None
    if output is not None:
        _refuse_output(paths, output)
    suffixes = tuple("." + extension.lower().lstrip("*.") for extension in extensions)
    model = {os.path.basename(path): _identity(path) for path in not_these}
    search = _Search(suffixes, hidden, output, model, several=len(paths) > 1)
    search.roots.update(os.path.realpath(path) for path in paths if path != STDIN and os.path.isdir(path))
    for path in paths:
        yield from search.named(path)


def _expand(name: str) -> list[str]:
    """The paths a name stands for."""
    if name == STDIN:
        return [name]
    try:
        os.stat(name)
    except ValueError:
        pass
    except OSError as error:
        # it is there; why it cannot be read is said when its turn comes
        if isinstance(error, PermissionError) or error.errno in (errno.ELOOP, errno.EIO):
            return [name]
    else:
        return [name]
    if os.path.islink(name):
        message = f"{name} is a link that leads nowhere"
        raise NotFound("E-NOT-FOUND", message, path=name, help="check what it should lead to (`ls -l`)")
    if _GLOB.intersection(name) and "\0" not in name:
        matches = sorted(_matches(name))
        if matches:
            return matches
        raise NotFound("E-NOT-FOUND", f"nothing matches {name}", path=name, help="check the pattern")
    message = f"{name} does not exist" if name else "an empty name was given as a sample"
    raise NotFound("E-NOT-FOUND", message, path=name, help="check the path")


def _matches(pattern: str) -> set[str]:
    """Paths that match a pattern. Python's own ``**`` follows links, and never ends where a few lead upwards."""
    import glob

    parts = pattern.split(os.sep)
    if "**" not in parts:
        return set(glob.glob(pattern))
    place = parts.index("**")
    top, rest = os.sep.join(parts[:place]), [part for part in parts[place + 1 :] if part]
    tops = glob.glob(top or os.sep) if place else [os.curdir]
    if not rest:
        return set(filter(os.path.isdir, tops))  # everything below, which is what a folder stands for
    return {
        match
        for top in tops
        for folder in _folders(top)
        for match in _matches(os.path.join(glob.escape(folder) if folder != os.curdir else "", *rest))
    }


def _folders(top: str) -> Iterator[str]:
    """A folder and all below it, but for hidden ones and links."""
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as scan:
                below = [entry.name for entry in scan if _kind(entry) == _FOLDER and not entry.name.startswith(".")]
        except OSError:
            continue
        yield folder
        pending += [os.path.join(folder, name) if folder != os.curdir else name for name in below]


def _refuse_output(paths: list[str], output: tuple[int, int]) -> None:
    for path in paths:
        if path != STDIN and _identity(path) == output:
            raise OutputError(
                "E-OUTPUT-IS-INPUT", f"{path} is both a sample and the output", path=path, help="write to another file"
            )


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


@dataclass
class _Search:
    """One search: what is looked for, and what was handed out already.

    That each file is handed out once needs no list of all files: of a folder it is enough to know that it was searched,
    since no link inside it is followed.

    Attributes:
        suffixes: lower-case suffixes of the files to read inside folders; empty for all.
        hidden: whether hidden entries are read.
        output: device and inode of the output file, None when there is none.
        model: device and inode of the model's files, by name.
        several: whether more than one path was named, so that a file could come up twice.
        roots: real paths of all folders named.
        searched: real paths of the folders searched so far.
        single: real paths of the files handed out by themselves so far, and :data:`STDIN`.
        folders: real paths, by path, of the folders in which single files were named.
    """

    suffixes: tuple[str, ...]
    hidden: bool
    output: tuple[int, int] | None
    model: dict[str, tuple[int, int] | None]
    several: bool
    roots: set[str] = field(default_factory=set)
    searched: set[str] = field(default_factory=set)
    single: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=dict)

    def named(self, path: str) -> Iterator[Found]:
        """What a path that the user named, or that a pattern matched, stands for."""
        if path == STDIN:
            if STDIN not in self.single:
                self.single.add(STDIN)
                yield Found(STDIN)
            return
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            yield Found(problem=_unreadable(path, error))
            return
        if stat.S_ISDIR(mode):
            yield from self.walk(path)
            return
        if self.several:
            real = self._real(path)
            folder, name = os.path.split(real)
            read_with_folder = folder in self.searched and self._wanted(name) and stat.S_ISREG(mode)
            if real in self.single or read_with_folder:
                return
            self.single.add(real)
        if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
            yield Found(path, stat.S_ISFIFO(mode))
        else:
            yield Found(problem=_special(path, mode))

    def _real(self, path: str) -> str:
        """``realpath``, whose cost for each file is kept low: its folder's is looked up once."""
        if os.path.islink(path):
            return os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder or ".")
        return os.path.join(self.folders[folder], name)

    def _wanted(self, name: str) -> bool:
        """Whether a file of that name is read inside folders."""
        if name.startswith(".") and not self.hidden:
            return False
        return not self.suffixes or name.lower().endswith(self.suffixes)

    def walk(self, root: str) -> Iterator[Found]:
        """Everything below a folder. Iterative, because folders can be nested deeper than Python's stack."""
        pending = [(root, os.path.realpath(root))]
        while pending:
            folder, real = pending.pop()
            if self.several:
                if real in self.searched:
                    continue
                self.searched.add(real)
            try:
                with os.scandir(folder) as scan:
                    # names and not entries: of a million files in one folder the latter take 300 MB
                    entries = sorted((entry.name, _kind(entry)) for entry in scan)
            except OSError as error:
                code = "W-PERMISSION" if isinstance(error, PermissionError) else "W-READ"
                yield Found(problem=Note(code, f"{folder}: {error.strerror}; nothing in it was read", folder))
                continue
            passed = 0
            folders = []
            for name, kind in entries:
                if name.startswith(".") and not self.hidden:
                    passed += 1
                elif kind == _FOLDER:
                    folders.append((os.path.join(folder, name), os.path.join(real, name)))
                else:
                    yield from self._entry(os.path.join(folder, name), os.path.join(real, name), kind)
            if passed:
                yield Found(hidden=passed)
            pending.extend(reversed(folders))

    def _entry(self, path: str, real: str, kind: str) -> Iterator[Found]:
        """A file, a link or something special inside a folder."""
        if kind == _LINK:
            problem = self._link(path, real)
            if problem:
                yield Found(problem=problem)
            return
        if not self._wanted(os.path.basename(path)):
            return
        if kind == _SPECIAL:
            try:
                mode = os.lstat(path).st_mode
            except OSError as error:
                yield Found(problem=_unreadable(path, error))
                return
            if not stat.S_ISREG(mode):
                yield Found(problem=_special(path, mode))
                return
        if real in self.single or (self.output is not None and _identity(path) == self.output):
            return
        name = os.path.basename(path)
        if name in self.model and _identity(path) == self.model[name]:
            yield Found(remark=Note("N-MODEL-FILE", f"{path} belongs to the model and was not read as a sample", path))
            return
        yield Found(path)

    def _link(self, path: str, real: str) -> Note | None:
        """What to say of a symbolic link inside a folder; None when what it leads to is read anyway, or not wanted."""
        wanted = self._wanted(os.path.basename(path))
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            return _unreadable(path, error) if wanted else None
        if not stat.S_ISDIR(mode) and not wanted:
            return None
        target = os.path.realpath(path)
        if os.path.join(real, "").startswith(os.path.join(target, "")):
            return None  # a folder that holds the link: nothing but a loop
        inside = self._inside(target)
        if not inside:
            return Note("W-LINK", f"{path} is a link out of the folder and was not followed; name it to read it", path)
        name = os.path.basename(target)
        if stat.S_ISDIR(mode) or self._wanted(name) or name.startswith("."):
            return None  # read under its own name, or passed over and counted there
        return Note("W-LINK", f"{path} is a link to {name}, which --ext leaves out; it was not followed", path)

    def _inside(self, target: str) -> bool:
        """Whether a real path is one of the folders named, or inside one."""
        while target not in self.roots:
            parent = os.path.dirname(target)
            if parent == target:
                return False
            target = parent
        return True


_FILE, _FOLDER, _LINK, _SPECIAL = "file", "folder", "link", "special"


def _kind(entry: os.DirEntry[str]) -> str:
    """What a folder's entry is, without a system call where the file system says it."""
    try:
        if entry.is_symlink():
            return _LINK
        if entry.is_dir(follow_symlinks=False):
            return _FOLDER
        return _FILE if entry.is_file(follow_symlinks=False) else _SPECIAL
    except OSError:
        return _FILE  # opening it will say what is wrong


def _unreadable(path: str, error: OSError) -> Note:
    """Why a path cannot be looked at."""
    if error.errno == errno.ELOOP:
        return Note("W-LOOP", f"{path} is a link that leads to itself", path)
    if isinstance(error, PermissionError):
        return Note("W-PERMISSION", f"{path}: permission denied; it was not read", path)
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return Note("W-LINK", f"{path} is a link that leads nowhere", path)
    return Note("W-READ", f"{path}: {error.strerror or error}; it was not read", path)


def _special(path: str, mode: int) -> Note:
    kinds = ((stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))
    kind = next((name for test, name in kinds if test(mode)), "special file")
    return Note("W-SPECIAL", f"{path} is a {kind}, not a file; it was not read", path)
