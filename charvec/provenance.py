"""Part of the noun vectors: what their provenance says of the model they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from charvec.errors import WrongFile

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["model_differences", "parts_of", "same_model", "sources_of"]

#: What makes a model another one, by section, each with how it is called.
_IDENTITY: Mapping[str, Mapping[str, str]] = {
    "source": {
        "tensor": "tensor",
        "shape": "shape",
        "dtype": "element type",
        "header_blake2b": "checkpoint",
        "space": "space",
    },
    "vocabulary": {"kind": "tokenizer kind", "blake2b": "vocabulary", "settings": "normaliser"},
}


def model_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what the models of two provenances differ: ``vocabulary``, ``tensor`` ...; empty when they are one."""
    return [
        called
        for section, keys in _IDENTITY.items()
        for key, called in keys.items()
        if one.get(section, {}).get(key) != other.get(section, {}).get(key)
    ]


def same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two provenances name one model; false when either names none."""
    return "source" in one and "source" in other and not model_differences(one, other)


def sources_of(vectors: CharVectors) -> list[dict[str, Any]]:
    """The provenance of each source of vectors, with its dimensions: one unless they were merged."""
    if vectors.sources is not None:
        return [dict(part) for part in vectors.source["sources"]]
    return [{**vectors.source, "dim": vectors.dim}]


def parts_of(vectors: CharVectors) -> list[CharVectors]:
    """Merged vectors taken apart: for each source the rows, or the columns of rows, that it gave.

    Row ids of vectors side by side cannot be told apart again and are left out; counts are those of the whole.

    Raises:
        WrongFile: ``E-REDUCED``.
    """
    if vectors.sources is None:
        return [vectors]
    options = vectors.source.get("options", {})
    if vectors.codebooks is not None or vectors.pca is not None or not {"dims", "centered"}.isdisjoint(options):
        raise WrongFile(
            "E-REDUCED",
            "merged vectors that were made smaller afterwards cannot be taken apart again",
            help="use the merged file that they were made of",
        )
    parts = []
    column = 0
    for number, source in enumerate(vectors.source["sources"]):
        mine = (vectors.sources >> number & 1).astype(bool)
        part = replace(vectors.take(mine), source={key: source[key] for key in source if key != "dim"}, sources=None)
        if vectors.source["merged"]["how"] == "concat":
            dim = int(source["dim"])
            part = replace(part, stored=part.stored[:, column : column + dim], spelling=part.spelling.without_rows())
            column += dim
        parts.append(part)
    return parts
