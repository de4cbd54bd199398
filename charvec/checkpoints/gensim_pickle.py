"""gensim's own files: ``KeyedVectors.save`` and the ``save`` of Word2Vec and Doc2Vec, of gensim 3 and 4.

A pickle of an object whose attributes are, among much else, the list of words (``index_to_key``, in gensim 3
``index2word``) and the matrix ``vectors``. Arrays above some 10 MB lie beside it, ``NAME.vectors.npy`` or, of a model's
``wv``, ``NAME.wv.vectors.npy``, and are listed under ``__numpys``. Source: gensim, ``utils.py`` (SaveLoad) and
``models/keyedvectors.py``.

The pickle runs in :mod:`charvec.plumbing.pickles.unpickle`, which imports and calls nothing: classes become plain
records of their attributes. gensim's FastText puts a word together from parts when it is asked, and is refused.
"""

from __future__ import annotations

from typing import Any, NoReturn

from charvec.errors import Note, NotFound, UnsafeFile, WrongFile
from charvec.plumbing import places
from charvec.plumbing.arrays.latin1_rows import Latin1Rows
from charvec.plumbing.arrays.npy import HEAD, parse_header
from charvec.plumbing.arrays.word_vectors import SEPARATORS
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.pickles.array_pickle import is_gensim, load_all
from charvec.plumbing.pickles.numpy_pickle import Array, numpy_globals
from charvec.plumbing.pickles.pickle_opcodes import OPCODES
from charvec.plumbing.pickles.placed import PLACING, Place
from charvec.plumbing.pickles.unpickle import Global, Handler, Inert
from charvec.plumbing.spelling.dictionary import Dictionary
from charvec.plumbing.terminal import count
from charvec.tensor import READABLE, Checkpoint, Tensor
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "gensim"

#: The pickle is read whole: nine tenths of it are the words. Its arrays have 10 MB at most, or lie beside it.
MAX_BYTES = 1 << 30
#: What the list of words and the matrix are called, in gensim 4, 3 and before.
WORDS = ("index_to_key", "index2word", "index2entity")
MATRICES = ("vectors", "syn0")
#: Names beside gensim's own that such pickles mention: of random states, and of what dictionaries are made by.
_MENTIONED = {"builtins": ("hash", "int", "object"), "__builtin__": ("hash", "int", "object")}
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64"}

#: From protocol 3 on, byte strings are arrays and texts are words; before, both are texts.
_BYTES_PLACED = {**OPCODES, **{opcode: PLACING[opcode] for opcode in (ord("B"), ord("C"), 0x8E, 0x96)}}


class Record(Inert):
    """An object: the name of its class, and its attributes."""

    def __init__(self, kind: str) -> None:
        """Make one without attributes; the pickle gives them after it made it."""
        self.kind = kind
        self.attributes: dict[Any, Any] = {}

    def build(self, state: object) -> None:
        """Take the attributes; what is no dictionary is nobody's here."""
        if isinstance(state, dict):
            self.attributes = state


class _Names(dict[tuple[str, str], "Handler | None"]):
    """What may be named: arrays, and whatever gensim and NumPy's random states name, which becomes records."""

    def __missing__(self, key: tuple[str, str]) -> Handler | None:
        module, name = key
        if module.partition(".")[0] == "gensim" or module.startswith(("numpy.random", "scipy.sparse")):
            return lambda *_: Record(name)
        return dict.fromkeys(_MENTIONED.get(module, ()))[name]


def sniff(file: File) -> bool:
    """A binary pickle whose first name is one of gensim's."""
    return is_gensim(file.head)


def read(file: File) -> Checkpoint:
    """Run the pickle, and read the header of the matrix beside it, if there is one.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names what gensim does not; ``E-BOMB`` when words make it swell.
        DamagedFile: ``E-PICKLE``, ``E-TRUNCATED``; ``E-NPY``.
        NotFound: ``E-SHARD-MISSING`` when the matrix is not beside it.
        WrongFile: ``E-FORMAT`` for gensim's FastText, and for what holds no vectors.
    """
    path = file.path
    value, digest = _run(file)
    inner = value.attributes.get("wv") if isinstance(value, Record) else None
    vectors, stem = (inner, f"{path}.wv") if isinstance(inner, Record) else (value, path)
    if not isinstance(vectors, Record):
        _refuse(path, "it is no object with attributes", "name the file that its save() wrote")
    kind = vectors.kind
    if kind.startswith("FastText"):
        _refuse(
            path,
            "gensim's FastText, which puts a word together from its parts",
            "write it as fastText does, gensim.models.fasttext.save_facebook_model(model, 'x.bin'), and name that file",
        )
    words = next((vectors.attributes[name] for name in WORDS if isinstance(vectors.attributes.get(name), list)), None)
    if words is None or not all(isinstance(word, str) for word in words):
        _refuse(path, f"{kind[:80]} without a list of words", "write it with save_word2vec_format, and name that file")
    if sum(map(len, words)) > file.size:
        raise UnsafeFile(
            "E-BOMB",
            f"{path}: its words are longer than the file, one of them many times the same",
            path=path,
            help="do not use this file unless you know who made it",
        )
    tensor, beside = _matrix(path, vectors, stem, digest)
    files = {path: file.size} | beside
    return Checkpoint(
        path,
        NAME,
        files,
        {tensor.name: tensor},
        digest.hexdigest(),
        embedding=(tensor.name, "all that the file holds"),
        vocabulary=_vocabulary(path, words),
    )


