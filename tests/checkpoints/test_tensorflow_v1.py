"""TensorFlow checkpoints of the first version: as TensorFlow wrote them, compressed, damaged.

``tests/oracle/tensorflow_bundles.py`` compares thousands with TensorFlow itself.
"""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.checkpoints import tensorflow, tensorflow_v1
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.arrays import varints
from charvec.plumbing.files import File
from charvec.plumbing.tensorflow.crc32c import crc32c, masked
from charvec.plumbing.tensorflow.leveldb import FOOTER, MAGIC
from charvec.plumbing.tensorflow.tensorbundle import Extents, slice_key
from charvec.rows import read_rows
from charvec.tensor import Tensor

DATA = Path(__file__).resolve().parents[1] / "data" / "tensorflow-v1"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "generated"
A = np.load(DATA.parent / "pytorch" / "A.npy")
CODES = {"float32": (1, 5), "float64": (2, 6), "float16": (19, 13), "int32": (3, 7)}


def rows(tensor: Tensor) -> NDArray[np.float32]:
    """All rows, backwards and put right again."""
    return read_rows(tensor, np.arange(tensor.rows)[::-1])[0][::-1]


@pytest.mark.parametrize(
    ("file", "name", "dtype"),
    [
        ("plain", "bert/embeddings/word_embeddings", "float32"),
        ("partitioned", "bert/embeddings/word_embeddings", "float32"),
        ("partitioned", "colpart", "float32"),
        ("float16", "w", "float16"),
        ("float64", "w", "float64"),
    ],
)
def test_what_tensorflow_wrote(file: str, name: str, dtype: str) -> None:
    """Every row, bit for bit."""
    tensor = checkpoints.read(DATA / f"{file}.ckpt").tensors[name]
    assert (tensor.shape, tensor.dtype) == ((23, 6), dtype)
    assert rows(tensor).tobytes() == A.astype(dtype).astype("f4").tobytes()
    assert (tensor.source is None) == (dtype != "float16")


def test_integers_are_listed() -> None:
    """They have no rows; the input embedding is found beside them."""
    tensors = checkpoints.read(DATA / "int8.ckpt").tensors
    assert (tensors["w"].shape, tensors["w"].dtype, tensors["w"].readable) == ((23, 6), "int8", False)
    assert find_embedding(checkpoints.read(DATA / "plain.ckpt")).tensor.name == "bert/embeddings/word_embeddings"


@pytest.mark.parametrize("name", ["v1_bigpart/model.ckpt", "v1_part/model.ckpt", "v1_plain/model.ckpt", "v1_f8/m"])
def test_shared_files(name: str) -> None:
    """A larger one, in seven slices; the truths lie beside."""
    if not (SHARED / name).exists():
        pytest.skip("needs ../shared/fixtures")
    truths = [np.load(SHARED / "A.npy"), np.load(SHARED / "B.npy"), np.load(SHARED / "A.npy")[:8]]
    for tensor in checkpoints.read(SHARED / name).tensors.values():
        if tensor.readable:
            assert any(rows(tensor).tobytes() == truth.tobytes() for truth in truths)


# --- files made here --------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Seven bits a byte."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def proto(*items: tuple[int, int | bytes]) -> bytes:
    """A message."""
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in items
    )


