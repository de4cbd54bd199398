"""Plumbing: models that ModelScope's tools have put into their cache. Nothing is asked over a network.

Below ``MODELSCOPE_CACHE`` the versions looked at write, and so they do below ``~/.cache/modelscope``, but in ``hub`` up
to 1.37:

============  ===========================================
1.9           ``OWNER/NAME``
1.14          ``OWNER/NA___ME``: ``.`` becomes ``___``
1.18, 1.22    ``hub/OWNER/NA___ME``
1.24 to 1.37  ``models/OWNER/NA___ME``
1.40          ``models/OWNER--NAME/snapshots/REVISION``
============  ===========================================

Without the variable 1.14 to 1.22 write ``hub/OWNER/NA___ME`` too, and not ``hub/hub``. In all but the last ``.mdl`` and
``.msc`` are pickles, which nobody needs, and ``.mv`` says the revision: ``Revision:v1.0,CreatedAt:...``. What is not
there to its end lies elsewhere (``._____temp``), or has a name that ends in ``.incomplete``. A folder with hidden files
alone, or none, is what a download that failed left behind.
"""

from __future__ import annotations

import os
import re

__all__ = ["cached"]

#: The revisions that stand for the newest, where none is named.
_DEFAULT = ("master", "main")
#: Bytes of an ``.mv`` file that are read.
_VERSION = 4096


def _roots() -> list[str]:
    named = os.environ.get("MODELSCOPE_CACHE") or os.environ.get("MS_CACHE_HOME")
    root = os.path.expanduser(named) if named else os.path.join(os.path.expanduser("~"), ".cache", "modelscope")
    return [root, os.path.join(root, "hub")]


def cached(model: str, revision: str | None = None) -> str | None:
    """The folder of a model in the cache, None when it is not there.

    Args:
        model: ``OWNER/NAME``.
        revision: branch or tag; a folder that does not say of which it is may be of any, and is not taken for one.
    """
    owner, mark, name = model.partition("/")
    if not mark or {owner, name} & {"", ".", ".."} or set("/\\:\0") & set(name + owner):
        return None
    for root in _roots():
        if found := _snapshot(os.path.join(root, "models", f"{owner}--{name}", "snapshots"), revision):
            return found
        for folder in (os.path.join(root, "models"), root):
            for spelt in dict.fromkeys((name.replace(".", "___"), name)):
                path = os.path.join(folder, owner, spelt)
                if _names(path) and revision in (None, _revision(path)):
                    return path
    return None


def _snapshot(folder: str, revision: str | None) -> str | None:
    """The folder of a revision, which may have ``/`` in its name; without one the only one there is, or the newest."""
    if revision is not None:
        inside = not {"", ".", ".."} & set(revision.split("/")) and not set("\\:\0") & set(revision)
        path = os.path.join(folder, *revision.split("/"))
        return path if inside and _names(path) else None
    present = [name for name in _entries(folder) if _names(os.path.join(folder, name))]
    wanted = next((name for name in _DEFAULT if name in present), present[0] if len(present) == 1 else None)
    return os.path.join(folder, wanted) if wanted else None


def _entries(folder: str) -> list[str]:
    """Names in a folder, sorted; none where there is no folder, or none that may be looked into."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _names(folder: str) -> list[str]:
    """Names of what a download has brought to its end."""
    return [name for name in _entries(folder) if not name.startswith(".") and not name.endswith(".incomplete")]


def _revision(folder: str) -> str | None:
    """The revision that a folder says it is of."""
    try:
        with open(os.path.join(folder, ".mv"), "rb") as file:
            said = re.match(rb"Revision:([^,\n]+)", file.read(_VERSION))
    except OSError:
        return None
    return said[1].decode("utf-8", "replace") if said else None
