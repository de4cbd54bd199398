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
from charvec.plumbing.pickles.pickle_opcodes import OPCODES, UNKNOWN, Step

__all__ = ["Global", "Handler", "Inert", "Loaded", "Ordered", "load", "ordered_dict"]


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
        data, path, allowed=allowed, persistent=persistent, start=start, base=base, what=what, advice=advice
    )
    steps = len(data) + 1 if max_steps is None else max_steps
    end, step_of = len(data), opcodes.get
    for _ in range(steps):
        machine.begin = begin = machine.position
        if begin >= end:
            machine.opcode = "STOP"
            machine.ran_out()
        machine.opcode, step = step_of(data[begin], UNKNOWN)
        machine.position = begin + 1
        try:
            step(machine)
            if machine.opcode == "STOP":
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
