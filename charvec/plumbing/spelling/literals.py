r"""Plumbing: strings and bytes as Python prints them, read without evaluating anything.

Layout (Python Language Reference, 2.4): in single or double quotes, after ``b`` if they are bytes; a backslash before a
quote and before itself, ``\t``, ``\n``, ``\r``, and ``\xHH``, ``\uHHHH``, ``\UHHHHHHHH`` for what cannot be printed.
"""

from __future__ import annotations

import re

__all__ = ["literal", "unescape"]

_LITERAL = re.compile(r"(b?)(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_BYTE_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_PLAIN = frozenset("\\'\"tnr")


def literal(text: str) -> bytes | None:
    """The bytes of a literal, of a string in UTF-8; None when it is none, or stands for half of a surrogate pair."""
    match = _LITERAL.fullmatch(text)
    if match is None:
        return None
    body = match[2] if match[3] is None else match[3]
    damaged = match[1] and not body.isascii()

    def replaced(escape: re.Match[str]) -> str:
        nonlocal damaged
        number = escape[1] or escape[2] or escape[3]
        if number is None:
            damaged = damaged or escape[4] not in _PLAIN
            return _CONTROLS.get(escape[4], escape[4])
        damaged = damaged or (match[1] and escape[1] is None) or int(number, 16) > 0x10FFFF
        return "" if damaged else chr(int(number, 16))

    found = _ESCAPE.sub(replaced, body) if "\\" in body else body
    try:
        return None if damaged else found.encode("latin-1" if match[1] else "utf-8")
    except UnicodeEncodeError:
        return None


def unescape(text: bytes) -> bytes:
    """What stands between the quotes of printed bytes, as bytes; a backslash before anything else is left out."""

    def replaced(escape: re.Match[bytes]) -> bytes:
        if escape[1] is not None:
            return bytes((int(escape[1], 16),))
        return _CONTROLS.get(escape[2].decode("latin-1"), "").encode() or escape[2]

    return _BYTE_ESCAPE.sub(replaced, text) if b"\\" in text else text
