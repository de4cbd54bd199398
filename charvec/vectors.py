"""Noun: character vectors, one row for each character, with where each row comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.counts import UNICODE_SIZE, characters
from charvec.coverage import Coverage, Missing
from charvec.errors import UsageError, WrongFile
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.vocabulary import Spelling

if TYPE_CHECKING:
    import os

__all__ = ["DTYPES", "Aligned", "CharVectors"]

#: Element types a vector file can have.
DTYPES = ("float32", "float16", "int8")

#: Characters gathered at once by `encode`: 64 Ki rows of 768 floats are 192 MiB, of 128 floats 32 MiB.
ENCODE_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class CharVectors:
    """Character vectors: a read-only mapping from characters to float32 vectors, sorted by code point.

    Attributes:
        codepoints: uint32 [n], ascending, each once.
        stored: [n, dim], float32, float16 or int8, as in the file; :attr:`matrix` is the same as float32.
        counts: uint64 [n], occurrences in the samples; 0 where unknown.
        spelling: status and matrix rows of each character.
        scales: float32 [n] when ``stored`` is int8: value = scale * stored; otherwise None.
        missing_codepoints: uint32 [k], ascending: characters of the samples that were not written.
        missing_counts: uint64 [k].
        missing_spelling: status and row ids of those.
        source: provenance, plain values as in the file's ``/meta``.
    """

    codepoints: NDArray[np.uint32]
    stored: NDArray[Any]
    counts: NDArray[np.uint64]
    spelling: Spelling
    scales: NDArray[np.float32] | None = None
    missing_codepoints: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    missing_counts: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    missing_spelling: Spelling = field(default_factory=lambda: Spelling.of([]))
    source: Mapping[str, Any] = field(default_factory=dict)

    # -- size and type ------------------------------------------------------------------------------------------------

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.stored.shape[1])

    @property
    def dtype(self) -> str:
        """Stored element type: ``float32``, ``float16`` or ``int8``."""
        return str(self.stored.dtype)

    def __len__(self) -> int:
        return len(self.codepoints)

    def __repr__(self) -> str:
        return f"<CharVectors of {len(self):,} characters, {self.dim} dimensions, {self.dtype}>"

    # -- parallel columns ---------------------------------------------------------------------------------------------

    @cached_property
    def chars(self) -> list[str]:
        """The characters, sorted by code point."""
        return characters(self.codepoints)

    @cached_property
    def matrix(self) -> NDArray[np.float32]:
        """float32 [n, dim]: the stored rows, widened or multiplied by their scales where need be."""
        return self._rows(slice(None))

    @property
    def status(self) -> NDArray[np.uint8]:
        """uint8 [n], values of :class:`~charvec.status.Status`."""
        return self.spelling.status

    @cached_property
    def rows(self) -> list[tuple[int, ...]]:
        """For each character the rows of the checkpoint's matrix whose mean it is; one row for most."""
        return [self.spelling.ids(place) for place in range(len(self))]

    def _rows(self, places: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        picked = self.stored[places]
        if self.scales is not None:
            return np.asarray(picked * self.scales[places, None], np.float32)
        return np.asarray(picked, np.float32)

    # -- one character ------------------------------------------------------------------------------------------------

    def _place(self, char: object) -> int:
        """Position of a character, -1 when absent."""
        if not isinstance(char, str) or len(char) != 1:
            return -1
        codepoint = np.uint32(ord(char))
        place = int(self.codepoints.searchsorted(codepoint))
        return place if place < len(self.codepoints) and self.codepoints[place] == codepoint else -1

    def __contains__(self, char: object) -> bool:
        return self._place(char) >= 0

    def __getitem__(self, char: str) -> NDArray[np.float32]:
        place = self._place(char)
        if place < 0:
            raise KeyError(char)
        return self._rows(slice(place, place + 1))[0]

    def get(self, char: str, default: Any = None) -> Any:
        """The vector of a character, or ``default`` when it has none."""
        return self[char] if char in self else default

    def __iter__(self) -> Iterator[str]:
        return iter(self.chars)

    # -- what is not there --------------------------------------------------------------------------------------------

    @cached_property
    def missing(self) -> list[Missing]:
        """Characters of the samples that were not written, commonest first, and why."""
        spelling = self.missing_spelling
        entries = [
            Missing(chr(codepoint), count, Status(status), spelling.ids(place))
            for place, (codepoint, count, status) in enumerate(
                zip(
                    self.missing_codepoints.tolist(),
                    self.missing_counts.tolist(),
                    spelling.status.tolist(),
                    strict=True,
                )
            )
        ]
        return sorted(entries, key=lambda entry: (-entry.count, entry.char))

    @property
    def coverage(self) -> Coverage:
        """How much of the samples is here: by status, in distinct characters and in occurrences."""
        keep = self.source.get("options", {}).get("keep")
        return Coverage.of(
            np.concatenate((self.status, self.missing_spelling.status)),
            np.concatenate((self.counts, self.missing_counts)),
            DEFAULT_KEEP if keep is None else parse_keep(keep),
        )

    # -- texts --------------------------------------------------------------------------------------------------------

    def places(self, text: str) -> NDArray[np.int64]:
        """Row of each character of a text: int64 [len(text)], -1 where the character has none."""
        codepoints = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        return np.asarray(self._place_table[codepoints], np.int64)

    @cached_property
    def _place_table(self) -> NDArray[np.int32]:
        table = np.full(UNICODE_SIZE, -1, np.int32)
        table[self.codepoints] = np.arange(len(self), dtype=np.int32)
        return table

    def encode(
        self, texts: str | Iterable[str], pooling: Literal["mean", "sum"] | None = "mean"
    ) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """Vectors of texts, from the vectors of their characters. Characters without a vector are passed over.

        Args:
            texts: one text or several.
            pooling: ``mean`` or ``sum`` over the characters that have a vector, or None for one row a character.

        Returns:
            float32 [dim] for a single text, [n, dim] for several; with ``pooling=None`` float32 [known characters, dim], or a
            list of such. A text without a single known character gives zeros.

        Raises:
            UsageError: ``E-POOLING`` for another pooling.
        """
        if pooling not in ("mean", "sum", None):
            raise UsageError("E-POOLING", f"{pooling!r} is no pooling", help="choose mean, sum or None")
        single = isinstance(texts, str)
        several: Sequence[str] = [texts] if isinstance(texts, str) else list(texts)
        if pooling is None:
            rows = [self._rows(places[places >= 0]) for places in map(self.places, several)]
            return rows[0] if single else rows
        result = np.zeros((len(several), self.dim), np.float32)
        start = 0
        while start < len(several):
            # as many whole texts as fit into a chunk; one text longer than a chunk goes alone
            end, size = start + 1, len(several[start])
            while end < len(several) and size + len(several[end]) <= ENCODE_CHUNK:
                size += len(several[end])
                end += 1
            self._pool(several[start:end], pooling, result[start:end])
            start = end
        return result[0] if single else result

    def _pool(self, texts: Sequence[str], pooling: str, result: NDArray[np.float32]) -> None:
        places = self.places("".join(texts))
        text_of = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
        known = places >= 0
        places, text_of = places[known], text_of[known]
        for first in range(0, len(places), ENCODE_CHUNK):
            part = slice(first, first + ENCODE_CHUNK)
            owners = text_of[part]
            starts = np.flatnonzero(np.concatenate(([True], owners[1:] != owners[:-1])))
            result[owners[starts]] += np.add.reduceat(self._rows(places[part]), starts, axis=0)
        if pooling == "mean":
            lengths = np.bincount(text_of, minlength=len(texts))
            result /= np.maximum(lengths, 1)[:, None].astype(np.float32)

    def similarity(self, first: str, second: str) -> float:
        """Cosine of the mean vectors of two texts, -1 to 1; 0 when either has no known character."""
        one, two = (np.asarray(self.encode(text), np.float64) for text in (first, second))
        norms = float(np.linalg.norm(one) * np.linalg.norm(two))
        return float(np.clip(one @ two / norms, -1.0, 1.0)) if norms else 0.0

    def nearest(self, query: str | NDArray[np.floating], k: int = 10) -> list[tuple[str, float]]:
        """The k characters whose vectors have the largest cosine with a character, a text or a vector.

        Args:
            query: a character or text (its own characters are left out of the answer), or a vector [dim].
            k: how many.

        Raises:
            KeyError: when no character of the text has a vector.
        """
        if isinstance(query, str):
            own = self.places(query)
            own = own[own >= 0]
            if not len(own):
                raise KeyError(query)
            vector = np.asarray(self.encode(query), np.float32)
        else:
            own, vector = np.empty(0, np.int64), np.asarray(query, np.float32)
        cosines = self.matrix @ vector / (self._norms * max(float(np.linalg.norm(vector)), 1e-30))
        cosines[own] = -np.inf
        k = max(0, min(k, len(self) - len(np.unique(own))))
        best = np.argpartition(-cosines, min(k, len(cosines) - 1))[:k] if k else np.empty(0, np.int64)
        best = best[np.lexsort((best, -cosines[best]))]
        return [(chr(int(self.codepoints[place])), float(min(cosines[place], 1.0))) for place in best]

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        # a zero row has no direction: an infinite norm makes its cosine 0
        norms = np.linalg.norm(self.matrix, axis=1)
        return np.where(norms > 0, norms, np.inf).astype(np.float32)

    # -- into other models --------------------------------------------------------------------------------------------

    def vocabulary(self, pad: str = "<PAD>", unk: str = "<UNK>") -> dict[str, int]:
        """Ids for a model of one's own: pad 0, unk 1, then the characters by code point."""
        return {pad: 0, unk: 1, **{char: place for place, char in enumerate(self.chars, 2)}}

    def matrix_for(
        self,
        vocab: Mapping[str, int] | Sequence[str],
        *,
        pad: str | None = None,
        unk: str | None = None,
        missing: Literal["zeros", "unk", "mean", "normal", "error"] = "zeros",
        seed: int = 0,
    ) -> Aligned:
        """A matrix whose row i is the vector of the entry with id i of the caller's vocabulary.

        Args:
            vocab: piece -> id, or a list of pieces whose positions are the ids. Ids may leave gaps.
            pad: the padding entry; its row is zeros.
            unk: the entry for unknown characters; its row is the mean of all vectors, unless it is itself a known character.
            missing: the rows of other entries without a vector: ``zeros``; ``unk``, the row of the unknown entry (the mean
                of all vectors); ``mean``, the same; ``normal``, drawn from a normal distribution with the mean and
                standard deviation of the found rows, for each dimension; ``error``.
            seed: of the normal distribution.

        Returns:
            the matrix and which entries were found.

        Raises:
            UsageError: ``E-VOCAB-IDS`` for an id that is negative, no integer, or used twice; ``E-MISSING`` for another word.
            WrongFile: ``E-NO-VECTOR`` when ``missing="error"`` and some entry has no vector.
        """
        if missing not in ("zeros", "unk", "mean", "normal", "error"):
            raise UsageError(
                "E-MISSING", f"missing={missing!r} is unknown", help="choose zeros, unk, mean, normal or error"
            )
        entries = _entries(vocab)
        size = max((row for _, row in entries), default=-1) + 1
        result = np.zeros((size, self.dim), np.float32)
        special = {each for each in (pad, unk) if each is not None}
        found = [(row, place) for piece, row in entries if (place := self._place(piece)) >= 0 and piece not in special]
        lost = [(piece, row) for piece, row in entries if self._place(piece) < 0 and piece not in special]
        if found:
            ids, places = np.array(found, np.int64).T
            result[ids] = self._rows(places)
        if lost and missing == "error":
            raise WrongFile(
                "E-NO-VECTOR",
                f"{len(lost)} of {len(entries)} entries have no vector",
                found=", ".join(repr(piece) for piece, _ in lost[:8]),
                help="choose what their rows shall be with missing=",
            )
        mean = self.matrix.mean(axis=0) if len(self) else np.zeros(self.dim, np.float32)
        for piece, row in entries:
            if piece == unk:
                result[row] = self._rows(slice(place, place + 1))[0] if (place := self._place(piece)) >= 0 else mean
        rows_lost = np.array([row for _, row in lost], np.int64)
        if missing in ("unk", "mean"):
            result[rows_lost] = mean
        elif missing == "normal" and len(rows_lost):
            base = result[[row for row, _ in found]] if found else self.matrix
            noise = np.random.default_rng(seed).standard_normal((len(rows_lost), self.dim))
            result[rows_lost] = base.mean(axis=0) + noise * base.std(axis=0) if len(base) else noise
        return Aligned(
            result,
            tuple(piece for piece, row in entries if self._place(piece) >= 0 and piece not in special),
            tuple(piece for piece, _ in lost),
        )

    def astype(self, dtype: str) -> CharVectors:
        """The same with another stored element type.

        ``float16`` rounds to nearest. ``int8`` keeps one float32 scale a row: value = scale * integer, scale = largest absolute
        value of the row / 127.

        Raises:
            UsageError: ``E-DTYPE`` for another type.
            WrongFile: ``E-OVERFLOW`` when finite values do not fit into the type, or int8 is asked of rows that are not finite.
        """
        if dtype not in DTYPES:
            raise UsageError("E-DTYPE", f"{dtype!r} is no element type", help="choose " + ", ".join(DTYPES))
        if dtype == self.dtype:
            return self
        stored, scales = convert_rows(self.matrix, dtype)
        options = {**self.source.get("options", {}), "dtype": dtype}
        return self._replace(stored=stored, scales=scales, source={**self.source, "options": options})

    def _replace(self, **changes: Any) -> CharVectors:
        from dataclasses import fields

        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return CharVectors(**{**values, **changes})

    def save(self, path: str | os.PathLike[str], *, format: str | None = None, overwrite: bool = False) -> list[str]:
        """Write to a file; see :func:`charvec.save`."""
        from charvec.storage import save

        return save(self, path, format=format, overwrite=overwrite)


def convert_rows(rows: NDArray[np.float32], dtype: str) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Rows as they are stored with a dtype, and their scales; see :meth:`CharVectors.astype`."""
    if dtype == "float32":
        return rows, None
    if dtype == "float16":
        with np.errstate(over="ignore"):
            halves = rows.astype(np.float16)
        if np.any(np.isinf(halves) & np.isfinite(rows)):
            raise _overflow("float16", "values beyond 65,504")
        return halves, None
    if not np.isfinite(rows).all():
        raise _overflow("int8", "values that are not finite")
    scales = (np.abs(rows).max(axis=1, initial=0) / np.float32(127)).astype(np.float32)
    steps = rows / np.where(scales > 0, scales, 1)[:, None]
    return np.clip(np.rint(steps), -127, 127).astype(np.int8), scales


def _overflow(dtype: str, what: str) -> WrongFile:
    return WrongFile(
        "E-OVERFLOW", f"the vectors hold {what}, which {dtype} cannot store", help="use --dtype float32"
    )


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


def _entries(vocab: Mapping[str, int] | Sequence[str]) -> list[tuple[str, int]]:
    if isinstance(vocab, Mapping):
        entries = list(vocab.items())
    else:
        entries = [(piece, row) for row, piece in enumerate(vocab)]
    taken: set[int] = set()
    for piece, row in entries:
        if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or row < 0 or int(row) in taken:
            raise UsageError(
                "E-VOCAB-IDS",
                f"the id of {piece!r} is {row!r}: negative, no integer, or used twice",
                help="ids are the rows of the matrix; give every entry one of its own",
            )
        taken.add(int(row))
    return [(piece, int(row)) for piece, row in entries]
