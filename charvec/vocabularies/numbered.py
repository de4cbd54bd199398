r"""Lists of pieces with their ids: ``piece<TAB>id``, as ERNIE's, or ``id<TAB>piece``.

Source: PaddlePaddle/ERNIE, ``load_vocab``: the id column counts, not the number of the line; of a piece that stands
twice the last id is used. Lines end at ``\n`` only.
"""

from __future__ import annotations

import re

from charvec.errors import DamagedFile, WrongFile
from charvec.plumbing.files import File
from charvec.plumbing.spelling.listed import listed_vocabulary
from charvec.plumbing.spelling.piece_lists import read_lines
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "numbered"

_PIECE_ID = re.compile(r"(\t|[^\t]*)\t(\d{1,18})")
_ID_PIECE = re.compile(r"(\d{1,18})\t(\t|[^\t]*)")


def sniff(file: File) -> bool:
    """Lines of two columns, one of them of integers; most of the first lines must be so."""
    head = file.head
    if b"\0" in head:
        return False
    lines = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n")
    if file.size > len(head):
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines if line]
    for column in (_PIECE_ID, _ID_PIECE):
        fitting = [bool(column.fullmatch(line)) for line in lines]
        if fitting and fitting[0] and 2 * sum(fitting) > len(lines):
            return True
    return False


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the list.

    Raises:
        DamagedFile: ``E-VOCAB-ENTRY`` for a line that is no piece and id; and as
            :func:`charvec.plumbing.spelling.piece_lists.read_lines`.
        WrongFile: ``E-VOCAB-ENTRY`` when the numbers are counts.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_normalizer`.
    """
    path = file.path
    data, lines = read_lines(file)
    columns, piece, number = (_PIECE_ID, 1, 2) if _fits(lines, _PIECE_ID) else (_ID_PIECE, 2, 1)
    rows = []
    for place, line in enumerate(lines, 1):
        match = columns.fullmatch(line)
        if match:
            rows.append((match[piece], int(match[number])))
        elif line:
            raise DamagedFile(
                "E-VOCAB-ENTRY",
                f"{path}, line {place:,} is no piece and id",
                path=path,
                found=repr(line[:60]),
                help="download the file again, or correct the line",
            )
    ids = {row for _, row in rows}
    if 10 * len(ids) < 9 * len(rows) or max(ids, default=0) > 20 * len(rows) + 1000:
        raise WrongFile(
            "E-VOCAB-ENTRY",
            f"{path}: its numbers are no ids: {len(ids):,} different ones for {len(rows):,} pieces, up to {max(ids):,}",
            path=path,
            found="a list of counts, as it seems",
            help="name the list that says which row each piece has",
        )
    return listed_vocabulary(path, data, rows, lowercase)


def _fits(lines: list[str], column: re.Pattern[str]) -> bool:
    """Whether most lines are so."""
    return 2 * sum(bool(column.fullmatch(line)) for line in lines) > len(lines)
