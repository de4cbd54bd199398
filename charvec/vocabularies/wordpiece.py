"""WordPiece: BERT's ``vocab.txt``, one piece a line, the line number is the row id."""

from __future__ import annotations

import re

from charvec.errors import Note
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.normalizer import read_normalizer
from charvec.plumbing.spelling.piece_lists import read_lines, row_notes
from charvec.plumbing.spelling.wordpieces import WordPiece, decide_casing
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "wordpiece"

_SPECIAL_LINE = re.compile(rb"^(?:\xef\xbb\xbf)?\[(?:PAD|UNK|CLS|SEP|MASK)\]\r?$", re.MULTILINE)


def sniff(file: File) -> bool:
    """A text one of whose first lines is a special token of BERT."""
    return b"\0" not in file.head and _SPECIAL_LINE.search(file.head) is not None


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read ``vocab.txt`` and, beside it, how its tokenizer normalises text.

    Raises:
        CharvecError: as :func:`charvec.plumbing.spelling.piece_lists.read_lines` and
            :func:`charvec.plumbing.spelling.normalizer.read_normalizer`.
    """
    path = file.path
    data, lines = read_lines(file)
    # Of a piece that stands twice the last line wins, as in every BERT implementation.
    pieces = {piece: row for row, piece in enumerate(lines)}
    normalizer = read_normalizer(path)
    why = decide_casing(normalizer, pieces, lowercase)
    settings = normalizer.settings
    casing = "uncased" if settings["lowercase"] else "cased"
    rows = [(piece, row) for row, piece in enumerate(lines)] if len(pieces) < len(lines) else []
    notes = [*row_notes(path, rows, pieces), *normalizer.notes]
    notes.append(Note("N-CASING", f"the vocabulary is {casing}: {why}", path))
    return Vocabulary(
        path,
        NAME,
        len(lines),
        blake2b(data, digest_size=32).hexdigest(),
        WordPiece(pieces, settings),
        settings,
        (path, *normalizer.files),
        tuple(notes),
        unused=_unused(pieces) if b"[unused" in data else (),
    )


def _unused(pieces: dict[str, int]) -> tuple[int, ...]:
    """Rows of ``[unused0]``, ``[unused1]`` and so on, ascending; they are numbered without a gap."""
    rows = [pieces["[unused0]"]] if "[unused0]" in pieces else []
    for number in range(1, len(pieces)):
        row = pieces.get(f"[unused{number}]")
        # a few lines may have been lost
        if row is None and not any(f"[unused{number + step}]" in pieces for step in range(1, 5)):
            break
        if row is not None:
            rows.append(row)
    return tuple(sorted(rows))
