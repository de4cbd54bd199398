"""UTF-16 and UTF-32 with a byte order mark (Unicode Standard, chapter 23.8). The mark is no character."""

from __future__ import annotations

from charvec.errors import Note
from charvec.plumbing.counting import Tally, Tolerant
from charvec.reading import Outcome, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "unicode-bom"

MARKS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}


def sniff(head: bytes) -> bool:
    """By the byte order mark."""
    return magic(head) in MARKS


def read(path: str, source: Source, tally: Tally) -> Outcome:
    """Count a UTF-16 or UTF-32 file; bytes that are no character are left out and located."""
    encoding = magic(source.head)
    decoder = Tolerant(encoding)
    skip = MARKS[encoding]
    for block in source:
        tally.add_text(decoder.decode(block[skip:], False))
        skip = 0
    tally.add_text(decoder.decode(b"", True))
    outcome = Outcome(bad_bytes=decoder.bad_bytes)
    if decoder.first is not None:
        offset = decoder.first + MARKS[encoding]
        code = "W-UTF16" if encoding.startswith("utf-16") else "W-UTF32"
        message = (
            f"{path}: {decoder.bad_bytes} bytes are not {encoding} and were left out, the first at offset {offset}"
        )
        outcome.problems.append(Note(code, message, path, offset))
    return outcome
