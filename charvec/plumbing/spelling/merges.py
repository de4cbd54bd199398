"""Plumbing: where the merges of a byte-level BPE lie, whose vocabulary alone looks like any other dictionary."""

from __future__ import annotations

from charvec.plumbing import places

__all__ = ["merges_of"]

#: The file of merges beside a vocabulary, by the end of the vocabulary's name.
MERGES = {"vocab.json": "merges.txt", "encoder.json": "vocab.bpe"}


def merges_of(path: str) -> str | None:
    """The path of the merges that belong to a vocabulary, by its name, whether they are there or not."""
    folder, name = places.parent(path), places.base_name(path)
    for end, merges in MERGES.items():
        if name.endswith(end):
            return places.join(folder, name.removesuffix(end) + merges)
    return None
