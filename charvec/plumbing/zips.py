"""Plumbing: what lies where in a zip file, without extracting anything.

Members are found through their local headers, because only those tell where the data begin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NoReturn

from charvec.errors import DamagedFile, UnsafeFile
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.zip_directory import BadDirectory, directory
from charvec.valueclass import dataclass

__all__ = ["Member", "Zip"]

#: Bytes of a directory, about 200,000 members; it is held in memory, at ten times its size.
MAX_DIRECTORY = 16 << 20
#: Bytes of a member that is read whole, and how many times larger than in the file it may be.
MAX_MEMBER = 64 << 20
MAX_RATIO = 1000

_END, _END_LENGTH = b"PK\x05\x06", 22
_LOCAL, _LOCAL_LENGTH = b"PK\x03\x04", 30
_STORED, _DEFLATED = 0, 8
#: Bytes inflated at once.
_PORTION = 1 << 20


@dataclass(frozen=True)
class Member:
    """One entry of the directory.

    Attributes:
        name: as written; never used as a path.
        header: where its local header begins.
        size, packed: bytes of the content, and bytes they take in the file.
        method: 0 when stored as they are.
    """

    name: str
    header: int
    size: int
    packed: int
    method: int


class Zip:
    """The directory of a zip file.

    Attributes:
        members: by name, in the order of the directory.

    Raises:
        DamagedFile: ``E-TRUNCATED`` when the end is missing, ``E-TRAILING`` when something follows it, else ``code``.
    """

    def __init__(self, file: File, code: str) -> None:
        """Read the directory of ``file``; errors that have no code of their own get ``code``."""
        self.file, self.code = file, code
        self.members: dict[str, Member] = {}
        self._check_end()
        self._read_directory()

    def refuse(self, problem: str) -> NoReturn:
        """Raise the error for a zip file that is not laid out as it should be."""
        raise DamagedFile(
            self.code,
            f"{self.file.path}: unusable zip file: {problem}",
            path=self.file.path,
            help="download the file again; if its writer is at fault, ask for the weights as safetensors",
        )

    def _check_end(self) -> None:
        file = self.file
        tail_start = max(0, file.size - _END_LENGTH - 0xFFFF)
        tail = file.pread(tail_start, file.size - tail_start)
        place = tail.rfind(_END)
        missing = place < 0 or len(tail) < place + _END_LENGTH
        end = 0 if missing else place + _END_LENGTH + int.from_bytes(tail[place + 20 : place + 22], "little")
        if missing or end > len(tail):
            raise cut_short(file.path, file.size, ": a zip file ends with its directory, and this one has none")
        if end < len(tail):
            raise DamagedFile(
                "E-TRAILING",
                f"{file.path} has {len(tail) - end:,} bytes after the end of its zip directory",
                path=file.path,
                offset=tail_start + end,
                help="download the file again; something was appended to it",
            )
        self._end = tail_start + place

    def _read_directory(self) -> None:
        try:
            for entry in directory(self.file, self._end, MAX_DIRECTORY):
                name = entry.name
                if entry.flags & 0x2041:
                    self.refuse(f"the member {name[:80]!r} is marked as encrypted")
                if name in self.members:
                    self.refuse(f"the member {name[:80]!r} is there twice")
                self.members[name] = Member(name, entry.header, entry.size, entry.packed, entry.method)
        except BadDirectory as error:
            self.refuse(f"its directory {error}")

    def data_offset(self, member: Member) -> int:
        """Where the bytes of a member begin in the file."""
        if not 0 <= member.header <= self.file.size - _LOCAL_LENGTH:
            self.refuse(f"the member {member.name[:80]!r} lies outside the file")
        local = self.file.pread(member.header, _LOCAL_LENGTH)
        flags, method = struct.unpack("<HH", local[6:10])
        if local[:4] != _LOCAL or flags & 0x2041 or method != member.method:
            self.refuse(f"directory and local header of the member {member.name[:80]!r} disagree")
        name_length, extra_length = struct.unpack("<HH", local[26:30])
        offset: int = member.header + _LOCAL_LENGTH + name_length + extra_length
        if offset + member.packed > self.file.size:
            self.refuse(f"the member {member.name[:80]!r} reaches past the end of the file")
        return offset

    def stored_offset(self, member: Member) -> int:
        """Where the bytes of a member begin that must lie there uncompressed.

        Raises:
            UnsafeFile: ``E-BOMB`` when it is compressed and would swell beyond the limits.
            DamagedFile: otherwise, when it is compressed.
        """
        if member.method != _STORED:
            self._check_ratio(member)
            self.refuse(f"the member {member.name[:80]!r} is compressed and cannot be read in place")
        if member.size != member.packed:
            self.refuse(f"the member {member.name[:80]!r} is stored with two different sizes")
        return self.data_offset(member)

    def content(self, member: Member) -> bytes:
        """All bytes of a small member.

        Raises:
            UnsafeFile: ``E-BOMB`` when it is larger, or would swell more, than the limits allow.
        """
        if member.method == _STORED:
            offset = self.stored_offset(member)
            if member.size > MAX_MEMBER:
                self.refuse(f"the member {member.name[:80]!r} has {member.size:,} bytes; the limit is {MAX_MEMBER:,}")
            return self.file.pread(offset, member.size)
        self._check_ratio(member)
        if member.method != _DEFLATED:
            self.refuse(f"the member {member.name[:80]!r} is compressed by the unknown method {member.method}")
        import zlib

        packed = self.file.pread(self.data_offset(member), member.packed)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, member.size + 1)
        except zlib.error:
            content = b""
        if len(content) != member.size or not inflater.eof:
            self.refuse(f"the member {member.name[:80]!r} does not inflate to the {member.size:,} bytes it claims")
        return content

    def beginning(self, member: Member, length: int) -> bytes:
        """The first bytes of a member of any size, at most ``length``; errors as :meth:`content`."""
        if member.method == _STORED:
            return self.file.pread(self.stored_offset(member), min(length, member.size))
        parts, present = [], 0
        for portion in self._inflated(member):
            parts.append(portion)
            present += len(portion)
            if present >= length:
                break
        return b"".join(parts)[:length]

    def pieces(self, member: Member, start: int, stride: int, wanted: Iterable[int]) -> Iterator[bytes]:
        """Pieces of equal length of a deflated member, which is inflated up to the last of them.

        Args:
            member: any entry.
            start: where piece 0 begins in its content.
            stride: bytes of a piece.
            wanted: numbers of pieces, ascending.

        Raises:
            UnsafeFile: ``E-BOMB`` when it swells beyond the limits.
            DamagedFile: otherwise, when it does not inflate to what it claims.
        """
        portions = self._inflated(member)
        buffer, base = bytearray(), 0  # the bytes of the content from `base` on
        for number in wanted:
            begin = start + number * stride
            while base + len(buffer) < begin + stride:
                dropped = min(len(buffer), begin - base)
                del buffer[:dropped]
                base += dropped
                portion = next(portions, b"")
                if not portion:
                    self.refuse(f"the member {member.name[:80]!r} ends before its data do")
                buffer += portion
            yield bytes(buffer[begin - base : begin - base + stride])

    def _inflated(self, member: Member) -> Iterator[bytes]:
        """The content of a deflated member in portions of up to a mebibyte."""
        import zlib

        self._check_ratio(member, whole=False)
        if member.method != _DEFLATED:
            self.refuse(f"the member {member.name[:80]!r} is compressed by the unknown method {member.method}")
        position = self.data_offset(member)
        end = position + member.packed
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        size, packed = 0, b""
        try:
            while not inflater.eof:
                if not packed:
                    packed = self.file.pread(position, min(_PORTION, end - position))
                    position += len(packed)
                content = inflater.decompress(packed, _PORTION)
                stuck = not content and not packed
                packed = inflater.unconsumed_tail
                size += len(content)
                if stuck or size > member.size:
                    break
                if content:
                    yield content
        except zlib.error:
            size = -1
        if size != member.size or not inflater.eof:
            self.refuse(f"the member {member.name[:80]!r} does not inflate to the {member.size:,} bytes it claims")

    def _check_ratio(self, member: Member, *, whole: bool = True) -> None:
        if (whole and member.size > MAX_MEMBER) or member.size > MAX_RATIO * max(member.packed, 1):
            raise UnsafeFile(
                "E-BOMB",
                f"{self.file.path}: {member.name[:80]!r} swells from {member.packed:,} to {member.size:,} bytes",
                path=self.file.path,
                offset=member.header,
                help=f"up to {MAX_MEMBER:,} bytes and {MAX_RATIO:,} times are read; ask for the weights as safetensors",
            )
