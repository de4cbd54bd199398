"""Adapter: character vectors in Flax, both of its interfaces. The only module that imports flax."""

from __future__ import annotations

import os
from typing import Any

from charvec.arguments import flag
from charvec.errors import MissingPackage
from charvec.storage import as_vectors
from charvec.tables import Default, Vocab, table
from charvec.vectors import CharVectors

try:
    from flax import linen, nnx
except ImportError as error:
    raise MissingPackage(
        "E-PACKAGE", "Flax is not installed", found=str(error), help='pip install "charvec[flax]"'
    ) from error

__all__ = ["Frozen", "embedding", "linen_embedding"]


class Frozen(nnx.Variable):
    """A variable that is no parameter: what trains ``nnx.Param`` leaves it as it is."""


def embedding(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    freeze: bool = True,
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> nnx.Embed:
    """An ``nnx.Embed`` with one row for each entry of a vocabulary.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0,
            unknown 1, then the characters by code point.
        freeze: whether training leaves the vectors as they are: then they are :class:`Frozen`, not an ``nnx.Param``.
        padding_idx: the id of padding: its row is zeros; None for none. When it is not given, it is the id of ``pad``,
            and without a ``pad`` it is 0. Flax knows no padding: a layer that is not frozen may change the row.
        options: ``pad``, ``unk``, ``pad_id``, ``unk_id``, ``missing`` and ``seed``, as for
            :func:`charvec.tables.table`.

    Returns:
        float32 weights [largest id + 1, dim], on the default device.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`.
    """
    vectors = as_vectors(vectors, "embedding(vectors, vocab)")
    matrix = table(vectors, vocab, padding_idx=padding_idx, **options).matrix
    layer = nnx.Embed(*matrix.shape, embedding_init=nnx.initializers.constant(matrix), rngs=nnx.Rngs(0))
    if flag(freeze, "freeze"):
        layer.embedding = Frozen(layer.embedding[...])
    return layer


def linen_embedding(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> linen.Embed:
    """A ``linen.Embed`` whose ``init`` gives the rows: one for each entry of a vocabulary.

    Make it outside of a model and hand it in as a field, so that it is made once. Linen trains all it is asked to: put
    ``jax.lax.stop_gradient`` around what the layer gives to leave the vectors as they are.

    Args:
        vectors: as for :func:`embedding`.
        vocab: as there.
        padding_idx: as there.
        options: as there.

    Returns:
        a layer whose variables are ``{"params": {"embedding": float32 [largest id + 1, dim]}}``.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`.
    """
    vectors = as_vectors(vectors, "linen_embedding(vectors, vocab)")
    matrix = table(vectors, vocab, padding_idx=padding_idx, **options).matrix
    return linen.Embed(*matrix.shape, embedding_init=linen.initializers.constant(matrix))
