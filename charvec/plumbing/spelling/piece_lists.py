r"""Plumbing: the lines of a vocabulary that is a list of pieces, and what to say of pieces that stand twice.

Lines are split at ``\n`` only, and nothing is stripped but one ``\r`` before it: the Chinese BERT vocabulary holds
U+2028 as a piece, which ``str.splitlines`` would take for a line end and ``str.strip`` would delete, shifting every
later row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from charvec.errors import DamagedFile, Note, WrongFile
from charvec.plumbing.files import File

__all__ = ["read_lines", "row_notes"]

#: Limits against hostile files; the largest published WordPiece vocabularies have about 500,000 pieces.
MAX_BYTES = 64_000_000
MAX_PIECES = 5_000_000


def read_lines(file: File) -> tuple[bytes, list[str]]:
    """The bytes of a list of pieces, and its lines.

    Raises:
        DamagedFile: ``E-VOCAB-ENCODING`` when it is not UTF-8.
        WrongFile: ``E-TOO-LARGE``.
    """
    path = file.path
    data = file.whole(MAX_BYTES, "a vocabulary")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFile(
            "E-VOCAB-ENCODING",
            f"{path} is not UTF-8: bad byte at offset {error.start}",
            path=path,
            offset=error.start,
            help="some editor converted it; download it again",
        ) from None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()  # the empty rest after the last line end
    if "\r" in text:
        lines = [line[:-1] if line.endswith("\r") else line for line in lines]
    if len(lines) > MAX_PIECES:
        raise WrongFile(
            "E-TOO-LARGE",
            f"{path} has {len(lines):,} lines; a vocabulary has less than {MAX_PIECES:,}",
            path=path,
            help="check that it is the file you meant",
        )
    return data, lines


def row_notes(path: str, rows: Sequence[tuple[str, int]], pieces: Mapping[str, int]) -> list[Note]:
    """What a user should know of pieces that stand twice, and of a blank one.

    Args:
        path: the vocabulary.
        rows: every piece and its row id, in the order of the file.
        pieces: piece -> the row id that is used.
    """
    notes = []
    if len(pieces) < len(rows):
        twice = [(piece, row) for piece, row in rows if pieces[piece] != row]
        named = ", ".join(f"{piece!r} at rows {row} and {pieces[piece]}" for piece, row in twice[:5])
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        notes.append(Note("W-VOCAB-DUP", f"{path}: pieces that stand twice, the last row is used: {named}{more}", path))
    if "" in pieces:
        notes.append(Note("W-VOCAB-BLANK", f"{path}: line {pieces[''] + 1} is blank; it keeps its row", path))
    return notes
