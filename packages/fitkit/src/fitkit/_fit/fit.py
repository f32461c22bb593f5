"""Maximum-likelihood fits: free, and with the parameter of interest fixed."""

from collections.abc import Mapping

from jaxtyping import ArrayLike

from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors
from .._numerics.precision import require_float64
from .diagnose import explain_failure
from .minimise import minimised
from .poi import fixed_pois
from .result import FitResult, result_of


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


def _run(
    model: AbstractModel, data: Data, parameters: ParameterVectors, throw: bool
) -> FitResult:
    # By its class: of a bound method equinox makes a new object each time.
    likelihood = type(model).negative_log_likelihood(model, data)
    require_float64(likelihood, parameters)
    result = result_of(minimised(likelihood, parameters), model)
    return explain_failure(result, model, data) if throw else result
