"""Plumbing: how a tokenizer of the ``tokenizers`` library spells characters, as they stand inside running text.

The character is given to the model's own pipeline alone, without the steps that concern the edges of a text
(:func:`charvec.plumbing.spelling.tokenizer_steps.without_edges`); what comes out are its pieces. Where that may not be
what the character becomes among others (:mod:`charvec.plumbing.spelling.tokenizer_contexts`), the whole pipeline has to
confirm it, or to say better. docs/statuses.md tells the rules, the tests hold them against the whole pipeline with
other characters around.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.plumbing.spelling import byte_alphabet
from charvec.plumbing.spelling.tokenizer_contexts import Context, answers, contexts, joins_words, trusted
from charvec.plumbing.spelling.tokenizer_document import NOBODY, Document
from charvec.plumbing.spelling.tokenizer_growth import growth_of
from charvec.plumbing.spelling.tokenizer_shortcut import certain_ids, certain_text
from charvec.plumbing.spelling.tokenizer_steps import guarded, steps
from charvec.status import Status
from charvec.vocabulary import Spelling

__all__ = ["TokenizerSpeller"]

Entry = tuple[Status, tuple[int, ...]]
#: Characters given to the library at a time; it answers with an object for each.
SLICE = 20_000


class TokenizerSpeller:
    """Spells characters by a tokenizer.

    Args:
        document: the tokenizer. Inside, pieces and tokens go by the library's numbers, and the rows are looked up in
            the end.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        document, self._own = document.numbered()
        self._numbered = document
        self._pieces = document.pieces
        self._names = {row: piece for piece, row in document.pieces.items()}
        special = {document.pieces.get(token.content, token.row) for token in document.added if token.special}
        self._trusted = trusted(document)
        #: Rows of single bytes; no special token, even where one is called the same.
        self._bytes: set[int] = set()
        if document.byte_fallback or document.byte_level:
            names = byte_alphabet.CHARS if document.byte_level else [f"<0x{byte:02X}>" for byte in range(256)]
            self._bytes = {document.pieces[name] for name in names if name in document.pieces}
        #: Rows that no character has: special tokens and the unknown one.
        self._nobody = {*(special - self._bytes), NOBODY}
        self._nobody |= {number for number, row in enumerate(self._own) if row == NOBODY}
        # where every text ends as bytes, the unknown token is never needed, and may be one of them by name
        if document.unknown is not None and not (self._trusted and document.unknown in self._bytes):
            self._nobody.add(document.unknown)
        replacements = [step.get("replacement") for step in steps(document.pre_tokenizer)]
        marks = [mark for mark in replacements if isinstance(mark, str) and len(mark) == 1]
        #: What stands before the first piece of a word.
        self._mark = byte_alphabet.BLANK if document.byte_level else (marks[-1] if marks else "▁")
        self._added = {token.content: token.row for token in document.added if not token.special}
        self._texts: dict[int, str | None] = {}
        self._inside: Any = None
        self._whole: Any = None
        self._edges: dict[str, int] | None = None
        self._at_edge: dict[int, str] = {}
        text_of = certain_text(document)  # which also checks the rules in the file
        self._text_of = text_of if self._trusted else None
        self._ids_of = certain_ids(document)

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates).

        Raises:
            DamagedFile: ``E-TOKENIZER`` when the library cannot use the tokenizer.
        """
        chars = [chr(codepoint) for codepoint in codepoints.tolist()]
        entries: list[Entry | None] = [None] * len(chars)
        if self._text_of is not None:
            entries = [self._certain(char, self._text_of(char)) for char in chars]
        asked = [place for place, entry in enumerate(entries) if entry is None]
        size = max(1, SLICE // growth_of(self._numbered.normalizer))
        for start in range(0, len(asked), size):
            places = asked[start : start + size]
            for place, entry in zip(places, self._ask([chars[place] for place in places]), strict=True):
                entries[place] = entry
        rows = [(entry[0], tuple(self._own[number] for number in entry[1])) for entry in entries if entry is not None]
        return Spelling.of(rows, _library() if asked else "")

    def _certain(self, char: str, text: str | None) -> Entry | None:
        """Status and rows of a character that reaches the model as this text; None when only the library knows."""
        ids = self._ids_of(text) if text else ()
        if text is None or ids is None:
            return None
        entry = self._classify(char, list(ids)) if ids else self._lost(char, Status.UNKNOWN if text else Status.REMOVED)
        found = entry[0] in (Status.EXACT, Status.NORMALIZED)
        return entry if found or text not in self._pieces_at_edges() else None

    def _ask(self, chars: list[str]) -> list[Entry]:
        if self._inside is None:
            self._inside = self._numbered.build(inside=True)
            self._nobody |= {token.row for token in self._numbered.rivals()}
        with guarded(self._numbered.path):
            spelt = _encode(self._inside, chars)
            if self._numbered.suffix or self._numbered.begins_parts:
                self._words_alone(chars, spelt)
            if self._trusted and self._numbered.begins_words:
                self._marks_of_words(chars, spelt)
            entries = [self._classify(char, ids) for char, ids in zip(chars, spelt, strict=True)]
            if self._trusted:
                self._look_at_edges(chars, entries)
            else:
                self._look_among_others(chars, entries)
        return entries

    def _words_alone(self, chars: list[str], spelt: list[list[int]]) -> None:
        """Characters that never stand inside a word get the pieces of a whole word: the digits of CLIP."""
        normalize, split = self._normalizer(), self._inside.pre_tokenizer
        if split is None:
            return

        def twice(char: str) -> str:
            text = normalize(char)
            # the blank that NFKC puts before an accent parts no word
            return text.lstrip() * 2 if text[:1].isspace() else normalize(char * 2)

        places = [place for place, char in enumerate(chars) if len(split.pre_tokenize_str(twice(char))) > 1]
        ends = _encode(self._ends, [chars[place] for place in places])
        for place, ids in zip(places, ends, strict=True):
            spelt[place] = ids

    def _marks_of_words(self, chars: list[str], spelt: list[list[int]]) -> None:
        """White space that is cut away gets the mark that stands in its place, before what follows."""
        mark = self._pieces.get(self._mark)
        places = [place for place, ids in enumerate(spelt) if not ids]
        if mark is None or not places:
            return
        normalize, split = self._normalizer(), self._inside.pre_tokenizer
        for place in places:
            text = normalize(chars[place])
            if text and not split.pre_tokenize_str(text):
                spelt[place] = [mark]

    @cached_property
    def _spelt_mark(self) -> list[int]:
        """The mark of a word's end or middle in bytes, where the library spells it so; else empty."""
        document = self._numbered
        mark = document.suffix or str(document.model.get("continuing_subword_prefix") or "")
        names = [f"<0x{byte:02X}>" for byte in mark.encode()] if document.spells_marks else []
        return [self._pieces[name] for name in names if name in self._pieces]

    @property
    def _ends(self) -> Any:
        """The whole pipeline."""
        if self._whole is None:
            self._whole = self._numbered.build(inside=False, whole=True)
        return self._whole

    def _classify(self, char: str, ids: list[int]) -> Entry:
        """Status and rows by what the pipeline made of a character inside running text."""
        if not self._names.keys() >= set(ids):
            ids = [self._row(id) for id in ids]
        while len(ids) > 1 and self._names.get(ids[0]) == self._mark:
            # a blank that stands before what the character became; it is a row of every text
            ids = ids[1:]
        if not ids:
            return self._lost(char, Status.REMOVED)
        if not self._nobody.isdisjoint(ids):
            return self._lost(char, Status.UNKNOWN)
        if len(ids) == 1:
            row = ids[0]
            text = self._text(row)
            if text == char or self._pieces.get(self._form(char)) == row:
                return Status.EXACT, (row,)
            if text is None:
                return Status.BYTES, (row,)
            return (Status.NORMALIZED if len(text) == 1 else Status.COMPOSED), (row,)
        whole = all(self._text(row) is not None for row in ids)
        return (Status.COMPOSED if whole else Status.BYTES), tuple(ids)

    def _lost(self, char: str, status: Status) -> Entry:
        """What to say of a character without pieces: unreachable, if there is one that is itself."""
        own = self._pieces.get(self._form(char), NOBODY)
        return (status, ()) if own in self._nobody else (Status.UNREACHABLE, (own,))

    def _look_at_edges(self, chars: list[str], entries: list[Entry]) -> None:
        """Give characters that are no piece inside a word the piece they are at its edge, if there is one."""
        edges = self._pieces_at_edges()
        if not edges:
            return
        normalize = self._normalizer()
        found = {}
        for place, (char, (status, _)) in enumerate(zip(chars, entries, strict=True)):
            if status not in (Status.EXACT, Status.NORMALIZED):
                text = normalize(char)
                if text in edges:
                    found[place] = text
        if not found:
            return
        whole = self._ends
        places = list(found)
        # without the ends of words there is no telling what becomes of one behind a blank
        inner = [] if self._numbered.suffix else [(self._inside, " ")]
        for tokenizer, blank in [(whole, ""), *inner, (whole, " ")]:
            texts = [blank + chars[place] for place in places]
            for place, ids in zip(places, _encode(tokenizer, texts), strict=True):
                if ids == [edges[found[place]]]:
                    status = Status.BOUNDARY if found[place] == chars[place] else Status.NORMALIZED
                    entries[place] = status, (ids[0],)

    def _look_among_others(self, chars: list[str], entries: list[Entry]) -> None:
        """Keep of the entries what the whole pipeline confirms, and put what it says in the place of the others.

        Inside words comes first, then between blanks, then the character as a text of its own; of words, which have
        other pieces inside, between blanks first.
        """
        inside, blanks = contexts(self._numbered)
        words = joins_words(self._numbered)
        alone = dict(enumerate(entries))
        answered: dict[int, Entry] = {}
        levels = [blanks, inside] if words else [inside, blanks]
        if self._numbered.spells_marks and not words:
            levels = [inside]  # where no text without a spelt mark was found, a word's end says nothing
        for level in levels:
            # of a word that has no piece there may be one in other surroundings
            left = [
                place
                for place in range(len(chars))
                if place not in answered or (words and answered[place][0] > Status.BYTES)
            ]
            answered |= self._said(chars, alone, left, level, level is inside)
        if self._numbered.pre_tokenizer is None:
            # then the words may be cut before the tokenizer sees them
            left = [place for place in range(len(chars)) if place not in answered]
            answered |= self._said(chars, alone, left, [("", "")], False)
        for place, char in enumerate(chars):
            if place in answered:
                entries[place] = answered[place]
            elif entries[place][0] <= Status.BYTES:
                entries[place] = self._lost(char, Status.UNKNOWN)
        if edges := self._pieces_at_edges() if not words else {}:
            normalize = self._normalizer()
            wished: dict[int, Entry] = {}
            for place, (char, (status, _)) in enumerate(zip(chars, entries, strict=True)):
                if status not in (Status.EXACT, Status.NORMALIZED):
                    text = next((text for text in (normalize(char), char) if text in edges), "")
                    if text:
                        wished[place] = (Status.BOUNDARY if text == char else Status.NORMALIZED), (edges[text],)
            said = self._said(chars, wished, list(wished), [*blanks, ("", "")], False)
            for place, entry in said.items():
                if entry[0] in (Status.BOUNDARY, Status.NORMALIZED):
                    entries[place] = entry

    def _said(
        self,
        chars: list[str],
        wanted: Mapping[int, Entry],
        places: list[int],
        level: list[Context],
        inside: bool,
    ) -> dict[int, Entry]:
        """What the whole pipeline makes of characters in some contexts: the wanted, if it is so in one; else the first.

        Left out are characters that were never cut off from those around them.
        """
        found: dict[int, Entry] = {}
        left = places
        for around in level:
            texts = [chars[place] for place in left]
            for place, ids in zip(left, answers(self._ends, texts, around, self._spelt_mark), strict=True):
                entry = None if ids is None else self._judged(chars[place], ids, inside)
                if entry is not None and (place not in found or entry == wanted[place]):
                    found[place] = entry
            left = [place for place in left if found.get(place) != wanted[place]]
            if not left:
                break
        return found

    def _judged(self, char: str, ids: list[int], inside: bool) -> Entry | None:
        """Status and rows by what the whole pipeline made of a character among others.

        A piece that stands inside words only is no character's; where nothing cuts words, it says nothing.
        """
        prefix = str(self._numbered.model.get("continuing_subword_prefix") or "")
        entry = self._classify(char, ids)
        status, rows = entry
        if status > Status.BYTES:
            return entry
        name = self._names.get(rows[0], "")
        if prefix and joins_words(self._numbered) and name.startswith(prefix) and name != char:
            return self._lost(char, Status.UNKNOWN) if self._numbered.pre_tokenizer else None
        self._pieces_at_edges()
        text = self._at_edge.get(rows[0]) if len(rows) == 1 and not (inside and status == Status.EXACT) else None
        if text is not None:
            return (Status.BOUNDARY if text == char else Status.NORMALIZED), rows
        return entry

    def _pieces_at_edges(self) -> dict[str, int]:
        """Row ids of pieces that are one character with the mark of a word's beginning or end, by that character."""
        if self._edges is None:
            mark, suffix = self._mark, self._numbered.suffix
            decode: Callable[[str], str | None] = byte_alphabet.text_of if self._numbered.byte_level else str
            self._edges = {}
            for piece, row in self._pieces.items():
                bare = piece[1:] if piece.startswith(mark) else None
                if suffix and piece.endswith(suffix):
                    bare = piece[: -len(suffix)]
                # four characters of the byte alphabet are the most that one character takes
                if bare and len(bare) <= 4 and row not in self._nobody:
                    text = decode(bare)
                    if text is not None and len(text) == 1:
                        self._edges[text] = row
                        self._at_edge[row] = text
        return self._edges

    def _normalizer(self) -> Callable[[str], str]:
        """What the normaliser makes of a character, before it is turned into bytes."""
        document = self._numbered
        normalizer = self._inside.normalizer
        if any(step.get("type") == "ByteLevel" for step in steps(document.normalizer)):
            kept = [step for step in steps(document.normalizer) if step.get("type") != "ByteLevel"]
            chain = {"type": "Sequence", "normalizers": kept}
            model = {"vocab": {"a": 0}, "unk_token": "a"}
            bare = Document(document.path, "WordLevel", model, {"a": 0}, (), chain, None)
            normalizer = bare.build(inside=True).normalizer
        return normalizer.normalize_str if normalizer is not None else str

    def _form(self, char: str) -> str:
        """The piece that would be the character itself."""
        return byte_alphabet.form_of(char) if self._numbered.byte_level else char

    @cached_property
    def _contents(self) -> dict[int, str]:
        """What added tokens are called in the file, by the library's numbers of them.

        Those for words of their own are known to the whole pipeline only, which is built where nothing is certain.
        """
        pipelines = [self._inside] if self._trusted else [self._inside, self._ends]
        return {
            number: token.content
            for pipeline in pipelines
            for number, token in pipeline.get_added_tokens_decoder().items()
        }

    def _row(self, number: int) -> int:
        """The row of what the library numbers so: a piece's, an added token's, or nobody's."""
        if number in self._names:
            return number
        # a token that is looked for in normalised text is called so by `id_to_token`
        return self._added.get(self._contents.get(number, ""), NOBODY)

    def _text(self, row: int) -> str | None:
        """The characters of a piece; None when it is a fragment of some."""
        try:
            return self._texts[row]
        except KeyError:
            pass
        piece = self._names.get(row)
        if row in self._bytes and not self._numbered.byte_level:
            text = None
        elif piece is None:  # a token added behind the vocabulary
            text = next((content for content, its in self._added.items() if its == row), None)
        else:
            if self._numbered.suffix:
                piece = piece.removesuffix(self._numbered.suffix)
            text = byte_alphabet.text_of(piece) if self._numbered.byte_level else piece
        self._texts[row] = text
        return text


def _encode(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Row ids of each text."""
    # the faster one leaves out offsets; older versions lack it
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    return [encoding.ids for encoding in encode(texts, add_special_tokens=False)]


def _library() -> str:
    import tokenizers

    return f"tokenizers {tokenizers.__version__}"
