"""The tokenizer inside a GGUF file: the keys ``tokenizer.ggml.*``.

Source: gguf-py ``constants.py`` for the keys, llama.cpp ``llama-vocab.cpp`` for what they mean. The row ids are the
tokens' places. What a GGUF file does not keep of a tokenizer is taken from what is known of its kind, so that a
character has the row that the model's own tokenizer gives it:

* ``llama``: SentencePiece BPE, merged by score, bytes for what is unknown;
* ``t5``: SentencePiece Unigram, with the rules of its normaliser;
* ``gpt2``: byte-level BPE, merged by the list of merges; the name of the pre-tokenizer tells whether words that are
  pieces are taken whole, whether text is composed first, and whether the pieces are bytes at all;
* ``gemma4``: BPE over characters, merged by the list of merges, bytes for what is unknown;
* ``whitespace``: BPE over characters, merged by the list of merges, in words without white space;
* ``plamo2``: pieces by their scores, white space as it is, bytes for what is unknown;
* ``rwkv``: from left to right the longest run of bytes that is a piece;
* ``bert``: WordPiece, but the file keeps ``字`` as ``▁字`` and ``##字`` as ``字``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from charvec.errors import DamagedFile, Note, NotFound, WrongFile
from charvec.plumbing.files import File
from charvec.plumbing.gguf.gguf_file import MAGIC, Strings, read_header
from charvec.plumbing.spelling.byte_alphabet import CHARS
from charvec.plumbing.spelling.casing import refuse_casing
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.dictionary import text_of
from charvec.plumbing.spelling.literals import unescape
from charvec.plumbing.spelling.normalizer import Normalizer
from charvec.plumbing.spelling.segmenting import RankedMerges
from charvec.plumbing.spelling.spelling_bytes import ByteSpeller, longest_first, merged_by_rank, nfc
from charvec.plumbing.spelling.spelling_text import SPACE, TextSpeller
from charvec.plumbing.spelling.typed_pieces import (
    BPE,
    CONTROL,
    MAX_SCORE,
    NORMAL,
    UNIGRAM,
    USER_DEFINED,
    TypedPieces,
    sort_pieces,
)
from charvec.plumbing.spelling.wordpieces import WordPiece, decide_casing
from charvec.vocabulary import Speller, Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "gguf"

#: Pre-tokenizers whose words are taken whole where they are pieces (llama.cpp, ``ignore_merges``).
WHOLE = frozenset(
    (
        *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken", "youtu"),
        *("glm4", "glm5", "minicpm5", "jina-v5-nano", "granite-embed-multi-97m"),
    )
)
#: Pre-tokenizers of models whose own tokenizer composes text first (NFC), which llama.cpp leaves out.
COMPOSED = frozenset(("qwen2", "qwen35"))
#: Those of them that leave a letter and its marks in one word.
WITH_MARKS = frozenset(("qwen35",))
#: Pre-tokenizers of models whose pieces are text, although they are called gpt2 (llama.cpp, ``byte_encode``).
OF_TEXT = frozenset(("gemma4", "granite-embed-multi-311m", "sarvam-moe"))

_Settings = dict[str, bool | str | None]
#: Gets the file's values, its tokens and its path, for messages.
_Kind = Callable[[Any, Strings, str], tuple[Speller, _Settings]]
_LOWERCASE, _STRIP_ACCENTS = "tokenizer.ggml.normalizer.lowercase", "tokenizer.ggml.normalizer.strip_accents"


def sniff(file: File) -> bool:
    """``GGUF``."""
    return file.head[:4] == MAGIC


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read the tokenizer.

    Raises:
        DamagedFile: ``E-GGUF``, also for scores or types that do not fit the tokens, or no merges; ``E-CHARSMAP``.
        NotFound: ``E-VOCAB-MISSING`` when the file holds no tokenizer.
        WrongFile: ``E-TOKENIZER-KIND`` for a kind that charvec does not know.
        UsageError: ``E-CASING`` when ``lowercase`` is given for any other kind than ``bert``.
    """
    path = file.path
    header = read_header(file)
    values = header.values
    tokens = values.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, Strings) or not len(tokens):
        raise NotFound(
            "E-VOCAB-MISSING",
            f"{path} holds no tokenizer",
            path=path,
            help="name the model's vocabulary with --vocab FILE (in Python: vocab=...)",
        )
    kind = values.get("tokenizer.ggml.model")
    kind = (
        kind if isinstance(kind, str) else f"a value of type {type(kind).__name__}"
    )  # an array is compared to no name
    notes = _notes(tokens, path)
    speller: Speller
    settings: _Settings = {"model": str(kind)[:80]}
    if kind == "bert":
        rows = _wordpieces(values, tokens, path)
        normalizer = Normalizer()
        normalizer.update(values, {_LOWERCASE: "lowercase", _STRIP_ACCENTS: "strip_accents"}, path)
        why = decide_casing(normalizer, rows, lowercase)
        settings |= normalizer.settings
        casing = "uncased" if normalizer.settings["lowercase"] else "cased"
        notes.append(Note("N-CASING", f"the vocabulary is {casing}: {why}", path))
        speller = WordPiece(rows, normalizer.settings)
    elif kind in KINDS:
        refuse_casing(path, f"GGUF {kind!r}", lowercase)
        speller, more = KINDS[kind](values, tokens, path)
        settings |= more
    else:
        raise WrongFile(
            "E-TOKENIZER-KIND",
            f"{path} holds a tokenizer of the kind {str(kind)[:80]!r}, which charvec does not know",
            path=path,
            found=f"known are {', '.join(KINDS)} and bert",
            help="name the tokenizer.json of the same model with --vocab, if it has one",
        )
    return Vocabulary(path, NAME, len(tokens), header.digest, speller, settings, (path,), tuple(notes))


