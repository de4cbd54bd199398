"""MindSpore checkpoints: held against MindSpore, valid and damaged."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import opened, overwrite, spoiled

from charvec import checkpoints
from charvec.checkpoints import mindspore as member
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.models.embedding_names import ranked_names
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data" / "mindspore"
A = np.load(DATA.parent / "pytorch" / "A.npy")
EVERY = np.arange(len(A))
BERT = "bert.word_embedding.embedding_table"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *((file, BERT) for file in ("bert", "checked", "adam", "adamweightdecay", "lamb", "momentum", "adagrad")),
        ("pieces", "shared"),
    ],
)
def test_what_mindspore_wrote(file: str, name: str) -> None:
    """The input embedding is found, also beside an optimizer's state, and its rows are those MindSpore had."""
    checkpoint = checkpoints.read(DATA / f"{file}.ckpt")
    chosen = find_embedding(checkpoint)
    assert (checkpoint.format, chosen.tensor.name, chosen.others) == ("mindspore", name, ())
    assert read_rows(chosen.tensor, EVERY[::-1])[0].tobytes() == A[::-1].tobytes()


def test_dtypes() -> None:
    """Each element type MindSpore wrote."""
    bits = A.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    expected = {"float32": A, "float64": A, "float16": A.astype("f2").astype("f4"), "bfloat16": rounded}
    tensors = checkpoints.read(DATA / "dtypes.ckpt").tensors
    assert {name: each.dtype for name, each in tensors.items() if each.shape == A.shape} == {
        **{name: name for name in expected},
        **{name: name for name in ("int64", "int32", "int16", "int8", "uint8", "complex64")},
        "bool_": "bool",
        "qint4x2": "int4",
        "float8_e4m3fn": "float8_e4m3fn",
        "float8_e5m2": "float8_e5m2",
    }
    assert (tensors["scalar"].shape, tensors["cube"].shape) == ((), (2, 3, 4))
    for name, matrix in expected.items():
        assert read_rows(tensors[name], EVERY)[0].tobytes() == matrix.tobytes()


def test_numbers_and_texts_beside() -> None:
    """What was appended is no hindrance; numbers are scalars, a text is none."""
    tensors = checkpoints.read(DATA / "checked.ckpt").tensors
    assert [name for name, each in tensors.items() if each.shape == ()] == ["epoch", "lr", "best"]
    assert "note" not in tensors


def test_pieces() -> None:
    """Rows that are cut in two are put together, of either element type."""
    half = checkpoints.read(DATA / "pieces.ckpt").tensors["half"]
    assert len(half.blocks) > 3
    assert read_rows(half, EVERY)[0].tobytes() == A.astype("f2").astype("f4").tobytes()


def test_folder(tmp_path: Path) -> None:
    """The only checkpoint of a folder is taken."""
    (tmp_path / "model.ckpt").write_bytes((DATA / "bert.ckpt").read_bytes())
    (tmp_path / "config.json").write_text("{}")
    assert find_embedding(checkpoints.read(tmp_path)).tensor.name == BERT


@pytest.mark.parametrize(
    "name",
    [
        "bert.bert.bert_embedding_lookup.embedding_table",
        "backbone.embedding.word_embedding.embedding_table",
        "transformer.word_embeddings.embedding_table",
        "model.tok_embeddings.embedding_weight",
        "bert.embeddings.word_embeddings.embedding_table",
    ],
)
def test_names(name: str) -> None:
    """The names of ModelZoo, MindFormers and MindNLP are known, and told from an optimizer's moments."""
    around = [f"{prefix}.{name}" for prefix in ("moment1", "moment2", "moments", "adam_m", "lamb_v", "accum", "vhat")]
    around.append("bert.embedding_postprocessor.full_position_embedding.embedding_table")
    ((_, found),) = ranked_names({each: each for each in (*around, name)})
    assert found == [name]


# damaged files


