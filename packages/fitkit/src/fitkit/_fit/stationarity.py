"""Which equation holds for each parameter at a minimum in a box."""

from typing import NamedTuple

from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractObjective, Derivatives
from .._numerics.bordered_matrix import scale_of
from .._numerics.namespace import xp
from .box import Box

# An entry on its bound whose gradient, in units of its natural width, is smaller than
# this is on the edge. Rounding leaves about 1e-9, a real pull is far larger.
EDGE = 1e-6


class Stationarity(NamedTuple):
    """Which equation holds for each entry at a minimum.

    Attributes:
        free: the gradient vanishes.
        at_lower, at_upper: clamped to a bound, against which the gradient pushes.
        on_edge: on a bound with vanishing gradient; also free.
        at_kink: clamped to a kink, where the function rises on both sides.
    """

    free: Mask
    at_lower: Mask
    at_upper: Mask
    on_edge: Mask
    at_kink: Mask

    def target(self, fixed_at: Vector, lower: Vector, upper: Vector) -> Vector:
        """The values of the clamped entries; those of fixed ones are `fixed_at`."""
        value = xp.where(self.at_lower, lower, xp.where(self.at_upper, upper, fixed_at))
        return xp.where(self.at_kink, 0.0, value)


def stationarity(
    objective: AbstractObjective, y: Vector, at: Derivatives, box: Box
) -> Stationarity:
    """Tell which equation holds for each entry at the minimum `y`.

    Args:
        objective: the function that was minimised.
        y: where it is smallest in the box.
        at: function and derivatives there.
        box: where the search could go.
    """
    lower, upper, movable, _ = box
    scale = scale_of(at.hessian)
    pull = at.gradient / scale
    at_lower = movable & (y <= lower) & (pull > EDGE)
    at_upper = movable & (y >= upper) & (pull < -EDGE)
    # Near a bound in natural units, so that rounding does not decide.
    near = ((y - lower) * scale <= EDGE) | ((upper - y) * scale <= EDGE)
    at_kink = xp.zeros_like(movable)
    if objective.has_kinks:
        right = objective.gradient(y, 1.0) / scale
        left = objective.gradient(y, -1.0) / scale
        at_kink = movable & objective.kinks() & (y == 0)
        at_kink = at_kink & (right >= -EDGE) & (left <= EDGE)
    free = movable & ~at_lower & ~at_upper & ~at_kink
    return Stationarity(
        free=free,
        at_lower=at_lower,
        at_upper=at_upper,
        on_edge=movable & near & ~at_lower & ~at_upper,
        at_kink=at_kink,
    )
