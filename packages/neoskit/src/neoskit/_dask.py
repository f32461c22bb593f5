"""Sums over events on disk, made by the workers of a Dask cluster.

A partition is a range of chunks: a task reads them, one after the other, and gives one
sum back. Workers keep nothing that is not on disk; where one is lost Dask makes its
tasks anew elsewhere, and the training goes on.
"""

import contextlib
import functools
import itertools
import logging
import os
import pickle
import socket
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._checks import check_count
from ._events import AbstractSummation, Chunks
from ._events.stored.summation import Program, added, rounded, sum_over

if TYPE_CHECKING:
    import distributed

# Of so many a lost worker costs little, and up to half as many workers are busy. A
# number that does not depend on the workers: sums are rounded alike on any number.
_PARTITIONS = 64

_LOOK_EVERY = 5.0
# One thread each: several workers on a machine would fight for its cores.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


@final
class DaskWorkers(AbstractSummation):
    """Sums over the chunks of a `StoredDataset` by the workers of a Dask cluster.

    Workers sum the templates of their partitions; the derivative of the objective by
    the templates is sent to them, and they sum the gradient. The result is that of one
    process up to the order in which numbers are added. The folder of the events must be
    one that the workers see, too.

    Args:
        client: of `distributed`, connected.
        partitions: how many tasks a sum is shared out to; at least two a worker keep
            all of them busy.
        patience: for so many seconds it is waited for a worker where there is none.

    Example:
        `stored.with_summation(DaskWorkers(distributed.Client("tcp://head:8786")))`
    """

    def __init__(
        self,
        client: "distributed.Client",
        *,
        partitions: int = _PARTITIONS,
        patience: float = 300.0,
    ):
        check_count("DaskWorkers(partitions=...)", partitions)
        self.client = client
        self.partitions = partitions
        self.patience = patience

    def sum(self, program: Program, arguments: Any, chunks: Chunks) -> PyTree:
        """The sum over the chunks.

        Raises:
            RuntimeError: there are no workers, or a partition ends those that it is
                given to.
        """
        arrays, static = eqx.partition(arguments, _is_array)
        # Where the arrays are, without their numbers: these change with every step.
        places = jax.tree.map(lambda _: 0, arrays)
        plan = _distributed().protocol.pickle.dumps((program, static, places, chunks))
        # As a task of its own: where the worker that has it is lost, it is made anew.
        given = self.client.submit(
            _given, jax.tree.leaves(jax.tree.map(np.asarray, arrays)), pure=False
        )
        count = min(self.partitions, len(chunks))
        ends = [len(chunks) * i // count for i in range(count + 1)]
        futures = [
            self.client.submit(_sum_of_partition, plan, given, start, stop, pure=False)
            for start, stop in itertools.pairwise(ends)
        ]
        parts = self._gathered(futures)
        # Leaf by leaf: a function within a result, such as an activation, comes back
        # from every worker as another object.
        total: list[np.ndarray] | None = None
        for part in parts:
            total = added(total, jax.tree.leaves(part))
        structure = jax.tree.structure(parts[0])
        return rounded(jax.tree.unflatten(structure, total), parts[0])

    def _gathered(self, futures: Sequence["distributed.Future"]) -> list[PyTree]:
        distributed = _distributed()
        alone_since = None
        while True:
            try:
                distributed.wait(futures, timeout=_LOOK_EVERY)
                break
            except (TimeoutError, distributed.TimeoutError):
                if self.client.nthreads():
                    alone_since = None
                    continue
            alone_since = alone_since or time.monotonic()
            if time.monotonic() - alone_since > self.patience:
                self.client.cancel(futures)
                raise RuntimeError(
                    f"The Dask cluster at {self.address} has had no "
                    f"worker for {self.patience:g} s. Start workers, and go on with "
                    "the training from its last checkpoint."
                )
        try:
            return self.client.gather(futures)
        except distributed.KilledWorker as error:
            raise RuntimeError(
                f"A partition ended every worker that it was given to ({error}). "
                "Usually a worker has too little memory for a chunk: give fewer events "
                "at a time (`training.chunk` of a description, `chunk_size` in "
                "Python), or workers more memory."
            ) from error

    @property
    def address(self) -> str:
        """Of the scheduler; that it was reached at last, where it is gone."""
        scheduler = self.client.scheduler
        return "no longer connected" if scheduler is None else str(scheduler.address)

    def __repr__(self) -> str:
        return f"DaskWorkers({self.address})"


@contextlib.contextmanager
def dask_workers(where: str) -> Iterator[DaskWorkers]:
    """The workers that a text names, given back at the end.

    Args:
        where: the address of a scheduler; `"local"` for a worker on each core of this
            machine, `"local:2"` for two of them.

    Raises:
        ImportError: `distributed` is not installed (`neoskit[dask]`).
        ValueError: the text names neither.
        RuntimeError: there is no scheduler at the address.
    """
    distributed = _distributed()
    kind, _, number = where.partition(":")
    if kind != "local":
        if "://" not in where and not number.isdecimal():
            raise ValueError(
                f"`--dask {where}`: give the address of a scheduler, such as "
                "tcp://head:8786, or `local`, or `local:2` for two workers here."
            )
        try:
            client = distributed.Client(where, timeout=20)
        except OSError as error:
            raise RuntimeError(
                f"There is no Dask scheduler at {where}: {error}. Start one by `dask "
                "scheduler`, and workers by `dask worker ADDRESS`."
            ) from error
        with client:
            yield DaskWorkers(client)
        return
    if number and not (number.isdecimal() and int(number)):
        raise ValueError(f"`--dask {where}`: {number!r} is no number of workers.")
    workers = int(number) if number else len(os.sched_getaffinity(0))
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.ERROR,
            env=_ENVIRONMENT,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield DaskWorkers(client)


def _distributed() -> Any:
    try:
        import distributed
        import distributed.protocol.pickle
    except ImportError as error:
        raise ImportError(
            "Dask workers need the package distributed: install `neoskit[dask]`."
        ) from error
    return distributed


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray)


def _given(leaves: list[np.ndarray]) -> list[np.ndarray]:
    """The numbers that all tasks of one sum need."""
    return leaves


def _sum_of_partition(
    plan: bytes, leaves: list[np.ndarray], start: int, stop: int
) -> PyTree:
    """What a worker does: the sum over a range of chunks."""
    # A worker computes with the precision of the process that asks it.
    jax.config.update("jax_enable_x64", True)
    program, static, places, chunks = _read_plan(plan)
    arrays = jax.tree.unflatten(jax.tree.structure(places), map(jnp.asarray, leaves))
    given = eqx.combine(arrays, static)
    try:
        return sum_over(program, given, (chunks[i] for i in range(start, stop)))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The worker on {socket.gethostname()} does not see {error.filename}: the "
            "events must be in a folder that all workers see. Name one by "
            "`source.scratch`, or by `folder` in Python."
        ) from error


@functools.lru_cache(maxsize=8)
def _read_plan(plan: bytes) -> tuple[Program, PyTree, PyTree, Chunks]:
    # Kept: what is compiled belongs to the very objects of a plan.
    return pickle.loads(plan)
