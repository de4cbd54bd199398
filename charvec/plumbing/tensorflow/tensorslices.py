"""Plumbing: slices of partitioned TensorFlow variables, and what the two versions of checkpoints have in common."""

from __future__ import annotations

import re
from bisect import bisect_left
from math import prod

from charvec.plumbing.protobuf import Malformed, varint
from charvec.plumbing.tensorflow.tensorbundle import Extents
from charvec.tensor import Block

__all__ = ["first_column", "is_first_version", "slice_lengths", "tile"]

#: How a checkpoint of the first version begins: key "", the length of its value, a message, the length of that.
_BEGINNING = re.compile(rb"\0\0([\x80-\xff]{0,8}[\0-\x7f])\x0a([\x80-\xff]{0,8}[\0-\x7f])")
#: What comes before in a block compressed with Snappy: its length, and that of a literal, as nothing can be copied yet.
_SNAPPY = re.compile(rb"[\x80-\xff]{0,4}[\0-\x7f](?:[\0-\xec]|\xf0.|\xf4..|\xf8...|\xfc....)", re.DOTALL)


def is_first_version(head: bytes) -> bool:
    """Whether a table that begins so is a checkpoint of the first version: the message is all there is in the value."""
    found = _BEGINNING.match(head)
    if not found and (packed := _SNAPPY.match(head)):
        found = _BEGINNING.match(head, packed.end())
    return found is not None and varint(found[1], 0)[0] == varint(found[2], 0)[0] + 1 + len(found[2])


def slice_lengths(extents: Extents, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of a slice along the axes of its variable.

    Raises:
        Malformed: when it has other axes or reaches beyond one.
    """
    if len(extents) != len(shape):
        raise Malformed(f"a slice has {len(extents)} axes, the shape {len(shape)}")
    lengths = []
    for (start, length), size in zip(extents, shape, strict=True):
        if start < 0 or length < -1 or start + max(length, 0) > size:
            raise Malformed(f"a slice runs from {start} to {start + length} along an axis of {size}")
        lengths.append(length if length >= 0 else size - start)
    return tuple(lengths)


def first_column(extents: Extents, lengths: tuple[int, ...], shape: tuple[int, ...]) -> int | None:
    """Where the columns of a slice begin; None when they are not neighbours, which takes a split along axis 2 or later.

    Axis 0 gives the rows, all others together the columns.
    """
    column, partial = 0, False
    for axis in range(len(lengths) - 1, 0, -1):
        if partial and lengths[axis] != 1:
            return None
        partial = partial or lengths[axis] != shape[axis]
        column += extents[axis][0] * prod(shape[axis + 1 :])
    return column


def tile(blocks: list[Block], rows: int, columns: int) -> bool:
    """Whether rectangles inside a matrix fill it without overlap.

    A line sweeps over the rows and keeps the column ranges it cuts in order; a new one is compared with two neighbours.
    """
    if sum(block.rows * block.columns for block in blocks) != rows * columns:
        return False
    events = [(block.row, 1, block.column, block.column + block.columns) for block in blocks]
    events += [(block.row + block.rows, 0, block.column, 0) for block in blocks]
    starts: list[int] = []
    ends: list[int] = []
    for _, opens, start, end in sorted(events):
        place = bisect_left(starts, start)
        if not opens:
            del starts[place], ends[place]
        elif (place and ends[place - 1] > start) or (place < len(starts) and starts[place] < end):
            return False
        else:
            starts.insert(place, start)
            ends.insert(place, end)
    return True
