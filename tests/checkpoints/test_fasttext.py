"""fastText models, held against what fastText and gensim say of 2,000 characters, and damaged ones."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

import charvec
from charvec import checkpoints
from charvec.checkpoints import fasttext
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.spelling.subwords import fnv1a
from charvec.rows import read_rows
from charvec.status import Status

DATA = Path(__file__).resolve().parents[1] / "data" / "fasttext"
GENSIM = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "gensim"
#: As in ``make.py``.
CHARS = [
    *(*range(0x21, 0x7F), 0xA0, 0x2028, 0x3000, *range(0x3041, 0x3097), *range(0x4E00, 0x5200)),
    *(*range(0x6000, 0x6200), *range(0xAC00, 0xAC80), *range(0x1F600, 0x1F650), *range(0x20000, 0x200B0), 0x10FFFF),
]


@pytest.mark.parametrize(("name", "exactly"), [("subwords", False), ("subwords-1-6", False), ("gensim", True)])
def test_every_character_has_the_vector_that_its_program_gives(name: str, exactly: bool) -> None:
    """In the dictionary or not. fastText multiplies by 1/n where gensim, as charvec, divides: a last bit apart."""
    told = np.load(DATA / f"{name}.npy")
    model = charvec.open(DATA / f"{name}.bin")
    vectors = charvec.lookup(model, map(chr, CHARS))
    assert len(vectors) == len(CHARS) >= 2000
    order = np.argsort(CHARS)
    if exactly:
        assert vectors.matrix.tobytes() == told[order].tobytes()
    else:
        np.testing.assert_array_max_ulp(vectors.matrix, told[order], 1)
        even = np.isin(np.diff(vectors.spelling.row_offsets), (1, 2, 4))
        assert vectors.matrix[even].tobytes() == told[order][even].tobytes()
    assert set(vectors.status.tolist()) == {Status.EXACT, Status.COMPOSED}


@pytest.mark.parametrize("name", ["words", "classes"])
def test_without_ngrams_of_characters(name: str) -> None:
    """A row for a character of the dictionary, bit for bit, and none for another."""
    told = np.load(DATA / f"{name}.npy")
    vectors = charvec.lookup(charvec.open(DATA / f"{name}.bin"), map(chr, CHARS))
    assert vectors.matrix.tobytes() == told[np.argsort([char for char in CHARS if chr(char) in vectors])].tobytes()
    assert {len(rows) for rows in vectors.rows} == {1}
    assert {entry.status for entry in vectors.missing} == {Status.UNKNOWN}


def test_statuses_and_rows() -> None:
    """A character of the dictionary is exact and its own row comes first; others are composed of buckets."""
    model = charvec.open(DATA / "subwords.bin")
    vectors = charvec.lookup(model, "的龘")
    rows = dict(zip(vectors.chars, vectors.rows, strict=True))
    words = model.tensor.rows - 40
    assert [len(rows["的"]), len(rows["龘"])] == [4, 3]
    assert rows["的"][0] < words and min(rows["的"][1:] + rows["龘"]) >= words
    assert [Status(status) for status in vectors.status] == [Status.EXACT, Status.COMPOSED]
    assert model.vocabulary.settings == {"ngrams": "2-3", "buckets": "40"}
    assert model.notes == ()


def test_what_text_is_split_at_is_no_word() -> None:
    """Though fastText would give a vector for it, none was ever learnt; other white space is a word like any other."""
    vectors = charvec.lookup(charvec.open(DATA / "subwords.bin"), " \n\t\r\v\f\0\u3000\u00a0")
    assert vectors.chars == ["\u00a0", "\u3000"]
    assert {entry.status for entry in vectors.missing} == {Status.REMOVED}


def test_rows_that_are_not_finite(tmp_path: Path) -> None:
    """Their mean is not finite either, of which the user is told; no warning of NumPy's comes through."""
    path = tmp_path / "model.bin"
    rows = np.array([[np.inf, 3e38], [-np.inf, 3e38]], "<f4")
    good = pack(["我".encode()], buckets=1, ngrams=(3, 3))
    place = good.index(struct.pack("<qq", 2, 2)) + 16
    path.write_bytes(good[:place] + rows.tobytes() + good[place + 16 :])
    vectors = charvec.lookup(charvec.open(path), "我")
    assert np.isnan(vectors["我"][0]) and np.isinf(vectors["我"][1])


