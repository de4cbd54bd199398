"""Plumbing: refusing --cased and --uncased where a tokenizer has no such setting."""

from __future__ import annotations

from charvec.errors import UsageError

__all__ = ["refuse_casing"]


def refuse_casing(path: str, kind: str, lowercase: bool | None) -> None:
    """Refuse an answer to a question that the tokenizer does not ask.

    Raises:
        UsageError: ``E-CASING`` unless ``lowercase`` is None.
    """
    if lowercase is not None:
        raise UsageError(
            "E-CASING",
            f"{path}: a {kind} tokenizer has no setting for lower case",
            help="leave --cased and --uncased out; what it does to letters is part of the file",
        )
