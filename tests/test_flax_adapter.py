"""Character vectors in Flax, NNX and Linen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build

import charvec
from charvec.errors import UsageError

jax = pytest.importorskip("jax", reason="JAX is not installed")
linen = pytest.importorskip("flax.linen", reason="Flax is not installed")
nnx = pytest.importorskip("flax.nnx", reason="Flax is not installed")

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))
VOCAB = VECTORS.vocabulary()
IDS = charvec.ids(["水", "火a"], VOCAB)
ROWS = [[[3, 5], [0, 0]], [[5, 2], [1, 2]]]


class Classifier(nnx.Module):
    """Mean of the characters, then a linear layer."""

    def __init__(self, embedding: Any, rngs: Any) -> None:
        self.embedding = embedding
        self.dense = nnx.Linear(embedding.features, 1, rngs=rngs)

    def __call__(self, ids: Any) -> Any:
        counted = (ids != 0)[..., None]
        return self.dense((self.embedding(ids) * counted).sum(axis=1) / counted.sum(axis=1))[:, 0]


@pytest.mark.parametrize("freeze", [True, False])
def test_samples_to_a_classifier(freeze: bool) -> None:
    """From samples to a model that learns, its vectors too where they are not frozen."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh", dtype="float16")
    texts = ["水火木金", "大小上下", "天地人", "春夏秋冬", "water and fire", "up, down", "heaven", "spring"]
    labels = np.array([1.0] * 4 + [-1.0] * 4, np.float32)
    ids = charvec.ids(texts, vectors.vocabulary(), unk=None)
    model = Classifier(charvec.flax.embedding(vectors, freeze=freeze), nnx.Rngs(0))

    @nnx.jit
    def step(model: Any) -> None:
        slopes = nnx.grad(lambda model: ((model(ids) - labels) ** 2).mean())(model)
        nnx.update(model, jax.tree.map(lambda value, slope: value - 0.3 * slope, nnx.state(model, nnx.Param), slopes))

    for _ in range(100):
        step(model)
    unseen = charvec.ids(["山川", "east or west"], vectors.vocabulary(), unk=None)
    assert (model(unseen) > 0).tolist() == [True, False]
    assert np.array_equal(model.embedding.embedding[...][2:], vectors.matrix) == freeze


def test_weights() -> None:
    """Row for row what matrix_for gives; frozen it is no parameter."""
    layer = charvec.flax.embedding(VECTORS)
    weights = layer.embedding[...]
    assert isinstance(weights, jax.Array) and weights.dtype == np.float32
    assert np.array_equal(weights, VECTORS.matrix_for(VOCAB, pad="<PAD>", unk="<UNK>").matrix)
    assert layer(IDS).tolist() == ROWS and nnx.jit(lambda layer, ids: layer(ids))(layer, IDS).tolist() == ROWS
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param))
    assert isinstance(layer.embedding, charvec.flax.Frozen)
    assert isinstance(charvec.flax.embedding(VECTORS, freeze=False).embedding, nnx.Param)


def test_state_goes_into_another_layer() -> None:
    """What nnx.split takes out of one layer, as for a checkpoint, nnx.merge puts into a new one."""
    graph, state = nnx.split(charvec.flax.embedding(VECTORS))
    assert nnx.merge(graph, jax.tree.map(np.asarray, state))(IDS).tolist() == ROWS


def test_linen() -> None:
    """Alone and inside a model, ``init`` gives the rows, compiled or not; they can be kept from learning."""
    layer = charvec.flax.linen_embedding(VECTORS)
    variables = jax.jit(layer.init)(jax.random.key(0), IDS)
    assert variables["params"]["embedding"].dtype == np.float32
    assert jax.jit(layer.apply)(variables, IDS).tolist() == ROWS

    class Model(linen.Module):
        embedding: linen.Module

        @linen.compact
        def __call__(self, ids: Any) -> Any:
            return linen.Dense(3)(jax.lax.stop_gradient(self.embedding(ids)))

    model = Model(layer)
    variables = model.init(jax.random.key(0), IDS)
    assert np.array_equal(variables["params"]["embedding"]["embedding"][2:], VECTORS.matrix)
    slopes = jax.grad(lambda variables: (model.apply(variables, IDS) ** 2).sum())(variables)["params"]
    assert not slopes["embedding"]["embedding"].any() and slopes["Dense_0"]["kernel"].any()


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32."""
    narrow = VECTORS.astype(dtype)
    made = charvec.flax.embedding(narrow, "a水火", padding_idx=None)
    assert np.array_equal(made.embedding[...], narrow.matrix)
    made = charvec.flax.linen_embedding(narrow, "a水火", padding_idx=None)
    assert np.array_equal(made.init(jax.random.key(0), IDS)["params"]["embedding"], narrow.matrix)


@pytest.mark.parametrize("where", [{"pad_id": -1, "unk_id": -2}, {"pad_id": 2, "unk_id": 0}])
def test_positions(where: dict[str, int]) -> None:
    """Wherever the special entries are, every row stays with its entry."""
    vocab = VECTORS.vocabulary(**where)
    layer = charvec.flax.embedding(VECTORS, **where)
    assert layer(np.array([vocab["<PAD>"], vocab["火"]])).tolist() == [[0, 0], [5, 2]]
    np.testing.assert_allclose(layer(np.array(vocab["<UNK>"])), VECTORS.matrix.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("vocab", "options", "code"), [("水a", {}, "E-PADDING"), (["<PAD>"], {"pad_id": 0}, "E-ARGUMENT")]
)
def test_refused(vocab: Any, options: dict[str, Any], code: str) -> None:
    """As in every adapter."""
    for make in (charvec.flax.embedding, charvec.flax.linen_embedding):
        with pytest.raises(UsageError) as caught:
            make(VECTORS, vocab, **options)
        assert caught.value.code == code
