"""Plumbing: what an ONNX file says about its graph and its weights, without reading the weights.

Schema: onnx/onnx.proto (https://github.com/onnx/onnx). A ModelProto holds a GraphProto, that nodes and initialisers; a
node may hold further graphs (If, Loop, Scan), which see the names of those around them. The file is walked message by
message with positioned reads, and what is long is passed over: of a tensor only the place of its elements is kept, of
most nodes nothing, for only few kinds lie between the ids that go into a model and the table it looks them up in.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any

from charvec.errors import DamagedFile
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.graphs.graph import BITS, DTYPES, Graph, Node, Stored
from charvec.plumbing.protobuf import LEN, VARINT, Malformed, signed, varint
from charvec.plumbing.protobuf_walker import Walker

__all__ = ["read_graph", "sniff"]

#: Caps: nodes and tensors of all graphs, graphs in graphs, bytes of a node that is read as a whole.
MAX_ITEMS = 1 << 20
MAX_DEPTH = 16
MAX_NODE = 1 << 16
#: Bytes read at once; a message up to that size is cut out of them.
WINDOW = 1 << 16

#: The kinds of node that are kept, by their length and name as they stand in a node.
_KEPT = re.compile(
    rb'"(?:\x06Gather|\x14GatherBlockQuantized|\x10DequantizeLinear|\x04Cast|\x08Identity|\x09Unsqueeze|\x07Squeeze'
    rb"|\x07Reshape|\x07Flatten|\x09Transpose|\x06Expand|\x04Clip|\x05Where|\x05Slice|\x08Constant|\x02If|\x04Loop|\x04Scan)"
)


# wire types of the fields that are read, by number
_MODEL = {1: VARINT, 2: LEN, 3: LEN, 4: LEN, 5: VARINT, 6: LEN, 7: LEN, 8: LEN, 14: LEN, 20: LEN, 25: LEN, 26: LEN}
_GRAPH = {1: LEN, 2: LEN, 5: LEN, 10: LEN, 11: LEN, 12: LEN, 13: LEN, 14: LEN, 15: LEN}
_NODE = {1: LEN, 2: LEN, 3: LEN, 4: LEN, 5: LEN, 7: LEN}
_ATTRIBUTE = {1: LEN, 3: VARINT, 5: LEN, 6: LEN, 10: LEN, 11: LEN}
_TENSOR = {2: VARINT, 8: LEN, 9: LEN, 13: LEN, 14: VARINT}


def sniff(file: File) -> bool:
    """A ModelProto: a small version, texts about its maker, then a graph that begins as graphs do."""
    if file.head[:1] != b"\x08":
        return False
    walker = _Walker(file)
    try:
        for number, kind, start, end in walker.fields(0, file.size, whole=False):
            if _MODEL.get(number) != kind or (number != 7 and kind == LEN and end - start > len(file.head)):
                return False
            if number == 7:
                tag, _ = varint(walker.some(start, 10), 0)
                return _GRAPH.get(tag >> 3) == tag & 7
    except (Malformed, DamagedFile):
        return False
    return False


def read_graph(file: File) -> tuple[Graph, bytes]:
    """The graph of a model.

    Returns:
        the graph; and the bytes that describe it, without weights, for a digest.

    Raises:
        DamagedFile: ``E-ONNX``, or ``E-TRUNCATED`` when the file ends before the graph does.
    """
    walker = _Walker(file)
    graph = None
    try:
        for number, _, start, end in walker.fields(0, file.size, _MODEL):
            if number == 7 and graph:
                raise Malformed("it has two graphs", start)
            if number == 7:
                graph = walker.graph(start, end, None, 0)
    except Malformed as error:
        again = "download the file again; if its writer is at fault, tell its authors"
        raise error.within(file.path, "E-ONNX", "ONNX file", help=again) from None
    if graph is None:
        raise cut_short(file.path, file.size, " before its graph")
    return graph, bytes(walker.seen)


class _Walker(Walker):
    """Walks through graphs in a file."""

    def __init__(self, file: File) -> None:
        super().__init__(file, WINDOW, "graph")
        self.items = 0

    def graph(self, start: int, end: int, outer: Graph | None, depth: int) -> Graph:
        """A GraphProto."""
        if depth > MAX_DEPTH:
            raise Malformed(f"graphs nested more than {MAX_DEPTH} deep", start)
        graph = Graph(outer)
        for number, _, begin, finish in self.fields(start, end, _GRAPH):
            if number == 1:
                self._count(begin)
                if finish - begin > WINDOW or _KEPT.search(self.some(begin, finish - begin)):
                    self._node(graph, begin, finish, depth)
            elif number == 5:
                self._count(begin)
                tensor = self._tensor(begin, finish)
                graph.tensors.setdefault(tensor.name, tensor)
            elif number == 11:
                names = [self.text(a, b) for field, _, a, b in self.fields(begin, finish, {1: LEN}) if field == 1]
                graph.inputs += names[:1]
        return graph

    def _count(self, position: int) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise Malformed(f"more than {MAX_ITEMS:,} nodes and tensors", position)

    def _node(self, graph: Graph, start: int, end: int, depth: int) -> None:
        inputs, outputs, kind, domain = [], [], "", ""
        numbers: dict[str, int | tuple[int, ...]] = {}
        attributes = []
        for number, _, begin, finish in self.fields(start, end, _NODE):
            if number == 1:
                inputs.append(self.text(begin, finish))
            elif number == 2:
                outputs.append(self.text(begin, finish))
            elif number == 4:
                kind = self.text(begin, finish)
            elif number == 7:
                domain = self.text(begin, finish)
            elif number == 5:
                attributes.append((begin, finish))
        for begin, finish in attributes:
            self._attribute(graph, begin, finish, depth, numbers, outputs if kind == "Constant" else [])
        node = Node(kind, "" if domain == "ai.onnx" else domain, tuple(inputs), tuple(outputs), numbers)
        graph.nodes.append(node)
        graph.makers |= dict.fromkeys(outputs, node)

    def _attribute(
        self, graph: Graph, start: int, end: int, depth: int, numbers: dict[str, Any], outputs: list[str]
    ) -> None:
        """An AttributeProto: an integer or a list of them, a graph, or the value of a constant."""
        name, integers, single = "", [], None
        for number, kind, begin, finish in self.fields(start, end, _ATTRIBUTE):
            if number == 1:
                name = self.text(begin, finish)
            elif number == 3:
                single = signed(begin)
            elif number == 8:
                integers += self._integers(kind, begin, finish)
            elif number in (6, 11):
                graph.inner.append(self.graph(begin, finish, graph, depth + 1))
            elif number == 5 and outputs:
                tensor = self._tensor(begin, finish)
                made = Stored(outputs[0], tensor.shape, tensor.dtype, tensor.place, tensor.varints, tensor.external)
                graph.tensors.setdefault(outputs[0], made)
        if integers:
            numbers[name] = tuple(integers)
        elif single is not None:
            numbers[name] = single

    def _integers(self, kind: int, begin: int, finish: int) -> list[int]:
        """Integers of a repeated field, one by one or packed."""
        if kind == VARINT:
            return [signed(begin)]
        if finish - begin > MAX_NODE:
            raise Malformed("a list of integers without end", begin)
        raw, place, result = self.some(begin, finish - begin), 0, []
        while place < len(raw):
            value, place = varint(raw, place)
            result.append(signed(value))
        return result

    def _tensor(self, start: int, end: int) -> Stored:
        """A TensorProto, its elements passed over."""
        name, dtype, dims, elsewhere = "", 0, [], False
        data: dict[int, list[tuple[int, int, int]]] = {}
        external = {}
        for number, kind, begin, finish in self.fields(start, end, _TENSOR):
            if number == 1:
                dims += self._integers(kind, begin, finish)
            elif number == 2:
                dtype = begin
            elif number == 8:
                name = self.text(begin, finish)
            elif number in (4, 5, 7, 9, 10, 11):
                data.setdefault(number, []).append((kind, begin, finish))
            elif number == 13:
                entry = {field: self.text(a, b) for field, _, a, b in self.fields(begin, finish, {1: LEN, 2: LEN})}
                external[entry.get(1, "")] = entry.get(2, "")
            elif number == 14:
                elsewhere = begin == 1
        if any(size < 0 or size >> 48 for size in dims) or len(dims) > 16 or prod(dims) >> 48:
            raise Malformed(f"tensor {name[:80]!r} has the shape {dims[:16]}", start)
        self.seen += repr((name, dtype, dims)).encode()
        kept = DTYPES.get(dtype, f"type {dtype}")
        if elsewhere:
            return Stored(name, tuple(dims), kept, external=external)
        place = varints = None
        raw = {9: "", 4: "float32", 10: "float64"}
        # one portion of one field; more than that nobody writes
        if len(data) == 1 and len(next(iter(data.values()))) == 1:
            ((number, [(kind, begin, finish)]),) = data.items()
            if kind == LEN and (number == 9 or raw.get(number) == kept):
                place = begin, finish - begin
            elif kind == LEN and number in (5, 7, 11):
                varints = begin, finish - begin
        stored = Stored(name, tuple(dims), kept, place, varints)
        if place and kept in BITS and place[1] != stored.nbytes:
            raise Malformed(f"tensor {name[:80]!r} of {stored.nbytes:,} bytes has {place[1]:,}", place[0])
        return stored
