"""Plumbing: the vocabulary that pieces with ids of their own make, whatever file they stood in."""

from __future__ import annotations

from collections.abc import Sequence

from charvec.errors import Note
from charvec.plumbing.digests import blake2b
from charvec.plumbing.spelling.dictionary import Dictionary, refuse_casing
from charvec.plumbing.spelling.normalizer import read_normalizer
from charvec.plumbing.spelling.wordpieces import WordPiece, decide_casing
from charvec.vocabulary import Vocabulary

__all__ = ["SPECIALS", "listed_vocabulary"]

#: Pieces that a BERT has and a plain dictionary has not.
SPECIALS = frozenset(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))


def listed_vocabulary(path: str, data: bytes, rows: Sequence[tuple[str, int]], lowercase: bool | None) -> Vocabulary:
    """WordPiece where special tokens of BERT are among the pieces, as in ERNIE's lists; otherwise a dictionary.

    Args:
        path: the file.
        data: its bytes.
        rows: every piece and its id, in the order of the file; of a piece that stands twice the last counts, as in the
            programs that read such lists.
        lowercase: overrides what configuration files say about lower-casing, unless None.

    Returns:
        the vocabulary, its size being the number of ids: one may lie far beyond the matrix, and its piece has no row
        then.

    Raises:
        UsageError: ``E-CASING`` when ``lowercase`` is said of a dictionary, which has no such choice.
    """
    pieces = dict(rows)
    notes = _notes(path, rows, pieces)
    size, digest = len({row for _, row in rows}), blake2b(data, digest_size=32).hexdigest()
    if SPECIALS.isdisjoint(pieces):
        refuse_casing(path, lowercase)
        return Vocabulary(path, "dictionary", size, digest, Dictionary(pieces), {}, (path,), tuple(notes))
    normalizer = read_normalizer(path)
    why = decide_casing(normalizer, pieces, lowercase)
    settings = normalizer.settings
    casing = "uncased" if settings["lowercase"] else "cased"
    notes += [*normalizer.notes, Note("N-CASING", f"the vocabulary is {casing}: {why}", path)]
    files = (path, *normalizer.files)
    return Vocabulary(path, "wordpiece", size, digest, WordPiece(pieces, settings), settings, files, tuple(notes))


def _notes(path: str, rows: Sequence[tuple[str, int]], pieces: dict[str, int]) -> list[Note]:
    notes = []
    if len(pieces) < len(rows):
        twice = [(piece, row) for piece, row in rows if pieces[piece] != row]
        named = ", ".join(f"{piece!r} at {row} and {pieces[piece]}" for piece, row in twice[:5])
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        notes.append(Note("W-VOCAB-DUP", f"{path}: pieces that stand twice, the last id is used: {named}{more}", path))
    shared = len(pieces) - len(set(pieces.values()))
    if shared:
        notes.append(Note("W-VOCAB-DUP", f"{path}: {shared:,} pieces have the id of another piece", path))
    return notes
