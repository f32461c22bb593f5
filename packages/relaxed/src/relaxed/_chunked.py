"""Sums over events in chunks: exact, of constant memory, differentiable in every way.

A sum over N events of B numbers each need not hold N × B of them, nor need its
derivative: the derivative is again a sum over events, whose terms are computed when
they are wanted.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

#: Events per chunk: enough to fill the vector units, few enough that a chunk times ten
#: bins stays in the second-level cache.
CHUNK = 2048


@eqx.filter_custom_jvp
def sum_over_events(
    contribution: Callable[[PyTree, PyTree], Float[Array, "..."]],
    shared: PyTree,
    events: PyTree,
) -> Float[Array, "..."]:
    """Return the sum over chunks of `events` of `contribution(shared, chunk)`.

    Accumulates in the default float type (float64 where x64 is on) and compensated, so
    that the smallest sum keeps its digits beside ten million events.

    The derivative is a custom JVP whose rule is a checkpointed scan over the same
    chunks. JAX transposes it for reverse mode and differentiates it again for second
    order, so that `jacfwd`, `grad`, `hessian`, `vmap` and `jit` all work, and none of
    them stores more than a chunk. (A custom VJP would forbid forward mode.)

    Args:
        contribution: the sum over one chunk, linear in the chunk's `"weights"`.
        shared: arrays that every event needs, such as bin edges.
        events: a dictionary of arrays whose first axis is events. The last chunk is
            filled with copies of the last event at weight zero.
    """
    if _count(events) <= CHUNK:
        return contribution(shared, events).astype(_accumulator())

    def add(carry, chunk):
        return _compensated(*carry, contribution(shared, chunk)), None

    chunks = _chunks(events)
    first = jax.tree.map(lambda x: x[0], chunks)
    zero = jnp.zeros(
        jax.eval_shape(contribution, shared, first).shape, _accumulator()
    )
    (total, lost), _ = jax.lax.scan(add, (zero, zero), chunks)
    return total + lost


@sum_over_events.def_jvp
def _sum_over_events_jvp(primals, tangents):
    contribution, shared, events = primals
    _, d_shared, d_events = tangents

    def push(chunk, d_chunk):
        _, tangent = eqx.filter_jvp(contribution, (shared, chunk), (d_shared, d_chunk))
        return tangent.astype(_accumulator())

    total = sum_over_events(contribution, shared, events)
    if _count(events) <= CHUNK:
        return total, push(events, d_events)

    @jax.checkpoint
    def add(carry, chunk_and_tangent):
        return carry + push(*chunk_and_tangent), None

    # A copy of the last event has no tangent, as its weight is zero.
    chunks = (_chunks(events), _chunks(d_events, filling="constant"))
    return total, jax.lax.scan(add, jnp.zeros_like(total), chunks)[0]


def _count(events: PyTree) -> int:
    return events["weights"].shape[0]


def _accumulator() -> jnp.dtype:
    return jnp.zeros(()).dtype


def _chunks(events: PyTree, filling: str = "edge") -> PyTree:
    """Return the leaves as `[chunks, CHUNK, ...]`."""

    def split(name: str, leaf: Array | None) -> Array | None:
        if leaf is None:  # not differentiated
            return None
        mode = "constant" if name == "weights" else filling
        missing = [(0, -leaf.shape[0] % CHUNK)] + [(0, 0)] * (leaf.ndim - 1)
        return jnp.pad(leaf, missing, mode=mode).reshape(-1, CHUNK, *leaf.shape[1:])

    return {name: split(name, leaf) for name, leaf in events.items()}


def _compensated(total: Array, lost: Array, term: Array) -> tuple[Array, Array]:
    """Return the new total and what its rounding has lost so far (Neumaier 1974)."""
    term = term.astype(total.dtype)
    new = total + term
    larger = jnp.abs(total) >= jnp.abs(term)
    return new, lost + jnp.where(larger, (total - new) + term, (term - new) + total)
