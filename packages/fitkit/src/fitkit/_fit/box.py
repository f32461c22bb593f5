"""The minimum of a convex quadratic in a box, by an active set.

Entries that a Newton step would carry over a bound are put onto it and the rest is
solved again; entries on a bound that want to leave it are let go. Clipping the free
step instead needs several times as many steps of the search.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from .._custom_types import Mask, Vector
from .._numerics.bordered_matrix import Bordered, Factor, factorise, substitute
from .._numerics.namespace import either, while_loop, xp

# Sweeps in one step; more than a few are never seen.
_SWEEPS = 20


class Box(NamedTuple):
    """Where a search may go.

    Attributes:
        lower, upper: bounds.
        movable: entries that are fitted.
        side: to which side to leave a kink that descends on both, +1 or -1.
    """

    lower: Vector
    upper: Vector
    movable: Mask
    side: Float[Array, ""] | float


class Quadratic(NamedTuple):
    """The quadratic model of one step.

    Attributes:
        gradient: of the function, one-sided at a kink.
        hessian: exact, or its convex stand-in.
        scale: natural units to solve in.
        low, high: how far each entry may move.
        factor: of `hessian`, on the entries that no bound stops at the start.
        known: whether it has been computed.
    """

    gradient: Vector
    hessian: Bordered
    scale: Vector
    low: Vector
    high: Vector
    factor: Factor
    known: Bool[Array, ""]


def minimise_in_box(model: Quadratic, movable: Mask) -> Vector:
    """The step that minimises a convex quadratic inside its box.

    A primal-dual active set: in each sweep, entries that would leave the box are put on
    its border, and entries on the border whose gradient points inwards are let go.

    Args:
        model: the quadratic; its `low` and `high` enclose 0.
        movable: entries that may move at all.

    Returns:
        The step; NaN where the matrix is not positive definite.
    """
    g, h = model.gradient, model.hessian

    def solved(held, at, factor, positive):
        """The step with some entries held, and which are to be held next, and where."""
        free = movable & ~held
        at = xp.where(held, at, 0.0)
        step = xp.where(free, substitute(factor, free, -(g + h @ at)), at)
        residual = g + h @ step
        below, above = free & (step < model.low), free & (step > model.high)
        inwards = held & xp.where(at == model.low, residual < 0, residual > 0)
        inwards = inwards & (model.low < model.high)
        new_held = (held & ~inwards) | below | above
        new_at = xp.where(below, model.low, xp.where(above, model.high, at))
        return new_held, new_at, step, xp.any(new_held != held) & positive

    def sweep(carry):
        held, at, _, _, count = carry
        factor, positive = factorise(h, movable & ~held, model.scale)
        return *solved(held, at, factor, positive), count + 1

    def unfinished(carry):
        *_, unsettled, count = carry
        return unsettled & (count < _SWEEPS)

    held = movable & pushed_out(g, model.low, model.high)
    at = xp.where(model.low >= 0, model.low, model.high)
    at = xp.where(held, at, 0.0)
    # The first sweep has its factor, as a rule, and most steps need no other: outside
    # the loop, a batch of them factorises once, not twice.
    start = either(
        model.known,
        lambda: solved(held, at, model.factor, np.bool_(True)),
        lambda: (held, at, xp.zeros_like(g), np.bool_(True)),
    )
    _, _, step, _, _ = while_loop(unfinished, sweep, (*start, 0), model, movable)
    # A fixed entry may lie outside its bounds, as a tested value beyond the fit's.
    return xp.where(movable, xp.clip(step, model.low, model.high), 0.0)


def pushed_out(gradient: Vector, low: Vector, high: Vector) -> Mask:
    """Entries on a bound against which the gradient pushes them."""
    return ((low >= 0) & (gradient > 0)) | ((high <= 0) & (gradient < 0))
