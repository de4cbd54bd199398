"""Family: samples that hold other samples. One file per compression or archive, recognised by the first bytes.

A compression holds one text, an archive many. Nothing is ever extracted: texts are read as streams, in bounded memory,
and what grows beyond all measure is cut off and said. One archive is opened, and around it and around each of its
members one compression; what is packed more often than that is named and left out.

To add one: write one module with the functions of :class:`Compression` or of :class:`Archive`, put its name into
:data:`COMPRESSIONS` or :data:`ARCHIVES`, and add small files that other programs wrote to ``tests/data/containers``;
the contract tests then run over them.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Generator, Iterator
from typing import Any, BinaryIO, Protocol, cast

from charvec.containers import bzip2, gzip, tar, xz, zip, zstd
from charvec.errors import Note
from charvec.plumbing.text.streams import Allowance, Blocks, Checked, Decoder, Decoding, Inflated, Readable, Stream
from charvec.reading import BLOCK, Limits, Progressed, Source, StreamDamage
from charvec.valueclass import dataclass

__all__ = ["ARCHIVES", "COMPRESSIONS", "MEMBERS", "Archive", "Compression", "Entry", "Opened", "inner_name", "unpack"]

#: Code of the note about what is packed too often. As for other files that are no text.
_NESTED = "W-BINARY"


class Compression(Protocol):
    """What every module of this folder offers that is about a compressed stream."""

    #: Short name of the compression, which is that of its program as well.
    NAME: str
    #: Code of the notes about damage.
    CODE: str
    #: A multiple of so many zero bytes may stand behind a part; 0 for none.
    PADDING: int

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins so is of this kind; ``head`` is its first block. Never raises."""

    def begins(self, head: bytes) -> bool:
        """Whether another part of such a file begins so; ``head`` has up to 16 bytes. Never raises."""

    def start(self) -> tuple[Callable[[], Decoder], tuple[type[Exception], ...]]:
        """What makes a decoder for a part, and what decoders raise.

        Raises:
            ImportError: when a package is missing.
        """

    def why(self, error: Exception) -> str:
        """What a decoder's error says about the data, as the end of a sentence."""


class Entry(Protocol):
    """One member of an archive."""

    @property
    def name(self) -> str:
        """Its path in the archive."""

    @property
    def file(self) -> bool:
        """Whether it is a regular file, and no folder, link or device."""

    @property
    def size(self) -> int:
        """Bytes of its content."""

    @property
    def crc(self) -> int | None:
        """CRC-32 of its content, None when the archive has none."""

    @property
    def stream(self) -> Readable | None:
        """Its bytes in the archive, to be read before the next entry is asked for; None when it cannot be read."""

    @property
    def coding(self) -> tuple[Callable[[], Decoder], tuple[type[Exception], ...]] | None:
        """What makes the decoder for these bytes and what it raises; None when they are the content itself."""

    @property
    def link(self) -> str:
        """The member whose content it has, when it is a hard link; else ""."""

    @property
    def problem(self) -> StreamDamage | None:
        """Why it cannot be read."""


