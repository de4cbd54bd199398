"""Models that are damaged, hostile, or downloads gone wrong: one row each, by the library and by the command.

A small BERT of 64 rows x 8 is spoiled in one way. Refused means: the documented exit code and error id, one message
with a remedy, no traceback, the output as it was before, the inputs as they were before.
"""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charvec
from charvec.cli import main
from charvec.errors import CharvecError

ROOT = Path(__file__).resolve().parents[1]
NAME = "bert.embeddings.word_embeddings.weight"
MATRIX = np.arange(512, dtype=np.float32).reshape(64, 8)
OTHER = "bert.encoder.layer.0.output.dense.weight"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(0x4E00 + place) for place in range(60))]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 411577189\n"
HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
JSON_ERROR = b'{"error":"Repository not found"}'
OLD = b"vectors of an earlier run"


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    """One tensor of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def pack(header: Any, data: bytes = b"", *, padding: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file."""
    raw = (header if isinstance(header, bytes) else json.dumps(header).encode()) + padding
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


DATA = MATRIX.tobytes() + bytes(256)
HEADER = {NAME: entry("F32", [64, 8], 0, 2048), OTHER: entry("F32", [8, 8], 2048, 2304)}
GOOD = pack(HEADER, DATA)


def only(dtype: Any, shape: Any, begin: Any, end: Any, data: bytes = MATRIX.tobytes()) -> bytes:
    """A safetensors file with one tensor, the embedding."""
    return pack({NAME: entry(dtype, shape, begin, end)}, data)


def lines(pieces: list[str], end: str = "\n") -> bytes:
    """A vocabulary."""
    return "".join(piece + end for piece in pieces).encode()


def index(weight_map: dict[str, str]) -> bytes:
    """An index of shards."""
    return json.dumps({"metadata": {}, "weight_map": weight_map}).encode()


def swap(place: int, piece: str) -> list[str]:
    """The vocabulary with another piece somewhere."""
    return [*PIECES[:place], piece, *PIECES[place + 1 :]]


ST, BIN, SHARDS = "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"
TWICE = json.dumps(entry("F32", [64, 8], 0, 2048)).encode()

