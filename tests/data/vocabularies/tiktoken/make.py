"""Train the golden ranks on ``samples/texts``, with the ``tiktoken`` package (and ``blobfile``, by which it writes).

Run from the root of the repository::

    python tests/data/vocabularies/tiktoken/make.py
"""

from __future__ import annotations

from pathlib import Path

from tiktoken._educational import SimpleBytePairEncoding
from tiktoken.load import dump_tiktoken_bpe

HERE = Path(__file__).resolve().parent
TEXTS = sorted((HERE.parents[3] / "samples" / "texts").glob("*.txt"))
#: How Qwen's tokenizers part words.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

if __name__ == "__main__":
    text = "".join(path.read_text("utf-8") for path in TEXTS)
    ranks = SimpleBytePairEncoding.train(text, vocab_size=900, pat_str=PATTERN).mergeable_ranks
    dump_tiktoken_bpe(ranks, str(HERE / "samples.tiktoken"))
