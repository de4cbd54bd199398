"""TensorFlow bundles: values as TensorFlow wrote them, damage of every kind, and random mutations."""

from __future__ import annotations

import os
import random
import shutil
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaging import overwrite

from charvec import checkpoints
from charvec.checkpoints import tensorflow
from charvec.errors import CharvecError, DamagedFile, NotFound
from charvec.plumbing.files import File
from charvec.plumbing.protobuf import signed
from charvec.plumbing.protobuf import varint as take_varint
from charvec.plumbing.tensorflow.crc32c import crc32c, masked
from charvec.plumbing.tensorflow.leveldb import FOOTER, MAGIC, entries
from charvec.plumbing.tensorflow.tensorbundle import parse, slice_key
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

DATA = Path(__file__).resolve().parents[1] / "data" / "tensorflow"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
WORD = "bert/embeddings/word_embeddings"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"

Writer = Callable[[bytes], bytes]


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """The member alone, on one file."""
    with File(path) as file:
        assert tensorflow.sniff(file)
        return tensorflow.read(file)


def gather(tensor: Tensor) -> np.ndarray[Any, Any]:
    """All elements as raw bytes in native order, by the blocks' offsets and strides alone, one by one if need be."""
    item = ITEM_BYTES[tensor.dtype]
    result = np.zeros((tensor.rows, tensor.columns, item), np.uint8)
    filled = np.zeros((tensor.rows, tensor.columns), int)
    for block in tensor.blocks:
        raw = np.fromfile(block.path, np.uint8)
        row = np.arange(block.rows)[:, None, None] * block.row_stride
        column = np.arange(block.columns)[None, :, None] * block.column_stride
        elements = raw[block.offset + row + column + np.arange(item)]
        place = slice(block.row, block.row + block.rows), slice(block.column, block.column + block.columns)
        result[place] = elements[..., ::-1] if block.big_endian else elements
        filled[place] += 1
    assert (filled == 1).all()
    return result.reshape(-1)


def same(tensor: Tensor, truth: np.ndarray[Any, Any]) -> bool:
    """Whether shape and every bit agree."""
    return tensor.shape == truth.shape and bytes(gather(tensor)) == truth.tobytes()


