"""``charvec coverage``: how much of the samples each model knows."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import (
    add_keep_argument,
    add_model_arguments,
    model_name,
    open_model,
    percent,
    print_json,
    warn,
)
from charvec.commands.corpus import add_sample_arguments, sample_notes, scan_samples
from charvec.plumbing.terminal import number, table

if TYPE_CHECKING:
    from charvec.coverage import Share

NAME = "coverage"
HELP = "how much of the samples one or several models know"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    add_model_arguments(parser, several=True)
    add_keep_argument(parser)
    parser.add_argument(
        "--fail-under",
        type=float,
        metavar="PERCENT",
        help="exit 1 when any model covers a smaller share of the text it sees",
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Do it and print a table."""
    from charvec.errors import UsageError
    from charvec.extraction import cover
    from charvec.status import Status, parse_keep

    keep = parse_keep(args.keep)
    if args.fail_under is not None and not 0 <= args.fail_under <= 100:
        raise UsageError(
            "E-PERCENT", f"--fail-under {args.fail_under} is no percentage", help="say a number from 0 to 100"
        )
    names: list[str | None] = args.model or [None]
    models = [open_model(args, name) for name in names]
    counts = scan_samples(args, not_these=[file for model in models for file in model.files])
    results = [cover(model, counts, keep) for model in models]
    for model in models:
        warn(model.notes, args)
    warn(sample_notes(counts), args)
    if args.json:
        print_json(
            [
                {"model": model.name, "bundled_model": name is None, **result.as_dict()}
                for name, model, result in zip(names, models, results, strict=True)
            ]
        )
    else:
        for name, model, result in zip(names, models, results, strict=True):
            print(model_name(name, model))
            rows = [["", "distinct", "", "occurrences", ""]]
            for status in Status:
                share = result.by_status[status]
                if share.distinct:
                    shares = ("", "") if status == Status.REMOVED else _shares(share, result.seen)
                    rows.append([status.label, number(share.distinct), shares[0], number(share.occurrences), shares[1]])
            shares = _shares(result.written, result.seen)
            rows.append(
                ["covered", number(result.written.distinct), shares[0], number(result.written.occurrences), shares[1]]
            )
            print(table(rows, right=(1, 2, 3, 4), indent="  "))
    if args.fail_under is not None and any(result.occurrences * 100 < args.fail_under for result in results):
        print(f"charvec: coverage is under {args.fail_under:g} %", file=sys.stderr)
        return 1
    return 0 if counts.samples.complete else 3


def _shares(part: Share, whole: Share) -> tuple[str, str]:
    """A part in percent of what the model sees: distinct characters, occurrences."""
    distinct = percent(part.distinct / whole.distinct) if whole.distinct else ""
    return distinct, percent(part.occurrences / whole.occurrences) if whole.occurrences else ""
