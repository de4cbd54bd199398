"""Plumbing: datasets of a foreign HDF5 file that are cut into chunks, plain or compressed.

Source: HDF5 File Format Specification, whose section numbers stand below; see :mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.files import File
from charvec.plumbing.hdf5.hdf5_blocks import UNDEFINED, Blocks, Cursor
from charvec.plumbing.hdf5.hdf5_heaps import MAX_DEPTH
from charvec.plumbing.hdf5.hdf5_types import Filter, Layout
from charvec.plumbing.protobuf import Malformed
from charvec.valueclass import dataclass

__all__ = ["MAX_CHUNK", "MAX_CHUNKS", "READABLE_FILTERS", "Chunk", "ChunkedRows", "chunks"]

#: Bytes of a chunk when it is unpacked, and chunks of a dataset.
MAX_CHUNK = 1 << 26
MAX_CHUNKS = 1 << 18

DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
READABLE_FILTERS = (DEFLATE, SHUFFLE, FLETCHER32)


class Chunk(NamedTuple):
    """A chunk: its number, counted along the last axis first; where it lies; the filters that were left out."""

    number: int
    offset: int
    size: int
    mask: int


def grid(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    """How many chunks lie along each axis."""
    return tuple(-(-size // part) for size, part in zip(shape, chunk, strict=True))


def chunks(blocks: Blocks, layout: Layout, shape: tuple[int, ...], item: int, filtered: bool) -> tuple[Chunk, ...]:
    """All chunks of a dataset that were written, by number. Offsets are addresses.

    Raises:
        Malformed: when a rule is broken.
    """
    counts, whole = grid(shape, layout.chunk), prod(layout.chunk) * item
    if layout.address == UNDEFINED:
        found: list[Chunk] = []
    elif layout.finder == 0:
        found = sorted(_tree(blocks, layout.address, len(shape), layout.chunk, counts, MAX_DEPTH))
    elif layout.finder == 1:
        found = [Chunk(0, layout.address, layout.size if filtered else whole, layout.mask)]
    elif layout.finder == 2:
        found = [Chunk(number, layout.address + number * whole, whole, 0) for number in range(prod(counts))]
    else:
        found = list(_array(blocks, layout.address, prod(counts), whole, filtered))
    for number, chunk in enumerate(found):
        if number and chunk.number == found[number - 1].number:
            raise Malformed("a chunk is there twice", chunk.offset)
        if not filtered and chunk.size != whole:
            raise Malformed(f"a chunk of {whole:,} bytes takes {chunk.size:,}", chunk.offset)
        blocks.claim(chunk.offset, chunk.size, "a chunk")
    return tuple(found)


def _tree(
    blocks: Blocks, address: int, axes: int, chunk: tuple[int, ...], counts: tuple[int, ...], depth: int
) -> Iterator[Chunk]:
    """III.A.1: keys of size, filter mask and the place of the first element; a key more than children."""
    head = Cursor(blocks.read(address, 24, "an index of chunks"), address)
    head.expect(b"TREE\1", "an index of chunks")
    level, count = head.number(1), head.number(2)
    if level >= depth:
        raise Malformed("an index of chunks is too deep", address)
    key = 8 + 8 * (axes + 1)
    body = Cursor(blocks.read(address + 24, (key + 8) * count + key, "an index of chunks"), address + 24)
    for _ in range(count):
        size, mask = body.number(4), body.number(4)
        place = [body.number(8) for _ in range(axes + 1)]
        child = body.number(8)
        if level:
            yield from _tree(blocks, child, axes, chunk, counts, level)
            continue
        number = 0
        for start, part, most in zip(place, chunk, counts, strict=False):
            if start % part or start // part >= most:
                raise Malformed("a chunk lies outside its dataset", address)
            number = number * most + start // part
        yield Chunk(number, child, size, mask)


def _array(blocks: Blocks, address: int, count: int, whole: int, filtered: bool) -> Iterator[Chunk]:
    """A fixed array (III.H): an address for each chunk, with size and mask where they were filtered."""
    head = Cursor(blocks.sealed(address, 28, "an index of chunks"), address)
    head.expect(b"FAHD\0" + bytes([filtered]), "an index of chunks")
    width, bits, total, place = head.number(1), head.number(1), head.number(8), head.number(8)
    size_bytes = width - 12 if filtered else 0
    if total != count or not 0 <= size_bytes <= 8 or (not filtered and width != 8) or bits > 32:
        raise Malformed("an index of chunks does not fit its dataset", address)
    if place == UNDEFINED:
        return
    page = 1 << bits
    pages = -(-count // page) if count > page else 0
    head_size = 14 + (pages + 7) // 8
    if pages:
        prefix = Cursor(blocks.sealed(place, head_size + 4, "an index of chunks"), place)
    else:
        prefix = Cursor(blocks.sealed(place, head_size + width * count + 4, "an index of chunks"), place)
    prefix.expect(b"FADB\0" + bytes([filtered]), "an index of chunks")
    if prefix.number(8) != address:
        raise Malformed("an index of chunks belongs to another dataset", place)
    written = prefix.take((pages + 7) // 8)
    start, body = place + head_size + 4, prefix
    for number in range(count):
        if pages and number % page == 0:
            length = width * min(page, count - number) + 4
            # a page that was never written holds noise
            used = written[number // page // 8] & 128 >> number // page % 8
            raw = blocks.sealed(start, length, "an index of chunks") if used else b"\xff" * length
            body, start = Cursor(raw, start), start + length
        offset = body.number(8)
        size, mask = (body.number(size_bytes), body.number(4)) if filtered else (whole, 0)
        if offset != UNDEFINED:
            yield Chunk(number, offset, size, mask)


@dataclass(frozen=True)
class ChunkedRows:
    """Rows of a dataset in chunks; a :class:`charvec.tensor.RowSource`.

    Attributes:
        path: the file.
        shape: of the dataset.
        chunk: sizes of a chunk along each axis.
        dtype: numpy's code of the element type with its byte order, ``"<f4"``; bfloat16 as an unsigned integer.
        filters: what a chunk went through when it was written.
        chunks: all of them, by number; offsets are those of the file.
    """

    path: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: str
    filters: tuple[Filter, ...]
    chunks: tuple[Chunk, ...]

    #: Asked for in portions, a chunk would be unpacked again and again: 9 to 17 seconds instead of one for 62 MB.
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns], one chunk in memory at a time.

        Raises:
            DamagedFile: ``E-H5`` when a chunk does not unpack to what it should.
        """
        rows = np.empty((len(ids), *self.shape[1:]), self.dtype)
        counts = grid(self.shape, self.chunk)
        with File(self.path) as file:
            for band in np.unique(ids // self.chunk[0]).tolist():
                first, last = np.searchsorted(ids, (band * self.chunk[0], (band + 1) * self.chunk[0]))
                local = ids[first:last] - band * self.chunk[0]
                for place in product(*map(range, counts[1:])):
                    number = band
                    for step, most in zip(place, counts[1:], strict=True):
                        number = number * most + step
                    ranges = [
                        slice(step * part, min((step + 1) * part, size))
                        for step, part, size in zip(place, self.chunk[1:], self.shape[1:], strict=True)
                    ]
                    target = (slice(first, last), *ranges)
                    inner = (local, *(slice(each.stop - each.start) for each in ranges))
                    rows[target] = self._chunk(file, number)[inner]
        flat = rows.reshape(len(ids), prod(self.shape[1:]))
        if self.dtype[1:] == "u2":
            # a bfloat16 is the upper half of a float32
            return (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.astype(flat.dtype.newbyteorder("="), copy=False)

    def _chunk(self, file: File, number: int) -> NDArray[Any]:
        chunk = self.chunks[bisect_left(self.chunks, (number,))]
        data = file.pread(chunk.offset, chunk.size)
        item = np.dtype(self.dtype).itemsize
        whole = prod(self.chunk) * item
        try:
            # the largest that may come in between: a checksum is four bytes
            for place in range(len(self.filters) - 1, -1, -1):
                if not chunk.mask >> place & 1:
                    data = _undo(self.filters[place], data, whole + 4 * len(self.filters), item)
            if len(data) != whole:
                raise Malformed(f"a chunk has {len(data):,} bytes instead of {whole:,}")
        except Malformed as error:
            raise DamagedFile(
                "E-H5",
                f"{self.path}: damaged HDF5 file: {error}",
                path=self.path,
                offset=chunk.offset,
                help="download or copy the file again",
            ) from None
        return np.frombuffer(data, self.dtype).reshape(self.chunk)


def _undo(step: Filter, data: bytes, limit: int, item: int) -> bytes:
    if step.number == DEFLATE:
        import zlib

        inflater = zlib.decompressobj()
        try:
            content: bytes = inflater.decompress(data, limit + 1)
        except zlib.error:
            raise Malformed("a compressed chunk is damaged") from None
        if not inflater.eof:
            raise Malformed("a compressed chunk is cut short or swells beyond its size")
        return content
    if step.number == SHUFFLE:
        size = step.values[0] if step.values else item
        count = len(data) // size if size else 0
        if size < 2 or count < 2:
            return data
        planes = np.frombuffer(data, np.uint8, count * size).reshape(size, count)
        return bytes(planes.T.tobytes()) + data[count * size :]
    content, checksum = data[:-4], data[-4:]
    if len(data) < 4 or fletcher32(content) != int.from_bytes(checksum, "little"):
        raise Malformed("the checksum of a chunk does not match")
    return content


def fletcher32(data: bytes) -> int:
    """HDF5's Fletcher-32: over big-endian 16-bit words, in ones' complement, where 65,535 stands for every multiple."""
    words = np.frombuffer(data + bytes(len(data) % 2), ">u2")
    low = high = 0
    for start in range(0, len(words), 1 << 16):
        part = words[start : start + (1 << 16)].astype(np.uint64)
        weights = np.arange(len(part), 0, -1, dtype=np.uint64)
        high += low * len(part) + int((part * weights).sum())
        low += int(part.sum())
    return _fold(high) << 16 | _fold(low)


def _fold(total: int) -> int:
    return (total - 1) % 0xFFFF + 1 if total else 0
