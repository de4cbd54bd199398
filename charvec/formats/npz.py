"""NumPy's .npz: the columns of :mod:`charvec.plumbing.arrays.layout`, one array each, uncompressed.

Reads without charvec: ``np.load``.

Also read are the .npz files of others: of PaddleNLP's TokenEmbedding, and of Chinese-Text-Classification-Pytorch,
whose ``vocab.pkl`` lies beside.

In member names ``/`` is written ``.``, because .npz members are files: ``missing.codepoints``.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing import places
from charvec.plumbing.arrays.layout import COLUMNS, from_columns, to_columns
from charvec.plumbing.arrays.plain import from_pairs
from charvec.plumbing.files import read_whole
from charvec.vectors import CharVectors

if TYPE_CHECKING:
    import zipfile

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "npz"
SUFFIXES: tuple[str, ...] = (".npz",)
PROOF = "CRC-32 of every array"
HOLDS = ""

#: An .npy file of version 1 as numpy writes it, up to its data; "numpy.lib.format" in NumPy's manual.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)"
    rb"\{'descr': '(?P<dtype>[<>|][fiu][1248])', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>\d{1,15}(?:,|(?:, \d{1,15})+))\), \} *\n",
    re.DOTALL,
)
#: An array member of an .npz may be deflated (by others); one that swells more than this is refused.
MAX_RATIO = 1000
#: Bytes of a vocab.pkl; one of all characters has 14 million.
MAX_PICKLE = 100_000_000


def sniff(head: bytes) -> bool:
    """A zip archive."""
    return head.startswith(b"PK\x03\x04")


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file; the same vectors give the same bytes. Nothing is ever left out."""
    if complete is not None:
        complete()
    # numpy stamps every member with 1980-01-01, so that the bytes depend on the content alone
    arrays: dict[str, Any] = {name.replace("/", "."): column for name, column in to_columns(vectors).items()}
    buffer = io.BytesIO()  # zipfile goes back to fill in sizes, and output is written in one go
    np.savez(buffer, **arrays)
    file.write(buffer.getbuffer())
    return []


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the columns; zip's own CRC-32 of each member is always checked.

    Raises:
        WrongFile: ``E-NOT-CHARVEC`` for a zip archive that is no vector file.
        DamagedFile: ``E-ZIP``, ``E-NPY``, and as :func:`charvec.plumbing.arrays.layout.from_columns`.
        UnsafeFile: ``E-BOMB`` when a member swells beyond measure.
    """
    import zipfile

    def refuse(code: str, problem: str) -> NoReturn:
        raise DamagedFile(code, f"{path}: damaged .npz file: {problem}", path=path, help="copy or write the file again")

    columns: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if "meta.npy" not in members and not {"embedding.npy", "embeddings.npy"}.isdisjoint(members):
                return _of_others(path, data)
            if "meta.npy" not in members or "codepoints.npy" not in members:
                raise WrongFile(
                    "E-NOT-CHARVEC",
                    f"{path} is a zip archive, but no vector file",
                    path=path,
                    found=", ".join(list(members)[:5]),
                    help="name a file that charvec wrote",
                )
            if len(members) != len(archive.infolist()):
                refuse("E-ZIP", "two members have one name")
            for name in COLUMNS:
                info = members.get(name.replace("/", ".") + ".npy")
                if info is None:
                    continue
                _check_member(info, len(data), path, refuse)
                columns[name] = _array(archive.read(info), info.filename, path, refuse)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, KeyError, RuntimeError) as error:
        refuse("E-ZIP", str(error)[:200] or type(error).__name__)
    except (zlib.error, struct.error, OverflowError, IndexError) as error:
        refuse("E-ZIP", str(error)[:200])
    return from_columns(columns, path)


def _of_others(path: str, data: bytes) -> CharVectors:
    """Rows that other programs have saved, and their keys.

    Raises:
        InputError: as :mod:`charvec.plumbing.arrays.foreign_npz`.
        WrongFile: ``E-NOT-CHARVEC`` when there are no keys.
    """
    from charvec.plumbing.arrays.foreign_npz import arrays, ids_of, keys_by_id, words_of

    found = arrays(data, path)
    if "embedding" in found and "vocab" in found:
        matrix, keys = found["embedding"], words_of(found["vocab"], path)
    elif "embeddings" in found and places.exists(beside := places.join(places.parent(path), "vocab.pkl")):
        matrix, pickle = found["embeddings"], read_whole(beside, limit=MAX_PICKLE)
        keys = keys_by_id(ids_of(pickle, beside), len(matrix), beside)
    else:
        raise WrongFile(
            "E-NOT-CHARVEC",
            f"{path} holds a matrix, but no characters for its rows",
            path=path,
            found=", ".join(found),
            help="put the vocab.pkl it was saved with into the same folder",
        )
    if matrix.ndim != 2 or len(keys) != len(matrix):
        raise DamagedFile(
            "E-COUNT",
            f"{path}: {len(matrix):,} rows and {len(keys):,} keys",
            path=path,
            help="copy or write the file again",
        )
    return from_pairs(zip(keys, matrix, strict=True), path, NAME)


def _check_member(info: zipfile.ZipInfo, present: int, path: str, refuse: Callable[[str, str], NoReturn]) -> None:
    if info.flag_bits & 1:
        refuse("E-ZIP", f"{info.filename} is encrypted")
    if info.compress_type not in (0, 8):  # stored, deflated
        refuse("E-ZIP", f"{info.filename} is compressed by method {info.compress_type}, which numpy never uses")
    if info.file_size > MAX_RATIO * max(1, info.compress_size) or info.compress_size > present:
        raise UnsafeFile(
            "E-BOMB",
            f"{path}: {info.filename} claims to swell from {info.compress_size:,} to {info.file_size:,} bytes",
            path=path,
            help="do not use this file unless you know who made it",
        )


def _array(raw: bytes, name: str, path: str, refuse: Callable[[str, str], NoReturn]) -> NDArray[Any]:
    """An .npy member. Its header is a Python literal; only numpy's own spelling is taken, and nothing is evaluated."""
    header = _HEADER.match(raw)
    if not header:
        refuse("E-NPY", f"{name} does not begin as an .npy file of numbers does")
    start = 10 + int.from_bytes(header["length"], "little")
    if header.end() != start:
        refuse("E-NPY", f"the header of {name} is not as long as it says")
    dtype, shape = np.dtype(header["dtype"].decode()), tuple(map(int, header["shape"].rstrip(b",").split(b",")))
    if header["fortran"] == b"True" and len(shape) > 1:
        refuse("E-NPY", f"{name} is stored by columns")
    count = prod(shape)
    if count * dtype.itemsize > len(raw) - start:
        raise UnsafeFile(
            "E-BOMB",
            f"{path}: {name} declares {count * dtype.itemsize:,} bytes, {len(raw) - start:,} are present",
            path=path,
            help="do not use this file unless you know who made it",
        )
    if count * dtype.itemsize != len(raw) - start:
        refuse("E-NPY", f"{name} holds {len(raw) - start:,} bytes, which is not what its shape {shape} says")
    array: NDArray[Any] = np.frombuffer(raw, dtype, count, start).reshape(shape)
    return array
