"""HDF5 checkpoints: held against h5py, and against what Keras and transformers had in memory; valid and damaged."""

from __future__ import annotations

import os
import random
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from damaging import AllRows
from effort import tries
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.checkpoints import hdf5
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.hdf5 import hdf5_blocks
from charvec.plumbing.hdf5.hdf5_chunks import fletcher32
from charvec.rows import read_rows
from charvec.tensor import Tensor

DATA = Path(__file__).resolve().parents[1] / "data" / "hdf5"
A = np.load(DATA.parent / "pytorch" / "A.npy")
FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"


def rows(tensor: Tensor) -> NDArray[np.float32]:
    """All rows of a tensor, in a shuffled order and back."""
    order = np.random.default_rng(1).permutation(tensor.rows)
    found = np.empty((tensor.rows, tensor.columns), np.float32)
    found[order] = read_rows(tensor, order)[0]
    return found


def refusal(path: Path) -> CharvecError:
    """The error a file is refused with."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    assert caught.value.help and str(path) in caught.value.message
    return caught.value


# --- what Keras and transformers wrote --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name", "full", "expected"),
    [
        ("keras3.keras", "layers/embedding/vars/0", "word_embeddings/0", A),
        ("keras3.weights.h5", "layers/embedding/vars/0", "word_embeddings/0", A),
        (
            "keras3_legacy.h5",
            "model_weights/word_embeddings/word_embeddings/embeddings",
            "word_embeddings/embeddings",
            A,
        ),
        ("nested.keras", "layers/functional/layers/embedding/vars/0", "encoder/token_embedding/0", A),
        ("bf16.weights.h5", "layers/functional/layers/embedding/vars/0", "encoder/token_embedding/0", None),
        (
            "keras2_model.h5",
            "model_weights/word_embeddings/word_embeddings/embeddings:0",
            "word_embeddings/embeddings",
            np.load(DATA / "keras2.npy"),
        ),
        ("keras2.keras", "layers/embedding/vars/0", "embedding/0", np.load(DATA / "keras2.npy")),
        (
            "tf_bert.h5",
            "bert/tf_bert_model/bert/embeddings/word_embeddings/weight:0",
            "bert.embeddings.word_embeddings.weight",
            np.load(DATA / "tf_bert.npy"),
        ),
        ("tf_t5.h5", "shared/shared/shared/embeddings:0", "shared/shared/embeddings", np.load(DATA / "tf_t5.npy")),
        ("h5py_earliest.h5", "layers/embedding/vars/0", "word_embeddings/0", A),
        ("h5py_latest.h5", "layers/embedding/vars/0", "word_embeddings/0", A),
    ],
)
def test_the_input_embedding(file: str, name: str, full: str, expected: NDArray[np.float32] | None) -> None:
    """It is found by the layer's own name, and its rows are those the writer had in memory, bit for bit."""
    checkpoint = checkpoints.read(DATA / file)
    chosen = find_embedding(checkpoint).tensor
    assert checkpoint.format == "hdf5"
    assert checkpoint.full_names[name] == full
    # T5's table is there three times, the same each time
    assert chosen.name == name or checkpoint.full_names[chosen.name] == full
    if expected is None:  # bfloat16: the upper half of a float32, rounded to nearest, ties to even
        bits = A.view(np.uint32).astype(np.uint64)
        expected = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    assert rows(chosen).tobytes() == expected.tobytes()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_every_kind_of_dataset(libver: str) -> None:
    """In one piece, in chunks, packed, with the other byte order, of another type."""
    tensors = checkpoints.read(DATA / f"h5py_{libver}.h5").tensors
    for name in ("layers/embedding/vars/0", "chunked", "packed", "big_endian"):
        assert rows(tensors[name]).tobytes() == A.tobytes()
    for number in range(9):
        assert rows(tensors[f"half/{number}"]).tobytes() == A.astype("f2").astype("f4").tobytes()
    assert tensors["big_endian"].dtype == "float64" and tensors["big_endian"].blocks[0].big_endian
    assert len(tensors["packed"].blocks) == 0 and tensors["packed"].source is not None


def test_shards() -> None:
    """In the shards of Hugging Face's TensorFlow models, names lack the model's class, which the index has."""
    checkpoint = checkpoints.read(DATA / "tf_sharded")
    chosen = find_embedding(checkpoint).tensor
    assert chosen.name == "tf_bert_model/bert/embeddings/word_embeddings/weight:0"
    assert rows(chosen).tobytes() == np.load(DATA / "tf_sharded.npy").tobytes()
    for name in checkpoint:
        assert checkpoints.tensor(checkpoint, name).name == name


