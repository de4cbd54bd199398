"""How much was left out for one reason, and where that happened first."""

from __future__ import annotations

from charvec.valueclass import dataclass

__all__ = ["Losses"]


@dataclass(frozen=True)
class Losses:
    """Unchangeable, so that a copy of what holds it is a snapshot.

    Attributes:
        count: how many.
        line: number of the line of the first, from 1.
        offset: byte offset of that line in the sample, None where it is not known.
        why: what was wrong with the first.
    """

    count: int = 0
    line: int = 0
    offset: int | None = None
    why: str = ""

    def __bool__(self) -> bool:
        return self.count > 0

    def more(self, line: int, offset: int | None = None, why: str = "", count: int = 1) -> Losses:
        """With ``count`` more of them; the place of the first stays."""
        if self.count:
            return Losses(self.count + count, self.line, self.offset, self.why)
        return Losses(count, line, offset, why)

    @property
    def place(self) -> str:
        """Where the first was, in words."""
        return f"line {self.line}" + (f", byte {self.offset}" if self.offset is not None else "")