def block(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Content of a block, one restart point, keys shortened by what they share."""
    content, previous = bytearray(), b""
    for key, value in items:
        shared = 0
        while key[shared : shared + 1] == previous[shared : shared + 1] != b"":
            shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    return bytes(content) + struct.pack("<II", 0, 1)


def squeeze(content: bytes) -> bytes:
    """A snappy stream: literals, and copies of runs of one byte."""
    stream = bytearray(varint(len(content)))
    position = start = 0

    def literals(end: int) -> None:
        for place in range(start, end, 256):
            part = content[place : min(place + 256, end)]
            stream.extend(b"\xf0" + bytes([len(part) - 1]) + part)

    while position < len(content):
        end = position + 1
        while end < len(content) and content[end] == content[position] and end - position < 60:
            end += 1
        if end - position > 4:
            literals(position + 1)
            stream += bytes([(end - position - 2) << 2 | 2, 1, 0])
            start = end
        position = end
    literals(len(content))
    return bytes(stream)


def table(contents: list[bytes], pack: Callable[[bytes], bytes] | None = None) -> bytes:
    """A table of these blocks."""
    made = bytearray()

    def append(content: bytes) -> bytes:
        stored = pack(content) + b"\1" if pack else content + b"\0"
        handle = varint(len(made)) + varint(len(stored) - 1)
        made.extend(stored + masked(crc32c(stored)).to_bytes(4, "little"))
        return handle

    handles = [append(content) for content in contents]
    meta = append(block([]))
    index = append(block((b"%08d" % number, handle) for number, handle in enumerate(handles)))
    return bytes(made) + (meta + index).ljust(FOOTER - 8, b"\0") + MAGIC


def elements(array: NDArray[Any]) -> bytes:
    """A TensorProto's field of elements."""
    field = CODES[array.dtype.name][1]
    if field in (5, 6):
        return proto((field, array.tobytes()))
    numbers = array.view(np.uint16) if field == 13 else array.view(np.uint32)
    return proto((field, b"".join(map(varint, numbers.reshape(-1).tolist()))))


def part_of(extents: Extents) -> bytes:
    """A TensorSliceProto."""
    return b"".join(
        proto((1, proto(*((1, start),) * bool(start), (2, length)) if length >= 0 else b""))
        for start, length in extents
    )


def entries(tensors: dict[str, tuple[NDArray[Any], list[Extents]]]) -> dict[bytes, bytes]:
    """All entries of a checkpoint, by key."""
    described, made = [], {}
    for name, (array, slices) in tensors.items():
        shape = proto(*((2, proto((1, size))) for size in array.shape))
        code = CODES[array.dtype.name][0]
        described.append(
            (1, proto((1, name.encode()), (2, shape), (3, code), *((4, part_of(each)) for each in slices)))
        )
        for extents in slices:
            place = tuple(slice(start, start + length if length >= 0 else None) for start, length in extents)
            piece = np.ascontiguousarray(array[place])
            saved = proto((1, name.encode()), (2, part_of(extents)), (3, elements(piece)))
            made[slice_key(name, extents)] = proto((2, saved))
    return {b"": proto((1, proto(*described))), **dict(sorted(made.items()))}


def write(path: Path, made: dict[bytes, bytes], chance: random.Random, pack: Any = None) -> None:
    """The entries in blocks of one to five."""
    items, contents = list(made.items()), []
    while items:
        count = chance.randrange(1, 6)
        contents.append(block(items[:count]))
        items = items[count:]
    path.write_bytes(table(contents, pack))


def cut(shape: tuple[int, ...], chance: random.Random) -> list[Extents]:
    """Slices along one axis, or the whole."""
    whole = tuple((0, -1) for _ in shape)
    axes = [axis for axis, size in enumerate(shape) if size > 1 and (axis < 2 or shape[1] == 1)]
    if not axes or chance.random() < 0.4:
        return [whole]
    axis = chance.choice(axes)
    cuts = sorted(chance.sample(range(1, shape[axis]), chance.randrange(1, min(shape[axis], 5))))
    return [
        (*whole[:axis], (start, end - start), *whole[axis + 1 :])
        for start, end in zip([0, *cuts], [*cuts, shape[axis]], strict=True)
    ]


@pytest.mark.parametrize(("pack", "count"), [(None, 200), (squeeze, 60)], ids=["plain", "snappy"])
def test_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any, count: int) -> None:
    """Any types, partitions and blocks, compressed or not: every row is what was written."""
    path, chance = tmp_path / "m.ckpt", random.Random(11)
    numbers = np.random.default_rng(11)
    seen = Counter[str]()
    for _ in range(count):
        monkeypatch.setattr(varints, "PORTION", chance.choice((1, 7, 100, 1 << 20)))
        monkeypatch.setattr(varints, "STEP", chance.choice((1, 2, 10, 1 << 16)))
        tensors = {}
        for number in range(chance.randrange(1, 6)):
            dtype = chance.choice(list(CODES))
            shape = tuple(chance.randrange(1, 20) for _ in range(chance.randrange(4)))
            bits = numbers.integers(0, 256, int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize, np.uint8)
            tensors[chance.choice(("bert/字", "a\0b", "x")) + str(number)] = (
                np.frombuffer(bits.tobytes(), dtype).reshape(shape),
                cut(shape, chance),
            )
        write(path, entries(tensors), chance, pack)
        with File(path) as file:
            assert tensorflow_v1.sniff(file) and not tensorflow.sniff(file)
            checkpoint = tensorflow_v1.read(file)
        assert set(checkpoint.tensors) == set(tensors)
        for name, (array, _) in tensors.items():
            tensor = checkpoint.tensors[name]
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name)
            if tensor.dtype.startswith("float"):
                ids = np.array([chance.randrange(tensor.rows) for _ in range(9)])
                with np.errstate(over="ignore", invalid="ignore"):
                    expected = array.astype("f4").reshape(tensor.rows, tensor.columns)[ids]
                assert read_rows(tensor, ids)[0].tobytes() == expected.tobytes()
                seen[tensor.dtype] += 1
    assert min(seen.values()) > 20


