"""SentencePiece: ``tokenizer.model``, ``spiece.model``, ``sentencepiece.bpe.model``; a protocol buffer.

Layout (google/sentencepiece ``sentencepiece_model.proto``): 1 pieces {1 text, 2 score, 3 type}; 2 trainer_spec {3 model
type, 24 treat_whitespace_as_suffix, 35 byte_fallback}; 3 normalizer_spec {1 name, 2 precompiled_charsmap, 5
escape_whitespaces}. A character is spelt as inside running text, so that the dummy prefix and the removal of extra
white space never come in: what ``sentencepiece`` gives for it alone with these two switched off.
"""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np

from charvec.errors import DamagedFile
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.protobuf import I32, LEN, VARINT, Malformed, fields
from charvec.plumbing.spelling.added_tokens import extent, read_added, with_added
from charvec.plumbing.spelling.casing import refuse_casing
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.piece_rows import CHANGING, PieceRows, read_piece_rows
from charvec.plumbing.spelling.spelling_text import SPACE, TextSpeller
from charvec.plumbing.spelling.typed_pieces import (
    BPE,
    BYTE,
    CHAR,
    CONTROL,
    MAX_SCORE,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    WORD,
    sort_pieces,
)
from charvec.valueclass import dataclass, field
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "Model", "parse", "read", "sniff"]

NAME = "sentencepiece"

#: Limits against hostile files; the largest published model has 262,144 pieces and 4.7 MB.
MAX_BYTES = 64_000_000
MAX_PIECES = 5_000_000
#: The library's own limit, in bytes.
MAX_PIECE = 8_000

MODELS = {UNIGRAM: "unigram", BPE: "bpe", WORD: "word", CHAR: "char"}

_PIECE = {1: LEN, 2: I32, 3: VARINT}
_TRAINER = {3: VARINT, 24: VARINT, 35: VARINT}
_NORMALIZER = {1: LEN, 2: LEN, 3: VARINT, 4: VARINT, 5: VARINT}


def sniff(file: File) -> bool:
    """A protocol buffer that begins with a piece: its text, then a score or a type."""
    head = file.head
    if len(head) < 8 or head[0] != 0x0A or head[2] != 0x0A or head[1] > 127 or head[3] > head[1] - 2:
        return False
    piece = head[4 : 4 + head[3]]
    return head[4 + head[3] : 5 + head[3]] in (b"\x15", b"\x18", b"\x0a") and b"\0" not in piece and bool(piece)


