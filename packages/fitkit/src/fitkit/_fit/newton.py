r"""A bounded Newton minimiser with exact second derivatives.

Each step minimises the quadratic model inside the box, as `box` does. Where the Hessian
is not positive definite, a convex stand-in takes its place; where that falls short,
because the function falls away faster than any convex one, the Hessian itself does with
as much added as makes it positive definite. A step that does not lower the function is
taken back and damped.

Convergence is judged by the *estimated distance to the minimum* (EDM), as Minuit users
know it: half of \(g^T H^{-1} g\) over the free entries.
"""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree

from .._numerics.bordered_matrix import (
    Bordered,
    Factor,
    factorise,
    scale_of,
    unfactorised,
)
from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractNegativeLogLikelihood, Derivatives
from .box import Quadratic, minimise_in_box, pushed_out
from .stationarity import stationarity

# Damping, in units of the Hessian's diagonal: least value after a rejected step,
# factors. A rejected step is shortened at most by the third of these and at least by
# the fourth, as the parabola through the two values says.
_FIRST_DAMPING = 1e-3
_MORE, _LESS = 2.0, 0.2
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


class NewtonState(eqx.Module):
    """The best point so far, and how to go on from it.

    Attributes:
        y: the best point.
        at: function and derivatives there; one-sided at a kink.
        promised: the decrease that the quadratic model promises for the next point.
        stiffness: the curvature of the model along the step to it, in units of the
            damping.
        damping: added to the Hessian's diagonal, in units of that diagonal.
        short: whether the convex stand-in fell short in the step before.
        edm: estimated distance to the minimum.
        last: whether the next point is the last, final Newton step.
        done: whether the minimum is found.
        stuck: whether no damped step lowers the function.
    """

    y: Vector
    at: Derivatives
    promised: Float[Array, ""]
    stiffness: Float[Array, ""]
    damping: Float[Array, ""]
    short: Bool[Array, ""]
    edm: Float[Array, ""]
    last: Bool[Array, ""]
    done: Bool[Array, ""]
    stuck: Bool[Array, ""]


