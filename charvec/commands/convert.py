"""``charvec convert``: the same vectors in another format or element type, or as another program expects them."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from charvec.commands.common import add_reduction_arguments, fields, print_json, reduction, say, warn
from charvec.errors import Note
from charvec.plumbing.terminal import codepoint, count, escape, number, shown, size

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "convert"
HELP = "write a vector file in another format or element type, or as another program expects it"


class _List(argparse.Action):
    """Print the profiles and stop, as ``--version`` does."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> None:
        say(_profiles())
        parser.exit()


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "file", metavar="IN", help="vector file of any format: .h5 .npz .safetensors .txt .vec .bin .pkl"
    )
    parser.add_argument("out", metavar="OUT", help="the suffix, or the profile, says the format; may be a folder")
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="hdf5, npz, safetensors, text, word2vec, word2vec-binary or pickle; or a suffix",
    )
    parser.add_argument("--dtype", metavar="TYPE", help="float32, float16, int8, pq or pq:M (default: as it is)")
    parser.add_argument("--top", type=int, metavar="N", help="only the characters among the commonest N of the samples")
    parser.add_argument("--restore", action="store_true", help="bring rows on principal axes back to their length")
    add_reduction_arguments(parser)
    parser.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    parser.add_argument(
        "--unchecked", action="store_true", help="read IN though another tool changed it (not for files of strangers)"
    )
    parser.add_argument("--json", action="store_true", help="what was written and left out, as JSON")
    group = parser.add_argument_group("for another program")
    group.add_argument(
        "--for",
        dest="profile",
        metavar="PROFILE",
        help="lattice, glove, gensim, gensim-binary, fasttext, spacy, bert-vector, chinese-text-classification, "
        "ner-funtool, paddle, torchtext, model2vec, opennre, projector, parquet ...",
    )
    group.add_argument("--list-profiles", action=_List, nargs=0, help="list the profiles, who reads them, and stop")
    group.add_argument(
        "--special", metavar="WHERE", help="rows of padding and of unknown characters: first, last, none"
    )
    group.add_argument("--pad", metavar="NAME", help="what the row of padding, zeros, is called")
    group.add_argument("--unk", metavar="NAME", help="what the row of unknown characters is called")
    group.add_argument("--unk-row", metavar="WHAT", help="what it holds: mean, zeros or normal")


def run(args: Namespace) -> int:
    """Do it and print what was left out, if anything."""
    from charvec.dtypes import check_dtype
    from charvec.errors import UsageError
    from charvec.exporting import check_export
    from charvec.extraction import notes_on
    from charvec.fidelity import describe
    from charvec.storage import check_output, load

    smaller = reduction(args)
    special = [name for name in ("special", "pad", "unk", "unk_row") if getattr(args, name)]
    if args.profile and args.format:
        raise UsageError("E-USAGE", "--for and --format exclude each other", help="a profile says the format")
    if special and not args.profile:
        option = "--" + special[0].replace("_", "-")
        raise UsageError("E-USAGE", f"{option} belongs to a profile", help="say --for; see --list-profiles")
    if args.profile:
        check_export(args.out, args.profile, overwrite=args.force, inputs=(args.file,))
    else:
        check_output(args.out, format=args.format, overwrite=args.force, inputs=[args.file])
    if args.dtype:
        check_dtype(args.dtype)
    vectors = load(args.file, check=not args.unchecked)
    if args.restore:
        vectors = vectors.restore()
    if smaller:
        from charvec.reducing import reduce

        vectors = reduce(vectors, **smaller, dtype=args.dtype)
    elif args.dtype:
        vectors = vectors.astype(args.dtype)
    notes = notes_on(vectors)
    plain, left_out, dropped, summary = (_for if args.profile else _as)(vectors, args)
    if args.profile and left_out:
        notes.append(_lost(args, left_out))
    elif left_out:
        from charvec.storage import left_out_notes

        notes += left_out_notes(args.out, list(left_out))
    warn([*notes, *dropped], args)
    if args.json:
        named = [{"char": char, "codepoint": codepoint(char)} for char in left_out]
        print_json({"path": args.out, **plain, "dim": vectors.dim, "left_out": named})
    elif not args.quiet:
        say(summary)
        for line in _done(vectors, smaller):
            say(escape(line))
        if (args.dtype or smaller) and "fidelity" in vectors.source:
            say(f"fidelity: {escape(describe(vectors.source['fidelity']))}")
    return 0


