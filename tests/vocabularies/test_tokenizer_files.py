"""``tokenizer.json`` and ``vocab.json`` as they are found: golden values, damage, what lies beside them, odd models."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite
from effort import every
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers
from vocabulary_samples import DATA, LLAMA_2, MINILM, MODEL2VEC, installed

from charvec import vocabularies
from charvec.dumping import dump
from charvec.embedding import open as open_model
from charvec.errors import CharvecError
from charvec.plumbing.protobuf import fields
from charvec.plumbing.spelling import byte_alphabet, tokenizer_document, tokenizer_model
from charvec.plumbing.spelling.tokenizer_spelling import TokenizerSpeller
from charvec.status import Status
from charvec.vocabulary import Vocabulary

JSON = DATA / "tokenizer-json"
GPT_2 = DATA / "vocab-json"


def spelt(vocabulary: Vocabulary, text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabulary.spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


def save(folder: Path, tokenizer: Tokenizer, **changes: Any) -> Path:
    """A tokenizer.json, with parts of its model replaced."""
    document = json.loads(tokenizer.to_str())
    document["model"].update(changes)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


# Golden values, established by hand

LLAMA = {
    "我": ("exact", (30672,)),
    "A": ("exact", (29909,)),
    "Ａ": ("bytes", (242, 191, 164)),
    "が": ("exact", (30458,)),
    "가": ("exact", (30903,)),
    "ß": ("exact", (30034,)),
    "ſ": ("exact", (30473,)),
    "“": ("exact", (30015,)),
    "㎡": ("bytes", (230, 145, 164)),
    "😂": ("bytes", (243, 162, 155, 133)),
    "\uf9d1": ("bytes", (242, 170, 148)),
    "\u2028": ("exact", (31353,)),
    "\u3000": ("exact", (30358,)),
    "\u0301": ("exact", (30103,)),
    " ": ("normalized", (29871,)),
    "▁": ("exact", (29871,)),
}
UNCASED = {
    "我": ("exact", (1855,)),
    "A": ("normalized", (1037,)),
    "Ａ": ("unknown", ()),
    "が": ("normalized", (1651,)),
    "가": ("composed", (1455, 30006)),
    "ß": ("exact", (1096,)),
    "ſ": ("unknown", ()),
    "“": ("exact", (1523,)),
    "㎡": ("unknown", ()),
    "😂": ("unknown", ()),
    "\uf9d1": ("unknown", ()),
    "\u2028": ("removed", ()),
    "\u3000": ("removed", ()),
    "\u0301": ("removed", ()),
}


@pytest.mark.parametrize(
    ("path", "golden"),
    [
        pytest.param(LLAMA_2, LLAMA, id="llama-2"),
        pytest.param(MINILM, UNCASED, id="minilm"),
        pytest.param(MODEL2VEC, UNCASED, id="model2vec"),
    ],
)
def test_golden_values(path: Path, golden: dict[str, Any]) -> None:
    """Characters whose rows in published models were established by hand."""
    if not path.exists():
        pytest.skip(f"{path.name} is not installed")
    assert dict(zip(golden, spelt(vocabularies.read(path), "".join(golden)), strict=True)) == golden


@pytest.mark.skipif(not LLAMA_2.exists(), reason="wordllama is not installed")
def test_numbers_of_llama_2() -> None:
    """No character of Llama 2 is unknown, few have a piece, and GB 2312 is mostly bytes."""
    pairs = [bytes((first, second)) for first in range(0xB0, 0xF8) for second in range(0xA1, 0xFF)]
    han = [pair.decode("gb2312") for pair in pairs if not b"\xd7\xf9" < pair < b"\xd8\xa1"]
    labels = [label for label, _ in spelt(vocabularies.read(LLAMA_2), "".join(han))]
    assert (len(han), labels.count("exact"), labels.count("bytes")) == (6763, 610, 6153)


@pytest.mark.skipif(not LLAMA_2.exists(), reason="wordllama is not installed")
def test_dump_of_word_llama(tmp_path: Path) -> None:
    """The whole way, with a tokenizer that goes by an unusual name; each row is the row of the matrix."""
    load_file = pytest.importorskip("safetensors.numpy", reason="reads with the safetensors library").load_file
    folder = installed("wordllama", "weights")
    samples = tmp_path / "samples.txt"
    samples.write_text("我A字 が\n😂", "utf-8")
    vectors = dump(samples, model=folder, vocab=LLAMA_2, out=tmp_path / "x.h5")
    matrix = load_file(next(folder.glob("*.safetensors")))["embedding.weight"]
    assert "".join(vectors.chars) == " Aが字我"
    for char, row in (("我", 30672), ("A", 29909), ("が", 30458), (" ", 29871)):
        assert vectors[char].tobytes() == matrix[row].astype(np.float32).tobytes()
    assert {missing.char for missing in vectors.missing} == {"\n", "😂"}


def test_the_list_and_the_document_of_one_wordpiece_agree() -> None:
    """vocab.txt and tokenizer.json of the same tokenizer give the same status and rows, for planes 0 and 1."""
    scalars = np.array([*range(0xD800), *range(0xE000, 0x20000)], np.uint32)
    if MINILM.exists():
        pairs = [(MINILM, MINILM.parent / "vocab.txt")]
    else:
        pairs = [(JSON / "wordpiece.json", DATA / "wordpiece" / "vocab.txt")]
    for document, lines in pairs:
        one, other = vocabularies.read(document).spell(scalars), vocabularies.read(lines).spell(scalars)
        assert one.status.tobytes() == other.status.tobytes()
        assert one.row_ids.tobytes() == other.row_ids.tobytes()


def test_the_byte_alphabet() -> None:
    """It is the library's."""
    assert sorted(byte_alphabet.CHARS) == sorted(pre_tokenizers.ByteLevel.alphabet())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    for char in map(chr, [*range(1, 0x250), 0x6211, 0x1F602, 0x10FFFF]):
        assert byte_alphabet.form_of(char) == "".join(piece for piece, _ in split(char))
        assert byte_alphabet.text_of(byte_alphabet.form_of(char)) == char
    assert byte_alphabet.text_of(byte_alphabet.form_of("字")[:2]) is None
    assert byte_alphabet.text_of("字") is None


