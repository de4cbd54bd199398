"""Folders of models as other programs lay them out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from test_embedding import save, table, vocabulary

import charvec
from charvec import checkpoints
from charvec.errors import CharvecError
from charvec.plumbing.models.model_folders import vocabulary_folders

DATA = Path(__file__).resolve().parent / "data"


def model(folder: Path, name: str = "model.safetensors", *, pieces: Path | None = None) -> None:
    """A small model in a folder, its vocabulary there or in another."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / name, {"embeddings.word_embeddings.weight": table(6)})
    (pieces or folder).mkdir(parents=True, exist_ok=True)
    vocabulary(pieces or folder, 6)


def code(folder: Path) -> str:
    """Code of the error of opening it."""
    with pytest.raises(CharvecError) as caught:
        charvec.open(folder)
    return caught.value.code


@pytest.mark.parametrize(
    "weights", ["0_Transformer", "0_StaticEmbedding", "text_encoder", "original", "somewhere/else"]
)
@pytest.mark.parametrize("pieces", ["", "tokenizer", "assets", "its own"])
def test_weights_and_vocabulary_apart(tmp_path: Path, weights: str, pieces: str) -> None:
    """Every layout, opened by its top folder, however that is written; by its file only what lies beside it counts."""
    top = tmp_path / "model"
    model(top / weights, pieces=None if pieces == "its own" else top / pieces)
    if weights == "somewhere/else":
        entry = {"idx": 0, "name": "0", "path": weights, "type": "sentence_transformers.models.Transformer"}
        (top / "modules.json").write_text(json.dumps([entry]))
    for name in (str(top), str(top) + "/", os.path.relpath(top)):
        assert charvec.open(name).tensor.shape == (6, 3)
    file = top / weights / "model.safetensors"
    if pieces == "its own":
        assert charvec.open(file).tensor.shape == (6, 3)
    else:
        assert code(file) == "E-VOCAB-MISSING"


def test_nothing_outside_is_looked_at() -> None:
    """Folders above the one that was named, or merely named like it, are left alone."""
    assert vocabulary_folders("/a/b/c/m", "/a/b") == [
        *("/a/b/c", "/a/b/c/tokenizer", "/a/b/c/assets"),
        *("/a/b", "/a/b/tokenizer", "/a/b/assets"),
    ]
    assert vocabulary_folders("/a/bc/m", "/a/b") == ["/a/bc"]
    assert vocabulary_folders("/a/b/m", "/a/b/m") == ["/a/b"]
    assert vocabulary_folders("m", "") == [""]
    assert vocabulary_folders("m", "m") == [""]


def test_a_saved_model_of_tensorflow(tmp_path: Path) -> None:
    """The variables lie in one folder, the vocabulary among the assets."""
    source = DATA / "tensorflow" / "savedmodel"
    (tmp_path / "assets").mkdir()
    for path in source.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(source)).parent.mkdir(exist_ok=True)
            (tmp_path / path.relative_to(source)).write_bytes(path.read_bytes())
    vocabulary(tmp_path / "assets", 6)
    assert checkpoints.locate(tmp_path).endswith("variables.index")


def test_modules_of_sentence_transformers(tmp_path: Path) -> None:
    """The first module that begins with pieces counts; a path out of the folder is refused."""
    model(tmp_path / "b")
    kinds = ["sentence_transformers.models.Pooling", "sentence_transformers.models.Transformer"]
    entries = [{"path": path, "type": kind} for path, kind in zip(("a", "b"), kinds, strict=True)]
    (tmp_path / "modules.json").write_text(json.dumps([3, {}, {"type": 7}, *entries]))
    assert charvec.open(tmp_path).dim == 3
    for path in ("../b", "/b", "b/../../b", "C:b", "b\0"):
        entries[1]["path"] = path
        (tmp_path / "modules.json").write_text(json.dumps(entries))
        assert code(tmp_path) == "E-PATH-ESCAPE"
    for text in ("{}", "[]", '"b"', '[{"type": "x.Transformer", "path": "."}]', '[{"type": "x.Transformer"}]'):
        (tmp_path / "modules.json").write_text(text)
        assert code(tmp_path) == "E-NO-CHECKPOINT"
    (tmp_path / "modules.json").write_text("[")
    assert code(tmp_path) == "E-TRUNCATED"


def test_written_by_sentence_transformers_rules(tmp_path: Path) -> None:
    """What model2vec writes names itself in ``modules.json``, and is found at the top."""
    checkpoint = checkpoints.read(DATA / "model2vec" / "plain")
    assert list(checkpoint) == ["embeddings"]


def test_cache_of_the_hub(tmp_path: Path) -> None:
    """The revision that refs/main names, or else the only one; the files are links to blobs."""
    cache = tmp_path / "models--org--name"
    blobs, old, new = cache / "blobs", cache / "snapshots" / "0old", cache / "snapshots" / "1new"
    model(blobs)
    new.mkdir(parents=True)
    for file in blobs.iterdir():
        (new / file.name).symlink_to(os.path.relpath(file, new))
    assert charvec.open(cache).checkpoint.path == str(new / "model.safetensors")
    old.mkdir()
    assert code(cache) == "E-AMBIGUOUS-FILE"
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("1new")
    assert charvec.open(cache).dim == 3
    for revision in ("2none", "../snapshots/1new", "", "..", "1new\0", "x" * 10_000):
        (cache / "refs" / "main").write_text(revision)
        assert code(cache) == "E-NO-CHECKPOINT"


def test_folders_that_lead_into_themselves(tmp_path: Path) -> None:
    """They come to an end."""
    (tmp_path / "0_Transformer").symlink_to(tmp_path)
    assert code(tmp_path) == "E-NO-CHECKPOINT"
