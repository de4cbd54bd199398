"""gzip (RFC 1952), by zlib or, where it is installed, by ISA-L, which is three times as fast.

Both check the CRC-32 and the length of each part, and give the same bytes; the tests hold one against the other. Only
of a stream that is cut short ISA-L may give one byte less, having not decoded the last letter yet.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["CODE", "NAME", "PADDING", "begins", "sniff", "start", "why"]

NAME = "gzip"
CODE = "W-GZIP"
#: Zero bytes behind a part are ignored, as gzip does: tapes and some devices pad with them.
PADDING = 1

#: "with the header and trailer of gzip", as zlib's manual has it.
_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_RESERVED_FLAGS = 0xE0


def sniff(head: bytes) -> bool:
    """By the magic bytes."""
    return head.startswith(_MAGIC)


def begins(head: bytes) -> bool:
    """Whether a part begins so: the magic bytes, the only method there is, and no flag that RFC 1952 reserves."""
    return head.startswith(_MAGIC) and not (len(head) > 3 and (head[2] != _DEFLATE or head[3] & _RESERVED_FLAGS))


@cache
def _library() -> Any:
    """What inflates fastest here."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def start() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decoder, and what decoders raise."""
    library = _library()
    return lambda: library.decompressobj(_GZIP), (library.error,)


def why(error: Exception) -> str:
    """What a decoder's error says about the data."""
    return "is damaged"