# Damage


def plain(**changes: Any) -> bytes:
    """A small tokenizer.json with some top-level parts replaced."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    return json.dumps({**json.loads(tokenizer.to_str()), **changes}).encode()


def model(**changes: Any) -> dict[str, Any]:
    """Its model, changed."""
    return {**json.loads(plain())["model"], **changes}


BPE = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
DEEP: Any = {"type": "NFC"}
for _ in range(300):
    DEEP = {"type": "Sequence", "normalizers": [DEEP]}
BAD = {
    "neg": (plain(model=model(vocab={"a": -1})), "E-TOKENIZER"),
    "float": (plain(model=model(vocab={"a": 1.5})), "E-TOKENIZER"),
    "str": (plain(model=model(vocab={"a": "1"})), "E-TOKENIZER"),
    "bool": (plain(model=model(vocab={"a": True})), "E-TOKENIZER"),
    "null": (plain(model=model(vocab={"a": None})), "E-TOKENIZER"),
    "nan": (plain().replace(b'"a": 1', b'"a": NaN'), "E-TOKENIZER"),
    "huge": (plain(model=model(vocab={"a": 2**31})), "E-TOKENIZER"),
    "bigint": (plain().replace(b'"a": 1', b'"a": ' + b"9" * 5000), "E-TOKENIZER"),
    "list": (b'["model", {"vocab": {}}]', "E-TOKENIZER"),
    "numbers": (b"[1, 2]", "E-TOKENIZER"),
    "dup": (plain().replace(b'"a": 1', b'"a": 1, "a": 2'), "E-JSON-DUPKEY"),
    "trunc": (plain()[:-20], "E-TRUNCATED"),
    "surrogate": (plain().replace(b'"a": 1', b'"\\ud800": 1'), "E-TOKENIZER"),
    "no-model": (plain(model=None), "E-TOKENIZER"),
    "model-list": (plain(model=[]), "E-TOKENIZER"),
    "type": (plain(model=model(type="Markov")), "E-TOKENIZER"),
    "no-vocab": (plain(model=model(vocab=None)), "E-TOKENIZER"),
    "vocab-list": (plain(model=model(vocab=["a"])), "E-TOKENIZER"),
    "empty": (plain(model=model(vocab={})), "E-TOKENIZER"),
    "unk": (plain(model=model(unk_token=7)), "E-TOKENIZER"),
    "merges": (plain(model={**BPE, "merges": "a b"}), "E-TOKENIZER"),
    "merge-of-nothing": (plain(model={**BPE, "merges": ["a c"]}), "E-TOKENIZER"),
    "merge-of-three": (plain(model={**BPE, "merges": ["a b c"]}), "E-TOKENIZER"),
    "merge-type": (plain(model={**BPE, "merges": [[1, 2]]}), "E-TOKENIZER"),
    "scores": (plain(model={"type": "Unigram", "vocab": [["a", "b"]], "unk_id": 0}), "E-TOKENIZER"),
    "score-inf": (plain(model={"type": "Unigram", "vocab": [["a", 1.0]]}).replace(b"1.0", b"1e999"), "E-TOKENIZER"),
    "score-less": (plain(model={"type": "Unigram", "vocab": [["a"]], "unk_id": 0}), "E-TOKENIZER"),
    "unk-id": (plain(model={"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 1}), "E-TOKENIZER"),
    "unk-negative": (plain(model={"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": -1}), "E-TOKENIZER"),
    "added": (plain(added_tokens={"a": 1}), "E-TOKENIZER"),
    "added-id": (plain(added_tokens=[{"content": "x", "id": -1}]), "E-TOKENIZER"),
    "added-content": (plain(added_tokens=[{"content": None, "id": 1}]), "E-TOKENIZER"),
    "added-parts": (plain(added_tokens=[{"content": "x", "id": 3, "lstrip": 7}]), "E-TOKENIZER"),
    "normalizer": (plain(normalizer="NFC"), "E-TOKENIZER"),
    "normalizer-type": (plain(normalizer={"type": "Rot13"}), "E-TOKENIZER"),
    "normalizer-deep": (plain(normalizer=DEEP), "E-TOKENIZER"),
    "normalizer-many": (plain(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}] * 300}), "E-TOKENIZER"),
    "charsmap": (plain(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "E-CHARSMAP"),
    "charsmap-lies": (
        plain(normalizer={"type": "Precompiled", "precompiled_charsmap": "////f////39/AAAA"}),
        "E-CHARSMAP",
    ),
    "charsmap-text": (plain(normalizer={"type": "Precompiled", "precompiled_charsmap": "\u00e9"}), "E-TOKENIZER"),
    "charsmap-number": (plain(normalizer={"type": "Precompiled", "precompiled_charsmap": 7}), "E-TOKENIZER"),
    "pattern-empty": (plain(normalizer={"type": "Replace", "pattern": {"String": ""}, "content": "x"}), "E-TOKENIZER"),
    "pattern": (
        plain(normalizer={"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
        "E-TOKENIZER",
    ),
    "pattern-long": (
        plain(normalizer={"type": "Replace", "pattern": {"Regex": "a" * 20_000}, "content": ""}),
        "E-TOKENIZER",
    ),
    "pattern-number": (plain(normalizer={"type": "Replace", "pattern": {"Regex": 7}, "content": ""}), "E-TOKENIZER"),
    "bomb": (
        plain(
            normalizer={
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}] * 12,
            }
        ),
        "E-TOKENIZER",
    ),
    "bomb-of-nothing": (
        plain(
            normalizer={
                "type": "Sequence",
                "normalizers": [{"type": "Replace", "pattern": {"Regex": "x*"}, "content": "a"}] * 12,
            }
        ),
        "E-TOKENIZER",
    ),
    "pattern-nested": (
        plain(normalizer={"type": "Replace", "pattern": {"Regex": "(" * 9_000 + ")" * 9_000}, "content": ""}),
        "E-TOKENIZER",
    ),
    "prefix": (plain(normalizer={"type": "Prepend", "prepend": "a" * 20_000}), "E-TOKENIZER"),
    "pre-tokenizer": (plain(pre_tokenizer={"type": "Scissors"}), "E-TOKENIZER"),
    "pre-tokenizer-list": (plain(pre_tokenizer=[]), "E-TOKENIZER"),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_documents(tmp_path: Path, name: str) -> None:
    """Each is refused, when it is read or when the library first has to use it, with one of our errors."""
    data, code = BAD[name]
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path).spell(np.array([0x61, 0x78, 0x3B1, 0x1F602], np.uint32))
    assert (caught.value.code, caught.value.exit_code) == (code, 65)
    assert str(path) in str(caught.value)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """It is no part of the document."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"\xef\xbb\xbf" + plain())
    assert spelt(vocabularies.read(path), "ab?") == [("exact", (1,)), ("exact", (2,)), ("unknown", ())]


