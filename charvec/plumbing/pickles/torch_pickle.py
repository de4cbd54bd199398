"""Plumbing: what PyTorch puts into pickles, as plain values.

A pickled tensor is a call of a rebuild function with a storage, an offset into it, a shape and strides. The storage is
a reference to bytes outside the pickle. A state dict maps names to tensors; training scripts wrap it into further
dictionaries, with numbers, texts and settings beside, which are passed over.
"""

from __future__ import annotations

from typing import Any

from charvec.errors import UnsafeFile
from charvec.plumbing.pickles.leaves import named_leaves
from charvec.plumbing.pickles.unpickle import Global, Handler, Inert, load, ordered_dict
from charvec.tensor import ITEM_BYTES
from charvec.valueclass import dataclass

__all__ = ["ELEMENT_BYTES", "StateDict", "Storage", "StridedTensor", "WrappedTensor", "read_state_dict"]

#: Steps of a pickle, of which a tensor takes about 30.
MAX_STEPS = 2_000_000
#: Axes torch allows, and a size that no file has.
MAX_AXES, MAX_NUMBER = 64, 1 << 62

#: Storage classes; of quantised elements those that take whole bytes.
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
}
#: Bytes of an element; the types that charvec does not know are listed, never read.
ELEMENT_BYTES = {
    **ITEM_BYTES,
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
}
_DTYPES = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
}


@dataclass(frozen=True)
class Storage:
    """Bytes outside the pickle.

    Attributes:
        key: its name in the container.
        dtype: element type.
        nbytes: bytes it has.
        start, length: the part meant, in bytes; all of it except in very old files.
    """

    key: str
    dtype: str
    nbytes: int
    start: int
    length: int


@dataclass(frozen=True)
class StridedTensor:
    """A view of a storage; offset and strides count elements, and nothing is checked against the storage yet."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class WrappedTensor:
    """A tensor that a class of its own puts together from others: torchao's quantised ones, shares of distributed ones.

    It can be listed, and cannot be read.
    """

    kind: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class StateDict:
    """What a pickle of PyTorch held.

    Attributes:
        tensors: by name, nested names joined with dots.
        storages: by key, those the pickle refers to.
        end: where the pickle ended in its data.
    """

    tensors: dict[str, StridedTensor | WrappedTensor]
    storages: dict[str, Storage]
    end: int


def read_state_dict(data: bytes, path: str, *, start: int = 0, base: int = 0) -> StateDict:
    """Read the pickle of a state dict.

    Args:
        data: bytes that contain it.
        path: the file it came from, for messages.
        start: where in ``data`` it begins.
        base: where in the file ``data`` begins.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names anything but tensors; ``E-BOMB`` when sharing makes it swell.
        DamagedFile: ``E-PICKLE`` when it is no valid pickle or two tensors have one name.
    """
    storages: dict[str, Storage] = {}

    def persistent(identity: object) -> object:
        if isinstance(identity, tuple) and identity[:1] == ("module",):
            raise UnsafeFile(
                "E-PICKLE-UNSAFE",
                f"{path}: the pickle holds a whole module with its source code",
                path=path,
                help=_advice("torch.nn"),
            )
        storage = _storage(identity)
        if storages.setdefault(storage.key, storage).nbytes != storage.nbytes:
            raise ValueError(f"the storage {storage.key[:40]!r} has two sizes")
        return storage

    value, end = load(
        data,
        path,
        allowed=_Allowed(_GLOBALS),
        persistent=persistent,
        start=start,
        base=base,
        advice=_advice,
        max_steps=MAX_STEPS,
    )
    return StateDict(named_leaves(value, _tensor, path), storages, end)


def _tensor(value: object) -> StridedTensor | WrappedTensor | None:
    return value if isinstance(value, StridedTensor | WrappedTensor) else None


class _Allowed(dict[tuple[str, str], "Handler | None"]):
    """Names on the list. numpy's are looked up when something else is named, as in few state dicts.

    Whatever packages of quantised and distributed tensors name describes how to put these together, which is not done.
    """

    numpy: dict[tuple[str, str], Handler | None] | None = None

    def __missing__(self, name: tuple[str, str]) -> Handler | None:
        if name[0].startswith(_DESCRIBING):
            return _inert
        if self.numpy is None:
            from charvec.plumbing.pickles.numpy_pickle import numpy_globals

            self.numpy = numpy_globals()
        return self.numpy[name]


def _advice(name: str) -> str:
    if name.startswith(("torch.nn.", "torch.nn", "__torch__", "__main__", "torch.fx", "torch.jit")):
        return "save the state dict, not the module: torch.save(model.state_dict(), ...)"
    if "qtensor" in name or "uantiz" in name:
        return "it holds quantised tensors; save the state dict of the model before quantisation"
    return (
        "if you trust its maker: load it with torch where it was made, and save only the state dict, with "
        "safetensors.torch.save_file or torch.save(model.state_dict(), ...)"
    )


def _whole(*values: object) -> bool:
    return all(type(value) is int and -MAX_NUMBER < value < MAX_NUMBER for value in values)


def _storage(identity: Any) -> Storage:
    """From ("storage", class, key, location, elements), in the old stream also (view key, offset, elements) or None."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise ValueError("a reference that is no storage")
    kind, key, size = identity[1], identity[2], identity[4]
    name = kind.name.lstrip("_") if isinstance(kind, Global) else ""
    if name not in _STORAGES or not isinstance(key, str) or not _whole(size) or size < 0:
        raise ValueError("a reference to a storage that makes no sense")
    dtype = _STORAGES[name]
    item = ELEMENT_BYTES[dtype]
    start, length = 0, size
    view = identity[5] if len(identity) == 6 else None
    if view is not None:
        if not isinstance(view, tuple) or len(view) != 3 or not _whole(*view[1:]) or not 0 <= view[1] <= size - view[2]:
            raise ValueError("a view of a storage that makes no sense")
        start, length = view[1:]
    return Storage(key, dtype, size * item, start * item, length * item)


