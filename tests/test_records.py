"""Texts inside records: one field of JSON Lines, one column of CSV, in any encoding and wherever the blocks are cut."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import random
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import charvec
from charvec import cli
from charvec.errors import CharvecWarning, Note, UsageError
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.dotted import split
from charvec.plumbing.text.json_array import Elements
from charvec.readers import choose
from charvec.reading import Options, Outcome, Source
from charvec.records import MEMBERS, RecordSink, delimited, json_lines, wrap

GOLDEN = Path(__file__).parent / "data" / "records"
#: What the golden files hold in their column "text".
TEXTS = ["字 charvec\né😀\n", '今天,天气"不错"', "", "tab\tend; a|b", "行\u2028分\\u4e2d", "第七"]

try:
    import orjson  # noqa: F401

    PARSERS = ["orjson", "json"]
except ImportError:
    PARSERS = ["json"]


class Collected:
    """An innermost sink that remembers texts as they come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.ended = 0
        self.promises: list[str] = []  # where nothing but ASCII may come before the undoing

    def add_utf8(self, block: bytes, final: bool) -> int:
        raise AssertionError("records are passed on as texts")

    def add_text(self, text: str) -> None:
        raise AssertionError("records are passed on as texts")

    def add_texts(self, texts: list[str]) -> None:
        for text in texts:
            text.encode()
        self.texts += texts
        self.calls += 1

    def end(self) -> None:
        self.ended += 1

    def mark(self, *, whole: bool = False) -> tuple[int, bool]:
        return len(self.texts), whole

    def undo(self, mark: tuple[int, bool]) -> None:
        assert mark[1] or "".join(self.texts[mark[0] :]).isascii(), "more than ASCII came behind a cheap mark"
        del self.texts[mark[0] :]


def pour(sink: RecordSink, data: bytes, cuts: Iterable[int] = ()) -> Outcome:
    """Give a sink UTF-8 cut at these places, as a reader does, and end."""
    pending, last = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        block = pending + data[last:cut]
        taken = sink.add_utf8(block, False)
        pending, last = block[taken:], cut
    assert not pending
    sink.end()
    outcome = Outcome()
    sink.finish(outcome)
    return outcome


@pytest.fixture(params=["orjson", "json"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With orjson, and as if it were not installed."""
    if request.param not in PARSERS:
        pytest.skip("orjson is not installed")
    if request.param == "json":
        monkeypatch.setattr(json_lines, "_fast_parser", lambda: None)
    return str(request.param)


def lines(
    data: bytes | str, field: str = "text", cuts: Iterable[int] = (), **options: Any
) -> tuple[list[str], Outcome]:
    """Texts of a field of JSON Lines."""
    inner = Collected()
    outcome = pour(
        json_lines.JsonLines("a file", inner, field, **options),
        data.encode() if isinstance(data, str) else data,
        cuts,
    )
    return inner.texts, outcome


def rows(
    data: bytes | str, column: str = "text", cuts: Iterable[int] = (), path: str = "a file", **options: Any
) -> tuple[list[str], Outcome]:
    """Texts of a column of CSV."""
    inner = Collected()
    outcome = pour(
        delimited.Delimited(path, inner, column, **options), data.encode() if isinstance(data, str) else data, cuts
    )
    return inner.texts, outcome


def every_cut(data: bytes) -> list[list[int]]:
    """All ways to cut data in two, one into single bytes, and some others."""
    chance = random.Random(len(data))
    some = [sorted(chance.sample(range(len(data) + 1), min(len(data), 4))) for _ in range(10)]
    return [[], *([cut] for cut in range(len(data) + 1)), list(range(len(data))), *some]


def said(notes: list[Note]) -> list[tuple[str, int | None]]:
    """Codes and offsets."""
    return [(note.code, note.offset) for note in notes]


# -- dotted paths


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("text", [("text", None)]),
        ("data.text", [("data", None), ("text", None)]),
        ("messages.0.content", [("messages", None), ("0", 0), ("content", None)]),
        (r"meta\.key", [("meta.key", None)]),
        (r"a\\.b", [("a\\", None), ("b", None)]),
        (r"a\b.c", [("a\\b", None), ("c", None)]),
        ("a\\", [("a\\", None)]),
        ("a..b", [("a", None), ("", None), ("b", None)]),
        ("a\n.b", [("a\n", None), ("b", None)]),
        ("9" * 5000, [("9" * 5000, None)]),
        ("٣", [("٣", None)]),
        (".", []),
    ],
)
def test_dotted_paths(path: str, steps: list[tuple[str, int | None]]) -> None:
    """Dots part keys, a backslash takes that away."""
    assert list(split(path)) == steps


@given(st.lists(st.text(alphabet=".\\a0\n中", min_size=1), min_size=1))
def test_any_key_can_be_written(keys: list[str]) -> None:
    """By escaping dots and backslashes."""
    path = ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in keys)
    assert [key for key, _ in split(path)] == keys


# -- JSON Lines

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "a", "b.c", "0", ""]), inner),
    max_leaves=8,
)


def reference(record: Any, keys: list[str]) -> list[str]:
    """What the documentation says of a path, as plainly as can be."""
    if isinstance(record, list):
        if keys and keys[0].isdigit():
            return reference(record[int(keys[0])], keys[1:]) if int(keys[0]) < len(record) else []
        return [text for each in record for text in reference(each, keys)]
    if not keys:
        return [record] if isinstance(record, str) else []
    return reference(record[keys[0]], keys[1:]) if isinstance(record, dict) and keys[0] in record else []


@settings(deadline=None)
@given(
    st.lists(values, max_size=6),
    st.sampled_from(["text", "a.text", "text.0", "a.0.text", r"b\.c.a", ".", ""]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n\t\n"]),
    st.booleans(),
    st.data(),
)
@pytest.mark.parametrize("with_parser", PARSERS)
def test_json_lines_like_json(
    with_parser: str, records: list[Any], field: str, ascii_only: bool, end: str, last: bool, data: st.DataObject
) -> None:
    """What Python's json makes of each line, with and without orjson, wherever the blocks are cut."""
    # a list first would be taken for one array, except where the path begins with an index
    records = [record for record in records if not isinstance(record, list)]
    text = end.join(json.dumps(record, ensure_ascii=ascii_only) for record in records) + (end if last else "")
    encoded = text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(encoded)), max_size=5))
    inner = Collected()
    sink = json_lines.JsonLines("a file", inner, field)
    if with_parser == "json":
        sink._fast = None
    outcome = pour(sink, encoded, cuts)
    keys = [key for key, _ in split(field)]
    expected = [reference(record, keys) for record in records]
    assert inner.texts == [each for texts in expected for each in texts]
    without = sum(not texts for texts in expected)
    notes = outcome.problems + outcome.remarks
    codes = [note.code for note in notes]
    if not without:
        assert codes == []
    else:
        assert codes == (["W-FIELD"] if without == len(records) else ["N-FIELD"])
        assert f"{len(records):,} records" in notes[0].message
    assert outcome.skipped == (without == len(records) > 0)


