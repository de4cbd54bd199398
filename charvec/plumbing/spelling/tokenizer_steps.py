"""Plumbing: the steps of a tokenizer's normaliser and pre-tokenizer, as ``tokenizer.json`` describes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from charvec.errors import CharvecError
from charvec.plumbing.spelling.normalizer import refuse

__all__ = ["check_steps", "guarded", "steps", "without_edges"]

#: Limits against hostile files. Steps, and sequences of them inside each other; published ones have up to 60 and 2.
MAX_STEPS = 200
MAX_DEPTH = 10
#: Most characters of a pattern; those of published models have up to 500.
MAX_PATTERN = 10_000


@contextmanager
def guarded(path: str) -> Iterator[None]:
    """Turn whatever the library raises, its panics too, into DamagedFile ``E-TOKENIZER``."""
    try:
        yield
    except (CharvecError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust code is no Exception
        refuse(
            path,
            f"the tokenizers library cannot use it: {str(error)[:200]}",
            "download the file again; one that is newer than the library needs `pip install -U tokenizers`",
        )


def steps(part: Any) -> Iterator[dict[str, Any]]:
    """The steps of a normaliser or pre-tokenizer in their order, those inside sequences one by one."""
    stack = [part]
    while stack:
        step = stack.pop()
        inner = inside_of(step)
        if inner is not None:
            stack += reversed(inner)
        elif isinstance(step, dict):
            yield step


def inside_of(step: Any) -> list[Any] | None:
    """The steps of a sequence; None for anything else."""
    if not isinstance(step, dict) or step.get("type") != "Sequence":
        return None
    inner = step.get("normalizers", step.get("pretokenizers"))
    return inner if isinstance(inner, list) else None


#: Steps that concern the edges of a text only.
_EDGES = ("Prepend", "Strip")


def without_edges(part: Any) -> Any:
    """A normaliser or pre-tokenizer that does to a lone character what the model's own does inside running text.

    The blank that is put before a text (``Prepend``, ``Metaspace``, ``ByteLevel``) and the stripping of white space
    around it (``Strip``) are left out.
    """
    changed = []
    for step in steps(part):
        kind = step.get("type")
        if kind in _EDGES:
            continue
        if kind == "Metaspace":
            step = {**step, "add_prefix_space": False, "prepend_scheme": "never"}
        elif kind == "ByteLevel" and "add_prefix_space" in step:
            step = {**step, "add_prefix_space": False}
        changed.append(step)
    if len(changed) < 2:
        return changed[0] if changed else None
    inner = "pretokenizers" if isinstance(part, dict) and "pretokenizers" in part else "normalizers"
    return {"type": "Sequence", inner: changed}


def check_steps(part: Any, path: str, name: str) -> None:
    """Refuse what could make the library eat the machine: steps and patterns without measure."""
    if part is None:
        return
    if not isinstance(part, dict):
        refuse(path, f"the {name} is no object")
    level, depth = [part], 0
    while level := [step for each in level for step in inside_of(each) or ()]:
        depth += 1
        if depth > MAX_DEPTH or len(level) > MAX_STEPS:
            refuse(path, f"the {name} has too many steps")
    for count, step in enumerate(steps(part)):
        pattern = step.get("pattern")
        form = next(iter(pattern.values()), "") if isinstance(pattern, dict) else ""
        if count >= MAX_STEPS or not isinstance(form, str) or len(form) > MAX_PATTERN:
            refuse(path, f"the {name} has too many steps, or a pattern that is too long")
