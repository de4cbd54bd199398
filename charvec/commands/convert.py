"""``charvec convert``: the same vectors in another format or element type."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from charvec.commands.common import left_out_note, warn
from charvec.plumbing.terminal import escape, number, size

NAME = "convert"
HELP = "write a vector file in another format or element type"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="IN", help="vector file of any format: .h5 .npz .safetensors .txt .vec .pkl")
    parser.add_argument("out", metavar="OUT", help="the suffix says the format")
    parser.add_argument(
        "--format", metavar="NAME", help="hdf5, npz, safetensors, text, word2vec or pickle; or a suffix"
    )
    parser.add_argument("--dtype", metavar="TYPE", help="float32, float16 or int8 (default: as it is)")
    parser.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    parser.add_argument(
        "--unchecked", action="store_true", help="read IN though another tool changed it (not for files of strangers)"
    )


def run(args: Namespace) -> int:
    """Do it and print what was left out, if anything."""
    import os

    from charvec import formats
    from charvec.extraction import notes_on
    from charvec.storage import check_output, load, save

    check_output(args.out, format=args.format, overwrite=args.force, inputs=[args.file])
    vectors = load(args.file, check=not args.unchecked)
    if args.dtype:
        vectors = vectors.astype(args.dtype)
    left_out = save(vectors, args.out, format=args.format, overwrite=args.force)
    notes = notes_on(vectors)
    notes += left_out_note(args.out, left_out)
    warn(notes, args)
    if not args.quiet:
        member = formats.by_name(args.format) if args.format else formats.by_suffix(args.out)
        held = f"{number(len(vectors) - len(left_out))} characters x {vectors.dim} "
        held += formats.written_as(member, vectors.dtype)
        print(f"{escape(args.out)}: {held}, {size(os.path.getsize(args.out))}")
    return 0
