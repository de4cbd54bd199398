"""Verb: count batches at once, by threads, processes, or whatever executor the caller has.

Only here is it known that work is done in parallel. What comes out does not depend on it: a batch is counted the same
way wherever that happens, counts are added in any order, and reports are put in the order of the batches.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from threading import Event, Lock

from charvec.batches import Batch, FileState, Part, count_batch, grew
from charvec.counts import Samples, Total
from charvec.plumbing.text import counting
from charvec.reading import Progressed
from charvec.samples import STDIN
from charvec.valueclass import dataclass, field

__all__ = ["Submit", "several_at_once", "submitting"]

#: Starts the counting of a batch.
Submit = Callable[[Batch], "Future[Part]"]


def several_at_once(work: Iterable[list[Batch]], submit: Submit, window: int, *, tries: int = 1) -> Iterator[Part]:
    """Count batches as ``submit`` does; parts come as they are done.

    Args:
        work: batches; the ranges of one file come together, under one number.
        submit: starts the counting of a batch.
        window: batches under way at most, which bounds the memory.
        tries: how often a batch is started before its failure is the caller's. Of a batch that failed nothing was
            counted, so that another try is exact; a cluster that loses a worker may fail in ways of its own.
    """
    waiting: dict[Future[Part], Batch] = {}
    files: dict[int, _Ranges] = {}
    failed: Counter[tuple[int, int, int]] = Counter()

    def start(batch: Batch) -> None:
        waiting[submit(batch)] = batch

    def settle() -> Iterator[Part]:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            batch = waiting.pop(future)
            try:
                part = future.result()
            except Exception:
                failed[batch.number, batch.start, batch.end] += 1
                if failed[batch.number, batch.start, batch.end] >= tries:
                    raise
                start(batch)
                continue
            if not batch.end:
                yield part
                continue
            ranges = files[batch.number]
            ranges.add(batch, part)
            if ranges.missing:
                continue
            del files[batch.number]
            if ranges.sound:
                yield ranges.part(batch)
            else:
                # one reading from the beginning finds what is wrong, where, and in which line
                start(replace(batch, start=0, end=0, again=True))

    try:
        for batches in work:
            if batches[0].end:
                files[batches[0].number] = _Ranges(len(batches))
            for batch in batches:
                while len(waiting) >= window:
                    yield from settle()
                start(batch)
        while waiting:
            yield from settle()
    finally:
        for future in waiting:
            future.cancel()


@dataclass
class _Ranges:
    """The ranges of one file that are done.

    Attributes:
        missing: number of ranges not done yet.
        sound: whether all so far were valid.
        total: their counts.
        report: their reports, but for the remarks, which the first range has.
        states: of the file, as each range found it.
    """

    missing: int
    sound: bool = True
    total: Total = field(default_factory=Total)
    report: Samples = field(default_factory=Samples)
    states: set[FileState] = field(default_factory=set)

    def add(self, batch: Batch, part: Part) -> None:
        """Take in what came of a range."""
        self.missing -= 1
        self.sound = self.sound and part.sound
        self.total.add(part.counts)
        self.report += part.counts.samples
        self.states.update(part.finished)

    def part(self, batch: Batch) -> Part:
        """What came of the file."""
        (path, size, _) = min(self.states, key=lambda state: state[1])
        if size > self.report.bytes:
            self.report = replace(self.report, remarks=(*self.report.remarks, grew(path, self.report.bytes)))
        # a file that changed meanwhile is not the one the journal would take it for
        finished = tuple(self.states) if len(self.states) == 1 else ()
        return Part(batch.number, self.total.counts(self.report), finished=finished)


def submitting(jobs: int, executor: Executor | None, progressed: Progressed) -> AbstractContextManager[Submit]:
    """A way to count batches at once: the caller's executor, else threads where the kernel is, else processes.

    The kernel lets other threads run while it counts. NumPy does not, so that without the kernel only processes help.

    Args:
        jobs: number of threads or processes.
        executor: the caller's own; it is not shut down.
        progressed: is told about the bytes read.
    """
    if executor is not None:
        return _elsewhere(executor, progressed, ours=False)
    if counting.KERNEL is None:
        return _elsewhere(_processes(jobs), progressed, ours=True)
    return _threads(jobs, progressed)


@contextmanager
def _threads(jobs: int, progressed: Progressed) -> Iterator[Submit]:
    from concurrent.futures import ThreadPoolExecutor

    stopped = Event()
    lock = Lock()

    def advance(count: int) -> None:
        go_on(count)
        with lock:
            progressed(count)

    def go_on(count: int) -> None:
        if stopped.is_set():
            raise _Stopped

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="charvec")

    def submit(batch: Batch) -> Future[Part]:
        if _waits(batch):
            return _counted(batch, advance)
        return pool.submit(count_batch, batch, go_on if batch.again else advance)

    try:
        yield submit
    except BaseException:
        stopped.set()  # threads end at their next block
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _waits(batch: Batch) -> bool:
    """Whether a batch may wait for others to write it; it is counted by the thread that Ctrl-C reaches."""
    return any(found.path == STDIN or found.pipe for found in batch.samples)


def _counted(batch: Batch, progressed: Progressed) -> Future[Part]:
    done: Future[Part] = Future()
    done.set_result(count_batch(batch, progressed))
    return done


class _Stopped(Exception):
    """Ends the work of a thread whose result nobody waits for."""


@contextmanager
def _elsewhere(pool: Executor, progressed: Progressed, *, ours: bool) -> Iterator[Submit]:
    def submit(batch: Batch) -> Future[Part]:
        if _waits(batch):  # other processes have their own standard input, or none
            return _counted(batch, progressed)
        future = pool.submit(count_batch, batch)
        if not batch.again:
            future.add_done_callback(partial(done, batch))
        return future

    def done(batch: Batch, future: Future[Part]) -> None:
        if not future.cancelled() and not future.exception():
            progressed(batch.end - batch.start or future.result().counts.samples.bytes)

    try:
        yield submit
    finally:
        if ours:
            pool.shutdown(wait=True, cancel_futures=True)


def _processes(jobs: int) -> Executor:
    import multiprocessing
    import threading
    from concurrent.futures import ProcessPoolExecutor

    # a fork starts at once, but copies the locks that other threads hold
    forks = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
    context = multiprocessing.get_context("fork" if forks else "spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """End this worker when the process it works for is gone, even killed: nobody else would ever tell it to."""
    import multiprocessing
    import signal
    from threading import Thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the process it works for ends it
    parent = multiprocessing.parent_process()

    def wait_for_it() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait_for_it, daemon=True).start()
