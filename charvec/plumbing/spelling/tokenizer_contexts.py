"""Plumbing: what a tokenizer really makes of a character among others, for pipelines of which nothing is certain.

Leaving out the steps at the edges (:func:`charvec.plumbing.spelling.tokenizer_steps.without_edges`) tells what a
character is inside running text as long as every other step does to a lone character what it does to one among others.
Published pipelines are of that kind, and :func:`trusted` names the steps they are made of. Every other pipeline is
asked whole: the character is put between others, and only what came out there is believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from charvec.plumbing.spelling import byte_alphabet
from charvec.plumbing.spelling.tokenizer_document import Added, Document
from charvec.plumbing.spelling.tokenizer_steps import steps

__all__ = ["Context", "answers", "contexts", "is_blanks", "joins_words", "trusted"]

#: Texts before and behind a character.
Context = tuple[str, str]

_FORMS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Precompiled", "Nmt", "BertNormalizer")
_WORDS = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")
#: Behaviours of a splitting step that delete nothing.
_KEEPING = ("Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext")
_BLANKS = ({"Regex": " {2,}"}, {"Regex": "\\s+"})
#: An added token that no step makes something else of that is one character, or begins or ends with a blank.
_PLAIN = re.compile(r"[!-~]( *[!-~])+")
#: A pattern that is one character out of many; && would be what two classes share.
_CLASS = re.compile(r"\[\^?(\\.|&(?!&)|[^\]\[\\&])+\]")
#: Normalising steps to which blanks, tabs and line ends are nothing.
_LEAVING_BLANKS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")
#: Neighbours that are tried besides the ones of the vocabulary: punctuation, and a letter of CJK.
_NEIGHBOURS = ("、", ".", "字")


def joins_words(document: Document) -> bool:
    """Whether a piece inside a word has another name than at its beginning, so that no lone piece stands inside."""
    if document.type == "BPE":
        return bool(document.model.get("continuing_subword_prefix"))
    return document.type in ("WordLevel", "WordPiece")


def trusted(document: Document) -> bool:
    """Whether a lone character, without the steps at the edges, becomes what it becomes inside running text."""
    normal, split = list(steps(document.normalizer)), list(steps(document.pre_tokenizer))
    kinds = [step.get("type") for step in (*normal, *split)]
    return (
        all(map(_keeps_text, normal))
        and all(map(_keeps_parts, split))
        and not _blank_first(split[1:])  # it would stand before every part
        and (_tells_words(normal, kinds) if joins_words(document) else _ends_in_order(kinds))
        and (not document.suffix or _tells_ends(split, kinds))
        and not document.spells_marks
        and (document.model.get("ignore_merges") is not True or _tells_whole(normal, split))
        and all(_plain(token, bool(normal)) or is_blanks(token, normal) for token in document.added)
    )


def _tells_words(normal: list[dict[str, Any]], kinds: list[Any]) -> bool:
    """Whether words are cut at blanks, and nothing is put before them."""
    cut = any(kind in _WORDS for kind in kinds) and not {"Metaspace", "ByteLevel", "Prepend"} & {*kinds}
    return cut and not any(step.get("content") == "▁" for step in normal)


def _tells_ends(split: list[dict[str, Any]], kinds: list[Any]) -> bool:
    """Whether the ends of words are told although what is done at the edges of texts is left out."""
    edges = {"Metaspace", "Prepend", "Strip"} & {*kinds} or _blank_first(split)
    return not edges and all(map(_cuts_words, split))


def _tells_whole(normal: list[dict[str, Any]], split: list[dict[str, Any]]) -> bool:
    """Whether a character is a word now and then; where a word that is a piece is never cut, it is that piece."""
    joined = any(step.get("content") == "▁" for step in normal)  # no white space is left that could cut
    marked = any(step.get("type") == "Metaspace" for step in split)  # a blank may stand before every word
    return not marked and any(
        _cuts_words(step) and step.get("use_regex") is not False and not (joined and step.get("type") in _WORDS)
        for step in split
    )


def _keeps_text(step: dict[str, Any]) -> bool:
    kind, pattern, content = step.get("type"), step.get("pattern"), step.get("content")
    if kind == "Replace":
        if pattern == {"String": " "}:
            return content == "▁"
        if pattern in _BLANKS:
            return content in (" ", "▁")
        text = pattern.get("String") if isinstance(pattern, dict) else None
        if text is None and _CLASS.fullmatch(_form(step)):
            text = ""  # every character for itself
        # quotation marks of two characters, and their like
        return isinstance(text, str) and isinstance(content, str) and not {*text, *content} & {" ", "▁"}
    return kind in _FORMS or kind in ("Strip", "ByteLevel") or (kind == "Prepend" and step.get("prepend") == "▁")


def _keeps_parts(step: dict[str, Any]) -> bool:
    kind, behavior = step.get("type"), step.get("behavior", "Isolated")
    if kind in ("Split", "Punctuation"):
        return behavior in _KEEPING or _leaves_blanks(step)
    return kind in _WORDS or kind in ("Metaspace", "ByteLevel", "Digits")


def _leaves_blanks(step: dict[str, Any]) -> bool:
    """Whether a step keeps what its pattern finds, and that is all but white space: CLIP's."""
    removed = step.get("behavior") == "Removed" and step.get("invert") is True
    return removed and all(part in _form(step) for part in ("[\\p{L}]+", "[\\p{N}]", "[^\\s\\p{L}\\p{N}]+"))


