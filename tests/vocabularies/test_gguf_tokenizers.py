"""Tokenizers in GGUF files: the same rows as the model's own tokenizer gives, for every character."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    from_byte_fallback,
    from_byte_level,
    from_rwkv,
    from_sentencepiece,
    from_text_merges,
    from_wordpieces,
    write_gguf,
)
from vocabulary_samples import DATA, LLAMA_2, MINILM

import charvec
from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.spelling.byte_alphabet import CHARS
from charvec.status import Status

gguf = pytest.importorskip("gguf")

CHINESE = DATA.parents[2].parent / "shared" / "fixtures" / "vocab_zh_bert" / "vocab.txt"
JAPANESE = DATA.parents[2].parent / "shared" / "fixtures" / "sentencepiece" / "test_ja_model.model"

SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
SAMPLE = sorted({*range(0x3400), *range(0x4E00, 0xA000, 5), *range(0xF900, 0x10200), *SCALARS[::97]})
SAMPLE = [codepoint for codepoint in SAMPLE if not 0xD800 <= codepoint < 0xE000]


def disagreements(source: Path, path: Path) -> list[str]:
    """Code points that a GGUF file spells in other rows, or with another status, than what it was made from.

    The readers of the sources are held against the libraries that own them in tests of their own.
    """
    codepoints = np.array(SCALARS if os.environ.get("CHARVEC_SLOW") else SAMPLE, np.uint32)
    theirs, ours = vocabularies.read(source).spell(codepoints), vocabularies.read(path).spell(codepoints)
    return [
        f"U+{codepoint:04X} {ours.ids(place)}, {theirs.ids(place)}"
        for place, codepoint in enumerate(codepoints.tolist())
        if (ours.status[place], ours.ids(place)) != (theirs.status[place], theirs.ids(place))
    ]


@pytest.mark.parametrize("name", ["bpe_bytes", "unigram", "unigram_bytes"])
def test_from_sentencepiece(name: str, tmp_path: Path) -> None:
    """Llama 2's kind and T5's."""
    pytest.importorskip("sentencepiece.sentencepiece_model_pb2")
    source = DATA / "sentencepiece" / f"{name}.model"
    assert not disagreements(source, from_sentencepiece(source, tmp_path / "m.gguf"))


@pytest.mark.skipif(not JAPANESE.exists(), reason="needs a model of google/sentencepiece")
def test_from_sentencepiece_with_the_rules_of_nfkc(tmp_path: Path) -> None:
    """A Unigram model with all rules."""
    pytest.importorskip("sentencepiece.sentencepiece_model_pb2")
    assert not disagreements(JAPANESE, from_sentencepiece(JAPANESE, tmp_path / "m.gguf"))


@pytest.mark.skipif(not LLAMA_2.exists(), reason="needs wordllama")
def test_llama_2(tmp_path: Path) -> None:
    """The real vocabulary of Llama 2, whose tokenizer.json merges by another list."""
    assert not disagreements(LLAMA_2, from_byte_fallback(LLAMA_2, tmp_path / "m.gguf"))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(DATA / "wordpiece" / "vocab.txt", id="golden"),
        pytest.param(MINILM.parent / "vocab.txt", id="minilm"),
        pytest.param(CHINESE, id="chinese"),
    ],
)
def test_from_wordpieces(source: Path, tmp_path: Path) -> None:
    """A file that turns ``字`` into ``▁字`` and ``##字`` into ``字``: the wrong row for every ideograph is avoided."""
    if not source.exists():
        pytest.skip("needs a published vocabulary")
    path = from_wordpieces(source, tmp_path / "m.gguf")
    assert not disagreements(source, path)
    assert [note.code for note in vocabularies.read(path).notes] == ["N-CASING"]


@pytest.mark.parametrize(
    ("name", "pre", "normalizer"),
    [("bytes_gpt2", "gpt-2", ...), ("bytes_llama3", "qwen2", ...), ("bytes_llama3", "llama-bpe", None)],
)
def test_from_byte_level(name: str, pre: str, normalizer: Any, tmp_path: Path) -> None:
    """Merged by the list, with composed text for Qwen 2, with whole words for Llama 3."""
    document = json.loads((DATA / "tokenizer-json" / f"{name}.json").read_text("utf-8"))
    if normalizer is None:
        document["normalizer"] = None
    source = tmp_path / "tokenizer.json"
    source.write_text(json.dumps(document), "utf-8")
    assert not disagreements(source, from_byte_level(source, tmp_path / "m.gguf", pre))


REPLACED = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


