r"""Plain lists of pieces, one a line, the line number is the row id; without the special tokens that tell a BERT's.

Lines end at ``\n`` only and nothing is stripped but one ``\r``, as in :mod:`charvec.plumbing.spelling.piece_lists`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from charvec.errors import Note, WrongFile
from charvec.plumbing import places
from charvec.plumbing.files import File
from charvec.plumbing.spelling.listed import SPECIALS, listed_vocabulary
from charvec.plumbing.spelling.piece_lists import read_lines
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "word-list"

#: What lies beside the list of pieces of GPT-NeoX-Japanese, and of no other.
EMOJI = "emoji.json"
#: Longest piece of a list, in characters; a longer line is a text.
MAX_PIECE = 100

_INNER_BLANK = re.compile(r"[^ \t\r][ \t\r]+[^ \t\r]")
_OTHER = re.compile(r'\s*(?:\{\s*"[^\n]|\[\s*["{\[\]][^\n]|<!doctype|<html|<\?xml|<error)', re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def sniff(file: File) -> bool:
    """UTF-8 in short lines without blanks in them, and no special token of BERT alone on a line."""
    head = file.head.removeprefix(b"\xef\xbb\xbf")
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or file.size <= len(file.head):
            return False
        text = head[: error.start].decode()
    if _OTHER.match(text) or _CONTROL.search(text):
        return False
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if any(line in SPECIALS for line in lines):
        return False
    return any(lines) and all(len(line) <= MAX_PIECE and not _INNER_BLANK.search(line) for line in lines)


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the list.

    Raises:
        WrongFile: ``E-TOKENIZER-KIND`` for the list of a tokenizer that does more than look words up.
        CharvecError: as :func:`charvec.plumbing.spelling.piece_lists.read_lines` and
            :func:`charvec.plumbing.spelling.normalizer.read_normalizer`.
    """
    data, lines = read_lines(file)
    if places.is_file(places.join(places.parent(file.path), EMOJI)):
        raise WrongFile(
            "E-TOKENIZER-KIND",
            f"{file.path} belongs to the tokenizer GPTNeoXJapanese, as {EMOJI} beside it tells",
            path=file.path,
            found="it writes other characters for some, and gives several the row of one line",
            help="charvec does not follow it; name another model",
        )
    vocabulary = listed_vocabulary(file.path, data, [(line, row) for row, line in enumerate(lines)], lowercase)
    if "" not in lines:
        return vocabulary
    blank = Note("W-VOCAB-BLANK", f"{file.path}: line {lines.index('') + 1} is blank; it keeps its row", file.path)
    return replace(vocabulary, notes=(*vocabulary.notes, blank))
