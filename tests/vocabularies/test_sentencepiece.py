"""SentencePiece, held against the `sentencepiece` library for every character, and files that lie."""

from __future__ import annotations

import json
import os
import random
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.piece_rows import read_piece_rows
from charvec.status import Status
from charvec.vocabularies import sentencepiece as member

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "vocabularies" / "sentencepiece"
SHARED = ROOT.parent / "shared" / "fixtures" / "sentencepiece"
GOLDEN = sorted(DATA.glob("*.model"))

slow = pytest.mark.skipif(not os.environ.get("CHARVEC_SLOW"), reason="set CHARVEC_SLOW=1 to sweep all of Unicode again")
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs the models of google/sentencepiece")

SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
SAMPLE = sorted(
    {*range(0x3400), *range(0x4E00, 0xA000, 5), *range(0xF900, 0x10200), *SCALARS[::97]} - {*range(0xD800, 0xE000)}
)

Entry = tuple[Status, tuple[int, ...]]


def reference(path: Path, codepoints: list[int]) -> list[Entry]:
    """Status and rows by what `sentencepiece` makes of each character.

    The character is encoded alone, by the same model without its dummy prefix and without the removal of extra white
    space, which is how it stands inside running text. Pieces that are only white space are dropped from both ends
    unless there is nothing else. Then, by the types of the pieces that are left,

    * none: removed
    * only one, of one character: exact, or normalized when it is another character
    * any of unknown, control or byte: the same with a blank in front (behind, where white space is a suffix); if that
      is one piece of one character besides the white space: boundary, or normalized when it is another character;
      else bytes if there are bytes, else unknown
    * anything else: composed

    and a character that would be removed or unknown although it is an unused piece, or an ordinary one, is unreachable.
    """
    sentencepiece = pytest.importorskip("sentencepiece")
    protocol = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")
    model = protocol.ModelProto.FromString(path.read_bytes())
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    mark = "▁" if model.normalizer_spec.escape_whitespaces else " "
    suffix = model.trainer_spec.treat_whitespace_as_suffix
    chars = [chr(codepoint) for codepoint in codepoints]
    pieces = [(piece.piece, piece.type) for piece in model.pieces]
    own = {piece: row for row, (piece, kind) in enumerate(pieces) if kind in (1, 4, 5)}
    entries = []
    for start in range(0, len(chars), 50_000):
        part = chars[start : start + 50_000]
        words = processor.encode([char + " " if suffix else " " + char for char in part])
        for char, ids, word in zip(part, processor.encode(part), words, strict=True):
            entries.append(_expected(char, ids, word, pieces, own, mark))
    return entries


def _expected(
    char: str, ids: list[int], word: list[int], pieces: list[tuple[str, int]], own: dict[str, int], mark: str
) -> Entry:
    if any(pieces[row][0] != mark for row in ids):
        while pieces[ids[0]][0] == mark:
            ids = ids[1:]
        while pieces[ids[-1]][0] == mark:
            ids = ids[:-1]
    types = {pieces[row][1] for row in ids}
    if ids and types <= {1, 4, 5}:
        if len(ids) > 1 or len(pieces[ids[0]][0]) > 1:
            return Status.COMPOSED, tuple(ids)
        return (Status.EXACT if pieces[ids[0]][0] == char else Status.NORMALIZED), tuple(ids)
    if ids and len(word) == 1 and len(pieces[word[0]][0]) == 2 and pieces[word[0]][1] in (1, 4):
        return (Status.BOUNDARY if char in pieces[word[0]][0] else Status.NORMALIZED), (word[0],)
    if 6 in types:
        return Status.BYTES, tuple(ids)
    if char in own:
        return Status.UNREACHABLE, (own[char],)
    return (Status.UNKNOWN if ids else Status.REMOVED), ()


