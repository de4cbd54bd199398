"""The elements of one JSON array (RFC 8259, section 5) that arrives in pieces and may be larger than the memory.

Only brackets and strings are looked at here, which is enough to find where an element ends; whether it is sound is for
the parser it is given to. What breaks the brackets or strings themselves is noticed at once, because a string cannot
hold a line end and every bracket has its kind; reading goes on at the next line that begins like the first line of
the elements before.
"""

from __future__ import annotations

import re
from dataclasses import replace

from charvec.plumbing.text.losses import Losses
from charvec.valueclass import dataclass, field

__all__ = ["Element", "Elements"]

#: Number of the line where an element begins, byte offset of its first byte (None where unknown), the element itself.
Element = tuple[int, int | None, bytes]

_STRING = rb'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"'
#: What stands between two brackets within an element, strings whole; between two elements a comma ends it as well.
_WITHIN = re.compile(rb'(?:[^"\[\]{}]+|' + _STRING + rb")*")
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]+|' + _STRING + rb")*")
#: The rest of a string, as far as it is there.
_IN_STRING = re.compile(rb'[^"\\\n]*(?:\\[^\n][^"\\\n]*)*')
_CLOSING = {ord("["): ord("]"), ord("{"): ord("}")}
_SPACE = re.compile(rb"[ \t\r\n]*")
_BEFORE = re.compile(rb"\n[ \t]*\Z")


@dataclass
class Elements:
    """Splits an array. A copy made by :meth:`copy` is a snapshot.

    Attributes:
        limit: bytes of the longest element that is given out.
        depth: how deep brackets may nest within an element.
        line: number of the line of the first byte that was not passed on, from 1.
        offset: its byte offset, None where unknown.
        closed: whether the closing bracket of the array was seen.
        rest: what came behind it.
        damage: elements lost because brackets or strings do not fit, as far as they can be counted.
        long: elements lost because they are longer than the limit.
    """

    limit: int
    depth: int
    line: int
    offset: int | None
    closed: bool = False
    rest: bytes = b""
    damage: Losses = field(default_factory=Losses)
    long: Losses = field(default_factory=Losses)
    _held: bytes = b""  # bytes not done with; an element begins here
    _at: int = 0  # how far of them is scanned
    _open: bytes = b""  # closing brackets that are due
    _in_string: bool = False
    _over: bool = False  # the element is too long and not kept; it began at _began
    _began: tuple[int, int | None] = (0, None)
    _begin: bytes = b""  # a line end and the beginning of the lines on which elements begin
    _lost: bool = False  # looking for such a line

    def copy(self) -> Elements:
        """A snapshot."""
        return replace(self)

    def feed(self, data: bytes) -> list[Element]:
        """The elements that are complete with these bytes, which follow those of the call before.

        Not to be called once the array is closed.
        """
        found: list[Element] = []
        held = self._held + data
        start, at = 0, self._at
        while not self.closed:
            if self._lost:
                again = held.find(self._begin, start) if self._begin else -1
                if again < 0:
                    start = at = self._pass(held, start, self._cut(held, start))
                    break
                start = at = self._pass(held, start, again + len(self._begin) - 1)
                self._lost, self._open, self._in_string = False, b"", False
            if self._in_string:
                at = _end(_IN_STRING, held, at)
                if at + (held[at : at + 1] == b"\\") >= len(held):
                    break
                if held[at] != ord('"'):
                    start = self._damage(held, start, "a line end inside a string")
                    continue
                at, self._in_string = at + 1, False
            at = _end(_WITHIN if self._open else _BETWEEN, held, at)
            if at == len(held):
                break
            byte = held[at]
            at += 1
            if byte == ord('"'):
                self._in_string = True
            elif byte in _CLOSING:
                if not self._open:
                    self._remember(held, start, at)
                self._open += bytes([_CLOSING[byte]])
                if len(self._open) > self.depth:
                    start = self._damage(held, start, f"nested deeper than {self.depth} levels")
            elif self._open:
                if byte == self._open[-1]:
                    self._open = self._open[:-1]
                else:
                    why = f"'{chr(byte)}' where '{chr(self._open[-1])}' is due"
                    start = self._damage(held, start, why)
            elif byte == ord("}"):
                start = self._damage(held, start, "'}' that closes nothing")
            else:  # the comma behind an element, or the end of the array
                self._give(held, start, at - 1, found)
                start = self._pass(held, start, at)
                self.closed = byte == ord("]")
        if self.closed:
            self._held, self.rest, self._at = b"", held[start:], 0
            return found
        if not self._lost and not self._over and len(held) - start > self.limit:
            self._over, self._began = True, self._first(held, start)
        if self._over:
            start = self._pass(held, start, at)  # what is scanned is not needed any more
        self._held, self._at = held[start:], at - start
        return found

    def end(self) -> None:
        """Nothing follows any more: note what is cut short."""
        if not self.closed and not self._lost:
            place = self._began if self._over else self._first(self._held, 0)
            self.damage = self.damage.more(*place, "the array is cut short")

    def _pass(self, held: bytes, start: int, end: int) -> int:
        """Be done with the bytes from ``start`` to ``end``, and give ``end`` back."""
        self.line += held.count(b"\n", start, end)
        if self.offset is not None:
            self.offset += end - start
        return end

    def _cut(self, held: bytes, start: int) -> int:
        """From where the bytes are still needed while the next element is looked for: a line begun, but cut."""
        line = held.rfind(b"\n", start)
        return line if self._begin and line >= 0 and len(held) - line < len(self._begin) else len(held)

    def _first(self, held: bytes, start: int) -> tuple[int, int | None]:
        """Line and offset of the first byte of the element that begins at ``start`` or behind white space."""
        begin = _end(_SPACE, held, start)
        return self.line + held.count(b"\n", start, begin), None if self.offset is None else self.offset + begin - start

    def _give(self, held: bytes, start: int, end: int, found: list[Element]) -> None:
        if self._over or end - start > self.limit:
            self.long = self.long.more(*(self._began if self._over else self._first(held, start)))
            self._over = False
            return
        begin = _end(_SPACE, held, start)
        if begin < end:
            found.append((*self._first(held, start), held[begin:end].rstrip(b" \t\r\n")))

    def _remember(self, held: bytes, start: int, at: int) -> None:
        """How the line begins on which an element begins whose first bracket is behind us."""
        if not self._begin and (before := _BEFORE.search(held[start : at - 1])):
            self._begin = before[0] + held[at - 1 : at]

    def _damage(self, held: bytes, start: int, why: str) -> int:
        """Note a damaged element; from where to look for the next one."""
        self.damage = self.damage.more(*(self._began if self._over else self._first(held, start)), why)
        behind = start if self._over else self._pass(held, start, _end(_SPACE, held, start) + 1)
        self._lost, self._over = True, False
        return behind


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Where what the pattern matches at ``at`` ends; it matches nothing at least."""
    match = pattern.match(data, at)
    return match.end() if match else at
