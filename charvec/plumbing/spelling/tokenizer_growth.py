"""Plumbing: how much text the steps of a tokenizer can make of one character.

A handful of replacements that each double what the one before made would fill any memory. What counts is which of them
can meet: those of model2vec put blanks around each of 32 marks, one step a mark, and make three characters of one.
So do bytes written as characters, which have two bytes each, and rules of SentencePiece that are none of Unicode's.
Unicode's own make up to 18 of one, but none of these more again, unless a replacement puts such a one there.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from typing import Any

from charvec.plumbing.spelling.normalizer import refuse
from charvec.plumbing.spelling.tokenizer_steps import steps

__all__ = ["check_growth", "growth_of", "matches_nothing"]

#: Limit against hostile files: how many characters the steps of a tokenizer may make of one.
MAX_GROWTH = 10_000
#: Most characters that ByteLevel makes of one, and most bytes that NFKC does.
_BYTES, _NFKC = 4, 33
_LONG = re.compile(rb"[^\0]{%d}" % (_NFKC + 1))
#: Steps by Unicode's rules; the last puts blanks around ideographs, too.
_UNICODE, _BERT = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase"), "BertNormalizer"
#: Groups inside each other; published patterns have up to 3.
MAX_DEPTH = 50
#: More is not told apart.
_LIMIT = 10**9


def check_growth(normalizer: Any, pre_tokenizer: Any, path: str) -> None:
    """Refuse steps that could make the library eat the machine, or look for nothing."""
    for step in steps(normalizer):
        pattern = step.get("pattern")
        if isinstance(pattern, dict) and not next(iter(pattern.values()), ""):
            refuse(path, "the normalizer looks for nothing")
    if growth_of(normalizer, pre_tokenizer) > MAX_GROWTH:
        refuse(path, f"the tokenizer can make more than {MAX_GROWTH:,} characters of one")


def growth_of(*parts: Any) -> int:
    """How many characters the steps can make of one, at most; what Unicode's rules make of one counts as one.

    From the last step to the first, a character weighs what the steps behind make of it: so much as what is put in its
    place.
    """
    #: Of single characters, and of all others.
    weights: dict[str, int] = {}
    rest = 1

    # whether such rules stand behind, that make more of what is put into the text there
    ruled = spread = apart = marked = False

    def weight(text: str) -> int:
        if not spread or text.isascii():
            return sum(weights.get(char, rest) for char in text)
        return sum(weights.get(char, rest) * _spread(char, apart) for char in text)

    for step in reversed([step for part in parts for step in steps(part)]):
        kind, pattern = step.get("type"), step.get("pattern")
        text = step.get("prepend") if kind == "Prepend" else step.get("content")
        if kind in ("Prepend", "Replace") and isinstance(text, str):
            added = min(weight(text), _LIMIT)
            form = pattern.get("String") if isinstance(pattern, dict) else None
            if kind == "Prepend":
                weights = {char: each + added for char, each in weights.items()}
                rest += added
            elif isinstance(form, str) and form:
                share = -(-added // len(form))
                weights |= {char: max(weights.get(char, rest), share) for char in form}
            else:
                form = pattern.get("Regex") if isinstance(pattern, dict) else None
                # it is put between any two characters
                more = 2 * added if not isinstance(form, str) or matches_nothing(form) else 0
                weights = {char: max(each, added) + more for char, each in weights.items()}
                rest = max(rest, added) + more
        elif kind != "Strip":
            # it makes others of characters, who knows which
            rest = max([rest, *weights.values()])
            weights = {}
            spread, apart = spread or kind in (*_UNICODE, _BERT), apart or kind == _BERT
            if kind == "ByteLevel":
                rest *= _BYTES
            elif kind == "Precompiled":
                rest *= _longest(step, ruled)
                ruled = True
            elif kind == "Metaspace":
                # a mark before every part, which are more with every other mark
                rest *= 1 + marked
                marked = True
        rest = min(rest, _LIMIT)
    return min(max([rest, *weights.values()]), _LIMIT)


def _spread(char: str, apart: bool) -> int:
    """How many characters Unicode's rules make of one; with blanks around it if ideographs are put ``apart``."""
    if unicodedata.category(char) == "Cn":
        return _NFKC  # of a later Unicode than Python's
    return max(3 * apart, len(unicodedata.normalize("NFKD", char.lower())))


