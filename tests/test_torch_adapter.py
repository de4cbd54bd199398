"""Character vectors in PyTorch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build

import charvec
from charvec.errors import UsageError

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))

MISSING = """
import sys
sys.modules["torch"] = None
sys.path.insert(0, sys.argv[1])
import charvec
try:
    charvec.torch.embedding
except charvec.CharvecError as error:
    print(error.code, error.exit_code, error.help)
"""


def test_torch_is_absent() -> None:
    """Without PyTorch: one clear error that says how to get it."""
    done = subprocess.run([sys.executable, "-c", MISSING, str(ROOT)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("E-NO-TORCH 69 pip install") and not done.stderr


def test_weights() -> None:
    """Row for row what matrix_for gives, frozen, padding at 0."""
    torch = pytest.importorskip("torch")
    layer = charvec.torch.embedding(VECTORS)
    assert not layer.weight.requires_grad and layer.padding_idx == 0 and layer.weight.dtype == torch.float32
    vocab = VECTORS.vocabulary()
    assert np.array_equal(layer.weight.numpy(), VECTORS.matrix_for(vocab, unk="<UNK>").matrix)
    assert layer(torch.tensor([vocab["水"]])).tolist() == [[3, 5]]
    layer.weight.data[:] = 7
    assert VECTORS["水"].tolist() == [3, 5]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32."""
    pytest.importorskip("torch")
    narrow = VECTORS.astype(dtype)
    layer = charvec.torch.embedding(narrow, "a水火", padding_idx=None)
    assert np.array_equal(layer.weight.numpy(), narrow.matrix)


def test_training() -> None:
    """A layer that is not frozen learns, but for its padding row."""
    torch = pytest.importorskip("torch")
    layer = charvec.torch.embedding(VECTORS, {"<PAD>": 0, "a": 1, "火": 2}, freeze=False)
    layer(torch.tensor([0, 1, 1])).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [2, 2], [0, 0]]


@pytest.mark.parametrize("padding_idx", [3, -1])
def test_padding_last(padding_idx: int) -> None:
    """The padding may be any id, also counted from the end."""
    pytest.importorskip("torch")
    layer = charvec.torch.embedding(
        VECTORS, ["a", "水", "?", "<PAD>"], padding_idx=padding_idx, pad="<PAD>", unk="?", missing="mean"
    )
    assert layer.padding_idx == 3 and layer.weight[3].tolist() == [0, 0] and layer.weight[0].tolist() == [1, 2]


def test_names_and_options() -> None:
    """Names of one's own for the special entries; ``missing="error"`` does not trip over them."""
    pytest.importorskip("torch")
    layer = charvec.torch.embedding(VECTORS, pad="[PAD]", unk="[UNK]", missing="error")
    assert np.allclose(layer.weight[1].numpy(), VECTORS.matrix.mean(axis=0))
    layer = charvec.torch.embedding(VECTORS, missing="normal", padding_idx=None)
    assert layer.weight[0].tolist() == [0, 0] and layer.padding_idx is None


def test_padding_that_would_wipe_a_character() -> None:
    """Id 0 of the caller's vocabulary is a character, not padding: refused, not zeroed."""
    pytest.importorskip("torch")
    for vocab in ({"水": 0, "a": 1}, "水a"):
        with pytest.raises(UsageError) as caught:
            charvec.torch.embedding(VECTORS, vocab)
        assert caught.value.code == "E-PADDING"
    assert charvec.torch.embedding(VECTORS, "水a", padding_idx=None).weight[0].tolist() == [3, 5]


