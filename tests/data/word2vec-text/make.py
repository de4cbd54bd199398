"""Writes the word vectors beside it and in ``../word2vec-binary``: with the C tool of 2013 and gensim.

Run with the packages word2vec (which builds Google's C tool) and gensim installed. Training draws
random numbers in threads, so values differ from run to run.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors

HERE = Path(__file__).resolve().parent
BINARY = HERE.parent / "word2vec-binary"
TEXTS = HERE.parents[2] / "samples" / "texts"
#: Words with every kind of white space that is legal in them, beyond the BMP, and longer ones between.
WORDS = ["我", "</s>", "的", "\u00a0", "中国", "\u3000", "\u2028", "😂", "𠀀", "a"]
WORDS += ["\ufeff", "0", "x" * 300, "\t", "水"]


def spaced(folder: Path) -> Path:
    """The samples, a blank between any two characters."""
    path = folder / "spaced.txt"
    text = (TEXTS / "simplified.txt").read_text("utf-8") + (TEXTS / "japanese.txt").read_text("utf-8")
    path.write_text("\n".join(" ".join(line.replace(" ", "")) for line in text.splitlines()), "utf-8")
    return path


def main() -> None:
    """Write all of them."""
    with tempfile.TemporaryDirectory() as folder:
        text = spaced(Path(folder))
        for binary, out in (("1", BINARY / "tool.bin"), ("0", HERE / "tool.vec")):
            tool = shutil.which("word2vec") or "word2vec"
            options = ["-size", "4", "-min-count", "8", "-threads", "1", "-iter", "1", "-binary", binary]
            subprocess.run([tool, "-train", text, "-output", out, *options], check=True)
    vectors = np.random.default_rng(20261127).standard_normal((len(WORDS), 5)).astype(np.float32)
    vectors[2] = [0, -0.0, 3e38, 1e-45, 1 / 3]
    keyed = KeyedVectors(5)
    keyed.add_vectors(WORDS, vectors)
    keyed.save_word2vec_format(HERE / "gensim.vec")
    keyed.save_word2vec_format(HERE / "headless.vec", write_header=False)
    keyed.save_word2vec_format(BINARY / "gensim.bin", binary=True)
    np.save(HERE / "gensim.expected", vectors)


if __name__ == "__main__":
    main()
