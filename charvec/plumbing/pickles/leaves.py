"""Plumbing: the tensors in what a pickle held: dictionaries, lists and tuples in each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from charvec.errors import DamagedFile, UnsafeFile

__all__ = ["named_leaves"]

#: Dictionaries and lists inside each other.
MAX_DEPTH = 64
#: What looking at all values may cost, about 16 for each and the length of its name; sharing makes few bytes into many.
MAX_COST = 32 << 20

Leaf = TypeVar("Leaf")


def named_leaves(value: object, leaf: Callable[[object], Leaf | None], path: str) -> dict[str, Leaf]:
    """What ``leaf`` makes of values, by name; nested names are joined with dots.

    Args:
        value: what the pickle held.
        leaf: a tensor from a value, or None when the value is none.
        path: the file it came from, for messages.

    Raises:
        UnsafeFile: ``E-BOMB`` when sharing makes it swell.
        DamagedFile: ``E-PICKLE`` when two tensors have one name.
    """
    walk = _Walk(leaf, path)
    walk.visit("", value, 0)
    return walk.found


class _Walk(Generic[Leaf]):
    def __init__(self, leaf: Callable[[object], Leaf | None], path: str) -> None:
        self.leaf, self.path = leaf, path
        self.found: dict[str, Leaf] = {}
        self.cost = 0

    def visit(self, name: str, value: object, depth: int) -> None:
        self.cost += 16 + len(name) + (16 * len(value) if isinstance(value, dict | list | tuple) else 0)
        if depth > MAX_DEPTH or self.cost > MAX_COST:
            raise UnsafeFile(
                "E-BOMB",
                f"{self.path}: its dictionaries lie deeper in each other or are more than a state dict has use for",
                path=self.path,
                help="ask its maker for the weights as safetensors",
            )
        found = self.leaf(value)
        if found is not None:
            name = name or "tensor"
            if self.found.setdefault(name, found) != found:
                raise DamagedFile(
                    "E-PICKLE",
                    f"{self.path}: two tensors have the name {name[:80]!r}",
                    path=self.path,
                    help="ask its maker for the weights as safetensors",
                )
            return
        for key, item in _items(value):
            if isinstance(item, dict | list | tuple) or self.leaf(item) is not None:
                text = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
                self.visit(f"{name}.{text}" if name else text, item, depth + 1)


def _items(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()
