"""Fits with some entries held, many at once, all started from the best fit."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask, Vector
from .._fit.diagnose import FitError, entry_names
from .._fit.fit import fit_options
from .._fit.implicit import freeze
from .._fit.minimise import FitOptions, Minimum, minimise
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._numerics.precision import require_float64
from .._fit.uncertainty import inverse_of_free


@final
class BestFit(eqx.Module):
    """A model fitted to data: where every profile starts.

    Attributes:
        likelihood: at the data.
        options: what the caller changed of starts, bounds and fixed entries.
        minimum: the unconditional fit.
        movable: entries that are fitted, `[params]`.
        covariance: inverse Hessian of those, `[params, params]`; NaN where some
            combination is not determined.
        lower, upper: the box, `[params]`.
        solver: the minimiser.
    """

    likelihood: AbstractNegativeLogLikelihood
    options: FitOptions
    minimum: Minimum
    movable: Mask
    covariance: Array
    lower: Vector
    upper: Vector
    solver: optx.AbstractMinimiser | None

    @property
    def sigma(self) -> Vector:
        """Uncertainties from the covariance, `[params]`."""
        return jnp.sqrt(jnp.diagonal(self.covariance))

    def held(self, mask: Mask, values: ArrayLike) -> Minimum:
        """The fit with the entries of `mask` held at `values`."""
        best = freeze(self.minimum.y)
        options = self.options.starting_at(best).holding(mask, values)
        return minimise(self.likelihood, options, self.solver, inside=best)


def best_fit(
    model: AbstractModel,
    data: Data,
    init: Mapping[str, ArrayLike] | None,
    fixed: Mapping[str, ArrayLike] | None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None,
    solver: optx.AbstractMinimiser | None,
    call: str,
) -> BestFit:
    """Fit, and collect what profiles need.

    Raises:
        FitError: where the fit finds no minimum.
    """
    require_float64()
    likelihood = model.negative_log_likelihood(data)
    options = fit_options(model, init, fixed, bounds)
    best = _best_fit(likelihood, options, solver)
    if not isinstance(best.minimum.converged, jax.core.Tracer) and not bool(
        best.minimum.converged
    ):
        raise FitError(
            f"the free fit of `{call}` found no minimum. `fit` on the same data gives "
            "the reason."
        )
    return best


@compiled
def _best_fit(likelihood, options, solver) -> BestFit:
    minimum = minimise(likelihood, options, solver)
    prepared = likelihood.prepared()
    settings = prepared.parameters()
    lower = options.lower.over(settings.lower)
    upper = options.upper.over(settings.upper)
    movable = ~options.fixed.over(settings.fixed) & (lower < upper)
    # Also of entries on a bound: how far to look, where the bound is on one side only.
    covariance, _ = inverse_of_free(prepared.derivatives(minimum.y).hessian, movable)
    return BestFit(
        likelihood=likelihood,
        options=options,
        minimum=minimum,
        movable=movable,
        covariance=covariance,
        lower=lower,
        upper=upper,
        solver=solver,
    )


def require_covariance(best: BestFit, model: AbstractModel, call: str) -> None:
    """Refuse a fit whose Hessian has no inverse; traced, the covariance is NaN.

    Args:
        best: the fit.
        model: for names.
        call: for messages.

    Raises:
        FitError: where the data do not determine all fitted parameters.
    """
    if isinstance(best.covariance, jax.core.Tracer):
        return
    if np.isfinite(best.covariance).all():
        return
    slopes = np.asarray(best.minimum.curvature.diagonal())
    silent = np.flatnonzero(np.asarray(best.movable) & (slopes == 0))
    names = entry_names(model.parameter_shapes)
    which = (
        f"nothing that is fitted depends on {names[silent[0]]!r}"
        if silent.size
        else "`fit` tells which combination is flat"
    )
    raise FitError(
        f"`{call}`: the data do not determine all parameters, so that no uncertainty "
        f"is known; {which}. Hold it with `fixed=`."
    )


def entry(model: AbstractModel, name: str, call: str) -> np.ndarray:
    """The entry of the flat vector that `name` means, as a mask.

    Args:
        model: any model.
        name: a scalar parameter, or one entry of a parameter per bin, `gamma[3]`.
        call: for messages.

    Raises:
        ValueError: where the model has no such entry.
    """
    names = entry_names(model.parameter_shapes)
    if name not in names:
        shape = model.parameter_shapes.get(name)
        known = (
            f"it has one value per bin: name one, such as {name}[0]"
            if shape
            else "the model's are: "
            + ", ".join(names[:20])
            + (" …" * (len(names) > 20))
        )
        raise ValueError(f"`{call}`: no single parameter {name!r}; {known}.")
    return np.array([other == name for other in names])


def pick(vector: Array, mask: Mask) -> Float[Array, ""]:
    """The one entry that the mask names, also where others are infinite."""
    return jnp.sum(jnp.where(mask, vector, 0.0))


def root_of_excess(
    held: Minimum, best: Minimum
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """√(2 ΔNLL) of a held fit above the best one: nearly linear in the distance."""
    difference = 2 * (held.value - best.value)
    positive = difference > 0
    root = jnp.where(positive, jnp.sqrt(jnp.where(positive, difference, 1.0)), 0.0)
    return root, held.converged
