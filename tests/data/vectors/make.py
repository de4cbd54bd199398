"""Write the golden vector files: one for each format and element type, and those of version 2.

Run once, from the root of the repository, when a format is added or a version of the vector file is given up::

    python tests/data/vectors/make.py

``versions.json`` names what the bytes of a format depend on beside charvec.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1])]

import numpy as np  # noqa: E402
from vector_samples import DTYPES, FORMATS, LOSSLESS, SUFFIX, reduced, small  # noqa: E402

if __name__ == "__main__":
    for dtype in DTYPES:
        for name in FORMATS:
            small(dtype).save(HERE / f"{dtype}{SUFFIX[name]}", format=name, overwrite=True)
    for name in LOSSLESS:
        reduced().save(HERE / f"reduced{SUFFIX[name]}", format=name, overwrite=True)
    versions = {
        "npz": f"numpy {np.__version__}, python {platform.python_version()}, {sys.platform}",
    }
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
