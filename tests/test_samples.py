"""Finding the files that are named as files, folders, patterns or standard input."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest
from vector_samples import ROOT

from charvec import samples
from charvec.cli import main
from charvec.errors import CharvecError, NotFound, OutputError, UsageError
from charvec.samples import STDIN, Found, find_samples

posix = pytest.mark.skipif(os.name != "posix", reason="needs links, pipes and modes of a Unix system")


@contextmanager
def no_privileges() -> Iterator[None]:
    """As a user whom permissions hold back; the superuser becomes another one for a while."""
    if os.geteuid():
        yield
        return
    os.chmod(os.curdir, 0o777)  # noqa: PTH101
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, so that paths are short and relative."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    """Empty files, with their folders."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def find(*names: str, **options: object) -> list[str]:
    """Paths found; problems as ``code path``, hidden entries as ``hidden N``."""
    return [show(each) for each in find_samples(list(names), **options)]  # type: ignore[arg-type]


def show(found: Found) -> str:
    """One thing found, as a line."""
    if found.problem:
        return f"{found.problem.code} {found.problem.path}".replace(os.sep, "/")
    counts = {"hidden": found.hidden, "ignored": found.ignored, "excluded": found.excluded}
    return " ".join(f"{kind} {count}" for kind, count in counts.items() if count) or found.path.replace(os.sep, "/")


def write(**files: str) -> None:
    """Ignore files: the name of the folder, and the patterns between blanks."""
    for folder, patterns in files.items():
        place = Path(".") if folder == "here" else Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / ".gitignore").write_text("\n".join(patterns.split()) + "\n", "utf-8")


def raises(code: str, names: Iterable[str], kind: type[CharvecError] = NotFound, **options: object) -> CharvecError:
    """The error that finding raises."""
    with pytest.raises(kind) as caught:
        find(*names, **options)
    assert caught.value.code == code and caught.value.help
    return caught.value


def test_order() -> None:
    """As named; inside folders by name, the files of a folder before its folders."""
    make("d/b/1", "d/b/0", "d/a/2", "d/z", "d/c", "x")
    assert find("x", "d") == ["x", "d/c", "d/z", "d/a/2", "d/b/0", "d/b/1"]
    assert find("d", "x") == [*find("d"), "x"]


def test_one_name_alone_and_paths() -> None:
    """A string, a path, a list of either."""
    make("x")
    for named in ("x", Path("x"), ["x"], (Path("x"),), iter(["x"])):
        assert [each.path for each in find_samples(named)] == ["x"]
    assert list(find_samples([])) == []


@pytest.mark.parametrize(
    "names",
    [
        ("x", "x"),
        ("x", "./x"),
        ("d/y", "d"),
        ("d", "d/y"),
        ("d", "d"),
        ("d", "./d/"),
        ("d", "d/../d"),
        ("d", "d/s"),
        ("d/s", "d"),
    ],
)
def test_named_twice_read_once(names: tuple[str, ...]) -> None:
    """By the same or another name, alone or with its folder."""
    make("x", "d/y", "d/s/z")
    found = [os.path.normpath(path).replace(os.sep, "/") for path in find(*names)]
    assert len(found) == len(set(found))
    assert set(found) == ({"x"} if names[0] == "x" else {"d/y", "d/s/z"})


def test_a_file_its_folder_leaves_out_is_read_when_named() -> None:
    """Hidden, or of another suffix; before and after the folder."""
    make("d/.h", "d/a.bin", "d/b.txt")
    options = {"extensions": ["txt"]}
    assert find("d", "d/.h", "d/a.bin", **options) == ["d/b.txt", "hidden 1", "d/.h", "d/a.bin"]
    assert find("d/.h", "d/a.bin", "d", **options) == ["d/.h", "d/a.bin", "d/b.txt", "hidden 1"]


