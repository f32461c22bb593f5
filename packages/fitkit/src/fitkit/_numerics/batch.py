"""Many fits in one program: side by side, or in turn."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

# Up to so many parameters fits go side by side, one step of all at a time; above they
# go in turn. Side by side every lane takes both branches of each condition and as many
# steps as the slowest, which the larger matrices stop hiding. CPU time of `hypotest`
# side by side over that in turn, 32 lanes (8 of the last): 0.6 with 15 parameters, 0.8
# with 30, 1.15 with 45, 1.6 with 64.
_MOST_PARAMETERS = 40
# How many are in memory together.
_LANES = 64


def in_lanes(function: Callable[[Any], Any], lanes: Any, parameters: int) -> Any:
    """Apply a function that fits to every lane.

    Args:
        function: of one lane.
        lanes: a tree of arrays with a leading axis of lanes.
        parameters: of each fit; how many decides whether lanes go side by side.
    """
    if parameters > _MOST_PARAMETERS:
        return jax.lax.map(function, lanes)
    count = jax.tree.leaves(lanes)[0].shape[0]
    if count <= _LANES:
        return jax.vmap(function)(lanes)
    chunks = -(-count // _LANES)
    missing = chunks * _LANES - count

    # Sizes are written out: a leaf may have no entries, from which none can be found.
    def chunked(x: jax.Array) -> jax.Array:
        # The last lane again and again, so that all chunks are of one size; `lax.map`
        # with `batch_size` would compile a second program for those that are left.
        whole = jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)])
        return whole.reshape(chunks, _LANES, *x.shape[1:])

    def as_given(x: jax.Array) -> jax.Array:
        return x.reshape(chunks * _LANES, *x.shape[2:])[:count]

    out = jax.lax.map(jax.vmap(function), jax.tree.map(chunked, lanes))
    return jax.tree.map(as_given, out)
