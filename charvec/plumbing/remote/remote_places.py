"""Plumbing: what is where on servers and on the hub."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from charvec.errors import NotFound, PermissionDenied, UsageError
from charvec.plumbing.remote import addresses, hub, remote_file
from charvec.plumbing.remote.remote_samples import _Place

__all__ = ["exists", "is_file", "is_folder", "names"]

#: How web servers without the manners to say 404 begin.
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)", re.IGNORECASE)


def exists(path: str) -> bool:
    """As :func:`charvec.plumbing.places.exists`."""
    return is_file(path) or is_folder(path)


def is_file(path: str) -> bool:
    """As :func:`charvec.plumbing.places.is_file`; a page of a web server is no file."""
    if hub.is_hub(path):
        repo, rest = hub.repo_of(path)
        return rest in repo.files
    if not addresses.is_web(path):
        return _kind(path) == "file"
    if path.endswith("/"):
        return False
    try:
        return not _PAGE.match(remote_file.known(path).head)
    except UsageError:  # it is there, but the server sends no parts
        return True
    except (NotFound, PermissionDenied):  # servers that hide what is there deny what is not
        return False


def is_folder(path: str) -> bool:
    """As :func:`charvec.plumbing.places.is_folder`; on a web server what ends with ``/``."""
    if hub.is_hub(path):
        repo, rest = hub.repo_of(path)
        return not rest or any(name.startswith(rest + "/") for name in repo.files)
    return path.endswith("/") if addresses.is_web(path) else _kind(path) == "directory"


def names(folder: str) -> list[str]:
    """As :func:`charvec.plumbing.places.names`; of a web server what its index page links to."""
    if hub.is_hub(folder):
        repo, rest = hub.repo_of(folder)
        top = rest + "/" if rest else ""
        return sorted({name[len(top) :].partition("/")[0] for name in repo.files if name.startswith(top)})
    web = addresses.is_web(folder)
    place = _Place(addresses.real(folder.rstrip("/") + "/" if web else folder))
    try:
        found = place.attempt(lambda: place.system.ls(place.path, detail=True))
    except NotFound as error:
        if not web:
            raise
        file = addresses.join(folder, "model.safetensors")
        error.help = f"the server shows no list of its files there; name the file, such as {file}"
        raise
    listed = {each["name"] for each in found}
    top = place.path.rstrip("/") + "/" if place.path else ""
    listed = {name[len(top) :].rstrip("/") for name in listed if name.startswith(top)}
    if web:
        listed = {unquote(name) for name in listed if not set("?#/") & set(name)}
    return sorted(name for name in listed - {"", ".", ".."} if "/" not in name)


_KINDS: dict[str, str] = {}


def _kind(path: str) -> str:
    """``file``, ``directory`` or ``""`` for something on any other file system; asked for once."""
    if path not in _KINDS:
        place = _Place(addresses.real(path))
        try:
            info: dict[str, Any] = place.attempt(lambda: place.system.info(place.path))
            _KINDS[path] = str(info.get("type", "file"))
        except (NotFound, PermissionDenied):
            return ""
    return _KINDS[path]
