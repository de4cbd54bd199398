"""For all tests."""

from __future__ import annotations

import os

# no test asks a server that is not on this machine
os.environ["HF_HUB_OFFLINE"] = "1"
