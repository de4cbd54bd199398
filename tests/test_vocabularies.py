"""WordPiece, held against the `tokenizers` library for every character, and vocabulary files as they are found."""

from __future__ import annotations

import json
import os
import random
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite
from effort import SLOW
from tokenizers import Tokenizer
from tokenizers.models import WordPiece as Model
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.spelling import piece_lists, wordpieces
from charvec.status import Status
from charvec.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "samples" / "tiny-bert-zh" / "vocab.txt"
CHINESE = ROOT.parent / "shared" / "fixtures" / "vocab_zh_bert" / "vocab.txt"

needs_chinese = pytest.mark.skipif(not CHINESE.exists(), reason="needs the 21,128-line vocabulary of Chinese BERT")
slow = pytest.mark.skipif(not SLOW, reason="set CHARVEC_SLOW=1 to sweep all of Unicode again")

BOTH = [
    pytest.param(BUNDLED, id="bundled"),
    pytest.param(CHINESE, id="chinese", marks=needs_chinese),
]


def settings_of(lowercase: bool, strip_accents: bool | None) -> dict[str, bool | None]:
    """Arguments of BERT's normaliser."""
    return {"clean_text": True, "handle_chinese_chars": True, "strip_accents": strip_accents, "lowercase": lowercase}


SETTINGS = [
    pytest.param(settings_of(True, None), id="uncased"),
    pytest.param(settings_of(True, False), id="uncased-accents"),
    pytest.param(settings_of(False, None), id="cased"),
    pytest.param(settings_of(False, True), id="cased-stripped"),
]


@cache
def pieces_of(path: Path) -> dict[str, int]:
    """Piece -> row, read in the plainest way."""
    return {line.decode(): row for row, line in enumerate(path.read_bytes().removesuffix(b"\n").split(b"\n"))}


