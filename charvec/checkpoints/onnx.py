"""ONNX: a graph and its weights, in one protobuf message, or with the weights in files beside it.

The layout is read by :mod:`charvec.plumbing.graphs.onnx_file`. The input embedding is found through the graph
(:mod:`charvec.plumbing.graphs.lookup`), for the names of weights are often lost in the export. A table of integers
is read where the graph says how it is dequantised: DequantizeLinear before or behind the Gather, with a scale for all,
for each row, each column or each block of columns, or GatherBlockQuantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from charvec.errors import DamagedFile
from charvec.plumbing import places
from charvec.plumbing.arrays.affine_rows import NUMBERS, Affine, Elements, Varints
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short, inside
from charvec.plumbing.graphs import onnx_file
from charvec.plumbing.graphs.graph import Stored
from charvec.plumbing.graphs.lookup import Lookup, lookups, tensor, verdict
from charvec.plumbing.graphs.onnx_file import read_graph
from charvec.tensor import ITEM_BYTES, READABLE, Block, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "onnx"

#: Files beside the model that are opened at most; exports write one, some one for each tensor.
MAX_FILES = 1 << 14
#: Bytes of tensors that can only be read as a whole.
MAX_WHOLE = 1 << 24


def sniff(file: File) -> bool:
    """A ModelProto."""
    return onnx_file.sniff(file)


def read(file: File) -> Checkpoint:
    """Read the graph and, of files beside the model, their sizes.

    Raises:
        DamagedFile: ``E-ONNX`` or ``E-TRUNCATED``.
        UnsafeFile: ``E-PATH-ESCAPE`` when weights would lie outside the folder of the model.
    """
    graph, seen = read_graph(file)
    folder = _Folder(file)
    stored: dict[str, Stored] = {}
    for each in graph.all():
        for name, entry in each.tensors.items():
            # constants inside the graph are mostly sizes and axes
            if name not in each.makers or len(entry.shape) == 2:
                stored.setdefault(name, entry)
    tensors = {name: folder.tensor(entry) for name, entry in stored.items()}
    found = list(lookups(graph))
    for lookup in found:
        table, made = lookup.table, folder.table(lookup)
        if made is None and table.dtype not in READABLE:
            # numbers that mean nothing without what the graph does to them are not handed on as plain ones
            made = Tensor(table.name, table.shape, table.dtype, quantised=table.dtype)
        if made is not None:
            tensors[table.name] = made
    embedding, full_names = verdict(found)
    return Checkpoint(
        file.path,
        NAME,
        folder.sizes,
        tensors,
        blake2b(seen, digest_size=32).hexdigest(),
        full_names=full_names,
        embedding=embedding,
    )


class _Folder:
    """The model's file and those beside it.

    Attributes:
        sizes: bytes of every file that was opened.
    """

    def __init__(self, file: File) -> None:
        self.path, self.sizes = file.path, {file.path: file.size}

    def place(self, stored: Stored) -> tuple[str, int] | None:
        """File and offset of elements that lie raw; None for others."""
        if stored.external is None:
            return (self.path, stored.place[0]) if stored.place else None
        entries: Mapping[str, str] = stored.external
        path = inside(places.parent(self.path), entries.get("location", ""), by=self.path)
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", stored.nbytes))
        except ValueError:
            offset = length = -1
        if offset < 0 or length != stored.nbytes:
            raise DamagedFile(
                "E-ONNX",
                f"{self.path}: damaged ONNX file: the place of tensor {stored.name[:80]!r} in {path} is malformed",
                path=self.path,
                help="download the file again; if its writer is at fault, tell its authors",
            )
        if path not in self.sizes and len(self.sizes) < MAX_FILES and places.exists(path):
            with File(path) as other:
                self.sizes[path] = other.size
        # a file that is not there is missed when somebody asks for its rows
        if path in self.sizes and offset + length > self.sizes[path]:
            raise cut_short(path, self.sizes[path], f": {offset + length:,} bytes are needed")
        return path, offset

    def tensor(self, stored: Stored) -> Tensor:
        """A tensor as it is stored."""
        place = self.place(stored)
        if place and stored.dtype in ITEM_BYTES:
            return Tensor.contiguous(stored.name, stored.shape, stored.dtype, *place)
        source = self.elements(stored) if stored.dtype in READABLE and len(stored.shape) == 2 else None
        return Tensor(stored.name, stored.shape, stored.dtype, source=source, files=(source.path,) if source else ())

    def elements(self, stored: Stored, shape: tuple[int, int] | None = None) -> Elements | Varints | None:
        """Its elements as a matrix, or None when they cannot be read as one."""
        rows, columns = shape or (stored.shape[0], prod(stored.shape[1:]))
        if stored.dtype not in NUMBERS or not rows or not columns:
            return None
        place = self.place(stored)
        if place:
            ragged = stored.dtype.endswith("int4") and columns % 2
            return None if ragged and stored.nbytes > MAX_WHOLE else Elements(*place, rows, columns, stored.dtype)
        if stored.varints and stored.varints[1] <= MAX_WHOLE:
            return Varints(self.path, *stored.varints, rows, columns, stored.dtype)
        return None

    def table(self, lookup: Lookup) -> Tensor | None:
        """A table that is stored in another way than it is used; None for others, and when it cannot be read."""
        stored = lookup.table
        if stored.dtype in READABLE:
            place = self.place(stored) if lookup.transposed else None
            if not place:
                return None
            (columns, rows), item = stored.shape, ITEM_BYTES[stored.dtype]
            block = Block(*place, rows, columns, item, rows * item)
            return Tensor(stored.name, (rows, columns), stored.dtype, (block,))
        if lookup.transposed:
            return None
        return self._blocks(lookup) if lookup.node.kind == "GatherBlockQuantized" else self._affine(lookup)

    def _affine(self, lookup: Lookup) -> Tensor | None:
        """A table of integers, and DequantizeLinear before or behind the Gather."""
        rows, columns = lookup.table.shape
        if lookup.dequantise is None:
            return self._by_name(lookup)
        numbers = lookup.dequantise.numbers
        axis, block = _integer(numbers, "axis", 1), _integer(numbers, "block_size", 0)
        parts = _parts(lookup, lookup.dequantise.inputs[1:3])
        if not parts:
            return None
        if prod(parts[0].shape) == 1:
            return self._quantised(lookup.table, parts, (1, 1), "one scale")
        if lookup.behind:
            # of the rows taken out, the last axis is that of the columns, whatever the others are
            return self._quantised(lookup.table, parts, (1, columns), "one scale a column") if axis else None
        if block > 0 and axis in (1, -1):
            shape = rows, -(-columns // block)
            return self._quantised(lookup.table, parts, shape, f"one scale for {block} columns", block)
        if block or axis not in (0, 1, -1, -2):
            return None
        if axis in (0, -2):
            return self._quantised(lookup.table, parts, (rows, 1), "one scale a row")
        return self._quantised(lookup.table, parts, (1, columns), "one scale a column")

    def _by_name(self, lookup: Lookup) -> Tensor | None:
        """A table whose rows go into operators for integers; ONNX Runtime's names tell which scale is the table's."""
        base = lookup.table.name.removesuffix("_quantized")
        parts = _parts(lookup, (base + "_scale", base + "_zero_point"))
        if not parts or prod(parts[0].shape) != 1:
            return None
        return self._quantised(lookup.table, parts, (1, 1), "one scale")

    def _blocks(self, lookup: Lookup) -> Tensor | None:
        """GatherBlockQuantized (ONNX Runtime, docs/ContribOperators.md): a scale for each block of a row."""
        table, numbers = lookup.table, lookup.node.numbers
        block = _integer(numbers, "block_size", 128)
        parts = _parts(lookup, lookup.node.inputs[2:4])
        if not parts or block <= 0 or _integer(numbers, "quantize_axis", 1) not in (1, -1):
            return None
        zero = 0
        if table.dtype == "uint8":
            # older tools put two 4-bit numbers into each uint8, in every row anew; zero is in the middle
            bits = _integer(numbers, "bits", 4)
            zero = 1 << (bits - 1) if bits in (4, 8) else 0
            if bits == 4:
                table, *parts = (_unpacked(each) if each.dtype == "uint8" else each for each in (table, *parts))
        rows, columns = table.shape
        shape = rows, -(-columns // block)
        return self._quantised(table, parts, shape, f"one scale for {block} columns", block, zero)

    def _quantised(
        self, table: Stored, parts: list[Stored], shape: tuple[int, int], how: str, block: int = 1, zero: int = 0
    ) -> Tensor | None:
        """The table with its scales, and zero points if there are any, of that shape."""
        rows, columns = shape
        # zero points of 4 bits may be filled up to a whole byte a row
        sizes = {1: (1, 1), rows * columns: shape, rows * (columns + columns % 2): (rows, columns + columns % 2)}
        matrices = [self.elements(part, sizes.get(prod(part.shape), (0, 0))) for part in parts]
        integers = self.elements(table)
        if integers is None or None in matrices or parts[0].dtype not in READABLE:
            return None
        scales, zero_points = matrices[0], matrices[1] if len(matrices) > 1 else None
        if scales is None or scales.rows * scales.columns not in (1, rows * columns):
            return None
        source = Affine(integers, scales, zero_points, block, zero)
        files = dict.fromkeys(each.path for each in (integers, *matrices) if each)
        quantised = f"{table.dtype}, {how}"
        return Tensor(table.name, table.shape, table.dtype, source=source, files=tuple(files), quantised=quantised)


def _unpacked(stored: Stored) -> Stored:
    """Bytes as twice as many 4-bit numbers."""
    shape = (*stored.shape[:-1], 2 * stored.shape[-1]) if stored.shape else ()
    return Stored(stored.name, shape, "uint4", stored.place, stored.varints, stored.external)


def _integer(numbers: Mapping[str, int | tuple[int, ...]], name: str, default: int) -> int:
    """An attribute that is an integer."""
    value = numbers.get(name, default)
    return value if isinstance(value, int) else default


def _parts(lookup: Lookup, names: tuple[str, ...]) -> list[Stored] | None:
    """Scales, and zero points if they are named."""
    parts = []
    for name in names:
        if name:
            part = tensor(lookup, name)
            if part is None:
                return None
            parts.append(part)
    return parts
