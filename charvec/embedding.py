"""Verb: open a model, that is find its input embedding among the tensors and pair it with the vocabulary."""

from __future__ import annotations

import os
from collections.abc import Iterator

from charvec import checkpoints, vocabularies
from charvec.arguments import among, an, flag, path_of
from charvec.errors import CharvecError, DamagedFile, Note, NotFound, UsageError
from charvec.finding import Choice, find_embedding
from charvec.plumbing import places
from charvec.plumbing.models.model_places import notes as remarks
from charvec.plumbing.models.model_places import settle
from charvec.plumbing.spelling.dictionary import refuse_casing
from charvec.projecting import SPACES, Projection, find_projection, is_projected
from charvec.shifting import shift_notes
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.vocabulary import Vocabulary

__all__ = ["Choice", "TokenEmbedding", "as_model", "bundled_model", "find_embedding", "open"]

#: Rows beyond the vocabulary that no one wonders at: matrices are padded to multiples of a power of two. More than both
#: of the number and the share is unusual; the most among published models is Phi-2's, 905 of 51,200.
MOST_PADDING, MOST_PADDING_SHARE = 1024, 0.02


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
        projection: brings rows to the model's own size; None to take them as they are stored.
        treated: what else the model does to a row before its first layer, which is not done here.
    """

    name: str
    checkpoint: Checkpoint
    tensor: Tensor
    reason: str
    vocabulary: Vocabulary
    notes: tuple[Note, ...] = ()
    projection: Projection | None = None
    treated: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.projection.dim if self.projection else self.tensor.columns

    def __repr__(self) -> str:
        rows, kind = f"{self.tensor.rows:,} x {self.tensor.columns} {self.tensor.dtype}", self.vocabulary.kind
        return f"<TokenEmbedding {self.name!r}: {self.tensor.name}, {rows}, {self.vocabulary.size:,} {kind} pieces>"

    @property
    def files(self) -> list[str]:
        """Every file that belongs to the model, also shards that were not opened; nothing may be written over them."""
        checkpoint = self.checkpoint
        files = [*checkpoint.files, *checkpoint.parts.values(), *self.tensor.paths, *self.vocabulary.files]
        files += self.projection.paths if self.projection else ()
        # of a model on the hub, what its cache holds
        return list(dict.fromkeys(places.on_disk(path) or path for path in files))


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


def is_local(model: str) -> bool:
    """Whether a name is certainly that of something on this machine, as nearly all are."""
    return os.path.lexists(model) or model == ""


def settle_model(model: str, *, revision: str | None = None, download: bool = False) -> str:
    """The path of a model, as :func:`charvec.plumbing.models.model_places.settle`; ``download`` allows whole files."""
    path = settle(model, revision)
    if places.is_remote(path):
        from charvec.plumbing.remote import remote_file

        remote_file.begin(path, whole=download)
    return path


def open(  # `charvec.open` reads as it should; nothing here needs the built-in
    model: str | os.PathLike[str] | None = None,
    *,
    vocab: str | os.PathLike[str] | None = None,
    tensor: str | None = None,
    lowercase: bool | None = None,
    revision: str | None = None,
    download: bool = False,
    space: str = "raw",
) -> TokenEmbedding:
    """Open a model: find its input embedding and its vocabulary.

    Only headers are read, and a few rows to tell a vocabulary that is shifted against its matrix.

    Args:
        model: file, folder or TensorFlow prefix; a model on the hub (``ORG/NAME``, ``hf://ORG/NAME@REVISION``) or a
            URL, of which only headers and rows are fetched; None for the bundled model. What is there on this machine
            is never looked for elsewhere.
        vocab: the vocabulary file, when it does not lie beside the checkpoint.
        tensor: name of the embedding tensor, when it is not to be found by name.
        lowercase: whether the tokenizer lower-cases (and strips accents), when its configuration does not say or is
            wrong.
        revision: branch, tag or commit of a model on the hub.
        download: fetch a whole file, to a temporary copy, from a server that sends no parts of files.
        space: ``raw`` for rows as they are stored; ``hidden`` for rows multiplied up to the model's own size, where
            the model does so before its first layer (ALBERT, small ELECTRAs).

    Raises:
        UsageError: ``E-ARGUMENT``, ``E-PATH`` for what is no path and no name; ``E-SPACE``.
        CharvecError: as :func:`charvec.projecting.find_projection`,
            :func:`charvec.plumbing.models.model_places.settle`, :func:`charvec.checkpoints.read`,
            :func:`charvec.vocabularies.read` and :func:`find_embedding`;
            DamagedFile ``E-VOCAB-ROWS`` when the vocabulary has more pieces than the matrix has rows.
    """
    download = flag(download, "download")
    if lowercase is not None:
        lowercase = flag(lowercase, "lowercase")
    if not among(space, SPACES):
        raise UsageError("E-SPACE", f"{space!r} is no space", help=f"choose from {', '.join(SPACES)}")
    name = path_of(model, "open(model)") if model is not None else bundled_model()
    path = settle_model(name, revision=revision, download=download)
    if places.is_remote(name):
        name = path  # without secrets
    if vocab is not None:
        vocab = path_of(vocab, "open(model, vocab=...)")
    if tensor is not None and not isinstance(tensor, str):
        raise UsageError(
            "E-ARGUMENT", f"tensor={tensor!r} is no name", help="give a str, as `charvec tensors` lists it"
        )
    checkpoint = checkpoints.read(path)
    choice = find_embedding(checkpoint, tensor)
    own = checkpoint.vocabulary
    if isinstance(own, Vocabulary) and vocab is None:
        refuse_casing(own.path, lowercase)
        vocabulary = own
    else:
        beside = own if isinstance(own, str) and own else None
        vocabulary = vocabularies.read(
            (beside or vocabularies.locate(checkpoint.path, path)) if vocab is None else vocab, lowercase=lowercase
        )
    notes = [*remarks(path), *checkpoint.notes, *choice.notes, *vocabulary.notes]
    if vocabulary.size > choice.tensor.rows:
        raise _too_many_pieces(vocabulary, checkpoint, choice.tensor, path, vocab is not None, tensor is not None)
    notes += _padding(vocabulary, checkpoint, choice.tensor, path, vocab is not None)
    notes += shift_notes(choice.tensor, vocabulary)
    projection = find_projection(checkpoint, choice.tensor) if space == "hidden" else None
    if projection is None and (stem := is_projected(checkpoint, choice.tensor.name)):
        notes.append(
            Note(
                "N-PROJECTION",
                f"{checkpoint.path}: the model brings rows of {choice.tensor.columns} to its own size by {stem!r}; "
                "they are taken as they are stored (--space hidden multiplies them)",
                checkpoint.path,
            )
        )
    return TokenEmbedding(
        name, checkpoint, choice.tensor, choice.reason, vocabulary, tuple(notes), projection, choice.treated
    )


def _too_many_pieces(
    vocabulary: Vocabulary, checkpoint: Checkpoint, tensor: Tensor, root: str, vocab_named: bool, tensor_named: bool
) -> DamagedFile:
    """The error for a vocabulary that does not fit the matrix; its help is about what the user named of the two."""
    found = "a vocabulary of another model, or one that an editor or a script damaged"
    help = "download vocabulary and checkpoint together again; name the right pair with -m and --vocab"
    fitting = vocabularies.fitting(checkpoint.path, root, tensor.rows, vocabulary.path)
    own = _own_choice(checkpoint) if tensor_named else None
    if own is not None and own.rows >= vocabulary.size:
        found = "the tensor that you named is not the one whose rows are the pieces"
        help = f"leave out --tensor (in Python: tensor=): charvec takes {own.name!r}, which fits"
    elif fitting:
        found = "a vocabulary of another model"
        help = f"{fitting} has exactly as many pieces; name it with --vocab, or leave --vocab out if it is found so"
    elif tensor_named:
        found = "another tensor than the input embedding, or a vocabulary of another model"
        help = "see with `charvec tensors` which tensor has a row for each piece, and name that with --tensor"
    elif vocab_named:
        help = "name the vocabulary that was published with this checkpoint, or leave --vocab out if it lies beside it"
    return DamagedFile(
        "E-VOCAB-ROWS",
        f"{vocabulary.path} has {vocabulary.size:,} pieces, but {tensor.name!r} in {checkpoint.path} "
        f"has only {tensor.rows:,} rows",
        path=vocabulary.path,
        found=found,
        help=help,
    )


def _own_choice(checkpoint: Checkpoint) -> Tensor | None:
    """The tensor that would be taken if the user named none; None when there is none, or not one alone."""
    try:
        return find_embedding(checkpoint).tensor
    except CharvecError:
        return None


def _padding(
    vocabulary: Vocabulary, checkpoint: Checkpoint, tensor: Tensor, root: str, vocab_named: bool
) -> Iterator[Note]:
    """What to say of a matrix with more rows than there are pieces: padding, or the vocabulary of another model.

    Other vocabularies beside the model are only looked at where this one was named, or lacks more than padding adds:
    that takes as long as opening them.
    """
    pieces, rows = max(vocabulary.size, vocabulary.extended), tensor.rows
    if pieces >= rows:
        return
    much = rows - pieces > max(MOST_PADDING, rows * MOST_PADDING_SHARE)
    fitting = vocabularies.fitting(checkpoint.path, root, rows, vocabulary.path) if vocab_named or much else ""
    said = "the rest is taken as padding"
    if much:
        said += ", of which there is rarely so much; is it the vocabulary of this model?"
    if fitting:
        said = f"{fitting} has exactly {rows:,}, so this is probably the vocabulary of another model"
    yield Note(
        "W-VOCAB-PADDED",
        f"{vocabulary.path} has {pieces:,} pieces, the matrix {rows:,} rows; {said}",
        vocabulary.path,
    )


def as_model(model: object, call: str) -> TokenEmbedding:
    """What a function was given as a model, opened when it is only named.

    Args:
        model: what :func:`open` gave, or the name of a model.
        call: the function and its arguments, for the message.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else, such as when arguments changed places.
        CharvecError: as :func:`open`.
    """
    if isinstance(model, TokenEmbedding):
        return model
    if isinstance(model, (str, os.PathLike)):
        return open(model)
    raise UsageError(
        "E-ARGUMENT",
        f"{call}: {an(model)} is no model",
        help=f"the order is {call}; the model is what charvec.open() gives, or a path",
    )
