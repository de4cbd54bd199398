"""xz, by the standard library. Every block has a checksum, which liblzma checks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["CODE", "NAME", "PADDING", "begins", "sniff", "start", "why"]

NAME = "xz"
CODE = "W-XZ"
#: Zero bytes between and behind streams come in fours, says the format.
PADDING = 4
#: Bytes the decoder may use: twice what `xz -9` makes it use, and so a dictionary of 128 MiB and what goes with it.
MEMORY = 136 << 20

_MAGIC = b"\xfd7zXZ\0"


def sniff(head: bytes) -> bool:
    """By the magic bytes."""
    return head.startswith(_MAGIC)


def begins(head: bytes) -> bool:
    """Whether a part begins so."""
    return head.startswith(_MAGIC)


def start() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decoder, and what decoders raise.

    Raises:
        ImportError: where Python was built without liblzma.
    """
    try:
        lzma = importlib.import_module("lzma")
    except ImportError:
        raise ImportError("this Python was built without liblzma") from None
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY), (lzma.LZMAError,)


def why(error: Exception) -> str:
    """What a decoder's error says about the data."""
    if "emory usage limit" in str(error):
        return f"needs more than {MEMORY >> 20} MiB of memory; pipe it in: `xz -dc FILE | charvec ... -`"
    return "is damaged"
