"""Tokens added to a vocabulary later, in a file beside its pieces."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
from vocabulary_samples import DATA

import charvec
from charvec import vocabularies
from charvec.embedding import bundled_model
from charvec.errors import CharvecError
from charvec.status import Status
from charvec.vocabulary import Vocabulary

LIST = DATA / "wordpiece" / "vocab.txt"
PIECES = len(LIST.read_bytes().split(b"\n")) - 1
#: A character, another beyond U+FFFF, a mark, a word of its own, and a token of several characters.
DECODER = {
    str(PIECES): {"content": "龘"},
    str(PIECES + 1): {"content": "\U00020b9f", "special": False},
    str(PIECES + 2): {"content": "〓", "special": True},
    str(PIECES + 3): {"content": "麤", "single_word": True},
    str(PIECES + 4): {"content": "[E1]"},
}
TEXT = "龘\U00020b9f〓麤我"


def spelt(vocabulary: Vocabulary, text: str) -> list[tuple[Status, tuple[int, ...]]]:
    """Status and row ids of each character."""
    spelling = vocabulary.spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(status), spelling.ids(place)) for place, status in enumerate(spelling.status.tolist())]


def folder(path: Path, **files: Any) -> Path:
    """A folder with the list of pieces, and JSON files beside it."""
    path.mkdir(exist_ok=True)
    (path / "vocab.txt").write_bytes(LIST.read_bytes())
    for name, value in files.items():
        (path / f"{name}.json").write_text(json.dumps(value))
    return path / "vocab.txt"


def test_characters_added_to_a_list(tmp_path: Path) -> None:
    """A token of one character is that character's row; marks, words of their own and longer tokens are nobody's."""
    plain = spelt(vocabularies.read(LIST), TEXT)
    assert [status for status, _ in plain[:4]] == [Status.UNKNOWN] * 4
    vocabulary = vocabularies.read(folder(tmp_path, tokenizer_config={"added_tokens_decoder": DECODER}))
    expected = [(Status.EXACT, (PIECES,)), (Status.EXACT, (PIECES + 1,)), *plain[2:]]
    assert spelt(vocabulary, TEXT) == expected
    assert (vocabulary.size, vocabulary.extended) == (PIECES, PIECES + 5)


def test_added_tokens_as_older_files_keep_them(tmp_path: Path) -> None:
    """added_tokens.json counts where tokenizer_config.json lists none, and only there, as in transformers."""
    added = {"龘": PIECES + 7, "[E1]": PIECES + 8}
    vocabulary = vocabularies.read(folder(tmp_path / "old", added_tokens=added))
    assert spelt(vocabulary, "龘") == [(Status.EXACT, (PIECES + 7,))]
    assert vocabulary.extended == PIECES + 9
    both = folder(tmp_path / "new", added_tokens=added, tokenizer_config={"added_tokens_decoder": DECODER})
    assert spelt(vocabularies.read(both), "龘") == [(Status.EXACT, (PIECES,))]


@pytest.mark.parametrize(
    "files",
    [
        {"added_tokens": {"龘": -1}},
        {"added_tokens": {"龘": "7"}},
        {"added_tokens": {"龘": 1 << 40}},
        {"tokenizer_config": {"added_tokens_decoder": {"x": {"content": "龘"}}}},
        {"tokenizer_config": {"added_tokens_decoder": {"7": "龘"}}},
    ],
)
def test_damaged_lists_of_added_tokens(files: dict[str, Any], tmp_path: Path) -> None:
    """What is no token with a row is refused, not passed over."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(folder(tmp_path, **files))
    assert (caught.value.code, caught.value.exit_code) == ("E-TOKENIZER", 65)


