"""Plumbing: which tensors have an axis as long as the vocabulary because it is the vocabulary's.

The input embedding, its copies, and what turns hidden states back into pieces. Sources: the state dicts of the model
classes of transformers.
"""

from __future__ import annotations

import re

__all__ = ["is_vocabulary_table"]

_TABLE = re.compile(
    r"(?:^|\.)(?:"
    # input tables and their copies in encoders and decoders
    r"(?:word_embeddings|word_embedding|tok_embeddings|embed_tokens|shared|wte|embed_in|token_embedding)\.weight"
    r"|embedding\.weight|embeddings|weights|mapping"
    # heads
    r"|(?:lm_head|vocab_projector|generator_lm_head|embed_out|output|output_projection)(?:\.decoder)?\.(?:weight|bias)"
    r"|(?:cls\.)?predictions(?:\.decoder)?\.(?:weight|bias)"
    r"|final_logits_bias"
    r")$"
)


def is_vocabulary_table(name: str) -> bool:
    """Whether a tensor of that name loses rows when the vocabulary does, provided an axis of it is as long."""
    return _TABLE.search(name) is not None
