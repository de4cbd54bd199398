"""MindSpore: what ``mindspore.save_checkpoint`` writes, protobuf messages one after the other (``.ckpt``).

Each message is a Checkpoint with one Value: a name and a TensorProto of sizes, type and bytes. A tensor above 512 MiB
is several Values in a row with the same name and the sizes of the whole. After the last may stand ``crc_num`` and ten
bytes; that checksum is over the whole file and so is not compared.

Sources: mindspore/train/serialization.py and checkpoint_pb2.py. An encrypted file begins with a magic number. What
``append_dict`` adds are scalars, and texts of type ``str``, which are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from charvec.errors import WrongFile
from charvec.plumbing.arrays.flat_pieces import flat_blocks
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.protobuf import LEN, VARINT, Malformed, signed, varint
from charvec.plumbing.protobuf_walker import Walker
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "mindspore"

#: Caps: Values, bytes of names and types in all, bytes of a name by which a file is recognised, axes of a tensor.
MAX_VALUES = 1 << 17
MAX_SEEN = 64 << 20
MAX_NAME = 1000
MAX_AXES = 64
#: Bytes read at once.
WINDOW = 4096

#: How files encrypted with AES-GCM, AES-CBC and SM4-CBC begin.
_ENCRYPTED = (b"\xd8^:\x7f", b"\xd9^:\x7f", b"\xda^:\x7f")
#: The mark before the checksum, and the bytes of both.
_CHECKSUM, _CHECKSUM_BYTES = b"crc_num", 17

#: Wire types of fields by number: of a Checkpoint, a Value and a TensorProto.
_CHECKPOINT = {1: LEN}
_VALUE = {1: LEN, 2: LEN, 3: LEN}
_TENSOR = {1: VARINT, 2: LEN, 3: LEN}
#: How a TensorProto begins: sizes, then the type as a text, then the bytes.
_BEGINS = re.compile(rb"(?:\x08[\x80-\xff]{0,9}[\x00-\x7f]){0,64}\x12([\x03-\x20])([A-Za-z][A-Za-z0-9]*)\x1a")

#: Element types by MindSpore's name where ours is not the same in small letters.
_DTYPES = {"Float8E4M3FN": "float8_e4m3fn", "Float8E5M2": "float8_e5m2"}


class Piece(NamedTuple):
    """A Value: the whole of a tensor or a part of its elements.

    Attributes:
        name, shape, kind: of the tensor; the kind as MindSpore calls it, ``map`` for a table of keys and values.
        offset, size: where the bytes lie.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    offset: int
    size: int


def sniff(file: File) -> bool:
    """A Value with a printable name and a tensor that begins as tensors do, or the mark of an encrypted file."""
    head = file.head
    if head.startswith(_ENCRYPTED):
        return True
    try:
        start, end = _entered(head, 0, 0x0A)
        begin, stop = _entered(head, start, 0x0A)
        if not 0 < stop - begin <= MAX_NAME or not head[begin:stop].decode().isprintable():
            return False
        if head[stop : stop + 1] == b"\x1a":
            return _entered(head, stop, 0x1A)[1] == end
        begin, finish = _entered(head, stop, 0x12)
    except (Malformed, UnicodeDecodeError):
        return False
    match = _BEGINS.match(head, begin)
    return finish == end and match is not None and match[1][0] == len(match[2])


def _entered(head: bytes, position: int, tag: int) -> tuple[int, int]:
    """Where the content of the field at a position begins and ends."""
    if position >= len(head) or head[position] != tag:
        raise Malformed("another field", position)
    size, start = varint(head, position + 1)
    return start, start + size


