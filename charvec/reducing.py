"""Verb: vectors made smaller, with what was lost said in the file.

Four ways that go together: fewer characters (``top``), fewer dimensions (``dims``, ``pca``), fewer bits a value
(``dtype``); and two options of pooling that are stored and never applied unasked (``center``, ``sif``).
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import among, flag, integer, real
from charvec.codebooks import quantise
from charvec.counts import Counts, Samples
from charvec.dtypes import convert_rows, parse_dtype, storable
from charvec.errors import UsageError, WrongFile
from charvec.fidelity import fidelity
from charvec.pooling import occurrences
from charvec.principal import explained_share, principal_axes, weighted_mean
from charvec.reduction import is_reduced, whole
from charvec.selection import select
from charvec.storage import as_vectors
from charvec.vectors import CharVectors

__all__ = [
    "as_reduced",
    "check_reduction",
    "is_plain",
    "reduce",
    "reduced_like",
    "refuse_reduced",
    "rows_before",
    "stored_alike",
]

#: What the mean and the axes can weigh.
WEIGHTS = ("types", "occurrences")


def reduce(
    vectors: CharVectors | str | os.PathLike[str],
    *,
    top: int | None = None,
    dims: int | None = None,
    pca: int | None = None,
    by: Literal["types", "occurrences"] | None = None,
    center: bool = False,
    sif: float | None = None,
    dtype: str | None = None,
) -> CharVectors:
    """Vectors made smaller; what was lost is in ``source["fidelity"]``.

    Args:
        vectors: as :func:`charvec.lookup` or :func:`charvec.load` gives them, or the path of a vector file, which stays
            as it is.
        top: only the characters that are among this many commonest of the samples, as :func:`charvec.select` chooses
            them; what is left out is counted in ``source["samples"]["left_out"]``.
        dims: only the first dimensions, for models that were trained so that these suffice (Kusupati and others,
            "Matryoshka Representation Learning", NeurIPS 2022).
        pca: the places of the rows on so many principal axes, and in ``vectors.pca`` the axes themselves.
        by: what ``center`` and ``pca`` weigh: ``types``, each character once, or ``occurrences``, each as often as it
            occurs; by default occurrences for ``center`` and types for ``pca``.
        center: keep the mean of the rows in ``vectors.mean``; ``encode(center=True)`` takes it away. Of narrow vectors
            it is the mean of the rounded rows, where :func:`charvec.dump` takes that of the rows before.
        sif: keep this number as the ``a`` of ``encode(pooling="sif")``, and with it the number of all occurrences.
        dtype: element type, as for :meth:`charvec.vectors.CharVectors.astype`; by default that of the vectors, float32
            after ``pq``.

    Raises:
        UsageError: ``E-REDUCE`` for numbers out of range, where no counts are known, and for rows that do not vary;
            ``E-DTYPE``; ``E-ARGUMENT`` for anything but vectors, and for a ``center`` that is no truth value;
            ``E-REDUCED`` when axes or dimensions are asked of vectors that have axes already.
        WrongFile: ``E-OVERFLOW``.
    """
    check_reduction(top=top, dims=dims, pca=pca, by=by, center=center, sif=sif, dtype=dtype)
    vectors, center = as_vectors(vectors, "reduce(vectors)"), flag(center, "center")
    made = vectors if top is None else _top(vectors, int(top))
    rows, was = made.matrix, made.dtype
    shorter = dims is not None or pca is not None
    if shorter and made.pca is not None:
        raise UsageError(
            "E-REDUCED",
            "the vectors are places on principal axes already",
            help="make them smaller from the vectors that these were made of, or restore them first",
        )
    if dims is not None:
        made = _first(made.astype("float32"), int(dims))
    if pca is not None:
        made = _axes(made.astype("float32"), int(pca), by or "types")
    if center:
        made = _with_option(made, "center", {"by": by or "occurrences"})
        made = replace(made, mean=_mean(made, by or "occurrences"))
    if sif is not None:
        made = _with_option(made, "sif", {"a": float(sif), "occurrences": _all(made)})
    if dtype is not None or (shorter and was != "pq"):
        made = made.astype(dtype or was)
    if not shorter:
        return made
    restored = whole(made, rows.shape[1])
    found = fidelity(rows, restored, f"reduced {was}" if is_reduced(vectors) else was, made.matrix if pca else None)
    source = {key: value for key, value in made.source.items() if key != "fidelity"}
    return replace(made, source={**source, **({"fidelity": found} if found else {})})


def check_reduction(
    *,
    top: int | None = None,
    dims: int | None = None,
    pca: int | None = None,
    by: str | None = None,
    center: bool = False,
    sif: float | None = None,
    dtype: str | None = None,
) -> None:
    """Refuse what makes no sense whatever the vectors, before any work is done; arguments as for :func:`reduce`.

    Raises:
        UsageError: ``E-REDUCE``, ``E-DTYPE``, ``E-ARGUMENT``.
    """
    for name, value in (("top", top), ("dims", dims), ("pca", pca)):
        if value is not None and (integer(value) or 0) < 1:
            raise _refused(f"{name} is {value!r}", "say a whole number from 1 on")
    if dims is not None and pca is not None:
        raise _refused("dims and pca exclude each other", "say one of them")
    if by is not None and not among(by, WEIGHTS):
        raise _refused(f"{by!r} is nothing to weigh by", "choose types or occurrences")
    if by is not None and pca is None and not flag(center, "center"):
        raise _refused("by says what center and pca weigh, and neither is asked for", "say center or pca too")
    if sif is not None and not 0 < (real(sif) or 0) < math.inf:
        raise _refused(f"sif is {sif!r}", "say a positive number; 0.001 is usual")
    if dtype is not None:
        parse_dtype(dtype)


def _refused(problem: str, help: str) -> UsageError:
    return UsageError("E-REDUCE", f"the vectors cannot be made smaller so: {problem}", help=help)


def _with_option(vectors: CharVectors, name: str, value: dict[str, Any]) -> CharVectors:
    options = {**vectors.source.get("options", {}), name: value}
    return replace(vectors, source={**vectors.source, "options": options})


def _top(vectors: CharVectors, number: int) -> CharVectors:
    """The commonest of all characters of the samples, written and missing ones, with an account of the others."""
    _need_counts(vectors, "top", bool(vectors.counts.any() or vectors.missing_counts.any()))
    codepoints = np.concatenate((vectors.codepoints, vectors.missing_codepoints))
    counts = np.concatenate((vectors.counts, vectors.missing_counts))
    order = np.argsort(codepoints)
    samples = vectors.source.get("samples", {})
    before = samples.get("left_out", {})
    known = Counts(codepoints[order], counts[order], Samples(), None, before if isinstance(before, dict) else {})
    chosen = select(known, top=number)
    kept = np.isin(vectors.missing_codepoints, chosen.codepoints)
    return replace(
        vectors.take(np.isin(vectors.codepoints, chosen.codepoints)),
        missing_codepoints=vectors.missing_codepoints[kept],
        missing_counts=vectors.missing_counts[kept],
        missing_spelling=vectors.missing_spelling.take(kept),
        source={**vectors.source, "samples": {**_NO_SAMPLES, **samples, "left_out": dict(chosen.left_out)}},
    )


#: What is known of the samples of vectors that say nothing of them, as merged ones.
_NO_SAMPLES = {"files": 0, "bytes": 0, "characters": 0}


def _first(vectors: CharVectors, dims: int) -> CharVectors:
    if dims > vectors.dim:
        raise _refused(f"there are {vectors.dim} dimensions, not {dims}", f"say a number up to {vectors.dim}")
    before = vectors.source.get("options", {}).get("dims", {}).get("from", vectors.dim)
    made = replace(
        vectors,
        stored=np.ascontiguousarray(vectors.stored[:, :dims]),
        mean=None if vectors.mean is None else vectors.mean[:dims],
    )
    return _with_option(made, "dims", {"from": before})


def _axes(vectors: CharVectors, number: int, by: str) -> CharVectors:
    rows = vectors.matrix
    if number > vectors.dim or number >= len(vectors):
        raise _refused(
            f"{len(vectors)} characters of {vectors.dim} dimensions do not have {number} principal axes",
            "say a number below that of the characters, and not above that of the dimensions",
        )
    if not np.isfinite(rows).all():
        raise _refused("some vectors hold NaN or infinity, as their checkpoint does", "leave these characters out")
    if (rows == rows[0]).all():
        raise _refused("all vectors are the same", "one of them says it all")
    axes, explained = principal_axes(rows, number, _weights(vectors, by))
    if not np.isfinite(axes.mean).all() or not np.isfinite(places := axes.project(rows)).all():
        raise _refused("the values are too large for float32 sums", "check the checkpoint")
    made = replace(
        vectors,
        stored=places,
        pca=axes,
        mean=None if vectors.mean is None else axes.project(vectors.mean[None])[0],
    )
    return _with_option(made, "pca", {"by": by, "explained": _share(explained)})


def _share(explained: float) -> float:
    """A share of the variance, rounded down to what does not depend on the processor."""
    return float(math.floor(min(1.0, explained) * 1e9 + 1e-3) / 1e9)


def _weights(vectors: CharVectors, by: str) -> NDArray[np.float64]:
    """float64 [n]: how much each row counts; not all zero."""
    if by == "types":
        return np.ones(len(vectors))
    _need_counts(vectors, "by occurrences")
    return vectors.counts.astype(np.float64)


def _need_counts(vectors: CharVectors, what: str, known: bool | None = None) -> None:
    if not (vectors.counts.any() if known is None else known):
        raise _refused(
            f"{what} goes by how often characters occur, and these vectors do not know",
            "use the file that was dumped from samples: text, .vec and .pkl files carry no counts; or by types",
        )


def _mean(vectors: CharVectors, by: str) -> NDArray[np.float32]:
    if not len(vectors):
        raise _refused("no vectors have no mean", "dump some first")
    mean = weighted_mean(vectors.matrix, _weights(vectors, by))
    if not np.isfinite(mean).all():
        raise _refused("the mean holds NaN or infinity, as some vectors do", "leave these characters out")
    return mean


def _all(vectors: CharVectors) -> int:
    _need_counts(vectors, "sif")
    return occurrences(vectors)


# -- what other verbs need to know ------------------------------------------------------------------------------------


def is_plain(vectors: CharVectors) -> bool:
    """Whether :func:`reduce` has stored nothing that belongs to these rows as a whole."""
    options = vectors.source.get("options", {})
    return vectors.codebooks is None and not {*_REDUCING} & {*options}


#: Options of the provenance that tell of it.
_REDUCING = ("dims", "pca", "center", "sif", "centered", "restored_from")


def refuse_reduced(vectors: CharVectors, verb: str, path: str | None = None) -> None:
    """Stop where rows of several files would have to share axes, codebooks or a mean.

    Args:
        vectors: what was loaded.
        verb: what cannot be done, for the message.
        path: where they come from, likewise.

    Raises:
        WrongFile: ``E-REDUCED``.
    """
    if not is_plain(vectors):
        options = vectors.source.get("options", {})
        done = [name for name in _REDUCING if name in options]
        done += ["product quantisation"] if vectors.codebooks is not None else []
        raise WrongFile(
            "E-REDUCED",
            f"{path}: such vectors cannot be {verb}" if path else f"vectors that were made smaller cannot be {verb}",
            path=path,
            found=f"{vectors.dtype}, {vectors.dim} dimensions, made with {', '.join(done)}",
            help=f"use the files that they were made of, and make the result smaller once they are {verb}",
        )


def rows_before(vectors: CharVectors) -> int:
    """How many dimensions the rows had in the model."""
    cut = vectors.source.get("options", {}).get("dims")
    if cut:
        return int(cut["from"])
    return vectors.dim if vectors.pca is None else vectors.pca.dim


def as_reduced(
    rows: NDArray[np.float32], like: CharVectors, dtype: str | None = None
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Rows of the model, stored as vectors made from it are: cut, on the same axes, with the same codebooks.

    Args:
        rows: float32 [n, dimensions of the model].
        like: the vectors.
        dtype: another element type than theirs.

    Returns:
        rows [n, ...] and, for int8, scales [n], each as it would be alone.

    Raises:
        WrongFile: ``E-REDUCED`` for rows of another length; ``E-OVERFLOW``.
    """
    return _rounded(_on_axes(rows, like), like, like.dtype if dtype is None else dtype)


