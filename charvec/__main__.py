"""``python -m charvec``."""

from charvec.cli import run

if __name__ == "__main__":
    run()
