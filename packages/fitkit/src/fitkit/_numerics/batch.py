"""Many fits: one after the other on NumPy; in one program side by side or in turn."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compiled import runs_on_numpy

# Up to so many parameters fits go side by side, one step of all at a time; above they
# go in turn. Side by side every lane takes both branches of each condition and as many
# steps as the slowest, which the larger matrices stop hiding. CPU time of `hypotest`
# side by side over that in turn, 32 lanes (8 of the last): 0.6 with 15 parameters, 0.8
# with 30, 1.15 with 45, 1.6 with 64.
_MOST_PARAMETERS = 40
# How many are in memory together.
_SIDE_BY_SIDE = 64


def in_batch(
    function: Callable[[Any], Any], batch: Any, parameters: int, *operands: Any
) -> Any:
    """Apply a function that fits to every member of a batch.

    Args:
        function: of one member.
        batch: a tree of arrays with a leading axis.
        parameters: of each fit; how many decides whether fits go side by side.
        operands: what the function uses beside its argument: where any of it is traced,
            the batch is.
    """
    count = jax.tree.leaves(batch)[0].shape[0]
    if runs_on_numpy(batch, *operands) and count:
        results = [
            function(jax.tree.map(lambda x, i=i: x[i], batch)) for i in range(count)
        ]
        return jax.tree.map(lambda *x: np.stack(x), *results)
    batch = jax.tree.map(jnp.asarray, batch)
    if parameters > _MOST_PARAMETERS:
        return jax.lax.map(function, batch)
    if count <= _SIDE_BY_SIDE:
        return jax.vmap(function)(batch)
    chunks = -(-count // _SIDE_BY_SIDE)
    missing = chunks * _SIDE_BY_SIDE - count

    # Sizes are written out: a leaf may have no entries, from which none can be found.
    def chunked(x: jax.Array) -> jax.Array:
        # The last fit again and again, so that all chunks are of one size; `lax.map`
        # with `batch_size` would compile a second program for those that are left.
        whole = jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)])
        return whole.reshape(chunks, _SIDE_BY_SIDE, *x.shape[1:])

    def as_given(x: jax.Array) -> jax.Array:
        return x.reshape(chunks * _SIDE_BY_SIDE, *x.shape[2:])[:count]

    out = jax.lax.map(jax.vmap(function), jax.tree.map(chunked, batch))
    return jax.tree.map(as_given, out)
