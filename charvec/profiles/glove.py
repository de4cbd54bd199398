"""GloVe text: a word and its values a line, no header.

torchtext and gensim (``no_header=True``) cut lines at U+0020 and fail on the keys U+0020 and line feed; fastNLP cuts
lines at any white space and drops such keys. What any of them loses is left out. fastNLP and torchtext take a first
line of two fields for a header, so a row has two values or more.
"""

from __future__ import annotations

from charvec.plumbing.arrays.keyed_rows import Special, text_file
from charvec.plumbing.text.white_space import WHITE_SPACE

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "glove"
ALIASES: tuple[str, ...] = ("torchtext-text", "fastnlp")
READERS = "torchtext.vocab.Vectors, fastNLP EmbedLoader, gensim with no_header=True"
FILES: tuple[str, ...] = ()
LOSES = WHITE_SPACE
MIN_DIM = 2
SPECIAL = Special()

write, read = text_file(header=False)
