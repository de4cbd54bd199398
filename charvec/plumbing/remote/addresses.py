"""Plumbing: URLs as paths.

A file behind a URL goes by a path as every other does, through error messages, tables and vector files. So a path never
holds a password or a token: :func:`adopt` takes them out of what the user typed and keeps them in this process alone,
and :func:`real` puts them back for the server they were meant for, for this file and those beside it.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from charvec.plumbing.remote.remote_faults import SECRET, USER

__all__ = ["adopt", "base_name", "is_url", "is_web", "join", "parent", "real", "scheme"]

_NAME = r"[a-z][a-z0-9+.\-]+"
_URL = re.compile(rf"{_NAME}(?:::{_NAME})*://")
_WEB = ("http://", "https://")

#: User and password by the beginning of a URL up to the host.
_USERS: dict[str, str] = {}
#: The query of a URL with its secrets, by the URL as it is shown; by the URL of a folder, for the files in it.
_QUERIES: dict[str, str] = {}


def is_url(name: str) -> bool:
    """Whether a name is a URL, ``s3://…`` or chained ``zip://a.txt::s3://b``, and no local file is called so."""
    return "://" in name and _URL.match(name) is not None and not os.path.lexists(name)


def scheme(url: str) -> str:
    """The letters before ``://``."""
    return url.partition("://")[0]


def is_web(url: str) -> bool:
    """Whether it is a file on a web server, not inside anything else."""
    return url.startswith(_WEB) and "::" not in url


def adopt(url: str) -> str:
    """A URL as it can be shown, ``***`` for its secrets, which are kept for :func:`real`; taking one twice is fine."""
    return "::".join(map(_adopt, url.split("::")))


def _adopt(bit: str) -> str:
    if not bit.startswith(_WEB):
        user = USER.search(bit) if not bit.startswith("hf:") else None
        if user and not user[0].startswith("***"):
            bit = USER.sub("", bit, count=1)
            _USERS[_origin(bit)] = user[0]
        return bit
    bit = bit.partition("#")[0]
    user = USER.search(bit)
    if user:
        bit = USER.sub("", bit, count=1)
        _USERS[_origin(bit)] = user[0]
    place, mark, query = bit.partition("?")
    if not mark:
        return bit
    shown = SECRET.sub(r"\1***", bit)
    if shown != bit and "***" not in query:
        # a token is meant for the files beside it as well; what only names this file does no harm there
        _QUERIES[shown] = _QUERIES[place.rpartition("/")[0]] = query
    return shown


def _origin(bit: str) -> str:
    return "/".join(bit.split("/", 3)[:3])


def real(path: str) -> str:
    """The URL to ask for, secrets included, of a path that :func:`adopt` gave, or of a file beside it."""
    return "::".join(map(_real, path.split("::")))


def _real(bit: str) -> str:
    if "://" not in bit:
        return bit
    if bit.startswith(_WEB):
        place, mark, query = bit.partition("?")
        if mark:
            query = _QUERIES.get(bit, query)
        else:
            folder = place
            while not query and folder.count("/") > 2:
                folder = folder.rpartition("/")[0]
                query = _QUERIES.get(folder, "")
        bit = place + ("?" + query if query else mark)
    origin = _origin(bit)
    user = _USERS.get(origin)
    return bit.replace("://", "://" + user, 1) if user else bit


def parent(path: str) -> str:
    """The folder that something lies in, without ``/`` at its end."""
    head, chain, rest = path.partition("::")
    if head.startswith(_WEB):
        head = head.partition("?")[0]
    letters, mark, place = head.rstrip("/").partition("://")
    folder = place.rpartition("/")[0] if "/" in place else ("" if chain else place)
    return letters + mark + folder + chain + rest


def join(folder: str, *parts: str) -> str:
    """The path of something in a folder."""
    head, chain, rest = folder.partition("::")
    web = head.startswith(_WEB)
    if web:
        head = head.partition("?")[0]
        parts = tuple(map(quote, parts))
    if head.endswith("://"):
        return head + "/".join(parts) + chain + rest
    return "/".join((head.rstrip("/"), *parts)) + chain + rest


def base_name(path: str) -> str:
    """The last part of a path."""
    head = path.partition("::")[0]
    return (head.partition("?")[0] if head.startswith(_WEB) else head).rstrip("/").rpartition("/")[2]
