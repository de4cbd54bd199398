"""How the programs that use vectors read them: their behaviour, written anew, or they themselves.

Each function gives ``{key: vector}`` as its program has it in the end, and raises whatever makes its program fail.
"""

from __future__ import annotations

import codecs
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Vectors = dict[str, Any]
#: What JavaScript's trim() removes.
JS_SPACE = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"


def _f32(values: Any) -> Any:
    return np.array([float(value) for value in values], np.float64).astype(np.float32)


# -- text without a header


def lattice_lstm(path: Path) -> Vectors:
    """LatticeLSTM, LexiconAugmentedNER: every line must have as many fields as the first."""
    found, dim = {}, -1
    with open(path, encoding="utf-8") as file:
        for line in file:
            tokens = line.strip().split()
            if not tokens:
                continue
            if dim < 0:
                dim = len(tokens) - 1
            assert dim + 1 == len(tokens)
            found[tokens[0]] = _f32(tokens[1:])
    return found


def ncrfpp(path: Path) -> Vectors:
    """NCRF++: lines of another length than the first are passed over."""
    found, dim = {}, -1
    with open(path, encoding="utf-8") as file:
        for line in file:
            tokens = line.strip().split()
            if not tokens:
                continue
            if dim < 0:
                dim = len(tokens) - 1
            elif dim + 1 != len(tokens):
                continue
            found[tokens[0]] = _f32(tokens[1:])
    return found


def chinese_ner(path: Path, dim: int = 3) -> Vectors:
    """ChineseNER: lines as Unicode knows them, of a length that is configured."""
    found = {}
    with open(path, "rb") as raw:
        for line in codecs.getreader("utf-8")(raw):
            tokens = line.rstrip().split()
            if len(tokens) == dim + 1:
                found[tokens[0]] = _f32(tokens[1:])
    return found


def ctc_pytorch(path: Path) -> Vectors:
    """CTC-Pytorch: whatever stands first is the key."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            tokens = line.strip().split()
            if tokens:
                found[tokens[0]] = _f32(tokens[1:])
    return found


def fastnlp(path: Path) -> Vectors:
    """fastNLP's EmbedLoader, which tells a header by its two fields."""
    found = {}
    with open(path, encoding="utf-8") as file:
        parts = file.readline().strip().split()
        dim = int(parts[1]) if len(parts) == 2 else len(parts) - 1
        if len(parts) != 2:
            file.seek(0)
        for line in file:
            parts = line.strip().split()
            word = "".join(parts[:-dim])
            if word:
                found[word] = _f32(parts[-dim:])
    return found


def torchtext_text(path: Path) -> Vectors:
    """torchtext.vocab.Vectors, which reads bytes and cuts them at U+0020."""
    found, dim = {}, None
    with open(path, "rb") as file:
        for line in file:
            entries = line.rstrip().split(b" ")
            word, values = entries[0], entries[1:]
            if dim is None and len(values) > 1:
                dim = len(values)
            elif len(values) == 1:
                continue
            elif dim != len(values):
                raise RuntimeError(f"vector for token {word!r} has {len(values)} dimensions")
            found[word.decode()] = _f32(values)
    return found


# -- text with a header


def fasttext(path: Path) -> Vectors:
    """FastText::getInputMatrixFromFile: C++ streams, for which white space is that of ASCII."""
    tokens = path.read_bytes().split()
    count, dim = int(tokens[0]), int(tokens[1])
    found, place = {}, 2
    for _ in range(count):
        found[tokens[place].decode()] = _f32(tokens[place + 1 : place + 1 + dim])
        assert len(tokens[place + 1 : place + 1 + dim]) == dim
        place += 1 + dim
    return found


def fasttext_python(path: Path) -> Vectors:
    """The lines of Python that fastText's page about word vectors shows."""
    found = {}
    with open(path, encoding="utf-8", newline="\n", errors="ignore") as file:
        list(map(int, file.readline().split()))
        for line in file:
            tokens = line.rstrip().split(" ")
            found[tokens[0]] = _f32(tokens[1:])
    return found


def _gensim(path: Path, **options: Any) -> Vectors:
    models = pytest.importorskip("gensim.models")
    read = models.KeyedVectors.load_word2vec_format(str(path), **options)
    return {key: read.vectors[row] for key, row in read.key_to_index.items()}


def gensim(path: Path) -> Vectors:
    """gensim itself."""
    return _gensim(path)


def gensim_no_header(path: Path) -> Vectors:
    """gensim itself, told that there is no header."""
    return _gensim(path, no_header=True)


def gensim_binary(path: Path) -> Vectors:
    """gensim itself."""
    return _gensim(path, binary=True)


def word2vec_c(path: Path) -> Vectors:
    """``distance.c``: bytes up to U+0020, line feeds left out; then the numbers."""
    data = path.read_bytes()
    match = re.match(rb"\s*(\d+)\s+(\d+)", data)
    assert match
    count, dim, place = int(match[1]), int(match[2]), match.end()
    found = {}
    for _ in range(count):
        space = data.index(b" ", place)
        key = data[place:space].replace(b"\n", b"").decode()
        place = space + 1 + 4 * dim
        assert place <= len(data)
        found[key] = np.frombuffer(data, "<f4", dim, space + 1)
    return found


def spacy(path: Path) -> Vectors:
    """What ``spacy init vectors xx FILE OUT`` does, by spaCy itself."""
    package = pytest.importorskip("spacy")
    from spacy.training.initialize import convert_vectors

    nlp = package.blank("xx")
    convert_vectors(nlp, path, truncate=0, prune=-1)
    vectors = nlp.vocab.vectors
    return {nlp.vocab.strings[key]: vectors.data[row] for key, row in vectors.key2row.items()}


