"""Plumbing: a tensor that is stored as pieces of its flattened elements, so that rows may be cut in two."""

from __future__ import annotations

from collections.abc import Iterable

from charvec.tensor import Block

__all__ = ["flat_blocks"]


def flat_blocks(
    path: str, pieces: Iterable[tuple[int, int]], columns: int, item: int, *, big_endian: bool = False
) -> tuple[Block, ...]:
    """The blocks of a tensor in pieces, at most three for each.

    Args:
        path: the file.
        pieces: offset and number of elements of each, in the order of the elements; in all a multiple of ``columns``.
        columns: of the tensor seen as a matrix, at least 1.
        item: bytes of an element.
        big_endian: byte order of the elements.
    """
    blocks: list[Block] = []
    done = 0  # elements before this place
    for start, count in pieces:
        offset, left = start, count
        while left:
            row, column = divmod(done, columns)
            whole = left // columns if not column else 0
            height, width = (whole, columns) if whole else (1, min(columns - column, left))
            blocks.append(Block(path, offset, height, width, columns * item, item, row, column, big_endian=big_endian))
            done, left, offset = done + height * width, left - height * width, offset + height * width * item
    return tuple(blocks)
