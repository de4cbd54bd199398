"""Vector files are laid out by hand and read by the HDF5 library, which knows nothing of how they were made."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from effort import SLOW, tries
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vector_samples import DTYPES, ROOT, assert_same, build, charvec, signed, small

from charvec import load
from charvec.errors import CharvecError
from charvec.formats import hdf5
from charvec.plumbing.arrays.layout import to_columns
from charvec.plumbing.hdf5 import hdf5_columns
from charvec.plumbing.hdf5.hdf5_image import hdf5_image, image_arrays, lookup3
from charvec.vectors import CharVectors

DATA = ROOT / "tests" / "data" / "vectors"
BASE = 512
TYPES = ("|i1", "|u1", "<u4", "<u8", "<f2", "<f4")
ALLOCATED, NOT_ALLOCATED = h5py.h5d.SPACE_STATUS_ALLOCATED, h5py.h5d.SPACE_STATUS_NOT_ALLOCATED
Arrays = Mapping[str, NDArray[Any]]


def image(arrays: Arrays, base: int = BASE) -> bytes:
    """A whole file with nothing in its user block."""
    return bytes(base) + b"".join(hdf5_image(arrays, base))


def written(vectors: CharVectors) -> bytes:
    """A whole vector file."""
    buffer = io.BytesIO()
    assert hdf5.write(vectors, buffer) == []
    return buffer.getvalue()


def walk(data: bytes) -> dict[str, h5py.Dataset | h5py.Group]:
    """Every object of a file by its name."""
    members: dict[str, h5py.Dataset | h5py.Group] = {}
    h5py.File(io.BytesIO(data), "r").visititems(members.__setitem__)
    return members


def assert_holds(data: bytes, arrays: Arrays) -> None:
    """The file holds exactly these arrays, as plain as HDF5 can, and nothing else."""
    members = walk(data)
    groups = {name.rpartition("/")[0] for name in arrays} - {""}
    assert set(members) == set(arrays) | groups
    for name, member in members.items():
        assert not member.attrs and member.name == f"/{name}"
        assert isinstance(member.parent.get(name.rpartition("/")[2], getlink=True), h5py.HardLink)
        assert h5py.h5o.get_info(member.id).rc == 1
        if name in groups:
            continue
        array = arrays[name]
        assert member.dtype.str == array.dtype.str and member.shape == member.maxshape == array.shape
        assert member[()].tobytes() == array.tobytes()
        assert member.chunks is None and member.compression is None and member.external is None
        assert member.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        offset = member.id.get_offset()
        if array.nbytes:
            assert offset % 64 == 0 and data[offset : offset + array.nbytes] == array.tobytes()
            assert member.id.get_space_status() == ALLOCATED
        else:
            # no address is -1, to which the library adds the user block all the same
            assert offset in (None, member.file.userblock_size - 1)
            assert member.id.get_space_status() == NOT_ALLOCATED
        assert member.id.get_storage_size() == array.nbytes


# -- what the library reads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(6, 4), (0, 5), (1, 7), (9, 1), (1, 1), (4000, 257)], ids=str)
def test_vector_files(shape: tuple[int, int], dtype: str) -> None:
    """Usual ones, none, one row, one dimension, large: every column as it was given."""
    rows = np.random.default_rng(0).standard_normal(shape, np.float32)
    vectors = build(range(0x4E00, 0x4E00 + len(rows)), rows).astype(dtype)
    data = written(vectors)
    assert_holds(data, to_columns(vectors))
    assert_same(hdf5.read("x", data), vectors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_missing_characters_and_composed_ones(dtype: str) -> None:
    """No column without elements."""
    assert_holds(written(small(dtype)), to_columns(small(dtype)))


GROUPS = ("group", "other")


@st.composite
def any_arrays(draw: st.DrawFn) -> Arrays:
    """Arrays of all types and up to three axes, some empty, some in a group."""
    names = st.from_regex(r"(group/|other/)?[a-z_ ]{1,40}", fullmatch=True).filter(lambda name: name not in GROUPS)
    shapes = st.lists(st.integers(0, 9), min_size=1, max_size=3)
    arrays = {}
    for name in draw(st.lists(names, max_size=14, unique=True)):
        dtype, shape = np.dtype(draw(st.sampled_from(TYPES))), draw(shapes)
        raw = np.random.default_rng(draw(st.integers(0, 99))).bytes(int(np.prod(shape)) * dtype.itemsize)
        arrays[name] = np.frombuffer(raw, dtype).reshape(shape)
    return arrays


@settings(max_examples=tries(100, 200), deadline=None)
@given(any_arrays(), st.sampled_from((0, 512, 1024, 4096)))
def test_any_arrays(arrays: Arrays, base: int) -> None:
    """Whatever the names, types and shapes, and wherever the file begins: to the library and to our own reader."""
    data = image(arrays, base)
    assert_holds(data, arrays)
    found = image_arrays(data, base)
    assert found is not None and list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
def test_extreme_values(dtype: str) -> None:
    """Signs, the ends of each range, and for floats infinity and what is not a number: read as what they are."""
    kind = np.dtype(dtype)
    values: Any
    if kind.kind == "f":
        limits = np.finfo(kind)
        values = [limits.min, limits.max, limits.tiny, limits.smallest_subnormal, -0.0, np.inf, -np.inf, np.nan, 1 / 3]
    else:
        values = [np.iinfo(kind).min, np.iinfo(kind).max, 0, 1]
    array = np.array(values, kind)
    dataset = walk(image({"x": array}))["x"]
    assert dataset[()].tobytes() == array.tobytes()
    # converted by the library, which has to know what the bits mean
    wide = np.empty(len(array), "<f8" if kind.kind == "f" else array.dtype.newbyteorder(">"))
    dataset.read_direct(wide)
    assert np.array_equal(wide, array, equal_nan=kind.kind == "f")


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "<i4", "?", "S3"])
def test_other_types(dtype: str) -> None:
    """A type that no column has is not written as something else."""
    with pytest.raises(KeyError):
        hdf5_image({"x": np.zeros(3, dtype)}, BASE)


# -- beside what the library writes -----------------------------------------------------------------------------------


def by_the_library(arrays: Arrays) -> bytes:
    """The same arrays written by the HDF5 library, in its latest layout."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest", userblock_size=BASE) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_structure(dtype: str) -> None:
    """Types, shapes and all properties of every object are those of a file by the library itself."""
    arrays = {**to_columns(small(dtype)), "none": np.empty((0, 3), "<f4")}
    ours, theirs = walk(image(arrays)), walk(by_the_library(arrays))
    assert list(ours) == list(theirs)
    for name, one in ours.items():
        two = theirs[name]
        info, expected = h5py.h5o.get_info(one.id), h5py.h5o.get_info(two.id)
        assert (info.type, info.rc, len(one.attrs)) == (expected.type, expected.rc, len(two.attrs))
        assert info.hdr.version == expected.hdr.version == 2
        if isinstance(one, h5py.Dataset):
            assert one.id.get_type() == two.id.get_type()
            assert one.id.get_space().shape == two.id.get_space().shape
            assert one.id.get_create_plist().equal(two.id.get_create_plist())
            assert one.id.get_space_status() == two.id.get_space_status()
            assert one.fillvalue == two.fillvalue == 0
    one, two = (members["meta"].file.id.get_create_plist() for members in (ours, theirs))
    assert one.get_version() == two.get_version() and one.get_version()[0] == 3
    assert one.get_userblock() == two.get_userblock() == BASE and one.get_sizes() == two.get_sizes() == (8, 8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_that_the_library_wrote(dtype: str) -> None:
    """Vector files whose HDF5 part was written by h5py, as charvec had it at first, are read like its own."""
    path = DATA / "by_h5py" / f"{dtype}.h5"
    assert path.read_bytes() != (DATA / f"{dtype}.h5").read_bytes()
    assert_same(load(path), small(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bytes_with_any_library(dtype: str) -> None:
    """The golden files do not depend on what is installed."""
    assert written(small(dtype)) == (DATA / f"{dtype}.h5").read_bytes()


# -- what is read without the library ---------------------------------------------------------------------------------


def by_both(data: bytes) -> tuple[CharVectors | str, CharVectors | str]:
    """Vectors, or the code of the error: as files are read, and as the library would read them."""
    results: list[CharVectors | str] = []
    for reader in (image_arrays, lambda data, base: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hdf5_columns, "image_arrays", reader)
            try:
                results.append(hdf5.read("x", data))
            except CharvecError as error:
                results.append(error.code)
    return results[0], results[1]


@pytest.mark.parametrize("by", ["", "by_h5py"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_both_ways_alike(dtype: str, by: str) -> None:
    """Golden files: every column bit for bit what the library finds; its own files are left to it."""
    data = (DATA / by / f"{dtype}.h5").read_bytes()
    assert (image_arrays(data, BASE) is None) == bool(by)
    ours, theirs = by_both(data)
    assert isinstance(ours, CharVectors) and isinstance(theirs, CharVectors)
    assert_same(ours, theirs)


def test_bits_of_every_byte() -> None:
    """Changed metadata are never read past: the library has to judge. Changed data are what they now are.

    Two bits of each byte of metadata, all bits before a release: what is read of them is compared with what the writer
    would have put there, byte by byte.
    """
    arrays = to_columns(small("int8"))
    good = image(arrays)
    owner = {}
    for name, member in walk(good).items():
        if name in arrays:
            start = member.id.get_offset()
            owner |= {start + place: (name, place) for place in range(arrays[name].nbytes)}
    assert len(owner) == sum(array.nbytes for array in arrays.values())
    for place in range(BASE, len(good)):
        for bit in [place % 8] if place in owner else range(8) if SLOW else (place % 8, (place + 5) % 8):
            spoiled = bytearray(good)
            spoiled[place] ^= 1 << bit
            found = image_arrays(bytes(spoiled), BASE)
            if place not in owner:
                assert found is None, (place, bit)
                continue
            assert found is not None
            changed, within = owner[place]
            for name, array in arrays.items():
                expected = bytearray(array.tobytes())
                if name == changed:
                    expected[within] ^= 1 << bit
                assert found[name].tobytes() == expected and found[name].dtype == array.dtype


def test_any_other_length() -> None:
    """Cut short, longer by a byte, or told of another beginning: none of ours."""
    good = image(to_columns(small("int8")))
    assert image_arrays(good, BASE) is not None
    for length in range(len(good)):
        assert image_arrays(good[:length], BASE) is None
    assert image_arrays(good + b"\0", BASE) is None and image_arrays(b"\0" + good, BASE) is None
    for base in (0, 8, 1024, len(good), len(good) + 1):
        assert image_arrays(good, base) is None


@settings(max_examples=tries(200, 500), deadline=None)
@given(st.data())
def test_any_other_bytes(data: st.DataObject) -> None:
    """Whatever numbers stand in the headers: none of ours, and neither an error nor a long wait."""
    arrays = to_columns(small("float16"))
    good = image(arrays)
    spoiled = bytearray(good)
    first = spoiled.rindex(arrays["meta"].tobytes()) + arrays["meta"].nbytes
    places = st.integers(BASE, BASE + 47) | st.integers(first, len(spoiled) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(places)
        value = data.draw(
            st.binary(min_size=1, max_size=8) | st.sampled_from((bytes(8), b"\xff" * 8, b"\xff" * 7 + b"\x7f"))
        )
        spoiled[place : place + len(value)] = value
    if spoiled != good:
        assert image_arrays(bytes(spoiled), BASE) is None


def test_headers_that_point_at_each_other() -> None:
    """A root whose every link is the root, and one with more links than any vector file has."""
    good = image({"x/" + "y" * 200 + f"{number}": np.zeros(1, "|u1") for number in range(60)})
    assert image_arrays(good, BASE) is not None
    root = int.from_bytes(good[BASE + 36 : BASE + 44], "little")
    looped = good[:-12] + root.to_bytes(8, "little") + good[-4:]
    assert image_arrays(looped, BASE) is None
    assert image_arrays(image({f"{number}": np.zeros(1, "|u1") for number in range(65)}), BASE) is None


COLUMNS_OF_SMALL = to_columns(small("int8"))
ODD: dict[str, Arrays] = {
    "none": {},
    "no-meta": {name: array for name, array in COLUMNS_OF_SMALL.items() if name != "meta"},
    "no-counts": {name: array for name, array in COLUMNS_OF_SMALL.items() if name != "counts"},
    "one-more": {**COLUMNS_OF_SMALL, "other": np.zeros(3, "|u1")},
    "one-more-inside": {**COLUMNS_OF_SMALL, "missing/other": np.zeros(3, "|u1")},
    "group-for-dataset": {
        **{name: array for name, array in COLUMNS_OF_SMALL.items() if name != "counts"},
        "counts/x": COLUMNS_OF_SMALL["counts"],
    },
    "dataset-for-group": {
        **{name: array for name, array in COLUMNS_OF_SMALL.items() if not name.startswith("missing/")},
        "missing": np.zeros(3, "<u4"),
    },
    "type": {**COLUMNS_OF_SMALL, "counts": np.ones(6, "<u4")},
    "type-and-meta": {**COLUMNS_OF_SMALL, "counts": np.ones(6, "<u4"), "meta": np.zeros(1, "|u1")},
    "axes": {**COLUMNS_OF_SMALL, "vectors": np.ones(24, "|i1")},
    "no-axes": {**COLUMNS_OF_SMALL, "counts": np.array(7, "<u8")},
    "unsigned": {**COLUMNS_OF_SMALL, "vectors": np.ones((6, 4), "|u1")},
    "rows": {**COLUMNS_OF_SMALL, "vectors": np.ones((5, 4), "|i1")},
    "order": {**COLUMNS_OF_SMALL, "codepoints": COLUMNS_OF_SMALL["codepoints"][::-1].copy()},
    "status": {**COLUMNS_OF_SMALL, "status": np.full(6, 9, "|u1")},
    "empty": {**COLUMNS_OF_SMALL, "vectors": np.empty((0, 1 << 40), "|i1"), "codepoints": np.empty(0, "<u4")},
    "meta": {**COLUMNS_OF_SMALL, "meta": np.frombuffer(b"[]", np.uint8)},
}


@pytest.mark.parametrize("arrays", ODD.values(), ids=ODD.keys())
def test_odd_columns_in_our_layout(arrays: Arrays) -> None:
    """A file laid out as ours with a digest that is right, but of other columns: the same verdict either way."""
    ours, theirs = by_both(signed(image(arrays)[BASE:]))
    if isinstance(ours, str):
        assert ours == theirs
    else:
        assert isinstance(theirs, CharVectors)
        assert_same(ours, theirs)


def test_loading_needs_no_library() -> None:
    """Our own files load where h5py cannot even be imported."""
    script = "import sys; sys.modules['h5py'] = None; import charvec; print(len(charvec.load(sys.argv[1])))"
    argv = [sys.executable, "-c", script, str(DATA / "int8.h5")]
    assert subprocess.run(argv, cwd=ROOT, check=True, timeout=60, capture_output=True).stdout.split() == [b"6"]


# -- checksums --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "initial", "expected"),
    [
        (b"", 0, 0xDEADBEEF),
        (b"", 0xDEADBEEF, 0xBD5B7DDE),
        (b"Four score and seven years ago", 0, 0x17770551),
        (b"Four score and seven years ago", 1, 0xCD628161),
    ],
)
def test_lookup3(data: bytes, initial: int, expected: int) -> None:
    """The values that its author published."""
    assert lookup3(data, initial) == expected


def test_checksums_of_the_library() -> None:
    """Superblock, headers and heaps that HDF5's own library wrote carry the same hash."""
    data = (DATA / "by_h5py" / "int8.h5").read_bytes()
    assert lookup3(data[BASE : BASE + 44]) == struct.unpack_from("<I", data, BASE + 44)[0]
    headers, place = 0, data.find(b"OHDR")
    while place >= 0:
        wide = data[place + 5] & 1
        size = int.from_bytes(data[place + 6 : place + 7 + wide], "little")
        end = place + 7 + wide + size
        assert lookup3(data[place:end]) == struct.unpack_from("<I", data, end)[0]
        headers, place = headers + 1, data.find(b"OHDR", end)
    assert headers == 15


def test_every_byte_of_metadata_is_protected() -> None:
    """One bit of any metadata byte changed: the library refuses the file, or the one object that it is about."""
    arrays = to_columns(small("int8"))
    good = image(arrays)
    first = min(h5py.h5o.get_info(member.id).addr for member in walk(good).values()) + BASE
    assert first > good.rindex(arrays["meta"].tobytes())
    for place in (*range(BASE, BASE + 48), *range(first, len(good))):
        spoiled = bytearray(good)
        spoiled[place] ^= 1 << place % 8
        with pytest.raises((OSError, KeyError, RuntimeError)), h5py.File(io.BytesIO(spoiled), "r") as file:
            assert [file[name][()].tobytes() for name in arrays]


def test_no_byte_too_many() -> None:
    """Between the arrays and the metadata lie zeros and nothing else, fewer than 64 at a time; cut short: refused."""
    arrays = to_columns(small("int8"))
    good = image(arrays)
    used = np.zeros(len(good), bool)
    used[:BASE] = used[BASE : BASE + 48] = True
    for name, member in walk(good).items():
        if name in arrays:
            used[member.id.get_offset() :][: arrays[name].nbytes] = True
        info = h5py.h5o.get_info(member.id)
        used[info.addr + BASE :][: info.hdr.space.total] = True
    with h5py.File(io.BytesIO(good), "r") as file:
        root = h5py.h5o.get_info(file.id)
    used[root.addr + BASE :][: root.hdr.space.total] = True
    unused = np.flatnonzero(~used)
    assert not any(good[place] for place in unused) and used[-1]
    assert max(map(len, np.split(unused, np.flatnonzero(np.diff(unused) > 1) + 1))) < 64
    for length in (BASE, BASE + 47, BASE + 48, len(good) // 2, len(good) - 1):
        with pytest.raises(OSError):
            h5py.File(io.BytesIO(good[:length]), "r")


# -- what other programs do with it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_edited_by_another_program(dtype: str, libver: str, tmp_path: Path) -> None:
    """The library adds attributes, datasets and groups until they no longer fit the headers, and removes some."""
    path = tmp_path / "a.h5"
    small(dtype).save(path)
    with h5py.File(path, "r+", libver=libver) as file:
        file.create_dataset("notes", data=np.arange(1000), compression="gzip")
        file["missing/notes"] = 1.5
        for name in ("/", "missing", "vectors", "meta"):
            file[name].attrs["note"] = "x" * 300
    with h5py.File(path, "r") as file:
        # a member more is no reason yet to move all links out of the header into a heap
        assert h5py.h5o.get_info(file.id).hdr.nmesgs > len(file)
    assert_same(load(path, check=False), small(dtype))
    with h5py.File(path, "r+", libver=libver) as file:
        for number in range(40):
            file[f"more/{number}/deep"] = number
            file[f"{number}"] = number
            file["counts"].attrs[f"{number}"] = number
    assert_same(load(path, check=False), small(dtype))
    with h5py.File(path, "r+", libver=libver) as file:
        assert file["vectors"].attrs["note"] == "x" * 300 and file["notes"][999] == 999
        for number in range(40):
            del file[f"{number}"]
        rows = file["vectors"][()]
        del file["vectors"]
        file["vectors"] = rows
    assert_same(load(path, check=False), small(dtype))


@pytest.mark.skipif(not shutil.which("h5dump") or not shutil.which("h5stat"), reason="the HDF5 tools are not installed")
@pytest.mark.parametrize("dtype", DTYPES)
def test_tools_of_hdf5(dtype: str) -> None:
    """The library's own programs, often of another version, read it too."""
    for tool in ("h5dump", "h5stat"):
        done = subprocess.run([tool, str(DATA / f"{dtype}.h5")], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr
        assert ('DATASET "row_offsets"' in done.stdout) == (tool == "h5dump")


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_nothing_is_copied() -> None:
    """The parts are the arrays themselves."""
    arrays = {"x": np.ones((300, 70), "<f4"), "y": np.ones(9, "|u1")}
    views = [part for part in hdf5_image(arrays, BASE) if isinstance(part, memoryview)]
    assert [np.shares_memory(view, array) for view, array in zip(views, arrays.values(), strict=True)] == [True, True]


def test_writing_needs_no_library(tmp_path: Path) -> None:
    """A dump works where h5py cannot even be imported, and what it writes is what it always writes."""
    texts, paths = ROOT / "samples" / "texts", [tmp_path / "a.h5", tmp_path / "b.h5"]
    script = "import sys; sys.modules['h5py'] = None; import charvec; charvec.dump(sys.argv[1], out=sys.argv[2])"
    subprocess.run([sys.executable, "-c", script, str(texts), str(paths[0])], cwd=ROOT, check=True, timeout=60)
    done = charvec("dump", texts, "-o", paths[1])
    assert done.returncode == 0, done.stderr
    assert paths[0].read_bytes() == paths[1].read_bytes() and len(load(paths[0])) > 100
