"""Counting in parallel: whatever way the work is shared out, the same numbers and the same report come out."""

from __future__ import annotations

import io
import pickle
import threading
from collections import Counter
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charvec
from charvec import batches, parallel, scanning, sharing
from charvec.batches import Batch, count_batch
from charvec.counts import Counts, Samples, Total
from charvec.errors import UsageError
from charvec.plumbing.text import counting
from charvec.plumbing.text.counting import Tally
from charvec.readers import utf8
from charvec.reading import Options, Source
from charvec.samples import Found

TEXT = "水\n𠮷é가a、" * 3 + "\U0010ffff\ufeffz"


@pytest.fixture(params=["kernel", "numpy"])
def path_of_counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to count, which are shared out in different ways."""
    if request.param == "numpy":
        monkeypatch.setattr(counting, "KERNEL", None)
    elif counting.KERNEL is None:
        pytest.skip("the kernel was not built")
    return str(request.param)


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so small that a few kilobytes are shared out."""
    monkeypatch.setattr(sharing, "MIN_RANGE", 100)
    monkeypatch.setattr(sharing, "MAX_RANGE", 150)
    monkeypatch.setattr(sharing, "BATCH_BYTES", 200)
    monkeypatch.setattr(sharing, "BATCH_FILES", 3)


def counted(data: bytes, cuts: list[int]) -> tuple[bool, dict[str, int]]:
    """What the ranges between the cuts hold, and whether all were valid."""
    tally = Tally()
    edges = [0, *sorted(cuts), len(data)]
    sound = True
    for start, end in pairwise(edges):
        stream = io.BytesIO(data)
        stream.seek(start)
        if start < end:
            sound &= utf8.read_range(Source(stream, lambda count: None, end - start + 3), start, end, tally)
    return sound, {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_ranges_share_no_character(path_of_counting: str, mark: str) -> None:
    """However a text is cut in two, every character belongs to exactly one range."""
    data = (mark + TEXT).encode()
    for cut in range(len(data) + 1):
        assert counted(data, [cut]) == (True, Counter(TEXT)), cut
    for step in (1, 2, 3, 4, 5, 7):
        assert counted(data, list(range(step, len(data), step))) == (True, Counter(TEXT)), step


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    cuts=st.lists(st.integers(0, 30), max_size=6),
)
def test_ranges_notice_what_is_invalid(data: bytes, cuts: list[int]) -> None:
    """Ranges are sound together exactly when the whole is valid UTF-8, and then count the same."""
    cuts = [cut for cut in cuts if cut <= len(data)]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert not counted(data, cuts)[0]
    else:
        assert counted(data, cuts) == (True, Counter(text.removeprefix("\ufeff")))


def test_a_range_of_a_file_cut_short() -> None:
    """A range that ends before it should is not sound."""
    stream = io.BytesIO(b"abc")
    assert not utf8.read_range(Source(stream, lambda count: None, 13), 0, 10, Tally())


