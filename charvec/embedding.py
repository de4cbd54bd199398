"""Verb: open a model, that is find its input embedding among the tensors and pair it with the vocabulary.

Which tensor is the input embedding is decided by name, never by size: an ELECTRA checkpoint holds a generator's table
beside the discriminator's, an optimizer's moments have the shape of the weights, a per-layer table can be larger than
the real one.
"""

from __future__ import annotations

import os

import numpy as np

from charvec import checkpoints, vocabularies
from charvec.errors import Ambiguous, DamagedFile, Note, NotFound, UsageError, WrongFile
from charvec.plumbing.embedding_names import ranked_names
from charvec.rows import read_rows
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.vocabulary import Vocabulary

__all__ = ["Choice", "TokenEmbedding", "bundled_model", "find_embedding", "open"]


@dataclass(frozen=True)
class Choice:
    """Which tensor is the input embedding, and why.

    Attributes:
        tensor: the chosen one.
        reason: a clause for the user.
        others: names of tensors that were considered and hold the same values (tied weights).
    """

    tensor: Tensor
    reason: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class TokenEmbedding:
    """A vocabulary and the matrix its ids index. Only headers were read.

    Attributes:
        name: what the user called the model.
        checkpoint: where the matrix lies.
        tensor: the matrix [rows, dim].
        reason: why this tensor.
        vocabulary: pieces and how characters are spelt in them.
        notes: everything the user should know about this pair.
    """

    name: str
    checkpoint: Checkpoint
    tensor: Tensor
    reason: str
    vocabulary: Vocabulary
    notes: tuple[Note, ...] = ()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.tensor.columns

    def __repr__(self) -> str:
        rows, kind = f"{self.tensor.rows:,} x {self.dim} {self.tensor.dtype}", self.vocabulary.kind
        return f"<TokenEmbedding {self.name!r}: {self.tensor.name}, {rows}, {self.vocabulary.size:,} {kind} pieces>"

    @property
    def files(self) -> list[str]:
        """Every file that belongs to the model, also shards that were not opened; nothing may be written over them."""
        checkpoint = self.checkpoint
        files = [*checkpoint.files, *checkpoint.parts.values(), *self.tensor.paths]
        return list(dict.fromkeys([*files, *self.vocabulary.files]))


def find_embedding(checkpoint: Checkpoint, name: str | None = None) -> Choice:
    """The input embedding among the tensors of a checkpoint.

    Args:
        checkpoint: as :func:`charvec.checkpoints.read` gives it.
        name: the tensor to take, when the user said so.

    Raises:
        NotFound: ``E-NO-TENSOR-NAMED`` when there is no tensor of that name.
        WrongFile: ``E-NO-TENSOR`` when none looks like an input embedding; ``E-NOT-2D``; ``E-QUANTISED``.
        Ambiguous: ``E-AMBIGUOUS`` when several do, with all of them listed.
    """
    if name is not None:
        if name not in set(checkpoint):
            from difflib import get_close_matches

            close = next(iter(get_close_matches(name, list(checkpoint)[:100_000], n=1)), None)
            raise NotFound(
                "E-NO-TENSOR-NAMED",
                f"{checkpoint.path} has no tensor named {name!r}",
                path=checkpoint.path,
                found=f"did you mean {close!r}?" if close else f"{len(checkpoint)} tensors",
                help="list the names with `charvec tensors`",
            )
        return Choice(_usable(checkpoint, checkpoints.tensor(checkpoint, name)), "you named it")
    if checkpoint.embedding is not None:
        named, reason = checkpoint.embedding
        return Choice(_usable(checkpoint, checkpoints.tensor(checkpoint, named)), f"{named!r} is {reason}")

    ranked = ranked_names({name: checkpoint.full_names.get(name, name) for name in checkpoint})
    if not ranked:
        raise WrongFile(
            "E-NO-TENSOR",
            f"{checkpoint.path} holds no tensor that looks like an input embedding",
            path=checkpoint.path,
            found=f"{len(checkpoint)} tensors: " + ", ".join(each[:80] for each in list(checkpoint)[:5]),
            help="look with `charvec tensors`, then name it with --tensor NAME",
        )
    reason, names = ranked[0]
    candidates = [checkpoints.tensor(checkpoint, each) for each in names]
    plausible = [each for each in candidates if len(each.shape) == 2 and each.readable] or candidates[:1]
    first, *tied = plausible
    if not all(_tied(first, each) for each in tied):
        listed = "; ".join(f"{each.name} {list(each.shape)} {each.dtype}" for each in plausible[:20])
        raise Ambiguous(
            "E-AMBIGUOUS",
            f"{checkpoint.path} holds {len(plausible)} tensors that could be the input embedding",
            path=checkpoint.path,
            found=listed + (f" and {len(plausible) - 20} more" if len(plausible) > 20 else ""),
            help="name the right one with --tensor NAME",
        )
    names = [each.name for each in tied]
    reason = f"{first.name!r} is {reason}"
    if names:
        reason += f"; {', '.join(names)} {'holds' if len(names) == 1 else 'hold'} the same values"
    return Choice(_usable(checkpoint, first), reason, tuple(names))


