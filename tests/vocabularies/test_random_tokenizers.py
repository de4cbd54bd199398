"""Pipelines that nobody would publish: no wrong row, whatever meets whatever; and the kinds that once gave one."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_tokenizers import compare, document
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from charvec import vocabularies
from charvec.status import Status


def test_random_documents(tmp_path: Path) -> None:
    """Each row is one that the whole pipeline gives to the character in some text."""
    first, count = int(os.environ.get("CHARVEC_SEED", "0")), int(os.environ.get("CHARVEC_DOCUMENTS", "150"))
    outcomes = {
        seed: compare(document(random.Random(seed)), tmp_path / "x.json") for seed in range(first, first + count)
    }
    assert not {seed: wrong for seed, (_, wrong, _) in outcomes.items() if wrong}
    assert sum(outcome == "compared" for outcome, *_ in outcomes.values()) > 0.9 * count
    assert sum(bool(missing) for *_, missing in outcomes.values()) < 0.15 * count


def spelt(folder: Path, tokenizer: Tokenizer | dict[str, Any], text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    path = folder / "tokenizer.json"
    path.write_text(tokenizer.to_str() if isinstance(tokenizer, Tokenizer) else json.dumps(tokenizer), "utf-8")
    spelling = vocabularies.read(path).spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


def unigram(*pieces: str) -> Tokenizer:
    """A tokenizer of pieces that cost the same, the first unknown."""
    return Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], 0, False))


def test_an_added_token_with_a_blank_that_is_stripped(tmp_path: Path) -> None:
    """It is looked for without the blank, so it is what the character becomes everywhere."""
    tokenizer = unigram("?", "a", "x")
    tokenizer.normalizer = normalizers.Strip()
    tokenizer.add_tokens([AddedToken(" x", normalized=True)])
    assert tokenizer.encode("axa").ids == [1, 3, 1]
    assert spelt(tmp_path, tokenizer, "ax") == [("exact", (1,)), ("composed", (3,))]


def test_an_added_token_for_a_word_of_its_own(tmp_path: Path) -> None:
    """Inside a word the character is a piece, and that is its row."""
    tokenizer = Tokenizer(models.BPE({"?": 0, "a": 1, "ö": 2, "字": 3, " ": 4}, [], unk_token="?"))
    tokenizer.add_tokens([AddedToken("é", single_word=True), AddedToken("öö", single_word=True), "x"])
    assert tokenizer.encode("字é字ö").ids == [3, 0, 3, 2] and tokenizer.encode("字 é").ids == [3, 4, 5]
    assert spelt(tmp_path, tokenizer, "öéax") == [("exact", (2,)), ("unknown", ()), ("exact", (1,)), ("exact", (7,))]


@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece"])
def test_an_added_token_among_words(kind: str, tmp_path: Path) -> None:
    """Where every piece is a word, such a token is what the character becomes, as any word is."""
    vocab = {"?": 0, "a": 1, "字": 2}
    model = models.WordLevel(vocab, "?") if kind == "WordLevel" else models.WordPiece(vocab, unk_token="?")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_tokens([AddedToken("é", single_word=True)])
    assert tokenizer.encode("字 é a").ids == [2, 3, 1] and tokenizer.encode("字éa").ids == [0]
    assert spelt(tmp_path, tokenizer, "é字x") == [("exact", (3,)), ("exact", (2,)), ("unknown", ())]


def test_added_tokens_that_become_the_same(tmp_path: Path) -> None:
    """The library leaves to chance which one it finds, so that neither has a character's row."""
    tokenizer = unigram("?", "a", "b", "ä")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.add_tokens([AddedToken("É", normalized=True), AddedToken("é", normalized=True)])
    tokenizer.add_tokens([AddedToken("Ü", normalized=True), AddedToken("Ä ", normalized=True)])
    tokenizer.add_special_tokens([AddedToken("ä ", normalized=True)])
    assert spelt(tmp_path, tokenizer, "aéÉüä") == [
        *(("exact", (1,)), ("unknown", ()), ("unknown", ()), ("normalized", (6,)), ("unreachable", (3,)))
    ]


def test_an_added_token_that_becomes_a_piece(tmp_path: Path) -> None:
    """It is found before the text is cut into pieces: the character that is the piece has the token's row."""
    tokenizer = unigram("?", "a", "b")
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_tokens([AddedToken("B", normalized=True)])
    assert tokenizer.encode("bab").ids == [3, 1, 3]
    assert [ids for _, ids in spelt(tmp_path, tokenizer, "abB")] == [(1,), (3,), (3,)]


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
def test_words_behind_a_mark(scheme: str, tmp_path: Path) -> None:
    """Of a model of whole words, the piece between blanks is the one with the mark; a plain one is never seen there."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "a": 1, "▁a": 2, "b": 3, "▁字": 4}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    assert tokenizer.encode("字 a b").ids[1:] == [2, 0]
    assert spelt(tmp_path, tokenizer, "ab字") == [("boundary", (2,)), ("unreachable", (3,)), ("boundary", (4,))]


def test_wordpieces_behind_a_mark(tmp_path: Path) -> None:
    """A piece that stands inside words only is no character's, though it is what is left behind the mark."""
    vocab = {"?": 0, "a": 1, "▁": 2, "##a": 3, "▁b": 4, "b": 5, "##b": 6}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert tokenizer.encode("b a b").ids == [4, 2, 3, 4]
    assert spelt(tmp_path, tokenizer, "ab") == [("unreachable", (1,)), ("boundary", (4,))]


