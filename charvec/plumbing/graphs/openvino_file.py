"""Plumbing: the graph in an OpenVINO model, an XML file whose constants lie in a file beside it.

Layout (OpenVINO, "Operation Sets Specification" and what ``openvino.save_model`` writes): ``<net>`` holds ``<layers>``,
each ``<layer id name type>`` with its attributes in ``<data>`` and numbered ports, and ``<edges>`` between the ports.
A layer of type Const says at which byte of the ``.bin`` file its elements lie. Graphs inside layers are passed over.

The graph comes out as that of an ONNX model with the same meaning, so that tables are looked for in one way: Convert is
Cast, and Multiply and Subtract by constants, which is how OpenVINO writes dequantisation, are one DequantizeLinear.

XML is read as a stream of elements; a document type, and with it every entity, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any
from xml.parsers import expat

from charvec.plumbing.files import File, cut_short
from charvec.plumbing.graphs.graph import BITS, Graph, Node, Stored
from charvec.plumbing.protobuf import Malformed
from charvec.valueclass import dataclass, field

__all__ = ["DTYPES", "Layer", "Layout", "graph_of", "read_layout"]

#: OpenVINO's names of element types, and ours.
DTYPES: Mapping[str, str] = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "i4": "int4",
    "u64": "uint64",
    "u32": "uint32",
    "u16": "uint16",
    "u8": "uint8",
    "u4": "uint4",
    "boolean": "bool",
}
FLOATS = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("int16", "uint16", "int8", "uint8", "int4", "uint4")

#: Caps: elements in elements, layers and edges, attributes of an element.
MAX_DEPTH = 64
MAX_ITEMS = 1 << 20
PORTION = 1 << 20

#: Operators that have another name in ONNX, or the same.
_KINDS = {
    **{name: name for name in ("Gather", "Unsqueeze", "Squeeze", "Reshape", "Transpose", "Slice")},
    "Convert": "Cast",
    "Broadcast": "Expand",
    "Clamp": "Clip",
    "Select": "Where",
    "StridedSlice": "Slice",
}


@dataclass(eq=False)
class Layer:
    """A layer.

    Attributes:
        kind: its type.
        name: its name.
        data: its attributes.
        inputs, outputs: numbers of its ports, in their order.
        names: what the tensors at its outputs are called.
    """

    kind: str
    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Layout:
    """What the XML file says.

    Attributes:
        layers: by id.
        edges: layer and port from which a layer's port takes its value.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    edges: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)