def _form(step: dict[str, Any]) -> str:
    pattern = step.get("pattern")
    return str(pattern.get("Regex")) if isinstance(pattern, dict) else ""


def _blank_first(split: list[dict[str, Any]]) -> bool:
    return any(step.get("type") == "ByteLevel" and step.get("add_prefix_space") is not False for step in split)


def _cuts_words(step: dict[str, Any]) -> bool:
    """Whether a step cuts at the edges of words, as the patterns of GPT-2 and its successors do."""
    kind = step.get("type")
    if kind == "Split":
        parts = step.get("behavior") == "Isolated" and step.get("invert") is not True
        return _leaves_blanks(step) or (parts and "\\p{L" in _form(step))
    return kind in _WORDS or kind == "ByteLevel"


def _ends_in_order(kinds: list[Any]) -> bool:
    """Whether bytes are made last, and blanks marked once."""
    return kinds.count("ByteLevel") <= 1 and "ByteLevel" not in kinds[:-1] and kinds.count("Metaspace") <= 1


def _plain(token: Added, normalizes: bool) -> bool:
    entry, content = token.entry, token.content
    if not token.special and (entry["single_word"] is not False or content != content.strip()):
        return False
    return not normalizes or entry["normalized"] is not True or _PLAIN.fullmatch(content) is not None


def is_blanks(token: Added, normal: list[dict[str, Any]]) -> bool:
    """Whether an added token is made of blanks, tabs and line ends, and found in every text that holds it: Gemma's.

    GPT-NeoX and its kin have several blanks, which are looked for in normalised text, and stay what they are.
    """
    entry, content = token.entry, token.content
    if content.strip(" \t\n") or any(entry[switch] is True for switch in ("single_word", "lstrip", "rstrip")):
        return False
    kept = len(content) > 1 and all(step.get("type") in _LEAVING_BLANKS for step in normal)
    return kept or entry["normalized"] is not True


def contexts(document: Document) -> tuple[list[Context], list[Context]]:
    """What to put around a character: inside a word, and as a word of its own between blanks.

    Characters that are one piece, and part of few others, are tried first: they merge with nothing.
    """
    byte_level = document.byte_level
    lone = [byte_alphabet.text_of(piece) if byte_level else piece for piece in document.pieces if len(piece) <= 4]
    letters = [text for text in lone if text and len(text) == 1 and text.isalpha()]
    added = {char for token in document.added for char in token.content}
    inside = Counter(char for piece in document.pieces if byte_level or len(piece) > 1 for char in piece)
    weight = {
        char: sum(inside[part] for part in (byte_alphabet.form_of(char) if byte_level else char)) + 99 * (char in added)
        for char in letters
    }
    # an unknown end would be spelt in bytes
    ends = {char for char in weight if char + document.suffix in document.pieces} if document.spells_marks else ()
    chosen = [*sorted(weight, key=lambda char: (char not in ends, weight[char], char))[:3], *_NEIGHBOURS]
    return [(char, char) for char in chosen], [(char + " ", " " + char) for char in chosen]


def answers(tokenizer: Any, chars: list[str], around: Context, spelt: list[int]) -> Iterator[list[int] | None]:
    """What the tokenizer makes of each character there; None where a token reaches into its neighbours.

    A blank before the character may belong to its first token.

    Args:
        tokenizer: the whole pipeline, by the library.
        chars: the characters.
        around: what to put before and behind.
        spelt: the mark of a word's end or middle in bytes, where the library spells it so. Offsets are wrong behind it,
            and None is given for a text that holds it.
    """
    before, behind = around
    first = len(before)
    least = len(before.rstrip(" "))
    texts = [before + char + behind for char in chars]
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        mine = [
            (number, start, end)
            for number, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
            if start <= first < end
        ]
        clean = all(start >= least and end == first + 1 for _, start, end in mine)
        clean = clean and not (spelt and _holds(encoding.ids, spelt))
        yield [number for number, _, _ in mine] if clean else None


def _holds(ids: list[int], part: list[int]) -> bool:
    return any(ids[start : start + len(part)] == part for start in range(len(ids) - len(part) + 1))
