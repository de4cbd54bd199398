"""Makes the folders here with model2vec 0.10.0 and scikit-learn 1.9.1; see README.md."""

from pathlib import Path

import numpy as np
from model2vec import StaticModel
from model2vec.model import quantize_model
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

HERE = Path(__file__).resolve().parent
PIECES = ["[PAD]", "[UNK]", *(chr(0x4E00 + place) for place in range(30)), *"abcdefgh", *"，。！？"]

tokenizer = Tokenizer(WordPiece({piece: row for row, piece in enumerate(PIECES)}, unk_token="[UNK]"))
tokenizer.normalizer = BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = BertPreTokenizer()
table = np.random.default_rng(4).standard_normal((len(PIECES), 8)).astype(np.float32)
weights = np.random.default_rng(5).random(len(PIECES)).astype(np.float32)

plain = StaticModel(table, tokenizer, normalize=True)
weighted = StaticModel(table, tokenizer, weights=weights, normalize=False)
models = {
    "plain": plain,
    "float16": quantize_model(plain, quantize_to="float16"),
    "int8": quantize_model(plain, quantize_to="int8"),
    "weighted": weighted,
    "shared": quantize_model(plain, vocabulary_quantization=12),
    "shared_float16": quantize_model(weighted, vocabulary_quantization=12, quantize_to="float16"),
}
for name, model in models.items():
    model.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink()  # a model card of pages
    vectors = model._encode_helper(list(range(len(PIECES))))
    np.save(HERE / f"{name}.npy", vectors.astype(np.float32))
