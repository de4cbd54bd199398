"""The recipes for clusters: the page shows the files, and they count what one machine counts."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import charvec
from charvec.counts import Counts

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "clusters.md").read_text("utf-8")
RECIPES = ROOT / "samples" / "recipes"
TEXTS = ROOT / "samples" / "texts"

#: Each recipe in the page, by its name.
SHOWN = dict(re.findall(r"<!-- recipe: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
#: The commands in the page that run one, and what they print.
RUNS = re.findall(r"^\$ (\S[^\n]* samples/recipes/(\S+) samples/texts)\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
#: Modules a recipe needs, and programs.
NEEDS = {
    "dask_cluster.py": ("distributed",),
    "mpi.py": ("mpi4py", "mpiexec"),
    "ray_executor.py": ("ray",),
    "ray_files.py": ("ray",),
    "ray_dataset.py": ("ray", "pyarrow", "pandas"),
    "spark_files.py": ("pyspark", "java", "spark-submit"),
    "spark_column.py": ("pyspark", "pyarrow", "pandas", "java", "spark-submit"),
    "spark_rows.py": ("pyspark", "java", "spark-submit"),
}
PROGRAMS = ("mpiexec", "java", "spark-submit")
#: These get lines from a framework, which drops their ends.
WITHOUT_LINE_FEEDS = ("ray_dataset.py", "spark_column.py", "spark_rows.py")

#: What is put behind a recipe: are its counts the right ones?
CHECK = """

if __name__ == "__main__":
    with open({expected!r}, encoding="utf-8") as file:
        expected = dict(line.split() for line in file)
    found = {{str(ord(char)): str(number) for char, number in counts.items()}}
    print("the same" if found == expected else "NOT the same")
"""


def environment() -> dict[str, str]:
    """Programs of this interpreter first, this charvec, and no word to anybody."""
    return {
        **{name: os.environ[name] for name in ("HOME", "TMPDIR", "JAVA_HOME", "LD_LIBRARY_PATH") if name in os.environ},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",  # spark-submit puts those of pyspark among the output
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def skip_unless_installed(name: str) -> None:
    """Skip, naming what is missing."""
    path = environment()["PATH"]
    for each in NEEDS.get(name, ()):
        found = shutil.which(each, path=path) if each in PROGRAMS else importlib.util.find_spec(each)
        if not found:
            pytest.skip(f"{each} is not installed")


def with_check(recipe: str, folder: Path, expected: Counts) -> Path:
    """A copy of a recipe that ends by comparing its counts."""
    numbers = folder / "expected.txt"
    numbers.write_text("".join(f"{ord(char)} {number}\n" for char, number in expected.items()), encoding="utf-8")
    copy = folder / recipe
    copy.write_text((RECIPES / recipe).read_text("utf-8") + CHECK.format(expected=str(numbers)), encoding="utf-8")
    return copy


def test_the_page_shows_the_files() -> None:
    """Every file, word for word, and no other; and how to run each."""
    assert {path.name: path.read_text("utf-8") for path in RECIPES.glob("*.py")} == SHOWN
    assert {name for _, name, _ in RUNS} | {"merge_counts.py"} == set(SHOWN)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.py")), ids=lambda path: path.name)
def test_recipes_compile(path: Path) -> None:
    """Also those whose framework is not here."""
    compile(path.read_text("utf-8"), str(path), "exec")


@pytest.mark.parametrize(("command", "name", "output"), RUNS, ids=[name for _, name, _ in RUNS])
def test_recipe(command: str, name: str, output: str, tmp_path: Path) -> None:
    """Run as the page says, it prints what the page says and counts what one machine counts, each character."""
    skip_unless_installed(name)
    expected = charvec.scan(TEXTS, extensions="txt")
    if name in WITHOUT_LINE_FEEDS:
        expected = Counts.from_mapping({char: number for char, number in expected.items() if char != "\n"})
    copy = with_check(name, tmp_path, expected)
    words = [str(copy) if word.endswith(name) else word for word in shlex.split(command)]
    words = [sys.executable if word == "python" else word for word in words]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{output}the same\n", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_shell(tmp_path: Path) -> None:
    """The lines of the page: two folders, then a third one in a second run that counts only what is new."""
    if not shutil.which("xargs"):
        pytest.skip("xargs is not installed")
    (script,) = re.findall(r"<!-- shell -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    script = script.replace("charvec scan", "python -m charvec scan").replace("samples/recipes/", "")
    expected = charvec.scan(TEXTS, extensions="txt")
    with_check("merge_counts.py", tmp_path, expected)
    (tmp_path / "python").symlink_to(sys.executable)
    variables = environment()
    if Path(sys.executable).name != "python":  # python3 alone
        variables["PATH"] = f"{tmp_path}{os.pathsep}{variables['PATH']}"

    def run() -> str:
        done = subprocess.run(
            ["sh", "-ec", script], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    texts = sorted(TEXTS.glob("*.txt"))
    for folder, some in (("a", texts[:2]), ("b", texts[2:4])):
        (tmp_path / "corpus" / folder).mkdir(parents=True)
        for text in some:
            shutil.copy(text, tmp_path / "corpus" / folder)
    assert run().endswith("NOT the same\n")
    before = (tmp_path / "out" / "a.journal").read_bytes()
    (tmp_path / "corpus" / "c").mkdir()
    for text in texts[4:]:
        shutil.copy(text, tmp_path / "corpus" / "c")
    assert run() == f"{expected}\nthe same\n"
    assert (tmp_path / "out" / "a.journal").read_bytes() == before