def bfloat16(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rounded to the nearest, ties to even, as two bytes."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def varint(value: int) -> bytes:
    """Seven bits a byte."""
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def block(items: Iterable[tuple[bytes, bytes]], every: int = 16) -> bytes:
    """Content of a block with prefix compression."""
    content, restarts, previous = bytearray(), [], b""
    for number, (key, value) in enumerate(items):
        shared = 0
        if not number % every:
            restarts.append(len(content))
        else:
            while key[shared : shared + 1] == previous[shared : shared + 1] != b"":
                shared += 1
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    restarts = restarts or [0]
    return bytes(content) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def assemble(contents: list[bytes], pack: Writer | None = None) -> bytes:
    """A table of these data blocks, with handles, footer and checksums that fit."""
    table = bytearray()

    def append(content: bytes) -> bytes:
        stored = pack(content) + b"\1" if pack else content + b"\0"
        handle = varint(len(table)) + varint(len(stored) - 1)
        table.extend(stored + masked(crc32c(stored)).to_bytes(4, "little"))
        return handle

    handles = [append(content) for content in contents]
    meta = append(block([]))
    index = append(block(((b"%08d" % number, handle) for number, handle in enumerate(handles)), every=1))
    return bytes(table) + (meta + index).ljust(FOOTER - 8, b"\0") + MAGIC


def literal(content: bytes) -> bytes:
    """A snappy stream without any copy."""
    return varint(len(content)) + b"".join(
        b"\xf4" + (len(part) - 1).to_bytes(2, "little") + part
        for part in (content[start : start + 60000] for start in range(0, len(content), 60000))
    )


def proto(*items: tuple[int, int | bytes]) -> bytes:
    """A message of varints (int) and length-delimited fields (bytes)."""
    return b"".join(
        varint(number << 3) + varint(value & (1 << 64) - 1)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in items
    )


def entry(dtype: int, shape: Iterable[int], offset: int = 0, size: int = 0, shard: int = 0, slices: Any = ()) -> bytes:
    """A BundleEntryProto; slices are lists of (start, length)."""
    return proto(
        (1, dtype),
        (2, proto(*((2, proto((1, axis))) for axis in shape))),
        (3, shard),
        (4, offset),
        (5, size),
        *((7, proto(*((1, proto((1, start), (2, length))) for start, length in extents))) for extents in slices),
    )


HEADER = proto((1, 1), (3, proto((1, 1))))


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Checkpoint]:
    """Writes entries as a bundle with one data file of zeros, and reads it."""

    def make(items: dict[bytes, bytes], *, header: bytes = HEADER, data: int = 10_000, pack: Any = None) -> Checkpoint:
        (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(data))
        (tmp_path / "m.index").write_bytes(assemble([block(sorted({b"": header, **items}.items()))], pack))
        return load(tmp_path / "m.index")

    return make


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A fixture folder of its own to spoil; the index comes back."""

    def make(name: str) -> Path:
        shutil.copytree(DATA / name, tmp_path / name)
        return next((tmp_path / name).rglob("*.index"))

    return make


def truths(folder: Path) -> dict[str, dict[str, Any]]:
    """What ``generate.py`` wrote, by path of the index and name."""
    a = np.load(folder / "A.npy")
    keras = "model/_operations/1/_embeddings" + VALUE
    known: dict[str, dict[str, Any]] = {
        "v2_plain/model.ckpt": {WORD: a, WORD.replace("word", "position"): a[:8], "global_step": np.int64(7)},
        "v2_part/model.ckpt": {WORD: a, "colpart": a},
        "v2_half/model.ckpt": {"h": a.astype("f2"), "b": bfloat16(a)},
        "v2_sharded/model.ckpt": {"a": a},
        "tf2/ckpt": {"model/emb" + VALUE: a, "model/pos" + VALUE: a[:8]},
        "tf2_keras": {keras: a},
        "savedmodel/variables/variables": {"emb" + VALUE: a, "pos" + VALUE: a[:8]},
    }
    if (folder / "B.npy").exists():
        layers = {f"layer_{number:05d}/kernel": np.float32(number) for number in range(6000)}
        known["v2_bigpart/model.ckpt"] = {"emb/we": np.load(folder / "B.npy")}
        known["v2_many/model.ckpt"] = {**dict(list(layers.items())[:400]), "zz/word_embeddings": a}
        known["v2_many6000/model.ckpt"] = {**layers, "zz/word_embeddings": a}
    return known


@pytest.mark.parametrize("folder", [DATA, SHARED / "generated"], ids=["committed", "shared"])
def test_values_are_tensorflows(folder: Path) -> None:
    """Every variable of every bundle, bit for bit."""
    if not folder.exists():
        pytest.skip("the shared fixtures are not beside this checkout")
    for prefix, truth in truths(folder).items():
        checkpoint = load(folder / f"{prefix}.index")
        assert set(checkpoint.tensors) - {tensorflow.GRAPH} == set(truth)
        for name, values in truth.items():
            if len(truth) < 100 or name.endswith(("7/kernel", "embeddings")):
                assert same(checkpoint.tensors[name], np.asarray(values)), (prefix, name)
        assert len(checkpoint.files) == 2 and not checkpoint.notes


def test_blocks_of_partitioned_variables() -> None:
    """One block per slice, along rows and along columns."""
    tensors = load(DATA / "v2_part" / "model.ckpt.index").tensors
    assert [(part.row, part.rows, part.columns) for part in tensors[WORD].blocks] == [
        (0, 6, 6),
        (6, 6, 6),
        (12, 6, 6),
        (18, 5, 6),
    ]
    assert [(part.column, part.rows, part.columns, part.row_stride) for part in tensors["colpart"].blocks] == [
        (0, 23, 2, 8),
        (2, 23, 2, 8),
        (4, 23, 2, 8),
    ]


def test_variable_names_of_object_graphs() -> None:
    """TensorFlow 2 keys know the names their variables were given."""
    assert load(DATA / "tf2/ckpt.index").full_names == {"model/emb" + VALUE: WORD, "model/pos" + VALUE: "pos"}
    saved = load(DATA / "savedmodel/variables/variables.index")
    assert saved.full_names["emb" + VALUE] == WORD
    assert saved.tensors[tensorflow.GRAPH] == Tensor(tensorflow.GRAPH, (), "string")
    assert list(load(DATA / "tf2_keras.index").full_names.values()) == ["word_embeddings/embeddings"]


@pytest.mark.parametrize("place", [0, 3, 40, 300])
def test_a_damaged_object_graph_costs_only_names(copy: Callable[[str], Path], place: int) -> None:
    """The tensors stay; a note says why they have no other names."""
    index = copy("tf2")
    graph = next(iter(index.parent.glob("*.data-*")))
    raw = bytearray(graph.read_bytes())
    raw[raw.index(b"\x0a", 500) if place == 300 else -place - 1] ^= 0x41
    graph.write_bytes(raw)
    checkpoint = load(index)
    assert set(checkpoint.tensors) == set(load(DATA / "tf2/ckpt.index").tensors)
    if checkpoint.full_names:  # the flip hit another tensor
        assert not checkpoint.notes
    else:
        assert [note.code for note in checkpoint.notes] == ["W-TF-GRAPH"]


def test_ways_to_name_a_bundle() -> None:
    """Prefix, index, data file, state file, and the folder lead to the same checkpoint."""
    folder = DATA / "v2_plain"
    wanted = str(folder / "model.ckpt.index")
    for name in ("model.ckpt", "model.ckpt.index", "model.ckpt.data-00000-of-00001", "checkpoint", ""):
        assert checkpoints.read(folder / name).path == wanted
    assert checkpoints.read(wanted).format == "tensorflow"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("..", "E-PATH-ESCAPE"),
        ("/home/somebody/..", "E-PATH-ESCAPE"),
        ("", "E-PATH-ESCAPE"),
        (".", "E-NO-CHECKPOINT"),
        ("checkpoint", "E-NO-CHECKPOINT"),
        ("inner", "E-NO-CHECKPOINT"),
        ("bert-base-chinese", "E-NOT-FOUND"),
    ],
)
def test_state_files_that_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, expected: str
) -> None:
    """Not out of their folder, not back to themselves, and never to the hub, which has a model of the last name."""
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
    for above in (tmp_path, folder / "inner"):
        shutil.copy(DATA.parent / "safetensors" / "model.safetensors", above)
    monkeypatch.chdir(folder)
    for path in (folder, folder / "checkpoint", "checkpoint"):
        with pytest.raises(CharvecError) as caught:
            checkpoints.read(path)
        assert caught.value.code == expected


def test_a_bundle_called_checkpoint(tmp_path: Path) -> None:
    """As Keras saves weights to ``.../checkpoint``, beside a state file of the same name."""
    for part in DATA.glob("v2_plain/model.ckpt.*"):
        shutil.copy(part, tmp_path / part.name.replace("model.ckpt", "checkpoint"))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "checkpoint"\n')
    for path in (tmp_path, tmp_path / "checkpoint"):
        assert checkpoints.read(path).path == str(tmp_path / "checkpoint.index")


def test_real_bert() -> None:
    """A TensorFlow 1 BERT with its optimiser's slots."""
    folder = SHARED / "keras-bert_test_checkpoint"
    if not folder.exists():
        pytest.skip("the shared fixtures are not beside this checkout")
    checkpoint = load(folder / "bert_model.ckpt.index")
    assert len(checkpoint.tensors) == 139
    assert checkpoint.tensors[WORD].shape == (15, 4)
    assert np.isfinite(gather(checkpoint.tensors[WORD]).view(np.float32)).all()