def test_the_rows_of_added_characters(tmp_path: Path) -> None:
    """They come from the matrix like any other, without a word about padding; one beyond it has no row."""
    folder(tmp_path, tokenizer_config={"added_tokens_decoder": DECODER})
    matrix = np.arange((PIECES + 5) * 4, dtype=np.float32).reshape(-1, 4)
    np.save(tmp_path / "matrix.npy", matrix)
    model = charvec.open(tmp_path / "matrix.npy")
    assert "W-VOCAB-PADDED" not in {note.code for note in model.notes}
    vectors = charvec.lookup(model, charvec.count("龘我"))
    assert vectors["龘"].tolist() == matrix[PIECES].tolist()
    np.save(tmp_path / "matrix.npy", matrix[:PIECES])
    vectors = charvec.lookup(charvec.open(tmp_path / "matrix.npy"), charvec.count("龘我"))
    assert [(each.char, Status(each.status)) for each in vectors.missing] == [("龘", Status.NO_ROW)]


@pytest.mark.parametrize("escaped", [False, True])
def test_a_tokenizer_that_knows_more_than_the_list(escaped: bool, tmp_path: Path) -> None:
    """tokenizer.json is taken before vocab.txt when characters were added to it; for marks the list will do."""
    document: dict[str, Any] = json.loads((DATA / "tokenizer-json" / "wordpiece.json").read_text())
    path = folder(tmp_path)
    beside = tmp_path / "tokenizer.json"
    beside.write_text(json.dumps(document, ensure_ascii=escaped))
    assert vocabularies.locate(str(tmp_path)) == str(path)
    document["added_tokens"].append(
        {**document["added_tokens"][0], "id": PIECES, "content": "\U00020b9f", "special": False}
    )
    beside.write_text(json.dumps(document, ensure_ascii=escaped))
    assert vocabularies.locate(str(tmp_path)) == str(beside)
    assert spelt(vocabularies.read(beside), "\U00020b9f") == [(Status.EXACT, (PIECES,))]


@pytest.mark.parametrize("name", ["BertJapaneseTokenizer", "M2M100Tokenizer", "SiglipTokenizer"])
def test_as_transformers_does(name: str, tmp_path: Path) -> None:
    """Of tokenizers written in Python, which keep added tokens beside their pieces, each has the row it is given."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentencepiece")
    source = tmp_path / "source"
    source.mkdir()
    if name == "BertJapaneseTokenizer":
        tokenizer = transformers.BertJapaneseTokenizer(str(folder(source)))
    else:
        model = source / ("spiece.model" if name == "SiglipTokenizer" else "sentencepiece.bpe.model")
        model.write_bytes((DATA / "sentencepiece" / "unigram.model").read_bytes())
        pieces = vocabularies.read(model, lowercase=None).size if name == "SiglipTokenizer" else 4
        numbers = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": pieces}
        (source / "vocab.json").write_text(json.dumps(numbers))
        tokenizer = getattr(transformers, name).from_pretrained(str(source))
    tokenizer.add_tokens(["龘", "\U00020b9f"])
    out = tmp_path / "out"
    tokenizer.save_pretrained(str(out))
    (out / "config.json").write_text("{}")
    vocabulary = vocabularies.read(vocabularies.locate(str(out)))
    for char in "龘\U00020b9f":
        row = tokenizer.convert_tokens_to_ids(char)
        assert row in tokenizer(f"a{char}a", add_special_tokens=False)["input_ids"]
        assert spelt(vocabulary, char) == [(Status.EXACT, (row,))]


def test_a_list_with_added_characters_is_not_trimmed(tmp_path: Path) -> None:
    """What is trimmed is the list alone, which lacks them: refused, with what to do."""
    bundled = Path(bundled_model())
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        copy(bundled / name, tmp_path / name)
    rows = charvec.open(tmp_path).tensor.rows
    (tmp_path / "added_tokens.json").write_text(json.dumps({"龘": rows}))
    with pytest.raises(CharvecError) as caught:
        charvec.trim(charvec.open(tmp_path), charvec.count("水龘"), tmp_path / "out")
    assert caught.value.code == "E-TRIM-TOKENIZER"
    assert "added in another file" in caught.value.message
