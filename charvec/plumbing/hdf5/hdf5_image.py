"""Plumbing: an HDF5 file of named arrays, laid out by hand, without the HDF5 library and without copying an array.

Source: HDF5 File Format Specification version 3.0, The HDF Group, whose section numbers stand below:
https://support.hdfgroup.org/archive/support/HDF5/doc/H5.format.html. Of all that HDF5 can be, this is the form that its
own library, told ``libver="latest"``, gives such arrays, without the room it leaves for later. Libraries from 1.10 on
read it and add to it.

Offsets count from the superblock, which stands at the base address, and so do all addresses in the file but that of its
end. Everything is little-endian::

    0      superblock, version 3                              II.A
    64     the arrays as they lie in memory, each at a multiple of 64 bytes, zeros between them
    then   an object header for each array                    IV.A.1.b: dataspace, datatype, fill value, layout
           an object header for each group, that of / last    IV.A.1.b: link info, group info, links

Headers hold the addresses of what they describe; in this order each address is known when it is needed. There are no
attributes and no times: the same arrays make the same file. So reading it back takes no knowledge of HDF5 beyond this
module: :func:`image_arrays` accepts what :func:`hdf5_image` would write again, byte for byte, and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import prod
from struct import iter_unpack, pack, unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["hdf5_image", "image_arrays", "lookup3"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK_SIZE = 48
#: A cache line: arrays are aligned for any processor when the file is mapped.
_ALIGNMENT = 64
#: The address of what does not exist: data of no bytes, a heap for more links than a header should hold.
_UNDEFINED = 0xFFFFFFFFFFFFFFFF
#: A group with more links than the first keeps them outside its header, with fewer than the second inside again. The
#: library's default, 8 and 6, is one link too few for int8 vectors; programs that add members go by what the file says.
_COMPACT_LINKS, _DENSE_LINKS = 16, 12

#: Types of header messages, IV.A.2.
_DATASPACE, _LINK_INFO, _DATATYPE, _FILL_VALUE, _LINK, _LAYOUT, _GROUP_INFO = 1, 2, 3, 5, 6, 8, 10
#: Those that never change, which the library marks with a flag.
_CONSTANT = (_DATATYPE, _FILL_VALUE, _GROUP_INFO)

#: More links than any vector file has; it bounds what a hostile file can make its reader do.
_MOST_LINKS = 64


def hdf5_image(arrays: Mapping[str, NDArray[Any]], base: int) -> list[bytes | memoryview]:
    """The parts of an HDF5 file from its superblock to its end, to be written one after another.

    Args:
        arrays: contiguous little-endian arrays of int8, uint8, uint32, uint64, float16 or float32 by name;
            ``"group/name"`` for a member of a group. The parts are views of them: they must not change meanwhile.
        base: where the parts will stand: 0, or the length of the user block before them, a power of two from 512 on.

    Raises:
        KeyError: for an array of another type.
    """
    data: list[bytes | memoryview] = []
    addresses = {}
    end = _SUPERBLOCK_SIZE
    for name, array in arrays.items():
        addresses[name] = _UNDEFINED
        if array.nbytes:
            gap = -end % _ALIGNMENT
            addresses[name] = end + gap
            data += [bytes(gap), array.reshape(-1).view(np.uint8).data]
            end += gap + array.nbytes

    headers = bytearray()

    def place(header: bytes) -> int:
        address = end + len(headers)
        headers.extend(header)
        return address

    root: dict[str, int] = {}
    groups: dict[str, dict[str, int]] = {"": root}  # group -> member -> address of its header
    for name, array in arrays.items():
        group, _, member = name.rpartition("/")
        groups.setdefault(group, {})[member] = place(_dataset(array, addresses[name]))
    for group, links in groups.items():
        if links is not root:
            root[group] = place(_group(links))
    root_address = place(_group(root))
    return [_superblock(base, base + end + len(headers), root_address), *data, bytes(headers)]


def image_arrays(data: bytes, base: int) -> dict[str, NDArray[Any]] | None:
    """The arrays of which :func:`hdf5_image` made a file, as views of its bytes; None for any file but such.

    The headers are asked where things should be and are believed in nothing: the image of the arrays found so is laid
    out anew, and must be the file, byte for byte. Damage, other programs' files and other versions' layouts give None.

    Args:
        data: a whole file.
        base: where its superblock stands.
    """
    try:
        arrays, offsets = _arrays(data, base)
        place, expected = base, iter(offsets)
        for part in hdf5_image(arrays, base):
            same = data.startswith(part, place) if isinstance(part, bytes) else next(expected) == place
            if not same:
                return None
            place += len(part)
    except (struct.error, IndexError, KeyError, OverflowError, ValueError):
        return None  # what the sloppy reading below comes to in a file that is none of ours
    return arrays if place == len(data) else None


def _arrays(data: bytes, base: int) -> tuple[dict[str, NDArray[Any]], list[int]]:
    """Arrays by name in the order of their headers, and the offsets of those with elements; not checked."""
    root = _links(data, base + unpack_from("<Q", data, base + 36)[0])
    found: dict[int, str] = {}  # of datasets, by address
    for name, address in root.items():
        # the first message of a group is about links, that of a dataset about axes
        if data[base + address + 8] == _LINK_INFO:
            found |= {to: f"{name}/{member}" for member, to in _links(data, base + address).items()}
        else:
            found[address] = name
        if len(found) > _MOST_LINKS:
            raise ValueError
    arrays: dict[str, NDArray[Any]] = {}
    offsets = []
    for address, name in sorted(found.items()):
        dtype, shape, start = _described(data, base + address)
        count = prod(shape)
        if count * dtype.itemsize > len(data):
            raise ValueError
        if count:
            offsets.append(base + start)
            arrays[name] = np.frombuffer(data, dtype, count, base + start).reshape(shape)
        else:
            arrays[name] = np.empty(shape, dtype)
    return arrays, offsets


def _links(data: bytes, header: int) -> dict[str, int]:
    """Names and addresses in what should be the header of a group; not checked."""
    links: dict[str, int] = {}
    place = header + 8
    end = place + unpack_from("<H", data, header + 6)[0]
    while place < end and len(links) <= _MOST_LINKS:
        kind, size = unpack_from("<BH", data, place)
        if kind == _LINK:
            name = place + 7  # behind four bytes of the message's header and three of its own
            to = name + data[name - 1]
            links[data[name:to].decode("ascii")] = unpack_from("<Q", data, to)[0]
        place += 4 + size
    return links


def _described(data: bytes, header: int) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and address in what should be the header of a dataset; not checked."""
    axes = data[header + 13]
    place = header + 16
    shape = unpack_from(f"<{axes}Q", data, place)
    place += 8 * axes
    size = unpack_from("<H", data, place + 1)[0]
    dtype = np.dtype(_TYPES[data[place + 4 : place + 4 + size]])
    # the fill value has two bytes, and the layout two before the address
    address = unpack_from("<Q", data, place + 4 + size + (4 + 2) + (4 + 2))[0]
    return dtype, shape, address


