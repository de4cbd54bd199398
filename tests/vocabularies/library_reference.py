"""What the ``tokenizers`` library makes of single characters, by its whole pipeline.

The reference puts each character between two others, takes away what the library makes of those, and judges by the
names of the tokens that are left. It shares no code with charvec.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders
from tokenizers.pre_tokenizers import ByteLevel

from charvec import vocabularies
from charvec.status import Status

Entry = tuple[Status, tuple[int, ...]]


class Reference:
    """What a tokenizer makes of single characters, by its whole pipeline."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text("utf-8"))
        self.tokenizer = Tokenizer.from_file(str(path))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.encode_special_tokens = True
        model = document["model"]
        self.type = model["type"]
        self.suffix = model.get("end_of_word_suffix") or ""
        self.fallback = bool(model.get("byte_fallback"))
        self.bytes = "ByteLevel" in json.dumps(document["pre_tokenizer"])
        self.mark = "Ġ" if self.bytes else "▁"
        self.vocab = self.tokenizer.get_vocab(with_added_tokens=False)
        self.special = {token["content"] for token in document["added_tokens"] if token["special"]}
        self.unknown = model.get("unk_token") if self.type != "Unigram" else model["vocab"][model["unk_id"]][0]
        self.nobody = {token for token in self.special | {self.unknown} if not (self.fallback and token[:3] == "<0x")}
        if self.bytes:
            self.nobody -= set(ByteLevel.alphabet())
        self.undo = decoders.ByteLevel()
        self.around = list(self._around())

    def encode(self, texts: list[str]) -> list[tuple[list[int], list[str]]]:
        """Ids and tokens."""
        # the names by the ids: Unigram calls its unknown token by the text that is unknown
        return [
            (each.ids, [self.tokenizer.id_to_token(row) for row in each.ids])
            for each in self.tokenizer.encode_batch(texts, add_special_tokens=False)
        ]

    def _around(self) -> Iterator[tuple[str, str, list[int], list[int]]]:
        """Characters to put around another: text before, text behind, and the ids of each."""
        if self.type == "WordLevel":
            pairs = [("字 ", " 字")]
        elif self.type == "WordPiece":
            pairs = [("、", "、"), (".", ".")]
        else:
            # ideographs that are one piece, and part of no other
            alone = [char for char in map(chr, range(0x4E00, 0x9FA6)) if self._alone(char)]
            pairs = [(char, char) for char in alone[:3]] + [("、", "、"), ("!", "?"), ("1", "1")]
        for before, behind in pairs:
            ids, tokens = self.encode([before + behind])[0]
            plain = [token for token in tokens if token != self.mark]
            if len(plain) == 2 and not set(tokens) & self.nobody:
                yield before, behind, ids[:-1], ids[-1:]

    def _alone(self, char: str) -> bool:
        form = self.form(char)
        own = 1 + (self.suffix != "" and form + self.suffix in self.vocab)
        return form in self.vocab and self._containing().count(form) == own

    @cache  # noqa: B019 - lives as long as the test
    def _containing(self) -> str:
        return "\n".join(self.vocab)

    def form(self, char: str) -> str:
        """A text as byte-level pieces hold it."""
        if not self.bytes:
            return char
        return "".join(piece for piece, _ in ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(char))

    def text(self, token: str) -> str | None:
        """The characters of a token; None for a fragment."""
        if self.fallback and len(token) == 6 and token.startswith("<0x"):
            return None
        if not self.bytes or token not in self.vocab:
            return token
        return self.unbyte(token.removesuffix(self.suffix))

    def within(self, chars: list[str]) -> list[tuple[list[int], list[str]]]:
        """Ids and tokens of each character inside running text."""
        left = dict.fromkeys(range(len(chars)))
        found: dict[int, tuple[list[int], list[str]]] = {}
        for before, behind, head, tail in self.around:
            places = list(left)
            for place, (ids, tokens) in zip(
                places, self.encode([before + chars[p] + behind for p in places]), strict=True
            ):
                if ids[: len(head)] == head and ids[len(ids) - len(tail) :] == tail and len(ids) >= len(head + tail):
                    mine = slice(len(head), len(ids) - len(tail))
                    if not self.suffix or not tokens[mine] or not tokens[mine][-1].endswith(self.suffix):
                        del left[place]
                    found.setdefault(place, (ids[mine], tokens[mine]))
                    if place not in left:
                        found[place] = (ids[mine], tokens[mine])
        assert len(found) == len(chars), [f"U+{ord(chars[p]):04X}" for p in range(len(chars)) if p not in found][:9]
        return [found[place] for place in range(len(chars))]

    def at_edges(self, chars: list[str]) -> Iterator[Entry | None]:
        """A piece that is one character with the mark of an edge, where the pipeline gives that piece alone."""
        before, behind, head, tail = self.around[0]
        variants: list[tuple[Callable[[str], str], int, int]] = [
            (lambda char: char, 0, 0),
            (lambda char: before + " " + char + behind, len(head), len(tail)),
        ]
        answers = [self.encode([make(char) for char in chars]) for make, _, _ in variants]
        for place, char in enumerate(chars):
            entry = None
            for (_, start, end), answer in zip(variants, answers, strict=True):
                ids, tokens = answer[place]
                ids, tokens = ids[start : len(ids) - end], tokens[start : len(tokens) - end]
                if len(ids) == 1 and entry is None and tokens[0] not in self.nobody and tokens[0] in self.vocab:
                    token = tokens[0]
                    if token.startswith(self.mark):
                        text = self.text(token[1:]) if not self.bytes else self.unbyte(token[1:])
                    elif self.suffix and token.endswith(self.suffix):
                        text = self.text(token)
                    else:
                        continue
                    if text is not None and len(text) == 1:
                        entry = (Status.BOUNDARY if text == char else Status.NORMALIZED), (ids[0],)
            yield entry

    def unbyte(self, piece: str) -> str | None:
        """The text of a byte-level piece, in the vocabulary or not."""
        text = str(self.undo.decode([piece])) if piece else ""
        return text if self.form(text) == piece else None

    def judge(self, char: str, ids: list[int], tokens: list[str]) -> Entry:
        """Status and rows by the tokens of a character inside running text."""
        while len(tokens) > 1 and tokens[0] == self.mark:
            ids, tokens = ids[1:], tokens[1:]
        if not ids or set(tokens) & self.nobody:
            own = self.vocab.get(self.form(char)) if self.form(char) not in self.nobody else None
            if own is not None:
                return Status.UNREACHABLE, (own,)
            return (Status.UNKNOWN if ids else Status.REMOVED), ()
        texts = [self.text(token) for token in tokens]
        if None in texts:
            return Status.BYTES, tuple(ids)
        if len(texts) == 1 == len(texts[0] or ""):
            return (Status.EXACT if texts[0] == char else Status.NORMALIZED), tuple(ids)
        return Status.COMPOSED, tuple(ids)

    def __call__(self, chars: list[str]) -> list[Entry]:
        """Status and rows of each character."""
        entries = [self.judge(char, *each) for char, each in zip(chars, self.within(chars), strict=True)]
        rest = [place for place, entry in enumerate(entries) if entry[0] not in (Status.EXACT, Status.NORMALIZED)]
        for place, entry in zip(rest, self.at_edges([chars[place] for place in rest]), strict=True):
            entries[place] = entry or entries[place]
        return entries


def disagreements(path: Path, codepoints: list[int]) -> list[str]:
    """Characters that charvec and the reference spell differently."""
    reference = Reference(path)
    speller = vocabularies.read(path).spell
    wrong = []
    for start in range(0, len(codepoints), 20_000):
        part = codepoints[start : start + 20_000]
        spelling = speller(np.array(part, np.uint32))
        for place, entry in enumerate(reference([chr(codepoint) for codepoint in part])):
            found = Status(spelling.status[place]), spelling.ids(place)
            if found != entry:
                wrong.append(f"U+{part[place]:04X} {found[0].label} {found[1]}, reference {entry[0].label} {entry[1]}")
    return wrong
