"""``charvec similar``: cosine of two texts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import print_json
from charvec.plumbing.terminal import parse_char, shown

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "similar"
HELP = "cosine of two characters or texts"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("first", metavar="A", help="character or text; U+6C34 stands for a character")
    parser.add_argument("second", metavar="B", help="likewise")
    parser.add_argument("--json", action="store_true", help="JSON instead of a number")


def run(args: Namespace) -> int:
    """Print the cosine, 4 decimals; what has no vector is named on stderr."""
    from charvec.storage import load

    first, second = parse_char(args.first), parse_char(args.second)
    vectors = load(args.file)
    for text in (first, second):
        _check_known(vectors, text, args.file)
    unknown = sorted({char for char in first + second if char not in vectors})
    cosine = vectors.similarity(first, second)
    if args.json:
        # JSON has no NaN
        known = cosine if cosine == cosine else None
        print_json({"a": first, "b": second, "cosine": known, "unknown": unknown})
    else:
        print(f"{cosine:.4f}")
    if unknown:
        print("charvec: without a vector, left out: " + ", ".join(map(shown, unknown[:20])), file=sys.stderr)
    return 0


def _check_known(vectors: CharVectors, text: str, path: str) -> None:
    """Refuse a text that has no direction to compare: a cosine of 0 would look like a measurement.

    Raises:
        NotFound: ``E-NO-VECTOR`` when no character of the text has a vector.
    """
    from charvec.errors import NotFound

    if not any(char in vectors for char in text):
        named = ", ".join(map(shown, dict.fromkeys(text))) or "an empty text"
        raise NotFound(
            "E-NO-VECTOR",
            f"{path} has no vector for {named}",
            path=path,
            help="`charvec info --missing` says why characters of the samples are not there",
        )