def _longest(step: dict[str, Any], ruled: bool) -> int:
    """Bytes of the longest text that rules of SentencePiece make of a character; 1 when Unicode's are as long.

    Args:
        step: it.
        ruled: whether there are such rules behind it: these may make more of what Unicode's would leave.
    """
    try:
        blob = b64decode(step.get("precompiled_charsmap") or b"", validate=True)
    except (TypeError, ValueError):
        return 1  # which the library refuses
    texts = blob[4 + int.from_bytes(blob[:4], "little") :]
    return max(1, *map(len, texts.split(b"\0"))) if ruled or _LONG.search(texts) else 1


def matches_nothing(form: str) -> bool:
    """Whether a pattern may match where no character is, as ``x*`` and ``(?=a)`` do; so may any that is not understood.

    Grammar: Oniguruma's (its doc/RE), as far as it decides that.
    """
    scanner = _Scanner(form)
    return not (scanner.consumes() and scanner.place == len(form))


class _Scanner:
    """Reads a pattern from left to right."""

    def __init__(self, form: str) -> None:
        self.form = form
        self.place = 0
        self.depth = 0
        self.understood = True

    def consumes(self) -> bool:
        """Whether every alternative, up to the end or a closing bracket, takes at least one character."""
        all_do, this_does = True, False
        while self.place < len(self.form) and self.form[self.place] != ")":
            char = self.form[self.place]
            self.place += 1
            if char == "|":
                all_do, this_does = all_do and this_does, False
                continue
            takes = self._atom(char)
            this_does = (self._repeated() and takes) or this_does
        return all_do and this_does and self.understood

    def _atom(self, char: str) -> bool:
        if char == "[":
            self._class()
            return True
        if char == "(":
            return self._group()
        return self._escaped() if char == "\\" else char not in "^$"

    def _escaped(self) -> bool:
        escaped = self.form[self.place : self.place + 1]
        self.place += 1
        if escaped in ("p", "P", "x", "u", "o") and self.form[self.place : self.place + 1] == "{":
            self.place = (self.form.find("}", self.place) + 1) or len(self.form)
        elif escaped in ("x", "u"):
            most = self.place + (2 if escaped == "x" else 4)
            while self.place < most and self.form[self.place : self.place + 1] in _HEXADECIMAL:
                self.place += 1
        # what was found before and parts of the pattern, by number or name; controls; what a match leaves out
        self.understood = self.understood and escaped not in _UNUSUAL
        return escaped not in _PLACES

    def _group(self) -> bool:
        looks = False
        if self.form.startswith("?", self.place):
            start = end = self.place + 1
            looks = self.form[end : end + 1] in ("=", "!", "#", "~") or self.form[end : end + 2] in ("<=", "<!")
            while self.form[end : end + 1] not in ("", ":", ">", "=", "!", ")", "#", "~", "("):
                end += 1
            # with x, blanks mean nothing; what stands behind a comment repeats what stood before it
            unusual = self.form[start : start + 1] != "<" and "x" in self.form[start:end]
            self.understood = self.understood and not unusual and self.form[end : end + 1] != "#"
            self.place = end + (self.form[end : end + 1] not in (")", "("))
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.understood, self.place = False, len(self.form)
        takes = self.consumes()
        self.depth -= 1
        self.place += 1
        return takes and not looks

    def _class(self) -> None:
        depth = 1
        self.place += self.form.startswith("^", self.place)
        self.place += self.form.startswith("]", self.place)
        while depth and self.place < len(self.form):
            char = self.form[self.place]
            depth += (char == "[") - (char == "]")
            self.place += 1 + (char == "\\")

    def _repeated(self) -> bool:
        """Whether what was read must be there once, by the quantifiers behind it."""
        must = True
        while self.form[self.place : self.place + 1] in ("*", "+", "?", "{"):
            char = self.form[self.place]
            if char == "{":
                end = self.form.find("}", self.place)
                least, _, most = self.form[self.place + 1 : end].partition(",")
                if end < 0 or not all(text.isdecimal() or not text for text in (least, most)):
                    break  # a brace like any other
                must = must and bool(least.strip("0"))
                self.place = end
            self.place += 1
            must = must and char not in "*?"
            if char == "+" and self.form[self.place : self.place + 1] == "?":
                self.place += 1  # as few as possible, but one
        return must


_HEXADECIMAL = {*"0123456789abcdefABCDEF"}
#: Behind a backslash: what stands for a place between characters, and what is not followed here.
_PLACES = {*"AzZbBGyY"}
_UNUSUAL = {*"0123456789gkKcCM", ""}