def test_pieces_that_share_a_row(tmp_path: Path) -> None:
    """Both have it, and the user is told."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(plain(model=model(vocab={"[UNK]": 0, "a": 1, "b": 1, "c": 2})))
    vocabulary = vocabularies.read(path)
    assert [note.code for note in vocabulary.notes] == ["W-VOCAB-DUP"]
    assert "'a' and 'b' have row 1" in vocabulary.notes[0].message
    assert spelt(vocabulary, "abc") == [("exact", (1,)), ("exact", (1,)), ("exact", (2,))]


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with too many bytes or pieces is refused before it eats the memory."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes(plain())
    for module, name, limit, code in (
        (tokenizer_document, "MAX_BYTES", 10, "E-TOO-LARGE"),
        (tokenizer_model, "MAX_PIECES", 2, "E-TOKENIZER"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, limit)
            with pytest.raises(CharvecError) as caught:
                vocabularies.read(path)
            assert caught.value.code == code


ODD: list[Any] = [
    *(None, True, 0, 1, -1, 2**31, 1.5, "", "a", "▁", "Ġ", "\0", [], {}, [[]], "Removed", "always", "a b", ["a", "b"]),
    *("BPE", "Unigram", "WordPiece", "WordLevel", {"type": "NFC"}, {"type": "ByteLevel"}, {"type": "Nmt"}),
    *(
        {"String": ""},
        {"Regex": "("},
        {"Regex": "."},
        {"String": "a"},
        {"type": "BertNormalizer"},
        {"type": "Sequence"},
    ),
    *({"type": "Metaspace", "replacement": "▁▁"}, {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="}),
    *(
        {"type": "Split", "pattern": {"Regex": "(?<=a)"}, "behavior": "Removed", "invert": True},
        {"type": "UnicodeScripts"},
    ),
]


def nodes(value: Any, generator: random.Random) -> list[tuple[Any, Any]]:
    """Containers and keys of a document, of long lists and objects only some."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        each = stack.pop()
        keys = list(each) if isinstance(each, dict) else list(range(len(each))) if isinstance(each, list) else []
        keys = keys if len(keys) < 40 else generator.sample(keys, 4)
        found += [(each, key) for key in keys]
        stack += [each[key] for key in keys]
    return found


