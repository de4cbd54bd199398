"""Plumbing: the quantised blocks of GGUF files as float32.

A row is a whole number of blocks, each of which holds some values and their scales, so every row can be decoded alone.
Layouts and the order of the arithmetic: ggml, ggml-common.h and the ``dequantize_row_*`` functions of ggml-quants.c;
results are bit for bit those of ggml itself and of ``gguf.quants.dequantize``, which the tests hold them against. The
types that need large code books (IQ1, IQ2, IQ3) are left to that package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from charvec.errors import MissingPackage
from charvec.plumbing.gguf.gguf_types import TYPES

__all__ = ["DECODERS", "SWAPPED", "can_decode", "decode"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Order = Literal["<", ">"]

#: Values of the 4-bit floating-point numbers (E2M1), doubled; MXFP4 halves its scale instead.
_E2M1 = np.array((0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12), np.float32)
#: The scales of NVFP4 (unsigned E4M3, whose NaN is 0), halved as its numbers are doubled; the first bit is passed over.
_UE4M3 = np.array(
    [
        0.0 if code in (0, 0x7F) else (code % 8 / 8 + (code // 8 % 16 > 0)) * 2.0 ** (max(code // 8 % 16, 1) - 8)
        for code in range(256)
    ],
    np.float32,
)
#: The uneven steps of IQ4_NL and IQ4_XS (kvalues_iq4nl).
_IQ4 = np.array((-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), np.float32)


def can_decode(kind: int, big_endian: bool = False) -> bool:
    """Whether the type is known here or to the package ``gguf``; in big-endian files only some have a known layout."""
    name = TYPES[kind][0]
    return name in SWAPPED if big_endian else name in DECODERS or name in _PACKAGE


def decode(rows: Bytes, kind: int, big_endian: bool = False) -> Floats:
    """Rows of blocks as floats.

    Args:
        rows: uint8 [n, bytes of a row].
        kind: number of the type, one for which :func:`can_decode` is true.
        big_endian: byte order of the scales.

    Returns:
        float32 [n, values of a row].

    Raises:
        MissingPackage: ``E-PACKAGE`` when the type is left to the package ``gguf`` and that is not installed, or is
            too old to know it.
    """
    name, values, size = TYPES[kind]
    columns = rows.shape[1] // size * values
    if not rows.size:
        return np.empty((len(rows), columns), np.float32)
    blocks = np.ascontiguousarray(rows).reshape(-1, size)
    # scales may be infinite or NaN; that is told of the finished vectors
    with np.errstate(all="ignore"):
        if name in DECODERS:
            result = DECODERS[name](blocks, ">" if big_endian else "<")
        else:
            result = _by_the_package(blocks, kind, name)
    return result.reshape(len(rows), columns)


def _by_the_package(blocks: Bytes, kind: int, name: str) -> Floats:
    try:
        from gguf import GGMLQuantizationType, quants

        result: Floats = quants.dequantize(blocks, GGMLQuantizationType(kind))
    except (ImportError, ValueError, NotImplementedError):
        raise MissingPackage(
            "E-PACKAGE",
            f"{name} is decoded with the optional package gguf, which is not installed or too old",
            help='pip install -U "charvec[gguf]"',
        ) from None
    return result


def _planes(raw: Bytes, group: int, bits: int) -> Bytes:
    """Numbers of so many bits: of each group of bytes first the lowest bits of all, then the next, and so on."""
    raw = np.ascontiguousarray(raw)
    # taken from all bytes at once, then put into place group by group: a third of the time it takes group by group
    planes = np.empty((raw.size // group, 8 // bits), f"V{group}")
    for plane in range(8 // bits):
        numbers = raw >> np.uint8(plane * bits)
        numbers &= np.uint8((1 << bits) - 1)
        planes[:, plane] = numbers.reshape(-1).view(planes.dtype)
    return planes.view(np.uint8).reshape(len(raw), -1)


def _halves(raw: Bytes, order: Order) -> Floats:
    """float16 numbers as float32."""
    halves: NDArray[np.float16] = np.ascontiguousarray(raw).view(np.dtype("f2").newbyteorder(order))
    return halves.astype(np.float32)


def _scaled(
    scales: Floats, integers: NDArray[np.integer], plus: Floats | None = None, minus: Floats | None = None
) -> Floats:
    """Each scale times its share of the integers, plus or minus its offset: float32 [n, values]."""
    result = integers.reshape(*scales.shape, -1).astype(np.float32)
    result *= scales[..., None]
    if plus is not None:
        result += plus[..., None]
    if minus is not None:
        result -= minus[..., None]
    return result.reshape(len(scales), -1)


def _fifth(raw: Bytes) -> Bytes:
    """32 bits, the lowest first, as the fifth bits of numbers."""
    bits: Bytes = np.unpackbits(raw, axis=1, bitorder="little") << np.uint8(4)
    return bits


def _signed(numbers: Bytes, middle: int) -> NDArray[np.int8]:
    signed: NDArray[np.int8] = numbers.view(np.int8) - np.int8(middle)
    return signed


def _q4_0(raw: Bytes, order: Order) -> Floats:
    """The scale, 32 numbers of 4 bits."""
    return _scaled(_halves(raw[:, :2], order), _signed(_planes(raw[:, 2:], 16, 4), 8))


def _q4_1(raw: Bytes, order: Order) -> Floats:
    """Scale, offset, 32 numbers of 4 bits."""
    scales = _halves(raw[:, :4], order)
    return _scaled(scales[:, :1], _planes(raw[:, 4:], 16, 4), plus=scales[:, 1:])


def _q5_0(raw: Bytes, order: Order) -> Floats:
    """The scale, 32 fifth bits, 32 numbers of 4 bits."""
    numbers = _planes(raw[:, 6:], 16, 4) | _fifth(raw[:, 2:6])
    return _scaled(_halves(raw[:, :2], order), _signed(numbers, 16))


def _q5_1(raw: Bytes, order: Order) -> Floats:
    """Scale, offset, 32 fifth bits, 32 numbers of 4 bits."""
    scales = _halves(raw[:, :4], order)
    return _scaled(scales[:, :1], _planes(raw[:, 8:], 16, 4) | _fifth(raw[:, 4:8]), plus=scales[:, 1:])


def _q8_0(raw: Bytes, order: Order) -> Floats:
    """The scale, 32 int8."""
    return _scaled(_halves(raw[:, :2], order), raw[:, 2:].view(np.int8))


def _q2_k(raw: Bytes, order: Order) -> Floats:
    """16 pairs of 4-bit scale and offset, 256 numbers of 2 bits, the scale of the scales and that of the offsets."""
    outer = _halves(raw[:, 80:], order)
    scales = outer[:, :1] * (raw[:, :16] & np.uint8(15))
    offsets = outer[:, 1:] * (raw[:, :16] >> np.uint8(4))
    return _scaled(scales, _planes(raw[:, 16:80], 32, 2), minus=offsets)


def _q3_k(raw: Bytes, order: Order) -> Floats:
    """256 third bits (set: nothing is subtracted), 256 numbers of 2 bits, 16 scales of 6 bits, their scale."""
    numbers = _planes(raw[:, 32:96], 32, 2) | (_planes(raw[:, :32], 32, 1) << np.uint8(2))
    scales = _planes(raw[:, 96:104], 8, 4) | (_planes(raw[:, 104:108], 4, 2) << np.uint8(4))
    return _scaled(_halves(raw[:, 108:], order) * _signed(scales, 32), _signed(numbers, 4))


def _k_scales(raw: Bytes, order: Order) -> tuple[Floats, Floats]:
    """Eight scales and eight offsets of Q4_K and Q5_K: two outer ones, then 6 bits for each in 12 bytes.

    The first four of both lie in the lower six bits of bytes 0-3 and 4-7; the other four have their lower four bits in
    bytes 8-11 and their upper two in what the first eight bytes leave over.
    """
    outer = _halves(raw[:, :4], order)
    low, packed = raw[:, 4:12], raw[:, 12:16]
    high = (low >> np.uint8(2)) & np.uint8(0x30)
    low = low & np.uint8(0x3F)
    scales = np.hstack((low[:, :4], (packed & np.uint8(15)) | high[:, :4]))
    offsets = np.hstack((low[:, 4:], (packed >> np.uint8(4)) | high[:, 4:]))
    return outer[:, :1] * scales, outer[:, 1:] * offsets


def _q4_k(raw: Bytes, order: Order) -> Floats:
    """Scales and offsets, 256 numbers of 4 bits."""
    scales, offsets = _k_scales(raw, order)
    return _scaled(scales, _planes(raw[:, 16:], 32, 4), minus=offsets)


def _q5_k(raw: Bytes, order: Order) -> Floats:
    """Scales and offsets, 256 fifth bits, 256 numbers of 4 bits."""
    scales, offsets = _k_scales(raw, order)
    numbers = _planes(raw[:, 48:], 32, 4) | (_planes(raw[:, 16:48], 32, 1) << np.uint8(4))
    return _scaled(scales, numbers, minus=offsets)


def _q6_k(raw: Bytes, order: Order) -> Floats:
    """256 numbers of 4 bits, their upper 2 bits, 16 int8 scales, their scale."""
    numbers = _planes(raw[:, :128], 64, 4) | (_planes(raw[:, 128:192], 32, 2) << np.uint8(4))
    return _scaled(_halves(raw[:, 208:], order) * raw[:, 192:208].view(np.int8), _signed(numbers, 32))


def _tq1_0(raw: Bytes, order: Order) -> Floats:
    """240 numbers in base 3, five a byte, 16 more, four a byte; the scale.

    A byte is a fraction of 256, its digits behind the point; times a power of three, modulo 256, then times three.
    """
    powers = np.array([1, 3, 9, 27, 81], np.uint8).reshape(-1, 1)
    parts = ((raw[:, :32], 32, 5), (raw[:, 32:48], 16, 5), (raw[:, 48:52], 4, 4))
    digits = [(part.reshape(len(raw), 1, group) * powers[:most]).reshape(len(raw), -1) for part, group, most in parts]
    numbers = (np.hstack(digits).astype(np.uint16) * np.uint16(3) >> np.uint16(8)).astype(np.uint8)
    return _scaled(_halves(raw[:, 52:], order), _signed(numbers, 1))


def _tq2_0(raw: Bytes, order: Order) -> Floats:
    """256 numbers of 2 bits, the scale."""
    return _scaled(_halves(raw[:, 64:], order), _signed(_planes(raw[:, :64], 32, 2), 1))


def _iq4_nl(raw: Bytes, order: Order) -> Floats:
    """The scale, 32 places in the table of steps."""
    return _halves(raw[:, :2], order) * _IQ4[_planes(raw[:, 2:], 16, 4)]


def _iq4_xs(raw: Bytes, order: Order) -> Floats:
    """The scale of the scales, upper 2 and lower 4 bits of eight scales, 256 places in the table of steps."""
    upper = np.ascontiguousarray(raw[:, 2:4]).view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16)
    scales = _planes(raw[:, 4:8], 1, 4) | ((upper.astype(np.uint8) & np.uint8(3)) << np.uint8(4))
    steps = _IQ4[_planes(raw[:, 8:], 16, 4)].reshape(len(raw), 8, 32)
    return ((_halves(raw[:, :2], order) * _signed(scales, 32))[..., None] * steps).reshape(len(raw), 256)


def _mxfp4(raw: Bytes, order: Order) -> Floats:
    """The exponent of half the scale (E8M0), 32 numbers of 4 bits (E2M1)."""
    exponent = raw[:, :1].astype(np.uint32)
    # half of 2^(0-127) and 2^(1-127) is subnormal
    bits = np.where(exponent < 2, np.uint32(0x00200000) << exponent, (exponent - np.uint32(1)) << np.uint32(23))
    scales: Floats = bits.astype(np.uint32, copy=False).view(np.float32)
    return scales * _E2M1[_planes(raw[:, 1:], 16, 4)]


def _nvfp4(raw: Bytes, order: Order) -> Floats:
    """Four scales (E4M3), for 16 numbers of 4 bits (E2M1) each."""
    numbers = _E2M1[_planes(raw[:, 4:], 8, 4)].reshape(len(raw), 4, 16)
    return (numbers * _UE4M3[raw[:, :4], None]).reshape(len(raw), 64)


def _q1_0(raw: Bytes, order: Order) -> Floats:
    """The scale, 128 signs."""
    scales = _halves(raw[:, :2], order)
    result: Floats = np.where(_planes(raw[:, 2:], 1, 1), scales, -scales)
    return result


def _q2_0(raw: Bytes, order: Order) -> Floats:
    """The scale, 64 numbers of 2 bits."""
    return _scaled(_halves(raw[:, :2], order), _signed(_planes(raw[:, 2:], 1, 2), 1))


#: By the type's name; each takes blocks, uint8 [n, bytes], and gives float32 [n, values].
DECODERS: Mapping[str, Callable[[Bytes, Order], Floats]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "TQ1_0": _tq1_0,
    "TQ2_0": _tq2_0,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "MXFP4": _mxfp4,
    "NVFP4": _nvfp4,
    "Q1_0": _q1_0,
    "Q2_0": _q2_0,
}
#: Types that ggml's own converter brings into big-endian order, by swapping the float16 scales.
SWAPPED = ("Q4_0", "Q8_0", "Q4_K", "Q6_K", "MXFP4")
#: Types that the package decodes.
_PACKAGE = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S")