def _superblock(base: int, end_of_file: int, root: int) -> bytes:
    """II.A: version, sizes of addresses and of lengths, not open for writing; base, no extension, end, root."""
    return _sealed(_SIGNATURE + pack("<4B4Q", 3, 8, 8, 0, base, _UNDEFINED, end_of_file, root))


def _dataset(array: NDArray[Any], address: int) -> bytes:
    """The header of a dataset whose data lie in one piece."""
    return _object_header(
        # version, axes, no flags: it cannot grow; an array
        (_DATASPACE, pack(f"<4B{array.ndim}Q", 2, array.ndim, 0, 1, *array.shape)),
        (_DATATYPE, _DATATYPES[array.dtype.str]),
        # version, the library's default: allocated late, filled where the user sets a value, and none is set
        (_FILL_VALUE, pack("<2B", 3, 2 | 2 << 2)),
        # version, contiguous
        (_LAYOUT, pack("<2B2Q", 3, 1, address, array.nbytes)),
    )


def _group(links: Mapping[str, int]) -> bytes:
    """The header of a group that holds its links itself."""
    return _object_header(
        # version, no flags, no heap of links, no index of their names
        (_LINK_INFO, pack("<2B2Q", 0, 0, _UNDEFINED, _UNDEFINED)),
        # version, what follows are the two limits
        (_GROUP_INFO, pack("<2B2H", 0, 1, _COMPACT_LINKS, _DENSE_LINKS)),
        # version, no flags: a hard link whose name is ASCII, its length in one byte
        *((_LINK, pack("<3B", 1, 0, len(name)) + name.encode("ascii") + pack("<Q", to)) for name, to in links.items()),
    )


