"""Verbs: look characters up in a model, and prove that vectors came of that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.counts import Counts, as_counts
from charvec.coverage import Coverage
from charvec.dtypes import convert_rows, parse_dtype
from charvec.embedding import TokenEmbedding, as_model
from charvec.errors import Note, UsageError
from charvec.plumbing import places
from charvec.plumbing.files import File
from charvec.plumbing.models.model_places import origin
from charvec.projecting import project
from charvec.rows import read_and_hash, sample_rows
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.vectors import CharVectors
from charvec.version import __version__
from charvec.vocabulary import Spelling

__all__ = ["cover", "identity", "lookup", "lookup_ahead", "notes_on", "verify_rows"]


def cover(
    model: TokenEmbedding | str | os.PathLike[str],
    counts: Counts | Mapping[str, int],
    keep: str | Status | Iterable[str | Status] = DEFAULT_KEEP,
) -> Coverage:
    """How much of the samples a model knows; reads no rows.

    Args:
        model: as :func:`charvec.open` gives it, or its path.
        counts: as :func:`charvec.scan` gives them.
        keep: statuses that count as covered.

    Raises:
        UsageError: ``E-KEEP``; ``E-ARGUMENT`` for anything else than a model or counts, such as the path of a sample.
    """
    counts, model = as_counts(counts, "cover(model, counts)"), as_model(model, "cover(model, counts)")
    spelling = model.vocabulary.spell(counts.codepoints).beyond(model.tensor.rows)
    return Coverage.of(spelling.status, counts.occurrences, parse_keep(keep))


def lookup(
    model: TokenEmbedding | str | os.PathLike[str],
    counts: Counts | Mapping[str, int] | Iterable[str],
    *,
    keep: str | Status | Iterable[str | Status] = DEFAULT_KEEP,
    dtype: str = "float32",
) -> CharVectors:
    """Character vectors of a model: one row for each character whose status is kept, sorted by code point.

    A character spelt in one piece gets that row of the matrix bit for bit; one spelt in several gets the mean of their
    rows, computed in float32.

    Args:
        model: as :func:`charvec.open` gives it, or its path.
        counts: characters and how often they occur: as :func:`charvec.scan` gives them, any mapping, or any characters.
        keep: statuses to write, labels of :class:`~charvec.status.Status`.
        dtype: stored element type: ``float32``, ``float16``, ``int8``, ``pq`` or ``pq:M``, as for
            :meth:`charvec.vectors.CharVectors.astype`.

    Raises:
        UsageError: ``E-KEEP``, also for no status at all; ``E-DTYPE``; ``E-COUNTS``; ``E-ARGUMENT`` for anything but a
            model, such as when the first two arguments changed places.
        CharvecError: as :func:`charvec.rows.read_rows` does.
    """
    vectors, complete = lookup_ahead(model, counts, keep=keep, dtype=dtype)
    complete()
    return vectors


def lookup_ahead(
    model: TokenEmbedding | str | os.PathLike[str],
    counts: Counts | Mapping[str, int] | Iterable[str],
    *,
    keep: str | Status | Iterable[str | Status] = DEFAULT_KEEP,
    dtype: str = "float32",
) -> tuple[CharVectors, Callable[[], None]]:
    """As :func:`lookup`, but for the digest of the rows, which is still in the making.

    Hashing 15 MB takes as long as reading and writing them: beside both, instead of before the second, it saves 30 of
    340 ms. Until the digest is there, ``source["source"]["rows_blake2b"]`` holds as many zeros.

    Returns:
        the vectors, and what completes them: it waits for the digest and puts it in.
    """
    if isinstance(counts, TokenEmbedding):  # before a text is taken for the name of a model
        as_counts(counts, "lookup(model, counts)")
    model = as_model(model, "lookup(model, counts)")
    kept = parse_keep(keep)
    if not kept:
        raise UsageError("E-KEEP", "keep is empty: nothing would be written", help="name at least one status")
    name, _ = parse_dtype(dtype)
    counts = _counts(counts)
    spelling = model.vocabulary.spell(counts.codepoints).beyond(model.tensor.rows)
    chosen = np.isin(spelling.status, np.array(kept, np.uint8))
    written, missing = spelling.take(chosen), spelling.take(~chosen)
    rows, digest = read_and_hash(model.tensor, ids := _row_ids(written))
    if len(ids) > len(written):
        digest.hexdigest()  # of the rows as they were read, before those of composed characters change
    matrix = _vectors_of(model, written, rows)
    # codebooks are made for the finished rows
    stored, scales = convert_rows(matrix, "float32" if name == "pq" else name)
    source = _provenance(model, counts, spelling, kept, "float32" if name == "pq" else name)

    def complete() -> None:
        source["source"]["rows_blake2b"] = digest.hexdigest()

    made = CharVectors(
        counts.codepoints[chosen],
        stored,
        counts.occurrences[chosen],
        written,
        scales,
        counts.codepoints[~chosen],
        counts.occurrences[~chosen],
        missing,
        source,
        notes=(*model.notes, *counts.samples.problems, *counts.samples.remarks),
    )
    # what is made of them shares the part of `source` that is completed
    if name == "pq":
        return made.astype(dtype), complete
    return (made if name == "float32" else made.compared_with(matrix)), complete


def _counts(counts: Counts | Mapping[str, int] | Iterable[str]) -> Counts:
    path = isinstance(counts, os.PathLike) or (isinstance(counts, str) and os.sep in counts and os.path.exists(counts))
    if path or isinstance(counts, Mapping):
        return as_counts(counts, "lookup(model, counts)")
    try:
        if isinstance(counts, str):
            return Counts.of_text(counts)
        return Counts.from_mapping(dict.fromkeys((char for text in counts for char in text), 1))
    except (OverflowError, TypeError, ValueError) as error:
        raise UsageError("E-COUNTS", str(error), help="keys are single characters, values are counts") from None


def _row_ids(spelling: Spelling) -> NDArray[np.int64]:
    """What to read in one go: the first row of each character, and behind these every row of the composed ones.

    Most characters need no more than the first; so no second matrix is needed. Every character has at least one row.
    """
    firsts = spelling.row_ids[spelling.row_offsets[:-1]]
    return np.concatenate((firsts, *_pieces(spelling).values()))


def _pieces(spelling: Spelling) -> dict[int, NDArray[np.int64]]:
    """Row ids of each composed character, by its place."""
    offsets = spelling.row_offsets
    composed = np.flatnonzero(np.diff(offsets) > 1).tolist()
    return {place: spelling.row_ids[offsets[place] : offsets[place + 1]] for place in composed}


def _vectors_of(model: TokenEmbedding, spelling: Spelling, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [n, dim]: the row of each character, or the mean of its rows, as the model projects it.

    Args:
        model: the model.
        spelling: of the characters.
        rows: those of :func:`_row_ids`, which are changed where characters are composed.
    """
    start = len(spelling)
    matrix = rows[:start]
    with np.errstate(over="ignore", invalid="ignore"):  # rows that are not finite are told of in the finished vectors
        for place, ids in _pieces(spelling).items():
            matrix[place] = rows[start : start + len(ids)].mean(axis=0, dtype=np.float32)
            start += len(ids)
    # a mean, being linear, may be projected as well as its rows; the digest stays that of the stored rows
    return matrix if model.projection is None else project(model.projection, matrix)


