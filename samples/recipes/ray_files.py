"""Count a folder in Ray tasks over lists of files: python ray_files.py FOLDER."""

import sys
from pathlib import Path

import ray

import charvec


@ray.remote(num_cpus=1)
def count(paths):
    try:
        return charvec.scan(paths), []
    except charvec.CharvecError as error:  # not one of them could be read
        return charvec.Counts.none(), [str(error)]


if __name__ == "__main__":
    ray.init()
    paths = sorted(Path(sys.argv[1]).rglob("*.txt"), key=lambda path: -path.stat().st_size)
    lists = min(len(paths), 4 * int(ray.cluster_resources()["CPU"]))
    waiting = [count.remote([str(path) for path in paths[start::lists]]) for start in range(lists)]
    counts, failed = charvec.Counts.none(), []
    while waiting:
        done, waiting = ray.wait(waiting)
        some, errors = ray.get(done[0])
        counts, failed = counts + some, failed + errors
    print(counts, *failed, sep="\n")
