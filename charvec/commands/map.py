"""``charvec map``: characters on a plane, as one page to look at."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from charvec.commands.common import print_json, print_page, warn
from charvec.errors import Note
from charvec.plumbing.terminal import count, escape, number, shown_some

NAME = "map"
HELP = "characters on a plane, near to which others they lie: one page for a browser"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    from charvec.plumbing.map_page import DRAWN

    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument(
        "-o", "--out", metavar="OUT", default="map.html", help="the page; - is stdout (default: %(default)s)"
    )
    parser.add_argument("--top", type=int, default=DRAWN, metavar="N", help="the N commonest (default: %(default)s)")
    parser.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    parser.add_argument("--json", action="store_true", help="places and neighbours as JSON to stdout instead of a page")


def run(args: Namespace) -> int:
    """Write the page and print a line about it."""
    from charvec.drawing import draw
    from charvec.plumbing.map_page import map_page
    from charvec.plumbing.replacing import check_target, write_whole
    from charvec.storage import load

    to_stdout = args.out == "-"
    if not args.json and not to_stdout:
        check_target(args.out, overwrite=args.force, inputs=[args.file])
    vectors = load(args.file)
    drawn = draw(vectors, top=args.top)
    warn(list(_notes(drawn.flat, args.file)), args)
    plain = drawn.as_dict()
    if args.json:
        print_json(plain)
        return 0
    page = map_page(plain, args.file)
    if to_stdout:
        print_page(page)
        return 0
    write_whole(args.out, page.encode("utf-8", "backslashreplace"), overwrite=args.force)
    if not args.quiet:
        of = "" if len(drawn.chars) == drawn.of else f" of {number(drawn.of)}"
        along = sum(drawn.shares[:2].tolist())
        print(f"{escape(args.out)}: {count(len(drawn.chars), 'character')}{of}, {along:.0%} of the variance in view")
    return 0


def _notes(flat: list[str], path: str) -> Iterator[Note]:
    if flat:
        flat_ones = f"{count(len(flat), 'vector')} of zeros, NaN or infinity"
        yield Note("W-NO-DIRECTION", f"{path}: {flat_ones} not drawn: {shown_some(flat, 5)}", path)
