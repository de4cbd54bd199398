"""``charvec info``: what is inside a vector file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from charvec.commands.common import covered, fields, print_json, warn
from charvec.plumbing.terminal import count, escape, number, shown, size, table

if TYPE_CHECKING:
    from charvec.vectors import CharVectors

NAME = "info"
HELP = "what is inside a vector file, and where it comes from"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("--missing", action="store_true", help="list every character that was not written, and why")
    parser.add_argument("--json", action="store_true", help="JSON, with everything")


def run(args: Namespace) -> int:
    """Print it."""
    import os

    from charvec.extraction import notes_on
    from charvec.fidelity import describe
    from charvec.reduction import describe_pooling, describe_reduction
    from charvec.storage import load

    vectors = load(args.file)
    warn(notes_on(vectors), args)
    coverage, source = vectors.coverage, vectors.source
    # text and pickle files know neither samples nor statuses; what stands in their place means nothing
    known = "converted" not in source
    if args.json:
        print_json(
            {
                "path": args.file,
                "bytes": os.path.getsize(args.file),
                "characters": len(vectors),
                "dim": vectors.dim,
                "dtype": vectors.dtype,
                "parts": None if vectors.codebooks is None else len(vectors.codebooks),
                "axes_of": None if vectors.pca is None else vectors.pca.dim,
                "mean": None if vectors.mean is None else [float(f"{value:.9g}") for value in vectors.mean.tolist()],
                "meta": source,
                "coverage": coverage.as_dict() if known else None,
                "missing": [entry.as_dict() for entry in vectors.missing] if known else None,
            }
        )
        return 0
    if args.missing and not known:
        print(f"unknown: converted from {escape(source['converted']['from'])}, which does not list missing characters")
        return 0
    if args.missing:
        rows = [
            [shown(entry.char), number(entry.count), entry.status.label, _rows(entry.rows)] for entry in vectors.missing
        ]
        print(table([["character", "count", "status", "rows"], *rows], right=(1,)))
        return 0
    rows = [
        ["file", f"{escape(args.file)}, {size(os.path.getsize(args.file))}"],
        ["vectors", f"{number(len(vectors))} characters x {vectors.dim}, {_dtype(vectors)}"],
    ]
    rows += [["smaller", escape(line)] for line in describe_reduction(vectors)]
    if stored := describe_pooling(vectors):
        rows.append(["pooling", escape(stored)])
    if "fidelity" in source:
        rows.append(["fidelity", escape(describe(source["fidelity"]))])
    if len(vectors):
        rows.append(["characters", f"{shown(vectors.chars[0])} to {shown(vectors.chars[-1])}"])
    rows += _origin(source)
    if not known:
        rows += [["status", "unknown"], ["coverage", "unknown"]]
    elif coverage.total.occurrences:
        found = [
            f"{status.label} {number(share.distinct)}" for status, share in coverage.by_status.items() if share.distinct
        ]
        rows += [
            ["status", ", ".join(found)],
            ["coverage", covered(coverage, selected=bool(_not_selected(source.get("samples", {}).get("left_out"))))],
            ["missing", f"{number(len(vectors.missing))} characters (--missing lists them)"],
        ]
    if "charvec" in source:
        rows.append(["written by", escape(f"charvec {source['charvec']}")])
    print(fields(rows))
    return 0


def _dtype(vectors: CharVectors) -> str:
    """``float32, rounded to int8 before``."""
    before, dtype = vectors.rounded_to, vectors.dtype
    if vectors.codebooks is not None:
        dtype += f": {vectors.codebooks.shape[0]} parts, {vectors.codebooks.shape[1]} vectors for each"
    return f"{dtype}, rounded to {', then '.join(before)} before" if before else dtype


def _origin(source: Mapping[str, Any]) -> list[list[str]]:
    """What the provenance says. It comes from the file, so every word of it is escaped."""
    rows = []
    if "source" in source:
        origin = source["source"]
        files = ", ".join(f"{name} ({size(count)})" for name, count in origin["files"].items())
        rows += [
            ["checkpoint", f"{files}, {origin['format']}"],
            *([["from", f"{origin['repo']}, commit {origin.get('revision')}"]] if "repo" in origin else []),
            *([["from", str(origin["url"])]] if "url" in origin else []),
            ["tensor", f"{origin['tensor']}, {' x '.join(map(str, origin['shape']))} {origin['dtype']}"],
            *([["stored as", str(origin["quantised"])]] if origin.get("quantised") else []),
            ["space", _space(origin)],
            ["chosen", f"because {origin['chosen_because']}"],
            *([["not done", _not_done(origin)]] if "model_goes_on_with" in origin else []),
            ["header", f"BLAKE2b {origin['header_blake2b']}"],
            ["rows read", f"BLAKE2b {origin['rows_blake2b']}"],
        ]
    if "vocabulary" in source:
        vocabulary = source["vocabulary"]
        settings = ", ".join(f"{key}={value}" for key, value in vocabulary["settings"].items())
        rows += [
            ["vocabulary", f"{vocabulary['file']}, {vocabulary['kind']}, {number(vocabulary['size'])} pieces"],
            *([["normaliser", settings]] if settings else []),
        ]
    if "samples" in source:
        samples = source["samples"]
        read = [count(samples["files"], "file"), size(samples["bytes"]), count(samples["characters"], "character")]
        if samples.get("skipped"):
            read.append(f"{number(samples['skipped'])} not read")
        if samples.get("bad_bytes"):
            read.append(f"{count(samples['bad_bytes'], 'byte')} left out")
        rows.append(["samples", ", ".join(read) + _not_selected(samples.get("left_out"))])
    if "sources" in source:
        how = {"first": "each character from the first source that has it", "concat": "vectors side by side"}
        rows.append(["merged", how[source["merged"]["how"]]])
        for place, part in enumerate(source["sources"], 1):
            rows.append([f"source {place}", f"{_part(part.get('source', {}))}, {part['dim']} dimensions"])
    if "converted" in source:
        rows.append(["origin", f"converted from {source['converted']['from']}; no counts, no rows"])
    return [[name, escape(text)] for name, text in rows]


def _part(origin: Mapping[str, Any]) -> str:
    """What a part of a merged file comes from. Most checkpoints have the same name: size and shape tell them apart."""
    files = ", ".join(
        f"{name} ({size(bytes_)})" if type(bytes_) is int else str(name)
        for name, bytes_ in origin.get("files", {}).items()
    )
    if not files:
        return "a file that does not name its model"
    shape = origin.get("shape")
    return f"{files}, {' x '.join(map(str, shape))}" if isinstance(shape, list) else files


def _not_selected(left_out: Any) -> str:
    """How many characters a selection left out. A file may say anything there."""
    shares = [each for each in left_out.values() if isinstance(each, dict)] if isinstance(left_out, dict) else []
    distinct = [each["distinct"] for each in shares if type(each.get("distinct")) is int]
    return f"; {number(sum(distinct))} characters not selected" if sum(distinct) > 0 else ""


def _not_done(origin: Mapping[str, Any]) -> str:
    """What the model itself goes on to do to a row. A file may say anything there."""
    steps = origin["model_goes_on_with"]
    return f"{', '.join(map(str, steps)) if isinstance(steps, list) else steps}, which the model goes on with"


def _space(origin: Mapping[str, Any]) -> str:
    """Where the vectors live."""
    space = origin.get("space")
    if not isinstance(space, dict):
        return "raw: rows as the checkpoint has them"
    return f"{space.get('name')}: rows multiplied by {space.get('weight')}, BLAKE2b {space.get('blake2b')}"


def _rows(ids: tuple[int, ...]) -> str:
    return " ".join(map(str, ids))
