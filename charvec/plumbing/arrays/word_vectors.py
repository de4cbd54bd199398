"""Plumbing: telling word vectors from other files, and their text layout from the binary one.

Sources: ``word2vec.c`` (header "words dimensions", then text or binary), GloVe (text without a header), fastText's
``.vec``. Words may hold spaces and every other kind of white space, so lines are split at U+0020 from the right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from charvec.errors import CharvecError, Note
from charvec.plumbing import terminal
from charvec.plumbing.arrays.entries import Words
from charvec.plumbing.arrays.plain import NUMBER
from charvec.plumbing.files import File
from charvec.plumbing.spelling.dictionary import Dictionary
from charvec.valueclass import dataclass
from charvec.vocabulary import Vocabulary

__all__ = ["BLANK", "Header", "Layout", "is_number", "kind_of", "layout_of", "numbers", "vocabulary_of", "words_header"]

#: More dimensions than any vectors have.
MAX_DIM = 1 << 20
#: Where word2vec and GloVe split texts into words.
SEPARATORS = " \t\n\r"
#: Line ends and separators that may stand behind the last value.
BLANK = b" \t\r"
#: Lines looked at, and bytes read for them, when there is no header to believe.
SAMPLED, SAMPLED_BYTES = 16, 1 << 20

_MARK = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(\d{1,12})[ \t](\d{1,7})[ \t]*\r?\n")
_VALUE = re.compile(NUMBER)
_PROMISING = re.compile(rb"[^\n]*?[ \t]" + NUMBER + rb"[ \t]" + NUMBER + rb"[ \t]")
#: Bytes that numbers are made of, those of ``nan`` and ``infinity`` among them.
_NUMERIC = b"0123456789+-.eEaAfFiInNtTyY"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Header:
    """The first line "words dimensions".

    Attributes:
        count: number of words.
        dim: length of a vector.
        end: where the words begin.
    """

    count: int
    dim: int
    end: int


@dataclass(frozen=True)
class Layout:
    """How a line of word vectors is put together.

    Attributes:
        start: where the first line begins.
        dim: values of a line.
        separator: what stands between values, one byte.
        lead: what stands between the word and the first value.
    """

    start: int
    dim: int
    separator: bytes = b" "
    lead: bytes = b" "

    def split(self, line: bytes) -> tuple[bytes, list[bytes]] | None:
        """The word and its values, not yet looked at; None when there are too few."""
        line = line.rstrip(BLANK)
        if self.separator == self.lead:
            word, *values = line.rsplit(self.separator, self.dim)
        else:
            before, *values = line.rsplit(self.separator, self.dim - 1)
            word, lead, first = before.rpartition(self.lead)
            values = [first, *values] if lead else []
        return (word, values) if len(values) == self.dim else None


def is_number(value: bytes) -> bool:
    """Whether it is a number as the programs write it; Python itself would also read ``1_000``."""
    return _VALUE.fullmatch(value) is not None


def numbers(values: Sequence[bytes]) -> list[float] | None:
    """All values as Python reads them; None unless :func:`is_number` holds for each. Twice as fast as asking it."""
    if b"".join(values).translate(None, _NUMERIC):
        return None
    try:
        return list(map(float, values))
    except ValueError:
        return None


def words_header(file: File) -> Header | None:
    """The header of word2vec's text and binary files."""
    match = _HEADER.match(file.head)
    return Header(int(match[1]), int(match[2]), match.end()) if match else None


def kind_of(file: File) -> Literal["text", "binary"] | None:
    """Which of the two layouts a file of word vectors has; None for another file. Never raises."""
    try:
        if layout_of(file):
            return "text"
    except CharvecError:
        return None
    header = words_header(file)
    if not header or not 0 < header.dim <= MAX_DIM:
        return None
    # a damaged text, or a binary file
    body = file.head[header.end :]
    if _CONTROL.search(body) or not _is_utf8(body):
        return "binary"
    fields = body.split(b"\n", 1)[0].split()
    return "text" if not body or (len(fields) > 1 and is_number(fields[-1])) else None


