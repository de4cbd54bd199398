"""Rates of counting characters, one thread: the C kernel, the NumPy path, and what scripts do.

    python bench/scan_kernel.py FILE [--rounds 5]

The methods take turns within each round; the median of CPU time counts, and rates are in MB of UTF-8 a second.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from charvec.plumbing import counting
from charvec.reading import BLOCK


def by_tally(path: Path, kernel: object) -> None:
    tally = counting.Tally()
    tally._kernel = kernel
    pending = b""
    with open(path, "rb", buffering=0) as file:
        while block := file.read(BLOCK):
            block = pending + block if pending else block
            pending = block[tally.add_utf8(block, False) :]
    assert tally.table.any()


def by_set(path: Path) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        set(file.read())


def by_counter(path: Path) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        Counter(file.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    methods: dict[str, Callable[[], None]] = {
        "set(open().read())": lambda: by_set(args.file),
        "Counter(open().read())": lambda: by_counter(args.file),
        "charvec, NumPy": lambda: by_tally(args.file, None),
    }
    if counting.KERNEL is not None:
        methods["charvec, C kernel"] = lambda: by_tally(args.file, counting.KERNEL)
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(args.rounds):
        for name, method in methods.items():
            start = time.process_time()
            method()
            times[name].append(time.process_time() - start)
    megabytes = args.file.stat().st_size / 1e6
    base = statistics.median(times["set(open().read())"])
    print(f"| method | MB/s | x `set(text)` |\n|---|---|---|   ({megabytes:.0f} MB, {args.rounds} rounds)")
    for name, each in times.items():
        median = statistics.median(each)
        print(f"| {name} | {megabytes / median:,.0f} | {base / median:.1f} |")


if __name__ == "__main__":
    main()
