"""A folder for the TensorFlow Embedding Projector: values and labels, separated by tabs, a line for each character.

``metadata.tsv`` has a header, because it has several columns: character, code point, occurrences. The Projector trims
its lines, so characters that JavaScript counts as white space, U+FEFF among them, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.arrays.plain import DIGITS, parse_lines
from charvec.plumbing.text.white_space import WHITE_SPACE

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "projector"
ALIASES: tuple[str, ...] = ("tensorboard",)
READERS = "TensorFlow Embedding Projector, TensorBoard"
FILES: tuple[str, ...] = ("vectors.tsv", "metadata.tsv")
#: What ``String.prototype.trim`` removes (ECMA-262, WhiteSpace and LineTerminator).
LOSES = (WHITE_SPACE - frozenset("\x1c\x1d\x1e\x1f\x85")) | {"\ufeff"}
#: A file of one column, the Projector says, has no tabs to tell columns by.
MIN_DIM = 2
SPECIAL = Special()

_HEADER = "character\tcode point\tcount\n"


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """Both files."""
    return {"vectors.tsv": _values(rows), "metadata.tsv": _labels(rows, about.get("counts", {}))}


def _values(rows: KeyedRows) -> Iterator[bytes]:
    pattern = "\t".join([f"%.{DIGITS}g"] * rows.dim)
    for row in rows.matrix:
        yield (pattern % tuple(row.tolist()) + "\n").encode()


def _labels(rows: KeyedRows, counts: Mapping[str, int]) -> Iterator[bytes]:
    yield _HEADER.encode()
    for key in rows.keys:
        point = f"U+{ord(key):04X}" if len(key) == 1 else "-"
        yield f"{key}\t{point}\t{counts.get(key, 0)}\n".encode()


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Rows and their labels.

    Raises:
        DamagedFile: ``E-TEXT-LINE``; ``E-COUNT`` when there are more of one than of the other.
    """
    labels = [line.split(b"\t")[0].decode() for line in files["metadata.tsv"].split(b"\n")[1:-1]]
    # as if every line had an empty key
    values = [b" " + line.replace(b"\t", b" ") for line in files["vectors.tsv"].split(b"\n") if line]
    if len(labels) != len(values):
        raise DamagedFile(
            "E-COUNT", f"{path}: {len(values)} rows, {len(labels)} labels", path=path, help="write the folder again"
        )
    rows = KeyedRows.of(parse_lines(values, dim, path, 1), dim)
    return KeyedRows(labels, rows.matrix)
