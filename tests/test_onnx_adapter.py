"""Character vectors as an ONNX model, run by onnxruntime."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from vector_samples import ROOT, build

import charvec
from charvec.errors import CharvecError, UsageError, WrongFile
from charvec.vectors import CharVectors

pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

VECTORS = replace(
    build("\0 a\u3000水火😀", np.array([[9, 1], [1, 2], [3, 5], [0.5, 2], [4, -1], [5, 2], [7, 8]], np.float32)),
    counts=np.array([1, 3, 50, 3, 7, 9, 2], np.uint64),
)
TEXTS = ["水火", "a", "?", "火水 a水\0", "", "\u3000😀?火"]


class Session:
    """A model as its users have it: what it says of itself, and what it computes."""

    def __init__(self, model: Any) -> None:
        data = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.about = {key: json.loads(text) for key, text in self.session.get_modelmeta().custom_metadata_map.items()}
        (self.input,) = self.session.get_inputs()

    def ids(self, texts: list[str], unk: str | None = None) -> NDArray[np.int32]:
        """Ids of the characters by the model's own vocabulary; what is not in it is padding, unless said otherwise."""
        vocabulary: dict[str, int] = self.about["vocabulary"]
        pad = next(piece for piece, row in vocabulary.items() if row == self.about["padding"])
        return charvec.ids(texts, vocabulary, pad=pad, unk=unk)

    def run(self, batch: NDArray[np.int32]) -> Any:
        (result,) = self.session.run(["vectors"], {self.input.name: batch})
        return result


def codepoints(texts: list[str]) -> NDArray[np.int32]:
    """As they are, with -1 as padding."""
    longest = max(map(len, texts))
    return np.array([[*map(ord, text), *[-1] * (longest - len(text))] for text in texts], np.int32)


@pytest.fixture(scope="module")
def samples() -> CharVectors:
    return charvec.dump(ROOT / "samples" / "texts", model=ROOT / "samples" / "tiny-bert-zh")


@pytest.mark.parametrize("inputs", ["ids", "codepoints"])
def test_samples_to_vectors(samples: CharVectors, inputs: Any, tmp_path: Path) -> None:
    """From samples to what onnxruntime computes of their lines: what encode gives."""
    charvec.onnx.export(samples, tmp_path / "zh.onnx", inputs=inputs)
    session = Session(tmp_path / "zh.onnx")
    texts = (ROOT / "samples" / "texts" / "simplified.txt").read_text("utf-8").splitlines()
    batch = session.ids(texts) if inputs == "ids" else codepoints(texts)
    found = session.run(batch)
    assert found.dtype == np.float32 and found.shape == (len(texts), samples.dim) and found.any()
    np.testing.assert_allclose(found, samples.encode(texts), atol=1e-6)
    assert session.about["source"] == samples.source


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "sum", "sif"])
@pytest.mark.parametrize("inputs", ["ids", "codepoints"])
def test_what_encode_gives(pooling: Any, inputs: Any, normalize: bool) -> None:
    """Every pooling, with unknown characters, an empty text, white space and U+0000."""
    session = Session(charvec.onnx.model(VECTORS, pooling=pooling, a=0.1, inputs=inputs, normalize=normalize))
    batch = session.ids(TEXTS) if inputs == "ids" else codepoints(TEXTS)
    expected = VECTORS.encode(TEXTS, pooling, a=0.1, normalize=normalize)
    np.testing.assert_allclose(session.run(batch), expected, rtol=1e-6)


@pytest.mark.parametrize("inputs", ["ids", "codepoints"])
def test_one_row_a_character(inputs: Any) -> None:
    """Without a pooling: the very rows, and zeros for padding and unknown characters."""
    session = Session(charvec.onnx.model(VECTORS, pooling=None, inputs=inputs))
    found = session.run(session.ids(TEXTS) if inputs == "ids" else codepoints(TEXTS))
    assert np.array_equal(found, VECTORS.padded(TEXTS)[0])


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
@pytest.mark.parametrize("inputs", ["ids", "codepoints"])
def test_nothing_to_do(shape: tuple[int, int], inputs: Any) -> None:
    """No text, and texts without a character."""
    session = Session(charvec.onnx.model(VECTORS, inputs=inputs))
    assert session.run(np.zeros(shape, np.int32)).tolist() == [[0, 0]] * shape[0]


