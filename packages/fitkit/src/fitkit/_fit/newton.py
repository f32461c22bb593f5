r"""A bounded Newton minimiser with exact second derivatives.

Each step minimises the quadratic model inside the box by an active set: entries that the
Newton step would carry over a bound are put onto it and the rest is solved again; entries
on a bound that want to leave it are let go. Clipping the free step instead needs several
times as many steps. Where the Hessian is not positive definite, a convex stand-in takes
its place. A step that does not lower the function is taken back and damped.

Convergence is judged by the *estimated distance to the minimum* (EDM), as Minuit users
know it: half of \(g^T H^{-1} g\) over the free entries.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree

from .._custom_types import Mask, Matrix, Vector
from .._likelihood import AbstractNegativeLogLikelihood

# Damping, in units of the Hessian's diagonal: first value after a rejected step, factors.
_FIRST_DAMPING = 1e-3
_MORE, _LESS = 8.0, 0.2
_LARGEST_DAMPING = 1e12
# A step must bring this part of the decrease that the quadratic model promises.
_SUFFICIENT = 1e-4
# Sweeps of the active set in one step; more than a few are never seen.
_SWEEPS = 20
# Relative rounding of the function value: smaller changes cannot be judged.
_ROUNDING = 1e-13


class Quadratic(eqx.Module):
    """The quadratic model of one step.

    Attributes:
        gradient: of the function, one-sided at a kink.
        hessian: exact, or its convex stand-in.
        low, high: how far each entry may move.
    """

    gradient: Vector
    hessian: Matrix
    low: Vector
    high: Vector


def scale_of(hessian: Matrix) -> Vector:
    """One over the natural width of each entry: the root of the Hessian's diagonal.

    An entry on which the function does not depend has scale 1.
    """
    diagonal = jnp.abs(jnp.diagonal(hessian))
    return jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))


def solve_free(
    matrix: Matrix, free: Mask, rhs: Vector, *, strict: bool = False
) -> tuple[Vector, Bool[Array, ""]]:
    """Solve the rows and columns that are `free`; 0 in the others.

    Args:
        matrix: symmetric.
        free: which entries to solve for.
        rhs: right-hand side.
        strict: whether a free entry without any curvature makes the matrix singular; if
            not, it stays where it is.

    Returns:
        The solution and whether the matrix was positive definite; where it was not, the
        solution is NaN.
    """
    both = free[:, None] & free
    scale = scale_of(matrix)
    scaled = jnp.where(both, matrix / (scale[:, None] * scale), 0.0)
    flat = ~free if strict else jnp.diagonal(scaled) == 0
    scaled = scaled + jnp.diag(jnp.where(flat, 1.0, 0.0))
    factor = jnp.linalg.cholesky(scaled)
    solution = jax.scipy.linalg.cho_solve((factor, True), jnp.where(free, rhs / scale, 0))
    return jnp.where(free, solution / scale, 0.0), jnp.all(jnp.isfinite(factor))


def minimise_in_box(model: Quadratic, movable: Mask) -> tuple[Vector, Mask, Array]:
    """The step that minimises a convex quadratic inside its box.

    A primal-dual active set: in each sweep, entries that would leave the box are put on
    its border, and entries on the border whose gradient points inwards are let go.

    Args:
        model: the quadratic; its `low` and `high` enclose 0.
        movable: entries that may move at all.

    Returns:
        The step, the entries that are free at its end, and whether the matrix was
        positive definite.
    """
    g, h = model.gradient, model.hessian

    def solve(held: Mask, at: Vector) -> tuple[Vector, Array]:
        free = movable & ~held
        at = jnp.where(held, at, 0.0)
        step, positive = solve_free(h, free, -(g + h @ at))
        return jnp.where(free, step, at), positive

    def sweep(carry):
        held, at, _, _, count, _ = carry
        step, positive = solve(held, at)
        residual = g + h @ step
        below = movable & ~held & (step < model.low)
        above = movable & ~held & (step > model.high)
        inwards = held & jnp.where(at == model.low, residual < 0, residual > 0)
        stuck = held & (model.low == model.high)
        new_held = (held & (~inwards | stuck)) | below | above
        new_at = jnp.where(below, model.low, jnp.where(above, model.high, at))
        changed = jnp.any(new_held != held)
        return new_held, new_at, step, positive, count + 1, changed & positive

    def unfinished(carry):
        return carry[-1] & (carry[-2] < _SWEEPS)

    at_low = movable & (model.low >= 0) & (g > 0)
    at_high = movable & (model.high <= 0) & (g < 0)
    start = (
        at_low | at_high,
        jnp.where(at_low, model.low, jnp.where(at_high, model.high, 0.0)),
        jnp.zeros_like(g),
        jnp.array(True),
        jnp.array(0),
        jnp.array(True),
    )
    held, _, step, positive, _, _ = jax.lax.while_loop(unfinished, sweep, start)
    return jnp.clip(step, model.low, model.high), movable & ~held, positive


class NewtonState(eqx.Module):
    """What a step leaves for the next.

    Attributes:
        value: the function at the current point.
        damping: added to the Hessian's diagonal, in units of that diagonal.
        edm: estimated distance to the minimum at the last point that was evaluated.
        done: whether the minimum is found.
        stuck: whether no damped step lowers the function.
        free: entries that were inside their bounds at the last step.
    """

    value: Float[Array, ""]
    damping: Float[Array, ""]
    edm: Float[Array, ""]
    done: Bool[Array, ""]
    stuck: Bool[Array, ""]
    free: Mask


@final
class BoundedNewton(optx.AbstractMinimiser):
    """Newton's method in a box, for `optimistix.minimise`.

    The function is an `AbstractNegativeLogLikelihood`, given as `args`, with its own
    gradient and Hessian; `fn(y, args)` must be `args.value(y)`. The options are

    - `lower`, `upper`: bounds, `[params]`;
    - `movable`: entries that are fitted, `[params]`;
    - `side`: to which side to leave a kink that descends on both, +1 or -1.

    Attributes:
        edm_tolerance: the estimated distance to the minimum (in units of the negative
            log-likelihood) below which one last Newton step ends the search. As Newton's
            method doubles its digits with each step, what is left afterwards is far
            smaller.
        rtol, atol, norm: unused; part of optimistix's interface.
    """

    edm_tolerance: float = 1e-8
    rtol: float = 0.0
    atol: float = 0.0
    norm: Any = optx.max_norm

    def init(
        self, fn, y, args, options, f_struct, aux_struct, tags
    ) -> NewtonState:
        likelihood: AbstractNegativeLogLikelihood = args
        return NewtonState(
            value=likelihood.value(y),
            damping=jnp.zeros(()),
            edm=jnp.array(jnp.inf),
            done=jnp.array(False),
            stuck=jnp.array(False),
            free=options["movable"],
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
        movable = options["movable"]
        model, convex = self._quadratic(y, args, options)
        undamped, free, positive = minimise_in_box(model, movable)

        def damped() -> tuple[Vector, Mask, Vector]:
            # The convex stand-in where the Hessian is indefinite, and damping on top.
            h = jnp.where(positive, model.hessian, convex())
            damping = jnp.where(positive, state.damping, state.damping + 1e-9)
            h = h + jnp.diag(damping * scale_of(h) ** 2)
            other = Quadratic(model.gradient, h, model.low, model.high)
            step, inside, _ = minimise_in_box(other, movable)
            return step, inside, h @ step

        step, free, curved = jax.lax.cond(
            positive & (state.damping == 0),
            lambda: (undamped, free, model.hessian @ undamped),
            damped,
        )
        promised = -(model.gradient @ step + step @ curved / 2)
        descent = model.gradient @ undamped + undamped @ model.hessian @ undamped / 2
        edm = jnp.where(positive, -descent, jnp.inf)

        lower, upper = options["lower"], options["upper"]
        new_y = jnp.clip(y + step, lower, upper)
        # Rounding must not leave an entry beside the bound that it was put on.
        new_y = jnp.where(step == lower - y, lower, new_y)
        new_y = jnp.where(step == upper - y, upper, new_y)
        new_y = jnp.where(movable, new_y, y)
        value = args.value(new_y)
        finished = edm < self.edm_tolerance
        noise = _ROUNDING * (1 + jnp.abs(state.value))
        better = state.value - value >= _SUFFICIENT * promised - noise
        accept = jnp.isfinite(value) & (better | finished)
        harder = jnp.maximum(state.damping * _MORE, _FIRST_DAMPING)
        easier = jnp.where(
            state.damping * _LESS < _FIRST_DAMPING, 0.0, state.damping * _LESS
        )
        new_state = NewtonState(
            value=jnp.where(accept, value, state.value),
            damping=jnp.where(accept, easier, harder),
            edm=edm,
            done=accept & finished,
            stuck=~accept & (harder > _LARGEST_DAMPING),
            free=free,
        )
        return jnp.where(accept, new_y, y), new_state, None

    def terminate(
        self, fn, y, args, options, state: NewtonState, tags
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        result = optx.RESULTS.where(
            state.stuck | ~jnp.isfinite(state.value),
            optx.RESULTS.nonlinear_divergence,
            optx.RESULTS.successful,
        )
        return state.done | state.stuck, result

    def postprocess(
        self, fn, y, aux, args, options, state: NewtonState, tags, result
    ) -> tuple[Vector, PyTree, dict[str, Any]]:
        return y, aux, {"edm": state.edm}

    def _quadratic(
        self, y: Vector, likelihood: AbstractNegativeLogLikelihood, options
    ) -> tuple[Quadratic, Any]:
        """The quadratic model at `y`; its box ends at a kink."""
        low, high = options["lower"] - y, options["upper"] - y
        if not likelihood.has_kinks:
            model = Quadratic(likelihood.gradient(y), likelihood.hessian(y), low, high)
            return model, lambda: likelihood.convex_hessian(y)
        kinked = likelihood.kinks()
        right, left = likelihood.gradient(y, 1.0), likelihood.gradient(y, -1.0)
        side = kink_side(right, left, options["side"])
        side = jnp.where(kinked & (y == 0), side, 0.0)
        gradient = jnp.where(side > 0, right, jnp.where(side < 0, left, (right + left) / 2))
        pinned = kinked & (y == 0) & (side == 0)
        from_right = kinked & ((y > 0) | (side > 0))
        from_left = kinked & ((y < 0) | (side < 0))
        low = jnp.where(pinned, 0.0, jnp.where(from_right, jnp.maximum(low, -y), low))
        high = jnp.where(pinned, 0.0, jnp.where(from_left, jnp.minimum(high, -y), high))
        model = Quadratic(gradient, likelihood.hessian(y, side), low, high)
        return model, lambda: likelihood.convex_hessian(y, side)


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
