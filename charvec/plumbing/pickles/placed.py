"""Plumbing: a pickle read from its file by position, so that long byte strings in it are passed over, not read.

What the machine of :mod:`charvec.plumbing.pickles.unpickle` takes for the bytes of a pickle is here a window on a file;
and where a byte string begins, only its place is pushed. Texts are kept, with their place, since protocol 2 writes
bytes as texts; above :data:`LONGEST_TEXT` they are passed over as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, overload

from charvec.errors import UnsafeFile
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.pickles.pickle_machine import Machine
from charvec.plumbing.pickles.pickle_opcodes import OPCODES, Step
from charvec.plumbing.window import Window

__all__ = ["PLACING", "FileBytes", "Place", "PlacedText"]

#: Bytes of a text, or of a line, that is read; a longer text is no name but an array's bytes.
LONGEST_TEXT = 1 << 16
#: Bytes in which the end of a line is looked for first: all lines that numpy and Paddle write are names.
SHORT_LINE = 100
#: Bytes of everything but what is passed over. A checkpoint has about 200 for each tensor.
MAX_TAKEN = 64 << 20


class Place(NamedTuple):
    """Where a byte string lies in the file.

    Attributes:
        offset, size: of the bytes as they stand in the file.
        latin1: whether they are UTF-8 of a text that gives the byte string when it is written in Latin-1.
    """

    offset: int
    size: int
    latin1: bool = False


class PlacedText(str):
    """A text that knows where in the file it stood."""

    __slots__ = ("place",)
    place: Place


class FileBytes:
    """The bytes of a file, read where they are asked for.

    Attributes:
        digest: BLAKE2b-256 of everything that was asked for, in that order.

    Raises:
        UnsafeFile: ``E-BOMB`` when, in all, more than :data:`MAX_TAKEN` bytes are asked for.
        CharvecError: as :meth:`charvec.plumbing.files.File.pread`.
    """

    def __init__(self, file: File) -> None:
        self._file, self._window, self._left = file, Window(file), MAX_TAKEN
        self.digest = blake2b(digest_size=32)

    def __len__(self) -> int:
        return self._file.size

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> bytes: ...

    def __getitem__(self, index: int | slice) -> int | bytes:
        start, stop = (index, index + 1) if isinstance(index, int) else (index.start, index.stop)
        self._left -= stop - start
        if self._left < 0:
            raise UnsafeFile(
                "E-BOMB",
                f"{self._file.path}: its pickle has more than {MAX_TAKEN:,} bytes beside those of its arrays",
                path=self._file.path,
                offset=start,
                help="ask its maker for the weights as safetensors",
            )
        part = self._window.read(start, stop - start)
        self.digest.update(part)
        return part[0] if isinstance(index, int) else part

    def find(self, wanted: bytes, start: int) -> int:
        """Where the next ``wanted`` (one byte) is.

        Returns:
            -1 when the file ends before.

        Raises:
            ValueError: when it is farther away than any line reaches.
        """
        for length in (SHORT_LINE, LONGEST_TEXT):
            end = min(start + length, len(self))
            place = self._window.read(start, end - start).find(wanted) if start < end else -1
            if place >= 0 or end == len(self):
                return start + place if place >= 0 else -1
        raise ValueError("a line that does not end")


def _bytes(width: int) -> Step:
    def step(machine: Machine) -> None:
        size = machine.unsigned(width)
        machine.push(Place(machine.skip(size), size))

    return step


def _text(width: int, *, latin1: bool) -> Step:
    """Of a text; in protocol 2 of Python 2, where texts and byte strings are the same, of either."""

    def step(machine: Machine) -> None:
        size = machine.unsigned(width)
        place = Place(machine.position, size, latin1)
        if size > LONGEST_TEXT:
            machine.skip(size)
            machine.push(place)
            return
        data = machine.take(size)
        if not latin1 and not data.isascii():
            machine.push(place)
            return
        text = PlacedText(data.decode("utf-8", "surrogatepass"))
        text.place = place
        machine.push(text)

    return step


def _steps(make: Callable[..., Step], widths: Mapping[int, int], **options: bool) -> dict[int, tuple[str, Step]]:
    return {opcode: (OPCODES[opcode][0], make(width, **options)) for opcode, width in widths.items()}


#: The opcodes, with those of byte strings and texts giving places. To be used with :class:`FileBytes`.
PLACING = {
    **OPCODES,
    **_steps(_bytes, {ord("B"): 4, ord("C"): 1, 0x8E: 8, 0x96: 8}),
    **_steps(_text, {ord("T"): 4, ord("U"): 1}, latin1=False),
    **_steps(_text, {ord("X"): 4, 0x8C: 1, 0x8D: 8}, latin1=True),
}
