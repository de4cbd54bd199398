"""Plumbing: the columns of a vector file from its HDF5 part, whoever wrote it.

What :mod:`charvec.plumbing.hdf5.hdf5_image` would write again byte for byte needs no library. Everything else is for
the HDF5 library to judge; it is only asked where data lie, and the columns are views of the bytes already in memory.
"""

from __future__ import annotations

import io
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, UnsafeFile
from charvec.plumbing.arrays.layout import COLUMNS
from charvec.plumbing.hdf5.hdf5_image import image_arrays

__all__ = ["columns"]


def columns(path: str, data: bytes, base: int) -> dict[str, NDArray[Any]]:
    """Those of :data:`~charvec.plumbing.arrays.layout.COLUMNS` that are there, as read-only views of ``data``.

    Args:
        path: of the file, for messages.
        data: the whole file.
        base: where its superblock stands.

    Raises:
        DamagedFile: ``E-H5``, ``E-H5-TYPE``.
        UnsafeFile: ``E-H5-EXTERNAL`` when data would come from another file, ``E-BOMB`` when more data is declared than
            present.
    """
    arrays = image_arrays(data, base)
    if arrays is None or not arrays.keys() <= COLUMNS.keys():
        return _by_library(path, data, base)
    for name in COLUMNS:
        if name in arrays:
            _check_type(name, arrays[name].dtype, arrays[name].shape, path)
    return arrays


def _by_library(path: str, data: bytes, base: int) -> dict[str, NDArray[Any]]:
    """The columns of any HDF5 file; errors as :func:`columns`."""
    import h5py

    try:
        with h5py.File(io.BytesIO(data), "r") as h5:
            return {name: _column(h5, name, path, data, base) for name in COLUMNS if _present(h5, name, path)}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        # h5py lets libhdf5's errors through under these types
        _refuse("E-H5", path, f"HDF5 says: {str(error)[:200]}")


def _check_type(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], path: str) -> None:
    dtypes, axes = COLUMNS[name]
    if dtype.str[1:] not in {np.dtype(each).str[1:] for each in dtypes} or dtype.byteorder == ">" or len(shape) != axes:
        _refuse("E-H5-TYPE", path, f"{name} is {dtype} of {len(shape)} axes")


def _refuse(code: str, path: str, problem: str) -> NoReturn:
    raise DamagedFile(
        code,
        f"{path}: {problem}",
        path=path,
        help="write it again with `charvec dump`, or copy it again from where it came",
    )


def _present(h5: Any, name: str, path: str) -> bool:
    """Whether a column is there, as a plain member of the file and no link to elsewhere."""
    import h5py

    group = h5
    *folders, _ = name.split("/")
    for part in name.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            return False
        if isinstance(link, h5py.ExternalLink):
            raise UnsafeFile(
                "E-H5-EXTERNAL",
                f"{path}: {name} is a link to another file",
                path=path,
                help="do not use this file unless you know who made it",
            )
        if not isinstance(link, h5py.HardLink):
            _refuse("E-H5", path, f"{name} is a soft link")
        member = group[part]
        if part in folders and isinstance(member, h5py.Group):
            group = member
        elif not isinstance(member, h5py.Dataset) or part in folders:
            _refuse("E-H5-TYPE", path, f"{name} is no dataset")
    return True


def _column(h5: Any, name: str, path: str, data: bytes, base: int) -> NDArray[Any]:
    """A column as a view into the bytes already in memory; libhdf5 itself reads no data."""
    import h5py

    dataset = h5[name]
    if dataset.is_virtual or dataset.external is not None:
        raise UnsafeFile(
            "E-H5-EXTERNAL",
            f"{path}: the data of {name} lies in another file",
            path=path,
            help="do not use this file unless you know who made it",
        )
    layout = dataset.id.get_create_plist().get_layout()
    dtype = dataset.dtype
    _check_type(name, dtype, dataset.shape, path)
    count = 1
    for size in dataset.shape:
        count *= int(size)
    if count * dtype.itemsize > len(data):
        raise UnsafeFile(
            "E-BOMB",
            f"{path}: {name} declares {count * dtype.itemsize:,} bytes, the file has {len(data):,}",
            path=path,
            help="do not use this file unless you know who made it",
        )
    if layout != h5py.h5d.CONTIGUOUS:
        _refuse("E-H5", path, f"{name} is not contiguous")
    if not count:
        return np.empty(dataset.shape, dtype)
    offset = dataset.id.get_offset()
    # the offset counts from the file's beginning, user block included
    if offset is None or offset < base or offset + count * dtype.itemsize > len(data):
        _refuse("E-H5", path, f"the data of {name} lies outside the file")
    column: NDArray[Any] = np.frombuffer(data, dtype, count, offset).reshape(dataset.shape)
    return column
