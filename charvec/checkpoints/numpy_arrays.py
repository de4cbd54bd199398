"""NumPy arrays: ``.npy``, one matrix, and ``.npz``, several, with the words in one of them or in a file beside.

Layouts: :mod:`charvec.plumbing.arrays.npy`; an .npz is a zip file of .npy members. Stored ones are read in place;
deflated ones (``np.savez_compressed``) are inflated again each time rows are asked for, and nothing of them is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import Note, UnsafeFile
from charvec.plumbing.arrays.npy import HEAD, MAGIC, Header, parse_header
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.dictionary import Dictionary
from charvec.plumbing.terminal import count
from charvec.plumbing.zips import Member, Zip
from charvec.tensor import READABLE, Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "numpy"

#: What programs call the matrix of vectors, and the array of words, in an .npz.
MATRICES = ("embeddings", "embedding", "vectors", "matrix", "weights", "weight", "emb", "W", "syn0", "arr_0")
WORDS = ("vocab", "vocabulary", "words", "tokens", "chars", "itos", "index_to_key", "index2word")
#: Limits on the array of words.
MAX_BYTES, MAX_WORDS = 64_000_000, 5_000_000
#: How charvec's own .npz files begin.
_OWN = b"codepoints.npy"


def sniff(file: File) -> bool:
    """The magic number of .npy, or a zip file whose first member is one; but not charvec's own."""
    if file.head.startswith(b"PK\x03\x04"):
        name = file.head[30 : 30 + int.from_bytes(file.head[26:28], "little")]
        return name.endswith(b".npy") and name != _OWN
    return file.head.startswith(MAGIC)


def read(file: File) -> Checkpoint:
    """Read the headers, and the array of words if there is one.

    Raises:
        DamagedFile: ``E-NPY``, ``E-ZIP``, ``E-TRUNCATED``, ``E-TRAILING``.
        UnsafeFile: ``E-BOMB``; ``E-PICKLE-UNSAFE`` for a single array of Python objects.
    """
    if file.head.startswith(MAGIC):
        head = file.pread(0, min(HEAD, file.size))
        header = parse_header(head, file.size, file.path, file.path)
        tensor = header.tensor("array", file.path, 0)
        digest = blake2b(head[: header.start], digest_size=32).hexdigest()
        named = (tensor.name, "all that the file holds")
        return Checkpoint(file.path, NAME, {file.path: file.size}, {tensor.name: tensor}, digest, embedding=named)
    return _read_archive(file)


def _read_archive(file: File) -> Checkpoint:
    path, archive = file.path, Zip(file, "E-ZIP")
    tensors: dict[str, Tensor] = {}
    vocabulary: Vocabulary | None = None
    notes = []
    digest = blake2b(digest_size=32)
    for member in archive.members.values():
        if not member.name.endswith(".npy"):
            continue
        name = member.name.removesuffix(".npy")
        head = archive.beginning(member, HEAD)
        try:
            header = parse_header(head, member.size, f"{path}, member {member.name[:80]!r}", path)
        except UnsafeFile as error:
            if error.code != "E-PICKLE-UNSAFE":
                raise
            tensors[name] = Tensor(name, (), "object")
            notes.append(Note("W-OBJECTS", f"{error.message}; it is passed over", path))
            continue
        digest.update(member.name.encode() + b"\0" + head[: header.start])
        if member.method:
            source = InflatedRows(path, member.name, header)
            readable = header.dtype in READABLE and len(header.shape) == 2
            tensors[name] = Tensor(name, header.shape, header.dtype, source=source if readable else None, files=(path,))
        else:
            tensors[name] = header.tensor(name, path, archive.stored_offset(member))
        if name in WORDS and header.code[0] in "US" and len(header.shape) == 1 and vocabulary is None:
            vocabulary = _words(archive, member, header)
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        tensors,
        digest.hexdigest(),
        embedding=_embedding(tensors),
        vocabulary=vocabulary or "",
        notes=tuple(notes),
    )


def _embedding(tensors: dict[str, Tensor]) -> tuple[str, str] | None:
    """The matrix, if it is the only one, or the only one with such a name."""
    matrices = [name for name, tensor in tensors.items() if len(tensor.shape) == 2 and tensor.readable]
    if len(matrices) == 1:
        return matrices[0], "the only matrix of floating-point numbers"
    named = [name for name in matrices if name in MATRICES]
    return (named[0], "the only matrix with such a name") if len(named) == 1 else None


def _words(archive: Zip, member: Member, header: Header) -> Vocabulary:
    """The vocabulary from an array of strings; of a word that stands twice the last row counts, as in a dictionary."""
    path = archive.file.path
    if header.nbytes > MAX_BYTES or header.shape[0] > MAX_WORDS or not header.itemsize:
        archive.refuse(f"the words in {member.name!r} take {header.nbytes:,} bytes; the limit is {MAX_BYTES:,}")
    data = archive.content(member)
    order = ">" if header.big_endian else "<"
    cells = np.frombuffer(data, np.dtype(f"{order}{header.code}"), header.shape[0], header.start)
    if header.code[0] == "U" and (cells.view(f"{order}u4") > 0x10FFFF).any():
        archive.refuse(f"{member.name!r} holds what is no text")
    try:
        words = [word if isinstance(word, str) else word.decode() for word in cells.tolist()]
    except ValueError:
        archive.refuse(f"{member.name!r} holds what is no text")
    rows = {word: row for row, word in enumerate(words)}
    notes = []
    if len(rows) < len(words):
        doubles = len(words) - len(rows)
        notes.append(
            Note("W-VOCAB-DUP", f"{path}: {count(doubles, 'word')} found more than once; the last row is used", path)
        )
    digest = blake2b(data, digest_size=32).hexdigest()
    return Vocabulary(path, "dictionary", len(words), digest, Dictionary(rows), {}, (path,), tuple(notes))


@dataclass(frozen=True)
class InflatedRows:
    """Rows of a deflated matrix.

    Attributes:
        path: the .npz file.
        member: the name of the matrix in it.
        header: how its elements lie.
    """

    path: str
    member: str
    header: Header
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows [n, columns] of ``ids`` (int64 [n], ascending), as stored.

        Raises:
            DamagedFile: ``E-ZIP`` when it does not inflate to what it claims.
        """
        header = self.header
        rows, columns = header.shape
        stored = np.dtype(f"{'>' if header.big_endian else '<'}{header.code}")
        result = np.empty((len(ids), columns), stored.newbyteorder("="))
        if not result.size:
            return result
        with File(self.path) as file:
            archive = Zip(file, "E-ZIP")
            member = archive.members.get(self.member)
            if member is None:
                archive.refuse(f"the member {self.member!r} is gone")
            lines = range(columns) if header.fortran else ids.tolist()
            stride = (rows if header.fortran else columns) * stored.itemsize
            for place, line in enumerate(archive.pieces(member, header.start, stride, lines)):
                values = np.frombuffer(line, stored)
                if header.fortran:
                    result[:, place] = values[ids]
                else:
                    result[place] = values
        return result
