"""A table for pandas, Polars, DuckDB, Spark and datasets: one row for each character.

Columns: ``char`` (string), ``codepoint`` (uint32, null for special rows), ``vector`` (list of float32, all of one
length), ``count`` (uint64), ``status`` (string). No character is lost. Written and read back with pyarrow, an optional
package; the bytes depend on its version. Layout: Apache Parquet's ``parquet.thrift``, which that package implements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.errors import DamagedFile, MissingPackage
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.text.columnar import OLDEST, load

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "parquet"
ALIASES: tuple[str, ...] = ("pandas", "polars", "duckdb")
READERS = "pandas, Polars, DuckDB, Spark (needs pyarrow to write)"
FILES: tuple[str, ...] = ()
LOSES: frozenset[str] = frozenset()
MIN_DIM = 1
SPECIAL = Special()


def _pyarrow() -> Any:
    package = load()
    if package is None:
        raise MissingPackage(
            "E-PACKAGE",
            f"parquet files are written with pyarrow {OLDEST} or newer, which is not installed",
            help='pip install "charvec[parquet]"',
        )
    return package


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The one file.

    Raises:
        MissingPackage: ``E-PACKAGE``.
    """
    arrow = _pyarrow()
    counts, status = about.get("counts", {}), about.get("status", {})
    values = arrow.array(np.ascontiguousarray(rows.matrix, np.float32).reshape(-1))
    table = arrow.table(
        {
            "char": arrow.array(rows.keys, arrow.string()),
            "codepoint": arrow.array([ord(key) if len(key) == 1 else None for key in rows.keys], arrow.uint32()),
            "vector": arrow.FixedSizeListArray.from_arrays(values, rows.dim),
            "count": arrow.array([counts.get(key, 0) for key in rows.keys], arrow.uint64()),
            "status": arrow.array([status.get(key) for key in rows.keys], arrow.string()),
        }
    )
    sink = arrow.BufferOutputStream()
    # every key stands once and values hardly repeat: dictionaries would only add bytes
    arrow.parquet.write_table(table, sink, use_dictionary=["status"])
    return {"": [memoryview(sink.getvalue()).cast("B")]}


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Keys and rows.

    Raises:
        DamagedFile: ``E-COUNT`` when columns do not fit together.
        MissingPackage: ``E-PACKAGE``.
    """
    arrow = _pyarrow()
    table = arrow.parquet.read_table(arrow.BufferReader(files[""]))
    keys = table.column("char").to_pylist()
    values = table.column("vector").combine_chunks().flatten().to_numpy()
    if len(values) != len(keys) * dim:
        raise DamagedFile("E-COUNT", f"{path}: columns differ in length", path=path, help="write the file again")
    return KeyedRows(keys, values.reshape(-1, dim))
