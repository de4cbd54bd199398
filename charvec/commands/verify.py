"""``charvec verify``: prove a vector file whole, and equal to its checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from charvec.commands.common import add_remote_arguments, open_model, say, warn
from charvec.errors import UsageError
from charvec.plumbing.terminal import complain, escape, number, shown

if TYPE_CHECKING:
    from charvec.embedding import TokenEmbedding
    from charvec.vectors import CharVectors

NAME = "verify"
HELP = "prove a vector file whole, and equal to its checkpoint"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument(
        "--against",
        metavar="MODEL",
        action="append",
        help="compare every vector, bit for bit, with this model; may be repeated for a file merged from several",
    )
    parser.add_argument("--vocab", metavar="FILE", help="vocabulary file, when it is not beside the checkpoint")
    parser.add_argument("--tensor", metavar="NAME", help="embedding tensor, when it is not found by its name")
    add_remote_arguments(parser)
    casing = parser.add_mutually_exclusive_group()
    casing.add_argument(
        "--cased",
        dest="lowercase",
        action="store_false",
        default=None,
        help="the tokenizer keeps case (default: as when the file was made)",
    )
    casing.add_argument("--uncased", dest="lowercase", action="store_true", help="the tokenizer lower-cases")


def run(args: Namespace) -> int:
    """Exit 0 when all is well, 65 when the file is damaged, 1 when it differs from the model."""
    from charvec.extraction import notes_on
    from charvec.storage import format_of, load

    vectors, proof = load(args.file), format_of(args.file).PROOF
    warn(notes_on(vectors), args)
    said = (
        f"whole, by its {proof}"
        if proof
        else "well-formed; its format has no checksum, so a changed number goes unnoticed"
    )
    if args.against is None:
        if not args.quiet:
            say(f"{_vectors(vectors, args)}, {said} (not compared with a checkpoint: --against MODEL does that)")
        return 0
    if not args.quiet:
        say(f"{_vectors(vectors, args)}, {said}")
    if vectors.sources is not None:
        return _verify_parts(vectors, args)
    if len(args.against) > 1:
        raise UsageError("E-USAGE", "--against was given twice", help="only a merged file comes from several models")
    return _verify(vectors, args, args.against[0])


def _verify_parts(vectors: CharVectors, args: Namespace) -> int:
    """Compare each source of a merged file with the model it names."""
    from charvec.dtypes import DTYPES
    from charvec.extraction import identity, verify_rows
    from charvec.provenance import parts_of, same_model

    said = args.lowercase
    side_by_side = vectors.source["merged"]["how"] == "concat"
    answer = 0
    for place, part in enumerate(parts_of(vectors), 1):
        files = ", ".join(part.source.get("source", {}).get("files", {})) or "unknown"
        whose = escape(f"source {place} ({files})")
        args.lowercase = _lowercase(part) if said is None else said
        args.space = _space(part)
        models = ((name, open_model(args, name)) for name in args.against)
        against = next((each for each in models if same_model(part.source, identity(each[1]))), None)
        if against is None:
            problem = f"{number(len(part))} vectors are not proven: no --against names their model"
        else:
            rounded = part.source.get("options", {}).get("dtype")
            rounded = rounded if rounded in DTYPES else None
            wrong = verify_rows(part, against[1], rounded_to=rounded, statuses=not side_by_side)
            problem = f"{number(len(wrong))} of {number(len(part))} vectors differ: {_listed(wrong)}" if wrong else ""
        if problem or against is None:
            complain(f"{whose}: {problem}")
            answer = 1
        elif not args.quiet:
            equal = "bit-equal to" if rounded in (None, "float32") else f"equal after rounding to {rounded} to"
            say(f"{whose}: {number(len(part))} of {number(len(part))} vectors are {equal} {escape(against[0])}")
    return answer


def _listed(chars: list[str]) -> str:
    return ", ".join(map(shown, chars[:8])) + (" ..." if len(chars) > 8 else "")


def _verify(vectors: CharVectors, args: Namespace, against: str) -> int:
    """Compare a file of one model with it."""
    from charvec.extraction import verify_rows

    if args.lowercase is None:
        args.lowercase = _lowercase(vectors)
    args.space = _space(vectors)
    model = open_model(args, against)
    wrong = verify_rows(vectors, model)
    remarks = "".join(f"; {each}" for each in _differences(vectors, model))
    if not wrong:
        if not args.quiet:
            equal = _equal(vectors)
            count = number(len(vectors))
            say(f"{count} of {count} vectors are {equal} {escape(against)}{escape(remarks)}")
        return 0
    complain(
        f"{number(len(wrong))} of {number(len(vectors))} vectors differ from {escape(against)}: "
        f"{_listed(wrong)}{escape(remarks)}"
    )
    return 1


def _vectors(vectors: CharVectors, args: Namespace) -> str:
    return f"{escape(args.file)}: {number(len(vectors))} vectors"


def _lowercase(vectors: CharVectors) -> bool | None:
    """The casing the file was made with, None when it does not say. A file may say anything there."""
    settings = vectors.source.get("vocabulary", {}).get("settings", {})
    lowercase = settings.get("lowercase")
    return lowercase if isinstance(lowercase, bool) else None


def _space(vectors: CharVectors) -> str:
    """Whether rows were multiplied up to the model's own size."""
    return "hidden" if "space" in vectors.source.get("source", {}) else "raw"


def _differences(vectors: CharVectors, model: TokenEmbedding) -> list[str]:
    """In what the model is not the one the file names, which explains most vectors that differ."""
    from charvec.reducing import rows_before

    found = []
    if rows_before(vectors) != model.dim:
        found.append(f"the file has {rows_before(vectors)} dimensions, the model {model.dim}")
    shape = vectors.source.get("source", {}).get("shape")
    if shape is not None and shape != list(model.tensor.shape):
        was, now = (" x ".join(map(str, each))[:100] for each in (shape, model.tensor.shape))
        found.append(f"the file was made from a tensor of {was}, the model's is {now}")
    if model.projection and vectors.source.get("source", {}).get("space") != model.projection.as_dict():
        found.append("the file was made with another projection")
    digest = vectors.source.get("vocabulary", {}).get("blake2b")
    if digest is not None and digest != model.vocabulary.digest:
        found.append("the file was made with another vocabulary")
    if vectors.rounded_to:
        found.append(f"the file was rounded to {', then '.join(vectors.rounded_to)} before it became {vectors.dtype}")
    if vectors.source.get("options", {}).get("centered"):
        found.append("the mean was taken away from the rows")
    if "restored_from" in vectors.source.get("options", {}):
        found.append("the rows were restored from fewer dimensions")
    return found


def _equal(vectors: CharVectors) -> str:
    """``equal after PCA on the axes in the file and rounding to int8 to``."""
    steps = []
    if "dims" in vectors.source.get("options", {}):
        kept = vectors.dim if vectors.pca is None else vectors.pca.dim
        steps.append(f"taking the first {kept} dimensions")
    if vectors.pca is not None:
        steps.append(f"projection on the file's {vectors.dim} axes")
    if vectors.codebooks is not None:
        steps.append("quantisation with the file's codebooks")
    elif vectors.dtype != "float32":
        steps.append(f"rounding to {vectors.dtype}")
    return f"equal after {' and '.join(steps)} to" if steps else "bit-equal to"
