"""Noun: how a character was found in a token embedding.

The order is the order of the rules: the first that applies wins. In a vector file a status is stored as its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from charvec.errors import UsageError

__all__ = ["DEFAULT_KEEP", "Status", "parse_keep"]


class Status(IntEnum):
    """How a character was found."""

    #: The model's own piece for the character as it stands inside running text.
    EXACT = 0
    #: Only the word-initial piece (``▁c``, ``Ġc``) exists.
    BOUNDARY = 1
    #: The model's own normaliser turns it into one other character that has a piece.
    NORMALIZED = 2
    #: Several whole-character pieces; the vector is the float32 mean of their rows.
    COMPOSED = 3
    #: Several byte-fragment pieces; the vector is the float32 mean of their rows.
    BYTES = 4
    #: A piece exists, but the model's own pipeline can never emit it.
    UNREACHABLE = 5
    #: The model's normaliser deletes it.
    REMOVED = 6
    #: The model would see its unknown token.
    UNKNOWN = 7
    #: The row id lies beyond the matrix.
    NO_ROW = 8

    @property
    def label(self) -> str:
        """The word users see, e.g. ``no-row``."""
        return self.name.lower().replace("_", "-")


#: Statuses written unless the user says otherwise.
DEFAULT_KEEP = (Status.EXACT, Status.BOUNDARY, Status.NORMALIZED, Status.COMPOSED)

_BY_LABEL = {status.label: status for status in Status}


def parse_keep(words: str | Iterable[str | Status]) -> tuple[Status, ...]:
    """Statuses from their labels, in order and without repetition.

    Args:
        words: labels separated by commas, or an iterable of labels or statuses.

    Raises:
        UsageError: ``E-KEEP`` for a word that is no status, or for one that has no row to keep.
    """
    items = words.split(",") if isinstance(words, str) else list(words)
    kept = set()
    for item in items:
        status = item if isinstance(item, Status) else _BY_LABEL.get(str(item).strip().lower())
        if status is None or status >= Status.REMOVED:
            why = "names no status" if status is None else "has no row that could be kept"
            raise UsageError(
                "E-KEEP",
                f"{str(item)!r} {why}",
                help="choose from " + ", ".join(s.label for s in Status if s < Status.REMOVED),
            )
        kept.add(status)
    return tuple(sorted(kept))