def stored_alike(rows: NDArray[np.float32], like: CharVectors, dtype: str) -> NDArray[np.bool_]:
    """Whether each row of the model, stored as :func:`as_reduced` says, is theirs in every bit: bool [n].

    A row that their type cannot hold, as one with NaN, is not.

    Args:
        rows: float32 [n, dimensions of the model], one for each of the vectors.
        like: the vectors.
        dtype: the element type the rows went through before they got that of the vectors.

    Raises:
        WrongFile: ``E-REDUCED`` for rows of another length.
    """
    shorter = _on_axes(rows, like)
    same = storable(shorter, dtype)
    if not same.all():
        shorter = np.where(same[:, None], shorter, np.float32(0))
    stored, scales = _rounded(shorter, like, dtype)
    if stored.dtype != like.stored.dtype:
        stored = (stored if scales is None else stored * scales[:, None]).astype(like.stored.dtype)
        scales = None
    raw, own = (np.ascontiguousarray(each).view(np.uint8).reshape(len(rows), -1) for each in (stored, like.stored))
    same &= (raw == own).all(axis=1)
    if scales is not None and like.scales is not None:
        same &= scales == like.scales
    return same


def _on_axes(rows: NDArray[np.float32], like: CharVectors) -> NDArray[np.float32]:
    """Rows of the model, cut and put on axes as the vectors were; float32. Raises as :func:`as_reduced`."""
    if rows.shape[1] != rows_before(like):
        raise WrongFile(
            "E-REDUCED",
            f"the model has {rows.shape[1]} dimensions, the vectors were made of {rows_before(like)}",
            help="name the model that the vectors come from",
        )
    if "dims" in like.source.get("options", {}):
        rows = np.ascontiguousarray(rows[:, : like.dim if like.pca is None else like.pca.dim])
    return rows if like.pca is None else like.pca.project(rows)


