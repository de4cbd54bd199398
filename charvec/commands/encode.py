"""``charvec encode``: vectors of texts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from charvec.commands.common import Unknown, check_weight, print_line, warn
from charvec.plumbing.terminal import count, escape, json_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from charvec.errors import Note
    from charvec.vectors import CharVectors

    Batch = tuple[list[str], NDArray[np.float32]]

NAME = "encode"
HELP = "vectors of texts, from the vectors of their characters"


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("file", metavar="FILE", help="vector file")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="texts; without any, one a line of standard input")
    parser.add_argument("--from", dest="lines", metavar="LINES", help="UTF-8 file with one text a line; - for stdin")
    parser.add_argument(
        "--pooling",
        choices=("mean", "sum", "sif", "stored"),
        default="mean",
        help="sif: mean with characters weighted by a / (a + their share of the samples); stored: what the "
        "file stores, sif or a mean to take away; default: %(default)s",
    )
    parser.add_argument("-a", type=float, metavar="A", help="of sif (default: the one that the file stores, or 0.001)")
    parser.add_argument("--center", action="store_true", help="take away the mean that the file stores")
    parser.add_argument("--normalize", action="store_true", help="bring every vector to length 1")
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        help=".npy, .tsv or .jsonl; default: one line a text on stdout, values separated by tabs",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace OUT when it exists")
    group.add_argument("--json", action="store_true", help="JSON Lines instead: each text with its vector")


def run(args: Namespace) -> int:
    """Encode a batch of lines at a time, so that texts of any number take the same memory."""
    from charvec.errors import UsageError
    from charvec.plumbing.replacing import check_target, replacing
    from charvec.plumbing.text.text_lines import batches
    from charvec.storage import load

    check_weight(args)
    if args.texts and args.lines:
        raise UsageError("E-USAGE", "texts and --from were both given", help="give one of them")
    out = None if args.out == "-" else args.out
    write = _writer(out, args.json)
    source = args.lines or "-"
    if out:
        check_target(out, overwrite=args.force, inputs=[args.file, *([args.lines] if source != "-" else [])])
    vectors = load(args.file)
    texts = [list(args.texts)] if args.texts else batches(source)
    watched = _Watched(vectors, args)
    if out:
        with replacing(out, args.force) as file:
            write(watched.encoded(texts), vectors.dim, file.write)
            if write is _write_npy:
                file.seek(0)
                file.write(_npy_header(watched.texts, vectors.dim))
    else:
        write(watched.encoded(texts), vectors.dim, print_line)
    warn(watched.notes(), args)
    if out and not args.quiet:
        print(f"{escape(out)}: {count(watched.texts, 'text')} x {vectors.dim}")
    return 0


class _Watched:
    """Encodes texts and keeps in mind what of them had no vector."""

    def __init__(self, vectors: CharVectors, args: Namespace) -> None:
        self._vectors, self._args = vectors, args
        self.texts = 0
        self._empty = 0
        self._unknown = Unknown()

    def encoded(self, batches: Iterable[list[str]]) -> Iterator[Batch]:
        """Each batch with its vectors."""
        args = self._args
        for texts in batches:
            rows = self._vectors.encode(texts, args.pooling, a=args.a, normalize=args.normalize, center=args.center)
            self.texts += len(texts)
            self._look(texts)
            yield texts, rows  # type: ignore[misc]

    def _look(self, texts: list[str]) -> None:
        for text in texts:
            self._empty += not self._unknown.look(self._vectors, text)

    def notes(self) -> list[Note]:
        """What a user should know of the texts."""
        from charvec.errors import Note

        notes = self._unknown.notes()
        if self._empty:
            notes.append(Note("W-NO-VECTOR", f"{count(self._empty, 'text')} without any vector: zeros"))
        return notes


_Write = Callable[[bytes], object]


def _writer(out: str | None, as_json: bool) -> Callable[[Iterable[Batch], int, _Write], None]:
    """How the output is written.

    Raises:
        UsageError: ``E-SUFFIX``.
    """
    from charvec.errors import UsageError

    suffixes = {".npy": _write_npy, ".tsv": _write_tsv, ".jsonl": _write_json}
    if out is None:
        return _write_json if as_json else _write_tsv
    for suffix, write in suffixes.items():
        if out.lower().endswith(suffix) and not (as_json and write is not _write_json):
            return write
    raise UsageError(
        "E-SUFFIX",
        f"the suffix of {out} stands for no format of texts' vectors" + (" in JSON" if as_json else ""),
        help="choose " + (".jsonl" if as_json else " ".join(suffixes)),
    )


def _npy_header(rows: int, dim: int) -> bytes:
    """128 bytes, whatever the numbers: an .npy file of version 1.0, see "numpy.lib.format" in NumPy's manual."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"


def _write_npy(batches: Iterable[Batch], dim: int, write: _Write) -> None:
    write(_npy_header(0, dim))  # written again when the number of texts is known
    for _, rows in batches:
        write(rows.astype("<f4").tobytes())


def _write_tsv(batches: Iterable[Batch], dim: int, write: _Write) -> None:
    form = "\t".join(["%.9g"] * dim) + "\n"  # nine digits give every float32 back
    for _, rows in batches:
        for row in rows.tolist():
            write((form % tuple(row)).encode())


def _write_json(batches: Iterable[Batch], dim: int, write: _Write) -> None:
    for texts, rows in batches:
        for text, row in zip(texts, rows, strict=True):
            # JSON has no NaN and no infinity
            vector = [float(f"{value:.9g}") if abs(value) <= 3.5e38 else None for value in row.tolist()]
            write(json_text({"text": text, "vector": vector}).encode() + b"\n")
