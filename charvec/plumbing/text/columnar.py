"""Files of tables that pyarrow reads: which column holds the text, and passing it on part by part.

pyarrow is an optional package and imported by :func:`load`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol
from unicodedata import normalize

from charvec.errors import Note
from charvec.plumbing.terminal import count
from charvec.plumbing.text.arrow_text import Texts
from charvec.plumbing.text.arrow_types import BINARY, TEXT, Damaged, Refused, attempt, family_of, kind_of
from charvec.plumbing.text.dotted import Step, split
from charvec.plumbing.text.losses import Losses
from charvec.reading import Options, Outcome, Sink, Source
from charvec.valueclass import dataclass

__all__ = ["Column", "Seeking", "Sequential", "Table", "choose", "load", "package_note", "read"]

#: The first version of pyarrow with all that is used here.
OLDEST = 16
#: Names under which a text column is found when the user names none, the best first.
USUAL = ("text", "content", "sentence")
#: Columns named in a message, and characters of each.
_NAMED, _LETTERS = 20, 40


def load() -> Any:
    """The package pyarrow; None where it is not installed, or too old."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return None
    major = str(pyarrow.__version__).split(".")[0]
    return pyarrow if not major.isdigit() or int(major) >= OLDEST else None


def package_note(path: str, kind: str) -> Note:
    """What to say of a file that only pyarrow reads."""
    message = (
        f'{path} is a file of {kind} and was not read; that needs pyarrow {OLDEST}: pip install "charvec[parquet]"'
    )
    return Note("W-PACKAGE", message, path)


# -- bytes for pyarrow


class Seeking:
    """A sample as a file for pyarrow, which reads it here and there.

    Reads whole what is asked for, keeps the error of the system apart from those of pyarrow, and tells the source what
    was read.

    Args:
        source: whose stream can be sought.

    Attributes:
        size: bytes of the file when it was opened.
        count: bytes read so far, some of them perhaps twice.

    Raises:
        OSError: when it cannot be sought after all.
    """

    closed = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stream = source.stream
        self.count = 0
        self.size = self._stream.seek(0, io.SEEK_END)
        self._stream.seek(0)

    @property
    def fault(self) -> OSError | None:
        """The error that ended reading."""
        return self._source.fault

    def read(self, count: int = -1) -> bytes:
        """So many bytes, fewer only at the end."""
        try:
            missing = max(0, self.size - self._stream.tell())
            missing = min(missing, count) if count >= 0 else missing
            parts = []
            while missing and (part := self._stream.read(missing)):
                parts.append(part)
                missing -= len(part)
        except OSError as error:
            self._source.fault = self._source.fault or error
            raise
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self.count += len(data)
        # the first block was read twice; no file has more bytes than it has
        _tell(self._source, min(self.count, self.size) - self._source.bytes)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As for any file; its end is where it was at first."""
        try:
            if whence == io.SEEK_END:
                return self._stream.seek(self.size + offset)
            return self._stream.seek(offset, whence)
        except OSError as error:
            self._source.fault = self._source.fault or error
            raise

    def tell(self) -> int:
        """As for any file."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Whoever opened the stream closes it."""

    def flush(self) -> None:
        """Nothing is written."""


