"""The public face, and what a run does not do: load frameworks, unpickle, be slow to say --help."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import charvec

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "samples" / "texts"


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh Python."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


#: Modules of the package that need the framework of their name.
ADAPTERS = ("flax", "gensim", "jax", "keras", "model2vec", "onnx", "sklearn", "spacy", "torch")

ABSENT = """
import sys
sys.modules[sys.argv[1]] = None
import charvec
try:
    getattr(charvec, sys.argv[1])
except charvec.CharvecError as error:
    print(error.code, error.exit_code, error.help)
"""


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_framework_is_absent(name: str) -> None:
    """Then there is one clear error that says how to get it."""
    code = "E-NO-TORCH" if name == "torch" else "E-PACKAGE"
    assert python(ABSENT, name).stdout.startswith(f'{code} 69 pip install "charvec[{name}]"')


def test_public_names() -> None:
    """Every public name is there, in order, and no other is offered."""
    assert list(charvec.__all__) == sorted(set(charvec.__all__))
    for name in charvec.__all__:
        if name in ADAPTERS and importlib.util.find_spec(name) is None:
            continue
        assert getattr(charvec, name) is not None
    assert dir(charvec) == sorted(charvec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lookdown'"):
        charvec.lookdown  # noqa: B018


def test_names_for_type_checkers() -> None:
    """What type checkers see is what there is."""
    tree = ast.parse(Path(charvec.__file__).read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(charvec.__all__)


@pytest.mark.parametrize("package", sorted(Path(charvec.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_modules_say_what_they_offer(package: Path) -> None:
    """Every name in a module's ``__all__`` is defined in it."""
    tree = ast.parse(package.read_text("utf-8"))
    listed = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    if not listed or (package.name == "__init__.py" and package.parent.name == "charvec"):
        pytest.skip("no list, or names imported when they are first used")
    names = ast.literal_eval(listed[0])
    assert len(names) == len(set(names))
    defined: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            defined.update((alias.asname or alias.name) for alias in node.names)
    assert set(names) <= defined


def test_importing_the_package_imports_nothing_else() -> None:
    """Not even numpy."""
    code = "import sys; before = set(sys.modules); import charvec; print(*sorted(set(sys.modules) - before))"
    loaded = python(code).stdout.split()
    assert "charvec" in loaded
    assert not {name.split(".")[0] for name in loaded} & {"numpy", "h5py", "tqdm", "tokenizers", "json", "argparse"}


WATCH = """
import sys
from charvec.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print("CODE", code, *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> tuple[str, set[str]]:
    """Exit code of a command, and the top-level modules that it loaded."""
    words = python(WATCH, *arguments).stderr.rsplit("CODE ", 1)[1].split()
    return words[0], set(words[1:])


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], [], ["dump", "--help"], ["coverage", "--help"]], ids=str
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help needs neither numpy nor anything that takes longer to load."""
    code, loaded = loaded_by(*arguments)
    assert code == "0"
    assert not loaded & {"numpy", "h5py", "tqdm", "tokenizers", "tempfile", "ctypes"}


FRAMEWORKS = {
    "torch",
    "tensorflow",
    "transformers",
    "keras",
    "safetensors",
    "gensim",
    "spacy",
    "sklearn",
    "jax",
    "flax",
    "onnx",
}


@pytest.mark.parametrize("suffix", ["h5", "npz", "txt", "safetensors"])
def test_a_dump_loads_no_framework(tmp_path: Path, suffix: str) -> None:
    """The whole way from samples to a vector file, without any framework, even where they are installed."""
    code, loaded = loaded_by("dump", str(SAMPLES), "-o", str(tmp_path / f"out.{suffix}"))
    assert code == "0"
    assert "numpy" in loaded
    assert not loaded & FRAMEWORKS


def test_tensors_of_a_pickled_checkpoint_loads_no_framework() -> None:
    """Nor does looking into a file that torch wrote."""
    code, loaded = loaded_by("tensors", str(ROOT / "tests" / "data" / "pytorch" / "new.bin"))
    assert code == "0"
    assert not loaded & FRAMEWORKS


BOMB = """
import pickle, sys

def bomb(*arguments, **options):
    print("UNPICKLED", file=sys.stderr)
    raise SystemExit(99)

import numpy, h5py  # they import the module, which is fine
for name in ("load", "loads", "Unpickler", "_Unpickler", "_load", "_loads"):
    setattr(pickle, name, bomb)
for name in ("eval", "exec"):
    import builtins
import _pickle
_pickle.load = _pickle.loads = _pickle.Unpickler = bomb
from charvec.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["new.bin", "legacy.bin", "f8.bin"])
def test_nothing_is_unpickled(tmp_path: Path, name: str) -> None:
    """With every way into Python's unpickler mined, pickled checkpoints and pickled vectors are read as before."""
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("[PAD]\n[UNK]\n的\n一\n", "utf-8")
    out = tmp_path / "out.pkl"
    checkpoint = ROOT / "tests" / "data" / "pytorch" / name
    tensor = ["--tensor", "p"] if name != "f8.bin" else []
    dump = ["dump", str(SAMPLES), "-m", str(checkpoint), "--vocab", str(vocabulary), "-o", str(out), *tensor]
    for arguments in (dump, ["info", str(out)], ["tensors", str(checkpoint)]):
        done = subprocess.run(
            [sys.executable, "-c", BOMB, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert "UNPICKLED" not in done.stderr
        assert done.returncode == 0 or name == "f8.bin", done.stderr


def test_errors_can_be_sent_to_another_process() -> None:
    """An error comes back as itself, of its kind and with all it has to say."""
    import pickle

    from charvec.errors import DamagedFile

    error = DamagedFile("E-X", "m", path="p", offset=3, found="f", help="h")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is DamagedFile and copy.as_dict() == error.as_dict() and str(copy) == str(error)
