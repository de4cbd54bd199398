r"""``vocab.json`` with ``merges.txt`` beside it: the byte-level BPE of GPT-2, RoBERTa, BART, Whisper, Qwen, and CLIP.

Layout: ``vocab.json`` is an object of pieces and ids, ``merges.txt`` has one merge a line, two pieces parted by a
blank, the most urgent first, with an optional first line ``#version: ...``. OpenAI called them ``encoder.json`` and
``vocab.bpe``. Neither says how texts are normalised: CLIP, told by its pieces that end in ``</w>``, lower-cases;
models of Qwen, told by ``tokenizer_config.json``, compose (NFC); the others leave texts alone.
"""

from __future__ import annotations

import re
from typing import Any

from charvec.errors import UsageError
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, read_whole
from charvec.plumbing.spelling import byte_alphabet
from charvec.plumbing.spelling.added_tokens import read_added
from charvec.plumbing.spelling.merges import merges_of
from charvec.plumbing.spelling.normalizer import MAX_BYTES, read_object, refuse
from charvec.plumbing.spelling.tokenizer_document import Document, parse_whole
from charvec.plumbing.spelling.tokenizer_model import MAX_PIECES
from charvec.plumbing.spelling.tokenizer_spelling import TokenizerSpeller
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "vocab-json"

_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\d')
SUFFIX = "</w>"
#: What CLIP takes for a word, of which the last piece has the suffix: every digit is one. White space is none.
CLIP_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def sniff(file: File) -> bool:
    """A JSON object whose first value is a number, with merges beside it."""
    return _OBJECT.match(file.head) is not None and places.is_file(merges_of(file.path) or "")


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read both, and beside them what adds tokens.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is said: byte-level BPE has no such choice.
    """
    path = file.path
    if lowercase is not None:
        raise UsageError(
            "E-CASING",
            f"{path} is byte-level BPE, whose case is fixed; --cased and --uncased cannot change it",
            help="leave the option out (in Python: lowercase=None)",
        )
    vocab, data = parse_whole(file)
    merges_path = str(merges_of(path))
    merges = _merges(merges_path)
    foreign = {*"".join(merges)} - {*byte_alphabet.CHARS, " "}
    if foreign:
        refuse(
            path,
            f"its merges are of characters such as {min(foreign)!r}, not of bytes: this is no byte-level BPE",
            "name the model's tokenizer.json instead, if it has one; XLM and its relatives do more than merge",
        )
    folder = places.parent(path)
    config, added, files = _beside(folder)
    suffix = SUFFIX if any(merge.endswith(SUFFIX) for merge in merges) else None
    normalizers: list[dict[str, Any]] = []
    pre_tokenizer: dict[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    pre_tokenizer["use_regex"] = True
    if suffix:
        blanks = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
        normalizers = [{"type": "NFC"}, blanks, {"type": "Lowercase"}]
        words = {"type": "Split", "pattern": {"Regex": CLIP_WORDS}, "behavior": "Removed", "invert": True}
        pre_tokenizer = {"type": "Sequence", "pretokenizers": [words, pre_tokenizer]}
    elif str(config.get("tokenizer_class")).startswith("Qwen"):
        normalizers = [{"type": "NFC"}]
    document = Document.of(
        {
            "model": {"type": "BPE", "vocab": vocab, "merges": merges, "end_of_word_suffix": suffix},
            "added_tokens": added,
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": pre_tokenizer,
        },
        path,
    )
    missing = [char for char in byte_alphabet.CHARS if char not in document.pieces]
    if len(missing) > 128:
        refuse(
            path,
            f"{len(missing)} of the 256 bytes have no piece: these merges are not those of a byte-level BPE",
            "name the model's tokenizer.json instead",
        )
    return Vocabulary(
        path,
        document.kind,
        document.size,
        blake2b(data, digest_size=32).hexdigest(),
        TokenizerSpeller(document),
        document.settings,
        (path, merges_path, *files),
        document.notes,
        document.extended,
    )


def _merges(path: str) -> list[str]:
    """The lines of the file of merges."""
    try:
        text = read_whole(path, limit=MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, f"not UTF-8 at byte {error.start}")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines[0].startswith("#version"):
        del lines[0]
    merges = [line for line in lines if line]
    if len(merges) > 2 * MAX_PIECES:
        refuse(path, f"{len(merges):,} merges")
    for place, line in enumerate(merges):
        if line.count(" ") != 1 or line[0] == " " or line[-1] == " ":
            refuse(path, f"merge {place + 1}, {line[:80]!r}, is not two pieces parted by a blank")
    return merges


def _beside(folder: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """The configuration, the tokens that ``tokenizer_config.json`` or ``added_tokens.json`` add, and the files read."""
    config: dict[str, Any] = {}
    files = []
    path = places.join(folder, "tokenizer_config.json")
    if places.exists(path):
        files.append(path)
        config = read_object(path)
    tokens = read_added(folder, config, files)
    switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    # the library numbers tokens in turn, so they are handed over in the order of their rows
    added = [{"id": each.row, "content": each.content, "special": each.special, **switches} for each in tokens]
    return config, added, files
