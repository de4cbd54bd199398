"""Character vectors in scikit-learn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, assert_same, build

import charvec
from charvec.errors import CharvecError, UsageError

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

VECTORS = build("a水火", np.array([[1, 2], [3, 5], [5, 2]], np.float32))
TEXTS = ["水火", "a?a", "", "火"]


def test_samples_to_a_classifier(tmp_path: Path) -> None:
    """From samples to a grid search over vector files and poolings, whose best pipeline tells two languages apart."""
    for dtype in ("float32", "int8"):
        charvec.dump(
            ROOT / "samples" / "texts",
            model=ROOT / "samples" / "tiny-bert-zh",
            out=tmp_path / f"{dtype}.h5",
            dtype=dtype,
        )
    texts = ["水火木金", "大小上下", "天地人", "春夏秋冬", "東西南北", "山川"] * 2
    texts += ["water and fire", "up, down", "heaven", "spring", "east or west", "hills"] * 2
    labels = ["zh"] * 12 + ["en"] * 12
    pipeline = Pipeline(
        [("vectors", charvec.sklearn.CharVectorizer(tmp_path / "int8.h5")), ("model", LogisticRegression())]
    )
    grid: dict[str, Any] = {
        "vectors__vectors": [tmp_path / "float32.h5", str(tmp_path / "int8.h5"), charvec.load(tmp_path / "int8.h5")],
        "vectors__pooling": ["mean", "sum"],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(texts, labels)
    assert len(search.cv_results_["params"]) == 6 and search.best_score_ > 0.9
    (tmp_path / "float32.h5").unlink()
    (tmp_path / "int8.h5").unlink()
    # the fitted pipeline needs no file any more
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert again.predict(["林森", "forest"]).tolist() == ["zh", "en"]


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_it_is_encode(pooling: Any) -> None:
    """The same numbers, from a list, an array, a tuple."""
    made = charvec.sklearn.CharVectorizer(VECTORS, pooling=pooling)
    expected = VECTORS.encode(TEXTS, pooling)
    for texts in (TEXTS, tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object)):
        result = made.fit_transform(texts)
        assert result.dtype == np.float32 and np.array_equal(result, expected)
    assert made.fit(TEXTS).transform([]).shape == (0, 2)


def test_clones_and_pickles() -> None:
    """A clone is not fitted and has vectors of its own; a pickle of a fitted one brings them along."""
    made = charvec.sklearn.CharVectorizer(VECTORS, pooling="sum").fit(TEXTS)
    copy = clone(made)
    assert copy.pooling == "sum" and not hasattr(copy, "vectors_")
    with pytest.raises(NotFittedError):
        copy.transform(TEXTS)
    assert_same(copy.vectors, VECTORS)
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.transform(TEXTS), made.transform(TEXTS))


def test_names_of_the_features() -> None:
    """In a union with another, and as columns of a data frame where pandas is installed."""
    made = charvec.sklearn.CharVectorizer(VECTORS).fit(TEXTS)
    assert made.get_feature_names_out().tolist() == ["charvectorizer0", "charvectorizer1"]
    both = make_union(made, charvec.sklearn.CharVectorizer(VECTORS, pooling="sum"))
    assert both.fit_transform(TEXTS).shape == (4, 4) and len(both.get_feature_names_out()) == 4
    scaled = make_pipeline(charvec.sklearn.CharVectorizer(VECTORS), StandardScaler()).fit(TEXTS)
    assert scaled.get_feature_names_out().tolist() == ["charvectorizer0", "charvectorizer1"]


def test_data_frames() -> None:
    """A column goes in, a frame with its index comes out."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    column = pandas.Series(TEXTS, index=[7, 8, 9, 10])
    made = charvec.sklearn.CharVectorizer(VECTORS).set_output(transform="pandas").fit(column)
    frame = made.transform(column)
    assert frame.columns.tolist() == ["charvectorizer0", "charvectorizer1"] and frame.index.tolist() == [7, 8, 9, 10]
    assert np.array_equal(frame.to_numpy(), VECTORS.encode(TEXTS))


def test_tags() -> None:
    """It says of itself that it takes texts."""
    tags = get_tags(charvec.sklearn.CharVectorizer(VECTORS))
    assert tags.input_tags.string and not tags.input_tags.two_d_array and not tags.target_tags.required
    assert "pooling='sum'" in repr(charvec.sklearn.CharVectorizer(VECTORS, pooling="sum"))


def test_refused(tmp_path: Path) -> None:
    """One text, what is no text, another pooling, a file that is not there."""
    made = charvec.sklearn.CharVectorizer(VECTORS).fit(TEXTS)
    for texts in ("水", [1], np.zeros((2, 2))):
        with pytest.raises(UsageError) as caught:
            made.transform(texts)
        assert caught.value.code == "E-ARGUMENT"
    with pytest.raises(UsageError, match="E-POOLING"):
        charvec.sklearn.CharVectorizer(VECTORS, pooling="max").fit(TEXTS)
    with pytest.raises(CharvecError):
        charvec.sklearn.CharVectorizer(tmp_path / "none.h5").fit(TEXTS)
