"""Compare vector files: from a file to the first vector, sizes, how long writing takes, and what narrow types lose.

    python bench/vector_file.py FOLDER --model model.safetensors --rival-python ... --rounds 7 [--json FILE]

8,000 characters x 768. With --model, the checkpoint of a MiniLM (30,522 x 384 float32), their values are real: two of
its rows side by side make one; without it they are noise. charvec runs in the interpreter that runs this file; gensim
and BERTVector, whose own code writes the pickle and the text it is compared with, in the one given. FOLDER gets the
files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent))

from harness import Command, Report, measure, table, versions  # noqa: E402  (the path comes first)

ROWS, DIM, FIRST = 8_000, 768, 0x4E00
DTYPES = ("float32", "float16", "int8")
BARE, GENSIM, BARE_GENSIM, PICKLE = "bare imports", "gensim, text", "bare import gensim", "BERT-Vector, pickle"
WRITES_PICKLE, WRITES_TEXT = "BERT-Vector, pickle", "BERT-Vector, text"

#: Every loader ends with the vector of one character from the middle.
CHAR = chr(FIRST + ROWS // 2)
LOADS = f"import sys, charvec; charvec.load(sys.argv[1])[{CHAR!r}]"
LOADS_GENSIM = f"""
import sys
from gensim.models import KeyedVectors
KeyedVectors.load_word2vec_format(sys.argv[1])[{CHAR!r}]
"""
LOADS_PICKLE = f"""
import pickle, sys
with open(sys.argv[1], "rb") as file:
    pickle.load(file)[{CHAR!r}]
"""

#: Writers time themselves, imports and loading apart, and remove what they wrote: a file that was there is not reused.
TIMED = """
import json, os, time
def timed(function, path):
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    found = {"wall_ms": (time.perf_counter() - wall) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}
    os.unlink(path)
    print(json.dumps(found))
"""
WRITES_CHARVEC = (
    TIMED
    + """
import sys, charvec
from charvec.formats import hdf5
from charvec.plumbing.arrays.layout import to_columns
from charvec.plumbing.hdf5.hdf5_image import hdf5_image
source, path, how = sys.argv[1:]
vectors = charvec.load(source)
def bare():
    with open(path, "wb") as file:
        file.write(bytes(512))
        for part in hdf5_image(to_columns(vectors), 512):
            file.write(part)
def digest():
    with open(path, "wb") as file:
        hdf5.write(vectors, file)
timed({"bare": bare, "digest": digest, "save": lambda: vectors.save(path)}[how], path)
"""
)
#: Its export looks each character up in a list; here the rows are given instead, so only its writing is timed.
WRITES_RIVAL = (
    TIMED
    + f"""
