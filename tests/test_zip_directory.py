"""The central directory of a zip file, held against the standard library."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest
from damaging import overwrite

from charvec.plumbing.files import File
from charvec.plumbing.zip_directory import BadDirectory, Listed, directory

LIMIT = 1 << 20


def archive(*, zip64: bool = False, names: tuple[str, ...] = ("a", "b/c", "字.txt", "é")) -> bytes:
    """A zip file of some members, stored and deflated."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo(name)
            info.compress_type = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number % 2]
            with target.open(info, "w", force_zip64=zip64) as member:
                member.write(b"content" * number)
    return file.getvalue()


def large(data: bytes) -> bytes:
    """The same archive with the end of 64 bits, as archives beyond 4 GiB have, and an offset in the extra field."""
    end = len(data) - 22
    count, size, offset = struct.unpack("<HLL", data[end + 10 : end + 20])
    first = bytearray(data[offset : offset + 46 + data[offset + 28] + data[offset + 30]])
    header = first[42:46]
    first[42:46] = b"\xff" * 4
    first[30:32] = struct.pack("<H", first[30] + 12)
    first += struct.pack("<HH", 1, 8) + bytes(header) + bytes(4)
    rest = data[offset + len(first) - 12 : end]
    size += 12
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + size, 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:offset] + first + rest + record + locator + tail


def ours(data: bytes, path: Path) -> list[Listed] | None:
    """What we read; None when we refuse."""
    overwrite(path, data)
    with File(path) as file:
        try:
            return list(directory(file, len(data) - 22, LIMIT))
        except BadDirectory:
            return None


def theirs(data: bytes) -> list[Listed] | None:
    """What the standard library reads; None when it refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return [
                Listed(
                    each.orig_filename,
                    each.header_offset,
                    each.file_size,
                    each.compress_size,
                    each.compress_type,
                    each.flag_bits,
                )
                for each in file.infolist()
            ]
    except (zipfile.BadZipFile, struct.error, ValueError, OverflowError, NotImplementedError, EOFError, OSError):
        return None


ARCHIVES = {
    "plain": archive(),
    "zip64": archive(zip64=True),
    "large": large(archive()),
    "behind data": b"#!/bin/sh\n" + archive(),
    "empty": archive(names=()),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_same_as_the_standard_library(name: str, tmp_path: Path) -> None:
    """Archives as they should be: names, places, sizes, methods."""
    expected = theirs(ARCHIVES[name])
    assert expected is not None and ours(ARCHIVES[name], tmp_path / "x") == expected
    assert len(expected) == (0 if name == "empty" else 4)


@pytest.mark.parametrize("name", ARCHIVES)
def test_damage_is_seen_alike(name: str, tmp_path: Path) -> None:
    """One to three bytes of the directory changed: the same entries, or refused by both."""
    chance = random.Random(name)
    data = ARCHIVES[name]
    refused = 0
    for _ in range(1500):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            # the signature of the end and the length of its comment are the business of the caller
            place = chance.choice(
                [*range(max(0, len(data) - 400), len(data) - 22), *range(len(data) - 18, len(data) - 2)]
            )
            changed[place] = chance.choice((0, 1, 0x2D, 0x7F, 0xFF, chance.randrange(256)))
        if b"PK\x05\x06" in changed[:-22]:
            continue
        expected = theirs(bytes(changed))
        assert ours(bytes(changed), tmp_path / "x") == expected, changed
        refused += expected is None
    assert refused


def test_a_directory_beyond_the_limit(tmp_path: Path) -> None:
    """Is not read at all."""
    path = tmp_path / "x"
    path.write_bytes(bytes(LIMIT + 1) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, LIMIT + 1, 0, 0))
    with File(path) as file, pytest.raises(BadDirectory, match="the limit is"):
        next(directory(file, LIMIT + 1, LIMIT))
