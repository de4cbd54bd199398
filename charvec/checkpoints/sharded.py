"""Index of a sharded Hugging Face checkpoint: which file beside it holds which tensor.

``model.safetensors.index.json`` and ``pytorch_model.bin.index.json`` are
``{"metadata": {...}, "weight_map": {tensor name: file name}}``. Only the shard that holds the wanted tensor is ever
opened, by :func:`charvec.checkpoints.tensor`.
"""

from __future__ import annotations

from charvec.errors import CharvecError, DamagedFile
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File, inside
from charvec.plumbing.safejson import MAX_BYTES, parse
from charvec.tensor import Checkpoint

__all__ = ["NAME", "read", "sniff"]

NAME = "sharded"


#: Bytes searched for the ``weight_map``; what stands before it is the metadata of one training run.
SEARCHED = 1 << 20


def sniff(file: File) -> bool:
    """A JSON object with a ``weight_map`` near its beginning."""
    if not file.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return False
    if b'"weight_map"' in file.head:
        return True
    try:
        return file.size > len(file.head) and b'"weight_map"' in file.pread(0, min(file.size, SEARCHED))
    except CharvecError:
        return False


def read(file: File) -> Checkpoint:
    """Read the index; no shard is opened.

    Raises:
        DamagedFile: ``E-SHARD-INDEX``, ``E-JSON-DUPKEY`` or ``E-TRUNCATED``.
        UnsafeFile: ``E-PATH-ESCAPE`` when a shard would lie outside the folder of the index.
    """
    raw = file.pread(0, min(file.size, MAX_BYTES + 1))
    index = parse(raw, file.path, code="E-SHARD-INDEX", what="shard index")
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise DamagedFile(
            "E-SHARD-INDEX",
            f"{file.path}: weight_map is not an object of file names",
            path=file.path,
            help="download the index again",
        )
    folder = places.parent(file.path)
    shards = {name: inside(folder, name, by=file.path) for name in dict.fromkeys(names.values())}
    return Checkpoint(
        file.path,
        NAME,
        {file.path: file.size},
        {},
        blake2b(raw, digest_size=32).hexdigest(),
        parts={tensor: shards[name] for tensor, name in names.items()},
    )
