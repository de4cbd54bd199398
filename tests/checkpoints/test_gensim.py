"""What gensim's own ``save`` writes."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import charvec
from charvec import checkpoints
from charvec.errors import CharvecError
from charvec.status import Status

DATA = Path(__file__).resolve().parents[1] / "data" / "gensim"
TEXT = "我们在水边走北京一二三去 國𠮷한é"


@pytest.mark.parametrize("name", ["words.kv", "protocol2.kv", "apart.kv"])
def test_the_rows_of_words(name: str) -> None:
    """A character has the row of the word that it is, wherever the matrix lies; longer words are nobody's."""
    matrix = np.load(DATA / "apart.kv.vectors.npy")
    model = charvec.open(DATA / name)
    assert (model.tensor.name, model.tensor.shape, model.vocabulary.size) == ("vectors", matrix.shape, len(matrix))
    vectors = charvec.lookup(model, charvec.count(TEXT))
    for char, row in (("我", 0), ("水", 3), ("三", 10), ("國", 15), ("한", 18), ("\U00020bb7", 19)):
        assert vectors[char].tobytes() == matrix[row].tobytes()
    assert {each.char: Status(each.status).label for each in vectors.missing} == {"北": "unknown", "京": "unknown"}


@pytest.mark.parametrize(
    "name", ["words.kv", "protocol2.kv", "apart.kv", "word2vec.model", "apart.model", "doc2vec.model"]
)
def test_as_gensim_reads_them(name: str) -> None:
    """For every character of some text, the same characters and the same bits."""
    models = pytest.importorskip("gensim.models")
    kind = {"kv": "KeyedVectors", "model": "Doc2Vec" if name.startswith("doc") else "Word2Vec"}[name.split(".")[1]]
    theirs = getattr(models, kind).load(str(DATA / name))
    theirs = getattr(theirs, "wv", theirs)
    vectors = charvec.lookup(charvec.open(DATA / name), charvec.count(TEXT))
    assert set(vectors.chars) == {char for char in TEXT if char in theirs}
    assert all(vectors[char].tobytes() == theirs[char].tobytes() for char in vectors.chars)


def test_vectors_saved_here(tmp_path: Path) -> None:
    """Thousands of words, from the folder, with the matrix in the file and beside it."""
    models = pytest.importorskip("gensim.models")
    chars = [chr(0x4E00 + number) for number in range(5000)]
    vectors = models.KeyedVectors(8)
    vectors.add_vectors([*chars, "你好"], np.random.default_rng(1).standard_normal((5001, 8)).astype(np.float32))
    for limit in (1000, 1 << 30):
        folder = tmp_path / str(limit)
        folder.mkdir()
        vectors.save(str(folder / "mine.kv"), sep_limit=limit)
        assert len(list(folder.iterdir())) == 1 + (limit == 1000)
        found = charvec.lookup(charvec.open(folder), charvec.count("".join(chars)))
        assert found.matrix.tobytes() == vectors.vectors[:5000].tobytes()


def test_the_folder_of_a_model(tmp_path: Path) -> None:
    """A single .model in it is taken when gensim wrote it; SentencePiece's are called so, too."""
    (tmp_path / "tokenizer.model").write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02")
    with pytest.raises(CharvecError) as caught:
        checkpoints.locate(tmp_path)
    assert caught.value.code == "E-NO-CHECKPOINT"
    for name in ("apart.model", "apart.model.wv.vectors.npy", "apart.model.syn1neg.npy"):
        shutil.copy(DATA / name, tmp_path / name.replace("apart", "mine"))
    assert charvec.open(tmp_path).checkpoint.path == str(tmp_path / "mine.model")


def test_a_matrix_that_is_not_beside(tmp_path: Path) -> None:
    """Its name and what to do are told."""
    shutil.copy(DATA / "apart.kv", tmp_path / "apart.kv")
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(tmp_path / "apart.kv")
    assert (caught.value.code, caught.value.exit_code) == ("E-SHARD-MISSING", 66)
    assert "apart.kv.vectors.npy" in caught.value.message


def test_fasttext_of_gensim() -> None:
    """It keeps parts of words, not words: refused, with the way to a file that is read."""
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(DATA / "fasttext.model")
    assert (caught.value.code, caught.value.exit_code) == ("E-FORMAT", 65)
    assert "save_facebook_model" in str(caught.value.help)


def saved(monkeypatch: pytest.MonkeyPatch, **attributes: object) -> bytes:
    """A pickle of an object of a class that calls itself gensim's."""
    module = ModuleType("gensim.models.keyedvectors")
    kind = type("KeyedVectors", (), {"__module__": module.__name__})
    module.KeyedVectors = kind  # type: ignore[attr-defined]
    for name in ("gensim", "gensim.models", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    value = kind()
    value.__dict__.update(attributes)
    return pickle.dumps(value, protocol=4)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"index_to_key": ["我"], "vectors": print}, "E-PICKLE-UNSAFE"),
        ({"index_to_key": ["我"]}, "E-FORMAT"),
        ({"vectors": np.ones((1, 2), np.float32)}, "E-FORMAT"),
        ({"index_to_key": [7], "vectors": np.ones((1, 2), np.float32)}, "E-FORMAT"),
        ({"index_to_key": ["我"], "__numpys": ["vectors"]}, "E-SHARD-MISSING"),
        ({"index_to_key": ["我" * 5000] * 5000, "vectors": np.ones((5000, 2), np.float32)}, "E-BOMB"),
    ],
    ids=["a function", "no matrix", "no words", "words that are numbers", "matrix elsewhere", "one word for ever"],
)
def test_objects_of_another_kind(
    attributes: dict[str, object], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by name; nothing in them is called."""
    (tmp_path / "x.kv").write_bytes(saved(monkeypatch, **attributes))
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(tmp_path / "x.kv")
    assert caught.value.code == code


def test_words_of_gensim_3_and_doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list had other names; of a word that stands twice the first row counts, and that is said."""
    matrix = np.arange(8, dtype=np.float32).reshape(4, 2)
    for name in ("index2word", "index2entity"):
        data = saved(monkeypatch, **{name: ["水", "我", "水", "你好"], "syn0": matrix})
        (tmp_path / "x.kv").write_bytes(data)
        model = charvec.open(tmp_path / "x.kv")
        assert charvec.lookup(model, charvec.count("水"))["水"].tolist() == [0, 1]
        assert "W-VOCAB-DUP" in {note.code for note in model.notes}
