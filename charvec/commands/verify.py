"""``charvec verify``: prove a vector file whole, and bit-equal to its checkpoint."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from charvec.commands.common import open_model, warn
from charvec.plumbing.terminal import escape, number, shown

NAME = "verify"
HELP = "prove a vector file whole, and equal to its checkpoint"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("--against", metavar="MODEL", help="compare every vector, bit for bit, with this model")
    parser.add_argument("--vocab", metavar="FILE", help="vocabulary file, when it is not beside the checkpoint")
    parser.add_argument("--tensor", metavar="NAME", help="embedding tensor, when it is not found by its name")
    parser.add_argument(
        "--cased", dest="lowercase", action="store_false", default=None, help="the tokenizer keeps case"
    )
    parser.add_argument("--uncased", dest="lowercase", action="store_true", help="the tokenizer lower-cases")


def run(args: Namespace) -> int:
    """Exit 0 when all is well, 65 when the file is damaged, 1 when it differs from the model."""
    from charvec.extraction import notes_on, verify_rows
    from charvec.storage import format_of, load

    vectors, proof = load(args.file), format_of(args.file).PROOF
    warn(notes_on(vectors), args)
    said = (
        f"whole, by its {proof}"
        if proof
        else "well-formed; its format has no checksum, so a changed number goes unnoticed"
    )
    if not args.quiet:
        print(f"{escape(args.file)}: {number(len(vectors))} vectors, {said}")
    if args.against is None:
        return 0
    model = open_model(args, args.against)
    wrong = verify_rows(vectors, model)
    if not wrong:
        if not args.quiet:
            print(f"{number(len(vectors))} of {number(len(vectors))} vectors are bit-equal to {escape(args.against)}")
        return 0
    named = ", ".join(map(shown, wrong[:8])) + (" ..." if len(wrong) > 8 else "")
    print(
        f"{number(len(wrong))} of {number(len(vectors))} vectors differ from {escape(args.against)}: {named}",
        file=sys.stderr,
    )
    return 1
