"""Plumbing: the bytes of a foreign HDF5 file, block by block.

An HDF5 file is a web of blocks that point to each other. Every byte belongs to one block only, so a block that is
reached twice, or lies across another, is damage; that also keeps a file from leading its reader round in circles.
"""

from __future__ import annotations

from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.hdf5.hdf5_image import lookup3
from charvec.plumbing.protobuf import Malformed

__all__ = ["UNDEFINED", "Blocks", "Cursor", "External", "Unsupported"]

#: The address of what does not exist.
UNDEFINED = 0xFFFFFFFFFFFFFFFF
#: Cap on the metadata of one file. 20,000 datasets in as many groups have 40 MB.
MAX_METADATA = 1 << 26
#: And on what of it has checksums, at a third of a second for a megabyte.
MAX_SEALED = 1 << 24


class Unsupported(Malformed):
    """Perhaps sound, but a part of HDF5 that charvec does not read."""


class External(Malformed):
    """Data would come from another file."""


class Cursor:
    """Takes fields from a block, one after the other.

    Attributes:
        data: the block.
        place: address of its first byte, for messages.
        position: of the next field.
    """

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place, self.position = data, place, 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self.data) - self.position

    @property
    def address(self) -> int:
        """Of the next field."""
        return self.place + self.position

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            Malformed: when there are fewer.
        """
        start, end = self.position, self.position + size
        if end > len(self.data):
            raise Malformed("a block is too short for what it should hold", self.place)
        self.position = end
        return self.data[start:end]

    def number(self, size: int) -> int:
        """The next ``size`` bytes as an unsigned integer."""
        return int.from_bytes(self.take(size), "little")

    def expect(self, signature: bytes, what: str) -> None:
        """Take a signature, or a version, that must stand here."""
        if self.take(len(signature)) != signature:
            raise Malformed(f"{what} does not begin as it should", self.place)


class Blocks:
    """Reads the blocks of a file, or of a part of it, and keeps account of them.

    Attributes:
        file: the file.
        start: where address 0 lies in it; 0, but for a file within a zip file.
        size: bytes of the HDF5 file.
        digest: BLAKE2b-256 of all metadata that was read.
    """

    def __init__(self, file: File, start: int, size: int) -> None:
        self.file, self.start, self.size = file, start, size
        self.digest = blake2b(digest_size=32)
        self._left, self._sealed_left = MAX_METADATA, MAX_SEALED
        self._claims: dict[int, int] = {}

    def read(self, address: int, size: int, what: str) -> bytes:
        """A block of metadata, which now belongs to its reader alone.

        Raises:
            Malformed: as :meth:`claim`, and when the file has too much metadata.
            CharvecError: as :meth:`charvec.plumbing.files.File.pread`.
        """
        self.claim(address, size, what)
        self._left -= size
        if self._left < 0:
            raise Malformed(f"more than {MAX_METADATA:,} bytes of metadata", address)
        data = self.file.pread(self.start + address, size)
        self.digest.update(data)
        return data

    def sealed(self, address: int, size: int, what: str) -> bytes:
        """The same for a block whose last four bytes are its checksum; without them.

        Raises:
            Malformed: also when the checksum does not match.
        """
        block = self.read(address, size, what)
        if self.checksum(block[:-4], address) != int.from_bytes(block[-4:], "little"):
            raise Malformed(f"the checksum of {what} does not match", address)
        return block[:-4]

    def checksum(self, data: bytes, address: int) -> int:
        """The checksum of metadata.

        Raises:
            Malformed: when the file has too much of it.
        """
        self._sealed_left -= len(data)
        if self._sealed_left < 0:
            raise Malformed(f"more than {MAX_SEALED:,} bytes of metadata with checksums", address)
        return lookup3(data)

    def claim(self, address: int, size: int, what: str) -> None:
        """Take bytes for one purpose.

        Raises:
            Malformed: when they lie beyond the end or begin where others do.
        """
        if address + size > self.size:
            raise Malformed(f"{what} reaches to byte {address + size:,} of {self.size:,}", min(address, self.size))
        if not size:
            return
        if address in self._claims:
            raise Malformed(f"{what} lies where something else does", address)
        self._claims[address] = address + size

    def check(self) -> None:
        """Compare all that was claimed.

        Raises:
            Malformed: when two of them overlap.
        """
        reached = 0
        for start, end in sorted(self._claims.items()):
            if start < reached:
                raise Malformed("two of its blocks overlap", start)
            reached = end