@pytest.mark.parametrize("inputs", ["ids", "codepoints"])
def test_stored_pooling(samples: CharVectors, inputs: Any) -> None:
    """Weights and the mean that the vectors carry; the mean alone; product quantisation, which ONNX has no name for."""
    vectors = charvec.reduce(samples, sif=0.01, center=True).astype("pq:16")
    texts = (ROOT / "samples" / "texts" / "mixed.txt").read_text("utf-8").splitlines()
    for options in ({"pooling": "stored"}, {"center": True}, {"pooling": "sif"}, {"pooling": "sum"}):
        session = Session(charvec.onnx.model(vectors, inputs=inputs, **options))
        batch = session.ids(texts) if inputs == "ids" else codepoints(texts)
        np.testing.assert_allclose(session.run(batch), vectors.encode(texts, **options), rtol=1e-5, atol=2e-6)
    session = Session(charvec.onnx.model(vectors, inputs=inputs, pooling=None, center=True))
    row = session.run(np.array([[ord("水")]], np.int32) if inputs == "codepoints" else session.ids(["水"]))[0]
    assert np.array_equal(row, vectors.encode("水", None, center=True))


@pytest.mark.parametrize("stored", ["float32", "float16", "int8"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_element_types(samples: CharVectors, stored: str, dtype: str, tmp_path: Path) -> None:
    """Rows as charvec keeps them with that type, in a file that is as much smaller."""
    vectors = samples.astype(stored)
    charvec.onnx.export(vectors, tmp_path / "zh.onnx", dtype=dtype, pooling=None, inputs="codepoints")
    session = Session(tmp_path / "zh.onnx")
    found = session.run(np.array([list(map(ord, vectors.chars))], np.int32))[0]
    # scales of int8 are computed anew, which may change their last bit
    rtol = 2e-7 if dtype == "int8" else 0
    np.testing.assert_allclose(found, vectors.astype("float32").astype(dtype).matrix, rtol=rtol)
    size = (tmp_path / "zh.onnx").stat().st_size - len(json.dumps(vectors.source))
    width = {"float32": 4, "float16": 2, "int8": 1}[dtype]
    assert size < len(vectors) * (vectors.dim * width + 20) + 4096


def test_a_vocabulary_of_ones_own() -> None:
    """Rows follow the caller's ids; padding and unknown stand where the caller wants them."""
    session = Session(charvec.onnx.model(VECTORS, pad_id=-1, unk_id=-2))
    assert session.about["padding"] == 8 and session.about["unknown"] == 7
    assert session.about["vocabulary"] == VECTORS.vocabulary(pad_id=-1, unk_id=-2)
    np.testing.assert_allclose(session.run(session.ids(TEXTS)), VECTORS.encode(TEXTS), rtol=1e-6)
    mean = VECTORS.matrix.mean(axis=0)
    np.testing.assert_allclose(session.run(session.ids(["?"], unk="<UNK>")), [mean], rtol=1e-6)
    session = Session(charvec.onnx.model(VECTORS, {"水": 0, "[P]": 3, "x": 2}, pad="[P]", missing="mean"))
    assert session.about["padding"] == 3 and session.about["unknown"] is None
    np.testing.assert_allclose(
        session.run(np.array([[0, 2, 3], [0, 0, 0]], np.int32)), [(mean + VECTORS["水"]) / 2, [4, -1]]
    )


def test_without_padding() -> None:
    """Every id counts, also those from the end."""
    session = Session(charvec.onnx.model(VECTORS, "水火", padding_idx=None))
    assert session.about["padding"] is None
    assert session.run(np.array([[0, 1], [0, 0], [-1, -1]], np.int32)).tolist() == [[4.5, 0.5], [4, -1], [5, 2]]


def test_an_id_that_is_no_row() -> None:
    """onnxruntime refuses it, as the page says."""
    session = Session(charvec.onnx.model(VECTORS))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="out of data bounds"):
        session.run(np.array([[9]], np.int32))


def test_versions() -> None:
    """Operators of ONNX 1.8, so that runtimes of the last years take it."""
    for inputs in ("ids", "codepoints"):
        made = charvec.onnx.model(VECTORS, pooling="sif", normalize=True, dtype="int8", inputs=inputs)
        assert made.ir_version == 7
        used = {domain.domain: domain.version for domain in made.opset_import}
        assert used == {"": 13, **({"ai.onnx.ml": 2} if inputs == "codepoints" else {})}


def test_same_bytes(tmp_path: Path) -> None:
    """The same vectors give the same file, which replaces another only when that was said."""
    for name in ("one.onnx", "two.onnx"):
        charvec.onnx.export(VECTORS, tmp_path / name)
    data = (tmp_path / "one.onnx").read_bytes()
    assert data == (tmp_path / "two.onnx").read_bytes()
    with pytest.raises(CharvecError) as caught:
        charvec.onnx.export(VECTORS, tmp_path / "one.onnx", pooling="sum")
    assert caught.value.code == "E-OUTPUT-EXISTS" and (tmp_path / "one.onnx").read_bytes() == data
    charvec.onnx.export(VECTORS, tmp_path / "one.onnx", pooling="sum", overwrite=True)
    assert (tmp_path / "one.onnx").read_bytes() != data


def test_charvec_finds_its_rows(samples: CharVectors, tmp_path: Path) -> None:
    """Through the graph, as in anyone's ONNX model."""
    charvec.onnx.export(samples, tmp_path / "zh.onnx")
    vocabulary = samples.vocabulary(pad="[PAD]", unk="[UNK]")
    (tmp_path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), "utf-8")
    texts = ROOT / "samples" / "texts" / "simplified.txt"
    again = charvec.dump(texts, model=tmp_path / "zh.onnx", vocab=tmp_path / "vocab.txt", keep="exact")
    assert len(again) > 100
    for char in again:
        assert np.array_equal(again[char], samples[char])


