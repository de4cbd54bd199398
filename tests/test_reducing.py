"""Vectors made smaller: what each way does, what it says it lost, and what can still be done with the result."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vector_samples import LOSSLESS, ROOT, SUFFIX, assert_same, build, charvec, reduced, signed, small

import charvec as package
from charvec import CharVectors, Counts, diff, load, lookup, merge, reduce, select, update
from charvec.cli import main
from charvec.codebooks import decode, default_parts, fit, quantise
from charvec.errors import CharvecError, DamagedFile, UnsafeFile, UsageError
from charvec.extraction import verify_rows
from charvec.fidelity import describe
from charvec.formats import by_name
from charvec.plumbing.arrays.layout import SECOND, from_columns, to_columns
from charvec.plumbing.hdf5.hdf5_image import hdf5_image
from charvec.principal import Principal, principal_axes
from charvec.reduction import whole

DATA = ROOT / "tests" / "data" / "vectors"
MODEL = ROOT / "samples" / "tiny-bert-zh"
ALL = lookup(package.open(MODEL), package.scan(ROOT / "samples" / "texts"))


def some(n: int, dim: int, seed: int = 0, rank: int | None = None) -> CharVectors:
    """Random rows with random counts, in a space of few dimensions if wanted."""
    chance = np.random.default_rng(seed)
    rows = chance.standard_normal((n, dim if rank is None else rank))
    if rank is not None:
        rows = rows @ chance.standard_normal((rank, dim)) + 0.5
    vectors = build(list(range(0x4E00, 0x4E00 + n)), rows.astype(np.float32))
    return replace(vectors, counts=chance.integers(1, 50, n).astype(np.uint64))


def code(call: Callable[[], object]) -> str:
    """The code of the error that a call raises."""
    with pytest.raises(CharvecError) as caught:
        call()
    assert caught.value.help
    return caught.value.code


def cosines(one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.float64]:
    """Of each row with the other's."""
    one, two = one.astype(float), two.astype(float)
    return (one * two).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)


# -- principal axes and leading dimensions ----------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(12, 60), st.integers(2, 30), st.integers(1, 8), st.integers(0, 999), st.booleans())
def test_axes_are_principal(n: int, dim: int, number: int, seed: int, counted: bool) -> None:
    """Against the singular values of the weighted rows: as much variance, right angles, length 1, a stated sign."""
    number = min(number, dim, n - 1)
    vectors = some(n, dim, seed)
    weights = vectors.counts.astype(float) if counted else np.ones(n)
    axes, share = principal_axes(vectors.matrix, number, weights)
    mean = np.average(vectors.matrix.astype(float), axis=0, weights=weights)
    about = (vectors.matrix - mean) * np.sqrt(weights / weights.sum())[:, None]
    variances = np.linalg.svd(about, compute_uv=False) ** 2
    assert share == pytest.approx(variances[:number].sum() / variances.sum(), abs=1e-6)
    assert np.allclose(axes.basis.T @ axes.basis, np.eye(number), atol=1e-4)
    assert np.allclose(((about @ axes.basis) ** 2).sum(axis=0), variances[:number], rtol=1e-3)
    assert np.allclose(axes.mean, mean, atol=1e-5)
    assert (axes.basis.max(axis=0) >= -axes.basis.min(axis=0)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 80), st.integers(6, 40), st.integers(1, 5), st.integers(0, 999))
def test_pca_and_back(n: int, dim: int, rank: int, seed: int) -> None:
    """Rows that lie in few dimensions come back; places are the product in the docs; other rows go the same way."""
    vectors = some(n, dim, seed, rank)
    made = reduce(vectors, pca=rank)
    assert made.pca is not None and made.dim == rank and made.source["options"]["pca"]["explained"] > 0.9999
    back = made.restore()
    scale = np.abs(vectors.matrix).max()
    assert back.pca is None and np.abs(back.matrix - vectors.matrix).max() < 1e-4 * scale
    assert back.source["options"]["restored_from"] == rank and "pca" not in back.source["options"]
    expected = (vectors.matrix.astype(float) - made.pca.mean) @ made.pca.basis
    assert np.allclose(made.matrix, expected, atol=1e-5 * scale)
    order = np.random.default_rng(seed).permutation(n)[: n // 2]
    assert made.pca.project(vectors.matrix[order]).tobytes() == made.matrix[order].tobytes()
    assert made.pca.restore(made.matrix[order]).tobytes() == back.matrix[order].tobytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 40), st.integers(2, 12), st.integers(0, 999), st.sampled_from(["float32", "float16", "int8"]))
def test_leading_dimensions(n: int, dim: int, seed: int, dtype: str) -> None:
    """The first columns, bit for bit; the cosine is that with the same row and zeros behind."""
    vectors = some(n, dim, seed)
    keep = 1 + seed % dim
    made = reduce(vectors, dims=keep, dtype=dtype)
    first = replace(vectors, stored=np.ascontiguousarray(vectors.stored[:, :keep])).astype(dtype)
    assert made.stored.tobytes() == first.stored.tobytes() and made.dtype == dtype
    found = made.source["fidelity"]
    exact = cosines(vectors.matrix, np.pad(made.matrix, ((0, 0), (0, dim - keep))))
    assert found["to"] == "float32"
    assert exact.min() - 2e-9 <= found["min_cosine"] <= exact.min() + 1e-9
    assert exact.mean() - 2e-9 <= found["mean_cosine"] <= exact.mean() + 1e-9
    assert made.source["options"]["dims"] == {"from": dim}


