"""Family: checkpoint formats. One file per format, recognised by content, never by suffix.

A member reads headers only and returns a :class:`~charvec.tensor.Checkpoint`, which says where every tensor's elements
lie. It runs nothing it finds, imports no framework and opens no file outside the folder it was pointed to.

To add a format: write one module with :class:`Member`'s two functions, put its name into :data:`MEMBERS`, and add a
small file that another program wrote to ``tests/data``; the contract tests then run over it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Protocol, cast

from charvec.errors import Ambiguous, CharvecError, DamagedFile, NotFound
from charvec.plumbing import places
from charvec.plumbing.files import File, inside, unrecognised
from charvec.plumbing.models.model_folders import inner_folder
from charvec.plumbing.models.model_places import settle
from charvec.tensor import Checkpoint, Tensor

__all__ = ["MEMBERS", "Member", "locate", "members", "read", "tensor"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: Short name of the format, as shown to users and stored in vector files.
    NAME: str

    def sniff(self, file: File) -> bool:
        """Whether this is such a file, by its first (or last) bytes. Cheap; never raises for damaged content."""

    def read(self, file: File) -> Checkpoint:
        """Headers only.

        Raises:
            InputError: when the headers are damaged or hostile.
        """


#: Every member, by module. They recognise files by content and never the same one, so the order decides nothing; the
#: commonest come first, because a member is imported only when it is asked (PyTorch's takes 14 ms, a tenth of a run).
MEMBERS = (
    *("safetensors", "tensorflow", "tensorflow_v1", "sharded", "pytorch", "gguf", "onnx", "openvino", "hdf5", "flax"),
    *("word2vec_text", "word2vec_binary", "fasttext", "numpy_arrays", "vector_file"),
    *("paddle", "paddle_inference", "mindspore", "gensim_pickle"),
)


#: Who is asked first about a file that begins so, for the members before it would be imported in vain.
LIKELY = {b"PK\x03\x04": "pytorch"}


def members(head: bytes = b"") -> Iterator[Member]:
    """Every member, imported when its turn comes; the likely one for a file that begins with ``head`` first."""
    likely = [name for start, name in LIKELY.items() if head.startswith(start)]
    for name in dict.fromkeys((*likely, *MEMBERS)):
        yield cast(Member, import_module(f"charvec.checkpoints.{name}"))


#: What model folders hold, best first: the names the Hugging Face libraries write, then TensorFlow's state file.
FOLDER_FILES = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "tf_model.h5.index.json",
    "tf_model.h5",
    "flax_model.msgpack.index.json",
    "flax_model.msgpack",
    "model_state.pdparams.index.json",
    "model_state.pdparams",
    "checkpoint",
    "model.onnx",
    "openvino_model.xml",
    "__model__",
)
#: Otherwise the only file with one of these suffixes.
FOLDER_SUFFIXES = (
    ".safetensors.index.json",
    ".safetensors",
    ".bin.index.json",
    ".index",
    ".bin",
    ".pt",
    ".pth",
    ".gguf",
    ".onnx",
    ".vec",
    ".kv",
    ".wordvectors",
    ".npz",
    ".npy",
    ".keras",
    ".h5",
    ".msgpack",
    ".pdparams.index.json",
    ".pdparams",
    ".pdmodel",
    ".pdiparams",
    ".ckpt",
)

#: Folders within folders that are gone into at most.
MAX_DEPTH = 4

_TF_DATA = re.compile(r"\.data-\d{5}-of-\d{5}$")
_TF_STATE = re.compile(rb'^model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


def locate(path: str | os.PathLike[str]) -> str:
    """The file to open for what a user calls a checkpoint.

    Args:
        path: a file, a folder, a TensorFlow prefix (``bert_model.ckpt``), or any one file of a TensorFlow bundle; also
            behind a URL, or a model on the hub.

    Raises:
        NotFound: ``E-NOT-FOUND``; ``E-TF-NOINDEX`` when only the data file of a TensorFlow bundle is there;
            ``E-NO-CHECKPOINT`` when a folder holds no checkpoint.
        Ambiguous: ``E-AMBIGUOUS-FILE`` when a folder holds several.
        UnsafeFile: ``E-PATH-ESCAPE`` when TensorFlow's file ``checkpoint`` leads out of its folder.
    """
    return _locate(settle(os.fspath(path)))


def _locate(path: str) -> str:
    """The same of a settled path: what files and folders say is never looked for on the hub."""
    if places.is_folder(path):
        return _locate(_in_folder(path))
    for prefix in (path, _TF_DATA.sub("", path), path.removesuffix(".meta")):
        if (prefix != path or not places.exists(path)) and places.is_file(prefix + ".index"):
            return prefix + ".index"
    if _TF_DATA.search(path) or (not places.exists(path) and _has_data(path)):
        raise NotFound(
            "E-TF-NOINDEX",
            f"{path}: the .index file of this TensorFlow checkpoint is missing",
            path=path,
            help="a checkpoint is a pair of files; put the .index file beside the .data file, "
            "then name either or the prefix",
        )
    if not places.is_remote(path) and not places.exists(path):  # what a server says is told when it is opened
        raise NotFound("E-NOT-FOUND", f"{path} does not exist", path=path, help=_how_to_get(path))
    if path.endswith(".bin") and not places.is_remote(path) and places.is_file(path.removesuffix(".bin") + ".xml"):
        return path.removesuffix(".bin") + ".xml"  # of an OpenVINO model, which is a pair of files
    if places.base_name(path) == "__params__" or path.endswith(".pdiparams"):
        from charvec.checkpoints.paddle_inference import program_of

        return program_of(path) or path
    if places.base_name(path) == "checkpoint":
        return _follow_state(path)
    return path


def _how_to_get(path: str) -> str:
    """What to do about a checkpoint that is not there; it could be meant as a model on the hub after all."""
    if re.fullmatch(r"[\w-]+/[\w-][\w.-]*", path) and not path.endswith(FOLDER_SUFFIXES):
        return f"check the path; a model on the hub is named hf://{path}"
    if re.fullmatch(r"(?:[\w-]+/)?[\w-][\w.-]*/", path):
        return f"check the path of the folder; a model on the hub is named without the slash at the end: {path[:-1]}"
    return "check the path"


def _has_data(prefix: str) -> bool:
    folder, stem = places.parent(prefix), places.base_name(prefix)
    try:
        names = places.names(folder)
    except CharvecError:
        return False
    return any(name.startswith(stem) and _TF_DATA.fullmatch(name[len(stem) :]) for name in names)


def _in_folder(folder: str, depth: int = 0) -> str:
    names = places.names(folder)
    for name in FOLDER_FILES:
        if name in names:
            return places.join(folder, name)
    if "key2row" in names and "vectors" in names:  # spaCy's, a NumPy array by this name alone
        return places.join(folder, "vectors")
    for suffix in FOLDER_SUFFIXES:
        found = [name for name in names if name.endswith(suffix) and not name.startswith(_NOT_WEIGHTS)]
        if suffix == ".npy":  # what gensim keeps beside its own file has that one's name in front
            there = {*names}
            found = [name for name in found if not any(before in there for before in _before_dots(name))]
        # of the parts of a split file, the first
        found = sorted({_PART_NUMBER.sub("", name): name for name in reversed(found)}.values())
        if len(found) == 1:
            return places.join(folder, found[0])
        if found:
            raise Ambiguous(
                "E-AMBIGUOUS-FILE",
                f"{folder} holds several checkpoints",
                path=folder,
                found=", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else ""),
                help="name the file you mean instead of the folder",
            )
    # the name is that of SentencePiece's files, too, so the content tells
    saved = [name for name in names if name.endswith(".model") and _is_gensims(places.join(folder, name))]
    if len(saved) == 1:
        return places.join(folder, saved[0])
    data = [name for name in names if _TF_DATA.search(name)]
    if data:
        return places.join(folder, data[0])
    part = inner_folder(folder, names) if depth < MAX_DEPTH else None
    if part is not None and places.is_folder(part):
        return _in_folder(part, depth + 1)
    raise NotFound(
        "E-NO-CHECKPOINT",
        f"{folder} holds no checkpoint",
        path=folder,
        found=", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "an empty folder",
        help=_where_else(folder, names),
    )


def _before_dots(name: str) -> Iterator[str]:
    """What stands before each dot of a name."""
    for dot in re.finditer(r"\.", name):
        yield name[: dot.start()]


def _is_gensims(path: str) -> bool:
    """Whether a file is what gensim's ``save`` wrote."""
    if not places.is_file(path):
        return False
    from charvec.plumbing.pickles.array_pickle import is_gensim

    with File(path) as file:
        return is_gensim(file.head)


