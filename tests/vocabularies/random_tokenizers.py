"""Random ``tokenizer.json`` documents over a small alphabet, and what the ``tokenizers`` library makes of a character.

The documents join normalisers, pre-tokenizers, models and added tokens as nobody would, so that every two of them meet.
:class:`Oracle` puts a character into many texts and keeps what the whole pipeline makes of it there, by the offsets
that the library gives; it shares no code with charvec.

    python tests/vocabularies/random_tokenizers.py FIRST COUNT

compares documents FIRST to FIRST + COUNT - 1, and prints what differs and how many did what.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.status import Status

#: Neighbours that are pieces of every vocabulary.
AROUND = "甲x、!"
#: Letters, digits and marks on which normalisers are at work, blanks, and what looks like a mark of tokenizers.
ALPHABET = "abAeé\u0301字学１1，,.㎡m2ｶﾞ가\u1100\u1161 \u3000\n▁Ġßſﬁ\u200b´½😂<#§\xad"
LENT = "\U0010fffeunknown"
Ids = tuple[int, ...]

_split = ByteLevel(add_prefix_space=False, use_regex=False)
BYTES = sorted(ByteLevel.alphabet())


def form_of(text: str) -> str:
    """A text as byte-level pieces hold it."""
    return "".join(piece for piece, _ in _split.pre_tokenize_str(text))


# Documents


def document(generator: random.Random) -> dict[str, Any]:
    """One of them."""
    model, byte_level = _model(generator)
    where = generator.choice(["split", "split", "normal"]) if byte_level else ""
    names = list(dict(model["vocab"]))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added(generator, names),
        "normalizer": _normalizer(generator, where),
        "pre_tokenizer": _pre_tokenizer(generator, where),
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def _pieces(generator: random.Random, suffix: str = "", prefix: str = "") -> list[str]:
    pairs = [generator.choice(ALPHABET) + generator.choice(ALPHABET) for _ in range(generator.randrange(8))]
    pairs += [pair for pair in ("m2", "fi") if generator.random() < 0.3]
    found = ["?", *AROUND, *(char for char in ALPHABET if generator.random() < 0.6), *pairs]
    for text in (*ALPHABET, *AROUND, *pairs):
        found += ["▁" + text] if generator.random() < 0.4 else []
        found += [text + suffix] if suffix and (text in AROUND or generator.random() < 0.6) else []
        found += [prefix + text] if prefix and (text in AROUND or generator.random() < 0.5) else []
    found += ["▁"] if generator.random() < 0.7 else []
    found += [prefix + "▁"] if prefix and generator.random() < 0.5 else []
    return list(dict.fromkeys(found))


_FALLBACK = [f"<0x{byte:02X}>" for byte in range(256)]


def _model(generator: random.Random) -> tuple[dict[str, Any], bool]:
    """A model, and whether its pieces are made of bytes."""
    kind = generator.choice(["WordLevel", "WordPiece", "BPE", "BPE", "BPE", "Unigram", "Unigram"])
    if kind == "BPE":
        return _bpe(generator)
    fallback = kind == "Unigram" and generator.random() < 0.3
    pieces = _pieces(generator, prefix="##" if kind == "WordPiece" else "") + (_FALLBACK if fallback else [])
    if kind == "Unigram":
        scored = [[piece, round(-generator.uniform(1, 9), 2)] for piece in pieces]
        return {"type": kind, "vocab": scored, "unk_id": 0, "byte_fallback": fallback}, False
    model = {"type": kind, "vocab": {piece: row for row, piece in enumerate(pieces)}, "unk_token": "?"}
    if kind == "WordPiece":
        longest = generator.choice([100, 100, 3])
        model |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": longest}
    return model, False


def _bpe(generator: random.Random) -> tuple[dict[str, Any], bool]:
    byte_level = generator.random() < 0.5
    suffix = "</w>" if generator.random() < 0.25 else ""
    prefix = "##" if not byte_level and not suffix and generator.random() < 0.1 else ""
    fallback = not byte_level and generator.random() < 0.4
    if byte_level:
        pieces, merges = _byte_pieces(generator, suffix)
    else:
        pieces = _pieces(generator, suffix, prefix) + (_FALLBACK if fallback else [])
        merges = _merges(generator, pieces, suffix, prefix)
    generator.shuffle(merges)
    known = "?" in pieces and generator.random() < 0.8
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": "?" if known else None,
        "continuing_subword_prefix": prefix or None,
        "end_of_word_suffix": suffix or None,
        "fuse_unk": generator.random() < 0.3,
        "byte_fallback": fallback,
        "ignore_merges": generator.random() < 0.3,
        "vocab": {piece: row for row, piece in enumerate(pieces)},
        "merges": merges,
    }, byte_level


def _byte_pieces(generator: random.Random, suffix: str) -> tuple[list[str], list[list[str]]]:
    """Pieces made by merging bytes; of some words the last merge is missing."""
    pieces = dict.fromkeys([*BYTES, *(char + suffix for char in BYTES)])
    merges: list[list[str]] = []
    words = [char for char in ALPHABET + AROUND if generator.random() < 0.6]
    words += [" " + char for char in ALPHABET if generator.random() < 0.3]
    words += [generator.choice(ALPHABET) + generator.choice(ALPHABET) for _ in range(5)]
    for word in words:
        parts = list(form_of(word))
        if suffix and generator.random() < 0.5:
            parts[-1] += suffix
        lacking = generator.random() < 0.2
        while len(parts) > 1:
            place = generator.randrange(len(parts) - 1)
            pair = parts[place : place + 2]
            parts[place : place + 2] = ["".join(pair)]
            pieces[parts[place]] = None
            if pair not in merges and not (lacking and len(parts) == 1):
                merges.append(pair)
    return list(pieces), merges


def _merges(generator: random.Random, pieces: list[str], suffix: str, prefix: str) -> list[list[str]]:
    """Most of the merges that make pieces of two characters."""
    merges = []
    for piece in pieces:
        end = suffix if suffix and piece.endswith(suffix) else ""
        start = prefix if prefix and piece.startswith(prefix) else ""
        body = piece[len(start) : len(piece) - len(end)]
        if len(body) == 2:
            pair = [start + body[0], prefix + body[1] + end]
            if set(pair) <= set(pieces) and generator.random() < 0.9:
                merges.append(pair)
    return merges


def _normalizer(generator: random.Random, where: str) -> dict[str, Any] | None:
    chain = [_normal_step(generator) for _ in range(generator.choice([0, 1, 1, 2, 3]))]
    if where == "normal":
        chain.append({"type": "ByteLevel"})
    return _sequence(generator, chain, "normalizers")


def _normal_step(generator: random.Random) -> dict[str, Any]:
    kinds = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"]
    kind = generator.choice([*kinds, "Strip", "Prepend", "Replace", "Replace", "BertNormalizer", "blank", "blank"])
    step: dict[str, Any] = {"type": kind}
    if kind == "Strip":
        step |= {"strip_left": generator.random() < 0.7, "strip_right": generator.random() < 0.7}
    elif kind == "Prepend":
        step |= {"prepend": generator.choice("▁▁▁ a")}
    elif kind == "blank":
        step = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    elif kind == "Replace":
        patterns = [{"Regex": form} for form in (" {2,}", "\\s", "[a-e]", "^a", "a$")]
        texts = (" ", generator.choice(ALPHABET), generator.choice(ALPHABET) + generator.choice(ALPHABET))
        patterns += [{"String": text} for text in texts]
        contents = ["▁", " ", "a", "", "字", "ab", "e", " a", "▁字", generator.choice(ALPHABET)]
        step |= {"pattern": generator.choice(patterns), "content": generator.choice(contents)}
    elif kind == "BertNormalizer":
        step |= {name: generator.random() < 0.5 for name in ("clean_text", "handle_chinese_chars", "lowercase")}
        step["strip_accents"] = generator.choice([None, True, False])
    return step


def _pre_tokenizer(generator: random.Random, where: str) -> dict[str, Any] | None:
    chain = [_split_step(generator) for _ in range(generator.choice([0, 1, 1, 1, 1, 2]))]
    if where == "split":
        chain = chain if generator.random() < 0.5 else []
        byte_level = {"add_prefix_space": generator.random() < 0.3, "use_regex": generator.random() < 0.6}
        chain.append({"type": "ByteLevel", "trim_offsets": True, **byte_level})
    return _sequence(generator, chain, "pretokenizers")


def _split_step(generator: random.Random) -> dict[str, Any]:
    kinds = ["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Metaspace", "Metaspace", "Digits", "Punctuation"]
    kind = generator.choice([*kinds, "Split", "UnicodeScripts", "CharDelimiterSplit", "FixedLength"])
    behavior = generator.choice(["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    step: dict[str, Any] = {"type": kind}
    if kind == "Metaspace":
        scheme = generator.choice(["always", "first", "never"])
        step |= {"replacement": "▁", "prepend_scheme": scheme, "split": generator.random() < 0.7}
    elif kind == "Digits":
        step |= {"individual_digits": generator.random() < 0.5}
    elif kind == "Punctuation":
        step |= {"behavior": behavior}
    elif kind == "Split":
        patterns = [{"Regex": form} for form in ("\\s+", "[a-e]+", "\\p{L}+|\\p{N}", ".")]
        patterns += [{"String": text} for text in (" ", "▁", generator.choice(ALPHABET))]
        step |= {"pattern": generator.choice(patterns), "behavior": behavior, "invert": generator.random() < 0.2}
    elif kind == "CharDelimiterSplit":
        step |= {"delimiter": generator.choice(" ▁a")}
    elif kind == "FixedLength":
        step |= {"length": generator.choice([1, 2, 5])}
    return step


def _sequence(generator: random.Random, chain: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    if not chain:
        return None
    return chain[0] if len(chain) == 1 and generator.random() < 0.7 else {"type": "Sequence", name: chain}


def _added(generator: random.Random, names: list[str]) -> list[dict[str, Any]]:
    rows = {name: row for row, name in enumerate(names)}
    added = {}
    for _ in range(generator.choice([0, 0, 0, 1, 2, 3, 4])):
        char = generator.choice(ALPHABET)
        forms = [char, char, char, char + " ", " " + char, f" {char} ", char + generator.choice(ALPHABET)]
        content = generator.choice([*forms, "  ", "<s>", char + "\u0301", "▁" + char])
        if content not in added:
            switches = {name: generator.random() < 0.15 for name in ("single_word", "lstrip", "rstrip")}
            switches |= {"normalized": generator.random() < 0.6, "special": generator.random() < 0.2}
            added[content] = {"id": rows.setdefault(content, len(rows)), "content": content, **switches}
    return sorted(added.values(), key=lambda token: int(token["id"]))


# The library


class Endless(Exception):
    """The library would look for nothing and find it without end."""


class Oracle:
    """What the whole pipeline makes of a character in texts."""

    def __init__(self, document: dict[str, Any]) -> None:
        model = document["model"]
        names = {name: row for row, name in enumerate(dict(model["vocab"]))}
        # pieces of which that at the beginning of a word is the character's
        self.words = model["type"] in ("WordLevel", "WordPiece") or bool(model.get("continuing_subword_prefix"))
        self.lent = -1
        if model["type"] == "BPE" and not model.get("unk_token"):
            # what is unknown is dropped then, what stood around it merged, and offsets behind it are wrong
            self.lent = len(names)
            model = {**model, "unk_token": LENT, "vocab": {**model["vocab"], LENT: self.lent}}
        self.tokenizer = Tokenizer.from_str(json.dumps({**document, "model": model}))
        self.tokenizer.encode_special_tokens = True
        fallback = set(_FALLBACK) if model.get("byte_fallback") else set()
        if "ByteLevel" in json.dumps([document["normalizer"], document["pre_tokenizer"]]):
            fallback = set(BYTES)
        added = document["added_tokens"]
        #: Special tokens, the unknown one, and tokens of which chance chooses one: the rows of no character.
        self.nobody = {token["id"] for token in added if token["special"] and token["content"] not in fallback}
        unknown = model.get("unk_id") if model["type"] == "Unigram" else names.get(model.get("unk_token"))
        self.nobody |= set() if unknown is None else {unknown}
        prefix = model.get("continuing_subword_prefix")
        self.spells_marks = bool(model.get("byte_fallback") and (prefix or model.get("end_of_word_suffix")))
        #: Pieces that stand inside words only, which are no character's.
        self.inner = {row for name, row in names.items() if prefix and name.startswith(prefix)}
        self.nobody |= self._left_to_chance([token for token in added if token["normalized"]])
        self.mark_in_bytes = tuple(names.get(f"<0x{byte:02X}>", -2) for byte in "▁".encode())
        self.marks = {names[mark] for mark in ("▁", "Ġ") if mark in names}
        self.mark = names.get("▁")

    def _left_to_chance(self, tokens: list[dict[str, Any]]) -> set[int]:
        forms = defaultdict(list)
        for token in tokens:
            normalizer = self.tokenizer.normalizer
            form = normalizer.normalize_str(token["content"]) if normalizer else token["content"]
            if not form:
                raise Endless
            forms[form].append(token["id"])
        return {row for rows in forms.values() if len(rows) > 1 for row in rows}

    def bare(self, ids: Ids) -> Ids:
        """Without the marks of blanks before."""
        while len(ids) > 1 and ids[0] in self.marks:
            ids = ids[1:]
        if len(ids) > 3 and ids[:3] == self.mark_in_bytes:
            return self.bare(ids[3:])
        return ids

    def lost(self, ids: Ids | None) -> bool:
        """Whether nothing is left, or a row that is no character's."""
        return ids is not None and (not ids or not self.nobody.isdisjoint(ids))

    def given(self, char: str) -> set[Ids]:
        """Rows that the whole pipeline gives to a character: inside words, or where it is cut off from others."""
        levels = [BLANKS, INSIDE] if self.words else [INSIDE, BLANKS]
        for texts in [] if self.spells_marks else levels:  # offsets are wrong behind a mark that is spelt
            found = self.answers(char, texts) - {None}
            rows = {ids for ids in found if not self.lost(ids) and -1 not in ids and ids[0] not in self.inner}
            if rows or (found and not self.words):
                return rows
        return set()

    def answers(self, char: str, texts: list[tuple[str, str]]) -> set[Ids | None]:
        """The ids between these texts; None where a token reaches into a neighbour that is no blank."""
        found: set[Ids | None] = set()
        whole = [before + char + behind for before, behind in texts]
        for (before, behind), encoding in zip(
            texts, self.tokenizer.encode_batch(whole, add_special_tokens=False), strict=True
        ):
            place = len(before)
            least, most = len(before.rstrip(" ")), place + 1 + len(behind) - len(behind.lstrip(" "))
            mine = [
                (-1 if number == self.lent >= 0 else number - (0 <= self.lent < number), start >= least and end <= most)
                for number, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
                if start <= place < end
            ]
            found.add(self.bare(tuple(number for number, _ in mine)) if all(clean for _, clean in mine) else None)
            if not mine and self.mark is not None and self._marked(before + char, behind):
                found.add(() if self._marked(before, behind) else (self.mark,))
            # the mark may be all there is to it, or be spelt in bytes, which count
            if before.endswith(" ") or not before or tuple(number for number, _ in mine[:3]) == self.mark_in_bytes:
                found |= {tuple(number for number, _ in mine)} if all(clean for _, clean in mine) else set()
        return found

    def _marked(self, before: str, behind: str) -> bool:
        """Whether what the second text becomes behind the first begins with a mark, which no character of it is."""
        encoding = self.tokenizer.encode(before + behind, add_special_tokens=False)
        first = next((i for i, (start, end) in enumerate(encoding.offsets) if start <= len(before) < end), None)
        if first is None or behind[:1] in ("", " ", "▁"):
            return False
        return str(self.tokenizer.id_to_token(encoding.ids[first])).startswith("▁")


