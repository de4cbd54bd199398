"""JSON from files nobody vouches for.

The standard parser accepts what can hide a second meaning or eat the machine: duplicate keys, NaN, integers of any length,
any depth. Headers and configuration files have no use for these, so they are refused, each with the place named.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from charvec.errors import DamagedFile

__all__ = ["parse"]

#: Largest document read at all; the cap safetensors sets on its header.
MAX_BYTES = 100_000_000
#: Enough for 2**63; a longer integer is no size, offset or id.
MAX_DIGITS = 19


def parse(data: bytes, path: str, *, code: str = "E-JSON", what: str = "JSON") -> Any:
    """Parse a JSON document strictly.

    Args:
        data: UTF-8, with or without a byte order mark.
        path: the file it came from, for messages.
        code: error code for anything but duplicate keys (``E-JSON-DUPKEY``) and a document cut short (``E-TRUNCATED``).
        what: what the document is, for messages.

    Raises:
        DamagedFile: as said under ``code``.
    """

    def refuse(problem: str, *, offset: int | None = None, code: str = code) -> NoReturn:
        raise DamagedFile(
            code,
            f"{path}: {what}: {problem}",
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
                    refuse(f"the key {key[:80]!r} stands twice in one object", code="E-JSON-DUPKEY")
                seen.add(key)
        return result

    def integer(digits: str) -> int:
        if len(digits.lstrip("-")) > MAX_DIGITS:
            refuse(f"an integer of {len(digits)} digits")
        return int(digits)

    def constant(name: str) -> NoReturn:
        refuse(f"{name} is not JSON")

    if len(data) > MAX_BYTES:
        refuse(f"{len(data):,} bytes, more than the limit of {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(f"not UTF-8 at byte {error.start}", offset=error.start)
    try:
        return json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_constant=constant)
    except RecursionError:
        refuse("nested too deeply")
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        if error.pos >= len(text.rstrip()):
            refuse(f"cut short at byte {offset}", offset=offset, code="E-TRUNCATED")
        refuse(f"{error.msg} at byte {offset}", offset=offset)
