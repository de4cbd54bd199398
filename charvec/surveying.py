"""Verb: compare how much of the same samples several models know; reads no rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.counts import Counts, as_counts
from charvec.coverage import Coverage, Share
from charvec.embedding import TokenEmbedding, as_model
from charvec.plumbing.text import scripts
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.valueclass import dataclass
from charvec.vocabulary import Spelling

__all__ = ["Comparison", "Group", "Known", "Missed", "compare_coverage"]


@dataclass(frozen=True)
class Known:
    """What one model knows of the samples.

    Attributes:
        name: what the user called the model.
        coverage: by status.
        completeness: mean over the distinct characters that the model sees of 1 / number of pieces, 0 for one that it
            does not know, as the tool vocab-coverage defines it; 1 when it sees none.
        text_completeness: the same over all occurrences.
        of_common: what it covers of the characters that every one of the models sees.
        kind, pieces: of its vocabulary.
        rows, dim: of its matrix; the length of its vectors.
    """

    name: str
    coverage: Coverage
    completeness: float
    text_completeness: float
    of_common: Share
    kind: str
    pieces: int
    rows: int
    dim: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "model": self.name,
            "vocabulary": self.kind,
            "pieces": self.pieces,
            "rows": self.rows,
            "dim": self.dim,
            **self.coverage.as_dict(),
            "completeness": self.completeness,
            "text_completeness": self.text_completeness,
            "of_common_distinct": self.of_common.distinct,
            "of_common_occurrences": self.of_common.occurrences,
        }


@dataclass(frozen=True)
class Group:
    """The characters of one Unicode script or block.

    Attributes:
        name: Unicode's.
        total: all of them in the samples.
        seen: for each model, those that it does not delete.
        covered: for each model, those with a status that is kept.
    """

    name: str
    total: Share
    seen: tuple[Share, ...]
    covered: tuple[Share, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "name": self.name,
            "distinct": self.total.distinct,
            "occurrences": self.total.occurrences,
            "seen": [{"distinct": each.distinct, "occurrences": each.occurrences} for each in self.seen],
            "covered": [{"distinct": each.distinct, "occurrences": each.occurrences} for each in self.covered],
        }


@dataclass(frozen=True)
class Missed:
    """A character that at least one model sees and does not cover.

    Attributes:
        char: the character.
        count: how often it occurs.
        block: its Unicode block.
        statuses: its status in each model.
    """

    char: str
    count: int
    block: str
    statuses: tuple[Status, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "char": self.char,
            "codepoint": f"U+{ord(self.char):04X}",
            "count": self.count,
            "block": self.block,
            "statuses": [status.label for status in self.statuses],
        }


@dataclass(frozen=True)
class Comparison:
    """Several models and the same samples.

    Attributes:
        total: characters of the samples.
        common: those that every model sees. The share that a model covers is one of what it sees itself, and a model
            that deletes what it does not know seems to know more; of these characters all shares are of one whole.
        models: one each, in the order given.
        scripts: by the Script property alone, so that they add up; the commonest first.
        blocks: likewise.
        missed: the commonest first.
    """

    total: Share
    common: Share
    models: tuple[Known, ...]
    scripts: tuple[Group, ...]
    blocks: tuple[Group, ...]
    missed: tuple[Missed, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "distinct": self.total.distinct,
            "occurrences": self.total.occurrences,
            "common_distinct": self.common.distinct,
            "common_occurrences": self.common.occurrences,
            "unicode": scripts.UNICODE_VERSION,
            "models": [each.as_dict() for each in self.models],
            "scripts": [each.as_dict() for each in self.scripts],
            "blocks": [each.as_dict() for each in self.blocks],
            "missed": [each.as_dict() for each in self.missed],
        }


def compare_coverage(
    models: Sequence[TokenEmbedding | str | os.PathLike[str]],
    counts: Counts | Mapping[str, int],
    keep: str | Status | Iterable[str | Status] = DEFAULT_KEEP,
) -> Comparison:
    """How much of the samples each model knows: by status, by Unicode script and block, and what they miss.

    Args:
        models: as :func:`charvec.open` gives them, or their paths.
        counts: as :func:`charvec.scan` gives them.
        keep: statuses that count as covered.
    """
    kept = parse_keep(keep)
    call = "compare_coverage([model, ...], counts)"
    opened, counts = [as_model(model, call) for model in models], as_counts(counts, call)
    spellings = [model.vocabulary.spell(counts.codepoints).beyond(model.tensor.rows) for model in opened]
    statuses = [spelling.status for spelling in spellings]
    seen = [status != Status.REMOVED for status in statuses]
    covered = [np.isin(status, np.array(kept, np.uint8)) for status in statuses]
    by_all = np.logical_and.reduce([np.ones(len(counts.codepoints), np.bool_), *seen])

    def share(chosen: NDArray[np.bool_]) -> Share:
        return Share(int(chosen.sum()), int(counts.occurrences[chosen].sum()))

    known = [
        Known(
            model.name,
            Coverage.of(spelling.status, counts.occurrences, kept),
            *_completeness(spelling.status, _pieces(model, spelling, counts.codepoints), counts.occurrences),
            share(covers & by_all),
            model.vocabulary.kind,
            max(model.vocabulary.size, model.vocabulary.extended),
            model.tensor.rows,
            model.dim,
        )
        for model, spelling, covers in zip(opened, spellings, covered, strict=True)
    ]
    total, common = Share(len(counts.codepoints), int(counts.occurrences.sum())), share(by_all)
    of_block = scripts.blocks(counts.codepoints)

    def groups(ids: NDArray[Any], names: Sequence[str]) -> tuple[Group, ...]:
        def shares(mask: NDArray[np.bool_]) -> list[Share]:
            distinct = np.bincount(ids[mask], minlength=len(names)).tolist()
            # in floating point, as bincount's weights are, exact up to 2**53
            occurrences = np.bincount(ids[mask], counts.occurrences[mask], len(names)).tolist()
            return [Share(number, int(sum_)) for number, sum_ in zip(distinct, occurrences, strict=True)]

        whole = shares(np.ones(len(ids), np.bool_))
        each_seen, each_covered = [shares(mask) for mask in seen], [shares(mask) for mask in covered]
        found = [
            Group(
                name,
                whole[place],
                tuple(each[place] for each in each_seen),
                tuple(each[place] for each in each_covered),
            )
            for place, name in enumerate(names)
            if whole[place].distinct
        ]
        return tuple(sorted(found, key=lambda group: (-group.total.occurrences, group.name)))

    lost = np.zeros(len(counts.codepoints), np.bool_)
    for sees, covers in zip(seen, covered, strict=True):
        lost |= sees & ~covers
    places = np.flatnonzero(lost)
    # by count, then by code point: the same samples give the same order
    places = places[np.argsort(-counts.occurrences[places].astype(np.int64), kind="stable")]
    missed = tuple(
        Missed(
            chr(counts.codepoints[place]),
            int(counts.occurrences[place]),
            scripts.BLOCKS[of_block[place]],
            tuple(Status(int(status[place])) for status in statuses),
        )
        for place in places.tolist()
    )
    by_script = groups(scripts.script_ids(counts.codepoints), scripts.SCRIPTS)
    return Comparison(total, common, tuple(known), by_script, groups(of_block, scripts.BLOCKS), missed)


def _pieces(model: TokenEmbedding, spelling: Spelling, codepoints: NDArray[np.uint32]) -> NDArray[np.integer[Any]]:
    """Into how many pieces each character falls: [n], 0 for none. A vector file knows it of the model it is made of."""
    kept = getattr(model.vocabulary.spell, "pieces_of", None)
    return np.diff(spelling.row_offsets) if kept is None else kept(codepoints)


def _completeness(
    status: NDArray[np.uint8], pieces: NDArray[np.integer[Any]], occurrences: NDArray[np.uint64]
) -> tuple[float, float]:
    """By distinct characters, and by occurrences."""
    reached = (status <= Status.BYTES) & (pieces > 0)
    score = np.where(reached, 1 / np.maximum(pieces, 1), 0.0)
    seen = status != Status.REMOVED
    if not seen.any():
        return 1.0, 1.0
    return float(score[seen].mean()), float(np.average(score[seen], weights=occurrences[seen].astype(np.float64)))
