"""Plumbing: rows of a matrix whose bytes a pickle of protocol 2 holds as text, one character of Latin-1 for each.

In the file that text is UTF-8, one byte for a value below 128 and two for others, so that only a pass from the
beginning finds where a row begins. Characters are counted, which is five times as fast as decoding them; decoded is
what lies around the rows that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.files import File
from charvec.plumbing.pickles.placed import Place
from charvec.tensor import ITEM_BYTES
from charvec.valueclass import dataclass

__all__ = ["Latin1Columns", "Latin1Rows"]

#: Bytes read at once, and those of which the characters are counted together.
CHUNK, STEP = 1 << 20, 1 << 11


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
        starts = (ids * width).tolist()
        done, row = 0, 0
        for part in self._parts():
            end = done + part.size
            while row < len(starts) and starts[row] < end:
                begin = starts[row]
                first, last = max(begin, done), min(begin + width, end)
                data = part.bytes(first - done, last - done)
                if data is None:
                    self.refuse("an array's bytes, which are written as text, are none of Latin-1")
                result[row, first - begin : last - begin] = np.frombuffer(data, np.uint8)
                if begin + width > end:
                    break
                row += 1
            done = end
        # were it only a byte longer, every row behind that byte would be another one
        if done != self.rows * width:
            self.refuse(f"an array of {self.rows * width:,} bytes has {done:,}")
        if self.dtype == "bfloat16":
            halves = result.view(">u2" if self.big_endian else "<u2")
            wide: NDArray[np.float32] = (halves.astype(np.uint32) << 16).view(np.float32)
            return wide
        stored = np.dtype(self.dtype)
        values: NDArray[Any] = result.view(stored.newbyteorder(">" if self.big_endian else "<"))
        return values.astype(stored, copy=False)

    def _parts(self) -> Iterator[_Part]:
        """The texts in parts that begin with a character."""
        with File(self.path) as file:
            file.expect((place.offset, place.size) for place in self.places)
            for place in self.places:
                start = 0
                while start < place.size:
                    raw = file.pread(place.offset + start, min(CHUNK, place.size - start))
                    if place.latin1 and raw[-1] >= 0xC0 and start + len(raw) < place.size:
                        # the first half of a character, which is read together with the second
                        raw = raw[:-1] or file.pread(place.offset + start, 2)
                    yield _Part(raw, place.latin1)
                    start += len(raw)

    def refuse(self, problem: str) -> NoReturn:
        """Raises DamagedFile ``E-PICKLE``."""
        raise DamagedFile(
            "E-PICKLE", f"{self.path}: damaged pickle: {problem}", path=self.path, help="download or save it again"
        )


@dataclass(frozen=True)
class Latin1Columns:
    """Rows of a matrix that is kept as text column after column; the whole matrix goes through memory.

    Attributes:
        turned: the columns, as rows.
    """

    turned: Latin1Rows
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """As :meth:`Latin1Rows.__call__`."""
        columns = self.turned
        # a shape alone must not take memory: a byte has one byte of text at least
        if columns.rows * columns.columns * ITEM_BYTES[columns.dtype] > sum(place.size for place in columns.places):
            columns.refuse("an array is longer than the text of its bytes")
        return np.ascontiguousarray(columns(np.arange(columns.rows))[:, ids].T)


class _Part:
    """A part of a text.

    Attributes:
        size: the characters in it.
    """

    def __init__(self, raw: bytes, latin1: bool) -> None:
        self._raw, self.size = raw, len(raw)
        self._ends: NDArray[np.int64] | None = None
        if latin1:
            begins = np.frombuffer(raw, np.int8) >= -64  # all but the second bytes of characters, 128 to 191
            whole = len(raw) // STEP * STEP
            counts = np.count_nonzero(begins[:whole].reshape(-1, STEP), axis=1)
            self._ends = np.append(counts, np.count_nonzero(begins[whole:])).cumsum()
            self.size = int(self._ends[-1])

    def bytes(self, first: int, last: int) -> bytes | None:
        """Those of characters ``first`` to ``last``; None when it is no text of Latin-1."""
        if self._ends is None:
            return self._raw[first:last]
        if first == last:
            return b""
        low, high = self._ends.searchsorted((first, last - 1), "right").tolist()
        before = int(self._ends[low - 1]) if low else 0
        piece = self._raw[low * STEP : (high + 1) * STEP + 1]
        # at either end may stand half of a character whose other half belongs to the neighbour
        piece = piece[1:] if 0x80 <= piece[0] < 0xC0 else piece
        piece = piece[:-1] if piece[-1] >= 0xC0 and (high + 1) * STEP < len(self._raw) else piece
        try:
            data = piece.decode().encode("latin-1")[first - before : last - before]
        except UnicodeError:
            return None
        return data if len(data) == last - first else None
