"""Paddle's inference models: a program, and the weights that it names, in one file or in one file each.

``paddle.jit.save`` and ``save_inference_model`` write ``NAME.pdmodel`` (since Paddle 3 ``NAME.json``) with
``NAME.pdiparams``; before Paddle 2 it was ``__model__`` with ``__params__``, or with a file for each weight. Layout of
a weight (paddle/fluid/framework/lod_tensor.cc): u32 0, u64 number of levels (0 of weights), u32 0, i32 length of a
TensorDesc, that message, the elements; in a file of all of them they stand in the order of their names, which it does
not hold. Names such as ``embedding_0.w_0`` say nothing: the input embedding is found through the program, as in ONNX
(:mod:`charvec.plumbing.graphs.lookup`).

A file with a single weight is read without its program, under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod

from charvec.errors import DamagedFile, NotFound
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.graphs.graph import Stored
from charvec.plumbing.graphs.lookup import lookups, verdict
from charvec.plumbing.graphs.paddle_program import Program, read_json, read_message, sizes_of
from charvec.plumbing.protobuf import Malformed
from charvec.plumbing.safejson import parse
from charvec.tensor import ITEM_BYTES, Checkpoint, Tensor

__all__ = ["NAME", "program_of", "read", "sniff"]

NAME = "paddle-inference"

#: Cap on a program; that of a model with some hundred layers has a few megabytes.
MAX_BYTES = 1 << 28
#: Longest TensorDesc: 16 axes.
MAX_DESCRIBED = 256

#: The first block of a ProgramDesc: field 1, its length, number 0, no block around it.
_MESSAGE = re.compile(rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x08\x00\x10\xff{9}\x01")
_JSON = re.compile(rb'\s*\{\s*"base_code"\s*:\s*\{[^{}]{0,200}"magic"\s*:\s*"pir"')
#: How a weight begins, up to the length of its description.
_WEIGHT = bytes(16)
_BEFORE = len(_WEIGHT) + 4


def sniff(file: File) -> bool:
    """A ProgramDesc, the JSON of Paddle 3, or a weight."""
    head = file.head
    if _MESSAGE.match(head) or _JSON.match(head):
        return True
    if not head.startswith(_WEIGHT) or len(head) < _BEFORE:
        return False
    length = int.from_bytes(head[16:20], "little")
    try:
        return 2 <= length <= MAX_DESCRIBED and bool(sizes_of(head[_BEFORE : _BEFORE + length]))
    except Malformed:
        return False


def program_of(weights: str) -> str | None:
    """The program that a file of all weights belongs to, if it lies beside it."""
    if places.base_name(weights) == "__params__":
        named = [places.join(places.parent(weights), "__model__")]
    else:
        stem = weights.removesuffix(".pdiparams")
        named = [stem + ".pdmodel", stem + ".json"]
    return next((path for path in named if places.is_file(path)), None)


def read(file: File) -> Checkpoint:
    """Read the program, and of each weight what stands before its elements.

    Raises:
        DamagedFile: ``E-PADDLE``, ``E-TRUNCATED``, ``E-JSON-DUPKEY``.
        NotFound: ``E-SHARD-MISSING`` when the weights are not there, or the program of several.
        WrongFile: ``E-TOO-LARGE``.
    """
    if file.head.startswith(_WEIGHT):
        return _alone(file)
    raw = file.whole(MAX_BYTES, "the program of a model")
    try:
        program = read_message(raw) if _MESSAGE.match(raw) else read_json(parse(raw, file.path, code="E-PADDLE"))
    except Malformed as error:
        raise error.within(file.path, "E-PADDLE", "Paddle program") from None
    sizes = {file.path: file.size}
    tensors: dict[str, Tensor] = {}
    described = []
    for path, names in _files(file.path, program):
        with File(path) as weights:
            sizes[path] = weights.size
            if len(names) > 1:  # of the first the head is there
                weights.expect(_headers([program.weights[name] for name in names]))
            position = 0
            for name in names:
                stored = program.weights[name]
                tensor, position = _weight(weights, position, name)
                if (tensor.dtype, tensor.shape) != (stored.dtype, stored.shape):
                    raise _damaged(
                        path,
                        f"{name[:80]!r} is {tensor.dtype} {list(tensor.shape)}, by its program "
                        f"{stored.dtype} {list(stored.shape)}: the two do not belong together",
                    )
                tensors[name] = tensor
                described.append((name, tensor.dtype, tensor.shape))
            if position != weights.size:
                raise _damaged(path, f"{weights.size - position:,} bytes follow the last weight")
    found = [replace(each, source=program.names.get(each.source, each.source)) for each in lookups(program.graph)]
    embedding, full_names = verdict(found)
    digest = blake2b(raw + repr(described).encode("utf-8", "backslashreplace"), digest_size=32).hexdigest()
    return Checkpoint(file.path, NAME, sizes, tensors, digest, full_names=full_names, embedding=embedding)


def _files(program: str, found: Program) -> Iterable[tuple[str, list[str]]]:
    """The files of weights, and the names of those in each, in their order."""
    folder, name = places.parent(program), places.base_name(program)
    together = places.join(folder, "__params__" if name == "__model__" else name.rpartition(".")[0] + ".pdiparams")
    if places.exists(together) or not found.weights:
        return [(together, list(found.weights))] if found.weights else []
    if name != "__model__":
        raise NotFound(
            "E-SHARD-MISSING",
            f"{together}, the weights of {program}, is missing",
            path=together,
            help="put it beside the program, under the same name",
        )
    for each in found.weights:
        # a file is named by the program, which comes from elsewhere
        if not re.fullmatch(r"[\w@.-]+", each) or each in (".", ".."):
            raise _damaged(program, f"{each[:80]!r} is no name of a file")
        if not places.exists(places.join(folder, each)):
            raise NotFound(
                "E-SHARD-MISSING",
                f"{places.join(folder, each)}, a weight of {program}, is missing",
                path=places.join(folder, each),
                help="put the files of all weights beside __model__",
            )
    return [(places.join(folder, each), [each]) for each in found.weights]


def _headers(weights: Iterable[Stored]) -> Iterator[tuple[int, int]]:
    """Where what stands before the elements of each should lie, and how long it is, by what the program says.

    Some hundred weights lie apart in a file on a server, and none tells where the next one is before it is read.
    """
    position = 0
    for stored in weights:
        if stored.dtype not in _BYTES or min(stored.shape, default=0) < 0:
            return
        # a type of one byte and the sizes, seven bits a byte, each behind the number of its field
        described = 2 + sum(1 + max(1, -(-size.bit_length() // 7)) for size in stored.shape)
        yield position, _BEFORE + described
        position += _BEFORE + described + prod(stored.shape) * _BYTES[stored.dtype]


def _weight(file: File, position: int, name: str) -> tuple[Tensor, int]:
    """The weight that begins at a position, and where it ends."""
    before = file.pread(position, min(_BEFORE, file.size - position))
    if len(before) < _BEFORE:
        raise cut_short(file.path, file.size, " inside a weight")
    length = int.from_bytes(before[16:], "little")
    if not before.startswith(_WEIGHT) or not 2 <= length <= MAX_DESCRIBED:
        raise _damaged(file.path, "no weight begins where one should", position)
    try:
        dtype, shape = sizes_of(file.pread(position + _BEFORE, length))
    except Malformed as error:
        raise error.within(file.path, "E-PADDLE", "Paddle weight", start=position + _BEFORE) from None
    start = position + _BEFORE + length
    if dtype not in _BYTES or any(size < 0 or size >> 48 for size in shape) or prod(shape) >> 56:
        raise _damaged(file.path, f"{name[:80]!r} is {dtype} {list(shape)}", position)
    end = start + prod(shape) * _BYTES[dtype]
    if end > file.size:
        raise cut_short(file.path, file.size, f": {file.size:,} of {end:,} bytes present")
    if dtype not in ITEM_BYTES:
        return Tensor(name, shape, dtype), end
    return Tensor.contiguous(name, shape, dtype, file.path, start), end


#: Bytes of an element, also of types whose rows are no vectors.
_BYTES = {"bool": 1, "complex64": 8, "complex128": 16} | dict(ITEM_BYTES)


def _alone(file: File) -> Checkpoint:
    """A file of one weight; of several, nobody knows the names without the program."""
    name = places.base_name(file.path)
    tensor, end = _weight(file, 0, name)
    if end != file.size:
        raise NotFound(
            "E-SHARD-MISSING",
            f"{file.path} holds weights of Paddle without their names, which stand in the program",
            path=file.path,
            help="put the program (.pdmodel, .json or __model__) beside it, under the same name",
        )
    digest = blake2b(file.pread(0, _BEFORE) + repr((name, tensor.dtype, tensor.shape)).encode(), digest_size=32)
    embedding = (name, "all that the file holds") if len(tensor.shape) == 2 else None
    return Checkpoint(file.path, NAME, {file.path: file.size}, {name: tensor}, digest.hexdigest(), embedding=embedding)


def _damaged(path: str, problem: str, offset: int | None = None) -> DamagedFile:
    return DamagedFile(
        "E-PADDLE",
        f"{path}: damaged Paddle model: {problem}",
        path=path,
        offset=offset,
        help="download the program and its weights again, together",
    )
