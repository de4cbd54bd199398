"""Plumbing: how a BERT tokenizer normalises text, as the configuration files beside its vocabulary say.

``tokenizer_config.json`` beats ``tokenizer.json``, as in transformers; Google's releases have neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from charvec.errors import DamagedFile, Note
from charvec.plumbing import places
from charvec.plumbing.files import read_whole
from charvec.plumbing.safejson import parse
from charvec.valueclass import dataclass, field

__all__ = ["MAX_BYTES", "MAX_DIGITS", "Normalizer", "read_normalizer", "read_object", "refuse", "tokenizer_name"]

MAX_BYTES = 64_000_000
#: transformers writes "no limit" as an integer of 31 digits, int(1e30).
MAX_DIGITS = 64

#: Keys of ``tokenizer_config.json`` and what ``tokenizers`` calls them.
CONFIG_KEYS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


@dataclass
class Normalizer:
    """The arguments of ``tokenizers.normalizers.BertNormalizer``, and where they are written.

    Attributes:
        settings: by argument; ``lowercase`` is None when no file says it, ``strip_accents`` when it goes with
            ``lowercase``.
        origin: the file that says whether text is lower-cased, or "".
        tokenizer: name of the tokenizer without its ending, e.g. ``BertJapanese``; "" when no file says it.
        config: all that ``tokenizer_config.json`` says.
        files: the configuration files that were read.
        notes: remarks for the user.
    """

    settings: dict[str, bool | None] = field(
        default_factory=lambda: {
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": None,
        }
    )
    origin: str = ""
    tokenizer: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def update(self, source: Mapping[str, Any], keys: Mapping[str, str], path: str) -> None:
        """Take over what an object of the file ``path`` says, under its own ``keys``. A null says nothing.

        Raises:
            DamagedFile: ``E-TOKENIZER`` for a value that is neither true, false nor null.
        """
        for theirs, ours in keys.items():
            value = source.get(theirs)
            if value is not None and not isinstance(value, bool):
                raise DamagedFile(
                    "E-TOKENIZER",
                    f"{path}: {theirs} is {str(value)[:80]!r}, neither true, false nor null",
                    path=path,
                    help="download the file again, or remove it and say --cased or --uncased",
                )
            if value is not None or (ours == "strip_accents" and theirs in source):
                self.settings[ours] = value
                if ours == "lowercase":
                    self.origin = places.base_name(path)


def read_normalizer(vocabulary: str) -> Normalizer:
    """What the files beside a vocabulary say.

    Args:
        vocabulary: path of the vocabulary.

    Raises:
        DamagedFile: ``E-TOKENIZER`` when one is damaged; ``E-JSON-DUPKEY``, ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        CharvecError: as :class:`charvec.plumbing.files.File`.
    """
    result = Normalizer()
    folder = places.parent(vocabulary)
    backend = places.join(folder, "tokenizer.json")
    if places.exists(backend):
        result.files.append(backend)
        _take_backend(result, read_object(backend).get("normalizer"), backend)
    config = places.join(folder, "tokenizer_config.json")
    if places.exists(config):
        result.files.append(config)
        result.config = read_object(config)
        result.update(result.config, CONFIG_KEYS, config)
    result.tokenizer = tokenizer_name(result.config)
    model_config = places.join(folder, "config.json")
    if not result.tokenizer and places.exists(model_config):
        # older models name their tokenizer there
        result.files.append(model_config)
        result.tokenizer = tokenizer_name(read_object(model_config))
    return result


def tokenizer_name(*configs: Mapping[str, Any]) -> str:
    """Name of the tokenizer by the first of some configurations that tells, without ``Tokenizer`` and ``Fast``."""
    for said in (config.get("tokenizer_class") for config in configs):
        # the classes that stand for any tokenizer say nothing of the model
        if isinstance(said, str) and said and not said.startswith(("PreTrained", "Tokenizers", "SentencePiece")):
            return said.removesuffix("Fast").removesuffix("Tokenizer")[:80]
    return ""


def _take_backend(result: Normalizer, normalizer: Any, path: str) -> None:
    """The ``normalizer`` of ``tokenizer.json``: BERT's own, alone or as one step among others."""
    steps = [normalizer]
    if isinstance(normalizer, dict) and isinstance(normalizer.get("normalizers"), list):
        steps = normalizer["normalizers"]
    kinds = [str(step.get("type"))[:40] if isinstance(step, dict) else "none" for step in steps]
    for kind, step in zip(kinds, steps, strict=True):
        if kind == "BertNormalizer":
            result.update(step, {key: key for key in result.settings}, path)
    others = [kind for kind in kinds if kind != "BertNormalizer"]
    if others or not kinds:
        result.notes.append(
            Note(
                "W-NORMALIZER",
                f"{path} normalises text by {', '.join(kinds[:8]) or 'none'}; charvec does what BertNormalizer does",
                path,
            )
        )


def refuse(path: str, problem: str, help: str = "download the file again") -> NoReturn:
    """Raise DamagedFile ``E-TOKENIZER``."""
    raise DamagedFile("E-TOKENIZER", f"{path}: {problem}", path=path, help=help)


def read_object(path: str) -> dict[str, Any]:
    """The JSON object of a configuration file.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        CharvecError: as :class:`charvec.plumbing.files.File`.
    """
    name = places.base_name(path)
    data = read_whole(path, limit=MAX_BYTES)
    value = parse(data, path, code="E-TOKENIZER", what=name, digits=MAX_DIGITS)
    if not isinstance(value, dict):
        raise DamagedFile("E-TOKENIZER", f"{path} is not a JSON object", path=path, help="download the file again")
    return value
