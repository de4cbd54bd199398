"""Plumbing: ``tokenizer.json``, checked before the ``tokenizers`` library sees it, and as that library shall see it.

Layout: the serialisation of ``tokenizers`` (``Tokenizer.to_str``): ``model`` with its ``vocab``, ``added_tokens``,
``normalizer`` and ``pre_tokenizer``; the rest (``truncation``, ``padding``, ``post_processor``, ``decoder``) plays no
part in what a single character becomes, and never reaches the library.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from charvec.errors import Note
from charvec.plumbing.files import File
from charvec.plumbing.safejson import parse
from charvec.plumbing.spelling.normalizer import MAX_BYTES, MAX_DIGITS, refuse
from charvec.plumbing.spelling.tokenizer_growth import check_growth
from charvec.plumbing.spelling.tokenizer_model import (
    KINDS,
    MAX_ID,
    MAX_PIECES,
    check_merges,
    row_notes,
    rows_of,
    type_of,
)
from charvec.plumbing.spelling.tokenizer_steps import check_steps, guarded, steps, without_edges
from charvec.valueclass import dataclass

__all__ = ["NOBODY", "Added", "Document", "parse_whole"]

#: The row of what has none.
NOBODY = -1

#: The unknown token of a vocabulary that has none: no text that one character becomes is as long.
STRANGER = "\U0010ffffunknown\U0010ffff" * 100


def parse_whole(file: File) -> tuple[Any, bytes]:
    """The JSON of a file, and its bytes.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
    """
    data = file.whole(MAX_BYTES, "a tokenizer")
    return parse(data, file.path, code="E-TOKENIZER", what="tokenizer", digits=MAX_DIGITS), data


@dataclass(frozen=True)
class Added:
    """A token added to the vocabulary, which is looked for before the text is normalised and cut."""

    content: str
    row: int
    special: bool
    #: For the library, as it stands in the file.
    entry: dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A tokenizer.

    Attributes:
        path: the file, for messages.
        type: ``WordPiece``, ``WordLevel``, ``BPE`` or ``Unigram``.
        model: the model as it stands in the file.
        pieces: piece -> row id of the model's own vocabulary.
        added: tokens added to it.
        normalizer, pre_tokenizer: as they stand in the file, None where there is none.
        notes: remarks for the user.
    """

    path: str
    type: str
    model: dict[str, Any]
    pieces: dict[str, int]
    added: tuple[Added, ...]
    normalizer: Any
    pre_tokenizer: Any
    notes: tuple[Note, ...] = ()

    @staticmethod
    def of(value: Any, path: str) -> Document:
        """From the parsed JSON.

        Raises:
            DamagedFile: ``E-TOKENIZER``, saying what is wrong.
        """
        if not isinstance(value, dict):
            refuse(path, "not a JSON object")
        model = value.get("model")
        if not isinstance(model, dict):
            refuse(path, "it has no model", "name the tokenizer.json that was published with the checkpoint")
        kind = type_of(model, path)
        rows = rows_of(model.get("vocab"), path, kind)
        pieces = dict(rows)
        if kind == "BPE":
            check_merges(model, pieces, path)
        added = tuple(_added(value.get("added_tokens"), path))
        normalizer, pre_tokenizer = value.get("normalizer"), value.get("pre_tokenizer")
        check_steps(normalizer, path, "normalizer")
        check_steps(pre_tokenizer, path, "pre_tokenizer")
        check_growth(normalizer, pre_tokenizer, path)
        notes = row_notes(rows, pieces, path)
        if clashing := clashes(pieces, added):
            listed = ", ".join(f"{token.content!r} at row {token.row}" for token in clashing[:5])
            more = f" and {len(clashing) - 5} more" if len(clashing) > 5 else ""
            message = f"{path}: added tokens whose row is another's, so that they have none: {listed}{more}"
            notes = (*notes, Note("W-VOCAB-DUP", message, path))
        return Document(path, kind, model, pieces, added, normalizer, pre_tokenizer, notes)

    @property
    def size(self) -> int:
        """One more than the largest row id of the model's own vocabulary."""
        return max(self.pieces.values()) + 1

    @property
    def extended(self) -> int:
        """One more than the largest row id of the added tokens; 0 without any."""
        return max((token.row + 1 for token in self.added), default=0)

    @property
    def settings(self) -> dict[str, str]:
        """What decides the spelling besides the pieces, for vector files: the steps, without their arguments."""
        parts = {"normalizer": self.normalizer, "pre_tokenizer": self.pre_tokenizer}
        return {
            name: "+".join(str(step.get("type"))[:40] for step in steps(part)) or "none" for name, part in parts.items()
        }

    @property
    def byte_level(self) -> bool:
        """Whether texts are cut as bytes, in the alphabet of GPT-2."""
        return any(
            step.get("type") == "ByteLevel" for part in (self.normalizer, self.pre_tokenizer) for step in steps(part)
        )

    @property
    def byte_fallback(self) -> bool:
        """Whether a character without a piece becomes pieces of one byte, ``<0x0A>``."""
        return self.model.get("byte_fallback") is True

    @property
    def kind(self) -> str:
        """Name of the kind in vector files, e.g. ``byte-level bpe``."""
        return ("byte-level " if self.byte_level else "") + KINDS[self.type]

    @property
    def suffix(self) -> str:
        """What stands behind the last piece of a word, ``</w>`` in CLIP; "" mostly."""
        return str(self.model.get("end_of_word_suffix") or "") if self.type == "BPE" else ""

    @property
    def spells_marks(self) -> bool:
        """Whether what is unknown is spelt in bytes, the marks of where words end or go on too."""
        marks = self.suffix or (self.type == "BPE" and self.model.get("continuing_subword_prefix"))
        return self.byte_fallback and bool(marks)

    @property
    def begins_parts(self) -> bool:
        """Whether a blank is put before every part of a text that has been cut by more than its white space."""
        before, always = self._before_marks
        return always and any(kind != "WhitespaceSplit" for kind in before)

    @property
    def begins_words(self) -> bool:
        """Whether white space is cut away, and what stood behind it begins with a mark instead: XLM-R's and T5's."""
        before, always = self._before_marks
        return always and {*before} == {"WhitespaceSplit"}

    @property
    def _before_marks(self) -> tuple[list[Any], bool]:
        """The kinds of pre-tokenizing steps before marks are put, and whether every part of a text gets one."""
        kinds: list[Any] = []
        for step in steps(self.pre_tokenizer):
            if step.get("type") == "Metaspace":
                scheme = step.get("prepend_scheme", "always" if step.get("add_prefix_space", True) else "never")
                return kinds, scheme == "always"
            kinds.append(step.get("type"))
        return kinds, False

    @property
    def unknown(self) -> int | None:
        """The row id of the unknown token, if the vocabulary has one."""
        if self.type == "Unigram":
            row: int | None = self.model.get("unk_id")
            return row
        return self.pieces.get(self.model.get("unk_token") or "")

    def numbered(self) -> tuple[Document, list[int]]:
        """The same tokenizer with its ids as the library would give them, and the row id of each of these.

        The library numbers added tokens from the count of pieces on, whatever the file says. Where the ids of the
        pieces have holes, a token would so get the row of a piece.

        Returns:
            the tokenizer, and its row ids by the number of the piece or token. Of an added token whose row is that of a
            piece with another name none is certain; it has :data:`NOBODY`'s.
        """
        own = [*self.pieces.values()]
        model, pieces = self.model, self.pieces
        if self.type == "Unigram":
            own = list(range(len(model["vocab"])))  # a piece that stands twice counts twice
        elif own != list(range(len(own))):
            pieces = {piece: number for number, piece in enumerate(pieces)}
            model = {**model, "vocab": pieces}
        clashing = {id(token) for token in clashes(self.pieces, self.added)}
        added: dict[str, Added] = {}
        for token in self.added:
            if token.content in added:
                continue  # as the library does
            number = pieces.get(token.content)
            if number is None:
                number = len(own)
                own.append(NOBODY if id(token) in clashing else token.row)
            added[token.content] = replace(token, row=number)
        return replace(self, model=model, pieces=pieces, added=tuple(added.values())), own

    def build(self, *, inside: bool, whole: bool = False) -> Any:
        """The tokenizer, by the ``tokenizers`` library: what it makes of a text without special tokens.

        Args:
            inside: leave out what is done at the edges of texts and words only, see
                :func:`charvec.plumbing.spelling.tokenizer_steps.without_edges`.
            whole: leave the special tokens in, which are looked for although they are spelt as text, and hide others.

        Raises:
            DamagedFile: ``E-TOKENIZER`` when the library refuses it.
        """
        from tokenizers import Tokenizer

        spells = whole and hasattr(Tokenizer, "encode_special_tokens")  # older releases cannot
        normalizer, pre_tokenizer = self.normalizer, self.pre_tokenizer
        if inside:
            normalizer, pre_tokenizer = without_edges(normalizer), without_edges(pre_tokenizer)
        lean = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": self._added_tokens(inside, normalizer, spells),
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": None,
            "decoder": None,
            "model": self._model(inside, lends=inside or whole),
        }
        with guarded(self.path):
            tokenizer = Tokenizer.from_str(json.dumps(lean, ensure_ascii=False))
            if spells:
                tokenizer.encode_special_tokens = True
            return tokenizer

    def _added_tokens(self, inside: bool, normalizer: Any, spells: bool) -> list[dict[str, Any]]:
        """Without the special ones, which are never text, and what is found at the edges of texts or words only.

        Nor those of which the normaliser leaves nothing: no text holds them, and the library, looking for nothing, may
        find it without end (tokenizers 0.23, in texts that are not ASCII).

        One that stands behind the vocabulary leaves a placeholder that no text can match, because the library numbers
        those tokens in turn.
        """
        # such a token is looked for as the normaliser leaves it, with the blank that is put before every text
        edgy = inside and any(step.get("type") == "Prepend" for step in steps(self.normalizer))
        # were a special one found by chance, its text would be spelt
        rivals = {token.content for token in self.rivals()} if spells else set()
        lost = [
            (token.special and (not spells or token.content in rivals))
            or (edgy and token.entry["normalized"] is True)
            or (inside and token.entry["single_word"] is True)
            for token in self.added
        ]
        sought = {token.content for token, gone in zip(self.added, lost, strict=True) if not gone}
        sought &= {token.content for token in self.added if token.entry["normalized"] is True}
        if sought and normalizer is not None:
            vanished = self._vanishing(sought, normalizer)
            lost = [gone or token.content in vanished for token, gone in zip(self.added, lost, strict=True)]
        return [
            {**token.entry, "content": f"\U0010ffff{token.row}\U0010ffff", "normalized": False} if gone else token.entry
            for token, gone in zip(self.added, lost, strict=True)
            if not gone or token.content not in self.pieces
        ]

    def _vanishing(self, texts: set[str], normalizer: Any) -> set[str]:
        """The texts of which the normaliser leaves nothing."""
        return {text for text, left in self._normalised(texts, normalizer).items() if not left}

    def _normalised(self, texts: set[str], normalizer: Any) -> dict[str, str]:
        model = {"vocab": {"a": 0}, "unk_token": "a"}
        bare = Document(self.path, "WordLevel", model, {"a": 0}, (), normalizer, None).build(inside=False)
        with guarded(self.path):
            return {text: bare.normalizer.normalize_str(text) for text in texts}

    def rivals(self) -> list[Added]:
        """Added tokens that are looked for as the same text; which of them is found, the library leaves to chance.

        Raises:
            DamagedFile: ``E-TOKENIZER`` when the library refuses the normaliser.
        """
        sought = [token for token in self.added if token.entry["normalized"] is True]
        if len(sought) < 2 or self.normalizer is None:
            return []
        texts = self._normalised({token.content for token in sought}, self.normalizer)
        counts = Counter(texts[token.content] for token in sought)
        return [token for token in sought if counts[texts[token.content]] > 1]

    def _model(self, inside: bool, *, lends: bool) -> dict[str, Any]:
        """The model as it stands in the file, but without chance, and with an unknown token where it would stumble."""
        model = {"type": self.type, **self.model}
        if self.type == "BPE":
            model["dropout"] = None
            if self.unknown is None:
                # the library drops what it does not know, joins what stood around it, and loses count of offsets
                model["unk_token"] = STRANGER if lends else None
                if lends:
                    model["vocab"] = {**model["vocab"], STRANGER: len(model["vocab"])}
            if inside:
                model["end_of_word_suffix"] = None
        elif self.unknown is None:
            if self.type == "Unigram":
                lowest = min(score for _, score in model["vocab"])
                model["unk_id"] = len(model["vocab"])
                model["vocab"] = [*model["vocab"], [STRANGER, lowest]]
            else:
                model["vocab"] = {**model["vocab"], STRANGER: self.size}
                model["unk_token"] = STRANGER
        return model


def clashes(pieces: dict[str, int], added: tuple[Added, ...]) -> list[Added]:
    """Added tokens whose row is that of a piece, or of an added token, with another name."""
    behind = [token for token in added if token.content not in pieces]
    owners = dict.fromkeys(pieces.values(), "") if behind else {}
    return [token for token in behind if owners.setdefault(token.row, token.content) != token.content]


def _added(entries: Any, path: str) -> Iterator[Added]:
    if entries is None:
        return
    if not isinstance(entries, list) or len(entries) > MAX_PIECES:
        refuse(path, "added_tokens is no list")
    for entry in entries:
        content, row = (entry.get("content"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(content, str) or type(row) is not int or not 0 <= row < MAX_ID:
            refuse(path, f"{str(entry)[:80]!r} is no added token with its id")
        switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        yield Added(content, row, entry.get("special") is True, {**switches, **entry})
