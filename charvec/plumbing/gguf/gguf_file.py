"""Plumbing: the header of a GGUF file, versions 2 and 3, in either byte order.

Layout (ggml, docs/gguf.md): ``GGUF``, u32 version, u64 number of tensors, u64 number of key-value pairs; the pairs; the
tensor infos: name, u32 number of dimensions, their u64 sizes (innermost first), u32 type, u64 offset; then, from the
next multiple of ``general.alignment``, the data, to which the offsets are relative. A string is a u64 length and UTF-8,
an array a u32 type, a u64 length and the elements. All numbers of a file have one byte order; that of the version, a
small number, tells which.

The header of a model holds its tokenizer, some hundred thousand strings; it is read once, in portions, and the strings
are cut out of one buffer when they are asked for.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from math import prod
from typing import Any, Literal, NoReturn, overload

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.gguf.gguf_types import TYPES
from charvec.valueclass import dataclass

__all__ = ["MAGIC", "Header", "Strings", "TensorInfo", "read_header"]

MAGIC = b"GGUF"

#: Caps. The largest headers known, of vocabularies of 262,144 pieces, have some 15 MB.
MAX_HEADER = 1 << 28
MAX_ITEMS = 1 << 20  # tensors, key-value pairs
MAX_NAME = (1 << 16) - 1  # bytes of a key, as the specification says, and of a name
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_ALIGNMENT = 1 << 20
MAX_DEPTH = 4  # arrays in arrays, which the specification allows and nobody writes

#: Bytes read at once at most.
PORTION = 1 << 20

#: numpy's letters for the plain value types; 8 is a string, 9 an array.
_PLAIN = {0: "u1", 1: "i1", 2: "u2", 3: "i2", 4: "u4", 5: "i4", 6: "f4", 7: "?", 10: "u8", 11: "i8", 12: "f8"}
_STRING, _ARRAY = 8, 9
#: Takes the place of the length of a string; tokens hardly ever hold it.
_MARK = "\n\x01\x02\x03\x04\x05\x06\x07"
#: Fewest bytes of a value inside an array, by type.
_LEAST = {**{kind: np.dtype(code).itemsize for kind, code in _PLAIN.items()}, _STRING: 8, _ARRAY: 12}


class Strings(Sequence[bytes]):
    """An array of strings, as bytes; each is cut out of the buffer when it is asked for.

    ``list(strings)`` cuts 152,000 of them in some 20 ms.
    """

    def __init__(self, raw: bytes | bytearray, start: int, ends: array[int]) -> None:
        """Take the header, where the array begins in it, and how far from there each string ends."""
        self._raw, self._start, self._ends = raw, start, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        start = self._ends[place - 1] if place else 0
        return bytes(self._raw[self._start + start + 8 : self._start + self._ends[place]])

    def __iter__(self) -> Iterator[bytes]:
        # slices of bytes are bytes; those of the buffer would have to be converted one by one
        raw, ends = self._bytes(), self._ends
        return (raw[start + 8 : end] for start, end in zip(chain((0,), ends), ends, strict=False))

    def are_text(self) -> bool:
        """Whether each is UTF-8; told of all at once, a third of the time it takes to cut them."""
        stored = self._marked()
        return _is_short_utf8(stored) or _decoded(stored) is not None

    def texts(self) -> list[str] | None:
        """All of them as text; None when one is not UTF-8. A third of the time it takes to cut and decode each."""
        joined = _decoded(self._marked())
        if joined is None:
            return None
        texts = joined.split(_MARK)
        # the mark cannot overlap with itself, so this number of them says that each is one of ours
        return texts[1:] if len(texts) == len(self) + 1 else [string.decode() for string in self]

    def _marked(self) -> NDArray[np.uint8]:
        """The array, a mark in place of each length."""
        stored: NDArray[np.uint8] = np.frombuffer(self._bytes(), np.uint8).copy()
        begins = np.frombuffer(array("q", (0,)) + self._ends, np.int64)[: len(self)]
        for step, byte in enumerate(_MARK.encode()):
            stored[begins + step] = byte  # no part of a longer character, so none reaches from one to the next
        return stored

    def _bytes(self) -> bytes:
        """The array, each string behind its length."""
        return bytes(memoryview(self._raw)[self._start : self._start + (self._ends[-1] if self._ends else 0)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Strings) and self._bytes() == other._bytes()

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"<{len(self):,} strings>"


def _is_short_utf8(data: NDArray[np.uint8]) -> bool:
    """Whether it is UTF-8 with characters of one and two bytes only, as all of byte-level BPE is.

    Decoding tells it of other texts as well, but takes 25 ms for 152,000 tokens, this 2.
    """
    follows = data & 0xC0 == 0x80
    leads = (data >= 0xC2) & (data < 0xE0)
    pairs = bool((follows[1:] == leads[:-1]).all()) and not follows[:1].any() and not leads[-1:].any()
    return pairs and bool(((data < 0x80) | follows | leads).all())


def _decoded(data: NDArray[np.uint8]) -> str | None:
    try:
        return str(data.data, "utf-8")
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True)
class TensorInfo:
    """A tensor as the header describes it.

    Attributes:
        name: its name.
        shape: sizes, outermost first, so that a row of an embedding is the last axis.
        type: number of its type, a key of :data:`charvec.plumbing.gguf.gguf_types.TYPES`, or one that charvec does not
            know.
        offset: where its data begin in the file.
        nbytes: bytes of its data; -1 when the type is not known.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Header:
    """The header of a GGUF file.

    Attributes:
        version: 2 or 3.
        big_endian: byte order of all numbers in the file, also of those inside quantised blocks.
        values: by key: int, float, bool, str; for arrays of numbers a NumPy array in the machine's byte order, for
            arrays of strings :class:`Strings`, for arrays of arrays a list.
        tensors: by name, in the order of the file.
        size: bytes of the header, without padding.
        digest: BLAKE2b-256 (hex) of these bytes.
    """

    version: int
    big_endian: bool
    values: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    size: int
    digest: str


