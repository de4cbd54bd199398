"""``charvec dump``: the main job, from samples to a vector file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from charvec.commands.common import (
    add_keep_argument,
    add_model_arguments,
    add_reduction_arguments,
    add_space_argument,
    covered,
    fields,
    model_name,
    open_model,
    print_json,
    reduction,
    warn,
)
from charvec.commands.corpus import (
    add_sample_arguments,
    describe,
    describe_left_out,
    sample_notes,
    scan_samples,
)
from charvec.errors import Note
from charvec.plumbing.terminal import escape, number, shown, size, table

if TYPE_CHECKING:
    from charvec.counts import Counts
    from charvec.embedding import TokenEmbedding
    from charvec.vectors import CharVectors

NAME = "dump"
HELP = "scan samples, look every character up in a model, write the vectors"

_NOT_WRITTEN = {"removed": "not written (not text to the model)"}
#: Missing characters named in the summary.
NAMED = 5


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_sample_arguments(parser)
    add_model_arguments(parser)
    add_space_argument(parser)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--out",
        default="charvec.h5",
        metavar="OUT",
        help="vector file; its suffix is the format: .h5 .npz .safetensors .txt .vec .bin .pkl (default: %(default)s)",
    )
    group.add_argument("--format", metavar="NAME", help="format, when the suffix does not say it")
    group.add_argument("--dtype", default="float32", metavar="TYPE", help="float32 (default), float16, int8, pq, pq:M")
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="print the summary, with every missing character, as JSON")
    add_keep_argument(group)  # type: ignore[arg-type]
    add_reduction_arguments(parser)


def run(args: Namespace) -> int:
    """Do it and print what came out."""
    import os

    from charvec.dtypes import check_dtype
    from charvec.extraction import lookup, lookup_ahead, notes_on
    from charvec.status import parse_keep
    from charvec.storage import check_output, left_out_notes, put

    keep = parse_keep(args.keep)
    check_dtype(args.dtype)
    smaller = reduction(args)
    smaller.pop("top", None)  # the scan selects
    check_output(args.out, format=args.format, overwrite=args.force)
    model = open_model(args, args.model)
    check_output(args.out, format=args.format, overwrite=args.force, inputs=model.files)
    counts = scan_samples(args, not_this=args.out, not_these=model.files)
    if smaller:
        from charvec.reducing import reduce

        vectors, complete = reduce(lookup(model, counts, keep=keep), **smaller, dtype=args.dtype), None
    else:
        vectors, complete = lookup_ahead(model, counts, keep=keep, dtype=args.dtype)
    if not len(vectors):
        from charvec.dumping import refuse_empty

        warn([*model.notes, *sample_notes(counts)], args)
        refuse_empty(vectors, counts, args.out)
    left_out, dropped = put(vectors, args.out, format=args.format, overwrite=args.force, complete=complete)

    notes = [*model.notes, *sample_notes(counts), *notes_on(vectors)]
    notes += [*left_out_notes(args.out, left_out), *dropped]
    warn(notes, args)
    if args.json:
        print_json(_as_json(args, model, counts, vectors, left_out, notes))
    elif not args.quiet:
        print(_summary(args, counts, model, vectors, len(left_out), os.path.getsize(args.out)))
    return 0 if counts.samples.complete else 3


def _summary(
    args: Namespace, counts: Counts, model: TokenEmbedding, vectors: CharVectors, left_out: int, file_size: int
) -> str:
    """What came out, within 80 columns unless names are long."""
    from charvec import formats
    from charvec.fidelity import describe as describe_fidelity
    from charvec.reduction import describe_pooling, describe_reduction

    coverage, tensor = vectors.coverage, model.tensor
    member = formats.by_name(args.format) if args.format else formats.by_suffix(args.out)
    held = formats.written_as(member, vectors.dtype)
    rows = [
        ["samples", f"{describe(counts.samples)}, {number(coverage.total.distinct)} distinct"],
        *(["", line] for line in describe_left_out(counts)),
        ["model", model_name(args.model, model)],
        ["tensor", f"{escape(tensor.name)}, {tensor.rows} x {tensor.columns} {tensor.dtype}"],
        ["found", covered(coverage, counts)],
        [
            "file",
            f"{escape(args.out)}, {number(len(vectors) - left_out)} x {vectors.dim} {held}, {size(file_size)}",
        ],
    ]
    rows += [["smaller", escape(line)] for line in describe_reduction(vectors)]
    if stored := describe_pooling(vectors):
        rows.append(["pooling", escape(stored)])
    if "fidelity" in vectors.source:
        rows.append(["fidelity", escape(describe_fidelity(vectors.source["fidelity"]))])
    statuses = [
        [
            status.label,
            number(share.distinct),
            number(share.occurrences),
            "written" if status in coverage.kept else _NOT_WRITTEN.get(status.label, "not written"),
        ]
        for status, share in coverage.by_status.items()
        if share.distinct
    ]
    lines = [fields(rows)]
    if statuses:
        lines += ["", table([["status", "distinct", "occurrences", ""], *statuses], right=(1, 2))]
    missing = [entry for entry in vectors.missing if entry.status.label != "removed"]
    if missing:
        named = [
            [f"  {shown(entry.char)}", entry.status.label, f"{number(entry.count)} x"] for entry in missing[:NAMED]
        ]
        more = len(vectors.missing) - len(named)
        lines += ["", "not written, the commonest of what the model sees", table(named, right=(2,))]
        if more:
            kept = member.NAME in ("hdf5", "npz", "safetensors")
            where = f"charvec info {escape(args.out)} --missing" if kept else "--json lists them all; .h5 keeps them"
            lines.append(f"  and {number(more)} more: {where}")
    return "\n".join(lines)


def _as_json(
    args: Namespace,
    model: TokenEmbedding,
    counts: Counts,
    vectors: CharVectors,
    left_out: list[str],
    notes: list[Note],
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
        "not_selected": dict(counts.left_out),
        "left_out": [f"U+{ord(char):04X}" for char in left_out],
        "notes": [note.as_dict() for note in notes],
    }