@pytest.mark.parametrize(
    ("arguments", "options", "code"),
    [
        ((), {"pooling": "max"}, "E-POOLING"),
        ((), {"pooling": None, "normalize": True}, "E-POOLING"),
        ((), {"pooling": "sif", "a": 0}, "E-ARGUMENT"),
        ((), {"inputs": "strings"}, "E-ARGUMENT"),
        ((["水"],), {"inputs": "codepoints"}, "E-ARGUMENT"),
        ((), {"inputs": "codepoints", "pad_id": 3}, "E-ARGUMENT"),
        ((), {"inputs": "codepoints", "padding_idx": None}, "E-ARGUMENT"),
        ((["[P]", "水", "水"],), {"pad": "[P]"}, "E-VOCAB-IDS"),
        ((["水"],), {}, "E-PADDING"),
        ((), {"dtype": "int4"}, "E-DTYPE"),
        ((), {"dtype": "pq"}, "E-DTYPE"),
        ((), {"pooling": "stored"}, "E-POOLING"),
    ],
)
def test_refused(arguments: tuple[Any, ...], options: dict[str, Any], code: str, tmp_path: Path) -> None:
    """What makes no sense is said so, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        charvec.onnx.export(VECTORS, tmp_path / "x.onnx", *arguments, **options)
    assert caught.value.code == code and not list(tmp_path.iterdir())


def test_more_than_onnx_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of Protocol Buffers ends at 2 GiB."""
    monkeypatch.setattr(charvec.onnx, "_MAX_BYTES", 71)
    with pytest.raises(WrongFile) as caught:
        charvec.onnx.model(VECTORS)
    assert caught.value.code == "E-PROFILE-SIZE"
    charvec.onnx.model(VECTORS, dtype="float16")


def test_values_that_do_not_fit() -> None:
    """float16 would overflow."""
    with pytest.raises(WrongFile) as caught:
        charvec.onnx.model(build("ab", np.array([[1e6], [1]], np.float32)), dtype="float16")
    assert caught.value.code == "E-OVERFLOW"
