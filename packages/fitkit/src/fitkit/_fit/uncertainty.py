"""Second derivatives at a point, and what they say of the parameters' uncertainties."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool

from .._numerics.bordered_matrix import Bordered, factorise, inverse
from .._numerics.compiled import compiled
from .._custom_types import Mask, Matrix, Params
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import flatten, unflatten
from .._numerics.precision import require_float64


def hessian(model: AbstractModel, params: Params, data: Data) -> Matrix:
    """Second derivatives of minus the log-likelihood of `data` at `params`.

    Args:
        model: any model.
        params: where to evaluate, by name.
        data: observed or expected data.

    Returns:
        `[params, params]`, rows and columns in the order of `model.parameter_names`,
        fixed parameters included. At a kink of an interpolation code the mean of both
        sides enters.
    """
    require_float64()
    return _hessian(model.negative_log_likelihood(data), model.ravel(params))


def fisher_information(
    model: AbstractModel, params: Params, data: Data | None = None
) -> Matrix:
    """The expected information about the parameters at `params`.

    The Hessian of minus the log-likelihood at the data that the model expects there,
    auxiliary data included.

    Args:
        model: any model.
        params: where to evaluate, by name.
        data: if given, the *observed* information: the Hessian at these data.

    Returns:
        `[params, params]`, in the order of `model.parameter_names`.

    References:
        INFERNO, arXiv:1806.04743, eqs. 12-13.
    """
    expected = model.expected_data(params) if data is None else data
    return hessian(model, params, expected)


def covariance(
    model: AbstractModel,
    params: Params,
    data: Data,
    *,
    fixed: Mapping[str, ArrayLike] | None = None,
) -> Matrix:
    """The inverse Hessian of the parameters that are not fixed.

    Args:
        model: any model.
        params: the best fit, by name.
        data: the data that were fitted.
        fixed: by parameter name, over the model's own.

    Returns:
        `[params, params]`: 0 in rows and columns of fixed parameters. All other entries
        are NaN where the Hessian is not positive definite: some combination of the
        parameters is then not determined, and no number would be true.
    """
    require_float64()
    override = flatten(fixed, model.parameter_shapes, "fixed", bool)
    return _covariance(
        model.negative_log_likelihood(data), override, model.ravel(params)
    )


def correlation(
    model: AbstractModel,
    params: Params,
    data: Data,
    *,
    fixed: Mapping[str, ArrayLike] | None = None,
) -> Matrix:
    """The correlation matrix of the parameters that are not fixed.

    Args:
        model, params, data, fixed: as in `covariance`.

    Returns:
        `[params, params]`: 1 on the diagonal, 0 between fixed parameters and others.
    """
    cov = covariance(model, params, data, fixed=fixed)
    variance = jnp.diagonal(cov)
    held = variance == 0
    width = jnp.sqrt(jnp.where(held, 1.0, variance))
    return cov / (width[:, None] * width) + jnp.diag(jnp.where(held, 1.0, 0.0))


def uncertainties(
    model: AbstractModel,
    params: Params,
    data: Data,
    *,
    fixed: Mapping[str, ArrayLike] | None = None,
) -> Params:
    """The standard deviation of each parameter, from the inverse Hessian.

    Args:
        model, params, data, fixed: as in `covariance`.

    Returns:
        By parameter name; 0 where fixed, NaN where not determined.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, fit, uncertainties
        >>> model = Model([Channel("SR", [Sample("s", [25.0], (NormFactor("mu"),))])])
        >>> data = model.data({"SR": [25.0]})
        >>> best = fit(model, data)
        >>> round(float(uncertainties(model, best.params, data)["mu"]), 6)
        0.2
    """
    cov = covariance(model, params, data, fixed=fixed)
    return unflatten(jnp.sqrt(jnp.diagonal(cov)), model.parameter_shapes)


@compiled
def _hessian(likelihood: AbstractNegativeLogLikelihood, y: Array) -> Matrix:
    return likelihood.prepared().hessian(y)


@compiled
def _covariance(likelihood: AbstractNegativeLogLikelihood, fixed, y: Array) -> Matrix:
    likelihood = likelihood.prepared()
    free = ~fixed.over(likelihood.parameters().fixed)
    return inverse_of_free(likelihood.derivatives(y).hessian, free)[0]


def inverse_of_free(matrix: Bordered, free: Mask) -> tuple[Matrix, Bool[Array, ""]]:
    """The inverse of the rows and columns that are `free`; 0 in the others.

    Args:
        matrix: symmetric.
        free: which entries take part.

    Returns:
        The inverse, NaN where the matrix is not positive definite, and whether it is.
    """
    factor, positive = factorise(matrix, free, strict=True)
    return inverse(factor, free), positive
