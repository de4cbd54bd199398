"""Plumbing: rows of matrices of integers that stand for (integer - zero point) * scale.

Scales and zero points are matrices as well: of one element, of one column (a scale for each row), of one row, or with
one element for each block of columns. All are read row by row, so that of a large table only what is wanted is touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.gathering import gather
from charvec.plumbing.files import File
from charvec.valueclass import dataclass

__all__ = ["NUMBERS", "Affine", "Elements", "Varints"]

#: numpy's types of stored elements; the 4-bit ones stand two a byte, the first in the lower half.
NUMBERS = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int32": "<i4",
    "int16": "<i2",
    "uint16": "<u2",
    "int8": "i1",
    "uint8": "u1",
    "int4": "u1",
    "uint4": "u1",
}


@dataclass(frozen=True)
class Elements:
    """Rows of a matrix whose elements lie raw, little-endian and row after row; a :class:`charvec.tensor.RowSource`.

    Attributes:
        path: the file.
        offset: where the first element lies.
        rows: their number.
        columns: elements of a row.
        dtype: a key of :data:`NUMBERS`.
    """

    path: str
    offset: int
    rows: int
    columns: int
    dtype: str

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns]: floats as they are, bfloat16 as float32, integers as int32."""
        packed = self.dtype.endswith("int4")
        with File(self.path) as file:
            if packed and self.columns % 2:
                return self._ragged(file, ids)
            width = self.columns // 2 if packed else self.columns * np.dtype(NUMBERS[self.dtype]).itemsize
            stored = np.empty((len(ids), width), np.uint8)
            for start, end, rows in gather(file, self.offset, width, width, ids):
                stored[start:end] = rows
        return _numbers(stored, self.dtype)

    def _ragged(self, file: File, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows that begin within a byte, read from the first to the last: those of zero points, which are short."""
        first, count = (int(ids[0]), int(ids[-1] - ids[0]) + 1) if len(ids) else (0, 0)
        start, before = divmod(first * self.columns, 2)
        raw = file.pread(self.offset + start, -(-(before + count * self.columns) // 2))
        numbers = _numbers(np.frombuffer(raw, np.uint8)[None], self.dtype)[0, before : before + count * self.columns]
        rows: NDArray[Any] = numbers.reshape(count, self.columns)[ids - first]
        return rows


@dataclass(frozen=True)
class Varints:
    """Rows of a matrix whose elements are protobuf integers of variable length; a :class:`charvec.tensor.RowSource`.

    Small tensors are stored like that by ``onnx.helper``; there is no way to a row but past all before it, so all is
    read each time.

    Attributes:
        path: the file.
        offset: where the first element lies.
        nbytes: bytes of all elements.
        rows: their number.
        columns: elements of a row.
        dtype: a key of :data:`NUMBERS`; 16-bit floating-point numbers are stored by their bits.
    """

    path: str
    offset: int
    nbytes: int
    rows: int
    columns: int
    dtype: str

    #: So that it is done once.
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns], as of :class:`Elements`."""
        with File(self.path) as file:
            raw = np.frombuffer(file.pread(self.offset, self.nbytes), np.uint8)
        ends = np.flatnonzero(raw < 128) + 1
        # 4-bit elements stand two a number, and their rows may begin within one
        packed = self.dtype.endswith("int4")
        count = self.rows * self.columns
        rows, columns = (1, -(-count // 2)) if packed else (self.rows, self.columns)
        if len(ends) != rows * columns or (len(ends) and ends[-1] != len(raw)):
            raise DamagedFile(
                "E-ONNX",
                f"{self.path}: a tensor of {self.rows:,} x {self.columns:,} elements has {len(ends):,} numbers",
                path=self.path,
                offset=self.offset,
                help="download the file again; if its writer is at fault, tell its authors",
            )
        wanted = np.zeros(1, np.int64) if packed else ids
        starts = np.concatenate(([0], ends[:-1])).reshape(rows, columns)[wanted]
        lengths = ends.reshape(rows, columns)[wanted] - starts
        values = np.zeros(starts.shape, np.uint64)
        # negative numbers take ten bytes; the types here need no more than the lowest 32 bits
        for place in range(min(int(lengths.max(initial=0)), 5)):
            byte = raw[np.minimum(starts + place, len(raw) - 1)].astype(np.uint64) & np.uint64(127)
            values |= np.where(place < lengths, byte << np.uint64(7 * place), np.uint64(0))
        # the lowest bits, whatever the sign
        stored = values.astype(f"<u{np.dtype(NUMBERS[self.dtype]).itemsize}")
        numbers = _numbers(stored.view(np.uint8), self.dtype)
        return numbers[0, :count].reshape(self.rows, self.columns)[ids] if packed else numbers


@dataclass(frozen=True)
class Affine:
    """Rows of (integer - zero point) * scale as float32; a :class:`charvec.tensor.RowSource`.

    Attributes:
        integers: the matrix.
        scales: its scales.
        zero_points: what is subtracted, of the same shape as the scales or of one element.
        block: columns that share a scale, where scales have several columns but fewer than the matrix.
        zero: what is subtracted where there are no zero points.
        rounded: whether the result has the type of the scales, as ONNX says.
    """

    integers: Elements | Varints
    scales: Elements | Varints
    zero_points: Elements | Varints | None = None
    block: int = 1
    zero: int = 0
    rounded: bool = True

    @property
    def in_one_pass(self) -> bool:
        """Whether each call reads all there is."""
        return isinstance(self.integers, Varints)

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows as float32 [n, columns]."""
        scales = self._spread(self.scales, ids)
        integers = self.integers(ids)
        if self.zero_points is not None:
            integers = integers - self._spread(self.zero_points, ids)
        elif self.zero:
            integers = integers - np.int32(self.zero)
        with np.errstate(all="ignore"):
            result = integers.astype(np.float32) * scales.astype(np.float32)
            half = self.rounded and scales.dtype == np.float16
            return result.astype(np.float16).astype(np.float32) if half else result

    def _spread(self, matrix: Elements | Varints, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of scales or zero points, one for each column or for all."""
        values = matrix(ids if matrix.rows > 1 else np.zeros(1, np.int64))
        if 1 < matrix.columns < self.integers.columns:
            values = np.repeat(values, self.block, axis=1)[:, : self.integers.columns]
        return values


def _numbers(stored: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Bytes of rows as numbers."""
    if dtype.endswith("int4"):
        halves = np.stack((stored & np.uint8(15), stored >> np.uint8(4)), axis=-1)
        numbers = halves.reshape(len(stored), 2 * stored.shape[1]).astype(np.int32)
        return numbers - ((numbers & 8) << 1) if dtype == "int4" else numbers
    values: NDArray[Any] = np.ascontiguousarray(stored).view(NUMBERS[dtype])
    if dtype == "bfloat16":
        wide: NDArray[np.float32] = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return wide
    plain: NDArray[Any] = values.astype(values.dtype.newbyteorder("=") if "float" in dtype else np.int32)
    return plain
