"""Compare charvec with TensorFlow itself, bit for bit, on random bundles that TensorFlow writes now.

Run by hand where TensorFlow is installed::

    python tests/oracle/tensorflow_bundles.py [bundles] [seed]

Every bundle has a few variables of random names, element types and shapes; some are partitioned along axis 0, 1 or 2,
some bundles are split over several data files, some are TensorFlow 2 checkpoints. Names, shapes and element types are
compared with what ``tf.train.load_checkpoint`` lists, elements with what the RestoreV2 operation gives, and with what
was written. Files of the first version are read one by one, also those of a saver that was told to shard.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import tensorflow as tf  # type: ignore[import-untyped,unused-ignore]

from charvec.checkpoints import tensorflow as member
from charvec.checkpoints import tensorflow_v1
from charvec.plumbing.files import File
from charvec.rows import read_rows
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

V1 = tf.compat.v1
V1.disable_resource_variables()
DTYPES = (
    *(tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.bool),
    *(tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64),
)
NAMES = (
    "bert/embeddings/word_embeddings",
    "emb",
    "a" * 200,
    "x.y-z_0",
    "layer_1/kernel/Adam_1",
    "Z",
    "shared/embedding",
)


def gather(tensor: Tensor) -> bytes:
    """All elements, by offsets and strides."""
    item = ITEM_BYTES[tensor.dtype]
    result = np.zeros((tensor.rows, tensor.columns, item), np.uint8)
    for block in tensor.blocks:
        raw = np.fromfile(block.path, np.uint8)
        row = np.arange(block.rows)[:, None, None] * block.row_stride
        column = np.arange(block.columns)[None, :, None] * block.column_stride
        place = slice(block.row, block.row + block.rows), slice(block.column, block.column + block.columns)
        result[place] = raw[block.offset + row + column + np.arange(item)]
    return result.tobytes()


def values(chance: random.Random, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Random bits, as floats often subnormal, infinite or not a number."""
    kind = np.dtype(dtype.as_numpy_dtype)
    raw = chance.randbytes(int(np.prod(shape, dtype=int)) * kind.itemsize)
    if dtype == tf.bool:
        raw = bytes(byte & 1 for byte in raw)
    return np.frombuffer(raw, kind).reshape(shape)


def shape_of(chance: random.Random) -> tuple[int, ...]:
    """Up to four axes, now and then an empty one, now and then hundreds of rows."""
    sizes = [
        chance.choice((0, 1, 2, 3, 7, 64, 130, 700) if axis == 0 else (1, 2, 5, 9))
        for axis in range(chance.randrange(5))
    ]
    return tuple(sizes)


def variable(name: str, truth: Any, dtype: Any, chance: random.Random) -> list[Any]:
    """A variable, or the slices of a partitioned one; what to initialise it with is fed through a placeholder."""
    axes = [axis for axis, size in enumerate(truth.shape[:3]) if size > 1 and 0 not in truth.shape]
    if not axes or chance.randrange(2):
        hold = V1.placeholder(dtype, truth.shape)
        part = V1.Variable(hold, name=name, dtype=dtype, trainable=False)
        return [(part, hold, truth)]
    axis = chance.choice(axes)
    count = chance.randrange(2, min(truth.shape[axis], 9) + 1)
    cuts = sorted(chance.sample(range(1, truth.shape[axis]), count - 1))
    parts = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, truth.shape[axis]], strict=True)):
        piece = np.ascontiguousarray(truth.take(range(start, end), axis))
        hold = V1.placeholder(dtype, piece.shape)
        with tf.device(f"/cpu:{number % 2}"):
            part = V1.Variable(hold, name=f"{name}/part_{number}", dtype=dtype, trainable=False)
        offset = [start if place == axis else 0 for place in range(truth.ndim)]
        part._set_save_slice_info(V1.Variable.SaveSliceInfo(name, list(truth.shape), offset, list(piece.shape)))
        parts.append((part, hold, piece))
    return parts


def write_v1_api(prefix: str, chance: random.Random, *, version: int) -> dict[str, Any]:
    """A bundle by tf.compat.v1.train.Saver; variables on two devices, so that a sharded one has two data files.

    Returns:
        what was written, by name.
    """
    truths = {}
    with tf.Graph().as_default():
        parts = []
        for name in chance.sample(NAMES, chance.randrange(1, len(NAMES))):
            dtype = chance.choice(DTYPES)
            with tf.device(f"/cpu:{chance.randrange(2)}"):
                truths[name] = values(chance, dtype, shape_of(chance))
                parts += variable(name, truths[name], dtype, chance)
        with V1.Session(config=V1.ConfigProto(device_count={"CPU": 2})) as session:
            for part, hold, piece in parts:
                session.run(part.initializer, {hold: piece})
            saver = V1.train.Saver(
                [part for part, _, _ in parts], sharded=chance.randrange(2) == 0, write_version=version
            )
            saver.save(session, prefix, write_meta_graph=False)
    return truths