def test_real_index_in_snappy_with_a_missing_shard() -> None:
    """Shard 1 of 2 is absent; that matters only when rows of it are wanted."""
    index = SHARED / "t5_index" / "model.ckpt-0.index"
    if not index.exists():
        pytest.skip("the shared fixtures are not beside this checkout")
    checkpoint = load(index)
    embedding = checkpoint.tensors["shared/embedding"]
    assert (embedding.dtype, embedding.shape[1]) == ("bfloat16", 32)
    assert embedding.blocks[0].path.endswith("model.ckpt-0.data-00001-of-00002")
    assert not os.path.exists(embedding.blocks[0].path)
    assert [Path(path).name for path in checkpoint.files] == [
        "model.ckpt-0.index",
        "model.ckpt-0.data-00000-of-00002",
    ]


def test_big_endian(copy: Callable[[str], Path]) -> None:
    """A bundle of a big-endian machine: the header says so and every element is swapped."""
    index = copy("v2_plain")
    old = load(index)
    data = next(iter(index.parent.glob("*.data-*")))
    raw = bytearray(data.read_bytes())
    for tensor in old.tensors.values():
        part, item = tensor.blocks[0], ITEM_BYTES[tensor.dtype]
        for start in range(part.offset, part.offset + tensor.nbytes, item):
            raw[start : start + item] = raw[start : start + item][::-1]
    data.write_bytes(raw)
    items = {key: value for key, value, _ in entries(index.read_bytes())}
    items[b""] = proto((1, 1), (2, 1), (3, proto((1, 1))))
    index.write_bytes(assemble([block(items.items())]))
    new = load(index)
    assert all(tensor.blocks[0].big_endian for tensor in new.tensors.values())
    assert same(new.tensors[WORD], np.load(DATA / "A.npy"))
    assert same(new.tensors["global_step"], np.asarray(np.int64(7)))


