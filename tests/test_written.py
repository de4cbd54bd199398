"""What charvec wrote is told from what others wrote, by how it begins."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from effort import tries

from charvec.plumbing.written import LOOK, is_report, is_vector_file

DATA = Path(__file__).parent / "data"
OTHERS = [path for folder in DATA.iterdir() if folder.name not in ("charvec", "vectors") for path in folder.rglob("*")]
OWN = [path for path in (DATA / "vectors").rglob("*.*") if path.suffix not in (".json", ".py")]


def test_files_of_other_programs() -> None:
    """None of the golden files that others wrote is taken for ours: pictures, texts, checkpoints, word vectors."""
    told = [path for path in OTHERS if path.is_file() and is_vector_file(path.read_bytes()[:LOOK])]
    assert not told and len(OTHERS) > 100
    assert not [path for path in [*OTHERS, *OWN] if path.is_file() and is_report(path.read_bytes()[:LOOK])]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_any_bytes(path: Path) -> None:
    """Whatever a file holds, there is an answer; and none that is cut within its first row is ours, if it is text."""
    data, chance = path.read_bytes(), random.Random(7)
    for _ in range(tries(200, 5000)):
        damaged = bytearray(data[: chance.randrange(len(data) + 1)])
        for _ in range(min(len(damaged), chance.randrange(4))):
            damaged[chance.randrange(len(damaged))] = chance.choice(b"\0\n 09.-eni\xff\xe6")
        assert is_vector_file(bytes(damaged)) in (True, False)
        assert not is_report(bytes(damaged))
    if path.suffix in (".txt", ".vec"):
        first = data.index(b"\n", data.index(b" ", 5))
        assert not any(is_vector_file(data[:end]) for end in range(first + 1))
