"""Binary files: pictures, documents, weights. Skipped and named, never counted as text."""

from __future__ import annotations

from charvec.errors import Note
from charvec.plumbing.text.charsets import utf16_without_mark
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "binary"

#: How the files begin that charvec itself writes; see :mod:`charvec.formats.hdf5`.
_VECTOR_FILE = b"\x89charvec\r\n"


def sniff(head: bytes) -> bool:
    """A known picture or document, or a zero byte near the beginning of what has no other type's magic bytes."""
    return magic(head).startswith("a ")


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Skip the file and say so."""
    if source.head.startswith(_VECTOR_FILE):
        # what earlier runs wrote is no loss
        return Outcome(skipped=True, remarks=[Note("N-VECTOR-FILE", f"{path} is a vector file and was not read", path)])
    kind = magic(source.head)
    codec = utf16_without_mark(source.head) if kind == "a binary file" else ""
    hint = f"; it may be UTF-16 text that lacks its byte order mark: say so with --encoding {codec}" if codec else ""
    note = Note("W-BINARY", f"{path} is {kind} and was not read{hint}", path)
    return Outcome(skipped=True, problems=[note])
