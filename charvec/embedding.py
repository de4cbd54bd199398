"""Verb: open a model, that is find its input embedding among the tensors and pair it with the vocabulary.

Which tensor is the input embedding is decided by name, never by size: an ELECTRA checkpoint holds a generator's table beside the
discriminator's, an optimizer's moments have the shape of the weights, a per-layer table can be larger than the real one.
Sources for the names: the model classes of transformers, Google's releases (BERT, ALBERT, ELECTRA, XLNet, T5), keras-bert,
PaddleNLP, Meta's and Mistral's releases.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import numpy as np

from charvec import checkpoints, vocabularies
from charvec.errors import Ambiguous, DamagedFile, NotFound, Note, UsageError, WrongFile
from charvec.rows import READABLE, read_rows
from charvec.tensor import Checkpoint, Tensor
from charvec.vocabulary import Vocabulary

__all__ = ["Choice", "TokenEmbedding", "bundled_model", "find_embedding", "open"]

#: Prefixes that wrappers put before the names of the model proper; removed again and again.
PREFIXES = (
    "module.",
    "_orig_mod.",
    "state_dict.",
    "base_model.",
    "model.",
    "bert.",
    "roberta.",
    "electra.",
    "ernie.",
    "nezha.",
    "roformer.",
    "albert.",
    "deberta.",
    "distilbert.",
    "transformer.",
    "language_model.",
    "text_model.",
    "encoder.",
)

#: Names of input embeddings after the prefixes are gone, in groups of equal rank, best first.
NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the name BERT and its relatives use", ("embeddings.word_embeddings.weight", "embeddings.tok_embeddings.weight")),
    (
        "the name TensorFlow releases use",
        (
            "bert/embeddings/word_embeddings",
            "electra/embeddings/word_embeddings",
            "roberta/embeddings/word_embeddings",
            "embeddings/word_embeddings",
            "model/transformer/word_embedding/lookup_table",
            "model/wte",
            "shared/embedding",
        ),
    ),
    # before `embed_tokens`, which repeats it in the encoder and in the decoder of the same file
    ("the name T5 and BART share between encoder and decoder", ("shared.weight",)),
    ("the name decoder models use", ("embed_tokens.weight", "tok_embeddings.weight", "wte.weight", "embd.wte.weight")),
    (
        "a name GLM, Falcon, BLOOM, XLNet, NeoX, Mamba, RWKV use",
        (
            "embedding.word_embeddings.weight",
            "word_embeddings.weight",
            "word_embedding.weight",
            "gpt_neox.embed_in.weight",
            "backbone.embedding.weight",
            "backbone.embeddings.weight",
            "rwkv.embeddings.weight",
            "embeddings.token_embedding.weight",
        ),
    ),
    ("the name static embedding models use", ("embedding.weight", "embeddings", "embedding_0.w_0", "word_embedding")),
)

#: Words in a name that mark a table which is not the input embedding.
_NEVER = re.compile(
    r"adam_[mv]|adam|_slot_|OPTIMIZER_SLOT|exp_avg|momentum|position|token_type|segment|lm_head|output|(?:^|[./])cls(?:[./]|$)"
    r"|pooler|lora|layer_?norm|per_layer|visual|vision",
    re.IGNORECASE,
)
#: Names that are probably an input embedding where none of the table is there.
_LIKELY = re.compile(r"(?:word|tok(?:en)?)_?embed|embed_tokens|\bwte\b|embed_in|shared|lookup_table", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True)
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

    @property
    def files(self) -> list[str]:
        """Every file that belongs to the model, also shards that were not opened; nothing may be written over them."""
        checkpoint = self.checkpoint
        files = [*checkpoint.files, *checkpoint.parts.values(), *(block.path for block in self.tensor.blocks)]
        return list(dict.fromkeys([*files, *self.vocabulary.files]))


def strip_prefixes(name: str) -> str:
    """The name without what wrappers put before it."""
    while True:
        for prefix in PREFIXES:
            if name.startswith(prefix):
                name = name[len(prefix) :]
                break
        else:
            return name


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

    ranked = _ranked(checkpoint)
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
    plausible = [each for each in candidates if len(each.shape) == 2 and each.dtype in READABLE] or candidates[:1]
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
    if names:
        reason += f"; {', '.join(names)} {'holds' if len(names) == 1 else 'hold'} the same values"
    return Choice(_usable(checkpoint, first), reason, tuple(names))


def _tied(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same storage, or copies of each other as far as a sample of their rows tells."""
    if one.blocks == other.blocks:
        return True
    if one.shape != other.shape or one.dtype != other.dtype or len(one.shape) != 2 or 0 in one.shape:
        return False
    sample = np.unique(np.linspace(0, one.rows - 1, 256).astype(np.int64))
    rows, digest = read_rows(one, sample)
    # rows of zeros are no evidence: two tables that were never trained
    return bool(rows.any()) and digest == read_rows(other, sample)[1]


def _ranked(checkpoint: Checkpoint) -> list[tuple[str, list[str]]]:
    """Groups of candidate names, best first, each with the reason why it is one."""
    known: dict[int, list[str]] = {}
    likely = []
    for name in checkpoint:
        spelt = checkpoint.full_names.get(name, name).removesuffix(":0")
        if _NEVER.search(spelt):
            continue
        bare = strip_prefixes(spelt)
        rank = next((rank for rank, (_, names) in enumerate(NAMES) if bare in names), None)
        if rank is not None:
            known.setdefault(rank, []).append(name)
        elif _LIKELY.search(bare):
            likely.append(name)
    # `encoder.embed_tokens` and `decoder.embed_tokens` repeat `shared` in T5 and BART
    ranked = [(f"{names[0]!r} is {NAMES[rank][0]}", names) for rank, names in sorted(known.items())]
    if likely:
        ranked.append((f"{likely[0]!r} is named like an embedding of tokens", likely))
    return ranked


def _usable(checkpoint: Checkpoint, tensor: Tensor) -> Tensor:
    """Check that the tensor is a matrix of floats."""
    path = tensor.blocks[0].path if tensor.blocks else checkpoint.path
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise WrongFile(
            "E-NOT-2D",
            f"{path}: tensor {tensor.name!r} has the shape {list(tensor.shape)}; an embedding is a matrix",
            path=path,
            help="look with `charvec tensors`, then name another with --tensor NAME",
        )
    if tensor.dtype not in READABLE or not tensor.blocks:
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


def open(  # noqa: A001 - `charvec.open` reads as it should; nothing here needs the built-in
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
        lowercase: whether the tokenizer lower-cases (and strips accents), when its configuration does not say or is wrong.

    Raises:
        CharvecError: as :func:`charvec.checkpoints.read`, :func:`charvec.vocabularies.read` and :func:`find_embedding`;
            DamagedFile ``E-VOCAB-ROWS`` when the vocabulary has more pieces than the matrix has rows.
    """
    name = os.fspath(model) if model is not None else bundled_model()
    if "\0" in name:
        raise UsageError("E-PATH", "a path cannot hold U+0000", help="check the name of the model")
    checkpoint = checkpoints.read(name)
    choice = find_embedding(checkpoint, tensor)
    vocabulary = vocabularies.read(vocab or vocabularies.locate(checkpoint.path), lowercase=lowercase)
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
    if vocabulary.size < rows:
        notes.append(
            Note(
                "W-VOCAB-PADDED",
                f"{vocabulary.path} has {vocabulary.size:,} pieces, the matrix {rows:,} rows; the rest is taken as padding",
                vocabulary.path,
            )
        )
    return TokenEmbedding(name, checkpoint, choice.tensor, choice.reason, vocabulary, tuple(notes))
