"""bzip2, by the standard library. Every block and the whole have a CRC-32, which libbz2 checks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["CODE", "NAME", "PADDING", "begins", "sniff", "start", "why"]

NAME = "bzip2"
CODE = "W-BZIP2"
PADDING = 0

#: What follows the four bytes BZh1 to BZh9: the digits of pi before a block, or of its square root where there is none.
_MARKS = (b"1AY&SY", b"\x17rE8P\x90")


def sniff(head: bytes) -> bool:
    """By the magic bytes and those of the first block: a text may begin with BZh as well."""
    return head[:3] == b"BZh" and head[4:10] in _MARKS


def begins(head: bytes) -> bool:
    """Whether a part begins so."""
    return sniff(head)


def start() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decoder, and what decoders raise.

    Raises:
        ImportError: where Python was built without bzip2.
    """
    try:
        bz2 = importlib.import_module("bz2")
    except ImportError:
        raise ImportError("this Python was built without bzip2") from None
    return bz2.BZ2Decompressor, (OSError, ValueError)


def why(error: Exception) -> str:
    """What a decoder's error says about the data."""
    return "is damaged"
