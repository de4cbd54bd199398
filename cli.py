"""Run charvec from a checkout: ``python cli.py dump samples/texts``."""

from charvec.cli import run

if __name__ == "__main__":
    run()
