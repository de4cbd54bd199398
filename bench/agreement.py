"""Whether several outputs hold the same rows: without that, a comparison of speed means nothing.

    python bench/agreement.py REFERENCE.h5 name=SAME.h5 name=OTHER.npz ...

The reference is a charvec vector file. Another ``.h5`` has to equal it in every character and every bit. An ``.npz``
comes from a program that only takes the row of the character's own piece, so it has to be equal in bits wherever
charvec did the same (status *exact*); for the other characters charvec follows the tokenizer to another row, and they
are only counted.
"""

from __future__ import annotations

import sys

import h5py
import numpy as np

EXACT = 0


def load(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The code points, the bits of the rows, and whether each row is the one of the character's own piece."""
    if path.endswith(".h5"):
        with h5py.File(path, "r") as file:
            codepoints, vectors = file["codepoints"][:], file["vectors"][:]
            own = file["status"][:] == EXACT if "status" in file else np.ones(len(codepoints), bool)
    else:
        with np.load(path) as file:
            codepoints, vectors = file["codepoints"], file["vectors"]
        own = np.ones(len(codepoints), bool)
    if vectors.dtype != np.float32 or len(vectors) != len(codepoints):
        raise ValueError(f"{path}: {vectors.dtype} {vectors.shape} for {len(codepoints)} characters")
    return codepoints, np.ascontiguousarray(vectors).view(np.uint32), own


def compare(reference: str, other: str) -> tuple[bool, str]:
    """Whether the outputs agree, and a sentence."""
    codes, rows, own = load(reference)
    other_codes, other_rows, other_own = load(other)
    _, here, there = np.intersect1d(codes, other_codes, assume_unique=True, return_indices=True)
    exact = own[here] & other_own[there]
    same = (rows[here] == other_rows[there]).all(axis=1)
    complete = not other.endswith(".h5") or (len(here) == len(codes) == len(other_codes) and bool(same.all()))
    agrees = complete and bool(exact.any()) and bool(same[exact].all())
    return agrees, (
        f"{'agrees' if agrees else 'DIFFERS'}: {len(codes)} and {len(other_codes)} characters, {len(here)} in both; "
        f"{int((same & exact).sum())} of {int(exact.sum())} exact rows and "
        f"{int((same & ~exact).sum())} of {int((~exact).sum())} others equal in every bit"
    )


def main() -> int:
    """The command line; 1 when something differs."""
    reference, *others = sys.argv[1:]
    failed = False
    for name, _, path in (other.partition("=") for other in others):
        agrees, sentence = compare(reference, path)
        failed |= not agrees
        print(f"{name}: {sentence}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
