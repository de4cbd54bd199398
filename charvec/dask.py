"""Adapter: count on a Dask cluster, or on worker processes of this machine.

Dask sends a batch to another worker when the one that had it dies, and a batch is counted in no other way there: the
totals stay exact. The workers need charvec, and must see the samples under the same names, as on a shared file system
or behind URLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from charvec.errors import MissingPackage, ReadWriteError

__all__ = ["cluster"]

# pure=False: else Dask gives a batch that looks like an earlier one, of files that changed meanwhile, its old counts

#: Seconds to wait for a scheduler.
PATIENCE = 30


@contextmanager
def cluster(address: str = "local", *, workers: int | None = None) -> Iterator[Executor]:
    """An executor for :func:`charvec.scan` whose work a cluster does.

    Args:
        address: of a running scheduler, such as ``tcp://host:8786``; ``local`` starts processes on this machine for as
            long as the executor is in use.
        workers: number of processes for ``local``, as for ``jobs`` of :func:`charvec.scan`; None for one a core.

    Raises:
        MissingPackage: ``E-PACKAGE`` without dask.distributed.
        ReadWriteError: ``E-SCHEDULER`` when there is no scheduler.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingPackage(
            "E-PACKAGE", "--scheduler needs dask.distributed", help='pip install "charvec[dask]"'
        ) from None
    from charvec.sharing import available_cores, own_workers

    if address == "local":
        with (
            LocalCluster(
                n_workers=own_workers(workers or available_cores()),
                threads_per_worker=1,
                dashboard_address=None,
                processes=True,
            ) as processes,
            Client(processes) as client,
        ):
            yield client.get_executor(pure=False)
        return
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise ReadWriteError(
            "E-SCHEDULER",
            f"no Dask scheduler answers at {address}: {error}",
            help="start one with `dask scheduler`, or use --scheduler local",
        ) from None
    with client:
        yield client.get_executor(pure=False)
