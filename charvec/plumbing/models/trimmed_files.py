"""Plumbing: the files of a tokenizer and the configuration of a model, with other row ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from charvec.plumbing.spelling.piece_closure import kept_merges

__all__ = ["ids_in", "remap_config", "remap_tokenizer", "remap_tokenizer_config", "trimmed_merges"]

#: Keys of configurations that hold ids of tokens.
_ID_KEYS = re.compile(
    r"(?:\w+_)?token_ids?|suppress_tokens|begin_suppress_tokens|forced_decoder_ids|bad_words_ids|pad_id"
)


def ids_in(config: Any) -> set[int]:
    """Ids of tokens that a configuration names."""
    found: set[int] = set()
    if isinstance(config, dict):
        for key, value in config.items():
            found |= _integers(value) if _ID_KEYS.fullmatch(key) else ids_in(value)
            if key == "added_tokens_decoder" and isinstance(value, dict):
                found |= {int(row) for row in value if row.isdecimal() and len(row) < 19}
    return found


def _integers(value: Any) -> set[int]:
    if isinstance(value, list):
        return {number for each in value for number in _integers(each)}
    return {value} if type(value) is int else set()


def remap_config(config: Any, new_ids: Mapping[int, int], rows: int) -> Any:
    """A configuration with the new ids of tokens and the new size of the vocabulary.

    Args:
        config: parsed JSON.
        new_ids: old id -> new.
        rows: rows of the old matrix; a ``vocab_size`` that says otherwise is another one's.
    """
    if not isinstance(config, dict):
        return config
    changed = {}
    for key, value in config.items():
        if _ID_KEYS.fullmatch(key):
            changed[key] = _remapped(value, new_ids)
        elif key == "vocab_size" and type(value) is int and value <= rows:
            changed[key] = len(new_ids)
        else:
            changed[key] = remap_config(value, new_ids, rows)
    return changed


def _remapped(value: Any, new_ids: Mapping[int, int]) -> Any:
    """Ids, single or in lists; one that was no row stays as it is."""
    if isinstance(value, list):
        return [_remapped(each, new_ids) for each in value if type(each) is not int or each in new_ids]
    return new_ids.get(value, value) if type(value) is int else value


def remap_tokenizer_config(config: Mapping[str, Any], new_ids: Mapping[int, int]) -> dict[str, Any]:
    """``tokenizer_config.json`` with the new ids of the added tokens."""
    changed = dict(config)
    entries = config.get("added_tokens_decoder")
    if isinstance(entries, dict):
        changed["added_tokens_decoder"] = {
            str(new_ids[int(row)]): entry
            for row, entry in entries.items()
            if row.isdecimal() and len(row) < 19 and int(row) in new_ids
        }
    return changed


def remap_tokenizer(document: Mapping[str, Any], new_ids: Mapping[int, int]) -> dict[str, Any]:
    """``tokenizer.json`` with only the pieces that have a new id, and the merges among them."""
    changed = dict(document)
    model = dict(document["model"])
    vocab = model["vocab"]
    if isinstance(vocab, list):
        model["vocab"] = [entry for row, entry in enumerate(vocab) if row in new_ids]
        if type(model.get("unk_id")) is int:
            model["unk_id"] = new_ids.get(model["unk_id"])
        kept = {entry[0] for entry in model["vocab"]}
    else:
        model["vocab"] = {piece: new_ids[row] for piece, row in vocab.items() if row in new_ids}
        kept = set(model["vocab"])
    if isinstance(model.get("merges"), list):
        pairs = [_pair(merge) for merge in model["merges"]]
        prefix = str(model.get("continuing_subword_prefix") or "")
        places = kept_merges(pairs, kept, prefix)
        model["merges"] = [model["merges"][place] for place in places]
    changed["model"] = model
    changed["added_tokens"] = [
        {**token, "id": new_ids[token["id"]]} for token in document.get("added_tokens") or [] if token["id"] in new_ids
    ]
    if isinstance(document.get("padding"), dict) and type(document["padding"].get("pad_id")) is int:
        padding = document["padding"]
        changed["padding"] = {**padding, "pad_id": new_ids.get(padding["pad_id"], 0)}
    changed["post_processor"] = _post_processor(document.get("post_processor"), new_ids)
    return changed


def _pair(merge: Any) -> tuple[str, str]:
    """The two pieces of a merge, which newer files keep in a list."""
    one, two = merge.split(" ", 1) if isinstance(merge, str) else merge
    return one, two


def _post_processor(part: Any, new_ids: Mapping[int, int]) -> Any:
    """Ids of the tokens around a text: ``["[SEP]", 102]``, or ``{"ids": [102]}`` in a template."""
    if isinstance(part, list):
        if len(part) == 2 and isinstance(part[0], str) and type(part[1]) is int:
            return [part[0], new_ids.get(part[1], part[1])]
        return [_post_processor(each, new_ids) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: [new_ids.get(row, row) for row in value]
        if key == "ids" and isinstance(value, list)
        else _post_processor(value, new_ids)
        for key, value in part.items()
    }


def trimmed_merges(text: str, kept: set[str]) -> str:
    """``merges.txt`` with only the merges among kept pieces."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    first = lines[:1] if lines[0].startswith("#version") else []
    pairs = [(one, two) for one, blank, two in (line.partition(" ") for line in lines[len(first) :]) if blank]
    places = kept_merges(pairs, kept)
    return "".join(line + "\n" for line in [*first, *(" ".join(pairs[place]) for place in places)])
