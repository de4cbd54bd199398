"""Character vectors in gensim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vector_samples import ROOT, build, small

import charvec
from charvec.errors import UsageError

pytest.importorskip("gensim", reason="gensim is not installed")
from gensim.models import KeyedVectors

VECTORS = replace(
    build(" a\u3000水火", np.array([[1, 2], [3, 5], [0.5, 2], [4, -1], [5, 2]], np.float32)),
    counts=np.array([3, 2**60, 3, 2**60 + 1, 9], np.uint64),
)


def test_samples_to_similarities(tmp_path: Path) -> None:
    """From samples to the neighbours that gensim finds: the same as ours; saved and loaded, the same again."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")
    made = charvec.gensim.keyed_vectors(vectors)
    assert set(made.index_to_key) == set(vectors) and made.vectors.dtype == np.float32
    ours, theirs = vectors.nearest("水", 5), made.most_similar("水", topn=5)
    assert [char for char, _ in ours] == [char for char, _ in theirs]
    np.testing.assert_allclose([cosine for _, cosine in ours], [cosine for _, cosine in theirs], atol=1e-6)
    made.save(str(tmp_path / "zh.kv"))
    again = KeyedVectors.load(str(tmp_path / "zh.kv"))
    assert again.index_to_key == made.index_to_key and np.array_equal(again.vectors, made.vectors)
    for char, count in zip(vectors.chars, vectors.counts.tolist(), strict=True):
        assert np.array_equal(again[char], vectors[char]) and again.get_vecattr(char, "count") == count


def test_commonest_first() -> None:
    """gensim's own order, told apart beyond 2**53, and by code point where counts are equal."""
    assert charvec.gensim.keyed_vectors(VECTORS).index_to_key == ["水", "a", "火", " ", "\u3000"]


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32, also keys that gensim's text files cannot hold."""
    narrow = small().astype(dtype) if dtype == "float16" else VECTORS.astype(dtype)
    made = charvec.gensim.keyed_vectors(narrow)
    for char in narrow:
        assert np.array_equal(made[char], narrow[char])


def test_a_vocabulary_of_ones_own() -> None:
    """Index i is the entry with id i; the row of padding is zeros."""
    made = charvec.gensim.keyed_vectors(VECTORS, {"<PAD>": 2, "水": 0, "?": 3, "a": 1}, pad="<PAD>", unk="?")
    assert made.index_to_key == ["水", "a", "<PAD>", "?"] and made["<PAD>"].tolist() == [0, 0]
    np.testing.assert_allclose(made["?"], VECTORS.matrix.mean(axis=0))
    assert made.get_vecattr("水", "count") == 2**60 + 1 and made.get_vecattr("?", "count") == 0
    assert charvec.gensim.keyed_vectors(VECTORS, "火水").index_to_key == ["火", "水"]


def test_it_is_a_copy() -> None:
    """What gensim does to it leaves our vectors alone."""
    made = charvec.gensim.keyed_vectors(VECTORS)
    made.vectors[:] = 0
    made.add_vectors(["new"], np.ones((1, 2), np.float32))
    assert made["new"].tolist() == [1, 1] and VECTORS["水"].tolist() == [4, -1]


@pytest.mark.parametrize(
    ("arguments", "options", "code"),
    [
        (({"水": 1},), {}, "E-VOCAB-IDS"),
        ((["水", "水"],), {}, "E-VOCAB-IDS"),
        ((), {"pad": "<PAD>"}, "E-ARGUMENT"),
        ((["水"],), {"pad_id": 0}, "E-ARGUMENT"),
    ],
)
def test_refused(arguments: tuple[object, ...], options: dict[str, object], code: str) -> None:
    """Rows without a key, one key for two rows, and options that would be ignored."""
    with pytest.raises(UsageError) as caught:
        charvec.gensim.keyed_vectors(VECTORS, *arguments, **options)
    assert caught.value.code == code