def read_layout(file: File) -> Layout:
    """Read the XML file.

    Raises:
        Malformed: when it is not laid out as such files are.
        DamagedFile: ``E-TRUNCATED``.
    """
    layout = Layout()
    path: list[str] = []
    current: list[Layer] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if not path and tag != "net":
            raise Malformed(f"its outermost element is <{tag[:20]}>, not <net>")
        if len(path) == MAX_DEPTH or len(layout.layers) + len(layout.edges) > MAX_ITEMS:
            raise Malformed(f"elements nested more than {MAX_DEPTH} deep, or more than {MAX_ITEMS:,}")
        where = "/".join(path)
        path.append(tag)
        if where == "net/layers" and tag == "layer":
            number = attributes.get("id", "")
            if number in layout.layers:
                raise Malformed(f"two layers have the id {number[:20]!r}")
            current[:] = [Layer(attributes.get("type", ""), attributes.get("name", ""))]
            layout.layers[number] = current[0]
        elif where == "net/layers/layer" and tag == "data":
            current[0].data = attributes
        elif where == "net/layers/layer/input" and tag == "port":
            current[0].inputs.append(attributes.get("id", ""))
        elif where == "net/layers/layer/output" and tag == "port":
            current[0].outputs.append(attributes.get("id", ""))
            current[0].names += [name for name in attributes.get("names", "").split(",") if name]
        elif where == "net/edges" and tag == "edge":
            entry = [attributes.get(name, "") for name in ("to-layer", "to-port", "from-layer", "from-port")]
            layout.edges[entry[0], entry[1]] = entry[2], entry[3]

    def refuse(*_: Any) -> None:
        raise Malformed("it has a document type, which no such file needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    position = 0
    try:
        while position < file.size:
            portion = file.pread(position, min(PORTION, file.size - position))
            parser.Parse(portion, False)
            position += len(portion)
    except expat.ExpatError as error:
        raise Malformed(str(error), parser.ErrorByteIndex) from None
    except Malformed:
        raise
    except (LookupError, ValueError) as error:  # an encoding that Python does not know, or that expat cannot use
        raise Malformed(str(error)) from None
    try:
        parser.Parse(b"", True)
    except expat.ExpatError:
        raise cut_short(file.path, file.size, " inside an element") from None
    return layout


def graph_of(layout: Layout, number: Callable[[Stored], int | None]) -> Graph:
    """The graph, as ONNX would have it.

    Args:
        layout: as :func:`read_layout` gives it.
        number: the value of a constant that is one integer.
    """
    graph = Graph(None)
    sources = {key: [_value(layout, key, port) for port in layer.inputs] for key, layer in layout.layers.items()}
    used: set[str] = set()
    for key, layer in layout.layers.items():
        outputs = tuple(f"{key}:{port}" for port in layer.outputs)
        if layer.kind == "Const" and outputs:
            # a name that was used before would hide the other tensor
            name = layer.name if layer.name not in used else f"{layer.name} ({key})"
            used.add(name)
            graph.tensors[outputs[0]] = _constant(layer, name)
        elif layer.kind in ("Parameter", "Input") and outputs:
            graph.inputs.append(outputs[0])
        elif layer.kind in _KINDS and outputs:
            numbers: dict[str, int | tuple[int, ...]] = {"perm": ()}
            if layer.kind == "Gather":
                axis = graph.tensors.get(sources[key][2]) if len(sources[key]) > 2 else None
                value = number(axis) if axis else None
                numbers["axis"] = 0 if value in (0, -2) and layer.data.get("batch_dims", "0") == "0" else 1
            node = Node(_KINDS[layer.kind], "", tuple(sources[key]), outputs, numbers)
            graph.nodes.append(node)
            graph.makers |= dict.fromkeys(outputs, node)
        elif layer.kind in ("Multiply", "Subtract") and outputs:
            node = Node(layer.kind, "", tuple(sources[key]), outputs, {})
            graph.makers |= dict.fromkeys(outputs, node)
    for node in list(graph.makers.values()):
        if node.kind == "Multiply":
            _dequantisation(graph, node)
    return graph


def input_name(layout: Layout, value: str) -> str:
    """What an input of the model is called."""
    # ports have numbers, but nothing forbids a file to call them otherwise
    layer = next(each for key, each in layout.layers.items() if any(f"{key}:{port}" == value for port in each.outputs))
    return layer.names[0] if layer.names else layer.name


def _value(layout: Layout, key: str, port: str) -> str:
    return ":".join(layout.edges.get((key, port), ("", "")))


def _constant(layer: Layer, name: str) -> Stored:
    try:
        shape = tuple(int(size) for size in layer.data.get("shape", "").split(",") if size.strip())
        offset, length = int(layer.data.get("offset", "")), int(layer.data.get("size", ""))
    except ValueError:
        raise Malformed(f"the place of constant {name[:80]!r} is malformed") from None
    elements = prod(shape)
    if any(size < 0 or size >> 48 for size in shape) or len(shape) > 16 or elements >> 48 or offset < 0 or length < 0:
        raise Malformed(f"constant {name[:80]!r} has the shape {list(shape)[:16]}")
    kind = layer.data.get("element_type", "")
    # nf4 and others that are not read here; a word that goes into messages
    other = kind if re.fullmatch(r"\w{1,20}", kind, re.ASCII) else "unknown"
    stored = Stored(name, shape, DTYPES.get(kind, other), (offset, length))
    if stored.dtype in BITS and stored.nbytes != length:
        raise Malformed(f"constant {name[:80]!r} of {stored.nbytes:,} bytes has {length:,}")
    return stored


def _without_casts(graph: Graph, value: str) -> str:
    """The value that a value is a converted form of."""
    for _ in range(8):
        node = graph.makers.get(value)
        if node is None or node.kind != "Cast":
            break
        value = node.inputs[0]
    return value


def _dequantisation(graph: Graph, node: Node) -> None:
    """Of a Multiply by a constant of what is an integer, perhaps after a Subtract of one, make a DequantizeLinear."""
    values = [_without_casts(graph, value) for value in node.inputs]
    scales = [value for value in values[1:] + values[:1] if value in graph.tensors]
    scales = [value for value in scales if graph.tensors[value].dtype in FLOATS]
    if len(values) != 2 or not scales:
        return
    value, zero = values[values.index(scales[0]) - 1], ""
    inner = graph.makers.get(value)
    if inner is not None and inner.kind == "Subtract" and len(inner.inputs) == 2:
        value, zero = (_without_casts(graph, each) for each in inner.inputs)
        if zero not in graph.tensors:
            return
    table = graph.tensors.get(value)
    if table is not None and table.dtype in FLOATS:
        return  # a table of numbers, times a number
    made = Node("DequantizeLinear", "", (value, scales[0], *([zero] if zero else [])), node.outputs, {})
    graph.nodes.append(made)
    graph.makers |= dict.fromkeys(node.outputs, made)
    if table is not None and len(table.shape) == 3:
        # blocks of columns: three axes that a Reshape makes two
        shape = table.shape[0], table.shape[1] * table.shape[2]
        graph.tensors[value] = Stored(table.name, shape, table.dtype, table.place)
        for each in list(graph.makers.values()):
            if each.kind == "Reshape" and _without_casts(graph, each.inputs[0]) in node.outputs:
                graph.makers |= dict.fromkeys(each.outputs, Node("Identity", "", each.inputs, each.outputs, {}))
