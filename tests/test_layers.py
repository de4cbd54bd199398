"""The house has layers: a module imports only from layers below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import charvec

PACKAGE = Path(charvec.__file__).resolve().parent

#: From the bottom to the top. A folder stands for all modules in it.
LAYERS = (
    ("errors", "version", "explanations", "valueclass", "arguments"),
    (
        *("status", "tensor", "counts", "coverage", "vocabulary", "reading"),
        *("vectors", "alignment", "consistency", "dtypes", "fidelity", "neighbours", "pooling", "provenance", "tables"),
        *("codebooks", "principal", "reduction"),
    ),
    ("plumbing",),
    ("checkpoints", "vocabularies", "containers", "readers", "records", "formats", "profiles"),
    (
        *("searching", "samples", "batches", "parallel", "journal", "sharing", "scanning", "selection"),
        *("rows", "quantised", "finding", "shifting", "projecting", "embedding", "extraction", "storage", "dumping"),
        *("output_folder", "exporting"),
        *("reducing", "surveying", "merging", "updating", "comparing", "piece_trimming", "trimming", "drawing"),
    ),
    ("__init__",),
    (
        *("torch", "keras", "jax", "flax", "gensim", "spacy", "sklearn", "model2vec", "onnx", "dask"),
        *("commands", "cli"),
    ),
    ("__main__",),
)
FAMILIES = ("checkpoints", "vocabularies", "containers", "readers", "records", "formats", "profiles", "commands")

#: Imports inside functions that reach up, each with its reason.
EXCEPTIONS = {
    ("vectors", "storage"): "users look for CharVectors.save",
}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """Name of a module within the package: ``checkpoints.safetensors``, ``checkpoints``, ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(path): path for path in FILES}


def layer(module: str) -> int:
    """Number of the layer of a module."""
    room = module.split(".")[0]
    places = [place for place, rooms in enumerate(LAYERS) if room in rooms]
    assert len(places) == 1, f"charvec/{module}: say in tests/test_layers.py which layer it belongs to"
    return places[0]


def is_type_checking(node: ast.AST) -> bool:
    """Whether it is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(node: ast.AST, *, everywhere: bool) -> Iterator[str]:
    """Modules imported at the top of a module, or also inside its functions; never those for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports name the package"
            names = [alias.name for alias in child.names]
            if child.module == "charvec":
                # an extension module, which is built where a compiler is there, imports nothing
                names = [name for name in names if not (PACKAGE / f"{name}.c").exists()]
                yield from (f"charvec.{name}" if name in MODULES else "charvec.__init__" for name in names)
            else:
                # a member of a package may be a module of its own
                module = child.module or ""
                for name in names:
                    full = f"{module}.{name}"
                    yield full if full.removeprefix("charvec.") in MODULES else module
        elif not is_type_checking(child) and (
            everywhere or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        ):
            yield from imports(child, everywhere=everywhere)


@cache
def tree(module: str) -> ast.Module:
    """The source of a module, taken apart."""
    return ast.parse(MODULES[module].read_text("utf-8"))


@cache
def own(module: str, *, everywhere: bool) -> frozenset[str]:
    """Modules of the package that a module imports."""
    found = {name for name in imports(tree(module), everywhere=everywhere) if name.split(".")[0] == "charvec"}
    return frozenset({name.removeprefix("charvec.") for name in found} - {"charvec"})


def test_every_module_has_a_layer() -> None:
    """A new module is entered into the table above."""
    assert min(map(layer, MODULES)) >= 0


def test_nothing_is_imported_from_above() -> None:
    """At the top of a module stand only imports from its own layer or from below."""
    pairs = [(module, name) for module in MODULES for name in own(module, everywhere=False)]
    assert len(pairs) > len(MODULES)
    assert [(module, name) for module, name in pairs if layer(name) > layer(module)] == []


def test_functions_reach_up_only_where_declared() -> None:
    """Imports inside functions make start-up faster; they are no back door, and an exception nobody uses is struck off.

    The package itself gives access to the adapters.
    """
    pairs = [(module, name) for module in MODULES if module != "__init__" for name in own(module, everywhere=True)]
    assert {(module, name) for module, name in pairs if layer(name) > layer(module)} == set(EXCEPTIONS)


def test_members_of_a_family_never_import_each_other() -> None:
    """A member knows neither its siblings nor its family."""
    members = [module for module in MODULES if module.split(".")[0] in FAMILIES and "." in module]
    assert {module.split(".")[0] for module in members} == set(FAMILIES)
    for module in members:
        siblings = {name for name in own(module, everywhere=True) if name.split(".")[0] == module.split(".")[0]}
        assert siblings - {"commands.common", "commands.corpus"} == set(), module


def test_frameworks_stay_at_the_edge() -> None:
    """Nothing imports a framework but the adapter of its name; nothing at all imports pickle."""
    forbidden = {"pickle", "_pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "mmap"}
    forbidden |= {"torch", "tensorflow", "transformers", "keras", "jax", "gensim", "spacy", "sklearn", "safetensors"}
    forbidden |= {"model2vec", "sentence_transformers", "onnx", "onnxruntime", "flax"}
    met = set()
    for module in MODULES:
        foreign = {name.split(".")[0] for name in imports(tree(module), everywhere=True)} & forbidden
        assert foreign <= {module}, module
        met |= foreign
    assert "torch" in met


def test_nothing_is_evaluated() -> None:
    """No text becomes code."""
    seen = 0
    for module in MODULES:
        calls = [node.func for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert names & {"eval", "exec", "compile", "__import__"} == set(), module
        seen += len(names)
    assert seen > len(MODULES)
