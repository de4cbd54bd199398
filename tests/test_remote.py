"""Files named by URL: in memory, in zip files, on web servers, in buckets, on the hub; all on this machine."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import pytest

from charvec.errors import (
    CharvecError,
    DamagedFile,
    MissingPackage,
    NotFound,
    PermissionDenied,
    ReadWriteError,
    UsageError,
)
from charvec.plumbing.remote import remote_samples as remote
from charvec.plumbing.remote import remote_stream
from charvec.plumbing.remote.remote_faults import shown_url
from charvec.plumbing.remote.remote_samples import find_remote, is_remote, local_path, open_remote
from charvec.samples import Found, find_samples

fsspec = pytest.importorskip("fsspec", reason="fsspec, which comes with tokenizers, is not installed")

#: Longer than a block, so that reading it takes several.
TEXT = b"".join(b"%07d \xe6\xb0\xb4\n" % number for number in range(750_000))
assert len(TEXT) > 2 * remote_stream.BLOCK


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No waiting, no proxies, no credentials of whoever runs the tests."""
    monkeypatch.setattr(remote_stream, "DELAYS", (0.0, 0.0, 0.0))
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NETRC", "FSSPEC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    yield
    memory.store.clear()


def names(url: str) -> list[str]:
    """URLs of the files that one stands for."""
    return [file.url for file in find_remote(url)]


def show(found: Found) -> str:
    """One thing found, as a line."""
    if found.problem:
        return f"{found.problem.code} {found.problem.path}"
    counts = {"hidden": found.hidden, "ignored": found.ignored, "excluded": found.excluded}
    return " ".join(f"{kind} {count}" for kind, count in counts.items() if count) or found.path


def find(*urls: str, **options: Any) -> list[str]:
    """What finding samples gives, as lines."""
    return [show(each) for each in find_samples(list(urls), **options)]


def read(url: str, step: int = -1) -> bytes:
    """All bytes of a URL, read in steps."""
    with open_remote(url) as stream:
        return b"".join(iter(lambda: stream.read(step), b""))


def fails(kind: type[CharvecError], code: str, action: Callable[[], object]) -> CharvecError:
    """The error that an action raises."""
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.code == code and caught.value.help and caught.value.path
    return caught.value


# -- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, True)
            for name in ("s3://b/x", "http://h/x", "hf://datasets/a/b", "file:///x", "memory://", "a+b.c-1://")
        ),
        *((name, True) for name in ("zip://a.txt::s3://b/x.zip", "zip::file:///x.zip", "simplecache::s3://b/x")),
        *(
            (name, False)
            for name in ("x", "-", "", "c:/x", "c://x", "C://x", "a/b://c", "://x", "s3:/x", "S3://x", "a\0://")
        ),
    ],
)
def test_what_is_a_url(name: str, expected: bool) -> None:
    """A scheme of two letters or more; a drive is none."""
    assert is_remote(name) is expected


def test_a_local_file_called_like_a_url(tmp_path: Path) -> None:
    """Is a local file."""
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "x").write_bytes(b"")
    assert not is_remote("s3://x") and find("s3://x") == ["s3://x"]
    assert not next(iter(find_samples("s3://x"))).remote


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:pass@host/x", "https://***@host/x"),
        ("ftp://user@host/x", "ftp://***@host/x"),
        ("https://h/x?a=1&sig=abc%2F&b=2", "https://h/x?a=1&sig=***&b=2"),
        ("https://h/x?X-Amz-Credential=A&X-Amz-Signature=B&X-Amz-Expires=9", None),
        ("https://h/x?access_token=abc#part", "https://h/x?access_token=***#part"),
        ("zip://a::https://u:p@h/x?Token=t", "zip://a::https://***@h/x?Token=***"),
        ("400, message='no', url='https://u:p@h/x?key=k'", "400, message='no', url='https://***@h/x?key=***'"),
        ("hf://datasets/a/b@main/c", "hf://datasets/a/b@main/c"),
        ("s3://bucket/user@host/x", "s3://bucket/user@host/x"),
    ],
)
def test_secrets_are_not_shown(url: str, expected: str | None) -> None:
    """User names, passwords, tokens and signatures."""
    expected = expected or "https://h/x?X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Expires=9"
    assert shown_url(url) == expected


def test_nothing_is_imported_for_local_names(tmp_path: Path) -> None:
    """And for a URL of a local file neither."""
    (tmp_path / "a").write_bytes(b"")
    code = """
import sys
from charvec.samples import find_samples
assert len(list(find_samples(["a", "file://a"]))) == 1
assert not {"fsspec", "aiohttp", "huggingface_hub"} & set(sys.modules)
"""
    path = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


# -- folders, patterns, options


def fill(*paths: str) -> None:
    """Files in memory, which hold their own names."""
    memory = fsspec.filesystem("memory")
    for path in paths:
        memory.pipe(path, path.encode())


