"""Count a folder on the nodes of an MPI job: mpiexec -n 3 python -m mpi4py.futures mpi.py FOLDER."""

import sys

from mpi4py import MPI
from mpi4py.futures import MPIPoolExecutor

import charvec

if __name__ == "__main__":  # the first rank runs this, the others are the workers
    workers = MPI.COMM_WORLD.size - 1
    with MPIPoolExecutor() as executor:
        counts = charvec.scan(sys.argv[1], extensions="txt", executor=executor, jobs=workers)
    print(counts)
