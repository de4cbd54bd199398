"""Plumbing: a file in memory that does not copy the large arrays written to it.

libhdf5 writes a contiguous dataset with a single call, straight from the array. Such a call is remembered and not
carried out: the image then consists of a few pages of metadata and of the arrays themselves. For 15 MB of vectors that
saves a second 15 MB of memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image"]

_PAGE = 4096


class Image(io.RawIOBase):
    """A sparse file: arrays where they were written whole, pages for everything else, zeros where nothing was written.

    Args:
        arrays: contiguous arrays that will be written; they must not change while the image is in use.
    """

    def __init__(self, arrays: Iterable[NDArray[Any]]) -> None:
        self._arrays = {(each.ctypes.data, each.nbytes): each for each in arrays if each.nbytes >= _PAGE}
        self._placed: dict[int, memoryview] = {}
        self._pages: dict[int, bytearray] = {}
        self._position = 0
        self.size = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As for any file."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        return self._position

    def tell(self) -> int:
        """As for any file."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the size; nothing is forgotten, because libhdf5 only ever sets the end of what it wrote."""
        self.size = self._position if size is None else size
        return self.size

    def write(self, data: Any) -> int:
        """Remember an array that is written whole; copy anything else."""
        view = memoryview(data).cast("B")
        array = self._arrays.get((np.frombuffer(view, np.uint8).ctypes.data, len(view))) if len(view) else None
        if array is not None:
            self._placed[self._position] = array.reshape(-1).view(np.uint8).data
        else:
            for start, page, inner, length in self._split(self._position, len(view)):
                buffer = self._pages.setdefault(page, bytearray(_PAGE))
                buffer[inner : inner + length] = view[start : start + length]
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill from pages; libhdf5 reads back metadata only."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self.size - self._position))
        for start, page, inner, length in self._split(self._position, count):
            view[start : start + length] = self._pages.get(page, _ZEROS)[inner : inner + length]
        self._position += count
        return count

    @staticmethod
    def _split(offset: int, length: int) -> Iterator[tuple[int, int, int, int]]:
        """Parts of a range that lie in one page each: place in the range, page, place in the page, length."""
        done = 0
        while done < length:
            page, inner = divmod(offset + done, _PAGE)
            part = min(_PAGE - inner, length - done)
            yield done, page, inner, part
            done += part

    def parts(self, start: int) -> Iterator[bytes | memoryview]:
        """The content from ``start`` to the end, in order."""
        for offset, array in sorted(self._placed.items()):
            yield from self._between(start, offset)
            yield array
            start = offset + len(array)
        yield from self._between(start, self.size)

    def _between(self, start: int, end: int) -> Iterator[bytes | memoryview]:
        for _, page, inner, length in self._split(start, end - start):
            yield memoryview(self._pages.get(page, _ZEROS))[inner : inner + length]


_ZEROS = bytearray(_PAGE)
