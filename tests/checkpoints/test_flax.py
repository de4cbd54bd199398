"""Flax checkpoints: held against flax and the msgpack library, valid and damaged."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import AllRows, flips, overwrite
from effort import tries

from charvec import checkpoints
from charvec.checkpoints import flax as member
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing import msgpack as plumbing
from charvec.plumbing.files import File
from charvec.rows import read_rows

msgpack = pytest.importorskip("msgpack", reason="writes files with the msgpack library")

DATA = Path(__file__).resolve().parents[1] / "data" / "flax"
A = np.load(DATA.parent / "pytorch" / "A.npy")
EVERY = np.arange(len(A))


def pack(tree: Any) -> bytes:
    """As flax.serialization.msgpack_serialize lays arrays out."""

    def other(value: Any) -> Any:
        content = msgpack.packb((value.shape, value.dtype.name, value.tobytes()), use_bin_type=True)
        return msgpack.ExtType(1 if isinstance(value, np.ndarray) else 3, content)

    return bytes(msgpack.packb(tree, default=other, strict_types=True))


def in_pieces(array: Any, size: int) -> dict[str, Any]:
    """As flax lays out an array that is too large for one value, with ``size`` elements a piece."""
    flat = array.reshape(-1)
    pieces = {str(number): flat[start : start + size] for number, start in enumerate(range(0, flat.size, size))}
    shape = {str(axis): length for axis, length in enumerate(array.shape)}
    return {"__msgpack_chunked_array__": True, "shape": shape, "chunks": pieces}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("flax_model", "bert/embeddings/word_embeddings/embedding"),
        ("train_state", "params/bert/embeddings/word_embeddings/embedding"),
        ("chunked", "params/shared/embedding"),
    ],
)
def test_what_flax_wrote(file: str, name: str) -> None:
    """The input embedding is found, also beside its moments, and its rows are those flax had."""
    checkpoint = checkpoints.read(DATA / f"{file}.msgpack")
    chosen = find_embedding(checkpoint).tensor
    assert (checkpoint.format, chosen.name) == ("flax", name)
    assert read_rows(chosen, EVERY[::-1])[0].tobytes() == A[::-1].tobytes()


def test_shards(tmp_path: Path) -> None:
    """Hugging Face's index of Flax shards has the same names as they."""
    (tmp_path / "flax_model.msgpack.index.json").write_text(
        '{"weight_map": {"embeddings/word_embeddings/embedding": "flax_model-00001-of-00002.msgpack"}}'
    )
    shard = pack({"embeddings": {"word_embeddings": {"embedding": A}}})
    (tmp_path / "flax_model-00001-of-00002.msgpack").write_bytes(shard)
    chosen = find_embedding(checkpoints.read(tmp_path)).tensor
    assert read_rows(chosen, EVERY)[0].tobytes() == A.tobytes()


def test_dtypes() -> None:
    """Each element type flax wrote; numbers that are no arrays are passed over."""
    tensors = checkpoints.read(DATA / "dtypes.msgpack").tensors
    assert {name.removeprefix("params/"): (each.shape, each.dtype) for name, each in tensors.items()} == {
        "float32": ((23, 6), "float32"),
        "float16": ((23, 6), "float16"),
        "bfloat16": ((23, 6), "bfloat16"),
        "float64": ((23, 6), "float64"),
        "float8": ((23, 6), "float8_e4m3fn"),
        "int32": ((3,), "int32"),
        "scalar": ((), "float32"),
        "cnumber": ((), "complex64"),
    }
    bits = A.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    expected = {"float32": A, "float64": A, "float16": A.astype("f2").astype("f4"), "bfloat16": rounded}
    for name, matrix in expected.items():
        assert read_rows(tensors[f"params/{name}"], EVERY)[0].tobytes() == matrix.tobytes()
    half = checkpoints.read(DATA / "chunked.msgpack").tensors["params/half"]
    assert len(half.blocks) > 3
    assert read_rows(half, EVERY)[0].tobytes() == A.astype("f2").astype("f4").tobytes()


