"""Damaged and hostile vector files: every one is refused by its name, and none brings the process down."""

from __future__ import annotations

import io
import json
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from effort import tries
from vector_samples import FORMATS, ROOT, assert_same, build, charvec, signed, small

from charvec import formats, load
from charvec.cli import main
from charvec.errors import CharvecError
from charvec.formats import npz
from charvec.plumbing.arrays.layout import to_columns
from charvec.vectors import CharVectors


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5's external storage is made in the current folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def bytes_of(vectors: CharVectors, name: str = "hdf5") -> bytes:
    """A file of a format, in memory."""
    buffer = io.BytesIO()
    formats.by_name(name).write(vectors, buffer)
    return buffer.getvalue()


def code_of(data: bytes, name: str = "hdf5") -> str:
    """The code of the error that reading raises; "" when it raises none."""
    try:
        formats.by_name(name).read("x", data, True)
    except CharvecError as error:
        return error.code
    return ""


def fails(capsys: pytest.CaptureFixture[str], path: Path, code: str, command: str = "info") -> None:
    """The command says this code, exits with 65, and shows no traceback."""
    assert main([command, str(path)]) == 65
    out, err = capsys.readouterr()
    assert f"error[{code}]" in err and "  help: " in err and "Traceback" not in err and not out


# -- every byte of a small file ---------------------------------------------------------------------------------------

TINY = build("ab中水火\U0001f600", np.arange(24, dtype=np.float32).reshape(6, 4) / 7)
GOOD = bytes_of(TINY)


def test_every_bit() -> None:
    """Each bit of each byte flipped: refused."""
    for place in range(len(GOOD)):
        for bit in range(8):
            spoiled = bytearray(GOOD)
            spoiled[place] ^= 1 << bit
            assert code_of(bytes(spoiled)) in ("E-DAMAGED", "E-TRUNCATED", "E-TRAILING", "E-NEWER"), (place, bit)


def test_every_truncation() -> None:
    """Cut short anywhere: refused, and nearly always called by its name."""
    for length in range(len(GOOD)):
        assert code_of(GOOD[:length]) == "E-TRUNCATED", length


def test_every_insertion() -> None:
    """One byte more anywhere, zero, the same as its neighbour, or another: refused."""
    for place in range(len(GOOD) + 1):
        for byte in {0, 0xFF, GOOD[place - 1]}:
            assert code_of(GOOD[:place] + bytes([byte]) + GOOD[place:]), place


