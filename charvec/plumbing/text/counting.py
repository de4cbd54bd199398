"""Plumbing: count the characters of UTF-8 bytes or text into one table.

Two ways to the same numbers. The C kernel (``_kernel.c``), where it was built, counts straight from the bytes.
Elsewhere the text is decoded by CPython's own decoder, which validates strictly, copied into an array of code points
and counted by ``numpy.bincount``; ASCII is counted two bytes at a time. Rates: ``bench/scan_kernel.py``.
"""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.counts import UNICODE_SIZE

try:
    from charvec import _kernel
except ImportError:  # no compiler was there when charvec was installed, or it runs from a checkout
    _kernel = None

__all__ = ["KERNEL", "PLACES", "Tally", "Tolerant"]

#: Runs of undecodable bytes of one file that are remembered.
PLACES = 10_000

#: The C kernel, None where it was not built. Tests set it to None to run over the NumPy path.
KERNEL: Any = _kernel

#: Code points of ASCII, of characters of at most two bytes, and of at most three, which are the first plane of Unicode.
_ASCII, _TWO, _PLANE = 0x80, 0x800, 0x10000
#: The surrogates, which are no characters.
_SURROGATES = (0xD800, 0xE000)
#: Characters below which sorting them beats a table up to the highest of them: 36 times for a line with U+10FFFF.
_SHORT = 4096
#: Bytes below which freed memory is to be kept for the next block.
_KEPT = 1 << 24
#: Characters counted at once; a record can have millions.
_SLICE = 1 << 20
#: Bytes after which the kernel's uint32 counts are carried over, long before one of them could overflow.
_CARRY = 1 << 31


