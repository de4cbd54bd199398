"""Plumbing: pickles, read by a stack machine that imports nothing and calls nothing of the pickle's choosing.

A pickle is a program. What runs here is its harmless part, the opcodes that build numbers, strings and containers.
Where a pickle names a function or a class, the name must be on the caller's list, which maps it to a small pure
function of ours; every other name is refused before anything else happens.

The results are plain values; a set becomes a list and a frozen set a tuple, so that nothing is hashed but the keys of
dictionaries. Whatever a pickle claims to hold is compared with the bytes present before it is read, and the number of
steps is bounded, so that memory and time stay in proportion to the data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from charvec.plumbing.pickles.pickle_machine import Data, Global, Handler, Inert, Machine, check_key
from charvec.plumbing.pickles.pickle_opcodes import BINGET, BINPUT, LONG_BINPUT, OPCODES, STOP, UNKNOWN, Step

__all__ = ["Global", "Handler", "Inert", "Loaded", "Ordered", "load", "ordered_dict"]


_PUTS = (BINPUT, LONG_BINPUT)


class Ordered(dict[Any, Any], Inert):
    """Stand-in for an ``OrderedDict``; the attribute ``_metadata`` that PyTorch gives state dicts is dropped."""


class Loaded(NamedTuple):
    """What a pickle held, and where it ended."""

    value: Any
    end: int


def load(
    data: Data,
    path: str,
    *,
    allowed: Mapping[tuple[str, str], Handler | None],
    persistent: Handler | None = None,
    start: int = 0,
    base: int = 0,
    what: str = "pickle",
    advice: Callable[[str], str] | None = None,
    max_steps: int | None = None,
    opcodes: Mapping[int, tuple[str, Step]] = OPCODES,
) -> Loaded:
    """Run one pickle.

    Args:
        data: bytes that contain it; what follows its STOP is left to the caller.
        path: the file it came from, for messages.
        allowed: what may be named, as (module, name), and our stand-in for calling it, a pure function of plain values
            that raises ValueError or TypeError for unusable arguments. None: may be named, not called.
        persistent: stand-in for references to objects outside the pickle.
        start: where in ``data`` the pickle begins.
        base: where in the file ``data`` begins.
        what: what the pickle is, for messages.
        advice: gives the help text for a refused name; has a general one by default.
        max_steps: opcodes at most; as many as there are bytes by default.
        opcodes: what each opcode does; others than the usual ones for bytes that stay in their file.

    Raises:
        UnsafeFile: ``E-PICKLE-UNSAFE`` when it names or calls anything that is not allowed.
        DamagedFile: ``E-PICKLE`` when it is no valid pickle; its ``offset`` is the end of ``data`` when those ran out.
    """
    machine = Machine(
        data,
        path,
        allowed=allowed,
        persistent=persistent,
        start=start,
        base=base,
        what=what,
        advice=advice,
        opcodes=opcodes,
    )
    steps = len(data) + 1 if max_steps is None else max_steps
    end, step_of, memo, stack, marks = len(data), opcodes.get, machine.memo, machine.stack, machine.marks
    for _ in range(steps):
        machine.begin = begin = machine.position
        if begin >= end:
            machine.ran_out()
        code = data[begin]
        # of three opcodes, which are half of a state dict, the usual case: a third less time than by their steps. Where
        # it is not, these say what is wrong. Each byte is read once: of a pickle in a file what was read is hashed
        if code in _PUTS:
            after = begin + (5 if code == LONG_BINPUT else 2)
            if after <= end and len(stack) > (marks[-1] if marks else 0):
                index = int.from_bytes(data[begin + 1 : after], "little")
                if index <= after:
                    memo[index] = stack[-1]
                    machine.position = after
                    continue
        elif code == BINGET and begin + 1 < end:
            index = data[begin + 1]
            if index in memo:
                stack.append(memo[index])
                machine.position = begin + 2
                continue
        machine.position = begin + 1
        try:
            step_of(code, UNKNOWN)[1](machine)
            if code == STOP:
                return Loaded(machine.pop(), machine.position)
        except ValueError as error:
            machine.damaged(str(error)[:200])
        except (TypeError, OverflowError, struct.error):
            machine.damaged("its operands make no sense")
    machine.damaged(f"more than {steps:,} steps")


def ordered_dict(pairs: object = ()) -> Ordered:
    """Handler for ``collections.OrderedDict``; Python 2 gave it a list of pairs."""
    result = Ordered()
    if isinstance(pairs, list):
        for key, value in pairs:
            check_key(key)
            result[key] = value
        pairs.clear()  # else a pickle could have one long list copied again and again
    elif pairs != ():
        raise TypeError
    return result
