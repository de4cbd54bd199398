"""Messages say what to do in the words of whoever reads them, and fit the terminal they are read on."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pickle
import pty
import re
import struct
import subprocess
import sys
import termios
import traceback
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_embedding import save

import charvec
from charvec.cli import main
from charvec.errors import CharvecError, UsageError
from charvec.plumbing.terminal import escape, json_text, print_json_text, shown, table, width, wrapped
from tests.vector_samples import build

ROOT = Path(__file__).resolve().parents[1]
TEXTS = str(ROOT / "samples" / "texts")
MODEL = str(ROOT / "samples" / "tiny-bert-zh")


def test_long_lines_are_broken_at_spaces() -> None:
    """Every word stays whole, nothing is lost, lines that fit stay; columns are those of the terminal."""
    text = "  help: " + " ".join(["水木", "a", "longer-word-than-the-terminal-is-wide", "b  c"] * 3)
    lines = wrapped(text, 30).split("\n")
    assert " ".join(line.strip() for line in lines).split() == text.split()
    assert all(width(line) <= 30 for line in lines if "longer" not in line)
    assert lines[0].startswith("  help: ") and all(line.startswith(" " * 6) for line in lines[1:])
    assert wrapped(text, None) == text and wrapped("a  b", 4) == "a  b"


def test_what_is_escaped() -> None:
    """Controls, reading order, blanks but U+0020, halves of characters, what is unassigned or private; nothing else."""
    unsafe = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp", "Zs"}
    order = {0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    for code in (*range(0x3100), *range(0xD000, 0x10000), *range(0x1F000, 0x1FB00), *range(0xE0000, 0xE0200)):
        bad = code in order or (code != 0x20 and unicodedata.category(chr(code)) in unsafe)
        shown = escape(f"水{chr(code)}")
        assert (shown == f"水{chr(code)}") is not bad, hex(code)
        assert not bad or (shown.startswith("水\\") and shown.isprintable())


def test_parts_of_syllables_on_a_terminal() -> None:
    """A vowel or final consonant has no column of its own; alone it stands on a dotted circle, as other marks do."""
    assert [width(text) for text in ("한", "\u1112\u1161\u11ab", "\u1112", "\u115f\u1161", "\ud7b0\ud7fb")] == [
        2,
        2,
        2,
        2,
        0,
    ]
    assert shown("\u1161") == "\u25cc\u1161 U+1161" and shown("\u11ab").startswith("\u25cc")
    assert shown("\u1112") == "\u1112 U+1112" and shown("ㅏ") == "ㅏ U+314F"
    rows = table([[shown(char), "x"] for char in "한\u1161ㅏ"]).split("\n")
    assert len({width(row) for row in rows}) == 1


def test_tables_on_a_narrow_terminal() -> None:
    """What is too long in the last column goes on below its beginning."""
    rows = [["name", "one two three four five"], ["n", "six"]]
    assert table(rows, columns=20) == "name  one two three\n      four five\nn     six"
    assert table(rows) == "name  one two three four five\nn     six"


def on_terminal(columns: int, *arguments: str, cwd: Path) -> list[str]:
    """What the command shows on a terminal of so many columns, line by line."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "charvec", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment) as process:
        os.close(theirs)
        said = b""
        try:
            while block := os.read(ours, 1 << 16):
                said += block
        except OSError:  # its other end is closed
            pass
        os.close(ours)
    assert process.returncode is not None
    return said.decode().replace("\r\n", "\n").split("\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of its own")
