"""Noun: how much of the samples a model knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charvec.status import Status
from charvec.valueclass import dataclass

__all__ = ["Coverage", "Missing", "Share"]


@dataclass(frozen=True)
class Share:
    """Distinct characters and their occurrences in the samples."""

    distinct: int
    occurrences: int

    def __add__(self, other: Share) -> Share:
        return Share(self.distinct + other.distinct, self.occurrences + other.occurrences)


@dataclass(frozen=True)
class Coverage:
    """Distinct characters and occurrences for each status, and which of the statuses count as covered.

    The shares of all statuses add up to what the samples hold.

    Attributes:
        by_status: one :class:`Share` for each :class:`~charvec.status.Status`.
        kept: statuses that are written.
    """

    by_status: dict[Status, Share]
    kept: tuple[Status, ...]

    @staticmethod
    def of(status: NDArray[np.uint8], counts: NDArray[np.uint64], kept: tuple[Status, ...]) -> Coverage:
        """From the status (uint8 [n]) and count (uint64 [n]) of every character of the samples."""
        shares = {}
        for each in Status:
            mask = status == each
            shares[each] = Share(int(mask.sum()), int(counts[mask].sum()))
        return Coverage(shares, kept)

    @property
    def total(self) -> Share:
        """All characters of the samples."""
        return sum(self.by_status.values(), Share(0, 0))

    @property
    def written(self) -> Share:
        """Those whose status is kept."""
        return sum((self.by_status[status] for status in self.kept), Share(0, 0))

    @property
    def seen(self) -> Share:
        """Those that the model's normaliser does not delete; line ends and spaces are deleted by most models."""
        total, removed = self.total, self.by_status[Status.REMOVED]
        return Share(total.distinct - removed.distinct, total.occurrences - removed.occurrences)

    @property
    def occurrences(self) -> float:
        """Share of the occurrences that is covered, 0 to 1, of those that the model sees; 1 when it sees none."""
        seen = self.seen.occurrences
        return self.written.occurrences / seen if seen else 1.0

    @property
    def distinct(self) -> float:
        """Share of the distinct characters that is covered, 0 to 1, of those the model sees; 1 when it sees none."""
        seen = self.seen.distinct
        return self.written.distinct / seen if seen else 1.0

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "distinct": self.total.distinct,
            "occurrences": self.total.occurrences,
            "seen_distinct": self.seen.distinct,
            "seen_occurrences": self.seen.occurrences,
            "written_distinct": self.written.distinct,
            "written_occurrences": self.written.occurrences,
            "keep": [status.label for status in self.kept],
            "by_status": {
                status.label: {"distinct": share.distinct, "occurrences": share.occurrences}
                for status, share in self.by_status.items()
            },
        }


@dataclass(frozen=True)
class Missing:
    """One character that was not written.

    Attributes:
        char: the character.
        count: how often it occurs in the samples.
        status: why it was not written.
        rows: the row ids involved; none when the model deletes the character or does not know it.
    """

    char: str
    count: int
    status: Status
    rows: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "char": self.char,
            "codepoint": f"U+{ord(self.char):04X}",
            "count": self.count,
            "status": self.status.label,
            "rows": list(self.rows),
        }
