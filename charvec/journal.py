"""Verb: keep the counts of files that are done, so that an interrupted scan goes on where it stopped.

A journal is a text file that only grows. Each line is the CRC-32 of what follows, as eight hexadecimal digits, a space,
and a JSON object::

    {"journal": 1, "options": {...}}                     the first line: how the samples are read
    {"files": [[name, size, changed], ...],              every other one: files that were counted together; bytes, and
     "codepoints": [...], "occurrences": [...],          nanoseconds since 1970 or a server's mark; what they hold
     "graphemes": {...} or null, "report": {...},        and what there was to say of them; for those that are not
     "evidence": {path: base64, ...},                    UTF-8 bytes to tell their encoding by; and which patterns of
     "matched": [[option, pattern, counts], ...]}        the options match them

A line is written in one piece and forced to the disk. What is cut short at the end, by a crash or a full disk, is cut
off when the journal is opened again; the files it was about are then read once more.
"""

from __future__ import annotations

import json
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any, BinaryIO

import numpy as np

from charvec.batches import FileState, Part, sample_state
from charvec.counts import Counts, Samples, Total
from charvec.errors import DamagedFile, InputError, Note, UsageError, from_os_error
from charvec.reading import Match, Options
from charvec.samples import Found

__all__ = ["Journal"]

VERSION = 1

_NUMBERS = ("files", "bytes", "characters", "bad_bytes", "skipped")


