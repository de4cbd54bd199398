"""Character vectors as a mapping, texts, neighbours and element types, against naive loops."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vector_samples import assert_same, build, small

from charvec import pooling
from charvec.cli import main
from charvec.coverage import Share
from charvec.errors import UsageError, WrongFile
from charvec.status import Status
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

RNG = np.random.default_rng(0)
SIX = build("\0a水火\uffff\U0010ffff", RNG.standard_normal((6, 5)).astype(np.float32))
#: Any text, lone surrogates included; most of its characters are known.
texts = st.text(st.sampled_from("\0a水火\uffff\U0010ffffxy\ud800\udfff "), max_size=40)


def test_mapping() -> None:
    """Look-ups give the row of the very character, as a copy of one's own."""
    assert len(SIX) == 6 and list(SIX) == SIX.chars == sorted(SIX.chars)
    for place, char in enumerate(SIX.chars):
        assert char in SIX and SIX[char].tobytes() == SIX.matrix[place].tobytes()
        assert np.array_equal(SIX.get(char), SIX[char])
    SIX["a"][:] = 99
    SIX.get("a")[:] = 99
    assert 99 not in SIX["a"]


@pytest.mark.parametrize("char", ["b", "", "水火", "\ud800", "\U0010fffe", 97, None, b"a", ("a",)])
def test_absent(char: Any) -> None:
    """Whatever is no character with a vector is absent, of whatever type."""
    assert char not in SIX and SIX.get(char) is None and SIX.get(char, 7) == 7
    with pytest.raises(KeyError):
        SIX[char]


def test_no_characters() -> None:
    """Nothing in, nothing out, and nothing breaks."""
    none = build("", np.empty((0, 5), np.float32))
    assert len(none) == 0 and list(none) == [] and "a" not in none
    assert none.encode("abc").tolist() == [0] * 5 and np.isnan(none.similarity("a", "b"))
    assert none.nearest(np.ones(5)) == [] and none.matrix_for(["a"]).matrix.tolist() == [[0] * 5]
    assert none.matrix_for(["a", "b"], missing="normal", unk="b").matrix.shape == (2, 5)
    assert none.coverage.occurrences == 1 and none.astype("int8").dtype == "int8"


@pytest.mark.parametrize(
    "changes",
    [
        {"codepoints": np.array([3, 1, 2, 4, 5, 6], np.uint32)},
        {"codepoints": np.array([1, 1, 2, 4, 5, 6], np.uint32)},
        {"codepoints": np.array([1, 2, 3, 4, 5, 0x110000], np.uint32)},
        {"counts": np.ones(5, np.uint64)},
        {"stored": SIX.stored[:5]},
        {"stored": SIX.stored.astype(np.float64)},
        {"stored": SIX.stored[:, 0]},
        {"scales": np.ones(6, np.float32)},
        {"stored": SIX.stored.astype(np.int8)},
        {"missing_codepoints": np.array([1], np.uint32)},
        {"spelling": Spelling(np.zeros(6, np.uint8), np.arange(6), np.arange(6))},
    ],
)
def test_columns_that_do_not_fit(changes: dict[str, Any]) -> None:
    """Vectors that would give other characters' rows cannot be made."""
    with pytest.raises(UsageError) as caught:
        replace(SIX, **changes)
    assert caught.value.code == "E-COLUMNS"


# -- texts ------------------------------------------------------------------------------------------------------------


