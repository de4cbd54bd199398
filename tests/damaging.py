"""Damage to small files, and what opening them then brings: for the tests of checkpoints."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from charvec import checkpoints
from charvec.errors import CharvecError
from charvec.rows import read_rows
from charvec.tensor import Checkpoint


class AllRows:
    """Reads every row of a checkpoint that can be read; plain rows only when they are described as none was before.

    What a file holds where plain rows lie are numbers, any of which will do: how reading them goes depends on what is
    said about them, so that the thousands of files of one test need not be read as many times. Rows of a source are
    unpacked or parsed, and therefore always read.
    """

    def __init__(self) -> None:
        self._met = set[Any]()

    def read(self, checkpoint: Checkpoint) -> None:
        """Read the rows; there are as many of each tensor as it promises."""
        for tensor in checkpoint.tensors.values():
            described = (tensor.shape, tensor.dtype, tensor.blocks, *checkpoint.files.items())
            if tensor.readable and (tensor.source is not None or described not in self._met):
                self._met.add(described)
                assert read_rows(tensor, np.arange(tensor.rows))[0].shape == (tensor.rows, tensor.columns)


def flips(whole: bytes, checkpoint: Checkpoint, seed: int) -> Iterator[tuple[int, int]]:
    """Bits to flip, as byte and mask: every bit of the structure, and of plain rows one of every eighth byte.

    Bits of plain rows are numbers to any reader, and behave alike.
    """
    rows = set[int]()
    for tensor in checkpoint.tensors.values():
        for block in tensor.blocks:
            rows.update(range(block.offset, block.offset + block.rows * block.row_stride))
    chance = random.Random(seed)
    for place in range(len(whole)):
        if place not in rows:
            yield from ((place, 1 << bit) for bit in range(8))
        elif chance.randrange(8) == 0:
            yield place, 1 << chance.randrange(8)


def opened(path: Path) -> str:
    """The code of the error that opening a file or reading its matrices raises; "read" when none."""
    try:
        for tensor in checkpoints.read(path).tensors.values():
            if tensor.readable and len(tensor.shape) == 2:
                rows, _ = read_rows(tensor, np.arange(min(tensor.rows, 4)))
                assert rows.shape[1] == tensor.columns
    except CharvecError as error:
        return error.code
    return "read"


def spoiled(whole: bytes, chance: random.Random, within: tuple[int, ...] = (1 << 30,)) -> bytes:
    """With a bit or three of them flipped, each within as many first bytes as one of the limits says."""
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 3))):
        data[chance.randrange(min(len(data), chance.choice(within)))] ^= 1 << chance.randrange(8)
    return bytes(data)


def overwrite(path: Path, content: bytes | bytearray) -> None:
    """Other content in place; emptying a file on a disk first, as ``write_bytes`` does, takes four milliseconds."""
    with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
        file.write(content)
        file.truncate()
