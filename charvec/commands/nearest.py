"""``charvec nearest``: the characters nearest to one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from charvec.commands.common import print_json
from charvec.plumbing.terminal import codepoint, parse_char, shown, table

NAME = "nearest"
HELP = "the characters nearest to a character or text"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("query", metavar="CHAR", help="character or text; U+6C34 stands for a character")
    parser.add_argument("-k", type=int, default=10, metavar="K", help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Print one line a character with its cosine."""
    from charvec.errors import NotFound, UsageError
    from charvec.storage import load

    if args.k < 1:
        raise UsageError("E-NUMBER", f"-k {args.k}: at least 1 is needed", help="say how many neighbours to print")
    query = parse_char(args.query)
    vectors = load(args.file)
    try:
        neighbours = vectors.nearest(query, k=args.k)
    except KeyError:
        named = ", ".join(map(shown, dict.fromkeys(query))) or "an empty text"
        raise NotFound(
            "E-NO-VECTOR",
            f"{args.file} has no vector for {named}",
            path=args.file,
            help="`charvec info --missing` says why characters of the samples are not there",
        ) from None
    if args.json:
        print_json([{"char": char, "codepoint": codepoint(char), "cosine": cosine} for char, cosine in neighbours])
    else:
        print(table([[shown(char), f"{cosine:.4f}"] for char, cosine in neighbours], right=(1,)))
    return 0
