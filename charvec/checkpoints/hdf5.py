"""HDF5: weights of Keras 2 and 3, of Hugging Face's TensorFlow models, and arrays that h5py wrote.

Layouts (keras/src/legacy/saving/legacy_h5_format.py, keras/src/saving/saving_lib.py, transformers'
modeling_tf_utils.py):

* Keras 2, ``.h5``: ``[model_weights/]LAYER/WEIGHT``, where WEIGHT is the variable's own name, slashes and all. Hugging
  Face's ``tf_model.h5`` is the same with names like those of PyTorch below the model's.
* Keras 3, ``.weights.h5``: ``layers/embedding/vars/0``; the keys are made of class names, the layer's own name is an
  attribute of the group ``vars``.
* Keras 3, ``.keras``: a zip file that stores the former, uncompressed, as ``model.weights.h5``.

The user sees the names of the file; ``Checkpoint.full_names`` has those of layers and variables, by which the input
embedding is found. The structure is read by :mod:`charvec.plumbing.hdf5.hdf5_file`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from charvec.errors import CharvecError, DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.hdf5.hdf5_blocks import Blocks, External, Unsupported
from charvec.plumbing.hdf5.hdf5_chunks import ChunkedRows
from charvec.plumbing.hdf5.hdf5_file import Dataset, objects
from charvec.plumbing.hdf5.hdf5_headers import SIGNATURE, CutShort, Unclean
from charvec.plumbing.protobuf import Malformed
from charvec.plumbing.zips import Zip
from charvec.tensor import ITEM_BYTES, READABLE, Checkpoint, Tensor

__all__ = ["NAME", "read", "sniff"]

NAME = "hdf5"

#: The member of a ``.keras`` file that holds the weights, and those that may stand before it.
WEIGHTS = "model.weights.h5"
_FIRST_MEMBERS = (b"metadata.json", b"config.json", WEIGHTS.encode())


def sniff(file: File) -> bool:
    """HDF5 from the first byte on, so no vector file of ours; or a zip file that begins as Keras's do."""
    head = file.head
    if head.startswith(b"PK\x03\x04"):
        return head[30 : 30 + int.from_bytes(head[26:28], "little")] in _FIRST_MEMBERS
    return head.startswith(SIGNATURE)


def read(file: File) -> Checkpoint:
    """Read the structure.

    Raises:
        DamagedFile: ``E-H5``, ``E-TRUNCATED`` or ``E-UNCLEAN``; as :class:`charvec.plumbing.zips.Zip`.
        UnsafeFile: ``E-H5-EXTERNAL`` when data would come from another file; ``E-BOMB``.
        WrongFile: ``E-H5-FEATURE`` for what charvec does not read of HDF5; ``E-NO-WEIGHTS`` for another zip file.
    """
    path, start, size = file.path, 0, file.size
    if file.head.startswith(b"PK"):
        archive = Zip(file, "E-H5")
        if WEIGHTS not in archive.members:
            raise WrongFile(
                "E-NO-WEIGHTS",
                f"{path} is a zip file without {WEIGHTS}, so no model of Keras",
                path=path,
                found=", ".join(list(archive.members)[:8]),
                help="save it in Keras 3 with model.save('NAME.keras')",
            )
        start, size = archive.stored_offset(archive.members[WEIGHTS]), archive.members[WEIGHTS].size
    blocks = Blocks(file, start, size)
    tensors: dict[str, Tensor] = {}
    labels: dict[str, str] = {}
    try:
        for each in objects(blocks):
            if isinstance(each, Dataset):
                tensors[each.path] = _tensor(each, path, start)
            elif each.label:
                labels[each.path] = each.label
    except Malformed as error:
        raise _refusal(error, file, start) from None
    names = {name: _full_name(name, labels) for name in tensors}
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        tensors,
        blocks.digest.hexdigest(),
        full_names={name: full for name, full in names.items() if full != name},
    )


def _refusal(error: Malformed, file: File, start: int) -> CharvecError:
    """The error for a file that cannot be read on."""
    path, offset = file.path, None if error.offset is None else start + error.offset
    if isinstance(error, External):
        return UnsafeFile(
            "E-H5-EXTERNAL",
            f"{path}: {error}; charvec never follows that",
            path=path,
            offset=offset,
            help="do not use this file unless you know who made it",
        )
    if isinstance(error, CutShort):
        return cut_short(path, file.size, f": {error}", str(error))
    if isinstance(error, Unclean):
        return DamagedFile("E-UNCLEAN", f"{path}: {error}", path=path, offset=offset, help="save the model again")
    if isinstance(error, Unsupported):
        return WrongFile(
            "E-H5-FEATURE",
            f"{path} uses a part of HDF5 that charvec does not read: {error}",
            path=path,
            offset=offset,
            help="load it with h5py or Keras and save it again, or ask for the weights as safetensors",
        )
    return error.within(path, "E-H5", "HDF5 file", start=start)


def _tensor(dataset: Dataset, path: str, start: int) -> Tensor:
    kind, name, shape = dataset.kind, dataset.path, dataset.shape
    dtype = kind.name
    if dataset.problem or dtype not in ITEM_BYTES:
        return Tensor(name, shape, f"{dtype}, {dataset.problem}" if dataset.problem else dtype)
    if not dataset.chunk:
        return Tensor.contiguous(name, shape, dtype, path, start + dataset.address, big_endian=kind.big_endian)
    if dtype not in READABLE:
        return Tensor(name, shape, dtype)
    code = (">" if kind.big_endian else "<") + {"bfloat16": "u2"}.get(dtype, f"f{kind.size}")
    placed = tuple(chunk._replace(offset=start + chunk.offset) for chunk in dataset.chunks)
    source = ChunkedRows(path, shape, dataset.chunk, code, dataset.filters, placed)
    return Tensor(name, shape, dtype, source=source, files=(path,))


_KERAS_3 = re.compile(r"(?:(.*)/)?vars/([^/]+)")
_KERAS_2 = re.compile(r"(?:model_weights/)?[^/]+/(.+)")
#: The name of a model's class, which Hugging Face puts before the names of its variables.
_HUGGING_FACE = re.compile(r"(?:tf_?\w+?/)?(.+/weight)(?::0)?")


def _full_name(name: str, labels: Mapping[str, str]) -> str:
    """What a variable is called by those who built the model."""
    if match := _KERAS_3.fullmatch(name):
        parts, path = [], ""
        for key in match[1].split("/") if match[1] else ():
            path = f"{path}/{key}" if path else key
            label = labels.get(f"{path}/vars")
            if label or key != "layers":
                parts.append(label or key)
        return "/".join([*parts, match[2]])
    if match := _KERAS_2.fullmatch(name):
        if name.startswith("optimizer_weights/"):
            return name
        if pytorch := _HUGGING_FACE.fullmatch(match[1]):
            return pytorch[1].replace("/", ".")
        return match[1].removesuffix(":0")
    return name
