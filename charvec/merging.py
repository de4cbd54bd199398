"""Verb: several vector files put together, with the source of each row kept.

``first`` takes each character from the first file that has it; ``concat`` puts the vectors of all files side by side.
Rows of different models lie in different spaces: ``first`` does not change that, and cosines between characters from
different sources mean nothing. :attr:`charvec.vectors.CharVectors.sources` tells which is from where.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import among, listed
from charvec.dtypes import check_dtype
from charvec.errors import Note, UsageError, WrongFile
from charvec.plumbing.arrays.layout import MAX_SOURCES
from charvec.provenance import same_model, sources_of
from charvec.reducing import refuse_reduced
from charvec.status import Status, parse_keep
from charvec.storage import as_vectors
from charvec.vectors import CharVectors
from charvec.version import __version__
from charvec.vocabulary import Spelling

__all__ = ["merge", "mixed_spaces"]


def merge(
    parts: Iterable[CharVectors | str | os.PathLike[str]],
    *,
    how: Literal["first", "concat"] = "first",
    counts: Literal["sum", "max"] | None = None,
    missing: Literal["zeros", "drop"] = "zeros",
    dtype: str | None = None,
) -> CharVectors:
    """Put vectors together.

    Args:
        parts: as :func:`charvec.load` gives them, or paths of vector files; 1 to 16 sources in all, merged ones
            count as their own sources.
        how: ``first``: each character as the first part that has it gives it, bit for bit where all parts have one
            element type; all need the same number of dimensions. ``concat``: side by side, as many dimensions as all
            parts together.
        counts: how the occurrences of a character in several parts become one number. ``sum`` is right for parts made
            of different samples, ``max`` for the same samples looked up in different models. By default ``sum`` when
            all parts come from one model, else ``max``.
        missing: with ``concat``, what becomes of a character that some part lacks: ``zeros`` in its place, or ``drop``,
            the character is left out.
        dtype: stored element type; by default that of the parts, float32 when they differ, or when int8 rows, which
            have one scale each, are put side by side.

    Returns:
        one row for each character, and the provenance of every part under ``source["sources"]``; characters that no
        part has are missing.

    Raises:
        UsageError: ``E-ARGUMENT``, ``E-DTYPE``.
        WrongFile: ``E-DIM`` when ``first`` is asked of different dimensions; ``E-CONFLICT`` when two parts of one model
            give one character different rows; ``E-REDUCED`` for parts that were made smaller.
    """
    parts = _checked(parts, how, counts, missing)
    if dtype is not None:
        check_dtype(dtype)
    everything = sorted({*np.concatenate([part.codepoints for part in parts]).tolist()})
    codepoints = np.array(everything, np.uint32)
    # place of each character in each part, -1 where it has none: int64 [parts, characters]
    places = np.stack([_places(part, codepoints) for part in parts])
    if how == "concat" and missing == "drop":
        kept = (places >= 0).all(axis=0)
        codepoints, places = codepoints[kept], places[:, kept]
    together = _join(counts, parts)
    made = (_first if how == "first" else _concat)(parts, codepoints, places)
    status, ids, offsets = _spelling(parts, places, how)
    sources, flags = _sources(parts, places, how)
    lost = _lost(parts, codepoints, together)
    vectors = CharVectors(
        codepoints,
        made[0],
        together([_taken(part.counts, row) for part, row in zip(parts, places, strict=True)]),
        Spelling(status, ids, offsets),
        made[1],
        *lost,
        _meta(parts, how, str(made[0].dtype), sources),
        flags,
    )
    return vectors if dtype is None else vectors.astype(dtype)


def mixed_spaces(vectors: CharVectors) -> list[Note]:
    """What a user should know of vectors in which rows of different models stand under each other."""
    if vectors.sources is None or vectors.source["merged"]["how"] != "first":
        return []
    parts = [part for number, part in enumerate(vectors.source["sources"]) if (vectors.sources >> number & 1).any()]
    if all(same_model(parts[0], part) for part in parts[1:]):
        return []
    return [
        Note(
            "W-MIXED-SPACES",
            f"rows of {len(parts)} sources stand under each other; cosines between characters of different sources "
            "mean nothing",
        )
    ]


def _checked(
    given: Iterable[CharVectors | str | os.PathLike[str]], how: str, counts: str | None, missing: str
) -> list[CharVectors]:
    for word, choices in ((how, ("first", "concat")), (counts, (None, "sum", "max")), (missing, ("zeros", "drop"))):
        if not (among(word, choices) or (word is None and None in choices)):
            raise UsageError("E-ARGUMENT", f"{word!r} is unknown", help="choose " + ", ".join(filter(None, choices)))
    # one file, and the vectors of one, can be iterated as well
    alone = isinstance(given, (str, os.PathLike, CharVectors))
    several = [] if alone else listed(given, "vectors")
    if not several:
        raise UsageError("E-ARGUMENT", "merge needs several vectors", help="give a list of what charvec.load() gives")
    parts = [as_vectors(part, "merge([vectors, ...])") for part in several]
    for each, part in zip(several, parts, strict=True):
        refuse_reduced(part, "merged", None if isinstance(each, CharVectors) else os.fspath(each))
    if sum(len(sources_of(part)) for part in parts) > MAX_SOURCES:
        raise UsageError("E-ARGUMENT", f"more than {MAX_SOURCES} sources", help="merge fewer files")
    if how == "first" and len({part.dim for part in parts}) > 1:
        dims = ", ".join(str(part.dim) for part in parts)
        raise WrongFile(
            "E-DIM",
            f"the vectors have different dimensions: {dims}",
            help="put them side by side with --how concat (in Python: how='concat')",
        )
    if how == "concat" and any(part.sources is not None and part.source["merged"]["how"] == "first" for part in parts):
        raise WrongFile(
            "E-DIM",
            "vectors merged by 'first' cannot be put side by side: each row has a source of its own",
            help="put the files they were made of side by side",
        )
    return parts


def _places(part: CharVectors, codepoints: NDArray[np.uint32]) -> NDArray[np.int64]:
    found = np.searchsorted(part.codepoints, codepoints)
    found[found == len(part)] = 0
    there = part.codepoints[found] == codepoints if len(part) else np.zeros(len(codepoints), bool)
    return np.where(there, found, -1).astype(np.int64)


def _taken(column: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Entries of a column, 0 where there is none."""
    if not len(column):
        return np.zeros(len(places), column.dtype)
    return np.where(places >= 0, column[np.maximum(places, 0)], column.dtype.type(0))


