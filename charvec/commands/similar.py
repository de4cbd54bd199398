"""``charvec similar``: cosine of two texts."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import NAMED, Unknown, check_weight, print_json, print_json_line, warn
from charvec.plumbing.terminal import parse_char, shown

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "similar"
HELP = "cosine of two characters or texts"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("first", metavar="A", help="character or text; U+6C34 stands for a character; - reads pairs")
    parser.add_argument("second", metavar="B", nargs="?", help="likewise; with -, lines of stdin hold A, a tab and B")
    parser.add_argument(
        "--pooling", choices=("mean", "sif", "stored"), default="mean", help="how a text gets its vector, as for encode"
    )
    parser.add_argument("-a", type=float, metavar="A", help="of sif (default: the one that the file stores, or 0.001)")
    parser.add_argument("--center", action="store_true", help="take away the mean that the file stores")
    parser.add_argument("--json", action="store_true", help="JSON instead of a number; of pairs, JSON Lines")


def run(args: Namespace) -> int:
    """Print the cosine, 4 decimals; what has no vector is named on stderr."""
    from charvec.errors import UsageError
    from charvec.storage import load

    check_weight(args)
    if args.second is None:
        if args.first != "-":
            raise UsageError("E-USAGE", "one text alone has no cosine", help="give two, or - for pairs from stdin")
        return _pairs(load(args.file), args)
    first, second = parse_char(args.first), parse_char(args.second)
    vectors = load(args.file)
    for text in (first, second):
        _check_known(vectors, text, args.file)
    unknown = sorted({char for char in first + second if char not in vectors})
    cosine = vectors.similarity(first, second, args.pooling, a=args.a, center=args.center)
    if args.json:
        # JSON has no NaN
        known = cosine if cosine == cosine else None
        print_json({"a": first, "b": second, "cosine": known, "unknown": unknown})
    else:
        print(f"{cosine:.4f}")
    watched = Unknown()
    watched.look(vectors, first + second)
    warn(watched.notes(), args)
    return 0


def _pairs(vectors: CharVectors, args: Namespace) -> int:
    """A cosine for every line of stdin; ``nan`` or null, and exit code 3, for no pair, or a text without any vector."""
    import numpy as np

    from charvec.errors import Note, UsageError
    from charvec.plumbing.terminal import complain, count
    from charvec.plumbing.text.text_lines import batches

    number, undefined, bad, watched = 0, 0, [], Unknown()
    for lines in batches("-"):
        pairs = []
        for line in lines:
            number += 1
            try:
                pair = [parse_char(text) for text in line.split("\t")]
            except UsageError:
                pair = []
            if len(pair) != 2:
                bad.append(number)
                pair = ["", ""]  # which have no cosine
            pairs.append(pair)
        options = {"a": args.a, "center": args.center, "normalize": True}
        sides = [vectors.encode([pair[side] for pair in pairs], args.pooling, **options) for side in (0, 1)]
        one, two = (np.asarray(side, np.float64) for side in sides)
        with np.errstate(invalid="ignore"):
            cosines = np.clip(np.einsum("ij,ij->i", one, two), -1.0, 1.0).tolist()
        for pair, cosine in zip(pairs, cosines, strict=True):
            known = [watched.look(vectors, text) for text in pair]
            value = cosine if all(known) else float("nan")
            undefined += value != value
            if args.json:
                unknown = sorted({char for char in "".join(pair) if char not in vectors})
                shown_value = value if value == value else None
                print_json_line({"a": pair[0], "b": pair[1], "cosine": shown_value, "unknown": unknown})
            else:
                print(f"{value:.4f}")
        sys.stdout.flush()
    notes = watched.notes()
    if bad:
        named = ", ".join(map(str, bad[:NAMED])) + (" ..." if len(bad) > NAMED else "")
        said = (
            f"standard input, {'line' if len(bad) == 1 else 'lines'} {named}: not two texts with one tab between them"
        )
        notes.append(Note("W-PAIR", said, "-"))
    warn(notes, args)
    if undefined > len(bad):
        told = count(undefined - len(bad), "pair")
        complain(f"charvec: {told} without a cosine: a text has no character with a vector")
    return 3 if undefined else 0


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
