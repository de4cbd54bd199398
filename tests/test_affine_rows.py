"""Rows of integers with scales: elements of every width, wherever rows begin, against NumPy on the whole matrix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from charvec.plumbing.arrays import gathering
from charvec.plumbing.arrays.affine_rows import NUMBERS, Affine, Elements, Varints

GENERATOR = np.random.default_rng(4)


def packed(numbers: np.ndarray) -> bytes:
    """4-bit numbers, two a byte, the first in the lower half."""
    flat = numbers.ravel().astype(np.uint8) & 15
    flat = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return (flat[::2] | flat[1::2] << 4).astype(np.uint8).tobytes()


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("columns", [1, 2, 3, 8, 33])
def test_elements(dtype: str, columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any ascending rows of a matrix that lies anywhere in a file."""
    rows = 41
    if dtype.endswith("int4"):
        matrix = GENERATOR.integers(-8 if dtype == "int4" else 0, 8 if dtype == "int4" else 16, (rows, columns))
        raw = packed(matrix)
    else:
        stored = GENERATOR.integers(0, 256, (rows, columns * np.dtype(NUMBERS[dtype]).itemsize), dtype=np.uint8)
        raw, matrix = stored.tobytes(), stored.view(NUMBERS[dtype])
        if dtype == "bfloat16":
            matrix = (matrix.astype(np.uint32) << 16).view(np.float32)
    (tmp_path / "x").write_bytes(b"abc" + raw)
    elements = Elements(str(tmp_path / "x"), 3, rows, columns, dtype)
    for chunk in (1, 40, 1 << 18):
        monkeypatch.setattr(gathering, "CHUNK", chunk)
        for count in (0, 1, 2, 7, rows):
            ids = np.sort(GENERATOR.choice(rows, count, replace=False))
            result = elements(ids)
            assert result.shape == (count, columns) and result.dtype.isnative
            np.testing.assert_array_equal(result, matrix[ids])
            assert result.dtype.kind == ("f" if "float" in dtype else "i")


@pytest.mark.parametrize("columns", [1, 3, 8])
@pytest.mark.parametrize("zero_points", ["none", "constant", "same", "one"])
@pytest.mark.parametrize("shape", ["one", "row", "column", "block"])
def test_affine(columns: int, zero_points: str, shape: str, tmp_path: Path) -> None:
    """Scales and zero points are spread over what they belong to."""
    rows, block = 9, 2
    sizes = {"one": (1, 1), "row": (rows, 1), "column": (1, columns), "block": (rows, -(-columns // block))}
    table = GENERATOR.integers(-128, 128, (rows, columns)).astype("i1")
    scales = GENERATOR.uniform(0.1, 1, sizes[shape]).astype("f4")
    zeros = GENERATOR.integers(-9, 9, sizes["one" if zero_points == "one" else shape]).astype("i1")
    path = tmp_path / "x"
    path.write_bytes(table.tobytes() + scales.tobytes() + zeros.tobytes())
    at = len(table.tobytes()), len(table.tobytes()) + len(scales.tobytes())
    source = Affine(
        Elements(str(path), 0, rows, columns, "int8"),
        Elements(str(path), at[0], *scales.shape, "float32"),
        Elements(str(path), at[1], *zeros.shape, "int8") if zero_points in ("same", "one") else None,
        block,
        5 if zero_points == "constant" else 0,
    )
    subtracted = {"none": np.zeros((1, 1)), "constant": np.full((1, 1), 5)}.get(zero_points, zeros)

    def spread(values: np.ndarray) -> np.ndarray:
        if shape == "block" and values.shape[1] > 1:
            values = np.repeat(values, block, axis=1)[:, :columns]
        return np.broadcast_to(values, (rows, columns))

    expected = (table.astype(int) - spread(subtracted)).astype("f4") * spread(scales)
    for ids in (np.arange(rows), np.array([2, 8]), np.zeros(0, np.int64)):
        np.testing.assert_array_equal(source(ids), expected[ids])
    assert not source.in_one_pass


def test_integers_of_variable_length(tmp_path: Path) -> None:
    """As protobuf has them: negative ones take ten bytes."""
    matrix = GENERATOR.integers(-(1 << 31), 1 << 31, (7, 5)) >> GENERATOR.integers(0, 31, (7, 5))

    def varint(value: int) -> bytes:
        value &= (1 << 64) - 1
        return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

    raw = b"".join(varint(int(value)) for value in matrix.ravel())
    (tmp_path / "x").write_bytes(b"ab" + raw)
    source = Varints(str(tmp_path / "x"), 2, len(raw), 7, 5, "int32")
    for ids in (np.arange(7), np.array([0, 6]), np.zeros(0, np.int64)):
        np.testing.assert_array_equal(source(ids), matrix[ids])
    assert source.in_one_pass
