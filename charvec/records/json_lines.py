r"""One field of JSON Lines: a JSON value (RFC 8259) on every line. Also of one JSON array of records, as it streams by.

Of a value only strings count, those in lists each by itself. Escapes such as ``\u4e2d`` are decoded. Of a key that
stands twice in an object the last one counts, as in every parser of note (RFC 8259 leaves it open). ``NaN`` and
``Infinity``, which are no JSON but what Python writes, do no harm. Only a line feed ends a line: U+2028 may stand
inside a string.

With the package orjson this is three times as fast; what orjson refuses is given to Python's own parser, so that the
result is the same without it.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unicodedata import normalize

import numpy as np

from charvec.errors import Note
from charvec.plumbing.terminal import count
from charvec.plumbing.text.dotted import Step, split
from charvec.plumbing.text.json_array import Elements
from charvec.plumbing.text.losses import Losses
from charvec.reading import Outcome, Sink
from charvec.valueclass import dataclass, field

__all__ = ["DEPTH", "LIMIT", "NAME", "JsonLines", "wrap"]

NAME = "json-lines"

#: Bytes of the longest record that is read. One takes three times that in memory, and 13 times where NumPy counts it.
LIMIT = 64 << 20
#: Levels of brackets in a record: what orjson takes. RFC 8259, section 9, lets a parser set a limit.
DEPTH = 1024
#: Levels below which Python's parser needs no more room than it has anyway.
_SHALLOW = 100

_BOM = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
#: An escape of half a character; most often the other half follows.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
#: Fields named in a message.
_NAMED = 12

# numbers are never counted: float takes integers of any length, and does not refuse those beyond 4,300 digits
_decode = json.JSONDecoder(parse_int=float).decode


def wrap(path: str, head: bytes, inner: Sink, wanted: str) -> JsonLines:
    """A sink for one file; ``wanted`` is a dotted path, see :mod:`charvec.plumbing.text.dotted`."""
    return JsonLines(path, inner, wanted, begin=len(_BOM) if head.startswith(_BOM) else 0)


def _fast_parser() -> Callable[[bytes], Any] | None:
    """The parser of orjson, None where it is not installed."""
    try:
        import orjson
    except ImportError:
        return None
    loads: Callable[[bytes], Any] = orjson.loads
    return loads


@dataclass
class _State:
    """Where in the file we are, and what was found so far. A copy by :meth:`copy` is a snapshot.

    Attributes:
        line: number of the line that begins with the first byte pending.
        offset: its byte offset, None once the file was decoded by the reader.
        pending: the beginning of a line.
        size: bytes pending.
        over: whether that line is too long and its beginning is not kept.
        begun: whether anything but white space was seen.
        array: the array that is being read.
        records: values that could be read.
        used: those of them that hold text in the field.
        without: the others.
        fields: what there is, by the first record.
        damaged: lines, or elements of an array, that are no JSON.
        long: those beyond the limit.
        halves: lone surrogates.
    """

    line: int = 1
    offset: int | None = 0
    pending: tuple[bytes, ...] = ()
    size: int = 0
    over: bool = False
    begun: bool = False
    array: Elements | None = None
    records: int = 0
    used: int = 0
    without: Losses = field(default_factory=Losses)
    fields: tuple[str, ...] = ()
    damaged: Losses = field(default_factory=Losses)
    long: Losses = field(default_factory=Losses)
    halves: Losses = field(default_factory=Losses)

    def copy(self) -> _State:
        return replace(self, array=self.array and self.array.copy())


@dataclass
class _Mark:
    """A mark of the inner sink, and ours.

    Attributes:
        inner: before everything.
        state: before everything.
        late: a mark of everything, taken when what was passed on was no longer ASCII alone.
    """

    inner: Any
    state: _State
    late: Any = None


class JsonLines:
    """Takes JSON Lines and passes on the text of one field.

    Args:
        path: the file, for messages.
        inner: gets the texts.
        wanted: dotted path to the field. Through a list it goes to every element, unless the step is a number.
        begin: byte offset of the first byte that comes here.
        limit: bytes of the longest record that is read.
    """

    def __init__(self, path: str, inner: Sink, wanted: str, *, begin: int = 0, limit: int = LIMIT) -> None:
        self._path = path
        self._inner = inner
        self._wanted = wanted
        self._steps = split(wanted)
        self._begin = begin
        self._limit = limit
        self._fast = _fast_parser()
        self._state = _State(offset=begin)
        self._cheap: list[_Mark] = []  # marks for which the inner sink was promised nothing but ASCII

    def add_utf8(self, block: bytes, final: bool) -> int:
        """The next bytes of the file; see :meth:`charvec.reading.Sink.add_utf8`."""
        if self._cheap and not block.isascii():
            self._cheap.clear()  # the reader promised not to come back to them
        if self._fast is None or self._state.array is not None:
            taken = codecs.utf_8_decode(block, "strict", final)[1]
            self._feed(block[:taken], None)
            return taken
        # the parser validates whole lines; so only what stands behind the last line end is left to validate
        cut = block.rfind(b"\n") + 1
        try:
            taken = cut + codecs.utf_8_decode(block[cut:], "strict", final)[1]
        except UnicodeDecodeError:
            codecs.utf_8_decode(block, "strict", final)  # raises, and says where in the block
            raise
        self._feed(block[:taken], lambda: codecs.utf_8_decode(block, "strict", final))
        return taken

    def add_text(self, text: str) -> None:
        """The next characters of the file, decoded; see :meth:`charvec.reading.Sink.add_text`."""
        data = text.encode()
        self._forget_offset()
        self._feed(data, None)

    def add_texts(self, texts: list[str]) -> None:
        """Whole files; see :meth:`charvec.reading.Sink.add_texts`."""
        encoded = [text.encode() for text in texts]
        for data in encoded:
            self._forget_offset()
            self._feed(data, None)
            self._flush()

    def end(self) -> None:
        """The file is over: read its last line, which need not have a line end."""
        self._flush()
        self._cheap.clear()
        self._inner.end()

    def mark(self, *, whole: bool = False) -> _Mark:
        """Where everything stands; see :meth:`charvec.reading.Sink.mark`."""
        mark = _Mark(self._inner.mark(whole=whole), self._state.copy())
        if not whole:
            self._cheap.append(mark)
        return mark

    def undo(self, mark: _Mark) -> None:
        """Forget all that came after the mark."""
        if mark.late is not None:
            self._inner.undo(mark.late)
        self._inner.undo(mark.inner)
        self._state = mark.state.copy()

    def finish(self, outcome: Outcome) -> None:
        """Add to the reader's outcome what became of the records."""
        if outcome.skipped:
            return  # the reader refused the file
        state, path = self._state, self._path
        what = f"`{self._wanted}`"
        lost = outcome.problems
        if halves := state.halves:
            message = f"{path}: {count(halves.count, 'lone surrogate')}, halves of characters, left out, the first in"
            lost.append(Note("W-SURROGATE", f"{message} {halves.place}", path, halves.offset))
        if long := state.long:
            what_long = f"{count(long.count, 'record')} of more than {self._limit:,} bytes"
            message = f"{path}: {what_long} left out, the first in"
            lost.append(Note("W-LONG-RECORD", f"{message} {long.place}", path, long.offset))
        if damaged := state.damaged:
            message = f"{path}: {count(damaged.count, 'record')} left out, no JSON, the first in {damaged.place}"
            hint = "; for one JSON document over many lines: `jq -c . FILE`" if damaged.count > state.records else ""
            lost.append(Note("W-JSON", f"{message} ({damaged.why}){hint}", path, damaged.offset))
        if state.without and not state.used:
            there = f"; the first has text in {', '.join(state.fields)}" if state.fields else ""
            message = f"{path}: none of its {state.records:,} records has text in the field {what}{there}"
            lost.append(Note("W-FIELD", message, path))
        elif state.without:
            message = f"{path}: {state.without.count:,} of {state.records:,} records have no text in the field {what}"
            outcome.remarks.append(
                Note("N-FIELD", f"{message}, the first in {state.without.place}", path, state.without.offset)
            )
        # the escapes were decoded
        outcome.remarks = [note for note in outcome.remarks if note.code != "W-JSON-ESCAPES"]
        if not state.used and (state.without or state.damaged or state.long):
            outcome.skipped = True
            outcome.remarks.clear()

    def _feed(self, data: bytes, validate: Callable[[], object] | None) -> None:
        """Read what is complete with these bytes, and pass its texts on in one go.

        Args:
            data: ends at a character boundary.
            validate: raises when the bytes are not UTF-8; None where they are known to be. It is called before
                anything is passed on, unless the parser has validated them all.

        Raises:
            UnicodeDecodeError: from ``validate``; everything is then as before.
        """
        before = self._state.copy() if validate else None
        texts: list[str] = []
        try:
            self._read(data, texts, validate)
        except UnicodeDecodeError:
            if before is not None:
                self._state = before
            raise
        self._give(texts)

    def _give(self, texts: list[str]) -> None:
        """Pass texts on."""
        if not texts:
            return
        if self._cheap and not all(map(str.isascii, texts)):
            late = self._inner.mark(whole=True)
            for mark in self._cheap:
                mark.late = late
            self._cheap.clear()
        self._inner.add_texts(texts)

    def _read(self, data: bytes, texts: list[str], validate: Callable[[], object] | None) -> None:
        state = self._state
        if not state.begun:
            begin = data.lstrip(_SPACE)
            if not begin:
                self._pass(data)
                return
            state.begun = True
            # in an array an index would mean one of its elements; such files are read by lines
            if begin[:1] == b"[" and not (self._steps and self._steps[0][1] is not None):
                self._pass(data[: len(data) - len(begin) + 1])
                state.array = Elements(self._limit, DEPTH, state.line, state.offset)
                data = begin[1:]
        if state.array is None:
            self._lines(data, texts, validate)
            return
        if validate is not None:
            validate()
        array = state.array
        elements = array.feed(data)
        self._values([element[2] for element in elements], texts, None, lambda number: elements[number][:2])
        if array.closed:
            self._leave_array()
            # what follows is another value on a line of its own, or does not belong here
            self._lines(array.rest, texts, None)

    def _leave_array(self) -> None:
        state = self._state
        if state.array is None:
            return
        state.line, state.offset = state.array.line, state.array.offset
        if losses := state.array.damage:
            state.damaged = state.damaged.more(losses.line, losses.offset, losses.why, losses.count)
        if losses := state.array.long:
            state.long = state.long.more(losses.line, losses.offset, count=losses.count)
        state.array = None

    def _lines(self, data: bytes, texts: list[str], validate: Callable[[], object] | None) -> None:
        state = self._state
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines:
            size = state.size + len(lines[0])
            if state.over or size > self._limit:
                if validate is not None:
                    validate()
                state.long = state.long.more(state.line, state.offset)
                lines[0] = b""
            elif state.pending:
                lines[0] = b"".join((*state.pending, lines[0]))
            # where each line begins, were it needed
            first, begin, sizes = state.line, state.offset, [size, *map(len, lines[1:])]

            def place(number: int) -> tuple[int, int | None]:
                return first + number, None if begin is None else begin + sum(sizes[:number]) + number

            self._values(lines, texts, validate, place)
            state.line += len(lines)
            if state.offset is not None:
                state.offset += sum(sizes) + len(lines)
            state.pending, state.size, state.over = (), 0, False
        state.size += len(rest)
        state.over = state.over or state.size > self._limit
        state.pending = () if state.over else (*state.pending, rest)

    def _values(
        self,
        records: list[bytes],
        texts: list[str],
        validate: Callable[[], object] | None,
        place: Callable[[int], tuple[int, int | None]],
    ) -> None:
        """Parse records and collect the texts of the field."""
        state, fast, steps = self._state, self._fast, self._steps
        key = steps[0][0] if len(steps) == 1 and steps[0][1] is None else None
        read = used = 0
        limit = self._limit
        for number, record in enumerate(records):
            if fast is not None and len(record) <= limit:
                try:
                    value = fast(record)
                except ValueError:
                    pass
                else:
                    if key is not None and type(value) is dict and type(text := value.get(key)) is str:
                        texts.append(text)
                        used += 1
                    else:
                        used += self._select(value, texts, number, place)
                    read += 1
                    continue
            if validate is not None:
                validate()
                validate = None
            if len(record) > limit:
                state.long = state.long.more(*place(number))
                continue
            record = record.strip(_SPACE)
            if not record:
                continue
            try:
                value = _parse(record.removeprefix(_BOM))
            except ValueError as error:
                why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                state.damaged = state.damaged.more(*place(number), why)
                continue
            halves = _HALF.search(record) is not None
            used += self._select(value, texts, number, place, halves=halves)
            read += 1
        state.records += read
        state.used += used

    def _select(
        self,
        value: Any,
        texts: list[str],
        number: int,
        place: Callable[[int], tuple[int, int | None]],
        *,
        halves: bool = False,
    ) -> int:
        """Collect the texts of one record; 1 when the field is there, else 0."""
        state = self._state
        found = False
        for text in _strings(value, self._steps):
            found = True
            if halves and (lone := len(_SURROGATE.findall(text))):
                state.halves = state.halves.more(*place(number), count=lone)
                text = _SURROGATE.sub("", text)
            texts.append(text)
        if not found:
            if not state.without:
                state.fields = tuple(_fields(value))
            state.without = state.without.more(*place(number))
        return int(found)

    def _flush(self) -> None:
        """Read what is pending, as if a line end followed, and be ready for another file."""
        state = self._state
        if state.array is not None:
            state.array.end()
            self._leave_array()
        elif state.size:
            texts: list[str] = []
            self._lines(b"\n", texts, None)
            self._give(texts)
        state.line, state.offset, state.begun = 1, self._begin, False

    def _forget_offset(self) -> None:
        """What comes was decoded by the reader, so that the bytes of the file are not known."""
        self._state.offset = None
        if self._state.array is not None:
            self._state.array.offset = None

    def _pass(self, data: bytes) -> None:
        self._state.line += data.count(b"\n")
        if self._state.offset is not None:
            self._state.offset += len(data)


