"""The cache file of torchtext.vocab.Vectors: what ``torch.save((itos, stoi, vectors, dim), "NAME.pt")`` would write.

Put it as ``.vector_cache/NAME.pt`` and say ``Vectors("NAME")``; no text is parsed, and no character is lost, not even
white space. Written by hand, because that is four stored members and a pickle, and torch would be 2 s of import and
800 MB of installation; ``torch.load(weights_only=True)`` reads it.

Layout: PyTorch's zip container (``torch/csrc/jit/serialization``, ``torch.serialization``): in one folder ``data.pkl``,
``byteorder``, ``data/0`` with the numbers, ``version``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.pickles.pickle_writer import dictionary, integer, sequence, text
from charvec.plumbing.pickles.unpickle import load, ordered_dict
from charvec.plumbing.zip_writer import stored

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "write"]

NAME = "torchtext"
ALIASES: tuple[str, ...] = ("torchtext-pt",)
READERS = "torchtext.vocab.Vectors, from its cache"
FILES: tuple[str, ...] = ()
LOSES: frozenset[str] = frozenset()
MIN_DIM = 1
SPECIAL = Special()


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The one file."""
    matrix = np.ascontiguousarray(rows.matrix, "<f4")
    pickle = b"".join(_pickle(rows))
    # torch puts numbers at multiples of 64 bytes, so that it can map them; the name of the folder is as long as needed
    names = ("data.pkl", "byteorder", "data/0", "version")
    before = 3 * 30 + len("".join(names[:3])) + len(pickle) + len(b"little")
    folder = "a" * (next(n for n in range(6, 200) if (before + 3 * (n + 1)) % 64 == 0))
    contents: tuple[Chunk, ...] = (pickle, b"little", matrix.reshape(-1).view(np.uint8).data, b"3\n")
    return {
        "": stored(
            [(f"{folder}/{name}", [content]) for name, content in zip(names, contents, strict=True)], "the .pt file"
        )
    }


def _pickle(rows: KeyedRows) -> Iterator[bytes]:
    """Protocol 2, as torch.save writes it: the tuple of four."""
    count, dim = len(rows.keys), rows.dim
    yield b"\x80\x02("
    yield sequence(rows.keys)
    yield dictionary((key, row) for row, key in enumerate(rows.keys))
    # _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks); the storage is a persistent id
    yield b"ctorch._utils\n_rebuild_tensor_v2\n("
    yield b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + integer(count * dim) + b"tQ"
    yield integer(0) + integer(count) + integer(dim) + b"\x86" + integer(dim) + integer(1) + b"\x86"
    yield b"\x89ccollections\nOrderedDict\n)RtR"
    yield integer(dim) + b"t."


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """What the four say.

    Raises:
        InputError: when they do not agree, or are no such four.
    """
    import zipfile

    def refuse(problem: str) -> NoReturn:
        raise DamagedFile("E-ZIP", f"{path}: {problem}", path=path, help="write the file again")

    try:
        with zipfile.ZipFile(io.BytesIO(files[""])) as archive:
            members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        pickle, numbers = members["data.pkl"], members["data/0"]
    except (zipfile.BadZipFile, KeyError) as error:
        refuse(str(error))

    def rebuild(size: object, offset: object, shape: object, strides: object, *_: object) -> object:
        if not isinstance(shape, tuple) or len(shape) != 2 or offset != 0 or strides != (shape[1], 1):
            raise ValueError("no plain matrix")
        if size != shape[0] * shape[1]:
            raise ValueError("a storage of another size")
        return shape

    names: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor_v2"): rebuild,
        ("torch", "FloatStorage"): None,
        ("collections", "OrderedDict"): ordered_dict,
    }
    # an id of a storage: "storage", class, key, place, number of elements
    value, _ = load(pickle, path, allowed=names, persistent=lambda identity: identity[4])
    itos, stoi, shape, dimensions = value
    if shape != (len(itos), dimensions) or stoi != {key: row for row, key in enumerate(itos)}:
        refuse("its four parts do not agree")
    return KeyedRows(itos, np.frombuffer(numbers, "<f4").reshape(shape))
