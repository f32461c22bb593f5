"""Minima of a likelihood in a box: flat vectors, without names."""

from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._numerics.bordered_matrix import Bordered
from .._numerics.compiled import compiled, only_arrays
from .._custom_types import Mask, Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.parameters import Override
from .implicit import BoundedAdjoint, found_by, freeze, minimum_value
from .kept import call_kept, keeps_programs
from .newton import BoundedNewton
from .stationarity import Stationarity

_MAX_STEPS = 200


@final
class FitOptions(NamedTuple):
    """What a caller changes of a model's own starts, bounds and fixed entries.

    Attributes:
        init, fixed, lower, upper: flat vectors with the entries that are given.
    """

    init: Override
    fixed: Override
    lower: Override
    upper: Override

    def holding(self, mask: Mask | np.ndarray, value: ArrayLike) -> "FitOptions":
        """The same, with the entries of `mask` held at `value`."""
        return FitOptions(
            Override(_chosen(mask, value, self.init.values), self.init.given | mask),
            Override(self.fixed.values | mask, self.fixed.given | mask),
            self.lower,
            self.upper,
        )

    def starting_at(self, start: Vector) -> "FitOptions":
        """The same, with a start for every entry."""
        everywhere = jnp.ones(start.shape, dtype=bool)
        return FitOptions(
            Override(start, everywhere), self.fixed, self.lower, self.upper
        )

    def at_least(self, mask: Mask | np.ndarray, value: ArrayLike) -> "FitOptions":
        """The same, with a lower bound on the entries of `mask`."""
        return FitOptions(
            self.init,
            self.fixed,
            Override(_chosen(mask, value, self.lower.values), self.lower.given | mask),
            self.upper,
        )


def _chosen(
    mask: Mask | np.ndarray, value: ArrayLike, other: Array | np.ndarray
) -> Array | np.ndarray:
    """`value` at the mask; by numpy where nothing is traced, which compiles nothing."""
    if any(isinstance(x, jax.core.Tracer) for x in (mask, value, other)):
        return jnp.where(mask, value, other)
    return np.where(mask, value, other)


@final
class Minimum(NamedTuple):
    """The minimum of a likelihood in its box, as flat vectors without names.

    Attributes:
        y: where it is; differentiable.
        value: minus the log-likelihood less its saturated value; differentiable.
        twice_nll: minus twice the log-likelihood; differentiable.
        edm: estimated distance to the minimum, before the last step.
        steps: Newton steps, those of a walk from another start included.
        stationarity: which entries are free, at a bound, on the edge, at a kink.
        unique: whether the Hessian of the free entries is positive definite.
        gradient, curvature: there, the latter the Hessian; they carry no derivative.
        converged: whether it ended at a minimum.
        result: how the search ended.
    """

    y: Vector
    value: Float[Array, ""]
    twice_nll: Float[Array, ""]
    edm: Float[Array, ""]
    steps: Int[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    gradient: Vector
    curvature: Bordered
    converged: Bool[Array, ""]
    result: optx.RESULTS


def _outcome(likelihood: AbstractNegativeLogLikelihood) -> Any:
    """The structure of the `Minimum` of a likelihood."""
    held, hessian = Stationarity(*(0,) * 5), likelihood.no_derivatives().hessian
    return jax.tree.structure(
        Minimum(*(0,) * 5, held, 0, 0, hessian, 0, result=optx.RESULTS.successful)
    )


# What these define is told apart by its structure; a custom model may hold a function,
# a custom statistic has code of its own.
_OURS = ("fitkit._histfactory", "fitkit._hypotest")


def minimise(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    solver: optx.AbstractMinimiser | None = None,
    max_steps: int = _MAX_STEPS,
    inside: Vector | None = None,
) -> Minimum:
    """Minimise a likelihood in its box; everything is traced.

    Args:
        likelihood: the model at its data.
        options: what differs from the model's own settings.
        solver: the minimiser; by default `BoundedNewton()`.
        max_steps: after so many steps the search is given up.
        inside: a point of which it is known that the likelihood is not zero there, to
            begin at where it is zero at the start; the model's own start by default.
    """
    solver = BoundedNewton() if solver is None else solver
    likelihood = likelihood.prepared()
    settings = likelihood.parameters()
    lower = options.lower.over(settings.lower)
    upper = options.upper.over(settings.upper)
    movable = ~options.fixed.over(settings.fixed)
    start = options.init.over(settings.init)
    start = jnp.where(movable, jnp.clip(start, lower, upper), start)
    inside = settings.init if inside is None else inside
    inside = jnp.where(movable, jnp.clip(inside, lower, upper), inside)
    # A box without room is a fixed parameter.
    movable = movable & (lower < upper)

    # optimistix traces the function that it is given. `BoundedNewton` never calls it,
    # but the likelihood itself; tracing it all the same takes a fifth of all tracing.
    untraced = isinstance(solver, BoundedNewton)

    box = {"lower": lower, "upper": upper, "movable": movable, "inside": inside}

    def search(side: float) -> optx.Solution:
        return optx.minimise(
            (lambda y, f: jnp.zeros(())) if untraced else (lambda y, f: f.value(y)),
            solver,
            start,
            likelihood,
            {**box, "side": side},
            max_steps=max_steps,
            adjoint=BoundedAdjoint(),
            throw=False,
        )

    found = search(1.0)
    if likelihood.has_kinks:
        # A kink that descends on both sides is the door to two minima: try both.
        other = search(-1.0)
        first, second = found.stats["value"], other.stats["value"]
        better = (second < first) | (jnp.isnan(first) & ~jnp.isnan(second))
        pick = lambda a, b: jnp.where(better, b, a)  # noqa: E731
        found = jax.tree.map(
            lambda a, b: pick(a, b) if eqx.is_array(a) else a, found, other
        )
    y, held = found.value, found.stats["stationarity"]
    target = held.target(start, lower, upper)
    value = minimum_value(likelihood, target, found_by(y, found.stats))
    return Minimum(
        y=y,
        value=value,
        twice_nll=2 * (value + likelihood.saturated()),
        edm=found.stats["edm"],
        steps=found.stats["num_steps"],
        stationarity=held,
        unique=found.stats["unique"],
        gradient=freeze(found.stats["gradient"]),
        curvature=freeze(found.stats["hessian"]),
        converged=(found.result == optx.RESULTS.successful) & jnp.isfinite(value),
        result=found.result,
    )


_minimise = compiled(minimise)


def minimised(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    solver: optx.AbstractMinimiser | None = None,
) -> Minimum:
    """`minimise`, compiled: the one program of all fits of a shape."""
    if solver is None and keepable((likelihood, options), likelihood):
        found = call_kept(minimise, likelihood, options)
        return jax.tree.unflatten(_outcome(likelihood), found)
    return _minimise(likelihood, options, solver)


def keepable(args: Any, *parts: Any) -> bool:
    """Whether a kept program may run, if any are kept.

    Args:
        args: all that the program takes: plain arrays. Inside `vmap` or `jit` there are
            none; a kept program has no rule for those.
        parts: those of the arguments whose own code is in it, which must be ours.
    """
    return (
        keeps_programs()
        and all(type(part).__module__.startswith(_OURS) for part in parts)
        and only_arrays(args)
        and not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(args))
    )
