"""fastText .vec: word2vec text, with a header, read by C++ streams, for which six characters separate words.

fastText reads words with ``istream >> word`` in the C locale: U+0020, tab, line feed, vertical tab, form feed and
carriage return as a key would be skipped, and the values of their line taken for words. These six are left out.
"""

from __future__ import annotations

from charvec.plumbing.arrays.keyed_rows import Special, text_file

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "fasttext"
ALIASES: tuple[str, ...] = ("fasttext-vec",)
READERS = "fastText -pretrainedVectors, readers of .vec files"
FILES: tuple[str, ...] = ()
LOSES = frozenset(" \t\n\v\f\r")
MIN_DIM = 1
SPECIAL = Special()

write, read = text_file(header=True)