def _is_utf8(cut: bytes) -> bool:
    """Whether bytes are UTF-8, but for a last character that is cut off."""
    try:
        cut.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def layout_of(file: File) -> Layout | None:
    """How the lines of a text of word vectors are put together; None for any other file.

    Raises:
        CharvecError: as :meth:`charvec.plumbing.files.File.pread`.
    """
    header = words_header(file)
    if header and not 0 < header.dim <= MAX_DIM:
        return None
    # a byte order mark, unless it is the word U+FEFF
    marked = file.head.startswith(_MARK) and file.head[3:4] not in (b" ", b"\t")
    start = header.end if header else 3 * marked
    lines = _first_lines(file, start)
    if not lines:
        return None
    if header:
        return next((way for way in _ways(start, header.dim) if _fits(way, lines[0])), None)
    return _without_header(start, lines)


def _first_lines(file: File, start: int) -> list[bytes]:
    """Some lines without their blanks; the last only if it is whole."""
    data, end = file.head[start:], len(file.head)
    if b"\n" not in data and end < file.size:
        if not _PROMISING.match(data):
            return []
        end = min(file.size, start + SAMPLED_BYTES)
        data = file.pread(start, end - start)
    lines = data.split(b"\n")
    if end < file.size:
        lines.pop()
    return [line.rstrip(BLANK) for line in lines if line.rstrip(BLANK)][:SAMPLED]


def _ways(start: int, dim: int) -> list[Layout]:
    """The ways in which lines of so many values are put together."""
    ways = [Layout(start, dim), Layout(start, dim, b"\t", b"\t")]
    return [*ways, Layout(start, dim, b" ", b"\t")] if dim > 1 else ways


def _fits(way: Layout, line: bytes) -> bool:
    parts = way.split(line)
    return parts is not None and all(map(is_number, parts[1]))


def _without_header(start: int, lines: Sequence[bytes]) -> Layout | None:
    """The way that most of the lines go, if they are word vectors at all."""
    space, tab = (Counter(_values(line, separator) for line in lines) for separator in (b" ", b"\t"))
    ways = []
    # first what has a tab behind the word: it would pass for words that hold a tab and a number
    for counter, separator, lead in ((space, b" ", b"\t"), (space, b" ", b" "), (tab, b"\t", b"\t")):
        most = max(counter.values())
        dim = min(count for count, times in counter.items() if times == most) + (separator != lead)
        ways.append(Layout(start, dim, separator, lead))
    for way in ways:
        if way.dim < 2 or not _fits(way, lines[0]):
            continue
        split = [parts for parts in map(way.split, lines) if parts and all(map(is_number, parts[1]))]
        if 2 * len(split) <= len(lines):
            continue
        words = [word for word, _ in split]
        # a table of numbers has no words; a list of words with two whole numbers each is one of ids and counts
        numbers = len(words) > 1 and all(map(is_number, words)) and any(len(word) > 1 for word in words)
        whole = way.dim == 2 and all(value.lstrip(b"+-").isdigit() for _, values in split for value in values)
        if not numbers and not whole:
            return way
    return None


def _values(line: bytes, separator: bytes) -> int:
    """How many numbers stand at the end of a line, its first field left aside."""
    count = 0
    for part in reversed(line.split(separator)[1:]):
        if not is_number(part):
            break
        count += 1
    return count


def vocabulary_of(path: str, words: Words) -> Vocabulary:
    """The vocabulary of a file of word vectors, from what was kept of its words."""
    notes = []
    if words.doubles:
        notes.append(
            Note(
                "W-VOCAB-DUP",
                f"{path}: {terminal.count(words.doubles, 'character')} found more than once; the first row is used",
                path,
            )
        )
    if words.undecodable:
        said = f"{path}: {words.undecodable:,} of {words.count:,} words are not UTF-8"
        notes.append(Note("W-TOKEN-BYTES", said, path))
    speller, digest = Dictionary(words.rows, SEPARATORS), words.digest.hexdigest()
    return Vocabulary(path, "dictionary", words.count, digest, speller, {}, (path,), tuple(notes))
