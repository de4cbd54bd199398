"""Time looking 5,000 characters up in every kind of checkpoint, and opening a GGUF file of 152,000 tokens.

    python bench/formats.py FOLDER --vocab vocab.txt [--rounds 5] [--tf MODEL] [--json FILE]

FOLDER gets the checkpoints on the first run, each written by the format's own library from one matrix of 21,128 x 768:
safetensors, torch, gguf, onnx, h5py (the layout of Hugging Face's tf_model.h5), flax, gensim and numpy, as far as these
are installed in the interpreter that runs this file; --tf names a checkpoint of TensorFlow that is there already, such
as the one of make_inputs.py. Every run is a process of its own. It first looks characters up in a small model of the
same format, so that every module is loaded; then the clock starts, a large model is opened and its rows are looked up.
All float32 results of one matrix are compared bit for bit.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Command, measure, table

ROOT = Path(__file__).resolve().parents[1]
ROWS, DIM, WANTED, TOKENS = 21_128, 768, 5_000, 151_936
LARGE_GGUF = f"GGUF of {TOKENS:,} tokens, opened"

LOOK_UP = """
import json, sys, time, hashlib
import charvec
chars, count, small, large = sys.argv[1:]
with open(chars, encoding="utf-8") as file:
    characters = file.read()[: int(count)]
