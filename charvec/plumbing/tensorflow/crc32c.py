"""Plumbing: CRC-32C (Castagnoli), the checksum of TensorFlow and LevelDB files.

The standard library has only the other CRC-32. Byte by byte in Python it takes 0.1 s per MiB, so longer data is cut
into lanes of equal length that advance side by side, one byte of every lane at a time: ``bytes.translate`` looks up all
of them at once and an int of any length XORs them. CRC is linear, so the lanes are joined by a table that says what the
zero bytes of a lane's length do to a register.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

__all__ = ["crc32c", "masked"]

_POLYNOMIAL = 0x82F63B78
#: From here on lanes are faster.
_LANES_FROM = 2048


def crc32c(data: bytes, crc: int = 0) -> int:
    """The checksum of ``data``, continuing from the checksum of what came before it."""
    register = crc ^ 0xFFFFFFFF
    done = 0
    if len(data) >= _LANES_FROM:
        lanes = 3 * isqrt(len(data))
        length = len(data) // lanes
        done = lanes * length
        register = _in_lanes(data, lanes, length, register)
    table = _table()
    for byte in data[done:]:
        register = table[(register ^ byte) & 255] ^ register >> 8
    return register ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """The checksum as LevelDB stores it, so that a checksum over data with checksums in it stays a good one."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    """What each low byte of the register becomes."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


@cache
def _planes() -> tuple[bytes, bytes, bytes, bytes]:
    """The table's four bytes, lowest first, each as a map for ``bytes.translate``."""
    first, second, third, fourth = (bytes(value >> shift & 255 for value in _table()) for shift in (0, 8, 16, 24))
    return first, second, third, fourth


def _in_lanes(data: bytes, lanes: int, length: int, register: int) -> int:
    """The register after ``lanes * length`` bytes."""
    # 32 more lanes start at the 32 single bits and read zero bytes: their end is what `length` zeros do to each bit.
    width = lanes + 32
    bits = [1 << bit for bit in range(32)]
    one, two, three, four = (
        int.from_bytes(bytes(lanes) + bytes(bit >> shift & 255 for bit in bits), "little") for shift in (0, 8, 16, 24)
    )
    low, second, third, high = _planes()
    whole, last = int.from_bytes, lanes * length
    for place in range(length):
        index = (one ^ whole(data[place:last:length], "little")).to_bytes(width, "little")
        one = two ^ whole(index.translate(low), "little")
        two = three ^ whole(index.translate(second), "little")
        three = four ^ whole(index.translate(third), "little")
        four = whole(index.translate(high), "little")
    planes = [plane.to_bytes(width, "little") for plane in (one, two, three, four)]
    ends = [a | b << 8 | c << 16 | d << 24 for a, b, c, d in zip(*planes, strict=True)]
    shifts = [_span(ends[lanes + 8 * byte : lanes + 8 * byte + 8]) for byte in range(4)]
    for end in ends[:lanes]:
        register = (
            shifts[0][register & 255]
            ^ shifts[1][register >> 8 & 255]
            ^ shifts[2][register >> 16 & 255]
            ^ shifts[3][register >> 24]
            ^ end
        )
    return register


def _span(basis: list[int]) -> list[int]:
    """The XOR of every subset of eight values, by the subset's bits."""
    table = [0]
    for value in basis:
        table += [value ^ other for other in table]
    return table
