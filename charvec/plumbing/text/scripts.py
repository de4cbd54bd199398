"""Plumbing: which script and which block a code point belongs to, in one stated version of Unicode.

Source: the Unicode Character Database, UAX #24 (Script, Script_Extensions) and UAX #44 (Block). The table
``scripts.tsv`` is made by ``tools/make_unicode_table.py`` and is read when it is first needed, in about 2 ms. It is our
own because Python has no scripts, and so that the answer does not change with the version of Python.

A character belongs to a script when its Script *or one of its Script_Extensions* is that script. Unicode gives what
several scripts share to the script Common or Inherited, and says in Script_Extensions which they are. So the prolonged
sound mark ``ー`` (Common; Hiragana, Katakana) counts as kana, and the ideographic comma ``、`` (Common; Han, Hiragana,
Katakana, Hangul, Bopomofo, Yi) as each of these, and both count as Common as well. ``々`` and ``〇`` are Han by
themselves. Fullwidth ``，``, digits and emoji are Common and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError
from charvec.valueclass import dataclass

__all__ = ["BLOCKS", "SCRIPTS", "UNICODE_VERSION", "blocks", "in_scripts", "parse_scripts", "script_ids"]

#: Version of Unicode the table is made from. Code points that it does not assign are of the script Unknown.
UNICODE_VERSION = "18.0.0"

#: Names of the scripts, by their ids, in alphabetical order; "Unknown" is one. Read when first used.
SCRIPTS: tuple[str, ...]
#: Names of the blocks, by their ids, from the lowest code point on; "No_Block" is one. Read when first used.
BLOCKS: tuple[str, ...]

#: Names that stand for several scripts. ``kana`` is also the ISO 15924 code of Katakana; but everybody who is asked for
#: the kana means both, and Katakana alone has its full name. Hrkt, Jpan and Kore are ISO 15924's own such names.
_GROUPS = {
    "kana": ("Hiragana", "Katakana"),
    "cjk": ("Bopomofo", "Han", "Hangul", "Hiragana", "Katakana"),
    "hrkt": ("Hiragana", "Katakana"),
    "jpan": ("Han", "Hiragana", "Katakana"),
    "kore": ("Han", "Hangul"),
}


def __getattr__(name: str) -> Any:
    if name == "SCRIPTS":
        return _table().scripts
    if name == "BLOCKS":
        return _table().blocks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def script_ids(codepoints: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The Script property.

    Args:
        codepoints: uint32 [n], each below 0x110000.

    Returns:
        uint8 [n], places in :data:`SCRIPTS`.
    """
    table = _table()
    return table.script_of_value[table.value_of(codepoints)]


def in_scripts(codepoints: NDArray[np.uint32], scripts: Iterable[str]) -> NDArray[np.bool_]:
    """Whether each code point belongs to one of some scripts, by its Script or its Script_Extensions.

    Args:
        codepoints: uint32 [n], each below 0x110000.
        scripts: names as in :data:`SCRIPTS`, as :func:`parse_scripts` gives them.

    Returns:
        bool [n].
    """
    table = _table()
    wanted = {table.scripts.index(name) for name in scripts}
    chosen = np.array([not wanted.isdisjoint(value) for value in table.values], np.bool_)
    return chosen[table.value_of(codepoints)]


