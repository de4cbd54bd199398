r"""charvec's own vector file, version 1: HDF5 behind a header that proves it whole.

Any HDF5 tool can read the file. charvec itself first checks a digest on plain bytes, because libhdf5 does not notice
most damage: of 8,864 single-bit flips in a small file 2,742 gave wrong data in silence and one killed the process.

Header, the 512 bytes of HDF5's user block, integers little-endian::

    0   magic            89 63 68 61 72 76 65 63 0d 0a 1a 0a     "\x89charvec\r\n\x1a\n"
    12  u32              header version, 1
    16  u64              length of the whole file
    24  32 bytes         BLAKE2b-256 of everything from byte 512 on
    56  456 zero bytes

Behind it the columns of :mod:`charvec.plumbing.arrays.layout` as contiguous datasets, uncompressed: compression would
save 7-19 % and load 6-30 times slower. No attributes, no strings, no variable-length types, no links.

:mod:`charvec.plumbing.hdf5.hdf5_image` writes them without the HDF5 library, whose import alone would take longer, and
reads back what it would write again byte for byte. Whatever else a sound file holds, because another program or another
version wrote it, the library reads. The tests hold one against the other.
"""

from __future__ import annotations

import io
from threading import Thread
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.arrays.layout import COLUMNS, from_columns, to_columns
from charvec.plumbing.digests import blake2b
from charvec.plumbing.hdf5.hdf5_image import hdf5_image, image_arrays
from charvec.vectors import CharVectors

__all__ = ["HOLDS", "NAME", "PROOF", "SUFFIXES", "read", "sniff", "write"]

NAME = "hdf5"
SUFFIXES: tuple[str, ...] = (".h5", ".hdf5")
PROOF = "BLAKE2b-256"
HOLDS = ""

MAGIC = b"\x89charvec\r\n\x1a\n"
HEADER = 512
HEADER_VERSION = 1
_HDF5 = b"\x89HDF\r\n\x1a\n"


def sniff(head: bytes) -> bool:
    """Our magic, or as much of it as a file cut short still holds; or HDF5's own, which begins others' files."""
    return head.startswith((MAGIC, _HDF5)) or (0 < len(head) < len(MAGIC) and MAGIC.startswith(head))


def _header(length: int, digest: bytes) -> bytes:
    fields = MAGIC + HEADER_VERSION.to_bytes(4, "little") + length.to_bytes(8, "little") + digest
    return fields.ljust(HEADER, b"\0")


def write(vectors: CharVectors, file: BinaryIO) -> list[str]:
    """Write the file; the same vectors give the same bytes. Nothing is ever left out."""
    parts = hdf5_image(to_columns(vectors), HEADER)
    digest = blake2b(digest_size=32)

    def hash_all() -> None:
        for part in parts:
            digest.update(part)

    # hashing and writing take about as long as each other, and neither holds the interpreter's lock
    hashing = Thread(target=hash_all)
    hashing.start()
    try:
        file.write(bytes(HEADER))
        for part in parts:
            file.write(part)
        file.flush()
    finally:
        hashing.join()
    file.seek(0)
    file.write(_header(HEADER + sum(map(len, parts)), digest.digest()))
    return []


def read(path: str, data: bytes, check: bool = True) -> CharVectors:
    """Check the header, then the structure, then the columns.

    Raises:
        WrongFile: ``E-NOT-CHARVEC`` for another program's HDF5 file; ``E-NEWER``.
        DamagedFile: ``E-TRUNCATED``, ``E-TRAILING``, ``E-DAMAGED``, ``E-UNCLEAN``, ``E-H5``, ``E-H5-TYPE``, and as
            :func:`charvec.plumbing.arrays.layout.from_columns`.
        UnsafeFile: ``E-H5-EXTERNAL`` when data would come from another file, ``E-BOMB`` when more data is declared than
            present.
    """
    _check_header(path, data, check)
    arrays = image_arrays(data, HEADER)
    if arrays is None or not arrays.keys() <= COLUMNS.keys():
        return from_columns(_by_library(path, data), path)
    for name in COLUMNS:
        if name in arrays:
            _check_type(name, arrays[name].dtype, arrays[name].shape, path)
    return from_columns(arrays, path)


def _by_library(path: str, data: bytes) -> dict[str, NDArray[Any]]:
    """The columns of any HDF5 file; errors as :func:`read`."""
    import h5py

    try:
        with h5py.File(io.BytesIO(data), "r") as h5:
            return {name: _column(h5, name, path, data) for name in COLUMNS if _present(h5, name, path)}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        # h5py lets libhdf5's errors through under these types
        _refuse("E-H5", path, f"HDF5 says: {str(error)[:200]}")


