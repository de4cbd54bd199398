"""Measure how fast characters are counted: rates of one core, and whole scanning commands beside their rivals.

    python bench/scan.py --corpora FOLDER [--rounds 5] [--only rates|commands] [--json FILE] [--markdown]

FOLDER is what ``make_corpora.py`` made. What cannot run here is skipped with a line saying why: the C kernel where it
was not built, a command whose options this charvec does not have, a file that was not made. When two methods, or two
commands on the same text, do not count the same, this is said and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import Command, Report, measure, run, table

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent

CORPORA = ("cjk", "mixed", "smp", "ascii")
CHINESE = "cjk"

SET, COUNTER, WC, READ = "set(open().read())", "Counter(open().read())", "wc -m", "read into 1 MiB"
KERNEL, TWO_THREADS, NUMPY, TWIN = "charvec, C kernel", "charvec, C kernel, 2 threads", "charvec, NumPy", "C twin"
#: The methods of scan_kernel.py. The others are programs.
METHODS = {SET: "set", COUNTER: "counter", READ: "read", KERNEL: "kernel", TWO_THREADS: "threads", NUMPY: "numpy"}


# --- whole commands ---

CHARVEC, PLAIN, METHOD = "charvec", "plain", "method"
#: charvec without the packages of charvec[fast]: an import of these fails.
WITHOUT_FAST = "import sys; sys.modules.update(isal=None, orjson=None); from charvec.cli import run; run()"


@dataclass(frozen=True)
class Row:
    """A whole command.

    Attributes:
        name: in the tables.
        argv: begins with :data:`CHARVEC` for a command of charvec, whose output option is added; with :data:`PLAIN`
            for one that must do without charvec[fast]; with :data:`METHOD` for one of scan_kernel.py; or with the name
            of a program. ``@FILE`` is a file of the corpora.
        cjk: whether the text is that of cjk.txt, line feeds apart: then the counts must be those of the first such row.
    """

    name: str
    argv: Sequence[str]
    cjk: bool = False


ZLIB, ISAL, PLAIN_GZIP, FAST_GZIP = "Python's zlib alone", "ISA-L alone", "scan, with zlib", "scan, with ISA-L"
JSON, PLAIN_FIELD, FIELD = "json.loads + Counter", "scan --field text, without orjson", "scan --field text"
PYARROW, COLUMN = "pyarrow reads the column", "scan --column text"

#: Title of a table -> its rows. The first one that can run is what the others are compared with.
#: More rows go here; one whose option does not exist yet is skipped.
COMMANDS: dict[str, Sequence[Row]] = {
    "Plain text": (
        Row("scan, 280 MB", (CHARVEC, "scan", "@cjk.txt"), cjk=True),
        Row("scan, 28 MB", (CHARVEC, "scan", "@cjk-small.txt")),
        Row("scan, 2.8 GB", (CHARVEC, "scan", "@cjk-huge.txt")),
        Row("dump, 280 MB", (CHARVEC, "dump", "@cjk.txt")),
    ),
    "Jobs": (
        Row("scan -j 1, 280 MB", (CHARVEC, "scan", "@cjk.txt", "-j", "1"), cjk=True),
        Row("scan -j 2, 280 MB", (CHARVEC, "scan", "@cjk.txt", "-j", "2"), cjk=True),
        Row("scan -j 1, 4 x 280 MB", (CHARVEC, "scan", *(f"@{name}.txt" for name in CORPORA), "-j", "1")),
        Row("scan -j 2, 4 x 280 MB", (CHARVEC, "scan", *(f"@{name}.txt" for name in CORPORA), "-j", "2")),
    ),
    "gzip": (
        Row("gzip -dc", ("gzip", "-dc", "@cjk.txt.gz")),
        Row(ZLIB, (METHOD, "zlib", "@cjk.txt.gz")),
        Row(ISAL, (METHOD, "isal", "@cjk.txt.gz")),
        Row(PLAIN_GZIP, (PLAIN, "scan", "@cjk.txt.gz"), cjk=True),
        Row(FAST_GZIP, (CHARVEC, "scan", "@cjk.txt.gz"), cjk=True),
    ),
    "JSON lines": (
        Row(JSON, (METHOD, "json", "@cjk.jsonl")),
        Row(PLAIN_FIELD, (PLAIN, "scan", "@cjk.jsonl", "--field", "text"), cjk=True),
        Row(FIELD, (CHARVEC, "scan", "@cjk.jsonl", "--field", "text"), cjk=True),
    ),
    "JSON lines, \\uXXXX": (
        Row(JSON, (METHOD, "json", "@cjk-escaped.jsonl")),
        Row(FIELD, (CHARVEC, "scan", "@cjk-escaped.jsonl", "--field", "text"), cjk=True),
    ),
    "Parquet, zstd": (
        Row(PYARROW, (METHOD, "parquet", "@cjk-zstd.parquet")),
        Row(COLUMN, (CHARVEC, "scan", "@cjk-zstd.parquet", "--column", "text"), cjk=True),
    ),
    "Parquet, snappy": (
        Row(PYARROW, (METHOD, "parquet", "@cjk-snappy.parquet")),
        Row(COLUMN, (CHARVEC, "scan", "@cjk-snappy.parquet", "--column", "text"), cjk=True),
    ),
}
SMALL, HUGE = "scan, 28 MB", "scan, 2.8 GB"
#: Rival, row, and how many times as fast as the rival the row is to be.
RIVALS = ((ZLIB, PLAIN_GZIP, 0.9), (ISAL, FAST_GZIP, 0.9), (JSON, FIELD, 5), (PYARROW, COLUMN, 1 / 1.5))


def command(row: Row, corpora: Path, out: Path) -> Command:
    """The command of a row; what a command of charvec writes goes to ``out``."""
    program, *arguments = (str(corpora / word[1:]) if word.startswith("@") else word for word in row.argv)
    if program in (CHARVEC, PLAIN):
        start = ["cli.py"] if program == CHARVEC else ["-c", WITHOUT_FAST]
        argv = [sys.executable, *start, *arguments, "-o", str(out), "-f", "-q"]
    elif program == METHOD:
        argv = [sys.executable, str(BENCH / "scan_kernel.py"), *arguments]
    else:
        argv = [program, *arguments]
    return Command(row.name, argv, cwd=str(ROOT))


def measure_commands(corpora: Path, rounds: int, differences: list[str]) -> Iterator[tuple[str, Report]]:
    """Time the whole commands, one table after the other.

    A row that did not count what another one of the same text did is not timed: what does something else cannot be
    compared. It is added to the differences.
    """
    reference: tuple[str, dict[str, str]] | None = None
    with tempfile.TemporaryDirectory(prefix="out-", dir=corpora) as folder:
        for title, rows in COMMANDS.items():
            commands = []
            ours = False
            for number, row in enumerate(rows):
                out = Path(folder) / f"{number}.{'h5' if 'dump' in row.argv else 'tsv'}"
                each = command(row, corpora, out)
                if not works(each, title):
                    continue
                if row.cjk:
                    counts = read_counts(out)
                    reference = reference or (f"{title}: {row.name}", counts)
                    if counts != reference[1]:
                        differences.append(f"{title}: {row.name}: not timed, its counts differ from {reference[0]}")
                        continue
                commands.append(each)
                ours = ours or row.argv[0] in (CHARVEC, PLAIN)
            if ours:
                yield title, measure(commands, rounds)


def read_counts(path: Path) -> dict[str, str]:
    """The table ``scan`` wrote: code point -> count, without the line feeds, which containers do not have."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {row[0]: row[-1] for row in rows if row[0] != "U+000A"}