def _join(counts: str | None, parts: Sequence[CharVectors]) -> Callable[[list[NDArray[np.uint64]]], NDArray[np.uint64]]:
    if counts is None:
        counts = "sum" if all(same_model(parts[0].source, part.source) for part in parts) else "max"
    reduce = np.add.reduce if counts == "sum" else np.maximum.reduce
    return lambda columns: np.asarray(reduce(columns), np.uint64)


def _first(
    parts: Sequence[CharVectors], codepoints: NDArray[np.uint32], places: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Rows and scales: of each character, those of the first part that has it."""
    chosen = (places >= 0).argmax(axis=0)
    alike = len({part.dtype for part in parts}) == 1
    stored = np.empty((len(codepoints), parts[0].dim), parts[0].stored.dtype if alike else np.float32)
    scales = np.empty(len(codepoints), np.float32) if alike and parts[0].scales is not None else None
    for number, part in enumerate(parts):
        mine = chosen == number
        rows = places[number][mine]
        stored[mine] = part.stored[rows] if alike else part.at(rows)
        if scales is not None and part.scales is not None:
            scales[mine] = part.scales[rows]
    _check_conflicts(parts, codepoints, places)
    return stored, scales


def _check_conflicts(parts: Sequence[CharVectors], codepoints: NDArray[np.uint32], places: NDArray[np.int64]) -> None:
    """Parts of one model and one element type must agree where they overlap.

    Raises:
        WrongFile: ``E-CONFLICT``.
    """
    for second in range(1, len(parts)):
        for first in range(second):
            one, two = parts[first], parts[second]
            if one.dtype != two.dtype or not same_model(one.source, two.source):
                continue
            both = np.flatnonzero((places[first] >= 0) & (places[second] >= 0))
            rows = one.at(places[first][both]), two.at(places[second][both])
            differ = both[(rows[0].view(np.uint32) != rows[1].view(np.uint32)).any(axis=1)]
            if len(differ):
                named = ", ".join(f"U+{codepoint:04X}" for codepoint in codepoints[differ[:8]].tolist())
                raise WrongFile(
                    "E-CONFLICT",
                    f"files {first + 1} and {second + 1} come from one model, but differ in {len(differ):,} characters",
                    found=named,
                    help="prove each with `charvec verify FILE --against MODEL`, and leave out the one that fails",
                )


def _concat(
    parts: Sequence[CharVectors], codepoints: NDArray[np.uint32], places: NDArray[np.int64]
) -> tuple[NDArray[Any], None]:
    """Rows side by side, zeros where a part has none."""
    halves = all(part.dtype == "float16" for part in parts)
    stored = np.zeros((len(codepoints), sum(part.dim for part in parts)), np.float16 if halves else np.float32)
    column = 0
    for part, row in zip(parts, places, strict=True):
        there = row >= 0
        stored[there, column : column + part.dim] = part.at(row[there])
        column += part.dim
    return stored, None


def _spelling(
    parts: Sequence[CharVectors], places: NDArray[np.int64], how: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Status and row ids: uint8 [n], int64 [m], int64 [n + 1].

    Those of the first part that has the character; side by side, the least certain status of all parts, and the ids of
    all, one part after the other.
    """
    status = np.zeros(places.shape[1], np.uint8)
    ids: list[list[int]] = [[] for _ in range(places.shape[1])]
    seen = np.zeros(places.shape[1], bool)
    for part, row in zip(parts, places, strict=True):
        wanted = (row >= 0) & ~seen if how == "first" else row >= 0
        status[wanted] = np.maximum(status[wanted], part.spelling.status[row[wanted]])
        for place in np.flatnonzero(wanted).tolist():
            ids[place] += part.spelling.ids(int(row[place]))
        seen |= row >= 0
    offsets = np.concatenate(([0], np.cumsum([len(each) for each in ids]))).astype(np.int64)
    return status, np.array([row_id for each in ids for row_id in each], np.int64), offsets


def _sources(
    parts: Sequence[CharVectors], places: NDArray[np.int64], how: str
) -> tuple[list[dict[str, Any]], NDArray[np.uint16]]:
    """Provenance of every source, and which of them each row comes from."""
    sources: list[dict[str, Any]] = []
    flags = np.zeros(places.shape[1], np.uint16)
    seen = np.zeros(places.shape[1], bool)
    for part, row in zip(parts, places, strict=True):
        own = np.ones(len(part), np.uint16) if part.sources is None else part.sources
        wanted = (row >= 0) & ~seen if how == "first" else row >= 0
        flags[wanted] |= own[row[wanted]] << np.uint16(len(sources))
        seen |= row >= 0
        sources += sources_of(part)
    return sources, flags


def _lost(
    parts: Sequence[CharVectors],
    codepoints: NDArray[np.uint32],
    together: Callable[[list[NDArray[np.uint64]]], NDArray[np.uint64]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint64], Spelling]:
    """What no part has: with the counts of all parts, and the status that the first of them gives."""
    known = set(codepoints.tolist())
    status: dict[int, tuple[Status, tuple[int, ...]]] = {}
    columns: list[dict[int, int]] = []
    for part in parts:
        columns.append({ord(entry.char): entry.count for entry in part.missing})
        for entry in part.missing:
            status.setdefault(ord(entry.char), (entry.status, entry.rows))
        # dropped because another part lacks it
        columns[-1].update(zip(part.codepoints.tolist(), part.counts.tolist(), strict=True))
        for place, codepoint in enumerate(part.codepoints.tolist()):
            if codepoint not in known:
                status.setdefault(codepoint, (Status(int(part.status[place])), part.spelling.ids(place)))
    lost = sorted(status.keys() - known)
    counts = together([np.array([column.get(each, 0) for each in lost], np.uint64) for column in columns])
    return np.array(lost, np.uint32), counts, Spelling.of([status[each] for each in lost])


def _meta(parts: Sequence[CharVectors], how: str, dtype: str, sources: list[dict[str, Any]]) -> dict[str, Any]:
    kept = {status for part in parts for status in parse_keep(part.source.get("options", {}).get("keep") or "exact")}
    return {
        "charvec": __version__,
        "merged": {"how": how},
        "sources": sources,
        "options": {"keep": [status.label for status in sorted(kept)], "dtype": dtype},
    }
