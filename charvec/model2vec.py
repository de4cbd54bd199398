"""Adapter: character vectors as model2vec's StaticModel. The only module that imports model2vec."""

from __future__ import annotations

import json
import os

from tokenizers import Tokenizer

from charvec.arguments import flag
from charvec.errors import MissingPackage, UsageError
from charvec.profiles.model2vec import SPECIAL, tokenizer
from charvec.storage import as_vectors
from charvec.tables import table
from charvec.vectors import CharVectors

try:
    from model2vec import StaticModel
except ImportError as error:
    raise MissingPackage("E-PACKAGE", "model2vec is not installed", help='pip install "charvec[model2vec]"') from error

__all__ = ["static_model"]


def static_model(
    vectors: CharVectors | str | os.PathLike[str],
    *,
    pad: str = SPECIAL.pad,
    unk: str = SPECIAL.unk,
    pad_id: int = 0,
    unk_id: int = 1,
    normalize: bool = False,
) -> StaticModel:
    """A ``StaticModel``, in memory: ``encode`` gives what :meth:`CharVectors.encode` gives.

    Every character with a vector is a token; all others are passed over, and no text is cut off. The profile
    ``model2vec`` of :func:`charvec.export` writes the same as a folder, which sentence-transformers opens too.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        pad: name of the token for padding, a row of zeros; no text has it.
        unk: name of the token for unknown characters, likewise.
        pad_id: its id; negative ones count from the end.
        unk_id: likewise.
        normalize: bring each vector to length 1.

    Returns:
        float32 rows of its own, whatever the type of the vectors.

    Raises:
        UsageError: ``E-VOCAB-IDS`` as :meth:`CharVectors.vocabulary`, and for a name of one character or none.
    """
    vectors = as_vectors(vectors, "static_model(vectors)")
    for name in (pad, unk):
        if not isinstance(name, str) or len(name) < 2:  # every single character that is a token is met in texts
            raise UsageError(
                "E-VOCAB-IDS", f"{name!r} is no name for a token that no text has", help="choose two or more characters"
            )
    ids = vectors.vocabulary(pad, unk, pad_id=pad_id, unk_id=unk_id)
    return StaticModel(
        table(vectors, ids, pad=pad).matrix,
        Tokenizer.from_str(json.dumps(tokenizer(ids))),
        normalize=flag(normalize, "normalize"),
        max_length=None,
    )
