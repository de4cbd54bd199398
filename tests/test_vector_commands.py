"""The commands that work on vector files: verify, convert, similar, nearest, info."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charvec import cli, lookup
from charvec import open as open_model
from charvec.errors import UsageError
from charvec.plumbing.terminal import parse_char

PIECES = ["[PAD]", "[UNK]", "一", "a", "ᄀ", "##ᅡ", "水"]
Run = Callable[..., tuple[int, str, str]]


def make_model(folder: Path, columns: int = 4, pieces: list[str] = PIECES) -> Path:
    """A model without any configuration file."""
    folder.mkdir()
    matrix = np.random.default_rng(5).standard_normal((len(pieces), columns)).astype(np.float32)
    entry = {"dtype": "F32", "shape": list(matrix.shape), "data_offsets": [0, matrix.nbytes]}
    header = json.dumps({"embeddings.word_embeddings.weight": entry}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + matrix.tobytes())
    (folder / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), "utf-8")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An uncased model of seven pieces."""
    return make_model(tmp_path / "model")


@pytest.fixture
def file(model: Path, tmp_path: Path) -> Path:
    """Vectors of characters found in three ways, and one that was not found."""
    path = tmp_path / "a.h5"
    lookup(open_model(model, lowercase=True), "一aA가水龘").save(path)
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".safetensors", ".txt", ".vec", ".pkl"])
def test_round_trip_of_an_uncased_model(file: Path, model: Path, tmp_path: Path, run: Run, suffix: str) -> None:
    """Converted there and back, the vectors of A and of composed hangul prove equal to the model."""
    there, back = tmp_path / f"there{suffix}", tmp_path / "back.h5"
    assert run("convert", file, there)[0] == run("convert", there, back)[0] == 0
    for path in (there, back):
        code, out, err = run("verify", path, "--against", model, "--uncased")
        assert (code, err) == (0, "") and "5 of 5 vectors are bit-equal to" in out


def test_verify_alone(file: Path, run: Run) -> None:
    """It says what was not proven."""
    code, out, _ = run("verify", file)
    assert code == 0 and out.endswith(" (not compared with a checkpoint: --against MODEL does that)\n")


