"""Plumbing: the wire format of protocol buffers, without a schema compiler.

A message is a row of fields, each a number, a wire type and a value; what a number means is known to the reader of the
file format. See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from charvec.errors import DamagedFile

__all__ = ["I32", "I64", "LEN", "VARINT", "Malformed", "fields", "signed", "varint"]

VARINT, I64, LEN, I32 = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are not laid out as they should be; readers of a format turn it into a DamagedFile that names the file.

    Attributes:
        offset: where, counted from the beginning of the bytes that were given, or None.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__(problem)
        self.offset = offset

    def within(
        self, path: str, code: str, what: str, *, start: int = 0, help: str = "download or copy the file again"
    ) -> DamagedFile:
        """The error for users.

        Args:
            path: the file.
            code: of the error.
            what: the kind of file, which goes on after "damaged".
            start: where in the file the bytes begin that were given.
            help: what to do.
        """
        offset = None if self.offset is None else start + self.offset
        return DamagedFile(code, f"{path}: damaged {what}: {self}", path=path, offset=offset, help=help)


def varint(data: bytes | memoryview, position: int, end: int | None = None) -> tuple[int, int]:
    """An unsigned integer, seven bits a byte, and the position after it.

    Raises:
        Malformed: when it is cut short or exceeds 64 bits.
    """
    end = len(data) if end is None else end
    if position < end and data[position] < 128:  # as most are: 4.3 to 3.3 ms for the index of a BERT
        return data[position], position + 1
    value = shift = 0
    for place in range(position, min(position + 10, end)):
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            if value >> 64:
                break
            return value, place + 1
        shift += 7
    else:
        if position + 10 > end:
            raise Malformed("an integer is cut short", position)
    raise Malformed("an integer has more than 64 bits", position)


def signed(value: int) -> int:
    """The int64 that a varint stands for."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes | memoryview, kinds: Mapping[int, int] | None = None) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message, in their order.

    Args:
        data: the message; of a memoryview, values are views too and nothing is copied.
        kinds: the wire type that each known field number must have; other numbers may have any.

    Yields:
        number, wire type and value: an unsigned int, for LEN the bytes.

    Raises:
        Malformed: when the bytes are no message, or a known field has another wire type.
    """
    position, end = 0, len(data)
    while position < end:
        start = position
        tag, position = varint(data, start, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed(f"field number {number}", start)
        if kinds is not None and kinds.get(number, kind) != kind:
            raise Malformed(f"field {number} has wire type {kind}, not {kinds[number]}", start)
        if kind == VARINT:
            value: Any
            value, position = varint(data, position, end)
        elif kind in _FIXED or kind == LEN:
            length, position = (_FIXED[kind], position) if kind != LEN else varint(data, position, end)
            if length > end - position:
                raise Malformed(f"field {number} is cut short", start)
            value = data[position : position + length]
            position += length
            if kind != LEN:
                value = int.from_bytes(value, "little")
        else:
            raise Malformed(f"field {number} has wire type {kind}", start)
        yield number, kind, value


_FIXED = {I64: 8, I32: 4}
