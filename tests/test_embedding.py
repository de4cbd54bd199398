"""Finding the input embedding among the tensors of a checkpoint: by name, never by size."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charvec
from charvec import checkpoints
from charvec.embedding import bundled_model, find_embedding
from charvec.errors import Ambiguous, CharvecError
from charvec.plumbing.models.embedding_names import NAMES, PREFIXES, bare_name
from charvec.tensor import Checkpoint, Tensor

CODES = {"F32": "f4", "F16": "f2", "F64": "f8", "I8": "i1", "BF16": "u2"}


def save(path: Path, tensors: dict[str, Any]) -> Path:
    """A safetensors file of arrays, or of pairs (dtype of the format, array)."""
    header, data = {}, b""
    for name, value in tensors.items():
        dtype, array = value if isinstance(value, tuple) else ("F32", np.asarray(value, np.float32))
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def table(rows: int = 6, columns: int = 3, seed: int = 1) -> np.ndarray[Any, Any]:
    """A matrix of random numbers."""
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def described(*names: str, full_names: dict[str, str] | None = None) -> Checkpoint:
    """A checkpoint of matrices that lie nowhere, each a storage of its own."""
    tensors = {
        name: Tensor.contiguous(name, (60 + place, 4), "float32", "/nowhere", 10_000 * place)
        for place, name in enumerate(names)
    }
    return Checkpoint("/nowhere", "safetensors", {}, tensors, "", full_names=full_names or {})


def refusal(checkpoint: Checkpoint, name: str | None = None) -> CharvecError:
    """The error of looking for an embedding."""
    with pytest.raises(CharvecError) as caught:
        find_embedding(checkpoint, name)
    return caught.value


FAMILIES = {
    "BERT": "bert.embeddings.word_embeddings.weight",
    "BERT without head": "embeddings.word_embeddings.weight",
    "BERT in DataParallel": "module.bert.embeddings.word_embeddings.weight",
    "BERT, compiled": "_orig_mod.module.bert.embeddings.word_embeddings.weight",
    "BERT, Lightning": "state_dict.model.bert.embeddings.word_embeddings.weight",
    "RoBERTa, XLM-R": "roberta.embeddings.word_embeddings.weight",
    "ALBERT": "albert.embeddings.word_embeddings.weight",
    "ELECTRA": "electra.embeddings.word_embeddings.weight",
    "ERNIE": "ernie.embeddings.word_embeddings.weight",
    "NEZHA": "nezha.embeddings.word_embeddings.weight",
    "RoFormer": "roformer.embeddings.word_embeddings.weight",
    "DistilBERT": "distilbert.embeddings.word_embeddings.weight",
    "DeBERTa": "deberta.embeddings.word_embeddings.weight",
    "ModernBERT": "model.embeddings.tok_embeddings.weight",
    "XLNet": "transformer.word_embedding.weight",
    "T5": "shared.weight",
    "BART": "model.shared.weight",
    "T5 encoder": "encoder.embed_tokens.weight",
    "GPT-2": "transformer.wte.weight",
    "GPT-2 bare": "wte.weight",
    "Falcon, BLOOM": "transformer.word_embeddings.weight",
    "BLOOM bare": "word_embeddings.weight",
    "LLaMA, Qwen": "model.embed_tokens.weight",
    "LoRA base": "base_model.model.model.embed_tokens.weight",
    "InternLM 2": "model.tok_embeddings.weight",
    "Meta": "tok_embeddings.weight",
    "ChatGLM 2": "transformer.embedding.word_embeddings.weight",
    "Phi-1": "transformer.embd.wte.weight",
    "NeoX": "gpt_neox.embed_in.weight",
    "Mamba": "backbone.embedding.weight",
    "Mamba 2": "backbone.embeddings.weight",
    "RWKV": "rwkv.embeddings.weight",
    "LLaVA": "language_model.model.embed_tokens.weight",
    "Gemma 3": "model.language_model.embed_tokens.weight",
    "CLIP": "text_model.embeddings.token_embedding.weight",
    "sentence-transformers static": "embedding.weight",
    "model2vec": "embeddings",
    "TF BERT": "bert/embeddings/word_embeddings",
    "TF XLNet": "model/transformer/word_embedding/lookup_table",
    "TF ELECTRA": "electra/embeddings/word_embeddings",
    "TF GPT-2": "model/wte",
    "TF T5": "shared/embedding",
    "Paddle": "embedding_0.w_0",
    "Paddle static": "word_embedding",
}

#: What may lie beside it in the same file, and is larger.
DISTRACTIONS = (
    "embeddings.position_embeddings.weight",
    "bert.embeddings.token_type_embeddings.weight",
    "bert/embeddings/word_embeddings/adam_m",
    "bert/embeddings/word_embeddings/adam_v",
    "bert/embeddings/word_embeddings/AdamWeightDecayOptimizer",
    "shared/embedding_slot_v",
    "bert/embeddings/word_embeddings/.OPTIMIZER_SLOT/optimizer/m",
    "optimizer.exp_avg.embed_tokens.weight",
    "lm_head.weight",
    "cls.predictions.decoder.weight",
    "output.weight",
    "output_embeddings.weight",
    "model.embed_tokens.lora_A.weight",
    "model.language_model.embed_tokens_per_layer.weight",
    "visual.embed_tokens.weight",
    "word_embeddings_layernorm.weight",
    "pooler.dense.weight",
    "generator/embeddings/word_embeddings",
    "generator.embeddings.word_embeddings.weight",
    "decoder.embed_tokens.weight",
    "model.layers.61.embed_tokens.weight",
    "encoder.layer.0.attention.self.query.weight",
)


@pytest.mark.parametrize("family", FAMILIES)
def test_names(family: str) -> None:
    """The name each family of models uses is found, alone and among larger tables that are something else."""
    name = FAMILIES[family]
    choice = find_embedding(described(name))
    assert choice.tensor.name == name
    assert repr(name) in choice.reason
    others = [each for each in DISTRACTIONS if each != name]
    for names in ((name, *others), (*others, name)):
        assert find_embedding(described(*names)).tensor.name == name


@pytest.mark.parametrize("name", DISTRACTIONS[:17])
def test_never_these(name: str) -> None:
    """Tables that are no input embedding are not taken even when there is nothing else."""
    assert refusal(described(name, "dense.weight")).code == "E-NO-TENSOR"


def test_t5_shares_its_embedding() -> None:
    """``shared`` comes before the copies of it in encoder and decoder."""
    names = ("decoder.embed_tokens.weight", "encoder.embed_tokens.weight", "shared.weight")
    assert find_embedding(described(*names)).tensor.name == "shared.weight"
    assert find_embedding(described(*names[:2])).tensor.name == "encoder.embed_tokens.weight"


def test_names_of_tensorflow_variables() -> None:
    """A trailing ``:0`` is cut, and of an object graph the variable's full name counts."""
    assert find_embedding(described("bert/embeddings/word_embeddings:0")).tensor.name.endswith(":0")
    key = "model/emb/.ATTRIBUTES/VARIABLE_VALUE"
    full = {key: "bert/embeddings/word_embeddings", "a": "bert/embeddings/word_embeddings/Adam"}
    assert find_embedding(described("a", key, full_names=full)).tensor.name == key


