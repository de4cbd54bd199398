"""Vectors as spaCy keeps them: a table of hashes and rows, and a matrix."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import charvec
from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.status import Status
from charvec.vocabularies.spacy_keys import word_hash

DATA = Path(__file__).resolve().parents[1] / "data"
TEXT = "一丁七万丈三上下の가é\U00020bb7a北 \n"


def model(path: Path) -> Path:
    """The folder of a pipeline of spaCy, with the golden vectors."""
    (path / "vocab").mkdir(parents=True)
    for name in ("key2row", "vectors", "vectors.cfg"):
        shutil.copy(DATA / "spacy" / name, path / "vocab" / name)
    (path / "vocab" / "lookups.bin").write_bytes(b"\x80")
    (path / "meta.json").write_text("{}")
    return path


def test_hashes() -> None:
    """As spaCy's own strings.pyx gives them, shorter than eight bytes and longer."""
    known = {"我": 15874136271370048803, "a": 11901859001352538922, "\U00020bb7": 9290575084641464184}
    assert {word: word_hash(word) for word in known} == known


def test_symbols(tmp_path: Path) -> None:
    """X and _ are symbols of spaCy and go by their numbers, also where one comes first; or by a hash."""
    path = tmp_path / "key2row"
    for table, rows in (
        (b"\x82\x65\x03\xcd\x01\xc8\x04", (3, 4)),
        (b"\x82\xcd\x01\xc8\x04\x65\x03", (3, 4)),
        (b"\x82\xcf" + word_hash("X").to_bytes(8, "big") + b"\x05\x65\x03", (5, None)),
    ):
        path.write_bytes(table)
        spelling = vocabularies.read(path).spell(np.array([ord("X"), ord("_"), ord("x"), 101, 456], np.uint32))
        found = [spelling.ids(place) for place in range(5)]
        assert found == [() if row is None else (row,) for row in (*rows, None, None, None)]


@pytest.mark.parametrize("part", ["", "vocab", "vocab/vectors"])
def test_the_folder_of_a_pipeline(part: str, tmp_path: Path) -> None:
    """A character has the row that its hash has in the table; blanks without one are nobody's loss."""
    truth = np.load(DATA / "pytorch" / "A.npy").astype(np.float32)
    vectors = charvec.lookup(charvec.open(model(tmp_path / "nlp") / part), charvec.count(TEXT))
    for row, char in enumerate("一丁七万丈三上下の가é\U00020bb7"):
        assert vectors[char].tobytes() == truth[row].tobytes()
    missing = {each.char: Status(each.status).label for each in vectors.missing}
    assert missing == {"北": "unknown", " ": "removed", "\n": "removed"}


def test_as_spacy_does(tmp_path: Path) -> None:
    """Thousands of words, saved here: the same characters, the same bits."""
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("xx")
    chars = ["X", "_", *(chr(0x4E00 + number) for number in range(0, 20_000, 9))]
    values = np.random.default_rng(3).standard_normal((len(chars), 5)).astype(np.float32)
    for char, value in zip(chars, values, strict=True):
        nlp.vocab.set_vector(char, value)
        nlp.vocab.set_vector(char + "子", value)
    nlp.to_disk(tmp_path / "nlp")
    counts = charvec.count("".join(map(chr, (*range(0x20, 0x7F), *range(0x4E00, 0x9C20)))))
    vectors = charvec.lookup(charvec.open(tmp_path / "nlp"), counts)
    assert vectors.chars == chars
    assert vectors.matrix.tobytes() == values.tobytes()


def test_vectors_of_floret(tmp_path: Path) -> None:
    """Their table is empty, because words are put together from parts: refused by name."""
    folder = model(tmp_path / "nlp") / "vocab"
    (folder / "vectors.cfg").write_text('{"mode":"floret"}')
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "nlp")
    assert (caught.value.code, caught.value.exit_code) == ("E-TOKENIZER-KIND", 65)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-3], "E-TRUNCATED"),
        (lambda data: data + b"\0", "E-VOCAB-ENTRY"),
        (lambda data: data[:20] + b"\xc0" + data[21:], "E-VOCAB-ENTRY"),
        (lambda data: data[:-10] + data[1:10] + data[-1:], "E-VOCAB-ENTRY"),
        (lambda data: b"\x81" + data[1:10] + b"\xcf" + b"\xff" * 8, "E-VOCAB-ENTRY"),
        (lambda data: b"\xdf\xff\xff\xff\xff" + data[1:], "E-VOCAB-ENTRY"),
    ],
    ids=["cut", "longer", "no number", "twice", "no row", "too many"],
)
def test_damaged_tables(change: object, code: str, tmp_path: Path) -> None:
    """Each is told for what it is."""
    data = (DATA / "spacy" / "key2row").read_bytes()
    (tmp_path / "key2row").write_bytes(change(data))  # type: ignore[operator]
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(tmp_path / "key2row")
    assert (caught.value.code, caught.value.exit_code) == (code, 65)
