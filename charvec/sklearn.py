"""Adapter: character vectors as a scikit-learn transformer. The only module that imports sklearn."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import MissingPackage
from charvec.storage import as_vectors
from charvec.tables import check_mode, check_several
from charvec.vectors import CharVectors

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingPackage("E-PACKAGE", "scikit-learn is not installed", help='pip install "charvec[sklearn]"') from error

__all__ = ["CharVectorizer"]


class CharVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Texts to vectors: what :meth:`CharVectors.encode` gives. Characters without a vector are passed over.

    A fitted one carries its vectors wherever it is pickled to, whether they were given or named.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file, which ``fit`` reads. A path is the
            smaller parameter: a grid search copies its parameters for every candidate.
        pooling: ``mean`` or ``sum``.

    Attributes:
        vectors_: the :class:`CharVectors` in use.
    """

    def __init__(self, vectors: CharVectors | str | os.PathLike[str], *, pooling: str = "mean") -> None:
        self.vectors = vectors
        self.pooling = pooling

    def fit(self, X: Iterable[str], y: Any = None) -> CharVectorizer:
        """Read the vectors, where they were named by path. Nothing is learned from the texts.

        Args:
            X: texts.
            y: not used.

        Raises:
            CharvecError: as :func:`charvec.load`; ``E-POOLING``; ``E-ARGUMENT`` for anything but several texts.
        """
        check_mode("pooling", self.pooling)
        check_several(X)
        self.vectors_ = as_vectors(self.vectors, "CharVectorizer(vectors)")
        self._n_features_out = self.vectors_.dim
        return self

    def transform(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Vectors of texts: float32 [len(X), dim].

        Args:
            X: texts, as a list, an array or a column of a data frame.

        Raises:
            UsageError: ``E-ARGUMENT`` for anything but several texts.
        """
        check_is_fitted(self)
        check_several(X)
        return np.asarray(self.vectors_.encode(X, self.pooling))  # type: ignore[arg-type]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags
