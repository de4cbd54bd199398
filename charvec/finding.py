"""Verb: find the input embedding among the tensors of a checkpoint.

By name, never by size: an ELECTRA checkpoint holds a generator's table beside the discriminator's, an optimizer's
moments have the shape of the weights, a per-layer table can be larger than the real one.
"""

from __future__ import annotations

import numpy as np

from charvec import checkpoints
from charvec.errors import Ambiguous, Note, NotFound, WrongFile
from charvec.plumbing.models.embedding_names import is_adapter, is_output, ranked_names
from charvec.plumbing.models.model_config import ModelConfig, read_config
from charvec.quantised import readable_form
from charvec.rows import sample_rows
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass

__all__ = ["Choice", "find_embedding"]


@dataclass(frozen=True)
class Choice:
    """Which tensor is the input embedding, and why.

    Attributes:
        tensor: the chosen one.
        reason: a clause for the user.
        others: names of tensors that were considered and hold the same values (tied weights).
        notes: what the user should know of it.
        treated: what the model does to a row before its first layer, apart from a projection.
    """

    tensor: Tensor
    reason: str
    others: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    treated: tuple[str, ...] = ()


def find_embedding(checkpoint: Checkpoint, name: str | None = None, config: ModelConfig | None = None) -> Choice:
    """The input embedding among the tensors of a checkpoint.

    Args:
        checkpoint: as :func:`charvec.checkpoints.read` gives it.
        name: the tensor to take, when the user said so.
        config: what ``config.json`` says; None to look for it beside the checkpoint.

    Raises:
        NotFound: ``E-NO-TENSOR-NAMED`` when there is no tensor of that name.
        WrongFile: ``E-NO-TENSOR`` when none looks like an input embedding; ``E-NOT-2D``; ``E-QUANTISED``.
        Ambiguous: ``E-AMBIGUOUS`` when several do, with all of them listed.
    """
    config = read_config(checkpoint.path) if config is None else config
    if name is not None:
        stored = checkpoint.aliases.get(name, name)
        if stored not in set(checkpoint):
            raise _no_such(checkpoint, name)
        return _choice(checkpoint, config, checkpoints.tensor(checkpoint, stored), "you named it")
    if checkpoint.embedding is not None:
        named, reason = checkpoint.embedding
        return _choice(checkpoint, config, checkpoints.tensor(checkpoint, named), f"{named!r} is {reason}")
    return _by_name(checkpoint, config)


def _by_name(checkpoint: Checkpoint, config: ModelConfig) -> Choice:
    names = {name: checkpoint.full_names.get(name, name) for name in checkpoint}
    names |= {alias: alias for alias in checkpoint.aliases}
    ranked = ranked_names(names)
    if not ranked and config.tied:
        # one matrix serves both ends, and its writer kept the other name
        ranked = [("the output matrix, and config.json says that it is the input embedding too", _outputs(names))]
    if not ranked or not ranked[0][1]:
        raise _nothing(checkpoint, names)
    reason, names_of_it = ranked[0]
    # names of one tensor are one candidate
    stored = list(dict.fromkeys(checkpoint.aliases.get(each, each) for each in names_of_it))
    candidates = [checkpoints.tensor(checkpoint, each) for each in stored]
    matrices = [each for each in candidates if len(each.shape) == 2]
    plausible = [each for each in matrices if _readable(checkpoint, each)] or candidates[:1]
    first, *tied = plausible
    # what cannot be read may be the right one all the same
    unread = plausible[0] in matrices and len(plausible) < len(matrices)
    if unread:
        plausible = matrices
    if unread or not all(_tied(first, each) for each in tied):
        listed = "; ".join(f"{each.name[:200]} {list(each.shape)} {each.dtype}" for each in plausible[:20])
        raise Ambiguous(
            "E-AMBIGUOUS",
            f"{checkpoint.path} holds {len(plausible)} tensors that could be the input embedding",
            path=checkpoint.path,
            found=listed + (f" and {len(plausible) - 20} more" if len(plausible) > 20 else ""),
            help="name the right one with --tensor NAME",
        )
    others = tuple(each.name for each in tied)
    alias = next((each for each in names_of_it if checkpoint.aliases.get(each) == first.name), None)
    if alias is None or first.name in names_of_it:
        called = f", called {names[first.name]!r}," if names[first.name] != first.name else ""
        reason = f"{first.name!r}{called} is {reason}"
    else:
        reason = f"{first.name!r} is by its file the same as {alias!r}, {reason}"
    if others:
        reason += f"; {', '.join(others)} {'holds' if len(others) == 1 else 'hold'} the same values"
    return _choice(checkpoint, config, first, reason, others)


def _outputs(names: dict[str, str]) -> list[str]:
    return [name for name, spelt in names.items() if is_output(spelt)]


