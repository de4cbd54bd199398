"""``charvec merge``: several vector files in one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from charvec.commands.common import fields, print_json, warn
from charvec.plumbing.terminal import escape, number, size

NAME = "merge"
HELP = "put several vector files together: first that knows a character, or side by side"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="vector files, the preferred first")
    parser.add_argument("-o", "--out", metavar="OUT", required=True, help="the suffix says the format")
    parser.add_argument("--format", metavar="NAME", help="format, when the suffix does not say it")
    parser.add_argument(
        "--how",
        choices=("first", "concat"),
        default="first",
        help="first (default): each character from the first file that has it; concat: vectors side by side",
    )
    parser.add_argument(
        "--counts",
        choices=("sum", "max"),
        help="of characters in several files (default: sum when all are of one model, as they then come from "
        "different samples; otherwise max)",
    )
    parser.add_argument(
        "--missing",
        choices=("zeros", "drop"),
        default="zeros",
        help="with concat: zeros for what a file lacks (default), or leave such characters out",
    )
    parser.add_argument(
        "--dtype", metavar="TYPE", help="float32, float16, int8, pq or pq:M (default: that of the files)"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    parser.add_argument("--json", action="store_true", help="JSON instead of a summary")


def run(args: Namespace) -> int:
    """Do it and print what each file gave."""
    import os

    import numpy as np

    from charvec.extraction import notes_on
    from charvec.fidelity import describe
    from charvec.merging import merge, mixed_spaces
    from charvec.storage import check_output, left_out_notes, put

    check_output(args.out, format=args.format, overwrite=args.force, inputs=args.files)
    vectors = merge(args.files, how=args.how, counts=args.counts, missing=args.missing, dtype=args.dtype)
    left_out, dropped = put(vectors, args.out, format=args.format, overwrite=args.force)
    warn([*mixed_spaces(vectors), *notes_on(vectors), *left_out_notes(args.out, left_out), *dropped], args)
    flags = np.zeros(0, np.uint16) if vectors.sources is None else vectors.sources
    given = [int((flags >> place & 1).sum()) for place in range(len(vectors.source["sources"]))]
    if args.json:
        print_json(
            {
                "out": args.out,
                "characters": len(vectors) - len(left_out),
                "dim": vectors.dim,
                "dtype": vectors.dtype,
                "given": given,
                "missing": len(vectors.missing),
                "left_out": [f"U+{ord(char):04X}" for char in left_out],
            }
        )
    elif not args.quiet:
        rows = [
            [escape(name), f"{number(count)} vectors"] for name, count in zip(_named(args, given), given, strict=True)
        ]
        held = f"{number(len(vectors) - len(left_out))} x {vectors.dim} {vectors.dtype}"
        rows.append([escape(args.out), f"{held}, {size(os.path.getsize(args.out))}"])
        if "fidelity" in vectors.source:
            rows.append(["fidelity", escape(describe(vectors.source["fidelity"]))])
        print(fields(rows))
    return 0


def _named(args: Namespace, given: list[int]) -> list[str]:
    """The files; or, when some were merged already and so count as several sources, numbers."""
    return list(args.files) if len(args.files) == len(given) else [f"source {place + 1}" for place in range(len(given))]
