"""Word vectors as text and binary: against gensim, the C tool, generated files, and what only looks like them."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import charvec
from charvec import checkpoints
from charvec.checkpoints import word2vec_binary, word2vec_text
from charvec.errors import CharvecError
from charvec.plumbing.arrays import entries
from charvec.plumbing.arrays.word_vectors import is_number, numbers
from charvec.plumbing.files import File
from charvec.rows import read_rows
from charvec.status import Status
from charvec.tensor import Checkpoint

DATA = Path(__file__).resolve().parents[1] / "data"
TEXT, BINARY = DATA / "word2vec-text", DATA / "word2vec-binary"
GENSIM = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "gensim"
WORDS = ["我", "</s>", "的", "\u00a0", "中国", "\u3000", "\u2028", "😂", "𠀀", "a"]
WORDS += ["\ufeff", "0", "x" * 300, "\t", "水"]
SINGLE = [word for word in WORDS if len(word) == 1]


def matrix_of(checkpoint: Checkpoint) -> NDArray[np.float32]:
    """All rows."""
    (tensor,) = checkpoint.tensors.values()
    return read_rows(tensor, np.arange(tensor.rows))[0]


def sniffed(path: Path) -> list[str]:
    """Who takes the file for theirs."""
    with File(path) as file:
        return [member.NAME for member in checkpoints.members() if member.sniff(file)]


@pytest.mark.parametrize("path", [TEXT / "gensim.vec", TEXT / "headless.vec", BINARY / "gensim.bin"], ids=str)
def test_files_of_gensim(path: Path) -> None:
    """Every row, and every character, bit for bit as it was before gensim wrote it."""
    expected = np.load(TEXT / "gensim.npy")
    assert matrix_of(checkpoints.read(path)).tobytes() == expected.tobytes()
    model = charvec.open(path)
    assert (model.tensor.shape, model.vocabulary.size, model.notes) == ((15, 5), 15, ())
    vectors = charvec.lookup(model, SINGLE)
    assert sorted(vectors) == sorted(SINGLE)
    for char in SINGLE:
        assert vectors[char].tobytes() == expected[WORDS.index(char)].tobytes()


def test_files_of_the_c_tool() -> None:
    """One training, written as text of six decimals and as binary."""
    text, binary = charvec.open(TEXT / "tool.vec"), charvec.open(BINARY / "tool.bin")
    assert text.vocabulary.digest != "" and text.vocabulary.size == binary.vocabulary.size == 72
    assert np.abs(matrix_of(text.checkpoint) - matrix_of(binary.checkpoint)).max() <= 5e-7
    chars = (TEXT / "tool.vec").read_text("utf-8").split("\n")[1:-1]
    rows = {line.split(" ")[0]: place for place, line in enumerate(chars)}
    for model in (text, binary):
        spelling = model.vocabulary.spell(np.array(sorted(ord(char) for char in rows if len(char) == 1), np.uint32))
        assert (spelling.status == Status.EXACT).all()
        assert spelling.row_ids.tolist() == [rows[char] for char in sorted(rows) if len(char) == 1]


@pytest.mark.skipif(not GENSIM.exists(), reason="needs the test files of gensim")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("crime-and-punishment.vec", {}),
        ("lee_fasttext.vec", {}),
        ("toy-model.vec", {}),
        ("high_precision.kv.txt", {}),
        ("high_precision.kv.bin", {"binary": True}),
        ("euclidean_vectors.bin", {"binary": True}),
    ],
)
def test_against_gensim(name: str, options: dict[str, Any]) -> None:
    """Its own test files, by its own reader."""
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors", reason="gensim is not installed")
    keyed = keyedvectors.KeyedVectors.load_word2vec_format(GENSIM / name, **options)
    model = charvec.open(GENSIM / name)
    assert matrix_of(model.checkpoint).tobytes() == keyed.vectors.tobytes()
    single = [word for word in keyed.key_to_index if len(word) == 1]
    vectors = charvec.lookup(model, single) if single else {}
    for char in single:
        assert vectors[char].tobytes() == keyed[char].tobytes()


@pytest.mark.skipif(not GENSIM.exists(), reason="needs the test files of gensim")
def test_words_that_are_not_utf_8() -> None:
    """They keep their rows and are told of; gensim refuses the file."""
    model = charvec.open(GENSIM / "w2v_keyedvectors_load_test.modeldata")
    assert [note.code for note in model.notes] == ["W-TOKEN-BYTES"]
    assert matrix_of(model.checkpoint).tolist() == np.array([[0.6, 0.6, 0.6], [0.1, 0.2, 0.3]], np.float32).tolist()


def test_long_runs_of_blanks(tmp_path: Path) -> None:
    """They are passed over at once: a step for each byte would take minutes in a hostile file."""
    path = tmp_path / "words.txt"
    path.write_bytes(b"3 2\n" + b"\n".join(word + b" 0.5 2" + b" \t" * 50_000 for word in (b"a", b"b", b"cd")) + b"\n")
    steps = 0

    def stepped(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return stepped if frame.f_code is word2vec_text._take.__code__ else None

    before = sys.gettrace()
    sys.settrace(stepped)
    try:
        model = charvec.open(path)
    finally:
        sys.settrace(before)
    assert matrix_of(model.checkpoint).tolist() == [[0.5, 2]] * 3
    assert 0 < steps < 100


ALPHABET = "我你的中水火字abcA0，。\u00a0\u3000\u2028\u2029\u0085\x0b\x0c\x1c\t\r😂𠀀\ufeff\u0301\0é"


def random_words(generator: random.Random, *, spaces: bool) -> list[str]:
    """Distinct words, most of one character; some hold spaces."""
    words = {"".join(generator.choices(ALPHABET, k=generator.choice((1, 1, 1, 2, 3, 9)))) for _ in range(40)}
    if spaces:
        words |= {"a b", ". . .", "at 7", " ", "  "}
    # a carriage return before the line end would be taken for a part of it in a word, were words at the line end
    return generator.sample(sorted(words), generator.randrange(3, len(words)))


def random_matrix(generator: random.Random, rows: int, columns: int) -> NDArray[np.float32]:
    """Every kind of float32."""
    values = np.array([[generator.gauss(0, 1) for _ in range(columns)] for _ in range(rows)], np.float32)
    values.flat[generator.randrange(values.size)] = generator.choice((0, -0.0, 1e-45, 3.4028235e38, 1e-7, 123456.78))
    return values


@pytest.mark.parametrize("seed", range(200))
def test_generated_texts(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without header, blanks behind the line, tabs, and CR; read in small portions."""
    generator = random.Random(seed)
    monkeypatch.setattr(entries, "CHUNK", generator.choice((1, 64, 1000)))
    monkeypatch.setattr(entries, "GAP", generator.choice((0, 30, 1000)))
    monkeypatch.setattr(entries, "RUN", generator.choice((1, 100, 1000)))
    monkeypatch.setattr(word2vec_text, "PORTION", generator.choice((7, 200, 4000)))
    separator, lead = generator.choice(((" ", " "), (" ", " "), ("\t", "\t"), (" ", "\t")))
    header = generator.random() < 0.6
    words = random_words(generator, spaces=separator == lead == " ")
    if "\t" in separator + lead:
        words = [word for word in words if "\t" not in word and " " not in word]
    if not header:
        words = ["我", *(word for word in words if word != "我")]
    columns = generator.randrange(1 if header and separator == lead else 3, 12)
    matrix = random_matrix(generator, len(words), columns)
    spelt = generator.choice((repr, lambda value: f"{value:.9g}", lambda value: f"{value:.17e}"))
    behind = generator.choice(("", " ", "\r", " \r"))
    lines = [
        word + lead + separator.join(spelt(float(value)) for value in row) + behind
        for word, row in zip(words, matrix, strict=True)
    ]
    if header:
        lines.insert(0, f"{len(words)} {columns}" + generator.choice(("", " ")))
    path = tmp_path / "words"
    path.write_bytes("\n".join(lines).encode() + generator.choice((b"\n", b"")))
    assert sniffed(path) == ["word2vec-text"]
    model = charvec.open(path)
    assert matrix_of(model.checkpoint).tobytes() == matrix.tobytes()
    check_characters(model, words, matrix)


