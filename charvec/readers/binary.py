"""Binary files: pictures, documents, weights. Skipped and named, never counted as text."""

from __future__ import annotations

from typing import BinaryIO

from charvec.counting import Tally
from charvec.errors import Note
from charvec.reading import Outcome, Progressed, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "binary"

def sniff(head: bytes) -> bool:
    """A known picture or document, or a zero byte near the beginning of what is no UTF-16, UTF-32 or compressed file."""
    return magic(head).startswith("a ")


def read(path: str, head: bytes, stream: BinaryIO, tally: Tally, progressed: Progressed) -> Outcome:
    """Skip the file and say so."""
    note = Note("W-BINARY", f"{path} is {magic(head)} and was not read", path)
    return Outcome(skipped=True, problems=[note])
