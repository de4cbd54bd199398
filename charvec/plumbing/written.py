"""Plumbing: files that charvec itself wrote, told from all others by how they begin.

Found among samples they are nobody's text, and found where the output goes they may be replaced. So whatever might be
another's is not taken for ours: a file that is not told costs a word on the command line, one that is told wrongly is
lost.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from charvec.plumbing.terminal import codepoint

__all__ = ["LOOK", "is_report", "is_vector_file"]

#: Bytes from a file's beginning that are enough: a whole line of any model's vectors as text.
LOOK = 1 << 18
#: Lines looked at.
_LINES = 64
#: Fractions of nine digits that a file must have in these. Most float32 have them, and of those that other programs
#: write one in sixty or so is what a float32 is written as. Tables of 1 and 0.5 may be anybody's.
_LONG = 4

#: The user block of our HDF5 files, :mod:`charvec.formats.hdf5`.
_HDF5 = b"\x89charvec\r\n"
#: Behind its length a safetensors header with our provenance first.
_SAFETENSORS = b'{"__metadata__":{"charvec":"'
#: An .npz file whose first array is uint32 [n], and is called as ours is.
_NPZ = (
    rb"PK\x03\x04.{22}\x0e\0..codepoints\.npy.{0,40}?\x93NUMPY\x01\0..\{'descr': '<u4', 'fortran_order': False, "
    rb"'shape': \(\d+,\), \} *\n"
)
#: A pickle as :mod:`charvec.formats.pickled` begins it.
_PICKLE = b"\x80\x03cnumpy.core.multiarray\n_reconstruct\nq\x000cnumpy\nndarray\nK\0\x85C\x01b\x87q\x010cnumpy\ndtype\n"
#: How a value begins as text: a sign, a digit, ``nan``, ``inf``.
_VALUE = b"-0123456789ni"

#: A line of the table that `scan` prints; how its JSON begins, and the page of `coverage`. Like the one above compiled
#: when they are wanted: all together would take 3 ms of every start.
_ROW = rb"(U\+[0-9A-F]{4,6}(?: U\+[0-9A-F]{4,6})*)\t([^\t\n]+)\t(\d+)"
_JSON = rb'\{\n  "files": \d+,\n  "bytes": \d+,\n  "characters": \d+,\n  "distinct": \d+,\n'
_PAGE = (
    rb'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    rb"content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<meta name=[^\n]*\n<title>Coverage of \d"
)


def is_vector_file(head: bytes) -> bool:
    """Whether a file that begins so is a vector file that charvec wrote, in whatever format.

    Args:
        head: its first :data:`LOOK` bytes, or all of it.
    """
    if head.startswith((_HDF5, _PICKLE)) or head.startswith(_SAFETENSORS, 8):
        return True
    if head.startswith(b"PK\x03\x04"):
        return re.match(_NPZ, head, re.DOTALL) is not None
    # word vectors: perhaps a line "characters dimensions", then a character, a space and a value
    first, end, _ = head[:17].partition(b"\n")
    numbers = first.split(b" ") if end else []
    if len(numbers) == 2 and all(number.isdigit() for number in numbers):
        start = len(first) + 1
        if head.find(b" ", start + 1, start + 5) < 0:
            return False
        count, dim = map(int, numbers)
        rows = _text_rows(head[start:], dim)
        return (rows is not None and rows <= count) or _binary_rows(head[start:], count, dim)
    space = head.find(b" ", 1, 5)
    return space > 0 and head[space + 1 : space + 2] in _VALUE and _text_rows(head, None) is not None


def _text_rows(body: bytes, dim: int | None) -> int | None:
    """Number of lines, as far as they were looked at; None when charvec would not have written them so."""
    lines = body.split(b"\n", _LINES)[:-1]
    last, long = -1, 0
    for line in lines:
        key, *values = line.split(b" ")
        dim = dim or len(values)
        place = _codepoint(key)
        if place <= last or len(values) != dim or not all(map(_is_float32, values)):
            return None
        last = place
        long += sum(map(_is_long, values))
    return len(lines) if long >= _LONG else None


def _binary_rows(body: bytes, count: int, dim: int) -> bool:
    """Whether all entries there are have one character each, in ascending order, and a line feed behind the values."""
    last, place, width = -1, 0, 4 * dim + 1
    for _ in range(min(count, _LINES)):
        space = body.find(b" ", place + 1, place + 5)
        if space < 0 or space + width >= len(body):
            return last >= 0 and space + width > len(body)  # cut off by `head`, behind a whole one
        char = _codepoint(body[place:space])
        if char <= last or body[space + width] != 0x0A:
            return False
        last, place = char, space + width + 1
    return count > 0 and dim > 0


def _codepoint(key: bytes) -> int:
    """Of one character in UTF-8; -1 for anything else."""
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return -1
    return ord(text) if len(text) == 1 else -1


def _is_float32(value: bytes) -> bool:
    """Whether it is spelt as charvec spells a float32, :func:`charvec.plumbing.arrays.plain.format_rows`."""
    try:
        (narrow,) = struct.unpack("<f", struct.pack("<f", float(value)))
    except (ValueError, OverflowError):
        return False
    return b"%.9g" % narrow == value


def _is_long(value: bytes) -> bool:
    """Whether it is a fraction of nine digits."""
    mantissa = value.partition(b"e")[0].lstrip(b"-")
    return b"." in mantissa and len(mantissa.replace(b".", b"").lstrip(b"0")) >= 9


def is_report(head: bytes) -> bool:
    """Whether a file that begins so is what ``charvec scan`` or ``coverage`` wrote: a table, JSON or a page."""
    return re.match(_JSON, head) is not None or re.match(_PAGE, head) is not None or _is_table(head)


def _is_table(head: bytes) -> bool:
    """Whether all lines looked at have code points, text for them, and a count no higher than that before."""
    lines = head.split(b"\n", _LINES)[:-1]
    counts = list(_counts(lines))
    return bool(lines) and len(counts) == len(lines) and counts == sorted(counts, reverse=True)


def _counts(lines: list[bytes]) -> Iterator[int]:
    for line in lines:
        row = re.fullmatch(_ROW, line)
        if row is None:
            return
        names, text = row[1].decode(), row[2].decode("utf-8", "replace")
        # blanks and marks are shown otherwise than they are
        if len(names.split()) == 1 and len(text) == 1 and codepoint(text) != names:
            return
        yield int(row[3])
