"""Plumbing: whether the tokenizer of a ``tokenizer.json`` lower-cases, where that can be said from outside.

transformers lets ``tokenizer_config.json`` overrule the arguments of BERT's normaliser; every other normaliser is what
the file says, and nothing overrules it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from charvec.errors import Note, UsageError
from charvec.plumbing import places
from charvec.plumbing.spelling.normalizer import CONFIG_KEYS, Normalizer, read_object
from charvec.plumbing.spelling.tokenizer_document import Document
from charvec.plumbing.spelling.tokenizer_steps import steps

__all__ = ["apply_casing"]


def apply_casing(
    document: Document, lowercase: bool | None
) -> tuple[Document, Mapping[str, bool | str | None], list[str], list[Note]]:
    """The tokenizer as its configuration and the user want it.

    Returns:
        the tokenizer; the settings that decided, as vector files keep them; the files that were read; notes.

    Raises:
        UsageError: ``E-CASING`` when ``lowercase`` is said of a tokenizer without BERT's normaliser.
        CharvecError: as :func:`charvec.plumbing.spelling.normalizer.read_object`.
    """
    if not any(step.get("type") == "BertNormalizer" for step in steps(document.normalizer)):
        if lowercase is not None:
            raise UsageError(
                "E-CASING",
                f"{document.path} says itself how it normalises text; --cased and --uncased cannot change it",
                help="leave the option out (in Python: lowercase=None)",
            )
        return document, document.settings, [], []
    normalizer = Normalizer()
    #: What is said from outside, to every such step.
    said: dict[str, bool | None] = {}
    for step in steps(document.normalizer):
        if step.get("type") == "BertNormalizer":
            normalizer.update(step, {key: key for key in normalizer.settings}, document.path)
    config = places.join(places.parent(document.path), "tokenizer_config.json")
    if places.exists(config):
        normalizer.files.append(config)
        # the same arguments under other names
        values = read_object(config)
        normalizer.update(values, CONFIG_KEYS, config)
        said = {
            ours: values[theirs]
            for theirs, ours in CONFIG_KEYS.items()
            if values.get(theirs) is not None or (ours == "strip_accents" and theirs in values)
        }
    why = f"{normalizer.origin} says so"
    settings = normalizer.settings
    if lowercase is not None:
        settings["lowercase"] = said["lowercase"] = lowercase
        why = "you said so"
    elif settings["lowercase"] is None:
        settings["lowercase"], why = True, "BERT's normaliser does so unless told otherwise"
    changed = _replaced(document.normalizer, said)
    casing = "uncased" if settings["lowercase"] else "cased"
    note = Note("N-CASING", f"the vocabulary is {casing}: {why}", document.path)
    return replace(document, normalizer=changed), settings, normalizer.files, [note]


def _replaced(part: Any, said: Mapping[str, bool | None]) -> Any:
    """The normaliser with these arguments for BERT's steps, and their own where nothing is said."""
    if part.get("type") == "BertNormalizer":
        own = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
        own |= {key: part[key] for key in own if part.get(key) is not None}
        return {"type": "BertNormalizer", **own, **said}
    if "normalizers" in part:
        return {**part, "normalizers": [_replaced(step, said) for step in part["normalizers"]]}
    return part
