"""tar: the old kind, ustar, pax (POSIX.1-2017, pax, "ustar Interchange Format") and GNU's, read as a stream.

The header blocks are read by :meth:`tarfile.TarInfo.frombuf`. What lies between them is walked through here and not
by :class:`tarfile.TarFile`, which takes a damaged header for the end of the archive without a word, holds headers of
any size in memory, follows chains of them by recursion and sizes below zero backwards (CVE-2025-8194), and needs
quadratic time for hostile pax headers (CVE-2024-6232).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from charvec.reading import BLOCK, StreamDamage
from charvec.valueclass import dataclass

__all__ = ["CODE", "NAME", "SEEKS", "entries", "sniff"]

NAME = "tar"
CODE = "W-TAR"
#: Whether it must be read from a file, and not from a stream.
SEEKS = False

#: Bytes of a header with all that extends it. Names have a few hundred, attributes a few thousand.
MAX_HEADER = 1 << 20

_UNIT = 512
#: The most digits of a number of 64 bits.
_DIGITS = 20
_REGULAR = (b"0", b"\0", b"7")
_HARD_LINK, _SPARSE = b"1", b"S"
_PAX, _GLOBAL = (b"x", b"X"), b"g"
_LONG_NAME, _LONG_LINK = b"L", b"K"
#: Links, devices, folders and pipes have no data, whatever their size says; GNU's labels and lists of folders may.
_WITHOUT_DATA = (_HARD_LINK, b"2", b"3", b"4", b"5", b"6")
_PASSED_OVER = (*_WITHOUT_DATA, b"D", b"V")
_ENCODING = ("utf-8", "surrogateescape")


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, as many as asked for; fewer at the end, or before damage, which the next call raises."""


@dataclass(eq=False)
class Entry:
    """One member of the archive.

    Attributes:
        name: its path in the archive.
        file: whether it is a regular file, and no folder, link or device.
        size: bytes of its content.
        stream: its content; must be read before the next entry is asked for.
        link: the member whose content it has, when it is a hard link.
        problem: why it cannot be read.
        crc, coding: None, since tar knows neither checksums of contents nor compression.
    """

    name: str
    file: bool = False
    size: int = 0
    stream: Readable | None = None
    link: str = ""
    problem: StreamDamage | None = None
    crc: None = None
    coding: None = None


def sniff(head: bytes) -> bool:
    """By the magic bytes of the first header, or, since the old kind has none, by its checksum."""
    if len(head) < _UNIT or b"\0" not in head[:_UNIT]:
        return False
    return head[257:262] == b"ustar" or _has_checksum(head[:_UNIT])


def _has_checksum(block: bytes) -> bool:
    field = block[148:156].strip(b" \0")
    try:
        return block[0] != 0 and int(field, 8) == sum(block) - sum(block[148:156]) + 8 * 0x20
    except ValueError:
        return False


def entries(stream: Readable) -> Iterator[Entry]:
    """The members of an archive, in their order.

    Args:
        stream: the archive; may be a stream that cannot go back.

    Raises:
        StreamDamage: ``W-TAR`` where the archive cannot be read any further.
        OSError: as the stream does.
    """
    return _Walk(stream).entries()