def disagreements(path: Path, codepoints: list[int]) -> list[str]:
    """Code points that charvec and `sentencepiece` spell differently."""
    spelling = vocabularies.read(path).spell(np.array(codepoints, np.uint32))
    found = [(Status(status), spelling.ids(place)) for place, status in enumerate(spelling.status)]
    pairs = zip(codepoints, found, reference(path, codepoints), strict=True)
    return [f"U+{codepoint:04X} {ours}, sentencepiece {theirs}" for codepoint, ours, theirs in pairs if ours != theirs]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_against_the_library(path: Path) -> None:
    """A sample of all scalar values."""
    assert not disagreements(path, SAMPLE)


@slow
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_all_of_unicode(path: Path) -> None:
    """All 1,112,064 scalar values."""
    assert not disagreements(path, SCALARS)


@needs_shared
@pytest.mark.parametrize("name", ["test_model.model", "test_ja_model.model"])
def test_models_of_the_library_itself(name: str) -> None:
    """The full tables of NFKC."""
    assert not disagreements(SHARED / name, SCALARS if os.environ.get("CHARVEC_SLOW") else SAMPLE)


TRAINED = {
    "unigram-nmt_nfkc": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc"},
    "unigram-nfkc_cf": {
        "model_type": "unigram",
        "normalization_rule_name": "nfkc_cf",
        "user_defined_symbols": ["m2", "㎡", "A", "①", "ff", "，", "(1"],
        "control_symbols": ["<c>", "Z"],
    },
    "unigram-no-prefix": {"model_type": "unigram", "add_dummy_prefix": False, "allow_whitespace_only_pieces": True},
    "bpe-nmt_nfkc_cf": {
        "model_type": "bpe",
        "normalization_rule_name": "nmt_nfkc_cf",
        "user_defined_symbols": ["ミリ", "㍿", "tm"],
        "control_symbols": ["Q"],
    },
    "bpe-nfkc-suffix": {"model_type": "bpe", "normalization_rule_name": "nfkc", "treat_whitespace_as_suffix": True},
    "bpe-bytes": {"model_type": "bpe", "normalization_rule_name": "nfkc", "byte_fallback": True},
    "char-nfkc": {"model_type": "char", "normalization_rule_name": "nfkc", "user_defined_symbols": ["ffi", "km"]},
    "word-nmt_nfkc": {"model_type": "word", "normalization_rule_name": "nmt_nfkc"},
    "word-suffix": {"model_type": "word", "treat_whitespace_as_suffix": True},
}


def trained(folder: Path, **options: Any) -> Path:
    """A model trained on the samples."""
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        input=",".join(map(str, sorted((ROOT / "samples" / "texts").glob("*.txt")))),
        model_prefix=str(folder / "m"),
        vocab_size=2400,
        character_coverage=0.98,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return folder / "m.model"


@pytest.mark.parametrize("name", TRAINED)
def test_models_trained_here(name: str, tmp_path: Path) -> None:
    """Every type with the normalisations that come with the library."""
    path = trained(tmp_path, **TRAINED[name])
    assert not disagreements(path, SCALARS if os.environ.get("CHARVEC_SLOW") else SAMPLE)


@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_models_with_pieces_of_all_types_and_equal_scores(kind: str, suffix: bool, tmp_path: Path) -> None:
    """Pieces made unused or user-defined at random, few scores so that many rows of pieces are equally good.

    And pieces for whatever characters become, so that there is something to choose from.
    """
    protocol = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")
    path = trained(tmp_path, model_type=kind, normalization_rule_name="nmt_nfkc", treat_whitespace_as_suffix=suffix)
    rules = Charsmap(protocol.ModelProto.FromString(path.read_bytes()).normalizer_spec.precompiled_charsmap, "")
    forms = {codepoint: rules(chr(codepoint)).replace(" ", "▁") for codepoint in SCALARS if codepoint < 0x30000}
    longer = [codepoint for codepoint, form in forms.items() if len(form) > 1]
    assert len(longer) > 1000
    for seed in range(4):
        generator = random.Random(seed)
        model = protocol.ModelProto.FromString(path.read_bytes())
        there = {piece.piece for piece in model.pieces}
        for codepoint in longer:
            form = forms[codepoint]
            for _ in range(3):
                start = generator.randrange(len(form))
                piece = form[start : start + generator.choice((1, 1, 2, 2, 3, 4))]
                if piece not in there:
                    model.pieces.add(piece=piece, score=-1.0, type=1)
                    there.add(piece)
        for piece in list(model.pieces)[3:]:
            piece.score = generator.choice((-1.0, -2.0, -3.0, -3.3, -7.7, generator.uniform(-9, 0)))
            piece.type = 1 if piece.piece == "▁" else generator.choice((1,) * 20 + (4, 5, 5))
        path.write_bytes(model.SerializeToString())
        assert not disagreements(path, longer + SAMPLE[:3000])


