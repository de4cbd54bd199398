"""The map of characters: places, neighbours, and a page on which nothing of a file can act."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from effort import SCALARS
from test_surveying import HOSTILE
from vector_samples import build

import charvec
from charvec.cli import main
from charvec.drawing import NEAREST, draw
from charvec.plumbing.map_page import map_page


def test_places_of_known_points() -> None:
    """Unit rows on two axes: the wider one comes first, lengths do not matter, shares are of the whole variance."""
    rows = np.array([[4, 0, 0], [-1, 0, 0], [0.6, 0.8, 0], [0.6, -0.8, 0]], np.float32)
    drawn = draw(build("abcd", rows))
    assert drawn.chars == list("abcd") and drawn.of == 4 and not drawn.flat
    # variance 0.59 along x, 0.32 along y, none along z
    assert drawn.shares == pytest.approx([0.59 / 0.91, 0.32 / 0.91, 0], abs=1e-6)
    middle = (1 - 1 + 0.6 + 0.6) / 4
    assert np.abs(drawn.places[:, 0]) == pytest.approx(np.abs(np.array([1, -1, 0.6, 0.6]) - middle), abs=1e-5)
    assert np.abs(drawn.places[:, 1]) == pytest.approx([0, 0, 0.8, 0.8], abs=1e-5)
    assert drawn.nearest[0].tolist() == [2, 3, 1] and drawn.cosines[0] == pytest.approx([0.6, 0.6, -1])


def test_neighbours_are_those_of_the_library(tmp_path: Path) -> None:
    """With every character drawn, the neighbours of each are what nearest() says, but for equal cosines."""
    vectors = charvec.dump("samples/texts", model="samples/tiny-bert-zh", out=tmp_path / "zh.h5")
    drawn = draw(vectors)
    assert len(drawn.chars) == len(vectors) == drawn.of
    assert np.array_equal(np.sort(drawn.counts)[::-1], drawn.counts)
    for at in range(0, len(drawn.chars), 97):
        expected = vectors.nearest(drawn.chars[at], k=NEAREST)
        assert drawn.cosines[at] == pytest.approx([cosine for _, cosine in expected], abs=1e-5)
        found = {drawn.chars[other] for other in drawn.nearest[at][:-1]}
        assert found <= {char for char, _ in expected}


def test_neighbours_that_are_equally_near() -> None:
    """Of more equal cosines than are listed those first on the map are, behind what is nearer."""
    rows = np.zeros((40, 3), np.float32)
    rows[:, 0] = 1
    rows[[7, 31]] = [0, 1, 0]
    drawn = draw(build("".join(map(chr, range(0x4E00, 0x4E28))), rows))
    alike = [place for place in range(40) if place not in (7, 31)]
    for place in alike:
        assert drawn.nearest[place].tolist() == [each for each in alike if each != place][:NEAREST]
    assert drawn.nearest[31].tolist() == [7, *alike[: NEAREST - 1]]


def test_the_commonest() -> None:
    """The highest counts, equal ones by code point; without counts the first ones."""
    rows = np.eye(5, dtype=np.float32)
    vectors = build("abcde", rows)
    counts = np.array([1, 7, 3, 7, 0], np.uint64)
    assert draw(replace(vectors, counts=counts), top=3).chars == [*"bdc"]
    assert draw(replace(vectors, counts=np.zeros(5, np.uint64)), top=3).chars == [*"abc"]


@pytest.mark.parametrize("chars", ["a", "ab"])
def test_few(chars: str) -> None:
    """One character has no neighbours, two equal ones no variance; both have two axes."""
    drawn = draw(build(chars, np.ones((len(chars), 3), np.float32)))
    assert drawn.places.shape == (len(chars), 2) and not drawn.places.any() and not drawn.shares.any()
    assert drawn.nearest.shape == (len(chars), len(chars) - 1)


def test_without_direction() -> None:
    """Zeros, NaN and infinity are left out and named; nothing but these is an error, as is nothing at all."""
    rows = np.array([[1, 0], [0, 0], [np.nan, 1], [np.inf, 1], [0, 1]], np.float32)
    vectors = build("abcde", rows)
    drawn = draw(vectors)
    assert drawn.chars == ["a", "e"] and drawn.flat == ["b", "c", "d"]
    flat, none = vectors.take(~np.isin(np.arange(5), [0, 4])), vectors.take(np.zeros(5, bool))
    for nothing, why in ((flat, "each is zeros"), (none, "there are no vectors")):
        with pytest.raises(charvec.CharvecError) as caught:
            draw(nothing)
        assert caught.value.code == "E-NO-DIRECTION" and why in caught.value.message


@pytest.mark.parametrize("top", [0, -1, 2.5, "5", True, None])
def test_arguments(top: object) -> None:
    """Only a number above zero is one."""
    with pytest.raises(charvec.CharvecError) as caught:
        draw(build("ab", np.eye(2, dtype=np.float32)), top=top)  # type: ignore[arg-type]
    assert caught.value.code == "E-ARGUMENT"


def test_a_path_will_do(tmp_path: Path) -> None:
    """As wherever vectors are wanted; what holds none is told."""
    vectors = build("abc", np.eye(3, dtype=np.float32))
    vectors.save(tmp_path / "a.h5")
    assert draw(tmp_path / "a.h5").as_dict() == draw(str(tmp_path / "a.h5")).as_dict() == draw(vectors).as_dict()
    with pytest.raises(charvec.CharvecError) as caught:
        draw([vectors])  # type: ignore[arg-type]
    assert caught.value.code == "E-ARGUMENT"


class Page(HTMLParser):
    """What a browser would see: elements, attributes, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str | None]] = {}
        self.inside = ""
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        """Note the text of scripts."""
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_on_the_page_can_act(name: str) -> None:
    """One script, which the policy names by its digest; no name and no character makes an element or an attribute."""
    marks = [ord(char) for char in "<>&\"'/\x00\x1b\u202e\u2066\u200f\ufeff\u2028\u2029"]
    codepoints = np.union1d(SCALARS[::5003], np.array(marks)).astype(np.uint32)
    chars = [chr(each) for each in codepoints]
    rows = np.random.default_rng(1).normal(size=(len(chars), 4)).astype(np.float32)
    drawn = draw(build("".join(chars), rows)).as_dict()
    text = map_page(drawn, name)
    page = Page(text)
    text.encode("utf-8")
    assert [tag for tag in page.tags if tag == "script"] == ["script"] * 2 and "img" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")] and "src" not in page.attributes
    data, script = (each for each in page.scripts if each.strip())
    assert json.loads(data) == drawn and data.isascii() and "<" not in data
    policy = next(value for value in page.attributes["content"] if value and "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", script)


