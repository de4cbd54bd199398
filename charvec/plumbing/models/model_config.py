"""Plumbing: what ``config.json`` beside a checkpoint says of the model.

Source: ``PretrainedConfig`` of transformers. The configuration of a model of several parts holds that of its language
model under ``text_config`` or a name like it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charvec.errors import CharvecError, Note
from charvec.plumbing import places
from charvec.plumbing.files import read_whole
from charvec.plumbing.safejson import parse
from charvec.valueclass import dataclass, field

__all__ = ["ModelConfig", "read_config"]

NAME = "config.json"
#: The largest published ones have some 100 KB: lists of labels.
MAX_BYTES = 16_000_000
#: "No limit" is written as an integer of 31 digits by some tools.
MAX_DIGITS = 64

#: Keys under which the part that reads text has its own configuration.
_TEXT = ("text_config", "llm_config", "language_config", "thinker_config", "text_encoder", "encoder")


@dataclass(frozen=True)
class ModelConfig:
    """What the file says; every value may be anything, and is looked at before it is used.

    Attributes:
        path: the file; "" when there is none.
        values: its top level.
        notes: remarks for the user.
    """

    path: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def get(self, key: str) -> Any:
        """A value of the top level, or else of the part that reads text; None when neither has it."""
        values, depth = self.values, 0
        while values.get(key) is None and depth < 4:
            part = next((values[name] for name in _TEXT if isinstance(values.get(name), dict)), None)
            if part is None:
                return None
            values, depth = part, depth + 1
        return values.get(key)

    def number(self, key: str) -> int | None:
        """A positive integer; None for anything else."""
        value = self.get(key)
        return value if type(value) is int and value > 0 else None

    @property
    def kind(self) -> str:
        """The model's type, such as ``albert``; "" when it is not said."""
        value = self.values.get("model_type")
        return value[:80] if isinstance(value, str) else ""

    @property
    def tied(self) -> bool:
        """Whether it says that the matrices at both ends of the model are one."""
        return self.get("tie_word_embeddings") is True


def read_config(checkpoint: str) -> ModelConfig:
    """The configuration beside a checkpoint; an empty one when there is none or it is damaged, which is noted.

    Args:
        checkpoint: path of the file that holds the tensors or their index.
    """
    path = places.join(places.parent(checkpoint), NAME)
    if not places.is_file(path):
        return ModelConfig()
    try:
        values = parse(read_whole(path, limit=MAX_BYTES), path, what=NAME, digits=MAX_DIGITS)
    except CharvecError as error:
        return ModelConfig(notes=(_ignored(path, error.message),))
    if not isinstance(values, dict):
        return ModelConfig(notes=(_ignored(path, f"{path} is not a JSON object"),))
    return ModelConfig(path, values)


def _ignored(path: str, why: str) -> Note:
    return Note("W-CONFIG", f"{why}; what it says of the model is ignored", path)
