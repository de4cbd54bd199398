"""Plumbing: the pieces of SentencePiece tokenizers, sorted by what text can do with them.

Their types are those of ``sentencepiece_model.proto``; GGUF files took them over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress

from charvec.plumbing.spelling.segmenting import Characters, Cutter, ScoredMerges, Unigram, Words
from charvec.plumbing.spelling.spelling_text import SPACE, TextSpeller
from charvec.valueclass import dataclass

__all__ = ["BPE", "BYTE", "CHAR", "CONTROL", "NORMAL", "UNIGRAM", "UNKNOWN", "UNUSED", "USER_DEFINED", "WORD"]
__all__ += ["MAX_SCORE", "TypedPieces", "sort_pieces"]

UNIGRAM, BPE, WORD, CHAR = 1, 2, 3, 4
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

#: Scores beyond are refused, so that no sum of some of them leaves float32.
MAX_SCORE = 1e30


@dataclass
class TypedPieces:
    """Pieces by type.

    Attributes:
        rows: row id of every piece that text can become.
        others: row ids of the unused ones.
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

    def cutter(self, model: int, *, space: str = SPACE, suffix: bool = False) -> Cutter:
        """How a tokenizer of these pieces cuts normalised text; arguments as for :meth:`speller`."""
        if model == UNIGRAM:
            return Unigram({piece: self.scores[piece] for piece in self.rows}, self.user_defined)
        if model == BPE:
            return ScoredMerges(self.scores, self.user_defined, self.unused)
        return Characters(self.user_defined) if model == CHAR else Words(space, suffix)

    def speller(
        self,
        model: int,
        normalize: Callable[[str], str],
        *,
        space: str = SPACE,
        suffix: bool = False,
        numbers: Mapping[str, int] | None = None,
    ) -> TextSpeller:
        """How a tokenizer of these pieces spells characters.

        Args:
            model: ``UNIGRAM``, ``BPE``, ``WORD`` or ``CHAR``.
            normalize: what a character becomes, unless it is user-defined.
            space: what white space is written as in pieces.
            suffix: whether white space belongs to the word before it.
            numbers: the row ids of all pieces, where they are not those here; a piece that has none is unknown.
        """
        cut = self.cutter(model, space=space, suffix=suffix)

        def normalized(char: str) -> str:
            return char if char in self.user_defined else normalize(char)

        if numbers is not None:
            rows = {piece: numbers[piece] for piece in self.rows if piece in numbers}
            return TextSpeller(rows, cut, normalized, space=space, suffix=suffix)
        return TextSpeller(self.rows, cut, normalized, self.byte_rows, self.others, space, suffix)


def sort_pieces(pieces: Sequence[str], scores: Sequence[float], types: Sequence[int], first: int = 0) -> TypedPieces:
    """Sort pieces.

    Args:
        pieces: the text of each; of those of one kind that stand twice the last is taken.
        scores: the score of each.
        types: the type of each.
        first: row id of the first; the others follow.
    """
    rows = range(first, first + len(pieces))
    # nearly all are ordinary ones, of which there may be hundreds of thousands
    normal = [kind == NORMAL for kind in types]
    plain = list(compress(pieces, normal))
    result = TypedPieces(
        dict(zip(plain, compress(rows, normal), strict=True)),
        {},
        dict(zip(plain, compress(scores, normal), strict=True)),
        set(),
        set(),
        (),
    )
    bytes_found = {}
    for place in (place for place, ordinary in enumerate(normal) if not ordinary):
        piece, kind, row = pieces[place], types[place], rows[place]
        if kind in (USER_DEFINED, UNUSED):
            result.scores[piece] = scores[place]
        if kind == USER_DEFINED:
            result.rows[piece] = row
            result.user_defined.add(piece)
            continue
        if kind == UNUSED:
            # control symbols and the unknown token are no characters, whatever they are called
            result.others[piece] = row
            result.unused.add(piece)
        elif kind == BYTE:
            bytes_found[piece] = row
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    if all(name in bytes_found for name in names):
        result.byte_rows = tuple(bytes_found[name] for name in names)
    return result