def by_flax(tree: Any, limit: int) -> bytes:
    """Flax's own bytes, with another limit for the size of an array."""
    serialization = pytest.importorskip("flax.serialization", reason="compares with flax")
    before, serialization.MAX_CHUNK_SIZE = serialization.MAX_CHUNK_SIZE, limit
    try:
        return bytes(serialization.msgpack_serialize(tree))
    finally:
        serialization.MAX_CHUNK_SIZE = before


def by_msgpack(tree: Any, limit: int) -> bytes:
    """The same by our hand."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(each) for key, each in value.items()}
        large = isinstance(value, np.ndarray) and value.nbytes > limit
        return in_pieces(value, max(1, limit // value.itemsize)) if large else value

    return pack(cut(tree))


@pytest.mark.parametrize("writer", [by_msgpack, by_flax])
def test_generated_files(tmp_path: Path, writer: Callable[[Any, int], bytes]) -> None:
    """Names, shapes and rows are those that were written, bit for bit, also where rows are cut in two."""
    path, chance = tmp_path / "m.msgpack", random.Random(8)
    numbers = np.random.default_rng(8)
    blocks = Counter[int]()
    for _ in range(tries(100, 400)):
        truth: dict[str, Any] = {}

        def tree(prefix: str, depth: int, truth: dict[str, Any] = truth) -> dict[str, Any]:
            made: dict[str, Any] = {}
            for number in range(chance.choice((1, 2, 8)) if depth else 2):
                name = "".join(chance.choice("ab字/_") for _ in range(chance.choice((1, 5, 40)))) + str(number)
                name = name if prefix else "p" + name.replace("字", "")
                if depth < 4 and (not depth or chance.random() < 0.2):
                    made[name] = tree(f"{prefix}{name}/", depth + 1)
                    continue
                shape = tuple(chance.randrange(1, 20) for _ in range(chance.choice((0, 1, 2, 2, 3))))
                dtype = chance.choice(("float16", "float32", "float64", "int32"))
                truth[prefix + name] = made[name] = np.array(numbers.standard_normal(shape) * 9, dtype)
            return made

        overwrite(path, writer(tree("", 0), chance.choice((1 << 30, 100, 400))))
        tensors = checkpoints.read(path).tensors
        assert set(tensors) == set(truth)
        for name, array in truth.items():
            tensor = tensors[name]
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name)
            if array.dtype.kind == "f":
                ids = np.array([chance.randrange(tensor.rows) for _ in range(12)])
                expected = array.astype("f4").reshape(tensor.rows, tensor.columns)[ids]
                assert read_rows(tensor, ids)[0].tobytes() == expected.tobytes()
                blocks[min(len(tensor.blocks), 4)] += 1
    assert blocks[1] > 300 and blocks[4] > 100


def test_little_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long arrays are passed over."""
    path = tmp_path / "m.msgpack"
    path.write_bytes(pack({"a": {str(number): np.zeros((1000, 250), "f4") for number in range(20)}}))
    read: list[int] = []
    pread = File.pread
    monkeypatch.setattr(File, "pread", lambda self, *where: (read.append(where[1]), pread(self, *where))[1])
    assert len(checkpoints.read(path).tensors) == 20
    assert sum(read) < 300_000 < 20_000_000 < path.stat().st_size


def leaf(shape: Any, dtype: Any, data: Any, code: int = 1) -> Any:
    """An array whose parts are given."""
    return msgpack.ExtType(code, msgpack.packb((shape, dtype, data), use_bin_type=True))


def nested(depth: int) -> Any:
    """Maps within maps."""
    return {"a": nested(depth - 1)} if depth else 1


