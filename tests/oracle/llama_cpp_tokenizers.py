"""Hold the tokenizers in GGUF files against llama.cpp itself, for every character.

    python tests/oracle/llama_cpp_tokenizers.py FILE.gguf ... [--step 1]

Needs the package ``llama-cpp-python``, in whose sources (``vendor/llama.cpp/models``) lie the vocabularies of some
twenty published models. Kinds whose text llama.cpp changes in its own way (``bert``, ``t5``) are passed over: charvec
follows the model's tokenizer there, and is held against that elsewhere.

A character is encoded alone; of ``llama``, behind a line end, since a blank is put before every text. Where charvec
says boundary, it is encoded behind a blank, and that has to be one token. Characters that charvec calls unknown,
removed or unreachable must give nothing.
"""

from __future__ import annotations

import argparse
import ctypes
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import numpy as np

from charvec import vocabularies
from charvec.status import Status

LOST = (Status.UNKNOWN, Status.REMOVED, Status.UNREACHABLE)


class Tokenizer:
    """llama.cpp's own."""

    def __init__(self, path: Path) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        assert self._model, f"llama.cpp cannot read {path}"
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._ids = (ctypes.c_int32 * 64)()

    def encode(self, text: str) -> list[int]:
        """Row ids of a short text, without special tokens."""
        data = text.encode()
        count = llama_cpp.llama_tokenize(self._vocabulary, data, len(data), self._ids, len(self._ids), False, False)
        return list(self._ids[:count])


def disagreements(path: Path, codepoints: list[int]) -> Iterator[str]:
    """A line for each character whose rows are others."""
    tokenizer, vocabulary = Tokenizer(path), vocabularies.read(path)
    spelling = vocabulary.spell(np.array(codepoints, np.uint32))
    before = tokenizer.encode("\n") if vocabulary.settings["model"] == "llama" else []
    for place, codepoint in enumerate(codepoints):
        status, ours = Status(spelling.status[place]), list(spelling.ids(place))
        text = chr(codepoint)
        if vocabulary.settings.get("normalizer") == "NFC":
            text = unicodedata.normalize("NFC", text)
        theirs = tokenizer.encode("\n" + text)[len(before) :] if before else tokenizer.encode(text)
        if status == Status.BOUNDARY and len(word := tokenizer.encode(" " + text)) == 1:
            theirs = word
        if theirs != ([] if status in LOST else ours):
            yield f"U+{codepoint:04X} {status.label}: charvec {ours}, llama.cpp {theirs}"


def main() -> None:
    """Compare, and print what differs."""
    parser = argparse.ArgumentParser(description="tokenizers in GGUF files")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--step", type=int, default=1, help="take only every STEPth character")
    args = parser.parse_args()
    scalars = [codepoint for codepoint in range(1, 0x110000) if not 0xD800 <= codepoint < 0xE000][:: args.step]
    llama_cpp.llama_backend_init()
    for path in args.files:
        kind = vocabularies.read(path).settings["model"]
        if kind in ("bert", "t5"):
            print(f"{path.name}: {kind}, passed over")
            continue
        found = list(disagreements(path, scalars))
        print(f"{path.name}: {kind}, {len(scalars):,} characters, {len(found):,} differences")
        for line in found[:10]:
            print("  " + line)


if __name__ == "__main__":
    main()
