"""NumPy arrays: against NumPy itself, hostile headers, words in the archive or beside it."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite

import charvec
from charvec import checkpoints
from charvec.cli import main
from charvec.errors import CharvecError
from charvec.plumbing import zips
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data" / "numpy"
WORDS = [*"我你的水火a\u3000😂", "中国"]
MATRIX = np.load(DATA / "matrix.npy")


@pytest.mark.parametrize("name", ["matrix.npy", "columns.npy", "big-endian.npy", "half.npy"])
def test_npy(name: str) -> None:
    """Every row bit for bit as NumPy reads it."""
    (tensor,) = checkpoints.read(DATA / name).tensors.values()
    expected = np.load(DATA / name).astype(np.float32)
    assert read_rows(tensor, np.arange(9))[0].tobytes() == expected.tobytes()
    assert read_rows(tensor, np.array([7, 2, 7]))[0].tobytes() == expected[[7, 2, 7]].tobytes()


@pytest.mark.parametrize("name", ["stored.npz", "deflated.npz"])
def test_npz_with_words(name: str, tmp_path: Path) -> None:
    """The matrix is found, its words as well, and the whole way goes through."""
    model = charvec.open(DATA / name)
    assert (model.tensor.shape, model.vocabulary.kind, model.notes) == ((9, 4), "dictionary", ())
    vectors = charvec.lookup(model, "我你的水火a\u3000😂龘")
    assert sorted(vectors) == sorted(WORDS[:-1])
    for char in vectors:
        assert vectors[char].tobytes() == MATRIX[WORDS.index(char)].tobytes()
    (tmp_path / "text").write_text("我的水", "utf-8")
    assert len(charvec.dump(tmp_path / "text", model=DATA / name, out=tmp_path / "out.h5")) == 3


def test_words_beside_the_matrix(tmp_path: Path) -> None:
    """A folder with a matrix and a vocabulary."""
    (tmp_path / "vectors.npy").write_bytes((DATA / "matrix.npy").read_bytes())
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n我\n你\n的\n水\n火\na\nb\n", "utf-8")
    vectors = charvec.lookup(charvec.open(tmp_path), "我b")
    assert vectors["我"].tobytes() == MATRIX[2].tobytes() and vectors["b"].tobytes() == MATRIX[8].tobytes()


def test_several_matrices() -> None:
    """A name decides; otherwise the user."""
    assert checkpoints.read(DATA / "columns.npz").embedding == ("embeddings", "the only matrix with such a name")
    with pytest.raises(CharvecError) as caught:
        charvec.open(DATA / "columns.npz")
    assert caught.value.code == "E-VOCAB-MISSING"


def test_arrays_of_objects_are_never_opened() -> None:
    """One of several is passed over and told of; a single one is refused."""
    checkpoint = checkpoints.read(DATA / "objects.npz")
    assert [note.code for note in checkpoint.notes] == ["W-OBJECTS"]
    assert checkpoint.embedding is not None and checkpoint.vocabulary == ""


def archive(names: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in names.items():
            file.writestr(name, data)
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    """What NumPy writes."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape: str, descr: str = "'<f4'", body: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """An .npy file with a header of our making."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + body


NP_ROWS: dict[str, tuple[bytes, str]] = {
    "np-neg": (header("(-6, 4)", body=bytes(96)), "E-NPY"),
    "np-deep": (header("(" * 5000 + "6" + ")" * 5000), "E-NPY"),
    "np-hdrlen": (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "E-NPY"),
    "np-shape": (header("(1048576, 8388608)"), "E-BOMB"),
    "np-bomb": (archive({"embeddings.npy": header("(26214400, 1)", body=bytes(100 << 20))}, 8), "E-BOMB"),
    "np-object": (npy(np.array(["a", 1], object)), "E-PICKLE-UNSAFE"),
    "np-version": (header("(1, 2)", body=bytes(8), version=b"\4\0"), "E-NPY"),
    "np-records": (npy(np.zeros(2, [("a", "<f4"), ("b", "<i4")])), "E-NPY"),
    "np-call": (header("(__import__('os').mkdir('CANARY_charvec'), 4)"), "E-NPY"),
    "np-float": (header("(6.0, 4)", body=bytes(96)), "E-NPY"),
    "np-overflow": (header("(4294967296, 4294967297)", body=bytes(16)), "E-BOMB"),
    "np-nine": (header("(1, 1, 1, 1, 1, 1, 1, 1, 1)", body=bytes(4)), "E-NPY"),
    "np-huge-item": (header("(2, 2)", "'<f999999999'", body=bytes(16)), "E-BOMB"),
    "np-cut": (npy(MATRIX)[:-5], "E-TRUNCATED"),
    "np-tail": (npy(MATRIX) + b"x", "E-TRAILING"),
    "np-1d": (npy(MATRIX[0]), "E-NOT-2D"),
    "np-int": (npy(MATRIX.astype(np.int8)), "E-QUANTISED"),
    "np-complex": (npy(MATRIX.astype(np.complex64)), "E-QUANTISED"),
    "npz-cut": (archive({"a.npy": npy(MATRIX)})[:-9], "E-TRUNCATED"),
    "npz-member": (archive({"a.npy": npy(MATRIX)[:-5]}), "E-TRUNCATED"),
    "npz-two": (archive({"a.npy": npy(MATRIX), "b.npy": npy(MATRIX)}), "E-NO-TENSOR"),
    "npz-bzip2": (archive({"a.npy": npy(MATRIX)}, zipfile.ZIP_BZIP2), "E-ZIP"),
    "npz-no-text": (archive({"a.npy": npy(MATRIX), "vocab.npy": npy(np.array([b"\xff"]))}), "E-ZIP"),
    "npz-no-character": (archive({"a.npy": npy(MATRIX), "vocab.npy": header("(1,)", "'<U1'", b"\0\0\x11\0")}), "E-ZIP"),
    "npz-words": (archive({"a.npy": npy(MATRIX), "vocab.npy": npy(np.array(list("0123456789")))}), "E-VOCAB-ROWS"),
}


