"""The input embedding against what other programs say it is, and tables that are stored with scales or maps."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_embedding import described, refusal, save, table

import charvec
from charvec import checkpoints
from charvec.cli import main
from charvec.errors import CharvecError
from charvec.finding import Choice, find_embedding
from charvec.plumbing.models.embedding_names import bare_name, ranked_names
from charvec.quantised import float8_values
from charvec.rows import read_rows
from charvec.tensor import Checkpoint, Tensor

DATA = Path(__file__).resolve().parent / "data"
NAMES: dict[str, tuple[list[str], list[str]]] = json.loads(
    gzip.decompress((DATA / "embedding_names" / "transformers-5.24.0.json.gz").read_bytes())
)


def chosen(path: Path) -> Choice:
    """The choice in a file."""
    return find_embedding(checkpoints.read(path))


def all_rows(choice: Choice) -> np.ndarray[Any, Any]:
    """The whole matrix."""
    return read_rows(choice.tensor, np.arange(choice.tensor.rows))[0]


# -- names -----------------------------------------------------------------------------------------------------------


def test_every_model_of_transformers() -> None:
    """Among all matrices of a model, the one that transformers calls its input embedding."""
    assert len(NAMES) > 700
    wrong = {}
    for model, (answer, names) in NAMES.items():
        place = {name: 0 if name in answer else 1000 * number for number, name in enumerate(names, 1)}
        tensors = {name: Tensor.contiguous(name, (9, 3), "float32", "/nowhere", place[name]) for name in names}
        try:
            taken = find_embedding(Checkpoint("/nowhere/m", "safetensors", {}, tensors, "")).tensor.name
        except CharvecError as error:
            taken = error.code
        if taken not in answer:
            wrong[model] = taken
    assert wrong == {}


def test_every_name_of_gguf() -> None:
    """All names that the converter of GGUF files knows for the table, among all its names for other tensors."""
    pytest.importorskip("gguf")
    from gguf.constants import MODEL_TENSOR
    from gguf.tensor_mapping import TensorNameMap

    aliases = {**TensorNameMap.mappings_cfg, **TensorNameMap.block_mappings_cfg}
    tables = aliases[MODEL_TENSOR.TOKEN_EMBD]
    assert len(tables) > 20
    others = [
        alias.format(bid=0) + ".weight"
        for tensor, names in aliases.items()
        if tensor != MODEL_TENSOR.TOKEN_EMBD
        for alias in names
    ]
    for alias in tables:
        names = [*others, alias + ".weight"]
        assert ranked_names({name: name for name in names})[0][1] == [alias + ".weight"]


@pytest.mark.parametrize("architecture", ["albert", "bart", "bert", "electra", "gpt2", "mamba", "qwen3", "t5", "xlnet"])
def test_a_model_of_transformers(architecture: str) -> None:
    """The same with the library that is installed, for a few that stand for the rest."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(transformers.CONFIG_MAPPING[architecture]())
    weight, state = model.get_input_embeddings().weight, model.state_dict(keep_vars=True)
    answer = [name for name, value in state.items() if value is weight]
    tensors = {
        name: Tensor.contiguous(
            name, tuple(value.shape), "float32", "/nowhere", 0 if name in answer else 10**9 * number
        )
        for number, (name, value) in enumerate(state.items(), 1)
    }
    assert find_embedding(Checkpoint("/nowhere/m", "safetensors", {}, tensors, "")).tensor.name in answer


def test_parts_beside_the_main_one() -> None:
    """A generator, a decoder, a draft head, another tower: passed over, unless there is nothing else."""
    for part in (
        "discriminator.electra.embeddings.word_embeddings.weight",
        "generator.electra.embeddings.word_embeddings.weight",
    ):
        assert find_embedding(described(part)).tensor.name == part
    cases = {
        "discriminator.electra.embeddings.word_embeddings.weight": "generator.electra.word_embeddings.weight",
        "text_encoder.embed_tokens.weight": "text_decoder.decoder.embed_tokens.weight",
        "thinker.model.embed_tokens.weight": "talker.model.embed_tokens.weight",
        "model.embed_tokens.weight": "model.mtp.embed_tokens.weight",
        "vlm.language_model.embed_tokens.weight": "dit.embed_tokens.weight",
        "x.word_embeddings.weight": "x.layers.7.word_embeddings.weight",
    }
    for first, other in cases.items():
        for names in ((first, other), (other, first)):
            assert find_embedding(described(*names)).tensor.name == first
    two = ("model.mtp.0.embed_tokens.weight", "model.mtp.1.embed_tokens.weight")
    assert refusal(described(*two)).code == "E-AMBIGUOUS"


