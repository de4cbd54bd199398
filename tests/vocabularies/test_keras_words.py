"""Keras's ``tokenizer.json``: each character has the row that ``texts_to_sequences`` gives to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import every
from vocabulary_samples import DATA

import charvec
from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.status import Status

FILES = sorted((DATA / "keras-words").glob("*.json"))


def written(folder: Path, words: dict[str, int], twice: bool = False, **config: Any) -> Path:
    """A file of Keras's, as it is or in a string."""
    own = {"num_words": None, "filters": "!,\t\n", "lower": True, "split": " ", "char_level": False, "oov_token": None}
    document = {"class_name": "Tokenizer", "config": {**own, "word_index": json.dumps(words), **config}}
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.dumps(document) if twice else document, ensure_ascii=False), "utf-8")
    return path


def spelt(path: Path, text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabularies.read(path).spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


@pytest.mark.parametrize("twice", [False, True])
def test_words(twice: bool, tmp_path: Path) -> None:
    """Filters and what stands between words are removed, texts lower-cased; the word for unknown ones has no row."""
    path = written(tmp_path, {"<OOV>": 1, "我": 2, "a": 3, "ab": 4, "B": 5}, twice, oov_token="<OOV>")
    assert vocabularies.read(path).kind == "keras words"
    assert spelt(path, "我aA, \n\u3000b") == [
        *(("exact", (2,)), ("exact", (3,)), ("normalized", (3,))),
        *[("removed", ())] * 3,
        *[("unknown", ())] * 2,
    ]
    assert spelt(path, "B") == [("unreachable", (5,))]


def test_characters(tmp_path: Path) -> None:
    """Nothing is filtered; a character that becomes two when lower-cased has the rows of both, if both have one."""
    path = written(tmp_path, {"i": 1, "\u0307": 2, " ": 3, "!": 4}, char_level=True)
    assert vocabularies.read(path).kind == "keras characters"
    assert spelt(path, "\u0130! ?") == [("composed", (1, 2)), ("exact", (4,)), ("exact", (3,)), ("unknown", ())]
    assert spelt(written(tmp_path, {"i": 1}, char_level=True), "\u0130i") == [("unknown", ()), ("exact", (1,))]
    assert spelt(written(tmp_path, {"A": 1, "a": 2}, char_level=True, lower=False), "Aa") == [
        *(("exact", (1,)), ("exact", (2,)))
    ]


def test_a_number_of_words(tmp_path: Path) -> None:
    """Rows from there on are never used, and the matrix need not have them."""
    path = written(tmp_path, {"我": 1, "你": 2, "他": 3}, num_words=3)
    assert spelt(path, "我你他") == [("exact", (1,)), ("exact", (2,)), ("unknown", ())]
    assert (vocabularies.read(path).size, vocabularies.read(written(tmp_path, {"我": 1})).size) == (3, 2)


def test_an_unknown_word_that_is_a_character(tmp_path: Path) -> None:
    """Its row is no character's."""
    assert spelt(written(tmp_path, {"?": 1, "我": 2}, oov_token="?", char_level=True), "?我") == [
        *(("unknown", ()), ("exact", (2,)))
    ]


def test_a_model_beside_it(tmp_path: Path) -> None:
    """The file is found beside a matrix, whose rows it numbers."""
    written(tmp_path, {"我": 1, "你": 2})
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "embeddings.npy", matrix)
    vectors = charvec.lookup(charvec.open(tmp_path / "embeddings.npy"), "我你我")
    assert "".join(vectors.chars) == "你我"
    assert vectors["我"].tobytes() == matrix[1].tobytes() and vectors["你"].tobytes() == matrix[2].tobytes()


@pytest.mark.parametrize(
    ("config", "code"),
    [
        pytest.param({"word_index": None}, "E-TOKENIZER", id="no-words"),
        pytest.param({"word_index": "[1]"}, "E-TOKENIZER", id="list"),
        pytest.param({"word_index": '{"a": "b"}'}, "E-TOKENIZER", id="text"),
        pytest.param({"word_index": '{"a": -1}'}, "E-TOKENIZER", id="negative"),
        pytest.param({"word_index": '{"a": 1, "a": 2}'}, "E-JSON-DUPKEY", id="dup"),
        pytest.param({"word_index": '{"a": 1'}, "E-TRUNCATED", id="trunc"),
        pytest.param({"word_index": "{}"}, "E-TOKENIZER", id="empty"),
        pytest.param({"num_words": "7"}, "E-TOKENIZER", id="number"),
        pytest.param({"filters": 7}, "E-TOKENIZER", id="filters"),
        pytest.param({"split": ["a"]}, "E-TOKENIZER", id="split"),
        pytest.param({"split": "a" * 101}, "E-TOKENIZER", id="long"),
        pytest.param({"oov_token": 1}, "E-TOKENIZER", id="unknown"),
    ],
)
def test_damage(config: dict[str, Any], code: str, tmp_path: Path) -> None:
    """Each is refused with one of our errors."""
    path = written(tmp_path, {"a": 1}, **config)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert (caught.value.code, caught.value.exit_code) == (code, 65)


def test_casing_cannot_be_changed(tmp_path: Path) -> None:
    """The file says itself whether texts are lower-cased."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(written(tmp_path, {"a": 1}), lowercase=False)
    assert caught.value.code == "E-CASING"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_texts_to_sequences(path: Path) -> None:
    """What the library gives for each character is its rows; what it drops or calls unknown has none."""
    text = pytest.importorskip("keras_preprocessing.text", reason="compares with keras-preprocessing")
    document = path.read_text("utf-8")
    document = json.loads(document) if document[0] == '"' else document
    theirs = text.tokenizer_from_json(document)
    unknown = theirs.word_index.get(theirs.oov_token)
    chosen = every(97)
    spelling = vocabularies.read(path).spell(chosen)
    answers = theirs.texts_to_sequences([chr(codepoint) for codepoint in chosen.tolist()])
    for place, (codepoint, ids) in enumerate(zip(chosen.tolist(), answers, strict=True)):
        rows = tuple(ids) if unknown not in ids else ()
        single = len(chr(codepoint).lower()) == 1
        found = spelling.ids(place) if spelling.status[place] <= Status.BYTES else ()
        assert found == (rows if single or rows == found else ()), hex(codepoint)
