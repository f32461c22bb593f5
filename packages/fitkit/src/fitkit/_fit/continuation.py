"""Searches that reach where the likelihood is zero at their start.

With less signal than none a bin may have no expected events left while the other
parameters are at their start: no step leads from there to anywhere. A walk begins where
the likelihood is not zero, at another value of what is held. From the minimum there it
goes on towards the wanted value, as far as the likelihood allows, to the minimum there,
and so on: each lies far from where the likelihood vanishes (S. Boyd, L. Vandenberghe,
Convex Optimization, section 11.3).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector

# The shortest part of the way that is tried, and how many searches at most.
_SHORTEST, _MOST_SEARCHES = 0.5**12, 50

Carry: TypeAlias = tuple[Any, ...]
"""What optimistix carries from step to step: point, steps, `NewtonState`, others."""


class _Walk(NamedTuple):
    """Where a walk stands between two searches.

    Attributes:
        start: of the next search.
        part: of the way from `origin` to what is wanted that it tries; 0 is `origin`.
        origin: the last minimum on the way.
        searches: how many there were.
        end: how the last one ended.
        done: whether it was the last.
    """

    start: Vector
    part: Float[Array, ""]
    origin: Vector
    searches: Int[Array, ""]
    end: Carry
    done: Bool[Array, ""]


def walk(
    search: Callable[[Carry], Carry], begin: Carry, inside: Vector, movable: Mask
) -> Carry:
    """A search, or as many as it takes where the function is infinite at its start.

    Args:
        search: all steps of one; moves the movable entries only.
        begin: where it starts. Entries that are not movable are wanted there.
        inside: where to begin a walk; the function should be finite there.
        movable: entries that are fitted.

    Returns:
        The end of the last search, with the steps of all. The function's value there is
        infinite if no way was found.
    """
    wanted, none, *fresh = begin

    # A loop, though as a rule of one pass: a search before it would be compiled twice.
    def on(at: _Walk) -> _Walk:
        y, steps, state, *others = search((at.start, at.end[1], *fresh))
        possible, first = jnp.isfinite(state.at.value), at.searches == 0
        arrived = possible & (at.part == 1)
        lost = ~possible & ~first & (at.part <= _SHORTEST)
        value = jnp.where(at.part == 1, state.at.value, jnp.inf)
        state = eqx.tree_at(lambda state: state.at.value, state, value)

        origin = jnp.where(possible, state.y, at.origin)
        part = jnp.where(possible, 1.0, jnp.where(first, 0.0, at.part / 2))
        there = jnp.where(part == 1, wanted, origin + part * (wanted - origin))
        searches = at.searches + 1
        return _Walk(
            start=jnp.where(movable, origin, there),
            part=part,
            origin=origin,
            searches=searches,
            end=(y, steps, state, *others),
            done=arrived | lost | (searches == _MOST_SEARCHES),
        )

    whole = jnp.ones((), wanted.dtype)
    start = _Walk(wanted, whole, inside, jnp.zeros_like(none), begin, jnp.array(False))
    return jax.lax.while_loop(lambda at: ~at.done, on, start).end
