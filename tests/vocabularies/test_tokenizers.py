"""``tokenizer.json`` of every kind, held against the whole pipeline of the library, for every character."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from library_reference import disagreements
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from vocabulary_samples import DATA, LLAMA_2, MINILM, MODEL2VEC, ROOT

from charvec import vocabularies
from charvec.plumbing.spelling import byte_alphabet
from charvec.plumbing.spelling.tokenizer_document import Document
from charvec.plumbing.spelling.tokenizer_spelling import TokenizerSpeller
from charvec.status import Status

slow = pytest.mark.skipif(not os.environ.get("CHARVEC_SLOW"), reason="set CHARVEC_SLOW=1 to sweep all of Unicode")

SCALARS = [codepoint for codepoint in range(0x110000) if not 0xD800 <= codepoint < 0xE000]
REAL = {"llama-2": LLAMA_2, "minilm": MINILM, "model2vec": MODEL2VEC}
TRAINED = {path.stem: path for path in sorted((DATA / "tokenizer-json").glob("*.json"))}
ALL = [
    *(pytest.param(path, id=name) for name, path in TRAINED.items()),
    *(
        pytest.param(path, id=name, marks=pytest.mark.skipif(not path.exists(), reason=f"{name} is not installed"))
        for name, path in REAL.items()
    ),
]


@pytest.mark.parametrize("path", ALL)
def test_a_sample_of_unicode(path: Path) -> None:
    """The blocks that the samples use, others where normalisers are at work, and some of all others."""
    generator = random.Random(path.name)
    blocks = [(0, 0x600), (0x1100, 0x1120), (0x2000, 0x2200), (0x3000, 0x3400), (0x4E00, 0x4F00), (0xAC00, 0xAC40)]
    blocks += [(0xF900, 0xFB10), (0xFE00, 0x10020), (0x1F5F0, 0x1F650)]
    chosen = {codepoint for first, last in blocks for codepoint in range(first, last)}
    chosen |= {ord(char) for text in (ROOT / "samples" / "texts").glob("*.txt") for char in text.read_text("utf-8")}
    chosen |= set(generator.sample(SCALARS, 2000))
    assert not disagreements(path, sorted(chosen))


@slow
@pytest.mark.parametrize("path", ALL)
def test_all_of_unicode(path: Path) -> None:
    """All 1,112,064 scalar values."""
    assert not disagreements(path, SCALARS)


# Short cuts


def certain_and_asked(path: Path, codepoints: list[int]) -> list[str]:
    """Characters that are spelt differently with short cuts and by the library."""
    chosen = np.array(codepoints, np.uint32)
    quick = vocabularies.read(path).spell(chosen)
    asking = TokenizerSpeller(Document.of(json.loads(path.read_text("utf-8")), str(path)))
    asking._text_of = None
    slow = asking(chosen)
    assert not len(chosen) or slow.library
    places = range(len(chosen))
    return [
        f"U+{codepoints[place]:04X} {Status(quick.status[place]).label} {quick.ids(place)}, {slow.ids(place)}"
        for place in places
        if quick.status[place] != slow.status[place] or quick.ids(place) != slow.ids(place)
    ]


@pytest.mark.parametrize("path", ALL)
def test_short_cuts(path: Path) -> None:
    """What is certain without the library is what the library says."""
    generator = random.Random(path.name)
    blocks = (
        (0, 0x1900),
        (0x2000, 0x3400),
        (0x4E00, 0x4E20),
        (0xA000, 0xA100),
        (0xAC00, 0xAC80),
        (0xF900, 0x10400),
        (0x2F800, 0x2FA20),
    )
    chosen = [codepoint for first, last in blocks for codepoint in range(first, last)]
    assert not certain_and_asked(path, [*chosen, *generator.sample(SCALARS, 2000)])


@slow
@pytest.mark.parametrize("path", ALL)
def test_all_short_cuts(path: Path) -> None:
    """For all 1,112,064 scalar values."""
    assert not certain_and_asked(path, SCALARS)


@pytest.mark.parametrize("name", ["byte_fallback", "bytes_gpt2", "plain_bpe", "unigram", "wordlevel", "wordpiece"])
def test_common_characters_need_no_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose characters are common ones never builds a tokenizer."""
    speller = vocabularies.read(TRAINED[name]).spell
    monkeypatch.setattr(Document, "build", lambda self, inside: pytest.fail("asked the library"))
    spelling = speller(np.array([ord(char) for char in "AaZz19!~ \n我的一。、「"], np.uint32))
    assert spelling.library == ""


def test_random_byte_pair_encodings(tmp_path: Path) -> None:
    """Random merges of the bytes of a few characters are done in the order in which the library does them."""
    generator = random.Random(3)
    forms = [byte_alphabet.form_of(char) for char in "字学漢\U0001f600\U0001f601é"]
    path = tmp_path / "tokenizer.json"
    for _ in range(60):
        parts = sorted({char for form in forms for char in form})
        merges: list[tuple[str, str]] = []
        for _ in range(generator.randrange(1, 30)):
            form = generator.choice(forms)
            cuts = sorted(generator.sample(range(len(form) + 1), 3)) if len(form) > 2 else [0, 1, 2]
            pair = form[cuts[0] : cuts[1]], form[cuts[1] : cuts[2]]
            if all(part in parts for part in pair) and pair not in merges:
                merges.append(pair)
                parts.append("".join(pair))
        tokenizer = Tokenizer(BPE({part: row for row, part in enumerate(dict.fromkeys(parts))}, merges))
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        tokenizer.model.ignore_merges = generator.random() < 0.2
        tokenizer.save(str(path))
        assert not certain_and_asked(path, sorted(map(ord, "字学漢\U0001f600\U0001f601éè子")))