@pytest.mark.parametrize("row", NP_ROWS)
def test_hostile_arrays(row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused with one message, before anything is allocated, and nothing is run."""
    monkeypatch.chdir(tmp_path)
    data, code = NP_ROWS[row]
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(CharvecError) as caught:
        charvec.open("model")
    assert (caught.value.code, caught.value.exit_code) == (code, 65)
    assert len(caught.value.message) < 500
    assert not (tmp_path / "CANARY_charvec").exists()


@pytest.mark.parametrize("row", [row for row in NP_ROWS if row.startswith("np-")])
def test_hostile_arrays_by_the_command(row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One message with a remedy, the documented exit code, and nothing is written."""
    data, code = NP_ROWS[row]
    (tmp_path / "model.npy").write_bytes(data)
    (tmp_path / "text").write_text("我", "utf-8")
    out = tmp_path / "out.h5"
    assert main(["dump", str(tmp_path / "text"), "-m", str(tmp_path / "model.npy"), "-o", str(out)]) == 65
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith(f"charvec: error[{code}]: ")
    assert "\n  help: " in told.err and "Traceback" not in told.err
    assert not out.exists()


def test_good_control(tmp_path: Path) -> None:
    """What the rows above are spoiled copies of; in other spellings of the header, too, that other programs write."""
    spellings = (
        header("(9, 4)", body=MATRIX.tobytes()),
        header("(9,4)", body=MATRIX.tobytes()),
        header("(9,4,)", "'=f4'", body=MATRIX.tobytes()),
        header("(9, 4)", body=MATRIX.tobytes(), version=b"\2\0"),
        header("(9, 4)", body=MATRIX.tobytes(), version=b"\3\0"),
    )
    for data in spellings:
        (tmp_path / "model").write_bytes(data)
        (tensor,) = checkpoints.read(tmp_path / "model").tensors.values()
        assert read_rows(tensor, np.arange(9))[0].tobytes() == MATRIX.tobytes()


@pytest.mark.parametrize("seed", range(120))
def test_generated_arrays(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every element type, order and way of writing, inflated in small portions."""
    generator = random.Random(seed)
    monkeypatch.setattr(zips, "_PORTION", generator.choice((1, 33, 1 << 20)))
    rows, columns = generator.randrange(1, 60), generator.randrange(1, 20)
    matrix = np.random.default_rng(seed).standard_normal((rows, columns))
    dtype = generator.choice(("<f2", "<f4", "<f8", ">f2", ">f4", ">f8"))
    array = np.array(matrix, dtype, order=generator.choice(("C", "F")))
    path = tmp_path / "array"
    with path.open("wb") as file:
        save = generator.choice(("npy", "npz", "deflated"))
        if save == "npy":
            np.save(file, array)
        else:
            (np.savez if save == "npz" else np.savez_compressed)(file, first=np.arange(3), w=array)
    (tensor,) = (tensor for tensor in checkpoints.read(path).tensors.values() if len(tensor.shape) == 2)
    expected = array.astype(np.float32)
    ids = np.array([generator.randrange(rows) for _ in range(generator.randrange(1, 80))])
    assert read_rows(tensor, ids)[0].tobytes() == np.ascontiguousarray(expected[ids]).tobytes()
    assert read_rows(tensor, np.arange(rows))[0].tobytes() == np.ascontiguousarray(expected).tobytes()


def test_deflated_members_that_lie(tmp_path: Path) -> None:
    """Damage inside the compressed bytes is found when rows are read."""
    good = (DATA / "deflated.npz").read_bytes()
    place = good.index(b"vectors.npy") + 60
    generator = random.Random(5)
    path = tmp_path / "model.npz"
    refused = 0
    for _ in range(200):
        data = bytearray(good)
        data[generator.randrange(place, place + 150)] ^= 1 << generator.randrange(8)
        overwrite(path, data)
        try:
            charvec.lookup(charvec.open(path), "我你的水火")
        except CharvecError as error:
            assert error.exit_code == 65
            refused += 1
    assert refused > 20
