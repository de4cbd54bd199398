"""``charvec update``: add what more samples hold to a vector file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import (
    add_model_arguments,
    add_space_argument,
    fields,
    open_model,
    print_json,
    warn,
)
from charvec.commands.corpus import add_sample_arguments, describe, sample_notes, scan_samples
from charvec.plumbing.terminal import count, escape, number, shown, size

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "update"
HELP = "add the characters and counts of more samples to a vector file"

#: New characters named in the summary.
NAMED = 5


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file, as `charvec dump` wrote it")
    add_sample_arguments(parser)
    add_model_arguments(parser)
    add_space_argument(parser)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--out", metavar="OUT", help="write here and leave FILE as it is")
    group.add_argument("--format", metavar="NAME", help="format of OUT, when the suffix does not say it")
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="JSON instead of a summary")


def run(args: Namespace) -> int:
    """Do it and print what came."""
    import os

    from charvec.comparing import diff
    from charvec.storage import check_output, format_of, left_out_notes, load, put
    from charvec.updating import update

    out = args.out or args.file
    in_place = args.out is None
    vectors = load(args.file)
    form = args.format or (format_of(args.file).NAME if in_place else None)
    check_output(out, format=form, overwrite=args.force or in_place)
    model = open_model(args, args.model)
    check_output(
        out, format=form, overwrite=args.force or in_place, inputs=[*model.files, *([] if in_place else [args.file])]
    )
    counts = scan_samples(args, not_this=out, not_these=[args.file, *model.files])
    made = update(vectors, counts, model)
    left_out, dropped = put(made, out, format=form, overwrite=args.force or in_place)
    warn([*model.notes, *sample_notes(counts), *left_out_notes(out, left_out), *dropped], args)
    difference = diff(vectors, made)
    if args.json:
        print_json({"out": out, **difference.as_dict(), "coverage": made.coverage.as_dict()})
    elif not args.quiet:
        more = len(difference.came) - NAMED
        came = ", ".join(map(shown, difference.came[:NAMED])) + (f" and {number(more)} more" if more > 0 else "")
        rows = [
            ["samples", describe(counts.samples)],
            ["new", f"{count(len(difference.came), 'character')}{': ' + came if came else ''}"],
            ["missing", f"{number(len(made.missing))}, before {number(len(vectors.missing))}"],
            ["file", f"{escape(out)}, {_held(made)}, {size(os.path.getsize(out))}"],
        ]
        print(fields(rows))
    return 0 if counts.samples.complete else 3


def _held(vectors: CharVectors) -> str:
    return f"{number(len(vectors))} x {vectors.dim} {vectors.dtype}"
