"""Part of the noun vectors: vectors of texts from the vectors of their characters.

Three ways, each where it is fastest, to one result, which is summed in float64. Short texts are walked side by side:
the first character of each, then the second, so that one call of NumPy adds a row to hundreds of texts. Texts longer
than :data:`PIECE` are cut into pieces, which are added up in the end. A text longer than there are characters with
vectors repeats them; each is counted and multiplied by its count. Rates: ``bench/encode.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import among, real
from charvec.errors import UsageError
from charvec.reduction import mean_of

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["POOLINGS", "occurrences", "pad", "pool", "pooled_rows", "sif_weights"]

POOLINGS = ("mean", "sum", "sif", "stored")

#: Characters taken up at once; a longer text goes alone.
CHUNK = 1 << 16
#: Sums kept at once: 4 Mi of float64 are 32 MiB.
SUMS = 1 << 22
#: Characters of a text that are added one after another.
PIECE = 64
#: Sums that are added to again and again stay in a cache of 512 KiB.
BLOCK = 1 << 16


def pool(
    vectors: CharVectors,
    texts: Sequence[str],
    pooling: str,
    *,
    a: float | None = None,
    normalize: bool = False,
    center: bool = False,
) -> NDArray[np.float32]:
    """The work of :meth:`charvec.vectors.CharVectors.encode`, which says what is what: float32 [len(texts), dim].

    Raises:
        UsageError: ``E-POOLING``; ``E-NO-MEAN``; ``E-ARGUMENT`` as :func:`sif_weights`.
    """
    pooling, weights, less = _choice(vectors, pooling, a, center)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    # rows are widened to float32 once, when texts are many; a few texts widen only their own
    whole = vectors.dtype == "float32" or int(lengths.sum()) > len(vectors)
    rows = _weighted(vectors.matrix, weights, less) if whole else None
    result = np.zeros((len(texts), vectors.dim), np.float32)
    for start, end in _chunks(lengths, vectors.dim):
        places = vectors.places("".join(texts[start:end]))
        known = places >= 0
        text_of = np.repeat(np.arange(end - start), lengths[start:end])[known]
        places = places[known]
        counts = np.bincount(text_of, minlength=end - start)
        if rows is not None:
            sums = _sums(rows, places, counts)
        else:
            used, places = np.unique(places, return_inverse=True)
            some = _weighted(vectors.at(used), None if weights is None else weights[used], less)
            sums = _sums(some, places, counts)
        if pooling != "sum":
            sums /= np.maximum(counts, 1)[:, None]
        if normalize:
            _normalize(sums)
        with np.errstate(over="ignore"):
            result[start:end] = sums
    return result


def pooled_rows(
    vectors: CharVectors, pooling: str, *, a: float | None = None, center: bool = False
) -> tuple[NDArray[np.float32], str]:
    """What :func:`pool` adds up, for those who add it up elsewhere.

    Returns:
        the rows with weights and mean applied, float32 [n, dim]; and whether a text is their ``mean`` or ``sum``.

    Raises:
        UsageError: as :func:`pool`.
    """
    pooling, weights, less = _choice(vectors, pooling, a, center)
    return _weighted(vectors.matrix, weights, less), "sum" if pooling == "sum" else "mean"


def _choice(
    vectors: CharVectors, pooling: str, a: float | None, center: bool
) -> tuple[str, NDArray[np.float64] | None, NDArray[np.float32] | None]:
    """The pooling, with the weights of rows and the mean to take away from them first, where there are such."""
    if not among(pooling, POOLINGS):
        raise UsageError("E-POOLING", f"{pooling!r} is no pooling", help="choose mean, sum, sif, stored or None")
    if pooling == "stored":
        pooling, center = _stored(vectors, center)
    less = mean_of(vectors) if center else None
    return pooling, sif_weights(vectors, a) if pooling == "sif" else None, less


def _stored(vectors: CharVectors, center: bool) -> tuple[str, bool]:
    """What the file stores as its pooling.

    Raises:
        UsageError: ``E-POOLING``.
    """
    options = vectors.source.get("options", {})
    if "sif" not in options and vectors.mean is None:
        raise UsageError(
            "E-POOLING",
            "the vectors store no pooling",
            help="choose mean, sum or sif; `charvec convert IN OUT --sif 0.001 --center` stores one",
        )
    return "sif" if "sif" in options else "mean", center or vectors.mean is not None


def sif_weights(vectors: CharVectors, a: float | None) -> NDArray[np.float64]:
    """Smooth inverse frequency, a / (a + p) with p the share of a character among all of the samples: float64 [n].

    Characters that were not written, or left out by a selection, count towards all. The number of all occurrences that
    the vectors store goes before what their counts add up to, and so does their ``a`` where it is None here. Source:
    Arora, Liang, Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017, without its second step,
    which takes out a common component.

    Raises:
        UsageError: ``E-POOLING`` when no counts are known; ``E-ARGUMENT`` when ``a`` is not positive.
    """
    stored = vectors.source.get("options", {}).get("sif", {})
    given = stored.get("a", 1e-3) if a is None else real(a)
    if given is None or not 0 < given < np.inf:
        raise UsageError("E-ARGUMENT", f"a={a!r} is no positive number", help="1e-3 is usual")
    counts = vectors.counts.astype(np.float64)
    total = float(stored.get("occurrences", occurrences(vectors)))
    if len(vectors) and not counts.any():
        raise UsageError(
            "E-POOLING",
            "sif weighs characters by their counts, and these vectors have none",
            help="dump them from samples: text, .vec and .pkl files carry no counts; or choose mean",
        )
    weights: NDArray[np.float64] = given / (given + counts / max(total, 1.0))
    return weights


def occurrences(vectors: CharVectors) -> int:
    """Of all characters of the samples: of those written, missing, and left out by a selection."""
    left_out = vectors.source.get("samples", {}).get("left_out")
    further = 0
    # it comes from the file, like all provenance, and may be anything
    for each in left_out.values() if isinstance(left_out, dict) else ():
        number = each.get("occurrences") if isinstance(each, dict) else None
        further += min(max(0, number), 1 << 63) if type(number) is int else 0
    # in float64, where counts that a file invents do not wrap around
    return int(vectors.counts.sum(dtype=np.float64)) + int(vectors.missing_counts.sum(dtype=np.float64)) + further


def pad(vectors: CharVectors, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The work of :meth:`charvec.vectors.CharVectors.padded`, which says what is what."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    places = np.full(mask.shape, -1, np.int64)
    places[mask] = vectors.places("".join(texts))
    known = places >= 0
    rows = np.zeros((*mask.shape, vectors.dim), np.float32)
    rows[known] = vectors.at(places[known])
    return rows, mask


def _chunks(lengths: NDArray[np.int64], dim: int) -> Iterator[tuple[int, int]]:
    """Texts that are taken up together, as many whole ones as fit: begin and end."""
    most = max(1, SUMS // max(1, dim))
    ends = lengths.cumsum()
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        end = int(ends.searchsorted(before + CHUNK, "right"))
        end = min(max(end, start + 1), start + most)
        yield start, end
        start = end


def _weighted(
    rows: NDArray[np.float32], weights: NDArray[np.float64] | None, less: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Rows less a mean, times their weights; rounded to float32 after each."""
    rows = rows if less is None else rows - less
    return rows if weights is None else rows * weights.astype(np.float32)[:, None]


