"""Trimmed SentencePiece files: the library loads them and cuts every text of kept characters as before."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charvec
from charvec import cli
from charvec.errors import CharvecError
from charvec.plumbing.protobuf import fields
from charvec.plumbing.spelling.charsmap import Charsmap
from charvec.plumbing.spelling.piece_file import without
from charvec.vocabularies import sentencepiece as member

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ROOT / "samples" / "texts"
DATA = ROOT / "tests" / "data" / "vocabularies" / "sentencepiece"
#: Some of them melt together, some are changed, some are unknown to the small models.
CHARS = "水火木的是不了人，。 aAé，…㎡か\u3099がﬁ①\u3000\u0301ｶﾞ１龘𠮟"


def folder(path: Path, data: bytes, name: str, offset: int = 0, behind: int = 0, **config: Any) -> Path:
    """A model with that vocabulary, and rows of random numbers: those in front of it, its own and those behind it."""
    path.mkdir()
    (path / name).write_bytes(data)
    rows = len(member.parse(data).pieces) + offset + behind
    matrix = np.random.default_rng(1).standard_normal((rows, 4), np.float32)
    about = {"dtype": "F32", "shape": [rows, 4], "data_offsets": [0, matrix.nbytes]}
    header = json.dumps({"embed_tokens.weight": about}).encode()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + matrix.tobytes())
    (path / "config.json").write_text(json.dumps({"vocab_size": rows, "eos_token_id": 2}))
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path


def assert_cut_alike(
    old: Path, new: Path, old_ids: Any, parts: Iterable[str], offset: int = 0, count: int = 400
) -> None:
    """The library gives the same pieces, and ids that are the same up to the map."""
    sentencepiece = pytest.importorskip("sentencepiece")
    before, after = (sentencepiece.SentencePieceProcessor(model_file=str(path)) for path in (old, new))
    generator = random.Random(3)
    for _ in range(count):
        text = "".join(generator.choices([*parts, " ", " "], k=generator.randrange(1, 50)))
        pieces = before.encode(text, out_type=str)
        assert after.encode(text, out_type=str) == pieces, text
        ids = [each + offset for each in after.encode(text)]
        assert old_ids[ids].tolist() == [each + offset for each in before.encode(text)], text
        assert after.decode(after.encode(text)) == before.decode(before.encode(text))
    for mark in ("bos_id", "eos_id", "pad_id", "unk_id"):
        one, two = getattr(before, mark)(), getattr(after, mark)()
        assert two == one or old_ids[two + offset] == one + offset


@pytest.mark.parametrize(
    ("tokenizer", "name", "offset", "behind"),
    [
        ("T5Tokenizer", "spiece.model", 0, 128),
        ("XLMRobertaTokenizer", "sentencepiece.bpe.model", 1, 1),
        ("CamembertTokenizer", "sentencepiece.bpe.model", 4, 1),
        ("PegasusTokenizer", "spiece.model", 103, 0),
        ("LlamaTokenizer", "tokenizer.model", 0, 0),
        ("AlbertTokenizer", "spiece.model", 0, 0),
    ],
)
@pytest.mark.parametrize("model", ["unigram", "unigram_bytes", "bpe_bytes", "bpe_suffix", "char"])
def test_golden_files(tmp_path: Path, model: str, tokenizer: str, name: str, offset: int, behind: int) -> None:
    """Of every kind of model, and wherever the rows are; those that are no piece's stay, and charvec reads the same."""
    data = (DATA / f"{model}.model").read_bytes()
    old = folder(tmp_path / "old", data, name, offset, behind, tokenizer_class=tokenizer)
    opened, counts = charvec.open(old), charvec.count(CHARS)
    done = charvec.trim(opened, counts, tmp_path / "new")
    assert len(done.old_ids) < opened.tensor.rows / 2
    assert {*range(offset), *range(opened.tensor.rows - behind, opened.tensor.rows)} <= set(done.old_ids.tolist())
    reopened = charvec.open(tmp_path / "new")
    assert (
        reopened.tensor.rows
        == len(done.old_ids)
        == json.loads((tmp_path / "new/config.json").read_text())["vocab_size"]
    )
    before, after = charvec.lookup(opened, counts), charvec.lookup(reopened, counts)
    assert before.chars == after.chars and (before.matrix == after.matrix).all()
    assert before.status.tolist() == after.status.tolist()
    one = [(each.char, each.status, *each.rows) for each in before.missing]
    assert [(each.char, each.status, *done.old_ids[list(each.rows)]) for each in after.missing] == one
    table = (tmp_path / "new" / "id_map.tsv").read_text("utf-8").splitlines()[1:]
    assert [json.loads(line.split("\t")[2]) for line in table if line.split("\t")[0] == str(offset)] == ["<unk>"]
    assert_cut_alike(old / name, tmp_path / "new" / name, done.old_ids, CHARS, offset, 100)


