"""The decorator of :mod:`dataclasses`, cheaper to apply.

The standard one writes the source text of up to six methods for every class and compiles it: 0.5 ms a class, and a
short run goes past 25 of them. Here all classes share one set of methods that go by the names of the fields. Applied
to a class of ten fields it takes 0.1 ms; making an instance takes 2 µs instead of 1.

What comes out is a dataclass to ``fields``, ``replace``, ``asdict`` and pattern matching. Only what this package uses
is there: no inheritance of fields, no slots, no ordering, no ``InitVar``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, field
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, frozen: bool = False, eq: bool = True, repr: bool = True) -> Any:
        """As :func:`dataclasses.dataclass`, with these arguments."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, repr=repr)
        cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False)
        fields = {each.name: each for each in dataclasses.fields(cls)}
        names = tuple(fields)
        methods = {"__init__": _init(cls.__name__, fields, hasattr(cls, "__post_init__"))}
        if repr:
            methods["__repr__"] = _repr(names)
        if frozen:
            methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
        if eq:
            compared = tuple(name for name in names if fields[name].compare)
            methods["__eq__"] = _eq(compared)
            methods["__hash__"] = _hash(compared) if frozen else None
        for name, method in methods.items():
            # what the class defines itself stays; that it is not hashable by itself follows from its own __eq__
            if cls.__dict__.get(name) is None:
                setattr(cls, name, method)
        return cls


def _init(owner: str, fields: dict[str, Any], post: bool) -> Callable[..., None]:
    names = tuple(fields)
    known = frozenset(names)
    defaults = {name: each.default for name, each in fields.items() if each.default is not MISSING}
    factories = {name: each.default_factory for name, each in fields.items() if each.default_factory is not MISSING}
    required = tuple(name for name in names if name not in defaults and name not in factories)

    def __init__(self: Any, /, *args: Any, **named: Any) -> None:
        if len(args) > len(names):
            raise TypeError(f"{owner}() takes {len(names)} arguments, but {len(args)} were given")
        values = self.__dict__
        values.update(defaults)
        values.update(zip(names, args, strict=False))
        if named:
            for name in names[: len(args)]:
                if name in named:
                    raise TypeError(f"{owner}() got two values for the argument {name!r}")
            if not known.issuperset(named):
                raise TypeError(f"{owner}() has no argument {next(name for name in named if name not in known)!r}")
            values.update(named)
        for name in required[len(args) :]:  # they come first
            if name not in values:
                raise TypeError(f"{owner}() lacks the argument {name!r}")
        for name, factory in factories.items():
            if name not in values:
                values[name] = factory()
        if post:
            self.__post_init__()

    return __init__


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({shown})"

    return __repr__


def _eq(names: tuple[str, ...]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        # tuples take what is the same object for equal, arrays and NaN too
        return tuple(getattr(self, name) for name in names) == tuple(getattr(other, name) for name in names)

    return __eq__


def _hash(names: tuple[str, ...]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(tuple(getattr(self, name) for name in names))

    return __hash__


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise FrozenInstanceError(f"cannot {'assign to' if value else 'delete'} field {name!r}")
