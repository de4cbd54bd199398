"""Verb: read rows of a tensor from its file, and only those.

Rows are read with positioned reads in ascending order, neighbours in one go, and converted to float32 in blocks, so
that memory stays near the size of the result however large the tensor is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import NotFound, UnsafeFile, WrongFile
from charvec.plumbing import places
from charvec.plumbing.arrays import gathering
from charvec.plumbing.digests import ThreadedDigest
from charvec.plumbing.files import File
from charvec.tensor import ITEM_BYTES, READABLE, Block, RowSource, Tensor

__all__ = ["READABLE", "read_and_hash", "read_rows", "sample_rows"]

#: Rows that are so many times as large as the files are no model's: 4 bits are the least that a value takes. Small ones
#: harm nobody.
MAX_RATIO = 1024
SWELLS_FROM = 1 << 30
#: Rows of so many bytes are read straight to their places, each run of neighbours by a call of its own; narrower ones
#: through a buffer, with what lies between them.
STRAIGHT = 1024


def read_rows(tensor: Tensor, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], str]:
    """Rows of a tensor seen as a matrix.

    Args:
        tensor: one that is readable.
        ids: int64 [n], each 0 <= id < tensor.rows, in any order, repetitions allowed.

    Returns:
        float32 [n, tensor.columns], row k being row ``ids[k]`` bit for bit as stored (float64 is rounded to nearest);
        and the BLAKE2b-256 (hex) of the stored elements of the distinct rows in ascending order, block after block, in
        the order in which they lie in the file; of a tensor with a source, of the distinct rows as the source gives
        them.

    Raises:
        WrongFile: ``E-QUANTISED`` for another element type.
        UnsafeFile: ``E-BOMB`` when many GiB would be made out of a small file.
        NotFound: ``E-SHARD-MISSING`` when a file of the tensor is not there.
        DamagedFile: ``E-TRUNCATED`` when a file ends before the rows do.
    """
    rows, digest = read_and_hash(tensor, ids)
    return rows, digest.hexdigest()


def read_and_hash(tensor: Tensor, ids: NDArray[np.int64]) -> tuple[NDArray[np.float32], ThreadedDigest]:
    """As :func:`read_rows`, while the digest may still be in the making: the rows must not be changed before it is."""
    with ThreadedDigest() as digest:
        return _read(tensor, ids, digest), digest


def sample_rows(tensor: Tensor, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """As :func:`read_rows`, without the digest."""
    return _read(tensor, ids, _NoDigest())


class _NoDigest:
    def update(self, data: bytes | memoryview | Callable[[], bytes]) -> None:
        """Nobody asks for it."""


def _read(tensor: Tensor, ids: NDArray[np.int64], digest: ThreadedDigest | _NoDigest) -> NDArray[np.float32]:
    if not tensor.readable:
        raise WrongFile(
            "E-QUANTISED",
            f"the elements of tensor {tensor.name!r} are {tensor.dtype}; rows can be read of {', '.join(READABLE)}",
            help="use the checkpoint as it was before quantisation, or name another tensor with --tensor",
        )
    if len(ids) and (ids.min() < 0 or ids.max() >= tensor.rows):
        raise IndexError(f"row ids reach from {ids.min()} to {ids.max()}, the tensor has {tensor.rows} rows")
    _refuse_swelling(tensor, ids)
    # zeros: of a bfloat16 only the upper half is filled in. The system hands out zeroed memory in either case
    result = np.zeros((len(ids), tensor.columns), np.float32)
    order = np.argsort(ids, kind="stable")
    # float64 beyond float32 becomes infinity, which the user is told of the finished vectors
    with ExitStack() as stack, np.errstate(over="ignore", invalid="ignore"):
        if tensor.source is not None:
            _read_source(tensor.source, tensor.paths, ids[order], order, result, digest)
            return result
        files: dict[str, File] = {}
        for block in tensor.blocks:
            if block.path not in files:
                if not places.exists(block.path):
                    raise NotFound(
                        "E-SHARD-MISSING",
                        f"{block.path}, a part of the checkpoint, is missing",
                        path=block.path,
                        help="download it and put it beside the other files",
                    )
                files[block.path] = stack.enter_context(File(block.path))
            _read_block(files[block.path], block, tensor.dtype, ids, order, result, digest)
    return result


def _refuse_swelling(tensor: Tensor, ids: NDArray[np.int64]) -> None:
    """Refuse rows that are many times as large as the files: views may show one element as any number of them.

    Raises:
        UnsafeFile: ``E-BOMB``.
    """
    # also where no row is wanted: an array of none takes its width for a size
    if 4 * max(1, len(ids)) * tensor.columns <= SWELLS_FROM:
        return
    size = 0
    for path in filter(places.exists, tensor.paths):
        with File(path) as file:
            size += file.size
    count = max(1, len(np.unique(ids)))
    if 4 * count * tensor.columns > max(SWELLS_FROM, MAX_RATIO * size):
        raise UnsafeFile(
            "E-BOMB",
            f"tensor {tensor.name!r} would make {count:,} rows of {tensor.columns:,} values out of {size:,} bytes",
            path=next(iter(tensor.paths), None),
            help="do not use this file unless you know who made it",
        )


def _read_source(
    source: RowSource,
    files: Iterable[str],
    ascending: NDArray[np.int64],
    order: NDArray[np.intp],
    result: NDArray[np.float32],
    digest: ThreadedDigest | _NoDigest,
) -> None:
    """Fill ``result`` from a source, in portions, so that what it gives never stands in memory as a whole."""
    first = _first_of_each(ascending, 0, len(ascending))
    distinct, which = ascending[first], np.cumsum(first) - 1
    # each call opens a file: 5,000 rows of Q8_0 take 55 ms in portions of half a mebibyte, 61 in those of a quarter;
    # larger ones meet more page faults. A source that reads from a server is asked for more, which it can put together
    portion = gathering.CHUNK << (4 if any(map(places.is_remote, files)) else 1)
    count = max(1, portion // max(1, 4 * result.shape[1]))
    everything = source(distinct) if getattr(source, "in_one_pass", False) else None
    cuts = [*range(0, len(distinct), count), len(distinct)]
    shares = np.searchsorted(which, cuts).tolist()
    for (start, stop), (begin, end) in zip(pairwise(cuts), pairwise(shares), strict=True):
        rows = source(distinct[start:stop]) if everything is None else everything[start:stop]
        targets = _targets(order[begin:end])
        if end - begin > stop - start:  # some more than once
            result[targets] = rows[which[begin:end] - start]
        else:
            result[targets] = rows
            if isinstance(targets, slice) and rows.dtype == np.float32:
                digest.update(result[targets].reshape(-1).view(np.uint8).data)  # hashed where they are: no copy
                continue
        digest.update(rows.tobytes())


def _targets(order: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Places in the result; a slice where rows stand in the same order here and there, as in a sorted vocabulary."""
    return slice(int(order[0]), int(order[0]) + len(order)) if (np.diff(order) == 1).all() else order


