"""Plumbing: how the folders of models are laid out, where the weights do not simply lie at the top.

Sources: sentence-transformers (``modules.json``), model2vec, Diffusers (a folder for each part), TensorFlow
(SavedModel), Meta's releases, and the cache of huggingface_hub (``refs`` and ``snapshots``). The cache of ModelScope
needs no entry: its folders hold the files as they were published.
"""

from __future__ import annotations

import re
from typing import Any

from charvec.errors import Ambiguous, NotFound
from charvec.plumbing import places
from charvec.plumbing.files import inside, read_whole
from charvec.plumbing.safejson import parse

__all__ = ["PARTS", "VOCABULARY_FOLDERS", "inner_folder", "vocabulary_folders"]

#: Folders inside a model's folder that hold the model proper, best first.
PARTS = (
    "0_Transformer",  # sentence-transformers, its older layout
    "0_StaticEmbedding",  # sentence-transformers, static models
    "text_encoder",  # Diffusers; the tokenizer lies in a folder beside it
    "variables",  # TensorFlow's SavedModel
    "original",  # Meta's own file, where only that was fetched
    "onnx",  # Optimum and Transformers.js
    "openvino",  # sentence-transformers
)
#: Where, below the folder of the weights or one above it, the vocabulary may lie; "" is that folder itself.
VOCABULARY_FOLDERS = ("", "tokenizer", "assets")

#: Modules of sentence-transformers that begin with a table of pieces.
_BEGINS = re.compile(r"(?:^|\.)(?:Transformer|StaticEmbedding|CLIPModel)$")
_REVISION = re.compile(r"[\w][\w.-]{0,199}")
MAX_BYTES = 1_000_000


def inner_folder(folder: str, names: list[str]) -> str | None:
    """The folder to look into when a model's folder itself holds no weights.

    Args:
        folder: the folder.
        names: what is in it, sorted.

    Returns:
        None when its layout is none that is known.

    Raises:
        UnsafeFile: ``E-PATH-ESCAPE`` when ``modules.json`` leads out of the folder.
        DamagedFile: when that is damaged.
        NotFound: ``E-NO-CHECKPOINT`` for a cache without the revision it says is current.
        Ambiguous: ``E-AMBIGUOUS-FILE`` for one of several revisions, none of them said to be current.
    """
    if "modules.json" in names:
        module = _first_module(places.join(folder, "modules.json"), folder)
        if module is not None:
            return module
    if "snapshots" in names:
        return _snapshot(folder)
    vocab = places.join(folder, "vocab")
    if "vocab" in names and places.is_folder(vocab) and "key2row" in places.names(vocab):
        return vocab  # spaCy
    for name in PARTS:
        if name in names and places.is_folder(places.join(folder, name)):
            return places.join(folder, name)
    return None


def _first_module(path: str, folder: str) -> str | None:
    """The folder of the module that turns pieces into vectors; None when that is the folder itself."""
    modules: Any = parse(read_whole(path, limit=MAX_BYTES), path, what="modules.json")
    for module in modules if isinstance(modules, list) else ():
        if not isinstance(module, dict) or not isinstance(module.get("type"), str):
            continue
        where = module.get("path")
        if _BEGINS.search(module["type"]) and isinstance(where, str):
            return None if where in ("", ".", "./") else inside(folder, where, by=path)
    return None


def _snapshot(folder: str) -> str:
    """The current revision in a model's folder of huggingface_hub's cache."""
    snapshots = places.join(folder, "snapshots")
    current = places.join(folder, "refs", "main")
    if places.is_file(current):
        revision = read_whole(current, limit=MAX_BYTES).decode("utf-8", "replace").strip()
        chosen = places.join(snapshots, revision) if _REVISION.fullmatch(revision) else ""
        if chosen and places.is_folder(chosen):
            return chosen
        raise NotFound(
            "E-NO-CHECKPOINT",
            f"{folder} lacks the revision that it says is current",
            path=folder,
            found=f"refs/main says {revision[:100]!r}",
            help="the download did not finish; download the model again",
        )
    names = places.names(snapshots)
    if len(names) == 1:
        return places.join(snapshots, names[0])
    if not names:
        raise NotFound("E-NO-CHECKPOINT", f"{snapshots} is empty", path=snapshots, help="download the model again")
    raise Ambiguous(
        "E-AMBIGUOUS-FILE",
        f"{snapshots} holds several revisions, and none is said to be current",
        path=snapshots,
        found=", ".join(names[:8]),
        help="name the folder of one of them",
    )


def vocabulary_folders(weights: str, root: str) -> list[str]:
    """Folders in which the vocabulary of a checkpoint may lie, nearest first.

    Args:
        weights: path of the file that was opened.
        root: what the user named; nothing outside it is looked at, but the folder of the weights.
    """
    folder = places.parent(weights)
    levels = [folder]
    top = root.rstrip("/\\")
    while top and folder != top and folder.startswith(top):
        above = places.parent(folder)
        if above == folder:
            break
        folder = above
        levels.append(folder)
    if not top or folder != top:  # a file was named: only what lies beside it
        return levels[:1]
    return [places.join(level, name) if name else level for level in levels for name in VOCABULARY_FOLDERS]