def test_verify_takes_the_casing_of_the_file(model: Path, tmp_path: Path, run: Run) -> None:
    """What the model itself would say is another casing here; the user's word stands above the file's."""
    path = tmp_path / "cased.h5"
    assert open_model(model).vocabulary.settings["lowercase"]
    lookup(open_model(model, lowercase=False), "一aA水", keep="exact,unreachable").save(path)
    uncased = tmp_path / "uncased.h5"
    (model / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    lookup(open_model(model, lowercase=True), "一aA水").save(uncased)
    assert run("verify", path, "--against", model)[0] == 0
    assert run("verify", uncased, "--against", model)[0] == 0
    code, _, err = run("verify", uncased, "--against", model, "--cased")
    assert code == 1 and "A U+0041" in err


def test_verify_against_a_model_of_another_kind(file: Path, model: Path, tmp_path: Path, run: Run) -> None:
    """One that has no casing is opened as it is: the rows tell, and nobody is told to leave out what nobody said."""
    words = tmp_path / "words.txt"
    words.write_text("水 1 2 3\n火 3 2 1\n", "utf-8")
    code, _, err = run("verify", file, "--against", words)
    assert code == 1 and "5 of 5 vectors differ" in err and "the file has 4 dimensions, the model 3" in err
    code, _, err = run("verify", file, "--against", words, "--uncased")
    assert code == 2 and "E-CASING" in err
    other, merged = tmp_path / "other.h5", tmp_path / "merged.h5"
    lookup(open_model(words), "水火").save(other)
    assert run("merge", file, other, "--how", "concat", "-o", merged)[0] == 0
    for models in ((model, words), (words, model)):
        code, out, err = run("verify", merged, "--against", models[0], "--against", models[1])
        assert (code, err) == (0, "") and out.count("bit-equal to") == 2


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_verify_after_rounding(file: Path, model: Path, tmp_path: Path, run: Run, dtype: str) -> None:
    """Rounded vectors are not called bit-equal; rounded ones made wide again differ, and it says why."""
    narrow, wide = tmp_path / "narrow.h5", tmp_path / "wide.h5"
    run("convert", file, narrow, "--dtype", dtype)
    code, out, _ = run("verify", narrow, "--against", model)
    assert code == 0 and f"equal after rounding to {dtype} to" in out and "bit-equal" not in out
    run("convert", narrow, wide, "--dtype", "float32")
    code, _, err = run("verify", wide, "--against", model)
    assert code == 1 and f"rounded to {dtype} before it became float32" in err
    assert f"float32, rounded to {dtype} before" in run("info", wide)[1]


def test_verify_against_another_model(file: Path, tmp_path: Path, run: Run) -> None:
    """What the model differs in is said."""
    wide = make_model(tmp_path / "wide", columns=5)
    code, _, err = run("verify", file, "--against", wide)
    assert code == 1 and "the file has 4 dimensions, the model 5" in err
    assert "a tensor of 7 x 4, the model's is 7 x 5" in err and "vocabulary" not in err
    longer = make_model(tmp_path / "longer", pieces=[*PIECES, "火"])
    code, out, err = run("verify", file, "--against", longer)
    assert code == 0 and "made with another vocabulary" in out and "7 x 4, the model's is 8 x 4" in out


def test_verify_json(file: Path, model: Path, tmp_path: Path, run: Run) -> None:
    """What the lines say, with every character; the exit code stays."""
    alone = {"file": str(file), "vectors": 5, "whole_by": "BLAKE2b-256", "proven": None, "compared": [], "notes": []}
    code, out, err = run("verify", file, "--json", "-q")
    assert (code, json.loads(out), err) == (0, alone, "")
    against = {"against": str(model), "vectors": 5, "proven": True, "differ": [], "remarks": []}
    code, out, _ = run("verify", file, "--against", model, "--json")
    assert (code, json.loads(out)) == (0, {**alone, "proven": True, "compared": [against]})
    other = make_model(tmp_path / "other", columns=5)
    code, out, err = run("verify", file, "--against", other, "--json")
    (said,) = json.loads(out)["compared"]
    assert (code, err, said["proven"], len(said["differ"])) == (1, "", False, 5)
    assert {"char": "水", "codepoint": "U+6C34"} in said["differ"] and "5" in said["remarks"][0]
    text = tmp_path / "a.txt"
    run("convert", file, text)
    assert json.loads(run("verify", text, "--json")[1])["whole_by"] is None
    code, out, err = run("verify", tmp_path / "none.h5", "--json")
    assert (code, out, json.loads(err)["id"]) == (66, "", "E-NOT-FOUND")


@pytest.mark.parametrize("suffix", [".txt", ".vec", ".pkl"])
def test_info_of_converted(file: Path, tmp_path: Path, run: Run, suffix: str) -> None:
    """Files without statuses are not said to be covered."""
    path = tmp_path / f"a{suffix}"
    run("convert", file, path)
    _, out, _ = run("info", path)
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["status"] == lines["coverage"] == "unknown"
    said = json.loads(run("info", path, "--json")[1])
    assert said["coverage"] is None and said["missing"] is None and said["characters"] == 5
    assert run("info", path, "--missing")[1].startswith("unknown: converted from ")
    _, out, _ = run("info", file)
    lines = dict(line.split(None, 1) for line in out.splitlines())
    assert lines["status"].startswith("exact 3, ") and lines["coverage"].startswith("83.33 %")


@pytest.mark.parametrize(
    ("name", "dtype", "held"),
    [
        ("a.vec", "int8", "float32 text, rounded to int8,"),
        ("a.txt", "float32", "float32 text,"),
        ("a.pkl", "float16", "float32, rounded to float16,"),
        ("a.npz", "int8", "int8,"),
    ],
)
def test_convert_says_what_the_file_holds(
    file: Path, tmp_path: Path, run: Run, name: str, dtype: str, held: str
) -> None:
    """Decimal text holds no int8."""
    code, out, _ = run("convert", file, tmp_path / name, "--dtype", dtype)
    assert code == 0 and f"5 characters x 4 {held} " in out


def test_format_by_suffix_name(file: Path, tmp_path: Path, run: Run) -> None:
    """``--format vec`` is ``--format word2vec``."""
    assert run("convert", file, tmp_path / "a.data", "--format", "vec")[0] == 0
    assert (tmp_path / "a.data").read_bytes().startswith(b"5 4\n")


@pytest.mark.parametrize(("first", "second"), [("龘", "水"), ("水", "λ"), ("", "水"), ("水", ""), ("龘", "λ")])
def test_similar_to_nothing(file: Path, run: Run, first: str, second: str) -> None:
    """A text without a vector is no cosine of 0."""
    for options in ((), ("--json",)):
        code, out, err = run("similar", file, first, second, *options)
        assert code == 66 and "E-NO-VECTOR" in (err or out)


def test_similar_in_part(file: Path, run: Run) -> None:
    """What of a text is unknown is named."""
    code, out, err = run("similar", file, "水龘", "U+6C34")
    assert (code, out) == (0, "1.0000\n") and "龘 U+9F98" in err


def test_code_points(file: Path, run: Run) -> None:
    """A character that cannot be typed."""
    assert run("nearest", file, "U+6C34") == run("nearest", file, "水")
    assert run("similar", file, "u+6c34", "一", "--json") == run("similar", file, "水", "一", "--json")
    assert run("nearest", file, "U+110000")[0] == 2


def test_parse_char() -> None:
    """One code point and nothing beside it."""
    assert [parse_char(text) for text in ("U+0041", "u+1f600", "U+0010FFFF")] == ["A", "\U0001f600", "\U0010ffff"]
    for text in ("", "U+41", "U+6C34U+6C34", "U+6C3X", " U+6C34", "水", "U+"):
        assert parse_char(text) == text
    for text in ("U+D800", "U+110000"):
        with pytest.raises(UsageError) as caught:
            parse_char(text)
        assert caught.value.code == "E-NUMBER"
