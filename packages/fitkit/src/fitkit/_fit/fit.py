"""Maximum-likelihood fits, free and with the parameter of interest held."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from .._bordered import Bordered, scale_of
from .._custom_types import Mask, Matrix, Params, Vector
from .._likelihood import AbstractNegativeLogLikelihood
from .._model import AbstractModel, Data
from .._parameters import Override, ParameterShapes, flatten, unflatten
from .._precision import require_float64
from .diagnose import (
    describe,
    entry_names,
    explain_failure,
    flattest,
    named_direction,
)
from .implicit import BoundedAdjoint, freeze, minimum_value
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
        steps: Newton steps.
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


def _outcome(form: Bordered) -> Any:
    """The structure of a `Minimum` whose Hessian has a certain form."""
    held = Stationarity(*(0,) * 5)
    return jax.tree.structure(
        Minimum(*(0,) * 5, held, 0, 0, form, 0, result=optx.RESULTS.successful)
    )


# Likelihoods of this package are told apart by their structure; another's may hold a
# function.
_OURS = "fitkit._histfactory"


def minimise(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    solver: optx.AbstractMinimiser | None = None,
    max_steps: int = _MAX_STEPS,
) -> Minimum:
    """Minimise a likelihood in its box; everything is traced.

    Args:
        likelihood: the model at its data.
        options: what differs from the model's own settings.
        solver: the minimiser; by default `BoundedNewton()`.
        max_steps: after so many steps the search is given up.
    """
    solver = BoundedNewton() if solver is None else solver
    likelihood = likelihood.prepared()
    settings = likelihood.parameters()
    lower = options.lower.over(settings.lower)
    upper = options.upper.over(settings.upper)
    movable = ~options.fixed.over(settings.fixed)
    start = options.init.over(settings.init)
    start = jnp.where(movable, jnp.clip(start, lower, upper), start)
    # A box without room is a fixed parameter.
    movable = movable & (lower < upper)

    # optimistix traces the function that it is given. `BoundedNewton` never calls it,
    # but the likelihood itself; tracing it all the same takes a fifth of all tracing.
    untraced = isinstance(solver, BoundedNewton)

    def search(side: float) -> optx.Solution:
        return optx.minimise(
            (lambda y, f: jnp.zeros(())) if untraced else (lambda y, f: f.value(y)),
            solver,
            start,
            likelihood,
            {"lower": lower, "upper": upper, "movable": movable, "side": side},
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
    value = minimum_value(
        likelihood,
        held.target(start, lower, upper),
        held.free,
        freeze(y),
        found.stats["value"],
    )
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


_minimise_with = eqx.filter_jit(minimise)


@jax.jit
def _minimise(likelihood: AbstractNegativeLogLikelihood, options: FitOptions) -> Any:
    return minimise(likelihood, options)


def minimised(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    solver: optx.AbstractMinimiser | None = None,
) -> Minimum:
    """`minimise`, compiled: the one program of all fits of a shape."""
    likelihood = likelihood.at_hand()
    leaves = jax.tree.leaves(likelihood)
    if solver is None and all(isinstance(x, jax.Array | np.ndarray) for x in leaves):
        # Telling arrays from other things takes as long as a small fit.
        if keeps_programs() and _keepable(likelihood, options):
            found = call_kept(minimise, likelihood, options)
            return jax.tree.unflatten(_outcome(likelihood.form), found)
        return _minimise(likelihood, options)
    return _minimise_with(likelihood, options, solver)


def _keepable(likelihood: AbstractNegativeLogLikelihood, options: FitOptions) -> bool:
    """Whether a kept program may run: of our own code, and of plain numbers.

    Inside `vmap` or `jit` there are none; a kept program has no rule for those.
    """
    return type(likelihood).__module__.startswith(_OURS) and not any(
        isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((likelihood, options))
    )


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
        steps: Newton steps.
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
        init: start values by parameter name, over the model's; traced.
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
    likelihood = model.negative_log_likelihood(data)
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
