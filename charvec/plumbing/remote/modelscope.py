"""Plumbing: models that ModelScope's tools have put into their cache. Nothing is asked over a network.

Layouts, of which the last is the newest: ``hub/OWNER/NAME``, ``hub/models/OWNER/NAME``, ``models/OWNER/NAME``,
``models/OWNER--NAME/snapshots/REVISION``; in the first three ``.`` in a name is written ``___``.
"""

from __future__ import annotations

import os

__all__ = ["cached"]


def _roots() -> list[str]:
    named = os.environ.get("MODELSCOPE_CACHE") or os.environ.get("MS_CACHE_HOME")
    root = os.path.expanduser(named) if named else os.path.join(os.path.expanduser("~"), ".cache", "modelscope")
    return [root, os.path.join(root, "hub")]


def cached(model: str, revision: str | None = None) -> str | None:
    """The folder of a model in the cache, None when it is not there.

    Args:
        model: ``OWNER/NAME``.
        revision: branch or tag; only the newest layout keeps several, the others may be any.
    """
    owner, mark, name = model.partition("/")
    if not mark or {owner, name} & {"", ".", ".."} or set("/\\:\0") & set(name + owner):
        return None
    for root in _roots():
        snapshots = os.path.join(root, "models", f"{owner}--{name}", "snapshots")
        present = sorted(os.listdir(snapshots)) if os.path.isdir(snapshots) else []
        wanted = revision or ("master" if "master" in present or len(present) != 1 else present[0])
        if wanted in present:
            return os.path.join(snapshots, wanted)
        if revision is not None:
            continue
        for folder in (os.path.join(root, "models"), root):
            for spelt in dict.fromkeys((name.replace(".", "___"), name)):
                path = os.path.join(folder, owner, spelt)
                if os.path.isdir(path) and os.listdir(path):
                    return path
    return None