def varint(value: int) -> bytes:
    """Seven bits a byte."""
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def field(number: int, content: bytes | int) -> bytes:
    """A number, or bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(shape: tuple[int, ...] = (2, 2), data: bytes = bytes(16), kind: bytes = b"Float32") -> bytes:
    """A TensorProto."""
    return b"".join(field(1, size) for size in shape) + field(2, kind) + field(3, data)


def value(name: bytes = b"w", content: bytes | None = None, number: int = 2) -> bytes:
    """A Checkpoint with one Value."""
    return field(1, field(1, name) + field(number, tensor() if content is None else content))


FIRST = value(b"first")
BAD = {
    "cut": (FIRST + value()[:-3], "E-TRUNCATED"),
    "cut in the name": (FIRST + value()[:5], "E-TRUNCATED"),
    "cut in the first": (FIRST[:-3], "E-TRUNCATED"),
    "longer than the file": (FIRST + b"\x0a" + varint(1 << 62), "E-TRUNCATED"),
    "another field": (FIRST + field(2, b"ab"), "E-MINDSPORE"),
    "another wire type": (FIRST + field(1, 7), "E-MINDSPORE"),
    "noise behind": (FIRST + bytes(20), "E-MINDSPORE"),
    "too short": (FIRST + value(content=tensor(data=bytes(15))), "E-MINDSPORE"),
    "too long": (FIRST + value(content=tensor(data=bytes(17))), "E-MINDSPORE"),
    "overflow": (FIRST + value(content=tensor((1 << 62, 1 << 62))), "E-MINDSPORE"),
    "negative": (FIRST + value(content=tensor(((1 << 64) - 2, (1 << 64) - 2))), "E-MINDSPORE"),
    "many axes": (FIRST + value(content=tensor((1,) * 65, bytes(4))), "E-MINDSPORE"),
    "no type": (FIRST + value(content=field(1, 2) + field(3, bytes(8))), "E-MINDSPORE"),
    "no bytes": (FIRST + value(content=field(1, 2) + field(2, b"Float32")), "E-MINDSPORE"),
    "two types": (FIRST + value(content=tensor() + field(2, b"Float16")), "E-MINDSPORE"),
    "no name": (FIRST + field(1, field(2, tensor())), "E-MINDSPORE"),
    "no tensor": (FIRST + field(1, field(1, b"w")), "E-MINDSPORE"),
    "two names": (FIRST + field(1, field(1, b"a") + field(1, b"b") + field(2, tensor())), "E-MINDSPORE"),
    "not UTF-8": (FIRST + value(b"\xff"), "E-MINDSPORE"),
    "long name": (FIRST + value(b"a" * 70_000), "E-MINDSPORE"),
    "same name": (FIRST + value() + FIRST, "E-MINDSPORE"),
    "pieces of two types": (FIRST + value() + value(content=tensor(kind=b"Int32")), "E-MINDSPORE"),
    "pieces of two shapes": (FIRST + value() + value(content=tensor((4, 1))), "E-MINDSPORE"),
    "pieces too long": (FIRST + value() + value(), "E-MINDSPORE"),
    "pieces within elements": (
        FIRST + value(content=tensor(data=bytes(6))) + value(content=tensor(data=bytes(10))),
        "E-MINDSPORE",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    """Each is known for what it is, and refused."""
    data, code = BAD[name]
    path = tmp_path / "bad.ckpt"
    path.write_bytes(data)
    with File(path) as file:
        assert member.sniff(file)
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.code == code


def test_good_files(tmp_path: Path) -> None:
    """What the bad ones were made from is read: pieces, a table of keys and values, fields in another order."""
    path = tmp_path / "good.ckpt"
    turned = field(1, field(2, field(3, bytes(8)) + field(1, 2) + field(2, b"Float32")) + field(1, b"turned"))
    path.write_bytes(
        FIRST
        + value(content=tensor(data=bytes(4)))
        + value(content=tensor(data=bytes(12)))
        + value(b"map", field(1, tensor()), 3)
        + turned
        + value(b"one", tensor((0,), bytes(4)))
        + value(b"none", tensor((0, 3), b""))
    )
    tensors = checkpoints.read(path).tensors
    assert {name: (each.shape, each.dtype, each.readable) for name, each in tensors.items()} == {
        "first": ((2, 2), "float32", True),
        "w": ((2, 2), "float32", True),
        "map": ((), "map", False),
        "turned": ((2,), "float32", True),
        "one": ((), "float32", True),
        "none": ((0, 3), "float32", True),
    }


def test_other_protobufs_are_left_alone(tmp_path: Path) -> None:
    """Messages that begin with a field 1 but hold no tensor in it, such as those of SentencePiece."""
    path = tmp_path / "model"
    piece = field(1, b"\xe2\x96\x81a") + b"\x15" + bytes(4)
    for data in (
        field(1, piece),
        field(1, field(1, b"name") + field(2, b"text")),
        field(1, field(1, b"a\x00b") + field(2, tensor())),
        field(1, field(1, b"") + field(2, tensor())),
        field(1, field(1, b"w") + field(2, tensor()) + field(4, 1)),
        field(1, field(1, b"w") + field(2, tensor(kind=b"Flo at"))),
        b"\n\n\n\n\n",
        b"\x0a\xff",
        b"\x0a",
    ):
        path.write_bytes(data)
        with File(path) as file:
            assert not member.sniff(file)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tensors or longer names than any model has are refused, and large tensors take no memory."""
    path = tmp_path / "large.ckpt"
    with path.open("wb") as file:
        for number in range(20):
            file.write(value(b"w%d" % number, tensor((1000, 1000), bytes(4_000_000))))
    tracemalloc.start()
    tensors = checkpoints.read(path).tensors
    assert len(tensors) == 20 and tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
    for name, limit in (("MAX_VALUES", 19), ("MAX_SEEN", 100)):
        monkeypatch.setattr(member, name, limit)
        with pytest.raises(CharvecError, match="than any model has"):
            checkpoints.read(path)
        monkeypatch.undo()


