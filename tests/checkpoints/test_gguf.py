"""GGUF checkpoints: held against the gguf package, bit for bit, valid and damaged."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.checkpoints import gguf as member
from charvec.embedding import find_embedding
from charvec.errors import CharvecError
from charvec.plumbing.arrays import gathering
from charvec.plumbing.gguf.gguf_quants import DECODERS, SWAPPED, can_decode, decode
from charvec.plumbing.gguf.gguf_types import TYPES
from charvec.rows import read_rows

DATA = Path(__file__).resolve().parents[1] / "data" / "gguf"
NUMBERS = {name: kind for kind, (name, _, _) in TYPES.items()}
#: Types whose blocks only the package decodes.
LEFT = [name for name in NUMBERS if name.startswith(("IQ1", "IQ2", "IQ3"))]


def _q1_0(block: bytes) -> list[np.float32]:
    scale = np.frombuffer(block[:2], "<f2")[0].astype(np.float32)
    return [scale if block[2 + place // 8] >> place % 8 & 1 else -scale for place in range(128)]


def _q2_0(block: bytes) -> list[np.float32]:
    scale = np.frombuffer(block[:2], "<f2")[0].astype(np.float32)
    numbers = [(block[2 + place // 4] >> place % 4 * 2 & 3) - 1 for place in range(64)]
    return [np.float32(number) * scale for number in numbers]


def _each(block: Callable[[bytes], list[np.float32]], size: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    def rows(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        blocks = np.ascontiguousarray(raw).reshape(-1, size)
        with np.errstate(all="ignore"):
            return np.array([block(bytes(each)) for each in blocks], np.float32).reshape(len(raw), -1)

    return rows


#: Types that the package names and cannot decode, as ggml-quants.c decodes them, value after value.
LATER = {"Q1_0": _each(_q1_0, 18), "Q2_0": _each(_q2_0, 18)}


def package() -> Any:
    """The reference."""
    return pytest.importorskip("gguf", reason="compares with the gguf package")


def reference(raw: NDArray[np.uint8], name: str) -> NDArray[np.uint32]:
    """Rows of blocks, decoded by the package, as bits."""
    if name in LATER:
        return LATER[name](raw).view(np.uint32)
    gguf = package()
    with np.errstate(all="ignore"):
        floats: NDArray[np.float32] = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[name])
    return np.ascontiguousarray(floats).view(np.uint32)


@pytest.mark.parametrize("name", [*DECODERS, *LEFT])
def test_what_ggml_quantised(name: str) -> None:
    """Rows that ggml itself quantised, in every type it has, are what ggml reads back, bit for bit."""
    if name in LEFT:
        package()
    with np.load(DATA.parent / "ggml" / "blocks.npz") as blocks:
        assert len(blocks) == 2 * len([*DECODERS, *LEFT])
        found = decode(blocks[f"{NUMBERS[name]}"], NUMBERS[name])
        np.testing.assert_array_equal(found.view(np.uint32), blocks[f"{NUMBERS[name]}f"].view(np.uint32))


@pytest.mark.parametrize("name", ["types", "big"])
def test_what_the_package_wrote(name: str) -> None:
    """Rows of every type and in both byte orders are what the package made of them."""
    checkpoint = checkpoints.read(DATA / f"{name}.gguf")
    expected = np.load(DATA / f"{name}.npy")
    assert checkpoint.format == "gguf" and len(checkpoint) == len(expected)
    for tensor, rows in zip(checkpoint.tensors.values(), expected, strict=True):
        assert tensor.shape == (4, 256)
        np.testing.assert_array_equal(
            read_rows(tensor, np.array([3, 0]))[0].view(np.uint32), rows[::-1].view(np.uint32)
        )
    kinds = {tensor.dtype for tensor in checkpoint.tensors.values()}
    assert kinds >= (
        {"float32", "float16", "bfloat16"} | (set(DECODERS) - {"NVFP4", *LATER} if name == "types" else set(SWAPPED))
    )
    quantised = {tensor.dtype for tensor in checkpoint.tensors.values() if tensor.quantised}
    assert quantised == kinds - {"float64", "float32", "float16", "bfloat16"}


def test_the_embedding_and_the_vocabulary_are_known() -> None:
    """By the format itself."""
    checkpoint = checkpoints.read(DATA / "types.gguf")
    assert checkpoint.vocabulary == str(DATA / "types.gguf")
    choice = find_embedding(checkpoint)
    assert choice.tensor.name == "token_embd.weight" and choice.tensor.quantised == "Q6_K"
    assert "GGUF" in choice.reason


@pytest.mark.parametrize("part", [1, 2, 3])
def test_split_files(part: int) -> None:
    """Any part leads to the embedding; parts behind it stay closed, unless one was named."""
    checkpoint = checkpoints.read(DATA / "split" / f"model-{part:05}-of-00003.gguf")
    paths = [str(DATA / "split" / f"model-{number:05}-of-00003.gguf") for number in (1, 2, 3)]
    assert list(checkpoint.files) == (paths if part == 3 else paths[:2])
    assert [note.code for note in checkpoint.notes] == ([] if part == 3 else ["N-PARTS"])
    assert checkpoint.vocabulary == paths[0]
    assert find_embedding(checkpoint).tensor.paths == (paths[1],)
    assert read_rows(find_embedding(checkpoint).tensor, np.arange(4))[0].any()


def test_parts_that_are_missing(tmp_path: Path) -> None:
    """Only those up to the embedding are needed."""
    folder = tmp_path / "m"
    shutil.copytree(DATA / "split", folder)
    (folder / "mmproj-model.gguf").write_bytes(b"an image encoder")
    (folder / "model-00003-of-00003.gguf").unlink()
    assert checkpoints.locate(folder) == str(folder / "model-00001-of-00003.gguf")
    assert "token_embd.weight" in checkpoints.read(folder).tensors
    (folder / "model-00001-of-00003.gguf").rename(tmp_path / "first")
    with pytest.raises(CharvecError) as caught:
        checkpoints.read(folder)
    assert (caught.value.code, caught.value.exit_code) == ("E-SHARD-MISSING", 66)
    (tmp_path / "first").rename(folder / "model-00001-of-00003.gguf")
    (folder / "model-00002-of-00003.gguf").rename(folder / "other.gguf")
    for path in (folder / "model-00001-of-00003.gguf", folder / "other.gguf"):
        with pytest.raises(CharvecError) as caught:
            checkpoints.read(path)
        assert caught.value.code == "E-SHARD-MISSING"
    with pytest.raises(CharvecError) as caught:
        checkpoints.locate(folder)
    assert caught.value.code == "E-AMBIGUOUS-FILE"


@pytest.mark.parametrize("name", DECODERS)
def test_decoders(name: str) -> None:
    """Random blocks, blocks of one byte, and scales of every kind in every place, NaNs and all, bit for bit."""
    _, values, size = TYPES[NUMBERS[name]]
    generator = np.random.default_rng(NUMBERS[name])
    raw = generator.integers(0, 256, (4096, size), dtype=np.uint8)
    raw[:256] = np.arange(256, dtype=np.uint8)[:, None]
    # zero, the smallest and largest subnormal and normal numbers, infinity, NaNs, of both signs, and some of all others
    edges = [
        sign | bits for bits in (0, 1, 0x3FF, 0x400, 0x7BFF, 0x7C00, 0x7C01, 0x7E00, 0x7FFF) for sign in (0, 0x8000)
    ]
    every = np.array([*edges, *range(0, 1 << 16, 37)], "<u2").view(np.uint8).reshape(-1, 2)
    for place in (0, 2, size - 4, size - 2):
        scales = generator.integers(0, 256, (len(every), size), dtype=np.uint8)
        scales[:, place : place + 2] = every
        raw = np.concatenate((raw, scales))
    ours = decode(raw, NUMBERS[name])
    assert ours.shape == (len(raw), values) and ours.dtype == np.float32
    np.testing.assert_array_equal(ours.view(np.uint32), reference(raw, name))
    # several blocks a row, and none
    rows = raw[: len(raw) // 3 * 3].reshape(-1, 3 * size)
    np.testing.assert_array_equal(decode(rows, NUMBERS[name]).view(np.uint32), reference(rows, name))
    assert decode(rows[:0], NUMBERS[name]).shape == (0, 3 * values)


@pytest.mark.parametrize("name", LEFT)
def test_types_left_to_the_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what the package says; without it, the error says what to install."""
    package()
    raw = np.random.default_rng(3).integers(0, 256, (64, 2 * TYPES[NUMBERS[name]][2]), dtype=np.uint8)
    np.testing.assert_array_equal(decode(raw, NUMBERS[name]).view(np.uint32), reference(raw, name))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CharvecError) as caught:
        decode(raw, NUMBERS[name])
    assert (caught.value.code, caught.value.exit_code) == ("E-PACKAGE", 69)


