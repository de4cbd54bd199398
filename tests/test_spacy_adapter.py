"""Character vectors in spaCy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build, small

import charvec
from charvec.errors import UsageError

spacy = pytest.importorskip("spacy", reason="spaCy is not installed")

VECTORS = build("\0\t\n\r a\u3000水火😀", np.arange(20, dtype=np.float32).reshape(10, 2) ** 2 + 1)


def test_samples_to_similarities(tmp_path: Path) -> None:
    """From samples to what a pipeline says of tokens and texts: what charvec says; saved and loaded, the same again."""
    vectors = charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")
    nlp = spacy.blank("zh")
    charvec.spacy.install(vectors, nlp)
    nlp.to_disk(tmp_path)
    for each in (nlp, spacy.load(tmp_path)):
        doc, other = each("今天下雨"), each("明天有雨")
        for token in doc:
            assert token.has_vector and np.array_equal(token.vector, vectors[token.text])
        np.testing.assert_allclose(doc.vector, vectors.encode("今天下雨"), atol=1e-6)
        assert doc.similarity(other) == pytest.approx(vectors.similarity("今天下雨", "明天有雨"), abs=1e-6)
        assert doc[2].similarity(other[3]) == pytest.approx(vectors.similarity("下", "雨"), abs=1e-6)
        assert each.meta["vectors"] == {
            "width": vectors.dim,
            "vectors": len(vectors),
            "keys": len(vectors),
            "name": "charvec",
            "mode": "default",
        }
        keys, _, scores = each.vocab.vectors.most_similar(vectors["水"][None].copy(), n=6)
        ours = vectors.nearest("水", 5)
        assert [each.vocab.strings[key] for key in keys[0]] == ["水", *(char for char, _ in ours)]
        np.testing.assert_allclose(scores[0][1:], [cosine for _, cosine in ours], atol=1e-4)


def test_every_key(tmp_path: Path) -> None:
    """White space and U+0000 too, through a file as well."""
    made = charvec.spacy.vectors(VECTORS)
    made.to_disk(tmp_path / "vectors")
    for each in (made, spacy.vectors.Vectors().from_disk(tmp_path / "vectors")):
        assert len(each) == each.n_keys == len(VECTORS) and each.data.dtype == np.float32
        for char in VECTORS:
            assert np.array_equal(each[char], VECTORS[char])
    assert {made.strings[key] for key in made} == set(VECTORS.chars)


def test_all_of_unicode() -> None:
    """No two of 1,112,064 characters are the same to spaCy, which knows texts by their hashes."""
    chars = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    strings = spacy.strings.StringStore()
    assert len({strings.add(char) for char in chars}) == len(chars)


@pytest.mark.parametrize("dtype", ["float16", "int8", "pq:2"])
def test_narrow_types(dtype: str) -> None:
    """Stored narrow, given as float32, which is all that spaCy takes."""
    narrow = small().astype(dtype)
    made = charvec.spacy.vectors(narrow)
    assert made.data.dtype == np.float32
    for char in narrow:
        assert np.array_equal(made[char], narrow[char])


def test_unknown_characters() -> None:
    """They are zeros, and doc.vector counts them: the same direction as encode, but shorter."""
    nlp = spacy.blank("zh")
    charvec.spacy.install(VECTORS, nlp.vocab)
    doc = nlp("水火龘龘")
    assert not doc[2].has_vector and not doc[2].vector.any()
    np.testing.assert_allclose(doc.vector * 2, VECTORS.encode("水火龘龘"), rtol=1e-6)
    assert [token.text for token in nlp("水 火")] == ["水", "火"]  # the space belongs to the token before it


def test_a_pipeline_in_use() -> None:
    """What it knew before is replaced, and ranks are rows, as spaCy's own loading leaves them."""
    nlp = spacy.blank("zh")
    nlp("水龘")
    charvec.spacy.install(small(), nlp)
    charvec.spacy.install(VECTORS, nlp, name="mine")
    assert nlp.vocab.vectors.shape == (10, 2) and nlp.vocab.vectors.name == "mine"
    assert nlp.vocab["水"].rank == VECTORS.chars.index("水")
    assert nlp.vocab["龘"].rank == spacy.util.OOV_RANK == nlp.vocab["一"].rank
    assert nlp.vocab["水"].vector.tolist() == VECTORS["水"].tolist()


def test_a_vocabulary_of_ones_own() -> None:
    """Row i is the entry with id i; entries may leave gaps."""
    made = charvec.spacy.vectors(VECTORS, {"<PAD>": 4, "水": 0, "?": 2, "a": 1}, pad="<PAD>", unk="?")
    assert made.shape == (5, 2) and made.find(key="水") == 0 and made["<PAD>"].tolist() == [0, 0]
    np.testing.assert_allclose(made["?"], VECTORS.matrix.mean(axis=0))
    assert made.find(key="火") == -1
    assert not made.data[3].any()


def test_it_is_a_copy() -> None:
    """What spaCy does to it leaves our vectors alone."""
    made = charvec.spacy.vectors(VECTORS)
    made.data[:] = 0
    made.resize((11, 2))
    made.add("new", vector=np.ones(2, np.float32))
    assert made["new"].tolist() == [1, 1] and VECTORS["a"].tolist() == [101, 122]


def test_it_trains() -> None:
    """A tagger that looks at these vectors learns from them."""
    nlp = spacy.blank("zh")
    charvec.spacy.install(VECTORS, nlp)
    nlp.add_pipe(
        "tagger",
        config={
            "model": {
                "@architectures": "spacy.Tagger.v2",
                "tok2vec": {
                    "@architectures": "spacy.HashEmbedCNN.v2",
                    "width": 8,
                    "depth": 1,
                    "embed_size": 8,
                    "window_size": 1,
                    "maxout_pieces": 2,
                    "subword_features": False,
                    "pretrained_vectors": True,
                },
            }
        },
    )
    examples = [
        spacy.training.Example.from_dict(nlp.make_doc(text), {"tags": list(tags)})
        for text, tags in (("水火水a", "XYXX"), ("火a", "YX"))
    ]
    nlp.initialize(lambda: examples)
    losses = [nlp.update(examples)["tagger"] for _ in range(20)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: charvec.spacy.vectors(VECTORS, pad="<PAD>"), "E-ARGUMENT"),
        (lambda: charvec.spacy.vectors(VECTORS, ["水"], pad_id=0), "E-ARGUMENT"),
        (lambda: charvec.spacy.vectors(VECTORS, ["水", "水"]), "E-VOCAB-IDS"),
        (lambda: charvec.spacy.install(VECTORS, "zh"), "E-ARGUMENT"),
    ],
)
def test_refused(call: Any, code: str) -> None:
    """Options that would be ignored, an entry with two rows, and what is no pipeline."""
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code
