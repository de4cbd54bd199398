r"""Plumbing: text for terminals. Nothing printed can move the cursor, change colours or reverse the reading order.

Escaped as ``\xNN``, ``\uNNNN`` or ``\UNNNNNNNN``: control characters (C0, C1), the bidirectional controls, spaces
other than U+0020, surrogates, and everything unassigned or for private use.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from charvec.errors import UsageError

__all__ = [
    "codepoint",
    "complain",
    "count",
    "escape",
    "json_text",
    "number",
    "parse_char",
    "print_json_text",
    "room",
    "shown",
    "size",
    "table",
    "visible",
    "width",
    "wrapped",
]

_BIDI = frozenset((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_BLANKS = {" ": "SPACE", "\n": "LF", "\r": "CR", "\t": "TAB"}
_UNSAFE = frozenset(("Cc", "Cs", "Cn", "Co", "Zl", "Zp"))


def escape(text: str) -> str:
    """The text with everything unsafe to print written as an escape."""
    if text.isprintable():  # which leaves out all that is unsafe, and format characters, of which some are safe
        return text
    return "".join(char if _safe(char) else _escaped(char) for char in text)


def _safe(char: str) -> bool:
    if char == " ":
        return True
    category = unicodedata.category(char)
    return category not in _UNSAFE and category != "Zs" and ord(char) not in _BIDI


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def json_text(value: Any, indent: int | None = None) -> str:
    """A JSON document with characters as they are; what :func:`escape` escapes is escaped in JSON's own way.

    Lone surrogates are escaped as well: the text can always be encoded in UTF-8, and reading it gives ``value`` again.
    """
    import json

    return re.sub(_RARE, _json_unless_safe, json.dumps(value, ensure_ascii=False, indent=indent))


def print_json_text(text: str, stream: TextIO) -> None:
    """Print JSON, at once; escaped to ASCII where the encoding of the stream lacks a character of it."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = re.sub(r"[^\0-\x7f]", _json_escaped, text)
    # line by line: of one large write an unbuffered stream (PYTHONUNBUFFERED) loses the rest when it is cut short
    stream.writelines((text + "\n").splitlines(keepends=True))
    stream.flush()


#: What may have to be escaped: all but printable ASCII and characters that are safe and frequent. Compiled where it is
#: used first, because that takes 3 ms.
_RARE = "[^\n -~\u00c0-\u00ff\u3041-\u3096\u30a0-\u30ff\u4e00-\u9fa5\uac00-\ud7a3\uff01-\uff5e]"


def _json_unless_safe(match: re.Match[str]) -> str:
    return match[0] if _safe(match[0]) else _json_escaped(match)


def _json_escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def codepoint(char: str) -> str:
    """``U+4E2D``."""
    return f"U+{ord(char):04X}"


_CODEPOINT = r"[Uu]\+([0-9A-Fa-f]{4,8})"


def parse_char(text: str) -> str:
    """The character that ``U+6C34`` stands for; any other text as it is.

    Raises:
        UsageError: ``E-NUMBER`` for a number that is no Unicode character.
    """
    match = re.fullmatch(_CODEPOINT, text)
    if not match:
        return text
    code = int(match[1], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise UsageError("E-NUMBER", f"{text} is no Unicode character", help="U+0000 to U+10FFFF, without surrogates")
    return chr(code)


def shown(char: str) -> str:
    """A character as every output names it: itself, or its escape, and its code point: ``中 U+4E2D``.

    A mark that would combine with what stands before it is put on a dotted circle.
    """
    return f"{visible(char)} {codepoint(char)}"


def shown_some(chars: Sequence[str], most: int) -> str:
    """The first of several characters as :func:`shown`, and whether there are more: ``中 U+4E2D, 文 U+6587 ...``."""
    return ", ".join(map(shown, chars[:most])) + (" ..." if len(chars) > most else "")


def visible(char: str) -> str:
    """A character as it can be seen: itself, a mark on a dotted circle, a name for the common blanks, or its escape."""
    if char in _BLANKS:
        return _BLANKS[char]
    category = unicodedata.category(char)
    if category in ("Mn", "Me", "Mc") or _is_inner_jamo(char):
        return f"\u25cc{char}"
    return _escaped(char) if category == "Cf" else escape(char)


def count(number_of: int, noun: str) -> str:
    """``1 file``, ``12,345 files``."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def width(text: str) -> int:
    """Columns a text takes on a terminal: two for wide and fullwidth characters, none for what is drawn into them."""
    columns = 0
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me", "Cf") or _is_inner_jamo(char):
            continue
        columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def _is_inner_jamo(char: str) -> bool:
    """A vowel or final consonant of Hangul, which terminals draw into the consonant before it."""
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7fb"


def complain(text: str) -> None:
    """Print to standard error; where that is closed or full there is nobody to tell, and the work goes on."""
    if sys.stderr is None:  # closed by whoever started the process; print would take it for standard output
        return
    with contextlib.suppress(OSError, ValueError):
        print(wrapped(text, room(sys.stderr)), file=sys.stderr)


def room(stream: TextIO | None) -> int | None:
    """Columns of the terminal behind a stream; None where there is no terminal, or none that says its width."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream and stream.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None


def wrapped(text: str, columns: int | None, hang: int = 4) -> str:
    """The text with lines that are too long for a terminal broken at spaces, never within a word.

    Lines that fit stay as they are.

    Args:
        text: any number of lines.
        columns: of the terminal; None to leave the text as it is.
        hang: by how many columns more than the line what goes on below it is indented.
    """
    if columns is None:
        return text
    return "\n".join(piece for line in text.split("\n") for piece in _broken(line, columns, hang))


def _broken(line: str, columns: int, hang: int) -> Iterator[str]:
    if width(line) <= columns:
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    made, empty = line[:indent], True
    for word in line[indent:].split(" "):
        if empty or width(made) + 1 + width(word) <= columns:
            made += word if empty else " " + word
        else:
            yield made.rstrip(" ")
            made = " " * (indent + hang) + word
        empty = False
    yield made


def number(value: int) -> str:
    """``12,345``."""
    return f"{value:,}"


def size(count: int) -> str:
    """Bytes for people: ``4.2 MiB``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{count:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def table(
    rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "", columns: int | None = None
) -> str:
    """Columns aligned by their width on a terminal; those numbered in ``right`` flush right.

    Args:
        rows: their cells; they need not be of one length.
        right: places of the columns that are flush right.
        indent: stands before each line.
        columns: of the terminal: what is too long in the last column goes on below, at spaces. None for no end.
    """
    if not rows:
        return ""
    last = max(map(len, rows)) - 1
    widths = [max(width(row[place]) for row in rows if place < len(row)) for place in range(last + 1)]
    start = len(indent) + sum(widths[:last]) + 2 * last
    lines = []
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            padding = " " * (widths[place] - width(cell))
            cells.append(padding + cell if place in right else cell + padding)
        line = indent + "  ".join(cells).rstrip()
        if columns and len(row) > last and last not in right and width(line) > columns >= 2 * start:
            cells[last], *more = _broken(row[last], columns - start, 0)
            lines += [indent + "  ".join(cells), *(" " * start + rest for rest in more)]
        else:
            lines.append(line)
    return "\n".join(lines)
