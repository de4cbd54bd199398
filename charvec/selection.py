"""Verb: choose which of the scanned characters go on, and account for the others.

Three filters, in this order whatever the order they are named in: ``only`` (scripts), ``min_count``, ``top``. What each
leaves out is counted, so that what goes on and what is left out are together what was scanned.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.arguments import integer, listed
from charvec.counts import Counts, add_accounts, as_counts
from charvec.coverage import Share
from charvec.errors import UsageError
from charvec.plumbing.terminal import count
from charvec.plumbing.text import scripts
from charvec.valueclass import dataclass

__all__ = ["Filtered", "LeftOut", "Selection", "select", "select_texts", "selected_by"]

_Filter = Literal["only", "min_count", "top"]

#: Scripts that say nothing about a grapheme cluster: marks take the script of their base, signs go with any.
_NEUTRAL = ("Common", "Inherited")


@dataclass(frozen=True)
class Filtered:
    """What one filter left out.

    Attributes:
        filter: ``"only"``, ``"min_count"`` or ``"top"``.
        setting: the names of the scripts, or the number.
        share: distinct characters left out, and their occurrences.
    """

    filter: _Filter
    setting: tuple[str, ...] | int
    share: Share

    def describe(self, noun: str = "character") -> str:
        """One sentence: ``--only han left out 312 characters (9,120 occurrences)``."""
        setting = f"{self.setting}" if isinstance(self.setting, int) else ",".join(self.setting)
        share = self.share
        what = (
            f"{count(share.distinct, noun)} ({count(share.occurrences, 'occurrence')})" if share.distinct else "nothing"
        )
        return f"--{self.filter.replace('_', '-')} {setting} left out {what}"


@dataclass(frozen=True)
class LeftOut:
    """What a selection left out, filter by filter.

    Attributes:
        filters: those in use, in the order in which they were applied.
    """

    filters: tuple[Filtered, ...] = ()

    @property
    def total(self) -> Share:
        """What all filters together left out."""
        return sum((each.share for each in self.filters), Share(0, 0))

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values, for ``--json`` and for provenance: by filter its setting and what it left out."""
        return {
            each.filter: {
                "setting": each.setting if isinstance(each.setting, int) else list(each.setting),
                "distinct": each.share.distinct,
                "occurrences": each.share.occurrences,
            }
            for each in self.filters
        }

    def describe(self, noun: str = "character") -> str:
        """One line for people; "" when no filter is in use."""
        return "; ".join(each.describe(noun) for each in self.filters)


