"""Noun: a matrix aligned with the vocabulary of someone's own model."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import among, integer
from charvec.errors import UsageError, WrongFile
from charvec.valueclass import dataclass

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["Aligned", "Vocab", "align", "check_special", "entries_of", "row_count"]

#: Rows beyond 50 for each entry and these 10 million are no vocabulary with gaps but a mistake (hashes, code units).
_SPARSE, _SPARE = 50, 10_000_000
#: Bytes no matrix of a vocabulary has: 1 TiB.
_MAX_BYTES = 1 << 40


class _HasVocab(Protocol):
    """A tokenizer of transformers, or of the library ``tokenizers``."""

    def get_vocab(self) -> Mapping[str, int]:
        """Its entries and their ids."""


class _HasStoi(Protocol):
    """A vocabulary of torchtext."""

    def get_stoi(self) -> Mapping[str, int]:
        """Its entries and their ids."""


#: A caller's ids, as :meth:`CharVectors.matrix_for` takes them.
Vocab: TypeAlias = Mapping[str, int] | Sequence[str] | KeysView[str] | _HasVocab | _HasStoi


@dataclass(frozen=True, eq=False)
class Aligned:
    """A matrix aligned with a vocabulary, and what of the vocabulary has a vector. Unpacks into the two.

    Attributes:
        matrix: float32 [largest id + 1, dim].
        found: entries that have a vector, in the order of the vocabulary.
        missing: entries that have none; pad and unk count as neither.
    """

    matrix: NDArray[np.float32]
    found: tuple[str, ...]
    missing: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        yield self.matrix
        yield {"found": list(self.found), "missing": list(self.missing)}


def align(
    vectors: CharVectors,
    vocab: Vocab,
    *,
    pad: str | None,
    unk: str | None,
    missing: str,
    seed: int,
) -> Aligned:
    """The work of :meth:`charvec.vectors.CharVectors.matrix_for`, which says what is what; same errors."""
    if not among(missing, ("zeros", "unk", "mean", "normal", "error")):
        raise UsageError(
            "E-MISSING", f"missing={missing!r} is unknown", help="choose zeros, unk, mean, normal or error"
        )
    start = integer(seed)
    if start is None or start < 0:
        raise UsageError("E-ARGUMENT", f"seed={seed!r} is no seed", help="say a whole number from 0 on")
    entries = entries_of(vocab)
    check_special(entries, pad=pad, unk=unk)
    rows = row_count(entries, vectors.dim)
    ordinary = [(piece, row) for piece, row in entries if piece not in (pad, unk)]
    found = [(piece, row) for piece, row in ordinary if piece in vectors]
    lost = [(piece, row) for piece, row in ordinary if piece not in vectors]
    if lost and missing == "error":
        raise WrongFile(
            "E-NO-VECTOR",
            f"{len(lost)} of {len(entries)} entries have no vector",
            found=", ".join(repr(piece) for piece, _ in lost[:8]),
            help="choose what their rows shall be with missing=",
        )
    result = np.zeros((rows, vectors.dim), np.float32)
    if found:
        result[[row for _, row in found]] = vectors.at(vectors.places("".join(piece for piece, _ in found)))
    mean = _mean(vectors.matrix)
    unknown = vectors[unk] if unk is not None and unk in vectors else mean
    for piece, row in entries:
        if piece == unk and piece != pad:
            result[row] = unknown
    rows_lost = [row for _, row in lost]
    if missing == "unk":
        result[rows_lost] = unknown
    elif missing == "mean":
        result[rows_lost] = mean
    elif missing == "normal" and rows_lost:
        known = _finite(result[[row for _, row in found]])
        # fewer than two rows have no deviation: everything drawn would be one and the same vector
        result[rows_lost] = _drawn(known if len(known) > 1 else _finite(vectors.matrix), len(rows_lost), start)
    return Aligned(result, tuple(piece for piece, _ in found), tuple(piece for piece, _ in lost))


def entries_of(vocab: Vocab) -> list[tuple[str, int]]:
    """Pieces and their ids, in the order of the vocabulary; those of a tokenizer in the order of the ids.

    Raises:
        UsageError: ``E-VOCAB-IDS`` for a set, for what is no vocabulary at all, for an id that is negative, no integer,
            or used twice, and for an entry that is no text.
    """
    # the keys of a dictionary are a set by type, but have an order
    if isinstance(vocab, Set) and not isinstance(vocab, KeysView):
        raise UsageError("E-VOCAB-IDS", "a set has no order", help="give a list, or a dictionary of ids")
    if isinstance(vocab, Mapping):
        entries = list(vocab.items())
    elif isinstance(vocab, (Sequence, KeysView)) or (isinstance(vocab, np.ndarray) and vocab.ndim == 1):
        entries = [(piece, row) for row, piece in enumerate(vocab)]
    else:
        entries = _asked(vocab)
    # most are sound, and then there is nothing to say of any one: a third of the time
    rows = [row for _, row in entries]
    plain = {type(piece) for piece, _ in entries} <= {str} and {*map(type, rows)} <= {int}
    if plain and min(rows, default=0) >= 0 and len({*rows}) == len(rows):
        return entries
    taken: set[int] = set()
    for piece, row in entries:
        place = integer(row)
        if place is None or place < 0 or place in taken:
            raise UsageError(
                "E-VOCAB-IDS",
                f"the id of {piece!r} is {row!r}: negative, no integer, or used twice",
                help="ids are the rows of the matrix; give every entry one of its own",
            )
        if not isinstance(piece, str):
            # ids in place of entries would be found nowhere, and give a matrix of zeros
            raise UsageError("E-VOCAB-IDS", f"the entry {piece!r} is no text", help="give a str for each id")
        taken.add(place)
    return [(piece, int(row)) for piece, row in entries]


def _asked(vocab: object) -> list[tuple[str, Any]]:
    """The entries that an object of another library gives of itself, by their ids.

    Raises:
        UsageError: ``E-VOCAB-IDS``.
    """
    for name in ("get_stoi", "get_vocab"):
        method = getattr(vocab, name, None)
        given = method() if callable(method) and not isinstance(vocab, type) else None
        if isinstance(given, Mapping):
            # tokenizers gives them in another order in every process
            return sorted(given.items(), key=lambda entry: entry[1])
    raise UsageError(
        "E-VOCAB-IDS",
        f"an object of type {type(vocab).__name__} is no vocabulary",
        help="give a dictionary of ids, a list whose positions are the ids, or what has get_vocab() or get_stoi()",
    )


def check_special(entries: Sequence[tuple[str, int]], **special: str | None) -> None:
    """Refuse a name for padding or for unknown characters that is no entry: a slip that would go unnoticed.

    Raises:
        UsageError: ``E-VOCAB-IDS``.
    """
    from difflib import get_close_matches

    pieces = [piece for piece, _ in entries]
    for argument, name in special.items():
        if name is None or (isinstance(name, str) and name in pieces):
            continue
        if not isinstance(name, str):
            raise UsageError("E-VOCAB-IDS", f"{argument}={name!r} is no name", help="name an entry of the vocabulary")
        # one-character entries resemble nothing; without them even a large vocabulary is searched fast enough
        longer = [piece for piece in pieces if isinstance(piece, str) and len(piece) > 1][:100_000]
        close = get_close_matches(name, longer, n=1)
        raise UsageError(
            "E-VOCAB-IDS",
            f"{argument}={name!r} is no entry of the vocabulary",
            help=f"did you mean {close[0]!r}?" if close else f"name an entry, or leave {argument} out",
        )


def row_count(entries: Sequence[tuple[str, int]], dim: int) -> int:
    """One more than the largest id.

    Raises:
        UsageError: ``E-VOCAB-IDS`` for ids so large that the matrix would be nearly all gaps, or exceed any memory.
    """
    if not entries:
        return 0
    largest = max(row for _, row in entries)
    if largest > _SPARSE * len(entries) + _SPARE or (largest + 1) * dim * 4 >= _MAX_BYTES:
        piece = next(piece for piece, row in entries if row == largest)
        raise UsageError(
            "E-VOCAB-IDS",
            f"the id of {piece!r} is {largest:,}, far beyond the {len(entries):,} entries of the vocabulary",
            help="ids are the rows of the matrix; number the entries from 0",
        )
    return largest + 1


def _finite(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    # one row of NaN would make every mean NaN
    finite = np.isfinite(rows).all(axis=1)
    return rows if finite.all() else np.asarray(rows[finite])


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [dim]: the mean of the finite rows, summed in float64; zeros when there are none."""
    rows = _finite(rows)
    if not len(rows):
        return np.zeros(rows.shape[1], np.float32)
    return np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)


def _drawn(rows: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float64]:
    """float64 [count, dim]: drawn from a normal distribution with the mean and standard deviation of each column.

    Without any rows it is the standard normal distribution.
    """
    noise = np.random.default_rng(seed).standard_normal((count, rows.shape[1]))
    if not len(rows):
        return noise
    return np.asarray(rows.mean(axis=0, dtype=np.float64) + noise * rows.std(axis=0, dtype=np.float64))
