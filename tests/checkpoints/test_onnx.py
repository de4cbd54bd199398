"""ONNX checkpoints: held against onnx and ONNX Runtime, valid and damaged."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite

import charvec
from charvec import checkpoints
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.graphs import onnx_file
from charvec.rows import read_rows
from charvec.tensor import Tensor

DATA = Path(__file__).resolve().parents[1] / "data" / "onnx"
FIXTURE = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "onnx_embedding" / "model.onnx"
GOLDEN = {
    "traced": ("word_embeddings.weight", "floats", ""),
    "exported": ("word_embeddings.weight", "floats", ""),
    "external": ("word_embeddings.weight", "floats", ""),
    "dynamic": ("word_embeddings.weight_quantized", "dynamic", "uint8, one scale"),
    "static": ("word_embeddings.weight_quantized", "static", "int8, one scale"),
    "blocks": ("word_embeddings.weight_Q4", "blocks", "uint4, one scale for 16 columns"),
}


def embedding(path: Path) -> Tensor:
    """What would be taken of a file."""
    return find_embedding(checkpoints.read(path)).tensor


@pytest.mark.parametrize("name", GOLDEN)
def test_what_other_programs_wrote(name: str) -> None:
    """The table of words, not that of positions or segments; its rows are what torch has or ONNX Runtime looks up."""
    choice = find_embedding(checkpoints.read(DATA / f"{name}.onnx"))
    tensor, truth, quantised = GOLDEN[name]
    assert (choice.tensor.name, choice.tensor.quantised) == (tensor, quantised)
    assert "'input_ids'" in choice.reason
    ids = np.array([31, 0, 7, 7, 12])
    rows, _ = read_rows(choice.tensor, ids)
    np.testing.assert_array_equal(rows.view("u4"), np.load(DATA / f"{truth}.npy")[ids].view("u4"))


def test_a_file_of_2017() -> None:
    """Initialisers were inputs as well, and names were numbers (onnx/onnx, test_Embedding)."""
    if not FIXTURE.exists():
        pytest.skip("needs the shared fixtures")
    choice = find_embedding(checkpoints.read(FIXTURE))
    assert choice.tensor.name == "1" and choice.tensor.shape == (4, 3)
    assert read_rows(choice.tensor, np.array([0]))[0].any()


def test_weights_beside_the_model(tmp_path: Path) -> None:
    """The file is opened for its size; it may be missing, or cut short, but never lie elsewhere."""
    for name in ("external.onnx", "external.onnx.data"):
        shutil.copy(DATA / name, tmp_path)
    path, data = tmp_path / "external.onnx", tmp_path / "external.onnx.data"
    assert set(checkpoints.read(path).files) == {str(path), str(data)}
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert refusal(path) == "E-TRUNCATED"
    data.unlink()
    with pytest.raises(CharvecError) as caught:
        read_rows(embedding(path), np.array([1]))
    assert caught.value.code == "E-SHARD-MISSING"
    raw = path.read_bytes()
    for other in (b"/external.onnx.dat", b"../xternal.onnx.da", b"..\\xternal.onnx.da", b"c:xternal.onnx.data"):
        path.write_bytes(raw.replace(b"external.onnx.data", other.ljust(18, b"x")[:18]))
        assert refusal(path) == "E-PATH-ESCAPE"
    path.write_bytes(raw.replace(b"\x0a\x06length\x12\x042048", b"\x0a\x06length\x12\x042x48"))
    assert refusal(path) == "E-ONNX"


@pytest.mark.parametrize("folder", ["", "onnx"])
def test_folders(folder: str, tmp_path: Path) -> None:
    """As Optimum leaves them: the model, perhaps in a folder of its own, and the vocabulary at the top."""
    (tmp_path / folder).mkdir(exist_ok=True)
    shutil.copy(DATA / "dynamic.onnx", tmp_path / folder / "model.onnx")
    shutil.copy(DATA / "traced.onnx", tmp_path / folder / "model_other.onnx")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(0x4E00, 0x4E00 + 27))]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    model = charvec.open(tmp_path)
    vectors = charvec.lookup(model, {"\u4e00": 2, "\u4e1a": 1})
    np.testing.assert_array_equal(vectors["\u4e1a"], np.load(DATA / "dynamic.npy")[31])


def refusal(path: Path) -> str:
    """The code a file is refused with."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.exit_code == 65 and caught.value.help and caught.value.path
    return caught.value.code


