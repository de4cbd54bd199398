"""charvec's own vector files as models: vectors bit for bit, statuses and provenance carried on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from damaging import overwrite
from vector_samples import small

import charvec
from charvec import checkpoints
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.rows import read_rows
from charvec.status import Status

SUFFIXES = (".h5", ".npz", ".safetensors")
MODEL = Path(__file__).resolve().parents[2] / "samples" / "tiny-bert-zh"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_every_vector_of_the_file(suffix: str, dtype: str, tmp_path: Path) -> None:
    """Bit for bit what the file gives; the row is the place in the file, the status the one it had."""
    path, kept = tmp_path / f"zh{suffix}", small(dtype)
    kept.save(path)
    with File(path) as file:
        assert [member.NAME for member in checkpoints.members() if member.sniff(file)] == ["charvec"]
    model = charvec.open(path)
    assert (model.tensor.shape, model.tensor.dtype, model.vocabulary.kind) == ((6, 4), dtype, "characters")
    assert model.tensor.quantised == ("int8, one scale a row" if dtype == "int8" else "")
    vectors = charvec.lookup(model, [*kept.chars, "\n", "“", "龘"], keep="exact,boundary,normalized,composed,bytes")
    assert vectors.chars == kept.chars
    assert vectors.matrix.tobytes() == kept.matrix.tobytes()
    assert vectors.status.tolist() == kept.status.tolist()
    assert vectors.rows == [(row,) for row in range(6)]
    assert {entry.char: entry.status for entry in vectors.missing} == {
        "\n": Status.REMOVED,
        "“": Status.NO_ROW,
        "龘": Status.UNKNOWN,
    }
    assert read_rows(model.tensor, np.array([5, 0, 5]))[0].tobytes() == kept.matrix[[5, 0, 5]].tobytes()
    assert model.notes == ()


def test_provenance_goes_on(tmp_path: Path) -> None:
    """Of a file made of a file made of a model, all is known."""
    first = charvec.dump(MODEL.parent / "texts", model=MODEL, out=tmp_path / "a.h5")
    second = charvec.lookup(charvec.open(tmp_path / "a.h5"), first.chars)
    second.save(tmp_path / "b.safetensors")
    third = charvec.lookup(charvec.open(tmp_path / "b.safetensors"), first.chars)
    third.save(tmp_path / "c.npz")
    assert charvec.load(tmp_path / "c.npz").source["made_from"]["made_from"] == json.loads(json.dumps(first.source))
    assert third.matrix.tobytes() == first.matrix.tobytes()
    assert third.status.tolist() == first.status.tolist()


def test_rows_that_were_not_wanted_are_not_in_the_file(tmp_path: Path) -> None:
    """A character with status bytes that was left out has no row here, whatever is asked for."""
    kept = small()
    kept.missing_spelling.status[:] = (Status.BYTES, Status.UNREACHABLE)
    kept.save(tmp_path / "zh.h5")
    model = charvec.open(tmp_path / "zh.h5")
    vectors = charvec.lookup(model, "\n“水", keep="exact,composed,bytes,unreachable")
    assert vectors.chars == ["水"]
    assert {entry.status for entry in vectors.missing} == {Status.NO_ROW}


@pytest.mark.parametrize("suffix", [".txt", ".vec"])
def test_text_files_are_word_vectors(suffix: str, tmp_path: Path) -> None:
    """They know neither statuses nor where they come from, but every value."""
    kept = small()
    path = tmp_path / f"zh{suffix}"
    left_out = kept.save(path)
    vectors = charvec.lookup(charvec.open(path), kept.chars)
    assert vectors.chars == [char for char in kept.chars if char not in left_out]
    for char in vectors:
        assert vectors[char].tobytes() == kept[char].tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage(suffix: str, tmp_path: Path) -> None:
    """As when it is loaded: one error, and a flipped byte of an .h5 is never missed."""
    path = tmp_path / f"zh{suffix}"
    small().save(path)
    good = path.read_bytes()
    for place in range(12, len(good), 97):
        overwrite(path, good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        try:
            charvec.lookup(charvec.open(path), "水")
        except CharvecError as error:
            assert error.exit_code in (65, 66)
        else:
            assert suffix != ".h5"


def test_an_empty_file(tmp_path: Path) -> None:
    """Nothing could be found in it."""
    vectors = charvec.lookup(charvec.open(MODEL), "龘")
    assert not len(vectors)
    vectors.save(tmp_path / "zh.h5")
    with pytest.raises(CharvecError) as caught:
        charvec.open(tmp_path / "zh.h5")
    assert caught.value.code == "E-NO-CHARACTERS"
