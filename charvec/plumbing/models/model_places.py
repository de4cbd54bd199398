"""Plumbing: what a user calls a model, and where that is.

Something on this machine always wins. Only a name that nothing here has, and that is written as models on the hub are,
or a URL, leads to a network.
"""

from __future__ import annotations

import os
from typing import Any

from charvec.errors import CharvecError, Note, UsageError

__all__ = ["is_remote", "notes", "origin", "settle"]


def is_remote(path: str) -> bool:
    """Whether a path is a URL or lies in a model on the hub."""
    if "://" not in path:
        return False
    from charvec.plumbing.remote import addresses

    return addresses.is_url(path)


def settle(name: str, revision: str | None = None) -> str:
    """The path of a model: a local one, a URL without secrets, or one on the hub with its commit.

    Args:
        name: file, folder, TensorFlow prefix, ``ORG/NAME[@REVISION]``, ``hf://…`` or any other URL.
        revision: of a model on the hub: branch, tag or commit.

    Raises:
        UsageError: ``E-REVISION`` for the revision of something else; ``E-URL``.
        CharvecError: as :func:`charvec.plumbing.remote.hub.find`.
    """
    if is_remote(name):
        from charvec.plumbing.remote import addresses, hub
        from charvec.plumbing.remote.remote_samples import local_path

        page = hub.web_page(name)
        if page or hub.is_hub(name):
            return hub.find(page or name, revision)
        local = local_path(name)
        settled = addresses.adopt(name) if local is None else local
    elif _may_be_on_hub(name):
        return _on_a_hub(name, revision)
    else:
        settled = name
    if revision is not None:
        message = f"{settled} is no model on the hub, so there are no revisions of it"
        raise UsageError("E-REVISION", message, path=settled, help="leave out --revision")
    return settled


def _may_be_on_hub(name: str) -> bool:
    if "\0" in name or os.path.lexists(name) or name.startswith((".", "~", "/", "\\")):
        return False
    from charvec.plumbing.remote import hub

    if not hub.is_id(name):
        return False
    folder, stem = os.path.split(name)
    try:
        beside = os.listdir(folder or ".")
    except OSError:
        return True
    return not any(each.startswith(stem + ".") for each in beside)  # a TensorFlow prefix


def _on_a_hub(name: str, revision: str | None) -> str:
    from charvec.plumbing.remote import hub, modelscope

    try:
        return hub.find(name, revision)
    except CharvecError:
        # the same name on the other hub, whose tools have it here
        model, said, _ = hub.parse(name)
        folder = modelscope.cached(model, said or revision)
        if folder is None:
            raise
        return folder


def notes(path: str) -> tuple[Note, ...]:
    """What the user should know of how a settled path was found."""
    if not is_remote(path):
        return ()
    from charvec.plumbing.remote import hub

    note = hub.repo_of(path)[0].note if hub.is_hub(path) else None
    return (note,) if note else ()


def origin(path: str) -> dict[str, Any]:
    """Where a settled path leads to, for a vector file: nothing for a local one, and never a secret."""
    if not is_remote(path):
        return {}
    from charvec.plumbing.remote import hub

    if hub.is_hub(path):
        repo, _ = hub.repo_of(path)
        return {"repo": repo.id, "revision": repo.commit}
    return {"url": path}
