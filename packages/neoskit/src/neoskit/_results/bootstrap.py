"""Bootstrap over events: how much of a number is the luck of the sample.

Each replica weights every event with a Poisson number of mean 1, the same in all
samples that hold the event: a shifted copy is drawn with its nominal event, and two
pipelines that are compared see the same draws, so that their difference has the
small error of a paired comparison.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Float

from .._checks import check_count
from .._custom_types import EventIndex, PerEvent
from .._events import Dataset, Events, SampleKey, hash_of_index

_Numbers = TypeVar("_Numbers")


def resample(dataset: Dataset, seed: int, replica: int = 0) -> Dataset:
    """One bootstrap replica: every weight times a Poisson number of mean 1.

    Args:
        dataset: All events. The number of an event depends on seed, replica, process
            and index, so it is the same in every channel and variation of a process.
        seed: Another seed gives other replicas.
        replica: Which of them.

    Example:
        >>> from neoskit import Process
        >>> sample = Process(Events([[0.0], [1.0], [2.0]]))
        >>> dataset = Dataset({"SR": {"signal": sample}})
        >>> replica = resample(dataset, seed=0)
        >>> replica.channels["SR"]["signal"].nominal.weights.shape
        (3,)
    """
    # A stream for each process: two files count their entries from 0, and equal indices
    # of different processes are different events.
    names = dict.fromkeys(key.process for key, _ in dataset.samples())
    words = {
        name: np.random.SeedSequence([seed, replica, *name.encode()]).generate_state(2)
        for name in names
    }

    def drawn(sample: SampleKey, events: Events) -> PerEvent:
        counts = _poisson_of(np.asarray(events.index), words[sample.process])
        return events.weights * counts

    return dataset.with_weights(drawn)


def bootstrap(
    number: Callable[[Dataset], _Numbers],
    dataset: Dataset,
    *,
    replicas: int,
    seed: int = 0,
) -> _Numbers:
    """What a function of the dataset gives on bootstrap replicas of it.

    Args:
        number: For instance `lambda d: expected_cls(pipeline.hard_model(d))`, or
            with several pipelines inside, for a paired comparison. Called once for each
            replica, on NumPy's arrays.
        dataset: All events.
        replicas: How many; the relative error of the bootstrap's standard deviation
            is 1/√(2 replicas).
        seed: Another seed gives other replicas.

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
        ...     seed=1,
        ... )
        >>> bool(abs(sums.std() - 20) < 3)  # √400
        True
    """
    check_count("bootstrap(replicas=...)", replicas)
    each = [number(resample(dataset, seed, replica)) for replica in range(replicas)]

    def stacked(*values: Any) -> Float[np.ndarray, "replicas ..."]:
        return np.stack([np.asarray(value) for value in values])

    return jax.tree.map(stacked, *each)


# P(n ≤ k) of the Poisson distribution with mean 1; beyond n = 12 lies 6e-11.
_CUMULATIVE = np.cumsum(np.exp(-1.0) / np.cumprod([1, *range(1, 13)]))


def _poisson_of(index: EventIndex, words: np.ndarray) -> Float[np.ndarray, " events"]:
    """A Poisson number of mean 1 for each index: equal indices, equal numbers."""
    # Two rounds: one would leave neighbouring seeds with related numbers.
    bits = hash_of_index(hash_of_index(index, int(words[0])), int(words[1]))
    uniform = (bits + 0.5) / 2.0**32
    return np.searchsorted(_CUMULATIVE, uniform).astype(float)
