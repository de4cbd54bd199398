"""Plumbing: TensorFlow checkpoints of the first version, entry by entry.

Layout (tensorflow/core/util/saved_tensor_slice.proto): a LevelDB table, :mod:`charvec.plumbing.tensorflow.leveldb`. Its
key ``""`` holds names, shapes, types and slices of all tensors; under every other key, in OrderedCode, lies a slice
with its elements in a TensorProto: ``float_val`` and ``double_val`` as they are in memory, ``half_val`` as a varint
each.

Values can have gigabytes. Only their first bytes are read, unless their block is compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from charvec.plumbing.files import File
from charvec.plumbing.protobuf import I32, I64, LEN, VARINT, Malformed, fields, varint
from charvec.plumbing.tensorflow.leveldb import MAX_CONTENT, TRAILER, Room, content, handles
from charvec.plumbing.tensorflow.tensorbundle import (
    DTYPES,
    OTHER_DTYPES,
    Extents,
    shape_sizes,
    slice_extents,
    slice_key,
)
from charvec.plumbing.window import Window

__all__ = ["Packed", "Place", "Saved", "Table", "read", "unpack"]

#: Blocks of up to so many bytes have their checksum compared; to read a larger one costs more than the rows do.
MAX_CHECKED = 1 << 16
#: Caps: slices in all, axes of a shape, fields of the message around a slice, bytes of a name.
MAX_SLICES = 1 << 17
MAX_AXES = 8
MAX_FIELDS = 64
MAX_NAME = 1 << 16


class Packed(NamedTuple):
    """Where a compressed block lies in the file, without its trailer."""

    offset: int
    size: int


class Place(NamedTuple):
    """Where bytes lie: in the file, or in what a block of it unpacks to."""

    offset: int
    size: int
    block: Packed | None = None


class Saved(NamedTuple):
    """A tensor as the first entry describes it."""

    dtype: str
    shape: tuple[int, ...]
    slices: tuple[Extents, ...]


class Table(NamedTuple):
    """A checkpoint.

    Attributes:
        meta: the bytes of its first entry.
        tensors: by name.
        values: the fields of a slice's TensorProto that are byte strings, by the key of the slice and field number.
    """

    meta: bytes
    tensors: dict[str, Saved]
    values: dict[bytes, dict[int, Place]]


class _Memory:
    """Reads from bytes as :class:`charvec.plumbing.window.Window` does from a file."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


def unpack(file: File, block: Packed) -> bytes:
    """What a compressed block holds; its checksum is verified.

    Raises:
        Malformed: when it does not match, or the block is not what it says.
    """
    return content(file.pread(block.offset, block.size + TRAILER), block.offset, Room(5 * MAX_CONTENT))[0]


def read(file: File) -> Table:
    """Read the first entry, and of all others where their elements lie.

    Raises:
        Malformed: when a rule is broken; its offset is one in the file.
    """
    window, room = Window(file), Room(MAX_CONTENT)
    table: Table | None = None
    previous = b""
    for begin, size in handles(file.pread, file.size, room):
        space, start, block = _space(file, window, begin, size, room)
        for key, offset, length in _entries(space, start, size if block is None else block.size, begin, room):
            if table is None:
                if key or length > MAX_CONTENT:
                    raise Malformed("a LevelDB table without the names of tensors", begin)
                meta = space.read(offset, length)
                table = Table(meta, _tensors(meta, begin), {})
                continue
            if key <= previous or len(table.values) >= MAX_SLICES:
                raise Malformed(f"the keys are not in order, or more than {MAX_SLICES:,}", begin)
            previous = key
            try:
                found = _value(space, key, offset, offset + length)
            except Malformed as error:
                raise Malformed(f"the slice {key[:80]!r}: {error}", begin) from None
            packed = Packed(begin, size) if block is not None else None
            table.values[key] = {number: Place(*place, packed) for number, place in found.items()}
    if table is None:
        raise Malformed("an empty table", 0)
    return table


def _space(
    file: File, window: Window, begin: int, size: int, room: Room
) -> tuple[Window | _Memory, int, _Memory | None]:
    """Where the entries of a block are read, from which offset on, and the block itself when it was compressed."""
    compressed = file.pread(begin + size, 1) != b"\0"
    if compressed and size > MAX_CONTENT:
        raise Malformed(f"a compressed block of {size:,} bytes", begin)
    if compressed or size <= MAX_CHECKED:
        plain, _ = content(file.pread(begin, size + TRAILER), begin, Room(room.left + 5 * MAX_CONTENT))
        if compressed:
            memory = _Memory(plain)
            return memory, 0, memory
    return window, begin, None


