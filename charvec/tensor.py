"""Nouns: a tensor still in its file, and a checkpoint, a named collection of them.

Plain values. They say where bytes lie; :mod:`charvec.rows` reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from charvec.errors import Note
from charvec.valueclass import dataclass, field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from charvec.vocabulary import Vocabulary

__all__ = ["ITEM_BYTES", "READABLE", "Block", "Checkpoint", "RowSource", "Tensor"]

#: Bytes of one element, by stored dtype. Names are numpy's, with ml_dtypes' for what numpy lacks.
ITEM_BYTES: Mapping[str, int] = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
}

#: Stored element types whose rows can be read from blocks. Each converts to float32: the 16-bit types exactly, float64
#: by rounding.
READABLE = ("float32", "float16", "bfloat16", "float64")


class RowSource(Protocol):
    """Where rows come from whose elements do not lie plainly in a file: compressed, quantised, or written as text.

    A frozen dataclass, so that two readings of one file compare equal; it keeps paths and offsets, no open file and no
    rows. Rows are asked for in portions, unless its class says ``in_one_pass = True`` because each call passes through
    the file from its beginning.
    """

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of the tensor seen as a matrix.

        Args:
            ids: int64 [n], ascending, each once, each below the number of rows.

        Returns:
            [n, columns] of a floating-point type in the machine's byte order; dequantised values as float32.

        Raises:
            CharvecError: as :class:`charvec.plumbing.files.File` does, or when what is read is damaged.
        """


@dataclass(frozen=True)
class Block:
    """A rectangle of a tensor and where its elements lie in one file.

    The tensor is seen as a matrix: axis 0 gives the rows, all other axes together the columns. Element (r, c) of the
    block, which is element (row + r, column + c) of the tensor, starts at byte
    ``offset + r * row_stride + c * column_stride`` of the file ``path``.

    Most tensors are one block. A partitioned TensorFlow variable has one block per slice; a transposed view in a
    PyTorch file is one block whose column stride is the larger one.

    Attributes:
        path: the file.
        offset: byte offset of the first element.
        rows, columns: size of the rectangle.
        row, column: where its first element stands in the tensor.
        row_stride, column_stride: bytes between neighbours; never negative.
        big_endian: byte order of the elements.
    """

    path: str
    offset: int
    rows: int
    columns: int
    row_stride: int
    column_stride: int
    row: int = 0
    column: int = 0
    big_endian: bool = False


@dataclass(frozen=True)
class Tensor:
    """A named array still in its file.

    Attributes:
        name: as the checkpoint spells it.
        shape: any number of axes.
        dtype: stored element type, a key of :data:`ITEM_BYTES`, or another name when charvec cannot read the elements.
        blocks: where the elements lie; they tile the tensor exactly. Empty when charvec cannot read the elements, and
            when they come from ``source``.
        source: gives rows that no block can describe; None for most tensors.
        files: the files that ``source`` reads.
        quantised: how the elements were quantised, for the user, e.g. ``Q4_K`` or ``int8, one scale a row``; "" when
            they are plain floating-point numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    blocks: tuple[Block, ...] = ()
    source: RowSource | None = None
    files: tuple[str, ...] = ()
    quantised: str = ""

    @property
    def readable(self) -> bool:
        """Whether rows can be read."""
        return self.source is not None or (bool(self.blocks) and self.dtype in READABLE)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files its elements are read from."""
        return tuple(dict.fromkeys((*(block.path for block in self.blocks), *self.files)))

    @property
    def rows(self) -> int:
        """Size of axis 0; 1 for a scalar."""
        return self.shape[0] if self.shape else 1

    @property
    def columns(self) -> int:
        """Product of all other axes."""
        return prod(self.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, or 0 when the element type is not one charvec reads."""
        return prod(self.shape) * ITEM_BYTES.get(self.dtype, 0)

    @staticmethod
    def contiguous(
        name: str, shape: tuple[int, ...], dtype: str, path: str, offset: int, *, big_endian: bool = False
    ) -> Tensor:
        """A tensor whose elements lie one after the other in row-major order, the usual case."""
        item = ITEM_BYTES[dtype]
        rows, columns = (shape[0] if shape else 1), prod(shape[1:])
        block = Block(path, offset, rows, columns, columns * item, item, big_endian=big_endian)
        return Tensor(name, shape, dtype, (block,))


@dataclass(frozen=True)
class Checkpoint:
    """A file or folder of named tensors, of which only the headers were read.

    Attributes:
        path: the file that was opened (for a folder or a prefix, the file it led to).
        format: short name of the format, e.g. ``safetensors``.
        files: every file that belongs to it and was opened, with its size in bytes.
        tensors: by name, in the order of the file.
        parts: for a sharded checkpoint, the file that holds each tensor; those are opened only when a tensor of theirs
            is asked for. A tensor is in ``tensors`` or in ``parts``, never in both.
        header_digest: BLAKE2b-256 (hex) of the header bytes that were read.
        full_names: other names a tensor is known by, e.g. the variable name of a TensorFlow 2 object graph key.
        aliases: names of tensors that the file stores once under another name, with that name (tied weights).
        embedding: where the format itself says which tensor is the input embedding, its name and a clause that says
            how, which completes "'NAME' is ..."; otherwise it is looked for by name.
        vocabulary: where a checkpoint brings its own, the file that holds it (GGUF); or the vocabulary itself, where it
            was read together with the matrix (word2vec).
        made_from: provenance that a vector file brings of the model it was made of; stored with what is made of it.
        notes: remarks for the user.
    """

    path: str
    format: str
    files: Mapping[str, int]
    tensors: Mapping[str, Tensor]
    header_digest: str
    parts: Mapping[str, str] = field(default_factory=dict)
    full_names: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    embedding: tuple[str, str] | None = None
    vocabulary: str | Vocabulary = ""
    made_from: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def __iter__(self) -> Iterator[str]:
        """Names of all tensors, also those in parts that were not opened yet."""
        yield from self.tensors
        yield from self.parts

    def __len__(self) -> int:
        return len(self.tensors) + len(self.parts)
