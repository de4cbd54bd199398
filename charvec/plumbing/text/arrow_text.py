"""Text in columns laid out as Arrow's columnar format says, counted from the buffers themselves.

``https://arrow.apache.org/docs/format/Columnar.html``: a string column is one buffer of UTF-8 and one of offsets into
it. Where every value begins at a character boundary, its UTF-8 is valid exactly when all values are, so that it can be
counted in one go and no value becomes an object. Nothing in a buffer is believed: offsets, indices and views are
compared with what is there before they are followed, and bytes under a null are never looked at.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.text.arrow_types import BINARY, TEXT, Damaged, Refused, attempt, family_of, kind_of
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.dotted import Step
from charvec.plumbing.text.losses import Losses
from charvec.reading import BLOCK, Sink

__all__ = ["PIECE", "Texts"]

#: Bytes passed on at once. A longer value is cut, after it was found valid as a whole.
PIECE = BLOCK
#: Values passed on at once to a sink that takes strings.
_VALUES = 1 << 14
#: Up to which numbers float64, in which NumPy adds weights, is exact.
_EXACT = 1 << 53
#: A character beyond ASCII at the end, as far as it is there.
_LAST = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z")


class Texts:
    """Passes the values of arrays on to a sink.

    Args:
        sink: the tally gets bytes, any other sink strings.
        steps: from the column to the text inside.
        errors: what to do with undecodable values, as in :class:`~charvec.reading.Options`.

    Attributes:
        bad: values that are not UTF-8, located by row instead of line.
        bad_bytes: bytes of them that were left out.
    """

    def __init__(self, sink: Sink, steps: tuple[Step, ...], errors: str) -> None:
        self.bad = Losses()
        self.bad_bytes = 0
        self._sink = sink
        self._steps = steps
        self._errors = errors

    def add(self, array: Any, row: int) -> None:
        """Pass on one array.

        Args:
            array: of pyarrow, from a file nobody vouches for.
            row: number of its first row in the file, from 1.

        Raises:
            Damaged: the buffers contradict each other.
            Refused: a value is not UTF-8 and ``errors`` is "strict".
        """
        attempt(array.validate)
        self._walk(array, self._steps, None, lambda index: row + index)

    def _walk(
        self, array: Any, steps: tuple[Step, ...], mask: NDArray[np.bool_] | None, row_of: Callable[[int], int]
    ) -> None:
        """Go from an array to the text inside.

        Args:
            array: whose slots are looked at.
            steps: still to go.
            mask: bool [len(array)], the slots that count; None for all.
            row_of: gives the row a slot belongs to.
        """
        family = family_of(array.type)
        if not len(array):
            return
        if family == "extension":
            self._walk(array.storage, steps, mask, row_of)
            return
        mask = _both(mask, _valid(array))
        if family == "list":
            index = steps[0][1] if steps else None
            self._list(array, steps if index is None else steps[1:], index, mask, row_of)
        elif steps:
            if family != "struct" or (field := array.type.get_field_index(steps[0][0])) < 0:
                raise Damaged("the columns are not those of the schema")
            self._walk(array.field(field), steps[1:], mask, row_of)
        elif family == "dictionary":
            self._dictionary(array, mask, row_of)
        else:
            self._text(array, mask, row_of, None)

    def _list(
        self,
        array: Any,
        steps: tuple[Step, ...],
        index: int | None,
        mask: NDArray[np.bool_] | None,
        row_of: Callable[[int], int],
    ) -> None:
        values = array.values
        if str(array.type).startswith("fixed_size_list<"):
            size = array.type.list_size
            bounds = (np.arange(len(array) + 1, dtype=np.int64) + array.offset) * size
        else:
            bounds = _offsets(array, 8 if str(array.type).startswith("large") else 4, len(values))
        lengths = np.diff(bounds)
        first = int(bounds[0])
        if int(bounds[-1]) > len(values):
            raise Damaged("a list reaches beyond its values")
        used = mask if mask is not None else np.ones(len(array), np.bool_)
        if index is None:
            inner = np.repeat(used, lengths)
        else:
            inner = np.zeros(int(bounds[-1]) - first, np.bool_)
            inner[bounds[:-1][used & (lengths > index)] - first + index] = True
        self._walk(
            values.slice(first, int(bounds[-1]) - first),
            steps,
            None if inner.all() else inner,
            lambda slot: row_of(int(np.searchsorted(bounds, slot + first, "right")) - 1),
        )

    def _dictionary(self, array: Any, mask: NDArray[np.bool_] | None, row_of: Callable[[int], int]) -> None:
        """Values stand once, and an index for each slot: each value counts as often as it occurs."""
        dtype = np.dtype(str(array.type.index_type))
        indices = _numbers(array, 1, dtype, len(array), array.offset)
        used = indices if mask is None else indices[mask]
        if not len(used):
            return
        values = array.dictionary
        if int(used.min()) < 0 or int(used.max()) >= len(values):
            raise Damaged("an index lies outside its dictionary")
        weights = np.bincount(used, minlength=len(values))

        def first_row(value: int) -> int:
            there = indices == value
            return row_of(int(np.flatnonzero(there if mask is None else there & mask)[0]))

        self._text(values, _both(weights > 0, _valid(values)), first_row, weights)

    def _text(
        self,
        array: Any,
        mask: NDArray[np.bool_] | None,
        row_of: Callable[[int], int],
        weights: NDArray[np.int64] | None,
    ) -> None:
        """Pass on the values of a string array, each as often as its weight says."""
        if not len(array):
            return
        name = kind_of(array.type)
        if name not in TEXT + BINARY or family_of(array.type) == "dictionary":
            raise Damaged("the columns are not those of the schema")
        if weights is not None and bool(((weights if mask is None else weights[mask]) == 1).all()):
            weights = None
        for data, bounds, slots in _views(array, mask) if name.endswith("view") else _strings(array, name, mask):
            self._pieces(data, bounds, slots, row_of, None if weights is None else weights[slots])

    def _pieces(
        self,
        data: memoryview,
        bounds: NDArray[np.int64],
        slots: NDArray[np.int64],
        row_of: Callable[[int], int],
        weights: NDArray[np.int64] | None,
    ) -> None:
        """Pass on values that lie one behind the other, some at a time.

        Args:
            data: their bytes.
            bounds: int64 [n + 1], where each begins and ends.
            slots: int64 [n], their places in the array.
            row_of: gives the row of a slot.
            weights: int64 [n], how often each occurs; None for once.
        """
        tally = self._sink if isinstance(self._sink, Tally) else None
        # what begins in the midst of a character cannot be told from the end of the value before
        octets = np.frombuffer(data, np.uint8)
        starts = bounds[:-1]
        inside = np.zeros(len(starts), np.bool_)
        filled = starts < bounds[1:]
        inside[filled] = (octets[starts[filled]] & 0xC0) == 0x80
        torn = bool(inside.any())
        at = 0
        while at < len(slots):
            end = int(np.searchsorted(bounds, bounds[at] + PIECE, "right")) - 1
            end = max(at + 1, min(end, at + _VALUES if tally is None else len(slots)))
            part = None if weights is None else weights[at:end]
            whole = not (torn and inside[at:end].any()) and self._whole(data, bounds[at : end + 1], part)
            if not whole:
                self._one_by_one(data, bounds[at : end + 1], slots[at:end], row_of, part)
            at = end

    def _whole(self, data: memoryview, bounds: NDArray[np.int64], weights: NDArray[np.int64] | None) -> bool:
        """Pass on values in one go; False, and nothing passed on, when one is not UTF-8."""
        begin, end = int(bounds[0]), int(bounds[-1])
        if isinstance(self._sink, Tally) and weights is None:
            return _add(self._sink, data, begin, end)
        block = bytes(data[begin:end])
        try:
            if isinstance(self._sink, Tally) and weights is not None:
                _add_weighted(self._sink, block.decode(), _lengths(block, bounds - begin), weights)
                return True
            cuts = (bounds - begin).tolist()
            texts = [block[start:stop].decode() for start, stop in itertools.pairwise(cuts)]
        except UnicodeDecodeError:
            return False
        self._give(texts, weights)
        return True

    def _one_by_one(
        self,
        data: memoryview,
        bounds: NDArray[np.int64],
        slots: NDArray[np.int64],
        row_of: Callable[[int], int],
        weights: NDArray[np.int64] | None,
    ) -> None:
        """Pass on values of which at least one is not UTF-8."""
        cuts = bounds.tolist()
        for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
            value = bytes(data[start:stop])
            times = 1 if weights is None else int(weights[number])
            try:
                text = value.decode()
            except UnicodeDecodeError:
                if self._errors == "strict":
                    raise Refused(f"row {row_of(int(slots[number])):,}") from None
                text = value.decode("utf-8", "ignore") if self._errors == "skip" else ""
                self.bad = self.bad.more(row_of(int(slots[number])), count=times)
                self.bad_bytes += times * (len(value) - len(text.encode()))
                if not text:
                    continue
            self._give([text], None if weights is None else weights[number : number + 1])

    def _give(self, texts: list[str], weights: NDArray[np.int64] | None) -> None:
        """Pass strings on."""
        if weights is None:
            self._sink.add_texts(texts)
        elif isinstance(self._sink, Tally):
            lengths = np.array([len(text) for text in texts], np.int64)
            _add_weighted(self._sink, "".join(texts), lengths, weights)
        else:
            for text, times in zip(texts, weights.tolist(), strict=True):
                some = max(1, min(_VALUES, PIECE // (len(text) + 1)))
                for done in range(0, times, some):
                    self._sink.add_texts([text] * min(some, times - done))


def _add(tally: Tally, data: memoryview, begin: int, end: int) -> bool:
    """Count bytes; False, and nothing counted, when they are not UTF-8."""
    if begin == end:
        return True
    if end - begin <= 2 * PIECE:
        block = bytes(data[begin:end])
        try:
            # what is cut short at the end is no error to the tally, which would wait for the rest
            return not _is_cut(block[-4:]) and tally.add_utf8(block, False) == len(block)
        except UnicodeDecodeError:
            return False
    # one long value: first see whether it is valid, then count it, with no copy of all of it
    for count in (False, True):
        at = begin
        while at < end:
            stop = min(at + max(PIECE, 4), end)  # more than a character
            block = bytes(data[at:stop])
            try:
                at += tally.add_utf8(block, False) if count else codecs.utf_8_decode(block, "strict", stop == end)[1]
            except UnicodeDecodeError:
                return False
    return True


def _is_cut(end: bytes) -> bool:
    """Whether the last character of some bytes lacks its end."""
    last = _LAST.search(end)
    if last is None:
        return False
    lead = last[0][0]
    return len(last[0]) < (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)


def _lengths(block: bytes, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Characters of each value."""
    begins = (np.frombuffer(block, np.uint8) & 0xC0) != 0x80
    before = np.concatenate(([0], np.cumsum(begins, dtype=np.int64)))
    lengths: NDArray[np.int64] = np.diff(before[bounds])
    return lengths


