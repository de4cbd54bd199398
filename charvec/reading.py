"""Nouns: what a reader of samples is given and what it gives back."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from charvec.errors import Note
from charvec.valueclass import dataclass, field

__all__ = [
    "BLOCK",
    "Limits",
    "Match",
    "Options",
    "Outcome",
    "Progressed",
    "Sink",
    "Source",
    "StreamDamage",
    "magic",
    "may_hold_others",
]

#: Bytes read at once. The numpy path is fastest when a block and its UTF-32 form stay in the cache.
BLOCK = 1 << 18


#: First bytes and what they stand for; a longer mark stands before one that is its beginning.
_MAGIC = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PAR1", "parquet"),
    (b"ARROW1\0\0", "arrow"),
    (b"\xff\xff\xff\xff", "arrow stream"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
)
_FIRST = frozenset(mark[:1] for mark, _ in _MAGIC)
#: What is taken for such a file only with a zero byte near its beginning.
_HAS_ZERO = ("a GIF picture", "arrow stream")
#: Bytes searched for a zero byte, which no text has; as git and ripgrep do.
_LOOK = 8192


def magic(head: bytes) -> str:
    """What a file is by its first bytes: a name of the table above, ``"a binary file"``, or "" for plain text."""
    zero = head.find(b"\0", 0, _LOOK) >= 0
    for mark, name in _MAGIC if head[:1] in _FIRST else ():
        if not head.startswith(mark):
            continue
        # a text may begin with these letters, and damage with these bytes
        if (name == "bzip2" and head[4:10] != b"1AY&SY") or (name in _HAS_ZERO and not zero):
            continue
        return name
    return "a binary file" if zero else ""


@dataclass(frozen=True)
class Limits:
    """How far compressed samples are believed; what goes beyond is left out and said.

    Attributes:
        ratio: times its size that a compressed stream may grow to, once more than a mebibyte came out.
        members: files read from one archive.
    """

    ratio: int = 200
    members: int = 1_000_000


@dataclass(frozen=True)
class Options:
    """How samples are read. Plain values, so that they can be sent to other processes.

    Attributes:
        encodings: glob pattern and codec, the first that matches; the pattern "" stands for files that are not UTF-8.
        errors: "" counts damaged texts without their damage and leaves out files that are not UTF-8 at all; ``"skip"``
            counts of every file what can be decoded; ``"strict"`` leaves out every file with an undecodable byte.
        field: dotted path to the text in JSON Lines; "" to read them as plain text.
        fields: glob pattern and such a path, the first that matches; ``field`` is for files that no pattern matches.
        column: name or number of the text column in CSV, TSV, Parquet and Arrow; "" to read CSV and TSV as plain text.
        normalize: ``NFC``, ``NFD``, ``NFKC``, ``NFKD`` or "".
        graphemes: whether to count grapheme clusters as well.
        extensions: suffixes of the files to read inside archives, lower-case, with the dot; empty for all.
        hidden: whether hidden files inside archives are read.
        limits: for compressed samples.
    """

    encodings: tuple[tuple[str, str], ...] = ()
    errors: str = ""
    field: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    column: str = ""
    normalize: str = ""
    graphemes: bool = False
    extensions: tuple[str, ...] = ()
    hidden: bool = False
    limits: Limits = Limits()


class Sink(Protocol):
    """Where a reader puts the text of a sample: the tally of characters, or a step before it.

    Between two calls of :meth:`end` lies one text, whose pieces belong together.
    """

    def add_utf8(self, block: bytes, final: bool) -> int:
        """The next bytes of the text.

        Args:
            block: begins at a character boundary.
            final: whether a character cut short at its end is an error; else it is left for the next block.

        Returns:
            number of bytes taken.

        Raises:
            UnicodeDecodeError: with the offset of the first bad byte in the block; nothing of it is counted then.
        """

    def add_text(self, text: str) -> None:
        """The next characters of the text.

        Raises:
            UnicodeEncodeError: for a lone surrogate; nothing is counted then.
        """

    def add_texts(self, texts: list[str]) -> None:
        """Whole texts, each by itself; errors as :meth:`add_text`."""

    def end(self) -> None:
        """The text is over."""

    def mark(self, *, whole: bool = False) -> Any:
        """Where the counts stand, for :meth:`undo`.

        Args:
            whole: whether anything may come before the undoing; else nothing but ASCII, which is much cheaper.
        """

    def undo(self, mark: Any) -> None:
        """Forget all that was added since ``mark``, which was taken in the same text."""


class StreamDamage(OSError):
    """What a stream that is made from another raises where it cannot go on, such as gzip cut short.

    Attributes:
        code: of the note that tells about it, e.g. ``W-GZIP``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def may_hold_others(head: bytes) -> bool:
    """Whether a file that begins so can be compressed or an archive; cheap, and never wrong about a text."""
    # bzip2 begins with letters, and zstd may begin with a frame to skip
    return (magic(head) or "utf-")[:4] != "utf-" or head.startswith(b"BZh") or head[1:4] == b"\x2a\x4d\x18"


