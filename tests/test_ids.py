"""Ids of texts, which every adapter's framework takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vector_samples import build

import charvec
from charvec.errors import UsageError

VECTORS = build("a水火😀", np.array([[1, 2], [3, 5], [5, 2], [0, 1]], np.float32))
VOCAB = VECTORS.vocabulary()


def test_ids() -> None:
    """One id a character, astral ones too, padded behind; characters without a vector are unknown, or padding."""
    made = charvec.ids(["水火", "a?😀", ""], VOCAB)
    assert made.dtype == np.int32 and made.tolist() == [[3, 4, 0], [2, 1, 5], [0, 0, 0]]
    assert charvec.ids(["a?😀"], VOCAB, unk=None).tolist() == [[2, 0, 5]]
    assert charvec.ids(iter(["水"]), VOCAB).tolist() == [[3]]


@pytest.mark.parametrize("length", [0, 1, 3, 6, np.int64(3)])
def test_length(length: int) -> None:
    """Texts are cut behind, or padded, to one length."""
    made = charvec.ids(["水火a水", "火"], VOCAB, length=length)
    expected = [[3, 4, 2, 3, 0, 0][:length], [4, 0, 0, 0, 0, 0][:length]]
    assert made.shape == (2, length) and made.tolist() == expected


@pytest.mark.parametrize("length", [None, 5])
def test_no_texts(length: int | None) -> None:
    """No line, and as many columns as were asked for."""
    assert charvec.ids([], VOCAB, length=length).shape == (0, length or 0)


def test_vocabularies() -> None:
    """Both special entries last; a list, whose names are its own; ids with gaps; entries of several characters."""
    vocab = VECTORS.vocabulary(pad_id=-1, unk_id=-2)
    assert charvec.ids(["水?", ""], vocab).tolist() == [[1, 4], [5, 5]]
    assert charvec.ids(["水?"], ["水", "[UNK]", "[PAD]"], pad="[PAD]", unk="[UNK]", length=3).tolist() == [[0, 1, 2]]
    assert charvec.ids(["水火"], {"": 7, "火": 9, "水火": 2}, pad="", unk=None).tolist() == [[7, 9]]


def test_rows_of_the_ids() -> None:
    """They are the rows of matrix_for: with unknown characters as padding, the sum is that of encode."""
    texts = ["水火", "a?😀水水", "?"]
    rows = VECTORS.matrix_for(VOCAB, pad="<PAD>", unk="<UNK>").matrix[charvec.ids(texts, VOCAB, unk=None)]
    assert np.array_equal(rows.sum(axis=1), VECTORS.encode(texts, "sum"))


@pytest.mark.parametrize(
    ("texts", "vocab", "options", "code"),
    [
        ("水", VOCAB, {}, "E-ARGUMENT"),
        ([1], VOCAB, {}, "E-ARGUMENT"),
        ([b"a"], VOCAB, {}, "E-ARGUMENT"),
        (["水"], VOCAB, {"length": -1}, "E-ARGUMENT"),
        (["水"], VOCAB, {"length": 2.0}, "E-ARGUMENT"),
        (["水"], VOCAB, {"length": True}, "E-ARGUMENT"),
        (["水"], VOCAB, {"pad": "[PAD]"}, "E-VOCAB-IDS"),
        (["水"], VOCAB, {"unk": "[UNK]"}, "E-VOCAB-IDS"),
        (["水"], {"<PAD>": 0, "水": 1}, {}, "E-VOCAB-IDS"),
        (["水"], {"<PAD>": 0, "<UNK>": 0}, {}, "E-VOCAB-IDS"),
        (["水"], {"<PAD>": 0, "<UNK>": 2**31}, {}, "E-VOCAB-IDS"),
        (["水"], {"<PAD>", "<UNK>"}, {}, "E-VOCAB-IDS"),
    ],
)
def test_refused(texts: Any, vocab: Any, options: dict[str, Any], code: str) -> None:
    """One text, what is no text, no length, names that are no entries, ids that are no rows."""
    with pytest.raises(UsageError) as caught:
        charvec.ids(texts, vocab, **options)
    assert caught.value.code == code
