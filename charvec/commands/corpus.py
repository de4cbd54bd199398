"""Arguments and printing of the commands that scan samples."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from charvec.errors import Note, UsageError
from charvec.plumbing.terminal import complain, count, escape, number, size

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from charvec.counts import Counts, Samples
    from charvec.coverage import Share

__all__ = ["add_sample_arguments", "describe", "describe_left_out", "sample_notes", "scan_samples"]


def add_sample_arguments(parser: ArgumentParser) -> None:
    """Which samples to scan, and how."""
    group = parser.add_argument_group("samples")
    group.add_argument(
        "samples",
        nargs="+",
        metavar="SAMPLE",
        help="file, folder (searched to any depth), glob pattern, URL, - for stdin; also .gz .bz2 .xz .zst .zip .tar",
    )
    group.add_argument(
        "--ext",
        nargs="+",
        default=[],
        metavar="EXT",
        help="inside folders read only these suffixes; after the samples: corpus --ext txt csv",
    )
    group.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="leave these out inside folders, as .gitignore would; may be repeated",
    )
    group.add_argument("--hidden", action="store_true", help="also read hidden files inside folders")
    group.add_argument(
        "-u",
        "--unrestricted",
        action="count",
        default=0,
        help="do not respect .gitignore and .ignore; -uu reads hidden files too",
    )
    group.add_argument("--strict", action="store_true", help="stop (exit 65) when a sample is skipped or damaged")
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--encoding",
        action="append",
        default=[],
        metavar="[GLOB=]NAME",
        help="encoding of the files that are not UTF-8, e.g. gb18030; or of those that match: '*.gbk=gb18030'",
    )
    group.add_argument(
        "--errors",
        choices=("skip", "strict"),
        default="",
        help="undecodable bytes: skip leaves them out of any file and locates each; strict leaves the file out",
    )
    group.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="[GLOB=]PATH",
        help="JSON Lines: count this field, e.g. text or doc.body; or only of the files that match: '*.jsonl=text'",
    )
    group.add_argument(
        "--column", default="", metavar="NAME", help="CSV, TSV, Parquet, Arrow: count this column; a name or a number"
    )
    group.add_argument("--normalize", default="", metavar="FORM", help="first normalise to NFC, NFD, NFKC or NFKD")
    group.add_argument(
        "--max-ratio",
        type=int,
        default=None,
        metavar="N",
        help="times its size that a compressed file may grow to (default: 200)",
    )
    group = parser.add_argument_group("selection")
    group.add_argument(
        "--only", default="", metavar="SCRIPTS", help="only characters of these Unicode scripts: han,kana,hangul"
    )
    group.add_argument("--min-count", type=int, default=1, metavar="N", help="only characters that occur so often")
    group.add_argument("--top", type=int, metavar="N", help="only the commonest N characters")
    group = parser.add_argument_group("work")
    group.add_argument(
        "-j", "--jobs", type=int, default=0, metavar="N", help="threads or processes (default: one a core)"
    )
    group.add_argument("--resume", metavar="FILE", help="keep the counts of finished files here, and go on from there")
    group.add_argument("--scheduler", metavar="ADDRESS", help="count on a Dask cluster: tcp://host:8786, or local")
    group.add_argument("--stats", action="store_true", help="also print what was scanned, by script, to stderr")


def scan_samples(args: Namespace, *, not_this: str | None = None, not_these: Iterable[str] = ()) -> Counts:
    """Scan what the arguments say, with a progress bar where a person is watching; then select."""
    import os
    import time

    from charvec.plumbing.progress import bar
    from charvec.scanning import scan

    if args.only or args.min_count != 1 or args.top is not None:
        from charvec.selection import selected_by

        selected_by(args.only, args.min_count, args.top)  # what makes no sense is said before hours of reading
    if args.resume and not_this and os.path.realpath(args.resume) == os.path.realpath(not_this):
        raise UsageError("E-USAGE", "--resume and -o name the same file", help="name one for each")
    begun = time.perf_counter()
    further: dict[str, Any] = {} if args.max_ratio is None else {"max_ratio": args.max_ratio}
    with _executor(args) as executor:
        try:
            counts = scan(
                args.samples,
                extensions=args.ext,
                encoding=_encodings(args),
                errors=args.errors,
                field=_fields(args),
                column=args.column,
                normalize=args.normalize,
                unit=getattr(args, "unit", "codepoint"),
                hidden=args.hidden or args.unrestricted > 1,
                exclude=args.exclude,
                ignore_files=not args.unrestricted,
                jobs=args.jobs,
                executor=executor,
                resume=args.resume,
                not_this=not_this,
                not_these=not_these,
                progress=bar(quiet=args.quiet or _is_typed(args)),
                **further,
            )
        except KeyboardInterrupt:
            if args.resume:
                complain(f"charvec: what is finished is in {escape(args.resume)}; the same command goes on from there")
            raise
    if args.strict:
        from charvec.dumping import refuse_incomplete

        refuse_incomplete(counts)
    if args.stats:
        complain(_statistics(counts, time.perf_counter() - begun))
    if args.only or args.min_count != 1 or args.top is not None:
        from charvec.selection import select

        counts = select(counts, only=args.only, min_count=args.min_count, top=args.top)
    return counts


def _is_typed(args: Namespace) -> bool:
    """Whether somebody types a sample, through which a bar would run."""
    return "-" in args.samples and sys.stdin is not None and sys.stdin.isatty()


def _executor(args: Namespace) -> AbstractContextManager[Executor | None]:
    if not args.scheduler:
        return nullcontext()
    from charvec.dask import cluster

    return cluster(args.scheduler, workers=args.jobs or None)


def _encodings(args: Namespace) -> dict[str, str] | None:
    """``--encoding`` as glob pattern -> codec; the pattern "" stands for all files that are not UTF-8."""
    return _by_pattern("--encoding", args.encoding) or None


def _fields(args: Namespace) -> dict[str, str]:
    """``--field`` as glob pattern -> dotted path; the pattern "" stands for all other files.

    Raises:
        UsageError: ``E-ARGUMENT`` where a name stands for a pattern: all files would be plain text.
    """
    pairs = _by_pattern("--field", args.field)
    for glob, path in pairs.items():
        if glob and not any(char in glob for char in "*?[./"):
            raise UsageError(
                "E-ARGUMENT",
                f"--field {glob}={path}: {glob!r} is no pattern of files",
                help="write --field '*.jsonl=text'",
            )
    return pairs


def _by_pattern(option: str, given: Iterable[str]) -> dict[str, str]:
    """What an option says, ``[GLOB=]VALUE`` each time, as pattern -> value.

    Raises:
        UsageError: ``E-ARGUMENT`` when it says two things of the same files: one of them would count for nothing.
    """
    pairs: dict[str, str] = {}
    for each in given:
        glob, _, value = each.rpartition("=")
        if pairs.setdefault(glob, value) != value:
            which = f"files like {glob!r}" if glob else "the same files"
            raise UsageError(
                "E-ARGUMENT",
                f"{option} names both {pairs[glob]} and {value} for {which}",
                help=f"say which files each is for: {option} '*.a.txt={pairs[glob]}' {option} '*.b.txt={value}'",
            )
    return pairs


def sample_notes(counts: Counts) -> list[Note]:
    """Everything a scan has to say."""
    return [*counts.samples.problems, *counts.samples.remarks]


def describe(samples: Samples) -> str:
    """What was scanned, and what was not."""
    parts = [count(samples.files, "file"), size(samples.bytes), count(samples.characters, "character")]
    if samples.skipped:
        parts.append(f"{number(samples.skipped)} not read")
    if samples.bad_bytes:
        parts.append(f"{count(samples.bad_bytes, 'byte')} left out")
    for passed, why in ((samples.hidden, "hidden"), (samples.ignored, "ignored"), (samples.excluded, "excluded")):
        if passed:
            parts.append(f"{number(passed)} {why} passed over")
    return ", ".join(parts)


def describe_left_out(counts: Counts) -> list[str]:
    """What was scanned and not selected, a line for each filter: ``--top 3000 left out 120 characters, ...``."""
    lines = []
    for name, filtered in counts.left_out.items():
        setting = filtered["setting"]
        setting = setting if isinstance(setting, int) else ",".join(setting)
        numbers = filtered.get("graphemes", filtered) if counts.graphemes is not None else filtered
        what = f"{count(numbers['distinct'], 'character')}, {count(numbers['occurrences'], 'occurrence')}"
        lines.append(f"--{name.replace('_', '-')} {setting} left out {what}")
    return lines


def _statistics(counts: Counts, seconds: float) -> str:
    """What was scanned, in numbers, and which scripts it is made of."""
    from charvec.plumbing.terminal import table
    from charvec.plumbing.text import counting, scripts

    samples = counts.samples
    rows = [
        ["files", number(samples.files)],
        ["bytes", number(samples.bytes)],
        ["lines", number(counts.get("\n", 0))],
        ["characters", number(samples.characters)],
        ["distinct", number(len(counts))],
    ]
    rows += [["grapheme clusters", number(sum(counts.graphemes.values()))]] if counts.graphemes is not None else []
    rows += [["undecodable bytes", number(samples.bad_bytes)], ["not read", number(samples.skipped)]]
    by_script = [["script", "distinct", "occurrences"]]
    by_script += [[name, number(share.distinct), number(share.occurrences)] for name, share in _by_script(counts)]
    how = "C kernel" if counting.KERNEL else "NumPy"
    rate = f"{size(int(samples.bytes / seconds))}/s" if seconds else ""
    return "\n".join(
        (
            table(rows, right=(1,)),
            "",
            table(by_script, right=(1, 2)),
            f"(scripts of Unicode {scripts.UNICODE_VERSION})",
            f"{seconds:.2f} s, {rate}, counted by the {how}",
        )
    )


def _by_script(counts: Counts) -> list[tuple[str, Share]]:
    """Each script that occurs, by the Script property alone, so that the shares add up; the commonest first."""
    import numpy as np

    from charvec.coverage import Share
    from charvec.plumbing.text import scripts

    ids = scripts.script_ids(counts.codepoints)
    distinct = np.bincount(ids, minlength=len(scripts.SCRIPTS)).tolist()
    shares = [
        (name, Share(distinct[number], int(counts.occurrences[ids == number].sum())))
        for number, name in enumerate(scripts.SCRIPTS)
        if distinct[number]
    ]
    return sorted(shares, key=lambda item: (-item[1].occurrences, item[0]))