def test_keras_bert() -> None:
    """A real model of 825 weights, with the state of its optimizer, as keras-bert saves it."""
    path = FIXTURES / "keras-bert_h5" / "test_bert_fit.h5"
    if not path.exists():
        pytest.skip("needs ../shared/fixtures")
    checkpoint = checkpoints.read(path)
    chosen = find_embedding(checkpoint).tensor
    assert checkpoint.full_names[chosen.name] == "Embedding-Token/embeddings"
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        assert sorted(names) == sorted(checkpoint.tensors)
        for name in names:
            assert checkpoint.tensors[name].shape == file[name].shape
            if checkpoint.tensors[name].readable:
                assert rows(checkpoint.tensors[name]).tobytes() == file[name][()].astype("f4").tobytes()


# --- against h5py -----------------------------------------------------------------------------------------------------


def write(path: Path, chance: random.Random) -> dict[str, NDArray[Any]]:
    """A file of datasets of many kinds; what is in it."""
    libver = chance.choice(["earliest", "latest", ("earliest", "v110"), ("v108", "latest")])
    numbers = np.random.default_rng(chance.randrange(1 << 30))
    truth: dict[str, NDArray[Any]] = {}

    def dataset(group: Any, name: str, kind: str) -> NDArray[Any]:
        dtype = chance.choice(["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<i4"])
        shape = tuple(chance.randrange(1, 40) for _ in range(chance.choice((1, 2, 2, 2, 3))))
        if kind == "compact":
            shape = shape[:1]
        array = numbers.standard_normal(shape).astype(dtype)
        if kind == "compact":
            how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            how.set_layout(h5py.h5d.COMPACT)
            space, code = h5py.h5s.create_simple(shape), h5py.h5t.py_create(array.dtype)
            h5py.Dataset(h5py.h5d.create(group.id, name.encode(), code, space, how))[...] = array
        elif kind == "plain":
            group[name] = array
        else:
            options: dict[str, Any] = {"chunks": tuple(chance.randrange(1, size + 1) for size in shape)}
            if kind == "packed":
                options |= {"compression": "gzip", "shuffle": chance.random() < 0.5}
                options["fletcher32"] = chance.random() < 0.5
            group.create_dataset(name, data=array, **options)
        return array

    def fill(group: Any, prefix: str, depth: int) -> None:
        for number in range(chance.choice((1, 3, 9, 12, 30)) if not depth else chance.randrange(1, 12)):
            name = "".join(chance.choice("ab字0:_-") for _ in range(chance.randrange(1, 20))) + str(number)
            if depth < 3 and chance.random() < 0.15:
                fill(group.create_group(name, track_order=chance.random() < 0.2), f"{prefix}{name}/", depth + 1)
                continue
            truth[prefix + name] = dataset(group, name, chance.choice(("plain", "compact", "chunked", "packed")))
            for attribute in range(chance.choice((0, 0, 0, 2, 10))):
                group[name].attrs[f"a{attribute}"] = chance.choice(["字", 1.0, np.arange(3)])

    with h5py.File(path, "w", libver=libver) as file:
        fill(file, "", 0)
    return truth


def test_generated_files(tmp_path: Path) -> None:
    """Names, shapes and rows of files h5py wrote in any layout are those it wrote, bit for bit."""
    path, chance = tmp_path / "m.h5", random.Random(5)
    kinds = Counter[str]()
    for _ in range(tries(60, 300)):
        truth = write(path, chance)
        tensors = checkpoints.read(path).tensors
        assert set(tensors) == set(truth)
        for name, array in truth.items():
            tensor = tensors[name]
            assert (tensor.shape, tensor.dtype) == (array.shape, array.dtype.name)
            if array.dtype.kind != "f":
                continue
            ids = np.array([chance.randrange(tensor.rows) for _ in range(12)])
            expected = array.astype("f4").reshape(tensor.rows, tensor.columns)[ids]
            assert read_rows(tensor, ids)[0].tobytes() == expected.tobytes()
            kinds["source" if tensor.source else "blocks"] += 1
    assert min(kinds.values()) > 300


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_many_members(tmp_path: Path, libver: str) -> None:
    """Trees of several levels, indexes of chunks in pages: 3,000 members, 2,300 chunks."""
    path = tmp_path / "m.h5"
    matrix = np.arange(4600.0, dtype="f4").reshape(2300, 2)
    with h5py.File(path, "w", libver=libver) as file:
        for number in range(3000):
            file.create_group(f"g{number}")
        file["g7/x"] = matrix
        file.create_dataset("one", data=matrix, chunks=(1, 2), compression="gzip")
        file.create_dataset("plain", data=matrix, chunks=(1, 2))
    tensors = checkpoints.read(path).tensors
    assert list(tensors) == ["g7/x", "one", "plain"]
    for tensor in tensors.values():
        assert rows(tensor).tobytes() == matrix.tobytes()


