r"""Plumbing: how a BertJapanese tokenizer spells characters, whose ``vocab.txt`` is no other than BERT's.

MeCab, Sudachi or Juman++ cuts a text, composed and widened or narrowed by NFKC, into words; these become WordPieces or
single characters. No accent is stripped and nothing is lower-cased unless the configuration says so. Where the words of
what one character becomes lie, only the dictionary of the program knows; so WordPieces of several are not told.

Source: transformers, ``tokenization_bert_japanese.py``, and what MeCab makes of all code points up to U+1FFFF.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["Japanese", "composes"]

#: What MeCab takes for the end of a word.
_WHITE = " \t\n\v"


def composes(config: Mapping[str, Any]) -> bool:
    """Whether a BertJapanese tokenizer makes words from the NFKC of a text, by its ``tokenizer_config.json``.

    MeCab, Sudachi and Juman++ do so unless they are told not to; the basic cutting at blanks does not.
    """
    words = config.get("word_tokenizer_type", "basic")
    options = config.get(f"{words}_kwargs") if isinstance(words, str) else None
    told = isinstance(options, dict) and options.get("normalize_text") is False
    return words != "basic" and config.get("do_word_tokenize") is not False and not told


class Japanese:
    """Spells characters as a BertJapanese tokenizer does.

    Args:
        pieces: piece -> row id.
        lowercase: whether text is lower-cased.
        composed: whether the words are made from the NFKC of a text.
        characters: whether words are cut into characters; else into WordPieces.
    """

    def __init__(self, pieces: Mapping[str, int], *, lowercase: bool, composed: bool, characters: bool) -> None:
        self.pieces = pieces
        self._lowercase = lowercase
        self._composed = composed
        self._characters = characters

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        return Spelling.of([self._spell(chr(codepoint)) for codepoint in codepoints.tolist()])

    def _spell(self, char: str) -> tuple[Status, tuple[int, ...]]:
        text = normalize("NFKC", char) if self._composed else char
        text = text.lower() if self._lowercase else text
        if self._characters:
            # this cutting composes whether or not the other does
            parts = [part for part in normalize("NFKC", text) if part not in _WHITE]
        else:
            parts = ["".join(text.split())] if text.strip() else []
        rows = [self.pieces.get(part) for part in parts]
        known = tuple(row for row in rows if row is not None)
        # a piece of several characters is one only if the dictionary has them as a word
        if known and len(known) == len(parts) and all(len(part) == 1 for part in parts):
            if len(parts) > 1:
                return Status.COMPOSED, known
            return (Status.EXACT if parts[0] == char else Status.NORMALIZED), known
        own = self.pieces.get(char)
        if own is not None:
            return Status.UNREACHABLE, (own,)
        return (Status.UNKNOWN if parts else Status.REMOVED), ()
