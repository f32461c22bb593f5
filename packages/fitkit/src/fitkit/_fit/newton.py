r"""A bounded Newton minimiser with exact second derivatives.

Each step minimises the quadratic model inside the box, as `box` does. Where the Hessian
is not positive definite, a convex stand-in takes its place; where that falls short,
because the function falls away faster than any convex one, the Hessian itself does with
as much added as makes it positive definite. A step that does not lower the function is
taken back and damped.

Convergence is judged by the *estimated distance to the minimum* (EDM), as Minuit users
know it: half of \(g^T H^{-1} g\) over the free entries.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractObjective, Derivatives
from .._numerics.bordered_matrix import (
    Blocks,
    Bordered,
    Factor,
    factorise,
    scale_of,
    unfactorised,
)
from .._numerics.namespace import choose, cond, traced, while_loop, xp
from .box import Box, Quadratic, minimise_in_box, pushed_out

# After so many steps a search is given up; one that succeeds rarely needs twenty.
MOST_STEPS = 200
# Damping, in units of the Hessian's diagonal: least value after a rejected step,
# factors. A rejected step is shortened at most by the third of these and at least by
# the fourth, as the parabola through the two values says.
_FIRST_DAMPING = 1e-12
_MORE, _LESS = 2.0, 0.1
# The same where there was no step at all.
_REPAIR, _MUCH_MORE = 1e-6, 100.0
_SHORTEST, _LONGEST = 0.1, 0.5
_LARGEST_DAMPING = 1e12
# Least damping of the Hessian, in the same units: a direction that the data do not
# determine has an eigenvalue of 1e-16 of either sign. It is no saddle, and the distance
# to the minimum is known all the same. What is determined to 1e-6 in natural units
# still gains four digits with each step.
_FLAT = 1e-10
# Least damping of the convex stand-in, which may be singular.
_RIDGE = 1e-9
# What is added to an indefinite Hessian, in units of the stand-in's diagonal.
_FIRST_SHIFT, _MORE_SHIFT, _LARGEST_SHIFT = 0.01, 2.0, 20.0
# How much less is tried after a step that was good, and the least.
_LESS_SHIFT, _LEAST_SHIFT = 0.1, 1e-9
# Damping of this part of the curvature along a step changes nothing that matters.
_NEGLIGIBLE = 1e-3
# A step that brings more than this times what the convex stand-in promises shows that
# the stand-in falls short.
_BEYOND = 1.5
# Where all derivatives, in units of each entry's width, are below the first and the
# Hessian is indefinite, a saddle is near; below the second the search rests on it, as
# on a variation whose two sides are equal, and is pushed off by the third.
_NEAR_SADDLE, _ON_SADDLE, _PUSH = 1e-3, 1e-6, 0.1
# A step must bring this part of the decrease that the quadratic model promises.
_SUFFICIENT = 1e-4
# Relative rounding of the function value: smaller changes cannot be judged.
_ROUNDING = 1e-13


class NewtonState(NamedTuple):
    """The best point so far, and how to go on from it.

    Attributes:
        y: the best point.
        at: function and derivatives there; one-sided at a kink.
        promised: the decrease that the quadratic model promises for the next point.
        stiffness: the curvature of the model along the step to it, in units of the
            damping.
        damping: added to the Hessian's diagonal, in units of that diagonal.
        short: whether the convex stand-in fell short in the step before.
        shift: what then was added to the Hessian, in the same units.
        edm: estimated distance to the minimum.
        last: whether the next point is the last, final Newton step.
        done: whether the minimum is found.
        stuck: whether no damped step lowers the function, or too many were made.
        steps: how many were made.
        barrier: strength of the barrier that keeps rates away from 0; see
            `continuation.py`.
    """

    y: Vector
    at: Derivatives
    promised: Float[Array, ""]
    stiffness: Float[Array, ""]
    damping: Float[Array, ""]
    short: Bool[Array, ""]
    shift: Float[Array, ""]
    edm: Float[Array, ""]
    last: Bool[Array, ""]
    done: Bool[Array, ""]
    stuck: Bool[Array, ""]
    steps: Int[Array, ""]
    barrier: Float[Array, ""]


def initial_state(objective: AbstractObjective, y: Vector) -> NewtonState:
    """Before the first evaluation: nothing is known, any point is better."""
    zero, infinite, no = np.float64(0.0), np.float64(np.inf), np.bool_(False)
    nothing = objective.no_derivatives() if traced(objective, y) else _UNKNOWN
    return NewtonState(
        y=y,
        at=nothing,
        promised=zero,
        stiffness=zero,
        damping=zero,
        short=no,
        shift=np.float64(_FIRST_SHIFT),
        edm=infinite,
        last=no,
        done=no,
        stuck=no,
        steps=np.int64(0),
        barrier=zero,
    )


# Concrete, the first point takes the place of this whatever its shapes are.
_UNKNOWN = Derivatives(
    np.float64(np.inf), np.zeros(()), None, Blocks(None), Blocks(None)
)


def newton_step(
    objective: AbstractObjective,
    y: Vector,
    box: Box,
    state: NewtonState,
    edm_tolerance: float,
) -> tuple[Vector, NewtonState]:
    """Evaluate the point that the step before proposed, and propose the next.

    Args:
        objective: what is minimised.
        y: that point.
        box: where the search may go.
        state: the search so far.
        edm_tolerance: below this estimated distance one last step ends the search.
    """
    objective = objective.with_barrier(state.barrier)
    here, side = _evaluate(objective, y, box)
    if state.at is _UNKNOWN:
        # Nothing is better than an infinite value, but of the shapes of this point.
        state = state._replace(at=here._replace(value=_UNKNOWN.value))
    noise = _ROUNDING * (1 + xp.abs(here.value))
    decrease = state.at.value - here.value
    better = (decrease >= _SUFFICIENT * state.promised - noise) | state.last
    first = ~xp.isfinite(state.at.value)
    accept = xp.isfinite(here.value) & (better | first)
    best = xp.where(accept, y, state.y)
    at = choose(accept | first, here, state.at)

    # The parabola with the slope at the best point and the value at this one.
    slope = xp.sum(state.at.gradient * (y - state.y))
    ratio = xp.abs(slope) / (2 * (xp.abs(slope) - decrease))
    ratio = xp.where(xp.isfinite(ratio), ratio, _SHORTEST)
    ratio = xp.clip(ratio, _SHORTEST, _LONGEST)
    harder = state.damping + state.stiffness * (1 / ratio - 1)
    harder = xp.maximum(harder, state.damping * _MORE)
    harder = xp.maximum(harder, _FIRST_DAMPING)
    none = state.promised == np.inf
    harder = xp.where(none, xp.maximum(_MUCH_MORE * state.damping, _REPAIR), harder)
    # Less the better the model was (H. B. Nielsen, IMM-REP-1999-05): a step that brings
    # half of what it promised is as long as it should be.
    quality = xp.clip(decrease / xp.maximum(state.promised, noise), 0.0, 1.0)
    easier = state.damping * xp.maximum(_LESS, 1 - (2 * quality - 1) ** 3)
    small = xp.maximum(_FIRST_DAMPING, _NEGLIGIBLE * state.stiffness)
    easier = xp.where((easier < small) & (quality > 0.5), 0.0, easier)
    damping = xp.where(accept, easier, harder)

    beyond = ~first & (decrease > _BEYOND * state.promised)
    done = state.last & accept
    lost = ~xp.isfinite(at.value)
    # A search that is done needs no further step, which would be half of its work.
    proposal = cond(
        done | lost,
        lambda: _Proposal(
            best, state.promised, state.stiffness, state.edm, ~done, state.shift
        ),
        lambda: _propose(
            at,
            best,
            _reach(objective, best, box, xp.where(accept, side, 0.0)),
            box,
            damping,
            accept,
            state.short | beyond,
            state.shift,
        ),
    )
    return proposal.y, NewtonState(
        y=best,
        at=at,
        promised=proposal.promised,
        stiffness=proposal.stiffness,
        damping=damping,
        short=proposal.short,
        shift=proposal.shift,
        # That of the step that ended the search: here rounding is all there is.
        edm=proposal.edm,
        last=proposal.edm < edm_tolerance,
        done=done,
        stuck=(damping > _LARGEST_DAMPING) | lost | (state.steps + 1 >= MOST_STEPS),
        steps=state.steps + 1,
        barrier=state.barrier,
    )


class _Proposal(NamedTuple):
    """The next point, and what is expected of it; the names are `NewtonState`'s."""

    y: Vector
    promised: Float[Array, ""]
    stiffness: Float[Array, ""]
    edm: Float[Array, ""]
    short: Bool[Array, ""]
    shift: Float[Array, ""]


