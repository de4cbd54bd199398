"""Matrices for other models' vocabularies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from vector_samples import build

import charvec
from charvec.errors import UsageError, WrongFile

ROWS = np.array([[1, 2], [3, 5], [5, 2]], np.float32)
THREE = build("a水火", ROWS)
MEAN = ROWS.mean(axis=0)


def test_dictionary() -> None:
    """Rows by id, zeros for padding, gaps and unknown entries, and what was found."""
    matrix, report = THREE.matrix_for({"火": 5, "<PAD>": 0, "词语": 2, "a": 1}, pad="<PAD>")
    assert matrix.dtype == np.float32 and matrix.tolist() == [[0, 0], [1, 2], [0, 0], [0, 0], [0, 0], [5, 2]]
    assert report == {"found": ["火", "a"], "missing": ["词语"]}


def test_sequences() -> None:
    """Positions are ids; a text is a sequence of characters; an entry may stand twice; no entries."""
    assert THREE.matrix_for(["x", "a", "a"]).matrix.tolist() == [[0, 0], [1, 2], [1, 2]]
    assert THREE.matrix_for("水a").matrix.tolist() == [[3, 5], [1, 2]]
    assert THREE.matrix_for([]).matrix.shape == (0, 2) == THREE.matrix_for({}).matrix.shape
    assert THREE.matrix_for({"a": np.int64(1)}).matrix.tolist() == [[0, 0], [1, 2]]


def test_unknown_entry() -> None:
    """The mean, or its own row if it is a character; padding that is a character is still zeros."""
    assert np.allclose(THREE.matrix_for(["<UNK>", "a"], unk="<UNK>").matrix, [MEAN, [1, 2]])
    assert THREE.matrix_for(["水", "a"], unk="水", pad="a").matrix.tolist() == [[3, 5], [0, 0]]
    assert THREE.matrix_for(["水"], unk="水").found == ()
    assert THREE.matrix_for(["水"], unk="水", pad="水").matrix.tolist() == [[0, 0]]


def test_missing() -> None:
    """What entries without a vector get."""
    vocab = ["<PAD>", "<UNK>", "a", "x", "y"]
    special: dict[str, Any] = {"pad": "<PAD>", "unk": "<UNK>"}
    for mode in ("unk", "mean"):
        matrix = THREE.matrix_for(vocab, missing=mode, **special).matrix
        assert not matrix[0].any() and np.allclose(matrix[[1, 3, 4]], MEAN) and matrix[2].tolist() == [1, 2]
    assert THREE.matrix_for(["水", "x"], unk="水", missing="unk").matrix.tolist() == [[3, 5], [3, 5]]
    assert np.allclose(THREE.matrix_for(["水", "x"], unk="水", missing="mean").matrix, [[3, 5], MEAN])
    with pytest.raises(WrongFile) as caught:
        THREE.matrix_for(vocab, missing="error", **special)
    assert caught.value.code == "E-NO-VECTOR" and caught.value.found == "'x', 'y'"
    assert THREE.matrix_for(vocab[:3], missing="error", **special).found == ("a",)


def test_normal() -> None:
    """Drawn with the mean and deviation of the found rows; the seed decides."""
    vocab = ["a", "水", "火", *map(str, range(20_000))]
    matrix = THREE.matrix_for(vocab, missing="normal", seed=3).matrix
    assert np.array_equal(matrix, THREE.matrix_for(vocab, missing="normal", seed=3).matrix)
    assert not np.array_equal(matrix, THREE.matrix_for(vocab, missing="normal", seed=4).matrix)
    np.testing.assert_allclose(matrix[3:].mean(axis=0), MEAN, atol=0.06)
    np.testing.assert_allclose(matrix[3:].std(axis=0), ROWS.std(axis=0), rtol=0.03)


def test_not_finite_rows_spoil_no_mean() -> None:
    """One NaN in the vectors does not make the unknown entry NaN."""
    odd = build("abc", np.array([[1, 2], [np.nan, 0], [3, 4]], np.float32))
    for mode in ("unk", "mean", "normal"):
        assert np.isfinite(odd.matrix_for(["a", "c", "x", "?"], unk="?", missing=mode).matrix).all()
    assert odd.matrix_for(["?"], unk="?").matrix.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    "vocab",
    [
        {"a": -1},
        {"a": 1.0},
        {"a": "1"},
        {"a": True},
        {"a": None},
        {"a": 1, "b": 1},
        {"a": 1, "b": np.int64(1)},
        {"a", "b"},
        frozenset("ab"),
    ],
)
def test_ids(vocab: Any) -> None:
    """Ids that are no rows."""
    with pytest.raises(UsageError) as caught:
        THREE.matrix_for(vocab)
    assert caught.value.code == "E-VOCAB-IDS"


@pytest.mark.parametrize(
    ("special", "help"),
    [
        ({"pad": "[PAD]"}, "did you mean '<PAD>'?"),
        ({"unk": "<UNKNOWN>"}, "did you mean '<UNK>'?"),
        ({"pad": "zzz"}, "name an entry, or leave pad out"),
    ],
)
def test_special_names_that_are_no_entries(special: dict[str, Any], help: str) -> None:
    """A slip in the name of a special entry is no silent row of zeros."""
    with pytest.raises(UsageError) as caught:
        THREE.matrix_for(["<PAD>", "<UNK>", "a"], **special)
    assert caught.value.code == "E-VOCAB-IDS" and caught.value.help == help


@pytest.mark.parametrize("largest", [10**12, 2**63, 2**70, 10_000_101])
def test_ids_beyond_measure(largest: int) -> None:
    """Ids that are hashes or the like are named, before memory runs out."""
    with pytest.raises(UsageError) as caught:
        THREE.matrix_for({"a": 0, "水": largest})
    assert caught.value.code == "E-VOCAB-IDS" and "'水'" in caught.value.message


def test_keys_of_a_dictionary() -> None:
    """They have an order, unlike other sets."""
    assert THREE.matrix_for({"水": 7, "a": 9}.keys()).matrix.tolist() == [[3, 5], [1, 2]]


@pytest.mark.parametrize("vocab", [["a", "x", "y"], ["x", "y"]])
def test_normal_of_too_few(vocab: list[str]) -> None:
    """One row has no deviation: then all rows of the vectors say what is normal."""
    matrix = THREE.matrix_for([*vocab, *map(str, range(20_000))], missing="normal").matrix
    assert not np.array_equal(matrix[-1], matrix[-2])
    np.testing.assert_allclose(matrix[2:].std(axis=0), ROWS.std(axis=0), rtol=0.03)


def test_missing_word() -> None:
    """Another word for missing."""
    with pytest.raises(UsageError) as caught:
        THREE.matrix_for(["a"], missing="random")  # type: ignore[arg-type]
    assert caught.value.code == "E-MISSING"


def test_vocabulary() -> None:
    """Pad 0, unknown 1, characters by code point; names that would take a character's id are refused."""
    assert THREE.vocabulary() == {"<PAD>": 0, "<UNK>": 1, "a": 2, "水": 3, "火": 4}
    assert list(THREE.vocabulary("[PAD]", "[UNK]"))[:2] == ["[PAD]", "[UNK]"]
    for pad, unk in (("水", "<UNK>"), ("<PAD>", "a"), ("x", "x")):
        with pytest.raises(UsageError) as caught:
            THREE.vocabulary(pad, unk)
        assert caught.value.code == "E-VOCAB-IDS"


