"""Verb: scan samples, that is count every character they hold."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import BinaryIO

from charvec.counting import Tally, Tolerant
from charvec.counts import Counts, Samples
from charvec.errors import InputError, Note, PermissionDenied, UsageError
from charvec.progress import Progress, Silent
from charvec.readers import choose
from charvec.reading import BLOCK, Outcome, Progressed, blocks
from charvec.samples import STDIN, Found, find_samples

__all__ = ["scan"]


def scan(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: Iterable[str] = (),
    encoding: str | Mapping[str, str] | None = None,
    hidden: bool = False,
    not_this: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Count the characters of samples.

    Files are UTF-8, or UTF-16 or UTF-32 with a byte order mark, unless ``encoding`` says otherwise. One that is not is left out
    and named with candidates. Damaged bytes inside a text are left out, counted and located. No input that fails stops the
    others; all of them are listed in ``counts.samples.problems``. Memory does not grow with the samples.

    Args:
        samples: files, folders, glob patterns, ``-`` for standard input.
        extensions: when given, only files of these suffixes are read inside folders.
        encoding: a codec for every file, or glob pattern -> codec; it beats byte order marks.
        hidden: also read hidden files inside folders.
        not_this: a file to leave out, because it is the output.
        progress: is told about the bytes done.

    Returns:
        the counts, ordered by code point, the same whatever the order of the files.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name or pattern matches nothing.
        UsageError: ``E-CODEC`` when Python has no such codec.
        InputError: ``E-ENCODING`` when not one character could be read and some file is not UTF-8; ``E-SPECIAL`` or ``E-READ``
            when not one could be read and a file named by itself failed so.
        PermissionDenied: ``E-PERMISSION``, likewise.
    """
    encodings = _encodings(encoding)
    named = [samples] if isinstance(samples, (str, os.PathLike)) else list(samples)
    tally = Tally()
    bar = progress or Silent()
    found: Iterable[Found] = find_samples(named, extensions=extensions, hidden=hidden, not_this=not_this)
    if not isinstance(bar, Silent):
        found = list(found)  # the remaining time needs the total
        bar.start(sum(each.size for each in found))
    files = size = bad = skipped = passed = 0
    problems: list[Note] = []
    remarks: list[Note] = []
    try:
        for each in found:
            passed += each.hidden
            if each.problem:
                problems.append(each.problem)
                skipped += 1
            if not each.path:
                continue
            outcome = _scan_file(each.path, encodings, tally, bar.advance)
            files += not outcome.skipped
            skipped += outcome.skipped
            size += outcome.bytes if not outcome.skipped else 0
            bad += outcome.bad_bytes
            problems += outcome.problems
            remarks += outcome.remarks
    finally:
        bar.close()
    if problems and not tally.table.any():
        _refuse_nothing(problems, {os.fspath(each) for each in named})
    if tally.table[0xFEFF]:
        message = f"U+FEFF occurs {tally.table[0xFEFF]} times inside texts and was counted; only one at the beginning is a mark"
        remarks.append(Note("N-MIDDLE-BOM", message))
    total = int(tally.table.sum())
    report = Samples(files, size, total, bad, skipped, passed, tuple(problems), tuple(remarks))
    return Counts.from_table(tally.table, report)


def _encodings(encoding: str | Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Glob pattern and codec, in the order they are tried."""
    if encoding is None:
        return []
    pairs = [("*", encoding)] if isinstance(encoding, str) else list(encoding.items())
    for _, name in pairs:
        try:
            info = codecs.lookup(name)
        except (LookupError, ValueError):
            info = None
        if info is None or not getattr(info, "_is_text_encoding", True) or info.incrementaldecoder is None:
            raise UsageError(
                "E-CODEC",
                f"there is no text encoding {name!r}",
                help="use a name Python knows: gb18030, big5, cp950, shift_jis, euc_jp, euc_kr, cp949, utf-16, latin-1 ...",
            )
    return pairs


def _scan_file(path: str, encodings: list[tuple[str, str]], tally: Tally, progressed: Progressed) -> Outcome:
    codec = next(
        (codec for glob, codec in encodings if fnmatch(path, glob) or fnmatch(os.path.basename(path), glob)), None
    )
    if path == STDIN:
        return _scan_stream("standard input", sys.stdin.buffer, codec, tally, progressed)
    try:
        # unbuffered: blocks are large already, and a short file costs one call less
        stream: BinaryIO = open(path, "rb", buffering=0)  # type: ignore[assignment]  # noqa: SIM115
    except PermissionError:
        note = Note("W-PERMISSION", f"{path}: permission denied; it was not read", path)
        return Outcome(skipped=True, problems=[note])
    except OSError as error:
        note = Note("W-READ", f"{path}: {error.strerror or error}; it was not read", path)
        return Outcome(skipped=True, problems=[note])
    with stream:
        return _scan_stream(path, stream, codec, tally, progressed)


def _scan_stream(
    path: str, stream: BinaryIO, codec: str | None, tally: Tally, progressed: Progressed
) -> Outcome:
    try:
        head = _fill(stream)
        if codec is None:
            return choose(head).read(path, head, stream, tally, progressed)
        return _scan_encoded(path, head, stream, codec, tally, progressed)
    except OSError as error:
        # what came before the fault was counted and stays counted
        return Outcome(problems=[Note("W-READ", f"{path}: {error.strerror or error}; it was not read to its end", path)])


def _scan_encoded(
    path: str, head: bytes, stream: BinaryIO, codec: str, tally: Tally, progressed: Progressed
) -> Outcome:
    outcome = Outcome()
    decoder = Tolerant(codec)
    for block in blocks(stream, head, progressed):
        outcome.bytes += len(block)
        _add(tally, decoder.decode(block, False))
    _add(tally, decoder.decode(b"", True))
    outcome.bad_bytes = decoder.bad_bytes
    if decoder.first is not None:
        what = f"{decoder.bad_bytes} bytes are not {codec} and were left out, the first at offset {decoder.first}"
        outcome.problems.append(Note("W-DECODE", f"{path}: {what}", path, decoder.first))
    return outcome


def _add(tally: Tally, text: str) -> None:
    try:
        tally.add_text(text)
    except UnicodeEncodeError:
        # some codecs (utf-7, unicode_escape) give lone surrogates, which are no characters
        tally.add_text("".join(char for char in text if not "\ud800" <= char <= "\udfff"))


def _fill(stream: BinaryIO) -> bytes:
    """The first block; a pipe gives it in pieces."""
    head = stream.read(BLOCK) or b""
    while head and len(head) < BLOCK:
        more = stream.read(BLOCK - len(head))
        if not more:
            break
        head += more
    return head


def _refuse_nothing(problems: list[Note], named: set[str]) -> None:
    """Not one character was counted: where what failed was asked for by name, that is an error and no mere warning."""
    for note in problems:
        if note.code != "E-ENCODING" and (note.code not in _FATAL_WHEN_NAMED or note.path not in named):
            continue
        code = note.code.replace("W-", "E-")
        kind = PermissionDenied if note.code == "W-PERMISSION" else InputError
        remedy = "say what its encoding is: --encoding NAME" if code == "E-ENCODING" else "name readable text files"
        raise kind(code, note.message, path=note.path, offset=note.offset, help=remedy)


_FATAL_WHEN_NAMED = ("W-PERMISSION", "W-SPECIAL", "W-READ")