@dataclass
class Model:
    """What the file holds.

    Attributes:
        pieces, scores, types: by place in the file; scores are float32.
        kind: key of :data:`MODELS`.
        byte_fallback: whether unknown characters are spelt in bytes.
        suffix: whether white space belongs to the word before it.
        normalizer: name of the normalisation, e.g. ``nmt_nfkc``.
        charsmap: its rules.
        escape: whether white space is written as ``▁``.
    """

    pieces: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    kind: int = UNIGRAM
    byte_fallback: bool = False
    suffix: bool = False
    normalizer: str = ""
    charsmap: bytes = b""
    escape: bool = True


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the model and, beside it, which rows its pieces have.

    Raises:
        DamagedFile: ``E-SENTENCEPIECE``, ``E-CHARSMAP``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is given although the tokenizer has no such setting.
        CharvecError: as :func:`charvec.plumbing.spelling.piece_rows.read_piece_rows`.
    """
    path = file.path
    data = file.whole(MAX_BYTES, "a vocabulary")
    try:
        model = parse(data)
    except (Malformed, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    around = read_piece_rows(path, lowercase, model.pieces)
    if around.tokenizer not in CHANGING:
        refuse_casing(path, "SentencePiece", lowercase)
    added = read_added(places.parent(path), around.config, around.files)
    speller = with_added(_speller(model, around, path), added)
    settings: dict[str, bool | str | None] = {
        "model": MODELS[model.kind],
        "normalizer": model.normalizer,
        "byte_fallback": model.byte_fallback,
        "tokenizer": around.tokenizer or None,
        "lowercase": around.lowercase,
        "strip_accents": around.strip_accents,
    }
    return Vocabulary(
        path,
        NAME,
        len(model.pieces) + around.offset if around.rows is None else max(around.rows.values()) + 1,
        blake2b(data, digest_size=32).hexdigest(),
        speller,
        settings,
        (path, *around.files),
        tuple(around.notes),
        extent(added),
    )


def _damaged(path: str, problem: str) -> DamagedFile:
    return DamagedFile(
        "E-SENTENCEPIECE",
        f"{path}: damaged SentencePiece model: {problem}",
        path=path,
        help="download the file again; if its writer is at fault, tell its authors",
    )


def parse(data: bytes) -> Model:
    """What the bytes of a file hold.

    Raises:
        Malformed: when they are no message of this kind.
        UnicodeDecodeError: when a piece is no UTF-8.
    """
    model = Model()
    scores: list[bytes] = []
    start = _parse_pieces(data, model, scores)
    for number, kind, value in fields(data[start:], {1: LEN, 2: LEN, 3: LEN}):
        if number == 1:
            _parse_piece(value, model, scores)
        elif number == 2:
            for key, _, item in fields(value, _TRAINER):
                model.kind = item if key == 3 else model.kind
                model.suffix = bool(item) if key == 24 else model.suffix
                model.byte_fallback = bool(item) if key == 35 else model.byte_fallback
        elif number == 3 and kind == LEN:
            for key, _, item in fields(value, _NORMALIZER):
                model.normalizer = item.decode()[:80] if key == 1 else model.normalizer
                model.charsmap = item if key == 2 else model.charsmap
                model.escape = bool(item) if key == 5 else model.escape
    model.scores = np.frombuffer(b"".join(scores), "<f4").tolist()
    return model


def _parse_pieces(data: bytes, model: Model, scores: list[bytes]) -> int:
    """The pieces at the beginning as every writer lays them out, short and in order; where the rest begins."""
    raw: list[bytes] = []
    types = model.types
    place, stop = 0, len(data)
    while place + 4 <= stop and data[place] == data[place + 2] == 0x0A and len(raw) < MAX_PIECES:
        size, length = data[place + 1], data[place + 3]
        score, end = place + 4 + length, place + 2 + size
        # behind the text a score of five bytes, and mostly no type
        if end > stop or size > 127 or size - length not in (7, 9) or data[score] != 0x15:
            break
        kind = NORMAL
        if size - length == 9:
            kind = data[score + 6]
            if data[score + 5] != 0x18 or kind > 127:
                break
        raw.append(data[place + 4 : score])
        types.append(kind)
        scores.append(data[score + 1 : score + 5])
        place = end
    model.pieces += map(bytes.decode, raw)
    return place


def _parse_piece(data: bytes, model: Model, scores: list[bytes]) -> None:
    if len(model.pieces) >= MAX_PIECES:
        raise Malformed(f"more than {MAX_PIECES:,} pieces")
    text, score, kind = b"", b"\0\0\0\0", NORMAL
    for number, _, value in fields(data, _PIECE):
        text = value if number == 1 else text
        score = struct.pack("<I", value) if number == 2 else score
        kind = value if number == 3 else kind
    model.pieces.append(text.decode())
    model.types.append(kind)
    scores.append(score)


def _speller(model: Model, around: PieceRows, path: str) -> TextSpeller:
    """How the model spells characters.

    Raises:
        DamagedFile: ``E-SENTENCEPIECE`` for what the library refuses as well.
    """
    _check(model, path)
    pieces = sort_pieces(model.pieces, model.scores, model.types, around.offset)
    charsmap = Charsmap(model.charsmap, path)
    prepare = around.prepare

    def normalize(char: str) -> str:
        return charsmap(char) if prepare is None else "".join(map(charsmap, prepare(char)))

    space = SPACE if model.escape else " "
    return pieces.speller(model.kind, normalize, space=space, suffix=model.suffix, numbers=around.rows)


def _check(model: Model, path: str) -> None:
    """Raise DamagedFile for what the library refuses."""
    if model.kind not in MODELS:
        raise _damaged(path, f"model type {model.kind}")
    if not all(model.pieces) or "\0" in "".join(model.pieces):
        raise _damaged(path, "a piece is empty or holds U+0000")
    if any(len(piece.encode()) >= MAX_PIECE for piece in model.pieces if len(piece) >= MAX_PIECE // 4):
        raise _damaged(path, f"a piece of {MAX_PIECE:,} bytes or more")
    if not np.all(np.abs(model.scores) < MAX_SCORE):
        raise _damaged(path, "a score is no number, or far too large")
    strange = set(model.types) - {NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE}
    if strange:
        raise _damaged(path, f"a piece of the type {min(strange)}")
    # a plain piece and a reserved one may have the same text
    pairs = [
        (piece, kind in (NORMAL, USER_DEFINED, UNUSED)) for piece, kind in zip(model.pieces, model.types, strict=True)
    ]
    if len(set(pairs)) < len(pairs):
        twice, _ = next(pair for pair, count in Counter(pairs).items() if count > 1)
        raise _damaged(path, f"the piece {twice[:80]!r} stands twice")
    if model.types.count(UNKNOWN) != 1:
        raise _damaged(path, f"{model.types.count(UNKNOWN)} pieces for what is unknown")
    bytes_found = {piece for piece, kind in zip(model.pieces, model.types, strict=True) if kind == BYTE}
    if bytes_found != ({f"<0x{byte:02X}>" for byte in range(256)} if model.byte_fallback else set()):
        raise _damaged(path, f"{len(bytes_found)} pieces for bytes")
