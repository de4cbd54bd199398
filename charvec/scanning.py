"""Verb: scan samples, that is count every character they hold."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from typing import BinaryIO

from charvec.counts import Counts, Samples
from charvec.errors import InputError, Note, NotFound, PermissionDenied, UsageError
from charvec.plumbing.charsets import is_unicode
from charvec.plumbing.counting import Tally, Tolerant
from charvec.plumbing.progress import Progress, Silent
from charvec.readers import choose
from charvec.reading import Outcome, Progressed, Source, magic
from charvec.samples import STDIN, Found, find_samples

__all__ = ["scan"]


def scan(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: str | Iterable[str] = (),
    encoding: str | Mapping[str, str] | None = None,
    hidden: bool = False,
    not_this: str | os.PathLike[str] | None = None,
    not_these: Iterable[str] = (),
    progress: Progress | None = None,
) -> Counts:
    """Count the characters of samples.

    Files are UTF-8, or UTF-16 or UTF-32 with a byte order mark, unless ``encoding`` says otherwise. One that is not is
    left out and named with candidates. Damaged bytes inside a text are left out, counted and located. No input that
    fails stops the others; all of them are listed in ``counts.samples.problems``. Memory does not grow with the
    samples.

    Args:
        samples: files, folders, glob patterns, ``-`` for standard input.
        extensions: when given, only files of these suffixes are read inside folders.
        encoding: a codec for the files that are not UTF-8 and have no byte order mark; or glob pattern -> codec, the
            first that matches, ``*`` last, which decides for every file that matches. Files that are no text at all,
            pictures for example, are skipped as ever.
        hidden: also read hidden files inside folders.
        not_this: a file to leave out, because it is the output.
        not_these: files to pass over inside folders, because they are the model.
        progress: is told about the bytes done.

    Returns:
        the counts, ordered by code point, the same whatever the order of the files.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name or pattern matches nothing; ``E-NO-FILES`` when folders hold no file.
        OutputError: ``E-OUTPUT-IS-INPUT`` when ``not_this`` is itself named.
        UsageError: ``E-CODEC`` when Python has no such codec.
        InputError: ``E-ENCODING`` when not one character could be read and some file is not UTF-8; ``E-SPECIAL`` or
            ``E-READ`` when not one could be read and a file named by itself failed so.
        PermissionDenied: ``E-PERMISSION``, likewise.
    """
    encodings = _encodings(encoding)
    named = [samples] if isinstance(samples, (str, os.PathLike)) else list(samples)
    extensions = (extensions,) if isinstance(extensions, str) else tuple(extensions)
    tally = Tally()
    bar = progress or Silent()

    def find() -> Iterator[Found]:
        return find_samples(named, extensions=extensions, hidden=hidden, not_this=not_this, not_these=not_these)

    if not isinstance(bar, Silent):
        # the remaining time needs the total; looking twice needs less memory than a list of a million files
        bar.start(sum(_size(each.path) for each in find() if each.path))
    files = size = bad = skipped = passed = 0
    problems: list[Note] = []
    remarks: list[Note] = []
    try:
        for each in find():
            passed += each.hidden
            remarks += [each.remark] if each.remark else []
            if each.problem:
                problems.append(each.problem)
                skipped += 1
            if not each.path:
                continue
            outcome = _scan_file(each, encodings, tally, bar.advance)
            if outcome.skipped:
                skipped += bool(outcome.problems)  # our own vector files are no loss
            else:
                files += 1
                size += outcome.bytes
                bad += outcome.bad_bytes
            problems += outcome.problems
            remarks += outcome.remarks
    finally:
        bar.close()
    table = tally.table
    counts = Counts.from_table(table)
    if problems and not len(counts):
        _refuse_nothing(problems, {_shown(os.fspath(each)) for each in named})
    if not files and not problems:
        raise NotFound(
            "E-NO-FILES",
            "there was no file to read" + (" with such a suffix" if extensions else ""),
            found=f"{passed} hidden files and folders" if passed else None,
            help="check the folder and --ext; --hidden reads hidden files",
        )
    if table[0xFEFF]:
        inside = f"U+FEFF occurs {table[0xFEFF]} times inside texts and was counted"
        message = f"{inside}; only one at the beginning is a mark"
        remarks.append(Note("N-MIDDLE-BOM", message))
    total = int(counts.occurrences.sum())
    report = Samples(files, size, total, bad, skipped, passed, tuple(problems), tuple(remarks))
    return Counts(counts.codepoints, counts.occurrences, report)


def _encodings(encoding: str | Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Glob pattern and codec, in the order they are tried; the pattern "" stands for all files that are not UTF-8."""
    if encoding is None:
        return []
    pairs = [("", encoding)] if isinstance(encoding, str) else list(encoding.items())
    for _, name in pairs:
        if not _is_text_codec(name):
            raise UsageError(
                "E-CODEC",
                f"there is no text encoding {name!r}",
                help="use a name Python knows: gb18030, big5, cp950, shift_jis, euc_jp, cp949, utf-16, latin-1 ...",
            )
    # what is said of some files beats what is said of all
    return sorted(pairs, key=lambda pair: {"": 2, "*": 1}.get(pair[0], 0))


