"""Verb: scan samples, that is count every character they hold."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import TYPE_CHECKING

from charvec.arguments import among, an, flag, integer, listed, path_of
from charvec.batches import Part, count_batch, shown_name, steps
from charvec.counts import Counts, Samples, Total
from charvec.errors import InputError, Note, NotFound, PermissionDenied, ReadWriteError, UsageError
from charvec.plumbing.progress import Progress, Silent
from charvec.plumbing.text.counting import Tally
from charvec.plumbing.text.encoded import add_texts, is_text_codec
from charvec.reading import BLOCK, Limits, Match, Options
from charvec.samples import Found, find_samples
from charvec.sharing import available_cores, own_workers, shared_out, size_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["count", "scan"]

#: Workers an executor is taken to have that does not say, and batches that may wait for each.
WORKERS, AHEAD = 16, 4
#: How often a batch is given to such an executor before its failure ends everything.
TRIES = 3
#: What modern Korean and Japanese text has only where it was taken apart: vowels and final consonants of syllables, the
#: marks that make が of か; each from one code point to before another. Fewer are taken for examples in a text about
#: such things.
_PARTS = {
    "parts of Hangul syllables": ((0x1161, 0x1176), (0x11A8, 0x11C3)),
    "voicing marks of kana": ((0x3099, 0x309B),),
}
_MANY_PARTS = 10


def scan(
    samples: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    extensions: str | Iterable[str] | None = (),
    encoding: str | Mapping[str, str] | None = None,
    errors: str = "",
    field: str | Mapping[str, str] | None = "",
    column: str | int | None = "",
    normalize: str | None = "",
    unit: str = "codepoint",
    hidden: bool = False,
    exclude: str | Iterable[str] | None = (),
    ignore_files: bool = True,
    max_ratio: int = Limits.ratio,
    jobs: int | None = None,
    executor: Executor | None = None,
    resume: str | os.PathLike[str] | None = None,
    not_this: str | os.PathLike[str] | None = None,
    not_these: Iterable[str] = (),
    progress: Progress | None = None,
) -> Counts:
    """Count the characters of samples.

    Files are UTF-8, or UTF-16 or UTF-32 with a byte order mark, unless ``encoding`` says otherwise. One that is not is
    left out and named with candidates. Damaged bytes inside a text are left out, counted and located. No input that
    fails stops the others; all of them are listed in ``counts.samples.problems``. Memory does not grow with the
    samples, and what comes out does not depend on their order or on how the work is shared out.

    Args:
        samples: files, folders, glob patterns, ``-`` for standard input.
        extensions: when given, only files of these suffixes are read inside folders.
        encoding: a codec for the files that are not UTF-8 and have no byte order mark; or glob pattern -> codec, the
            first that matches, ``*`` last, which decides for every file that matches. Files that are no text at all,
            pictures for example, are skipped as ever.
        errors: what to do with bytes that cannot be decoded. "" leaves them out of texts that are UTF-8 otherwise, and
            leaves out files that are not UTF-8 at all; ``"skip"`` leaves them out of any file and lists every place;
            ``"strict"`` leaves out every file that has any.
        field: dotted path to the text in JSON Lines, as which every file is read then; or glob pattern -> path, the
            first that matches, and files that none matches are read as if there were no field.
        column: name or number, from 1 on, of the text column in CSV, TSV, Parquet and Arrow. By its number it is looked
            for, inside folders and archives, only in files called .csv, .tsv, .tab or .psv, or of ``extensions``.
        normalize: normalise the text to this form first: ``NFC``, ``NFD``, ``NFKC`` or ``NFKD``.
        unit: ``"codepoint"``, or ``"grapheme"`` to count grapheme clusters as well, into ``counts.graphemes``.
        hidden: also read hidden files inside folders.
        exclude: patterns, as in ``.gitignore``, of what is left out inside folders.
        ignore_files: whether ``.gitignore`` and ``.ignore`` files inside folders are respected.
        max_ratio: from 1 on, times its size that a compressed sample may grow to.
        jobs: number of threads, where the kernel was built, else of processes; 0 for one a core, and 32, or eight a
            core, are the most. None is this thread alone, or with an executor a guess at the number of its workers,
            which only decides how finely work is cut.
        executor: counts the batches instead, e.g. that of a Dask client. Its workers must see the same files.
        resume: a file that keeps the counts of the files that are done. A scan that finds it goes on from there; one
            that was finished only counts what is new. Standard input and pipes are not kept.
        not_this: the output. Found inside a folder it is left out, if it is what charvec wrote there before.
        not_these: files to pass over inside folders, because they are the model.
        progress: is told about the bytes done.

    Returns:
        the counts, ordered by code point.

    Raises:
        NotFound: ``E-NOT-FOUND`` when a name or pattern matches nothing; ``E-NO-FILES`` when folders hold no file.
        OutputError: ``E-OUTPUT-IS-INPUT`` when ``not_this`` is itself named, or is a sample inside a folder.
        UsageError: ``E-CODEC`` when Python has no such codec; ``E-ARGUMENT``.
        InputError: ``E-ENCODING`` when not one character could be read and some file is not UTF-8; ``E-SPECIAL`` or
            ``E-READ`` when not one could be read and a file named by itself failed so.
        PermissionDenied: ``E-PERMISSION``, likewise.
        CharvecError: ``E-JOURNAL...`` as :class:`charvec.journal.Journal` does, with ``resume``.
    """
    extensions, exclude = _names("extensions", extensions), _names("exclude", exclude)
    hidden, ignore_files = flag(hidden, "hidden"), flag(ignore_files, "ignore_files")
    ratio = integer(max_ratio)
    if ratio is None or ratio < 1:
        raise UsageError("E-ARGUMENT", f"max_ratio is {max_ratio!r}", help="say a whole number from 1 on")
    column = "" if column is None else column
    fields = _fields(field)
    if not isinstance(column, str) and integer(column) is None:
        raise UsageError("E-ARGUMENT", f"column is {column!r}", help="name a column, or give its number from 1 on")
    options = Options(
        encodings=_encodings(encoding),
        errors=_one_of("errors", errors, ("", "skip", "strict")),
        field=next((path for glob, path in fields if not glob), ""),
        fields=tuple(pair for pair in fields if pair[0]),
        column=str(column),
        normalize=_form(normalize),
        graphemes=_one_of("unit", unit, _UNITS) == "grapheme",
        extensions=_inside(extensions),
        hidden=hidden,
        limits=Limits(ratio=ratio),
    )
    cores = 1 if jobs is None else integer(jobs)
    if cores is None or cores < 0:
        raise UsageError("E-ARGUMENT", f"jobs is {jobs!r}", help="a number of cores, or 0 for all")
    if executor is not None:
        if not callable(getattr(executor, "submit", None)):
            raise UsageError("E-ARGUMENT", f"{an(executor)} is no executor", help="give one of concurrent.futures")
        cores = WORKERS if jobs is None else cores or WORKERS
    named = [samples] if isinstance(samples, (str, os.PathLike)) else listed(samples, "samples")
    for each in named:
        # a name that no file can have is none that is there
        if not isinstance(each, (str, os.PathLike)):
            path_of(each, "scan(samples)")
    if resume is not None:
        resume = path_of(resume, "scan(samples, resume=...)")
    if not_this is not None:
        not_this = path_of(not_this, "scan(samples, not_this=...)")
    not_these = _names("not_these", not_these)
    bar = Silent() if progress is None else progress
    if not all(callable(getattr(bar, step, None)) for step in ("start", "advance", "close")):
        raise UsageError("E-ARGUMENT", f"{an(bar)} shows no progress", help="give it start, advance and close")

    def find() -> Iterator[Found]:
        return find_samples(
            named,
            extensions=extensions,
            hidden=hidden,
            exclude=exclude,
            ignore_files=ignore_files,
            not_this=not_this,
            not_these=not_these,
        )

    if not isinstance(bar, Silent):
        # the remaining time needs the total; looking twice needs less memory than a list of a million files
        bar.start(sum(map(size_of, find())))
    total = Total()
    reports: dict[int, Samples] = {}
    evidence: dict[str, bytes] = {}
    matched: set[Match] = set()
    try:
        for part in _parts(find(), options, cores, executor, resume, bar):
            total.add(part.counts)
            reports[part.number] = part.search + part.counts.samples
            evidence.update(part.evidence)
            matched |= part.matched
    finally:
        bar.close()
    report = Samples.together(reports[number] for number in sorted(reports))
    report = replace(report, settings=_settings(options), remarks=(*report.remarks, *_idle(options, matched)))
    counts = total.counts(_with_remarks(_with_candidates(report, evidence), total))
    if not len(counts):
        _refuse_nothing(counts.samples, {_shown(os.fspath(each)) for each in named}, bool(extensions))
    return counts


def count(texts: str | Iterable[str], *, unit: str = "codepoint", normalize: str | None = "") -> Counts:
    """Count the characters of texts that are in memory already.

    Args:
        texts: one text or any number of them, each read once.
        unit: as for :func:`scan`.
        normalize: likewise.

    Raises:
        UsageError: ``E-ARGUMENT`` for what is no text.
    """
    options = Options(
        normalize=_form(normalize),
        graphemes=_one_of("unit", unit, _UNITS) == "grapheme",
    )
    tally = Tally()
    sink, graphemes = steps(tally, options)
    bad = 0
    for some in _gathered([texts] if isinstance(texts, str) else texts):
        bad += add_texts(sink, some)
    counts = Counts.from_table(tally.table)
    problems = [Note("W-SURROGATE", f"{bad} lone surrogates, which are no characters, were left out")] if bad else []
    report = Samples(characters=int(counts.occurrences.sum()), problems=tuple(problems))
    return replace(counts, samples=report, graphemes=graphemes)


def _gathered(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists worth a call."""
    some: list[str] = []
    size = 0
    try:
        several = iter(texts)
    except TypeError:
        several = iter((texts,))  # type: ignore[arg-type]  # refused like what a list may hold
    for text in several:
        if not isinstance(text, str):
            raise UsageError(
                "E-ARGUMENT",
                f"count(texts): {an(text)} is no text",
                help="give it strings; charvec.scan() reads files",
            )
        some.append(text)
        size += len(text)
        if size >= BLOCK:
            yield some
            some, size = [], 0
    yield some


