"""``charvec.export`` and ``charvec convert --for``: special rows, errors, and never half a folder."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_samples import ROOT, build, charvec, small

from charvec import export, exporting, load, profiles
from charvec.errors import CharvecError, DamagedFile, MissingPackage, OutputError, ReadWriteError, UsageError, WrongFile
from charvec.plumbing.arrays.keyed_rows import KeyedRows
from charvec.plumbing.text.white_space import WHITE_SPACE
from charvec.profiles import gensim, model2vec

FOLDERS = [member.NAME for member in profiles.members() if member.FILES]
FILES = [member.NAME for member in profiles.members() if not member.FILES]


def content(path: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def code(error: type[CharvecError], *arguments: Any, **options: Any) -> str:
    """The code of the error that exporting raises."""
    with pytest.raises(error) as caught:
        export(*arguments, **options)
    return caught.value.code


def test_white_space_is_what_python_says() -> None:
    """The list is ``str.isspace``."""
    assert {chr(point) for point in range(0x110000) if chr(point).isspace()} == WHITE_SPACE
    assert unicodedata.category("\u180e") == "Cf"  # it was a space until Unicode 6.3


def test_special_rows_last(tmp_path: Path) -> None:
    """Unknown n-2, the mean; padding n-1, zeros."""
    done = export(small(), tmp_path / "out", "chinese-text-classification")
    matrix = np.load(tmp_path / "out" / "embedding.npz")["embeddings"]
    ids = pickle.loads((tmp_path / "out" / "vocab.pkl").read_bytes())
    assert ids == {**{char: row for row, char in enumerate(small().chars)}, "<UNK>": 6, "<PAD>": 7}
    assert done.special == {"<UNK>": 6, "<PAD>": 7} and done.left_out == ()
    assert not matrix[7].any() and np.array_equal(
        matrix[6], small().matrix.mean(0, dtype=np.float64).astype(np.float32)
    )


@pytest.mark.parametrize("row", ["mean", "zeros", "normal"])
def test_unknown_row(row: str, tmp_path: Path) -> None:
    """What it holds is a choice; drawn values are the same every time."""
    made = []
    for name in ("one", "two"):
        options: dict[str, Any] = {"special": "first", "unk_row": row, "pad": "[P]", "unk": "[U]"}
        done = export(small(), tmp_path / name, "opennre", **options)
        made.append(np.load(tmp_path / name / "vec.npy"))
    assert done.special == {"[P]": 0, "[U]": 1}
    assert made[0].tobytes() == made[1].tobytes() and not made[0][0].any()
    mean = small().matrix.mean(0, dtype=np.float64).astype(np.float32)
    unknown = made[0][1]
    assert {"mean": np.array_equal(unknown, mean), "zeros": not unknown.any()}.get(row, bool(unknown.any()))
    assert made[0][2:].tobytes() == small().matrix.tobytes()


def test_further_special_rows(tmp_path: Path) -> None:
    """NER-FunTool has seven: padding is zeros, the others hold what the unknown row holds, each drawn for itself."""
    names = ["<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK>", "<NUM>", "<ENG>"]
    for row in ("mean", "zeros", "normal"):
        done = export(small(), tmp_path / row, "ner-funtool", unk_row=row)
        assert list(done.special.items()) == [(name, place) for place, name in enumerate(names)]
        matrix = pickle.loads((tmp_path / row / "new_bert_embedding.pkl").read_bytes())
        assert matrix.dtype == np.float32 and matrix[7:].tobytes() == small().matrix.tobytes()
        mean = small().matrix.mean(0, dtype=np.float64).astype(np.float32)
        assert not matrix[0].any() and len(np.unique(matrix[1:7], axis=0)) == (6 if row == "normal" else 1)
        assert row == "normal" or np.array_equal(matrix[1], mean if row == "mean" else 0 * mean)
    lines = (tmp_path / "mean" / "vocab_cn.txt").read_text("utf-8").split("\n")
    assert lines[:2] == ["<PAD>\t0", "<UNK>\t1"] and lines[7:9] == [" \t7", "A\t8"] and lines[-1] == ""
    assert code(UsageError, small(), tmp_path / "x", "ner-funtool", pad="<NUM>") == "E-PROFILE-SPECIAL"


@pytest.mark.parametrize("profile", [*FILES, *FOLDERS])
def test_special_rows_everywhere(profile: str, tmp_path: Path) -> None:
    """Any profile of rows takes them."""
    if profile == "parquet":
        pytest.importorskip("pyarrow")
    place = "first" if profile == "ner-funtool" else "last"
    assert export(small(), tmp_path / "out", profile, special=place).special
    with pytest.raises(UsageError):
        export(small(), tmp_path / "other", profile, special=place, unk="a b")


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        ("chinese-text-classification", {"special": "none"}),
        ("model2vec", {"special": "none"}),
        ("lattice", {"pad": "<P>"}),
        ("opennre", {"unk_row": "mean"}),
        ("model2vec", {"special": "middle"}),
        ("model2vec", {"unk_row": "random"}),
        ("model2vec", {"pad": "x"}),
        ("model2vec", {"pad": ""}),
        ("model2vec", {"pad": "a\u3000b"}),
        ("model2vec", {"pad": "[UNK]"}),
        ("npz", {"pad": "[P]"}),
    ],
)
def test_special_rows_that_make_no_sense(profile: str, options: dict[str, Any], tmp_path: Path) -> None:
    """They are refused, and nothing is written."""
    assert code(UsageError, small(), tmp_path / "out", profile, **options) == "E-PROFILE-SPECIAL"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("profile", "wrong", "right"),
    [("ner-funtool", "last", "first"), ("chinese-text-classification", "first", "last")],
)
def test_special_rows_where_the_program_does_not_look(profile: str, wrong: str, right: str, tmp_path: Path) -> None:
    """A program whose own code has their ids would take a character for padding: only its places are taken."""
    for place in (wrong, "none"):
        with pytest.raises(UsageError) as caught:
            export(small(), tmp_path / "out", profile, special=place)
        assert caught.value.code == "E-PROFILE-SPECIAL" and caught.value.help == f"choose --special {right}"
        assert not list(tmp_path.iterdir())
    assert export(small(), tmp_path / "out", profile, special=right).characters == len(small())


def test_names(tmp_path: Path) -> None:
    """Other names mean the same; a near miss gets a hint."""
    assert export(small(), tmp_path / "a", "NCRFpp").profile == "lattice"
    assert export(small(), tmp_path / "b", "sentence_transformers").profile == "model2vec"
    with pytest.raises(UsageError) as caught:
        export(small(), tmp_path / "c", "latice")
    assert caught.value.code == "E-PROFILE" and "did you mean lattice?" in caught.value.help


@pytest.mark.parametrize("profile", ["lattice", "glove", "projector"])
def test_one_dimension(profile: str, tmp_path: Path) -> None:
    """A first line of two fields would pass for a header."""
    assert code(WrongFile, build("ab", np.ones((2, 1), np.float32)), tmp_path / "x", profile) == "E-PROFILE-DIM"


@pytest.mark.parametrize(
    ("profile", "chars"), [("lattice", " \u3000"), ("gensim", "\n "), ("paddle", "\0"), ("spacy", "")]
)
def test_nothing_left(profile: str, chars: str, tmp_path: Path) -> None:
    """A file without a character is not written."""
    vectors = build(chars, np.zeros((len(chars), 3), np.float32))
    assert code(WrongFile, vectors, tmp_path / "out", profile) == "E-NO-CHARACTERS" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("profile", ["gensim", "model2vec"])
def test_what_was_read_back_differs(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is written, and what was there stays."""
    export(small(), tmp_path / "out", profile)
    before = content(tmp_path)
    member: Any = gensim if profile == "gensim" else model2vec
    original = member.read

    def damaged(files: Any, path: str, dim: int) -> Any:
        raise DamagedFile("E-TEXT-LINE", "broken", help="x")

    def changed(files: Any, path: str, dim: int) -> Any:
        rows = original(files, path, dim)
        matrix = rows.matrix.copy()
        matrix[-1, -1] += 1
        return KeyedRows(rows.keys, matrix)

    def shuffled(files: Any, path: str, dim: int) -> Any:
        rows = original(files, path, dim)
        return KeyedRows(rows.keys[::-1], rows.matrix)

    for read in (damaged, changed, shuffled):
        monkeypatch.setattr(member, "read", read)
        assert code(DamagedFile, small(), tmp_path / "out", profile, overwrite=True) == "E-WRITE-VERIFY"
        assert content(tmp_path) == before


