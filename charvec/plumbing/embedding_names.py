"""Plumbing: the names input embeddings go by.

Sources: the model classes of transformers, Google's releases (BERT, ALBERT, ELECTRA, XLNet, T5), keras-bert, PaddleNLP,
Meta's and Mistral's releases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["NAMES", "PREFIXES", "ranked_names", "strip_prefixes"]

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
    (
        "the name static embedding models use",
        (
            "embedding.weight",
            "embeddings",
            "embedding_0.w_0",
            "word_embedding",
            "embedding",
            "Embedding-Token/embeddings",
        ),
    ),
)

#: Words in a name that mark a table which is not the input embedding.
_NEVER = re.compile(
    r"adam_[mv]|adam|_slot_|optimizer|exp_avg|momentum|position|token_type|segment|lm_head|output|(?:^|[./])cls(?:[./]|$)"
    r"|pooler|lora|layer_?norm|per_layer|visual|vision",
    re.IGNORECASE,
)
#: Names that are probably an input embedding where none of the table is there.
_LIKELY = re.compile(r"(?:word|tok(?:en)?)_?embed|embed_tokens|\bwte\b|embed_in|shared|lookup_table", re.IGNORECASE)


def strip_prefixes(name: str) -> str:
    """The name without what wrappers put before it."""
    while True:
        for prefix in PREFIXES:
            if name.startswith(prefix):
                name = name[len(prefix) :]
                break
        else:
            return name


def ranked_names(names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Groups of names that could be the input embedding's, best first, each with what the names of the group are.

    Args:
        names: tensor name -> the name by which to judge it, in the order of the file.
    """
    known: dict[int, list[str]] = {}
    likely = []
    for name, full in names.items():
        spelt = full.removesuffix(":0").removesuffix("/0")
        if _NEVER.search(spelt):
            continue
        bare = strip_prefixes(spelt)
        rank = next((rank for rank, (_, group) in enumerate(NAMES) if bare in group), None)
        if rank is not None:
            known.setdefault(rank, []).append(name)
        elif _LIKELY.search(bare):
            likely.append(name)
    ranked = [(NAMES[rank][0], group) for rank, group in sorted(known.items())]
    if likely:
        ranked.append(("named like an embedding of tokens", likely))
    return ranked
