"""``charvec encode``, and ``similar`` and ``nearest`` for many texts at once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from vector_samples import build

from charvec import cli, reduce
from charvec.errors import CharvecError, DamagedFile, UnsafeFile
from charvec.plumbing.text import text_lines

Run = Callable[..., tuple[int, str, str]]
VECTORS = build("一水火", np.array([[1, 2, 0], [0.1, -1, 3], [1e-8, 5, 1]], np.float32))
LINES = "水火\n\n龘\r\n一a\n火"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three characters."""
    VECTORS.save(tmp_path / "a.h5")
    return tmp_path / "a.h5"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process, with standard input: exit code, stdout, stderr."""

    def run(*arguments: str | Path, stdin: bytes | str = b"") -> tuple[int, str, str]:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def expected(**options: object) -> np.ndarray:
    """What the library gives for the lines."""
    return np.asarray(VECTORS.encode(["水火", "", "龘", "一a", "火"], **options))  # type: ignore[arg-type]


def test_tab_separated(file: Path, run: Run) -> None:
    """Every value comes back bit for bit; what was passed over is named."""
    code, out, err = run("encode", file, stdin=LINES)
    assert code == 0
    got = np.array([[float(value) for value in line.split("\t")] for line in out.splitlines()], np.float32)
    np.testing.assert_array_equal(got, expected())
    assert "2 characters" in err and "龘 U+9F98" in err and "2 texts without any vector" in err


@pytest.mark.parametrize("lines", [1, 2, 100])
def test_npy(file: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """NumPy reads it, however many batches it came in."""
    monkeypatch.setattr(text_lines, "LINES", lines)
    (tmp_path / "in.txt").write_text("\ufeff" + LINES, "utf-8")
    code, out, _ = run("encode", file, "--from", tmp_path / "in.txt", "-o", tmp_path / "o.npy", "--pooling", "sum")
    assert code == 0 and "5 texts x 3" in out
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), expected(pooling="sum"))


def test_json_lines(file: Path, run: Run, tmp_path: Path) -> None:
    """Texts with their vectors, to a file as to stdout."""
    options = ("--pooling", "sif", "-a", "0.5", "--normalize")
    code, out, _ = run("encode", file, "--json", *options, stdin=LINES)
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [each["text"] for each in found] == ["水火", "", "龘", "一a", "火"] and "水火" in out
    got = np.array([each["vector"] for each in found], np.float32)
    np.testing.assert_array_equal(got, expected(pooling="sif", a=0.5, normalize=True))
    assert run("encode", file, *options, "-o", tmp_path / "o.jsonl", stdin=LINES)[0] == 0
    assert (tmp_path / "o.jsonl").read_text("utf-8") == out


def test_texts_as_arguments(file: Path, run: Run) -> None:
    """No line is read then."""
    code, out, _ = run("encode", file, "水火", "一", stdin=b"\xff")
    assert code == 0 and len(out.splitlines()) == 2


def test_nothing_to_encode(file: Path, run: Run, tmp_path: Path) -> None:
    """No lines, no rows."""
    assert run("encode", file)[:2] == (0, "")
    assert run("encode", file, "-o", tmp_path / "o.npy")[0] == 0
    assert np.load(tmp_path / "o.npy").shape == (0, 3)


def test_refused(file: Path, run: Run, tmp_path: Path) -> None:
    """Bad output names, outputs that exist or are inputs, contradictions, bytes that are no UTF-8."""
    (tmp_path / "in.tsv").write_text("水\n", "utf-8")
    source = tmp_path / "in.tsv"
    for code, arguments in (
        ("E-SUFFIX", ("-o", tmp_path / "o.csv")),
        ("E-SUFFIX", ("-o", tmp_path / "o.npy", "--json")),
        ("E-OUTPUT-IS-INPUT", ("--from", source, "-o", source, "-f")),
        ("E-USAGE", ("水", "--from", source)),
        ("E-ARGUMENT", ("--pooling", "sif", "-a", "0")),
        ("E-USAGE", ("-a", "0.1")),
        ("E-USAGE", ("-a", "0.1", "--pooling", "sum")),
    ):
        got, out, err = run("encode", file, *arguments, stdin="水\n")
        assert got in (2, 73) and code in err and not out
    assert run("encode", file, "水", "-o", source)[0] == 73
    code_, _, err = run("encode", file, "-o", tmp_path / "bad.npy", stdin=b"\xe6\xb0\xb4\n\xe6\xb0\n")
    assert code_ == 65 and "E-ENCODING" in err and "line 2" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "in.tsv"]


def test_values_without_a_number(tmp_path: Path, run: Run) -> None:
    """JSON has none for them."""
    build("ab", np.array([[np.inf, 0], [np.nan, 1]], np.float32)).save(tmp_path / "odd.h5")
    code, out, _ = run("encode", tmp_path / "odd.h5", "a", "b", "--json")
    assert code == 0 and [json.loads(line)["vector"] for line in out.splitlines()] == [[None, 0], [None, 1]]


def test_similar_pairs(file: Path, run: Run) -> None:
    """The same cosines as one at a time; a pair without any is told."""
    code, out, err = run("similar", file, "-", stdin="水\t火\nU+6C34\t一a\n\t水\n龘\t水\n")
    one, two = (run("similar", file, first, second)[1].strip() for first, second in (("水", "火"), ("水", "一a")))
    assert code == 3 and out.split() == [one, two, "nan", "nan"] and "2 pairs" in err
    code, out, _ = run("similar", file, "-", "--json", stdin="水\t一a\n龘\t水\n")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 3 and [each["unknown"] for each in found] == [["a"], ["龘"]] and found[1]["cosine"] is None
    assert found[0]["cosine"] == pytest.approx(VECTORS.similarity("水", "一"), abs=1e-6)
    assert run("similar", file, "-", "--pooling", "sif", stdin="水\t火\n")[0] == 0
    assert run("similar", file, "水")[0] == 2


def test_a_line_that_is_no_pair(file: Path, run: Run) -> None:
    """Its cosine is nan and its number is named; what stands around it is compared."""
    lines = "水\t火\n水\n\nU+110000\t水\na\tb\tc\n水\t水\n"
    code, out, err = run("similar", file, "-", stdin=lines)
    assert code == 3 and out.split()[1:] == ["nan"] * 4 + ["1.0000"]
    assert "W-PAIR" in err and "lines 2, 3, 4, 5:" in err and "without a cosine" not in err
    found = [json.loads(line)["cosine"] for line in run("similar", file, "-", "--json", stdin=lines)[1].splitlines()]
    assert found[1:5] == [None] * 4 and found[5] == pytest.approx(1)


def test_characters_without_a_vector_are_named_everywhere(file: Path, run: Run) -> None:
    """The same warning, each character once, whichever command passes over them."""
    for arguments, stdin in (
        (("encode", file, "水龘龘"), ""),
        (("similar", file, "水龘龘", "火"), ""),
        (("similar", file, "-"), "水龘\t火龘\n"),
        (("nearest", file, "水龘龘"), ""),
        (("nearest", file, "-"), "水龘\n火龘\n"),
    ):
        code, _, err = run(*arguments, stdin=stdin)
        assert code == 0 and "[W-NO-VECTOR]: 1 character without a vector passed over, 2 times in all: 龘" in err
    assert "no character of them" in run("nearest", file, "-", stdin="龘\n龘\n")[2]


def test_nearest_lines(file: Path, run: Run) -> None:
    """The same neighbours as one at a time."""
    code, out, err = run("nearest", file, "-", "-k", "1", stdin="水\nU+706B\n龘\n")
    assert code == 3 and [line.split("\t")[:2] for line in out.splitlines()] == [
        ["水", "火 U+706B"],
        ["火", "一 U+4E00"],
    ]
    assert "1 line" in err
    code, out, _ = run("nearest", file, "-", "--json", stdin="水火\n龘\n")
    first, second = (json.loads(line) for line in out.splitlines())
    assert (first["query"], second["nearest"]) == ("水火", None)
    assert first["nearest"] == json.loads(run("nearest", file, "水火", "--json")[1])


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
def test_lines(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Line ends and characters may lie across blocks."""
    monkeypatch.setattr(text_lines, "BLOCK", block)
    raw = io.BytesIO("\ufeff水火\r\n\n一\rb\u2028c\n末".encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=SimpleNamespace(read1=raw.read)))
    assert [line for batch in text_lines.batches("-") for line in batch] == ["水火", "", "一\rb\u2028c", "末"]


