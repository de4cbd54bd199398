"""Verb: rows of matrices that are stored together with scales, or with a map to shared rows.

What is read, and who writes it:

* 8-bit floats with ``X.weight_scale`` or ``X.weight_scale_inv`` beside ``X.weight`` (compressed-tensors, DeepSeek, the
  fp8 quantiser of transformers): value = stored x scale, computed in float32. One scale for all, one a row, or one for
  each block, 128 x 128 unless the shapes say otherwise. The name notwithstanding, both are factors.
* 8-bit floats in a file that has no scale at all: a plain conversion, each value is what it says.
* model2vec with a quantised vocabulary: value = ``embeddings[mapping[id]] x weights[id]`` (its ``model.py``).

Anything else, such as small integers packed in larger ones, is refused: without its writer's rule it means nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.errors import DamagedFile
from charvec.plumbing.arrays import gathering
from charvec.plumbing.files import File
from charvec.tensor import ITEM_BYTES, Block, Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["float8_values", "readable_form"]

_FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
_SCALES = ("_scale_inv", "_scale")
#: Types of scales and maps, as numpy reads them; bfloat16 is widened apart.
_PLAIN = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "<i1",
    "uint8": "<u1",
    **dict.fromkeys(_FLOAT8, "<u1"),
}


def readable_form(checkpoint: Checkpoint, tensor: Tensor) -> Tensor | None:
    """The tensor as one whose rows can be read: itself, or joined with the tensors it is meant to be read with.

    Args:
        checkpoint: where the others are looked for.
        tensor: a matrix.

    Returns:
        None when its elements mean nothing by themselves, and nothing beside it explains them.

    Raises:
        DamagedFile: ``E-SCALES`` when what belongs to it does not fit it.
        CharvecError: as :func:`charvec.checkpoints.tensor`, when that lies in another file.
    """
    if tensor.name == "embeddings" and len(tensor.shape) == 2 and _dense(tensor):
        mapped = _mapped(checkpoint, tensor)
        if mapped is not None:
            return mapped
    if tensor.readable:
        return tensor
    if tensor.dtype not in _FLOAT8 or len(tensor.shape) != 2 or not _dense(tensor):
        return None
    names = set(checkpoint)
    stem = tensor.name.removesuffix(".weight") if tensor.name.endswith(".weight") else tensor.name
    for suffix in _SCALES:
        name = f"{stem}.weight{suffix}"
        if name in names:
            return _scaled(tensor, checkpoints.tensor(checkpoint, name))
    if not any("scale" in name for name in names):
        source = _Scaled(tensor.blocks[0], tensor.dtype)
        return _with_source(tensor, source, (), f"{tensor.dtype}, without scales")
    return None


def _dense(tensor: Tensor) -> bool:
    """Whether it lies in one piece, row after row."""
    if len(tensor.blocks) != 1 or tensor.dtype not in _PLAIN or tensor.blocks[0].big_endian:
        return False
    block, item = tensor.blocks[0], ITEM_BYTES[tensor.dtype]
    # of a single row or column any stride will do
    return (block.column_stride == item or block.columns <= 1) and (
        block.row_stride == block.columns * item or block.rows <= 1
    )


def _with_source(tensor: Tensor, source: Any, others: tuple[Tensor, ...], how: str) -> Tensor:
    paths = dict.fromkeys(path for each in (tensor, *others) for path in each.paths)
    return replace(tensor, blocks=(), source=source, files=tuple(paths), quantised=how)


# -- scales ----------------------------------------------------------------------------------------------------------


def _scaled(tensor: Tensor, scale: Tensor) -> Tensor:
    rows, columns = tensor.shape
    size = 1
    for each in scale.shape:
        size *= each
    if not _dense(scale) or scale.dtype not in ("float64", "float32", "float16", "bfloat16"):
        raise _misfit(scale, f"is {scale.dtype}")
    if size == 1:
        how, block = "one scale for all", (rows, columns)
    elif size == rows and scale.shape[0] == rows:
        how, block = "one scale a row", (1, columns)
    elif len(scale.shape) == 2:
        block = (_side(rows, scale.shape[0]), _side(columns, scale.shape[1]))
        how = f"one scale for each {block[0]} x {block[1]}"
    else:
        block, how = (0, 0), ""
    if 0 in block:
        raise _misfit(scale, f"has the shape {list(scale.shape)}, the matrix {list(tensor.shape)}")
    shape = (-(-rows // block[0]), -(-columns // block[1]))
    source = _Scaled(tensor.blocks[0], tensor.dtype, scale.blocks[0], scale.dtype, block, shape)
    return _with_source(tensor, source, (scale,), f"{tensor.dtype}, {how}")


def _side(length: int, count: int) -> int:
    """Side of the blocks that ``count`` of cover ``length``: 128 where that fits, else what divides evenly, or 0."""
    if count and -(-length // 128) == count:
        return 128
    return length // count if count and length % count == 0 else 0


def _misfit(scale: Tensor, problem: str) -> DamagedFile:
    path = next(iter(scale.paths), None)
    return DamagedFile(
        "E-SCALES",
        f"{path}: {scale.name!r} {problem}, and does not fit the matrix it belongs to",
        path=path,
        help="use the checkpoint as it was before quantisation; if its writer is at fault, tell its authors",
    )


@dataclass(frozen=True)
class _Scaled:
    """8-bit elements times their scales, in float32.

    Attributes:
        block: where the elements lie.
        dtype: their type.
        scale: where the scales lie, row-major; None for none.
        scale_dtype: their type.
        per: rows and columns that share one scale.
        shape: rows and columns of scales.
    """

    block: Block
    dtype: str
    scale: Block | None = None
    scale_dtype: str = ""
    per: tuple[int, int] = (1, 1)
    shape: tuple[int, int] = (1, 1)

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows as float32 [n, columns]."""
        raw = _rows(self.block, self.dtype, self.block.columns, ids)
        values: NDArray[np.float32] = float8_values(self.dtype)[raw]
        if self.scale is None:
            return values
        bands, which = np.unique(ids // self.per[0], return_inverse=True)
        scales = _floats(_rows(self.scale, self.scale_dtype, self.shape[1], bands), self.scale_dtype)[which]
        if self.shape[1] > 1:
            scales = np.repeat(scales, self.per[1], axis=1)[:, : self.block.columns]
        result: NDArray[np.float32] = values * scales.astype(np.float32)
        return result


@lru_cache(maxsize=2)
def float8_values(dtype: str) -> NDArray[np.float32]:
    """What each of the 256 bytes means: float32 [256].

    Args:
        dtype: ``float8_e4m3fn`` (4 bits of exponent, no infinity, OCP 8-bit floating point) or ``float8_e5m2`` (the
            upper half of a float16).
    """
    codes = np.arange(256, dtype=np.uint16)
    if dtype == "float8_e5m2":
        return (codes << 8).view(np.float16).astype(np.float32)
    exponent, fraction = (codes >> 3 & 15).astype(np.int32), (codes & 7).astype(np.float32)
    normal = np.ldexp(1 + fraction / 8, exponent - 7)
    values = np.where(exponent == 0, np.ldexp(fraction, -9), normal).astype(np.float32)
    values[codes & 127 == 127] = np.nan
    return np.where(codes >= 128, -values, values).astype(np.float32)


# -- rows shared by many ids -----------------------------------------------------------------------------------------


def _mapped(checkpoint: Checkpoint, tensor: Tensor) -> Tensor | None:
    """model2vec's: ids share rows, have weights, or are int8; None when this is not its file or needs no help."""
    parts = [checkpoint.tensors.get(name) for name in ("mapping", "weights")]
    mapping, weights = parts
    if not set(checkpoint) <= {"embeddings", "mapping", "weights"} or tensor.dtype in ("int64", *_FLOAT8):
        return None
    if mapping is None and weights is None and tensor.dtype != "int8":
        return None
    for each in parts:
        if each is not None and (len(each.shape) != 1 or not _dense(each) or each.dtype in _FLOAT8):
            return None  # some other model, which happens to use these names
    if (mapping is not None and "int" not in mapping.dtype) or (weights is not None and "float" not in weights.dtype):
        return None
    present = tuple(each for each in parts if each is not None)
    size = present[0].rows if present else tensor.rows
    if any(each.rows != size for each in present) or (mapping is None and size != tensor.rows):
        raise _misfit(present[-1], f"has the shape {list(present[-1].shape)}, not one entry for each piece")
    source = _Mapped(
        tensor.blocks[0],
        tensor.dtype,
        tensor.rows,
        mapping.blocks[0] if mapping else None,
        mapping.dtype if mapping else "",
        weights.blocks[0] if weights else None,
        weights.dtype if weights else "",
    )
    how = [f"{tensor.rows:,} rows for {size:,} pieces"] if mapping else []
    how += ["one weight a piece"] if weights else []
    how += [f"{tensor.dtype}, whose common scale is not stored"] if "int" in tensor.dtype else []
    return replace(_with_source(tensor, source, present, ", ".join(how)), shape=(size, tensor.columns))


@dataclass(frozen=True)
class _Mapped:
    """``embeddings[mapping[id]] * weights[id]``, in the type that numpy, and so model2vec, gives the product.

    Attributes:
        block, dtype, rows: where the shared rows lie, their type and number.
        mapping, mapping_dtype: where the row of each id is; None for the id itself.
        weights, weights_dtype: where the weight of each id is; None for one.
    """

    block: Block
    dtype: str
    rows: int
    mapping: Block | None
    mapping_dtype: str
    weights: Block | None
    weights_dtype: str

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Rows as floating-point numbers [n, columns]."""
        rows = ids
        if self.mapping is not None:
            rows = _rows(self.mapping, self.mapping_dtype, 1, ids)[:, 0].astype(np.int64)
            if len(rows) and (rows.min() < 0 or rows.max() >= self.rows):
                raise DamagedFile(
                    "E-SCALES",
                    f"{self.mapping.path}: 'mapping' leads to row {int(rows.min() if rows.min() < 0 else rows.max())}, "
                    f"'embeddings' has {self.rows:,}",
                    path=self.mapping.path,
                    help="download the file again; if its writer is at fault, tell its authors",
                )
        distinct, which = np.unique(rows, return_inverse=True)
        stored = _rows(self.block, self.dtype, self.block.columns, distinct)
        values = _floats(stored, self.dtype)[which] if "int" not in self.dtype else stored[which].astype(np.float32)
        if self.weights is None:
            return values
        result: NDArray[np.floating[Any]]
        result = values * _floats(_rows(self.weights, self.weights_dtype, 1, ids), self.weights_dtype)
        return result


# -- bytes -----------------------------------------------------------------------------------------------------------


def _rows(block: Block, dtype: str, columns: int, ids: NDArray[np.int64]) -> NDArray[Any]:
    """Stored elements [n, columns] of ascending rows, seen as rows of so many columns; bfloat16 as uint16."""
    item = ITEM_BYTES[dtype]
    result = np.empty((len(ids), columns * item), np.uint8)
    with File(block.path) as file:
        for start, end, rows in gathering.gather(file, block.offset, columns * item, columns * item, ids):
            result[start:end] = rows
    return result.view(_PLAIN[dtype])


def _floats(stored: NDArray[Any], dtype: str) -> NDArray[Any]:
    """As floating-point numbers of the machine's byte order."""
    if dtype in _FLOAT8:
        return np.asarray(float8_values(dtype)[stored])
    values: NDArray[Any] = stored.astype(stored.dtype.newbyteorder("="))
    # a bfloat16 is the upper half of a float32
    if dtype == "bfloat16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values
