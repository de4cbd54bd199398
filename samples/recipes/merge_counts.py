"""Add what several `charvec scan --json` wrote: python merge_counts.py COUNTS.json ..."""

import json
import sys

import charvec


def read(path):
    with open(path, encoding="utf-8") as file:
        counts = json.load(file)["counts"]  # {"U+6C34": 37, ...}
    return charvec.Counts.from_mapping({chr(int(code[2:], 16)): number for code, number in counts.items()})


if __name__ == "__main__":
    counts = sum(map(read, sys.argv[1:]), charvec.Counts.none())
    print(counts)
