"""Plumbing: the pieces of SentencePiece tokenizers, sorted by what text can do with them.

Their types are those of ``sentencepiece_model.proto``; GGUF files took them over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from charvec.plumbing.segmenting import Characters, Cutter, ScoredMerges, Unigram, Words
from charvec.plumbing.spelling_text import SPACE, TextSpeller
from charvec.valueclass import dataclass

__all__ = ["BPE", "BYTE", "CHAR", "CONTROL", "NORMAL", "UNIGRAM", "UNKNOWN", "UNUSED", "USER_DEFINED", "WORD"]
__all__ += ["TypedPieces", "sort_pieces"]

UNIGRAM, BPE, WORD, CHAR = 1, 2, 3, 4
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


@dataclass
class TypedPieces:
    """Pieces by type.

    Attributes:
        rows: row id of every piece that text can become.
        others: row ids of all other pieces.
        scores: of every piece of ``rows``, and of the unused ones, through which BPE merges.
        user_defined, unused: pieces of these types.
        byte_rows: row ids of the pieces for bytes 0 to 255; empty unless all are there.
    """

    rows: dict[str, int]
    others: dict[str, int]
    scores: dict[str, float]
    user_defined: set[str]
    unused: set[str]
    byte_rows: tuple[int, ...]

    def speller(
        self, model: int, normalize: Callable[[str], str], *, space: str = SPACE, suffix: bool = False
    ) -> TextSpeller:
        """How a tokenizer of these pieces spells characters.

        Args:
            model: ``UNIGRAM``, ``BPE``, ``WORD`` or ``CHAR``.
            normalize: what a character becomes, unless it is user-defined.
            space: what white space is written as in pieces.
            suffix: whether white space belongs to the word before it.
        """
        cut: Cutter
        if model == UNIGRAM:
            cut = Unigram({piece: self.scores[piece] for piece in self.rows}, self.user_defined)
        elif model == BPE:
            cut = ScoredMerges(self.scores, self.user_defined, self.unused)
        elif model == CHAR:
            cut = Characters(self.user_defined)
        else:
            cut = Words(space, suffix)

        def normalized(char: str) -> str:
            return char if char in self.user_defined else normalize(char)

        return TextSpeller(self.rows, cut, normalized, self.byte_rows, self.others, space, suffix)


def sort_pieces(pieces: Iterable[tuple[str, float, int, int]]) -> TypedPieces:
    """Sort pieces.

    Args:
        pieces: text, score, type and row id of each; of those that stand twice the last is taken.
    """
    result = TypedPieces({}, {}, {}, set(), set(), ())
    bytes_found = {}
    for piece, score, kind, row in pieces:
        if kind in (NORMAL, USER_DEFINED, UNUSED):
            result.scores[piece] = score
        if kind in (NORMAL, USER_DEFINED):
            result.rows[piece] = row
        else:
            result.others[piece] = row
        if kind == USER_DEFINED:
            result.user_defined.add(piece)
        elif kind == UNUSED:
            result.unused.add(piece)
        elif kind == BYTE:
            bytes_found[piece] = row
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    if all(name in bytes_found for name in names):
        result.byte_rows = tuple(bytes_found[name] for name in names)
    return result
