"""Nouns: what a reader of samples is given and what it gives back."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from charvec.errors import Note

__all__ = ["BLOCK", "Outcome", "Progressed", "Source", "magic"]

#: Bytes read at once. The numpy path is fastest when a block and its UTF-32 form stay in the cache.
BLOCK = 1 << 18


#: First bytes and what they stand for; a longer mark stands before one that is its beginning.
_MAGIC = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
)
#: Bytes searched for a zero byte, which no text has; as git and ripgrep do.
_LOOK = 8192


def magic(head: bytes) -> str:
    """What a file is by its first bytes: a name of the table above, ``"a binary file"``, or "" for plain text."""
    zero = b"\0" in head[:_LOOK]
    for mark, name in _MAGIC:
        if not head.startswith(mark):
            continue
        # a text may begin with the letters of these two
        if (name == "bzip2" and head[4:10] != b"1AY&SY") or (name == "a GIF picture" and not zero):
            continue
        return name
    return "a binary file" if zero else ""


@dataclass
class Outcome:
    """What became of one sample.

    Attributes:
        bytes: read from the file; filled in by the scanner.
        bad_bytes: not decodable, left out.
        skipped: whether the file was not used at all.
        problems: what was lost, and why.
        remarks: notes that lose nothing.
    """

    bytes: int = 0
    bad_bytes: int = 0
    skipped: bool = False
    problems: list[Note] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)


class Progressed(Protocol):
    """Called with the number of bytes just read."""

    def __call__(self, count: int) -> None:
        """So many bytes more."""


class Source:
    """The bytes of one sample, in blocks; iterate over it once. It ends where reading fails, and remembers why.

    Every block but the last has :data:`BLOCK` bytes, also from a pipe, which gives them in pieces: where the blocks are
    cut depends on the data alone.

    Args:
        stream: where the bytes come from.
        progressed: is told about the bytes read.
        limit: number of bytes to read at most, so that a file that grows as fast as it is read comes to an end.

    Attributes:
        head: the first block.
        bytes: number of bytes read so far.
        fault: the error that ended it early, None when there was none.
    """

    def __init__(self, stream: BinaryIO, progressed: Progressed, limit: int | None = None) -> None:
        self.bytes = 0
        self.fault: OSError | None = None
        self._stream = stream
        self._progressed = progressed
        self._limit = limit
        self._ended = False
        self.head = self._block()

    def __iter__(self) -> Iterator[bytes]:
        block = self.head
        while block:
            yield block
            block = self._block()

    def _block(self) -> bytes:
        parts: list[bytes] = []
        missing = BLOCK
        if self._limit is not None:
            missing = min(missing, self._limit - self.bytes)
        while missing and not self._ended:
            part = self._read(missing)
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read(self, count: int) -> bytes:
        try:
            part = self._stream.read(count)
            if part is None:
                # a special file that would keep us waiting, and was opened so that it cannot
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            self.fault = error
            part = b""
        if not part:
            self._ended = True
        self.bytes += len(part)
        self._progressed(len(part))
        return part
