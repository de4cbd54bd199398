"""Plumbing: word2vec's binary layout, written and read whole.

Layout (``word2vec.c``): the line "words dimensions"; then for each word its bytes, U+0020, the values as little-endian
float32, and a line feed, which gensim leaves out when it writes and skips when it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.keyed_rows import KeyedRows
from charvec.plumbing.arrays.plain import NUMBER

__all__ = ["HEADER", "chunks", "holds_text", "parse"]

HEADER = re.compile(rb"(\d{1,12}) (\d{1,7}) ?\r?\n")
#: Bytes of a key; longer ones are no words.
MAX_KEY = 1 << 16
_NUMBER = re.compile(NUMBER)
#: A key, cut off perhaps; or one without U+0020, and bytes that numbers are made of, ``nan`` and ``infinity`` too.
_NUMERIC = re.compile(rb"(?:[^\x01-\x08\x0e-\x1f ]*|[^ ]* [-+0-9.eEaAfFiInNtTyY \r]*)")


def holds_text(head: bytes) -> bool:
    """Whether what follows the header is text, as far as ``head`` goes; so it is where nothing follows."""
    match = HEADER.match(head)
    if not match:
        return False
    line = head[match.end() :].partition(b"\n")[0]
    values = line.rstrip(b" \r").rsplit(b" ", int(match[2]))[1:]
    # keys may be spaces, and lines damaged; four bytes that mean a number as float32 are rarely digits
    return _NUMERIC.fullmatch(line) is not None or (
        len(values) == int(match[2]) and all(map(_NUMBER.fullmatch, values))
    )


def chunks(rows: KeyedRows) -> Iterator[bytes]:
    """The file, a word at a time."""
    yield f"{len(rows.keys)} {rows.dim}\n".encode()
    for key, row in zip(rows.keys, np.ascontiguousarray(rows.matrix, "<f4"), strict=True):
        yield key.encode() + b" " + row.tobytes() + b"\n"


def parse(data: bytes, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Words and their values, float32 [dimensions].

    Raises:
        DamagedFile: ``E-WORD2VEC`` for a header or a word that is none; ``E-TRUNCATED``, ``E-TRAILING``.
    """

    def refuse(code: str, problem: str, offset: int) -> NoReturn:
        raise DamagedFile(
            code,
            f"{path}: {problem}",
            path=path,
            offset=offset,
            help="copy or write the file again; if gensim wrote it, one of the words may hold a space",
        )

    header = HEADER.match(data)
    if not header:
        refuse("E-WORD2VEC", "it does not begin with a line of two numbers", 0)
    count, dim, place = int(header[1]), int(header[2]), header.end()
    width = 4 * dim
    if count * (1 + width) > len(data) - place:
        refuse("E-TRUNCATED", f"cut short: {count:,} vectors of {dim:,} values do not fit into it", len(data))
    for number in range(count):
        space = data.find(b" ", place, place + MAX_KEY)
        if space < 0:
            refuse("E-WORD2VEC", f"no word ends where that of row {number:,} should", place)
        if space + 1 + width > len(data):
            refuse("E-TRUNCATED", f"cut short: {number:,} of {count:,} vectors present", len(data))
        try:
            key = data[place:space].lstrip(b"\n").decode()
        except UnicodeDecodeError:
            # tools cut words at a number of bytes; what is left of such a word is no character
            key = "\ufffd\ufffd"
        yield key, np.frombuffer(data, "<f4", dim, space + 1)
        place = space + 1 + width
    if data[place:] not in (b"", b"\n", b"\r\n"):
        refuse("E-TRAILING", f"{len(data) - place:,} bytes follow the last of its {count:,} vectors", place)
