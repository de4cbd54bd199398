"""zip (APPNOTE.TXT of PKWARE): the directory by the standard library, the members by their local headers.

:class:`zipfile.ZipExtFile` is not used: it decompresses bzip2 and LZMA without a limit, which 4 KiB can make 80 MB of.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any, Protocol

from charvec.reading import StreamDamage
from charvec.valueclass import dataclass

__all__ = ["CODE", "NAME", "SEEKS", "entries", "sniff"]

NAME = "zip"
CODE = "W-ZIP"
#: Whether it must be read from a file, and not from a stream: the directory stands at the end.
SEEKS = True

#: Bytes of a directory, about 200,000 members; it is held in memory, at ten times its size.
MAX_DIRECTORY = 16 << 20
#: Bytes of the window of LZMA and zstd, and what liblzma may use in all.
WINDOW_LOG = 27
_MEMORY = 136 << 20

_EMPTY, _END_LENGTH = b"PK\x05\x06", 22
_LOCAL, _LOCAL_LENGTH = b"PK\x03\x04", 30
_STORED, _DEFLATED, _BZIP2, _LZMA, _ZSTD, _XZ = 0, 8, 12, 14, 93, 95
_ENCRYPTED, _UTF8 = 0x2041, 0x800
_UNIX = (3, 19)
#: Bytes of the target of a link, on the systems that allow the longest.
_LONGEST_LINK = 4096

#: Documents and data of programs that are zip archives, by the name of a member.
_DOCUMENTS = (
    ("[Content_Types].xml", "an Office document"),
    ("mimetype", "an OpenDocument or EPUB document"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
)

Coding = tuple[Callable[[], Any], tuple[type[Exception], ...]]


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, as many as asked for; fewer at the end."""


@dataclass(eq=False)
class Entry:
    """One member of the archive.

    Attributes:
        name: its path in the archive.
        file: whether it is a regular file, and no folder or link.
        size: bytes of its content.
        crc: their CRC-32.
        stream: its bytes as they are in the archive; to be read before the next entry is asked for.
        coding: what makes the decoder for them, and what that raises; None when they are stored as they are.
        problem: why it cannot be read.
        link: always "", since zip has no hard links.
    """

    name: str
    file: bool = False
    size: int = 0
    crc: int | None = None
    stream: Readable | None = None
    coding: Coding | None = None
    problem: StreamDamage | None = None
    link: str = ""


def sniff(head: bytes) -> bool:
    """By the magic bytes, also those of an archive without members."""
    return head.startswith((_LOCAL, _EMPTY))


def entries(stream: Any) -> Iterator[Entry]:
    """The members of an archive, in the order of its directory.

    Args:
        stream: the archive; seekable.

    Raises:
        StreamDamage: ``W-ZIP`` when it has no directory that can be read; ``W-BINARY`` when it is a document.
        OSError: as the stream does.
    """
    import zipfile

    reader = _Directory(stream)
    try:
        with zipfile.ZipFile(reader) as archive:
            infos = archive.infolist()
            end = archive.start_dir
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, EOFError, LookupError):
        raise _damage("the archive has no directory at its end that can be read; it may be cut short") from None
    if not _agree(_count(reader), len(infos)):
        raise _damage("the archive is damaged: its directory does not list as many members as it says")
    kind = _document([info.filename for info in infos])
    if kind:
        raise StreamDamage("W-BINARY", f"it is {kind}, which is a zip archive but no archive of texts")
    limits = _limits([info.header_offset for info in infos], end)
    for info in infos:
        yield _entry(stream, info, limits[info.header_offset])
    first = min(limits, default=0)
    if first > 0:
        # it began with a header, as a zip archive does, of a member that is not listed
        raise _damage(
            f"the archive's directory does not list what its first {first:,} bytes hold, perhaps another archive"
        )


def _count(reader: _Directory) -> int:
    """How many members the end of the directory promises, at most 65,535; :mod:`zipfile` does not look at it."""
    size = reader.seek(0, io.SEEK_END)
    reader.seek(max(0, size - _END_LENGTH - 0xFFFF))
    tail = reader.read()
    return int.from_bytes(tail[(place := tail.rfind(_EMPTY) + 10) : place + 2], "little")


def _agree(promised: int, listed: int) -> bool:
    """Whether a number of 16 bits can mean that many members; without zip64, some writers let it wrap round."""
    return promised == listed & 0xFFFF or (promised == 0xFFFF <= listed)


def _document(names: list[str]) -> str:
    """What kind of document or data an archive of these members is; "" for none."""
    present = set(names)
    kind = next((kind for name, kind in _DOCUMENTS if name in present), "")
    if not kind and names and all(name.endswith(".npy") for name in names):
        kind = "a NumPy archive"
    if not kind and any(name.split("/")[-1] == "data.pkl" for name in names):
        kind = "a PyTorch file"
    return kind


def _limits(offsets: list[int], end: int) -> dict[int, int]:
    """Up to where the bytes of the member may reach whose header begins at an offset: to the next member's header.

    Members that share bytes, as only bombs have them, would reach further. -1 for headers that are used twice.
    """
    ordered = sorted(offsets)
    limits = dict(zip(ordered, [*ordered[1:], end], strict=False))
    limits.update((this, -1) for this, other in pairwise(ordered) if this == other)
    return limits


