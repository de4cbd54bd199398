"""Count a folder on a Dask cluster: python dask_cluster.py FOLDER [ADDRESS [WORKERS]]."""

import sys

import charvec
import charvec.dask

if __name__ == "__main__":
    folder = sys.argv[1]
    address = sys.argv[2] if len(sys.argv) > 2 else "local"  # or tcp://host:8786
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    with charvec.dask.cluster(address, workers=workers) as executor:
        counts = charvec.scan(folder, extensions="txt", executor=executor, jobs=workers)
    print(counts)
