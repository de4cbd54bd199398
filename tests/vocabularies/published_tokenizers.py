"""``tokenizer.json`` documents with the steps of published models, around small vocabularies learnt from the samples.

Which steps these are, and in which order, is what their files and the converters of ``transformers`` say; the pieces,
and so the row ids, are our own. Only what plays a part in the spelling of a character is there.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from vocabulary_samples import ROOT

Step = dict[str, Any]
Steps = dict[str, Any] | None

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
#: Characters that every vocabulary has a piece for, but the word level ones.
COMMON = [bytes((first, second)).decode("gb2312") for first in (0xB0, 0xB1) for second in range(0xA1, 0xFF)]

# The patterns by which texts are parted


GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KIMI = r"[\p{Han}]+|" + TEKKEN.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]").replace(r"|\p{N}|", r"|\p{N}{1,3}|")
DEEPSEEK_3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"[!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
DEEPSEEK_CODER = (
    "[\r\n]",
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁ]+",
    "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
    "\\s+$",
    "[一-龥ࠀ-一가-퟿]+",
)
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


# Steps


def normal(*chain: Step) -> Steps:
    """A normaliser."""
    return chain[0] if len(chain) == 1 else {"type": "Sequence", "normalizers": list(chain)}


def split(*chain: Step) -> Steps:
    """A pre-tokenizer."""
    return chain[0] if len(chain) == 1 else {"type": "Sequence", "pretokenizers": list(chain)}


def step(kind: str, **arguments: Any) -> Step:
    """A step."""
    return {"type": kind, **arguments}


def swap(text: str, content: str) -> Step:
    """Replaces a text."""
    return step("Replace", pattern={"String": text}, content=content)


def swap_form(form: str, content: str) -> Step:
    """Replaces what a pattern finds."""
    return step("Replace", pattern={"Regex": form}, content=content)


def part(form: str, behavior: str = "Isolated", kind: str = "Regex", invert: bool = False) -> Step:
    """Cuts at what a pattern finds."""
    return step("Split", pattern={kind: form}, behavior=behavior, invert=invert)


def in_bytes(prefix: bool = False, regex: bool = True) -> Step:
    """Turns a text into bytes."""
    return step("ByteLevel", add_prefix_space=prefix, trim_offsets=True, use_regex=regex)


def marks(scheme: str = "always", cuts: bool = True) -> Step:
    """Makes marks of blanks."""
    return step("Metaspace", replacement="▁", prepend_scheme=scheme, split=cuts)


def bert(**changes: Any) -> Step:
    """BERT's normaliser."""
    own = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    return step("BertNormalizer", **{**own, **changes})


def strip(left: bool = True) -> Step:
    """Strips white space."""
    return step("Strip", strip_left=left, strip_right=True)


BLANKS = swap_form(" {2,}", " ")
MARKS = swap(" ", "▁")
PREPEND = step("Prepend", prepend="▁")
WORDS = step("WhitespaceSplit")
DIGITS = step("Digits", individual_digits=True)
QUOTES = (swap("``", '"'), swap("''", '"'))
NFC, NFKC, NFKD, LOWER = (step(kind) for kind in ("NFC", "NFKC", "NFKD", "Lowercase"))


# Models


@cache
def _lines() -> list[str]:
    texts = sorted((ROOT / "samples" / "texts").glob("*.txt"))
    return [line for path in texts for line in path.read_text("utf-8").splitlines()]


def _learnt(model: Any, trainer: Any, pre_tokenizer: Any, normalizer: Any = None) -> dict[str, Any]:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(_lines(), trainer)
    found: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return found


def _own(model: dict[str, Any], **changes: Any) -> dict[str, Any]:
    vocab = dict(model["vocab"]) if isinstance(model["vocab"], dict) else list(model["vocab"])
    return {**model, "vocab": vocab, "merges": list(model.get("merges", ())), **changes}


@cache
def _byte_bpe() -> dict[str, Any]:
    parts = [pre_tokenizers.Split(Regex(GPT_2), "isolated")]
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=ALPHABET, show_progress=False)
    model = _learnt(models.BPE(), trainer, pre_tokenizers.Sequence(parts))
    forms = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for char in COMMON[:40]:
        pieces = list(forms.pre_tokenize_str(char)[0][0])
        while len(pieces) > 1:
            if pieces[:2] not in model["merges"]:
                model["merges"].append(pieces[:2])
            pieces[:2] = ["".join(pieces[:2])]
            model["vocab"].setdefault(pieces[0], len(model["vocab"]))
    return model


def byte_bpe(**changes: Any) -> dict[str, Any]:
    """BPE over bytes."""
    return _own(_byte_bpe(), **changes)