def test_a_normaliser_that_joins_words(tmp_path: Path) -> None:
    """Where blanks become marks and nothing cuts, no word stands between them; words cut before are still told."""
    vocab = {"?": 0, "a": 1, "▁a": 2, "▁": 3}
    tokenizer = Tokenizer(models.WordLevel(vocab, "?"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    assert tokenizer.encode("a").ids == [2] and tokenizer.encode("a a").ids == [0]
    assert spelt(tmp_path, tokenizer, "a") == [("boundary", (2,))]


@pytest.mark.parametrize("cuts", [False, True])
def test_pieces_that_no_merge_makes(cuts: bool, tmp_path: Path) -> None:
    """A model that takes whole words leaves such a piece to characters that are words; without words there are none."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {char: row for row, char in enumerate(alphabet)}
    form = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str("字")[0][0]
    tokenizer = Tokenizer(models.BPE({**vocab, form: 256}, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cuts)
    parts = tuple(vocab[char] for char in form)
    assert tokenizer.encode("字").ids == [256] and tuple(tokenizer.encode("a字a").ids[1:-1]) == parts
    assert (tokenizer.encode(".字.").ids[1:-1] == [256]) is cuts
    assert spelt(tmp_path, tokenizer, "字") == [("exact", (256,)) if cuts else ("bytes", parts)]


def test_words_that_are_never_bare(tmp_path: Path) -> None:
    """A blank before every word, or none that would cut: so no word is a piece that no merge makes."""
    vocab = {"?": 0, "▁": 1, "a": 2, "▁b": 3, "ab": 4, "x": 5}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="?", ignore_merges=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert tokenizer.encode(" b").ids == [3] and tokenizer.encode("a b").ids == [2, 1, 0]
    assert spelt(tmp_path, tokenizer, "ab") == [("exact", (2,)), ("unknown", ())]
    tokenizer.normalizer = normalizers.Replace("é", "ab")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace()])
    assert tokenizer.encode("x.é.x").ids == [1, 5, 1, 0, 1, 2, 0, 1, 0, 1, 5]
    assert spelt(tmp_path, tokenizer, "éx") == [("unknown", ()), ("exact", (5,))]


def test_a_boundary_piece_where_nothing_is_certain(tmp_path: Path) -> None:
    """Falcon cuts after it has made bytes: the piece behind a blank counts although a text of its own has none."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    parts = list(split.pre_tokenize_str(" 字")[0][0])
    names = ["".join(parts[:length]) for length in range(2, len(parts) + 1)]
    vocab = {piece: row for row, piece in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), *names])}
    merges = [("".join(parts[:length]), parts[length]) for length in range(1, len(parts))]
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation("contiguous"), split, pre_tokenizers.Digits()]
    )
    own = vocab[names[-1]]
    assert tokenizer.encode("字").ids == [vocab[part] for part in parts[1:]] and own in tokenizer.encode("a 字 a").ids
    assert spelt(tmp_path, tokenizer, "字a") == [("boundary", (own,)), ("exact", (vocab["a"],))]


def test_added_tokens_of_blanks(tmp_path: Path) -> None:
    """Several blanks, as GPT-NeoX and Gemma add them, are no character's: everything else is as certain as without."""
    vocab = {char: row for row, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in range(9, 1, -1)])
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("\t\t", normalized=True)])
    assert tokenizer.encode("a  a\n\na").ids == [vocab["a"], 263, vocab["a"], 264, vocab["a"]]
    blank, end = vocab["Ġ"], vocab["Ċ"]
    assert spelt(tmp_path, tokenizer, "a \n") == [("exact", (vocab["a"],)), ("exact", (blank,)), ("exact", (end,))]
    spelling = vocabularies.read(tmp_path / "tokenizer.json").spell(np.array([0x61, 0x5B57, 0x20, 0x0A], np.uint32))
    assert spelling.library == ""


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_white_space_that_a_mark_stands_for(scheme: str, tmp_path: Path) -> None:
    """XLM-R and T5 cut texts at white space, and begin each word with a mark: that is what is left of the blank."""
    tokenizer = unigram("?", "▁", "字", "a")
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=scheme)]
    )
    marked = scheme == "always"
    assert tokenizer.encode("字\u3000a\n字").ids == ([1, 2, 1, 3, 1, 2] if marked else [1, 2, 3, 2])
    left = ("normalized", (1,)) if marked else ("removed", ())
    assert spelt(tmp_path, tokenizer, " \n\u3000\u2028字▁") == [*[left] * 4, ("exact", (2,)), ("exact", (1,))]


