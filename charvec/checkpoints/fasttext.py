"""fastText: the ``.bin`` files of ``fasttext skipgram``, ``cbow`` and ``supervised``, and of gensim.

Layout (fastText ``fasttext.cc``, ``args.cc``, ``dictionary.cc``, ``densematrix.cc``), little-endian: i32 magic
793712314 and i32 version, 11 or 12, which files of 2016 lack; 12 i32 and one f64 of settings; i32 size, nwords,
nlabels, i64 ntokens and, with a version, i64 size of a pruning index; for each word its bytes, a zero byte, i64 count,
i8 type; with a version, u8 whether the matrix is quantised; i64 rows, i64 columns and f32 [nwords + buckets, dim],
words first; then the output matrix likewise.
"""

from __future__ import annotations

import struct
from typing import NoReturn

from charvec.errors import DamagedFile, Note, WrongFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, cut_short
from charvec.plumbing.spelling.dictionary import one_character, text_of
from charvec.plumbing.spelling.subwords import Subwords
from charvec.plumbing.terminal import count
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "fasttext"

MAGIC = struct.pack("<i", 793712314)
VERSIONS = (11, 12)
SUPERVISED = 3

_SETTINGS = struct.Struct("<12id")
_SIZES = struct.Struct("<iiiq")
_WORD_TAIL = 9  # the count and the type behind each word
#: Bytes read at once, and the longest word; fastText itself cuts lines of text at 1,024 words, not words.
_PORTION, _MAX_WORD = 1 << 20, 1 << 16


@dataclass(frozen=True)
class _Settings:
    """What of the settings decides the spelling, and where the dictionary begins."""

    versioned: bool
    dim: int
    model: int
    buckets: int
    shortest: int
    longest: int
    size: int
    words: int
    end: int


def sniff(file: File) -> bool:
    """The magic number; or, as the files of 2016 have none, settings of which each is possible."""
    return file.head.startswith(MAGIC) or _settings(file.head, 0) is not None


def _settings(head: bytes, start: int) -> _Settings | None:
    """The settings behind the magic number and the version; None when they are impossible."""
    end = start + _SETTINGS.size
    if len(head) < end + _SIZES.size:
        return None
    dim, window, epochs, rare, negative, ngrams, loss, model, buckets, shortest, longest, rate, threshold = (
        _SETTINGS.unpack_from(head, start)
    )
    size, words, labels, tokens = _SIZES.unpack_from(head, end)
    possible = (
        0 < dim < 1 << 20
        and min(window, epochs, rare, negative, ngrams, buckets, shortest, longest, rate, words, labels, tokens) >= 0
        and max(window, epochs, ngrams, shortest, longest) < 1 << 20
        and 1 <= loss <= 4
        and 1 <= model <= 3
        and 0 <= threshold <= 1
        and size == words + labels > 0
    )
    if not possible:
        return None
    return _Settings(start > 0, dim, model, buckets, shortest, longest, size, words, end + _SIZES.size)


def _is_floret(head: bytes) -> bool:
    """Whether there are two settings more, before the last of fastText's: a mode and a number of hashes."""
    rest = head[8 + 4 * 11 : 8 + 4 * 14]
    mode, hashes, rate = struct.unpack("<3i", rest) if len(rest) == 12 else (0, 0, -1)
    return bool(0 < mode <= 2 and 0 < hashes <= 4 and rate > 4)


