"""charvec: the character vectors of heavy models for light ones.

The flow, one function a step::

    counts  = charvec.scan("samples/texts")          # which characters occur, and how often
    model   = charvec.open("samples/tiny-bert-zh")   # input embedding and vocabulary of a checkpoint; headers only
    vectors = charvec.lookup(model, counts)          # one row a character, read straight from the checkpoint
    vectors.save("zh.h5")                            # written whole or not at all

    vectors = charvec.dump("samples/texts", model="samples/tiny-bert-zh", out="zh.h5")  # all of it

    vectors = charvec.load("zh.h5")
    vectors["水"], vectors.nearest("水"), vectors.encode(["句子"]), vectors.matrix_for({"<PAD>": 0, "水": 1})
    charvec.torch.embedding(vectors)                 # into a model

Names are imported when they are first used: ``import charvec`` alone imports neither numpy nor anything else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from charvec.version import __version__

if TYPE_CHECKING:
    from charvec import flax, gensim, jax, keras, model2vec, onnx, sklearn, spacy, torch
    from charvec.comparing import diff
    from charvec.counts import Counts
    from charvec.coverage import Coverage
    from charvec.dumping import dump
    from charvec.embedding import TokenEmbedding, open
    from charvec.errors import CharvecError, CharvecWarning
    from charvec.exporting import export
    from charvec.extraction import cover, lookup
    from charvec.merging import merge
    from charvec.reducing import reduce
    from charvec.scanning import count, scan
    from charvec.selection import select
    from charvec.status import Status
    from charvec.storage import load, save
    from charvec.tables import ids
    from charvec.trimming import trim
    from charvec.updating import update
    from charvec.vectors import CharVectors

__all__ = [
    "CharVectors",
    "CharvecError",
    "CharvecWarning",
    "Counts",
    "Coverage",
    "Status",
    "TokenEmbedding",
    "__version__",
    "count",
    "cover",
    "diff",
    "dump",
    "export",
    "flax",
    "gensim",
    "ids",
    "jax",
    "keras",
    "load",
    "lookup",
    "merge",
    "model2vec",
    "onnx",
    "open",
    "reduce",
    "save",
    "scan",
    "select",
    "sklearn",
    "spacy",
    "torch",
    "trim",
    "update",
]

#: Where each public name lives; None for a module of this package.
_HOMES = {
    "CharVectors": "charvec.vectors",
    "CharvecError": "charvec.errors",
    "CharvecWarning": "charvec.errors",
    "Counts": "charvec.counts",
    "Coverage": "charvec.coverage",
    "Status": "charvec.status",
    "TokenEmbedding": "charvec.embedding",
    "count": "charvec.scanning",
    "cover": "charvec.extraction",
    "diff": "charvec.comparing",
    "dump": "charvec.dumping",
    "export": "charvec.exporting",
    "flax": None,
    "gensim": None,
    "ids": "charvec.tables",
    "jax": None,
    "keras": None,
    "load": "charvec.storage",
    "lookup": "charvec.extraction",
    "merge": "charvec.merging",
    "model2vec": None,
    "onnx": None,
    "open": "charvec.embedding",
    "reduce": "charvec.reducing",
    "save": "charvec.storage",
    "scan": "charvec.scanning",
    "select": "charvec.selection",
    "sklearn": None,
    "spacy": None,
    "torch": None,
    "trim": "charvec.trimming",
    "update": "charvec.updating",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'charvec' has no attribute {name!r}")
    home = _HOMES[name]
    value = import_module(f"charvec.{name}") if home is None else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
