"""Plumbing: the names input embeddings go by.

Sources: the model classes of transformers, Google's releases (BERT, ALBERT, ELECTRA, XLNet, T5), keras-bert, PaddleNLP,
MindSpore's ModelZoo and MindFormers, fairseq, Megatron, PEFT, Meta's, Mistral's and RWKV's releases.

A name is judged by the path of the module it belongs to: ``model/wte``, ``transformer.wte.weight`` and
``base_model.model.transformer.wte.base_layer.weight`` are all ``wte``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["NAMES", "PREFIXES", "bare_name", "is_adapter", "is_output", "ranked_names"]

#: Prefixes that wrappers, and models around the model proper, put before its names; removed again and again.
PREFIXES = (
    "module.",
    "_orig_mod.",
    "state_dict.",
    "params.",
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
    "sentence_encoder.",
)

#: Names of parameters within their module, removed from the end: those of torch, Paddle, TensorFlow and MindSpore, and
#: of PEFT, which puts the table it trains, or a copy of it, one module deeper.
_LEAF = re.compile(
    r"(?<=.)[.](?:(?:_packed_params[.]_packed_)?weights?(?:_packed)?|qweight|(?:lookup_|embedding_)?table"
    r"|embedding_weight|w_0|base_layer"
    r"|token_adapter|original_module|modules_to_save(?:[.]default)?)$"
)
#: Those of Keras and Flax, which are names of modules elsewhere: removed only when what they end is no known name.
_KERAS_LEAF = re.compile(r"(?<=.)[.]embeddings?$")
#: What storing adds to the name of a variable.
_STORED = re.compile(r":0$|/0$|/\.ATTRIBUTES/VARIABLE_VALUE$")

#: Paths of input embeddings, without prefixes and leaves, in groups of equal rank, best first.
NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the name BERT and its relatives use", ("embeddings.word_embeddings", "embeddings.tok_embeddings")),
    # before `embed_tokens`, which repeats it in the encoder and in the decoder of the same file
    ("the name T5 and BART share between encoder and decoder", ("shared",)),
    ("the name decoder models use", ("embed_tokens", "tok_embeddings", "wte", "embd.wte", "token_embd")),
    (
        "a name GLM, Falcon, BLOOM, XLNet, NeoX, Mamba, RWKV use",
        (
            "embedding.word_embeddings",
            "word_embeddings",
            "word_embedding",
            "gpt_neox.embed_in",
            "backbone.embedding",
            "backbone.embeddings",
            "rwkv.embeddings",
            "embeddings.token_embedding",
            "embeddings.token_embeddings",
            "token_embeddings",
            "token_embedding",
            "input_embedding",
            "tokens_embed",
            "bert_embedding_lookup",
            "in_out_embed",
            "Embedding-Token",
            "Embedding-Token.Embedding-Token",
        ),
    ),
    ("the name static embedding models use", ("embedding", "embeddings", "emb", "embedding_0", "reversible_embedding")),
    ("the name OPT uses", ("decoder.embed_tokens",)),
    # a whole name here is a mere prefix elsewhere, so these come last
    ("the name NeoBERT or CTRL uses", ("encoder", "w")),
)

#: What every name that can be meant has in it. Most names have not, and models have thousands.
_WORTH = re.compile(r"emb|wte|shared|(?:^|[./])(?:encoder|w)(?:[.]weight)?$", re.IGNORECASE)
#: No real name is longer; judging one of megabytes would take minutes.
_LONGEST = 1000
#: Words in a path that mark a table which is never the input embedding: optimizers' state, other inputs, other ends.
_NEVER = re.compile(
    r"adam|adagrad|adafactor|rmsprop|momentum|exp_avg|_slot_|optimi[sz]er|opt_state|MovingAverage"
    r"|(?:^|[.])(?:moments?[12]?|lamb_[mv]|accum|vhat)[.]|position|token_type|segment|patch|output|lm_head|_head$|(?:^|[.])(?:cls|head)(?:[.]|$)|pooler|(?:^|[._])lora|prompt"
    r"|(?<!pre)layer_?norm|per_layer|visual(?!_bert)|vision|audio|codec",
    re.IGNORECASE,
)
#: Words in a path that mark an input embedding of some part beside the main one: taken only where no other is there.
_LESSER = re.compile(
    r"(?:^|[._])(?:generator|decoder|draft|eagle|mtp|nextn|talker|code_predictor|qformer|dit|hash|patcher|target|ema"
    r"|original_module)(?:[._]|$)|(?:^|[.])(?:layers?|blocks?|h|mtp_layers)[._]\d+(?:[.]|$)",
    re.IGNORECASE,
)
#: Last parts of a path that are probably an input embedding's. This pattern and those below are compiled where they are
#: used first; models whose tensor has a known name need none of them.
_LIKELY = (
    r"(?i)(?:^|[._])(?:(?:word|text|vocab|input|tok(?:en)?s?)_?emb(?:ed|edding)?s?|embed_(?:tokens|in)|tokens_embed|wte"
    r"|shared)(?:_\d+)?$"
)
#: Last parts that any table of embeddings has.
_VAGUE = r"(?i)(?:^|[.])emb(?:ed|edding)?s?(?:_\d+)?$"

#: Tables at the other end of a model, which is the same one where the configuration says the two are tied.
_OUTPUT = r"(?:^|[.])(?:lm_head|embed_out|output_layer|cls[.]predictions[.]decoder|generator_lm_head)[.]weight$"


def _path(name: str) -> str:
    """The name with dots between its parts, without what storing adds."""
    return _STORED.sub("", name).replace("/", ".")


def bare_name(name: str) -> str:
    """The path of a tensor's module within the model proper; never empty where the name is not."""
    path = _path(name)
    while (shorter := _LEAF.sub("", path)) != path:
        path = shorter
    while True:
        for prefix in PREFIXES:
            if path.startswith(prefix) and path != prefix:
                path = path[len(prefix) :]
                break
        else:
            return path