def pipeline(pieces: dict[str, int], settings: dict[str, bool | None]) -> Tokenizer:
    """A BERT tokenizer without special tokens."""
    tokenizer = Tokenizer(Model(pieces, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(**settings)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def expected(char: str, ids: list[int], tokens: list[str], pieces: dict[str, int]) -> tuple[Status, tuple[int, ...]]:
    """Status and rows of a character by what a pipeline made of it; see :func:`disagreements`."""
    row = pieces.get(char)
    if not ids or pieces["[UNK]"] in ids:
        if row is not None:
            return Status.UNREACHABLE, (row,)
        return (Status.UNKNOWN if ids else Status.REMOVED), ()
    if tokens == [char]:
        return Status.EXACT, (ids[0],)
    return (Status.NORMALIZED if len(tokens) == 1 == len(tokens[0]) else Status.COMPOSED), tuple(ids)


def disagreements(tokenizer: Tokenizer, pieces: dict[str, int], speller: Any, codepoints: list[int]) -> list[str]:
    """Code points that charvec and a `tokenizers` pipeline spell differently.

    The pipeline encodes each character alone, without special tokens.

    * unreachable: it gives no ids, or the unknown token among them, although the character is a piece, whose row it is
    * removed: it gives no ids
    * unknown: the unknown token is among its ids; no rows
    * exact: its only token is the character itself
    * normalized: its only token is another character
    * composed: anything else

    and for the last three the rows are its ids.
    """
    spelling = speller(np.array(codepoints, np.uint32))
    wrong = []
    for start in range(0, len(codepoints), 50_000):
        chars = [chr(codepoint) for codepoint in codepoints[start : start + 50_000]]
        for place, encoding in enumerate(tokenizer.encode_batch(chars, add_special_tokens=False), start):
            char, ids = chars[place - start], encoding.ids
            found = Status(spelling.status[place]), spelling.ids(place)
            if found != expected(char, ids, encoding.tokens if ids else [], pieces):
                wrong.append(f"U+{ord(char):04X} {found[0].label} {found[1]}, tokenizers {ids}")
    return wrong


SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
ASSIGNED = [codepoint for codepoint in SCALARS if unicodedata.category(chr(codepoint)) not in ("Cn", "Co")]
PRIVATE_OR_UNASSIGNED = sorted(set(SCALARS) - set(ASSIGNED))


def sample(codepoints: list[int], step: int) -> list[int]:
    """The first and last two of each run of neighbours, and of the others every ``step``-th."""
    edges = {codepoint + by for codepoint in codepoints for by in (-2, -1, 1, 2)} - set(codepoints)
    return sorted(
        {*codepoints[::step], *(code for code in codepoints if edges & {code - 2, code - 1, code + 1, code + 2})}
    )


#: Ideographs and syllables, of which all are treated alike as long as they are no pieces.
ALIKE = [code for code in ASSIGNED if unicodedata.name(chr(code), "").startswith(("CJK UNI", "HANGUL SYL", "TANGUT"))]
TELLING = sorted({*ASSIGNED} - {*ALIKE} | {*sample(ALIKE, 7)})


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("path", BOTH)
def test_assigned_characters(path: Path, settings: dict[str, bool | None]) -> None:
    """Assigned characters are spelt as `tokenizers` spells them; every seventh ideograph, and all that are pieces."""
    pieces = pieces_of(path)
    speller = wordpieces.WordPiece(pieces, settings)
    codepoints = sorted({*TELLING, *(code for code in ALIKE if chr(code) in pieces)})
    assert not disagreements(pipeline(pieces, settings), pieces, speller, codepoints)


@pytest.mark.parametrize("path", BOTH)
def test_the_rest_of_unicode(path: Path) -> None:
    """So is what is unassigned or for private use: where each run of it begins and ends, and every 31st within."""
    pieces, settings = pieces_of(path), settings_of(path == CHINESE, None)
    speller = wordpieces.WordPiece(pieces, settings)
    assert len(ASSIGNED) + len(PRIVATE_OR_UNASSIGNED) == 1_112_064
    assert not disagreements(pipeline(pieces, settings), pieces, speller, sample(PRIVATE_OR_UNASSIGNED, 31))


@slow
@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("path", BOTH)
def test_all_of_unicode_in_every_setting(path: Path, lowercase: bool, strip_accents: bool | None) -> None:
    """All scalar values, for every combination of lower-casing and accents."""
    pieces, settings = pieces_of(path), settings_of(lowercase, strip_accents)
    speller = wordpieces.WordPiece(pieces, settings)
    assert not disagreements(pipeline(pieces, settings), pieces, speller, SCALARS)


@pytest.mark.parametrize("clean_text", [True, False])
@pytest.mark.parametrize("handle_chinese_chars", [True, False])
def test_normalisers_without_cleaning(clean_text: bool, handle_chinese_chars: bool) -> None:
    """Tokenizers that keep control characters, or do not part ideographs, are followed too."""
    pieces = pieces_of(BUNDLED)
    settings = {**settings_of(True, None), "clean_text": clean_text, "handle_chinese_chars": handle_chinese_chars}
    codepoints = [*range(0x3400), *range(0x4E00, 0x4F00), *range(0xD7B0, 0xD800), *range(0xF800, 0x10200)]
    speller = wordpieces.WordPiece(pieces, settings)
    assert not disagreements(pipeline(pieces, settings), pieces, speller, codepoints)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("clean_text", [True, False])
@pytest.mark.parametrize("handle_chinese_chars", [True, False])
def test_inert_characters(
    lowercase: bool, strip_accents: bool | None, clean_text: bool, handle_chinese_chars: bool
) -> None:
    """Code points of the table of inert ones come out of every BERT normaliser as the one word they went in.

    Each of them in three of the settings, the edges of the table's ranges in all; before a release everything in all.
    """
    inert = [codepoint for first, last in wordpieces._INERT for codepoint in range(first, last + 1)]
    assert len(inert) == len(set(inert))
    assert np.flatnonzero(wordpieces._is_inert(np.arange(0x110000, dtype=np.uint32))).tolist() == inert
    normalize = BertNormalizer(
        clean_text=clean_text,
        handle_chinese_chars=handle_chinese_chars,
        strip_accents=strip_accents,
        lowercase=lowercase,
    ).normalize_str
    split = BertPreTokenizer().pre_tokenize_str
    first = 4 * lowercase + 2 * clean_text + handle_chinese_chars
    looked_at = (
        inert
        if os.environ.get("CHARVEC_SLOW")
        else {*inert[first::8], *(code for pair in wordpieces._INERT for code in pair)}
    )
    chars = list(map(chr, looked_at))
    assert [[word for word, _ in split(normalize(char))] for char in chars] == [[char] for char in chars]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("clean_text", [True, False])
@pytest.mark.parametrize("handle_chinese_chars", [True, False])
def test_characters_known_without_the_library(
    lowercase: bool, strip_accents: bool | None, clean_text: bool, handle_chinese_chars: bool
) -> None:
    """White space, capital letters, kana with marks, private use: what the rules say is what the library does."""
    settings = {"lowercase": lowercase, "strip_accents": strip_accents, "clean_text": clean_text}
    speller = wordpieces.WordPiece({}, {**settings, "handle_chinese_chars": handle_chinese_chars})
    normalize = BertNormalizer(**settings, handle_chinese_chars=handle_chinese_chars).normalize_str
    split = BertPreTokenizer().pre_tokenize_str
    known = {codepoint: words for codepoint in range(0x11000) if (words := speller._known_words(codepoint)) is not None}
    for codepoint, words in known.items():
        assert words == [word for word, _ in split(normalize(chr(codepoint)))], hex(codepoint)
    assert {0x3000, ord("Z"), ord("Ｚ"), ord("Ω"), ord("Я"), ord("Ⅷ"), ord("が"), ord("ポ"), 0xF8FF} <= set(known)
    assert not any(wordpieces._is_inert(np.array(list(known), np.uint32)))


def test_inert_characters_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose characters are all inert, or known by a rule, never imports `tokenizers`."""
    speller = wordpieces.WordPiece(pieces_of(BUNDLED), settings_of(True, None))
    monkeypatch.setattr(wordpieces.WordPiece, "_pipeline", lambda self: pytest.fail("asked the library"))
    codepoints = np.flatnonzero(wordpieces._is_inert(np.arange(0x110000, dtype=np.uint32)))
    known = [*range(0x41, 0x5B), *range(0xFF21, 0xFF3B), *map(ord, "ΑΩЯⅫがポヾ\ue000"), 0x09, 0x0A, 0x0D, 0x20, 0x3000]
    codepoints = np.concatenate((codepoints, known)).astype(np.uint32)
    assert speller(codepoints).library == ""


GOLDEN = {
    "我": (Status.EXACT, (2769,)),
    "A": (Status.NORMALIZED, (143,)),
    "a": (Status.EXACT, (143,)),
    "“": (Status.UNKNOWN, ()),
    "Ａ": (Status.NORMALIZED, (8051,)),
    "が": (Status.NORMALIZED, (541,)),
    "가": (Status.COMPOSED, (288, 10928)),
    "ß": (Status.EXACT, (191,)),
    "ſ": (Status.UNKNOWN, ()),
    "㎡": (Status.EXACT, (669,)),
    "😂": (Status.EXACT, (8104,)),
    "\uf9d1": (Status.NORMALIZED, (1063,)),
    "\u2028": (Status.UNREACHABLE, (343,)),
    "\u3000": (Status.REMOVED, ()),
    "\u0301": (Status.REMOVED, ()),
    "\u200d": (Status.REMOVED, ()),
    "\ufffd": (Status.REMOVED, ()),
    "\ue000": (Status.REMOVED, ()),
    "\ufa0e": (Status.UNKNOWN, ()),
    "⼀": (Status.UNKNOWN, ()),
}


@needs_chinese
@pytest.mark.parametrize("char", [pytest.param(char, id=f"U+{ord(char):04X}") for char in GOLDEN])
def test_golden_values_of_chinese_bert(char: str) -> None:
    """Characters whose rows in Chinese BERT were established by hand."""
    spelling = vocabularies.read(CHINESE).spell(np.array([ord(char)], np.uint32))
    assert (Status(spelling.status[0]), spelling.ids(0)) == GOLDEN[char]


@needs_chinese
def test_numbers_of_chinese_bert() -> None:
    """How many characters have which status: counted with Unicode 14, which other Pythons replace by later ones."""
    vocabulary = vocabularies.read(CHINESE)
    assert (vocabulary.size, vocabulary.settings["lowercase"]) == (21_128, True)
    found = np.bincount(vocabulary.spell(np.array(ASSIGNED, np.uint32)).status, minlength=len(Status))
    known = {Status.EXACT: 7_999, Status.NORMALIZED: 1_574, Status.COMPOSED: 2_448, Status.UNREACHABLE: 1}
    assert {status: found[status] for status in known} == known
    if unicodedata.unidata_version == "14.0.0":
        assert (len(ASSIGNED), found[Status.REMOVED], found[Status.UNKNOWN]) == (144_762, 1_801, 130_939)


@needs_chinese
def test_lines_are_not_what_splitlines_takes_for_lines() -> None:
    """U+2028 is a piece of Chinese BERT: str.splitlines would give 我 its neighbour's row, str.strip lose the piece."""
    text = CHINESE.read_bytes().decode()
    assert text.splitlines().index("我") == 2770
    spelling = vocabularies.read(CHINESE).spell(np.array([ord("我"), 0x2028], np.uint32))
    assert spelling.row_ids.tolist() == [2769, 343]


def model2vec_like(settings: dict[str, bool | None]) -> str:
    """A tokenizer.json as `tokenizers` writes it, with padding and truncation."""
    tokenizer = pipeline({"[PAD]": 0, "[UNK]": 1, "a": 2}, settings)
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    return tokenizer.to_str()


def write(folder: Path, lines: list[str] | bytes, **files: str | bytes) -> Path:
    """A vocabulary and, beside it, configuration files; a keyword ``tokenizer_json`` stands for ``tokenizer.json``."""
    path = folder / "vocab.txt"
    path.write_bytes(lines if isinstance(lines, bytes) else "".join(line + "\n" for line in lines).encode())
    for name, content in files.items():
        stem = name.removesuffix("_json")
        (folder / f"{stem}.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def spelt(vocabulary: Vocabulary, text: str) -> list[tuple[str, tuple[int, ...]]]:
    """Label of the status and rows, for each character."""
    spelling = vocabulary.spell(np.array([ord(char) for char in text], np.uint32))
    return [(Status(spelling.status[place]).label, spelling.ids(place)) for place in range(len(text))]


def codes(vocabulary: Vocabulary) -> list[str]:
    """Codes of the notes."""
    return [note.code for note in vocabulary.notes]


BASIC = ["[PAD]", "[UNK]", "一", "二", "a", "##a"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("\n".join(BASIC).encode(), id="no-final-line-end"),
        pytest.param("".join(line + "\n" for line in BASIC).encode(), id="lf"),
        pytest.param("".join(line + "\r\n" for line in BASIC).encode(), id="crlf"),
        pytest.param(b"\xef\xbb\xbf" + "".join(line + "\n" for line in BASIC).encode(), id="bom"),
        pytest.param(b"\xef\xbb\xbf" + "\r\n".join(BASIC).encode(), id="bom-crlf-no-final-line-end"),
    ],
)
def test_line_ends_and_byte_order_marks_shift_nothing(tmp_path: Path, data: bytes) -> None:
    """However the lines end and the file begins, row 0 is [PAD] and row 2 is the third line."""
    vocabulary = vocabularies.read(write(tmp_path, data))
    assert vocabulary.size == 6
    assert spelt(vocabulary, "一二a") == [("exact", (2,)), ("exact", (3,)), ("exact", (4,))]
    assert codes(vocabulary) == ["N-CASING"]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\u3000", "\xa0", " ", "\ufeff"])
def test_pieces_that_look_like_line_ends_or_blanks(tmp_path: Path, odd: str) -> None:
    """A piece that other readers strip or split at keeps its row, and shifts no other."""
    vocabulary = vocabularies.read(write(tmp_path, ["[PAD]", "[UNK]", odd, "一"]))
    assert vocabulary.size == 4
    assert spelt(vocabulary, odd + "一") == [("unreachable", (2,)), ("exact", (3,))]


def test_only_a_byte_order_mark_and_one_special_token(tmp_path: Path) -> None:
    """The one special token may stand on the line of the byte order mark."""
    vocabulary = vocabularies.read(write(tmp_path, b"\xef\xbb\xbf[PAD]\na\n"))
    assert spelt(vocabulary, "a?") == [("exact", (1,)), ("unknown", ())]


def test_a_blank_line_is_a_row(tmp_path: Path) -> None:
    """A blank line in the middle keeps its row and is told of."""
    vocabulary = vocabularies.read(write(tmp_path, ["[PAD]", "", "一", "\r", "二"]))
    assert (vocabulary.size, codes(vocabulary)) == (5, ["W-VOCAB-DUP", "W-VOCAB-BLANK", "N-CASING"])
    assert spelt(vocabulary, "一二") == [("exact", (2,)), ("exact", (4,))]


def test_of_duplicates_the_last_wins(tmp_path: Path) -> None:
    """As in every BERT implementation; the others are named."""
    vocabulary = vocabularies.read(write(tmp_path, ["[PAD]", "[UNK]", "一", "二", "一"]))
    assert spelt(vocabulary, "一") == [("exact", (4,))]
    assert [note.message for note in vocabulary.notes if note.code == "W-VOCAB-DUP"] == [
        f"{vocabulary.path}: pieces that stand twice, the last row is used: '一' at rows 2 and 4"
    ]


def test_many_duplicates_are_not_all_named(tmp_path: Path) -> None:
    """The note stays short however often a piece stands in the file."""
    vocabulary = vocabularies.read(write(tmp_path, ["[PAD]", *["一"] * 1000]))
    assert len(vocabulary.notes[0].message) < 400 + len(str(tmp_path))
    assert spelt(vocabulary, "一") == [("exact", (1000,))]


def test_never_a_continuation_piece(tmp_path: Path) -> None:
    """A character that exists only as ``##c`` is unknown: no text makes BERT emit that row."""
    vocabulary = vocabularies.read(write(tmp_path, ["[PAD]", "[UNK]", "##一", "##a", "#"]))
    assert spelt(vocabulary, "一a#") == [("unknown", ()), ("unknown", ()), ("exact", (4,))]


def test_a_piece_for_a_decomposed_syllable(tmp_path: Path) -> None:
    """One piece of several characters is composed, with one row."""
    lines = ["[PAD]", "[UNK]", unicodedata.normalize("NFD", "가"), "i\u0307"]
    assert spelt(vocabularies.read(write(tmp_path, lines)), "가")[0] == ("composed", (2,))


def test_a_row_that_the_model_passes_over(tmp_path: Path) -> None:
    """In an uncased model the row of ``A`` is passed over for that of ``a``; without ``a`` it is unreachable."""
    lines = ["[PAD]", "[UNK]", "A", "B", "b"]
    vocabulary = vocabularies.read(write(tmp_path, lines), lowercase=True)
    assert spelt(vocabulary, "AB") == [("unreachable", (2,)), ("normalized", (4,))]


# Lists of pieces like BERT's that belong to other tokenizers

JAPANESE = [
    "[PAD]",
    "[UNK]",
    "A",
    "a",
    "ガ",
    "が",
    "カ",
    "ア",
    "株",
    "式",
    "会",
    "社",
    "m",
    "2",
    "é",
    "e",
    "六",
    "\u2028",
]


def japanese(folder: Path, lines: list[str] = JAPANESE, where: str = "tokenizer_config", **config: Any) -> Path:
    """A vocabulary with the configuration of a Japanese tokenizer."""
    config = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab", **config}
    return write(folder, lines, **{where: json.dumps(config)})


def test_japanese_characters(tmp_path: Path) -> None:
    """NFKC, no accent stripped, no case changed; what becomes several characters has the rows of all."""
    path = japanese(tmp_path, subword_tokenizer_type="character")
    assert spelt(vocabularies.read(path), "ガがｶＡé㍿㎡\uf9d1\u2028 \u3000字①") == [
        *(("exact", (4,)), ("exact", (5,)), ("normalized", (6,)), ("normalized", (2,)), ("exact", (14,))),
        *(("composed", (8, 9, 10, 11)), ("composed", (12, 13)), ("normalized", (16,)), ("exact", (17,))),
        *(("removed", ()), ("removed", ()), ("unknown", ()), ("unknown", ())),
    ]
    assert spelt(vocabularies.read(path, lowercase=True), "Ａ") == [("normalized", (3,))]


def test_japanese_wordpieces(tmp_path: Path) -> None:
    """As characters, but that only a dictionary knows how several characters are cut."""
    path = japanese(tmp_path, [*JAPANESE, "m2"], subword_tokenizer_type="wordpiece", do_lower_case=True)
    assert spelt(vocabularies.read(path), "ガがｶＡé㍿㎡\uf9d1\u3000") == [
        *(("exact", (4,)), ("exact", (5,)), ("normalized", (6,)), ("normalized", (3,)), ("exact", (14,))),
        *(("unknown", ()), ("unknown", ()), ("normalized", (16,)), ("removed", ())),
    ]
    path = japanese(tmp_path, mecab_kwargs={"normalize_text": False})
    assert spelt(vocabularies.read(path), "ガＡ") == [("exact", (4,)), ("unknown", ())]
    for words in ("sudachi", "jumanpp"):
        config = {"word_tokenizer_type": words, f"{words}_kwargs": {"normalize_text": False}}
        assert spelt(vocabularies.read(japanese(tmp_path, **config)), "ガＡ") == [("exact", (4,)), ("unknown", ())]


def test_japanese_words_by_white_space(tmp_path: Path) -> None:
    """The basic tokenizer is BERT's, but that it lower-cases only when told to and parts no ideographs."""
    vocabulary = vocabularies.read(japanese(tmp_path, word_tokenizer_type="basic"))
    assert spelt(vocabulary, "ガＡAé") == [("exact", (4,)), ("unknown", ()), ("exact", (2,)), ("exact", (14,))]
    assert (vocabulary.settings["lowercase"], vocabulary.settings["handle_chinese_chars"]) == (False, False)


def test_an_older_model_names_its_tokenizer_in_config_json(tmp_path: Path) -> None:
    """``tokenizer_class`` stood there once, and the other settings beside the vocabulary."""
    path = japanese(tmp_path, where="config", tokenizer_class="BertJapaneseTokenizer")
    (tmp_path / "tokenizer_config.json").write_text('{"word_tokenizer_type": "mecab", "do_lower_case": false}')
    vocabulary = vocabularies.read(path)
    assert spelt(vocabulary, "ガＡ") == [("exact", (4,)), ("normalized", (2,))]
    assert [Path(file).name for file in vocabulary.files] == ["vocab.txt", "tokenizer_config.json", "config.json"]


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_class": "ErnieMTokenizer"},
        {"subword_tokenizer_type": "sentencepiece"},
        {"subword_tokenizer_type": ["wordpiece"]},
        {"word_tokenizer_type": "sudachi", "sudachi_kwargs": {"sudachi_projection": "reading"}},
        {"subword_tokenizer_type": "character", "word_tokenizer_type": "basic"},
    ],
)
def test_lists_of_tokenizers_that_cannot_be_followed(tmp_path: Path, config: dict[str, Any]) -> None:
    """Refused by name."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(japanese(tmp_path, **config))
    assert caught.value.code == "E-TOKENIZER-KIND"


@pytest.mark.parametrize("kind", ["character", "wordpiece"])
def test_japanese_as_transformers_does(tmp_path: Path, kind: str) -> None:
    """Each character alone, by the classes that cut words; MeCab itself leaves a word of one character as it is."""
    module = pytest.importorskip("transformers.models.bert_japanese.tokenization_bert_japanese")
    cut = module.CharacterTokenizer if kind == "character" else module.WordpieceTokenizer
    codepoints = [*range(0x21, 0x3400, 3), *range(0x4E00, 0xA000, 40), *range(0xF900, 0xFFF0)]
    chars = [chr(codepoint) for codepoint in codepoints if not chr(codepoint).isspace()]
    forms = {char: unicodedata.normalize("NFKC", char) for char in chars}
    lines = ["[PAD]", "[UNK]", *sorted({part for form in list(forms.values())[::2] for part in form if part.strip()})]
    tokenizer = cut({piece: row for row, piece in enumerate(lines)}, "[UNK]")
    found = spelt(vocabularies.read(japanese(tmp_path, lines, subword_tokenizer_type=kind)), "".join(chars))
    checked = 0
    for char, (label, rows) in zip(chars, found, strict=True):
        if kind == "character" or len(forms[char].strip()) == 1:
            # MeCab parts words at white space
            tokens = tokenizer.tokenize("".join(forms[char].split()))
            assert list(rows if label != "unreachable" else ()) == (
                [] if "[UNK]" in tokens else [lines.index(token) for token in tokens]
            )
            checked += 1
    assert checked > 2000


# How a tokenizer lower-cases: the file that says so


def casing(folder: Path, lines: list[str] = BASIC, lowercase: bool | None = None, **files: str | bytes) -> Any:
    """Settings of a vocabulary, and the remark on its casing."""
    vocabulary = vocabularies.read(write(folder, lines, **files), lowercase=lowercase)
    return dict(vocabulary.settings), next(note.message for note in vocabulary.notes if note.code == "N-CASING")


def test_casing_is_inferred(tmp_path: Path) -> None:
    """Without configuration, a vocabulary with a piece for a capital letter is cased."""
    settings, why = casing(tmp_path)
    assert settings == settings_of(True, None)
    assert "uncased: inferred, it has no piece" in why
    settings, why = casing(tmp_path, [*BASIC, "Q"])
    assert settings == settings_of(False, None)
    assert "is cased: inferred, it has a piece" in why
    # what lower-cases takes accents off, and syllables apart: a list of whole ones without jamo is not made for that
    settings, why = casing(tmp_path, [*BASIC, "\uac00", "##\ub098"])
    assert settings == settings_of(False, None)
    assert "is cased: inferred, it has a piece for a whole Hangul syllable" in why
    settings, why = casing(tmp_path, [*BASIC, "\uac00", "\u1100", "##\u1161"])
    assert settings == settings_of(True, None)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [None, True, False])
def test_casing_from_tokenizer_json(tmp_path: Path, lowercase: bool, strip_accents: bool | None) -> None:
    """Where only tokenizer.json is there, it is believed, with a byte order mark or without."""
    backend = model2vec_like({**settings_of(lowercase, strip_accents), "handle_chinese_chars": False})
    settings, why = casing(tmp_path, tokenizer_json=b"\xef\xbb\xbf" + backend.encode())
    assert settings == {**settings_of(lowercase, strip_accents), "handle_chinese_chars": False}
    assert why.endswith("tokenizer.json says so")


def test_tokenizer_config_beats_tokenizer_json(tmp_path: Path) -> None:
    """As in transformers; and what the user says beats both."""
    files = {
        "tokenizer_json": model2vec_like(settings_of(True, True)),
        "tokenizer_config": json.dumps({"do_lower_case": False, "strip_accents": None, "model_max_length": int(1e30)}),
    }
    settings, why = casing(tmp_path, **files)
    assert settings == settings_of(False, None)
    assert why.endswith("tokenizer_config.json says so")
    settings, why = casing(tmp_path, lowercase=True, **files)
    assert settings == settings_of(True, None)
    assert why.endswith("you said so")


def test_null_says_nothing(tmp_path: Path) -> None:
    """A null leaves the question to the next file, and never reaches the normaliser as None."""
    files = {
        "tokenizer_json": model2vec_like(settings_of(False, None)),
        "tokenizer_config": '{"do_lower_case": null, "tokenize_chinese_chars": null}',
    }
    settings, why = casing(tmp_path, **files)
    assert settings == settings_of(False, None)
    assert why.endswith("tokenizer.json says so")
    assert spelt(vocabularies.read(tmp_path / "vocab.txt"), "é一") == [("unknown", ()), ("exact", (2,))]


def test_files_of_a_vocabulary(tmp_path: Path) -> None:
    """Every file that was read is listed, so that nothing is written over it."""
    path = write(tmp_path, BASIC, tokenizer_config="{}", tokenizer_json=model2vec_like(settings_of(True, None)))
    vocabulary = vocabularies.read(path)
    assert [os.path.basename(each) for each in vocabulary.files] == [
        "vocab.txt",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


@pytest.mark.parametrize(
    ("normalizer", "lowercase", "noted"),
    [
        ({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "BertNormalizer", "lowercase": False}]}, 0, 1),
        ({"type": "Sequence", "normalizers": [{"type": "BertNormalizer", "lowercase": False}]}, 0, 0),
        ({"type": "NFKC"}, 1, 1),
        (None, 1, 1),
        ({"type": "Sequence", "normalizers": []}, 1, 1),
        ({"type": "Sequence", "normalizers": [None, 7, []]}, 1, 1),
    ],
)
def test_other_normalisers_are_told_of(tmp_path: Path, normalizer: Any, lowercase: int, noted: int) -> None:
    """A normaliser that is not BERT's is not followed in silence."""
    path = write(tmp_path, BASIC, tokenizer_json=json.dumps({"normalizer": normalizer}))
    vocabulary = vocabularies.read(path)
    assert vocabulary.settings["lowercase"] is bool(lowercase)
    assert codes(vocabulary) == ["W-NORMALIZER"] * noted + ["N-CASING"]


