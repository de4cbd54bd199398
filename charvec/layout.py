"""Plumbing: character vectors as named columns, the content every lossless vector-file format stores, and its checks.

=====================  =============================  ==========================================================
column                 type and shape                 meaning
=====================  =============================  ==========================================================
codepoints             uint32 [n]                     ascending, each once, U+0000 to U+10FFFF, no surrogates
vectors                float32|float16|int8 [n, dim]  one row a character
scales                 float32 [n]                    only with int8: value = scale * integer
counts                 uint64 [n]                     occurrences in the samples
status                 uint8 [n]                      how the character was found, :class:`charvec.status.Status`
row_ids                uint32 [m]                     rows of the checkpoint's matrix whose mean the vector is
row_offsets            uint32 [n + 1]                 the ids of character i are row_ids[row_offsets[i]:row_offsets[i + 1]]
missing/codepoints     uint32 [k]                     characters of the samples that were not written, ascending
missing/counts         uint64 [k]
missing/status         uint8 [k]
missing/row_ids        uint32 [l]                     row ids involved, where there are any
missing/row_offsets    uint32 [k + 1]
meta                   uint8 [...]                    UTF-8 JSON: format_version and provenance
=====================  =============================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, WrongFile
from charvec.safejson import parse
from charvec.status import Status
from charvec.vectors import DTYPES, CharVectors
from charvec.vocabulary import Spelling

__all__ = ["COLUMNS", "FORMAT_VERSION", "from_columns", "to_columns"]

FORMAT_VERSION = 1

#: Every column with its element types and number of axes, in the order they are written.
COLUMNS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "codepoints": (("uint32",), 1),
    "vectors": (DTYPES, 2),
    "scales": (("float32",), 1),
    "counts": (("uint64",), 1),
    "status": (("uint8",), 1),
    "row_ids": (("uint32",), 1),
    "row_offsets": (("uint32",), 1),
    "missing/codepoints": (("uint32",), 1),
    "missing/counts": (("uint64",), 1),
    "missing/status": (("uint8",), 1),
    "missing/row_ids": (("uint32",), 1),
    "missing/row_offsets": (("uint32",), 1),
    "meta": (("uint8",), 1),
}


def to_columns(vectors: CharVectors) -> dict[str, NDArray[Any]]:
    """The columns of character vectors, little-endian and contiguous, in the order of :data:`COLUMNS`."""
    meta = {**vectors.source, "format_version": FORMAT_VERSION}
    text = json.dumps(meta, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    columns: dict[str, NDArray[Any]] = {
        "codepoints": vectors.codepoints,
        "vectors": vectors.stored,
        **({"scales": vectors.scales} if vectors.scales is not None else {}),
        "counts": vectors.counts,
        "status": vectors.spelling.status,
        "row_ids": vectors.spelling.row_ids.astype("<u4"),
        "row_offsets": vectors.spelling.row_offsets.astype("<u4"),
        "missing/codepoints": vectors.missing_codepoints,
        "missing/counts": vectors.missing_counts,
        "missing/status": vectors.missing_spelling.status,
        "missing/row_ids": vectors.missing_spelling.row_ids.astype("<u4"),
        "missing/row_offsets": vectors.missing_spelling.row_offsets.astype("<u4"),
        "meta": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8),
    }
    return {name: np.ascontiguousarray(column, column.dtype.newbyteorder("<")) for name, column in columns.items()}


def from_columns(columns: Mapping[str, NDArray[Any]], path: str) -> CharVectors:
    """Character vectors from columns read from a file, which are believed in nothing.

    Raises:
        WrongFile: ``E-NEWER`` when a newer charvec wrote them.
        DamagedFile: ``E-NOT-CHARVEC``, ``E-H5-TYPE``, ``E-COUNT``, ``E-ORDER``, ``E-DUPLICATE``, ``E-CODEPOINT``, ``E-STATUS``,
            ``E-META``.
    """

    def refuse(code: str, problem: str) -> NoReturn:
        raise DamagedFile(
            code,
            f"{path}: damaged vector file: {problem}",
            path=path,
            help="write it again with `charvec dump`, or copy it again from where it came",
        )

    if "meta" not in columns:
        refuse("E-NOT-CHARVEC", "the column meta is missing")
    meta = parse(np.ascontiguousarray(columns["meta"]).tobytes(), path, code="E-META", what="meta")
    if not isinstance(meta, dict) or type(meta.get("format_version")) is not int:
        refuse("E-META", "meta states no format version")
    version = meta.pop("format_version")
    if version > FORMAT_VERSION:
        raise WrongFile(
            "E-NEWER",
            f"{path} has format version {version}, this charvec reads up to {FORMAT_VERSION}",
            path=path,
            help="upgrade charvec",
        )
    for name, (dtypes, axes) in COLUMNS.items():
        if name not in columns:
            if name == "scales":
                continue
            refuse("E-COUNT", f"the column {name} is missing")
        column = columns[name]
        if column.ndim != axes or str(column.dtype) not in dtypes:
            refuse("E-H5-TYPE", f"the column {name} is {column.dtype} with {column.ndim} axes")
    stored = columns["vectors"]
    if ("scales" in columns) != (stored.dtype == np.int8):
        refuse("E-COUNT", "scales belong to int8 vectors and to no other")
    n, k = len(columns["codepoints"]), len(columns["missing/codepoints"])
    for name in ("vectors", "scales", "counts", "status"):
        if name in columns and len(columns[name]) != n:
            refuse("E-COUNT", f"{n} code points but {len(columns[name])} {name}")
    for name in ("missing/counts", "missing/status"):
        if len(columns[name]) != k:
            refuse("E-COUNT", f"{k} missing code points but {len(columns[name])} {name}")
    for name in ("codepoints", "missing/codepoints"):
        problem = _codepoint_problem(columns[name])
        if problem:
            refuse(problem[0], f"{name}: {problem[1]}")
    for name in ("status", "missing/status"):
        if len(columns[name]) and columns[name].max() > max(Status):
            refuse("E-STATUS", f"{name} holds {columns[name].max()}, which is no status")
    if stored.shape[1] == 0 and n:
        refuse("E-COUNT", "the vectors have no dimension")
    return CharVectors(
        columns["codepoints"],
        stored,
        columns["counts"],
        _spelling(columns, "", n, refuse),
        columns.get("scales"),
        columns["missing/codepoints"],
        columns["missing/counts"],
        _spelling(columns, "missing/", k, refuse),
        meta,
    )


def _codepoint_problem(codepoints: NDArray[np.uint32]) -> tuple[str, str] | None:
    if not len(codepoints):
        return None
    if codepoints.max() > 0x10FFFF or ((codepoints >= 0xD800) & (codepoints < 0xE000)).any():
        return "E-CODEPOINT", "holds numbers that are no Unicode characters"
    if (codepoints[1:] > codepoints[:-1]).all():
        return None
    if len(np.unique(codepoints)) < len(codepoints):
        return "E-DUPLICATE", "holds a code point twice"
    return "E-ORDER", "is not in ascending order"


def _spelling(columns: Mapping[str, NDArray[Any]], prefix: str, size: int, refuse: Any) -> Spelling:
    row_ids = columns[prefix + "row_ids"].astype(np.int64)
    offsets = columns[prefix + "row_offsets"].astype(np.int64)
    if (
        len(offsets) != size + 1
        or offsets[0] != 0
        or offsets[-1] != len(row_ids)
        or (size and (offsets[1:] < offsets[:-1]).any())
    ):
        refuse("E-COUNT", f"{prefix}row_offsets do not divide {prefix}row_ids among {size} characters")
    return Spelling(columns[prefix + "status"], row_ids, offsets)