def test_hidden_entries_are_counted_once() -> None:
    """Files and folders, at any depth; a folder named by itself is read whatever its name."""
    make("d/.a", "d/.b/c", "d/e/.f", "d/e/g", ".hid/x")
    assert find("d") == ["hidden 2", "d/e/g", "hidden 1"]
    assert find("d", "d") == find("d")
    assert find("d", hidden=True) == ["d/.a", "d/.b/c", "d/e/.f", "d/e/g"]
    assert find(".hid") == [".hid/x"]


def test_extensions() -> None:
    """With or without dot and star, any case, also several dots; files named by themselves are read anyway."""
    make("d/a.txt", "d/b.TXT", "d/c.csv", "d/txt", "d/e.tar.gz", "d/f.txt.bak")
    for extension in ("txt", ".txt", "*.txt", "TXT"):
        assert find("d", extensions=[extension]) == ["d/a.txt", "d/b.TXT"]
    assert find("d", extensions=["tar.gz", "csv"]) == ["d/c.csv", "d/e.tar.gz"]
    assert find("d/txt", extensions=["csv"]) == ["d/txt"]


def test_patterns() -> None:
    """Sorted; ``**`` goes down; a folder that matches is searched; a real name beats a pattern."""
    make("d/a.txt", "d/s/b.txt", "d/s/c.csv", "[x].txt", "x.txt")
    assert find("d/*.txt") == ["d/a.txt"]
    assert find("d/**/*.txt") == ["d/a.txt", "d/s/b.txt"]
    assert find("d/*") == ["d/a.txt", "d/s/b.txt", "d/s/c.csv"]
    assert find("[x].txt") == ["[x].txt"]
    assert find("**/*.txt") == ["[x].txt", "d/a.txt", "d/s/b.txt", "x.txt"]
    assert find("**/s/**/*") == ["d/s/b.txt", "d/s/c.csv"] and find("**/**/b.*") == ["d/s/b.txt"]
    assert find("d/**") == find("d") and find("**") == [f"./{path}" for path in find("*.txt", "d")]
    raises("E-NOT-FOUND", ["*.none"])
    raises("E-NOT-FOUND", ["d", "*.none"])


@pytest.mark.parametrize("name", ["nothing", "", "a\0b", "a\0*", "x" * 300, "f/x", "\udcff\udcfe", "\x1b[31m", "-x"])
def test_names_of_nothing(name: str) -> None:
    """Missing, empty, impossible; even when other names are good."""
    make("f")
    error = raises("E-NOT-FOUND", ["f", name])
    assert error.path == name and error.exit_code == 66


def test_standard_input_once() -> None:
    """It can be read only once."""
    make("x")
    assert find(STDIN, "x", STDIN) == [STDIN, "x"]


def test_a_file_called_minus() -> None:
    """Its folder says that it is a file."""
    make("-")
    assert find("./-") == ["./-"] and find(STDIN) == [STDIN]


def test_the_output_is_left_out() -> None:
    """Found in a folder: passed over. Named, or matched by a pattern: an error before anything is read."""
    make("d/a", "d/out")
    assert find("d", not_this="d/out") == ["d/a"]
    assert find("d", not_this=Path("d/../d/out")) == ["d/a"]
    assert find("d", not_this="d/none") == ["d/a", "d/out"]
    for names in (["d/out"], ["d/a", "./d/out"], ["d/*"]):
        raises("E-OUTPUT-IS-INPUT", names, OutputError, not_this="d/out")
    with pytest.raises(OutputError):
        next(iter(find_samples(["d/a", "d/out"], not_this="d/out")))


#: Texts that begin somewhat as what charvec writes.
SAMPLES = (
    "水火土",
    "water 1 2 3\nfire 4 5 6\n",
    "水 0.5 0.25 1\n火 0.5 0.25 1\n",
    "1 3\n水 0.123456789 0.12345679 0.23456789\n" * 9,
    "".join(f"{char} 0.123456784 0.234567896 1 0.3456789 0.456789017\n" for char in "水火木土"),
    "".join(f"{char} 0.123 0.234567 0.12345678\n" for char in "一二三四"),
    "U+6C34 is water\n",
    "U+6C34\t火\t3\n",
    "U+6C34\t水\t3\nand more of it\n",
    "U+6C34\t水\t3\nU+706B\t火\t4\n",
    "{}",
    '{\n  "files": 3\n}\n',
    "2024 12\n水火土",
    "<!DOCTYPE html>\n<title>Water</title>",
    "<!DOCTYPE html>\n<html><title>Coverage of 3 models</title>",
)


