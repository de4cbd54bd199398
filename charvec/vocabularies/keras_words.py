"""``tokenizer.json`` of Keras: words or characters and their ids, by ``Tokenizer.to_json()``.

Layout: ``{"class_name": "Tokenizer", "config": {…}}``, in which ``word_index`` is JSON in a string; often the whole is
in a string once more. Row 0 is padding. Source: keras-preprocessing 1.1.2, ``keras_preprocessing/text.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import UsageError
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.safejson import parse
from charvec.plumbing.spelling.normalizer import MAX_BYTES, refuse
from charvec.plumbing.spelling.tokenizer_model import row_notes, rows_of
from charvec.status import Status
from charvec.valueclass import dataclass
from charvec.vocabulary import Spelling, Vocabulary

__all__ = ["NAME", "KerasWords", "read", "sniff"]

NAME = "keras-words"

#: Most characters between words, which are put in the place of every filtered one; nearly all files have a blank.
MAX_SPLIT = 100

_FIRST = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*"?\{\s*(\\?)"class_name\1"\s*:\s*\1"Tokenizer\1"\s*,\s*\1"config\1"\s*:\s*\{'
)


@dataclass(frozen=True)
class KerasWords:
    """Spells a character as it is looked up alone, as ``texts_to_sequences`` does.

    Attributes:
        rows: word -> row id.
        unknown: the word of what is unknown; None when that is dropped.
        limit: rows from here on are never used; 0 for no limit.
        lower: whether texts are lower-cased.
        chars: whether every character is a word.
        filters: characters that are taken for white space, unless every character is a word.
        split: what stands between words.
    """

    rows: Mapping[str, int]
    unknown: str | None
    limit: int
    lower: bool
    chars: bool
    filters: str
    split: str

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        cuts = dict.fromkeys(map(ord, self.filters), self.split)
        return Spelling.of([self._entry(chr(codepoint), cuts) for codepoint in codepoints.tolist()])

    def _entry(self, char: str, cuts: Mapping[int, str]) -> tuple[Status, tuple[int, ...]]:
        text = char.lower() if self.lower else char
        words = list(text) if self.chars else [word for word in text.translate(cuts).split(self.split) if word]
        ids = [self._row(word) for word in words]
        if not ids or None in ids:
            own = self._row(char)
            if own is not None:
                return Status.UNREACHABLE, (own,)
            return (Status.UNKNOWN if ids else Status.REMOVED), ()
        single = len(words) == 1 == len(words[0])
        status = Status.EXACT if words == [char] else Status.NORMALIZED if single else Status.COMPOSED
        return status, tuple(row for row in ids if row is not None)

    def _row(self, word: str) -> int | None:
        row = self.rows.get(word)
        known = row is not None and word != self.unknown and not (self.limit and row >= self.limit)
        return row if known else None


def sniff(file: File) -> bool:
    """The name of the class and its configuration, as they are or in a string."""
    return _FIRST.match(file.head) is not None


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read it.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is said: the file says itself whether texts are lower-cased.
    """
    path = file.path
    data = file.whole(MAX_BYTES, "a tokenizer")
    value = _parsed(data, path)
    value = _parsed(value.encode(), path) if isinstance(value, str) else value
    config = value.get("config") if isinstance(value, dict) else None
    if not isinstance(config, dict):
        refuse(path, "it has no configuration")
    if lowercase is not None:
        raise UsageError(
            "E-CASING",
            f"{path} says itself whether texts are lower-cased; --cased and --uncased cannot change it",
            help="leave the option out (in Python: lowercase=None)",
        )
    index = config.get("word_index")
    index = _parsed(index.encode(), path) if isinstance(index, str) else index
    rows = rows_of(index, path, "keras-words")
    pieces = dict(rows)
    limit = config.get("num_words")
    if limit is not None and (type(limit) is not int or limit < 0):
        refuse(path, f"the number of words is {str(limit)[:40]}")
    split = _text(config, "split", " ", path) or " "
    if len(split) > MAX_SPLIT:
        refuse(path, f"{len(split):,} characters stand between words")
    speller = KerasWords(
        pieces,
        _text(config, "oov_token", None, path),
        limit or 0,
        config.get("lower") is not False,
        config.get("char_level") is True,
        _text(config, "filters", "", path) or "",
        split,
    )
    size = max(pieces.values()) + 1
    return Vocabulary(
        path,
        f"keras {'characters' if speller.chars else 'words'}",
        min(size, limit) if limit else size,
        blake2b(data, digest_size=32).hexdigest(),
        speller,
        {"lowercase": speller.lower},
        (path,),
        row_notes(rows, pieces, path),
    )


def _parsed(data: bytes, path: str) -> Any:
    return parse(data, path, code="E-TOKENIZER", what="tokenizer")


def _text(config: dict[str, Any], name: str, default: str | None, path: str) -> str | None:
    text = config.get(name, default)
    if text is not None and not isinstance(text, str):
        refuse(path, f"{name} is no text")
    return text
