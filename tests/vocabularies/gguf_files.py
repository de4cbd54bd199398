"""GGUF files of tokenizers, written by the ``gguf`` package as llama.cpp's converters write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def write_gguf(
    path: Path, model: str, tokens: list[Any], *, big: bool = False, said: dict[str, bool] | None = None, **more: Any
) -> Path:
    """A file with a tokenizer and an embedding of four columns whose rows are their ids, in either byte order.

    ``said`` are keys of the tokenizer for which releases of the package until 0.19 have no method.
    """
    import gguf

    order = gguf.GGUFEndian.BIG if big else gguf.GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(str(path), "llama", endianess=order)
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    for key, value in (said or {}).items():
        writer.add_bool(f"tokenizer.ggml.{key}", value)
    for name, value in more.items():
        getattr(writer, f"add_{name}")(value)
    rows = np.repeat(np.arange(len(tokens), dtype=np.float32)[:, None], 4, axis=1)
    writer.add_tensor("token_embd.weight", rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def from_sentencepiece(source: Path, path: Path) -> Path:
    """As the converters of Llama 2 (BPE) and T5 (Unigram)."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto.FromString(source.read_bytes())
    more: dict[str, Any] = {
        "token_scores": [piece.score for piece in proto.pieces],
        "token_types": [piece.type for piece in proto.pieces],
    }
    unigram = proto.trainer_spec.model_type == 1
    if unigram and proto.normalizer_spec.precompiled_charsmap:
        more["precompiled_charsmap"] = proto.normalizer_spec.precompiled_charsmap
    return write_gguf(path, "t5" if unigram else "llama", [piece.piece for piece in proto.pieces], **more)


def from_wordpieces(source: Path, path: Path) -> Path:
    """As the converter of BERT: a mark before pieces that begin a word, and no ``##``."""
    pieces = source.read_text("utf-8").removesuffix("\n").split("\n")
    special = [piece.startswith("[") and piece.endswith("]") and len(piece) > 2 for piece in pieces]
    tokens = [
        piece if control else piece[2:] if piece.startswith("##") else "▁" + piece
        for piece, control in zip(pieces, special, strict=True)
    ]
    return write_gguf(path, "bert", tokens, token_types=[CONTROL if control else NORMAL for control in special])


def from_byte_level(source: Path, path: Path, pre: str) -> Path:
    """As the converter of GPT-2, Llama 3 and Qwen 2, from a tokenizer.json; added tokens stand behind the others."""
    document = json.loads(source.read_text("utf-8"))
    rows = {piece: (row, NORMAL) for piece, row in document["model"]["vocab"].items()}
    for token in document["added_tokens"]:
        rows[token["content"]] = (token["id"], CONTROL if token["special"] else USER_DEFINED)
    ordered = sorted(rows.items(), key=lambda item: item[1])
    assert [row for _, (row, _) in ordered] == list(range(len(ordered)))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"]]
    return write_gguf(
        path,
        "gpt2",
        [piece for piece, _ in ordered],
        tokenizer_pre=pre,
        token_types=[kind for _, (_, kind) in ordered],
        token_merges=merges,
    )


def from_text_merges(source: Path, path: Path, model: str, **more: Any) -> Path:
    """As the converters of Gemma 4 and jina-embeddings-v2-base-zh, from a tokenizer.json; bytes are typed as such."""
    document = json.loads(source.read_text("utf-8"))
    rows = {piece: (row, NORMAL) for piece, row in document["model"]["vocab"].items()}
    for token in document["added_tokens"]:
        rows[token["content"]] = (token["id"], CONTROL if token["special"] else USER_DEFINED)
    for byte in range(256):
        if f"<0x{byte:02X}>" in rows:
            rows[f"<0x{byte:02X}>"] = (rows[f"<0x{byte:02X}>"][0], BYTE)
    ordered = sorted(rows.items(), key=lambda item: item[1])
    assert [row for _, (row, _) in ordered] == list(range(len(ordered)))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in document["model"]["merges"]]
    types = [kind for _, (_, kind) in ordered]
    return write_gguf(path, model, [piece for piece, _ in ordered], token_types=types, token_merges=merges, **more)


def from_rwkv(source: Path, path: Path) -> Path:
    """As the converter of RWKV: what is printed between the quotes of each piece's bytes, and row 0 before all."""
    from charvec.plumbing.spelling.literals import literal

    tokens, types = ["<s>"], [CONTROL]
    for line in source.read_text("utf-8").splitlines():
        piece = literal(line.split(" ", 1)[1].rsplit(" ", 1)[0])
        tokens.append(repr(piece)[2:-1])
        types.append(NORMAL)
    return write_gguf(path, "rwkv", tokens, token_types=types)


def from_byte_fallback(source: Path, path: Path) -> Path:
    """Llama 2 from its tokenizer.json: the pieces behind the bytes were numbered in the order of their scores."""
    vocabulary = json.loads(source.read_text("utf-8"))["model"]["vocab"]
    tokens = sorted(vocabulary, key=lambda piece: int(vocabulary[piece]))
    assert [vocabulary[piece] for piece in tokens] == list(range(len(tokens)))
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(tokens) - 259)
    scores = [0.0] * 259 + [-float(place) for place in range(len(tokens) - 259)]
    return write_gguf(path, "llama", tokens, token_scores=scores, token_types=types)
