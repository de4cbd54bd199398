"""What stands between a reader and the tally: a text in pieces gives what it gives as a whole."""

from __future__ import annotations

import codecs
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from effort import SLOW
from hypothesis import given, settings
from hypothesis import strategies as st

from charvec.errors import MissingPackage
from charvec.plumbing.text import transforms
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.transforms import Graphemes, Normalising

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
SCALARS = [*range(0xD800), *range(0xE000, 0x110000)]
#: Without what no version of Unicode has given out yet, or is for private use: nearly a million characters of no
#: properties, of which every 50th stands for the others.
LOOKED_AT = (
    SCALARS
    if SLOW
    else [code for code in SCALARS if code % 50 == 0 or unicodedata.category(chr(code)) not in ("Cn", "Co")]
)

#: Texts whose parts have much to do with each other.
NASTY = {
    "jamo": "가각\u1100\u1161\u11a8\u1161\u11a8한\u11ab\u1112\u1161가\u11a7\u11c2\u1160",
    "compatibility jamo": "ㄱㅏㄳ가ﾡￂ\uffc2ㅋㅋ\u1100ㅏ",
    "emoji": "👨\u200d👩\u200d👧\u200d👦👍\U0001f3fd❤\ufe0f1\ufe0f\u20e3👩\u200d👍\u0301\u200d❤a\u200d❤",
    "flags": "🇨🇳🇯🇵🇰🇷🇨a🇨🇳🇯\u0301🇵🇰\u200d🇷🇨🇳🇯\r\n🇵",
    "zalgo": "Z\u0351\u036b\u0343\u0321A\u0316\u0301\u0327\u0300\u0345L\u0334\u0301G\u0315\u0300\u05ae\u0062\u0301",
    "conjuncts": "क्षत्रिय ज्ञ\u094d\u200dक\u094d\u0915\u093c\u094d\u0924क\u094d\u094d त\u200dक বাংলা কো\u09c7\u09be ക്ഷ",
    "tamil": "க்ஷ்ரீ கொ\u0bc6\u0bbe ெ\u0bd7",
    "kana": "か\u3099は\u309aう\u3099\u3099ー\u3099ｶﾞﾊﾟﾞ\uff9eヷワ\u3099か\u0301\u3099",
    "wide": "ＡＢ　１２３，：ｶﾞ㌔㍿①½ﬁ…Å㈀½\u0308¨\u0301´",
    "reordering": "\u1e0a\u0323D\u0307\u0323\u1e0c\u0307q\u0307\u0323\u0344\u0f73\u0f71\u0f72\u0f81\u0958\u2adc\ufb2c",
    "signs and marks": "\u09c7\u0316\u0301\u09be\u0301\u0316\u0301\u0316\u09be\u09d7\u0301\u0316\u1161\u0301\u0316",
    "composed late": "a\u0305\u0301\u0301\u0328e\u0323\u0302\u0301o\u031b\u0323ệ\u0300s\u0323\u0307",
    "cut at the start": "\u0301\u3099\u1161\u11a8\ufe0f\u200d\u093e\u0903a",
    "prepended": "\u0600水\u0601\u06dd1\U000110bd\U0001f1e8\u0600\r\n\u0600",
    "line ends": "a\r\nb\n\rc\r\r\n\u0301\n\u0301水\0\u0301\0\u200b",
    "plain": "水火 abc, 漢字。かな\nㅋ한국어 é я ก็ กำ ไ",
    "beyond": "𠀀\U0001f468\U000e0100\U000e0020\U0001d15e\U0001d157\U0001d165\U0002f800𑄮\U00011131\U00011127",
}
ALPHABET = "".join(sorted(set("".join(NASTY.values()))))
texts = st.text(st.sampled_from(ALPHABET) | st.characters(exclude_categories=["Cs"]), max_size=40)