def is_output(name: str) -> bool:
    """Whether this is the matrix at a language model's other end."""
    return len(name) <= _LONGEST and re.search(_OUTPUT, _path(name)) is not None


def is_adapter(names: Mapping[str, str]) -> bool:
    """Whether these are tensors of an adapter alone (LoRA, trained tokens), which changes a model and is none."""
    return bool(names) and all("lora_" in name or "trainable_tokens_" in name for name in names.values())


def ranked_names(names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Groups of names that could be the input embedding's, best first, each with what the names of the group are.

    Args:
        names: tensor name -> the name by which to judge it, in the order of the file.
    """
    groups: dict[tuple[int, bool], list[str]] = {}
    for name, spelt in names.items():
        if len(spelt) > _LONGEST or not _WORTH.search(spelt):
            continue
        path = _path(spelt)
        rank = None if _NEVER.search(path) else _rank(bare_name(spelt))
        if rank is not None:
            groups.setdefault((rank, _LESSER.search(path) is not None), []).append(name)
    reasons = [reason for reason, _ in NAMES]
    # a known name goes first whatever stands around it; among names merely like one, all lesser ones go last
    order = sorted(groups, key=lambda group: (group[0] >= len(reasons) and group[1], *group))
    reasons += ["named like an embedding of tokens", "named like an embedding"]
    return [
        (reasons[rank] + (", in a part of the model" if lesser else ""), groups[rank, lesser]) for rank, lesser in order
    ]


def _rank(bare: str) -> int | None:
    """Place of a bare name among the groups; after :data:`NAMES` come the names that are like one of them."""
    for form in dict.fromkeys((bare, _KERAS_LEAF.sub("", bare))):
        for rank, (_, group) in enumerate(NAMES):
            if form in group:
                return rank
        if re.search(_LIKELY, form):
            return len(NAMES)
    return len(NAMES) + 1 if re.search(_VAGUE, bare) else None
