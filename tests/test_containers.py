"""Compressed samples and archives: what other programs wrote, every damage, bombs, threads."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gc
import gzip
import importlib.util
import io
import itertools
import lzma
import random
import struct
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from effort import tries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charvec.containers import ARCHIVES, COMPRESSIONS, MEMBERS, Opened, inner_name, unpack
from charvec.containers import gzip as gzip_member
from charvec.containers import tar as tar_member
from charvec.containers import zip as zip_member
from charvec.containers import zstd as zstd_member
from charvec.plumbing.text import streams
from charvec.reading import BLOCK, Limits, Source, StreamDamage, magic

FILES = Path(__file__).parent / "data" / "containers"
TEXTS = Path(__file__).parent / "data" / "texts"
GOLDEN = sorted(path for path in FILES.iterdir() if path.name not in ("README.md", "make.sh"))
LARGE = random.Random(3).randbytes(1000) * 1500  # five blocks and something


def has(name: str) -> bool:
    """Whether a package is installed."""
    with contextlib.suppress(ImportError):
        return importlib.util.find_spec(name) is not None
    return False


ZSTDS = [name for name in ("compression.zstd", "backports.zstd", "zstandard") if has(name)]
needs_zstd = pytest.mark.skipif(not ZSTDS, reason="needs Python 3.14, backports.zstd or zstandard")
needs_isal = pytest.mark.skipif(not has("isal"), reason="needs isal")


@functools.cache
def zstd() -> Any:
    """A module that compresses."""
    if not set(ZSTDS) - {"zstandard"}:
        pytest.skip("needs Python 3.14 or backports.zstd")
    return importlib.import_module(ZSTDS[0])


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstd().compress(data, options={zstd().CompressionParameter.checksum_flag: 1}),
}


@pytest.fixture(params=[each for each in ("zlib", "isal.isal_zlib") if each == "zlib" or has("isal")])
def inflate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One library after the other."""
    library = importlib.import_module(request.param)
    monkeypatch.setattr(gzip_member, "_library", lambda: library)
    monkeypatch.setattr(zip_member, "_deflate", lambda: library)


