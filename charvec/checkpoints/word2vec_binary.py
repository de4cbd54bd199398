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
from charvec.plumbing.arrays.entries import CHUNK, EntryIndex
from charvec.plumbing.arrays.word_vectors import kind_of, vocabulary_of, words_header
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.spelling.dictionary import is_utf8, one_character
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["NAME", "read", "sniff"]

NAME = "word2vec-binary"

#: Longest word; the tools that write such files cut words at 100 bytes, or at none.
MAX_WORD = 1 << 16


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
    index, rows = EntryIndex(), dict[str, int]()
    digest = blake2b(b"%d %d\n" % (header.count, header.dim), digest_size=32)
    undecodable = doubles = 0
    buffer, base, place = b"", header.end, 0  # the buffer holds the bytes from `base` on; `place` is in the buffer
    for row in range(header.count):
        while (space := buffer.find(b" ", place)) < 0 or space + 1 + width > len(buffer):
            if space - place > MAX_WORD or (space < 0 and len(buffer) - place > MAX_WORD):
                raise DamagedFile(
                    "E-WORD2VEC",
                    f"{path}: no word ends where that of row {row:,} should",
                    path=path,
                    offset=base + place,
                    help="download the file again; if gensim wrote it, one of the words may hold a space",
                )
            base, buffer, place = base + place, buffer[place:], 0
            portion = min(max(CHUNK, width), file.size - base - len(buffer))
            if not portion:
                raise cut_short(path, file.size, "", f"{row:,} of {header.count:,} vectors present")
            buffer += file.pread(base + len(buffer), portion)
        word = buffer[place:space].lstrip(b"\n")
        digest.update(word + b"\n")
        index.mark(row, base + place)
        if char := one_character(word):
            if rows.setdefault(char, row) == row:
                index.keep(row, base + space + 1, base + space + 1 + width)
            else:
                doubles += 1
        elif not word.isascii() and not is_utf8(word):
            undecodable += 1
        place = space + 1 + width
    index.end = base + place
    if file.pread(index.end, min(2, file.size - index.end)).strip(b"\n") or file.size - index.end > 2:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {file.size - index.end:,} bytes after the last of its {header.count:,} vectors",
            path=path,
            offset=index.end,
            help="download the file again; if gensim wrote it, one of the words may hold a space",
        )
    source = BinaryRows(path, header.dim, index)
    tensor = Tensor("vectors", (header.count, header.dim), "float32", source=source, files=(path,))
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        {tensor.name: tensor},
        digest.hexdigest(),
        embedding=(tensor.name, "all that the file holds"),
        vocabulary=vocabulary_of(
            path, header.count, digest.hexdigest(), rows, bytes_words=undecodable, doubles=doubles
        ),
    )


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
        result = np.empty((len(ids), self.dim), "<f4")
        with File(self.path) as file:
            for place, raw in enumerate(self.index.read(file, ids.tolist(), self._cut)):
                result[place] = np.frombuffer(raw, "<f4")
        return result.astype(np.float32, copy=False)

    def _cut(self, run: bytes) -> list[bytes]:
        vectors, place, width = [], 0, 4 * self.dim
        while (space := run.find(b" ", place)) >= 0 and space + 1 + width <= len(run):
            vectors.append(run[space + 1 : space + 1 + width])
            place = space + 1 + width
        return vectors