def test_what_is_not_read_is_listed(tmp_path: Path) -> None:
    """Types and forms beyond floats have a name and no rows; opening does not fail."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["text"] = "字"
        file["fixed"] = np.array([b"abc"])
        file["bool"] = np.array([True])
        file["complex"] = np.array([1j])
        file["null"] = h5py.Empty("f4")
        file["type"] = np.dtype("f4")
        file.create_dataset("lzf", data=np.ones((4, 4), "f4"), compression="lzf")
        file.create_dataset("grows", data=np.ones((4, 4), "f4"), chunks=(2, 2), maxshape=(None, None))
        file.create_dataset("unwritten", (4, 4), "f4")
        file.create_dataset("bomb", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))
        file["partly"] = np.ones(3, "f4")
        partly = file.create_dataset("holes", (4, 4), "f4", chunks=(2, 2))
        partly[:2] = 1
    tensors = checkpoints.read(path).tensors
    assert {name: tensor.dtype for name, tensor in tensors.items() if not tensor.readable} == {
        "text": "variable-length string",
        "fixed": "string",
        "bool": "enumeration",
        "complex": tensors["complex"].dtype,
        "null": "float32, no elements",
        "lzf": "float32, filter 32000",
        "grows": "float32, chunks of a growing dataset",
        "unwritten": "float32, never written",
        "bomb": "float32, too many chunks",
        "holes": "float32, partly unwritten",
    }


def test_two_names_of_one_dataset(tmp_path: Path) -> None:
    """A hard link makes a tied tensor; a group within itself comes once; soft links are passed over."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["a/x"] = A
        file["b"] = file["a/x"]
        file["a/again"] = file["a"]
        file["a/soft"] = h5py.SoftLink("/nowhere")
    tensors = checkpoints.read(path).tensors
    assert list(tensors) == ["a/x", "b"]
    assert tensors["a/x"].blocks == tensors["b"].blocks


@pytest.mark.parametrize("data", [b"", b"\0", b"ab", b"abc", b"\xff" * 1000, bytes(range(256)) * 3000])
def test_fletcher32(tmp_path: Path, data: bytes) -> None:
    """The checksum is the one that HDF5 puts behind a chunk."""
    if not data:
        assert fletcher32(data) == 0
        return
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", data=np.frombuffer(data, np.uint8), chunks=(len(data),), fletcher32=True)
        _, chunk = dataset.id.read_direct_chunk((0,))
    assert fletcher32(data) == int.from_bytes(chunk[-4:], "little")


# --- hostile and damaged ----------------------------------------------------------------------------------------------


def test_other_files_are_never_read(tmp_path: Path) -> None:
    """External links, external storage, virtual datasets: refused by name, with nothing opened."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = A
    (tmp_path / "raw").write_bytes(A.tobytes())
    layout = h5py.VirtualLayout(A.shape, "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", A.shape)
    for libver in ("earliest", "latest"):
        for kind in ("link", "storage", "virtual"):
            path = tmp_path / f"{kind}-{libver}.h5"
            with h5py.File(path, "w", libver=libver) as file:
                file["word_embeddings/a"] = A
                if kind == "link":
                    file["b"] = h5py.ExternalLink("other.h5", "/x")
                elif kind == "storage":
                    file.create_dataset("b", A.shape, "f4", external=[(str(tmp_path / "raw"), 0, A.nbytes)])
                else:
                    file.create_virtual_dataset("b", layout)
            assert refusal(path).code == "E-H5-EXTERNAL"


def test_cut_and_unclean(tmp_path: Path) -> None:
    """A file that says it is longer; one whose writer never closed it; other superblocks and user blocks."""
    whole = (DATA / "h5py_latest.h5").read_bytes()
    path = tmp_path / "m.h5"
    path.write_bytes(whole[:-1])
    assert refusal(path).code == "E-TRUNCATED"
    path.write_bytes(whole[:8] + b"\x09" + whole[9:])
    assert refusal(path).code == "E-H5-FEATURE"
    with h5py.File(path, "w", libver="latest") as file:
        file["x"] = A
        file.swmr_mode = True
        file.flush()
        (tmp_path / "open.h5").write_bytes(path.read_bytes())
    assert refusal(tmp_path / "open.h5").code == "E-UNCLEAN"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = A
    assert refusal(path).code == "E-FORMAT"


def test_much_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long to check is capped, and so is what is read at all."""
    path = tmp_path / "m.h5"
    path.write_bytes((DATA / "h5py_latest.h5").read_bytes())
    for cap in ("MAX_SEALED", "MAX_METADATA"):
        with monkeypatch.context() as patch:
            patch.setattr(hdf5_blocks, cap, 1000)
            assert refusal(path).code == "E-H5"
    assert checkpoints.read(path).tensors