class Graphs:
    """Makes models with the onnx package."""

    def __init__(self, path: Path) -> None:
        """Take where they are written."""
        self.onnx = pytest.importorskip("onnx", reason="compares with the onnx package")
        self.path = path
        self.types = self.onnx.TensorProto

    def array(self, name: str, values: Any, kind: int, raw: bool = True) -> Any:
        """A tensor, its elements raw or in the field of their type."""
        typed = np.asarray(values).astype(self.onnx.helper.tensor_dtype_to_np_dtype(kind))
        if raw:
            return self.onnx.numpy_helper.from_array(typed, name)
        packed = kind in (self.types.INT4, self.types.UINT4)
        return self.onnx.helper.make_tensor(
            name, kind, typed.shape, np.asarray(values).ravel() if packed else typed.ravel()
        )

    def node(self, kind: str, inputs: list[str], outputs: list[str], **more: Any) -> Any:
        """A node."""
        return self.onnx.helper.make_node(kind, inputs, outputs, **more)

    def write(self, nodes: Any, tensors: Any, inputs: Any = ("input_ids",), outputs: Any = ("e",), **more: Any) -> Path:
        """A model; it looks up what it is given, an int64 matrix for each input."""
        helper = self.onnx.helper
        ins = [helper.make_tensor_value_info(name, self.types.INT64, ["b", "n"]) for name in inputs]
        outs = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(nodes, "g", ins, outs, tensors)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        )
        model.ir_version = 10
        self.onnx.save(model, self.path, **more)
        return self.path

    def looked_up(self, ids: Any) -> Any:
        """What ONNX Runtime gives for ids, one row each; None when it cannot run the model."""
        runtime = pytest.importorskip("onnxruntime", reason="compares with ONNX Runtime")
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = runtime.InferenceSession(str(self.path), options)
        except (runtime.capi.onnxruntime_pybind11_state.InvalidGraph, runtime.capi.onnxruntime_pybind11_state.Fail):
            return None
        result = session.run(None, {"input_ids": ids[None]})[0]
        return result.reshape(len(ids), -1).astype("f4")


@pytest.fixture
def graphs(tmp_path: Path) -> Graphs:
    """The maker."""
    return Graphs(tmp_path / "model.onnx")


def test_element_types_and_fields(graphs: Graphs) -> None:
    """Floating-point tables as raw data, in the field of their type, and outside, are what numpy_helper reads."""
    generator = np.random.default_rng(0)
    table = generator.standard_normal((9, 6)).astype("f4")
    table[0] = [0.0, -0.0, np.inf, -np.inf, 1e-7, 65504]
    types = graphs.types
    for kind in (types.FLOAT, types.FLOAT16, types.BFLOAT16, types.DOUBLE):
        for raw in (True, False):
            made = graphs.array("W", table, kind, raw)
            expected = graphs.onnx.numpy_helper.to_array(made).astype("f4")
            nodes = [graphs.node("Gather", ["W", "input_ids"], ["e"])]
            for more in ({}, {"save_as_external_data": True, "size_threshold": 0, "location": "w.bin"}):
                tensor = embedding(graphs.write(nodes, [made], **more))
                rows, _ = read_rows(tensor, np.arange(9))
                np.testing.assert_array_equal(rows.view("u4"), expected.view("u4"))
                (graphs.path.parent / "w.bin").unlink(missing_ok=True)


