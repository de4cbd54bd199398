"""Character vectors in Keras, on each backend that is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build

import charvec
from charvec.errors import UsageError

keras = pytest.importorskip("keras", reason="Keras or its backend is not installed")

# Keras's torch variables do not know NumPy's newest way to ask for an array
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

#: In a process that the tests started for one backend.
INNER = "CHARVEC_KERAS_INNER" in os.environ
once = pytest.mark.skipif(INNER, reason="runs once for all backends")
BACKENDS = [name for name in ("torch", "jax", "tensorflow") if importlib.util.find_spec(name) is not None]

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))
VOCAB = VECTORS.vocabulary()
TENSORFLOW = "tensorflow" in BACKENDS


def array(tensor: Any) -> Any:
    """A tensor of any backend in NumPy."""
    return keras.ops.convert_to_numpy(tensor)


@once
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != keras.backend.backend()])
def test_other_backends(backend: str) -> None:
    """All that computes in this file, and the page, once more on each of the others."""
    files = [Path(__file__), ROOT / "tests" / "test_docs.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files), "-k", "keras"],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "CHARVEC_KERAS_INNER": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout


def test_samples_to_a_classifier(tmp_path: Path) -> None:
    """From samples to a model that learns from frozen vectors, is saved, and predicts the same when loaded."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh", dtype="float16")
    texts = ["水火木金", "大小上下", "天地人", "春夏秋冬", "water and fire", "up, down", "heaven", "spring"]
    keras.utils.set_random_seed(0)
    layer = charvec.keras.embedding(vectors)
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layer, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), keras.losses.BinaryCrossentropy(from_logits=True))
    ids = charvec.ids(texts, vectors.vocabulary(), unk=None)
    model.fit(ids, np.array([1.0] * 4 + [0.0] * 4), epochs=60, verbose=0)
    unseen = charvec.ids(["山川", "east or west"], vectors.vocabulary(), unk=None)
    assert (model.predict(unseen, verbose=0)[:, 0] > 0).tolist() == [True, False]
    assert np.array_equal(layer.get_weights()[0][2:], vectors.matrix)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(unseen, verbose=0), model.predict(unseen, verbose=0), rtol=1e-6)
    assert again.layers[0].mask_zero and not again.layers[0].trainable


def test_weights() -> None:
    """Row for row what matrix_for gives, frozen, padding at 0 and masked; a copy."""
    layer = charvec.keras.embedding(VECTORS, name="characters")
    assert layer.name == "characters" and layer.mask_zero and not layer.trainable_weights
    (weights,) = layer.get_weights()
    assert weights.dtype == np.float32
    assert np.array_equal(weights, VECTORS.matrix_for(VOCAB, pad="<PAD>", unk="<UNK>").matrix)
    ids = charvec.ids(["水", "火a"], VOCAB)
    assert array(layer(ids)).tolist() == [[[3, 5], [0, 0]], [[5, 2], [1, 2]]]
    assert array(layer.compute_mask(ids)).tolist() == [[True, False], [True, True]]
    layer.set_weights([weights + 1])
    assert VECTORS["水"].tolist() == [3, 5]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32."""
    narrow = VECTORS.astype(dtype)
    layer = charvec.keras.embedding(narrow, "a水火", padding_idx=None)
    assert np.array_equal(layer.get_weights()[0], narrow.matrix) and not layer.mask_zero


def test_mixed_precision() -> None:
    """Keras's own setting decides what the layer computes in; the weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = charvec.keras.embedding(VECTORS)
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(layer(np.array([[3]])).dtype) == "float16"
    assert layer.get_weights()[0].dtype == np.float32 and layer.get_weights()[0][3].tolist() == [3, 5]


def test_training() -> None:
    """A layer that is not frozen learns; behind layers that know masks the row of padding stays zeros."""
    layer = charvec.keras.embedding(VECTORS, freeze=False)
    model = keras.Sequential([keras.Input((None,), dtype="int32"), layer, keras.layers.GlobalAveragePooling1D()])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(charvec.ids(["水", "水a"], VOCAB), np.zeros((2, 2)), verbose=0)
    (weights,) = layer.get_weights()
    assert weights[0].tolist() == [0, 0] and (weights[3] < VECTORS["水"]).all()
    assert weights[4].tolist() == [5, 2]


@pytest.mark.parametrize("where", [{}, {"pad_id": 2, "unk_id": 0}, {"pad_id": -1, "unk_id": -2}])
def test_positions(where: dict[str, int]) -> None:
    """Wherever the special entries are: the mean of what is not masked is what encode gives."""
    vocab = VECTORS.vocabulary(**where)
    layer = charvec.keras.embedding(VECTORS, **where)
    assert layer.mask_zero == (vocab["<PAD>"] == 0)
    masked = [] if layer.mask_zero else [keras.layers.Masking()]
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layer, *masked, keras.layers.GlobalAveragePooling1D()]
    )
    texts = ["水火", "a", "火?a水"]
    made = model.predict(charvec.ids(texts, vocab, unk=None), verbose=0)
    np.testing.assert_allclose(made, VECTORS.encode(texts), rtol=1e-6)