def test_folders() -> None:
    """To any depth, in the order of local folders; each file with its size and something that says its version."""
    fill("/d/b/2", "/d/a/1", "/d/a.txt", "/d/z", "/d/a!", "/other")
    assert names("memory://d") == [f"memory://d/{name}" for name in ("a!", "a.txt", "z", "a/1", "b/2")]
    assert names("memory://d/") == names("memory://d") and names("memory://d/a") == ["memory://d/a/1"]
    files = list(find_remote("memory://d"))
    assert [file.below for file in files] == ["a!", "a.txt", "z", "a/1", "b/2"]
    assert all(file.listed and file.size == len("/d/") + len(file.below) and file.version for file in files)
    for file in files:
        assert read(file.url).decode() == "/d/" + file.below
        alone = next(find_remote(file.url))
        assert (alone.url, alone.size, alone.version) == (file.url, file.size, file.version)
        assert alone.below == "" and not alone.listed
    assert set(names("memory://")) == {*names("memory://d"), "memory://other"}
    versions = [file.version for file in files]
    fill("/d/z")
    assert [file.version == old for file, old in zip(find_remote("memory://d"), versions, strict=True)].count(
        False
    ) == 1


def test_patterns() -> None:
    """Wildcards in a part, over parts, in brackets; folders that match are searched; a real name beats a pattern."""
    fill("/d/a.txt", "/d/b.csv", "/d/s/c.txt", "/d/s/t/d.txt", "/d/[x].txt", "/d/s-2/e.csv", "/d/s/zz")
    assert names("memory://d/*.txt") == ["memory://d/[x].txt", "memory://d/a.txt"]
    assert names("memory://d/[x].txt") == ["memory://d/[x].txt"]
    assert [name[11:] for name in names("memory://d/**/*.txt")] == ["[x].txt", "a.txt", "s/c.txt", "s/t/d.txt"]
    assert [name[11:] for name in names("memory://d/?.*")] == ["a.txt", "b.csv"]
    everything = sorted(names("memory://d"))
    assert sorted(names("memory://d/*")) == everything and sorted(names("memory://d/**")) == everything
    assert [name[11:] for name in names("memory://d/s*")] == ["s/c.txt", "s/zz", "s/t/d.txt", "s-2/e.csv"]
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote("memory://d/*.none"))
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote("memory://none"))


def test_samples_by_url() -> None:
    """Suffixes, hidden and excluded files as in local folders; what is named outright is read."""
    fill(
        "/d/a.txt",
        "/d/b.CSV",
        "/d/.h/x.txt",
        "/d/.h/y.txt",
        "/d/s/.z.txt",
        "/d/old/1.txt",
        "/d/old/2.txt",
        "/d/s/c.txt",
    )
    url = "memory://d/"
    plain = [url + name for name in ("a.txt", "b.CSV", "old/1.txt", "old/2.txt", "s/c.txt")]
    assert find("memory://d") == [*plain, "hidden 2"]
    assert find("memory://d", extensions=["csv"]) == [url + "b.CSV", "hidden 1"]
    assert len(find("memory://d", hidden=True)) == 8
    assert find("memory://d", exclude=["old/", "s/c*"]) == [url + "a.txt", url + "b.CSV", "hidden 2 excluded 2"]
    assert find("memory://d", exclude=["old/", "s/c*"], extensions=["csv"]) == [url + "b.CSV", "hidden 1 excluded 1"]
    assert find(url + "a.txt", exclude=["*"], extensions=["x"]) == [url + "a.txt"]
    assert find(url + "*.*", exclude=["a*"], extensions=["x"]) == [url + "b.CSV", "hidden 1 excluded 1"]
    assert find(url + "**/*.txt", exclude=["/old"])[:2] == [url + "a.txt", url + "s/c.txt"]
    assert find(url + "a.txt", "memory://d", url + "a.txt", exclude=["old"]).count(url + "a.txt") == 1
    found = next(iter(find_samples(url + "a.txt")))
    assert found.remote and found.size == 8 and found.version and not found.pipe