class Archive(Protocol):
    """What every module of this folder offers that is about an archive."""

    #: Short name of the kind.
    NAME: str
    #: Code of the notes about damage.
    CODE: str
    #: Whether it must be read from a file, and not from a stream.
    SEEKS: bool

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins so is of this kind; ``head`` is its first block. Never raises."""

    def entries(self, stream: Any) -> Iterator[Entry]:
        """The members, in their order.

        Args:
            stream: a :class:`Readable`; with ``seek`` and ``tell`` for an archive that needs them.

        Raises:
            StreamDamage: where the archive cannot be read any further.
            OSError: as the stream does.
        """


Member = Compression | Archive

COMPRESSIONS: tuple[Compression, ...] = (gzip, bzip2, xz, zstd)
ARCHIVES: tuple[Archive, ...] = (zip, tar)
#: Every member. They recognise files by content and never the same one, so the order does not matter.
MEMBERS: tuple[Member, ...] = (*COMPRESSIONS, *ARCHIVES)

#: Suffixes of compressed files, and what takes their place.
_SUFFIXES = {
    ".gz": "",
    ".bz2": "",
    ".xz": "",
    ".zst": "",
    ".zstd": "",
    ".tgz": ".tar",
    ".tbz": ".tar",
    ".tbz2": ".tar",
    ".txz": ".tar",
    ".tzst": ".tar",
}


@dataclass(frozen=True)
class Opened:
    """One thing found in a sample: a text to read, a problem, or a number of hidden files passed over.

    Attributes:
        path: what it is called in messages, e.g. ``corpus.tar.gz/news/a.txt.gz``.
        name: the same without the suffix of a compression that was undone, ``corpus.tar.gz/news/a.txt``: what the name
            says about the text.
        source: the text; None when there is none to read. To be read before the next is asked for.
        problem: why something cannot be read.
        hidden: number of hidden files passed over.
    """

    path: str
    name: str = ""
    source: Source | None = None
    problem: Note | None = None
    hidden: int = 0


def inner_name(path: str) -> str:
    """The name of what a compressed file holds: ``a.csv`` for ``a.csv.gz``, ``a.tar`` for ``a.tgz``, else the same."""
    for suffix, instead in _SUFFIXES.items():
        stem = path[: -len(suffix)]
        if path.lower().endswith(suffix) and stem and not stem.endswith("/"):
            return stem + instead
    return path


def unpack(
    path: str,
    source: Source,
    limits: Limits,
    progressed: Progressed,
    *,
    wanted: Callable[[str], bool] | None = None,
    hidden: bool = False,
) -> Generator[Opened, None, None]:
    """All that is in a sample: itself, when it is no container.

    To be closed when it is not used to its end (:func:`contextlib.closing`), since threads read ahead in it. They call
    ``source``'s own ``progressed`` too, though never two of them at once.

    Args:
        path: the sample, for messages.
        source: its bytes, of which none but the head were read.
        limits: how much is taken out of it.
        progressed: is told about the bytes of ``source.stream`` that are not read through ``source``.
        wanted: whether a file of an archive is read, by its path in the archive; asked without the suffix of a
            compression as well.
        hidden: whether files of an archive are read that have a dot before their name or that of a folder of theirs.

    Yields:
        texts as sources, one at a time: each is over when the next is asked for. Where one cannot be read to its end,
        its ``fault`` is a :class:`~charvec.reading.StreamDamage` with the code of the note to make.
    """
    return _Opening(source, limits, progressed, wanted, hidden).open(path, path, source, ())


def _may_open(member: Member, outer: tuple[Member, ...]) -> bool:
    """Whether a container is opened inside those."""
    if member in COMPRESSIONS:
        return not outer or outer[-1] in ARCHIVES
    return not any(each in ARCHIVES for each in outer) and not (outer and cast(Archive, member).SEEKS)


def _quiet(count: int) -> None:
    """What comes out of a container is no progress; what went in was."""


def _plain(name: str) -> str:
    """The name of a member without what leads to the archive's own folder."""
    return name.removeprefix("./").lstrip("/")


def _is_hidden(name: str) -> bool:
    """Whether a file, or a folder it is in, is hidden; macOS keeps attributes of files in a folder of its own."""
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in name.split("/"))