def reading_ahead() -> int:
    """How many of our threads there are; tests before these may have left some of other libraries."""
    return sum(thread.name == "charvec read-ahead" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Threads end with what they were started for."""
    assert reading_ahead() == 0
    yield
    assert reading_ahead() == 0


class Pipe(io.RawIOBase):
    """A stream that cannot go back and gives its bytes in pieces of any size."""

    def __init__(self, data: bytes, pieces: Iterator[int] | None = None, fault: OSError | None = None) -> None:
        self._data, self._pieces, self._fault = io.BytesIO(data), pieces, fault

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._pieces is not None:
            size = min(size, next(self._pieces))
        data = self._data.read(size)
        if not data and self._fault:
            raise self._fault
        return data


@dataclass
class Result:
    """What came out."""

    texts: list[tuple[str, bytes]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    hidden: int = 0
    progress: int = 0
    bytes: int = 0

    @property
    def contents(self) -> list[bytes]:
        return [data for _, data in self.texts]

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.notes]


def opened(data: bytes | io.IOBase, limits: Limits | None = None, **options: Any) -> Result:
    """Everything in a sample."""
    result = Result()

    def progressed(count: int) -> None:
        result.progress += count

    source = Source(io.BytesIO(data) if isinstance(data, bytes) else data, progressed)  # type: ignore[arg-type]
    with closing(unpack("x", source, limits or Limits(), progressed, **options)) as inside:
        for each in inside:
            result.hidden += each.hidden
            if each.problem:
                assert each.problem.message.startswith(each.path) and each.problem.path == each.path
                result.notes.append((each.problem.code, each.problem.message))
            if each.source:
                result.texts.append((each.path, b"".join(each.source)))
                result.names.append(each.name)
                fault = each.source.fault
                if isinstance(fault, StreamDamage):
                    result.notes.append((fault.code, str(fault)))
                elif fault:
                    result.notes.append(("W-READ", str(fault)))
    result.bytes = source.bytes
    return result


def kind_of(path: Path) -> str:
    """The member that must take a golden file."""
    return path.name.split(".")[0]


# --- the contract of the family


def test_every_member_has_golden_files() -> None:
    """A member without one would not be tested."""
    assert {kind_of(path) for path in GOLDEN} == {member.NAME for member in MEMBERS}


def test_every_file_is_a_member() -> None:
    """But for those whose name begins with an underscore."""
    folder = Path(tar_member.__file__).parent
    names = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert names == {member.NAME for member in MEMBERS}
    assert len({member.NAME for member in MEMBERS}) == len(MEMBERS) == len(COMPRESSIONS) + len(ARCHIVES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_exactly_one_sniffer_says_yes(path: Path) -> None:
    """Order never matters, and it is the member the file is named after."""
    assert [member.NAME for member in MEMBERS if member.sniff(path.read_bytes()[:BLOCK])] == [kind_of(path)]


def test_no_two_sniffers_say_yes_to_anything() -> None:
    """Also for beginnings of golden files, and for noise behind them."""
    chance = random.Random(5)
    for path in GOLDEN:
        data = path.read_bytes()[:700]
        for length in range(len(data)):
            for head in (data[:length], data[:length] + chance.randbytes(9), data[:length] + bytes(5)):
                assert sum(member.sniff(head) for member in MEMBERS) <= 1, head


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.txt")), ids=lambda path: path.name)
def test_texts_and_binary_files_are_no_containers(path: Path) -> None:
    """They come back as they are, and nothing of them is read but the head."""
    if path.name.startswith("compressed"):
        pytest.skip("is one")
    source = Source(path.open("rb"), lambda count: None)
    with source.stream:
        (only,) = unpack("x", source, Limits(), lambda count: None)
        assert only == Opened("x", "x", source)
        assert source.bytes == len(source.head)
        assert b"".join(source) == path.read_bytes()


@pytest.mark.parametrize("path", sorted(TEXTS.glob("compressed.*.txt")), ids=lambda path: path.name)
def test_compressed_texts_are_containers(path: Path) -> None:
    """Whatever the name says."""
    if "zstd" in path.name and not ZSTDS:
        pytest.skip("needs a package")
    result = opened(path.read_bytes())
    assert len(result.texts) == 1 and not result.notes


@pytest.mark.parametrize(
    "head",
    [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY", b"PK\x03\x04"],
)
def test_what_readers_leave_to_this_family_is_taken(head: bytes) -> None:
    """No gap between two tables of magic bytes."""
    for data in (head, head + b"rest", head + bytes(999)):
        assert magic(data) in {member.NAME for member in MEMBERS if member.sniff(data)}


# --- what other programs wrote

TREE = {
    "a.txt": "字 charvec\né😀\n".encode(),
    "dir/" + "long" * 40 + ".txt": b"a name of many bytes\n",
    "dir/乙.txt": "第二\n".encode(),
    "empty.txt": b"",
    "packed.txt.gz": "第二部分\n".encode(),
}
SHORT, MORE = TREE["a.txt"], TREE["packed.txt.gz"]


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("path", [path for path in GOLDEN if ".txt." in path.name], ids=lambda path: path.name)
@pytest.mark.parametrize("pieces", [None, 1, 7, 100])
def test_compressed_files_of_other_programs(path: Path, pieces: int | None) -> None:
    """From a file, and from a pipe in pieces."""
    if kind_of(path) == "zstd" and not ZSTDS:
        pytest.skip("needs a package")
    data = path.read_bytes()
    result = opened(data if pieces is None else Pipe(data, itertools.repeat(pieces)))
    expected = b"" if ".empty." in path.name else SHORT + MORE if ".parts." in path.name else SHORT
    if path.name == "xz.padded.txt.xz":
        expected = SHORT + MORE
    assert result.texts == [("x", expected)] and not result.notes
    assert result.progress == result.bytes == len(data)


@pytest.mark.parametrize(
    "path", [path for path in GOLDEN if ".tar" in path.name or kind_of(path) == "tar"], ids=lambda path: path.name
)
@pytest.mark.parametrize("pieces", [None, 100])
def test_tars_of_other_programs(path: Path, pieces: int | None) -> None:
    """Each gives the same texts as by the standard library, and those that were put in."""
    if kind_of(path) == "zstd" and not ZSTDS:
        pytest.skip("needs a package")
    data = path.read_bytes()
    result = opened(data if pieces is None else Pipe(data, itertools.repeat(pieces)))
    assert not result.notes
    if ".sparse-" in path.name:
        parts = result.contents[0].split(b"\0")
        assert [part for part in parts if part] == [b"before\n", b"after\n", *(b"piece %d\n" % n for n in range(1, 9))]
    else:
        expected = {"x/" + name: content for name, content in TREE.items()}
        left_out = {"7zz": "empty packed", "ustar": "long", "v7": "long", "bsdtar-ustar": "dir"}.get(path.stem[4:], "")
        if kind_of(path) != "tar":
            left_out = ""
        for word in left_out.split():
            expected = {name: content for name, content in expected.items() if word not in name}
        assert dict(result.texts) == expected and result.hidden == (path.name != "tar.7zz.tar")
    if kind_of(path) != "zstd":
        with tarfile.open(path) as archive:
            theirs = [archive.extractfile(info).read() for info in archive if info.isreg()]  # type: ignore[union-attr]
        theirs = [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in theirs]
        assert sorted(opened(data, hidden=True).contents) == sorted(theirs)


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("path", [path for path in GOLDEN if kind_of(path) == "zip"], ids=lambda path: path.name)
def test_zips_of_other_programs(path: Path) -> None:
    """All methods that are still written, but for Deflate64, which no library reads; no password is asked for."""
    data = path.read_bytes()
    result = opened(data)
    if path.stem in ("zip.aes", "zip.encrypted", "zip.7zz-deflate64"):
        assert not result.texts and result.codes == ["W-ZIP"]
        assert ("encrypted" if "deflate" not in path.name else "method 9") in result.notes[0][1]
        return
    assert not result.notes
    with zipfile.ZipFile(path) as archive:
        theirs = [
            archive.read(info) for info in archive.infolist() if not info.is_dir() and info.filename[:4] != "link"
        ]
    theirs = [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in theirs]
    everything = opened(data, hidden=True)
    assert everything.contents == theirs and not everything.hidden
    if path.stem == "zip.zip":
        assert dict(result.texts) == {"x/" + name: content for name, content in TREE.items()}
        assert result.names[-1] == "x/packed.txt" and result.hidden == 1
        assert result.bytes == len(data) == result.progress


def test_zip_of_zstd() -> None:
    """Method 93."""
    zstd()
    library = pytest.importorskip("backports.zstd.zipfile")
    file = io.BytesIO()
    with library.ZipFile(file, "w", library.ZIP_ZSTANDARD) as archive:
        archive.writestr("a.txt", SHORT * 100)
    result = opened(file.getvalue())
    assert result.contents == [SHORT * 100] and not result.notes


# --- properties


@pytest.mark.usefixtures("inflate")
@settings(max_examples=tries(25, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.binary(max_size=300) | st.integers(0, 400_000).map(lambda n: LARGE[:n]), min_size=1, max_size=4),
    kind=st.sampled_from(sorted(PACK)),
    sizes=st.lists(st.integers(1, 5000) | st.integers(1, 12), min_size=1, max_size=9),
    wants=st.lists(st.integers(1, 400_000), min_size=1, max_size=5),
)
def test_what_went_in_comes_out(parts: list[bytes], kind: str, sizes: list[int], wants: list[int]) -> None:
    """Any bytes, any number of parts, read in any pieces from any pieces."""
    data = b"".join(map(PACK[kind], parts))
    if not any(member.sniff(b"".join(parts)[:BLOCK]) for member in MEMBERS):
        result = opened(Pipe(data, itertools.cycle(sizes)), Limits(ratio=10**6))
        assert result.texts == [("x", b"".join(parts))] and not result.notes
    member = next(member for member in COMPRESSIONS if kind == member.NAME)
    make, errors = member.start()
    decoding = streams.Decoding(kind, member.CODE, make, errors, member.why, member.begins, member.PADDING)
    for ahead in (False, True):
        source = Source(Pipe(data, itertools.cycle(sizes)), lambda count: None)  # type: ignore[arg-type]
        inflated = streams.Inflated(streams.Blocks(source), decoding, 10**9)
        with streams.Stream(inflated, ahead=ahead) as stream:
            want = itertools.cycle(wants)
            got = b"".join(iter(lambda: stream.read(next(want)), b""))  # noqa: B023
        assert got == b"".join(parts)


@settings(max_examples=40, deadline=None)
@given(
    files=st.dictionaries(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/."), min_size=1, max_size=40),
        st.binary(max_size=2000),
        max_size=6,
    ),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    kind=st.sampled_from(["", *sorted(PACK)]),
    size=st.integers(1, 3000),
)
def test_tars_give_what_was_put_in(files: dict[str, bytes], form: int, kind: str, size: int) -> None:
    """Any names and contents, compressed or not, also through a pipe."""
    file = io.BytesIO()
    files = {name + ".txt": b"text " + content for name, content in files.items()}
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = file.getvalue()
    result = opened(Pipe(PACK[kind](data) if kind else data, itertools.repeat(size)))
    if files:
        assert dict(result.texts) == {"x/" + name: content for name, content in files.items()} and not result.notes


@pytest.mark.usefixtures("inflate")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(st.text("abcü一é", min_size=1, max_size=20), st.binary(max_size=9000), max_size=6),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
)
def test_zips_give_what_was_put_in(files: dict[str, bytes], method: int) -> None:
    """Any names and contents, by all methods."""
    files = {name + ".txt": b"text " + content for name, content in files.items()}
    result = opened(zipped(files, method))
    assert dict(result.texts) == {"x/" + name: content for name, content in files.items()} and not result.notes


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOLDEN), st.integers(0, 300), st.binary(max_size=40), st.integers(0, 3))
def test_noise_is_answered(path: Path, place: int, noise: bytes, how: int) -> None:
    """Bytes put in, put over, or put behind: never an error that is not ours, and never more than was there."""
    data = path.read_bytes()
    place = place * len(data) // 300
    spoiled = (
        data[:place] + noise + data[place:],
        data[:place] + noise + data[place + len(noise) :],
        data[:place] + noise,
        data[:place] + data[place + len(noise) :],
    )[how]
    opened(spoiled)
    opened(Pipe(spoiled))


# --- every damage

#: Without a checksum, so that changed bytes are not noticed.
UNCHECKED = ("xz.unchecked.txt.xz", "zstd.unsized.txt.zst")
SMALL = [path for path in GOLDEN if path.stat().st_size < 1400 and (kind_of(path) != "zstd" or ZSTDS)]


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_every_truncation(path: Path) -> None:
    """What came before is given, the rest is said to be missing."""
    data = path.read_bytes()
    whole = opened(data)
    for length in range(len(data)):
        cut = data[:length]
        if not any(member.sniff(cut) for member in MEMBERS):
            continue  # the readers will see what it is
        result = opened(Pipe(cut) if kind_of(path) != "zip" else cut)
        if result.contents != whole.contents and not result.notes:
            # between two parts no trace is left
            assert ".parts." in path.name or path.name == "xz.padded.txt.xz"
            assert result.contents == [SHORT]
        if ".tar" not in path.name and result.texts:
            assert whole.contents[0].startswith(result.contents[0])
        assert set(result.codes) <= {f"W-{kind_of(path).upper()}", "W-TAR", "W-GZIP"}


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.name)
def test_every_flipped_bit(path: Path) -> None:
    """Never another text without a word; where the format has a checksum."""
    data = bytearray(path.read_bytes())
    whole = opened(bytes(data))
    modes = [place + 40 for place in places(bytes(data), b"PK\x01\x02")] if kind_of(path) == "zip" else []
    chance = random.Random(path.name)
    bits = itertools.product(range(len(data)), range(8))
    for place, bit in bits if len(data) < 300 else ((place, chance.randrange(8)) for place in range(len(data))):
        data[place] ^= 1 << bit
        spoiled = bytes(data)
        data[place] ^= 1 << bit
        if not any(member.sniff(spoiled) for member in MEMBERS):
            continue
        result = opened(spoiled)
        if path.name in UNCHECKED or result.notes != whole.notes or result.hidden != whole.hidden:
            continue
        if result.contents != whole.contents:
            # a file that is called a link, or a link a file: zip has no checksum over what it says of files
            assert any(place in (mode - 35, mode, mode + 1) for mode in modes)
            assert abs(len(result.contents) - len(whole.contents)) == 1


def places(data: bytes, mark: bytes) -> list[int]:
    """Where a mark stands."""
    return [place for place in range(len(data)) if data.startswith(mark, place)]


@pytest.mark.parametrize("name", ["tar.gnu.tar", "tar.posix.tar", "tar.v7.tar", "tar.bsdtar-pax.tar"])
def test_flipped_bits_of_tars(name: str) -> None:
    """The headers have a checksum. Contents have none, nor has what extends headers."""
    data = bytearray((FILES / name).read_bytes())
    whole = opened(bytes(data))
    with tarfile.open(FILES / name) as archive:
        contents = [range(info.offset_data, info.offset_data + info.size) for info in archive if info.isreg()]
    chance = random.Random(name)
    for place, bit in [(chance.randrange(len(data)), chance.randrange(8)) for _ in range(1500)]:
        data[place] ^= 1 << bit
        result = opened(bytes(data))
        data[place] ^= 1 << bit
        if result.contents != whole.contents and not result.notes and result.hidden == whole.hidden:
            assert any(place in content for content in contents)
            assert len(result.contents) == len(whole.contents)


@pytest.mark.parametrize("name", ["tar.gnu.tar", "tar.posix.tar", "tar.v7.tar"])
def test_truncations_of_tars(name: str) -> None:
    """Whole files are given, one is given in part, the rest is said to be missing."""
    data = (FILES / name).read_bytes()
    whole = opened(data)
    for length in range(512, len(data), 61):
        result = opened(Pipe(data[:length]))
        for ours, theirs in zip(result.texts, whole.texts, strict=False):
            assert ours[0] == theirs[0] and (theirs[1].startswith(ours[1]) or ours[1].startswith(b"\x1f"))
        if result.contents != whole.contents:
            assert set(result.codes) & {"W-TAR", "W-GZIP"}


@needs_isal
def test_both_libraries_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole files and damaged ones; but for the last letter of one that is cut short."""
    chance = random.Random(8)
    plain = bytes(chance.choices(b"abcdefgh \n", k=600_000))
    packed = gzip.compress(plain) + gzip.compress(plain[:99])
    spoiled = [packed, packed + b"garbage", packed + bytes(99)]
    for _ in range(25):
        place = chance.randrange(len(packed))
        spoiled += [packed[:place], packed[:place] + chance.randbytes(1) + packed[place + 1 :]]
    results = []
    for name in ("zlib", "isal.isal_zlib"):
        library = importlib.import_module(name)
        monkeypatch.setattr(gzip_member, "_library", lambda library=library: library)
        results.append([(b"".join(result.contents), result.notes) for result in map(opened, spoiled)])
    for (ours, notes), (theirs, their_notes) in zip(*results, strict=True):
        assert notes == their_notes and (notes or ours == theirs)
        assert ours.startswith(theirs) and len(ours) - len(theirs) <= 1


@pytest.mark.parametrize("kind", sorted(PACK))
def test_a_large_file_that_is_cut_short(kind: str) -> None:
    """Nearly all that is there is given, through the thread as well."""
    chance = random.Random(2)
    plain = chance.randbytes(1 << 21)
    packed = PACK[kind](plain)
    result = opened(Pipe(packed[: len(packed) * 3 // 4]))
    assert plain.startswith(result.contents[0])
    assert len(result.contents[0]) > len(plain) // 2 - 900_000 * (kind == "bzip2")
    assert result.notes == [(f"W-{kind.upper()}", f"the {kind} data is cut short")]


@pytest.mark.parametrize("kind", sorted(PACK))
def test_damage_in_a_later_block(kind: str) -> None:
    """What was decompressed before is given."""
    plain = random.Random(2).randbytes(1 << 20)
    packed = bytearray(PACK[kind](plain) + PACK[kind](plain))
    packed[len(packed) * 3 // 4] ^= 0x55
    result = opened(bytes(packed))
    assert result.contents[0].startswith(plain) and result.codes == [f"W-{kind.upper()}"]


@pytest.mark.parametrize("kind", sorted(PACK))
def test_garbage_behind_the_end(kind: str) -> None:
    """All is read, and the rest is said."""
    packed = PACK[kind](SHORT)
    for garbage in (b"!", b"garbage", b"\0garbage", LARGE, packed[:1] + b"x" * 99):
        result = opened(packed + garbage)
        assert result.contents == [SHORT]
        assert result.notes == [
            (f"W-{kind.upper()}", f"the {kind} data ends at byte {len(packed)}, and what follows was not read")
        ]


@pytest.mark.parametrize(("kind", "padding"), [("gzip", 1), ("gzip", 300_000), ("xz", 4), ("xz", 400_000)])
def test_padding(kind: str, padding: int) -> None:
    """Zero bytes behind and between parts, where the format allows them."""
    packed = PACK[kind](SHORT) + bytes(padding)
    assert opened(packed + packed).texts == [("x", SHORT + SHORT)] and not opened(packed + packed).notes
    if kind == "xz":
        assert opened(packed[:-1]).codes == opened(packed[:-1] + packed).codes == ["W-XZ"]


@pytest.mark.parametrize("kind", sorted(PACK))
def test_many_empty_parts(kind: str) -> None:
    """Time is proportional to their number."""
    start = time.perf_counter()
    result = opened(PACK[kind](b"") * 30_000 + PACK[kind](SHORT))
    assert result.contents == [SHORT] and not result.notes
    assert time.perf_counter() - start < 20


def test_reserved_flags_of_gzip() -> None:
    """RFC 1952, 2.3.1.2: they "must give an error indication", which ISA-L does not."""
    packed = bytearray(gzip.compress(SHORT))
    packed[3] |= 0x80
    assert opened(bytes(packed)).codes == ["W-GZIP"]


@pytest.mark.parametrize("kind", sorted(PACK))
def test_a_disk_that_fails(kind: str) -> None:
    """It is not called damage of the file."""
    packed = PACK[kind](LARGE)
    result = opened(Pipe(packed[: len(packed) // 2], fault=OSError(5, "Input/output error")))
    assert result.codes == ["W-READ"]
    tar = gzip.compress(tarred({"a": b"text\n", "b": random.Random(1).randbytes(1 << 20)}))
    result = opened(Pipe(tar[: len(tar) // 2], fault=OSError(5, "Input/output error")))
    assert result.codes == ["W-READ", "W-READ"] and result.contents[0] == b"text\n"


# --- limits

ZEROS = bytes(1 << 20)


def bomb(kind: str) -> bytes:
    """More than ten gigabytes of zeros."""
    if kind == "gzip":
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        begin = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        once = b"".join(deflate.compress(ZEROS) for _ in range(64)) + deflate.flush(zlib.Z_FULL_FLUSH)
        return begin + once * 160
    step = {"bzip2": bz2.BZ2Compressor, "xz": lzma.LZMACompressor, "zstd": lambda: zstd().ZstdCompressor()}[kind]()
    once = b"".join(step.compress(ZEROS) for _ in range(64)) + step.flush()
    return once * 160


@pytest.fixture(scope="module")
def bombs() -> Callable[[str], bytes]:
    """Made once."""
    return functools.cache(bomb)


@pytest.mark.parametrize("kind", sorted(PACK))
def test_bombs_are_cut_off(kind: str, bombs: Callable[[str], bytes]) -> None:
    """In memory that does not depend on them, and soon."""
    data = bombs(kind)
    tracemalloc.start()
    start = time.perf_counter()
    try:
        source = Source(Pipe(data), lambda count: None)  # type: ignore[arg-type]
        with closing(unpack("x", source, Limits(), lambda count: None)) as inside:
            for each in inside:
                assert each.source is not None
                size = sum(map(len, each.source))
                fault = each.source.fault
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(fault, StreamDamage) and fault.code == "W-BOMB" and "--max-ratio" in str(fault)
    assert 1 << 20 <= size <= max(1 << 20, 200 * source.bytes) and peak < 16 << 20
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("kind", sorted(PACK))
def test_what_is_below_the_limit_is_read(kind: str) -> None:
    """A mebibyte always, and more when the user says so."""
    assert opened(PACK[kind](ZEROS)).contents == [ZEROS]
    more = PACK[kind](ZEROS + b"x")
    assert opened(more).notes[0][0] == "W-BOMB" and opened(more).contents == [ZEROS]
    assert opened(more, Limits(ratio=10**6)).contents == [ZEROS + b"x"]


def test_bombs_inside_archives(bombs: Callable[[str], bytes]) -> None:
    """One member is cut off, the others are read; but all together are no more than the archive allows."""
    large = gzip.compress(ZEROS * 40)
    data = tarred({"a.gz": large, "b": SHORT})
    result = opened(data)
    assert [len(content) for content in result.contents] == [200 * len(large), len(SHORT)]
    assert result.codes == ["W-BOMB"]
    result = opened(zipped({"a": ZEROS * 40, "b": SHORT}))
    assert len(result.contents[0]) < 40 << 20 and result.contents[1:] == [SHORT] and result.codes == ["W-BOMB"]
    many = {f"{number}": ZEROS for number in range(100)}
    result = opened(zipped(many))
    assert sum(map(len, result.contents)) < 100 << 20 and result.codes[0] == "W-BOMB"
    assert result.notes[-1][1].startswith("x: it swells to more than 200 times")
    # layers do not multiply: the whole is held against the bytes of the outermost
    packed = gzip.compress(tarred({f"{number}.gz": gzip.compress(ZEROS * 8) for number in range(50)}))
    result = opened(packed)
    assert sum(map(len, result.contents)) <= 1 << 20 and "W-BOMB" in result.codes


def test_a_zip_bomb_of_shared_bytes() -> None:
    """Many members that are one: as in 42.zip's successors, https://www.bamsoftware.com/hacks/zipbomb/."""
    kernel = zipped({"a": random.Random(1).randbytes(9999) * 20})
    end = kernel.rfind(b"PK\x05\x06")
    start = kernel.rfind(b"PK\x01\x02")
    directory = kernel[start:end] * 5000
    counts = struct.pack("<HHII", 5000, 5000, len(directory), start)
    result = opened(kernel[:start] + directory + kernel[end : end + 8] + counts + b"\0\0")
    assert not result.texts and set(result.codes) == {"W-ZIP"} and "overlaps" in result.notes[0][1]
    # members that reach into each other, each with its own header
    data = zipped({"a": SHORT * 50, "b": MORE * 50}, zipfile.ZIP_STORED)
    place = data.find(b"PK\x01\x02")
    spoiled = data[: place + 20] + struct.pack("<II", 1300, 1300) + data[place + 28 :]
    result = opened(spoiled)
    assert result.contents == [MORE * 50] and result.codes == ["W-ZIP"]


def test_a_file_of_holes() -> None:
    """Sparse files in a tar are bombs of 1 KB."""
    header = bytearray(tarfile.TarInfo("a.txt").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[124:136] = b"00000000005\0"
    header[386:410] = b"00000000000\x0000000000005\0"
    header[483:495] = b"\x80" + (1 << 50).to_bytes(11, "big")
    data = with_checksum(header) + b"text\n".ljust(512, b"\0") + bytes(1024)
    result = opened(data)
    assert result.contents[0].startswith(b"text\n\0\0") and len(result.contents[0]) == 1 << 20
    assert result.codes == ["W-BOMB", "W-BOMB"]


def test_members_are_limited() -> None:
    """The rest is said."""
    files = {f"{number}.txt": b"text\n" for number in range(9)}
    for data in (tarred(files), zipped(files), gzip.compress(tarred(files))):
        result = opened(data, Limits(members=5))
        assert len(result.texts) == 5 and result.codes == ["W-BOMB"]
        assert len(opened(data, Limits(members=9)).texts) == 9


def test_large_dictionaries_are_not_allocated() -> None:
    """The message says how to read them all the same."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    result = opened(lzma.compress(SHORT, filters=filters))
    assert result.codes == ["W-XZ"] and "memory" in result.notes[0][1] and "`xz -dc" in result.notes[0][1]
    assert opened(lzma.compress(SHORT, preset=9)).contents == [SHORT]
    data = bytearray(zipped({"a": SHORT}, zipfile.ZIP_LZMA))
    place = data.find(b"\x09\x04\x05\0")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    assert opened(bytes(data)).codes == ["W-ZIP"]


def test_large_windows_are_not_allocated() -> None:
    """As the program zstd, which asks for --long=31 as well."""
    step = zstd().ZstdCompressor(options={zstd().CompressionParameter.window_log: 30})
    result = opened(step.compress(SHORT) + step.flush())
    assert result.codes == ["W-ZSTD"] and "128 MiB" in result.notes[0][1] and "--long=31" in result.notes[0][1]


def test_large_headers_and_directories_are_not_read() -> None:
    """Neither a name of two megabytes nor a directory of twenty."""
    assert "more than 1,048,576 bytes" in opened(tarred({"n" * (2 << 20): b""})).notes[0][1]
    chain = tarfile.TarInfo("n" * 101).tobuf(tarfile.GNU_FORMAT)[:1024] * 4000
    assert "more than 1,048,576 bytes" in opened(chain + tarred({})).notes[0][1]
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 20 << 20, 30, 0)
    result = opened(b"PK\x03\x04" + bytes(21 << 20) + end)
    assert result.codes == ["W-ZIP"] and "unpack it" in result.notes[0][1]


def test_hostile_pax_headers_take_no_time() -> None:
    """CVE-2024-6232: quadratic time in tarfile."""
    for content in (b"1" * 900_000, b"3 3 " * 200_000, b"3 a" * 200_000):
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.XHDTYPE, len(content)
        data = header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512) + tarred({"a": b"text"})
        start = time.perf_counter()
        assert opened(data).codes == ["W-TAR"]
        assert time.perf_counter() - start < 5


# --- layers


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(files: dict[str, bytes | tarfile.TarInfo], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in files.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                archive.addfile(info)
    return file.getvalue()


def with_checksum(header: bytearray) -> bytes:
    """A header block with the right sum."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@pytest.mark.parametrize("inner", sorted(PACK))
@pytest.mark.parametrize("outer", sorted(PACK))
def test_one_compression_only(inner: str, outer: str) -> None:
    """In itself or in another: named and left out."""
    result = opened(PACK[outer](PACK[inner](SHORT)))
    assert result.notes == [("W-BINARY", f"x is {inner} inside {outer} and was not read; unpack the outer one first")]
    assert not result.texts


def test_one_archive_only() -> None:
    """With one compression around it and one around each member."""
    inside = gzip.compress(SHORT)
    for data in (tarred({"a.gz": inside}), zipped({"a.gz": inside}), bz2.compress(tarred({"a.gz": inside}))):
        assert opened(data).texts == [("x/a.gz", SHORT)] and opened(data).names == ["x/a"]
    for inner in (tarred({"b": SHORT}), zipped({"b": SHORT}), gzip.compress(tarred({"b": SHORT}))):
        for outer in (tarred, zipped):
            result = opened(outer({"a.tar": inner, "c": MORE}))
            assert result.contents == [MORE] and result.codes == ["W-BINARY"]
            assert "unpack the outer one first" in result.notes[0][1]
    twice = tarred({"a.gz.xz": lzma.compress(gzip.compress(SHORT))})
    assert opened(twice).notes == [
        ("W-BINARY", "x/a.gz.xz is gzip inside xz and was not read; unpack the outer one first")
    ]
    assert opened(gzip.compress(zipped({"b": SHORT}))).codes == ["W-BINARY"]


def test_a_zip_from_a_pipe() -> None:
    """Its directory stands at its end; from a file that became standard input it is read."""
    data = zipped({"a": SHORT})
    result = opened(Pipe(data))
    assert result.codes == ["W-ZIP"] and "save it" in result.notes[0][1]
    assert opened(io.BufferedReader(io.BytesIO(data))).contents == [SHORT]  # type: ignore[arg-type]


# --- archives


def test_names() -> None:
    """As in the archive, but for what leads to its root; never taken for paths of ours."""
    files = {"./a.txt": b"1", "/etc/b.txt": b"2", "../../c.txt": b"3", "d\\e.txt": b"4", "a.txt": b"5"}
    files["e\x1b[31m"] = b"6"
    result = opened(tarred(files))
    assert [path for path, _ in result.texts] == [
        "x/a.txt",
        "x/etc/b.txt",
        "x/../../c.txt",
        "x/d\\e.txt",
        "x/a.txt",
        "x/e\x1b[31m",
    ]
    assert opened(tarred({"a.txt": b"1", ".//a": b"2"})).contents == [b"1", b"2"]


def test_names_of_zips() -> None:
    """Those of DOS, those of Unicode, and those of programs that write UTF-8 and do not say so."""
    data = zipped({"乙.txt": SHORT, "aé.txt": MORE})
    assert [path for path, _ in opened(data).texts] == ["x/乙.txt", "x/aé.txt"]
    unmarked = bytearray(data)
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for start in places(data, mark):
            unmarked[start + place + 1] &= ~8 & 0xFF
    assert [path for path, _ in opened(bytes(unmarked)).texts] == ["x/乙.txt", "x/aé.txt"]
    dos = bytes(unmarked).replace("aé.txt".encode(), b"a\x82b.txt")
    assert [path for path, _ in opened(dos).texts][1] == "x/aéb.txt"


def test_hidden_and_unwanted_files() -> None:
    """As in folders."""
    files = {"a.txt": b"1", ".b.txt": b"2", "c/.d/e.txt": b"3", "__MACOSX/a.txt": b"4"}
    files |= {"./f.csv": b"5", "g.txt.gz": b"6"}
    for data in (tarred(files), zipped(files)):
        result = opened(data)
        assert result.contents == [b"1", b"5", b"6"] and result.hidden == 3
        assert len(opened(data, hidden=True).texts) == 6
        result = opened(data, wanted=lambda name: name.endswith(".txt"))
        assert result.contents == [b"1", b"6"] and result.hidden == 3
        assert opened(data, wanted=lambda name: False).texts == []


def test_what_is_no_file_is_passed_over() -> None:
    """Links, devices, pipes and folders. A hard link is told of when what it leads to is not read."""
    special: dict[str, bytes | tarfile.TarInfo] = {"a.txt": b"text", ".b.txt": b"hidden"}
    for kind in (tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
        special[f"special {kind!r}"] = tarfile.TarInfo()
        special[f"special {kind!r}"].type = kind  # type: ignore[union-attr]
    for name in ("a.txt", ".b.txt", "./.b.txt"):
        link = special[f"link to {name.replace('/', '-')}"] = tarfile.TarInfo()
        link.type, link.linkname = tarfile.LNKTYPE, name
    result = opened(tarred(special))
    assert result.contents == [b"text"] and result.hidden == 1
    assert result.codes == ["W-LINK", "W-LINK"] and "a hard link to .b.txt" in result.notes[0][1]
    assert not opened(tarred(special), hidden=True).notes
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "a.txt")
        archive.writestr("a.txt", SHORT)
        archive.writestr("folder/", b"")
    assert opened(file.getvalue()).texts == [("x/a.txt", SHORT)]


def test_unknown_types_in_a_tar() -> None:
    """Said, and what follows is read."""
    odd = tarfile.TarInfo()
    odd.type = b"Z"
    volume = tarfile.TarInfo()
    volume.type = b"M"
    label = tarfile.TarInfo()
    label.type = b"V"
    result = opened(tarred({"label": label, "odd": odd, "volume": volume, "a.txt": SHORT}))
    assert result.contents == [SHORT] and result.codes == ["W-TAR", "W-TAR"]
    assert "unknown" in result.notes[0][1] and "volume" in result.notes[1][1]


def test_the_end_of_a_tar() -> None:
    """It has a mark, and nothing behind it."""
    data = tarred({"a": SHORT, "b": MORE})
    assert not opened(data[: 4 * 512 + 512]).notes
    assert "no end mark" in opened(data[: 4 * 512]).notes[0][1]
    assert "more follows" in opened(data + data).notes[0][1]
    assert not opened(data + bytes(1 << 20)).notes
    assert opened(data + bytes(1 << 20) + b"x").codes == ["W-TAR"]


def test_a_damaged_header_is_no_end() -> None:
    """tarfile takes it for one."""
    data = bytearray(tarred({"a": SHORT, "b": MORE, "c": SHORT}))
    data[1024] ^= 1
    result = opened(bytes(data))
    assert result.contents == [SHORT] and result.notes == [
        ("W-TAR", "x: the archive is damaged: no header at byte 1,024; texts in it may be missing or incomplete")
    ]


@pytest.mark.parametrize("size", [b"\xff" * 11 + b"\xf0", b"\x80" + b"\xff" * 11, b"77777777777\0", b"garbage    \0"])
def test_sizes_that_cannot_be(size: bytes) -> None:
    """CVE-2025-8194: tarfile goes back and never ends."""
    for kind in (b"0", b"x", b"L", b"g", b"S"):
        header = bytearray(tarfile.TarInfo("a").tobuf())
        header[124:136], header[156:157] = size, kind
        result = opened(with_checksum(header) + tarred({"b": b"text"}))
        assert "W-TAR" in result.codes


def test_malformed_pax_and_sparse_headers() -> None:
    """An answer to each."""
    lines = "11 path=x", "8 path=x", "0 a=b", "99 path=x", "path=x", "-1 a=b", "9 pathxx"
    for record in (b"", *(line.encode() + b"\n" for line in lines)):
        data = pax(record) + tarred({"a": SHORT})
        assert opened(data).codes == ([] if not record else ["W-TAR"]), record
    for sparse in ("GNU.sparse.map=0,", "GNU.sparse.map=0,9,5,9", "GNU.sparse.map=0,99999", "GNU.sparse.map=x,y"):
        data = pax(record_of("GNU.sparse.size=50") + record_of(sparse)) + tarred({"a": SHORT * 9})
        assert opened(data).codes[0] == "W-TAR", sparse
    for start in (b"x\n", b"9\n1\n", b"1" * 600, b"", b"1\n0\n99999\n"):
        records = ("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=50")
        data = pax(b"".join(map(record_of, records))) + tarred({"a": start})
        assert opened(data).codes[0] == "W-TAR", start


def record_of(text: str) -> bytes:
    """A line of a pax header."""
    length = len(text.encode()) + 2
    while len(f"{length} {text}\n".encode()) != length:
        length += 1
    return f"{length} {text}\n".encode()


def pax(content: bytes) -> bytes:
    """A pax header."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(content)
    return info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def test_pax_headers_that_hold_for_all() -> None:
    """A global header is overruled by that of a file."""
    info = tarfile.TarInfo("x")
    content = record_of("path=all.txt")
    info.type, info.size = tarfile.XGLTYPE, len(content)
    everywhere = info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
    one = tarred({"a": SHORT})[:1024]
    result = opened(everywhere + one + pax(record_of("path=own.txt")) + one + bytes(1024))
    assert [path for path, _ in result.texts] == ["x/all.txt", "x/own.txt"] and not result.notes


def test_documents_are_no_archives_of_texts() -> None:
    """Their markup is not counted."""
    for name, kind in (
        ("[Content_Types].xml", "Office"),
        ("mimetype", "EPUB"),
        ("META-INF/MANIFEST.MF", "Java"),
        ("archive/data.pkl", "PyTorch"),
        ("codepoints.npy", "NumPy"),
    ):
        result = opened(zipped({name: SHORT}))
        assert result.codes == ["W-BINARY"] and kind in result.notes[0][1] and not result.texts


def test_zips_that_are_cut_joined_or_untrue() -> None:
    """What the directory does not tell is said."""
    one, two = zipped({"a": SHORT}), zipped({"b": MORE})
    result = opened(one + two)
    assert result.contents == [MORE] and result.codes == ["W-ZIP"] and f"first {len(one)} bytes" in result.notes[0][1]
    assert opened(one[:-30]).notes == [
        (
            "W-ZIP",
            "x: the archive has no directory at its end that can be read; it may be cut short; it was not read",
        )
    ]
    assert opened(one + b"\0" * 5).contents == [SHORT]
    assert opened(zipped({})).texts == [] and not opened(zipped({})).notes
    pair = bytearray(zipped({"a": SHORT, "b": MORE}))
    pair[-12:-10] = b"\x03\0"
    assert "as many members as it says" in opened(bytes(pair)).notes[0][1]
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("a", SHORT)
        archive.writestr("a", MORE)
    assert opened(twice.getvalue()).contents == [SHORT, MORE]


def test_a_member_without_a_name() -> None:
    """zipfile of Python 3.11 cannot ask whether it is a folder."""
    data = zipped({"a": SHORT})
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    local = data[:26] + b"\0\0" + data[28:30] + data[31:start]
    directory = data[start : start + 28] + b"\0\0" + data[start + 30 : start + 46]
    tail = data[end : end + 12] + struct.pack("<IIH", len(directory), len(local), 0)
    assert opened(local + directory + tail).texts == [("x/", SHORT)]


def test_a_large_archive(tmp_path: Path) -> None:
    """Members of several blocks, and many small ones; the progress adds up to the file."""
    files = {"large": LARGE, **{f"{number}": b"%d\n" % number for number in range(500)}, "again": LARGE}
    for data in (zipped(files), zipped(files, zipfile.ZIP_STORED), tarred(files), gzip.compress(tarred(files))):
        (tmp_path / "file").write_bytes(data)
        with (tmp_path / "file").open("rb", buffering=0) as stream:
            result = opened(stream, Limits(ratio=10**6))
        assert dict(result.texts) == {"x/" + name: content for name, content in files.items()} and not result.notes
        assert result.progress == result.bytes <= len(data)
        assert result.bytes > len(data) - 70 * len(files) - 10_000


# --- packages that are missing


@pytest.mark.parametrize(
    ("kind", "modules"),
    [
        ("zstd", ["compression.zstd", "backports.zstd", "zstandard"]),
        ("bzip2", ["bz2"]),
        ("xz", ["lzma"]),
    ],
)
def test_missing_packages(kind: str, modules: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is left out, and the message says what to do."""
    data = next(path for path in GOLDEN if path.name.startswith(f"{kind}.{kind}")).read_bytes()
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    zstd_member._library.cache_clear()
    try:
        result = opened(data)
    finally:
        zstd_member._library.cache_clear()
    assert result.codes == ["W-COMPRESSED"] and f"`{kind} -dc FILE | charvec ... -`" in result.notes[0][1]
    assert ("charvec[fast]" in result.notes[0][1]) == (kind == "zstd")


def test_missing_packages_for_zips(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member is left out."""
    data = bytearray(zipped({"a": SHORT, "b": MORE}, zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        data[data.find(mark) + place] = 93
    for module in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    zip_member._zstd.cache_clear()
    try:
        result = opened(bytes(data))
    finally:
        zip_member._zstd.cache_clear()
    assert result.contents == [MORE] and result.codes == ["W-COMPRESSED"] and "charvec[fast]" in result.notes[0][1]


def test_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    """zlib does it."""
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    for cached in (gzip_member._library, zip_member._deflate):
        cached.cache_clear()
    try:
        assert gzip_member._library() is zip_member._deflate() is zlib
        assert opened(gzip.compress(SHORT)).contents == opened(zipped({"a": SHORT})).contents == [SHORT]
    finally:
        for cached in (gzip_member._library, zip_member._deflate):
            cached.cache_clear()


@pytest.mark.parametrize("name", ZSTDS)
def test_every_package_for_zstd(name: str, monkeypatch: pytest.MonkeyPatch, bombs: Callable[[str], bytes]) -> None:
    """The same bytes and the same damage."""
    library = importlib.import_module(name)
    monkeypatch.setattr(zstd_member, "_library", lambda: library)
    for path in [path for path in GOLDEN if kind_of(path) == "zstd"]:
        assert not opened(path.read_bytes()).notes
    chance = random.Random(4)
    plain = bytes(chance.choices(b"abcdefgh \n", k=600_000))
    packed = zstd().compress(plain) + zstd().compress(SHORT)
    assert opened(Pipe(packed, itertools.repeat(999))).contents == [plain + SHORT]
    assert opened(packed[:-1]).codes == opened(packed + b"x").codes == ["W-ZSTD"]
    result = opened(bombs("zstd"))
    assert result.codes == ["W-BOMB"] and len(result.contents[0]) <= max(1 << 20, 200 * len(bombs("zstd")))


# --- reading ahead


def test_small_files_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not up to a block."""
    monkeypatch.setattr(streams, "_start", lambda inner: pytest.fail("a thread for a small file"))
    for size in (0, 1, BLOCK - 1):
        for kind in PACK:
            assert opened(PACK[kind](LARGE[:size])).contents == [LARGE[:size]]
        assert opened(zipped({"a": LARGE[:size]})).contents == [LARGE[:size]]
    assert opened(gzip.compress(LARGE[: BLOCK - 9])[:-9]).codes == ["W-GZIP"]
    assert opened(tarred({"a": LARGE})).contents == [LARGE]


def test_the_thread_reads_ahead_but_not_far() -> None:
    """A few blocks, and no more before they are used."""
    source = Source(Pipe(gzip.compress(LARGE * 20)), lambda count: None)  # type: ignore[arg-type]
    with closing(unpack("x", source, Limits(ratio=10**6), lambda count: None)) as inside:
        text = next(inside).source
        assert text is not None and reading_ahead() == 0
        blocks = iter(text)
        next(blocks), next(blocks)
        assert reading_ahead() == 1
        pump = text.stream._pump  # type: ignore[attr-defined]
        for _ in range(200):
            if pump._queue.qsize() >= 3:
                break
            time.sleep(0.01)
        time.sleep(0.05)
        assert pump._queue.qsize() == 3 and len(text.stream._rest) == 3 * BLOCK  # type: ignore[attr-defined]
        assert sum(map(len, blocks)) == len(LARGE) * 20 - 2 * BLOCK


@pytest.mark.parametrize("how", ["break", "raise", "collect", "drop"])
def test_the_thread_ends_when_nobody_reads_on(how: str) -> None:
    """Whatever the reason."""
    data = gzip.compress(LARGE * 20)

    def use() -> None:
        source = Source(Pipe(data), lambda count: None)  # type: ignore[arg-type]
        inside = unpack("x", source, Limits(ratio=10**6), lambda count: None)
        text = next(inside).source
        assert text is not None
        blocks = iter(text)
        next(blocks), next(blocks)
        assert reading_ahead() == 1
        if how == "raise":
            with closing(inside):
                raise KeyError("not ours")
        if how == "break":
            inside.close()  # type: ignore[attr-defined]

    if how == "drop":
        # without the generator, whose end ends all: the stream alone, in a circle with itself
        stream = streams.Stream(io.BytesIO(LARGE * 20), ahead=True)
        stream.circle = stream  # type: ignore[attr-defined]
        size = len(stream.read(BLOCK)) + len(stream.read(BLOCK))
        assert size == 2 * BLOCK and reading_ahead() == 1
        del stream
        gc.collect()
        return
    with contextlib.suppress(KeyError):
        use()
    gc.collect()


def test_errors_of_the_thread_reach_the_reader() -> None:
    """Also those that are no errors of reading."""

    class Failing:
        def __init__(self) -> None:
            self.calls = 0

        def read(self, size: int) -> bytes:
            self.calls += 1
            if self.calls > 7:
                raise MemoryError("out of it")
            return bytes(size)

    with streams.Stream(Failing(), ahead=True) as stream:
        blocks = 1 + 6 * streams._STRIDE // BLOCK  # all but the first are read ahead
        assert sum(len(stream.read(BLOCK)) for _ in range(blocks)) == blocks * BLOCK
        with pytest.raises(MemoryError, match="out of it"):
            stream.read(BLOCK)
    with pytest.raises(ValueError, match="closed"):
        stream.read(1)


def test_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read without."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert opened(gzip.compress(LARGE), Limits(ratio=10**6)).contents == [LARGE]


def test_a_writer_that_sleeps_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits for the other end of a pipe is left to itself, and ends when that wakes."""
    monkeypatch.setattr(streams, "_PATIENCE", 0.05)
    asleep, awake = threading.Event(), threading.Event()

    class Sleeping(Pipe):
        def read(self, size: int = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                asleep.set()
                awake.wait(60)
            return data

    source = Source(Sleeping(gzip.compress(random.Random(1).randbytes(2 << 20))[:-9]), lambda count: None)  # type: ignore[arg-type]
    with closing(unpack("x", source, Limits(), lambda count: None)) as inside:
        text = next(inside).source
        assert text is not None and len(text.stream.read(BLOCK)) == BLOCK
        assert asleep.wait(60)
        start = time.perf_counter()
    assert time.perf_counter() - start < 5
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "charvec read-ahead"]
    awake.set()
    thread.join(60)


def test_streams_are_streams() -> None:
    """Other libraries read from them."""
    with streams.Stream(io.BytesIO(LARGE), ahead=True) as stream:
        assert stream.readable() and not stream.seekable() and not stream.writable()
        assert io.BufferedReader(stream).read(3) == LARGE[:3]
    with streams.Stream(io.BytesIO(LARGE), ahead=True) as stream:
        assert stream.read(5) + stream.read() == LARGE


# --- names


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("a.csv.gz", "a.csv"),
        ("A.TXT.GZ", "A.TXT"),
        ("dir.gz/a", "dir.gz/a"),
        ("a.tgz", "a.tar"),
        ("a.tar.zst", "a.tar"),
        (".gz", ".gz"),
        ("x/.gz", "x/.gz"),
        ("gz", "gz"),
        ("a.bz2", "a"),
        ("a.zip", "a.zip"),
    ],
)
def test_inner_names(outer: str, inner: str) -> None:
    """What the suffix of the compression hides."""
    assert inner_name(outer) == inner


def test_counts_of_notes_are_stable() -> None:
    """The same bytes give the same notes, however they arrive."""
    data = gzip.compress(tarred({"a": SHORT, "b.gz": gzip.compress(MORE)[:-3], "c": MORE}))[:-2]
    seen = Counter(tuple(opened(Pipe(data, itertools.repeat(size))).notes) for size in (1, 10, 1000))
    assert len(seen) == 1