def test_urls_of_local_files(tmp_path: Path) -> None:
    """file:// is a path by another name: links, ignore files, the output and files named twice are seen to."""
    for name in ("d/a.txt", "d/b.log", "d/c d.txt", "out"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d" / ".gitignore").write_text("*.log\n")
    here = tmp_path.as_posix()
    files = [f"{here}/d/a.txt", f"{here}/d/c d.txt"]
    assert find(f"file://{here}/d") == [*files, "hidden 1 ignored 1"]
    assert find(f"file://{here}/d/c%20d.txt") == find(f"file://{here}/d/c d.txt") == files[1:]
    assert find(f"file://{here}/d/*.txt", f"{here}/d/a.txt") == files
    with pytest.raises(CharvecError) as caught:
        find(f"file://{here}/out", not_this=f"{here}/out")
    assert caught.value.code == "E-OUTPUT-IS-INPUT"
    assert local_path("s3://b/x") is None and local_path("file:///a::zip://b") is None
    # and through fsspec, for who asks it
    assert names(f"file://{here}/d/a.txt") == [f"file://{here}/d/a.txt"] and read(f"file://{here}/d/a.txt") == b"x"
    assert [file.below for file in find_remote(f"file://{here}/d")] == [".gitignore", "a.txt", "b.log", "c d.txt"]


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_pipes_by_url(tmp_path: Path) -> None:
    """Are no files that could be asked for twice."""
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d" / "pipe")
    assert [file.problem for file in find_remote(f"file://{tmp_path}/d")] == ["it is no regular file"]
    assert [file.problem for file in find_remote(f"file://{tmp_path}/d/pipe")] == ["it is no regular file"]


def make_zip(path: Path, **members: bytes) -> str:
    """A zip file, and its URL."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return f"file://{path}"


def test_chains(tmp_path: Path) -> None:
    """A member of a zip file, all of them, those of a folder, those that match."""
    url = make_zip(tmp_path / "x.zip", **{"d/a.txt": TEXT, "d/b.csv": b"b", "c.txt": b"c", "d/.h": b"h"})
    assert names(f"zip://d/a.txt::{url}") == [f"zip://d/a.txt::{url}"]
    assert names(f"zip://::{url}") == [f"zip://{name}::{url}" for name in ("c.txt", "d/.h", "d/a.txt", "d/b.csv")]
    assert names(f"zip://d::{url}") == names(f"zip://d/::{url}") == names(f"zip://::{url}")[1:]
    assert names(f"zip://*.txt::{url}") == [f"zip://c.txt::{url}"]
    assert names(f"zip://**/*.txt::{url}") == [f"zip://c.txt::{url}", f"zip://d/a.txt::{url}"]
    assert names(f"zip://c.txt::{tmp_path}/x.zip") == [f"zip://c.txt::{tmp_path}/x.zip"]
    assert read(f"zip://d/a.txt::{url}", 1 << 18) == TEXT
    assert find(f"zip://::{url}", exclude=["*.csv"]) == [
        *(names(f"zip://::{url}")[n] for n in (0, 2)),
        "hidden 1 excluded 1",
    ]
    with open_remote(f"zip://d/a.txt::{url}") as stream:
        assert stream.seekable() and stream.seek(-12, io.SEEK_END) and stream.read() == TEXT[-12:]


def test_names_that_would_be_other_urls(tmp_path: Path) -> None:
    """The names inside an archive are anybody's; none may lead to another file."""
    secret = make_zip(tmp_path / "secret.zip", a=b"secret")
    url = make_zip(tmp_path / "x.zip", **{f"a::{secret}": b"", "a::b": b"", "good": b"g"})
    found = list(find_samples(f"zip://::{url}"))
    assert [each.path for each in found if each.path] == [f"zip://good::{url}"]
    problems = [each.problem for each in found if each.problem]
    assert problems and all(each.code == "W-REMOTE" and "::" in each.message for each in problems)


def test_damaged_zip_files(tmp_path: Path) -> None:
    """No directory; no such member; damage inside a member is met while it is read."""
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK no")
    fails(DamagedFile, "E-ZIP", lambda: find_remote(f"zip://a::file://{path}"))
    url = make_zip(path, a=os.urandom(100_000))
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote(f"zip://b::{url}"))
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote(f"zip://b::{url}-not"))
    content = bytearray(path.read_bytes())
    content[50_000:50_010] = bytes(10)
    path.write_bytes(content)
    with open_remote(f"zip://a::{url}") as stream, pytest.raises(OSError):
        stream.read()


def test_no_such_file_system() -> None:
    """An unknown scheme; a known one whose package is not there."""
    assert "foo://" in fails(UsageError, "E-URL", lambda: find_remote("foo://x")).message
    fails(UsageError, "E-URL", lambda: open_remote("zip://a::foo://x"))


