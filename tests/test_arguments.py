"""Arguments of the library: numbers of NumPy are numbers, and what makes no sense is refused by a message."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT

import charvec as package
from charvec.arguments import flag, integer, listed, path_of, real
from charvec.errors import CharvecError, UsageError

MODEL = ROOT / "samples" / "tiny-bert-zh"
TEXTS = ROOT / "samples" / "texts"
COUNTS = package.count(["水水水火火山,", "明天下雨,今天下雨"])
VECTORS = package.lookup(MODEL, COUNTS)
IDS = VECTORS.vocabulary()
FILE = ROOT / "tests" / "data" / "vectors" / "float32.h5"


class Whole:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), Whole()])
def test_integers(value: object) -> None:
    """What Python takes as an index is a whole number."""
    assert integer(value) == 3 and type(integer(value)) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float32(3), "3", b"3", None, [3], np.array([3]), int])
def test_no_integers(value: object) -> None:
    """Truth values and floats are none, which is most often a slip."""
    assert integer(value) is None


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_reals(value: object) -> None:
    """Floats of any width."""
    assert real(value) == 0.5 and type(real(value)) is float


@pytest.mark.parametrize(
    "value",
    [True, np.True_, np.array(True), "0.5", b"1", None, 10**400, 1j, [0.5], np.array([0.5]), np.array([0.5, 1])],
)
def test_no_reals(value: object) -> None:
    """Truth values are none, nor are texts, though ``float`` reads them."""
    assert real(value) is None


@pytest.mark.parametrize("value", [True, np.True_, 1, 1.0, np.int8(1), np.array(True)])
def test_flags(value: object) -> None:
    """Truth values of any library, and the numbers that are as good; None is False."""
    assert flag(value, "x") is True and flag(None, "x") is False and flag(value == 0, "x") is False


class Missing:
    """As ``pandas.NA``: what is compared with it is missing as well, and neither true nor false."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


@pytest.mark.parametrize(
    "value",
    ["no", "", b"1", 2, 0.5, [], [True], object(), np.array([True]), np.array([1, 2]), np.array("a"), 1j, Missing()],
)
def test_no_flags(value: object) -> None:
    """Neither true nor false, though Python would take most of them for true."""
    with pytest.raises(UsageError, match="is neither true nor false") as caught:
        flag(value, "x")
    assert caught.value.code == "E-ARGUMENT" and caught.value.help


#: Functions, and their arguments that are true or false.
FLAGS: list[tuple[str, Callable[[Any], Any]]] = [
    ("encode normalize", lambda x: VECTORS.encode("水", normalize=x)),
    ("encode center", lambda x: VECTORS.encode("水", center=x)),
    ("similarity", lambda x: VECTORS.similarity("水", "火", center=x)),
    ("nearest", lambda x: VECTORS.nearest("水", center=x)),
    ("vectors.save", lambda x: VECTORS.save("a.h5", overwrite=x)),
    ("save", lambda x: package.save(VECTORS, "a.h5", overwrite=x)),
    ("export", lambda x: package.export(VECTORS, "a.txt", "lattice", overwrite=x)),
    ("export format", lambda x: package.export(VECTORS, "a.txt", "gensim", overwrite=x)),
    ("load", lambda x: package.load(FILE, check=x)),
    ("open lowercase", lambda x: package.open(MODEL, lowercase=x)),
    ("open download", lambda x: package.open(MODEL, download=x)),
    ("scan hidden", lambda x: package.scan(TEXTS, hidden=x)),
    ("scan ignore_files", lambda x: package.scan(TEXTS, ignore_files=x)),
    ("reduce", lambda x: package.reduce(VECTORS, center=x)),
    ("trim overwrite", lambda x: package.trim(MODEL, COUNTS, "out", overwrite=x)),
    ("trim unused", lambda x: package.trim(MODEL, COUNTS, "out", unused=x)),
    *(
        (f"dump {name}", lambda x, name=name: package.dump(TEXTS, out="a.h5", **{name: x}))
        for name in ("lowercase", "download", "overwrite", "strict", "center", "hidden", "ignore_files")
    ),
]