#: The header that was read last, until it is asked for again: a model is opened for its matrix, then for its tokenizer.
_handed_on: dict[object, Header] = {}


def read_header(file: File) -> Header:
    """Read and check the header; of the data, that they lie inside the file and do not overlap.

    Raises:
        DamagedFile: ``E-GGUF``; ``E-TRUNCATED`` when the file ends before the header or the data do.
    """
    identity = file.identity
    header = _handed_on.pop(identity, None)
    if header is None:
        header = _read(file)
        _handed_on.clear()
        if identity is not None:
            _handed_on[identity] = header
    return header


def _read(file: File) -> Header:
    if file.head[:4] != MAGIC:
        _refuse(file, "it does not begin with GGUF", 0)
    if file.size < 24:
        raise cut_short(file.path, file.size, " inside its header")
    version, big_endian = int.from_bytes(file.head[4:8], "little"), False
    if version and not version & 0xFFFF:
        version, big_endian = int.from_bytes(file.head[4:8], "big"), True
    if version not in (2, 3):
        old = "files of version 1 are no longer in use; convert the model anew" if version == 1 else ""
        _refuse(file, f"version {version}; versions 2 and 3 are read", 4, old)
    cursor = _Cursor(file, 8, ">" if big_endian else "<")
    tensor_count = cursor.count("tensors", MAX_ITEMS, 24)
    pair_count = cursor.count("key-value pairs", MAX_ITEMS, 13)
    values: dict[str, Any] = {}
    for _ in range(pair_count):
        start = cursor.position
        key = cursor.name("key")
        if key in values:
            _refuse(file, f"the key {key[:80]!r} stands twice", start)
        values[key] = cursor.value(cursor.number("I"), key)
    alignment = values.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        _refuse(file, f"general.alignment is {str(alignment)[:40]}, not a power of two up to {MAX_ALIGNMENT:,}")
    infos = [_tensor_info(cursor) for _ in range(tensor_count)]
    size = cursor.position
    tensors = _placed(file, infos, -(-size // alignment) * alignment, alignment)
    digest = blake2b(memoryview(cursor.raw)[:size], digest_size=32).hexdigest()
    return Header(version, big_endian, values, tensors, size, digest)


def _refuse(file: File, problem: str, offset: int | None = None, help: str = "") -> NoReturn:
    raise DamagedFile(
        "E-GGUF",
        f"{file.path}: damaged GGUF file: {problem}",
        path=file.path,
        offset=offset,
        help=help or "download the file again; if its writer is at fault, tell its authors",
    )


class _Cursor:
    """Reads the header from its beginning to its end.

    Attributes:
        raw: what was read of the file so far.
        position: where the next value begins.
    """

    def __init__(self, file: File, position: int, order: Literal["<", ">"]) -> None:
        self.file, self.position, self.order = file, position, order
        self.raw = bytearray(file.head)
        self._formats = {code: struct.Struct(order + code) for code in "IQ"}

    def need(self, end: int) -> None:
        """Have the bytes up to ``end``.

        Raises:
            DamagedFile: when the file has fewer, or no header is so long.
        """
        if end <= len(self.raw):
            return
        if end > MAX_HEADER:
            _refuse(self.file, f"a header of more than {MAX_HEADER:,} bytes", self.position)
        if end > self.file.size:
            raise cut_short(self.file.path, self.file.size, " inside its header")
        while end > len(self.raw):
            # growing portions: few reads, and little is read that is not needed
            portion = min(max(len(self.raw), 1 << 16), PORTION)
            self.raw += self.file.pread(len(self.raw), min(portion, self.file.size - len(self.raw)))

    def number(self, code: str) -> int:
        """An unsigned integer of 4 (I) or 8 (Q) bytes."""
        layout = self._formats[code]
        self.need(self.position + layout.size)
        (value,) = layout.unpack_from(self.raw, self.position)
        self.position += layout.size
        return int(value)

    def count(self, what: str, limit: int, least: int) -> int:
        """A number of things, each of which takes at least so many bytes."""
        start = self.position
        count = self.number("Q")
        if count > limit or count * least > MAX_HEADER:
            _refuse(self.file, f"it claims {count:,} {what}", start)
        if count * least > self.file.size - self.position:
            raise cut_short(self.file.path, self.file.size, f": it claims {count:,} {what}")
        return count

    def bytes(self, limit: int, what: str) -> bytes:
        """A string, as bytes."""
        length = self.count(f"bytes of {what}", limit, 1)
        self.need(self.position + length)
        self.position += length
        return bytes(self.raw[self.position - length : self.position])

    def name(self, what: str) -> str:
        """A key, or the name of a tensor."""
        start = self.position
        try:
            return self.bytes(MAX_NAME, f"a {what}").decode()
        except UnicodeDecodeError:
            _refuse(self.file, f"a {what} is not UTF-8", start)

    def value(self, kind: int, key: str, depth: int = 0) -> Any:
        """The value of a key."""
        if kind in _PLAIN:
            return self._numbers(kind, 1)[0].item()
        if kind == _STRING:
            return self.bytes(MAX_HEADER, "text").decode("utf-8", "replace")
        if kind != _ARRAY:
            _refuse(self.file, f"{key[:80]!r} has the unknown type {kind}", self.position)
        if depth == MAX_DEPTH:
            _refuse(self.file, f"{key[:80]!r} holds arrays nested more than {MAX_DEPTH} deep", self.position)
        inner = self.number("I")
        if inner not in _LEAST:
            _refuse(self.file, f"{key[:80]!r} is an array of the unknown type {inner}", self.position)
        count = self.count(f"elements of {key[:80]!r}", MAX_HEADER, _LEAST[inner])
        if inner in _PLAIN:
            return self._numbers(inner, count)
        if inner == _STRING:
            return self._strings(count)
        return [self.value(inner, key, depth + 1) for _ in range(count)]

    def _numbers(self, kind: int, count: int) -> Any:
        dtype = np.dtype(_PLAIN[kind])
        start, self.position = self.position, self.position + count * dtype.itemsize
        self.need(self.position)
        # a byte that is neither 0 nor 1 is true as well
        stored = np.dtype("u1") if kind == 7 else dtype.newbyteorder(self.order)
        return np.frombuffer(bytes(self.raw[start : self.position]), stored).astype(dtype, copy=False)

    def _strings(self, count: int) -> Strings:
        start = position = self.position
        unpack = self._formats["Q"].unpack_from
        ends = array("q")
        while len(ends) < count:
            position += self._short_strings(count - len(ends), position, position - start, ends)
            raw = self.raw
            try:
                for _ in repeat(None, count - len(ends)):
                    (length,) = unpack(raw, position)
                    position += 8 + length
                    ends.append(position - start)
            except (struct.error, OverflowError):
                if position > MAX_HEADER:
                    _refuse(self.file, "a string longer than any header", self.position)
                self.need(position + 8)
        if position > MAX_HEADER:
            _refuse(self.file, "a string longer than any header", self.position)
        self.need(position)
        self.position = position
        return Strings(self.raw, start, ends)

    def _short_strings(self, count: int, position: int, base: int, ends: array[int]) -> int:
        """Add the ends of the next strings, as far as all are shorter than 256 bytes and read already.

        The upper seven bytes of such a length are zeros, which tokens hardly ever hold. So all places that look like a
        length are found at once, and held against each other: each string has to end where the next length is. Where
        one does not, the rest is left to the loop; 152,000 strings take 5 ms instead of 25.

        Args:
            count: strings at most.
            position: where the next length is.
            base: what is added to an end.
            ends: the list.

        Returns:
            bytes of the strings whose ends were added.
        """
        raw = np.frombuffer(self.raw, np.uint8, offset=min(position, len(self.raw)))[: 256 * count + 8]
        if count < 64 or len(raw) < 64:
            return 0
        zero = raw == 0
        two = zero[:-1] & zero[1:]
        four = two[:-2] & two[2:]
        (places,) = np.nonzero(four[:-3] & four[3:])  # seven zeros begin here
        if self.order == "<":
            places = places[places > 0] - 1
        places = places[places + 8 <= len(raw)]
        if not len(places) or places[0] != 0:
            return 0
        after = places + 8 + raw[places if self.order == "<" else places + 7]
        wrong = np.flatnonzero(after[:-1] != places[1:])
        after = after[: min(count, int(wrong[0]) + 1 if len(wrong) else len(after))]
        ends.frombytes((after + base).astype(np.int64).tobytes())
        return int(after[-1])


def _tensor_info(cursor: _Cursor) -> TensorInfo:
    """A tensor info, its offset still as the file has it, relative to where the data begin."""
    file, start = cursor.file, cursor.position
    name = cursor.name("name of a tensor")
    dimensions = cursor.number("I")
    if dimensions > MAX_DIMENSIONS:
        _refuse(file, f"tensor {name[:80]!r} has {dimensions:,} dimensions", start)
    shape = tuple(cursor.number("Q") for _ in range(dimensions))[::-1]
    kind, offset = cursor.number("I"), cursor.number("Q")
    elements = prod(shape)
    if max(shape, default=0) >> 63 or elements >> 63:
        _refuse(file, f"tensor {name[:80]!r} has the shape {list(shape)}", start)
    if kind not in TYPES:
        return TensorInfo(name, shape, kind, offset, -1)
    type_name, values, size = TYPES[kind]
    if (shape[-1] if shape else 1) % values:
        _refuse(file, f"tensor {name[:80]!r} has rows of {shape[-1:]} values, {type_name} has {values} a block", start)
    return TensorInfo(name, shape, kind, offset, elements // values * size)


def _placed(file: File, infos: list[TensorInfo], data: int, alignment: int) -> dict[str, TensorInfo]:
    """The tensors by name, each with its place in the file."""
    tensors: dict[str, TensorInfo] = {}
    for info in infos:
        if info.name in tensors:
            _refuse(file, f"the tensor {info.name[:80]!r} stands twice")
        if info.offset % alignment or info.offset >> 63:
            _refuse(file, f"tensor {info.name[:80]!r} begins at {info.offset:,}, no multiple of {alignment:,}")
        tensors[info.name] = TensorInfo(info.name, info.shape, info.type, data + info.offset, info.nbytes)
    end, before = data, ""
    for info in sorted(tensors.values(), key=lambda info: (info.offset, info.nbytes)):
        if info.offset < end:
            _refuse(file, f"tensor {info.name[:80]!r} overlaps {before[:80]!r}", info.offset)
        end, before = info.offset + max(info.nbytes, 0), info.name
    # a file that is only a tokenizer ends with its header, without padding before data that it has not
    if infos and end > file.size:
        raise cut_short(file.path, file.size, f": {file.size:,} of {end:,} bytes present")
    return tensors