def test_a_vocabulary_of_ones_own() -> None:
    """As a Keras layer keeps it: padding is the empty string; other entries are filled as was asked for."""
    layer = charvec.keras.embedding(VECTORS, ["", "[UNK]", "火", "b"], pad="", unk="[UNK]", missing="mean")
    mean = VECTORS.matrix.mean(axis=0).tolist()
    assert layer.mask_zero
    np.testing.assert_allclose(layer.get_weights()[0], [[0, 0], mean, [5, 2], mean], rtol=1e-6)


@pytest.mark.parametrize(
    ("vocab", "options"),
    [
        ("水a", {}),
        ("水a", {"padding_idx": None, "mask_zero": True}),
        (None, {"pad_id": -1, "mask_zero": True}),
        ({"水": 1, "<PAD>": 2}, {"pad": "<PAD>", "mask_zero": True}),
    ],
)
def test_masks_that_would_hide_a_character(vocab: Any, options: dict[str, Any]) -> None:
    """Id 0 is not padding: refused, not hidden."""
    with pytest.raises(UsageError) as caught:
        charvec.keras.embedding(VECTORS, vocab, **options)
    assert caught.value.code == "E-PADDING"


def test_no_mask() -> None:
    """It can be done without, also where padding is 0."""
    assert charvec.keras.embedding(VECTORS, mask_zero=False).compute_mask(np.array([[0]])) is None


ODD = "".join(sorted("\t\n\r a\u3000水火😀\u0301ÉA.'\"!\u200b\ufeff\x85\u2028"))


@pytest.mark.skipif(not TENSORFLOW, reason="TextVectorization needs TensorFlow, which is not installed")
def test_text_vectorization() -> None:
    """The ids of charvec.ids, white space, punctuation and capitals as they are; and any length."""
    vectors = build(ODD, np.zeros((len(ODD), 2), np.float32))
    texts = [ODD + "?", "水", ""]
    for length in (None, 3, 40):
        made = array(charvec.keras.text_vectorization(vectors, length=length)(texts))
        assert np.array_equal(made, charvec.ids(texts, vectors.vocabulary(), length=length))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="models of strings are TensorFlow's")
def test_a_model_of_strings(tmp_path: Path) -> None:
    """Texts go in; a saved model keeps its vocabulary, line feeds in it and all."""
    tensorflow = pytest.importorskip("tensorflow")
    vectors = build(ODD, np.arange(2 * len(ODD), dtype=np.float32).reshape(-1, 2))
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            charvec.keras.text_vectorization(vectors),
            charvec.keras.embedding(vectors),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    texts = ["水火\n", ODD, " a"]
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        made = each.predict(tensorflow.constant(texts), verbose=0)
        np.testing.assert_allclose(made, vectors.encode(texts), rtol=1e-6)


def test_a_character_keras_cannot_keep() -> None:
    """U+0000 ends up as Keras's padding: refused, with what to do."""
    vectors = build("\0水", np.zeros((2, 2), np.float32))
    with pytest.raises(UsageError) as caught:
        charvec.keras.text_vectorization(vectors)
    assert caught.value.code == "E-ARGUMENT" and "U+0000" in str(caught.value)
    assert len(charvec.keras.embedding(vectors).get_weights()[0]) == 4


@pytest.mark.parametrize("length", [0, -1, 1.5, "3", True])
def test_no_length(length: Any) -> None:
    """Said before TensorFlow is asked for."""
    with pytest.raises(UsageError) as caught:
        charvec.keras.text_vectorization(build("水", np.zeros((1, 2), np.float32)), length=length)
    assert caught.value.code == "E-ARGUMENT"


def test_no_entry() -> None:
    """Keras has no layer without a row."""
    with pytest.raises(UsageError) as caught:
        charvec.keras.embedding(build("水", np.zeros((1, 2), np.float32)), [])
    assert caught.value.code == "E-VOCAB-IDS"


def run_without(package: str, code: str, backend: str) -> subprocess.CompletedProcess[str]:
    """What a program prints when a package is absent."""
    code = f"import sys; sys.modules[{package!r}] = None; import charvec\ntry:\n    {code}\n"
    code += "except charvec.CharvecError as error: print(error.code, error.exit_code, str(error), error.help)"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )


@once
@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_the_backend_is_absent(backend: str) -> None:
    """Keras without what it computes with: one clear error that says how to choose another."""
    done = run_without(backend, "charvec.keras", backend)
    assert done.stdout.startswith("E-PACKAGE 69 ") and backend in done.stdout and "KERAS_BACKEND" in done.stdout


@once
def test_tensorflow_is_absent() -> None:
    """TextVectorization alone needs it, and says what else to do."""
    backend = next((name for name in BACKENDS if name != "tensorflow"), None)
    if backend is None:
        pytest.skip("no other backend is installed")
    vectors = "charvec.dump('samples/texts/korean.txt', model='samples/tiny-bert-zh')"
    done = run_without("tensorflow", f"charvec.keras.text_vectorization({vectors})", backend)
    assert done.stdout.startswith("E-PACKAGE 69 ") and "charvec.ids" in done.stdout