# -- several files, and binary ones


def chinese_text_classification(path: Path) -> Vectors:
    """Chinese-Text-Classification-Pytorch: a matrix, and ids whose last is padding."""
    matrix = np.load(path / "embedding.npz")["embeddings"].astype("float32")
    with open(path / "vocab.pkl", "rb") as file:
        vocab = pickle.load(file)
    size = len(vocab)
    assert matrix.shape[0] == size and not matrix[size - 1].any()
    assert vocab["<PAD>"] == size - 1 and vocab.get("<UNK>") == size - 2
    return {key: matrix[row] for key, row in vocab.items() if key not in ("<PAD>", "<UNK>")}


def ner_funtool(path: Path) -> Vectors:
    """NER-FunTool: load_vocab, and the matrix that train_lstm_crf.py gives to TensorFlow as float32."""
    ids = {}
    with open(path / "vocab_cn.txt", encoding="utf-8") as text:
        for line in text:
            fields = line.strip("\n").split("\t")
            ids[fields[0]] = int(fields[1])
    with open(path / "new_bert_embedding.pkl", "rb") as file:
        matrix = np.asarray(pickle.load(file), np.float32)
    assert len(ids) == len(matrix) and not matrix[0].any()
    special = ["<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK>", "<NUM>", "<ENG>"]
    assert [ids[name] for name in special] == list(range(7))
    return {key: matrix[row] for key, row in ids.items() if key not in special}


def paddle(path: Path) -> Vectors:
    """PaddleNLP's TokenEmbedding, which appends [UNK] and [PAD]."""
    file = np.load(path)
    words = [*list(file["vocab"]), "[UNK]", "[PAD]"]
    table = np.append(file["embedding"], np.zeros((2, file["embedding"].shape[1]), np.float32), axis=0)
    ids = {str(word): place for place, word in enumerate(words)}
    return {word: table[row] for word, row in ids.items() if row < len(words) - 2}


def torchtext_pt(path: Path) -> Vectors:
    """torchtext.vocab.Vectors from its cache, by PyTorch itself."""
    torch = pytest.importorskip("torch")
    itos, stoi, vectors, dim = torch.load(path, weights_only=True)
    assert vectors.shape == (len(itos), dim) and vectors.dtype == torch.float32 and vectors.is_contiguous()
    return {key: vectors[stoi[key]].numpy() for key in itos}


def model2vec(path: Path) -> Vectors:
    """model2vec itself: what it makes of every character."""
    package = pytest.importorskip("model2vec")
    model = package.StaticModel.from_pretrained(str(path))
    keys = [key for key, row in sorted(model.tokenizer.get_vocab().items(), key=lambda item: item[1])][2:]
    ids = model.tokenize(["".join(keys)])[0]
    assert len(ids) == len(keys)
    return {key: model.embedding[row] for key, row in zip(keys, ids, strict=True)}


def opennre(path: Path) -> Vectors:
    """OpenNRE's example script, then BaseEncoder, which appends [UNK] and [PAD]."""
    with open(path / "word2id.json", encoding="utf-8") as file:
        ids = json.load(file)
    matrix = np.load(path / "vec.npy")
    assert len(ids) == len(matrix)
    return {key: matrix[row] for key, row in ids.items()}


def projector(path: Path) -> Vectors:
    """The Embedding Projector: lines are trimmed, empty ones passed over, the first label is the point's name."""
    lines = [line.strip(JS_SPACE) for line in (path / "vectors.tsv").read_bytes().decode().split("\n")]
    vectors = [_f32(line.split("\t")) for line in lines if line]
    lines = [line.strip(JS_SPACE) for line in (path / "metadata.tsv").read_bytes().decode().split("\n")]
    labels = [line.split("\t") for line in lines if line]
    head, *labels = labels
    assert len(head) == 3 and all(len(each) == 3 for each in labels) and len(labels) == len(vectors)
    return {label[0]: vector for label, vector in zip(labels, vectors, strict=True)}


def parquet(path: Path) -> Vectors:
    """pyarrow, as pandas and Polars get at it."""
    pytest.importorskip("pyarrow")
    from pyarrow import parquet as package

    table = package.read_table(path).to_pydict()
    assert all(
        point is None or chr(point) == char for char, point in zip(table["char"], table["codepoint"], strict=True)
    )
    return {char: np.array(row, np.float32) for char, row in zip(table["char"], table["vector"], strict=True)}


def bert_vector(path: Path) -> Vectors:
    """BERT-Vector's own users."""
    with open(path, "rb") as file:
        return dict(pickle.load(file))


#: profile -> those who read it
READERS: dict[str, tuple[Callable[[Path], Vectors], ...]] = {
    "lattice": (lattice_lstm, ncrfpp, chinese_ner, ctc_pytorch),
    "glove": (torchtext_text, fastnlp, gensim_no_header),
    "gensim": (gensim,),
    "gensim-binary": (gensim_binary, word2vec_c),
    "fasttext": (fasttext, fasttext_python),
    "spacy": (spacy,),
    "chinese-text-classification": (chinese_text_classification,),
    "ner-funtool": (ner_funtool,),
    "paddle": (paddle,),
    "torchtext": (torchtext_pt,),
    "model2vec": (model2vec,),
    "opennre": (opennre,),
    "projector": (projector,),
    "parquet": (parquet,),
    "bert-vector": (bert_vector,),
    "bert-vector-text": (ctc_pytorch,),
}
