"""Patterns of .gitignore files, held against git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from effort import tries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charvec.plumbing.text.ignoring import LARGEST, MOST_WILD, Patterns, Rules, read_patterns
from charvec.samples import find_samples

posix = pytest.mark.skipif(os.name != "posix", reason="needs links, pipes and names of any bytes")
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository; each question names its own folder of files."""
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    (folder / "info" / "exclude").unlink(missing_ok=True)
    return folder


def git_ignores(git_dir: Path, tree: Path, paths: Iterable[bytes]) -> set[bytes]:
    """Those of the paths that git ignores."""
    settled = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "XDG_CONFIG_HOME": str(git_dir)}
    command = ["git", "-c", "core.bare=false", f"--git-dir={git_dir}", f"--work-tree={tree}"]
    run = subprocess.run(
        [*command, "check-ignore", "--no-index", "-z", "--stdin"],
        input=b"\0".join(b"./" + path for path in paths),  # : alone would be special
        capture_output=True,
        cwd=tree,
        env={**os.environ, **settled},
    )
    assert run.returncode in (0, 1), run.stderr
    return {path.removeprefix(b"./") for path in run.stdout.split(b"\0") if path}


#: What patterns are made of, the special ones more often than letters.
PIECES = [
    *(
        "a",
        "b",
        "ab",
        "a",
        "b",
        "*",
        "*",
        "**",
        "**/",
        "/**",
        "/",
        "?",
        "c*",
        "é",
        "中",
        " ",
        ".",
        "-",
        "^",
        "!",
        "\\",
        ":",
    ),
    *("[ab]", "[!a]", "[^b]", "[a-c]", "[]a]", "[a-]", "[\\]]", "[[:alpha:]b]", "[[:nope:]]", "[", "]", "[[]", "\\*"),
]
PATHS = [
    *("a", "b", "ab", "a/b", "a/a/b", "abc/b", "a/bc/ab", "a/b/c/d", "ab/ab/ab/ab", "b/é/a", "é", "中", "a中b", "a "),
    *(
        "-",
        "[a]",
        "a\\b",
        "!a",
        "^",
        "a b",
        "b/a b/]",
        "aab/:",
        "a/^/c",
        "ac.b/a",
        "a*",
        "[",
        "]/a",
        "a/[",
        "c/a/b/a/b",
    ),
]


@needs_git
@posix
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=7))
def test_one_pattern(git_dir: Path, pieces: list[str]) -> None:
    """Whatever a pattern looks like, it matches what it matches in git."""
    pattern = "".join(pieces).encode()
    paths = [path.encode() for path in PATHS]
    with tempfile.TemporaryDirectory() as name:
        Path(name, ".gitignore").write_bytes(pattern + b"\n")
        expected = git_ignores(git_dir, Path(name), paths)
    patterns = Patterns([pattern])
    assert {path for path in paths if patterns.cut(path) is not None} == expected


@needs_git
@posix
@pytest.mark.parametrize("inside", ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct"])
def test_classes(git_dir: Path, tmp_path: Path, inside: str) -> None:
    """Every byte, against every class of characters."""
    compare_bytes(git_dir, tmp_path, f"[[:{inside}:]]".encode())


@needs_git
@posix
@pytest.mark.parametrize(
    "pattern",
    [
        *(b"[[:space:]]", b"[[:upper:]]", b"[[:xdigit:]]", b"[^[:digit:]x]", b"[!-~]", b"[+--]", b"[--/]", b"[z-a]"),
        *(b"[a\\-z]", b"[\\a-\\c]", b"[a-c-e]", b"[[:a]", b"[[:]", b"[]-a]", b"[!]]", b"[^^]", b"[\\\\]", b"?", b"*"),
        *("[é]".encode(), b"[\x80-\xff]", b"[!\x80-\xff]", b"\\\xc3", b"[.-0]", b"[,-/]", b"[[:digit:]-z]", b"[a-\\]]"),
    ],
)
def test_brackets(git_dir: Path, tmp_path: Path, pattern: bytes) -> None:
    """Every byte, against brackets of all kinds."""
    compare_bytes(git_dir, tmp_path, pattern)


def compare_bytes(git_dir: Path, tree: Path, pattern: bytes) -> None:
    """Hold a pattern against git for every name of one byte, and for that byte in a path."""
    names = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    for line, paths in ((pattern, names), (b"/d/x" + pattern, [b"d/x" + name for name in names])):
        (tree / ".gitignore").write_bytes(line + b"\n")
        patterns = Patterns([line])
        assert {path for path in paths if patterns.cut(path) is not None} == git_ignores(git_dir, tree, paths)


NAMES = [
    "a",
    "b",
    "ab",
    "foo",
    "bar",
    "foobar",
    "x.txt",
    "y.txt",
    "b.md",
    "中",
    "a b",
    "[a]",
    "!x",
    "#y",
    "é.txt",
    ".h",
]
SEGMENTS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(
        ["*", "**", "f*", "*r", "*.txt", "?", "a*", "**b", "f**", "[ab]", "[!a]*", "*o*", "foo*", "[[:alpha:]]"]
    ),
)


