"""Plumbing: zip files of members stored as they are, written in one go; the same members give the same bytes.

Layout: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. Every date is 1980-01-01, the earliest there is.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import WrongFile
from charvec.plumbing.arrays.keyed_rows import Chunk

__all__ = ["npy", "stored"]

#: Sizes and offsets have 32 bits; for more there is an extension, which nothing here needs.
LIMIT = (1 << 32) - 1


def stored(members: Sequence[tuple[str, Sequence[Chunk]]], path: str) -> Iterator[Chunk]:
    """The zip file.

    Args:
        members: names and contents.
        path: the file, for messages.

    Raises:
        WrongFile: ``E-PROFILE-SIZE`` when it would have 4 GiB or more.
    """
    if sum(len(part) + 1024 for _, parts in members for part in parts) > LIMIT:
        raise WrongFile(
            "E-PROFILE-SIZE",
            f"{path}: a zip file of this kind holds less than 4 GiB",
            path=path,
            help="keep fewer characters (`charvec dump --top`), or choose another profile",
        )
    directory, position = b"", 0
    for name, parts in members:
        checksum = size = 0
        for part in parts:
            checksum, size = zlib.crc32(part, checksum), size + len(part)
        encoded = name.encode()
        # version 2.0, no flags, stored, midnight of 1980-01-01
        common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0x21, checksum, size, size, len(encoded), 0)
        yield b"PK\x03\x04" + common + encoded
        yield from parts
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, position)
        directory += encoded
        position += 30 + len(encoded) + size
    yield directory
    count = len(members)
    yield b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), position, 0)


def npy(array: NDArray[Any]) -> list[Chunk]:
    """The parts of an .npy file (NumPy manual, ``numpy.lib.format``)."""
    array = np.ascontiguousarray(array)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    return [head.getvalue(), array.reshape(-1).view(np.uint8).data]
