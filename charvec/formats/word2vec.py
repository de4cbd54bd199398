"""word2vec text: a header line "characters dimensions", then character, space, values.

The layout that gensim, spaCy, fastText and fastNLP read. gensim splits at U+0020 and line feed only, so just these two
characters are left out, and the header counts what is really there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.plain import check_some, format_rows, from_pairs, parse_lines
from charvec.plumbing.arrays.word2vec_binary import HEADER, holds_text
from charvec.vectors import CharVectors

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "word2vec"
SUFFIXES: tuple[str, ...] = (".vec",)
PROOF = ""
HOLDS = "float32 text"

_LEAVE_OUT = (" ", "\n")


def sniff(head: bytes) -> bool:
    """A first line of two integers, and text behind it, if anything."""
    return holds_text(head)


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file.

    Returns:
        space and line feed where the vectors hold them; they were left out.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when no line would be left.
    """
    left_out = [char for char in vectors.chars if char in _LEAVE_OUT]
    check_some(len(vectors) - len(left_out), "a word2vec file")
    file.write(f"{len(vectors) - len(left_out)} {vectors.dim}\n".encode())
    file.writelines(format_rows(vectors, set(left_out)))
    return left_out


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the file.

    Raises:
        DamagedFile: ``E-TRUNCATED`` when there are fewer lines than the header says, ``E-TRAILING`` when there are
            more; ``E-TEXT-LINE``; and as :func:`charvec.plumbing.arrays.plain.from_pairs`.
    """
    header = HEADER.match(data)
    if not header:
        raise DamagedFile("E-TEXT-LINE", f"{path}, line 1: no header", path=path, help="copy or write the file again")
    count, dim = int(header[1]), int(header[2])
    lines = data[header.end() :].split(b"\n")
    present = sum(1 for line in lines if line)
    if present < count:
        raise DamagedFile(
            "E-TRUNCATED",
            f"{path} is cut short: {present:,} of {count:,} lines present",
            path=path,
            help="copy or write the file again",
        )
    if present > count:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {present:,} lines where its header says {count:,}",
            path=path,
            help="correct the header, or write the file again",
        )
    return from_pairs(parse_lines(lines, dim, path, 2), path, NAME)
