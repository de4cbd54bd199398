"""Plumbing: where a foreign HDF5 file keeps names and values that do not fit into object headers.

Source: HDF5 File Format Specification, whose section numbers stand below; see :mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from charvec.plumbing.hdf5.hdf5_blocks import UNDEFINED, Blocks, Cursor, Unsupported
from charvec.plumbing.protobuf import Malformed

__all__ = ["FractalHeap", "GlobalHeap", "LocalHeap", "records"]

#: Levels of a tree or of nested blocks; 2^64 bytes need fewer.
MAX_DEPTH = 24


class LocalHeap:
    """The names of a group of the old kind (III.D)."""

    def __init__(self, blocks: Blocks, address: int) -> None:
        head = Cursor(blocks.read(address, 32, "a local heap"), address)
        head.expect(b"HEAP\0", "a local heap")
        head.take(3)
        size, _, self._place = head.number(8), head.number(8), head.number(8)
        self._data = blocks.read(self._place, size, "a local heap")

    def text(self, offset: int) -> bytes:
        """The zero-terminated bytes at an offset.

        Raises:
            Malformed: when they do not lie in the heap.
        """
        end = self._data.find(b"\0", offset)
        if end < 0:
            raise Malformed("a name does not lie in its heap", self._place)
        return self._data[offset:end]


class GlobalHeap:
    """Values of variable length (III.E), from all collections of the file."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._collections: dict[int, dict[int, bytes]] = {}

    def value(self, address: int, index: int) -> bytes:
        """One object of a collection.

        Raises:
            Malformed: when it is not there.
        """
        if address not in self._collections:
            self._collections[address] = dict(self._objects(address))
        try:
            return self._collections[address][index]
        except KeyError:
            raise Malformed(f"a heap has no object {index:,}", address) from None

    def _objects(self, address: int) -> Iterator[tuple[int, bytes]]:
        head = Cursor(self._blocks.read(address, 16, "a global heap"), address)
        head.expect(b"GCOL\1", "a global heap")
        head.take(3)
        size = max(head.number(8) - 16, 0)
        body = Cursor(self._blocks.read(address + 16, size, "a global heap"), address + 16)
        while body.left >= 16:
            index, _, length = body.number(2), body.take(6), body.number(8)
            if not index:  # what is free
                return
            yield index, body.take(length)
            body.take(min(-length % 8, body.left))