def test_documents_with_parts_changed(tmp_path: Path) -> None:
    """Sound JSON of unsound meaning: read or refused, and what is read is spelt alike with and without short cuts."""
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "5")))
    texts = [path.read_text("utf-8") for path in sorted(JSON.glob("*.json"))]
    probes = np.array([ord(char) for char in "aA1 \n我字が가é“㎡😂\uf9d1\u2028\u3000\u0301§♪"], np.uint32)
    path = tmp_path / "tokenizer.json"
    fine = 0
    count = int(os.environ.get("CHARVEC_MUTANTS", "4000")) // 20
    for _ in range(count):
        document = json.loads(generator.choice(texts))
        for _ in range(generator.choice((1, 1, 2, 3))):
            container, key = generator.choice(nodes(document, generator))
            if generator.random() < 0.2:
                del container[key]
                break
            container[key] = generator.choice(ODD)
        overwrite(path, json.dumps(document).encode())
        try:
            speller = vocabularies.read(path).spell
            spelling = speller(probes)
        except CharvecError as error:
            assert error.exit_code == 65
            continue
        fine += 1
        if isinstance(speller, TokenizerSpeller):
            speller._text_of = None
            try:
                asked = speller(probes)
            except CharvecError:  # the library finds what no short cut needed
                continue
            assert spelling.status.tobytes() == asked.status.tobytes()
            assert spelling.row_ids.tobytes() == asked.row_ids.tobytes()
    assert count * 0.05 < fine < count * 0.95


# Models that would stumble, or that leave something to chance


def test_models_without_an_unknown_token(tmp_path: Path) -> None:
    """The library raises for unknown characters, or drops them; here they are unknown, and only they."""
    wanted = [("exact", (0,)), ("unknown", ()), ("unknown", ())]
    unigram = Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0)], None, False))
    assert spelt(vocabularies.read(save(tmp_path, unigram)), "a字\n") == wanted
    words = Tokenizer(models.WordLevel({"a": 0}, unk_token="missing"))
    assert spelt(vocabularies.read(save(tmp_path, words)), "a字\n") == wanted
    pieces = Tokenizer(models.WordPiece({"a": 0}, unk_token="missing"))
    assert spelt(vocabularies.read(save(tmp_path, pieces)), "a字\n") == wanted
    for unknown in (None, "missing"):
        bpe = Tokenizer(models.BPE({"a": 0}, []))
        assert spelt(vocabularies.read(save(tmp_path, bpe, unk_token=unknown)), "a字\n") == wanted
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    assert spelt(vocabularies.read(save(tmp_path, bpe)), "a字\n") == [*wanted[:2], ("removed", ())]


def test_dropout_is_off(tmp_path: Path) -> None:
    """BPE that skips merges by chance while a model is trained does not while rows are looked up."""
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    tokenizer.normalizer = normalizers.Replace("x", "ab")
    path = save(tmp_path, tokenizer, dropout=0.9)
    assert {tuple(spelt(vocabularies.read(path), "x" * 50))} == {(("composed", (2,)),) * 50}


def test_files_of_before_types(tmp_path: Path) -> None:
    """Old files do not say what their model is."""
    for tokenizer, kind in (
        (Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]")), "wordpiece"),
        (Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")), "wordlevel"),
        (Tokenizer(models.BPE({"[UNK]": 0, "a": 1}, [], unk_token="[UNK]")), "bpe"),
        (Tokenizer(models.Unigram([("[UNK]", 0.0), ("a", -1.0)], 0, False)), "unigram"),
    ):
        document = json.loads(tokenizer.to_str())
        del document["model"]["type"]
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps(document))
        vocabulary = vocabularies.read(path)
        assert vocabulary.kind == kind
        assert spelt(vocabulary, "ab") == [("exact", (1,)), ("unknown", ())]


def test_old_metaspace(tmp_path: Path) -> None:
    """The prefix was once called add_prefix_space; it is left out all the same."""
    tokenizer = Tokenizer(
        models.Unigram([("<unk>", 0.0), ("▁", -3.0), ("a", -3.0), ("▁a", -1.0), ("▁b", -1.0)], 0, False)
    )
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    assert spelt(vocabularies.read(path), "ab c") == [
        ("exact", (2,)),
        ("boundary", (4,)),
        ("normalized", (1,)),
        ("unknown", ()),
    ]


