"""Our dataclass decorator, held against Python's own."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from charvec import valueclass


def make(decorator: Callable[..., Any], **options: bool) -> Any:
    """A class with fields of every kind."""

    class Value:
        """What is made."""

        first: int
        second: str = "two"
        third: list[int] = valueclass.field(default_factory=list)
        KIND = "no field"

        def double(self) -> int:
            return 2 * self.first

    return decorator(**options)(Value)


OPTIONS: tuple[dict[str, bool], ...] = (
    {},
    {"frozen": True},
    {"frozen": True, "eq": False},
    {"eq": False},
    {"frozen": True, "repr": False},
)
CALLS: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((1,), {}),
    ((1, "x"), {}),
    ((1,), {"third": [3]}),
    ((), {"first": 1, "second": "x"}),
    ((1, "x", [3]), {}),
    ((), {}),
    ((), {"second": "x"}),
    ((1, "x", [3], 4), {}),
    ((1,), {"first": 2}),
    ((1,), {"fourth": 4}),
)


def both(**options: bool) -> tuple[Any, Any]:
    """The same class made by our decorator and by Python's own."""
    return make(valueclass.dataclass, **options), make(dataclasses.dataclass, **options)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the type of what it raises."""
    try:
        return call()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("args", "named"), CALLS, ids=str)
def test_instances_are_made_alike(options: dict[str, bool], args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """The same arguments give the same fields, or the same kind of error."""
    ours, theirs = (outcome(lambda kind=kind: vars(kind(*args, **named))) for kind in both(**options))
    assert ours == theirs


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_instances_behave_alike(options: dict[str, bool]) -> None:
    """Comparison, hash, representation, assignment, and what the functions of dataclasses make of them."""

    def delete(one: Any) -> None:
        del one.first

    def assign(one: Any) -> int:
        one.first = 5
        return int(one.first)

    seen = []
    for kind in both(**options):
        one, same, other = kind(1, "x", (1,)), kind(1, "x", (1,)), kind(2)
        seen.append(
            (
                [one == one, one == same, one == other, one == 1, one != same],
                outcome(lambda one=one, same=same: hash(one) == hash(same)),
                outcome(lambda other=other: hash(other) is None),
                repr(one) if options.get("repr", True) else None,
                vars(dataclasses.replace(one, second="new")),
                dataclasses.asdict(one),
                [each.name for each in dataclasses.fields(one)],
                kind.__match_args__,
                vars(copy.deepcopy(one)),
                outcome(lambda one=one: assign(one)),
                outcome(lambda other=other: delete(other)),
                one.double(),
            )
        )
    assert seen[0] == seen[1]


def test_lists_are_not_shared() -> None:
    """A factory is called for each instance."""
    kind, _ = both()
    kind(1).third.append(7)
    assert kind(1).third == []


def test_arrays_compare_by_identity() -> None:
    """As in a tuple: an array is equal to itself and gives no single answer else."""
    kind, _ = both(frozen=True)
    array = np.arange(3)
    assert kind(array) == kind(array)


def test_own_methods_stay() -> None:
    """What a class defines itself is not replaced; what comes last in making it is called."""

    @valueclass.dataclass(frozen=True)
    class Kept:
        number: int

        def __post_init__(self) -> None:
            if self.number < 0:
                raise ValueError("negative")

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "mine"

    assert Kept(1) == "anything"
    assert repr(Kept(1)) == "mine"
    assert hash(Kept(1)) == hash(Kept(1))
    with pytest.raises(ValueError, match="negative"):
        Kept(-1)


def test_values_travel() -> None:
    """Batches and parts are sent to other processes."""
    from charvec.reading import Options

    options = Options(errors="skip", extensions=(".txt",))
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(pickle.loads(pickle.dumps(options))) == hash(options)
