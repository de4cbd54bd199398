"""Plumbing: the alphabet of byte-level BPE, one printable character for each byte.

Source: GPT-2's ``bytes_to_unicode``: the printable ASCII and Latin-1 bytes stand for themselves, the other 68 are
numbered from U+0100 in order. So ``Ġ`` (U+0120) is the blank and ``Ċ`` (U+010A) the line end.
"""

from __future__ import annotations

__all__ = ["BLANK", "BYTES", "CHARS", "form_of", "text_of"]


def _alphabet() -> str:
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in own)
    table = {byte: byte for byte in own} | {byte: 0x100 + place for place, byte in enumerate(others)}
    return "".join(chr(table[byte]) for byte in range(256))


#: The character of each byte.
CHARS = _alphabet()
#: The byte of each of these characters.
BYTES = {char: byte for byte, char in enumerate(CHARS)}
#: The mark in front of a word.
BLANK = CHARS[0x20]


def form_of(text: str) -> str:
    """A text as pieces hold it."""
    return "".join(CHARS[byte] for byte in text.encode())


def text_of(piece: str) -> str | None:
    """The text of a piece; None when its bytes are no whole characters, or some character is none of the alphabet."""
    try:
        return bytes(BYTES[char] for char in piece).decode()
    except (KeyError, UnicodeDecodeError):
        return None
