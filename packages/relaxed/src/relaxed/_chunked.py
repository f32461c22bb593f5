"""Sums over events in chunks: exact, of constant memory, differentiable in every way.

A sum over N events of B numbers each need not hold N × B of them, nor need its
derivative: the derivative is again a sum over events, whose terms are computed when
they are wanted.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

#: Events per chunk, at most: enough that starting the work of a chunk does not
#: count, few enough that XLA's CPU compiler fuses the sum over a chunk with its terms
#: and holds none of them. (It calls a library for longer sums, from stored terms.)
CHUNK = 4_000

Contribution = Callable[
    [PyTree, PyTree, Bool[Array, " events"], Int[Array, ""]], Float[Array, "..."]
]


def sum_over_events(
    contribution: Contribution,
    shared: PyTree,
    events: PyTree,
    shape: tuple[int, ...],
    passes: Int[Array, ""] | int = 1,
    *,
    most_passes: int = 1,
) -> Float[Array, "..."]:
    """Return Σ over passes k and chunks c of `contribution(shared, events, new, k)`.

    Accumulates in the default float type (float64 where x64 is on) and compensated, so
    that the smallest sum keeps its digits beside ten million events.

    The chunks are read where the events lie. All are of one size, so that the last one
    begins with events of the one before, which are not `new`.

    The derivative is a custom JVP whose rule is a checkpointed scan over the same
    chunks. JAX transposes it for reverse mode and differentiates it again for second
    order, so that `jacfwd`, `grad`, `hessian`, `vmap` and `jit` all work, and none of
    them stores more than a chunk. (A custom VJP would forbid forward mode.)

    Args:
        contribution: what those events of a chunk that are new add to the sum.
        shared: arrays that every event needs, such as bin edges.
        events: arrays `[events]` of what each event has of its own.
        shape: of a contribution.
        passes: how often all events are gone through; may be traced.
        most_passes: the most that `passes` can be. Static, as reverse mode needs it;
            what exceeds `passes` is skipped at run time.
    """
    return _sum(
        contribution, shared, events, passes, shape=shape, most_passes=most_passes
    )


@eqx.filter_custom_jvp
def _sum(
    contribution: Contribution,
    shared: PyTree,
    events: PyTree,
    passes: Int[Array, ""] | int,
    *,
    shape: tuple[int, ...],
    most_passes: int,
) -> Float[Array, "..."]:
    chunks = _count(events)
    if most_passes == chunks == 1:
        return contribution(shared, *_chunk(events, 0), 0).astype(_accumulator())

    def one_pass(k, sums):
        def add(sums, c):
            return _compensated(sums, contribution(shared, *_chunk(events, c), k)), None

        return jax.lax.scan(add, sums, np.arange(chunks))[0]

    sums = jnp.zeros((2, *shape), _accumulator())
    if most_passes == 1:
        sums = one_pass(0, sums)
    else:
        sums = jax.lax.fori_loop(0, passes, one_pass, sums)
    return sums[0] + sums[1]


@_sum.def_jvp
def _sum_jvp(primals, tangents, *, shape, most_passes):
    contribution, shared, events, passes = primals
    _, d_shared, d_events, _ = tangents
    chunks = _count(events)

    def push(c, k):
        chunk, new = _chunk(events, c)
        d_chunk, _ = _chunk(d_events, c, like=events)
        _, tangent = eqx.filter_jvp(
            lambda shared, chunk: contribution(shared, chunk, new, k),
            (shared, chunk),
            (d_shared, d_chunk),
        )
        return tangent.astype(_accumulator())

    def one_pass(sums, k):
        @jax.checkpoint
        def add(sums, c):
            return sums + push(c, k), None

        return jax.lax.scan(add, sums, jnp.arange(chunks))[0]

    @jax.checkpoint
    def pass_or_skip(sums, k):
        return jax.lax.cond(k < passes, one_pass, lambda sums, k: sums, sums, k), None

    total = _sum(
        contribution, shared, events, passes, shape=shape, most_passes=most_passes
    )
    if most_passes > 1:
        nothing = jnp.zeros_like(total)
        return total, jax.lax.scan(pass_or_skip, nothing, jnp.arange(most_passes))[0]
    if chunks == 1:
        return total, push(0, 0)
    return total, one_pass(jnp.zeros_like(total), 0)


def _chunk(
    events: PyTree, c: Int[Array, ""] | int, like: PyTree = None
) -> tuple[PyTree, Bool[Array, " events"]]:
    """Return the c-th chunk, and which of its events are not in the one before."""
    like = events if like is None else like
    number, chunks = _events(like), _count(like)
    size = -(-number // chunks)
    start = jnp.minimum(c * size, number - size)

    def part(x):
        return jax.lax.dynamic_slice(x, (start,), (size,), allow_negative_indices=False)

    if chunks > 1:
        events = jax.tree.map(part, events)
    return events, start + jnp.arange(size) >= c * size


def _count(events: PyTree) -> int:
    """Return in how many chunks the events are gone through."""
    return max(1, -(-_events(events) // CHUNK))


def _events(events: PyTree) -> int:
    return jax.tree.leaves(events)[0].shape[0]


def _accumulator() -> jnp.dtype:
    return jnp.zeros(()).dtype


def _compensated(
    sums: Float[Array, "2 ..."], term: Float[Array, "..."]
) -> Float[Array, "2 ..."]:
    """Return the new total and what its rounding has lost so far (Neumaier 1974).

    In one array, which XLA computes in one loop and so compiles in less time.
    """
    total, lost = sums
    term = term.astype(total.dtype)
    new = total + term
    larger = jnp.abs(total) >= jnp.abs(term)
    lost += jnp.where(larger, (total - new) + term, (term - new) + total)
    return jnp.stack([new, lost])