def write_v2_api(prefix: str, chance: random.Random) -> dict[str, str]:
    """A bundle by tf.train.Checkpoint; returns the variables' own names by key."""
    model, names = tf.Module(), {}
    for number in range(chance.randrange(1, 6)):
        dtype, name = chance.choice(DTYPES), chance.choice(NAMES) + str(number)
        attribute = chance.choice(("emb", "字", "layer", "_x")) + str(number)
        setattr(model, attribute, tf.Variable(values(chance, dtype, shape_of(chance)), name=name, dtype=dtype))
        names[f"model/{attribute}/.ATTRIBUTES/VARIABLE_VALUE"] = name
    if chance.randrange(2):
        tf.train.Checkpoint(model=model).write(prefix)
        return names
    tf.saved_model.save(model, prefix)
    return {key.removeprefix("model/"): name for key, name in names.items()}


def compare(checkpoint: Checkpoint, prefix: str, truths: dict[str, Any], seen: Counter[str]) -> None:
    """Names, shapes, types, elements."""
    reader = tf.train.load_checkpoint(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    assert set(checkpoint.tensors) == set(shapes), (set(checkpoint.tensors) ^ set(shapes), prefix)
    for name, tensor in checkpoint.tensors.items():
        assert list(tensor.shape) == shapes[name], name
        assert tensor.dtype == dtypes[name].name, name
        if tensor.dtype == "string":
            seen["strings listed"] += 1
        elif not tensor.blocks and tensor.nbytes:
            assert len(tensor.shape) > 2, name
            seen["split along axis 2, listed"] += 1
        else:
            elements = gather(tensor)
            if name in truths:
                assert elements == truths[name].tobytes(), name
                seen["tensors equal to what was written"] += 1
            try:
                (read,) = tf.raw_ops.RestoreV2(
                    prefix=prefix, tensor_names=[name], shape_and_slices=[""], dtypes=[dtypes[name]]
                )
                assert elements == np.ascontiguousarray(read.numpy()).tobytes(), name
                seen["tensors equal to what TensorFlow reads"] += 1
            except tf.errors.InvalidArgumentError:
                seen[f"TensorFlow cannot read back ({tensor.dtype}, partitioned)"] += 1
            seen["of them partitioned"] += len(tensor.blocks) > 1
            seen["in several data files"] += len({block.path for block in tensor.blocks}) > 1


def compare_first(path: Path, truths: dict[str, Any], seen: Counter[str]) -> None:
    """A file of the first version, against what was written; nothing is lost but what lies in another file."""
    with File(path) as file:
        assert tensorflow_v1.sniff(file) and not member.sniff(file)
        checkpoint = tensorflow_v1.read(file)
    shapes = tf.train.load_checkpoint(str(path)).get_variable_to_shape_map()
    assert set(checkpoint.tensors) == set(shapes) <= set(truths)
    for name, tensor in checkpoint.tensors.items():
        truth = truths[name]
        assert tensor.shape == truth.shape and tensor.dtype.split(",")[0] == truth.dtype.name
        if not tensor.readable:
            floats = "float" in tensor.dtype and truth.size
            assert not floats or tensor.dtype.endswith("in other files") or len(tensor.shape) > 2, name
            seen[f"first version, listed ({tensor.dtype})"] += 1
            continue
        rows, _ = read_rows(tensor, np.arange(tensor.rows))
        with np.errstate(over="ignore", invalid="ignore"):
            expected = truth.astype("f4").reshape(rows.shape)
        assert rows.tobytes() == expected.tobytes(), name
        seen[f"first version, equal to what was written ({tensor.dtype})"] += 1


def main(count: int = 200, seed: int = 0) -> None:
    """Write, read, compare."""
    chance, seen = random.Random(seed), Counter[str]()
    for number in range(count):
        with tempfile.TemporaryDirectory() as folder:
            prefix = os.path.join(folder, chance.choice(("model.ckpt", "模型", "a.index")))
            kind = "first"
            names: dict[str, str] = {}
            truths: dict[str, Any] = {}
            try:
                if kind == "object":
                    names = write_v2_api(prefix, chance)
                    prefix += "/variables/variables" * os.path.isdir(prefix)
                else:
                    versions = V1.train.SaverDef.V1, V1.train.SaverDef.V2
                    truths = write_v1_api(prefix, chance, version=versions[kind == "saver"])
            except (tf.errors.OpError, ValueError, TypeError) as error:
                seen[f"TensorFlow would not write ({type(error).__name__})"] += 1
                continue
            if kind == "first":
                for path in sorted(Path(folder).iterdir()):
                    if path.name != "checkpoint":
                        compare_first(path, truths, seen)
                continue
            with File(prefix + ".index") as file:
                assert member.sniff(file)
                checkpoint = member.read(file)
            compare(checkpoint, prefix, truths, seen)
            assert dict(checkpoint.full_names) == names and not checkpoint.notes, (number, names, checkpoint.notes)
            seen["bundles"] += 1
            seen["names of variables"] += len(names)
    for what, times in seen.items():
        print(f"{times:6,} {what}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
