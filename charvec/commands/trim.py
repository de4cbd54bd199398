"""``charvec trim``: a smaller model, with only the pieces that the samples' characters need."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from charvec.commands.common import add_remote_arguments, fields, open_model, print_json, warn
from charvec.commands.corpus import add_sample_arguments, describe, sample_notes, scan_samples
from charvec.plumbing.terminal import escape, number, size

NAME = "trim"
HELP = "write a smaller model with only the pieces that the samples' characters need"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "model", metavar="MODEL", help="first of all, a checkpoint: a Hugging Face folder, or its file of weights"
    )
    add_sample_arguments(parser)
    parser.set_defaults(order="MODEL SAMPLE ... -o DIR")
    group = parser.add_argument_group("model")
    group.add_argument("--vocab", metavar="FILE", help="vocabulary file, when it is not beside the checkpoint")
    group.add_argument("--tensor", metavar="NAME", help="embedding tensor, when it is not found by its name")
    add_remote_arguments(group)  # type: ignore[arg-type]
    casing = group.add_mutually_exclusive_group()
    casing.add_argument(
        "--cased", dest="lowercase", action="store_false", default=None, help="the tokenizer keeps case and accents"
    )
    casing.add_argument(
        "--uncased", dest="lowercase", action="store_true", help="the tokenizer lower-cases and strips accents"
    )
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--out", metavar="DIR", required=True, help="the folder to write")
    group.add_argument("--keep-unused", action="store_true", help="keep pieces such as [unused1]")
    group.add_argument("-f", "--force", action="store_true", help="replace DIR when charvec wrote it")
    group.add_argument("--json", action="store_true", help="JSON instead of a summary")


def run(args: Namespace) -> int:
    """Do it and print what was saved."""
    from charvec.trimming import check_counts, trim

    model = open_model(args, args.model)
    counts = scan_samples(args, not_this=args.out, not_these=model.files)
    check_counts(counts)
    done = trim(model, counts, args.out, overwrite=args.force, unused=args.keep_unused)
    warn([*model.notes, *sample_notes(counts), *done.notes], args)
    if args.json:
        print_json(
            {
                "out": done.folder,
                "pieces": {"before": done.pieces, "after": len(done.old_ids)},
                "bytes": {"before": done.old_bytes, "after": done.new_bytes},
                "characters": done.characters,
                "tensors_cut": list(done.cut),
                "files": list(done.files),
            }
        )
    elif not args.quiet:
        saved = 1 - done.new_bytes / done.old_bytes if done.old_bytes else 0
        rows = [
            ["samples", f"{describe(counts.samples)}, {number(len(counts))} distinct"],
            ["pieces", f"{number(len(done.old_ids))} of {number(done.pieces)}"],
            ["tensors cut", escape(", ".join(done.cut))],
            ["weights", f"{size(done.new_bytes)} of {size(done.old_bytes)}, {saved:.0%} saved"],
            ["folder", f"{escape(done.folder)}: {escape(', '.join(done.files))}"],
        ]
        print(fields(rows))
    return 0 if counts.samples.complete else 3
