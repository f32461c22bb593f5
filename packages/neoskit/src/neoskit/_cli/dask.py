"""The option --dask: whose processors train."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Annotated

import typer

from .training import Task

Dask = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS|local[:N]",
        help="Train on the workers of a Dask scheduler, or on N of this machine.",
    ),
]


@contextlib.contextmanager
def on_workers(task: Task, where: str | None) -> Iterator[Task]:
    """The same task, whose sums over events are made by the workers of a cluster.

    Args:
        task: what is trained.
        where: the text of the option; without it this process does all.

    Raises:
        ValueError: the events are in memory, where no worker sees them.
    """
    if where is None:
        yield task
        return
    from .._dask import dask_workers
    from .._events import StoredDataset

    if not isinstance(task.dataset, StoredDataset):
        raise ValueError(
            "--dask: the events are in this process's memory, and workers read them "
            "from disk. Write `in_memory = false` into `[source]`, of the kind "
            "'files'."
        )
    with dask_workers(where) as workers:
        yield dataclasses.replace(task, dataset=task.dataset.with_summation(workers))
