"""PyTorch checkpoints: real files, files that torch writes now, and files nobody should write."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charvec import checkpoints
from charvec.checkpoints import pytorch
from charvec.errors import CharvecError, DamagedFile, UnsafeFile, WrongFile
from charvec.finding import find_embedding
from charvec.plumbing.files import File
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "pytorch"
SHARED = ROOT.parent / "shared" / "fixtures" / "generated"


class MemoryFile(File):
    """The bytes of a file without the file."""

    def __init__(self, data: bytes, path: str = "model.bin") -> None:
        """Take the bytes, and a path for messages."""
        self.data, self.path, self.size, self.head = data, path, len(data), data[:4096]

    def pread(self, offset: int, length: int) -> bytes:
        """As of a file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise DamagedFile("E-TRUNCATED", "short", help="")
        return self.data[offset : offset + length]


def read(data: bytes) -> Checkpoint:
    """The checkpoint in those bytes, which must be recognised."""
    file = MemoryFile(data)
    assert pytorch.sniff(file)
    return pytorch.read(file)


def open_file(path: Path) -> Checkpoint:
    """The checkpoint in that file."""
    with File(path) as file:
        assert pytorch.sniff(file)
        return pytorch.read(file)


def elements(data: bytes, tensor: Tensor) -> bytes:
    """The elements, gathered one by one through the blocks, row-major and little-endian."""
    item = ITEM_BYTES[tensor.dtype]
    result = np.zeros((tensor.rows, tensor.columns, item), np.uint8)
    raw = np.frombuffer(data, np.uint8)
    for block in tensor.blocks:
        rows = np.arange(block.rows)[:, None, None] * block.row_stride
        columns = np.arange(block.columns)[None, :, None] * block.column_stride
        part = raw[block.offset + rows + columns + np.arange(item)]
        result[block.row : block.row + block.rows, block.column : block.column + block.columns] = (
            part[:, :, ::-1] if block.big_endian else part
        )
    return result.tobytes()


# real files


@pytest.mark.parametrize("folder", [DATA, SHARED], ids=["data", "shared"])
@pytest.mark.parametrize("name", ["new.bin", "legacy.bin", "f8.bin"])
def test_real_files(folder: Path, name: str) -> None:
    """Every view in the files of torch is the matrix they were made from."""
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    truth = np.load(DATA / "A.npy")
    checkpoint = open_file(folder / name)
    data = (folder / name).read_bytes()
    assert checkpoint.format == "pytorch"
    assert checkpoint.files == {str(folder / name): len(data)}
    assert (
        list(checkpoint)
        == {
            "new.bin": ["bert.embeddings.word_embeddings.weight", "view", "tr", "bf", "h", "p"],
            "legacy.bin": ["bert.embeddings.word_embeddings.weight", "view", "bf", "p"],
            "f8.bin": ["f8"],
        }[name]
    )
    for tensor in checkpoint.tensors.values():
        assert tensor.shape == (23, 6)
        raw = elements(data, tensor)
        if tensor.name == "view":
            assert raw == np.arange(1000, dtype="<f4").reshape(100, 10)[20:43, 2:8].tobytes()
        elif tensor.dtype == "float32":
            assert raw == truth.tobytes()
        elif tensor.dtype == "float16":
            assert raw == truth.astype("<f2").tobytes()
        elif tensor.dtype == "bfloat16":
            values = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").reshape(23, 6)
            assert np.abs(values / truth - 1).max() <= 2**-8
        else:
            assert tensor.dtype == "float8_e4m3fn"
            assert (np.frombuffer(raw, "i1").reshape(23, 6) < 0).tolist() == (truth < 0).tolist()


def test_a_real_module_is_refused() -> None:
    """By name, with what to do."""
    with pytest.raises(UnsafeFile) as caught:
        open_file(DATA / "whole_module.pt")
    assert caught.value.code == "E-PICKLE-UNSAFE"
    assert "'torch.nn.modules.sparse.Embedding'" in caught.value.message
    assert "model.state_dict()" in caught.value.help


def test_a_real_quantised_tensor() -> None:
    """It is listed, and refused when it is to be read."""
    (tensor,) = open_file(DATA / "q.bin").tensors.values()
    assert (tensor.shape, tensor.dtype, tensor.readable) == ((23, 6), "qint8", False)
    with pytest.raises(CharvecError) as caught:
        find_embedding(checkpoints.read(DATA / "q.bin"), "q")
    assert caught.value.code == "E-QUANTISED"


# files written here, opcode by opcode


