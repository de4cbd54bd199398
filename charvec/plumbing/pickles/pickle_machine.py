"""Plumbing of :mod:`charvec.plumbing.pickles.unpickle`: stack, memo and bytes of one pickle, and its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol, overload

from charvec.errors import DamagedFile, UnsafeFile
from charvec.valueclass import dataclass

__all__ = ["Data", "Global", "Handler", "Inert", "Machine", "check_key"]

#: Tuples, lists and dictionaries open at once.
MAX_MARKS = 1000

Handler = Callable[..., object]


class Data(Protocol):
    """What the machine needs of bytes."""

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int, /) -> int: ...

    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...

    def find(self, wanted: bytes, start: int, /) -> int:
        """Where ``wanted`` is, not before ``start``; -1 when it is nowhere."""


@dataclass(frozen=True)
class Global:
    """A name on the caller's list: a function or class of Python's, here only its name and our stand-in.

    Attributes:
        module, name: as the pickle spells them.
        call: the stand-in, or None when the name may be mentioned but not called.
    """

    module: str
    name: str
    call: Handler | None


class Inert:
    """A value that accepts the BUILD opcode, which in a real unpickler sets attributes; here it does nothing."""

    def build(self, state: object) -> None:
        """Take the state a pickle gives the value; subclasses keep what they need of it."""


def check_key(key: object) -> None:
    """Raise TypeError for a dictionary key that could be made to collide with others, or whose hash could recurse."""
    if not (isinstance(key, str | bytes | float | None) or (isinstance(key, int) and abs(key) < 1 << 60)):
        raise TypeError


class Machine:
    """The state of one pickle while it runs.

    Steps raise ValueError or TypeError for operands that make no sense; the loop that runs them adds the place.
    """

    def __init__(
        self,
        data: Data,
        path: str,
        *,
        allowed: Mapping[tuple[str, str], Handler | None],
        persistent: Handler | None,
        start: int,
        base: int,
        what: str,
        advice: Callable[[str], str] | None,
        opcodes: Mapping[int, tuple[str, Callable[[Machine], None]]],
    ) -> None:
        """Stand before the pickle; the arguments are those of :func:`charvec.plumbing.pickles.unpickle.load`."""
        self.data, self.path, self.base, self.what = data, path, base, what
        self.allowed, self.persistent, self.advice, self.opcodes = allowed, persistent, advice, opcodes
        #: Where the opcode that runs stands, and where what follows it does.
        self.begin = self.position = start
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[tuple[str, str], Global] = {}

    # what may go wrong

    @property
    def opcode(self) -> str:
        """Name of the opcode that runs; looked up when it is asked for, in messages."""
        if self.begin >= len(self.data):
            return "STOP"  # the one that should have come
        return self.opcodes.get(self.data[self.begin], ("unknown opcode",))[0]

    def damaged(self, problem: str, offset: int | None = None) -> NoReturn:
        """It is no valid pickle."""
        raise DamagedFile(
            "E-PICKLE",
            f"{self.path}: damaged {self.what}: {self.opcode} at byte {self.begin:,}: {problem}",
            path=self.path,
            offset=self.base + (self.begin if offset is None else offset),
            help="download the file again; if its writer is at fault, ask for the weights as safetensors",
        ) from None

    def ran_out(self) -> NoReturn:
        """The data end before the pickle does."""
        self.damaged("it needs more bytes than there are", len(self.data))

    def unsafe(self, problem: str, name: str = "") -> NoReturn:
        """It wants something done that charvec does not do."""
        general = "do not open this file with anything that unpickles; ask its maker for the weights as safetensors"
        raise UnsafeFile(
            "E-PICKLE-UNSAFE",
            f"{self.path}: the {self.what} {problem}, which is not on the list of harmless "
            f"things ({self.opcode} at byte {self.begin:,})",
            path=self.path,
            offset=self.base + self.begin,
            help=self.advice(name) if self.advice and name else general,
        )

    # operands in the data

    def take(self, length: int) -> bytes:
        """Exactly that many bytes."""
        end = self.position + length
        if end > len(self.data):
            self.ran_out()
        part = self.data[self.position : end]
        self.position = end
        return part

    def skip(self, length: int) -> int:
        """Pass over that many bytes; the position of the first."""
        start, end = self.position, self.position + length
        if end > len(self.data):
            self.ran_out()
        self.position = end
        return start

    def unsigned(self, width: int) -> int:
        """An unsigned little-endian integer of that many bytes."""
        # as `take` has it, written out for what runs most often
        end = self.position + width
        if end > len(self.data):
            self.ran_out()
        value = int.from_bytes(self.data[self.position : end], "little")
        self.position = end
        return value

    def line(self) -> bytes:
        """The bytes before the next line feed."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            self.ran_out()
        part = self.data[self.position : end]
        self.position = end + 1
        return part

    # operands on the stack

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the last value, but none from before the last MARK."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        return self.stack.pop()

    def pop_last(self, count: int) -> list[Any]:
        """Take the last values, but none from before the last MARK."""
        if len(self.stack) < (self.marks[-1] if self.marks else 0) + count:
            raise ValueError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def top(self) -> Any:
        """The last value, left where it is."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("the stack is empty")
        return self.stack[-1]

    def mark(self) -> None:
        """Begin a tuple, list, dictionary or argument list."""
        if len(self.marks) >= MAX_MARKS:
            raise ValueError(f"nested more than {MAX_MARKS:,} deep")
        self.marks.append(len(self.stack))

    def pop_to_mark(self) -> list[Any]:
        """Take everything since the last MARK."""
        if not self.marks:
            raise ValueError("there is no MARK")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def remember(self, index: int) -> None:
        """Store the last value in the memo."""
        if not 0 <= index <= self.position:  # a memo grows by one at a time, each costing a byte or more
            raise ValueError(f"index {index:,} cannot be reached")
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Put a stored value on the stack."""
        if index not in self.memo:
            raise ValueError(f"nothing was stored as {index:,}")
        self.push(self.memo[index])

    # names and calls

    def name(self, module: object, name: object) -> None:
        """Put a name on the stack, if it is on the list."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is no string")
        if (module, name) not in self.names:
            try:
                call = self.allowed[module, name]
            except KeyError:
                full = f"{module[:80]}.{name[:80]}"
                self.unsafe(f"asks for {full!r}", full)
            self.names[module, name] = Global(module, name, call)
        self.push(self.names[module, name])

    def call(self, target: object, arguments: object) -> None:
        """Call our stand-in for a name on the list."""
        if not isinstance(target, Global):
            self.unsafe("calls a value")
        if target.call is None:
            self.unsafe(f"calls '{target.module}.{target.name}'", f"{target.module}.{target.name}")
        if not isinstance(arguments, list | tuple):
            raise ValueError("arguments that are no tuple")
        self.push(target.call(*arguments))

    def refer(self, identity: object) -> None:
        """Let the caller resolve a reference to something outside the pickle."""
        if self.persistent is None:
            raise ValueError("a reference to something outside the pickle")
        self.push(self.persistent(identity))
