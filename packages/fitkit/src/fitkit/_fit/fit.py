"""Maximum-likelihood fits, free and with the parameter of interest held."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._numerics.bordered_matrix import Bordered, scale_of
from .._custom_types import Matrix, Params, Vector
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterShapes, flatten, unflatten
from .._numerics.precision import require_float64
from .diagnose import (
    describe,
    entry_names,
    explain_failure,
    flattest,
    named_direction,
)
from .minimise import FitOptions, Minimum, minimised
from .stationarity import Stationarity


@final
class FitResult(eqx.Module):
    """The result of a fit.

    Attributes:
        y: best-fit values as one flat vector, in the order of `names`.
        twice_nll: minus twice the log-likelihood there, as `-2 * model.logpdf`.
        converged: whether a minimum was found.
        edm: estimated distance to the minimum before the last step, in units of the
            negative log-likelihood.
        stationarity: free entries, those at a bound and on the edge, as flat masks.
        unique: whether the Hessian of the fitted parameters is positive definite. If
            not, some combination of parameters is not determined, and derivatives of
            `params` are NaN.
        gradient: of minus the log-likelihood there, in the order of `y`, fixed entries
            included; it carries no derivative.
        curvature: the Hessian in its own form; see `hessian`.
        steps: Newton steps, those of a walk from another start included.
        result: how the search ended, an `optimistix.RESULTS`.
    """

    y: Vector
    twice_nll: Float[Array, ""]
    converged: Bool[Array, ""]
    edm: Float[Array, ""]
    stationarity: Stationarity
    unique: Bool[Array, ""]
    gradient: Vector
    curvature: Bordered
    steps: Int[Array, ""]
    result: optx.RESULTS
    shapes: ParameterShapes = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of `y`."""
        return tuple(self.shapes)

    # Made when they are asked for: many small arrays take longer than a fit.
    @property
    def params(self) -> Params:
        """Best-fit values by parameter name.

        Differentiable with respect to everything traced that went in, by the implicit
        function theorem.
        """
        if self.y.shape != self.stationarity.free.shape:
            raise ValueError(
                f"`FitResult.y` has shape {self.y.shape} for {self.names}: it is the "
                "derivative of a result. Differentiate a function that returns "
                "`fit(...).params` instead."
            )
        return unflatten(self.y, self.shapes)

    @property
    def at_bounds(self) -> dict[str, Array]:
        """By parameter, entries on a bound against which the data push them."""
        held = self.stationarity
        return unflatten(held.at_lower | held.at_upper, self.shapes)

    @property
    def on_edge(self) -> dict[str, Array]:
        """By parameter, entries on a bound at which the derivative vanishes too.

        Derivatives of the result are there those from inside.
        """
        return unflatten(self.stationarity.on_edge, self.shapes)

    @property
    def hessian(self) -> Matrix:
        """Second derivatives of minus the log-likelihood, `[..., params, params]`.

        At the best fit, in the order of `y`, fixed entries included; they carry no
        derivative.
        """
        return self._of_each(Bordered.dense)(self.curvature)

    def _of_each(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one fit, of as many as these are."""
        for _ in range(self.y.ndim - 1):
            function = jax.vmap(function)
        return function

    @property
    def largest_gradient(self) -> Float[Array, ""]:
        """The largest derivative of a free entry, in units of its natural width.

        Of minus the log-likelihood; entries on a bound, at a kink, or fixed are left
        out (the *projected* gradient). The width is one over the root of the Hessian's
        diagonal.
        """
        scale = self._of_each(scale_of)(self.curvature)
        scaled = jnp.abs(self.gradient) / scale
        return jnp.max(jnp.where(self.stationarity.free, scaled, 0.0), axis=-1)

    @property
    def smallest_eigenvalue(self) -> Float[Array, ""]:
        """The smallest eigenvalue of the free entries' Hessian, in natural units.

        1 where no two entries are correlated; 0 or below where some combination is not
        determined, or the point is a saddle; `inf` where nothing is free.
        """
        return self._of_each(flattest)(self.hessian, self.stationarity.free)[0]

    @property
    def flattest_direction(self) -> dict[str, float]:
        """Its direction: entries by name (`mu`, `gamma[3]`), in natural units.

        A vector of length 1, the largest entries first, those below 0.05 left out. For
        one fit with concrete numbers.
        """
        _, direction = flattest(self.hessian, self.stationarity.free)
        return named_direction(direction, entry_names(self.shapes))

    def __repr__(self) -> str:
        return describe(self)


def fit_options(
    model: AbstractModel,
    init: Mapping[str, ArrayLike] | None,
    fixed: Mapping[str, ArrayLike] | None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None,
) -> FitOptions:
    """Flatten what a caller says of parameters by name.

    Raises:
        ValueError: for an unknown parameter or a wrong shape.
    """
    shapes = model.parameter_shapes
    bounds = bounds or {}
    return FitOptions(
        flatten(init, shapes, "init"),
        flatten(fixed, shapes, "fixed", bool),
        flatten({name: b[0] for name, b in bounds.items()}, shapes, "bounds"),
        flatten({name: b[1] for name, b in bounds.items()}, shapes, "bounds"),
    )


def poi_mask(model: AbstractModel, call: str) -> np.ndarray:
    """The entry of the parameter of interest in the flat vector, as a mask.

    Raises:
        ValueError: where the model has none.
    """
    shapes = model.parameter_shapes
    if model.poi is None or model.poi not in shapes:
        raise ValueError(
            f"`{call}` needs a parameter of interest, and the model has none"
            + ("." if model.poi is None else f" of the name {model.poi!r}.")
            + " Give `poi=` where the model is made or read; its scalars are: "
            + ", ".join(name for name, shape in shapes.items() if shape == ())
            + "."
        )
    return np.asarray(flatten({model.poi: 0.0}, shapes, "poi").given)


def fit(
    model: AbstractModel,
    data: Data,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> FitResult:
    """Maximise the likelihood of `data` over all parameters that are not fixed.

    Args:
        model: any model.
        data: observed or expected data.
        init: start values by parameter name, over the model's; traced. Where the
            likelihood is zero there, a walk from the model's start leads on.
        fixed: by parameter name, True or False for all or for each entry, over the
            model's; a fixed entry keeps its start value; traced.
        bounds: `(lower, upper)` by parameter name, over the model's; traced.
        solver: the minimiser; by default `BoundedNewton()`, with exact second
            derivatives.
        throw: whether to raise where no minimum is found; if not, `converged` tells,
            for each lane of a `jax.vmap` apart.

    Returns:
        The best fit; see `FitResult`. One compilation serves all fits of a model shape.

    Raises:
        FitError: where no minimum is found and `throw` is set, with the reason.
        ValueError: for an unknown parameter or a wrong shape.
        RuntimeError: where float64 is off.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, fit
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [50.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> result = fit(model, model.data({"SR": [57.0]}))
        >>> round(float(result.params["mu"]), 6)
        0.7
    """
    require_float64()
    options = fit_options(model, init, fixed, bounds)
    return _run(model, data, options, solver, throw)


def fixed_poi_fit(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data,
    *,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> FitResult:
    """Maximise the likelihood with the parameter of interest held at `poi_value`.

    Args:
        poi_value: where to hold it; traced.
        model: any model with a parameter of interest.
        data: observed or expected data.
        init, fixed, bounds, solver, throw: as in `fit`.

    Returns:
        The best fit of the other parameters.

    Raises:
        ValueError: where the model has no parameter of interest; else as `fit`.
    """
    require_float64()
    mask = poi_mask(model, "fixed_poi_fit")
    options = fit_options(model, init, fixed, bounds).holding(mask, poi_value)
    return _run(model, data, options, solver, throw)


def _run(
    model: AbstractModel,
    data: Data,
    options: FitOptions,
    solver: optx.AbstractMinimiser | None,
    throw: bool,
) -> FitResult:
    # By its class: of a bound method equinox makes a new object each time.
    likelihood = type(model).negative_log_likelihood(model, data)
    result = result_of(minimised(likelihood, options, solver), model)
    return explain_failure(result, model, data) if throw else result


def result_of(minimum: Minimum, model: AbstractModel) -> FitResult:
    """The minimum with the model's names."""
    return FitResult(
        y=minimum.y,
        twice_nll=minimum.twice_nll,
        converged=minimum.converged,
        edm=minimum.edm,
        stationarity=minimum.stationarity,
        unique=minimum.unique,
        gradient=minimum.gradient,
        curvature=minimum.curvature,
        steps=minimum.steps,
        result=minimum.result,
        shapes=model.parameter_shapes,
    )
