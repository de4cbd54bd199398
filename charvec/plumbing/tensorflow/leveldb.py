"""Plumbing: LevelDB tables, the container of TensorFlow's index files and of its first checkpoints.

Layout: blocks, the last 48 bytes lead to them. Footer: two handles (varint offset, varint size), of the metaindex and
the index block, padded to 40 bytes; 8 bytes magic. Block: content; 1 byte compression (0 none, 1 snappy); masked
CRC-32C of both, u32. Content: entries (varint shared, varint unshared, varint value length; the key's rest, to which
the first ``shared`` bytes of the previous key belong; value); u32 restart points; u32 their count. The index block's
values are the handles of data blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from charvec.plumbing.protobuf import Malformed, varint
from charvec.plumbing.tensorflow.crc32c import crc32c, masked

__all__ = ["FOOTER", "MAGIC", "MAX_CONTENT", "TRAILER", "Room", "content", "entries", "handles", "snappy"]

#: The last 8 bytes.
MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
#: Bytes of the footer.
FOOTER = 48
#: Bytes after the content of a block.
TRAILER = 5
#: Cap on the content of one table, counted by the work it makes: keys written out and decompressed blocks once, values
#: and compressed blocks four times, and 256 bytes for every entry. Room for some 150,000 variables.
MAX_CONTENT = 1 << 26


def entries(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """The entries of a table, in the order of their keys; every checksum is verified.

    Args:
        data: the whole file.

    Yields:
        key, value, and the offset in the file (of the entry, or of its block when that is compressed).

    Raises:
        Malformed: when the table breaks a rule of the format or swells beyond the caps.
    """

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    room = Room(MAX_CONTENT)
    previous: bytes | None = None
    for begin, size in handles(read, len(data), room):
        for key, value, place in _walk(read(begin, size + TRAILER), begin, room):
            if previous is not None and key <= previous:
                raise Malformed("the keys are not in order", place)
            previous = key
            yield key, value, place


def handles(read: Callable[[int, int], bytes], length: int, room: Room) -> Iterator[tuple[int, int]]:
    """Offset and size of every data block of a table, from its footer and its index block.

    Args:
        read: gives the bytes of the file at an offset, so many.
        length: bytes of the file.
        room: what is left of a cap.

    Raises:
        Malformed: when a rule is broken, blocks overlap, or one does not lie in the file.
    """
    tail = read(max(length - FOOTER, 0), min(length, FOOTER))
    if len(tail) < FOOTER or not tail.endswith(MAGIC):
        raise Malformed("it does not end with the magic bytes of a table", max(length - len(MAGIC), 0))
    numbers, position = [], 0
    for _ in range(4):
        try:
            number, position = varint(tail, position, FOOTER - len(MAGIC))
        except Malformed as error:
            raise Malformed(str(error), length - FOOTER + (error.offset or 0)) from None
        numbers.append(number)
    limit = length - FOOTER

    def block(offset: int, size: int) -> bytes:
        if offset + size + TRAILER > limit:
            raise Malformed(f"a block handle leads to byte {offset + size + TRAILER:,} of {limit:,}", offset)
        if size > MAX_CONTENT:
            raise Malformed(f"an index of {size:,} bytes", offset)
        return read(offset, size + TRAILER)

    for _ in _walk(block(numbers[0], numbers[1]), numbers[0], room):  # the metaindex: nothing to know there
        pass
    reached = 0
    for _, handle, place in _walk(block(numbers[2], numbers[3]), numbers[2], room):
        try:
            begin, position = varint(handle, 0)
            size, position = varint(handle, position)
        except Malformed as error:
            raise Malformed(f"a block handle: {error}", place) from None
        if begin < reached:  # also what keeps one block from being read again and again
            raise Malformed("two blocks overlap", place)
        reached = begin + size + TRAILER
        if reached > limit:
            raise Malformed(f"a block handle leads to byte {reached:,} of {limit:,}", begin)
        yield begin, size


class Room:
    """What is left of a cap."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int, place: int) -> None:
        """Use some.

        Raises:
            Malformed: when there is not so much left.
        """
        self.left -= size
        if self.left < 0:
            raise Malformed(f"its content exceeds the limit of {MAX_CONTENT:,} bytes", place)


