"""Count a folder on a Ray cluster: python ray_executor.py FOLDER."""

import sys
from concurrent.futures import Executor, Future

import ray

import charvec


class RayExecutor(Executor):
    """Runs each call as a Ray task."""

    def __init__(self) -> None:
        self._call = ray.remote(num_cpus=1)(lambda function, args: function(*args))

    def submit(self, function, /, *args) -> Future:
        return self._call.remote(function, args).future()


if __name__ == "__main__":
    ray.init()  # the cluster of RAY_ADDRESS, else processes of this machine
    workers = int(ray.cluster_resources()["CPU"])
    counts = charvec.scan(sys.argv[1], extensions="txt", executor=RayExecutor(), jobs=workers)
    print(counts)