def test_keras_zip(tmp_path: Path) -> None:
    """A zip file without weights, or with weights that are compressed, is no model of Keras."""
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert refusal(path).code == "E-NO-WEIGHTS"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", (DATA / "keras3.weights.h5").read_bytes())
    assert refusal(path).code == "E-H5"


def outcome(path: Path, all_rows: AllRows) -> str:
    """The code of the error that opening a file or reading its rows raises; "read" when none."""
    try:
        with File(path) as file:
            if not hdf5.sniff(file):
                return "not recognised"
            checkpoint = hdf5.read(file)
        all_rows.read(checkpoint)
        return "read"
    except CharvecError as error:
        assert error.exit_code == 65
        return error.code


def small(path: Path, libver: str) -> bytes:
    """A small file with everything in it that the reader knows."""
    with h5py.File(path, "w", libver=libver) as file:
        file["layers/e/vars/0"] = A[:4, :3]
        file["layers/e/vars"].attrs["name"] = "word_embeddings"
        file.create_dataset("c", data=A[:6, :2], chunks=(4, 1), compression="gzip", shuffle=True, fletcher32=True)
        for number in range(9 * (libver == "latest")):
            file[f"g/{number}"] = np.float32(number)
    return path.read_bytes()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_flipped_bits_and_cuts(tmp_path: Path, libver: str) -> None:
    """One bit of every 8th byte, and every 31st cut: an error of ours or a file that opens; cuts are noticed.

    All bits and all cuts were tried once: 234,108 files, no foreign exception.
    """
    path, step, all_rows = tmp_path / "m.h5", tries(8, 4), AllRows()
    whole = small(path, libver)
    chance = random.Random(6)
    codes = Counter[str]()
    handle = os.open(path, os.O_RDWR)
    for place in range(chance.randrange(step), len(whole), step):
        byte = whole[place]
        os.pwrite(handle, bytes([byte ^ 1 << chance.randrange(8)]), place)
        codes[outcome(path, all_rows)] += 1
        os.pwrite(handle, bytes([byte]), place)
    for length in range(1, len(whole), 31):
        os.ftruncate(handle, length)
        assert outcome(path, all_rows) in ("E-TRUNCATED", "E-H5", "E-H5-FEATURE", "not recognised")
        os.pwrite(handle, whole, 0)
    os.close(handle)
    assert set(codes) <= {"read", "E-H5", "E-TRUNCATED", "E-H5-FEATURE", "E-H5-EXTERNAL", "E-UNCLEAN", "not recognised"}
    assert codes["E-H5"] > 50 and codes["read"] > 50


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_mutants(tmp_path: Path, libver: str) -> None:
    """Several bytes changed at once, extreme numbers among them: never a foreign exception."""
    path, all_rows = tmp_path / "m.h5", AllRows()
    whole = small(path, libver)
    chance = random.Random(7)
    handle = os.open(path, os.O_RDWR)
    seen = Counter[str]()
    for _ in range(tries(600, 1000)):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4))):
            place, size = chance.randrange(len(data)), chance.choice((1, 2, 4, 8))
            number = chance.choice((0, 1, 255, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, chance.randrange(2**14)))
            data[place : place + size] = number.to_bytes(8, "little")[:size]
        os.pwrite(handle, bytes(data[: len(whole)]), 0)
        seen[outcome(path, all_rows)] += 1
    os.close(handle)
    assert seen["E-H5"] > 50 and seen["read"] > 50
