"""Plumbing: spelling characters in pieces of text, where ``▁`` stands for white space.

Shared by all kinds of tokenizers that work so: SentencePiece's own files, and what other files hold of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.spelling.segmenting import Cutter
from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["SPACE", "TextSpeller"]

#: LOWER ONE EIGHTH BLOCK, which SentencePiece writes for white space.
SPACE = "\u2581"


class TextSpeller:
    """Spells characters as they stand inside running text: no dummy prefix, nothing collapsed.

    Args:
        rows: row id of every piece that text can become.
        cut: cuts a normalised text into parts.
        normalize: what a character becomes inside running text, white space as a plain space.
        byte_rows: row ids of the pieces for bytes 0 to 255, when unknown characters are spelt in these; else empty.
        others: row ids of pieces that text can never become, for telling what is unreachable.
        space: what white space is written as in pieces.
        suffix: white space belongs to the word before it, so that words end with it.
    """

    def __init__(
        self,
        rows: Mapping[str, int],
        cut: Cutter,
        normalize: Callable[[str], str],
        byte_rows: Sequence[int] = (),
        others: Mapping[str, int] | None = None,
        space: str = SPACE,
        suffix: bool = False,
    ) -> None:
        self.rows = rows
        self.others = others or {}
        self.byte_rows = byte_rows
        self._cut = cut
        self._normalize = normalize
        self._space = space
        self._suffix = suffix

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        return Spelling.of([self._spell(chr(codepoint)) for codepoint in codepoints.tolist()])

    def _spell(self, char: str) -> tuple[Status, tuple[int, ...]]:
        form = self._normalize(char)
        if " " in form:
            form = form.replace(" ", self._space)
        if not form:
            return self._absent(char, Status.REMOVED)
        # nothing can be cut from a single character
        parts = self._cut(form) if len(form) > 1 else [form]
        # white space at the edges belongs to the neighbours, unless there is nothing else
        if any(part != self._space for part in parts):
            while parts[0] == self._space:
                del parts[0]
            while parts[-1] == self._space:
                del parts[-1]
        rows = [self.rows.get(part) for part in parts]
        known = tuple(row for row in rows if row is not None)
        if len(known) == len(parts):
            if len(parts) > 1 or len(parts[0]) > 1:
                return Status.COMPOSED, known
            return (Status.EXACT if parts[0] == char else Status.NORMALIZED), known
        row = self._initial(form) if len(form) == 1 else None
        if row is not None:
            return (Status.BOUNDARY if form == char else Status.NORMALIZED), (row,)
        if not self.byte_rows:
            return self._absent(char, Status.UNKNOWN)
        spelt = []
        for part, row in zip(parts, rows, strict=True):
            spelt += [self.byte_rows[byte] for byte in part.encode()] if row is None else [row]
        return Status.BYTES, tuple(spelt)

    def _initial(self, form: str) -> int | None:
        """The row of the one piece that is this text at the beginning of a word, if there is one."""
        word = form + self._space if self._suffix else self._space + form
        return self.rows[word] if word in self.rows and self._cut(word) == [word] else None

    def _absent(self, char: str, status: Status) -> tuple[Status, tuple[int, ...]]:
        row = self.rows.get(char, self.others.get(char))
        return (status, ()) if row is None else (Status.UNREACHABLE, (row,))
