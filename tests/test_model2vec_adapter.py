"""Character vectors in model2vec and sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build, small

import charvec
from charvec.errors import UsageError
from charvec.vectors import CharVectors

model2vec = pytest.importorskip("model2vec", reason="model2vec is not installed")

VECTORS = build("\0\n a\u0301\u3000水火😀", np.arange(18, dtype=np.float32).reshape(9, 2) ** 2)
#: Unknown characters, special tokens as text, letters that a normaliser would join, nothing at all.
TEXTS = ["水火", "?", "a\u0301水\n 火\0", "[PAD]水[UNK]", "", "\u3000😀?火", "á", "水" * 3000 + "火"]


def opened(how: str, vectors: CharVectors, folder: Path) -> Any:
    """The same model, made in memory or opened from a folder."""
    if how == "memory":
        return charvec.model2vec.static_model(vectors)
    if how == "saved":
        charvec.model2vec.static_model(vectors).save_pretrained(folder / "saved")
        return model2vec.StaticModel.from_pretrained(folder / "saved")
    charvec.export(vectors, folder / "exported", "model2vec")
    if how == "folder":
        return model2vec.StaticModel.from_pretrained(folder / "exported")
    package = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    return package.SentenceTransformer(str(folder / "exported"), device="cpu")


@pytest.mark.filterwarnings("ignore")  # what sentence-transformers imports warns of itself
@pytest.mark.parametrize("how", ["memory", "saved", "folder", "sentence-transformers"])
def test_samples_to_vectors(how: str, tmp_path: Path) -> None:
    """From samples to what it makes of their lines: what encode gives."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")
    texts = (ROOT / "samples" / "texts" / "mixed.txt").read_text("utf-8").splitlines()
    assert any(char not in vectors for char in "".join(texts))
    found = opened(how, vectors, tmp_path).encode(texts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, vectors.encode(texts), atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["memory", "saved", "folder", "sentence-transformers"])
def test_what_encode_gives(how: str, tmp_path: Path) -> None:
    """Every character as it stands, unknown ones passed over, long texts to their end."""
    np.testing.assert_allclose(opened(how, VECTORS, tmp_path).encode(TEXTS), VECTORS.encode(TEXTS), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "int8", "pq:2"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32."""
    narrow = small().astype(dtype)
    made = charvec.model2vec.static_model(narrow)
    assert made.embedding.dtype == np.float32
    for char in narrow:
        assert np.array_equal(made.encode(char), narrow[char])


def test_positions() -> None:
    """Padding and unknown stand where the caller wants them; neither has a say."""
    made = charvec.model2vec.static_model(VECTORS, pad="<P>", unk="<U>", pad_id=-1, unk_id=-2)
    assert made.tokens[-2:] == ("<U>", "<P>") and made.tokens[:-2] == tuple(VECTORS.chars)
    assert np.array_equal(made.embedding[:-2], VECTORS.matrix) and not made.embedding[-2:].any()
    np.testing.assert_allclose(made.encode(TEXTS), VECTORS.encode(TEXTS), rtol=1e-5)
    with pytest.raises(UsageError) as caught:
        charvec.model2vec.static_model(VECTORS, pad="水")
    assert caught.value.code == "E-VOCAB-IDS"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["saved", "exported"])
def test_last_places_in_each_package(how: str, tmp_path: Path) -> None:
    """Saved or exported with padding and unknown behind the characters, and opened by everything that opens it."""
    if how == "saved":
        charvec.model2vec.static_model(VECTORS, pad_id=-1, unk_id=-2).save_pretrained(tmp_path / "a")
    else:
        assert min(charvec.export(VECTORS, tmp_path / "a", "model2vec", special="last").special.values()) == len(
            VECTORS
        )
    made = model2vec.StaticModel.from_pretrained(tmp_path / "a")
    np.testing.assert_allclose(made.encode(TEXTS, max_length=None), VECTORS.encode(TEXTS), rtol=1e-5)
    again = charvec.lookup(tmp_path / "a", VECTORS)
    assert again.chars == VECTORS.chars and np.array_equal(again.matrix, VECTORS.matrix)
    package = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    encoder = package.SentenceTransformer(str(tmp_path / "a"), device="cpu")
    np.testing.assert_allclose(encoder.encode(TEXTS), VECTORS.encode(TEXTS), rtol=1e-5)


@pytest.mark.parametrize("names", [{"pad": "龘"}, {"unk": "龘"}, {"pad": ""}, {"pad": None}, {"unk": 3}])
def test_names_that_texts_have(names: dict[str, Any]) -> None:
    """A name of one character would be a token of every text that has it."""
    with pytest.raises(UsageError) as caught:
        charvec.model2vec.static_model(VECTORS, **names)
    assert caught.value.code == "E-VOCAB-IDS"


def test_normalize(tmp_path: Path) -> None:
    """Length 1, and still so after saving."""
    made = charvec.model2vec.static_model(VECTORS, normalize=True)
    made.save_pretrained(tmp_path)
    for model in (made, model2vec.StaticModel.from_pretrained(tmp_path)):
        np.testing.assert_allclose(model.encode(TEXTS), VECTORS.encode(TEXTS, normalize=True), rtol=1e-5)


def test_it_is_a_copy() -> None:
    """What is done to it leaves our vectors alone."""
    charvec.model2vec.static_model(VECTORS).embedding[:] = 0
    assert VECTORS["a"].tolist() == [36, 49]


def test_charvec_reads_it_back(tmp_path: Path) -> None:
    """The exported folder is a model like any other: the same rows for the same characters."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")
    charvec.export(vectors, tmp_path / "folder", "model2vec")
    again = charvec.dump(ROOT / "samples" / "texts", model=tmp_path / "folder")
    assert again.chars == vectors.chars and np.array_equal(again.matrix, vectors.matrix)
    assert not again.status.any()
