"""Noun: character vectors, one row for each character, with where each row comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import flag, listed
from charvec.consistency import check_fit
from charvec.counts import UNICODE_SIZE, characters
from charvec.coverage import Coverage, Missing
from charvec.dtypes import DTYPES, convert_rows, parse_dtype
from charvec.errors import Note, UsageError
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.valueclass import dataclass, field
from charvec.vocabulary import Spelling

if TYPE_CHECKING:
    import os

    from charvec.alignment import Aligned, Vocab
    from charvec.principal import Principal

__all__ = ["DTYPES", "CharVectors", "convert_rows"]


@dataclass(frozen=True, eq=False)
class CharVectors:
    """Character vectors: a read-only mapping from characters to float32 vectors, sorted by code point.

    Attributes:
        codepoints: uint32 [n], ascending, each once.
        stored: [n, dim], float32, float16 or int8, or the codes of product quantisation, uint8 [n, M], as in the file;
            :attr:`matrix` is the same as float32 [n, dim].
        counts: uint64 [n], occurrences in the samples; 0 where unknown.
        spelling: status and matrix rows of each character.
        scales: float32 [n] when ``stored`` is int8: value = scale * stored; otherwise None.
        missing_codepoints: uint32 [k], ascending: characters of the samples that were not written.
        missing_counts: uint64 [k].
        missing_spelling: status and row ids of those.
        source: provenance, plain values as in the file's ``/meta``.
        sources: uint16 [n] for vectors that :func:`charvec.merge` put together, otherwise None: bit i is set when the
            row, or its part, comes from ``source["sources"][i]``.
        codebooks: float16 [M, K, dim / M] when ``stored`` is uint8, otherwise None; see :mod:`charvec.codebooks`.
        pca: the axes that the rows are places on, when :func:`charvec.reduce` found them; otherwise None.
        mean: float32 [dim], the mean of the rows, when :func:`charvec.reduce` was asked to keep it; otherwise None.
            Nothing is centred but what is asked for.
        notes: what was noted when the vectors were made: of the model, and of samples that were skipped or damaged. Not
            kept in files, which hold the numbers alone (``source["samples"]``).

    Raises:
        UsageError: ``E-COLUMNS`` when the columns do not fit together, or code points do not ascend.
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
    sources: NDArray[np.uint16] | None = None
    codebooks: NDArray[np.float16] | None = None
    pca: Principal | None = None
    mean: NDArray[np.float32] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        check_fit(self)

    # -- size and type ------------------------------------------------------------------------------------------------

    @property
    def dim(self) -> int:
        """Length of a vector."""
        if self.codebooks is not None:
            return int(self.codebooks.shape[0] * self.codebooks.shape[2])
        return int(self.stored.shape[1])

    @property
    def dtype(self) -> str:
        """Stored element type: ``float32``, ``float16``, ``int8`` or ``pq``."""
        return "pq" if self.codebooks is not None else str(self.stored.dtype)

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
        """float32 [n, dim]: the stored rows, widened, multiplied by their scales or decoded where need be."""
        return self.at(slice(None))

    @property
    def status(self) -> NDArray[np.uint8]:
        """uint8 [n], values of :class:`~charvec.status.Status`."""
        return self.spelling.status

    @property
    def rounded_to(self) -> tuple[str, ...]:
        """Element types narrower than float32 that the values went through before they became :attr:`dtype`."""
        # it comes from the file, like all provenance, and may be anything
        before = self.source.get("options", {}).get("rounded_to")
        return tuple(dtype for dtype in before if dtype in DTYPES) if isinstance(before, list) else ()

    @cached_property
    def rows(self) -> list[tuple[int, ...]]:
        """For each character the rows of the checkpoint's matrix whose mean it is; one row for most."""
        return [self.spelling.ids(place) for place in range(len(self))]

    def at(self, places: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """Rows by position: float32 [len(places), dim]."""
        picked: NDArray[Any] = self.stored[places]
        if self.codebooks is not None:
            from charvec.codebooks import decode

            return decode(picked, self.codebooks)
        return np.asarray(picked if self.scales is None else picked * self.scales[places, None], np.float32)

    def take(self, chosen: NDArray[np.bool_]) -> CharVectors:
        """Only the characters where ``chosen`` (bool [n]) is true; what is missing stays as it is.

        Raises:
            UsageError: ``E-ARGUMENT`` for anything else, such as positions.
        """
        chosen = np.asarray(chosen)
        if chosen.shape != (len(self),) or (len(self) and chosen.dtype != np.bool_):
            raise UsageError(
                "E-ARGUMENT",
                f"take(chosen): {chosen.dtype} {list(chosen.shape)} chooses nothing",
                help=f"give bool [{len(self)}], such as vectors.counts > 5",
            )
        chosen = chosen.astype(np.bool_, copy=False)
        return replace(
            self,
            codepoints=self.codepoints[chosen],
            stored=self.stored[chosen],
            counts=self.counts[chosen],
            spelling=self.spelling.take(chosen),
            scales=None if self.scales is None else self.scales[chosen],
            sources=None if self.sources is None else self.sources[chosen],
        )

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
        return self._copy(place)

    def _copy(self, place: int) -> NDArray[np.float32]:
        # what callers do to it must not change the vectors
        return np.array(self.at(slice(place, place + 1))[0])

    def get(self, char: str, default: Any = None) -> Any:
        """The vector of a character, or ``default`` when it has none."""
        place = self._place(char)
        return default if place < 0 else self._copy(place)

    def __iter__(self) -> Iterator[str]:
        return iter(self.chars)

    def keys(self) -> list[str]:
        """The characters, by code point, as :attr:`chars`: ``dict(vectors)`` has each with its vector."""
        return self.chars

    def items(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Each character with its row of :attr:`matrix`, float32 [dim]."""
        return zip(self.chars, self.matrix, strict=True)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """:attr:`matrix`, so that ``np.asarray(vectors)`` is one; NumPy would make an array of the characters."""
        if copy is None:
            return np.asarray(self.matrix, dtype=dtype)
        return np.array(self.matrix, dtype=dtype, copy=copy)  # where one is needed but forbidden, NumPy 2 raises

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
        """Row of each character of a text: int64 [len(text)], -1 where the character has none.

        Raises:
            UsageError: ``E-ARGUMENT`` for anything but a text.
        """
        if not isinstance(text, str):
            raise _no_text(text)
        codepoints = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        return np.asarray(self._place_table[codepoints], np.int64)

    @cached_property
    def _place_table(self) -> NDArray[np.int32]:
        table = np.full(UNICODE_SIZE, -1, np.int32)
        table[self.codepoints] = np.arange(len(self), dtype=np.int32)
        return table

    def encode(
        self,
        texts: str | Iterable[str],
        pooling: Literal["mean", "sum", "sif", "stored"] | None = "mean",
        *,
        a: float | None = None,
        normalize: bool = False,
        center: bool = False,
    ) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """Vectors of texts, from the vectors of their characters. Characters without a vector are passed over.

        Sums are taken in float64 and rounded once; with ``sif``, each row times its weight is rounded to float32 first.

        Args:
            texts: one text or several.
            pooling: ``mean`` or ``sum`` over the characters that have a vector; ``sif``, their mean with each row
                multiplied by a / (a + p), where p is the character's share of the samples (Arora and others, ICLR 2017,
                without the removal of a common component); ``stored``, what :func:`charvec.reduce` stored as the
                pooling of these vectors, ``sif`` or a mean to take away or both; or None for one row a character.
            a: of ``sif``; None for the stored one, 0.001 where none is stored.
            normalize: bring each vector to length 1; one of zeros stays.
            center: take the stored mean away from each row first.

        Returns:
            float32 [dim] for one text, [n, dim] for several; with ``pooling=None`` float32 [known characters, dim], or
            a list of such. A text without a single known character gives zeros.

        Raises:
            UsageError: ``E-POOLING`` for another pooling, for ``sif`` where no counts are known, for ``stored`` where
                nothing is stored, and for None together with ``normalize``; ``E-ARGUMENT`` for anything but texts, or
                when the ``a`` of ``sif`` is not positive; ``E-NO-MEAN`` when ``center`` is asked for and no mean is
                stored.
        """
        single = isinstance(texts, str)
        several = _texts(texts)
        normalize, center = flag(normalize, "normalize"), flag(center, "center")
        if pooling is None:
            if normalize:
                raise UsageError("E-POOLING", "normalize goes with a pooling", help="choose mean, sum or sif")
            from charvec.reduction import mean_of

            less = mean_of(self) if center else None
            rows = [self.at(places[places >= 0]) for places in map(self.places, several)]
            rows = rows if less is None else [each - less for each in rows]
            return rows[0] if single else rows
        from charvec.pooling import pool

        pooled = pool(self, several, pooling, a=a, normalize=normalize, center=center)
        return pooled[0] if single else pooled

    def padded(self, texts: Iterable[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """One row a character of several texts, all as long as the longest: what a sequence model takes.

        Returns:
            float32 [n, longest, dim], zeros for characters without a vector and behind the end of a text; and bool
            [n, longest], true where a text has a character.

        Raises:
            UsageError: ``E-ARGUMENT`` for anything but texts.
        """
        from charvec.pooling import pad

        return pad(self, _texts(texts))

    def similarity(
        self,
        first: str,
        second: str,
        pooling: Literal["mean", "sum", "sif", "stored"] = "mean",
        *,
        a: float | None = None,
        center: bool = False,
    ) -> float:
        """Cosine of the vectors of two texts; NaN when either has no known character, is zeros or not finite.

        Args:
            first: a text.
            second: the other.
            pooling: as for :meth:`encode`.
            a: likewise.
            center: likewise.

        Raises:
            UsageError: ``E-ARGUMENT``, ``E-POOLING``, ``E-NO-MEAN`` as :meth:`encode`; ``E-POOLING`` for None, too.
        """
        for text in (first, second):
            if not isinstance(text, str):
                raise _no_text(text)
        if pooling is None:
            raise UsageError("E-POOLING", "a cosine needs one vector of each text", help="choose mean, sum or sif")
        one, two = (np.asarray(self.encode(text, pooling, a=a, center=center), np.float64) for text in (first, second))
        with np.errstate(invalid="ignore"):
            norms = float(np.linalg.norm(one) * np.linalg.norm(two))
            return float(np.clip(one @ two / norms, -1.0, 1.0)) if norms else float("nan")

    def nearest(
        self, query: str | NDArray[np.floating], k: int = 10, *, center: bool = False
    ) -> list[tuple[str, float]]:
        """The k characters whose vectors have the largest cosine with a character, a text or a vector.

        Equal cosines come by code point. A row of zeros, or one that is not finite, has no direction; its cosine is 0.

        Args:
            query: a character or text (its own characters are left out of the answer), or a vector [dim].
            k: how many.
            center: take the stored mean away from each row first. A vector is taken as it is: ``encode`` with
                ``center=True`` gives one to compare with.

        Raises:
            KeyError: when no character of the text has a vector.
            UsageError: ``E-DIM`` for a vector of another length; ``E-ARGUMENT`` for what is no text and no vector, and
                when k is no integer; ``E-NO-MEAN`` when ``center`` is asked for and no mean is stored.
        """
        from charvec.neighbours import nearest

        return nearest(self._less_mean if flag(center, "center") else self, query, k)

    @cached_property
    def _less_mean(self) -> CharVectors:
        # kept, because every query needs its rows and their lengths
        return self.centered()

    @cached_property
    def norms(self) -> NDArray[np.float64]:
        """float64 [n]: lengths of the rows; infinite, which makes a cosine 0, for rows of zeros or not finite."""
        # summed in float64, where the squares of no float32 overflow or vanish
        with np.errstate(invalid="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->i", self.matrix, self.matrix, dtype=np.float64))
        return np.where((norms > 0) & np.isfinite(norms), norms, np.inf)

    # -- into other models --------------------------------------------------------------------------------------------

    def vocabulary(self, pad: str = "<PAD>", unk: str = "<UNK>", *, pad_id: int = 0, unk_id: int = 1) -> dict[str, int]:
        """Ids for a model of one's own: pad 0, unk 1, then the characters by code point.

        Args:
            pad: the entry for padding.
            unk: the entry for unknown characters.
            pad_id: its id; negative ones count from the end: ``pad_id=-1, unk_id=-2`` puts both behind the characters.
            unk_id: likewise.

        Returns:
            entry -> id, in the order of the ids; the characters have the ids that are left.

        Raises:
            UsageError: ``E-VOCAB-IDS`` when pad or unk is no text or one of the characters, both are the same, or their
                ids are, and for an id that is no number below the number of entries.
        """
        for argument, name in (("pad", pad), ("unk", unk)):
            if not isinstance(name, str):
                raise UsageError("E-VOCAB-IDS", f"{argument}={name!r} is no name", help="give a str")
        if pad == unk or pad in self or unk in self:
            raise UsageError(
                "E-VOCAB-IDS", f"{pad!r} and {unk!r} need ids of their own", help="choose names that are no characters"
            )
        from charvec.tables import layout

        return layout(self.chars, pad, unk, pad_id, unk_id)

    def matrix_for(
        self,
        vocab: Vocab,
        *,
        pad: str | None = None,
        unk: str | None = None,
        missing: Literal["zeros", "unk", "mean", "normal", "error"] = "zeros",
        seed: int = 0,
    ) -> Aligned:
        """A matrix whose row i is the vector of the entry with id i of the caller's vocabulary.

        Args:
            vocab: piece -> id, or a list of pieces (or keys of a dictionary) whose positions are the ids; or what has a
                method ``get_vocab`` or ``get_stoi`` that gives such a mapping: tokenizers of transformers and of
                ``tokenizers``, vocabularies of torchtext, whose entries are taken in the order of their ids. Ids may
                leave gaps, rows of zeros.
            pad: the padding entry; its row is zeros.
            unk: the entry for unknown characters; its row is the mean of all vectors, or its own if it has one.
            missing: the rows of other entries without a vector: ``zeros``; ``unk``, the row of the unknown entry;
                ``mean``, the mean of all vectors; ``normal``, drawn from a normal distribution with the mean and
                standard deviation of the found rows, for each dimension (of all vectors, when fewer than two rows
                were found); ``error``.
            seed: of the normal distribution.

        Returns:
            the matrix and which entries were found.

        Raises:
            UsageError: ``E-VOCAB-IDS`` for an id that is negative, no integer, used twice or far beyond the number of
                entries, for an entry that is no text, for a pad or unk that is no entry, for a set, which has no order,
                and for what is no vocabulary; ``E-MISSING`` for another word; ``E-ARGUMENT`` for a seed that is no
                whole number from 0 on.
            WrongFile: ``E-NO-VECTOR`` when ``missing="error"`` and some entry has no vector.
        """
        from charvec.alignment import align

        return align(self, vocab, pad=pad, unk=unk, missing=missing, seed=seed)

    def astype(self, dtype: str) -> CharVectors:
        """The same with another stored element type.

        What int8 or float16 lost does not come back: ``source["options"]["rounded_to"]`` lists the types that the
        values went through before, and ``source["fidelity"]`` tells what was lost on the way to a narrower type.

        Args:
            dtype: ``float32``, ``float16``, ``int8``; ``pq``, or ``pq:M`` with M the number of parts of a row, by
                default a part for every four dimensions; see :mod:`charvec.codebooks`.

        Raises:
            UsageError: ``E-DTYPE`` for another type, or an M that dim is no multiple of.
            WrongFile: ``E-OVERFLOW``, as :func:`charvec.dtypes.convert_rows`, which says what each type keeps.
        """
        name, parts = parse_dtype(dtype)
        if name == self.dtype and parts in (None, self.stored.shape[1]):
            return self
        codebooks: NDArray[np.float16] | None = None
        scales: NDArray[np.float32] | None = None
        if name == "pq":
            from charvec.codebooks import default_parts, fit, quantise

            codebooks = fit(self.matrix, default_parts(self.dim) if parts is None else parts)
            stored: NDArray[Any] = quantise(self.matrix, codebooks)
        else:
            stored, scales = convert_rows(self.matrix, name)
        options = {**self.source.get("options", {}), "dtype": name}
        if self.dtype != "float32":
            options["rounded_to"] = [*self.rounded_to, self.dtype]
        source = {**self.source, "options": options}
        made = replace(self, stored=stored, scales=scales, codebooks=codebooks, source=source)
        # wider types hold the very same values, and what was known of these
        if name == "float32":
            return made
        from charvec.reduction import is_reduced

        return made.compared_with(self.matrix, f"reduced {self.dtype}" if is_reduced(self) else self.dtype)

    def restore(self) -> CharVectors:
        """Rows as long as they were before PCA: their places on the axes times the axes, plus the mean.

        What does not lie along the axes does not come back; float32, whatever element type the file has.

        Raises:
            UsageError: ``E-REDUCED`` when the vectors have no axes.
        """
        from charvec.reduction import restored

        return restored(self)

    def centered(self) -> CharVectors:
        """The same less their stored mean, as float32.

        Raises:
            UsageError: ``E-NO-MEAN`` when none is stored.
        """
        from charvec.reduction import centered

        return centered(self)

    def compared_with(self, rows: NDArray[np.float32], dtype: str = "float32") -> CharVectors:
        """The same, with ``source["fidelity"]`` saying how true they are to the rows they were made from.

        Args:
            rows: float32 [n, dim], as they were.
            dtype: element type these had; see :func:`charvec.fidelity.fidelity`.
        """
        from charvec.fidelity import fidelity

        found = fidelity(rows, self.matrix, dtype)
        source = {key: value for key, value in self.source.items() if key != "fidelity"}
        return replace(self, source={**source, **({"fidelity": found} if found else {})})

    def save(self, path: str | os.PathLike[str], *, format: str | None = None, overwrite: bool = False) -> list[str]:
        """Write to a file; see :func:`charvec.save`."""
        from charvec.storage import save

        return save(self, path, format=format, overwrite=overwrite)


def _texts(texts: str | Iterable[str]) -> list[str]:
    """One text or several as a list.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything but texts.
    """
    if isinstance(texts, str):
        return [texts]
    several = listed(texts, "texts")
    for each in several:
        if not isinstance(each, str):
            raise _no_text(each)
    return several


def _no_text(given: object) -> UsageError:
    return UsageError("E-ARGUMENT", f"{str(given)[:100]} is no text", help="give a str, or several of them")
