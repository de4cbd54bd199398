r"""Plumbing: the header of NumPy's .npy files, which is a Python literal and is read here without evaluating it.

Layout (NumPy manual, ``numpy.lib.format``): ``\x93NUMPY``, two bytes of version, the length of the header as u16
(version 1) or u32 (2 and 3), the header ``{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }``, padded with
blanks to a line end; then the elements, by rows or, in Fortran order, by columns.
"""

from __future__ import annotations

import re
from math import prod
from typing import NoReturn

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.files import cut_short
from charvec.tensor import Block, Tensor
from charvec.valueclass import dataclass

__all__ = ["HEAD", "MAGIC", "Header", "parse_header"]

MAGIC = b"\x93NUMPY"
#: Bytes in which a header must lie; that of a plain array takes 128.
HEAD = 1 << 16
#: How many times more bytes than are there may be declared by a file that was merely cut short.
MAX_RATIO = 1000

_HEADER = re.compile(
    rb"\{\s*'descr'\s*:\s*'(?P<order>[<>|=])(?P<kind>[a-zA-Z])(?P<item>\d{0,9})'\s*,"
    rb"\s*'fortran_order'\s*:\s*(?P<fortran>True|False)\s*,"
    rb"\s*'shape'\s*:\s*\((?P<shape>(?:\s*\d{1,18}\s*,?){0,8})\)\s*,?\s*\}\s*"
)
_DTYPES = {
    **{f"f{item}": f"float{8 * item}" for item in (2, 4, 8)},
    **{f"i{item}": f"int{8 * item}" for item in (1, 2, 4, 8)},
    **{f"u{item}": f"uint{8 * item}" for item in (1, 2, 4, 8)},
    "b1": "bool",
}


@dataclass(frozen=True)
class Header:
    """What an .npy header says.

    Attributes:
        code: kind and size of an element as NumPy writes them, e.g. ``f4`` or ``U3``.
        big_endian: byte order of the elements.
        fortran: whether the elements lie by columns.
        shape: any number of axes.
        start: where the elements begin, counted from the magic number.
        itemsize: bytes of an element.
    """

    code: str
    big_endian: bool
    fortran: bool
    shape: tuple[int, ...]
    start: int
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return prod(self.shape) * self.itemsize

    @property
    def dtype(self) -> str:
        """The element type, by its name where it has one in :data:`charvec.tensor.ITEM_BYTES`."""
        return _DTYPES.get(self.code, self.code)

    def tensor(self, name: str, path: str, offset: int) -> Tensor:
        """The tensor whose file begins at byte ``offset`` of ``path`` with this header."""
        if self.code not in _DTYPES or (self.fortran and len(self.shape) > 2):
            return Tensor(name, self.shape, self.dtype)
        offset += self.start
        if not self.fortran or len(self.shape) < 2:
            return Tensor.contiguous(name, self.shape, self.dtype, path, offset, big_endian=self.big_endian)
        rows, columns = self.shape
        block = Block(path, offset, rows, columns, self.itemsize, rows * self.itemsize, big_endian=self.big_endian)
        return Tensor(name, self.shape, self.dtype, (block,))


def parse_header(head: bytes, size: int, what: str, path: str) -> Header:
    """Parse the beginning of an .npy file.

    Args:
        head: the first bytes, :data:`HEAD` of them if there are as many.
        size: bytes of the whole, which the header is compared with.
        what: the file or member, for messages.
        path: the file, for messages.

    Raises:
        DamagedFile: ``E-NPY``, ``E-TRUNCATED``, ``E-TRAILING``.
        UnsafeFile: ``E-BOMB`` when it declares far more than is there; ``E-PICKLE-UNSAFE`` for an array of Python
            objects, which is a pickle.
        WrongFile: ``E-NPY`` for an array of records.
    """

    def refuse(problem: str) -> NoReturn:
        raise DamagedFile("E-NPY", f"{what}: damaged .npy: {problem}", path=path, help="copy or write the file again")

    if not head.startswith(MAGIC) or len(head) < 12:
        refuse("it does not begin as one")
    width = {1: 2, 2: 4, 3: 4}.get(head[6])
    if width is None:
        refuse(f"there is no version {head[6]}.{head[7]}")
    start = 8 + width
    length = int.from_bytes(head[8:start], "little")
    if start + length > min(size, HEAD):
        refuse(f"its header claims {length:,} bytes")
    text = head[start : start + length]
    match = _HEADER.fullmatch(text)
    if not match:
        if re.match(rb"\{\s*'descr'\s*:\s*\[", text):
            raise WrongFile("E-NPY", f"{what} is an array of records", path=path, help="save the vectors as a matrix")
        refuse("its header is not what NumPy writes")
    kind, item = match["kind"].decode(), int(match["item"] or 0)
    if kind == "O":
        raise UnsafeFile(
            "E-PICKLE-UNSAFE",
            f"{what} is an array of Python objects, which only unpickling could read",
            path=path,
            help="do not load it with allow_pickle; ask for the array as numbers, or words as an array of strings",
        )
    shape = tuple(map(int, re.findall(rb"\d+", match["shape"])))
    itemsize = item * (4 if kind == "U" else 1)
    header = Header(
        f"{kind}{item}", match["order"] == b">", match["fortran"] == b"True", shape, start + length, itemsize
    )
    present = size - header.start
    if header.nbytes > present:
        if header.nbytes > MAX_RATIO * max(present, 1):
            raise UnsafeFile(
                "E-BOMB",
                f"{what} declares {header.nbytes:,} bytes, {present:,} are present",
                path=path,
                help="do not use this file unless you know who made it",
            )
        raise cut_short(path, size, f", in {what}", f"{present:,} of {header.nbytes:,} bytes present")
    if header.nbytes < present:
        raise DamagedFile(
            "E-TRAILING",
            f"{what} has {present - header.nbytes:,} bytes after the last of its elements",
            path=path,
            help="copy or write the file again",
        )
    return header