@pytest.mark.parametrize(
    ("name", "steps", "model", "more"),
    [
        ("byte_fallback", {"normalizer": REPLACED, "pre_tokenizer": None}, "gemma4", {}),
        ("byte_fallback", {"normalizer": REPLACED, "pre_tokenizer": None}, "gpt2", {"tokenizer_pre": "sarvam-moe"}),
        (
            "plain_bpe",
            {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"}},
            "whitespace",
            {"tokenizer_pre": "whitespace", "said": {"normalizer.lowercase": True}},
        ),
        (
            "plain_bpe",
            {"normalizer": None, "pre_tokenizer": {"type": "Whitespace"}},
            "whitespace",
            {"tokenizer_pre": "whitespace"},
        ),
    ],
)
def test_from_text_merges(name: str, steps: dict[str, Any], model: str, more: dict[str, Any], tmp_path: Path) -> None:
    """BPE over characters: Gemma 4, models that go by gpt2 and are none, and words without white space."""
    document = json.loads((DATA / "tokenizer-json" / f"{name}.json").read_text("utf-8"))
    source = tmp_path / "tokenizer.json"
    source.write_text(json.dumps(document | steps), "utf-8")
    path = from_text_merges(source, tmp_path / "m.gguf", model, **more)
    assert not disagreements(source, path)
    assert refusal(path, lowercase=True) == "E-CASING"


def test_from_rwkv(tmp_path: Path) -> None:
    """The longest run of bytes that is a piece."""
    source = DATA / "rwkv" / "samples.txt"
    assert not disagreements(source, from_rwkv(source, tmp_path / "m.gguf"))


def test_plamo(tmp_path: Path) -> None:
    """A piece where there is one, a blank as it is, bytes for the rest; control tokens and padding are none."""
    tokens = ["<|plamo:unk|>", *(f"<0x{byte:02X}>" for byte in range(256)), " ", "字", " é", "x", "y"]
    types = [UNKNOWN] + [BYTE] * 256 + [NORMAL] * 3 + [CONTROL, UNUSED]
    more = {"token_scores": [-1.5] * len(tokens), "token_types": types}
    path = write_gguf(tmp_path / "m.gguf", "plamo2", tokens, **more)
    assert spelt(path, " 字éA") == [
        *(("exact", (257,)), ("exact", (258,)), ("boundary", (259,)), ("bytes", (1 + ord("A"),)))
    ]
    assert spelt(path, "xy") == [("bytes", (1 + ord("x"),)), ("bytes", (1 + ord("y"),))]


def spelt(path: Path, text: str, **options: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabularies.read(path, **options).spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


def test_wordpieces(tmp_path: Path) -> None:
    """Told as cased or uncased, by the user or by the letters it has."""
    tokens = ["[PAD]", "[UNK]", "▁a", "a", "▁字", "字", "▁B", "▁["]
    path = write_gguf(tmp_path / "m.gguf", "bert", tokens)
    assert spelt(path, "a字BA[") == [("exact", (row,)) for row in (2, 4, 6)] + [("unknown", ()), ("exact", (7,))]
    assert spelt(path, "A", lowercase=True) == [("normalized", (2,))]


@pytest.mark.parametrize("kept", [True, False])
def test_wordpieces_whose_file_says_how_they_are_cased(kept: bool, tmp_path: Path) -> None:
    """The file's word goes before what the letters tell, and what the user says before both."""
    tokens = ["[PAD]", "[UNK]", "▁a", "▁A", "▁é", "▁e"]
    said = {"normalizer.lowercase": not kept, "normalizer.strip_accents": False}
    path = write_gguf(tmp_path / "m.gguf", "bert", tokens, said=said)
    assert spelt(path, "Aé") == [("exact", (3,)) if kept else ("normalized", (2,)), ("exact", (4,))]
    assert spelt(path, "A", lowercase=kept) == [("normalized", (2,)) if kept else ("exact", (3,))]
    (note,) = vocabularies.read(path).notes
    assert "m.gguf says so" in note.message


def test_letters_and_their_marks(tmp_path: Path) -> None:
    """What a character is composed to is one word for Qwen 3.5, and two for Qwen 2, which no piece reaches across."""
    alphabet = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x144))]
    letter, mark = ("".join(CHARS[byte] for byte in char.encode()) for char in "\u05e9\u05c1")
    tokens = [*alphabet, letter, mark, letter + mark]
    merges = [" ".join(letter), " ".join(mark), f"{letter} {mark}"]
    for pre, rows in (("qwen2", (len(alphabet), len(alphabet) + 1)), ("qwen35", (len(alphabet) + 2,))):
        path = write_gguf(tmp_path / f"{pre}.gguf", "gpt2", tokens, tokenizer_pre=pre, token_merges=merges)
        assert spelt(path, "\ufb2a") == [("composed", rows)]