@pytest.mark.parametrize("name", ["v2_plain", "v2_part", "tf2"])
@pytest.mark.parametrize("pack", [None, literal], ids=["plain", "snappy"])
def test_several_blocks(copy: Callable[[str], Path], name: str, pack: Writer | None) -> None:
    """The same entries, one block each, read the same."""
    index = copy(name)
    before = load(index)
    index.write_bytes(assemble([block([(key, value)]) for key, value, _ in entries(index.read_bytes())], pack))
    after = load(index)
    assert (after.tensors, after.full_names) == (before.tensors, before.full_names)


# --- bad inputs -------------------------------------------------------------------------------------------------------


def code(call: Callable[[], object]) -> str:
    """The code of the error that is raised."""
    with pytest.raises(CharvecError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-8] + b"notmagic",
        lambda raw: bytes(40) + MAGIC,
        lambda raw: raw[:-FOOTER] + (varint(0) + varint(8) + varint(len(raw)) + varint(20)).ljust(40, b"\0") + MAGIC,
        lambda raw: raw[:-FOOTER] + b"\xff" * 40 + MAGIC,
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:20],
    ],
    ids=["tf-magic", "tf-foot", "tf-handle", "tf-handle-long", "half", "short"],
)
def test_spoiled_index(copy: Callable[[str], Path], spoil: Writer) -> None:
    """Named as a damaged index even when nothing but the name is left to tell."""
    index = copy("v2_plain")
    index.write_bytes(spoil(index.read_bytes()))
    for opener in (load, checkpoints.read):
        with pytest.raises(DamagedFile) as caught:
            opener(index)
        assert caught.value.code == "E-TF-INDEX"
        assert caught.value.path == str(index)


def test_missing_data_and_missing_index(copy: Callable[[str], Path]) -> None:
    """tf-nodata and tf-noindex."""
    index = copy("v2_plain")
    data = index.parent / "model.ckpt.data-00000-of-00001"
    data.rename(index.parent / "kept")
    with pytest.raises(NotFound) as caught:
        load(index)
    assert (caught.value.code, caught.value.exit_code, caught.value.path) == ("E-SHARD-MISSING", 66, str(data))
    (index.parent / "kept").rename(data)
    index.unlink()
    assert code(lambda: checkpoints.read(data)) == "E-TF-NOINDEX"
    assert code(lambda: checkpoints.read(index.with_suffix(""))) == "E-TF-NOINDEX"


