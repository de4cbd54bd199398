"""Plumbing: write safetensors files tensor by tensor, from the bytes of other checkpoints, never a whole model at once.

Layout: safetensors README, section "Format". The data begin at a multiple of eight bytes, as the reference
implementation has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import prod
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from charvec.errors import WrongFile
from charvec.plumbing.arrays.gathering import gather
from charvec.plumbing.files import File
from charvec.tensor import ITEM_BYTES, Block, Tensor
from charvec.valueclass import dataclass

__all__ = ["Part", "write_safetensors"]

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
#: Bytes copied at once.
_COPY = 1 << 20


@dataclass(frozen=True)
class Part:
    """A tensor to write, whole or cut along one axis.

    Attributes:
        tensor: where its bytes are.
        axis: the axis that is cut; -1 for none.
        ids: int64 [n], ascending: what is kept along that axis.
    """

    tensor: Tensor
    axis: int = -1
    ids: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """What it will have."""
        shape = list(self.tensor.shape)
        if self.ids is not None:
            shape[self.axis] = len(self.ids)
        return tuple(shape)

    @property
    def nbytes(self) -> int:
        """Bytes it will have."""
        return prod(self.shape) * ITEM_BYTES[self.tensor.dtype]


def write_safetensors(parts: Sequence[Part], output: BinaryIO) -> int:
    """Write the file; returns its number of bytes.

    Raises:
        WrongFile: ``E-TRIM-TENSOR`` for a tensor whose bytes cannot be copied.
        CharvecError: as :class:`charvec.plumbing.files.File`.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for part in parts:
        tensor = part.tensor
        if tensor.dtype not in _DTYPES or (not tensor.blocks and tensor.nbytes):
            raise WrongFile(
                "E-TRIM-TENSOR",
                f"tensor {tensor.name!r} is {tensor.dtype} and cannot be copied",
                path=next(iter(tensor.paths), None),
                help="trim the checkpoint as it was before quantisation",
            )
        end = position + part.nbytes
        header[tensor.name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(part.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    output.write(len(text).to_bytes(8, "little") + text)
    for part in parts:
        written = 0
        for piece in _bytes_of(part):
            output.write(piece)
            written += len(piece)
        if written != part.nbytes:
            raise AssertionError(f"{part.tensor.name}: {written} bytes instead of {part.nbytes}")
    return 8 + len(text) + position


def _bytes_of(part: Part) -> Iterator[bytes | memoryview]:
    """The elements, row-major and little-endian."""
    tensor = part.tensor
    if not part.nbytes:
        return
    item = ITEM_BYTES[tensor.dtype]
    only = tensor.blocks[0]
    dense = len(tensor.blocks) == 1 and not only.big_endian and _is_dense(only, item)
    if not dense or (part.ids is not None and part.axis != 0):
        array = _whole(tensor, item)
        if part.ids is not None:
            array = array.reshape(*tensor.shape, item).take(part.ids, axis=part.axis)
        yield np.ascontiguousarray(array).tobytes()
        return
    with File(only.path) as file:
        if part.ids is None:
            end = only.offset + part.nbytes
            for start in range(only.offset, end, _COPY):
                yield file.pread(start, min(_COPY, end - start))
            return
        width = tensor.columns * item
        for _, _, rows in gather(file, only.offset, width, width, part.ids):
            yield rows.tobytes()


def _is_dense(block: Block, item: int) -> bool:
    return (block.columns <= 1 or block.column_stride == item) and (
        block.rows <= 1 or block.row_stride == block.columns * item
    )


def _whole(tensor: Tensor, item: int) -> NDArray[np.uint8]:
    """Elements of a tensor that does not lie in one piece: uint8 [rows, columns, item], little-endian."""
    result = np.empty((tensor.rows, tensor.columns, item), np.uint8)
    for block in tensor.blocks:
        if not block.rows * block.columns:
            continue
        extent = (block.rows - 1) * block.row_stride + (block.columns - 1) * block.column_stride + item
        with File(block.path) as file:
            raw = file.pread(block.offset, extent)
        strides = (block.row_stride, block.column_stride, 1)
        cells: NDArray[np.uint8] = np.ndarray((block.rows, block.columns, item), np.uint8, raw, strides=strides)
        place = (slice(block.row, block.row + block.rows), slice(block.column, block.column + block.columns))
        result[place] = cells[:, :, ::-1] if block.big_endian else cells
    return result
