"""What a terabyte of text costs: hours, machines and core-hours, computed from rates that were measured.

    python bench/scale.py                                       from the table of rates below
    python bench/scale.py --measure FOLDER [--json FILE]        measure here first; FOLDER is what make_corpora.py made
    python bench/scale.py --rates FILE                          from what --measure wrote
    python bench/scale.py --scan-json FILE --corpora FOLDER     from what scan.py wrote about the same folder
    python bench/scale.py --rate gzip=350 --machine "mine=32,2000" --terabytes 3

Rates are MB of UTF-8 text, not of files, in one second of CPU time of one core. Everything about machines and networks
is an assumption, see :data:`MACHINES`; replace it by your own. docs/scale.md says what comes of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import describe_machine, table

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Rate:
    """How fast one way to store text is counted.

    Attributes:
        mb: of text that a core counts in a second of its time.
        stored: bytes on the disk for each byte of text.
        efficiency: rate of each of two processes at once, where that of one alone is 1.
        rss: peak resident memory of the process, in MiB.
    """

    mb: float
    stored: float = 1.0
    efficiency: float = 1.0
    rss: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What a machine can do. Assumptions, all of them.

    Attributes:
        cores: as the operating system counts them.
        mb: that it reads in a second, all its cores together, from wherever the files are.
    """

    cores: int
    mb: float


#: Measured as docs/scale.md says. Rows with a comma are without the kernel, or without the packages of charvec[fast].
RATES = {
    "plain": Rate(936, 1.0, 0.91, 40),
    "plain, NumPy": Rate(237, 1.0, 0.96, 36),
    "gzip": Rate(302, 0.488, 1.0, 46),
    "gzip, zlib": Rate(178, 0.488, 1.0, 45),
    "zstd": Rate(316, 0.433, 1.0, 48),
    "JSONL": Rate(135, 1.355, 0.91, 41),
    "JSONL, json": Rate(46, 1.355, 0.97, 41),
    "Parquet": Rate(480, 0.653, 0.93, 124),
}

#: Local NVMe is taken to give 3 GB/s, a network of 10 Gbit/s 1.25 GB/s, and object storage half of such a network.
MACHINES = {
    "8 cores, local NVMe": Machine(8, 3000),
    "64 cores, local NVMe": Machine(64, 3000),
    "16 cores, 10 Gbit/s network": Machine(16, 1250),
    "16 cores, object storage": Machine(16, 600),
}
TERABYTES = (1.0, 100.0)


# --- computing ---


@dataclass(frozen=True)
class Cost:
    """What it takes.

    Attributes:
        hours: on one machine.
        machines: for one hour, where nothing but the machines themselves limits them.
        busy: core-hours that are really counted in, on any machine.
        taken: core-hours of the machines, the waiting ones included: what is paid for.
        bound: ``CPU`` or ``bandwidth``.
    """

    hours: float
    machines: int
    busy: float
    taken: float
    bound: str


def cost(terabytes: float, rate: Rate, machine: Machine) -> Cost:
    """What it takes to count so much text."""
    megabytes = terabytes * 1e6
    by_cpu = megabytes / (rate.mb * rate.efficiency * machine.cores)
    by_reading = megabytes * rate.stored / machine.mb
    hours = max(by_cpu, by_reading) / 3600
    return Cost(
        hours=hours,
        machines=max(1, math.ceil(hours)),
        busy=by_cpu * machine.cores / 3600,
        taken=hours * machine.cores,
        bound="CPU" if by_cpu >= by_reading else "bandwidth",
    )


