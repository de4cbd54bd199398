"""Plumbing: the programs of Paddle's inference models, as graphs, with the names of their weights.

Two layouts: protobuf messages, ProgramDesc (paddle/fluid/framework/framework.proto), in ``.pdmodel`` and ``__model__``;
and since Paddle 3 JSON of its intermediate representation (paddle/fluid/pir/serialize_deserialize), in ``.json``. Of
either only the first block is read, which holds the weights and what is done with the inputs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from charvec.plumbing.graphs.graph import Graph, Node, Stored
from charvec.plumbing.protobuf import LEN, VARINT, Malformed, fields, signed

__all__ = ["Program", "read_json", "read_message", "sizes_of"]

#: Caps: variables and operations of a program, names of one parameter of an operation, axes of a shape, characters of a
#: name.
MAX_ITEMS = 1 << 18
MAX_NAMES = 1 << 16
MAX_AXES = 16
MAX_NAME = 1 << 12

#: Element types by number (VarType.Type), and by the name they have in JSON.
DTYPES = {
    0: "bool",
    1: "int16",
    2: "int32",
    3: "int64",
    4: "float16",
    5: "float32",
    6: "float64",
    20: "uint8",
    21: "int8",
    22: "bfloat16",
    23: "complex64",
    24: "complex128",
}
_JSON_DTYPES = {
    **{f"t_{kind}{size}": f"{name}{size}" for kind, name in (("i", "int"), ("f", "float")) for size in (16, 32, 64)},
    "t_bf16": "bfloat16",
    "t_ui8": "uint8",
    "t_i8": "int8",
    "t_bool": "bool",
    "t_c64": "complex64",
    "t_c128": "complex128",
}
#: The kind of variable that is a tensor (LOD_TENSOR).
_TENSOR = 7

#: What operations are called in ONNX, as far as they may lie between an input and a table, or pass a table on.
_KINDS = {
    **dict.fromkeys(("lookup_table", "lookup_table_v2", "embedding"), "Gather"),
    **dict.fromkeys(("cast", "assign", "share_data", "share_data_"), "Cast"),
    **dict.fromkeys(("reshape", "reshape2", "squeeze", "squeeze2", "unsqueeze", "unsqueeze2"), "Reshape"),
    **dict.fromkeys(("flatten", "flatten2", "flatten_contiguous_range", "transpose", "transpose2"), "Reshape"),
    **dict.fromkeys(("expand", "expand_v2", "clip", "slice", "strided_slice"), "Slice"),
    "where": "Where",
}
#: The parameters of an operation that hold its inputs, in ONNX's order.
_INPUTS = {"Gather": ("W", "Ids"), "Where": ("Condition", "X", "Y")}


class Program(NamedTuple):
    """What a program tells.

    Attributes:
        graph: with the weights as tensors whose place is not known, by the names of their values.
        weights: by their names, in the order in which a file of all of them holds them.
        names: what the inputs of the graph are called.
    """

    graph: Graph
    weights: dict[str, Stored]
    names: dict[str, str]


def read_message(raw: bytes) -> Program:
    """A ProgramDesc.

    Raises:
        Malformed: when it is none.
    """
    block = next((value for number, _, value in fields(raw, {1: LEN}) if number == 1), b"")
    graph, weights = Graph(None), {}
    feeds: list[str] = []
    count = 0
    for number, _, value in fields(block, {3: LEN, 4: LEN}):
        count += number in (3, 4)
        if count > MAX_ITEMS:
            raise Malformed(f"more than {MAX_ITEMS:,} variables and operations")
        if number == 3 and (stored := _variable(value)):
            weights[stored.name] = stored
        elif number == 4:
            kind, inputs, outputs = _operation(value)
            if kind == "feed":
                feeds += outputs.get("Out", [])[:1]
            elif kind in _KINDS:
                _add(graph, _KINDS[kind], inputs, (outputs.get("Out") or outputs.get("Output") or [])[:1])
    graph.tensors |= weights
    graph.inputs += feeds
    return Program(graph, dict(sorted(weights.items())), {name: name for name in feeds})


def _add(graph: Graph, kind: str, inputs: dict[str, list[str]], outputs: list[str]) -> None:
    names = _INPUTS.get(kind) or (next((name for name in ("X", "Input") if name in inputs), ""),)
    values = [inputs.get(name, [])[:1] for name in names]
    # a variable that an operation changes in place would be made of itself
    if all(values) and outputs and outputs[0] not in {name for value in values for name in value}:
        _node(graph, kind, [name for value in values for name in value], outputs)


def _node(graph: Graph, kind: str, inputs: list[str], outputs: list[str]) -> None:
    node = Node(kind, "", tuple(inputs), tuple(outputs), {"axis": 0})
    graph.nodes.append(node)
    graph.makers |= dict.fromkeys(outputs, node)


def _variable(raw: bytes) -> Stored | None:
    """A VarDesc, if it is a tensor that is stored with the model."""
    name, kind, tensor, persistable = "", -1, b"", 0
    for number, _, value in fields(raw, {1: LEN, 2: LEN, 3: VARINT}):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for what, _, content in fields(value, {1: VARINT, 3: LEN}):
                if what == 1:
                    kind = content
                elif what == 3:
                    tensor = next((inner for part, _, inner in fields(content, {1: LEN}) if part == 1), b"")
        elif number == 3:
            persistable = value
    if kind != _TENSOR or not persistable:
        return None
    dtype, shape = sizes_of(tensor)
    return Stored(name, shape, dtype)


def sizes_of(raw: bytes) -> tuple[str, tuple[int, ...]]:
    """Element type and sizes of a TensorDesc.

    Raises:
        Malformed: when it is none.
    """
    code, sizes = -1, []
    for number, wire, value in fields(raw):
        if number == 1 and wire == VARINT:
            code = value
        elif number == 2 and wire == VARINT:
            sizes.append(signed(value))
        else:
            raise Malformed("the description of a tensor has an unknown field")
        if len(sizes) > MAX_AXES:
            raise Malformed(f"more than {MAX_AXES} axes")
    if code < 0:
        raise Malformed("the description of a tensor has no element type")
    return DTYPES.get(code, f"type {code}"), tuple(sizes)


def _operation(raw: bytes) -> tuple[str, dict[str, list[str]], dict[str, list[str]]]:
    """Type of an OpDesc, and the variables of its inputs and outputs by parameter."""
    kind = ""
    sides: tuple[dict[str, list[str]], dict[str, list[str]]] = {}, {}
    for number, _, value in fields(raw, {1: LEN, 2: LEN, 3: LEN}):
        if number == 3:
            kind = _text(value)
        elif number in (1, 2):
            parameter, names = "", list[str]()
            for part, _, content in fields(value, {1: LEN, 2: LEN}):
                if part == 1:
                    parameter = _text(content)
                elif part == 2:
                    names.append(_text(content))
                if len(names) > MAX_NAMES:
                    raise Malformed(f"more than {MAX_NAMES:,} names of a parameter")
            sides[number - 1][parameter] = names
            if len(sides[number - 1]) > MAX_NAMES:
                raise Malformed(f"more than {MAX_NAMES:,} parameters")
    return kind, *sides


def _text(raw: bytes) -> str:
    if len(raw) > MAX_NAME:
        raise Malformed(f"a name of more than {MAX_NAME:,} bytes")
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        raise Malformed("a name is not UTF-8") from None


def read_json(document: Any) -> Program:
    """The JSON of Paddle 3: values have numbers, weights names.

    Raises:
        Malformed: when it is not laid out so.
    """
    graph, weights = Graph(None), {}
    names: dict[str, str] = {}
    try:
        operations = document["program"]["regions"][0]["blocks"][0]["ops"]
        if len(operations) > MAX_ITEMS:
            raise Malformed(f"more than {MAX_ITEMS:,} operations")
        for operation in operations:
            kind = str(operation["#"]).rpartition(".")[2]
            outputs: Any = operation.get("O") or []
            made = [str(value["%"]) for value in (outputs if isinstance(outputs, list) else [outputs])]
            if operation["#"] == "p":
                stored = _weight(str(operation["A"][3]), outputs["TT"])
                weights[stored.name] = graph.tensors[made[0]] = stored
                continue
            inputs = [str(value["%"]) for value in operation.get("I") or []]
            if kind in ("data", "feed"):
                attributes = {attribute["N"]: attribute["AT"]["D"] for attribute in operation["A"]}
                names[made[0]] = str(attributes["name"])[:MAX_NAME]
                graph.inputs.append(made[0])
            elif kind == "embedding":
                _node(graph, "Gather", inputs[1::-1], made)
            elif kind in _KINDS and inputs and made:
                _node(graph, _KINDS[kind], inputs, made)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Malformed("the program is not laid out as Paddle lays it out") from None
    return Program(graph, dict(sorted(weights.items())), names)


def _weight(name: str, described: Any) -> Stored:
    """A parameter, whose type is a tensor's."""
    element, sizes = described["D"][0]["#"], described["D"][1]
    if len(name) > MAX_NAME or len(sizes) > MAX_AXES or any(type(size) is not int for size in sizes):
        raise Malformed("a weight is not described as one")
    kind = str(element).rpartition(".")[2][:20]
    return Stored(name, tuple(sizes), _JSON_DTYPES.get(kind, f"type {kind}"))