class Inner:
    """What a tally is to a step before it, in the plainest way; it remembers the text as well."""

    def __init__(self) -> None:
        self.text = ""
        self.texts: list[str] = []
        self.ended: list[str] = []
        self.marks: list[bool] = []

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.text + "".join(self.ended) + "".join(self.texts))

    def add_utf8(self, block: bytes, final: bool) -> int:
        text, consumed = codecs.utf_8_decode(block, "strict", final)
        self.text += text
        return consumed

    def add_text(self, text: str) -> None:
        text.encode()
        self.text += text

    def add_texts(self, texts: list[str]) -> None:
        "".join(texts).encode()
        self.texts += texts

    def end(self) -> None:
        self.ended.append(self.text)
        self.text = ""

    def mark(self, *, whole: bool = False) -> Any:
        self.marks.append(whole)
        return whole, self.text, len(self.texts)

    def undo(self, mark: Any) -> None:
        whole, text, number = mark
        assert self.text.startswith(text) and (whole or self.text[len(text) :].isascii())
        self.text = text
        del self.texts[number:]


@pytest.fixture(params=[1, 5, None], ids=["at once", "by fives", "as it is"])
def eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segment short texts as long ones are."""
    if request.param:
        monkeypatch.setattr(transforms, "_ENOUGH", request.param)


@pytest.fixture(params=[4, 256], ids=["sorting", "not sorting"])
def sorting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sort short sequences as long ones are."""
    monkeypatch.setattr(transforms, "_STRIDE", request.param)


@pytest.fixture
def regex() -> ModuleType:
    module: ModuleType = pytest.importorskip("regex", reason="grapheme clusters need the package regex")
    return module


def feed_bytes(sink: Any, data: bytes, cuts: list[int]) -> None:
    """As a reader of UTF-8 does: what was not taken comes again."""
    pending = b""
    for start, end in pairwise([0, *cuts, len(data)]):
        block = pending + data[start:end]
        pending = block[sink.add_utf8(block, False) :]
    assert sink.add_utf8(pending, True) == len(pending)
    sink.end()


def feed_text(sink: Any, text: str, cuts: list[int]) -> None:
    for start, end in pairwise([0, *cuts, len(text)]):
        sink.add_text(text[start:end])
    sink.end()


def all_ways(text: str) -> Iterator[tuple[Callable[..., None], Any, list[int]]]:
    """Every place to cut once, all of them at once, and some to cut twice; as text and as bytes."""
    for feed, whole in ((feed_text, text), (feed_bytes, text.encode())):
        places = range(len(whole) + 1)
        yield from ((feed, whole, [place]) for place in places)
        yield feed, whole, list(places)
        rng = random.Random(text)
        yield from ((feed, whole, sorted(rng.choices(places, k=2))) for _ in range(50))


@pytest.mark.usefixtures("sorting")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_normalised_however_it_is_cut(text: str, form: Any) -> None:
    """As the whole text is."""
    for feed, whole, cuts in all_ways(text):
        inner = Inner()
        feed(Normalising(inner, form), whole, cuts)
        assert inner.ended == [unicodedata.normalize(form, text)], cuts


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_segmented_however_it_is_cut(text: str, regex: ModuleType) -> None:
    """As the whole text is; and it goes on unchanged."""
    for feed, whole, cuts in all_ways(text):
        inner = Inner()
        sink = Graphemes(inner)
        clusters = sink.clusters
        feed(sink, whole, cuts)
        assert clusters == Counter(regex.findall(r"\X", text)), cuts
        assert inner.ended == [text]


@given(texts, st.lists(st.integers(0, 40), max_size=6), st.sampled_from(FORMS))
@settings(max_examples=500)
def test_any_text_normalised(text: str, cuts: list[int], form: Any) -> None:
    """Cut anywhere."""
    inner = Inner()
    feed_text(Normalising(inner, form), text, sorted(cut for cut in cuts if cut <= len(text)))
    assert inner.ended == [unicodedata.normalize(form, text)]


@given(texts, st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=500)
def test_any_text_segmented(text: str, cuts: list[int]) -> None:
    """Cut anywhere."""
    regex = pytest.importorskip("regex", reason="grapheme clusters need the package regex")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transforms, "_ENOUGH", 1)
        sink = Graphemes(Inner())
        feed_text(sink, text, sorted(cut for cut in cuts if cut <= len(text)))
    assert sink.clusters == Counter(regex.findall(r"\X", text))


