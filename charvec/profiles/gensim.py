"""word2vec text, with the header "words dimensions", for gensim, which cuts lines at line feed and U+0020 only.

The key U+0020 would make the whole load fail, and line feed would end its line before its values: just these two are
left out, and the header counts what is there. piskvorky/gensim#2795.
"""

from __future__ import annotations

from charvec.plumbing.arrays.keyed_rows import Special, text_file

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "gensim"
ALIASES: tuple[str, ...] = ("word2vec", "chinese-word-vectors")
READERS = "gensim KeyedVectors.load_word2vec_format"
FILES: tuple[str, ...] = ()
LOSES = frozenset(" \n")
MIN_DIM = 1
SPECIAL = Special()

write, read = text_file(header=True)
