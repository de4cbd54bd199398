"""Files that the programs of the field wrote: they become vector files in one command."""

from __future__ import annotations

import io
import os
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build, charvec, small

import charvec as package
from charvec import formats
from charvec.errors import CharvecError
from charvec.vectors import CharVectors

WORDS = ROOT / "tests" / "data"


def code_of(path: Path) -> str:
    """The code of the error that loading raises."""
    with pytest.raises(CharvecError) as caught:
        package.load(path)
    assert caught.value.exit_code in (65, 66)
    return caught.value.code


def same(vectors: CharVectors, expected: CharVectors) -> None:
    """The same characters with the same rows."""
    assert vectors.chars == expected.chars and vectors.matrix.tobytes() == expected.matrix.tobytes()


@pytest.mark.parametrize("tool", ["gensim", "tool"])
def test_word2vec_binary(tool: str, tmp_path: Path) -> None:
    """What gensim and the C tool wrote, with words and characters, is what their text files say."""
    binary = package.load(WORDS / "word2vec-binary" / f"{tool}.bin")
    text = package.load(WORDS / "word2vec-text" / f"{tool}.vec")
    assert set(binary.chars) and binary.source["converted"]["from"] == "word2vec-binary"
    shared = [char for char in text.chars if char in binary]
    assert shared
    for char in shared:
        assert np.allclose(binary[char], text[char], atol=1e-5)
    assert charvec("convert", WORDS / "word2vec-binary" / f"{tool}.bin", tmp_path / "a.h5").returncode == 0
    same(package.load(tmp_path / "a.h5"), binary)


def numpys(folder: Path, chars: str, **options: Any) -> Path:
    """As Chinese-Text-Classification-Pytorch makes them: NumPy and pickle, float64, compressed."""
    vocab = {char: row for row, char in enumerate([*chars, "<UNK>", "<PAD>"])}
    rows = np.arange(len(vocab) * 4).reshape(-1, 4) / 7
    np.savez_compressed(folder / "embedding_SougouNews.npz", embeddings=rows)
    with open(folder / "vocab.pkl", "wb") as file:
        pickle.dump(vocab, file, **options)
    return folder / "embedding_SougouNews.npz"


@pytest.mark.parametrize("protocol", range(6))
def test_chinese_text_classification(protocol: int, tmp_path: Path) -> None:
    """Any protocol of pickle; <UNK> and <PAD> are no characters."""
    chars = " \t\0中水火\u3000\U0001f600"
    vectors = package.load(numpys(tmp_path, chars, protocol=protocol))
    rows = (np.arange(len(chars) * 4).reshape(-1, 4) / 7).astype(np.float32)
    order = sorted(range(len(chars)), key=lambda place: chars[place])
    same(vectors, build(sorted(chars), rows[order]))
    assert vectors.source["converted"] == {"from": "npz", "other_keys": 2}


@pytest.mark.parametrize("protocol", [2, 4])
def test_dtypes_and_orders(protocol: int, tmp_path: Path) -> None:
    """float16, big-endian and by columns."""
    path = numpys(tmp_path, "ab", protocol=protocol)
    for dtype in ("<f2", ">f4", "<f8"):
        rows = np.asfortranarray(np.arange(12).reshape(4, 3).astype(dtype))
        np.savez(path, embeddings=rows)
        assert package.load(path).matrix.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_paddle(tmp_path: Path) -> None:
    """Arrays of words and rows, words longer than a character among them."""
    np.savez(tmp_path / "a.npz", vocab=np.array(["水", "中", "中国", "a"]), embedding=np.arange(8.0).reshape(4, 2))
    same(package.load(tmp_path / "a.npz"), build("a中水", np.array([[6, 7], [2, 3], [0, 1]], np.float32)))


@pytest.mark.parametrize("name", ["chinese-text-classification", "paddle", "gensim", "gensim-binary", "bert-vector"])
def test_profiles_come_back(name: str, tmp_path: Path) -> None:
    """What a profile wrote is read again."""
    done = package.export(small(), tmp_path / "out", name)
    vectors = package.load(tmp_path / "out" / "embedding.npz" if done.files else tmp_path / "out")
    kept = np.array([char not in done.left_out for char in small().chars])
    same(vectors, small().take(kept))


