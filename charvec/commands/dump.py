"""``charvec dump``: the main job, from samples to a vector file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from charvec.commands.common import (
    add_keep_argument,
    add_model_arguments,
    add_sample_arguments,
    model_name,
    open_model,
    percent,
    print_json,
    sample_notes,
    scan_samples,
    warn,
)
from charvec.errors import Note
from charvec.terminal import escape, number, shown, size, table

if TYPE_CHECKING:
    from charvec.embedding import TokenEmbedding
    from charvec.vectors import CharVectors

NAME = "dump"
HELP = "scan samples, look every character up in a model, write the vectors"

#: Missing characters named in the summary.
NAMED = 8


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    add_model_arguments(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--out",
        default="charvec.h5",
        metavar="OUT",
        help="vector file; the suffix says the format: .h5 .npz .safetensors .txt .vec .pkl (default: %(default)s)",
    )
    group.add_argument("--format", metavar="NAME", help="format, when the suffix does not say it")
    group.add_argument("--dtype", default="float32", metavar="TYPE", help="float32 (default), float16 or int8")
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="print the summary, with every missing character, as JSON")
    add_keep_argument(group)  # type: ignore[arg-type]


def run(args: Namespace) -> int:
    """Do it and print what came out."""
    import os

    from charvec.dtypes import DTYPES
    from charvec.extraction import lookup, notes_on
    from charvec.status import parse_keep
    from charvec.storage import check_output, save

    keep = parse_keep(args.keep)
    _check_dtype(args.dtype, DTYPES)
    check_output(args.out, format=args.format, overwrite=args.force)
    model = open_model(args, args.model)
    check_output(args.out, format=args.format, overwrite=args.force, inputs=model.files)
    counts = scan_samples(args, not_this=args.out)
    vectors = lookup(model, counts, keep=keep, dtype=args.dtype)
    left_out = save(vectors, args.out, format=args.format, overwrite=args.force)

    notes = [*model.notes, *sample_notes(counts), *notes_on(vectors)]
    if left_out:
        named = ", ".join(map(shown, left_out[:NAMED])) + (" ..." if len(left_out) > NAMED else "")
        notes.append(
            Note("W-LEFT-OUT", f"{args.out}: this format cannot hold {len(left_out)} characters: {named}", args.out)
        )
    warn(notes, args)
    if args.json:
        print_json(_as_json(args, model, vectors, left_out, notes))
    elif not args.quiet:
        print(_summary(args, model, vectors, len(left_out), os.path.getsize(args.out)))
    return 0 if counts.samples.complete else 3


def _check_dtype(dtype: str, choices: tuple[str, ...]) -> None:
    from charvec.errors import UsageError

    if dtype not in choices:
        raise UsageError("E-DTYPE", f"{dtype!r} is no element type", help="choose " + ", ".join(choices))


def _summary(args: Namespace, model: TokenEmbedding, vectors: CharVectors, left_out: int, file_size: int) -> str:
    coverage, samples = vectors.coverage, vectors.source["samples"]
    total = coverage.total
    rows = [
        [
            "samples",
            f"{number(samples['files'])} files, {size(samples['bytes'])}, {number(samples['characters'])} characters, "
            f"{number(total.distinct)} distinct",
        ],
        ["model", model_name(args.model, model)],
        [
            "tensor",
            f"{escape(model.tensor.name)} {list(model.tensor.shape)} {model.tensor.dtype}: {escape(model.reason)}",
        ],
        [
            "vectors",
            f"{escape(args.out)}: {number(len(vectors) - left_out)} characters x {vectors.dim} {vectors.dtype}, "
            f"{size(file_size)}",
        ],
        [
            "coverage",
            f"{percent(coverage.occurrences)} of all occurrences, "
            f"{percent(coverage.distinct)} of the distinct characters",
        ],
    ]
    statuses = [
        [
            "  " + status.label,
            number(share.distinct),
            number(share.occurrences),
            "written" if status in coverage.kept else "not written",
        ]
        for status, share in coverage.by_status.items()
        if share.distinct
    ]
    lines = [table(rows), table([["status", "distinct", "occurrences", ""], *statuses], right=(1, 2))]
    missing = [entry for entry in vectors.missing if entry.status.label != "removed"] or vectors.missing
    if missing:
        named = ", ".join(
            f"{shown(entry.char)} ({number(entry.count)} x {entry.status.label})" for entry in missing[:NAMED]
        )
        more = len(vectors.missing) - min(NAMED, len(missing))
        lines.append(f"missing   {named}" + (f", and {number(more)} more (charvec info --missing)" if more else ""))
    return "\n".join(lines)


def _as_json(
    args: Namespace, model: TokenEmbedding, vectors: CharVectors, left_out: list[str], notes: list[Note]
) -> dict[str, Any]:
    return {
        "out": args.out,
        "model": model.name,
        "bundled_model": args.model is None,
        "characters": len(vectors) - len(left_out),
        "dim": vectors.dim,
        "dtype": vectors.dtype,
        "source": vectors.source,
        "coverage": vectors.coverage.as_dict(),
        "missing": [entry.as_dict() for entry in vectors.missing],
        "left_out": [f"U+{ord(char):04X}" for char in left_out],
        "notes": [note.as_dict() for note in notes],
    }
