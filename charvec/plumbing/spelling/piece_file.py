"""Plumbing: a SentencePiece file with fewer pieces.

Layout: :mod:`charvec.vocabularies.sentencepiece`; of ``trainer_spec`` also 4 vocab_size and 40 to 43, the ids of the
unknown piece, of begin, end and padding. Everything that is not about the pieces left out stays byte for byte.

Why texts are cut as before: ``sentencepiece`` puts a text together from pieces that stand in it, so one with a
character that no text holds never comes into question, neither in a row of pieces nor as the result of a merge. The
lowest score of the ordinary pieces decides what an unknown character costs in ``unigram_model.cc``, and the highest
what user-defined ones are worth in older releases; so one piece of each stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from charvec.plumbing.protobuf import I32, I64, LEN, VARINT, fields, signed
from charvec.plumbing.spelling.spelling_text import SPACE
from charvec.plumbing.spelling.typed_pieces import NORMAL, UNUSED

__all__ = ["kept_places", "without"]

#: Fields of the file, and of its part about training.
_PIECE, _TRAINER, _SELF_TEST = 1, 2, 4
_SIZE, _IDS = 4, range(40, 44)


def kept_places(pieces: Sequence[str], scores: Sequence[float], types: Sequence[int], chars: Iterable[str]) -> set[int]:
    """Places of the pieces that texts made of some characters can become, and of all that are no ordinary ones.

    Args:
        pieces: the text of each.
        scores: the score of each.
        types: the type of each.
        chars: characters as they are when the text is cut; white space may be among them or not.
    """
    known = {*chars, " ", SPACE}
    text = (NORMAL, UNUSED)
    kept = {place for place, kind in enumerate(types) if kind not in text or known.issuperset(pieces[place])}
    ordinary = [place for place, kind in enumerate(types) if kind == NORMAL]
    if ordinary:
        kept.add(min(ordinary, key=scores.__getitem__))
        kept.add(max(ordinary, key=scores.__getitem__))
    return kept


def without(data: bytes, kept: Collection[int]) -> bytes:
    """The file with the pieces of some places only, in their order.

    Its self-test, texts and the pieces they become, is left out: the file would fail in it.

    Raises:
        Malformed: when the bytes are no message.
    """
    kept = set(kept)
    parts = []
    number_of = place = 0
    new_places: dict[int, int] = {}
    for number, _, _ in fields(data):
        if number == _PIECE:
            if place in kept:
                new_places[place] = number_of
                number_of += 1
            place += 1
    place = 0
    for number, kind, value in fields(data):
        if number == _PIECE:
            if place in kept:
                parts.append(_field(number, kind, value))
            place += 1
        elif number == _TRAINER and kind == LEN:
            parts.append(_field(number, kind, _trainer(value, new_places)))
        elif number != _SELF_TEST:
            parts.append(_field(number, kind, value))
    return b"".join(parts)


def _trainer(data: bytes, new_places: dict[int, int]) -> bytes:
    """What is said of the training, with the new number of pieces and the new places of those it names."""
    parts = []
    for number, kind, value in fields(data):
        if kind == VARINT and number == _SIZE:
            value = len(new_places)
        elif kind == VARINT and number in _IDS and signed(value) >= 0:
            value = new_places.get(value, value)
        parts.append(_field(number, kind, value))
    return b"".join(parts)


def _field(number: int, kind: int, value: int | bytes) -> bytes:
    tag = _varint(number << 3 | kind)
    if isinstance(value, int):
        return tag + (_varint(value) if kind == VARINT else value.to_bytes({I32: 4, I64: 8}[kind], "little"))
    return tag + _varint(len(value)) + bytes(value)


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
