"""OpenVINO: a graph in XML, and its constants in a file beside it that has the same name but for ``.bin``.

The layout is read by :mod:`charvec.plumbing.graphs.openvino_file`; the input embedding is found through the graph, as
in ONNX (:mod:`charvec.plumbing.graphs.lookup`). Tables of 4, 8 and 16-bit integers are read with the scales and
zero points that the graph multiplies them with, as NNCF writes them: one for all, for each row, column, or block of
columns.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from charvec.errors import NotFound, WrongFile
from charvec.plumbing import places
from charvec.plumbing.arrays.affine_rows import NUMBERS, Affine, Elements
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.graphs.graph import Graph, Stored
from charvec.plumbing.graphs.lookup import Lookup, lookups, verdict
from charvec.plumbing.graphs.openvino_file import INTEGERS, graph_of, input_name, read_layout
from charvec.plumbing.protobuf import Malformed
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "openvino"

#: Cap on the XML file; that of a model with some hundred layers has a few megabytes.
MAX_BYTES = 1 << 28


def sniff(file: File) -> bool:
    """An XML document whose outermost element is ``<net>``."""
    head = file.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<?xml"):
        head = head[head.find(b">") + 1 :].lstrip()
    return head.startswith((b"<net ", b"<net>"))


def read(file: File) -> Checkpoint:
    """Read the XML file; of the other its size, and the few bytes that say which axis is looked up in.

    Raises:
        DamagedFile: ``E-OPENVINO`` or ``E-TRUNCATED``.
        NotFound: ``E-SHARD-MISSING`` when the file of constants is missing.
        WrongFile: ``E-TOO-LARGE``.
    """
    if file.size > MAX_BYTES:
        raise WrongFile(
            "E-TOO-LARGE",
            f"{file.path} has {file.size:,} bytes, more than the limit of {MAX_BYTES:,} for the graph of a model",
            path=file.path,
            help="check that it is the file you meant",
        )
    data = places.join(places.parent(file.path), places.base_name(file.path).removesuffix(".xml") + ".bin")
    if not places.exists(data):
        raise NotFound(
            "E-SHARD-MISSING",
            f"{data}, the constants of {file.path}, is missing",
            path=data,
            help="put it beside the .xml file, under the same name",
        )
    with File(data) as constants:
        try:
            layout = read_layout(file)
            graph = graph_of(layout, lambda stored: _integer(constants, stored))
        except Malformed as error:
            again = "download the file again; if its writer is at fault, tell its authors"
            raise error.within(file.path, "E-OPENVINO", "OpenVINO model", help=again) from None
        _check_end(constants, graph)
        sizes = {file.path: file.size, data: constants.size}
    found = [replace(each, source=input_name(layout, each.source)) for each in lookups(graph)]
    tensors = {each.name: _tensor(each, data) for each in graph.tensors.values() if len(each.shape) > 1}
    for lookup in found:
        if lookup.table.dtype in INTEGERS:
            tensors[lookup.table.name] = _quantised(lookup, data) or tensors[lookup.table.name]
    embedding, full_names = verdict(found)
    described = repr([(each.name, each.shape, each.dtype, each.place) for each in graph.tensors.values()])
    return Checkpoint(
        file.path,
        NAME,
        sizes,
        tensors,
        blake2b(described.encode("utf-8", "backslashreplace"), digest_size=32).hexdigest(),
        full_names=full_names,
        embedding=embedding,
    )


def _integer(constants: File, stored: Stored) -> int | None:
    """The value of a constant that is one integer."""
    if stored.dtype not in ("int32", "int64") or prod(stored.shape) != 1 or not stored.place:
        return None
    return int.from_bytes(constants.pread(stored.place[0], stored.nbytes), "little", signed=True)


def _check_end(constants: File, graph: Graph) -> None:
    """That all constants lie inside their file."""
    end = max((sum(each.place) for each in graph.tensors.values() if each.place), default=0)
    if end > constants.size:
        raise cut_short(constants.path, constants.size, f": {constants.size:,} of {end:,} bytes present")


def _tensor(stored: Stored, data: str) -> Tensor:
    """A constant as it is stored."""
    if stored.place and stored.dtype in ITEM_BYTES:
        return Tensor.contiguous(stored.name, stored.shape, stored.dtype, data, stored.place[0])
    return Tensor(stored.name, stored.shape, stored.dtype)


def _quantised(lookup: Lookup, data: str) -> Tensor | None:
    """A table of integers with its scales, and its zero points if there are any; None when there are no scales."""
    table, node, tensors = lookup.table, lookup.dequantise, lookup.graph.tensors
    if node is None or lookup.transposed or table.place is None:
        return None
    rows, columns = table.shape
    parts = [tensors[name] for name in node.inputs[1:] if name in tensors]
    size = prod(parts[0].shape) if parts else 0
    groups = parts[0].shape[1] if parts and len(parts[0].shape) > 1 else 0
    shape, block = (1, 1), 1
    if size == 1:
        how = "one scale"
    elif parts and parts[0].shape in ((rows, 1), (rows, 1, 1)) and not lookup.behind:
        shape, how = (rows, 1), "one scale a row"
    elif parts and parts[0].shape in ((columns,), (1, columns), (1, 1, columns)):
        shape, how = (1, columns), "one scale a column"
    elif parts and parts[0].shape == (rows, groups, 1) and not columns % groups and not lookup.behind:
        block = columns // groups
        shape, how = (rows, groups), f"one scale for {block} columns"
    else:
        return None
    matrices = []
    for part in parts:
        if part.place is None or part.dtype not in NUMBERS or prod(part.shape) not in (1, prod(shape)):
            return None
        matrices.append(Elements(data, part.place[0], *(shape if prod(part.shape) > 1 else (1, 1)), part.dtype))
    integers = Elements(data, table.place[0], rows, columns, table.dtype)
    # the runtime multiplies in float32, whatever the graph says
    source = Affine(integers, matrices[0], matrices[1] if len(matrices) > 1 else None, block, rounded=False)
    quantised = f"{table.dtype}, {how}"
    return Tensor(table.name, table.shape, table.dtype, source=source, files=(data,), quantised=quantised)