def _propose(
    at: Derivatives,
    y: Vector,
    reach: tuple[Vector, Vector],
    box: Box,
    damping: Float[Array, ""],
    accepted: Bool[Array, ""],
    fell_short: Bool[Array, ""],
    last_shift: Float[Array, ""],
) -> _Proposal:
    """The minimum in its box of a quadratic around the best point so far.

    Args:
        at: function and derivatives there.
        y: the point.
        reach: how far each entry may move, down and up.
        box: where the search may go.
        damping: added to the matrix, in units of its diagonal.
        accepted: whether the point is new.
        fell_short: whether the convex stand-in for the Hessian fell short before.
        last_shift: what was added to an indefinite Hessian before.
    """
    movable, (low, high) = box.movable, reach
    # The exact Hessian where it is convex on the entries that may move.
    pushed = pushed_out(at.gradient, low, high)
    free, width = movable & ~pushed, scale_of(at.convex)
    steepest = xp.max(xp.where(free, xp.abs(at.gradient) / width, 0.0), initial=0.0)
    short = accepted & (fell_short | (steepest < _NEAR_SADDLE))
    # As long as such steps are good they grow: where the curvature is small and
    # negative, one as large as it was before would crawl.
    least = xp.where(accepted, last_shift * _LESS_SHIFT, last_shift)
    matrix, positive, factor, known, shift = _positive_definite(
        at, free, width, short, xp.maximum(least, _LEAST_SHIFT)
    )
    shift = xp.where(short & ~positive, shift, _FIRST_SHIFT)
    weight = width**2
    matrix = matrix.plus(damping * weight)
    on_saddle = ~positive & (steepest < _ON_SADDLE)
    # No eigenvector of a model is orthogonal to this but by an odd chance.
    generic = 0.5 + xp.mod(0.618 * xp.arange(y.shape[0]), 1.0)
    gradient = at.gradient - xp.where(on_saddle, _PUSH * generic * width, 0.0)
    known = known & (damping == 0)
    step = minimise_in_box(
        Quadratic(gradient, matrix, width, low, high, factor, known), movable
    )
    # No step where the matrix is indefinite on an entry that its bound let go, or so
    # nearly singular that the solution is none: the next is damped more, from here.
    promised = -(at.gradient @ step + step @ (matrix @ step) / 2)
    # A push off a saddle promises nothing; comparisons with NaN are false.
    sensible = (promised >= -_ROUNDING * (1 + xp.abs(at.value))) | on_saddle
    possible = xp.all(xp.isfinite(step)) & sensible
    step = xp.where(possible, step, 0.0)
    promised = xp.where(possible, promised, xp.inf)
    stiffness = step @ (matrix @ step) / xp.maximum(step**2 @ weight, 1e-300)

    lower, upper = box.lower, box.upper
    new_y = xp.clip(y + step, lower, upper)
    # Rounding must not leave an entry beside the bound that it was put on.
    new_y = xp.where(step == lower - y, lower, new_y)
    new_y = xp.where(step == upper - y, upper, new_y)
    return _Proposal(
        y=xp.where(movable & xp.isfinite(new_y), new_y, y),
        promised=promised,
        stiffness=stiffness,
        edm=xp.where(positive & (damping <= _NEGLIGIBLE * stiffness), promised, xp.inf),
        short=short & ~positive,
        shift=shift,
    )