def test_an_equal_name_that_cannot_be_read() -> None:
    """It is no reason to take the other in silence: it may be the right one."""
    tensors = {
        name: Tensor.contiguous(name, (9, 3), dtype, "/nowhere", 1000 * place)
        for place, (name, dtype) in enumerate(
            (("model.mtp.0.embed_tokens.weight", "float32"), ("model.mtp.1.embed_tokens.weight", "int8"))
        )
    }
    for order in (list(tensors), list(tensors)[::-1]):
        checkpoint = Checkpoint("/nowhere/m", "safetensors", {}, {name: tensors[name] for name in order}, "")
        answer = refusal(checkpoint)
        assert answer.code == "E-AMBIGUOUS" and "int8" in str(answer.found)
        assert find_embedding(checkpoint, "model.mtp.0.embed_tokens.weight").tensor.dtype == "float32"


def test_adapters_of_peft() -> None:
    """The trained copy beats the original, the table below an adapter is taken with a warning, an adapter has none."""
    stem = "base_model.model.model.embed_tokens."
    trained, original = stem + "modules_to_save.default.weight", stem + "original_module.weight"
    for names in ((trained, original), (original, trained)):
        choice = find_embedding(described(*names, "base_model.model.lm_head.modules_to_save.default.weight"))
        assert choice.tensor.name == trained
    lora = (stem + "lora_embedding_A.default", stem + "lora_embedding_B.default")
    choice = find_embedding(described(stem + "base_layer.weight", *lora))
    assert choice.tensor.name == stem + "base_layer.weight"
    assert [note.code for note in choice.notes] == ["W-ADAPTER"]
    assert "LoRA adapter" in refusal(described(*lora)).help
    delta = stem + "token_adapter.trainable_tokens_delta.default"
    choice = find_embedding(described(stem + "token_adapter.base_layer.weight", delta))
    assert [note.code for note in choice.notes] == ["W-ADAPTER"]


@settings(deadline=None)
@given(st.text())
def test_any_name_can_be_judged(name: str) -> None:
    """Hostile names neither hang nor become nothing."""
    assert bool(bare_name(name)) == bool(re.sub(r":0$|/0$|/\.ATTRIBUTES/VARIABLE_VALUE$", "", name))
    assert len(ranked_names({name: name})) <= 1


def test_long_names_are_judged_in_no_time() -> None:
    """No expression runs away."""
    for name in (
        "a" * 1_000_000,
        "model." * 100_000 + "wte",
        "x" + ".weight" * 100_000,
        "_" * 1_000_000,
        "." * 100_000,
    ):
        ranked_names({name: name})


# -- tied tables -----------------------------------------------------------------------------------------------------


def test_names_that_safetensors_left_out(tmp_path: Path) -> None:
    """Its ``save_model`` keeps the first name of tied weights in the alphabet, and notes the others."""
    torch, st_torch = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    model = torch.nn.Module()
    model.model = torch.nn.Module()
    model.model.embed_tokens = torch.nn.Embedding(20, 4)
    model.lm_head = torch.nn.Linear(4, 20, bias=False)
    model.lm_head.weight = model.model.embed_tokens.weight
    path = tmp_path / "model.safetensors"
    st_torch.save_model(model, str(path))
    checkpoint = checkpoints.read(path)
    assert list(checkpoint) == ["lm_head.weight"]
    assert checkpoint.aliases == {"model.embed_tokens.weight": "lm_head.weight"}
    choice = find_embedding(checkpoint)
    assert choice.reason == (
        "'lm_head.weight' is by its file the same as 'model.embed_tokens.weight', the name decoder models use"
    )
    assert all_rows(choice).tobytes() == model.lm_head.weight.detach().numpy().tobytes()
    assert find_embedding(checkpoint, "model.embed_tokens.weight").tensor.name == "lm_head.weight"


