"""safetensors: the columns of :mod:`charvec.plumbing.arrays.layout`, one tensor each, provenance in ``__metadata__``.

Reads without charvec: ``safetensors.numpy.load_file``. Layout: the safetensors README, section "Format".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import prod
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, WrongFile
from charvec.plumbing.arrays.layout import COLUMNS, from_columns, to_columns
from charvec.plumbing.safejson import parse
from charvec.vectors import CharVectors

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "safetensors"
SUFFIXES: tuple[str, ...] = (".safetensors",)
PROOF = ""
HOLDS = ""

_DTYPES = {
    "float32": "F32",
    "float16": "F16",
    "int8": "I8",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
}
#: No size or offset of a vector file reaches this; an empty matrix of such a size is still one for numpy.
_LARGEST = 1 << 40
_BACK = {theirs: ours for ours, theirs in _DTYPES.items()}


def sniff(head: bytes) -> bool:
    """A length, then a JSON object."""
    return len(head) > 9 and head[8:10] == b'{"' and int.from_bytes(head[:8], "little") <= 100_000_000


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file; the same vectors give the same bytes. Nothing is ever left out."""
    if complete is not None:
        complete()
    columns = to_columns(vectors)
    header: dict[str, Any] = {"__metadata__": {"charvec": columns.pop("meta").tobytes().decode()}}
    # widest elements first keeps every tensor aligned to its element size
    ordered = sorted(columns.items(), key=lambda item: (-item[1].itemsize, item[0]))
    position = 0
    for name, column in ordered:
        header[name] = {
            "dtype": _DTYPES[str(column.dtype)],
            "shape": list(column.shape),
            "data_offsets": [position, position + column.nbytes],
        }
        position += column.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, column in ordered:
        file.write(column.reshape(-1).view(np.uint8).data)
    return []


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the columns. The format has no digest: damage in the numbers themselves goes unnoticed.

    Raises:
        WrongFile: ``E-NOT-CHARVEC`` for a safetensors file that is no vector file.
        DamagedFile: ``E-ST-HEADER``, ``E-ST-RANGE``, and as :func:`charvec.plumbing.arrays.layout.from_columns`.
    """

    def refuse(code: str, problem: str) -> NoReturn:
        raise DamagedFile(
            code, f"{path}: damaged safetensors file: {problem}", path=path, help="copy or write the file again"
        )

    length = int.from_bytes(data[:8], "little")
    if 8 + length > len(data):
        refuse("E-ST-HEADER", f"the header claims {length:,} bytes; the file has {len(data):,}")
    header = parse(data[8 : 8 + length], path, code="E-ST-HEADER", what="safetensors header")
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("charvec"), str):
        raise WrongFile(
            "E-NOT-CHARVEC",
            f"{path} is a safetensors file, but no vector file",
            path=path,
            help="to take vectors out of a checkpoint, use `charvec dump SAMPLES -m` with it",
        )
    columns: dict[str, NDArray[Any]] = {
        "meta": np.frombuffer(metadata["charvec"].encode("utf-8", "surrogatepass"), np.uint8)
    }
    position = 0
    for name, entry in header.items():
        if name not in COLUMNS or name == "meta" or not isinstance(entry, dict):
            refuse("E-ST-HEADER", f"unexpected tensor {name[:80]!r}")
        kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        if (
            not isinstance(kind, str)
            or kind not in _BACK
            or not isinstance(shape, list)
            or not isinstance(offsets, list)
        ):
            refuse("E-ST-HEADER", f"the entry of {name!r} is malformed")
        if any(type(number) is not int or not 0 <= number < _LARGEST for number in [*shape, *offsets]):
            refuse("E-ST-RANGE", f"the entry of {name!r} holds what is no size")
        if len(shape) != COLUMNS[name][1] or len(offsets) != 2:
            refuse("E-ST-RANGE", f"the entry of {name!r} has {len(shape)} sizes and {len(offsets)} offsets")
        dtype, count = np.dtype(_BACK[kind]), prod(shape)
        begin, end = offsets
        if begin != position or end - begin != count * dtype.itemsize or 8 + length + end > len(data):
            refuse("E-ST-RANGE", f"the range of {name!r} does not fit")
        columns[name] = np.frombuffer(data, dtype, count, 8 + length + begin).reshape(shape)
        position = end
    if 8 + length + position != len(data):
        refuse("E-TRAILING", f"{len(data) - 8 - length - position} bytes follow the last tensor")
    return from_columns(columns, path)
