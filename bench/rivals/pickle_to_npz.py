"""Rewrite BERTVector's pickle as arrays, to compare them: run by the interpreter that wrote it, outside the timing.

    python pickle_to_npz.py IN.pkl OUT.npz

The arrays are the code points, ascending, and the rows in that order.
"""

from __future__ import annotations

import pickle
import sys

import numpy as np

source, target = sys.argv[1:]
with open(source, "rb") as file:
    rows: dict[str, np.ndarray] = pickle.load(file)  # safe here: it was written a moment ago by this benchmark
chars = sorted(rows)
codepoints = np.array([ord(char) for char in chars], dtype=np.uint32)
np.savez(target, codepoints=codepoints, vectors=np.stack([rows[char] for char in chars]))
