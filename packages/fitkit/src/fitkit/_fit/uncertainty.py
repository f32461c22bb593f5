"""Second derivatives at a point, and what they say of the parameters' uncertainties."""

from jaxtyping import Array, Bool

from .._numerics.bordered_matrix import Bordered, factorise, inverse
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import xp
from .._custom_types import Mask, Matrix, Params
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import unflatten
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
    likelihood, y = model.negative_log_likelihood(data), model.ravel(params)
    require_float64(likelihood, y)
    return _hessian(likelihood, y)


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
) -> Matrix:
    """The inverse Hessian of the parameters that are not fixed.

    Args:
        model: any model.
        params: the best fit, by name.
        data: the data that were fitted.

    Returns:
        `[params, params]`: 0 in rows and columns of fixed parameters. All other entries
        are NaN where the Hessian is not positive definite: some combination of the
        parameters is then not determined, and no number would be true.
    """
    likelihood, free = model.negative_log_likelihood(data), ~model.parameter_vectors().fixed
    require_float64(likelihood)
    return _covariance(likelihood, free, model.ravel(params))


def correlation(
    model: AbstractModel,
    params: Params,
    data: Data,
) -> Matrix:
    """The correlation matrix of the parameters that are not fixed.

    Args:
        model, params, data: as in `covariance`.

    Returns:
        `[params, params]`: 1 on the diagonal, 0 between fixed parameters and others.
    """
    cov = covariance(model, params, data)
    variance = xp.diagonal(cov)
    held = variance == 0
    width = xp.sqrt(xp.where(held, 1.0, variance))
    return cov / (width[:, None] * width) + xp.diag(xp.where(held, 1.0, 0.0))


def uncertainties(
    model: AbstractModel,
    params: Params,
    data: Data,
) -> Params:
    """The standard deviation of each parameter, from the inverse Hessian.

    Args:
        model, params, data: as in `covariance`.

    Returns:
        By parameter name; 0 where fixed, NaN where not determined.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, fit, uncertainties
        >>> model = Model([Channel("SR", [Sample("s", [25.0], (NormFactor("mu"),))])])
        >>> data = model.data({"SR": [25.0]})
        >>> best = fit(model, data)
        >>> round(float(uncertainties(model, best.params, data)["mu"]), 6)
        0.2
    """
    cov = covariance(model, params, data)
    return unflatten(xp.sqrt(xp.diagonal(cov)), model.parameter_shapes)


@numpy_or_compiled
def _hessian(likelihood: AbstractNegativeLogLikelihood, y: Array) -> Matrix:
    return likelihood.derivatives(y).hessian.dense()


@numpy_or_compiled
def _covariance(
    likelihood: AbstractNegativeLogLikelihood, free: Mask, y: Array
) -> Matrix:
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