def test_a_normaliser_in_front_of_a_boundary_piece(tmp_path: Path) -> None:
    """A character that becomes another, which is a piece at the beginning of words only, is normalised to it."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -3.0), ("▁a", -1.0)], 0, False))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert spelt(vocabularies.read(save(tmp_path, tokenizer)), "aA") == [("boundary", (2,)), ("normalized", (2,))]


def test_the_bytes_of_a_normaliser(tmp_path: Path) -> None:
    """Newer files turn text into bytes in the normaliser."""
    vocab = {char: row for row, char in enumerate(byte_alphabet.CHARS)} | {byte_alphabet.form_of("é"): 256, "Ġ字": 257}
    tokenizer = Tokenizer(models.BPE(vocab, [tuple(byte_alphabet.form_of("é"))]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.ByteLevel()])
    vocabulary = vocabularies.read(save(tmp_path, tokenizer))
    assert vocabulary.kind == "byte-level bpe"
    assert spelt(vocabulary, "éÉ a") == [("exact", (256,)), ("normalized", (256,)), ("exact", (32,)), ("exact", (97,))]
    assert spelt(vocabulary, "字") == [("bytes", tuple("字".encode()))]


def test_added_tokens(tmp_path: Path) -> None:
    """One character that was added is a character; special tokens are none, and shift no row."""
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.add_special_tokens(["<s>", "§", "b"])
    tokenizer.add_tokens(["字", "two", "♪"])
    vocabulary = vocabularies.read(save(tmp_path, tokenizer))
    assert (vocabulary.size, vocabulary.extended) == (2, 7)
    assert spelt(vocabulary, "a字♪") == [("exact", (0,)), ("exact", (4,)), ("exact", (6,))]
    assert spelt(vocabulary, "§bt") == [("unknown", ())] * 3


@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece", "BPE", "Unigram"])
def test_ids_with_holes(kind: str, tmp_path: Path) -> None:
    """Rows are the file's own ids, wherever these have holes and wherever added tokens stand.

    The library itself is asked with ids that have none; what its tokens are called leads to the file's ids.
    """
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "7")))
    letters = "abcdefghij字我中é"
    path = tmp_path / "tokenizer.json"
    seen = set()
    for _ in range(60):
        pieces = ["?", *generator.sample(letters, generator.randrange(1, 9))]
        later = generator.sample([*letters, "xy", "klm"], generator.randrange(5))
        generator.shuffle(pieces)
        kept = Tokenizer(
            {
                "WordLevel": lambda vocab: models.WordLevel(vocab, "?"),
                "WordPiece": lambda vocab: models.WordPiece(vocab, unk_token="?"),
                "BPE": lambda vocab: models.BPE(vocab, [], unk_token="?"),
                "Unigram": lambda vocab: models.Unigram(
                    [(piece, -1.0) for piece in vocab], list(vocab).index("?"), False
                ),
            }[kind]({piece: number for number, piece in enumerate(pieces)})
        )
        kept.add_tokens(later)
        document = json.loads(kept.to_str())
        ids = generator.sample(range(40), 40)
        own = {token: number if kind == "Unigram" else ids[number] for token, number in kept.get_vocab().items()}
        if kind == "Unigram":  # whose pieces are a list, so that only added tokens can leave holes
            own |= {token: number + 7 for token, number in own.items() if token not in pieces}
        else:
            document["model"]["vocab"] = {piece: own[piece] for piece in pieces}
        for token in document["added_tokens"]:
            token["id"] = own[token["content"]]
        overwrite(path, json.dumps(document).encode())
        wanted = []
        for char in letters:
            # the name by the number: Unigram calls its unknown token by the text that is unknown
            tokens = [kept.id_to_token(number) for number in kept.encode(char).ids]
            wanted.append(("unknown", ()) if tokens == ["?"] else ("exact", (own[char],)))
            seen.add((tokens == ["?"], char in later, char in pieces))
        assert spelt(vocabularies.read(path), letters) == wanted
    assert seen == {(True, False, False), (False, True, False), (False, False, True), (False, True, True)}


def test_added_tokens_that_the_normaliser_changes(tmp_path: Path) -> None:
    """Some are looked for as the normaliser leaves them: a comma is the fullwidth one then, though it has a piece."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, ",": 1, "a": 2, "q": 3}, "[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.add_tokens(
        [
            AddedToken("，", normalized=True),
            AddedToken("É", normalized=True),
            AddedToken("é", normalized=False),
            AddedToken("Q", normalized=True),
        ]
    )
    path = save(tmp_path, tokenizer)
    whole = Tokenizer.from_file(str(path))
    wanted = {char: whole.encode(char).ids for char in ",，aéÉqQ"}
    assert wanted == {",": [4], "，": [4], "a": [2], "é": [6], "É": [5], "q": [7], "Q": [7]}
    assert {
        char: list(ids) for char, (_, ids) in zip(wanted, spelt(vocabularies.read(path), "".join(wanted)), strict=True)
    } == wanted


VANISHING = """
import resource, sys
import numpy as np
from charvec import vocabularies
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
spelling = vocabularies.read(sys.argv[1]).spell(np.array([0x61, 0x78, 0x5B57, 0x2E], np.uint32))
print(spelling.status.tolist())
"""


def test_an_added_token_of_which_nothing_is_left(tmp_path: Path) -> None:
    """The library looks for nothing and finds it until the memory is full; to us it is a token that no text holds."""
    tokenizer = Tokenizer(models.Unigram([("?", -6.0), ("a", -1.0), ("字", -2.0)], unk_id=0))
    tokenizer.normalizer = normalizers.Replace("x", "")
    tokenizer.add_tokens([AddedToken("x", normalized=True)])
    path = save(tmp_path, tokenizer)
    done = subprocess.run(
        [sys.executable, "-c", VANISHING, str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[0, 6, 0, 7]"), done.stderr[-300:]


def test_a_blank_put_before_an_added_token(tmp_path: Path) -> None:
    """A token that is looked for with that blank is found at the beginning of a text only, which is no running text."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -3.0), ("a", -1.0), ("字", -9.0)], 0, False))
    tokenizer.normalizer = normalizers.Prepend("▁")
    tokenizer.add_tokens([AddedToken("字", normalized=True), AddedToken("x", normalized=True)])
    tokenizer.add_tokens([AddedToken("y", normalized=False)])
    assert tokenizer.encode("a字a").ids == [1, 2, 3, 2] and tokenizer.encode("axa").ids == [1, 2, 0, 2]
    assert spelt(vocabularies.read(save(tmp_path, tokenizer)), "a字xy") == [
        *(("exact", (2,)), ("exact", (3,)), ("unknown", ()), ("exact", (5,)))
    ]


def test_a_blank_put_before_every_part(tmp_path: Path) -> None:
    """Where punctuation is cut off before, it has the row of a word's beginning everywhere."""
    pieces = ["<unk>", "▁", ",", "▁,", "a", "▁a", "."]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0 - row) for row, piece in enumerate(pieces)], 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    assert tokenizer.encode("aa,a.").ids == [5, 4, 3, 5, 1, 6]
    assert spelt(vocabularies.read(save(tmp_path, tokenizer)), ",a.") == [
        *(("boundary", (3,)), ("exact", (4,)), ("exact", (6,)))
    ]


def test_an_added_token_with_the_row_of_a_piece(tmp_path: Path) -> None:
    """Nobody knows which row it has, so it has none, and this is said."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, "[UNK]"))
    tokenizer.add_tokens(["x", "y", "z"])
    document = json.loads(tokenizer.to_str())
    for token, row in zip(document["added_tokens"], (2, 7, 7), strict=True):
        token["id"] = row
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    vocabulary = vocabularies.read(path)
    assert spelt(vocabulary, "abxyz") == [
        *(("exact", (1,)), ("exact", (2,)), ("unknown", ()), ("exact", (7,)), ("unknown", ()))
    ]
    assert [note.code for note in vocabulary.notes] == ["W-VOCAB-DUP"]
    assert "'x' at row 2, 'z' at row 7" in vocabulary.notes[0].message


@pytest.mark.parametrize("kind", ["WordLevel", "WordPiece", "BPE", "Unigram"])
def test_special_tokens_of_one_character(kind: str, tmp_path: Path) -> None:
    """Their rows are no character's, whether or not they are pieces of the model."""
    vocab = {"?": 0, "^": 1, "a": 2}
    document = {
        "model": {"type": kind, "vocab": vocab, "unk_token": "?", "merges": []},
        "added_tokens": [{"id": row, "content": text, "special": True} for row, text in ((1, "^"), (3, "$"))],
    }
    if kind == "Unigram":
        document["model"] = {"type": kind, "vocab": [[piece, -1.0] for piece in vocab], "unk_id": 0}
    elif kind == "WordPiece":
        document["model"] |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    assert spelt(vocabularies.read(path), "?^$a") == [*[("unknown", ())] * 3, ("exact", (2,))]


def test_rows_beyond_the_matrix(tmp_path: Path) -> None:
    """Tokens added behind the matrix have no row; a vocabulary that is too long is another model's."""
    save_file = pytest.importorskip("safetensors.numpy").save_file

    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.add_tokens(["字", "♪"])
    save(tmp_path, tokenizer)
    save_file({"model.embed_tokens.weight": np.eye(3, dtype=np.float32)}, str(tmp_path / "model.safetensors"))
    opened = open_model(tmp_path)
    assert [note.code for note in opened.notes] == []
    spelling = opened.vocabulary.spell(np.array([0x61, 0x5B57, 0x266A], np.uint32)).beyond(opened.tensor.rows)
    assert [Status(status).label for status in spelling.status] == ["exact", "exact", "no-row"]
    save_file({"model.embed_tokens.weight": np.eye(1, dtype=np.float32)}, str(tmp_path / "model.safetensors"))
    with pytest.raises(CharvecError) as caught:
        open_model(tmp_path)
    assert caught.value.code == "E-VOCAB-ROWS"


# Casing


def test_casing(tmp_path: Path) -> None:
    """BERT's normaliser can be overruled, by tokenizer_config.json and by the user; any other cannot."""
    path = tmp_path / "tokenizer.json"
    shutil.copyfile(JSON / "wordpiece.json", path)
    assert spelt(vocabularies.read(path), "A")[0][0] == "normalized"
    cased = vocabularies.read(path, lowercase=False)
    assert (spelt(cased, "A")[0][0], cased.settings["lowercase"]) == ("unknown", False)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "add_prefix_space": true}')
    configured = vocabularies.read(path)
    assert spelt(configured, "A")[0][0] == "unknown"
    assert configured.files == (str(path), str(tmp_path / "tokenizer_config.json"))
    assert [note.message.rpartition(": ")[2] for note in configured.notes] == ["tokenizer_config.json says so"]
    for other in (JSON / "unigram.json", GPT_2 / "vocab.json"):
        with pytest.raises(CharvecError) as caught:
            vocabularies.read(other, lowercase=True)
        assert (caught.value.code, caught.value.exit_code) == ("E-CASING", 2)


