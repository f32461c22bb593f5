"""Continuation: searches that reach where the likelihood is zero at their start.

With less signal than none a bin may have no expected events left while the other
parameters are at their start: no step leads from there to anywhere. A continuation begins where
the likelihood is not zero, at another value of what is held. From the minimum there it
goes on towards the wanted value, as far as the likelihood allows, to the minimum there,
and so on: each lies far from where the likelihood vanishes (S. Boyd, L. Vandenberghe,
Convex Optimization, section 11.3).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector
from .._numerics.namespace import while_loop, xp

# The shortest part of the way that is tried, and how many searches at most.
_SHORTEST, _MOST_SEARCHES = 0.5**12, 50

Carry: TypeAlias = tuple[Any, ...]
"""What is carried from step to step: point, steps, `NewtonState`, optimistix's own."""


class _Continuation(NamedTuple):
    """Where a continuation stands between two searches.

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


def continuation(
    search: Callable[[Carry], Carry],
    begin: Carry,
    inside: Vector,
    movable: Mask,
    *operands: Any,
) -> Carry:
    """A search, or as many as it takes where the function is infinite at its start.

    Args:
        search: all steps of one; moves the movable entries only.
        begin: where it starts. Entries that are not movable are wanted there.
        inside: where to begin a continuation; the function should be finite there.
        movable: entries that are fitted.
        operands: what `search` uses; see `while_loop`.

    Returns:
        The end of the last search, with the steps of all. The function's value there is
        infinite if no way was found.
    """
    wanted, none, *fresh = begin

    # A loop, though as a rule of one pass: a search before it would be compiled twice.
    def on(at: _Continuation) -> _Continuation:
        y, steps, state, *others = search((at.start, at.end[1], *fresh))
        possible, first = xp.isfinite(state.at.value), at.searches == 0
        arrived = possible & (at.part == 1)
        lost = ~possible & ~first & (at.part <= _SHORTEST)
        lost = lost | (~arrived & (at.searches + 1 == _MOST_SEARCHES))
        value = xp.where(at.part == 1, state.at.value, xp.inf)
        state = state._replace(at=state.at._replace(value=value))
        # Where no way leads on, the others' limit on the way there is what is known.
        nearest = xp.where(movable, at.origin, wanted)
        state = state._replace(y=xp.where(lost, nearest, state.y))

        origin = xp.where(possible, state.y, at.origin)
        part = xp.where(possible, 1.0, xp.where(first, 0.0, at.part / 2))
        there = xp.where(part == 1, wanted, origin + part * (wanted - origin))
        searches = at.searches + 1
        return _Continuation(
            start=xp.where(movable, origin, there),
            part=part,
            origin=origin,
            searches=searches,
            end=(y, steps, state, *others),
            done=arrived | lost,
        )

    whole = np.float64(1.0)
    start = _Continuation(wanted, whole, inside, xp.zeros_like(none), begin, np.bool_(False))
    return while_loop(
        lambda at: ~at.done, on, start, movable, operands
    ).end