@st.composite
def pattern_lines(draw: st.DrawFn) -> str:
    """A line of an ignore file."""
    line = "/".join(draw(st.lists(SEGMENTS, min_size=1, max_size=3)))
    line = draw(st.sampled_from(["", "", "", "/"])) + line + draw(st.sampled_from(["", "", "", "/", " "]))
    return draw(st.sampled_from(["", "", "!"])) + line


@st.composite
def trees(draw: st.DrawFn) -> dict[str, list[str] | None]:
    """Files by path; of ignore files the lines."""
    folders = [""]
    for _ in range(draw(st.integers(0, 5))):
        folders.append(draw(st.sampled_from(folders)) + draw(st.sampled_from(NAMES)) + "/")
    files: dict[str, list[str] | None] = {}
    for folder in folders:
        if not folder or draw(st.integers(0, 2)) == 0:
            files[folder + ".gitignore"] = draw(st.lists(pattern_lines(), min_size=1, max_size=4))
    for _ in range(draw(st.integers(1, 14))):
        files[draw(st.sampled_from(folders)) + draw(st.sampled_from(NAMES))] = None
    return files


@needs_git
@posix
@settings(max_examples=tries(80, 200), deadline=None, suppress_health_check=list(HealthCheck))
@given(files=trees(), hidden=st.booleans())
def test_trees(git_dir: Path, files: dict[str, list[str] | None], hidden: bool) -> None:
    """Random folders with ignore files at random places: what is found is what git does not ignore."""
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        written = []
        for path, lines in files.items():
            try:
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text("".join(f"{line}\n" for line in lines or []), "utf-8")
            except OSError:  # there is a folder of that name, or a file where a folder should be
                continue
            written.append(path)
        ignored = git_ignores(git_dir, tree, [path.encode() for path in written])
        expected = {path for path in written if path.encode() not in ignored}
        if not hidden:
            expected = {path for path in expected if not any(part.startswith(".") for part in path.split("/"))}
        found = [each.path for each in find_samples(name, hidden=hidden) if each.path]
        assert {os.path.relpath(path, name) for path in found} == expected
        assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"*a" * 40 + b"*b", b"a" * 255),
        (b"**/*a*a/" * 40 + b"b", b"aaaaaaaaaa/" * 300 + b"c"),
        (b"**/a/" * 60 + b"**/b", b"a/" * 1000 + b"c"),
        (b"/" + b"*[ab]?" * 30 + b"x", b"ab" * 120),
        (b"?*" * 60 + b"b", b"a" * 255),
    ],
)
def test_no_pattern_takes_for_ever(pattern: bytes, path: bytes) -> None:
    """Lines at which a search that tries all ways would not end before the sun does."""
    assert Patterns([pattern]).decide(path, False) is None


