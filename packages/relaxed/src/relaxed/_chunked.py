"""Sums over events in chunks: exact, of constant memory, differentiable in every way.

A sum over N events of B numbers each need not hold N × B of them, nor need its
derivative: the derivative is again a sum over events, whose terms are computed when
they are wanted.
"""

import functools
import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, PyTree

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


# For use inside loops alone: XLA merges nothing across them, and the barrier against it
# would hide from XLA what is known, such as the edges.
_checkpoint = functools.partial(jax.checkpoint, prevent_cse=False)


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
    number = _number(events)
    chunks = _chunks(number)
    if most_passes == chunks == 1:
        chunk = _chunk(events, number, 0)
        return contribution(shared, chunk, _new(number, 0), 0).astype(_accumulator())

    def one_pass(k, sums):
        def add(sums, c):
            chunk = _chunk(events, number, c)
            term = contribution(shared, chunk, _new(number, c), k)
            return _compensated(sums, term), None

        # NumPy's array is a constant of the program, jax's would be one more loop.
        return jax.lax.scan(add, sums, np.arange(chunks))[0]

    sums = jnp.zeros(shape, jnp.result_type(_accumulator(), jnp.complex64))
    if most_passes == 1:
        sums = one_pass(0, sums)
    else:
        sums = jax.lax.fori_loop(0, passes, one_pass, sums)
    return sums.real + sums.imag


@_sum.def_jvp
def _sum_jvp(primals, tangents, *, shape, most_passes):
    contribution, shared, events, passes = primals
    _, d_shared, d_events, _ = tangents
    number = _number(events)
    chunks = _chunks(number)

    def push(c, k):
        _, tangent = eqx.filter_jvp(
            lambda shared, chunk: contribution(shared, chunk, _new(number, c), k),
            (shared, _chunk(events, number, c)),
            (d_shared, _chunk(d_events, number, c)),
        )
        return tangent.astype(_accumulator())

    def one_pass(sums, k):
        @_checkpoint
        def add(sums, c):
            return sums + push(c, k), None

        # Not NumPy's, of which the checkpoint would keep a copy, made by a loop.
        return jax.lax.scan(add, sums, jnp.arange(chunks))[0]

    def or_skip(add):
        @_checkpoint
        def either(sums, k):
            return jax.lax.cond(k < passes, add, lambda sums, k: sums, sums, k), None

        return either

    # In groups, each of which is skipped as one: skipping costs the transposed sum a
    # pass over all events.
    in_group = math.isqrt(most_passes - 1) + 1

    def one_group(sums, k):
        return jax.lax.scan(or_skip(one_pass), sums, k + jnp.arange(in_group))[0]

    total = _sum(
        contribution, shared, events, passes, shape=shape, most_passes=most_passes
    )
    if most_passes > 1 and isinstance(passes, int):
        every = _checkpoint(lambda sums, k: (one_pass(sums, k), None))
        return total, jax.lax.scan(every, jnp.zeros_like(total), np.arange(passes))[0]
    if most_passes > 1:
        firsts = jnp.arange(0, most_passes, in_group)
        sums = jnp.zeros_like(total)
        return total, jax.lax.scan(or_skip(one_group), sums, firsts)[0]
    if chunks == 1:
        return total, push(0, 0)
    return total, one_pass(jnp.zeros_like(total), 0)


def _number(events: PyTree) -> int:
    return jax.tree.leaves(events)[0].shape[0]


def _chunks(number: int) -> int:
    """Return in how many chunks so many events are gone through."""
    return max(1, -(-number // CHUNK))


def _size(number: int) -> int:
    """Return how many events are in a chunk."""
    return -(-number // _chunks(number))


def _start(number: int, c: Int[Array, ""] | int) -> Int[Array, ""] | int:
    """Return where the c-th chunk begins; the last one ends with the events."""
    size = _size(number)
    if _is_even(number):
        return c * size
    return jnp.minimum(c * size, number - size)


def _chunk(events: PyTree, number: int, c: Int[Array, ""] | int) -> PyTree:
    """Return the events of the c-th chunk."""
    if _chunks(number) == 1:
        return events
    start, size = (_start(number, c),), (_size(number),)
    return jax.tree.map(
        lambda x: jax.lax.dynamic_slice(x, start, size, allow_negative_indices=False),
        events,
    )


def _new(number: int, c: Int[Array, ""] | int) -> Bool[Array, " events"]:
    """Return which events of the c-th chunk are not in the one before."""
    size = _size(number)
    if _is_even(number):
        return jnp.ones(size, bool)
    return _start(number, c) + jnp.arange(size) >= c * size


def _is_even(number: int) -> bool:
    """Return whether no chunk has events of another."""
    return number == _chunks(number) * _size(number)


def _accumulator() -> jnp.dtype:
    return jnp.zeros(()).dtype


def _compensated(sums: Complex[Array, "..."], term: Float[Array, "..."]) -> Array:
    """Return the new total and, as its imaginary part, what rounding has lost so far.

    The error of the sum of two numbers is exact (Knuth, TAOCP 2, 4.2.2, theorem B). In
    one complex array, which XLA computes in one loop and so compiles in less time.
    """
    total, lost = sums.real, sums.imag
    term = term.astype(total.dtype)
    new = total + term
    added = new - total
    lost += (total - (new - added)) + (term - added)
    return jax.lax.complex(new, lost)
