r"""RWKV's own vocabulary: lines of a row id, a piece as Python prints it, and how many bytes that has.

So is ``rwkv_vocab_v20230424.txt``, of all RWKV models since version 4 World. Pieces are runs of bytes; a text is cut
from left to right into the longest that fit. Row 0 ends a text and stands in no line. Source: BlinkDL/ChatRWKV,
``rwkv_tokenizer.py``.
"""

from __future__ import annotations

import re

from charvec.errors import DamagedFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.casing import refuse_casing
from charvec.plumbing.spelling.literals import literal
from charvec.plumbing.spelling.spelling_bytes import ByteSpeller, longest_first
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "rwkv"

#: Limits against hostile files; the published one has 65,529 lines and 1.2 MB.
MAX_BYTES = 64_000_000
MAX_PIECES = 5_000_000
MAX_ROW = 1 << 31

_LINE = re.compile(r"(\d{1,10}) (b?(?:'.*'|\".*\")) (\d{1,4})")


def sniff(file: File) -> bool:
    """Lines of a number, something in quotes, and the number of its bytes."""
    lines = file.head_lines()
    return bool(lines) and all(_parsed(line) is not None for line in lines)


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the pieces.

    Raises:
        DamagedFile: ``E-RWKV-VOCAB``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is given.
    """
    path = file.path
    refuse_casing(path, "RWKV", lowercase)
    data = file.whole(MAX_BYTES, "a vocabulary")
    rows = _parse(data, path)
    return Vocabulary(
        path,
        NAME,
        max(rows.values()) + 1,
        blake2b(data, digest_size=32).hexdigest(),
        ByteSpeller(rows.get, longest_first(rows)),
        {},
        (path,),
    )


def _parse(data: bytes, path: str) -> dict[bytes, int]:
    """Row id of every piece.

    Raises:
        DamagedFile: ``E-RWKV-VOCAB``.
    """
    rows: dict[bytes, int] = {}
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines[:MAX_PIECES], 1):
        found = _parsed(line)
        if found is None:
            raise _damaged(path, f"line {number:,}, {line[:60]!r}, is no row id, piece and number of bytes")
        rows[found[1]] = found[0]
    if not rows or max(rows.values()) >= MAX_ROW:
        raise _damaged(path, "it has no pieces, or a row id that is no row of a matrix")
    if len(set(rows.values())) < len(rows) or len(rows) < len(lines):
        raise _damaged(path, "a piece or a row id stands twice")
    return rows


def _parsed(line: bytes) -> tuple[int, bytes] | None:
    """Row id and piece; None where the line is none, or the piece has another number of bytes."""
    try:
        match = _LINE.fullmatch(line.removesuffix(b"\r").decode())
    except UnicodeDecodeError:
        return None
    piece = literal(match[2]) if match else None
    return (int(match[1]), piece) if match and piece and len(piece) == int(match[3]) else None


def _damaged(path: str, problem: str) -> DamagedFile:
    return DamagedFile(
        "E-RWKV-VOCAB",
        f"{path}: damaged vocabulary of RWKV: {problem}",
        path=path,
        help="download the file again",
    )
