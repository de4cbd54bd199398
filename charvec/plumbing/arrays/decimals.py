"""Plumbing: float32 from many numbers written in decimal, eight digits at a time.

Python's ``float`` takes 220 ns a number, with what it takes to split the text; this takes 50 to 60 (3.8 million numbers
as gensim writes them). What is simple, ``-1.234`` with up to 24 characters, is worked out for all numbers at once, to
within 2^-48 of its value. Both ends of that interval are rounded to float32. Where they agree, the number itself, and
the float64 nearest to it, must round to the same, as rounding keeps order; where they differ, and for numbers that are
not so simple, Python is asked. So every value is float32(float(text)), bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.arrays.word_vectors import numbers

__all__ = ["rows_of"]

#: Characters of a simple number without its sign, at most, and how many are looked at together.
LONGEST, WORD = 24, 8
#: As long as one number in so many is not simple, Python is asked for these alone.
RARE = 2
#: Relative error of what is worked out, at most; five roundings of float64 come to less than a tenth of it.
ERROR = 2.0**-48


def _word(characters: bytes) -> np.uint64:
    """Eight characters as the number that they are in memory: the first is the lowest byte."""
    word: np.uint64 = np.uint64(int.from_bytes(characters, "little"))
    return word


#: What turns the characters of "0.000000" "00000000" "00000000" into digits, and the dot into nothing.
_ZEROS = (_word(b"0.000000"), _word(b"0" * 8), _word(b"0" * 8))
#: Added to bytes, gives those their top bit that are above 9, or above 0 in the place of the dot.
_BEYOND = (_word(b"\x76\x7f" + b"\x76" * 6), _word(b"\x76" * 8), _word(b"\x76" * 8))
_TOP_BITS = _word(b"\x80" * 8)
#: The characters of each word that belong to a number of so many.
_KEPT = np.array(
    [[(1 << 8 * min(max(length - word, 0), WORD)) - 1 for length in range(LONGEST + 1)] for word in (0, 8, 16)],
    np.uint64,
)
#: Two neighbouring digits become one of base 100, two of these one of base 10,000, then one of base 100,000,000.
_PAIR = tuple(
    (np.uint64(base * (1 << bits) + 1), np.uint64(bits), np.uint64(mask))
    for base, bits, mask in ((10, 8, 0x00FF00FF00FF00FF), (100, 16, 0x0000FFFF0000FFFF), (10000, 32, 0xFFFFFFFF))
)
#: What the last digit of each word is worth: the first has six behind the dot.
_WORTH = (1e-6, 1e-14, 1e-22)
_FIRST = np.uint64(255)
#: Behind the last number, so that a window and a whole word of four bytes fit from any place within.
_BEHIND = bytes(LONGEST + 4)


def rows_of(lines: Sequence[bytes], dim: int, separator: bytes) -> NDArray[np.float32] | None:
    """The numbers of lines.

    Args:
        lines: one or more, each of ``dim`` numbers with separators between them.
        dim: numbers of a line.
        separator: one byte.

    Returns:
        float32 [lines, dim], each the float32 nearest to what Python reads; None when a line has more or fewer, when
        one of them is no number, and when most are not simple.
    """
    if RARE * lines[0].count(b"e") > dim:  # powers of ten are not simple
        return None
    text = separator.join((*lines, _BEHIND))
    characters = np.frombuffer(text, np.uint8)
    ends = _places(characters[: len(text) & -4], separator)
    line_ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    if len(ends) != len(lines) * dim or (ends[dim - 1 :: dim] != line_ends).any():
        return None
    starts = np.zeros_like(ends)
    np.add(ends[:-1], 1, out=starts[1:])
    minus = characters.take(starts) == ord("-")
    starts += minus
    lengths = ends - starts
    if lengths.min() < 1 or lengths.max() > LONGEST:
        return None
    result, simple = _simple(text, starts, lengths)
    bits = result.view(np.uint32)
    bits |= minus.astype(np.uint32) << np.uint32(31)
    if not simple.all():
        others = np.flatnonzero(~simple)
        if len(others) * RARE > len(simple):
            return None
        spelt = zip((starts - minus)[others].tolist(), ends[others].tolist(), strict=True)
        values = numbers([text[start:end] for start, end in spelt])
        if values is None:
            return None
        result[others] = values
    return result.reshape(len(lines), dim)


def _places(characters: NDArray[np.uint8], separator: bytes) -> NDArray[np.intp]:
    """Where a character stands. Of four neighbours one at most, as a rule: that takes two thirds of the time."""
    found = characters == ord(separator)
    fours = found.view("<u4")
    places = np.flatnonzero(fours != 0)
    if np.count_nonzero(found) != len(places):
        return np.flatnonzero(found)
    # 1, 1 << 8, 1 << 16 or 1 << 24
    which = fours.take(places, mode="clip") * np.uint32(0x010203) >> np.uint32(24)
    places *= 4
    places += which
    return places


def _simple(
    text: bytes, starts: NDArray[np.intp], lengths: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Numbers without their signs, and of which of them the value is certain."""
    words = -(-int(lengths.max()) // WORD)
    # windows of the text that overlap: one for each number, from its first digit
    windows = np.ndarray((len(text) - WORD * words + 1,), f"V{WORD * words}", text, strides=(1,))
    cells = windows[starts].view("<u8").reshape(-1, words)
    wrong = np.zeros(len(starts), np.uint64)
    value = np.zeros(len(starts))
    for word in range(words):
        digits = cells[:, word] ^ _ZEROS[word]
        digits &= _KEPT[word].take(lengths, mode="clip")  # "clip" looks for no wrong index: half the time
        wrong |= digits
        wrong |= digits + _BEYOND[word]
        if word == 0:
            digits += (digits & _FIRST) * _FIRST  # the first digit moves to the place of the dot
        for factor, shift, mask in _PAIR:
            digits *= factor
            digits >>= shift
            digits &= mask
        worth = digits.view(np.int64).astype(np.float64)
        worth *= _WORTH[word]
        value += worth
    wrong &= _TOP_BITS
    result = (value * (1 - ERROR)).astype(np.float32)
    simple = result == (value * (1 + ERROR)).astype(np.float32)
    simple &= wrong == 0
    return result, simple
