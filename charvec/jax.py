"""Adapter: character vectors in JAX. The only module that imports jax."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Literal

from charvec.errors import MissingPackage
from charvec.storage import as_vectors
from charvec.tables import Default, Vocab, check_mode, table
from charvec.vectors import CharVectors

try:
    import jax
    from jax import numpy as jnp
except ImportError as error:
    raise MissingPackage(
        "E-PACKAGE", "JAX is not installed", found=str(error), help='pip install "charvec[jax]"'
    ) from error

__all__ = ["embedding", "embedding_bag"]


def embedding(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> jax.Array:
    """An array with one row for each entry of a vocabulary: ``embedding(vectors)[ids]``.

    An id that is no row gives the last row there, as JAX has it; ``array.at[ids].get(mode="fill")`` gives NaN instead.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: the caller's ids, as for :meth:`CharVectors.matrix_for`; None for :meth:`CharVectors.vocabulary`: pad 0,
            unknown 1, then the characters by code point.
        padding_idx: the id of padding: its row is zeros; None for none. When it is not given, it is the id of ``pad``,
            and without a ``pad`` it is 0.
        options: ``pad``, ``unk``, ``pad_id``, ``unk_id``, ``missing`` and ``seed``, as for
            :func:`charvec.tables.table`.

    Returns:
        float32 [largest id + 1, dim], on the default device.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`.
    """
    vectors = as_vectors(vectors, "embedding(vectors, vocab)")
    return jnp.array(table(vectors, vocab, padding_idx=padding_idx, **options).matrix)


def embedding_bag(
    vectors: CharVectors | str | os.PathLike[str],
    vocab: Vocab | None = None,
    *,
    mode: Literal["mean", "sum"] = "mean",
    padding_idx: int | Default | None = Default.PADDING,
    **options: Any,
) -> jax.tree_util.Partial:
    """A function from ids to one vector for each text, the mean or sum of those of its characters.

    Padding counts for nothing, not even in the mean; a text of padding alone is zeros. Give characters without a
    vector the id of padding, and it computes what :meth:`CharVectors.encode` does.

    Args:
        vectors: as for :func:`embedding`.
        vocab: as there.
        mode: ``mean`` or ``sum``.
        padding_idx: as there.
        options: as there.

    Returns:
        integers [..., length] to float32 [..., dim]. It is a pytree whose one leaf is the weights, float32
        [largest id + 1, dim]: it can be called inside ``jax.jit``, handed to such a function, and differentiated.

    Raises:
        CharvecError, IndexError: as :func:`charvec.tables.table`; ``E-POOLING`` for another mode.
    """
    vectors = as_vectors(vectors, "embedding_bag(vectors, vocab)")
    check_mode("mode", mode)
    rows = table(vectors, vocab, padding_idx=padding_idx, **options)
    return jax.tree_util.Partial(partial(_pool, mode, rows.padding), jnp.array(rows.matrix))


def _pool(mode: str, padding: int | None, weights: jax.Array, ids: jax.Array) -> jax.Array:
    """The function of :func:`embedding_bag`."""
    ids = jnp.asarray(ids)
    counted = jnp.ones(ids.shape, bool) if padding is None else ids != padding
    rows = weights[ids]
    sums = jnp.where(counted[..., None], rows, 0).sum(axis=-2)
    return sums if mode == "sum" else sums / jnp.maximum(counted.sum(axis=-1, keepdims=True), 1)
