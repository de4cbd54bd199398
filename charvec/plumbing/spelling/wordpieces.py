r"""Plumbing: WordPiece, how BERT's tokenizer spells characters; for every kind of file that holds such pieces.

Source: google-research/bert ``tokenization.py`` for the idea; where that code and the ``tokenizers`` library differ
(their Unicode versions do), ``tokenizers`` is followed, because it is what models are run with today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.spelling.normalizer import Normalizer
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
    has, what = "a", "for a single letter A-Z"
    if not any(chr(letter) in pieces for letter in range(ord("A"), ord("Z") + 1)):
        has = "no"
        # lower-casing takes Hangul syllables apart, so that none of them would ever be seen whole
        parts = any(chr(jamo) in pieces for jamo in range(0x1100, 0x1113))
        if not parts and any(len(piece) == 1 and "\uac00" <= piece <= "\ud7a3" for piece in pieces):
            has, what = "a", "for a whole Hangul syllable, and none for its parts"
    settings["lowercase"] = has == "no"
    return f"inferred, it has {has} piece {what} (use --cased or --uncased if that is wrong)"


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
        rows = [self.pieces.get(chr(codepoint), -1) for codepoint in codepoints.tolist()]
        inert = _is_inert(codepoints)
        others: dict[int, tuple[Status, tuple[int, ...]]] = {}
        pipeline = None
        for place in np.flatnonzero(~inert).tolist():
            codepoint, row = int(codepoints[place]), rows[place]
            words = self._known_words(codepoint)
            if words is None:
                pipeline = pipeline or self._pipeline()
                words = pipeline(chr(codepoint))
            others[place] = self._classify(chr(codepoint), None if row < 0 else row, words)
        return Spelling.of_single(np.array(rows, np.int64), others, _library() if pipeline else "")

    def _known_words(self, codepoint: int) -> list[str] | None:
        """What becomes of a character by rules that need no library; None where it must be asked."""
        char, lowercase = chr(codepoint), self.settings["lowercase"]
        if codepoint in _BLANK:
            return []
        if any(first <= codepoint <= last for first, last in _CASED):
            return [char.lower() if lowercase else char]
        if codepoint in _PRIVATE:
            return [] if self.settings["clean_text"] else [char]
        if codepoint in _KANA:
            decomposed = normalize("NFD", char)
            if decomposed[1:] in _VOICE_MARKS:
                strip = self.settings["strip_accents"]
                return [decomposed[0] if (lowercase if strip is None else strip) else char]
        return None

    def _pipeline(self) -> Callable[[str], list[str]]:
        """The model's own way from a text to words, by the ``tokenizers`` library."""
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        normalise = BertNormalizer(
            clean_text=bool(self.settings["clean_text"]),
            handle_chinese_chars=bool(self.settings["handle_chinese_chars"]),
            strip_accents=self.settings["strip_accents"],
            lowercase=bool(self.settings["lowercase"]),
        ).normalize_str
        split = BertPreTokenizer().pre_tokenize_str

        def words(char: str) -> list[str]:
            text = normalise(char)
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

# Most texts have only characters of the tables below, and then the `tokenizers` library, whose import takes 6 ms of a
# run of 170, need not be asked. The tests hold every code point of them against it, for every combination of settings.

# Capital letters of which lower-casing makes one other letter, and which nothing else changes: Latin, Greek, Cyrillic,
# Roman numerals, fullwidth.
_CASED = (
    *((0x41, 0x5A), (0x391, 0x3A1), (0x3A3, 0x3A9), (0x410, 0x418), (0x41A, 0x42F), (0x2160, 0x216F)),
    (0xFF21, 0xFF3A),
)
# Private use: what is cleaned away when text is cleaned at all.
_PRIVATE = range(0xE000, 0xF900)
# Kana with a mark for the voice, which goes with the accents.
_KANA = range(0x3041, 0x30FF)
_VOICE_MARKS = ("\u3099", "\u309a")

# Characters that every BERT normaliser leaves as they are: no decomposition, no lower case, no mark, no control, no
# white space, assigned since long.
_SINGLE_KANA = (0x4D, 0x4F, 0x51, 0x53, 0x55, 0x57, 0x59, 0x5B, 0x5D, 0x5F, 0x61, 0x66, 0x68, 0x72, 0x75, 0x78, 0x7B)
_PLAIN_KANA = (
    *((0x41, 0x4B), (0x63, 0x64), (0x6A, 0x6F), (0x7E, 0x93)),
    *((kana, kana) for kana in _SINGLE_KANA),
)
_INERT = sorted(
    (
        (0x21, 0x40),  # ASCII up to @
        (0x5B, 0x7E),  # ASCII from [, with the small letters
        *((0xA1, 0xAC), (0xAE, 0xBF), (0xD7, 0xD7), (0xDF, 0xDF), (0xF7, 0xF7)),  # signs of Latin-1
        *((0x3B1, 0x3C9), (0x430, 0x438), (0x43A, 0x44F)),  # small Greek and Cyrillic letters
        *((0x2010, 0x2027), (0x2030, 0x205E)),  # dashes, quotation marks, ellipsis
        *((0x2100, 0x2125), (0x2170, 0x217F)),  # letter-like signs, small Roman numerals
        *((0x2190, 0x2199), (0x220D, 0x2223), (0x2225, 0x2225), (0x2227, 0x2240)),  # arrows, mathematics
        *((0x2264, 0x226C), (0x2286, 0x2287), (0x2295, 0x22AB), (0x22B0, 0x22DF)),
        *((0x2460, 0x24B5), (0x24D0, 0x24FF)),  # numbers and letters in circles and brackets
        (0x2500, 0x26FF),  # box drawing, geometric shapes, signs
        (0x3001, 0x3029),  # CJK punctuation
        *((0x3000 + first, 0x3000 + last) for first, last in _PLAIN_KANA),
        *((0x3060 + first, 0x3060 + last) for first, last in _PLAIN_KANA),
        (0x30FB, 0x30FD),
        (0x3105, 0x312D),  # Bopomofo
        *((0x3220, 0x3243), (0x3280, 0x32B0), (0x3300, 0x33FF)),  # ideographs in brackets, units
        (0x3400, 0x4DB5),  # CJK Extension A
        (0x4E00, 0x9FBB),  # the Unified Repertoire and Ordering
        *((0xFE30, 0xFE52), (0xFE54, 0xFE66), (0xFE68, 0xFE6B)),  # punctuation of other forms
        (0xFF01, 0xFF20),  # fullwidth ASCII without the capital letters
        *((0xFF3B, 0xFF5E), (0xFF61, 0xFF9F), (0xFFE0, 0xFFE6)),  # halfwidth kana, fullwidth signs
        *((0x1F300, 0x1F64F), (0x1F680, 0x1F6C5)),  # emoji
        (0x20000, 0x2A6D6),  # CJK Extension B
    )
)
_INERT_STARTS = np.array([first for first, _ in _INERT], np.uint32)
_INERT_ENDS = np.array([last for _, last in _INERT], np.uint32)


def _is_inert(codepoints: NDArray[np.uint32]) -> NDArray[np.bool_]:
    place = np.searchsorted(_INERT_STARTS, codepoints, side="right") - 1
    inert: NDArray[np.bool_] = (place >= 0) & (codepoints <= _INERT_ENDS[np.maximum(place, 0)])
    return inert
