"""Train the golden tokenizers: one of every kind, by the trainers of the ``tokenizers`` library.

Run from the root of the repository, when a kind is added::

    python tests/data/vocabularies/make.py

They learn from ``samples/texts`` alone, so they are small; the pipelines around them are those of well-known models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
TEXTS = sorted((HERE.parents[2] / "samples" / "texts").glob("*.txt"))
BERT_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
#: The pattern by which Llama 3 and Qwen 2 part a text before they cut it into bytes.
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def lines() -> list[str]:
    """The samples."""
    return [line for path in TEXTS for line in path.read_text("utf-8").splitlines()]


def train(tokenizer: Tokenizer, trainer: Any) -> Tokenizer:
    """The tokenizer, trained."""
    tokenizer.train_from_iterator(lines(), trainer)
    return tokenizer


def wordpiece() -> Tokenizer:
    """As MiniLM: uncased BERT, with padding and truncation left on."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    train(
        tokenizer,
        trainers.WordPieceTrainer(
            vocab_size=1200, limit_alphabet=500, special_tokens=BERT_SPECIAL, show_progress=False
        ),
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    return tokenizer


def bytes_gpt2() -> Tokenizer:
    """As GPT-2 and RoBERTa: byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    return train(tokenizer, trainer)


def bytes_llama3() -> Tokenizer:
    """As Llama 3 and Qwen 2: parted by a pattern, NFC, pieces taken whole, tokens added behind the vocabulary."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_3), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    train(tokenizer, trainers.BpeTrainer(vocab_size=1000, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "§", "♬"])
    tokenizer.add_tokens([AddedToken("♪", normalized=False), AddedToken("two words", normalized=True)])
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama 2: BPE over characters, with bytes for those it has no piece for, a blank put before every text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    return train(
        tokenizer,
        trainers.BpeTrainer(vocab_size=900, special_tokens=special, limit_alphabet=420, show_progress=False),
    )


def plain_bpe() -> Tokenizer:
    """BPE over characters, words parted at white space, an unknown token."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return train(
        tokenizer,
        trainers.BpeTrainer(vocab_size=900, limit_alphabet=500, special_tokens=["[UNK]", "[PAD]"], show_progress=False),
    )


def clip() -> Tokenizer:
    """As CLIP: byte-level BPE whose pieces at the end of a word carry a mark."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    special = ["<|startoftext|>", "<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=900,
            special_tokens=special,
            initial_alphabet=alphabet,
            end_of_word_suffix="</w>",
            show_progress=False,
        ),
    )


def unigram() -> Tokenizer:
    """As the converted SentencePiece models: Unigram, NFKC, blanks kept as a mark that also begins the text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=1700, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    return train(tokenizer, trainer)


def wordlevel() -> Tokenizer:
    """Whole words."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex(r"\p{Han}"), behavior="isolated")]
    )
    return train(tokenizer, trainers.WordLevelTrainer(vocab_size=900, special_tokens=["[UNK]"], show_progress=False))


if __name__ == "__main__":
    KINDS = (wordpiece, bytes_gpt2, bytes_llama3, byte_fallback, plain_bpe, clip, unigram, wordlevel)
    made = {kind.__name__: kind() for kind in KINDS}
    for name, tokenizer in made.items():
        tokenizer.save(str(HERE / "tokenizer-json" / f"{name}.json"), pretty=name in ("wordpiece", "unigram"))
    made["wordpiece"].model.save(str(HERE / "wordpiece"))
    made["bytes_gpt2"].model.save(str(HERE / "vocab-json"))