def blocks(codepoints: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """The Block property.

    Args:
        codepoints: uint32 [n], each below 0x110000.

    Returns:
        uint16 [n], places in :data:`BLOCKS`.
    """
    table = _table()
    return table.block_of_range[np.searchsorted(table.block_starts, codepoints, side="right") - 1]


def parse_scripts(text: str) -> frozenset[str]:
    """The scripts a list of names stands for, such as ``han,kana,hangul``.

    A name is Unicode's (``Hiragana``, ``old-italic``), an ISO 15924 code (``Hira``), or one for several scripts:
    ``kana`` is Hiragana and Katakana, ``cjk`` is Han, Hiragana, Katakana, Hangul and Bopomofo, ``Jpan`` and ``Kore``
    are as ISO 15924 says. Case, spaces, hyphens and underscores make no difference (UAX44-LM3).

    Args:
        text: names with commas between them.

    Returns:
        names as in :data:`SCRIPTS`.

    Raises:
        UsageError: ``E-SCRIPT`` for a name that is none, and when there is none at all.
    """
    known = _table().known
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if _loose(name) not in known:
            raise UsageError("E-SCRIPT", f"{name[:100]!r} is no script of Unicode {UNICODE_VERSION}", help=_hint(name))
    if not names:
        raise UsageError("E-SCRIPT", "no script was named", help="name one or more, such as han,kana,hangul")
    return frozenset(script for name in names for script in known[_loose(name)])


def _hint(name: str) -> str:
    """What a name that is none may have been meant to be."""
    from difflib import get_close_matches

    table = _table()
    codes = {code: code.capitalize() for code in table.codes}
    names = {_loose(each): each for each in (*table.scripts, *_GROUPS)}
    asked = _loose(name)[:100]
    # two letters the wrong way round are no near miss to difflib
    swapped = [spelled[key] for spelled in (names, codes) for key in spelled if sorted(key) == sorted(asked)]
    close = swapped + [spelled[key] for spelled in (names, codes) for key in get_close_matches(asked, spelled, n=1)]
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{guess}say a name such as Han, an ISO 15924 code such as Hani, or cjk or kana for several"


def _loose(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "").replace("-", "")


@dataclass(frozen=True)
class _Table:
    """What ``scripts.tsv`` says.

    Attributes:
        scripts: names, alphabetical.
        codes: their ISO 15924 codes, in lower case.
        known: every name that is understood, in its loose spelling -> the scripts it stands for.
        starts: uint32, first code points of ranges whose Script and Script_Extensions are the same.
        value_of_range: uint16, for each range the place of its value in ``values``.
        values: the distinct values: Script, then the other members of Script_Extensions, by their ids.
        script_of_value: uint8, the Script of each value.
        blocks: names, from the lowest code point on.
        block_starts: uint32, first code points of blocks and of the gaps between them.
        block_of_range: uint16, for each of these the place of its name in ``blocks``.
    """

    scripts: tuple[str, ...]
    codes: tuple[str, ...]
    known: dict[str, tuple[str, ...]]
    starts: NDArray[np.uint32]
    value_of_range: NDArray[np.uint16]
    values: tuple[tuple[int, ...], ...]
    script_of_value: NDArray[np.uint8]
    blocks: tuple[str, ...]
    block_starts: NDArray[np.uint32]
    block_of_range: NDArray[np.uint16]

    def value_of(self, codepoints: NDArray[np.uint32]) -> NDArray[np.uint16]:
        """uint16 [n]: the place of each code point's value in ``values``."""
        return self.value_of_range[np.searchsorted(self.starts, codepoints, side="right") - 1]


@lru_cache(maxsize=1)
def _table() -> _Table:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts.tsv"), encoding="utf-8") as file:
        text = file.read()
    head, _, rest = text.partition("\n[names]\n")
    if not head.endswith(f"\nversion\t{UNICODE_VERSION}"):
        raise AssertionError("scripts.tsv is of another version of Unicode than scripts.py says")
    names, _, rest = rest.partition("\n[scripts]\n")
    scripts, _, blocks = rest.partition("\n[blocks]\n")
    pairs = [line.split("\t") for line in names.split("\n")]
    codes = [code for code, _ in pairs]
    long_names = tuple(name for _, name in pairs)
    known: dict[str, tuple[str, ...]] = {code.lower(): (name,) for code, name in pairs}
    known |= {_loose(name): (name,) for name in long_names}
    known |= _GROUPS
    starts, value_of_range, values = _ranges(scripts)
    place = {code: number for number, code in enumerate(codes)}
    members = tuple(tuple(place[code] for code in value.split("\t")) for value in values)
    block_starts, block_of_range, block_names = _ranges(blocks.rstrip("\n"))
    return _Table(
        scripts=long_names,
        codes=tuple(code.lower() for code in codes),
        known=known,
        starts=starts,
        value_of_range=value_of_range,
        values=members,
        script_of_value=np.array([value[0] for value in members], np.uint8),
        blocks=tuple(block_names),
        block_starts=block_starts,
        block_of_range=block_of_range,
    )


def _ranges(section: str) -> tuple[NDArray[np.uint32], NDArray[np.uint16], list[str]]:
    """Where the ranges begin (uint32 [n]), which value each has (uint16 [n]), and the distinct values."""
    lines = [line.partition("\t") for line in section.split("\n")]
    starts = np.array([int(start, 16) for start, _, _ in lines], np.uint32)
    places: dict[str, int] = {}
    numbers = [places.setdefault(value, len(places)) for _, _, value in lines]
    return starts, np.array(numbers, np.uint16), list(places)
