"""Rows multiplied up to the model's own size, against the modules of transformers that do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_embedding import save, table, vocabulary

import charvec
from charvec.cli import main
from charvec.errors import CharvecError
from charvec.projecting import project

SIZES = {"vocab_size": 40, "embedding_size": 6, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 8}
SIZES |= {"num_hidden_layers": 1}
MODELS: dict[str, tuple[str, dict[str, Any], str]] = {
    "albert": ("AlbertModel", SIZES, "encoder.embedding_hidden_mapping_in"),
    "albert with heads": ("AlbertForMaskedLM", SIZES, "albert.encoder.embedding_hidden_mapping_in"),
    "electra": ("ElectraModel", SIZES, "embeddings_project"),
    "electra with heads": ("ElectraForPreTraining", SIZES, "electra.embeddings_project"),
    "roformer": ("RoFormerModel", SIZES, "embeddings_project"),
    "convbert": ("ConvBertModel", SIZES, "embeddings_project"),
    "deberta": ("DebertaV2Model", SIZES, "embeddings.embed_proj"),
    "opt": (
        "OPTModel",
        {"vocab_size": 40, "word_embed_proj_dim": 6, "hidden_size": 16, "ffn_dim": 8}
        | {"num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 8},
        "decoder.project_in",
    ),
}


def written(folder: Path, name: str) -> Any:
    """A small random model, saved by transformers itself; the model."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    kind, sizes, _ = MODELS[name]
    torch.manual_seed(5)
    model_class = getattr(transformers, kind)
    model = model_class(model_class.config_class(**sizes))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    vocabulary(folder, 40)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_projections_of_transformers(name: str, tmp_path: Path) -> None:
    """The module's own answer in double precision is ours, rounded once; by default rows stay as they are."""
    torch = pytest.importorskip("torch")
    model = written(tmp_path, name)
    _, _, where = MODELS[name]
    module = model.get_submodule(where).double()
    rows = model.get_input_embeddings().weight.detach()
    expected = module(rows.double()).detach().float().numpy()
    raw, hidden = charvec.open(tmp_path), charvec.open(tmp_path, space="hidden")
    assert (raw.dim, hidden.dim) == (6, 16)
    assert [note.code for note in raw.notes if "PROJ" in note.code] == ["N-PROJECTION"]
    assert not [note for note in hidden.notes if "PROJ" in note.code]
    assert hidden.projection is not None
    assert hidden.projection.weight.name == where + ".weight"
    assert (hidden.projection.bias is not None) == (module.bias is not None)
    vectors = charvec.lookup(hidden, "一丁七")
    assert np.allclose(vectors.matrix, expected[[2, 3, 5]], rtol=1e-6, atol=0)
    assert vectors.source["source"]["space"] == hidden.projection.as_dict()
    assert charvec.lookup(raw, "一").matrix.tobytes() == rows[2].numpy().tobytes()
    assert "space" not in charvec.lookup(raw, "一").source["source"]
    assert torch.equal(rows, model.get_input_embeddings().weight)


