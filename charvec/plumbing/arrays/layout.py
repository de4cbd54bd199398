"""Plumbing: character vectors as named columns, the content every lossless vector-file format stores, and its checks.

=====================  =============================  ==========================================================
column                 type and shape                 meaning
=====================  =============================  ==========================================================
codepoints             uint32 [n]                     ascending, each once, U+0000 to U+10FFFF, no surrogates
vectors                float32|float16|int8 [n, dim]  one row a character; with codebooks uint8 [n, M], one code a part
scales                 float32 [n]                    only with int8: value = scale * integer
codebooks              float16 [M, K, dim / M]        only with uint8: part m of a row = codebooks[m, code m]
mean                   float32 [dim]                  only where asked for: the mean of the rows
pca/basis              float32 [before, dim]          only after PCA: the axes the rows are places on
pca/mean               float32 [before]               only after PCA: where the axes start
counts                 uint64 [n]                     occurrences in the samples
status                 uint8 [n]                      how the character was found, :class:`charvec.status.Status`
row_ids                uint32 [m]                     rows of the checkpoint's matrix whose mean the vector is
row_offsets            uint32 [n + 1]                 ids of character i: row_ids[row_offsets[i]:row_offsets[i + 1]]
sources                uint16 [n]                     only in merged files: bit i for a row out of meta's sources[i]
missing/codepoints     uint32 [k]                     characters of the samples that were not written, ascending
missing/counts         uint64 [k]
missing/status         uint8 [k]
missing/row_ids        uint32 [l]                     row ids involved, where there are any
missing/row_offsets    uint32 [k + 1]
meta                   uint8 [...]                    UTF-8 JSON: format_version and provenance
=====================  =============================  ==========================================================

Files with ``codebooks``, ``mean`` or ``pca`` are of format version 2; all others are of version 1, byte for byte as
they were before there was a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.dtypes import STORED
from charvec.errors import CharvecError, DamagedFile, UnsafeFile, UsageError, WrongFile
from charvec.fidelity import problem as fidelity_problem
from charvec.plumbing.safejson import parse
from charvec.principal import Principal
from charvec.reduction import problem as reduction_problem
from charvec.status import Status, parse_keep
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

__all__ = ["COLUMNS", "FORMAT_VERSION", "from_columns", "meta_column", "to_columns"]

#: The newest that is read, and that of files with a column of :data:`SECOND`.
FORMAT_VERSION = 2

#: More dimensions than any model has; it bounds what an empty matrix can make of a later request.
MAX_DIM = 1 << 20

#: One bit each.
MAX_SOURCES = 16

#: Rows made of codes, or restored from few axes, that are so many times as large as the whole file are no vectors of
#: any model: one code for 4,096 values swells 900 times. Small ones harm nobody.
MAX_RATIO = 1024
SWELLS_FROM = 1 << 30

#: Every column with its element types and number of axes, in the order they are written.
COLUMNS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "codepoints": (("uint32",), 1),
    "vectors": (STORED, 2),
    "scales": (("float32",), 1),
    "codebooks": (("float16",), 3),
    "mean": (("float32",), 1),
    "pca/basis": (("float32",), 2),
    "pca/mean": (("float32",), 1),
    "counts": (("uint64",), 1),
    "status": (("uint8",), 1),
    "row_ids": (("uint32",), 1),
    "row_offsets": (("uint32",), 1),
    "sources": (("uint16",), 1),
    "missing/codepoints": (("uint32",), 1),
    "missing/counts": (("uint64",), 1),
    "missing/status": (("uint8",), 1),
    "missing/row_ids": (("uint32",), 1),
    "missing/row_offsets": (("uint32",), 1),
    "meta": (("uint8",), 1),
}

#: Columns that only some files have.
SECOND = ("codebooks", "mean", "pca/basis", "pca/mean")
OPTIONAL = ("scales", "sources", *SECOND)


def meta_column(vectors: CharVectors) -> NDArray[np.uint8]:
    """The last column of :func:`to_columns`; errors as there."""
    further = _further(vectors)
    meta = {**vectors.source, "format_version": FORMAT_VERSION if further else 1}
    try:
        problem = _meta_problem(meta) or _said_and_there(meta, further)
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        problem = str(error)
    if problem:
        raise UsageError("E-META", f"source: {problem}", help="see docs/vector-file.md, Provenance")
    # names of files that are not UTF-8 hold lone surrogates, which JSON cannot carry: each is written out as "\udcff"
    if not text.isascii():
        text = re.sub("[\ud800-\udfff]", lambda match: f"\\\\u{ord(match[0]):04x}", text)
    return np.frombuffer(text.encode(), np.uint8)


def _further(vectors: CharVectors) -> dict[str, NDArray[Any]]:
    """The columns of format version 2."""
    return {
        **({"codebooks": vectors.codebooks} if vectors.codebooks is not None else {}),
        **({"mean": vectors.mean} if vectors.mean is not None else {}),
        **({"pca/basis": vectors.pca.basis, "pca/mean": vectors.pca.mean} if vectors.pca is not None else {}),
    }


def to_columns(vectors: CharVectors) -> dict[str, NDArray[Any]]:
    """The columns of character vectors, little-endian and contiguous, in the order of :data:`COLUMNS`.

    Raises:
        UsageError: ``E-META`` for provenance that could not be read back.
        WrongFile: ``E-OVERFLOW`` for row ids beyond 32 bits; ``E-BOMB`` for rows that :func:`from_columns` refuses.
    """
    further = _further(vectors)
    columns: dict[str, NDArray[Any]] = {
        "codepoints": vectors.codepoints,
        "vectors": vectors.stored,
        **({"scales": vectors.scales} if vectors.scales is not None else {}),
        **further,
        "counts": vectors.counts,
        "status": vectors.spelling.status,
        "row_ids": _narrow(vectors.spelling.row_ids),
        "row_offsets": _narrow(vectors.spelling.row_offsets),
        **({"sources": vectors.sources} if vectors.sources is not None else {}),
        "missing/codepoints": vectors.missing_codepoints,
        "missing/counts": vectors.missing_counts,
        "missing/status": vectors.missing_spelling.status,
        "missing/row_ids": _narrow(vectors.missing_spelling.row_ids),
        "missing/row_offsets": _narrow(vectors.missing_spelling.row_offsets),
        "meta": meta_column(vectors),
    }
    if problem := _swells(len(vectors), vectors.dim if vectors.pca is None else vectors.pca.dim, columns):
        raise WrongFile(
            "E-BOMB",
            f"the file would be refused when it is read: {problem}",
            help="use pq:M with a larger M, or more axes",
        )
    return {name: np.ascontiguousarray(column, column.dtype.newbyteorder("<")) for name, column in columns.items()}


def _narrow(numbers: NDArray[np.int64]) -> NDArray[np.uint32]:
    if len(numbers) and (numbers.min() < 0 or numbers.max() > 0xFFFFFFFF):
        raise WrongFile("E-OVERFLOW", "row ids beyond 32 bits cannot be stored", help="no model has so many rows")
    return numbers.astype("<u4")


def from_columns(columns: Mapping[str, NDArray[Any]], path: str) -> CharVectors:
    """Character vectors from columns read from a file, which are believed in nothing.

    Raises:
        WrongFile: ``E-NEWER`` when a newer charvec wrote them.
        DamagedFile: ``E-NOT-CHARVEC``, ``E-H5-TYPE``, ``E-COUNT``, ``E-ORDER``, ``E-DUPLICATE``, ``E-CODEPOINT``,
            ``E-STATUS``, ``E-META``, ``E-BASIS``.
        UnsafeFile: ``E-BOMB`` when a few codes or axes stand for rows of many GiB.
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
    if version < 1:
        refuse("E-META", f"meta states format version {version}")
    if version > FORMAT_VERSION:
        raise WrongFile(
            "E-NEWER",
            f"{path} has format version {version}, this charvec reads up to {FORMAT_VERSION}",
            path=path,
            help="upgrade charvec",
        )
    if problem := _meta_problem(meta):
        refuse("E-META", problem)
    if version < 2 and (later := [name for name in SECOND if name in columns]):
        refuse("E-META", f"format version 1 has no column {later[0]}")
    for name, (dtypes, axes) in COLUMNS.items():
        if name not in columns:
            if name in OPTIONAL:
                continue
            refuse("E-COUNT", f"the column {name} is missing")
        column = columns[name]
        if column.ndim != axes or str(column.dtype) not in dtypes:
            refuse("E-H5-TYPE", f"the column {name} is {column.dtype} with {column.ndim} axes")
    stored = columns["vectors"]
    if ("scales" in columns) != (stored.dtype == np.int8):
        refuse("E-COUNT", "scales belong to int8 vectors and to no other")
    n, k = len(columns["codepoints"]), len(columns["missing/codepoints"])
    for name in ("vectors", "scales", "counts", "status", "sources"):
        if name in columns and len(columns[name]) != n:
            refuse("E-COUNT", f"{n} code points but {len(columns[name])} {name}")
    for name in ("missing/counts", "missing/status"):
        if len(columns[name]) != k:
            refuse("E-COUNT", f"{k} missing code points but {len(columns[name])} {name}")
    for name in ("codepoints", "missing/codepoints"):
        if wrong := _codepoint_problem(columns[name]):
            refuse(wrong[0], f"{name}: {wrong[1]}")
    if n and k and len(np.intersect1d(columns["codepoints"], columns["missing/codepoints"], assume_unique=True)):
        refuse("E-DUPLICATE", "a code point is both written and missing")
    for name in ("status", "missing/status"):
        if len(columns[name]) and columns[name].max() > max(Status):
            refuse("E-STATUS", f"{name} holds {columns[name].max()}, which is no status")
    if ("sources" in columns) != ("sources" in meta):
        refuse("E-COUNT", "the column sources and the list of sources belong together")
    if n and "sources" in columns and not _few(columns["sources"], len(meta["sources"])):
        refuse("E-COUNT", f"a vector comes from none of the {len(meta['sources'])} sources")
    dim = stored.shape[1]
    if ("codebooks" in columns) != (stored.dtype == np.uint8):
        refuse("E-COUNT", "codebooks belong to uint8 vectors and to no other")
    if "codebooks" in columns:
        books = columns["codebooks"]
        if len(books) != dim or books.shape[1] > 256 or (stored.size and stored.max() >= books.shape[1]):
            refuse("E-BASIS", f"codebooks of shape {books.shape} do not fit codes of shape {stored.shape}")
        dim *= books.shape[2]
    if not (0 < dim <= MAX_DIM) and (n or dim):
        refuse("E-COUNT", f"the vectors have {dim} dimensions")
    if problem := _said_and_there(meta, columns):
        refuse("E-BASIS", problem)
    basis, before = columns.get("pca/basis"), columns.get("pca/mean")
    if basis is not None and before is not None and basis.shape != (len(before), dim):
        refuse("E-BASIS", f"axes of shape {basis.shape} and a mean of {len(before)}, for {dim} dimensions")
    if before is not None and len(before) > MAX_DIM:
        refuse("E-BASIS", f"the vectors had {len(before)} dimensions")
    cut = meta.get("options", {}).get("dims")
    if cut and "sources" not in meta and cut["from"] < (dim if before is None else len(before)):
        refuse("E-BASIS", f"{dim} dimensions are not the first of {cut['from']}")
    if "mean" in columns and len(columns["mean"]) != dim:
        refuse("E-BASIS", f"a mean of {len(columns['mean'])} values, for {dim} dimensions")
    if problem := _swells(n, dim if before is None else max(dim, len(before)), columns):
        raise UnsafeFile(
            "E-BOMB", f"{path}: {problem}", path=path, help="do not use this file unless you know who made it"
        )
    for name in SECOND:
        if name in columns and not np.isfinite(columns[name]).all():
            refuse("E-BASIS", f"{name} holds NaN or infinity")
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
        columns.get("sources"),
        columns.get("codebooks"),
        None if basis is None or before is None else Principal(basis, before),
        columns.get("mean"),
    )


