"""Character vectors in JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build

import charvec
from charvec.errors import UsageError

jax = pytest.importorskip("jax", reason="JAX is not installed")

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))
VOCAB = VECTORS.vocabulary()
TEXTS = ["水火", "a", "?", "火水a水", ""]


def test_samples_to_vectors_of_texts() -> None:
    """From samples to a compiled function that gives what encode gives."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")
    texts = (ROOT / "samples" / "texts" / "korean.txt").read_text("utf-8").splitlines()
    ids = charvec.ids(texts, vectors.vocabulary(), unk=None)
    made = jax.jit(charvec.jax.embedding_bag(vectors))(ids)
    np.testing.assert_allclose(np.asarray(made), vectors.encode(texts), atol=1e-6)


def test_weights() -> None:
    """Row for row what matrix_for gives; looked up in a compiled function."""
    weights = charvec.jax.embedding(VECTORS)
    assert isinstance(weights, jax.Array) and weights.dtype == np.float32
    assert np.array_equal(weights, VECTORS.matrix_for(VOCAB, pad="<PAD>", unk="<UNK>").matrix)
    made = jax.jit(lambda ids: weights[ids])(charvec.ids(["水", "火a"], VOCAB))
    assert made.tolist() == [[[3, 5], [0, 0]], [[5, 2], [1, 2]]]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32."""
    narrow = VECTORS.astype(dtype)
    assert np.array_equal(charvec.jax.embedding(narrow, "a水火", padding_idx=None), narrow.matrix)


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize("where", [{}, {"pad_id": -1, "unk_id": -2}, {"pad_id": 2, "unk_id": 0}])
def test_bag(mode: Any, where: dict[str, int]) -> None:
    """Texts of several lengths in one padded batch, of padding alone too: what encode gives; one text alone as well."""
    ids = charvec.ids(TEXTS, VECTORS.vocabulary(**where), unk=None)
    bag = charvec.jax.embedding_bag(VECTORS, mode=mode, **where)
    np.testing.assert_allclose(bag(ids), VECTORS.encode(TEXTS, mode), rtol=1e-6)
    assert bag(ids[0].tolist()).tolist() == bag(ids)[0].tolist()


def test_bag_without_padding() -> None:
    """Then every id counts."""
    bag = charvec.jax.embedding_bag(VECTORS, "a水火", padding_idx=None)
    np.testing.assert_allclose(bag([[0, 1]]), VECTORS.encode(["a水"]), rtol=1e-6)


def test_bag_is_a_pytree() -> None:
    """It goes into compiled functions as an argument, and learns; padding gets no gradient, nor does anyone get NaN."""
    bag = charvec.jax.embedding_bag(VECTORS)
    (weights,) = jax.tree.leaves(bag)
    assert weights.shape == (5, 2)
    slope = jax.jit(jax.grad(lambda bag, ids: bag(ids).sum()))(bag, charvec.ids(["水火", "水", ""], VOCAB))
    (slopes,) = jax.tree.leaves(slope)
    assert slopes.tolist() == [[0, 0], [0, 0], [0, 0], [1.5, 1.5], [0.5, 0.5]]
    moved = jax.tree.map(lambda weight, change: weight - change, bag, slope)
    assert moved([[3]]).tolist() == [[1.5, 3.5]] and VECTORS["水"].tolist() == [3, 5]


def test_not_finite() -> None:
    """A row of padding counts for nothing even where another row is not finite."""
    odd = build("a水", np.array([[np.inf, 1], [2, 3]], np.float32))
    bag = charvec.jax.embedding_bag(odd, mode="sum")
    assert bag(charvec.ids(["水", "水a"], odd.vocabulary())).tolist() == [[2, 3], [np.inf, 4]]


@pytest.mark.parametrize(
    ("vocab", "options", "code"),
    [("水a", {}, "E-PADDING"), (["<PAD>"], {"pad_id": 0}, "E-ARGUMENT"), (None, {"mode": "max"}, "E-POOLING")],
)
def test_refused(vocab: Any, options: dict[str, Any], code: str) -> None:
    """As in every adapter."""
    with pytest.raises(UsageError) as caught:
        charvec.jax.embedding_bag(VECTORS, vocab, **options)
    assert caught.value.code == code