class Tally:
    """Counts of all code points. One thread at a time.

    There is a table for U+0000 to U+FFFF, and one for all only once something beyond has occurred: most texts have
    nothing there, and to clear and look through 9 MB takes as long as to count 10 MB of text.
    """

    def __init__(self) -> None:
        self._table: NDArray[np.int64] = np.zeros(_PLANE, np.int64)
        self._kernel = KERNEL
        if self._kernel is None:
            # glibc gives blocks of more than 128 KiB back to the system as soon as they are freed, and each page must
            # be asked for again, until it has seen a large block freed: then it keeps blocks up to that size. NumPy's
            # way makes such blocks all the time: 255 MB/s become 720. The memory is never touched.
            np.empty(_KEPT, np.uint8)
        self._uncarried = 0  # bytes counted in the kernel's tables
        self._kernel_tables = bytearray()  # made when first needed

    @property
    def table(self) -> NDArray[np.int64]:
        """int64 [65,536], or [1,114,112] if anything beyond has occurred: the counts so far."""
        if self._uncarried:
            self._carry()
        return self._table

    def add_counts(self, counts: NDArray[np.integer], start: int = 0) -> None:
        """Count every code point from ``start`` on as often as ``counts`` says."""
        if start + len(counts) > len(self._table):
            self._extend()
        self._table[start : start + len(counts)] += counts.astype(np.int64, copy=False)

    def _extend(self) -> None:
        self._table = np.concatenate((self._table, np.zeros(UNICODE_SIZE - len(self._table), np.int64)))

    def mark(self, *, whole: bool = False) -> NDArray[np.int64]:
        """Where the counts stand, for :meth:`undo`: a copy, int64 [128] of ASCII, or of :attr:`table`.

        Args:
            whole: whether more than ASCII will be added before the undoing.
        """
        counts: NDArray[np.int64] = (self.table if whole else self._table[:_ASCII]).copy()
        if whole:
            return counts
        if self._uncarried:
            counts += self._kernel_ascii().sum(axis=0, dtype=np.int64)
        return counts

    def undo(self, mark: NDArray[np.int64]) -> None:
        """Set the counts back to what :meth:`mark` gave."""
        if len(mark) > _ASCII:
            if self._uncarried:
                self._carry()
            self._table[len(mark) :] = 0  # nothing had occurred there
        self._table[: len(mark)] = mark
        if self._uncarried:
            self._kernel_ascii().fill(0)

    def add_utf8(self, block: bytes, final: bool) -> int:
        """Count a block of UTF-8.

        Args:
            block: begins at a character boundary.
            final: whether a character cut short at its end is an error; else it is left for the next block.

        Returns:
            number of bytes counted.

        Raises:
            UnicodeDecodeError: with the offset of the first bad byte in the block; nothing is counted then.
        """
        if self._kernel is not None and not final:
            return self._add_by_kernel(block)
        if block.isascii():
            self._add_ascii(block)
            return len(block)
        text, consumed = codecs.utf_8_decode(block, "strict", final)
        self.add_text(text)
        return consumed

    def _add_by_kernel(self, block: bytes) -> int:
        kernel = self._kernel
        if not self._kernel_tables:
            self._kernel_tables = bytearray(4 * kernel.SMALL_WORDS)
        counted: int = kernel.count(self._kernel_tables, block)
        if counted < 0 and len(self._kernel_tables) == 4 * kernel.SMALL_WORDS:
            # perhaps it lacks only the table for characters of four bytes
            self._kernel_tables.extend(bytes(4 * (kernel.ALL_WORDS - kernel.SMALL_WORDS)))
            counted = kernel.count(self._kernel_tables, block)
        if counted < 0:
            codecs.utf_8_decode(block, "strict", False)  # raises, and says where
            raise AssertionError("the kernel refused what CPython decodes")
        self._uncarried += counted
        if self._uncarried >= _CARRY:
            self._carry()
        return counted

    def _kernel_ascii(self) -> NDArray[np.uint32]:
        return np.frombuffer(self._kernel_tables, np.uint32, 4 * _ASCII).reshape(4, _ASCII)

    def _carry(self) -> None:
        """Add the kernel's tables, laid out as its source says, to the table, and clear them."""
        words = np.frombuffer(self._kernel_tables, np.uint32)
        ascii_, two = self._kernel_ascii(), words[4 * _ASCII :][:_TWO]
        three, four = words[4 * _ASCII + _TWO :][:_PLANE], words[self._kernel.SMALL_WORDS :]
        self.add_counts(ascii_.sum(axis=0, dtype=np.int64))
        self.add_counts(two)
        self.add_counts(three)
        if four.any():
            self.add_counts(four)
        for each in (ascii_, two, three, four):
            each.fill(0)
        self._uncarried = 0

    def add_text(self, text: str) -> None:
        """Count the characters of a text without lone surrogates.

        Raises:
            UnicodeEncodeError: for a lone surrogate; nothing is counted then.
        """
        if self._kernel is not None and len(text) >= _SHORT:
            self._add_by_kernel(text.encode())
        elif len(text) > _SLICE:
            text.encode("utf-32-le")  # raises for a surrogate before anything is counted
            for start in range(0, len(text), _SLICE):
                self.add_text(text[start : start + _SLICE])
        elif text:
            # NumPy copies a string's characters twice as fast as the codec for UTF-32, which would refuse surrogates;
            # and bincount widens int32 faster than uint32: 3 to 5 % of the whole
            codepoints = np.array([text]).view(np.int32)
            if len(text) < _SHORT:
                distinct, numbers = np.unique(codepoints, return_counts=True)
                low, high = distinct.searchsorted(_SURROGATES)
                self._refuse_surrogates(text, bool(low != high))
                if distinct[-1] >= len(self._table):
                    self._extend()
                self._table[distinct] += numbers
            else:
                counts = np.bincount(codepoints)
                self._refuse_surrogates(text, bool(counts[slice(*_SURROGATES)].any()))
                self.add_counts(counts)

    @staticmethod
    def _refuse_surrogates(text: str, some: bool) -> None:
        if some:
            text.encode("utf-32-le")  # raises, and says where

    def add_texts(self, texts: list[str]) -> None:
        """Count several texts without lone surrogates; errors as :meth:`add_text`."""
        self.add_text("".join(texts))

    def end(self) -> None:
        """A text is over, which makes no difference to code points."""

    def _add_ascii(self, block: bytes) -> None:
        even = len(block) & ~1
        pairs = np.bincount(np.frombuffer(block, "<u2", even // 2), minlength=1 << 15)
        # a pair counts once for its low byte and once for its high byte; ASCII leaves each below 128
        square = pairs.reshape(_ASCII, 256)
        self._table[:_ASCII] += square.sum(axis=0)[:_ASCII] + square.sum(axis=1)
        if even != len(block):
            self._table[block[-1]] += 1


class Tolerant:
    """A decoder that leaves out what cannot be decoded and remembers where it was. Nothing becomes U+FFFD.

    Args:
        encoding: any text codec of Python.
        base: offset of the first byte it will be given.
        locate: whether to remember every place, and not only the first.

    Attributes:
        bad_bytes: number of bytes left out.
        first: byte offset of the first of them, None when there was none.
        places: offset and length of each run of them, when they are located; the first :data:`PLACES` ones.
    """

    def __init__(self, encoding: str, *, base: int = 0, locate: bool = False) -> None:
        self.bad_bytes = 0
        self.first: int | None = None
        self.places: list[tuple[int, int]] = []
        self._locate = locate
        self._base = base  # offset of the first byte of what is being decoded
        self._pending = b""
        self._name = codecs.lookup(encoding).name
        self._decoder = codecs.getincrementaldecoder(encoding)(_HANDLER)

    def decode(self, block: bytes, final: bool) -> str:
        """The next block as text; a character cut at its end is kept for the next call unless ``final``."""
        exact = _EXACT.get(self._name)
        if exact is not None:
            return self._decode_exactly(exact, block, final)
        pending = len(self._decoder.getstate()[0])
        self._base -= pending
        _decoding.tolerant = self
        text = self._decoder.decode(block, final)
        self._base += pending + len(block)
        return text

    def _decode_exactly(self, codec: _Codec, block: bytes, final: bool) -> str:
        """In Unicode's own encodings each text has one form, so the bytes left out are those missing from it.

        Much faster where there is much damage than a call for each piece of it.
        """
        data = self._pending + block if self._pending else block
        try:
            text, used = codec(data, "strict", final)
        except UnicodeDecodeError as error:
            if self._locate and len(self.places) < PLACES:
                text, used = self._decode_locating(codec, data, final)
            else:
                if self.first is None:
                    self.first = self._base + error.start
                text, used = codec(data, "ignore", final)
                self.bad_bytes += used - len(text.encode(self._name))
        self._pending = data[used:]
        self._base += used
        return text

    def _decode_locating(self, codec: _Codec, data: bytes, final: bool) -> tuple[str, int]:
        """Decode what lies between the faults, which are noted one by one."""
        texts = []
        start = 0
        view = memoryview(data)
        while True:
            try:
                text, used = codec(view[start:], "strict", final)
            except UnicodeDecodeError as error:
                texts.append(codec(view[start : start + error.start], "strict", True)[0])
                self._note(self._base + start + error.start, error.end - error.start)
                start += error.end
            else:
                return "".join((*texts, text)), start + used

    def skip(self, error: UnicodeDecodeError) -> tuple[str, int]:
        """Note the bytes an error is about and go on behind them."""
        self._note(self._base + error.start, error.end - error.start)
        return "", error.end

    def _note(self, offset: int, length: int) -> None:
        self.bad_bytes += length
        if self.first is None:
            self.first = offset
        if not self._locate:
            return
        if self.places and sum(self.places[-1]) == offset:
            self.places[-1] = (self.places[-1][0], self.places[-1][1] + length)
        elif len(self.places) < PLACES:
            self.places.append((offset, length))


_Codec = Callable[[Any, str, bool], tuple[str, int]]
#: Codecs that give each text one form: name as Python gives it -> function.
_EXACT: dict[str, _Codec] = {
    "utf-8": codecs.utf_8_decode,
    "utf-16-le": codecs.utf_16_le_decode,
    "utf-16-be": codecs.utf_16_be_decode,
    "utf-32-le": codecs.utf_32_le_decode,
    "utf-32-be": codecs.utf_32_be_decode,
}

# Python's error handlers are registered by name, once and for ever; which decoder is at work is kept for each thread.
_HANDLER = "charvec-skip"
_decoding = threading.local()


def _skip(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    skipped: tuple[str, int] = _decoding.tolerant.skip(error)
    return skipped


codecs.register_error(_HANDLER, _skip)