@pytest.mark.parametrize("seed", range(150))
def test_generated_binaries(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without a line end behind each vector; read in small portions."""
    generator = random.Random(seed)
    monkeypatch.setattr(entries, "CHUNK", generator.choice((1, 64, 1000)))
    monkeypatch.setattr(entries, "GAP", generator.choice((0, 30, 1000)))
    monkeypatch.setattr(entries, "RUN", generator.choice((1, 100, 1000)))
    monkeypatch.setattr(word2vec_binary, "PORTION", generator.choice((7, 200, 4000)))
    words = random_words(generator, spaces=False)
    matrix = random_matrix(generator, len(words), generator.randrange(4, 12))
    behind = generator.choice((b"", b"\n"))
    body = b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + behind for word, row in zip(words, matrix, strict=True)
    )
    path = tmp_path / "words"
    path.write_bytes(b"%d %d\n" % matrix.shape + body)
    assert sniffed(path) == ["word2vec-binary"]
    model = charvec.open(path)
    assert matrix_of(model.checkpoint).tobytes() == matrix.tobytes()
    check_characters(model, words, matrix)


def check_characters(model: charvec.TokenEmbedding, words: list[str], matrix: NDArray[np.float32]) -> None:
    """Every one-character word has its row, every other character none."""
    single = [word for word in words if len(word) == 1]
    vectors = charvec.lookup(model, {*single, "龘", "z"})
    assert sorted(vectors) == sorted(single)
    assert {entry.status for entry in vectors.missing} == {Status.UNKNOWN}
    for char in single:
        assert vectors[char].tobytes() == matrix[words.index(char)].tobytes()
        assert vectors.rows[vectors.chars.index(char)] == (words.index(char),)


def test_numbers_are_those_that_programs_write() -> None:
    """Both ways of telling agree, over everything short that could be one."""
    generator = random.Random(3)
    alphabet = [
        b"0",
        b"1",
        b"9",
        b".",
        b"-",
        b"+",
        b"e",
        b"E",
        b"nan",
        b"inf",
        b"INFINITY",
        b"_",
        b" ",
        b"",
        b"x",
        b"\xb2",
    ]
    fine = 0
    for _ in range(20000):
        value = b"".join(generator.choices(alphabet, k=generator.randrange(6)))
        assert (numbers([value]) is not None) == is_number(value), value
        fine += is_number(value)
    assert fine > 1000


def test_rows_in_any_order() -> None:
    """Kept places, marks and what lies between agree, also for single rows."""
    expected = np.load(TEXT / "gensim.npy")
    for path in (TEXT / "gensim.vec", BINARY / "gensim.bin"):
        (tensor,) = checkpoints.read(path).tensors.values()
        for row in (14, 3, 0, 12, 1):
            assert read_rows(tensor, np.array([row]))[0].tobytes() == expected[row].tobytes()


def test_a_character_that_stands_twice(tmp_path: Path) -> None:
    """The first counts, as in gensim."""
    path = tmp_path / "w.vec"
    path.write_text("3 2\n我 1 2\n你 3 4\n我 5 6\n", "utf-8")
    (note,) = charvec.open(path).notes
    assert note.message == f"{path}: 1 character found more than once; the first row is used"
    path.write_text("4 2\n我 1 2\n你 3 4\n我 5 6\n你 7 8\n", "utf-8")
    model = charvec.open(path)
    assert [note.code for note in model.notes] == ["W-VOCAB-DUP"]
    assert charvec.lookup(model, "我")["我"].tolist() == [1, 2]
    assert matrix_of(model.checkpoint).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"2 2\na 1 2\n", "E-TRUNCATED"),
        (b"2 2\na 1 2\nb 1", "E-TEXT-LINE"),
        (b"1 2\na 1 2\nb 3 4\n", "E-TRAILING"),
        (b"2 2\na 1 2\nb 1 x\n", None),
        (b"2 2\na 1 2\nb  \n", "E-TEXT-LINE"),
        (b"2 2\na 1 2\nb\xe6\n", "E-TEXT-LINE"),
        (b"2 2\na x 2\nb 1 2\n", "E-TEXT-LINE"),
        (b"999999999999 9\na 1 2 3 4 5 6 7 8 9\n", "E-TRUNCATED"),
        (b"1 9999999\na 1 2 3\n", "E-FORMAT"),
        (b"1 2\na 1_0 2\n", "E-TEXT-LINE"),
        (b"a 0.1 0.2 0.3\nb 0.1 0.2\n" + b"c 0.1 0.2 0.3\n" * 20, "E-TEXT-LINE"),
        (b"3 2\na \0\0\0\0\0\0\0\0b \0\0\0\0\0\0\0\0", "E-TRUNCATED"),
        (b"2 2\na \0\0\0\0\0\0\0\0b \0\0\0\0\0\0\0", "E-TRUNCATED"),
        (b"1 2\na \0\0\0\0\0\0\0\0b \0\0\0\0\0\0\0\0", "E-TRAILING"),
        (b"2 2\na \0\0\0\0\0\0\0\0" + b"\0" * 70_000, "E-WORD2VEC"),
        (b"999999999999 2\na \0\0\0\0\0\0\0\0", "E-TRUNCATED"),
    ],
)
def test_damage(data: bytes, code: str | None, tmp_path: Path) -> None:
    """One error, which says where; a bad value only where its row is asked for."""
    path = tmp_path / "w"
    path.write_bytes(data)
    if code is None:
        assert charvec.lookup(charvec.open(path), "a")["a"].tolist() == [1, 2]
        with pytest.raises(CharvecError) as caught:
            charvec.lookup(charvec.open(path), "b")
        assert caught.value.code == "E-TEXT-LINE"
        return
    with pytest.raises(CharvecError) as caught:
        charvec.open(path)
    assert (caught.value.code, caught.value.exit_code) == (code, 65)


@pytest.mark.parametrize("first", [b"a", b"a" * 70, b"a" * 4000])
def test_the_longest_word(first: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word of 65,536 bytes is one, one byte more is none, wherever it stands and however much is read at once."""
    path = tmp_path / "w.bin"
    for portion in (7, 1 << 16, 1 << 18):
        monkeypatch.setattr(word2vec_binary, "PORTION", portion)
        for length in (65_536, 65_537):
            path.write_bytes(b"2 2\n" + first + b" " + bytes(8) + b"b" * length + b" " + bytes(8))
            if length == 65_536:
                assert charvec.open(path).vocabulary.size == 2
                continue
            with pytest.raises(CharvecError) as caught:
                charvec.open(path)
            assert caught.value.code == "E-WORD2VEC" and caught.value.offset == 4 + len(first) + 9


@pytest.mark.parametrize(
    "text",
    [
        "我爱北京天安门\n天安门上太阳升\n",
        "In 2003 there were 4 of them\nIn 2004 there were 5 7 8\n",
        "[PAD]\n[UNK]\n我\n",
        "的\t123\n一\t45\n",
        "的 123\n一 45\n",
        "的 123 4\n一 45 9\n",
        "1.5 2.5 3.5\n2.5 1.5 0.5\n",
        "IQ== 0\nIg== 1\n",
        "#version: 0.2\nĠ t\nh e\n",
        "a,0.1,0.2\nb,0.3,0.4\n",
        "12 34\n56 xx\nsome text\n",
        "▁the\t-3.2\n▁of\t-3.4\n",
        '{"a": 0}\n',
        "Version 1.0 2.0\nsome text follows here\nand more\n",
    ],
)
def test_what_is_no_file_of_word_vectors(text: str, tmp_path: Path) -> None:
    """Texts, lists, tables and other programs' vocabularies."""
    path = tmp_path / "w.vec"
    path.write_text(text, "utf-8")
    assert sniffed(path) == []


def test_a_text_that_begins_like_a_pickle(tmp_path: Path) -> None:
    """The opcodes of old pickles are letters and brackets."""
    for word in ("c", "(", "]", "}", "cat"):
        path = tmp_path / "w.vec"
        row = " ".join(["0.25"] * 900)
        path.write_text(f"{word} {row}\n我 {row}\n", "utf-8")
        assert sniffed(path) == ["word2vec-text"]


def test_what_text_is_split_at_is_no_word() -> None:
    """Unless it has a row of its own."""
    for path in (TEXT / "gensim.vec", BINARY / "gensim.bin"):
        vectors = charvec.lookup(charvec.open(path), " \t\n\r\u2029")
        assert vectors.chars == ["\t"]
        removed = {entry.char for entry in vectors.missing if entry.status == Status.REMOVED}
        assert removed == {" ", "\n", "\r"} and vectors.missing[-1].char == "\u2029"


def test_words_have_no_casing() -> None:
    """They stand for themselves."""
    for path in (TEXT / "tool.vec", BINARY / "tool.bin"):
        with pytest.raises(CharvecError) as caught:
            charvec.open(path, lowercase=True)
        assert (caught.value.code, caught.value.exit_code) == ("E-CASING", 2)


def test_the_whole_way(tmp_path: Path) -> None:
    """From samples to a vector file, with everything accounted for."""
    vectors = charvec.dump(DATA.parents[1] / "samples" / "texts", model=BINARY / "tool.bin", out=tmp_path / "zh.h5")
    assert 50 < len(vectors) < 80 and vectors.source["source"]["format"] == "word2vec-binary"
    assert vectors.source["vocabulary"]["kind"] == "dictionary"
    assert charvec.load(tmp_path / "zh.h5").chars == vectors.chars
