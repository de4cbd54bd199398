"""Plumbing: a progress bar by bytes, shown on a terminal only.

tqdm takes 40 ms to import, a quarter of a short run, so it is imported only when a bar is really shown.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

__all__ = ["Bar", "Progress", "Silent", "bar"]


class Progress(Protocol):
    """What a long job reports to."""

    def start(self, total: int | None, what: str = "scan") -> None:
        """Begin ``what``; ``total`` is the number of bytes to come, None when unknown."""

    def advance(self, count: int) -> None:
        """So many bytes more are done."""

    def close(self) -> None:
        """The job is over; may be called twice."""


class Silent:
    """Shows nothing."""

    def start(self, total: int | None, what: str = "scan") -> None:
        """Nothing to show."""

    def advance(self, count: int) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to close."""


class Bar:
    """tqdm's bar on standard error: bytes, rate, remaining time."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, total: int | None, what: str = "scan") -> None:
        """Show the bar."""
        from tqdm import tqdm

        self._bar = tqdm(
            total=total, unit="B", unit_scale=True, unit_divisor=1024, desc=what, leave=False, dynamic_ncols=True
        )

    def advance(self, count: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(count)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def bar(*, quiet: bool = False) -> Progress:
    """A bar where a person is watching, else silence."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    return Bar() if watched and not quiet else Silent()
