r"""Word vectors as text: a word and its values a line, as word2vec, GloVe, fastText and gensim write them.

Layout (``word2vec.c``, GloVe's ``glove.c``, gensim's ``save_word2vec_format``): an optional first line
"words dimensions", which GloVe leaves out; then lines of a word, U+0020 and the values with U+0020 between them. Some
files have tabs instead, or one behind the word. Lines end at ``\n`` only and are split from the right, because words
may be or hold any other kind of white space: U+00A0, U+3000 and U+2028 are words of many published files.

The file is passed through once; a row is parsed when it is asked for, to what Python's ``float`` gives and then to the
nearest float32, as gensim does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.decimals import rows_of
from charvec.plumbing.arrays.entries import CHUNK, EntryIndex, Words
from charvec.plumbing.arrays.word_vectors import BLANK, Layout, kind_of, layout_of, numbers, vocabulary_of, words_header
from charvec.plumbing.files import File, cut_short
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["NAME", "read", "sniff"]

NAME = "word2vec-text"

#: Longest line; one of a million values has less.
MAX_LINE = 1 << 24
#: Bytes of a file on this machine that are read at once: what is looked for in them takes three quarters of the time it
#: takes in a mebibyte, which a request to a server should have.
PORTION = 1 << 18
#: Bytes of lines that are parsed together: what is worked out for their numbers stays near the processor. Of 64 to
#: 512 KiB this was quickest.
BLOCK = 1 << 17


def sniff(file: File) -> bool:
    """Lines of a word and numbers, as many in each; with a header, also when the first line is damaged."""
    return kind_of(file) == "text"


def read(file: File) -> Checkpoint:
    """Pass through the file and find its words; no value is parsed.

    Raises:
        DamagedFile: ``E-TEXT-LINE`` for a line with too few values; ``E-TRUNCATED`` and ``E-TRAILING`` when there are
            fewer or more lines than the header says.
    """
    path, header, layout = file.path, words_header(file), layout_of(file)
    if header and header.count * 2 * header.dim > file.size:
        raise cut_short(path, file.size, f": {header.count:,} lines of {header.dim:,} values do not fit into it")
    if layout is None:
        _refuse(path, 2, header.end if header else 0, f"it is no word and {header.dim if header else 'some'} numbers")
    words, line = Words(), 2 if header else 1
    for portion in _portions(file, layout.start):
        line = _take(words, layout, path, line, *portion)
    words.index.end = file.size
    if header and words.count < header.count:
        raise cut_short(path, file.size, "", f"{words.count:,} of {header.count:,} lines present")
    if header and words.count > header.count:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {words.count:,} lines where its header says {header.count:,}",
            path=path,
            help="correct the header, or take it away",
        )
    source = TextRows(path, layout, words.index)
    tensor = Tensor("vectors", (words.count, layout.dim), "float32", source=source, files=(path,))
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        {tensor.name: tensor},
        words.digest.hexdigest(),
        embedding=(tensor.name, "all that the file holds"),
        vocabulary=vocabulary_of(path, words),
    )


def _refuse(path: str, number: int, offset: int, problem: str) -> NoReturn:
    raise DamagedFile(
        "E-TEXT-LINE",
        f"{path}, line {number:,}: {problem}",
        path=path,
        offset=offset,
        help="copy or download the file again",
    )


def _portions(file: File, position: int) -> Iterator[tuple[int, bytes, int]]:
    """Portions of a file: their offsets, bytes, and how many of these are whole lines, without the last line's end."""
    portion = CHUNK if file.remote else PORTION
    length = portion
    while position < file.size:
        data = file.pread(position, min(length, file.size - position))
        if position + len(data) == file.size:
            yield position, data, len(data) - data.endswith(b"\n")
            return
        cut = data.rfind(b"\n")
        if cut >= 0:
            yield position, data, cut
            position, length = position + cut + 1, portion  # what is left is read once more: it is less than a line
        elif len(data) > MAX_LINE:
            raise DamagedFile(
                "E-TEXT-LINE",
                f"{file.path}: a line has more than {MAX_LINE:,} bytes",
                path=file.path,
                offset=position,
                help="copy or download the file again",
            )
        else:
            length = min(2 * length, MAX_LINE + 1)


def _take(words: Words, layout: Layout, path: str, line: int, base: int, data: bytes, size: int) -> int:
    """Take the lines of a portion of the file, ``size`` bytes from byte ``base``; gives the number of the next line."""
    separators = layout.dim - (layout.separator != layout.lead)
    # bytes.count takes four times as long
    is_separator = np.frombuffer(data, np.uint8, size) == ord(layout.separator)
    found, starts, ends = [], [], []
    start = 0
    while start <= size:
        end = data.find(b"\n", start, size)
        if end < 0:
            end = size
        stop = end
        if end > start and data[end - 1] in BLANK:  # a step for each of a long run of them would take minutes
            stop = start + len(data[start:end].rstrip(BLANK))
        if stop > start:
            count = int(np.count_nonzero(is_separator[start:stop]))
            place = data.find(layout.lead, start, stop) if count == separators else -1
            if place >= 0:
                word = data[start:place]
            else:
                parts = layout.split(data[start:stop])
                if parts is None:
                    problem = f"{count:,} values or fewer instead of {layout.dim:,}"
                    _refuse(path, line, base + start, problem)
                word = parts[0]
            found.append(word)
            starts.append(start)
            ends.append(end)
        line += 1
        start = end + 1
    words.add(base, found, starts, ends)
    return line


@dataclass(frozen=True)
class TextRows:
    """Rows of such a file, parsed when they are asked for.

    Attributes:
        path: the file.
        layout: how its lines are put together.
        index: where they lie.
    """

    path: str
    layout: Layout
    index: EntryIndex

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """float32 [n, dim]: the rows of ``ids`` (int64 [n], ascending).

        Raises:
            DamagedFile: ``E-TEXT-LINE`` for a value that is no number, or when the file was changed meanwhile.
        """
        # values beyond float32 become infinite, of which the user is told when the vectors are finished
        result = np.empty((len(ids), self.layout.dim), np.float32)
        wanted = ids.tolist()
        with File(self.path) as file, np.errstate(over="ignore"):
            done, size, lines = 0, 0, list[bytes]()
            for line in self.index.read(file, wanted, self._cut):
                lines.append(line)
                size += len(line)
                if size >= BLOCK or done + len(lines) == len(wanted):
                    self._parse(lines, result[done : done + len(lines)], wanted[done:])
                    done, size, lines = done + len(lines), 0, []
        return result

    def _parse(self, lines: list[bytes], result: NDArray[np.float32], ids: list[int]) -> None:
        layout = self.layout
        bodies = [line.rstrip(BLANK) for line in lines]
        # behind the first space, unless the word holds one: then the number of values is wrong
        rows = rows_of([body.partition(layout.lead)[2] for body in bodies], layout.dim, layout.separator)
        if rows is not None:
            result[:] = rows
            return
        for place, line in enumerate(lines):
            parts = layout.split(line)
            values = parts and numbers(parts[1])
            if not values:
                raise DamagedFile(
                    "E-TEXT-LINE",
                    f"{self.path}: the line of row {ids[place]:,} is no word and {layout.dim:,} numbers",
                    path=self.path,
                    help="copy or download the file again",
                )
            result[place] = np.array(values, np.float64)

    @staticmethod
    def _cut(run: bytes) -> list[bytes]:
        return [line for line in run.split(b"\n") if line.rstrip(BLANK)]