def _entry(stream: Any, info: Any, limit: int) -> Entry:
    name = _name(info)
    is_link = info.create_system in _UNIX and stat.S_ISLNK(info.external_attr >> 16)
    is_folder = info.filename.endswith("/")  # is_dir() of Python 3.11 fails for one without a name
    if (is_folder and not info.file_size) or (is_link and info.file_size <= _LONGEST_LINK):
        return Entry(name)
    try:
        if info.flag_bits & _ENCRYPTED:
            raise _damage("it is encrypted")
        start = _data_offset(stream, info)
        if start + info.compress_size > limit:
            raise _damage("it overlaps another member: the archive is damaged, or a bomb")
        coding = _coding(info.compress_type)
        if coding is None and info.file_size != info.compress_size:
            raise _damage("it is damaged: it is stored with two different sizes")
    except StreamDamage as problem:
        return Entry(name, True, problem=problem)
    packed = _Slice(stream, start, info.compress_size)
    return Entry(name, True, info.file_size, info.CRC, packed, coding)


def _name(info: Any) -> str:
    """The name of a member. Some programs write UTF-8 and do not say so; zip's own character set is that of DOS."""
    name: str = info.filename
    if not info.flag_bits & _UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):
            return name.encode("cp437").decode()
    return name


def _data_offset(stream: Any, info: Any) -> int:
    """Where the bytes of a member begin."""
    name: bytes = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
    local = b""
    if info.header_offset >= 0:
        local = _Slice(stream, info.header_offset, _LOCAL_LENGTH + len(name)).read(_LOCAL_LENGTH + len(name))
    if len(local) < _LOCAL_LENGTH or local[:4] != _LOCAL:
        raise _damage("it is damaged: the directory leads to no header")
    flags, method = struct.unpack("<HH", local[6:10])
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    same = len(name) == name_length and name == local[_LOCAL_LENGTH:]
    if flags & _ENCRYPTED or method != info.compress_type or not same:
        raise _damage("it is damaged: directory and header disagree")
    return int(info.header_offset) + _LOCAL_LENGTH + len(name) + int(extra_length)


def _coding(method: int) -> Coding | None:
    """What decompresses a method; None for what is stored as it is.

    Raises:
        StreamDamage: ``W-ZIP`` for a method that is not known; ``W-COMPRESSED`` when a package for it is missing.
    """
    if method == _STORED:
        return None
    try:
        if method == _DEFLATED:
            library = _deflate()
            return lambda: library.decompressobj(-zlib.MAX_WBITS), (library.error,)
        if method == _BZIP2:
            return importlib.import_module("bz2").BZ2Decompressor, (OSError, ValueError)
        if method == _LZMA:
            lzma = importlib.import_module("lzma")
            return lambda: _Lzma(lzma), (lzma.LZMAError, ValueError)
        if method == _XZ:
            lzma = importlib.import_module("lzma")
            return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY), (lzma.LZMAError,)
        if method == _ZSTD:
            zstd = _zstd()
            options = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
            return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)
    except ImportError:
        what = f'it is compressed by method {method}, which needs a package: pip install "charvec[fast]"'
        raise StreamDamage("W-COMPRESSED", what) from None
    raise _damage(f"it is compressed by method {method}, which is not supported")


@cache
def _deflate() -> Any:
    """What inflates fastest here."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


@cache
def _zstd() -> Any:
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return importlib.import_module("backports.zstd")


class _Lzma:
    """The decoder of zip's LZMA: a version, the length of the properties, the properties, then bare LZMA."""

    def __init__(self, lzma: Any) -> None:
        self._lzma = lzma
        self._head = b""
        self._decoder: Any = None

    @property
    def eof(self) -> bool:
        """Whether the end mark was found, which need not be there."""
        return self._decoder is not None and bool(self._decoder.eof)

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without it."""
        return self._decoder is None or bool(self._decoder.needs_input)

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end mark."""
        return bytes(self._decoder.unused_data)

    def decompress(self, data: Any, max_length: int) -> bytes:
        """What comes out when ``data`` goes in, at most ``max_length`` bytes of it."""
        if self._decoder is None:
            self._head += bytes(data)
            if len(self._head) < 9:
                return b""
            self._decoder = self._begin(self._head[2:9])
            data, self._head = self._head[9:], b""
        out: bytes = self._decoder.decompress(data, max_length)
        return out

    def _begin(self, head: bytes) -> Any:
        length, properties, dictionary = struct.unpack("<HBI", head)
        if length != 5 or properties >= 9 * 5 * 5 or dictionary > 1 << WINDOW_LOG:
            raise ValueError("properties of LZMA that are malformed, or need too much memory")
        rest, lc = divmod(properties, 9)
        pb, lp = divmod(rest, 5)
        options = {"id": self._lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
        return self._lzma.LZMADecompressor(self._lzma.FORMAT_RAW, filters=[options])


class _Slice:
    """Some bytes of a seekable stream."""

    def __init__(self, stream: Any, start: int, size: int) -> None:
        self._stream, self._place, self._left = stream, start, size

    def read(self, size: int, /) -> bytes:
        self._stream.seek(self._place)
        parts: list[bytes] = []
        size = min(size, self._left)
        while size and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
            self._place += len(part)
            self._left -= len(part)
        return b"".join(parts)


class _Directory:
    """What :mod:`zipfile` needs of a file, so that it neither closes it nor reads a directory of any size."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            what = (
                f"its directory has {size:,} bytes, {MAX_DIRECTORY:,} are read at most; unpack it and name the folder"
            )
            raise _damage(what)
        parts = []
        size = size if size >= 0 else MAX_DIRECTORY
        while size and (part := self._stream.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _damage(what: str) -> StreamDamage:
    return StreamDamage(CODE, what)