#: What commands rely on, where the section is there at all: section -> key -> type.
_META: Mapping[str, Mapping[str, type]] = {
    "source": {
        "format": str,
        "files": dict,
        "tensor": str,
        "shape": list,
        "dtype": str,
        "chosen_because": str,
        "header_blake2b": str,
        "rows_blake2b": str,
    },
    "vocabulary": {"kind": str, "file": str, "size": int, "settings": dict},
    "samples": {"files": int, "bytes": int, "characters": int},
    "converted": {"from": str},
    "options": {},
}
#: What they rely on where the key is there as well.
_OPTIONAL_META: Mapping[str, Mapping[str, type]] = {
    "samples": {"bad_bytes": int, "skipped": int, "settings": dict},
    "options": {"keep": list},
}


def _said_and_there(meta: Mapping[str, Any], columns: Mapping[str, Any]) -> str | None:
    """What of axes and means is there and not described, or the other way round."""
    options = meta.get("options", {})
    for name, option in (("pca/basis", "pca"), ("pca/mean", "pca"), ("mean", "center")):
        if (name in columns) != (option in options):
            return f"the column {name} and the option {option} belong together"
    return None


def _few(sources: NDArray[np.uint16], count: int) -> bool:
    """Whether every set of bits is one of the first ``count`` bits, and not empty."""
    return bool(sources.min() > 0 and sources.max() < 1 << count)