def varint(value: int) -> bytes:
    """A number below 16,384 as protocol buffers write it."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char", "word"])
def test_trained_files(tmp_path: Path, kind: str) -> None:
    """With NFKC, user-defined pieces, marks at other places, a self-test, and pieces that the configuration names."""
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        input=",".join(map(str, sorted(TEXTS.glob("*.txt")))),
        model_prefix=str(tmp_path / "trained"),
        model_type=kind,
        vocab_size=2500,
        hard_vocab_limit=False,
        character_coverage=0.98,
        user_defined_symbols=["水火", "<sep>", "a"],
        control_symbols=["<cls>"],
        byte_fallback=kind == "bpe",
        unk_id=5,
        bos_id=1,
        eos_id=3,
        pad_id=0,
        num_threads=1,
        minloglevel=2,
    )
    data = (tmp_path / "trained.model").read_bytes()
    # a self-test, which would not hold any more
    text = next(line for line in (TEXTS / "korean.txt").read_text("utf-8").splitlines() if len(line) > 20)
    pieces = " ".join(sentencepiece.SentencePieceProcessor(model_proto=data).encode(text, out_type=str))
    sample = b"".join(
        tag + varint(len(part.encode())) + part.encode() for tag, part in ((b"\n", text), (b"\x12", pieces))
    )
    test = b"\n" + varint(len(sample)) + sample
    data += b"\x22" + varint(len(test)) + test
    named = [len(member.parse(data).pieces) - place for place in (1, 2)]
    decoder = {str(named[0]): {"content": member.parse(data).pieces[named[0]], "special": True}}
    old = folder(
        tmp_path / "old", data, "tokenizer.model", tokenizer_class="LlamaTokenizer", added_tokens_decoder=decoder
    )
    (old / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "suppress_tokens": [named[1]]}))
    done = charvec.trim(old, charvec.count(CHARS), tmp_path / "new")
    assert {*named, *range(10)} <= set(done.old_ids.tolist()) and len(done.old_ids) < 0.6 * done.pieces
    new = tmp_path / "new" / "tokenizer.model"
    assert_cut_alike(old / "tokenizer.model", new, done.old_ids, [*CHARS, "<sep>", "水火"])
    assert {number for number, _, _ in fields(data)} - {number for number, _, _ in fields(new.read_bytes())} == {4}
    again = charvec.trim(old, charvec.count(CHARS[::-1]), tmp_path / "again")
    for name in done.files:
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    assert again.files == done.files


def test_all_pieces_are_the_same_file() -> None:
    """Where none is left out, byte for byte; and the size of the vocabulary that the file itself tells is the new."""
    for path in sorted(DATA.glob("*.model")):
        data = path.read_bytes()
        count = len(member.parse(data).pieces)
        assert without(data, range(count)) == data
        few = without(data, range(300))
        assert len(member.parse(few).pieces) == 300 and member.parse(few).charsmap == member.parse(data).charsmap
        (trainer,) = (value for number, _, value in fields(few) if number == 2)
        assert [value for number, _, value in fields(trainer) if number == 4] == [300]


def test_what_characters_become_together() -> None:
    """Every rule whose characters are there comes in, and no other."""
    charsmap = Charsmap(member.parse((DATA / "unigram.model").read_bytes()).charsmap, "x")

    def made(chars: Iterable[str]) -> str:
        return "".join(sorted(charsmap.made_of(chars)))

    assert made("か\u3099") == "が" and made("か") == made("\u3099") == made("水") == made("") == ""
    assert made("㍿…") == "".join(sorted("株式会社.")) and made("\u200b") == ""
    assert Charsmap(b"", "x").made_of("か\u3099") == set()


def test_casing_that_the_user_decided(tmp_path: Path) -> None:
    """It is said in the new folder."""
    data = (DATA / "unigram.model").read_bytes()
    old = folder(tmp_path / "old", data, "spiece.model", tokenizer_class="AlbertTokenizer")
    counts = charvec.count("ABcdΣ")
    for lowercase in (False, True):
        opened = charvec.open(old, lowercase=lowercase)
        charvec.trim(opened, counts, tmp_path / "new", overwrite=True)
        assert charvec.open(tmp_path / "new").vocabulary.settings == opened.vocabulary.settings
    (tmp_path / "new" / "spiece.model").read_bytes()
    old_rows = charvec.lookup(charvec.open(old), counts)
    assert (charvec.lookup(charvec.open(tmp_path / "new"), counts).matrix == old_rows.matrix).all()


def test_added_tokens_keep_their_rows(tmp_path: Path) -> None:
    """Behind the file's own, of one character and of several; in the new folder they have the new ids."""
    data = (DATA / "unigram.model").read_bytes()
    count = len(member.parse(data).pieces)
    old = folder(tmp_path / "old", data, "spiece.model", 0, 3, tokenizer_class="T5Tokenizer")
    (old / "added_tokens.json").write_text(json.dumps({"龘": count, "<extra>": count + 1}))
    done = charvec.trim(old, charvec.count(CHARS), tmp_path / "new")
    new = json.loads((tmp_path / "new" / "added_tokens.json").read_text("utf-8"))
    assert [done.old_ids[row] for row in new.values()] == [count, count + 1]
    before, after = charvec.open(old), charvec.open(tmp_path / "new")
    assert (
        charvec.lookup(before, charvec.count("龘")).matrix == charvec.lookup(after, charvec.count("龘")).matrix
    ).all()


