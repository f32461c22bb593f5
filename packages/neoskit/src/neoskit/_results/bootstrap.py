"""Bootstrap over events: how much of a number is the luck of the sample.

Each replica weights every event with a Poisson number of mean 1, the same in all
samples that hold the event: a shifted copy is drawn with its nominal event, and two
pipelines that are compared see the same draws, so that their difference has the
small error of a paired comparison.
"""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._checks import check_count
from .._custom_types import EventIndex
from .._events import Dataset, Events, SampleKey

_Numbers = TypeVar("_Numbers")


def resample(dataset: Dataset, key: PRNGKeyArray) -> Dataset:
    """One bootstrap replica: every weight times a Poisson number of mean 1.

    Args:
        dataset: All events. The number of an event depends on `key`, its process and
            its index, so it is the same in every channel and variation of a process.
        key: Another key gives another replica; may be traced, also under `vmap`.

    Example:
        >>> from neoskit import Process
        >>> sample = Process(Events([[0.0], [1.0], [2.0]]))
        >>> dataset = Dataset({"SR": {"signal": sample}})
        >>> replica = resample(dataset, jax.random.key(0))
        >>> replica.channels["SR"]["signal"].nominal.weights.shape
        (3,)
    """
    # A key for each process: two files count their entries from 0, and equal indices
    # of different processes are different events.
    names = {key.process: None for key, _ in dataset.samples()}
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))

    def drawn(sample: SampleKey, events: Events) -> Events:
        counts = _poisson_of(events.index, keys[sample.process])
        return events.with_weights(events.weights * counts)

    return dataset.map(drawn)


def bootstrap(
    number: Callable[[Dataset], _Numbers],
    dataset: Dataset,
    *,
    replicas: int,
    key: PRNGKeyArray,
) -> _Numbers:
    """What a function of the dataset gives on bootstrap replicas of it.

    Args:
        number: For instance `lambda d: expected_cls(pipeline.hard_model(d))`, or
            with several pipelines inside, for a paired comparison. It is traced, with
            the weights alone depending on the replica: a pipeline scores the events
            once for all replicas.
        dataset: All events.
        replicas: How many; the relative error of the bootstrap's standard deviation
            is 1/√(2 replicas).
        key: Random key.

    Returns:
        What `number` returns, with a leading axis of replicas.

    Raises:
        ValueError: there is not even one replica.

    Example:
        The statistical error of a sum of weights:

        >>> from neoskit import Process
        >>> sample = Process(Events([[0.0]] * 400))
        >>> dataset = Dataset({"SR": {"signal": sample}})
        >>> sums = bootstrap(
        ...     lambda d: d.channels["SR"]["signal"].nominal.weights.sum(),
        ...     dataset,
        ...     replicas=200,
        ...     key=jax.random.key(1),
        ... )
        >>> bool(abs(sums.std() - 20) < 3)  # √400
        True
    """
    check_count("bootstrap(replicas=...)", replicas)
    keys = jax.random.split(key, replicas)
    return eqx.filter_jit(eqx.filter_vmap(lambda k: number(resample(dataset, k))))(keys)


# P(n ≤ k) of the Poisson distribution with mean 1; beyond n = 12 lies 6e-11.
_CUMULATIVE = np.cumsum(np.exp(-1.0) / np.cumprod([1, *range(1, 13)]))


def _poisson_of(index: EventIndex, key: PRNGKeyArray) -> Float[Array, " events"]:
    """A Poisson number of mean 1 for each index: equal indices, equal numbers."""
    uniform = jax.vmap(lambda i: jax.random.uniform(jax.random.fold_in(key, i)))(index)
    return jnp.searchsorted(_CUMULATIVE, uniform).astype(float)