def amount(value: float) -> str:
    """A number with about two digits that mean something."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def cost_table(rates: dict[str, Rate], machines: dict[str, Machine], terabytes: Sequence[float]) -> str:
    """A row for each way to store text and each machine."""
    head = ["stored as", "machine", "bound by"]
    for each in terabytes:
        head += [f"{each:g} TB: hours", "machines for 1 h", "core-hours"]
    rows = []
    for name, rate in rates.items():
        for machine_name, machine in machines.items():
            costs = [cost(each, rate, machine) for each in terabytes]
            row = [name, machine_name, costs[0].bound]
            for each in costs:
                row += [amount(each.hours), f"{each.machines:,}", amount(each.taken)]
            rows.append(row)
    return table(head, rows, markdown=True)


def rate_table(rates: dict[str, Rate]) -> str:
    """The rates, and the work in a terabyte: core-hours that no machine can save."""
    head = (
        "stored as",
        "MB/s of text a core",
        "two at once",
        "bytes stored",
        "core-hours of work, 1 TB",
        "peak RSS MiB",
    )
    rows = [
        (
            name,
            f"{each.mb:,.0f}",
            f"{each.efficiency:.2f}",
            f"{each.stored:.2f}",
            amount(1e6 / each.mb / each.efficiency / 3600),
            f"{each.rss:.0f}" if each.rss else "",
        )
        for name, each in rates.items()
    ]
    return table(head, rows, markdown=True)


# --- measuring ---


@dataclass(frozen=True)
class Way:
    """One way to store text: the file in the folder of make_corpora.py, and how it is scanned."""

    file: str
    options: dict[str, str]
    kernel: bool = True
    fast: bool = True


#: The packages of charvec[fast]; ``fast`` says whether they may be used.
FAST = ("isal", "orjson")
WAYS = {
    "plain": Way("cjk.txt", {}),
    "plain, NumPy": Way("cjk.txt", {}, kernel=False),
    "gzip": Way("cjk.txt.gz", {}),
    "gzip, zlib": Way("cjk.txt.gz", {}, fast=False),
    "zstd": Way("cjk.txt.zst", {}),
    "JSONL": Way("cjk.jsonl", {"field": "text"}),
    "JSONL, json": Way("cjk.jsonl", {"field": "text"}, fast=False),
    "Parquet": Way("cjk-zstd.parquet", {"column": "text"}),
}
#: Seconds that a process counts the same file again and again.
SECONDS = 1.5


def child(name: str, path: str, start: float) -> None:
    """Count a file again and again, from a moment on and until the time is up; then say how that went."""
    way = WAYS[name]
    if not way.fast:
        sys.modules.update(dict.fromkeys(FAST))  # an import of these fails
    sys.path.insert(0, str(ROOT))
    import charvec
    from charvec.plumbing.text import counting

    if not way.kernel:
        counting.KERNEL = None
    elif counting.KERNEL is None:
        sys.exit("the C kernel was not built")
    time.sleep(max(0.0, start - time.time()))
    passes, begun, cpu = 0, time.perf_counter(), time.process_time()
    while not passes or time.perf_counter() - begun < SECONDS:
        counts = charvec.scan(path, **way.options)
        passes += 1
    cpu = time.process_time() - cpu
    if counts.samples.problems:
        sys.exit(counts.samples.problems[0].message)
    unit = 1 if sys.platform == "darwin" else 1024
    found = {
        "cpu": cpu / passes,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20,
        "distinct": len(counts),
        "pickled": len(pickle.dumps(counts, 5)),
        "without line feeds": int(counts.occurrences.sum()) - counts.get("\n", 0),
    }
    print(json.dumps(found))


def together(name: str, path: Path, processes: int) -> list[dict[str, Any]]:
    """What so many processes say that count the same file at the same time.

    Raises:
        RuntimeError: when one fails.
    """
    argv = [sys.executable, __file__, "--child", name, str(path), str(time.time() + 1)]
    running = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    answers = [each.communicate() for each in running]
    for each, (_, error) in zip(running, answers, strict=True):
        if each.returncode:
            raise RuntimeError((error.strip().splitlines() or ["it failed"])[-1])
    return [json.loads(out) for out, _ in answers]


def measure(folder: Path, rounds: int) -> dict[str, Rate]:
    """Rates of everything that can be counted here, one process and two at once, in turn."""
    text = (folder / WAYS["plain"].file).stat().st_size / 1e6
    single: dict[str, list[float]] = {}
    double: dict[str, list[float]] = {}
    said: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for name, way in WAYS.items():
            path = folder / way.file
            if number and name not in single:
                continue
            try:
                if not path.is_file():
                    raise RuntimeError(f"there is no {path.name}")
                (alone,) = together(name, path, 1)
                pair = together(name, path, 2)
            except RuntimeError as error:
                print(f"{name}: skipped: {error}", file=sys.stderr)
                continue
            single.setdefault(name, []).append(text / alone["cpu"])
            double.setdefault(name, []).append(statistics.mean(text / each["cpu"] for each in pair))
            said[name] = alone
            print(f"{name}: {single[name][-1]:,.0f} MB/s, two at once {double[name][-1]:,.0f}", file=sys.stderr)
    different = {each["without line feeds"] for each in said.values()}
    if len(different) > 1:
        sys.exit(f"the counts DIFFER: {said}")
    for each in list(said.values())[:1]:
        print(f"a pickled Counts of {each['distinct']:,} characters: {each['pickled']:,} bytes", file=sys.stderr)
    rates = {}
    for name in single:
        mb = statistics.median(single[name])
        both = statistics.median(two / one for one, two in zip(single[name], double[name], strict=True))
        stored = (folder / WAYS[name].file).stat().st_size / 1e6 / text
        rates[name] = Rate(round(mb), round(stored, 3), round(min(1.0, both), 2), round(said[name]["rss"]))
    return rates


#: Batches that are given away to see what giving away costs, and how many of them are under way at once.
BATCHES, WINDOW = 2000, 64


def give_back(batch: Any) -> Any:
    """What counting would give for a large Chinese text, in no time."""
    import numpy as np

    from charvec.batches import Part
    from charvec.counts import Counts

    codepoints = np.arange(0x4E00, 0x4E00 + 5571, dtype=np.uint32)
    return Part(batch.number, Counts(codepoints, np.full(len(codepoints), 1000, np.uint64)))


@contextmanager
def dask_executor() -> Iterator[Executor]:
    """Two worker processes of Dask."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as processes,
        Client(processes) as client,
    ):
        yield client.get_executor(pure=False)


