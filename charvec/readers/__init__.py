"""Family: sample-file types. One file per type, recognised by the first bytes.

A member counts the characters of a file. What it could not decode it counts and locates; it never guesses, and never
puts U+FFFD for what it did not understand.

To add a type: write one module with :class:`Member`'s two functions, put its name into :data:`MEMBERS`, and add a small
file of that type to ``tests/data/texts``; the contract tests then run over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from charvec.reading import Options, Outcome, Sink, Source

__all__ = ["MEMBERS", "TEXTS", "Member", "choose", "members"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: Short name of the type.
    NAME: str

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins so is of this type; ``head`` is its first block. Never raises."""

    def read(self, path: str, source: Source, sink: Sink, options: Options) -> Outcome:
        """Pass the text of one file on, but for what cannot be decoded.

        Args:
            path: for messages.
            source: its bytes; need not be read to the end.
            sink: where the text goes. Its end is told by the caller.
            options: what the user asked for.
        """


#: Every member, by module. They recognise files by content and never the same one, so the order decides nothing; the
#: commonest comes first, because a member is imported only when it is asked.
MEMBERS = ("utf8", "unicode_bom", "parquet", "arrow", "binary")
#: Names of those that read running text, which can hold records.
TEXTS = ("utf-8", "unicode-bom")

_imported: dict[str, Member] = {}


def members() -> Iterator[Member]:
    """Every member, imported when its turn comes."""
    for name in MEMBERS:
        # importing what is there already takes longer than a short file
        module = _imported.get(name)
        if module is None:
            module = _imported[name] = cast(Member, import_module(f"charvec.readers.{name}"))
        yield module


def choose(head: bytes) -> Member:
    """The member for a file that begins with ``head``; plain UTF-8 for what no other recognises."""
    return next((member for member in members() if member.sniff(head)), next(members()))
