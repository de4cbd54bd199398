"""Parquet and Arrow: one column of text, from files of many programs, sound, damaged and hostile."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import tries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charvec.plumbing.text import arrow_text, columnar
from charvec.plumbing.text.arrow_text import Texts
from charvec.plumbing.text.arrow_types import Damaged, Refused
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.dotted import split
from charvec.readers import arrow, parquet
from charvec.reading import Options, Outcome, Sink, Source

HERE = Path(__file__).parent
GOLDEN = HERE / "data" / "records"
#: What the golden files hold in their column "text".
TEXTS = ["字 charvec\né😀\n", '今天,天气"不错"', "", "tab\tend; a|b", "行\u2028分\\u4e2d", "第七"]


@pytest.fixture(scope="module")
def pa() -> Any:
    """The package pyarrow."""
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    return pytest.importorskip("pyarrow")


class Collected:
    """An innermost sink that takes whole texts only."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add_utf8(self, block: bytes, final: bool) -> int:
        raise AssertionError("values are texts of their own")

    def add_text(self, text: str) -> None:
        raise AssertionError("values are texts of their own")

    def add_texts(self, texts: list[str]) -> None:
        self.texts += texts

    def end(self) -> None:
        """Nothing is kept back."""

    def mark(self, *, whole: bool = False) -> int:
        assert whole, "there is more than ASCII in a file"
        return len(self.texts)

    def undo(self, mark: int) -> None:
        del self.texts[mark:]


class Pipe(io.RawIOBase):
    """Bytes that come in pieces and cannot be sought."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000) if size >= 0 else size)

    def seekable(self) -> bool:
        return False


def read(data: bytes | Any, sink: Sink | None = None, **options: Any) -> tuple[Outcome, Any]:
    """What the reader that takes a file makes of it, and the sink."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    source = Source(stream, lambda count: None)
    reader: Any = parquet if parquet.sniff(source.head) else arrow
    assert reader.sniff(source.head)
    sink = sink or Tally()
    return reader.read("a file", source, sink, Options(**options)), sink


def environment() -> dict[str, str]:
    """For another process that finds the same packages."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}


def counted(tally: Tally) -> Counter[str]:
    """Characters of a tally."""
    codes = tally.table.astype(bool).nonzero()[0]  # ten times as fast as of the numbers themselves
    return Counter({chr(code): int(tally.table[code]) for code in codes})


def strings(value: Any) -> Iterator[str]:
    """All strings in a value of Python."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from strings(each)


def expected(texts: Any) -> Counter[str]:
    """Characters in texts."""
    return Counter("".join(strings(texts)))


def passed(array: Any, path: str = ".", errors: str = "", row: int = 1) -> tuple[list[str], Texts]:
    """What of an array is passed on to a sink for texts; a tally must get the same characters."""
    results = []
    for sink in (Collected(), Tally()):
        texts = Texts(sink, split(path), errors)
        texts.add(array, row)
        results.append((sink, texts))
    (collected, texts), (tally, other) = results
    assert expected(collected.texts) == counted(tally) and texts.bad == other.bad and texts.bad_bytes == other.bad_bytes
    return collected.texts, texts


# -- every layout, against what pyarrow itself makes of it

