"""Writes the tokenizers beside it with keras-preprocessing, from ``samples/texts``."""

from __future__ import annotations

import json
from pathlib import Path

from keras_preprocessing.text import Tokenizer

HERE = Path(__file__).resolve().parent
TEXTS = HERE.parents[3] / "samples" / "texts"


def main() -> None:
    """Characters as ``to_json`` writes them; words in a string once more, and cut off."""
    texts = [path.read_text("utf-8") for path in sorted(TEXTS.glob("*.txt"))]
    lines = [line for text in texts for line in text.splitlines()[:6]]
    chars = Tokenizer(char_level=True, oov_token="<OOV>")
    chars.fit_on_texts(lines)
    (HERE / "characters.json").write_text(chars.to_json(), "utf-8")
    words = Tokenizer(num_words=100)
    words.fit_on_texts([" ".join(line) for line in lines])
    (HERE / "words.json").write_text(json.dumps(words.to_json(), ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
