"""Strict JSON: every way to be refused, and agreement with the standard parser on what is accepted."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
from effort import tries
from hypothesis import given, settings
from hypothesis import strategies as st

from charvec.errors import DamagedFile
from charvec.plumbing import safejson

parse = safejson.parse


def refused(data: bytes, **options: Any) -> DamagedFile:
    """The error a document is refused with."""
    with pytest.raises(DamagedFile) as caught:
        parse(data, "there/file.json", **options)
    assert caught.value.path == "there/file.json"
    assert str(caught.value).startswith(f"[{caught.value.code}] there/file.json: ")
    return caught.value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**19) + 1, 10**19 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.booleans())
def test_what_json_writes_is_read(value: Any, ascii_only: bool, mark: bool) -> None:
    """Any value comes back as it was, escaped or not, with a byte order mark or without."""
    data = b"\xef\xbb\xbf" * mark + json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(data, "file") == value


@settings(max_examples=tries(40, 100), deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES), st.booleans(), st.data())
def test_every_beginning_is_cut_short(value: Any, ascii_only: bool, data: st.DataObject) -> None:
    """A document that ends too early is called cut short, wherever it was cut."""
    whole = json.dumps(value, ensure_ascii=ascii_only).encode()
    size = data.draw(st.integers(0, len(whole) - 1))
    assert refused(whole[:size]).code == "E-TRUNCATED"


def test_every_beginning_of_one_document() -> None:
    """The same for every byte of a document with each kind of token."""
    text = '\ufeff {"a": [1, -2.5e+10, 0.25E-3, true, false, null, "我\\u6211\\"\\\\ 😀"], "b": {"c": {}}} '
    whole = text.encode()
    for size in range(len(whole.rstrip())):
        error = refused(whole[:size])
        assert error.code == "E-TRUNCATED"
        assert error.offset is not None and error.offset <= size


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a": 1, "b": 2, "a": 1}', "E-JSON-DUPKEY"),
        (b'{"a": {"b": [{"c": 1, "\\u0063": 2}]}}', "E-JSON-DUPKEY"),
        (b'{"a": NaN}', "E-JSON"),
        (b"[Infinity]", "E-JSON"),
        (b"-Infinity", "E-JSON"),
        (b"12345678901234567890", "E-JSON"),
        (b"[-" + b"9" * 5000 + b"]", "E-JSON"),
        (b"[" * 100_000, "E-JSON"),
        (b'{"a":' * 100_000, "E-JSON"),
        (b'"\xff"', "E-JSON"),
        (b'"\xc0\x80"', "E-JSON"),
        (b'"\xed\xa0\x80"', "E-JSON"),
        (b'"\\ud800"', "E-JSON"),
        (b'{"\\uDFFF": 1}', "E-JSON"),
        (b'["\\ude00\\ud83d"]', "E-JSON"),
        (b"{'a': 1}", "E-JSON"),
        (b'{"a": 01}', "E-JSON"),
        (b'{"a": 1,}', "E-JSON"),
        (b'{"a": 1} x', "E-JSON"),
        (b'{"a": 1}t', "E-JSON"),
        (b'{"a": "\t"}', "E-JSON"),
        (b'{"a": "\\x41"}', "E-JSON"),
        (b"\xff\xfe{\0}\0", "E-JSON"),
        (b"{} \0", "E-JSON"),
        (b"", "E-TRUNCATED"),
        (b" \n", "E-TRUNCATED"),
        (b'{"a": "\xe6\x88', "E-TRUNCATED"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    """Second meanings, machine eaters and plain mistakes."""
    assert refused(data).code == code


def test_codes_are_the_callers() -> None:
    """Each kind of refusal takes the code that the caller asks for, also in the text of the exception."""
    codes = {"code": "E-A", "duplicate": "E-B", "cut": "E-C"}
    assert [refused(data, **codes).code for data in (b"nul7", b'{"":0,"":0}', b"[")] == ["E-A", "E-B", "E-C"]


def test_surrogate_pairs_are_characters() -> None:
    """Both halves together are one character; a backslash before one is none of its escapes."""
    assert parse(b'["\\ud83d\\ude00", "\\\\ud800"]', "file") == ["\U0001f600", "\\ud800"]


def test_digits() -> None:
    """Nineteen digits hold 2**63; callers may allow more."""
    assert parse(b"9223372036854775808", "file") == 2**63
    assert refused(b"1" * 31).code == "E-JSON"
    assert parse(b"1" * 31, "file", digits=31) == int("1" * 31)
    assert refused(b"-" + b"1" * 32, digits=31).code == "E-JSON"


def test_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document beyond the limit is not even decoded."""
    monkeypatch.setattr(safejson, "MAX_BYTES", 10)
    assert parse(b"[1, 2, 34]", "file") == [1, 2, 34]
    assert "limit" in refused(b"\xff" * 11).message


def test_offsets_are_bytes() -> None:
    """Places are given in bytes of the file, counting a byte order mark and characters of several bytes."""
    assert refused('\ufeff{"我" 1}'.encode()).offset == 3 + 7
    assert refused(b'\xef\xbb\xbf{"\xff"}').offset == 5
    assert refused('{"我": '.encode()).offset == 8


def test_long_keys_are_not_repeated_in_full() -> None:
    """Nor does a message grow with the file."""
    key = b'"' + b"k" * 10_000 + b'":1'
    assert len(refused(b"{" + key + b"," + key + b"}").message) < 300


def test_fuzz() -> None:
    """Mutants are read or refused; what is read is what the standard parser reads."""
    generator = random.Random(int(os.environ.get("CHARVEC_SEED", "5")))
    seeds = [
        '{"a": [1, -2.5e+10, true, null, "我\\u6211\\"\\\\ 😀"], "b": {"c": {}, "d": "\\ud83d\\ude00"}}'.encode(),
        b'{"metadata": {"total_size": 10}, "weight_map": {"a": "x.bin", "b": "y.bin"}}',
    ]
    bits = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\\ud800",
        b"NaN",
        b"1e999",
        b"-",
        b"9" * 20,
        b"\xef\xbb\xbf",
    ]
    fine = 0
    for _ in range(int(os.environ.get("CHARVEC_MUTANTS", "20000"))):
        data = bytearray(generator.choice(seeds))
        for _ in range(generator.choice((1, 1, 2, 3))):
            place = generator.randrange(len(data))
            kind = generator.randrange(4)
            if kind == 0:
                data[place] ^= 1 << generator.randrange(8)
            elif kind == 1:
                data[place:place] = generator.choice(bits)
            elif kind == 2:
                del data[place : place + generator.randrange(1, 6)]
            else:
                data[place:place] = data[place : place + generator.randrange(20)]
            data = data or bytearray(b" ")
        try:
            value = parse(bytes(data), "file")
        except DamagedFile:
            continue
        fine += 1
        assert value == json.loads(bytes(data).decode("utf-8-sig"))
    assert fine


def test_a_name_is_said_once() -> None:
    """What the document is stands in the message, but not twice where the file is called so."""
    for path, what, begins in (
        ("model/config.json", "config.json", "model/config.json: Expecting"),
        ("model/x", "shard index", "model/x: shard index: Expecting"),
    ):
        with pytest.raises(DamagedFile) as caught:
            parse(b'{"a" 1}', path, what=what)
        assert caught.value.message.startswith(begins)
