"""Plumbing: the tables in which a graph looks up what goes into it: of ONNX, OpenVINO, and Paddle's programs.

Names of tensors mean nothing in many exports (``onnx::Gather_12``). What a table is for shows in the graph: the input
embedding is what a Gather takes rows from whose indices are an input of the model, perhaps cast or reshaped on the way.
Indices computed inside the graph (positions made by Range, Shape or CumSum) lead to no input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from charvec.plumbing.graphs.graph import NO_VECTORS, Graph, Node, Stored
from charvec.plumbing.models.embedding_names import ranked_names
from charvec.valueclass import dataclass

__all__ = ["Lookup", "lookups", "tensor", "verdict"]

#: Operators that pass ids on, in another shape or type.
_SAME_IDS = (
    *("Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Expand", "Clip", "Slice"),
    "Where",
)
#: Names of inputs that are not ids of pieces.
_OTHER_IDS = re.compile(r"position|\bpos_?ids?\b|type_?ids?\b|segment|mask|lang|bbox|pixel|cache", re.IGNORECASE)
#: Names of inputs that are.
_PIECE_IDS = re.compile(r"(?:.*[./:])?(?:input_?ids|tokens?|token_?ids|src_?tokens|ids)(?::0)?", re.IGNORECASE)

#: Steps followed through a graph.
MAX_STEPS = 64


@dataclass(frozen=True)
class Lookup:
    """A table and what is looked up in it.

    Attributes:
        table: where its elements lie.
        graph: the graph in which the names of ``node`` and ``dequantise`` mean something.
        node: the Gather.
        dequantise: the node that turns integers into numbers, before the rows are taken or behind.
        behind: whether it stands behind.
        transposed: whether the table is stored column by column.
        source: name of the model's input that holds the ids.
    """

    table: Stored
    graph: Graph
    node: Node
    dequantise: Node | None
    behind: bool
    transposed: bool
    source: str


def lookups(top: Graph) -> Iterator[Lookup]:
    """Every lookup of an input of the model in a table of vectors."""
    for graph in top.all():
        for node in graph.nodes:
            blocks = node.kind == "GatherBlockQuantized" and node.domain == "com.microsoft"
            if not (blocks or (node.kind == "Gather" and not node.domain)) or len(node.inputs) < 2:
                continue
            if node.numbers.get("gather_axis" if blocks else "axis", 0) != 0:
                continue
            source = _source(graph, node.inputs[1])
            table = _table(graph, node.inputs[0]) if source else None
            if source and table and len(table[0].shape) == 2 and table[0].dtype not in NO_VECTORS:
                stored, before, transposed = table
                behind = None if blocks or before else _reader(graph, node.outputs, "DequantizeLinear")
                yield Lookup(
                    *(stored, graph, node, node if blocks else before or behind, behind is not None, transposed, source)
                )


def verdict(found: list[Lookup]) -> tuple[tuple[str, str] | None, dict[str, str]]:
    """Which of the tables is the input embedding: what :class:`charvec.tensor.Checkpoint` says as ``embedding``.

    Of the lookups count those of pieces, by the names of the inputs, and where these do not tell, by those of tables.

    Returns:
        the name of the table and a clause that says why, or None; and when several are equally likely, so that the user
        must choose, a name for each that says so.
    """
    pieces = [each for each in found if not _OTHER_IDS.search(each.source)]
    named = [each for each in pieces if _PIECE_IDS.fullmatch(each.source)]
    tables = {each.table.name: each for each in reversed(named or pieces)}
    if len(tables) > 1:
        ranked = ranked_names({name: name for name in tables})
        best = ranked[0][1] if ranked else list(tables)
        tables = {name: each for name, each in tables.items() if name in best}
    if len(tables) == 1:
        ((name, only),) = tables.items()
        return (name, f"the table in which the graph looks up its input {only.source!r}"), {}
    return None, {name: f"{each.source}.token_embedding" for name, each in tables.items()}


def _find(graph: Graph, name: str) -> tuple[Graph, Node | Stored | str] | None:
    """What a name means in a graph: a node's output, a tensor, or an input of the model."""
    within: Graph | None = graph
    while within:
        if name in within.tensors:
            return within, within.tensors[name]
        if name in within.makers:
            return within, within.makers[name]
        if name in within.inputs:
            return (within, name) if within.outer is None else None
        within = within.outer
    return None


def _source(graph: Graph, name: str) -> str | None:
    """The input of the model whose values a name holds, or None."""
    pending = [(graph, name)]
    for _ in range(MAX_STEPS):
        if not pending:
            return None
        found = _find(*pending.pop())
        if found is None:
            continue
        within, what = found
        if isinstance(what, str):
            return what
        if isinstance(what, Node) and what.kind in _SAME_IDS and not what.domain:
            pending += [(within, each) for each in (what.inputs[1:3] if what.kind == "Where" else what.inputs[:1])]
    return None


def _table(graph: Graph, name: str) -> tuple[Stored, Node | None, bool] | None:
    """The tensor that a name holds, what dequantises it on the way, and whether it is transposed."""
    dequantise, transposed = None, False
    for _ in range(MAX_STEPS):
        found = _find(graph, name)
        if found is None:
            return None
        graph, what = found
        if isinstance(what, Stored):
            return what, dequantise, transposed
        if isinstance(what, str) or what.domain or not what.inputs:
            return None
        if what.kind == "DequantizeLinear" and dequantise is None and not transposed:
            dequantise = what
        elif what.kind == "Transpose" and what.numbers.get("perm", (1, 0)) == (1, 0) and dequantise is None:
            transposed = not transposed
        elif what.kind not in ("Identity", "Cast"):
            return None
        name = what.inputs[0]
    return None


def _reader(graph: Graph, names: tuple[str, ...], kind: str) -> Node | None:
    """The node of a kind that takes one of these outputs as its first input."""
    kinds = (node for node in graph.nodes if node.kind == kind)
    return next((node for node in kinds if node.inputs and node.inputs[0] in names), None)


def tensor(lookup: Lookup, name: str) -> Stored | None:
    """The tensor of a name, as the lookup's graph sees it."""
    found = _table(lookup.graph, name)
    return found[0] if found and not found[1] and not found[2] else None