texts = st.none() | st.text(max_size=5) | st.sampled_from(["字", "é", "😀" * 5, "x" * 13, "长" * 9])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(texts, max_size=12), st.sampled_from(range(9)), st.integers(0, 5), st.integers(0, 5), st.integers(1, 40)
)
def test_arrays(pa: Any, values: list[str | None], kind: int, front: int, back: int, piece: int) -> None:
    """Sliced, with nulls, of every type, in pieces of any size."""
    lists = [values[at : at + 3] if at % 4 else None for at in range(len(values))]
    array = [
        lambda: pa.array(values, pa.string()),
        lambda: pa.array(values, pa.large_string()),
        lambda: pa.array(values, pa.string_view()),
        lambda: pa.array(values, pa.string()).dictionary_encode(),
        lambda: pa.array(values * 3, pa.large_string()).dictionary_encode(),
        lambda: pa.array(lists, pa.list_(pa.string())),
        lambda: pa.array(lists, pa.large_list(pa.large_string())),
        lambda: pa.array([each and [*each, *[None] * 3][:3] for each in lists], pa.list_(pa.string(), 3)),
        lambda: pa.array([each and [[*each], None, ["字"]] for each in lists], pa.list_(pa.list_(pa.string()))),
    ][kind]()
    array = array.slice(front, max(0, len(array) - front - back))
    before = arrow_text.PIECE, arrow_text._VALUES
    arrow_text.PIECE, arrow_text._VALUES = piece, max(1, piece // 8)
    try:
        found, outcome = passed(array)
    finally:
        arrow_text.PIECE, arrow_text._VALUES = before
    assert Counter(found) == Counter(strings(array.to_pylist())) and not outcome.bad
    assert not outcome.bad_bytes


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(texts, max_size=30),
    st.sampled_from(["string", "large_string", "dictionary", "list"]),
    st.sampled_from([{}, {"use_dictionary": False}, {"compression": "zstd"}, {"data_page_version": "2.0"}]),
    st.integers(1, 12),
    st.booleans(),
)
def test_parquet(pa: Any, values: list[str | None], kind: str, options: Any, group: int, tally: bool) -> None:
    """Written by pyarrow in many ways, with small row groups."""
    column = {
        "string": lambda: pa.array(values, pa.string()),
        "large_string": lambda: pa.array(values, pa.large_string()),
        "dictionary": lambda: pa.array(values, pa.string()).dictionary_encode(),
        "list": lambda: pa.array([[each, "末"] for each in values], pa.list_(pa.string())),
    }[kind]()
    file = io.BytesIO()
    table = pa.table({"id": pa.array(range(len(values))), "text": column, "other": ["不要"] * len(values)})
    pa.parquet.write_table(table, file, row_group_size=group, **options)
    outcome, sink = read(file.getvalue(), Tally() if tally else Collected(), column="text")
    assert outcome == Outcome()
    found = counted(sink) if tally else expected(sink.texts)
    assert found == expected(table["text"].to_pylist())


@pytest.mark.parametrize(
    "options",
    [
        {"column_encoding": "DELTA_BYTE_ARRAY", "use_dictionary": False},
        {"column_encoding": "DELTA_LENGTH_BYTE_ARRAY", "use_dictionary": False},
        {"write_page_checksum": True},
        {"dictionary_pagesize_limit": 50},
        {"write_page_index": True, "write_statistics": False},
    ],
)
@pytest.mark.parametrize("repeated", [False, True])
def test_ways_to_write_parquet(pa: Any, options: dict[str, Any], repeated: bool) -> None:
    """Encodings, dictionaries that are given up on the way, checksums; whether values repeat each other or not."""
    values = [None if number % 7 == 0 else f"字{number % 40 if repeated else number}é" for number in range(5000)]
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({"text": values}), file, row_group_size=2000, **options)
    outcome, tally = read(file.getvalue())
    assert outcome == Outcome() and counted(tally) == expected(values)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(texts, max_size=20),
    st.sampled_from(["string", "large_string", "string_view", "dictionary"]),
    st.sampled_from([None, "lz4", "zstd"]),
    st.integers(1, 12),
    st.sampled_from(["file", "stream", "pipe"]),
)
def test_arrow(pa: Any, values: list[str | None], kind: str, compression: Any, size: int, form: str) -> None:
    """Files and streams, the latter from a pipe as well."""
    array = pa.array(values, pa.string())
    array = array.dictionary_encode() if kind == "dictionary" else pa.array(values, getattr(pa, kind)())
    table = pa.table({"id": pa.array(range(len(values))), "text": array, "other": ["不要"] * len(values)})
    file = io.BytesIO()
    new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with new(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=size)
    data = file.getvalue()
    outcome, tally = read(Pipe(data) if form == "pipe" else data, column="text")
    assert outcome == Outcome() and counted(tally) == expected(values)