@pytest.mark.parametrize(
    "url",
    [
        *("http://", "http:///x", "http://*/x", "http://[x]/", "http://[::1]:1/x", "http://127.0.0.1:99999/x"),
        *(
            "zip://",
            "zip://a",
            "zip://::",
            "zip://a::zip://b",
            "memory://a\0b",
            "file://\0",
            "hf://",
            "hf://x",
            "hf://a/b/*[",
        ),
        *("memory://[", "memory://**[", "memory://[!]", "memory://a::b", "simplecache://x", "data://x", "zip::x::y://"),
    ],
)
def test_strange_urls(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is typed, the answer is one of our errors."""
    if url.startswith("http"):
        pytest.importorskip("aiohttp", reason="aiohttp, which reads http://, is not installed")
    if url.startswith("hf"):
        pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for action in (find_remote, open_remote):
        with pytest.raises(CharvecError):
            action(url)


@pytest.mark.parametrize(
    ("url", "module", "package"),
    [
        ("s3://b/x", "s3fs", '"charvec[s3]"'),
        ("gs://b/x", "gcsfs", '"charvec[gcs]"'),
        ("https://127.0.0.1:1/x", "aiohttp", '"charvec[http]"'),
        ("zip://a::abfs://b/x", "adlfs", "adlfs"),
        ("sftp://h/x", "paramiko", "paramiko"),
        ("hf://datasets/a/b", "huggingface_hub", '"charvec[hub]"'),
        ("memory://x", "fsspec", "fsspec"),
    ],
)
def test_missing_packages(url: str, module: str, package: str) -> None:
    """The remedy is the line to type."""
    code = f"""
import sys
sys.modules[{module!r}] = None
from charvec.errors import MissingPackage
from charvec.plumbing.remote.remote_samples import find_remote
try:
    find_remote({url!r})
except MissingPackage as error:
    print(error.code, error.exit_code, error.help)
"""
    path = os.pathsep.join(path for path in sys.path if path)
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert run.stdout == f"E-PACKAGE 69 pip install {package}\n"
    assert MissingPackage.exit_code == 69


# -- web servers


class Web:
    """A web server on this machine.

    Attributes:
        files: content by path.
        ranges: whether parts of files are sent.
        tag: entity tag of all files; None for none.
        answers: statuses to answer the next requests with, instead of what they ask for.
        drops: how many of the next downloads stop half way.
        head: whether HEAD is understood.
        sized: whether the size is said.
        encoding: how the server says that files are compressed.
        stall: when there is one, nothing is sent before it is set.
        headers: of the requests so far.
        asked: requests so far: method, path, Range.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.tag: str | None = '"1"'
        self.answers: list[int] = []
        self.drops = 0
        self.head = True
        self.sized = True
        self.encoding = ""
        self.stall: threading.Event | None = None
        self.asked: list[tuple[str, str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def respond(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path, wanted = unquote(urlparse(request.path).path), request.headers.get("Range")
        self.asked.append((request.command, path, wanted))
        self.headers.append(dict(request.headers))
        status = self.answers.pop(0) if self.answers else 200
        content = self.files.get(path)
        if status == 200 and request.command == "HEAD" and not self.head:
            status = 405
        if status == 200 and content is None:
            status = 404
        if status != 200 or content is None:
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if self.stall is not None:
            self.stall.wait(30)
        begin, end = 0, len(content)
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "") if self.ranges else None
        if part:
            begin = int(part[1])
            end = min(int(part[2]) + 1, end) if part[2] else end
            if begin >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        request.send_response(206 if part else 200)
        if part:
            request.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        if self.sized:
            request.send_header("Content-Length", str(end - begin))
        if self.encoding:
            request.send_header("Content-Encoding", self.encoding)
        if self.tag:
            request.send_header("ETag", self.tag)
        request.send_header("Content-Type", "text/html" if path.endswith("/") else "text/plain")
        request.end_headers()
        if request.command == "HEAD":
            return
        if self.drops:
            self.drops -= 1
            end = (begin + end) // 2
            request.close_connection = True
        for place in range(begin, end, 1 << 16):
            request.wfile.write(content[place : min(end, place + (1 << 16))])


@pytest.fixture
def web() -> Iterator[Web]:
    """A running web server."""
    pytest.importorskip("aiohttp", reason="aiohttp, which reads http://, is not installed")
    with serving(Web()) as server:
        yield server


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """Run a web server in a thread."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:  # who asked has gone away
                self.close_connection = True

        def do_GET(self) -> None:
            web.respond(self)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_web_files(web: Web, ranges: bool, sized: bool) -> None:
    """One request for all of a file, with and without parts and sizes; empty ones too."""
    web.ranges, web.sized = ranges, sized
    web.files = {"/x.txt": TEXT, "/empty": b"", "/a b/é": b"e"}
    for step in (-1, 1 << 18, 999_999):
        web.asked.clear()
        assert read(f"{web.url}/x.txt", step) == TEXT
        assert web.asked == [("GET", "/x.txt", "bytes=0-")]
    assert read(f"{web.url}/empty") == b"" and read(f"{web.url}/a%20b/é") == read(f"{web.url}/a b/%C3%A9") == b"e"
    assert {headers["Accept-Encoding"] for headers in web.headers} == {"identity"}
    (file,) = find_remote(f"{web.url}/x.txt")
    assert file.url == f"{web.url}/x.txt" and file.size == (len(TEXT) if sized else None) and file.version == 'etag:"1"'


def test_web_files_in_little_memory(web: Web) -> None:
    """Also from a server that sends nothing but whole files."""
    import tracemalloc

    web.ranges = False
    web.files = {"/x": bytes(64 << 20)}
    with open_remote(f"{web.url}/x") as stream:
        tracemalloc.start()
        try:
            total = 0
            while block := stream.read(1 << 18):
                total += len(block)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert total == 64 << 20 and most < 8 << 20


@pytest.mark.parametrize("ranges", [True, False])
def test_compressed_files(web: Web, ranges: bool) -> None:
    """Bytes are those that lie on the server, whatever it says of them; so offsets hold when a connection is lost."""
    packed = gzip.compress(os.urandom(5_000_000) + TEXT)
    web.files, web.ranges, web.drops, web.encoding = {"/x.txt.gz": packed}, ranges, 2, "gzip"
    assert read(f"{web.url}/x.txt.gz", 1 << 18) == packed


def test_jumping_about(web: Web) -> None:
    """Where the server sends parts, by blocks; else not at all, and that is said."""
    web.files = {"/x": TEXT}
    with open_remote(f"{web.url}/x") as stream:
        assert stream.seekable() and stream.readable() and stream.read(3) == TEXT[:3] and stream.tell() == 3
        assert stream.seek(-20, io.SEEK_END) == len(TEXT) - 20 and stream.read(8) == TEXT[-20:-12]
        assert stream.seek(2, io.SEEK_CUR) == len(TEXT) - 10 and stream.read() == TEXT[-10:] and stream.read(1) == b""
        for place in (5_000_000, 7, 5_000_100, 0):
            stream.seek(place)
            assert stream.read(1000) == TEXT[place : place + 1000]
        assert stream.seek(len(TEXT) + 5) and stream.read(3) == b""
        with pytest.raises(ValueError):
            stream.seek(-1)
    web.ranges = False
    with open_remote(f"{web.url}/x") as stream:
        assert not stream.seekable() and stream.seek(0) == 0
        with pytest.raises(OSError, match="does not send parts"):
            stream.seek(10)
        assert stream.read() == TEXT
    with pytest.raises(ValueError):
        stream.read()


def test_a_server_that_stops_sending_parts(web: Web) -> None:
    """It is read from the beginning again, up to where reading was."""
    web.files = {"/x": TEXT}
    with open_remote(f"{web.url}/x") as stream:
        stream.seek(100)
        assert stream.read(100) == TEXT[100:200]
        web.ranges = False
        assert stream.read() == TEXT[200:]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("step", [-1, 1 << 18])
def test_lost_connections(web: Web, ranges: bool, step: int) -> None:
    """Reading goes on where it stopped."""
    web.ranges, web.drops = ranges, 3
    web.files = {"/x": TEXT}
    assert read(f"{web.url}/x", step) == TEXT
    assert web.drops == 0 and len(web.asked) == 4
    if ranges:
        begins = [int(part.removeprefix("bytes=").removesuffix("-")) for _, _, part in web.asked if part]
        assert begins == sorted(set(begins))


def test_a_connection_that_is_lost_for_good(web: Web) -> None:
    """What came is given out first, an OSError after it, as often as it is asked."""
    web.files = {"/x": TEXT}
    web.ranges, web.drops = False, 100
    with open_remote(f"{web.url}/x") as stream:
        assert TEXT.startswith(stream.read()) and stream.tell() > len(TEXT) // 3
        for _ in range(2):
            with pytest.raises(OSError) as caught:
                stream.read(10)
            assert caught.value.strerror
    assert len(web.asked) == 4  # one, and three further attempts


def test_a_server_that_goes_away(web: Web) -> None:
    """In the middle of a file, or with another status."""
    web.files = {"/x": TEXT}
    web.drops = 1
    web.answers = [200, 403]
    with open_remote(f"{web.url}/x") as stream, pytest.raises(PermissionError):
        while stream.read(1 << 18):
            pass
    web.drops, web.answers = 1, [200, 404]
    with open_remote(f"{web.url}/x") as stream, pytest.raises(OSError):
        while stream.read(1 << 18):
            pass


def test_a_file_that_changes(web: Web) -> None:
    """Halves of two files are no file."""
    web.files = {"/x": TEXT}
    web.drops = 1
    with open_remote(f"{web.url}/x") as stream:
        web.tag = '"2"'
        with pytest.raises(OSError, match="changed"):
            while stream.read(1 << 18):
                pass


def test_a_server_that_stalls(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is given up after a while."""
    monkeypatch.setattr(remote, "TIMEOUT", 0.2)
    web.files = {"/x": b"x"}
    web.stall = threading.Event()
    try:
        fails(ReadWriteError, "E-REMOTE", lambda: open_remote(f"{web.url}/x"))
    finally:
        web.stall.set()


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (404, NotFound, "E-NOT-FOUND"),
        (410, NotFound, "E-NOT-FOUND"),
        (401, PermissionDenied, "E-PERMISSION"),
        (403, PermissionDenied, "E-PERMISSION"),
        (400, ReadWriteError, "E-REMOTE"),
        (500, ReadWriteError, "E-REMOTE"),
        (503, ReadWriteError, "E-REMOTE"),
    ],
)
def test_statuses(web: Web, status: int, kind: type[CharvecError], code: str) -> None:
    """Of finding and of opening; nothing secret in the message; only what may pass is tried again."""
    web.files = {"/x": b"x"}
    url = f"{web.url}/x".replace("://", "://me:word@") + "?token=t0ken"
    for action in (find_remote, open_remote):
        web.answers, web.asked = [status] * 20, []
        error = fails(kind, code, lambda action=action: action(url))  # type: ignore[misc]
        text = " ".join(map(str, (error, error.path, error.help, error.message)))
        assert "word" not in text and "t0ken" not in text and "***@127.0.0.1" in text
        assert len(web.asked) == (4 if status >= 500 else 1) * (2 if action is find_remote else 1)  # HEAD, then GET


def test_errors_that_pass(web: Web) -> None:
    """A server that is overloaded for a moment."""
    web.files = {"/x": b"x"}
    web.answers = [500, 503]
    assert read(f"{web.url}/x") == b"x"
    web.answers = [500, 500, 429, 429]
    assert names(f"{web.url}/x") == [f"{web.url}/x"]
    web.head = False
    assert names(f"{web.url}/x") == [f"{web.url}/x"]


def test_what_is_tried_again() -> None:
    """What may pass: not a host that nobody knows, and nothing that was said clearly."""
    from charvec.plumbing.remote.remote_faults import judge

    kinds = {
        socket.gaierror(socket.EAI_AGAIN, "later"): "passing",
        TimeoutError("slow"): "passing",
        ConnectionResetError("reset"): "passing",
        OSError(errno.EIO, "disk"): "passing",
        socket.gaierror(socket.EAI_NONAME, "unknown"): "broken",
        OSError(errno.EINVAL, "no"): "broken",
        ValueError("no"): "broken",
        FileNotFoundError("no"): "missing",
        PermissionError("no"): "denied",
    }
    assert {error: judge(error)[0] for error in kinds} == kinds


def test_nobody_there() -> None:
    """A refused connection."""
    pytest.importorskip("aiohttp", reason="aiohttp, which reads http://, is not installed")
    with serving(Web()) as web:
        url = web.url
    fails(ReadWriteError, "E-REMOTE", lambda: find_remote(f"{url}/x"))
    fails(ReadWriteError, "E-REMOTE", lambda: open_remote(f"{url}/x"))


INDEX = """<html><a href="../">Parent</a> <a href="?C=N;O=D">Name</a> <a href="a.txt">a</a> <a href="b%20c.txt">b</a>
<a href="sub/">sub</a> <a href="/top/abs.csv">abs</a> <a href="http://elsewhere.invalid/x.txt">x</a> <a href="#f">f</a>
<a href="../out.txt">o</a> <a href="sub/../../out.txt">o</a> <a href="%2e%2e/out.txt">o</a>
<a href=".hid/">h</a></html>"""


def test_web_folders(web: Web) -> None:
    """The files that index pages link to, below the folder; no columns to sort by, no way out, no other server."""
    web.files = {
        "/top/": INDEX.encode(),
        "/top/sub/": b'<a href="d.txt">d</a> <a href="/top/">up</a> <a href="/top/sub/">here</a> <a href="e/">e</a>',
        "/top/sub/e/": b'<a href="f.txt">f</a>',
        "/top/.hid/": b'<a href="g.txt">g</a>',
        **{f"/top/{name}": name.encode() for name in ("a.txt", "b c.txt", "sub/d.txt", "abs.csv", "sub/e/f.txt")},
        "/empty/": b"<html></html>",
    }
    top = f"{web.url}/top/"
    files = ["a.txt", "abs.csv", "b%20c.txt", "sub/d.txt", "sub/e/f.txt"]
    assert find(top) == [*(top + name for name in files), "hidden 1"]
    assert read(top + "b%20c.txt") == b"b c.txt"
    assert find(top, extensions=["csv"], exclude=["sub"]) == [top + "abs.csv", "hidden 1 excluded 1"]
    assert names(top + "*.txt") == [top + "a.txt", top + "b%20c.txt"]
    assert [name for name in names(top + "**/*.txt") if "/.hid/" not in name] == [
        top + name for name in (*files[:1], *files[2:])
    ]
    assert names(top + "sub/[de]*.txt") == [top + "sub/d.txt"]
    assert not any("elsewhere" in path or "out" in path for _, path, _ in web.asked)
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote(f"{web.url}/empty/"))
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote(f"{web.url}/none/"))
    fails(NotFound, "E-NOT-FOUND", lambda: find_remote(top + "*.none"))


