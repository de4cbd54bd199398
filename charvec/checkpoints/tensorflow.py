"""TensorFlow: bundles of an index and data files, by ``tf.train.Saver``, ``tf.train.Checkpoint`` and SavedModel.

Layout (tensorflow/core/util/tensor_bundle): ``X.index`` is a LevelDB table. Its key ``""`` holds a BundleHeaderProto,
every other key is the name of a tensor and holds a BundleEntryProto, which says at which byte of which
``X.data-0000i-of-0000n`` the elements lie, row-major and unaligned. A partitioned variable has an entry that lists its
slices, and one more entry for each slice under a binary key. TensorFlow 2 names tensors by their path through Python
objects; the object graph, a string tensor, gives the variables' own names, kept in ``Checkpoint.full_names``.

Only the index is read here, of the data files only their sizes and the object graph. When no data file is there at all,
:func:`read` raises ``E-SHARD-MISSING``; when some are, the tensors of a missing one are listed like all others, and
reading their rows finds that :attr:`charvec.tensor.Block.path` does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from charvec.errors import CharvecError, DamagedFile, Note, NotFound
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short, unrecognised
from charvec.plumbing.protobuf import Malformed, varint
from charvec.plumbing.tensorflow.crc32c import crc32c, masked
from charvec.plumbing.tensorflow.leveldb import FOOTER, MAGIC
from charvec.plumbing.tensorflow.tensorbundle import Entry, Extents, Index, graph_names, parse, slice_key
from charvec.plumbing.tensorflow.tensorslices import first_column, is_first_version, slice_lengths, tile
from charvec.tensor import ITEM_BYTES, Block, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "tensorflow"

#: Caps on an index and on an object graph.
MAX_INDEX = 1 << 26
MAX_GRAPH = 1 << 26
#: The tensor that holds the object graph.
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def sniff(file: File) -> bool:
    """A table's magic at the end, but not the beginning of a checkpoint of the first version.

    The one place where a name is consulted: of a file called ``*.index`` that is nothing else charvec knows, such as
    one cut short, it is more helpful to say that this index is damaged than that its format is unknown.
    """
    if file.head[:4] in (b"PK\x03\x04", b"\x89HDF", b"GGUF", b"\x93NUM"):
        return False
    try:
        if file.size >= FOOTER and file.pread(file.size - len(MAGIC), len(MAGIC)) == MAGIC:
            return not is_first_version(file.head)
    except CharvecError:
        return False
    return file.path.endswith(".index") and unrecognised(file, "").code == "E-FORMAT" and not _is_text(file.head)


def _is_text(head: bytes) -> bool:
    return not head.translate(None, bytes(range(32, 256)) + b"\t\n\r")


def read(file: File) -> Checkpoint:
    """Read and check the index, the sizes of the data files, and the object graph if there is one.

    Raises:
        DamagedFile: ``E-TF-INDEX`` or ``E-TRUNCATED``.
        WrongFile: ``E-LFS-POINTER`` for a data file that is one; ``E-TOO-LARGE``.
        NotFound: ``E-SHARD-MISSING`` when there is no data file.
    """
    path = file.path
    raw = file.whole(MAX_INDEX, "a TensorFlow index")
    try:
        index = parse(raw)
        tensors = {name: _tensor(name, entry, index, path) for name, entry in index.tensors.items()}
    except Malformed as error:
        place = "" if error.offset is None else f" (at byte {error.offset:,})"
        raise DamagedFile(
            "E-TF-INDEX",
            f"{path}: damaged TensorFlow index: {error}{place}",
            path=path,
            offset=error.offset,
            help="download or copy the .index file again",
        ) from None
    shards = _shards(path, index)
    full_names, notes = _full_names(index, path)
    return Checkpoint(
        path,
        NAME,
        {path: file.size, **shards},
        tensors,
        blake2b(raw, digest_size=32).hexdigest(),
        full_names=full_names,
        notes=notes,
    )


def _tensor(name: str, entry: Entry, index: Index, path: str) -> Tensor:
    if entry.dtype not in ITEM_BYTES:
        return Tensor(name, entry.shape, entry.dtype)
    if not entry.slices:
        shard = _shard_path(path, entry.shard, index.shards)
        return Tensor.contiguous(name, entry.shape, entry.dtype, shard, entry.offset, big_endian=index.big_endian)
    try:
        blocks = [_block(name, extents, entry, index, path) for extents in entry.slices]
    except Malformed as error:
        raise Malformed(f"the partitioned variable {name[:80]!r}: {error}", entry.place) from None
    tensor = Tensor(name, entry.shape, entry.dtype)
    known = [block for block in blocks if block is not None]
    if len(known) < len(blocks):
        return tensor
    filled = [block for block in known if block.rows * block.columns]
    filled.sort(key=lambda block: (block.row, block.column))
    if not tile(filled, tensor.rows, tensor.columns):
        raise Malformed(f"the slices of {name[:80]!r} leave a hole or overlap", entry.place)
    return Tensor(name, entry.shape, entry.dtype, tuple(filled))


def _block(name: str, extents: Extents, whole: Entry, index: Index, path: str) -> Block | None:
    """Where a slice lies; None when its columns are not neighbours, which takes a split along axis 2 or later."""
    lengths = slice_lengths(extents, whole.shape)
    entry = index.slices.get(slice_key(name, extents))
    if entry is None:
        raise Malformed(f"the slice {list(extents)} has no entry")
    if entry.dtype != whole.dtype or entry.shape != lengths or entry.slices:
        raise Malformed(f"the entry of the slice {list(extents)} has another shape or dtype")
    column = first_column(extents, lengths, whole.shape)
    if column is None:
        return None
    item, columns = ITEM_BYTES[entry.dtype], prod(lengths[1:])
    return Block(
        _shard_path(path, entry.shard, index.shards),
        entry.offset,
        lengths[0] if lengths else 1,
        columns,
        columns * item,
        item,
        row=extents[0][0] if extents else 0,
        column=column,
        big_endian=index.big_endian,
    )


def _shard_path(path: str, number: int, count: int) -> str:
    return f"{path.removesuffix('.index')}.data-{number:05d}-of-{count:05d}"


def _shards(path: str, index: Index) -> Mapping[str, int]:
    """The data files that hold something and are there, with their sizes, which must be large enough for it."""
    needed: dict[int, int] = {}
    for entry in (*index.tensors.values(), *index.slices.values()):
        if not entry.slices:
            needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
    present: dict[str, int] = {}
    for number, wanted in sorted(needed.items()):
        shard = _shard_path(path, number, index.shards)
        if not places.is_file(shard):
            continue
        with File(shard) as file:
            present[shard] = file.size
        if present[shard] < wanted:
            raise _short(shard, present[shard], wanted)
    if needed and not present:
        shard = _shard_path(path, min(needed), index.shards)
        raise NotFound(
            "E-SHARD-MISSING",
            f"{shard} is missing: the index is there, the data is not",
            path=shard,
            found=f"none of {len(needed):,} data file{'s' * (len(needed) > 1)}",
            help="a checkpoint is a pair of files; put the .data file beside the .index file, under the same name",
        )
    return present


def _short(shard: str, size: int, needed: int) -> CharvecError:
    with File(shard) as file:
        pointer = unrecognised(file, "the data of a checkpoint")
    if pointer.code == "E-LFS-POINTER":
        return pointer
    known = f"{size:,} of {needed:,} bytes"
    return cut_short(shard, size, f": {known} present", known)


def _full_names(index: Index, path: str) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Variable names by tensor name, from the object graph; a graph that cannot be read costs only these names."""
    entry = index.tensors.get(GRAPH)
    if entry is None or entry.dtype != "string" or entry.shape:
        return {}, ()
    shard = _shard_path(path, entry.shard, index.shards)
    try:
        if entry.size > MAX_GRAPH:
            raise Malformed(f"{entry.size:,} bytes, more than the limit of {MAX_GRAPH:,}")
        with File(shard) as file:
            raw = file.pread(entry.offset, entry.size)
        length, start = varint(raw, 0)
        size = length.to_bytes(4 if length < 1 << 32 else 8, "big" if index.big_endian else "little")
        if len(raw) != start + 4 + length or masked(crc32c(raw[start:], crc32c(size))) != entry.crc:
            raise Malformed("its length or checksum does not match")
        return graph_names(raw[start + 4 :], index), ()
    except (CharvecError, UnicodeDecodeError, Malformed) as error:
        problem = error.message if isinstance(error, CharvecError) else str(error)
        message = f"variable names are unknown: the object graph in {shard} cannot be read: {problem}"
        return {}, (Note("W-TF-GRAPH", message, shard, entry.offset),)
