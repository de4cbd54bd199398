"""Have ggml itself quantise random rows in every type it knows, and say what they mean.

Needs the libraries of llama.cpp, built with ``-DBUILD_SHARED_LIBS=ON``. Run from the root of the repository::

    python tests/data/ggml/make.py FOLDER_OF/libggml-base.so
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROWS, COLUMNS = 3, 256


class TypeTraits(ctypes.Structure):
    """``struct ggml_type_traits`` of ggml.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("values", ctypes.c_int64),
        ("interleaved", ctypes.c_int64),
        ("size", ctypes.c_size_t),
        ("quantised", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float", ctypes.c_void_p),
    )


def main(folder: str) -> None:
    """Write ``blocks.npz``: of each type the blocks, under its number, and the floats, under its number and ``f``."""
    ggml = ctypes.CDLL(str(Path(folder) / "libggml-base.so"))
    ggml.ggml_get_type_traits.restype = ctypes.POINTER(TypeTraits)
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    generator = np.random.default_rng(11)
    rows = generator.standard_normal((ROWS, COLUMNS)).astype(np.float32) * np.float32([[0.05], [3], [1e-5]])
    importance = generator.random(COLUMNS).astype(np.float32) + np.float32(0.1)
    found = {}
    for kind in range(43):
        traits = ggml.ggml_get_type_traits(kind).contents
        if not traits.quantised or not traits.to_float or traits.name in (b"q8_1", b"q8_K"):
            continue
        blocks = np.zeros((ROWS, COLUMNS // traits.values * traits.size), np.uint8)
        floats = np.zeros((ROWS, COLUMNS), np.float32)
        written = ggml.ggml_quantize_chunk(
            kind, rows.ctypes.data, blocks.ctypes.data, 0, ROWS, COLUMNS, importance.ctypes.data
        )
        assert written == blocks.nbytes, traits.name
        traits.to_float(blocks.ctypes.data, floats.ctypes.data, floats.size)
        found[f"{kind}"], found[f"{kind}f"] = blocks, floats
    np.savez_compressed(HERE / "blocks.npz", **found)


if __name__ == "__main__":
    main(sys.argv[1])