@settings(deadline=None)
@given(st.lists(st.text(max_size=9), min_size=1, max_size=5), st.integers(0, 10**6), st.binary(max_size=4), st.data())
@pytest.mark.skipif("orjson" not in PARSERS, reason="orjson is not installed")
def test_damaged_lines_the_same_with_both_parsers(
    texts: list[str], place: int, junk: bytes, data: st.DataObject
) -> None:
    """Whatever is wrong with a line: the same texts, the same notes, the same errors."""
    whole = "".join(json.dumps({"text": text, "n": [1, -2.5e9]}, ensure_ascii=False) + "\n" for text in texts).encode()
    at = place % (len(whole) + 1)
    damaged = whole[:at] + junk + whole[at + data.draw(st.integers(0, 3)) :]
    results = []
    for fast in (True, False):
        inner = Collected()
        sink = json_lines.JsonLines("a file", inner, "text")
        if not fast:
            sink._fast = None
        try:
            outcome = pour(sink, damaged) if damaged.decode("utf-8", "ignore").encode() == damaged else None
            if outcome is None:
                sink.add_utf8(damaged, True)
        except UnicodeDecodeError as error:
            results.append((inner.texts, str(error)))
        else:
            assert outcome is not None
            results.append((inner.texts, [note.as_dict() for note in outcome.problems + outcome.remarks]))
    assert results[0] == results[1]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(['{"text":"', "中", "é", "a", '"}', "\n", "\\u4e2d"]), max_size=12), st.binary(max_size=3)
)
@pytest.mark.parametrize("with_parser", PARSERS)
@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("kind", ["lines", "rows"])
def test_utf8_is_strict(kind: str, final: bool, with_parser: str, parts: list[str], junk: bytes) -> None:
    """The same error as the decoder's, before anything is passed on; what comes next is read as if nothing were."""
    inner = Collected()
    sink: RecordSink
    if kind == "lines":
        sink = json_lines.JsonLines("a file", inner, "text")
        if with_parser == "json":
            sink._fast = None
    else:
        sink = delimited.Delimited("a file", inner, "1")
    middle = len(parts) // 2
    block = "".join(parts[:middle]).encode() + junk + "".join(parts[middle:]).encode()
    assert sink.add_utf8(b'{"text":"0"}\n', False) == 13
    before = list(inner.texts)
    try:
        taken = codecs.utf_8_decode(block, "strict", final)[1]
    except UnicodeDecodeError as expected:
        with pytest.raises(UnicodeDecodeError) as caught:
            sink.add_utf8(block, final)
        assert (caught.value.start, caught.value.end, caught.value.reason, bytes(caught.value.object)) == (
            expected.start,
            expected.end,
            expected.reason,
            block,
        )
        assert inner.texts == before
        sink.add_utf8(b'{"text":"1"}\n', False)
        sink.end()
        assert len(inner.texts) == 2
    else:
        assert sink.add_utf8(block, final) == taken


def test_every_cut_of_json_lines(parser: str) -> None:
    """Characters, escapes, line ends and records may be cut anywhere."""
    data = (
        '\n{"text": "字é😀\\ud83d\\ude00\\n"}\r\n\r\n[{"text": ["一", "二", 3]}, 4]\n{"a": 1}\n{"text": "末"}'.encode()
    )
    expected = ["字é😀😀\n", "一", "二", "末"]
    for cuts in every_cut(data):
        texts, outcome = lines(data, cuts=cuts)
        assert texts == expected and not outcome.problems
        assert said(outcome.remarks) == [("N-FIELD", data.index(b'{"a"'))]
        assert "1 of 4 records" in outcome.remarks[0].message and "line 5" in outcome.remarks[0].message


@pytest.mark.parametrize(
    ("record", "field", "texts"),
    [
        ('{"data": {"text": "字"}}', "data.text", ["字"]),
        ('{"messages": [{"content": "一"}, {"content": "二"}]}', "messages.0.content", ["一"]),
        ('{"messages": [{"content": "一"}, {"content": ["二", "三"]}]}', "messages.content", ["一", "二", "三"]),
        ('{"messages": [[{"content": "一"}], [{"content": "二"}]]}', "messages.content", ["一", "二"]),
        ('{"meta.key": "字", "meta": {"key": "no"}}', r"meta\.key", ["字"]),
        ('{"a\\\\": {"b": "字"}}', r"a\\.b", ["字"]),
        ('{"0": "字"}', "0", ["字"]),
        ('{"": {"": "字"}}', "..", []),
        ('{"": {"": "字"}}', r".\.", []),
        ('"字"', ".", ["字"]),
        ('["一", ["二"]]', ".", ["一", "二"]),
        ('["id", "字"]', "1", ["字"]),
        ('{"text": ["一", null, 2, ["三"]]}', "text", ["一", "三"]),
        ('{"text": "一", "text": "二"}', "text", ["二"]),
        ('{"text": "\\u4e2d\\ud83d\\ude00\\u0000"}', "text", ["中😀\0"]),
        ('{"text": "a\u2028b\u0085c"}', "text", ["a\u2028b\x85c"]),
        ('{"text": "字", "n": NaN, "i": [Infinity, -Infinity]}', "text", ["字"]),
        ('{"text": "字", "n": ' + "1" * 5000 + "}", "text", ["字"]),
        ('{"text": "字", "n": 1e999}', "text", ["字"]),
        ('{"text": ""}', "text", [""]),
        ('\ufeff{"text": "字"}', "text", ["字"]),
    ],
)
def test_what_a_path_finds(parser: str, record: str, field: str, texts: list[str]) -> None:
    """Strings, in lists too; escapes decoded; what is strange elsewhere in a record does no harm."""
    found, outcome = lines('{"x": "1"}\n' + record + "\n", field)
    assert found == texts
    assert not [note for note in outcome.problems if note.code == "W-JSON"]
    assert bool(outcome.problems) == (not texts)


