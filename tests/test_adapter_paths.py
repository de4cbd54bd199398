"""Every adapter takes the path of a vector file where it takes vectors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import build

import charvec
from charvec import CharVectors
from charvec.errors import UsageError

# Keras's torch variables do not know NumPy's newest way to ask for an array
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))


def _spacy_installed(given: Any) -> Any:
    nlp = sys.modules["spacy"].blank("zh")
    charvec.spacy.install(given, nlp)
    return nlp("水")[0].vector


#: Package, and what its adapter makes, as something that can be compared.
CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("torch", lambda given: charvec.torch.embedding(given).weight.detach().numpy()),
    ("torch", lambda given: charvec.torch.embedding_bag(given).weight.detach().numpy()),
    ("jax", lambda given: charvec.jax.embedding(given)),
    ("jax", lambda given: charvec.jax.embedding_bag(given)(np.array([[2, 3]]))),
    ("flax", lambda given: charvec.flax.embedding(given).embedding[...]),
    ("flax", lambda given: charvec.flax.linen_embedding(given).num_embeddings),
    ("keras", lambda given: charvec.keras.embedding(given).get_weights()[0]),
    ("gensim", lambda given: charvec.gensim.keyed_vectors(given).vectors),
    ("spacy", lambda given: charvec.spacy.vectors(given).data),
    ("spacy", _spacy_installed),
    ("model2vec", lambda given: charvec.model2vec.static_model(given).encode("水")),
    ("onnx", lambda given: np.frombuffer(charvec.onnx.model(given).SerializeToString(deterministic=True), np.uint8)),
    ("sklearn", lambda given: charvec.sklearn.CharVectorizer(given).fit(["水"]).transform(["水", "火a"])),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A vector file."""
    VECTORS.save(tmp_path / "a.h5")
    return tmp_path / "a.h5"


@pytest.mark.parametrize(("package", "call"), CALLS)
def test_a_path_is_as_good_as_its_vectors(package: str, call: Callable[[Any], Any], path: Path) -> None:
    """A Path and a str give what the loaded vectors give; anything else is one clear error."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    vectors: CharVectors = charvec.load(path)
    expected = np.asarray(call(vectors))
    assert expected.size
    for given in (path, str(path)):
        assert np.array_equal(np.asarray(call(given)), expected)
    with pytest.raises(UsageError) as caught:
        call(3)
    assert caught.value.code == "E-ARGUMENT"


def test_an_onnx_file_from_a_path(path: Path, tmp_path: Path) -> None:
    """The file is that of the loaded vectors."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    charvec.onnx.export(path, tmp_path / "a.onnx")
    charvec.onnx.export(VECTORS, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
