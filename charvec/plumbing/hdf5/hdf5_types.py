"""Plumbing: what the header messages of a dataset in a foreign HDF5 file say.

Source: HDF5 File Format Specification, section IV.A.2, whose letters stand below; see
:mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from charvec.plumbing.hdf5.hdf5_blocks import Cursor, External, Unsupported
from charvec.plumbing.protobuf import Malformed

__all__ = ["Filter", "Kind", "Layout", "datatype", "filters", "layout", "sizes"]

#: HDF5's own limit.
MAX_AXES = 32
MAX_FILTERS = 32


class Kind(NamedTuple):
    """An element type: numpy's name where charvec knows it, else words; bytes of an element; byte order."""

    name: str
    size: int
    big_endian: bool = False


class Layout(NamedTuple):
    """How the elements are stored.

    Attributes:
        kind: ``compact`` within the header, ``contiguous``, ``chunked``, or words for what is not read.
        address, size: of the elements, or of the index of the chunks.
        chunk: sizes of a chunk along each axis, in elements.
        finder: what finds the chunks: 0 a version 1 B-tree, 1 nothing, there is one, 2 nothing, they lie in order,
            3 a fixed array.
        mask: for a single chunk, the filters that were left out.
    """

    kind: str
    address: int = 0
    size: int = 0
    chunk: tuple[int, ...] = ()
    finder: int = 0
    mask: int = 0


class Filter(NamedTuple):
    """A step of compression: its number and its settings."""

    number: int
    values: tuple[int, ...]


def sizes(data: bytes, place: int) -> tuple[int, ...] | None:
    """(b) The sizes of the axes; None for the null dataspace, which has no elements.

    Raises:
        Malformed: when a rule is broken.
    """
    fields = Cursor(data, place)
    version, axes, flags = fields.number(1), fields.number(1), fields.number(1)
    if version not in (1, 2) or axes > MAX_AXES:
        raise Malformed(f"a dataspace of version {version} with {axes} axes", place)
    if version == 1:
        fields.take(5)
        if flags & 2:
            raise Unsupported("permuted axes", place)
    elif fields.number(1) == 2:
        return None
    return tuple(fields.number(8) for _ in range(axes))


#: Class numbers of datatypes that are never read.
_CLASSES = {2: "time", 4: "bit field", 5: "opaque", 6: "compound", 7: "reference", 8: "enumeration", 10: "array"}
#: IEEE 754 and bfloat16: size -> places and sizes of exponent and mantissa, bias.
_FLOATS = {
    (2, 10, 5, 0, 10, 15): "float16",
    (2, 7, 8, 0, 7, 127): "bfloat16",
    (4, 23, 8, 0, 23, 127): "float32",
    (8, 52, 11, 0, 52, 1023): "float64",
}


def datatype(data: bytes, place: int) -> Kind:
    """(d) The element type.

    Raises:
        Malformed: when a rule is broken.
    """
    fields = Cursor(data, place)
    version, bits, size = fields.number(1), fields.number(3), fields.number(4)
    version, kind = version >> 4, version & 15
    if not 1 <= version <= 5 or not size:
        raise Malformed(f"a datatype of version {version} and {size} bytes", place)
    big_endian = bool(bits & 1)
    if kind == 0:
        offset, precision = fields.number(2), fields.number(2)
        if (offset, precision) == (0, 8 * size) and size in (1, 2, 4, 8):
            return Kind(f"{'' if bits & 8 else 'u'}int{8 * size}", size, big_endian)
        return Kind(f"integer of {precision} bits", size)
    if kind == 1:
        offset, precision = fields.number(2), fields.number(2)
        parts = (size, fields.number(1), fields.number(1), fields.number(1), fields.number(1), fields.number(4))
        # the first bit of the mantissa is implied, the sign is the topmost bit, and the byte order one of the usual two
        plain = bits & 0x70 == 0x20 and bits >> 8 == 8 * size - 1 and (offset, precision) == (0, 8 * size)
        return Kind(_FLOATS.get(parts, "") * plain or f"float of {precision} bits", size, big_endian)
    if kind == 3:
        return Kind("string", size)
    if kind == 9:
        return Kind("variable-length string" if bits & 15 == 1 else "sequence of variable length", size)
    if kind not in _CLASSES:
        raise Malformed(f"a datatype of class {kind}", place)
    return Kind(_CLASSES[kind], size)


def layout(data: bytes, place: int, axes: int) -> Layout:
    """(i) How the elements of a dataset with so many axes are stored.

    Raises:
        External: for a virtual dataset, a patchwork of other files.
        Malformed: when a rule is broken.
    """
    fields = Cursor(data, place)
    version, kind = fields.number(1), fields.number(1)
    if version in (1, 2):
        return Layout(f"layout version {version}")
    if version not in (3, 4, 5):
        raise Malformed(f"a layout of version {version}", place)
    if kind == 0:
        size = fields.number(2)
        return Layout("compact", fields.address, len(fields.take(size)))
    if kind == 1:
        return Layout("contiguous", fields.number(8), fields.number(8))
    if kind == 3:
        raise External("a virtual dataset takes its data from other files", place)
    if kind != 2:
        raise Malformed(f"a layout of class {kind}", place)
    if version == 3:
        rank, address = fields.number(1), fields.number(8)
        return Layout("chunked", address, 0, _chunk([fields.number(4) for _ in range(rank)], axes, place))
    flags, rank, width = fields.number(1), fields.number(1), fields.number(1)
    if width > 8:
        raise Malformed("sizes of a chunk in more than 8 bytes", place)
    chunk = _chunk([fields.number(width) for _ in range(rank)], axes, place)
    index = fields.number(1)
    if index not in (1, 2, 3):
        return Layout("chunks of a growing dataset")
    if flags & 1:
        return Layout("unfiltered chunks at its edges")
    size = mask = 0
    if index == 1 and flags & 2:
        size, mask = fields.number(8), fields.number(4)
    elif index == 3:
        fields.take(1)
    return Layout("chunked", fields.number(8), size, chunk, index, mask)


def _chunk(dims: list[int], axes: int, place: int) -> tuple[int, ...]:
    """The chunk's sizes without the last, which is that of an element."""
    if len(dims) != axes + 1 or not axes or not prod(dims):
        raise Malformed(f"a chunk of {len(dims) - 1} axes in a dataset of {axes}", place)
    return tuple(dims[:-1])


def filters(data: bytes, place: int) -> tuple[Filter, ...]:
    """(l) The steps that a chunk went through when it was written, in that order.

    Raises:
        Malformed: when a rule is broken.
    """
    fields = Cursor(data, place)
    version, count = fields.number(1), fields.number(1)
    if version not in (1, 2) or count > MAX_FILTERS:
        raise Malformed(f"filters of version {version}, {count} of them", place)
    if version == 1:
        fields.take(6)
    found = []
    for _ in range(count):
        number = fields.number(2)
        name = fields.number(2) if version == 1 or number >= 256 else 0
        fields.take(2)
        values = fields.number(2)
        fields.take(name + (-name % 8 if version == 1 else 0))
        found.append(Filter(number, tuple(fields.number(4) for _ in range(values))))
        if version == 1 and values % 2:
            fields.take(min(4, fields.left))
    return tuple(found)
