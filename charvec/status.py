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


def parse_keep(words: str | Status | Iterable[str | Status]) -> tuple[Status, ...]:
    """Statuses from their labels, in order and without repetition.

    Args:
        words: labels separated by commas, one status, or an iterable of labels or statuses, which may be empty.

    Raises:
        UsageError: ``E-KEEP`` for a word that is no status, for one that has no row to keep, and for no word at all
            between commas.
    """
    if isinstance(words, str):
        words = words.split(",")
    try:
        items = [words] if isinstance(words, Status) else list(words)
    except TypeError:
        raise _not_kept(str(words)) from None
    kept = set()
    for item in items:
        status = item if isinstance(item, Status) else _BY_LABEL.get(str(item).strip().lower())
        if status is None or status >= Status.REMOVED:
            raise _not_kept(item)
        kept.add(status)
    return tuple(sorted(kept))


def _not_kept(item: str | Status) -> UsageError:
    choices = ", ".join(status.label for status in Status if status < Status.REMOVED)
    if not isinstance(item, Status) and not str(item).strip():
        return UsageError(
            "E-KEEP", "a status is missing", help=f"name at least one status, without a stray comma: {choices}"
        )
    known = isinstance(item, Status) or str(item).strip().lower() in _BY_LABEL
    why = "has no row that could be kept" if known else "names no status"
    return UsageError("E-KEEP", f"{str(item)!r} {why}", help=f"choose from {choices}")
