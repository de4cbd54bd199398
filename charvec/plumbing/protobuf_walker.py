"""Plumbing: protobuf messages walked through in their file, with what is long in them passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from charvec.plumbing.files import File, cut_short
from charvec.plumbing.protobuf import I32, I64, LEN, VARINT, Malformed, varint

__all__ = ["Walker"]

#: Bytes of a name.
MAX_NAME = 1 << 16


class Walker:
    """Walks through messages in a file.

    Attributes:
        file: the file.
        seen: the names that were read, one after the other.
    """

    def __init__(self, file: File, window: int, part: str) -> None:
        """Begin with nothing read; ``window`` bytes are read at once, ``part`` is what the file holds, for messages."""
        self.file, self.size, self.part = file, window, part
        self.seen = bytearray()
        self._start, self._window = 0, file.head

    def some(self, position: int, count: int) -> bytes:
        """Up to so many bytes from a position; fewer at the end of the file."""
        local = position - self._start
        if local < 0 or local + count > len(self._window):
            self._start, local = position, 0
            self._window = self.file.pread(position, min(max(count, self.size), self.file.size - position))
        return self._window[local : local + count]

    def fields(
        self, start: int, end: int, kinds: Mapping[int, int] | None = None, whole: bool = True
    ) -> Iterator[tuple[int, int, int, int]]:
        """Fields of the message from ``start`` to ``end``, as :func:`charvec.plumbing.protobuf.fields`.

        Args:
            start: where it begins.
            end: where it ends.
            kinds: wire types of known fields.
            whole: whether a field that goes on behind the end of the file is an error.

        Yields:
            number, wire type, and for LEN where the content begins and ends, for others the value and 0.

        Raises:
            Malformed: as :func:`charvec.plumbing.protobuf.fields`.
            DamagedFile: ``E-TRUNCATED`` when the file ends within the message.
        """
        position = start
        while position < end:
            head = self.some(position, min(20, end - position))
            try:
                tag, used = varint(head, 0)
                number, kind = tag >> 3, tag & 7
                if not 0 < number < 1 << 29 or (kinds and kinds.get(number, kind) != kind):
                    raise Malformed(f"field {number} of wire type {kind}")
                value = 0
                if kind in (VARINT, LEN):
                    value, used = varint(head, used)
                elif kind in (I32, I64):
                    used += 4 if kind == I32 else 8
                else:
                    raise Malformed(f"field {number} of wire type {kind}")
            except Malformed as error:
                if position + len(head) >= self.file.size and "cut short" in str(error):
                    raise cut_short(self.file.path, self.file.size, f" inside its {self.part}") from None
                raise Malformed(str(error), position) from None
            content = position + used
            position = content + (value if kind == LEN else 0)
            if position > end and whole:
                if end == self.file.size or position > self.file.size:
                    raise cut_short(self.file.path, self.file.size, f": {position:,} bytes are needed")
                raise Malformed(f"field {number} goes on behind its message", content)
            yield (number, kind, content, position) if kind == LEN else (number, kind, value, 0)

    def text(self, start: int, end: int) -> str:
        """A name.

        Raises:
            Malformed: when it is longer than :data:`MAX_NAME` bytes or not UTF-8.
        """
        if end - start > MAX_NAME:
            raise Malformed("a name of more than 65,536 bytes", start)
        raw = self.some(start, end - start)
        self.seen += raw
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Malformed("a name is not UTF-8", start) from None