@pytest.mark.parametrize("profile", profiles.FORMATS)
def test_what_was_read_back_of_a_format_differs(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for profiles that are formats of charvec's own: compared before the file gets its name."""
    export(small(), tmp_path / "out", profile)
    before = content(tmp_path)
    real = exporting.load
    seen: list[Any] = []

    def damaged(path: str) -> Any:
        raise DamagedFile("E-TEXT-LINE", "broken", help="x")

    def changed(path: str) -> Any:
        seen.append(real(path))  # whole, though it does not have its name yet
        assert content(tmp_path) != before and (tmp_path / "out").read_bytes() == before["out"]
        return replace(seen[-1], stored=seen[-1].stored + np.float32(1))

    for read in (damaged, changed):
        monkeypatch.setattr(exporting, "load", read)
        vectors = replace(small(), stored=small().stored * np.float32(2))
        assert code(DamagedFile, vectors, tmp_path / "out", profile, overwrite=True) == "E-WRITE-VERIFY"
        assert content(tmp_path) == before
    assert len(seen) == 1 and np.array_equal(seen[0]["A"], 2 * small()["A"])
    monkeypatch.setattr(exporting, "load", real)
    assert export(vectors, tmp_path / "out", profile, overwrite=True).bytes == (tmp_path / "out").stat().st_size


@pytest.mark.parametrize("profile", FOLDERS)
def test_a_folder_is_never_half_written(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever file cannot be written, the old folder stays as it was, and nothing else remains."""
    export(small(), tmp_path / "out", profile)
    before = content(tmp_path)
    more = build("xyz", np.ones((3, 4), np.float32))
    real = exporting.write_file
    for failing in profiles.by_name(profile).FILES:

        def write(path: str, chunks: Any, failing: str = failing) -> None:
            if path.endswith(failing):
                raise OSError(28, "No space left on device")
            real(path, chunks)

        monkeypatch.setattr(exporting, "write_file", write)
        assert code(ReadWriteError, more, tmp_path / "out", profile, overwrite=True) == "E-DISK-FULL"
        assert content(tmp_path) == before and os.listdir(tmp_path) == ["out"]
        assert code(ReadWriteError, more, tmp_path / "new", profile) == "E-DISK-FULL"
        assert os.listdir(tmp_path) == ["out"]
    monkeypatch.setattr(exporting, "write_file", real)
    export(more, tmp_path / "out", profile, overwrite=True)
    assert content(tmp_path) != before and os.listdir(tmp_path) == ["out"]


def test_folders_of_others_are_not_replaced(tmp_path: Path) -> None:
    """Only a folder with nothing but files of the profile is."""
    out = tmp_path / "out"
    export(small(), out, "opennre")
    assert code(OutputError, small(), out, "opennre") == "E-OUTPUT-EXISTS"
    export(small(), out, "opennre", overwrite=True)
    (out / "thesis.tex").write_text("all of it")
    assert code(OutputError, small(), out, "opennre", overwrite=True) == "E-OUTPUT-EXISTS"
    assert (out / "thesis.tex").exists()
    (tmp_path / "file").write_text("x")
    assert code(OutputError, small(), tmp_path / "file", "opennre", overwrite=True) == "E-OUTPUT-FILE"
    (tmp_path / "link").symlink_to(out)
    assert code(OutputError, small(), tmp_path / "link", "opennre", overwrite=True) == "E-OUTPUT-FILE"
    assert code(OutputError, small(), out, "gensim") == "E-OUTPUT-FOLDER"
    assert code(OutputError, small(), tmp_path / "no" / "out", "opennre") == "E-OUTPUT-NO-FOLDER"
    assert code(UsageError, small(), "-", "opennre") == code(UsageError, small(), "-", "gensim") == "E-OUTPUT-STDOUT"
    (tmp_path / "empty").mkdir()
    export(small(), tmp_path / "empty", "opennre")


def test_no_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name, as a shell makes of a variable that is not set, is not the working folder."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("all of it")
    monkeypatch.chdir(tmp_path / "work")
    for overwrite in (False, True):
        for profile in FOLDERS:
            assert code(OutputError, small(), "", profile, overwrite=overwrite) == "E-OUTPUT-NO-FOLDER"
        assert code(OutputError, small(), "", "gensim", overwrite=overwrite) == "E-OUTPUT-FOLDER"
    assert content(tmp_path) == {"work/thesis.tex": b"all of it"}


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    """With a slash behind it, too."""
    export(small(), tmp_path / "out", "opennre")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for name in ("link", "link/"):
        assert code(OutputError, small(), f"{tmp_path}/{name}", "opennre", overwrite=True) == "E-OUTPUT-FILE"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("failing", [1, 2])
def test_between_the_two_names(
    fault: type[BaseException], failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C or an error while the old folder makes way for the new one: the old one is there again."""
    export(small(), tmp_path / "out", "opennre")
    before, renamed, rename = content(tmp_path), 0, os.rename

    def fails(source: str, target: str) -> None:
        nonlocal renamed
        renamed += 1
        if renamed == failing:
            raise fault
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises((KeyboardInterrupt, ReadWriteError)):
        export(build("xyz", np.ones((3, 4), np.float32)), tmp_path / "out", "opennre", overwrite=True)
    assert content(tmp_path) == before and os.listdir(tmp_path) == ["out"]


def test_killed_runs_leave_nothing_for_ever(tmp_path: Path) -> None:
    """What a killed run left is swept by the next one for the same output."""
    (tmp_path / ".out.999999999.01234567.tmp").mkdir()
    (tmp_path / f".out.{os.getpid()}.01234567.tmp").mkdir()
    export(small(), tmp_path / "out", "opennre")
    assert sorted(os.listdir(tmp_path)) == [f".out.{os.getpid()}.01234567.tmp", "out"]


def test_old_folders_of_killed_runs(tmp_path: Path) -> None:
    """An old folder that a killed run had put aside goes when there is a newer one, and not before."""
    aside = tmp_path / ".out.999999999.01234567.old"
    aside.mkdir()
    (tmp_path / "out").mkdir()
    export(small(), tmp_path / "out", "opennre")
    assert sorted(os.listdir(tmp_path)) == [aside.name, "out"]
    export(small(), tmp_path / "out", "opennre", overwrite=True)
    assert os.listdir(tmp_path) == ["out"]


def test_sentence_transformers(tmp_path: Path) -> None:
    """The folder of model2vec opens in sentence-transformers, and both give the means that charvec gives."""
    pytest.importorskip("model2vec")
    pytest.importorskip("sentence_transformers")
    code = (
        "import sys, numpy as np\n"
        "from model2vec import StaticModel\n"
        "from sentence_transformers import SentenceTransformer\n"
        "folder, *texts = sys.argv[1:]\n"
        "np.save(folder + '.1.npy', StaticModel.from_pretrained(folder).encode(texts))\n"
        "np.save(folder + '.2.npy', SentenceTransformer(folder, device='cpu').encode(texts))\n"
    )
    vectors = small()
    export(vectors, tmp_path / "out", "model2vec")
    texts = ["中水", "A A\u3000", "水" * 2000 + "中" * 2000, "😀"]
    subprocess.run([sys.executable, "-c", code, tmp_path / "out", *texts], check=True, capture_output=True)
    expected = vectors.encode(texts)
    for number in (1, 2):
        assert np.allclose(np.load(tmp_path / f"out.{number}.npy"), expected, rtol=1e-4, atol=1e-6)


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and statuses are there; without pyarrow nothing is written, and the message says what to install."""
    parquet = pytest.importorskip("pyarrow.parquet")
    export(small(), tmp_path / "a.parquet", "parquet", special="first")
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert table["char"] == ["<PAD>", "<UNK>", *small().chars]
    assert table["codepoint"] == [None, None, *small().codepoints.tolist()]
    assert table["count"] == [0, 0, *small().counts.tolist()]
    assert table["status"] == [None, None, "exact", "normalized", "boundary", "exact", "composed", "exact"]
    assert parquet.read_schema(tmp_path / "a.parquet").field("vector").type.list_size == 4
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert code(MissingPackage, small(), tmp_path / "b.parquet", "parquet") == "E-PACKAGE"
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_formats_are_profiles(tmp_path: Path) -> None:
    """Those that keep everything, and those of BERT-Vector."""
    for profile in profiles.FORMATS:
        done = export(small(), tmp_path / profile, profile)
        assert load(tmp_path / profile).chars == [char for char in small().chars if char not in done.left_out]
        assert done.left_out == ((" ", "\u3000") if profile == "bert-vector-text" else ())


# -- the command


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """A small vector file."""
    small().save(tmp_path / "in.h5")
    return tmp_path / "in.h5"


def test_command(vectors: Path, tmp_path: Path) -> None:
    """What was written on stdout, what was left out on stderr, every character with its code point."""
    done = charvec("convert", vectors, tmp_path / "out.txt", "--for", "lattice")
    assert done.returncode == 0
    assert "for lattice: 4 characters x 4" in done.stdout and "read back, the same" in done.stdout
    assert "warning[W-LEFT-OUT]" in done.stderr and "2 characters left out" in done.stderr
    assert "U+0020" in done.stderr and "U+3000" in done.stderr
    done = charvec("convert", vectors, tmp_path / "ctc", "--for", "chinese-text-classification", "--unk", "[U]")
    assert done.returncode == 0 and not done.stderr
    assert "[U] = row 6, <PAD> = row 7" in done.stdout and "embedding.npz, vocab.pkl" in done.stdout


def test_command_json(vectors: Path, tmp_path: Path) -> None:
    """The same as JSON."""
    done = charvec("convert", vectors, tmp_path / "o", "--for", "gensim", "--json")
    assert json.loads(done.stdout) == {
        "path": str(tmp_path / "o"),
        "profile": "gensim",
        "files": [],
        "characters": 5,
        "special": {},
        "bytes": (tmp_path / "o").stat().st_size,
        "dim": 4,
        "left_out": [{"char": " ", "codepoint": "U+0020"}],
    }
    done = charvec("convert", vectors, tmp_path / "o.vec", "--json")
    found = json.loads(done.stdout)
    assert found["format"] == "word2vec" and found["left_out"] == [{"char": " ", "codepoint": "U+0020"}]


def test_list_profiles() -> None:
    """Every profile, and who reads it."""
    done = charvec("convert", "--list-profiles")
    assert done.returncode == 0 and not done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == profiles.names()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--for", "torchtxt"], "E-PROFILE"),
        (["--for", "gensim", "--format", "text"], "E-USAGE"),
        (["--pad", "<P>"], "E-USAGE"),
        (["--for", "model2vec", "--special", "none"], "E-PROFILE-SPECIAL"),
    ],
)
def test_usage(arguments: list[str], code: str, vectors: Path, tmp_path: Path) -> None:
    """Calls that make no sense."""
    done = charvec("convert", vectors, tmp_path / "out.h5", *arguments)
    assert done.returncode == 2 and f"error[{code}]" in done.stderr and not (tmp_path / "out.h5").exists()


def test_input_is_never_the_output(vectors: Path, tmp_path: Path) -> None:
    """Neither as a file nor in a folder."""
    done = charvec("convert", vectors, vectors, "--for", "gensim", "-f")
    assert done.returncode == 73 and "E-OUTPUT-IS-INPUT" in done.stderr
    (tmp_path / "folder").mkdir()
    vectors.rename(tmp_path / "folder" / "vec.npy")
    done = charvec("convert", tmp_path / "folder" / "vec.npy", tmp_path / "folder", "--for", "opennre", "-f")
    assert done.returncode == 73 and "E-OUTPUT-IS-INPUT" in done.stderr


def test_no_framework_is_needed(vectors: Path, tmp_path: Path) -> None:
    """No profile imports the program it writes for."""
    code = (
        "import sys; from charvec import export, load; from charvec import profiles\n"
        "for name in set(profiles.names()) - {'parquet'}: export(load(sys.argv[1]), sys.argv[2] + name, name)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, vectors, tmp_path / "o-"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "gensim", "spacy", "model2vec", "safetensors", "pickle5", "paddle", "tokenizers"}
