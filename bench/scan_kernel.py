"""Count or read one file in one way, and print how long that took without the start of the interpreter.

    python bench/scan_kernel.py METHOD FILE

This is what ``scan.py`` starts, in a fresh process for every run. It prints one line of JSON: the time, and sums over
the counts, so that methods can be compared in what they found. The last four methods are programs to compare whole
commands with, imports and all.

    read      into one buffer of 1 MiB that is used again: no method is faster
    set       set(open(FILE).read())
    counter   Counter(open(FILE).read())
    kernel    charvec's C kernel, one thread
    threads   the same, two threads with a tally each, over one half of the file each
    numpy     charvec without its kernel
    zlib      Python's decompressor alone
    isal      ISA-L's decompressor alone, which charvec uses where it is installed
    json      json.loads for each line, Counter.update of the field "text"
    parquet   pyarrow reads the column "text" and does nothing with it
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# as charvec's own command line does: OpenBLAS's threads spin for some 20 ms after NumPy is imported, waiting for work
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

Answer = dict[str, int]

#: Bytes read at once, as charvec does.
BLOCK = 1 << 18


def sums(counts: Iterable[tuple[int, int]]) -> Answer:
    """What the counts of code points come to."""
    pairs = list(counts)
    return {
        "characters": sum(number for _, number in pairs),
        "distinct": len(pairs),
        "checksum": sum(code * number for code, number in pairs) % 2**64,
    }


# --- methods: each prepares what is not to be timed, and gives what to time and what says what it found ---

Method = tuple[Callable[[], Any], Callable[[Any], Answer]]


def by_read(path: str) -> Method:
    def work() -> None:
        buffer = bytearray(1 << 20)
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    return work, lambda _: {}


def by_set(path: str) -> Method:
    def work() -> set[str]:
        with open(path, encoding="utf-8", newline="") as file:
            return set(file.read())

    return work, lambda found: {"distinct": len(found)}


def by_counter(path: str) -> Method:
    def work() -> Counter[str]:
        with open(path, encoding="utf-8", newline="") as file:
            return Counter(file.read())

    return work, lambda found: sums((ord(char), number) for char, number in found.items())


def by_tally(path: str, *, kernel: bool, threads: int = 1) -> Method:
    from charvec.plumbing.text import counting

    if not kernel:
        counting.KERNEL = None
    elif counting.KERNEL is None:
        sys.exit("the C kernel was not built")
    size = os.stat(path).st_size

    def boundary(offset: int) -> int:
        """Where the first character begins from an offset on."""
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            while (byte := file.read(1)) and byte[0] & 0xC0 == 0x80:
                offset += 1
        return offset

    def count(tally: counting.Tally, start: int, end: int) -> None:
        with open(path, "rb", buffering=0) as file:
            while start < end:
                file.seek(start)  # back to a character that was cut: cheaper than to join it with the next block
                used = tally.add_utf8(file.read(min(BLOCK, end - start)), False)
                assert used, "the text ends inside a character"
                start += used
        _ = tally.table  # adds up what the kernel counted

    def work() -> Any:
        tallies = [counting.Tally() for _ in range(threads)]
        edges = [boundary(size * number // threads) for number in range(threads + 1)]
        workers = [Thread(target=count, args=job) for job in zip(tallies, edges, edges[1:], strict=False)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for tally in tallies[1:]:
            tallies[0].add_counts(tally.table)
        return tallies[0].table

    return work, lambda table: sums((int(code), int(table[code])) for code in table.nonzero()[0])


def by_decompressor(path: str, name: str) -> Method:
    library = importlib.import_module(name)

    def work() -> None:
        unpack = library.decompressobj(wbits=31)
        with open(path, "rb", buffering=0) as file:
            while block := file.read(BLOCK):
                unpack.decompress(block)

    return work, lambda _: {}


def by_json(path: str) -> Method:
    def work() -> Counter[str]:
        counts: Counter[str] = Counter()
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                counts.update(json.loads(line)["text"])
        return counts

    return work, lambda found: sums((ord(char), number) for char, number in found.items())


def by_parquet(path: str) -> Method:
    from pyarrow.parquet import ParquetFile

    def work() -> None:
        for _ in ParquetFile(path).iter_batches(columns=["text"]):
            pass

    return work, lambda _: {}


METHODS: dict[str, Callable[[str], Method]] = {
    "read": by_read,
    "set": by_set,
    "counter": by_counter,
    "kernel": lambda path: by_tally(path, kernel=True),
    "threads": lambda path: by_tally(path, kernel=True, threads=2),
    "numpy": lambda path: by_tally(path, kernel=False),
    "zlib": lambda path: by_decompressor(path, "zlib"),
    "isal": lambda path: by_decompressor(path, "isal.isal_zlib"),
    "json": by_json,
    "parquet": by_parquet,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Count or read one file in one way, and print how long that took.")
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("file")
    arguments = parser.parse_args()
    work, report = METHODS[arguments.method](arguments.file)
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    times = {"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}
    print(json.dumps({**times, **report(found)}))


if __name__ == "__main__":
    main()
