"""Every profile, in the hands of its consumers: nothing changed, and nothing left out but what they lose."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import consumers
import numpy as np
import pytest
from effort import SCALARS
from numpy.typing import NDArray
from vector_samples import build

from charvec import profiles
from charvec.exporting import export
from charvec.plumbing.arrays.keyed_rows import KeyedRows, bits
from charvec.vectors import CharVectors

# gensim leaves the files open of which it reads the first line
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning")

NAMES = [member.NAME for member in profiles.members()]
PAIRS = [(name, reader) for name, readers in consumers.READERS.items() for reader in readers]
#: Sweeps of seconds run with CHARVEC_SLOW=1; these take a minute each.
SLOW = os.environ.get("CHARVEC_SLOW") == "all"
#: White space of every kind, and what has no width, no glyph or another direction.
AWKWARD = [
    *(code for code in range(0x110000) if chr(code).isspace()),
    *(0, 1, 0x1A, 0x22, 0x5C, 0x7F, 0x80, 0xAD, 0x301, 0x5D0, 0x180E, 0x200B, 0x200E, 0x202E, 0x2060, 0xFEFF, 0xFFFD),
    *(0xE000, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFE, 0xE0020, 0x10FFFF),
]


def ids(value: Any) -> Any:
    return getattr(value, "__name__", value)


def sweep(codepoints: NDArray[np.uint32]) -> CharVectors:
    """Rows x 3 whose bits tell them apart: tiny, huge, and negative ones among them."""
    noise = codepoints.astype(np.uint32) * np.uint32(2654435761) & np.uint32(0xBFFFFFFF)
    matrix = np.stack((noise.view(np.float32), codepoints.astype(np.float32) / 7, -1 / (codepoints + np.float32(3))), 1)
    assert np.isfinite(matrix).all()
    return build(codepoints.tolist(), matrix.astype(np.float32))


def check(found: dict[str, Any], vectors: CharVectors, left_out: tuple[str, ...]) -> None:
    """A consumer has what was meant, bit for bit, and nothing else."""
    expected = [char for char in vectors.chars if char not in set(left_out)]
    assert found.keys() == set(expected)
    matrix = np.stack([found[char] for char in expected])
    kept = vectors.at(np.array([vectors._place(char) for char in expected]))
    assert matrix.dtype == np.float32 and bits(matrix).tobytes() == bits(kept).tobytes()


def test_every_profile_has_a_consumer() -> None:
    """A profile that is added brings the way its consumer reads."""
    assert set(NAMES) | {"bert-vector", "bert-vector-text"} == set(consumers.READERS)
    assert len(profiles.names()) == len(set(profiles.names()))
    known = [name for member in profiles.members() for name in (member.NAME, *member.ALIASES)]
    assert len(known) == len(set(known)) and not set(known) & set(profiles.FORMATS)


@pytest.mark.parametrize(("name", "reader"), PAIRS, ids=ids)
def test_a_sample_of_unicode(name: str, reader: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    """Every 211th scalar value, and all awkward ones."""
    chosen = np.union1d(SCALARS[::211], np.array(AWKWARD)).astype(np.uint32)
    vectors = sweep(chosen)
    done = export(vectors, tmp_path / "out", name)
    assert done.characters == len(vectors) - len(done.left_out)
    check(reader(tmp_path / "out"), vectors, done.left_out)


@pytest.mark.skipif(not SLOW, reason="all of Unicode takes a quarter of an hour: CHARVEC_SLOW=all")
@pytest.mark.parametrize("name", consumers.READERS)
def test_all_of_unicode(name: str, tmp_path: Path) -> None:
    """All 1,112,064 scalar values."""
    vectors = sweep(SCALARS)
    done = export(vectors, tmp_path / "out", name)
    for reader in consumers.READERS[name]:
        check(reader(tmp_path / "out"), vectors, done.left_out)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_lost_is_left_out(name: str, tmp_path: Path) -> None:
    """Written in spite of all, every character of the list is lost by a consumer or makes it fail; no other is."""
    member = profiles.by_name(name)
    special = {"special": member.SPECIAL, "source": {}, "counts": {}}
    around = sweep(np.array([0x61, 0x62, 0x4E2D, 0x6C34], np.uint32))
    lost = set()
    for code in AWKWARD:
        keys = [*around.chars[:2], chr(code), *around.chars[2:]]
        matrix = np.concatenate((around.matrix[:2], np.array([[1, 2, 3]], np.float32), around.matrix[2:]))
        chars, keys = keys, member.SPECIAL.around(keys)
        zeros = np.zeros((len(keys) - len(chars), 3), np.float32)
        matrix = np.concatenate((zeros, matrix) if member.SPECIAL.where == "first" else (matrix, zeros))
        out = tmp_path / f"{code}"
        if member.FILES:
            out.mkdir()
        for file, chunks in member.write(KeyedRows(keys, matrix), special).items():
            (out / file if file else out).write_bytes(b"".join(chunks))
        expected = {key: row for key, row in zip(keys, matrix, strict=True) if key in chars}
        for reader in consumers.READERS[name]:
            try:
                found = reader(out)
                same = found.keys() == expected.keys() and all(
                    np.array_equal(found[key], expected[key]) for key in expected
                )
            except pytest.skip.Exception:
                raise
            except Exception:
                same = False
            if not same:
                lost.add(chr(code))
    assert lost == set(member.LOSES)


@pytest.mark.parametrize(("name", "reader"), PAIRS, ids=ids)
def test_not_finite(name: str, reader: Callable[[Path], dict[str, Any]], tmp_path: Path) -> None:
    """NaN and infinity arrive."""
    rows = np.array([[np.nan, 1, 2], [np.inf, -np.inf, 0], [0, -0.0, 1e-45], [3.4028235e38, 1, 1]], np.float32)
    vectors = build("abcd", rows)
    if name == "projector":
        pytest.skip("the Projector draws finite points")
    check(reader(export(vectors, tmp_path / "out", name).path and tmp_path / "out"), vectors, ())


@pytest.mark.parametrize("name", NAMES)
def test_same_bytes(name: str, tmp_path: Path) -> None:
    """The same vectors give the same bytes."""
    vectors = sweep(np.array([0x20, 0x61, 0x3000, 0x4E2D], np.uint32))
    made = []
    for place in ("one", "two"):
        export(vectors, tmp_path / place, name)
        out = tmp_path / place
        made.append([path.read_bytes() for path in sorted(out.iterdir())] if out.is_dir() else out.read_bytes())
    assert made[0] == made[1]
