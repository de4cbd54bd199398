"""``charvec coverage``: how much of the samples each model knows, in one comparison."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from charvec.commands.common import (
    add_keep_argument,
    add_model_arguments,
    fields,
    model_name,
    nothing_found,
    open_model,
    percent,
    print_json,
    print_page,
    share,
    warn,
)
from charvec.commands.corpus import add_sample_arguments, describe, sample_notes, scan_samples
from charvec.plumbing.terminal import complain, escape, number, shown, table

if TYPE_CHECKING:
    from charvec.surveying import Comparison, Group

NAME = "coverage"
HELP = "how much of the samples one or several models know"

#: Blocks and missed characters in the table; ``--html`` and ``--json`` have more.
BLOCKS, MISSED = 8, 12
#: Columns of the first two fields, and of one model.
LEFT, EACH = 38, 13


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    add_model_arguments(parser, several=True)
    add_keep_argument(parser)
    parser.add_argument(
        "--fail-under",
        type=float,
        metavar="PERCENT",
        help="exit 1 when any model covers a smaller share of the text it sees, or sees none",
    )
    parser.add_argument("--json", action="store_true", help="JSON with everything instead of a table")
    parser.add_argument(
        "--html", metavar="FILE", help="also write the comparison as one page; - is stdout, without a table"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace FILE when it exists")


def run(args: Namespace) -> int:
    """Do it and print the comparison."""
    from charvec.errors import UsageError
    from charvec.plumbing.replacing import check_target, write_whole
    from charvec.status import parse_keep
    from charvec.surveying import compare_coverage

    keep = parse_keep(args.keep)
    if args.fail_under is not None and not 0 <= args.fail_under <= 100:
        raise UsageError(
            "E-PERCENT", f"--fail-under {args.fail_under} is no percentage", help="say a number from 0 to 100"
        )
    names: list[str | None] = args.model or [None]
    to_stdout = args.html == "-"
    if to_stdout and args.json:
        raise UsageError("E-USAGE", "--json and --html - both go to standard output", help="name a file: --html FILE")
    out = None if to_stdout else args.html
    if out:
        check_target(out, overwrite=args.force)
    models = [open_model(args, name) for name in names]
    inputs = [file for model in models for file in model.files]
    if out:
        check_target(out, overwrite=args.force, inputs=inputs)
    counts = scan_samples(args, not_this=out, not_these=inputs)
    comparison = compare_coverage(models, counts, keep)
    for model in models:
        warn(model.notes, args)
    warn(sample_notes(counts), args)
    if args.html:
        from charvec.plumbing.coverage_page import coverage_page

        page = coverage_page(comparison.as_dict(), describe(counts.samples), percent)
        if out:
            write_whole(out, page.encode("utf-8", "backslashreplace"), overwrite=args.force)
        else:
            print_page(page)
    called = [model_name(name, model) for name, model in zip(names, models, strict=True)]
    if args.json:
        plain = comparison.as_dict()
        for name, each in zip(names, plain["models"], strict=True):
            each["bundled_model"] = name is None
        print_json(plain)
    elif not to_stdout:
        print("\n".join(_report(comparison, called)))
        if out and not args.quiet:
            print(f"\nthe whole of it: {escape(out)}")
    if not args.fail_under:
        return 0 if counts.samples.complete else 3
    by_name = list(zip(called, comparison.models, strict=True))
    nothing = [(name, each) for name, each in by_name if not each.coverage.seen.occurrences]
    if nothing:
        # a gate that measured nothing has not been passed
        why = nothing_found(nothing[0][1].coverage, counts)
        complain(f"charvec: there was nothing to cover, {why}: {', '.join(name for name, _ in nothing)}")
        return 1
    under = [name for name, each in by_name if each.coverage.occurrences * 100 < args.fail_under]
    if under:
        complain(f"charvec: coverage is under {args.fail_under:g} %: {', '.join(under)}")
        return 1
    return 0 if counts.samples.complete else 3


def _letters(count: int) -> list[str]:
    """A, B, ... Z, A2, B2 ...: names short enough to head a column."""
    return [chr(65 + place % 26) + (str(place // 26 + 1) if place > 25 else "") for place in range(count)]


def _report(comparison: Comparison, called: Sequence[str]) -> Iterator[str]:
    """Lines of the comparison, the models side by side, as many as the terminal has room for."""
    letters = _letters(len(called))
    sizes = [f"({number(each.pieces)} pieces, {each.dim} numbers each)" for each in comparison.models]
    yield fields([[letter, f"{name}  {size}"] for letter, name, size in zip(letters, called, sizes, strict=True)])
    room = max(1, (_columns() - LEFT) // EACH)
    for start in range(0, len(called), room):
        chosen = range(start, min(start + room, len(called)))
        yield ""
        right = tuple(range(1, 2 + len(chosen)))
        yield table(list(_rows(comparison, chosen, letters)), right=right)
    missed = comparison.missed[:MISSED]
    if missed:
        yield ""
        rows = [["missed by some, the commonest", "count", *letters]]
        for each in missed:
            rows.append([f"  {shown(each.char)}", number(each.count), *(status.label for status in each.statuses)])
        yield table(rows, right=(1,))
        if len(comparison.missed) > len(missed):
            yield f"  and {number(len(comparison.missed) - len(missed))} more (--html, --json)"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return 80


def _rows(comparison: Comparison, chosen: range, letters: Sequence[str]) -> Iterator[list[str]]:
    from charvec.status import Status

    models = [comparison.models[place] for place in chosen]
    head = [letters[place] for place in chosen]
    for title, key, total in (
        ("of the text", "occurrences", comparison.total.occurrences),
        ("of its distinct characters", "distinct", comparison.total.distinct),
    ):
        yield [title, number(total), *head]
        seen = [getattr(each.coverage.seen, key) for each in models]
        covered = [getattr(each.coverage.written, key) for each in models]
        yield ["  seen by the model", "", *map(number, seen)]
        yield ["  covered, of what it sees", "", *map(share, covered, seen)]
        if len(comparison.models) > 1:
            whole = getattr(comparison.common, key)
            yield [
                "  covered, of what all see",
                number(whole),
                *(share(getattr(each.of_common, key), whole) for each in models),
            ]
        for status in Status:
            parts = [getattr(each.coverage.by_status[status], key) for each in models]
            if any(parts):
                # what a model deletes is no part of what it sees
                gone = status == Status.REMOVED
                cells = [number(part) if gone else share(part, of) for part, of in zip(parts, seen, strict=True)]
                yield [f"  {status.label}", "", *cells]
        complete = "completeness" if key == "distinct" else "text_completeness"
        scores = [getattr(each, complete) for each in models]
        yield [
            "  completeness, 1 / pieces",
            "",
            *(share(score * of, of) for score, of in zip(scores, seen, strict=True)),
        ]
    yield ["covered, by script", "occurrences", *head]
    yield from (_group(each, chosen) for each in comparison.scripts)
    more = len(comparison.blocks) - BLOCKS
    yield ["covered, by block" + (f" ({more} more in --html)" if more > 0 else ""), "occurrences", *head]
    yield from (_group(each, chosen) for each in comparison.blocks[:BLOCKS])


def _group(group: Group, chosen: range) -> list[str]:
    cells = []
    for place in chosen:
        seen, covered = group.seen[place].occurrences, group.covered[place].occurrences
        cells.append(share(covered, seen) if seen else "deleted")
    name = group.name.replace("_", " ")
    return [f"  {name if len(name) < 34 else name[:32] + '…'}", number(group.total.occurrences), *cells]