class _Walk:
    """One way through an archive.

    Attributes:
        place: bytes read so far.
        left: bytes of the present member that were not read yet, without what fills the last 512.
    """

    def __init__(self, stream: Readable) -> None:
        self.stream = stream
        self.place = 0
        self.left = 0
        self._fill = 0  # bytes that fill up the last block of the present member
        self._budget = 0  # bytes that this header may still have
        self._defaults: dict[str, str] = {}  # of pax

    def take(self, size: int) -> bytes:
        """The next bytes of the archive, fewer at its end."""
        data = self.stream.read(size)
        self.place += len(data)
        return data

    def entries(self) -> Iterator[Entry]:
        while True:
            self._skip()
            self._budget = MAX_HEADER
            entry = self._entry()
            if entry is None:
                self._check_rest()
                return
            yield entry

    def _skip(self) -> None:
        """Go to the end of the present member."""
        left, self.left, self._fill = self.left + self._fill, 0, 0
        while left:
            data = self.take(min(left, BLOCK))
            if not data:
                raise _damage("is cut short")
            left -= len(data)

    def _begin(self, size: int) -> None:
        """A member with so many bytes of data begins."""
        if size < 0:
            raise _damage(f"is damaged: a size below zero before byte {self.place:,}")
        self.left, self._fill = size, -size % _UNIT

    def _entry(self) -> Entry | None:
        """The next member; None at the end."""
        pax = self._defaults
        long_name = long_link = ""
        while True:
            header = self._header()
            if header is None:
                return None
            block, info = header
            kind = info.type
            if kind in _PAX or kind == _GLOBAL:
                records = _pax_records(self._extension(info.size))
                if kind == _GLOBAL:
                    self._defaults = {**self._defaults, **records}
                pax = {**pax, **records}
            elif kind == _LONG_NAME:
                long_name = self._extension(info.size).split(b"\0")[0].decode(*_ENCODING)
            elif kind == _LONG_LINK:
                long_link = self._extension(info.size).split(b"\0")[0].decode(*_ENCODING)
            else:
                break
        name = pax.get("GNU.sparse.name") or pax.get("path") or long_name or info.name
        if kind == b"\0" and name.endswith("/"):
            kind = b"5"  # so the old kind marks folders
        size = _number(pax["size"]) if pax.get("size") else info.size
        if kind == _SPARSE:
            return self._old_sparse(name, block, size)
        self._begin(0 if kind in _WITHOUT_DATA else size)
        if kind in _REGULAR:
            if any(key.startswith("GNU.sparse.") for key in pax):
                return self._pax_sparse(name, pax)
            return Entry(name, True, size, _Content(self))
        if kind == _HARD_LINK:
            return Entry(name, link=pax.get("linkpath") or long_link or info.linkname)
        if kind in _PASSED_OVER:
            return Entry(name)
        what = "it continues in or from another volume" if kind == b"M" else f"its type {kind!r} is unknown"
        return Entry(name, True, problem=StreamDamage(CODE, what))

    def _header(self) -> tuple[bytes, Any] | None:
        """The next header block and what it says; None for the zeros at the end."""
        import tarfile

        block = self._spend(_UNIT)
        if not block:
            raise _damage("has no end mark; it may be cut short")
        if len(block) < _UNIT:
            raise _damage("is cut short")
        if not any(block):
            return None
        try:
            return block, tarfile.TarInfo.frombuf(block, *_ENCODING)
        except (tarfile.HeaderError, ValueError, OverflowError):
            raise _damage(f"is damaged: no header at byte {self.place - _UNIT:,}") from None

    def _spend(self, size: int) -> bytes:
        """Bytes that belong to the header."""
        if size > self._budget:
            raise _damage(f"is damaged: the header before byte {self.place:,} has more than {MAX_HEADER:,} bytes")
        self._budget -= size
        return self.take(size)

    def _extension(self, size: int) -> bytes:
        """The content of a header that extends the next one."""
        if size < 0:
            raise _damage(f"is damaged: a size below zero before byte {self.place:,}")
        data = self._spend(size + -size % _UNIT)
        if len(data) < size:
            raise _damage("is cut short")
        return data[:size]

    def _old_sparse(self, name: str, block: bytes, size: int) -> Entry:
        """A sparse file of GNU tar's own format: its header, and blocks behind it, say where its pieces belong."""
        real = _field(block[483:495])
        numbers = [_field(block[place : place + 12]) for place in range(386, 482, 12)]
        more = block[482]
        while more:
            block = self._spend(_UNIT)
            if len(block) < _UNIT:
                raise _damage("is cut short")
            numbers += [_field(block[place : place + 12]) for place in range(0, 504, 12)]
            more = block[504]
        self._begin(size)
        return self._sparse(name, numbers, real)

    def _pax_sparse(self, name: str, pax: dict[str, str]) -> Entry:
        """A sparse file in a pax archive, in one of the three ways GNU tar has had."""
        real = _number(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size") or "")
        if pax.get("GNU.sparse.major") != "1":
            return self._sparse(name, list(map(_number, filter(None, pax.get("GNU.sparse.map", "").split(",")))), real)
        # the map stands before the data: numbers, one a line, the first of them how many pairs there are
        lines: list[bytes] = []
        rest = b""
        count: int | None = None
        while count is None or len(lines) < 2 * count:
            block = self._spend(min(_UNIT, self.left))
            self.left -= len(block)
            if not block or len(rest) > _DIGITS:
                raise _damage(f"is damaged: the map of the sparse file {name!r}")
            *new, rest = (rest + block).split(b"\n")
            lines += new
            if count is None and lines:
                count = _number(lines.pop(0).decode("latin-1"))
        return self._sparse(name, [_number(line.decode("latin-1")) for line in lines[: 2 * count]], real)

    def _sparse(self, name: str, numbers: list[int], real: int) -> Entry:
        pieces = [(start, size) for start, size in zip(numbers[::2], numbers[1::2], strict=False) if size]
        end = 0
        for start, size in pieces:
            if start < end or size < 0:
                raise _damage(f"is damaged: the pieces of {name!r} overlap")
            end = start + size
        if len(numbers) % 2 or end > real or sum(size for _, size in pieces) > self.left:
            raise _damage(f"is damaged: the pieces of {name!r} do not fit into it")
        return Entry(name, True, real, _Sparse(self, pieces, real))

    def _check_rest(self) -> None:
        """Nothing but zeros may follow the end; reading them also brings the checksum of what the archive lies in."""
        end = self.place
        while data := self.take(BLOCK):
            if data.count(0) != len(data):
                raise _damage(f"ends at byte {end:,}, but more follows, perhaps another archive (`tar -i` reads it)")


class _Content:
    """The content of the present member."""

    def __init__(self, walk: _Walk) -> None:
        self._walk = walk

    def read(self, size: int, /) -> bytes:
        data = self._walk.take(min(size, self._walk.left))
        self._walk.left -= len(data)
        return data


class _Sparse:
    """The content of a sparse file: pieces of data with zeros between them."""

    def __init__(self, walk: _Walk, pieces: list[tuple[int, int]], size: int) -> None:
        self._content = _Content(walk)
        self._size = size
        self._pieces = [*pieces, (size, 0)][::-1]
        self._place = 0

    def read(self, size: int, /) -> bytes:
        parts: list[bytes] = []
        while size and self._place < self._size:
            start, length = self._pieces[-1]
            if self._place < start:
                part = bytes(min(size, start - self._place))
            elif self._place < start + length:
                part = self._content.read(min(size, start + length - self._place))
                if not part:
                    break
            else:
                self._pieces.pop()
                continue
            self._place += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)


