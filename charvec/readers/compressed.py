"""Compressed files: told from other binary files, so that the message can say what to do."""

from __future__ import annotations

from charvec.errors import Note
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "compressed"

KINDS = ("gzip", "zstd", "xz", "bzip2", "zip")


def sniff(head: bytes) -> bool:
    """By the magic bytes of gzip, zstd, xz, bzip2 and zip."""
    return magic(head) in KINDS


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Skip the file and say so."""
    kind = magic(source.head)
    tool = "unzip -p" if kind == "zip" else f"{kind} -dc"
    message = f"{path} is compressed ({kind}) and was not read; pipe it in: `{tool} FILE | charvec ... -`"
    note = Note("W-COMPRESSED", message, path)
    return Outcome(skipped=True, problems=[note])
