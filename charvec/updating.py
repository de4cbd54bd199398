"""Verb: add what more samples hold to vectors that are there already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from charvec.counts import Counts, Samples, as_counts
from charvec.embedding import TokenEmbedding, as_model
from charvec.errors import UsageError, WrongFile
from charvec.extraction import identity, lookup
from charvec.provenance import model_differences
from charvec.reducing import is_plain, reduced_like, refuse_reduced
from charvec.storage import as_vectors
from charvec.vectors import CharVectors

__all__ = ["update"]

#: Settings of a scan that make other characters of the same text; counts made with different ones cannot be added.
_ONE_WAY = ("normalize",)


def update(
    vectors: CharVectors | str | os.PathLike[str],
    counts: Counts | Mapping[str, int],
    model: TokenEmbedding | str | os.PathLike[str],
) -> CharVectors:
    """Vectors as if the new samples had been there from the beginning.

    Counts are added, characters that are new are looked up, and every vector that is there already is proven, bit for
    bit, to be what the model gives: the result is what one ``dump`` of all samples together would have written.

    Where :func:`charvec.reduce` made the vectors smaller, axes and codebooks stay as they are, and new rows go the same
    way as the old; a stored mean, and the number of occurrences that ``sif`` goes by, are those of all samples.

    Args:
        vectors: as :func:`charvec.load` gives them, from a format that keeps provenance; or the path of such a file,
            which stays as it is.
        counts: as :func:`charvec.scan` gives them, of the new samples alone.
        model: the model the vectors come from, or its path.

    Raises:
        WrongFile: ``E-OTHER-MODEL`` when the vectors come from another model, or from none that is known; ``E-REDUCED``
            when they were centred, restored, or rounded before they were made smaller; ``E-CHANGED`` when some vectors
            are not what the model gives.
        UsageError: ``E-UPDATE`` when the samples were read in another way, so that their counts cannot be added;
            ``E-ARGUMENT`` for arguments of other kinds, such as the path of a sample instead of counts.
        CharvecError: as :func:`charvec.lookup`.
    """
    call = "update(vectors, counts, model)"
    counts, model, vectors = as_counts(counts, call), as_model(model, call), as_vectors(vectors, call)
    source = vectors.source
    if "source" not in source or "vocabulary" not in source or vectors.sources is not None:
        why = "several models were merged" if vectors.sources is not None else "their file does not say which"
        raise WrongFile(
            "E-OTHER-MODEL",
            f"the vectors cannot be updated: it is unknown which one model they come from ({why})",
            help="update the file that `charvec dump` wrote, then convert or merge again",
        )
    differences = model_differences(source, identity(model))
    if differences:
        raise WrongFile(
            "E-OTHER-MODEL",
            f"the vectors do not come from {model.name}",
            found=f"another {', '.join(differences)}",
            help="name the model they come from with -m; `charvec info` tells which file that was",
        )
    options = source["options"]
    together = _together(vectors, counts)
    if is_plain(vectors):
        made = lookup(model, together, keep=options["keep"], dtype=vectors.dtype)
    else:
        if vectors.rounded_to or not {"centered", "restored_from"}.isdisjoint(options):
            refuse_reduced(vectors, "updated")
        made = reduced_like(lookup(model, together, keep=options["keep"]), vectors)
    _check_kept(vectors, made)
    return made


def _together(vectors: CharVectors, counts: Counts) -> Counts:
    """Counts of the old samples and the new.

    Raises:
        UsageError: ``E-UPDATE``.
    """
    old = vectors.source.get("samples", {})
    if old.get("left_out") or counts.left_out:
        raise UsageError(
            "E-UPDATE",
            "characters were left out by --only, --min-count or --top; how often they occur in all is unknown",
            help="dump all samples together instead; --resume makes that quick",
        )
    settings = _joined(old.get("settings", {}), counts.samples.settings)
    codepoints = np.concatenate((vectors.codepoints, vectors.missing_codepoints))
    order = np.argsort(codepoints)
    before = Counts(
        codepoints[order],
        np.concatenate((vectors.counts, vectors.missing_counts))[order],
        Samples(
            files=old.get("files", 0),
            bytes=old.get("bytes", 0),
            characters=old.get("characters", 0),
            bad_bytes=old.get("bad_bytes", 0),
            skipped=old.get("skipped", 0),
        ),
    )
    added = before + counts
    return replace(added, samples=replace(added.samples, settings=settings))


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """How all samples were read.

    Raises:
        UsageError: ``E-UPDATE``.
    """
    for name in _ONE_WAY:
        if old.get(name) != new.get(name):
            raise UsageError(
                "E-UPDATE",
                f"the samples before were read with --{name} {old.get(name) or 'none'}, "
                f"these with {new.get(name) or 'none'}",
                help="read them alike; counts of differently normalised text cannot be added",
            )
    joined = dict(old)
    for name, value in new.items():
        joined[name] = value if joined.get(name) in (None, value) else f"{joined[name]}; {value}"
    return joined


def _check_kept(old: CharVectors, new: CharVectors) -> None:
    """Every vector that was there is there again, bit for bit.

    Raises:
        WrongFile: ``E-CHANGED``.
    """
    if not len(old):
        return
    places = np.searchsorted(new.codepoints, old.codepoints)
    places[places == len(new)] = 0
    same = new.codepoints[places] == old.codepoints if len(new) else np.zeros(len(old), bool)
    raw = np.ascontiguousarray(new.stored[places]) if len(new) else np.zeros_like(old.stored)
    before = np.ascontiguousarray(old.stored)
    same &= (raw.view(np.uint8).reshape(len(old), -1) == before.view(np.uint8).reshape(len(old), -1)).all(axis=1)
    if old.scales is not None and new.scales is not None and len(new):
        same &= new.scales[places] == old.scales
    if not same.all():
        named = ", ".join(f"U+{codepoint:04X}" for codepoint in old.codepoints[~same][:8].tolist())
        raise WrongFile(
            "E-CHANGED",
            f"{int((~same).sum()):,} vectors are not what the model gives; they would be lost",
            found=named,
            help="see `charvec verify FILE --against MODEL`; dump all samples again to start anew",
        )
