r"""Conditional fits near the best one, each started where it should end.

With some entries fixed at a distance \(d\) along a line through the best fit
\(\hat y\), the others follow to first order by \(-H_{FF}^{-1} H_{FS}\,u\,d\), with
\(H\) the Hessian, \(S\) the fixed and \(F\) the free entries and \(u\) the direction: a
column of the covariance, over its diagonal element. What a straight line misses is
known from the conditional fits that were made before on the same line. A fit that
starts there takes two or three evaluations.
"""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._custom_types import Mask, Vector
from .._fit.box import Box
from .._fit.minimise import Minimum, minimise
from .._fit.newton import initial_state, newton_step
from .._fit.search import EDM_TOLERANCE, IMPOSSIBLE
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import ParameterVectors
from .._numerics.bordered_matrix import factorise, substitute
from .._numerics.compiled import runs_on_numpy
from .._numerics.namespace import freeze, xp
from .best_fit import BestFit

# A parabola through conditional fits is followed to so many times their distance.
_FARTHEST = 3.0
# A conditional fit that has not ended after so many steps is left to `minimise`.
_FEW_STEPS = 30


@final
class Nearby(NamedTuple):
    r"""The two latest conditional fits on a line, by what a straight one misses.

    Attributes:
        distance: of both from the best fit, `[2]`, the latest first; 0 for none.
        bend: \((y - \hat y - d\,\dot y)/d^2\) of both, `[2, params]`.
    """

    distance: Float[Array, "2"]
    bend: Float[Array, "2 params"]

    def at(self, distance: Float[Array, ""]) -> Vector:
        """The bend at another distance, on the straight line through both.

        0 far outside, where it would lead astray.
        """
        near, far = self.distance[0], self.distance[1]
        # One fit gives a parabola, a second one the change of its curvature.
        both = (far != 0) & (near != far)
        part = xp.where(both, (distance - near) / xp.where(both, near - far, 1.0), 0.0)
        bend = self.bend[0] + part * (self.bend[0] - self.bend[1])
        reach = _FARTHEST * xp.max(xp.abs(self.distance))
        return xp.where(xp.abs(distance) <= reach, bend, 0.0)

    def followed_by(
        self, distance: Float[Array, ""], bend: Vector, good: Bool[Array, ""]
    ) -> "Nearby":
        """With another fit as the latest, if it is good."""
        new = xp.stack([distance, self.distance[0]]), xp.stack([bend, self.bend[0]])
        return Nearby(*(xp.where(good, a, b) for a, b in zip(new, self, strict=True)))


@final
class Line(NamedTuple):
    """A line of fixed values through the best fit, and how the others follow.

    Attributes:
        best: the best fit.
        fixed: entries that are fixed along it, `[params]`.
        slope: how all entries change with the distance, to first order, `[params]`.
        curvature: the second derivative of the profiled negative log-likelihood.
    """

    best: BestFit
    fixed: Mask
    slope: Vector
    curvature: Float[Array, ""]

    @property
    def width(self) -> Float[Array, ""]:
        """A length on it: the standard deviation, or what comes nearest to one.

        Where the profile does not curve upwards, that with all others fixed; 1 without
        any curvature.
        """
        direction = xp.where(self.fixed, self.slope, 0.0)
        alone = direction @ (self.best.minimum.curvature @ direction)
        curvature = xp.where(self.curvature > 0, self.curvature, alone)
        return xp.where(curvature > 0, 1 / xp.sqrt(xp.abs(curvature)), 1.0)

    def nothing_nearby(self) -> Nearby:
        """Before the first conditional fit."""
        return Nearby(np.zeros(2), np.zeros((2, self.slope.shape[0])))

    def fit(
        self, distance: ArrayLike, values: ArrayLike, nearby: Nearby
    ) -> tuple["ConditionalFit", Nearby]:
        """The conditional fit at a distance, and what it adds to those nearby.

        Args:
            distance: from the best fit.
            values: of the fixed entries there; given, so that no digit is lost.
            nearby: fits made before.
        """
        # A start carries no derivative: where a search ends does not depend on it.
        best = freeze(self.best.minimum.y)
        moved = best + distance * self.slope
        start = freeze(moved + distance**2 * nearby.at(distance))
        parameters = self.best.parameters.fixed_at(self.fixed, values)
        start = xp.where(parameters.fixed, parameters.init, start)
        fitted = conditional_fit(
            self.best.likelihood, parameters.starting_at(start), best
        )
        # A bend over no distance is not known, and a fit that failed tells nothing.
        good = fitted.converged & (distance != 0)
        square = xp.where(distance != 0, distance, 1.0) ** 2
        bend = freeze((fitted.y - moved) / square)
        return fitted, freeze(nearby.followed_by(xp.asarray(distance), bend, good))


