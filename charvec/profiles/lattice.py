"""Text without a header, for the character models of Chinese NER that read ``gigaword_chn.all.a2b.uni.ite50.vec``.

LatticeLSTM, LexiconAugmentedNER, NCRF++, ChineseNER and CTC-Pytorch cut a line with ``line.strip().split()``: of a key
that is white space they find nothing but numbers, and lose it or fail. They take a header for a character, or fail on
it. A first line of two fields passes for a header, so a row has two values or more.
"""

from __future__ import annotations

from charvec.plumbing.arrays.keyed_rows import Special, text_file
from charvec.plumbing.text.white_space import WHITE_SPACE

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "lattice"
ALIASES: tuple[str, ...] = ("ncrfpp", "chinese-ner", "lexicon-augmented-ner", "ctc-pytorch")
READERS = "LatticeLSTM, LexiconAugmentedNER, NCRF++, ChineseNER, CTC-Pytorch"
FILES: tuple[str, ...] = ()
LOSES = WHITE_SPACE
MIN_DIM = 2
SPECIAL = Special()

write, read = text_file(header=False)