def test_what_is_missing(tmp_path: Path) -> None:
    """A matrix without its vocabulary, and vocabularies that do not fit."""
    path = numpys(tmp_path, "ab")
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"a": 0, "b": 1}))
    assert code_of(path) == "E-VOCAB-IDS"
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"a": 0, "b": 1, "c": 2, "d": 2}))
    assert code_of(path) == "E-VOCAB-IDS"
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"a": 0, "b": 1, "c": 2, 3: 3}))
    assert code_of(path) == "E-VOCAB-IDS"
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps(["a", "b"]))
    assert code_of(path) == "E-FORMAT"
    (tmp_path / "vocab.pkl").write_bytes(pickle.dumps({"a": os.system}))
    assert code_of(path) == "E-PICKLE-UNSAFE"
    (tmp_path / "vocab.pkl").unlink()
    assert code_of(path) == "E-NOT-CHARVEC"
    np.savez(path, embedding=np.ones((2, 2)), vocab=np.array(["a"]))
    assert code_of(path) == "E-COUNT"
    np.savez(path, embedding=np.ones((2, 2)), vocab=np.array(["a", "a"]))
    assert code_of(path) == "E-DUPLICATE"
    np.savez(path, embedding=np.ones((2, 2)), vocab=np.array([1, 2]))
    assert code_of(path) == "E-NPY"
    np.savez(path, embedding=np.ones((2, 2)), vocab=np.array(["a", "b"], object))
    assert code_of(path) == "E-PICKLE-UNSAFE"
    np.savez(path, embedding=np.full((2, 2), 1e300), vocab=np.array(["a", "b"]))
    assert code_of(path) == "E-OVERFLOW"
    np.savez(path, embedding=np.ones(2), vocab=np.array(["a", "b"]))
    assert code_of(path) == "E-NPY"
    np.savez_compressed(path, embedding=np.zeros((2, 1 << 22)), vocab=np.array(["a", "b"]))
    assert code_of(path) == "E-BOMB"


def test_npz_damage(tmp_path: Path) -> None:
    """Whatever happens to such a file, it is read or refused."""
    rng = random.Random(5)
    buffer = io.BytesIO()
    np.savez(buffer, embedding=np.arange(8.0).reshape(4, 2), vocab=np.array(["水", "中", "国", "a"]))
    good = buffer.getvalue()
    for _ in range(3000):
        spoiled = bytearray(good)
        for _ in range(rng.choice((1, 1, 3))):
            place = rng.randrange(4, len(spoiled))
            if rng.random() < 0.7:
                spoiled[place] = rng.randrange(256)
            else:
                del spoiled[place : place + rng.choice((1, 4, 60))]
        try:
            vectors = formats.by_name("npz").read(str(tmp_path / "x.npz"), bytes(spoiled), True)
        except CharvecError as error:
            assert error.exit_code == 65
            continue
        assert len(vectors)


def test_words_beyond_unicode(tmp_path: Path) -> None:
    """NumPy stores texts as numbers, which may be no characters."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(["a", "b"]))
    raw = bytearray(buffer.getvalue())
    raw[-4:] = (0x110000).to_bytes(4, "little")
    rows = io.BytesIO()
    np.save(rows, np.ones((2, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("vocab.npy", bytes(raw))
        archive.writestr("embedding.npy", rows.getvalue())
    assert code_of(tmp_path / "a.npz") == "E-NPY"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"2 2\n\x93 \0\0\0\0\0\0\0\0", "E-TRUNCATED"),
        (b"999999999999 9999999\n\xff\xfe\0\x01 \0\0\0\0", "E-TRUNCATED"),
        (b"1 1\na \0\0\x80\x3fb", "E-TRAILING"),
        (b"1 1\nabcdefgh\x01\x02\x03\x04", "E-WORD2VEC"),
        (b"1 1\nword \0\0\x80\x3f\n", "E-NO-CHARACTERS"),
        (b"2 1\na \0\0\x80\x3f\na \0\0\x80\x3f\n", "E-DUPLICATE"),
    ],
)
def test_word2vec_binary_damage(data: bytes, code: str, tmp_path: Path) -> None:
    """Each fault by its name."""
    (tmp_path / "a.bin").write_bytes(data)
    assert code_of(tmp_path / "a.bin") == code