def works(command: Command, title: str) -> bool:
    """Whether a command ends well here; a line saying why when it does not."""
    try:
        run(command)
        return True
    except (OSError, RuntimeError) as error:
        lines = str(error).splitlines()
        why = [line for line in lines[1:] if line.startswith("charvec: ")][:1] or lines[-1:]
        print(f"{title}: {command.name}: skipped: {why[0]}", file=sys.stderr)
        return False


# --- rates ---


def measure_rates(
    corpora: Path, names: Sequence[str], rounds: int, compiler: str, differences: list[str]
) -> Iterator[tuple[str, Report]]:
    """Time the methods, one corpus after the other; those that counted something else are added to the differences."""
    with tempfile.TemporaryDirectory() as folder:
        twin = build_twin(compiler, Path(folder))

        def methods(path: Path) -> list[Command]:
            script = [sys.executable, str(BENCH / "scan_kernel.py")]
            commands = [Command(name, [*script, method, str(path)], inside=True) for name, method in METHODS.items()]
            commands.insert(2, Command(WC, ["wc", "-m", str(path)]))
            return commands + ([Command(TWIN, [str(twin), str(path)], inside=True)] if twin else [])

        found = {each.name for each in methods(corpora / "cjk-small.txt") if works(each, "rates")}
        for name in names:
            path = corpora / f"{name}.txt"
            if not path.is_file():
                print(f"rates: {name}: skipped: there is no {path}", file=sys.stderr)
                continue
            report = measure([each for each in methods(path) if each.name in found], rounds)
            differences += compare_counts(name, report)
            yield name, report