def test_web_folders_without_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that makes up pages is left at some depth, and at some number."""

    class Endless(dict[str, bytes]):
        def get(self, key: str, default: Any = None) -> Any:
            return b'<a href="a/">a</a> <a href="b/">b</a> <a href="x.txt">x</a>' if key.endswith("/") else b"x"

    web.files = Endless()
    monkeypatch.setattr(remote, "DEEPEST", 3)
    assert len(names(f"{web.url}/t/")) == 15
    monkeypatch.setattr(remote, "DEEPEST", 20)
    monkeypatch.setattr(remote, "MOST_PAGES", 50)
    assert "pages" in fails(ReadWriteError, "E-REMOTE", lambda: find_remote(f"{web.url}/t/")).message


def test_zip_files_on_a_web_server(web: Web, tmp_path: Path) -> None:
    """Read by parts; from a server that sends none, an error that says so."""
    noise = os.urandom(20_000_000)
    make_zip(tmp_path / "x.zip", **{"a.txt": TEXT, "noise": noise, "b.txt": b"b"})
    web.files = {"/x.zip": (tmp_path / "x.zip").read_bytes()}
    url = f"zip://b.txt::{web.url}/x.zip"
    assert names(url) == [url] and read(url) == b"b" and read(f"zip://a.txt::{web.url}/x.zip") == TEXT
    assert names(f"zip://*.txt::{web.url}/x.zip") == [f"zip://{name}::{web.url}/x.zip" for name in ("a.txt", "b.txt")]


def test_one_bad_folder_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that fails when its turn comes is listed as a problem; a name that is wrong stops all at once."""
    fill("/d/a", "/e/b")
    memory = type(fsspec.filesystem("memory"))
    real = memory.find

    def broken(self: Any, path: str, *args: Any, **options: Any) -> Any:
        if path == "/d":
            raise ConnectionResetError("reset")
        return real(self, path, *args, **options)

    monkeypatch.setattr(memory, "find", broken)
    assert find("memory://d", "memory://e") == ["W-REMOTE memory://d", "memory://e/b"]
    with pytest.raises(NotFound):
        next(iter(find_samples(["memory://e", "memory://none"])))