def _check_type(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], path: str) -> None:
    dtypes, axes = COLUMNS[name]
    if dtype.str[1:] not in {np.dtype(each).str[1:] for each in dtypes} or dtype.byteorder == ">" or len(shape) != axes:
        _refuse("E-H5-TYPE", path, f"{name} is {dtype} of {len(shape)} axes")


def _refuse(code: str, path: str, problem: str, offset: int | None = None) -> NoReturn:
    raise DamagedFile(
        code,
        f"{path}: {problem}",
        path=path,
        offset=offset,
        help="write it again with `charvec dump`, or copy it again from where it came",
    )


def _check_header(path: str, data: bytes, check: bool) -> None:
    size = len(data)
    if data.startswith(_HDF5):
        raise WrongFile(
            "E-NOT-CHARVEC",
            f"{path} is an HDF5 file, but not one that charvec wrote",
            path=path,
            help="charvec loads its own vector files, .npz, .safetensors, .txt, .vec and .pkl",
        )
    if size < HEADER:
        _refuse("E-TRUNCATED", path, f"cut short: {size} bytes present, the header alone has {HEADER}", size)
    if not data.startswith(MAGIC):
        _refuse("E-DAMAGED", path, "the first bytes are not those of a vector file", 0)
    version = int.from_bytes(data[12:16], "little")
    length = int.from_bytes(data[16:24], "little")
    digest = blake2b(memoryview(data)[HEADER:], digest_size=32).digest() if check else data[24:56]
    if data[:HEADER] != _header(length, data[24:56]):
        if 1 < version < 1000 and digest == data[24:56] and length == size:
            raise WrongFile(
                "E-NEWER",
                f"{path} was written by a newer charvec (header version {version})",
                path=path,
                help="upgrade charvec",
            )
        _refuse("E-DAMAGED", path, "its header was changed since it was written", 12)
    if check and length > size:
        _refuse("E-TRUNCATED", path, f"cut short: {size:,} of {length:,} bytes present", size)
    if check and length < size:
        _refuse("E-TRAILING", path, f"{size - length:,} bytes follow its end", length)
    if digest != data[24:56]:
        _refuse("E-DAMAGED", path, "its bytes were changed since it was written")
    superblock = data[HEADER : HEADER + 12]
    if superblock[:8] != _HDF5 or superblock[8:9] not in (b"\2", b"\3"):
        _refuse("E-NOT-CHARVEC", path, "no HDF5 of the expected version follows its header", HEADER)
    if superblock[11]:
        _refuse("E-UNCLEAN", path, "the program that wrote it died before it closed the file", HEADER + 11)


def _present(h5: Any, name: str, path: str) -> bool:
    """Whether a column is there, as a plain member of the file and no link to elsewhere."""
    import h5py

    group = h5
    *folders, _ = name.split("/")
    for part in name.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            return False
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeFile(
                "E-H5-EXTERNAL",
                f"{path}: {name} is a link to another file",
                path=path,
                help="do not use this file unless you know who made it",
            )
        if not isinstance(link, h5py.HardLink):
            _refuse("E-H5", path, f"{name} is a soft link")
        member = group[part]
        if part in folders and isinstance(member, h5py.Group):
            group = member
        elif not isinstance(member, h5py.Dataset) or part in folders:
            _refuse("E-H5-TYPE", path, f"{name} is no dataset")
    return True


def _column(h5: Any, name: str, path: str, data: bytes) -> NDArray[Any]:
    """A column as a view into the bytes already in memory; libhdf5 itself reads no data."""
    import h5py

    dataset = h5[name]
    if dataset.is_virtual or dataset.external is not None:
        raise UnsafeFile(
            "E-H5-EXTERNAL",
            f"{path}: the data of {name} lies in another file",
            path=path,
            help="do not use this file unless you know who made it",
        )
    layout = dataset.id.get_create_plist().get_layout()
    dtype = dataset.dtype
    _check_type(name, dtype, dataset.shape, path)
    count = 1
    for size in dataset.shape:
        count *= int(size)
    if count * dtype.itemsize > len(data):
        raise UnsafeFile(
            "E-BOMB",
            f"{path}: {name} declares {count * dtype.itemsize:,} bytes, the file has {len(data):,}",
            path=path,
            help="do not use this file unless you know who made it",
        )
    if layout != h5py.h5d.CONTIGUOUS:
        _refuse("E-H5", path, f"{name} is not contiguous")
    if not count:
        return np.empty(dataset.shape, dtype)
    offset = dataset.id.get_offset()
    # the offset counts from the file's beginning, user block included
    if offset is None or offset < HEADER or offset + count * dtype.itemsize > len(data):
        _refuse("E-H5", path, f"the data of {name} lies outside the file")
    column: NDArray[Any] = np.frombuffer(data, dtype, count, offset).reshape(dataset.shape)
    return column
