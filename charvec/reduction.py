"""Part of the noun vectors: what was done to make them smaller, and back as far as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError
from charvec.principal import Principal

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = [
    "centered",
    "describe_pooling",
    "describe_reduction",
    "is_reduced",
    "mean_of",
    "problem",
    "restored",
    "same_space",
    "whole",
]

#: What ``centered`` says of rows whose mean was taken away while they were on axes, so that they can be restored.
ON_AXES = "on axes"


def is_reduced(vectors: CharVectors) -> bool:
    """Whether the rows have fewer dimensions than they had in the model."""
    return vectors.pca is not None or "dims" in vectors.source.get("options", {})


def same_space(one: CharVectors, other: CharVectors) -> bool:
    """Whether a row of one can be compared with a row of the other, as far as their axes go."""
    return one.pca is other.pca or (one.pca is not None and one.pca.same_as(other.pca))


def whole(vectors: CharVectors, dim: int) -> NDArray[np.float32]:
    """The rows as long as they were, float32 [n, dim]: restored from their axes, or with zeros for what was cut off."""
    rows = vectors.matrix if vectors.pca is None else vectors.pca.restore(vectors.matrix)
    longer = np.zeros((len(rows), dim), np.float32)
    longer[:, : rows.shape[1]] = rows
    return longer


def restored(vectors: CharVectors) -> CharVectors:
    """The work of :meth:`charvec.vectors.CharVectors.restore`, which says what is what; same errors."""
    pca = vectors.pca
    if pca is None:
        raise UsageError(
            "E-REDUCED",
            "the vectors cannot be restored: they have no principal axes",
            help="only what --pca made smaller can be restored; what --dims cut off is gone",
        )
    options = {key: value for key, value in vectors.source.get("options", {}).items() if key != "pca"}
    if vectors.dtype != "float32":
        options["rounded_to"] = [*vectors.rounded_to, vectors.dtype]
    options |= {"dtype": "float32", "restored_from": vectors.dim}
    if options.get("centered") == ON_AXES:  # their starting point gives it back
        del options["centered"]
    # of what is known, the part about restored rows
    known = vectors.source.get("fidelity", {})
    if str(known.get("to", "")).startswith("reduced"):
        known = {}
    fidelity = {key: known[key] for key in ("to", "min_cosine", "mean_cosine", "sample") if key in known}
    fidelity |= {key.removeprefix("restored_"): known[key] for key in known if key.startswith("restored_")}
    source = {key: value for key, value in vectors.source.items() if key != "fidelity"}
    return replace(
        vectors,
        stored=pca.restore(vectors.matrix),
        scales=None,
        codebooks=None,
        pca=None,
        mean=None if vectors.mean is None else pca.restore(vectors.mean[None])[0],
        source={**source, "options": options, **({"fidelity": fidelity} if fidelity else {})},
    )


def mean_of(vectors: CharVectors) -> NDArray[np.float32]:
    """The stored mean, float32 [dim].

    Raises:
        UsageError: ``E-NO-MEAN``.
    """
    if vectors.mean is None:
        raise UsageError(
            "E-NO-MEAN",
            "the vectors have no mean that could be taken away",
            help="store one: `charvec convert IN OUT --center`, or charvec.reduce(vectors, center=True)",
        )
    return vectors.mean


def centered(vectors: CharVectors) -> CharVectors:
    """The work of :meth:`charvec.vectors.CharVectors.centered`, which says what is what; same errors."""
    rows = vectors.matrix - mean_of(vectors)
    options = {key: value for key, value in vectors.source.get("options", {}).items() if key != "center"}
    if vectors.dtype != "float32":
        options["rounded_to"] = [*vectors.rounded_to, vectors.dtype]
    pca = vectors.pca
    options |= {"dtype": "float32", "centered": options.get("centered") or (True if pca is None else ON_AXES)}
    if pca is not None:  # the same axes, starting from another point
        pca = Principal(pca.basis, pca.restore(mean_of(vectors)[None])[0])
    source = {**vectors.source, "options": options}
    return replace(vectors, stored=rows, scales=None, codebooks=None, pca=pca, mean=None, source=source)


def describe_reduction(vectors: CharVectors) -> list[str]:
    """What was done, one piece after the other, for people; empty when nothing was."""
    options = vectors.source.get("options", {})
    said = []
    if "dims" in options:
        kept = vectors.dim if vectors.pca is None else vectors.pca.dim
        said.append(f"the first {kept} of {options['dims']['from']} dimensions")
    if vectors.pca is not None:
        explained = int(options["pca"]["explained"] * 1000) / 10
        weighed = {"types": "each character once", "occurrences": "each occurrence"}[options["pca"]["by"]]
        said.append(
            f"{vectors.dim} principal axes of {vectors.pca.dim} dimensions, {explained} % of the variance, {weighed}"
        )
    return said


def describe_pooling(vectors: CharVectors) -> str:
    """What is stored for the pooling of texts, and how it is asked for, for people; empty when nothing is."""
    options = vectors.source.get("options", {})
    said = []
    if "sif" in options:
        said.append(f"sif with a = {options['sif']['a']:.9g} of {options['sif']['occurrences']:,} occurrences")
    if vectors.mean is not None:
        weighed = {"types": "each character once", "occurrences": "each occurrence"}[options["center"]["by"]]
        said.append(f"less the mean of {weighed}")
    if options.get("centered"):
        said.append("the mean was taken away from the rows")
    return "; ".join(said) + (" (encode --pooling stored)" if "sif" in options or vectors.mean is not None else "")


def problem(options: Mapping[str, Any]) -> str | None:
    """What is wrong with options read from a file; None when nothing is."""
    for name, kinds in _OPTIONS.items():
        if name not in options:
            continue
        found = options[name]
        if not isinstance(found, dict) or any(type(found.get(key)) is not kind for key, kind in kinds.items()):
            return f"options: {name} is no object, or lacks {', '.join(kinds)}"
        if found.get("by", "types") not in ("types", "occurrences"):
            return f"options: {name} is weighed by what is unknown"
    if not 0 <= options.get("pca", {}).get("explained", 0.5) <= 1:
        return "options: pca explains what is no share"
    sif = options.get("sif", {"a": 1.0, "occurrences": 1})
    if not (0 < sif["a"] < float("inf") and 0 < sif["occurrences"] < 1 << 80):
        return "options: sif has no a, or no number of occurrences"
    if not 0 < options.get("dims", {}).get("from", 1) <= 1 << 20:
        return "options: dims come from what is no number of dimensions"
    return None


#: What is relied on of what :func:`charvec.reduce` stores: option -> key -> type.
_OPTIONS: Mapping[str, Mapping[str, type]] = {
    "dims": {"from": int},
    "pca": {"by": str, "explained": float},
    "center": {"by": str},
    "sif": {"a": float, "occurrences": int},
}
