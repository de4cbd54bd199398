"""Plumbing: the model of a ``tokenizer.json``: what type it is, its pieces and their row ids, checked."""

from __future__ import annotations

from typing import Any

from charvec.errors import Note
from charvec.plumbing.spelling.normalizer import refuse

__all__ = ["KINDS", "MAX_ID", "MAX_PIECES", "check_merges", "row_notes", "rows_of", "type_of"]

#: Limits against hostile files; the largest published vocabularies have about 1,000,000 pieces.
MAX_PIECES = 5_000_000
#: No matrix has more rows.
MAX_ID = 2**31

#: How the model is named in vector files, by its type.
KINDS = {"WordPiece": "wordpiece", "WordLevel": "wordlevel", "BPE": "bpe", "Unigram": "unigram"}


def type_of(model: dict[str, Any], path: str) -> str:
    """The type of a model; files of before 2021 do not say it."""
    kind = model.get("type")
    if kind is None:
        if "merges" in model:
            kind = "BPE"
        elif isinstance(model.get("vocab"), list):
            kind = "Unigram"
        else:
            kind = "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"
    if not isinstance(kind, str) or kind not in KINDS:
        refuse(path, f"a model of the type {str(kind)[:40]!r}; known are {', '.join(KINDS)}", "upgrade charvec")
    if kind == "BPE":
        merges = model.get("merges")
        if not isinstance(merges, list) or len(merges) > 2 * MAX_PIECES:
            refuse(path, "the merges are no list")
        if not all(merge.count(" ") == 1 if isinstance(merge, str) else _is_pair(merge) for merge in merges):
            refuse(path, "some merge is not two pieces")
    if kind == "Unigram":
        unknown, vocab = model.get("unk_id"), model.get("vocab")
        count = len(vocab) if isinstance(vocab, list) else 0
        if unknown is not None and not (type(unknown) is int and 0 <= unknown < count):
            refuse(path, f"the unknown token is at {str(unknown)[:40]}, where the vocabulary has no piece")
    elif not isinstance(model.get("unk_token"), (str, type(None))):
        refuse(path, "the unknown token is no text")
    return kind


def check_merges(model: dict[str, Any], pieces: dict[str, int], path: str) -> None:
    """Refuse merges of another vocabulary."""
    prefix = len(str(model.get("continuing_subword_prefix") or ""))
    for merge in model["merges"]:
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        if first not in pieces or second not in pieces or first + second[prefix:] not in pieces:
            refuse(
                path,
                f"the merge of {first[:40]!r} and {second[:40]!r} is not in the vocabulary",
                "vocabulary and merges belong to different models, or one was edited; download them together again",
            )


def _is_pair(merge: Any) -> bool:
    return isinstance(merge, list) and len(merge) == 2 and isinstance(merge[0], str) and isinstance(merge[1], str)


def rows_of(vocab: Any, path: str, kind: str) -> list[tuple[str, int]]:
    """Pieces of a model of this type and their row ids, in the order of the file."""
    if kind == "Unigram":
        if not isinstance(vocab, list):
            refuse(path, "the vocabulary is no list of pieces and scores")
        for entry in vocab:
            if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and _finite(entry[1])):
                refuse(path, f"{str(entry)[:80]!r} is no piece with its score")
        rows = [(piece, row) for row, (piece, _) in enumerate(vocab)]
    else:
        if not isinstance(vocab, dict):
            refuse(path, "the vocabulary is no object of pieces and ids")
        for piece, row in vocab.items():
            if type(row) is not int or not 0 <= row < MAX_ID:
                refuse(path, f"the id of {piece[:80]!r} is {str(row)[:40]}, no row of a matrix")
        rows = list(vocab.items())
    if not rows or len(rows) > MAX_PIECES:
        refuse(path, f"a vocabulary of {len(rows):,} pieces")
    return rows


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def row_notes(rows: list[tuple[str, int]], pieces: dict[str, int], path: str) -> tuple[Note, ...]:
    """What a user should know of rows and pieces that stand twice."""
    owners: dict[int, str] = {}
    shared = []
    for piece, row in pieces.items():
        if owners.setdefault(row, piece) is not piece:
            shared.append(f"{owners[row]!r} and {piece!r} have row {row}")
    shared += [f"{piece!r} at rows {row} and {pieces[piece]}" for piece, row in rows if pieces[piece] != row]
    if not shared:
        return ()
    more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
    return (Note("W-VOCAB-DUP", f"{path}: rows or pieces that stand twice: {', '.join(shared[:5])}{more}", path),)
