"""UTF-16 and UTF-32 with a byte order mark (Unicode Standard, chapter 23.8). The mark is no character."""

from __future__ import annotations

from charvec.plumbing.text.encoded import read_encoded
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "unicode-bom"

_CODES = {"utf-16-le": "W-UTF16", "utf-16-be": "W-UTF16", "utf-32-le": "W-UTF32", "utf-32-be": "W-UTF32"}


def sniff(head: bytes) -> bool:
    """By the byte order mark."""
    return magic(head) in _CODES


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Pass on a UTF-16 or UTF-32 file; bytes that are no character are left out and located."""
    encoding = magic(source.head)
    return read_encoded(path, source, sink, options, encoding, code=_CODES[encoding])