@pytest.mark.parametrize("name", ["tokenizer_json", "tokenizer_config"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"[]", "E-TOKENIZER", id="list"),
        pytest.param(b'{"a": NaN}', "E-TOKENIZER", id="nan"),
        pytest.param(b'{"a": ' + b"7" * 5000 + b"}", "E-TOKENIZER", id="bigint"),
        pytest.param(b'{"a": 1, "a": 1}', "E-JSON-DUPKEY", id="dup"),
        pytest.param(b'{"a": "\xff"}', "E-TOKENIZER", id="not-utf8"),
        pytest.param(b'{"a": {"b": "c', "E-TRUNCATED", id="trunc"),
        pytest.param(b"", "E-TRUNCATED", id="empty"),
        pytest.param(b"<html>", "E-TOKENIZER", id="html"),
        pytest.param(b"[" * 100_000, "E-TOKENIZER", id="deep"),
        pytest.param(
            b'{"do_lower_case": "yes", "normalizer": {"type": "BertNormalizer", "lowercase": 1}}',
            "E-TOKENIZER",
            id="type",
        ),
    ],
)
def test_damaged_configuration_is_refused(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    """A file that could decide the casing and cannot be read is not passed over."""
    path = write(tmp_path, BASIC, **{name: content})
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(path)
    assert caught.value.code == code
    assert caught.value.exit_code == 65
    assert name.removesuffix("_json") in str(caught.value.path)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param("\n".join(BASIC).encode("utf-16"), "E-VOCAB-ENCODING", id="utf-16"),
        pytest.param("\n".join(BASIC).encode("utf-16-le"), "E-VOCAB-ENCODING", id="utf-16-le"),
        pytest.param("\n".join(BASIC).encode("utf-16-be"), "E-VOCAB-ENCODING", id="utf-16-be"),
        pytest.param("\n".join(BASIC).encode("gb18030"), "E-VOCAB-ENCODING", id="gb18030"),
        pytest.param(b"[PAD]\n\xed\xa0\x80\n", "E-VOCAB-ENCODING", id="surrogate"),
        pytest.param(b'{"[PAD]": "x"}', "E-VOCAB-ROWS", id="json-object"),
        pytest.param(b'{"[PAD]": 0, "a": "x"}', "E-VOCAB-ENTRY", id="json-no-id"),
        pytest.param(b"a line of text\nand another\n", "E-FORMAT", id="text"),
        pytest.param(b'["[PAD]", "a"]', "E-VOCAB-ROWS", id="json-list"),
        pytest.param(b'[\n  "[PAD]",\n  "a"\n]', "E-VOCAB-ROWS", id="json-list-indented"),
        pytest.param(b"", "E-EMPTY", id="empty"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "E-LFS-POINTER", id="lfs"),
        pytest.param(b"<!DOCTYPE html>\n<p>[PAD]", "E-NOT-WEIGHTS", id="html"),
        pytest.param(b"\x1f\x8b\x08\0", "E-COMPRESSED", id="gzip"),
        pytest.param(b"[PAD]\r[UNK]\ra\r", "E-FORMAT", id="cr"),
    ],
)
def test_what_is_no_vocabulary(tmp_path: Path, data: bytes, code: str) -> None:
    """Files that are not a list of pieces are called by their name."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.read(write(tmp_path, data))
    assert caught.value.code == code


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with too many bytes or lines is refused before it eats the memory."""
    path = write(tmp_path, BASIC)
    for name, limit in (("MAX_BYTES", 10), ("MAX_PIECES", 5)):
        with monkeypatch.context() as patch:
            patch.setattr(piece_lists, name, limit)
            with pytest.raises(CharvecError) as caught:
                vocabularies.read(path)
            assert caught.value.code == "E-TOO-LARGE"