def _meta_problem(meta: Mapping[str, Any]) -> str | None:
    if "sources" in meta:
        parts = meta["sources"]
        if not isinstance(parts, list) or not 1 <= len(parts) <= MAX_SOURCES:
            return f"sources is no list of 1 to {MAX_SOURCES}"
        if not isinstance(meta.get("merged"), dict) or meta["merged"].get("how") not in ("first", "concat"):
            return "merged does not say how"
        for part in parts:
            if not isinstance(part, dict) or "sources" in part or type(part.get("dim")) is not int:
                return "a source is no object with dimensions"
            if problem := _meta_problem(part):
                return f"a source: {problem}"
    for section, keys in _META.items():
        if section not in meta:
            continue
        if not isinstance(meta[section], dict):
            return f"{section} is no object"
        for key, kind in keys.items():
            if type(meta[section].get(key)) is not kind:
                return f"{section} has no {key}, or not of the right type"
        for key, kind in _OPTIONAL_META.get(section, {}).items():
            if key in meta[section] and type(meta[section][key]) is not kind:
                return f"{section} holds a {key} that is not of the right type"
    if wrong := _left_out_problem(meta.get("samples", {}).get("left_out", {})):
        return wrong
    if "source" in meta and "keep" not in meta.get("options", {}):
        return "the options do not say which statuses were kept"
    if any(type(size) is not int for size in meta.get("source", {}).get("files", {}).values()):
        return "the size of a file is no integer"
    if "fidelity" in meta and (wrong := fidelity_problem(meta["fidelity"])):
        return wrong
    if wrong := reduction_problem(meta.get("options", {})):
        return wrong
    keep = meta.get("options", {}).get("keep", [])
    try:
        parse_keep(keep)
    except (CharvecError, TypeError) as error:
        return f"options: {str(error)[:100]}"
    return None


def _left_out_problem(account: object) -> str | None:
    """What is wrong with the account of a selection, filter -> numbers, which later selections add to."""
    if not isinstance(account, dict):
        return "samples: left_out is no object"
    for name, share in account.items():
        further = [share["graphemes"]] if isinstance(share, dict) and "graphemes" in share else []
        for each in (share, *further):
            numbers = [each.get(key) for key in ("distinct", "occurrences")] if isinstance(each, dict) else [None]
            if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
                return f"samples: what {name[:40]} left out is no number of characters and of occurrences"
    return None


def _swells(n: int, length: int, columns: Mapping[str, NDArray[Any]]) -> str | None:
    """Why rows are far longer than what is stored of them could mean; None when they are not."""
    present, wanted = sum(column.nbytes for column in columns.values()), n * length * 4
    if wanted > SWELLS_FROM and wanted > MAX_RATIO * present:
        return f"{n:,} rows of {length:,} values would swell from {present:,} to {wanted:,} bytes"
    return None


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
