"""Count a folder with any executor, here processes of this machine: python process_pool.py FOLDER."""

import sys
from concurrent.futures import ProcessPoolExecutor

import charvec

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as executor:
        counts = charvec.scan(sys.argv[1], extensions="txt", executor=executor, jobs=2)
    print(counts)
