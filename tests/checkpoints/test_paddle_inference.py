"""Paddle's inference models: the golden ones, models that Paddle writes where it is installed, and files that lie."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite

import charvec
from charvec import checkpoints
from charvec.checkpoints.paddle_inference import _headers
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.graphs.graph import Stored
from charvec.plumbing.graphs.paddle_program import read_message, sizes_of
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data"
GOLDEN = DATA / "paddle-inference"
A = np.load(DATA / "pytorch" / "A.npy")
EVERYTHING = np.arange(len(A))


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    data = b""
    while number >= 128:
        data, number = data + bytes((number & 127 | 128,)), number >> 7
    return data + bytes((number,))


@pytest.mark.parametrize(
    "name",
    [
        *("json", "json/inference.json", "json/inference.pdiparams"),
        *("program", "program/inference.pdmodel", "program/inference.pdiparams"),
        *("together", "together/__params__", "apart", "apart/__model__"),
    ],
)
def test_what_paddle_wrote(name: str) -> None:
    """However it is named, the program and its weights are found, and the table of words by what is looked up in it."""
    checkpoint = checkpoints.read(GOLDEN / name)
    choice = find_embedding(checkpoint)
    assert (checkpoint.format, choice.tensor.name) == ("paddle-inference", "embedding_2.w_0")
    assert "'input_ids'" in choice.reason
    assert read_rows(choice.tensor, EVERYTHING)[0].tobytes() == A.tobytes()
    assert [(tensor.name, tensor.shape) for tensor in checkpoint.tensors.values()] == [
        ("embedding_0.w_0", (2, 6)),
        ("embedding_1.w_0", (12, 6)),
        ("embedding_2.w_0", (23, 6)),
        ("linear_0.b_0", (3,)),
        ("linear_0.w_0", (6, 3)),
    ]


def test_where_weights_lie() -> None:
    """It can be told from the program, so that a server is asked for all of them at once; sizes have any length."""
    program = read_message((GOLDEN / "together" / "__model__").read_bytes())
    raw, ends = (GOLDEN / "together" / "__params__").read_bytes(), []
    for start, length in _headers(program.weights.values()):
        assert raw[start : start + 16] == bytes(16)
        assert int.from_bytes(raw[start + 16 : start + 20], "little") == length - 20
        ends.append(start + length)
    assert len(ends) == len(program.weights) == 5
    sizes = (0, 1, 127, 128, 16_383, 16_384, 1 << 40)
    described = [b"\x08\x05" + b"".join(b"\x10" + varint(size) for size in (size, 2)) for size in sizes]
    assert [sizes_of(each)[1] for each in described] == [(size, 2) for size in sizes]
    expected = [20 + len(each) for each in described]
    stored = [Stored("", (size, 2), "float32") for size in sizes]
    assert [next(_headers([each]))[1] for each in stored] == expected
    assert list(_headers([Stored("", (2, -1), "float32"), stored[0]])) == []


def test_one_weight_alone() -> None:
    """A file of one weight needs no program; it goes by its own name."""
    checkpoint = checkpoints.read(GOLDEN / "apart" / "embedding_2.w_0")
    assert list(checkpoint) == ["embedding_2.w_0"]
    assert read_rows(find_embedding(checkpoint).tensor, EVERYTHING)[0].tobytes() == A.tobytes()


def test_with_a_dictionary(tmp_path: Path) -> None:
    """The whole way, with ids and words in lines, as Baidu's LAC has them."""
    words = tmp_path / "word.dic"
    words.write_text("".join(f"{row}\t{chr(0x4E00 + row)}\n" for row in range(23)), "utf-8")
    vectors = charvec.lookup(charvec.open(GOLDEN / "apart", vocab=words), "\u4e05\u4e00")
    assert vectors.chars == ["\u4e00", "\u4e05"] and vectors.matrix.tobytes() == A[[0, 5]].tobytes()


