"""The script people write: the character rows of a model by way of transformers.

    python transformers_script.py MODEL_FOLDER SAMPLES_FOLDER OUT.npz

It loads the model, as such scripts do, and is generous otherwise: the rows are taken in one indexing operation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

model_folder, samples, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model_folder)
model = AutoModel.from_pretrained(model_folder)

chars: set[str] = set()
for path in sorted(Path(samples).glob("*.txt")):
    chars |= set(open(path, encoding="utf-8").read())
pieces = sorted(chars)
ids = tokenizer.convert_tokens_to_ids(pieces)
found = [(ord(char), row) for char, row in zip(pieces, ids, strict=True) if row != tokenizer.unk_token_id]
weight = model.get_input_embeddings().weight.detach()
vectors = weight[torch.tensor([row for _, row in found])].numpy()
np.savez(out, codepoints=np.array([code for code, _ in found], dtype=np.uint32), vectors=vectors)