def _add_weighted(tally: Tally, text: str, lengths: NDArray[np.int64], weights: NDArray[np.int64]) -> None:
    """Count texts that stand one behind the other, each as often as its weight says."""
    if not text:
        return
    codepoints = np.frombuffer(text.encode("utf-32-le"), "<u4")
    times = np.repeat(weights, lengths)
    if int(times.sum()) < _EXACT:
        tally.add_counts(np.bincount(codepoints, times))
    else:
        counts = np.zeros(int(codepoints.max()) + 1, np.int64)
        np.add.at(counts, codepoints, times)
        tally.add_counts(counts)


def _valid(array: Any) -> NDArray[np.bool_] | None:
    """Bool [len(array)], which slots are not null; None when none is. How many a file says there are is not used."""
    buffers = array.buffers()
    if not buffers or buffers[0] is None:
        return None
    first, bits = array.offset, array.offset + len(array)
    octets = _numbers(array, 0, np.dtype(np.uint8), -(-bits // 8) - first // 8, first // 8)
    valid = np.unpackbits(octets, bitorder="little")[first % 8 : first % 8 + len(array)].view(np.bool_)
    return None if valid.all() else valid


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _buffer(array: Any, number: int) -> Any:
    buffer = array.buffers()[number]
    return b"" if buffer is None else buffer


def _numbers(array: Any, number: int, dtype: np.dtype[Any], count: int, first: int) -> NDArray[Any]:
    """A view of ``count`` numbers in a buffer, from the ``first`` on."""
    buffer = _buffer(array, number)
    if (first + count) * dtype.itemsize > len(buffer):
        raise Damaged("a buffer is too short")
    return np.frombuffer(buffer, dtype, count, first * dtype.itemsize) if count else np.empty(0, dtype)


def _offsets(array: Any, width: int, size: int) -> NDArray[np.int64]:
    """int64 [len(array) + 1]: offsets that rise and stay within ``size``."""
    offsets = _numbers(array, 1, np.dtype(f"i{width}"), len(array) + 1, array.offset).astype(np.int64)
    if int(offsets[0]) < 0 or int(offsets[-1]) > size or bool((offsets[1:] < offsets[:-1]).any()):
        raise Damaged("offsets fall, or lead outside")
    return offsets


#: Bytes, int64 [n + 1] where each value begins and ends in them, int64 [n] places in the array.
_Run = tuple[memoryview, NDArray[np.int64], NDArray[np.int64]]


def _strings(array: Any, name: str, mask: NDArray[np.bool_] | None) -> Iterator[_Run]:
    """The values of a string or binary array that lie one behind the other."""
    data = memoryview(_buffer(array, 2))
    bounds = _offsets(array, 8 if name.startswith("large") else 4, len(data))
    slots = np.arange(len(array), dtype=np.int64)
    if mask is None:
        yield data, bounds, slots
        return
    slots = slots[mask]
    if not len(slots):
        return
    if not np.diff(bounds)[~mask].any():
        # what does not count takes no room, so that what counts lies one behind the other
        yield data, np.append(bounds[:-1][mask], bounds[slots[-1] + 1]), slots
        return
    # else run by run, put together
    ends = np.flatnonzero(np.append(np.diff(slots) > 1, True))
    begins = np.append(0, ends[:-1] + 1)
    cuts = zip(bounds[slots[begins]].tolist(), bounds[slots[ends] + 1].tolist(), strict=True)
    joined = memoryview(b"".join([data[start:stop] for start, stop in cuts]))
    yield joined, np.concatenate(([0], np.cumsum(np.diff(bounds)[mask]))), slots


def _views(array: Any, mask: NDArray[np.bool_] | None) -> Iterator[_Run]:
    """The values of a string view array, put one behind the other.

    A view has 16 bytes: the length, and up to 12 bytes of a short value, or four bytes of it, the number of a buffer
    and an offset in it.
    """
    raw = _numbers(array, 1, np.dtype(np.uint8), len(array) * 16, array.offset * 16).reshape(-1, 16)
    slots = np.arange(len(array), dtype=np.int64)
    slots = slots if mask is None else slots[mask]
    raw = raw[slots]
    sizes = raw[:, :4].copy().view(np.int32).ravel().astype(np.int64)
    if (sizes < 0).any():
        raise Damaged("a value of negative length")
    short = sizes <= 12
    inline = raw[short, 4:]
    yield (
        memoryview(inline[np.arange(12) < sizes[short, None]].tobytes()),
        np.concatenate(([0], np.cumsum(sizes[short]))),
        slots[short],
    )
    buffers = [memoryview(each) for each in array.buffers()[2:] if each is not None]
    where = raw[~short, 8:].copy().view(np.int32).reshape(-1, 2).astype(np.int64)
    held = np.array([len(each) for each in buffers], np.int64)
    long, slots = sizes[~short], slots[~short]
    if (where < 0).any() or (where[:, 0] >= len(buffers)).any():
        raise Damaged("a view into no buffer")
    if len(long) and (where[:, 1] + long > held[where[:, 0]]).any():
        raise Damaged("a view leads outside its buffer")
    # a few at a time: views may share their bytes, and be far more than the buffers together
    at = 0
    reach = np.cumsum(long)
    while at < len(long):
        end = max(at + 1, int(np.searchsorted(reach, (reach[at - 1] if at else 0) + PIECE, "right")))
        parts = [
            buffers[number][start : start + size]
            for (number, start), size in zip(where[at:end].tolist(), long[at:end].tolist(), strict=True)
        ]
        data = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        yield data, np.concatenate(([0], np.cumsum(long[at:end]))), slots[at:end]
        at = end
