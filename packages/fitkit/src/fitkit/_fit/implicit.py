r"""What holds at a minimum in a box, and the derivatives that follow from it.

At the solution every entry is either *free*, where the gradient vanishes, or *clamped*
to a value that is given: its fixed value, an active bound, a kink. With \(F\) the free
and \(C\) the clamped entries, the implicit function theorem gives

\[ \dot y_F = -H_{FF}^{-1}\,(\partial_\theta g_F\,\dot\theta + H_{FC}\,\dot y_C),
   \qquad \dot y_C = \dot{target}_C , \]

with the model's own Hessian. The value at the minimum needs no linear solve: by the
envelope theorem its derivative is the partial one, plus \(g_C\,\dot y_C\). Both rules
call themselves again, so that second derivatives are right as well; a `stop_gradient`
on the solution would make them wrong.

An entry *on the edge* — on its bound, where the gradient vanishes too, as in every
background-only Asimov fit with \(\mu\ge0\) — counts as free: the derivative is the one
from inside the box, the same for every start and rounding.
"""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractObjective
from .._numerics.bordered_matrix import Bordered, Factor, factorise, substitute
from .._numerics.namespace import filter_custom_jvp, freeze, xp


def _along(function: Any, argument: Any, tangent: Any) -> tuple[Any, Any]:
    """Value and directional derivative with respect to the leaves of an argument."""
    if not jax.tree.leaves(tangent):
        value = function(argument)
        return value, jax.tree.map(xp.zeros_like, value)
    return eqx.filter_jvp(function, (argument,), (tangent,))


@final
class Found(NamedTuple):
    """A minimum, found by any means; nothing in it carries a derivative of its own.

    Attributes:
        y: where it is.
        value: the function there.
        free: which entries are free.
        hessian: the second derivatives there, None where nobody has worked them out.
        factor: of `hessian`, on the free entries; NaN where they are not determined.
    """

    y: Vector
    value: Float[Array, ""]
    free: Mask
    hessian: Bordered | None = None
    factor: Factor | None = None


@filter_custom_jvp
def minimum_point(
    likelihood: AbstractObjective, target: Vector, found: Found
) -> Vector:
    """The minimum as a differentiable function of likelihood and clamped values.

    Args:
        likelihood: the function that was minimised.
        target: values of the clamped entries.
        found: its minimum.
    """
    return xp.where(found.free, found.y, target)


@minimum_point.def_jvp
def _minimum_point_jvp(primals, tangents):
    likelihood, target, found = primals
    likelihood_dot, target_dot, _ = tangents
    free = found.free
    point = minimum_point(likelihood, target, found)
    gradient_dot = _gradient_along(likelihood, point, likelihood_dot)
    clamped_dot = xp.zeros_like(point) if target_dot is None else target_dot
    clamped_dot = xp.where(free, 0.0, clamped_dot)
    known, factor = found.hessian, found.factor
    if known is None or factor is None:
        known = freeze(likelihood.derivatives(point).hessian)
        factor, _ = factorise(known, free, strict=True)
    hessian = _hessian(likelihood, point, known)

    def of_free(vector: Vector) -> Vector:
        return xp.where(free, hessian @ xp.where(free, vector, 0.0), 0.0)

    def solve(_: Any, rhs: Vector) -> Vector:
        # What nothing asks for is 0, though it be not determined: the transpose of a
        # scan over fits asks each for all of its results.
        return xp.where(xp.any(rhs != 0), substitute(factor, free, rhs), 0.0)

    # Linear in the right-hand side, and so transposed as it is; derivatives of the
    # solution are those of the matrix, never of its factor.
    free_dot = jax.lax.custom_linear_solve(
        of_free,
        xp.where(free, -(gradient_dot + hessian @ clamped_dot), 0.0),
        solve,
        symmetric=True,
    )
    return point, xp.where(free, free_dot, clamped_dot)


def _gradient_along(likelihood: AbstractObjective, y: Vector, tangent: Any) -> Vector:
    """How the gradient changes along a tangent of the likelihood.

    As the gradient of the value's change: transposed, it needs no Jacobian of rates.
    """
    return jax.grad(lambda at: _along(lambda f: f.value(at), likelihood, tangent)[1])(y)


def _hessian(likelihood: AbstractObjective, y: Vector, known: Bordered) -> Bordered:
    """The Hessian, as a differentiable function; its value is known."""
    numbers, order = eqx.partition(known, eqx.is_inexact_array)
    return eqx.combine(_known_hessian(likelihood, y, numbers), order)


@filter_custom_jvp
def _known_hessian(likelihood: Any, y: Vector, known: Bordered) -> Bordered:
    return known


@_known_hessian.def_jvp
def _known_hessian_jvp(primals, tangents):
    likelihood, y, known = primals
    likelihood_dot, y_dot, _ = tangents

    def numbers(at: tuple[Any, Vector]) -> Bordered:
        f, point = at
        return eqx.filter(f.derivatives(point).hessian, eqx.is_inexact_array)

    _, dot = _along(numbers, (likelihood, y), (likelihood_dot, y_dot))
    return _known_hessian(likelihood, y, known), dot


@filter_custom_jvp
def minimum_value(
    likelihood: AbstractObjective, target: Vector, found: Found
) -> Float[Array, ""]:
    """The value at the minimum, differentiable by the envelope theorem.

    Args:
        likelihood, target, found: as of `minimum_point`.
    """
    return found.value


@minimum_value.def_jvp
def _minimum_value_jvp(primals, tangents):
    likelihood, target, found = primals
    likelihood_dot, target_dot, _ = tangents
    point = minimum_point(likelihood, target, found)
    _, value_dot = _along(lambda f: f.value(point), likelihood, likelihood_dot)
    if target_dot is not None:
        clamped_dot = xp.where(found.free, 0.0, target_dot)
        pull = xp.where(found.free, 0.0, likelihood.gradient(point))
        value_dot = value_dot + pull @ clamped_dot
    return minimum_value(likelihood, target, found), value_dot