def _no_such(checkpoint: Checkpoint, name: str) -> NotFound:
    from difflib import get_close_matches

    close = next(iter(get_close_matches(name, list(checkpoint)[:100_000], n=1)), None)
    return NotFound(
        "E-NO-TENSOR-NAMED",
        f"{checkpoint.path} has no tensor named {name!r}",
        path=checkpoint.path,
        found=f"did you mean {close!r}?" if close else f"{len(checkpoint)} tensors",
        help="`charvec tensors` lists the names",
    )


def _nothing(checkpoint: Checkpoint, names: dict[str, str]) -> WrongFile:
    help = "look with `charvec tensors`, then name it with --tensor NAME"
    if is_adapter(names):
        help = "this is a LoRA adapter or another, which changes a model and holds none; name the model it was made for"
    elif any("HashBucketCodepointEmbedder" in name for name in names.values()):
        help = "this is CANINE, which hashes code points; no character has a row of its own in it: choose another model"
    elif _outputs(names):
        help = (
            "the output matrix is there; only if the model ties it to its input embedding may it be taken, "
            "with --tensor NAME"
        )
    return WrongFile(
        "E-NO-TENSOR",
        f"{checkpoint.path} holds no tensor that looks like an input embedding",
        path=checkpoint.path,
        found=f"{len(checkpoint)} tensors: " + ", ".join(each[:80] for each in list(checkpoint)[:5]),
        help=help,
    )


def _tied(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same storage, or copies of each other as far as a sample of their rows tells."""
    if one.blocks == other.blocks and one.source == other.source and (one.blocks or one.source):
        return True
    if one.shape != other.shape or one.dtype != other.dtype or len(one.shape) != 2 or 0 in one.shape:
        return False
    if not one.readable or not other.readable:
        return False
    sample = np.unique(np.linspace(0, one.rows - 1, 256).astype(np.int64))
    rows = sample_rows(one, sample)
    # rows of zeros are no evidence: two tables that were never trained
    return bool(rows.any()) and rows.tobytes() == sample_rows(other, sample).tobytes()


def _readable(checkpoint: Checkpoint, tensor: Tensor) -> bool:
    return tensor.readable or readable_form(checkpoint, tensor) is not None


def _choice(
    checkpoint: Checkpoint, config: ModelConfig, tensor: Tensor, reason: str, others: tuple[str, ...] = ()
) -> Choice:
    """Check that the tensor is a matrix of numbers that can be read."""
    path = next(iter(tensor.paths), checkpoint.path)
    if len(tensor.shape) != 2 or 0 in tensor.shape:
        raise WrongFile(
            "E-NOT-2D",
            f"{path}: tensor {tensor.name!r} has the shape {list(tensor.shape)}; an embedding is a matrix",
            path=path,
            help="look with `charvec tensors`, then name another with --tensor NAME",
        )
    form = readable_form(checkpoint, tensor)
    if form is None:
        raise WrongFile(
            "E-QUANTISED",
            f"{path}: tensor {tensor.name!r} is stored as {tensor.dtype}, which is no plain floating-point matrix",
            path=path,
            help="save it whole where it was made, by full_tensor(): this is a share of a distributed tensor"
            if tensor.dtype == "DTensor"
            else "use the checkpoint as it was before quantisation, or name another tensor with --tensor NAME",
        )
    notes = list(config.notes)
    promised = config.number("vocab_size")
    if promised is not None and form.rows < promised:
        notes.append(
            Note(
                "W-CONFIG-ROWS",
                f"{config.path} promises {promised:,} rows, {tensor.name!r} has {form.rows:,}; "
                "is it the right tensor, or was the vocabulary cut?",
                config.path,
            )
        )
    if tensor.name.endswith(".base_layer.weight"):
        notes.append(
            Note(
                "W-ADAPTER",
                f"{path}: an adapter changes {tensor.name!r} when the model runs; the rows are those before the change",
                path,
            )
        )
    return Choice(form, reason, others, tuple(notes), _treated(checkpoint, config, tensor.name))


#: Ends of embeddings' names, and of the normalisation that follows: BERT, ModernBERT, BLOOM.
_NORMS = (
    ("embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight"),
    ("embeddings.tok_embeddings.weight", "embeddings.norm.weight"),
    ("word_embeddings.weight", "word_embeddings_layernorm.weight"),
    ("token_embd.weight", "token_embd_norm.weight"),
    ("rwkv.embeddings.weight", "rwkv.blocks.0.pre_ln.weight"),
    ("emb.weight", "blocks.0.ln0.weight"),
)


def _treated(checkpoint: Checkpoint, config: ModelConfig, name: str) -> tuple[str, ...]:
    """What is only told, since it belongs to running the model."""
    names = set(checkpoint)
    found = []
    # Gemma does so by its type, BART's relatives where their configuration says it
    if "gemma" in config.kind or config.get("scale_embedding") is True:
        found.append("times sqrt(dim)")
    if any(name.endswith(end) and name[: -len(end)] + norm in names for end, norm in _NORMS):
        found.append("LayerNorm")
    return tuple(found)
