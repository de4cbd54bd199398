"""Plumbing: the words of a long file of word vectors, and where its entries lie, without a place kept for each of them.

Files of word vectors have no index; one pass from the beginning to the end finds every entry. What is kept of it are
the places of one-character words, the rows that are asked for, and one mark a mebibyte, from where any other entry is
found again. So memory depends on the number of characters, not of words.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.dictionary import text_of
from charvec.valueclass import dataclass, field

__all__ = ["CHUNK", "EntryIndex", "Words"]

#: Bytes read at once, and from mark to mark.
CHUNK = 1 << 20
#: Kept entries with so little between them are read together, as long as all take no more than this. More is slower:
#: the system takes such memory back whenever it is free; with 256 KiB, 5,000 lines meet 6,000 page faults more.
GAP, RUN = 1 << 15, 1 << 16


def _numbers() -> array[int]:
    return array("q")


@dataclass
class EntryIndex:
    """Where entries lie. Rows are numbered from 0 in the order of the file.

    Attributes:
        rows, starts, ends: rows whose place is known, ascending, and where their bytes begin and end.
        mark_rows, mark_starts: rows, ascending, from which others are found, and where they begin.
        end: where the last entry ends.
    """

    rows: array[int] = field(default_factory=_numbers)
    starts: array[int] = field(default_factory=_numbers)
    ends: array[int] = field(default_factory=_numbers)
    mark_rows: array[int] = field(default_factory=_numbers)
    mark_starts: array[int] = field(default_factory=_numbers)
    end: int = 0

    def keep(self, rows: list[int], starts: list[int], ends: list[int]) -> None:
        """Remember where rows lie; they come in ascending order."""
        self.rows.extend(rows)
        self.starts.extend(starts)
        self.ends.extend(ends)

    def mark(self, row: int, start: int) -> None:
        """Remember where a row begins if the last mark lies far enough behind."""
        if not self.mark_starts or start - self.mark_starts[-1] >= CHUNK:
            self.mark_rows.append(row)
            self.mark_starts.append(start)

    def starts_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """int64 [n]: where the entries of rows (int64 [n], ascending) begin; None unless all their places are known."""
        rows = np.frombuffer(self.rows, np.int64)
        places = np.minimum(np.searchsorted(rows, ids), len(rows) - 1)
        if not len(rows) or (rows[places] != ids).any():
            return None
        starts: NDArray[np.int64] = np.frombuffer(self.starts, np.int64)[places]
        return starts

    def read(self, file: File, ids: Iterable[int], cut: Callable[[bytes], list[bytes]]) -> Iterator[bytes]:
        """Bytes of entries, one after the other.

        Args:
            file: the file.
            ids: rows, ascending, each once.
            cut: takes the bytes from one mark to the next apart into what :meth:`keep` would have kept of each entry.

        Raises:
            CharvecError: as :meth:`charvec.plumbing.files.File.pread`.
            IndexError: when the file has fewer entries than it had.
        """
        run, entries = -1, list[bytes]()
        for row, places in self._together(ids):
            if places:
                base = self.starts[places[0]]
                data = file.pread(base, self.ends[places[-1]] - base)
                for place in places:
                    yield data[self.starts[place] - base : self.ends[place] - base]
                continue
            mark = bisect_right(self.mark_rows, row) - 1
            if mark != run:
                end = self.mark_starts[mark + 1] if mark + 1 < len(self.mark_starts) else self.end
                run, entries = mark, cut(file.pread(self.mark_starts[mark], end - self.mark_starts[mark]))
            yield entries[row - self.mark_rows[mark]]

    def _together(self, ids: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
        """Each row whose place is not known; in between, of kept rows, the places of those that are read together."""
        rows, starts, ends = self.rows, self.starts, self.ends
        places: list[int] = []
        low = reach = limit = 0
        for row in ids:
            place = bisect_left(rows, row, low)
            known = place < len(rows) and rows[place] == row
            if places and not (known and starts[place] <= reach and ends[place] <= limit):
                yield -1, places
                places = []
            if known:
                if not places:
                    limit = starts[place] + RUN
                places.append(place)
                low, reach = place + 1, ends[place] + GAP
            else:
                yield row, []
        if places:
            yield -1, places


class Words:
    """What is kept of one pass through the words of a file.

    Attributes:
        count: words so far.
        rows: character -> row, of words that are one character; of one that stands twice the first row.
        doubles: words of one character that stood there before.
        undecodable: words that are no UTF-8.
        index: where the entries lie.
        digest: of the words, each with a line end behind it.
    """

    def __init__(self, head: bytes = b"") -> None:
        """Begin the digest with ``head``."""
        self.count = self.doubles = self.undecodable = 0
        self.rows: dict[str, int] = {}
        self.index = EntryIndex()
        self.digest = blake2b(head, digest_size=32)

    def add(self, base: int, words: list[bytes], starts: list[int], ends: list[int]) -> None:
        """Add the words of a portion.

        Args:
            base: where in the file the portion begins, and with it the first entry.
            words: the words.
            starts: where, from there, the bytes begin that are kept of each entry.
            ends: where they end.
        """
        if not words:
            return
        self.index.mark(self.count, base)
        joined = b"\n".join(words)
        self.digest.update(joined + b"\n")
        texts: list[str | None] = []
        with suppress(UnicodeDecodeError):
            texts = [*joined.decode().split("\n")]
        if len(texts) != len(words):  # one is no UTF-8, or holds a line end
            texts = [text_of(word) for word in words]
            self.undecodable += texts.count(None)
        kept = []
        for place, char in [(place, text) for place, text in enumerate(texts) if text and len(text) == 1]:
            if self.rows.setdefault(char, self.count + place) == self.count + place:
                kept.append(place)
            else:
                self.doubles += 1
        self.index.keep(
            [self.count + place for place in kept],
            [base + starts[place] for place in kept],
            [base + ends[place] for place in kept],
        )
        self.count += len(words)