def _entries(
    space: Window | _Memory, start: int, size: int, place: int, room: Room
) -> Iterator[tuple[bytes, int, int]]:
    """Key, offset and length of the value, of every entry of a block."""
    if size < 4:
        raise Malformed("a block has no room for its restart points", place)
    end = start + size - 4 - 4 * int.from_bytes(space.read(start + size - 4, 4), "little")
    position, key = start, b""
    if end < start:
        raise Malformed("a block has no room for its restart points", place)
    while position < end:
        head, at, numbers = space.read(position, min(30, end - position)), 0, []
        for _ in range(3):
            try:
                number, at = varint(head, at)
            except Malformed as error:
                raise Malformed(str(error), place) from None
            numbers.append(number)
        shared, unshared, length = numbers
        position += at
        if shared > len(key) or unshared + length > end - position:
            raise Malformed("an entry is longer than its block", place)
        room.take(shared + unshared + 256, place)
        key = key[:shared] + space.read(position, unshared)
        yield key, position + unshared, length
        position += unshared + length


def _message(space: Window | _Memory, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, offset and size of every byte string in a message; its numbers are passed over."""
    for _ in range(MAX_FIELDS):
        if start == end:
            return
        head = space.read(start, min(20, end - start))
        tag, at = varint(head, 0)
        kind = tag & 7
        if kind == VARINT:
            _, at = varint(head, at)
        elif kind in (I32, I64):
            at += 4 if kind == I32 else 8
        elif kind == LEN:
            size, at = varint(head, at)
            yield tag >> 3, start + at, size
            at += size
        else:
            raise Malformed(f"wire type {kind}")
        start += at
        if start > end:
            raise Malformed("a field is cut short")
    raise Malformed(f"more than {MAX_FIELDS} fields")


def _value(space: Window | _Memory, key: bytes, start: int, end: int) -> dict[int, tuple[int, int]]:
    """The fields of the TensorProto: SavedTensorSlices.data (2) = SavedSlice {1 name, 2 slice, 3 data}."""
    outer = {number: place for number, *place in _message(space, start, end)}
    if set(outer) != {2}:
        raise Malformed("it is none")
    inner = {number: place for number, *place in _message(space, outer[2][0], sum(outer[2]))}
    name, where = inner.get(1, [0, 0]), inner.get(2, [0, 0])
    if max(name[1], where[1]) > MAX_NAME:
        raise Malformed(f"a name of {name[1]:,} bytes")
    extents = slice_extents(space.read(*where))
    if slice_key(_text(space.read(*name)), extents) != key:
        raise Malformed("its name is not that of its key")
    found: dict[int, tuple[int, int]] = {}
    for number, offset, size in _message(space, inner[3][0], sum(inner[3])) if 3 in inner else ():
        if number in found:
            raise Malformed(f"field {number} is there twice")
        found[number] = offset, size
    return found


def _tensors(meta: bytes, place: int) -> dict[str, Saved]:
    """SavedTensorSlices.meta (1) = {1 tensors {1 name, 2 shape, 3 dtype, 4 slices}}."""
    tensors: dict[str, Saved] = {}
    left = MAX_SLICES
    try:
        for outer, _, inner in fields(meta, {1: LEN}):
            for number, _, raw in fields(inner, {1: LEN}) if outer == 1 else ():
                if number != 1:
                    continue
                name, shape, code, slices = "", [], 0, []
                for what, _, value in fields(raw, {1: LEN, 2: LEN, 3: VARINT, 4: LEN}):
                    if what == 1:
                        name = _text(value)
                    elif what == 2:
                        shape = shape_sizes(value)
                    elif what == 3:
                        code = value
                    elif what == 4:
                        slices.append(slice_extents(value))
                left -= 1 + len(slices)
                if name in tensors or left < 0 or len(shape) > MAX_AXES or min(shape, default=0) < 0:
                    raise Malformed(f"{name[:80]!r} is there twice, or has too many slices or a bad shape")
                dtype = DTYPES.get(code) or OTHER_DTYPES.get(code, f"dtype{code}")
                tensors[name] = Saved(dtype, tuple(shape), tuple(slices))
    except Malformed as error:
        raise Malformed(f"the names of tensors: {error}", place) from None
    return tensors


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed(f"the name {raw[:80]!r} is not UTF-8") from None
