"""safetensors checkpoints: held against the safetensors library, valid and damaged."""

from __future__ import annotations

import json
import os
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charvec import checkpoints
from charvec.checkpoints import safetensors
from charvec.errors import CharvecError, DamagedFile
from charvec.plumbing.arrays import gathering
from charvec.plumbing.files import File
from charvec.rows import read_rows
from charvec.tensor import Checkpoint

library = pytest.importorskip("safetensors", reason="compares with the safetensors library")

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "safetensors"


class MemoryFile(File):
    """The bytes of a file without the file."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes."""
        self.data, self.path, self.size, self.head = data, "model.safetensors", len(data), data[:4096]

    def pread(self, offset: int, length: int) -> bytes:
        """As of a file."""
        assert offset >= 0 <= length, "reads of negative size or place are the reader's fault"
        if offset + length > self.size:
            raise DamagedFile("E-TRUNCATED", "short", help="")
        return self.data[offset : offset + length]


def read(data: bytes) -> Checkpoint:
    """The checkpoint in those bytes, which must be recognised."""
    file = MemoryFile(data)
    assert safetensors.sniff(file)
    return safetensors.read(file)


def pack(header: Any, data: bytes = b"", padding: bytes = b"") -> bytes:
    """A file with that header, given as bytes or as what they parse to."""
    raw = header if isinstance(header, bytes) else json.dumps(header, ensure_ascii=False).encode()
    return struct.pack("<Q", len(raw + padding)) + raw + padding + data


