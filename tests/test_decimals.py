"""Many decimals at once: against Python's float, everywhere that two roundings could differ from one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from charvec.plumbing.arrays import decimals
from charvec.plumbing.arrays.decimals import rows_of


def expected(values: Sequence[str]) -> NDArray[np.float32]:
    """What Python reads, to the nearest float32."""
    with np.errstate(over="ignore"):
        return np.array(list(map(float, values)), np.float64).astype(np.float32)


def check(values: Sequence[str], dim: int, separator: bytes = b" ") -> None:
    """Read at once, every value is the same bit for bit."""
    lines = [separator.join(map(str.encode, values[place : place + dim])) for place in range(0, len(values), dim)]
    with np.errstate(over="ignore"):
        rows = rows_of(lines, dim, separator)
    assert rows is not None and rows.shape == (len(lines), dim) and rows.dtype == np.float32
    differ = np.flatnonzero(rows.ravel().view(np.uint32) != expected(values).view(np.uint32))
    assert not len(differ), [(values[place], rows.flat[place]) for place in differ[:5]]


def spell(generator: random.Random) -> str:
    """A number as programs write one: most of them simple."""
    value = generator.gauss(0, 1) * 10 ** generator.choice((0, 0, -1, -2, -3))
    if generator.random() < 0.04:
        odd = ("0", "-0.0", "1e-45", "-1e-46", "1e400", "+1.5", ".5", "-.5", "12.25", "nan", "-inf", "3.4028236e38")
        return generator.choice(odd)
    places = generator.randrange(1, 23)
    ways = (
        repr(float(np.float32(value))),
        str(np.float32(value)),
        repr(value),
        f"{value:.6f}",
        f"{value:.{places}f}",
        f"{value:.5g}",
        "0." + "0" * generator.randrange(20) + str(generator.randrange(100)),
    )
    return generator.choice(ways)


@pytest.mark.parametrize("seed", range(30))
def test_as_python_reads_them(seed: int) -> None:
    """Numbers of every length, of every program, and what no program should write among them."""
    generator = random.Random(seed)
    dim = generator.choice((1, 2, 7, 300))
    check([spell(generator) for _ in range(dim * (2400 // dim))], dim, generator.choice((b" ", b"\t")))


@pytest.mark.parametrize("whole", range(8))
def test_halfway_between_two_float32(whole: int) -> None:
    """Ties, and what lies next to one by the last digit that is written, go where Python and NumPy round them."""
    generator = random.Random(whole)
    values = []
    for _ in range(300):
        low = np.float32(whole + generator.random() * 10.0 ** -generator.randrange(4))
        middle = (float(low) + float(np.nextafter(low, np.float32(9)))) / 2  # exact: 25 bits
        for places in (9, 13, 16, 19, 22):
            text = f"{middle:.{places}f}"
            last = int(text.replace(".", ""))
            around = [str(last + step).zfill(places + 1) for step in (-1, 0, 1)]
            values += [f"{sign}{digits[:-places]}.{digits[-places:]}" for digits in around for sign in ("", "-")]
    rows = rows_of([" ".join(values).encode()], len(values), b" ")
    if rows is None:  # too many to decide; then in company
        values = [each for value in values for each in (value, *["0.25"] * 9)]
    check(values, len(values))


@pytest.mark.parametrize("separator", [b" ", b"\t"])
def test_short_fields(separator: bytes) -> None:
    """Several separators among four neighbouring bytes, from any place on."""
    for before in range(1, 12):
        check(["1." + "5" * before, "0", "1", "2", "-3", *["2.5", "1", "-0.25"] * 9, "7"][-30:], 30, separator)
        check(["1." + "5" * before, *["0.5"] * 20, "1", "2", "0.125", "0.5"], 25, separator)
        check(["0." + "5" * before, "0.7", "5", *["2.50"] * 20], 23, separator)


def test_what_is_left_to_others() -> None:
    """Another number of values in a line, though as many in all; what is no number; and mostly other spellings."""
    many = b"0.5 " * 30
    assert rows_of([many + b"1.5"], 31, b" ") is not None
    for wrong in (
        b"x",
        b"1_0",
        b"",
        b"-",
        b".",
        b"1.5.",
        b"1.2.3",
        b"--1",
        b"1.-5",
        b"0.5\r",
        b"1:5",
        b"1/5",
        b"0.\xb2",
    ):
        assert rows_of([many + wrong], 31, b" ") is None, wrong
        assert rows_of([many + wrong + b" 0.5"], 32, b" ") is None, wrong
    assert rows_of([b"0.5", b"0.5 0.5 0.5"], 2, b" ") is None
    assert rows_of([b"0.5 0.5", b"0.5"], 2, b" ") is None
    assert rows_of([b"1e-5 1e-6 0.5"], 3, b" ") is None
    assert rows_of([b"0." + b"1" * 23 + b" 0.5"], 2, b" ") is None


def test_most_numbers_are_not_asked_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written from float32, by any program, is certain without it."""
    monkeypatch.setattr(decimals, "numbers", lambda values: None)
    values = np.random.default_rng(1).uniform(0.0002, 9.9, 20_000).astype(np.float32)
    for way in (lambda value: repr(float(value)), str, lambda value: f"{value:.6f}", lambda value: f"{value:.9f}"):
        check([way(value) for value in values], 200)
