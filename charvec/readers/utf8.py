"""UTF-8 text, strictly validated. A byte order mark at the beginning is no character."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np

from charvec.charsets import candidates
from charvec.counting import Tally, Tolerant
from charvec.errors import Note
from charvec.reading import Outcome, Progressed, blocks, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "utf-8"

BOM = b"\xef\xbb\xbf"
_LFS = b"version https://git-lfs"
#: HZ, and the escape sequences of ISO 2022: legacy text that is pure ASCII to the eye of a decoder.
_ESCAPED = re.compile(rb"~\{(?:[!-}][!-~]){2,}~\}|\x1b\$[@AB()]")


def sniff(head: bytes) -> bool:
    """Text: what begins with UTF-8's byte order mark, or holds neither zero bytes nor another type's magic bytes."""
    return magic(head) in ("", "utf-8")


def read(path: str, head: bytes, stream: BinaryIO, tally: Tally, progressed: Progressed) -> Outcome:
    """Count a UTF-8 file.

    Damage inside a UTF-8 text is left out, counted and located. A file that is not UTF-8 at all is not counted: what it says
    depends on its encoding, which only the user knows.
    """
    outcome = Outcome(remarks=_remarks(path, head))
    ascii_before = tally.table[:128].copy()
    beyond_ascii = False  # whether a valid character beyond ASCII was seen
    lines = 0
    pending = b""
    offset = 0  # of the block in the file
    tolerant: Tolerant | None = None
    stream_blocks = blocks(stream, head, progressed)
    for number, raw in enumerate(stream_blocks):
        outcome.bytes += len(raw)
        block = pending + raw if pending else raw
        pending = b""
        if number == 0 and block.startswith(BOM):
            block, offset = block[len(BOM) :], len(BOM)
        if tolerant is not None:
            tally.add_text(tolerant.decode(block, False))
            continue
        try:
            consumed = tally.add_utf8(block, False)
        except UnicodeDecodeError as error:
            start = error.start
            if not beyond_ascii and not _mostly_utf8(block):
                tally.table[:128] = ascii_before
                for rest in stream_blocks:  # only to keep the progress honest
                    outcome.bytes += len(rest)
                return _not_utf8(path, block, offset + start, outcome)
            lines += int(np.count_nonzero(np.frombuffer(block[:start], np.uint8) == 10))
            outcome.problems.append(_damage(path, offset + start, lines + 1, block[start]))
            tolerant = Tolerant("utf-8")
            tally.add_text(tolerant.decode(block, False))
            continue
        beyond_ascii = beyond_ascii or not block.isascii()
        lines += block.count(b"\n")
        pending = block[consumed:]
        lines -= pending.count(b"\n")
        offset += consumed
    if tolerant is not None:
        tally.add_text(tolerant.decode(b"", True))
        outcome.bad_bytes = tolerant.bad_bytes
        note = outcome.problems[-1]
        outcome.problems[-1] = Note(note.code, f"{note.message}; {tolerant.bad_bytes} bytes left out", path, note.offset)
    elif pending:
        outcome.bad_bytes = len(pending)
        note = _damage(path, offset, lines + 1, pending[0])
        message = f"{note.message}: the last character is cut short; {len(pending)} bytes left out"
        outcome.problems.append(Note(note.code, message, path, offset))
    return outcome


def _damage(path: str, offset: int, line: int, byte: int) -> Note:
    message = f"{path}: not UTF-8 at byte {offset}, line {line} (0x{byte:02x})"
    return Note("W-UTF8", message, path, offset)


def _mostly_utf8(block: bytes) -> bool:
    """Whether valid characters beyond ASCII outnumber the bytes that are none: damaged UTF-8, not another encoding."""
    decoder = Tolerant("utf-8")
    text = decoder.decode(block, False)
    valid = len(text) - sum(map(text.count, map(chr, range(128)))) if not text.isascii() else 0
    return valid > decoder.bad_bytes


def _not_utf8(path: str, block: bytes, offset: int, outcome: Outcome) -> Outcome:
    names = candidates(block)
    guess = f"; it may be {' or '.join(names)}" if names else ""
    message = f"{path} is not UTF-8 (first bad byte at {offset}) and was not read{guess}: say so with --encoding NAME"
    outcome.problems.append(Note("E-ENCODING", message, path, offset))
    outcome.skipped = True
    return outcome


def _remarks(path: str, head: bytes) -> list[Note]:
    """What is suspicious in the first block of a valid text, though nothing is lost."""
    remarks = []
    if head.startswith(_LFS):
        message = f"{path} is a Git LFS pointer; its text was counted, not the file it stands for (run `git lfs pull`)"
        remarks.append(Note("W-LFS-POINTER", message, path))
    if head.isascii() and _ESCAPED.search(head):
        message = f"{path} looks like HZ or ISO-2022 text, which hides in ASCII; say so with --encoding hz or iso2022_jp"
        remarks.append(Note("W-ESCAPED-ENCODING", message, path))
    elif b"\xc2" in head[:4096] and _is_mojibake(head[:4096]):
        message = f"{path} looks like UTF-8 that was read as Latin-1 and saved again; repair it before counting"
        remarks.append(Note("W-MOJIBAKE", message, path))
    return remarks


def _is_mojibake(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")
    try:
        inner = text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    repaired = inner.decode("utf-8", "ignore")
    beyond = sum(char > "\x7f" for char in text)
    # nearly all of it must come out as valid UTF-8: three Latin-1 characters for one ideograph
    return beyond >= 6 and len(inner) - len(repaired.encode()) <= 4 and not repaired.isascii()
