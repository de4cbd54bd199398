"""Plumbing: models on the Hugging Face hub and in its local cache.

A name such as ``google-bert/bert-base-chinese`` becomes a path that holds the commit, ``hf://NAME@COMMIT``, once, so
that all files that are read belong together and a vector file can say which they were. Files that the hub's own tools
have put into their cache are read there, others from the hub.

Names, tokens, addresses and the place of the cache are huggingface_hub's business; HF_ENDPOINT, HF_TOKEN, HF_HOME,
HF_HUB_CACHE and HF_HUB_OFFLINE are what it makes of them. The layout of the cache is documented at
https://huggingface.co/docs/hub/local-cache.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from charvec.errors import CharvecError, MissingPackage, Note, NotFound, PermissionDenied, ReadWriteError, UsageError
from charvec.plumbing.remote import remote_stream
from charvec.plumbing.remote.remote_faults import judge, reason, status_of

__all__ = ["Repo", "address", "find", "is_hub", "is_id", "on_disk", "parse", "repo_of", "web_page"]

#: Seconds for the one question which files a model has.
TIMEOUT = 10
#: What else is on the hub.
_OTHERS = ("datasets/", "spaces/", "buckets/", "kernels/")
_ID = r"[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)?"
_REVISION = r"refs/(?:pr/\d+|convert/[\w.-]+)|[^/@]+"
_BARE = re.compile(rf"({_ID})(?:@({_REVISION}|[\w./-]+))?")
_PATH = re.compile(rf"hf://(?:models/)?({_ID})(?:@({_REVISION}))?(?:/(.*))?", re.DOTALL)
#: Names that end so are files that are not there, rather than models.
_SUFFIXES = frozenset(
    (
        *("bin", "bz2", "ckpt", "csv", "data", "gguf", "gz", "h5", "hdf5", "index", "json", "jsonl", "keras", "meta"),
        *("model", "msgpack", "npy", "npz", "onnx", "ot", "params", "pb", "pdparams", "pickle", "pkl", "pt", "pth"),
        *("safetensors", "tar", "tflite", "torch", "tsv", "txt", "vec", "vocab", "xz", "zip", "zst"),
    )
)


@dataclass(frozen=True)
class Repo:
    """A model on the hub at one commit.

    Attributes:
        id: its name there.
        commit: forty hexadecimal digits.
        files: names of all its files; of those in the cache when the hub was not asked.
        folder: where the cache has files of this commit; None when it has none.
        note: what the user should know, None for nothing.
    """

    id: str
    commit: str
    files: frozenset[str]
    folder: str | None
    note: Note | None = None

    @property
    def path(self) -> str:
        """What it goes by as a folder."""
        return f"hf://{self.id}@{self.commit}"


_REPOS: dict[str, Repo] = {}


def is_hub(path: str) -> bool:
    """Whether it is a model on the hub, or something in one."""
    return path.startswith("hf://") and not path[5:].startswith(_OTHERS) and "::" not in path


def is_id(name: str) -> bool:
    """Whether a name that nothing on this machine has could be that of a model on the hub.

    A name with ``.``, ``..`` or ``~`` in front, with the suffix of a file, or in a folder that is there, is a path that
    was misspelt; nobody is asked for it.
    """
    found = _BARE.fullmatch(name)
    if found is None or "--" in found[1] or ".." in found[1] or len(found[1]) > 96:
        return False
    folder = os.path.dirname(found[1])
    return _suffix(found[1]) not in _SUFFIXES and not (folder and os.path.exists(folder))


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def parse(name: str) -> tuple[str, str | None, str]:
    """Name of the model, revision and file of ``hf://NAME@REVISION/FILE`` or ``NAME@REVISION``.

    Raises:
        UsageError: ``E-URL``.
    """
    found = _PATH.fullmatch(name) or _BARE.fullmatch(name)
    if found is None:
        message = f"{name} names no model on the hub"
        raise UsageError("E-URL", message, path=name, help="write hf://ORG/NAME, hf://ORG/NAME@REVISION or add /FILE")
    rest = found[3] if found.re is _PATH else ""
    return found[1], unquote(found[2]) if found[2] else None, (rest or "").strip("/")


def web_page(url: str) -> str | None:
    """``hf://`` for the address of a model, or of a file in one, as a browser shows it; None for other addresses."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    for start in (endpoint + "/", "https://huggingface.co/"):
        if url.startswith(start):
            rest = url[len(start) :].partition("?")[0].partition("#")[0].strip("/")
            found = re.fullmatch(rf"({_ID})(?:/(?:resolve|blob|tree|raw)/([^/]+)(?:/(.*))?)?", rest)
            file = found is not None and found[2] is None and _suffix(rest) in _SUFFIXES
            if found and "/" in found[1] and not file and not rest.startswith((*_OTHERS, "api/", "models/", "docs/")):
                revision = f"@{found[2]}" if found[2] else ""
                return f"hf://{found[1]}{revision}" + (f"/{unquote(found[3])}" if found[3] else "")
    return None


