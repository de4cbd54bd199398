"""Plain text without a header: character, space, values, one character a line.

The layout of BERT-Vector's ``--fmt txt`` and of the ``.vec`` files that LatticeLSTM, NCRF++ and their relatives read. Those readers
split lines at any white space, so a character that is white space (U+3000, no-break space ...) would make them crash or lose
rows: such characters are left out and listed.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from charvec.errors import DamagedFile
from charvec.plain import format_rows, from_pairs, parse_lines
from charvec.vectors import CharVectors

__all__ = ["NAME", "SUFFIXES", "read", "sniff", "write"]

NAME = "text"
SUFFIXES = (".txt",)

_NUMBER = rb"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)"
_LINE = re.compile(rb"[^\n]+? " + _NUMBER + rb" " + _NUMBER + rb"[ \r\n]")
_HEADER = re.compile(rb"\d+ \d+ ?\r?\n")


def sniff(head: bytes) -> bool:
    """A first line of one key and at least two numbers."""
    return b"\0" not in head and _LINE.match(head) is not None and not _HEADER.match(head)


def write(vectors: CharVectors, file: BinaryIO) -> list[str]:
    """Write the file.

    Returns:
        white-space characters, which were left out.
    """
    left_out = [char for char in vectors.chars if char.isspace()]
    file.writelines(format_rows(vectors, set(left_out)))
    return left_out


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the file; the first line decides how many values a line has.

    Raises:
        DamagedFile: ``E-TEXT-LINE``, and as :func:`charvec.plain.from_pairs`.
    """
    lines = data.split(b"\n")
    # the first line's key is not empty; what follows it are numbers
    dim = 0
    for part in reversed(lines[0].rstrip(b" \r").split(b" ")[1:]):
        if not re.fullmatch(_NUMBER, part):
            break
        dim += 1
    if not dim:
        raise DamagedFile("E-TEXT-LINE", f"{path}, line 1: no values", path=path, help="copy or write the file again")
    return from_pairs(parse_lines(lines, dim, path, 1), path, NAME)
