"""Arguments and printing that several commands share."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from charvec.errors import Note
from charvec.plumbing.models.model_places import origin
from charvec.plumbing.terminal import (
    complain,
    count,
    escape,
    json_text,
    print_json_text,
    room,
    shown_some,
    size,
    table,
    wrapped,
)

if TYPE_CHECKING:
    from charvec.counts import Counts
    from charvec.coverage import Coverage
    from charvec.embedding import TokenEmbedding
    from charvec.vectors import CharVectors

#: Warnings of one kind shown in full.
SHOWN = 5
#: Characters without a vector that a warning names.
NAMED = 10


def add_model_arguments(parser: ArgumentParser, *, several: bool = False) -> None:
    """Which model to look characters up in."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "-m",
        "--model",
        metavar="MODEL",
        action="append" if several else "store",
        help="file, folder or TensorFlow prefix; a model on the hub (ORG/NAME, hf://ORG/NAME@REVISION) or a URL, of "
        "which only the rows are fetched; default: the small BERT that comes with charvec"
        + ("; may be repeated" if several else ""),
    )
    add_remote_arguments(group)  # type: ignore[arg-type]
    group.add_argument("--vocab", metavar="FILE", help="vocabulary file, when it is not beside the checkpoint")
    group.add_argument("--tensor", metavar="NAME", help="embedding tensor, when it is not found by its name")
    casing = group.add_mutually_exclusive_group()
    casing.add_argument(
        "--cased", dest="lowercase", action="store_false", default=None, help="the tokenizer keeps case and accents"
    )
    casing.add_argument(
        "--uncased", dest="lowercase", action="store_true", help="the tokenizer lower-cases and strips accents"
    )


def add_space_argument(parser: ArgumentParser) -> None:
    """Whether rows are taken as they are stored."""
    parser.add_argument(
        "--space",
        choices=("raw", "hidden"),
        default="raw",
        help="hidden: multiply rows up to the model's own size, where it does so first (ALBERT); default: raw",
    )


def add_remote_arguments(parser: ArgumentParser) -> None:
    """How a model that is not on this machine is read."""
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a model on the hub")
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch all of a file, for this run only, where a server or a format does not do with parts of it",
    )


def add_keep_argument(parser: ArgumentParser) -> None:
    """Which statuses count as found."""
    parser.add_argument(
        "--keep",
        default="exact,boundary,normalized,composed",
        metavar="STATUSES",
        help="how a character may have been found to be kept; also bytes, unreachable (default: %(default)s)",
    )


def add_reduction_arguments(parser: ArgumentParser) -> None:
    """How vectors are made smaller, and what is stored for their pooling."""
    group = parser.add_argument_group("smaller", "what is lost is measured, shown and stored; see docs/small.md")
    group.add_argument("--dims", type=int, metavar="N", help="only the first N dimensions (Matryoshka models)")
    group.add_argument(
        "--pca", type=int, metavar="N", help="places on N principal axes, with the axes, so that rows can be restored"
    )
    group.add_argument(
        "--center", action="store_true", help="store the mean of the rows, for `encode --center`; rows stay as they are"
    )
    group.add_argument(
        "--by",
        choices=("types", "occurrences"),
        help="what --center and --pca weigh: each character once, or as often as it occurs (default: occurrences for "
        "--center, types for --pca)",
    )
    group.add_argument(
        "--sif", type=float, metavar="A", help="store a and the number of all occurrences for `encode --pooling sif`"
    )


def reduction(args: Namespace) -> dict[str, Any]:
    """What of :func:`add_reduction_arguments` was given, as arguments of :func:`charvec.reduce`; checked.

    Raises:
        UsageError: ``E-REDUCE``.
    """
    given: dict[str, Any] = {name: getattr(args, name, None) for name in ("top", "dims", "pca", "by", "center", "sif")}
    given = {name: value for name, value in given.items() if value is not None and value is not False}
    if given:
        from charvec.errors import UsageError
        from charvec.reducing import check_reduction

        if "by" in given and not {"pca", "center"} & given.keys():
            raise UsageError("E-USAGE", "--by goes with --pca or --center", help="say what is to be weighed")
        check_reduction(**given)
    return given


def open_model(args: Namespace, model: str | None) -> TokenEmbedding:
    """Open what the arguments say."""
    from charvec.embedding import open as open_

    watch_fetching(model, args)
    return open_(
        model,
        vocab=args.vocab,
        tensor=args.tensor,
        lowercase=args.lowercase,
        revision=args.revision,
        download=args.download,
        space=getattr(args, "space", "raw"),
    )


