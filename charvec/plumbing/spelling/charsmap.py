"""Plumbing: SentencePiece's ``precompiled_charsmap``, rules that turn characters into others.

Layout: u32 little-endian, the bytes of a double-array trie; the trie, u32 units; replacements in UTF-8, each ended by
a zero byte. A unit of the trie (Darts-clone): bit 31 marks a value, whose other bits are the offset of a replacement;
else bits 10-30 are the distance to the children, shifted left by 8 when bit 9 is set, bit 8 says that a value is among
them, and bits 0-7 are the byte that leads here. A child stands at the place of its parent, XOR the distance, XOR the
byte.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from charvec.errors import DamagedFile

__all__ = ["Charsmap"]

#: Longest replacement followed, in bytes; the longest of Unicode's NFKC has 33.
MAX_REPLACEMENT = 1024

_VALUE = 1 << 31
_LABEL = _VALUE | 0xFF


class Charsmap:
    """The rules of one model.

    Args:
        blob: the bytes; empty for no rules.
        path: the file they came from, for messages.

    Raises:
        DamagedFile: ``E-CHARSMAP`` when the sizes do not fit.
    """

    def __init__(self, blob: bytes, path: str) -> None:
        self._path = path
        self._units: list[int] = []
        self._texts = b""
        if not blob:
            return
        length = int.from_bytes(blob[:4], "little")
        if len(blob) <= 4 or not length or length % 4 or length >= len(blob) - 4 or blob[-1]:
            raise self._damaged(f"{len(blob):,} bytes, of which a trie would be {length:,}")
        self._units = np.frombuffer(blob, "<u4", length // 4, 4).tolist()
        self._texts = blob[4 + length :]

    def __call__(self, char: str) -> str:
        """What a character becomes where it stands alone; itself when there is no rule for it.

        Raises:
            DamagedFile: ``E-CHARSMAP`` when the rule leads out of the table or to no text.
        """
        if not self._units:
            return char
        units, place = self._units, 0
        unit = units[0]
        value = -1
        data = char.encode()
        try:
            place ^= _distance(unit)
            for byte in data:
                place ^= byte
                unit = units[place]
                if unit & _LABEL != byte:
                    return char
                place ^= _distance(unit)
            if unit >> 8 & 1:
                value = units[place] & ~_VALUE
        except IndexError:
            raise self._damaged("the trie points beyond its end") from None
        return char if value < 0 else self._text(value)

    def made_of(self, chars: Iterable[str]) -> set[str]:
        """Characters that the rules make of texts of some characters, also of several of them together.

        Raises:
            DamagedFile: ``E-CHARSMAP``, as for one character.
        """
        if not self._units:
            return set()
        units = self._units
        groups: dict[int, list[bytes]] = {}
        for char in chars:
            groups.setdefault(char.encode()[0], []).append(char.encode())
        found: set[str] = set()
        first = _distance(units[0])
        pending, seen = [first], {first}
        try:
            while pending:
                top = pending.pop()
                for byte in groups:
                    if units[top ^ byte] & _LABEL != byte:
                        continue
                    for data in groups[byte]:
                        place = top
                        for each in data:
                            place ^= each
                            unit = units[place]
                            if unit & _LABEL != each:
                                break
                            place ^= _distance(unit)
                        else:
                            if unit >> 8 & 1:
                                found.update(self._text(units[place] & ~_VALUE))
                            if place not in seen:
                                seen.add(place)
                                pending.append(place)
        except IndexError:
            raise self._damaged("the trie points beyond its end") from None
        return found

    def _text(self, value: int) -> str:
        """A replacement.

        Raises:
            DamagedFile: ``E-CHARSMAP``.
        """
        end = self._texts.find(b"\0", value, value + MAX_REPLACEMENT)
        if end < 0:
            raise self._damaged("a rule points to no text")
        try:
            return self._texts[value:end].decode()
        except UnicodeDecodeError:
            raise self._damaged("a replacement is not UTF-8") from None

    def _damaged(self, problem: str) -> DamagedFile:
        return DamagedFile(
            "E-CHARSMAP",
            f"{self._path}: the table of its normaliser is damaged: {problem}",
            path=self._path,
            help="download the file again",
        )


def _distance(unit: int) -> int:
    return unit >> 10 << ((unit & 1 << 9) >> 6)