def naive(vectors: CharVectors, text: str, pooling: str | None) -> np.ndarray:
    """What encode should give, one character at a time, in float64."""
    rows = [vectors[char].astype(np.float64) for char in text if char in vectors]
    if pooling == "sif":
        total = vectors.counts.sum() + vectors.missing_counts.sum()
        shares = [vectors.counts[vectors.chars.index(char)] / total for char in text if char in vectors]
        rows = [row * (1e-3 / (1e-3 + share)) for row, share in zip(rows, shares, strict=True)]
    if pooling is None:
        return np.array(rows).reshape(len(rows), vectors.dim)
    total = sum(rows, np.zeros(vectors.dim))
    return total / max(1, len(rows)) if pooling != "sum" else total


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, max_size=8), st.sampled_from(["mean", "sum", "sif", None]), *[st.integers(1, 30)] * 4)
def test_encode(many: list[str], how: Any, chunk: int, sums: int, piece: int, block: int) -> None:
    """Any texts, cut into chunks, pieces and blocks anywhere, give what the naive loop gives."""
    before = pooling.CHUNK, pooling.SUMS, pooling.PIECE, pooling.BLOCK
    pooling.CHUNK, pooling.SUMS, pooling.PIECE, pooling.BLOCK = chunk, sums, piece, block
    try:
        together = SIX.encode(many, pooling=how)
    finally:
        pooling.CHUNK, pooling.SUMS, pooling.PIECE, pooling.BLOCK = before
    assert len(together) == len(many)
    for text, got in zip(many, together, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, naive(SIX, text, how), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(SIX.encode(text, pooling=how), got, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_encode_long(dtype: str) -> None:
    """A text longer than a chunk: its mean is as exact as that of a short one."""
    vectors = SIX.astype(dtype)
    text = "a水x" * pooling.CHUNK
    short = naive(vectors, "a水", "mean")
    np.testing.assert_allclose(vectors.encode(text), short, rtol=1e-6)
    several = np.asarray(vectors.encode(["火", text, "", "a"]))
    np.testing.assert_allclose(several, [naive(vectors, each, "mean") for each in ("火", "a水", "", "a")], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("how", ["mean", "sum", "sif"])
def test_encode_lengths(dtype: str, how: Any) -> None:
    """Texts that go each of the three ways, together; rounded once, from a sum in float64."""
    random = np.random.default_rng(7)
    chars = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
    vectors = replace(
        build([ord(char) for char in chars], random.standard_normal((300, 7)).astype(np.float32)).astype(dtype),
        counts=random.integers(0, 1000, 300).astype(np.uint64),
        missing_codepoints=np.array([65], np.uint32),
        missing_counts=np.array([500], np.uint64),
        missing_spelling=Spelling.of([(Status.UNKNOWN, ())]),
    )
    many = ["".join(random.choice([*chars, "A"], length)) for length in (3, 900, 0, 64, 65, 1, 299, 301, 20, 20_000)]
    got = np.asarray(vectors.encode(many, how))
    expected = np.array([naive(vectors, text, how) for text in many])
    scale = np.array([[len(text) if how == "sum" else 1] for text in many])
    # each product with a weight of sif is rounded once more
    assert (np.abs(got - expected) <= 1e-7 * (np.abs(expected) + scale)).all()
    if dtype != "int8" and how != "sif":
        np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_encode_sif() -> None:
    """Characters that were not written count as well; without counts there are no weights."""
    vectors = replace(SIX, counts=np.arange(1, 7, dtype=np.uint64))
    expected = vectors["a"] * (0.5 / (0.5 + int(vectors.counts[1]) / 21))
    np.testing.assert_allclose(vectors.encode("a", "sif", a=0.5), expected, rtol=1e-6)
    none = replace(SIX, counts=np.zeros(6, np.uint64))
    with pytest.raises(UsageError) as caught:
        none.encode("a", "sif")
    assert caught.value.code == "E-POOLING"
    for a in (0, -1.0, np.nan, np.inf, "1"):
        with pytest.raises(UsageError) as caught:
            vectors.encode("a", "sif", a=a)  # type: ignore[arg-type]
        assert caught.value.code == "E-ARGUMENT"


def test_encode_normalize() -> None:
    """Length 1 whatever the pooling, but for zeros; single rows have no say in it."""
    for how in ("mean", "sum", "sif"):
        got = np.asarray(SIX.encode(["a水", "x", "火火火"], how, normalize=True))  # type: ignore[arg-type]
        np.testing.assert_allclose(np.linalg.norm(got, axis=1), [1, 0, 1], rtol=1e-6)
    with pytest.raises(UsageError):
        SIX.encode("a", None, normalize=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, max_size=6))
def test_padded(many: list[str]) -> None:
    """A row for every character, zeros where there is no vector, and a mask that is true where there is a character."""
    rows, mask = SIX.padded(many)
    longest = max(map(len, many), default=0)
    assert rows.shape == (len(many), longest, SIX.dim) and rows.dtype == np.float32 and mask.dtype == np.bool_
    for place, text in enumerate(many):
        assert mask[place].tolist() == [True] * len(text) + [False] * (longest - len(text))
        expected = [SIX.get(char, np.zeros(SIX.dim)) for char in text] + [np.zeros(SIX.dim)] * (longest - len(text))
        np.testing.assert_array_equal(rows[place], np.reshape(expected, (longest, SIX.dim)))


def test_encode_shapes() -> None:
    """One text and several; none at all; unknown characters only; a generator."""
    assert np.shape(SIX.encode("a")) == (5,) and np.shape(SIX.encode(["a"])) == (1, 5)
    assert np.shape(SIX.encode([])) == (0, 5) and SIX.encode([], pooling=None) == []
    assert not np.any(SIX.encode(["", "xyz", "\ud800"]))
    assert np.shape(SIX.encode("xyz", pooling=None)) == (0, 5)
    assert np.shape(SIX.encode(each for each in "ab")) == (2, 5)


@pytest.mark.parametrize("how", ["max", "", "MEAN", 0])
def test_encode_refuses(how: Any) -> None:
    """Other poolings."""
    with pytest.raises(UsageError) as caught:
        SIX.encode("a", pooling=how)
    assert caught.value.code == "E-POOLING"


def test_encode_not_finite() -> None:
    """Infinity and NaN go through without a warning."""
    odd = build("abc", np.array([[np.inf], [-np.inf], [3e38]], np.float32))
    assert np.isnan(odd.encode("ab")).all() and np.isposinf(odd.encode("a")).all()
    assert np.isposinf(odd.encode("cc", pooling="sum")).all()


# -- cosines ----------------------------------------------------------------------------------------------------------


def test_similarity() -> None:
    """Bounds, symmetry, nothing known."""
    assert SIX.similarity("a", "a") == pytest.approx(1)
    assert np.isnan([SIX.similarity("a", "x"), SIX.similarity("", "")]).all()
    one, two = SIX["a"].astype(float), SIX["水"].astype(float)
    expected = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
    assert SIX.similarity("a", "水") == pytest.approx(expected) == SIX.similarity("水", "ax")
    opposite = build("ab", np.array([[1, 2], [-1, -2]], np.float32))
    assert opposite.similarity("a", "b") == pytest.approx(-1)
    assert np.isnan(build("a", np.array([[np.inf]], np.float32)).similarity("a", "a"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.sampled_from(["float32", "float16", "int8"]))
@example(737, 40, "float32")  # two equal cosines on either side of half a unit of the twelfth decimal
def test_nearest(seed: int, k: int, dtype: str) -> None:
    """The largest cosines of all, computed exactly; equal ones by code point."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-3, 4, (30, 4)).astype(np.float32)  # many zero rows, ties and opposite rows
    vectors = build(range(0x4E00, 0x4E00 + 30), matrix).astype(dtype)
    query = vectors.chars[seed % 30]
    at = seed % 30
    rows = [[Fraction(float(value)) for value in row] for row in vectors.matrix]
    dots = [sum(map(operator.mul, row, rows[at])) for row in rows]
    squares = [sum(value * value for value in row) for row in rows]
    # a cosine times its size, which is a rational number
    exact = [
        dot * abs(dot) / (square * squares[at]) if square * squares[at] else Fraction(0)
        for dot, square in zip(dots, squares, strict=True)
    ]
    found = vectors.nearest(query, k)
    places = [vectors.chars.index(char) for char, _ in found]
    assert len({*places}) == len(places) == min(k, 29) and at not in places
    for before, after in pairwise(places):
        assert before < after if exact[before] == exact[after] else exact[before] > exact[after] - Fraction(1, 10**11)
    others = [exact[place] for place in range(30) if place not in (at, *places)]
    assert not places or not others or max(others) <= exact[places[-1]] + Fraction(1, 10**11)
    cosines = [math.copysign(math.sqrt(abs(exact[place])), exact[place]) for place in places]
    np.testing.assert_allclose([cosine for _, cosine in found], cosines, atol=1e-9)


def test_nearest_edges() -> None:
    """k of any size, texts, vectors, repeated characters, nothing known."""
    assert len(SIX.nearest("a", 99)) == 5 and SIX.nearest("a", 0) == [] == SIX.nearest("a", -1)
    assert {char for char, _ in SIX.nearest("a水水x", 99)} == set(SIX.chars) - set("a水")
    assert SIX.nearest(SIX["a"], 1)[0][0] == "a" and len(SIX.nearest(np.zeros(5), 99)) == 6
    assert [char for char, _ in SIX.nearest(np.zeros(5), 3)] == SIX.chars[:3]
    for unknown in ("", "x", "\ud800"):
        with pytest.raises(KeyError):
            SIX.nearest(unknown)
    for shape in (4, (1, 5), ()):
        with pytest.raises(UsageError) as caught:
            SIX.nearest(np.ones(shape))
        assert caught.value.code == "E-DIM"


def test_nearest_ties_by_code_point() -> None:
    """Equal rows come in order, wherever they lie and however many there are."""
    row = RNG.standard_normal(37).astype(np.float32)
    vectors = build(range(1000, 1999), np.tile(row, (999, 1)))
    assert [ord(char) for char, _ in vectors.nearest(chr(1500), 7)] == list(range(1000, 1007))


def test_nearest_not_finite() -> None:
    """A row that is not finite has no direction, and a query's own characters never come back."""
    rows = np.array([[1, 0], [np.nan, 1], [np.inf, 0], [-1, 0], [0, 0], [1e-30, 0], [3e38, 0]], np.float32)
    found = build("abcdefg", rows).nearest("a", 99)
    assert "".join(char for char, _ in found) == "fgbced"
    assert [round(cosine, 6) for _, cosine in found] == [1, 1, 0, 0, 0, -1]
    assert [cosine for _, cosine in build("abcdefg", rows).nearest("b", 9)] == [0] * 6


# -- element types ----------------------------------------------------------------------------------------------------


def test_float16() -> None:
    """Rounded to nearest; refused when a finite value would become infinite."""
    half = SIX.astype("float16")
    assert half.stored.tobytes() == SIX.matrix.astype(np.float16).tobytes()
    assert half.source["options"]["dtype"] == "float16" and half.astype("float16") is half
    for value in (65520.0, -1e30):
        with pytest.raises(WrongFile) as caught:
            build("a", np.array([[value]], np.float32)).astype("float16")
        assert caught.value.code == "E-OVERFLOW"
    build("a", np.array([[65519.0, np.inf, np.nan]], np.float32)).astype("float16")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3), max_size=6)
)
def test_int8(rows: list[list[float]]) -> None:
    """One scale a row; no value is off by more than half a step; no infinity is made."""
    matrix = np.array(rows, np.float32).reshape(len(rows), 3)
    eight = build(range(97, 97 + len(rows)), matrix).astype("int8")
    assert eight.scales is not None and eight.stored.min(initial=0) >= -127
    error = np.abs(eight.matrix.astype(np.float64) - matrix)
    bound = np.abs(matrix).max(axis=1, initial=0).astype(np.float64) / 127 * 0.5001 + 1e-44
    assert (error <= bound[:, None] * (1 + 1e-5) + 1e-43).all() and np.isfinite(eight.matrix).all()
    assert not eight.matrix[~matrix.any(axis=1)].any()