@pytest.mark.parametrize("command", ["info", "verify"])
def test_some_by_the_command(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command refuses them as the library does: exit 65, one message, no traceback."""
    path = tmp_path / "a.h5"
    for place in [*range(12), 12, 17, 24, 55, 56, 511, 512, 520, 600, 2000, len(GOOD) - 1]:
        spoiled = bytearray(GOOD)
        spoiled[place] ^= 0x40
        path.write_bytes(spoiled)
        assert main([command, str(path)]) == 65
        out, err = capsys.readouterr()
        assert not out and err.startswith("charvec: error[E-") and "Traceback" not in err


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "hdf5"])
def test_random_damage_to_the_others(name: str) -> None:
    """Formats without a digest: whatever happens to a file, it is read or refused; an .npz is never read wrongly."""
    rng = random.Random(name)
    good = bytes_of(small(), name)
    # the interesting part of a long file is its beginning
    for _ in range(3000):
        spoiled = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.randrange(min(len(spoiled), 1500) if rng.random() < 0.7 else len(spoiled))
            kind = rng.randrange(4)
            if kind == 0:
                spoiled[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                spoiled[place] = rng.randrange(256)
            elif kind == 2:
                spoiled[place:place] = rng.choice((b"-", b"9", b"9999999999", b"[", b"\0", b'"', b"\xff", b" "))
            else:
                del spoiled[place : place + rng.choice((1, 4, 100))]
            if not spoiled:
                break
        member = formats.sniff(bytes(spoiled[:4096]))
        if member is None:
            continue
        try:
            vectors = member.read("x", bytes(spoiled), True)
        except CharvecError as error:
            assert error.exit_code == 65
            continue
        if name == "npz":
            assert_same(vectors, small())
        assert len(vectors.coverage.as_dict()) and vectors.missing is not None


# -- hostile HDF5 -----------------------------------------------------------------------------------------------------

Spoil = Callable[[h5py.File], None]


def respoiled(spoil: Spoil | None, vectors: CharVectors | None = None) -> bytes:
    """A vector file changed by a function, behind its old header."""
    buffer = io.BytesIO(bytes_of(vectors or small()))
    if spoil:
        with h5py.File(buffer, "r+", libver="latest") as file:
            spoil(file)
    return buffer.getvalue()


def put(name: str, value: Any, **options: Any) -> Spoil:
    """Replace a dataset."""

    def spoil(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=value, **options)

    return spoil


def change(name: str, function: Callable[[Any], Any]) -> Spoil:
    """Replace a dataset by what a function makes of it."""
    return lambda file: put(name, function(file[name][()]))(file)


def link(name: str, target: Any) -> Spoil:
    """Replace a member by a link."""

    def spoil(file: h5py.File) -> None:
        del file[name]
        file[name] = target

    return spoil


def virtual(file: h5py.File) -> None:
    """A dataset whose data lie in another file."""
    del file["vectors"]
    layout = h5py.VirtualLayout((6, 4), "<f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "vectors", (6, 4), "<f4")
    file.create_virtual_dataset("vectors", layout)


def soft_cycle(file: h5py.File) -> None:
    """Two soft links that point at each other."""
    del file["vectors"]
    file["vectors"], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/vectors")


def bomb(file: h5py.File) -> None:
    """4 TiB declared, none present."""
    del file["vectors"]
    file.create_dataset("vectors", (1 << 20, 1 << 20), "<f4")


def late(file: h5py.File) -> None:
    """A dataset that was declared and never written."""
    del file["vectors"]
    file.create_dataset("vectors", (6, 4), "<f4")


def vlen(file: h5py.File) -> None:
    """Strings for vectors."""
    put("vectors", np.array([["a"] * 4] * 6, object), dtype=h5py.string_dtype())(file)


def group(file: h5py.File) -> None:
    """A group for vectors."""
    del file["vectors"]
    file.create_group("vectors")


def swapped(array: Any) -> Any:
    """The first two entries exchanged."""
    array[[0, 1]] = array[[1, 0]]
    return array


def meta(**changes: Any) -> Spoil:
    """The provenance with some keys changed."""

    def spoil(file: h5py.File) -> None:
        text = json.dumps({**json.loads(file["meta"][()].tobytes()), **changes})
        put("meta", np.frombuffer(text.encode(), np.uint8))(file)

    return spoil


HOSTILE: list[tuple[str, Spoil, str]] = [
    ("h5-unsorted", change("codepoints", swapped), "E-ORDER"),
    ("h5-extlink", link("vectors", h5py.ExternalLink("other.h5", "/vectors")), "E-H5-EXTERNAL"),
    ("h5-extlink-abs", link("vectors", h5py.ExternalLink("/etc/passwd", "/vectors")), "E-H5-EXTERNAL"),
    ("h5-extlink-group", link("missing", h5py.ExternalLink("other.h5", "/missing")), "E-H5-EXTERNAL"),
    ("h5-vds", virtual, "E-H5-EXTERNAL"),
    (
        "h5-raw",
        put("vectors", np.zeros((6, 4), "<f4"), external=[("raw.bin", 0, h5py.h5f.UNLIMITED)]),
        "E-H5-EXTERNAL",
    ),
    ("h5-softlink", link("vectors", h5py.SoftLink("/nowhere")), "E-H5"),
    ("h5-softlink-sound", link("counts", h5py.SoftLink("/missing/counts")), "E-H5"),
    ("h5-softcycle", soft_cycle, "E-H5"),
    ("h5-shapebomb", bomb, "E-BOMB"),
    ("h5-unwritten", late, "E-H5"),
    ("h5-chunked", put("vectors", np.zeros((6, 4), "<f4"), chunks=(3, 2)), "E-H5"),
    ("h5-gzip", put("vectors", np.zeros((6, 4), "<f4"), compression="gzip"), "E-H5"),
    ("h5-vlen", vlen, "E-H5-TYPE"),
    ("h5-compound", put("vectors", np.zeros((6, 4), [("a", "<f4")])), "E-H5-TYPE"),
    ("h5-group", group, "E-H5-TYPE"),
    ("h5-scalar", put("vectors", np.float32(1)), "E-H5-TYPE"),
    ("h5-double", put("vectors", np.zeros((6, 4), "<f8")), "E-H5-TYPE"),
    ("h5-bigendian", put("vectors", np.zeros((6, 4), ">f4")), "E-H5-TYPE"),
    ("h5-member-of-dataset", link("missing", np.zeros(3)), "E-H5-TYPE"),
    ("h5-mismatch", change("codepoints", lambda array: array[:-1]), "E-COUNT"),
    ("h5-scales", put("status", np.zeros(7, "u1")), "E-COUNT"),
    ("h5-nodim", put("vectors", np.zeros((6, 0), "<f4")), "E-COUNT"),
    ("h5-lost", lambda file: file.__delitem__("counts"), "E-COUNT"),
    ("h5-offsets", change("row_offsets", lambda array: array[::-1]), "E-COUNT"),
    ("h5-offsets-long", change("row_offsets", lambda array: array + 1), "E-COUNT"),
    ("h5-dup", change("codepoints", lambda array: np.sort(np.r_[array[:-1], array[:1]])), "E-DUPLICATE"),
    ("h5-dup-missing", put("missing/codepoints", np.array([0x0A, 0x41], "<u4")), "E-DUPLICATE"),
    ("h5-beyond", change("codepoints", lambda array: np.r_[array[:-1], 0x110000].astype("<u4")), "E-CODEPOINT"),
    ("h5-surrogate", put("missing/codepoints", np.array([0x0A, 0xD800], "<u4")), "E-CODEPOINT"),
    ("h5-status", put("status", np.full(6, 9, "u1")), "E-STATUS"),
    ("h5-future", meta(format_version=999), "E-NEWER"),
    ("h5-version0", meta(format_version=0), "E-META"),
    ("h5-version-text", meta(format_version="1"), "E-META"),
    ("h5-meta-list", put("meta", np.frombuffer(b"[]", "u1")), "E-META"),
    ("h5-meta-broken", put("meta", np.frombuffer(b'{"format_version":1,}', "u1")), "E-META"),
    ("h5-meta-empty", put("meta", np.zeros(0, "u1")), "E-TRUNCATED"),
    ("h5-meta-options", meta(options=[1]), "E-META"),
    ("h5-meta-keep", meta(options={"keep": ["removed"]}), "E-META"),
    ("h5-meta-keep-number", meta(options={"keep": 7}), "E-META"),
    ("h5-meta-source", meta(source={"files": {}}), "E-META"),
    ("h5-meta-files", meta(source={**small().source["source"], "files": {"a": "b"}}), "E-META"),
    ("h5-no-meta", lambda file: file.__delitem__("meta"), "E-NOT-CHARVEC"),
]


@pytest.mark.parametrize(("spoil", "code"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_hostile(spoil: Spoil, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed file is damaged; with a digest computed anew the fault itself is found."""
    data = respoiled(spoil)
    path = tmp_path / "a.h5"
    path.write_bytes(data)
    assert code_of(data) in ("E-DAMAGED", "E-TRAILING", "E-TRUNCATED")
    path.write_bytes(signed(data[512:]))
    fails(capsys, path, code)
    assert [each.name for each in tmp_path.iterdir()] == ["a.h5"]


def test_controls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good file, float16, and NaN with a warning: all read, also when opened and closed by another writer."""
    rows = np.array([[np.nan, 1, 2, 3], [np.inf, 1, 2, 3], [1, 2, 3, 4]], np.float32)
    for vectors, warned in ((small(), False), (small("float16"), False), (build("abc", rows), True)):
        path = tmp_path / "a.h5"
        path.write_bytes(signed(respoiled(lambda file: None, vectors)[512:]))
        for command in ("info", "verify"):
            assert main([command, str(path)]) == 0
            assert ("warning[W-NONFINITE]" in capsys.readouterr().err) == warned


def test_cut_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lengths at which real downloads broke."""
    good = bytes_of(build(range(0x4E00, 0x4F00), np.zeros((256, 8), np.float32)))
    path = tmp_path / "a.h5"
    for length in (8, 96, 4224, 8447):
        assert length < len(good)
        path.write_bytes(good[:length])
        fails(capsys, path, "E-TRUNCATED")
    path.write_bytes(b"")
    fails(capsys, path, "E-EMPTY")


def test_empty_hdf5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An HDF5 file of another program, and one of nothing behind a good header."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w"):
        pass
    fails(capsys, path, "E-NOT-CHARVEC")
    with h5py.File(path, "w", userblock_size=512, libver="latest"):
        pass
    path.write_bytes(signed(path.read_bytes()[512:]))
    fails(capsys, path, "E-NOT-CHARVEC")
    path.write_bytes(signed(b""))
    fails(capsys, path, "E-NOT-CHARVEC")


