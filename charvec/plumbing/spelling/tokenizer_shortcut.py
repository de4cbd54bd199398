"""Plumbing: what a tokenizer makes of a character, where that is certain without the ``tokenizers`` library.

Its import and the building of a tokenizer take longer than all the rest of a short run. The common steps of pipelines
are known here by name, and every other step means that the library is asked; so does a character about which Python's
Unicode and the library's could be of different minds. The tests hold every answer against the library's.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Literal

from charvec.plumbing.spelling import byte_alphabet
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.normalizer import refuse
from charvec.plumbing.spelling.segmenting import merge
from charvec.plumbing.spelling.tokenizer_contexts import is_blanks
from charvec.plumbing.spelling.tokenizer_document import Document
from charvec.plumbing.spelling.tokenizer_steps import steps

__all__ = ["certain_ids", "certain_text"]

#: From a character to what is left of it; None where that is not certain.
Step = Callable[[str], str | None]

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")
_WHITE = "\t\n\r "


def certain_text(document: Document) -> Step | None:
    """What reaches the model of a character, inside running text.

    Returns:
        a function that gives one character, or "" when it is deleted, or None when only the library knows; None instead
        of the function when the pipeline has a step that is not known here.
    """
    chain: list[Step] = []
    for step in steps(document.normalizer):
        made = _normalizer(step, document.path)
        if made is None:
            return None
        chain.append(made)
    added = _looked_for(document, list(chain))
    if added is None:
        return None
    for step in steps(document.pre_tokenizer):
        made = _pre_tokenizer(step)
        if made is None:
            return None
        chain.append(_blank_instead(made) if document.begins_words and made is _without_white else made)
    if document.suffix or document.begins_parts:
        return None

    def text(char: str) -> str | None:
        if char in added:
            return None
        result: str | None = char
        for step in chain:
            result = step(result) if result else result
        return None if result in added else result

    return text


def _looked_for(document: Document, chain: list[Step]) -> set[str] | None:
    """Characters that added tokens are, or become, for some are looked for as the normaliser leaves them.

    Returns:
        None when only the library knows.
    """
    found = {token.content for token in document.added if len(token.content) == 1}
    for token in document.added:
        if token.special or not chain or token.entry["normalized"] is not True:
            continue
        if is_blanks(token, list(steps(document.normalizer))):
            continue
        # of several characters one may be left: blanks at the edges are stripped, marks composed, parts replaced
        if len(token.content) > 1 and not (_WORD.fullmatch(token.content) and _keeps_words(document)):
            return None
        result: str | None = token.content if len(token.content) == 1 else ""
        for step in chain:
            result = step(result) if result else result
        if result is None:
            return None
        found.add(result)
    return found


#: What no step makes one character of, but a replacement.
_WORD = re.compile(r"[!-~]{2,}")


def _keeps_words(document: Document) -> bool:
    return not any(
        step.get("type") == "Replace" and step.get("pattern") not in ({"String": " "}, {"Regex": " {2,}"})
        for step in steps(document.normalizer)
    )


def _same(char: str) -> str:
    return char


def _category(char: str) -> str:
    """The general category in Unicode 3.2, ``Cn`` of later characters: the older ones hardly change any more."""
    return unicodedata.ucd_3_2_0.category(char)


def _normalizer(step: dict[str, Any], path: str) -> Step | None:
    kind = step.get("type")
    if kind in ("Prepend", "Strip"):
        return _same
    for form in FORMS:
        if kind == form:
            return _normal_form(form)
    if kind == "Lowercase":
        return _lowercase
    if kind == "StripAccents":
        return _without_accents
    if kind == "Precompiled":
        return _charsmap(step.get("precompiled_charsmap"), path)
    if kind == "Replace":
        return _replacement(step)
    return None


def _charsmap(encoded: Any, path: str) -> Step:
    """The rules of a converted SentencePiece model."""
    try:
        rules = Charsmap(b64decode(encoded, validate=True), path)
    except (TypeError, ValueError):
        refuse(path, "the precompiled_charsmap is no base64")

    def step(char: str) -> str | None:
        result = rules(char)
        return result if len(result) == 1 else None

    return step


def _normal_form(form: Form) -> Step:
    def step(char: str) -> str | None:
        if char.isascii():
            return char
        # the normal forms of a character never change
        result = unicodedata.normalize(form, char) if _category(char) != "Cn" else ""
        return result if len(result) == 1 else None

    return step


def _without_accents(char: str) -> str | None:
    # U+1885 was no mark in Unicode 3.2, so both are asked
    return None if "M" in _category(char) + unicodedata.category(char) or _category(char) == "Cn" else char


def _lowercase(char: str) -> str | None:
    if char.isascii():
        return char.lower()
    # these may get capital letters, but stay as they are
    without_case = _category(char) in ("Lo", "Nd") or _category(char)[0] == "P"
    return char if without_case and char.lower() == char else None


def _replacement(step: dict[str, Any]) -> Step | None:
    pattern, content = step.get("pattern"), step.get("content")
    if not isinstance(pattern, dict) or not isinstance(content, str):
        return None
    if pattern.get("Regex") == " {2,}":
        return _same
    text = pattern.get("String")
    if not isinstance(text, str) or not text:
        return None
    # longer replacements could meet the next steps in other ways
    return lambda char: char if char != text else content if len(content) == 1 else None


def _pre_tokenizer(step: dict[str, Any]) -> Step | None:
    kind, behavior = step.get("type"), step.get("behavior", "Isolated")
    if kind in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer"):
        return _without_white
    if kind == "Metaspace":
        mark = step.get("replacement")
        return (lambda char: mark if char == " " else char) if isinstance(mark, str) and len(mark) == 1 else None
    if kind in ("ByteLevel", "Digits") or (kind in ("Split", "Punctuation") and behavior in _KEEPING):
        return _same
    return None


def _without_white(char: str) -> str | None:
    if char.isascii():
        return None if char < " " and char not in _WHITE else "" if char in _WHITE else char
    return None if _category(char)[0] in "ZC" or char.isspace() else char


def _blank_instead(step: Step) -> Step:
    """The step, with a blank for white space that it cuts away, which the next step makes a mark of."""
    return lambda char: " " if step(char) == "" else step(char)


#: Behaviours of a splitting step that delete nothing.
_KEEPING = ("Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext")


def certain_ids(document: Document) -> Callable[[str], tuple[int, ...] | None]:
    """Row ids that the model gives to a character; none when it is unknown, None when that is not certain."""
    pieces = document.pieces
    if document.byte_level:
        return _byte_level(document)
    fallback = [pieces.get(f"<0x{byte:02X}>") for byte in range(256)] if document.byte_fallback else []
    merges = document.model["merges"] if document.byte_fallback and document.type == "BPE" else ()
    if any("<0x" in (merge if isinstance(merge, str) else merge[0] + merge[1]) for merge in merges):
        fallback = []  # such merges would join bytes

    def ids(char: str) -> tuple[int, ...] | None:
        row = pieces.get(char)
        if row is not None:
            return (row,)
        if not document.byte_fallback:
            return ()
        rows = [fallback[byte] for byte in char.encode()] if fallback else [None]
        known = tuple(row for row in rows if row is not None)
        return known if len(known) == len(rows) else None

    return ids


def _byte_level(document: Document) -> Callable[[str], tuple[int, ...] | None]:
    pieces = document.pieces
    whole = document.model.get("ignore_merges") is True
    ranks: dict[tuple[str, str], int] = {}
    # four bytes are the most that a character has
    for rank, pair in enumerate(document.model["merges"] if document.type == "BPE" else ()):
        if isinstance(pair, str) and len(pair) > 5:
            continue
        first, second = pair.split(" ") if isinstance(pair, str) else pair
        ranks[first, second] = rank

    def ids(char: str) -> tuple[int, ...] | None:
        form = byte_alphabet.form_of(char)
        if document.type != "BPE":
            return None
        if whole and form in pieces:
            return (pieces[form],)
        parts = merge(list(form), lambda left, right: ranks.get((left, right)))
        rows = [pieces.get(part) for part in parts]
        known = tuple(row for row in rows if row is not None)
        return known if len(known) == len(rows) else None

    return ids
