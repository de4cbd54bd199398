"""Writes the files of this folder; run it there, with gensim 4 installed."""

import numpy as np
from gensim.models import Doc2Vec, FastText, KeyedVectors, Word2Vec
from gensim.models.doc2vec import TaggedDocument

A = np.load("../pytorch/A.npy").astype(np.float32)
WORDS = [*"我们在水边走来去一二三", "北京 大学", "你好", " ", "中", "國", "の", "あ", "한", "\U00020bb7", "é", "A"]
TEXTS = [list("我们在水边走"), list("一二三我们去北京"), ["今天", "下", "雨"]] * 5

vectors = KeyedVectors(6)
vectors.lifecycle_events = None  # dates, and names of systems
vectors.add_vectors(WORDS[: len(A)], A[: len(WORDS)])
vectors.save("words.kv")
vectors.save("protocol2.kv", pickle_protocol=2)
vectors.save("apart.kv", sep_limit=10)
sizes = {"vector_size": 4, "min_count": 1, "seed": 1, "workers": 1}
models = {
    "word2vec": Word2Vec(TEXTS, **sizes),
    "apart": Word2Vec(TEXTS, **sizes),
    "doc2vec": Doc2Vec([TaggedDocument(text, [place]) for place, text in enumerate(TEXTS)], **sizes),
    "fasttext": FastText(TEXTS, bucket=10, **sizes),
}
for name, model in models.items():
    model.lifecycle_events = None
    model.save(f"{name}.model", sep_limit=10 if name == "apart" else 1 << 20)
