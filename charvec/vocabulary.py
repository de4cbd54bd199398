"""Nouns: a vocabulary, which maps pieces to row ids, and the spelling of characters in row ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charvec.errors import Note
from charvec.status import Status
from charvec.valueclass import dataclass

__all__ = ["Speller", "Spelling", "Vocabulary"]


@dataclass(frozen=True)
class Spelling:
    """How characters are spelt in row ids.

    The ids of character i are ``row_ids[row_offsets[i]:row_offsets[i + 1]]``. Characters that the model deletes or does
    not know have none; the unknown token's id is never among them.

    Attributes:
        status: uint8 [n], values of :class:`~charvec.status.Status`.
        row_ids: int64 [m].
        row_offsets: int64 [n + 1], ascending from 0 to m.
        library: name and version of the library that normalised some of the characters; "" when none was asked.
    """

    status: NDArray[np.uint8]
    row_ids: NDArray[np.int64]
    row_offsets: NDArray[np.int64]
    library: str = ""

    @staticmethod
    def of(entries: list[tuple[Status, tuple[int, ...]]], library: str = "") -> Spelling:
        """From one (status, ids) pair for each character."""
        status = np.array([entry[0] for entry in entries], np.uint8)
        lengths = np.array([len(entry[1]) for entry in entries], np.int64)
        row_ids = np.array([row for entry in entries for row in entry[1]], np.int64)
        return Spelling(status, row_ids, np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), library)

    @staticmethod
    def of_single(
        rows: NDArray[np.int64], others: Mapping[int, tuple[Status, tuple[int, ...]]], library: str = ""
    ) -> Spelling:
        """From a row for each character, which makes it exact, or -1, which makes it unknown, but for some others.

        As :meth:`of`, a quarter of its time where there are few others.

        Args:
            rows: int64 [n].
            others: place -> status and ids, which count instead.
            library: as for :class:`Spelling`.
        """
        known = rows >= 0
        status = np.where(known, np.uint8(Status.EXACT), np.uint8(Status.UNKNOWN))
        lengths = known.astype(np.int64)
        for place, (each, ids) in others.items():
            status[place], lengths[place] = each, len(ids)
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
        row_ids = np.empty(offsets[-1], np.int64)
        single = lengths == 1
        row_ids[offsets[:-1][single]] = rows[single]
        for place, (_, ids) in others.items():
            row_ids[offsets[place] : offsets[place + 1]] = ids
        return Spelling(status, row_ids, offsets, library)

    def __len__(self) -> int:
        return len(self.status)

    def ids(self, place: int) -> tuple[int, ...]:
        """Row ids of the character at ``place``."""
        return tuple(self.row_ids[self.row_offsets[place] : self.row_offsets[place + 1]].tolist())

    def take(self, chosen: NDArray[np.bool_]) -> Spelling:
        """Only the characters where ``chosen`` (bool [n]) is true."""
        lengths = np.diff(self.row_offsets)
        return Spelling(
            self.status[chosen],
            self.row_ids[np.repeat(chosen, lengths)],
            np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int64),
            self.library,
        )

    def without_rows(self) -> Spelling:
        """Only the statuses."""
        none = np.zeros(len(self) + 1, np.int64)
        return Spelling(self.status, np.empty(0, np.int64), none, self.library)

    def beyond(self, rows: int) -> Spelling:
        """The same with status ``no-row`` for every character one of whose ids is not below ``rows``."""
        outside = np.concatenate(([0], np.cumsum((self.row_ids < 0) | (self.row_ids >= rows))))
        lost = outside[self.row_offsets[1:]] > outside[self.row_offsets[:-1]]
        status = np.where(lost, np.uint8(Status.NO_ROW), self.status)
        return Spelling(status, self.row_ids, self.row_offsets, self.library)


class Speller(Protocol):
    """How a tokenizer kind spells characters."""

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""


@dataclass(frozen=True)
class Vocabulary:
    """Pieces and their row ids, and how this kind of tokenizer spells a character.

    Attributes:
        path: the file it was read from.
        kind: tokenizer kind, e.g. ``wordpiece``.
        size: one more than the largest row id; of a vocabulary that tokens were added to later, before that.
        digest: BLAKE2b-256 (hex) of the file.
        spell: the rows of characters.
        settings: what decides the spelling besides the pieces, e.g. ``{"lowercase": True}``; stored in vector files.
        files: every file that was read, the vocabulary and configuration files beside it.
        notes: remarks for the user.
        extended: one more than the largest row id of tokens added later, 0 without any; the matrix need not have them.
        unused: rows of placeholders (``[unused7]``) in a vocabulary whose lines are its rows; their vectors were hardly
            ever trained, which tells a vocabulary that is shifted against its matrix.
    """

    path: str
    kind: str
    size: int
    digest: str
    spell: Speller
    settings: Mapping[str, bool | str | None]
    files: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    extended: int = 0
    unused: tuple[int, ...] = ()