# Models made by hand, in the layout of a protocol buffer


def varint(value: int) -> bytes:
    """An unsigned integer."""
    data = b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def message(*fields: tuple[int, Any]) -> bytes:
    """Fields by number: int, float, text or bytes."""
    data = b""
    for number, value in fields:
        if isinstance(value, float):
            data += varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            data += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            data += varint(number << 3 | 2) + varint(len(value)) + value
    return data


UNK = ("<unk>", 0.0, 2)
SPECIAL = [UNK, ("<s>", 0.0, 3), ("</s>", 0.0, 3)]


def model(
    pieces: list[tuple[Any, ...]],
    trainer: list[tuple[int, Any]] | None = None,
    normalizer: list[tuple[int, Any]] | None = None,
) -> bytes:
    """A whole model; a piece is its text, score and, unless it is an ordinary one, type."""
    data = b"".join(
        message((1, message((1, piece[0]), (2, piece[1]), *((3, kind) for kind in piece[2:])))) for piece in pieces
    )
    return data + message((2, message(*(trainer or [(3, 1)]))), (3, message(*(normalizer or [(1, "identity")]))))


def write(folder: Path, data: bytes, name: str = "m.model", **configs: Any) -> Path:
    """A model and, beside it, configuration files."""
    for stem, value in configs.items():
        (folder / f"{stem}.json").write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    (folder / name).write_bytes(data)
    return folder / name


