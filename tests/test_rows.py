"""Rows of tensors: bit for bit what is stored, whatever the layout, the element type and the order of the ids."""

from __future__ import annotations

import os
import random
import tracemalloc
import warnings
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charvec import rows as reading
from charvec.errors import CharvecError, DamagedFile, UnsafeFile
from charvec.plumbing.arrays import gathering
from charvec.rows import READABLE, read_rows
from charvec.tensor import ITEM_BYTES, Block, Tensor

CODES = {"float32": "f4", "float16": "f2", "float64": "f8", "bfloat16": "u2"}


def as_float32(bits: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Stored elements in the machine's byte order as float32."""
    if dtype == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bits.astype(np.float32)


def same_bits(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether two float32 arrays are equal bit for bit."""
    return one.dtype == other.dtype == np.float32 and one.shape == other.shape and one.tobytes() == other.tobytes()


def random_bits(generator: random.Random, count: int, dtype: str) -> np.ndarray[Any, Any]:
    """Elements with random bits; NaNs are left out of the types whose conversion may change their payload."""
    code = CODES[dtype]
    bits = np.frombuffer(generator.randbytes(count * ITEM_BYTES[dtype]), code).copy()
    if code in ("f2", "f8"):
        bits[np.isnan(bits)] = 1
    return bits


def lay_out(generator: random.Random, folder: Path, shape: tuple[int, int], dtype: str) -> tuple[Tensor, Any]:
    """A tensor cut into random blocks, each laid out in its own way in one of some files, and its elements."""
    height, width = shape
    elements = random_bits(generator, height * width, dtype).reshape(shape)
    item = ITEM_BYTES[dtype]
    across = sorted({0, height, *(generator.randrange(height + 1) for _ in range(generator.randrange(3)))})
    along = sorted({0, width, *(generator.randrange(width + 1) for _ in range(generator.randrange(3)))})
    files: dict[str, bytearray] = {
        str(folder / name): bytearray(generator.randbytes(generator.randrange(9))) for name in "ab"
    }
    blocks = []
    for top, bottom in pairwise(across):
        for left, right in pairwise(along):
            path = generator.choice(sorted(files))
            count, columns = bottom - top, right - left
            # elements of unused space between the columns, and between the rows
            column_stride = item * generator.choice((1, 1, 1, 2, 3))
            row_stride = column_stride * columns + generator.choice((0, 0, item, 64))
            if generator.random() < 0.3:
                row_stride = item * generator.choice((1, 1, 2))
                column_stride = row_stride * count + generator.choice((0, 0, 24))
            size = (count - 1) * row_stride + (columns - 1) * column_stride + item
            big_endian = generator.random() < 0.3
            start = len(files[path])
            region = bytearray(generator.randbytes(size))
            for row in range(count):
                for column in range(columns):
                    raw = elements[top + row : top + row + 1, left + column].tobytes()
                    place = row * row_stride + column * column_stride
                    region[place : place + item] = raw[::-1] if big_endian else raw
            files[path] += region
            blocks.append(
                Block(path, start, count, columns, row_stride, column_stride, top, left, big_endian=big_endian)
            )
    for path, data in files.items():
        Path(path).write_bytes(data)
    generator.shuffle(blocks)
    return Tensor("t", shape, dtype, tuple(blocks)), elements


def some_ids(generator: random.Random, height: int) -> np.ndarray[Any, Any]:
    """Ids in any order, with repetitions; sometimes none, sometimes all."""
    kind = generator.randrange(5)
    if kind == 0:
        return np.arange(height, dtype=np.int64)
    if kind == 1:
        return np.array([generator.randrange(height)] * generator.randrange(5), np.int64)
    return np.array([generator.randrange(height) for _ in range(generator.randrange(2 * height + 1))], np.int64)


@pytest.mark.parametrize("dtype", READABLE)
def test_any_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Random partitions, strides, byte orders, ids and chunk sizes give what gathering single elements gives."""
    generator = random.Random(dtype)
    for _ in range(150):
        monkeypatch.setattr(gathering, "CHUNK", generator.choice((1, 7, 64, 300, 1 << 20)))
        monkeypatch.setattr(gathering, "GAP", generator.choice((0, 5, 40, 4096)))
        monkeypatch.setattr(reading, "STRAIGHT", generator.choice((1, 1 << 20)))
        shape = generator.randrange(1, 40), generator.randrange(1, 12)
        tensor, elements = lay_out(generator, tmp_path, shape, dtype)
        ids = some_ids(generator, shape[0])
        found, _ = read_rows(tensor, ids)
        assert same_bits(found, as_float32(elements[ids], dtype).reshape(len(ids), shape[1]))


@pytest.mark.parametrize("dtype", READABLE)
def test_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """The digest is of the distinct rows in ascending order, whatever the ids and the size of the chunks."""
    generator = random.Random(3)
    elements = random_bits(generator, 50 * 4, dtype).reshape(50, 4)
    path = tmp_path / "file"
    path.write_bytes(b"12345" + elements.tobytes())
    tensor = Tensor.contiguous("t", (50, 4), dtype, str(path), 5)
    for _ in range(100):
        monkeypatch.setattr(gathering, "CHUNK", generator.choice((1, 7, 64, 300, 1 << 20)))
        monkeypatch.setattr(gathering, "GAP", generator.choice((0, 5, 40, 4096)))
        monkeypatch.setattr(reading, "STRAIGHT", generator.choice((1, 1 << 20)))
        ids = some_ids(generator, 50)
        expected = blake2b(elements[np.unique(ids)].tobytes(), digest_size=32).hexdigest()
        assert read_rows(tensor, ids)[1] == expected


def test_all_half_precision_values(tmp_path: Path) -> None:
    """All 65,536 values of both 16-bit types become the float32 of the same value, NaNs bit for bit."""
    path = tmp_path / "file"
    bits = np.arange(65_536, dtype="<u2").reshape(256, 256)
    path.write_bytes(bits.tobytes())
    ids = np.arange(256, dtype=np.int64)
    found, _ = read_rows(Tensor.contiguous("t", (256, 256), "bfloat16", str(path), 0), ids)
    assert same_bits(found, (bits.astype(np.uint32) << 16).view(np.float32))
    found, _ = read_rows(Tensor.contiguous("t", (256, 256), "float16", str(path), 0), ids)
    assert same_bits(found, bits.view(np.float16).astype(np.float32))


def test_float64_is_rounded_and_may_overflow(tmp_path: Path) -> None:
    """Rounded to nearest; beyond the range it becomes infinity, without a warning on the user's screen."""
    values = np.array([[1 / 3, 1e300, -1e300, 1e-320, np.nan, np.inf]])
    path = tmp_path / "file"
    path.write_bytes(values.tobytes())
    found, _ = read_rows(Tensor.contiguous("t", (1, 6), "float64", str(path), 0), np.array([0]))
    np.testing.assert_array_equal(found, np.array([[1 / 3, np.inf, -np.inf, 0, np.nan, np.inf]], np.float32))


def test_repeated_storage(tmp_path: Path) -> None:
    """Rows that overlap, or are all the same storage, as expanded and unfolded views are."""
    values = np.arange(10, dtype=np.float32)
    path = tmp_path / "file"
    path.write_bytes(values.tobytes())
    ids = np.array([3, 0, 3], np.int64)
    expanded = Tensor("t", (5, 4), "float32", (Block(str(path), 8, 5, 4, 0, 4),))
    np.testing.assert_array_equal(read_rows(expanded, ids)[0], values[2:6][None].repeat(3, 0))
    unfolded = Tensor("t", (5, 4), "float32", (Block(str(path), 0, 5, 4, 4, 4),))
    np.testing.assert_array_equal(read_rows(unfolded, ids)[0], [values[row : row + 4] for row in ids])
    constant = Tensor("t", (5, 4), "float32", (Block(str(path), 36, 5, 4, 0, 0),))
    np.testing.assert_array_equal(read_rows(constant, ids)[0], np.full((3, 4), 9))


def test_memory_of_views_that_repeat_what_is_stored(tmp_path: Path) -> None:
    """Of rows that all are one element, far from each other, only the wanted ones take memory."""
    path = tmp_path / "file"
    path.write_bytes(b"\0\0\x80\x3f")
    tensor = Tensor("t", (5000, 10_000), "float32", (Block(str(path), 0, 5000, 10_000, 0, 0),))
    tracemalloc.start()
    try:
        rows, _ = read_rows(tensor, np.array([0, 4999]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (rows == 1).all() and peak < 10 * rows.nbytes


@pytest.mark.parametrize("offset", [-8, 4096, 1 << 62, (1 << 63) - 5, 1 << 63, 1 << 64])
@pytest.mark.parametrize("columns", [3, 300])
def test_offsets_outside_the_file(tmp_path: Path, columns: int, offset: int) -> None:
    """However far outside, it is cut short, whether rows are read straight or through a buffer."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    tensor = Tensor("t", (3, columns), "float32", (Block(str(path), offset, 3, columns, columns * 4, 4),))
    with pytest.raises(DamagedFile) as caught:
        read_rows(tensor, np.array([0, 2]))
    assert (caught.value.code, caught.value.path) == ("E-TRUNCATED", str(path))


@pytest.mark.parametrize(("columns", "wanted"), [(1 << 22, 1000), (1 << 40, 1000), (1 << 61, 1), (1 << 61, 0)])
def test_views_that_swell(tmp_path: Path, columns: int, wanted: int) -> None:
    """A few bytes shown as rows of gigabytes are refused before any memory is taken, also where none is wanted."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4096))
    tensor = Tensor("t", (1000, columns), "float32", (Block(str(path), 0, 1000, columns, 0, 0),))
    with pytest.raises(UnsafeFile) as caught:
        read_rows(tensor, np.arange(wanted))
    assert caught.value.code == "E-BOMB"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of all reads of elements."""
    lengths: list[int] = []
    fill = os.preadv
    monkeypatch.setattr(
        os,
        "preadv",
        lambda file, buffers, offset: lengths.extend(map(len, buffers)) or fill(file, buffers, offset),
    )
    return lengths


def test_few_bytes_are_read_of_a_view(tmp_path: Path, reads: list[int]) -> None:
    """Every other column of a matrix: the rows are read once, not once a column."""
    values = np.arange(400 * 100, dtype=np.float32).reshape(400, 100)
    path = tmp_path / "file"
    path.write_bytes(values.tobytes())
    tensor = Tensor("t", (400, 50), "float32", (Block(str(path), 0, 400, 50, 400, 8),))
    np.testing.assert_array_equal(read_rows(tensor, np.arange(400))[0], values[:, ::2])
    assert 0 < sum(reads) < 2 * values.nbytes


def test_only_the_wanted_rows_are_read(tmp_path: Path, reads: list[int]) -> None:
    """Rows far apart are read alone, rows near each other together."""
    path = tmp_path / "file"
    with open(path, "wb") as file:
        file.truncate(1_000_000 * 400)
    tensor = Tensor.contiguous("t", (1_000_000, 100), "float32", str(path), 0)
    assert read_rows(tensor, np.array([999_999, 5, 7, 500_000]))[0].shape == (4, 100)
    assert sorted(reads) == [400, 400, 1200]


@pytest.mark.parametrize("chunk", [1, 399, 400, 4000, 1 << 20])
@pytest.mark.parametrize("straight", [1, 401])
def test_reads_stay_within_a_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int], chunk: int, straight: int
) -> None:
    """However many rows are wanted, no read is longer than a chunk or one row: memory stays small."""
    monkeypatch.setattr(reading, "STRAIGHT", straight)
    path = tmp_path / "file"
    path.write_bytes(bytes(1000 * 400))
    monkeypatch.setattr(gathering, "CHUNK", chunk)
    read_rows(Tensor.contiguous("t", (1000, 100), "float32", str(path), 0), np.arange(1000))
    assert sum(reads) == 1000 * 400
    assert max(reads) <= max(chunk, 400)


def test_file_cut_short_after_the_headers_were_read(tmp_path: Path) -> None:
    """A short read is an error, never rows of zeros; a file that went away likewise."""
    path = tmp_path / "file"
    path.write_bytes(bytes(39))
    tensor = Tensor.contiguous("t", (10, 1), "float32", str(path), 0)
    assert read_rows(tensor, np.array([8]))[0].tolist() == [[0]]
    for prepare, code in ((lambda: None, "E-TRUNCATED"), (path.unlink, "E-SHARD-MISSING")):
        prepare()
        with pytest.raises(CharvecError) as caught:
            read_rows(tensor, np.array([9]))
        assert (caught.value.code, caught.value.path) == (code, str(path))


@pytest.mark.parametrize("straight", [1, 401])
def test_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, straight: int) -> None:
    """Truncation between opening and reading is noticed too, and kills nothing."""
    monkeypatch.setattr(reading, "STRAIGHT", straight)
    path = tmp_path / "file"
    path.write_bytes(bytes(4000))
    tensor = Tensor.contiguous("t", (1000, 1), "float32", str(path), 0)
    opened = gathering.File.__init__

    def open_and_cut(self: Any, name: str) -> None:
        opened(self, name)
        path.write_bytes(b"")

    monkeypatch.setattr(gathering.File, "__init__", open_and_cut)
    with pytest.raises(CharvecError) as caught:
        read_rows(tensor, np.array([9]))
    assert caught.value.code == "E-TRUNCATED"


@pytest.mark.parametrize("ids", [[-1], [0, 10], [3, 2**40]])
def test_ids_beyond_the_matrix(tmp_path: Path, ids: list[int]) -> None:
    """No id is wrapped or clipped."""
    path = tmp_path / "file"
    path.write_bytes(bytes(400))
    with pytest.raises(IndexError, match="the tensor has 10 rows"):
        read_rows(Tensor.contiguous("t", (10, 1), "float32", str(path), 0), np.array(ids))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "bool", "float8_e4m3fn", "q4_k"])
def test_other_element_types(tmp_path: Path, dtype: str) -> None:
    """Elements that are no plain floating-point numbers are refused."""
    tensor = Tensor("t", (1, 1), dtype, (Block(str(tmp_path), 0, 1, 1, 1, 1),))
    with pytest.raises(CharvecError) as caught:
        read_rows(tensor, np.array([0]))
    assert caught.value.code == "E-QUANTISED"


def test_no_rows(tmp_path: Path) -> None:
    """No ids give an empty matrix of the right width, and the digest of nothing."""
    path = tmp_path / "file"
    path.write_bytes(bytes(12))
    found, digest = read_rows(Tensor.contiguous("t", (1, 3), "float32", str(path), 0), np.array([], np.int64))
    assert found.shape == (0, 3)
    assert digest == blake2b(digest_size=32).hexdigest()


@dataclass(frozen=True)
class Squares:
    """A source: row i holds i squared, in every column."""

    columns: int
    dtype: str = "float32"

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        assert (np.diff(ids) > 0).all(), "ascending, each once"
        return np.repeat(ids.astype(self.dtype)[:, None] ** 2, self.columns, axis=1)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("columns", (1, 3, 40_000))
def test_rows_from_a_source(columns: int, dtype: str) -> None:
    """A source is asked for distinct rows in ascending order, in portions; its rows go where they are wanted."""
    tensor = Tensor("squares", (5000, columns), "text", source=Squares(columns, dtype))
    assert tensor.readable
    ids = np.random.default_rng(0).integers(0, 5000, 300)
    rows, digest = read_rows(tensor, ids)
    assert rows.dtype == np.float32
    assert (rows == (ids**2).astype(np.float32)[:, None]).all()
    again, same = read_rows(tensor, np.unique(ids))
    assert digest == same
    assert len(again) == len(np.unique(ids))
    assert read_rows(tensor, np.empty(0, np.int64))[0].shape == (0, columns)