def watch_fetching(model: str | None, args: Namespace) -> None:
    """Show a bar for what is fetched of a model, and ask before a whole file is; both on a terminal only."""
    from charvec.embedding import is_local

    if model is None or (is_local(model) and is_local(getattr(args, "vocab", None) or "")):
        return
    from charvec.plumbing.progress import bar
    from charvec.plumbing.remote.remote_file import policy

    policy.progress = lambda: bar(quiet=args.quiet)
    policy.ask = _ask if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask(path: str, why: str, bytes_: int | None) -> bool:
    """Whether all of a file shall be fetched."""
    much = size(bytes_) if bytes_ is not None else "an unknown number of bytes"
    sys.stderr.write(f"charvec: {escape(path)}: {why}. Fetch {much}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def model_name(model: str | None, embedding: TokenEmbedding) -> str:
    """How a model is called in summaries."""
    if model is None:
        return "tiny-bert-zh, bundled with charvec (-m names another)"
    revision = origin(embedding.checkpoint.path).get("revision")
    return escape(embedding.name + (f", commit {revision[:12]}" if revision else ""))


def warn(notes: Iterable[Note], args: Namespace) -> None:
    """Print warnings to stderr, repeated ones folded; remarks (N-...) only with -v."""
    seen: dict[str, int] = {}
    for note in notes:
        if note.code.startswith("N-") and not args.verbose:
            continue
        seen[note.code] = seen.get(note.code, 0) + 1
        if seen[note.code] <= SHOWN or args.verbose:
            kind = "note" if note.code.startswith("N-") else "warning"
            complain(f"charvec: {kind}[{note.code}]: {escape(note.message)}")
    for code, times in seen.items():
        if times > SHOWN and not args.verbose:
            complain(f"charvec: warning[{code}]: and {times - SHOWN:,} more like it (-v shows all)")


class Unknown:
    """Characters of texts that have no vector, to be named in one warning."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def look(self, vectors: CharVectors, text: str) -> bool:
        """Keep in mind what of a text has no vector; whether anything has one."""
        known = vectors.places(text) >= 0
        if not known.all():
            for char, there in zip(text, known.tolist(), strict=True):
                if not there:
                    self._times[char] = self._times.get(char, 0) + 1
        return bool(known.any())

    def notes(self) -> list[Note]:
        """``W-NO-VECTOR`` with the commonest of them, or nothing."""
        if not self._times:
            return []
        commonest = sorted(self._times, key=lambda char: (-self._times[char], char))
        named = shown_some(commonest, NAMED)
        times = sum(self._times.values())
        often = f", {times:,} times in all" if times > len(commonest) else ""
        said = f"{count(len(commonest), 'character')} without a vector passed over{often}: {named}"
        return [Note("W-NO-VECTOR", said)]


def fields(rows: Sequence[Sequence[str]]) -> str:
    """Names and values as lines; on a terminal, values too long for it go on below, broken at spaces."""
    return table(rows, columns=room(sys.stdout))


def say(text: str) -> None:
    """Print to stdout; on a terminal, lines too long for it are broken at spaces."""
    print(wrapped(text, room(sys.stdout)))


def print_page(page: str) -> None:
    """An HTML page on stdout, in UTF-8 as it says of itself, whatever the terminal's encoding is."""
    sys.stdout.flush()
    rest = memoryview(page.encode("utf-8", "backslashreplace"))
    while rest:  # an unbuffered stream (PYTHONUNBUFFERED) may take a part only
        rest = rest[sys.stdout.buffer.write(rest) :]


def print_json(value: Any) -> None:
    """One JSON document on stdout; whatever could act on a terminal is escaped in it."""
    print_json_text(json_text(value, indent=2), sys.stdout)


def print_line(line: bytes) -> None:
    """One line of ASCII, or of JSON in UTF-8, on stdout, its end included."""
    if line.isascii():
        sys.stdout.write(line.decode("ascii"))
    else:
        print_json_text(line.decode().removesuffix("\n"), sys.stdout)


def print_json_line(value: Any) -> None:
    """One line of JSON Lines on stdout, as :func:`print_json`; seen at once by whoever types the next line."""
    print_json_text(json_text(value), sys.stdout)


def check_weight(args: Namespace) -> None:
    """Refuse ``-a`` where nothing is weighed by it: it would be passed over in silence.

    Raises:
        UsageError: ``E-USAGE``.
    """
    if args.a is not None and args.pooling not in ("sif", "stored"):
        from charvec.errors import UsageError

        raise UsageError("E-USAGE", f"-a is of --pooling sif, and this is {args.pooling}", help="say --pooling sif")


def percent(part: float) -> str:
    """``99.87 %``, never rounded up to 100."""
    digits = f"{part * 100:.2f}"
    return "99.99 %" if digits == "100.00" and part < 1 else f"{digits} %"


def share(part: float, whole: float) -> str:
    """The percentage; ``none`` of nothing, which is neither all of it nor nothing of it."""
    return percent(part / whole) if whole else "none"


def covered(coverage: Coverage, counts: Counts | None = None, *, selected: bool = False) -> str:
    """How much was found: ``97.39 % of the text, 90.08 % of its distinct characters``, or why there was nothing.

    Args:
        coverage: what was found.
        counts: with what was selected of the samples, where that is known.
        selected: whether it is a selection of the text that was looked up; told by ``counts`` as well.
    """
    if coverage.seen.occurrences:
        text = "the selected text" if selected or (counts is not None and counts.left_out) else "the text"
        return f"{percent(coverage.occurrences)} of {text}, {percent(coverage.distinct)} of its distinct characters"
    return "none: " + nothing_found(coverage, counts)


def nothing_found(coverage: Coverage, counts: Counts | None = None) -> str:
    """Why there was nothing to look up."""
    if coverage.total.occurrences:
        return "the model sees none of the characters"
    return "no character was selected" if counts is not None and counts.left_out else "the samples hold no character"