def test_a_likely_name() -> None:
    """Where no known name is there, one that is like an embedding of tokens is taken, and the reason says so."""
    choice = find_embedding(described("x.my_token_embedding.table", "x.dense"))
    assert choice.reason == "'x.my_token_embedding.table' is named like an embedding of tokens"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes(prefix: str) -> None:
    """Wrappers are removed again and again, in any order, but never the whole name."""
    for names in (group for _, group in NAMES):
        for name in names:
            assert bare_name(prefix * 3 + "module.model." + name) == bare_name(name)
            assert bare_name(name)


def test_ambiguous(tmp_path: Path) -> None:
    """Two candidates: both are listed with shape and element type, and the option that decides; the size does not."""
    tensors = {
        "query.bert.embeddings.word_embeddings.weight": table(6, 3),
        "document.bert.embeddings.word_embeddings.weight": ("F16", table(60, 2).astype(np.float16)),
    }
    checkpoint = checkpoints.read(save(tmp_path / "m", tensors))
    error = refusal(checkpoint)
    assert isinstance(error, Ambiguous)
    assert (error.code, error.exit_code) == ("E-AMBIGUOUS", 65)
    assert error.found == (
        "query.bert.embeddings.word_embeddings.weight [6, 3] float32; "
        "document.bert.embeddings.word_embeddings.weight [60, 2] float16"
    )
    assert "--tensor" in error.help
    for name in tensors:
        choice = find_embedding(checkpoint, name)
        assert (choice.tensor.name, choice.reason) == (name, "you named it")


