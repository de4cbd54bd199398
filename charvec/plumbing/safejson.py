"""JSON from files nobody vouches for.

The standard parser accepts what can hide a second meaning or eat the machine: duplicate keys, NaN, integers of any
length, any depth, halves of surrogate pairs. Headers and configuration files have no use for these, so they are
refused, each with the place named.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from charvec.errors import DamagedFile

__all__ = ["parse"]

#: Largest document read at all; the cap safetensors sets on its header.
MAX_BYTES = 100_000_000
#: Enough for 2**63; a longer integer is no size, offset or id.
MAX_DIGITS = 19

#: What is left of a value when a document ends in the middle of it.
_STUMP = re.compile(r"(?:t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?|-|\.|[eE][+-]?)?\s*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(
    data: bytes,
    path: str,
    *,
    code: str = "E-JSON",
    what: str = "JSON",
    duplicate: str = "E-JSON-DUPKEY",
    cut: str = "E-TRUNCATED",
    digits: int = MAX_DIGITS,
) -> Any:
    """Parse a JSON document strictly.

    Args:
        data: UTF-8, with or without a byte order mark.
        path: the file it came from, for messages.
        code: error code for anything but duplicate keys and a document cut short.
        what: what the document is, for messages.
        duplicate: error code for a key that stands twice in one object.
        cut: error code for a document cut short.
        digits: most digits of an integer.

    Raises:
        DamagedFile: with one of these codes.
    """

    def refuse(problem: str, *, offset: int | None = None, code: str = code) -> NoReturn:
        # a file that is called what it is says so already
        where = path if path.endswith(what) else f"{path}: {what}"
        raise DamagedFile(
            code,
            f"{where}: {problem}",
            path=path,
            offset=offset,
            help="download or export the file again; if its writer is at fault, tell its authors",
        )

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    refuse(f"the key {key[:80]!r} stands twice in one object", code=duplicate)
                seen.add(key)
        return result

    def integer(number: str) -> int:
        if len(number.lstrip("-")) > digits:
            refuse(f"an integer of {len(number)} digits")
        return int(number)

    def constant(name: str) -> NoReturn:
        refuse(f"{name} is not JSON")

    if len(data) > MAX_BYTES:
        refuse(f"{len(data):,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec counts from behind a byte order mark
        start = error.start + len(data) - len(error.object)
        if error.reason == "unexpected end of data":
            refuse(f"cut short at byte {start}", offset=start, code=cut)
        refuse(f"not UTF-8 at byte {start}", offset=start)
    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_constant=constant)
        if _SURROGATE.search(text):
            _refuse_half(value, refuse)
        return value
    except RecursionError:
        refuse("nested too deeply")
    except json.JSONDecodeError as error:
        offset = len(data) - len(text.encode()) + len(text[: error.pos].encode())
        if _is_cut(text, error):
            refuse(f"cut short at byte {offset}", offset=offset, code=cut)
        refuse(f"{error.msg} at byte {offset}", offset=offset)


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the document is one that ends too early, and not one with a mistake in it."""
    if error.msg.startswith("Invalid \\"):
        return len(text.rstrip()) - error.pos < len("\\u1234")
    return error.msg.startswith("Unterminated string") or (
        error.msg != "Extra data" and _STUMP.fullmatch(text, error.pos) is not None
    )


def _refuse_half(value: Any, refuse: Any) -> None:
    """Refuse half of a surrogate pair: no text, and neither a file system nor a terminal could take it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        refuse(f"the escape \\u{ord(error.object[error.start]):04x} is half of a character")