@pytest.mark.parametrize(
    "record",
    ["{}", '{"text": null}', '{"text": 5}', '{"text": {"a": "b"}}', '{"text": []}', '{"text": [1]}', "7", "[]"],
)
def test_records_without_the_field(parser: str, record: str) -> None:
    """They are counted and the first is located; when all are so, the file is left out and the fields are named."""
    texts, outcome = lines(f'{{"text": "字"}}\n{record}\n{record}')
    assert texts == ["字"] and not outcome.problems and not outcome.skipped
    assert said(outcome.remarks) == [("N-FIELD", 16)]
    assert "2 of 3 records" in outcome.remarks[0].message and "line 2, byte 16" in outcome.remarks[0].message
    if record != "[]":  # at the beginning it is an array without elements
        texts, outcome = lines(f'{record}\n{{"title": "x"}}')
        assert texts == [] and outcome.skipped and said(outcome.problems) == [("W-FIELD", None)]


def test_fields_are_named_when_none_fits(parser: str) -> None:
    """As they would be written."""
    record = {"id": 1, "title": "t", "data": {"text": "x", "a.b": ["y"]}, "n": [{"c": "z"}], "\ud800": "h"}
    _, outcome = lines(json.dumps(record) + "\n", "text")
    message = outcome.problems[0].message
    assert "none of its 1 records has text in the field `text`" in message
    for field in ("`title`", "`data.text`", r"`data.a\.b`", "`n.c`"):
        assert field in message
    message.encode()


DAMAGED = [
    '{"text": "字"',
    '{"text": "字}',
    "{'text': '字'}",
    '{"text": "字"}}',
    '{"text": "字"} x',
    '{"text": "\x01"}',
    '{"text": "\\x"}',
    '{"text": "\\u12"}',
    '{"text": 01}',
    "字",
    "\x0b",
    "[1,]",
    "-",
    '{"text": "字"}\0',
]


@pytest.mark.parametrize("line", DAMAGED)
def test_damaged_lines(parser: str, line: str) -> None:
    """They are left out, counted, and the first is located; the others go on."""
    data = f'{{"text": "一"}}\n\n{line}\n{{"text": "二"}}\n{line}\n{{"text": "三"}}'.encode()
    for cuts in every_cut(data) if line == DAMAGED[0] else ([], [9]):
        texts, outcome = lines(data, cuts=cuts)
        assert texts == ["一", "二", "三"] and not outcome.skipped and not outcome.remarks
        assert said(outcome.problems) == [("W-JSON", 17)]
        assert "2 records" in outcome.problems[0].message and "line 3, byte 17" in outcome.problems[0].message


def test_a_file_that_is_no_json_lines(parser: str) -> None:
    """Left out, with a remedy."""
    document = json.dumps({"data": [{"text": "字"}]}, indent=1, ensure_ascii=False)
    for data in (document, "just\nsome\ntext\n", "\0\0\n"):
        texts, outcome = lines(data)
        assert texts == [] and outcome.skipped and [note.code for note in outcome.problems] == ["W-JSON"]
        assert "jq -c ." in outcome.problems[0].message
    assert lines(json.dumps({"data": [{"text": "字"}]}), "data.text")[0] == ["字"]


@pytest.mark.parametrize("data", ["", "\n", " \n\t\r\n", "[]", "[ ]\n"])
def test_nothing_to_read(parser: str, data: str) -> None:
    """An empty file is no problem."""
    texts, outcome = lines(data)
    assert texts == [] and outcome == Outcome()


def test_lone_surrogates(parser: str) -> None:
    """Left out, counted and located; the rest of the text is counted; those outside the field do not matter."""
    data = (
        '{"text": "a", "x": "\\ud800"}\n'
        '{"text": "\\ud83d", "b": 1}\n{"text": ["字\\udc00\\ud83d\\ude00\\uD83D", "\\udfff\\ud800"]}\n{"text": "末"}\n'
    )
    for cuts in every_cut(data.encode()):
        texts, outcome = lines(data, cuts=cuts)
        assert texts == ["a", "", "字😀", "", "末"]
        assert said(outcome.problems) == [("W-SURROGATE", data.index('{"text": "\\ud83d"'))]
        assert "5 lone surrogates" in outcome.problems[0].message and "line 2" in outcome.problems[0].message


@pytest.mark.parametrize("depth", [200, 990, json_lines.DEPTH - 1])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_deep_records_are_read(parser: str, depth: int, brackets: str) -> None:
    """As deep as orjson does, with or without it, however deep the caller is."""
    before = sys.getrecursionlimit()
    opening, closing = brackets[:-1], brackets[-1]
    deep = opening * depth + "1" + closing * depth
    data = f'{{"text": "]字{{[", "deep": {deep}}}\n{{"text": "末"}}'

    def call(levels: int) -> None:
        if levels:
            call(levels - 1)
            return
        assert lines(data)[0] == ["]字{[", "末"]
        assert lines(f'[{{"text": "字", "deep": {deep}}}]')[0] == ["字"]

    for levels in (0, 300):
        call(levels)
    assert sys.getrecursionlimit() == before


