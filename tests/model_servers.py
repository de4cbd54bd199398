"""Servers on this machine that hand out models: a web server with its moods, and those that answer as the hubs do."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, quote, unquote, urlparse

Server = TypeVar("Server", bound="ModelServer")
Request = http.server.BaseHTTPRequestHandler

#: Bytes of a file, or its size and what gives the bytes from here to there.
Content = bytes | Path | tuple[int, Callable[[int, int], bytes]]


class ModelServer:
    """A web server.

    Attributes:
        files: content by path.
        requests: what was asked for so far: path and Range.
        sent: bytes of content so far.
        headers: of the requests so far.
        url: where it listens.
        ranges: whether parts of files are sent.
        sized: whether the size of whole files is said.
        tag: makes the entity tag of a path; None for none.
        answers: statuses to answer the next requests for content with.
        drops: how many of the next downloads stop half way.
        moved: redirects by path, statuses with a Location.
        wrong: makes a Content-Range other than the right one.
        secret: a query without which every request is denied.
        encoding: what the server says that its content is compressed with; "" for nothing.
        wait: seconds before each answer.
        most: requests that were answered at the same time.
    """

    def __init__(self) -> None:
        self.files: dict[str, Content] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.headers: list[dict[str, str]] = []
        self.sent = 0
        self.url = ""
        self.ranges = True
        self.sized = True
        self.tag: Callable[[str], str] | None = lambda path: f'"{path}"'
        self.answers: list[int] = []
        self.drops = 0
        self.moved: dict[str, str] = {}
        self.wrong: Callable[[int, int, int], str] | None = None
        self.secret = ""
        self.encoding = ""
        self.wait = 0.0
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def folder(self, top: Path, at: str = "/") -> str:
        """Hand out all files of a folder; gives its URL."""
        for path in top.rglob("*"):
            if path.is_file():
                self.files[at + path.relative_to(top).as_posix()] = path
        return self.url + at.rstrip("/")

    def respond(self, request: Request) -> None:
        """Answer one request."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(self.wait)
            self.answer(request)
        finally:
            with self._lock:
                self._now -= 1

    def answer(self, request: Request) -> None:
        """Answer one request for a file."""
        address = urlparse(request.path)
        path, asked = unquote(address.path), request.headers.get("Range")
        with self._lock:
            self.requests.append((path, asked))
            self.headers.append(dict(request.headers))
            status = self.answers.pop(0) if self.answers else 0
        if path in self.moved:
            self.plain(request, 302, Location=self.moved[path])
        elif status:
            self.plain(request, status)
        elif self.secret and self.secret not in address.query:
            self.plain(request, 403)
        elif path not in self.files:
            self.plain(request, 404)
        else:
            self.content(request, path, asked)

    def plain(self, request: Request, status: int, body: bytes = b"", **headers: str) -> None:
        """An answer without a file."""
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def content(self, request: Request, path: str, asked: str | None) -> None:
        """A file or a part of it."""
        file = self.files[path]
        size = file.stat().st_size if isinstance(file, Path) else len(file) if isinstance(file, bytes) else file[0]
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "") if self.ranges else None
        start, end = (int(part[1]), min(int(part[2] or size) + 1, size)) if part else (0, size)
        if part and start >= size:
            self.plain(request, 416, Content_Range=f"bytes */{size}")
            return
        request.send_response(206 if part else 200)
        if part:
            said = self.wrong(start, end, size) if self.wrong else f"bytes {start}-{end - 1}/{size}"
            request.send_header("Content-Range", said)
        if part or self.sized:
            request.send_header("Content-Length", str(end - start))
        else:
            request.close_connection = True
        if self.encoding:
            request.send_header("Content-Encoding", self.encoding)
        if self.tag:
            request.send_header("ETag", self.tag(path))
        for name, value in self.more(path).items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        with self._lock:
            dropped, self.drops = self.drops > 0, max(0, self.drops - 1)
        if dropped:
            end, request.close_connection = (start + end) // 2, True
        for at in range(start, end, 1 << 16):
            stop = min(end, at + (1 << 16))
            if isinstance(file, bytes):
                block = file[at:stop]
            elif isinstance(file, Path):
                with file.open("rb") as stream:
                    stream.seek(at)
                    block = stream.read(stop - at)
            else:
                block = file[1](at, stop)
            with self._lock:
                self.sent += len(block)
            request.wfile.write(block)

    def more(self, path: str) -> dict[str, str]:
        """Headers that only some servers send."""
        return {}

    def asked(self, path: str) -> list[str | None]:
        """The parts that were asked for of a file."""
        return [part for each, part in self.requests if each == path]

    def forget(self) -> None:
        """Count anew."""
        self.requests, self.headers, self.sent, self.most = [], [], 0, 0


