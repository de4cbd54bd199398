"""One column of comma- or tab-separated values (RFC 4180), read by Python's own :mod:`csv`.

The column is named as in the first row, or by its number, from 1; where a column is called "2", ``2`` means that one.
Named by its name, the first row is no text; by its number, it is a row like the others.

The delimiter is a tab in files called ``.tsv`` or ``.tab``; elsewhere that of ``,`` tab ``;`` ``|`` which stands most
often in the first line outside quotation marks.

Quoting must be sound: a mark that is not closed, or closed in the midst of a field, would turn all that follows inside
out. The line where it begins is left out, and reading goes on behind it; the lines up to where the fault showed are
read one by one. In tab-separated values, of which most know no quoting at all, such a line is taken as it stands. A
quotation mark inside a field that does not begin with one is a character like any other.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import Any
from unicodedata import normalize

from charvec.errors import Note
from charvec.plumbing.terminal import count
from charvec.plumbing.text.losses import Losses
from charvec.reading import Outcome, Sink
from charvec.valueclass import dataclass, field

__all__ = ["LIMIT", "NAME", "Delimited", "is_table", "wrap"]

NAME = "delimited"

#: Characters of the longest row that is read. One takes 13 to 19 bytes of memory for each.
LIMIT = 16 << 20

_DELIMITERS = ",\t;|"
_TAB = re.compile(r"\.(tsv|tab)(\.[a-z0-9]{1,4})?\Z", re.IGNORECASE)
_TABLE = re.compile(r"\.(csv|tsv|tab|psv)(\.[a-z0-9]{1,4})?\Z", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
#: What no field of ours can reach: what is held is bounded.
_NO_LIMIT = (1 << 31) - 1
#: Columns named in a message, and characters of each.
_NAMED, _LETTERS = 30, 40
#: Digits of a column's number; a longer one is only a name.
_DIGITS = 9


def wrap(path: str, head: bytes, inner: Sink, wanted: str, sure: bool = True) -> Delimited:
    """A sink for one file; ``wanted`` is the name or number of a column."""
    return Delimited(path, inner, wanted, sure=sure)


def is_table(path: str) -> bool:
    """Whether a file is a table by its name."""
    return _TABLE.search(path) is not None


def _whole(name: str) -> str:
    return name.strip() if name.isascii() else normalize("NFC", name.strip())


@dataclass
class _State:
    """Where in the file we are, and what was found so far. It holds nothing that changes, so a copy is a snapshot.

    Attributes:
        line: number of the line that begins with the first character pending.
        pending: what is not read yet.
        size: characters pending.
        wait: how many must be pending for another look at a quoted field that was not closed.
        over: whether the line pending is too long and was not kept.
        delimiter: "" before the first line.
        width: fields of the first row, -1 before it.
        index: of the column.
        absent: why there is no such column.
        used: values passed on.
        damaged: lines that are no sound CSV.
        short: rows that lack the column.
        wide: rows that have more fields than the first.
        long: lines beyond the limit.
    """

    line: int = 1
    pending: tuple[str, ...] = ()
    size: int = 0
    wait: int = 0
    over: bool = False
    delimiter: str = ""
    width: int = -1
    index: int = -1
    absent: str = ""
    used: int = 0
    damaged: Losses = field(default_factory=Losses)
    short: Losses = field(default_factory=Losses)
    wide: Losses = field(default_factory=Losses)
    long: Losses = field(default_factory=Losses)


class Delimited:
    """Takes comma- or tab-separated values and passes on one column.

    Args:
        path: the file, for messages; its suffix may tell the delimiter.
        inner: gets the texts.
        wanted: name or number of the column.
        sure: whether it is a table; in what may be none, a column is known by its name alone.
        limit: characters of the longest row that is read.
    """

    def __init__(self, path: str, inner: Sink, wanted: str, *, sure: bool = True, limit: int = LIMIT) -> None:
        self._path = path
        self._inner = inner
        self._wanted = wanted
        self._sure = sure
        self._limit = limit
        self._state = _State()

    def add_utf8(self, block: bytes, final: bool) -> int:
        """The next bytes of the file; see :meth:`charvec.reading.Sink.add_utf8`."""
        text, taken = codecs.utf_8_decode(block, "strict", final)
        self._feed(text)
        return taken

    def add_text(self, text: str) -> None:
        """The next characters of the file; see :meth:`charvec.reading.Sink.add_text`."""
        text.encode()  # raises for a lone surrogate
        self._feed(text)

    def add_texts(self, texts: list[str]) -> None:
        """Whole files; see :meth:`charvec.reading.Sink.add_texts`."""
        for text in texts:
            text.encode()
        for text in texts:
            self._feed(text)
            self._flush()

    def end(self) -> None:
        """The file is over."""
        self._flush()
        self._inner.end()

    def mark(self, *, whole: bool = False) -> tuple[Any, _State]:
        """Where everything stands; see :meth:`charvec.reading.Sink.mark`."""
        return self._inner.mark(whole=whole), replace(self._state)

    def undo(self, mark: tuple[Any, _State]) -> None:
        """Forget all that came after the mark."""
        self._inner.undo(mark[0])
        self._state = replace(mark[1])

    def finish(self, outcome: Outcome) -> None:
        """Add to the reader's outcome what became of the rows."""
        if outcome.skipped:
            return  # the reader refused the file
        state, path = self._state, self._path
        problems = []
        if state.absent:
            problems.append(Note("W-COLUMN", f"{path}: {state.absent}; it was not read", path))
        if damaged := state.damaged:
            message = f"{path}: {count(damaged.count, 'line')} left out, no sound CSV, the first is"
            problems.append(Note("W-CSV", f"{message} {damaged.place} ({damaged.why})", path))
        if short := state.short:
            message = (
                f"{path}: {count(short.count, 'row')} without the column {self._wanted!r}, the first in {short.place}"
            )
            problems.append(Note("W-CSV", message, path))
        if wide := state.wide:
            message = f"{path}: {count(wide.count, 'row')} with more fields than the first, the first in {wide.place}"
            problems.append(Note("W-CSV", f"{message}; what the delimiter cuts off a text was not counted", path))
        if long := state.long:
            message = f"{path}: {count(long.count, 'line')} of more than {self._limit:,} characters left out, the first"
            problems.append(Note("W-LONG-RECORD", f"{message} is {long.place}", path))
        outcome.problems += problems
        if problems and not state.used:
            outcome.skipped = True
            outcome.remarks.clear()

    def _feed(self, text: str, *, final: bool = False) -> None:
        """Read the rows that are complete with this text, and pass their values on in one go."""
        state = self._state
        if state.absent:
            return
        state.pending += (text,)
        state.size += len(text)
        if state.size < state.wait and not final:
            return
        text = "".join(state.pending)
        cut = len(text) if final else _last_line_end(text)
        lines = _lines(text[:cut])
        if state.over and lines:
            del lines[0]
            state.over = False
            state.line += 1
        texts: list[str] = []
        with _long_fields():
            done = self._rows(lines, texts, final=final)
            size = len(text) - cut + sum(map(len, lines[done:]))
            if done < len(lines) and size > self._limit:
                done = self._rows(lines, texts, begin=done, final=True)
                size = len(text) - cut
        state.line += done
        state.wait = min(2 * size, self._limit + 1) if done < len(lines) else 0
        state.pending = (*lines[done:], text[cut:]) if size else ()
        if done == len(lines) and not final and (state.over or size > self._limit):
            if not state.over:
                state.long = state.long.more(state.line)
            state.over, state.pending, size = True, (), 0
        state.size = size
        if texts:
            state.used += len(texts)
            self._inner.add_texts(texts)

    def _rows(self, lines: list[str], texts: list[str], *, begin: int = 0, final: bool) -> int:
        """Read rows.

        Args:
            lines: with their ends; the first of them begins at the line of the state.
            texts: gets the values.
            begin: where to begin.
            final: whether a quoted field that is not closed is an error.

        Returns:
            number of lines done with; less than there are when a quoted field is not closed yet.
        """
        state = self._state
        if not state.delimiter:
            first = next((line for line in lines if line.strip()), None)
            if first is None:
                return len(lines)
            state.delimiter = self._delimiter(first)
        at = begin
        source = islice(lines, at, None)
        again: list[str] = []  # a line to be read once more
        while at < len(lines):
            ended: list[bool] = []  # not empty once the reader has asked for more lines than there are
            reader = csv.reader(chain(again, source, _note(ended)), delimiter=state.delimiter, strict=True)
            done = 0
            width, index = state.width, state.index
            try:
                for row in reader:
                    if len(row) == width:
                        texts.append(row[index])
                    else:
                        self._other(row, state.line + at + done, texts)
                        width, index = state.width, state.index
                    done = reader.line_num
                return len(lines)
            except csv.Error as error:
                if ended and not final:
                    return at + done
                why = "a quotation mark is not closed" if ended else str(error)
                first_line, last = at + done, at + reader.line_num - (not ended)
                self._unsound(lines[first_line], state.line + first_line, why, texts)
                for number in range(first_line + 1, last):
                    self._single(lines[number], state.line + number, texts)
                at = max(first_line + 1, last)
                again = lines[last : last + 1] if at == last else []
        return len(lines)

    def _single(self, line: str, number: int, texts: list[str]) -> None:
        """Read a line that belongs to no field over several lines."""
        try:
            for row in csv.reader([line], delimiter=self._state.delimiter, strict=True):
                self._other(row, number, texts)
        except csv.Error as error:
            self._unsound(line, number, str(error), texts)

    def _unsound(self, line: str, number: int, why: str, texts: list[str]) -> None:
        """What to do with a line whose quoting is not sound."""
        state = self._state
        if state.delimiter == "\t":
            self._other(line.rstrip("\r\n").split("\t"), number, texts)
        else:
            state.damaged = state.damaged.more(number, why=why)

    def _other(self, row: list[str], number: int, texts: list[str]) -> None:
        """The first row, or one that may have another number of fields than it."""
        state = self._state
        if not row or state.absent:
            return
        if state.width < 0 and self._choose(row):
            return
        if len(row) <= state.index:
            state.short = state.short.more(number)
            return
        texts.append(row[state.index])
        if len(row) > state.width and any(row[state.width :]):
            state.wide = state.wide.more(number)

    def _choose(self, row: list[str]) -> bool:
        """Find the column by the first row; whether that row is done with."""
        state, wanted = self._state, self._wanted
        state.width = len(row)
        named = [index for index, name in enumerate(row) if name == wanted]
        named = named or [index for index, name in enumerate(row) if name.strip() == wanted.strip()]
        # a name may be spelt in parts (NFD), as macOS does, and reads the same
        named = named or [index for index, name in enumerate(row) if _whole(name) == _whole(wanted)]
        if len(named) == 1:
            state.index = named[0]
            return True
        state.width = -1  # so that every row comes here
        there = [f"{number} {name.strip()[:_LETTERS]!r}" for number, name in enumerate(row[:_NAMED], 1)]
        there += [f"and {len(row) - _NAMED:,} more"] if len(row) > _NAMED else []
        if named:
            state.absent = f"several columns are called {wanted!r}; name one by its number: {', '.join(there)}"
            return True
        if wanted.isascii() and wanted.isdigit() and len(wanted) <= _DIGITS and 0 < int(wanted) <= len(row):
            if not self._sure:
                state.absent = (
                    f"its name does not say that it is a table, and every text has a column {wanted} "
                    "(name the file itself, or say which suffixes are tables: --ext csv txt)"
                )
                return True
            state.width, state.index = len(row), int(wanted) - 1
            return False
        state.absent = f"there is no column {wanted!r}; the first row has {', '.join(there)}"
        return True

    def _delimiter(self, line: str) -> str:
        if _TAB.search(self._path):
            return "\t"
        plain = _QUOTED.sub("", line)
        return max(_DELIMITERS, key=plain.count)

    def _flush(self) -> None:
        """Read what is pending and be ready for another file."""
        if self._state.size:
            self._feed("", final=True)
        self._state = replace(
            self._state, line=1, pending=(), size=0, wait=0, over=False, delimiter="", width=-1, index=-1
        )


def _last_line_end(text: str) -> int:
    """Behind the last line end that is surely whole: a carriage return at the end may be half of one."""
    return max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1)) + 1


def _lines(text: str) -> list[str]:
    r"""Lines with their ends, which are ``\n``, ``\r\n`` and ``\r`` and none of the others of Unicode."""
    return list(io.StringIO(text, newline=""))


def _note(ended: list[bool]) -> Iterator[str]:
    """Yields nothing; notes that it was asked."""
    ended.append(True)
    yield from ()


_limit_lock = threading.Lock()
_limit_users = 0
_limit_before = 0


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv read fields of any length: its limit, 131,072 characters, belongs to the whole process.

    Whoever comes first raises it and whoever goes last puts it back, in whatever threads they are.
    """
    global _limit_users, _limit_before
    with _limit_lock:
        if not _limit_users:
            _limit_before = csv.field_size_limit(_NO_LIMIT)
        _limit_users += 1
    try:
        yield
    finally:
        with _limit_lock:
            _limit_users -= 1
            if not _limit_users:
                csv.field_size_limit(_limit_before)
