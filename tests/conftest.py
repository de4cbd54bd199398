"""For all tests."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from typing import Any

import pytest

# no test asks a server that is not on this machine
os.environ["HF_HUB_OFFLINE"] = "1"

# there is a worker for each core: a second thread in each of them only waits, which takes a core as well
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# Keras writes its settings into a folder, and without any takes TensorFlow; here it takes what is installed
os.environ["KERAS_HOME"] = os.path.join(tempfile.gettempdir(), "charvec-tests-keras")
for backend in ("torch", "jax", "tensorflow"):
    if importlib.util.find_spec(backend) is not None:
        os.environ.setdefault("KERAS_BACKEND", backend)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers, neighbours stay in one of them, which has their framework loaded and their fixtures made.

    A worker that is done takes over half of what another has left.
    """
    if config.getvalue("dist") != "load":
        return None  # another way was asked for
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)
