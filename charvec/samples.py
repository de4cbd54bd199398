"""Verb: find the sample files that a user names as files, folders, patterns, URLs or ``-``."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from unicodedata import is_normalized, normalize

from charvec.errors import NotFound, OutputError, UsageError
from charvec.plumbing.folders import fixed_part, is_pattern, matches, spelt_otherwise
from charvec.searching import STDIN, Found, Search, identity

if TYPE_CHECKING:
    from charvec.plumbing.remote.remote_samples import RemoteFile
    from charvec.plumbing.text.ignoring import Patterns

__all__ = ["STDIN", "Found", "find_samples"]


def find_samples(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: Iterable[str] = (),
    hidden: bool = False,
    exclude: Iterable[str] = (),
    ignore_files: bool = True,
    not_this: str | os.PathLike[str] | None = None,
    not_these: Iterable[str] = (),
) -> Iterator[Found]:
    """Files to scan, each once, in the order they were named, folders in the order of their sorted names.

    Folders are searched to any depth. Symbolic links inside them are not followed: what they lead to inside the folder
    is read under its own name, what lies outside was not named. A hard link counts as a file of its own. A pipe is read
    when it is named, and passed over inside a folder. A folder inside another that is named too is searched in its own
    turn and by its own rules.

    What is named outright is read, whatever ``extensions``, ``hidden``, ``exclude`` and ignore files say. What a
    pattern matched was not named outright: ``exclude`` applies to it, relative to the folder in front of the first
    wildcard. A shell that expands patterns itself names each file.

    URLs are asked for only when they are named. ``file://`` is another name for a local path. In remote folders
    ``extensions``, ``hidden`` and ``exclude`` apply as in local ones; ignore files are not fetched.

    Args:
        samples: files, folders, glob patterns (``**`` matches any depth), URLs of either, ``-``.
        extensions: when given, only files of these suffixes are read inside folders, e.g. ``("txt", "csv")``; any case.
        hidden: also read files and folders whose name begins with a dot.
        exclude: patterns as in ``.gitignore``, relative to each folder named, of what is left out there; the last that
            matches decides, and ``!`` takes back what an earlier one left out.
        ignore_files: whether ``.gitignore`` and ``.ignore`` files in the folders named and below are respected, as git
            does, in a repository or not. Those of the folders above are not looked at, for a corpus is often itself
            ignored by the project around it; nor are the user's own and ``.git/info/exclude``.
        not_this: the output. Found inside a folder it is left out, if it is what charvec wrote there before.
        not_these: files that are passed over inside folders, because they are the model; read when they are named.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name, pattern or URL matches nothing.
        OutputError: ``E-OUTPUT-IS-INPUT`` when ``not_this`` is itself named, or is a sample inside a folder.
        UsageError: ``E-PATTERN`` when a pattern of ``exclude`` is malformed.
        CharvecError: as :func:`charvec.plumbing.remote.remote_samples.find_remote` for URLs.
    """
    named = [samples] if isinstance(samples, (str, os.PathLike)) else list(samples)
    patterns = _exclusion(exclude)
    paths: list[str | Iterator[RemoteFile]] = []
    prefixes: dict[str, bytes] = {}
    excluded = 0
    for name in [os.fspath(each) for each in named]:
        target = _elsewhere(name)
        if isinstance(target, str):
            found = _expand(target)
            if patterns is not None and found != [target]:
                kept, below = _not_excluded(target, found, patterns)
                prefixes.update(below)
                excluded += len(found) - len(kept)
                found = kept
            paths += found
        else:
            paths.append(target)
    local = [path for path in paths if isinstance(path, str) and path != STDIN]
    output = identity(not_this) if not_this is not None else None
    if output is not None:
        _refuse_output(local, output)
    suffixes = tuple("." + extension.lower().lstrip("*.") for extension in extensions)
    model = {os.path.basename(path): identity(path) for path in not_these}
    search = Search(suffixes, hidden, patterns, ignore_files, output, model, len(paths) > 1, prefixes)
    search.expect(local)
    if excluded:
        yield Found(excluded=excluded)
    for path in paths:
        yield from search.named(path) if isinstance(path, str) else search.remote(path)


def _exclusion(exclude: Iterable[str]) -> Patterns | None:
    """The patterns of what is left out; None when there are none.

    Raises:
        UsageError: ``E-PATTERN``.
    """
    written = [exclude] if isinstance(exclude, str) else [pattern for pattern in exclude if pattern]
    if not written:
        return None
    from charvec.plumbing.text.ignoring import Patterns

    # on a command line # begins no comment; and people write ./name for what lies at the top
    lines = ["\\" + each if each.startswith("#") else each[each.startswith("./") :] for each in written]
    try:
        patterns = Patterns([os.fsencode(line) for line in lines])
        invalid = patterns.invalid
    except UnicodeEncodeError as error:  # half of a surrogate pair
        invalid = [lines.index(error.object)]
    if invalid:
        pattern = written[invalid[0]]
        message = f"{pattern!r} is no pattern of files to leave out"
        raise UsageError("E-PATTERN", message, help="write it as in .gitignore: '*.bak', 'drafts/', '/2019/**/*.csv'")
    return patterns


def _not_excluded(pattern: str, found: list[str], patterns: Patterns) -> tuple[list[str], dict[str, bytes]]:
    """What a glob pattern matched, without what is left out; and for folders the path that their files are below."""
    top = len(os.path.join(fixed_part(pattern), ""))
    kept: list[str] = []
    prefixes: dict[str, bytes] = {}
    for path in found:
        below = _encoded(path[top:]).rstrip(b"/")
        folder = os.path.isdir(path)
        if below in (b"", b"."):  # ** stands for the folder in front of it
            kept.append(path)
        elif patterns.cut(below, folder) is None:
            kept.append(path)
            if folder:
                prefixes[path] = below + b"/"
    return kept, prefixes


def _encoded(path: str) -> bytes:
    return os.fsencode(path.replace(os.sep, "/") if os.sep != "/" else path)


def _elsewhere(name: str) -> str | Iterator[RemoteFile]:
    """A local name, or the files that a URL stands for."""
    if "://" not in name:
        return name
    from charvec.plumbing.remote.remote_samples import find_remote, is_remote, local_path

    if not is_remote(name):
        return name
    local = local_path(name)
    return find_remote(name) if local is None else local


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
    if is_pattern(name) and "\0" not in name:
        found = sorted(matches(name))
        if found:
            return found
        for form in ("NFD", "NFC"):
            if (other := normalize(form, name)) != name and matches(other):
                message = f"nothing matches {name} but what is spelt {_FORMS[form]}"
                raise NotFound("E-NOT-FOUND", message, path=name, help=_OTHERWISE)
        raise NotFound("E-NOT-FOUND", f"nothing matches {name}", path=name, help="check the pattern")
    if (alike := spelt_otherwise(name)) is not None:
        form = "NFC" if is_normalized("NFC", alike) else "NFD"
        message = f"{name} does not exist, but a name that reads the same does, spelt {_FORMS[form]}"
        raise NotFound("E-NOT-FOUND", message, path=name, help=_OTHERWISE)
    message = f"{name} does not exist" if name else "an empty name was given as a sample"
    raise NotFound("E-NOT-FOUND", message, path=name, help="check the path")


#: How the names of files are spelt that read like the one asked for.
_FORMS = {"NFD": "in parts (NFD), as macOS does", "NFC": "with whole letters (NFC)"}
_OTHERWISE = "name its folder, or let the shell complete the name; convmv --nfc renames such files"


def _refuse_output(paths: list[str], output: tuple[int, int]) -> None:
    for path in paths:
        if identity(path) == output:
            raise OutputError(
                "E-OUTPUT-IS-INPUT", f"{path} is both a sample and the output", path=path, help="write to another file"
            )
