"""``charvec nearest``: the characters nearest to one."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from charvec.commands.common import Unknown, print_json, print_json_line, warn
from charvec.plumbing.terminal import codepoint, complain, count, escape, parse_char, shown, table

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "nearest"
HELP = "the characters nearest to a character or text"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("query", metavar="CHAR", help="character or text; U+6C34 stands for a character; - reads lines")
    parser.add_argument("-k", type=int, default=10, metavar="K", help="how many (default: %(default)s)")
    parser.add_argument("--center", action="store_true", help="take away the mean that the file stores")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table; of lines, JSON Lines")


def run(args: Namespace) -> int:
    """Print one line a character with its cosine."""
    from charvec.errors import NotFound, UsageError
    from charvec.storage import load

    if args.k < 1:
        raise UsageError("E-NUMBER", f"-k {args.k}: at least 1 is needed", help="say how many neighbours to print")
    if args.query == "-":
        return _lines(load(args.file), args)
    query = parse_char(args.query)
    vectors = load(args.file)
    try:
        neighbours = vectors.nearest(query, k=args.k, center=args.center)
    except KeyError:
        named = ", ".join(map(shown, dict.fromkeys(query))) or "an empty text"
        raise NotFound(
            "E-NO-VECTOR",
            f"{args.file} has no vector for {named}",
            path=args.file,
            help="`charvec info --missing` says why characters of the samples are not there",
        ) from None
    if args.json:
        print_json(_as_json(neighbours))
    else:
        print(table([[shown(char), f"{cosine:.4f}"] for char, cosine in neighbours], right=(1,)))
    watched = Unknown()
    watched.look(vectors, query)
    warn(watched.notes(), args)
    return 0


def _as_json(neighbours: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"char": char, "codepoint": codepoint(char), "cosine": cosine} for char, cosine in neighbours]


def _lines(vectors: CharVectors, args: Namespace) -> int:
    """Print the neighbours of every line of stdin: query, character, cosine; exit code 3 when one has none."""
    from charvec.neighbours import nearest_to_texts
    from charvec.plumbing.text.text_lines import batches

    unknown, watched = 0, Unknown()
    vectors = vectors.centered() if args.center else vectors
    for lines in batches("-"):
        queries = [parse_char(line) for line in lines]
        for query, neighbours in zip(queries, nearest_to_texts(vectors, queries, args.k), strict=True):
            unknown += neighbours is None
            watched.look(vectors, query)
            if args.json:
                print_json_line({"query": query, "nearest": None if neighbours is None else _as_json(neighbours)})
                continue
            asked = escape(query)
            for char, cosine in neighbours or []:
                print(f"{asked}\t{shown(char)}\t{cosine:.4f}")
        sys.stdout.flush()
    warn(watched.notes(), args)
    if unknown:
        them = "it" if unknown == 1 else "them"
        complain(f"charvec: {count(unknown, 'line')} without neighbours: no character of {them} has a vector")
    return 3 if unknown else 0
