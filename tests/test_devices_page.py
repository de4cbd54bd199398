"""The programs of docs/devices.md, which read vector files without charvec, give what charvec gives."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vector_samples import build

import charvec
from charvec.vectors import CharVectors

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = re.compile(r"<!-- file: ([\w.]+) -->\n```\w+\n(.*?)```", re.DOTALL)
PROGRAMS = dict(PROGRAM.findall((ROOT / "docs" / "devices.md").read_text("utf-8")))
CHARS = "!水火ᄀｶ\U00020bb7"


def vectors_of(dtype: str) -> CharVectors:
    """Rows with large, small and negative values, zeros among them; 300 so that codebooks do not hold each row."""
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(300, 8)).astype(np.float32) * 10.0 ** generator.integers(-6, 3, (300, 1))
    rows[1] = 0
    rows[2, 0] = 3e-8  # a subnormal of float16
    chars = sorted({*CHARS, *map(chr, range(0x5000, 0x5000 + 300 - len(CHARS)))})
    return build("".join(chars), rows.astype(np.float32)).astype(dtype)


def written(folder: Path, dtype: str) -> tuple[CharVectors, str]:
    """A file, and the characters to ask for: all there are, and some that are not."""
    vectors = vectors_of(dtype)
    vectors.save(folder / "a.safetensors")
    return charvec.load(folder / "a.safetensors"), "".join(vectors.chars) + "\0龘\U0010ffff"


def assert_same(given: list[list[float] | None], vectors: CharVectors, chars: str) -> None:
    """Bit for bit as float32, and nothing for what is not there."""
    assert len(given) == len(chars)
    for char, row in zip(chars, given, strict=True):
        if char not in vectors:
            assert row is None
        else:
            assert np.array_equal(np.array(row, np.float64).astype(np.float32), vectors[char]), char


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "pq"])
def test_python_alone(tmp_path: Path, dtype: str) -> None:
    """Not even NumPy is imported."""
    vectors, chars = written(tmp_path, dtype)
    reader = PROGRAMS["charvec_reader.py"].split("\nprint(")[0]
    ask = "import sys\nvector = load('a.safetensors')\nprint(json.dumps([vector(char) for char in sys.argv[1]]))"
    ask += "\nassert 'numpy' not in sys.modules"
    asked = chars.replace("\0", "\ufffe")
    command = [sys.executable, "-I", "-c", f"{reader}\n{ask}", asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert_same(json.loads(done.stdout), vectors, asked)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "pq"])
def test_javascript(tmp_path: Path, dtype: str) -> None:
    """By characters, also beyond U+FFFF, which JavaScript keeps in two halves."""
    vectors, chars = written(tmp_path, dtype)
    (tmp_path / "chars.json").write_text(json.dumps(list(chars)))
    ask = """
const { readFileSync } = require("fs");
const vector = load(new Uint8Array(readFileSync("a.safetensors")).buffer);
const asked = JSON.parse(readFileSync("chars.json"));
console.log(JSON.stringify(asked.map((char) => { const row = vector(char); return row ? Array.from(row) : null; })));
"""
    (tmp_path / "ask.js").write_text(PROGRAMS["charvec.js"] + ask, "utf-8")
    done = subprocess.run(["node", "ask.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert_same(json.loads(done.stdout), vectors, chars)


@pytest.mark.skipif(shutil.which("cc") is None or sys.byteorder != "little", reason="needs a C compiler")
def test_c(tmp_path: Path) -> None:
    """Compiled without a warning; each row as charvec has it."""
    vectors, chars = vectors_of("int8"), "".join(vectors_of("int8").chars) + "\0龘\U0010ffff"
    assert vectors.scales is not None
    data = struct.pack("<II", len(vectors), vectors.dim)
    for array in (vectors.codepoints.astype("<u4"), vectors.scales.astype("<f4"), vectors.stored):
        data += array.tobytes()
    (tmp_path / "zh.bin").write_bytes(data)
    (tmp_path / "asked").write_bytes(np.array([ord(char) for char in chars], "<u4").tobytes())
    ask = """
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    static union { uint32_t words[1 << 16]; char bytes[1 << 18]; } data;
    FILE *file = fopen("zh.bin", "rb"), *asked = fopen("asked", "rb");
    if (!file || !asked || !fread(data.bytes, 1, sizeof data, file))
        return 1;
    uint32_t character;
    while (fread(&character, 4, 1, asked) == 1) {
        float out[8] = {0};
        unsigned char found = (unsigned char)charvec_row(&data, character, out);
        fwrite(&found, 1, 1, stdout);
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
"""
    (tmp_path / "ask.c").write_text(PROGRAMS["charvec.c"] + ask)
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", "ask.c", "-o", "ask"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([str(tmp_path / "ask")], cwd=tmp_path, capture_output=True, check=True)
    answers = np.frombuffer(done.stdout, np.dtype([("found", "u1"), ("row", "<f4", 8)]))
    assert_same([list(each["row"]) if each["found"] else None for each in answers], vectors, chars)
