"""Writes the files of this folder, and the golden table of the vocabularies; run it there, with spaCy 3 installed."""

import shutil
from pathlib import Path

import numpy as np
import spacy

A = np.load("../pytorch/A.npy").astype(np.float32)
nlp = spacy.blank("xx")
for word, row in zip([*"一丁七万丈三上下の가é", "𠮷", "北京大学", "a", "你好"], A, strict=False):
    nlp.vocab.set_vector(word, row)
nlp.to_disk("model")
for name in ("key2row", "vectors", "vectors.cfg"):
    shutil.copy(Path("model/vocab") / name, name)
shutil.rmtree("model")
shutil.copy("key2row", "../vocabularies/spacy-keys/key2row")
