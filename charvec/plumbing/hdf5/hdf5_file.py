"""Plumbing: what lies where in a foreign HDF5 file, without the HDF5 library.

libhdf5 follows links into other files, and some damage kills it or lets it run for ever; in a process of its own it
would cost a tenth of a second. The part of HDF5 that files of weights use is small, so it is read here: groups of both
kinds; datasets in one piece or in chunks, plain, shuffled, deflated or with checksums. Whatever else a file holds is
refused by name, or listed as not readable. The layout is told in :mod:`charvec.plumbing.hdf5.hdf5_image`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from charvec.plumbing.hdf5.hdf5_blocks import UNDEFINED, Blocks
from charvec.plumbing.hdf5.hdf5_chunks import MAX_CHUNK, MAX_CHUNKS, READABLE_FILTERS, Chunk, chunks, grid
from charvec.plumbing.hdf5.hdf5_groups import is_group, links, text_attribute
from charvec.plumbing.hdf5.hdf5_headers import Message, messages, root
from charvec.plumbing.hdf5.hdf5_heaps import GlobalHeap
from charvec.plumbing.hdf5.hdf5_types import Filter, Kind, Layout, datatype, filters, layout, sizes
from charvec.plumbing.protobuf import Malformed
from charvec.tensor import ITEM_BYTES

__all__ = ["Dataset", "Group", "objects"]

#: Caps on the objects of a file and on groups within groups.
MAX_OBJECTS = 1 << 17
MAX_DEPTH = 64

_DATASPACE, _DATATYPE, _LAYOUT, _FILTERS = 1, 3, 8, 0xB


class Group(NamedTuple):
    """A group: its path, ``""`` for the root, and the value of its attribute ``name``."""

    path: str
    label: str | None


class Dataset(NamedTuple):
    """A dataset.

    Attributes:
        path: names of groups and its own, with slashes.
        shape: sizes of its axes.
        kind: element type.
        address: of the elements, when they lie in one piece.
        chunk: sizes of a chunk, when there are chunks; else empty.
        filters: what the chunks went through.
        chunks: where they lie.
        problem: why the elements cannot be read; "" when they can.
    """

    path: str
    shape: tuple[int, ...]
    kind: Kind
    address: int = 0
    chunk: tuple[int, ...] = ()
    filters: tuple[Filter, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    problem: str = ""


def objects(blocks: Blocks) -> Iterator[Group | Dataset]:
    """Everything in the file that can be reached from its root, groups before their members.

    An object with several names comes under each when it is a dataset, under the first when it is a group.

    Raises:
        Malformed: when a rule is broken; or its kinds
            :class:`~charvec.plumbing.hdf5.hdf5_blocks.Unsupported`,
            :class:`~charvec.plumbing.hdf5.hdf5_blocks.External` and
            :class:`~charvec.plumbing.hdf5.hdf5_headers.Unclean`.
    """
    values = GlobalHeap(blocks)
    known: dict[int, Dataset | None] = {}
    waiting = [("", root(blocks))]
    count = 0
    while waiting:
        path, address = waiting.pop()
        count += 1
        if count > MAX_OBJECTS or path.count("/") > MAX_DEPTH:
            raise Malformed(f"more than {MAX_OBJECTS:,} objects, or groups nested more than {MAX_DEPTH} deep", address)
        if address in known:
            if (twin := known[address]) is not None:
                yield twin._replace(path=path)
            continue
        header = messages(blocks, address)
        if is_group(header):
            known[address] = None
            yield Group(path, text_attribute(blocks, values, header, b"name"))
            members = [(f"{path}/{name}" if path else name, member) for name, member in links(blocks, header)]
            waiting += reversed(members)
        else:
            known[address] = dataset = _dataset(blocks, values, path, header)
            if dataset is not None:
                yield dataset
    blocks.check()


def _dataset(blocks: Blocks, values: GlobalHeap, path: str, header: list[Message]) -> Dataset | None:
    """What a header says of a dataset; None when it is that of something else, such as a named type."""
    parts = {message.kind: message for message in header}
    if _DATATYPE not in parts or _LAYOUT not in parts or _DATASPACE not in parts:
        return None
    space, kinds, where = parts[_DATASPACE], parts[_DATATYPE], parts[_LAYOUT]
    if space.shared or where.shared:
        return Dataset(path, (), Kind("unknown", 0), problem="a description kept in common")
    shape = sizes(space.data, space.place)
    if kinds.shared:
        return Dataset(path, shape or (), Kind("named type", 0), problem="a type kept in common")
    kind = datatype(kinds.data, kinds.place)
    if shape is None:
        return Dataset(path, (), kind, problem="no elements")
    stored = layout(where.data, where.place, len(shape))
    # HDF5 had no bfloat16 for long; Keras 3 writes two opaque bytes and says in an attribute what they are
    if kind == Kind("opaque", 2) and text_attribute(blocks, values, header, b"dtype") == "bfloat16":
        kind = Kind("bfloat16", 2)
    if kind.name not in ITEM_BYTES:
        return Dataset(path, shape, kind)
    dataset = Dataset(path, shape, kind)
    if stored.kind in ("compact", "contiguous"):
        return _contiguous(blocks, dataset, stored)
    if stored.kind != "chunked":
        return dataset._replace(problem=stored.kind)
    steps = filters(parts[_FILTERS].data, parts[_FILTERS].place) if _FILTERS in parts else ()
    return _chunked(blocks, dataset, stored, steps)


def _contiguous(blocks: Blocks, dataset: Dataset, stored: Layout) -> Dataset:
    needed = prod(dataset.shape) * dataset.kind.size
    if not needed:
        return dataset
    if stored.address == UNDEFINED:
        return dataset._replace(problem="never written")
    if needed != stored.size:
        raise Malformed(f"{dataset.path[:80]!r} needs {needed:,} bytes and has {stored.size:,}", stored.address)
    if stored.kind == "contiguous":
        blocks.claim(stored.address, needed, f"the data of {dataset.path[:80]!r}")
    return dataset._replace(address=stored.address)


def _chunked(blocks: Blocks, dataset: Dataset, stored: Layout, steps: tuple[Filter, ...]) -> Dataset:
    for step in steps:
        if step.number not in READABLE_FILTERS:
            return dataset._replace(problem=f"filter {step.number}")
    if prod(stored.chunk) * dataset.kind.size > MAX_CHUNK:
        return dataset._replace(problem=f"chunks of more than {MAX_CHUNK:,} bytes")
    if prod(grid(dataset.shape, stored.chunk)) > MAX_CHUNKS:
        return dataset._replace(problem="too many chunks")
    found = chunks(blocks, stored, dataset.shape, dataset.kind.size, bool(steps))
    if len(found) < prod(grid(dataset.shape, stored.chunk)):
        return dataset._replace(problem="partly unwritten")
    return dataset._replace(chunk=stored.chunk, filters=steps, chunks=found)
