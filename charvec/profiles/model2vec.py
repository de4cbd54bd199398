"""A folder that both ``model2vec.StaticModel.from_pretrained`` and ``SentenceTransformer(folder)`` open as it stands.

The tokenizer makes a token of every character that has a row, without normalising anything, and passes over all others,
so that both give what ``CharVectors.encode`` gives. Texts are not cut off (``max_length`` null; model2vec's own default
is 512 tokens). No character is lost.

Layout: ``model2vec.persistence`` and ``sentence_transformers``' StaticEmbedding; the tokenizer is in the format of
``tokenizers``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from charvec.errors import DamagedFile
from charvec.plumbing.arrays.foreign_npz import keys_by_id
from charvec.plumbing.arrays.keyed_rows import Chunk, KeyedRows, Special
from charvec.plumbing.safejson import parse

__all__ = ["ALIASES", "FILES", "LOSES", "MIN_DIM", "NAME", "READERS", "SPECIAL", "read", "tokenizer", "write"]

NAME = "model2vec"
ALIASES: tuple[str, ...] = ("sentence-transformers", "static-embedding")
READERS = "model2vec StaticModel, sentence-transformers"
FILES: tuple[str, ...] = ("README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json")
LOSES: frozenset[str] = frozenset()
MIN_DIM = 1
SPECIAL = Special(pad="[PAD]", unk="[UNK]", where="first", row="zeros", needed=True)

_MODULES = [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}]


def write(rows: KeyedRows, about: Mapping[str, Any]) -> dict[str, Iterable[Chunk]]:
    """The five files."""
    matrix = np.ascontiguousarray(rows.matrix, "<f4")
    ids = {key: row for row, key in enumerate(rows.keys)}
    header: dict[str, Any] = {
        # not "charvec", by which a vector file of our own is told
        "__metadata__": {"charvec_source": json.dumps(about.get("source", {}), sort_keys=True)},
        # model2vec's name for it; sentence-transformers knows it too
        "embeddings": {"dtype": "F32", "shape": list(matrix.shape), "data_offsets": [0, matrix.nbytes]},
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": False,
        "max_length": None,
        "embedding_dtype": "float32",
        "hidden_dim": rows.dim,
    }
    return {
        "README.md": [_card(rows, about.get("source", {})).encode()],
        "config.json": [json.dumps(config, indent=4).encode(), b"\n"],
        "model.safetensors": [
            len(text).to_bytes(8, "little") + text,
            matrix.reshape(-1).view(np.uint8).data,
        ],
        "modules.json": [json.dumps(_MODULES, indent=4).encode(), b"\n"],
        "tokenizer.json": [json.dumps(tokenizer(ids), ensure_ascii=False).encode(), b"\n"],
    }


def tokenizer(ids: Mapping[str, int]) -> dict[str, Any]:
    """A ``tokenizer.json`` whose tokens are single characters.

    Its kind is byte-pair encoding without a single merge and without an unknown token, because that drops what it does
    not know, in every library that reads it; a list of words would make tokens of it, which sentence-transformers
    counts. It also takes a sixth to a half of the time, because nothing has to be split before.

    Args:
        ids: entry -> row, for all rows; names of special rows are never met in a text.
    """
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": dict(ids),
            "merges": [],
        },
    }


def _card(rows: KeyedRows, source: Mapping[str, Any]) -> str:
    """The page that the hub shows."""
    checkpoint = source.get("source", {})
    files = ", ".join(f"`{name}`" for name in checkpoint.get("files", {})) if isinstance(checkpoint, dict) else ""
    tensor = checkpoint.get("tensor") if isinstance(checkpoint, dict) else None
    origin = f"They are rows of the tensor `{tensor}` of {files}.\n" if files and tensor else ""
    return f"""---
library_name: model2vec
tags:
- static-embeddings
- sentence-transformers
- charvec
---

# Character vectors

{len(rows.keys):,} rows of {rows.dim} dimensions, one for each character and for the special tokens. {origin}
Written by charvec. A text's vector is the mean of its characters' vectors.

```python
from model2vec import StaticModel

StaticModel.from_pretrained(".").encode("...")
```

```python
from sentence_transformers import SentenceTransformer

SentenceTransformer(".").encode("...")
```
"""


def read(files: Mapping[str, bytes], path: str, dim: int) -> KeyedRows:
    """Rows, and the keys of the tokenizer.

    Raises:
        InputError: when one of the files is not what was written.
    """
    data = files["model.safetensors"]
    start = 8 + int.from_bytes(data[:8], "little")
    entry = parse(data[8:start], path).get("embeddings", {})
    if parse(files["modules.json"], path) != _MODULES or entry.get("data_offsets") != [0, len(data) - start]:
        raise DamagedFile("E-ST-RANGE", f"{path}: not what was written", path=path, help="write the folder again")
    parse(files["config.json"], path)
    matrix = np.frombuffer(data, "<f4", offset=start).reshape(entry["shape"])
    vocab = parse(files["tokenizer.json"], path)["model"]["vocab"]
    return KeyedRows(keys_by_id(vocab, len(matrix), path), matrix)