def test_the_hash_takes_bytes_as_signed() -> None:
    """For ASCII it is FNV-1a, for which the draft of its authors gives these values; beyond it is not."""
    assert [fnv1a(data) for data in (b"", b"a", b"foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
    assert fnv1a(b"\xff") == ((0x811C9DC5 ^ 0xFFFFFFFF) * 0x01000193) % 2**32


@pytest.mark.skipif(not GENSIM.exists(), reason="needs the test files of gensim")
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("crime-and-punishment.bin", "utf-8"),
        ("toy-model.bin", "utf-8"),
        ("lee_fasttext_new.bin", "utf-8"),
        ("lee_fasttext.bin", "utf-8"),
        ("non_ascii_fasttext.bin", "utf-8"),
        ("cp852_fasttext.bin", "cp852"),
    ],
)
def test_against_gensim(name: str, encoding: str) -> None:
    """Versions 12, 11 and none; the last has words that are not UTF-8."""
    reader = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
    keyed = reader.load_facebook_vectors(str(GENSIM / name), encoding=encoding)
    model = charvec.open(GENSIM / name)
    vectors = charvec.lookup(model, map(chr, CHARS))
    assert vectors.matrix.tobytes() == np.array([keyed[char] for char in vectors], np.float32).tobytes()
    assert [note.code for note in model.notes] == (["W-TOKEN-BYTES"] if encoding == "cp852" else [])
    # characters beyond ASCII are spelt in another encoding there, and are none to us
    known = {char for char, status in zip(vectors.chars, vectors.status, strict=True) if status == Status.EXACT}
    assert known == {char for char in map(chr, CHARS) if char in keyed.key_to_index}


def pack(
    words: list[bytes],
    *,
    magic: bytes = fasttext.MAGIC + struct.pack("<i", 12),
    model: int = 2,
    buckets: int = 5,
    ngrams: tuple[int, int] = (1, 3),
    dim: int = 2,
    kinds: list[int] | None = None,
    tail: bytes | None = None,
    pruned: int = -1,
    quantised: int = 0,
) -> bytes:
    """A model whose matrix counts from 0."""
    kinds = kinds if kinds is not None else [0] * len(words)
    settings = struct.pack("<12id", dim, 5, 5, 1, 5, 1, 2, model, buckets, *ngrams, 100, 1e-4)
    known = kinds.count(0)
    sizes = struct.pack("<iiiq", len(words), known, len(words) - known, 99)
    entries = b"".join(word + struct.pack("<bqb", 0, 9, kind) for word, kind in zip(words, kinds, strict=True))
    matrix = np.arange((known + buckets) * dim, dtype="<f4").reshape(known + buckets, dim)
    body = struct.pack("<qq", *matrix.shape) + matrix.tobytes()
    output = struct.pack("<qq", known, dim) + bytes(4 * known * dim)
    if not magic:
        return settings + sizes + entries + body + (output if tail is None else tail)
    flags = struct.pack("<q", pruned)
    last = bytes(1) + output if tail is None else tail
    return magic + settings + sizes + flags + entries + bytes([quantised]) + body + last


WORDS = [b"</s>", "我".encode(), b"ab", b"\xff\xfe", b"__label__x"]


def test_old_classifiers_have_no_ngrams(tmp_path: Path) -> None:
    """Of version 11 and before, whatever their settings say; skip-gram models have."""
    path = tmp_path / "model.bin"
    eleven, twelve = (fasttext.MAGIC + struct.pack("<i", version) for version in (11, 12))
    lengths = []
    for magic, model in ((eleven, 3), (b"", 3), (twelve, 3), (eleven, 2), (b"", 2)):
        path.write_bytes(pack(WORDS, magic=magic, model=model, kinds=[0, 0, 0, 0, 1]))
        vectors = charvec.lookup(charvec.open(path), "我")
        lengths.append(len(vectors.rows[0]))
        if lengths[-1] == 1:
            assert vectors["我"].tolist() == [2, 3]
    assert lengths == [1, 1, 5, 5, 5]