def build_twin(compiler: str, folder: Path) -> Path | None:
    """The twin, compiled; None, and a line saying why, when that fails."""
    twin = folder / "twin"
    try:
        subprocess.run([compiler, "-O3", "-o", twin, BENCH / "twin.c"], check=True, stderr=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{TWIN}: skipped: {getattr(error, 'stderr', None) or error}", file=sys.stderr)
        return None
    return twin


def compare_counts(corpus: str, report: Report) -> list[str]:
    """A sentence for each method that says something else of the text than the first one that says anything of it."""
    known: dict[str, tuple[object, str]] = {}
    differences = {}
    for name, runs in report.runs.items():
        for what, value in (pair for each in runs for pair in each.found.items()):
            first, first_name = known.setdefault(what, (value, name))
            if value != first:
                differences[name] = f"{corpus}: {name}: {what} {value}, but {first_name}: {first}"
    return list(differences.values())


def rate_table(report: Report, megabytes: float, *, markdown: bool) -> str:
    """Rates of each method, in MB of UTF-8 a second, and how many times as fast as set() it is in CPU time."""
    rows = [
        (
            name,
            f"{megabytes * 1e3 / report.median(name, cpu=True):,.0f}",
            f"{megabytes * 1e3 / report.median(name):,.0f}",
            f"{report.ratio(SET, name, cpu=True):.1f}",
            f"{report.rss(name):.0f}",
        )
        for name in report.runs
    ]
    return table(("method", "MB/s CPU", "MB/s wall", "x set()", "peak RSS MiB"), rows, markdown=markdown)


# --- goals ---

Goal = tuple[str, str, str, str]


def goal(what: str, limit: float, measured: float, *, most: bool = False) -> Goal:
    """A row of the table of goals: at least the limit, or at most."""
    reached = measured <= limit if most else measured >= limit
    return what, f"{'<=' if most else '>='} {limit:.3g}", f"{measured:.2f}", "yes" if reached else "no"


def rate_goals(corpus: str, report: Report) -> list[Goal]:
    """What the design wants of the rates, as far as this run can tell. CPU time, but for two threads."""
    chinese = corpus == CHINESE
    wanted = [
        (KERNEL, SET, 30 if chinese else 18),
        *([(KERNEL, COUNTER, 50), (KERNEL, WC, 15)] if chinese else []),
        (NUMPY, SET, 8 if chinese else 5),
    ]
    rows = [
        goal(f"{corpus}: {name}: times as fast as {rival}", limit, report.ratio(rival, name, cpu=True))
        for name, rival, limit in wanted
        if name in report.runs and rival in report.runs
    ]
    if TWO_THREADS in report.runs:
        rows.append(goal(f"{corpus}: two threads: times as fast as one", 1.8, report.ratio(KERNEL, TWO_THREADS)))
    if KERNEL in report.runs and TWIN in report.runs:
        rows.append(goal(f"{corpus}: {KERNEL}: time of the twin", 1.1, report.ratio(KERNEL, TWIN, cpu=True), most=True))
    return rows


def command_goals(reports: dict[str, Report]) -> list[Goal]:
    """What the design wants of whole commands: hardly more time than others need, the same memory for any length."""
    rows = []
    for title, report in reports.items():
        if {SMALL, HUGE} <= report.runs.keys():
            rows.append(goal("peak RSS, 2.8 GB against 28 MB", 1.1, report.rss(HUGE) / report.rss(SMALL), most=True))
        for rival, name, limit in RIVALS:
            if {rival, name} <= report.runs.keys():
                rows.append(goal(f"{title}: {name}: times as fast as {rival}", limit, report.ratio(rival, name)))
    return rows


def main() -> int:
    """The command line; 1 when counts differ."""
    parser = argparse.ArgumentParser(description="Measure how fast characters are counted.")
    parser.add_argument("--corpora", type=Path, required=True, help="the folder make_corpora.py wrote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("rates", "commands"), help="only one half")
    parser.add_argument("--corpus", nargs="+", choices=CORPORA, default=CORPORA, help="rates of these corpora only")
    parser.add_argument("--cc", default="cc", help="the C compiler for the twin")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run to this file")
    parser.add_argument("--markdown", action="store_true", help="Markdown tables instead of plain ones")
    arguments = parser.parse_args()
    corpora: Path = arguments.corpora.absolute()
    if not (corpora / "cjk-small.txt").is_file():
        parser.error(f"no corpora in {corpora}; run make_corpora.py first")
    rates: dict[str, Report] = {}
    commands: dict[str, Report] = {}
    goals: list[Goal] = []
    differences: list[str] = []
    if arguments.only != "commands":
        for name, report in measure_rates(corpora, arguments.corpus, arguments.rounds, arguments.cc, differences):
            rates[name] = report
            goals += rate_goals(name, report)
            megabytes = (corpora / f"{name}.txt").stat().st_size / 1e6
            rows = rate_table(report, megabytes, markdown=arguments.markdown)
            print(f"\n{name}, {megabytes:.0f} MB\n\n{rows}\n\n{report.where()}", flush=True)
    if arguments.only != "rates":
        for title, report in measure_commands(corpora, arguments.rounds, differences):
            commands[title] = report
            print(f"\n{title}\n\n{report.text(markdown=arguments.markdown)}", flush=True)
        goals += command_goals(commands)
    print(f"\n{table(('goal', 'limit', 'measured', 'reached'), goals, markdown=arguments.markdown)}\n")
    print("\n".join(f"DIFFERS: {difference}" for difference in differences) or "all counts agree")
    if arguments.json:
        content = {
            half: {name: json.loads(report.json()) for name, report in reports.items()}
            for half, reports in (("rates", rates), ("commands", commands))
        }
        arguments.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