@final
class BoundedNewton(optx.AbstractMinimiser):
    """Newton's method in a box, for `optimistix.minimise`.

    The function is an `AbstractNegativeLogLikelihood`, given as `args`, with its own
    gradient and Hessian; `fn(y, args)` must be `args.value(y)`. The options are

    - `lower`, `upper`: bounds, `[params]`;
    - `movable`: entries that are fitted, `[params]`;
    - `side`: to which side to leave a kink that descends on both, +1 or -1.

    One step evaluates function, gradient and Hessian once, at the point that the step
    before proposed, and proposes the next.

    Attributes:
        edm_tolerance: the estimated distance to the minimum (in units of the negative
            log-likelihood) below which one last Newton step ends the search. As
            Newton's method doubles its digits with each step, what is left afterwards
            is far smaller.
        rtol, atol, norm: unused; part of optimistix's interface.
    """

    edm_tolerance: float = 1e-8
    rtol: float = 0.0
    atol: float = 0.0
    norm: Any = optx.max_norm

    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> NewtonState:
        infinite, no = jnp.array(jnp.inf, y.dtype), jnp.array(False)
        nothing = jax.tree.map(jnp.asarray, args.no_derivatives())
        return NewtonState(
            y=y,
            at=nothing,
            promised=jnp.zeros_like(infinite),
            stiffness=jnp.zeros_like(infinite),
            damping=jnp.zeros_like(infinite),
            short=no,
            edm=infinite,
            last=no,
            done=no,
            stuck=no,
        )

    def step(
        self,
        fn,
        y: Vector,
        args: AbstractNegativeLogLikelihood,
        options: dict[str, Any],
        state: NewtonState,
        tags,
    ) -> tuple[Vector, NewtonState, PyTree]:
        here, side = _evaluate(y, args, options)
        noise = _ROUNDING * (1 + jnp.abs(here.value))
        decrease = state.at.value - here.value
        better = (decrease >= _SUFFICIENT * state.promised - noise) | state.last
        first = ~jnp.isfinite(state.at.value)
        accept = jnp.isfinite(here.value) & (better | first)
        best = jnp.where(accept, y, state.y)
        at = _choose(accept, here, state.at)

        # The parabola with the slope at the best point and the value at this one.
        slope = state.at.gradient @ (y - state.y)
        ratio = jnp.abs(slope) / (2 * (jnp.abs(slope) - decrease))
        ratio = jnp.where(jnp.isfinite(ratio), ratio, _SHORTEST)
        ratio = jnp.clip(ratio, _SHORTEST, _LONGEST)
        harder = state.damping + state.stiffness * (1 / ratio - 1)
        harder = jnp.maximum(harder, state.damping * _MORE)
        harder = jnp.maximum(harder, _FIRST_DAMPING)
        easier = state.damping * _LESS
        easier = jnp.where(easier < _FIRST_DAMPING, 0.0, easier)
        damping = jnp.where(accept, easier, harder)

        beyond = ~first & (decrease > _BEYOND * state.promised)
        done = state.last & accept
        # A search that is done needs no further step, which would be half of its work.
        proposal = jax.lax.cond(
            done,
            lambda: _Proposal(best, state.promised, state.stiffness, state.edm, ~done),
            lambda: _propose(
                at,
                best,
                _room(best, args, options, jnp.where(accept, side, 0.0)),
                options,
                damping,
                accept,
                state.short | beyond,
            ),
        )
        new_state = NewtonState(
            y=best,
            at=at,
            promised=proposal.promised,
            stiffness=proposal.stiffness,
            damping=damping,
            short=proposal.short,
            # That of the step that ended the search: here rounding is all there is.
            edm=proposal.edm,
            last=proposal.edm < self.edm_tolerance,
            done=done,
            stuck=(damping > _LARGEST_DAMPING) | ~jnp.isfinite(at.value),
        )
        return proposal.y, new_state, None

    def terminate(
        self, fn, y, args, options, state: NewtonState, tags
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        result = optx.RESULTS.where(
            state.stuck & ~state.done,
            optx.RESULTS.nonlinear_divergence,
            optx.RESULTS.successful,
        )
        return state.done | state.stuck, result

    def postprocess(
        self, fn, y, aux, args, options, state: NewtonState, tags, result
    ) -> tuple[Vector, PyTree, dict[str, Any]]:
        lower, upper, movable = options["lower"], options["upper"], options["movable"]
        held = stationarity(args, state.y, state.at, lower, upper, movable)
        factor, unique = factorise(state.at.hessian, held.free, strict=True)
        stats = {
            "value": state.at.value,
            "edm": state.edm,
            "stationarity": held,
            "unique": unique,
            "gradient": state.at.gradient,
            "hessian": state.at.hessian,
            "factor": factor,
        }
        return state.y, aux, stats


class _Proposal(NamedTuple):
    """The next point, and what is expected of it; the names are `NewtonState`'s."""

    y: Vector
    promised: Float[Array, ""]
    stiffness: Float[Array, ""]
    edm: Float[Array, ""]
    short: Bool[Array, ""]


def _propose(
    at: Derivatives,
    y: Vector,
    room: tuple[Vector, Vector],
    options: dict[str, Any],
    damping: Float[Array, ""],
    accepted: Bool[Array, ""],
    fell_short: Bool[Array, ""],
) -> _Proposal:
    """The minimum in its box of a quadratic around the best point so far.

    Args:
        at: function and derivatives there.
        y: the point.
        room: how far each entry may move, down and up.
        options: those of the search.
        damping: added to the matrix, in units of its diagonal.
        accepted: whether the point is new.
        fell_short: whether the convex stand-in for the Hessian fell short before.
    """
    movable, (low, high) = options["movable"], room
    # The exact Hessian where it is convex on the entries that may move.
    pushed = pushed_out(at.gradient, low, high)
    free, width = movable & ~pushed, scale_of(at.convex)
    steepest = jnp.max(jnp.where(free, jnp.abs(at.gradient) / width, 0.0))
    short = accepted & (fell_short | (steepest < _NEAR_SADDLE))
    matrix, positive, factor, known = _positive_definite(at, free, width, short)
    weight = width**2
    matrix = matrix.plus(damping * weight)
    on_saddle = ~positive & (steepest < _ON_SADDLE)
    # No eigenvector of a model is orthogonal to this but by an odd chance.
    generic = 0.5 + jnp.mod(0.618 * jnp.arange(y.shape[0]), 1.0)
    gradient = at.gradient - jnp.where(on_saddle, _PUSH * generic * width, 0.0)
    known = known & (damping == 0)
    step = minimise_in_box(
        Quadratic(gradient, matrix, width, low, high, factor, known), movable
    )
    # No step where the matrix is indefinite on an entry that its bound let go: the
    # next is damped more, from the same point.
    possible = jnp.all(jnp.isfinite(step))
    step = jnp.where(possible, step, 0.0)
    promised = -(at.gradient @ step + step @ (matrix @ step) / 2)
    promised = jnp.where(possible, promised, jnp.inf)

    lower, upper = options["lower"], options["upper"]
    new_y = jnp.clip(y + step, lower, upper)
    # Rounding must not leave an entry beside the bound that it was put on.
    new_y = jnp.where(step == lower - y, lower, new_y)
    new_y = jnp.where(step == upper - y, upper, new_y)
    return _Proposal(
        y=jnp.where(movable & jnp.isfinite(new_y), new_y, y),
        promised=promised,
        stiffness=step @ (matrix @ step) / jnp.maximum(step**2 @ weight, 1e-300),
        edm=jnp.where(positive & (damping == 0), promised, jnp.inf),
        short=short & ~positive,
    )


def _positive_definite(
    at: Derivatives, free: Mask, width: Vector, short: Bool[Array, ""]
) -> tuple[Bordered, Bool[Array, ""], Factor, Bool[Array, ""]]:
    """The Hessian, or what takes its place where it is not positive definite.

    Args:
        at: function and derivatives.
        free: entries on which the matrix must be positive definite.
        width: the natural units.
        short: whether the convex stand-in fell short, so that the Hessian is wanted,
            with as much added as makes it positive definite.

    Returns:
        The matrix, whether it is the Hessian, and its factor with whether it is known.
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
        return shift, jnp.maximum(_MORE_SHIFT * shift, _FIRST_SHIFT), positive, factor

    none = jnp.zeros_like(at.value)
    start = (none, none + _FLAT, jnp.array(False), unfactorised(at.hessian))
    shift, _, positive, factor = jax.lax.while_loop(indefinite, more, start)
    matrix = _choose(positive, shifted(shift), at.convex.plus(_RIDGE * scale))
    return matrix, positive & (shift == _FLAT), factor, positive


def _choose(which: Bool[Array, ""], one: PyTree, other: PyTree) -> PyTree:
    """One of two trees of numbers; entries' places are the same in both."""

    def choose(a: Array, b: Array) -> Array:
        return jnp.where(which, a, b) if jnp.issubdtype(a.dtype, jnp.inexact) else a

    return jax.tree.map(choose, one, other)


def _evaluate(
    y: Vector, likelihood: AbstractNegativeLogLikelihood, options: dict[str, Any]
) -> tuple[Derivatives, Vector]:
    """Function and derivatives at `y`, and to which side each kink there is left."""
    side = jnp.zeros_like(y)
    if likelihood.has_kinks:
        right, left = likelihood.gradient(y, 1.0), likelihood.gradient(y, -1.0)
        chosen = kink_side(right, left, options["side"])
        side = jnp.where(likelihood.kinks() & (y == 0), chosen, 0.0)
    return likelihood.derivatives(y, side), side


def _room(
    y: Vector,
    likelihood: AbstractNegativeLogLikelihood,
    options: dict[str, Any],
    side: Vector,
) -> tuple[Vector, Vector]:
    """How far each entry may move: to its bounds, and no further than to a kink."""
    low, high = options["lower"] - y, options["upper"] - y
    if likelihood.has_kinks:
        kinked = likelihood.kinks()
        # A step ends at the kink that it would cross, and stays where both sides rise.
        low = jnp.where(kinked & ((y > 0) | (side > 0)), jnp.maximum(low, -y), low)
        high = jnp.where(kinked & ((y < 0) | (side < 0)), jnp.minimum(high, -y), high)
        pinned = kinked & (y == 0) & (side == 0)
        low, high = jnp.where(pinned, 0.0, low), jnp.where(pinned, 0.0, high)
    return low, high


def kink_side(right: Vector, left: Vector, prefer: Array) -> Vector:
    """Where to leave a kink: +1, -1, or 0 where both sides rise.

    Args:
        right, left: derivatives from the right and from the left.
        prefer: the side to take where both descend.
    """
    falls_right, falls_left = right < 0, left > 0
    return jnp.where(
        falls_right & falls_left,
        prefer,
        jnp.where(falls_right, 1.0, jnp.where(falls_left, -1.0, 0.0)),
    )
