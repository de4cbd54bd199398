"""The wire format of protocol buffers."""

from __future__ import annotations

import random

import pytest

from charvec.plumbing.protobuf import I32, I64, LEN, VARINT, Malformed, fields, signed, varint


def test_fields_of_every_wire_type() -> None:
    """The examples of the encoding guide, and the two fixed widths."""
    assert list(fields(bytes.fromhex("089601"))) == [(1, VARINT, 150)]
    assert list(fields(bytes.fromhex("120774657374696e67"))) == [(2, LEN, b"testing")]
    assert list(fields(bytes.fromhex("0d01000000" + "0902000000000000ff"))) == [
        (1, I32, 1),
        (1, I64, 0xFF00000000000002),
    ]
    assert list(fields(b"")) == []


def test_views_are_not_copied() -> None:
    """Values of a memoryview are views."""
    ((_, _, value),) = fields(memoryview(b"\x12\x02ab"))
    assert isinstance(value, memoryview)
    assert bytes(value) == b"ab"


@pytest.mark.parametrize(
    ("message", "offset"),
    [
        ("08", 1),
        ("0880", 1),
        ("08" + "ff" * 10 + "01", 1),
        ("08" + "ff" * 9 + "02", 1),
        ("0801" + "1205", 2),
        ("0d010203", 0),
        ("0901", 0),
        ("0b", 0),
        ("0c", 0),
        ("0e", 0),
        ("00", 0),
        ("ffffffffffffffffff01", 0),
        ("12ffffffffffffffffff01", 0),
    ],
)
def test_malformed(message: str, offset: int) -> None:
    """Cut short, too long, groups, unknown wire types, field number 0."""
    with pytest.raises(Malformed) as caught:
        list(fields(bytes.fromhex(message)))
    assert caught.value.offset == offset


def test_kinds() -> None:
    """A known field must have its wire type, an unknown one may have any."""
    assert len(list(fields(bytes.fromhex("0801" + "1801"), {1: VARINT}))) == 2
    with pytest.raises(Malformed, match="field 1 has wire type 0, not 2"):
        list(fields(bytes.fromhex("0801"), {1: LEN}))


def test_varint_and_signed() -> None:
    """Bounds of 64 bits."""
    assert varint(bytes.fromhex("ffffffffffffffffff01"), 0) == (2**64 - 1, 10)
    assert varint(b"\x01\x80\x00", 1) == (0, 3)
    assert signed(2**64 - 5) == -5
    with pytest.raises(Malformed):
        varint(b"\x80\x01", 0, 1)


def test_random_bytes() -> None:
    """Fields or Malformed, nothing else; what was read lies inside."""
    chance = random.Random(4)
    for _ in range(20_000):
        data = chance.randbytes(chance.randrange(30))
        try:
            assert sum(len(value) for _, kind, value in fields(data) if kind == LEN) < max(len(data), 1)
        except Malformed as error:
            assert error.offset is None or 0 <= error.offset <= len(data)