def test_no_vocabulary_beside_the_model(tmp_path: Path) -> None:
    """The message says which name was looked for, and what to say."""
    with pytest.raises(CharvecError) as caught:
        vocabularies.locate(str(tmp_path))
    assert (caught.value.code, caught.value.exit_code) == ("E-VOCAB-MISSING", 66)
    assert "vocab.txt" in (caught.value.found or "")
    assert "--vocab" in caught.value.help


def test_random_vocabularies_against_tokenizers() -> None:
    """Vocabularies of random pieces, whole, continued and doubled, spell random characters as `tokenizers` does."""
    generator = random.Random(7)
    alphabet = "aAbéÉʼnßıİＡａㄱ가각かがガ一六\uf9d1⼀\u0301\u3099\u200d #!？ﬁǅ㎡½①\u2028😂"
    for _ in range(150):
        lines = ["[UNK]"]
        for _ in range(generator.randrange(1, 40)):
            text = "".join(generator.choice(alphabet) for _ in range(generator.choice((1, 1, 1, 2, 3))))
            text = unicodedata.normalize(generator.choice(("NFC", "NFD", "NFKD")), text)
            lines.append(generator.choice(("", "", "##")) + text)
        pieces = {line: row for row, line in enumerate(lines)}
        settings = settings_of(generator.random() < 0.5, generator.choice((None, True, False)))
        codepoints = sorted({ord(char) for char in alphabet + "".join(lines)})
        speller = wordpieces.WordPiece(pieces, settings)
        assert not disagreements(pipeline(pieces, settings), pieces, speller, codepoints)


