"""Verb: count one batch of samples: some files, or a range of a large one.

A batch and what comes of it are plain values: they can be sent to a thread, another process or another machine.
``Part.counts`` of several batches are added in any order (:class:`~charvec.counts.Counts`), which is all there is to
counting in parallel.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from charvec.counts import Counts, Samples
from charvec.errors import CharvecError, Note, PermissionDenied
from charvec.plumbing.text.charsets import better, doubtful, is_unicode
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.encoded import is_utf16_or_32, read_encoded
from charvec.plumbing.written import is_vector_file
from charvec.readers import TEXTS, choose, utf8
from charvec.reading import (
    Match,
    Options,
    Outcome,
    Progressed,
    Sink,
    Source,
    StreamDamage,
    magic,
    may_hold_others,
)
from charvec.samples import STDIN, Found
from charvec.valueclass import dataclass, field

if TYPE_CHECKING:
    from charvec.records import RecordSink

__all__ = ["Batch", "Part", "count_batch", "is_plain_utf8", "open_sample", "sample_state", "shown_name", "steps"]


@dataclass(frozen=True)
class Batch:
    """Something to count.

    Attributes:
        number: place of the batch among all; reports are put in this order.
        samples: the files, and what else the search for them found.
        options: how to read them.
        start: first byte of the range, when it is a range of a single file.
        end: byte behind the last of the range; 0 for whole files.
        again: whether it was read before in ranges, of which one was not valid.
    """

    number: int
    samples: tuple[Found, ...]
    options: Options
    start: int = 0
    end: int = 0
    again: bool = False


#: What tells whether a file is still the same: its name, its size in bytes, and the time of the last change in
#: nanoseconds, or what a server gives instead.
FileState = tuple[str, int, str]


@dataclass(frozen=True)
class Part:
    """What came of a batch.

    Attributes:
        number: of the batch.
        counts: with the report of its files.
        search: what the search for samples had to say, which is no part of ``counts.samples``.
        evidence: of each text that is not UTF-8, by its path, some bytes.
        matched: the patterns of the options that match something in it.
        finished: the state of each file that was counted and need not be counted again.
        sound: False when a range was not valid UTF-8: the file must be read whole, to say what is wrong.
    """

    number: int
    counts: Counts = field(default_factory=Counts.none)
    search: Samples = field(default_factory=Samples)
    evidence: Mapping[str, bytes] = field(default_factory=dict)
    matched: frozenset[Match] = frozenset()
    finished: tuple[FileState, ...] = ()
    sound: bool = True


def _ignore(count: int) -> None:
    """Nobody is watching."""


def count_batch(batch: Batch, progressed: Progressed = _ignore) -> Part:
    """Count a batch; damaged files are reported, never raised.

    Args:
        batch: what to count.
        progressed: is told about the bytes read.
    """
    tally = Tally()
    if batch.end:
        return _count_range(batch, tally, progressed)
    sink, graphemes = steps(tally, batch.options)
    search = Samples.together(map(_report_of_search, filter(_has_news, batch.samples)))
    reports = []
    evidence: dict[str, bytes] = {}
    matched: set[Match] = set()
    finished = []
    for found in batch.samples:
        if found.problem:
            matched |= _matches_unread([found.problem], batch.options)
        if not found.path:
            continue
        state = sample_state(found)  # before it is read: should it change meanwhile, it has to be read again
        if state:
            finished.append(state)
        for outcome in _count_sample(found, batch.options, sink, progressed):
            reports.append(_report(outcome))
            evidence.update(outcome.evidence)
            matched |= outcome.matched or _matches_unread(outcome.problems, batch.options)
    counts = Counts.from_table(tally.table)
    reports.append(Samples(characters=int(counts.occurrences.sum())))
    counts = replace(counts, samples=Samples.together(reports), graphemes=graphemes)
    return Part(batch.number, counts, search, evidence, frozenset(matched), tuple(finished))


def steps(tally: Tally, options: Options) -> tuple[Sink, Mapping[str, int] | None]:
    """What text goes through before it is counted, and where grapheme clusters are, when these are wanted."""
    sink: Sink = tally
    clusters: Mapping[str, int] | None = None
    if options.graphemes:
        from charvec.plumbing.text.transforms import Graphemes

        sink = graphemes = Graphemes(sink)
        clusters = graphemes.clusters
    if options.normalize:
        from charvec.plumbing.text.transforms import Normalising

        sink = Normalising(sink, options.normalize)
    return sink, clusters


def _has_news(found: Found) -> bool:
    """Whether the search has anything to say of it; of most files it has not."""
    return bool(found.problem or found.remark or found.hidden or found.ignored or found.excluded)


def _report_of_search(found: Found) -> Samples:
    """What the search for samples has to say, which goes the same way as what reading them says."""
    lost = found.problem is not None and found.problem.code != "W-IGNORE-FILE"
    return Samples(
        skipped=int(lost),
        hidden=found.hidden,
        ignored=found.ignored,
        excluded=found.excluded,
        problems=(found.problem,) if found.problem else (),
        remarks=(found.remark,) if found.remark else (),
    )


def _report(outcome: Outcome) -> Samples:
    read = not outcome.skipped and not outcome.hidden
    return Samples(
        files=int(read),
        bytes=outcome.bytes * read,
        bad_bytes=outcome.bad_bytes * read,
        hidden=outcome.hidden,
        skipped=int(outcome.skipped and bool(outcome.problems)),  # our own vector files are no loss
        problems=tuple(outcome.problems),
        remarks=tuple(outcome.remarks),
    )


def sample_state(found: Found) -> FileState | None:
    """What tells whether a file is still the same; None when nothing does, as for pipes."""
    if found.remote:
        return (shown_name(found), found.size or 0, found.version) if found.version else None
    try:
        status = os.stat(found.path)
    except (OSError, ValueError):
        return None
    return (found.path, status.st_size, str(status.st_mtime_ns)) if stat.S_ISREG(status.st_mode) else None


def _count_range(batch: Batch, tally: Tally, progressed: Progressed) -> Part:
    path = batch.samples[0].path
    state = sample_state(batch.samples[0])
    try:
        stream = open_sample(path, wait=False)
    except OSError:
        return Part(batch.number, sound=False)
    with stream:
        stream.seek(batch.start)
        # three bytes more, for a character that reaches over the end
        source = Source(stream, _ignore, batch.end - batch.start + 3)
        sound = utf8.read_range(source, batch.start, batch.end, tally)
        progressed(batch.end - batch.start)
        if not sound:
            return Part(batch.number, sound=False)
    first = batch.start == 0
    remarks = tuple(utf8.remarks(path, source.head)) if first else ()
    counts = Counts.from_table(tally.table)
    report = Samples(int(first), batch.end - batch.start, int(counts.occurrences.sum()), remarks=remarks)
    counts = replace(counts, samples=report)
    return Part(batch.number, counts, matched=matches(path, batch.options), finished=(state,) if state else ())


def _count_sample(found: Found, options: Options, sink: Sink, progressed: Progressed) -> list[Outcome]:
    """Count one file, pipe or standard input: what became of it, or of each text in it."""
    path, shown = found.path, shown_name(found)
    if path == STDIN:
        # None when it is closed; without a buffer where another program put its own object in its place
        buffer: BinaryIO | None = getattr(sys.stdin, "buffer", None)
        if buffer is None:
            return [_failed("W-READ", f"{shown} is not open", shown)]
        return _count_texts(found, Source(buffer, progressed, typed=_is_terminal(buffer)), options, sink, progressed)
    try:
        stream = _open_remote(path) if found.remote else open_sample(path, wait=found.pipe)
    except CharvecError as error:
        return [_failed("W-PERMISSION" if isinstance(error, PermissionDenied) else "W-REMOTE", error.message, shown)]
    except PermissionError:
        return [_failed("W-PERMISSION", f"{shown}: permission denied", shown)]
    except OSError as error:
        return [_failed("W-READ", f"{shown}: {error.strerror or error}", shown)]
    with stream:
        if found.remote:
            return _count_texts(found, Source(stream, progressed), options, sink, progressed)
        status = os.fstat(stream.fileno())
        if found.pipe:
            return _count_texts(found, Source(stream, progressed), options, sink, progressed)
        if not stat.S_ISREG(status.st_mode):
            what = f"{path} was a file when it was listed and no more when it was opened"
            return [Outcome(skipped=True, problems=[Note("W-SPECIAL", what, path)])]
        size = status.st_size
        # files that the system makes up, as in /proc, have no size or a wrong one
        source = Source(stream, progressed, size or None)
        outcomes = _count_texts(found, source, options, sink, progressed)
        _compare_size(path, size, os.fstat(stream.fileno()).st_size, source, outcomes[-1])
        progressed(max(0, size - source.bytes))  # a file that is skipped is done
    return outcomes


def _is_terminal(stream: BinaryIO) -> bool:
    """Whether somebody types what a buffered stream gives; it ends short only where Ctrl-D was pressed."""
    try:
        return isinstance(stream, io.BufferedReader) and stream.isatty()
    except (OSError, ValueError):
        return False


def _failed(code: str, what: str, path: str) -> Outcome:
    return Outcome(skipped=True, problems=[Note(code, f"{what}; it was not read", path)])


def shown_name(found: Found) -> str:
    """A sample's name in messages; URLs without what is secret in them."""
    if found.remote:
        from charvec.plumbing.remote.remote_faults import shown_url

        return shown_url(found.path)
    return "standard input" if found.path == STDIN else found.path


