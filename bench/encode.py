"""Encode a million characters in several ways, interleaved in one process, and print CPU seconds and ratios.

    OPENBLAS_NUM_THREADS=1 python bench/encode.py [--dim 128] [-n 7]

Random rows for 8,000 characters; texts drawn from them by Zipf's law. ``charvec`` is :meth:`CharVectors.encode`;
``loop`` is one NumPy sum a text, what one would write first; ``reduceat`` gathers all rows and calls
``np.add.reduceat``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

ROWS = 8000
TOTAL = 1_000_000


def made(dim: int) -> CharVectors:
    """Characters from U+4E00 on, each with a random row."""
    rows = np.random.default_rng(0).standard_normal((ROWS, dim)).astype(np.float32)
    spelling = Spelling(np.zeros(ROWS, np.uint8), np.arange(ROWS), np.arange(ROWS + 1))
    codepoints = np.arange(0x4E00, 0x4E00 + ROWS, dtype=np.uint32)
    return CharVectors(codepoints, rows, np.ones(ROWS, np.uint64), spelling)


def texts(length: int) -> list[str]:
    """A million characters in texts of one length."""
    shares = 1 / np.arange(1, ROWS + 1)
    drawn = np.random.default_rng(1).choice(ROWS, TOTAL, p=shares / shares.sum())
    joined = "".join(map(chr, 0x4E00 + drawn))
    return [joined[start : start + length] for start in range(0, TOTAL, length)]


def by_loop(vectors: CharVectors, many: list[str]) -> np.ndarray:
    """One mean a text, in float64."""
    return np.array([vectors.matrix[vectors.places(text)].mean(axis=0, dtype=np.float64) for text in many], np.float32)


def by_reduceat(vectors: CharVectors, many: list[str]) -> np.ndarray:
    """All rows at once, in float32."""
    lengths = np.array(list(map(len, many)))
    rows = vectors.matrix[vectors.places("".join(many))]
    return np.asarray(np.add.reduceat(rows, lengths.cumsum() - lengths, axis=0) / lengths[:, None], np.float32)


def main() -> None:
    """Print a line for every length of text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("-n", type=int, default=7, help="rounds")
    args = parser.parse_args()
    vectors = made(args.dim)
    ways: dict[str, Callable[[CharVectors, list[str]], object]] = {
        "charvec": lambda vectors, many: vectors.encode(many),
        "loop": by_loop,
        "reduceat": by_reduceat,
    }
    print(f"CPU seconds for {TOTAL:,} characters, {args.dim} dimensions, {ROWS:,} rows; medians of {args.n} rounds")
    for length in (10, 20, 50, 200, 2000, 100_000, TOTAL):
        many = texts(length)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(args.n + 1):
            for name, way in ways.items():
                start = time.process_time()
                way(vectors, many)
                if turn:  # the first round warms up
                    times[name].append(time.process_time() - start)
        ratios = {
            name: statistics.median(slow / fast for slow, fast in zip(times[name], times["charvec"], strict=True))
            for name in ways
        }
        shown = "   ".join(f"{name} {statistics.median(times[name]):.3f} ({ratios[name]:.1f}x)" for name in ways)
        print(f"{len(many):>7,} texts of {length:>9,}   {shown}")


if __name__ == "__main__":
    main()