def _is_text_codec(name: str) -> bool:
    try:
        info = codecs.lookup(name)
        # some (idna, punycode, undefined) cannot go on behind an error
        return getattr(info, "_is_text_encoding", True) and Tolerant(name).decode(b"", True) == ""
    except (LookupError, TypeError, ValueError, AssertionError):
        return False


def _shown(path: str) -> str:
    """A sample's name in messages."""
    return "standard input" if path == STDIN else path


def _size(path: str) -> int:
    """Bytes of a regular file; 0 where that cannot be known."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _scan_file(found: Found, encodings: list[tuple[str, str]], tally: Tally, progressed: Progressed) -> Outcome:
    path, shown = found.path, _shown(found.path)
    codec = next((pair for pair in encodings if _applies(pair[0], path)), None)
    if path == STDIN:
        # None when it is closed; without a buffer where another program put its own object in its place
        buffer: BinaryIO | None = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            return Outcome(skipped=True, problems=[Note("W-READ", f"{shown} is not open; it was not read", shown)])
        return _scan_source(shown, Source(buffer, progressed), codec, tally)
    try:
        stream = _open(path, wait=found.pipe)
    except PermissionError:
        note = Note("W-PERMISSION", f"{path}: permission denied; it was not read", path)
        return Outcome(skipped=True, problems=[note])
    except OSError as error:
        note = Note("W-READ", f"{path}: {error.strerror or error}; it was not read", path)
        return Outcome(skipped=True, problems=[note])
    with stream:
        status = os.fstat(stream.fileno())
        if found.pipe:
            return _scan_source(path, Source(stream, progressed), codec, tally)
        if not stat.S_ISREG(status.st_mode):
            note = Note("W-SPECIAL", f"{path} was a file when it was listed and no more when it was opened", path)
            return Outcome(skipped=True, problems=[note])
        size = status.st_size
        # files that the system makes up, as in /proc, have no size or a wrong one
        source = Source(stream, progressed, size or None)
        outcome = _scan_source(path, source, codec, tally)
        _compare_size(path, size, os.fstat(stream.fileno()).st_size, source, outcome)
        progressed(max(0, size - source.bytes))  # a file that is skipped is done
    return outcome


def _open(path: str, *, wait: bool) -> BinaryIO:
    """Open a sample for reading, unbuffered: blocks are large already, and a short file costs one call less.

    Args:
        path: the file.
        wait: whether to wait for the writer of a pipe. Else nothing can keep us waiting, should the file have become a
            pipe meanwhile, or be one of those in /proc that wait for news.

    Raises:
        OSError: when it cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | (0 if wait else getattr(os, "O_NONBLOCK", 0)))

    stream: BinaryIO = open(path, "rb", buffering=0, opener=opener)  # noqa: SIM115
    return stream


def _compare_size(path: str, before: int, after: int, source: Source, outcome: Outcome) -> None:
    """Note a file that changed while it was read."""
    if before and after > before and not outcome.skipped:
        message = f"{path} grew while it was read; only its first {before:,} bytes were counted"
        outcome.remarks.append(Note("W-GREW", message, path))
    elif after < before and source.bytes < before and not source.fault and not outcome.skipped:
        message = f"{path} was cut short while it was read; {source.bytes:,} of {before:,} bytes were counted"
        outcome.problems.append(Note("W-SHRANK", message, path, source.bytes))


