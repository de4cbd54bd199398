"""Plumbing: links and attributes of the objects in a foreign HDF5 file.

Source: HDF5 File Format Specification, whose section numbers stand below; see :mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from charvec.plumbing.hdf5.hdf5_blocks import UNDEFINED, Blocks, Cursor, External, Unsupported
from charvec.plumbing.hdf5.hdf5_headers import Message
from charvec.plumbing.hdf5.hdf5_heaps import MAX_DEPTH, FractalHeap, GlobalHeap, LocalHeap, records
from charvec.plumbing.hdf5.hdf5_types import Kind, datatype, sizes
from charvec.plumbing.protobuf import Malformed

__all__ = ["is_group", "links", "text_attribute"]

_LINK_INFO, _LINK, _ATTRIBUTE, _SYMBOL_TABLE, _ATTRIBUTE_INFO = 2, 6, 0xC, 0x11, 0x15
_LINK_RECORDS, _ATTRIBUTE_RECORDS = 5, 8


def is_group(messages: Sequence[Message]) -> bool:
    """Whether it is the header of a group."""
    return any(message.kind in (_LINK_INFO, _LINK, _SYMBOL_TABLE) for message in messages)


def links(blocks: Blocks, messages: Sequence[Message]) -> Iterator[tuple[str, int]]:
    """Names and header addresses of what a group holds, as its own library lists them: by name.

    Soft links are passed over: they lead to what has a name of its own, or nowhere.

    Raises:
        External: for a link into another file.
        Malformed: when a rule is broken.
    """
    found = [link for message in messages for link in _links_of(blocks, message) if link is not None]
    names = [name for name, _ in found]
    if len(set(names)) < len(names):
        raise Malformed("a group has two members of one name", messages[0].place)
    for name, address in sorted(found):
        try:
            yield name.decode(), address
        except UnicodeDecodeError:
            raise Malformed(f"the name {name[:80]!r} is not UTF-8", messages[0].place) from None


def _links_of(blocks: Blocks, message: Message) -> Iterator[tuple[bytes, int] | None]:
    fields = Cursor(message.data, message.place)
    if message.shared and message.kind in (_LINK_INFO, _LINK, _SYMBOL_TABLE):
        raise Unsupported("links kept in common", message.place)
    if message.kind == _SYMBOL_TABLE:  # IV.A.2.r
        tree, heap = fields.number(8), fields.number(8)
        yield from _symbols(blocks, tree, LocalHeap(blocks, heap), MAX_DEPTH)
    elif message.kind == _LINK:
        yield _link(message.data, message.place)
    elif message.kind == _LINK_INFO:  # IV.A.2.c
        fields.expect(b"\0", "a message about links")
        fields.take(8 if fields.number(1) & 1 else 0)
        heap, tree = fields.number(8), fields.number(8)
        if heap != UNDEFINED:
            dense = FractalHeap(blocks, heap)
            for record in records(blocks, tree, _LINK_RECORDS):  # III.A.2: a hash of the name, the heap ID
                yield _link(dense.value(record[4:]), heap)


def _symbols(blocks: Blocks, address: int, heap: LocalHeap, depth: int) -> Iterator[tuple[bytes, int] | None]:
    """Members of a group of the old kind: a version 1 B-tree (III.A.1) above symbol tables (III.B, III.C)."""
    head = Cursor(blocks.read(address, 24, "a node of a group"), address)
    if head.take(4) != b"TREE":
        yield from _table(blocks, address, heap, head)
        return
    head.expect(b"\0", "a node of a group")
    level, count = head.number(1), head.number(2)
    if level >= depth:
        raise Malformed("the tree of a group is too deep", address)
    body = Cursor(blocks.read(address + 24, 16 * count + 8, "a node of a group"), address + 24)
    for _ in range(count):
        body.take(8)
        yield from _symbols(blocks, body.number(8), heap, level)


def _table(blocks: Blocks, address: int, heap: LocalHeap, head: Cursor) -> Iterator[tuple[bytes, int] | None]:
    """A symbol table, of which the first 24 bytes were read: 8 of its own, then 40 an entry."""
    if head.data[:5] != b"SNOD\1":
        raise Malformed("a node of a group does not begin as it should", address)
    count = int.from_bytes(head.data[6:8], "little")
    rest = blocks.read(address + 24, 40 * count - 16, "a node of a group") if count else b""
    entries = Cursor(head.data[8:] + rest, address + 8)
    for _ in range(count):
        name, header, cached, _ = entries.number(8), entries.number(8), entries.number(4), entries.take(20)
        yield (heap.text(name), header) if cached < 2 else None  # 2 marks a soft link


def _link(data: bytes, place: int) -> tuple[bytes, int] | None:
    """IV.A.2.g; None for a soft link."""
    fields = Cursor(data, place)
    fields.expect(b"\1", "a link")
    flags = fields.number(1)
    kind = fields.number(1) if flags & 8 else 0
    fields.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = fields.take(fields.number(1 << (flags & 3)))
    if kind == 64:
        raise External(f"{name[:80].decode('utf-8', 'replace')!r} is a link into another file", place)
    if kind > 1:
        raise Unsupported(f"a link of the kind {kind}", place)
    return None if kind else (name, fields.number(8))


def text_attribute(blocks: Blocks, values: GlobalHeap, messages: Sequence[Message], wanted: bytes) -> str | None:
    """The value of an attribute that is one string; None when there is none of that name or it is something else.

    Raises:
        Malformed: when a rule is broken.
    """
    for data, place in _attributes(blocks, messages):
        if (found := _attribute(data, place)) and found[0] == wanted:
            _, kind, value = found
            if kind.name == "variable-length string":
                field = Cursor(value, place)
                length = field.number(4)
                raw = values.value(field.number(8), field.number(4))[:length] if length else b""
            elif kind.name == "string":
                raw = value
            else:
                return None
            return raw.split(b"\0")[0].decode("utf-8", "replace")
    return None


def _attributes(blocks: Blocks, messages: Sequence[Message]) -> Iterator[tuple[bytes, int]]:
    for message in messages:
        if message.kind == _ATTRIBUTE and not message.shared:
            yield message.data, message.place
        elif message.kind == _ATTRIBUTE_INFO:  # IV.A.2.v
            fields = Cursor(message.data, message.place)
            fields.expect(b"\0", "a message about attributes")
            fields.take(2 if fields.number(1) & 1 else 0)
            heap, tree = fields.number(8), fields.number(8)
            if heap == UNDEFINED:
                continue
            dense = FractalHeap(blocks, heap)
            for record in records(blocks, tree, _ATTRIBUTE_RECORDS):
                if record[0] != 0x10:  # what is too long for the heap is too long for a name
                    yield dense.value(record[:8]), heap


def _attribute(data: bytes, place: int) -> tuple[bytes, Kind, bytes] | None:
    """IV.A.2.m: name, type and value of an attribute; None when it is an array or kept in common."""
    fields = Cursor(data, place)
    version, flags = fields.number(1), fields.number(1)
    if not 1 <= version <= 3:
        raise Malformed(f"an attribute of version {version}", place)
    lengths = [fields.number(2) for _ in range(3)]
    if version == 3:
        fields.take(1)
    parts = []
    for length in lengths:
        parts.append(fields.take(length))
        if version == 1:
            fields.take(min(-length % 8, fields.left))
    if (version > 1 and flags & 3) or not parts[2]:
        return None
    if sizes(parts[2], place) != ():
        return None
    kind = datatype(parts[1], place)
    return parts[0].split(b"\0")[0], kind, fields.take(kind.size)
