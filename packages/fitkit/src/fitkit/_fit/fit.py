"""Maximum-likelihood fits: free, and with the parameter of interest fixed."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import traced, xp
from .._numerics.precision import require_float64
from .attempts import minimised_from_anywhere
from .diagnose import explain_failure
from .minimise import searched_on_host, smallest_value
from .poi import fixed_pois
from .result import FitResult, result_of

_smallest_value = numpy_or_compiled(smallest_value)


def fit(model: AbstractModel, data: Data, *, throw: bool = True) -> FitResult:
    """Maximise the likelihood of `data` over all parameters that are not fixed.

    What is fixed, where the fit starts and how far it may go belongs to the model:
    `model.with_fixed(...)`, `.with_init(...)`, `.with_bounds(...)`,
    `.with_masked(...)`.

    With concrete numbers the fit runs on NumPy, at once. Inside `jax.jit`, `jax.grad`
    and `jax.vmap` it is compiled, one program for all models of the same shapes:
    `jax.jit(lambda data: fitkit.fit(model, data))` is the compiled fit.

    Args:
        model: any model.
        data: observed or expected data.
        throw: whether to raise where no minimum is found; if not, `converged` tells,
            for each lane of a `jax.vmap` apart.

    Returns:
        The best fit; see `FitResult`. Where the likelihood is zero at the start, a
        continuation from where it is not leads on.

    Raises:
        FitError: where no minimum is found and `throw` is set, with the reason.
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, fit
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [50.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> result = fit(model, model.data({"SR": [57.0]}))
        >>> round(float(result.params["mu"]), 6)
        0.7
        >>> fixed = fit(model.with_fixed(mu=1.0), model.data({"SR": [57.0]}))
        >>> round(float(fixed.twice_nll - result.twice_nll), 6)
        0.152564
    """
    return _run(model, data, model.parameter_vectors(), throw)


def fixed_poi_fit(
    model: AbstractModel,
    data: Data,
    poi_value: ArrayLike | Mapping[str, ArrayLike],
    *,
    throw: bool = True,
) -> FitResult:
    """Maximise the likelihood with the parameter of interest fixed at `poi_value`.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        poi_value: where to fix it; of several by name; traced.
        throw: as in `fit`.

    Returns:
        The best fit of the other parameters: the conditional fit.

    Raises:
        ValueError: where the model has no parameter of interest; else as `fit`.
    """
    mask, value = fixed_pois(model, poi_value, "fixed_poi_fit")
    parameters = model.parameter_vectors().fixed_at(mask, value)
    return _run(model, data, parameters, throw)


def smallest_twice_nll(
    model: AbstractModel,
    data: Data,
    poi_value: ArrayLike | Mapping[str, ArrayLike] | None = None,
    *,
    above_saturated: bool = False,
    on_host: bool = False,
) -> Float[Array, ""]:
    r"""Minus twice the log-likelihood at its maximum, and nothing else.

    The `twice_nll` of `fit`, or of `fixed_poi_fit`, for what is differentiated again
    and again, as the loss of a training. Derivatives of any order are the same; the
    first is the partial one at the minimum (envelope theorem), so that its program has
    no linear system, and is traced and compiled in less time.

    Args:
        model: any model.
        data: observed or expected data.
        poi_value: where to fix the parameter of interest, of several by name; traced.
            All parameters that are not fixed are fitted by default.
        above_saturated: whether only what lies above the saturated model counts: of
            Asimov data the profile likelihood ratio itself, for the point that they
            were made at is saturated. It needs no further evaluation and no gamma
            functions, which take long to compile.
        on_host: traced, whether the search runs on NumPy, called from the program: the
            search, most of what is to compile, is then no part of it. A step takes
            some milliseconds more, so that it pays for up to about a thousand of them,
            and always on an accelerator, where the small matrices of a fit are slow. A
            `jax.vmap` of it fits one after the other.

    Returns:
        A scalar; NaN where no minimum is found.

    Raises:
        ValueError: for a `poi_value` where the model has no parameter of interest.
        TypeError: for `on_host` of a model that is written in `jax.numpy`.
        RuntimeError: traced, where float64 is off.

    Example:
        The gradient of an expected exclusion with respect to the signal:

        >>> import jax, jax.numpy as jnp
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import smallest_twice_nll, uncorrelated_background
        >>> def q(signal):
        ...     model = uncorrelated_background(signal, [50.0, 30.0], [5.0, 3.0])
        ...     data = model.expected_data({**model.init, "mu": 0.0})
        ...     return smallest_twice_nll(
        ...         model, data, 1.0, above_saturated=True, on_host=True
        ...     )
        >>> gradient = jax.jit(jax.grad(q))(jnp.array([6.0, 9.0]))
        >>> [round(float(x), 5) for x in gradient]
        [0.15339, 0.39275]
    """
    parameters = model.parameter_vectors()
    if poi_value is not None:
        mask, value = fixed_pois(model, poi_value, "smallest_twice_nll")
        parameters = parameters.fixed_at(mask, value)
    likelihood = type(model).negative_log_likelihood(model, data)
    require_float64(likelihood, parameters)
    on_host = on_host and traced(likelihood, parameters)
    run = searched_on_host if on_host else _smallest_value
    value, converged = run(likelihood, parameters)
    if not above_saturated:
        with np.errstate(all="ignore"):
            value = value + likelihood.saturated()
    return xp.where(converged, 2 * value, np.nan)


def _run(
    model: AbstractModel, data: Data, parameters: ParameterVectors, throw: bool
) -> FitResult:
    # By its class: of a bound method equinox makes a new object each time.
    likelihood = type(model).negative_log_likelihood(model, data)
    require_float64(likelihood, parameters)
    shapes = model.parameter_shapes
    poi = np.zeros(shapes.size, dtype=bool)
    for name in set(model.pois) & shapes.keys():
        poi[shapes.places[name]] = True
    result = result_of(minimised_from_anywhere(likelihood, parameters, poi), model)
    return explain_failure(result, model, data) if throw else result