def _rebuild(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any = None, hooks: Any = None, metadata: Any = None
) -> StridedTensor:
    dtype = storage.dtype if isinstance(storage, Storage) else ""
    return _strided(storage, dtype, offset, shape, strides, metadata)


def _rebuild_typed(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> StridedTensor:
    if not isinstance(dtype, Global):
        raise ValueError("a tensor without a dtype")
    return _strided(storage, _DTYPES.get(dtype.name, dtype.name), offset, shape, strides, metadata)


def _strided(storage: Any, dtype: str, offset: Any, shape: Any, strides: Any, metadata: Any) -> StridedTensor:
    if metadata:
        raise ValueError("a tensor whose elements are negated or conjugated when read")
    if not isinstance(storage, Storage) or dtype not in ELEMENT_BYTES:
        raise ValueError("a tensor without a storage or with an unknown dtype")
    for sizes in (shape, strides):
        if not isinstance(sizes, tuple) or len(sizes) > MAX_AXES or not _whole(*sizes):
            raise ValueError("a tensor whose shape or strides are no sizes")
    if not _whole(offset) or len(shape) != len(strides):
        raise ValueError("a tensor whose offset is no integer or whose strides do not fit its shape")
    return StridedTensor(storage, dtype, offset, shape, strides)


def _rebuild_quantised(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> StridedTensor:
    dtype = storage.dtype if isinstance(storage, Storage) else ""
    return _strided(storage, dtype, offset, shape, strides, None)


def _rebuild_wrapper(kind: Any, dtype: Any, shape: Any, *_: Any) -> WrappedTensor:
    if not isinstance(kind, Global) or not isinstance(shape, tuple) or len(shape) > MAX_AXES or not _whole(*shape):
        raise ValueError("a tensor of a class or a shape that makes no sense")
    if any(size < 0 for size in shape):
        raise ValueError("a tensor with an axis of less than nothing")
    return WrappedTensor(kind.name[:80], shape)


def _rebuild_parameter(data: Any, *_: Any) -> StridedTensor | WrappedTensor:
    if not isinstance(data, StridedTensor | WrappedTensor):
        raise ValueError("a parameter that is no tensor")
    return data


def _rebuild_from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes of its own, which are dropped."""
    if not isinstance(function, Global) or function.call not in _MAKERS:
        raise ValueError("a tensor made by something else")
    if not isinstance(arguments, tuple):
        raise ValueError("a tensor made without arguments")
    return function.call(*arguments)


def _same(value: Any = None, *_: Any) -> Any:
    return {} if value is None else value


def _inert(*_: Any) -> Inert:
    return Inert()


#: Modules whose classes describe tensors of their own.
_DESCRIBING = ("torchao.", "torch.distributed.tensor", "torch.distributed.device_mesh", "torch.distributed._mesh")
_MAKERS = (_rebuild, _rebuild_typed, _rebuild_parameter, _rebuild_quantised, _rebuild_wrapper)
#: How the elements of a quantised tensor were scaled.
_SCHEMES = ("per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric")

_GLOBALS: dict[tuple[str, str], Handler | None] = {
    ("collections", "OrderedDict"): ordered_dict,
    ("collections", "Counter"): _same,
    ("collections", "defaultdict"): lambda *_: {},
    ("argparse", "Namespace"): _inert,
    ("torch._utils", "_rebuild_tensor"): _rebuild,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed,
    ("torch._utils", "_rebuild_qtensor"): _rebuild_quantised,
    ("torch._utils", "_rebuild_wrapper_subclass"): _rebuild_wrapper,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch.serialization", "_get_layout"): _inert,
    ("torch", "device"): _inert,
    ("torch", "Size"): _same,
    ("torch", "Tensor"): None,
    ("torch.nn.parameter", "Parameter"): None,
    ("torch.storage", "UntypedStorage"): None,
    ("torch.storage", "_UntypedStorage"): None,
    **{("torch", name): None for name in (*_STORAGES, *ELEMENT_BYTES, *_DTYPES, *_SCHEMES)},
    ("torch", "per_channel_affine_float_qparams"): None,
    **{
        (module, name): call
        for module in ("builtins", "__builtin__")
        for name, call in (("set", _same), ("bytearray", _same), ("complex", _inert), ("dict", None), ("list", None))
    },
}
