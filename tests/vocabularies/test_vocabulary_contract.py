"""What every vocabulary reader must keep, run over every golden file in ``tests/data/vocabularies``.

The folder is named after the member; what lies beside a golden file belongs to it.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from damaging import overwrite

from charvec import vocabularies
from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.status import Status
from charvec.vocabulary import Spelling, Vocabulary

DATA = Path(__file__).resolve().parents[1] / "data" / "vocabularies"
#: Files beside vocabularies that are none themselves, by suffix or name.
OTHERS = (".md", ".py", "config.json", "merges.txt")

MEMBERS = {member.NAME: member for member in vocabularies.members()}
EVERYTHING = sorted(path for name in MEMBERS for path in (DATA / name).rglob("*") if path.is_file())
GOLDEN = [path for path in EVERYTHING if not path.name.endswith(OTHERS)]
NAMES = [str(path.relative_to(DATA)) for path in GOLDEN]

#: Some of everything: ASCII, Latin, combining, kana, hangul, Han, compatibility, format, private use, emoji, plane 2.
PROBES = np.array(
    sorted(
        {*range(0x180), *range(0x300, 0x310), 0x2028, 0x2581, 0x200D, 0x3000, 0x33A1, 0xFEFF, 0xFFFD, 0xE000, 0xF9D1}
        | {*range(0x3041, 0x3100), *range(0x4E00, 0x4F00), *range(0xAC00, 0xAC80), *range(0xFF01, 0xFF60)}
        | {0x1F602, 0x20000, 0x10FFFF}
    ),
    np.uint32,
)


def recognised(path: Path) -> list[str]:
    """Names of the members that take the file for theirs."""
    with File(path) as file:
        return [member.NAME for member in vocabularies.members() if member.sniff(file)]


def check(spelling: Spelling, vocabulary: Vocabulary, count: int) -> None:
    """What holds for every spelling: shapes, known statuses, rows where the status has rows, and only there."""
    assert (spelling.status.dtype, spelling.row_ids.dtype, spelling.row_offsets.dtype) == (np.uint8, np.int64, np.int64)
    assert len(spelling) == len(spelling.row_offsets) - 1 == count
    assert spelling.row_offsets[0] == 0 and spelling.row_offsets[-1] == len(spelling.row_ids)
    lengths = np.diff(spelling.row_offsets)
    assert (lengths >= 0).all()
    assert set(spelling.status.tolist()) <= {int(status) for status in Status} - {int(Status.NO_ROW)}
    lost = (spelling.status == Status.REMOVED) | (spelling.status == Status.UNKNOWN)
    assert not lengths[lost].any()
    assert lengths[~lost].all()
    single = spelling.status <= Status.NORMALIZED
    assert (lengths[single] == 1).all()
    assert not len(spelling.row_ids) or spelling.row_ids.min() >= 0


def test_there_is_a_golden_file_for_every_member() -> None:
    """A kind without a file that another program wrote is not tested."""
    assert {name for path in GOLDEN for name in recognised(path)} == set(MEMBERS)
    assert len(MEMBERS) == len(vocabularies.MEMBERS)


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_exactly_one_member_recognises_it(path: Path) -> None:
    """So the order of the members never matters."""
    assert recognised(path) == [path.relative_to(DATA).parts[0]]


@pytest.mark.parametrize("path", [path for path in EVERYTHING if path not in GOLDEN], ids=lambda path: path.name)
def test_no_member_recognises_what_lies_beside(path: Path) -> None:
    """Merges and configuration are no vocabularies."""
    assert recognised(path) == []


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_it_opens(path: Path) -> None:
    """It opens, and what it says of some of every kind of character holds together."""
    vocabulary = vocabularies.read(path)
    assert str(path) in vocabulary.files
    assert all(Path(file).is_file() for file in vocabulary.files)
    assert vocabulary.size > 0 and len(vocabulary.digest) == 64
    spelling = vocabulary.spell(PROBES)
    check(spelling, vocabulary, len(PROBES))
    assert (spelling.status == Status.EXACT).any()
    check(vocabulary.spell(PROBES[:0]), vocabulary, 0)


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_a_character_is_spelt_the_same_in_any_company(path: Path) -> None:
    """Whatever is asked beside it, in whatever order."""
    whole = vocabularies.read(path).spell(PROBES)
    backwards = vocabularies.read(path).spell(PROBES[::-1].copy())
    for place in range(0, len(PROBES), 7):
        alone = vocabularies.read(path).spell(PROBES[place : place + 1]) if place % 91 == 0 else None
        behind = len(PROBES) - 1 - place
        assert (whole.status[place], whole.ids(place)) == (backwards.status[behind], backwards.ids(behind))
        assert alone is None or (alone.status[0], alone.ids(0)) == (whole.status[place], whole.ids(place))


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_opening_it_twice_gives_the_same(path: Path) -> None:
    """Also by another spelling of the path; and so do the characters."""
    first, second = vocabularies.read(path), vocabularies.read(str(path))
    for name in ("path", "kind", "size", "digest", "settings", "files", "notes"):
        assert getattr(first, name) == getattr(second, name)
    one, other = first.spell(PROBES), second.spell(PROBES)
    for name in ("status", "row_ids", "row_offsets"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_mutants(path: Path, tmp_path: Path) -> None:
    """With bytes changed or cut off, sniffers never raise, and opening gives a vocabulary or one of our errors.

    Spelling never crashes either; what it may find out is that the library cannot take the vocabulary.
    """
    generator = random.Random(path.name)
    for each in path.parent.iterdir():
        if each.is_file():
            shutil.copyfile(each, tmp_path / each.name)
    whole = path.read_bytes()
    target = tmp_path / path.name
    for _ in range(60):
        data = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.3 else whole)
        for _ in range(generator.randrange(1, 4)):
            if data:
                data[generator.randrange(min(len(data), generator.choice((16, 2000, 10**9))))] = generator.randrange(
                    256
                )
        overwrite(target, data)
        recognised(target)
        try:
            vocabulary = vocabularies.read(target)
            check(vocabulary.spell(PROBES[::5]), vocabulary, len(PROBES[::5]))
        except CharvecError as error:
            assert error.exit_code in (65, 66)


def test_random_bytes_are_nothing(tmp_path: Path) -> None:
    """Noise is recognised by nobody."""
    generator = random.Random(4)
    path = tmp_path / "noise"
    for _ in range(300):
        overwrite(path, b"\xfe" + generator.randbytes(generator.randrange(200)))
        assert recognised(path) == []
        with pytest.raises(CharvecError):
            vocabularies.read(path)