def identity(model: TokenEmbedding) -> dict[str, Any]:
    """What makes a model another one, laid out as in the provenance of vectors made from it."""
    checkpoint, tensor, vocabulary = model.checkpoint, model.tensor, model.vocabulary
    return {
        "source": {
            "tensor": tensor.name,
            "shape": list(tensor.shape),
            "dtype": tensor.dtype,
            "header_blake2b": checkpoint.header_digest,
            # only where the rows are not as they are stored, as they most often are
            **({"space": model.projection.as_dict()} if model.projection else {}),
        },
        "vocabulary": {
            "kind": vocabulary.kind,
            "blake2b": vocabulary.digest,
            "settings": dict(vocabulary.settings),
        },
    }


def _provenance(
    model: TokenEmbedding,
    counts: Counts,
    spelling: Spelling,
    kept: tuple[Status, ...],
    dtype: str,
) -> dict[str, Any]:
    """What the file says of where it comes from. Base names only, no times: the same inputs give the same bytes.

    Of a model on the hub its name and commit, of a file behind a URL that, without secrets.
    """
    checkpoint, tensor, vocabulary, samples = model.checkpoint, model.tensor, model.vocabulary, counts.samples
    files = dict(checkpoint.files)
    for path in (*tensor.paths, *(model.projection.paths if model.projection else ())):
        if path not in files:
            with File(path) as part:
                files[path] = part.size
    known = identity(model)
    return {
        "charvec": __version__,
        "source": {
            **known["source"],
            "format": checkpoint.format,
            **origin(checkpoint.path),
            "files": {places.base_name(path): size for path, size in sorted(files.items())},
            "quantised": tensor.quantised or False,
            "chosen_because": model.reason,
            # not done to the vectors
            **({"model_goes_on_with": list(model.treated)} if model.treated else {}),
            "rows_blake2b": "0" * 64,  # as yet
        },
        "vocabulary": {
            **known["vocabulary"],
            "file": places.base_name(vocabulary.path),
            "size": vocabulary.size,
            "normalised_by": spelling.library,
        },
        "options": {"keep": [status.label for status in kept], "dtype": dtype},
        **({"made_from": dict(checkpoint.made_from)} if checkpoint.made_from else {}),
        "samples": {
            "files": samples.files,
            "bytes": samples.bytes,
            "characters": samples.characters,
            "bad_bytes": samples.bad_bytes,
            "skipped": samples.skipped,
            # only where something was asked for, as most often nothing is
            **({"settings": dict(samples.settings)} if samples.settings else {}),
            **({"left_out": counts.left_out} if counts.left_out else {}),
        },
    }