def entry(dtype: str, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refusal(data: bytes) -> CharvecError:
    """The error a file is refused with."""
    with pytest.raises(CharvecError) as caught:
        read(data)
    assert caught.value.exit_code == 65
    assert caught.value.help
    assert str(caught.value).startswith(f"[{caught.value.code}] ")
    return caught.value


GOOD = {"__metadata__": {"format": "pt"}, "a": entry("F32", [2, 3], 0, 24), "b": entry("BF16", [4], 24, 32)}


def test_what_the_library_wrote() -> None:
    """Names, shapes, element types and rows of a file the library wrote."""
    checkpoint = checkpoints.read(DATA / "model.safetensors")
    matrix = np.load(DATA.parent / "pytorch" / "A.npy")
    assert checkpoint.format == "safetensors"
    assert checkpoint.files == {str(DATA / "model.safetensors"): (DATA / "model.safetensors").stat().st_size}
    name = "bert.embeddings.word_embeddings.weight"
    ids = np.arange(22, -1, -1)
    for each, expected in ((name, matrix), ("d", matrix), ("h", matrix.astype(np.float16).astype(np.float32))):
        np.testing.assert_array_equal(read_rows(checkpoint.tensors[each], ids)[0], expected[::-1])
    assert {each: (tensor.shape, tensor.dtype) for each, tensor in checkpoint.tensors.items()} == {
        name: ((23, 6), "float32"),
        "bf": ((23, 6), "bfloat16"),
        "d": ((23, 6), "float64"),
        "empty": ((0, 6), "float32"),
        "h": ((23, 6), "float16"),
        "i8": ((23, 6), "int8"),
        "scalar": ((), "float32"),
    }


TORCH_TYPES = ("float32", "float16", "bfloat16", "float64")


def test_500_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of every float tensor of files the library wrote is, bit for bit, what torch and the library read."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    generator = random.Random(23)
    path = tmp_path / "model.safetensors"
    compared = 0
    for _ in range(500):
        monkeypatch.setattr(gathering, "CHUNK", generator.choice((1, 100, 1 << 20)))
        monkeypatch.setattr(gathering, "GAP", generator.choice((0, 16, 4096)))
        monkeypatch.setattr("charvec.rows.STRAIGHT", generator.choice((1, 1024)))
        tensors = {}
        for _ in range(generator.randrange(1, 6)):
            dtype = getattr(torch, generator.choice(TORCH_TYPES))
            shape = [
                generator.randrange(0 if generator.random() < 0.1 else 1, 30)
                for _ in range(generator.choice((0, 1, 2, 2, 2, 3)))
            ]
            name = "".join(generator.choice('ab.字\u2028\x1b😀/\\"') for _ in range(generator.randrange(1, 9)))
            tensors[name] = torch.randn(shape, dtype=torch.float64).to(dtype)
        tensors["int"] = torch.arange(generator.randrange(1, 9), dtype=torch.int16)
        save_file(tensors, path, metadata={"n": "1"} if generator.random() < 0.5 else None)
        checkpoint, loaded = checkpoints.read(path), load_file(path)
        assert set(checkpoint.tensors) == set(loaded)
        for name, expected in loaded.items():
            tensor = checkpoint.tensors[name]
            assert (tensor.shape, f"torch.{tensor.dtype}") == (tuple(expected.shape), str(expected.dtype))
            if name == "int":
                continue
            ids = np.array([generator.randrange(tensor.rows) for _ in range(20 * bool(tensor.rows))], np.int64)
            found, _ = read_rows(tensor, ids)
            by_torch = expected.to(torch.float32).reshape(tensor.rows, tensor.columns)[torch.from_numpy(ids)].numpy()
            assert found.tobytes() == by_torch.tobytes()
            compared += found.size
    assert compared > 100_000


def test_the_librarys_other_element_types() -> None:
    """Every element type the format knows is listed; those charvec cannot read have no blocks."""
    sizes = {"F8_E8M0": 1, "C64": 8, "F8_E5M2": 1, "BOOL": 1, "U64": 8}
    for dtype, size in sizes.items():
        tensor = read(pack({"t": entry(dtype, [3, 2], 0, 6 * size)}, bytes(6 * size))).tensors["t"]
        assert tensor.shape == (3, 2)
    assert read(pack({"t": entry("F4", [2, 4], 0, 4)}, bytes(4))).tensors["t"].blocks == ()


@pytest.mark.parametrize("padding", [b" " * size for size in range(9)])
def test_padded_headers(padding: bytes) -> None:
    """Spaces after the header are legal and move the data."""
    data = np.arange(8, dtype=np.float32).tobytes()
    checkpoint = read(pack(GOOD, data, padding))
    assert checkpoint.tensors["a"].blocks[0].offset == 8 + len(json.dumps(GOOD)) + len(padding)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"__metadata__": None},
        {"t": {**entry("F32", [], 0, 4), "further": [1]}},
        {"z": entry("F32", [0], 0, 0), "a": entry("F32", [2, 0, 9], 0, 0), "t": entry("F32", [1], 0, 4)},
        {"t": entry("F32", [1, 1, 1, 1, 1, 1, 1, 1], 0, 4)},
        {"": entry("F32", [1], 0, 4)},
        {"\x1b[31m\u202e": entry("F32", [1], 0, 4)},
    ],
)
def test_odd_but_legal(header: Any) -> None:
    """What the library accepts, however odd, is accepted."""
    data = pack(header, bytes(4 if any(name in header for name in ("t", "", "\x1b[31m\u202e")) else 0))
    assert len(library.deserialize(data)) == len(read(data).tensors)


