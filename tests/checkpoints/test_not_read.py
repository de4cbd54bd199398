"""Formats that are not read: each is called by its name, with what to do."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import charvec
from charvec import checkpoints
from charvec.errors import CharvecError


def refusal(path: Path) -> CharvecError:
    """The error that opening it gives."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(path)
    return caught.value


@pytest.mark.parametrize(
    ("head", "named", "advice"),
    [
        (b"SQLite format 3\0\x10\0", "SQLite", "as text"),
        (b"\x1c\0\0\0TFL3\x14\0", "TensorFlow Lite", "converted from"),
        (b"500 16 1 3 2 2166136261 < >\n0 0.1 0.2\n", "floret", "save_vectors"),
        (b"500 16 1 3 2 2166136261 \xe3\x80\x88 \xe3\x80\x89\n0 0.1 0.2\n", "floret", "save_vectors"),
    ],
)
def test_files_by_their_beginning(head: bytes, named: str, advice: str, tmp_path: Path) -> None:
    """Not only by their first bytes in hexadecimal."""
    (tmp_path / "model").write_bytes(head + b"\0" * 200)
    error = refusal(tmp_path / "model")
    assert (error.code, error.exit_code) == ("E-FORMAT", 65)
    assert named in error.message and advice in str(error.help)


def test_models_of_floret(tmp_path: Path) -> None:
    """They begin as fastText's do, with two settings more; nothing is damaged, and no download will help."""
    settings = struct.pack("<ii11i2iid", 793712314, 12, 16, 5, 1, 1, 5, 1, 2, 1, 500, 1, 3, 2, 2, 100, 1e-4)
    (tmp_path / "v.bin").write_bytes(settings + b"\0" * 400)
    error = refusal(tmp_path / "v.bin")
    assert (error.code, error.exit_code) == ("E-FASTTEXT", 65)
    assert "floret" in error.message and "save_vectors" in str(error.help)
    broken = settings[:8] + b"\xff" * 48 + settings[56:]
    (tmp_path / "v.bin").write_bytes(broken + b"\0" * 400)
    assert "impossible" in refusal(tmp_path / "v.bin").message


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        ([".metadata", "__0_0.distcp", "__1_0.distcp"], "dcp_to_torch"),
    ],
)
def test_folders_by_what_is_in_them(names: list[str], advice: str, tmp_path: Path) -> None:
    """Rather than a list of everything that could have been there."""
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x80")
    error = refusal(tmp_path)
    assert (error.code, error.exit_code) == ("E-NO-CHECKPOINT", 66)
    assert advice in str(error.help)


def test_exported_programs(tmp_path: Path) -> None:
    """What torch.export writes is a zip file, too, and not a damaged one."""
    with zipfile.ZipFile(tmp_path / "m.pt2", "w") as archive:
        for name in ("m/data/weights/weight_0", "m/models/model.json", "m/archive_format"):
            archive.writestr(name, b"pt2")
    error = refusal(tmp_path / "m.pt2")
    assert error.code == "E-FORMAT"
    assert "torch.export" in error.message and "state_dict" in str(error.help)


def test_adapters_of_trained_tokens(tmp_path: Path) -> None:
    """PEFT's changes to some rows are no model, whose name is what is needed."""
    stem = "base_model.model.embeddings.word_embeddings"
    shapes = {f"{stem}.token_adapter.trainable_tokens_delta": (2, 8), "base_model.model.x.lora_A.weight": (4, 8)}
    np.savez(tmp_path / "a.npz", **{name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "a.npz")
    assert caught.value.code == "E-NO-TENSOR"
    assert "the model it was made for" in str(caught.value.help)
