"""Plumbing: which pieces of a tokenizer can come up in texts made of given characters only.

Keeping all of them, and every merge that makes one of them, leaves the pieces of each such text as they were:

* WordPiece, Unigram and BPE put a text together from pieces that stand in it, so a piece with a character that no such
  text holds never comes into question; a merge of BPE whose result holds one never applies.
* Unigram charges an unknown character a penalty below the lowest score of all pieces, so the piece with that score
  stays.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from charvec.plumbing.spelling.byte_alphabet import BYTES
from charvec.plumbing.spelling.tokenizer_document import Document

__all__ = ["kept_merges", "kept_pieces", "normalised"]

#: Characters that may melt into the one before them in a normaliser: combining marks, vowels and final consonants of
#: hangul, the half-width voice marks of kana.
_JAMO = range(0x1160, 0x1200)
_VOICE = (0xFF9E, 0xFF9F)


def normalised(chars: Iterable[str], normalize: Callable[[str], str]) -> set[str]:
    """Characters that a normaliser can make of texts made of some characters.

    Each by itself, and with every mark among them behind it, twice over, as in ``e``, ``ê``, ``ế``.
    """
    chars = sorted(set(chars))
    marks = [char for char in chars if unicodedata.combining(char) or ord(char) in _JAMO or ord(char) in _VOICE]
    found = {char for each in chars for char in normalize(each)}
    bases = chars
    for _ in range(2 if marks else 0):
        made = {char for base in bases for mark in marks for char in normalize(base + mark)}
        bases = sorted(made - found)
        found |= made
    return found


def kept_pieces(document: Document, chars: Iterable[str]) -> set[str]:
    """Pieces of the model's own vocabulary that texts made of some characters can become.

    Args:
        document: the tokenizer.
        chars: characters as the normaliser leaves them.
    """
    known = {*chars, " ", "▁"}
    fits = _fits_bytes(known) if document.byte_level else _fits_text(known, document)
    kept = {piece for piece in document.pieces if fits(piece)}
    kept |= {piece for piece in document.pieces if _is_byte(piece)}
    if document.byte_level:
        kept |= {piece for piece in document.pieces if len(piece) == 1 and piece in BYTES}
    if document.type == "Unigram":
        lowest = min(document.model["vocab"], key=lambda entry: entry[1])
        kept.add(lowest[0])
    for token in (document.model.get("unk_token"), document.model.get("pad_token")):
        if isinstance(token, str) and token in document.pieces:
            kept.add(token)
    if document.type == "Unigram" and document.unknown is not None:
        kept.add(document.model["vocab"][document.unknown][0])
    return kept


def kept_merges(merges: Iterable[tuple[str, str]], kept: set[str], prefix: str = "") -> list[int]:
    """Places of the merges whose parts and result are kept.

    Args:
        merges: pairs of pieces, in their order.
        kept: the pieces.
        prefix: what stands before pieces inside a word, dropped from the second part of a merge.
    """
    return [
        place
        for place, (one, two) in enumerate(merges)
        if one in kept and two in kept and one + two.removeprefix(prefix) in kept
    ]


def _is_byte(piece: str) -> bool:
    """Whether it is a piece of byte fallback, ``<0x0A>``."""
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _fits_text(known: set[str], document: Document) -> Callable[[str], bool]:
    prefix = str(document.model.get("continuing_subword_prefix") or "")
    suffix = document.suffix

    def fits(piece: str) -> bool:
        # a piece that looks like one inside a word may as well be text that holds the mark itself
        whole = known.issuperset(piece)
        inner = piece[len(prefix) :] if prefix and piece.startswith(prefix) else piece
        if suffix and inner.endswith(suffix):
            inner = inner[: -len(suffix)]
        return whole or (known.issuperset(inner) and bool(inner or piece))

    return fits


def _fits_bytes(known: set[str]) -> Callable[[str], bool]:
    """Whether a piece can stand in the UTF-8 of such texts, from the middle of a character to that of another."""
    forms = [char.encode() for char in known]
    parts = {form[start:end] for form in forms for start in range(4) for end in range(start + 1, len(form) + 1)}
    tails = {form[start:] for form in forms for start in range(1, len(form))} | {b""}
    heads = {form[:end] for form in forms for end in range(1, len(form))} | {b""}

    def fits(piece: str) -> bool:
        try:
            data = bytes(BYTES[char] for char in piece)
        except KeyError:
            return False
        if data in parts:
            return True
        start = next((place for place, byte in enumerate(data) if byte & 0xC0 != 0x80), len(data))
        if data[:start] not in tails:
            return False
        rest = data[start:]
        for cut in range(min(4, len(rest) + 1)):
            middle, end = (rest[: len(rest) - cut], rest[len(rest) - cut :])
            try:
                text = middle.decode()
            except UnicodeDecodeError:
                continue
            if end in heads and known.issuperset(text):
                return True
        return False

    return fits