def _read_block(
    file: File,
    block: Block,
    dtype: str,
    ids: NDArray[np.int64],
    order: NDArray[np.intp],
    result: NDArray[np.float32],
    digest: ThreadedDigest | _NoDigest,
) -> None:
    """Fill the part of ``result`` that lies in one block."""
    ascending = ids[order]
    first, last = np.searchsorted(ascending, (block.row, block.row + block.rows))
    order, wanted = order[first:last], ascending[first:last] - block.row
    columns = slice(block.column, block.column + block.columns)
    item = ITEM_BYTES[dtype]
    dense = block.columns <= 1 or block.column_stride == item
    if not dense and block.column_stride > block.row_stride:
        _read_columns(file, block, dtype, wanted, order, result, columns, digest)
        return
    # a row starts every `row_stride` and takes `width` bytes, all of them elements unless a view leaves columns out
    width = (block.columns - 1) * block.column_stride + item if block.columns else 0
    # whether stored rows are, byte for byte, rows of the result
    whole = dense and width == block.row_stride == result.shape[1] * 4 and dtype == "float32" and not block.big_endian
    whole = whole and width > 0 and sys.byteorder == "little"
    if whole and width >= STRAIGHT and not file.remote:
        for start, end in gathering.straight(file, block.offset, wanted, result, order):
            distinct = _first_of_each(wanted, start, end)
            if not distinct.any():
                continue
            targets = _targets(order[start:end] if distinct.all() else order[start:end][distinct])
            if isinstance(targets, slice):
                digest.update(result[targets].reshape(-1).view(np.uint8).data)  # hashed where they are: no copy
            else:
                digest.update(partial(_bytes_of, result, targets, columns))
        return
    for start, end, raw, local in gathering.batches(file, block.offset, block.row_stride, width, wanted):
        count = int(local[-1]) + 1
        rows: NDArray[np.uint8]
        if dense:
            rows = np.ndarray((count, width), np.uint8, raw, strides=(block.row_stride, 1))
        else:
            strides = (block.row_stride, block.column_stride, 1)
            rows = np.ndarray((count, block.columns, item), np.uint8, raw, strides=strides)
        distinct = _first_of_each(wanted, start, end)
        all_distinct = bool(distinct.all())
        targets = _targets(order[start:end])
        if whole and all_distinct and isinstance(targets, slice):
            # go straight to their place, and are hashed there: no copy between
            target = result[targets]
            np.take(rows.view(np.float32), local, axis=0, out=target, mode="clip")
            digest.update(target.reshape(-1).view(np.uint8).data)
            continue
        picked = rows if all_distinct and count == end - start else rows[local]
        picked = picked.reshape(end - start, block.columns * item)
        if dtype == "bfloat16" and sys.byteorder == "little":
            # straight into the upper halves: widening first takes 6 times as long, most of it for fresh memory
            halves = result.view(np.uint16)[:, 1::2]
            halves[targets, columns] = np.ascontiguousarray(picked).view(">u2" if block.big_endian else "<u2")
            if all_distinct and not block.big_endian:
                digest.update(partial(_bytes_of, halves, targets, columns))  # hashed from there: no copy that waits
                continue
        else:
            result[targets, columns] = _float32(picked, dtype, block.big_endian)
        digest.update((picked if all_distinct else picked[distinct]).tobytes())


