"""Plumbing: the graph of a model as plain values, as far as it tells what its weights are for; in the terms of ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from charvec.valueclass import dataclass, field

__all__ = ["BITS", "DTYPES", "NO_VECTORS", "Graph", "Node", "Stored"]

#: Names of element types, by number (TensorProto.DataType); those with a star are packed, several a byte.
DTYPES: Mapping[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1",
    24: "float8_e8m0",
    25: "uint2",
    26: "int2",
}
#: Types of tables that hold ids or truth values, no vectors; all others do, whether charvec can read them or not.
NO_VECTORS = ("int64", "int32", "uint64", "uint32", "bool", "string")
#: Bits of an element in raw data.
BITS: Mapping[str, int] = {
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 64),
    **dict.fromkeys(("float32", "int32", "uint32"), 32),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 16),
    **dict.fromkeys(("int8", "uint8", "bool", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"), 8),
    **dict.fromkeys(("float8_e5m2fnuz", "float8_e8m0"), 8),
    **dict.fromkeys(("int4", "uint4", "float4_e2m1"), 4),
    **dict.fromkeys(("int2", "uint2"), 2),
    "complex128": 128,
}


@dataclass(frozen=True)
class Stored:
    """A tensor and where its elements lie.

    Attributes:
        name: as the graph calls it.
        shape: its sizes.
        dtype: a name of :data:`DTYPES`, or ``type N``.
        place: offset and bytes of its elements: raw, little-endian, row-major; None when they do not lie like that.
        varints: offset and bytes of its elements as integers of variable length.
        external: key and value of what says where in another file they lie.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    place: tuple[int, int] | None = None
    varints: tuple[int, int] | None = None
    external: Mapping[str, str] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the elements where they are raw."""
        return -(-prod(self.shape) * BITS.get(self.dtype, 0) // 8)


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Attributes:
        kind: its operator.
        domain: "" for the operators of ONNX itself.
        inputs, outputs: names.
        numbers: its attributes that are integers, or lists of them.
    """

    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, int | tuple[int, ...]]


@dataclass(eq=False, repr=False)
class Graph:
    """A graph; names that are not its own are those of the graph around it.

    Attributes:
        outer: the graph around it, or None.
        nodes: those that may lie between ids and a table.
        makers: the node that makes each output.
        tensors: initialisers and constants, by name.
        inputs: names of its inputs, also of those that an initialiser gives a value.
        inner: the graphs inside its nodes.
    """

    outer: Graph | None
    nodes: list[Node] = field(default_factory=list)
    makers: dict[str, Node] = field(default_factory=dict)
    tensors: dict[str, Stored] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    inner: list[Graph] = field(default_factory=list)

    def all(self) -> Iterator[Graph]:
        """This graph and all inside it."""
        yield self
        for graph in self.inner:
            yield from graph.all()
