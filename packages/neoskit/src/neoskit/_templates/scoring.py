"""What an observable says of all events, in one call."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from .._custom_types import Features, Scalar
from .._events import Dataset, SampleKey
from .._observable import AbstractObservable, Scored

Scores = dict[SampleKey, Scored]
"""What an observable says of the events of every scored sample."""


def scores(
    dataset: Dataset, observable: AbstractObservable, bandwidth: Scalar | None
) -> Scores:
    """What the observable says of all scored events, computed in one call for all.

    Args:
        dataset: the events.
        observable: scores them.
        bandwidth: how smooth its decisions are; `None` asks for hard ones.
    """
    samples = dict(dataset.scored_samples())
    if not samples:
        return {}
    # Where weights alone vary, the nominal events are scored for all.
    owners = dataset.features_of()
    distinct = [key for key, owner in owners.items() if key == owner]
    features = [samples[key].features for key in distinct]
    if bandwidth is None and not is_traced((observable, features)):
        # At once: one program for the observable alone, whatever the samples are.
        scored = jax.tree.map(
            np.asarray, _score_compiled(observable, np.concatenate(features))
        )
    elif bandwidth is None:
        scored = _score_in_pieces(observable, jnp.concatenate(features))
    else:
        scored = observable(jnp.concatenate(features), bandwidth)
        # Without the barrier XLA draws the network's last layers into each histogram
        # and computes them for every sample: a quarter more for a narrow network.
        scored = jax.lax.optimization_barrier(scored)
    # Split and not sliced: the derivative of one slice is as long as all of them.
    sizes = [len(samples[key]) for key in distinct]
    leaves, structure = jax.tree.flatten(scored)
    split = zip(*(_split(leaf, sizes) for leaf in leaves), strict=True)
    parts = {
        key: jax.tree.unflatten(structure, each)
        for key, each in zip(distinct, split, strict=True)
    }
    return {key: parts[owner] for key, owner in owners.items()}


def _split(
    values: Array | np.ndarray, sizes: Sequence[int]
) -> Sequence[Array] | Sequence[np.ndarray]:
    if isinstance(values, jax.Array):
        return jax.lax.split(values, sizes)
    return np.split(values, np.cumsum(sizes)[:-1])


def is_traced(tree: PyTree) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


# Activations of a wide network for all events at once may not fit into memory: where
# no derivative is asked for, this many events are scored at a time.
_EVENTS_AT_ONCE = 16_384


def _score_in_pieces(observable: AbstractObservable, features: Features) -> Scored:
    count = len(features)
    pieces = -(-count // _EVENTS_AT_ONCE)
    if pieces <= 1:
        return observable(features, None)
    size = -(-count // pieces)
    # The last piece is filled up with copies of an event, and cut off again below.
    padded = jnp.pad(features, ((0, pieces * size - count), (0, 0)), mode="edge")
    stacked = padded.reshape(pieces, size, -1)
    scored = jax.lax.map(lambda piece: observable(piece, None), stacked)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], scored)


_score_compiled = eqx.filter_jit(_score_in_pieces)