def test_int8_refuses() -> None:
    """NaN and infinity have no scale."""
    for value in (np.nan, np.inf):
        with pytest.raises(WrongFile) as caught:
            build("a", np.array([[1, value]], np.float32)).astype("int8")
        assert caught.value.code == "E-OVERFLOW"


def test_astype_keeps_the_rest() -> None:
    """Only the element type changes; float64 and nonsense are refused."""
    there = small().astype("int8").astype("float32")
    assert there.source["options"]["rounded_to"] == ["int8"] and there.rounded_to == ("int8",)
    source = small().source
    assert_same(replace(there, stored=small().stored, source=source), small())
    lost = there.source["fidelity"]
    assert there.source == {**source, "options": {**source["options"], "rounded_to": ["int8"]}, "fidelity": lost}
    for dtype in ("float64", "", "F32"):
        with pytest.raises(UsageError) as caught:
            SIX.astype(dtype)
        assert caught.value.code == "E-DTYPE"


# -- the ledger -------------------------------------------------------------------------------------------------------


def test_coverage_adds_up() -> None:
    """Written and missing are everything, in characters and in occurrences."""
    vectors = small()
    coverage = vectors.coverage
    assert coverage.total.distinct == len(vectors) + len(vectors.missing) == 8
    assert coverage.total.occurrences == int(vectors.counts.sum()) + sum(each.count for each in vectors.missing)
    assert coverage.written.distinct == len(vectors) and 0 < coverage.occurrences < 1
    assert coverage.by_status[Status.NO_ROW] == Share(1, 9)
    assert sum(coverage.by_status.values(), Share(0, 0)) == coverage.total


