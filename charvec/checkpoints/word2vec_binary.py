r"""Word vectors as ``word2vec -binary 1`` writes them, and gensim with ``binary=True``.

Layout (``word2vec.c``): the line "words dimensions"; then for each word its bytes, U+0020 and the values as
little-endian float32. The C tool adds ``\n`` after each vector, gensim does not. There is no index, so the file is
passed through once, from entry to entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, WrongFile
from charvec.plumbing.arrays.entries import CHUNK, EntryIndex, Words
from charvec.plumbing.arrays.word_vectors import kind_of, vocabulary_of, words_header
from charvec.plumbing.files import File, cut_short
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["NAME", "read", "sniff"]

NAME = "word2vec-binary"

#: Longest word; the tools that write such files cut words at 100 bytes, or at none.
MAX_WORD = 1 << 16
#: Bytes of a file on this machine that are read at once; a request to a server should bring more.
PORTION = 1 << 18


def sniff(file: File) -> bool:
    """A line of two integers, and no text behind it."""
    return kind_of(file) == "binary"


def read(file: File) -> Checkpoint:
    """Pass through the file and find its words.

    Raises:
        WrongFile: ``E-FORMAT`` when the header is none.
        DamagedFile: ``E-TRUNCATED``, ``E-TRAILING``; ``E-WORD2VEC`` when no word ends where one should.
    """
    path, header = file.path, words_header(file)
    if header is None:
        raise WrongFile("E-FORMAT", f"{path} does not begin with a header", path=path, help="name another file")
    width = 4 * header.dim
    if header.count * (1 + width) > file.size - header.end:
        raise cut_short(path, file.size, f": {header.count:,} vectors of {header.dim:,} values do not fit into it")
    words = Words(b"%d %d\n" % (header.count, header.dim))
    position, portion = header.end, CHUNK if file.remote else PORTION
    length = portion
    while words.count < header.count:
        data = file.pread(position, min(length, file.size - position))
        taken = _take(words, position, data, header.count - words.count, width)
        position += taken  # what is left is read once more: it is less than an entry
        if taken:
            length = portion
        elif len(data) > MAX_WORD and b" " not in data[: MAX_WORD + 1]:
            raise DamagedFile(
                "E-WORD2VEC",
                f"{path}: no word ends where that of row {words.count:,} should",
                path=path,
                offset=position,
                help="download the file again; if gensim wrote it, one of the words may hold a space",
            )
        elif position + len(data) == file.size:
            raise cut_short(path, file.size, "", f"{words.count:,} of {header.count:,} vectors present")
        else:
            length = min(2 * length, MAX_WORD + 1 + width)
    if file.pread(position, min(2, file.size - position)).strip(b"\n") or file.size - position > 2:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {file.size - position:,} bytes after the last of its {header.count:,} vectors",
            path=path,
            offset=position,
            help="download the file again; if gensim wrote it, one of the words may hold a space",
        )
    words.index.end = position
    source = BinaryRows(path, header.dim, words.index)
    tensor = Tensor("vectors", (header.count, header.dim), "float32", source=source, files=(path,))
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        {tensor.name: tensor},
        words.digest.hexdigest(),
        embedding=(tensor.name, "all that the file holds"),
        vocabulary=vocabulary_of(path, words),
    )


def _take(words: Words, base: int, data: bytes, most: int, width: int) -> int:
    """Take the entries that begin at byte ``base`` of the file, as far as they are whole; gives their bytes."""
    last = max(0, len(data) - width)  # before it the space has to stand
    begin = 0
    begins, spaces = [], []
    for _ in range(most):
        space = data.find(b" ", begin, last)
        if space < 0 or space - begin > MAX_WORD:
            break
        begins.append(begin)
        spaces.append(space)
        begin = space + 1 + width
    found = [data[begin:space].lstrip(b"\n") for begin, space in zip(begins, spaces, strict=True)]
    words.add(base, found, [space + 1 for space in spaces], [space + 1 + width for space in spaces])
    return begin


@dataclass(frozen=True)
class BinaryRows:
    """Rows of such a file.

    Attributes:
        path: the file.
        dim: values of a row.
        index: where the rows lie.
    """

    path: str
    dim: int
    index: EntryIndex

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """float32 [n, dim]: the rows of ``ids`` (int64 [n], ascending), bit for bit as stored."""
        starts = self.index.starts_of(ids)
        with File(self.path) as file:
            if starts is not None and not file.remote:
                values = np.empty((len(ids), self.dim), "<f4")
                begins = range(0, values.nbytes, 4 * self.dim)
                ends = range(4 * self.dim, values.nbytes + 1, 4 * self.dim)
                cells = values.reshape(-1).view(np.uint8).data
                file.pread_each(cells, zip(begins, ends, starts.tolist(), strict=True))
                return values.astype(np.float32, copy=False)
            raw = b"".join(self.index.read(file, ids.tolist(), self._cut))
        return np.frombuffer(raw, "<f4").reshape(len(ids), self.dim).astype(np.float32, copy=False)

    def _cut(self, run: bytes) -> list[bytes]:
        vectors, place, width = [], 0, 4 * self.dim
        while (space := run.find(b" ", place)) >= 0 and space + 1 + width <= len(run):
            vectors.append(run[space + 1 : space + 1 + width])
            place = space + 1 + width
        return vectors
