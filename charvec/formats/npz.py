"""NumPy's .npz: the columns of :mod:`charvec.layout`, one array each, uncompressed. Reads without charvec: ``np.load``.

In member names ``/`` is written ``.``, because .npz members are files: ``missing.codepoints``.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.layout import COLUMNS, from_columns, to_columns
from charvec.vectors import CharVectors

__all__ = ["NAME", "SUFFIXES", "read", "sniff", "write"]

NAME = "npz"
SUFFIXES = (".npz",)

#: An array member of an .npz may be deflated (by others); one that swells more than this is refused.
MAX_RATIO = 1000


def sniff(head: bytes) -> bool:
    """A zip archive."""
    return head.startswith(b"PK\x03\x04")


def write(vectors: CharVectors, file: BinaryIO) -> list[str]:
    """Write the file; the same vectors give the same bytes. Nothing is ever left out."""
    # numpy stamps every member with 1980-01-01, so that the bytes depend on the content alone
    np.savez(file, **{name.replace("/", "."): column for name, column in to_columns(vectors).items()})
    return []


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Read the columns; zip's own CRC-32 of each member is always checked.

    Raises:
        WrongFile: ``E-NOT-CHARVEC`` for a zip archive that is no vector file.
        DamagedFile: ``E-ZIP``, ``E-NPY``, and as :func:`charvec.layout.from_columns`.
        UnsafeFile: ``E-BOMB`` when a member swells beyond measure.
    """
    import zipfile

    def refuse(code: str, problem: str) -> NoReturn:
        raise DamagedFile(code, f"{path}: damaged .npz file: {problem}", path=path, help="copy or write the file again")

    columns: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.replace("/", ".") + ".npy": name for name in COLUMNS}
            members = {info.filename: info for info in archive.infolist()}
            if "meta.npy" not in members or "codepoints.npy" not in members:
                raise WrongFile(
                    "E-NOT-CHARVEC",
                    f"{path} is a zip archive, but no vector file",
                    path=path,
                    found=", ".join(list(members)[:5]),
                    help="name a file that charvec wrote",
                )
            for member, name in names.items():
                if member not in members:
                    continue
                info = members[member]
                if info.flag_bits & 1:
                    refuse("E-ZIP", f"{member} is encrypted")
                if info.file_size > MAX_RATIO * max(1, info.compress_size) or info.compress_size > len(data):
                    raise UnsafeFile(
                        "E-BOMB",
                        f"{path}: {member} claims to swell from {info.compress_size:,} to {info.file_size:,} bytes",
                        path=path,
                        help="do not use this file unless you know who made it",
                    )
                columns[name] = _array(archive.read(member), member, refuse)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, KeyError, RuntimeError) as error:
        refuse("E-ZIP", str(error)[:200] or type(error).__name__)
    except Exception as error:
        if type(error).__module__ not in ("zlib", "struct", "lzma", "binascii"):
            raise
        refuse("E-ZIP", str(error)[:200])
    return from_columns(columns, path)


def _array(raw: bytes, member: str, refuse: Any) -> NDArray[Any]:
    """An .npy member, without numpy's fallback to pickle, and with sizes checked before anything is allocated."""
    from numpy.lib import format as npy

    stream = io.BytesIO(raw)
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            refuse("E-NPY", f"{member} has .npy version {version}")
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(stream, max_header_size=10_000)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        refuse("E-NPY", f"{member}: {str(error)[:200]}")
    count = 1
    for size in shape:
        if not isinstance(size, int) or size < 0:
            refuse("E-NPY", f"{member} has the shape {shape}")
        count *= size
    if dtype.hasobject or fortran or count * dtype.itemsize != len(raw) - stream.tell():
        refuse("E-NPY", f"{member} is {dtype} of shape {shape}, which is not what its {len(raw):,} bytes hold")
    array: NDArray[Any] = np.frombuffer(raw, dtype, count, stream.tell()).reshape(shape)
    return array
