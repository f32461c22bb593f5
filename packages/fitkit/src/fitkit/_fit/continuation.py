"""Continuation: searches that arrive where one from their start does not.

*Where the likelihood is zero at the start.* With less signal than none a bin may have
no expected events left while the other parameters are at their start: no step leads
from there to anywhere. A continuation begins where the likelihood is not zero, at
another value of what is fixed. From the minimum there it goes on towards the wanted
value, as far as the likelihood allows, to the minimum there, and so on: each lies far
from where the likelihood vanishes (S. Boyd, L. Vandenberghe, Convex Optimization,
section 11.3).

*Where a search gives up.* A minimum may lie where the rate of some bin is all but zero:
a wall, along which steps are short. A barrier keeps the search away from it, in a
series of searches in which the barrier vanishes (the same, sections 11.2 and 11.3).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractObjective
from .._numerics.namespace import while_loop, xp

# The shortest part of the way that is tried, and how many searches at most.
_SHORTEST, _MOST_SEARCHES = 0.5**12, 50
# The first barrier, in counts, how it vanishes, and the last.
_FIRST_BARRIER, _LESS_BARRIER, _LAST_BARRIER = 1.0, 0.1, 1e-9

Carry: TypeAlias = tuple[Any, ...]
"""What is carried from step to step: point, steps, `NewtonState`, optimistix's own."""


class _Continuation(NamedTuple):
    """Where it stands between two searches.

    Attributes:
        start: of the next search.
        part: of the way from `origin` to what is wanted that it tries; 0 is `origin`.
        origin: the last minimum on the way.
        barrier: its strength in the next search.
        behind: whether barriers have been tried.
        searches: how many there were.
        end: how the last one ended.
        done: whether it was the last.
    """

    start: Vector
    part: Float[Array, ""]
    origin: Vector
    barrier: Float[Array, ""]
    behind: Bool[Array, ""]
    searches: Int[Array, ""]
    end: Carry
    done: Bool[Array, ""]


def continuation(
    search: Callable[[Carry], Carry],
    begin: Carry,
    inside: Vector,
    movable: Mask,
    objective: AbstractObjective,
) -> Carry:
    """A search, or as many as it takes where the first does not arrive.

    Args:
        search: all steps of one; moves the movable entries only.
        begin: where it starts. Entries that are not movable are wanted there.
        inside: where to begin a continuation; the function should be finite there.
        movable: entries that are fitted.
        objective: what is minimised.

    Returns:
        The end of the last search, with the steps of all. The function's value there is
        infinite if no way was found.
    """
    wanted, none, fresh, *others = begin

    # A loop, though as a rule of one pass: a search before it would be compiled twice.
    def on(at: _Continuation) -> _Continuation:
        y, steps, state, *rest = search(
            (at.start, at.end[1], fresh._replace(barrier=at.barrier), *others)
        )
        possible, first = xp.isfinite(state.at.value), at.searches == 0
        there = possible & (at.part == 1)
        last = at.searches + 1 == _MOST_SEARCHES
        lost = ~possible & ~first & (at.part <= _SHORTEST)
        lost = lost | (~there & last)
        value = xp.where(at.part == 1, state.at.value, xp.inf)
        state = state._replace(at=state.at._replace(value=value))
        # Where no way leads on, the others' limit on the way there is what is known.
        nearest = xp.where(movable, at.origin, wanted)
        state = state._replace(y=xp.where(lost, nearest, state.y))

        stopped = there & ~state.done & ~at.behind & objective.has_barrier
        weaker = at.barrier * _LESS_BARRIER
        weaker = xp.where(weaker < _LAST_BARRIER, 0.0, weaker)
        arrived = there & (at.barrier == 0) & ~stopped
        origin = xp.where(possible, state.y, at.origin)
        part = xp.where(possible, 1.0, xp.where(first, 0.0, at.part / 2))
        towards = xp.where(part == 1, wanted, origin + part * (wanted - origin))
        return _Continuation(
            start=xp.where(movable, origin, towards),
            part=part,
            origin=origin,
            barrier=xp.where(stopped, _FIRST_BARRIER, weaker),
            behind=at.behind | stopped,
            searches=at.searches + 1,
            end=(y, steps, state, *rest),
            done=arrived | lost | last,
        )

    zero, no = np.float64(0.0), np.bool_(False)
    start = _Continuation(
        wanted, np.float64(1.0), inside, zero, no, xp.zeros_like(none), begin, no
    )
    return while_loop(lambda at: ~at.done, on, start, movable, objective).end
