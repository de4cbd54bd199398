"""Family: texts inside records, such as one field of JSON Lines or one column of CSV. One file per kind of record.

A member is a sink that stands between a reader, which decodes and validates, and the next sink, which gets each value
as a text of its own. So it works on any encoding a reader knows, and knows of none itself.

To add a kind: write one module with :class:`Member`'s name and function, put it into :data:`MEMBERS`, and say in
:func:`wrap` when it is meant.
"""

from __future__ import annotations

from typing import Protocol

from charvec.reading import Options, Outcome, Sink
from charvec.records import delimited, json_lines

__all__ = ["MEMBERS", "Member", "RecordSink", "wrap"]


class RecordSink(Sink, Protocol):
    """A sink that takes records and passes on the text in them."""

    def finish(self, outcome: Outcome) -> None:
        """Add to the outcome of the reader what became of the records; once, after the last :meth:`end`.

        A file of which nothing was used is marked as skipped.
        """


class Member(Protocol):
    """What every module of this folder offers."""

    #: Short name of the kind of record.
    NAME: str

    def wrap(self, path: str, head: bytes, inner: Sink, wanted: str) -> RecordSink:
        """A sink for the records of one file.

        Args:
            path: the file, for messages and where its suffix says something.
            head: its first bytes as they are, in whatever encoding.
            inner: gets the texts.
            wanted: which part of a record is text.
        """


#: Every member.
MEMBERS: tuple[Member, ...] = (json_lines, delimited)

#: Byte order marks, and the zero bytes between ASCII characters in UTF-16 and UTF-32.
_NO_TEXT = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


def wrap(path: str, head: bytes, inner: Sink, options: Options, inside: bool = False) -> RecordSink | None:
    """The sink for a text file whose records the user wants looked into; None for plain text.

    With a field every text file is JSON Lines, with a column it is CSV or TSV. With both, a file that begins with
    ``{`` or ``[`` is JSON Lines. By its number a column is looked for only in what is surely a table: every text has a
    first column.

    Args:
        path: for messages.
        head: the first bytes of the file.
        inner: gets the texts.
        options: what the user asked for.
        inside: whether the file was found in a folder or an archive, among others that may be no tables.
    """
    if options.field and (not options.column or head.lstrip(_NO_TEXT)[:1] in (b"{", b"[")):
        return json_lines.wrap(path, head, inner, options.field)
    if options.column:
        # who says which suffixes are read says what they are
        sure = not inside or bool(options.extensions) or delimited.is_table(path)
        return delimited.wrap(path, head, inner, options.column, sure)
    return None