def _bytes_of(cells: NDArray[Any], rows: NDArray[np.intp] | slice, columns: slice) -> bytes:
    return bytes(cells[rows, columns].tobytes())


def _read_columns(
    file: File,
    block: Block,
    dtype: str,
    wanted: NDArray[np.int64],
    order: NDArray[np.intp],
    result: NDArray[np.float32],
    columns: slice,
    digest: ThreadedDigest | _NoDigest,
) -> None:
    """A block that lies column by column, a transposed view: read column after column.

    The wanted rows of one column lie within ``rows * row_stride`` bytes; that is read at once, so memory stays small.
    """
    if not len(wanted):
        return
    item = ITEM_BYTES[dtype]
    low, high = int(wanted[0]), int(wanted[-1])
    local = wanted - low
    distinct = _first_of_each(local, 0, len(local))
    start, length = block.offset + low * block.row_stride, (high - low) * block.row_stride + item
    file.expect((start + column * block.column_stride, length) for column in range(block.columns))
    for column in range(block.columns):
        raw = file.pread(start + column * block.column_stride, length)
        cells = np.ndarray((high - low + 1, item), np.uint8, raw, strides=(block.row_stride, 1))[local]
        digest.update(cells[distinct].tobytes())
        result[order, columns.start + column] = _float32(cells, dtype, block.big_endian)[:, 0]


def _first_of_each(ascending: NDArray[np.int64], start: int, end: int) -> NDArray[np.bool_]:
    """Whether each number from ``start`` to ``end`` differs from the one before it: bool [end - start]."""
    first = np.ones(end - start, bool)
    if start:
        first[0] = ascending[start] != ascending[start - 1]
    first[1:] = ascending[start + 1 : end] != ascending[start : end - 1]
    return first


def _float32(raw: NDArray[np.uint8], dtype: str, big_endian: bool) -> NDArray[np.floating]:
    """Bytes [n, width] of stored elements as floats [n, width / item]; all but float64 fit float32 without loss."""
    order = ">" if big_endian else "<"
    raw = np.ascontiguousarray(raw)
    if dtype == "bfloat16":
        # a bfloat16 is the upper half of a float32
        return (raw.view(order + "u2").astype(np.uint32) << 16).view(np.float32)
    values: NDArray[np.floating] = raw.view(order + {"float16": "f2", "float32": "f4", "float64": "f8"}[dtype])
    return values