def _applies(glob: str, path: str) -> bool:
    return not glob or fnmatch(path, glob) or fnmatch(os.path.basename(path), glob)


def _scan_source(path: str, source: Source, codec: tuple[str, str] | None, tally: Tally) -> Outcome:
    if codec is None or not _may_be_text(source.head, codec[1]) or (not codec[0] and is_unicode(source.head)):
        outcome = choose(source.head).read(path, source, tally)
    else:
        outcome = _scan_encoded(path, source, codec[1], tally)
    outcome.bytes = source.bytes
    if source.fault:
        # what came before the fault was counted and stays counted
        outcome.skipped = outcome.skipped or not source.bytes
        how = "it was not read" + (" to its end" if source.bytes else "")
        code = "W-PERMISSION" if isinstance(source.fault, PermissionError) else "W-READ"
        outcome.problems.append(
            Note(code, f"{path}: {source.fault.strerror or source.fault}; {how}", path, source.bytes)
        )
    return outcome


def _may_be_text(head: bytes, codec: str) -> bool:
    """Whether a file can be text of an encoding the user named; zero bytes are natural in UTF-16 and UTF-32."""
    kind = magic(head)
    if kind == "a binary file":
        return codecs.lookup(codec).name.startswith(("utf-16", "utf-32"))
    return kind == "" or kind.startswith("utf-")


def _scan_encoded(path: str, source: Source, codec: str, tally: Tally) -> Outcome:
    decoder = Tolerant(_with_byte_order(codec, source.head))
    begun = False
    surrogates = 0
    for block in source:
        text = decoder.decode(block, False)
        if not begun and text:
            text, begun = text.removeprefix("\ufeff"), True
        surrogates += _add(tally, text)
    surrogates += _add(tally, decoder.decode(b"", True))
    outcome = Outcome(bad_bytes=decoder.bad_bytes)
    if decoder.first is not None:
        what = f"{decoder.bad_bytes} bytes are not {codec} and were left out, the first at offset {decoder.first}"
        outcome.problems.append(Note("W-DECODE", f"{path}: {what}", path, decoder.first))
    if surrogates:
        message = f"{path}: {surrogates} lone surrogates, which are no characters, were left out"
        outcome.problems.append(Note("W-DECODE", message, path))
    return outcome


def _with_byte_order(codec: str, head: bytes) -> str:
    """The codec that leaves the byte order mark to us; ``utf-16`` and ``utf-32`` without a mark are little-endian.

    Python's own fail where there is no mark.
    """
    name = codecs.lookup(codec).name
    if name == "utf-8-sig":
        return "utf-8"
    if name not in ("utf-16", "utf-32"):
        return codec
    return name + ("-be" if head.startswith("\ufeff".encode(name + "-be")) else "-le")


def _add(tally: Tally, text: str) -> int:
    """Count a text; the number of lone surrogates left out, which some codecs (utf-7, unicode_escape) give."""
    try:
        tally.add_text(text)
    except UnicodeEncodeError:
        sound = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
        tally.add_text(sound)
        return len(text) - len(sound)
    return 0


def _refuse_nothing(problems: list[Note], named: set[str]) -> None:
    """Not one character was counted: where what failed was asked for by name, that is an error and no mere warning."""
    for note in problems:
        if note.code != "E-ENCODING" and (note.code not in _FATAL_WHEN_NAMED or note.path not in named):
            continue
        code = note.code.replace("W-", "E-")
        kind = PermissionDenied if note.code == "W-PERMISSION" else InputError
        remedy = _REMEDIES.get(code, "name readable text files")
        raise kind(code, note.message, path=note.path, offset=note.offset, help=remedy)


_FATAL_WHEN_NAMED = ("W-PERMISSION", "W-SPECIAL", "W-READ")
_REMEDIES = {
    "E-ENCODING": "say what its encoding is: --encoding NAME",
    "E-PERMISSION": "reading it needs permission; check its owner and mode (`ls -l`)",
}