@cache
def _bpe() -> dict[str, Any]:
    trainer = trainers.BpeTrainer(
        vocab_size=1200, limit_alphabet=500, special_tokens=["<unk>", "<s>", "</s>", *BYTES], show_progress=False
    )
    unknown = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    model = _learnt(unknown, trainer, pre_tokenizers.Metaspace(prepend_scheme="first"))
    for piece in [*COMMON[:60], "▁", "\t", "\n"]:
        model["vocab"].setdefault(piece, len(model["vocab"]))
    for count in range(2, 6):
        model["vocab"].setdefault("▁" * count, len(model["vocab"]))
        model["merges"].append(["▁" * (count - 1), "▁"])
    return model


def bpe(**changes: Any) -> dict[str, Any]:
    """BPE over characters and marks, with bytes for what is unknown."""
    return _own(_bpe(), **changes)


@cache
def _unigram() -> dict[str, Any]:
    trainer = trainers.UnigramTrainer(
        vocab_size=1700, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    model = _learnt(models.Unigram(), trainer, pre_tokenizers.Metaspace(), normalizers.NFKC())
    known = {piece for piece, _ in model["vocab"]}
    model["vocab"] += [[char, -11.5] for char in COMMON[:60] if char not in known]
    return model


def unigram(fallback: bool = False) -> dict[str, Any]:
    """Unigram over characters and marks."""
    model = _own(_unigram(), byte_fallback=fallback)
    model["vocab"] += [[piece, -20.0] for piece in BYTES] if fallback else []
    return model


@cache
def _wordpiece() -> dict[str, Any]:
    trainer = trainers.WordPieceTrainer(
        vocab_size=1300, limit_alphabet=600, special_tokens=["[PAD]", "[UNK]", "[CLS]"], show_progress=False
    )
    unknown = models.WordPiece(unk_token="[UNK]")
    return _learnt(unknown, trainer, pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer())


def wordpiece(**changes: Any) -> dict[str, Any]:
    """WordPiece."""
    return _own(_wordpiece(), **changes)


@cache
def ended(mark: str) -> dict[str, Any]:
    """BPE over characters with a mark: ``</w>`` at the end of words, ``##`` inside them."""
    name = "end_of_word_suffix" if mark == "</w>" else "continuing_subword_prefix"
    trainer = trainers.BpeTrainer(vocab_size=1300, special_tokens=["[UNK]"], show_progress=False, **{name: mark})
    unknown = models.BPE(unk_token="[UNK]", **{name: mark})
    return _learnt(unknown, trainer, pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer())


def chars() -> dict[str, Any]:
    """A word level model of characters."""
    found = sorted({char for line in _lines() for char in line})
    return {
        "type": "WordLevel",
        "vocab": {char: row for row, char in enumerate(["[UNK]", *found])},
        "unk_token": "[UNK]",
    }


def words_and_parts() -> dict[str, Any]:
    """As model2vec makes of a WordPiece vocabulary: Unigram, in which the longest piece is the best."""
    names = [f"▁{name}" if name[:2] != "##" else name[2:] for name in _wordpiece()["vocab"]]
    names = list(dict.fromkeys(name if name[:2] != "▁[" else name[1:] for name in names))
    weights = [len(name) + name.startswith("▁") for name in names]
    scored = [[name, math.log(weight / sum(weights))] for name, weight in zip(names, weights, strict=True)]
    return {**wordpiece(), "type": "Unigram", "unk_id": 1, "vocab": scored}


# Documents


def document(model: dict[str, Any], normalizer: Steps, pre_tokenizer: Steps, *added: str | Step) -> dict[str, Any]:
    """A tokenizer.json; added tokens given as texts are special, where these have brackets, and not normalised."""
    vocab = model["vocab"]
    rows = dict(vocab) if isinstance(vocab, dict) else {piece: row for row, (piece, _) in enumerate(vocab)}
    tokens = []
    for token in added:
        entry = {"content": token, "special": token[:1] in "<["} if isinstance(token, str) else token
        row = rows.setdefault(entry["content"], len(rows))
        switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        tokens.append({"id": row, **switches, **entry})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(tokens, key=lambda token: int(token["id"])),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def runs(char: str, normalized: bool) -> list[Step]:
    """Added tokens of several blanks."""
    return [{"content": char * count, "normalized": normalized} for count in range(9, 1, -1)]


def _patterns(*forms: str) -> Steps:
    """Cut by patterns, then turned into bytes."""
    return split(*map(part, forms), in_bytes(regex=False))


_GEMMA = [*runs("\n", False), "\n", *runs("▁", False), "<unused0>", {"content": "<table>"}]
_MODEL2VEC = [*(swap(char, f" {char} ") for char in string.punctuation), swap_form("\\s+", " "), strip()]
_UNUSED = "õ÷ÁýÀÿøúþüùöû"


def _deepseek_coder() -> dict[str, Any]:
    """Bytes that UTF-8 never has are no pieces, but what they look like is added."""
    vocab = [piece for piece in byte_bpe()["vocab"] if piece not in _UNUSED or len(piece) > 1]
    model = byte_bpe(vocab={piece: row for row, piece in enumerate(vocab)})
    steps = split(*map(part, DEEPSEEK_CODER), DIGITS, in_bytes(regex=False))
    added = [{"content": char, "normalized": True} for char in _UNUSED]
    return document(
        model, step("Sequence", normalizers=[]), steps, *added, {"content": "<｜fim｜>", "normalized": True}
    )


def _lines_of_bytes() -> dict[str, Any]:
    """The byte of a line end is that character."""
    model = unigram(fallback=True)
    model["vocab"] = [["\n", score] if piece == "<0x0A>" else [piece, score] for piece, score in model["vocab"]]
    prefix = step("Prepend", prepend=" ")
    return document(model, normal(prefix, MARKS), part("\n", "Contiguous", "String"), "<s>")


#: Documents by the models whose steps they have. Those of one line share steps.
FAMILIES: dict[str, Callable[[], dict[str, Any]]] = {
    # bytes
    "roberta": lambda: document(
        byte_bpe(), None, in_bytes(), "<s>", {"content": "<mask>", "lstrip": True, "special": True}
    ),
    "bart, with a blank before": lambda: document(byte_bpe(), None, in_bytes(True), "<s>"),
    "gpt-neox, modernbert": lambda: document(byte_bpe(), NFC, in_bytes(), "<s>", *runs(" ", True)),
    "phi-2, codegen": lambda: document(byte_bpe(), None, in_bytes(), "<s>", *runs(" ", True), *runs("\t", True)),
    "llama 3, glm-4": lambda: document(byte_bpe(ignore_merges=True), None, _patterns(CL100K), "<s>"),
    "mistral nemo": lambda: document(byte_bpe(ignore_merges=True), None, _patterns(TEKKEN), "<s>"),
    "kimi k2": lambda: document(byte_bpe(ignore_merges=True), None, _patterns(KIMI), "<s>"),
    "qwen 2, hyperclova, exaone": lambda: document(
        byte_bpe(), NFC, _patterns(QWEN_2), "<s>", {"content": "<tool_call>"}
    ),
    "deepseek v3": lambda: document(byte_bpe(), step("Sequence", normalizers=[]), _patterns(*DEEPSEEK_3), "<s>"),
    "deepseek coder": _deepseek_coder,
    "bloom": lambda: document(byte_bpe(), None, _patterns(BLOOM), "<s>"),
    "falcon": lambda: document(
        byte_bpe(),
        None,
        split(
            step("Punctuation", behavior="Contiguous"),
            in_bytes(),
            step("Digits", individual_digits=False),
            part("[0-9][0-9][0-9]"),
        ),
    ),
    "starcoder, smollm": lambda: document(byte_bpe(), None, split(DIGITS, in_bytes()), "<s>"),
    "command r": lambda: document(byte_bpe(), NFC, split(DIGITS, in_bytes()), "<s>"),
    "nougat": lambda: document(
        byte_bpe(),
        NFKC,
        split(part("SPL1T", "Removed", "String"), DIGITS, part(r"([!-/])\1*"), part("\n", kind="String"), in_bytes()),
        {"content": "\\[", "normalized": True},
    ),
    "scripts, then bytes": lambda: document(byte_bpe(), NFC, split(step("UnicodeScripts"), in_bytes())),
    "han, then bytes": lambda: document(byte_bpe(), normal(NFC, LOWER), split(part(r"\p{Han}"), in_bytes())),
    # characters, with bytes for the others
    "llama 2, mistral, minicpm": lambda: document(bpe(), normal(PREPEND, MARKS), None, "<s>", "</s>", "<用户>"),
    "llama 2, not legacy": lambda: document(bpe(), None, marks("first", False), "<s>", "</s>"),
    "yi": lambda: document(bpe(), step("Sequence", normalizers=[MARKS]), None, "<s>", "</s>"),
    "gemma": lambda: document(bpe(), MARKS, part(" ", "MergedWithPrevious", "String"), *_GEMMA),
    "siglip 2": lambda: document(bpe(), normal(LOWER, MARKS), part(" ", "MergedWithPrevious", "String"), *_GEMMA),
    "any bpe of sentencepiece": lambda: document(
        bpe(),
        normal(swap_form(r"\A +| +\z", ""), BLANKS, MARKS, swap_form(r"\A▁", "▁▁")),
        split(marks("always", False), part("\n|0|1|2")),
    ),
    "any unigram of sentencepiece": lambda: document(
        unigram(fallback=True),
        normal(NFKC, swap_form(r"\A +| +\z", ""), BLANKS, MARKS, swap_form(r"\A▁", "▁▁")),
        marks("always", False),
    ),
    "scripts of marks": lambda: document(bpe(), None, split(marks("never"), DIGITS, step("UnicodeScripts"))),
    "bytes that are no pieces": lambda: document(
        bpe(vocab={piece: row for row, piece in enumerate(name for name in _bpe()["vocab"] if name not in BYTES)}),
        normal(PREPEND, MARKS),
        None,
        "<s>",
    ),
    "sarashina": lambda: document(unigram(fallback=True), normal(PREPEND, MARKS), None, "<s>"),
    "llm-jp": lambda: document(unigram(fallback=True), normal(NFKC, MARKS), part("▁|[^▁]+"), "<s>"),
    "helium": _lines_of_bytes,
    # characters and an unknown token
    "xlm-r, t5, bge-m3": lambda: document(unigram(), normal(NFKC, BLANKS), split(WORDS, marks()), "<s>", "<mask>"),
    "nllb, pegasus": lambda: document(unigram(), normal(NFKC, BLANKS), marks(), "<s>"),
    "t5, older": lambda: document(
        unigram(), NFKC, split(WORDS, step("Metaspace", replacement="▁", add_prefix_space=True)), "<s>"
    ),
    "albert, xlnet": lambda: document(
        unigram(), normal(*QUOTES, NFKD, step("StripAccents"), LOWER, BLANKS), split(WORDS, marks()), "<s>"
    ),
    "deberta v3": lambda: document(unigram(), normal(strip(), NFKC, BLANKS), split(marks(), DIGITS), "<s>"),
    "deberta v2, newer": lambda: document(
        unigram(), normal(swap_form(r"\s{2,}|[\n\r\t]", " "), NFC, strip(False)), marks(), "<s>"
    ),
    "pegasus, without rules": lambda: document(unigram(), normal(swap_form(r"\n", " "), BLANKS), marks(), "<s>"),
    "siglip": lambda: document(
        unigram(),
        normal(NFKC, LOWER, swap_form(r"[!-/:-@\[-`{-~]", ""), swap_form(r"\s+", " "), strip()),
        split(WORDS, marks()),
    ),
    "seamless": lambda: document(
        unigram(),
        normal(
            swap_form(r"[\n\r\t]", " "),
            NFKC,
            strip(False),
            swap_form(" +▁", "▁"),
            swap_form("^▁+$", ""),
            swap_form(" {2,}", "▁"),
        ),
        marks("first"),
    ),
    "model2vec": lambda: document(unigram(), normal(NFKC, *_MODEL2VEC), marks("always", False), "<s>"),
    # words
    "kcbert": lambda: document(
        wordpiece(), bert(), step("BertPreTokenizer"), "[PAD]", {"content": "😂", "normalized": True}
    ),
    "bert, every digit": lambda: document(wordpiece(), bert(lowercase=False), split(step("BertPreTokenizer"), DIGITS)),
    "bert, without a prefix": lambda: document(
        wordpiece(
            continuing_subword_prefix="",
            vocab={
                name: row for row, name in enumerate({name.removeprefix("##"): 0 for name in _wordpiece()["vocab"]})
            },
        ),
        bert(),
        step("BertPreTokenizer"),
    ),
    "bpe inside words": lambda: document(_own(ended("##")), bert(), step("BertPreTokenizer")),
    "characters of words": lambda: document(chars(), bert(), split(step("BertPreTokenizer"), part(""))),
}
#: Those of which no character stands between two others, so that only offsets tell what it becomes.
APART: dict[str, Callable[[], dict[str, Any]]] = {
    "openai-gpt, herbert": lambda: document(_own(ended("</w>")), bert(), step("BertPreTokenizer")),
    "words with ends": lambda: document(_own(ended("</w>")), NFKC, WORDS),
    "kogpt2": lambda: document(
        bpe(byte_fallback=False), normal(step("Nmt"), NFKC, BLANKS), marks(), {"content": "🤣", "normalized": True}
    ),
    "model2vec of bert": lambda: document(words_and_parts(), normal(bert(), *_MODEL2VEC), marks("always", False)),
    "bert, by white space": lambda: document(wordpiece(), normal(step("NFD"), LOWER), step("Whitespace")),
    "characters": lambda: document(chars(), None, part("")),
    "characters, by a dot": lambda: document(chars(), normal(NFKC, LOWER), part(".")),
    "characters, by length": lambda: document(chars(), None, step("FixedLength", length=1)),
    "kokoro": lambda: document(chars(), swap_form("[^A-Za-z!-?一-龥ぁ-ん]", ""), part("")),
    "bytes of a normaliser": lambda: document(byte_bpe(), normal(NFC, step("ByteLevel")), part(GPT_2)),
    "bytes behind words": lambda: document(byte_bpe(), NFKC, split(step("BertPreTokenizer"), in_bytes(True, False))),
}
