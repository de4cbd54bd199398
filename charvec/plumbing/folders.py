"""Plumbing: what lies in folders, without following links inside them, and which paths a glob pattern matches."""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["FILE", "FOLDER", "LINK", "SPECIAL", "fixed_part", "is_pattern", "kind_of", "matches", "spelt_otherwise"]

FILE, FOLDER, LINK, SPECIAL = "file", "folder", "link", "special"

_GLOB = frozenset("*?[")


def kind_of(entry: os.DirEntry[str]) -> str:
    """What a folder's entry is, without a system call where the file system says it."""
    try:
        if entry.is_symlink():
            return LINK
        if entry.is_dir(follow_symlinks=False):
            return FOLDER
        return FILE if entry.is_file(follow_symlinks=False) else SPECIAL
    except OSError:
        return FILE  # opening it will say what is wrong


def is_pattern(name: str) -> bool:
    """Whether a name has wildcards."""
    return not _GLOB.isdisjoint(name)


def fixed_part(pattern: str) -> str:
    """The folder in front of the first part with wildcards; "" when there is none."""
    parts = pattern.split(os.sep)
    return os.sep.join(parts[: next(place for place, part in enumerate(parts) if is_pattern(part))])


def matches(pattern: str) -> set[str]:
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
        for match in matches(os.path.join(glob.escape(folder) if folder != os.curdir else "", *rest))
    }


def spelt_otherwise(path: str) -> str | None:
    """A path that is there and reads the same, with letters in parts that are whole in this one, or the reverse.

    macOS stores names in parts (NFD) and finds them by either spelling; where they were copied to, only one is found.
    """
    from unicodedata import normalize

    if path.isascii():
        return None
    found, differs = os.sep if path.startswith(os.sep) else "", False
    for part in filter(None, path.split(os.sep)):
        here = os.path.join(found, part)
        if not os.path.lexists(here):
            try:
                names = os.listdir(found or os.curdir)
            except OSError:
                return None
            alike = [name for name in names if normalize("NFC", name) == normalize("NFC", part)]
            if len(alike) != 1:
                return None
            here, differs = os.path.join(found, alike[0]), True
        found = here
    return found if differs else None


def _folders(top: str) -> Iterator[str]:
    """A folder and all below it, but for hidden ones and links."""
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as scan:
                below = [entry.name for entry in scan if kind_of(entry) == FOLDER and not entry.name.startswith(".")]
        except OSError:
            continue
        yield folder
        pending += [os.path.join(folder, name) if folder != os.curdir else name for name in below]
