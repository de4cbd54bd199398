"""Verb: the whole way from samples to a vector file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any, Literal

from charvec.arguments import flag, integer
from charvec.counts import Counts
from charvec.dtypes import parse_dtype
from charvec.embedding import TokenEmbedding
from charvec.embedding import open as open_model
from charvec.errors import CharvecWarning, DamagedFile, Note, WrongFile
from charvec.extraction import lookup, lookup_ahead, notes_on
from charvec.plumbing.terminal import count
from charvec.scanning import scan
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.storage import check_output, left_out_notes, put
from charvec.vectors import CharVectors

__all__ = ["dump", "refuse_empty", "refuse_incomplete"]


def dump(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    model: str | os.PathLike[str] | TokenEmbedding | None = None,
    out: str | os.PathLike[str] | None = None,
    vocab: str | os.PathLike[str] | None = None,
    tensor: str | None = None,
    lowercase: bool | None = None,
    revision: str | None = None,
    download: bool = False,
    space: str = "raw",
    keep: str | Status | Iterable[str | Status] = DEFAULT_KEEP,
    dtype: str = "float32",
    format: str | None = None,
    overwrite: bool = False,
    only: str | Iterable[str] | None = (),
    min_count: int = 1,
    top: int | None = None,
    strict: bool = False,
    dims: int | None = None,
    pca: int | None = None,
    by: Literal["types", "occurrences"] | None = None,
    center: bool = False,
    sif: float | None = None,
    **scanning: Any,
) -> CharVectors:
    """The main job: scan samples, look every character up in a model, write the vectors.

    The output is checked before anything is read, and written whole or not at all. What the command prints as a warning
    is a :class:`~charvec.errors.CharvecWarning` here, one for each code; samples that were skipped or damaged are
    among them.

    Args:
        samples: files, folders, glob patterns, ``-`` for standard input.
        model: what :func:`charvec.open` takes, or what it gave; None for the bundled model.
        out: the file to write; None to write none.
        vocab: as for :func:`charvec.open`.
        tensor: likewise.
        lowercase: likewise.
        revision: likewise.
        download: likewise.
        space: likewise.
        keep: as for :func:`lookup`.
        dtype: likewise.
        format: file format; None to go by the suffix of ``out``.
        overwrite: replace ``out`` when it exists.
        only: as for :func:`charvec.select`.
        min_count: likewise.
        top: likewise.
        strict: refuse to go on when any sample was skipped or damaged.
        dims: as for :func:`charvec.reduce`.
        pca: likewise.
        by: likewise.
        center: likewise.
        sif: likewise.
        scanning: everything else that :func:`charvec.scan` takes: ``encoding``, ``extensions``, ``jobs`` ...

    Returns:
        the vectors; ``vectors.missing`` lists every character that was not written, and why, ``vectors.notes`` what was
        noted of the model and of each sample.

    Raises:
        WrongFile: ``E-NO-CHARACTERS`` when ``out`` would hold no vector; nothing is written then.
        CharvecError: as :func:`charvec.open`, :func:`charvec.scan`, :func:`lookup`, :func:`charvec.reduce` and
            :func:`charvec.save` do; with ``strict`` DamagedFile ``E-SAMPLES``.
    """
    kept = parse_keep(keep)
    parse_dtype(dtype)
    strict, center, overwrite = flag(strict, "strict"), flag(center, "center"), flag(overwrite, "overwrite")
    smaller: dict[str, Any] = {"dims": dims, "pca": pca, "by": by, "center": center or None, "sif": sif}
    smaller = {name: value for name, value in smaller.items() if value is not None}
    if smaller:
        from charvec.reducing import check_reduction

        check_reduction(**smaller)
    every = only is None or (isinstance(only, (str, tuple, list)) and not only)  # an array is neither true nor false
    selects = not every or integer(min_count) != 1 or top is not None
    if selects:
        from charvec.selection import select, selected_by

        only = selected_by(only, min_count, top).only
    if out is not None:
        check_output(out, format=format, overwrite=overwrite)
    embedding = (
        model
        if isinstance(model, TokenEmbedding)
        else open_model(
            model,
            vocab=vocab,
            tensor=tensor,
            lowercase=lowercase,
            revision=revision,
            download=download,
            space=space,
        )
    )
    if out is not None:
        check_output(out, format=format, overwrite=overwrite, inputs=embedding.files)
    counts = scan(samples, not_this=out, not_these=embedding.files, **scanning)
    if strict:
        refuse_incomplete(counts)
    if selects:
        counts = select(counts, only=only, min_count=min_count, top=top)
    if smaller:
        from charvec.reducing import reduce

        vectors, complete = reduce(lookup(embedding, counts, keep=kept), **smaller, dtype=dtype), None
    else:
        vectors, complete = lookup_ahead(embedding, counts, keep=kept, dtype=dtype)
    if out is not None and not len(vectors):
        _warn(vectors.notes)
        refuse_empty(vectors, counts, out)
    left_out: list[str] = []
    dropped: list[Note] = []
    if out is not None:
        left_out, dropped = put(vectors, out, format=format, overwrite=overwrite, complete=complete)
    elif complete is not None:
        complete()
    _warn([*vectors.notes, *notes_on(vectors), *left_out_notes(os.fspath(out or ""), left_out), *dropped])
    return vectors


def _warn(notes: Iterable[Note]) -> None:
    """Warnings to the caller of :func:`dump`, one for each code; remarks (N-...) are none."""
    by_code: dict[str, list[Note]] = {}
    for note in notes:
        if not note.code.startswith("N-"):
            by_code.setdefault(note.code, []).append(note)
    for code, alike in by_code.items():
        more = f"; and {len(alike) - 1:,} more like it, see .notes" if len(alike) > 1 else ""
        warnings.warn(f"[{code}] {alike[0].message}{more}", CharvecWarning, stacklevel=3)


def refuse_incomplete(counts: Counts) -> None:
    """Stop when some sample was skipped or damaged.

    Raises:
        DamagedFile: ``E-SAMPLES``.
    """
    if not counts.samples.complete:
        problems = counts.samples.problems
        raise DamagedFile(
            "E-SAMPLES",
            f"{count(len(problems), 'sample')} skipped or damaged, and --strict was asked for",
            path=problems[0].path,
            found="; ".join(note.message for note in problems[:3]),
            help="repair or leave out those samples, or run without --strict",
        )


def refuse_empty(vectors: CharVectors, counts: Counts, out: str | os.PathLike[str]) -> None:
    """Stop when a file without a single vector would be written: it says nothing, and may replace one that did.

    Raises:
        WrongFile: ``E-NO-CHARACTERS``.
    """
    if len(vectors):
        return
    problems = counts.samples.problems
    if len(vectors.missing_codepoints):
        seen = vectors.coverage.seen.occurrences
        why = (
            "none of the characters has a vector that is to be kept"
            if seen
            else "the model sees none of the characters"
        )
        advice = "look at them: charvec coverage SAMPLES"
    elif counts.left_out:
        why, advice = "no character was selected", "select more of them"
    elif problems and not counts.samples.characters:
        why, advice = "no sample could be read", "name samples that hold text"
    else:
        why, advice = "the samples hold no character", "name samples that hold text"
    raise WrongFile(
        "E-NO-CHARACTERS",
        f"{os.fspath(out)} would hold no vector, and is not written: {why}",
        path=os.fspath(out),
        found="; ".join(note.message for note in problems[:3]) or None,
        help=advice,
    )