def _open_remote(url: str) -> BinaryIO:
    from charvec.plumbing.remote.remote_samples import open_remote

    return open_remote(url)


def open_sample(path: str, *, wait: bool) -> BinaryIO:
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
        outcome.remarks.append(grew(path, before))
    elif after < before and source.bytes < before and not source.fault and not outcome.skipped:
        message = f"{path} was cut short while it was read; {source.bytes:,} of {before:,} bytes were counted"
        outcome.problems.append(Note("W-SHRANK", message, path, source.bytes))


def grew(path: str, before: int) -> Note:
    """What to say of a file that is longer than it was."""
    return Note("W-GREW", f"{path} grew while it was read; only its first {before:,} bytes were counted", path)


def _count_texts(found: Found, source: Source, options: Options, sink: Sink, progressed: Progressed) -> list[Outcome]:
    """Count a file, or every text in it when it is compressed or an archive."""
    path = shown_name(found)
    if not may_hold_others(source.head):
        return [_count_text(path, path, source, options, sink, found.inside)]
    if is_vector_file(source.head):  # an .npz file is a zip archive
        return [_vector_file(path)]
    from charvec import containers

    def wanted(name: str) -> bool:
        return not options.extensions or name.lower().endswith(options.extensions)

    outcomes = []
    with contextlib.closing(
        containers.unpack(path, source, options.limits, progressed, wanted=wanted, hidden=options.hidden)
    ) as texts:
        for each in texts:
            if each.source is not None:
                inside = found.inside or each.path != path
                outcomes.append(_count_text(each.path, each.name, each.source, options, sink, inside))
            elif each.problem is not None:
                outcomes.append(Outcome(skipped=True, problems=[each.problem]))
            else:
                outcomes.append(Outcome(hidden=each.hidden))
    outcomes = outcomes or [Outcome()]  # an archive of nothing
    for outcome in outcomes:
        outcome.bytes = 0
    # bytes are counted as they lie in the file, once for all the texts in it
    carrier = next((outcome for outcome in outcomes if not outcome.skipped), outcomes[0])
    carrier.bytes = source.bytes
    return outcomes