_FORMS = ("", "NFC", "NFD", "NFKC", "NFKD")
_UNITS = ("codepoint", "grapheme")


def _names(argument: str, given: str | Iterable[str] | None) -> tuple[str, ...]:
    """One name or several, or None for none."""
    names = [given] if isinstance(given, str) else [] if given is None else listed(given, "texts")
    for name in names:
        if not isinstance(name, str):
            raise UsageError("E-ARGUMENT", f"{argument} holds {name!r}", help="give a str, or several of them")
    return tuple(names)


def _form(normalize: str | None) -> str:
    """A form of Unicode's normalisation, or ""."""
    if normalize is None:
        return ""
    return _one_of("normalize", normalize.upper() if isinstance(normalize, str) else normalize, _FORMS)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    if not among(value, choices):
        known = ", ".join(choice or '""' for choice in choices)
        raise UsageError("E-ARGUMENT", f"{name} is {value!r}", help=f"choose one of {known}")
    return value


def _parts(
    found: Iterator[Found],
    options: Options,
    jobs: int,
    executor: Executor | None,
    resume: str | os.PathLike[str] | None,
    bar: Progress,
) -> Iterator[Part]:
    """Count everything found, but for what a journal knows already."""
    if resume is None:
        yield from _counted(found, options, jobs, executor, bar, finely=False)
        return
    from charvec.journal import Journal

    with Journal(resume, options) as journal:
        bar.advance(journal.part.counts.samples.bytes)
        yield journal.part
        for part in _counted(journal.unfinished(found), options, jobs, executor, bar, finely=True):
            journal.record(part)
            yield part


