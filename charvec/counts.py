"""Noun: which characters occur in the samples, how often, and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import an
from charvec.errors import Note, UsageError
from charvec.valueclass import dataclass, field

__all__ = ["UNICODE_SIZE", "Counts", "Samples", "Total", "add_accounts", "as_counts", "characters"]

#: Number of code points, U+0000 to U+10FFFF.
UNICODE_SIZE = 0x110000


def characters(codepoints: NDArray[np.uint32]) -> list[str]:
    """The code points as strings of one character each."""
    return [chr(codepoint) for codepoint in codepoints.tolist()]


@dataclass(frozen=True)
class Samples:
    """What was scanned.

    Attributes:
        files: number of files read, also those read in part.
        bytes: bytes read, as they lie in the files.
        characters: characters counted.
        bad_bytes: bytes that could not be decoded and were left out.
        skipped: number of inputs not read at all.
        hidden: number of hidden files and folders passed over.
        ignored: number of files and folders passed over because a ``.gitignore`` says so.
        excluded: number of files and folders passed over because the user said so.
        problems: one note for each input that was skipped or damaged, in the order of reading.
        remarks: notes that lose nothing.
        settings: how they were read, by the names of :func:`charvec.scan`'s arguments; what was left at its default is
            not there.
    """

    files: int = 0
    bytes: int = 0
    characters: int = 0
    bad_bytes: int = 0
    skipped: int = 0
    hidden: int = 0
    ignored: int = 0
    excluded: int = 0
    problems: tuple[Note, ...] = ()
    remarks: tuple[Note, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every input was read to its last byte."""
        return not self.problems

    def __add__(self, other: Samples) -> Samples:
        return Samples.together((self, other))

    @staticmethod
    def together(reports: Iterable[Samples]) -> Samples:
        """The sum of several reports, their notes one after the other."""
        reports = tuple(reports)
        numbers = {name: sum(getattr(each, name) for each in reports) for name in _NUMBERS}
        problems = tuple(note for each in reports for note in each.problems)
        remarks = tuple(note for each in reports for note in each.remarks)
        settings = next((each.settings for each in reports if each.settings), {})
        return Samples(**numbers, problems=problems, remarks=remarks, settings=settings)


_NUMBERS = ("files", "bytes", "characters", "bad_bytes", "skipped", "hidden", "ignored", "excluded")


@dataclass(frozen=True, eq=False)
class Counts(Mapping[str, int]):
    """Characters and how often each occurs: a read-only mapping, ordered by code point.

    ``counts["字"]`` is a number (KeyError when the character does not occur), ``a + b`` adds two of them, and what was
    left out of each.

    Attributes:
        codepoints: uint32 [n], ascending, each once.
        occurrences: uint64 [n], each at least 1.
        samples: where they come from.
        graphemes: grapheme cluster -> how often it occurs, when these were counted as well; else None.
        left_out: what :func:`charvec.select` left out, by filter: its setting, distinct characters, occurrences. In a
            sum a character left out of both is counted among the distinct ones twice.
    """

    codepoints: NDArray[np.uint32]
    occurrences: NDArray[np.uint64]
    samples: Samples = field(default_factory=Samples)
    graphemes: Mapping[str, int] | None = None
    left_out: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def none() -> Counts:
        """No characters at all."""
        return Counts(np.zeros(0, np.uint32), np.zeros(0, np.uint64))

    @staticmethod
    def from_table(table: NDArray[np.integer], samples: Samples | None = None) -> Counts:
        """From a table with one count for each code point, from U+0000 on to any other."""
        codepoints = np.flatnonzero(table).astype(np.uint32)
        return Counts(codepoints, table[codepoints].astype(np.uint64), samples or Samples())

    @staticmethod
    def of_text(text: str) -> Counts:
        """Each character of a text once, however often it stands there.

        Raises:
            ValueError: for a surrogate.
        """
        text = "".join(dict.fromkeys(text))
        try:
            encoded = text.encode("utf-32-le")
        except UnicodeEncodeError as error:
            raise ValueError(f"{text[error.start]!r} is not one character") from None
        codepoints = np.sort(np.frombuffer(encoded, "<u4").astype(np.uint32))
        return Counts(codepoints, np.ones(len(codepoints), np.uint64), Samples(characters=len(codepoints)))

    @staticmethod
    def from_mapping(counts: Mapping[str, int]) -> Counts:
        """From e.g. a ``collections.Counter`` of characters; zero counts are dropped.

        Raises:
            ValueError: for a key that is not one character, a surrogate, and for a count that is negative, beyond
                uint64, or no whole number; 2.0 is one.
        """
        items: list[tuple[int, int]] = []
        for key, value in counts.items():
            if not isinstance(key, str) or len(key) != 1 or 0xD800 <= ord(key) < 0xE000:
                raise ValueError(f"{key!r} is not one character")
            number = int(value) if type(value) in (int, bool) else _whole(value)
            if number is None or not 0 <= number < 1 << 64:
                raise ValueError(f"the count of {key!r} is {value!r}")
            if number:
                items.append((ord(key), number))
        items.sort()
        codepoints = np.array([codepoint for codepoint, _ in items], np.uint32)
        values = np.array([value for _, value in items], np.uint64)
        return Counts(codepoints, values, Samples(characters=int(values.sum())))

    def __getitem__(self, char: str) -> int:
        if isinstance(char, str) and len(char) == 1:
            place = int(np.searchsorted(self.codepoints, np.uint32(ord(char))))
            if place < len(self.codepoints) and self.codepoints[place] == ord(char):
                return int(self.occurrences[place])
        raise KeyError(char)

    def __iter__(self) -> Iterator[str]:
        return iter(characters(self.codepoints))

    def __len__(self) -> int:
        return len(self.codepoints)

    def __add__(self, other: object) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        table = _added(_added(np.zeros(0, np.uint64), self), other)
        graphemes = _add_mappings(self.graphemes, other.graphemes)
        left_out = add_accounts(self.left_out, other.left_out)
        return replace(Counts.from_table(table, self.samples + other.samples), graphemes=graphemes, left_out=left_out)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counts):
            return NotImplemented
        return np.array_equal(self.codepoints, other.codepoints) and np.array_equal(self.occurrences, other.occurrences)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Counts of {len(self):,} distinct characters, {int(self.occurrences.sum()):,} in all>"