def spelt(path: Path, text: str, **options: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabularies.read(path, **options).spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


@pytest.mark.parametrize("kind", [1, 2])
def test_boundary_only_without_a_plain_piece(kind: int, tmp_path: Path) -> None:
    """``▁b`` is the row of b only because there is no ``b``; that of a is passed over."""
    pieces = [*SPECIAL, ("▁", -1.0), ("a", -2.0), ("▁a", -0.5), ("▁b", -3.0), ("▁cd", -1.0)]
    path = write(tmp_path, model(pieces, [(3, kind)]))
    assert spelt(path, "abc \u2581") == [
        *(("exact", (4,)), ("boundary", (6,)), ("unknown", ()), ("normalized", (3,)), ("exact", (3,)))
    ]
    assert not disagreements(path, SAMPLE[:500])


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_pieces_that_text_never_becomes(kind: int, tmp_path: Path) -> None:
    """Unused pieces are no characters, and control symbols and the unknown piece have rows of no character at all."""
    pieces = [("x", 0.0, 2), ("y", 0.0, 3), ("z", -1.0, 5), ("▁", -1.0), ("w", -1.0, 4)]
    path = write(tmp_path, model(pieces, [(3, kind)]))
    assert spelt(path, "xyzw?") == [
        *(("unknown", ()), ("unknown", ()), ("unreachable", (2,)), ("exact", (4,)), ("unknown", ()))
    ]
    assert not disagreements(path, SAMPLE[:500])


def test_bytes(tmp_path: Path) -> None:
    """Byte pieces are never a character's own row, also not that of an ASCII character."""
    pieces = [UNK, *((f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)), ("▁", -1.0), ("a", -1.0), ("▁我", -1.0)]
    path = write(tmp_path, model(pieces, [(3, 2), (35, 1)]))
    assert spelt(path, "aA字我") == [
        *(("exact", (258,)), ("bytes", (0x42,)), ("bytes", (0xE6, 0xAE, 0x98)), ("boundary", (259,)))
    ]
    assert not disagreements(path, SAMPLE[:500])


def test_golden_values() -> None:
    """Rules of the golden model: deleted, one other, several, one piece of several, a blank in front."""
    path = DATA / "unigram.model"
    own = {}
    for row, piece in enumerate(member.parse(path.read_bytes()).pieces):
        own[piece] = row
    found = dict(zip("\u200bＡ，㎡\xb4①Z", spelt(path, "\u200bＡ，㎡\xb4①Z"), strict=True))
    assert found["\u200b"] == ("removed", ())
    assert found["Ａ"] == ("normalized", (own["a"],))
    assert found["，"] == ("normalized", (own[","],))
    assert found["㎡"] == ("composed", (own["m2"],))
    assert found["①"] == ("exact", (own["①"],))
    assert found["Z"] == ("unknown", ())


# Rows that are not the places of pieces

PLAIN = [*SPECIAL, ("▁", -1.0), ("a", -1.0), ("B", -1.0), ("b", -2.0), ("e", -2.0)]


@pytest.mark.parametrize(
    ("configs", "row"),
    [
        ({"config": {"model_type": "xlm-roberta"}}, 5),
        ({"tokenizer_config": {"tokenizer_class": "XLMRobertaTokenizer"}, "config": {"model_type": "bert"}}, 5),
        ({"config": {"model_type": "bert", "tokenizer_class": "XLMRobertaTokenizerFast"}}, 5),
        ({"tokenizer_config": {"tokenizer_class": "CamembertTokenizer"}}, 8),
        ({"config": {"model_type": "mbart"}}, 5),
        ({"config": {"model_type": "pegasus"}}, 107),
        ({"tokenizer_config": {"tokenizer_class": "PegasusTokenizer", "offset": 1}}, 5),
        ({"config": {"model_type": "t5"}}, 4),
        ({"tokenizer_config": {"tokenizer_class": "LlamaTokenizer"}}, 4),
        ({"tokenizer_config": {"tokenizer_class": "PreTrainedTokenizerFast"}, "config": {"model_type": "llama"}}, 4),
    ],
)
def test_rows_by_the_model(configs: dict[str, Any], row: int, tmp_path: Path) -> None:
    """Which model it is decides by how much rows are shifted."""
    path = write(tmp_path, model(PLAIN), "sentencepiece.bpe.model", **configs)
    vocabulary = vocabularies.read(path)
    assert spelt(path, "a") == [("exact", (row,))]
    assert vocabulary.size == len(PLAIN) + row - 4
    assert vocabulary.notes == ()
    assert len(vocabulary.files) == 1 + len(configs)


#: Row less place in the file, for each tokenizer class of transformers 4.57.1 that reads a SentencePiece file: the
#: class was given a model trained for the purpose, and ``convert_tokens_to_ids`` was asked for every ordinary piece.
SHIFTS = {
    "Albert": ("spiece.model", 0),
    "Barthez": ("sentencepiece.bpe.model", 0),
    "BertGeneration": ("spiece.model", 0),
    "BigBird": ("spiece.model", 0),
    "Camembert": ("sentencepiece.bpe.model", 4),
    "CodeLlama": ("tokenizer.model", 0),
    "Cpm": ("spiece.model", 0),
    "DebertaV2": ("spm.model", 0),
    "FNet": ("spiece.model", 0),
    "GPTSw3": ("spiece.model", 0),
    "Gemma": ("tokenizer.model", 0),
    "LayoutXLM": ("sentencepiece.bpe.model", 1),
    "Llama": ("tokenizer.model", 0),
    "MBart": ("sentencepiece.bpe.model", 1),
    "MBart50": ("sentencepiece.bpe.model", 1),
    "MLuke": ("sentencepiece.bpe.model", 1),
    "Nllb": ("sentencepiece.bpe.model", 1),
    "PLBart": ("sentencepiece.bpe.model", 1),
    "Pegasus": ("spiece.model", 103),
    "Reformer": ("spiece.model", 0),
    "RemBert": ("sentencepiece.model", 0),
    "SeamlessM4T": ("sentencepiece.bpe.model", 1),
    "Siglip": ("spiece.model", 0),
    "SpeechT5": ("spm_char.model", 0),
    "T5": ("spiece.model", 0),
    "Udop": ("spiece.model", 0),
    "XGLM": ("sentencepiece.bpe.model", 1),
    "XLMProphetNet": ("prophetnet.tokenizer", 12),
    "XLMRoberta": ("sentencepiece.bpe.model", 1),
    "XLNet": ("spiece.model", 0),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_rows_by_the_tokenizer_class(name: str, tmp_path: Path) -> None:
    """By how much each class shifts rows, and that it is known."""
    file, shift = SHIFTS[name]
    path = write(tmp_path, model(PLAIN), file, tokenizer_config={"tokenizer_class": f"{name}Tokenizer"})
    assert spelt(path, "ab") == [("exact", (4 + shift,)), ("exact", (6 + shift,))]
    assert vocabularies.read(path).notes == ()


@pytest.mark.parametrize("kind", ["bigbird_pegasus", "pegasus_x", "plbart", "mluke", "layoutxlm", "kosmos-2"])
def test_rows_by_the_type_of_model(kind: str, tmp_path: Path) -> None:
    """Models that use another's tokenizer, as the table of transformers 4.57.1 gives it."""
    shift = 103 if "pegasus" in kind else 1
    path = write(tmp_path, model(PLAIN), "spiece.model", config={"model_type": kind})
    assert spelt(path, "a") == [("exact", (4 + shift,))]


def test_text_changed_before_as_transformers_does(tmp_path: Path) -> None:
    """GPT-SW3 deletes, blanks and composes characters; Siglip deletes ASCII punctuation, and lower-cases."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentencepiece")
    golden = (DATA / "unigram.model").read_bytes()
    for name in ("GPTSw3", "Siglip"):
        path = write(tmp_path, golden, "spiece.model", tokenizer_config={"tokenizer_class": f"{name}Tokenizer"})
        tokenizer = getattr(transformers, f"{name}Tokenizer")(str(path))
        changed = tokenizer.preprocess_text if name == "GPTSw3" else tokenizer.canonicalize_text
        ours = read_piece_rows(str(path), None).prepare
        assert ours is not None
        chars = [chr(codepoint) for codepoint in SAMPLE]
        theirs = [changed(f"字{char.lower() if name == 'Siglip' else char}字")[1:-1] for char in chars]
        assert [ours(char) for char in chars] == theirs


def test_japanese_words_are_composed_before(tmp_path: Path) -> None:
    """MeCab's, Sudachi's and Juman++'s words come from the NFKC of a text; without them SentencePiece sees the text."""
    data = model([*PLAIN, ("~", -2.0), ("～", -3.0)])
    path = write(tmp_path, data, "spiece.model")
    (row,) = spelt(path, "～")[0][1]

    def rows(**config: Any) -> tuple[int, ...]:
        config = {"tokenizer_class": "BertJapaneseTokenizer", **config}
        return spelt(write(tmp_path, data, "spiece.model", tokenizer_config=config), "～")[0][1]

    for words in ("mecab", "sudachi", "jumanpp"):
        assert rows(word_tokenizer_type=words) == spelt(path, "~")[0][1] != (row,)
    assert rows() == (row,)
    assert rows(word_tokenizer_type="mecab", do_word_tokenize=False) == (row,)
    assert rows(word_tokenizer_type="mecab", mecab_kwargs={"normalize_text": False}) == (row,)


def test_blanks_of_cpm(tmp_path: Path) -> None:
    """Its tokenizer writes block elements for a blank and a line end, before white space is squeezed."""
    pieces = [*PLAIN, ("▂", -1.0), ("▃", -1.0)]
    path = write(tmp_path, model(pieces), "spiece.model", tokenizer_config={"tokenizer_class": "CpmTokenizer"})
    assert spelt(path, " \n\t") == [("normalized", (8,)), ("normalized", (9,)), ("normalized", (3,))]


@pytest.mark.parametrize(
    "name",
    [
        "XLMRoberta",
        "Camembert",
        "MBart",
        "MBart50",
        "Nllb",
        "SeamlessM4T",
        "Barthez",
        "PLBart",
        "LayoutXLM",
        "T5",
        "Llama",
        "XLNet",
    ],
)
def test_rows_as_transformers_gives_them(name: str, tmp_path: Path) -> None:
    """By which number the rows are shifted, asked of the tokenizer itself."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentencepiece")
    golden = (DATA / "unigram.model").read_bytes()
    file = {"T5": "spiece.model", "XLNet": "spiece.model", "Llama": "tokenizer.model"}.get(
        name, "sentencepiece.bpe.model"
    )
    path = write(tmp_path, golden, file, tokenizer_config={"tokenizer_class": f"{name}Tokenizer"})
    try:
        tokenizer = getattr(transformers, f"{name}Tokenizer").from_pretrained(str(tmp_path))
        rows = tokenizer.convert_tokens_to_ids(list("我的人"))
    except Exception as error:
        pytest.skip(f"this transformers cannot read it: {str(error)[:80]}")
    assert len(set(rows)) == 3
    assert [ids for _, ids in spelt(path, "我的人")] == [(row,) for row in rows]


def test_rows_that_nothing_tells(tmp_path: Path) -> None:
    """By fairseq's name of the file it is refused, by another it is taken as it stands and said."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, model(PLAIN), "sentencepiece.bpe.model"))
    assert caught.value.code == "E-PIECE-ROWS"
    for unknown in ({"tokenizer_class": "SomethingNewTokenizer"}, {"model_type": "something-new"}):
        with pytest.raises(CharvecError) as caught:
            vocabularies.read(write(tmp_path, model(PLAIN), "sentencepiece.bpe.model", config=unknown))
        assert caught.value.code == "E-PIECE-ROWS"
        assert "SomethingNew" in caught.value.message or "something-new" in caught.value.message
    (tmp_path / "config.json").unlink()
    vocabulary = vocabularies.read(write(tmp_path, model(PLAIN), "tokenizer.model"))
    assert [note.code for note in vocabulary.notes] == ["W-PIECE-ROWS"]
    other = write(tmp_path, model(PLAIN), config={"model_type": "something-new"})
    assert [note.code for note in vocabularies.read(other).notes] == ["W-PIECE-ROWS"]


FAIRSEQ = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


@pytest.mark.parametrize(
    "beside",
    [
        {"added_tokens": FAIRSEQ},
        {
            "tokenizer_config": {
                "added_tokens_decoder": {str(row): {"content": token} for token, row in FAIRSEQ.items()}
            }
        },
        {"tokenizer_config": {"added_tokens_decoder": {"9" * 5000: {"content": "<s>"}}}},
        {"special_tokens_map": {"bos_token": {"content": "<s>"}}, "config": {"bos_token_id": 0}},
        {"tokenizer_config": {"unk_token": "<unk>"}, "config": {"model_type": "something-new", "unk_token_id": 3}},
    ],
    ids=["added", "decoder", "more digits than Python reads", "map", "config"],
)
def test_ids_that_are_no_places(beside: dict[str, Any], tmp_path: Path) -> None:
    """An unknown tokenizer whose configuration gives a piece another id than its place is refused."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, model(PLAIN), "tokenizer.model", **beside))
    assert (caught.value.code, caught.value.exit_code) == ("E-PIECE-ROWS", 65)
    assert "beside it says" in caught.value.message


def test_ids_that_are_places(tmp_path: Path) -> None:
    """That is no proof, but worth saying."""
    own = {str(row): {"content": token} for row, token in enumerate(("<unk>", "<s>", "</s>"))}
    decoder = {**own, "9": {"content": "<mask>"}, "1": {"content": "<s>"}}
    vocabulary = vocabularies.read(
        write(tmp_path, model(PLAIN), "tokenizer.model", tokenizer_config={"added_tokens_decoder": decoder})
    )
    assert [note.code for note in vocabulary.notes] == ["W-PIECE-ROWS"]
    assert "so far it agrees: the ids of '<unk>', '<s>', '</s>'" in vocabulary.notes[0].message


@pytest.mark.parametrize("kind", ["marian", "m2m_100", "ernie_m", "bartpho"])
def test_rows_kept_in_a_file_that_is_not_there(kind: str, tmp_path: Path) -> None:
    """Refused rather than handed out wrong."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, model(PLAIN), config={"model_type": kind}))
    assert caught.value.code == "E-PIECE-ROWS"


@pytest.mark.parametrize(("kind", "name"), [("marian", "source.spm"), ("m2m_100", "sentencepiece.bpe.model")])
def test_rows_kept_in_another_file(kind: str, name: str, tmp_path: Path) -> None:
    """A vocab.json beside it numbers the pieces; one that it leaves out is unknown to the model."""
    numbers = {"</s>": 0, "<unk>": 1, "e": 5, "▁": 3, "a": 40, "<pad>": 41}
    path = write(tmp_path, model(PLAIN), name, config={"model_type": kind}, vocab=numbers)
    assert vocabularies.locate(str(tmp_path)) == str(path)
    vocabulary = vocabularies.read(path)
    assert (vocabulary.size, vocabulary.notes) == (42, ())
    assert spelt(path, "aeb ?") == [
        *(("exact", (40,)), ("exact", (5,)), ("unknown", ()), ("normalized", (3,)), ("unknown", ()))
    ]
    write(tmp_path, model(PLAIN), name, vocab={"a": -1})
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-TOKENIZER"


def test_marian_as_transformers_does(tmp_path: Path) -> None:
    """The rows that Marian's own tokenizer gives."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentencepiece")
    golden = (DATA / "unigram.model").read_bytes()
    pieces = member.parse(golden).pieces
    numbers = {piece: row for row, piece in enumerate(["</s>", "<unk>", *reversed(pieces[3:]), "<pad>"])}
    (tmp_path / "target.spm").write_bytes(golden)
    path = write(tmp_path, golden, "source.spm", config={"model_type": "marian"}, vocab=numbers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recommends a package that is of no use here
            tokenizer = transformers.MarianTokenizer.from_pretrained(str(tmp_path))
        rows = tokenizer.convert_tokens_to_ids(list("我的人"))
    except Exception as error:
        pytest.skip(f"this transformers cannot read it: {str(error)[:80]}")
    assert len(set(rows)) == 3
    assert [ids for _, ids in spelt(path, "我的人")] == [(row,) for row in rows]


def test_text_changed_before(tmp_path: Path) -> None:
    """ALBERT lower-cases and strips accents before SentencePiece sees the text; XLNet strips accents alone."""
    albert = write(tmp_path, model(PLAIN), config={"model_type": "albert"})
    assert spelt(albert, "Béê\u3000") == [
        *(("normalized", (6,)), ("normalized", (7,)), ("normalized", (7,)), ("normalized", (3,)))
    ]
    assert spelt(albert, "B", lowercase=False) == [("exact", (5,))]
    xlnet = write(tmp_path, model(PLAIN), config={"model_type": "xlnet"})
    assert spelt(xlnet, "Bé") == [("exact", (5,)), ("normalized", (7,))]
    cased = write(
        tmp_path,
        model(PLAIN),
        config={"model_type": "albert"},
        tokenizer_config={"do_lower_case": False, "keep_accents": True},
    )
    assert spelt(cased, "Bé") == [("exact", (5,)), ("unknown", ())]


def test_casing_is_no_question(tmp_path: Path) -> None:
    """Models whose rules decide on letters have no setting for it."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, model(PLAIN)), lowercase=True)
    assert caught.value.code == "E-CASING"


# Damage


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(model([*PLAIN, ("a", -1.0)]), id="twice"),
        pytest.param(model(PLAIN[1:]), id="no-unknown"),
        pytest.param(model([*PLAIN, (*UNK[:1], 0.0, 1), ("u", 0.0, 2)]), id="two-unknown"),
        pytest.param(model([*PLAIN, ("", 0.0)]), id="empty-piece"),
        pytest.param(model([*PLAIN, ("x\0", 0.0)]), id="zero"),
        pytest.param(model([*PLAIN, ("x" * 8000, 0.0)]), id="long-piece"),
        pytest.param(model([*PLAIN, ("x", float("nan"))]), id="nan"),
        pytest.param(model([*PLAIN, ("x", 1e31)]), id="huge-score"),
        pytest.param(model([*PLAIN, ("x", 0.0, 7)]), id="type"),
        pytest.param(model([*PLAIN, (b"\xff", 0.0)]), id="not-utf8"),
        pytest.param(model([*PLAIN, ("<0x41>", 0.0, 6)]), id="byte-without-fallback"),
        pytest.param(model([*PLAIN, ("<0x41>", 0.0, 6)], [(35, 1)]), id="few-bytes"),
        pytest.param(model(PLAIN, [(3, 9)]), id="model-type"),
        pytest.param(model(PLAIN)[:-3], id="cut"),
        pytest.param(model(PLAIN) + b"\x0a\xff\xff\xff\xff\x7f", id="huge-length"),
    ],
)
def test_damage(data: bytes, tmp_path: Path) -> None:
    """What the library refuses, and what no writer makes."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, data))
    assert (caught.value.code, caught.value.exit_code) == ("E-SENTENCEPIECE", 65)


def test_pieces_in_other_layouts(tmp_path: Path) -> None:
    """Long pieces, fields in another order, missing scores and pieces behind the rest are read all the same."""
    long = "長" * 60
    data = message((1, message((1, "<unk>"), (3, 2)))) + model([(long, -1.0), ("a", -2.0)])
    data += message((1, message((2, -3.0), (1, "b")))) + message((1, message((1, "c"))))
    assert spelt(write(tmp_path, data), "abc") == [("exact", (2,)), ("exact", (3,)), ("exact", (4,))]


@pytest.mark.parametrize(
    "blob",
    [
        b"\0",
        b"\4\0\0\0abc\0",
        b"\xff\xff\xff\xff" + b"\0" * 8,
        struct.pack("<III", 8, 0x300 << 10, 0) + b"x\0",
        struct.pack("<III", 8, 0, 0) + b"x",
    ],
)
def test_damaged_rules(blob: bytes) -> None:
    """A table of rules that leads astray."""
    with pytest.raises(CharvecError) as caught:
        Charsmap(blob, "m.model")("é")
    assert caught.value.code == "E-CHARSMAP"


def test_random_rules() -> None:
    """Whatever the bytes, a text or one of our errors."""
    generator = random.Random(1)
    whole = member.parse((DATA / "unigram.model").read_bytes()).charsmap
    for _ in range(2000):
        blob = bytearray(whole)
        for _ in range(generator.randrange(1, 30)):
            blob[generator.randrange(len(blob))] = generator.randrange(256)
        try:
            rules = Charsmap(bytes(blob), "m.model")
            for char in "Ａ㎡\u200b\xb4a字":
                assert isinstance(rules(char), str)
        except CharvecError as error:
            assert error.code == "E-CHARSMAP"


def test_a_file_far_too_large(tmp_path: Path) -> None:
    """Refused by its size, before it is read."""
    path = write(tmp_path, model(PLAIN))
    os.truncate(path, member.MAX_BYTES + 1)
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == "E-TOO-LARGE"
