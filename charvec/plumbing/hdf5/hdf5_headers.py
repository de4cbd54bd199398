"""Plumbing: superblock and object headers of a foreign HDF5 file.

Source: HDF5 File Format Specification, whose section numbers stand below; see :mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from typing import NamedTuple

from charvec.plumbing.hdf5.hdf5_blocks import UNDEFINED, Blocks, Cursor, External, Unsupported
from charvec.plumbing.protobuf import Malformed

__all__ = ["SIGNATURE", "CutShort", "Message", "Unclean", "messages", "root"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Of a superblock, version 0 and 1 with the entry of the root group, 2 and 3 with the checksum.
_SUPERBLOCK_SIZES = {0: 96, 1: 100, 2: 48, 3: 48}
#: Caps on one object header.
MAX_MESSAGES = 1 << 14
MAX_HEADER = 1 << 24

_EXTERNAL_FILES, _CONTINUATION, _DRIVER = 7, 0x10, 0x14
#: The last type of message the specification knows.
_LAST_KIND = 0x17
_SPREAD = "a driver that spreads data over several files"


class Unclean(Malformed):
    """The file is still marked as being written."""


class CutShort(Malformed):
    """The file has fewer bytes than it says."""


class Message(NamedTuple):
    """A message of an object header.

    Attributes:
        kind: its type, IV.A.2.
        shared: whether the data only say where the message proper lies.
        data: its bytes.
        place: their address.
    """

    kind: int
    shared: bool
    data: bytes
    place: int


def root(blocks: Blocks) -> int:
    """The address of the root group's header, from the superblock (II.A, II.B).

    Raises:
        Unclean: when the program that wrote the file did not close it.
        Unsupported: for other sizes of addresses, a user block, or data in several files.
        Malformed: when it is damaged or the file cut short.
    """
    version = blocks.file.pread(blocks.start + 8, 1)[0] if blocks.size > 8 else 0
    if version not in _SUPERBLOCK_SIZES:
        raise Unsupported(f"superblock version {version}", 8)
    block = (blocks.sealed if version > 1 else blocks.read)(0, _SUPERBLOCK_SIZES[version], "the superblock")
    head = Cursor(block, 0)
    head.expect(SIGNATURE, "the superblock")
    head.take(1)
    if version > 1:
        sizes, flags = head.take(2), head.number(1)
    else:
        versions = head.take(4)
        if versions[0] or versions[1] or versions[3]:
            raise Unsupported(f"parts of versions {versions[0]}, {versions[1]} and {versions[3]}", 9)
        sizes, flags = head.take(2), 0
        head.take(1 + 2 + 2 + 4 + (4 if version else 0))
    if sizes != b"\x08\x08":
        raise Unsupported(f"addresses of {sizes[0]} and lengths of {sizes[1]} bytes", 9)
    base, extension, end = (head.number(8) for _ in range(3))
    if base:
        raise Unsupported(f"a base address of {base:,}", 24)
    if end > blocks.size:
        raise CutShort(f"{blocks.size:,} of {end:,} bytes present", blocks.size)
    if version > 1:
        if flags & 1:
            raise Unclean("the program that wrote it did not close it", 11)
        address = head.number(8)
        if extension != UNDEFINED and any(message.kind == _DRIVER for message in messages(blocks, extension)):
            raise Unsupported(_SPREAD, extension)
        return address
    if head.number(8) != UNDEFINED:
        raise Unsupported(_SPREAD, 48)
    head.take(8)  # the root group's name
    return head.number(8)


def messages(blocks: Blocks, address: int) -> list[Message]:
    """The messages of an object header (IV.A.1), those of its continuations included.

    Raises:
        External: when the object keeps its data in other files.
        Unsupported: when it holds what every reader must understand and charvec does not.
        Malformed: when a rule is broken.
    """
    found: list[Message] = []
    if address + 4 <= blocks.size and blocks.file.pread(blocks.start + address, 4) == b"OHDR":
        _version_2(blocks, address, found)
    else:
        _version_1(blocks, address, found)
    return found


def _version_1(blocks: Blocks, address: int, found: list[Message]) -> None:
    """IV.A.1.a: a prefix of 16 bytes; messages with type u16, size u16, flags and three unused bytes before each."""
    head = Cursor(blocks.read(address, 16, "an object header"), address)
    head.expect(b"\1", "an object header")
    head.take(1)
    count, _, size = head.number(2), head.number(4), head.number(4)
    pieces = [(address + 16, size)]
    left = MAX_HEADER
    for place, size in pieces:
        left -= size
        if left < 0:
            raise Malformed("an object header is too large", address)
        piece = Cursor(blocks.read(place, size, "an object header"), place)
        while piece.left >= 8 and len(found) < count:
            kind, length, flags, _ = piece.number(2), piece.number(2), piece.number(1), piece.take(3)
            _add(found, pieces, kind, flags, piece.address, piece.take(length))
    if len(found) != count:
        raise Malformed(f"an object header promises {count:,} messages and has {len(found):,}", address)


def _version_2(blocks: Blocks, address: int, found: list[Message]) -> None:
    """IV.A.1.b: a prefix that grows with its flags; messages with type u8, size u16, flags, perhaps a u16 for order."""
    head = Cursor(blocks.file.pread(blocks.start + address, min(34, blocks.size - address)), address)
    head.expect(b"OHDR\2", "an object header")
    flags = head.number(1)
    head.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    size = head.number(1 << (flags & 3))
    start = head.position
    pieces = [(address, start + size + 4)]
    left = MAX_HEADER
    for place, size in pieces:
        left -= size
        if left < 0:
            raise Malformed("an object header is too large", address)
        piece = Cursor(blocks.sealed(place, size, "an object header"), place)
        if place == address:
            piece.take(start)
        else:
            piece.expect(b"OCHK", "the continuation of an object header")
        prefix = 6 if flags & 4 else 4
        while piece.left >= prefix:  # less is a gap
            kind, length, marks = piece.number(1), piece.number(2), piece.number(1)
            piece.take(prefix - 4)
            _add(found, pieces, kind, marks, piece.address, piece.take(length))


def _add(found: list[Message], pieces: list[tuple[int, int]], kind: int, flags: int, place: int, data: bytes) -> None:
    if kind == _CONTINUATION:
        where = Cursor(data, place)
        pieces.append((where.number(8), where.number(8)))
    elif kind == _EXTERNAL_FILES:
        raise External("a dataset keeps its data in another file", place)
    elif kind > _LAST_KIND and flags & 0x80:
        raise Unsupported(f"a header message of the unknown type {kind}", place)
    if len(found) >= MAX_MESSAGES or len(pieces) > MAX_MESSAGES:
        raise Malformed("an object header has too many messages", place)
    found.append(Message(kind, bool(flags & 2), data, place))
