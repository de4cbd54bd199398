"""Flax: nested MessagePack maps whose leaves are arrays, as ``flax.serialization`` and Hugging Face write them.

Layout (flax/serialization.py): an array is an extension value of type 1 that holds ``[shape, dtype, bytes]`` in
MessagePack again; type 3 is the same for a NumPy scalar, type 2 a complex number. An array above 2^30 bytes is a map
``{"__msgpack_chunked_array__": true, "shape": {"0": ...}, "chunks": {"0": ...}}`` of pieces of its flattened elements.

Names of tensors are the keys, with slashes between them. ``Checkpoint.full_names`` has them the way PyTorch spells
them, which the classes of transformers share.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.flat_pieces import flat_blocks
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.msgpack import Bytes, Extension, Reader
from charvec.plumbing.protobuf import Malformed
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "flax"

_ARRAY, _SCALAR = 1, 3
_CHUNKED = "__msgpack_chunked_array__"
#: Axes of an array; values of the message within an array.
MAX_AXES = 8
MAX_ARRAY_VALUES = 4 + MAX_AXES


class Array(NamedTuple):
    """What an extension value says."""

    shape: tuple[int, ...]
    dtype: str
    offset: int
    size: int


def sniff(file: File) -> bool:
    """A map that is no longer than the file, whose first key is a text without control characters."""
    head = file.head
    width = {0xDE: 2, 0xDF: 4}.get(head[0], 0) if head else 0
    if not head or not (width or 0x81 <= head[0] <= 0x8F):
        return False
    count = int.from_bytes(head[1 : 1 + width], "big") if width else head[0] & 15
    rest = head[1 + width :]
    start = 2 if rest[:1] == b"\xd9" else 1  # a text of up to 31 bytes has its length in its first byte
    if not count or 2 * count > file.size or len(rest) <= start or not (start == 2 or 0xA1 <= rest[0] <= 0xBF):
        return False
    size = rest[1] if start == 2 else rest[0] & 31
    key, value = rest[start : start + size], rest[start + size : start + size + 1]
    return key.isascii() and key.decode("ascii").isprintable() and (value < b"\xa0" or value >= b"\xc0")


def read(file: File) -> Checkpoint:
    """Walk over the maps; of every array, only shape and dtype are read.

    Raises:
        DamagedFile: ``E-FLAX``, ``E-TRUNCATED`` or ``E-TRAILING``.
    """
    path = file.path
    reader = Reader(file, 0, file.size)
    tensors: dict[str, Tensor] = {}
    try:
        tree = reader.value()
        if not isinstance(tree, dict):
            raise Malformed("it holds no map", 0)
        for name, leaf in _leaves(tree, ""):
            tensor = _tensor(file, name, leaf)
            if tensor is None:
                continue
            if name in tensors:
                raise Malformed(f"the name {name[:80]!r} is there twice")
            tensors[name] = tensor
            reader.digest.update(repr((name, tensor.shape, tensor.dtype)).encode())
    except Malformed as error:
        if str(error).startswith("it ends"):
            raise cut_short(path, file.size, ": it ends within a value") from None
        raise error.within(path, "E-FLAX", "Flax checkpoint") from None
    if reader.position < file.size:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {file.size - reader.position:,} bytes after its end",
            path=path,
            offset=reader.position,
            help="download the file again; something was appended to it",
        )
    names = {name: _full_name(name) for name in tensors}
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        tensors,
        reader.digest.hexdigest(),
        full_names={name: full for name, full in names.items() if full != name},
    )


def _leaves(tree: dict[str, Any] | list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    items = tree.items() if isinstance(tree, dict) else ((str(place), each) for place, each in enumerate(tree))
    for key, value in items:
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, (dict, list)) and not (isinstance(value, dict) and _CHUNKED in value):
            yield from _leaves(value, name)
        else:
            yield name, value


def _tensor(file: File, name: str, leaf: Any) -> Tensor | None:
    """The tensor of a leaf; None for what is no array, such as a plain number."""
    if isinstance(leaf, dict):
        return _chunked(file, name, leaf)
    if not isinstance(leaf, Extension) or leaf.code not in (_ARRAY, _SCALAR):
        return None
    array = _array(file, name, leaf)
    if array.dtype not in ITEM_BYTES:
        return Tensor(name, array.shape, array.dtype)
    return Tensor.contiguous(name, array.shape, array.dtype, file.path, array.offset)


def _array(file: File, name: str, leaf: Extension) -> Array:
    end = leaf.offset + leaf.size
    reader = Reader(file, leaf.offset, end, MAX_ARRAY_VALUES)
    try:
        content = reader.value(3)
    except Malformed as error:
        raise Malformed(f"the array {name[:80]!r}: {str(error).replace('it ends', 'ends')}", leaf.offset) from None
    if not isinstance(content, list) or len(content) != 3 or reader.position != end:
        raise Malformed(f"the array {name[:80]!r} is not [shape, dtype, bytes]", leaf.offset)
    shape, dtype, data = content
    if not (isinstance(shape, list) and isinstance(dtype, str) and isinstance(data, Bytes)):
        raise Malformed(f"the array {name[:80]!r} is not [shape, dtype, bytes]", leaf.offset)
    sizes = _sizes(name, shape, leaf.offset)
    item = ITEM_BYTES.get(dtype)
    if item and prod(sizes) * item != data.size:
        needed = prod(sizes) * item
        raise Malformed(f"the array {name[:80]!r} needs {needed:,} bytes and has {data.size:,}", data.offset)
    return Array(sizes, dtype, data.offset, data.size)


def _sizes(name: str, shape: list[Any], place: int | None) -> tuple[int, ...]:
    if len(shape) > MAX_AXES or any(type(size) is not int or size < 0 for size in shape):
        raise Malformed(f"the shape of {name[:80]!r} is not a list of up to {MAX_AXES} sizes", place)
    return tuple(shape)


def _listed(name: str, value: Any) -> list[Any]:
    """The values of a map with the keys "0", "1" and so on, which is how Flax writes a tuple."""
    if not isinstance(value, dict) or set(value) != {str(place) for place in range(len(value))}:
        raise Malformed(f"the array in pieces {name[:80]!r} has no shape or no pieces")
    return [value[str(place)] for place in range(len(value))]


def _chunked(file: File, name: str, leaf: dict[str, Any]) -> Tensor:
    """An array in pieces: of each at most three blocks, as rows may be cut in two."""
    shape = _sizes(name, _listed(name, leaf.get("shape")), None)
    pieces = []
    for piece in _listed(name, leaf.get("chunks")):
        if not isinstance(piece, Extension) or piece.code != _ARRAY:
            raise Malformed(f"a piece of {name[:80]!r} is no array")
        pieces.append(_array(file, name, piece))
    dtypes = {piece.dtype for piece in pieces}
    count = sum(prod(piece.shape) for piece in pieces)
    if len(dtypes) != 1 or count != prod(shape) or not count:
        raise Malformed(f"the pieces of {name[:80]!r} do not make an array of the shape {list(shape)}")
    (dtype,) = dtypes
    if dtype not in ITEM_BYTES:
        return Tensor(name, shape, dtype)
    item, columns = ITEM_BYTES[dtype], prod(shape[1:])
    blocks = flat_blocks(file.path, ((each.offset, prod(each.shape)) for each in pieces), columns, item)
    return Tensor(name, shape, dtype, blocks)


def _full_name(name: str) -> str:
    bare = name.removeprefix("params/")
    return bare.removesuffix("/embedding").replace("/", ".") + ".weight" if bare.endswith("/embedding") else bare