def _tied(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same storage, or copies of each other as far as a sample of their rows tells."""
    if one.blocks == other.blocks and one.source == other.source:
        return True
    if one.shape != other.shape or one.dtype != other.dtype or len(one.shape) != 2 or 0 in one.shape:
        return False
    if not one.readable:
        return False
    sample = np.unique(np.linspace(0, one.rows - 1, 256).astype(np.int64))
    rows, _ = read_rows(one, sample)
    # rows of zeros are no evidence: two tables that were never trained
    return bool(rows.any()) and rows.tobytes() == read_rows(other, sample)[0].tobytes()


def _usable(checkpoint: Checkpoint, tensor: Tensor) -> Tensor:
    """Check that the tensor is a matrix of floats."""
    path = next(iter(tensor.paths), checkpoint.path)
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise WrongFile(
            "E-NOT-2D",
            f"{path}: tensor {tensor.name!r} has the shape {list(tensor.shape)}; an embedding is a matrix",
            path=path,
            help="look with `charvec tensors`, then name another with --tensor NAME",
        )
    if not tensor.readable:
        raise WrongFile(
            "E-QUANTISED",
            f"{path}: tensor {tensor.name!r} is stored as {tensor.dtype}, which is no plain floating-point matrix",
            path=path,
            help="use the checkpoint as it was before quantisation, or name another tensor with --tensor NAME",
        )
    return tensor


def bundled_model() -> str:
    """Folder of the small BERT that comes with charvec, the default model.

    Raises:
        NotFound: ``E-NO-BUNDLED`` when charvec was installed without it.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(here, "bundled"), os.path.join(os.path.dirname(here), "samples", "tiny-bert-zh")):
        if os.path.isfile(os.path.join(folder, "vocab.txt")):
            return folder
    raise NotFound(
        "E-NO-BUNDLED",
        "this installation of charvec lacks the bundled model",
        help="name a model with -m MODEL, or reinstall charvec",
    )


def open(  # `charvec.open` reads as it should; nothing here needs the built-in
    model: str | os.PathLike[str] | None = None,
    *,
    vocab: str | os.PathLike[str] | None = None,
    tensor: str | None = None,
    lowercase: bool | None = None,
) -> TokenEmbedding:
    """Open a model: find its input embedding and its vocabulary. Only headers are read.

    Args:
        model: file, folder or TensorFlow prefix; None for the bundled model.
        vocab: the vocabulary file, when it does not lie beside the checkpoint.
        tensor: name of the embedding tensor, when it is not to be found by name.
        lowercase: whether the tokenizer lower-cases (and strips accents), when its configuration does not say or is
            wrong.

    Raises:
        CharvecError: as :func:`charvec.checkpoints.read`, :func:`charvec.vocabularies.read` and :func:`find_embedding`;
            DamagedFile ``E-VOCAB-ROWS`` when the vocabulary has more pieces than the matrix has rows.
    """
    name = os.fspath(model) if model is not None else bundled_model()
    if "\0" in name:
        raise UsageError("E-PATH", "a path cannot hold U+0000", help="check the name of the model")
    checkpoint = checkpoints.read(name)
    choice = find_embedding(checkpoint, tensor)
    own = checkpoint.vocabulary
    vocabulary = (
        own
        if isinstance(own, Vocabulary) and vocab is None
        else vocabularies.read(vocab or str(own) or vocabularies.locate(checkpoint.path), lowercase=lowercase)
    )
    notes = list(checkpoint.notes) + list(vocabulary.notes)
    rows = choice.tensor.rows
    if vocabulary.size > rows:
        raise DamagedFile(
            "E-VOCAB-ROWS",
            f"{vocabulary.path} has {vocabulary.size:,} pieces, but {choice.tensor.name!r} in {checkpoint.path} "
            f"has only {rows:,} rows",
            path=vocabulary.path,
            found="a vocabulary of another model, or one that an editor or a script damaged",
            help="download vocabulary and checkpoint together again; name the right pair with -m and --vocab",
        )
    pieces = max(vocabulary.size, vocabulary.extended)
    if pieces < rows:
        notes.append(
            Note(
                "W-VOCAB-PADDED",
                f"{vocabulary.path} has {pieces:,} pieces, the matrix {rows:,} rows; the rest is taken as padding",
                vocabulary.path,
            )
        )
    return TokenEmbedding(name, checkpoint, choice.tensor, choice.reason, vocabulary, tuple(notes))
