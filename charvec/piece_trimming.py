"""Verb: what a smaller model keeps of a SentencePiece vocabulary; the part of :mod:`charvec.trimming` about these."""

from __future__ import annotations

import random
from collections.abc import Iterable, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec import vocabularies
from charvec.counts import Counts
from charvec.errors import WrongFile
from charvec.plumbing import places
from charvec.plumbing.files import read_whole
from charvec.plumbing.spelling.added_tokens import AddedToken, read_added
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.piece_closure import normalised
from charvec.plumbing.spelling.piece_file import kept_places, without
from charvec.plumbing.spelling.piece_rows import CHANGING, PieceRows, read_piece_rows
from charvec.plumbing.spelling.segmenting import Cutter
from charvec.plumbing.spelling.spelling_text import SPACE
from charvec.plumbing.spelling.typed_pieces import TypedPieces, sort_pieces
from charvec.status import Status
from charvec.valueclass import dataclass
from charvec.vocabularies import sentencepiece
from charvec.vocabulary import Vocabulary

__all__ = ["PieceFile"]


@dataclass(frozen=True)
class PieceFile:
    """A SentencePiece file and what lies beside it.

    Attributes:
        path: the file.
        data: its bytes.
        model: what they hold.
        around: which rows its pieces have, and what is done to text before.
        added: tokens that lie outside the file.
        told: what ``tokenizer_config.json`` has to say because the user decided otherwise than it does.
    """

    path: str
    data: bytes
    model: sentencepiece.Model
    around: PieceRows
    added: list[AddedToken]
    told: dict[str, bool]

    @staticmethod
    def of(vocabulary: Vocabulary) -> PieceFile | None:
        """The file of a vocabulary; None for another kind, and where another file numbers the pieces.

        Raises:
            CharvecError: as when it was read for the first time.
        """
        if vocabulary.kind != sentencepiece.NAME:
            return None
        data = _read(vocabulary.path)
        model = sentencepiece.parse(data)
        around = read_piece_rows(vocabulary.path, None, model.pieces)
        if around.rows is not None:
            return None
        told = {}
        lowercase = vocabulary.settings.get("lowercase")
        if around.tokenizer in CHANGING and isinstance(lowercase, bool) and lowercase != around.lowercase:
            around.lowercase = lowercase
            told = {"do_lower_case": lowercase}
        added = read_added(places.parent(vocabulary.path), around.config, [])
        return PieceFile(vocabulary.path, data, model, around, added, told)

    @property
    def name(self) -> str:
        """What the smaller file is called: as this one, where that is a name that is looked for."""
        name = places.base_name(self.path)
        return name if name in vocabularies.FOLDER_FILES else "tokenizer.model"

    @property
    def pieces(self) -> dict[int, str]:
        """What is known of each row."""
        offset = self.around.offset
        found = {place + offset: piece for place, piece in enumerate(self.model.pieces)}
        return {**found, **{token.row: token.content for token in self.added}}

    def characters(self, counts: Iterable[str]) -> set[str]:
        """What characters become before text is cut, also several together, and these themselves."""
        prepare = self.around.prepare
        chars = set(counts)
        prepared = chars | normalised(chars, prepare) if prepare is not None else chars
        if self.around.lowercase and "Σ" in chars:
            prepared.add("ς")  # at the end of a word
        return prepared | Charsmap(self.model.charsmap, self.path).made_of(prepared)

    def kept(self, chars: Set[str], named: Set[int], rows: int) -> tuple[set[int], NDArray[np.int64]]:
        """What stays for texts of some characters.

        Args:
            chars: as :meth:`characters` gives them.
            named: rows that configurations name.
            rows: of the matrix.

        Returns:
            places of pieces in the file; and int64 [n], ascending, their rows and all that are no piece's, such as
            those of marks and of padding.
        """
        model, offset = self.model, self.around.offset
        kept = kept_places(model.pieces, model.scores, model.types, chars)
        asked = {row - offset for row in (*named, *(token.row for token in self.added))}
        kept |= asked & set(range(len(model.pieces)))
        gone = {place + offset for place in range(len(model.pieces)) if place not in kept}
        return kept, np.array([row for row in range(rows) if row not in gone], np.int64)

    def smaller(self, kept: Set[int]) -> bytes:
        """The file with fewer pieces."""
        return without(self.data, kept)

    def prove(self, old: Vocabulary, old_ids: NDArray[np.int64], rows: int, counts: Counts, folder: str) -> None:
        """The vocabulary in a folder spells all characters with the same rows, and cuts random texts of them alike.

        Raises:
            WrongFile: ``E-TRIM-TOKENIZER``.
        """
        new = vocabularies.read(vocabularies.locate(folder))
        before, after = old.spell(counts.codepoints).beyond(rows), new.spell(counts.codepoints).beyond(len(old_ids))
        for place, char in enumerate(counts):
            one, two = before.ids(place), after.ids(place)
            same = before.status[place] == after.status[place]
            if before.status[place] != Status.NO_ROW:
                same = same and tuple(old_ids[list(two)].tolist()) == one
            if not same:
                self._refuse(char, one, two)
        theirs, ours = self._cutter(self.model), self._cutter(sentencepiece.parse(_read(new.path)))
        charsmap, prepare = Charsmap(self.model.charsmap, self.path), self.around.prepare
        generator = random.Random(len(old_ids))
        known = self.characters(counts) | {SPACE, " "}
        # characters by chance are rarely words
        words = [piece for piece in self.model.pieces if known.issuperset(piece)]
        for number in range(_PROBES if len(counts) else 0):
            text = "".join(generator.choices([*counts, " "], k=generator.randrange(1, 40)))
            form = "".join(map(charsmap, prepare(text) if prepare is not None else text))
            if number % 2 and words:
                text = form = "".join(generator.choices(words, k=generator.randrange(1, 10)))
            form = form.replace(" ", SPACE) if self.model.escape else form
            if form and theirs(form) != ours(form):
                self._refuse(text, theirs(form), ours(form))

    def _cutter(self, model: sentencepiece.Model) -> Cutter:
        sorted_: TypedPieces = sort_pieces(model.pieces, model.scores, model.types)
        return sorted_.cutter(model.kind, space=SPACE if model.escape else " ", suffix=model.suffix)

    def _refuse(self, text: str, before: Any, after: Any) -> None:
        raise WrongFile(
            "E-TRIM-TOKENIZER",
            f"the trimmed tokenizer cuts {text!r} in another way; nothing was written",
            path=self.path,
            found=f"{before[:12]} became {after[:12]}",
            help="please report this tokenizer; it has rules that charvec does not know",
        )


def _read(path: str) -> bytes:
    return read_whole(path, limit=sentencepiece.MAX_BYTES)


#: Random texts that are cut.
_PROBES = 200
