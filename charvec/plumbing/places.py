"""Plumbing: what is where. Checkpoints and vocabularies look into folders with these functions only.

A path is one of this machine, a URL, or lies in a model on the hub; see :mod:`charvec.plumbing.models.model_places`.
"""

from __future__ import annotations

import os

from charvec.errors import from_os_error

__all__ = ["base_name", "exists", "is_file", "is_folder", "is_remote", "join", "names", "on_disk", "parent"]


def is_remote(path: str) -> bool:
    """Whether it is a URL, or lies in a model on the hub."""
    if "://" not in path:
        return False
    from charvec.plumbing.models import model_places

    return model_places.is_remote(path)


def exists(path: str) -> bool:
    """Whether a file or folder is there; false as well when that cannot be told.

    Raises:
        ReadWriteError: ``E-REMOTE`` when a server cannot be reached.
    """
    if is_remote(path):
        from charvec.plumbing.remote import remote_places

        return remote_places.exists(path)
    return os.path.exists(path)


def is_file(path: str) -> bool:
    """Whether it is a regular file, or a link to one; raises as :func:`exists`."""
    if is_remote(path):
        from charvec.plumbing.remote import remote_places

        return remote_places.is_file(path)
    return os.path.isfile(path)


def is_folder(path: str) -> bool:
    """Whether it is a folder, or a link to one; raises as :func:`exists`."""
    if is_remote(path):
        from charvec.plumbing.remote import remote_places

        return remote_places.is_folder(path)
    return os.path.isdir(path)


def names(folder: str) -> list[str]:
    """Names in a folder, sorted; "" is the current one.

    Raises:
        NotFound, PermissionDenied, ReadWriteError: when it cannot be listed.
    """
    if is_remote(folder):
        from charvec.plumbing.remote import remote_places

        return remote_places.names(folder)
    try:
        return sorted(os.listdir(folder or "."))
    except OSError as error:
        raise from_os_error(error, folder) from None


def join(folder: str, *parts: str) -> str:
    """The path of something in a folder."""
    if is_remote(folder):
        from charvec.plumbing.remote import addresses

        return addresses.join(folder, *parts)
    return os.path.join(folder, *parts)


def parent(path: str) -> str:
    """The folder that something lies in."""
    if is_remote(path):
        from charvec.plumbing.remote import addresses

        return addresses.parent(path)
    return os.path.dirname(path)


def base_name(path: str) -> str:
    """The last part of a path, without what only a server needs."""
    if is_remote(path):
        from charvec.plumbing.remote import addresses

        return addresses.base_name(path)
    return os.path.basename(path)


def on_disk(path: str) -> str | None:
    """The file of this machine that a path leads to: itself, or a copy in the cache of the hub; None for none."""
    if is_remote(path):
        from charvec.plumbing.remote import hub

        return hub.on_disk(path) if hub.is_hub(path) else None
    return path