def _count_text(path: str, name: str, source: Source, options: Options, sink: Sink, inside: bool = False) -> Outcome:
    """Count one text.

    Args:
        path: for messages.
        name: what says something about the text: the path without the suffix of a compression.
        source: its bytes.
        options: how to read it.
        sink: where it goes.
        inside: whether it was found in a folder or an archive, and not named by itself.
    """
    matched = matches(name, options)
    if is_vector_file(source.head) and (inside or magic(source.head)):  # a text that is named is read
        return replace(_vector_file(path), matched=matched)
    codec = told_codec(name, source.head, options)
    reader = choose(source.head)
    if options.fields:
        options = replace(options, field=told_field(name, options), fields=())
    records: RecordSink | None = None
    if (options.field or options.column) and (codec or reader.NAME in TEXTS):
        from charvec.records import wrap

        records = wrap(path, source.head, sink, options, inside)
    into = records or sink
    if codec is None:
        outcome = reader.read(path, source, into, options)
        _doubt(path, source.head, options, outcome)
    else:
        outcome = read_encoded(path, source, into, options, codec)
        _doubt_told(path, source.head, codec, outcome)
    into.end()
    if records:
        records.finish(outcome)
        sink.end()
    outcome.bytes = source.bytes
    outcome.matched = matched
    if source.fault:
        # what came before the fault was counted and stays counted
        outcome.skipped = outcome.skipped or not source.bytes
        how = "it was not read" + (" to its end" if source.bytes else "")
        code = "W-PERMISSION" if isinstance(source.fault, PermissionError) else "W-READ"
        code = source.fault.code if isinstance(source.fault, StreamDamage) else code
        what = f"{path}: {source.fault.strerror or source.fault}; {how}"
        outcome.problems.append(Note(code, what, path, source.bytes))
    return outcome


