"""What Arrow types hold text, and how far pyarrow's word is taken on damaged files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

__all__ = ["BINARY", "TEXT", "Damaged", "Refused", "attempt", "family_of", "guarded", "kind_of"]

#: Types whose values are UTF-8 text, and types whose values may be it.
TEXT = ("string", "large_string", "string_view")
BINARY = ("binary", "large_binary", "binary_view")

_Item = TypeVar("_Item")


class Damaged(Exception):
    """The buffers contradict each other."""


def why(error: BaseException) -> str:
    """What an error of pyarrow says, in one line."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__


def attempt(call: Callable[[], _Item]) -> _Item:
    """What a call of pyarrow gives, on whose damaged files anything may be raised.

    Raises:
        Damaged: for any error.
    """
    try:
        return call()
    except Exception as error:
        raise Damaged(why(error)) from error


def guarded(items: Iterator[_Item]) -> Iterator[_Item]:
    """The items of an iterator of pyarrow; errors as :func:`attempt`."""
    end = object()
    while (item := attempt(lambda: next(items, end))) is not end:
        yield item  # type: ignore[misc]


class Refused(Exception):
    """The user wants files with undecodable bytes left out, and this is one."""


def family_of(kind: Any) -> str:
    """``"list"`` for lists with offsets or of one size, ``"struct"``, ``"dictionary"``, ``"extension"``, or ""."""
    name = str(kind)
    for family, beginnings in (
        ("list", ("list<", "large_list<", "fixed_size_list<")),
        ("struct", ("struct<",)),
        ("dictionary", ("dictionary<",)),
    ):
        if name.startswith(beginnings):
            return family
    return "extension" if hasattr(kind, "storage_type") else ""


def kind_of(kind: Any) -> str:
    """Name of a type, for a dictionary that of its values."""
    while True:
        family = family_of(kind)
        if family == "extension":
            kind = kind.storage_type
        elif family == "dictionary":
            kind = kind.value_type
        else:
            return str(kind)