@pytest.mark.parametrize("depth", [json_lines.DEPTH, json_lines.DEPTH + 1, 5000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}', "["])
def test_deeper_records_are_damage(parser: str, depth: int, brackets: str) -> None:
    """No RecursionError, no crash."""
    closing = brackets[-1] if len(brackets) > 1 else ""
    deep = brackets.removesuffix(closing) * depth + "1" + closing * depth
    texts, outcome = lines(f'{{"text": "一", "deep": {deep}}}\n{{"text": "二"}}')
    assert texts == ["二"] and said(outcome.problems) == [("W-JSON", 0)]
    texts, outcome = lines(f'[\n{{"text": "一", "deep": {deep}}},\n{{"text": "二"}}\n]')
    assert texts == ["二"] and said(outcome.problems) == [("W-JSON", 2)]


def test_long_lists_in_the_field(parser: str) -> None:
    """Lists inside lists are walked through without recursion."""
    depth = json_lines.DEPTH - 2
    assert lines('{"text": ' + "[" * depth + '"字"' + "]" * depth + "}")[0] == ["字"]


@pytest.mark.parametrize("array", [False, True])
def test_long_records_are_left_out(parser: str, array: bool) -> None:
    """Located; reading goes on behind them, and their bytes are not kept."""
    records = ['{"text": "一"}', '{"text": "' + "长" * 40 + '"}', '{"text": "二"}', '{"text": "' + '\\"' * 60 + '"}']
    data = ("[" + ",".join(records) + "]" if array else "\n".join(records)).encode()
    for cuts in every_cut(data):
        texts, outcome = lines(data, cuts=cuts, limit=64)
        assert texts == ["一", "二"]
        assert said(outcome.problems) == [("W-LONG-RECORD", data.index('{"text": "长'.encode()))]
        assert "2 records of more than 64 bytes" in outcome.problems[0].message


@pytest.mark.parametrize("begin", ["", "[", '{"text": "'])
def test_memory_is_bounded(parser: str, begin: str) -> None:
    """A line without end is not kept."""
    sink = json_lines.JsonLines("a file", Collected(), "text", limit=1 << 16)
    sink.add_utf8(begin.encode(), False)
    for _ in range(40):
        assert sink.add_utf8(b"x" * (1 << 15), False) == 1 << 15
        kept = sum(map(len, sink._state.pending)) + (len(sink._state.array._held) if sink._state.array else 0)
        assert kept <= 1 << 17
    sink.add_utf8(b'\n{"text": "a"}\n', False)
    sink.end()
    outcome = Outcome()
    sink.finish(outcome)
    assert {note.code for note in outcome.problems} <= {"W-LONG-RECORD", "W-JSON"} and outcome.problems


# -- arrays


@settings(deadline=None)
@given(
    st.lists(values, max_size=5),
    st.sampled_from([None, 0, 1, 4, "\t"]),
    st.booleans(),
    st.data(),
)
def test_elements_of_an_array(
    elements: list[Any], indent: int | str | None, ascii_only: bool, data: st.DataObject
) -> None:
    """Found however the array is laid out and cut."""
    whole = json.dumps(elements, indent=indent, ensure_ascii=ascii_only).encode() + b" tail"
    cuts = sorted(data.draw(st.lists(st.integers(1, len(whole)), max_size=6)))
    splitter = Elements(1 << 20, 1000, 1, 1)
    found = []
    last = 1
    for cut in [*cuts, len(whole)]:
        found += splitter.feed(whole[last:cut])
        last = cut
        if splitter.closed:
            break
    # as text, because NaN is not equal to itself
    assert [json.dumps(json.loads(element)) for _, _, element in found] == [json.dumps(each) for each in elements]
    assert splitter.closed and not splitter.damage and splitter.rest + whole[last:] == b" tail"
    for line, offset, element in found:
        assert offset is not None and whole[offset : offset + len(element)] == element
        assert line == whole[:offset].count(b"\n") + 1


@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
def test_an_array_of_records(parser: str, indent: int | str | None) -> None:
    """Read as it streams by, though it is no JSON Lines."""
    records = [{"text": "字]},"}, {"text": ["a\\", '"b[']}, {"x": 1}, {"text": "😀"}]
    data = ("\n " + json.dumps(records, indent=indent, ensure_ascii=False) + "\n").encode()
    for cuts in every_cut(data):
        texts, outcome = lines(data, cuts=cuts)
        assert texts == ["字]},", "a\\", '"b[', "😀"] and not outcome.problems
        assert said(outcome.remarks) == [
            ("N-FIELD", data.index(b'"x"') - data[: data.index(b'"x"')][::-1].index(b"{") - 1)
        ]


def test_lines_that_are_arrays(parser: str) -> None:
    """The first looks like one array, which makes no difference; with an index first, each line is one value."""
    data = '["一", {"text": "二"}]\n["三", {"text": "四"}]\n'
    for cuts in every_cut(data.encode()):
        assert lines(data, "text", cuts)[0] == ["二", "四"]
        assert lines(data, "0", cuts)[0] == ["一", "三"]
        assert lines(data, ".", cuts)[0] == ["一", "三"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ('{"text": "一\n', "a line end inside a string"),
        ('{"text": "一"]', "']' where '}' is due"),
        ('{"text": "一"}}', "'}' that closes nothing"),
        ('{"text": 一}', "Expecting value"),
        ('{"text": "一"} {"text": "二"}', "Extra data"),
    ],
)
def test_damage_in_an_array(parser: str, broken: str, why: str) -> None:
    """What does not hold together is left out, and the next record that begins a line like the others is read."""
    data = f'[\n  {{"text": "零"}},\n  {broken},\n  {{"text": "三"}},\n  {{"text": "四"}}\n]\n'.encode()
    for cuts in every_cut(data):
        texts, outcome = lines(data, cuts=cuts)
        assert texts == ["零", "三", "四"]
        assert said(outcome.problems) == [("W-JSON", data.index(broken.encode()))]
        assert why in outcome.problems[0].message and "line 3" in outcome.problems[0].message


def test_an_array_that_is_cut_short(parser: str) -> None:
    """What is whole is read, the rest is located."""
    data = '[{"text": "一"},\n {"text": "二"}, {"text": "三"}]'.encode()
    for end in range(1, len(data)):
        if data[:end].decode("utf-8", "ignore").encode() != data[:end]:
            continue
        texts, outcome = lines(data[:end])
        assert texts == ["一", "二", "三"][: data[:end].count(b"},") + (end == len(data))]
        assert [note.code for note in outcome.problems] == ["W-JSON"]
        assert "the array is cut short" in outcome.problems[0].message


def test_damage_in_an_array_on_one_line(parser: str) -> None:
    """Nothing can be found behind broken brackets there; that is said."""
    texts, outcome = lines('[{"text": "一"}, {"text": ]}, {"text": "三"}]')
    assert texts == ["一"] and said(outcome.problems) == [("W-JSON", 18)]


def test_something_behind_an_array(parser: str) -> None:
    """Not lost in silence."""
    texts, outcome = lines('[{"text": "一"}] x\n{"text": "二"}\n')
    assert texts == ["一", "二"] and said(outcome.problems) == [("W-JSON", 17)]


# -- going back


def test_a_cheap_mark_holds_although_escapes_are_no_ascii(parser: str) -> None:
    """A reader that has given nothing but ASCII may go back; what came of it need not have been ASCII."""
    for escaped in ("a", "\\u4e2d"):
        tally = Tally()
        tally.add_text("前 x")
        before = tally.table.copy()
        sink = json_lines.JsonLines("a file", tally, "text")
        mark = sink.mark()
        sink.add_utf8(b'{"text": "xyz"}\n{"text": "%s"}\n{"text": "q"}\n{"te' % escaped.encode(), False)
        sink.add_utf8(b'xt": "\\u4e00\\u4e8c"}\n', False)
        assert (tally.table != before).any()
        sink.undo(mark)
        assert (tally.table == before).all()
        sink.add_text('{"text": "字"}\n')
        sink.end()
        outcome = Outcome()
        sink.finish(outcome)
        after = tally.table - before
        assert after.sum() == 1 and after[ord("字")] == 1 and outcome == Outcome()
    inner = Collected()
    sink = json_lines.JsonLines("a file", inner, "text")
    mark = sink.mark()
    sink.add_utf8(b'{"text": "x"}\n{"text": "\\u4e2d"}\n', False)
    sink.undo(mark)  # the sink inside checks the promise
    assert inner.texts == []