class Journal:
    """An open journal; a context manager.

    Args:
        path: the file; it is made when it does not exist.
        options: how the samples are read. A journal made with others is refused.

    Raises:
        UsageError: ``E-JOURNAL-OPTIONS`` when it was made with other options.
        DamagedFile: ``E-JOURNAL`` when the file is no journal, even if it is a single line, or damaged before its last
            line.
        InputError: ``E-JOURNAL-BUSY`` when another scan is writing it.
        NotFound, PermissionDenied, ReadWriteError: when it cannot be opened or written.
    """

    def __init__(self, path: str | os.PathLike[str], options: Options) -> None:
        self.path = os.fspath(path)
        self._options = _plain_options(options)
        self._total = Total()
        self._report = Samples()
        self._evidence: dict[str, bytes] = {}
        self._matched: set[Match] = set()
        self._states: dict[str, FileState] = {}
        self._unseen: set[str] = set()
        try:
            # for reading and appending; never cut down to nothing
            self._file: BinaryIO = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b")
        except OSError as error:
            raise from_os_error(error, self.path, "writing") from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def part(self) -> Part:
        """What earlier scans counted."""
        return Part(-1, self._total.counts(self._report), evidence=self._evidence, matched=frozenset(self._matched))

    def unfinished(self, found: Iterable[Found]) -> Iterator[Found]:
        """What was found, but for the files that are done and the journal itself.

        Raises:
            InputError: ``E-JOURNAL-CHANGED`` for a file that changed since it was counted, and at the end for one that
                was counted and is no sample any more: its characters cannot be taken back.
        """
        own = os.fstat(self._file.fileno())
        for each in found:
            state = sample_state(each) if each.path else None
            if state and state[0] in self._states:
                if state != self._states[state[0]]:
                    raise self._changed(f"{state[0]} changed since it was counted", state[0])
                self._unseen.discard(state[0])
                each = replace(each, path="")
            elif state and not each.remote and os.path.samestat(os.stat(each.path), own):
                each = replace(each, path="")
            yield each
        if self._unseen:
            path = min(self._unseen)
            raise self._changed(f"{path} was counted and is not among the samples now", path)

    def record(self, part: Part) -> None:
        """Write down a part whose files need not be read again.

        Raises:
            ReadWriteError: when it cannot be written.
        """
        if not part.finished:
            return
        counts, report = part.counts, part.counts.samples
        self._write(
            {
                "files": part.finished,
                "codepoints": counts.codepoints.tolist(),
                "occurrences": counts.occurrences.tolist(),
                "graphemes": None if counts.graphemes is None else dict(counts.graphemes),
                "report": {
                    **{name: getattr(report, name) for name in _NUMBERS},
                    "problems": [note._asdict() for note in report.problems],
                    "remarks": [note._asdict() for note in report.remarks],
                },
                "evidence": {path: b64encode(data).decode() for path, data in part.evidence.items()},
                "matched": sorted(part.matched),
            }
        )

    def _write(self, value: dict[str, Any]) -> None:
        text = json.dumps(value, separators=(",", ":")).encode()
        try:
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise from_os_error(error, self.path, "writing") from None

    def _lock(self) -> None:
        """Keep others out, where the system can."""
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "E-JOURNAL-BUSY",
                f"another scan is writing {self.path}",
                path=self.path,
                help="wait for it, or name another file",
            ) from None
        except OSError:
            pass  # some network file systems know no locks

    def _read(self) -> None:
        """Take in what is there, and cut off a last line that was not finished."""
        try:
            good = 0
            for number, line in enumerate(self._file):
                value = _sound(line)
                if value is None:
                    if self._file.read(1) or (number == 0 and not _begun(line)):
                        raise self._damaged(number, "its checksum is wrong")
                    break
                if number == 0:
                    self._check(value)
                else:
                    self._take(number, value)
                good += len(line)
            self._file.seek(good)
            self._file.truncate()
        except OSError as error:
            raise from_os_error(error, self.path, "reading") from None
        if not good:
            self._write({"journal": VERSION, "options": self._options})

    def _check(self, header: Any) -> None:
        if not isinstance(header, dict) or header.get("journal") != VERSION:
            raise self._damaged(0, "it is of another version")
        if header.get("options") != self._options:
            raise UsageError(
                "E-JOURNAL-OPTIONS",
                f"{self.path} was made with other options",
                help="give the same --encoding, --errors, --field, --column, --normalize and --unit, or another file",
            )

    def _take(self, number: int, value: Any) -> None:
        try:
            report = value["report"]
            codepoints = np.array(value["codepoints"], np.uint32)
            occurrences = np.array(value["occurrences"], np.uint64)
            if len(codepoints) != len(occurrences) or (len(codepoints) and codepoints.max() > 0x10FFFF):
                raise ValueError("code points and counts do not belong together")
            self._total.add(Counts(codepoints, occurrences, graphemes=value["graphemes"]))
            files, size, characters, bad_bytes, skipped = (int(report[name]) for name in _NUMBERS)
            self._report += Samples(
                files,
                size,
                characters,
                bad_bytes,
                skipped,
                problems=tuple(map(_note, report["problems"])),
                remarks=tuple(map(_note, report["remarks"])),
            )
            self._evidence.update((str(path), b64decode(data)) for path, data in value["evidence"].items())
            self._matched.update((str(each[0]), str(each[1]), bool(each[2])) for each in value.get("matched", ()))
            for path, size, changed in value["files"]:
                self._states[path] = (str(path), int(size), str(changed))
                self._unseen.add(path)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._damaged(number, str(error)) from None

    def _damaged(self, number: int, problem: str) -> DamagedFile:
        return DamagedFile(
            "E-JOURNAL",
            f"{self.path}, line {number + 1}: not a journal of charvec, or damaged: {problem}",
            path=self.path,
            help="name another file, or delete this one to count everything again",
        )

    def _changed(self, message: str, path: str) -> InputError:
        return InputError(
            "E-JOURNAL-CHANGED",
            message,
            path=path,
            help=f"delete {self.path} to count everything again",
        )


_BINARY = getattr(os, "O_BINARY", 0)


def _sound(line: bytes) -> Any:
    """What a line says; None when it was not written to its end, or changed."""
    checksum, _, text = line.partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _begun(line: bytes) -> bool:
    """Whether a first line that is not sound is what a crash leaves of a journal's; another file must not be cut."""
    return all(byte in b"0123456789abcdef" for byte in line[:8]) and _FIRST.startswith(line[8 : 8 + len(_FIRST)])


#: How the first line goes on behind its checksum.
_FIRST = b' {"journal":'


def _plain_options(options: Options) -> Any:
    """The options as they come back from JSON."""
    return json.loads(json.dumps(asdict(options)))


def _note(value: Any) -> Note:
    return Note(**{**value, "places": tuple((int(start), int(length)) for start, length in value["places"])})