def _whole(value: object) -> int | None:
    """A count of another type, such as the floats of a data frame, as an int; None when it is no whole number."""
    from charvec.arguments import integer, real

    number = integer(value)
    if number is None:
        wide = real(value)
        return int(wide) if wide is not None and wide.is_integer() else None
    return number


def as_counts(counts: object, call: str) -> Counts:
    """What a function was given as counts.

    Args:
        counts: what :func:`charvec.scan` gave, or any mapping from characters to numbers.
        call: the function and its arguments, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else, such as the path of a sample; ``E-COUNTS``.
    """
    if isinstance(counts, Counts):
        return counts
    if not isinstance(counts, Mapping):
        raise UsageError(
            "E-ARGUMENT",
            f"{call}: {an(counts)} holds no counts",
            help=f"the order is {call}; charvec.scan(SAMPLES) counts files and folders, charvec.count(TEXTS) texts",
        )
    try:
        return Counts.from_mapping(counts)
    except (OverflowError, TypeError, ValueError) as error:
        raise UsageError("E-COUNTS", str(error), help="keys are single characters, values are counts") from None


def add_accounts(before: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    """Two accounts of what was left out: numbers added, of a filter used twice the later setting."""
    total = dict(before)
    for key, value in account.items():
        if isinstance(value, Mapping):
            total[key] = add_accounts(total.get(key, {}), value)
        else:
            total[key] = value + total.get(key, 0) if key in ("distinct", "occurrences") else value
    return total


def _add_mappings(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> Mapping[str, int] | None:
    if one is None or other is None:
        return one if other is None else other
    total = dict(one)
    for key, number in other.items():
        total[key] = total.get(key, 0) + number
    return total


def _added(table: NDArray[np.uint64], counts: Counts) -> NDArray[np.uint64]:
    """A table with some counts added, lengthened where need be: all 1,114,112 code points would take 9 MB."""
    if len(counts) and counts.codepoints[-1] >= len(table):
        table = np.concatenate((table, np.zeros(int(counts.codepoints[-1]) + 1 - len(table), np.uint64)))
    table[counts.codepoints] += counts.occurrences
    return table


class Total:
    """A running sum of counts, for adding many of them."""

    def __init__(self) -> None:
        self._table: NDArray[np.uint64] | None = None  # made for the second; most sums have only one
        self._first: Counts | None = None
        self._graphemes: dict[str, int] | None = None

    def add(self, counts: Counts) -> None:
        """Add the characters of some counts; not their report."""
        if counts.graphemes is not None:
            self._graphemes = self._graphemes or {}
            for key, number in counts.graphemes.items():
                self._graphemes[key] = self._graphemes.get(key, 0) + number
        if self._first is None:
            self._first = counts
            return
        if self._table is None:
            self._table = _added(np.zeros(0, np.uint64), self._first)
        self._table = _added(self._table, counts)

    def counts(self, samples: Samples | None = None) -> Counts:
        """The sum so far."""
        first = self._first or Counts.none()
        total = first if self._table is None else Counts.from_table(self._table)
        # in an order that does not depend on which part came first
        graphemes = None if self._graphemes is None else dict(sorted(self._graphemes.items()))
        return replace(total, samples=samples or Samples(), graphemes=graphemes)