def _object_header(*messages: tuple[int, bytes]) -> bytes:
    """IV.A.1.b: version 2, the size of all messages in two bytes, no times; each message with type, size and flag."""
    body = b"".join(pack("<BHB", kind, len(data), kind in _CONSTANT) + data for kind, data in messages)
    return _sealed(b"OHDR" + pack("<2BH", 2, 1, len(body)) + body)


def _integer(size: int, signed: bool) -> bytes:
    """IV.A.2.d, version 1, class 0: little-endian, all bits used."""
    return pack("<4BI2H", 1 << 4 | 0, signed << 3, 0, 0, size, 0, 8 * size)


def _float(size: int, exponent: int, mantissa: int) -> bytes:
    """IV.A.2.d, version 1, class 1: little-endian IEEE 754; from the top sign, exponent, mantissa less its first 1."""
    implied_one, bits, bias = 2 << 4, 8 * size, (1 << exponent - 1) - 1
    head = pack("<4BI2H", 1 << 4 | 1, implied_one, bits - 1, 0, size, 0, bits)
    return head + pack("<4BI", mantissa, exponent, 0, mantissa, bias)


#: Datatype messages by NumPy's name of the type.
_DATATYPES: Mapping[str, bytes] = {
    "|i1": _integer(1, signed=True),
    "|u1": _integer(1, signed=False),
    "<u2": _integer(2, signed=False),
    "<u4": _integer(4, signed=False),
    "<u8": _integer(8, signed=False),
    "<f2": _float(2, exponent=5, mantissa=10),
    "<f4": _float(4, exponent=8, mantissa=23),
}

#: And NumPy's names by datatype messages.
_TYPES: Mapping[bytes, str] = {message: name for name, message in _DATATYPES.items()}


def _sealed(block: bytes) -> bytes:
    """A block of metadata and, behind it, its checksum."""
    return block + pack("<I", lookup3(block))


def lookup3(data: bytes, initial: int = 0) -> int:
    """Bob Jenkins's ``hashlittle``, HDF5's checksum of metadata: https://burtleburtle.net/bob/c/lookup3.c.

    Three registers take in twelve bytes at a time. After each step they change roles, so that a step is written once.
    """
    a = b = c = (0xDEADBEEF + len(data) + initial) & 0xFFFFFFFF
    if not data:
        return c
    # what the last block lacks counts as zeros
    blocks = list(iter_unpack("<3I", data + bytes(-len(data) % 12)))
    for number, block in enumerate(blocks, 1):
        a, b, c = (register + word & 0xFFFFFFFF for register, word in zip((a, b, c), block, strict=True))
        if number < len(blocks):
            for bits in (4, 6, 8, 16, 19, 4):
                a = (a - c & 0xFFFFFFFF) ^ _rotated(c, bits)
                a, b, c = b, b + c & 0xFFFFFFFF, a
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotated(b, bits) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & 0xFFFFFFFF
