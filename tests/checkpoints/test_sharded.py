"""Sharded checkpoints: only the shard that is needed is opened, and none outside the folder."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite

import charvec
from charvec import checkpoints
from charvec.checkpoints import sharded
from charvec.embedding import find_embedding
from charvec.errors import CharvecError, UnsafeFile
from charvec.plumbing.files import File, inside
from charvec.rows import read_rows

save_numpy = pytest.importorskip("safetensors.numpy", reason="writes shards with the safetensors library").save_file

DATA = Path(__file__).resolve().parents[1] / "data" / "safetensors"
NAME = "bert.embeddings.word_embeddings.weight"
MATRIX = np.arange(32, dtype=np.float32).reshape(8, 4)


def index(folder: Path, weight_map: Any, name: str = "model.safetensors.index.json") -> Path:
    """Write an index."""
    path = folder / name
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}), "utf-8")
    return path


def model(folder: Path, shard: str = "a.safetensors") -> Path:
    """An index whose shard holds the embedding, and which promises a second one that is absent."""
    save_numpy({NAME: MATRIX}, folder / shard)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n一\n二\n三\n四\n五\n六\n", "utf-8")
    return index(folder, {NAME: shard, "encoder.layer.0.output.dense.weight": "b.safetensors"})


def refusal(call: Any, *arguments: Any) -> CharvecError:
    """The error of a call."""
    with pytest.raises(CharvecError) as caught:
        call(*arguments)
    return caught.value


def test_a_shard_that_is_not_needed_may_be_absent(tmp_path: Path) -> None:
    """One tensor is needed, so one shard is opened; both are told of as files of the model."""
    model(tmp_path)
    opened = charvec.open(tmp_path)
    assert (opened.checkpoint.format, opened.tensor.name, opened.checkpoint.tensors) == ("sharded", NAME, {})
    np.testing.assert_array_equal(charvec.lookup(opened, "一六").matrix, MATRIX[[2, 7]])
    assert {os.path.basename(path) for path in opened.files} == {
        "model.safetensors.index.json",
        "a.safetensors",
        "b.safetensors",
        "vocab.txt",
    }


def test_only_one_shard_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the first bytes of another shard are looked at."""
    model(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"this is no checkpoint")
    opened: list[str] = []
    original = File.__init__
    monkeypatch.setattr(
        File, "__init__", lambda self, path: opened.append(os.path.basename(path)) or original(self, path)
    )
    charvec.lookup(charvec.open(tmp_path), "一")
    assert "a.safetensors" in opened
    assert "b.safetensors" not in opened


def test_a_shard_that_is_not_needed_may_be_damaged(tmp_path: Path) -> None:
    """Damage elsewhere is not ours to find; the needed shard's is."""
    path = model(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"")
    assert find_embedding(checkpoints.read(path)).tensor.shape == (8, 4)
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:-1])
    assert refusal(find_embedding, checkpoints.read(path)).code == "E-TRUNCATED"
    (tmp_path / "a.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 411\n")
    error = refusal(find_embedding, checkpoints.read(path))
    assert (error.code, error.path) == ("E-LFS-POINTER", str(tmp_path / "a.safetensors"))
    assert "411 bytes" in str(error.found)
    (tmp_path / "a.safetensors").unlink()
    error = refusal(find_embedding, checkpoints.read(path))
    assert (error.code, error.exit_code, error.path) == ("E-SHARD-MISSING", 66, str(tmp_path / "a.safetensors"))


def test_a_shard_that_lacks_what_the_index_promises(tmp_path: Path) -> None:
    """Index and shard of different downloads."""
    path = model(tmp_path)
    save_numpy({"other": MATRIX}, tmp_path / "a.safetensors")
    error = refusal(find_embedding, checkpoints.read(path))
    assert (error.code, error.exit_code) == ("E-NO-TENSOR", 65)


@pytest.mark.parametrize("name", ["model.safetensors.index.json", ".", "a", "checkpoint"])
def test_a_shard_that_is_no_shard(tmp_path: Path, name: str) -> None:
    """An index that names itself, its folder, another index: refused, without running in circles."""
    index(tmp_path, {NAME: name})
    index(tmp_path, {NAME: "model.safetensors.index.json"}, "a")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.safetensors.index.json"\n')
    error = refusal(find_embedding, checkpoints.read(tmp_path / "model.safetensors.index.json"))
    assert error.code == "E-NO-TENSOR"