def _positive_definite(
    at: Derivatives,
    free: Mask,
    width: Vector,
    short: Bool[Array, ""],
    least: Float[Array, ""],
) -> tuple[Bordered, Bool[Array, ""], Factor, Bool[Array, ""], Float[Array, ""]]:
    """The Hessian, or what takes its place where it is not positive definite.

    Args:
        at: function and derivatives.
        free: entries on which the matrix must be positive definite.
        width: the natural units.
        short: whether the convex stand-in fell short, so that the Hessian is wanted,
            with as much added as makes it positive definite.
        least: what is tried first to add, if the Hessian is not positive definite.

    Returns:
        The matrix, whether it is the Hessian, its factor with whether it is known, and
        what was added to it.
    """
    scale = width**2

    def shifted(shift: Array) -> Bordered:
        return at.hessian.plus(shift * scale)

    def indefinite(carry):
        shift, next_shift, positive, _ = carry
        return ~positive & ((shift == 0) | (short & (next_shift < _LARGEST_SHIFT)))

    def more(carry):
        _, shift, _, _ = carry
        factor, positive = factorise(shifted(shift), free, width)
        return shift, xp.maximum(_MORE_SHIFT * shift, least), positive, factor

    none = xp.zeros_like(at.value)
    start = (none, none + _FLAT, xp.array(False), unfactorised(at.hessian))
    shift, _, positive, factor = while_loop(indefinite, more, start, at, width)
    matrix = choose(positive, shifted(shift), at.convex.plus(_RIDGE * scale))
    return matrix, positive & (shift == _FLAT), factor, positive, shift