@pytest.mark.parametrize(
    "arguments",
    [
        ("dump", "nowhere.txt", "--format", "xyz", "-o", "a"),
        ("tensors", "folder"),
        ("info", "a.h5"),
        ("explain",),
        ("explain", "E-VOCAB-ROWS"),
        ("verify", "a.h5"),
        ("convert", "a.h5", "b.h5", "--dtype", "int8", "--center"),
        ("convert", "--list-profiles"),
    ],
)
def test_terminals(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No line is longer than the terminal, unless it is one word."""
    (tmp_path / "folder").mkdir()
    for number in range(9):
        (tmp_path / "folder" / f"no-model-{number}.txt").write_text("")
    assert main(["dump", TEXTS, "-o", str(tmp_path / "a.h5"), "-q"]) == 0
    lines = on_terminal(50, *arguments, cwd=tmp_path)
    assert len(lines) > 1 and any(lines)
    for line in lines:
        assert width(line) <= 50 or len(line.split()) <= 2, line


def test_no_terminal_no_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes to a file or a pipe has each part of a message in one line."""
    assert main(["dump", "nowhere", "--keep", "exactly"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("charvec: error[E-KEEP]: ") and said.count("\n") == said.count("\n  ") + 1


def test_merge_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not only how Python spells it."""
    for dim in (2, 3):
        build("ab", np.zeros((2, dim), np.float32)).save(tmp_path / f"{dim}.h5")
    assert main(["merge", str(tmp_path / "2.h5"), str(tmp_path / "3.h5"), "-o", str(tmp_path / "c.h5")]) == 65
    assert "--how concat (in Python: how='concat')" in capsys.readouterr().err


def test_tensors_does_not_send_people_to_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The list that help speaks of stands above it; other commands name the command that prints it."""
    path = tmp_path / "model.safetensors"
    save(path, {"odd": np.zeros((4, 2), np.float32), "other": np.zeros((4, 2, 2), np.float32)})
    for further in ([], ["--tensor", "nothing"], ["--tensor", "other"]):
        assert main(["tensors", str(path), *further]) in (65, 66)
        out, err = capsys.readouterr()
        assert "odd" in out and "charvec tensors" not in err and "list" in err, err
        assert main(["dump", TEXTS, "-m", str(path), "-o", str(tmp_path / "a.h5"), *further]) in (65, 66)
        assert "charvec tensors" in capsys.readouterr().err


def folder_of(path: Path, rows: int, pieces: int, name: str = "vocab.txt") -> Path:
    """A model's folder whose vocabulary need not fit its matrix."""
    path.mkdir(exist_ok=True)
    if rows:
        save(path / "model.safetensors", {"embeddings.word_embeddings.weight": np.zeros((rows, 2), np.float32)})
    listed = ["[PAD]", "[UNK]", *(chr(0x4E00 + place) for place in range(pieces - 2))]
    (path / name).write_text("\n".join(listed) + "\n", "utf-8")
    return path


def notes(**options: Any) -> list[str]:
    """What opening a model says of the padding."""
    model = charvec.open(**options)
    return [note.message for note in model.notes if note.code == "W-VOCAB-PADDED"]


def test_a_smaller_vocabulary_is_not_taken_for_padding_alone(tmp_path: Path) -> None:
    """One beside the model that fits exactly is named; so is the suspicion when more is left than padding adds."""
    folder = folder_of(tmp_path / "m", 2000, 1990)
    (said,) = notes(model=folder)
    assert said.endswith("2,000 rows; the rest is taken as padding")
    folder_of(folder, 0, 300, "vocab.txt")
    (said,) = notes(model=folder)
    assert said.endswith("; is it the vocabulary of this model?")
    folder_of(folder, 0, 2000, "vocab_large.txt")
    (said,) = notes(model=folder)
    assert f"{folder / 'vocab_large.txt'} has exactly 2,000, so this is probably the vocabulary of another" in said
    other = folder_of(tmp_path / "other", 0, 1990) / "vocab.txt"
    (said,) = notes(model=folder, vocab=other)
    assert "vocab_large.txt has exactly 2,000" in said
    assert notes(model=folder, vocab=folder / "vocab_large.txt") == []


def refused(**options: Any) -> CharvecError:
    """The error of opening a model whose vocabulary is too large."""
    with pytest.raises(CharvecError) as caught:
        charvec.open(**options)
    assert caught.value.code == "E-VOCAB-ROWS"
    return caught.value


def test_too_large_a_vocabulary_is_blamed_on_what_was_named(tmp_path: Path) -> None:
    """On the tensor, on the vocabulary, or on the download."""
    folder = folder_of(tmp_path / "m", 50, 50)
    tensors = {"embeddings.word_embeddings.weight": np.zeros((50, 2)), "pooler.dense.weight": np.zeros((2, 2))}
    save(folder / "model.safetensors", tensors)
    said = refused(model=folder, tensor="pooler.dense.weight").help
    assert "--tensor" in said and "'embeddings.word_embeddings.weight', which fits" in said and "download" not in said
    large = folder_of(tmp_path / "large", 0, 60) / "vocab.txt"
    assert "charvec tensors" in refused(model=folder, tensor="pooler.dense.weight", vocab=large).help
    assert f"{folder / 'vocab.txt'} has exactly as many" in refused(model=folder, vocab=large).help
    folder_of(folder, 0, 40)
    said = refused(model=folder, vocab=large).help
    assert "--vocab" in said and "download" not in said
    assert "download" in refused(model=folder_of(folder, 0, 60)).help


def test_a_folder_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Help names the folders below that hold one, or what is looked for."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("a")
    (tmp_path / "rest").mkdir()
    assert main(["tensors", str(tmp_path)]) == 66
    said = capsys.readouterr().err
    assert all(word in said for word in (".safetensors", ".gguf", ".onnx", ".keras", ".ckpt.index", ".vec"))
    folder_of(tmp_path / "rest" / ".." / "near", 5, 5)
    folder_of(tmp_path / "rest" / "deep", 5, 5)
    assert main(["tensors", str(tmp_path)]) == 66
    said = capsys.readouterr().err
    assert f"holds a model: {tmp_path / 'near'}, {tmp_path / 'rest' / 'deep'}\n" in said


def test_a_model_on_the_hub_has_no_slash_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there may be meant so; a path that can be nothing else is only that."""
    monkeypatch.chdir(tmp_path)
    for name, hint in (("bert-base/", ": bert-base\n"), ("org/bert/", ": org/bert\n"), ("./bert/", "check the path\n")):
        assert main(["tensors", name]) == 66
        assert capsys.readouterr().err.endswith(hint)


def test_paths_instead_of_what_they_lead_to(tmp_path: Path) -> None:
    """Models and vector files may be named; samples are counted first, and the message says how."""
    text, file = tmp_path / "a.txt", tmp_path / "a.h5"
    text.write_text("水木", "utf-8")
    vectors = charvec.dump(text, model=MODEL, out=file)
    counts, model = charvec.scan(text), charvec.open(MODEL)
    assert not charvec.diff(file, vectors) and not charvec.diff(str(file), file)
    assert not charvec.diff(charvec.lookup(MODEL, counts), vectors)
    assert charvec.cover(Path(MODEL), counts) == charvec.cover(model, counts)
    assert charvec.update(file, counts, MODEL).counts.tolist() == [2, 2]
    assert charvec.merge([file, vectors]).chars == vectors.chars
    charvec.save(file, tmp_path / "a.npz")
    assert not charvec.diff(tmp_path / "a.npz", file)
    trimmed = charvec.trim(MODEL, {"水": 1}, tmp_path / "small")
    assert 0 < len(trimmed.old_ids) < trimmed.pieces
    calls: list[Callable[[], Any]] = [
        lambda: charvec.update(file, text, model),  # type: ignore[arg-type]
        lambda: charvec.update(file, str(text), model),  # type: ignore[arg-type]
        lambda: charvec.update(counts, file, model),  # type: ignore[arg-type]
        lambda: charvec.cover(model, text),  # type: ignore[arg-type]
        lambda: charvec.cover(counts, model),  # type: ignore[arg-type]
        lambda: charvec.lookup(model, text),  # type: ignore[arg-type]
        lambda: charvec.lookup(model, str(text)),
        lambda: charvec.trim(model, text, tmp_path / "x"),  # type: ignore[arg-type]
        lambda: charvec.trim(counts, model, tmp_path / "x"),  # type: ignore[arg-type]
        lambda: charvec.select(str(text)),  # type: ignore[arg-type]
        lambda: charvec.diff(file, counts),  # type: ignore[arg-type]
        lambda: charvec.merge([file, counts]),  # type: ignore[list-item]
        lambda: charvec.merge(file),  # type: ignore[arg-type]
        lambda: charvec.save(counts, file, overwrite=True),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "E-ARGUMENT", caught.value
        assert "charvec.scan(SAMPLES)" in caught.value.help or "charvec.load()" in caught.value.help


def test_dump_warns_in_python(tmp_path: Path) -> None:
    """Skipped and damaged samples and what is wrong with the model: a warning for each code, and every note."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "good.txt").write_text("一丁一", "utf-8")
    for name in "ab":
        (corpus / f"{name}.txt").write_bytes("数据的编码是这样".encode("gbk"))
    (corpus / "half.txt").write_bytes("一丁".encode() + b"\xff" + "一".encode())
    model = folder_of(tmp_path / "m", 2000, 300)
    with pytest.warns(charvec.CharvecWarning) as caught:
        vectors = charvec.dump(corpus, model=model, out=tmp_path / "zh.h5")
    said = sorted(str(each.message) for each in caught)
    assert [each.split("]")[0] for each in said] == ["[E-ENCODING", "[W-UTF8", "[W-VOCAB-PADDED"]
    assert "a.txt" in said[0] and "and 1 more like it" in said[0] and all(each.filename == __file__ for each in caught)
    assert sorted(note.code for note in vectors.notes if note.code[0] != "N") == [
        *("E-ENCODING", "E-ENCODING", "W-UTF8", "W-VOCAB-PADDED")
    ]
    assert charvec.load(tmp_path / "zh.h5").notes == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charvec.dump(corpus / "good.txt", model=MODEL)


def test_info_says_what_was_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the file alone, long after the dump."""
    (tmp_path / "good.txt").write_bytes("水木".encode() + b"\xff" + "水".encode())
    (tmp_path / "gbk.txt").write_bytes("数据的编码是这样".encode("gbk"))
    out = str(tmp_path / "zh.h5")
    assert main(["dump", str(tmp_path), "-o", out]) == 3
    capsys.readouterr()
    assert main(["info", out]) == 0
    assert "1 file, 10 bytes, 3 characters, 1 not read, 1 byte left out" in capsys.readouterr().out


CHINESE = "這是一個測試，我們在這裡說明為什麼編碼會出錯。他們沒有想到這個問題，所以現在大家都不知道要怎麼做才好。"
TOLD = {
    "big5": (CHINESE, "gb18030", "big5"),
    "shift_jis": ("これは日本語の文章です。ひらがなとカタカナがたくさんあります。", "gb18030", "shift_jis"),
    "euc_kr": ("이것은 한국어로 쓴 글이다. 우리는 이 글을 읽고 나서 생각을 하였다.", "gb18030", "cp949"),
    "gb18030": (
        "我们在这里说明为什么编码会出错，他们没有想到这个问题，所以大家都不知道要怎么做。",
        "latin-1",
        "gb18030",
    ),
}
RIGHT = {
    **{codec: text for codec, (text, _, _) in TOLD.items()},
    "koi8-r": "Это обычный русский текст, и в нём нет ни одного иероглифа, только буквы.",
    "iso8859-7": "Αυτό είναι ένα συνηθισμένο ελληνικό κείμενο χωρίς κανένα ιδεόγραμμα.",
    "latin-1": "C'est un été à l'école où les élèves ont été très gênés par les œufs, déjà mangés à Noël".replace(
        "œ", "oe"
    ),
    "big5hkscs": CHINESE,
    "utf-16-le": CHINESE,
}


@pytest.mark.parametrize("codec", TOLD)
def test_the_wrong_encoding_is_told(codec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When hardly a common character comes out, what gives many is named; the text is read as told all the same."""
    text, told, better = TOLD[codec]
    (tmp_path / "a.txt").write_bytes(("title\n" + text * 3).encode(codec))
    main(["scan", str(tmp_path / "a.txt"), "--encoding", told, "--json", "-q"])
    out, err = capsys.readouterr()
    assert "warning[W-OTHER-ENCODING]" in err and f"{better} gives many" in err
    decoded = ("title\n" + text * 3).encode(codec).decode(told, "replace").replace("\ufffd", "")
    assert json.loads(out)["characters"] == len(decoded)


@pytest.mark.parametrize("codec", RIGHT)
def test_the_right_encoding_is_not_doubted(codec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of any language, and of a few characters."""
    for times in (1, 5):
        (tmp_path / "a.txt").write_bytes((RIGHT[codec] * times).encode(codec))
        assert main(["scan", str(tmp_path / "a.txt"), "--encoding", f"*={codec}", "-q", "-o", "-"]) == 0
        assert "OTHER-ENCODING" not in capsys.readouterr().err


def test_a_dump_without_a_vector_replaces_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither samples that cannot be read, nor empty ones, nor characters the model lacks make an empty file."""
    binary, empty, lacking = tmp_path / "a.bin", tmp_path / "empty.txt", tmp_path / "lacking.txt"
    binary.write_bytes(bytes(range(256)) * 8)
    empty.write_text("")
    lacking.write_text("\U00016800" * 3, "utf-8")
    kept = tmp_path / "kept.h5"
    charvec.dump(TEXTS, model=MODEL, out=kept)
    before = kept.read_bytes()
    for sample, said in ((binary, "no sample could be read"), (empty, "hold no char"), (lacking, "none of the char")):
        assert main(["dump", str(sample), "-f", "-o", str(kept)]) == 65
        assert said in capsys.readouterr().err.replace("\n    ", " ")
        with pytest.raises(CharvecError, match="E-NO-CHARACTERS"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            charvec.dump(sample, model=MODEL, out=kept, overwrite=True)
        assert main(["dump", str(sample), "-o", str(tmp_path / "new.npz")]) == 65
    assert kept.read_bytes() == before and not (tmp_path / "new.npz").exists()


@pytest.mark.skipif(not hasattr(Exception, "add_note"), reason="notes came with Python 3.11")
def test_a_traceback_says_what_to_do() -> None:
    """The help of an error stands below it, in another process as well."""
    with pytest.raises(CharvecError) as caught:
        charvec.open("nowhere at all")
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert "".join(traceback.format_exception(error)).endswith(f"\nhelp: {error.help}\n")


def test_json_is_readable_and_harmless() -> None:
    """Characters stand as they are; what would act on a terminal is escaped, and every reader gets it back."""
    harmless = "今天 é가あ😀 plain"
    for char in (*"\x1b\x7f\x85\x9b\u061c\u200e\u202e\u2028\u2029\u2066\ud800", "\U0010ffff"):
        text = json_text({"a": harmless + char}, indent=2)
        assert harmless in text and char not in text and text.count("\n") == 2
        assert json.loads(text) == {"a": harmless + char}
        assert json.loads(text.encode()) == {"a": harmless + char}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gbk", "utf-8"])
def test_json_in_any_encoding(encoding: str) -> None:
    """What the encoding of a stream lacks is escaped as JSON does it, two escapes beyond U+FFFF."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding, errors="backslashreplace", newline="\n")
    print_json_text(json_text(["今天 é 😀"]), stream)
    assert json.loads(raw.getvalue().decode(encoding)) == ["今天 é 😀"] and raw.getvalue().endswith(b"]\n")
    assert (b"\\u4eca" in raw.getvalue()) == (encoding != "utf-8")


def test_what_is_stored_for_pooling_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By dump and convert as by info, in the same words."""
    made, again = str(tmp_path / "a.h5"), str(tmp_path / "b.h5")
    said = []
    for arguments in (("dump", TEXTS, "-o", made, "--center", "--sif", "0.01"), ("info", made)):
        assert main([*arguments]) == 0
        said += [line.split(None, 1)[1] for line in capsys.readouterr().out.splitlines() if line.startswith("pooling")]
    assert main(["convert", made, again, "--sif", "0.01"]) == 0
    said += re.findall("^pooling: (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert len(said) == 3 and len({*said}) == 1 and "sif with a = 0.01" in said[0] and "less the mean" in said[0]


@pytest.mark.parametrize(("name", "advice"), [("a.txt", "--json lists them all"), ("a.npz", "a.npz --missing")])
def test_where_all_missing_characters_are_listed(
    name: str, advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in a file that has no room for them."""
    sample = tmp_path / "rare.txt"
    sample.write_text("水" + "".join(map(chr, range(0x16800, 0x1680A))), "utf-8")
    assert main(["dump", str(sample), "-o", str(tmp_path / name)]) == 0
    assert advice in capsys.readouterr().out.splitlines()[-1]


def test_scripts_with_letters_the_wrong_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    """What was most likely meant is proposed."""
    for typed, meant in (("hna", "Han"), ("hnagul", "Hangul"), ("Hnai", "Hani"), ("thana", "Thaana")):
        assert main(["scan", TEXTS, "--only", typed]) == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err


def test_dead_ends_show_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder in place of a vector file, a model left out before the samples, a file that cannot be merged."""
    folder, text, plain, small = (str(tmp_path / name) for name in ("folder", "a.txt", "plain.h5", "small.h5"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_text("水火", "utf-8")
    for command in (("info", folder), ("verify", folder), ("convert", folder, plain)):
        assert main([*command]) == 65
        assert f"dump SAMPLES -m {folder}" in capsys.readouterr().err
    assert main(["trim", text, "-o", folder]) == 2
    assert "the order is `charvec trim MODEL SAMPLE" in capsys.readouterr().err
    assert main(["dump", text, "-o", plain]) == 0 == main(["dump", text, "-o", small, "--center"])
    assert main(["merge", plain, small, "-o", str(tmp_path / "m.h5")]) == 65
    said = capsys.readouterr().err
    assert f"{small}: such vectors" in said and "made with center" in said


def test_suffixes_take_no_sample(capsys: pytest.CaptureFixture[str]) -> None:
    """--ext before the samples takes them too; that is said, with the command that was meant."""
    assert main(["dump", "--ext", "txt", "csv", "corpus", "-o", "a.h5"]) == 2
    said = capsys.readouterr().err
    assert "corpus too" in said and "charvec dump corpus --ext txt csv" in said
    for arguments in (["--ext", "txt"], ["--ext", "txt", "-o", "a"], []):
        assert main(["scan", *arguments]) == 2
        assert "required: SAMPLE" in capsys.readouterr().err
