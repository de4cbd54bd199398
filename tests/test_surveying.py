"""One comparison of several models: its numbers add up, its pages stay inert."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from test_embedding import save, table

import charvec
from charvec.cli import main
from charvec.commands.common import percent
from charvec.counts import Counts
from charvec.coverage import Share
from charvec.plumbing.coverage_page import coverage_page
from charvec.plumbing.text import scripts
from charvec.status import DEFAULT_KEEP, Status
from charvec.surveying import compare_coverage

PIECES = ["[PAD]", "[UNK]", *"一二三abcかᄀ", "##ᅡ", "々"]
#: exact 一 a か, composed 가 (two pieces), normalised A, unknown 四 😀, deleted U+3000.
TEXT = "一一一aか가A四四😀\u3000"


@pytest.fixture
def model(tmp_path: Path) -> charvec.TokenEmbedding:
    """A small uncased model."""
    folder = tmp_path / "model"
    folder.mkdir()
    save(folder / "model.safetensors", {"embeddings.word_embeddings.weight": table(len(PIECES))})
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", "utf-8")
    return charvec.open(folder)


def counted(text: str) -> Counts:
    """Counts of a text."""
    return Counts.from_mapping({char: text.count(char) for char in text})


def test_numbers(model: charvec.TokenEmbedding) -> None:
    """Worked out by hand: completeness counts 가 as one half, 四 and 😀 as nothing, U+3000 not at all."""
    comparison = compare_coverage([model], counted(TEXT))
    (known,) = comparison.models
    assert comparison.total == Share(8, 11)
    assert known.coverage.written == Share(5, 7)
    assert known.completeness == pytest.approx(4.5 / 7)
    assert known.text_completeness == pytest.approx(6.5 / 10)
    assert [(each.char, each.count, each.block) for each in comparison.missed] == [
        ("四", 2, "CJK Unified Ideographs"),
        ("😀", 1, "Emoticons"),
    ]
    by_script = {group.name: group for group in comparison.scripts}
    assert by_script["Han"].total == Share(2, 5) and by_script["Han"].covered == (Share(1, 3),)
    assert by_script["Common"].total == Share(2, 2) and by_script["Common"].seen == (Share(1, 1),)


def test_everything_adds_up(model: charvec.TokenEmbedding) -> None:
    """Scripts and blocks sum to the whole, for two models, over many characters, whatever is kept."""
    other = charvec.open()
    random = np.random.default_rng(3)
    codepoints = np.unique(random.choice(0xD000, 4000)).astype(np.uint32)
    counts = Counts(codepoints, random.integers(1, 1000, len(codepoints)).astype(np.uint64))
    for keep in (DEFAULT_KEEP, (Status.EXACT,)):
        comparison = compare_coverage([model, other], counts, keep)
        for groups in (comparison.scripts, comparison.blocks):
            assert sum((group.total for group in groups), Share(0, 0)) == comparison.total
            for place, known in enumerate(comparison.models):
                assert sum((group.seen[place] for group in groups), Share(0, 0)) == known.coverage.seen
                assert sum((group.covered[place] for group in groups), Share(0, 0)) == known.coverage.written
        numbers = [each.count for each in comparison.missed]
        assert numbers == sorted(numbers, reverse=True)
        kept = set(keep)
        assert all({*each.statuses} - kept - {Status.REMOVED} for each in comparison.missed)
        assert comparison.models[1].coverage == charvec.cover(other, counts, keep)


def test_nothing_at_all(model: charvec.TokenEmbedding) -> None:
    """No characters are all known."""
    comparison = compare_coverage([model], Counts.none())
    assert comparison.models[0].completeness == 1 and comparison.scripts == comparison.missed == ()
    assert "nothing" in coverage_page(comparison.as_dict(), "no files", percent)


class Tags(HTMLParser):
    """Collects the elements, attributes and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'--><svg/onload=alert(1)>",
    "\x1b[31m\u202e\u2066",
    "</title></style><script>",
    "javascript:alert(1)",
    "\ud800&amp;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_pages_stay_inert(model: charvec.TokenEmbedding, name: str) -> None:
    """No name and no character makes an element, an attribute or anything that a browser would act upon."""
    every = np.array([each for each in range(0x110000) if not 0xD800 <= each < 0xE000 and each % 7 == 0], np.uint32)
    marks = np.array([ord(char) for char in "<>&\"'\x00\x1b\u202e\u2066\u200f\ufeff\u2028"], np.uint32)
    codepoints = np.union1d(every[:: len(every) // 400], marks)
    counts = Counts(codepoints, np.full(len(codepoints), 2, np.uint64))
    comparison = compare_coverage([model, model], counts).as_dict()
    comparison["models"][0]["model"] = name
    page = coverage_page(comparison, name, percent)
    page.encode("utf-8")
    assert "default-src 'none'" in page
    tags = Tags()
    tags.feed(page)
    allowed = "html head meta title style body h1 h2 p small table thead tbody tr th td meter bdi"
    assert tags.tags <= set(allowed.split())
    assert tags.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "value"}
    assert not set(tags.text) & set("\x00\x1b\u202e\u2066\u200f\u2028")
    if name.isprintable():
        assert name in tags.text


def test_the_command(
    model: charvec.TokenEmbedding, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table within 80 columns, JSON, page; the page is not written over anything; the threshold is for every model."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT, "utf-8")
    several = [word for _ in range(5) for word in ("-m", "model")]
    assert main(["coverage", "text.txt", *several]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("A  ") and "E  model" in out and "四 U+56DB" in out
    assert main(["coverage", "text.txt", "-m", "model", "--json", "--html", "page.html"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["models"][0]["written_occurrences"] == 7 and said["unicode"] == scripts.UNICODE_VERSION
    sizes = {key: said["models"][0][key] for key in ("vocabulary", "pieces", "rows", "dim")}
    pieces = model.vocabulary.size
    assert sizes == {"vocabulary": "wordpiece", "pieces": pieces, "rows": model.tensor.rows, "dim": model.dim}
    assert f"model  ({pieces} pieces, {model.dim} numbers each)" in out
    assert Path("page.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert main(["coverage", "text.txt", "-m", "model", "--html", "page.html"]) == 73
    assert main(["coverage", "text.txt", "-m", "model", "--html", "page.html", "-f", "-q"]) == 0
    assert main(["coverage", "text.txt", "-m", "model", "--html", "model/vocab.txt", "-f"]) == 73
    capsys.readouterr()
    assert main(["coverage", "text.txt", "-m", "model", "--html", "-", "--fail-under", "71"]) == 1
    captured = capsys.readouterr()
    assert captured.out.encode() == Path("page.html").read_bytes() and "is under 71 %" in captured.err
    assert main(["coverage", "text.txt", "-m", "model", "--html", "-", "--json"]) == 2 and not Path("-").exists()
    assert "E-USAGE" in capsys.readouterr().err
    for threshold, code in (("60", 0), ("71", 1)):
        assert main(["coverage", "text.txt", "-m", "model", "--fail-under", threshold]) == code
    Path("han.txt").write_text("是的", "utf-8")
    assert main(["coverage", "han.txt", "-m", "model", "--fail-under", "0.1"]) == 1
    assert "model" in capsys.readouterr().err


def test_nothing_to_cover_is_not_all_of_it(
    model: charvec.TokenEmbedding, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No percentage stands where there was nothing, and a threshold is not reached by it."""
    empty, spaces, text = tmp_path / "empty.txt", tmp_path / "spaces.txt", tmp_path / "text.txt"
    empty.write_text("")
    spaces.write_text("\u3000\n", "utf-8")
    text.write_text("一二三", "utf-8")
    folder = str(tmp_path / "model")
    for why, arguments in (
        ("the samples hold no character", [str(empty)]),
        ("the model sees none of the characters", [str(spaces)]),
        ("no character was selected", [str(text), "--only", "hebrew"]),
    ):
        assert main(["coverage", *arguments, "-m", folder]) == 0
        said = capsys.readouterr().out
        assert "of what it sees" in said and "none" in said and "100.00 %" not in said
        assert main(["coverage", *arguments, "-m", folder, "--fail-under", "1"]) == 1
        assert f"there was nothing to cover, {why}: {folder}" in capsys.readouterr().err
        assert main(["dump", *arguments, "-m", folder, "-o", str(tmp_path / "a.h5"), "-f"]) == 65
        assert f"is not written: {why}\n" in capsys.readouterr().err
    assert main(["coverage", str(text), "-m", folder, "--fail-under", "100"]) == 0


def test_models_are_compared_over_what_all_see(
    model: charvec.TokenEmbedding, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that deletes what another knows or misses does not look better for it."""
    pieces = [*"一二三", "\u3000"]
    folder = tmp_path / "list"
    folder.mkdir()
    save(folder / "model.safetensors", {"embeddings.word_embeddings.weight": table(len(pieces))})
    (folder / "word2id.json").write_text(json.dumps({piece: row for row, piece in enumerate(pieces)}), "utf-8")
    other = charvec.open(folder)
    comparison = compare_coverage([model, other], counted("一二四四\u3000\u3000\u3000"))
    deletes, keeps = comparison.models
    assert deletes.coverage.seen == Share(3, 4) and keeps.coverage.seen == Share(4, 7)
    assert comparison.common == Share(3, 4)
    assert deletes.coverage.occurrences == 0.5 and keeps.coverage.occurrences == 5 / 7
    assert deletes.of_common == keeps.of_common == Share(2, 2)
    plain = comparison.as_dict()
    assert plain["common_occurrences"] == 4 and plain["models"][1]["of_common_occurrences"] == 2
    page = coverage_page(plain, "1 file", percent)
    assert "covered, of the 4 that all see" in page and "covered, of the 3 that all see" in page
    (tmp_path / "text.txt").write_text("一二四四\u3000\u3000\u3000", "utf-8")
    assert main(["coverage", str(tmp_path / "text.txt"), "-m", str(tmp_path / "model"), "-m", str(folder)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["seen", "by", "the", "model", "4", "7"] in lines
    assert ["covered,", "of", "what", "it", "sees", "50.00", "%", "71.43", "%"] in lines
    assert ["covered,", "of", "what", "all", "see", "4", "50.00", "%", "50.00", "%"] in lines


def test_a_vector_file_is_as_complete_as_its_model(tmp_path: Path) -> None:
    """A row that is the mean of three counts as three pieces, though the file has one row for it."""
    model = charvec.open(None)  # the bundled one
    counts = counted("水火가각힣")
    file = tmp_path / "a.h5"
    charvec.lookup(model, counts).save(file)
    of_model, of_file = compare_coverage([model, file], counts).models
    assert of_model.completeness == of_file.completeness < 1
    assert of_model.text_completeness == of_file.text_completeness