def _evaluate(
    objective: AbstractObjective, y: Vector, box: Box
) -> tuple[Derivatives, Vector]:
    """Function and derivatives at `y`, and to which side each kink there is left."""
    side = xp.zeros_like(y)
    if objective.has_kinks:
        right, left = objective.gradient(y, 1.0), objective.gradient(y, -1.0)
        chosen = kink_side(right, left, box.side)
        side = xp.where(objective.kinks() & (y == 0), chosen, 0.0)
    return objective.derivatives(y, side), side


def _reach(
    objective: AbstractObjective, y: Vector, box: Box, side: Vector
) -> tuple[Vector, Vector]:
    """How far each entry may move: to its bounds, and no further than to a kink."""
    low, high = box.lower - y, box.upper - y
    if objective.has_kinks:
        kinked = objective.kinks()
        # A step ends at the kink that it would cross, and stays where both sides rise.
        low = xp.where(kinked & ((y > 0) | (side > 0)), xp.maximum(low, -y), low)
        high = xp.where(kinked & ((y < 0) | (side < 0)), xp.minimum(high, -y), high)
        pinned = kinked & (y == 0) & (side == 0)
        low, high = xp.where(pinned, 0.0, low), xp.where(pinned, 0.0, high)
    return low, high


def kink_side(right: Vector, left: Vector, prefer: Array) -> Vector:
    """Where to leave a kink: +1, -1, or 0 where both sides rise.

    Args:
        right, left: derivatives from the right and from the left.
        prefer: the side to take where both descend.
    """
    falls_right, falls_left = right < 0, left > 0
    return xp.where(
        falls_right & falls_left,
        prefer,
        xp.where(falls_right, 1.0, xp.where(falls_left, -1.0, 0.0)),
    )
