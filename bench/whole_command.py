"""Compare whole commands: from sample text and a checkpoint on disk to a file of character vectors.

    python bench/whole_command.py --inputs FOLDER --hf-python ... --tf-python ... --rounds 7 [--json FILE] [--markdown]

FOLDER is what ``make_inputs.py`` made. charvec runs in the interpreter that runs this file, the rivals in those given;
what is not there is skipped with a line saying so. After the timing, the outputs are compared bit for bit; when they
differ, or when a command fails, the exit code is 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Command, Report, measure, table, versions

BENCH = Path(__file__).resolve().parent
RIVALS = BENCH / "rivals"

BARE = "bare imports"
TF, SAFETENSORS, TORCH = "charvec, TF 1 bundle", "charvec, safetensors", "charvec, torch zip"
FOLDERS = {TF: "bert-tf", SAFETENSORS: "bert-safetensors", TORCH: "bert-torch"}
TRANSFORMERS, BERT_VECTOR = "transformers script", "BERT-Vector"
BARE_TRANSFORMERS, BARE_TENSORFLOW = "bare import transformers", "bare import tensorflow"

#: More text than this is the case of a big corpus.
BIG_TEXT = 50_000_000


def plan(arguments: argparse.Namespace, samples: Path, out: Path) -> tuple[list[Command], dict[str, Path]]:
    """The commands that can run here, and the output of each that has one."""
    commands = [Command(BARE, [sys.executable, "-c", "import numpy, h5py"])]
    outputs: dict[str, Path] = {}
    for number, (name, folder) in enumerate(FOLDERS.items()):
        model = arguments.inputs / folder
        if not (model / "vocab.txt").is_file():  # written last
            print(f"{name}: skipped, there is no complete {model}", file=sys.stderr)
            continue
        outputs[name] = out / f"charvec-{number}.h5"
        argv = ["cli.py", "dump", samples, "-m", model, "-o", outputs[name], "-q"]
        argv = [sys.executable, *map(str, argv)]
        commands.append(Command(name, argv, cwd=str(BENCH.parent), makes=str(outputs[name])))

    model = arguments.inputs / FOLDERS[SAFETENSORS]
    if usable(TRANSFORMERS, arguments.hf_python, "--hf-python", ("torch", "transformers"), model):
        outputs[TRANSFORMERS] = out / "transformers.npz"
        argv = [RIVALS / "transformers_script.py", model, samples, outputs[TRANSFORMERS]]
        argv = [arguments.hf_python, *map(str, argv)]
        commands.append(Command(TRANSFORMERS, argv, makes=str(outputs[TRANSFORMERS])))
        bare = "import numpy, torch; from transformers import AutoModel, AutoTokenizer"
        commands.append(Command(BARE_TRANSFORMERS, [arguments.hf_python, "-c", bare]))

    model = arguments.inputs / FOLDERS[TF]
    if usable(BERT_VECTOR, arguments.tf_python, "--tf-python", ("tensorflow", "BERTVector"), model):
        outputs[BERT_VECTOR] = out / "bert_vector.pkl"
        argv = [RIVALS / "bert_vector_shim.py", "--model_path", model]
        argv += ["--in_file", samples, "--out_file", outputs[BERT_VECTOR]]
        argv = [arguments.tf_python, *map(str, argv)]
        commands.append(Command(BERT_VECTOR, argv, makes=str(outputs[BERT_VECTOR])))
        commands.append(Command(BARE_TENSORFLOW, [arguments.tf_python, "-c", "import numpy, tensorflow"]))
    return commands, outputs


def usable(name: str, python: str | None, option: str, packages: tuple[str, ...], model: Path) -> bool:
    """Whether a rival can run; a line saying why when it cannot. One of its packages may go by two names."""
    if not python:
        print(f"{name}: skipped, no {option} given", file=sys.stderr)
        return False
    try:
        found = versions(python, *packages, "tensorflow-cpu")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name}: skipped, {python} does not run: {error}", file=sys.stderr)
        return False
    if found["tensorflow-cpu"] != "not installed":
        found["tensorflow"] = found["tensorflow-cpu"]
    missing = [package for package in packages if found[package] == "not installed"]
    if missing:
        print(f"{name}: skipped, {python} does not have {', '.join(missing)}", file=sys.stderr)
    elif not (model / "vocab.txt").is_file():
        print(f"{name}: skipped, there is no complete {model}", file=sys.stderr)
    else:
        print(f"{name}: {', '.join(f'{key} {found[key]}' for key in ('Python', *packages))}", file=sys.stderr)
        return True
    return False


def check(outputs: dict[str, Path], tf_python: str | None) -> bool:
    """Print how the outputs agree with charvec's first one; outside the timing, in processes of their own."""
    reference, *names = outputs
    others = []
    for name in names:
        path = outputs[name]
        if not path.exists():  # BERT-Vector reports its errors on standard output and ends with exit code 0
            print(f"{name}: DIFFERS: it wrote no output")
            return False
        if path.suffix == ".pkl":
            path = path.with_suffix(".npz")
            subprocess.run([str(tf_python), RIVALS / "pickle_to_npz.py", outputs[name], path], check=True)
        others.append(f"{name}={path}")
    print(f"\nAgainst the output of {reference}:", flush=True)
    return subprocess.run([sys.executable, BENCH / "agreement.py", outputs[reference], *others]).returncode == 0