@contextmanager
def ray_executor() -> Iterator[Executor]:
    """Two worker processes of Ray."""
    sys.path.insert(0, str(ROOT / "samples" / "recipes"))
    import ray
    from ray_executor import RayExecutor

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    yield RayExecutor()
    ray.shutdown()


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Executor]]] = {
    "ProcessPoolExecutor": lambda: ProcessPoolExecutor(2),
    "Dask": dask_executor,
    "Ray": ray_executor,
}


def measure_overhead() -> dict[str, float]:
    """Batches a second that are given away, come back as counts, and are added up, when counting takes no time."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)  # for workers that begin from nothing
    sys.path.insert(0, str(ROOT))
    from charvec.batches import Batch
    from charvec.counts import Total
    from charvec.parallel import several_at_once
    from charvec.reading import Options
    from charvec.samples import Found

    def several(executor: Executor, batches: int) -> float:
        work = ([Batch(number, (Found(f"{number}.txt"),), Options())] for number in range(batches))
        total = Total()
        begun = time.perf_counter()
        for part in several_at_once(work, lambda batch: executor.submit(give_back, batch), WINDOW):
            total.add(part.counts)
        seconds = time.perf_counter() - begun
        assert total.counts()["一"] == 1000 * batches
        return batches / seconds

    found = {}
    for name, start in EXECUTORS.items():
        try:
            with start() as executor:
                several(executor, WINDOW)  # until the workers are awake
                found[name] = several(executor, BATCHES)
        except ImportError as error:
            print(f"{name}: skipped: {error}", file=sys.stderr)
    return found


def make_zstd(folder: Path) -> None:
    """The one container that make_corpora.py does not make, by the program zstd at its own default level."""
    source, path = folder / WAYS["plain"].file, folder / WAYS["zstd"].file
    if path.exists():
        return
    try:
        with open(source, "rb") as text, open(path, "wb") as file:
            subprocess.run(["zstd", "-q"], stdin=text, stdout=file, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        path.unlink(missing_ok=True)
        print(f"zstd: {error}", file=sys.stderr)


# --- reading what was measured before ---

#: Where scan.py has them: a rate or a whole command, the table, the row, and the text that was counted. The first that
#: is there counts. The last one of plain text is the kernel without what is around it.
ROWS_OF_SCAN = {
    "plain": (
        ("commands", "Plain text", "scan, 2.8 GB", "cjk-huge.txt"),
        ("commands", "Plain text", "scan, 280 MB", "cjk.txt"),
        ("rates", "cjk", "charvec, C kernel", "cjk.txt"),
    ),
    "plain, NumPy": (("rates", "cjk", "charvec, NumPy", "cjk.txt"),),
    "gzip": (("commands", "gzip", "scan", "cjk.txt"),),
    "JSONL": (("commands", "JSON lines", "scan --field text", "cjk.txt"),),
    "Parquet": (("commands", "Parquet, zstd", "scan --column text", "cjk.txt"),),
}


def from_scan(path: Path, folder: Path, known: dict[str, Rate]) -> dict[str, Rate]:
    """Rates that scan.py measured, by median CPU time; the efficiency is that of the rates known already.

    Whole commands have the start of the interpreter in them, which makes them a little slower than they would be on
    files of gigabytes.
    """
    content = json.loads(path.read_text("utf-8"))
    plain = (folder / WAYS["plain"].file).stat().st_size
    rates = {}
    for name, places in ROWS_OF_SCAN.items():
        measured = [
            (text, content[half][title]["commands"][row]["runs"])
            for half, title, row, text in places
            if row in content.get(half, {}).get(title, {}).get("commands", {})
        ]
        if not measured:
            print(f"{name}: not in {path.name}", file=sys.stderr)
            continue
        text, runs = measured[0]
        seconds = statistics.median(each["cpu_ms"] for each in runs) / 1e3
        rates[name] = Rate(
            mb=round((folder / text).stat().st_size / 1e6 / seconds),
            stored=round((folder / WAYS[name].file).stat().st_size / plain, 3),
            efficiency=known[name].efficiency if name in known else 1.0,
            rss=round(max(each["rss_mib"] for each in runs)),
        )
    return rates


# --- the command line ---


def pair(convert: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    """A converter of arguments NAME=VALUE."""

    def converted(argument: str) -> tuple[str, Any]:
        name, _, value = argument.rpartition("=")
        return name, convert(value)

    return converted


def machine(value: str) -> Machine:
    """Cores and MB/s, as ``32,2000``."""
    cores, _, mb = value.partition(",")
    return Machine(int(cores), float(mb))


def main() -> None:
    """The command line."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], float(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description="What a terabyte of text costs, computed from measured rates.")
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="measure first; what make_corpora.py made")
    parser.add_argument("--rounds", type=int, default=3, help="of measuring")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rates to this file")
    parser.add_argument("--rates", type=Path, metavar="FILE", help="use the rates that --json wrote")
    parser.add_argument("--scan-json", type=Path, metavar="FILE", help="use the rates that scan.py --json wrote")
    parser.add_argument("--corpora", type=Path, metavar="FOLDER", help="the folder they were measured on")
    parser.add_argument("--rate", type=pair(float), action="append", default=[], metavar="NAME=MB/S")
    parser.add_argument("--stored", type=pair(float), action="append", default=[], metavar="NAME=BYTES")
    parser.add_argument("--efficiency", type=pair(float), action="append", default=[], metavar="NAME=SHARE")
    parser.add_argument("--machine", type=pair(machine), action="append", metavar="NAME=CORES,MB/S")
    parser.add_argument("--terabytes", type=float, nargs="+", default=TERABYTES)
    parser.add_argument("--all", action="store_true", help="also the rows without kernel or fast packages")
    arguments = parser.parse_args()
    rates = dict(RATES)
    if arguments.rates:
        rates = {name: Rate(**each) for name, each in json.loads(arguments.rates.read_text("utf-8"))["rates"].items()}
    if arguments.scan_json:
        if not arguments.corpora:
            parser.error("--scan-json needs --corpora, for the sizes of the files")
        rates |= from_scan(arguments.scan_json, arguments.corpora, rates)
    if arguments.measure:
        where = describe_machine()
        make_zstd(arguments.measure)
        rates = measure(arguments.measure, arguments.rounds)
        overhead = measure_overhead()
        print(", ".join(f"{key} {value}" for key, value in where.items()))
        for name, batches in overhead.items():
            print(f"{name}: {batches:,.0f} batches/s when counting takes no time")
        print()
        if arguments.json:
            content = {
                "machine": where,
                "rates": {name: asdict(each) for name, each in rates.items()},
                "overhead": overhead,
            }
            arguments.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for field, values in (("mb", arguments.rate), ("stored", arguments.stored), ("efficiency", arguments.efficiency)):
        for name, value in values:
            rates[name] = replace(rates.get(name, Rate(0.0)), **{field: value})
    if missing := [name for name, each in rates.items() if each.mb <= 0]:
        parser.error(f"no rate of {', '.join(missing)}; say --rate {missing[0]}=...")
    best = {name: each for name, each in rates.items() if arguments.all or ", " not in name}
    print(rate_table(rates))
    print()
    print(cost_table(best, dict(arguments.machine) if arguments.machine else MACHINES, arguments.terabytes))


if __name__ == "__main__":
    main()