class ModelHub(ModelServer):
    """A server that answers as the hub does.

    Attributes:
        models: revisions by model, commits by revision; files are ``/MODEL/COMMIT/NAME``.
        renamed: new names of models.
        token: without it there is nothing to be seen of private models.
        private: these.
        gated: models that want an agreement first.
        large: where files larger than 1 kB are sent from, as a content network does it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[str, dict[str, str]] = {}
        self.renamed: dict[str, str] = {}
        self.token = ""
        self.private: set[str] = set()
        self.gated: set[str] = set()
        self.large: ModelServer | None = None

    def add(self, model: str, top: Path, commit: str = "1" * 40, revision: str = "main") -> None:
        """Put a model on the hub."""
        self.models.setdefault(model, {})[revision] = commit
        self.folder(top, f"/{model}/{commit}/")

    def answer(self, request: Request) -> None:
        """Answer one request."""
        quoted = urlparse(request.path).path  # in revisions with / it is %2F
        path = unquote(quoted)
        api = re.fullmatch(r"/api/models/(.+?)(?:/(?:revision|tree)/(.+))?", path)
        file = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", quoted)
        found = api or file
        if not found:
            super().answer(request)
            return
        with self._lock:
            self.requests.append((path, request.headers.get("Range")))
            self.headers.append(dict(request.headers))
            status = self.answers.pop(0) if self.answers else 0
        model, revision = unquote(found[1]), unquote(found[2] or "main")
        if status:
            self.plain(request, status)
        elif model in self.renamed:
            self.plain(request, 307, Location=quote(path.replace(model, self.renamed[model])))
        elif model not in self.models or (model in self.private and not self.allowed(request)):
            self.refuse(request, 401, "RepoNotFound")
        elif model in self.gated and not self.allowed(request) and file:
            self.refuse(request, 403, "GatedRepo")
        else:
            commits = self.models[model]
            known = any(each.startswith(f"/{model}/{revision}/") for each in self.files)
            commit = commits.get(revision, revision if known else "")
            top = f"/{model}/{commit}/"
            if not commit:
                self.refuse(request, 404, "RevisionNotFound")
            elif api and "/tree/" in path:
                self.plain(request, 200, json.dumps(self.tree(top)).encode(), Content_Type="application/json")
            elif api:
                names = [{"rfilename": each[len(top) :]} for each in self.files if each.startswith(top)]
                body = {"_id": "1", "id": model, "modelId": model, "sha": commit, "siblings": names, "tags": []}
                body |= {"private": False, "downloads": 0, "likes": 0, "createdAt": "2024-01-01T00:00:00.000Z"}
                self.plain(request, 200, json.dumps(body).encode(), Content_Type="application/json")
            else:
                self.resolve(request, top + unquote(found[3]))

    def tree(self, top: str) -> list[dict[str, object]]:
        """What the hub says of the files below a folder."""
        entries: list[dict[str, object]] = []
        for path in sorted(self.files):
            file = self.files[path]
            if path.startswith(top) and isinstance(file, Path):
                about = {"type": "file", "path": path[len(top) :], "size": file.stat().st_size}
                entries.append({**about, "oid": hashlib.sha1(path.encode()).hexdigest()})
        return entries

    def more(self, path: str) -> dict[str, str]:
        """The commit a file is of, without which the hub's own tools take nothing."""
        commit = next((part for part in path.split("/") if re.fullmatch("[0-9a-f]{40}", part)), None)
        return {"X-Repo-Commit": commit} if commit else {}

    def resolve(self, request: Request, path: str) -> None:
        """Send a small file, and say where a large one is."""
        file = self.files.get(path)
        if file is None:
            self.refuse(request, 404, "EntryNotFound")
        elif self.large is not None and isinstance(file, Path) and file.stat().st_size > 1000:
            self.large.files[path] = file
            self.large.secret = "X-Amz-Signature=0123abcd"
            self.plain(request, 302, Location=f"{self.large.url}{quote(path)}?X-Amz-Signature=0123abcd")
        else:
            self.content(request, path, request.headers.get("Range"))

    def allowed(self, request: Request) -> bool:
        """Whether the token came with the request."""
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def refuse(self, request: Request, status: int, code: str) -> None:
        """Answer that there is nothing."""
        self.plain(request, status, X_Error_Code=code, X_Error_Message=code)