def content(raw: bytes, place: int, room: Room) -> tuple[bytes, bool]:
    """The content of a block, and whether it was compressed.

    Args:
        raw: the block with its trailer.
        place: where it lies in the file.
        room: what is left of a cap.

    Raises:
        Malformed: when its checksum does not match, or it does not unpack.
    """
    size = len(raw) - TRAILER
    plain, compression = raw[:size], raw[size]
    if masked(crc32c(raw[: size + 1])) != int.from_bytes(raw[size + 1 :], "little"):
        raise Malformed("the checksum of a block does not match", place)
    if compression == 0:
        return plain, False
    if compression != 1:
        raise Malformed(f"compression {compression} is unknown", place + size)
    try:
        room.take(4 * size, place)
        plain = snappy(plain, limit=room.left)
    except Malformed as error:
        raise Malformed(f"a snappy block: {error}", place) from None
    room.take(len(plain), place)
    return plain, True


def _walk(raw: bytes, base: int, room: Room) -> Iterator[tuple[bytes, bytes, int]]:
    """Entries of the block at ``base``."""
    block, compressed = content(raw, base, room)
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if len(block) < 4 or end < 0:
        raise Malformed("a block has no room for its restart points", base)
    key = b""
    position = 0
    while position < end:
        place = base if compressed else base + position
        try:
            shared, position = varint(block, position, end)
            unshared, position = varint(block, position, end)
            length, position = varint(block, position, end)
        except Malformed as error:
            raise Malformed(str(error), place) from None
        if shared > len(key) or unshared + length > end - position:
            raise Malformed("an entry is longer than its block", place)
        room.take(shared + unshared + 4 * length + 256, place)
        key = key[:shared] + block[position : position + unshared]
        position += unshared + length
        yield key, block[position - length : position], place


def snappy(data: bytes, *, limit: int) -> bytes:
    """Decompress a raw snappy stream.

    Layout: varint length of the result; elements, each with a tag byte whose two low bits are 0 for a literal, else for
    a copy of what begins ``offset`` bytes before the end of what was written so far.

    Raises:
        Malformed: when it is not such a stream, or its result has more than ``limit`` bytes.
    """
    expected, position = varint(data, 0)
    # The densest element is three bytes for 64.
    if expected > limit or expected > 22 * len(data):
        raise Malformed(f"{len(data):,} bytes claim to hold {expected:,}", 0)
    result = bytearray()
    end = len(data)
    while position < end:
        start = position
        tag = data[position]
        position += 1
        if tag & 3 == 0:
            length, extra = (tag >> 2) + 1, max((tag >> 2) - 59, 0)
            if extra:
                length = int.from_bytes(data[position : position + extra], "little") + 1
                position += extra
            if length > end - position or len(result) + length > expected:
                raise Malformed("a literal is too long", start)
            result += data[position : position + length]
            position += length
            continue
        if tag & 3 == 1:
            length, width, offset = (tag >> 2 & 7) + 4, 1, (tag >> 5) << 8
        else:
            length, width, offset = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4, 0
        offset += int.from_bytes(data[position : position + width], "little")
        position += width
        if position > end or not 0 < offset <= len(result) or len(result) + length > expected:
            raise Malformed("a copy does not lie in what it copies from", start)
        begin = len(result) - offset
        if offset >= length:
            result += result[begin : begin + length]
        else:  # a run: the copy overlaps what it writes
            result += (bytes(result[begin:]) * (length // offset + 1))[:length]
    if len(result) != expected:
        raise Malformed(f"{len(result):,} bytes came out instead of {expected:,}", end)
    return bytes(result)
