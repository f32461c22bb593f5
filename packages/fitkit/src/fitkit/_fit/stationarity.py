"""Which equation holds for each parameter at a minimum in a box."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._custom_types import Mask, Matrix, Vector
from .._likelihood import AbstractNegativeLogLikelihood, Derivatives

# An entry on its bound whose gradient, in units of its natural width, is smaller than
# this is on the edge. Rounding leaves about 1e-9, a real pull is far larger.
EDGE = 1e-6
# The least pivot of a Hessian in natural units (one less the square of a global
# correlation) of a direction that the function determines. A search that ends at an EDM
# of 1e-17 leaves curvatures of about 1e-8, of either sign, in a flat direction.
_LEAST_PIVOT = 1e-8


def scale_of(hessian: Matrix) -> Vector:
    """One over the natural width of each entry: the root of the Hessian's diagonal.

    An entry on which the function does not depend has scale 1.
    """
    diagonal = jnp.abs(jnp.diagonal(hessian))
    return jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))


def factorise(
    matrix: Matrix, free: Mask, *, strict: bool = False
) -> tuple[tuple[Matrix, Vector], Bool[Array, ""]]:
    """Cholesky factor of the rows and columns that are `free`, in natural units.

    Args:
        matrix: symmetric.
        free: which entries take part.
        strict: whether a free entry without any curvature, or a combination of entries
            whose curvature is no larger than rounding, makes the matrix singular; if
            not, it is left alone.

    Returns:
        The factor with its scale, and whether the matrix was positive definite; where
        it was not, the factor is NaN.
    """
    scale = scale_of(matrix)
    scaled = jnp.where(free[:, None] & free, matrix / (scale[:, None] * scale), 0.0)
    flat = ~free if strict else jnp.diagonal(scaled) == 0
    scaled = scaled + jnp.diag(jnp.where(flat, 1.0, 0.0))
    factor = jax.lax.linalg.cholesky(scaled, symmetrize_input=False)
    if strict:
        determined = jnp.min(jnp.diagonal(factor)) ** 2 > _LEAST_PIVOT
        factor = jnp.where(determined, factor, jnp.nan)
    return (factor, scale), jnp.isfinite(factor[-1, -1])


def solve_free(
    matrix: Matrix, free: Mask, rhs: Vector, *, strict: bool = False
) -> tuple[Vector, Bool[Array, ""]]:
    """Solve the rows and columns that are `free`; 0 in the others.

    Args:
        matrix, free, strict: as in `factorise`. A flat entry stays where it is.
        rhs: right-hand side.

    Returns:
        The solution and whether the matrix was positive definite; where it was not, the
        solution is NaN.
    """
    factor, positive = factorise(matrix, free, strict=strict)
    return substitute(factor, free, rhs), positive


def substitute(factor: tuple[Matrix, Vector], free: Mask, rhs: Vector) -> Vector:
    """Solve the rows and columns that are `free` with their factor; 0 in the others."""
    lower, scale = factor
    half = jax.lax.linalg.triangular_solve(
        lower, jnp.where(free, rhs / scale, 0.0)[:, None], left_side=True, lower=True
    )
    whole = jax.lax.linalg.triangular_solve(
        lower, half, left_side=True, lower=True, transpose_a=True
    )
    return jnp.where(free, whole[:, 0] / scale, 0.0)


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
        value = jnp.where(
            self.at_lower, lower, jnp.where(self.at_upper, upper, fixed_at)
        )
        return jnp.where(self.at_kink, 0.0, value)


def stationarity(
    likelihood: AbstractNegativeLogLikelihood,
    y: Vector,
    at: Derivatives,
    lower: Vector,
    upper: Vector,
    movable: Mask,
) -> tuple[Stationarity, Bool[Array, ""]]:
    """Tell which equation holds for each entry at the minimum `y`.

    Args:
        likelihood: the function that was minimised.
        y: where it is smallest in the box.
        at: function and derivatives there.
        lower, upper: the box.
        movable: entries that were fitted.

    Returns:
        The equations, and whether the free entries are determined: their Hessian is
        positive definite.
    """
    scale = scale_of(at.hessian)
    pull = at.gradient / scale
    at_lower = movable & (y <= lower) & (pull > EDGE)
    at_upper = movable & (y >= upper) & (pull < -EDGE)
    # Near a bound in natural units, so that rounding does not decide.
    near = ((y - lower) * scale <= EDGE) | ((upper - y) * scale <= EDGE)
    at_kink = jnp.zeros_like(movable)
    if likelihood.has_kinks:
        right = likelihood.gradient(y, 1.0) / scale
        left = likelihood.gradient(y, -1.0) / scale
        at_kink = movable & likelihood.kinks() & (y == 0)
        at_kink = at_kink & (right >= -EDGE) & (left <= EDGE)
    free = movable & ~at_lower & ~at_upper & ~at_kink
    _, unique = factorise(at.hessian, free, strict=True)
    held = Stationarity(
        free=free,
        at_lower=at_lower,
        at_upper=at_upper,
        on_edge=movable & near & ~at_lower & ~at_upper,
        at_kink=at_kink,
    )
    return held, unique