def _library(name: str) -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
    except ImportError:
        raise MissingPackage(
            "E-PACKAGE",
            f"nothing here is called {name}; reading it as a model from the hub needs the package huggingface_hub",
            path=name,
            help='pip install "charvec[hub]"',
        ) from None
    return huggingface_hub


def find(name: str, revision: str | None = None) -> str:
    """The path of a model on the hub, with its commit.

    Args:
        name: as :func:`parse` takes it.
        revision: branch, tag or commit, unless the name says it.

    Raises:
        UsageError: ``E-URL``.
        MissingPackage: ``E-PACKAGE``.
        NotFound: ``E-NOT-FOUND`` when there is no such revision; ``E-OFFLINE`` when the hub cannot be asked and the
            cache does not have it.
        PermissionDenied: ``E-PERMISSION`` when the model is private or gated, or there is none.
        ReadWriteError: ``E-REMOTE`` when the hub's answer makes no sense.
    """
    model, said, rest = parse(name)
    revision = said or revision
    settled = _REPOS.get(f"hf://{model}@{revision}")
    if settled is None:
        settled = _find(model, revision)
        _REPOS[settled.path] = settled
    return f"{settled.path}/{rest}" if rest else settled.path


def _find(model: str, revision: str | None) -> Repo:
    hub = _library(model)
    if hub.constants.HF_HUB_OFFLINE:
        return _cached(hub, model, revision, "HF_HUB_OFFLINE forbids to ask the hub")
    delays = iter(remote_stream.DELAYS[:1])
    while True:
        try:
            info = hub.HfApi(endpoint=hub.constants.ENDPOINT).model_info(model, revision=revision, timeout=TIMEOUT)
            break
        except Exception as error:  # whatever the hub's client and the libraries below it raise
            kind, culprit = judge(error)
            delay = next(delays, None) if kind == "passing" else None
            if delay is None:
                # an unknown host is most often a machine without a network
                if kind == "passing" or (status_of(error) is None and isinstance(culprit, OSError)):
                    return _cached(hub, model, revision, f"the hub cannot be reached: {reason(culprit)}", note=True)
                raise _refusal(hub, model, revision, kind, error) from None
        time.sleep(delay)
    files = frozenset(each.rfilename for each in info.siblings or () if _is_inside(each.rfilename))
    commit, name = str(info.sha or ""), str(info.id or model)
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit) or not re.fullmatch(_ID, name):
        message = f"{model}: the hub does not say which commit it has"
        raise ReadWriteError("E-REMOTE", message, path=model, help="check HF_ENDPOINT; the server is no hub")
    folders = (_snapshot(hub, each, commit) for each in (model, name))
    return Repo(name, commit, files, next((each for each in folders if os.path.isdir(each)), None))


def _is_inside(name: str) -> bool:
    parts = re.split(r"[\\/]", name)
    return bool(name) and "\0" not in name and ":" not in name and not {"", ".", ".."} & set(parts)


def _repo_folder(hub: Any, model: str) -> str:
    return os.path.join(hub.constants.HF_HUB_CACHE, "models--" + model.replace("/", "--"))


def _snapshot(hub: Any, model: str, commit: str) -> str:
    return os.path.join(_repo_folder(hub, model), "snapshots", commit)