class Sequential:
    """A sample as a file for pyarrow, which reads it from the beginning to the end.

    Args:
        source: what is read.

    Attributes:
        last: the last eight bytes that were read.
    """

    closed = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks = iter(source)
        self._parts: list[bytes] = []
        self._held = 0
        self._at = 0
        self.last = b""

    @property
    def fault(self) -> OSError | None:
        """The error that ended reading."""
        return self._source.fault

    def read(self, count: int = -1) -> bytes:
        """So many bytes, fewer only at the end."""
        while (count < 0 or self._held < count) and (block := next(self._blocks, b"")):
            self._parts.append(block)
            self._held += len(block)
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        taken = data[:count] if 0 <= count < len(data) else data
        rest = data[len(taken) :]
        self._parts, self._held = [rest] if rest else [], len(rest)
        self._at += len(taken)
        self.last = (self.last + taken[-8:])[-8:]
        return taken

    def tell(self) -> int:
        """Bytes read so far."""
        return self._at

    def seekable(self) -> bool:
        """Never."""
        return False

    def readable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Whoever opened the stream closes it."""

    def flush(self) -> None:
        """Nothing is written."""


def _tell(source: Source, count: int) -> None:
    """Tell a source about bytes that were read from its stream past it."""
    if count > 0:
        source.bytes += count
        source._progressed(count)


# -- which column


@dataclass(frozen=True)
class Column:
    """A text column.

    Attributes:
        index: of the column in the schema.
        name: of it.
        steps: from it to the text inside, through structs and lists.
    """

    index: int
    name: str
    steps: tuple[Step, ...] = ()


def choose(schema: Any, options: Options) -> Column | str:
    """The column with the text, or why there is none.

    Named by the user, it may be any whose values are strings, bytes or lists of them, or a dotted path to such inside
    structs and lists. Else it is the one called text, content or sentence, else the only column of strings.

    Args:
        schema: of pyarrow.
        options: what the user asked for.
    """
    names = list(schema.names)
    wanted = options.column or options.field
    if wanted:
        return _named(schema, names, wanted)
    strings = [index for index, each in enumerate(schema.types) if kind_of(each) in TEXT]
    usual = [index for name in USUAL for index in strings if names[index] == name]
    if len(usual) > 1 and names[usual[0]] == names[usual[1]]:
        return f"several columns are called {names[usual[0]]!r}; name one by its number with --column"
    if usual or len(strings) == 1:
        index = (usual or strings)[0]
        return Column(index, names[index])
    if strings:
        return f"several columns hold text, say which with --column: {_list(schema, strings)}"
    return f"no column holds text; there are {_list(schema, range(len(names)))}"


def _named(schema: Any, names: list[str], wanted: str) -> Column | str:
    found: list[Column] = [Column(index, name) for index, name in enumerate(names) if name == wanted]
    if not found:
        steps = split(wanted) or ((wanted, None),)
        found = [Column(index, name, steps[1:]) for index, name in enumerate(names) if name == steps[0][0]]
    if not found and not wanted.isascii():  # a name may be spelt in parts (NFD), as macOS does, and reads the same
        whole = normalize("NFC", wanted)
        found = [Column(index, name) for index, name in enumerate(names) if normalize("NFC", name) == whole]
    if not found and wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and 0 < int(wanted) <= len(names):
        found = [Column(int(wanted) - 1, names[int(wanted) - 1])]
    if len(found) > 1:
        return f"several columns are called {found[0].name!r}; name one by its number"
    if not found:
        return f"there is no column {wanted!r}; there are {_list(schema, range(len(names)))}"
    kind = kind_of(_inside(schema.types[found[0].index], found[0].steps))
    if kind not in TEXT + BINARY:
        return f"the column {wanted!r} holds no text but {kind[:80]}; there are {_list(schema, range(len(names)))}"
    return found[0]


def _list(schema: Any, indices: Iterable[int]) -> str:
    indices = list(indices)
    there = [
        f"{schema.names[index][:_LETTERS]!r} ({str(schema.types[index])[:_LETTERS]})" for index in indices[:_NAMED]
    ]
    return ", ".join(there) + (f", and {len(indices) - _NAMED:,} more" if len(indices) > _NAMED else "")


def _inside(kind: Any, steps: tuple[Step, ...]) -> Any:
    """The type a path leads to, behind lists; "nothing" where there is none."""
    at = 0
    while True:
        name = family_of(kind)
        if name == "extension":
            kind = kind.storage_type
        elif name == "list":
            at += at < len(steps) and steps[at][1] is not None
            kind = kind.value_type
        elif at == len(steps):
            return kind
        elif name == "struct" and (index := kind.get_field_index(steps[at][0])) >= 0:
            kind = kind.field(index).type
            at += 1
        else:
            return "nothing of that name"


# -- a whole file


class Table(Protocol):
    """An open file.

    Attributes:
        schema: of pyarrow.
    """

    schema: Any

    def parts(self, column: Column) -> Iterator[tuple[int, Iterator[Any]]]:
        """Parts that can be read without each other: the number of rows, 0 where unknown, and the arrays.

        Whatever pyarrow raises is raised as :class:`Damaged`; by the iterator of the arrays when other parts may be
        sound.
        """


def read(
    path: str,
    stream: Seeking | Sequential,
    sink: Sink,
    options: Options,
    kind: str,
    code: str,
    opened: Callable[[], Table],
) -> Outcome:
    """Pass on the text column of a file.

    A damaged part is read as far as it goes, and the others as well. Values that are not UTF-8 are left out, counted
    and located by row.

    Args:
        path: for messages.
        stream: what ``opened`` reads from.
        sink: where the text goes.
        options: what the user asked for.
        kind: of file, for messages.
        code: of the note about damage.
        opened: opens the file; may raise anything.
    """
    before = sink.mark(whole=True) if options.errors == "strict" else None
    rows, first, lost = 0, 1, Losses()
    try:
        table = attempt(opened)
        column = attempt(lambda: choose(table.schema, options))
        if isinstance(column, str):
            return Outcome(skipped=True, problems=[Note("W-COLUMN", f"{path}: {column}; it was not read", path)])
        texts = Texts(sink, column.steps, options.errors)
    except Damaged as damage:
        message = f"{path} is a damaged file of {kind} ({damage}); it was not read"
        return Outcome(skipped=True, problems=[] if stream.fault else [Note(code, message, path)])
    try:
        for size, arrays in table.parts(column):
            done = 0
            try:
                for array in arrays:
                    texts.add(array, first + done)
                    done += len(array)
                if done < size:
                    raise Damaged(f"{size - done:,} rows are missing")
            except Damaged as damage:
                lost = lost.more(first + done, why=str(damage))
            rows += done
            first += max(size, done)
    except Damaged as damage:
        lost = lost.more(first, why=str(damage))
    except Refused as refused:
        sink.undo(before)
        message = f"{path}: {refused} is not UTF-8; nothing of it was counted"
        return Outcome(skipped=True, problems=[Note("W-UTF8", message, path)])
    outcome = Outcome(bad_bytes=texts.bad_bytes, skipped=bool(lost) and not rows)
    if texts.bad:
        what = f"{count(texts.bad.count, 'value')} not UTF-8, the first in row {texts.bad.line:,}"
        message = f"{path}: {what}; {count(texts.bad_bytes, 'byte')} left out"
        outcome.problems.append(Note("W-UTF8", message, path))
    if lost and not stream.fault:
        how = f"{count(rows, 'row')} read before" if rows else "it was not read"
        message = f"{path} is a damaged file of {kind}, from row {lost.line:,} on ({lost.why}); {how}"
        outcome.problems.append(Note(code, message, path))
    return outcome