def test_verify_proves_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``verify --against`` goes by what the file says; another projection with the same matrix is noticed."""
    folder = tmp_path / "m"
    folder.mkdir()
    tensors = {
        "albert.embeddings.word_embeddings.weight": table(40, 6),
        "albert.encoder.embedding_hidden_mapping_in.weight": table(16, 6, seed=2),
        "albert.encoder.embedding_hidden_mapping_in.bias": table(16, 1, seed=3)[:, 0],
    }
    save(folder / "model.safetensors", tensors)
    vocabulary(folder, 40)
    (tmp_path / "t.txt").write_text("一丁七Ⅷ", "utf-8")
    out = str(tmp_path / "v.h5")
    for space, dim in (("hidden", 16), ("raw", 6)):
        assert main(["dump", str(tmp_path / "t.txt"), "-m", str(folder), "--space", space, "-o", out, "-f", "-q"]) == 0
        assert charvec.load(out).dim == dim
        assert main(["verify", out, "--against", str(folder)]) == 0
        assert "bit-equal" in capsys.readouterr().out
        assert main(["info", out]) == 0
        assert f"{space}: rows" in capsys.readouterr().out
    assert main(["dump", str(tmp_path / "t.txt"), "-m", str(folder), "--space", "hidden", "-o", out, "-f", "-q"]) == 0
    assert main(["tensors", str(folder)]) == 0
    assert "--space hidden" in capsys.readouterr().out
    assert main(["tensors", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spaces"] == ["raw", "hidden"]
    tensors["albert.encoder.embedding_hidden_mapping_in.bias"][0] += 1
    save(folder / "model.safetensors", tensors)
    assert main(["verify", out, "--against", str(folder)]) == 1
    assert "another projection" in capsys.readouterr().err
    # a model that has no such space is another one; the file's is asked of none
    tensors = {name: tensor for name, tensor in tensors.items() if "mapping" not in name}
    save(folder / "model.safetensors", tensors)
    assert main(["verify", out, "--against", str(folder)]) == 1
    assert "the file has 16 dimensions, the model 6" in capsys.readouterr().err


def test_what_cannot_be_projected(tmp_path: Path) -> None:
    """Models without one, MobileBERT by name, shapes that do not fit, elements that are no plain numbers."""
    word, stem = "embeddings.word_embeddings.weight", "embeddings_project"
    vocabulary(tmp_path, 6)
    whole = np.zeros((5, 3), np.int8)
    for others, code in (
        ({}, "E-SPACE"),
        ({"embeddings.embedding_transformation.weight": table(5, 9)}, "E-SPACE"),
        ({"generator.embeddings_project.weight": table(5, 3)}, "E-SPACE"),
        ({f"{stem}.weight": table(5, 4)}, "E-PROJECTION"),
        ({f"{stem}.weight": np.zeros(3)}, "E-PROJECTION"),
        ({f"{stem}.weight": table(5, 3), f"{stem}.bias": np.zeros(3)}, "E-PROJECTION"),
        ({f"{stem}.weight": ("I8", whole)}, "E-QUANTISED"),
    ):
        save(tmp_path / "model.safetensors", {word: table(6, 3), **others})
        with pytest.raises(CharvecError) as caught:
            charvec.open(tmp_path, space="hidden")
        assert caught.value.code == code
        assert charvec.open(tmp_path).dim == 3
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path, space="other")
    assert caught.value.code == "E-SPACE"


def test_many_rows_in_portions(tmp_path: Path) -> None:
    """Where the portions are cut does not show; every bit is that of the plain sum, column after column."""
    tensors = {"embeddings.word_embeddings.weight": table(6, 3), "embeddings_project.weight": table(5, 3, seed=2)}
    save(tmp_path / "model.safetensors", tensors)
    vocabulary(tmp_path, 6)
    projection = charvec.open(tmp_path, space="hidden").projection
    assert projection is not None
    rows = table(3000, 3, seed=4)
    one, two, three = (
        rows.astype(np.float64).T[:, :, None] * tensors["embeddings_project.weight"].astype(float).T[:, None]
    )
    expected = ((one + two) + three).astype(np.float32)
    assert project(projection, rows).tobytes() == expected.tobytes()
    assert project(projection, rows[7:8]).tobytes() == expected[7:8].tobytes()


def test_what_is_only_told(tmp_path: Path) -> None:
    """Scaling and normalising are named in the provenance, and not done."""
    vocabulary(tmp_path, 6)
    word, norm = "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight"
    for names, config, told in (
        ((word, norm), {"model_type": "bert"}, ["LayerNorm"]),
        ((word, "cls.embeddings.LayerNorm.weight"), {}, None),
        (("model.embed_tokens.weight",), {"model_type": "gemma3_text"}, ["times sqrt(dim)"]),
        (("model.shared.weight",), {"model_type": "mbart", "scale_embedding": True}, ["times sqrt(dim)"]),
        (("model.shared.weight",), {"model_type": "bart", "scale_embedding": False}, None),
        (("model.embed_tokens.weight",), {"model_type": ["gemma"]}, None),
        (("emb.weight", "blocks.0.ln0.weight"), {}, ["LayerNorm"]),
        (("rwkv.embeddings.weight", "rwkv.blocks.0.pre_ln.weight"), {"model_type": "rwkv"}, ["LayerNorm"]),
    ):
        rows = table(6, 3)
        save(tmp_path / "model.safetensors", {names[0]: rows, **{name: np.ones(3) for name in names[1:]}})
        (tmp_path / "config.json").write_text(json.dumps(config))
        vectors = charvec.lookup(charvec.open(tmp_path), "一")
        assert vectors.source["source"].get("model_goes_on_with") == told
        assert vectors.matrix.tobytes() == rows[2].tobytes()
