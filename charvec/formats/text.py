"""Plain text without a header: character, space, values, one character a line.

The layout of BERT-Vector's ``--fmt txt`` and of the ``.vec`` files that LatticeLSTM, NCRF++ and their relatives read.
Those readers split lines at any white space, so a character that is white space (U+3000, no-break space ...) would make
them crash or lose rows: such characters are left out and listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.plain import NUMBER, check_some, format_rows, from_pairs, parse_lines
from charvec.vectors import CharVectors

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "text"
SUFFIXES: tuple[str, ...] = (".txt",)
PROOF = ""
HOLDS = "float32 text"

# U+0000 is a key like any other, but a zero byte inside a longer one is a sign of a binary file
_KEY = rb"(\0|[^\0\n]+?)"
_LINE = re.compile(_KEY + rb" " + NUMBER + rb" " + NUMBER + rb"[ \r\n]")
_ONE_VALUE = re.compile(rb"([^\n]{1,4}) (" + NUMBER + rb") ?\r?\n")


def sniff(head: bytes) -> bool:
    """A first line of one key and two numbers or more; or of one character and one number, not both integers."""
    line = _LINE.match(head)
    if line:
        return _text(line[1]) is not None
    line = _ONE_VALUE.match(head)
    return line is not None and len(_text(line[1]) or "") == 1 and not (line[1] + line[2]).isdigit()


def _text(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file.

    Returns:
        white-space characters, which were left out.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when no line would be left: an empty file says nothing of what it is.
    """
    left_out = [char for char in vectors.chars if char.isspace()]
    check_some(len(vectors) - len(left_out), "a text file without a header")
    file.writelines(format_rows(vectors, set(left_out)))
    return left_out


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the file; the first line decides how many values a line has.

    Raises:
        DamagedFile: ``E-TEXT-LINE``, and as :func:`charvec.plumbing.arrays.plain.from_pairs`.
    """
    lines = data.split(b"\n")
    # the first line's key is not empty; what follows it are numbers
    dim = 0
    for part in reversed(lines[0].rstrip(b" \r").split(b" ")[1:]):
        if not re.fullmatch(NUMBER, part):
            break
        dim += 1
    if not dim:
        raise DamagedFile("E-TEXT-LINE", f"{path}, line 1: no values", path=path, help="copy or write the file again")
    return from_pairs(parse_lines(lines, dim, path, 1), path, NAME)
