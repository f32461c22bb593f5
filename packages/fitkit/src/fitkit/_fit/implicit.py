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

from typing import Any, final

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float

from .._bordered import solve_free
from .._custom_types import Mask, Vector
from .._likelihood import AbstractNegativeLogLikelihood


def _along(function: Any, likelihood: Any, tangent: Any) -> tuple[Any, Any]:
    """Value and directional derivative with respect to the likelihood's leaves."""
    if all(
        leaf is None for leaf in jax.tree.leaves(tangent, is_leaf=lambda x: x is None)
    ):
        value = function(likelihood)
        return value, jnp.zeros_like(value)
    return eqx.filter_jvp(function, (likelihood,), (tangent,))


@eqx.filter_custom_jvp
def minimum_point(
    likelihood: AbstractNegativeLogLikelihood, target: Vector, free: Mask, y: Vector
) -> Vector:
    """The minimum as a differentiable function of likelihood and clamped values.

    Args:
        likelihood: the function that was minimised.
        target: values of the clamped entries.
        free: which entries are free.
        y: the minimum, found by any means; carries no derivative of its own.
    """
    return jnp.where(free, y, target)


@minimum_point.def_jvp
def _minimum_point_jvp(primals, tangents):
    likelihood, target, free, y = primals
    likelihood_dot, target_dot, _, _ = tangents
    point = minimum_point(likelihood, target, free, y)
    _, gradient_dot = _along(lambda f: f.gradient(point), likelihood, likelihood_dot)
    clamped_dot = jnp.zeros_like(point) if target_dot is None else target_dot
    clamped_dot = jnp.where(free, 0.0, clamped_dot)
    hessian = likelihood.derivatives(point).hessian
    free_dot, _ = solve_free(
        hessian, free, -(gradient_dot + hessian @ clamped_dot), strict=True
    )
    return point, jnp.where(free, free_dot, clamped_dot)


@eqx.filter_custom_jvp
def minimum_value(
    likelihood: AbstractNegativeLogLikelihood,
    target: Vector,
    free: Mask,
    y: Vector,
    value: Float[Array, ""],
) -> Float[Array, ""]:
    """The value at the minimum, differentiable by the envelope theorem.

    Args:
        likelihood: the function that was minimised.
        target: values of the clamped entries.
        free: which entries are free.
        y: the minimum, found by any means; carries no derivative of its own.
        value: the function there, likewise.
    """
    return value


@minimum_value.def_jvp
def _minimum_value_jvp(primals, tangents):
    likelihood, target, free, y, value = primals
    likelihood_dot, target_dot, *_ = tangents
    point = minimum_point(likelihood, target, free, y)
    _, value_dot = _along(lambda f: f.value(point), likelihood, likelihood_dot)
    if target_dot is not None:
        clamped_dot = jnp.where(free, 0.0, target_dot)
        pull = jnp.where(free, 0.0, likelihood.gradient(point))
        value_dot = value_dot + pull @ clamped_dot
    return minimum_value(likelihood, target, free, y, value), value_dot


@final
class BoundedAdjoint(optx.AbstractAdjoint):
    """Implicit differentiation of a minimum in a box, for `optimistix.minimise`.

    optimistix's own `ImplicitAdjoint` solves for a vanishing gradient and is wrong at
    an active bound. Takes the options of `BoundedNewton`; forward, reverse and higher
    derivatives work, also under `jax.vmap`. A lane whose Hessian is singular gets NaN
    derivatives and harms no other.
    """

    def apply(self, primal_fn, rewrite_fn, inputs, tags):
        _, _, start, likelihood, options, *_ = inputs

        def run_lax(*args, **kwargs):
            return eqxi.while_loop(*args, kind="lax", **kwargs)

        y, rest = primal_fn((*freeze(inputs), run_lax))
        lower, upper = options["lower"], options["upper"]
        held = rest[-1]["stationarity"]
        target = held.target(start, lower, upper)
        return minimum_point(likelihood, target, held.free, y), rest


def freeze(tree: Any) -> Any:
    """The same tree, through which no derivative flows."""
    return jax.tree.map(
        lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree
    )