ROUND = AROUND + ".字"
INSIDE = [(one, other) for one in ROUND for other in ROUND]
BLANKS = [(char + " ", " " + char) for char in ROUND]
#: Neighbours that are the alphabet's own, a double character and a number among them.
MORE = [(char, char) for char in ALPHABET] + [("2", "1")]
MORE_BLANKS = [(char + " ", " " + char) for char in ALPHABET] + [(char + " ", char) for char in ROUND]


def compare(document: dict[str, Any], path: Path, chars: str = ALPHABET) -> tuple[str, list[str], list[str]]:
    """What became of a document, which characters have a wrong row, and which have none though the library has one.

    A row is right when the whole pipeline gives it: inside words, before anything else. At the edges of words when the
    status says so; between blanks, for models whose pieces are words; for a text of its own where nothing cuts texts.
    """
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    try:
        oracle = Oracle(document)
    except Endless:
        return "endless for the library", [], []
    try:
        spelling = vocabularies.read(path).spell(np.array([ord(char) for char in chars], np.uint32))
    except CharvecError as error:
        return f"refused: {error.message.removeprefix(str(path))[:90]}", [], []
    wrong, missing = [], []
    for place, char in enumerate(chars):
        status, ids = Status(spelling.status[place]), spelling.ids(place)
        try:
            if status > Status.BYTES:
                if given := oracle.given(char):
                    missing.append(f"{char!r} is {status.label}: {sorted(given)[:3]}")
                continue
            problem = "" if oracle.nobody.isdisjoint(ids) else "the row of no character"
            problem = problem or _wrong(oracle, document, char, status, ids)
        except BaseException as error:  # a panic of the library, which charvec was spared
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            continue
        if problem:
            wrong.append(f"{char!r} is {status.label} {ids}: {problem}")
    return "compared", wrong, missing


