"""Binary files: pictures, documents, weights. Skipped and named, never counted as text."""

from __future__ import annotations

from charvec.errors import Note
from charvec.plumbing.text.charsets import utf16_without_mark
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "binary"


def sniff(head: bytes) -> bool:
    """A known picture or document, or a zero byte near the beginning of what has no other type's magic bytes."""
    return magic(head).startswith("a ")


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Skip the file and say so."""
    kind = magic(source.head)
    codec = utf16_without_mark(source.head) if kind == "a binary file" else ""
    hint = f"; it may be UTF-16 text that lacks its byte order mark: say so with --encoding {codec}" if codec else ""
    note = Note("W-BINARY", f"{path} is {kind} and was not read{hint}", path)
    return Outcome(skipped=True, problems=[note])
