"""Plumbing: files named by URL, through fsspec and whatever file systems are installed for it.

Nothing is asked over a network unless a URL was named. Everything that a server, a bucket or a hub can answer becomes
an error of ours, and no message shows a password or a token.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import unquote

from charvec.errors import CharvecError, MissingPackage, NotFound, ReadWriteError, UsageError
from charvec.plumbing.remote import remote_stream
from charvec.plumbing.remote.addresses import is_url
from charvec.plumbing.remote.remote_faults import causes, judge, shown_url, translated
from charvec.valueclass import dataclass

__all__ = ["RemoteFile", "find_remote", "is_remote", "local_path", "open_remote", "shown_url"]

#: Seconds without one byte after which an HTTP connection counts as lost.
TIMEOUT = 60
#: Index pages read for one folder of a web server, and how deep: some servers make up pages without end.
MOST_PAGES = 10_000
DEEPEST = 20

_HTTP = ("http", "https")

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteFile:
    """A file that a URL stands for.

    Attributes:
        url: its own URL.
        size: bytes; None where the listing does not say it.
        version: another one when the file changes: entity tag, checksum or time; "" where the listing says none.
        below: its path relative to the folder that was named, or to the fixed part of the pattern; "" when it was
            named itself.
        listed: whether it was found in a folder, neither named nor matched by a pattern.
        problem: why it cannot be read, "" when it can.
    """

    url: str
    size: int | None = None
    version: str = ""
    below: str = ""
    listed: bool = False
    problem: str = ""


def is_remote(name: str) -> bool:
    """Whether a name is a URL, ``s3://…`` or chained ``zip://a.txt::s3://…``, and no local file is called so."""
    return is_url(name)


def local_path(url: str) -> str | None:
    """The path that a ``file://`` URL stands for; None for other URLs."""
    scheme, _, path = url.partition("://")
    if scheme not in ("file", "local") or "::" in url:
        return None
    if os.name == "nt":
        path = re.sub(r"^/(?=[A-Za-z]:)", "", path)
    # programs that follow the standard write %20 for a space, others do not
    return unquote(path) if not os.path.lexists(path) and os.path.lexists(unquote(path)) else path


def find_remote(url: str) -> Iterator[RemoteFile]:
    """The files that a URL stands for: a file, all files of a folder, or what matches a pattern.

    Whether there is anything is checked at once; folders are listed when the first file is asked for. Files come in
    the order of local folders: by name, the files of a folder before its folders. A web server has a folder where the
    URL ends with ``/``; its files are those that its index page links to.

    A listing needs 1 to 2 KB of memory a file while it is fetched.

    Raises:
        NotFound: ``E-NOT-FOUND`` when there is nothing.
        PermissionDenied: ``E-PERMISSION``.
        MissingPackage: ``E-PACKAGE`` when the package for such URLs is not installed.
        ReadWriteError: ``E-REMOTE`` when the server cannot be reached or fails, also after some attempts.
        DamagedFile: ``E-ZIP`` when it is to be found in a zip file that is damaged.
        UsageError: ``E-URL`` when there are no such URLs.
    """
    place = _Place(url)
    if place.is_web and place.path.endswith("/"):
        return iter(_listed(place, place.path, place.path, _pages(place, place.path, DEEPEST)))
    try:
        info = place.attempt(lambda: place.system.info(place.path))
    except NotFound:
        if not any(char in place.wildcards for char in place.path):
            raise
        return iter(_matched(place))
    if info.get("type") == "directory":
        return _folder(place, place.path, place.path)
    return iter([RemoteFile(url, _size(info), _version(info), problem=_problem(info))])


def open_remote(url: str) -> BinaryIO:
    """Open a file for reading.

    Reading goes on after a lost connection, where it stopped. When that fails too, ``read`` gives what came before and
    then raises OSError.

    Returns:
        an unshared stream; seekable where the file system is, over HTTP when the server sends parts of files.

    Raises:
        CharvecError: as :func:`find_remote`.
    """
    place = _Place(url)
    stream = remote_stream.Stream(place.system, place.path, web=place.is_web)
    place.attempt(stream.connect)
    return cast(BinaryIO, stream)


