"""Plumbing: pickles of plain values, written opcode by opcode. Opcodes: CPython's ``Lib/pickletools.py``."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["dictionary", "integer", "sequence", "text"]


def text(value: str) -> bytes:
    """BINUNICODE."""
    encoded = value.encode("utf-8", "surrogatepass")
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def integer(value: int) -> bytes:
    """BININT1, BININT2, BININT or LONG1, whichever is the shortest."""
    if 0 <= value < 1 << 8:
        return b"K" + value.to_bytes(1, "little")
    if 0 <= value < 1 << 16:
        return b"M" + value.to_bytes(2, "little")
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + value.to_bytes(4, "little", signed=True)
    length = value.bit_length() // 8 + 1
    return b"\x8a" + length.to_bytes(1, "little") + value.to_bytes(length, "little", signed=True)


def sequence(values: Iterable[str]) -> bytes:
    """A list of texts: EMPTY_LIST, MARK, ..., APPENDS."""
    return b"](" + b"".join(map(text, values)) + b"e"


def dictionary(values: Iterable[tuple[str, int]]) -> bytes:
    """A dictionary of texts and integers: EMPTY_DICT, MARK, ..., SETITEMS."""
    return b"}(" + b"".join(text(key) + integer(value) for key, value in values) + b"u"
