"""charvec's own vector files as models: ``.h5``, ``.npz`` and ``.safetensors`` that charvec wrote.

A character has the row of the file that is its vector, and the status it had in the model the file was made of; what
the file says of that model goes into the provenance of what is made of it. Text and ``.vec`` files know neither, and
are read as word vectors.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from charvec import formats
from charvec.errors import WrongFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, unrecognised
from charvec.status import Status
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling, Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "charvec"

_HDF5 = b"\x89charvec\r\n\x1a\n"
_NPZ = b"codepoints.npy"
_SAFETENSORS = b'{"__metadata__":{"charvec":'


def sniff(file: File) -> bool:
    """The beginning that charvec gives its files."""
    head = file.head
    if head.startswith(b"PK\x03\x04"):
        return head[30 : 30 + int.from_bytes(head[26:28], "little")] == _NPZ
    return head.startswith(_HDF5) or head[8 : 8 + len(_SAFETENSORS)] == _SAFETENSORS


def read(file: File) -> Checkpoint:
    """Read the file and check it as :func:`charvec.load` does.

    Raises:
        CharvecError: as the reader of its format does; WrongFile ``E-NO-CHARACTERS`` for a file without a vector.
    """
    path = file.path
    vectors, data = _load(file)
    if not len(vectors):
        raise WrongFile("E-NO-CHARACTERS", f"{path} holds no character vectors", path=path, help="name another file")
    speller = KeptStatuses(
        vectors.codepoints.tobytes(),
        vectors.status.tobytes(),
        vectors.missing_codepoints.tobytes(),
        vectors.missing_spelling.status.tobytes(),
        np.diff(vectors.spelling.row_offsets).astype(np.int64).tobytes(),
    )
    source = dict(vectors.source)
    digest = blake2b(json.dumps(source, sort_keys=True).encode(), digest_size=32)
    for part in (speller.codepoints, speller.status, speller.missing, speller.missing_status):
        digest.update(part)
    name = digest.hexdigest()
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        {"vectors": _tensor(path, vectors, data)},
        name,
        embedding=("vectors", "all that the file holds"),
        vocabulary=Vocabulary(path, "characters", len(vectors), name, speller, {}, (path,)),
        made_from=source,
    )


def _load(file: File) -> tuple[CharVectors, bytes]:
    member = formats.sniff(file.head)
    if member is None:
        raise unrecognised(file, "a vector file")
    data = file.pread(0, file.size)
    return member.read(file.path, data, True), data


def _tensor(path: str, vectors: CharVectors, data: bytes) -> Tensor:
    """The rows where they lie in the file, if they lie there as they are."""
    shape = (len(vectors), vectors.dim)
    base = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    offset = vectors.stored.__array_interface__["data"][0] - base
    if vectors.scales is None and vectors.codebooks is None and 0 <= offset <= len(data) - vectors.stored.nbytes:
        return Tensor.contiguous("vectors", shape, vectors.dtype, path, offset)
    quantised = "int8, one scale a row" if vectors.scales is not None else ""
    if vectors.codebooks is not None:
        quantised = f"product quantisation, {vectors.stored.shape[1]} parts"
    return Tensor(
        "vectors", shape, str(vectors.stored.dtype), source=KeptRows(path), files=(path,), quantised=quantised
    )


@dataclass(frozen=True)
class KeptRows:
    """Rows that do not lie plainly in the file, which is loaded again for them.

    Attributes:
        path: the vector file.
    """

    path: str
    in_one_pass = True

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """float32 [n, dim]: the rows of ``ids`` (int64 [n], ascending)."""
        with File(self.path) as file:
            return _load(file)[0].at(ids)


@dataclass(frozen=True)
class KeptStatuses:
    """Spells a character by its row in the file, with the status it had before.

    A character that the file lists as missing keeps that status, too; but where it had rows, which were not wanted
    then, the status is ``no-row``, for they are not in this file.

    Attributes:
        codepoints, status: uint32 and uint8 of each row, as bytes.
        missing, missing_status: likewise of the characters that the file lists as missing.
        pieces: int64 of each row, as bytes: of how many rows of the model it is the mean.
    """

    codepoints: bytes
    status: bytes
    missing: bytes
    missing_status: bytes
    pieces: bytes

    def pieces_of(self, codepoints: NDArray[np.uint32]) -> NDArray[np.int64]:
        """int64 [n]: of how many rows of the model the row of each code point is the mean; 0 without a row."""
        count = np.zeros(len(codepoints), np.int64)
        places, found = _find(self.codepoints, codepoints)
        count[found] = np.maximum(np.frombuffer(self.pieces, np.int64)[places[found]], 1)
        return count

    def __call__(self, codepoints: NDArray[np.uint32]) -> Spelling:
        """Spell code points (uint32 [n], no surrogates)."""
        status = np.full(len(codepoints), Status.UNKNOWN, np.uint8)
        places, lost = _find(self.missing, codepoints)
        before = np.frombuffer(self.missing_status, np.uint8)[places[lost]]
        status[lost] = np.where(before < Status.REMOVED, np.uint8(Status.NO_ROW), before)
        places, found = _find(self.codepoints, codepoints)
        status[found] = np.frombuffer(self.status, np.uint8)[places[found]]
        offsets = np.concatenate(([0], np.cumsum(found))).astype(np.int64)
        return Spelling(status, places[found].astype(np.int64), offsets)


def _find(known: bytes, codepoints: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where code points stand among known ones, and whether they do: int [n], bool [n]."""
    table = np.frombuffer(known, np.uint32)
    places = np.searchsorted(table, codepoints)
    if not len(table):
        return places, np.zeros(len(codepoints), bool)
    return places, table[np.minimum(places, len(table) - 1)] == codepoints