charvec.lookup(charvec.open(small), characters[:8] + "\u00c9")  # which only the tokenizers library can spell
wall, cpu = time.perf_counter(), time.process_time()
vectors = charvec.lookup(charvec.open(large), characters)
found = {"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}
found["characters"] = len(vectors)
found["digest"] = hashlib.blake2b(vectors.matrix.data, digest_size=16).hexdigest()
print(json.dumps(found))
"""
OPEN = """
import json, sys, time
import charvec
charvec.open(sys.argv[1])
wall, cpu = time.perf_counter(), time.process_time()
charvec.open(sys.argv[2])
print(json.dumps({"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}))
"""


# --- writers; each gets a folder, the matrix and the pieces, and gives the model's path ---


def safetensors(dtype: str) -> Callable[[Path, Any, list[str]], Path]:
    def write(folder: Path, matrix: Any, pieces: list[str]) -> Path:
        import torch
        from safetensors.torch import save_file

        values = torch.from_numpy(matrix).to(getattr(torch, dtype))
        save_file({"embeddings.word_embeddings.weight": values}, str(folder / "model.safetensors"))
        return folder

    return write


def torch_zip(folder: Path, matrix: Any, pieces: list[str]) -> Path:
    import torch

    torch.save({"embeddings.word_embeddings.weight": torch.from_numpy(matrix)}, folder / "pytorch_model.bin")
    return folder


def torch_stream(folder: Path, matrix: Any, pieces: list[str]) -> Path:
    import torch

    state = {"embeddings.word_embeddings.weight": torch.from_numpy(matrix)}
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    return folder


def gguf(kind: str) -> Callable[[Path, Any, list[str]], Path]:
    def write(folder: Path, matrix: Any, pieces: list[str]) -> Path:
        import gguf

        path = folder / "model.gguf"
        (folder / "vocab.txt").unlink()  # the tokenizer is in the file
        writer = gguf.GGUFWriter(str(path), "bert")
        writer.add_tokenizer_model("bert")
        special = [piece.startswith("[") and piece.endswith("]") and len(piece) > 2 for piece in pieces]
        writer.add_token_list(
            [
                piece if control else piece[2:] if piece.startswith("##") else "\u2581" + piece
                for piece, control in zip(pieces, special, strict=True)
            ]
        )
        writer.add_token_types([3 if control else 1 for control in special])
        raw = gguf.GGMLQuantizationType[kind]
        values = matrix if kind == "F32" else gguf.quants.quantize(matrix, raw)
        writer.add_tensor("token_embd.weight", values, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def onnx(folder: Path, matrix: Any, pieces: list[str]) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node("Gather", ["weight", "input_ids"], ["out"])
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "length", matrix.shape[1]])
    graph = helper.make_graph([node], "g", [ids], [out], [numpy_helper.from_array(matrix, "weight")])
    onnx.save(helper.make_model(graph), folder / "model.onnx")
    return folder


def tf_h5(folder: Path, matrix: Any, pieces: list[str]) -> Path:
    import h5py

    with h5py.File(folder / "tf_model.h5", "w") as file:
        file.attrs["layer_names"] = ["bert"]
        group = file.create_group("bert")
        name = "tf_bert_model/bert/embeddings/word_embeddings/weight:0"
        group.attrs["weight_names"] = [name]
        group[name] = matrix
    return folder


def flax(folder: Path, matrix: Any, pieces: list[str]) -> Path:
    from flax.serialization import to_bytes

    tree = {"embeddings": {"word_embeddings": {"embedding": matrix}}}
    (folder / "flax_model.msgpack").write_bytes(to_bytes(tree))
    return folder


def npz(folder: Path, matrix: Any, pieces: list[str]) -> Path:

    np.savez(folder / "model.npz", **{"embeddings.word_embeddings.weight": matrix})
    return folder


def word2vec(binary: bool) -> Callable[[Path, Any, list[str]], Path]:
    def write(folder: Path, matrix: Any, pieces: list[str]) -> Path:
        from gensim.models import KeyedVectors

        (folder / "vocab.txt").unlink()
        vectors = KeyedVectors(matrix.shape[1])
        usable = [place for place, piece in enumerate(pieces) if piece.strip() == piece and " " not in piece]
        vectors.add_vectors([pieces[place] for place in usable], matrix[usable])
        path = folder / ("model.bin" if binary else "model.vec")
        vectors.save_word2vec_format(str(path), binary=binary)
        return path

    return write


def tensorflow(checkpoint: Path) -> Callable[[Path, Any, list[str]], Path]:
    def write(folder: Path, matrix: Any, pieces: list[str]) -> Path:
        (folder / "vocab.txt").unlink()
        return checkpoint

    return write


WRITERS: dict[str, Callable[[Path, Any, list[str]], Path]] = {
    "safetensors, float32": safetensors("float32"),
    "safetensors, float16": safetensors("float16"),
    "safetensors, bfloat16": safetensors("bfloat16"),
    "PyTorch, zip": torch_zip,
    "PyTorch, old stream": torch_stream,
    "GGUF, F32": gguf("F32"),
    "GGUF, Q8_0": gguf("Q8_0"),
    "GGUF, Q4_0": gguf("Q4_0"),
    "ONNX": onnx,
    "tf_model.h5": tf_h5,
    "Flax": flax,
    "npz": npz,
    "word2vec, binary": word2vec(True),
    "word2vec, text": word2vec(False),
}
#: Those that hold the matrix as it is.
EXACT = (
    "safetensors, float32",
    "PyTorch, zip",
    "PyTorch, old stream",
    "GGUF, F32",
    "ONNX",
    "tf_model.h5",
    "Flax",
    "npz",
)


def place(folder: Path, name: str) -> Path:
    """The folder of a model."""
    return folder / name.replace(", ", "-").replace(" ", "-")


def write(folder: Path, name: str, pieces: list[str], matrix: Any, make: Callable[..., Path]) -> Path:
    """A model in a folder of its own; made once."""
    home = place(folder, name)
    done = home / "path.txt"
    if not done.exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
        (home / "config.json").write_text('{"model_type": "bert"}')
        (home / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
        done.write_text(str(make(home, matrix, pieces)))
    return Path(done.read_text())


def gguf_of_qwen_size(folder: Path) -> Path:
    """A byte-level tokenizer of 151,936 tokens with as many merges, and a matrix of 64 columns in Q8_0."""
    import gguf

    path = folder / "large.gguf"
    if not path.exists():
        byte = [
            chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144))
        ]
        generator = np.random.default_rng(5)
        tokens, merges = list(byte), []
        known = set(tokens)
        while len(tokens) < TOKENS:
            one, two = (tokens[place] for place in generator.integers(0, len(tokens), 2))
            if len(one) + len(two) < 16 and one + two not in known:
                known.add(one + two)
                tokens.append(one + two)
                merges.append(f"{one} {two}")
        writer = gguf.GGUFWriter(str(path), "qwen2")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_list(tokens)
        writer.add_token_types([1] * len(tokens))
        writer.add_token_merges(merges)
        values = generator.standard_normal((TOKENS, 64)).astype(np.float32)
        raw = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor("token_embd.weight", gguf.quants.quantize(values, raw), raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return path


def make_all(folder: Path, vocab: Path, writers: dict[str, Callable[..., Path]]) -> None:
    """Write every model that is not there yet, and the characters that are looked up in it."""

    pieces = vocab.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    matrix = np.random.default_rng(4).standard_normal((ROWS, DIM)).astype(np.float32)
    # the characters of the vocabulary, spread over the whole matrix
    singles = [piece for piece in pieces if len(piece) == 1 and piece.isprintable() and not piece.isspace()]
    chars = "".join(np.random.default_rng(6).permutation(singles))
    few = [*pieces[:103], *chars[:8], *(piece for piece in pieces[103:] if piece not in chars[:8])]
    for name, make in writers.items():
        try:
            write(folder / "large", name, pieces, matrix, make)
            write(folder / "small", name, few, np.resize(matrix[:, :32], (len(few), 32)).copy(), make)
        except ImportError as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
    (folder / "chars.txt").write_text(chars, encoding="utf-8")
    try:
        gguf_of_qwen_size(folder)
    except ImportError as error:
        print(f"{LARGE_GGUF}: skipped, {error}", file=sys.stderr)


def main() -> None:
    """Write, time, compare."""
    parser = argparse.ArgumentParser(description="5,000 characters from every kind of checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocab", type=Path, required=True, help="vocab.txt of Google's Chinese BERT")
    parser.add_argument("--tf", type=Path, help="a TensorFlow checkpoint of the same vocabulary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--make", action="store_true", help="only write the models")
    args = parser.parse_args()
    writers = dict(WRITERS)
    if args.tf:
        writers["TensorFlow, V2 bundle"] = tensorflow(args.tf.absolute())
    if args.make:
        make_all(args.folder, args.vocab, writers)
        return
    # in a process of its own: the peak memory of those that are timed counts from what this one has
    subprocess.run([sys.executable, *sys.argv, "--make"], check=True)
    commands = [Command("bare import of charvec", [sys.executable, "-c", "import charvec.extraction"], cwd=str(ROOT))]
    chars = str(args.folder / "chars.txt")
    for name in writers:
        paths = [place(args.folder / size, name) / "path.txt" for size in ("small", "large")]
        if all(path.exists() for path in paths):
            argv = [sys.executable, "-c", LOOK_UP, chars, str(WANTED), *(path.read_text() for path in paths)]
            commands.append(Command(name, argv, cwd=str(ROOT), inside=True))
    if (args.folder / "large.gguf").exists():
        small = (place(args.folder / "small", "GGUF, F32") / "path.txt").read_text()
        argv = [sys.executable, "-c", OPEN, small, str(args.folder / "large.gguf")]
        commands.append(Command(LARGE_GGUF, argv, cwd=str(ROOT), inside=True))
    report = measure(commands, args.rounds, baseline=commands[0].name)
    rows = [
        [name, f"{report.median(name):.0f}", f"{min(run.wall_ms for run in runs):.0f}", f"{report.rss(name):.0f}"]
        for name, runs in report.runs.items()
    ]
    print(table(["format", "median ms", "min", "peak RSS MiB"], rows))
    result = WANTED * DIM * 4 / 2**20
    most = 1.6 * result + 40
    print(f"the result has {result:.0f} MiB; the goals: 50 ms and {most:.0f} MiB, 100 ms to open 152,000 tokens")
    print(report.where())
    if args.json:
        args.json.write_text(report.json(), encoding="utf-8")
    found = {name: {run.found["digest"] for run in report.runs[name]} for name in EXACT if name in report.runs}
    if len(set().union(*found.values())) != 1:
        sys.exit(f"the results differ: {found}")


if __name__ == "__main__":
    main()