#: What :data:`FOLDER_FILES` and :data:`FOLDER_SUFFIXES` stand for, in the words of people who look for a file.
_READ = (
    "*.safetensors, *.bin, *.pt, *.pth, TensorFlow's *.ckpt.index, *.h5, *.keras, *.msgpack, *.gguf, *.onnx, "
    "openvino_model.xml, *.vec, *.npz, *.npy"
)
#: Folders looked into for a model to suggest, and folders named.
_LOOKED_INTO, _SUGGESTED = 100, 4


def _where_else(folder: str, names: list[str]) -> str:
    """What to do about a folder without a model: name the one below that holds one, or know what is looked for."""
    if any(name.endswith(".distcp") for name in names):
        return (
            "this is a checkpoint of torch.distributed, in pieces; write it in one with `python -m "
            "torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt` and name model.pt"
        )
    below = [] if places.is_remote(folder) else list(_models_below(folder, names))
    if not below:
        return f"a folder of a model holds one of {_READ}; name a file that is called otherwise itself"
    more = f" or {len(below) - _SUGGESTED} more" if len(below) > _SUGGESTED else ""
    found = ", ".join(below[:_SUGGESTED]) + more
    return f"name the folder in it that holds a model: {found}"


def _models_below(folder: str, names: list[str]) -> Iterator[str]:
    """Folders one or two levels down that hold weights, the upper ones first."""
    level = [places.join(folder, name) for name in names]
    for _ in range(2):
        level = [path for path in level[:_LOOKED_INTO] if os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)]
        inside = {path: places.names(path) for path in level}
        holding = [path for path, within in inside.items() if any(map(_is_weights, within))]
        yield from holding
        level = [places.join(path, name) for path in level if path not in holding for name in inside[path]]