LIMITS = {
    "INT8": (-128, 128),
    "UINT8": (0, 256),
    "INT16": (-32768, 32768),
    "UINT16": (0, 65536),
    "INT4": (-8, 8),
    "UINT4": (0, 16),
}


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("raw", [True, False])
def test_scales_before_or_behind_the_gather(kind: str, raw: bool, graphs: Graphs) -> None:
    """DequantizeLinear with one scale, one for each row, column or block, with and without zero points, bit for bit."""
    generator = np.random.default_rng(1)
    rows, columns, compared = 23, 32, 0
    dtype = getattr(graphs.types, kind)
    shapes = {"one": (), "row": (rows,), "column": (columns,), "block": (rows, 4)}
    for behind in (False, True):
        for how, shape in shapes.items():
            for scale_kind in (graphs.types.FLOAT, graphs.types.FLOAT16):
                for zero in (True, False):
                    if behind and how in ("row", "block"):
                        continue
                    tensors = [
                        graphs.array("W", generator.integers(*LIMITS[kind], (rows, columns)), dtype, raw),
                        graphs.array("s", generator.uniform(0.001, 0.1, shape), scale_kind, raw),
                        graphs.array("z", generator.integers(*LIMITS[kind], shape), dtype, raw),
                    ][: 2 + zero]
                    more = {
                        "one": {},
                        "row": {"axis": 0},
                        "column": {"axis": -1},
                        "block": {"axis": 1, "block_size": 8},
                    }
                    first, last = ["q", "s", "z"][: 2 + zero], ["W", "s", "z"][: 2 + zero]
                    nodes = (
                        [
                            graphs.node("Gather", ["W", "input_ids"], ["q"]),
                            graphs.node("DequantizeLinear", first, ["e"], **more[how]),
                        ]
                        if behind
                        else [
                            graphs.node("DequantizeLinear", last, ["w"], **more[how]),
                            graphs.node("Gather", ["w", "input_ids"], ["e"]),
                        ]
                    )
                    tensor = embedding(graphs.write(nodes, tensors))
                    ids = generator.integers(0, rows, 40)
                    expected = graphs.looked_up(ids)
                    assert tensor.quantised.startswith(kind.lower())
                    if expected is None:
                        assert kind.endswith("INT4") and behind
                        continue
                    np.testing.assert_array_equal(read_rows(tensor, ids)[0].view("u4"), expected.view("u4"))
                    compared += 1
    assert compared >= 16


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "UINT8"])
def test_gather_block_quantized(kind: str, graphs: Graphs) -> None:
    """ONNX Runtime's own operator; an uint8 is a number, or two of 4 bits."""
    generator = np.random.default_rng(2)
    dtype = getattr(graphs.types, kind)
    compared = 0
    for bits in (4, 8) if kind == "UINT8" else (4,):
        for block, columns in ((16, 64), (32, 64), (16, 48), (16, 32), (32, 32)):
            for zero in (True, False):
                packed = kind == "UINT8" and bits == 4
                blocks = columns // block
                tensors = [
                    graphs.array(
                        "W", generator.integers(*LIMITS[kind], (23, columns // 2 if packed else columns)), dtype
                    ),
                    graphs.array("s", generator.uniform(0.001, 0.1, (23, blocks)), graphs.types.FLOAT),
                    graphs.array(
                        "z", generator.integers(*LIMITS[kind], (23, -(-blocks // 2) if packed else blocks)), dtype
                    ),
                ]
                more = {
                    "gather_axis": 0,
                    "quantize_axis": 1,
                    "block_size": block,
                    **({"bits": bits} if kind == "UINT8" else {}),
                }
                names = ["W", "input_ids", "s", "z"][: 3 + zero]
                nodes = [graphs.node("GatherBlockQuantized", names, ["e"], domain="com.microsoft", **more)]
                tensor = embedding(graphs.write(nodes, tensors[: 2 + zero]))
                assert tensor.shape == (23, columns)
                ids = generator.integers(0, 23, 40)
                expected = graphs.looked_up(ids)
                if expected is None:
                    continue
                np.testing.assert_array_equal(read_rows(tensor, ids)[0].view("u4"), expected.view("u4"))
                compared += 1
    assert compared >= 8


def test_ids_on_their_way(graphs: Graphs) -> None:
    """Cast, reshaped, chosen between: still ids. Shapes, ranges and constants are not."""
    table = graphs.array("W", np.ones((9, 4)), graphs.types.FLOAT)
    shape = graphs.array("shape", [-1], graphs.types.INT64)
    axis = graphs.array("axis", [0], graphs.types.INT64)
    cases = {
        ("Cast", "Reshape", "Identity"): True,
        ("Unsqueeze", "Squeeze"): True,
        ("Where",): True,
        ("Shape",): False,
        ("Shape", "Cast"): False,
        ("NonZero",): False,
        ("CumSum",): False,
    }
    for kinds, expected in cases.items():
        nodes, name = [], "input_ids"
        for kind in kinds:
            second = {"Reshape": ["shape"], "Unsqueeze": ["axis"], "Squeeze": ["axis"], "CumSum": ["axis"]}.get(
                kind, []
            )
            more = {"Cast": {"to": graphs.types.INT64}}.get(kind, {})
            inputs = ["condition", "other", name] if kind == "Where" else [name, *second]
            nodes.append(graphs.node(kind, inputs, [f"{name}x"], **more))
            name += "x"
        nodes.append(graphs.node("Gather", ["W", name], ["e"]))
        checkpoint = checkpoints.read(graphs.write(nodes, [table, shape, axis]))
        assert (checkpoint.embedding is not None) == expected, kinds


def test_which_of_several_tables(graphs: Graphs) -> None:
    """The name of the input decides, then that of the table; else the user."""
    make = {name: graphs.array(name, np.full((9, 4), place), graphs.types.FLOAT) for place, name in enumerate("ABC")}

    def choose(tables: dict[str, str], names: dict[str, str] | None = None) -> str:
        tensors, nodes = [], []
        for place, (source, table) in enumerate(tables.items()):
            tensor = graphs.types()
            tensor.CopyFrom(make[table])
            tensor.name = (names or {}).get(table, table)
            tensors.append(tensor)
            nodes.append(graphs.node("Gather", [tensor.name, source], [f"e{place}"]))
        outputs = [f"e{place}" for place in range(len(nodes))]
        return embedding(graphs.write(nodes, tensors, list(tables), outputs)).name

    assert choose({"position_ids": "A", "token_type_ids": "B", "input_ids": "C"}) == "C"
    assert choose({"segment_ids": "A", "x": "B"}) == "B"
    assert choose({"input.1": "A", "input.2": "B"}, {"B": "bert.embeddings.word_embeddings.weight"}).startswith("bert")
    for tables in ({"input.1": "A", "input.2": "B"}, {"input_ids": "A", "tokens": "B"}):
        with pytest.raises(CharvecError) as caught:
            choose(tables)
        assert caught.value.code == "E-AMBIGUOUS" and "A [9, 4]" in str(caught.value.found)
    with pytest.raises(CharvecError) as caught:
        choose({"position_ids": "A", "attention_mask": "B"})
    assert caught.value.code == "E-NO-TENSOR"


def test_tables_that_are_stored_in_other_ways(graphs: Graphs) -> None:
    """Transposed, as a constant of a node, cast, and inside a branch."""
    table = np.random.default_rng(3).standard_normal((9, 4)).astype("f4")
    ids = np.array([3, 8, 0])
    gather = graphs.node("Gather", ["w", "input_ids"], ["e"])
    raw, half = graphs.array("W", table, graphs.types.FLOAT), graphs.array("W", table, graphs.types.FLOAT16)
    turned = graphs.array("W", np.ascontiguousarray(table.T), graphs.types.FLOAT)
    helper = graphs.onnx.helper
    empty = helper.make_empty_tensor_value_info("e")
    branch = helper.make_graph([graphs.node("Gather", ["W", "input_ids"], ["e"])], "b", [], [empty])
    other = helper.make_graph(
        [graphs.node("Gather", ["V", "input_ids"], ["e"])], "c", [], [empty], [graphs.array("V", table, 1)]
    )
    yes = graphs.array("yes", True, graphs.types.BOOL)
    cases = [
        ([graphs.node("Transpose", ["W"], ["w"], perm=[1, 0]), gather], [turned], table),
        ([graphs.node("Constant", [], ["w"], value=raw), gather], [], table),
        ([graphs.node("Cast", ["W"], ["w"], to=graphs.types.FLOAT), gather], [half], table.astype("f2").astype("f4")),
        ([graphs.node("If", ["yes"], ["e"], then_branch=branch, else_branch=branch)], [yes, raw], table),
        ([graphs.node("If", ["yes"], ["e"], then_branch=other, else_branch=other)], [yes], table),
    ]
    for nodes, tensors, expected in cases:
        tensor = embedding(graphs.write(nodes, tensors))
        np.testing.assert_array_equal(read_rows(tensor, ids)[0], expected[ids])
        np.testing.assert_array_equal(graphs.looked_up(ids), expected[ids])


def test_integers_without_scales_are_refused(graphs: Graphs) -> None:
    """Or with scales of another shape."""
    table = graphs.array("W", np.ones((9, 4)), graphs.types.INT8)
    scales = graphs.array("s", np.ones(5), graphs.types.FLOAT)
    gather = graphs.node("Gather", ["W", "input_ids"], ["q"])
    behind = graphs.node("DequantizeLinear", ["q", "s"], ["e"])
    for nodes, output in (([gather], "q"), ([gather, behind], "e")):
        with pytest.raises(CharvecError) as caught:
            embedding(graphs.write(nodes, [table, scales], outputs=[output]))
        assert caught.value.code == "E-QUANTISED"


def test_types_that_are_not_read(graphs: Graphs) -> None:
    """A table of 8-bit floating-point numbers is known, and refused; one of ids is no embedding."""
    words = graphs.array("W", np.ones((9, 4)), graphs.types.FLOAT8E4M3FN)
    scale = graphs.array("s", 0.5, graphs.types.FLOAT)
    nodes = [
        graphs.node("DequantizeLinear", ["W", "s"], ["w"]),
        graphs.node("Gather", ["w", "input_ids"], ["e"]),
        graphs.node("Gather", ["other_ids", "input_ids"], ["f"]),
    ]
    other = graphs.array("other_ids", np.ones((9, 4)), graphs.types.INT64)
    with pytest.raises(CharvecError) as caught:
        embedding(graphs.write(nodes, [words, scale, other]))
    assert caught.value.code == "E-QUANTISED" and "float8_e4m3fn" in caught.value.message


def test_tensors_are_what_the_package_reads() -> None:
    """Names, shapes, element types and elements of all initialisers of the golden files."""
    onnx = pytest.importorskip("onnx", reason="compares with the onnx package")
    for name in GOLDEN:
        path = DATA / f"{name}.onnx"
        tensors = checkpoints.read(path).tensors
        for each in onnx.load(path).graph.initializer:
            truth = onnx.numpy_helper.to_array(each)
            tensor = tensors[each.name]
            assert tensor.shape == truth.shape
            assert tensor.dtype == truth.dtype.name
            if tensor.dtype == "float32" and tensor.readable:
                rows, _ = read_rows(tensor, np.arange(tensor.rows))
                np.testing.assert_array_equal(rows, truth.reshape(tensor.rows, -1))


def test_weights_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the windows fall, and however large a tensor is: only what is around it is read."""
    for window in (1, 30, 1 << 16):
        monkeypatch.setattr(onnx_file, "WINDOW", window)
        for name, (tensor, _, _) in GOLDEN.items():
            assert embedding(DATA / f"{name}.onnx").name == tensor


class Sparse(File):
    """A model whose table has 2 GiB that nobody wrote."""

    def __init__(self, head: bytes, gap: int, tail: bytes) -> None:
        """Take what stands before and behind."""
        self.parts, self.gap, self.read = (head, tail), gap, 0
        self.path, self.size, self.head = "model.onnx", len(head) + gap + len(tail), head[:4096]

    def pread(self, offset: int, length: int) -> bytes:
        """As of a file; the gap is zeros."""
        head, tail = self.parts
        self.read += length
        assert self.read < 1 << 20
        data = head[offset : offset + length]
        data += bytes(max(0, min(offset + length, len(head) + self.gap) - max(offset, len(head))))
        behind = offset - len(head) - self.gap
        return data + tail[max(behind, 0) : max(behind + length, 0)]


def varint(value: int) -> bytes:
    """An integer of variable length."""
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field(number: int, *content: bytes, gap: int = 0) -> bytes:
    """A field of that number, its content, and a number of bytes that are not there."""
    data = b"".join(content)
    return varint(number << 3 | 2) + varint(len(data) + gap) + data


def test_a_model_of_two_gigabytes() -> None:
    """Is read by what stands around the weights."""
    gap = (1 << 31) - (1 << 20)
    rows = gap // 4096
    gap = rows * 4096
    dims = b"\x08" + varint(rows) + b"\x08" + varint(1024) + b"\x10\x01"
    tensor = dims + field(8, b"W") + varint(9 << 3 | 2) + varint(gap)
    node = field(1, field(1, b"W"), field(1, b"ids"), field(2, b"e"), field(4, b"Gather"))
    tail = field(11, field(1, b"ids")) + field(12, field(1, b"e"))
    graph = node + field(5, tensor, gap=gap)
    head = b"\x08\x08" + field(2, b"x") + varint(7 << 3 | 2) + varint(len(graph) + gap + len(tail)) + graph
    file = Sparse(head, gap, tail)
    assert onnx_file.sniff(file)
    from charvec.checkpoints import onnx as member

    checkpoint = member.read(file)
    assert checkpoint.embedding is not None and checkpoint.tensors["W"].shape == (rows, 1024)
    assert checkpoint.tensors["W"].blocks[0].offset == len(head)


def model(*graph: bytes, version: bytes = b"\x08\x08") -> bytes:
    """A model with that graph."""
    return version + field(2, b"test") + field(7, *graph)


def nested(depth: int) -> bytes:
    """Graphs in graphs."""
    data = b""
    for _ in range(depth):
        data = field(1, field(4, b"If"), field(5, field(1, b"then_branch"), field(6, data)))
    return data


W = field(8, b"W")
BAD = {
    "a size of 2^63": model(field(5, b"\x08" + varint(1 << 63) + b"\x08\x04\x10\x01" + W + field(9, bytes(16)))),
    "a product that wraps to 4": model(
        field(5, (b"\x08" + varint(1 << 33)) * 2 + b"\x10\x01" + W + field(9, bytes(16)))
    ),
    "fewer bytes than the shape says": model(field(5, b"\x08\x08\x08\x04\x10\x01" + W + field(9, bytes(16)))),
    "graphs nested 5,000 deep": model(nested(5000)),
    "a name that is not UTF-8": model(field(5, field(8, b"\xff\xff"))),
    "a name of 100,000 bytes": model(field(5, field(8, b"x" * 100_000))),
    "a tensor that goes on behind its graph": b"\x08\x08" + field(7, b"\x2a\xff\x01" + W) + field(14, bytes(999)),
    "groups": model(field(2, b"g"), b"\x0b"),
    "a name that is a number": model(field(5, b"\x40\x01")),
    "field number 0": model(field(2, b"g"), b"\x02\x00"),
    "two graphs": model(field(2, b"g")) + field(7, field(2, b"h")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    """Each is refused by its code."""
    (tmp_path / "x.onnx").write_bytes(BAD[name])
    assert refusal(tmp_path / "x.onnx") == "E-ONNX"


def test_integers_of_variable_length_that_do_not_add_up(tmp_path: Path) -> None:
    """Found when they are read."""
    for data in (bytes(7), bytes(9), bytes(7) + b"\x80", b"\xff" * 8):
        gather = field(1, field(1, b"W"), field(1, b"ids"), field(2, b"e"), field(4, b"Gather"))
        table = field(5, b"\x08\x02\x08\x04\x10\x0a" + W + field(5, data))
        (tmp_path / "x.onnx").write_bytes(model(gather, table, field(11, field(1, b"ids"))))
        with pytest.raises(CharvecError) as caught:
            read_rows(embedding(tmp_path / "x.onnx"), np.array([0]))
        assert caught.value.code == "E-ONNX"


def test_cycles_end(tmp_path: Path) -> None:
    """A graph that bites its tail leads nowhere."""
    cast = field(1, field(1, b"a"), field(2, b"b"), field(4, b"Cast")) + field(
        1, field(1, b"b"), field(2, b"a"), field(4, b"Cast")
    )
    where = field(1, field(1, b"c"), field(1, b"d"), field(1, b"d"), field(2, b"d"), field(4, b"Where"))
    gathers = b"".join(
        field(1, field(1, table), field(1, ids), field(2, b"e"), field(4, b"Gather"))
        for table in (b"a", b"W")
        for ids in (b"a", b"d", b"ids")
    )
    (tmp_path / "x.onnx").write_bytes(model(cast, where, gathers, field(11, field(1, b"ids"))))
    assert checkpoints.read(tmp_path / "x.onnx").embedding is None


def test_mutants(tmp_path: Path) -> None:
    """Bytes changed anywhere give a checkpoint whose rows can be read, or one of our errors."""
    generator = random.Random(9)
    path = tmp_path / "x.onnx"
    shutil.copy(DATA / "external.onnx.data", tmp_path)
    for name in ("traced", "external", "blocks", "static"):
        whole = (DATA / f"{name}.onnx").read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(generator.randrange(1, 4)):
                data[generator.randrange(len(data))] = generator.choice(
                    (0, 1, 8, 127, 128, 255, generator.randrange(256))
                )
            overwrite(path, data)
            try:
                tensor = embedding(path)
                read_rows(tensor, np.arange(min(tensor.rows, 40)))
            except CharvecError as error:
                assert error.exit_code in (65, 66)


def test_cut_anywhere(tmp_path: Path) -> None:
    """A beginning of a file is cut short, or too short to be recognised."""
    whole = (DATA / "blocks.onnx").read_bytes()
    codes = set()
    for length in range(1, len(whole), 7):
        overwrite(tmp_path / "x.onnx", whole[:length])
        try:
            embedding(tmp_path / "x.onnx")
        except CharvecError as error:
            codes.add(error.code)
        else:
            assert whole[length] == 8 << 3 | 2, "only between the graph and the operator sets behind it"
    assert codes == {"E-TRUNCATED", "E-FORMAT"}
