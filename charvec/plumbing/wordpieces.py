r"""Plumbing: WordPiece, how BERT's tokenizer spells characters; for every kind of file that holds such pieces.

Source: google-research/bert ``tokenization.py`` for the idea; where that code and the ``tokenizers`` library differ
(their Unicode versions do), ``tokenizers`` is followed, because it is what models are run with today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.normalizer import Normalizer
from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["WordPiece", "decide_casing"]

#: Longest word WordPiece looks up; a longer one becomes the unknown token.
MAX_WORD = 100


def decide_casing(normalizer: Normalizer, pieces: Mapping[str, int], lowercase: bool | None) -> str:
    """Decide whether text is lower-cased, where the files do not say it; returns why, for the user."""
    settings = normalizer.settings
    if lowercase is not None:
        settings["lowercase"] = lowercase
        return "you said so"
    if settings["lowercase"] is not None:
        return f"{normalizer.origin} says so"
    settings["lowercase"] = not any(chr(letter) in pieces for letter in range(ord("A"), ord("Z") + 1))
    has = "no" if settings["lowercase"] else "a"
    return f"inferred, it has {has} piece for a single letter A-Z (use --cased or --uncased if that is wrong)"


class WordPiece:
    """Spells characters as a BERT tokenizer does: normalise, split at white space and punctuation, cut greedily.

    Args:
        pieces: piece -> row id.
        settings: ``clean_text``, ``handle_chinese_chars``, ``strip_accents`` and ``lowercase`` of BERT's normaliser.
    """

    def __init__(self, pieces: Mapping[str, int], settings: Mapping[str, bool | None]) -> None:
        self.pieces = pieces
        self.settings = settings

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        plain = _is_inert(codepoints)
        if not self.settings["lowercase"]:
            plain |= (codepoints >= 0x41) & (codepoints <= 0x5A)
        entries: list[tuple[Status, tuple[int, ...]]] = []
        pipeline = None
        for codepoint, inert in zip(codepoints.tolist(), plain.tolist(), strict=True):
            char = chr(codepoint)
            row = self.pieces.get(char)
            if inert:
                entries.append((Status.UNKNOWN, ()) if row is None else (Status.EXACT, (row,)))
                continue
            if codepoint in _BLANK:
                words = []
            elif self.settings["lowercase"] and 0x41 <= codepoint <= 0x5A:
                words = [char.lower()]
            else:
                pipeline = pipeline or self._pipeline()
                words = pipeline(char)
            entries.append(self._classify(char, row, words))
        return Spelling.of(entries, _library() if pipeline else "")

    def _pipeline(self) -> Callable[[str], list[str]]:
        """The model's own way from a text to words, by the ``tokenizers`` library."""
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        normalize = BertNormalizer(
            clean_text=bool(self.settings["clean_text"]),
            handle_chinese_chars=bool(self.settings["handle_chinese_chars"]),
            strip_accents=self.settings["strip_accents"],
            lowercase=bool(self.settings["lowercase"]),
        ).normalize_str
        split = BertPreTokenizer().pre_tokenize_str

        def words(char: str) -> list[str]:
            text = normalize(char)
            # one character that is no white space is one word, whatever it is
            if len(text) == 1 and not text.isspace():
                return [text]
            return [word for word, _ in split(text)]

        return words

    def _classify(self, char: str, row: int | None, words: list[str]) -> tuple[Status, tuple[int, ...]]:
        rows: list[int] = []
        last = ""
        for word in words:
            cut = self._cut(word)
            if cut is None:
                return (Status.UNKNOWN, ()) if row is None else (Status.UNREACHABLE, (row,))
            rows += (self.pieces[piece] for piece in cut)
            last = cut[-1]
        if not rows:
            return (Status.REMOVED, ()) if row is None else (Status.UNREACHABLE, (row,))
        if len(rows) == 1 and len(last) == 1:
            return (Status.EXACT if last == char else Status.NORMALIZED), (rows[0],)
        return Status.COMPOSED, tuple(rows)

    def _cut(self, word: str) -> list[str] | None:
        """Longest match first; None when some part of the word is no piece, which makes the whole word unknown."""
        if len(word) > MAX_WORD:
            return None
        cut = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.pieces:
                    break
            else:
                return None
            cut.append(piece)
            start = end
        return cut


def _library() -> str:
    import tokenizers

    return f"tokenizers {tokenizers.__version__}"


# White space in every BERT tokenizer: deleted, whatever the settings.
_BLANK = frozenset((0x09, 0x0A, 0x0D, 0x20, 0x3000))

# Characters that every BERT normaliser leaves as they are: no decomposition, no lower case, no mark, no control, no
# white space, assigned since long. They need no look at the `tokenizers` library, whose import takes 25 ms of a 150 ms
# run. The tests hold every code point of this table against the library, for every combination of settings.
_SINGLE_KANA = (0x4D, 0x4F, 0x51, 0x53, 0x55, 0x57, 0x59, 0x5B, 0x5D, 0x5F, 0x61, 0x66, 0x68, 0x72, 0x75, 0x78, 0x7B)
_PLAIN_KANA = (
    *((0x41, 0x4B), (0x63, 0x64), (0x6A, 0x6F), (0x7E, 0x93)),
    *((kana, kana) for kana in _SINGLE_KANA),
)
_INERT = sorted(
    (
        (0x21, 0x40),  # ASCII up to @
        (0x5B, 0x7E),  # ASCII from [, with the small letters
        (0x2010, 0x2027),  # dashes, quotation marks, ellipsis
        (0x2030, 0x203B),
        (0x2460, 0x2473),  # circled numbers
        (0x2500, 0x257F),  # box drawing
        (0x25A0, 0x25FF),  # geometric shapes
        (0x3001, 0x3029),  # CJK punctuation
        *((0x3000 + first, 0x3000 + last) for first, last in _PLAIN_KANA),
        *((0x3060 + first, 0x3060 + last) for first, last in _PLAIN_KANA),
        (0x30FB, 0x30FD),
        (0x3400, 0x4DB5),  # CJK Extension A
        (0x4E00, 0x9FA5),  # the Unified Repertoire and Ordering
        (0xFF01, 0xFF20),  # fullwidth ASCII without the capital letters
        (0xFF3B, 0xFF5E),
    )
)
_INERT_STARTS = np.array([first for first, _ in _INERT], np.uint32)
_INERT_ENDS = np.array([last for _, last in _INERT], np.uint32)


def _is_inert(codepoints: NDArray[np.uint32]) -> NDArray[np.bool_]:
    place = np.searchsorted(_INERT_STARTS, codepoints, side="right") - 1
    inert: NDArray[np.bool_] = (place >= 0) & (codepoints <= _INERT_ENDS[np.maximum(place, 0)])
    return inert