def _counted(
    found: Iterator[Found], options: Options, jobs: int, executor: Executor | None, bar: Progress, *, finely: bool
) -> Iterator[Part]:
    """Count everything found, in this thread when there is too little of it to share out."""
    jobs = jobs or available_cores()
    if executor is None:
        jobs = own_workers(jobs)
    shared = jobs > 1 or executor is not None
    work = shared_out(found, options, jobs, sized=shared or finely)
    if shared:
        first = list(itertools.islice(work, 2))
        shared = executor is not None or sum(map(len, first)) > 1
        work = itertools.chain(first, work)
    if not shared:
        for batches in work:
            for batch in batches:
                yield count_batch(batch, bar.advance)
        return
    from charvec import parallel  # 4 ms, for Python's own executors

    with parallel.submitting(jobs, executor, bar.advance) as submit:
        ahead, tries = (AHEAD, TRIES) if executor is not None else (2, 1)
        yield from parallel.several_at_once(work, submit, jobs * ahead, tries=tries)


def _encodings(encoding: str | Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Glob pattern and codec, in the order they are tried; the pattern "" stands for all files that are not UTF-8."""
    if encoding is None:
        return ()
    if not isinstance(encoding, (str, Mapping)):
        raise UsageError("E-ARGUMENT", f"encoding is {encoding!r}", help="name one, or give a dictionary: glob -> name")
    pairs = [("", encoding)] if isinstance(encoding, str) else list(encoding.items())
    for glob, name in pairs:
        if not isinstance(glob, str) or not isinstance(name, str) or not is_text_codec(name):
            raise UsageError(
                "E-CODEC",
                f"there is no text encoding {name!r}",
                help="use a name Python knows: gb18030, big5, cp950, shift_jis, euc_jp, cp949, utf-16, latin-1 ...",
            )
    # what is said of some files beats what is said of all
    return tuple(sorted(pairs, key=lambda pair: {"": 2, "*": 1}.get(pair[0], 0)))


def _fields(field: str | Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Glob pattern and dotted path, in the order they are tried; the pattern "" stands for all other files."""
    pairs = list(field.items()) if isinstance(field, Mapping) else [("", "" if field is None else field)]
    if not all(isinstance(glob, str) and isinstance(path, str) for glob, path in pairs):
        raise UsageError(
            "E-ARGUMENT", f"field is {field!r}", help="name a field of JSON Lines, or give a dictionary: glob -> name"
        )
    return tuple(pairs)


def _idle(options: Options, matched: Set[Match]) -> Iterator[Note]:
    """What to say of patterns that count for no sample."""
    for option, pairs in (("encoding", options.encodings), ("field", options.fields)):
        for glob, value in pairs:
            if glob in ("", "*") or (option, glob, True) in matched:
                continue
            said = f"--{option} {glob}={value}"
            if (option, glob, False) in matched:
                why = f"{said} counts for nothing: a pattern before it matches whatever it matches"
            else:
                from charvec.containers import inner_name

                why = f"{said} matches no sample"
                if (inner := inner_name(glob)) != glob:
                    why += f"; what is compressed goes by the name of what is in it: {inner}"
            yield Note("W-PATTERN", why)


def _inside(extensions: Iterable[str]) -> tuple[str, ...]:
    """Suffixes of the files to read inside archives; those of the archives themselves say nothing about these."""
    suffixes = ["." + extension.lower().lstrip("*.") for extension in extensions]
    return tuple(suffix for suffix in suffixes if suffix.rpartition(".")[2] not in _PACKED)


_PACKED = ("gz", "bz2", "xz", "zst", "zstd", "zip", "tar", "tgz", "tbz", "tbz2", "txz", "tzst")


def _settings(options: Options) -> dict[str, str]:
    """What was asked for of the reading, in plain words."""
    asked = {
        "encoding": ", ".join(f"{glob}={codec}" if glob else codec for glob, codec in options.encodings),
        "errors": options.errors,
        "field": ", ".join([*(f"{glob}={path}" for glob, path in options.fields), *filter(None, [options.field])]),
        "column": options.column,
        "normalize": options.normalize,
    }
    return {name: value for name, value in asked.items() if value}


def _with_candidates(report: Samples, evidence: Mapping[str, bytes]) -> Samples:
    """The report, with candidates for files that are not UTF-8; those of one folder are judged together."""
    if not evidence:
        return report
    from charvec.plumbing.text.charsets import candidates_together

    folders: dict[str, list[str]] = {}
    for path in evidence:
        folders.setdefault(os.path.dirname(path), []).append(path)
    names: dict[str, list[str]] = {}
    for paths in folders.values():
        names.update(zip(paths, candidates_together([evidence[path] for path in paths]), strict=True))
    # where no name is among the candidates of all, one for all would be wrong for some
    guessed = [set(each) for each in names.values() if each]
    differ = len(guessed) > 1 and not set.intersection(*guessed)
    problems = [_with_guess(note, names, differ) for note in report.problems]
    return replace(report, problems=tuple(problems))


def _with_guess(note: Note, names: Mapping[str, list[str]], differ: bool) -> Note:
    if note.code != "E-ENCODING" or not note.path or note.path not in names:
        return note
    guess = f"; it may be {' or '.join(names[note.path])}" if names[note.path] else ""
    how = "NAME"
    if differ and guess:
        from charvec.containers import inner_name

        pattern = os.path.basename(inner_name(note.path))
        how = f"'{pattern}={names[note.path][0]}'" if set(pattern).isdisjoint("*?['") else "GLOB=NAME"
    return note._replace(message=f"{note.message}{guess}: say so with --encoding {how}")


def _with_remarks(report: Samples, total: Total) -> Samples:
    """The report, with what only the counts of all can tell."""
    counts = total.counts()
    report = replace(report, characters=int(counts.occurrences.sum()))
    notes = []
    if marks := counts.get("\ufeff", 0):
        inside = f"U+FEFF was counted {'once' if marks == 1 else f'{marks:,} times'} inside texts"
        notes.append(Note("N-MIDDLE-BOM", f"{inside}; only one at the beginning is a mark"))
    taken_apart = [sum(_between(counts, *codes) for codes in ranges) for ranges in _PARTS.values()]
    if sum(taken_apart) >= _MANY_PARTS and "normalize" not in report.settings:
        what = " and ".join(f"{number:,} {name}" for name, number in zip(_PARTS, taken_apart, strict=True) if number)
        notes.append(Note("W-DECOMPOSED", f"texts are taken apart (NFD): {what}; --normalize NFC puts them together"))
    return replace(report, remarks=(*report.remarks, *notes)) if notes else report


def _between(counts: Counts, first: int, end: int) -> int:
    """How often characters from one code point to before another occur."""
    return int(counts.occurrences[slice(*counts.codepoints.searchsorted((first, end)))].sum())


def _shown(name: str) -> str:
    """How a name that the user gave is shown in notes."""
    from charvec.plumbing.remote.remote_samples import is_remote

    return shown_name(Found(name, remote=is_remote(name)))


def _refuse_nothing(report: Samples, named: set[str], suffixes: bool) -> None:
    """Not one character was counted: where what failed was asked for by name, that is an error and no mere warning."""
    for note in report.problems:
        if note.code != "E-ENCODING" and (note.code not in _FATAL_WHEN_NAMED or note.path not in named):
            continue
        code = note.code.replace("W-", "E-")
        kind = {"W-PERMISSION": PermissionDenied, "W-REMOTE": ReadWriteError}.get(note.code, InputError)
        remedy = _REMEDIES.get(code, "name readable text files")
        raise kind(code, note.message, path=note.path, offset=note.offset, help=remedy)
    if not report.files and not report.problems:
        passed = (
            f"{report.hidden} hidden files and folders" if report.hidden else "",
            f"{report.ignored} ignored" if report.ignored else "",
            f"{report.excluded} excluded" if report.excluded else "",
        )
        raise NotFound(
            "E-NO-FILES",
            "there was no file to read" + (" with such a suffix" if suffixes else ""),
            found=", ".join(filter(None, passed)) or None,
            help="check the folder, --ext and --exclude; --hidden reads hidden files, -u ignored ones",
        )


_FATAL_WHEN_NAMED = ("W-PERMISSION", "W-SPECIAL", "W-READ", "W-REMOTE")
_REMEDIES = {
    "E-ENCODING": "say what its encoding is: --encoding NAME",
    "E-REMOTE": "check the network and try again; -v tells more",
    "E-PERMISSION": "reading it needs permission; check its owner and mode (`ls -l`)",
}
