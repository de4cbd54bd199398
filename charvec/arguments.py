"""What callers hand in: numbers, texts and paths, of whatever library they are, told from what they cannot be."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Collection, Iterable
from typing import Any

from charvec.errors import UsageError

__all__ = ["among", "an", "flag", "integer", "listed", "path_of", "real"]


def an(value: object) -> str:
    """What something is, by its type: ``a list``, ``an int``."""
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"


def integer(value: object) -> int | None:
    """A whole number, also one of NumPy or another library; None for anything else, True and False among it."""
    if isinstance(value, bool) or _is_numpy_truth(value):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def real(value: object) -> float | None:
    """A real number, also one of NumPy or another library; None for anything else, texts, True and False among it."""
    if isinstance(value, (bool, str, bytes, bytearray)) or bool(getattr(value, "shape", None)):
        return None
    if _is_numpy_truth(value):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        return None


def _is_numpy_truth(value: object) -> bool:
    """Whether it is a truth value of NumPy, which NumPy 1 takes for an index."""
    return getattr(getattr(value, "dtype", None), "kind", None) == "b"


def among(value: object, words: Collection[str | None]) -> bool:
    """Whether a word is one of some. Anything else is none; ``in`` would compare an array element by element."""
    return isinstance(value, str) and value in words


def flag(value: object, name: str) -> bool:
    """True or False, also one of NumPy or another library; None, 0 and 1 as Python takes them.

    Args:
        value: what was given.
        name: of the argument, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else, texts and arrays among it: "no" would be true.
    """
    if value is None:
        return False
    # an array compares element by element, and what pandas has for a missing value compares as neither
    with contextlib.suppress(TypeError):
        if not getattr(value, "shape", None) and (value == 0 or value == 1):
            return bool(value)
    raise UsageError("E-ARGUMENT", f"{name}={value!r:.100} is neither true nor false", help="give True or False")


def listed(several: Iterable[Any], what: str) -> list[Any]:
    """What can be iterated, as a list.

    Args:
        several: a list, a generator, an array, a column of a data frame ...
        what: what it should be, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for what cannot be iterated.
    """
    try:
        each = iter(several)
    except TypeError:
        raise UsageError("E-ARGUMENT", f"{an(several)} is no list of {what}", help=f"give a list of {what}") from None
    return list(each)


def path_of(path: object, call: str) -> str:
    """A path as text.

    Args:
        path: a str, or what has ``__fspath__``.
        call: the function and its arguments, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else, bytes among it; ``E-PATH`` for what no system takes as a path.
    """
    try:
        name = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        name = None
    if not isinstance(name, str):
        raise UsageError("E-ARGUMENT", f"{call}: {an(path)} is no path", help="give a str or a pathlib.Path")
    try:
        if b"\0" not in os.fsencode(name):
            return name
    except UnicodeEncodeError:
        pass
    raise UsageError("E-PATH", f"no file can be named {name!r}", help="check the name")