def test_what_cannot_be_trimmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose pieces another one numbers; through the command, with what can be done."""
    data = (DATA / "unigram.model").read_bytes()
    old = folder(tmp_path / "old", data, "sentencepiece.bpe.model", 0, 0, tokenizer_class="M2M100Tokenizer")
    numbers = {piece: place for place, piece in enumerate(member.parse(data).pieces)}
    (old / "vocab.json").write_text(json.dumps(numbers))
    assert cli.main(["trim", str(old), str(TEXTS), "-o", str(tmp_path / "new")]) == 65
    err = capsys.readouterr().err
    assert "E-TRIM-TOKENIZER" in err and "tokenizer.json" in err and not (tmp_path / "new").exists()
    shutil.rmtree(old)
    old = folder(tmp_path / "old", data, "spiece.model", tokenizer_class="T5Tokenizer")
    assert cli.main(["trim", str(old), str(TEXTS / "korean.txt"), "-o", str(tmp_path / "new")]) == 0
    assert "spiece.model" in capsys.readouterr().out


def test_a_file_that_cuts_otherwise_is_not_given_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is tried before the folder gets its name."""
    old = folder(tmp_path / "old", (DATA / "unigram.model").read_bytes(), "spiece.model", tokenizer_class="T5Tokenizer")

    def wrong(pieces: list[str], scores: list[float], types: list[int], chars: Iterable[str]) -> set[int]:
        return {place for place, piece in enumerate(pieces) if types[place] != 1 or len(piece) == 1}

    monkeypatch.setattr("charvec.piece_trimming.kept_places", wrong)
    with pytest.raises(CharvecError) as caught:
        charvec.trim(old, charvec.scan(TEXTS), tmp_path / "new")
    assert caught.value.code == "E-TRIM-TOKENIZER" and not (tmp_path / "new").exists()