def test_unclean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The writer died: the consistency flags of the superblock are set."""
    spoiled = bytearray(GOOD)
    spoiled[512 + 11] |= 1
    path = tmp_path / "a.h5"
    path.write_bytes(signed(bytes(spoiled[512:])))
    fails(capsys, path, "E-UNCLEAN")


def test_newer_header() -> None:
    """A header of version 2 with a right digest is of a newer charvec; with a wrong one it is damage."""
    newer = GOOD[:12] + struct.pack("<I", 2) + GOOD[16:]
    assert code_of(newer) == "E-NEWER"
    assert code_of(newer[:-1] + b"?") == "E-DAMAGED"


SEGV = """
import io, random, sys
sys.path[:0] = sys.argv[1:3]
import h5py
from vector_samples import hdf5, signed, small
from charvec.errors import CharvecError
buffer = io.BytesIO()
hdf5.write(small(), buffer)
with h5py.File(buffer, "r+", libver=sys.argv[3]) as file:
    file["vectors"].attrs["note"] = "a string of variable length"
    file.attrs["note"] = "another"
body = buffer.getvalue()[512:]
hdf5.read("x", signed(body))
rng = random.Random(1)
# the names of the attributes, their texts, and what is said of both lies close by
near = [place + more for word in (b"note", b"a string of", b"another", b"GCOL")
        for place in range(len(body)) if body.startswith(word, place) for more in range(-60, 30)]