def test_growing_dictionaries(pa: Any) -> None:
    """A stream may add to a dictionary, or replace it."""
    batches = [pa.array(each).dictionary_encode() for each in (["一", "二"], ["一", "二", "三", "三"], ["四", None])]
    for deltas in (False, True):
        file = io.BytesIO()
        schema = pa.schema([("text", batches[0].type)])
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(file, schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(pa.record_batch([batch], schema))
        outcome, tally = read(file.getvalue())
        assert outcome == Outcome() and counted(tally) == Counter("一二一二三三四")


# -- buffers nobody vouches for


def string_array(
    pa: Any, offsets: list[int], data: bytes, valid: list[int] | None = None, *, large: bool = False
) -> Any:
    """A string array as it may come from a file."""
    bits = None
    if valid is not None:
        bits = pa.py_buffer(np.packbits(np.array(valid, np.uint8), bitorder="little").tobytes())
    numbers = np.array(offsets, np.int64 if large else np.int32)
    kind = pa.large_string() if large else pa.string()
    return pa.Array.from_buffers(kind, len(offsets) - 1, [bits, pa.py_buffer(numbers.tobytes()), pa.py_buffer(data)])


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_bytes_under_a_null_are_not_looked_at(
    pa: Any, large: bool, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be anything; the values on both sides are apart then."""
    monkeypatch.setattr(arrow_text, "PIECE", piece)
    data = "字".encode() + b"\xff\xfe\xe5" + "é".encode() + b"\x80" + "末尾".encode() + b"\xff"
    array = string_array(pa, [0, 3, 6, 8, 9, 12, 15, 16], data, [1, 0, 1, 0, 1, 1, 0], large=large)
    assert passed(array)[0] == ["字", "é", "末", "尾"]
    assert passed(array.slice(1))[0] == ["é", "末", "尾"]
    assert passed(array.slice(2, 2))[0] == ["é"]
    assert passed(array.slice(1, 1))[0] == []


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
@pytest.mark.parametrize("errors", ["", "skip"])
def test_values_that_are_not_utf8(pa: Any, piece: int, errors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out one by one, counted and located, though together they may be valid; the others are counted."""
    monkeypatch.setattr(arrow_text, "PIECE", piece)
    char = "中".encode()
    values = [
        b"ok",
        char[:2],
        char[2:],
        "é".encode(),
        b"a\xffb",
        b"",
        b"\xed\xa0\x80",
        char,
        "长".encode() * 9,
        b"z\xe4",
    ]
    data, offsets = b"".join(values), [0, *np.cumsum([len(value) for value in values]).tolist()]
    found, texts = passed(string_array(pa, offsets, data), errors=errors, row=100)
    good = ["ok", "é", "", "中", "长" * 9]
    assert [each for each in found if each not in ("ab", "z")] == good
    assert ("ab" in found) == ("z" in found) == (errors == "skip")
    assert (texts.bad.count, texts.bad.line) == (5, 101)
    assert texts.bad_bytes == (2 + 1 + 3 + 3 + 2 if not errors else 2 + 1 + 1 + 3 + 1)
    for front in range(len(values)):
        found, texts = passed(string_array(pa, offsets, data).slice(front, 1), row=7)
        assert found + [None] * texts.bad.count in ([value.decode("utf-8", "replace")] for value in values) or (
            texts.bad.count == 1 and texts.bad.line == 7 and not found
        )
    with pytest.raises(Refused, match="row 101"):
        Texts(Tally(), (), "strict").add(string_array(pa, offsets, data), 100)


def test_a_value_longer_than_a_piece(pa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found valid as a whole before any of it is counted."""
    monkeypatch.setattr(arrow_text, "PIECE", 10)
    long = ("长é😀x" * 50).encode()
    for broken in (b"", b"\xff", b"\xe4\xb8"):
        values = ["一".encode(), long + broken, "二".encode()]
        offsets = [0, *np.cumsum([len(value) for value in values]).tolist()]
        found, texts = passed(string_array(pa, offsets, b"".join(values)))
        assert found == (["一", "二"] if broken else ["一", long.decode(), "二"])
        assert texts.bad.count == bool(broken) and texts.bad.line == (2 if broken else 0)


class Forged:
    """An array that pyarrow would not let be made, should it not notice once."""

    def __init__(self, kind: Any, length: int, buffers: list[Any], offset: int = 0, **parts: Any) -> None:
        self.type = kind
        self.offset = offset
        self._length = length
        self._buffers = buffers
        self.__dict__.update(parts)

    def __len__(self) -> int:
        return self._length

    def buffers(self) -> list[Any]:
        return self._buffers

    def validate(self) -> None:
        """All is well."""


def refused(array: Any, path: str = ".") -> bool:
    """Whether an array is found damaged, and nothing is counted."""
    tally = Tally()
    with pytest.raises(Damaged):
        Texts(tally, split(path), "").add(array, 1)
    return not tally.table.any()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    "offsets",
    [[0, 5, 3, 6], [0, 9, 9, 6], [-1, 2, 3, 6], [0, 2, 3, 7], [0, 2, 3, 1 << 30], [5, 4, 3, 2], [0, -5, 3, 6], [0, 1]],
)
def test_hostile_offsets(pa: Any, offsets: list[int], large: bool) -> None:
    """Refused before anything is read by them."""
    numbers = np.array(offsets, np.int64 if large else np.int32).tobytes()
    assert refused(Forged(pa.large_string() if large else pa.string(), 3, [None, numbers, b"abcdef"]))
    values = pa.array(["a"] * 6)
    kind = pa.large_list(pa.string()) if large else pa.list_(pa.string())
    assert refused(Forged(kind, 3, [None, numbers], values=values))
    assert refused(Forged(pa.string(), 3, [None, numbers, None]))


def test_hostile_buffers(pa: Any) -> None:
    """Too short, too few, indices and views that lead outside."""
    offsets = np.array([0, 1, 2, 3], np.int32).tobytes()
    assert refused(Forged(pa.string(), 3, [b"", offsets, b"abc"]))
    assert refused(Forged(pa.string(), 3, [b"\xff", offsets, b"abc"], offset=6))
    assert refused(Forged(pa.list_(pa.string(), 2), 3, [None], values=pa.array(["a"] * 5), offset=0))
    for indices, kind in (([0, 5], pa.int8()), ([0, -1], pa.int64()), ([0, 255], pa.uint8()), ([0], pa.int32())):
        data = np.array(indices, str(kind)).tobytes()
        forged = Forged(pa.dictionary(kind, pa.string()), 2, [None, data], dictionary=pa.array(["a"]))
        assert refused(forged)
    for length, buffer, offset in ((-1, 0, 0), (20, 1, 0), (20, 0, 5), (20, 0, -1), (1 << 30, 0, 0), (20, -1, 0)):
        view = np.array([length, 0, buffer, offset], np.int32).tobytes()
        assert refused(Forged(pa.string_view(), 1, [None, view, b"x" * 22]))
    assert refused(Forged(pa.string_view(), 2, [None, bytes(16)]))
    assert refused(Forged(pa.int64(), 1, [None, bytes(8)]))
    assert refused(Forged(pa.string(), 3, [None, offsets, b"abc"]), "a")
    with pytest.raises(ValueError):
        pa.Array.from_buffers(pa.string(), 9, [None, pa.py_buffer(bytes(4)), pa.py_buffer(b"")])


def test_what_a_file_says_of_nulls_is_not_used(pa: Any) -> None:
    """The bits decide, whatever their number is said to be; but pyarrow drops them when it is said to be zero."""
    for said in (-1, 1, 2, 3):
        data = [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 2, 3], np.int32).tobytes()), pa.py_buffer(b"abc")]
        array = pa.Array.from_buffers(pa.string(), 3, data, null_count=said)
        assert passed(array)[0] == ["a", "c"]


def test_views_may_share_bytes(pa: Any) -> None:
    """Many views of one buffer are read a few at a time."""
    views = np.tile(np.array([300, 0, 0, 0], np.int32), 5000).tobytes()
    array = Forged(pa.string_view(), 5000, [None, views, "字".encode() * 100])
    tally = Tally()
    Texts(tally, (), "").add(array, 1)
    assert counted(tally) == Counter({"字": 500_000})


def test_weights_are_exact(pa: Any) -> None:
    """A value counts as often as it occurs, though numbers grow beyond what float64 holds."""
    tally = Tally()
    lengths = np.array([1, 2], np.int64)
    weights = np.array([(1 << 53) + 1, 3], np.int64)
    arrow_text._add_weighted(tally, "abb", lengths, weights)
    arrow_text._add_weighted(tally, "abb", lengths, np.array([5, 7], np.int64))
    assert counted(tally) == Counter({"a": (1 << 53) + 6, "b": 20})
    values = [None if number % 5 == 0 else "甲乙丙丁é"[number % 3 :][: number % 4] for number in range(999)]
    assert Counter(passed(pa.array(values).dictionary_encode())[0]) == Counter(strings(values))


# -- columns and paths


def test_paths_into_structs_and_lists(pa: Any) -> None:
    """As in JSON: through lists to every element, unless a number says which."""
    rows = [
        {"m": [{"role": "u", "content": "一"}, {"role": "b", "content": "二"}], "d": {"text": "三", "l": ["四", None]}},
        {"m": None, "d": {"text": None, "l": None}},
        {"m": [], "d": None},
        {"m": [None, {"role": None, "content": "五"}], "d": {"text": "六", "l": []}},
    ]
    table = pa.Table.from_pylist([{"r": row, **row} for row in rows])
    wanted = {
        "m.content": "一二五",
        "m.1.content": "二五",
        "m.0.content": "一",
        "m.9.content": "",
        "d.text": "三六",
        "d.l": "四",
        "d.l.0": "四",
        "r.m.content": "一二五",
        "r.m.0.role": "u",
    }
    for write in (parquet_of, file_of, stream_of):
        for path, characters in wanted.items():
            outcome, tally = read(write(pa, table), field=path)
            assert outcome == Outcome() and counted(tally) == Counter(characters), path
        for path in ("m", "d", "d.none", "m.content.x", "r.text", "none"):
            outcome, tally = read(write(pa, table), column=path)
            assert outcome.skipped and [note.code for note in outcome.problems] == ["W-COLUMN"], path
            assert not tally.table.any()
    bad = pa.array([{"c": [b"ok", b"\xff"]}, None, {"c": [b"\xff"]}])
    assert passed(bad, "c", row=5)[1].bad.line == 5
    assert passed(bad.slice(1), "c", row=6)[1].bad.line == 7
    assert passed(bad, "c.1", row=5)[1].bad.count == 1


def parquet_of(pa: Any, table: Any, **options: Any) -> bytes:
    """A table as Parquet."""
    file = io.BytesIO()
    pa.parquet.write_table(table, file, **options)
    return file.getvalue()


def file_of(pa: Any, table: Any, size: int | None = None) -> bytes:
    """A table as Arrow file."""
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return file.getvalue()


def stream_of(pa: Any, table: Any, size: int | None = None) -> bytes:
    """A table as Arrow stream."""
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return file.getvalue()


@pytest.mark.parametrize("write", [parquet_of, file_of, stream_of])
def test_which_column(pa: Any, write: Any) -> None:
    """Its name, a usual name, the only one; else the user must say."""

    def of(columns: dict[str, Any], **options: Any) -> str:
        outcome, tally = read(write(pa, pa.table(columns)), **options)
        if outcome.problems:
            assert outcome.skipped and not tally.table.any()
            assert [note.code for note in outcome.problems] == ["W-COLUMN"]
            return outcome.problems[0].message
        return "".join(sorted(counted(tally)))

    number = [1]
    assert of({"n": number, "x": ["a"]}) == "a"
    assert of({"a": ["a"], "text": ["b"], "content": ["c"]}) == "b"
    assert of({"a": ["a"], "sentence": ["b"], "content": ["c"]}) == "c"
    assert of({"text": number, "a": ["a"]}) == "a"
    assert "several columns hold text, say which with --column: 'a' (string), 'b' (string)" in of(
        {"a": ["a"], "b": ["b"], "n": number}
    )
    assert "no column holds text; there are 'n' (int64)" in of({"n": number})
    assert of({"a": ["a"], "b": ["b"]}, column="b") == "b"
    assert of({"a": ["a"], "b": ["b"]}, column="b", field="a") == "b"
    assert of({"a": ["a"], "b": ["b"]}, field="a") == "a"
    assert of({"a": ["a"], "b": ["b"]}, column="2") == "b"
    assert of({"2": ["a"], "b": ["b"]}, column="2") == "a"
    assert "there is no column '3'" in of({"a": ["a"], "b": ["b"]}, column="3")
    assert "there is no column 'c'; there are 'a' (string), 'b' (string)" in of({"a": ["a"], "b": ["b"]}, column="c")
    assert "holds no text but int64" in of({"a": ["a"], "n": number}, column="n")
    assert of({"a.b": ["a"], "a": [{"b": "b"}]}, column="a.b") == "a"
    assert of({"a.b": ["a"], "a": [{"b": "b"}]}, column=r"a\.b") == "a"
    assert of({"a": [{"b.c": "b", "b": {"c": "c"}}]}, column=r"a.b\.c") == "b"
    assert of({"x": ["x"], "b": [b"a"]}, column="b") == "a"
    assert of({"x": ["x"], "b": pa.array([b"a"], pa.large_binary())}, column="b") == "a"
    assert of({"x": ["x"], "字": ["a"]}, column="字") == "a"
    assert "null" in of({"x": ["x"], "b": [None]}, column="b")
    assert of({"b": ["a", "b", "a"], "x": [1, 2, 3]}) == "ab"
    assert len(of({f"column{'x' * 90}{each}": ["a"] for each in range(300)})) < 3000


def test_two_columns_of_one_name(pa: Any) -> None:
    """The user says which, by number."""
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    for data in (file_of(pa, table), stream_of(pa, table)):
        for options in ({}, {"column": "text"}):
            outcome, _ = read(data, **options)
            assert outcome.skipped and "several columns are called 'text'" in outcome.problems[0].message
        outcome, tally = read(data, column="2")
        assert outcome == Outcome() and counted(tally) == Counter("b")


def test_only_the_column_is_read(pa: Any) -> None:
    """The bytes of other columns are not, and what was read is told."""
    noise = random.Random(1).randbytes(3_000_000)
    table = pa.table({"blob": [noise[at : at + 3000] for at in range(0, len(noise), 3000)], "text": ["字"] * 1000})
    for data in (parquet_of(pa, table), file_of(pa, table)):
        told: list[int] = []
        source = Source(io.BytesIO(data), told.append)
        reader: Any = parquet if parquet.sniff(source.head) else arrow
        outcome = reader.read("a file", source, Tally(), Options())
        assert outcome == Outcome() and source.bytes == sum(told) < 600_000
    small = parquet_of(pa, pa.table({"text": ["字"] * 1000}))
    told = []
    source = Source(io.BytesIO(small), told.append)
    parquet.read("a file", source, Tally(), Options())
    assert source.bytes == sum(told) == len(small)


# -- damage


def samples(pa: Any) -> dict[str, bytes]:
    """Small files of every kind."""
    values = [None if number % 9 == 0 else f"字{number % 12}é😀" for number in range(60)]
    chat = [[{"role": "u", "content": value}] for value in values]
    table = pa.table({"id": range(60), "text": values, "label": pa.array(values).dictionary_encode(), "chat": chat})
    found = {
        "snappy": parquet_of(pa, table, row_group_size=25),
        "plain": parquet_of(pa, table, row_group_size=25, compression="NONE", use_dictionary=False),
        "zstd": parquet_of(pa, table, row_group_size=25, compression="ZSTD", data_page_version="2.0"),
        "checked": parquet_of(pa, table, row_group_size=25, compression="NONE", write_page_checksum=True),
        "file": file_of(pa, table, 25),
        "stream": stream_of(pa, table, 25),
    }
    return found


@pytest.mark.parametrize("name", ["snappy", "file", "stream"])
def test_every_truncation(pa: Any, name: str) -> None:
    """Always said; what was read before is no more than there was."""
    data = samples(pa)[name]
    whole = counted(read(data, column="text")[1])
    for length in [*range(12, len(data), 7), *range(len(data) - 40, len(data))]:
        outcome, tally = read(data[:length], column="text")
        found = counted(tally)
        assert [note.code for note in outcome.problems] == ["W-PARQUET" if name == "snappy" else "W-ARROW"], length
        assert outcome.skipped == (not found)
        assert found <= whole
        if name != "stream":
            assert outcome.skipped  # the end says where everything is


def test_a_damaged_row_group(pa: Any) -> None:
    """The others are read, and the rows are located."""
    data = bytearray(samples(pa)["checked"])
    place = bytes(data).find("字".encode(), 1500)
    assert place > 0
    data[place] ^= 1
    outcome, tally = read(bytes(data), column="text")
    assert not outcome.skipped and [note.code for note in outcome.problems] == ["W-PARQUET"]
    assert 0 < counted(tally)["é"] < 53


def test_joined_streams(pa: Any) -> None:
    """What follows the end of a stream is not lost in silence."""
    data = samples(pa)["stream"]
    outcome, tally = read(data + data, column="text")
    assert not outcome.skipped and [note.code for note in outcome.problems] == ["W-ARROW"]
    assert "bytes follow the end" in outcome.problems[0].message and counted(tally)["é"] == 53


@pytest.mark.parametrize("errors", ["", "skip", "strict"])
@pytest.mark.parametrize("write", [parquet_of, file_of, stream_of])
def test_bad_values_in_files(pa: Any, write: Any, errors: str) -> None:
    """Left out and located by row; or their sound part counted; or the whole file left out."""
    values = ["字", None, "末", "z"] * 5
    array = pa.array(
        [b"a\xffb" if at == 6 else value and value.encode() for at, value in enumerate(values)], pa.binary()
    )
    table = pa.table({"text": array.view(pa.string())})
    outcome, tally = read(write(pa, table), errors=errors)
    assert [note.code for note in outcome.problems] == ["W-UTF8"] and "row 7" in outcome.problems[0].message
    assert outcome.skipped == (errors == "strict") == (not tally.table.any())
    if errors != "strict":
        assert outcome.bad_bytes == (1 if errors else 3)
        assert counted(tally) == Counter("字末z" * 5) - Counter("末") + Counter("ab" if errors else "")


def test_a_dictionary_with_bad_values(pa: Any) -> None:
    """Each occurrence counts; the first row is told."""
    dictionary = pa.array([b"a", b"\xff\xff", b"b"]).view(pa.string())
    array = pa.DictionaryArray.from_arrays(pa.array([0, 2, 1, 1, None, 0], pa.int8()), dictionary)
    found, texts = passed(array, row=10)
    assert sorted(found) == ["a", "a", "b"] and (texts.bad.count, texts.bad.line, texts.bad_bytes) == (2, 12, 4)
    found, texts = passed(array, row=10, errors="skip")
    assert sorted(found) == ["a", "a", "b"] and texts.bad_bytes == 4


def test_flipped_bits(pa: Any) -> None:
    """Thousands of mutations, in a process of its own, because pyarrow may take it down: nothing foreign is raised."""
    run = subprocess.run(
        [sys.executable, __file__, "flip"], capture_output=True, text=True, env=environment(), timeout=300
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout)["mutations"] == tries(1000, 3000)


def flip() -> None:
    """What runs there."""
    import pyarrow
    import pyarrow.parquet

    chance = random.Random(20)
    found = samples(pyarrow)
    codes: Counter[str] = Counter()
    mutations = tries(1000, 3000)
    for _ in range(mutations):
        data = bytearray(found[chance.choice(sorted(found))])
        for _ in range(chance.choice([1, 1, 2, 5])):
            at = chance.randrange(8, len(data))
            data[at : at + 1] = bytes([data[at] ^ 1 << chance.randrange(8)])
        column = chance.choice(["text", "label", "chat.content"])
        outcome, _ = read(bytes(data), column=column)
        codes.update(note.code for note in outcome.problems)
    assert set(codes) <= {"W-PARQUET", "W-ARROW", "W-UTF8", "W-COLUMN"}, codes
    print(json.dumps({"mutations": mutations}))


# -- size


def test_a_value_repeated_without_end(pa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes that stand for hundreds of gigabytes are counted from the dictionary."""
    value = "长" * 100_000
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000_000, np.int32)), pa.array([value]))
    data = parquet_of(pa, pa.table({"text": column}), store_schema=False)
    assert len(data) < 100_000
    outcome, tally = read(data)
    assert outcome == Outcome() and counted(tally) == Counter({"长": 10**11})