def read(file: File) -> Checkpoint:
    """Read the settings and the dictionary; no row is read.

    Raises:
        WrongFile: ``E-QUANTISED`` for a compressed model (``.ftz``); ``E-FASTTEXT`` for a newer version.
        DamagedFile: ``E-FASTTEXT``, ``E-TRUNCATED``, ``E-TRAILING``.
    """
    path, start = file.path, 0
    if file.head.startswith(MAGIC):
        start = 8
        version = int.from_bytes(file.pread(4, 4), "little", signed=True)
        if version not in VERSIONS:
            raise WrongFile(
                "E-FASTTEXT",
                f"{path} is a fastText file of version {version}; 11, 12 and those before them are read",
                path=path,
                help="save the vectors as text (.vec) with the program that wrote it",
            )
    else:
        version = 0
    settings = _settings(file.head, start)
    if settings is None:
        if version and _is_floret(file.head):
            raise WrongFile(
                "E-FASTTEXT",
                f"{path} is a model of floret, which has one table for words and their parts",
                path=path,
                help="write the vectors of its words as text, model.save_vectors('x.vec'), and name that file",
            )
        _refuse(path, "its settings are impossible", start)
    position = settings.end
    pruned = -1
    if settings.versioned:
        pruned = int.from_bytes(file.pread(position, 8), "little", signed=True)
        position += 8
    words = _Dictionary(file, settings, position)
    position = words.end
    if settings.versioned:
        quantised = file.pread(position, 1) != b"\0"
        if quantised or pruned > 0:
            raise WrongFile(
                "E-QUANTISED",
                f"{path} is a compressed fastText model (.ftz); its rows are codes, not floating-point numbers",
                path=path,
                help="use the model as it was before `fasttext quantize`",
            )
        position += 1
    rows, offset, position = _matrix(file, position, settings.dim, "input")
    if rows != settings.words + settings.buckets:
        wanted = f"{settings.words:,} words and {settings.buckets:,} buckets"
        _refuse(path, f"the matrix has {rows:,} rows, not one for each of {wanted}", offset)
    position += settings.versioned
    _, _, position = _matrix(file, position, settings.dim, "output")
    if position < file.size:
        raise DamagedFile(
            "E-TRAILING",
            f"{path} has {file.size - position:,} bytes after its last matrix",
            path=path,
            offset=position,
            help="download the file again; something was appended to it",
        )
    longest = settings.longest
    if version <= 11 and settings.model == SUPERVISED:
        longest = 0  # classifiers did not use n-grams of characters then, whatever their settings say
    tensor = Tensor.contiguous("input", (rows, settings.dim), "float32", path, offset)
    speller = Subwords(words.rows, settings.words, settings.shortest, longest, settings.buckets * (pruned != 0))
    vocabulary = Vocabulary(
        path,
        NAME,
        rows,
        words.digest,
        speller,
        {"ngrams": f"{settings.shortest}-{longest}" if longest else "", "buckets": str(settings.buckets)},
        (path,),
        words.notes,
    )
    return Checkpoint(
        path,
        NAME,
        {path: file.size},
        {tensor.name: tensor},
        words.digest,
        embedding=(tensor.name, "fastText's matrix of words and n-grams"),
        vocabulary=vocabulary,
    )


def _refuse(path: str, problem: str, offset: int) -> NoReturn:
    raise DamagedFile(
        "E-FASTTEXT",
        f"{path}: damaged fastText file: {problem}",
        path=path,
        offset=offset,
        help="download the file again",
    )


def _matrix(file: File, position: int, dim: int, what: str) -> tuple[int, int, int]:
    """Rows of a matrix, where its elements begin, and where they end."""
    rows, columns = struct.unpack("<qq", file.pread(position, 16))
    if rows < 0 or columns != dim:
        _refuse(file.path, f"the {what} matrix has {rows:,} rows of {columns:,}, not of {dim:,}", position)
    start = position + 16
    end = start + 4 * rows * columns
    if end > file.size:
        raise cut_short(file.path, file.size, f", in its {what} matrix", f"{file.size:,} of {end:,} bytes present")
    return rows, start, end


class _Dictionary:
    """The words, of which only characters are kept.

    Attributes:
        rows: character -> row.
        end: where the dictionary ends in the file.
        digest: BLAKE2b-256 (hex) of the file up to there.
        notes: remarks for the user.
    """

    def __init__(self, file: File, settings: _Settings, position: int) -> None:
        path = file.path
        if settings.size * (1 + _WORD_TAIL) > file.size - position:
            raise cut_short(path, file.size, f": {settings.size:,} words do not fit into it")
        self.rows: dict[str, int] = {}
        digest = blake2b(file.pread(0, position), digest_size=32)
        undecodable = doubles = 0
        buffer, place = b"", 0  # the buffer holds the bytes up to `position`; `place` is in the buffer
        for row in range(settings.size):
            while (end := buffer.find(b"\0", place)) < 0 or end + _WORD_TAIL >= len(buffer):
                if len(buffer) - place > _MAX_WORD + _WORD_TAIL:
                    _refuse(path, f"no word ends where word {row:,} should", position - len(buffer) + place)
                portion = file.pread(position, min(_PORTION, file.size - position))
                if not portion:
                    raise cut_short(path, file.size, "", f"{row:,} of {settings.size:,} words present")
                position += len(portion)
                digest.update(buffer[:place])
                buffer, place = buffer[place:] + portion, 0
            word, kind = buffer[place:end], buffer[end + _WORD_TAIL]
            if kind != (row >= settings.words):
                _refuse(path, f"word {row:,} is of type {kind}", position - len(buffer) + place)
            place = end + 1 + _WORD_TAIL
            if kind == 0 and (char := one_character(word)):
                doubles += char in self.rows
                self.rows[char] = row
            elif not word.isascii() and text_of(word) is None:
                undecodable += 1
        self.end = position - len(buffer) + place
        digest.update(buffer[:place])
        self.digest = digest.hexdigest()
        notes = []
        if undecodable:
            notes.append(
                Note("W-TOKEN-BYTES", f"{path}: {undecodable:,} of {settings.size:,} words are not UTF-8", path)
            )
        if doubles:
            notes.append(
                Note(
                    "W-VOCAB-DUP",
                    f"{path}: {count(doubles, 'character')} found more than once; the last row is used",
                    path,
                )
            )
        self.notes = tuple(notes)
