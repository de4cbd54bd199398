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

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from charvec.errors import DamagedFile, WrongFile
from charvec.plumbing.digests import ThreadedDigest

if TYPE_CHECKING:
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


def write(vectors: CharVectors, file: BinaryIO, complete: Callable[[], None] | None = None) -> list[str]:
    """Write the file; the same vectors give the same bytes. Nothing is ever left out."""
    from charvec.plumbing.arrays.layout import meta_column, to_columns
    from charvec.plumbing.hdf5.hdf5_image import hdf5_image

    # the provenance is the last column, behind which come only the headers
    *parts, meta, headers = hdf5_image(to_columns(vectors), HEADER)
    length = HEADER + sum(map(len, (*parts, meta, headers)))
    # hashing and writing take about as long as each other, and neither holds the interpreter's lock
    with ThreadedDigest() as digest:
        for part in parts:
            digest.update(memoryview(part))  # also of the gaps between columns: nothing that waits is a copy
        file.write(bytes(HEADER))
        for part in parts:
            file.write(part)
        file.flush()
        if complete is not None:
            complete()
            before, meta = len(meta), meta_column(vectors).data
            if len(meta) != before:
                raise ValueError("provenance that was completed has another length")
        for part in (meta, headers):
            digest.update(memoryview(part))
            file.write(part)
    file.seek(0)
    file.write(_header(length, digest.digest()))
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
    check = check and data.startswith(MAGIC)
    with ThreadedDigest() as digest:
        if check:
            digest.update(memoryview(data)[HEADER:])
        # in a fresh process this imports NumPy, which takes longer than the hashing of 25 MB, where a core is free for
        # that: it does not hold the interpreter's lock
        from charvec.plumbing.arrays.layout import from_columns
        from charvec.plumbing.hdf5.hdf5_columns import columns
    _check_header(path, data, digest.digest() if check else None)
    return from_columns(columns(path, data, HEADER), path)


def _refuse(code: str, path: str, problem: str, offset: int | None = None) -> NoReturn:
    raise DamagedFile(
        code,
        f"{path}: {problem}",
        path=path,
        offset=offset,
        help="write it again with `charvec dump`, or copy it again from where it came",
    )


def _check_header(path: str, data: bytes, digest: bytes | None) -> None:
    """Hold the header against the bytes; None for a digest that is not to be compared."""
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
    check = digest is not None
    if data[:HEADER] != _header(length, data[24:56]):
        if 1 < version < 1000 and digest in (None, data[24:56]) and length == size:
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
    if digest not in (None, data[24:56]):
        _refuse("E-DAMAGED", path, "its bytes were changed since it was written")
    superblock = data[HEADER : HEADER + 12]
    if superblock[:8] != _HDF5 or superblock[8:9] not in (b"\2", b"\3"):
        _refuse("E-NOT-CHARVEC", path, "no HDF5 of the expected version follows its header", HEADER)
    if superblock[11]:
        _refuse("E-UNCLEAN", path, "the program that wrote it died before it closed the file", HEADER + 11)
