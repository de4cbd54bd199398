"""Plumbing: vocabularies that map words to rows and nothing more: a character is found as it stands, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError
from charvec.status import Status
from charvec.valueclass import dataclass
from charvec.vocabulary import Spelling

__all__ = ["Dictionary", "one_character", "refuse_casing", "text_of"]


@dataclass(frozen=True)
class Dictionary:
    """Spells a character by its own row.

    Attributes:
        rows: character -> row id. Longer words may stand there as well; nobody asks for them.
        separators: characters at which texts are split into words; they count as removed unless they have a row.
    """

    rows: Mapping[str, int]
    separators: str = ""

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        chars = list(map(chr, codepoints.tolist()))
        rows = np.array([self.rows.get(char, -1) for char in chars], np.int64)
        others: dict[int, tuple[Status, tuple[int, ...]]] = {}
        if self.separators:
            for place in np.flatnonzero(rows < 0).tolist():
                if chars[place] in self.separators:
                    others[place] = (Status.REMOVED, ())
        return Spelling.of_single(rows, others)


def one_character(word: bytes) -> str | None:
    """The character that a word is; None for a longer word, and for bytes that are no UTF-8."""
    text = text_of(word) if len(word) <= 4 else None
    return text if text and len(text) == 1 else None


def text_of(word: bytes) -> str | None:
    """A word as text; None when it is no UTF-8."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        return None


def refuse_casing(path: str, lowercase: bool | None) -> None:
    """Refuse to change the casing of words that stand for themselves.

    Raises:
        UsageError: ``E-CASING`` unless ``lowercase`` is None.
    """
    if lowercase is not None:
        raise UsageError(
            "E-CASING",
            f"{path} maps words to rows as they stand; --cased and --uncased cannot change it",
            help="leave the option out (in Python: lowercase=None)",
        )