#: id: files of the model (the good vocabulary is added), what is expected: error id and exit code, or a note (or None).
ROWS: dict[str, tuple[dict[str, bytes], str | None, int]] = {
    "good-safetensors": ({ST: GOOD}, None, 0),
    "good-st-padded": ({ST: pack(HEADER, DATA, padding=b" " * 77)}, None, 0),
    "good-other-name": ({"weights.safetensors": GOOD}, None, 0),
    "pt-isst": ({BIN: GOOD}, None, 0),
    "dl-lfs-safetensors": ({ST: POINTER}, "E-LFS-POINTER", 65),
    "dl-lfs-bin": ({BIN: POINTER}, "E-LFS-POINTER", 65),
    "dl-html-bin": ({BIN: HTML}, "E-NOT-WEIGHTS", 65),
    "dl-html-safetensors": ({ST: HTML}, "E-NOT-WEIGHTS", 65),
    "dl-json-safetensors": ({ST: JSON_ERROR}, "E-NOT-WEIGHTS", 65),
    "dl-json-data": ({ST: b'{"data":{"id":1,"message":"gone"}}'}, "E-NOT-WEIGHTS", 65),
    "dl-json-list": ({ST: b'[{"message":"gone"}]'}, "E-NOT-WEIGHTS", 65),
    "dl-xml-safetensors": ({ST: XML}, "E-NOT-WEIGHTS", 65),
    "dl-xml-bin": ({BIN: XML}, "E-NOT-WEIGHTS", 65),
    "dl-zeros-safetensors": ({ST: bytes(4096)}, "E-NOT-WEIGHTS", 65),
    "dl-empty-bin": ({BIN: b""}, "E-EMPTY", 65),
    "dl-empty-safetensors": ({ST: b""}, "E-EMPTY", 65),
    "dl-gz-safetensors": ({ST: gzip.compress(GOOD)}, "E-COMPRESSED", 65),
    "dl-gz-bin": ({BIN: gzip.compress(GOOD)}, "E-COMPRESSED", 65),
    "dl-half": ({ST: GOOD[:-700]}, "E-TRUNCATED", 65),
    "dl-tail": ({ST: GOOD + b"tail"}, "E-TRAILING", 65),
    "dl-noise": ({ST: bytes(range(255, 200, -1))}, "E-FORMAT", 65),
    "shard-good": ({SHARDS: index({NAME: "a", OTHER: "a"}), "a": GOOD}, None, 0),
    "shard-other-missing": ({SHARDS: index({NAME: "a", "x": "b"}), "a": GOOD}, None, 0),
    "shard-missing": ({SHARDS: index({NAME: "b", "x": "a"}), "a": GOOD}, "E-SHARD-MISSING", 66),
    "shard-lfs": ({SHARDS: index({NAME: "a", "x": "b"}), "a": POINTER, "b": GOOD}, "E-LFS-POINTER", 65),
    "shard-abs": ({SHARDS: index({NAME: "/etc/passwd"})}, "E-PATH-ESCAPE", 65),
    "shard-up": ({SHARDS: index({NAME: "../a"}), "a": GOOD}, "E-PATH-ESCAPE", 65),
    "shard-backslash": ({SHARDS: index({NAME: "..\\a"}), "a": GOOD}, "E-PATH-ESCAPE", 65),
    "shard-drive": ({SHARDS: index({NAME: "C:\\a"}), "a": GOOD}, "E-PATH-ESCAPE", 65),
    "shard-lies": ({SHARDS: index({NAME: "a"}), "a": pack({})}, "E-NO-TENSOR", 65),
    "shard-list": ({SHARDS: b'{"weight_map": ["a"]}'}, "E-SHARD-INDEX", 65),
    "shard-cut": ({SHARDS: index({NAME: "a"})[:-9]}, "E-TRUNCATED", 65),
    "shard-dup": ({SHARDS: b'{"weight_map": {"a": "b", "a": "b"}}'}, "E-JSON-DUPKEY", 65),
    "st-len-2e63": ({ST: pack(HEADER, DATA, length=2**63)}, "E-ST-HEADER", 65),
    "st-len-100m": ({ST: pack(HEADER, DATA, length=100_000_001)}, "E-ST-HEADER", 65),
    "st-len-past": ({ST: pack(HEADER, DATA, length=99_999)}, "E-ST-HEADER", 65),
    "st-not-utf8": ({ST: pack(b'{"\xff": 1}')}, "E-ST-HEADER", 65),
    "st-array": ({ST: pack(b"[1, 2]")}, "E-ST-HEADER", 65),
    "st-bigint": ({ST: only("F32", [64, 8], 0, 2048).replace(b"[64, 8]", b"9" * 5000)}, "E-ST-HEADER", 65),
    "st-half-character": (
        {ST: pack(b'{"\\ud800embed_tokens.weight":%b}' % TWICE, MATRIX.tobytes())},
        "E-ST-HEADER",
        65,
    ),
    "st-overflow": ({ST: only("F32", [2**33, 2**31 + 1], 0, 2048)}, "E-ST-SHAPE", 65),
    "st-float": ({ST: only("F32", [64.0, 8], 0, 2048)}, "E-ST-SHAPE", 65),
    "st-bool": ({ST: only("F32", [True, 512], 0, 2048)}, "E-ST-SHAPE", 65),
    "st-rev": ({ST: only("F32", [64, 8], 2048, 0)}, "E-ST-RANGE", 65),
    "st-past-end": ({ST: only("F32", [64, 8], 0, 99_999)}, "E-ST-RANGE", 65),
    "st-past-end-moved": ({ST: only("F32", [64, 8], 90_000, 92_048)}, "E-ST-RANGE", 65),
    "st-hole": ({ST: only("F32", [64, 8], 8, 2056, bytes(8) + MATRIX.tobytes())}, "E-ST-HOLE", 65),
    "st-dup": ({ST: pack(b'{"a":%b,"a":%b}' % (TWICE, TWICE), MATRIX.tobytes())}, "E-ST-DUPKEY", 65),
    "st-dtype": ({ST: only("F31", [64, 8], 0, 2048)}, "E-ST-DTYPE", 65),
    "st-int-weights": ({ST: only("I8", [256, 8], 0, 2048)}, "E-QUANTISED", 65),
    "st-1d": ({ST: only("F32", [512], 0, 2048)}, "E-NOT-2D", 65),
    "st-none": ({ST: pack({OTHER: entry("F32", [64, 8], 0, 2048)}, MATRIX.tobytes())}, "E-NO-TENSOR", 65),
    "st-two": (
        {
            ST: pack(
                {
                    "a.tok_embeddings": entry("F32", [32, 8], 0, 1024),
                    "b.tok_embeddings": entry("F32", [32, 8], 1024, 2048),
                },
                MATRIX.tobytes(),
            )
        },
        "E-AMBIGUOUS",
        65,
    ),
    "st-name-esc": (
        {ST: pack({**HEADER, "\x1b[31m\u202ex": entry("F32", [1], 2304, 2308)}, DATA + bytes(4))},
        None,
        0,
    ),
    "folder-empty": ({}, "E-NO-CHECKPOINT", 66),
    "folder-two": ({"a.safetensors": GOOD, "b.safetensors": GOOD}, "E-AMBIGUOUS-FILE", 65),
    "vo-missing": ({ST: GOOD, "vocab.txt": None}, "E-VOCAB-MISSING", 66),  # type: ignore[dict-item]
    "vo-lfs": ({ST: GOOD, "vocab.txt": POINTER}, "E-LFS-POINTER", 65),
    "vo-html": ({ST: GOOD, "vocab.txt": HTML}, "E-NOT-WEIGHTS", 65),
    "vo-empty": ({ST: GOOD, "vocab.txt": b""}, "E-EMPTY", 65),
    "vo-u2028": ({ST: GOOD, "vocab.txt": lines(swap(7, "\u2028"))}, None, 0),
    "vo-u3000": ({ST: GOOD, "vocab.txt": lines(swap(7, "\u3000"))}, None, 0),
    "vo-crlf": ({ST: GOOD, "vocab.txt": lines(PIECES, "\r\n")}, None, 0),
    "vo-bom": ({ST: GOOD, "vocab.txt": b"\xef\xbb\xbf" + lines(PIECES)}, None, 0),
    "vo-blank": ({ST: GOOD, "vocab.txt": lines(swap(50, ""))}, "W-VOCAB-BLANK", 0),
    "vo-fewer": ({ST: GOOD, "vocab.txt": lines(PIECES[:60])}, "W-VOCAB-PADDED", 0),
    "vo-dup": ({ST: GOOD, "vocab.txt": lines(swap(60, PIECES[10]))}, "W-VOCAB-DUP", 0),
    "vo-newline-token": ({ST: GOOD, "vocab.txt": lines(swap(7, "\n"))}, "E-VOCAB-ROWS", 65),
    "vo-more": ({ST: GOOD, "vocab.txt": lines([*PIECES, "x", "y"])}, "E-VOCAB-ROWS", 65),
    "vo-swapped": ({ST: GOOD, "vocab.txt": json.dumps({p: i for i, p in enumerate(PIECES)}).encode()}, None, 0),
    "vo-json-list": ({ST: GOOD, "vocab.txt": json.dumps(PIECES).encode()}, "E-VOCAB-ROWS", 65),
    "vo-utf16": ({ST: GOOD, "vocab.txt": "\n".join(PIECES).encode("utf-16")}, "E-VOCAB-ENCODING", 65),
    "vo-gbk": ({ST: GOOD, "vocab.txt": "\n".join(PIECES).encode("gbk")}, "E-VOCAB-ENCODING", 65),
    "tj-good": ({ST: GOOD, "tokenizer.json": b'{"normalizer":{"type":"BertNormalizer","lowercase":false}}'}, None, 0),
    "tj-bom": (
        {ST: GOOD, "tokenizer.json": b'\xef\xbb\xbf{"normalizer":{"type":"BertNormalizer","lowercase":false}}'},
        None,
        0,
    ),
    "tj-other": ({ST: GOOD, "tokenizer.json": b'{"normalizer":{"type":"NFKC"}}'}, "W-NORMALIZER", 0),
    "tj-nan": ({ST: GOOD, "tokenizer.json": b'{"a": NaN}'}, "E-TOKENIZER", 65),
    "tj-bigint": ({ST: GOOD, "tokenizer.json": b'{"a": ' + b"9" * 5000 + b"}"}, "E-TOKENIZER", 65),
    "tj-list": ({ST: GOOD, "tokenizer.json": b"[1]"}, "E-TOKENIZER", 65),
    "tj-str": (
        {ST: GOOD, "tokenizer.json": b'{"normalizer":{"type":"BertNormalizer","lowercase":"1"}}'},
        "E-TOKENIZER",
        65,
    ),
    "tj-dup": ({ST: GOOD, "tokenizer.json": b'{"a": 1, "a": 1}'}, "E-JSON-DUPKEY", 65),
    "tj-trunc": ({ST: GOOD, "tokenizer.json": b'{"normalizer": {"ty'}, "E-TRUNCATED", 65),
    "tc-30-digits": ({ST: GOOD, "tokenizer_config.json": b'{"model_max_length": 1' + b"0" * 30 + b"}"}, None, 0),
    "tc-str": ({ST: GOOD, "tokenizer_config.json": b'{"do_lower_case": "true"}'}, "E-TOKENIZER", 65),
}

