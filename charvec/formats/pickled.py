"""A pickled dictionary {character: float32 vector}, as BERT-Vector writes it. For programs that cannot be changed.

Written opcode by opcode and read by :mod:`charvec.plumbing.pickles.unpickle`, which runs nothing: Python's own
unpickler is never used. The arrays name ``numpy.core.multiarray``, which NumPy 1 and 2 both find; NumPy 2's own pickles
cannot be read by NumPy before 1.26. Opcodes: CPython's ``Lib/pickletools.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.errors import WrongFile
from charvec.plumbing.arrays.plain import check_some, from_pairs
from charvec.vectors import CharVectors

if TYPE_CHECKING:
    from charvec.plumbing.pickles.numpy_pickle import Array

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "pickle"
SUFFIXES: tuple[str, ...] = (".pkl", ".pickle")
PROOF = ""
HOLDS = "float32"


def sniff(head: bytes) -> bool:
    """The opcode PROTO with a protocol from 2 to 5."""
    return head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5")


def _int(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file, protocol 3 (any Python 3 reads it). Nothing is ever left out.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when there is no character.
    """
    check_some(len(vectors), "a pickle")
    pop = b"0"
    file.write(b"\x80\x03")
    # what every array shares is built once, stored in the memo (q = BINPUT) and taken off the stack
    file.write(b"cnumpy.core.multiarray\n_reconstruct\nq\0" + pop)
    file.write(b"cnumpy\nndarray\nK\0\x85C\x01b\x87q\x01" + pop)  # (ndarray, (0,), b"b")
    file.write(b"cnumpy\ndtype\nX\x02\0\0\0f4\x89\x88\x87R")  # dtype("f4", False, True)
    file.write(b"(K\x03X\x01\0\0\0<NNN" + _int(-1) + _int(-1) + b"K\0tbq\x02" + pop)  # its state
    file.write(_int(vectors.dim) + b"\x85q\x03" + pop)  # the shape
    file.write(b"}(")
    size = vectors.dim * 4
    matrix = np.ascontiguousarray(vectors.matrix, "<f4")
    for char, row in zip(vectors.chars, matrix, strict=True):
        key = char.encode("utf-8", "surrogatepass")
        file.write(b"X" + len(key).to_bytes(4, "little") + key)
        # _reconstruct(*arguments), then BUILD with (1, shape, dtype, not Fortran, bytes)
        file.write(b"h\0h\1R(K\1h\3h\2\x89B" + size.to_bytes(4, "little") + row.tobytes() + b"tb")
    file.write(b"u.")
    return []


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read such a dictionary, ours or another program's.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it wants anything built but arrays.
        DamagedFile: ``E-PICKLE``, and as :func:`charvec.plumbing.arrays.plain.from_pairs`.
    """
    from charvec.plumbing.pickles.numpy_pickle import read_vector_dict

    arrays = read_vector_dict(data, path)
    return from_pairs(((key, _values(array, path)) for key, array in arrays.items()), path, NAME)


def _values(array: Array, path: str) -> NDArray[Any]:
    if array.dtype[1:] not in ("f2", "f4", "f8"):
        raise WrongFile(
            "E-NO-CHARACTERS",
            f"{path} holds arrays of {array.dtype or 'objects'}, not of floating-point numbers",
            path=path,
            help="name a file with one vector for each character",
        )
    order: Literal["F", "C"] = "F" if array.fortran else "C"
    return np.frombuffer(array.data, array.dtype).reshape(array.shape, order=order)