@given(texts, texts, texts, st.booleans())
@settings(max_examples=300)
def test_both_steps(first: str, second: str, third: str, backwards: bool) -> None:
    """Clusters of the normalised text; or of the text as it is, which is normalised behind them."""
    regex = pytest.importorskip("regex", reason="grapheme clusters need the package regex")
    inner = Inner()
    clusters: Counter[str]
    if backwards:
        sink: Any = Graphemes(Normalising(inner, "NFKC"))
        clusters = sink.clusters
    else:
        graphemes = Graphemes(inner)
        sink, clusters = Normalising(graphemes, "NFKC"), graphemes.clusters
    for text in (first, second, third):
        feed_text(sink, text, [len(text) // 2])
    normalised = [unicodedata.normalize("NFKC", text) for text in (first, second, third)]
    assert inner.ended == normalised
    segmented = (first, second, third) if backwards else normalised
    assert clusters == sum((Counter(regex.findall(r"\X", text)) for text in segmented), Counter())


@pytest.mark.parametrize("form", FORMS)
def test_scalar_values(form: Any) -> None:
    """Each behind a letter, each by itself, and all in one text, of which many do something to each other."""
    for start in range(0, len(LOOKED_AT), 1 << 15):
        chars = list(map(chr, LOOKED_AT[start : start + (1 << 15)]))
        inner = Inner()
        sink = Normalising(inner, form)
        sink.add_texts(chars)
        assert inner.texts == [unicodedata.normalize(form, char) for char in chars]
        for whole in ("\n".join(f"a{char}" for char in chars), "".join(chars)):
            feed_bytes(sink, whole.encode(), list(range(0, len(whole), 4099)))
            assert inner.ended.pop() == unicodedata.normalize(form, whole)


@pytest.mark.parametrize("form", FORMS)
def test_places_to_cut(form: Any) -> None:
    """No character that may be composed with, or sorted before, another begins a piece; nearly all others do."""
    pairs = []
    for code in SCALARS:
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0][0] != "<":
            pairs.append(tuple(chr(int(part, 16)) for part in parts))
    seconds = {second for _, second in pairs} | set(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))
    decomposition: Any = {"NFC": "NFD", "NFKC": "NFKD"}.get(form, form)
    for char in map(chr, LOOKED_AT):
        first = unicodedata.normalize(decomposition, char)[0]
        expected = unicodedata.combining(first) == 0 and first not in seconds
        assert transforms._starts(form, char) == expected, hex(ord(char))


def test_blocks_in_the_form_are_passed_on_as_they_are() -> None:
    """Not decoded, encoded or joined."""

    class Strict(Inner):
        def add_utf8(self, block: bytes, final: bool) -> int:
            blocks.append(block)
            return super().add_utf8(block, final)

    blocks: list[bytes] = []
    feed_bytes(Normalising(Strict(), "NFC"), "水火。café\u0323\n".encode() * 1000, [5000, 9000])
    assert sum(map(len, blocks)) < 100  # nothing of this is in the form
    feed_bytes(Normalising(Strict(), "NFC"), "水火。café\n".encode() * 1000, [5000, 9000])
    assert sum(map(len, blocks)) > 14_000


@pytest.mark.parametrize("step", ["NFC", "NFD", "NFKC", "NFKD", "clusters"])
def test_whole_texts_stay_apart(step: str) -> None:
    """Nothing combines across records, nor with the text in which they come."""
    records = ["か", "\u3099", "\r", "\n", "", "\0", "🇨", "🇳", "ᄀ", "ᅡ", "\u0301", "a\r", "\0\0", "ﾞ"]
    inner = Inner()
    if step == "clusters":
        regex = pytest.importorskip("regex", reason="grapheme clusters need the package regex")
        sink: Any = Graphemes(inner)
    else:
        sink = Normalising(inner, step)
    sink.add_text("e")
    sink.add_texts(records)
    sink.add_texts([])
    sink.add_text("\u0301")
    sink.end()
    if step == "clusters":
        expected = sum((Counter(regex.findall(r"\X", text)) for text in (*records, "e\u0301")), Counter())
        assert sink.clusters == expected and 0 not in sink.clusters.values()
        assert inner.texts == records and inner.ended == ["e\u0301"]
    else:
        form: Any = step
        assert inner.texts == [unicodedata.normalize(form, text) for text in records]
        assert inner.ended == [unicodedata.normalize(form, "e\u0301")]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("step", ["NFC", "NFKD", "clusters"])
