"""Compare ways to get a few rows out of a large matrix: 6,000 rows of 151,936 x 4,096 bfloat16, 1.24 GB, as float32.

    python bench/rows.py FOLDER --torch-python ... --rounds 7

FOLDER gets the checkpoint on the first run. charvec runs in the interpreter that runs this file; torch and safetensors
in the one given. "beyond imports" is the time inside the process from the first line after the imports; the peak is
that of the whole process, and "bare" shows how much of it the imports alone take. All results are compared bit for bit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from harness import Command, measure, table

ROWS, COLUMNS, WANTED = 151_936, 4_096, 6_000

IDS = f"""
import numpy as np, hashlib, sys, time
ids = np.sort(np.random.default_rng(7).choice({ROWS}, {WANTED}, replace=False)).astype(np.int64)
path = sys.argv[1]
"""
END = """
print(time.perf_counter() - begun, hashlib.blake2b(np.ascontiguousarray(rows).data, digest_size=16).hexdigest())
"""
CHARVEC = (
    IDS
    + """
from charvec import checkpoints
from charvec.rows import read_and_hash
begun = time.perf_counter()
rows, digest = read_and_hash(checkpoints.read(path).tensors["model.embed_tokens.weight"], ids)
"""
    + END
)
HASHED = CHARVEC.replace("ids)\n", "ids)\ndigest.hexdigest()\n")
SCRIPT = (
    IDS
    + """
import torch
from safetensors.torch import load_file
begun = time.perf_counter()
rows = load_file(path)["model.embed_tokens.weight"].float()[torch.from_numpy(ids)].numpy()
"""
    + END
)
SLICES = (
    IDS
    + """
import torch
from safetensors import safe_open
begun = time.perf_counter()
with safe_open(path, "pt") as file:
    rows = file.get_tensor("model.embed_tokens.weight")[torch.from_numpy(ids)].float().numpy()
"""
    + END
)


def make(path: Path) -> None:
    """Write the checkpoint: noise of the size of a large model's embedding."""
    generator = np.random.default_rng(3)
    size = ROWS * COLUMNS * 2
    entry = {"dtype": "BF16", "shape": [ROWS, COLUMNS], "data_offsets": [0, size]}
    header = json.dumps({"model.embed_tokens.weight": entry}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _ in range(0, ROWS, 1024):
            values = generator.standard_normal((min(1024, ROWS - _), COLUMNS), np.float32)
            file.write((values.view(np.uint32) >> 16).astype("<u2").tobytes())


def main() -> None:
    """Make the checkpoint if need be, time, compare."""
    parser = argparse.ArgumentParser(description="rows of a large matrix")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / "large.safetensors"
    if not path.exists():
        make(path)
    root = str(Path(__file__).resolve().parents[1])
    ways = {
        "charvec": [sys.executable, "-c", CHARVEC, str(path)],
        "charvec, with the digest of the rows": [sys.executable, "-c", HASHED, str(path)],
        "load_file().float()[ids]": [args.torch_python, "-c", SCRIPT, str(path)],
        "get_tensor()[ids].float()": [args.torch_python, "-c", SLICES, str(path)],
    }
    inside: dict[str, list[float]] = {name: [] for name in ways}
    digests = set()
    for number in range(args.rounds):
        order = [*ways.items()]
        # each round begins with another: what a process of gigabytes leaves behind slows the next one
        for name, argv in (*order[number % len(order) :], *order[: number % len(order)]):
            done = subprocess.run(argv, capture_output=True, text=True, cwd=root, check=True)
            seconds, digest = done.stdout.split()
            inside[name].append(float(seconds))
            digests.add(digest)
    commands = [Command("bare import numpy", [sys.executable, "-c", "import numpy"])]
    commands += [Command(name, argv, cwd=root) for name, argv in ways.items()]
    report = measure(commands, 3, baseline="charvec")
    ours = np.median(inside["charvec"])
    rows = []
    for name in ("bare import numpy", *ways):
        seconds = float(np.median(inside[name])) if name in inside else 0.0
        rows.append([name, f"{seconds * 1000:.0f}", f"{seconds / ours:.1f}", f"{report.rss(name):.0f}"])
    print(table(["way", "median ms beyond imports", "x charvec", "peak RSS MiB"], rows))
    result = WANTED * COLUMNS * 4 / 2**20
    print(
        f"the result has {result:.0f} MiB; the goal is at most {1.6 * result + 40:.0f} MiB in all, and 12 times as fast"
    )
    print(report.where())
    if len(digests) != 1:
        sys.exit("the results differ")


if __name__ == "__main__":
    main()