Build = Callable[[str], Path]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes the folder of a row, and a sample beside it."""

    def make(row: str) -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        for name, data in {"vocab.txt": lines(PIECES), **ROWS[row][0]}.items():
            if data is not None:
                (folder / name).write_bytes(data)
        (tmp_path / "sample.txt").write_text("".join(PIECES[4:]) + "\u2028\u3000x", "utf-8")
        return folder

    return make


def charvec_command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "charvec", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command without a process of its own, which would take ten times as long."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        exit_code = main(arguments)
        return subprocess.CompletedProcess(arguments, exit_code, *capsys.readouterr())

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_refusal(done: subprocess.CompletedProcess[str], code: str, exit_code: int) -> None:
    """One message of our form, with a remedy, and nothing like a traceback."""
    assert (done.returncode, code in done.stderr) == (exit_code, True), done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr.splitlines()
    assert [line for line in message if line.startswith("charvec: error[")] == [message[0]]
    assert message[0].startswith(f"charvec: error[{code}]: ")
    assert message[-1].startswith("  help: ")
    assert all(line.startswith(("  found: ", "  help: ")) for line in message[1:])
    assert len(done.stderr) < 2000


@pytest.mark.parametrize("row", ROWS)
def test_by_the_library(build: Build, tmp_path: Path, row: str) -> None:
    """The error of ``charvec.dump``, or the vectors and the notes of the model."""
    folder = build(row)
    _, code, exit_code = ROWS[row]
    before, out = contents(tmp_path), tmp_path / "out.h5"
    if exit_code:
        with pytest.raises(CharvecError) as caught:
            charvec.dump(tmp_path / "sample.txt", model=folder, out=out)
        assert (caught.value.code, caught.value.exit_code) == (code, exit_code)
        assert caught.value.help
        assert caught.value.path
        assert str(tmp_path) in caught.value.path
        assert not out.exists()
    else:
        vectors = charvec.dump(tmp_path / "sample.txt", model=folder, out=out)
        notes = {note.code for note in charvec.open(folder).notes if note.code.startswith("W-")}
        assert notes == ({code} if code else set())
        for char in PIECES[12:49]:
            assert vectors[char].tolist() == MATRIX[PIECES.index(char)].tolist()
        out.unlink()
    assert contents(tmp_path) == before


@pytest.mark.parametrize("row", ROWS)
def test_by_the_command(build: Build, command: Command, tmp_path: Path, row: str) -> None:
    """``charvec dump`` over an older output, which stays as it is when the model is refused."""
    folder = build(row)
    _, code, exit_code = ROWS[row]
    out = tmp_path / "out.h5"
    out.write_bytes(OLD)
    before = contents(tmp_path)
    done = command("dump", "sample.txt", "-m", str(folder), "-o", "out.h5", "-f")
    if exit_code:
        check_refusal(done, code or "", exit_code)
        assert done.stdout == ""
        assert contents(tmp_path) == before
    else:
        assert done.returncode == 0, done.stderr
        assert done.stderr == "" if code is None else done.stderr.startswith(f"charvec: warning[{code}]: ")
        assert out.read_bytes() != OLD
        assert {name: data for name, data in contents(tmp_path).items() if name != str(out)} == {
            name: data for name, data in before.items() if name != str(out)
        }


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith(("vo-", "tj-", "tc-"))])
def test_by_looking_into_it(build: Build, command: Command, row: str) -> None:
    """``charvec tensors`` refuses what ``dump`` refuses; what there is to list is listed before, and inert."""
    folder = build(row)
    _, code, exit_code = ROWS[row]
    done = command("tensors", str(folder))
    if exit_code:
        check_refusal(done, code or "", exit_code)
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert f"*  {NAME}" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)
    if row == "st-name-esc":
        assert "\\x1b[31m\\u202ex" in done.stdout
    if code in ("E-AMBIGUOUS", "E-NO-TENSOR", "E-NOT-2D", "E-QUANTISED") and not row.startswith("shard"):
        assert done.stdout


@pytest.mark.parametrize(
    "row", ["good-safetensors", "vo-dup", "dl-lfs-bin", "folder-empty", "st-name-esc", "st-bigint"]
)
def test_in_a_process_of_its_own(build: Build, command: Command, tmp_path: Path, row: str) -> None:
    """What a user sees of the process is what the tests above see without one."""
    folder = build(row)
    for words in (("dump", "sample.txt", "-m", str(folder), "-o", "out.h5", "-f"), ("tensors", str(folder))):
        done, here = charvec_command(*words, folder=tmp_path), command(*words)
        assert (done.returncode, done.stdout, done.stderr) == (here.returncode, here.stdout, here.stderr)


def test_messages_as_json(build: Build, tmp_path: Path) -> None:
    """With --json the error is one JSON document on stderr, with nothing on stdout."""
    folder = build("st-two")
    done = charvec_command("dump", "sample.txt", "-m", str(folder), "--json", folder=tmp_path)
    problem = json.loads(done.stderr)
    assert (done.returncode, done.stdout, problem["id"]) == (65, "", "E-AMBIGUOUS")
    assert "a.tok_embeddings [32, 8] float32; b.tok_embeddings [32, 8] float32" in problem["found"]
    assert "--tensor" in problem["help"]
    done = charvec_command(
        *("dump", "sample.txt", "-m", str(folder), "--tensor", "b.tok_embeddings", "--json"), folder=tmp_path
    )
    assert (done.returncode, json.loads(done.stderr)["id"]) == (65, "E-VOCAB-ROWS")


def test_tensors_as_json(build: Build, tmp_path: Path) -> None:
    """The list as JSON names the embedding and the file of each shard's tensors."""
    folder = build("shard-other-missing")
    done = charvec_command("tensors", str(folder), "--json", folder=tmp_path)
    listed = json.loads(done.stdout)
    assert listed["embedding"] == NAME
    assert [each["name"] for each in listed["tensors"]] == [NAME, "x"]
    assert listed["tensors"][0]["shape"] == [64, 8]
    assert listed["tensors"][1]["file"].endswith("b")