def test_bad_input_changes_nothing(step: str) -> None:
    """The error is the codec's; the text goes on as if the block had never come."""
    inner = Inner()
    if step == "clusters":
        pytest.importorskip("regex", reason="grapheme clusters need the package regex")
        sink: Any = Graphemes(inner)
    else:
        sink = Normalising(inner, step)
    sink.add_text("水か")
    for block, final in ((b"ab\xff", False), ("水".encode()[:2], True), (b"\xed\xa0\x80", False)):
        with pytest.raises(UnicodeDecodeError) as caught:
            sink.add_utf8(block, final)
        with pytest.raises(UnicodeDecodeError) as expected:
            codecs.utf_8_decode(block, "strict", final)
        assert caught.value.args == expected.value.args
    assert sink.add_utf8("火".encode()[:2], False) == 0
    with pytest.raises(UnicodeEncodeError):
        sink.add_text("a\ud800b")
    with pytest.raises(UnicodeEncodeError):
        sink.add_texts(["a", "\udfff"])
    sink.add_text("\u3099")
    sink.end()
    assert inner.texts == []
    if step == "clusters":
        assert sink.clusters == {"水": 1, "か\u3099": 1} and inner.ended == ["水か\u3099"]
    else:
        form: Any = step
        assert inner.ended == [unicodedata.normalize(form, "水か\u3099")]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("step", ["NFC", "NFKD", "clusters"])
def test_undo(step: str, whole: bool) -> None:
    """Forgets what came since the mark, also twice, and also what was held back at the mark."""
    inner = Inner()
    if step == "clusters":
        pytest.importorskip("regex", reason="grapheme clusters need the package regex")
        sink: Any = Graphemes(inner)
    else:
        sink = Normalising(inner, step)
    since = "cd水\u0301🇨効か\u3099" if whole else "cd\r\nef" * 5
    sink.add_text("before")
    sink.end()
    sink.add_text("bか" if whole else "b火e")
    outer = sink.mark(whole=whole)
    for _ in range(2):
        sink.add_text(since)
        mark = sink.mark(whole=whole)
        for _ in range(2):
            sink.add_text(since)
            sink.add_texts(["x", "yz"] if whole else [])
            sink.undo(mark)
        sink.add_text(since)
        sink.undo(outer)
        if step != "clusters":
            assert sink._length == sum(map(len, sink._pending)) == 1
    sink.add_text("\u3099")
    third = sink.mark(whole=True)
    sink.undo(third)
    sink.add_text("水")
    sink.end()
    text = ("bか" if whole else "b火e") + "\u3099水"
    assert inner.texts == []
    if step == "clusters":
        assert inner.ended == ["before", text]
        expected = Counter("before") + Counter(["b", "か\u3099", "水"] if whole else ["b", "火", "e\u3099", "水"])
        assert sink.clusters == expected
    else:
        form: Any = step
        assert inner.ended == ["before", unicodedata.normalize(form, text)]


def test_marks_cost_little_where_they_can() -> None:
    """Only what is held back beyond ASCII asks for more than ASCII to be kept."""
    inner = Inner()
    sink = Normalising(inner, "NFC")
    sink.mark()
    sink.add_text("a")
    sink.mark()
    sink.add_text("é")
    sink.mark()
    sink.add_text("a")
    sink.mark(whole=True)
    assert inner.marks == [False, False, True, True]


@pytest.mark.parametrize("form", FORMS)
def test_long_sequences(form: Any) -> None:
    """Many marks out of order are in order at once; the expected text needs no sorting."""
    number = 100_000
    inner = Inner()
    feed_text(Normalising(inner, form), "a" + "\u0301\u0316" * number + "b", [70_001, 70_002, 150_000])
    composed = form in ("NFC", "NFKC")
    marks = "\u0316" * number + "\u0301" * (number - composed)
    assert inner.ended == [("á" if composed else "a") + marks + "b"]


