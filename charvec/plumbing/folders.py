"""Plumbing: what lies in folders, without following links inside them, and which paths a glob pattern matches."""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["FILE", "FOLDER", "LINK", "SPECIAL", "fixed_part", "is_pattern", "kind_of", "matches"]

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
