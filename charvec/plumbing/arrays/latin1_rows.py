"""Plumbing: rows of a matrix whose bytes a pickle of protocol 2 holds as text, one character of Latin-1 for each.

In the file that text is UTF-8, one byte for a value below 128 and two for others, so that only a pass from the
beginning finds where a row begins.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.files import File
from charvec.plumbing.pickles.placed import Place
from charvec.tensor import ITEM_BYTES
from charvec.valueclass import dataclass

__all__ = ["Latin1Rows"]

#: Bytes read at once.
CHUNK = 1 << 20


@dataclass(frozen=True)
class Latin1Rows:
    """Rows of a matrix that is kept as text.

    Attributes:
        path: the file.
        places: the texts, one after the other the elements in row-major order.
        rows, columns: of the matrix.
        dtype: one of :data:`charvec.tensor.READABLE`.
        big_endian: byte order of the elements.
    """

    path: str
    places: tuple[Place, ...]
    rows: int
    columns: int
    dtype: str
    big_endian: bool = False
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns] of ``ids`` (int64 [n], ascending), as stored; bfloat16 as float32.

        Raises:
            DamagedFile: ``E-PICKLE`` when the texts are not as long as the matrix, or no Latin-1.
        """
        width = self.columns * ITEM_BYTES[self.dtype]
        result = np.empty((len(ids), width), np.uint8)
        flat = result.reshape(-1)
        # byte k of the result is byte starts[k // width] + k % width of the matrix
        starts = ids * width
        done, row = 0, 0
        for part in self._parts():
            data = np.frombuffer(part, np.uint8)
            end = done + len(data)
            while row < len(ids) and starts[row] < end:
                begin, stop = int(starts[row]), int(starts[row]) + width
                first, last = max(begin, done), min(stop, end)
                flat[row * width + first - begin : row * width + last - begin] = data[first - done : last - done]
                if stop > end:
                    break
                row += 1
            done = end
        # were it only a byte longer, every row behind that byte would be another one
        if done != self.rows * width:
            self._refuse(f"an array of {self.rows * width:,} bytes has {done:,}")
        if self.dtype == "bfloat16":
            halves = result.view(">u2" if self.big_endian else "<u2")
            wide: NDArray[np.float32] = (halves.astype(np.uint32) << 16).view(np.float32)
            return wide
        stored = np.dtype(self.dtype)
        values: NDArray[Any] = result.view(stored.newbyteorder(">" if self.big_endian else "<"))
        return values.astype(stored, copy=False)

    def _parts(self) -> Iterator[bytes]:
        """The bytes of the matrix."""
        with File(self.path) as file:
            file.expect((place.offset, place.size) for place in self.places)
            for place in self.places:
                decode = codecs.getincrementaldecoder("utf-8")().decode
                for start in range(0, place.size, CHUNK):
                    size = min(CHUNK, place.size - start)
                    part = file.pread(place.offset + start, size)
                    try:
                        yield decode(part, start + size == place.size).encode("latin-1") if place.latin1 else part
                    except UnicodeError:
                        self._refuse("an array's bytes, which are written as text, are none of Latin-1")

    def _refuse(self, problem: str) -> None:
        raise DamagedFile(
            "E-PICKLE", f"{self.path}: damaged pickle: {problem}", path=self.path, help="download or save it again"
        )