def test_padding_by_name() -> None:
    """The id of the entry named as padding, wherever it stands: the unknown entry before it keeps its row."""
    pytest.importorskip("torch")
    layer = charvec.torch.embedding(VECTORS, {"<UNK>": 0, "<PAD>": 1, "水": 2}, unk="<UNK>", pad="<PAD>")
    assert layer.padding_idx == 1 and layer.weight[1].tolist() == [0, 0]
    assert np.allclose(layer.weight[0].numpy(), VECTORS.matrix.mean(axis=0))
    assert charvec.torch.embedding(VECTORS, ["<PAD>", "水"]).padding_idx == 0
    assert charvec.torch.embedding(VECTORS, {"水": 1}).padding_idx == 0
    assert charvec.torch.embedding(VECTORS, []).padding_idx is None


@pytest.mark.parametrize(
    ("vocab", "options"),
    [
        ({"<UNK>": 0, "<PAD>": 1, "水": 2}, {"unk": "<UNK>"}),
        ({"<UNK>": 0, "<PAD>": 1, "水": 2}, {"unk": "<UNK>", "pad": "<PAD>", "padding_idx": 0}),
        ({"<UNK>": 0, "<PAD>": 1, "水": 2}, {"unk": "<UNK>", "pad": "<PAD>", "padding_idx": -1}),
        (["[CLS]", "水"], {"missing": "mean"}),
        (None, {"padding_idx": 1}),
    ],
)
def test_padding_that_would_wipe_a_row(vocab: Any, options: dict[str, Any]) -> None:
    """Nor may it be the unknown entry, or one whose row was filled."""
    pytest.importorskip("torch")
    with pytest.raises(UsageError) as caught:
        charvec.torch.embedding(VECTORS, vocab, **options)
    assert caught.value.code == "E-PADDING"


@pytest.mark.parametrize("padding_idx", [5, -6])
def test_padding_that_is_no_row(padding_idx: int) -> None:
    """An id outside the matrix."""
    pytest.importorskip("torch")
    with pytest.raises(IndexError):
        charvec.torch.embedding(VECTORS, padding_idx=padding_idx)


def test_positions() -> None:
    """Both special entries last, as many Chinese projects have it; every row stays with its character."""
    torch = pytest.importorskip("torch")
    layer = charvec.torch.embedding(VECTORS, pad_id=-1, unk_id=-2)
    assert layer.padding_idx == 4 and layer.weight[4].tolist() == [0, 0]
    assert np.array_equal(layer.weight[:3].numpy(), VECTORS.matrix)
    assert np.allclose(layer.weight[3].numpy(), VECTORS.matrix.mean(axis=0))
    assert layer(torch.tensor([VECTORS.vocabulary(pad_id=-1, unk_id=-2)["火"]])).tolist() == [[5, 2]]
    with pytest.raises(UsageError) as caught:
        charvec.torch.embedding(VECTORS, ["<PAD>", "水"], pad_id=-1)
    assert caught.value.code == "E-ARGUMENT"


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize("where", [{}, {"pad_id": -1, "unk_id": -2}, {"pad_id": 2, "unk_id": 0}])
def test_bag(mode: Any, where: dict[str, int]) -> None:
    """Texts of several lengths in one padded batch: what encode gives, also with characters nobody knows."""
    torch = pytest.importorskip("torch")
    vocab = VECTORS.vocabulary(**where)
    texts = ["水火", "a", "?", "火水a水", ""]
    rows = [[vocab.get(char, vocab["<PAD>"]) for char in text] for text in texts]
    batch = torch.tensor([row + [vocab["<PAD>"]] * (4 - len(row)) for row in rows])
    layer = charvec.torch.embedding_bag(VECTORS, mode=mode, **where)
    assert not layer.weight.requires_grad and layer.mode == mode
    np.testing.assert_allclose(layer(batch).numpy(), VECTORS.encode(texts, mode), rtol=1e-6)
    assert charvec.torch.embedding_bag(VECTORS, freeze=False).weight.requires_grad


def test_bag_of_another_mode() -> None:
    """``max`` is no pooling of ours."""
    pytest.importorskip("torch")
    with pytest.raises(UsageError) as caught:
        charvec.torch.embedding_bag(VECTORS, mode="max")  # type: ignore[arg-type]
    assert caught.value.code == "E-POOLING"