def _notes(tokens: Strings, path: str) -> list[Note]:
    """What the user should know of tokens that are no text."""
    if tokens.are_text():
        return []
    damaged = [place for place, piece in enumerate(tokens) if text_of(piece) is None]
    listed = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
    message = f"{path}: {len(damaged):,} tokens are not UTF-8 and belong to no character: rows {listed}"
    return [Note("W-TOKEN-BYTES", message, path)]


def _texts(tokens: Strings) -> list[str]:
    """All tokens as text, empty where they are none."""
    texts = tokens.texts()
    return [text_of(piece) or "" for piece in tokens] if texts is None else texts


def _damaged(path: str, problem: str) -> DamagedFile:
    return DamagedFile(
        "E-GGUF",
        f"{path}: damaged tokenizer: {problem}",
        path=path,
        help="download the file again; if its writer is at fault, tell its authors",
    )


def _numbers(values: Any, key: str, count: int, default: int, path: str) -> list[Any]:
    """An array of numbers, one for each token; or the default for all, when it is not there."""
    found = values.get(f"tokenizer.ggml.{key}")
    if found is None:
        return [default] * count
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "iuf" or len(found) != count:
        raise _damaged(path, f"{key} does not fit {count:,} tokens")
    return list(found.tolist())


def _scores(values: Any, tokens: Strings, path: str) -> list[Any]:
    scores = _numbers(values, "scores", len(tokens), 0, path)
    if not np.all(np.abs(scores) < MAX_SCORE):
        raise _damaged(path, "a score is no number, or far too large")
    return scores


def _sorted(values: Any, tokens: Strings, scores: list[Any], path: str) -> TypedPieces:
    result = sort_pieces(_texts(tokens), scores, _numbers(values, "token_type", len(tokens), NORMAL, path))
    result.rows.pop("", None)
    return result


def _sentencepiece(model: int) -> _Kind:
    def speller(values: Any, tokens: Strings, path: str) -> tuple[Speller, _Settings]:
        scores = _scores(values, tokens, path)
        blob = values.get("tokenizer.ggml.precompiled_charsmap")
        if blob is not None and (not isinstance(blob, np.ndarray) or blob.dtype.itemsize != 1):
            raise _damaged(path, "precompiled_charsmap is no array of bytes")
        charsmap = Charsmap(b"" if blob is None else blob.tobytes(), path)
        return _sorted(values, tokens, scores, path).speller(model, charsmap), {}

    return speller


def _plamo(values: Any, tokens: Strings, path: str) -> tuple[Speller, _Settings]:
    pieces = _sorted(values, tokens, _scores(values, tokens, path), path)
    return pieces.speller(UNIGRAM, str, space=" "), {}


def _rwkv(values: Any, tokens: Strings, path: str) -> tuple[Speller, _Settings]:
    types = _numbers(values, "token_type", len(tokens), NORMAL, path)
    kinds = enumerate(zip(tokens, types, strict=True))
    rows = {unescape(piece): row for row, (piece, kind) in kinds if kind == NORMAL}
    rows.pop(b"", None)
    return ByteSpeller(rows.get, longest_first(rows)), {}


def _bpe(values: Any, tokens: Strings, path: str) -> tuple[Speller, _Settings]:
    kind = values.get("tokenizer.ggml.model")
    pre = str(values.get("tokenizer.ggml.pre", ""))[:80]
    merges = values.get("tokenizer.ggml.merges")
    if not isinstance(merges, Strings):
        raise _damaged(path, "it has no merges")

    @cache
    def ranks() -> dict[bytes, int]:
        listed = list(merges)
        # of a merge that stands twice the first counts
        return dict(zip(reversed(listed), range(len(listed) - 1, -1, -1), strict=True))

    if kind == "gpt2" and pre not in OF_TEXT:
        types = _numbers(values, "token_type", len(tokens), NORMAL, path)
        normalizer = "NFC" if pre in COMPOSED else None
        return _byte_level(tokens, types, ranks, pre), {"pre": pre, "normalizer": normalizer}
    by_words = kind == "whitespace"
    normalize, normalizer = _text_steps(values, by_words, path)

    def rank(left: str, right: str) -> int | None:
        return ranks().get(f"{left} {right}".encode())

    pieces = _sorted(values, tokens, [0] * len(tokens), path)

    def normalized(char: str) -> str:
        return char if char in pieces.user_defined else normalize(char)

    speller = TextSpeller(
        pieces.rows,
        RankedMerges(rank),
        normalized,
        pieces.byte_rows,
        pieces.others,
        "" if by_words else SPACE,
    )
    return speller, {"pre": pre, "normalizer": normalizer}