for number in range(int(sys.argv[4])):
    spoiled = bytearray(body)
    spoiled[rng.choice(near) if number % 2 else rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    try:
        hdf5.read("x", signed(bytes(spoiled)))
    except CharvecError:
        pass
print("alive")
"""


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_string_attributes(libver: str) -> None:
    """Bits flipped around a string attribute, which kills other readers, leave the process alive."""
    arguments = [sys.executable, "-c", SEGV, str(ROOT), str(ROOT / "tests"), libver, str(tries(400, 1200))]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.stdout == "alive\n" and done.returncode == 0, done.stderr


def test_string_attribute_by_the_command(tmp_path: Path) -> None:
    """A plain HDF5 file with one flipped bit in a string attribute's type: refused before any HDF5 library sees it."""
    path = tmp_path / "a.h5"
    path.write_bytes(respoiled(lambda file: file["vectors"].attrs.__setitem__("note", "text")))
    done = charvec("info", path)
    assert done.returncode == 65 and "error[E-TRAILING]" in done.stderr and "Traceback" not in done.stderr


def test_deep_provenance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON nested deeply is printed or refused."""
    path = tmp_path / "a.h5"
    for depth in (60, 150, 300, 600, 900, 3000, 100_000):
        text = '{"format_version":1,"x":' + "[" * depth + "]" * depth + "}"
        path.write_bytes(signed(respoiled(put("meta", np.frombuffer(text.encode(), "u1")))[512:]))
        assert main(["info", "--json", str(path)]) in (0, 65), depth
        assert "Traceback" not in capsys.readouterr().err


def test_escapes_in_provenance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No word of the provenance reaches the terminal unescaped."""
    evil = "\x1b[2J\u202e"
    source = small().source
    hostile = meta(
        charvec=evil,
        source={
            **source["source"],
            "files": {evil: 1},
            **dict.fromkeys(("format", "tensor", "dtype"), evil),
            "shape": [evil],
        },
        vocabulary={**source["vocabulary"], "file": evil, "kind": evil, "settings": {evil: evil}},
        converted={"from": evil},
    )
    path = tmp_path / "a.h5"
    path.write_bytes(signed(respoiled(hostile)[512:]))
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\u202e" not in shown and "\\x1b" in shown


# -- hostile .npz and safetensors -------------------------------------------------------------------------------------


def npy(shape: str, descr: str = "<f4", body: bytes = b"", version: bytes = b"\x01\0") -> bytes:
    """An .npy file with this shape in its header."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + body


def zipped(compression: int = zipfile.ZIP_STORED, **members: bytes | None) -> bytes:
    """The small vectors as .npz with some members replaced; None leaves one out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, column in to_columns(small()).items():
            raw = io.BytesIO()
            np.save(raw, column)
            key = name.replace("/", "_")
            value = members.get(key, raw.getvalue())
            if value is not None:
                archive.writestr(name.replace("/", ".") + ".npy", value, compression if key in members else 0)
    return buffer.getvalue()


NPZ: list[tuple[str, bytes, str]] = [
    ("np-good", zipped(), ""),
    ("np-neg", zipped(vectors=npy("(-6, 4)", body=b"\0" * 96)), "E-NPY"),
    ("np-deep", zipped(vectors=npy("(" * 5000 + "6" + ")" * 5000)), "E-NPY"),
    ("np-hdrlen", zipped(vectors=b"\x93NUMPY\x02\0\xff\xff\xff\xff{"), "E-NPY"),
    ("np-shape", zipped(vectors=npy("(1048576, 8388608)")), "E-BOMB"),
    ("np-bomb", zipped(zipfile.ZIP_DEFLATED, vectors=npy("(26214400, 1)", body=bytes(100 << 20))), "E-BOMB"),
    ("np-object", zipped(vectors=npy("(6,)", "|O")), "E-NPY"),
    ("np-fortran", zipped(vectors=npy("(6, 4)", body=b"\0" * 96).replace(b"False", b"True ")), "E-NPY"),
    ("np-scalar", zipped(vectors=npy("()", body=b"\0" * 4)), "E-NPY"),
    ("np-double", zipped(vectors=npy("(6, 4)", "<f8", b"\0" * 192)), "E-H5-TYPE"),
    ("np-huge-empty", zipped(vectors=npy("(0, 999999999999999)")), "E-COUNT"),
    ("np-short", zipped(vectors=npy("(6, 4)", body=b"\0" * 95)), "E-BOMB"),
    ("np-long", zipped(vectors=npy("(6, 4)", body=b"\0" * 97)), "E-NPY"),
    ("np-none", zipped(counts=None), "E-COUNT"),
    ("np-meta", zipped(meta=None), "E-NOT-CHARVEC"),
    ("np-bzip2", zipped(zipfile.ZIP_BZIP2, vectors=npy("(6, 4)", body=b"\0" * 96)), "E-ZIP"),
]


@pytest.mark.parametrize(("data", "code"), [row[1:] for row in NPZ], ids=[row[0] for row in NPZ])
def test_npz(data: bytes, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault of an .npz file by its name."""
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    if code:
        fails(capsys, path, code)
    else:
        assert_same(load(path), small())


def test_npz_directory() -> None:
    """Two members of one name, and an encrypted one."""
    buffer = io.BytesIO(zipped())
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("vectors.npy", b"")
    assert code_of(buffer.getvalue(), "npz") == "E-ZIP"
    encrypted = bytearray(zipped())
    place = encrypted.rindex(b"PK\x01\x02")
    encrypted[place + 8] |= 1
    assert code_of(bytes(encrypted), "npz") == "E-ZIP"
    assert npz.sniff(bytes(encrypted))


def tensors(**changes: Any) -> bytes:
    """The small vectors as safetensors with some entries of the header replaced."""
    good = bytes_of(small(), "safetensors")
    length = int.from_bytes(good[:8], "little")
    header = {**json.loads(good[8 : 8 + length]), **changes}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + good[8 + length :]


ENTRY = {"dtype": "U64", "shape": [6], "data_offsets": [0, 48]}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (tensors(), ""),
        (tensors()[:-1], "E-ST-RANGE"),
        (tensors() + b"\0", "E-TRAILING"),
        (tensors()[:40], "E-ST-HEADER"),
        (tensors(counts={**ENTRY, "dtype": ["F32"]}), "E-ST-HEADER"),
        (tensors(counts={**ENTRY, "dtype": "I64"}), "E-ST-HEADER"),
        (tensors(counts={**ENTRY, "shape": [6.0]}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "shape": [True]}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "shape": [-6]}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "shape": [1] * 100}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "shape": [0, 10**18]}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "data_offsets": [8, 56]}), "E-ST-RANGE"),
        (tensors(counts={**ENTRY, "data_offsets": [0]}), "E-ST-RANGE"),
        (tensors(counts=7), "E-ST-HEADER"),
        (tensors(other=ENTRY), "E-ST-HEADER"),
        (tensors(meta=ENTRY), "E-ST-HEADER"),
        (tensors(__metadata__={}), "E-NOT-CHARVEC"),
        (tensors(__metadata__={"charvec": 7}), "E-NOT-CHARVEC"),
        (tensors(__metadata__={"charvec": "{}"}), "E-META"),
        (tensors(__metadata__={"charvec": '{"format_version":999}'}), "E-NEWER"),
    ],
)
def test_safetensors(data: bytes, code: str) -> None:
    """Each fault of a safetensors file by its name."""
    assert code_of(data, "safetensors") == code


@pytest.mark.parametrize("payload", [b"cos\nmkdir\n(X\x06\0\0\0CANARYtR.", b"cbuiltins\neval\n(X\x01\0\0\x001tR."])
def test_pickle_that_calls(payload: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pickle that would run something is refused, and runs nothing."""
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x03" + payload)
    fails(capsys, path, "E-PICKLE-UNSAFE")
    assert not Path("CANARY").exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n", "E-LFS-POINTER"),
        (b"\x1f\x8b\x08" + b"\0" * 30, "E-COMPRESSED"),
        (b"\0" * 4096, "E-NOT-WEIGHTS"),
        (b"what is this", "E-FORMAT"),
    ],
)
def test_downloads_gone_wrong(data: bytes, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no vector file at all is called by its name."""
    path = tmp_path / "a.h5"
    path.write_bytes(data)
    fails(capsys, path, code, "verify")
