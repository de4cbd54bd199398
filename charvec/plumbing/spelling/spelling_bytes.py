"""Plumbing: spelling characters in pieces that are runs of bytes, as byte-level BPE does, and RWKV.

Shared by all files of such tokenizers that hold their pieces plainly. How a pipeline parts a text into words hardly
matters, because no pattern parts a character. What a character becomes, where that is a letter and its marks, most part
between the two, and some do not.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.spelling.segmenting import merge
from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["ByteSpeller", "Cut", "longest_first", "merged_by_rank", "nfc"]

#: Cuts a few bytes into pieces; what is no piece is for the caller to notice.
Cut = Callable[[bytes], list[bytes]]


def merged_by_rank(
    rank: Callable[[bytes, bytes], int | None], whole: Callable[[bytes], int | None] | None = None
) -> Cut:
    """Byte-pair encoding with a list of merges.

    Args:
        rank: how early two neighbours are merged, the smaller the earlier; None when they never are.
        whole: row id of a piece, where a text that is a piece is taken whole even if merging would not lead there.
    """

    def cut(data: bytes) -> list[bytes]:
        if whole is not None and whole(data) is not None:
            return [data]
        return merge([data[place : place + 1] for place in range(len(data))], rank)

    return cut


def longest_first(pieces: Container[bytes]) -> Cut:
    """From left to right the longest piece that fits; a byte that begins none stands alone."""

    def cut(data: bytes) -> list[bytes]:
        parts, start = [], 0
        while start < len(data):
            ends = range(len(data), start + 1, -1)
            end = next((end for end in ends if data[start:end] in pieces), start + 1)
            parts.append(data[start:end])
            start = end
        return parts

    return cut


class ByteSpeller:
    """Spells characters as they stand inside running text.

    Args:
        row: row id of a piece; None when there is no such piece.
        cut: cuts bytes into pieces.
        normalize: what a character becomes first; None when nothing is done to it.
        fixed: row id of pieces that are looked for before anything is done to the text.
        parted: whether what a character becomes is parted between letters and marks.
    """

    def __init__(
        self,
        row: Callable[[bytes], int | None],
        cut: Cut,
        normalize: Callable[[str], str] | None = None,
        fixed: Mapping[bytes, int] | None = None,
        parted: bool = True,
    ) -> None:
        self._row = row
        self._cut = cut
        self._normalize = normalize
        self._fixed = fixed or {}
        self._parted = parted

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        return Spelling.of([self._spell(chr(codepoint)) for codepoint in codepoints.tolist()])

    def _spell(self, char: str) -> tuple[Status, tuple[int, ...]]:
        if self._fixed and char.encode() in self._fixed:
            return Status.EXACT, (self._fixed[char.encode()],)
        text = char if self._normalize is None else self._normalize(char)
        data = text.encode()
        words = _words(text) if self._parted and len(text) > 1 else [data]
        parts = [part for word in words for part in self._cut(word)]
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
