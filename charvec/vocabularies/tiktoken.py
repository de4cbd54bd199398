"""tiktoken: lines of a piece's bytes in base64 and its rank, which is its row id.

So are OpenAI's ``cl100k_base.tiktoken``, ``qwen.tiktoken`` and the ``tokenizer.model`` of Llama 3, which is no
SentencePiece file although it is called like one. Source: openai/tiktoken, ``load.py`` for the lines, ``src/lib.rs``
for the merging. Special tokens and the pattern that parts words are no part of such files, and no part of the spelling
of a character.
"""

from __future__ import annotations

import os
import re
from binascii import Error, a2b_base64
from itertools import pairwise
from typing import Any

from charvec.errors import DamagedFile
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.casing import refuse_casing
from charvec.plumbing.spelling.normalizer import read_object
from charvec.plumbing.spelling.spelling_bytes import ByteSpeller, merged_by_rank, nfc
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "tiktoken"

#: Limits against hostile files; the largest published one has 200,000 lines and 3.6 MB.
MAX_BYTES = 64_000_000
MAX_PIECES = 5_000_000
MAX_ROW = 1 << 31

_LINE = re.compile(rb"((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})) (\d{1,10})\r?")

#: Tokenizers that bring text into composed form (NFC) before it is cut, and how their files are called: Qwen's first
#: generation and Hunyuan (tokenization_qwen.py, tokenization_hy.py, beside these models).
COMPOSED_CLASSES = ("QWenTokenizer", "HYTokenizer")
COMPOSED_FILES = ("qwen.tiktoken", "hy.tiktoken")


def sniff(file: File) -> bool:
    """Lines of base64 and a number, the numbers ascending."""
    found = [_LINE.fullmatch(line) for line in file.head_lines() if line]
    ranks = [int(match[2]) for match in found if match]
    return bool(ranks) and len(ranks) == len(found) and all(a < b for a, b in pairwise(ranks))


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the ranks and, beside them, whether the tokenizer normalises text.

    Raises:
        DamagedFile: ``E-TIKTOKEN``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is given.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_object`.
    """
    path = file.path
    refuse_casing(path, "tiktoken", lowercase)
    data = file.whole(MAX_BYTES, "a vocabulary")
    rows = _parse(data, path)
    config = places.join(places.parent(path), "tokenizer_config.json")
    files = [config] if places.exists(config) else []
    said: dict[str, Any] = read_object(config) if files else {}
    composed = said.get("tokenizer_class") in COMPOSED_CLASSES or os.path.basename(path) in COMPOSED_FILES

    def rank(left: bytes, right: bytes) -> int | None:
        return rows.get(left + right)

    return Vocabulary(
        path,
        NAME,
        max(rows.values()) + 1,
        blake2b(data, digest_size=32).hexdigest(),
        ByteSpeller(rows.get, merged_by_rank(rank, rows.get), nfc if composed else None),
        {"normalizer": "NFC" if composed else None},
        (path, *files),
    )


def _parse(data: bytes, path: str) -> dict[bytes, int]:
    """Row id of every piece.

    Raises:
        DamagedFile: ``E-TIKTOKEN``.
    """
    rows: dict[bytes, int] = {}
    lines = [line for line in data.split(b"\n") if line.strip()]
    for line in lines[:MAX_PIECES]:
        try:
            piece, rank = line.split()
            rows[a2b_base64(piece)] = int(rank)
            sound = rank.isdigit()
        except (Error, ValueError):
            sound = False
        if not sound:
            raise _damaged(path, f"the line {line[:60]!r} is no base64 and a rank")
    if not rows or b"" in rows or max(rows.values()) >= MAX_ROW:
        raise _damaged(path, "it has no pieces, an empty one, or a rank that is no row of a matrix")
    if len(set(rows.values())) < len(rows) or len(rows) < len(lines):
        raise _damaged(path, "a piece or a rank stands twice")
    return rows


def _damaged(path: str, problem: str) -> DamagedFile:
    return DamagedFile(
        "E-TIKTOKEN",
        f"{path}: damaged tiktoken file: {problem}",
        path=path,
        help="download the file again",
    )