def test_missing_and_rows() -> None:
    """Commonest first, with status and rows; composed characters name all their rows."""
    first, second = small().missing
    assert (first.char, first.count, first.status, first.rows) == ("\u201c", 9, Status.NO_ROW, (99,))
    assert (second.char, second.count, second.status, second.rows) == ("\n", 4, Status.REMOVED, ())
    assert small().rows == [(5,), (6,), (7,), (8,), (9, 10), (11,)]


# -- commands ---------------------------------------------------------------------------------------------------------


def test_similar_command(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A number; unknown characters named on stderr; JSON even where there is no cosine."""
    path = str(tmp_path / "a.h5")
    build("ab", np.array([[1, 0], [np.nan, 1]], np.float32)).save(path)
    assert main(["similar", path, "a", "a水"]) == 0
    out, err = capsys.readouterr()
    assert out == "1.0000\n" and "水 U+6C34" in err
    assert main(["similar", path, "a", "b", "--json"]) == 0
    assert '"cosine": null' in capsys.readouterr().out


def test_nearest_command(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A table; exit 66 for a character without a vector, 2 for no number of neighbours."""
    path = str(tmp_path / "a.h5")
    SIX.save(path)
    assert main(["nearest", path, "a", "-k", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["nearest", path, "x"]) == 66 and main(["nearest", path, ""]) == 66
    assert main(["nearest", path, "a", "-k", "0"]) == 2


def test_what_the_values_went_through() -> None:
    """Narrow types leave their trace; a file may say anything there and breaks nothing."""
    assert SIX.rounded_to == SIX.astype("int8").rounded_to == ()
    assert SIX.astype("float16").astype("float32").rounded_to == ("float16",)
    assert SIX.astype("int8").astype("float16").astype("float32").rounded_to == ("int8", "float16")
    for odd in (None, 3, "int8", {}, [3, None, {}]):
        assert replace(SIX, source={"options": {"rounded_to": odd}}).astype("int8").astype("float32").rounded_to == (
            "int8",
        )


@pytest.mark.parametrize("dtype", ["float32", "int8", "pq"])
def test_as_a_dictionary_and_as_an_array(dtype: str) -> None:
    """Keys, items and what NumPy makes of it fit each other; a copy is one."""
    vectors = build("一水火", np.array([[1, 2, 0, 1], [0.1, -1, 3, 1], [1e-8, 5, 1, 1]], np.float32)).astype(dtype)
    assert vectors.keys() == list(vectors) == ["一", "水", "火"]
    rows = {char: row.tolist() for char, row in vectors.items()}
    assert rows == dict(zip(vectors.chars, vectors.matrix.tolist(), strict=True))
    assert {char: row.tolist() for char, row in dict(vectors).items()} == rows
    assert np.asarray(vectors).dtype == np.float32 and np.array_equal(np.asarray(vectors), vectors.matrix)
    assert np.asarray(vectors, np.float64).dtype == np.float64
    copied = np.array(vectors)
    copied[:] = 9
    assert not (vectors.matrix == 9).any()
    if int(np.__version__.split(".")[0]) > 1:  # before, False meant: if it can be helped
        assert np.shares_memory(np.array(vectors, copy=False), vectors.matrix)
        with pytest.raises(ValueError, match="copy"):
            np.array(vectors, np.float64, copy=False)


@pytest.mark.parametrize("texts", [[1], 1, ["a", None], [b"a"], None])
@pytest.mark.parametrize("pooling", ["mean", None])
def test_what_is_no_text(texts: Any, pooling: Any) -> None:
    """A mistake in the call, and no traceback from within."""
    with pytest.raises(UsageError) as caught:
        SIX.encode(texts, pooling=pooling)
    assert caught.value.code == "E-ARGUMENT"


@pytest.mark.parametrize("k", [2.5, "3", None])
def test_what_is_no_number_of_neighbours(k: Any) -> None:
    """Likewise."""
    with pytest.raises(UsageError) as caught:
        SIX.nearest("a", k=k)
    assert caught.value.code == "E-ARGUMENT"
    assert len(SIX.nearest("a", k=np.int64(2))) == 2  # type: ignore[arg-type]
