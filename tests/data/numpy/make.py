"""Writes the arrays beside it, with NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write all of them."""
    matrix = np.random.default_rng(20261127).standard_normal((9, 4)).astype(np.float32)
    words = np.array([*"我你的水火a\u3000😂", "中国"])
    np.save(HERE / "matrix.npy", matrix)
    np.save(HERE / "columns.npy", np.asfortranarray(matrix.astype(np.float64)))
    np.save(HERE / "big-endian.npy", matrix.astype(">f4"))
    np.save(HERE / "half.npy", matrix.astype(np.float16))
    np.save(HERE / "integers.npy", np.arange(36, dtype=np.int64).reshape(9, 4))
    np.savez(HERE / "stored.npz", embedding=matrix, vocab=words)
    encoded = np.char.encode(words, "utf-8")
    np.savez_compressed(HERE / "deflated.npz", vectors=matrix, other=matrix.astype(int), words=encoded)
    np.savez_compressed(HERE / "columns.npz", embeddings=np.asfortranarray(matrix), pad=matrix[:1])
    np.savez(HERE / "objects.npz", embeddings=matrix, vocab=np.array(list(words), object), allow_pickle=True)


if __name__ == "__main__":
    main()
