"""Plumbing: many short reads near each other, from a file whose long parts are passed over."""

from __future__ import annotations

from charvec.plumbing.files import File

__all__ = ["Window"]

#: Bytes read at once.
SIZE = 4096


class Window:
    """Positioned reads that keep the last few kilobytes.

    Attributes:
        file: the file.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self._start, self._data = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``; raises as :meth:`charvec.plumbing.files.File.pread`."""
        begin = offset - self._start
        if begin < 0 or begin + size > len(self._data):
            length = max(size, min(SIZE, self.file.size - offset))
            self._start, self._data, begin = offset, self.file.pread(offset, length), 0
        return self._data[begin : begin + size]