def mutants(generator: random.Random, seeds: list[bytes], count: int) -> Any:
    """Files with a few bytes changed, left out, doubled or moved."""
    bits = [
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xef\xbb\xbf",
        b"[PAD]",
        b"##",
        b"\xff",
        b"\xe4\xb8",
        b"{",
        b"null",
        b"1e999",
        b'"',
    ]
    for _ in range(count):
        data = bytearray(generator.choice(seeds))
        for _ in range(generator.choice((1, 1, 2, 4))):
            place = generator.randrange(len(data) + 1)
            kind = generator.randrange(4)
            if kind == 0:
                data[place : place + generator.randrange(1, 9)] = b""
            elif kind == 1:
                data[place:place] = generator.choice(bits)
            elif kind == 2 and place < len(data):
                data[place] ^= 1 << generator.randrange(8)
            else:
                data[place:place] = data[generator.randrange(len(data) + 1) :][: generator.randrange(12)]
        yield bytes(data)


def test_fuzzed_vocabularies(tmp_path: Path) -> None:
    """Whatever is done to a vocabulary or its configuration, it is read or refused, never crashed on."""
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "11")))
    count = int(os.environ.get("CHARVEC_MUTANTS", "1500"))
    config = b'{"do_lower_case": true, "strip_accents": null, "model_max_length": 512, "x": ["\\u00e9", 1.5]}'
    backend = model2vec_like(settings_of(True, None)).encode()
    vocabulary = "\n".join([*BASIC, "가", "\u2028", "A", "B"]).encode()
    probes = np.array([ord(char) for char in "Aa一가\u2028\u3000éÉ"], np.uint32)
    seeds = [("vocab.txt", vocabulary), ("tokenizer_config.json", config), ("tokenizer.json", backend)]
    fine = 0
    for name, seed in seeds:
        path = write(tmp_path, vocabulary)
        for data in mutants(generator, [seed], count):
            overwrite(tmp_path / name, data)
            try:
                assert len(vocabularies.read(path).spell(probes)) == len(probes)
                fine += 1
            except CharvecError as error:
                assert error.exit_code == 65
        (tmp_path / name).unlink()
    assert count * len(seeds) * 0.05 < fine < count * len(seeds) * 0.95