def _cached(hub: Any, model: str, revision: str | None, why: str, *, note: bool = False) -> Repo:
    """What the cache has of a model.

    Raises:
        NotFound: ``E-OFFLINE``.
    """
    asked = revision or hub.constants.DEFAULT_REVISION
    commit = asked
    reference = os.path.join(_repo_folder(hub, model), "refs", *asked.split("/"))
    if ".." not in asked.split("/") and os.path.isfile(reference):
        with open(reference, "rb") as file:
            commit = file.read(100).decode("ascii", "replace").strip()
    snapshots = os.path.join(_repo_folder(hub, model), "snapshots")
    present = sorted(os.listdir(snapshots)) if os.path.isdir(snapshots) else []
    found = [each for each in present if each == commit]
    if not found and re.fullmatch(r"[0-9a-f]{7,63}", commit):
        found = [each for each in present if each.startswith(commit)]
    if len(found) != 1:
        at = f" at {revision}" if revision else ""
        raise NotFound(
            "E-OFFLINE",
            f"no file or folder here is called {model}, the cache of the hub lacks such a model{at}, and {why}",
            path=model,
            found=f"revisions in the cache: {', '.join(present[:4])}" if present else f"nothing of it in {snapshots}",
            help=f"where there is a network: hf download {model}{' --revision ' + revision if revision else ''}; "
            "or name a file or folder on this machine",
        )
    folder = os.path.join(snapshots, found[0])
    files = {
        os.path.relpath(os.path.join(top, name), folder).replace(os.sep, "/")
        for top, _, names in os.walk(folder)
        for name in names
    }
    remark = Note("W-HUB-CACHE", f"{model}: {why}; what the cache has is used, commit {found[0][:12]}", model)
    return Repo(model, found[0], frozenset(files), folder, remark if note else None)


def _refusal(hub: Any, model: str, revision: str | None, kind: str, error: BaseException) -> CharvecError:
    at = f" at revision {revision}" if revision else ""
    name, status = type(error).__name__, status_of(error)
    if name == "GatedRepoError":
        return PermissionDenied(
            "E-PERMISSION",
            f"{model} is gated: its owner wants you to agree to something first",
            path=model,
            help=f"agree on {hub.constants.ENDPOINT}/{model}, then set HF_TOKEN to a token of yours, "
            "or call `hf auth login`",
        )
    if name == "RevisionNotFoundError":
        return NotFound(
            "E-NOT-FOUND", f"{model} has no revision {revision}", path=model, help="name a branch, a tag or a commit"
        )
    if kind in ("denied", "missing"):
        return PermissionDenied(
            "E-PERMISSION",
            f"nothing on this machine is called {model}, and the hub shows no such model{at} (status {status})",
            path=model,
            help="check the name; a private model needs a token of yours in HF_TOKEN, or `hf auth login`",
        )
    message = f"{model}{at}: the hub did not answer as it should: {reason(error)}"
    return ReadWriteError("E-REMOTE", message, path=model, help="run the command again later, or check HF_ENDPOINT")


def repo_of(path: str) -> tuple[Repo, str]:
    """The model a settled path lies in, and where in it; "" for the model itself."""
    model, revision, rest = parse(path)
    repo = _REPOS.get(f"hf://{model}@{revision}")
    if repo is None:
        return repo_of(find(path))  # a path from another process
    return repo, rest


def on_disk(path: str) -> str | None:
    """Where the cache has a file of a settled path; None when it has not."""
    repo, rest = repo_of(path)
    if repo.folder is None or not _is_inside(rest):
        return None
    file = os.path.join(repo.folder, *rest.split("/"))
    return file if os.path.isfile(file) else None


def address(path: str) -> tuple[str, dict[str, str]]:
    """The URL of a file of a settled path, and the headers for the hub alone.

    Raises:
        NotFound: ``E-NOT-FOUND`` when the model has no such file; ``E-OFFLINE`` when the hub must not be asked.
    """
    repo, rest = repo_of(path)
    hub = _library(path)
    if rest not in repo.files:
        raise NotFound("E-NOT-FOUND", f"{path}: the model has no such file", path=path, help="check the name")
    if hub.constants.HF_HUB_OFFLINE:
        raise NotFound(
            "E-OFFLINE",
            f"{path} is not in the cache of the hub on this machine, and HF_HUB_OFFLINE forbids to ask the hub",
            path=path,
            help=f"where there is a network: hf download {repo.id} --revision {repo.commit}",
        )
    token = None if hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else hub.get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return f"{hub.constants.ENDPOINT}/{repo.id}/resolve/{repo.commit}/{quote(rest)}", headers
