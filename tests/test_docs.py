"""What the documents say is true: their links lead somewhere, their Python runs, their commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

import pytest

import charvec
from charvec.commands import MEMBERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
EXECUTED = (
    "README.md",
    "README.zh.md",
    "docs/devices.md",
    "docs/files.md",
    "docs/map.md",
    "docs/profiles.md",
    "docs/sentences.md",
    "docs/small.md",
    "docs/trimming.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs" / "adapters").glob("*.md")),
)
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
#: Python of a page, after the packages that it needs; torch where nothing is said.
PYTHON = re.compile(r"(?:<!-- needs: ([\w ]+) -->\n)?```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the project; and nothing was left to fill in."""
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target
    assert "@@" not in text and "TODO" not in text


#: Runs each argument with names of its own, as if it were a program.
EACH = """import sys
for code in sys.argv[1:]:
    exec(compile(code, "<page>", "exec"), {"__name__": "__main__"})
"""


@pytest.mark.parametrize("page", EXECUTED)
def test_python_of_the_pages_runs(page: str, tmp_path: Path) -> None:
    """As it stands, from top to bottom, where what it needs is installed.

    Neighbours that need the same share a process, so that it loads a framework once; each imports what it uses.
    """
    os.symlink(ROOT / "samples", tmp_path / "samples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    absent = set()
    for needs, blocks in groupby(PYTHON.findall((ROOT / page).read_text("utf-8")), key=lambda block: block[0]):
        lacking = {name for name in (needs or "torch").split() if find_spec(name) is None}
        absent |= lacking
        if lacking:
            continue
        done = subprocess.run(
            [sys.executable, "-c", EACH, *(code for _, code in blocks)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    if absent:
        pytest.skip(f"not installed: {', '.join(sorted(absent))}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    """Every `charvec COMMAND` and every option of it that a page shows."""
    options = {name: help_of(name) for name in MEMBERS}
    for language, code in BLOCK.findall(page.read_text("utf-8")):
        for line in code.splitlines() if language in ("sh", "") else []:
            words = shlex.split(line.removeprefix("$ "), comments=True) if "charvec " in line else []
            if words[:1] != ["charvec"] or words[1:2] == ["COMMAND"]:
                continue
            assert words[1] in options, line
            for word in words[2:]:
                if re.match(r"--?[a-z]", word):
                    assert re.search(rf"(?<![\w-]){re.escape(word)}\b", options[words[1]]), line


@cache
def help_of(command: str) -> str:
    """What `charvec COMMAND --help` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "charvec", command, "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_both_readmes_show_the_same_commands() -> None:
    """The Chinese page keeps up with the English one."""
    shown = [
        [code for language, code in BLOCK.findall((ROOT / page).read_text("utf-8")) if language == "sh"][:2]
        for page in ("README.md", "README.zh.md")
    ]
    assert shown[0] == shown[1] and len(shown[0]) == 2


def test_output_of_the_readme_is_real(tmp_path: Path) -> None:
    """The first lines of the main job, word for word."""
    done = subprocess.run(
        [sys.executable, "-m", "charvec", "dump", str(ROOT / "samples" / "texts"), "-o", "zh.h5"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.strip() in (ROOT / "README.md").read_text("utf-8")


def test_every_adapter_has_a_page() -> None:
    """It shows the way from samples to the framework; the index links once to each of them."""
    folder = ROOT / "docs" / "adapters"
    pages = {page.stem: page.read_text("utf-8") for page in folder.glob("*.md")}
    assert sorted(re.findall(r"\]\((\w+)\.md\)", pages.pop("README"))) == sorted(pages)
    text = "".join(pages.values())
    for name in sorted(name for name, home in charvec._HOMES.items() if home is None):
        assert re.search(rf"charvec\.{name}\.\w+\(", text), name
    for name, page in pages.items():
        assert "charvec.dump(" in PYTHON.findall(page)[0][1], name
