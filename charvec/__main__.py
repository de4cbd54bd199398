"""``python -m charvec``."""

import sys

from charvec.cli import main

if __name__ == "__main__":
    sys.exit(main())