# vocab.json and merges.txt


def gpt2(folder: Path, names: tuple[str, str] = ("vocab.json", "merges.txt")) -> Path:
    """Copies of both files."""
    for source, name in zip(("vocab.json", "merges.txt"), names, strict=True):
        shutil.copyfile(GPT_2 / source, folder / name)
    return folder / names[0]


def test_the_two_files_of_gpt_2_are_its_tokenizer() -> None:
    """They give what the tokenizer.json of the same tokenizer gives, for planes 0 and 1."""
    scalars = np.array([*range(0xD800), *range(0xE000, 0x20000)], np.uint32)
    tokenizer = Tokenizer.from_file(str(JSON / "bytes_gpt2.json"))
    assert tokenizer.get_vocab() == json.loads((GPT_2 / "vocab.json").read_text("utf-8"))
    one = vocabularies.read(JSON / "bytes_gpt2.json").spell(scalars)
    other = vocabularies.read(GPT_2 / "vocab.json").spell(scalars)
    assert one.status.tobytes() == other.status.tobytes()
    assert one.row_ids.tobytes() == other.row_ids.tobytes()


def test_merges_behind_longer_ones(tmp_path: Path) -> None:
    """A merge of two bytes counts however late it comes, and whatever the pair beside it, as in the library."""
    long = [f"{'a' * size} {'a' * size}" for size in (1, 2, 4, 8, 16, 32, 64)]
    merges = [*long, "â Ī", "âĪ Ĵ", "ä ¸", "¸ Ń"]
    pieces = [*byte_alphabet.CHARS, *(merge.replace(" ", "") for merge in merges)]
    (tmp_path / "vocab.json").write_text(json.dumps({piece: row for row, piece in enumerate(pieces)}))
    (tmp_path / "merges.txt").write_text("\n".join(merges), "utf-8")
    library = Tokenizer(models.BPE.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt")))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    text = "−∓中丰"
    found = spelt(vocabularies.read(tmp_path / "vocab.json"), text)
    assert [rows for _, rows in found] == [tuple(library.encode(char).ids) for char in text]
    assert found[0][0] == "exact"


@pytest.mark.parametrize("names", [("gpt2-vocab.json", "gpt2-merges.txt"), ("encoder.json", "vocab.bpe")])
def test_older_names(tmp_path: Path, names: tuple[str, str]) -> None:
    """OpenAI's, and those of before there were folders."""
    vocabulary = vocabularies.read(gpt2(tmp_path, names))
    assert vocabulary.files == (str(tmp_path / names[0]), str(tmp_path / names[1]))
    assert vocabulary.kind == "byte-level bpe"


def test_line_ends_of_merges(tmp_path: Path) -> None:
    """CRLF, no first line, blank lines at the end: the same merges; U+0085 and U+2028 are no line ends."""
    path = gpt2(tmp_path)
    wanted = spelt(vocabularies.read(path), "我が가é ")
    merges = (GPT_2 / "merges.txt").read_bytes()
    for data in (merges.replace(b"\n", b"\r\n"), merges.split(b"\n", 1)[1], merges + b"\n\n", merges.rstrip(b"\n")):
        (tmp_path / "merges.txt").write_bytes(data)
        assert spelt(vocabularies.read(path), "我が가é ") == wanted


def test_composing_models(tmp_path: Path) -> None:
    """Qwen's tokenizers compose; nothing but tokenizer_config.json says so. Added tokens are read from there."""
    path = gpt2(tmp_path)
    assert spelt(vocabularies.read(path), "\uf9d1♪")[0][0] == "bytes"
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "added_tokens_decoder": {
            "900": {"content": "<|im_start|>", "special": True},
            "901": {"content": "♪", "special": False},
        },
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    vocabulary = vocabularies.read(path)
    assert vocabulary.settings["normalizer"] == "NFC"
    assert spelt(vocabulary, "\uf9d1♪")[1] == ("exact", (901,))
    six = spelt(vocabulary, "六")[0]
    assert spelt(vocabulary, "\uf9d1")[0] == (six if six[0] == "bytes" else ("normalized", six[1]))
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "added_tokens.json").write_text('{"♪": 900, "<|im_start|>": 901}')
    assert spelt(vocabularies.read(path), "♪") == [("exact", (900,))]