def test_the_last_pattern_decides() -> None:
    """Among names, paths, plain ones and ones with wildcards."""
    patterns = Patterns([b"*.txt", b"!keep.txt", b"/sub/keep.txt", b"# comment", b"", b"!*.md", b"build/"])
    assert patterns.decide(b"x.txt", False) is True
    assert patterns.decide(b"keep.txt", False) is False and patterns.decide(b"a/keep.txt", False) is False
    assert patterns.decide(b"sub/keep.txt", False) is True
    assert patterns.decide(b"x.md", False) is False and patterns.decide(b"x.csv", False) is None
    assert patterns.decide(b"build", True) is True and patterns.decide(b"build", False) is None
    assert patterns.cut(b"a/build/b/x.csv") == b"a/build" and patterns.cut(b"a/b.csv") is None
    assert patterns and not Patterns([b"#", b"", b"  "])


def test_files_of_patterns(tmp_path: Path) -> None:
    """Byte order mark, line ends of Windows, spaces at the end, no line end at the end."""
    path = tmp_path / ".gitignore"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb  \r\nc  \nd\\ \n#e\n\\#f\ng")
    patterns, fault = read_patterns(str(path))
    assert patterns is not None and fault == ""
    found = [name for name in (b"a", b"b", b"b  ", b"c", b"d", b"d ", b"#e", b"e", b"#f", b"g") if patterns.cut(name)]
    # git cuts off the carriage return first and the spaces then
    assert found == [b"a", b"b", b"c", b"d ", b"#f", b"g"]


@pytest.mark.parametrize(
    ("content", "said", "matched"),
    [
        (b"a\n[b\nc\n", "a malformed pattern in line 2, which matches nothing: [b", b"ac"),
        (b"a\n[b\nc\\\n/\n", "a malformed pattern in line 2 and 2 more, which matches nothing: [b", b"a"),
        (b"a\n\xe9\xff\n", "is not UTF-8; its patterns were compared byte by byte, as in git", b"a\xe9"),
        ("a\nb\n".encode("utf-16"), "holds zero bytes", b""),
        (b"a\n\x00\x01b\nc\n", "holds zero bytes", b"ac"),
        (b"a\n" * (LARGEST // 2 + 1), "has more than 1,048,576 bytes", None),
        (b"*a\n" * (MOST_WILD + 1), "has more than 2,000 patterns with wildcards", None),
        (b"".join(b"name%d\n" % number for number in range(20_000)), "", b""),
        (b"", "", b""),
    ],
)
def test_bad_files_of_patterns(tmp_path: Path, content: bytes, said: str, matched: bytes | None) -> None:
    """What is wrong is said; what is good in the file is used where that makes sense."""
    path = tmp_path / ".gitignore"
    path.write_bytes(content)
    patterns, fault = read_patterns(str(path))
    assert said in fault and bool(said) == bool(fault)
    assert (patterns is None) == (matched is None)
    if patterns is not None and matched is not None:
        for byte in (b"a", b"b", b"c", b"\xe9"):
            assert (patterns.decide(byte + (b"\xff" if byte == b"\xe9" else b""), False) is True) == (byte in matched)


@posix
def test_things_that_are_no_files(tmp_path: Path) -> None:
    """Links are not followed, as in git; pipes keep nobody waiting; what is gone or shut is said."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real").write_text("a\n")
    (tmp_path / "link").symlink_to("real")
    for name in ("pipe", "link"):
        assert read_patterns(str(tmp_path / name)) == (None, "is no regular file and was not used, as in git")
    for name in ("gone", "."):
        patterns, fault = read_patterns(str(tmp_path / name))
        assert patterns is None and "could not be read" in fault


def test_rules_of_several_files() -> None:
    """Nearer files stand above farther ones; any .ignore above any .gitignore."""
    outer = Rules(0, (None, Patterns([b"*.txt", b"/sub/x"])), None)
    inner = Rules(4, (None, Patterns([b"!a.txt", b"/b"])), outer)
    assert outer.ignore(b"a.txt", False) and outer.ignore(b"sub/x", False) and not outer.ignore(b"x", False)
    assert not inner.ignore(b"sub/a.txt", False) and inner.ignore(b"sub/c.txt", False) and inner.ignore(b"sub/b", False)
    above = Rules(0, (Patterns([b"!*.txt", b"b"]), None), None)
    inner = Rules(4, (None, Patterns([b"*.txt", b"!b"])), above)
    assert not inner.ignore(b"sub/a.txt", False) and inner.ignore(b"sub/b", False)