@pytest.mark.parametrize("make", [json_lines.JsonLines, delimited.Delimited])
@pytest.mark.parametrize("whole", [False, True])
def test_going_back(make: Callable[..., RecordSink], whole: bool) -> None:
    """To the same place, in the midst of a record; notes included."""
    first, second, third = "text\n", '{"text": "\n"a', 'b"}\nx\n[]\n{"text": "c"}\n"d'
    direct, undone = Collected(), Collected()
    one, two = make("f", direct, "text"), make("f", undone, "text")
    for part in (first, second, third):
        one.add_utf8(part.encode(), False)
    two.add_utf8(first.encode(), False)
    two.add_utf8(second.encode(), False)
    mark = two.mark(whole=whole)
    for junk in (b'{"\n"e"}\n\n', b'"]}\n' * 9, b"[\n" * 5):
        two.add_utf8(junk, False)
        two.undo(mark)
    if whole:
        two.add_utf8("中\n字".encode(), False)
        two.undo(mark)
    two.add_utf8(third.encode(), False)
    notes = []
    for sink in (one, two):
        sink.end()
        outcome = Outcome()
        sink.finish(outcome)
        notes.append(outcome)
    assert direct.texts == undone.texts and notes[0] == notes[1]


def test_a_refused_file_gets_no_further_notes() -> None:
    """The reader's reason is reason enough."""
    for make in (json_lines.JsonLines, delimited.Delimited):
        sink = make("a file", Collected(), "text")
        sink.add_text("nothing of it fits\n")
        sink.end()
        outcome = Outcome(skipped=True)
        sink.finish(outcome)
        assert outcome == Outcome(skipped=True)


# -- CSV

