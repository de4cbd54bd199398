"""Family: tokenizer kinds. One file per kind, recognised by content.

A member knows how its kind of tokenizer spells a single character in pieces, exactly as the model's own pipeline would.

To add a kind: write one module with :class:`Member`'s two functions, put its name into :data:`MEMBERS`, and add a small
file of that kind to ``tests/data``; the contract tests then run over it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from charvec.errors import CharvecError, DamagedFile, NotFound, WrongFile
from charvec.plumbing import places
from charvec.plumbing.files import File, unrecognised
from charvec.plumbing.models.model_folders import vocabulary_folders
from charvec.plumbing.models.model_places import settle
from charvec.plumbing.spelling.normalizer import read_object, tokenizer_name
from charvec.vocabulary import Vocabulary

__all__ = ["MEMBERS", "Member", "fitting", "locate", "members", "read"]


class Member(Protocol):
    """What every module of this folder offers."""

    #: Short name of the tokenizer kind.
    NAME: str

    def sniff(self, file: File) -> bool:
        """Whether this is a vocabulary of this kind, by its content. Never raises."""

    def read(self, file: File, lowercase: bool | None) -> Vocabulary:
        """Read it.

        Args:
            file: the vocabulary file; configuration files are looked for beside it.
            lowercase: overrides what the configuration says about lower-casing, unless None.

        Raises:
            InputError: when it is damaged.
        """


#: Every member, by module. They recognise files by content and never the same one, so the order decides nothing; the
#: commonest comes first, because a member is imported only when it is asked.
MEMBERS = (
    *("wordpiece", "tokenizer_json", "vocab_json", "sentencepiece", "tiktoken", "rwkv", "gguf"),
    *("numbered", "word_ids", "word_list", "keras_words", "spacy_keys"),
)


def members() -> Iterator[Member]:
    """Every member, imported when its turn comes."""
    for name in MEMBERS:
        yield cast(Member, import_module(f"charvec.vocabularies.{name}"))


#: A special token of BERT in UTF-16 without a byte order mark.
_ASCII_UTF16 = re.compile(rb"\[\0(?:P\0A\0D|U\0N\0K|C\0L\0S)\0\]")

#: An added token of one character, as it is or escaped.
_ADDED = re.compile(rb'"content"\s*:\s*"(?:[^"\\\x80-\xff]|[\xc2-\xf4][\x80-\xbf]{1,3}|(?:\\u[0-9A-Fa-f]{4}){1,2})"')
_MODEL = re.compile(rb'"model"\s*:\s*\{\s*"type"\s*:\s*"(\w+)"')

#: Names of vocabulary files in model folders, best first. A list of WordPiece is a tenth of its ``tokenizer.json``, and
#: says the same.
FOLDER_FILES = (
    *("vocab.txt", "tokenizer.json", "vocab.json", "encoder.json", "word2id.json"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "sentencepiece.model", "source.spm"),
    *("qwen.tiktoken", "hy.tiktoken", "rwkv_vocab_v20230424.txt"),
    # SpeechT5; ProphetNet, whose pieces are WordPieces or SentencePieces
    *("spm_char.model", "prophetnet.tokenizer"),
    "key2row",  # spaCy
)
#: Names that are probably a vocabulary's too, of programs not known here.
_LIKE = re.compile(
    r"vocab.*\.(?:txt|json|tsv)|.*\.(?:spm|tiktoken|vocab)|(?:sp|spiece|bpe|tok).*\.model|.*word2id.*", re.IGNORECASE
)
#: Tokenizers that have none, and what they do instead.
_WITHOUT = {
    "ByT5": "spells texts in bytes",
    "MyT5": "spells texts in bytes",
    "Perceiver": "spells texts in bytes",
    "Canine": "takes code points for numbers and hashes them",
}


def locate(model: str, root: str = "") -> str:
    """The vocabulary file that lies beside a checkpoint.

    Args:
        model: the checkpoint's file or its folder.
        root: the folder that the user named, when the checkpoint was found somewhere inside it.

    Raises:
        NotFound: ``E-VOCAB-MISSING``.
        WrongFile: ``E-TOKENIZER-KIND`` when the model needs none.
    """
    folders = [model] if places.is_folder(model) else vocabulary_folders(model, root)
    for folder in folders:
        # one at a time: behind a URL each is a request
        for name in FOLDER_FILES:
            path = places.join(folder, name)
            if places.exists(path):
                return _preferred(folder, name, path)
    for folder in folders:
        _refuse_without(folder)
    help = "name it with --vocab FILE (in Python: vocab=...); it was published together with the checkpoint"
    there = [] if places.is_remote(model) else [name for folder in folders for name in _like(folder)]
    if there:
        help = f"if {' or '.join(there[:3])} is the vocabulary, name it with --vocab (in Python: vocab=...)"
    raise NotFound(
        "E-VOCAB-MISSING",
        f"no vocabulary beside {model}",
        path=model,
        found="none of " + ", ".join(FOLDER_FILES),
        help=help,
    )


def _preferred(folder: str, name: str, path: str) -> str:
    """The vocabulary of a folder, by the first file that was found in it: that, or one beside it that says more."""
    if name == "vocab.txt":
        # the list of pieces of a WordPiece tokenizer, or a list of something else
        beside = places.join(folder, "tokenizer.json")
        return beside if places.exists(beside) and _says_more(beside) else path
    if name == "vocab.json":
        # Marian and M2M100 number the pieces of a SentencePiece model in it
        models = (places.join(folder, model) for model in ("sentencepiece.bpe.model", "source.spm"))
        return next((model for model in models if places.exists(model)), path)
    return path


def _like(folder: str) -> list[str]:
    """Files of a folder on this machine that are called as a vocabulary might be."""
    if not places.is_folder(folder or "."):
        return []
    return [places.join(folder, name) for name in places.names(folder) if _LIKE.fullmatch(name)]


def _refuse_without(folder: str) -> None:
    """Refuse a model whose tokenizer has no vocabulary, by what lies in its folder.

    Raises:
        WrongFile: ``E-TOKENIZER-KIND``.
    """
    for name in ("tokenizer_config.json", "config.json"):
        path = places.join(folder, name)
        try:
            values = read_object(path) if places.is_file(path) else {}
        except CharvecError:
            continue  # that one is damaged is not what the user asked
        kind = tokenizer_name(values) or str(values.get("model_type")).capitalize()
        if kind in _WITHOUT:
            raise WrongFile(
                "E-TOKENIZER-KIND",
                f"{path}: the tokenizer {kind} has no vocabulary; it {_WITHOUT[kind]}",
                path=path,
                help="no character has a row of its own in such a model; choose another",
            )


def fitting(model: str, root: str, rows: int, than: str) -> str:
    """Another vocabulary beside a checkpoint, with exactly as many pieces as its matrix has rows; "" for none.

    Args:
        model: as for :func:`locate`; models elsewhere than on this machine are not searched.
        root: likewise.
        rows: of the matrix.
        than: the vocabulary that does not fit.
    """
    if places.is_remote(model):
        return ""
    for folder in [model] if places.is_folder(model) else vocabulary_folders(model, root):
        if not places.is_folder(folder):
            continue
        named = [name for name in places.names(folder) if name in FOLDER_FILES or _LIST.search(name)]
        for path in (places.join(folder, name) for name in named[:_LOOKED_AT]):
            try:
                if os.path.samefile(path, than):
                    continue
                found = read(path)
            except (CharvecError, OSError):
                continue
            if rows in (found.size, max(found.size, found.extended)):
                return path
    return ""


#: Names that lists of pieces have beside the usual ones, and how many such files are opened.
_LIST = re.compile(r"vocab.*\.(?:txt|json)$", re.IGNORECASE)
_LOOKED_AT = 8


def _says_more(path: str) -> bool:
    """Whether a ``tokenizer.json`` says more than the list of pieces beside it; a quick look, not a check.

    Its model is another one than WordPiece, or characters were added to it later, which the list does not have.
    """
    with File(path) as file:
        # most documents say it before their first pieces; beyond the limit the reader refuses it
        for size in (len(file.head), 1 << 16, 64_000_000):
            data = file.pread(0, min(file.size, size))
            kind = _MODEL.search(data)
            if kind is not None:
                break
    return kind is not None and (kind[1] != b"WordPiece" or _ADDED.search(data, 0, kind.start()) is not None)


def read(path: str | os.PathLike[str], *, lowercase: bool | None = None) -> Vocabulary:
    """Read a vocabulary.

    Args:
        path: the file, also behind a URL or in a model on the hub (``hf://…``).
        lowercase: overrides what configuration files beside it say about lower-casing, unless None.

    Raises:
        WrongFile, DamagedFile: ``E-VOCAB-ENCODING``, ``E-VOCAB-ROWS``, ``E-TOKENIZER``, or as
            :func:`charvec.plumbing.files.unrecognised`.
        CharvecError: as the members do.
    """
    name = os.fspath(path)
    with File(settle(name) if places.is_remote(name) else name) as file:
        for member in members():
            if member.sniff(file):
                return member.read(file, lowercase)
        raise _refusal(file)


def _refusal(file: File) -> CharvecError:
    text = file.head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if file.head.startswith((b"\xff\xfe", b"\xfe\xff")) or _ASCII_UTF16.search(file.head):
        return DamagedFile(
            "E-VOCAB-ENCODING",
            f"{file.path} is UTF-16; a vocabulary is UTF-8",
            path=file.path,
            help="some editor converted it; download it again, or convert it with `iconv -f UTF-16 -t UTF-8`",
        )
    if re.match(rb'\{|\[\s*["{\[\]\d]', text):
        if file.path.endswith(".json"):
            return WrongFile(
                "E-TOKENIZER",
                f"{file.path} is JSON, but neither a tokenizer nor a vocabulary with its merges.txt beside it",
                path=file.path,
                help="name the model's tokenizer.json, or put merges.txt beside vocab.json",
            )
        return WrongFile(
            "E-VOCAB-ROWS",
            f"{file.path} looks like JSON, not like a list of pieces, one a line",
            path=file.path,
            help="name the model's vocab.txt, or call a tokenizer.json by its name",
        )
    return unrecognised(file, "a vocabulary")
