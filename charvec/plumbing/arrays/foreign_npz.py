"""Plumbing: matrices of other programs, in .npz and .npy files, and the vocabularies that lie with them.

* Chinese-Text-Classification-Pytorch: an array ``embeddings``, and ``vocab.pkl`` beside, ``{character: row}``.
* PaddleNLP's TokenEmbedding: arrays ``vocab`` and ``embedding``.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.arrays.npy import HEAD, parse_header
from charvec.plumbing.pickles.unpickle import load

__all__ = ["MEMBERS", "array_of", "arrays", "ids_of", "keys_by_id", "words_of"]

#: Arrays looked for in an .npz; others are passed over.
MEMBERS = ("embeddings", "embedding", "vocab")
#: An array may be deflated; one that swells more than this is refused.
MAX_RATIO = 1000


def arrays(data: bytes, path: str) -> dict[str, NDArray[Any]]:
    """The arrays of :data:`MEMBERS` that an .npz file has; a matrix comes as float32 [rows, columns].

    Raises:
        DamagedFile: ``E-ZIP``, and as :func:`array_of`.
        UnsafeFile: ``E-BOMB`` when a member swells beyond measure.
    """
    import zipfile

    def refuse(problem: str) -> NoReturn:
        raise DamagedFile(
            "E-ZIP", f"{path}: damaged .npz file: {problem}", path=path, help="copy or write the file again"
        )

    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in MEMBERS:
                if f"{name}.npy" not in archive.NameToInfo:
                    continue
                info = archive.NameToInfo[f"{name}.npy"]
                if info.flag_bits & 1 or info.compress_type not in (0, 8):
                    refuse(f"{info.filename} is encrypted, or compressed as numpy never does")
                if info.file_size > MAX_RATIO * max(1, info.compress_size) or info.compress_size > len(data):
                    raise UnsafeFile(
                        "E-BOMB",
                        f"{path}: {info.filename} claims to swell to {info.file_size:,} bytes",
                        path=path,
                        help="do not use this file unless you know who made it",
                    )
                found[name] = array_of(archive.read(info), info.filename, path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, KeyError, RuntimeError) as error:
        refuse(str(error)[:200] or type(error).__name__)
    except (zlib.error, struct.error, OverflowError, IndexError) as error:
        refuse(str(error)[:200])
    return found


def array_of(raw: bytes, what: str, path: str) -> NDArray[Any]:
    """An .npy file of floating-point numbers, as float32, or of texts.

    Raises:
        InputError: as :func:`charvec.plumbing.arrays.npy.parse_header`; WrongFile ``E-NPY`` for other elements, and
            ``E-OVERFLOW`` for values that float32 cannot hold.
    """
    header = parse_header(raw[:HEAD], len(raw), f"{what} of {path}", path)
    kind = header.code[:1]
    if kind not in "fU" or (kind == "U" and len(header.shape) != 1) or (kind == "f" and len(header.shape) != 2):
        raise WrongFile(
            "E-NPY",
            f"{path}: {what} holds {header.code} of shape {header.shape}",
            path=path,
            help="a matrix of floating-point numbers, or a list of texts, is needed",
        )
    dtype = np.dtype(f"{'>' if header.big_endian else '<'}{header.code}")
    array = np.frombuffer(raw, dtype, offset=header.start, count=-1 if header.nbytes else 0)
    array = array.reshape(header.shape, order="F" if header.fortran else "C")
    if kind == "U":
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(np.float32)
    if np.any(np.isinf(narrow) & np.isfinite(array)):
        raise WrongFile(
            "E-OVERFLOW", f"{path} holds values that float32 cannot store", path=path, help="scale the vectors down"
        )
    return narrow


def words_of(array: NDArray[Any], path: str) -> list[str]:
    """The texts of an array.

    Raises:
        DamagedFile: ``E-NPY`` when one holds what is no character.
    """
    if array.dtype.kind != "U":
        raise WrongFile("E-NPY", f"{path}: its vocabulary holds no texts", path=path, help="name another file")
    units = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
    if array.size and array.dtype.itemsize and int(units.max()) > 0x10FFFF:
        raise DamagedFile(
            "E-NPY", f"{path}: its vocabulary holds what is no character", path=path, help="copy the file again"
        )
    return [str(word) for word in array.tolist()]


def ids_of(data: bytes, path: str) -> dict[str, int]:
    """The dictionary ``{text: row}`` of a pickle.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names anything at all.
        DamagedFile: ``E-PICKLE``; WrongFile ``E-FORMAT`` when it holds something else.
    """
    value, end = load(data, path, allowed={}, max_steps=1000 + len(data))
    if end != len(data) or not isinstance(value, dict):
        raise WrongFile(
            "E-FORMAT",
            f"{path} is no pickle of {{character: row}}",
            path=path,
            help="name the vocabulary it belongs to",
        )
    return value


def keys_by_id(ids: Mapping[Any, Any], rows: int, path: str) -> list[str]:
    """The key of each row.

    Raises:
        WrongFile: ``E-VOCAB-IDS`` unless every row has exactly one key that is a text.
    """
    keys: list[Any] = [None] * rows
    fits = isinstance(ids, dict) and len(ids) == rows
    for key, row in ids.items() if fits else ():
        if not isinstance(key, str) or type(row) is not int or not 0 <= row < rows or keys[row] is not None:
            fits = False
            break
        keys[row] = key
    if not fits:
        raise WrongFile(
            "E-VOCAB-IDS",
            f"{path}: its vocabulary does not give each of {rows:,} rows one key",
            path=path,
            help="name the vocabulary that was saved with this matrix",
        )
    return keys
