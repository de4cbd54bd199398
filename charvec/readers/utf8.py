"""UTF-8 text, strictly validated. A byte order mark at the beginning is no character."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from charvec.errors import Note
from charvec.plumbing.terminal import count
from charvec.plumbing.text.charsets import SAMPLE, doubtful, escaped_encoding, is_mojibake, mostly_utf8
from charvec.plumbing.text.counting import Tally, Tolerant
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "doubt", "read", "read_range", "remarks", "sniff"]

NAME = "utf-8"

BOM = b"\xef\xbb\xbf"
_LFS = b"version https://git-lfs"
_JSON_ESCAPE = re.compile(rb"\\u[0-9a-fA-F]{4}")
_MANY_ESCAPES = 8
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
#: Bytes at the beginning that are looked at for text that was decoded wrongly once.
_LOOK = 4096


def sniff(head: bytes) -> bool:
    """Text: what begins with UTF-8's byte order mark, or holds neither zero bytes nor another type's magic bytes."""
    return magic(head) in ("", "utf-8")


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Pass on a UTF-8 file.

    Damage inside a UTF-8 text is left out, counted and located. A file that is not UTF-8 at all is not counted, unless
    ``options.errors`` is "skip": what it says depends on its encoding, which only the user knows.
    """
    strict, skip = options.errors == "strict", options.errors == "skip"
    outcome = Outcome(remarks=[] if options.field else remarks(path, source.head))
    before = sink.mark(whole=strict)
    beyond_ascii = False  # whether a valid character beyond ASCII was seen
    # the tally knows how many line ends it has counted; with any other sink they have to be looked for, which takes a
    # tenth of the time of the counting by NumPy, and two and a half times as long by bytes.count
    counted = isinstance(sink, Tally)
    lines = 0
    offset = 0  # of the block in the file
    pending = b""
    tolerant: Tolerant | None = None
    for number, block in enumerate(source):
        if tolerant is not None:
            sink.add_text(tolerant.decode(block, False))
            continue
        if number == 0 and block.startswith(BOM):
            block, offset = block[len(BOM) :], len(BOM)
        block = pending + block if pending else block
        try:
            consumed = sink.add_utf8(block, False)
        except UnicodeDecodeError as error:
            sample = _from_beyond_ascii(block)
            if not beyond_ascii and not skip and not mostly_utf8(sample):
                sink.undo(before)
                return _not_utf8(path, sample, offset + error.start, outcome)
            lines += block.count(b"\n", 0, error.start) + (_line_ends(sink, before) if counted else 0)
            outcome.problems.append(_damage(path, offset + error.start, lines + 1, block[error.start]))
            if strict:
                sink.undo(before)
                return _refused(path, outcome)
            tolerant = Tolerant("utf-8", base=offset, locate=skip)
            sink.add_text(tolerant.decode(block, False))
            continue
        beyond_ascii = beyond_ascii or not (block if consumed == len(block) else block[:consumed]).isascii()
        lines += 0 if counted else int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))
        pending = block[consumed:]
        offset += consumed
    if pending and tolerant is None:
        if not beyond_ascii and not skip:
            sink.undo(before)
            return _not_utf8(path, pending, offset, outcome)
        lines += _line_ends(sink, before) if counted else 0
        outcome.problems.append(_damage(path, offset, lines + 1, pending[0], ": the last character is cut short"))
        if strict:
            sink.undo(before)
            return _refused(path, outcome)
        tolerant = Tolerant("utf-8", base=offset, locate=skip)
        tolerant.decode(pending, False)
    if tolerant is not None:
        sink.add_text(tolerant.decode(b"", True))
        outcome.bad_bytes = tolerant.bad_bytes
        note = outcome.problems[-1]
        message = f"{note.message}; {count(tolerant.bad_bytes, 'byte')} left out"
        outcome.problems[-1] = Note(note.code, message, path, note.offset, tuple(tolerant.places))
    return outcome


def _line_ends(tally: Sink, before: Any) -> int:
    """Line ends counted since a mark."""
    return int(tally.mark()[ord("\n")] - before[ord("\n")])


