"""TensorFlow checkpoints of the first version: one file, without an index.

``tf.train.Saver`` wrote them before TensorFlow 0.12 and with ``write_version=SaverDef.V1`` ever since; SavedModels of
that time hold one as ``export-00000-of-00001``. The file is read by :mod:`charvec.plumbing.tensorflow.savedslices`.
Elements of float32 and float64 lie in it as they are in memory; those of float16 are varints, which are counted once,
when the first row is asked for. The format has no bfloat16.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import CharvecError
from charvec.plumbing.arrays.varints import Halves
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.protobuf import Malformed
from charvec.plumbing.tensorflow.leveldb import FOOTER, MAGIC
from charvec.plumbing.tensorflow.savedslices import Place, Saved, Table, unpack
from charvec.plumbing.tensorflow.savedslices import read as read_table
from charvec.plumbing.tensorflow.tensorbundle import slice_key
from charvec.plumbing.tensorflow.tensorslices import first_column, is_first_version, slice_lengths, tile
from charvec.tensor import ITEM_BYTES, Block, Checkpoint, Tensor
from charvec.valueclass import dataclass, field

__all__ = ["NAME", "read", "sniff"]

NAME = "tensorflow-v1"

#: The field of a TensorProto that holds the elements.
_FIELDS = {"float32": 5, "float64": 6, "float16": 13}


def sniff(file: File) -> bool:
    """A table's magic at the end, and the first entry of such a checkpoint at the beginning."""
    try:
        return (
            file.size >= FOOTER
            and is_first_version(file.head)
            and file.pread(file.size - len(MAGIC), len(MAGIC)) == MAGIC
        )
    except CharvecError:
        return False


def read(file: File) -> Checkpoint:
    """Read the names, and where every slice lies.

    Raises:
        DamagedFile: ``E-TF-V1``.
    """
    path = file.path
    try:
        table = read_table(file)
        tensors = {name: _tensor(name, saved, table, path) for name, saved in table.tensors.items()}
    except Malformed as error:
        raise error.within(path, "E-TF-V1", "TensorFlow checkpoint") from None
    return Checkpoint(path, NAME, {path: file.size}, tensors, blake2b(table.meta, digest_size=32).hexdigest())


def _tensor(name: str, saved: Saved, table: Table, path: str) -> Tensor:
    """A tensor and its slices, each a rectangle of it."""
    plain = Tensor(name, saved.shape, saved.dtype)
    if saved.dtype not in _FIELDS:
        return plain
    parts: list[Part] = []
    for extents in saved.slices:
        try:
            lengths = slice_lengths(extents, saved.shape)
        except Malformed as error:
            raise Malformed(f"the tensor {name[:80]!r}: {error}") from None
        places = table.values.get(slice_key(name, extents))
        column = first_column(extents, lengths, saved.shape)
        if places is None:
            raise Malformed(f"the slice {list(extents)} of {name[:80]!r} is missing")
        if column is None:
            return plain
        rows, columns = lengths[0] if lengths else 1, prod(lengths[1:])
        if not rows * columns:
            continue
        place = places.get(_FIELDS[saved.dtype])
        # a varint has one to three bytes
        least, most = (1, 3) if saved.dtype == "float16" else (ITEM_BYTES[saved.dtype],) * 2
        if place is None or not least * rows * columns <= place.size <= most * rows * columns:
            raise Malformed(f"the slice {list(extents)} of {name[:80]!r} has not the bytes that its shape needs")
        parts.append(Part(place, extents[0][0] if extents else 0, column, rows, columns))
    parts.sort(key=lambda part: (part.row, part.column))
    blocks = [_block(part, saved.dtype, path) for part in parts]
    if sum(part.rows * part.columns for part in parts) < plain.rows * plain.columns:
        return Tensor(name, saved.shape, f"{saved.dtype}, partly in other files")  # of a saver that was told to shard
    if not tile(blocks, plain.rows, plain.columns):
        raise Malformed(f"the slices of {name[:80]!r} leave a hole or overlap")
    if saved.dtype != "float16" and not any(part.place.block for part in parts):
        return Tensor(name, saved.shape, saved.dtype, tuple(blocks))
    source = SlicedRows(path, saved.dtype, plain.columns, tuple(parts))
    return Tensor(name, saved.shape, saved.dtype, source=source, files=(path,))


@dataclass(frozen=True)
class Part:
    """A slice: where its elements lie, and the rectangle of the tensor they fill."""

    place: Place
    row: int
    column: int
    rows: int
    columns: int


def _block(part: Part, dtype: str, path: str) -> Block:
    item = ITEM_BYTES[dtype]
    return Block(
        path,
        part.place.offset,
        part.rows,
        part.columns,
        part.columns * item,
        item,
        row=part.row,
        column=part.column,
    )


@dataclass(frozen=True)
class SlicedRows:
    """Rows of a tensor whose elements are varints, or lie in compressed blocks; a source of rows.

    Attributes:
        path: the file.
        dtype: element type.
        columns: of the tensor.
        parts: its slices.
        found: where the varints of a slice lie, as soon as that is known.
    """

    path: str
    dtype: str
    columns: int
    parts: tuple[Part, ...]
    found: dict[Part, Halves] = field(default_factory=dict, compare=False)

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns].

        Raises:
            DamagedFile: ``E-TF-V1`` when a block or a varint is damaged.
        """
        rows = np.zeros((len(ids), self.columns), self.dtype)
        with File(self.path) as file:
            for part in self.parts:
                first, last = np.searchsorted(ids, (part.row, part.row + part.rows))
                if first == last:
                    continue
                try:
                    found = self._part(file, part, ids[first:last] - part.row)
                except Malformed as error:
                    raise error.within(self.path, "E-TF-V1", "TensorFlow checkpoint") from None
                rows[first:last, part.column : part.column + part.columns] = found
        return rows

    def _part(self, file: File, part: Part, local: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of a slice, read from the first to the last of those that are wanted."""
        place, low = part.place, int(local[0])
        count = int(local[-1]) - low + 1
        start, stop = low * part.columns, (low + count) * part.columns
        if self.dtype == "float16":
            elements: NDArray[Any] = self._halves(file, part, start, stop)
        else:
            item = ITEM_BYTES[self.dtype]
            raw = self._bytes(file, place, start * item, (stop - start) * item)
            elements = np.frombuffer(raw, f"<f{item}")
        return elements.reshape(count, part.columns)[local - low]

    @staticmethod
    def _bytes(file: File, place: Place, start: int, size: int) -> bytes:
        """Bytes of a slice's elements, from ``start`` on."""
        if place.block:
            return unpack(file, place.block)[place.offset + start :][:size]
        return file.pread(place.offset + start, size)

    def _halves(self, file: File, part: Part, start: int, stop: int) -> NDArray[np.float16]:
        """Elements of a slice that are varints."""

        def read(offset: int, size: int) -> bytes:
            return self._bytes(file, part.place, offset, size)

        if part not in self.found:
            self.found[part] = Halves(read, part.place.size)
        halves = self.found[part]
        if halves.count != part.rows * part.columns:
            raise Malformed(f"{halves.count:,} numbers instead of {part.rows * part.columns:,}", part.place.offset)
        return halves.read(read, start, stop)
