"""``charvec explain``: what an error or warning means, and what to do."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from charvec.plumbing.terminal import room, table, wrapped

NAME = "explain"
HELP = "what an error or warning code means"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="e.g. E-LFS-POINTER; without it, all codes are listed")


def run(args: Namespace) -> int:
    """Print the explanation."""
    from charvec.errors import UsageError
    from charvec.explanations import EXPLANATIONS, first_sentence, sections

    if args.code is None:
        columns = room(sys.stdout)
        for title, codes in sections().items():
            print(f"{title}\n{table([[each, first_sentence(each)] for each in codes], indent='  ', columns=columns)}\n")
        print("charvec explain CODE tells more")
        return 0
    code = args.code.strip().strip("[]").upper()
    if code not in EXPLANATIONS:
        from difflib import get_close_matches

        close = get_close_matches(code, EXPLANATIONS, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError("E-CODE", f"there is no code {args.code!r}", help=f"{hint}`charvec explain` lists all codes")
    print(f"{code}\n{wrapped(EXPLANATIONS[code], room(sys.stdout), hang=0)}")
    return 0
