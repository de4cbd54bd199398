"""Write a small vocabulary of RWKV's layout: every byte, and what stands often in ``samples/texts``.

Run from the root of the repository::

    python tests/data/vocabularies/rwkv/make.py
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXTS = sorted((HERE.parents[3] / "samples" / "texts").glob("*.txt"))


def pieces() -> list[bytes]:
    """Every byte; common characters, pairs, and beginnings of characters; some that begin with a blank."""
    text = "".join(path.read_text("utf-8") for path in TEXTS)
    characters = [char for char, _ in Counter(text).most_common(300) if len(char.encode()) > 1]
    pairs = [one + other for (one, other), _ in Counter(pairwise(text)).most_common(80)]
    found = [*characters, *pairs, " é", "\u200b", "\U0001f602", "it's", 'a"b', "\\n"]
    begun = sorted({char.encode()[:2] for char in characters})
    listed = [bytes([byte]) for byte in range(256)] + [piece.encode() for piece in found] + begun
    return sorted(dict.fromkeys(listed), key=lambda piece: (len(piece), piece))


def printed(piece: bytes) -> str:
    """As Python prints it, text where it is text."""
    try:
        return repr(piece.decode())
    except UnicodeDecodeError:
        return repr(piece)


if __name__ == "__main__":
    lines = [f"{row} {printed(piece)} {len(piece)}\n" for row, piece in enumerate(pieces(), 1)]
    (HERE / "samples.txt").write_text("".join(lines), "utf-8", newline="\n")