def test_clip_in_two_files(tmp_path: Path) -> None:
    """Pieces that end in </w> are CLIP's: lower-cased, with pieces for the end of words."""
    tokenizer = Tokenizer.from_file(str(JSON / "clip.json"))
    tokenizer.model.save(str(tmp_path))
    text = "AaÉé我、1٣²“’ \t\n\u3000\u200b\x8a가が\uf9d1😂"
    two, one = (vocabularies.read(path) for path in (tmp_path / "vocab.json", JSON / "clip.json"))
    assert spelt(two, text) == spelt(one, text)
    scalars = every(97)
    assert two.spell(scalars).status.tobytes() == one.spell(scalars).status.tobytes()
    assert two.spell(scalars).row_ids.tobytes() == one.spell(scalars).row_ids.tobytes()


@pytest.mark.parametrize(
    ("vocab", "merges", "code"),
    [
        pytest.param(None, b"a\n", "E-TOKENIZER", id="one-piece"),
        pytest.param(None, b"a b c\n", "E-TOKENIZER", id="three-pieces"),
        pytest.param(None, b" a\n", "E-TOKENIZER", id="blank-piece"),
        pytest.param(None, b"\xff a\n", "E-TOKENIZER", id="not-utf8"),
        pytest.param(None, "字 字\n".encode(), "E-TOKENIZER", id="unknown-piece"),
        pytest.param(b'{"a": 0, "b": -1}', b"", "E-TOKENIZER", id="negative"),
        pytest.param(b'{"a": 0, "b": 1}', b"a b", "E-TOKENIZER", id="no-bytes"),
        pytest.param(b'{"a": 0, "a": 1}', b"", "E-JSON-DUPKEY", id="dup"),
        pytest.param(b'{"a": 0, "b"', b"", "E-TRUNCATED", id="trunc"),
    ],
)
def test_damaged_pairs(tmp_path: Path, vocab: bytes | None, merges: bytes, code: str) -> None:
    """Each is refused with one of our errors."""
    path = gpt2(tmp_path)
    if vocab is not None:
        path.write_bytes(vocab)
    (tmp_path / "merges.txt").write_bytes(merges)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path).spell(np.array([0x61], np.uint32))
    assert (caught.value.code, caught.value.exit_code) == (code, 65)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "a"}}}'),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"1": {"content": 7}}}'),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"1": 7}}'),
        ("added_tokens.json", '{"a": "b"}'),
        ("added_tokens.json", '{"a": -1}'),
        ("added_tokens.json", "[]"),
    ],
)
def test_damage_beside(tmp_path: Path, name: str, content: str) -> None:
    """A file that could add tokens and cannot be read is not passed over."""
    path = gpt2(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-TOKENIZER"


# SentencePiece, converted


@cache
def converted(path: Path) -> tuple[str, ...]:
    """The tokenizer.json of a SentencePiece model, put together as the converters of transformers do."""
    spec, pieces = b"", []
    trainer: dict[int, Any] = {}
    for number, _, value in fields(path.read_bytes()):
        if number == 1:
            piece = {1: b"", 2: 0, 3: 1} | {key: item for key, _, item in fields(value)}
            score = piece[2]
            pieces.append((bytes(piece[1]).decode(), struct.unpack("<f", struct.pack("<I", score))[0], piece[3]))
        elif number == 2:
            trainer = {key: item for key, _, item in fields(value)}
        elif number == 3:
            spec = next((bytes(item) for key, _, item in fields(value) if key == 2), b"")
    unknown = next(row for row, piece in enumerate(pieces) if piece[2] == 2)
    steps: list[dict[str, Any]] = [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]
    if spec:
        steps.insert(0, {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(spec).decode()})
    document = json.loads(Tokenizer(models.Unigram([("a", 0.0)], 0, False)).to_str())
    document["model"].update(
        vocab=[[piece, score] for piece, score, _ in pieces], unk_id=unknown, byte_fallback=bool(trainer.get(35))
    )
    document["normalizer"] = {"type": "Sequence", "normalizers": steps}
    document["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    document["added_tokens"] = [
        # 2 and 3 are unknown and control, 4 is user-defined
        {"id": row, "content": piece, "special": kind != 4, **switches}
        for row, (piece, _, kind) in enumerate(pieces)
        if kind in (2, 3, 4)
    ]
    return (json.dumps(document),)


SENTENCEPIECE = [DATA / "sentencepiece" / "unigram.model", DATA / "sentencepiece" / "unigram_bytes.model"]
SENTENCEPIECE += [MODEL2VEC.parents[1] / "sentencepiece" / name for name in ("test_ja_model.model", "test_model.model")]


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize("path", SENTENCEPIECE, ids=lambda path: path.name)
def test_a_sentencepiece_model_and_what_is_made_of_it(path: Path, cuts: bool, tmp_path: Path) -> None:
    """Both give the same status and rows, also with XLM-R's cuts at white space; and so do the short cuts."""
    if not path.exists():
        pytest.skip("needs the models of google/sentencepiece")
    target = tmp_path / "tokenizer.json"
    document = json.loads(*converted(path))
    if cuts:
        marks = document["pre_tokenizer"]
        document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, marks]}
    target.write_text(json.dumps(document))
    shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    blocks = ((0x20, 0x7F), (0xA1, 0x3400), (0x4E00, 0x5200), (0xAC00, 0xAC80), (0xF900, 0xFB10), (0xFE10, 0x10000))
    scalars = np.array([codepoint for first, last in blocks for codepoint in range(first, last)], np.uint32)
    if cuts:  # what else is white space to the library need not be to the rules of the model
        scalars = scalars[[codepoint == 0x20 or not chr(codepoint).isspace() for codepoint in scalars.tolist()]]
    made = vocabularies.read(target).spell
    assert isinstance(made, TokenizerSpeller)
    one, other = made(scalars), vocabularies.read(tmp_path / path.name).spell(scalars)
    wrong = [
        (hex(scalars[place]), Status(one.status[place]).label, one.ids(place), other.status[place], other.ids(place))
        for place in range(len(scalars))
        if one.status[place] != other.status[place] or one.ids(place) != other.ids(place)
    ]
    assert not wrong
    made._text_of = None
    asked = made(scalars)
    assert asked.status.tobytes() == one.status.tobytes()
    assert asked.row_ids.tobytes() == one.row_ids.tobytes()


# Which file of a folder


def test_files_of_a_folder(tmp_path: Path) -> None:
    """A list of WordPiece before its tokenizer.json, that before vocab.json; a list beside another model is not its."""
    gpt2(tmp_path)
    assert vocabularies.locate(str(tmp_path)) == str(tmp_path / "vocab.json")
    shutil.copyfile(JSON / "bytes_gpt2.json", tmp_path / "tokenizer.json")
    assert vocabularies.locate(str(tmp_path)) == str(tmp_path / "tokenizer.json")
    (tmp_path / "vocab.txt").write_text("[PAD]\na\n")
    assert vocabularies.locate(str(tmp_path)) == str(tmp_path / "tokenizer.json")
    shutil.copyfile(JSON / "wordpiece.json", tmp_path / "tokenizer.json")
    assert vocabularies.locate(str(tmp_path)) == str(tmp_path / "vocab.txt")