ESCAPES = [
    "/etc/passwd",
    "../a.safetensors",
    "x/../../a.safetensors",
    "x/..",
    "..",
    "..\\a.safetensors",
    "\\a.safetensors",
    "\\\\host\\share\\a",
    "C:\\a.safetensors",
    "C:a.safetensors",
    "x/C:a",
    "file:stream",
    "a\0.safetensors",
    "",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_paths_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Refused as soon as the index is read, also for a shard that nobody needs."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_numpy({NAME: MATRIX}, tmp_path / "a.safetensors")
    path = index(folder, {"z": "b.safetensors", NAME: name})
    error = refusal(checkpoints.read, path)
    assert isinstance(error, UnsafeFile)
    assert (error.code, error.path) == ("E-PATH-ESCAPE", str(path))


@pytest.mark.parametrize("name", ["a", "x/y", ".hidden", "..a", "a..b", "x/...", "~/a", "$HOME", "a b", "字"])
def test_paths_within_the_folder(tmp_path: Path, name: str) -> None:
    """Names that merely look odd are taken as they are."""
    assert inside(str(tmp_path), name, by="index") == str(tmp_path / name)


def test_links_are_followed(tmp_path: Path) -> None:
    """Download caches link shards to a store of blobs elsewhere; such links are the user's own."""
    store, folder = tmp_path / "blobs", tmp_path / "snapshot"
    store.mkdir()
    folder.mkdir()
    save_numpy({NAME: MATRIX}, store / "abc")
    (folder / "a.safetensors").symlink_to("../blobs/abc")
    path = index(folder, {NAME: "a.safetensors"})
    assert find_embedding(checkpoints.read(path)).tensor.shape == (8, 4)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"weight_map": []}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": 1}}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": ["b"]}}', "E-SHARD-INDEX"),
        (b'{"weight_map": null}', "E-SHARD-INDEX"),
        (b'{"metadata": {"weight_map": "\\"weight_map\\""}}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": "\xff"}}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": "\\ud800"}}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": NaN}}', "E-SHARD-INDEX"),
        (b'{"weight_map": {"a": "b", "a": "c"}}', "E-JSON-DUPKEY"),
        (b'{"weight_map": {"a": "b', "E-TRUNCATED"),
    ],
)
def test_damaged_indexes(tmp_path: Path, data: bytes, code: str) -> None:
    """Each kind of damage has its code."""
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(data)
    assert refusal(checkpoints.read, path).code == code


def test_an_index_behind_a_long_preface(tmp_path: Path) -> None:
    """The weight map may come after thousands of bytes of metadata, and after a byte order mark."""
    path = tmp_path / "index"
    content = json.dumps({"metadata": {"notes": "x" * 100_000}, "weight_map": {NAME: "a"}})
    path.write_text(content, "utf-8-sig")
    with File(path) as file:
        assert sharded.sniff(file)
        assert sharded.read(file).parts == {NAME: str(tmp_path / "a")}


def test_200_generated_checkpoints(tmp_path: Path) -> None:
    """Random tensors spread over random shards, some in folders: each row is what the library reads."""
    from safetensors.numpy import load_file

    generator = random.Random(17)
    for number in range(200):
        folder = tmp_path / str(number)
        (folder / "part").mkdir(parents=True)
        random_matrix = np.random.default_rng(number).standard_normal
        weight_map = {}
        for shard in range(generator.randrange(1, 5)):
            name = generator.choice(("", "part/")) + f"model-{shard}.safetensors"
            tensors = {}
            for place in range(generator.randrange(1, 4)):
                shape = generator.randrange(1, 20), generator.randrange(1, 9)
                tensors[f"t{shard}.{place}"] = random_matrix(shape).astype(generator.choice(("f2", "f4", "f8")))
            save_numpy(tensors, folder / name)
            weight_map.update(dict.fromkeys(tensors, name))
        checkpoint = checkpoints.read(index(folder, weight_map))
        assert list(checkpoint) == list(weight_map)
        for name, shard_name in weight_map.items():
            tensor = checkpoints.tensor(checkpoint, name)
            expected = load_file(folder / shard_name)[name].astype(np.float32)
            ids = np.array([generator.randrange(len(expected)) for _ in range(10)])
            assert read_rows(tensor, ids)[0].tobytes() == expected[ids].tobytes()


def test_fuzz(tmp_path: Path) -> None:
    """Mutants of an index are read or refused; no path leaves the folder."""
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "2")))
    seed = index(tmp_path, {NAME: "a.safetensors", "x": "part/b.safetensors"}).read_bytes()
    bits = [
        b"..",
        b"/",
        b"\\\\",
        b"\\u0000",
        b"C:",
        b'"',
        b"{",
        b"}",
        b":",
        b",",
        b"null",
        b"\\ud800",
        b"\xff",
        b"\\u002e",
    ]
    path = tmp_path / "index"
    root = os.path.realpath(tmp_path) + os.sep
    read = 0
    for _ in range(int(os.environ.get("CHARVEC_MUTANTS", "20000")) // 2):
        data = bytearray(seed)
        for _ in range(generator.choice((1, 2, 3))):
            place = generator.randrange(len(data))
            kind = generator.randrange(3)
            if kind == 0:
                data[place] ^= 1 << generator.randrange(8)
            elif kind == 1:
                data[place:place] = generator.choice(bits)
            else:
                del data[place : place + generator.randrange(1, 6)]
        overwrite(path, data)
        try:
            with File(path) as file:
                checkpoint = sharded.read(file) if sharded.sniff(file) else None
        except CharvecError as error:
            assert error.exit_code == 65
            continue
        if checkpoint:
            read += 1
            for part in checkpoint.parts.values():
                assert os.path.normpath(part).startswith(root)
    assert read
