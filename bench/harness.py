"""Time whole commands side by side, interleaved, so that only ratios within one run are ever compared.

Every round runs every command once, each round starting with another one: a machine that gets slower or faster during
the run does so for all of them. A warm-up round, not counted, fills the page cache and the byte-code caches.

    python bench/harness.py -n 7 "bare=python -c pass" "numpy=python -c 'import numpy'"

Only the standard library is imported, and that is part of the measurement: on Linux the peak memory reported for a
child cannot be less than what its parent had when it started the child, so this process must stay small.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

__all__ = ["Command", "Report", "Run", "measure", "run", "table", "versions"]

#: Variables a command may see of the caller's environment. Whatever else is set (thread counts, hash seeds, Python
#: options) would make two people's figures differ, so libraries run with their defaults.
PASSED_ON = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
#: And variables every command gets: UTF-8, and no look at the network while the clock runs.
PINNED = {"LC_ALL": "C.UTF-8", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Command:
    """A command to time: its name in the tables, its arguments and the folder it runs in.

    With ``inside``, it times itself: it prints one line of JSON with ``wall_ms`` and ``cpu_ms``, which count instead of
    the times of the whole process, and whatever else it found.

    A file that it ``makes`` is removed before each run: giving up an old file of 15 MB takes the system 15 ms.
    """

    name: str
    argv: Sequence[str]
    cwd: str | None = None
    inside: bool = False
    makes: str | None = None


@dataclass(frozen=True)
class Run:
    """One run: wall clock and user + system CPU in milliseconds, peak resident memory in MiB, what else it printed."""

    wall_ms: float
    cpu_ms: float
    rss_mib: float
    found: dict[str, object] = field(default_factory=dict)

    def time(self, cpu: bool) -> float:
        """CPU time, or else the wall clock."""
        return self.cpu_ms if cpu else self.wall_ms


@dataclass(frozen=True)
class Report:
    """All runs, one per command and round in the order of the rounds, and where they were made."""

    machine: dict[str, str]
    baseline: str
    runs: dict[str, list[Run]]

    def ratio(self, name: str, to: str | None = None, *, cpu: bool = False) -> float:
        """How many times as long as another command (default: the baseline): the median of every round's ratio.

        By the wall clock, or by CPU time.
        """
        pairs = zip(self.runs[name], self.runs[to or self.baseline], strict=True)
        return statistics.median(run.time(cpu) / other.time(cpu) for run, other in pairs)

    def median(self, name: str, *, cpu: bool = False) -> float:
        """Median wall clock, or median CPU time, in milliseconds."""
        return statistics.median(run.time(cpu) for run in self.runs[name])

    def rss(self, name: str) -> float:
        """The highest peak of resident memory of any round, in MiB."""
        return max(run.rss_mib for run in self.runs[name])

    def json(self) -> str:
        """The report with every single run, so that any other statistic can be computed from it."""
        commands = {
            name: {"median_ms": self.median(name), "ratio": self.ratio(name), "runs": [asdict(run) for run in runs]}
            for name, runs in self.runs.items()
        }
        report = {"machine": self.machine, "baseline": self.baseline, "commands": commands}
        return json.dumps(report, indent=1, ensure_ascii=False) + "\n"

    def text(self, *, markdown: bool = True) -> str:
        """The table of the commands and a line about the machine."""
        rows = [
            (
                name,
                f"{self.median(name):.0f}",
                f"{min(run.wall_ms for run in runs):.0f}",
                f"{self.ratio(name):.2f}",
                f"{self.median(name, cpu=True):.0f}",
                f"{self.rss(name):.0f}",
            )
            for name, runs in self.runs.items()
        ]
        head = ("command", "median wall ms", "min", f"x {self.baseline}", "CPU ms", "peak RSS MiB")
        return f"{table(head, rows, markdown=markdown)}\n\n{self.where()}\n"

    def where(self) -> str:
        """A line about the machine."""
        machine = ", ".join(f"{key} {value}" for key, value in self.machine.items())
        return f"{len(self.runs[self.baseline])} interleaved rounds; {machine}"


def run(command: Command) -> Run:
    """Run a command once, its output thrown away unless it times itself.

    Raises:
        RuntimeError: when its exit code is not 0; the message has the end of its standard error.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | PINNED
    if command.makes is not None and os.path.exists(command.makes):
        os.unlink(command.makes)
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout if command.inside else subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            stderr.seek(0)
            tail = stderr.read()[-2000:].decode("utf-8", "replace")
            raise RuntimeError(f"{command.name}: exit code {process.returncode}: {shlex.join(command.argv)}\n{tail}")
        stdout.seek(0)
        found = json.load(stdout) if command.inside else {}
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes on macOS, KiB elsewhere
    times = {"wall_ms": wall * 1e3, "cpu_ms": (usage.ru_utime + usage.ru_stime) * 1e3}
    times |= {clock: found.pop(clock) for clock in times if clock in found}
    return Run(**times, rss_mib=usage.ru_maxrss * unit / 2**20, found=found)