def _vector_file(path: str) -> Outcome:
    """What earlier runs wrote is no loss."""
    return Outcome(skipped=True, remarks=[Note("N-VECTOR-FILE", f"{path} is a vector file and was not read", path)])


def _doubt(path: str, head: bytes, options: Options, outcome: Outcome) -> None:
    """Note that a text was read as UTF-8 though a codec was told and would fit as well."""
    told = next((codec for glob, codec in options.encodings if not glob), None)
    if told and not outcome.skipped and not any(note.code == "W-MAYBE-ENCODING" for note in outcome.remarks):
        codec = doubtful(head, told)
        outcome.remarks += [utf8.doubt(path, codec)] if codec else []


def _doubt_told(path: str, head: bytes, told: str, outcome: Outcome) -> None:
    """Note that a text makes far more sense in another encoding than in the one that was told, which stays in force."""
    if is_utf16_or_32(told) or not (codec := better(head, told)):
        return
    outcome.remarks.append(
        Note(
            "W-OTHER-ENCODING",
            f"{path} was read as {told}, as told, which gives hardly a common character; {codec} gives many: "
            "check --encoding",
            path,
        )
    )


def told_codec(path: str, head: bytes, options: Options) -> str | None:
    """The codec the user named for a file, None when it goes without."""
    told = next((pair for pair in options.encodings if _applies(pair[0], path)), None)
    if told is None or not _may_be_text(head, told[1]) or (not told[0] and is_unicode(head)):
        return None
    return told[1]


def told_field(path: str, options: Options) -> str:
    """The field of JSON Lines the user named for a file, "" when it is plain text."""
    return next((field for glob, field in options.fields if _applies(glob, path)), options.field)


def matches(name: str, options: Options) -> frozenset[Match]:
    """Which patterns match a sample, and which of them count for it."""
    found: set[Match] = set()
    for option, pairs in (("encoding", options.encodings), ("field", options.fields)):
        globs = [glob for glob, _ in pairs if glob and _applies(glob, name)]
        found.update((option, glob, place == 0) for place, glob in enumerate(globs))
    return frozenset(found)


def _matches_unread(problems: list[Note], options: Options) -> frozenset[Match]:
    """Patterns that match what could not be read: it is there all the same."""
    if not options.fields and not any(glob for glob, _ in options.encodings):
        return frozenset()
    from charvec.containers import inner_name

    return frozenset[Match]().union(*(matches(inner_name(note.path or ""), options) for note in problems))


def _applies(glob: str, path: str) -> bool:
    from fnmatch import fnmatch

    return not glob or fnmatch(path, glob) or fnmatch(os.path.basename(path), glob)


def _may_be_text(head: bytes, codec: str) -> bool:
    """Whether a file can be text of an encoding the user named; zero bytes are natural in UTF-16 and UTF-32."""
    kind = magic(head)
    if kind == "a binary file":
        return is_utf16_or_32(codec)
    return kind == "" or kind.startswith("utf-")


def is_plain_utf8(path: str, head: bytes, options: Options) -> bool:
    """Whether a file, by how it begins, can be counted range by range: UTF-8, and every character by itself."""
    steps = told_field(path, options) or options.column or options.normalize or options.graphemes
    if steps or may_hold_others(head):
        return False
    return told_codec(path, head, options) is None and choose(head).NAME == utf8.NAME
