"""The worked examples run, stay short, and show what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import charvec

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "samples" / "examples"
TEXTS = ROOT / "samples" / "texts"
MODEL = ROOT / "samples" / "tiny-bert-zh"


def run(name: str, *arguments: str | Path) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((*sys.path, str(ROOT)))},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short(path: Path) -> None:
    """Someone reads them in one sitting."""
    assert len(path.read_text("utf-8").splitlines()) < 120


def test_similar_sentences() -> None:
    """Every sentence with its neighbour; Korean finds Korean, Japanese Japanese."""
    lines = run("sentence_similarity.py").splitlines()
    pairs = [line[18:].split("  ~  ") for line in lines[1:]]
    assert len({text for pair in pairs for text in pair}) == 25 and len({frozenset(pair) for pair in pairs}) == len(
        pairs
    )
    kana, hangul = re.compile("[ぁ-ヿ]"), re.compile("[가-힣]")
    assert all(bool(hangul.search(one)) == bool(hangul.search(two)) for one, two in pairs)
    assert sum(bool(kana.search(one)) == bool(kana.search(two)) for one, two in pairs) >= len(pairs) - 1


def test_the_same_numbers_from_a_file_of_half_the_size(tmp_path: Path) -> None:
    """float16 changes no cosine in its first four decimals."""
    for dtype in ("float32", "float16"):
        charvec.dump(TEXTS / "sentences.jsonl", model=MODEL, field="text", dtype=dtype, out=tmp_path / f"{dtype}.h5")
    wide, half = (
        run("sentence_similarity.py", "--vectors", tmp_path / f"{dtype}.h5") for dtype in ("float32", "float16")
    )
    assert wide == half


def test_float16_of_rows_that_are_not_float16(tmp_path: Path) -> None:
    """Those of the bundled checkpoint lose nothing; others lose too little to show."""
    from dataclasses import replace

    import numpy as np

    vectors = charvec.dump(TEXTS / "sentences.jsonl", model=MODEL, field="text")
    noise = np.random.default_rng(3).standard_normal(vectors.stored.shape).astype(np.float32)
    vectors = replace(vectors, stored=vectors.stored + noise / 30)
    vectors.save(tmp_path / "wide.h5")
    vectors.astype("float16").save(tmp_path / "half.h5")
    wide, half = (
        run("sentence_similarity.py", "--vectors", tmp_path / name).split() for name in ("wide.h5", "half.h5")
    )
    for one, two in zip(wide, half, strict=True):
        # a number that lies on the edge between two may fall to either side
        assert one == two or abs(float(one) - float(two)) < 1.5e-4


def test_the_tagger_learns(tmp_path: Path) -> None:
    """Names it never saw are found with vectors that know their characters."""
    pytest.importorskip("torch")
    lines = run("tagger.py", "--seeds", "1", "--epochs", "60").splitlines()
    scores = {line.split()[0]: float(line.split()[2]) for line in lines}
    assert scores.keys() == {"charvec", "random"}
    assert scores["charvec"] > scores["random"]


def test_a_vector_file_that_is_not_there() -> None:
    """The tagger says what is wrong and what to do, without a traceback."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "tagger.py", "--vectors", "nix.h5"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 66 and "Traceback" not in done.stderr
    assert "[E-NOT-FOUND]" in done.stderr and "\nhelp: " in done.stderr
