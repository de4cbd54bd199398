"""LevelDB tables' checksum and compression; whole tables are tested where TensorFlow's are."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from charvec.plumbing.protobuf import Malformed
from charvec.plumbing.tensorflow.crc32c import _table, crc32c, masked
from charvec.plumbing.tensorflow.leveldb import entries, snappy

LIMIT = 1 << 20


def test_crc32c_of_rfc_3720() -> None:
    """The examples of appendix B.4, and the usual check value."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


def test_crc32c_in_lanes_is_the_same() -> None:
    """Longer data takes another way; both agree with the plain table at every length around the change."""
    table, chance = _table(), random.Random(1)
    for length in [*range(2040, 2056), 2999, 4096, 10_007, 100_003]:
        data, start = chance.randbytes(length), chance.getrandbits(32)
        register = start ^ 0xFFFFFFFF
        for byte in data:
            register = table[(register ^ byte) & 255] ^ register >> 8
        assert crc32c(data, start) == register ^ 0xFFFFFFFF
        assert crc32c(data[1000:], crc32c(data[:1000])) == crc32c(data)


def test_masked() -> None:
    """An example by LevelDB's own rule: rotate right by 15, add a constant."""
    assert masked(0) == 0xA282EAD8
    assert masked(0xFFFFFFFF) == 0xA282EAD7
    assert masked(0x8000) == 0xA282EAD9
    assert masked(1) == 0xA284EAD8


@pytest.mark.parametrize(
    ("stream", "result"),
    [
        ("00", b""),
        ("0308616263", b"abc"),
        # literal "abcd", copy 1: 4 from 4 back; literal in the form with one length byte; copy 2 that overlaps: a run
        ("080c616263640104", b"abcdabcd"),
        ("03f002616263", b"abc"),
        ("05f40200616263050363", None),
        ("0b0061260100", b"a" * 11),
        ("0d0461623202000000", None),
        ("0c046162" + "260200", b"ab" * 6),
        ("0e046162" + "2f02000000", b"ab" * 7),
    ],
)
def test_snappy_by_hand(stream: str, result: bytes | None) -> None:
    """Streams put together by the format description."""
    if result is None:
        with pytest.raises(Malformed):
            snappy(bytes.fromhex(stream), limit=LIMIT)
    else:
        assert snappy(bytes.fromhex(stream), limit=LIMIT) == result


@pytest.mark.parametrize(
    "stream",
    [
        "",
        "80",
        "ffffffffffffffffffff01",
        "03",
        "030c61626364",
        "04086162",
        "0308616263" + "00",
        "04006101",
        "0400610100",
        "0400610102",
        "04006102",
        "0400610b01",
        "04ff",
        "03fcffffffff616263",
        "8080800400",
    ],
)
def test_snappy_refuses(stream: str) -> None:
    """Cut short, copies from before the beginning, too much or too little, and bombs."""
    with pytest.raises(Malformed):
        snappy(bytes.fromhex(stream), limit=LIMIT)


def test_snappy_against_a_plain_decoder() -> None:
    """Random streams: byte by byte as the format description says."""
    chance = random.Random(2)
    for _ in range(2000):
        plain, stream = bytearray(), bytearray()
        for _ in range(chance.randrange(1, 12)):
            kind = chance.randrange(4) if plain else 0
            if kind == 0:
                part = chance.randbytes(chance.choice((1, 5, 59, 60, 61, 255, 256, 300)))
                size = len(part) - 1
                width = 0 if size < 60 else 1 if size < 256 else chance.choice((2, 3, 4))
                stream += (
                    bytes([(59 + width if width else size) << 2])
                    + (size.to_bytes(width, "little") if width else b"")
                    + part
                )
                plain += part
                continue
            length = chance.randrange(4, 12) if kind == 1 else chance.randrange(1, 65)
            offset = chance.randrange(1, min(len(plain), 2047 if kind == 1 else 65535) + 1)
            if kind == 1:
                stream += bytes([1 | length - 4 << 2 | offset >> 8 << 5, offset & 255])
            else:
                stream += bytes([kind | length - 1 << 2]) + offset.to_bytes(2 if kind == 2 else 4, "little")
            for _ in range(length):
                plain.append(plain[-offset])
        size = len(plain)
        head = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7]) if size < 16384 else None
        if head:
            assert snappy(head + bytes(stream), limit=LIMIT) == plain


def test_mutated_streams_raise_malformed_only() -> None:
    """Random bytes never lead elsewhere."""
    chance = random.Random(3)
    for _ in range(20_000):
        data = bytes([chance.randrange(128)]) + chance.randbytes(chance.randrange(40))
        with suppress(Malformed):
            assert len(snappy(data, limit=LIMIT)) == data[0]


@pytest.mark.parametrize("data", [b"", b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", bytes(100)])
def test_no_table(data: bytes) -> None:
    """Too short, or without the magic."""
    with pytest.raises(Malformed):
        list(entries(data))