def read(file: File) -> Checkpoint:
    """Walk over the Values; no element is read.

    Raises:
        WrongFile: ``E-ENCRYPTED``.
        DamagedFile: ``E-MINDSPORE`` or ``E-TRUNCATED``.
    """
    path = file.path
    if file.head.startswith(_ENCRYPTED):
        raise WrongFile(
            "E-ENCRYPTED",
            f"{path} is an encrypted MindSpore checkpoint",
            path=path,
            help="load it with its key where it was made, and save it without one",
        )
    end = file.size
    if end > _CHECKSUM_BYTES and file.pread(end - _CHECKSUM_BYTES, len(_CHECKSUM)) == _CHECKSUM:
        end -= _CHECKSUM_BYTES
    tensors: dict[str, Tensor] = {}
    digest = blake2b(digest_size=32)
    try:
        for pieces in _tensors(_pieces(Walker(file, WINDOW, "tensors"), end)):
            name = pieces[0].name
            if name in tensors:
                raise Malformed(f"the name {name[:80]!r} is there twice", pieces[0].offset)
            if pieces[0].kind != "str":
                tensors[name] = _tensor(path, pieces)
                digest.update(repr((name, tensors[name].shape, tensors[name].dtype)).encode("utf-8", "replace"))
    except Malformed as error:
        raise error.within(path, "E-MINDSPORE", "MindSpore checkpoint") from None
    return Checkpoint(path, NAME, {path: file.size}, tensors, digest.hexdigest())


def _pieces(walker: Walker, end: int) -> Iterator[Piece]:
    """The Values in the order of the file."""
    for count, (number, _, start, stop) in enumerate(walker.fields(0, end, _CHECKPOINT)):
        if number != 1 or count >= MAX_VALUES or len(walker.seen) > MAX_SEEN:
            raise Malformed("something other than a tensor, or more of them than any model has", start)
        name: str | None = None
        piece: Piece | None = None
        for field, _, begin, finish in walker.fields(start, stop, _VALUE):
            if field == 1 and name is None:
                name = walker.text(begin, finish)
            elif field == 2 and piece is None:
                piece = _piece(walker, begin, finish)
            elif field == 3 and piece is None:
                piece = Piece("", (), "map", begin, finish - begin)
            else:
                raise Malformed(f"field {field} where a name or a tensor should be", begin)
        if name is None or piece is None:
            raise Malformed("a tensor without a name, or a name without a tensor", start)
        yield piece._replace(name=name)


def _piece(walker: Walker, start: int, end: int) -> Piece:
    """A TensorProto."""
    sizes: list[int] = []
    kind: str | None = None
    place: tuple[int, int] | None = None
    for number, _, begin, finish in walker.fields(start, end, _TENSOR):
        if number == 1 and len(sizes) < MAX_AXES and signed(begin) >= 0:
            sizes.append(begin)
        elif number == 2 and kind is None:
            kind = walker.text(begin, finish)
        elif number == 3 and place is None:
            place = begin, finish - begin
        else:
            raise Malformed(f"field {number} where sizes, type or bytes of a tensor should be", start)
    if kind is None or place is None:
        raise Malformed("a tensor without type or bytes", start)
    return Piece("", tuple(sizes), kind, *place)


def _tensors(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    """Pieces that follow each other and have the same name."""
    group: list[Piece] = []
    for piece in pieces:
        if group and piece.name != group[0].name:
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _tensor(path: str, pieces: list[Piece]) -> Tensor:
    """The tensor of its pieces."""
    name, shape, kind, offset, _ = pieces[0]
    dtype = _DTYPES.get(kind, kind.lower())
    size = sum(piece.size for piece in pieces)
    if any((piece.shape, piece.kind) != (shape, kind) for piece in pieces):
        raise Malformed(f"the pieces of {name[:80]!r} differ in shape or type", offset)
    if shape == (0,) and size:
        shape = ()  # a scalar to MindSpore when it loads
    if dtype not in ITEM_BYTES:
        return Tensor(name, shape, dtype)
    item = ITEM_BYTES[dtype]
    if prod(shape) * item != size or any(piece.size % item for piece in pieces):
        raise Malformed(f"{name[:80]!r} of shape {list(shape)} and type {kind[:20]} has {size:,} bytes", offset)
    if len(pieces) == 1 or not size:
        return Tensor.contiguous(name, shape, dtype, path, offset)
    places = [(piece.offset, piece.size // item) for piece in pieces]
    return Tensor(name, shape, dtype, flat_blocks(path, places, prod(shape[1:]), item))
