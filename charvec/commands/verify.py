"""``charvec verify``: prove a vector file whole, and equal to its checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from charvec.commands.common import add_remote_arguments, open_model, print_json, say, warn
from charvec.errors import UsageError
from charvec.plumbing.terminal import codepoint, complain, escape, number, shown_some

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
    parser.add_argument("--json", action="store_true", help="JSON, with every character whose vector differs")


class Compared(NamedTuple):
    """Vectors held against the model they are said to come from.

    Attributes:
        vectors: how many there are.
        against: the model; None when none was named that is theirs.
        equal: what they are where none differs: ``bit-equal to``.
        wrong: characters whose vectors differ.
        source: of a merged file, which of its sources they come from, and its files.
        remarks: in what the model is another one than the file names.
    """

    vectors: int
    against: str | None
    equal: str = ""
    wrong: Sequence[str] = ()
    source: tuple[int, Sequence[str]] | None = None
    remarks: Sequence[str] = ()

    @property
    def proven(self) -> bool:
        """Whether every vector is the model's."""
        return self.against is not None and not self.wrong

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            **({"source": self.source[0], "files": list(self.source[1])} if self.source else {}),
            "against": self.against,
            "vectors": self.vectors,
            "proven": self.proven,
            "differ": [{"char": char, "codepoint": codepoint(char)} for char in self.wrong],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        whose = ""
        if self.source:
            whose = escape(f"source {self.source[0]} ({', '.join(self.source[1]) or 'unknown'}): ")
        remarks = escape("".join(f"; {each}" for each in self.remarks))
        all_of_them = number(self.vectors)
        if self.against is None:
            return f"{whose}{all_of_them} vectors are not proven: no --against names their model"
        if not self.wrong:
            return f"{whose}{all_of_them} of {all_of_them} vectors are {self.equal} {escape(self.against)}{remarks}"
        of = "" if self.source else f" from {escape(self.against)}"
        named = shown_some(self.wrong, 8)
        return f"{whose}{number(len(self.wrong))} of {all_of_them} vectors differ{of}: {named}{remarks}"


def run(args: Namespace) -> int:
    """Exit 0 when all is well, 65 when the file is damaged, 1 when it differs from the model."""
    from charvec.extraction import notes_on
    from charvec.storage import format_of, load

    vectors, proof = load(args.file), format_of(args.file).PROOF
    notes = notes_on(vectors)
    warn(notes, args)
    if not args.quiet and not args.json:
        _say_whole(vectors, proof, args)
    compared = []
    for each in _compared(vectors, args):
        compared.append(each)
        if args.json:
            continue
        if not each.proven:
            complain(str(each))
        elif not args.quiet:
            say(str(each))
    proven = all(each.proven for each in compared)
    if args.json:
        report = {
            "file": args.file,
            "vectors": len(vectors),
            "whole_by": proof or None,
            "proven": proven if compared else None,
            "compared": [each.as_dict() for each in compared],
            "notes": [note.as_dict() for note in notes],
        }
        print_json(report)
    return 0 if proven else 1


def _say_whole(vectors: CharVectors, proof: str, args: Namespace) -> None:
    said = (
        f"whole, by its {proof}"
        if proof
        else "well-formed; its format has no checksum, so a changed number goes unnoticed"
    )
    more = "" if args.against else " (not compared with a checkpoint: --against MODEL does that)"
    say(f"{escape(args.file)}: {number(len(vectors))} vectors, {said}{more}")


def _compared(vectors: CharVectors, args: Namespace) -> Iterator[Compared]:
    """What comes of ``--against``; nothing without it."""
    if args.against is None:
        return
    if vectors.sources is not None:
        yield from _parts(vectors, args)
        return
    if len(args.against) > 1:
        raise UsageError("E-USAGE", "--against was given twice", help="only a merged file comes from several models")
    yield _whole(vectors, args, args.against[0])


def _parts(vectors: CharVectors, args: Namespace) -> Iterator[Compared]:
    """Each source of a merged file, held against the model it names."""
    from charvec.dtypes import DTYPES
    from charvec.extraction import identity, verify_rows
    from charvec.provenance import parts_of, same_model

    said = args.lowercase
    side_by_side = vectors.source["merged"]["how"] == "concat"
    for place, part in enumerate(parts_of(vectors), 1):
        source = place, tuple(part.source.get("source", {}).get("files", {}))
        models = ((name, _opened(part, args, name, said)) for name in args.against)
        against = next((each for each in models if same_model(part.source, identity(each[1]))), None)
        if against is None:
            yield Compared(len(part), None, source=source)
            continue
        rounded = part.source.get("options", {}).get("dtype")
        rounded = rounded if rounded in DTYPES else None
        wrong = verify_rows(part, against[1], rounded_to=rounded, statuses=not side_by_side)
        equal = "bit-equal to" if rounded in (None, "float32") else f"equal after rounding to {rounded} to"
        yield Compared(len(part), against[0], equal, wrong, source)


def _whole(vectors: CharVectors, args: Namespace, against: str) -> Compared:
    """A file of one model, held against it."""
    from charvec.extraction import verify_rows

    model = _opened(vectors, args, against, args.lowercase)
    wrong = verify_rows(vectors, model)
    return Compared(len(vectors), against, _equal(vectors), wrong, None, _differences(vectors, model))


def _opened(vectors: CharVectors, args: Namespace, against: str, lowercase: bool | None) -> TokenEmbedding:
    """A model in the casing and the space of the file, or as it is where it is of a kind that has none.

    Args:
        vectors: what the file holds, or a part of it.
        args: of the command.
        against: the model.
        lowercase: what the user said, which stands above the file.
    """
    args.lowercase = _lowercase(vectors) if lowercase is None else lowercase
    args.space = _space(vectors)
    for _ in range(2):  # times that it may have neither
        try:
            return open_model(args, against)
        except UsageError as error:
            if error.code == "E-CASING" and lowercase is None:
                args.lowercase = None
            elif error.code == "E-SPACE":
                args.space = "raw"
            else:
                raise
    return open_model(args, against)


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