def test_hundreds_of_candidates() -> None:
    """Not all of them are listed."""
    error = refusal(described(*(f"expert{number}.tok_embed" for number in range(500))))
    assert error.code == "E-AMBIGUOUS"
    assert str(error.found).endswith("and 480 more")


def test_tied_by_storage() -> None:
    """Two names for the same bytes are one embedding; the same place in another shape is not."""
    tensors = {
        name: Tensor.contiguous(name, (60, 4), "float32", "/nowhere", 0) for name in ("a.tok_embed", "b.tok_embed")
    }
    choice = find_embedding(Checkpoint("/nowhere", "pytorch", {}, tensors, ""))
    assert (choice.tensor.name, choice.others) == ("a.tok_embed", ("b.tok_embed",))
    assert choice.reason.endswith("; b.tok_embed holds the same values")
    tensors["b.tok_embed"] = Tensor.contiguous("b.tok_embed", (30, 4), "float32", "/nowhere", 0)
    assert refusal(Checkpoint("/nowhere", "pytorch", {}, tensors, "")).code == "E-AMBIGUOUS"


def test_tied_by_value(tmp_path: Path) -> None:
    """Copies are one embedding too; one changed row, or a matrix of zeros, is no proof of being tied."""
    one = table(50, 4)
    changed = one.copy()
    changed[17, 3] += 1
    cases = [
        (one, one, True),
        (one, changed, False),
        (np.zeros((5, 4)), np.zeros((5, 4)), False),
        (one, one[:49], False),
    ]
    for first, second, tied in cases:
        checkpoint = checkpoints.read(save(tmp_path / "m", {"a.tok_embed": first, "b.tok_embed": second}))
        if tied:
            assert find_embedding(checkpoint).others == ("b.tok_embed",)
        else:
            assert refusal(checkpoint).code == "E-AMBIGUOUS"


def test_what_is_no_matrix(tmp_path: Path) -> None:
    """The right name on something that is no matrix of floats: said so, instead of taking another tensor."""
    name, other = "bert.embeddings.word_embeddings.weight", {"x.tok_embed": table()}
    for value, code in (
        (np.zeros(12), "E-NOT-2D"),
        (np.zeros((2, 3, 2)), "E-NOT-2D"),
        (np.zeros((0, 3)), "E-NOT-2D"),
        (np.zeros((3, 0)), "E-NOT-2D"),
        (np.zeros(()), "E-NOT-2D"),
        (("I8", np.zeros((6, 3), np.int8)), "E-QUANTISED"),
        (("C64", np.zeros((6, 3), np.complex64)), "E-QUANTISED"),
    ):
        checkpoint = checkpoints.read(save(tmp_path / "m", {name: value, **other}))
        for wanted in (None, name):
            error = refusal(checkpoint, wanted)
            assert (error.code, error.exit_code) == (code, 65)
            assert name in error.message


def test_no_such_tensor() -> None:
    """A name that is not there is answered with the nearest one that is."""
    error = refusal(described("embeddings.word_embeddings.weight"), "embedding.word_embeddings.weight")
    assert (error.code, error.exit_code) == ("E-NO-TENSOR-NAMED", 66)
    assert error.found == "did you mean 'embeddings.word_embeddings.weight'?"