def text(value: str) -> bytes:
    """A text in a pickle."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def sizes(*values: int) -> bytes:
    """A tuple of integers in a pickle."""
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
NO_HOOKS = b"\x89ccollections\nOrderedDict\n)R"
WEIGHT = np.arange(64 * 8, dtype="<f4").reshape(64, 8)
NAME = "bert.embeddings.word_embeddings.weight"


def tensor_ops(
    shape: tuple[int, ...] = (64, 8),
    strides: tuple[int, ...] = (8, 1),
    offset: int = 0,
    *,
    key: str = "0",
    numel: int = 512,
    rebuild: bytes = REBUILD,
    extra: bytes = b"",
) -> bytes:
    """The call that makes a tensor."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    storage += b"J" + struct.pack("<i", numel) + extra + b"tQ"
    place = b"J" + struct.pack("<i", offset)
    return rebuild + b"(" + storage + place + sizes(*shape) + sizes(*strides) + NO_HOOKS + b"tR"


def state_ops(tensor: bytes | None = None, before: bytes = b"", after: bytes = b"") -> bytes:
    """The pickle of a state dict with one tensor."""
    dictionary = b"ccollections\nOrderedDict\n)R" + text(NAME) + (tensor_ops() if tensor is None else tensor) + b"s"
    return b"\x80\x02" + before + dictionary + after + b"."


