"""Family: vector-file formats. One file per format; reading goes by content, writing by suffix.

To add a format: write one module with what :class:`Member` says, put its name into :data:`MEMBERS`, and add a golden
file to ``tests/data/vectors``; the contract tests then run over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from charvec.errors import UsageError

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

__all__ = ["MEMBERS", "Member", "by_name", "by_suffix", "members", "sniff", "written_as"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: Name for ``format=`` and ``--format``.
    NAME: str
    #: Suffixes that stand for it, with the dot, lower case.
    SUFFIXES: tuple[str, ...]
    #: What in the file proves that its numbers are as they were written; empty when nothing does.
    PROOF: str
    #: What its values are whatever type the vectors have; empty when it keeps their type.
    HOLDS: str

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins so (4,096 bytes) is of this format. Never raises."""

    def read(self, path: str, data: bytes, check: bool) -> CharVectors:
        """Vectors from the bytes of a file; ``path`` is for messages, ``check`` whether a digest, if any, is compared.

        Raises:
            InputError: when it is damaged, hostile or of a newer version.
        """

    def write(self, vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
        """Write to a file open for reading and writing, at its beginning.

        Args:
            vectors: what to write.
            file: where to; what is written must not change until it is closed.
            complete: completes ``vectors.source``, without making it longer, where that is still in the making. Members
                that store it, whose :attr:`HOLDS` is empty, call it once before, the later the better; others never.

        Returns:
            characters the format cannot hold, which were left out.

        Raises:
            WrongFile: when the format cannot hold such vectors at all.
        """


#: Every member, by module; each is imported when its turn comes, and the native format comes first.
MEMBERS = ("hdf5", "npz", "safetensors", "text", "word2vec", "word2vec_binary", "pickled")


def members() -> Iterator[Member]:
    """The modules of :data:`MEMBERS`."""
    for name in MEMBERS:
        yield cast(Member, import_module(f"charvec.formats.{name}"))


def by_suffix(path: str) -> Member:
    """The format a file name stands for.

    Raises:
        UsageError: ``E-SUFFIX``.
    """
    for member in members():
        if path.lower().endswith(member.SUFFIXES):
            return member
    raise UsageError(
        "E-SUFFIX",
        f"the suffix of {path} stands for no format",
        help="choose one of "
        + " ".join(suffix for member in members() for suffix in member.SUFFIXES)
        + ", or say --format",
    )


def by_name(name: str) -> Member:
    """The format of that name, or of that suffix: ``hdf5``, ``h5``, ``.h5``.

    Raises:
        UsageError: ``E-FORMAT-NAME``.
    """
    word = name.lower().removeprefix(".") if isinstance(name, str) else ""
    for member in members():
        if word == member.NAME or f".{word}" in member.SUFFIXES:
            return member
    raise UsageError(
        "E-FORMAT-NAME", f"there is no format {name!r}", help="choose " + ", ".join(member.NAME for member in members())
    )


def written_as(member: Member, dtype: str) -> str:
    """What a file of a format holds when vectors of that type are written to it: ``float32 text, rounded to int8``."""
    if not member.HOLDS:
        return dtype
    return member.HOLDS if dtype == "float32" else f"{member.HOLDS}, rounded to {dtype}"


def sniff(head: bytes) -> Member | None:
    """The format of a file that begins so, None when it is none of ours."""
    return next((member for member in members() if member.sniff(head)), None)
