"""Sums over events in chunks: exact, of constant memory, differentiable in every way.

A sum over N events of B numbers each need not hold N × B of them, nor need its
derivative: the derivative is again a sum over events, whose terms are computed when
they are wanted.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

#: Events per chunk, at most: enough that starting the work of a chunk does not
#: count, few enough that XLA's CPU compiler fuses the sum over a chunk with its terms
#: and holds none of them. (It calls a library for longer sums, from stored terms.)
CHUNK = 4_000

Contribution = Callable[[PyTree, PyTree, Int[Array, ""]], Float[Array, "..."]]


def in_chunks(events: Float[Array, " events"], filling: float = 0.0) -> Array:
    """Return `events` as `[chunks, events]`, one chunk if they fit, else filled up.

    Numbers of events with a suitable divisor, such as the round ones, need no filling
    and so no copy.
    """
    if events.shape[0] <= CHUNK:
        return events[None]
    size = _chunk_size(events.shape[0])
    missing = -events.shape[0] % size
    return jnp.pad(events, (0, missing), constant_values=filling).reshape(-1, size)


def in_each_chunk(events: int) -> Int[Array, " chunks"]:
    """Return how many of so many events `in_chunks` puts into each chunk."""
    if events <= CHUNK:
        return jnp.array([events])
    size = _chunk_size(events)
    before = jnp.arange(0, events, size)
    return jnp.minimum(events - before, size)


def _chunk_size(events: int) -> int:
    whole = (size for size in range(CHUNK, CHUNK // 2, -1) if events % size == 0)
    return next(whole, CHUNK)


def sum_over_events(
    contribution: Contribution,
    shared: PyTree,
    chunks: PyTree,
    passes: Int[Array, ""] | int = 1,
    *,
    most_passes: int = 1,
) -> Float[Array, "..."]:
    """Return Σ over passes k and chunks c of `contribution(shared, c, k)`.

    Accumulates in the default float type (float64 where x64 is on) and compensated, so
    that the smallest sum keeps its digits beside ten million events.

    The derivative is a custom JVP whose rule is a checkpointed scan over the same
    chunks. JAX transposes it for reverse mode and differentiates it again for second
    order, so that `jacfwd`, `grad`, `hessian`, `vmap` and `jit` all work, and none of
    them stores more than a chunk. (A custom VJP would forbid forward mode.)

    Args:
        contribution: what one chunk of events adds to the sum.
        shared: arrays that every event needs, such as bin edges.
        chunks: arrays `[chunks, events]` of what each event has of its own.
        passes: how often all events are gone through; may be traced.
        most_passes: the most that `passes` can be. Static, as reverse mode needs it;
            what exceeds `passes` is skipped at run time.
    """
    return _sum(contribution, shared, chunks, passes, most_passes=most_passes)


@eqx.filter_custom_jvp
def _sum(
    contribution: Contribution,
    shared: PyTree,
    chunks: PyTree,
    passes: Int[Array, ""] | int,
    *,
    most_passes: int,
) -> Float[Array, "..."]:
    if most_passes == 1 and _count(chunks) == 1:
        return contribution(shared, _first(chunks), 0).astype(_accumulator())

    def one_pass(k, sums):
        def add(sums, chunk):
            return _compensated(*sums, contribution(shared, chunk, k)), None

        return jax.lax.scan(add, sums, chunks)[0]

    shape = jax.eval_shape(contribution, shared, _first(chunks), 0).shape
    sums = (jnp.zeros(shape, _accumulator()),) * 2
    if most_passes == 1:
        total, lost = one_pass(0, sums)
    else:
        total, lost = jax.lax.fori_loop(0, passes, one_pass, sums)
    return total + lost


@_sum.def_jvp
def _sum_jvp(primals, tangents, *, most_passes):
    contribution, shared, chunks, passes = primals
    _, d_shared, d_chunks, _ = tangents

    def push(chunk, d_chunk, k):
        _, tangent = eqx.filter_jvp(
            lambda shared, chunk: contribution(shared, chunk, k),
            (shared, chunk),
            (d_shared, d_chunk),
        )
        return tangent.astype(_accumulator())

    def one_pass(sums, k):
        @jax.checkpoint
        def add(sums, chunk_and_tangent):
            return sums + push(*chunk_and_tangent, k), None

        return jax.lax.scan(add, sums, (chunks, d_chunks))[0]

    @jax.checkpoint
    def pass_or_skip(sums, k):
        return jax.lax.cond(k < passes, one_pass, lambda sums, k: sums, sums, k), None

    total = _sum(contribution, shared, chunks, passes, most_passes=most_passes)
    if most_passes > 1:
        nothing = jnp.zeros_like(total)
        return total, jax.lax.scan(pass_or_skip, nothing, jnp.arange(most_passes))[0]
    if _count(chunks) == 1:
        return total, push(_first(chunks), _first(d_chunks), 0)
    return total, one_pass(jnp.zeros_like(total), 0)


def _count(chunks: PyTree) -> int:
    return jax.tree.leaves(chunks)[0].shape[0]


def _first(chunks: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], chunks)


def _accumulator() -> jnp.dtype:
    return jnp.zeros(()).dtype


def _compensated(total: Array, lost: Array, term: Array) -> tuple[Array, Array]:
    """Return the new total and what its rounding has lost so far (Neumaier 1974)."""
    term = term.astype(total.dtype)
    new = total + term
    larger = jnp.abs(total) >= jnp.abs(term)
    return new, lost + jnp.where(larger, (total - new) + term, (term - new) + total)
