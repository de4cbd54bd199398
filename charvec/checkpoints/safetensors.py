"""safetensors: a JSON header, then the raw bytes of all tensors.

Layout (safetensors README, section "Format"): u64 N, little-endian; N bytes of JSON
``{name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {str: str}}``; data, to which the offsets are
relative. The rules checked here are those of the reference implementation: N at most 100,000,000, no duplicate name,
every range in the file and as long as shape and dtype say, and the ranges tile the data without hole or overlap.
"""

from __future__ import annotations

from typing import Any, NoReturn

from charvec.errors import DamagedFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.safejson import parse
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "safetensors"

#: Cap on the header, as in the reference implementation.
MAX_HEADER = 100_000_000

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
#: Legal in the format, with these bytes an element, but nothing charvec turns into vectors: listed, never read.
OTHER_DTYPES = {"F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "C64": 8}
#: Sub-byte elements: listed, their size not checked.
PACKED_DTYPES = {"F4", "F6_E2M3", "F6_E3M2"}


#: How charvec's own files go on behind the length; they bring their vocabulary.
OWN = b'{"__metadata__":{"charvec":'


def sniff(file: File) -> bool:
    """A length, then a JSON object; a damaged length is still recognised by the opening of the object."""
    head = file.head
    if (
        head[8:].startswith(OWN)
        or head[:4] in (b"GGUF", b"PK\x03\x04", b"\x93NUM", b"\x89HDF")
        or len(head) < 9
        or _is_text(head[:8])
    ):
        return False
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and head[9:10] in (b'"', b"}", b" ", b"\n", b""):
        return True
    return head[8:9] in (b"{", b"[", b" ") and 2 <= length <= file.size - 8


def _is_text(length: bytes) -> bool:
    """Whether the eight bytes are text, as in an error page: no header is so long."""
    return not length.translate(None, b"\t\n\r" + bytes(range(32, 127)))


def read(file: File) -> Checkpoint:
    """Read and check the header.

    Raises:
        DamagedFile: ``E-ST-HEADER``, ``E-ST-SHAPE``, ``E-ST-RANGE``, ``E-ST-HOLE``, ``E-ST-DUPKEY``, ``E-ST-DTYPE``,
            ``E-TRUNCATED`` or ``E-TRAILING``.
    """
    path = file.path

    def refuse(code: str, problem: str) -> NoReturn:
        raise DamagedFile(
            code,
            f"{path}: damaged safetensors file: {problem}",
            path=path,
            help="download the file again; if its writer is at fault, tell its authors",
        )

    length = int.from_bytes(file.pread(0, 8), "little")
    if length > MAX_HEADER:
        refuse("E-ST-HEADER", f"the header claims {length:,} bytes; the format allows {MAX_HEADER:,}")
    if 8 + length > file.size:
        refuse("E-ST-HEADER", f"the header claims {length:,} bytes; the file has {file.size:,}")
    raw = file.pread(8, length)
    header = parse(raw, path, code="E-ST-HEADER", what="safetensors header", duplicate="E-ST-DUPKEY", cut="E-ST-HEADER")
    if not isinstance(header, dict):
        refuse("E-ST-HEADER", "the header is not a JSON object")

    data_start = 8 + length
    tensors: dict[str, Tensor] = {}
    ranges: list[tuple[int, int, str]] = []
    metadata: dict[str, str] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            metadata = _metadata(entry, refuse)
            continue
        dtype, shape, begin, end = _entry(name, entry, refuse)
        if dtype in DTYPES:
            item, known = ITEM_BYTES[DTYPES[dtype]], DTYPES[dtype]
        elif dtype in OTHER_DTYPES:
            item, known = OTHER_DTYPES[dtype], ""
        elif dtype in PACKED_DTYPES:
            item, known = 0, ""
        else:
            refuse("E-ST-DTYPE", f"tensor {name[:80]!r} has the unknown dtype {dtype[:20]!r}")
        elements = 1
        for size in shape:
            elements *= size
        if item and elements * item != end - begin:
            _check_end(file, data_start + end, name, refuse)
            refuse(
                "E-ST-SHAPE",
                f"tensor {name[:80]!r} of shape {list(shape)} and dtype {dtype} needs {elements * item:,} bytes, "
                f"its range has {end - begin:,}",
            )
        ranges.append((begin, end, name))
        if known:
            tensors[name] = Tensor.contiguous(name, shape, known, path, data_start + begin)
        else:
            tensors[name] = Tensor(name, shape, dtype.lower())

    position = 0
    for begin, end, name in sorted(ranges):
        if begin > position:
            _check_end(file, data_start + end, name, refuse)
            refuse("E-ST-HOLE", f"{begin - position:,} bytes before tensor {name[:80]!r} belong to none")
        if begin < position:
            refuse("E-ST-RANGE", f"tensor {name[:80]!r} overlaps the one before it")
        position = end
    _check_size(file, data_start + position)
    # safetensors.torch.save_model stores tied weights once, and notes the other names as {other name: stored name}
    aliases = {other: name for other, name in metadata.items() if name in tensors and other not in tensors}
    digest = blake2b(raw, digest_size=32).hexdigest()
    return Checkpoint(path, NAME, {path: file.size}, tensors, digest, aliases=aliases)


def _metadata(entry: Any, refuse: Any) -> dict[str, str]:
    if entry is None:
        return {}
    if not isinstance(entry, dict) or not all(isinstance(text, str) for text in entry.values()):
        refuse("E-ST-HEADER", "__metadata__ is not an object of strings")
    return dict(entry)


def _entry(name: str, entry: Any, refuse: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Types of one header entry; bool is an int in Python, so types are compared exactly. Further keys are ignored."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        refuse("E-ST-HEADER", f"the entry of tensor {name[:80]!r} is not {{dtype, shape, data_offsets}}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str):
        refuse("E-ST-DTYPE", f"the dtype of tensor {name[:80]!r} is not a string")
    if not isinstance(shape, list) or len(shape) > 8 or any(type(size) is not int or size < 0 for size in shape):
        refuse("E-ST-SHAPE", f"the shape of tensor {name[:80]!r} is not a list of up to 8 sizes")
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(place) is not int for place in offsets):
        refuse("E-ST-RANGE", f"the data_offsets of tensor {name[:80]!r} are not two integers")
    begin, end = offsets
    if not 0 <= begin <= end:
        refuse("E-ST-RANGE", f"the range of tensor {name[:80]!r} is {begin} to {end}")
    return dtype, tuple(shape), begin, end


def _check_end(file: File, end: int, name: str, refuse: Any) -> None:
    """Of a header that is wrong anyway, say rather that a tensor lies past the end, if one does."""
    if end > file.size:
        refuse("E-ST-RANGE", f"tensor {name[:80]!r} lies past the end of the file")


def _check_size(file: File, expected: int) -> None:
    """Ranges that tile the data but not to the end of the file are those of a file cut short, or one added to."""
    if file.size == expected:
        return
    if file.size > expected:
        raise DamagedFile(
            "E-TRAILING",
            f"{file.path} has {file.size - expected:,} bytes after its last tensor",
            path=file.path,
            offset=expected,
            help="download the file again; something was appended to it",
        )
    known = f"{file.size:,} of {expected:,} bytes"
    raise cut_short(file.path, file.size, f": {known} present", known)
