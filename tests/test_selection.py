"""Which characters go on, and the account of the others."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vector_samples import ROOT

from charvec.cli import main
from charvec.counts import Counts, Samples
from charvec.coverage import Share
from charvec.errors import UsageError
from charvec.plumbing.text import scripts
from charvec.selection import LeftOut, Selection, select, select_texts

CHARS = "水火々〇かカーｶ・、，。한ㅋab é1\n👍\u0301\u3099\ufe0f\U0001f3fd\U00020000"
CLUSTERS = [*CHARS, "か\u3099", "ー\u3099", "é", "1\ufe0f\u20e3", "\u0301a", "👍\U0001f3fd", "水\ufe00", "\r\n", "각"]
NAMES = ("han", "kana", "hangul", "latin", "common", "inherited", "cjk", "unknown")

counters = st.dictionaries(st.sampled_from(CHARS), st.integers(1, 5))
cluster_counters = st.dictionaries(st.sampled_from(CLUSTERS) | st.text(min_size=1), st.integers(0, 5))
selections = st.builds(
    Selection,
    st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
    st.integers(1, 6),
    st.none() | st.integers(1, 12),
)

MODEL = str(ROOT / "samples" / "tiny-bert-zh")


def belongs(text: str, names: tuple[str, ...]) -> bool:
    """Whether a text belongs to some scripts, one character after the other."""
    codepoints = np.array([ord(char) for char in text], np.uint32)
    neutral = {scripts.SCRIPTS.index("Common"), scripts.SCRIPTS.index("Inherited")}
    speaking = [code for code in codepoints if scripts.script_ids(np.array([code]))[0] not in neutral]
    deciding = np.array([speaking[0] if speaking else codepoints[0]], np.uint32)
    wanted = scripts.parse_scripts(",".join(names))
    shared = scripts.script_ids(deciding)[0] == scripts.SCRIPTS.index("Common")
    if shared and "Common" not in wanted and unicodedata.category(chr(deciding[0]))[0] in "PZ":
        return False
    return bool(scripts.in_scripts(deciding, wanted)[0])


def reference(counts: Mapping[str, int], selection: Selection) -> tuple[dict[str, int], dict[str, Share]]:
    """The same in plain Python, filter after filter."""
    left = {text: number for text, number in sorted(counts.items()) if number}
    shares = {}
    if selection.only:
        gone = {text: number for text, number in left.items() if not belongs(text, selection.only)}
        shares["only"] = Share(len(gone), sum(gone.values()))
        left = {text: number for text, number in left.items() if text not in gone}
    if selection.min_count > 1:
        gone = {text: number for text, number in left.items() if number < selection.min_count}
        shares["min_count"] = Share(len(gone), sum(gone.values()))
        left = {text: number for text, number in left.items() if text not in gone}
    if selection.top is not None:
        ranked = sorted(left, key=lambda text: (-left[text], text))
        gone = {text: left[text] for text in ranked[selection.top :]}
        shares["top"] = Share(len(gone), sum(gone.values()))
        left = {text: number for text, number in left.items() if text not in gone}
    return left, shares


def by_filter(left_out: LeftOut) -> dict[str, Share]:
    return {each.filter: each.share for each in left_out.filters}


@given(counters, selections)
def test_as_in_plain_python(counter: dict[str, int], selection: Selection) -> None:
    """What goes on, and what each filter left out."""
    kept, left_out = selection.apply(Counts.from_mapping(counter))
    expected, shares = reference(counter, selection)
    assert dict(kept) == expected and list(kept) == sorted(expected)
    assert by_filter(left_out) == shares and list(by_filter(left_out)) == list(shares)


@given(cluster_counters, selections)
def test_clusters_as_in_plain_python(counter: dict[str, int], selection: Selection) -> None:
    """Likewise for grapheme clusters."""
    kept, left_out = select_texts(counter, selection)
    expected, shares = reference(counter, selection)
    assert kept == expected and list(kept) == sorted(expected)
    assert by_filter(left_out) == shares


@given(counters, selections)
def test_characters_are_clusters_of_one(counter: dict[str, int], selection: Selection) -> None:
    """Both ways agree."""
    kept, left_out = selection.apply(Counts.from_mapping(counter))
    assert select_texts(counter, selection) == (dict(kept), left_out)


@given(cluster_counters, selections)
def test_the_numbers_add_up(counter: dict[str, int], selection: Selection) -> None:
    """What goes on and what does not is what was scanned."""
    kept, left_out = select_texts(counter, selection)
    assert len(kept) + left_out.total.distinct == sum(number > 0 for number in counter.values())
    assert sum(kept.values()) + left_out.total.occurrences == sum(counter.values())


@given(counters, st.lists(selections, max_size=3))
def test_the_numbers_add_up_after_several_selections(counter: dict[str, int], several: list[Selection]) -> None:
    """Also with the grapheme clusters beside the characters."""
    scanned = replace(Counts.from_mapping(counter), graphemes=counter)
    counts = scanned
    for each in several:
        counts = select(counts, only=each.only, min_count=each.min_count, top=each.top)
    assert counts.graphemes == dict(counts) and counts.samples is scanned.samples
    for key, of in (("distinct", len), ("occurrences", lambda mapping: sum(mapping.values()))):
        assert of(counts) + sum(entry[key] for entry in counts.left_out.values()) == of(counter)
        assert of(counts) + sum(entry["graphemes"][key] for entry in counts.left_out.values()) == of(counter)


def test_select() -> None:
    """All at once; names come one by one or in one text."""
    counts = replace(Counts.from_mapping({"水": 3, "か": 1, "a": 9}), graphemes={"水": 3, "か\u3099": 1, "a": 9})
    expected = {
        "only": {
            "setting": ["han", "kana"],
            "distinct": 1,
            "occurrences": 9,
            "graphemes": {"distinct": 1, "occurrences": 9},
        },
        "min_count": {"setting": 2, "distinct": 1, "occurrences": 1, "graphemes": {"distinct": 1, "occurrences": 1}},
    }
    selected = select(counts, only="han, kana,", min_count=2)
    assert dict(selected) == {"水": 3} == selected.graphemes and selected.left_out == expected
    selected = select(counts, only=iter(["han", "kana"]), min_count=2)
    assert dict(selected) == {"水": 3} and selected.left_out == expected
    assert select(counts, only="").left_out == {} and counts.left_out == {}
    with pytest.raises(UsageError) as caught:
        select(counts, only=",")
    assert caught.value.code == "E-SCRIPT"


@given(cluster_counters, selections, st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(counter: dict[str, int], selection: Selection, rng: random.Random) -> None:
    """Neither that of the characters nor that of the scripts."""
    items = list(counter.items())
    rng.shuffle(items)
    again = Selection(selection.only[::-1], selection.min_count, selection.top)
    first, second = select_texts(counter, selection), select_texts(dict(items), again)
    assert first[0] == second[0] and list(first[0]) == list(second[0])
    assert by_filter(first[1]) == by_filter(second[1])


def test_everything_goes_on_without_filters() -> None:
    """And nothing is said."""
    counts = Counts.from_mapping(Counter(CHARS))
    kept, left_out = Selection().apply(counts)
    assert kept == counts
    assert left_out == LeftOut() and left_out.describe() == "" and left_out.as_dict() == {}
    assert left_out.total == Share(0, 0)
    assert not Selection() and Selection(top=1) and Selection(only=("han",)) and Selection(min_count=2)


def test_the_report_of_the_scan_stays() -> None:
    """What was scanned was scanned; grapheme clusters are selected by a function of their own."""
    samples = Samples(files=3, bytes=100, characters=7)
    counts = Counts(np.array([0x61, 0x6C34], np.uint32), np.array([3, 4], np.uint64), samples, {"a": 3, "水": 4})
    kept, _ = Selection(only=("han",)).apply(counts)
    assert dict(kept) == {"水": 4} and kept.samples is samples and kept.graphemes is counts.graphemes
    assert kept.codepoints.dtype == np.uint32 and kept.occurrences.dtype == np.uint64


def test_nothing_at_all() -> None:
    """No characters are no problem."""
    for selection in (Selection(), Selection(("han",), 2, 3)):
        kept, left_out = selection.apply(Counts.none())
        assert len(kept) == 0 and left_out.total == Share(0, 0)
        assert select_texts({}, selection) == ({}, left_out)


def test_equally_common_ones() -> None:
    """The lower code point goes first."""
    counts = Counts.from_mapping({"d": 1, "b": 2, "c": 2, "a": 1, "e": 3})
    assert list(Selection(top=2).apply(counts)[0]) == ["b", "e"]
    assert list(Selection(top=4).apply(counts)[0]) == ["a", "b", "c", "e"]
    assert list(select_texts({"ab": 1, "a": 1, "b": 1}, Selection(top=2))[0]) == ["a", "ab"]


def test_filters_in_their_order() -> None:
    """Each filter sees what those before it left."""
    counts = Counts.from_mapping({"水": 1, "火": 5, "山": 4, "a": 9, "b": 1})
    kept, left_out = Selection(only=("han",), min_count=2, top=1).apply(counts)
    assert dict(kept) == {"火": 5}
    assert left_out.as_dict() == {
        "only": {"setting": ["han"], "distinct": 2, "occurrences": 10},
        "min_count": {"setting": 2, "distinct": 1, "occurrences": 1},
        "top": {"setting": 1, "distinct": 1, "occurrences": 4},
    }


def test_descriptions() -> None:
    """One line for people."""
    counter = {chr(0x61 + each): 1520 for each in range(6)} | {"水": 1, "あ": 2}
    _, left_out = Selection(only=("han", "kana"), min_count=2).apply(Counts.from_mapping(counter))
    assert left_out.describe() == (
        "--only han,kana left out 6 characters (9,120 occurrences); --min-count 2 left out 1 character (1 occurrence)"
    )
    _, left_out = select_texts({"a": 1}, Selection(top=10))
    assert left_out.describe("cluster") == "--top 10 left out nothing"


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        *(("か\u3099", "Hiragana"), ("ー\u3099", "Katakana"), ("1\ufe0f\u20e3", "Common"), ("\u0301", "Inherited")),
        *(("\u0600水", "Arabic"), ("\u200d水", "Han"), ("水\u0301a", "Han"), ("\ud800", "Unknown")),
    ],
)
def test_script_of_a_cluster(cluster: str, name: str) -> None:
    """That of its first code point that has one; else that of its first."""
    assert select_texts({cluster: 2}, Selection(only=(name,)))[0] == {cluster: 2}
    assert select_texts({cluster: 2}, Selection(only=("Old_Italic",)))[0] == {}


def test_large_numbers() -> None:
    """Beyond what an integer of NumPy holds."""
    counts = Counts.from_mapping({"a": 2**63 + 5, "b": 3})
    assert dict(Selection(min_count=10**30).apply(counts)[0]) == {}
    assert dict(Selection(min_count=2**63).apply(counts)[0]) == {"a": 2**63 + 5}
    kept, left_out = Selection(top=10**30).apply(counts)
    assert kept == counts and left_out.total == Share(0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"min_count": 0}, "E-ARGUMENT"),
        ({"min_count": -1}, "E-ARGUMENT"),
        ({"min_count": 1.5}, "E-ARGUMENT"),
        ({"min_count": None}, "E-ARGUMENT"),
        ({"min_count": True}, "E-ARGUMENT"),
        ({"top": 0}, "E-ARGUMENT"),
        ({"top": "3"}, "E-ARGUMENT"),
        ({"only": "han"}, "E-ARGUMENT"),
        ({"only": ("hann",)}, "E-SCRIPT"),
        ({"only": ("",)}, "E-SCRIPT"),
    ],
)
def test_what_makes_no_sense(arguments: dict[str, object], code: str) -> None:
    """Is refused before anything is scanned."""
    with pytest.raises(UsageError) as caught:
        Selection(**arguments)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize("command", [("scan",), ("dump", "-m", MODEL, "-o", "a.h5"), ("coverage", "-m", MODEL)])
def test_commands_look_at_it_first(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before samples that take hours, and before what is wrong with these."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("水", "utf-8")
    (tmp_path / "journal").write_text("no journal\n")
    for wrong in (("--only", "klingon"), ("--top", "0"), ("--min-count", "-1")):
        assert main([command[0], "a.txt", *command[1:], "--resume", "journal", *wrong]) == 2
        err = capsys.readouterr().err
        assert wrong[1] in err and "journal" not in err


@pytest.mark.parametrize("counter", [{"": 1}, {"a": -1}])
def test_clusters_that_are_none(counter: dict[str, int]) -> None:
    """A mistake of the caller."""
    with pytest.raises(ValueError, match="cluster"):
        select_texts(counter, Selection())


def test_punctuation_is_common() -> None:
    """Who asks for a script means its letters and marks; shared punctuation goes with Common."""
    counts = Counts.from_mapping(dict.fromkeys("水々〇か・、。「」ーカ，1㍿", 1))
    assert "".join(select(counts, only="han")) == "々〇㍿水"
    assert "".join(select(counts, only="kana")) == "かカー㍿"[:3]
    assert "".join(select(counts, only="han,common")) == "1、。々〇「」・ー㍿水，"