def _rounded(
    rows: NDArray[np.float32], like: CharVectors, dtype: str
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Rows as a type stores them, and their scales; with the vectors' codebooks, where they have any."""
    if dtype != "pq":
        return convert_rows(rows, dtype)
    if like.codebooks is None:
        return rows, None
    if not storable(rows, dtype).all() or (len(rows) and not like.codebooks.shape[1]):
        raise WrongFile(
            "E-OVERFLOW",
            "the file's codebooks cannot store rows that hold values not finite or beyond 65,504, "
            "or any row when they are empty",
            help="dump all samples again, with --dtype float32 if need be",
        )
    return quantise(rows, like.codebooks), None


def reduced_like(vectors: CharVectors, like: CharVectors) -> CharVectors:
    """Vectors just looked up, made smaller as others of their model were: same axes and codebooks, their own mean.

    Raises:
        WrongFile: ``E-OVERFLOW``.
        UsageError: ``E-REDUCE``.
    """
    rows, old = vectors.matrix, like.source["options"]
    options = {key: old[key] for key in ("dims", "pca") if key in old}
    source = {**vectors.source, "options": {**vectors.source["options"], **options}}
    stored, _ = as_reduced(rows, like, "float32")
    made = replace(vectors, stored=stored, pca=like.pca, source=source)
    if like.pca is not None:
        # the axes are those of the old rows; what they explain is said of all
        explained = explained_share(rows[:, : like.pca.dim], stored, _weights(made, old["pca"]["by"]))
        if explained is not None:
            made = _with_option(made, "pca", {**old["pca"], "explained": _share(explained)})
    if "center" in old:
        made = reduce(made, center=True, by=old["center"]["by"])
    if "sif" in old:
        made = reduce(made, sif=old["sif"]["a"])
    stored, scales = as_reduced(rows, like)
    source = {**made.source, "options": {**made.source["options"], "dtype": like.dtype}}
    made = replace(made, stored=stored, scales=scales, codebooks=like.codebooks, source=source)
    if not is_reduced(made) and like.dtype == "float32":
        return made
    found = fidelity(rows, whole(made, rows.shape[1]), "float32", None if made.pca is None else made.matrix)
    return replace(made, source={**made.source, **({"fidelity": found} if found else {})})
