"""Train the golden SentencePiece models on ``samples/texts``, with the ``sentencepiece`` package.

Run from the root of the repository::

    python tests/data/vocabularies/sentencepiece/make.py

The normalisation of two of them is a table of a few rules, because those of Unicode alone have 240 KB.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import sentencepiece

HERE = Path(__file__).resolve().parent
TEXTS = sorted((HERE.parents[3] / "samples" / "texts").glob("*.txt"))

#: What characters become: nothing, a blank, another, several, several with a blank in front.
RULES = {
    "\u200b": "",
    "\u3000": " ",
    "\xa0": " ",
    "\u2581": " ",
    "Ａ": "a",
    "A": "a",
    "，": ",",
    "…": "...",
    "㎡": "m2",
    "㍿": "株式会社",
    "\xb4": " \u0301",
    "\uf9d1": "六",
    "⼀": "一",
    "か\u3099": "が",
    "ﬁ": "fi",
    "①": "1",
}


def rules(folder: str) -> str:
    """The table as sentencepiece wants it: code points in hexadecimal."""
    path = Path(folder) / "rules.tsv"
    hexadecimal = [
        "\t".join(" ".join(f"{ord(char):X}" for char in side) for side in (*rule, "")) + "\n" for rule in RULES.items()
    ]
    path.write_text("".join(hexadecimal), "utf-8")
    return str(path)


def train(folder: str, name: str, **options: Any) -> None:
    """Train one model and write it beside this file."""
    sentencepiece.SentencePieceTrainer.train(
        input=",".join(map(str, TEXTS)),
        model_prefix=str(Path(folder) / name),
        character_coverage=0.98,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    (HERE / f"{name}.model").write_bytes((Path(folder) / f"{name}.model").read_bytes())


def models(folder: str) -> dict[str, dict[str, Any]]:
    """The options of every model."""
    table = rules(folder)
    return {
        "unigram": {
            "model_type": "unigram",
            "vocab_size": 1700,
            "normalization_rule_tsv": table,
            "user_defined_symbols": ["①", "m2", "人工"],
            "control_symbols": ["<sep>", "Z"],
        },
        "unigram_bytes": {
            "model_type": "unigram",
            "vocab_size": 2000,
            "normalization_rule_name": "identity",
            "byte_fallback": True,
        },
        "bpe_bytes": {
            "model_type": "bpe",
            "vocab_size": 2000,
            "normalization_rule_name": "identity",
            "byte_fallback": True,
            "remove_extra_whitespaces": False,
        },
        "bpe_suffix": {
            "model_type": "bpe",
            "vocab_size": 2000,
            "normalization_rule_tsv": table,
            "treat_whitespace_as_suffix": True,
            "user_defined_symbols": ["式会"],
            "control_symbols": ["Q"],
        },
        "char": {"model_type": "char", "vocab_size": 2000, "normalization_rule_tsv": table},
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, options in models(folder).items():
            train(folder, name, **options)