def read_range(source: Source, start: int, end: int, sink: Sink) -> bool:
    """Pass on the characters of a UTF-8 file that begin in a range of its bytes.

    Ranges that touch each other share no character and leave out none.

    Args:
        source: the bytes from ``start`` to three bytes behind ``end``, or to the end of the file.
        start: offset of the first byte in the file.
        end: offset behind the last byte.
        sink: where the text goes.

    Returns:
        whether every byte was valid; else the whole file has to be read by :func:`read`, to say what is wrong.
    """
    offset = start
    pending = b""
    for number, block in enumerate(source):
        if number == 0 and start == 0 and block.startswith(BOM):
            block, offset = block[len(BOM) :], len(BOM)
        elif number == 0 and start:
            inside = _continuations(block)  # the rest of a character that begins before the range
            block, offset = block[inside:], offset + inside
        block = pending + block
        if offset + len(block) > end:
            # what belongs to the character that begins last, should it reach over the end
            cut = max(0, end - offset)
            block = block[: cut + _continuations(block[cut:])]
        try:
            consumed = sink.add_utf8(block, False)
        except UnicodeDecodeError:
            return False
        pending = block[consumed:]
        offset += consumed
    return not pending and source.fault is None and offset >= end


def _continuations(block: bytes) -> int:
    """How many bytes at the beginning continue a character; no character has more than three."""
    return next((place for place, byte in enumerate(block[:3]) if byte & 0xC0 != 0x80), min(3, len(block)))


def _from_beyond_ascii(block: bytes) -> bytes:
    """The block from its first byte that is not ASCII, where a character begins in any encoding that extends ASCII."""
    start = _BEYOND_ASCII.search(block)
    return block[start.start() :] if start else b""


def _damage(path: str, offset: int, line: int, byte: int, what: str = "") -> Note:
    message = f"{path}: not UTF-8 at byte {offset}, line {line} (0x{byte:02x}){what}"
    return Note("W-UTF8", message, path, offset)


def _not_utf8(path: str, sample: bytes, offset: int, outcome: Outcome) -> Outcome:
    message = f"{path} is not UTF-8 (first bad byte at {offset}) and was not read"
    outcome.problems.append(Note("E-ENCODING", message, path, offset))
    outcome.evidence[path] = sample[:SAMPLE]
    return _left_out(outcome)


def _refused(path: str, outcome: Outcome) -> Outcome:
    note = outcome.problems[-1]
    outcome.problems[-1] = Note(note.code, f"{note.message}; nothing of it was counted", path, note.offset)
    return _left_out(outcome)


def _left_out(outcome: Outcome) -> Outcome:
    outcome.skipped = True
    outcome.remarks.clear()  # they are about the text, which was not counted
    return outcome


def remarks(path: str, head: bytes) -> list[Note]:
    """What is suspicious in the first block of a valid text, though nothing is lost."""
    if head.startswith(_LFS):
        message = f"{path} is a Git LFS pointer; its text was counted, not the file it stands for (run `git lfs pull`)"
        return [Note("W-LFS-POINTER", message, path)]
    escapes = len(_JSON_ESCAPE.findall(head))
    if escapes >= _MANY_ESCAPES:
        message = (
            f"{path} holds escapes such as \\u4e2d, {escapes} in its first block; they were counted as ASCII letters"
            " (--field NAME decodes those of JSON Lines)"
        )
        return [Note("W-JSON-ESCAPES", message, path)]
    codec = escaped_encoding(head)
    if codec:
        message = f"{path} looks like {codec} text, which hides in ASCII; say so with --encoding {codec}"
        return [Note("W-ESCAPED-ENCODING", message, path)]
    codec = doubtful(head)
    if codec:
        return [doubt(path, codec)]
    if is_mojibake(head[:_LOOK]):
        message = f"{path} looks like UTF-8 that was read as Latin-1 and saved again; repair it before counting"
        return [Note("W-MOJIBAKE", message, path)]
    return []


def doubt(path: str, codec: str) -> Note:
    """What to say of a text that is valid UTF-8 and may yet be something else."""
    message = f"{path} is valid UTF-8 and was read so, but may be {codec}: if it is, say --encoding '*={codec}'"
    return Note("W-MAYBE-ENCODING", message, path)