def test_a_model_pruned_to_no_ngrams(tmp_path: Path) -> None:
    """An empty pruning index means that none is left."""
    path = tmp_path / "model.bin"
    path.write_bytes(pack(WORDS, pruned=0))
    vectors = charvec.lookup(charvec.open(path), "我龘")
    assert vectors.chars == ["我"] and vectors["我"].tolist() == [2, 3]


GOOD = pack(WORDS, kinds=[0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (GOOD + b"x", "E-TRAILING"),
        (GOOD[:-1], "E-TRUNCATED"),
        (GOOD[:200], "E-TRUNCATED"),
        (GOOD[:100], "E-TRUNCATED"),
        (GOOD[:60], "E-FASTTEXT"),
        (pack(WORDS, magic=fasttext.MAGIC + struct.pack("<i", 13)), "E-FASTTEXT"),
        (pack(WORDS, dim=0), "E-FASTTEXT"),
        (pack(WORDS, kinds=[0, 1, 0, 0, 1]), "E-FASTTEXT"),
        (pack(WORDS, quantised=1), "E-QUANTISED"),
        (pack(WORDS, pruned=3), "E-QUANTISED"),
        (pack(WORDS, tail=b"\0" + struct.pack("<qq", 1, 3) + bytes(12)), "E-FASTTEXT"),
        (pack(WORDS, tail=b"\0" + struct.pack("<qq", 2**62, 2)), "E-TRUNCATED"),
        (pack(WORDS).replace(struct.pack("<qq", 10, 2), struct.pack("<qq", 9, 2)), "E-FASTTEXT"),
        (pack(WORDS).replace(struct.pack("<iii", 5, 5, 0), struct.pack("<iii", 2**30, 2**30, 0)), "E-TRUNCATED"),
        (pack(WORDS)[: -len(pack(WORDS)) + 88] + b"x" * 2_000_000, "E-FASTTEXT"),
    ],
)
def test_damage(data: bytes, code: str, tmp_path: Path) -> None:
    """One error each, before anything is allocated."""
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(CharvecError) as caught:
        charvec.open(path)
    assert (caught.value.code, caught.value.exit_code) == (code, 65)


def test_compressed_models_are_refused_by_name() -> None:
    """Their rows are product codes."""
    with pytest.raises(CharvecError) as caught:
        charvec.open(DATA / "compressed.ftz")
    assert caught.value.code == "E-QUANTISED" and ".ftz" in caught.value.message


@pytest.mark.parametrize("seed", range(60))
def test_generated_models(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layout, read in small portions: every row, and the rows of every character."""
    generator = random.Random(seed)
    monkeypatch.setattr(fasttext, "_PORTION", generator.choice((11, 64, 5000)))
    words = list({"".join(generator.choices("我你的中ab", k=generator.choice((1, 1, 2, 5)))) for _ in range(15)})
    magic = generator.choice((b"", *(fasttext.MAGIC + struct.pack("<i", version) for version in (11, 12))))
    ngrams = generator.choice(((0, 0), (1, 1), (2, 3), (3, 6), (4, 6)))
    dim, buckets = generator.randrange(1, 9), generator.randrange(0, 7)
    path = tmp_path / "model.bin"
    path.write_bytes(pack([word.encode() for word in words], magic=magic, ngrams=ngrams, dim=dim, buckets=buckets))
    with File(path) as file:
        assert [member.NAME for member in checkpoints.members() if member.sniff(file)] == ["fasttext"]
    model = charvec.open(path)
    matrix = np.arange((len(words) + buckets) * dim, dtype=np.float32).reshape(-1, dim)
    assert read_rows(model.tensor, np.arange(len(matrix)))[0].tobytes() == matrix.tobytes()
    per_character = {(0, 0): 0, (1, 1): 1, (2, 3): 3, (3, 6): 1, (4, 6): 0}[ngrams] if buckets else 0
    vectors = charvec.lookup(model, "我你的中ab龘")
    for char, rows, row in zip(vectors.chars, vectors.rows, vectors.matrix, strict=True):
        assert len(rows) == per_character + (char in words)
        assert (rows[0] == words.index(char)) if char in words else min(rows) >= len(words)
        assert row.tobytes() == matrix[list(rows)].mean(axis=0, dtype=np.float32).tobytes()
    assert len(vectors) == (7 if per_character else sum(len(word) == 1 for word in words))
