"""``charvec scan``: which characters occur, and how often."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from charvec.commands.common import warn
from charvec.commands.corpus import (
    add_sample_arguments,
    describe,
    describe_left_out,
    sample_notes,
    scan_samples,
)
from charvec.plumbing.terminal import codepoint, complain, escape, json_text, number, print_json_text, visible

NAME = "scan"
HELP = "count the characters of samples"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    parser.add_argument(
        "--unit",
        choices=("codepoint", "grapheme"),
        default="codepoint",
        help="count code points (default), or what a reader sees as one character (grapheme clusters)",
    )
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--out", metavar="OUT", help="write the table to a file (default: stdout)")
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Do it and print one line a character, commonest first: code point, character, count."""
    from charvec.plumbing.replacing import check_target, write_whole

    out = None if args.out == "-" else args.out
    if out:
        check_target(out, overwrite=args.force)
    counts = scan_samples(args, not_this=out)
    warn(sample_notes(counts), args)
    counted: Mapping[str, int] = counts if counts.graphemes is None else counts.graphemes
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
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
            "ignored": samples.ignored,
            "excluded": samples.excluded,
            "settings": dict(samples.settings),
            "unit": args.unit,
            "left_out": dict(counts.left_out),
            "notes": [note.as_dict() for note in sample_notes(counts)],
            "counts": {_codepoints(text): number_of for text, number_of in ordered},
        }
        shown = json_text(report, indent=2) + "\n"
    else:
        shown = "".join(f"{_codepoints(text)}\t{_visible(text)}\t{number_of}\n" for text, number_of in ordered)
    if out:
        write_whole(out, shown.encode(), overwrite=args.force)
    elif args.json:
        print_json_text(shown.removesuffix("\n"), sys.stdout)
    else:
        # line by line: of one large write an unbuffered stream (PYTHONUNBUFFERED) loses the rest when it is cut short
        sys.stdout.writelines(shown.splitlines(keepends=True))
    if not args.quiet:
        complain("\n".join((f"{describe(samples)}, {number(len(counted))} distinct", *describe_left_out(counts))))
    return 0 if samples.complete else 3


def _codepoints(text: str) -> str:
    """``U+6C34``, or several with spaces between them."""
    return " ".join(map(codepoint, text))


def _visible(text: str) -> str:
    """A character as it is shown in tables; a cluster as it stands, unless a part of it would act on a terminal."""
    if len(text) == 1:
        return visible(text)
    return escape(text)
