"""Count a folder with multiprocessing: python multiprocessing_pool.py FOLDER."""

import multiprocessing
import sys
from pathlib import Path

import charvec


def count(path):
    try:
        return charvec.scan(path), []
    except charvec.CharvecError as error:  # a damaged file stops nobody
        return charvec.Counts.none(), [str(error)]


if __name__ == "__main__":
    paths = sorted(Path(sys.argv[1]).rglob("*.txt"), key=lambda path: -path.stat().st_size)
    counts, failed = charvec.Counts.none(), []
    with multiprocessing.Pool(2) as pool:
        for some, errors in pool.imap_unordered(count, paths):
            counts, failed = counts + some, failed + errors
    print(counts, *failed, sep="\n")