def test_every_cut_and_many_flips(tmp_path: Path) -> None:
    """No damage brings anything but one of our errors, or rows as many as are promised."""
    path = tmp_path / "bert.ckpt"
    codes: Counter[str] = Counter()
    for name in ("bert", "pieces"):
        whole = (DATA / f"{name}.ckpt").read_bytes()
        for size in range(70, len(whole), 2):
            overwrite(path, whole[:size])
            # cut between two of its messages it cannot be told from a whole file
            assert opened(path) in ("E-TRUNCATED", "E-MINDSPORE", "read")
        generator = random.Random(1)
        for _ in range(int(os.environ.get("CHARVEC_FUZZ", "300"))):
            overwrite(path, spoiled(whole, generator, within=(100, 1 << 30)))
            codes[opened(path)] += 1
    assert codes["read"] > 100 and codes["E-MINDSPORE"] > 50


# against the writer


def test_random_checkpoints_of_mindspore(tmp_path: Path) -> None:
    """Whatever MindSpore writes of its tensors is read bit for bit."""
    mindspore = pytest.importorskip("mindspore", reason="compares with MindSpore")
    generator, compared = random.Random(3), 0
    for run in range(int(os.environ.get("CHARVEC_RANDOM", "10"))):
        numbers = np.random.default_rng(run)
        arrays: dict[str, Any] = {}
        for place in range(generator.randrange(1, 7)):
            shape = tuple(
                generator.choice((1, 2, 3, 7, 40, 200)) for _ in range(generator.choice((0, 1, 2, 2, 2, 2, 3)))
            )
            kind = generator.choice(("f2", "f4", "f8", "i8", "i4", "u1", "b1"))
            arrays[generator.choice(("层.", "a.b", "w")) + str(place)] = np.asarray(numbers.normal(size=shape)).astype(
                kind
            )
        entries = [{"name": name, "data": mindspore.Tensor(array)} for name, array in arrays.items()]
        path = tmp_path / f"{run}.ckpt"
        mindspore.save_checkpoint(entries, str(path), crc_check=generator.random() < 0.5)
        tensors = checkpoints.read(path).tensors
        assert {name: each.shape for name, each in tensors.items()} == {
            name: array.shape for name, array in arrays.items()
        }
        for name, array in arrays.items():
            assert tensors[name].dtype == array.dtype.name
            if array.ndim == 2 and array.dtype.kind == "f":
                rows, _ = read_rows(tensors[name], np.arange(len(array)))
                assert rows.tobytes() == array.astype("f4").tobytes()
                compared += 1
    assert compared > 3