@final
class ConditionalFit(NamedTuple):
    """The minimum with some entries fixed.

    Attributes:
        y: where it is, `[params]`.
        value: minus the log-likelihood there, less its saturated value.
        converged: whether it is a minimum.
        succeeded: whether the question has its answer: also where the likelihood is
            zero whatever the other parameters are, so that the data exclude the value.
    """

    y: Vector
    value: Float[Array, ""]
    converged: Bool[Array, ""]
    succeeded: Bool[Array, ""]


def conditional_fit(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    inside: Vector,
) -> ConditionalFit:
    """The fit with some entries fixed, from a start that may be the minimum itself.

    On NumPy it saves the last evaluation of `minimise`, half of what such a fit takes:
    where the estimated distance to the minimum is below 1e-8 the last Newton step leads
    to the minimum within 1e-8 widths, and the quadratic model tells the value there to
    1e-12. Derivatives at that point, which nothing here asks for, are not known.

    Args:
        likelihood: at the data.
        parameters: of the fit, fixed entries included.
        inside: a point at which the likelihood is not zero.
    """
    # At a kink `minimise` tries both sides.
    if runs_on_numpy(likelihood, parameters) and not likelihood.has_kinks:
        start, movable = parameters.start()
        box = Box(parameters.lower, parameters.upper, movable, 1.0)
        y, state = start, initial_state(likelihood, start)
        for _ in range(_FEW_STEPS):
            y, state = newton_step(likelihood, y, box, state, EDM_TOLERANCE)
            if state.last:
                value = state.at.value - state.promised
                return ConditionalFit(y, value, np.bool_(True), np.bool_(True))
            if state.stuck:
                break
    # Also where the likelihood is zero at the start: it leads around that.
    minimum = minimise(likelihood, parameters, inside)
    answered = minimum.converged | (minimum.status == IMPOSSIBLE)
    return ConditionalFit(minimum.y, minimum.value, minimum.converged, answered)


def line_along(best: BestFit, fixed: Mask, direction: Vector) -> Line:
    """The line on which some entries move in a direction, which is 0 in all others."""
    hessian = best.minimum.curvature
    # What stays on its bound, and what nothing depends on, does not follow.
    others = best.free & ~fixed & (hessian.diagonal() != 0)
    factor, positive = factorise(hessian, others, strict=True)
    pull = hessian @ direction
    # Where the others are not determined they stay, and a fit takes more evaluations.
    response = substitute(factor, others, -pull)
    slope = direction + xp.where(positive, response, 0.0)
    return Line(best, fixed, freeze(slope), freeze(pull @ slope))


def line_of(best: BestFit, fixed: Mask, sign: ArrayLike = 1.0) -> Line:
    """The line of one entry, rising with the distance for a positive sign."""
    return line_along(best, fixed, xp.where(fixed, sign, 0.0))


def root_of_excess(
    conditional: ConditionalFit, best: Minimum
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """√(2 ΔNLL) of a conditional fit: nearly linear in the distance."""
    difference = 2 * (conditional.value - best.value)
    # Beside the best fit rounding may make it negative; at 0 the root has no slope.
    positive = difference > 0
    root = xp.where(positive, xp.sqrt(xp.where(positive, difference, 1.0)), 0.0)
    return root, conditional.succeeded
