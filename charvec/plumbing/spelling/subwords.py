"""Plumbing: how fastText spells a character: by its own row, if the dictionary has it, and those of its n-grams.

Source: fastText ``dictionary.cc``, ``computeSubwords`` and ``hash``; Bojanowski et al. 2017, Enriching Word Vectors
with Subword Information. A word c is taken as ``<c>``; its n-grams of minn to maxn characters, but for the two brackets
alone, are hashed into buckets, whose rows follow those of the dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from charvec.status import Status
from charvec.valueclass import dataclass
from charvec.vocabulary import Spelling

__all__ = ["Subwords", "fnv1a"]

#: What ``Dictionary::readWord`` takes for the end of a word.
_SEPARATORS = frozenset(" \n\r\t\v\f\0")


@dataclass(frozen=True)
class Subwords:
    """Spells characters as fastText does, whose vector of a word is the mean of these rows.

    A character of the dictionary is ``exact``, whatever n-grams go with it, because the model learnt it; any other is
    ``composed`` of the n-grams it shares with others, or unknown where the model has none. What fastText splits text at
    is no part of a word, and so removed.

    Attributes:
        rows: character -> row of the dictionary.
        words: number of rows of the dictionary.
        shortest, longest: characters of an n-gram, the brackets counted.
        buckets: number of rows behind the dictionary.
    """

    rows: Mapping[str, int]
    words: int
    shortest: int
    longest: int
    buckets: int

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        entries: list[tuple[Status, tuple[int, ...]]] = []
        for codepoint in codepoints.tolist():
            char = chr(codepoint)
            row, ngrams = self.rows.get(char), self._ngrams(char)
            if row is not None:
                entries.append((Status.EXACT, (row, *ngrams)))
            elif char in _SEPARATORS:
                entries.append((Status.REMOVED, ()))
            else:
                entries.append((Status.COMPOSED, ngrams) if ngrams else (Status.UNKNOWN, ()))
        return Spelling.of(entries)

    def _ngrams(self, char: str) -> tuple[int, ...]:
        """Rows of the n-grams, in the order in which fastText adds them up; one may come twice."""
        units = (b"<", char.encode(), b">")
        if not self.buckets:
            return ()
        return tuple(
            self.words + fnv1a(b"".join(units[start:end])) % self.buckets
            for start in range(3)
            for end in range(start + 1, 4)
            # a bracket alone is none, unless it is the character itself
            if self.shortest <= end - start <= self.longest and (start, end) not in ((0, 1), (2, 3))
        )


def fnv1a(data: bytes) -> int:
    """32-bit FNV-1a with every byte taken as signed, which is what fastText's comes to."""
    value = 2166136261
    for byte in data:
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return value