import contextlib, io, sys, types
import numpy as np
for name in ("tensorflow", "tensorflow.python", "tensorflow.python.pywrap_tensorflow"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["tensorflow.python"].pywrap_tensorflow = sys.modules["tensorflow.python.pywrap_tensorflow"]
from BERTVector.BERTVector import bert_embdding
source, path, how, keep = sys.argv[1:]
rows = np.load(source)
rival = bert_embdding.__new__(bert_embdding)
rival.fmt = how
rival.get_embdding = lambda char: rows[ord(char) - {FIRST}]
chars = [chr({FIRST} + number) for number in range(len(rows))]
def export():
    with contextlib.redirect_stdout(io.StringIO()):
        rival.export(chars, out_file=path)
export() if keep == "keep" else timed(export, path)
"""
)
HOW = {"bare": "the bytes alone", "digest": "with the digest", "save": "save()"}


def real_rows(model: Path | None) -> tuple[object, object | None]:
    """float32 [8,000, 768] to write, and the rows of the model they were made of."""
    import numpy as np

    if model is None:
        return np.random.default_rng(0).standard_normal((ROWS, DIM), np.float32) * np.float32(0.05), None
    from charvec import checkpoints
    from charvec.rows import read_rows

    found, _ = read_rows(checkpoints.read(str(model)).tensors["embeddings.word_embeddings.weight"], np.arange(30_522))
    # from 1,000 on: before lie the pieces that BERT never trained
    return np.ascontiguousarray(found[1000 : 1000 + 2 * ROWS].reshape(ROWS, DIM)), found[1000:]


def make(folder: Path, model: Path | None, rival: str | None) -> list[tuple[str, str, str]]:
    """Write all files; what narrow types lose: type, on how many rows, minimum cosine."""
    import numpy as np

    from charvec.vectors import CharVectors
    from charvec.vocabulary import Spelling

    def vectors(rows: object) -> CharVectors:
        rows = np.asarray(rows, np.float32)
        n = len(rows)
        spelling = Spelling(np.zeros(n, np.uint8), np.arange(n), np.arange(n + 1))
        return CharVectors(np.arange(FIRST, FIRST + n, dtype=np.uint32), rows, np.ones(n, np.uint64), spelling)

    rows, whole = real_rows(model)
    made = vectors(rows)
    np.save(folder / "rows.npy", made.matrix)
    made.save(folder / "vectors.vec", overwrite=True)
    for dtype in DTYPES:
        made.astype(dtype).save(folder / f"{dtype}.h5", overwrite=True)
    if rival:
        for how in ("pkl", "txt"):
            argv = [
                rival,
                "-c",
                WRITES_RIVAL,
                str(folder / "rows.npy"),
                str(folder / f"bert_vector.{how}"),
                how,
                "keep",
            ]
            subprocess_run(argv)
    losses = []
    for name, each in (("as written", made.matrix), ("rows of the model", whole)):
        if each is None:
            continue
        wide = np.asarray(each, np.float64)
        for dtype in DTYPES[1:]:
            narrow = vectors(each).astype(dtype).matrix.astype(np.float64)
            cosines = (wide * narrow).sum(1) / np.linalg.norm(wide, axis=1) / np.linalg.norm(narrow, axis=1)
            losses.append((dtype, f"{wide.shape[0]:,} x {wide.shape[1]}, {name}", f"{cosines.min():.8f}"))
    return losses


def subprocess_run(argv: list[str]) -> None:
    """Run a command that is not timed."""
    import subprocess

    subprocess.run(argv, check=True)


def loads(folder: Path, rival: str | None) -> list[Command]:
    """Commands from the start of a process to the first vector."""
    root = str(BENCH.parent)
    commands = [Command(BARE, [sys.executable, "-c", "import numpy, h5py"])]
    for dtype in DTYPES:
        commands.append(Command(dtype, [sys.executable, "-c", LOADS, str(folder / f"{dtype}.h5")], cwd=root))
    if rival:
        commands.append(Command(PICKLE, [rival, "-c", LOADS_PICKLE, str(folder / "bert_vector.pkl")]))
        commands.append(Command(BARE_GENSIM, [rival, "-c", "from gensim.models import KeyedVectors"]))
        commands.append(Command(GENSIM, [rival, "-c", LOADS_GENSIM, str(folder / "vectors.vec")]))
    return commands


def writes(folder: Path, rival: str | None) -> list[Command]:
    """Commands that time how long writing takes."""
    root, out = str(BENCH.parent), str(folder / "out.h5")
    commands = []
    for how, what in HOW.items():
        for dtype in DTYPES:
            argv = [sys.executable, "-c", WRITES_CHARVEC, str(folder / f"{dtype}.h5"), out, how]
            commands.append(Command(f"{dtype}, {what}", argv, cwd=root, inside=True))
    for name, how in ((WRITES_PICKLE, "pkl"), (WRITES_TEXT, "txt")):
        if rival:
            argv = [rival, "-c", WRITES_RIVAL, str(folder / "rows.npy"), str(folder / f"out.{how}"), how, "time"]
            commands.append(Command(name, argv, inside=True))
    return commands


def goals(
    loading: Report, writing: Report, sizes: dict[str, int], losses: list[tuple[str, str, str]]
) -> list[list[str]]:
    """What the design asks for, and whether this run reached it."""
    rows = []

    def add(what: str, value: float, limit: float, *, least: bool, digits: int = 2) -> None:
        reached = value >= limit if least else value <= limit
        rows.append([what, f"{'>=' if least else '<='} {limit:g}", f"{value:.{digits}f}", "yes" if reached else "no"])

    for dtype, limit in (("float16", 1.15), ("float32", 1.25)):
        add(f"{dtype}, first vector: x {BARE}", loading.ratio(dtype), limit, least=False)
    if GENSIM in loading.runs:
        add("float32, first vector: times as fast as gensim", loading.ratio(GENSIM, "float32"), 30, least=True)
        add("float32, first vector: times as fast as the pickle", loading.ratio(PICKLE, "float32"), 2, least=True)
        for dtype, limit in (("float16", 3), ("int8", 6)):
            add(
                f"{dtype}: times smaller than the pickle",
                sizes["bert_vector.pkl"] / sizes[f"{dtype}.h5"],
                limit,
                least=True,
            )
        for what in HOW.values():
            name = f"float32, {what}"
            for rival, limit in ((WRITES_PICKLE, 35), (WRITES_TEXT, 500)):
                ratio = writing.ratio(rival, name, cpu=what != HOW["save"])
                add(f"{name}: times as fast as {rival}", ratio, limit, least=True, digits=1)
    for dtype, on, cosine in losses:
        limit = {"float16": 0.9999995, "int8": 0.999}[dtype]
        reached = "yes" if float(cosine) >= limit else "no"
        rows.append([f"{dtype}: minimum cosine, {on}", f">= {limit}", cosine, reached])
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Load, size and write times of vector files, and what they lose.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="model.safetensors of a MiniLM, 30,522 x 384")
    parser.add_argument("--rival-python", help="an interpreter with gensim, and BERTVector installed with --no-deps")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run to this file and FILE.writes")
    parser.add_argument("--markdown", action="store_true", help="Markdown tables instead of plain ones")
    arguments = parser.parse_args()
    folder, rival = arguments.folder.absolute(), arguments.rival_python
    folder.mkdir(parents=True, exist_ok=True)
    if rival:
        found = versions(rival, "numpy", "gensim", "BERTVector")
        print(", ".join(f"{key} {value}" for key, value in found.items()), file=sys.stderr)
    losses = make_in_a_child(folder, arguments.model, rival)
    loading = measure(loads(folder, rival), arguments.rounds, baseline=BARE)
    writing = measure(writes(folder, rival), arguments.rounds)
    print(loading.text(markdown=arguments.markdown))
    rows = []
    for name, runs in writing.runs.items():
        cells = [name, f"{writing.median(name):.1f}", f"{min(run.wall_ms for run in runs):.1f}"]
        cells.append(f"{writing.median(name, cpu=True):.1f}")
        if rival:
            for other in (WRITES_PICKLE, WRITES_TEXT):
                cells += [f"{writing.ratio(other, name):.1f}", f"{writing.ratio(other, name, cpu=True):.1f}"]
        rows.append(cells)
    head = ["writing", "median wall ms", "min", "CPU ms"]
    head += ["pickle: x", "CPU", "text: x", "CPU"] if rival else []
    print(table(head, rows, markdown=arguments.markdown), "\n")
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    print(
        table(
            ("file", "MB"), [(name, f"{size / 1e6:.2f}") for name, size in sizes.items()], markdown=arguments.markdown
        )
    )
    print()
    print(table(("goal", "limit", "measured", "reached"), goals(loading, writing, sizes, losses)))
    if arguments.json:
        arguments.json.write_text(loading.json(), encoding="utf-8")
        arguments.json.with_name(arguments.json.name + ".writes").write_text(writing.json(), encoding="utf-8")


def make_in_a_child(folder: Path, model: Path | None, rival: str | None) -> list[tuple[str, str, str]]:
    """:func:`make` in a process of its own: the one that measures must stay small, see :mod:`harness`."""
    import json
    import subprocess

    code = (
        "import json, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import vector_file as bench\n"
        "folder, model, rival = sys.argv[2:]\n"
        "print(json.dumps(bench.make(Path(folder), Path(model) if model else None, rival or None)))"
    )
    argv = [sys.executable, "-c", code, str(BENCH), str(folder), str(model or ""), rival or ""]
    return [tuple(each) for each in json.loads(subprocess.check_output(argv, text=True))]


if __name__ == "__main__":
    main()
