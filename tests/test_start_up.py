"""What a start loads, and what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charvec import cli

ROOT = Path(__file__).resolve().parents[1]


SCRIPT = """
import sys
from charvec.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted(sys.modules), file=sys.stderr)
"""


def loaded(*argv: str) -> set[str]:
    """Modules in memory at the end of a command."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *argv], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_little() -> None:
    """Neither numpy nor dataclasses with inspect, nor what argparse would load to measure the terminal."""
    assert not {"numpy", "json", "shutil", "lzma", "tqdm", "signal", "dataclasses", "inspect"} & loaded("--help")


@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_a_dump_loads_what_it_needs(suffix: str, tmp_path: Path) -> None:
    """No library for other formats, no other kinds of samples, no masked arrays."""
    modules = loaded("dump", "samples/texts", "-o", str(tmp_path / f"x.{suffix}"), "-q")
    never = {
        "h5py",
        "tqdm",
        "torch",
        "pyarrow",
        "orjson",
        "hashlib",
        "numpy.ma",
        "multiprocessing",
        "concurrent.futures",
    }
    assert "numpy" in modules and not never & modules
    assert not any(each.startswith(("charvec.readers.arrow", "charvec.plumbing.text.columnar")) for each in modules)


@pytest.mark.parametrize("columns", ["", "0", "-3", "x", "40", "200"])
def test_columns_as_the_standard_library_tells_them(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says, and without it."""
    monkeypatch.setenv("COLUMNS", columns)
    assert cli._columns() == shutil.get_terminal_size().columns
    monkeypatch.delenv("COLUMNS")
    assert cli._columns() == shutil.get_terminal_size().columns