@pytest.mark.parametrize("call", [each[1] for each in FLAGS], ids=[each[0] for each in FLAGS])
def test_flags_everywhere(call: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array where a truth value belongs is refused before anything is written; one of NumPy will do."""
    monkeypatch.chdir(tmp_path)
    for value in (np.array([True, False]), np.zeros(0), "no"):
        with pytest.raises(UsageError) as caught:
            call(value)
        assert caught.value.code == "E-ARGUMENT"
    assert not list(tmp_path.iterdir())
    call(np.False_)


#: Functions with arguments that are sound.
SOUND: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (package.dump, {"samples": TEXTS}),
    (package.open, {"model": MODEL}),
    (package.scan, {"samples": TEXTS}),
    (package.count, {"texts": "水"}),
    (package.lookup, {"model": MODEL, "counts": COUNTS}),
    (package.cover, {"model": MODEL, "counts": COUNTS}),
    (package.save, {"vectors": VECTORS, "path": "a.h5"}),
    (package.load, {"path": FILE}),
    (package.export, {"vectors": VECTORS, "path": "a.txt", "profile": "ner-funtool"}),
    (package.reduce, {"vectors": VECTORS}),
    (package.merge, {"parts": [VECTORS, VECTORS]}),
    (package.select, {"counts": COUNTS}),
    (package.update, {"vectors": VECTORS, "counts": COUNTS, "model": MODEL}),
    (package.diff, {"before": VECTORS, "after": VECTORS}),
    (package.ids, {"texts": ["水"], "vocab": IDS}),
    (package.trim, {"model": MODEL, "counts": COUNTS, "out": "out"}),
    (VECTORS.encode, {"texts": "水"}),
    (VECTORS.similarity, {"first": "水", "second": "火"}),
    (VECTORS.nearest, {"query": "水"}),
    (VECTORS.vocabulary, {}),
    (VECTORS.matrix_for, {"vocab": IDS}),
    (VECTORS.padded, {"texts": ["水"]}),
    (VECTORS.astype, {"dtype": "float16"}),
    (VECTORS.take, {"chosen": VECTORS.counts > 0}),
]
ODD = (np.array([1, 2]), np.array(["a", "b"]), np.zeros((2, 2)), np.array(1), float("nan"), [1], {}, object(), b"x")


@pytest.mark.parametrize(("function", "sound"), SOUND, ids=[each[0].__name__ for each in SOUND])
def test_odd_arguments_everywhere(
    function: Callable[..., Any], sound: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays, neither equal nor true, and other odd things in each place: it goes well, or a code says why not."""
    monkeypatch.chdir(tmp_path)
    names = [name for name, each in inspect.signature(function).parameters.items() if each.kind != each.VAR_KEYWORD]
    for name in names:
        for value in ODD:
            with contextlib.suppress(CharvecError, KeyError):
                function(**{**sound, name: value})


@pytest.mark.parametrize(
    ("module", "function", "argument"),
    [
        ("torch", "embedding", "freeze"),
        ("torch", "embedding_bag", "freeze"),
        ("keras", "embedding", "freeze"),
        ("keras", "embedding", "mask_zero"),
        ("flax", "embedding", "freeze"),
        ("onnx", "model", "normalize"),
        ("onnx", "model", "center"),
        ("model2vec", "static_model", "normalize"),
    ],
)
def test_flags_of_adapters(module: str, function: str, argument: str) -> None:
    """As of all others."""
    pytest.importorskip(module)
    adapter = getattr(importlib.import_module(f"charvec.{module}"), function)
    for value in (np.array([True, False]), "no"):
        with pytest.raises(UsageError) as caught:
            adapter(VECTORS, **{argument: value})
        assert caught.value.code == "E-ARGUMENT"
    adapter(VECTORS, **{argument: np.False_})


def test_lists() -> None:
    """Everything that can be iterated."""
    assert listed((each for each in "ab"), "texts") == ["a", "b"] == listed(np.array(["a", "b"]), "texts")
    for value in (None, 3, np.array("a")):
        with pytest.raises(UsageError, match="no list of texts"):
            listed(value, "texts")  # type: ignore[arg-type]


def test_paths() -> None:
    """Str and pathlib; bytes, numbers and names that no file can have are refused."""
    assert path_of("a/b", "f") == path_of(Path("a/b"), "f") == "a/b"
    for value, expected in (
        (b"a", "E-ARGUMENT"),
        (3, "E-ARGUMENT"),
        (None, "E-ARGUMENT"),
        ("a\0", "E-PATH"),
        ("\ud800", "E-PATH"),
    ):
        with pytest.raises(UsageError) as caught:
            path_of(value, "f")
        assert caught.value.code == expected


CALLS: list[tuple[str, Callable[[Any], Any], list[Any], str]] = [
    ("encode", lambda x: VECTORS.encode(x), [None, 3, np.array("水"), [1], ["水", None], [b"x"]], "E-ARGUMENT"),
    (
        "encode a",
        lambda x: VECTORS.encode("水", "sif", a=x),
        [True, "1", 0, -1.0, float("nan"), float("inf"), [1]],
        "E-ARGUMENT",
    ),
    ("padded", lambda x: VECTORS.padded(x), [None, 3, [1]], "E-ARGUMENT"),
    ("take", lambda x: VECTORS.take(x), [[0, 1], "水", np.ones(3, bool), None, np.zeros(0, bool)], "E-ARGUMENT"),
    ("places", lambda x: VECTORS.places(x), [None, 3, b"x", ["水"]], "E-ARGUMENT"),
    (
        "similarity",
        lambda x: VECTORS.similarity("水", x),
        [None, ["水"], {"水": 1}, VECTORS, (x for x in "水")],
        "E-ARGUMENT",
    ),
    ("similarity pooling", lambda x: VECTORS.similarity("水", "火", x), [None, "max", 3], "E-POOLING"),
    (
        "nearest",
        lambda x: VECTORS.nearest(x),
        [b"x", ["水"], {}, object(), 1j, (x for x in "水")],
        "E-ARGUMENT",
    ),
    ("nearest k", lambda x: VECTORS.nearest("水", x), [True, 2.0, "2", None, float("inf")], "E-ARGUMENT"),
    ("vocabulary", lambda x: VECTORS.vocabulary(x), [None, 3, ["<PAD>"], b"<PAD>"], "E-VOCAB-IDS"),
    ("vocabulary id", lambda x: VECTORS.vocabulary(pad_id=x), [True, 1.0, "1", 10**30, -(10**30)], "E-VOCAB-IDS"),
    (
        "matrix_for",
        lambda x: VECTORS.matrix_for(x),
        [3, np.array("水"), np.zeros((2, 2)), {"水": 0.0}, {"水": True}],
        "E-VOCAB-IDS",
    ),
    ("matrix_for entries", lambda x: VECTORS.matrix_for(x), [[1, 2], range(3), b"x", [None], {b"x": 0}], "E-VOCAB-IDS"),
    ("matrix_for pad", lambda x: VECTORS.matrix_for(IDS, pad=x), [0, 3.5, ["<PAD>"], b"<PAD>"], "E-VOCAB-IDS"),
    (
        "matrix_for seed",
        lambda x: VECTORS.matrix_for({"absent": 0}, missing="normal", seed=x),
        [-1, 1.5, "1", None, True],
        "E-ARGUMENT",
    ),
    ("ids", lambda x: package.ids(x, IDS), ["水", None, 3, [1], [None]], "E-ARGUMENT"),
    ("ids pad", lambda x: package.ids(["水"], IDS, pad=x), [None, 0, "absent"], "E-VOCAB-IDS"),
    ("ids length", lambda x: package.ids(["水"], IDS, length=x), [True, 1.0, "1", -1, 10**30], "E-ARGUMENT"),
    ("reduce top", lambda x: package.reduce(VECTORS, top=x), [True, 0, -1, 2.0, "2", 1j], "E-REDUCE"),
    ("reduce sif", lambda x: package.reduce(VECTORS, sif=x), [True, 0, "1", float("nan"), 10**400, [1]], "E-REDUCE"),
    ("reduce", lambda x: package.reduce(x, top=1), [None, 3, COUNTS], "E-ARGUMENT"),
    ("merge", lambda x: package.merge(x), [None, 3, VECTORS, "a.h5", [], [3], np.array("a")], "E-ARGUMENT"),
    ("select top", lambda x: package.select(COUNTS, top=x), [True, 0, 2.0, "2"], "E-ARGUMENT"),
    ("select only", lambda x: package.select(COUNTS, only=x), [3, True, b"han", [3], [None]], "E-ARGUMENT"),
    ("lookup keep", lambda x: package.lookup(MODEL, "水", keep=x), [None, 3, True, [3], "", []], "E-KEEP"),
    (
        "lookup counts",
        lambda x: package.lookup(MODEL, {"水": x}),
        [2.5, float("nan"), float("inf"), -1, 1 << 64, "3", None],
        "E-COUNTS",
    ),
    ("count", lambda x: package.count(x), [None, 3, np.array("水"), b"x", [1], [b"x"]], "E-ARGUMENT"),
    ("count normalize", lambda x: package.count("水", normalize=x), [3, True, "nf", ["NFC"]], "E-ARGUMENT"),
    ("load", lambda x: package.load(x), [None, 3, b"a.h5", ["a.h5"]], "E-ARGUMENT"),
    ("load path", lambda x: package.load(x), ["a\0.h5", "\ud800.h5"], "E-PATH"),
    ("save", lambda x: VECTORS.save(x), [None, 3, b"a.h5"], "E-ARGUMENT"),
    ("save path", lambda x: VECTORS.save(x), ["a\0.h5", "\ud800.h5"], "E-PATH"),
    ("save format", lambda x: VECTORS.save("a.h5", format=x), [3, True, "h6"], "E-FORMAT-NAME"),
    ("export", lambda x: package.export(VECTORS, x, "lattice"), [None, 3, b"a.txt"], "E-ARGUMENT"),
    ("export path", lambda x: package.export(VECTORS, x, "lattice"), ["a\0.txt", "\ud800"], "E-PATH"),
    ("export profile", lambda x: package.export(VECTORS, "a.txt", x), [None, 3, ["lattice"], "absent"], "E-PROFILE"),
    ("export pad", lambda x: package.export(VECTORS, "a", "model2vec", pad=x), [0, 3, ["<PAD>"]], "E-PROFILE-SPECIAL"),
    ("open", lambda x: package.open(x), [3, b"a", [], VECTORS], "E-ARGUMENT"),
    ("open path", lambda x: package.open(x), ["a\0", "\ud800"], "E-PATH"),
    ("open vocab", lambda x: package.open(MODEL, vocab=x), [3, b"vocab.txt"], "E-ARGUMENT"),
    ("open tensor", lambda x: package.open(MODEL, tensor=x), [3, b"x", ["x"]], "E-ARGUMENT"),
    ("trim", lambda x: package.trim(MODEL, COUNTS, x), [None, 3, b"out"], "E-ARGUMENT"),
    ("scan", lambda x: package.scan(x), [None, 3, b"x", [3], [None]], "E-ARGUMENT"),
    ("scan extensions", lambda x: package.scan(TEXTS, extensions=x), [3, b"txt", [1]], "E-ARGUMENT"),
    ("scan exclude", lambda x: package.scan(TEXTS, exclude=x), [3, b"txt", [1]], "E-ARGUMENT"),
    ("scan exclude name", lambda x: package.scan(TEXTS, exclude=x), ["\ud800"], "E-PATTERN"),
    ("scan encoding", lambda x: package.scan(TEXTS, encoding=x), [3, ["gbk"]], "E-ARGUMENT"),
    ("scan codec", lambda x: package.scan(TEXTS, encoding=x), ["absent", {"*": 3}, {3: "gbk"}], "E-CODEC"),
    ("scan field", lambda x: package.scan(TEXTS, field=x), [3, b"text", True], "E-ARGUMENT"),
    ("scan column", lambda x: package.scan(TEXTS, column=x), [1.5, b"text", True], "E-ARGUMENT"),
    ("scan jobs", lambda x: package.scan(TEXTS, jobs=x), [-1, 1.5, "1", True], "E-ARGUMENT"),
    ("scan max_ratio", lambda x: package.scan(TEXTS, max_ratio=x), [0, -1, 1.5, "1", float("nan")], "E-ARGUMENT"),
    ("scan not_this", lambda x: package.scan(TEXTS, not_this=x), [3.5, b"x"], "E-ARGUMENT"),
    ("scan not_these", lambda x: package.scan(TEXTS, not_these=x), [3, [3]], "E-ARGUMENT"),
    ("scan executor", lambda x: package.scan(TEXTS, executor=x), [3, "x", np.zeros(2)], "E-ARGUMENT"),
    ("scan progress", lambda x: package.scan(TEXTS, progress=x), [3, "x", np.zeros(2)], "E-ARGUMENT"),
    ("scan resume", lambda x: package.scan(TEXTS, resume=x), [3, b"x"], "E-ARGUMENT"),
    ("scan resume path", lambda x: package.scan(TEXTS, resume=x), ["a\0", "\ud800"], "E-PATH"),
]


@pytest.mark.parametrize(("call", "values", "expected"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS])
def test_refused(
    call: Callable[[Any], Any], values: list[Any], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments of a wrong kind are a UsageError with a code and help, before anything is written."""
    monkeypatch.chdir(tmp_path)
    for value in values:
        with pytest.raises(UsageError) as caught:
            call(value)
        assert caught.value.code == expected and caught.value.help, value
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy() -> None:
    """NumPy's numbers do what Python's do, in what is written too."""
    two, small = np.int64(2), np.float32(0.01)
    assert package.select(COUNTS, top=two).left_out == package.select(COUNTS, top=2).left_out
    assert json.dumps(package.select(COUNTS, top=two, min_count=np.uint8(2)).left_out)
    made = package.dump(TEXTS, model=MODEL, top=two, min_count=two)
    assert json.dumps(made.source) == json.dumps(package.dump(TEXTS, model=MODEL, top=2, min_count=2).source)
    reduced = package.reduce(VECTORS, top=np.int32(5), pca=np.uint8(2), sif=small)
    assert reduced.dim == 2 and json.dumps(reduced.source)
    expected = VECTORS.encode("水火", "sif", a=float(small))
    assert np.array_equal(VECTORS.encode("水火", "sif", a=small), expected)  # type: ignore[arg-type]
    assert VECTORS.nearest("水", two) == VECTORS.nearest("水", 2)
    assert VECTORS.vocabulary(pad_id=two) == VECTORS.vocabulary(pad_id=2)
    assert package.ids(["水"], IDS, length=two).shape == (1, 2)
    assert package.scan(TEXTS, jobs=np.int64(1), max_ratio=np.int64(9)) == package.scan(TEXTS)


def test_floats_as_counts() -> None:
    """Counts out of a data frame are floats; whole ones are taken as they are."""
    frame = {"水": np.float64(3), "火": 2.0, "山": np.int32(1), "雨": 0.0}
    assert dict(package.select(frame)) == {"水": 3, "火": 2, "山": 1}  # type: ignore[arg-type]


def test_none_is_nothing() -> None:
    """None where something may be left out leaves it out."""
    asked = package.scan(TEXTS, extensions=None, exclude=None, field=None, column=None, normalize=None)
    assert asked == package.scan(TEXTS) and asked.samples.settings == {}
    assert package.select(COUNTS, only=None) == COUNTS


def test_dump_refuses_a_selection_first() -> None:
    """What is wrong with a selection is said before the samples are read."""
    for given in ({"only": "klingon"}, {"top": 0}, {"min_count": "2"}):
        with pytest.raises(CharvecError) as caught:
            package.dump("absent", model="absent", **given)  # type: ignore[arg-type]
        assert caught.value.code in ("E-SCRIPT", "E-ARGUMENT")


def test_sums_keep_what_was_left_out() -> None:
    """Counts that were selected from and then added still say how much there was."""
    one, other = (
        package.select(package.count("水水火"), top=1),
        package.select(package.count("火火水山"), top=1, min_count=1),
    )
    total = one + other
    assert dict(total) == {"水": 2, "火": 2}
    assert total.left_out == {"top": {"setting": 1, "distinct": 3, "occurrences": 3}}
    assert total.samples.characters == sum(total.values()) + total.left_out["top"]["occurrences"]
    assert (one + package.count("山")).left_out == one.left_out


def test_no_vectors() -> None:
    """Vectors of no character can be done everything to that others can, as far as it makes sense."""
    none = package.lookup(MODEL, "龘")
    assert len(none) == 0 and len(none.take(np.zeros(0, bool))) == 0 and len(none.take([])) == 0  # type: ignore[arg-type]
    assert package.update(none, package.count("水"), MODEL).chars == ["水"]
    assert len(package.update(none, package.count("龘"), MODEL)) == 0
    assert package.merge([none, VECTORS]).chars == VECTORS.chars
    assert package.reduce(none, top=1, dims=3, dtype="int8").dim == 3
    assert none.encode(["水"]).shape == (1, VECTORS.dim)  # type: ignore[union-attr]
    assert not none.nearest(np.ones(VECTORS.dim)) and none.matrix_for(["水"]).missing == ("水",)


def test_padding_idx() -> None:
    """An id, and no text or truth value."""
    from charvec.tables import table

    assert table(VECTORS, padding_idx=np.int64(0)).padding == 0  # type: ignore[arg-type]
    for value in ("0", 0.0, True, slice(1)):
        with pytest.raises(UsageError) as caught:
            table(VECTORS, padding_idx=value)  # type: ignore[arg-type]
        assert caught.value.code == "E-ARGUMENT"
    with pytest.raises(IndexError):
        table(VECTORS, padding_idx=10**6)
