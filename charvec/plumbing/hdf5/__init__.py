"""Plumbing: HDF5 files: foreign ones read by position, our own laid out."""