def _done(vectors: CharVectors, smaller: dict[str, Any]) -> list[str]:
    """What was made smaller, a line each."""
    from charvec.reduction import describe_pooling, describe_reduction

    lines = []
    if "top" in smaller:
        share = vectors.source["samples"]["left_out"]["top"]
        left_out = f"{count(share['distinct'], 'character')}, {count(share['occurrences'], 'occurrence')}"
        lines.append(f"--top {smaller['top']} left out {left_out}")
    if {"dims", "pca"} & smaller.keys():
        lines += describe_reduction(vectors)
    stored = describe_pooling(vectors)
    if stored and {"center", "sif"} & smaller.keys():
        lines.append(f"pooling: {stored}")
    return lines


def _as(vectors: CharVectors, args: Namespace) -> tuple[dict[str, Any], Sequence[str], Sequence[Note], str]:
    """Write a format; what to say of it as plain values, what was left out, what else was lost, and one line."""
    import os

    from charvec import formats
    from charvec.storage import put

    left_out, dropped = put(vectors, args.out, format=args.format, overwrite=args.force)
    member = formats.by_name(args.format) if args.format else formats.by_suffix(args.out)
    characters = len(vectors) - len(left_out)
    length = os.path.getsize(args.out)
    plain = {"format": member.NAME, "characters": characters, "bytes": length}
    held = f"{number(characters)} characters x {vectors.dim} {formats.written_as(member, vectors.dtype)}"
    return plain, left_out, dropped, f"{escape(args.out)}: {held}, {size(length)}"


def _for(vectors: CharVectors, args: Namespace) -> tuple[dict[str, Any], Sequence[str], Sequence[Note], str]:
    """Write a profile; what to say of it as plain values, what was left out, what else was lost, and a few lines."""
    from charvec.exporting import export

    done = export(
        vectors,
        args.out,
        args.profile,
        pad=args.pad,
        unk=args.unk,
        special=args.special,
        unk_row=args.unk_row,
        overwrite=args.force,
    )
    plain = {
        "profile": done.profile,
        "files": list(done.files),
        "characters": done.characters,
        "special": dict(done.special),
        "bytes": done.bytes,
    }
    rows = "".join(f", {escape(name)} = row {number(row)}" for name, row in done.special.items())
    lines = f"{escape(args.out)} for {done.profile}: {number(done.characters)} characters x {vectors.dim}{rows}, "
    lines += size(done.bytes) + "; read back, the same"
    if done.files:
        lines += "\n  " + ", ".join(done.files)
    return plain, done.left_out, done.notes, lines


def _lost(args: Namespace, left_out: Sequence[str]) -> Note:
    """What was left out, every character of it."""
    named = ", ".join(map(shown, left_out))
    lost = f"{count(len(left_out), 'character')} left out, which its readers would lose or fail on: {named}"
    return Note("W-LEFT-OUT", f"{args.out}: {lost}", args.out)


def _profiles() -> str:
    """A table of all profiles."""
    from charvec import profiles

    rows = [["PROFILE", "WRITES", "READ BY"]]
    for member in profiles.members():
        rows.append([member.NAME, f"{len(member.FILES)} files" if member.FILES else "a file", member.READERS])
    rows += [[name, "a file", readers] for name, (_, readers) in profiles.FORMATS.items()]
    return fields(rows)