def test_a_large_one_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 32 MB, a few kilobytes and the rows."""
    path = tmp_path / "m.ckpt"
    array = np.arange(8_000_000, dtype="f4").reshape(10_000, 800)
    path.write_bytes(table([block([item]) for item in entries({"emb": (array, [((0, -1), (0, -1))])}).items()]))
    read: list[int] = []
    pread, pread_into = File.pread, File.pread_into
    monkeypatch.setattr(File, "pread", lambda self, *where: (read.append(where[1]), pread(self, *where))[1])
    monkeypatch.setattr(
        File, "pread_into", lambda self, into, at: (read.append(len(into)), pread_into(self, into, at))[1]
    )
    tensor = checkpoints.read(path).tensors["emb"]
    assert sum(read) < 40_000
    assert read_rows(tensor, np.array([9999, 5]))[0].tobytes() == array[[9999, 5]].tobytes()
    assert sum(read) < 100_000


def test_parts_in_other_files(tmp_path: Path) -> None:
    """A saver told to shard leaves slices of a variable in other files: listed, not read."""
    path = tmp_path / "m.ckpt"
    made = entries({"w": (A, [((0, 20), (0, -1))]), "v": (A, [((0, -1), (0, -1))])})
    write(path, made, random.Random(1))
    tensors = checkpoints.read(path).tensors
    assert tensors["w"].dtype == "float32, partly in other files" and not tensors["w"].readable
    assert rows(tensors["v"]).tobytes() == A.tobytes()


WHOLE: Extents = ((0, -1), (0, -1))
TOP: Extents = ((0, 13), (0, -1))
MOST: Extents = ((10, 13), (0, -1))


def spoil(name: str) -> dict[bytes, bytes]:
    """Entries with one fault."""
    made = entries({"w": (A, [WHOLE])})
    key = slice_key("w", WHOLE)

    def saved(*items: tuple[int, int | bytes]) -> dict[bytes, bytes]:
        return {**made, key: proto((2, proto(*items)))}

    named = ((1, b"w"), (2, part_of(WHOLE)))
    return {
        "missing": {b"": made[b""]},
        "no-names": {key: made[key]},
        "short": saved(*named, (3, proto((5, bytes(551))))),
        "empty": saved(*named),
        "other-field": saved(*named, (3, proto((6, bytes(552))))),
        "twice": saved(*named, (3, proto((5, bytes(300)), (5, bytes(252))))),
        "other-name": saved((1, b"v"), *named[1:], (3, elements(A))),
        "other-slice": saved((1, b"w"), (2, part_of(TOP)), (3, elements(A))),
        "not-utf8": saved((1, b"\xff"), *named[1:], (3, elements(A))),
        "fields": saved(*named, *((9, b""),) * 99),
        "not-it": {**made, key: proto((3, b""))},
        "overlap": entries({"w": (A, [TOP, MOST])}),
        "beyond": entries({"w": (A, [((0, 24), (0, -1))])}),
        "axes": entries({"w": (A, [((0, -1),)])}),
        "same-name": {**made, b"": proto((1, made[b""][2:] * 2))},
        "many-axes": {**made, b"": proto((1, proto((1, proto((1, b"w"), (2, proto((2, b"")) * 40), (3, 1))))))},
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        *("missing", "no-names", "short", "empty", "other-field", "twice", "other-name", "other-slice", "not-utf8"),
        *("fields", "not-it", "overlap", "beyond", "axes", "same-name", "many-axes"),
    ],
)
def test_spoiled(tmp_path: Path, name: str) -> None:
    """Each fault is found when the file is opened."""
    path = tmp_path / "m.ckpt"
    path.write_bytes(table([block(spoil(name).items())]))
    with pytest.raises(CharvecError) as caught, File(path) as file:
        tensorflow_v1.read(file)
    assert caught.value.code == "E-TF-V1" and caught.value.help and str(path) in caught.value.message


@pytest.mark.parametrize("numbers", [b"\xff\xff\x04" * 138, b"\xff\xff\xff\x01" * 100, b"\1" * 137 + b"\x81\1" * 0])
def test_spoiled_halves(tmp_path: Path, numbers: bytes) -> None:
    """Numbers beyond 16 bits, and too few of them: found when rows are read, or before."""
    path = tmp_path / "m.ckpt"
    half = A.astype("f2")
    made = entries({"w": (half, [WHOLE])})
    made[slice_key("w", WHOLE)] = proto((2, proto((1, b"w"), (2, part_of(WHOLE)), (3, proto((13, numbers))))))
    path.write_bytes(table([block(made.items())]))
    with pytest.raises(CharvecError) as caught:
        read_rows(checkpoints.read(path).tensors["w"], np.arange(23))
    assert caught.value.code == "E-TF-V1"


@pytest.mark.parametrize("name", ["plain", "float16", "snappy"])
def test_every_flipped_bit_and_every_cut(tmp_path: Path, name: str) -> None:
    """An error of ours or the same file; checksums cover all but the padding of the footer."""
    path = tmp_path / "m.ckpt"
    if name == "snappy":
        write(path, entries({"w": (A[:5], [WHOLE]), "h": (A[:3].astype("f2"), [WHOLE])}), random.Random(3), squeeze)
    else:
        path.write_bytes((DATA / f"{name}.ckpt").read_bytes())
    whole = path.read_bytes()
    handle = os.open(path, os.O_RDWR)

    def outcome() -> Any:
        with File(path) as file:
            assert not tensorflow_v1.sniff(file) or not tensorflow.sniff(file)
            if not tensorflow_v1.sniff(file):
                return "not recognised"
            try:
                checkpoint = tensorflow_v1.read(file)
                return {each.name: rows(each).tobytes() for each in checkpoint.tensors.values() if each.readable}
            except CharvecError as error:
                assert error.code in ("E-TF-V1", "E-TRUNCATED")
                return error.code

    good, codes = outcome(), Counter[str]()
    for place in range(8 * len(whole)):
        os.pwrite(handle, bytes([whole[place // 8] ^ 1 << place % 8]), place // 8)
        found = outcome()
        assert isinstance(found, str) or found == good, place
        codes[found if isinstance(found, str) else "the same"] += 1
        os.pwrite(handle, whole[place // 8 : place // 8 + 1], place // 8)
    for length in range(len(whole)):
        os.ftruncate(handle, length)
        assert outcome() == "not recognised"
        os.pwrite(handle, whole, 0)
    os.close(handle)
    assert codes["the same"] < 8 * 40 and codes["E-TF-V1"] > 4 * len(whole)


@pytest.mark.parametrize("length", [b"\xff" * 9 + b"\x7f", b"\xff" * 8 + b"\x7f", b"\xff" * 20])
def test_endless_lengths(tmp_path: Path, length: bytes) -> None:
    """Lengths beyond 64 bits at the beginning: no sniffer raises, and one of the two refuses the file."""
    path = tmp_path / "m.ckpt"
    path.write_bytes((b"\0\0" + length + b"\x0a" + length).ljust(100, b"\0") + MAGIC)
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.code in ("E-TF-V1", "E-TF-INDEX")


@pytest.mark.parametrize("seed", range(4))
def test_mutants(tmp_path: Path, seed: int) -> None:
    """Damage under checksums that fit: bytes of the entries changed, cut out and doubled."""
    chance, path = random.Random(seed), tmp_path / "m.ckpt"
    made = list(
        entries({"w": (A[:6], [((0, 4), (0, -1)), ((4, 2), (0, -1))]), "h": (A[:2].astype("f2"), [WHOLE])}).items()
    )
    codes = Counter[str]()
    for _ in range(600):
        content = bytearray(block(made))
        for _ in range(chance.choice((1, 1, 2, 3))):
            place = chance.randrange(len(content))
            kind = chance.randrange(4)
            if kind == 0:
                content[place] = chance.randrange(256)
            elif kind == 1:
                del content[place : place + chance.randrange(1, 5)]
            elif kind == 2:
                content[place:place] = content[place : place + chance.randrange(1, 20)]
            else:
                content[place : place + 1] = varint(chance.choice((0, 127, 2**31, 2**32 - 1, 2**63, 2**64 - 1)))
        overwrite(path, table([bytes(content)], squeeze if chance.random() < 0.3 else None))
        try:
            for tensor in checkpoints.read(path).tensors.values():
                if tensor.readable:
                    rows(tensor)
            codes["read"] += 1
        except CharvecError as error:
            assert error.exit_code == 65
            codes[error.code] += 1
    assert codes["E-TF-V1"] > 200 and codes["read"] > 20