def test_cut_data(copy: Callable[[str], Path]) -> None:
    """The message counts the bytes; a Git LFS pointer is called one."""
    index = copy("v2_plain")
    data = index.parent / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match="751 of 752 bytes present") as caught:
        load(index)
    assert (caught.value.code, caught.value.path) == ("E-TRUNCATED", str(data))
    data.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 752\n")
    assert code(lambda: load(index)) == "E-LFS-POINTER"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "E-EMPTY"),
        (bytes(4096), "E-NOT-WEIGHTS"),
        (b"<!DOCTYPE html><html></html>", "E-NOT-WEIGHTS"),
        (b'{"error": "not found"}', "E-NOT-WEIGHTS"),
        (b"version https://git-lfs.github.com/spec/v1\n", "E-LFS-POINTER"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "E-COMPRESSED"),
        (b"a subject index\n", "E-FORMAT"),
    ],
)
def test_other_files_called_index(tmp_path: Path, content: bytes, expected: str) -> None:
    """The suffix alone makes no TensorFlow index of what is plainly something else."""
    path = tmp_path / "m.index"
    path.write_bytes(content)
    with File(path) as file:
        assert not tensorflow.sniff(file)
    assert code(lambda: checkpoints.read(path)) == expected


def test_too_large(tmp_path: Path) -> None:
    """No index has 64 MB."""
    path = tmp_path / "m.index"
    with path.open("wb") as file:
        file.seek(tensorflow.MAX_INDEX)
        file.write(MAGIC)
    assert code(lambda: load(path)) == "E-TOO-LARGE"


@pytest.mark.parametrize(
    "value",
    [
        entry(1, [2, 3], 0, 25),
        entry(1, [2**62, 4], 0, 0),
        entry(1, [2**32, 2**32], 0, 0),
        entry(1, [-1, 4], 0, 0),
        entry(1, [1] * 9, 0, 4),
        entry(0, [2], 0, 8),
        entry(2**40, [2], 0, 8),
        entry(1, [2], -8, 8),
        entry(1, [2], 0, 8, shard=1),
        entry(1, [2], 0, 8)[:-1],
        b"\x08",
        b"\x0b",
        b"\x0d\1\0\0\0",
        b"\xff" * 11,
        b"\x12\x05\x12\x7f",
        entry(1, [2], 0, 8) + b"\0",
    ],
)
def test_bad_entries(bundle: Callable[..., Checkpoint], value: bytes) -> None:
    """Each entry is checked by itself."""
    with pytest.raises(DamagedFile, match="entry of 'w'") as caught:
        bundle({b"w": value})
    assert caught.value.code == "E-TF-INDEX"
    assert caught.value.offset is not None


def test_past_the_data(bundle: Callable[..., Checkpoint]) -> None:
    """An offset far beyond the file."""
    assert code(lambda: bundle({b"w": entry(1, [2], 2**62, 8)})) == "E-TRUNCATED"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        proto((1, 0)),
        proto((1, 100_000)),
        proto((1, -1)),
        proto((1, 1), (2, 2)),
        proto((1, 1), (3, proto((2, 2)))),
        b"\x08",
        b"\x09" + bytes(8),
    ],
)
def test_bad_headers(bundle: Callable[..., Checkpoint], header: bytes) -> None:
    """Shards, byte order and version."""
    assert code(lambda: bundle({b"w": entry(1, [2], 0, 8)}, header=header)) == "E-TF-INDEX"


def test_other_tables(tmp_path: Path) -> None:
    """A LevelDB table of another program."""
    path = tmp_path / "000005.ldb"
    path.write_bytes(assemble([block([(b"key", b"value")])]))
    assert code(lambda: load(path)) == "E-TF-INDEX"
    path.write_bytes(assemble([]))
    assert code(lambda: load(path)) == "E-TF-INDEX"


