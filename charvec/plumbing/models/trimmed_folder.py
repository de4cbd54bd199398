"""Plumbing: the folder of a trimmed model."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec.errors import DamagedFile, Note
from charvec.plumbing import places
from charvec.plumbing.arrays.safetensors_writer import Part, write_safetensors
from charvec.plumbing.files import File, read_whole
from charvec.plumbing.models.trimmed_files import (
    remap_config,
    remap_tokenizer,
    remap_tokenizer_config,
    trimmed_merges,
)
from charvec.plumbing.safejson import parse
from charvec.plumbing.spelling.normalizer import read_normalizer
from charvec.plumbing.spelling.tokenizer_document import Document
from charvec.valueclass import dataclass

__all__ = ["OwnFile", "files_in", "read_json", "write_rest", "write_weights"]

#: Limit of a file that is copied because it belongs to the model without being weights.
MAX_COPIED = 4_000_000
#: What is copied: licences and configuration, unless it is written anew or speaks of training.
_COPIED = re.compile(r"(?:licen[cs]e|notice|copying).*|.*\.json", re.IGNORECASE)
_NOT_COPIED = re.compile(
    r"\..*|.*\.index\.json|tokenizer\.json|vocab\.json|added_tokens\.json|config\.json|generation_config\.json"
    r"|tokenizer_config\.json|.*train.*"
    # what an earlier trim wrote of itself
    r"|keep_tokens\.json|trimming\.json",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OwnFile:
    """The vocabulary as one file that only its own tokenizer reads, already trimmed.

    Attributes:
        name: of the file.
        data: what it holds.
        pieces: what is known of each old row.
        told: what ``tokenizer_config.json`` has to say besides.
    """

    name: str
    data: bytes
    pieces: Mapping[int, str]
    told: Mapping[str, bool]


def write_weights(parts: Mapping[str, Sequence[Part]], folder: str) -> int:
    """Write the files of weights, and the index of several; returns the bytes of all tensors."""
    for name, tensors in parts.items():
        with open(os.path.join(folder, name), "xb") as output:
            write_safetensors(tensors, output)
            output.flush()
            os.fsync(output.fileno())
    total = sum(part.nbytes for tensors in parts.values() for part in tensors)
    if len(parts) > 1:
        where = {part.tensor.name: name for name, tensors in parts.items() for part in tensors}
        _write_json(folder, "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})
    return total


def write_rest(
    tokenizer_of: Document | OwnFile,
    old_ids: NDArray[np.int64],
    rows: int,
    source: str,
    folder: str,
    origin: Mapping[str, Any],
) -> list[Note]:
    """Everything but the weights; returns what the user should know of it.

    Args:
        tokenizer_of: the tokenizer before, or the file that takes its place.
        old_ids: int64 [n], ascending: the rows that stay.
        rows: rows of the old matrix.
        source: the old folder.
        folder: the new one.
        origin: provenance, for ``trimming.json``.
    """
    config = read_json(places.join(source, "config.json"))
    new_ids = {old: new for new, old in enumerate(old_ids.tolist())}
    document = tokenizer_of if isinstance(tokenizer_of, Document) else None
    if isinstance(tokenizer_of, Document):
        pieces = {row: piece for piece, row in tokenizer_of.pieces.items()}
        pieces.update({token.row: token.content for token in tokenizer_of.added})
        told = _casing(tokenizer_of, source)
    else:
        pieces, told = dict(tokenizer_of.pieces), dict(tokenizer_of.told)
        _write(folder, tokenizer_of.name, tokenizer_of.data)
    if config is not None:
        _write_json(folder, "config.json", remap_config(config, new_ids, rows))
    for name in ("generation_config.json", "added_tokens.json"):
        value = read_json(places.join(source, name))
        if isinstance(value, dict):
            if name == "added_tokens.json":
                value = {token: new_ids[row] for token, row in value.items() if row in new_ids}
            else:
                value = remap_config(value, new_ids, rows)
            _write_json(folder, name, value)
    value = read_json(places.join(source, "tokenizer_config.json"))
    if isinstance(value, dict) or told:
        kept = remap_tokenizer_config(value, new_ids) if isinstance(value, dict) else {}
        _write_json(folder, "tokenizer_config.json", {**kept, **told})
    if document is not None:
        _write_tokenizer(document, pieces, old_ids, source, folder)
    notes = _copy_others(source, folder)
    table = "".join(
        f"{old}\t{new}\t{json.dumps(pieces.get(old, ''), ensure_ascii=False)}\n" for old, new in new_ids.items()
    )
    _write(folder, "id_map.tsv", ("old\tnew\tpiece\n" + table).encode())
    _write_json(folder, "keep_tokens.json", old_ids.tolist(), indent=None)
    # what may be replaced by another run
    _write_json(folder, "trimming.json", {**origin, "files": sorted([*files_in(folder), "trimming.json"])})
    return notes


def _write_tokenizer(
    document: Document, pieces: Mapping[int, str], old_ids: NDArray[np.int64], source: str, folder: str
) -> None:
    """Those files of a tokenizer that were there."""
    new_ids = {old: new for new, old in enumerate(old_ids.tolist())}
    tokenizer = read_json(places.join(source, "tokenizer.json"))
    if tokenizer is not None:
        _agree(Document.of(tokenizer, places.join(source, "tokenizer.json")), pieces, old_ids)
        _write_json(folder, "tokenizer.json", remap_tokenizer(tokenizer, new_ids))
    if places.is_file(places.join(source, "vocab.txt")) or (tokenizer is None and document.type == "WordPiece"):
        lines = "".join(pieces[old] + "\n" for old in old_ids.tolist())
        _write(folder, "vocab.txt", lines.encode())
    if places.is_file(places.join(source, "vocab.json")):
        vocab = {pieces[old]: new for old, new in new_ids.items() if pieces[old] in document.pieces}
        _write_json(folder, "vocab.json", vocab, indent=None)
    if places.is_file(places.join(source, "merges.txt")):
        lines = read_whole(places.join(source, "merges.txt"), limit=64_000_000).decode("utf-8-sig")
        _write(folder, "merges.txt", trimmed_merges(lines, {pieces[old] for old in old_ids.tolist()}).encode())


def _casing(document: Document, source: str) -> dict[str, bool]:
    """What ``tokenizer_config.json`` has to say of lower case, because the old files say nothing or something else.

    Then the user decided, or the pieces did, and the pieces that would tell so again may be gone.
    """
    normalizer = document.normalizer if isinstance(document.normalizer, Mapping) else {}
    if document.type != "WordPiece" or normalizer.get("type") != "BertNormalizer":
        return {}
    lowercase = normalizer.get("lowercase", True)
    said = read_normalizer(places.join(source, "vocab.txt")).settings["lowercase"]
    return {} if said == lowercase else {"do_lower_case": bool(lowercase)}


def files_in(folder: str) -> list[str]:
    """Every file below a folder, its path relative to that with ``/`` between the names, sorted."""
    found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder).replace(os.sep, "/") for path in found)


def _agree(document: Document, pieces: Mapping[int, str], old_ids: NDArray[np.int64]) -> None:
    """Two vocabularies of one folder must be the same where it matters.

    Raises:
        DamagedFile: ``E-TRIM-TOKENIZER``.
    """
    theirs = {row: piece for piece, row in document.pieces.items()}
    theirs.update({token.row: token.content for token in document.added})
    for row in old_ids.tolist():
        if theirs.get(row) != pieces[row]:
            raise DamagedFile(
                "E-TRIM-TOKENIZER",
                f"{document.path} has {theirs.get(row)!r} at row {row}, the vocabulary beside it {pieces[row]!r}",
                path=document.path,
                help="download the folder again; its files do not belong together",
            )


def _copy_others(source: str, folder: str) -> list[Note]:
    """Small files that belong to the model: licences, the modules of sentence-transformers and their configuration."""
    notes = []
    for name in places.names(source):
        path = places.join(source, name)
        if places.is_folder(path):
            inner = places.join(path, "config.json")
            if places.is_file(inner) and not name.startswith("."):
                os.mkdir(os.path.join(folder, name))
                _write(os.path.join(folder, name), "config.json", read_whole(inner, limit=MAX_COPIED))
        elif _COPIED.fullmatch(name) and not _NOT_COPIED.fullmatch(name) and places.is_file(path):
            with File(path) as file:
                if file.size <= MAX_COPIED:
                    _write(folder, name, file.pread(0, file.size))
                    continue
                message = f"{path} has {file.size:,} bytes, too many for a configuration; it was not copied"
            notes.append(Note("W-NOT-COPIED", message, path))
    return notes


def read_json(path: str) -> Any:
    """The JSON of a file beside the checkpoint; None when it is not there."""
    if not places.is_file(path):
        return None
    data = read_whole(path, limit=64_000_000)
    return parse(data, path, code="E-CONFIG", what=os.path.basename(path), digits=64)


def _write(folder: str, name: str, data: bytes) -> None:
    with open(os.path.join(folder, name), "xb") as output:
        output.write(data)


def _write_json(folder: str, name: str, value: Any, indent: int | None = 2) -> None:
    _write(folder, name, (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode("utf-8"))
