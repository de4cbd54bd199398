"""Plumbing: pickles of NumPy arrays in dictionaries, as Paddle saves parameters; arrays stay in the file.

What paddle.save writes (python/paddle/framework/io.py): a dictionary of arrays, or, where the tensors lie in further
dictionaries and lists, for each a call of ``tuple`` with its name and its array. A DenseTensor is a call of ``eval``
with a text that never differs and the array under a name in it; that very call is known here as what it means, and no
other: nothing is evaluated.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from charvec.errors import DamagedFile, UnsafeFile
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.pickles.numpy_pickle import Array, numpy_globals
from charvec.plumbing.pickles.pickle_machine import Data
from charvec.plumbing.pickles.placed import PLACING, FileBytes
from charvec.plumbing.pickles.unpickle import Handler, Inert, load, ordered_dict

__all__ = ["Arrays", "holds_arrays", "is_binary_pickle", "is_gensim", "load_all", "read_arrays"]

#: The beginning of what gensim saves: an object of one of its classes.
_GENSIM = re.compile(
    rb"\x80[\x02-\x05](?:\x95[\s\S]{8})?(?:c|\x8c[\s\S]|ccopy_?reg\n_reconstructor\n(?:q.)?\(c)gensim\."
)

#: Steps of a pickle, of which an array takes about 40.
MAX_STEPS = 2_000_000
#: Steps after which the kind of a pickle should be known: those of settings and texts before the first array.
MAX_SNIFFED = 5_000


class Arrays(NamedTuple):
    """What a pickle held.

    Attributes:
        value: dictionaries, lists and tuples in each other, with arrays and plain values in them.
        digest: BLAKE2b-256 (hex) of all but the elements of arrays.
    """

    value: Any
    digest: str


def is_gensim(head: bytes) -> bool:
    """Whether a file that begins so was written by the ``save`` of one of gensim's classes."""
    return head[:1] == b"\x80" and _GENSIM.match(head) is not None


def is_binary_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a pickle of protocol 2 to 5, which begins with a mark; but none of gensim's."""
    if is_gensim(head):
        return False
    # so begins a safetensors file with a header of 640 bytes, too, but then the length goes on with zeros
    return head[:1] == b"\x80" and len(head) > 2 and 2 <= head[1] <= 5 and head[2] != 0 and head[4:9] != b"\0\0\0\0{"


class _Known(Exception):
    """The kind of a pickle has shown."""

    def __init__(self, arrays: bool) -> None:
        self.arrays = arrays


class _AnyName(dict[tuple[str, str], "Handler | None"]):
    """Every name, for looking only, until one tells what kind of pickle it is."""

    def __missing__(self, key: tuple[str, str]) -> Handler:
        module, name = key
        if name in ("_reconstruct", "_frombuffer") and module.partition(".")[0] == "numpy":
            raise _Known(True)
        if module.partition(".")[0] == "torch":
            raise _Known(False)
        return _inert


def _inert(*_: object) -> Inert:
    return Inert()


def _torch_storage(identity: object) -> object:
    raise _Known(False)


#: A file cut within a frame of protocol 4 is still what it is.
_LOOKING = PLACING | {0x95: ("FRAME", lambda machine: machine.push(machine.unsigned(8)) or machine.stack.pop())}


def holds_arrays(file: File) -> bool:
    """Whether a file is a binary pickle whose first arrays are NumPy's, not PyTorch's.

    It runs as far as its first array, with every name allowed, and still none of them called.
    """
    if not is_binary_pickle(file.head):
        return False
    try:
        load(
            FileBytes(file),
            file.path,
            allowed=_AnyName(),
            persistent=_torch_storage,
            max_steps=MAX_SNIFFED,
            opcodes=_LOOKING,
        )
    except _Known as known:
        return known.arrays
    except (DamagedFile, UnsafeFile):
        pass
    return False


def read_arrays(file: File) -> Arrays:
    """Read a pickle of NumPy arrays, but not the elements of the arrays.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names anything but arrays, or anything follows it; ``E-BOMB``.
        DamagedFile: ``E-PICKLE`` when it is no valid pickle, ``E-TRUNCATED`` when the file ends before it does.
    """
    path = file.path
    data = FileBytes(file)

    def evaluate(*arguments: object) -> Array:
        """``eval("data", {"data": array})``, which Paddle writes, is the array; no other call is known."""
        if len(arguments) == 2 and arguments[0] == "data" and isinstance(arguments[1], dict):
            names = arguments[1]
            if set(names) == {"data"} and isinstance(names["data"], Array):
                return names["data"]
        raise UnsafeFile(
            "E-PICKLE-UNSAFE",
            f"{path}: the pickle asks to evaluate Python code, which is not on the list of harmless things",
            path=path,
            help="do not open this file with anything that unpickles; ask its maker for the weights as safetensors",
        )

    def make_tuple(items: object = ()) -> tuple[object, ...]:
        if not isinstance(items, tuple):
            raise ValueError("a tuple that is made of something else")
        return items

    allowed: dict[tuple[str, str], Handler | None] = {
        **numpy_globals(),
        ("collections", "OrderedDict"): ordered_dict,
        ("collections", "defaultdict"): lambda *_: {},
    }
    for module in ("builtins", "__builtin__"):
        allowed[module, "tuple"] = make_tuple
        allowed[module, "eval"] = evaluate
        allowed |= {(module, name): None for name in ("dict", "list", "int", "float")}
    help = "do not open this file with anything that unpickles; ask its maker for the weights as safetensors"
    value = load_all(file, data, allowed=allowed, max_steps=MAX_STEPS, opcodes=PLACING, help=help)
    return Arrays(value, data.digest.hexdigest())


def load_all(file: File, data: Data, *, help: str, **options: Any) -> Any:
    """Run the one pickle that a file is.

    Args:
        file: the file, for messages.
        data: all its bytes, or what reads them.
        help: what to do about a file that goes on behind its pickle.
        options: as for :func:`charvec.plumbing.pickles.unpickle.load`.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` also when anything follows the pickle.
        DamagedFile: ``E-PICKLE``; ``E-TRUNCATED`` when the file ends before the pickle does.
    """
    path = file.path
    try:
        value, end = load(data, path, **options)
    except DamagedFile as error:
        if error.code == "E-PICKLE" and error.offset == file.size:
            raise cut_short(path, file.size, ", in its pickle") from None
        raise
    if end != file.size:
        raise UnsafeFile(
            "E-PICKLE-UNSAFE",
            f"{path}: {file.size - end:,} bytes follow the end of the pickle, where nothing should be",
            path=path,
            offset=end,
            help=help,
        )
    return value
