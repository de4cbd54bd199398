"""Plumbing: numpy arrays in pickles, as plain values; numpy itself is not needed.

numpy pickles an array as a call of ``_reconstruct`` followed by its state (protocols 0 to 4) or as a call of
``_frombuffer`` (protocol 5), and a dtype likewise. numpy 2 renamed the module ``numpy.core`` to ``numpy._core``.
"""

from __future__ import annotations

import re
from math import prod
from typing import NoReturn

from charvec.errors import UnsafeFile, WrongFile
from charvec.plumbing.pickles.placed import Place, PlacedText
from charvec.plumbing.pickles.unpickle import Global, Handler, Inert, load, ordered_dict

__all__ = ["Array", "numpy_globals", "read_vector_dict"]

_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1|c8|c16")
#: Axes numpy allows.
MAX_AXES = 64


class Dtype(Inert):
    """An element type; a pickle sets the byte order after it made it."""

    def __init__(self, code: object) -> None:
        """Take numpy's code without byte order, e.g. ``f4``."""
        self.code = code if isinstance(code, str) else ""
        self.order = "|"
        self.plain = bool(_NUMBERS.fullmatch(self.code))

    def build(self, state: object) -> None:
        """Take the byte order out of (version, order, subarray, field names, fields, ...)."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|"):
            raise ValueError("no state of a numpy dtype")
        self.order = state[1]
        self.plain = self.plain and state[2:5] == (None, None, None)

    def __str__(self) -> str:
        return f"{'|' if self.code[1:] == '1' else self.order.replace('|', '<')}{self.code}"


class Array(Inert):
    """A numpy array as plain values.

    Attributes:
        dtype: numpy's code with byte order, e.g. ``<f4``; empty, and no data, when the elements are no numbers.
        shape: sizes of the axes.
        fortran: whether the first axis varies fastest.
        data: the elements, as long as shape and dtype say; empty when they were left in the file.
        place: where they lie in the file, of a pickle that is read by :mod:`charvec.plumbing.pickles.placed`.
    """

    def __init__(self) -> None:
        """Make an empty array; a pickle gives the content after it made it."""
        self.dtype = ""
        self.shape: tuple[int, ...] = (0,)
        self.fortran = False
        self.data = b""
        self.place: Place | None = None

    def build(self, state: object) -> None:
        """Take (version, shape, dtype, fortran, data); the version is missing in very old files."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("no state of a numpy array")
        self._fill(*state[-4:])

    def _fill(self, shape: object, dtype: object, fortran: object, data: object) -> None:
        sizes = _shape(shape)
        if not isinstance(dtype, Dtype):
            raise ValueError("a numpy array without a dtype")
        self.shape, self.fortran = sizes, bool(fortran)
        if dtype.plain:
            self._take(data, dtype, prod(sizes) * int(dtype.code[1:]))

    def _take(self, data: object, dtype: Dtype, nbytes: int) -> None:
        if isinstance(data, PlacedText):
            data = data.place
        elif isinstance(data, str):
            data = data.encode("ascii")
        if isinstance(data, Place):
            # Latin-1 takes one byte or two a character; how many it is, is found when it is read
            fits = nbytes <= data.size <= 2 * nbytes if data.latin1 else data.size == nbytes
            self.place = data
        else:
            fits = isinstance(data, bytes) and len(data) == nbytes
            self.data = data if isinstance(data, bytes) else b""
        if not fits:
            raise ValueError(f"an array of shape {self.shape} and dtype {dtype} whose data are not as long as that")
        self.dtype = str(dtype)


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_AXES or any(type(n) is not int or n < 0 for n in value):
        raise ValueError("no shape of a numpy array")
    return value


def _reconstruct(kind: object, shape: object, code: object) -> Array:
    if not isinstance(kind, Global) or kind.name != "ndarray":
        raise ValueError("no numpy array")
    return Array()


def _from_buffer(data: object, dtype: object, shape: object, order: object, axes: object = None) -> Array:
    if order not in ("C", "F") or axes is not None:
        raise ValueError("a numpy array in an unusual order")
    array = Array()
    array._fill(shape, dtype, order == "F", data)
    return array


def _scalar(dtype: object, data: object = b"") -> Array:
    array = Array()
    array._fill((), dtype, False, data)
    return array


def numpy_globals() -> dict[tuple[str, str], Handler | None]:
    """Names a pickle of numpy arrays needs, for one call of :func:`charvec.plumbing.pickles.unpickle.load`."""
    encoded: dict[str, bytes] = {}

    def encode(text: object, encoding: object = "latin1") -> bytes | Place:
        """Protocol 2 keeps bytes as text; each text is encoded once, however often a pickle asks."""
        if isinstance(text, Place | PlacedText):
            return text if isinstance(text, Place) else text.place
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError("no bytes written as Latin-1")
        if text not in encoded:
            encoded[text] = text.encode("latin-1")
        return encoded[text]

    names: dict[tuple[str, str], Handler | None] = {
        ("_codecs", "encode"): encode,
        ("builtins", "bytes"): lambda: b"",
        ("__builtin__", "bytes"): lambda: b"",
        ("numpy", "dtype"): lambda code, *_: Dtype(code),
        ("numpy", "ndarray"): None,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = _reconstruct
        names[f"{core}.multiarray", "scalar"] = _scalar
        names[f"{core}.numeric", "_frombuffer"] = _from_buffer
    return names


def read_vector_dict(data: bytes, path: str) -> dict[str, Array]:
    """Read a pickle of ``{text: numpy array of numbers}``.

    Args:
        data: the whole file.
        path: its path, for messages.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names anything but numpy arrays, or anything follows it.
        DamagedFile: ``E-PICKLE`` when it is no valid pickle.
        WrongFile: ``E-FORMAT`` when it holds something else.
    """

    def refuse(found: str) -> NoReturn:
        raise WrongFile(
            "E-FORMAT",
            f"{path} is a pickle, but not a dictionary of texts and numpy vectors",
            path=path,
            found=found,
            help="save {character: vector} and nothing else",
        )

    allowed = numpy_globals() | {("collections", "OrderedDict"): ordered_dict}
    # An entry takes 20 steps and, with its numbers, far more bytes; the limit keeps a file of nothing but steps small.
    value, end = load(data, path, allowed=allowed, max_steps=1000 + len(data) // 2)
    if end != len(data):
        raise UnsafeFile(
            "E-PICKLE-UNSAFE",
            f"{path}: {len(data) - end:,} bytes follow the end of the pickle",
            path=path,
            offset=end,
            help="do not open this file with anything that unpickles; ask its maker for another format",
        )
    if not isinstance(value, dict):
        refuse(f"a {type(value).__name__}")
    vectors: dict[str, Array] = {}
    for key, vector in value.items():
        try:
            name = key.decode() if isinstance(key, bytes) else key
        except UnicodeDecodeError:
            refuse(f"the key {key[:40]!r}, which is not UTF-8")
        if not isinstance(name, str):
            refuse(f"a key of type {type(name).__name__}")
        if not isinstance(vector, Array) or not vector.dtype:
            refuse(f"under the key {name[:40]!r} a value that is no numpy array of numbers")
        vectors[name] = vector
    return vectors
