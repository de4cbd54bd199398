"""Verb: open a model, that is find its input embedding among the tensors and pair it with the vocabulary."""

from __future__ import annotations

import os

from charvec import checkpoints, vocabularies
from charvec.errors import DamagedFile, Note, NotFound, UsageError
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

__all__ = ["Choice", "TokenEmbedding", "bundled_model", "find_embedding", "open"]


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
        CharvecError: as :func:`charvec.projecting.find_projection`,
            :func:`charvec.plumbing.models.model_places.settle`, :func:`charvec.checkpoints.read`,
            :func:`charvec.vocabularies.read` and :func:`find_embedding`;
            DamagedFile ``E-VOCAB-ROWS`` when the vocabulary has more pieces than the matrix has rows.
    """
    if space not in SPACES:
        raise UsageError("E-SPACE", f"{space!r} is no space", help=f"choose from {', '.join(SPACES)}")
    name = os.fspath(model) if model is not None else bundled_model()
    if "\0" in name:
        raise UsageError("E-PATH", "a path cannot hold U+0000", help="check the name of the model")
    path = settle_model(name, revision=revision, download=download)
    if places.is_remote(name):
        name = path  # without secrets
    checkpoint = checkpoints.read(path)
    choice = find_embedding(checkpoint, tensor)
    own = checkpoint.vocabulary
    if isinstance(own, Vocabulary) and vocab is None:
        refuse_casing(own.path, lowercase)
        vocabulary = own
    else:
        beside = own if isinstance(own, str) and own else None
        vocabulary = vocabularies.read(
            vocab or beside or vocabularies.locate(checkpoint.path, path), lowercase=lowercase
        )
    notes = [*remarks(path), *checkpoint.notes, *choice.notes, *vocabulary.notes]
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
