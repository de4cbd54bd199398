"""What smaller vectors say of the error they carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_samples import build, charvec

from charvec import load
from charvec.errors import DamagedFile
from charvec.fidelity import describe, fidelity
from charvec.plumbing.arrays.layout import from_columns, to_columns
from charvec.vectors import CharVectors


def some(n: int, dim: int, seed: int = 0) -> CharVectors:
    """Random rows."""
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return build(list(range(0x4E00, 0x4E00 + n)), rows)


def naive(rows: np.ndarray, smaller: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Cosines one by one, and neighbours by sorting."""
    cosines = np.array([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(rows, smaller, strict=True)])
    near: list[list[list[int]]] = []
    for each in (rows, smaller):
        unit = each / np.linalg.norm(each, axis=1)[:, None]
        table = np.round(unit @ unit.T, 9)  # rows of int8 may point the very same way; then the first one counts
        near.append(
            [
                sorted([j for j in range(len(each)) if j != i], key=lambda j, i=i: -table[i, j])[:10]
                for i in range(len(each))
            ]
        )
    first = np.mean([a[0] == b[0] for a, b in zip(*near, strict=True)])
    ten = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near, strict=True)])
    return cosines, float(first), float(ten)


@settings(max_examples=25, deadline=None)
@given(st.integers(11, 90), st.integers(2, 9), st.integers(0, 999), st.sampled_from(["float16", "int8"]))
def test_against_the_definition(n: int, dim: int, seed: int, dtype: str) -> None:
    """Every measure, against the plainest way to it."""
    vectors = some(n, dim, seed)
    made = vectors.astype(dtype)
    found = made.source["fidelity"]
    cosines, first, ten = naive(vectors.matrix.astype(float), made.matrix.astype(float))
    assert found["to"] == "float32" and found["sample"] == n
    assert cosines.min() - 2e-9 <= found["min_cosine"] <= cosines.min() + 1e-11
    assert cosines.mean() - 2e-9 <= found["mean_cosine"] <= cosines.mean() + 1e-11
    assert found["nearest_same"] == pytest.approx(first) and found["nearest_10_same"] == pytest.approx(ten)


def test_sample() -> None:
    """Of many rows some, evenly spread; the worst row is found though it is none of them."""
    vectors = some(2001, 4)
    rows = vectors.matrix.copy()
    rows[1999] *= -1
    found = fidelity(vectors.matrix, rows, "float32")
    assert found["sample"] == 500 and found["min_cosine"] == -1 and found["nearest_same"] > 0.99


def test_rows_without_direction() -> None:
    """Zeros and what is not finite have no cosine; a row that vanished has cosine 0."""
    rows = np.array([[0, 0], [np.nan, 1], [1, 0], [0, 2]], np.float32)
    assert fidelity(rows, np.array([[0, 0], [np.nan, 1], [1, 0], [0, 0]], np.float32), "float32") == {
        "to": "float32",
        "min_cosine": 0.0,
        "mean_cosine": 0.5,
    }
    assert fidelity(rows[:2], rows[:2], "float32") == {} == fidelity(rows[:0], rows[:0], "float32")
    assert "fidelity" not in build("a", rows[:1]).astype("float16").source


def test_kept_and_lost() -> None:
    """float32 says nothing; widening keeps what is known; a second narrowing says to what it compares."""
    vectors = some(30, 8)
    eight = vectors.astype("int8")
    assert "fidelity" not in vectors.source and eight.astype("float32").source["fidelity"] == eight.source["fidelity"]
    assert eight.astype("float16").source["fidelity"]["to"] == "int8"
    assert eight.source["fidelity"]["min_cosine"] < vectors.astype("float16").source["fidelity"]["min_cosine"] < 1


def test_rounded_down() -> None:
    """Nothing short of 1 is shown as 1."""
    found = {"to": "float32", "min_cosine": 0.99999999, "mean_cosine": 1.0}
    found |= {"nearest_same": 0.9999, "nearest_10_same": 1.0, "sample": 500}
    assert describe(found) == (
        "cosine to the float32 rows at least 0.9999999, 1.0000000 on average; "
        "of 500 rows, the nearest is the same for 99.9 %, of the 10 nearest 100.0 % are"
    )


@pytest.mark.parametrize(
    "wrong",
    [None, 3, {}, {"to": 1}, {"to": "x", "min_cosine": 2.0, "mean_cosine": 0.0}, {"to": "x", "min_cosine": 0.5}]
    + [{"to": "x", "min_cosine": 0.5, "mean_cosine": 0.5, "sample": each} for each in ("9", 1, None)],
)
def test_files_that_lie(wrong: Any) -> None:
    """A file may say anything; nothing that is shown is taken for what it is not."""
    columns = dict(to_columns(some(3, 2)))
    text = columns["meta"].tobytes().decode()
    import json

    columns["meta"] = np.frombuffer(json.dumps({**json.loads(text), "fidelity": wrong}).encode(), np.uint8)
    with pytest.raises(DamagedFile) as caught:
        from_columns(columns, "x.h5")
    assert caught.value.code == "E-META"


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_commands(tmp_path: Path, dtype: str) -> None:
    """dump, convert and info say it alike, and both ways make the same file."""
    made = charvec("dump", "samples/texts", "--dtype", dtype, "-o", tmp_path / "a.h5")
    assert charvec("dump", "samples/texts", "-o", tmp_path / "wide.h5").returncode == 0
    converted = charvec("convert", tmp_path / "wide.h5", tmp_path / "b.h5", "--dtype", dtype)
    said = describe(load(tmp_path / "a.h5").source["fidelity"])
    assert said in made.stdout and said in converted.stdout and said in charvec("info", tmp_path / "b.h5").stdout
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert "fidelity" not in charvec("info", tmp_path / "wide.h5").stdout