def _is_weights(name: str) -> bool:
    return (
        name in FOLDER_FILES
        or (name.endswith(FOLDER_SUFFIXES) and not name.startswith(_NOT_WEIGHTS))
        or _TF_DATA.search(name) is not None
    )


#: Files of a training run that share a suffix with weights; mmproj, the image encoder beside a GGUF model; and spaCy's.
_NOT_WEIGHTS = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "mmproj", "lookups.bin")

#: The number of a part of a split GGUF file.
_PART_NUMBER = re.compile(r"-\d{5}(?=-of-\d{5}\.gguf$)")


def _follow_state(path: str) -> str:
    """TensorFlow's text file ``checkpoint`` names the newest bundle of its folder."""
    with File(path) as file:
        state = _TF_STATE.search(file.head)
    if not state:
        return path
    prefix = state[1].decode("utf-8", "replace")
    # Trainers write absolute paths of their own machine; the bundle moved here together with this file.
    named = inside(places.parent(path), re.split(r"[\\/]", prefix)[-1], by=path)
    if places.is_file(named + ".index"):
        return named + ".index"  # also of a bundle that is called like this file, as Keras may call it
    if places.base_name(named) in (".", "checkpoint") or places.is_folder(named):
        raise NotFound(
            "E-NO-CHECKPOINT",
            f"{path} names no checkpoint",
            path=path,
            found=repr(prefix[:100]),
            help="name the .index file itself",
        )
    return _locate(named)


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a checkpoint: locate it, recognise it, read its headers.

    Raises:
        CharvecError: as :func:`locate`, :func:`charvec.plumbing.files.unrecognised` and the members do.
    """
    with File(locate(path)) as file:
        for member in members(file.head):
            if member.sniff(file):
                return member.read(file)
        raise unrecognised(file, "a checkpoint")


def tensor(checkpoint: Checkpoint, name: str) -> Tensor:
    """The tensor of that name; of a sharded checkpoint, its shard is opened now.

    Raises:
        KeyError: when the checkpoint has no such tensor.
        NotFound: ``E-SHARD-MISSING`` when the shard is not there.
        DamagedFile: ``E-NO-TENSOR`` when the shard lacks what the index promises.
        CharvecError: as :func:`read` does for the shard.
    """
    if name in checkpoint.tensors:
        return checkpoint.tensors[name]
    part = checkpoint.parts[name]
    if not places.exists(part):
        raise NotFound(
            "E-SHARD-MISSING",
            f"{part}, a shard of {checkpoint.path}, is missing",
            path=part,
            found=f"the index says it holds the tensor {name!r}",
            help="download the shard and put it beside the index",
        )
    shard = read(part)
    # transformers' TensorFlow models leave their class, the first part of the name, out of the names in the shards
    within = name if name in shard.tensors else name.partition("/")[2]
    if within not in shard.tensors:
        raise DamagedFile(
            "E-NO-TENSOR",
            f"{part} lacks the tensor {name!r} that {checkpoint.path} promises",
            path=part,
            help="index and shards are of different downloads; download the folder again",
        )
    return replace(shard.tensors[within], name=name)