def test_growth_is_noticed_on_the_way(pa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From there on the column is read as a dictionary; rows are counted once."""
    monkeypatch.setattr(parquet, "GRACE", 100)
    monkeypatch.setattr(parquet, "GROWTH", 0)
    monkeypatch.setattr(parquet, "SHORT", 0)
    values = [f"字{number // 3}" for number in range(9000)]
    outcome, tally = read(parquet_of(pa, pa.table({"text": values}), row_group_size=4000))
    assert outcome == Outcome() and counted(tally) == expected(values)
    data = parquet_of(pa, pa.table({"text": values}), column_encoding="DELTA_BYTE_ARRAY", use_dictionary=False)
    outcome, tally = read(data)
    assert [note.code for note in outcome.problems] == ["W-PARQUET"] and "it grows to more than" in outcome.problems[
        0
    ].message


def test_memory_does_not_grow_with_a_row_group(pa: Any) -> None:
    """A few megabytes for a row group of a hundred."""
    run = subprocess.run(
        [sys.executable, __file__, "size"], capture_output=True, text=True, env=environment(), timeout=300
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found["file"] > 60_000_000 and found["peak"] < 40_000_000


def size() -> None:
    """What runs there: peak memory of pyarrow while a file is read that was written by another process."""
    import tempfile

    import pyarrow

    write = (
        "import sys, pyarrow as pa, pyarrow.parquet as pq, random; r = random.Random(1);"
        "table = pa.table({'text': [r.randbytes(600).hex() for _ in range(60000)]});"
        "pq.write_table(table, sys.argv[1], compression='NONE')"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.parquet"
        subprocess.run([sys.executable, "-c", write, str(path)], check=True)
        with path.open("rb") as stream:
            outcome, tally = read(stream)
        assert outcome == Outcome() and int(tally.table.sum()) == 72_000_000
        print(json.dumps({"file": path.stat().st_size, "peak": pyarrow.default_memory_pool().max_memory()}))


# -- streams and faults


def test_what_must_be_sought_from_a_pipe(pa: Any) -> None:
    """Is left out, with a remedy."""
    for name, code in (("snappy", "W-PARQUET"), ("file", "W-ARROW")):
        outcome, tally = read(Pipe(samples(pa)[name]))
        assert outcome.skipped and [note.code for note in outcome.problems] == [code] and not tally.table.any()
        assert "save it" in outcome.problems[0].message


@pytest.mark.parametrize("name", ["snappy", "file", "stream"])
def test_a_disk_that_fails(pa: Any, name: str) -> None:
    """The fault goes to the source, whoever met it; it is no damage of the file."""

    class Failing(io.BytesIO):
        """Fails from some call on."""

        def read(self, size: int | None = -1) -> bytes:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    values = [f"字{number}" for number in range(60_000)]
    data = stream_of(pa, pa.table({"text": values}), 9000) if name == "stream" else samples(pa)[name]
    for calls in range(1, 40):
        left = calls
        source = Source(Failing(data), lambda count: None)
        reader: Any = parquet if parquet.sniff(source.head) else arrow
        outcome = reader.read("a file", source, Tally(), Options(column="text"))
        if source.fault is None:
            break
        assert source.fault.errno == errno.EIO and not outcome.problems
    else:
        pytest.fail("it never got through")
    assert calls > 1


@pytest.mark.parametrize("name", ["parquet.polars.parquet", "arrow.datasets.stream.arrow"])
def test_without_pyarrow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is left out, and the message says what to install."""
    monkeypatch.setattr(columnar, "load", lambda: None)
    outcome, tally = read((HERE / "data" / "texts" / name).read_bytes())
    assert outcome.skipped and [note.code for note in outcome.problems] == ["W-PACKAGE"]
    assert 'pip install "charvec[parquet]"' in outcome.problems[0].message and not tally.table.any()


def test_an_old_pyarrow(pa: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks what is needed; that is no damage of the file."""
    assert columnar.load() is pa
    monkeypatch.setattr(pa, "__version__", "15.0.2")
    assert columnar.load() is None


def test_pyarrow_is_imported_when_first_needed() -> None:
    """It takes as long as all the rest of a short run."""
    code = "import sys, charvec.readers.parquet, charvec.readers.arrow; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment()).returncode == 0


# -- what other programs wrote

TABLES = sorted(path for path in GOLDEN.iterdir() if path.suffix in (".parquet", ".arrow"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_tables_of_other_programs(pa: Any, path: Path) -> None:
    """pandas, polars, DuckDB and datasets, each in its own way."""
    if path.name == "datasets.chat.parquet":
        outcome, tally = read(path.read_bytes(), field="messages.content")
        assert outcome == Outcome() and counted(tally) == expected([*TEXTS, "好" * 7])
        return
    with path.open("rb", buffering=0) as stream:
        outcome, tally = read(stream)
    assert outcome == Outcome() and counted(tally) == expected(TEXTS)
    outcome, sink = read(path.read_bytes(), Collected(), column="label")
    assert outcome == Outcome() and Counter(sink.texts) == Counter("ababab")


@pytest.mark.parametrize("name", ["parquet.polars", "parquet.pandas", "arrow.polars", "arrow.datasets.stream"])
def test_golden_files_beside_the_other_samples(pa: Any, name: str) -> None:
    """Their two rows hold what the other golden files hold."""
    path = next((HERE / "data" / "texts").glob(f"{name}.*"))
    outcome, tally = read(path.read_bytes())
    assert outcome == Outcome() and counted(tally) == Counter("字 charvec\né😀\n")


if __name__ == "__main__":
    {"flip": flip, "size": size}[sys.argv[1]]()
