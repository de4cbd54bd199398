"""Nouns: what a reader of samples is given and what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from charvec.errors import Note

__all__ = ["BLOCK", "Outcome", "Progressed", "blocks", "magic"]

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
    for mark, name in _MAGIC:
        if head.startswith(mark) and (name != "bzip2" or head[4:10] == b"1AY&SY"):
            return name
    return "a binary file" if b"\0" in head[:_LOOK] else ""


@dataclass(slots=True)
class Outcome:
    """What became of one sample.

    Attributes:
        bytes: read from the file.
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


def blocks(stream: BinaryIO, head: bytes, progressed: Progressed) -> Iterator[bytes]:
    """The blocks of a stream whose first bytes were already read as ``head``."""
    block = head
    while block:
        progressed(len(block))
        yield block
        block = stream.read(BLOCK)