def goals(report: Report, text_bytes: int) -> list[tuple[str, str, str, str]]:
    """The goals of the design that this run can tell about: what, limit, measured, reached or not."""
    big = text_bytes > BIG_TEXT
    rows = []
    for name in (name for name in FOLDERS if name in report.runs):
        if not big:
            ratio = report.ratio(name)
            rows.append((f"{name}: x {BARE}", "<= 1.25", f"{ratio:.2f}", "yes" if ratio <= 1.25 else "no"))
        rss = report.rss(name)
        rows.append((f"{name}: peak RSS MiB", "<= 60", f"{rss:.0f}", "yes" if rss <= 60 else "no"))
    if TF in report.runs and BERT_VECTOR in report.runs:
        faster, goal = report.ratio(BERT_VECTOR, TF), 24 if big else 20
        row = f"{TF}: times as fast as {BERT_VECTOR}"
        rows.append((row, f">= {goal}", f"{faster:.1f}", "yes" if faster >= goal else "no"))
    return rows


def main() -> int:
    """The command line; 1 when a command fails or the outputs differ."""
    parser = argparse.ArgumentParser(description="Compare whole commands with those of other programs.")
    parser.add_argument("--inputs", type=Path, required=True, help="the folder make_inputs.py wrote")
    parser.add_argument("--samples", type=Path, help="another folder of .txt files (default: samples in --inputs)")
    parser.add_argument("--hf-python", help="an interpreter with torch and transformers")
    parser.add_argument("--tf-python", help="an interpreter with TensorFlow 2 and BERTVector")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every run to this file")
    parser.add_argument("--markdown", action="store_true", help="Markdown tables instead of plain ones")
    arguments = parser.parse_args()
    arguments.inputs = arguments.inputs.absolute()
    samples: Path = (arguments.samples or arguments.inputs / "samples").absolute()
    text_bytes = sum(path.stat().st_size for path in samples.glob("*.txt"))
    if not text_bytes:
        parser.error(f"no text in {samples}; run make_inputs.py first")

    # Outputs lie beside the inputs: a temporary folder in memory would hide what a flush to the disk costs.
    with tempfile.TemporaryDirectory(prefix="out-", dir=arguments.inputs) as out:
        commands, outputs = plan(arguments, samples, Path(out))
        try:
            report = measure(commands, arguments.rounds, baseline=BARE)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{text_bytes / 1e6:.1f} MB of text\n")
        print(report.text(markdown=arguments.markdown))
        head = ("goal", "limit", "measured", "reached")
        print(table(head, goals(report, text_bytes), markdown=arguments.markdown))
        if arguments.json:
            arguments.json.write_text(report.json(), encoding="utf-8")
        return 0 if len(outputs) < 2 or check(outputs, arguments.tf_python) else 1


if __name__ == "__main__":
    sys.exit(main())
