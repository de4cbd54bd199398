"""Part of the noun vectors: product quantisation, rows as one byte for each part of them.

A row is cut into M parts of equal length; each part is replaced by the most similar of up to 256 vectors, the codebook
of that part. Source: Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", IEEE TPAMI 2011; the
codebooks by Lloyd's k-means. It starts from rows that are picked evenly, without any random numbers, and it computes
with whole numbers, whose sums are exact: the same rows give the same bytes on every machine, whatever the number of
threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError, WrongFile

__all__ = ["check_parts", "decode", "default_parts", "fit", "quantise"]

#: Vectors of a codebook; their numbers are bytes.
SIZE = 256
#: Rounds of k-means, at most.
ROUNDS = 25
#: A round that leaves more of the error than this is the last one.
ENOUGH = 0.999
#: Rows compared with a codebook at once; the distances stay in a cache, and are too few for BLAS to start threads.
BLOCK = 128
#: Values of a part unless the caller says how many parts: two bytes of float16 become one quarter of a byte.
PART = 4
#: Multiplied by a row's number modulo 2 to the power of 32: visits rows in an order that is spread evenly (Knuth 6.4).
_SPREAD = 2654435761


def default_parts(dim: int) -> int:
    """The number of parts of at least :data:`PART` values, as large as it can be; 1 when there is none."""
    return next((parts for parts in range(max(1, dim // PART), 0, -1) if dim % parts == 0), 1)


def check_parts(dim: int, parts: int) -> None:
    """Refuse parts of unequal length.

    Raises:
        UsageError: ``E-DTYPE``.
    """
    if not 0 < parts <= dim or dim % parts:
        fitting = [str(each) for each in range(1, dim + 1) if dim % each == 0]
        raise UsageError(
            "E-DTYPE",
            f"{dim} dimensions cannot be cut into {parts} equal parts",
            help="choose pq:M with M one of " + ", ".join(fitting[-12:]),
        )


def decode(codes: NDArray[np.uint8], codebooks: NDArray[np.float16]) -> NDArray[np.float32]:
    """float32 [n, M * length]: what codes (uint8 [n, M]) and codebooks (float16 [M, K, length]) stand for."""
    parts, _, length = codebooks.shape
    return codebooks[np.arange(parts), codes].astype(np.float32).reshape(len(codes), parts * length)


def fit(rows: NDArray[np.float32], parts: int) -> NDArray[np.float16]:
    """Codebooks for rows: float16 [parts, K, dim / parts], K the smaller of 256 and the number of different parts.

    Raises:
        UsageError: ``E-DTYPE`` when dim is no multiple of parts.
        WrongFile: ``E-OVERFLOW`` for rows that hold NaN, infinity or values beyond 65,504.
    """
    check_parts(rows.shape[1], parts)
    if not (np.abs(rows) <= np.finfo(np.float16).max).all():
        raise WrongFile(
            "E-OVERFLOW",
            "the vectors hold values that are not finite or beyond 65,504, which pq cannot store",
            help="use --dtype float32",
        )
    books = [_codebook(np.ascontiguousarray(part)) for part in np.split(rows, parts, axis=1)]
    size = max(map(len, books))
    # short ones repeat their last vector, which no code means
    return np.stack([np.concatenate((book, np.repeat(book[-1:], size - len(book), axis=0))) for book in books])


def quantise(rows: NDArray[np.float32], codebooks: NDArray[np.float16]) -> NDArray[np.uint8]:
    """uint8 [n, M]: for each part of each row the nearest vector of its codebook, of equally near ones the first.

    What becomes of a row depends on that row alone.
    """
    codes = np.zeros((len(rows), len(codebooks)), np.uint8)
    for number, (part, book) in enumerate(zip(np.split(rows, len(codebooks), axis=1), codebooks, strict=True)):
        unit = _unit(4 * float(np.abs(book).max(initial=0)), book.shape[1])
        codes[:, number] = _nearest(_whole(part, unit), _whole(book, unit))[0]
    return codes


def _codebook(rows: NDArray[np.float32]) -> NDArray[np.float16]:
    """float16 [K, length] for rows [n, length]."""
    different, places = np.unique(rows + np.float32(0), axis=0, return_index=True)
    if len(different) <= SIZE:
        return different.astype(np.float16)
    places.sort()
    spread = np.arange(len(places), dtype=np.uint64) * np.uint64(_SPREAD) & np.uint64(0xFFFFFFFF)
    unit = _unit(float(np.abs(rows).max()), rows.shape[1])
    whole = _whole(rows, unit)
    book = whole[places[np.argsort(spread, kind="stable")[:SIZE]]]
    before = math.inf
    for _ in range(ROUNDS):
        codes, distances = _nearest(whole, book)
        counts = np.bincount(codes, minlength=SIZE)
        sums = np.stack([np.bincount(codes, column, SIZE) for column in whole.T], axis=1)
        moved = np.rint(sums / np.maximum(counts, 1)[:, None])
        empty = np.flatnonzero(counts == 0)
        # a vector that nothing is near to goes where the error is largest
        moved[empty] = whole[np.argsort(-distances, kind="stable")[: len(empty)]]
        now = math.fsum(distances.tolist())
        if now >= ENOUGH * before:
            break
        book, before = moved, now
    return (book * unit).astype(np.float16)


def _unit(largest: float, length: int) -> float:
    """What values up to ``largest`` are told in multiples of, so that sums of ``length`` products are exact."""
    # of whole numbers below 2^bits, |c|^2 - 2 x.c and (x - c)^2 stay below 4 * length * 2^(2 * bits), in float64 2^53
    bits = int((53 - math.log2(4 * length)) // 2)
    return math.ldexp(1.0, math.frexp(largest)[1] - bits)


def _whole(rows: NDArray[Any], unit: float) -> NDArray[np.float64]:
    """Values as whole numbers of units, float64; what lies beyond is brought to the largest that is exact."""
    most = 2.0 ** ((53 - math.log2(4 * rows.shape[1])) // 2)
    return np.clip(np.rint(rows.astype(np.float64) / unit), -most, most)


def _nearest(rows: NDArray[np.float64], book: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The nearest vector of a codebook for each row, intp [n], and its squared distance, float64 [n].

    All values are whole numbers and all sums of products exact, in whatever order a processor takes them.
    """
    codes = np.zeros(len(rows), np.intp)
    distances = np.zeros(len(rows), np.float64)
    if not len(book):
        return codes, distances
    # |c|^2 - 2 x.c as one product; the square of the row changes nothing about which is nearest
    against = np.concatenate((-2.0 * book.T, np.einsum("ij,ij->i", book, book)[None]))
    one = np.concatenate((rows, np.ones((len(rows), 1))), axis=1)
    for start in range(0, len(rows), BLOCK):
        codes[start : start + BLOCK] = (one[start : start + BLOCK] @ against).argmin(axis=1)
    away = rows - book[codes]
    return codes, np.einsum("ij,ij->i", away, away)
