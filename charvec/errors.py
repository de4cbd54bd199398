"""Everything charvec raises on purpose.

::

    CharvecError                  exit code
    ├── UsageError                2   the call itself makes no sense
    ├── InputError                65  an input cannot be used
    │   ├── DamagedFile               cut short, flipped, or not laid out as its format says
    │   ├── UnsafeFile                wants code run, leads out of its folder, or swells without bound
    │   ├── WrongFile                 sound, but not the kind of file that is needed here
    │   └── Ambiguous                 several readings are possible; the user must choose
    ├── NotFound                  66  an input, or a part of it, is not there
    ├── MissingPackage            69  an optional package is needed
    ├── OutOfMemory               71  the machine or a limit refused the memory
    ├── OutputError               73  the output cannot be created
    ├── ReadWriteError            74  reading or writing failed half way
    └── PermissionDenied          77  the system said no

Every error carries a stable ``code`` such as ``E-LFS-POINTER``; ``charvec explain CODE`` prints the longer text kept in
:data:`charvec.explanations.EXPLANATIONS`. Exit codes follow BSD ``sysexits.h`` where it has one.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

__all__ = [
    "Ambiguous",
    "CharvecError",
    "CharvecWarning",
    "DamagedFile",
    "InputError",
    "MissingPackage",
    "NotFound",
    "Note",
    "OutOfMemory",
    "OutputError",
    "PermissionDenied",
    "ReadWriteError",
    "UnsafeFile",
    "UsageError",
    "WrongFile",
    "from_os_error",
]


class CharvecError(Exception):
    """Base of every error charvec raises on purpose.

    Attributes:
        code: stable identifier, ``E-`` and upper-case words.
        message: one sentence that says what is wrong, and in which file.
        path: the file at fault, or None.
        offset: byte offset of the fault in that file, or None.
        found: what was found instead, or None.
        help: what to do about it.
    """

    exit_code = 70

    def __init__(
        self,
        code: str,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        found: str | None = None,
        help: str,
    ) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.found = found
        self.help = help
        if hasattr(self, "add_note"):  # since Python 3.11 a traceback shows it
            self.add_note(f"help: {help}")

    def __reduce__(self) -> tuple[object, ...]:
        """As it was made, so that an error in another process comes back as itself."""
        again = partial(
            type(self),
            self.code,
            self.message,
            path=self.path,
            offset=self.offset,
            found=self.found,
            help=self.help,
        )
        return again, ()

    def as_dict(self) -> dict[str, object]:
        """The error as plain values, for ``--json``."""
        return {
            "id": self.code,
            "message": self.message,
            "path": self.path,
            "offset": self.offset,
            "found": self.found,
            "help": self.help,
        }


class UsageError(CharvecError):
    """The call itself makes no sense."""

    exit_code = 2


class InputError(CharvecError):
    """An input cannot be used."""

    exit_code = 65


class DamagedFile(InputError):
    """Cut short, flipped, or not laid out as its format says."""


class UnsafeFile(InputError):
    """Wants code run, leads out of its folder, or swells without bound."""


class WrongFile(InputError):
    """Sound, but not the kind of file that is needed here."""


class Ambiguous(InputError):
    """Several readings are possible; the user must choose."""


class NotFound(CharvecError):
    """An input, or a part of it, is not there."""

    exit_code = 66


class MissingPackage(CharvecError):
    """An optional package is needed."""

    exit_code = 69


class OutOfMemory(CharvecError):
    """The machine or a limit refused the memory."""

    exit_code = 71


class OutputError(CharvecError):
    """The output cannot be created."""

    exit_code = 73


class ReadWriteError(CharvecError):
    """Reading or writing failed half way."""

    exit_code = 74


class PermissionDenied(CharvecError):
    """The system said no."""

    exit_code = 77


class CharvecWarning(UserWarning):
    """What :func:`charvec.dump` warns of: samples that were not read, and all else the command prints as a warning.

    Its text begins with the code in brackets, as :class:`CharvecError`'s does. The other functions give their notes
    with what they return.
    """


# A named tuple, since dataclasses load inspect: 9 ms, and all that `charvec --help` would load them for.
class Note(NamedTuple):
    """Something the user should know that does not stop the work.

    Attributes:
        code: stable identifier, ``W-`` (a warning) or ``N-`` (a remark) and upper-case words.
        message: one sentence.
        path: the file it is about, or None.
        offset: byte offset in that file, or None.
        places: offset and length of every run of bytes it is about, where these were asked for.
    """

    code: str
    message: str
    path: str | None = None
    offset: int | None = None
    places: tuple[tuple[int, int], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The note as plain values, for ``--json``."""
        plain: dict[str, object] = {
            "id": self.code,
            "message": self.message,
            "path": self.path,
            "offset": self.offset,
        }
        return {**plain, "places": [list(place) for place in self.places]} if self.places else plain


def from_os_error(error: OSError, path: str, doing: str = "reading") -> CharvecError:
    """Translate what the operating system said about ``path`` into our tree."""
    reason = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return NotFound("E-NOT-FOUND", f"{path} does not exist", path=path, help="check the path")
    if isinstance(error, PermissionError):
        return PermissionDenied(
            "E-PERMISSION",
            f"{path}: permission denied",
            path=path,
            help=f"{doing} it needs permission; check its owner and mode (`ls -l`)",
        )
    return ReadWriteError(
        "E-IO",
        f"{path}: {doing} failed: {reason}",
        path=path,
        help="check the disk and its free space, then run the command again",
    )
