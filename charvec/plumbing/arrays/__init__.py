"""Plumbing: rows of numbers: in .npy, word-vector and vector files, gathered from where they lie."""
