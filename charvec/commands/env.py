"""``charvec env``: what this installation is made of; worth adding to a report of a bug."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from charvec.commands.common import fields, print_json

NAME = "env"
HELP = "versions, the way of counting in use, and optional packages"

#: Optional packages and what each is for.
PACKAGES = {
    "numpy": "arrays",
    "h5py": "reads vector files that other programs changed or laid out",
    "tokenizers": "the models' own normalisers",
    "tqdm": "progress bar",
    "fsspec": "samples behind URLs",
    "torch": "charvec.torch",
    "keras": "charvec.keras",
    "jax": "charvec.jax",
    "flax": "charvec.flax",
    "gensim": "charvec.gensim",
    "spacy": "charvec.spacy",
    "scikit-learn": "charvec.sklearn",
    "onnx": "charvec.onnx",
    "model2vec": "charvec.model2vec",
    "orjson": "JSON Lines, faster",
    "isal": "gzip, faster",
    "backports.zstd": "zstd",
    "zstandard": "zstd, where backports.zstd is not there",
    "pyarrow": "Parquet and Arrow",
    "gguf": "GGUF files in the types IQ1, IQ2, IQ3",
    "regex": "--unit grapheme",
    "charset-normalizer": "more candidates for encodings",
    "dask": "--scheduler",
    "distributed": "--scheduler",
    "s3fs": "s3://",
    "aiohttp": "https://",
    "huggingface-hub": "hf://",
}


def arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def run(args: Namespace) -> int:
    """Print it."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from charvec.plumbing.text import counting, scripts
    from charvec.sharing import available_cores
    from charvec.version import __version__

    installed: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = None
    kernel = counting.KERNEL is not None
    if args.json:
        print_json(
            {
                "charvec": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "cores": available_cores(),
                "counting": "kernel" if kernel else "numpy",
                "unicode_scripts": scripts.UNICODE_VERSION,
                "packages": installed,
            }
        )
        return 0
    how = "C kernel" if kernel else "NumPy (the C kernel is not there: `pip install .` builds it where a compiler is)"
    rows = [
        ["charvec", __version__],
        ["Python", f"{platform.python_implementation()} {platform.python_version()}"],
        ["system", platform.platform()],
        ["cores", str(available_cores())],
        ["counting", how],
        ["scripts", f"Unicode {scripts.UNICODE_VERSION}"],
    ]
    if installed["backports.zstd"] and not installed["zstandard"]:
        installed["zstandard"] = "not needed"
    packages = [[name, installed[name] or "not installed", what] for name, what in PACKAGES.items()]
    print("\n".join((fields(rows), "", fields(packages))))
    return 0
