"""PyTorch: what ``torch.save`` writes, a pickled state dict and the bytes of its storages.

Since 1.6 a zip file: ``<root>/data.pkl``, one stored member ``<root>/data/<key>`` for each storage, and
``<root>/byteorder``. Before, a stream: five pickles (magic number, protocol version, system, state dict, list of
storage keys), then for each key of the list an i64 count of elements and the elements, little-endian on every machine.
In 0.1 a tar file; not read.

Pickles run in :mod:`charvec.plumbing.pickles.unpickle`, which imports and calls nothing. Files that are only a pickle
are recognised as well, because they are handed around under the same names and must not be opened with anything less
careful.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import NoReturn

from charvec.errors import DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.pickles.torch_pickle import (
    ELEMENT_BYTES,
    StateDict,
    Storage,
    StridedTensor,
    WrappedTensor,
    read_state_dict,
)
from charvec.plumbing.pickles.unpickle import Handler, Inert, load
from charvec.plumbing.zips import Zip
from charvec.tensor import ITEM_BYTES, Block, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "pytorch"

#: A pickle of the number 0x1950a86a20f9469cfc6c.
MAGIC = bytes.fromhex("80 02 8a 0a 6c fc 9c 46 f9 20 6a a8 50 19 2e")
PROTOCOL_VERSION = 1001
#: Bytes of the pickles of an old stream, read in growing portions because they do not tell their length.
FIRST_PORTION, MAX_PICKLES = 1 << 20, 64 << 20

#: First members of zip files, or folders of them, that other programs write.
_OTHER_ZIPS = re.compile(
    rb".*\.npy|config\.json|metadata\.json|model\.weights\.h5|mimetype|\[Content_Types\]\.xml|META-INF/.*", re.DOTALL
)
_TAR_MEMBERS = (b"sys_info\0", b"pickle\0", b"storages\0", b"tensors\0")

#: Where the elements of a storage are in the file.
Locate = Callable[[Storage], int]


def sniff(file: File) -> bool:
    """A zip file nobody else would know, the magic number, or a pickle, but of NumPy arrays, which are Paddle's."""
    head = file.head
    if head.startswith(b"PK\x03\x04"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        return not _OTHER_ZIPS.fullmatch(name)
    return head.startswith(MAGIC) or _is_old_tar(head) or _is_pickle(file)


def _is_old_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar" and head.startswith(_TAR_MEMBERS)


def _is_pickle(file: File) -> bool:
    """Whether the first bytes run as a pickle; with every name allowed, and still none of them called."""
    head = file.head
    if head[:1] == b"\x80":
        # imported here: of zip files, by far the most common, nothing is asked
        from charvec.plumbing.pickles.array_pickle import holds_arrays, is_binary_pickle

        return is_binary_pickle(head) and not holds_arrays(file)
    # protocols 0 and 1 have no mark, only these beginnings; a text may begin with c as well, but names hold no blanks
    if not re.match(rb"[(\]}]|c[^\s]+\n", head):
        return False
    names: defaultdict[tuple[str, str], Handler | None] = defaultdict(lambda: _inert)
    try:
        return load(head, file.path, allowed=names, persistent=_inert).end == file.size
    except UnsafeFile:
        return True
    except DamagedFile as error:
        return error.offset == len(head) < file.size


def _inert(*_: object) -> Inert:
    return Inert()


def read(file: File) -> Checkpoint:
    """Read the pickle and find the storages; no element is read.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when the pickle names anything but tensors, or anything follows it; ``E-BOMB``.
        DamagedFile: ``E-PICKLE``, ``E-PT-ZIP``, ``E-PT-STORAGE``, ``E-TRUNCATED`` or ``E-TRAILING``.
        WrongFile: ``E-FORMAT`` for a pickle or a tar file that holds no state dict.
    """
    if file.head.startswith(b"PK"):
        return _read_zip(file)
    if file.head.startswith(MAGIC):
        return _read_stream(file)
    return _refuse_pickle(file)


def _read_zip(file: File) -> Checkpoint:
    archive = Zip(file, "E-PT-ZIP")
    pickles = [name for name in archive.members if name.endswith("/data.pkl") and name.count("/") == 1]
    if not pickles and any(name.endswith("/archive_format") for name in archive.members):
        raise WrongFile(
            "E-FORMAT",
            f"{file.path} is a program that torch.export wrote, which charvec does not read",
            path=file.path,
            help="save the state dict, not the program: torch.save(model.state_dict(), ...)",
        )
    if len(pickles) != 1:
        archive.refuse(f"it has {len(pickles)} members */data.pkl; torch.save writes one")
    root = pickles[0].removesuffix("data.pkl")
    data = archive.content(archive.members[pickles[0]])
    state = read_state_dict(data, file.path, base=archive.data_offset(archive.members[pickles[0]]))
    if state.end != len(data):
        _refuse_tail(file, len(data) - state.end)
    order = b"little"
    if f"{root}byteorder" in archive.members:
        order = archive.content(archive.members[f"{root}byteorder"])
    if order not in (b"little", b"big"):
        archive.refuse(f"the byte order is {order[:20]!r}")

    offsets: dict[str, int] = {}
    for key, storage in state.storages.items():
        member = archive.members.get(f"{root}data/{key}")
        if member is None:
            _refuse_storage(file, f"the storage {key[:40]!r} is not in the file")
        offsets[key] = archive.stored_offset(member)
        if member.size < storage.nbytes:
            _refuse_storage(file, f"the storage {key[:40]!r} has {member.size:,} bytes, not {storage.nbytes:,}")
    return _checkpoint(file, data, state, offsets, big_endian=order == b"big")


def _read_stream(file: File) -> Checkpoint:
    size = min(file.size, FIRST_PORTION)
    while True:
        data = file.pread(0, size)
        try:
            state, keys, end = _stream_pickles(data, file.path)
            break
        except DamagedFile as error:
            if error.offset != size:
                raise
            if size == file.size:
                raise cut_short(file.path, file.size, ", in its pickles") from None
            if size == MAX_PICKLES:
                raise
        size = min(file.size, 8 * size, MAX_PICKLES)

    offsets: dict[str, int] = {}
    position = end
    for key in keys:
        storage = state.storages.get(key)
        if storage is None or key in offsets:
            _refuse_storage(file, f"the storage {key[:40]!r} is listed twice or used by no tensor")
        if position + 8 + storage.nbytes > file.size:
            raise cut_short(file.path, file.size, f", in the storage {key[:40]!r}")
        count = int.from_bytes(file.pread(position, 8), "little", signed=True)
        if count * ELEMENT_BYTES[storage.dtype] != storage.nbytes:
            _refuse_storage(file, f"the storage {key[:40]!r} has {count:,} elements, not as many as the pickle says")
        offsets[key] = position + 8
        position += 8 + storage.nbytes
    absent = state.storages.keys() - offsets.keys()
    if absent:
        _refuse_storage(file, f"the storage {min(absent)[:40]!r} is not in the file")
    if position != file.size:
        if file.pread(position, 1) in (b"\x80", b"c", b"("):
            _refuse_tail(file, file.size - position)
        raise DamagedFile(
            "E-TRAILING",
            f"{file.path} has {file.size - position:,} bytes after its last storage",
            path=file.path,
            offset=position,
            help="download the file again; something was appended to it",
        )
    return _checkpoint(file, data[:end], state, offsets, big_endian=False)


def _stream_pickles(data: bytes, path: str) -> tuple[StateDict, list[str], int]:
    """The state dict, the keys of the storages in the order of the file, and where the pickles end."""

    def damaged(problem: str, offset: int) -> NoReturn:
        raise DamagedFile(
            "E-PICKLE", f"{path}: {problem}", path=path, offset=offset, help="download or save the file again"
        )

    version, end = load(data, path, allowed={}, start=len(MAGIC), what="protocol version")
    if version != PROTOCOL_VERSION:
        damaged(f"the protocol version is not {PROTOCOL_VERSION}", len(MAGIC))
    _, end = load(data, path, allowed={}, start=end, what="system description")
    state = read_state_dict(data, path, start=end)
    keys, end = load(data, path, allowed={}, start=state.end, what="list of storages")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        damaged("the list of storages is no list of texts", state.end)
    return state, keys, end


def _checkpoint(
    file: File, pickles: bytes, state: StateDict, offsets: dict[str, int], *, big_endian: bool
) -> Checkpoint:
    tensors: dict[str, Tensor] = {}
    for name, view in state.tensors.items():
        if isinstance(view, WrappedTensor):
            tensors[name] = Tensor(name, view.shape, view.kind)
            continue
        _check_extent(file, name, view)
        start = offsets[view.storage.key] + view.storage.start
        tensors[name] = Tensor(name, view.shape, view.dtype, _blocks(file.path, start, view, big_endian))
    digest = blake2b(pickles, digest_size=32).hexdigest()
    return Checkpoint(file.path, NAME, {file.path: file.size}, tensors, digest)


def _check_extent(file: File, name: str, view: StridedTensor) -> None:
    sizes = (view.offset, *view.shape, *view.strides)
    last = view.offset + sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    available = view.storage.length // ELEMENT_BYTES[view.dtype]
    if min(sizes) < 0 or (0 not in view.shape and last >= available):
        _refuse_storage(
            file,
            f"tensor {name[:80]!r} of shape {list(view.shape)[:8]}, strides {list(view.strides)[:8]} and offset "
            f"{view.offset} does not fit into its storage of {available:,} elements",
        )


def _blocks(path: str, start: int, view: StridedTensor, big_endian: bool) -> tuple[Block, ...]:
    """The tensor as one block, if its columns, all axes but the first, lie at equal distances."""
    if view.dtype not in ITEM_BYTES:
        return ()
    item = ITEM_BYTES[view.dtype]
    shape: tuple[int, ...] = view.shape or (1,)
    strides: tuple[int, ...] = view.strides or (1,)
    rows: int = shape[0]
    columns: int = prod(shape[1:])
    if rows * columns == 0:
        return (Block(path, start, rows, columns, columns * item, item, big_endian=big_endian),)
    inner = [(size, stride) for size, stride in zip(shape[1:], strides[1:], strict=True) if size > 1]
    for (_, outer), (size, stride) in pairwise(inner):
        if outer != size * stride:
            return ()
    column_stride = inner[-1][1] * item if inner else item
    row_stride = strides[0] * item if rows > 1 else columns * item
    offset = start + view.offset * item
    return (Block(path, offset, rows, columns, row_stride, column_stride, big_endian=big_endian),)


def _refuse_pickle(file: File) -> NoReturn:
    """Neither container: run it all the same, so that what it wants is named."""
    if not _is_old_tar(file.head):
        data = file.pread(0, min(file.size, MAX_PICKLES))
        try:
            end = read_state_dict(data, file.path).end
        except DamagedFile as error:
            if not error.offset == len(data) < file.size:
                raise
            end = file.size
        if end != file.size:
            _refuse_tail(file, file.size - end)
    kind = "a tar file of PyTorch 0.1" if _is_old_tar(file.head) else "a bare pickle, not a file of torch.save"
    raise WrongFile(
        "E-FORMAT",
        f"{file.path} is {kind}",
        path=file.path,
        help="load it where it was made, and save the weights with safetensors.torch.save_file or torch.save",
    )


def _refuse_tail(file: File, count: int) -> NoReturn:
    raise UnsafeFile(
        "E-PICKLE-UNSAFE",
        f"{file.path}: {count:,} bytes follow the end of the state dict, where nothing should be",
        path=file.path,
        help="do not open this file with anything that unpickles; ask its maker for the weights as safetensors",
    )


def _refuse_storage(file: File, problem: str) -> NoReturn:
    raise DamagedFile(
        "E-PT-STORAGE",
        f"{file.path}: damaged PyTorch file: {problem}",
        path=file.path,
        help="download the file again; if its writer is at fault, ask for the weights as safetensors",
    )
