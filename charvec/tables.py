"""Noun: what every adapter hands to its framework: a matrix, the ids of its rows, and which of them is padding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.alignment import Aligned, Vocab, check_special, entries_of, row_count
from charvec.arguments import among, integer, listed
from charvec.errors import UsageError
from charvec.valueclass import dataclass

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["Default", "Table", "Vocab", "check_mode", "check_several", "ids", "layout", "table"]


class Default(Enum):
    """What an argument is when the caller said nothing; None has a meaning of its own."""

    PADDING = "the padding entry"


#: Characters that no text has; a longer one could not be in memory.
_LONGEST = 1 << 40


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of an embedding layer.

    Attributes:
        matrix: float32 [largest id + 1, dim], a copy of its own.
        pieces: id -> entry, in the order of the vocabulary.
        padding: the id whose row is zeros and gets no gradient, or None.
        unknown: the id of the entry for unknown characters, or None.
    """

    matrix: NDArray[np.float32]
    pieces: Mapping[int, str]
    padding: int | None
    unknown: int | None


def layout(chars: Sequence[str], pad: str, unk: str, pad_id: int, unk_id: int) -> dict[str, int]:
    """The work of :meth:`CharVectors.vocabulary`, which says what is what; same errors."""
    size = len(chars) + 2
    ids: list[int] = []
    for argument, given in (("pad_id", pad_id), ("unk_id", unk_id)):
        place = integer(given)
        if place is None or not -size <= place < size:
            raise UsageError(
                "E-VOCAB-IDS",
                f"{argument} is {given!r}, and there are {size:,} entries",
                help=f"say a number from 0 to {size - 1:,}, or a negative one to count from the end",
            )
        ids.append(place % size)
    if ids[0] == ids[1]:
        raise UsageError("E-VOCAB-IDS", f"pad_id and unk_id are both {ids[0]}", help="give each an id of its own")
    special = {ids[0]: pad, ids[1]: unk}
    rest = iter(chars)
    return {special[place] if place in special else next(rest): place for place in range(size)}


def ids(
    texts: Iterable[str],
    vocab: Vocab,
    *,
    pad: str = "<PAD>",
    unk: str | None = "<UNK>",
    length: int | None = None,
) -> NDArray[np.int32]:
    """The ids of the characters of texts, padded behind: what an embedding layer takes.

    Args:
        texts: several texts.
        vocab: entries and their ids, as :meth:`CharVectors.vocabulary` gives them or the caller's own.
        pad: the entry that fills up shorter texts.
        unk: the entry of characters that have none of their own; None gives them the id of ``pad``, so that a mean
            over what is not padding passes over them, as :meth:`CharVectors.encode` does.
        length: cut or pad all texts to this many characters; None for as many as the longest has.

    Returns:
        int32 [len(texts), length].

    Raises:
        UsageError: ``E-ARGUMENT`` for anything but several texts, and for a negative ``length``; ``E-VOCAB-IDS`` when
            ``pad`` or ``unk`` is no entry, and as :meth:`CharVectors.matrix_for`.
    """
    check_several(texts)
    several = listed(texts, "texts")
    for text in several:
        if not isinstance(text, str):
            raise UsageError("E-ARGUMENT", f"{str(text)[:100]} is no text", help="give a list of str")
    width = max(map(len, several), default=0) if length is None else integer(length)
    if width is None or not 0 <= width < _LONGEST:
        raise UsageError("E-ARGUMENT", f"length={length!r} is no number of characters", help="say how many, or None")
    if pad is None:
        raise UsageError("E-VOCAB-IDS", "shorter texts need an entry to be padded with", help="name it with pad=")
    entries = entries_of(vocab)
    check_special(entries, pad=pad, unk=unk)
    row_count(entries, 1)
    rows = dict(entries)
    padding, unknown = rows[pad], rows[pad if unk is None else unk]
    result = np.full((len(several), width), padding, np.int32)
    for line, text in zip(result, several, strict=True):
        kept = text[:width]
        line[: len(kept)] = [rows.get(char, unknown) for char in kept]
    return result


def check_several(texts: object) -> None:
    """Refuse one text where a list belongs: it would be taken for a list of characters.

    Raises:
        UsageError: ``E-ARGUMENT``.
    """
    if isinstance(texts, str):
        raise UsageError("E-ARGUMENT", "one text was given, where several are expected", help="put it into a list")


