"""What every checkpoint reader must keep, run over every golden file in ``tests/data``."""

from __future__ import annotations

import json
import random
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from damaging import overwrite

from charvec import checkpoints
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.rows import read_rows
from charvec.tensor import Checkpoint

DATA = Path(__file__).resolve().parents[1] / "data"
FOLDERS = (
    *("flax", "gguf", "hdf5", "onnx", "openvino", "pytorch", "safetensors", "tensorflow", "tensorflow-v1"),
    *("charvec", "fasttext", "numpy", "word2vec-binary", "word2vec-text", "paddle", "mindspore"),
    *("paddle-inference", "gensim"),
)
#: Files beside checkpoints that are none themselves, by suffix or name.
OTHERS = (".md", ".onnx.data", ".npy", ".txt", ".py", ".meta", "checkpoint", "saved_model.pb")

MEMBERS = {member.NAME: member for member in checkpoints.members()}


def is_data(path: Path) -> bool:
    """Whether it is the data file of a TensorFlow bundle or an OpenVINO model, which has no marks to know it by."""
    return ".data-" in path.name or path.match("openvino/*.bin")


GOLDEN = sorted(
    path
    for folder in FOLDERS
    for path in (DATA / folder).rglob("*")
    if path.is_file() and (path.match("numpy/*.npy") or not path.name.endswith(OTHERS)) and not is_data(path)
)
NAMES = [str(path.relative_to(DATA)) for path in GOLDEN]
#: Golden files that must be refused, and with which code.
REFUSED = {
    "fasttext/compressed.ftz": "E-QUANTISED",
    "gensim/fasttext.model": "E-FORMAT",
    **{f"mindspore/encrypted-{mode}.ckpt": "E-ENCRYPTED" for mode in ("AES-CBC", "AES-GCM", "SM4-CBC")},
    "pytorch/whole_module.pt": "E-PICKLE-UNSAFE",
}


def recognised(path: Path) -> list[str]:
    """Names of the members that take the file for theirs."""
    with File(path) as file:
        return [member.NAME for member in checkpoints.members() if member.sniff(file)]


def test_there_is_a_golden_file_for_every_member() -> None:
    """A format without a file that another program wrote is not tested."""
    assert {name for path in GOLDEN for name in recognised(path)} == set(MEMBERS)
    assert len(MEMBERS) == len(checkpoints.MEMBERS)


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_exactly_one_member_recognises_it(path: Path, tmp_path: Path) -> None:
    """So the order of the members never matters; and the name of the file does not either."""
    (name,) = recognised(path)
    assert name in (path.relative_to(DATA).parts[0], "sharded")
    renamed = tmp_path / "model.weights"
    renamed.write_bytes(path.read_bytes())
    assert recognised(renamed) == [name]


@pytest.mark.parametrize(
    "path",
    [path for folder in FOLDERS for path in sorted((DATA / folder).rglob("*")) if path.name.endswith(OTHERS)],
    ids=str,
)
def test_no_member_recognises_what_lies_beside(path: Path) -> None:
    """Texts and graphs are no checkpoints; an array is one, though nobody means it."""
    assert recognised(path) == (["numpy"] if path.suffix == ".npy" else [])


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_it_opens(path: Path) -> None:
    """It opens, or is refused as it should be; every readable tensor's rows can be read, and the blocks tile it."""
    name = str(path.relative_to(DATA))
    if name in REFUSED:
        with pytest.raises(CharvecError) as caught:
            checkpoints.read(path)
        assert caught.value.code == REFUSED[name]
        return
    checkpoint = checkpoints.read(path)
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.format in MEMBERS
    assert str(path) in checkpoint.files
    assert all(Path(file).stat().st_size == size for file, size in checkpoint.files.items())
    assert len(checkpoint) == len(list(checkpoint)) > 0
    assert len(checkpoint.header_digest) == 64
    for tensor in checkpoint.tensors.values():
        covered = np.zeros((tensor.rows, tensor.columns), int)
        for block in tensor.blocks:
            covered[block.row : block.row + block.rows, block.column : block.column + block.columns] += 1
        assert not tensor.blocks or (covered == 1).all()
        if tensor.readable:
            rows, _ = read_rows(tensor, np.arange(tensor.rows))
            assert rows.shape == (tensor.rows, tensor.columns)


#: By golden file: the digest of its header, and one of the digests of all rows that can be read.
DIGESTS = json.loads((DATA / "digests.json").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted({*NAMES} - {*REFUSED}))
def test_digests_stay(name: str) -> None:
    """Vector files keep them: were they made in another way, every model would be another one than the files name."""
    checkpoint = checkpoints.read(DATA / name)
    rows = blake2b(digest_size=16)
    for _, tensor in sorted(checkpoint.tensors.items()):
        if tensor.readable:
            rows.update(read_rows(tensor, np.arange(tensor.rows))[1].encode())
    assert [checkpoint.header_digest, rows.hexdigest()] == DIGESTS.get(name)


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_opening_it_twice_gives_the_same(path: Path) -> None:
    """Also from another folder of work, by another spelling of the path."""
    if str(path.relative_to(DATA)) in REFUSED:
        pytest.skip("refused")
    first, second = checkpoints.read(path), checkpoints.read(str(path))
    assert first == second
    assert list(first) == list(second)


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_mutants(path: Path, tmp_path: Path) -> None:
    """With bytes changed or cut off, sniffers never raise, and opening gives a checkpoint or one of our errors."""
    generator = random.Random(path.name)
    whole = path.read_bytes()
    target = tmp_path / path.name
    for _ in range(60):
        data = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.4 else whole)
        for _ in range(generator.randrange(4)):
            if data:
                data[generator.randrange(min(len(data), generator.choice((16, 200, 10**9))))] = generator.randrange(256)
        overwrite(target, data)
        recognised(target)
        try:
            checkpoint = checkpoints.read(target)
        except CharvecError as error:
            assert error.exit_code in (65, 66)
        else:
            assert checkpoint.format in MEMBERS


def test_random_bytes_are_nothing(tmp_path: Path) -> None:
    """Noise is recognised by nobody, and described by its first bytes."""
    generator = random.Random(4)
    path = tmp_path / "noise"
    for _ in range(300):
        overwrite(path, b"\xfe" + generator.randbytes(generator.randrange(200)))
        assert recognised(path) == []
        with pytest.raises(CharvecError) as caught:
            checkpoints.read(path)
        assert caught.value.code == "E-FORMAT"
