"""Plumbing: pickles of plain values, written opcode by opcode. Opcodes: CPython's ``Lib/pickletools.py``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import WrongFile

__all__ = ["array", "dictionary", "integer", "sequence", "text"]


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


def array(values: NDArray[Any]) -> list[bytes | memoryview]:
    """A NumPy array of float32, as protocol 3 knows it, under the names that NumPy 1 and 2 both find.

    Raises:
        WrongFile: ``E-PROFILE-SIZE`` for 4 GiB or more, which BINBYTES cannot count.
    """
    plain = np.ascontiguousarray(values, "<f4")
    if plain.nbytes >= 1 << 32:
        raise WrongFile(
            "E-PROFILE-SIZE",
            f"the array has {plain.nbytes:,} bytes",
            help="choose another profile, or fewer characters",
        )
    shape = b"(" + b"".join(map(integer, plain.shape)) + b"t"
    dtype = b"cnumpy\ndtype\n(" + text("f4") + b"\x89\x88tR"  # dtype("f4", False, True), then its state
    dtype += b"(" + integer(3) + text("<") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
    # _reconstruct(ndarray, (0,), b"b"), then its state: (version, shape, dtype, Fortran, bytes)
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + integer(0) + b"\x85C\x01btR"
    head += b"(" + integer(1) + shape + dtype + b"\x89B" + plain.nbytes.to_bytes(4, "little")
    return [head, plain.reshape(-1).view(np.uint8).data, b"tb"]