def test_what_pca_says_it_lost() -> None:
    """Cosines of restored rows; neighbours among the places, and beside them those among restored rows."""
    made = reduce(ALL, pca=24, dtype="int8")
    found = made.source["fidelity"]
    exact = cosines(ALL.matrix, made.restore().matrix)
    assert found["min_cosine"] == pytest.approx(exact.min(), abs=1e-6)
    assert found["mean_cosine"] == pytest.approx(exact.mean(), abs=1e-6)
    assert 0 < found["nearest_same"] < 1 and 0 < found["restored_nearest_10_same"] < 1 and found["sample"] == 500
    assert "(restored: " in describe(found)
    again = made.restore().source["fidelity"]
    assert again["nearest_same"] == found["restored_nearest_same"] and "restored_nearest_same" not in again
    assert made.astype("float16").source["fidelity"]["to"] == "reduced int8"
    assert reduce(ALL, pca=96).source["fidelity"]["mean_cosine"] > reduce(ALL, pca=24).source["fidelity"]["mean_cosine"]


def test_axes_where_nothing_varies() -> None:
    """Directions without any variance are zeros, and the same whatever the rounding."""
    rows = np.zeros((20, 5), np.float32)
    rows[:, 1] = np.arange(20)
    made = reduce(build(range(0x4E00, 0x4E14), rows), pca=3)
    assert made.pca is not None
    assert made.pca.basis[:, 0].tolist() == [0, 1, 0, 0, 0] and not made.pca.basis[:, 1:].any()
    assert made.restore().matrix.tolist() == rows.tolist()


def test_axes_by_occurrences() -> None:
    """A character counts as often as it occurs: as if it stood there so many times."""
    vectors = some(15, 4)
    made = reduce(vectors, pca=3, by="occurrences")
    times = np.repeat(np.arange(15), vectors.counts.astype(int))
    axes, share = principal_axes(vectors.matrix[times], 3, np.ones(len(times)))
    assert made.pca is not None and np.allclose(made.pca.basis, axes.basis, atol=1e-4)
    assert np.allclose(made.pca.mean, axes.mean, atol=1e-6)
    assert made.source["options"]["pca"] == {"by": "occurrences", "explained": pytest.approx(share, abs=1e-6)}


