"""word2vec text for ``spacy init vectors``, which splits lines from the right, and so takes U+0020 as a key.

It opens the file as text with universal line ends: line feed and carriage return as a key end their line before its
values, and the load fails. These two are left out.
"""

from __future__ import annotations

from charvec.plumbing.arrays.keyed_rows import Special, text_file

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "spacy"
ALIASES: tuple[str, ...] = ()
READERS = "spacy init vectors LANG FILE OUT"
FILES: tuple[str, ...] = ()
LOSES = frozenset("\n\r")
MIN_DIM = 1
SPECIAL = Special()

write, read = text_file(header=True)
