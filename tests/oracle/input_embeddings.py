"""Compare the tensor charvec takes for the input embedding with what transformers says, for every model it has.

Run by hand where transformers and torch are installed::

    python tests/oracle/input_embeddings.py                 # compare
    python tests/oracle/input_embeddings.py --write FILE    # and keep what was compared, for the tests

Every class of the automatic models is built from its default configuration, with few layers, on torch's meta device,
which takes no memory. The answer is the name of the parameter of ``get_input_embeddings()``. Models whose input
embedding is no matrix (pictures, sound) are left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import transformers
from transformers.models.auto import modeling_auto

from charvec.errors import CharvecError
from charvec.finding import find_embedding
from charvec.tensor import Checkpoint, Tensor

KINDS = ("", "FOR_PRETRAINING_", "FOR_CAUSAL_LM_", "FOR_MASKED_LM_", "FOR_SEQ_TO_SEQ_CAUSAL_LM_")
KINDS += ("FOR_IMAGE_TEXT_TO_TEXT_", "FOR_MULTIMODAL_LM_")
LAYERS = re.compile(r"(num_|n_|encoder_|decoder_|num_encoder_|num_decoder_|num_hidden_)layers?$|depth$")


def classes() -> Iterator[tuple[str, str]]:
    """Model type and class, each pair once."""
    seen = set()
    for kind in KINDS:
        for model_type, names in getattr(modeling_auto, f"MODEL_{kind}MAPPING_NAMES", {}).items():
            for name in names if isinstance(names, tuple | list) else (names,):
                if (model_type, name) not in seen:
                    seen.add((model_type, name))
                    yield model_type, name


def build(model_type: str, name: str) -> tuple[list[str], dict[str, tuple[int, ...]]]:
    """Names of the input embedding, and the shapes of all matrices of numbers, one layer standing for all."""
    config = transformers.CONFIG_MAPPING[model_type]()
    for key, value in vars(config).items():
        if LAYERS.match(key) and isinstance(value, int) and value > 4 and not hasattr(config, "layer_types"):
            setattr(config, key, 2)
    with torch.device("meta"):
        model = getattr(transformers, name)(config)
    weight = model.get_input_embeddings().weight
    state = model.state_dict(keep_vars=True)
    answer = [key for key, value in state.items() if value is weight]
    if weight.ndim != 2 or not answer or not config.get_text_config().vocab_size:
        raise ValueError("no table of pieces")
    shapes: dict[str, tuple[int, ...]] = {}
    kinds = set()
    for key, value in state.items():
        kind = re.sub(r"\.\d+\.", ".0.", key)
        if value.ndim == 2 and value.is_floating_point() and (kind not in kinds or key in answer):
            kinds.add(kind)
            shapes[key] = tuple(value.shape)
    return answer, shapes


def found(answer: list[str], names: list[str]) -> str:
    """What charvec takes among matrices of these names, or the code of its error."""
    place = {name: 0 if name in answer else 1000 * number for number, name in enumerate(names, 1)}
    tensors = {name: Tensor.contiguous(name, (9, 3), "float32", "/nowhere/m", place[name]) for name in names}
    try:
        return find_embedding(Checkpoint("/nowhere/m", "safetensors", {}, tensors, "")).tensor.name
    except CharvecError as error:
        return error.code


def main() -> int:
    """Compare; 1 when one differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    written = parser.parse_args().write
    warnings.simplefilter("ignore")
    kept: dict[str, Any] = {}
    wrong = 0
    for model_type, name in classes():
        try:
            answer, shapes = build(model_type, name)
        except Exception as error:  # needs a package, or has no such table
            print(f"left out: {model_type} {name}: {type(error).__name__}", file=sys.stderr)
            continue
        kept[f"{model_type} {name}"] = [answer, list(shapes)]
        taken = found(answer, list(shapes))
        if taken not in answer:
            wrong += 1
            print(f"{model_type} {name}: {taken}, not {answer}")
    print(f"{len(kept)} models of {len({key.split()[0] for key in kept})} types, {wrong} wrong")
    if written:
        written.write_bytes(gzip.compress(json.dumps(kept, separators=(",", ":")).encode(), mtime=0))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
