"""``charvec scan``: which characters occur, and how often."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from charvec.commands.common import add_sample_arguments, describe, sample_notes, scan_samples, warn
from charvec.plumbing.terminal import codepoint, number, visible

NAME = "scan"
HELP = "count the characters of samples"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--out", metavar="OUT", help="write the table to a file (default: stdout)")
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Do it and print one line a character, commonest first: code point, character, count."""
    from charvec.storage import check_target, write_whole

    out = None if args.out == "-" else args.out
    if out:
        check_target(out, overwrite=args.force)
    counts = scan_samples(args, not_this=out)
    warn(sample_notes(counts), args)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    samples = counts.samples
    if args.json:
        report = {
            "files": samples.files,
            "bytes": samples.bytes,
            "characters": samples.characters,
            "distinct": len(counts),
            "bad_bytes": samples.bad_bytes,
            "skipped": samples.skipped,
            "hidden": samples.hidden,
            "notes": [note.as_dict() for note in sample_notes(counts)],
            "counts": {codepoint(char): count for char, count in ordered},
        }
        # file names can hold anything, so everything beyond ASCII is escaped
        shown = json.dumps(report, indent=2) + "\n"
    else:
        shown = "".join(f"{codepoint(char)}\t{visible(char)}\t{number_of}\n" for char, number_of in ordered)
    if out:
        write_whole(out, shown.encode(), overwrite=args.force)
    else:
        # line by line: of one large write an unbuffered stream (PYTHONUNBUFFERED) loses the rest when it is cut short
        sys.stdout.writelines(shown.splitlines(keepends=True))
    if not args.quiet:
        print(f"{describe(samples)}, {number(len(counts))} distinct", file=sys.stderr)
    return 0 if samples.complete else 3
