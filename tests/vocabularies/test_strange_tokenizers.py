"""Tokenizers that charvec does not follow, and files under names that it did not know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from vocabulary_samples import DATA

import charvec
from charvec import vocabularies
from charvec.errors import CharvecError


@pytest.mark.parametrize(
    ("config", "does"),
    [
        ({"tokenizer_config.json": {"tokenizer_class": "ByT5Tokenizer"}}, "in bytes"),
        ({"config.json": {"model_type": "perceiver"}}, "in bytes"),
        ({"config.json": {"model_type": "canine"}}, "hashes them"),
    ],
)
def test_models_without_a_vocabulary(config: dict[str, object], does: str, tmp_path: Path) -> None:
    """The answer is not to look for a file that was never there."""
    np.save(tmp_path / "model.npy", np.ones((300, 4), np.float32))
    for name, value in config.items():
        (tmp_path / name).write_text(json.dumps(value))
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "model.npy")
    assert (caught.value.code, caught.value.exit_code) == ("E-TOKENIZER-KIND", 65)
    assert does in caught.value.message


@pytest.mark.parametrize("name", ["mine.spm", "vocab-src.json", "vocab_zh.txt", "tok.model", "x.tiktoken"])
def test_a_vocabulary_under_another_name(name: str, tmp_path: Path) -> None:
    """It is not taken, but named in what to do; other files are not."""
    np.save(tmp_path / "model.npy", np.ones((300, 4), np.float32))
    for each in (name, "README.md", "generation_config.json"):
        (tmp_path / each).write_text("x\n")
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "model.npy")
    assert caught.value.code == "E-VOCAB-MISSING"
    assert f"if {tmp_path / name} is the vocabulary" in str(caught.value.help)


@pytest.mark.parametrize(
    ("name", "golden"),
    [("spm_char.model", "sentencepiece/char.model"), ("prophetnet.tokenizer", "wordpiece/vocab.txt")],
)
def test_names_that_only_one_model_uses(name: str, golden: str, tmp_path: Path) -> None:
    """SpeechT5's and ProphetNet's vocabularies are found beside the model."""
    np.save(tmp_path / "model.npy", np.ones((30_000, 4), np.float32))
    (tmp_path / name).write_bytes((DATA / golden).read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "speecht5"}')
    assert charvec.open(tmp_path / "model.npy").vocabulary.path == str(tmp_path / name)


def test_the_list_of_a_tokenizer_that_does_more(tmp_path: Path) -> None:
    """GPT-NeoX-Japanese writes ー for —, so that a plain look-up would give — a row that it never has: refused."""
    (tmp_path / "vocab.txt").write_text("<|endoftext|>\n—\nー\nか,カ\n", "utf-8")
    assert vocabularies.read(tmp_path / "vocab.txt").size == 4
    (tmp_path / "emoji.json").write_text('{"emoji": {}, "emoji_inv": {}}')
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(tmp_path / "vocab.txt")
    assert (caught.value.code, caught.value.exit_code) == ("E-TOKENIZER-KIND", 65)


def test_merges_of_characters(tmp_path: Path) -> None:
    """XLM's vocab.json has merges of characters, which followed as bytes would lead to other pieces: refused."""
    folder = DATA / "vocab-json"
    vocab = json.loads((folder / "vocab.json").read_text("utf-8"))
    merges = (folder / "merges.txt").read_text("utf-8")
    (tmp_path / "merges.txt").write_text(merges + "天 气\n", "utf-8")
    (tmp_path / "vocab.json").write_text(json.dumps({**vocab, "天": 90_000, "气": 90_001, "天气": 90_002}))
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(tmp_path / "vocab.json")
    assert (caught.value.code, caught.value.exit_code) == ("E-TOKENIZER", 65)
    assert "not of bytes" in caught.value.message


def test_a_model_that_hashes_code_points(tmp_path: Path) -> None:
    """CANINE's tables of buckets are no input embedding, and the answer does not lead to them."""
    stem = "char_embeddings.HashBucketCodepointEmbedder"
    tables = {f"{stem}_{number}.weight": np.full((64, 4), number, np.float32) for number in range(8)}
    np.savez(tmp_path / "canine.npz", **tables)
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "canine.npz")
    assert caught.value.code == "E-NO-TENSOR"
    assert "CANINE" in str(caught.value.help)