def test_a_pattern_of_single_characters(tmp_path: Path) -> None:
    """SigLIP deletes punctuation by a pattern that is one of many characters, which leaves all else as certain."""
    tokenizer = unigram("?", "▁", "a", "!")
    tokenizer.normalizer = normalizers.Replace(Regex("[!-/\\]\\[&]"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    assert tokenizer.encode("a! a").ids == [1, 2, 1, 2]
    assert spelt(tmp_path, tokenizer, "a!/ ") == [
        *(("exact", (2,)), ("unreachable", (3,)), ("removed", ()), ("normalized", (1,)))
    ]


def test_an_accent_with_a_blank_before_it(tmp_path: Path) -> None:
    """NFKC makes a blank and an accent of it, which stands in the word behind: the end of a word is not its."""
    vocab = {"?": 0, "a": 1, "a</w>": 2, "\u0301": 3, "!</w>": 4}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="?", end_of_word_suffix="</w>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFKD(), pre_tokenizers.Whitespace()
    assert tokenizer.encode("a´a").ids == [2, 3, 2] and tokenizer.encode("a!a").ids == [2, 4, 2]
    assert spelt(tmp_path, tokenizer, "´a!") == [("normalized", (3,)), ("exact", (1,)), ("boundary", (4,))]


@pytest.mark.parametrize("pattern", [{"String": ""}, {"Regex": ""}])
def test_every_character_for_itself(pattern: dict[str, str], tmp_path: Path) -> None:
    """Character models cut texts where nothing stands, which is everywhere."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0, "a": 1, "字": 2, " ": 3}, "?"))
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    assert Tokenizer.from_str(json.dumps(document)).encode("a字x a").ids == [1, 2, 0, 3, 1]
    assert spelt(tmp_path, document, "a字 x") == [*(("exact", (row,)) for row in (1, 2, 3)), ("unknown", ())]


def test_a_part_that_the_library_drops(tmp_path: Path) -> None:
    """Without an unknown token BPE joins what stood around it: half a character, and merged, is none."""
    vocab = {"1": 0, "2": 1, "12": 2, "字": 3}
    tokenizer = Tokenizer(models.BPE(vocab, [("1", "2")]))
    tokenizer.normalizer = normalizers.NFKC()
    assert tokenizer.encode("½").ids == [2]
    assert spelt(tmp_path, tokenizer, "½1字") == [("unknown", ()), ("exact", (0,)), ("exact", (3,))]


def test_two_of_berts_normalisers(tmp_path: Path) -> None:
    """Each keeps its own arguments."""
    tokenizer = unigram("?", "a", "A", "e", "é")
    bert = normalizers.BertNormalizer
    tokenizer.normalizer = normalizers.Sequence(
        [bert(lowercase=True, strip_accents=False), bert(lowercase=False, strip_accents=True)]
    )
    assert spelt(tmp_path, tokenizer, "aAé") == [("exact", (1,)), ("normalized", (1,)), ("normalized", (3,))]
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert spelt(tmp_path, tokenizer, "aAé") == [("exact", (1,)), ("exact", (2,)), ("normalized", (3,))]


def test_an_unknown_token_that_is_a_byte(tmp_path: Path) -> None:
    """Where not every text ends as bytes, that row is no character's."""
    vocab = {char: row for row, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="?"))
    tokenizer.normalizer = normalizers.ByteLevel()
    assert spelt(tmp_path, tokenizer, "?") == [("exact", (vocab["?"],))]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.UnicodeScripts(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    assert [label for label, _ in spelt(tmp_path, tokenizer, "?")] == ["unknown"]


@pytest.mark.parametrize(
    ("mark", "inner"), [({"end_of_word_suffix": "</w>"}, "a</w>"), ({"continuing_subword_prefix": "##"}, "##a")]
)
def test_bytes_and_marks_of_words(mark: dict[str, str], inner: str, tmp_path: Path) -> None:
    """The library spells the mark of an unknown character in bytes too: what it makes of those without one counts."""
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    vocab = {piece: row for row, piece in enumerate([*names, "?", "a", inner])}
    tokenizer = Tokenizer(models.BPE(vocab, [], unk_token="?", byte_fallback=True, **mark))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    parts = tuple("字".encode())
    around = {"a</w>": "a字a", "##a": "a 字 a"}[inner]
    assert tuple(tokenizer.encode(around).ids[1:4]) == parts and len(tokenizer.encode(around).ids) == 5
    ends = len(tokenizer.encode("!").ids)  # always a word, whose end is spelt
    assert spelt(tmp_path, tokenizer, "字a!") == [
        *(("bytes", parts), ("exact", (257,))),
        ("unknown", ()) if ends > 1 else ("bytes", (0x21,)),
    ]