def test_long_sequences_in_whole_texts() -> None:
    """Records are no way around it; and long sequences of what is no mark are whole as well."""
    inner = Inner()
    sink = Normalising(inner, "NFC")
    sink.add_texts(["x" + "\u0301\u0316" * 100_000, "가" + "\u11a8\u1161" * 1000])
    assert inner.texts == ["x" + "\u0316" * 100_000 + "\u0301" * 100_000, "각" + "\u1161\u11a8" * 999 + "\u1161"]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_held_back_is_bounded(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the text is cut, and only there."""
    monkeypatch.setattr(transforms, "LONGEST", 10)
    inner = Inner()
    sink = Normalising(inner, form)
    for _ in range(1000):
        sink.add_text("\u0301\u0316")
        assert sink._length <= 10
    sink.end()
    piece = unicodedata.normalize(form, "\u0301\u0316" * 6)
    whole, rest = divmod(1000, 6)
    assert inner.ended == [piece * whole + unicodedata.normalize(form, "\u0301\u0316" * rest)]


def test_clusters_held_back_are_bounded(regex: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise."""
    monkeypatch.setattr(transforms, "LONGEST", 10)
    monkeypatch.setattr(transforms, "_ENOUGH", 1)
    sink = Graphemes(Inner())
    sink.add_text("a")
    for _ in range(23):
        sink.add_text("\u0301")
        assert len(sink._pending) <= 10
    sink.end()
    assert sink.clusters == {"a" + "\u0301" * 10: 1, "\u0301" * 11: 1, "\u0301\u0301": 1}


@pytest.mark.parametrize("number", [64, 65, 66, 128, 129, 130, 1001, 50_000])
def test_many_flags(number: int, regex: ModuleType) -> None:
    """Two letters each, from where the sequence begins, however long it is."""
    sink = Graphemes(Inner())
    feed_text(sink, "水" + "🇨" * number + "水" + "\u0600🇳" + "🇨" * number, [number // 2, number])
    expected = Counter({"水": 2, "🇨🇨": number // 2 + (number - 1) // 2, "\u0600🇳🇨": 1})
    expected["🇨"] += number % 2 + (number - 1) % 2
    assert sink.clusters == +expected


def test_plain_characters_are_plain(regex: ModuleType) -> None:
    """None joins with any other of them, by the classes that the rules of UAX #29 go by."""
    for first, last in transforms._PLAIN:
        text = "".join(map(chr, range(first, last + 1)))
        assert regex.fullmatch(r"[\p{GCB=Other}\p{GCB=Control}\p{GCB=LF}\p{GCB=LV}\p{GCB=LVT}]*", text), hex(first)
        assert regex.findall(r"\X", text) == list(text)


def test_scalar_values_in_clusters(regex: ModuleType) -> None:
    """All in a row, in which many join, and each between two that are plain."""
    text = "".join(map(chr, LOOKED_AT))
    sink = Graphemes(Inner())
    feed_text(sink, text, list(range(0, len(text), 70_001)))
    assert sink.clusters == Counter(regex.findall(r"\X", text))
    text = "水".join(map(chr, LOOKED_AT))
    sink = Graphemes(Inner())
    feed_text(sink, text, [])
    assert sink.clusters == Counter(regex.findall(r"\X", text))


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("か\u3099た", ["か\u3099", "た"]),
        ("👨\u200d👩\u200d👧", ["👨\u200d👩\u200d👧"]),
        ("🇨🇳🇯🇵🇰", ["🇨🇳", "🇯🇵", "🇰"]),
        ("\r\n\n", ["\r\n", "\n"]),
        ("각\u11a8\u1100\u1161", ["각\u11a8", "\u1100\u1161"]),
        ("กำ", ["กำ"]),
        ("1\ufe0f\u20e3", ["1\ufe0f\u20e3"]),
    ],
)
def test_well_known_clusters(text: str, clusters: list[str], regex: ModuleType) -> None:
    """As UAX #29 has them."""
    sink = Graphemes(Inner())
    sink.add_text(text)
    sink.end()
    assert sink.clusters == Counter(clusters)


@pytest.mark.parametrize("step", [*FORMS, "clusters"])
def test_with_the_tally(step: str) -> None:
    """The innermost step is the one that counts."""
    text = "".join(NASTY.values()) * 50
    tally = Tally()
    if step == "clusters":
        pytest.importorskip("regex", reason="grapheme clusters need the package regex")
        sink: Any = Graphemes(tally)
    else:
        sink = Normalising(tally, step)
    feed_bytes(sink, text.encode(), [1000, 1001, 20_000])
    form: Any = step
    expected = Counter(text if step == "clusters" else unicodedata.normalize(form, text))
    assert {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]} == expected


def test_without_regex(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(MissingPackage) as caught:
        Graphemes(Inner())
    assert caught.value.code == "E-PACKAGE" and caught.value.exit_code == 69
    assert 'pip install "charvec[graphemes]"' in caught.value.help


def test_other_forms() -> None:
    """There are four."""
    with pytest.raises(KeyError):
        Normalising(Inner(), "NFX")