def test_other_dtypes_are_listed(bundle: Callable[..., Checkpoint]) -> None:
    """What charvec cannot read has a name and no blocks."""
    items = {b"%d" % dtype: entry(dtype, [2], 0, 5) for dtype in (7, 8, 11, 12, 13, 15, 16, 18, 20, 21, 29, 30, 99)}
    tensors = bundle(items).tensors
    assert all(not tensor.blocks and tensor.nbytes == 0 for tensor in tensors.values())
    assert (tensors["7"].dtype, tensors["11"].dtype, tensors["99"].dtype) == ("string", "qint8", "dtype99")


def sliced(shape: list[int], slices: list[list[tuple[int, int]]], dtype: int = 1) -> dict[bytes, bytes]:
    """A partitioned variable ``w``, the slices one after the other in the data."""
    items, offset = {b"w": entry(dtype, shape, slices=slices)}, 0
    for extents in slices:
        sizes = [size - start if length < 0 else length for (start, length), size in zip(extents, shape, strict=True)]
        count = int(np.prod(sizes)) * 4
        items[slice_key("w", tuple(extents))] = entry(dtype, sizes, offset, count)
        offset += count
    return items


@pytest.mark.parametrize(
    "slices",
    [
        [[(0, 2), (0, -1)]],
        [[(0, 2), (0, -1)], [(1, 2), (0, -1)]],
        [[(0, 3), (0, 2)], [(0, 3), (3, 1)]],
        [[(0, 2), (0, 2)], [(1, 2), (1, 2)], [(0, 1), (2, 2)], [(2, 1), (0, 2)]],
        [[(0, 3), (0, 4)], [(0, 3), (0, 4)]],
        [[(0, 4), (0, -1)]],
        [[(-1, 3), (0, -1)]],
        [[(0, 3), (0, -2)]],
    ],
    ids=["hole", "rows-overlap", "column-hole", "both", "twice", "past", "before", "negative"],
)
def test_slices_that_do_not_tile(bundle: Callable[..., Checkpoint], slices: Any) -> None:
    """Holes, overlaps, ranges outside."""
    assert code(lambda: bundle(sliced([3, 4], slices))) == "E-TF-INDEX"


def test_slices_that_tile(bundle: Callable[..., Checkpoint]) -> None:
    """A grid, bricks, three axes, an empty tensor, thousands of rows."""
    grid = [[(r, 2), (c, 5)] for r in (0, 2, 4) for c in (0, 5)]
    assert len(bundle(sliced([6, 10], grid)).tensors["w"].blocks) == 6
    bricks = [[(0, 1), (0, 2)], [(0, 1), (2, 2)], [(1, 2), (0, 1)], [(1, 2), (1, 3)], [(3, -1), (0, -1)]]
    assert len(bundle(sliced([4, 4], bricks)).tensors["w"].blocks) == 5
    along1 = [[(0, -1), (0, 1), (0, -1)], [(0, -1), (1, 2), (0, -1)]]
    parts = bundle(sliced([2, 3, 4], along1)).tensors["w"].blocks
    assert [(part.column, part.columns, part.row_stride) for part in parts] == [(0, 4, 16), (4, 8, 32)]
    along2 = [[(0, -1), (0, -1), (0, 1)], [(0, -1), (0, -1), (1, 3)]]
    assert bundle(sliced([2, 3, 4], along2)).tensors["w"] == Tensor("w", (2, 3, 4), "float32")
    assert bundle(sliced([0, 4], [[(0, -1), (0, -1)]])).tensors["w"].blocks == ()
    rows = [[(row, 1), (0, -1)] for row in range(10_000)]
    start = time.perf_counter()
    assert len(bundle(sliced([10_000, 1], rows), data=40_000).tensors["w"].blocks) == 10_000
    assert time.perf_counter() - start < 20


