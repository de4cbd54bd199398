"""Zstandard (RFC 8878), by Python 3.14, or else by the package backports.zstd or zstandard.

A content checksum, which the program zstd writes by default, is checked by the library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["CODE", "NAME", "PADDING", "begins", "sniff", "start", "why"]

NAME = "zstd"
CODE = "W-ZSTD"
PADDING = 0
#: Bytes of the window: what the decoder must remember. `zstd` itself wants to be asked before it uses more.
WINDOW_LOG = 27

_MAGIC = b"\x28\xb5\x2f\xfd"
#: Bytes 1 to 3 of a skippable frame; byte 0 is 0x50 to 0x5f.
_SKIPPABLE = b"\x2a\x4d\x18"
#: Bytes given at once to a decoder whose output cannot be limited. A block takes 4 bytes at least and makes 128 KiB at
#: most, so that 32 MiB can come out at worst.
_MORSEL = 1 << 10


def sniff(head: bytes) -> bool:
    """By the magic bytes, also behind skippable frames, with which parallel compressors begin."""
    place = 0
    while _is_skippable(head[place : place + 4]):
        place += 8 + int.from_bytes(head[place + 4 : place + 8], "little")
    return head.startswith(_MAGIC, place)


def begins(head: bytes) -> bool:
    """Whether a part, which is a frame, begins so."""
    return head.startswith(_MAGIC) or _is_skippable(head)


def _is_skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE and head[0] & 0xF0 == 0x50


@cache
def _library() -> Any:
    """What decompresses here."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError('install a package for it: pip install "charvec[fast]"')


def start() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decoder, and what decoders raise.

    Raises:
        ImportError: where no package for it is installed.
    """
    library = _library()
    if library.__name__ == "zstandard":
        return lambda: _Bounded(library), (library.ZstdError,)
    options = {library.DecompressionParameter.window_log_max: WINDOW_LOG}
    return lambda: library.ZstdDecompressor(options=options), (library.ZstdError,)


def why(error: Exception) -> str:
    """What a decoder's error says about the data."""
    if "too much memory" in str(error):
        limit = (1 << WINDOW_LOG) >> 20
        return f"needs a window of more than {limit} MiB; pipe it in: `zstd -dc --long=31 FILE | charvec ... -`"
    return "is damaged"


class _Bounded:
    """The decoder of the package zstandard, which returns all that comes out at once, as one that does not."""

    def __init__(self, library: Any) -> None:
        self._decoder = library.ZstdDecompressor(max_window_size=1 << WINDOW_LOG).decompressobj()
        self._data, self._given = b"", 0
        self._out, self._taken = b"", 0

    @property
    def eof(self) -> bool:
        """Whether the frame is over."""
        return self._taken == len(self._out) and bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without it."""
        return self._taken == len(self._out) and self._given == len(self._data)

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the frame."""
        return bytes(self._decoder.unused_data) + self._data[self._given :]

    def decompress(self, data: Any, max_length: int) -> bytes:
        """What comes out when ``data`` goes in, at most ``max_length`` bytes of it."""
        if data:
            self._data, self._given = self._data[self._given :] + bytes(data), 0
        while self._taken == len(self._out) and self._given < len(self._data) and not self._decoder.eof:
            morsel = self._data[self._given : self._given + _MORSEL]
            self._given += len(morsel)
            self._out, self._taken = self._decoder.decompress(morsel), 0
        out: bytes = self._out[self._taken : self._taken + max_length]
        self._taken += len(out)
        return out
