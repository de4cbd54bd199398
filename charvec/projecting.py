"""Verb: bring rows of a small matrix to the size of the model that looks them up.

ALBERT, small ELECTRAs and some others keep their pieces in fewer dimensions than the model has, and multiply them up
first. Sources: the classes of transformers named below.

What is computed is row x W^T + b, in float64, rounded to float32 once. Products of two float32 are exact there, and
they are added column after column, so that every machine gives the same bits; a library's matrix product need not.
Whatever a model adds or normalises between (positions, LayerNorm) belongs to running it, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.errors import DamagedFile, UsageError, WrongFile
from charvec.plumbing.digests import blake2b
from charvec.rows import sample_rows
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["SPACES", "Projection", "find_projection", "is_projected", "project"]

#: Where vectors can live: as the matrix has them, or as large as the model.
SPACES = ("raw", "hidden")

#: The end of an embedding's name, and what stands in its place in the name of the projection.
_NAMES = (
    ("embeddings.word_embeddings.weight", "encoder.embedding_hidden_mapping_in"),  # AlbertTransformer
    ("embeddings.word_embeddings.weight", "embeddings_project"),  # ElectraModel, RoFormerModel, ConvBertModel
    ("embeddings.word_embeddings.weight", "embeddings.embed_proj"),  # DebertaV2Embeddings
    ("decoder.embed_tokens.weight", "decoder.project_in"),  # OPTDecoder
)
#: Names of what is no projection of single rows.
_OTHER = "embeddings.embedding_transformation.weight"
#: Rows projected at once: what is added up stays in the processor's cache.
PORTION = 32


@dataclass(frozen=True)
class Projection:
    """A linear map from rows to the model's own size.

    Attributes:
        weight: the matrix [hidden, columns].
        bias: what is added [hidden], or None.
        blake2b: BLAKE2b-256 (hex) of the float32 elements of the weight, then of the bias.
    """

    weight: Tensor
    bias: Tensor | None
    blake2b: str

    @property
    def dim(self) -> int:
        """Length of a vector after it."""
        return self.weight.rows

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it is read from."""
        return (*self.weight.paths, *(self.bias.paths if self.bias else ()))

    def as_dict(self) -> dict[str, str | None]:
        """What the provenance says of it."""
        return {
            "name": "hidden",
            "weight": self.weight.name,
            "bias": self.bias.name if self.bias else None,
            "blake2b": self.blake2b,
        }


def is_projected(names: Iterable[str], embedding: str) -> str:
    """The name of the projection, without its last part, that belongs to an embedding; "" when there is none."""
    known = set(names)
    for end, stem in _NAMES:
        if embedding.endswith(end):
            start = embedding[: -len(end)]
            if start + stem + ".weight" in known:
                return start + stem
    return ""


def find_projection(checkpoint: Checkpoint, tensor: Tensor) -> Projection:
    """The projection of an input embedding.

    Raises:
        UsageError: ``E-SPACE`` when the model has none.
        DamagedFile: ``E-PROJECTION`` when it does not fit the matrix.
        WrongFile: ``E-QUANTISED`` when it is not stored as plain numbers.
        CharvecError: as :func:`charvec.rows.sample_rows`.
    """
    names = set(checkpoint)
    stem = is_projected(names, tensor.name)
    if not stem:
        other = any(name.endswith(_OTHER) for name in names)
        raise UsageError(
            "E-SPACE",
            f"{checkpoint.path} has no projection of {tensor.name!r} to another size",
            found="MobileBERT mixes each row with its neighbours in the text; no single row has a value there"
            if other
            else None,
            help="leave --space out: the rows as they are stored are what the model begins with",
        )
    weight = checkpoints.tensor(checkpoint, stem + ".weight")
    bias = checkpoints.tensor(checkpoint, stem + ".bias") if stem + ".bias" in names else None
    for each in (weight, bias):
        if each is not None and not each.readable:
            raise WrongFile(
                "E-QUANTISED",
                f"{checkpoint.path}: tensor {each.name!r} is stored as {each.dtype}, which is no plain number",
                path=checkpoint.path,
                help="leave --space out, or use the checkpoint as it was before quantisation",
            )
    fits = len(weight.shape) == 2 and weight.columns == tensor.columns and weight.rows > 0
    if not fits or (bias is not None and bias.shape != (weight.rows,)):
        shapes = f"{list(weight.shape)}" + (f" and {list(bias.shape)}" if bias is not None else "")
        raise DamagedFile(
            "E-PROJECTION",
            f"{checkpoint.path}: {stem!r} has the shape {shapes}, and does not fit rows of {tensor.columns}",
            path=checkpoint.path,
            help="download the checkpoint again; if its writer is at fault, tell its authors",
        )
    values, shift = _values(weight, bias)
    digest = blake2b(values.astype("<f4").tobytes(), digest_size=32)
    if shift is not None:
        digest.update(shift.astype("<f4").tobytes())
    return Projection(weight, bias, digest.hexdigest())


def _values(weight: Tensor, bias: Tensor | None) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    values = sample_rows(weight, np.arange(weight.rows))
    # each number of a vector is a row of its own
    shift = sample_rows(bias, np.arange(bias.rows))[:, 0] if bias is not None else None
    return values, shift


def project(projection: Projection, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows in the model's own size.

    Args:
        projection: as :func:`find_projection` gives it.
        rows: float32 [n, columns].

    Returns:
        float32 [n, hidden]: row x W^T + b, computed in float64.
    """
    weight, bias = _values(projection.weight, projection.bias)
    columns = np.ascontiguousarray(weight.astype(np.float64).T)
    result = np.empty((len(rows), projection.dim), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told of in the finished vectors
        for start in range(0, len(rows), PORTION):
            part = rows[start : start + PORTION].astype(np.float64)
            total = np.zeros((len(part), projection.dim))
            product = np.empty_like(total)
            for place, column in enumerate(columns):
                np.multiply(part[:, place, None], column, out=product)
                total += product
            if bias is not None:
                total += bias
            result[start : start + PORTION] = total
    return result
