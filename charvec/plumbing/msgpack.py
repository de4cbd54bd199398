"""Plumbing: MessagePack, read by position: what is long is passed over and only its place kept.

Source: https://github.com/msgpack/msgpack/blob/master/spec.md. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.protobuf import Malformed
from charvec.plumbing.window import Window

__all__ = ["Bytes", "Extension", "Reader"]

#: Caps: values within values, values in all, bytes of a text.
MAX_DEPTH = 64
MAX_VALUES = 1 << 20
MAX_TEXT = 1 << 16


class Bytes(NamedTuple):
    """Where a byte string lies in the file."""

    offset: int
    size: int


class Extension(NamedTuple):
    """Where a value of an application's own type lies in the file."""

    code: int
    offset: int
    size: int


#: First byte -> width of a length or number that follows.
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_COUNTS = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class Reader:
    """Reads values from a part of a file.

    Attributes:
        position: of the next value.
        digest: BLAKE2b-256 of everything but byte strings and extensions.
    """

    def __init__(self, file: File, start: int, end: int, left: int = MAX_VALUES) -> None:
        self._window, self._end, self._left = Window(file), end, left
        self.position = start
        self.digest = blake2b(digest_size=32)

    def _take(self, size: int) -> bytes:
        if size > self._end - self.position:
            raise Malformed("it ends within a value", self.position)
        data = self._window.read(self.position, size)
        self.position += size
        self.digest.update(data)
        return data

    def _skip(self, size: int) -> int:
        offset = self.position
        if size > self._end - offset:
            raise Malformed("it ends within a value", offset)
        self.position += size
        return offset

    def value(self, depth: int = MAX_DEPTH) -> Any:
        """The next value: None, bool, int, float, str, :class:`Bytes`, :class:`Extension`, list, or dict.

        Raises:
            Malformed: when a rule is broken, a cap exceeded, or a key is there twice or no text.
            CharvecError: as :meth:`charvec.plumbing.files.File.pread`.
        """
        place = self.position
        self._left -= 1
        if self._left < 0 or not depth:
            raise Malformed(f"more than {MAX_VALUES:,} values, or nested more than {MAX_DEPTH} deep", place)
        first = self._take(1)[0]
        if first < 0x80 or first >= 0xE0:
            return first - 256 * (first >= 0xE0)
        if first in _CONSTANTS:
            return _CONSTANTS[first]
        if first in _NUMBERS:
            form = _NUMBERS[first]
            return struct.unpack(form, self._take(struct.calcsize(form)))[0]
        if first < 0xA0 or first in _COUNTS:
            count = int.from_bytes(self._take(_COUNTS[first]), "big") if first in _COUNTS else first & 15
            return self._many(count, first < 0x90 or first >= 0xDE, depth, place)
        if first < 0xC0 or 0xD9 <= first <= 0xDB:
            size = int.from_bytes(self._take(_LENGTHS[first]), "big") if first in _LENGTHS else first & 31
            return self._text(size, place)
        if 0xC4 <= first <= 0xC6:
            size = int.from_bytes(self._take(_LENGTHS[first]), "big")
            return Bytes(self._skip(size), size)
        if first in _LENGTHS or 0xD4 <= first <= 0xD8:
            size = int.from_bytes(self._take(_LENGTHS[first]), "big") if first in _LENGTHS else 1 << first - 0xD4
            code = self._take(1)[0]
            return Extension(code, self._skip(size), size)
        raise Malformed(f"no value begins with the byte {first:02x}", place)

    def _many(self, count: int, pairs: bool, depth: int, place: int) -> Any:
        if count * (1 + pairs) > self._end - self.position:
            raise Malformed(f"{count:,} values in {self._end - self.position:,} bytes", place)
        if not pairs:
            return [self.value(depth - 1) for _ in range(count)]
        found: dict[str, Any] = {}
        for _ in range(count):
            place = self.position
            key = self.value(depth - 1)
            if not isinstance(key, str):
                raise Malformed("a key is no text", place)
            if key in found:
                raise Malformed(f"the key {key[:80]!r} is there twice", place)
            found[key] = self.value(depth - 1)
        return found

    def _text(self, size: int, place: int) -> str:
        if size > MAX_TEXT:
            raise Malformed(f"a text of {size:,} bytes", place)
        try:
            return self._take(size).decode()
        except UnicodeDecodeError:
            raise Malformed("a text is not UTF-8", place) from None
