"""GGUF: the files of llama.cpp and ggml, versions 2 and 3, in either byte order.

The header is read by :mod:`charvec.plumbing.gguf.gguf_file`; it names the tensors, calls the input embedding
``token_embd.weight`` in every architecture, and holds the vocabulary. Quantised rows are decoded one by one
(:mod:`charvec.plumbing.gguf.gguf_quants`).

A large model may be split into ``NAME-00001-of-0000N.gguf`` and so on (llama.cpp, tools/gguf-split): every part is a
GGUF file of its own with some of the tensors, the first has the vocabulary. Parts are opened from the first on until
the embedding is found, which is in the first or the second.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, Note, NotFound
from charvec.plumbing import places
from charvec.plumbing.arrays.gathering import gather
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.gguf.gguf_file import MAGIC, Header, TensorInfo, read_header
from charvec.plumbing.gguf.gguf_quants import can_decode, decode
from charvec.plumbing.gguf.gguf_types import TYPES
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["EMBEDDING", "NAME", "read", "sniff"]

NAME = "gguf"

#: The input embedding (gguf-py, constants.py, MODEL_TENSOR.TOKEN_EMBD).
EMBEDDING = "token_embd.weight"
#: The key that holds the vocabulary.
TOKENS = "tokenizer.ggml.tokens"

#: Types whose elements lie plainly in the file.
PLAIN = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
}

#: How files of before August 2023 begin (llama.cpp of that time: ggml, ggmf, ggjt as little-endian numbers).
_OLD = (b"lmgg", b"fmgg", b"tjgg")
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)


@dataclass(frozen=True)
class Quantised:
    """Rows of a tensor of quantised blocks, a :class:`charvec.tensor.RowSource`.

    Attributes:
        path: the file.
        offset: where row 0 begins.
        stride: bytes of a row.
        columns: values of a row.
        kind: number of the type.
        big_endian: byte order of the scales.
    """

    path: str
    offset: int
    stride: int
    columns: int
    kind: int
    big_endian: bool

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """Rows as float32 [n, columns]."""
        # decoded at once: runs of rows that lie together may be short, and each call of NumPy costs
        stored = np.empty((len(ids), self.stride), np.uint8)
        with File(self.path) as file:
            for start, end, rows in gather(file, self.offset, self.stride, self.stride, ids):
                stored[start:end] = rows
        return decode(stored, self.kind, self.big_endian)


def sniff(file: File) -> bool:
    """``GGUF``, or the magic of its predecessors, which are refused by name."""
    return file.head[:4] == MAGIC or file.head.startswith(_OLD)


def read(file: File) -> Checkpoint:
    """Read and check the header; of a split file, those of its parts up to the one with the embedding.

    Raises:
        DamagedFile: ``E-GGUF`` or ``E-TRUNCATED``.
        NotFound: ``E-SHARD-MISSING`` when a part is needed that is not there.
    """
    if file.head[:4] != MAGIC:
        raise DamagedFile(
            "E-GGUF",
            f"{file.path} is a GGML file of before August 2023, which nothing reads any more",
            path=file.path,
            help="convert the model anew with llama.cpp's convert_hf_to_gguf.py",
        )
    header = read_header(file)
    opened = {file.path: (file.size, header)}
    notes: tuple[Note, ...] = ()
    count = header.values.get("split.count", 1)
    if type(count) is int and count > 1:
        opened = _parts(file, header, count)
        if len(opened) < count:
            message = f"{file.path}: {len(opened)} of {count} parts were opened; the others are not needed"
            notes = (Note("N-PARTS", message, file.path),)
    tensors: dict[str, Tensor] = {}
    for path, (_, part) in opened.items():
        for name, info in part.tensors.items():
            scaled = name.removesuffix("weight") + "scale" in part.tensors
            tensors[name] = _tensor(info, path, part.big_endian, scaled)
    digests = [part.digest for _, part in opened.values()]
    return Checkpoint(
        file.path,
        NAME,
        {path: size for path, (size, _) in opened.items()},
        tensors,
        digests[0] if len(digests) == 1 else blake2b("".join(digests).encode(), digest_size=32).hexdigest(),
        embedding=(EMBEDDING, "the name of the input embedding in every GGUF file") if EMBEDDING in tensors else None,
        vocabulary=next((path for path, (_, part) in opened.items() if TOKENS in part.values), ""),
        notes=notes,
    )


def _parts(file: File, header: Header, count: int) -> dict[str, tuple[int, Header]]:
    """Sizes and headers of the parts from the first to the one with the embedding, by path."""
    folder = places.parent(file.path)
    match = _PART.fullmatch(places.base_name(file.path))
    if not match or int(match[3]) != count:
        if EMBEDDING in header.tensors and TOKENS in header.values:
            return {file.path: (file.size, header)}
        raise NotFound(
            "E-SHARD-MISSING",
            f"{file.path} is one of {count} parts, and the others cannot be found by its name",
            path=file.path,
            help=f"name the parts as they were: NAME-00001-of-{count:05}.gguf and so on",
        )
    opened: dict[str, tuple[int, Header]] = {}
    for number in range(1, count + 1):
        path = places.join(folder, f"{match[1]}-{number:05}-of-{match[3]}.gguf")
        if number == int(match[2]):
            opened[file.path] = (file.size, header)
        elif places.exists(path):
            with File(path) as part:
                opened[path] = (part.size, read_header(part))
        else:
            raise NotFound(
                "E-SHARD-MISSING",
                f"{path}, a part of {file.path}, is missing",
                path=path,
                help="put it beside the others; the embedding and the vocabulary are in the first parts",
            )
        if EMBEDDING in list(opened.values())[-1][1].tensors:
            break
    opened.setdefault(file.path, (file.size, header))
    return opened


def _tensor(info: TensorInfo, path: str, big_endian: bool, scaled: bool) -> Tensor:
    """A tensor of the header; its elements are read when somebody asks for its rows.

    One that goes with a scale of its own, as those of NVFP4 may, is not read: llama.cpp leaves an embedding's out.
    """
    if info.type not in TYPES:
        return Tensor(info.name, info.shape, f"type {info.type}", quantised=f"type {info.type}")
    name = TYPES[info.type][0]
    if name in PLAIN:
        return Tensor.contiguous(info.name, info.shape, PLAIN[name], path, info.offset, big_endian=big_endian)
    # a block holds several values of the last axis, so that of a vector no element can be read alone
    if len(info.shape) < 2 or 0 in info.shape or scaled or not can_decode(info.type, big_endian):
        return Tensor(info.name, info.shape, name, quantised=name)
    columns = int(np.prod(info.shape[1:], dtype=object))
    source = Quantised(path, info.offset, info.nbytes // info.shape[0], columns, info.type, big_endian)
    return Tensor(info.name, info.shape, name, source=source, files=(path,), quantised=name)
