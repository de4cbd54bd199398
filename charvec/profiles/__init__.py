"""Family: what the programs that use vectors expect to find. One file per layout; told by name, written and read back.

Each member knows which characters its consumers would lose, or crash on; they are left out and listed.

To add a profile: write one module with what :class:`Member` says, put its name into :data:`MEMBERS`, and its
consumer's way of reading into ``tests/consumers.py``; the contract tests then run over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from charvec.errors import UsageError
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special

__all__ = ["FORMATS", "MEMBERS", "Member", "by_name", "members", "names"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: Name for ``--for``, and other names that mean the same.
    NAME: str
    ALIASES: tuple[str, ...]
    #: Who reads it, for the list of profiles.
    READERS: str
    #: Names of the files in a folder; empty when it is one file.
    FILES: tuple[str, ...]
    #: Characters that a reader would lose or fail on.
    LOSES: frozenset[str]
    #: Fewest dimensions with which readers tell it from other layouts.
    MIN_DIM: int
    SPECIAL: Special

    def write(self, rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
        """The content of each file, by its name; by "" when it is one file.

        Args:
            rows: keys in the order of their ids.
            about: provenance under ``source``; ``counts`` and names of ``status`` by character; under ``special`` the
                :class:`Special` that was used.
        """

    def read(self, files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
        """What these files hold, so that it can be compared with what was meant.

        Args:
            files: as :meth:`write` gave them, read back.
            path: for messages.
            dim: values of a row.

        Raises:
            InputError: when they are not of this layout.
        """


#: Every member, by module, in the order of ``charvec convert --list-profiles``.
MEMBERS = (
    "lattice",
    "glove",
    "gensim",
    "gensim_binary",
    "fasttext",
    "spacy",
    "chinese_text_classification",
    "ner_funtool",
    "paddle",
    "torchtext",
    "model2vec",
    "opennre",
    "projector",
    "parquet",
)

#: Profiles that are formats as they are: name -> the format, and who reads it.
FORMATS = {
    "bert-vector": ("pickle", "BERT-Vector: a pickle {character: array}"),
    "bert-vector-text": ("text", "BERT-Vector --fmt txt"),
    "npz": ("npz", "np.load: every column"),
    "safetensors": ("safetensors", "safetensors.numpy.load_file: every column"),
    "hdf5": ("hdf5", "h5py and charvec: every column and a digest"),
}


def members() -> Iterator[Member]:
    """The modules of :data:`MEMBERS`."""
    for name in MEMBERS:
        yield cast(Member, import_module(f"charvec.profiles.{name}"))


def names() -> list[str]:
    """Every name that ``--for`` takes, but for aliases."""
    return [member.NAME for member in members()] + list(FORMATS)


def by_name(name: str) -> Member:
    """The profile of that name; names of :data:`FORMATS` are not known here.

    Raises:
        UsageError: ``E-PROFILE``.
    """
    from difflib import get_close_matches

    word = name.lower().replace("_", "-") if isinstance(name, str) else ""
    known = []
    for member in members():
        if word in (member.NAME, *member.ALIASES):
            return member
        known += [member.NAME, *member.ALIASES]
    close = get_close_matches(word, [*known, *FORMATS], n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError("E-PROFILE", f"there is no profile {name!r}", help=f"{hint}choose one of {', '.join(names())}")