GOOD = pack({"params": {"w": A[:3]}})
PIECES = in_pieces(A, 7)
BAD = {
    "short": (pack({"a": leaf([2, 2], "float32", bytes(15))}), "E-FLAX"),
    "negative": (pack({"a": leaf([-2, -2], "float32", bytes(16))}), "E-FLAX"),
    "overflow": (pack({"a": leaf([2**63, 2, 2], "float32", bytes(16))}), "E-FLAX"),
    "bool": (pack({"a": leaf([True, 4], "float32", bytes(16))}), "E-FLAX"),
    "nine-axes": (pack({"a": leaf([1] * 9, "float32", bytes(4))}), "E-FLAX"),
    "many-axes": (pack({"a": leaf([1] * 99, "float32", bytes(4))}), "E-FLAX"),
    "text": (pack({"a": leaf([1], "float32", "abcd")}), "E-FLAX"),
    "parts": (pack({"a": msgpack.ExtType(1, msgpack.packb([1, 2]))}), "E-FLAX"),
    "further": (pack({"a": msgpack.ExtType(1, leaf([1], "float32", bytes(4)).data + b"\1")}), "E-FLAX"),
    "twice": (b"\x82" + pack({"ab": 1})[1:] * 2, "E-FLAX"),
    "same-name": (pack({"a/b": A[:1], "a": {"b": A[:1]}}), "E-FLAX"),
    "number-key": (pack({"a": {1: 2}}), "E-FLAX"),
    "deep": (pack(nested(80)), "E-FLAX"),
    "deep-arrays": (b"\x81\xa2ab" + b"\x91" * 100_000, "E-FLAX"),
    "count": (b"\x81\xa2ab\xdf\xff\xff\xff\xff\xa1a", "E-FLAX"),
    "never": (b"\x81\xa2ab\xc1", "E-FLAX"),
    "not-utf8": (b"\x81\xa2ab\x81\xa1\xff\x01", "E-FLAX"),
    "length": (b"\x81\xa2ab\xc9\xff\xff\xff\xff\x01abc", "E-TRUNCATED"),
    "cut": (GOOD[:-1], "E-TRUNCATED"),
    "tail": (GOOD + b"\0", "E-TRAILING"),
    "piece-missing": (pack({"a": {**PIECES, "chunks": {"0": A.reshape(-1)[:7]}}}), "E-FLAX"),
    "piece-order": (pack({"a": {**PIECES, "chunks": {"1": A.reshape(-1)}}}), "E-FLAX"),
    "piece-types": (pack({"a": {**PIECES, "shape": {"0": 2}, "chunks": {"0": A[0, :1], "1": np.ones(1)}}}), "E-FLAX"),
    "piece-number": (pack({"a": {**PIECES, "chunks": {"0": 7}}}), "E-FLAX"),
    "no-shape": (pack({"a": {"__msgpack_chunked_array__": True}}), "E-FLAX"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(tmp_path: Path, name: str) -> None:
    """Each fault has its code, and nothing is allocated for what is only claimed."""
    path = tmp_path / "m.msgpack"
    path.write_bytes(BAD[name][0])
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.code == BAD[name][1]
    assert str(path) in caught.value.message and caught.value.help


def test_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are counted."""
    path = tmp_path / "m.msgpack"
    path.write_bytes(pack({"params": {str(number): None for number in range(100)}}))
    assert len(checkpoints.read(path).tensors) == 0
    monkeypatch.setattr(plumbing.Reader.__init__, "__defaults__", (150,))
    with pytest.raises(CharvecError):
        checkpoints.read(path)


@pytest.mark.parametrize("name", ["flax_model", "chunked"])
def test_flipped_bits_and_every_cut(tmp_path: Path, name: str) -> None:
    """Every bit but those of rows, and many of them: an error of ours, or rows can be read; every cut is noticed."""
    whole = (DATA / f"{name}.msgpack").read_bytes()
    path = tmp_path / "m.msgpack"
    path.write_bytes(whole)
    handle, rows = os.open(path, os.O_RDWR), AllRows()
    codes = Counter[str]()

    def outcome() -> str:
        with File(path) as file:
            if not member.sniff(file):
                return "not recognised"
            try:
                checkpoint = member.read(file)
            except CharvecError as error:
                return error.code
        rows.read(checkpoint)
        return "read"

    for place, mask in list(flips(whole, checkpoints.read(path), seed=8)):
        os.pwrite(handle, bytes([whole[place] ^ mask]), place)
        codes[outcome()] += 1
        os.pwrite(handle, whole[place : place + 1], place)
    for length in range(len(whole)):
        os.ftruncate(handle, length)
        assert outcome() in ("E-TRUNCATED", "E-FLAX", "not recognised")
        os.pwrite(handle, whole, 0)
    os.close(handle)
    assert set(codes) <= {"read", "E-FLAX", "E-TRUNCATED", "E-TRAILING", "not recognised"}
    assert codes["E-FLAX"] > 500 and codes["read"] > 300