@dataclass(frozen=True)
class Selection:
    """Which characters go on. Without arguments all do.

    Attributes:
        only: names of scripts as :func:`charvec.plumbing.text.scripts.parse_scripts` understands them; a character goes
            on when its Script or one of its Script_Extensions is among them, but for punctuation that scripts share,
            which belongs to ``common``. None at all for every script.
        min_count: how often a character must occur.
        top: how many of the commonest go on; of equally common ones those with the lower code points. None for all.

    Raises:
        UsageError: ``E-SCRIPT`` for a name that is no script; ``E-ARGUMENT`` for what is no name, and for what is no
            whole number from 1 on.
    """

    only: tuple[str, ...] = ()
    min_count: int = 1
    top: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.only, str):
            raise UsageError("E-ARGUMENT", f"only={self.only!r} is one text", help=f"say only=({self.only!r},)")
        for each in self.only:
            if not isinstance(each, str):
                raise UsageError("E-ARGUMENT", f"only holds {each!r}", help="give names of scripts, such as 'han'")
        if self.only:
            self.scripts()
        for name in ("min_count", "top"):
            value = getattr(self, name)
            if value is None and name == "top":
                continue
            number = integer(value)
            if number is None or number < 1:
                raise UsageError("E-ARGUMENT", f"{name} is {value!r}", help="say a whole number from 1 on")
            # one of NumPy could not be written as JSON
            object.__setattr__(self, name, number)

    def __bool__(self) -> bool:
        """Whether any filter is in use."""
        return bool(self.only) or self.min_count > 1 or self.top is not None

    def scripts(self) -> frozenset[str]:
        """The scripts that ``only`` stands for, by Unicode's names."""
        return scripts.parse_scripts(",".join(self.only))

    def apply(self, counts: Counts) -> tuple[Counts, LeftOut]:
        """The characters that go on, and what was left out.

        Args:
            counts: what was scanned.

        Returns:
            counts with the same ``samples``, for that is still what was scanned, and the same ``graphemes``, which
            :func:`select_texts` selects; and the characters left out.
        """
        belongs = self._belong(counts.codepoints) if self.only else None
        chosen, left_out = self._choose(counts.occurrences, belongs)
        return replace(counts, codepoints=counts.codepoints[chosen], occurrences=counts.occurrences[chosen]), left_out

    def _belong(self, codepoints: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which code points the scripts take in, bool [n].

        Punctuation and spaces that several scripts share are only taken in when Common is asked for: who asks for the
        ideographs of a text does not mean its commas, though Unicode lists Han among the extensions of ``、``.
        """
        wanted = self.scripts()
        belongs = scripts.in_scripts(codepoints, wanted)
        shared = scripts.script_ids(codepoints) == scripts.SCRIPTS.index("Common")
        if "Common" not in wanted:
            for place in np.flatnonzero(belongs & shared).tolist():
                belongs[place] = unicodedata.category(chr(codepoints[place]))[0] not in "PZ"
        return belongs

    def _choose(
        self, occurrences: NDArray[np.uint64], belongs: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.intp], LeftOut]:
        """Apply the filters.

        Args:
            occurrences: uint64 [n]; where they are equal, those that stand first go before the others.
            belongs: bool [n], which belong to the scripts that are wanted; None when all scripts are.

        Returns:
            places of those that go on, ascending, and what was left out.
        """
        chosen = np.arange(len(occurrences))
        filters: list[Filtered] = []

        def keep(kept: NDArray[np.intp], name: _Filter, setting: tuple[str, ...] | int) -> NDArray[np.intp]:
            numbers = int(occurrences[chosen].sum()) - int(occurrences[kept].sum())
            filters.append(Filtered(name, setting, Share(len(chosen) - len(kept), numbers)))
            return kept

        if belongs is not None:
            chosen = keep(chosen[belongs], "only", self.only)
        if self.min_count > 1:
            chosen = keep(chosen[occurrences[chosen] >= self.min_count], "min_count", self.min_count)
        if self.top is not None:
            # a stable sort of the reversed, reversed: the commonest first, equally common ones in their order
            order = len(chosen) - 1 - np.argsort(occurrences[chosen][::-1], kind="stable")[::-1]
            chosen = keep(np.sort(chosen[order[: self.top]]), "top", self.top)
        return chosen, LeftOut(tuple(filters))


def select(
    counts: Counts | Mapping[str, int],
    *,
    only: str | Iterable[str] | None = (),
    min_count: int = 1,
    top: int | None = None,
) -> Counts:
    """The characters that go on, and with them what was left out.

    Args:
        counts: what was scanned, or what an earlier selection left of it.
        only: as for :class:`Selection`; also one text with commas between the names. None, too, is every script.
        min_count: likewise.
        top: likewise.

    Returns:
        counts with the same ``samples``. ``graphemes``, if there are any, are selected likewise. ``left_out`` is as
        :meth:`LeftOut.as_dict` gives it, by filter, with the numbers for the grapheme clusters under ``"graphemes"``;
        what earlier selections left out is added, so that the sum is still what was scanned.

    Raises:
        UsageError: as :class:`Selection`; ``E-COUNTS``, and ``E-ARGUMENT`` for anything but counts.
    """
    selection = selected_by(only, min_count, top)
    counts = as_counts(counts, "select(counts)")
    selected, left_out = selection.apply(counts)
    account = left_out.as_dict()
    if counts.graphemes is not None:
        graphemes, further = select_texts(counts.graphemes, selection)
        selected = replace(selected, graphemes=graphemes)
        for each in further.filters:
            share = each.share
            account[each.filter]["graphemes"] = {"distinct": share.distinct, "occurrences": share.occurrences}
    return replace(selected, left_out=add_accounts(counts.left_out, account))


def selected_by(only: str | Iterable[str] | None, min_count: int, top: int | None) -> Selection:
    """A selection from what :func:`select` takes, also to refuse what makes no sense before any work is done.

    Raises:
        UsageError: as :class:`Selection`.
    """
    if isinstance(only, str):
        only = [name.strip() for name in only.split(",") if name.strip()] or ([only] if only else [])
    return Selection(() if only is None else tuple(listed(only, "scripts")), min_count, top)


def select_texts(counts: Mapping[str, int], selection: Selection) -> tuple[dict[str, int], LeftOut]:
    """As :meth:`Selection.apply`, for grapheme clusters.

    The script of a cluster is that of its first code point that is neither Common nor Inherited, and that of its first
    one when all are.

    Args:
        counts: cluster -> how often it occurs; what occurs 0 times is not there.
        selection: what goes on.

    Returns:
        those that go on, ordered by code points, and what was left out.

    Raises:
        ValueError: for an empty cluster or a negative count.
    """
    if "" in counts or min(counts.values(), default=0) < 0:
        raise ValueError("a cluster has at least one code point, and occurs 0 times or more often")
    texts = sorted(text for text, number in counts.items() if number)
    occurrences = np.array([counts[text] for text in texts], np.uint64)
    belongs = selection._belong(_deciding(texts)) if selection.only else None
    chosen, left_out = selection._choose(occurrences, belongs)
    return {texts[place]: int(occurrences[place]) for place in chosen.tolist()}, left_out


def _deciding(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The code point of each text, uint32 [n], whose script is that of the text; no text is empty."""
    codepoints = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    starts = np.cumsum([0, *map(len, texts)])[:-1]
    if not len(starts):
        return np.zeros(0, np.uint32)
    places = np.arange(len(codepoints))
    neutral = [scripts.SCRIPTS.index(name) for name in _NEUTRAL]
    places[np.isin(scripts.script_ids(codepoints), neutral)] = len(codepoints)
    first = np.minimum.reduceat(places, starts)
    return codepoints[np.where(first < len(codepoints), first, starts)].astype(np.uint32)