def _sums(
    rows: NDArray[np.float32], places: NDArray[np.integer[Any]], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """float64 [texts, dim]: the sums of the rows at ``places``, whose first counts[0] belong to the first text."""
    sums = np.zeros((len(counts), rows.shape[1]), np.float64)
    starts = counts.cumsum() - counts
    many = counts > max(len(rows), PIECE)
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, as it should be
        for text in np.flatnonzero(many):
            _add_by_count(rows, places[starts[text] : starts[text] + counts[text]], sums[text])
        if (counts[~many] <= PIECE).all():
            _add_side_by_side(rows, places, starts[~many], counts[~many], sums, np.flatnonzero(~many))
            return sums
        # long texts in pieces, whose sums are added up
        pieces = np.where(many, 0, -(-counts // PIECE))
        text_of = np.repeat(np.arange(len(counts)), pieces)
        offsets = PIECE * (np.arange(len(text_of)) - np.repeat(pieces.cumsum() - pieces, pieces))
        sizes = np.minimum(counts[text_of] - offsets, PIECE)
        parts = np.zeros((len(text_of), rows.shape[1]), np.float64)
        _add_side_by_side(rows, places, starts[text_of] + offsets, sizes, parts, np.arange(len(text_of)))
        firsts = np.flatnonzero(np.diff(text_of, prepend=-1))
        sums[text_of[firsts]] = np.add.reduceat(parts, firsts, axis=0)
    return sums


def _add_by_count(rows: NDArray[np.float32], places: NDArray[np.integer[Any]], total: NDArray[np.float64]) -> None:
    """Add each row as often as it occurs to float64 [dim]."""
    times = np.bincount(places, minlength=len(rows))
    used = np.flatnonzero(times)
    step = max(1, SUMS // max(1, rows.shape[1]))
    for first in range(0, len(used), step):
        some = used[first : first + step]
        total += times[some].astype(np.float64) @ rows[some].astype(np.float64)


def _add_side_by_side(
    rows: NDArray[np.float32],
    places: NDArray[np.integer[Any]],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    sums: NDArray[np.float64],
    owners: NDArray[np.int64],
) -> None:
    """Put into sums[owners[i]] the sum of the rows at places[starts[i] : starts[i] + sizes[i]]."""
    # the longest first: those that still have a character at some position are always the first ones
    order = np.argsort(-sizes, kind="stable")
    starts, sizes, owners = starts[order], sizes[order], owners[order]
    step = max(1, BLOCK // max(1, rows.shape[1]))
    gathered = np.empty((step, rows.shape[1]), np.float32)
    for first in range(0, len(sizes), step):
        block = slice(first, first + step)
        longest = int(sizes[first])
        begin = starts[block]
        totals = np.zeros((len(begin), rows.shape[1]), np.float64)
        # how many texts of the block are longer than each position
        alive = np.searchsorted(-sizes[block], -np.arange(1, longest + 1), "right")
        for position, count in enumerate(alive.tolist()):
            # no place is out of bounds; "clip" spares take a copy that it makes to raise with
            rows.take(places[begin[:count] + position], axis=0, out=gathered[:count], mode="clip")
            totals[:count] += gathered[:count]
        sums[owners[block]] = totals


def _normalize(sums: NDArray[np.float64]) -> None:
    """Bring rows to length 1; a row of zeros has no direction and stays, one that is not finite becomes NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        sums /= np.where(lengths > 0, lengths, 1.0)[:, None]
