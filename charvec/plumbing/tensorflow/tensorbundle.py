"""Plumbing: the index of a TensorFlow tensor bundle, entry by entry.

The table of :mod:`charvec.plumbing.tensorflow.leveldb` maps the key ``""`` to a BundleHeaderProto and every other key
to a BundleEntryProto (see tensorflow/core/protobuf/tensor_bundle.proto). Here these are parsed and each is checked by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

from charvec.plumbing.protobuf import I32, LEN, VARINT, Malformed, fields, signed
from charvec.plumbing.tensorflow.leveldb import entries
from charvec.tensor import ITEM_BYTES

__all__ = [
    "MAX_SHARDS",
    "Entry",
    "Extents",
    "Index",
    "graph_names",
    "parse",
    "shape_sizes",
    "slice_extents",
    "slice_key",
]

#: Caps: slices of a tensor, axes of a shape, data files (five digits in their names), fields of an object graph.
MAX_SLICES = 1 << 14
MAX_AXES = 8
MAX_SHARDS = 99_999
MAX_FIELDS = 4_000_000

DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
}
#: Nothing charvec turns into vectors: listed, never read.
OTHER_DTYPES = {
    7: "string",
    8: "complex64",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    15: "qint16",
    16: "quint16",
    18: "complex128",
    20: "resource",
    21: "variant",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}

_HEADER = {1: VARINT, 2: VARINT, 3: LEN}
_ENTRY = {1: VARINT, 2: LEN, 3: VARINT, 4: VARINT, 5: VARINT, 6: I32, 7: LEN}

#: Start and length along every axis; length -1 is the whole axis.
Extents = tuple[tuple[int, int], ...]


class Entry(NamedTuple):
    """A BundleEntryProto.

    Attributes:
        dtype: name of the element type.
        shape: sizes of the axes.
        shard: number of the data file.
        offset, size: where its bytes lie there.
        crc: their masked CRC-32C.
        slices: of a partitioned variable, its slices, each with an entry of its own; this one has no bytes then.
        place: where the entry lies in the index file.
    """

    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    slices: tuple[Extents, ...]
    place: int


class Index(NamedTuple):
    """All entries; those of slices by the key that :func:`slice_key` gives."""

    shards: int
    big_endian: bool
    tensors: dict[str, Entry]
    slices: dict[bytes, Entry]


def parse(raw: bytes) -> Index:
    """Parse an index file.

    Raises:
        Malformed: when a rule is broken; its offset is one in the index file.
    """
    table = entries(raw)
    key, value, place = next(table, (b"?", b"", 0))
    if key:
        raise Malformed("a LevelDB table without the header of a TensorFlow bundle", place)
    header = {1: 0, 2: 0}
    try:
        for number, _, content in fields(value, _HEADER):
            if number < 3:
                header[number] = content
            elif number == 3 and any(what == 2 and least > 1 for what, _, least in fields(content, {2: VARINT})):
                raise Malformed("made for a newer reader")
    except Malformed as error:
        raise Malformed(f"the bundle header: {error}", place) from None
    if not 0 < header[1] <= MAX_SHARDS or header[2] > 1:
        raise Malformed(f"the bundle header has {header[1]:,} shards and byte order {header[2]}", place)
    index = Index(header[1], header[2] == 1, {}, {})
    for key, value, place in table:
        try:
            entry = _entry(value, place)
            if entry.shard >= index.shards:
                raise Malformed(f"shard {entry.shard:,} of {index.shards:,}")
            if key[0]:
                index.tensors[key.decode()] = entry
            else:
                index.slices[key] = entry
        except UnicodeDecodeError:
            raise Malformed(f"the name {key[:80]!r} is not UTF-8", place) from None
        except Malformed as error:
            raise Malformed(f"the entry of {key[:80].decode('utf-8', 'replace')!r}: {error}", place) from None
    return index


def _entry(raw: bytes, place: int) -> Entry:
    code = shard = offset = size = crc = 0
    shape: list[int] = []
    slices: list[Extents] = []
    for number, _, value in fields(raw, _ENTRY):
        if number == 1:
            code = value
        elif number == 2:
            # few shapes stand in many entries: 206 of a BERT take 3 ms instead of 5
            shape += _known_sizes(value) if len(value) < 64 else shape_sizes(value)
        elif number == 3:
            shard = value
        elif number == 4:
            offset = value
        elif number == 5:
            size = value
        elif number == 6:
            crc = value
        elif number == 7:
            slices.append(slice_extents(value))
        if len(shape) > MAX_AXES or len(slices) > MAX_SLICES:
            raise Malformed(f"more than {MAX_AXES} axes or {MAX_SLICES:,} slices")
    if not 0 < code < 100:
        raise Malformed(f"dtype {code:,}")
    if min(shape, default=0) < 0:
        raise Malformed(f"the shape {shape}")
    if max(offset, size) >> 63:
        raise Malformed("a negative offset or size")
    dtype = DTYPES.get(code) or OTHER_DTYPES.get(code, f"dtype{code}")
    item = ITEM_BYTES.get(dtype, 0)
    if item and not slices and prod(shape) * item != size:
        raise Malformed(f"shape {shape} and dtype {dtype} need {prod(shape) * item:,} bytes, it has {size:,}")
    return Entry(dtype, tuple(shape), shard, offset, size, crc, tuple(slices), place)


def shape_sizes(raw: bytes) -> list[int]:
    """Sizes of a TensorShapeProto."""
    sizes = []
    for number, _, value in fields(raw, {2: LEN, 3: VARINT}):
        if number == 2:
            size = 0  # proto3 leaves a zero out
            for what, _, content in fields(value, {1: VARINT}):
                size = signed(content) if what == 1 else size
            sizes.append(size)
            if len(sizes) > MAX_AXES:
                break  # enough to be refused
        elif number == 3 and value:
            raise Malformed("a shape of unknown rank")
    return sizes


_known_sizes = lru_cache(64)(shape_sizes)


def slice_extents(raw: bytes) -> Extents:
    """Extents of a TensorSliceProto."""
    extents: list[tuple[int, int]] = []
    for number, _, value in fields(raw, {1: LEN}):
        if number == 1:
            extents.append(_extent(value))
        if len(extents) > MAX_AXES:
            raise Malformed(f"a slice of more than {MAX_AXES} axes")
    return tuple(extents)


def _extent(raw: bytes) -> tuple[int, int]:
    """Start and length of an extent; length -1 is the whole axis."""
    start, length = 0, -1
    for number, _, value in fields(raw, {1: VARINT, 2: VARINT}):
        if number == 1:
            start = signed(value)
        elif number == 2:
            length = signed(value)
    return start, length


def slice_key(name: str, extents: Extents) -> bytes:
    """The key of a slice's entry, in TensorFlow's OrderedCode: 0, name, rank, then start and length of every axis."""
    text = name.encode().replace(b"\0", b"\0\xff") + b"\0\1"
    rank = bytes([1, len(extents)]) if extents else b"\0"
    return b"\0" + text + rank + b"".join(_ordered(number) for extent in extents for number in extent)


def _ordered(number: int) -> bytes:
    """A signed integer in n bytes, two's complement, the first n + 1 bits XORed with n ones and a zero."""
    size = (number if number >= 0 else ~number).bit_length() // 7 + 1
    ones = ((1 << size) - 1) << 7 * size
    return ((number & (1 << 8 * size) - 1) ^ ones).to_bytes(size, "big")


def graph_names(raw: bytes, index: Index) -> dict[str, str]:
    """Variable names by tensor name, from a TrackableObjectGraph: nodes 1, attributes 2, full_name 2, checkpoint_key 3.

    Raises:
        Malformed: when it is no such message.
        UnicodeDecodeError: when a name is not UTF-8.
    """
    left = MAX_FIELDS

    def capped(message: bytes, kinds: dict[int, int]) -> Iterator[tuple[int, Any]]:
        nonlocal left
        for number, _, value in fields(message, kinds):
            left -= 1
            if left < 0:
                raise Malformed(f"more than {MAX_FIELDS:,} fields")
            yield number, value

    names: dict[str, str] = {}
    for node_number, node in capped(raw, {1: LEN}):
        for number, attribute in capped(node, {2: LEN}) if node_number == 1 else ():
            if number == 2:
                texts = dict(capped(attribute, {2: LEN, 3: LEN}))
                full, key = texts.get(2, b"").decode(), texts.get(3, b"").decode()
                if full and key in index.tensors:
                    names[key] = full
    return names
