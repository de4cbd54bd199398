"""Verb: search folders for sample files; the part of :mod:`charvec.samples` that walks."""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from charvec.errors import CharvecError, Note, OutputError
from charvec.plumbing.folders import FILE, FOLDER, LINK, SPECIAL, kind_of
from charvec.valueclass import dataclass, field

if TYPE_CHECKING:
    from charvec.plumbing.remote.remote_samples import RemoteFile
    from charvec.plumbing.text.ignoring import Patterns, Rules

__all__ = ["STDIN", "Found", "Search", "identity"]

#: The name of standard input.
STDIN = "-"

#: Files of patterns inside folders; those of the first stand above those of the second.
_IGNORE_FILES = (".ignore", ".gitignore")


@dataclass(frozen=True)
class Found:
    """One thing found: a file to read, a problem, or how many entries were passed over.

    A folder that was passed over counts as one, whatever is in it.

    Attributes:
        path: the file, as the user would write it, or its URL; "" when there is none to read.
        pipe: whether it is a named pipe, whose writer is waited for.
        problem: why something cannot be read.
        remark: why something was passed over that is no sample.
        hidden: number of hidden files and folders passed over.
        ignored: number of files and folders passed over because an ignore file says so.
        excluded: number of files and folders passed over because of ``exclude``.
        inside: whether it was found in a folder, and not named by itself or by a pattern.
        remote: whether it is read through :func:`charvec.plumbing.remote.remote_samples.open_remote`.
        size: bytes, of a remote file whose listing says it; None for others.
        version: changes when a remote file does, where its listing says so; "" for others.
    """

    path: str = ""
    pipe: bool = False
    problem: Note | None = None
    remark: Note | None = None
    hidden: int = 0
    ignored: int = 0
    excluded: int = 0
    inside: bool = False
    remote: bool = False
    size: int | None = None
    version: str = ""


@dataclass
class Search:
    """One search: what is looked for, and what was handed out already.

    That each file is handed out once needs no list of all files: of a folder it is enough to know that it was searched,
    since no link inside it is followed.

    Attributes:
        suffixes: lower-case suffixes of the files to read inside folders; empty for all.
        hidden: whether hidden entries are read.
        exclude: what is left out inside folders.
        ignore_files: whether ignore files are respected.
        output: device and inode of the output, a file or folder; None when there is none.
        model: device and inode of the model's files, by name.
        several: whether more than one path was named, so that a file could come up twice.
        prefixes: of folders that a pattern matched, their paths as ``exclude`` sees them.
        roots: real paths of all folders named.
        files: real paths of all files named, when folders are named too.
        searched: real paths of the folders searched so far.
        single: real paths of the files of ``files`` handed out so far, URLs, and :data:`STDIN`.
        folders: real paths, by path, of the folders in which single files were named.
    """

    suffixes: tuple[str, ...]
    hidden: bool
    exclude: Patterns | None
    ignore_files: bool
    output: tuple[int, int] | None
    model: dict[str, tuple[int, int] | None]
    several: bool
    prefixes: dict[str, bytes]
    roots: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    searched: set[str] = field(default_factory=set)
    single: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=dict)

    def expect(self, paths: list[str]) -> None:
        """Say what is named in all, so that it does not matter in which order."""
        folders = [path for path in paths if os.path.isdir(path)]
        self.roots.update(map(os.path.realpath, folders))
        if folders and len(folders) < len(paths):
            known = set(folders)
            self.files.update(self._real(path) for path in paths if path not in known)

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
            if real in self.single:
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
        """Whether a file of that name is read inside folders, where hidden ones are."""
        return not self.suffixes or name.lower().endswith(self.suffixes)

    def walk(self, root: str) -> Iterator[Found]:
        """Everything below a folder. Iterative, because folders can be nested deeper than Python's stack."""
        # with each folder its path relative to the root, as patterns see it, and what the ignore files say so far
        pending: list[tuple[str, str, bytes, Rules | None]] = [
            (root, os.path.realpath(root), self.prefixes.get(root, b""), None)
        ]
        while pending:
            folder, real, below, rules = pending.pop()
            if self.several:
                if real in self.searched:
                    continue
                self.searched.add(real)
            try:
                with os.scandir(folder) as scan:
                    # names and not entries: of a million files in one folder the latter take 300 MB
                    entries = sorted((entry.name, kind_of(entry)) for entry in scan)
            except OSError as error:
                code = "W-PERMISSION" if isinstance(error, PermissionError) else "W-READ"
                yield Found(problem=Note(code, f"{folder}: {error.strerror}; nothing in it was read", folder))
                continue
            if self.ignore_files:
                rules, faults = _more_rules(folder, entries, len(below), rules)
                for fault in faults:
                    yield Found(problem=fault)
            hidden = ignored = excluded = 0
            folders = []
            for name, kind in entries:
                inner, path = os.path.join(real, name), below + os.fsencode(name)
                if name.startswith(".") and not self.hidden:
                    hidden += 1
                elif kind == FOLDER and self.several and inner in self.roots:
                    pass  # it has its own turn
                elif kind in (FILE, SPECIAL) and not self._wanted(name):
                    pass
                elif self.exclude is not None and self.exclude.decide(path, kind == FOLDER):
                    excluded += 1
                elif rules is not None and rules.ignore(path, kind == FOLDER):
                    ignored += 1
                elif kind == FOLDER and self.output is not None and identity(os.path.join(folder, name)) == self.output:
                    pass  # a folder is only replaced where all files in it are charvec's
                elif kind == FOLDER:
                    folders.append((os.path.join(folder, name), inner, path + b"/", rules))
                else:
                    yield from self._entry(os.path.join(folder, name), inner, kind)
            if hidden or ignored or excluded:
                yield Found(hidden=hidden, ignored=ignored, excluded=excluded)
            pending.extend(reversed(folders))

    def remote(self, files: Iterator[RemoteFile]) -> Iterator[Found]:
        """The files that a URL stands for. Those of a folder follow each other, so that folders can be counted."""
        hidden = excluded = 0
        last: str | bytes = ""  # what was passed over last
        try:
            for file in files:
                wanted = not file.listed or self._wanted(file.below)
                dot = None if self.hidden else _hidden_part(file.below)
                if dot is not None:
                    hidden += dot != last and (wanted or dot != file.below)
                    last = dot
                    continue
                path = file.below.encode("utf-8", "surrogateescape")
                cut = self.exclude.cut(path) if self.exclude is not None and path else None
                if cut is not None:
                    excluded += cut != last and (wanted or cut != path)
                    last = cut
                    continue
                if not wanted or (self.several and file.url in self.single):
                    continue
                if self.several:
                    self.single.add(file.url)
                if file.problem:
                    yield Found(problem=_elsewhere(file))
                    continue
                yield Found(file.url, inside=file.listed, remote=True, size=file.size, version=file.version)
        except CharvecError as error:
            # the folder was there when its URL was checked; what else was named is still read
            yield Found(problem=Note("W-REMOTE", f"{error.message}; its files were not read from there on", error.path))
        if hidden or excluded:
            yield Found(hidden=hidden, excluded=excluded)

    def _entry(self, path: str, real: str, kind: str) -> Iterator[Found]:
        """A file, a link or something special inside a folder."""
        if kind == LINK:
            problem = self._link(path, real)
            if problem:
                yield Found(problem=problem)
            return
        if kind == SPECIAL:
            try:
                mode = os.lstat(path).st_mode
            except OSError as error:
                yield Found(problem=_unreadable(path, error))
                return
            if not stat.S_ISREG(mode):
                yield Found(problem=_special(path, mode))
                return
        if real in self.single:
            return
        if self.output is not None and identity(path) == self.output:
            _refuse_sample(path)
            return
        name = os.path.basename(path)
        if name in self.model and identity(path) == self.model[name]:
            yield Found(remark=Note("N-MODEL-FILE", f"{path} belongs to the model and was not read as a sample", path))
            return
        if real in self.files:
            self.single.add(real)
        yield Found(path, inside=True)

    def _link(self, path: str, real: str) -> Note | None:
        """What to say of a symbolic link inside a folder; None when what it leads to is read anyway, or not wanted."""
        wanted = self._wanted(os.path.basename(path))  # that it is not hidden is known
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