def _text_steps(values: Any, by_words: bool, path: str) -> tuple[Callable[[str], str], str | None]:
    """What a tokenizer of text does to a character, and what that is called; as the ``tokenizers`` library does it."""
    lowercase, strip = (values.get(key, False) for key in (_LOWERCASE, _STRIP_ACCENTS))
    if type(lowercase) is not bool or type(strip) is not bool:
        raise _damaged(path, "the normaliser is neither on nor off")
    names = [name for name, used in (("NFD", strip), ("StripAccents", strip), ("Lowercase", lowercase)) if used]
    if not names and not by_words:
        return str, None
    from tokenizers import normalizers, pre_tokenizers

    steps = normalizers.Sequence([getattr(normalizers, name)() for name in names])
    parts = pre_tokenizers.Whitespace()

    def normalize(char: str) -> str:
        text = steps.normalize_str(char)
        return "".join(word for word, _ in parts.pre_tokenize_str(text)) if by_words else text

    return normalize, ", ".join(names) or None


def _byte_level(tokens: Strings, types: list[Any], ranks: Callable[[], Mapping[bytes, int]], pre: str) -> ByteSpeller:
    # tokens and merges stay as the file has them, in the alphabet of byte-level BPE; characters are brought into it
    alphabet = [char.encode() for char in CHARS]
    fixed = {}
    if USER_DEFINED in types:
        kinds = zip(tokens, types, strict=True)
        fixed = {piece: row for row, (piece, kind) in enumerate(kinds) if kind == USER_DEFINED}

    # tables of 152,000 entries, made when the first character is spelt: who only opens a model needs none
    @cache
    def rows() -> dict[bytes, int]:
        pieces = list(tokens)
        found = {piece: row for row, (piece, kind) in enumerate(zip(pieces, types, strict=True)) if kind == NORMAL}
        for row, piece in enumerate(pieces):
            # a special token can have the text by which one byte goes, and is then both
            if types[row] not in (NORMAL, USER_DEFINED) and piece > b"~" and piece in alphabet:
                found[piece] = row
        return found

    def form(data: bytes) -> bytes:
        return b"".join([alphabet[byte] for byte in data])

    def row_of(data: bytes) -> int | None:
        return rows().get(form(data))

    def rank(left: bytes, right: bytes) -> int | None:
        return ranks().get(form(left) + b" " + form(right))

    cut = merged_by_rank(rank, row_of if pre in WHOLE else None)
    return ByteSpeller(row_of, cut, nfc if pre in COMPOSED else None, fixed, pre not in WITH_MARKS)


#: How each kind of tokenizer spells characters, but for ``bert``, whose casing can be told.
KINDS: dict[str, _Kind] = {
    "llama": _sentencepiece(BPE),
    "t5": _sentencepiece(UNIGRAM),
    "gpt2": _bpe,
    "gemma4": _bpe,
    "whitespace": _bpe,
    "plamo2": _plamo,
    "rwkv": _rwkv,
}


def _wordpieces(values: Any, tokens: Strings, path: str) -> dict[str, int]:
    """Row ids of the pieces as ``vocab.txt`` spells them."""
    types = _numbers(values, "token_type", len(tokens), NORMAL, path)
    texts = tokens.texts()
    pieces: list[str | None] = [text_of(token) for token in tokens] if texts is None else [*texts]
    # every piece as an ordinary one, then those that are not: half the time of telling them apart one by one. To look
    # for a character first is quicker than to cut one off
    spelt = [
        piece if piece is None else piece[1:] if SPACE in piece and piece[0] == SPACE else "##" + piece
        for piece in pieces
    ]
    special = [place for place, piece in enumerate(pieces) if piece and "[" in piece and _is_bracketed(piece)]
    if CONTROL in types:
        special += [place for place, kind in enumerate(types) if kind == CONTROL]
    for place in special:
        spelt[place] = pieces[place]
    # of pieces that stand twice the last counts
    rows: dict[Any, int] = dict(zip(spelt, range(len(spelt)), strict=True))
    rows.pop(None, None)  # what is no text has no row
    return rows


def _is_bracketed(piece: str) -> bool:
    return piece.startswith("[") and piece.endswith("]") and len(piece) > 2