@given(pad=st.integers(-5, 4), unk=st.integers(-5, 4))
def test_positions_in_the_vocabulary(pad: int, unk: int) -> None:
    """The special entries are where they were put, and the others keep their order around them."""
    if pad % 5 == unk % 5:
        with pytest.raises(UsageError, match="E-VOCAB-IDS"):
            THREE.vocabulary(pad_id=pad, unk_id=unk)
        return
    vocab = THREE.vocabulary(pad_id=pad, unk_id=unk)
    assert list(vocab.values()) == list(range(5))
    assert (vocab["<PAD>"], vocab["<UNK>"]) == (pad % 5, unk % 5)
    assert [piece for piece in vocab if len(piece) == 1] == ["a", "水", "火"]


@pytest.mark.parametrize("pad_id", [5, -6, 1, True, 0.0, None])
def test_positions_that_are_none(pad_id: Any) -> None:
    """Outside the vocabulary, taken, or no whole number."""
    with pytest.raises(UsageError, match="E-VOCAB-IDS"):
        THREE.vocabulary(pad_id=pad_id)


def test_result_is_ones_own() -> None:
    """Changing the matrix changes nothing else."""
    THREE.matrix_for(["a"]).matrix[:] = 9
    assert THREE["a"].tolist() == [1, 2]


class Numbered:
    """A vocabulary as torchtext has it: entries by text, ``get_stoi``, and neither a mapping nor a sequence."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, piece: str) -> int:
        return self.get_stoi()[piece]

    def get_stoi(self) -> dict[str, int]:
        return {"水": 2, "<unk>": 0, "a": 1}


def assert_taken(vocab: Any, entries: dict[str, int], pad: str) -> None:
    """It is what a dictionary of its entries is, in the order of the ids, for a matrix as for ids of texts."""
    ours, theirs = (THREE.matrix_for(each, pad=pad) for each in (entries, vocab))
    assert ours.matrix.any() and np.array_equal(ours.matrix, theirs.matrix)
    assert theirs.found == tuple(sorted(ours.found, key=entries.__getitem__))
    assert np.array_equal(charvec.ids(["水a"], vocab, pad=pad, unk=None), [[entries["水"], entries["a"]]])


def test_vocabularies_of_other_libraries() -> None:
    """What gives its entries with get_stoi or get_vocab is taken as it is."""
    assert_taken(Numbered(), Numbered().get_stoi(), "<unk>")
    pieces = {"[PAD]": 0, "[UNK]": 1, "水": 2, "a": 3, "火": 4}
    assert_taken(Tokenizer(WordLevel(pieces, unk_token="[UNK]")), pieces, "[PAD]")


def test_tokenizers_of_transformers(tmp_path: Path) -> None:
    """Both of BERT's."""
    transformers = pytest.importorskip("transformers")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "水", "a", "火"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    for name in ("BertTokenizer", "BertTokenizerFast"):
        tokenizer = getattr(transformers, name).from_pretrained(tmp_path)
        assert_taken(tokenizer, {piece: row for row, piece in enumerate(pieces)}, "[PAD]")


@pytest.mark.parametrize("vocab", [object(), 7, iter("ab"), Numbered, type("No", (), {"get_vocab": lambda self: 3})()])
def test_what_is_no_vocabulary(vocab: Any) -> None:
    """It is named by its type, with what would be one."""
    with pytest.raises(UsageError) as caught:
        THREE.matrix_for(vocab)
    assert caught.value.code == "E-VOCAB-IDS" and type(vocab).__name__ in caught.value.message
    assert "get_vocab()" in caught.value.help