def _elsewhere(file: RemoteFile) -> Note:
    """Why a remote file is not read."""
    from charvec.plumbing.remote.remote_faults import shown_url

    shown = shown_url(file.url)
    return Note("W-REMOTE", f"{shown}: {file.problem}; it was not read", shown)


def _hidden_part(path: str) -> str | None:
    """A path up to its first part that begins with a dot; None when there is none."""
    place = 0 if path.startswith(".") else path.find("/.") + 1
    if not place and not path.startswith("."):
        return None
    end = path.find("/", place)
    return path if end < 0 else path[:end]


def _more_rules(
    folder: str, entries: list[tuple[str, str]], skip: int, outer: Rules | None
) -> tuple[Rules | None, list[Note]]:
    """The rules inside a folder, and what is wrong with its ignore files.

    Args:
        folder: its path.
        entries: names in it, sorted, and what they are.
        skip: bytes its path takes in paths relative to the root.
        outer: the rules around it.
    """
    found: list[Patterns | None] = []
    faults: list[Note] = []
    for name in _IGNORE_FILES:
        place = bisect_left(entries, (name,))
        patterns = None
        if place < len(entries) and entries[place][0] == name and entries[place][1] != FOLDER:
            from charvec.plumbing.text.ignoring import read_patterns

            path = os.path.join(folder, name)
            patterns, fault = read_patterns(path)
            faults += [Note("W-IGNORE-FILE", f"{path} {fault}", path)] if fault else []
        found.append(patterns)
    if not any(found):
        return outer, faults
    from charvec.plumbing.text.ignoring import Rules

    return Rules(skip, (found[0], found[1]), outer), faults


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


def _refuse_sample(path: str) -> None:
    """Refuse an output found in a folder, unless it is what charvec wrote there before, which no one wants to count.

    Raises:
        OutputError: ``E-OUTPUT-IS-INPUT``.
    """
    from charvec.plumbing.files import File
    from charvec.plumbing.written import LOOK, is_report, is_vector_file

    try:
        with File(path) as file:
            head = file.pread(0, min(file.size, LOOK))
    except CharvecError:
        return  # what cannot be read is no sample
    if head and not is_vector_file(head) and not is_report(head):
        raise OutputError(
            "E-OUTPUT-IS-INPUT",
            f"{path} is both a sample and the output",
            path=path,
            help="write to another file, or leave it out of the samples with --exclude",
        )


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Device and inode of what a path leads to; None when that is nothing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