def test_a_checkpoint_without_tensors(tmp_path: Path) -> None:
    """An empty checkpoint has no embedding."""
    assert refusal(checkpoints.read(save(tmp_path / "m", {}))).code == "E-NO-TENSOR"


def test_long_names_do_not_make_long_messages() -> None:
    """What is listed of a hostile file stays short."""
    assert len(str(refusal(described("x" * 100_000)).found)) < 200


def vocabulary(folder: Path, size: int) -> None:
    """A vocabulary of so many pieces: [PAD], [UNK], 一, 丁, ..."""
    pieces = ["[PAD]", "[UNK]", *(chr(0x4E00 + place) for place in range(size - 2))]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")


def test_vocabulary_and_matrix_must_fit(tmp_path: Path) -> None:
    """More pieces than rows is a wrong pair; fewer is padding, which is said; as many needs no word."""
    save(tmp_path / "model.safetensors", {"embeddings.word_embeddings.weight": table(6)})
    for size, code in ((7, "E-VOCAB-ROWS"), (6, None), (5, "W-VOCAB-PADDED")):
        vocabulary(tmp_path, size)
        if code == "E-VOCAB-ROWS":
            with pytest.raises(CharvecError) as caught:
                charvec.open(tmp_path)
            assert caught.value.code == code
            assert "7 pieces" in caught.value.message
            assert "6 rows" in caught.value.message
        else:
            model = charvec.open(tmp_path)
            assert [note.code for note in model.notes] == ["N-CASING"] + [code] * bool(code)


def test_open_by_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder or file, as text or as a path, from anywhere, with the vocabulary beside it or elsewhere."""
    (tmp_path / "model").mkdir()
    (tmp_path / "vocabulary").mkdir()
    path = save(tmp_path / "model" / "model.safetensors", {"embeddings.word_embeddings.weight": table(6)})
    vocabulary(tmp_path / "vocabulary", 6)
    with pytest.raises(CharvecError) as caught:
        charvec.open(path)
    assert caught.value.code == "E-VOCAB-MISSING"
    assert charvec.open(path, vocab=tmp_path / "vocabulary" / "vocab.txt").dim == 3
    vocabulary(tmp_path / "model", 6)
    monkeypatch.chdir(tmp_path / "model")
    for name in (path, str(path), path.parent, ".", "model.safetensors", "./model.safetensors"):
        assert charvec.open(name).tensor.shape == (6, 3)


def test_a_folder_of_sentence_transformers(tmp_path: Path) -> None:
    """The model proper may lie in the folder of the first module, with its vocabulary."""
    (tmp_path / "0_Transformer").mkdir()
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "modules.json").write_text("[]")
    save(tmp_path / "0_Transformer" / "model.safetensors", {"embeddings.word_embeddings.weight": table(6)})
    vocabulary(tmp_path / "0_Transformer", 6)
    assert charvec.open(tmp_path).tensor.shape == (6, 3)


@pytest.mark.parametrize("name", ["a\0b", "no-such-model"])
def test_names_that_are_no_paths(name: str) -> None:
    """A name nothing can have is a mistake in the call; one that nothing has is not found."""
    for options in ({"model": name}, {"vocab": name}):
        with pytest.raises(CharvecError) as caught:
            charvec.open(**options)  # type: ignore[arg-type]
        # a model of that name could be on the hub, which the tests do not ask
        missing = "E-OFFLINE" if "model" in options else "E-NOT-FOUND"
        assert caught.value.code == ("E-PATH" if "\0" in name else missing)


def test_the_bundled_model() -> None:
    """Without a model, the small BERT that comes with charvec is opened."""
    model = charvec.open()
    assert model.name == bundled_model()
    assert model.tensor.name == "embeddings.word_embeddings.weight"
    assert model.vocabulary.size == model.tensor.rows
    assert model.vocabulary.settings["lowercase"] is False
