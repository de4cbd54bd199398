"""Dotted paths to a value inside a record: ``text``, ``data.text``, ``messages.0.content``."""

from __future__ import annotations

import re

__all__ = ["Step", "split"]

#: A key, and the number it is where it stands for an element of a list, else None.
Step = tuple[str, int | None]

_PART = re.compile(r"((?:[^.\\]|\\[.\\]|\\)*)(\.|\Z)")
#: Digits of an index; a longer number is only a key.
_DIGITS = 9


def split(path: str) -> tuple[Step, ...]:
    r"""The steps of a path from the outside to the inside.

    A dot parts two keys, ``\.`` is a dot within a key and ``\\`` a backslash; any other backslash is one as it stands.
    The path ``.`` has no steps: it is the record itself.
    """
    if path == ".":
        return ()
    keys = []
    at = 0
    while True:
        part = _PART.match(path, at)
        if part is None:  # the pattern matches everywhere; this is for the type checker
            raise AssertionError(path)
        keys.append(re.sub(r"\\([.\\])", r"\1", part[1]))
        at = part.end()
        if not part[2]:
            break
    return tuple((key, int(key) if key.isascii() and key.isdigit() and len(key) <= _DIGITS else None) for key in keys)
