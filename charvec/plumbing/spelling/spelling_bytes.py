"""Plumbing: spelling characters in pieces that are runs of bytes, as byte-level BPE does.

Shared by all files of such tokenizers that hold their ranks plainly. How a pipeline parts a text into words hardly
matters, because no pattern parts a character; and those in use part what a character becomes, where that is a letter
and its marks, between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["ByteSpeller", "nfc"]


class ByteSpeller:
    """Spells characters as they stand inside running text.

    Args:
        row: row id of a piece; None when there is no such piece.
        rank: how early two neighbours are merged, the smaller the earlier; None when they never are.
        whole: whether a text that is a piece is taken whole, even if merging would not lead there.
        normalize: what a character becomes first; None when nothing is done to it.
        fixed: row id of pieces that are looked for before anything is done to the text.
    """

    def __init__(
        self,
        row: Callable[[bytes], int | None],
        rank: Callable[[bytes, bytes], int | None],
        whole: bool,
        normalize: Callable[[str], str] | None = None,
        fixed: Mapping[bytes, int] | None = None,
    ) -> None:
        self._row = row
        self._rank = rank
        self._whole = whole
        self._normalize = normalize
        self._fixed = fixed or {}

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        return Spelling.of([self._spell(chr(codepoint)) for codepoint in codepoints.tolist()])

    def _spell(self, char: str) -> tuple[Status, tuple[int, ...]]:
        if self._fixed and char.encode() in self._fixed:
            return Status.EXACT, (self._fixed[char.encode()],)
        text = char if self._normalize is None else self._normalize(char)
        data = text.encode()
        parts = self._cut(data) if len(text) == 1 else [part for word in _words(text) for part in self._cut(word)]
        rows = [self._row(part) for part in parts]
        known = tuple(row for row in rows if row is not None)
        if len(parts) == len(known) == 1:
            if len(text) > 1:
                return Status.COMPOSED, known
            return (Status.EXACT if text == char else Status.NORMALIZED), known
        word = b" " + data
        initial = self._row(word) if len(text) == 1 else None
        if initial is not None and self._cut(word) == [word]:
            return (Status.BOUNDARY if text == char else Status.NORMALIZED), (initial,)
        if len(known) < len(rows):
            own = self._row(char.encode())
            return (Status.UNKNOWN, ()) if own is None else (Status.UNREACHABLE, (own,))
        return (Status.COMPOSED if all(map(_is_text, parts)) else Status.BYTES), known

    def _cut(self, data: bytes) -> list[bytes]:
        """The pieces of a few bytes; of pairs that are merged equally early the leftmost goes first."""
        if self._whole and self._row(data) is not None:
            return [data]
        parts = [data[place : place + 1] for place in range(len(data))]
        while len(parts) > 1:
            ranks = [self._rank(left, right) for left, right in pairwise(parts)]
            possible = [rank for rank in ranks if rank is not None]
            if not possible:
                break
            place = ranks.index(min(possible))
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return parts


def _words(text: str) -> list[bytes]:
    """Runs of letters, and of anything else."""
    import unicodedata

    runs = groupby(text, lambda char: unicodedata.category(char)[0] == "L")
    return ["".join(run).encode() for _, run in runs]


def _is_text(part: bytes) -> bool:
    """Whether the bytes are whole characters."""
    try:
        part.decode()
    except UnicodeDecodeError:
        return False
    return True


def nfc(char: str) -> str:
    """Unicode's canonical composition of a character, which differs from it for a thousand ideographs and some more."""
    import unicodedata

    return unicodedata.normalize("NFC", char)
