"""Plumbing: how SentencePiece, and what works like it, cuts a short normalised text into pieces.

Each way is a class whose objects turn a text into the parts it is cut into. Parts that are no piece are single
characters; what becomes of these is for the caller to say.

The texts are what one character is normalised to, at most some twenty characters, so nothing here is made for length.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import AnyStr, Protocol

import numpy as np

__all__ = ["Characters", "Cutter", "RankedMerges", "ScoredMerges", "Unigram", "Words", "merge"]

#: What an unknown character costs beyond the worst piece (SentencePiece, ``unigram_model.cc``).
UNKNOWN_PENALTY = 10.0
#: Score of a user-defined piece for each byte after its first, as measured on sentencepiece 0.2.3. Releases before 0.2
#: gave each the same score, which differs only where such pieces overlap.
USER_DEFINED_BONUS = 0.1


class Cutter(Protocol):
    """Cuts a text."""

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``, which is not empty; joined they give it back."""


class Unigram:
    """The most likely row of pieces: Kudo, "Subword Regularization", ACL 2018, section 3.1.

    Of rows that are equally likely the library keeps the one it meets first: beginnings from left to right, of each
    the shorter piece first. Sums are rounded to float32 after each step, as the library does.

    Args:
        scores: of every piece that may be used, its logarithmic probability (float32).
        user_defined: those of them that are always chosen where they stand.
    """

    def __init__(self, scores: Mapping[str, float], user_defined: Collection[str] = ()) -> None:
        self._scores = dict(scores)
        normal = [score for piece, score in scores.items() if piece not in user_defined]
        self._unknown = _float32(min(normal, default=float(np.finfo(np.float32).max)) - UNKNOWN_PENALTY)
        for piece in user_defined:
            # probabilities of pieces are below 1, their logarithms below 0: this beats them all
            self._scores[piece] = _float32(USER_DEFINED_BONUS * (len(piece.encode()) - 1))
        self._longest = max(map(len, scores), default=1)

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``."""
        # of each end: the score of the best row that leads there, and where its last piece begins
        best: list[tuple[float, int]] = [(0.0, 0)] + [(0.0, -1)] * len(text)
        for start in range(len(text)):
            here = best[start][0]
            for end in range(start + 1, min(len(text), start + self._longest) + 1):
                score = self._scores.get(text[start:end])
                if score is None:
                    if end > start + 1:
                        continue
                    score = self._unknown
                total = _float32(here + score)
                if best[end][1] < 0 or total > best[end][0]:
                    best[end] = (total, start)
        parts = []
        end = len(text)
        while end:
            start = best[end][1]
            parts.append(text[start:end])
            end = start
        return parts[::-1]


class ScoredMerges:
    """Byte-pair encoding without a list of merges: of all neighbours that form a piece, the best piece is merged first.

    Source: SentencePiece, ``bpe_model.cc``, and llama.cpp, which does the same.

    Args:
        scores: of every piece; the larger is merged first, of equal ones the leftmost.
        user_defined: pieces that are cut out beforehand, the longest first, and never merged with others.
        unused: pieces that are taken apart again.
    """

    def __init__(
        self, scores: Mapping[str, float], user_defined: Collection[str] = (), unused: Collection[str] = ()
    ) -> None:
        self._scores = scores
        self._user_defined = frozenset(user_defined)
        self._longest = max(map(len, user_defined), default=0)
        self._unused = frozenset(unused)

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``."""
        if len(text) == 1:
            return [text]
        parts, frozen = self._begin(text)
        merged: dict[str, tuple[str, str]] = {}
        while True:
            best = None
            for place in range(len(parts) - 1):
                score = self._scores.get(parts[place] + parts[place + 1])
                if score is None or frozen[place] or frozen[place + 1]:
                    continue
                if parts[place] + parts[place + 1] in self._unused:
                    merged[parts[place] + parts[place + 1]] = (parts[place], parts[place + 1])
                if best is None or score > best[0]:
                    best = (score, place)
            if best is None:
                break
            place = best[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
            del frozen[place]
        return [piece for part in parts for piece in _apart(part, merged)]

    def _begin(self, text: str) -> tuple[list[str], list[bool]]:
        """Single characters and user-defined pieces, and which part is one of the latter."""
        parts, frozen = [], []
        start = 0
        while start < len(text):
            ends = range(min(len(text), start + self._longest), start, -1)
            end = next((end for end in ends if text[start:end] in self._user_defined), 0)
            frozen.append(end > 0)
            end = end or start + 1
            parts.append(text[start:end])
            start = end
        return parts, frozen


def _apart(part: str, merged: Mapping[str, tuple[str, str]]) -> list[str]:
    """An unused piece as the parts it was merged from."""
    if part not in merged:
        return [part]
    left, right = merged[part]
    return _apart(left, merged) + _apart(right, merged)


class RankedMerges:
    """Byte-pair encoding with a list of merges, over characters.

    Args:
        rank: how early two neighbours are merged, the smaller the earlier; None when they never are.
        whole: pieces that are taken whole even if merging would not lead there.
    """

    def __init__(self, rank: Callable[[str, str], int | None], whole: Collection[str] = ()) -> None:
        self._rank = rank
        self._whole = whole

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``."""
        return [text] if text in self._whole else merge(list(text), self._rank)


def merge(parts: list[AnyStr], rank: Callable[[AnyStr, AnyStr], int | None]) -> list[AnyStr]:
    """Neighbours put together: those that are merged earliest first, of equal ones the leftmost.

    Args:
        parts: what is put together; changed.
        rank: how early two neighbours are merged, the smaller the earlier; None when they never are.
    """
    while len(parts) > 1:
        ranks = [rank(left, right) for left, right in pairwise(parts)]
        possible = [rank for rank in ranks if rank is not None]
        if not possible:
            break
        place = ranks.index(min(possible))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


class Characters:
    """Every character is a part of its own, but user-defined pieces stay whole.

    Args:
        user_defined: these pieces.
    """

    def __init__(self, user_defined: Collection[str] = ()) -> None:
        self._merges = ScoredMerges({}, user_defined)

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``."""
        return self._merges(text)


class Words:
    """A text without white space is one part.

    Args:
        space: the character that stands for white space; it begins a word, or ends one if ``suffix``.
        suffix: see ``space``.
    """

    def __init__(self, space: str, suffix: bool = False) -> None:
        self._space = space
        self._suffix = suffix

    def __call__(self, text: str) -> list[str]:
        """The parts of ``text``."""
        words = [""]
        for char in text:
            if char == self._space and not self._suffix and words[-1]:
                words.append("")
            words[-1] += char
            if char == self._space and self._suffix:
                words.append("")
        return [word for word in words if word]


def _float32(value: float) -> float:
    return float(np.float32(value))