def _pax_records(data: bytes) -> dict[str, str]:
    """``LENGTH KEY=VALUE`` lines. The pairs of numbers in GNU tar's first way of sparse files are put into a map."""
    records: dict[str, str] = {}
    sparse: list[str] = []
    place = 0
    while place < len(data):
        digits, _, _ = data[place : place + _DIGITS + 1].partition(b" ")
        length = _number(digits.decode("latin-1"))
        key, equals, value = data[place + len(digits) + 1 : place + length].partition(b"=")
        place += length
        if not (len(digits) + 3 <= length and place <= len(data) and equals and value.endswith(b"\n")):
            raise _damage("is damaged: a malformed pax header")
        name, text = key.decode(*_ENCODING), value[:-1].decode(*_ENCODING)
        if name in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            sparse.append(text)
        else:
            records[name] = text
    if sparse:
        records["GNU.sparse.map"] = ",".join(sparse)
    return records


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _damage("is damaged: something else where a number must be")
    return int(text)


def _field(data: bytes) -> int:
    """A number in a header: octal digits, or, with the first bit set, binary."""
    if data[0] & 0x80:
        return int.from_bytes(data[1:], "big")
    digits = data.strip(b" \0")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        raise _damage("is damaged: something else where a number must be") from None


def _damage(what: str) -> StreamDamage:
    return StreamDamage(CODE, f"the archive {what}")