def test_the_heading() -> None:
    """Whether the characters are all, the commonest, or those that have a direction."""
    rows = np.eye(4, dtype=np.float32)
    all_of_them = build("abcd", rows)
    rows = rows.copy()
    rows[1] = 0
    some = build("abcd", rows)
    for vectors, top, heading in (
        (all_of_them, 9, "4 characters, on the"),
        (all_of_them, 2, "2 characters, the commonest of 4, on the"),
        (some, 9, "3 characters, without 1 vector of zeros, NaN or infinity, on the"),
        (some, 2, "2 characters, the commonest of 4, without 1 vector of zeros, NaN or infinity, on the"),
    ):
        assert f"<p>{heading} " in map_page(draw(vectors, top=top).as_dict(), "v.h5")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is written once, never over the vectors; --json gives the same numbers and writes nothing."""
    build("木水火", np.array([[0, 0], [1, 0], [0.8, 0.6]], np.float32)).save(tmp_path / "v.h5")
    monkeypatch.chdir(tmp_path)
    assert main(["map", "v.h5"]) == 0
    out = capsys.readouterr()
    assert out.out == "map.html: 2 characters of 3, 100% of the variance in view\n"
    assert "W-NO-DIRECTION" in out.err and "木 U+6728" in out.err
    assert main(["map", "v.h5"]) == 73 and main(["map", "v.h5", "-f", "-q"]) == 0
    assert main(["map", "v.h5", "-o", "v.h5", "-f"]) == 73
    assert main(["map", "v.h5", "--top", "0", "-f"]) == 2
    capsys.readouterr()
    before = (tmp_path / "map.html").read_bytes()
    (tmp_path / "map.html").unlink()
    assert main(["map", "v.h5", "--json"]) == 0 and not (tmp_path / "map.html").exists()
    plain = json.loads(capsys.readouterr().out)
    assert [each["char"] for each in plain["characters"]] == ["水", "火"] and plain["without_direction"] == ["木"]
    assert plain["characters"][0]["nearest"] == [1] and plain["characters"][0]["cosines"] == [0.8]
    assert main(["map", "v.h5", "-o", "-", "-q"]) == 0 and not list(tmp_path.glob("*.html"))
    assert capsys.readouterr().out.encode() == before
    assert main(["map", "v.h5", "-q"]) == 0 and (tmp_path / "map.html").read_bytes() == before