def test_the_output_matrix(tmp_path: Path) -> None:
    """It is taken only when the configuration says that it is the input embedding too."""
    path = save(tmp_path / "model.safetensors", {"lm_head.weight": table(6), "model.norm.weight": np.zeros(3)})
    assert "only if the model ties it" in refusal(checkpoints.read(path)).help
    for config, tied in (
        ({"tie_word_embeddings": True}, True),
        ({"text_config": {"tie_word_embeddings": True}}, True),
        ({"tie_word_embeddings": False}, False),
        ({"tie_word_embeddings": "true"}, False),
        ({"tie_word_embeddings": 1}, False),
        ({}, False),
        ([], False),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        if tied:
            assert chosen(path).tensor.name == "lm_head.weight"
        else:
            assert refusal(checkpoints.read(path)).code == "E-NO-TENSOR"
    both = save(tmp_path / "both.safetensors", {"lm_head.weight": table(6), "model.embed_tokens.weight": table(6)})
    (tmp_path / "config.json").write_text('{"tie_word_embeddings": true}')
    assert chosen(both).tensor.name == "model.embed_tokens.weight"


def test_what_the_configuration_promises(tmp_path: Path) -> None:
    """Fewer rows than it says is worth a warning, more is padding; a damaged one is left aside, with a word."""
    path = save(tmp_path / "model.safetensors", {"model.embed_tokens.weight": table(6)})
    for text, codes in (
        ('{"vocab_size": 7}', ["W-CONFIG-ROWS"]),
        ('{"text_config": {"vocab_size": 7}}', ["W-CONFIG-ROWS"]),
        ('{"vocab_size": 6}', []),
        ('{"vocab_size": 5}', []),
        ('{"vocab_size": -7}', []),
        ('{"vocab_size": "7"}', []),
        ('{"vocab_size": 7', ["W-CONFIG"]),
        ("[" * 100_000, ["W-CONFIG"]),
        ("[7]", ["W-CONFIG"]),
        ("", ["W-CONFIG"]),
    ):
        (tmp_path / "config.json").write_text(text)
        assert [note.code for note in chosen(path).notes] == codes


# -- scales ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2"])
def test_all_8_bit_floats(dtype: str) -> None:
    """Each of the 256 bytes is the number PyTorch makes of it; NaN is NaN."""
    expected, ours = np.load(DATA / "quantised" / f"{dtype}.npy"), float8_values(dtype)
    assert ours.dtype == np.float32
    numbers = ~np.isnan(expected)
    assert ours[numbers].tobytes() == expected[numbers].tobytes()
    assert np.isnan(ours[~numbers]).all()


@pytest.mark.parametrize("kind", ["tensor", "row", "block"])
def test_scales_of_compressed_tensors(kind: str) -> None:
    """Its own decompression rounds the products to bfloat16; so rounded, ours are the same to the bit."""
    folder = DATA / "quantised"
    choice = chosen(folder / f"fp8_{kind}.safetensors")
    assert choice.tensor.quantised.startswith("float8_e4m3fn, one scale")
    rows, digest = read_rows(choice.tensor, np.array([299, 0, 127, 1, 128, 0]))
    ours = rows[[1, 3, 2, 4, 0]].view(np.uint32)
    rounded = ((ours + 0x7FFF + (ours >> 16 & 1)) >> 16 << 16).view(np.float32)
    assert rounded.tobytes() == np.load(folder / f"fp8_{kind}.npy").tobytes()
    assert rows[5].tobytes() == rows[1].tobytes()
    assert digest == read_rows(choice.tensor, np.array([0, 1, 127, 128, 299]))[1]


def test_packed_integers_are_refused() -> None:
    """Four of them in one: nothing that means anything by itself."""
    with pytest.raises(CharvecError) as caught:
        chosen(DATA / "quantised" / "int8_row.safetensors")
    assert caught.value.code == "E-QUANTISED"


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["_scale", "_scale_inv"]), st.integers(0, 2**32 - 1))
def test_scales_of_every_shape(rows: int, columns: int, suffix: str, seed: int) -> None:
    """Against the plain formula, for all three kinds of scales and any size of matrix."""
    import tempfile

    random = np.random.default_rng(seed)
    raw = random.integers(0, 120, (rows, columns), np.uint8)
    blocks = (-(-rows // 128), -(-columns // 128))
    for shape in ((), (1,), (rows,), (rows, 1), blocks):
        scale = random.random(shape).astype(np.float32)
        if shape == blocks and shape != (rows, 1):
            full = np.repeat(np.repeat(scale, 128, 0), 128, 1)[:rows, :columns]
        else:
            full = scale.reshape(-1, 1)
        expected = float8_values("float8_e5m2")[raw] * full
        with tempfile.TemporaryDirectory() as folder:
            tensors = {"embed_tokens.weight": ("F8_E5M2", raw), f"embed_tokens.weight{suffix}": scale}
            choice = chosen(save(Path(folder) / "m", tensors))
            assert all_rows(choice).tobytes() == expected.tobytes()


def test_scales_that_do_not_fit(tmp_path: Path) -> None:
    """Refused, as are tables without a scale in a file where others have one; a file without any is a conversion."""
    raw = ("F8_E4M3", np.arange(60, dtype=np.uint8).reshape(20, 3))
    for scale in (np.ones(7), np.ones((7, 3)), np.ones((0,)), np.ones((20, 7)), ("I32", np.ones(20, np.int32))):
        path = save(tmp_path / "m", {"embed_tokens.weight": raw, "embed_tokens.weight_scale": scale})
        with pytest.raises(CharvecError) as caught:
            chosen(path)
        assert caught.value.code == "E-SCALES"
    path = save(tmp_path / "m", {"embed_tokens.weight": raw, "dense.weight_scale": np.ones(1)})
    with pytest.raises(CharvecError) as caught:
        chosen(path)
    assert caught.value.code == "E-QUANTISED"
    choice = chosen(save(tmp_path / "m", {"embed_tokens.weight": raw}))
    assert choice.tensor.quantised == "float8_e4m3fn, without scales"
    assert all_rows(choice).tobytes() == float8_values("float8_e4m3fn")[raw[1]].tobytes()


def test_scales_in_another_shard(tmp_path: Path) -> None:
    """The shard with the scales is opened too, and named among the files; without it nothing is read."""
    raw = np.arange(60, dtype=np.uint8).reshape(20, 3)
    save(tmp_path / "a.safetensors", {"embed_tokens.weight": ("F8_E4M3", raw)})
    save(tmp_path / "b.safetensors", {"embed_tokens.weight_scale": np.full((1,), 2)})
    index = {"weight_map": {"embed_tokens.weight": "a.safetensors", "embed_tokens.weight_scale": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    choice = find_embedding(checkpoints.read(tmp_path))
    assert [Path(path).name for path in choice.tensor.paths] == ["a.safetensors", "b.safetensors"]
    assert all_rows(choice).tobytes() == (2 * float8_values("float8_e4m3fn")[raw]).tobytes()
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(CharvecError) as caught:
        find_embedding(checkpoints.read(tmp_path))
    assert caught.value.code == "E-SHARD-MISSING"


# -- rows shared by many pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "float16", "int8", "weighted", "shared", "shared_float16"])
def test_models_of_model2vec(kind: str) -> None:
    """The vectors of all pieces are, bit for bit, those model2vec itself takes."""
    choice = chosen(DATA / "model2vec" / kind)
    expected = np.load(DATA / "model2vec" / f"{kind}.npy")
    assert choice.tensor.shape == expected.shape == (44, 8)
    assert all_rows(choice).tobytes() == expected.tobytes()
    assert choice.tensor.quantised == {
        "int8": "int8, whose common scale is not stored",
        "weighted": "one weight a piece",
        "shared": "12 rows for 44 pieces, one weight a piece",
        "shared_float16": "12 rows for 44 pieces, one weight a piece",
    }.get(kind, "")


def test_a_model_of_model2vec_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its folder alone is enough; the file says how rows were stored, and is proven against it."""
    folder, out = str(DATA / "model2vec" / "shared_float16"), str(tmp_path / "v.h5")
    (tmp_path / "t.txt").write_text("一丁七，A", "utf-8")
    assert main(["dump", str(tmp_path / "t.txt"), "-m", folder, "-o", out, "-q"]) == 0
    vectors, expected = charvec.load(out), np.load(folder + ".npy")
    assert vectors["一"].tobytes() == expected[2].tobytes()
    assert vectors["A"].tobytes() == expected[32].tobytes()  # the row of a
    assert main(["verify", out, "--against", folder]) == 0
    assert main(["info", out]) == 0
    assert "12 rows for 44 pieces, one weight a piece" in capsys.readouterr().out


def test_maps_that_lead_astray(tmp_path: Path) -> None:
    """A row that is not there, or not as many entries as pieces."""
    for mapping, weights in (([0, 9], [1, 1]), ([0, -1], [1, 1]), ([0, 1, 1], [1, 1])):
        tensors = {
            "embeddings": table(3, 4),
            "mapping": ("I64", np.array(mapping, np.int64)),
            "weights": np.array(weights),
        }
        with pytest.raises(CharvecError) as caught:
            all_rows(chosen(save(tmp_path / "m", tensors)))
        assert caught.value.code == "E-SCALES"
    other = {"embeddings": table(3, 4), "weights": np.ones((4, 4))}
    assert chosen(save(tmp_path / "m", other)).tensor.quantised == ""


#: How programs pack an embedding of 32 x 64 into integers, 4 or 8 bits each, with what they put beside it.
PACKED = {
    "MLX": {"weight": ("U32", (32, 8)), "scales": ("F16", (32, 1)), "biases": ("F16", (32, 1))},
    "GPTQ": {
        "qweight": ("I32", (4, 64)),
        "scales": ("F16", (1, 64)),
        "qzeros": ("I32", (1, 8)),
        "g_idx": ("I32", (32,)),
    },
    "AWQ": {"qweight": ("I32", (32, 8)), "scales": ("F16", (1, 64)), "qzeros": ("I32", (1, 8))},
    "bitsandbytes, 4 bits": {
        "weight": ("U8", (1024, 1)),
        "weight.absmax": ("F32", (32,)),
        "weight.quant_map": ("F32", (16,)),
    },
    "bitsandbytes, 8 bits": {"weight": ("I8", (32, 64)), "SCB": ("F32", (32,))},
    "compressed-tensors": {
        "weight_packed": ("I32", (32, 8)),
        "weight_scale": ("F16", (32, 1)),
        "weight_shape": ("I64", (2,)),
    },
}
SIZES = {"U32": "u4", "I32": "i4", "F16": "f2", "F32": "f4", "U8": "u1", "I8": "i1", "I64": "i8"}


@pytest.mark.parametrize("program", PACKED)
def test_packed_embeddings_are_refused(program: str, tmp_path: Path) -> None:
    """Neither the integers nor the scales beside them are handed out as rows; other layers may be packed."""

    def of(module: str) -> dict[str, Any]:
        return {
            f"{module}.{name}": (dtype, np.ones(shape, SIZES[dtype]))
            for name, (dtype, shape) in PACKED[program].items()
        }

    packed = save(tmp_path / "packed.safetensors", of("model.embed_tokens") | of("model.layers.0.mlp.up_proj"))
    with pytest.raises(CharvecError) as caught:
        chosen(packed)
    assert caught.value.code == "E-QUANTISED"
    layers = {"model.embed_tokens.weight": table(32, 64)} | of("model.layers.0.mlp.up_proj")
    choice = chosen(save(tmp_path / "layers.safetensors", layers))
    assert np.array_equal(all_rows(choice), table(32, 64))
