"""Plumbing of :mod:`charvec.plumbing.pickles.unpickle`: what each opcode does to the machine."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from charvec.plumbing.pickles.pickle_machine import Inert, Machine, check_key

__all__ = ["BINGET", "BINPUT", "LONG_BINPUT", "OPCODES", "STOP", "UNKNOWN", "Step"]

#: The newest protocol of Python's pickle module.
HIGHEST_PROTOCOL = 5
#: Bytes of an integer; the largest in real files is the state of a random number generator.
MAX_INTEGER = 255

Step = Callable[[Machine], None]

_INTEGER = re.compile(rb"[+-]?\d{1,100}L?")
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\", b"'": b"'", b'"': b'"'}


def _integer(line: bytes) -> int:
    if not _INTEGER.fullmatch(line):
        raise ValueError("no integer")
    return int(line.rstrip(b"L"))


def _integer_or_bool(line: bytes) -> int:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else _integer(line)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _eight_bit(data: bytes) -> str | bytes:
    """A string of Python 2: text if ASCII; otherwise it may be text or an array's bytes, which its user decides."""
    return data.decode("ascii") if data.isascii() else data


def _quoted(line: bytes) -> str | bytes:
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError("a string without quotes")

    def plain(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        if len(escape) == 3:
            return bytes([int(escape[1:], 16)])
        if escape not in _ESCAPES:
            raise ValueError("an unknown escape in a string")
        return _ESCAPES[escape]

    return _eight_bit(_ESCAPE.sub(plain, line[1:-1]))


def _long(machine: Machine, width: int) -> None:
    length = machine.unsigned(width)
    if length > MAX_INTEGER:
        machine.damaged(f"an integer of {length:,} bytes")
    machine.push(int.from_bytes(machine.take(length), "little", signed=True))


def _constant(value: object) -> Step:
    return lambda machine: machine.push(value)


def _fresh(make: Callable[[], object]) -> Step:
    return lambda machine: machine.push(make())


def _fixed(format: str) -> Step:
    size = struct.calcsize(format)
    return lambda machine: machine.push(struct.unpack(format, machine.take(size))[0])


def _counted(width: int, convert: Callable[[bytes], object]) -> Step:
    return lambda machine: machine.push(convert(machine.take(machine.unsigned(width))))


def _line(convert: Callable[[bytes], object]) -> Step:
    return lambda machine: machine.push(convert(machine.line()))


def _collect(make: Callable[[list[Any]], object]) -> Step:
    return lambda machine: machine.push(make(machine.pop_to_mark()))


def _last(count: int) -> Step:
    return lambda machine: machine.push(tuple(machine.pop_last(count)))


def _extend(items: Callable[[Machine], list[Any]]) -> Step:
    def step(machine: Machine) -> None:
        new, target = items(machine), machine.top()
        if not isinstance(target, list):
            raise ValueError(f"the target is no list but {type(target).__name__}")
        target.extend(new)

    return step


def _update(items: Callable[[Machine], list[Any]]) -> Step:
    def step(machine: Machine) -> None:
        new, target = items(machine), machine.top()
        if not isinstance(target, dict):
            raise ValueError(f"the target is no dictionary but {type(target).__name__}")
        target.update(_dict(new))

    return step


def _dict(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("a key without a value")
    for key in items[::2]:
        check_key(key)
    return dict(zip(items[::2], items[1::2], strict=True))


def _pair(machine: Machine) -> list[Any]:
    value = machine.pop()
    return [machine.pop(), value]


def _pop(machine: Machine) -> None:
    if machine.marks and len(machine.stack) == machine.marks[-1]:
        machine.marks.pop()
    else:
        machine.pop()


def _pop_mark(machine: Machine) -> None:
    machine.pop_to_mark()


def _protocol(machine: Machine) -> None:
    if machine.unsigned(1) > HIGHEST_PROTOCOL:
        raise ValueError(f"a protocol above {HIGHEST_PROTOCOL}")


def _frame(machine: Machine) -> None:
    if machine.unsigned(8) > len(machine.data) - machine.position:
        machine.ran_out()


def _global(machine: Machine) -> None:
    module = _text(machine.line())
    machine.name(module, _text(machine.line()))


def _stack_global(machine: Machine) -> None:
    name = machine.pop()
    machine.name(machine.pop(), name)


def _inst(machine: Machine) -> None:
    _global(machine)
    target = machine.pop()
    machine.call(target, machine.pop_to_mark())


def _obj(machine: Machine) -> None:
    items = machine.pop_to_mark()
    if not items:
        raise ValueError("there is no class")
    machine.call(items[0], items[1:])


def _call(machine: Machine) -> None:
    arguments = machine.pop()
    machine.call(machine.pop(), arguments)


def _call_with_keywords(machine: Machine) -> None:
    if machine.pop() != {}:
        machine.unsafe("calls something with named arguments")
    _call(machine)


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Inert):
        machine.unsafe("sets attributes of a value")
    target.build(state)


def _extension(machine: Machine) -> None:
    machine.unsafe("asks for a registered extension")


def _nothing(machine: Machine) -> None:
    pass


def _refuse(problem: str) -> Step:
    def step(machine: Machine) -> None:
        raise ValueError(problem)

    return step


STOP, BINGET, BINPUT, LONG_BINPUT = b".hqr"
UNKNOWN: tuple[str, Step] = ("unknown opcode", _refuse("not part of any protocol"))
_NO_BUFFER = _refuse("an out-of-band buffer, which is not in the file")

#: Every opcode of protocols 0 to 5, in the order of Python's pickle module.
OPCODES: dict[int, tuple[str, Step]] = {
    ord("("): ("MARK", Machine.mark),
    STOP: ("STOP", _nothing),
    ord("0"): ("POP", _pop),
    ord("1"): ("POP_MARK", _pop_mark),
    ord("2"): ("DUP", lambda machine: machine.push(machine.top())),
    ord("F"): ("FLOAT", _line(float)),
    ord("I"): ("INT", _line(_integer_or_bool)),
    ord("J"): ("BININT", _fixed("<i")),
    ord("K"): ("BININT1", lambda machine: machine.push(machine.unsigned(1))),
    ord("L"): ("LONG", _line(_integer)),
    ord("M"): ("BININT2", lambda machine: machine.push(machine.unsigned(2))),
    ord("N"): ("NONE", _constant(None)),
    ord("P"): ("PERSID", lambda machine: machine.refer(_text(machine.line()))),
    ord("Q"): ("BINPERSID", lambda machine: machine.refer(machine.pop())),
    ord("R"): ("REDUCE", _call),
    ord("S"): ("STRING", _line(_quoted)),
    ord("T"): ("BINSTRING", _counted(4, _eight_bit)),
    ord("U"): ("SHORT_BINSTRING", _counted(1, _eight_bit)),
    ord("V"): ("UNICODE", _line(lambda line: line.decode("raw-unicode-escape"))),
    ord("X"): ("BINUNICODE", _counted(4, _text)),
    ord("a"): ("APPEND", _extend(lambda machine: [machine.pop()])),
    ord("b"): ("BUILD", _build),
    ord("c"): ("GLOBAL", _global),
    ord("d"): ("DICT", _collect(_dict)),
    ord("}"): ("EMPTY_DICT", _fresh(dict)),
    ord("e"): ("APPENDS", _extend(Machine.pop_to_mark)),
    ord("g"): ("GET", lambda machine: machine.recall(_integer(machine.line()))),
    BINGET: ("BINGET", lambda machine: machine.recall(machine.unsigned(1))),
    ord("i"): ("INST", _inst),
    ord("j"): ("LONG_BINGET", lambda machine: machine.recall(machine.unsigned(4))),
    ord("l"): ("LIST", _collect(list)),
    ord("]"): ("EMPTY_LIST", _fresh(list)),
    ord("o"): ("OBJ", _obj),
    ord("p"): ("PUT", lambda machine: machine.remember(_integer(machine.line()))),
    BINPUT: ("BINPUT", lambda machine: machine.remember(machine.unsigned(1))),
    LONG_BINPUT: ("LONG_BINPUT", lambda machine: machine.remember(machine.unsigned(4))),
    ord("s"): ("SETITEM", _update(_pair)),
    ord("t"): ("TUPLE", _collect(tuple)),
    ord(")"): ("EMPTY_TUPLE", _constant(())),
    ord("u"): ("SETITEMS", _update(Machine.pop_to_mark)),
    ord("G"): ("BINFLOAT", _fixed(">d")),
    0x80: ("PROTO", _protocol),
    0x81: ("NEWOBJ", _call),
    0x82: ("EXT1", _extension),
    0x83: ("EXT2", _extension),
    0x84: ("EXT4", _extension),
    0x85: ("TUPLE1", _last(1)),
    0x86: ("TUPLE2", _last(2)),
    0x87: ("TUPLE3", _last(3)),
    0x88: ("NEWTRUE", _constant(True)),
    0x89: ("NEWFALSE", _constant(False)),
    0x8A: ("LONG1", lambda machine: _long(machine, 1)),
    0x8B: ("LONG4", lambda machine: _long(machine, 4)),
    ord("B"): ("BINBYTES", _counted(4, bytes)),
    ord("C"): ("SHORT_BINBYTES", _counted(1, bytes)),
    0x8C: ("SHORT_BINUNICODE", _counted(1, _text)),
    0x8D: ("BINUNICODE8", _counted(8, _text)),
    0x8E: ("BINBYTES8", _counted(8, bytes)),
    0x8F: ("EMPTY_SET", _fresh(list)),
    0x90: ("ADDITEMS", _extend(Machine.pop_to_mark)),
    0x91: ("FROZENSET", _collect(tuple)),
    0x92: ("NEWOBJ_EX", _call_with_keywords),
    0x93: ("STACK_GLOBAL", _stack_global),
    0x94: ("MEMOIZE", lambda machine: machine.remember(len(machine.memo))),
    0x95: ("FRAME", _frame),
    0x96: ("BYTEARRAY8", _counted(8, bytes)),
    0x97: ("NEXT_BUFFER", _NO_BUFFER),
    0x98: ("READONLY_BUFFER", _NO_BUFFER),
}
