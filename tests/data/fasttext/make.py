"""Writes the fastText models beside it, and what fastText says of 2,000 characters.

Run with the packages fasttext-wheel and gensim installed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import fasttext
import numpy as np
from gensim.models.fasttext import FastText, save_facebook_model

HERE = Path(__file__).resolve().parent
TEXTS = HERE.parents[2] / "samples" / "texts"
#: ASCII, kana, Han, hangul, emoji, planes 2 and 16, white space.
CHARS = [
    *(*range(0x21, 0x7F), 0xA0, 0x2028, 0x3000, *range(0x3041, 0x3097), *range(0x4E00, 0x5200)),
    *(*range(0x6000, 0x6200), *range(0xAC00, 0xAC80), *range(0x1F600, 0x1F650), *range(0x20000, 0x200B0), 0x10FFFF),
]


def main() -> None:
    """Train and write all of them."""
    chars = [chr(codepoint) for codepoint in CHARS]
    with tempfile.TemporaryDirectory() as folder:
        text, labelled = Path(folder) / "text", Path(folder) / "labelled"
        lines = (TEXTS / "simplified.txt").read_text("utf-8") + (TEXTS / "japanese.txt").read_text("utf-8")
        lines = "\n".join(" ".join(line.replace(" ", "")) for line in lines.splitlines())
        text.write_text(lines, "utf-8")
        labelled.write_text("\n".join(f"__label__{place % 2} {line}" for place, line in enumerate(lines.split("\n"))))
        common = {"dim": 3, "minCount": 8, "epoch": 2, "thread": 1, "verbose": 0}
        models = {
            "subwords": fasttext.train_unsupervised(str(text), minn=2, maxn=3, bucket=40, **common),
            "subwords-1-6": fasttext.train_unsupervised(str(text), minn=1, maxn=6, bucket=40, **common),
            "words": fasttext.train_unsupervised(str(text), minn=0, maxn=0, bucket=0, model="cbow", **common),
            "classes": fasttext.train_supervised(str(labelled), wordNgrams=2, bucket=300, **common),
        }
        for name, model in models.items():
            model.save_model(str(HERE / f"{name}.bin"))
            known = set(model.words)
            told = [model.get_word_vector(char) for char in chars if "subwords" in name or char in known]
            np.save(HERE / f"{name}.npy", np.array(told, np.float32))
        compressed = models["classes"]
        compressed.quantize(input=str(labelled), qnorm=False)
        compressed.save_model(str(HERE / "compressed.ftz"))
    sentences = [line.split() for line in lines.split("\n")]
    model = FastText(sentences, vector_size=3, min_count=8, min_n=2, max_n=3, bucket=40, workers=1, seed=1)
    save_facebook_model(model, str(HERE / "gensim.bin"))
    np.save(HERE / "gensim.npy", np.array([model.wv[char] for char in chars], np.float32))


if __name__ == "__main__":
    main()