def _strings(value: Any, steps: tuple[Step, ...]) -> Iterator[str]:
    """The strings a path leads to. Without recursion, which a record could drive deep."""
    todo = [(value, 0)]
    while todo:
        value, at = todo.pop()
        while True:
            if isinstance(value, list):
                index = steps[at][1] if at < len(steps) else None
                if index is None:
                    todo.extend((each, at) for each in reversed(value))
                    break
                if index >= len(value):
                    break
                value = value[index]
            elif at == len(steps):
                if isinstance(value, str):
                    yield value
                break
            elif isinstance(value, dict) and steps[at][0] in value:
                value = value[steps[at][0]]
            elif isinstance(value, dict) and (key := _spelt_otherwise(value, steps[at][0])) is not None:
                value = value[key]
            else:
                break
            at += 1


def _spelt_otherwise(record: dict[str, Any], wanted: str) -> str | None:
    """A key that reads the same, but is spelt in parts (NFD), as macOS does, or the reverse; None for none."""
    if wanted.isascii():
        return None
    whole = normalize("NFC", wanted)
    return next((key for key in record if not key.isascii() and normalize("NFC", key) == whole), None)


def _fields(value: Any) -> Iterator[str]:
    """Paths to the strings of a record, those in its first level first."""
    todo: list[tuple[str, Any]] = [("", value)]
    named: list[str] = []
    while todo and len(named) < _NAMED:
        path, value = todo.pop(0)
        if isinstance(value, list) and value:
            todo.append((path, value[0]))
        elif isinstance(value, dict):
            for key, each in list(value.items())[:_NAMED]:
                step = re.sub(r"([.\\])", r"\\\1", key)
                todo.append((f"{path}.{step}" if path else step, each))
        elif isinstance(value, str) and len(path) < 80:
            named.append(f"`{_SURROGATE.sub('?', path) or '.'}`")
    yield from dict.fromkeys(named)


_deep = threading.Lock()


def _parse(record: bytes) -> Any:
    """A record by Python's own parser.

    Raises:
        ValueError: when it is no JSON or too deep.
    """
    brackets = record.count(b"[") + record.count(b"{")
    if brackets <= _SHALLOW:
        return _decode(record.decode())
    if brackets > DEPTH and _depth(record) > DEPTH:
        raise ValueError(f"nested deeper than {DEPTH} levels")
    # before 3.12 the parser may not nest deeper than Python's own functions, which orjson does not know of; a limit
    # that another thread put back too early would make a difference
    with _deep:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + 2 * DEPTH)
        try:
            return _decode(record.decode())
        except RecursionError:
            raise ValueError("nested too deeply") from None
        finally:
            sys.setrecursionlimit(limit)


def _depth(record: bytes) -> int:
    """How deep the brackets of a record are nested."""
    brackets = np.frombuffer(_STRING.sub(b"", record), np.uint8) | 0x20  # [ and { differ in one bit, ] and } too
    steps = (brackets == ord("{")).astype(np.int8) - (brackets == ord("}"))
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))
