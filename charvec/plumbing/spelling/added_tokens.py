"""Plumbing: tokens that were added to a vocabulary later, whose pieces lie in a file that knows nothing of them.

``tokenizer_config.json`` lists them under ``added_tokens_decoder``; where it does not, ``added_tokens.json`` does. They
are looked for in the text before anything is done to it, so that a token of one character is that character's row.

Source: transformers 4 and 5, ``from_pretrained`` and ``tokenize`` of the tokenizers written in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing import places
from charvec.plumbing.spelling.normalizer import read_object, refuse
from charvec.status import Status
from charvec.valueclass import dataclass
from charvec.vocabulary import Speller, Spelling

__all__ = ["AddedToken", "WithAdded", "extent", "read_added", "with_added"]

#: No matrix has more rows.
MAX_ROW = 1 << 31


@dataclass(frozen=True)
class AddedToken:
    """A token: its text, its row id, whether it is a mark and no text, and whether it counts as a whole word only."""

    content: str
    row: int
    special: bool
    single_word: bool = False


def read_added(folder: str, config: Mapping[str, Any], files: list[str]) -> list[AddedToken]:
    """The tokens added to the vocabulary in a folder, in the order of their rows.

    Args:
        folder: where its files lie.
        config: what ``tokenizer_config.json`` in it says; empty when there is none.
        files: names of the files that were read go here.

    Raises:
        DamagedFile: ``E-TOKENIZER`` for an entry that is none; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_object`.
    """
    path = places.join(folder, "tokenizer_config.json")
    decoder = config.get("added_tokens_decoder")
    tokens = []
    if isinstance(decoder, dict):
        for row, entry in decoder.items():
            if not isinstance(entry, dict) or not isinstance(entry.get("content"), str) or not row.isdecimal():
                refuse(path, f"{str(entry)[:80]!r} is no added token")
            special, alone = entry.get("special") is True, entry.get("single_word") is True
            tokens.append(AddedToken(entry["content"], int(row[:19]), special, alone))
    else:
        path = places.join(folder, "added_tokens.json")
        if not places.exists(path):
            return []
        files.append(path)
        for content, row in read_object(path).items():
            if type(row) is not int or row < 0:
                refuse(path, f"the id of {content[:80]!r} is {str(row)[:40]}, which is no row")
            # which of them are special is not said; those of one character are text
            tokens.append(AddedToken(content, row, len(content) != 1))
    if any(token.row >= MAX_ROW for token in tokens):
        refuse(path, "the id of an added token is no row of a matrix")
    return sorted(tokens, key=lambda token: token.row)


def _characters(tokens: Sequence[AddedToken]) -> dict[str, int]:
    """Row ids of the tokens that are one character of text."""
    return {
        token.content: token.row
        for token in tokens
        if len(token.content) == 1 and not token.special and not token.single_word
    }


def extent(tokens: Sequence[AddedToken]) -> int:
    """One more than the largest row id of some tokens; 0 without any."""
    return tokens[-1].row + 1 if tokens else 0


class WithAdded:
    """Spells characters as another speller does, but for those that are tokens of their own.

    Args:
        speller: for all others.
        rows: row ids of the tokens of one character.
    """

    def __init__(self, speller: Speller, rows: Mapping[str, int]) -> None:
        self._speller = speller
        self._rows = {ord(char): row for char, row in rows.items()}

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        spelling = self._speller(codepoints)
        found = {place: self._rows[each] for place, each in enumerate(codepoints.tolist()) if each in self._rows}
        if not found:
            return spelling
        entries = [(Status(status), spelling.ids(place)) for place, status in enumerate(spelling.status.tolist())]
        for place, row in found.items():
            entries[place] = Status.EXACT, (row,)
        return Spelling.of(entries, spelling.library)


def with_added(speller: Speller, tokens: Sequence[AddedToken]) -> Speller:
    """The speller of a vocabulary with some tokens added to it."""
    rows = _characters(tokens)
    return WithAdded(speller, rows) if rows else speller