def verify_rows(
    vectors: CharVectors, model: TokenEmbedding, *, rounded_to: str | None = None, statuses: bool = True
) -> list[str]:
    """Characters whose vectors are not, bit for bit, what the model gives today.

    Args:
        vectors: as loaded from a vector file; merged ones are first taken apart by
            :func:`charvec.provenance.parts_of`.
        model: the model they are said to come from.
        rounded_to: element type the rows went through before they got the one they have; None for no other.
        statuses: compare statuses as well; those of a file that knew none (text, pickle) never are.

    Raises:
        CharvecError: as :func:`charvec.rows.read_rows` does.
    """
    # spelt anew and not by the row ids of the file: both the rows and the choice of rows are proven
    spelling = model.vocabulary.spell(vectors.codepoints).beyond(model.tensor.rows)
    found = np.diff(spelling.row_offsets) > 0
    found &= spelling.status != Status.NO_ROW
    matrix = np.zeros((len(vectors), model.dim), np.float32)
    from charvec.reducing import rows_before, stored_alike

    if model.dim != rows_before(vectors) or not len(vectors):
        return vectors.chars
    with_rows = spelling.take(found)
    matrix[found] = _vectors_of(model, with_rows, sample_rows(model.tensor, _row_ids(with_rows)))
    same = found & stored_alike(matrix, vectors, rounded_to or vectors.dtype)
    if statuses and "converted" not in vectors.source:
        same &= spelling.status == vectors.status
    return [char for char, equal in zip(vectors.chars, same.tolist(), strict=True) if not equal]


def notes_on(vectors: CharVectors) -> list[Note]:
    """What a user should know of vectors just made or loaded."""
    bad = 0
    if vectors.dtype not in ("int8", "pq"):
        # some rows at a time: a mask of the whole matrix is memory that was never touched, 3 ms for 15 MB
        for start in range(0, len(vectors), 256):
            bad += int((~np.isfinite(vectors.matrix[start : start + 256]).all(axis=1)).sum())
    if not bad:
        return []
    return [Note("W-NONFINITE", f"{bad} of {len(vectors)} vectors hold NaN or infinity, as their checkpoint does")]
