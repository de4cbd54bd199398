"""Paddle checkpoints: held against Paddle and pickle, valid and damaged."""

from __future__ import annotations

import os
import pickle
import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import opened, overwrite, spoiled

from charvec import checkpoints
from charvec.checkpoints import paddle as member
from charvec.checkpoints import pytorch
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.arrays import latin1_rows
from charvec.plumbing.files import File
from charvec.plumbing.pickles import array_pickle, placed
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data" / "paddle"
A = np.load(DATA.parent / "pytorch" / "A.npy")
EVERY = np.arange(len(A))
ERNIE = "ernie.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *((file, ERNIE) for file in ("model_state", "protocol2", "protocol3", "pieces2", "pieces3")),
        ("training", f"model.{ERNIE}"),
        ("dense", "model.embedding.weight"),
        ("static", "embedding_0.w_0"),
    ],
)
def test_what_paddle_wrote(file: str, name: str) -> None:
    """The input embedding is found, also beside its moments, and its rows are those Paddle had."""
    checkpoint = checkpoints.read(DATA / f"{file}.pdparams")
    chosen = find_embedding(checkpoint).tensor
    assert (checkpoint.format, chosen.name) == ("paddle", name)
    assert read_rows(chosen, EVERY[::-1])[0].tobytes() == A[::-1].tobytes()
    assert read_rows(chosen, EVERY[3:20:7])[0].tobytes() == A[3:20:7].tobytes()


def test_single_arrays() -> None:
    """A tensor without a name, and arrays in columns or big-endian, give their rows, too."""
    tensors = {
        **checkpoints.read(DATA / "tensor.pdtensor").tensors,
        **checkpoints.read(DATA / "arrays.pdparams").tensors,
    }
    assert list(tensors) == ["tensor", "columns", "big"]
    for tensor in tensors.values():
        assert read_rows(tensor, EVERY)[0].tobytes() == A.tobytes()


@pytest.mark.parametrize("file", ["dtypes", "dtypes2"])
def test_dtypes(file: str) -> None:
    """Each element type Paddle wrote; NumPy lacks two of them, of which bfloat16 is known even so."""
    bits = A.view(np.uint32).astype(np.uint64)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    expected = {"float32": A, "float64": A, "float16": A.astype("f2").astype("f4"), "bfloat16": rounded}
    tensors = checkpoints.read(DATA / f"{file}.pdparams").tensors
    for name, tensor in tensors.items():
        if name in expected:
            assert read_rows(tensor, EVERY)[0].tobytes() == expected[name].tobytes()
        elif name not in ("scalar", "empty", "cube"):
            assert (tensor.shape, tensor.dtype) == (A.shape, {"float8_e4m3fn": "int8"}.get(name, name))
            assert not tensor.readable
    assert len(expected.keys() & tensors.keys()) == (4 if file == "dtypes" else 3)
    if file == "dtypes":
        assert [tensors[name].shape for name in ("scalar", "empty", "cube")] == [(), (0, 6), (2, 3, 4)]


def test_folder(tmp_path: Path) -> None:
    """A model's folder as PaddleNLP saves it; and one in shards."""
    (tmp_path / "model_state.pdparams").write_bytes((DATA / "model_state.pdparams").read_bytes())
    (tmp_path / "model_config.json").write_text("{}")
    assert find_embedding(checkpoints.read(tmp_path)).tensor.name == ERNIE
    (tmp_path / "model_state.pdparams").rename(tmp_path / "model_state-00001-of-00002.pdparams")
    (tmp_path / "model_state.pdparams.index.json").write_text(
        f'{{"weight_map": {{"{ERNIE}": "model_state-00001-of-00002.pdparams"}}}}'
    )
    chosen = find_embedding(checkpoints.read(tmp_path)).tensor
    assert read_rows(chosen, EVERY)[0].tobytes() == A.tobytes()


# read in place


