"""Plumbing: what is where. Checkpoints and vocabularies look into folders with these functions only."""

from __future__ import annotations

import os

from charvec.errors import from_os_error

__all__ = ["exists", "is_file", "is_folder", "join", "names", "parent"]


def exists(path: str) -> bool:
    """Whether a file or folder is there; false as well when that cannot be told."""
    return os.path.exists(path)


def is_file(path: str) -> bool:
    """Whether it is a regular file, or a link to one."""
    return os.path.isfile(path)


def is_folder(path: str) -> bool:
    """Whether it is a folder, or a link to one."""
    return os.path.isdir(path)


def names(folder: str) -> list[str]:
    """Names in a folder, sorted; "" is the current one.

    Raises:
        NotFound, PermissionDenied, ReadWriteError: when it cannot be listed.
    """
    try:
        return sorted(os.listdir(folder or "."))
    except OSError as error:
        raise from_os_error(error, folder) from None


def join(folder: str, *parts: str) -> str:
    """The path of something in a folder."""
    return os.path.join(folder, *parts)


def parent(path: str) -> str:
    """The folder that something lies in."""
    return os.path.dirname(path)