_Bytes = bytes  # whose name a field takes


@dataclass
class Outcome:
    """What became of one sample.

    Attributes:
        bytes: read from the file; filled in by the scanner.
        bad_bytes: not decodable, left out.
        skipped: whether the file was not used at all.
        hidden: number of hidden files passed over, when this is about these.
        evidence: of each text that is not UTF-8, by its path, some bytes to tell its encoding by.
        matched: the patterns of the options that match its name.
        problems: what was lost, and why.
        remarks: notes that lose nothing.
    """

    bytes: int = 0
    bad_bytes: int = 0
    skipped: bool = False
    hidden: int = 0
    evidence: dict[str, _Bytes] = field(default_factory=dict)
    matched: frozenset[Match] = frozenset()
    problems: list[Note] = field(default_factory=list)
    remarks: list[Note] = field(default_factory=list)


#: That a pattern matches a sample: of which option (``"field"``), the pattern, and whether it is the first that does,
#: which is the one that counts.
Match = tuple[str, str, bool]

#: Called with the number of bytes just read.
Progressed = Callable[[int], None]


class Source:
    """The bytes of one sample, in blocks; iterate over it once. It ends where reading fails, and remembers why.

    Every block but the last has :data:`BLOCK` bytes, also from a pipe, which gives them in pieces: where the blocks are
    cut depends on the data alone.

    Args:
        stream: where the bytes come from.
        progressed: is told about the bytes read.
        limit: number of bytes to read at most, so that a file that grows as fast as it is read comes to an end.
        typed: whether a terminal is read. It says only once that its text is over: asked again it waits for more.

    Attributes:
        stream: where the bytes come from. A reader that needs more than the blocks in their order may use it instead
            of them, when it is seekable, from its beginning.
        head: the first block.
        bytes: number of bytes read so far.
        fault: the error that ended it early, None when there was none.
    """

    def __init__(
        self, stream: BinaryIO, progressed: Progressed, limit: int | None = None, *, typed: bool = False
    ) -> None:
        self.bytes = 0
        self.fault: OSError | None = None
        self.stream = stream
        self._progressed = progressed
        self._limit = limit
        self._typed = typed
        self._ended = False
        self.head = self._block()

    def __iter__(self) -> Iterator[bytes]:
        block = self.head
        while block:
            yield block
            block = self._block()

    def _block(self) -> bytes:
        parts: list[bytes] = []
        missing = BLOCK
        if self._limit is not None:
            missing = min(missing, self._limit - self.bytes)
        while missing and not self._ended:
            part = self._read(missing)
            parts.append(part)
            missing -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read(self, count: int) -> bytes:
        try:
            part = self.stream.read(count)
            if part is None:
                # a special file that would keep us waiting, and was opened so that it cannot
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError as error:
            self.fault = error
            part = b""
        if not part or (self._typed and len(part) < count):
            self._ended = True
        self.bytes += len(part)
        self._progressed(len(part))
        return part