def test_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one line does not fill the memory."""
    monkeypatch.setattr(text_lines, "LONGEST", 100)
    monkeypatch.setattr(text_lines, "BLOCK", 30)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a" * 1000)))
    with pytest.raises(UnsafeFile) as caught:
        list(text_lines.batches("-"))
    assert caught.value.code == "E-TOO-LARGE"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    with pytest.raises(DamagedFile):
        list(text_lines.batches("-"))


def test_centred_cosines(file: Path, run: Run, tmp_path: Path) -> None:
    """--center and -a, one at a time and in lines: the cosines of the vectors that encode gives with them."""
    kept = reduce(VECTORS, center=True, by="types")
    kept.save(tmp_path / "mean.h5")
    assert kept.mean is not None
    one, two = kept["水"].astype(float) - kept.mean, kept["火"].astype(float) - kept.mean
    cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    assert kept.similarity("水", "火", center=True) == pytest.approx(cosine, abs=1e-6)
    assert abs(cosine - kept.similarity("水", "火")) > 0.1
    for arguments in (("水", "火"), ("-",)):
        out = run("similar", tmp_path / "mean.h5", *arguments, "--center", stdin="水\t火\n")[1]
        assert float(out) == pytest.approx(cosine, abs=1e-4)
    nearest = kept.nearest("水", center=True)
    assert dict(nearest)["火"] == pytest.approx(cosine, abs=1e-6) and len(nearest) == 2
    assert nearest == kept.nearest("水", center=True) != kept.nearest("水")
    found = kept.nearest(one, center=True)  # a vector has no characters of its own to leave out
    assert found[0] == ("水", pytest.approx(1)) and [char for char, _ in found[1:]] == [char for char, _ in nearest]
    alone = json.loads(run("nearest", tmp_path / "mean.h5", "水", "--center", "--json")[1])
    line = json.loads(run("nearest", tmp_path / "mean.h5", "-", "--center", "--json", stdin="水\n")[1])["nearest"]
    assert [(each["char"], each["cosine"]) for each in alone] == nearest and alone == line
    for command in (("similar", file, "水", "火"), ("nearest", file, "水"), ("nearest", file, "-")):
        assert "E-NO-MEAN" in run(*command, "--center", stdin="水\n")[2]


@pytest.mark.parametrize("a", [0.01, 10.0])
def test_cosines_with_an_a_of_ones_own(file: Path, run: Run, a: float) -> None:
    """That of sif, for two texts and for lines of them."""
    one, two = (np.asarray(VECTORS.encode(text, "sif", a=a), float) for text in ("水水火", "一火"))
    cosine = float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    assert VECTORS.similarity("水水火", "一火", "sif", a=a) == pytest.approx(cosine)
    for arguments in (("水水火", "一火"), ("-",)):
        out = run("similar", file, *arguments, "--pooling", "sif", "-a", a, stdin="水水火\t一火\n")[1]
        assert float(out) == pytest.approx(cosine, abs=1e-4)
        code, out, err = run("similar", file, *arguments, "-a", a, stdin="水水火\t一火\n")
        assert (code, out) == (2, "") and "--pooling sif" in err


@pytest.mark.parametrize("end", [b"\xff\n", b"x" * 200])
def test_lines_before_a_bad_one_are_answered(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    """What can be answered does not depend on how many lines were read at once."""
    monkeypatch.setattr(text_lines, "LONGEST", 100)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("水\n火\n".encode() + end)))
    lines: list[str] = []
    with pytest.raises(CharvecError, match="line 3"):
        for batch in text_lines.batches("-"):
            lines += batch
    assert lines == ["水", "火"]