def zipped(
    pickled: bytes | None = None,
    members: dict[str, bytes] | None = None,
    *,
    root: str = "archive",
    compression: int = zipfile.ZIP_STORED,
    order: bytes | None = b"little",
) -> bytes:
    """A checkpoint as torch since 1.6 lays it out."""
    parts = {f"{root}/data.pkl": state_ops() if pickled is None else pickled}
    if order is not None:
        parts[f"{root}/byteorder"] = order
    parts |= {f"{root}/data/0": WEIGHT.tobytes(), f"{root}/version": b"3\n"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in (parts | (members or {})).items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def stream(
    pickled: bytes | None = None, keys: tuple[str, ...] = ("0",), storages: bytes | None = None, version: int = 1001
) -> bytes:
    """A checkpoint as torch before 1.6 lays it out."""
    data = pytorch.MAGIC + b"\x80\x02M" + struct.pack("<H", version) + b".\x80\x02}."
    data += state_ops() if pickled is None else pickled
    data += b"\x80\x02](" + b"".join(map(text, keys)) + b"e."
    return data + (struct.pack("<q", 512) + WEIGHT.tobytes() if storages is None else storages)


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {"zip": zipped, "stream": stream}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_good(layout: str) -> None:
    """The file that the bad ones are spoiled copies of."""
    data = LAYOUTS[layout](state_ops())
    checkpoint = read(data)
    assert list(checkpoint) == [NAME]
    assert elements(data, checkpoint.tensors[NAME]) == WEIGHT.tobytes()
    other = read(LAYOUTS[layout](state_ops(before=b"N0")))
    assert len(checkpoint.header_digest) == 64
    assert checkpoint.header_digest != other.header_digest


def test_good_with_odd_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pt-slip: a member may have any name, nothing is extracted; the root may, too."""
    monkeypatch.chdir(tmp_path)
    data = zipped(members={"../../escape.txt": b"x", "/tmp/escape.txt": b"x"}, root="字 vectors", order=None)
    assert elements(data, read(data).tensors[NAME]) == WEIGHT.tobytes()
    assert list(tmp_path.iterdir()) == []


def test_big_endian() -> None:
    """The byte order of the machine that saved it is kept in a member."""
    data = zipped(members={"archive/data/0": WEIGHT.astype(">f4").tobytes()}, order=b"big")
    assert elements(data, read(data).tensors[NAME]) == WEIGHT.tobytes()
    with pytest.raises(DamagedFile) as caught:
        read(zipped(order=b"middle"))
    assert caught.value.code == "E-PT-ZIP"


def test_deflated_pickle() -> None:
    """A compressed pickle is read, within limits."""
    data = zipped(compression=zipfile.ZIP_DEFLATED, members={"archive/data/0": b""})
    with pytest.raises(DamagedFile) as caught:
        read(data)
    assert caught.value.code == "E-PT-ZIP"
    assert "archive/data/0" in caught.value.message
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", state_ops(), zipfile.ZIP_DEFLATED)
        archive.writestr("a/data/0", WEIGHT.tobytes())
    assert elements(buffer.getvalue(), read(buffer.getvalue()).tensors[NAME]) == WEIGHT.tobytes()


def test_zip64() -> None:
    """Members with sizes in 64 bits, as torch writes those above 4 GiB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", state_ops())
        with archive.open("a/data/0", "w", force_zip64=True) as member:
            member.write(WEIGHT.tobytes())
    assert elements(buffer.getvalue(), read(buffer.getvalue()).tensors[NAME]) == WEIGHT.tobytes()


def test_views_of_storages_in_old_streams() -> None:
    """The oldest streams refer to a part of a storage by (key, offset, elements)."""
    view = b"(" + text("1") + b"K\x10M\x80\x00t"  # from element 16, 128 elements
    data = stream(state_ops(tensor_ops((16, 8), offset=0, extra=view)))
    assert elements(data, read(data).tensors[NAME]) == WEIGHT[2:18].tobytes()
    with pytest.raises(DamagedFile) as caught:
        read(stream(state_ops(tensor_ops((17, 8), extra=view))))
    assert caught.value.code == "E-PT-STORAGE"


def test_training_extras_are_passed_over() -> None:
    """What training scripts keep beside the weights is neither read nor refused."""
    extras = (
        b"}(" + text("args") + b"cargparse\nNamespace\n)\x81}" + text("lr") + b"G?\xf0\0\0\0\0\0\0sb"
        + text("size") + b"ctorch\nSize\n" + sizes(1, 2) + b"\x85R"
        + text("device") + b"ctorch\ndevice\n" + text("cpu") + b"\x85R"
        + text("dtype") + b"ctorch\nfloat16\n"
        + text("score") + b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R(K\x03"
        + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbc_codecs\nencode\n" + text("\0" * 8) + text("latin1")
        + b"\x86R\x86R"
        + text("models") + b"](" + tensor_ops() + b"}K\x07" + tensor_ops(rebuild=b"ctorch._utils\n_rebuild_tensor_v2\n")
        + b"seu"
    )  # fmt: skip
    data = zipped(b"\x80\x02" + extras + b".")
    assert list(read(data)) == ["models.0", "models.1.7"]


def test_a_lone_tensor_has_a_name() -> None:
    """A file of just a tensor."""
    assert list(read(zipped(b"\x80\x02" + tensor_ops() + b"."))) == ["tensor"]


# bad files


def canary(tmp_path: Path) -> bytes:
    """Opcodes that would make a folder if anything ran them."""
    return b"cos\nmkdir\n" + text(str(tmp_path / "CANARY_charvec")) + b"\x85R"


def bad_pickles(payload: bytes) -> dict[str, tuple[bytes, str]]:
    """Spoiled pickles, and the error each must end in, by the ids of the plan of tests."""
    proto0 = b"(dp0\nVa\np1\n" + b"cos\nmkdir\np2\n(V/CANARY_charvec\np3\ntp4\nRp5\ns."
    as_getattr = b"cbuiltins\ngetattr\ncos\n" + text("mkdir") + b"\x86R"
    unsafe, damaged, storage = "E-PICKLE-UNSAFE", "E-PICKLE", "E-PT-STORAGE"
    return {
        "pt-canary-plain": (b"\x80\x02" + payload + b".", unsafe),
        "pt-canary-proto0": (proto0, unsafe),
        "pt-canary-before": (state_ops(before=payload + b"0"), unsafe),
        "pt-canary-post": (state_ops(after=payload + b"0"), unsafe),
        "pt-canary-post-stop": (state_ops() + b"\x80\x02" + payload + b".", unsafe),
        "pt-canary-trunc": (b"\x80\x02" + payload + b"X\xff\xff", unsafe),
        "pt-canary-getattr": (state_ops(before=as_getattr + b"0"), unsafe),
        "pt-canary-build": (
            b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__setstate__") + b"cos\nmkdir\nsb" + text("x") + b"b.",
            unsafe,
        ),
        "pt-canary-stackglobal": (b"\x80\x04" + text("os") + text("mkdir") + b"\x93" + text("x") + b"\x85R.", unsafe),
        "pt-canary-rebuild": (state_ops(tensor_ops(rebuild=b"cos\nmkdir\n")), unsafe),
        "pt-ext": (b"\x80\x02\x82\x01.", unsafe),
        "pt-load-from-bytes": (b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x00\x85R.", unsafe),
        "pt-module-source": (b"\x80\x02(" + text("module") + b"NNNtQ.", unsafe),
        "pt-setitem": (b"\x80\x02" + text("a") + text("b") + text("c") + b"s.", damaged),
        "pt-long4": (b"\x80\x02\x8b\xff\xff\xff\x7f.", damaged),
        "pt-frame": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.", damaged),
        "pt-deep": (b"\x80\x02" + b"(" * 200_000 + b".", damaged),
        "pt-memo": (b"\x80\x02}r\xff\xff\xff\xff.", damaged),
        "pt-shape": (state_ops(tensor_ops((65, 8))), storage),
        "pt-stride": (state_ops(tensor_ops(strides=(9, 1))), storage),
        "pt-negstride": (state_ops(tensor_ops(strides=(-8, 1), offset=504)), storage),
        "pt-negoff": (state_ops(tensor_ops(offset=-1)), storage),
        "pt-negshape": (state_ops(tensor_ops((-64, -8))), storage),
        "pt-off": (state_ops(tensor_ops(offset=1)), storage),
        "pt-size-lies": (state_ops(tensor_ops((65, 8), numel=520)), storage),
        "pt-no-storage": (state_ops(tensor_ops(key="7")), storage),
        "pt-key-path": (state_ops(tensor_ops(key="../../../etc/passwd")), storage),
        "pt-bool-shape": (state_ops(tensor_ops().replace(sizes(64, 8), b"(\x88K\x08t")), damaged),
        "pt-axes": (state_ops(tensor_ops((64, 8, 1))), damaged),
        "pt-numel": (state_ops(tensor_ops(numel=-1)), damaged),
        "pt-two-sizes": (
            b"\x80\x02](" + tensor_ops() + tensor_ops((1, 1), numel=511) + b"e.",
            damaged,
        ),
        "pt-same-name": (
            b"\x80\x02}(" + text("1") + tensor_ops() + b"K\x01" + tensor_ops((1, 8)) + b"u.",
            damaged,
        ),
        "pt-conjugated": (
            state_ops(tensor_ops()[:-2] + b"}" + text("conj") + b"\x88stR"),
            damaged,
        ),
    }


BAD_PICKLES = sorted(bad_pickles(b""))
BARE = [name for name in BAD_PICKLES if bad_pickles(b"")[name][1] != "E-PT-STORAGE"]


def refused(data: bytes, code: str, tmp_path: Path) -> None:
    """Reading ends in that error, with path and help, and nothing was run."""
    with pytest.raises(CharvecError) as caught:
        read(data)
    assert (caught.value.code, caught.value.exit_code) == (code, 65)
    assert caught.value.path == "model.bin"
    assert caught.value.help
    assert not (tmp_path / "CANARY_charvec").exists()


@pytest.mark.parametrize("name", BAD_PICKLES)
def test_bad_pickles_in_a_zip(name: str, tmp_path: Path) -> None:
    """Each spoiled pickle as the data.pkl of a zip file."""
    data, code = bad_pickles(canary(tmp_path))[name]
    refused(zipped(data), code, tmp_path)


@pytest.mark.parametrize("name", sorted(set(BAD_PICKLES) - {"pt-size-lies"}))
def test_bad_pickles_in_a_stream(name: str, tmp_path: Path) -> None:
    """Each as the state dict of an old stream; what claims bytes past the end reads there as a file cut short."""
    data, code = bad_pickles(canary(tmp_path))[name]
    if name == "pt-frame":
        code = "E-TRUNCATED"
    if name == "pt-canary-post-stop":
        data = state_ops(before=canary(tmp_path) + b"0")
    refused(stream(data), code, tmp_path)


@pytest.mark.parametrize("name", BARE)
def test_bad_pickles_alone(name: str, tmp_path: Path) -> None:
    """Each as a file of its own, which must be recognised even so."""
    data, code = bad_pickles(canary(tmp_path))[name]
    if name == "pt-same-name" or code != "E-PT-STORAGE":
        refused(data, code, tmp_path)


def directory_flag(data: bytes, flag: int) -> bytes:
    """The same zip file with a flag set in the last entry of its directory."""
    place = data.rfind(b"PK\x01\x02")
    return data[: place + 8] + struct.pack("<H", flag) + data[place + 10 :]


def bomb() -> bytes:
    """A deflated storage: 200 KB that would inflate to 200 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    data = zipped(members={"archive/data/0": packed})
    for signature, method, place in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            if data[start + {8: 30, 10: 46}[method] :].startswith(b"archive/data/0"):
                data = data[: start + method] + b"\x08\0" + data[start + method + 2 :]
                data = data[: start + place] + struct.pack("<I", 200 << 20) + data[start + place + 4 :]
    return data


def without_pickle() -> bytes:
    """A zip file with a storage and no pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/data/0", WEIGHT.tobytes())
    return buffer.getvalue()


def twice() -> bytes:
    """A zip file with two members of one name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a/data.pkl", "a/data/0", "a/data.pkx"):
            archive.writestr(name, state_ops() if "pk" in name else WEIGHT.tobytes())
    return buffer.getvalue().replace(b"a/data.pkx", b"a/data.pkl")


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "pt-nopkl": (without_pickle, "E-PT-ZIP"),
    "pt-encflag": (lambda: directory_flag(zipped(), 1), "E-PT-ZIP"),
    "pt-noeocd": (lambda: zipped()[: zipped().rfind(b"PK\x05\x06")], "E-TRUNCATED"),
    "pt-nodir": (lambda: zipped()[: zipped().find(b"PK\x01\x02")], "E-TRUNCATED"),
    "pt-half": (lambda: zipped()[:-700], "E-TRUNCATED"),
    "pt-tail": (lambda: zipped() + b"tail", "E-TRAILING"),
    "pt-bomb": (bomb, "E-BOMB"),
    "pt-two-pickles": (lambda: zipped(members={"other/data.pkl": state_ops()}), "E-PT-ZIP"),
    "pt-twice": (twice, "E-PT-ZIP"),
    "pt-hole": (lambda: zipped()[:30] + zipped()[60:], "E-PT-ZIP"),
    "pt-short-storage": (lambda: zipped(members={"archive/data/0": b"short"}), "E-PT-STORAGE"),
    "pt-unknown-method": (lambda: zipped().replace(b"\x14\0\0\0\0\0", b"\x14\0\0\0\x63\0"), "E-PT-ZIP"),
    "pt-old-half": (lambda: stream()[:-1], "E-TRUNCATED"),
    "pt-old-pickles": (lambda: stream()[:100], "E-TRUNCATED"),
    "pt-old-magic": (lambda: stream()[:15], "E-TRUNCATED"),
    "pt-old-tail": (lambda: stream() + b"tail", "E-TRAILING"),
    "pt-old-post": (lambda: stream() + b"\x80\x02cos\nmkdir\n(tR.", "E-PICKLE-UNSAFE"),
    "pt-old-version": (lambda: stream(version=1002), "E-PICKLE"),
    "pt-old-count": (lambda: stream(storages=struct.pack("<q", 511) + WEIGHT.tobytes()), "E-PT-STORAGE"),
    "pt-old-negcount": (lambda: stream(storages=struct.pack("<q", -512) + WEIGHT.tobytes()), "E-PT-STORAGE"),
    "pt-old-nokey": (lambda: stream(keys=(), storages=b""), "E-PT-STORAGE"),
    "pt-old-morekeys": (lambda: stream(keys=("0", "1")), "E-PT-STORAGE"),
    "pt-old-twokeys": (lambda: stream(keys=("0", "0")), "E-PT-STORAGE"),
    "pt-old-keys": (lambda: stream().replace(b"](" + text("0") + b"e", b"](K\x07e"), "E-PICKLE"),
    "pt-swell": (lambda: zipped(b"\x80\x02" + b"](" + tensor_ops() + b"eq\0" + b"](" + b"h\0" * 30 + b"eq\0" + b"](h\0"
                                + b"h\0" * 30 + b"eq\0" + (b"](" + b"h\0" * 30 + b"eq\0") * 3 + b"."), "E-BOMB"),
    "pt-loop": (lambda: zipped(b"\x80\x02]q\0h\0a."), "E-BOMB"),
    "pt-tar": (lambda: b"sys_info".ljust(257, b"\0") + b"ustar\0" + bytes(249), "E-FORMAT"),
    "pt-plain-pickle": (lambda: b"\x80\x02}" + text("a") + b"K\x01s.", "E-FORMAT"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files(name: str, tmp_path: Path) -> None:
    """Containers spoiled in one way each."""
    make, code = BAD_FILES[name]
    refused(make(), code, tmp_path)


def test_directory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory larger than any checkpoint's is not read into memory."""
    monkeypatch.setattr("charvec.plumbing.zips.MAX_DIRECTORY", 100)
    monkeypatch.setattr("charvec.plumbing.zips._END_LENGTH", 22)
    with pytest.raises(DamagedFile, match=r"directory claims|100"):
        read(zipped(members={f"archive/data/{i}": b"" for i in range(1, 1000)}))


OTHERS = {
    "empty": b"",
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 411577189\n",
    "html": b"<!doctype html><html>",
    "json": b'{"error": "not found"}',
    "xml": b"<?xml version='1.0'?><Error/>",
    "zeros": bytes(4096),
    "gzip": b"\x1f\x8b\x08" + bytes(20),
    "gguf": b"GGUF\x03\0\0\0" + bytes(40),
    "npy": b"\x93NUMPY\x01\0v\0{'descr': '<f4'}",
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "table": bytes(9) + b"\x0a\x00" + bytes(80) + bytes.fromhex("57fb808b247547db"),
    "safetensors 640": struct.pack("<Q", 640) + b'{"a":{"dtype":"F32"}}'.ljust(700),
    "safetensors 2^23": struct.pack("<Q", 0x7D0280) + b'{"a":{"dtype":"F32"}}'.ljust(700),
    "safetensors 2^26": struct.pack("<Q", 0x0488_0280) + b'{"a":{"dtype":"F32"}}'.ljust(700),
    "msgpack": b"\x81\xa6params",
    "vocabulary": b"[PAD]\n[UNK]\n(\n)\n]\n}\n",
    "vocabulary c": b"cat\ndog\npig\n(\n.\n",
    "vocabulary (": b"(\n)\n.\n",
    "text": "(我) 是. c".encode() * 1000,
    "one bracket": b"]",
    "npz": b"PK\x03\x04" + bytes(22) + b"\x0a\0\0\0matrix.npy" + bytes(40),
    "keras": b"PK\x03\x04" + bytes(22) + b"\x0b\0\0\0config.json" + bytes(40),
    "word2vec": b"3 4\nthe " + bytes(48),
}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_others(name: str) -> None:
    """Files of other formats, and no checkpoints at all, are left to whoever knows them."""
    assert not pytorch.sniff(MemoryFile(OTHERS[name]))


@pytest.mark.parametrize(
    "folder",
    [*(ROOT / "tests" / "data" / name for name in ("pytorch", "safetensors", "tensorflow")), SHARED],
    ids=["pytorch", "safetensors", "tensorflow", "shared"],
)
def test_real_files_of_others(folder: Path) -> None:
    """Of all real checkpoints at hand only those of torch are recognised."""
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with File(path) as file:
                ours = path.name in {"new.bin", "legacy.bin", "f8.bin", "q.bin", "whole_module.pt"}
                assert ours or not pytorch.sniff(file), path


# against torch


def torch_files(state: Any) -> Iterator[bytes]:
    """The state in both layouts, by torch itself."""
    torch = pytest.importorskip("torch")
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=new)
        yield buffer.getvalue()


def torch_bytes(tensor: Any) -> bytes:
    """The elements of a tensor of torch, row-major."""
    torch = pytest.importorskip("torch")
    flat = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def check(state: dict[Any, Any]) -> None:
    """Every tensor that torch wrote is found, with the same elements, in both layouts."""
    torch = pytest.importorskip("torch")
    for data in torch_files(state):
        found = read(data).tensors
        flat: dict[str, Any] = {}

        def collect(prefix: str, value: Any, flat: dict[str, Any] = flat) -> None:
            if isinstance(value, torch.Tensor):
                flat[prefix] = value
            elif isinstance(value, dict):
                for key, item in value.items():
                    collect(f"{prefix}.{key}" if prefix else str(key), item)

        collect("", state)
        assert list(found) == list(flat)
        for name, tensor in flat.items():
            ours = found[name]
            assert ours.shape == tuple(tensor.shape)
            assert ours.dtype == str(tensor.dtype).removeprefix("torch.")
            if ours.blocks:
                assert elements(data, ours) == torch_bytes(tensor)
            else:
                inner = tensor[:1].squeeze(0)
                assert ours.dtype not in ITEM_BYTES or not inner.is_contiguous()


def test_torch_dtypes() -> None:
    """Every element type, also those charvec lists without reading."""
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(6, 4) - 5
    names = [*ITEM_BYTES, "complex64", "complex128", "float8_e4m3fnuz", "float8_e5m2fnuz"]
    check({name: base.to(getattr(torch, name)) for name in names})


def test_torch_views() -> None:
    """Slices, transposes, steps, expansions, scalars, empty and many-axed tensors, shared and tied storages."""
    torch = pytest.importorskip("torch")
    base = torch.arange(3 * 5 * 7 * 2, dtype=torch.float32).reshape(3, 5, 7, 2)
    matrix = base.reshape(30, 7)
    parameter = torch.nn.Parameter(matrix)
    with_state = torch.nn.Parameter(matrix.clone())
    with_state.note = "kept beside"
    with_attribute = matrix.clone()
    with_attribute.note = "likewise"
    check(
        {
            "plain": matrix, "rows": matrix[4:9], "columns": matrix[:, 2:5], "t": matrix.t(), "step": matrix[::3, ::2],
            "one row": matrix[3:4], "one column": matrix[:, 3:4], "expanded": matrix[:1].expand(9, 7),
            "scalar": torch.tensor(3.5), "vector": matrix[:, 2], "empty": torch.zeros(0, 4),
            "no columns": torch.zeros(4, 0),
            "four": base, "permuted": base.permute(3, 0, 1, 2), "not collapsible": base.permute(0, 3, 1, 2),
            "inner": base[:, 1:3], "tied": matrix, "parameter": parameter, "with state": with_state,
            "attribute": with_attribute,
            "buffer": torch.nn.Buffer(matrix.clone()) if hasattr(torch.nn, "Buffer") else matrix,
        }
    )  # fmt: skip


def test_torch_nested() -> None:
    """Names are joined with dots; what is no tensor is passed over."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Embedding(7, 3), torch.nn.BatchNorm1d(3))
    state = {"state_dict": model.state_dict(), "epoch": 3, "model": {"a": {"b": torch.ones(2, 2)}}, 5: torch.ones(1)}
    check(state)
    optimizer = torch.optim.Adam(model.parameters())
    model[1](model[0](torch.tensor([1, 2]))).sum().backward()
    optimizer.step()
    checkpoint = read(next(torch_files({"model": model.state_dict(), "optimizer": optimizer.state_dict()})))
    assert "model.0.weight" in checkpoint.tensors
    assert "optimizer.state.0.exp_avg" in checkpoint.tensors


def test_torch_tied_tensors_share_their_place() -> None:
    """Two names of one tensor lead to the same bytes."""
    torch = pytest.importorskip("torch")
    weight = torch.rand(5, 4)
    for data in torch_files({"a": weight, "b": weight, "c": weight[2:]}):
        found = read(data).tensors
        assert found["a"].blocks == found["b"].blocks
        assert found["c"].blocks[0].offset == found["a"].blocks[0].offset + 32


def test_torch_refused() -> None:
    """Sparse tensors and whole modules are named."""
    torch = pytest.importorskip("torch")
    for value, name in (
        (torch.eye(3).to_sparse(), "_rebuild_sparse_tensor"),
        (torch.nn.Linear(2, 2), "torch.nn.modules"),
    ):
        for data in torch_files(value):
            with pytest.raises(UnsafeFile, match=name):
                read(data)
    for data in torch_files(torch.ones(2, dtype=torch.complex64).conj()):
        with pytest.raises(DamagedFile, match="conjugated"):
            read(data)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # deprecated in torch 2.13, still written
def test_torch_quantised_beside_an_embedding() -> None:
    """A model whose other layers are quantised: the embedding is read, the rest is listed by what it is."""
    torch = pytest.importorskip("torch")
    weight = torch.rand(9, 4)
    rows = torch.quantize_per_channel(weight, torch.ones(9), torch.zeros(9, dtype=torch.int32), 0, torch.quint8)
    state = {
        "embeddings.word_embeddings.weight": weight,
        "scale": torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
        "bias": torch.quantize_per_tensor(weight[0], 0.1, 0, torch.qint32),
        "packed": (rows, None),
        "dtype": torch.qint8,
    }
    for data in torch_files(state):
        found = read(data).tensors
        assert elements(data, found["embeddings.word_embeddings.weight"]) == weight.numpy().tobytes()
        kinds = {name: (tensor.dtype, tensor.shape, tensor.readable) for name, tensor in found.items()}
        assert kinds["scale"] == ("qint8", (9, 4), False)
        assert kinds["bias"] == ("qint32", (4,), False)
        assert kinds["packed.0"] == ("quint8", (9, 4), False)


def test_torch_tensors_of_classes_of_their_own() -> None:
    """What torchao and distributed training put together from others is listed by its class, and nothing is called."""
    torch = pytest.importorskip("torch")
    from torch.distributed.tensor import DTensor

    class Told:
        """Pickled as such tensors are: a call with the class, the dtype and the shape, then what it is made of."""

        def __reduce_ex__(self, protocol: object) -> Any:
            from torch._tensor import _rebuild_from_type_v2
            from torch._utils import _rebuild_wrapper_subclass

            made = (DTensor, torch.float32, (7, 3), (3, 1), 0, torch.strided, torch.device("cpu"), False)
            return _rebuild_from_type_v2, (_rebuild_wrapper_subclass, DTensor, made, {"part": torch.ones(2, 2)})

    for data in torch_files({"shared": Told(), "other": torch.ones(2, 2)}):
        found = read(data).tensors
        assert (found["shared"].dtype, found["shared"].shape, found["shared"].readable) == ("DTensor", (7, 3), False)
        assert found["other"].readable


@pytest.mark.parametrize("seed", range(60))
def test_torch_random_state_dicts(seed: int) -> None:
    """Random shapes, types, views and nesting: bit for bit what torch holds."""
    torch = pytest.importorskip("torch")
    rng = random.Random(seed)
    pool: list[Any] = []

    def tensor() -> Any:
        if pool and rng.random() < 0.3:
            made = rng.choice(pool)
        else:
            shape = [rng.randrange(6) if rng.random() < 0.05 else rng.randrange(1, 7) for _ in range(rng.randrange(5))]
            raw = torch.randint(0, 256, [*shape, 8], dtype=torch.uint8)
            dtype = getattr(torch, rng.choice([n for n in ITEM_BYTES if n != "bool"]))
            made = raw.view(dtype)[..., 0] if rng.random() < 0.5 else raw.view(dtype).clone()
            pool.append(made)
        for _ in range(rng.randrange(3)):
            if made.dim() >= 2 and rng.random() < 0.5:
                made = made.transpose(*rng.sample(range(made.dim()), 2))
            elif made.dim() and min(made.shape):
                axis = rng.randrange(made.dim())
                begin = rng.randrange(made.shape[axis])
                index = [slice(None)] * made.dim()
                index[axis] = slice(begin, None, rng.randrange(1, 3))
                made = made[tuple(index)]
        if made.dtype.is_floating_point and rng.random() < 0.2:
            made = torch.nn.Parameter(made, requires_grad=False)
        return made

    def level(depth: int) -> dict[Any, Any]:
        kinds: list[Callable[[], Any]] = [tensor, tensor, lambda: rng.random(), lambda: None]
        if depth:
            kinds.append(lambda: level(depth - 1))
        return {f"{depth}字{k}": rng.choice(kinds)() for k in range(rng.randrange(1, 6))}

    check(level(3))


# damage at random


def fuzz_seeds() -> list[bytes]:
    """Small good files of all kinds."""
    seeds = [(DATA / name).read_bytes() for name in ("new.bin", "legacy.bin", "f8.bin")]
    return [*seeds, zipped(), stream(), state_ops(), zipped(compression=zipfile.ZIP_DEFLATED)]


def fuzz(seeds: list[bytes], count: int, seed: int) -> dict[str, int]:
    """Reads mutants; counts how they ended. Blocks of a good ending lie in the file."""
    rng = random.Random(seed)
    ends: dict[str, int] = {}
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        pickled = max(data.find(b"\x80\x02}"), data.find(b"\x80\x02c"), 0)
        directory = max(data.find(b"PK\x01\x02"), 0)
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            low = rng.choice((0, pickled, pickled, directory))
            place = min(low + rng.randrange(rng.choice((40, 900, len(data)))), len(data) - 1)
            kind = rng.randrange(5)
            if kind == 0:
                data[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            elif kind == 2:
                data[place : place + 1] = rng.choice(b"(.012FIJKMNQRSTUVXab}eh]q)tus\x85\x86\x93\x94").to_bytes(
                    1, "little"
                )
            elif kind == 3 and rng.random() < 0.3:
                del data[place : place + rng.randrange(1, 30)]
            elif kind == 4 and rng.random() < 0.3:
                data[place:place] = data[rng.randrange(len(data)) :][: rng.randrange(30)]
        file = MemoryFile(bytes(data))
        try:
            if not pytorch.sniff(file):
                ends["not recognised"] = ends.get("not recognised", 0) + 1
                continue
            checkpoint = pytorch.read(file)
        except CharvecError as error:
            assert error.exit_code == 65
            ends[error.code] = ends.get(error.code, 0) + 1
            continue
        ends["read"] = ends.get("read", 0) + 1
        for tensor in checkpoint.tensors.values():
            for block in tensor.blocks:
                last = (block.rows - 1) * block.row_stride + (block.columns - 1) * block.column_stride
                empty = not block.rows * block.columns
                assert 0 <= block.offset <= file.size
                assert empty or block.offset + last + ITEM_BYTES[tensor.dtype] <= file.size
    return ends


def test_fuzz() -> None:
    """Mutants end in a checkpoint within the file or in an error of ours."""
    ends = fuzz(fuzz_seeds(), 20_000, 1)
    assert sum(ends.values()) == 20_000
    assert {"E-PICKLE", "E-PICKLE-UNSAFE", "E-PT-STORAGE", "E-PT-ZIP", "read"} <= set(ends)


def test_every_cut() -> None:
    """Every truncation of a file in either layout is refused."""
    for data in (zipped(), stream()):
        for size in range(1, len(data)):
            file = MemoryFile(data[:size])
            if pytorch.sniff(file):
                with pytest.raises((DamagedFile, WrongFile, UnsafeFile)):
                    pytorch.read(file)


def test_neither_torch_nor_pickle() -> None:
    """Reading works without torch and with every unpickler replaced by the end of the process."""
    code = """
import sys, pickle, _pickle
def die(*_, **__):
    import os; os._exit(9)
for module in (pickle, _pickle):
    module.load = module.loads = module.Unpickler = die
pickle._load = pickle._loads = pickle._Unpickler = die
sys.modules["torch"] = None
from charvec.checkpoints import pytorch
from charvec.plumbing.files import File
for name in sys.argv[1:]:
    with File(name) as file:
        assert pytorch.sniff(file)
        assert len(pytorch.read(file)) == 6 if "new" in name else 4
"""
    names = [str(DATA / "new.bin"), str(DATA / "legacy.bin")]
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
