"""Run charvec from a checkout: ``python cli.py dump samples/texts``."""

import sys

from charvec.cli import main

if __name__ == "__main__":
    sys.exit(main())