def check_mode(argument: str, mode: object) -> None:
    """Refuse what an adapter that adds rows up, or takes their mean, cannot do.

    Raises:
        UsageError: ``E-POOLING``, which names the argument.
    """
    if not among(mode, ("mean", "sum")):
        raise UsageError("E-POOLING", f"{argument}={mode!r} is no pooling", help="choose mean or sum")


def table(
    vectors: CharVectors,
    vocab: Vocab | None = None,
    *,
    pad: str | None = None,
    unk: str | None = None,
    pad_id: int | None = None,
    unk_id: int | None = None,
    padding_idx: int | Default | None = Default.PADDING,
    missing: Literal["zeros", "unk", "mean", "normal", "error"] = "zeros",
    seed: int = 0,
) -> Table:
    """Rows for each entry of a vocabulary. Every adapter takes these arguments and means the same by them.

    Args:
        vectors: as :func:`charvec.load` gives them.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`.
        pad: the entry for padding; with ``vocab=None`` it is ``<PAD>`` by itself.
        unk: the entry for unknown characters; with ``vocab=None`` it is ``<UNK>`` by itself.
        pad_id: with ``vocab=None`` the id of ``pad``, 0 by itself; -1 for the last one.
        unk_id: with ``vocab=None`` the id of ``unk``, 1 by itself.
        padding_idx: the id of padding, also counted from the end, or None for none. When it is not given, it is the id
            of ``pad``, and without a ``pad`` it is 0.
        missing: what the rows of entries without a vector are, as for :meth:`CharVectors.matrix_for`.
        seed: as there.

    Raises:
        UsageError: as :meth:`CharVectors.matrix_for` and :meth:`CharVectors.vocabulary`; ``E-ARGUMENT`` for ``pad_id``
            or ``unk_id`` beside a ``vocab``, which has ids already, and when ``padding_idx`` is no integer;
            ``E-PADDING`` when ``padding_idx``, given or not, is the id of an entry other than ``pad`` whose row would
            be lost: a character, ``unk``, or one that ``missing`` filled.
        WrongFile: ``E-NO-VECTOR``, as :meth:`CharVectors.matrix_for`.
        IndexError: when ``padding_idx`` is no row.
    """
    if vocab is None:
        pad = "<PAD>" if pad is None else pad
        unk = "<UNK>" if unk is None else unk
        vocab = vectors.vocabulary(
            pad, unk, pad_id=0 if pad_id is None else pad_id, unk_id=1 if unk_id is None else unk_id
        )
    elif pad_id is not None or unk_id is not None:
        raise UsageError(
            "E-ARGUMENT", "pad_id and unk_id place entries, but vocab has its ids", help="name its entries: pad=, unk="
        )
    aligned = vectors.matrix_for(vocab, pad=pad, unk=unk, missing=missing, seed=seed)
    pieces = {row: piece for piece, row in entries_of(vocab)}
    if isinstance(padding_idx, Default):
        padding_idx = _row_of(pieces, pad) if pad is not None else 0 if pieces else None
    if padding_idx is not None:
        place = integer(padding_idx)
        if place is None:
            raise UsageError("E-ARGUMENT", f"padding_idx={padding_idx!r} is no integer", help="give an id, or None")
        padding_idx = range(len(aligned.matrix))[place]
        _check_padding(pieces, aligned, padding_idx, pad=pad, unk=unk)
        aligned.matrix[padding_idx] = 0
    return Table(aligned.matrix, pieces, padding_idx, _row_of(pieces, unk))


def _row_of(pieces: Mapping[int, str], name: str | None) -> int | None:
    return None if name is None else next((row for row, piece in pieces.items() if piece == name), None)


def _check_padding(pieces: Mapping[int, str], aligned: Aligned, row: int, *, pad: str | None, unk: str | None) -> None:
    """Refuse to zero a row that means something.

    Args:
        pieces: the entry of each id.
        aligned: the matrix, and which entries have vectors.
        row: the id to be zeroed.
        pad: the entry whose row is zeros anyhow.
        unk: the entry for unknown characters.

    Raises:
        UsageError: ``E-PADDING``.
    """
    piece: Any = pieces.get(row)
    if piece is None or piece == pad:
        return
    if piece == unk or piece in aligned.found or aligned.matrix[row].any():
        raise UsageError(
            "E-PADDING",
            f"id {row} would be padding, but it is the id of {piece!r}, whose vector would be lost",
            help="name the padding entry with pad=, give its id as padding_idx, or say padding_idx=None",
        )