class Counting(File):
    """A file that counts what is read of it."""

    total = 0

    def pread(self, offset: int, length: int) -> bytes:
        """As of any file."""
        Counting.total += length
        return super().pread(offset, length)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_stay_in_the_file(protocol: int, tmp_path: Path) -> None:
    """Opening a checkpoint reads its names and shapes, whatever the size of its arrays."""
    path = tmp_path / "large.pdparams"
    arrays = {f"layer.{number}": np.random.default_rng(number).normal(size=(300, 700)) for number in range(9)}
    path.write_bytes(pickle.dumps(arrays, protocol))
    Counting.total = 0
    with Counting(path) as file:
        assert member.sniff(file)
        checkpoint = member.read(file)
    assert Counting.total < 100_000 < path.stat().st_size / 100
    for name, array in arrays.items():
        assert (
            read_rows(checkpoint.tensors[name], np.array([7, 299, 0]))[0].tolist()
            == array[[7, 299, 0]].astype(np.float32).tolist()
        )


@pytest.mark.parametrize("step", [1, 3, 2048])
@pytest.mark.parametrize("chunk", [1, 2, 7, 100, 1 << 20])
def test_text_in_chunks(chunk: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes kept as text are the same wherever the readings of them are cut, within characters and rows as well."""
    monkeypatch.setattr(latin1_rows, "CHUNK", chunk)
    monkeypatch.setattr(latin1_rows, "STEP", step)
    for file in ("protocol2", "pieces2"):
        tensor = checkpoints.read(DATA / f"{file}.pdparams").tensors[ERNIE]
        for ids in (EVERY, EVERY[5:6], EVERY[::4], EVERY[:0], EVERY[22:]):
            assert read_rows(tensor, ids)[0].tobytes() == A[ids].tobytes()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "f8", "u2"])
def test_columns_as_text(dtype: str, tmp_path: Path) -> None:
    """A matrix that NumPy holds column after column, with protocol 2: its rows."""
    path = tmp_path / "columns.pdparams"
    matrix = np.asfortranarray(np.random.default_rng(3).integers(0, 16_000, (40, 7)).astype(dtype))
    path.write_bytes(pickle.dumps({"w": matrix}, 2))
    assert b"latin1" in path.read_bytes()
    tensor = checkpoints.read(path).tensors["w"]
    assert tensor.shape == (40, 7)
    wanted = matrix.astype("<f4") if dtype != "u2" else (matrix.astype("<u4") << 16).view("<f4")
    for ids in (np.arange(40), np.array([39, 0, 7, 7]), np.arange(0)):
        assert read_rows(tensor, ids)[0].tobytes() == wanted[ids].tobytes()
    path.write_bytes(path.read_bytes().replace(b"K(K\x07", b"J\0\0\0\x60K\x07"))
    with pytest.raises(CharvecError) as caught:  # 1.6 thousand million rows that are not there
        read_rows(checkpoints.read(path).tensors["w"], np.arange(40))
    assert caught.value.code in ("E-PICKLE", "E-BOMB")


def text(array: Any) -> bytes:
    """The elements as protocol 2 writes them."""
    return bytes(array.tobytes().decode("latin-1").encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(text(A), text(A)[:-9] + b"\xc4\x80" + text(A)[-7:]),
        lambda data: data.replace(text(A), text(A)[:-1] + b"\xc2"),
        lambda data: data.replace(text(A), b"a" * len(text(A))),
        lambda data: data.replace(text(A), text(A).replace(b"\xc2", b"a", 1)),
    ],
    ids=["beyond Latin-1", "cut", "longer", "no character"],
)
def test_damaged_text(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """A row that is none, or a text that is longer than its array, which would shift rows, is not handed out."""
    path = tmp_path / "damaged.pdparams"
    whole = (DATA / "protocol2.pdparams").read_bytes()
    path.write_bytes(change(whole))
    assert path.stat().st_size == len(whole)
    try:
        tensor = checkpoints.read(path).tensors[ERNIE]
        read_rows(tensor, EVERY)
    except CharvecError as error:
        assert error.code == "E-PICKLE"
    else:
        pytest.fail("damage was not noticed")


# hostile and damaged files


def short(value: str) -> bytes:
    """A text."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def array_of(shape: tuple[int, ...] = (2, 2), data: bytes = bytes(16), code: str = "f4") -> bytes:
    """The opcodes of an array."""
    sizes = b"(" + b"".join(b"J" + struct.pack("<i", size) for size in shape) + b"t"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01" + sizes
        + b"cnumpy\ndtype\n" + short(code) + b"K\0K\x01\x87R(K\x03" + short("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb"
    )  # fmt: skip


def state(after: bytes = b"", array: bytes | None = None, post: bytes = b".") -> bytes:
    """A pickle of ``{"w": array}``, and further opcodes that leave nothing on the stack, or a key and a value."""
    return b"\x80\x03}(" + short("w") + (array_of() if array is None else array) + after + b"u" + post


def pieces(entry: bytes, name: str = "UnpackBigParamInfor@@") -> bytes:
    """A state with an entry about pieces."""
    return state(short(name) + b"}(" + short("v") + entry + b"u")


def listed(*parts: str, shape: bytes = b"(K\x02K\x02t") -> bytes:
    """What the entry says of one array."""
    return b"}(" + short("slices") + b"](" + b"".join(map(short, parts)) + b"e" + short("OriginShape") + shape + b"u"


def evaluated(arguments: bytes, module: str = "builtins") -> bytes:
    """A call of eval as a value."""
    return short("x") + f"c{module}\neval\n".encode() + arguments + b"R"


#: What Paddle itself writes of a DenseTensor.
DENSE = b"(" + short("data") + b"}" + short("data") + array_of() + b"st"

BAD = {
    "eval": (state(evaluated(b"(" + short("__import__('os').getcwd()") + b"t")), "E-PICKLE-UNSAFE"),
    "eval of data": (state(evaluated(b"(" + short("data") + b"t")), "E-PICKLE-UNSAFE"),
    "eval elsewhere": (state(evaluated(DENSE.replace(short("data"), short("date"), 1))), "E-PICKLE-UNSAFE"),
    "eval among other names": (
        state(evaluated(b"(" + short("data") + b"}(" + short("data") + array_of() + short("a") + b"K\1ut")),
        "E-PICKLE-UNSAFE",
    ),
    "eval with a number": (state(evaluated(b"(" + short("data") + b"}" + short("data") + b"K\1st")), "E-PICKLE-UNSAFE"),
    "eval with three": (state(evaluated(DENSE[:-1] + b"}t")), "E-PICKLE-UNSAFE"),
    "eval in Python 2": (state(evaluated(b"(" + short("1") + b"t", "__builtin__")), "E-PICKLE-UNSAFE"),
    "exec": (state(short("x") + b"cbuiltins\nexec\n(" + short("1") + b"tR"), "E-PICKLE-UNSAFE"),
    "system": (state(short("x") + b"cos\nsystem\n(" + short("true") + b"tR"), "E-PICKLE-UNSAFE"),
    "numpy's loader": (state(short("x") + b"cnumpy\nload\n(" + short("x.npy") + b"tR"), "E-PICKLE-UNSAFE"),
    "torch behind": (state(short("x") + b"ctorch._utils\n_rebuild_tensor_v2\n(tR"), "E-PICKLE-UNSAFE"),
    "system, then dropped": (state(b"cos\nsystem\n0"), "E-PICKLE-UNSAFE"),
    "pickle behind": (state(post=b".cos\nsystem\n(" + short("true") + b"tR."), "E-PICKLE-UNSAFE"),
    "bytes behind": (state(post=b".a"), "E-PICKLE-UNSAFE"),
    "storage": (state(short("x") + short("a") + b"Q"), "E-PICKLE"),
    "list from tuple": (state(short("x") + b"cbuiltins\ntuple\n(]tR"), "E-PICKLE"),
    "short array": (state(array=array_of(data=bytes(15))), "E-PICKLE"),
    "long array": (state(array=array_of((1 << 30, 1 << 30, 1 << 30, 1 << 30))), "E-PICKLE"),
    "negative shape": (state(array=array_of((-2, -2))), "E-PICKLE"),
    "no stop": (state(post=b""), "E-TRUNCATED"),
    "cut": (state()[:-30], "E-TRUNCATED"),
    "cut in the array": (state()[:-10], "E-TRUNCATED"),
    "length": (state(short("x") + b"\x8e" + b"\xff" * 8), "E-TRUNCATED"),
    "frame": (state(b"\x95" + b"\xff" * 8), "E-TRUNCATED"),
    "line": (state(short("x") + b"I" + b"1" * 70_000 + b"\n"), "E-PICKLE"),
    "unhashable": (state(b"C\x01ab" + b"K\1"), "E-PICKLE"),
    "same name": (state(short("a") + b"}" + short("b") + array_of() + b"s" + short("a.b") + array_of()), "E-PICKLE"),
    "no pieces": (pieces(b"]"), "E-PADDLE"),
    "pieces no list": (state(short("UnpackBigParamInfor@@") + b"]"), "E-PADDLE"),
    "absent piece": (pieces(listed("a")), "E-PADDLE"),
    "piece twice": (pieces(listed("w", "w")), "E-PADDLE"),
    "piece of two": (pieces(listed("w") + short("u") + listed("w")), "E-PADDLE"),
    "pieces too short": (pieces(listed("w", shape=b"(K\x02K\x03t")), "E-PADDLE"),
    "pieces of no shape": (pieces(listed("w", shape=b"]")), "E-PADDLE"),
    "piece and whole": (state(short("v") + array_of() + pieces(listed("w"))[len(state()) - 2 : -2]), "E-PADDLE"),
    "loop": (state(short("x") + b"]q\0h\0a"), "E-BOMB"),
    "shared": (
        state(b"".join(short(str(level)) + b"](" + b"h\0" * 40 * (level > 0) + b"eq\0" for level in range(9))),
        "E-BOMB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name: str, tmp_path: Path) -> None:
    """Each is known for what it is, and refused."""
    data, code = BAD[name]
    path = tmp_path / "bad.pdparams"
    path.write_bytes(data)
    with File(path) as file:
        assert member.sniff(file)
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.code == code


GOOD = {
    "plain": state(),
    "dense": b"\x80\x03}(" + short("w") + b"cbuiltins\neval\n" + DENSE + b"Ru.",
    "named": b"\x80\x03}(" + short("w") + short("param_0") + array_of() + b"\x86u.",
    "pieces": b"\x80\x03}(" + short("a") + array_of((3,), bytes(12)) + short("b") + array_of((1,), bytes(4))
    + short("UnpackBigParamInfor@@") + b"}(" + short("w") + listed("a", "b") + b"uu.",
    # Python 2 has one type for texts and bytes
    "Python 2": state(array=array_of().replace(b"B\x10\0\0\0", b"U\x10").replace(b"C\x01b", b"U\x01b")),
    "Python 2, long": state(array=array_of((2, 2), bytes(16)).replace(b"B\x10\0\0\0", b"T\x10\0\0\0")),
    "Python 2, not ASCII": state(array=array_of((2, 2), b"\x80" * 16).replace(b"B\x10\0\0\0", b"T\x10\0\0\0")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_files(name: str, tmp_path: Path) -> None:
    """What the bad ones were made from is read, so that they fail for the reason they are named after."""
    path = tmp_path / "good.pdparams"
    path.write_bytes(GOOD[name])
    (tensor,) = checkpoints.read(path).tensors.values()
    rows, _ = read_rows(tensor, np.arange(2))
    filled = np.frombuffer(b"\x80" * 16 if "not" in name else bytes(16), "<f4").reshape(2, 2)
    assert tensor.name == "w"
    assert rows.tobytes() == filled.tobytes()


def test_torch_and_paddle_share_pickles(tmp_path: Path) -> None:
    """A pickle whose first arrays are NumPy's is Paddle's, all others are PyTorch's; a cut one has one owner, too."""
    path = tmp_path / "pickle"
    torch = state(array=b"ctorch._utils\n_rebuild_tensor_v2\n(tR", after=short("x") + array_of())
    stored = state(array=b"(" + short("storage") + b"tQ", after=short("x") + array_of())
    for data in (torch, stored, b"\x80\x02}q\0.", b"\x80\x04K\1.", b"\x80\x02" + b"(" * 9000, b"\x80\x02\x82\x01."):
        path.write_bytes(data)
        with File(path) as file:
            assert pytorch.sniff(file) and not member.sniff(file)
    for file in sorted(DATA.glob("*.pd*")):
        whole = file.read_bytes()
        owners = set()
        for size in (*range(0, 700, 3), len(whole)):
            overwrite(path, whole[:size])
            with File(path) as opened:
                found = [each.NAME for each in (pytorch, member) if each.sniff(opened)]
            assert len(found) == 1 or size < 4
            owners |= set(found)
        assert owners == {"pytorch", "paddle"}
        assert found == ["paddle"]


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no array is read up to a limit; steps are counted, and few of them are run to know the kind."""
    path = tmp_path / "large.pdparams"
    path.write_bytes(state(b"".join(short(f"{number:05}") + short("y" * 1000) for number in range(200))))
    assert list(checkpoints.read(path).tensors) == ["w"]
    monkeypatch.setattr(placed, "MAX_TAKEN", 100_000)
    with pytest.raises(CharvecError, match="100,000 bytes beside") as caught:
        checkpoints.read(path)
    assert caught.value.code == "E-BOMB"
    monkeypatch.undo()
    monkeypatch.setattr(array_pickle, "MAX_STEPS", 100)
    with pytest.raises(CharvecError, match="more than 100 steps"):
        checkpoints.read(path)
    monkeypatch.setattr(array_pickle, "MAX_SNIFFED", 3)
    with File(path) as file:
        assert pytorch.sniff(file) and not member.sniff(file)


def test_every_cut_and_many_flips(tmp_path: Path) -> None:
    """No damage to names and shapes brings anything but one of our errors, or rows as many as are promised."""
    path = tmp_path / "model_state.pdparams"
    codes: Counter[str] = Counter()
    for name in ("model_state", "protocol2"):
        whole = (DATA / f"{name}.pdparams").read_bytes()
        for size in range(20, len(whole), 3):
            overwrite(path, whole[:size])
            assert opened(path) in ("E-TRUNCATED", "E-PICKLE", "E-FORMAT")
        generator = random.Random(1)
        for _ in range(int(os.environ.get("CHARVEC_FUZZ", "400"))):
            overwrite(path, spoiled(whole, generator))
            codes[opened(path)] += 1
    assert codes["read"] > 100 and codes["E-PICKLE"] > 30
    assert set(codes) <= {"read", "E-PICKLE", "E-PICKLE-UNSAFE", "E-TRUNCATED", "E-FORMAT", "E-PADDLE", "E-NOT-2D"}


# against the writers


def random_state(generator: random.Random) -> dict[str, Any]:
    """Arrays of random types, shapes and orders, some in further dictionaries."""
    numbers = np.random.default_rng(generator.randrange(1 << 30))
    result: dict[str, Any] = {}
    for place in range(generator.randrange(1, 7)):
        shape = tuple(generator.choice((0, 1, 2, 3, 7, 40)) for _ in range(generator.choice((0, 1, 2, 2, 2, 2, 3))))
        array = np.asarray(numbers.normal(size=shape)).astype(
            generator.choice(("f2", "f4", "f8", "i8", "i4", "u1", "b1"))
        )
        result[generator.choice(("层.", "a.b", "w")) + str(place)] = array
    return result


def check(path: Path, state: dict[str, Any]) -> int:
    """Compare names, shapes, types and rows; the number of matrices compared."""
    tensors = checkpoints.read(path).tensors
    assert {name: each.shape for name, each in tensors.items()} == {name: each.shape for name, each in state.items()}
    compared = 0
    for name, array in state.items():
        assert tensors[name].dtype == array.dtype.name
        if array.ndim == 2 and array.dtype.kind == "f" and array.size:
            rows, _ = read_rows(tensors[name], np.arange(len(array)))
            assert rows.tobytes() == array.astype("f4").tobytes()
            compared += 1
    return compared


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_random_pickles(protocol: int, tmp_path: Path) -> None:
    """Whatever NumPy and pickle write of arrays is read bit for bit."""
    generator, path, compared = random.Random(protocol), tmp_path / "random.pdparams", 0
    for _ in range(40):
        arrays = random_state(generator)
        overwrite(path, pickle.dumps(arrays, protocol))
        compared += check(path, arrays)
    assert compared > 10


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_random_states_of_paddle(protocol: int, tmp_path: Path) -> None:
    """Whatever Paddle writes of its tensors is read bit for bit, in dictionaries as well."""
    paddle = pytest.importorskip("paddle", reason="compares with Paddle")
    generator, path, compared = random.Random(protocol), tmp_path / "random.pdparams", 0
    for _ in range(int(os.environ.get("CHARVEC_RANDOM", "5"))):
        arrays = random_state(generator)
        tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
        paddle.save(tensors, str(path), protocol=protocol)
        compared += check(path, {name: tensor.numpy() for name, tensor in tensors.items()})
        paddle.save({"model": [tensors], "step": 3}, str(path), protocol=protocol)
        check(path, {f"model.0.{name}": tensor.numpy() for name, tensor in tensors.items()})
    assert compared > 2