# -- buckets

MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A server that answers as S3 does, in a process of its own."""
    for package in ("moto.server", "s3fs"):
        if not installed(package):
            pytest.skip(f"{package.partition('.')[0]} is not installed (pip install 's3fs' 'moto[server]')")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", MOTO], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as server:
        assert server.stdin and server.stdout
        host, port = server.stdout.readline().decode().split()
        yield f"http://{host}:{port}"
        server.stdin.close()


def installed(module: str) -> bool:
    """Whether a module can be imported; it is not."""
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture
def bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket called bkt, found through the environment alone."""
    for name, value in (
        ("ENDPOINT_URL", moto),
        ("ACCESS_KEY_ID", "key"),
        ("SECRET_ACCESS_KEY", "s"),
        ("REGION", "us-east-1"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    kind = fsspec.get_filesystem_class("s3")
    kind.clear_instance_cache()
    system = kind()
    system.mkdir("bkt")
    yield system
    system.rm("bkt", recursive=True)
    kind.clear_instance_cache()


def test_buckets(bucket: Any) -> None:
    """Objects, folders, patterns; versions are entity tags; by blocks, from any place."""
    content = {
        "d/a.txt": TEXT,
        "d/s/b.csv": b"b",
        "d/s/c.txt": b"c",
        "d/.h/x": b"x",
        "e 中.txt": b"e",
        "d/folder/": b"",
    }
    for key, value in content.items():
        bucket.pipe(f"bkt/{key}", value)
    bucket.invalidate_cache()
    assert names("s3://bkt") == [
        f"s3://bkt/{key}" for key in ("e 中.txt", "d/a.txt", "d/.h/x", "d/s/b.csv", "d/s/c.txt")
    ]
    assert names("s3://bkt/d/s") == names("s3://bkt/d/s/") == ["s3://bkt/d/s/b.csv", "s3://bkt/d/s/c.txt"]
    assert names("s3://bkt/**/*.txt") == ["s3://bkt/d/a.txt", "s3://bkt/d/s/c.txt", "s3://bkt/e 中.txt"]
    assert find("s3://bkt", exclude=["s/"], extensions=["txt"]) == [
        "s3://bkt/e 中.txt",
        "s3://bkt/d/a.txt",
        "hidden 1 excluded 1",
    ]
    (file,) = find_remote("s3://bkt/d/a.txt")
    (listed,) = (each for each in find_remote("s3://bkt/d") if each.url == file.url)
    tag = f'etag:"{hashlib.md5(TEXT).hexdigest()}"'
    assert file.version == listed.version == tag and file.size == listed.size == len(TEXT)
    assert read("s3://bkt/d/a.txt", 1 << 18) == TEXT and read("s3://bkt/e 中.txt") == b"e"
    with open_remote("s3://bkt/d/a.txt") as stream:
        assert stream.seekable() and stream.seek(-5, io.SEEK_END) and stream.read() == TEXT[-5:]


def test_missing_buckets_and_keys(bucket: Any) -> None:
    """Of the bucket and in it, when they are looked for and when they are opened."""
    bucket.pipe("bkt/a", b"a")
    for url in ("s3://bkt/none", "s3://bkt/none/*.txt", "s3://none-such/x"):
        fails(NotFound, "E-NOT-FOUND", lambda url=url: find_remote(url))  # type: ignore[misc]
    fails(NotFound, "E-NOT-FOUND", lambda: open_remote("s3://bkt/none"))


def test_zip_files_in_buckets(bucket: Any, tmp_path: Path) -> None:
    """A chain of two."""
    make_zip(tmp_path / "x.zip", **{"d/a.txt": b"a", "b.txt": b"b"})
    bucket.pipe("bkt/x.zip", (tmp_path / "x.zip").read_bytes())
    assert names("zip://::s3://bkt/x.zip") == ["zip://b.txt::s3://bkt/x.zip", "zip://d/a.txt::s3://bkt/x.zip"]
    assert read("zip://d/a.txt::s3://bkt/x.zip") == b"a"


def test_buckets_without_credentials(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are no reason to fail without a word."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    kind = fsspec.get_filesystem_class("s3")
    kind.clear_instance_cache()
    error = fails(PermissionDenied, "E-PERMISSION", lambda: find_remote("s3://bkt/x"))
    assert "credentials" in error.help and "FSSPEC_S3_ANON" in error.help
    kind.clear_instance_cache()


# -- the hub


COMMIT = {"id": "0" * 40, "title": "", "date": "2024-01-01T00:00:00.000Z"}


class Hub(Web):
    """A server that answers as the Hugging Face hub does, for one dataset, ``org/name``.

    Attributes:
        token: without it there is no answer; None when there is always one.
    """

    token: str | None = None

    def respond(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = unquote(urlparse(request.path).path)
        api, resolve = "/api/datasets/org/name", "/datasets/org/name/resolve/main/"
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refuse(request, 401, "RepoNotFound")
        elif path.startswith(resolve):
            if path.removeprefix(resolve) in self.files:
                self.files[path] = self.files[path.removeprefix(resolve)]
                super().respond(request)
            else:
                self.refuse(request, 404, "EntryNotFound")
        elif path in (api, f"{api}/revision/main"):
            self.send(
                request,
                {
                    "id": "org/name",
                    "sha": "0" * 40,
                    "siblings": [],
                    "private": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                },
            )
        elif path.startswith(f"{api}/tree/main"):
            self.tree(
                request, path.removeprefix(f"{api}/tree/main").strip("/"), "recursive=true" in request.path.lower()
            )
        elif path == f"{api}/commits/main":  # older clients ask for it, and for what follows
            self.send(request, [{**COMMIT, "authors": [], "message": ""}])
        elif path == f"{api}/paths-info/main":
            body = request.rfile.read(int(request.headers["Content-Length"])).decode()
            wanted = parse_qs(body).get("paths", []) if body[:1] != "{" else json.loads(body)["paths"]
            self.send(request, [each for each in self.entries("", True) if each["path"] in wanted])
        elif path.startswith(f"{api}/"):
            self.refuse(request, 404, "RevisionNotFound")
        else:
            self.refuse(request, 404, "RepoNotFound")

    def tree(self, request: http.server.BaseHTTPRequestHandler, top: str, deep: bool) -> None:
        """List a folder."""
        found = self.entries(top, deep)
        if found:
            self.send(request, found)
        else:
            self.refuse(request, 404, "EntryNotFound")

    def entries(self, top: str, deep: bool) -> list[dict[str, Any]]:
        """What is in a folder, or below it."""
        found: dict[str, dict[str, Any]] = {}
        for name, content in self.files.items():
            if name.startswith("/") or (top and not name.startswith(f"{top}/")):
                continue
            parts = name.removeprefix(f"{top}/" if top else "").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(([top] if top else []) + parts[:depth])
                if deep or depth == 1:
                    found[folder] = {"type": "directory", "oid": "1", "size": 0, "path": folder, "lastCommit": COMMIT}
            if deep or len(parts) == 1:
                digest = hashlib.sha1(content).hexdigest()
                found[name] = {"type": "file", "oid": digest, "size": len(content), "path": name, "lastCommit": COMMIT}
        return list(found.values())

    def send(self, request: http.server.BaseHTTPRequestHandler, value: object) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def refuse(self, request: http.server.BaseHTTPRequestHandler, status: int, code: str) -> None:
        """Answer that there is nothing."""
        request.send_response(status)
        request.send_header("X-Error-Code", code)
        request.send_header("X-Error-Message", code)
        request.send_header("Content-Length", "0")
        request.end_headers()


ASK = """
import json, sys
from charvec.errors import CharvecError
from charvec.plumbing.remote import remote_stream
from charvec.plumbing.remote.remote_samples import find_remote, open_remote
remote_stream.DELAYS = (0.0,)
answers = []
for url in sys.argv[1:]:
    try:
        found = list(find_remote(url))
        texts = []
        for file in found:
            with open_remote(file.url) as stream:
                texts.append(len(stream.read(5) + stream.read()))
        answers.append([[file.url, file.size, file.version, length] for file, length in zip(found, texts)])
    except CharvecError as error:
        answers.append([error.code, error.help, error.message])
print(json.dumps(answers))
"""


def ask_hub(hub: Hub, *urls: str, **environment: str) -> list[Any]:
    """What finding and reading gives in a process of its own: the hub's client looks at the environment only once."""
    if not installed("huggingface_hub"):
        pytest.skip("huggingface_hub is not installed")
    settled = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", **environment}
    path = os.pathsep.join(path for path in sys.path if path)
    run = subprocess.run(
        [sys.executable, "-c", ASK, *urls],
        env={**os.environ, "PYTHONPATH": path, **settled},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    answers: list[Any] = json.loads(run.stdout)
    return answers


def test_the_hub() -> None:
    """Files, folders and patterns of a dataset, at a branch or without; HF_ENDPOINT and HF_TOKEN are respected."""
    with serving(Hub()) as hub:
        assert isinstance(hub, Hub)
        hub.token = "secret"
        hub.files = {"README.md": b"readme", "data/a.txt": TEXT, "data/b.csv": b"b", "data/s/c.txt": b"ccccccc"}
        top = "hf://datasets/org/name"
        sizes = {f"{top}/{name}": len(content) for name, content in hub.files.items()}
        folder, one, pattern, branch, none, other = ask_hub(
            hub,
            *(top, f"{top}/data/a.txt", f"{top}/data/**/*.txt", f"{top}@main/data", f"{top}/none", "hf://datasets/a/b"),
            HF_TOKEN="secret",
        )
        assert [url.removeprefix(top) for url, *_ in folder] == [
            "/README.md",
            "/data/a.txt",
            "/data/b.csv",
            "/data/s/c.txt",
        ]
        assert all(size == length == sizes[url] for url, size, _, length in folder)
        assert one == folder[1:2] and pattern == [folder[1], folder[3]]
        assert [url for url, *_ in branch] == [f"{top}@main/data/{name}" for name in ("a.txt", "b.csv", "s/c.txt")]
        assert folder[1][2] == f"blob_id:{hashlib.sha1(TEXT).hexdigest()}"
        assert none[0] == "E-NOT-FOUND" and other[0] == "E-NOT-FOUND"
        assert all("Bearer secret" in headers.values() for headers in hub.headers)
        (denied,) = ask_hub(hub, top)
        assert denied[0] == "E-PERMISSION" and "HF_TOKEN" in denied[1]
        before = len(hub.asked)
        (offline,) = ask_hub(hub, top, HF_HUB_OFFLINE="1")
        assert offline[0] == "E-REMOTE" and "HF_HUB_OFFLINE" in offline[1] and len(hub.asked) == before


def test_a_hub_that_fails() -> None:
    """For a moment, and for good."""
    with serving(Hub()) as hub:
        assert isinstance(hub, Hub)
        hub.files = {"a.txt": TEXT}
        hub.answers = [503]
        (found,) = ask_hub(hub, "hf://datasets/org/name/a.txt")
        assert found[0][3] == len(TEXT)
        hub.drops = 1
        (found,) = ask_hub(hub, "hf://datasets/org/name/a.txt")
        assert found[0][3] == len(TEXT) and not hub.drops