cells = st.text(st.sampled_from('ab,;\t|"\n\r 中é😀\u2028\x85\x0b'), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), max_size=8),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.data(),
)
def test_csv_like_csv(
    table: list[list[str]], delimiter: str, end: str, quoting: Any, named: bool, data: st.DataObject
) -> None:
    """What Python's csv reads of what it wrote, with any delimiter and line end, wherever the blocks are cut."""
    file = io.StringIO(newline="")
    if any(char in cell for row in table for cell in row for char in "\r\n"):
        quoting = csv.QUOTE_ALL  # the writer quotes no line end but its own
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["id", "text"], *table])
    text = file.getvalue()
    if data.draw(st.booleans()):
        text = text.removesuffix(end)
    encoded = text.encode()
    cuts = data.draw(st.lists(st.integers(0, len(encoded)), max_size=6))
    path = "a.tsv" if delimiter == "\t" and data.draw(st.booleans()) else "a.csv"
    texts, outcome = rows(encoded, "text" if named else "2", cuts, path)
    expected = [row[1] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    assert texts == expected[named:] and outcome == Outcome()


def test_every_cut_of_csv() -> None:
    """Characters, quotes, line ends and rows may be cut anywhere."""
    data = 'id,"te""xt"\r\n1,"一\r\n二"\r\n2,"三""，四"\r\n\r\n3,五\r\n4\r\n5,六😀,extra\r\n6,七'.encode()
    for cuts in every_cut(data):
        texts, outcome = rows(data, 'te"xt', cuts)
        assert texts == ["一\r\n二", '三"，四', "五", "六😀", "七"]
        assert [note.code for note in outcome.problems] == ["W-CSV", "W-CSV"]
        assert "1 row without the column 'te\"xt', the first in line 7" in outcome.problems[0].message
        assert "1 row with more fields than the first, the first in line 8" in outcome.problems[1].message


@pytest.mark.parametrize(
    ("header", "path", "row"),
    [
        ("id,text", "a.csv", "x,字"),
        ("id;text", "a.csv", "x;字"),
        ("id\ttext", "a.csv", "x\t字"),
        ("id|text", "a.txt", "x|字"),
        ("text", "a.csv", "字"),
        ('"a,b,c";text', "a.csv", "x;字"),
        ("id;text;a,b", "a.csv", "x;字;y"),
        ("i,d\ttext", "a.tsv", "x\t字"),
        ("i,d,e\ttext", "A.TAB", "x\t字"),
        ("i,d,e\ttext", "a.tsv.gz", "x\t字"),
        ("i,d,e\ttext", "b.zip/a.tsv", "x\t字"),
    ],
)
def test_the_delimiter(header: str, path: str, row: str) -> None:
    """By the suffix, else what stands most often in the first line outside quotation marks."""
    assert rows(f"\n{header}\n{row}\n", path=path) == (["字"], Outcome())


@pytest.mark.parametrize(
    ("header", "column", "texts"),
    [
        ("id,text", "text", ["字"]),
        ("id, text ", "text", ["字"]),
        ("id, text ,x", " text ", ["字"]),
        ("id,text", "2", ["text", "字"]),
        ("2,text", "2", ["x"]),
        ("2,1", "1", ["字"]),
        ("2,1", "2", ["x"]),
        ("id,中文", "中文", ["字"]),
    ],
)
def test_the_column(header: str, column: str, texts: list[str]) -> None:
    """By its name, which is then no text, else by its number, and every row counts."""
    assert rows(f"{header}\nx,字\n", column)[0] == texts


@pytest.mark.parametrize("column", ["name", "0", "3", "-1", "٢", "9" * 5000, "2.0"])
def test_no_such_column(column: str) -> None:
    """The file is left out and the columns are named; nothing of it is counted, however it goes on."""
    inner = Collected()
    sink = delimited.Delimited("a file", inner, column)
    outcome = pour(sink, "id,text\n1,字\n".encode() + b"1,2\n1\n1,2,3\n" * 9, range(0, 40, 7))
    assert inner.texts == [] and outcome.skipped and said(outcome.problems) == [("W-COLUMN", None)]
    assert "1 'id', 2 'text'" in outcome.problems[0].message


def test_several_columns_of_that_name() -> None:
    """The user says which, by number."""
    _, outcome = rows("text,id,text\na,b,c\n")
    assert outcome.skipped and said(outcome.problems) == [("W-COLUMN", None)]
    assert "several columns are called 'text'" in outcome.problems[0].message
    assert rows("text,id,text\na,b,c\n", "3")[0] == ["text", "c"]


def test_many_columns_are_not_all_named() -> None:
    """A message stays readable."""
    _, outcome = rows(",".join(f"column{'x' * 99}{number}" for number in range(500)) + "\n")
    assert len(outcome.problems[0].message) < 3000 and "470 more" in outcome.problems[0].message


@pytest.mark.parametrize("data", ["", "\n", "\r\n\r\n", " \n", "id,text\n", "id,text"])
def test_no_rows(data: str) -> None:
    """An empty table is no problem; neither is an empty file."""
    assert rows(data) == ([], Outcome()) or data.isspace()


BEHIND = "3,三\n4,四\n"


@pytest.mark.parametrize(
    ("broken", "texts", "lost", "why"),
    [
        # never closed
        ('2,"二\n', ["一", "三", "四"], 1, "a quotation mark is not closed"),
        # closed by the next quoted field, in the midst of it
        ('2,"二\n5,五\n6,"六"\n', ["一", "五", "六", "三", "四"], 1, "expected after"),
        ('2,"二"x\n', ["一", "三", "四"], 1, "expected after"),
        ('2,"二" \n', ["一", "三", "四"], 1, "expected after"),
        ('2,"二"三"\n7,"\n', ["一", "三", "四"], 2, "expected after"),
        # marks inside a field are characters
        ('2,二"\n', ["一", '二"', "三", "四"], 0, ""),
    ],
)
def test_unsound_quoting(broken: str, texts: list[str], lost: int, why: str) -> None:
    """The line where it begins is left out and located; what follows is not swallowed."""
    data = f"id,text\n1,一\n{broken}{BEHIND}".encode()
    for cuts in every_cut(data):
        found, outcome = rows(data, cuts=cuts)
        assert found == texts
        assert [note.code for note in outcome.problems] == ["W-CSV"] * bool(lost)
        if lost:
            message = outcome.problems[0].message
            assert (
                f"{lost} line{'s' * (lost > 1)} left out, no sound CSV" in message
                and "the first is line 3" in message
                and why in message
            )


def test_tab_separated_values_know_no_quoting() -> None:
    """Where it is sound it is taken for quoting all the same; else the line stands as it is."""
    table = [
        ('1\t"Hello," he said.\n', '"Hello," he said.'),
        ('2\t"quoted\ttab"\n', "quoted\ttab"),
        ('3\t5" disk\n', '5" disk'),
        ('4\t"open\n', '"open'),
        ("5\tlast\n", "last"),
    ]
    data = ("id\ttext\n" + "".join(row for row, _ in table)).encode()
    for cuts in every_cut(data):
        texts, outcome = rows(data, cuts=cuts, path="a.tsv")
        assert texts == [text for _, text in table] and outcome == Outcome()


def test_an_unclosed_mark_swallows_no_more_than_the_limit() -> None:
    """Lines are given up one by one, in linear time, and little is kept."""
    inner = Collected()
    sink = delimited.Delimited("a file", inner, "text", limit=1 << 12)
    sink.add_utf8(b'id,text\n1,"a\n', False)
    for number in range(3000):
        sink.add_utf8(b"%d,b\n" % number, False)
        assert sink._state.size <= 1 << 13
    sink.end()
    outcome = Outcome()
    sink.finish(outcome)
    assert inner.texts == ["b"] * 3000
    assert [note.code for note in outcome.problems] == ["W-CSV"] and "line 2" in outcome.problems[0].message


@pytest.mark.parametrize("line", ['a","b\n', '"\n', '""\n', '"a""\n', 'x,"\n', '"""\n', '"",""x\n'])
def test_hostile_quoting_takes_linear_time(line: str) -> None:
    """No line is read more than some times, whatever the marks do; 400,000 lines take seconds, not hours."""
    inner = Collected()
    sink = delimited.Delimited("a file", inner, "1", limit=1 << 18)
    pour(sink, line.encode() * 100_000, range(0, 400_000, 1 << 18))


def test_a_line_beyond_the_limit() -> None:
    """Left out and located, wherever the blocks are cut."""
    data = ("id,text\n1," + "长" * 90 + "\n2,二\n3," + "久" * 90).encode()
    for cuts in every_cut(data):
        texts, outcome = rows(data, cuts=cuts, limit=40)
        # what came in one block was there to be read
        assert [text for text in texts if len(text) < 9] == ["二"]
        assert {note.code for note in outcome.problems} <= {"W-LONG-RECORD"}
    texts, outcome = rows(data, cuts=range(0, len(data), 8), limit=40)
    assert texts == ["二"] and "2 lines of more than 40 characters" in outcome.problems[0].message
    assert "the first is line 2" in outcome.problems[0].message


def test_long_fields_and_the_limit_of_csv() -> None:
    """The limit of the csv module belongs to the process: raised while it is needed, and put back."""
    before = csv.field_size_limit()
    long = "长" * (before + 5)
    data = f'text,id\n"{long}",1\n{long},2\n'
    assert rows(data, cuts=range(0, 900_000, 1 << 17)) == ([long, long], Outcome())
    assert csv.field_size_limit() == before
    failed = []

    def work() -> None:
        for _ in range(5):
            if rows(data)[0] != [long, long]:
                failed.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and csv.field_size_limit() == before


@pytest.mark.skipif(sys.version_info < (3, 11), reason="csv of Python 3.10 takes no zero bytes; such a line is damage")
def test_zero_bytes_in_csv() -> None:
    """They are characters."""
    assert rows("id,text\n1,a\0b\n")[0] == ["a\0b"]


# -- together with readers


def test_a_column_by_number_among_other_files(tmp_path: Path) -> None:
    """In a folder or an archive only tables have numbered columns; what else is there is named, and nothing is lost."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, text in (("a.csv", "x,水\n"), ("b.TSV", "x\t火\n"), ("c.txt", "山,雨\n"), ("d", "雪,云\n"), ("e.md", "")):
        (folder / name).write_text(text, "utf-8")
    (folder / "f.csv.gz").write_bytes(gzip.compress("x,风\n".encode()))
    (folder / "g.txt.gz").write_bytes(gzip.compress("x,电\n".encode()))
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    for place in (folder, tmp_path / "corpus.zip"):
        counts = charvec.scan(place, column=2)
        assert sorted(counts) == sorted("水火风")
        assert [note.code for note in counts.samples.problems] == ["W-COLUMN"] * 3
        assert all("--ext csv txt" in note.message for note in counts.samples.problems)
        assert "雨" in charvec.scan(place, column=2, extensions=["csv", "txt"])
    assert list(charvec.scan(folder / "c.txt", column=2)) == ["雨"] == list(charvec.scan(f"{folder}/*.txt", column=2))
    assert list(charvec.scan(folder / "g.txt.gz", column=2)) == ["电"]


def test_a_column_by_name_among_other_files(tmp_path: Path) -> None:
    """The first row says whether it is a table with such a column, whatever the file is called."""
    for name, text in (
        ("a.csv", "text\n水\n"),
        ("b.txt", "id,text\n1,火\n"),
        ("c.txt", "山,雨\n"),
        ("d.txt", "n,2\n1,雪\n"),
    ):
        (tmp_path / name).write_text(text, "utf-8")
    counts = charvec.scan(tmp_path, column="text")
    assert sorted(counts) == sorted("水火")
    assert [(note.code, Path(note.path or "").name) for note in counts.samples.problems] == [
        ("W-COLUMN", "c.txt"),
        ("W-COLUMN", "d.txt"),
    ]
    assert "雪" in charvec.scan(tmp_path, column=2)  # a column that is called 2


def test_what_is_wrapped() -> None:
    """With a field JSON Lines, with a column CSV; with both, the first character decides, in any encoding."""
    inner = Collected()
    assert wrap("a", b"{", inner, Options()) is None
    assert isinstance(wrap("a", b"x", inner, Options(field="f")), json_lines.JsonLines)
    assert isinstance(wrap("a", b"{", inner, Options(column="f")), delimited.Delimited)
    both = Options(field="f", column="c")
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "gb18030"):
        for text, kind in (
            (" \r\n\t{", json_lines.JsonLines),
            ("[", json_lines.JsonLines),
            ("x{", delimited.Delimited),
        ):
            assert isinstance(wrap("a", text.encode(encoding), inner, both), kind)
    assert isinstance(wrap("a", b"", inner, both), delimited.Delimited)
    assert len({member.NAME for member in MEMBERS}) == len(MEMBERS) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le-mark"])
@pytest.mark.parametrize(("field", "column"), [("text", ""), ("", "text")])
def test_through_a_reader(encoding: str, field: str, column: str) -> None:
    """The reader decodes; a byte order mark is no part of the first record."""
    text = '{"text": "字"}\n{"text": "é"}\n{\n' if field else "text,id\n字,1\né\n"
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding.endswith("mark") else text.encode(encoding)
    tally = Tally()
    source = Source(io.BytesIO(data), lambda count: None)
    options = Options(field=field, column=column)
    sink = wrap("a file", source.head, tally, options)
    assert sink is not None
    outcome = choose(source.head).read("a file", source, sink, options)
    sink.end()
    sink.finish(outcome)
    assert {chr(code) for code in tally.table.nonzero()[0]} == {"字", "é"}
    if field:
        offset = data.index(b"{\n") if encoding.startswith("utf-8") else None
        assert said(outcome.problems) == [("W-JSON", offset)] and "line 3" in outcome.problems[0].message
    else:
        assert not outcome.problems


def test_damaged_utf8_through_a_reader() -> None:
    """A bad byte inside a record is left out; lines are still counted right, offsets are no longer told."""
    data = '{"text": "字"}\n{"text": "a\x00b"}\n{"text": "é"}\n{\n'.encode().replace(b"\0", b"\xff")
    tally = Tally()
    source = Source(io.BytesIO(data), lambda count: None)
    options = Options(field="text")
    sink = json_lines.wrap("a file", source.head, tally, "text")
    outcome = choose(source.head).read("a file", source, sink, options)
    sink.end()
    sink.finish(outcome)
    assert {chr(code) for code in tally.table.nonzero()[0]} == {"字", "a", "b", "é"}
    assert [note.code for note in outcome.problems] == ["W-UTF8", "W-JSON"]
    assert outcome.problems[1].offset is None and "line 4" in outcome.problems[1].message


def test_ascii_that_turns_out_not_to_be_utf8() -> None:
    """The reader takes back what it had passed on, escapes included."""
    line = json.dumps({"text": "中文" * 9}).encode() + b"\n"
    data = line * 9000 + '{"text": "汉字编码"}\n'.encode("gb18030") * 9
    tally = Tally()
    source = Source(io.BytesIO(data), lambda count: None)
    sink = json_lines.wrap("a file", source.head, tally, "text")
    outcome = choose(source.head).read("a file", source, sink, Options(field="text"))
    sink.end()
    sink.finish(outcome)
    assert outcome.skipped and [note.code for note in outcome.problems] == ["E-ENCODING"]
    assert not tally.table.any()


@pytest.mark.parametrize("parts", [1, 3])
def test_text_in_an_encoding(parts: int) -> None:
    """What a reader has decoded comes as text; a lone surrogate is refused before anything is taken."""
    for make, text in (
        (json_lines.JsonLines, '{"text": "字"}\n{"text": "é"}'),
        (delimited.Delimited, 'text,id\n"字",1\né,2'),
    ):
        inner = Collected()
        sink = make("a file", inner, "text")
        for part in range(parts):
            sink.add_text(text[len(text) * part // parts : len(text) * (part + 1) // parts])
            with pytest.raises(UnicodeEncodeError):
                sink.add_text('{"text": "x"}\n\ud800')
        sink.end()
        assert inner.texts == ["字", "é"] and inner.ended == 1
        inner = Collected()
        sink = make("a file", inner, "text")
        with pytest.raises(UnicodeEncodeError):
            sink.add_texts([text, "\ud800"])
        sink.add_texts([text, text])
        sink.end()
        assert inner.texts == ["字", "é"] * 2


def test_texts_are_passed_on_block_by_block(parser: str) -> None:
    """Not one by one, which would cost more than the parsing."""
    for sink, data in (
        (json_lines.JsonLines("a file", inner := Collected(), "text"), b'{"text": "a"}\n' * 999),
        (delimited.Delimited("a file", other := Collected(), "1"), b"a,b\n" * 999),
    ):
        pour(sink, data)
    assert inner.calls == other.calls == 1 and inner.texts == other.texts == ["a"] * 999


# -- what other programs wrote


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.name)
def test_json_of_other_programs(path: Path, parser: str) -> None:
    """Escapes, arrays and all."""
    if path.name == "versions.json":
        texts, outcome = lines(path.read_bytes(), "pandas")
        assert outcome.skipped  # one document over several lines
        return
    texts, outcome = lines(path.read_bytes())
    assert Counter(texts) == Counter(TEXTS) and not outcome.problems
    assert [note.code for note in outcome.remarks] == ["N-FIELD"] and "1 of 7 records" in outcome.remarks[0].message


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.?sv")), ids=lambda path: path.name)
def test_csv_of_other_programs(path: Path) -> None:
    """With their delimiters and their ways to quote. What is null is an empty field there."""
    assert rows(path.read_bytes(), path=str(path)) == ([*TEXTS[:5], "", TEXTS[5]], Outcome())
    assert len(rows(path.read_bytes(), "2", path=str(path))[0]) == 8


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=5))
@example([b"\xff", b'{"text"', b"\n[", b'"\n'])
@pytest.mark.parametrize("kind", ["lines", "rows"])
def test_nothing_foreign_is_raised(kind: str, blocks: list[bytes]) -> None:
    """Whatever comes in: text, or a UnicodeDecodeError."""
    make = json_lines.JsonLines if kind == "lines" else delimited.Delimited
    sink = make("a file", Tally(), "text")
    for block in blocks:
        try:
            sink.add_utf8(block, False)
        except UnicodeDecodeError:
            sink.add_text(block.decode("utf-8", "ignore"))
    sink.end()
    sink.finish(Outcome())


def test_patterns_that_count_for_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named once, however the samples are read; one that matches what is there, readable or not, never."""
    (tmp_path / "a.txt").write_text("文" * 50, "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "字"}\n', "utf-8")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"body": "x"}\n'))
    (tmp_path / "d.gz").write_bytes(b"\x1f\x8b")
    with tarfile.open(tmp_path / "e.tar", "w") as archive:
        archive.add(tmp_path / "b.jsonl", "inside/f.json")

    def idle(**options: Any) -> list[str]:
        remarks = charvec.scan(tmp_path, extensions=["txt", "jsonl", "json", "gz", "tar"], **options).samples.remarks
        return [note.message for note in remarks if note.code == "W-PATTERN"]

    used = {"b.*": "text", "*.jsonl": "body", "d*": "x", "*/f.json": "text", "*": "none"}
    kinds: list[dict[str, Any]] = [{}, {"jobs": 2}, {"resume": tmp_path / "kept"}, {"resume": tmp_path / "kept"}]
    for kind in kinds:
        assert idle(field=used, **kind) == []
    idle_ones = {"*.JSONL": "text", "*.jsonl.gz": "text", "b.jsonl": "body"}
    kinds[2]["resume"] = kinds[3]["resume"] = tmp_path / "kept2"
    for kind in kinds:
        assert idle(field=used | idle_ones, encoding={"*": "big5", "*.big5": "big5", "": "gbk"}, **kind) == [
            "--encoding *.big5=big5 matches no sample",
            "--field *.JSONL=text matches no sample",
            "--field *.jsonl.gz=text matches no sample; what is compressed goes by the name of what is in it: *.jsonl",
            "--field b.jsonl=body counts for nothing: a pattern before it matches whatever it matches",
        ]
    assert cli.main(["scan", str(tmp_path / "a.txt"), "--field", "*.jsonl=text", "-q"]) == 0
    assert "charvec: warning[W-PATTERN]: --field *.jsonl=text matches no sample\n" in capsys.readouterr().err
    with pytest.warns(CharvecWarning, match="W-PATTERN"):
        charvec.dump(tmp_path / "a.txt", encoding={"*.big5": "big5"})


def test_a_field_of_some_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a pattern, JSON Lines and plain text are read together; messages call a compressed file by its own name."""
    (tmp_path / "a.txt").write_text("文\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "\\u5b57", "url": "x"}\n', "utf-8")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress('{"body": {"de": "é"}}\n{'.encode()))
    patterns = {"b.*": "text", "*.jsonl": "body.de"}
    counts = charvec.scan(tmp_path, field=patterns)
    assert dict(counts) == {"\n": 1, "é": 1, "字": 1, "文": 1}
    assert [note.path for note in counts.samples.problems] == [str(tmp_path / "c.jsonl.gz")]
    assert counts.samples.problems[0].message.startswith(str(tmp_path / "c.jsonl.gz"))
    assert counts.samples.settings["field"] == "b.*=text, *.jsonl=body.de"
    assert dict(charvec.scan(tmp_path, field=patterns, jobs=2)) == dict(counts)
    journal = tmp_path / "journal"
    again = [charvec.scan(tmp_path, field=patterns, resume=journal, extensions=("txt", "jsonl", "gz")) for _ in "ab"]
    assert dict(again[0]) == dict(again[1]) == dict(counts)
    with pytest.raises(UsageError, match="other options"):
        charvec.scan(tmp_path, field="text", resume=journal)
    # what no pattern names has the field without one
    assert dict(charvec.scan(tmp_path / "b.jsonl", field={"*.gz": "x", "": "url"})) == {"x": 1}
    with pytest.raises(UsageError, match="E-ARGUMENT"):
        charvec.scan(tmp_path, field={"*": 1})  # type: ignore[dict-item]
    arguments = ["scan", str(tmp_path), "--ext", "txt", "jsonl", "--json"]
    assert cli.main([*arguments, "--field", "*.jsonl=text", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"U+000A": 1, "U+5B57": 1, "U+6587": 1}
    assert cli.main([*arguments, "--field", "jsonl=text"]) == 2
    assert "'jsonl' is no pattern of files" in capsys.readouterr().err
    for option, two in (("--field", ("text", "body")), ("--encoding", ("*.a=big5", "*.a=cp949"))):
        assert cli.main([*arguments, option, two[0], option, two[1]]) == 2
        assert f"{option} names both" in capsys.readouterr().err
        assert cli.main([*arguments, "-q", option, two[0], option, two[0]]) in (0, 3)


@pytest.mark.parametrize("there", ["NFC", "NFD"])
def test_names_in_parts(tmp_path: Path, there: str) -> None:
    """A field or column is found under a name that reads the same; an exact one goes before it."""
    from unicodedata import normalize

    asked = normalize({"NFC": "NFD", "NFD": "NFC"}[there], "ガイド한")
    name = normalize(there, asked)
    (tmp_path / "a.jsonl").write_text(json.dumps({"body": {name: "文"}}, ensure_ascii=False), "utf-8")
    (tmp_path / "a.csv").write_text(f"id,{name}\n1,文\n", "utf-8")
    (tmp_path / "b.csv").write_text(f"{name},{asked}\n1,文\n", "utf-8")
    assert dict(charvec.scan(tmp_path / "a.jsonl", field=f"body.{asked}")) == {"文": 1}
    assert dict(charvec.scan(tmp_path / "a.csv", column=asked)) == {"文": 1}
    assert dict(charvec.scan(tmp_path / "b.csv", column=asked)) == {"文": 1}
    assert codes_of(charvec.scan(tmp_path / "a.jsonl", field="body.ガイ")) == ["W-FIELD"]
    assert codes_of(charvec.scan(tmp_path / "a.csv", column="ガイ")) == ["W-COLUMN"]
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"id": ["a"], name: ["文"]}), tmp_path / "a.parquet")
    assert dict(charvec.scan(tmp_path / "a.parquet", column=asked)) == {"文": 1}


def codes_of(counts: charvec.Counts) -> list[str]:
    """Of everything that was noted."""
    return [note.code for note in (*counts.samples.problems, *counts.samples.remarks)]