class _Place:
    """A URL, the file system it is on, and its path there.

    Attributes:
        url: as it was given.
        system: fsspec's file system.
        path: what the file system calls it.
        is_web: whether it is on a web server, not inside anything else.
        wildcards: characters that make a pattern of it; ``?`` does not in the address of a page.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.head, chain, rest = url.partition("::")
        self.rest = chain + rest
        self.is_web = not chain and self.head.partition("://")[0] in _HTTP
        self.wildcards = "*[" if self.is_web else "*?["
        options = _options(url)

        def connect() -> tuple[Any, str]:
            from fsspec.core import url_to_fs

            found: tuple[Any, str] = url_to_fs(url, **options)
            return found

        self.system, self.path = self.attempt(connect)

    def attempt(self, action: Callable[[], T]) -> T:
        """Do something, again after a while when it fails for a reason that may pass.

        Raises:
            CharvecError: as :func:`find_remote`.
        """
        delays = iter(remote_stream.DELAYS)
        while True:
            try:
                return action()
            except CharvecError:
                raise
            except Exception as error:  # the many file systems raise whatever the libraries below them do
                kind, culprit = judge(error)
                delay = next(delays, None) if kind == "passing" else None
                if delay is None:
                    raise translated(self.url, kind, culprit) from None
            time.sleep(delay)

    def url_of(self, name: str) -> str:
        """The URL of something that the file system calls ``name``."""
        if self.is_web:
            return name
        path, head = self.path.rstrip("/"), self.head.rstrip("/")
        if path and head.endswith(path):
            url = head[: len(head) - len(path)] + name
        elif path:
            url = str(self.system.unstrip_protocol(name))  # a relative path that became an absolute one
        elif self.path:
            url = head + name  # ftp://user@host and /name
        else:
            url = self.head.partition("://")[0] + "://" + name.lstrip("/")
        return url + self.rest


def _options(url: str) -> dict[str, Any]:
    """Options of the file systems that a URL names, by scheme, once all of them can be imported.

    Raises:
        MissingPackage, UsageError: as :func:`find_remote`.
    """
    options: dict[str, Any] = {}
    for bit in url.split("::"):
        scheme = bit.partition("://")[0] if "://" in bit else bit
        try:
            from fsspec.registry import available_protocols, get_filesystem_class

            if "://" not in bit and bit not in available_protocols():
                continue  # a local path at the end of a chain
            get_filesystem_class(scheme)
        except ImportError as error:
            raise _missing(scheme, error) from None
        except ValueError:
            message = f"{shown_url(url)}: there is no file system for {scheme}://"
            raise UsageError("E-URL", message, path=shown_url(url), help="check how the URL begins") from None
        if scheme in _HTTP:
            options[scheme] = _web_options(scheme)
    return options


def _web_options(scheme: str) -> dict[str, Any]:
    import aiohttp
    from fsspec.config import conf

    given = conf.get(scheme, {})
    # by default a download may take five minutes in all, and proxies are not looked for
    client = {
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=TIMEOUT),
        "trust_env": True,
        # bytes are counted as they lie on the server, and nothing swells while it is fetched
        "auto_decompress": False,
    }
    return {
        "client_kwargs": {**client, **given.get("client_kwargs", {})},
        "headers": {"Accept-Encoding": "identity", **given.get("headers", {})},
    }


#: Packages by scheme; for others the module that is missing is called like its package.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(_HTTP, "aiohttp"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("ssh", "sftp"), "paramiko"),
    **dict.fromkeys(("hdfs", "arrow_hdfs"), "pyarrow"),
    "hf": "huggingface_hub",
    "libarchive": "libarchive-c",
    "smb": "smbprotocol",
    "webdav": "webdav4",
}


#: Packages that an extra of ours brings, with all that goes with them.
_EXTRAS = {"aiohttp": "http", "s3fs": "s3", "gcsfs": "gcs", "huggingface_hub": "hub"}


def _missing(scheme: str, error: ImportError) -> MissingPackage:
    missing = next((each.name for each in causes(error) if isinstance(each, ImportError) and each.name), None)
    package = "fsspec" if missing == "fsspec" else _PACKAGES.get(scheme, (missing or "").partition(".")[0])
    if not package:
        return MissingPackage("E-PACKAGE", f"reading {scheme}:// failed: {error}", help="install what it names")
    install = f'"charvec[{_EXTRAS[package]}]"' if package in _EXTRAS else package
    return MissingPackage(
        "E-PACKAGE", f"reading {scheme}:// needs the package {package}", help=f"pip install {install}"
    )


# -- listings


def _folder(place: _Place, folder: str, top: str) -> Iterator[RemoteFile]:
    """All files below a folder."""
    found = place.attempt(lambda: place.system.find(folder, detail=True))
    yield from _listed(place, folder, top, found)


def _listed(place: _Place, folder: str, top: str, found: dict[str, dict[str, Any]]) -> list[RemoteFile]:
    """Files of a folder in the order of local folders.

    Args:
        place: the URL.
        folder: where they were found.
        top: what their paths are relative to.
        found: what is known of each.
    """
    files = []
    for name, info in found.items():
        if name.endswith("/") or name.rstrip("/") == folder.rstrip("/") or info.get("type") == "directory":
            continue  # the empty objects that stand for folders in some buckets
        files.append(_file(place, name, info, top, listed=True))
    if place.is_web and not files:
        message = f"{shown_url(place.url)}: the page links to no files below it"
        raise NotFound("E-NOT-FOUND", message, path=shown_url(place.url), help="name a page without / at its end")
    return sorted(files, key=_order)


def _order(file: RemoteFile) -> str:
    folders, _, name = file.below.rpartition("/")
    return "".join(f"\2{folder}" for folder in folders.split("/") if folders) + "\1" + name


def _file(place: _Place, name: str, info: dict[str, Any], top: str, *, listed: bool) -> RemoteFile:
    base = top.rstrip("/")
    below = name[len(base) :].lstrip("/") if name.startswith(base) else name.lstrip("/")
    # what is behind :: would be taken for another URL, and the names in a listing are anybody's
    problem = "the name holds ::, which separates URLs" if "::" in name else _problem(info)
    return RemoteFile(place.url_of(name), _size(info), _version(info), below, listed, problem)


def _matched(place: _Place) -> Iterator[RemoteFile]:
    """What matches the pattern of a URL, sorted; folders stand for all files in them.

    Raises:
        NotFound: ``E-NOT-FOUND``.
        CharvecError: as :func:`find_remote`.
    """
    first = min(number for number, char in enumerate(place.path) if char in place.wildcards)
    top = place.path[: max(place.path.rfind("/", 0, first), 0)]
    if place.is_web:
        matched = _matched_pages(place, top + "/")
    else:
        matched = place.attempt(lambda: place.system.glob(place.path, detail=True))
    if not matched:
        message = f"nothing matches {shown_url(place.url)}"
        raise NotFound("E-NOT-FOUND", message, path=shown_url(place.url), help="check the pattern")

    def found() -> Iterator[RemoteFile]:
        listed: set[str] = set()  # folders, whose files may match too
        for name, info in sorted(matched.items()):
            if any(name[:end] in listed for end, char in enumerate(name) if char == "/"):
                continue
            if info.get("type") == "directory":
                listed.add(name.rstrip("/"))
                yield from _folder(place, name, top)
            else:
                yield _file(place, name, info, top, listed=False)

    return found()


def _matched_pages(place: _Place, top: str) -> dict[str, dict[str, Any]]:
    """Files of a web server that match a pattern."""
    from charvec.plumbing.text.ignoring import Patterns

    pattern = place.path[len(top) :]
    wanted = Patterns([b"/" + pattern.replace("\\", "\\\\").replace("?", "\\?").encode("utf-8", "surrogateescape")])
    deepest = DEEPEST if "**" in pattern else pattern.count("/")
    pages = _pages(place, top, deepest)
    return {name: info for name, info in pages.items() if wanted.decide(name[len(top) :].encode(), False)}


def _pages(place: _Place, top: str, deepest: int) -> dict[str, dict[str, Any]]:
    """Files that the index pages of a web server link to, below a folder.

    Args:
        place: the URL.
        top: the folder, with ``/`` at its end.
        deepest: how many folders below it are looked into, one inside the other.

    Raises:
        ReadWriteError: ``E-REMOTE`` when there are too many pages.
        CharvecError: as :func:`find_remote`.
    """
    files: dict[str, dict[str, Any]] = {}
    seen, pending = {top}, [top]
    while pending:
        page = pending.pop()
        for info in place.attempt(lambda page=page: place.system.ls(page, detail=True)):  # type: ignore[misc]
            name = info["name"]
            parts = unquote(name[len(page) :]).split("/")
            # links to sort the page by its columns, to other pages, and out of the folder
            if not name.startswith(page) or set("?#") & set(name[len(page) :]) or {"", ".", ".."} & set(parts[:-1]):
                continue
            if not parts[-1]:
                if name not in seen and name.count("/") - top.count("/") <= deepest:
                    seen.add(name)
                    pending.append(name)
            else:
                files[name] = info
        if len(seen) > MOST_PAGES:
            message = f"{shown_url(place.url)}: there are more than {MOST_PAGES:,} pages below it"
            raise ReadWriteError("E-REMOTE", message, path=shown_url(place.url), help="name folders further down")
    return files


def _problem(info: dict[str, Any]) -> str:
    return "" if info.get("type", "file") in ("file", "link") else "it is no regular file"


def _size(info: dict[str, Any]) -> int | None:
    size = info.get("size")
    return size if isinstance(size, int) else None


#: What file systems call an entity tag or checksum; and, if there is none, the time of the last change.
_VERSIONS = (
    *("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Content-MD5", "blob_id", "generation", "CRC", "sha"),
    *("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated", "date_time", "created"),
)


def _version(info: dict[str, Any]) -> str:
    for key in _VERSIONS:
        value = info.get(key)
        if value:
            # some say a time in one way in listings and in another when they are asked for a file
            return f"{key.lower()}:{value.timestamp() if isinstance(value, datetime) else value}"
    return ""
