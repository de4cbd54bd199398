"""Plumbing: character vectors from the bare pairs of character and values that other programs' formats hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, WrongFile
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

__all__ = ["DIGITS", "NUMBER", "check_some", "format_rows", "from_pairs", "parse_lines"]

#: Significant digits that give the same float32 back (C standard, FLT_DECIMAL_DIG), also where it was stored as less.
DIGITS = 9
#: A value as any of the programs write it; Python's own reading would also take ``1_000``.
NUMBER = rb"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan|inf|infinity))"
_VALUE = re.compile(NUMBER)


def from_pairs(pairs: Iterable[tuple[str, Sequence[float] | NDArray[Any]]], path: str, name: str) -> CharVectors:
    """Vectors from (key, values) pairs of a file that knows no counts, statuses or rows.

    Every character counts as ``exact``, with count 0 and no row ids. Keys that are not one character are left out; the
    provenance says how many.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when no key is one character; ``E-OVERFLOW`` for values beyond float32.
        DamagedFile: ``E-DUPLICATE`` when a character stands twice; ``E-COUNT`` when vectors differ in length.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    words = 0
    for key, values in pairs:
        if len(key) != 1 or "\ud800" <= key <= "\udfff":
            words += 1
            continue
        if ord(key) in rows:
            raise DamagedFile(
                "E-DUPLICATE",
                f"{path}: the character U+{ord(key):04X} stands twice",
                path=path,
                help="remove one of the two",
            )
        rows[ord(key)] = _narrow(values, path)
    if not rows:
        raise WrongFile(
            "E-NO-CHARACTERS",
            f"{path} holds no character vectors",
            path=path,
            found=f"{words} keys longer than one character" if words else "nothing",
            help="name a file with one character a row",
        )
    lengths = {row.shape for row in rows.values()}
    if len(lengths) > 1 or len(next(iter(lengths))) != 1 or (0,) in lengths:
        raise DamagedFile(
            "E-COUNT", f"{path}: its vectors differ in length", path=path, help="copy or write the file again"
        )
    codepoints = np.array(sorted(rows), np.uint32)
    return CharVectors(
        codepoints,
        np.stack([rows[codepoint] for codepoint in codepoints.tolist()]),
        np.zeros(len(rows), np.uint64),
        Spelling(np.zeros(len(rows), np.uint8), np.empty(0, np.int64), np.zeros(len(rows) + 1, np.int64)),
        source={"converted": {"from": name, "other_keys": words}},
    )


def _narrow(values: Sequence[float] | NDArray[Any], path: str) -> NDArray[np.float32]:
    """float32 [...]: the values, none of which may become infinite by it."""
    wide = np.asarray(values)
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    if np.any(np.isinf(narrow) & np.isfinite(wide)):
        raise WrongFile(
            "E-OVERFLOW", f"{path} holds values that float32 cannot store", path=path, help="scale the vectors down"
        )
    return narrow


def check_some(count: int, what: str) -> None:
    """Refuse to write a file without a single character, which could not be read back.

    Args:
        count: characters that would be written.
        what: the kind of file, for the message.

    Raises:
        WrongFile: ``E-NO-CHARACTERS``.
    """
    if not count:
        raise WrongFile(
            "E-NO-CHARACTERS",
            f"there is no character that {what} could hold",
            help="choose another format, such as .h5",
        )


def format_rows(vectors: CharVectors, left_out: set[str]) -> Iterable[bytes]:
    """One line a character: the character, then its values, with single spaces between and no other white space."""
    pattern = " ".join([f"%.{DIGITS}g"] * vectors.dim)
    for char, row in zip(vectors.chars, vectors.matrix, strict=True):
        if char not in left_out:
            yield f"{char} {pattern % tuple(row.tolist())}\n".encode()


def parse_lines(lines: Sequence[bytes], dim: int, path: str, first: int) -> Iterable[tuple[str, list[float]]]:
    """Pairs from lines of text.

    Args:
        lines: without their line ends; blank ones are passed over.
        dim: number of values a line.
        path: for messages.
        first: number of the first line, for messages.

    Raises:
        DamagedFile: ``E-TEXT-LINE``, with the line named.
    """
    for number, line in enumerate(lines, first):
        if not line:
            continue
        # keys may themselves be spaces of all kinds, so the line is split from the right, at U+0020 only
        parts = line.rstrip(b" \r").rsplit(b" ", dim)
        try:
            if len(parts) != dim + 1:
                raise ValueError(f"{len(parts) - 1} values instead of {dim}")
            if not all(map(_VALUE.fullmatch, parts[1:])):
                raise ValueError("a value is no number")
            yield parts[0].decode(), list(map(float, parts[1:]))
        except ValueError as error:
            raise DamagedFile(
                "E-TEXT-LINE",
                f"{path}, line {number}: {str(error)[:120]}",
                path=path,
                help="copy or write the file again",
            ) from None