def _wrong(oracle: Oracle, document: dict[str, Any], char: str, status: Status, ids: Ids) -> str:
    inside = oracle.answers(char, INSIDE)
    if ids in inside:
        return ""
    inside |= oracle.answers(char, MORE)
    blanks = oracle.answers(char, BLANKS)
    edges = blanks | oracle.answers(char, [*MORE_BLANKS, ("", "")])
    if ids in inside or (oracle.words and ids in edges):
        return ""
    if status in (Status.BOUNDARY, Status.NORMALIZED) and ids in edges:
        return ""
    if not inside - {None} and ids in edges:
        return ""
    alone = document["pre_tokenizer"] is None and ids in oracle.answers(char, [("", "")])
    return "" if alone and not inside - {None} else f"inside {inside}, between blanks {blanks}"


def main() -> None:
    """The command line."""
    first, count = map(int, sys.argv[1:])
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            made = document(random.Random(seed))
            outcome, wrong, missing = compare(made, Path(folder) / "tokenizer.json")
            done[outcome] += 1
            done["with a wrong row"] += bool(wrong)
            done["with a character that has no row though the library has one"] += bool(missing)
            for line in wrong[:3]:
                print(seed, line)
    print(f"{count} documents, {len(ALPHABET)} characters each")
    for outcome, number in done.most_common():
        print(f"{number:7} {outcome}")


if __name__ == "__main__":
    main()