@pytest.mark.parametrize("command", ["dump -o d/out.h5", "dump -o d/out.txt", "dump -o d/out.pkl", "scan -o d/out.tsv"])
def test_a_sample_is_never_replaced(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What charvec wrote before is, when it is found in a folder of samples; anything else there is a sample."""
    make("d/a")
    Path("d/a").write_text("水火", "utf-8")
    name, _, out = command.split()
    for _ in range(2):
        assert main([name, "d", "-o", out, "-f", "-q"]) == 0
    assert find("d", not_this=out) == ["d/a"]
    for text in SAMPLES:
        Path(out).write_text(text, "utf-8")
        assert main([name, "d", "-o", out, "-f", "-q"]) == 73
        assert "E-OUTPUT-IS-INPUT" in capsys.readouterr().err and Path(out).read_text("utf-8") == text
        assert main([name, "d", "-o", out, "-f", "-q", "--exclude", Path(out).name]) == 0


def test_an_archive_of_texts_is_no_vector_file() -> None:
    """It is a zip archive as .npz files are, but one whose first member is no array."""
    make("d/a")
    Path("d/a").write_text("水火", "utf-8")
    with ZipFile("d/out.npz", "w") as archive:
        archive.writestr("x.txt", "土")
    before = Path("d/out.npz").read_bytes()
    assert main(["dump", "d", "-o", "d/out.npz", "-f", "-q"]) == 73 and Path("d/out.npz").read_bytes() == before
    Path("d/out.npz").unlink()
    for dtype in ("float32", "pq", "int8"):
        assert main(["dump", "d", "-o", "d/out.npz", "-f", "-q", "--dtype", dtype]) == 0


@pytest.mark.parametrize("suffix", ["h5", "npz", "safetensors", "pkl", "bin"])
def test_files_of_other_programs_are_not_replaced(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What has the format, but not from charvec, is refused as well where it is found among the samples."""
    make("d/a")
    Path("d/a").write_text("水火", "utf-8")
    others = {
        "h5": b"\x89HDF\r\n\x1a\n" + bytes(600),
        "npz": Path(ROOT / "tests/data/numpy/stored.npz").read_bytes(),
        "safetensors": Path(ROOT / "tests/data/safetensors/model.safetensors").read_bytes(),
        "pkl": b"\x80\x03}(u.",
        "bin": b"2 2\n" + b"\xe7\x81\xab " + bytes(8) + b"\n" + b"\xe6\xb0\xb4 " + bytes(8) + b"\n",
    }
    out = Path(f"d/out.{suffix}")
    out.write_bytes(others[suffix])
    assert main(["dump", "d", "-o", str(out), "-f", "-q"]) == 73 and out.read_bytes() == others[suffix]
    assert "E-OUTPUT-IS-INPUT" in capsys.readouterr().err


def test_a_folder_that_is_replaced_holds_no_samples() -> None:
    """A model that was trimmed for samples among these gives the same model once more."""
    make("d/a")
    Path("d/a").write_text("水火", "utf-8")
    trim = ["trim", str(ROOT / "samples" / "tiny-bert-zh"), "d", "-o", "d/small", "-q"]
    assert main(trim) == 0
    before = Path("d/small/id_map.tsv").read_bytes()
    assert main([*trim, "-f"]) == 0 and Path("d/small/id_map.tsv").read_bytes() == before


@pytest.mark.parametrize("options", ["scan -o d/out --json", "scan -o d/out --unit grapheme", "coverage --html d/out"])
def test_other_outputs_that_were_written_before(options: str) -> None:
    """They are no samples either."""
    if "grapheme" in options:
        pytest.importorskip("regex")
    make("d/a")
    Path("d/a").write_text("é水", "utf-8")
    name, *rest = options.split()
    for _ in range(2):
        assert main([name, "d", *rest, "-f", "-q"]) == 0


@posix
def test_the_output_by_another_name() -> None:
    """A hard or symbolic link to the output is the output."""
    make("d/a", "d/out")
    os.link("d/out", "d/hard")
    os.symlink("d/out", "soft")
    assert find("d", not_this="soft") == ["d/a"]
    raises("E-OUTPUT-IS-INPUT", ["d/hard"], OutputError, not_this="d/out")


@posix
def test_tree_with_loops() -> None:
    """Links to the folder, its parents and its parts: each file once, nothing to complain of."""
    make("t/a", "t/s/b")
    os.symlink(".", "t/self")
    os.symlink("..", "t/s/up")
    os.symlink("../..", "t/s/upper")
    os.symlink("s", "t/s2")
    os.symlink("s/b", "t/b2")
    os.symlink(os.path.abspath("t"), "t/absolute")
    assert find("t") == ["t/a", "t/s/b"]
    assert find("t/**") == ["t/a", "t/s/b"]
    for pattern, files in (("t/**/b*", ["t/s/b"]), ("t/**/*", ["t/a", "t/s/b"])):  # links that match are named ones
        assert sorted(map(os.path.realpath, find(pattern))) == [os.path.abspath(file) for file in files]


@posix
def test_links_out() -> None:
    """To files and folders elsewhere, and to nothing: listed. A name that only begins alike is elsewhere."""
    make("t/a", "out/b", "t2/c", "tt/t")
    os.symlink("../out", "t/folder")
    os.symlink("../out/b", "t/file")
    os.symlink("../t2", "t/neighbour")
    os.symlink("gone", "t/broken")
    assert sorted(find("t")) == [
        "W-LINK t/broken", "W-LINK t/file", "W-LINK t/folder", "W-LINK t/neighbour", "t/a"
    ]  # fmt: skip
    os.mkdir("tx")
    os.symlink("../t", "tx/shorter")
    assert find("tx") == ["W-LINK tx/shorter"]


@posix
def test_links_between_the_folders_named() -> None:
    """What a link leads to is read anyway when its folder is named too, in whatever order."""
    make("a/x", "b/y")
    os.symlink("../b", "a/b")
    os.symlink("../b/y", "a/y")
    assert find("a", "b") == ["a/x", "b/y"] and find("b", "a") == ["b/y", "a/x"]
    assert sorted(find("a")) == ["W-LINK a/b", "W-LINK a/y", "a/x"]


@posix
def test_links_named() -> None:
    """A link that is named is followed; what it leads to is read once."""
    make("real/x", "f")
    os.symlink("real", "l")
    os.symlink("f", "g")
    assert find("l") == ["l/x"] and find("g") == ["g"]
    assert find("l", "real") == ["l/x"] and find("f", "g") == ["f"] and find("g", "f") == ["g"]
    assert find("real", "l/x") == ["real/x"]


@posix
def test_links_and_suffixes() -> None:
    """A link that would not be read is nobody's business; one to a file left out by its suffix is listed."""
    make("t/data.bin", "t/.hidden.txt", "elsewhere")
    os.symlink("../elsewhere", "t/other.csv")
    os.symlink("data.bin", "t/data.txt")
    os.symlink(".hidden.txt", "t/seen.txt")
    os.symlink("nothing", "t/gone.csv")
    assert find("t", extensions=["txt"]) == ["W-LINK t/data.txt", "hidden 1"]


@posix
def test_links_that_lead_nowhere() -> None:
    """Named: an error, for a name that leads to nothing is a mistake. Matched or found: listed."""
    os.symlink("gone", "broken")
    os.symlink("loop", "loop")
    assert "leads nowhere" in raises("E-NOT-FOUND", ["broken"]).message
    assert find("loop") == ["W-LOOP loop"]
    os.mkdir("d")
    os.rename("loop", "d/loop")
    os.symlink("two", "d/one")
    os.symlink("one", "d/two")
    assert find("d") == ["W-LOOP d/loop", "W-LOOP d/one", "W-LOOP d/two"]


@posix
def test_hard_links() -> None:
    """Each is a file of its own."""
    make("d/a")
    os.link("d/a", "d/b")
    assert find("d") == ["d/a", "d/b"] and find("d/a", "d/b") == ["d/a", "d/b"]


@posix
def test_special_files() -> None:
    """In a folder all are listed; named by itself a pipe is read, a socket or a device is not."""
    os.mkdir("d")
    os.mkfifo("d/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("d/sock")
        assert find("d") == ["W-SPECIAL d/pipe", "W-SPECIAL d/sock"]
        assert find("d/sock") == ["W-SPECIAL d/sock"]
    assert list(find_samples("d/pipe")) == [Found("d/pipe", pipe=True)]
    assert find("d", "d/pipe") == ["W-SPECIAL d/pipe", "W-SPECIAL d/sock", "d/pipe"]
    assert find("/dev/null", "/dev/zero") == ["W-SPECIAL /dev/null", "W-SPECIAL /dev/zero"]
    assert find("d", extensions=["txt"]) == []


@posix
def test_no_permission() -> None:
    """A folder that cannot be listed, one whose files cannot be looked at, and names inside such folders."""
    make("d/a", "d/shut/b", "d/list/c", "d/z")
    Path("d/shut").chmod(0)
    Path("d/list").chmod(0o444)
    try:
        with no_privileges():
            assert find("d") == ["d/a", "d/z", "d/list/c", "W-PERMISSION d/shut"]
            assert find("d/shut/b", "d/a", "d/list/c") == ["W-PERMISSION d/shut/b", "d/a", "W-PERMISSION d/list/c"]
            assert find("d/*") == ["d/a", "d/list/c", "W-PERMISSION d/shut", "d/z"]
    finally:
        Path("d/shut").chmod(0o755)
        Path("d/list").chmod(0o755)


def test_things_that_vanish() -> None:
    """A folder and a file that are gone when their turn comes are listed; the others are read."""
    make("a/x", "b/y", "c")
    found = find_samples(["a", "b", "c"])
    assert next(found).path == "a/x"
    os.remove("b/y")
    os.rmdir("b")
    os.remove("c")
    assert [show(each) for each in found] == ["W-READ b", "W-READ c"]


@posix
def test_strange_names() -> None:
    """Newlines, escapes, spaces, bytes that are no UTF-8: read like any other."""
    names = ["a\nb", "\x1b[31m", " ", "-q", "\udcff", "‮", "*", "[a]", "é", "e\u0301"]
    os.mkdir("d")
    for name in names:
        Path("d", name).write_bytes(b"")
    assert find("d") == [f"d/{name}" for name in sorted(names)]
    for name in names:
        assert find(f"d/{name}") == [f"d/{name}"]


@posix
def test_deeper_than_the_stack_and_longer_than_a_path() -> None:
    """4,000 folders, one in the other: those within reach of a path are read, the rest is listed."""
    here = os.getcwd()
    for _ in range(4000):
        os.mkdir("d")
        os.chdir("d")
    Path("bottom").write_bytes(b"")
    os.chdir(here)
    make("d/d/top")
    top, rest = find("d")
    assert top == "d/d/top" and rest.startswith("W-READ d/d/") and len(rest) > 1000
    # Python's rmtree would run out of stack or of path on this
    os.rename("d", "old")
    while os.path.isdir("old/d"):
        os.rename("old/d", "new")
        for name in os.listdir("old"):
            os.remove(f"old/{name}")
        os.rmdir("old")
        os.rename("new", "old")


@posix
def test_searching_needs_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked about each file but its name: a million files take no longer than listing them."""
    make(*(f"d/{number}" for number in range(50)))
    asked: list[object] = []
    stat, lstat = os.stat, os.lstat
    monkeypatch.setattr(os, "stat", lambda *args, **options: asked.append(args) or stat(*args, **options))
    monkeypatch.setattr(os, "lstat", lambda *args, **options: asked.append(args) or lstat(*args, **options))
    assert len(find("d")) == 50
    assert len(asked) < 25 + len(Path.cwd().parts)


# -- what is left out


def test_exclude() -> None:
    """By name at any depth, by path from the folder named, folders only, and taken back again; all of it counted."""
    make("d/a.txt", "d/b.bak", "d/s/a.txt", "d/s/t/c.bak", "d/s/t/c.txt", "d/old/x", "d/s/old")
    assert find("d", exclude=["*.bak"]) == [
        "d/a.txt",
        "excluded 1",
        "d/old/x",
        "d/s/a.txt",
        "d/s/old",
        "d/s/t/c.txt",
        "excluded 1",
    ]
    assert find("d", exclude=["/a.txt", "old/", "s/t"]) == [
        "d/b.bak",
        "excluded 2",
        "d/s/a.txt",
        "d/s/old",
        "excluded 1",
    ]
    assert find("d", exclude=["*", "!s/", "!s/a.*"]) == ["excluded 3", "d/s/a.txt", "excluded 2"]
    assert find("d", exclude="old") == find("d", exclude=["old"]) == find("d", exclude=["", "old"])
    assert find("d", exclude=["./s"]) == find("d", exclude=["/s"]) == ["d/a.txt", "d/b.bak", "excluded 1", "d/old/x"]
    assert find("d", exclude=[]) == find("d", exclude=[""]) == find("d", exclude=["#", "none"]) == find("d")
    assert find("d/s", exclude=["/t"]) == ["d/s/a.txt", "d/s/old", "excluded 1"]


def test_exclude_and_what_is_passed_over_anyway() -> None:
    """Hidden files count as hidden, those of another suffix not at all."""
    make("d/.x", "d/a.txt", "d/a.bin", "d/#a")
    assert find("d", exclude=["*x", "#a"]) == ["d/a.bin", "d/a.txt", "hidden 1 excluded 1"]
    assert find("d", exclude=["a.*"], extensions=["txt"]) == ["hidden 1 excluded 1"]


def test_what_is_named_outright_is_read() -> None:
    """Whatever --exclude says; what a pattern matched was not named outright, unless a shell wrote it out."""
    make("d/a.txt", "d/b.txt", "d/old/c.txt", "e/old/c.txt")
    assert find("d/a.txt", "d", exclude=["*.txt"]) == ["d/a.txt", "excluded 2", "excluded 1"]
    assert find("d", "d/a.txt", exclude=["*.txt"]) == ["excluded 2", "excluded 1", "d/a.txt"]
    assert find("d/old", exclude=["old"]) == ["d/old/c.txt"]
    assert find("d/*.txt", exclude=["a.*"]) == ["excluded 1", "d/b.txt"]
    assert find("d/**/*.txt", exclude=["old/"]) == ["excluded 1", "d/a.txt", "d/b.txt"]
    assert find("*/*/*.txt", exclude=["/d/old"]) == ["excluded 1", "e/old/c.txt"]
    assert find("*/*.txt", "d/a.txt", exclude=["*"]) == ["excluded 2", "d/a.txt"]
    assert find("*/old", exclude=["/e/old/c.txt"]) == ["d/old/c.txt", "excluded 1"]
    assert find("d/**", exclude=["*.txt"]) == find("d", exclude=["*.txt"])
    assert find("**", exclude=[".*", "e"]) == ["excluded 1", "./d/a.txt", "./d/b.txt", "./d/old/c.txt"]


def test_malformed_patterns() -> None:
    """An error before anything is read, for git would match nothing with them in silence."""
    make("d/a")
    for pattern in ("[a", "a\\", "/", "!", "[[:nope:]]"):
        assert pattern in raises("E-PATTERN", ["d"], UsageError, exclude=["*.bak", pattern]).message.replace(
            "\\\\", "\\"
        )


def test_ignore_files() -> None:
    """As git reads them: below their folder, nearer ones above farther ones, nothing inside an ignored folder."""
    write(d="*.log /build/ !keep.log", **{"d/s": "!x.log local", "d/build": "!*"})
    make("d/a", "d/b.log", "d/keep.log", "d/build/x", "d/s/x.log", "d/s/y.log", "d/s/local", "d/s/build/z")
    assert find("d") == ["d/a", "d/keep.log", "hidden 1 ignored 2", "d/s/x.log", "hidden 1 ignored 2", "d/s/build/z"]
    everything = [path for path in find("d", ignore_files=False) if not path.startswith("hidden")]
    assert len(everything) == 8 and "d/build/x" in everything


def test_ignore_files_above_the_folder_are_not_asked() -> None:
    """A corpus is often ignored by the project around it."""
    write(here="data", data="*.log")
    make("data/a", "data/b.log", "data/s/c.log")
    assert find("data") == ["data/a", "hidden 1 ignored 1", "ignored 1"]
    assert find("data/s") == ["data/s/c.log"]
    assert "data/a" not in find(".")


def test_ignore_beats_gitignore() -> None:
    """As in ripgrep: .ignore files are about searching, .gitignore files about what is kept."""
    write(d="data *.csv")
    Path("d/.ignore").write_text("!data\nnotes\n")
    make("d/data/x", "d/data/y.csv", "d/notes", "d/b")
    assert find("d") == ["d/b", "hidden 2 ignored 1", "d/data/x", "ignored 1"]


def test_what_is_named_is_read_although_it_is_ignored() -> None:
    """Before or after its folder; and a folder inside another is searched by its own rules, in whatever order."""
    write(d="*.log s", **{"d/s": "b"})
    make("d/a", "d/x.log", "d/s/a", "d/s/b", "d/s/c.log")
    assert find("d", "d/x.log") == ["d/a", "hidden 1 ignored 2", "d/x.log"]
    assert find("d/x.log", "d") == ["d/x.log", "d/a", "hidden 1 ignored 2"]
    inner = ["d/s/a", "d/s/c.log", "hidden 1 ignored 1"]
    assert find("d", "d/s") == ["d/a", "hidden 1 ignored 1", *inner]
    assert find("d/s", "d") == [*inner, "d/a", "hidden 1 ignored 1"]
    assert find("d/*.log") == ["d/x.log"]


def test_ignored_and_excluded_and_other_suffixes() -> None:
    """Each counts once: as excluded before ignored, and only when it would have been read."""
    write(d="*.log")
    make("d/a.log", "d/b.log", "d/c.txt", "d/d.log/x.txt")
    assert find("d", exclude=["a.*"]) == ["d/c.txt", "hidden 1 ignored 2 excluded 1"]
    assert find("d", extensions=["txt"]) == ["d/c.txt", "hidden 1 ignored 1"]
    assert find("d", exclude=["!a.log"]) == find("d")


@posix
def test_ignored_links_and_pipes() -> None:
    """Nobody is told of a link or a pipe that is ignored."""
    write(d="link pipe gone")
    os.mkfifo("d/pipe")
    os.symlink("/", "d/link")
    os.symlink("nowhere", "d/gone")
    assert find("d") == ["hidden 1 ignored 3"]


@posix
def test_bad_ignore_files() -> None:
    """Listed; what is good in them is used, and the samples are read."""
    for folder, content in (("a", b"*.log\n[x\n"), ("b", b"\xff\xfe*\0.\0"), ("c", b"\n" * (1 << 21))):
        make(f"{folder}/f.log", f"{folder}/f.txt")
        Path(folder, ".gitignore").write_bytes(content)
    assert find("a") == ["W-IGNORE-FILE a/.gitignore", "a/f.txt", "hidden 1 ignored 1"]
    assert find("b") == ["W-IGNORE-FILE b/.gitignore", "b/f.log", "b/f.txt", "hidden 1"]
    assert find("c") == ["W-IGNORE-FILE c/.gitignore", "c/f.log", "c/f.txt", "hidden 1"]
    make("d/f.log", "e/f.log", "f/.gitignore/x", "elsewhere")
    os.mkfifo("d/.gitignore")
    os.symlink("../elsewhere", "e/.gitignore")
    assert find("d", "e") == [
        *("W-IGNORE-FILE d/.gitignore", "d/f.log", "hidden 1", "W-IGNORE-FILE e/.gitignore", "e/f.log", "hidden 1")
    ]
    assert find("f") == ["hidden 1"]


@posix
def test_ignore_files_and_strange_names() -> None:
    """Names that are no UTF-8 are compared as bytes."""
    write(d="?x")
    Path("d/.ignore").write_bytes(b"\xff\n")
    make("d/\udcff", "d/\udcfex", "d/éx", "d/y")
    # é is two bytes, and ? is one
    assert find("d") == ["W-IGNORE-FILE d/.ignore", "d/y", "d/éx", "hidden 2 ignored 2"]


def test_memory_does_not_grow_with_the_files() -> None:
    """What is remembered while folders are searched does not grow with the files."""
    import tracemalloc

    write(d="*.log /s*/x1")
    for folder in range(20):
        os.makedirs(f"d/s{folder}")
        for number in range(100):
            Path(f"d/s{folder}/x{number}").touch()

    def most(exclude: list[str]) -> int:
        tracemalloc.start()
        try:
            for _ in find_samples(["d", "d/s0/x0"], exclude=exclude):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    most(["*.bak"])  # modules, and expressions that Python keeps
    small = most(["*.bak"])
    for folder in range(20):
        for number in range(10):
            os.makedirs(f"d/s{folder}/more{number}")
            for each in range(100):
                Path(f"d/s{folder}/more{number}/{each}").touch()
    assert most(["*.bak"]) < small + 200_000  # ten times the files; folders are remembered


@pytest.mark.parametrize("setting", ["nothing", "ignore file", "exclude"])
def test_patterns_are_imported_when_there_are_any(setting: str) -> None:
    """Start-up is the budget."""
    make("d/a")
    if setting == "ignore file":
        write(d="b")
    code = f"""
import sys
from charvec.samples import find_samples
assert len([each for each in find_samples("d", exclude={["b"] if setting == "exclude" else []}) if each.path]) == 1
names = {{"charvec.plumbing.text.ignoring", "charvec.plumbing.remote.remote_samples", "fsspec"}} & set(sys.modules)
assert names == {set() if setting == "nothing" else {"charvec.plumbing.text.ignoring"}}, names
"""
    path = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


def test_names_in_parts() -> None:
    """A name that reads the same as one that is there is told from it; a file system that finds both has no need."""
    from unicodedata import normalize

    whole = "한글/がく é.txt"
    for there, asked, form in (("NFD", "NFC", "NFD"), ("NFC", "NFD", "NFC")):
        path = Path(there, normalize(there, whole))
        path.parent.mkdir(parents=True)
        path.write_text("a")
        name = os.path.join(there, normalize(asked, whole))
        for wanted in (name, os.path.join(os.path.dirname(name), normalize(asked, "が*"))):
            if os.path.exists(name):
                assert len(list(find_samples(wanted))) == 1
                continue
            with pytest.raises(NotFound, match=form) as caught:
                list(find_samples(wanted))
            assert "its folder" in caught.value.help
        for wanted in (name + "x", name + "/x", os.path.join(there, "없다*"), "없다.txt"):
            with pytest.raises(NotFound) as caught:
                list(find_samples(wanted))
            assert "spelt" not in caught.value.message and "its folder" not in caught.value.help


def test_a_pattern_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the same in either spelling is not looked for again: below a large folder that takes long."""
    asked: list[str] = []

    def found(pattern: str) -> set[str]:
        asked.append(pattern)
        return set()

    monkeypatch.setattr(samples, "matches", found)
    for pattern, times in (("**/*.text", 1), ("**/*\uac00", 2)):
        asked.clear()
        with pytest.raises(NotFound, match="nothing matches"):
            list(find_samples(pattern))
        assert len(asked) == times
