"""Counting on a Dask cluster: real worker processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import charvec
from charvec import sharing
from charvec.cli import main
from charvec.dask import cluster

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own, about sockets and ports


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred files, among them damaged ones, and a large one."""
    root = tmp_path_factory.mktemp("corpus")
    for number in range(400):
        (root / f"{number:03}.txt").write_text(f"{number}水木𠮷\n" * (number % 7 + 1), encoding="utf-8")
    (root / "bad.txt").write_bytes("水".encode() + b"\xff" + "木".encode())
    (root / "gbk.txt").write_bytes("你好，世界".encode("gbk"))
    (root / "large.txt").write_text("一二三四五\n" * 20_000, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Three worker processes, watched by a nanny each."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None
    ) as processes:
        yield processes


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much work for so little text."""
    monkeypatch.setattr(sharing, "BATCH_FILES", 4)
    monkeypatch.setattr(sharing, "MIN_RANGE", 30_000)
    monkeypatch.setattr(sharing, "MAX_RANGE", 30_000)


def test_the_same_counts_and_report(corpus: Path, processes: Any) -> None:
    """Numbers and notes are those of one process alone."""
    alone = charvec.scan(corpus)
    with cluster(processes.scheduler_address) as executor:
        there = charvec.scan(corpus, executor=executor)
    assert there == alone and there.samples == alone.samples and len(alone.samples.problems) == 2


def pids_without(client: Any, killed: tuple[int, ...]) -> set[int]:
    """The processes at work, as soon as the scheduler knows which are dead; it may learn that after the last result."""
    end = time.monotonic() + 120
    pids: set[int] = set(killed)
    while pids & set(killed) or not pids:
        assert time.monotonic() < end, "the scheduler takes a killed process for a living one"
        # asking a dead one, whose connection is found closed only then, is an error of that one alone
        pids = {pid for pid in client.run(os.getpid, on_error="ignore").values() if isinstance(pid, int)}
        time.sleep(0.1)
    return pids


def test_a_worker_is_killed(corpus: Path, processes: Any) -> None:
    """Its batches are counted elsewhere, each exactly once in the total."""
    with distributed.Client(processes) as client:
        processes.wait_for_workers(3)
        pids = list(client.run(os.getpid).values())

        class Killer:
            """Kills a worker when some of the work is done, and another later."""

            done = 0
            killed: tuple[int, ...] = ()

            def start(self, total: int | None) -> None:
                """The whole is of no interest."""

            def advance(self, count: int) -> None:
                self.done += count
                for victim, when in zip(pids, (1_000, 200_000), strict=False):
                    if self.done >= when and victim not in self.killed:
                        self.killed += (victim,)
                        os.kill(victim, signal.SIGKILL)

            def close(self) -> None:
                """Nothing to close."""

        killer = Killer()
        counts = charvec.scan(corpus, executor=client.get_executor(pure=False), progress=killer)
        assert len(killer.killed) == 2
        now = pids_without(client, killer.killed)
        assert not now & set(killer.killed)
    assert counts == charvec.scan(corpus) and counts.samples.files == 402


def test_a_file_that_changed_is_counted_again(tmp_path: Path, processes: Any) -> None:
    """Dask keeps results of equal calls; a batch that looks the same need not be the same."""
    path = tmp_path / "a.txt"
    with cluster(processes.scheduler_address) as executor:
        for number in range(10):
            path.write_text("水" * (number + 1), encoding="utf-8")
            assert dict(charvec.scan(path, executor=executor)) == {"水": number + 1}


def test_command(tmp_path: Path, corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """``--scheduler local`` starts processes and gives the same table."""
    assert main(["scan", str(corpus), "-q", "-o", str(tmp_path / "there.tsv"), "--scheduler", "local", "-j", "2"]) == 3
    assert main(["scan", str(corpus), "-q", "-o", str(tmp_path / "here.tsv")]) == 3
    assert (tmp_path / "there.tsv").read_bytes() == (tmp_path / "here.tsv").read_bytes()
    assert "Traceback" not in capfd.readouterr().err


def test_no_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An address where nothing answers is an error with a remedy."""
    from charvec import dask

    monkeypatch.setattr(dask, "PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "a.txt").write_text("水", encoding="utf-8")
    for address in (f"tcp://127.0.0.1:{port}", "nonsense"):
        assert main(["scan", str(tmp_path / "a.txt"), "--scheduler", address]) == 74
        error = capsys.readouterr().err
        assert "E-SCHEDULER" in error and "help:" in error