class _Opening:
    """The opening of one sample: what does not change while it goes deeper."""

    def __init__(
        self,
        source: Source,
        limits: Limits,
        progressed: Progressed,
        wanted: Callable[[str], bool] | None,
        hidden: bool,
    ) -> None:
        self.limits, self.progressed, self.wanted, self.hidden = limits, progressed, wanted, hidden
        self.size = 0  # of an archive that is read by position
        self.whole = Allowance(limits.ratio, lambda: max(source.bytes, self.size))

    def open(self, path: str, name: str, source: Source, outer: tuple[Member, ...]) -> Generator[Opened, None, None]:
        """All that is in a source, which lies in these containers."""
        member = next((member for member in MEMBERS if member.sniff(source.head)), None)
        if member is None:
            yield Opened(path, name, source)
        elif not _may_open(member, outer):
            what = f"{path} is {member.NAME} inside {outer[-1].NAME} and was not read; unpack the outer one first"
            yield Opened(path, name, problem=Note(_NESTED, what, path))
        elif member in COMPRESSIONS:
            yield from self._decompress(path, name, source, member, outer)
        else:
            yield from self._list(path, source, cast(Archive, member), outer)

    def _decompress(
        self, path: str, name: str, source: Source, member: Compression, outer: tuple[Member, ...]
    ) -> Iterator[Opened]:
        try:
            make, errors = member.start()
        except ImportError as error:
            remedy = f"{error}; or pipe it in: `{member.NAME} -dc FILE | charvec ... -`"
            what = f"{path} is compressed ({member.NAME}) and was not read: {remedy}"
            yield Opened(path, name, problem=Note("W-COMPRESSED", what, path))
            return
        decoding = Decoding(
            member.NAME, member.CODE, make, errors, member.why, begins=member.begins, padding=member.PADDING
        )
        inflated = Inflated(Blocks(source), decoding, self.limits.ratio, self.whole if outer else None)
        with contextlib.closing(Stream(inflated, ahead=True)) as stream:
            inner = Source(cast(BinaryIO, stream), _quiet)
            yield from self.open(path, inner_name(name), inner, (*outer, member))

    def _list(self, path: str, source: Source, archive: Archive, outer: tuple[Member, ...]) -> Iterator[Opened]:
        stream = self._by_position(source) if archive.SEEKS else Blocks(source)
        if stream is None:
            what = f"{path} is a {archive.NAME} archive, which can only be read from a file; save it and name the file"
            yield Opened(path, problem=Note(archive.CODE, what, path))
            return
        entries = archive.entries(stream)
        seen = passed = 0
        while True:
            try:
                entry = next(entries, None)
                if entry is not None and seen == self.limits.members:
                    raise StreamDamage("W-BOMB", f"it has more than {seen:,} members; unpack it and name the folder")
                if self.whole.fault is not None:
                    raise self.whole.fault
            except OSError as error:
                yield Opened(path, problem=_ended(path, error, seen))
                break
            if entry is None:
                break
            seen += 1
            name = _plain(entry.name)
            if not (entry.file or entry.link) or not self._is_wanted(name):
                continue
            if self._is_passed(name):
                passed += 1
            elif entry.file:
                yield from self._open_entry(f"{path}/{name}", entry, archive, outer)
            elif self._is_passed(_plain(entry.link)) or not self._is_wanted(_plain(entry.link)):
                what = f"{path}/{name} is a hard link to {entry.link}, which is passed over; it was not read"
                yield Opened(f"{path}/{name}", problem=Note("W-LINK", what, f"{path}/{name}"))
        if passed:
            yield Opened(path, hidden=passed)

    def _is_passed(self, name: str) -> bool:
        return not self.hidden and _is_hidden(name)

    def _is_wanted(self, name: str) -> bool:
        return self.wanted is None or self.wanted(name) or self.wanted(inner_name(name))

    def _open_entry(self, path: str, entry: Entry, archive: Archive, outer: tuple[Member, ...]) -> Iterator[Opened]:
        if entry.problem is not None or entry.stream is None:
            problem = entry.problem or StreamDamage(archive.CODE, "it has no content")
            yield Opened(path, path, problem=Note(problem.code, f"{path}: {problem}; it was not read", path))
            return
        content = entry.stream
        if entry.coding is not None:
            make, errors = entry.coding
            decoding = Decoding(archive.NAME, archive.CODE, make, errors, lambda error: "is damaged", alone=True)
            content = Inflated(content, decoding, self.limits.ratio)
        checked = Checked(content, archive.CODE, entry.size, entry.crc, self.whole)
        with contextlib.closing(Stream(checked, ahead=entry.coding is not None and entry.size > BLOCK)) as stream:
            yield from self.open(path, path, Source(cast(BinaryIO, stream), _quiet), (*outer, archive))

    def _by_position(self, source: Source) -> _Counted | None:
        """The file that a source reads, None when it is something that cannot go back."""
        try:
            if not source.stream.seekable():
                return None
            self.size = source.stream.seek(0, io.SEEK_END)
        except (AttributeError, OSError, ValueError):
            return None
        return _Counted(source, self.size, self.progressed)


def _ended(path: str, error: OSError, seen: int) -> Note:
    """Why an archive could be read no further."""
    code = error.code if isinstance(error, StreamDamage) else "W-READ"
    lost = "texts in it may be missing or incomplete" if seen else "it was not read"
    return Note(code, f"{path}: {error.strerror or error}; {lost}", path)


class _Counted:
    """The file that a source reads, read by position; what is read counts as if the source had read it.

    Args:
        source: its head has been counted already.
        size: bytes of the file, more than which are not counted.
        progressed: is told about the bytes read.
    """

    def __init__(self, source: Source, size: int, progressed: Progressed) -> None:
        self._source, self._size, self._progressed = source, size, progressed
        self.seek, self.tell = source.stream.seek, source.stream.tell

    def read(self, size: int, /) -> bytes:
        data = self._source.stream.read(size)
        count = max(0, min(len(data), self._size - self._source.bytes))
        self._source.bytes += count
        self._progressed(count)
        return data