LAC = find_spec("LAC")


@pytest.mark.skipif(LAC is None, reason="needs the package LAC")
@pytest.mark.parametrize("name", ["lac_model", "seg_model", "rank_model"])
def test_the_models_of_lac(name: str) -> None:
    """Published models, written years ago: the table of words is found, and its rows are the file's last bytes."""
    folder = Path(str(LAC.origin)).parent / name / "model"  # type: ignore[union-attr]
    choice = find_embedding(checkpoints.read(folder))
    assert choice.tensor.name == "word_emb"
    raw = (folder / "word_emb").read_bytes()
    rows, columns = choice.tensor.shape
    expected = np.frombuffer(raw, "<f4", offset=len(raw) - 4 * rows * columns).reshape(rows, columns)
    ids = np.random.default_rng(1).integers(0, rows, 500)
    assert read_rows(choice.tensor, ids)[0].tobytes() == expected[ids].tobytes()


def written(paddle: Any, path: Path, rows: int, columns: int, others: int, dtype: str) -> Any:
    """The table of words of a model that is written to ``path``; others are looked up by place."""

    class Model(paddle.nn.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.others = paddle.nn.LayerList([paddle.nn.Embedding(9, columns) for _ in range(others)])
            self.words = paddle.nn.Embedding(rows, columns)
            self.to(dtype=dtype)

        def forward(self, input_ids: Any, position_ids: Any) -> Any:
            ids = paddle.unsqueeze(input_ids, -1).squeeze(-1).astype("int32").astype("int64")
            return [self.words(ids), *[each(position_ids) for each in self.others]]

    model = Model()
    model.eval()
    specs = [paddle.static.InputSpec([None, None], "int64", name) for name in ("input_ids", "position_ids")]
    paddle.jit.save(paddle.jit.to_static(model, input_spec=specs, full_graph=True), str(path))
    return model.words.weight.astype("float32").numpy()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_models_that_paddle_writes_now(dtype: str, tmp_path: Path) -> None:
    """Random shapes in every element type, ids passed on by other steps, against what Paddle itself holds."""
    paddle = pytest.importorskip("paddle")
    generator = random.Random(dtype)
    for number in range(4):
        shape = generator.randrange(10, 300), generator.randrange(1, 40)
        expected = written(paddle, tmp_path / f"{number}", *shape, generator.randrange(1, 4), dtype)
        (path,) = (each for each in tmp_path.glob(f"{number}.*") if each.suffix in (".json", ".pdmodel"))
        choice = find_embedding(checkpoints.read(path))
        assert (choice.tensor.dtype, choice.tensor.shape) == (dtype, shape)
        np.testing.assert_array_equal(read_rows(choice.tensor, np.arange(shape[0]))[0], expected)


def code(path: Path) -> str:
    """Code of the error."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.help
    return caught.value.code


def copy(name: str, folder: Path) -> Path:
    """A golden model where it may be changed."""
    shutil.copytree(GOLDEN / name, folder / name)
    return folder / name


def test_what_is_missing(tmp_path: Path) -> None:
    """Weights without their program, a program without its weights, or without one of them."""
    folder = copy("program", tmp_path)
    (folder / "inference.pdmodel").rename(tmp_path / "elsewhere")
    assert code(folder / "inference.pdiparams") == "E-SHARD-MISSING"
    (folder / "inference.pdiparams").unlink()
    (tmp_path / "elsewhere").rename(folder / "inference.pdmodel")
    assert code(folder) == "E-SHARD-MISSING"
    (copy("apart", tmp_path) / "linear_0.b_0").unlink()
    assert code(tmp_path / "apart") == "E-SHARD-MISSING"


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "E-TRUNCATED": lambda data: data[:-1],
    "E-PADDLE": lambda data: data + b"\0",
}


@pytest.mark.parametrize("name", ["json/inference.pdiparams", "together/__params__", "apart/linear_0.w_0"])
@pytest.mark.parametrize("expected", CHANGES)
def test_weights_of_another_size(name: str, expected: str, tmp_path: Path) -> None:
    """Cut short, or with something behind the last."""
    path = copy(name.partition("/")[0], tmp_path) / name.partition("/")[2]
    path.write_bytes(CHANGES[expected](path.read_bytes()))
    assert code(path.parent) == expected


def test_weights_of_another_model(tmp_path: Path) -> None:
    """Types and sizes are held against the program, so that no weight goes by another's name."""
    folder = copy("program", tmp_path)
    path = folder / "inference.pdiparams"
    data = path.read_bytes()
    assert data[20:26] == b"\x08\x05\x10\x02\x10\x06"  # float32, 2 x 6
    path.write_bytes(data[:23] + b"\x03\x10\x04" + data[26:])
    assert code(folder) == "E-PADDLE"
    path.write_bytes(b"\1" + data[1:])
    assert code(folder) == "E-PADDLE"


@pytest.mark.parametrize("name", ["../apart.txt", "/etc/hostname", "..", "a/b", "a\\b", "c:d"])
def test_names_that_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    """A weight's name is the name of its file and nothing else."""
    path = copy("apart", tmp_path) / "__model__"
    old, raw = b"linear_0.w_0", path.read_bytes()
    (tmp_path / "apart.txt").write_bytes((GOLDEN / "apart" / "linear_0.w_0").read_bytes())
    path.write_bytes(raw.replace(old, name.encode().ljust(len(old), b"_") if len(name) < 12 else name[:12].encode()))
    assert code(path) in ("E-PADDLE", "E-SHARD-MISSING")


def field(number: int, content: bytes) -> bytes:
    """A field of a message, with its length before it."""
    return bytes((number << 3 | 2,)) + varint(len(content)) + content


@pytest.mark.parametrize(
    "operation",
    [
        field(1, b"\x18\x01") + field(3, b"cast"),
        field(1, b"\x08\x01") + field(3, b"cast"),
        field(1, field(1, b"X") + b"\x12\x00" * ((1 << 16) + 1)),
        b"".join(field(2, field(1, b"%d" % number)) for number in range((1 << 16) + 1)),
    ],
    ids=["a-number-nobody-knows", "a-number-for-a-name", "names-without-end", "parameters-without-end"],
)
def test_operations_that_lie(operation: bytes, tmp_path: Path) -> None:
    """Fields of other types are damage unless nobody knows them; two bytes a name do not become a hundred in memory."""
    path = copy("together", tmp_path) / "__model__"
    block = b"\x08\x00\x10" + b"\xff" * 9 + b"\x01" + field(4, operation)
    path.write_bytes(field(1, block))
    if operation.endswith(b"\x18\x01" + field(3, b"cast")):
        assert not checkpoints.read(path).tensors
    else:
        assert code(path) == "E-PADDLE"


@pytest.mark.parametrize("name", ["json", "program", "together", "apart"])
def test_mutants(name: str, tmp_path: Path) -> None:
    """Whatever is changed or cut off, there is a checkpoint whose rows can be read, or one of our errors."""
    generator = random.Random(name)
    folder = copy(name, tmp_path)
    files = sorted(path for path in folder.iterdir())
    opened = 0
    for _ in range(250):
        path = generator.choice(files)
        whole = path.read_bytes()
        data = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.2 else whole)
        for _ in range(generator.randrange(1, 4)):
            if data:
                data[generator.randrange(min(len(data), generator.choice((40, 10**9))))] = generator.randrange(256)
        overwrite(path, data)
        try:
            checkpoint = checkpoints.read(folder)
            for tensor in checkpoint.tensors.values():
                if tensor.readable and tensor.rows:
                    read_rows(tensor, np.array([tensor.rows - 1]))
            opened += 1
        except CharvecError:
            pass
        overwrite(path, whole)
    assert 0 < opened < 250
