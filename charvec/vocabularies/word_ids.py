"""Dictionaries of pieces as JSON: ``{piece: id}``, such as OpenNRE's ``word2id.json``.

Not those of byte-level BPE, whose pieces are no text and which have their merges beside.
"""

from __future__ import annotations

import re

from charvec.errors import DamagedFile
from charvec.plumbing import places
from charvec.plumbing.files import File, read_whole
from charvec.plumbing.safejson import parse
from charvec.plumbing.spelling.listed import listed_vocabulary
from charvec.plumbing.spelling.merges import merges_of
from charvec.plumbing.spelling.piece_lists import MAX_BYTES
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "word-ids"

_FIRST = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*-?\d+(?:\.\d+)?\s*[,}]', re.DOTALL)
#: How byte-level BPE spells a blank.
_BYTE_LEVEL = re.compile(rb'"(?:\xc4\xa0|\\u0120)', re.IGNORECASE)


def sniff(file: File) -> bool:
    """A JSON object that begins with a name and a number, without merges beside it."""
    if not _FIRST.match(file.head) or _BYTE_LEVEL.search(file.head):
        return False
    return not places.is_file(merges_of(file.path) or "")


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the dictionary.

    Raises:
        DamagedFile: ``E-VOCAB-ENTRY``, ``E-JSON-DUPKEY``, ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_normalizer`.
    """
    path = file.path
    data = read_whole(path, limit=MAX_BYTES)
    pieces = parse(data, path, code="E-VOCAB-ENTRY", what="vocabulary")
    wrong = next((item for item in pieces.items() if type(item[1]) is not int or item[1] < 0), None)
    if wrong:
        raise DamagedFile(
            "E-VOCAB-ENTRY",
            f"{path}: the piece {wrong[0][:80]!r} has no id",
            path=path,
            found=repr(wrong[1])[:80],
            help="name a JSON file of pieces and their row ids",
        )
    return listed_vocabulary(path, data, list(pieces.items()), lowercase)