def test_whole_words(tmp_path: Path) -> None:
    """A piece that no merge leads to is taken by Llama 3, and never by GPT-2."""
    alphabet = [chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x144))]
    tokens = [*alphabet, "æĪĳ", "♪"]
    types = [NORMAL] * (len(tokens) - 1) + [USER_DEFINED]
    last = len(alphabet)
    for pre, expected in (("llama-bpe", ("exact", (last,))), ("gpt-2", ("bytes", tuple(map(alphabet.index, "æĪĳ"))))):
        more = {"tokenizer_pre": pre, "token_types": types, "token_merges": ["a b"]}
        path = write_gguf(tmp_path / f"{pre}.gguf", "gpt2", tokens, **more)
        assert spelt(path, "我♪ ") == [expected, ("exact", (last + 1,)), ("exact", (alphabet.index("Ġ"),))]


@pytest.mark.parametrize("big", [False, True])
def test_vectors(big: bool, tmp_path: Path) -> None:
    """The whole way, in either byte order: one file is checkpoint and vocabulary, and each vector is its row."""
    tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "字", "▁字"]
    types = [UNKNOWN] + [BYTE] * 256 + [NORMAL] * 3
    more = {"token_scores": [0.0] * len(tokens), "token_types": types}
    path = write_gguf(tmp_path / "m.gguf", "llama", tokens, big=big, **more)
    model = charvec.open(path)
    vectors = charvec.lookup(model, "字 学", keep="exact,normalized,bytes")
    assert vectors["字"].tolist() == [258.0] * 4
    assert vectors[" "].tolist() == [257.0] * 4
    assert vectors["学"].tolist() == [float(np.mean([1 + byte for byte in "学".encode()], dtype=np.float32))] * 4


def refusal(path: Path, **options: Any) -> str:
    """Code of the error."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path, **options)
    return caught.value.code


@pytest.mark.parametrize("kind", ["hybriddna", "none", "no such"])
def test_other_kinds(kind: str, tmp_path: Path) -> None:
    """Refused by name."""
    assert refusal(write_gguf(tmp_path / "m.gguf", kind, ["a", "b"])) == "E-TOKENIZER-KIND"


@pytest.mark.parametrize("value", [[1, 2], [[1], [2]]])
def test_a_kind_that_is_no_name(value: list[Any], tmp_path: Path) -> None:
    """An array, or one of arrays, in place of the kind's name."""
    writer = gguf.GGUFWriter(str(tmp_path / "m.gguf"), "llama")
    writer.add_token_list(["a", "b"])
    writer.add_array("tokenizer.ggml.model", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert refusal(tmp_path / "m.gguf") == "E-TOKENIZER-KIND"


def test_what_does_not_fit(tmp_path: Path) -> None:
    """Arrays of another length, no merges, scores that are no numbers."""
    path = tmp_path / "m.gguf"
    assert refusal(write_gguf(path, "llama", ["a", "b"], token_scores=[0.0])) == "E-GGUF"
    assert refusal(write_gguf(path, "llama", ["a", "b"], token_scores=[0.0, float("nan")])) == "E-GGUF"
    assert refusal(write_gguf(path, "llama", ["a", "b"], token_types=[1, 1, 1])) == "E-GGUF"
    assert refusal(write_gguf(path, "gpt2", ["a", "b"])) == "E-GGUF"
    assert refusal(write_gguf(path, "llama", ["a", "b"], token_scores=[0.0, 1e31])) == "E-GGUF"
    assert refusal(write_gguf(path, "t5", ["a", "b"], precompiled_charsmap=b"\1\2\3\4\5")) == "E-CHARSMAP"
    assert refusal(write_gguf(path, "llama", ["a", "b"]), lowercase=True) == "E-CASING"


def test_tokens_that_are_not_utf8(tmp_path: Path) -> None:
    """They keep their rows, are told of, and belong to no character."""
    path = write_gguf(tmp_path / "m.gguf", "llama", [b"\xff\xfe", "字", b"\xe5\xad"])
    vocabulary = vocabularies.read(path)
    assert (vocabulary.size, [note.code for note in vocabulary.notes]) == (3, ["W-TOKEN-BYTES"])
    assert spelt(path, "字学") == [("exact", (1,)), ("unknown", ())]


def test_control_tokens_are_no_characters(tmp_path: Path) -> None:
    """Also where their text is one character."""
    path = write_gguf(tmp_path / "m.gguf", "llama", ["x", "y"], token_types=[CONTROL, NORMAL])
    assert spelt(path, "xy") == [("unknown", ()), ("exact", (1,))]


def test_without_tokens(tmp_path: Path) -> None:
    """A file of tensors alone names no vocabulary."""
    writer = gguf.GGUFWriter(str(tmp_path / "m.gguf"), "llama")
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert refusal(tmp_path / "m.gguf") == "E-VOCAB-MISSING"