def test_coverage_of_bad_and_good_models(build: Build, tmp_path: Path) -> None:
    """``coverage`` refuses as ``dump`` does; of a good model its numbers add up."""
    folder = build("good-safetensors")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / ST).write_bytes(POINTER)
    done = charvec_command("coverage", "sample.txt", "-m", str(folder), "-m", "bad", folder=tmp_path)
    check_refusal(done, "E-LFS-POINTER", 65)
    done = charvec_command("coverage", "sample.txt", "-m", str(folder), "--json", "--fail-under", "99", folder=tmp_path)
    (result,) = json.loads(done.stdout)["models"]
    assert (done.returncode, result["distinct"], result["written_distinct"]) == (1, 63, 60)
    assert sum(share["occurrences"] for share in result["by_status"].values()) == result["occurrences"]


def test_folders_devices_and_pipes_are_no_checkpoints(tmp_path: Path) -> None:
    """Named as a model, they are refused without waiting for a writer that never comes."""
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, code, exit_code in (
        ("pipe", "E-NOT-A-FILE", 65),
        ("/dev/zero", "E-NOT-A-FILE", 65),
        ("./none", "E-NOT-FOUND", 66),
    ):
        check_refusal(charvec_command("tensors", name, folder=tmp_path), code, exit_code)
