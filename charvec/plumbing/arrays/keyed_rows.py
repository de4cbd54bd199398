"""Plumbing: keys and their rows, which is all that most programs want of vectors, and text files of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.plain import DIGITS, parse_lines
from charvec.valueclass import dataclass

__all__ = ["Chunk", "KeyedRows", "Special", "bits", "from_lines", "lines", "portions", "text_file"]

#: What can be written to a binary file.
Chunk = bytes | memoryview

#: Bytes that are gathered before they are written.
_PORTION = 1 << 20

_HEADER = re.compile(rb"(\d{1,12}) (\d{1,7})\n")


@dataclass(frozen=True, eq=False)
class KeyedRows:
    """Keys, each once, and a row for each.

    Attributes:
        keys: characters, and names of special rows.
        matrix: float32 [len(keys), dim].
    """

    keys: Sequence[str]
    matrix: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Length of a row."""
        return int(self.matrix.shape[1])

    def same_as(self, other: KeyedRows) -> bool:
        """Whether keys, their order and every bit of the rows are the same."""
        return (
            list(self.keys) == list(other.keys)
            and self.matrix.shape == other.matrix.shape
            and bits(self.matrix).tobytes() == bits(other.matrix).tobytes()
        )

    @staticmethod
    def of(pairs: Iterable[tuple[str, Any]], dim: int) -> KeyedRows:
        """From pairs of key and values, each of ``dim`` values."""
        keys, rows = [], []
        for key, values in pairs:
            keys.append(key)
            rows.append(values)
        return KeyedRows(keys, np.array(rows, np.float64).reshape(-1, dim).astype(np.float32))


@dataclass(frozen=True)
class Special:
    """Rows that stand for no character.

    Attributes:
        pad: name of the row of padding, all zeros.
        unk: name of the row of unknown characters.
        more: names of further rows, which hold what the unknown row holds; they stand between it and the characters.
        where: ``first`` (pad 0, unk 1), ``last`` (unk n-2, pad n-1) or ``none``.
        row: what the unknown row holds: ``mean`` of all rows, ``zeros``, or ``normal``, drawn with mean and standard
            deviation of each column.
        needed: whether the consumer cannot do without.
        places: values of ``where`` that the consumer can do with; one alone where its code has the ids of these rows.
    """

    pad: str = "<PAD>"
    unk: str = "<UNK>"
    more: tuple[str, ...] = ()
    where: str = "none"
    row: str = "mean"
    needed: bool = False
    places: tuple[str, ...] = ("first", "last", "none")

    def around(self, chars: Sequence[str]) -> list[str]:
        """Keys in the order of their rows."""
        if self.where == "none":
            return list(chars)
        pair = [self.pad, self.unk, *self.more]
        return [*pair, *chars] if self.where == "first" else [*chars, *pair[::-1]]


#: What a profile writes and reads; see :class:`charvec.profiles.Member`.
Write = Callable[[KeyedRows, Mapping[str, Any]], dict[str, Iterable[Chunk]]]
Read = Callable[[Mapping[str, bytes], str, int], KeyedRows]


def bits(matrix: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The bits of float32 values, those of every NaN the same: text knows but one."""
    plain = np.ascontiguousarray(matrix, "<f4")
    return np.where(np.isnan(plain), np.uint32(0x7FC00000), plain.view("<u4"))


def lines(rows: KeyedRows, *, header: bool) -> Iterator[bytes]:
    """A line for each key: the key, then its values, U+0020 between them; before them "keys dimensions" if wanted."""
    if header:
        yield f"{len(rows.keys)} {rows.dim}\n".encode()
    pattern = " ".join([f"%.{DIGITS}g"] * rows.dim)
    for key, row in zip(rows.keys, rows.matrix, strict=True):
        yield f"{key} {pattern % tuple(row.tolist())}\n".encode()


def from_lines(data: bytes, path: str, dim: int, *, header: bool) -> KeyedRows:
    """What such a file holds.

    Args:
        data: the file.
        path: for messages.
        dim: values of a line, where there is no header.
        header: whether the first line is one.

    Raises:
        DamagedFile: ``E-TEXT-LINE``; ``E-TRUNCATED`` or ``E-TRAILING`` when the header counts other lines.
    """
    count, start = None, 0
    if header:
        match = _HEADER.match(data)
        if not match:
            raise DamagedFile("E-TEXT-LINE", f"{path}, line 1: no header", path=path, help="write the file again")
        count, dim, start = int(match[1]), int(match[2]), match.end()
    rows = KeyedRows.of(parse_lines(data[start:].split(b"\n"), dim, path, 2 if header else 1), dim)
    if count is not None and count != len(rows.keys):
        code = "E-TRUNCATED" if len(rows.keys) < count else "E-TRAILING"
        found = f"{len(rows.keys):,} lines where its header says {count:,}"
        raise DamagedFile(code, f"{path} has {found}", path=path, help="write the file again")
    return rows


def text_file(*, header: bool) -> tuple[Write, Read]:
    """``write`` and ``read`` of a profile that is one text file, as :func:`lines` and :func:`from_lines` have it."""

    def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
        return {"": lines(rows, header=header)}

    def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
        return from_lines(files[""], path, dim, header=header)

    return write, read


def portions(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same bytes in fewer pieces: small ones are joined."""
    held: list[Chunk] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PORTION:
            yield b"".join(held) if len(held) > 1 else held[0]
            held, size = [], 0
    if held:
        yield b"".join(held)
