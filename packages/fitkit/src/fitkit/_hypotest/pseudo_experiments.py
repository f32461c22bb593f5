r"""Pseudo-experiments: how they are made, in chunks, here or by workers.

What an experiment gives depends on the key and its number alone, not on how many are
made at once, nor where.
"""

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .._custom_types import Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._numerics import random
from .._numerics.compiled import numpy_or_compiled, runs_on_numpy
from .._numerics.namespace import concrete, traced, xp

# Two values of a statistic that differ by less than this, relative and absolute, are
# the same outcome: fits of equal counts differ by rounding.
_SAME = 1e-9
# Pseudo-experiments that a worker of an executor makes at once: seconds, as a rule.
_OF_A_WORKER = 250


@final
class Toys(eqx.Module):
    """The distributions of a test statistic by pseudo-experiments.

    Attributes:
        key: random key.
        n: pseudo-experiments for each of the two hypotheses.
        chunk: how many are in memory together; changes no result.
        progress: called with how many of how many are done; by default nothing is told.
        executor: makes chunks, of 250 at most then, side by side: any
            `concurrent.futures.Executor`, such as a `ProcessPoolExecutor` that spawns,
            or Dask's `Client.get_executor()`; by default this process. What a worker
            needs must pickle, as models of documents do. Changes no result.

    Example:
        >>> import jax
        >>> Toys(jax.random.key(0), 500).n
        500
    """

    key: PRNGKeyArray
    n: int = eqx.field(static=True, default=2000)
    chunk: int = eqx.field(static=True, default=10_000)
    progress: Callable[[int, int], object] | None = eqx.field(static=True, default=None)
    executor: concurrent.futures.Executor | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        for name in ("n", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`Toys({name}=...)` must be at least 1; got {getattr(self, name)}."
                )

    def of_hypotheses(self) -> tuple["Toys", "Toys"]:
        """Those of the tested hypothesis and of the alternative."""
        sb, b = jax.random.split(self.key)
        return self.with_key(sb), self.with_key(b)

    def with_key(self, key: PRNGKeyArray) -> "Toys":
        """The same, from another key."""
        return Toys(key, self.n, self.chunk, self.progress, self.executor)


@numpy_or_compiled
def drawn(
    likelihood: AbstractNegativeLogLikelihood,
    truth: Vector,
    key: PRNGKeyArray,
    numbers: Array,
) -> Any:
    """The observations of pseudo-experiments, with a leading axis."""
    if runs_on_numpy(likelihood, truth, key):
        each = [
            likelihood.sample(random.generator(key, int(number)), truth)
            for number in numbers
        ]
        return jax.tree.map(lambda *x: np.stack(x), *each)
    return jax.vmap(
        lambda number: likelihood.sample(jax.random.fold_in(key, number), truth)
    )(numbers)


@final
class Chunk(NamedTuple):
    """Some of the pseudo-experiments.

    Attributes:
        key: from which they all are made.
        numbers: which of them, `[some]`.
        known: what is known of each, with a leading axis, or None.
    """

    key: Array
    numbers: np.ndarray
    known: Any


def for_each_chunk(
    toys: Toys,
    function: Callable[..., Any],
    common: Any,
    known: Any = None,
    later: int = 0,
) -> Any:
    """Call `function(common, chunk, progress, ahead)` for all pseudo-experiments.

    Args:
        toys: how many, from which key, and where.
        function: of a module, for workers in other processes.
        common: what all chunks share.
        known: of each pseudo-experiment, with a leading axis.
        later: how many will be made in the same way afterwards.
    """
    if toys.executor is not None:
        return _elsewhere(toys, toys.executor, function, common, known)
    parts = []
    for chunk in _chunks(toys, toys.chunk, toys.key, known):
        first, ahead = chunk.numbers[0], toys.n - chunk.numbers[-1] - 1 + later
        tell = toys.progress and (
            lambda done, _, first=first: toys.progress(first + done, toys.n)
        )
        parts.append(function(common, chunk, tell, ahead))
    return jax.tree.map(lambda *x: xp.concatenate(x), *parts)


def _chunks(toys: Toys, size: int, key: Array, known: Any) -> Iterator[Chunk]:
    for first in range(0, toys.n, size):
        last = min(first + size, toys.n)
        own = jax.tree.map(lambda x, a=first, b=last: x[a:b], known)
        yield Chunk(key, np.arange(first, last), own)


def _elsewhere(
    toys: Toys,
    executor: concurrent.futures.Executor,
    function: Callable[..., Any],
    common: Any,
    known: Any,
) -> Any:
    """All chunks by the workers of an executor."""
    if traced(common, known, toys.key):
        raise ValueError(
            "`Toys(executor=...)` works with concrete numbers: traced ones cannot "
            "leave this process. Leave the executor out inside `jax.jit`."
        )
    # A key of jax's own type does not pickle; its numbers do.
    size, key = min(toys.chunk, _OF_A_WORKER), random.raw(toys.key)
    futures = [
        executor.submit(function, common, chunk)
        for chunk in _chunks(toys, size, key, concrete(known))
    ]
    done = 0
    try:
        for future in concurrent.futures.as_completed(futures):
            done = min(done + size, toys.n) if future.exception() is None else done
            if toys.progress is not None:
                toys.progress(done, toys.n)
        return jax.tree.map(
            lambda *x: np.concatenate(x), *(future.result() for future in futures)
        )
    finally:
        for future in futures:
            future.cancel()


def ratio(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """a / b, NaN where b is 0."""
    empty = b == 0
    return xp.where(empty, xp.nan, a / xp.where(empty, 1.0, b))


def tail_of(toys: Float[Array, " toys"], value: Float[Array, "..."]) -> Array:
    """The part of the toys at or above each value; a failed toy does not count."""
    ordered = xp.sort(toys)  # NaN last
    count = xp.sum(~xp.isnan(toys))
    at_least = value - _SAME * (1 + xp.abs(value))
    at_least = xp.where(value == np.inf, np.inf, at_least)
    below = xp.searchsorted(ordered, at_least, side="left")
    tail = ratio(count - xp.minimum(below, count), 1.0 * count)
    return xp.where(xp.isnan(value), xp.nan, tail)


def tail_error(toys: Float[Array, " toys"], p: Array) -> Array:
    """The binomial error of a tail."""
    count = 1.0 * xp.sum(~xp.isnan(toys))
    return xp.maximum(xp.sqrt(ratio(p * (1 - p), count)), ratio(1.0, count))