def test_what_can_be_decoded() -> None:
    """Every quantised type that the package decodes, and two more."""
    gguf = package()
    known = {kind.name for kind in gguf.quants._type_traits} - {"BF16"} | set(LATER)
    assert {name for name, kind in NUMBERS.items() if can_decode(kind)} == known
    assert {name for name, kind in NUMBERS.items() if can_decode(kind, True)} == set(SWAPPED)


def test_300_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of files of random types, shapes, alignments and byte orders, against ``GGUFReader`` and ``dequantize``."""
    gguf = package()
    from gguf.scripts.gguf_convert_endian import byteswap_tensors

    monkeypatch.setattr("tqdm.tqdm.__init__", lambda *_, **__: None)
    generator, numbers = random.Random(7), np.random.default_rng(7)
    path = tmp_path / "x.gguf"
    compared = 0
    for number in range(300):
        monkeypatch.setattr(gathering, "CHUNK", generator.choice((1, 600, 1 << 18)))
        big = number % 4 == 0
        plain = {"F32": "f4", "F16": "f2", "F64": "f8"}
        names = [*plain, "BF16", *(SWAPPED if big else (*DECODERS, *LEFT))]
        names = [name for name in names if name in gguf.GGMLQuantizationType.__members__]
        writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG if big else gguf.GGUFEndian.LITTLE)
        if generator.random() < 0.5:
            writer.add_custom_alignment(2 ** generator.randrange(3, 13))
        truth = {}
        for place in range(generator.randrange(1, 5)):
            kind = generator.choice(names)
            _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
            rows, count = generator.randrange(1, 40), generator.randrange(1, 4)
            raw = numbers.integers(0, 256, (rows, count * size), dtype=np.uint8)
            key = f"t{place}" if place else "token_embd.weight"
            if kind in plain:
                raw = numbers.standard_normal((rows, count)).astype(plain[kind])
                truth[key] = raw.astype("f4").view("u4")
            else:
                truth[key] = reference(raw, kind)
            stored = raw.copy()
            if big and kind == "BF16":
                stored = stored.view("u2").byteswap().view("u1")
            elif big and kind in SWAPPED:
                flat = type("Tensor", (), {"data": stored.reshape(-1)})
                for block in range(0, stored.size, size):
                    byteswap_tensors[gguf.GGMLQuantizationType[kind]](flat, block)
            writer.add_tensor(key, stored, raw_dtype=None if kind in plain else gguf.GGMLQuantizationType[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        reader = gguf.GGUFReader(path)
        checkpoint = checkpoints.read(path)
        assert [tensor.name for tensor in reader.tensors] == list(checkpoint) == list(truth)
        for theirs in reader.tensors:
            tensor = checkpoint.tensors[theirs.name]
            assert tensor.shape == tuple(reversed(theirs.shape.tolist()))
            ids = numbers.integers(0, tensor.rows, generator.randrange(60))
            ours = read_rows(tensor, ids)[0].view("u4")
            np.testing.assert_array_equal(ours, truth[theirs.name][ids])
            if not big:
                read = reference(theirs.data, theirs.tensor_type.name) if theirs.data.dtype == np.uint8 else theirs.data
                np.testing.assert_array_equal(
                    ours, np.ascontiguousarray(read, np.dtype("u4" if read.dtype == "u4" else "f4")).view("u4")[ids]
                )
            compared += len(ids)
    assert compared > 10_000


def test_an_embedding_with_a_scale_beside_it(tmp_path: Path) -> None:
    """Rows of NVFP4 are read where their scales are all there is, and refused where one more stands beside them."""
    gguf = package()
    raw = np.random.default_rng(4).integers(0, 128, (5, 36), dtype=np.uint8)
    for scaled in (False, True):
        writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
        writer.add_tensor("token_embd.weight", raw, raw_dtype=gguf.GGMLQuantizationType.NVFP4)
        if scaled:
            writer.add_tensor("token_embd.scale", np.ones(1, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        tensor = checkpoints.read(tmp_path / "x.gguf").tensors["token_embd.weight"]
        assert tensor.readable is not scaled
        if tensor.readable:
            found, _ = read_rows(tensor, np.array([4, 1]))
            np.testing.assert_array_equal(found.view(np.uint32), reference(raw[[4, 1]], "NVFP4"))


def test_bad_files(tmp_path: Path) -> None:
    """A type nobody knows, a type in the wrong byte order, a pointer, files of before GGUF."""
    whole = bytearray((DATA / "types.gguf").read_bytes())
    path = tmp_path / "x.gguf"

    def code(data: bytes) -> str:
        path.write_bytes(data)
        with pytest.raises(CharvecError) as caught:
            find_embedding(checkpoints.read(path))
        assert caught.value.exit_code == 65 and caught.value.help
        return caught.value.code

    place = whole.index(b"token_embd.weight") + len("token_embd.weight") + 4 + 16
    assert whole[place] == NUMBERS["Q6_K"]
    whole[place] = 77
    assert code(bytes(whole)) == "E-QUANTISED"
    big = bytearray((DATA / "big.gguf").read_bytes())
    place = big.index(b"token_embd.weight") + len("token_embd.weight") + 4 + 16 + 3
    big[place] = NUMBERS["Q5_K"]
    assert code(bytes(big)) == "E-QUANTISED"
    assert code(whole[:-700]) == "E-TRUNCATED"
    assert (
        code(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n") == "E-LFS-POINTER"
    )
    for magic in (b"lmgg", b"fmgg", b"tjgg"):
        assert code(magic + bytes(100)) == "E-GGUF"


def test_a_file_without_an_embedding(tmp_path: Path) -> None:
    """Vocabulary files have no tensors at all; the tokens need not be UTF-8 here."""
    data = (DATA / "split" / "model-00001-of-00003.gguf").read_bytes()
    (tmp_path / "x.gguf").write_bytes(
        data.replace(b"split.count", b"other.count").replace("▁".encode(), b"\xff\xff\xff")
    )
    checkpoint = checkpoints.read(tmp_path / "x.gguf")
    assert len(checkpoint) == 0 and checkpoint.vocabulary
    with pytest.raises(CharvecError) as caught:
        find_embedding(checkpoint)
    assert caught.value.code == "E-NO-TENSOR"


def test_vectors_and_scalars_of_blocks_are_listed_only(tmp_path: Path) -> None:
    """A row of a vector is one element, which is no whole block."""
    gguf = package()
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_tensor("v", np.zeros(34, "u1"), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("w", np.zeros((2, 3, 34), "u1"), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors = checkpoints.read(tmp_path / "x.gguf").tensors
    assert not tensors["v"].readable and tensors["v"].shape == (32,)
    assert read_rows(tensors["w"], np.arange(2))[0].shape == (2, 96)


def test_sources_are_values() -> None:
    """Two readings of a file compare equal, so that tied tensors can be told."""
    one, other = (checkpoints.read(DATA / "types.gguf").tensors["token_embd.weight"] for _ in range(2))
    assert one == other and isinstance(one.source, member.Quantised)
