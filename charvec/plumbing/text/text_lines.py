"""Plumbing: the lines of a UTF-8 file or of standard input, one text each, a batch at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from charvec.errors import DamagedFile, ReadWriteError, UnsafeFile
from charvec.plumbing.files import File

__all__ = ["batches"]

#: Bytes read at once.
BLOCK = 1 << 18
#: No text is longer; a file without line ends must not fill the memory.
LONGEST = 1 << 24
#: Characters and lines that make a batch, whichever comes first.
CHARACTERS, LINES = 1 << 18, 1 << 13


def batches(path: str) -> Iterator[list[str]]:
    """Lines without their ends (LF, CR LF), some at a time; a byte order mark at the beginning is passed over.

    A batch ends with what has been read so far, so that whoever types gets an answer to each line.

    Args:
        path: a file, ``-`` for standard input.

    Raises:
        DamagedFile: ``E-ENCODING`` for a line that is not UTF-8.
        UnsafeFile: ``E-TOO-LARGE`` for a line of more than 16 MiB.
        CharvecError: as :class:`charvec.plumbing.files.File`.
    """
    name = "standard input" if path == "-" else path
    number, rest = 0, b""
    batch: list[str] = []
    characters = 0
    for block in _blocks(path):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            number += 1
            try:
                batch.append(_decoded(line, name, number))
            except DamagedFile:
                if batch:
                    yield batch  # what came before is answered, however the lines came
                raise
            characters += len(batch[-1])
            if characters >= CHARACTERS or len(batch) >= LINES:
                yield batch
                batch, characters = [], 0
        if batch:
            yield batch
            batch, characters = [], 0
        if len(rest) > LONGEST:
            raise UnsafeFile(
                "E-TOO-LARGE",
                f"{name}, line {number + 1}: longer than {LONGEST >> 20} MiB",
                path=path,
                help="one text a line is read",
            )
    if rest:
        yield [_decoded(rest, name, number + 1)]


def _blocks(path: str) -> Iterator[bytes]:
    if path != "-":
        with File(path) as file:
            for offset in range(0, file.size, BLOCK):
                yield file.pread(offset, min(BLOCK, file.size - offset))
        return
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        raise ReadWriteError("E-IO", "standard input is closed", help="give it something to read from, or name a file")
    while block := stream.read1(BLOCK):
        yield block


def _decoded(line: bytes, name: str, number: int) -> str:
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise DamagedFile(
            "E-ENCODING",
            f"{name}, line {number}: not UTF-8: byte {line[error.start]:#04x} at {error.start}",
            path=name,
            help="convert it: iconv -f GB18030 -t UTF-8, or whatever its encoding is",
        ) from None
