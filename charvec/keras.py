"""Adapter: character vectors in Keras 3, on any of its backends. The only module that imports keras."""

from __future__ import annotations

import os
from typing import Any

from charvec.arguments import flag, integer
from charvec.errors import MissingPackage, UsageError
from charvec.storage import as_vectors
from charvec.tables import Default, Vocab, table
from charvec.vectors import CharVectors

try:
    import keras
except ImportError as error:
    if error.name == "keras":
        raise MissingPackage("E-PACKAGE", "Keras is not installed", help='pip install "charvec[keras]"') from error
    raise MissingPackage(
        "E-PACKAGE",
        f"Keras is installed, but not its backend: {error}",
        help="install it, or set KERAS_BACKEND to torch, jax or tensorflow before Keras is imported",
    ) from error

__all__ = ["embedding", "text_vectorization"]


def embedding(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    freeze: bool = True,
    padding_idx: int | Default | None = Default.PADDING,
    mask_zero: bool | None = None,
    name: str | None = None,
    **options: Any,
) -> keras.layers.Embedding:
    """A ``keras.layers.Embedding`` with one row for each entry of a vocabulary. It is built already.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`, for instance what ``get_vocabulary`` of a
            ``TextVectorization`` gives; None for :meth:`CharVectors.vocabulary`: pad 0, unknown 1, then the
            characters by code point.
        freeze: whether training leaves the vectors as they are.
        padding_idx: the id of padding: its row is zeros; None for none. When it is not given, it is the id of ``pad``,
            and without a ``pad`` it is 0. Training may change the row where later layers know no masks.
        mask_zero: whether later layers pass over id 0, the only one that Keras masks. When it is not given, they do
            where that is the id of padding. With padding elsewhere, a ``keras.layers.Masking`` behind the layer masks
            all rows of zeros.
        name: of the layer.
        options: ``pad``, ``unk``, ``pad_id``, ``unk_id``, ``missing`` and ``seed``, as for
            :func:`charvec.tables.table`.

    Returns:
        weights [largest id + 1, dim], a copy of their own, of the type that Keras is set to, float32 by itself.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`; ``E-PADDING`` when ``mask_zero`` would mask an entry
            that is not padding; ``E-VOCAB-IDS`` for a vocabulary without entries, for which Keras has no layer.
    """
    vectors = as_vectors(vectors, "embedding(vectors, vocab)")
    rows = table(vectors, vocab, padding_idx=padding_idx, **options)
    if mask_zero is not None:
        mask_zero = flag(mask_zero, "mask_zero")
    if mask_zero and rows.padding != 0:
        raise UsageError(
            "E-PADDING",
            f"mask_zero would mask id 0, and padding is {rows.padding}",
            help="give padding the id 0, or put a keras.layers.Masking behind the layer",
        )
    size, dim = rows.matrix.shape
    if not size:
        raise UsageError("E-VOCAB-IDS", "the vocabulary has no entry", help="Keras needs at least one")
    layer = keras.layers.Embedding(
        size,
        dim,
        embeddings_initializer="zeros",
        mask_zero=rows.padding == 0 if mask_zero is None else mask_zero,
        trainable=not flag(freeze, "freeze"),
        name=name,
    )
    layer.build()
    layer.set_weights([rows.matrix])
    return layer


def text_vectorization(
    vectors: CharVectors | str | os.PathLike[str], *, length: int | None = None, name: str | None = None
) -> keras.layers.TextVectorization:
    """A ``keras.layers.TextVectorization`` that gives texts the ids of :func:`embedding`: as a layer, or in tf.data.

    It leaves texts as they are; by itself Keras would drop punctuation. It needs TensorFlow, and in a model the
    backend ``tensorflow``; :func:`charvec.ids` gives the same ids anywhere.

    Args:
        vectors: as for :func:`embedding`.
        length: cut or pad all texts to this many characters; None for as many as the longest of a batch has.
        name: of the layer.

    Returns:
        the layer: strings [n] to int64 [n, length], padded with 0, unknown characters 1.

    Raises:
        MissingPackage: ``E-PACKAGE`` without TensorFlow.
        UsageError: ``E-ARGUMENT`` when U+0000 has a vector: Keras takes it for its own name of padding; and for a
            ``length`` that is no whole number from 1 on.
    """
    vectors = as_vectors(vectors, "text_vectorization(vectors)")
    size = None if length is None else integer(length)  # Keras takes none of NumPy's
    if length is not None and (size is None or size < 1):
        raise UsageError("E-ARGUMENT", f"length={length!r} is no number of characters", help="say how many, or None")
    if "\0" in vectors:
        raise UsageError(
            "E-ARGUMENT",
            "the vocabulary of a TextVectorization cannot hold U+0000",
            help="leave it out: vectors.take(vectors.codepoints > 0)",
        )
    try:
        return keras.layers.TextVectorization(
            standardize=None, split="character", output_sequence_length=size, vocabulary=vectors.chars, name=name
        )
    except ImportError as error:
        raise MissingPackage(
            "E-PACKAGE",
            "TextVectorization of Keras needs TensorFlow",
            help="pip install tensorflow, or make ids with charvec.ids",
        ) from error