BAD = {
    "len-2e63": (b"\0\0\0\0\0\0\0\x80" + pack(GOOD)[8:], "E-ST-HEADER"),
    "len-100m": (struct.pack("<Q", 100_000_001) + pack(GOOD)[8:], "E-ST-HEADER"),
    "len-past": (struct.pack("<Q", 10_000) + pack(GOOD, bytes(32))[8:], "E-ST-HEADER"),
    "not-utf8": (pack(b'{"\xff":1}'), "E-ST-HEADER"),
    "array": (pack(b"[1,2,3]"), "E-ST-HEADER"),
    "cut-json": (pack(b'{"a":{"dtype":"F3'), "E-ST-HEADER"),
    "bigint": (
        pack(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', bytes(4)),
        "E-ST-HEADER",
    ),
    "deep": (pack(b'{"a":' + b"[" * 50_000), "E-ST-HEADER"),
    "entry": (pack({"a": [1]}), "E-ST-HEADER"),
    "entry-short": (pack({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)), "E-ST-HEADER"),
    "metadata": (pack({"__metadata__": {"a": 1}}), "E-ST-HEADER"),
    "metadata-list": (pack({"__metadata__": []}), "E-ST-HEADER"),
    "half-character": (pack(b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "E-ST-HEADER"),
    "overflow": (pack({"a": entry("F32", [2**62, 2**62, 4, 1], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "overflow-4": (pack({"a": entry("F32", [2**33 + 2, 2**31, 2], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "float": (pack({"a": entry("F32", [4.0], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "bool": (pack({"a": entry("F32", [True, 4], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "negative": (pack({"a": entry("F32", [-2, -2], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "null-shape": (pack({"a": entry("F32", None, 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "nine-axes": (pack({"a": entry("F32", [1] * 8 + [4], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "shape": (pack({"a": entry("F32", [5], 0, 16)}, bytes(16)), "E-ST-SHAPE"),
    "rev": (pack({"a": entry("F32", [4], 16, 0)}, bytes(16)), "E-ST-RANGE"),
    "negative-begin": (pack({"a": entry("F32", [4], -16, 0)}, bytes(16)), "E-ST-RANGE"),
    "float-range": (pack({"a": entry("F32", [4], 0.0, 16)}, bytes(16)), "E-ST-RANGE"),
    "one-offset": (pack({"a": {"dtype": "F32", "shape": [4], "data_offsets": [16]}}, bytes(16)), "E-ST-RANGE"),
    "past-end": (pack({"a": entry("F32", [4], 0, 16), "b": entry("F32", [4], 16, 10**9)}, bytes(32)), "E-ST-RANGE"),
    "past-end-begin": (
        pack({"a": entry("F32", [4], 0, 16), "b": entry("F32", [4], 9000, 9016)}, bytes(32)),
        "E-ST-RANGE",
    ),
    "overlap": (pack({"a": entry("F32", [4], 0, 16), "b": entry("F32", [4], 8, 24)}, bytes(24)), "E-ST-RANGE"),
    "same": (pack({"a": entry("F32", [4], 0, 16), "b": entry("F32", [4], 0, 16)}, bytes(16)), "E-ST-RANGE"),
    "hole": (pack({"a": entry("F32", [4], 8, 24)}, bytes(24)), "E-ST-HOLE"),
    "hole-between": (pack({"a": entry("F32", [4], 0, 16), "b": entry("F32", [4], 20, 36)}, bytes(36)), "E-ST-HOLE"),
    "dup": (
        pack(b'{"a":%b,"a":%b}' % ((b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}',) * 2), bytes(4)),
        "E-ST-DUPKEY",
    ),
    "dup-inside": (
        pack(b'{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
        "E-ST-DUPKEY",
    ),
    "dtype": (pack({"a": entry("F128", [1], 0, 16)}, bytes(16)), "E-ST-DTYPE"),
    "dtype-null": (pack({"a": entry(None, [1], 0, 16)}, bytes(16)), "E-ST-DTYPE"),  # type: ignore[arg-type]
    "trailing": (pack(GOOD, bytes(36)), "E-TRAILING"),
    "half": (pack(GOOD, bytes(31)), "E-TRUNCATED"),
    "no-data": (pack(GOOD), "E-TRUNCATED"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged(name: str) -> None:
    """Every kind of damage is refused with its own code; the library refuses all of them but duplicate keys, too."""
    data, code = BAD[name]
    assert refusal(data).code == code
    if not name.startswith(("dup", "nine")):
        with pytest.raises(library.SafetensorError):
            library.deserialize(data)


@pytest.mark.parametrize("size", range(32))
def test_every_truncation_of_the_data(size: int) -> None:
    """A file that ends before its data does is cut short, wherever that is."""
    data = pack(GOOD, bytes(32))
    error = refusal(data[: len(data) - 32 + size])
    assert error.code == "E-TRUNCATED"
    assert f"{len(data) - 32 + size:,} of {len(data):,} bytes" in error.message


def test_a_first_tensor_cut_in_the_middle() -> None:
    """A large first tensor and a small last one: still a file cut short, not a lie in the header."""
    header = {"a": entry("F32", [1000], 0, 4000), "b": entry("F32", [1], 4000, 4004)}
    assert refusal(pack(header, bytes(1000))).code == "E-TRUNCATED"


def test_every_truncation_of_the_header() -> None:
    """A file that ends within its header is refused; within its first nine bytes it is not even recognised."""
    data = pack(GOOD, bytes(32))
    for size in range(9, len(data) - 32):
        assert refusal(data[:size]).code == "E-ST-HEADER"
    for size in range(9):
        assert not safetensors.sniff(MemoryFile(data[:size]))


@pytest.mark.parametrize(
    "head",
    [
        b'{"data":{"id":1}}',
        b'        {"weight_map": {}}',
        b'\n\n\n\n\n\n\n\n{"a"',
        b"version https://git-lfs.github.com/spec/v1",
        b'<script>{"a"',
        b'GGUF\3\0\0\0{"',
        b'PK\3\4\0\0\0\0{"',
        b"\0" * 4096,
    ],
)
def test_not_recognised(head: bytes) -> None:
    """Text with a brace in the ninth place is text, and other formats are other formats."""
    assert not safetensors.sniff(MemoryFile(head + bytes(100)))


def mutated(generator: random.Random, data: bytes) -> bytes:
    """A file with a few mistakes; mostly the length of the header is put right again, so that the header is parsed."""
    tokens = [
        *(b'"F32" "F16" "C64" "F4" "x" "dtype" "shape" "data_offsets" 0 1 24 32 -1 1.0 1e3 true null'.split()),
        *(b'[] {} [2,3] , : " \\u0061 \\ud800 18446744073709551616 9223372036854775808 \xff'.split()),
    ]
    result = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        place, token = generator.randrange(len(result)), generator.choice(tokens)
        kind = generator.randrange(6)
        if kind == 0:
            result[place] ^= 1 << generator.randrange(8)
        elif kind == 1:
            del result[place : place + generator.randrange(1, 8)]
        elif kind == 2:
            result[place:place] = token
        elif kind == 3:
            result[place : place + len(token)] = token
        elif kind == 4:
            other = generator.randrange(len(result))
            result[place:place] = result[other : other + generator.randrange(40)]
        else:
            result = result[:place] if generator.random() < 0.5 else result + bytes(generator.randrange(9))
        result = result or bytearray(1)
    end = result.rfind(b"}") + 1
    if generator.random() < 0.7 and end > 8:
        return struct.pack("<Q", end - 8) + bytes(result[8:end]) + bytes(32)
    return bytes(result)


def test_fuzz_against_the_library() -> None:
    """Mutants are accepted if and only if the library accepts them, but for duplicate keys; nothing else is raised."""
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "1")))
    header = {**GOOD, "e": entry("I64", [0, 5], 32, 32)}
    base = pack(json.dumps(header, separators=(",", ":")).encode(), bytes(32))
    accepted = 0
    for _ in range(int(os.environ.get("CHARVEC_MUTANTS", "20000"))):
        data = mutated(generator, base)
        try:
            library.deserialize(data)
            theirs = True
        except library.SafetensorError:
            theirs = False
        file = MemoryFile(data)
        try:
            ours, code = safetensors.sniff(file) and bool(safetensors.read(file)), ""
        except CharvecError as error:
            ours, code = False, error.code
        assert ours == theirs or code == "E-ST-DUPKEY", data
        accepted += ours
    assert accepted
