"""Makes the shared helpers of the folder above importable."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(autouse=True)
def packages(request: pytest.FixtureRequest) -> None:
    """Skips tests of the one profile that needs a package, where that is not installed."""
    if "parquet" in getattr(getattr(request.node, "callspec", None), "params", {}).values():
        pytest.importorskip("pyarrow")