class ModelScope(ModelServer):
    """A server that answers as ModelScope does; models are ``/OWNER/NAME/FILE``, at a branch and a tag.

    Attributes:
        tag_name: the newest tag, which its older tools take when no revision is named.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tag_name = "v1.0"

    def answer(self, request: Request) -> None:
        """Answer one request."""
        address = urlparse(request.path)
        asked = re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)(/.+)?", unquote(address.path))
        names = {each for each in self.files if asked and each.startswith(f"/{asked[1]}/")}
        if not asked or not names:
            self.say(request, 404, None)
        elif asked[2] == "/revisions":
            tags = [{"Revision": self.tag_name, "CreatedAt": 1_700_000_000}]
            self.say(request, 200, {"RevisionMap": {"Branches": [{**tags[0], "Revision": "master"}], "Tags": tags}})
        elif asked[2] == "/repo/files":
            self.say(request, 200, {"Files": [self.described(name, name.split("/", 3)[3]) for name in sorted(names)]})
        elif asked[2] == "/repo":
            path = f"/{asked[1]}/{parse_qs(address.query)['FilePath'][0]}"
            with self._lock:
                self.requests.append((path, request.headers.get("Range")))
                status = self.answers.pop(0) if self.answers else 0
            if status:
                self.plain(request, status)
            else:
                self.content(request, path, request.headers.get("Range"))
        else:
            self.say(request, 200, {"Name": asked[1]})

    def described(self, path: str, name: str) -> dict[str, object]:
        """What a listing says of a file."""
        file = self.files[path]
        data = file.read_bytes() if isinstance(file, Path) else file if isinstance(file, bytes) else file[1](0, file[0])
        digest = hashlib.sha256(data).hexdigest()
        about: dict[str, object] = {"Name": name.rpartition("/")[2], "Path": name, "Type": "blob", "Size": len(data)}
        return {**about, "Sha256": digest, "Revision": "1" * 40, "CommittedDate": 1_700_000_000}

    def say(self, request: Request, status: int, data: object) -> None:
        """An answer in ModelScope's form."""
        body = {"Code": status, "Success": status == 200, "Message": "", "Data": data}
        self.plain(request, status, json.dumps(body).encode(), Content_Type="application/json")


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Run a server in a thread."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits 40 ms for one of the client, who has nothing to say

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):  # who asked has gone away
                self.close_connection = True

        def do_GET(self) -> None:
            server.respond(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    class Threads(http.server.ThreadingHTTPServer):
        daemon_threads = True  # connections stay open

    with Threads(("127.0.0.1", 0), Handler) as listening:
        server.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