class FractalHeap:
    """Links and attributes of an object that has many (III.G)."""

    def __init__(self, blocks: Blocks, address: int) -> None:
        self._blocks, self._address = blocks, address
        # without filters the header has this size
        head = Cursor(blocks.sealed(address, 146, "a heap"), address)
        head.expect(b"FRHP\0", "a heap")
        head.take(2)
        if head.number(2):
            raise Unsupported("a compressed heap", address)
        self._checksums = bool(head.number(1) & 2)
        largest = head.number(4)
        head.take(12 * 8)
        self._width, self._first, self._max_direct = head.number(2), head.number(8), head.number(8)
        bits = head.number(2)
        head.take(2)
        start, rows = head.number(8), head.number(2)
        if not 0 < bits <= 64 or not self._width or not 0 < self._first <= self._max_direct <= 1 << 31:
            raise Malformed("a heap of impossible sizes", address)
        self._offset_size = (bits + 7) // 8
        self._length_size = min(((self._max_direct.bit_length() - 1) + 7) // 8, (largest.bit_length() - 1) // 8 + 1)
        # heap offset, size and address of every direct block, by heap offset
        self._direct: list[tuple[int, int, int]] = []
        self._contents: dict[int, bytes] = {}
        if start != UNDEFINED:
            if rows:
                self._indirect(start, 0, rows, MAX_DEPTH)
            else:
                self._direct.append((0, self._first, start))
        self._direct.sort()

    def value(self, identity: bytes) -> bytes:
        """An object by its heap ID.

        Raises:
            Unsupported: when it is stored by itself, as objects above 4 KiB are.
            Malformed: when it is not there.
        """
        where = Cursor(identity, self._address)
        kind = where.number(1)
        if kind == 0x20:
            raise Unsupported("a very short object in a heap", self._address)
        if kind == 0x10:
            raise Unsupported("a very long object in a heap", self._address)
        if kind:
            raise Malformed("a heap ID of an unknown kind", self._address)
        offset, length = where.number(self._offset_size), where.number(self._length_size)
        place = bisect_right(self._direct, (offset, UNDEFINED, UNDEFINED)) - 1
        if place < 0 or offset + length > self._direct[place][0] + self._direct[place][1]:
            raise Malformed("a heap ID leads out of its heap", self._address)
        begin, size, address = self._direct[place]
        if address not in self._contents:
            self._contents[address] = self._content(address, size)
        return self._contents[address][offset - begin : offset - begin + length]

    def _content(self, address: int, size: int) -> bytes:
        data = self._blocks.read(address, size, "a block of a heap")
        head = Cursor(data, address)
        head.expect(b"FHDB\0", "a block of a heap")
        if head.number(8) != self._address:
            raise Malformed("a block belongs to another heap", address)
        head.take(self._offset_size)
        if self._checksums:
            place = head.position
            if self._blocks.checksum(data[:place] + bytes(4) + data[place + 4 :], address) != head.number(4):
                raise Malformed("the checksum of a block of a heap does not match", address)
        return data

    def _indirect(self, address: int, offset: int, rows: int, depth: int) -> None:
        """Walk over an indirect block: ``width`` blocks a row, of twice the size of the row before from row 2 on."""
        direct_rows = self._max_direct.bit_length() - self._first.bit_length() + 2
        if not depth or rows > 64:
            raise Malformed("blocks of a heap are nested too deeply", address)
        size = 4 + 1 + 8 + self._offset_size + rows * self._width * 8 + 4
        block = Cursor(self._blocks.sealed(address, size, "a block of a heap"), address)
        block.expect(b"FHIB\0", "a block of a heap")
        if block.number(8) != self._address or block.number(self._offset_size) != offset:
            raise Malformed("a block belongs to another heap", address)
        for row in range(rows):
            length = self._first << max(row - 1, 0)
            for _ in range(self._width):
                child = block.number(8)
                if child != UNDEFINED and row < direct_rows:
                    self._direct.append((offset, length, child))
                elif child != UNDEFINED:
                    inner = length.bit_length() - (self._first * self._width).bit_length() + 1
                    self._indirect(child, offset, inner, depth - 1)
                offset += length


def records(blocks: Blocks, address: int, kind: int) -> Iterator[bytes]:
    """The records of a version 2 B-tree (III.A.2), in no particular order.

    Raises:
        Malformed: when a rule is broken.
    """
    head = Cursor(blocks.sealed(address, 38, "a tree"), address)
    head.expect(b"BTHD\0" + bytes([kind]), "a tree")
    node, size, depth = head.number(4), head.number(2), head.number(2)
    head.take(2)
    start, count, total = head.number(8), head.number(2), head.number(8)
    if not size or node < 10 + size or node > 1 << 20 or depth > MAX_DEPTH:
        raise Malformed("a tree of impossible sizes", address)
    # most records of a node, and of a whole subtree, at each depth; they decide how many bytes their numbers take
    most = (node - 10) // size
    number_size, subtree, subtree_sizes = (most.bit_length() - 1) // 8 + 1, most, [0]
    for _ in range(depth):
        pointer = 8 + number_size + subtree_sizes[-1]
        most = (node - 10 - pointer) // (size + pointer)
        subtree = (most + 1) * subtree + most
        subtree_sizes.append((max(subtree, 1).bit_length() - 1) // 8 + 1)

    def walk(address: int, count: int, depth: int) -> Iterator[bytes]:
        signature, what = (b"BTIN\0", "a node of a tree") if depth else (b"BTLF\0", "a leaf of a tree")
        pointer = 8 + number_size + subtree_sizes[depth - 1] if depth else 0
        length = 6 + count * size + (count + 1) * pointer + 4
        if length > node:
            raise Malformed(f"{what} has too many records", address)
        block = Cursor(blocks.sealed(address, length, what), address)
        block.expect(signature + bytes([kind]), what)
        for _ in range(count):
            yield block.take(size)
        for _ in range(count + 1 if depth else 0):
            child, inner = block.number(8), block.number(number_size)
            block.take(subtree_sizes[depth - 1])
            yield from walk(child, inner, depth - 1)

    found = 0
    for record in walk(start, count, depth) if start != UNDEFINED and total else ():
        found += 1
        yield record
    if found != total:
        raise Malformed(f"a tree promises {total:,} records and has {found:,}", address)