def test_slices_without_or_with_wrong_entries(bundle: Callable[..., Checkpoint]) -> None:
    """The parent's word is checked against every slice."""
    items = sliced([3, 4], [[(0, 2), (0, -1)], [(2, 1), (0, -1)]])
    key = slice_key("w", ((2, 1), (0, -1)))
    assert code(lambda: bundle({k: v for k, v in items.items() if k != key})) == "E-TF-INDEX"
    assert code(lambda: bundle({**items, key: entry(1, [2, 2], 0, 16)})) == "E-TF-INDEX"
    assert code(lambda: bundle({**items, key: entry(3, [1, 4], 0, 16)})) == "E-TF-INDEX"
    assert code(lambda: bundle({b"w": entry(1, [3], slices=[[]])})) == "E-TF-INDEX"


def test_too_many_slices(bundle: Callable[..., Checkpoint]) -> None:
    """A cap, before anything is looked up."""
    assert code(lambda: bundle({b"w": entry(1, [9], slices=[[(0, 1)]] * 20_000)})) == "E-TF-INDEX"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "80"),
        (-1, "7f"),
        (63, "bf"),
        (-64, "40"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (2858, "cb2a"),
        (2**62, "ffc04000000000000000"),
    ],
)
def test_ordered_code(number: int, expected: str) -> None:
    """Slice keys as TensorFlow's OrderedCode writes them."""
    key = slice_key("a\0b", ((number, -1),))
    assert key.hex() == b"\0a\0\xffb\0\1\1\1".hex() + expected + "7f"


def test_blocks_cannot_be_read_twice(tmp_path: Path) -> None:
    """A table whose index leads to one block again and again would cost quadratic time."""
    path = tmp_path / "m.index"
    raw = bytearray(assemble([block([(b"", HEADER)])]))
    body = raw[: -FOOTER - 1]
    content = block(((b"%08d" % number, varint(0) + varint(8)) for number in range(1000)), every=1) + b"\0"
    handle = varint(len(body)) + varint(len(content) - 1)
    table = body + content + masked(crc32c(content)).to_bytes(4, "little")
    path.write_bytes(bytes(table) + (varint(0) + varint(18) + handle).ljust(40, b"\0") + MAGIC)
    assert code(lambda: load(path)) == "E-TF-INDEX"


def test_swelling_keys(tmp_path: Path) -> None:
    """Prefix compression writes a megabyte of key with a few bytes; the sum is capped."""
    path = tmp_path / "m.index"
    content = bytearray(block([(b"", HEADER)])[:-8] + varint(0) + varint(1 << 20) + varint(0) + b"a" * (1 << 20))
    for number in range(1, 50_000):
        content += varint((1 << 20) + number - 1) + b"\1\0a"
    path.write_bytes(assemble([bytes(content) + struct.pack("<II", 0, 1)]))
    start = time.perf_counter()
    assert code(lambda: load(path)) == "E-TF-INDEX"
    assert time.perf_counter() - start < 5


# --- mutations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["v2_plain", "v2_part", "tf2"])
def test_every_flipped_bit(copy: Callable[[str], Path], name: str) -> None:
    """Each single-bit flip of an index is refused, or changes nothing."""
    index = copy(name)
    raw, good = index.read_bytes(), load(index)
    refused = 0
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        overwrite(index, flipped)
        try:
            now = load(index)
        except CharvecError as error:
            assert error.code == "E-TF-INDEX"
            refused += 1
        else:
            assert (now.tensors, now.full_names, now.files) == (good.tensors, good.full_names, good.files)
    assert refused > (len(raw) - 40) * 8


