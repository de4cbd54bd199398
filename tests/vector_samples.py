"""Small character vectors and helpers that several tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.formats import hdf5
from charvec.principal import Principal
from charvec.status import Status
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("hdf5", "npz", "safetensors", "text", "word2vec", "word2vec-binary", "pickle")
LOSSLESS = ("hdf5", "npz", "safetensors")
SUFFIX = {
    "hdf5": ".h5",
    "npz": ".npz",
    "safetensors": ".safetensors",
    "text": ".txt",
    "word2vec": ".vec",
    "word2vec-binary": ".bin",
    "pickle": ".pkl",
}
DTYPES = ("float32", "float16", "int8")

SOURCE: dict[str, Any] = {
    "charvec": "1.0",
    "source": {
        "format": "safetensors",
        "files": {"m\u00f6del.safetensors": 1234},
        "tensor": "bert.embeddings.word_embeddings.weight",
        "shape": [64, 4],
        "dtype": "float32",
        "quantised": False,
        "chosen_because": "its name",
        "header_blake2b": "00" * 32,
        "rows_blake2b": "11" * 32,
    },
    "vocabulary": {
        "kind": "wordpiece",
        "file": "vocab.txt",
        "size": 64,
        "blake2b": "22" * 32,
        "settings": {"lowercase": True},
        "normalised_by": "",
    },
    "options": {"keep": ["exact", "boundary", "normalized", "composed"], "dtype": "float32"},
    "samples": {"files": 1, "bytes": 99, "characters": 33, "bad_bytes": 0, "skipped": 0},
}


def build(chars: str | Sequence[int], matrix: NDArray[np.float32], source: dict[str, Any] | None = None) -> CharVectors:
    """Vectors of characters in ascending order, each exact, found once, and in the row of its position."""
    codepoints = np.array([ord(char) if isinstance(char, str) else char for char in chars], np.uint32)
    n = len(codepoints)
    spelling = Spelling(np.zeros(n, np.uint8), np.arange(n), np.arange(n + 1))
    return CharVectors(codepoints, matrix, np.ones(n, np.uint64), spelling, source=source or {})


def small(dtype: str = "float32") -> CharVectors:
    """Six characters x 4, one of them composed of two rows, and two missing characters."""
    matrix = np.array(
        [
            [0.1, -0.2, 0.3, -0.4],
            [1e-3, 2.5, -1 / 3, 0.0],
            [3.1415927, -2.7182817, 1.4142135, -0.5772157],
            [0.0, 0.0, 0.0, 0.0],
            [-1.0, 1.0, -0.0, 65504.0],
            [6.1e-5, -7e-3, 123.456, 0.333251953125],
        ],
        np.float32,
    )
    vectors = CharVectors(
        np.array([0x20, 0x41, 0x3000, 0x4E2D, 0x6C34, 0x1F600], np.uint32),
        matrix,
        np.array([7, 5, 2, 2**53 + 1, 3, 1], np.uint64),
        Spelling(
            np.array([0, 2, 1, 0, 3, 0], np.uint8), np.array([5, 6, 7, 8, 9, 10, 11]), np.array([0, 1, 2, 3, 4, 6, 7])
        ),
        None,
        np.array([0x0A, 0x201C], np.uint32),
        np.array([4, 9], np.uint64),
        Spelling(np.array([Status.REMOVED, Status.NO_ROW], np.uint8), np.array([99]), np.array([0, 0, 1])),
        SOURCE,
    )
    return replace(vectors.astype(dtype), source=SOURCE if dtype == "float32" else _narrow(dtype))


def reduced() -> CharVectors:
    """The same characters with everything that files of version 2 hold: codes, codebooks, axes and a mean."""
    codes = np.array([[0, 2], [1, 1], [2, 0], [0, 0], [2, 2], [1, 0]], np.uint8)
    books = np.array([[[0.5], [-1.25], [3.0]], [[0.0], [1 / 3], [-2.0]]], np.float16)
    basis = np.array([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32)
    options = {
        **SOURCE["options"],
        "dtype": "pq",
        "pca": {"by": "types", "explained": 0.875},
        "center": {"by": "occurrences"},
        "sif": {"a": 0.001, "occurrences": 9007199254741023},
    }
    return replace(
        small(),
        stored=codes,
        codebooks=books,
        pca=Principal(basis, np.array([0.25, -0.5, 0.0, 7.0], np.float32)),
        mean=np.array([0.125, -1 / 7], np.float32),
        source={**SOURCE, "options": options},
    )


def _narrow(dtype: str) -> dict[str, Any]:
    """Provenance without measures of what was lost, as files of older versions have it."""
    return {**SOURCE, "options": {**SOURCE["options"], "dtype": dtype}}


def assert_same(one: CharVectors, two: CharVectors) -> None:
    """Every column bit for bit, and the provenance."""
    for name in ("codepoints", "stored", "counts", "scales", "missing_codepoints", "missing_counts"):
        left, right = getattr(one, name), getattr(two, name)
        assert (left is None) == (right is None), name
        if left is not None:
            assert left.dtype == right.dtype and left.shape == right.shape, name
            assert left.tobytes() == right.tobytes(), name
    for name in ("codebooks", "mean"):
        left, right = getattr(one, name), getattr(two, name)
        assert (left is None) == (right is None) and (left is None or left.tobytes() == right.tobytes()), name
    assert (one.pca is None) == (two.pca is None) and (one.pca is None or one.pca.same_as(two.pca))
    for left, right in ((one.spelling, two.spelling), (one.missing_spelling, two.missing_spelling)):
        for name in ("status", "row_ids", "row_offsets"):
            assert getattr(left, name).tolist() == getattr(right, name).tolist(), name
    assert one.source == two.source


def signed(body: bytes) -> bytes:
    """HDF5 bytes behind a header whose digest is right, as anyone can compute it."""
    return hdf5._header(hdf5.HEADER + len(body), blake2b(body, digest_size=32).digest()) + body


def charvec(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "charvec", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=options.pop("cwd", ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})},
        timeout=120,
        **options,
    )
