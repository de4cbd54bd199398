"""Write the golden GGUF files with the ``gguf`` package, from the golden files of other kinds.

Run from the root of the repository::

    python tests/data/vocabularies/gguf/make.py
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent
sys.path.insert(0, str(HERE.parents[2] / "vocabularies"))

from gguf_files import from_byte_level, from_sentencepiece, from_wordpieces  # noqa: E402 - beside the tests

if __name__ == "__main__":
    from_sentencepiece(DATA / "sentencepiece" / "bpe_bytes.model", HERE / "llama.gguf")
    from_sentencepiece(DATA / "sentencepiece" / "unigram.model", HERE / "t5.gguf")
    from_wordpieces(DATA / "wordpiece" / "vocab.txt", HERE / "bert.gguf")
    from_byte_level(DATA / "tokenizer-json" / "bytes_gpt2.json", HERE / "gpt2.gguf", "gpt-2")
    from_byte_level(DATA / "tokenizer-json" / "bytes_llama3.json", HERE / "qwen2.gguf", "qwen2")