def corpus(root: Path) -> Path:
    """Files of all sorts and sizes: sound, damaged, not UTF-8, empty, marked, binary; some large enough for ranges."""
    sound = (TEXT * 30).encode()
    files = {
        "a.txt": b"",
        "b.txt": "水木".encode(),
        "big.txt": sound,
        "big-damaged.txt": sound + b"\xff" + sound,
        "big-gbk.txt": ("我们在这里说的是中文，" * 60).encode("gbk"),
        "big-marked.txt": b"\xef\xbb\xbf" + sound,
        "big-utf16.txt": TEXT.encode("utf-16") * 1 + (TEXT * 20).encode("utf-16-le"),
        "gbk.txt": "你好，世界".encode("gbk"),
        "picture.txt": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "pointer.txt": b"version https://git-lfs.github.com/spec/v1\n" + b"x" * 600,
        **{f"many/{number:03}.txt": f"{number} 一二三".encode() for number in range(20)},
        ".hidden": b"h",
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def same(one: Counts, other: Counts) -> bool:
    """Equal in numbers and in the report, notes and their order included."""
    return one == other and one.samples == other.samples and one.graphemes == other.graphemes


@pytest.mark.usefixtures("small_shares")
@pytest.mark.parametrize("jobs", [2, 3, 8, 0])
def test_jobs_make_no_difference(tmp_path: Path, path_of_counting: str, jobs: int) -> None:
    """The same counts and the same report in the same order from any number of threads or processes."""
    corpus(tmp_path)
    alone = charvec.scan(tmp_path)
    assert alone.samples.problems and alone.samples.remarks and alone.samples.hidden == 1
    assert same(charvec.scan(tmp_path, jobs=jobs), alone)


class Backwards(Executor):
    """Does the work at the latest moment, last come first served, in processes' terms: everything is pickled."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        result = pickle.loads(pickle.dumps(fn))(*pickle.loads(pickle.dumps(args)), **kwargs)
        threading.Timer(0.05, future.set_result, (pickle.loads(pickle.dumps(result)),)).start()
        return future


@pytest.mark.usefixtures("small_shares")
def test_any_executor(tmp_path: Path) -> None:
    """Threads, processes and an executor of the caller's own; none is shut down."""
    corpus(tmp_path)
    alone = charvec.scan(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        assert same(charvec.scan(tmp_path, executor=pool), alone)
        assert pool.submit(len, "ab").result() == 2
    with ProcessPoolExecutor(2) as pool:
        assert same(charvec.scan(tmp_path, executor=pool), alone)
    assert same(charvec.scan(tmp_path, executor=Backwards()), alone)


class Unsteady(Backwards):
    """Fails with each piece of work some times, in its own way or by giving it up, as a cluster that loses workers."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.seen: Counter[bytes] = Counter()

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        key = pickle.dumps(args)
        self.seen[key] += 1
        if self.seen[key] > self.failures:
            return super().submit(fn, *args, **kwargs)
        future: Future[object] = Future()
        if self.seen[key] % 2:
            future.set_exception(TypeError("cannot unpack"))
        else:
            future.cancel()
            future.set_running_or_notify_cancel()
        return future


@pytest.mark.usefixtures("small_shares")
def test_an_executor_that_fails_now_and_then(tmp_path: Path) -> None:
    """A batch whose result got lost is counted again, exactly once; one that always fails ends everything."""
    corpus(tmp_path)
    alone = charvec.scan(tmp_path)
    for failures in (1, scanning.TRIES - 1):
        executor = Unsteady(failures)
        assert same(charvec.scan(tmp_path, executor=executor), alone)
        assert len(executor.seen) > 5 and set(executor.seen.values()) == {failures + 1}
    with pytest.raises(CancelledError if scanning.TRIES % 2 == 0 else TypeError):
        charvec.scan(tmp_path, executor=Unsteady(scanning.TRIES))


@pytest.mark.usefixtures("small_shares")
def test_order_makes_no_difference(tmp_path: Path) -> None:
    """The numbers are the same in any order of the files; notes follow that order."""
    corpus(tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    there, back = charvec.scan(files, jobs=3), charvec.scan(files[::-1], jobs=2)
    assert there == back and there.samples.bytes == back.samples.bytes
    assert sorted(map(str, there.samples.problems)) == sorted(map(str, back.samples.problems))
    assert [note.path for note in there.samples.problems] == [note.path for note in back.samples.problems][::-1]


@pytest.mark.usefixtures("small_shares")
def test_a_worker_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a thread is raised in the caller, and the threads end."""
    corpus(tmp_path)
    monkeypatch.setattr(counting, "KERNEL", counting.KERNEL or object())

    def broken(batch: Batch, progressed: object) -> None:
        raise MemoryError

    monkeypatch.setattr(parallel, "count_batch", broken)
    before = set(threading.enumerate())
    with pytest.raises(MemoryError):
        charvec.scan(tmp_path, jobs=2)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("kernel", [None, object()], ids=["processes", "threads"])
def test_what_may_wait_is_read_by_the_thread_that_is_interrupted(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a scan that waits for standard input or a pipe: no worker is left that waits for them."""

    def interrupted(batch: Batch, progressed: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "count_batch", interrupted)
    monkeypatch.setattr(counting, "KERNEL", kernel)
    for found in (Found("-"), Found("pipe", pipe=True)):
        with pytest.raises(KeyboardInterrupt), parallel.submitting(2, None, lambda count: None) as submit:
            submit(Batch(0, (found,), Options())).result()


@pytest.mark.usefixtures("small_shares")
def test_progress_is_told_of_every_byte(tmp_path: Path, path_of_counting: str) -> None:
    """Bytes are reported from threads and from processes, and add up to the sizes of the files, read twice or not."""

    class Watcher:
        total = done = closed = 0

        def start(self, total: int | None) -> None:
            self.total = total or 0

        def advance(self, count: int) -> None:
            self.done += count

        def close(self) -> None:
            self.closed += 1

    for number in range(9):
        (tmp_path / f"{number}.txt").write_bytes((TEXT * 9 * number).encode())
    (tmp_path / "damaged.txt").write_bytes((TEXT * 20).encode() + b"\xff" + (TEXT * 20).encode())
    for jobs in (1, 3):
        watcher = Watcher()
        charvec.scan(tmp_path, jobs=jobs, progress=watcher)
        assert watcher.done == watcher.total > 0 and watcher.closed


def test_a_file_that_grows_between_its_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there when the work was shared out is counted, and the rest is told."""
    monkeypatch.setattr(sharing, "MIN_RANGE", 100)
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * 400)
    real = count_batch

    def growing(batch: Batch, progressed: object) -> object:
        with path.open("ab") as file:
            file.write(b"b")
        return real(batch, lambda count: None)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(parallel, "count_batch", lambda batch: growing(batch, None))
        counts = charvec.scan(path, executor=pool)
    assert dict(counts) == {"a": 400} and [note.code for note in counts.samples.remarks] == ["W-GREW"]


def test_total_is_the_sum() -> None:
    """A running sum equals adding, the report apart; nothing, one and several."""
    parts = [Counts.from_mapping({"a": 1, "水": 2}), Counts.from_mapping({"水": 5, "𠮷": 1}), Counts.none()]
    total = Total()
    assert len(total.counts()) == 0
    for part in parts:
        total.add(part)
    assert total.counts() == parts[0] + parts[1] + parts[2]
    assert dict(total.counts()) == {"a": 1, "水": 7, "𠮷": 1}
    assert total.counts(Samples(files=3)).samples.files == 3


def test_batches_and_parts_are_plain_values(tmp_path: Path) -> None:
    """A batch can be sent to another machine and back; counting it twice gives the same."""
    path = tmp_path / "a.txt"
    path.write_text("水木", encoding="utf-8")
    batch = Batch(0, (Found(str(path)),), Options(encodings=(("", "gb18030"),)))
    part = count_batch(pickle.loads(pickle.dumps(batch)))
    assert dict(pickle.loads(pickle.dumps(part)).counts) == {"水": 1, "木": 1}
    assert part.finished == (batches.sample_state(Found(str(path))),)


def test_count_texts() -> None:
    """Texts in memory, one or many, are counted as files are."""
    assert dict(charvec.count("水木水")) == {"水": 2, "木": 1}
    assert dict(charvec.count(iter(["水", "", "木水"]))) == {"水": 2, "木": 1}
    assert charvec.count([]).samples.characters == 0
    long = charvec.count("水a" for _ in range(300_000))
    assert dict(long) == {"水": 300_000, "a": 300_000} and long.samples.characters == 600_000
    lone = charvec.count(["a\ud800b", "水"])
    assert dict(lone) == {"a": 1, "b": 1, "水": 1} and [note.code for note in lone.samples.problems] == ["W-SURROGATE"]
    with pytest.raises(UsageError, match="E-ARGUMENT"):
        charvec.count([b"bytes"])  # type: ignore[list-item]


def test_no_more_workers_than_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for, a machine is not filled with processes; the counts are the same."""
    asked = []
    real = parallel.submitting

    def submitting(jobs: int, *further: Any) -> Any:
        asked.append(jobs)
        return real(min(jobs, 2), *further)

    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("水火" * number, "utf-8")
    monkeypatch.setattr(parallel, "submitting", submitting)
    monkeypatch.setattr(sharing, "BATCH_FILES", 1)
    for jobs in (3, 99_999, 10**30):
        assert charvec.scan(tmp_path, jobs=jobs) == charvec.scan(tmp_path)
    assert asked[0] == 3 and asked[1] == asked[2] == max(32, 8 * sharing.available_cores())
