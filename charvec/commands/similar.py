"""``charvec similar``: cosine of two texts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from charvec.commands.common import print_json
from charvec.plumbing.terminal import shown

NAME = "similar"
HELP = "cosine of two characters or texts"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("first", metavar="A", help="character or text")
    parser.add_argument("second", metavar="B", help="character or text")
    parser.add_argument("--json", action="store_true", help="JSON instead of a number")


def run(args: Namespace) -> int:
    """Print the cosine, 4 decimals; what has no vector is named on stderr."""
    from charvec.storage import load

    vectors = load(args.file)
    unknown = sorted({char for char in args.first + args.second if char not in vectors})
    cosine = vectors.similarity(args.first, args.second)
    if args.json:
        # JSON has no NaN
        known = cosine if cosine == cosine else None
        print_json({"a": args.first, "b": args.second, "cosine": known, "unknown": unknown})
    else:
        print(f"{cosine:.4f}")
    if unknown:
        print("charvec: without a vector, left out: " + ", ".join(map(shown, unknown[:20])), file=sys.stderr)
    return 0