# -- product quantisation ---------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400), st.integers(1, 4), st.integers(1, 5), st.integers(0, 999))
def test_codes_are_the_nearest(n: int, parts: int, length: int, seed: int) -> None:
    """Each part is replaced by the nearest vector of its codebook, and a row alone gets the same codes."""
    rows = np.random.default_rng(seed).standard_normal((n, parts * length)).astype(np.float32)
    books = fit(rows, parts)
    codes = quantise(rows, books)
    assert codes.shape == (n, parts) and books.shape[0] == parts and books.shape[1] <= min(n, 256)
    for part in range(parts):
        piece = rows[:, part * length : (part + 1) * length].astype(float)
        far = ((piece[:, None] - books[part].astype(float)) ** 2).sum(axis=2)
        assert np.allclose(far[np.arange(n), codes[:, part]], far.min(axis=1), atol=1e-6)
    assert quantise(rows[n // 2 :], books).tobytes() == codes[n // 2 :].tobytes()
    if n <= 256:  # every part has a vector of its own
        assert np.abs(decode(codes, books) - rows).max() <= 2**-11 * max(1.0, np.abs(rows).max())


def test_better_than_a_choice_of_rows() -> None:
    """The codebooks are means of what they stand for: a smaller error than that of any even choice of rows."""
    rows = some(1200, 8).matrix
    books = fit(rows, 2)
    chosen = np.stack([part[::5][:256] for part in np.split(rows, 2, axis=1)]).astype(np.float16)
    errors = [((decode(quantise(rows, each), each) - rows) ** 2).sum() for each in (books, chosen)]
    assert errors[0] < 0.8 * errors[1]


def test_pq_of_a_file() -> None:
    """Rows one by one are those of the matrix; asking again changes nothing; another M is made of what is left."""
    made = ALL.astype("pq")
    assert made.dtype == "pq" and made.stored.shape == (len(ALL), 32) and made.dim == 128 == ALL.dim
    assert made.astype("pq") is made and made.astype("pq:32") is made
    assert made["水"].tobytes() == made.matrix[made.chars.index("水")].tobytes()
    assert made.astype("pq:16").rounded_to == ("pq",) == made.astype("float32").rounded_to
    assert made.astype("float32").matrix.tobytes() == made.matrix.tobytes()
    exact = cosines(ALL.matrix, made.matrix)
    assert made.source["fidelity"]["min_cosine"] == pytest.approx(exact.min(), abs=1e-8)
    assert [default_parts(dim) for dim in (1, 3, 7, 8, 100, 384)] == [1, 1, 1, 2, 25, 96]


def test_pq_of_few_and_of_none() -> None:
    """Fewer than 256 characters, equal ones, zeros, and no character at all."""
    for rows in (np.zeros((3, 4)), np.ones((5, 4)), np.arange(8).reshape(2, 4), np.zeros((0, 4))):
        vectors = build(range(0x4E00, 0x4E00 + len(rows)), rows.astype(np.float32))
        made = vectors.astype("pq:2")
        assert made.matrix.tolist() == rows.tolist() and made.dim == 4
        for name in LOSSLESS:
            assert_same(through(made, name), made)


def test_pq_refusals() -> None:
    """Parts that do not fit, names that are none, and values that float16 cannot store."""
    assert code(lambda: ALL.astype("pq:7")) == "E-DTYPE"
    for wrong in ("pq:", "pq:0", "pq:-1", "pq:x", "int8:4", "float64", "pq:99999999"):
        assert code(lambda wrong=wrong: ALL.astype(wrong)) == "E-DTYPE"
    for value in (np.nan, np.inf, 65520.0):
        assert code(lambda value=value: build("ab", np.full((2, 4), value, np.float32)).astype("pq")) == "E-OVERFLOW"


THREADS = """
import sys
sys.path[:0] = sys.argv[1:3]
from test_reducing import some
from charvec import reduce
import io
from charvec.formats import by_name
from hashlib import blake2b
buffer = io.BytesIO()
by_name("hdf5").write(reduce(some(700, 48, 5), pca=16, center=True, dtype="pq"), buffer)
print(blake2b(buffer.getvalue()).hexdigest())
"""


def test_the_same_bytes_with_any_number_of_threads() -> None:
    """Axes, places, means and codebooks do not depend on how many threads BLAS has."""
    made = set()
    for threads in ("1", "2", "5"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        arguments = [sys.executable, "-c", THREADS, str(ROOT), str(ROOT / "tests")]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
        made.add(done.stdout)
    assert len(made) == 1


# -- the commonest characters -----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 2000))
def test_top_is_that_of_dump(first: int, second: int) -> None:
    """The commonest of a file are what looking these up gives, also in two steps; nothing is lost from the account."""
    model = package.open(MODEL)
    counts = package.scan(ROOT / "samples" / "texts", jobs=1)
    made = reduce(reduce(ALL, top=first), top=second)
    expected = lookup(model, select(select(counts, top=first), top=second))
    digest = expected.source["source"]["rows_blake2b"]
    source = {**made.source, "source": {**made.source["source"], "rows_blake2b": digest}}
    # which says whether the normaliser had to be asked about any of the characters
    source["vocabulary"] = {**source["vocabulary"], "normalised_by": expected.source["vocabulary"]["normalised_by"]}
    assert_same(replace(made, source=source), expected)
    left_out = made.source["samples"]["left_out"]["top"]
    assert len(made) + len(made.missing) + left_out["distinct"] == len(counts)
    written = int(made.counts.sum()) + int(made.missing_counts.sum())
    assert written + left_out["occurrences"] == int(counts.occurrences.sum())


# -- poolings that are stored -----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    st.text("一丁七万丈三上下不与丐丑", max_size=9), st.integers(0, 99), st.sampled_from(["float32", "int8", "pq:2"])
)
def test_center_and_sif_by_hand(text: str, seed: int, dtype: str) -> None:
    """The mean of the occurrences, and weights by the true counts; each only where it is asked for."""
    vectors = some(12, 4, seed)
    made = reduce(vectors, center=True, sif=0.01, dtype=dtype)
    mean = np.average(vectors.matrix.astype(float), axis=0, weights=vectors.counts.astype(float))
    assert made.mean is not None and np.allclose(made.mean, mean, atol=1e-6)
    assert made.matrix.tobytes() == vectors.astype(dtype).matrix.tobytes()
    plain = vectors.astype(dtype)
    assert np.array_equal(made.encode(text), plain.encode(text))
    rows = [made[char] for char in text if char in made]
    total = float(vectors.counts.sum())
    weights = [0.01 / (0.01 + vectors.counts[vectors.chars.index(char)] / total) for char in text if char in made]
    zeros = np.zeros(4)
    less = np.mean([row - mean for row in rows], axis=0) if rows else zeros
    both = (
        np.mean([(row - mean) * weight for row, weight in zip(rows, weights, strict=True)], axis=0) if rows else zeros
    )
    assert np.allclose(made.encode(text, center=True), less, atol=1e-5)
    assert np.allclose(made.encode(text, "stored"), both, atol=1e-5)
    assert np.allclose(made.encode(text, "sif", center=True), both, atol=1e-5)
    assert np.allclose(made.centered().encode(text), less, atol=1e-5)
    assert [row.tolist() for row in made.encode([text], None, center=True)] == [  # type: ignore[union-attr]
        (np.array(rows).reshape(-1, 4) - made.mean).astype(np.float32).tolist()
    ]


def test_sif_after_top() -> None:
    """A character's share is that of all samples, however few characters are left, with or without the option."""
    texts = ["中文的字", "日本"]
    before = ALL.encode(texts, "sif", a=0.02)
    for made in (reduce(ALL, top=400), reduce(ALL, sif=0.02), reduce(ALL, top=400, sif=0.02)):
        assert np.array_equal(made.encode(texts, "sif", a=0.02), before)
    stored = reduce(ALL, sif=0.02, top=400)
    assert stored.source["options"]["sif"] == {"a": 0.02, "occurrences": 9639}
    assert np.array_equal(stored.encode(texts, "sif"), before)
    # also when the user takes characters out, and nothing knows of it
    assert np.array_equal(stored.take(stored.counts > 2).encode("的", "sif"), ALL.encode("的", "sif", a=0.02))


def test_center_in_another_space() -> None:
    """A mean goes along with the axes, there and back."""
    both = reduce(reduce(ALL, center=True), pca=20)
    other = reduce(ALL, pca=20, center=True, by="types")
    assert both.mean is not None and other.mean is not None and both.pca is not None
    weighted = np.average(both.matrix.astype(float), axis=0, weights=ALL.counts.astype(float))
    assert np.allclose(both.mean, weighted, atol=1e-5) and np.abs(other.mean).max() < 1e-5
    assert np.allclose(both.centered().restore().matrix, both.restore().matrix, atol=1e-4)
    assert both.centered().source["options"]["centered"]
    # the restored rows are not centred, unless they were before they were put on axes
    assert "centered" not in both.centered().restore().source["options"]
    before = reduce(reduce(ALL, center=True).centered(), pca=12, center=True)
    assert before.restore().source["options"]["centered"] is True
    assert before.centered().restore().source["options"]["centered"] is True
    cut = reduce(reduce(ALL, center=True), dims=5)
    assert cut.mean is not None and cut.mean.tolist() == reduce(ALL, center=True).mean[:5].tolist()  # type: ignore[index]


def test_nothing_stored() -> None:
    """What was never stored is not made up."""
    assert code(lambda: ALL.encode("水", center=True)) == "E-NO-MEAN" == code(ALL.centered)
    assert code(lambda: ALL.encode("水", "stored")) == "E-POOLING"
    assert code(ALL.restore) == "E-REDUCED" == code(reduce(ALL, dims=9).restore)
    assert np.array_equal(reduce(ALL, sif=1e-3).encode("水的", "stored"), ALL.encode("水的", "sif"))
    centred = reduce(ALL, center=True)
    assert np.array_equal(centred.encode("水的", "stored"), centred.encode("水的", center=True))


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        *({"top": 0}, {"dims": -1}, {"pca": 2.5}, {"pca": True}, {"dims": 2, "pca": 2}, {"by": "weight"}),
        *({"sif": True}, {"top": np.bool_(True)}, {"by": "types"}, {"by": "types", "top": 9}),
        *({"sif": 0.0}, {"sif": float("nan")}, {"sif": "1"}, {"dims": 129}, {"pca": 129}),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    """Each is refused, whatever else is asked for."""
    with pytest.raises(UsageError) as caught:
        reduce(ALL, **wrong)
    assert caught.value.code == "E-REDUCE"


def test_numbers_of_numpy() -> None:
    """Integers and floats of NumPy are numbers as any other, and the result is the same, in a file too."""
    made = reduce(ALL, top=np.int64(90), pca=np.uint8(3), sif=np.float32(0.5))  # type: ignore[arg-type]
    assert_same(through(made, "hdf5"), through(reduce(ALL, top=90, pca=3, sif=0.5), "hdf5"))
    assert reduce(ALL, dims=np.int32(5)).dim == 5  # type: ignore[arg-type]


def test_vectors_that_cannot_be_reduced() -> None:
    """No counts, no variance, no rows, not finite; axes of axes."""
    bare = replace(some(12, 4), counts=np.zeros(12, np.uint64))
    for options in ({"top": 3}, {"center": True}, {"sif": 0.1}, {"pca": 2, "by": "occurrences"}):
        assert code(lambda options=options: reduce(bare, **options)) == "E-REDUCE"
    assert reduce(bare, center=True, by="types").mean is not None
    same = build("abc", np.ones((3, 4), np.float32))
    odd = build("abc", np.array([[np.nan, 1], [1, 2], [3, 4]], np.float32))
    both = build("ab", np.array([[np.inf, 1], [-np.inf, 2]], np.float32))
    assert code(lambda: reduce(both, center=True, by="types")) == "E-REDUCE"  # and no warning of NumPy's
    huge = build("abc", np.array([[3e38, 3e38], [-3e38, -3e38], [3e38, -1]], np.float32))
    for vectors in (same, odd, huge, same.take(np.zeros(3, bool))):
        assert code(lambda vectors=vectors: reduce(vectors, pca=1)) == "E-REDUCE"
    assert code(lambda: reduce(odd, center=True)) == "E-REDUCE"
    assert code(lambda: reduce(same.take(np.zeros(3, bool)), center=True, by="types")) == "E-REDUCE"
    axes = reduce(ALL, pca=8)
    assert code(lambda: reduce(axes, pca=4)) == "E-REDUCED" == code(lambda: reduce(axes, dims=4))


# -- files ------------------------------------------------------------------------------------------------------------


def through(vectors: CharVectors, name: str) -> CharVectors:
    """Written and read."""
    buffer = io.BytesIO()
    assert by_name(name).write(vectors, buffer) == []
    return by_name(name).read("x", buffer.getvalue(), True)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(12, 40),
    st.sampled_from([{}, {"pca": 4}, {"dims": 4}]),
    st.booleans(),
    st.sampled_from([None, 0.5]),
    st.sampled_from([None, 30]),
    st.sampled_from(["float32", "float16", "int8", "pq", "pq:2"]),
    st.sampled_from(LOSSLESS),
)
def test_any_file(
    n: int, shorter: dict[str, int], center: bool, sif: float | None, top: int | None, dtype: str, name: str
) -> None:
    """Every combination comes back, in every format that loses nothing."""
    made = reduce(some(n, 8, n), **shorter, center=center, sif=sif, top=top, dtype=dtype)
    again = through(made, name)
    assert_same(again, made)
    assert again.matrix.tobytes() == made.matrix.tobytes()
    second = not {*to_columns(made)}.isdisjoint(SECOND)
    assert json.loads(to_columns(made)["meta"].tobytes())["format_version"] == 1 + second


@pytest.mark.parametrize("name", LOSSLESS)
def test_golden(name: str, tmp_path: Path) -> None:
    """Files of version 2 are read and written as they were."""
    path = DATA / f"reduced{SUFFIX[name]}"
    assert_same(load(path), reduced())
    buffer = io.BytesIO()
    by_name(name).write(reduced(), buffer)
    if name != "npz":  # which depends on NumPy and Python
        assert buffer.getvalue() == path.read_bytes()


def test_h5py_reads_it() -> None:
    """As the document says, without charvec."""
    import h5py

    with h5py.File(DATA / "reduced.h5") as file:
        codes, books = file["vectors"][:], file["codebooks"][:]
        rows = books[np.arange(len(books)), codes].reshape(len(codes), -1).astype(np.float32)
        restored = rows @ file["pca/basis"][:].T + file["pca/mean"][:]
    assert rows.tobytes() == reduced().matrix.tobytes()
    assert np.allclose(restored, reduced().restore().matrix)


@pytest.mark.parametrize("name", ["text", "word2vec", "pickle"])
def test_plain_formats_hold_the_rows(name: str, tmp_path: Path) -> None:
    """Text and pickles get the rows as float32 and nothing else."""
    made = reduce(ALL, pca=6, dtype="pq:2")
    made.save(tmp_path / "a", format=name)
    again = load(tmp_path / "a")
    assert again.matrix.tobytes() == made.matrix[[made.chars.index(char) for char in again.chars]].tobytes()


LOST = [({"center": True}, "--center"), ({"pca": 4}, "4 axes of --pca"), ({"sif": 0.01}, "--sif")]


@pytest.mark.parametrize(("way", "named"), LOST)
@pytest.mark.parametrize("name", ["text", "word2vec", "word2vec-binary", "pickle", *LOSSLESS])
def test_what_a_format_does_not_keep_is_said(way: dict[str, Any], named: str, name: str, tmp_path: Path) -> None:
    """A warning that names it, where it is lost, and none where it is kept or nothing is there to be lost."""
    import warnings

    for vectors, lost in ((reduce(ALL, **way), name not in LOSSLESS), (ALL, False)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vectors.save(tmp_path / "a", format=name, overwrite=True)
        said = [str(each.message) for each in caught if each.category is package.errors.CharvecWarning]
        assert len(said) == lost and all(each.startswith("[W-NOT-STORED]") and named in each for each in said)


@pytest.mark.parametrize(
    ("profile", "lost"), [("lattice", True), ("bert-vector", True), ("model2vec", True), ("npz", False)]
)
def test_what_a_profile_does_not_keep_is_said(profile: str, lost: bool, tmp_path: Path) -> None:
    """The same in the notes of an export."""
    done = package.export(reduce(ALL, pca=4, center=True), tmp_path / "a", profile)
    assert [note.code for note in done.notes] == ["W-NOT-STORED"] * lost
    assert package.export(ALL, tmp_path / "b", profile).notes == ()


def test_commands_say_what_is_not_kept(tmp_path: Path) -> None:
    """dump and convert print one warning, and dump of the library gives it."""
    options = ["--center", "--sif", "0.01"]
    for command in (
        ("dump", "samples/texts", "-o", tmp_path / "a.vec", *options),
        ("convert", DATA / "float32.h5", tmp_path / "b.pkl", "--center"),
        ("convert", DATA / "float32.h5", tmp_path / "c", "--center", "--for", "model2vec"),
    ):
        done = charvec(*command)
        assert done.returncode == 0 and done.stderr.count("W-NOT-STORED") == 1 and "--center" in done.stderr
        assert "Warning:" not in done.stderr
    with pytest.warns(package.errors.CharvecWarning, match="W-NOT-STORED"):
        package.dump(ROOT / "samples" / "texts", model=MODEL, out=tmp_path / "d.txt", pca=4)


Spoil = Callable[[dict[str, NDArray[Any]]], dict[str, Any]]


def option(**changes: Any) -> Spoil:
    """Options that say something else."""

    def spoil(columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        meta = json.loads(columns["meta"].tobytes())
        options = {**meta["options"], **changes}
        meta["options"] = {key: value for key, value in options.items() if value is not ...}
        return {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}

    return spoil


SAMPLES = {"files": 1, "bytes": 1, "characters": 1}


def said(**changes: Any) -> Spoil:
    """Provenance that says something else."""

    def spoil(columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        meta = {**json.loads(columns["meta"].tobytes()), **changes}
        return {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}

    return spoil


WRONG: list[tuple[Spoil, str]] = [
    (lambda columns: {"codebooks": None}, "E-COUNT"),
    (lambda columns: {"vectors": np.zeros((6, 2), np.float32)}, "E-COUNT"),
    (lambda columns: {"codebooks": columns["codebooks"][:, :2]}, "E-BASIS"),
    (lambda columns: {"codebooks": columns["codebooks"][:, :0]}, "E-BASIS"),
    (lambda columns: {"codebooks": columns["codebooks"][:1]}, "E-BASIS"),
    (lambda columns: {"codebooks": np.zeros((2, 257, 1), np.float16)}, "E-BASIS"),
    (lambda columns: {"codebooks": np.zeros((2, 3, 0), np.float16)}, "E-COUNT"),
    (lambda columns: {"codebooks": np.full((2, 3, 1), np.nan, np.float16)}, "E-BASIS"),
    (lambda columns: {"codebooks": columns["codebooks"].astype(np.float32)}, "E-H5-TYPE"),
    (lambda columns: {"codebooks": columns["codebooks"][0]}, "E-H5-TYPE"),
    (lambda columns: {"pca/basis": None}, "E-BASIS"),
    (lambda columns: {"pca/mean": None}, "E-BASIS"),
    (lambda columns: {"pca/basis": columns["pca/basis"][:3]}, "E-BASIS"),
    (lambda columns: {"pca/basis": columns["pca/basis"].T.copy()}, "E-BASIS"),
    (lambda columns: {"pca/mean": np.full(4, np.inf, np.float32)}, "E-BASIS"),
    (lambda columns: {"mean": None}, "E-BASIS"),
    (lambda columns: {"mean": np.zeros(3, np.float32)}, "E-BASIS"),
    (lambda columns: {"mean": np.full(2, np.nan, np.float32)}, "E-BASIS"),
    (option(pca=...), "E-BASIS"),
    (option(center=...), "E-BASIS"),
    (option(pca=3), "E-META"),
    (option(pca={"by": "weight", "explained": 0.5}), "E-META"),
    (option(pca={"by": "types", "explained": 1.5}), "E-META"),
    (option(pca={"by": "types", "explained": 1}), "E-META"),
    (option(center={}), "E-META"),
    (option(sif={"a": -1.0, "occurrences": 5}), "E-META"),
    (option(sif={"a": 0.1, "occurrences": 0}), "E-META"),
    (option(sif={"a": 0.1, "occurrences": True}), "E-META"),
    (option(sif=[0.1]), "E-META"),
    (option(dims={"from": 0}), "E-META"),
    (option(dims={"from": 1}), "E-BASIS"),
    (option(dims={"from": 1 << 40}), "E-META"),
    (said(format_version=1), "E-META"),
    (said(samples={**SAMPLES, "left_out": 3}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": 0.5}}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": ["int8"]}}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": {"distinct": "x", "occurrences": 1}}}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": {"distinct": 1, "occurrences": 10**400}}}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": {"distinct": 1, "occurrences": -1}}}), "E-META"),
    (said(samples={**SAMPLES, "left_out": {"top": {"distinct": 1}}}), "E-META"),
    (
        said(samples={**SAMPLES, "left_out": {"top": {"distinct": 1, "occurrences": 1, "graphemes": [1]}}}),
        "E-META",
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), WRONG)
def test_damaged_columns(spoil: Spoil, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a digest computed anew the fault itself is found, by every format that holds these columns."""
    columns: dict[str, Any] = to_columns(reduced())
    columns |= spoil(columns)
    columns = {name: column for name, column in columns.items() if column is not None}
    with pytest.raises(DamagedFile) as caught:
        from_columns(columns, "x.h5")
    assert caught.value.code == expected
    path = tmp_path / "a.h5"
    path.write_bytes(signed(b"".join(map(bytes, hdf5_image(columns, 512)))))
    assert main(["info", str(path)]) == 65
    out, err = capsys.readouterr()
    assert f"error[{expected}]" in err and not out


@pytest.mark.parametrize("kind", ["pq", "pca"])
def test_rows_that_swell(kind: str) -> None:
    """A few codes, or places on one axis, that stand for rows of many GiB are refused as they are read, and written."""
    n, length = 60_000, 1 << 20
    many = build(list(range(0x20000, 0x20000 + n)), np.zeros((n, 1), np.float32))
    if kind == "pq":
        books = np.zeros((1, 1, length), np.float16)
        bomb, further = replace(many, stored=np.zeros((n, 1), np.uint8), codebooks=books), {"codebooks": books}
    else:
        axes = Principal(np.zeros((length, 1), np.float32), np.zeros(length, np.float32))
        source = {
            **many.source,
            "options": {**many.source.get("options", {}), "pca": {"by": "types", "explained": 1.0}},
        }
        bomb, further = replace(many, pca=axes, source=source), {"pca/basis": axes.basis, "pca/mean": axes.mean}
    assert code(lambda: to_columns(bomb)) == "E-BOMB"
    meta = np.frombuffer(json.dumps({**bomb.source, "format_version": 2}).encode(), np.uint8)
    columns = {**to_columns(many), "vectors": bomb.stored, **further, "meta": meta}
    with pytest.raises(UnsafeFile) as caught:
        from_columns(columns, "x.h5")
    assert caught.value.code == "E-BOMB"
    few = {name: column[:9] if len(column) == n else column for name, column in columns.items()}
    assert len(from_columns({**few, "row_offsets": columns["row_offsets"][:10]}, "x.h5")) == 9


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_damage(data: st.DataObject) -> None:
    """Any bytes of a file of version 2 changed, digest and all: read or refused, never a fault of the program."""
    body = bytearray((DATA / "reduced.h5").read_bytes()[512:])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    try:
        vectors = by_name("hdf5").read("x", signed(bytes(body)), True)
    except CharvecError as error:
        assert error.exit_code == 65
        return
    assert vectors.matrix.shape == (len(vectors), vectors.dim)
    if vectors.pca is not None and "pca" in vectors.source["options"]:
        assert vectors.restore().dim == vectors.pca.dim


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(to_columns(reduced()))), st.data())
def test_random_shapes(name: str, data: st.DataObject) -> None:
    """Any column of any shape: read or refused."""
    columns: dict[str, Any] = to_columns(reduced())
    if name != "meta":
        column = columns[name]
        shape = [data.draw(st.integers(0, 2 * size + 1)) for size in column.shape]
        columns[name] = np.resize(column, shape)
    columns |= data.draw(st.sampled_from([{}, {"mean": None}, {"codebooks": None}, {"pca/basis": None}]))
    columns = {key: column for key, column in columns.items() if column is not None}
    try:
        vectors = from_columns(columns, "x")
    except CharvecError as error:
        assert error.exit_code == 65
        return
    assert vectors.matrix.shape == (len(vectors), vectors.dim)
    assert vectors.encode("A中", "stored").shape == (vectors.dim,)


def test_columns_that_do_not_fit() -> None:
    """Vectors put together by hand are checked as files are."""
    good = reduced()
    axes = Principal(np.zeros((4, 3), np.float32), np.zeros(4, np.float32))
    wrong: list[dict[str, Any]] = [{"codebooks": None}, {"stored": good.matrix}, {"pca": axes}]
    wrong += [
        {"mean": np.zeros(3, np.float32)},
        {"codebooks": good.codebooks[:1]},
        {"codebooks": good.codebooks[:, :1]},
    ]  # type: ignore[index]
    for changes in wrong:
        assert code(lambda changes=changes: replace(good, **changes)) == "E-COLUMNS"
    undescribed = replace(good, source={**good.source, "options": {}})
    assert code(lambda: to_columns(undescribed)) == "E-META"


# -- the other verbs --------------------------------------------------------------------------------------------------

WAYS: list[dict[str, Any]] = [
    {"dims": 40},
    {"pca": 12},
    {"dtype": "pq"},
    {"pca": 16, "dtype": "int8"},
    {"dims": 64, "dtype": "pq:8"},
    {"pca": 16, "by": "occurrences", "dtype": "pq", "center": True, "sif": 0.01},
    {"center": True, "by": "types", "dtype": "float16"},
    {"sif": 0.5},
]


@pytest.mark.parametrize("way", WAYS)
def test_verify(way: dict[str, Any]) -> None:
    """Every vector is proven to be what the model gives by the same way; one changed value is found."""
    model = package.open(MODEL)
    made = through(reduce(ALL, **way), "hdf5")
    assert verify_rows(made, model) == []
    stored = made.stored.copy()
    stored[3, 0] = stored[3, 0] + 1 if made.dtype != "pq" else (stored[3, 0] + 1) % 200
    assert verify_rows(replace(made, stored=stored), model) == [made.chars[3]]


@pytest.mark.parametrize("way", WAYS)
def test_update(way: dict[str, Any]) -> None:
    """More samples: old rows stay, new ones go the same way, and what is counted is counted anew."""
    model = package.open(MODEL)
    counts = package.scan(ROOT / "samples" / "texts", jobs=1)
    half = replace(counts, codepoints=counts.codepoints[::2], occurrences=counts.occurrences[::2])
    rest = replace(counts, codepoints=counts.codepoints[1::2], occurrences=counts.occurrences[1::2])
    old = through(reduce(lookup(model, half), **way), "hdf5")
    new = update(old, rest, model)
    assert new.chars == ALL.chars and new.counts.tolist() == ALL.counts.tolist()
    places = [new.chars.index(char) for char in old.chars]
    assert new.matrix[places].tobytes() == old.matrix.tobytes() and new.dtype == old.dtype
    assert verify_rows(through(new, "hdf5"), model) == []
    assert not diff(old, new).changed
    if "center" in way:
        mean = reduce(ALL, center=True, by=way.get("by"))
        rows = mean.mean if old.pca is None else old.pca.project(mean.mean[None])[0]  # type: ignore[index]
        assert new.mean is not None and np.allclose(new.mean, rows, atol=1e-4)
    if "sif" in way:
        assert new.source["options"]["sif"] == {"a": way["sif"], "occurrences": 9639}
    if "pca" in way and new.pca is not None:
        weights = ALL.counts if way.get("by") == "occurrences" else np.ones(len(ALL))
        spread = [
            np.average((each - np.average(each, axis=0, weights=weights)) ** 2, axis=0, weights=weights).sum()
            for each in (new.pca.project(ALL.matrix).astype(float), ALL.matrix.astype(float))
        ]
        assert new.source["options"]["pca"]["explained"] == pytest.approx(spread[0] / spread[1], abs=1e-6)
        assert new.source["options"]["pca"]["explained"] < old.source["options"]["pca"]["explained"]
    if "pca" in way or "dims" in way:
        exact = cosines(ALL.matrix, whole(new, 128))
        assert new.source["fidelity"]["mean_cosine"] == pytest.approx(exact.mean(), abs=1e-7)


def test_update_of_what_cannot_go_the_same_way() -> None:
    """Centred, restored and twice rounded rows, and selections."""
    model, none = package.open(MODEL), Counts.none()
    axes = reduce(ALL, pca=8, center=True)
    for made in (axes.centered(), axes.restore(), reduce(ALL.astype("int8"), pca=8)):
        assert code(lambda made=made: update(made, none, model)) == "E-REDUCED"
    assert code(lambda: update(reduce(ALL, top=9), none, model)) == "E-UPDATE"


@pytest.mark.parametrize("way", WAYS)
def test_merge_is_refused(way: dict[str, Any]) -> None:
    """Rows of several files cannot share what one of them stores."""
    assert code(lambda: merge([ALL, reduce(ALL, **way)], how="concat")) == "E-REDUCED"


def test_merged_and_then_reduced() -> None:
    """Two models side by side, on common axes: read and written; but not taken apart again."""
    from charvec.provenance import parts_of

    both = reduce(merge([ALL, ALL], how="concat"), pca=20, dtype="int8")
    assert_same(through(both, "hdf5"), both)
    assert both.pca is not None and both.pca.dim == 256
    assert code(lambda: parts_of(both)) == "E-REDUCED"
    assert len(parts_of(reduce(merge([ALL, ALL]), top=9))[0]) <= 9


def test_diff() -> None:
    """Rows on other axes are not compared; rounding is recognised, that by codebooks too."""
    one, two = reduce(ALL, pca=8), reduce(ALL, pca=8, by="occurrences")
    assert code(lambda: diff(one, two)) == "E-REDUCED" == code(lambda: diff(ALL, one))
    assert not diff(one, one) and diff(one, one.astype("int8")).rounding
    assert diff(ALL, ALL.astype("pq")).rounding and diff(reduce(ALL, top=900), ALL).came
    assert dict(diff(ALL, reduce(ALL, sif=0.1)).options) == {"sif": (None, {"a": 0.1, "occurrences": 9639})}


def test_rows_that_codebooks_cannot_hold() -> None:
    """New rows that are not finite, and codebooks of no characters, are refused and not stored as something else."""
    from charvec.reducing import as_reduced

    none = some(3, 4).take(np.zeros(3, bool)).astype("pq")
    rows = np.array([[1, 2, 3, np.nan]], np.float32)
    assert code(lambda: as_reduced(rows, some(20, 4).astype("pq"))) == "E-OVERFLOW"
    assert code(lambda: as_reduced(np.ones((1, 4), np.float32), none)) == "E-OVERFLOW"
    assert code(lambda: as_reduced(rows * 0 + 7e4, some(20, 4).astype("pq"))) == "E-OVERFLOW"
    assert code(lambda: as_reduced(np.ones((1, 5), np.float32), reduce(some(20, 4), pca=2))) == "E-REDUCED"


@pytest.mark.parametrize(("dtype", "wrong"), [("int8", np.nan), ("pq", np.inf), ("pq", 7e4), ("float16", 1e5)])
def test_verify_names_rows_that_a_type_cannot_hold(dtype: str, wrong: float) -> None:
    """A model with a row that the file's type cannot store: that character differs, and no other."""
    from charvec.reducing import stored_alike

    rows = some(20, 4).matrix.copy()
    made = some(20, 4).astype(dtype)
    rows[3, 1] = wrong
    assert np.flatnonzero(~stored_alike(rows, made, dtype)).tolist() == [3]


@pytest.mark.parametrize("dtype", ["float32", "pq"])
def test_as_a_model(dtype: str, tmp_path: Path) -> None:
    """A reduced file is a model whose rows are its rows."""
    made = reduce(ALL, pca=8, dtype=dtype)
    made.save(tmp_path / "a.h5")
    again = lookup(package.open(tmp_path / "a.h5"), made.chars)
    assert again.matrix.tobytes() == made.matrix.tobytes() and again.pca is None


# -- commands ---------------------------------------------------------------------------------------------------------


def test_commands(tmp_path: Path) -> None:
    """dump and convert make the same file and say the same; info, verify and encode know it."""
    way = ["--pca", "12", "--center", "--sif", "0.01", "--dtype", "pq:4"]
    direct = charvec("dump", "samples/texts", "-o", tmp_path / "a.h5", *way)
    assert charvec("dump", "samples/texts", "-o", tmp_path / "all.h5").returncode == 0
    converted = charvec("convert", tmp_path / "all.h5", tmp_path / "b.h5", *way)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    made = load(tmp_path / "a.h5")
    assert_same(made, reduce(ALL, pca=12, center=True, sif=0.01, dtype="pq:4"))
    told = charvec("info", tmp_path / "a.h5").stdout
    for words in (describe(made.source["fidelity"]), "12 principal axes of 128 dimensions"):
        assert words in direct.stdout and words in converted.stdout and words in told
    assert "pq: 4 parts, 256 vectors for each" in told
    assert "sif with a = 0.01 of 9,639 occurrences; less the mean of each occurrence" in told
    proven = charvec("verify", tmp_path / "a.h5", "--against", MODEL)
    assert (
        proven.returncode == 0 and "vectors are equal after projection on the file's 12 axes and quant" in proven.stdout
    )
    said = charvec("encode", tmp_path / "a.h5", "今天", "--pooling", "stored").stdout.split()
    assert np.allclose([float(word) for word in said], made.encode("今天", "stored"))
    said = charvec("encode", tmp_path / "a.h5", "今天", "--center").stdout.split()
    assert np.allclose([float(word) for word in said], made.encode("今天", center=True))
    said = charvec("similar", tmp_path / "a.h5", "今天", "明天", "--pooling", "stored").stdout
    assert float(said) == pytest.approx(made.similarity("今天", "明天", "stored"), abs=1e-4)
    plain = json.loads(charvec("info", tmp_path / "a.h5", "--json").stdout)
    assert plain["parts"] == 4 and plain["axes_of"] == 128 and len(plain["mean"]) == 12
    back = charvec("convert", tmp_path / "a.h5", tmp_path / "back.npz", "--restore")
    assert back.returncode == 0 and load(tmp_path / "back.npz").dim == 128
    doubted = charvec("verify", tmp_path / "back.npz", "--against", MODEL)
    assert doubted.returncode == 1 and "the rows were restored from fewer dimensions" in doubted.stderr
    more = charvec("update", tmp_path / "a.h5", "samples/texts/simplified.txt", "-o", tmp_path / "more.h5")
    assert more.returncode == 0, more.stderr
    cut = charvec("convert", tmp_path / "all.h5", tmp_path / "c.h5", "--top", "100", "--dims", "8")
    assert "--top 100 left out 1,760 characters, 4,367 occurrences" in cut.stdout
    assert "the first 8 of 128 dimensions" in cut.stdout and "fidelity: " in cut.stdout
    told = charvec("info", tmp_path / "c.h5").stdout
    assert "1,760 characters not selected" in told and "of the selected text" in told


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--pca", "0"], "E-REDUCE"),
        (["--dims", "3", "--pca", "3"], "E-REDUCE"),
        (["--sif", "-1"], "E-REDUCE"),
        (["--by", "types"], "E-USAGE"),
        (["--dtype", "pq:x"], "E-DTYPE"),
        (["--restore"], "E-REDUCED"),
        (["--dims", "500"], "E-REDUCE"),
    ],
)
def test_commands_refuse(options: list[str], expected: str, tmp_path: Path) -> None:
    """One error, and nothing is written."""
    done = charvec("convert", DATA / "float32.h5", tmp_path / "a.h5", *options)
    assert done.returncode == 2 and f"error[{expected}]" in done.stderr and not [*tmp_path.iterdir()]


def test_dump_as_a_library() -> None:
    """The same options, and the same vectors."""
    made = package.dump(ROOT / "samples" / "texts", model=MODEL, dims=32, center=True, dtype="int8")
    assert_same(made, reduce(ALL, dims=32, center=True, dtype="int8"))
    assert code(lambda: package.dump("absent", dims=0)) == "E-REDUCE"
    assert code(small().restore) == "E-REDUCED"
