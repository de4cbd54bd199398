"""Paddle: what ``paddle.save`` writes, a pickle of NumPy arrays by name (``.pdparams``).

Protocols 3 and 4 hold an array's bytes as they are: rows are read in place. Protocol 2, the default before Paddle 2.1,
holds them as text (:mod:`charvec.plumbing.arrays.latin1_rows`): rows are read in one pass. With protocols 2 and 3 an
array above 2^30 bytes is cut into pieces ``NAME@@.0``, ``NAME@@.1`` ..., listed in an entry ``UnpackBigParamInfor@@``.
Source: python/paddle/framework/io.py and io_utils.py.

NumPy has no bfloat16, so Paddle stores it as uint16 and takes every uint16 for it; so do we.

The pickle runs in :mod:`charvec.plumbing.pickles.unpickle`, which imports and calls nothing. Pickles of NumPy arrays by
other programs look the same and are read as well.
"""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.flat_pieces import flat_blocks
from charvec.plumbing.arrays.latin1_rows import Latin1Columns, Latin1Rows
from charvec.plumbing.files import File
from charvec.plumbing.pickles.array_pickle import holds_arrays, read_arrays
from charvec.plumbing.pickles.leaves import named_leaves
from charvec.plumbing.pickles.numpy_pickle import Array
from charvec.plumbing.pickles.placed import Place
from charvec.tensor import ITEM_BYTES, READABLE, Block, Checkpoint, RowSource, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "paddle"

#: The entry that tells which arrays are pieces of others, and what it says of each.
_PIECES, _SLICES, _SHAPE = "UnpackBigParamInfor@@", "slices", "OriginShape"
#: Axes of an array in pieces.
MAX_AXES = 64

_DTYPES = {
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "u2": "bfloat16",
    "b1": "bool",
    **{f"{kind}{size}": f"{name}{8 * size}" for kind, name in (("i", "int"), ("u", "uint")) for size in (1, 4, 8)},
    "i2": "int16",
    "c8": "complex64",
    "c16": "complex128",
}


def sniff(file: File) -> bool:
    """A binary pickle whose first arrays are NumPy's."""
    return holds_arrays(file)


def read(file: File) -> Checkpoint:
    """Run the pickle; no element is read.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when the pickle names anything but arrays, or anything follows it; ``E-BOMB``.
        DamagedFile: ``E-PICKLE``, ``E-PADDLE`` or ``E-TRUNCATED``.
    """
    value, digest = read_arrays(file)
    arrays = named_leaves(value, _array, file.path)
    pieces: Any = value.get(_PIECES, {}) if isinstance(value, dict) else {}
    if not isinstance(pieces, dict):
        _refuse(file, f"the entry {_PIECES!r} is no dictionary")
    joined = {str(name): _joined(file, str(name), entry, arrays) for name, entry in pieces.items()}
    tensors = {name: _tensor(file.path, name, array) for name, array in arrays.items()}
    for name in joined:
        if name in tensors:
            _refuse(file, f"{name[:80]!r} is there in one piece and in several")
    return Checkpoint(file.path, NAME, {file.path: file.size}, tensors | joined, digest)


def _array(value: object) -> Array | None:
    """An array, or one with the name its tensor had in the program."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        value = value[1]
    return value if isinstance(value, Array) else None


def _dtype(array: Array) -> str:
    return _DTYPES[array.dtype[1:]] if array.dtype else "object"


def _tensor(path: str, name: str, array: Array) -> Tensor:
    """The tensor of an array."""
    shape, dtype, big_endian = array.shape, _dtype(array), array.dtype.startswith(">")
    if array.place is None or dtype not in ITEM_BYTES:
        # of what the pickle machine read itself there are only empty arrays
        empty = 0 in shape and dtype in ITEM_BYTES
        return Tensor.contiguous(name, shape, dtype, path, 0) if empty else Tensor(name, shape, dtype)
    if array.place.latin1:
        return _text(path, name, shape, dtype, (array.place,), big_endian, array.fortran and len(shape) > 1)
    if array.fortran and len(shape) > 1:
        if len(shape) != 2:
            return Tensor(name, shape, dtype)
        item = ITEM_BYTES[dtype]
        block = Block(path, array.place.offset, *shape, item, shape[0] * item, big_endian=big_endian)
        return Tensor(name, shape, dtype, (block,))
    return Tensor.contiguous(name, shape, dtype, path, array.place.offset, big_endian=big_endian)


def _text(
    path: str,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    places: tuple[Place, ...],
    big_endian: bool,
    fortran: bool = False,
) -> Tensor:
    """A tensor whose bytes are written as text."""
    if len(shape) != 2 or dtype not in READABLE:
        return Tensor(name, shape, dtype)
    source: RowSource = Latin1Rows(path, places, *shape, dtype, big_endian)
    if fortran:
        source = Latin1Columns(Latin1Rows(path, places, *shape[::-1], dtype, big_endian))
    return Tensor(name, shape, dtype, source=source, files=(path,))


def _joined(file: File, name: str, entry: Any, arrays: dict[str, Array]) -> Tensor:
    """The tensor of an array in pieces, which are taken out of ``arrays``."""
    listed, shape = (entry.get(_SLICES), entry.get(_SHAPE)) if isinstance(entry, dict) else (None, None)
    parts = []
    for part in listed if isinstance(listed, list) else [None]:
        if not isinstance(part, str) or part not in arrays:
            _refuse(file, f"pieces of {name[:80]!r} are missing, or are pieces of another as well")
        parts.append(arrays.pop(part))
    if not isinstance(shape, tuple) or len(shape) > MAX_AXES or any(type(n) is not int or n < 0 for n in shape):
        _refuse(file, f"the shape of {name[:80]!r} is no list of sizes")
    counts = [prod(part.shape) for part in parts]
    if len({part.dtype for part in parts}) != 1 or sum(counts) != prod(shape):
        _refuse(file, f"the pieces of {name[:80]!r} do not make an array of the shape {list(shape)}")
    dtype, big_endian = _dtype(parts[0]), parts[0].dtype.startswith(">")
    places = tuple(part.place for part in parts if part.place is not None)
    flat = len(places) == len(parts) and not any(part.fortran and len(part.shape) > 1 for part in parts)
    if not flat or not prod(shape) or dtype not in ITEM_BYTES:
        return Tensor(name, shape, dtype)
    if any(place.latin1 for place in places):
        return _text(file.path, name, shape, dtype, places, big_endian)
    offsets = [place.offset for place in places]
    blocks = flat_blocks(
        file.path, zip(offsets, counts, strict=True), prod(shape[1:]), ITEM_BYTES[dtype], big_endian=big_endian
    )
    return Tensor(name, shape, dtype, blocks)


def _refuse(file: File, problem: str) -> NoReturn:
    raise DamagedFile(
        "E-PADDLE", f"{file.path}: damaged Paddle checkpoint: {problem}", path=file.path, help="download it again"
    )