def mutate(raw: bytes, chance: random.Random) -> bytes:
    """One to four edits: bits, bytes, extreme values, holes, repeats, cuts."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(7)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 2:
            extreme = chance.choice((0, 1, 127, 128, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**69))
            data[place : place + chance.randrange(3)] = varint(extreme)
        elif kind == 3:
            del data[place : place + chance.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = data[place : place + chance.randrange(1, 40)]
        elif kind == 5:
            data[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 6 and not chance.randrange(8):
            del data[place:]
    return bytes(data)


def mutant(raw: bytes, chance: random.Random) -> bytes:
    """A spoiled index: as it lies on disk, or inside with all checksums and handles put right again."""
    kind = chance.randrange(4)
    if kind == 0:
        return mutate(raw, chance)
    items = [(key, value) for key, value, _ in entries(raw)]
    pack = literal if chance.randrange(4) == 0 else None
    if kind == 1:  # keys and values, sorted again so that the entries themselves are read
        chosen = chance.randrange(len(items))
        key, value = items[chosen]
        items[chosen] = (
            (mutate(key, chance), value) if key and chance.randrange(4) == 0 else (key, mutate(value, chance))
        )
        return assemble([block(sorted(dict(items).items()))], pack)
    content = block(items)
    if kind == 2:
        return assemble([mutate(content, chance)], pack)
    return assemble([content], lambda plain: mutate(literal(plain), chance) if plain is content else literal(plain))


def check(checkpoint: Checkpoint) -> None:
    """What every checkpoint promises: blocks tile their tensor and lie in their file."""
    for tensor in checkpoint.tensors.values():
        assert sum(part.rows * part.columns for part in tensor.blocks) in (0, tensor.rows * tensor.columns)
        for part in tensor.blocks:
            last = part.offset + (part.rows - 1) * part.row_stride + part.columns * part.column_stride
            assert min(part.row, part.column, part.offset, part.rows, part.columns) >= 0
            assert part.row + part.rows <= tensor.rows and part.column + part.columns <= tensor.columns
            assert part.path not in checkpoint.files or last <= max(checkpoint.files[part.path], part.offset)


def fuzz(index: Path, count: int, seed: int) -> dict[str, int]:
    """Read mutants; the codes they were refused with are counted."""
    raw, chance, codes = index.read_bytes(), random.Random(seed), dict[str, int]()
    for _ in range(count):
        overwrite(index, mutant(raw, chance))
        start = time.perf_counter()
        try:
            with File(index) as file:
                tensorflow.sniff(file)
                checkpoint = tensorflow.read(file)
        except CharvecError as error:
            found = error.code
        else:
            found = "read"
            check(checkpoint)
        assert time.perf_counter() - start < 5
        codes[found] = codes.get(found, 0) + 1
    index.write_bytes(raw)
    return codes


@pytest.mark.parametrize("name", ["v2_plain", "v2_part", "v2_half", "tf2"])
def test_mutants(copy: Callable[[str], Path], name: str) -> None:
    """Nothing but a CharvecError, and never slow."""
    codes = fuzz(copy(name), 5000, seed=20)
    assert codes["E-TF-INDEX"] > 1000 and codes["read"] > 100
    assert set(codes) <= {"read", "E-TF-INDEX", "E-TRUNCATED", "E-SHARD-MISSING"}


def test_mutants_of_the_object_graph(copy: Callable[[str], Path]) -> None:
    """With its checksum put right, so that the graph itself is parsed: names or a note, never an error."""
    index = copy("tf2")
    data = next(iter(index.parent.glob("*.data-*")))
    raw, chance = data.read_bytes(), random.Random(21)
    items = {key: value for key, value, _ in entries(index.read_bytes())}
    old = parse(index.read_bytes()).tensors[tensorflow.GRAPH]
    length, start = take_varint(raw, old.offset)
    whole = raw[start + 4 : start + 4 + length]
    noted = 0
    for _ in range(3000):
        graph = mutate(whole, chance)
        size = len(graph).to_bytes(4, "little")
        check = masked(crc32c(size)).to_bytes(4, "little")
        text = varint(len(graph)) + check + graph
        value = entry(7, [], len(raw), len(text)) + b"\x35" + masked(crc32c(size + check + graph)).to_bytes(4, "little")
        overwrite(data, raw + text)
        overwrite(index, assemble([block(sorted({**items, b"_CHECKPOINTABLE_OBJECT_GRAPH": value}.items()))]))
        checkpoint = load(index)
        assert bool(checkpoint.notes) != bool(checkpoint.full_names) or not checkpoint.notes
        noted += bool(checkpoint.notes)
    assert 100 < noted < 2990


def test_signed() -> None:
    """An int64 in a varint."""
    assert [signed(value) for value in (0, 2**63 - 1, 2**63, 2**64 - 1)] == [0, 2**63 - 1, -(2**63), -1]