def measure(commands: Sequence[Command], rounds: int, *, baseline: str | None = None, quiet: bool = False) -> Report:
    """Run the commands in turn, after one warm-up round.

    Args:
        commands: with names that differ.
        rounds: how often each one runs; an odd number gives a median that was measured.
        baseline: the name of the command the ratios refer to; the first one by default.
        quiet: no progress on standard error.
    """
    baseline = baseline or commands[0].name
    runs: dict[str, list[Run]] = {command.name: [] for command in commands}
    if len(runs) != len(commands) or baseline not in runs or rounds < 1:
        raise ValueError("names must differ, the baseline must be one of them, and there must be a round")
    machine = describe_machine()
    for number in range(rounds + 1):
        first = number % len(commands)
        for command in [*commands[first:], *commands[:first]]:
            result = run(command)
            if number:  # round 0 is the warm-up
                runs[command.name].append(result)
            if not quiet:
                label = f"round {number}/{rounds}" if number else "warm-up"
                print(f"{label}: {command.name}: {result.wall_ms:.0f} ms", file=sys.stderr)
    return Report(machine, baseline, runs)


def describe_machine() -> dict[str, str]:
    """The processor, the memory, how busy it is, and the versions of the interpreter that runs this."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "CPU": model,
        "cores": str(cores),
        "RAM": f"{memory:.1f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        **versions(sys.executable, "numpy", "h5py"),
        "date": datetime.date.today().isoformat(),
    }


def versions(python: str, *packages: str) -> dict[str, str]:
    """The versions of an interpreter and of packages it has, asked in a process of its own; importing nothing."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "found = {'Python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: found[name] = 'not installed'\n"
        "print(json.dumps(found))"
    )
    found: dict[str, str] = json.loads(subprocess.check_output([python, "-c", code, *packages], text=True))
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = True) -> str:
    """A table, the first column to the left and the others to the right; readable as plain text in either form."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
    if markdown:
        lines.insert(1, f"|{'|'.join(['-' * (widths[0] + 2), *('-' * (width + 1) + ':' for width in widths[1:])])}|")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time commands side by side, interleaved; the first is the baseline.")
    parser.add_argument("commands", nargs="+", metavar="NAME=COMMAND", help="quoted as in a shell, but run without one")
    parser.add_argument("-n", "--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="also write every run to this file")
    arguments = parser.parse_args()
    commands = []
    for text in arguments.commands:
        name, equals, command = text.partition("=")
        if not equals or not command.strip():
            parser.error(f"not NAME=COMMAND: {text}")
        commands.append(Command(name, shlex.split(command)))
    report = measure(commands, arguments.rounds)
    print(report.text())
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            file.write(report.json())


if __name__ == "__main__":
    main()