def _run(file: File) -> tuple[Any, Any]:
    """What the pickle holds, and the digest of it all."""
    data = file.whole(MAX_BYTES, "a pickle of gensim")
    names = _Names(numpy_globals())
    for kind in ("OrderedDict", "defaultdict"):
        names["collections", kind] = lambda *_: {}
    for module in ("copyreg", "copy_reg"):
        names[module, "_reconstructor"] = _reconstructed
    for module in ("builtins", "__builtin__"):
        # sets of settings, which nobody asks for
        names |= {(module, "set"): lambda *_: [], (module, "frozenset"): lambda *_: ()}
    opcodes = PLACING if file.head[1] < 3 else _BYTES_PLACED
    help = "save it anew with gensim, where it was made"
    value = load_all(file, data, allowed=names, opcodes=opcodes, help=help)
    return value, blake2b(data, digest_size=32)


def _reconstructed(kind: object, *_: object) -> Record:
    return Record(kind.name if isinstance(kind, Global) else "")


def _matrix(path: str, vectors: Record, stem: str, digest: Any) -> tuple[Tensor, dict[str, int]]:
    """The matrix, and the file it lies in with its size, when that is another one."""
    for name in MATRICES:
        array = vectors.attributes.get(name)
        if isinstance(array, Array):
            return _tensor(path, name, array), {}
        listed = vectors.attributes.get("__numpys")
        if isinstance(listed, list) and name in listed:
            return _beside(f"{stem}.{name}.npy", path, name, digest)
    _refuse(path, f"{vectors.kind[:80]} without a matrix of vectors", "save it anew with gensim, whole")


def _tensor(path: str, name: str, array: Array) -> Tensor:
    """The tensor of an array that lies in the pickle."""
    place, shape, dtype = array.place, array.shape, _DTYPES.get(array.dtype[1:], array.dtype)
    big_endian = array.dtype.startswith(">")
    if not isinstance(place, Place) or dtype not in READABLE or array.fortran or len(shape) != 2:
        return Tensor(name, shape, dtype)
    if place.latin1:
        source = Latin1Rows(path, (place,), *shape, dtype, big_endian)
        return Tensor(name, shape, dtype, source=source, files=(path,))
    return Tensor.contiguous(name, shape, dtype, path, place.offset, big_endian=big_endian)


def _beside(npy: str, path: str, name: str, digest: Any) -> tuple[Tensor, dict[str, int]]:
    if not places.exists(npy):
        raise NotFound(
            "E-SHARD-MISSING",
            f"{npy}, the vectors of {path}, is missing",
            path=npy,
            found="gensim saves large matrices in files of their own",
            help="put all files whose names begin with that of the model into one folder",
        )
    with File(npy) as file:
        head = file.pread(0, min(HEAD, file.size))
        header = parse_header(head, file.size, npy, npy)
        digest.update(head[: header.start])
        return header.tensor(name, npy, 0), {npy: file.size}


def _vocabulary(path: str, words: list[str]) -> Vocabulary:
    """Words by their rows; of one that stands twice the first counts, as in files of word vectors.

    A word that is no UTF-8 cannot be here: gensim holds them as texts.
    """
    rows: dict[str, int] = {}
    doubles = 0
    digest = blake2b(digest_size=32)
    for row, word in enumerate(words):
        digest.update(word.encode("utf-8", "surrogatepass") + b"\n")
        if len(word) == 1:
            doubles += word in rows
            rows.setdefault(str(word), row)
    said = f"{path}: {count(doubles, 'character')} found more than once; the first row is used"
    notes = (Note("W-VOCAB-DUP", said, path),) if doubles else ()
    speller = Dictionary(rows, SEPARATORS)
    return Vocabulary(path, "dictionary", len(words), digest.hexdigest(), speller, {}, (path,), notes)


def _refuse(path: str, found: str, help: str) -> NoReturn:
    raise WrongFile(
        "E-FORMAT", f"{path}: no vectors that charvec reads in this file of gensim", path=path, found=found, help=help
    )
