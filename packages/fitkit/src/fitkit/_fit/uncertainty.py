r"""Second derivatives at a point, and what they say of the parameters' uncertainties.

Each entry stands for itself. The covariance is the inverse Hessian \(H\) of the entries
that the data may move either way. Where \(H\) is singular, what the data determine all
the same has its covariance: a linear function \(s^T y\) is determined if \(s\) has no
part along the null directions of \(H\), and its variance is \(s^T H^- s\), the same for
every generalised inverse (C. R. Rao, Linear Statistical Inference, 4a.2). The others,
and those alone, have NaN.
"""

from typing import NamedTuple, final

from jaxtyping import Array, Float, Int

from .._custom_types import Mask, Matrix, Params, Vector
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors, unflatten
from .._numerics.bordered_matrix import (
    Bordered,
    factorise,
    inverse,
    plain,
    scale_of,
)
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import cond, eigh, freeze, take, take_rows, traced, xp
from .._numerics.precision import require_float64
from .box import Box
from .stationarity import stationarity

# The least eigenvalue, in natural units, of a direction that the data determine: a
# search leaves curvatures of about 1e-8, of either sign, in a flat one.
_FLAT = 1e-8
# The largest squared part along flat directions, of a vector of length 1, at which it
# counts as orthogonal to them. Rounding leaves 1e-16, divided by the next eigenvalue.
_ALONG = 1e-8


@final
class Covariance(NamedTuple):
    """What a Hessian says of the uncertainties, as far as it determines them.

    Attributes:
        table: a generalised inverse of the free rows and columns, `[params, params]`; 0
            in the others.
        flat: projection onto the directions that are not determined, in natural units,
            `[params, params]`.
        scale: one over the natural units, `[params]`.
        free: entries that take part, `[params]`.
    """

    table: Matrix
    flat: Matrix
    scale: Vector
    free: Mask

    @property
    def determined(self) -> Mask:
        """Which free entries have a variance, `[params]`."""
        return self.free & (xp.diagonal(self.flat) <= _ALONG)

    @property
    def widths(self) -> Vector:
        """Standard deviations, `[params]`; NaN for all that is not determined."""
        variance = xp.where(self.determined, xp.diagonal(self.table), xp.nan)
        return xp.sqrt(variance)

    def among(self, entries: Int[Array, " some"]) -> "Covariance":
        """The covariance of some entries, for functions of these alone."""
        table, flat = (
            take(take_rows(each, entries), entries) for each in (self.table, self.flat)
        )
        of_entries = take(self.scale, entries), take(self.free, entries)
        return Covariance(table, flat, *of_entries)

    def variance_along(self, slopes: Float[Array, "rows params"]) -> Array:
        """The variances of linear functions of the entries, NaN if not determined.

        Args:
            slopes: of each function. Entries that take no part do not count: they are
                fixed, or on a bound.
        """
        variance = xp.sum((slopes @ self.table) * slopes, axis=-1)
        # A projection is zero if its diagonal is, and then there is nothing to check.
        if not traced(self.flat) and not xp.diagonal(self.flat).any():
            return variance
        natural = xp.where(self.free, slopes / self.scale, 0.0)
        flat = xp.sum((natural @ self.flat) * natural, axis=-1)
        determined = flat <= _ALONG * xp.sum(natural**2, axis=-1)
        return xp.where(determined, variance, xp.nan)


def covariance_of(hessian: Bordered, free: Mask) -> Covariance:
    """The covariance of the entries that are `free`, as far as it is determined.

    Args:
        hessian: of minus the log-likelihood.
        free: which entries take part.
    """
    # Nothing depends on these: they are left out, which takes no eigenvectors.
    silent = free & (hessian.diagonal() == 0)
    heard = free & ~silent
    factor, positive = factorise(hessian, heard, strict=True)
    table, flat = cond(
        positive,
        lambda: (inverse(factor, heard), xp.zeros((free.shape[0], free.shape[0]))),
        lambda: _of_singular(hessian, heard),
    )
    if traced(silent) or silent.any():
        flat = flat + xp.diag(1.0 * silent)
    return Covariance(table, flat, scale_of(hessian), free)


def _of_singular(hessian: Bordered, free: Mask) -> tuple[Matrix, Matrix]:
    """A generalised inverse of a singular matrix, and its flat directions."""
    scale = scale_of(hessian)
    units = scale[:, None] * scale
    both = free[:, None] & free
    natural = xp.where(both, hessian.dense() / units, 0.0)
    # Entries that take no part are apart from all that do.
    values, vectors = eigh(freeze(natural + xp.diag(1.0 * ~free)))
    flat = freeze((vectors * (values < _FLAT)) @ vectors.T)
    # With curvature 1 along flat directions the matrix is positive definite; its
    # derivatives are then those of the inverse, as eigenvectors have none where
    # eigenvalues meet.
    steep = xp.eye(free.shape[0]) - flat
    lifted = steep @ natural @ steep + flat
    factor, _ = factorise(plain(lifted), free)
    table = xp.where(both, (inverse(factor, free) - flat) / units, 0.0)
    return table, flat


def free_entries(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors, y: Vector
) -> tuple[Bordered, Mask, Mask]:
    """What the covariance at a point is made of.

    Args:
        likelihood: the model at its data.
        parameters: fixed entries and bounds.
        y: the point, as a rule the best fit.

    Returns:
        The Hessian; which entries are fitted and which of these the data may move
        either way. The others are on a bound, against which the data push them.
    """
    at = likelihood.derivatives(y)
    _, movable = parameters.start()
    box = Box(parameters.lower, parameters.upper, movable, 1.0)
    what_holds = stationarity(likelihood, y, at, box)
    # At a kink the mean of both sides is a curvature as good as any.
    on_bound = what_holds.at_lower | what_holds.at_upper
    return at.hessian, movable, movable & ~on_bound


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

    Raises:
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, hessian
        >>> model = Model([Channel("SR", [Sample("s", [25.0], (NormFactor("mu"),))])])
        >>> matrix = hessian(model, {"mu": 1.0}, model.data({"SR": [25.0]}))
        >>> [[round(float(x), 9) for x in row] for row in matrix]
        [[25.0]]
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


def covariance(model: AbstractModel, params: Params, data: Data) -> Matrix:
    """The inverse Hessian of the parameters that are fitted.

    Args:
        model: any model.
        params: the best fit, by name.
        data: the data that were fitted.

    Returns:
        `[params, params]`: 0 in rows and columns of fixed parameters. NaN in those of
        entries without a variance, and in no others: of what the data do not determine,
        alone or in any combination; and on a bound against which the data push, where
        an uncertainty is no width of anything (`interval` has its other end). The
        others are then those of a fit with that entry on its bound.

    Raises:
        RuntimeError: traced, where float64 is off.

    Example:
        Two events of background more or less, of which nothing is measured:

        >>> import fitkit
        >>> model = fitkit.correlated_background([4.0], [50.0], [52.0], [48.0])
        >>> params = {**model.init, "mu": 0.0}
        >>> blind = model.with_fixed("mu")
        >>> matrix = fitkit.covariance(blind, params, model.expected_data(params))
        >>> [[round(float(x), 6) for x in row] for row in matrix]
        [[0.0, 0.0], [0.0, 0.925926]]
    """
    likelihood, parameters = _at(model, data)
    return _covariance(likelihood, parameters, model.ravel(params))


def correlation(model: AbstractModel, params: Params, data: Data) -> Matrix:
    """The correlation matrix of the parameters that are fitted.

    Args:
        model, params, data: as in `covariance`.

    Returns:
        `[params, params]`: 1 on the diagonal, 0 between fixed parameters and others,
        NaN where `covariance` has it.
    """
    cov = covariance(model, params, data)
    variance = xp.diagonal(cov)
    fixed = variance == 0
    width = xp.sqrt(xp.where(fixed, 1.0, variance))
    return cov / (width[:, None] * width) + xp.diag(xp.where(fixed, 1.0, 0.0))


def uncertainties(model: AbstractModel, params: Params, data: Data) -> Params:
    """The standard deviation of each parameter, from the inverse Hessian.

    Args:
        model, params, data: as in `covariance`.

    Returns:
        By parameter name, each of the parameter's shape; 0 where fixed, NaN where
        `covariance` has it.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, fit, uncertainties
        >>> model = Model([Channel("SR", [Sample("s", [25.0], (NormFactor("mu"),))])])
        >>> data = model.data({"SR": [25.0]})
        >>> best = fit(model, data)
        >>> round(float(uncertainties(model, best.params, data)["mu"]), 6)
        0.2
    """
    likelihood, parameters = _at(model, data)
    widths = _uncertainties(likelihood, parameters, model.ravel(params))
    return unflatten(widths, model.parameter_shapes)


def _at(
    model: AbstractModel, data: Data
) -> tuple[AbstractNegativeLogLikelihood, ParameterVectors]:
    likelihood, parameters = (
        model.negative_log_likelihood(data),
        model.parameter_vectors(),
    )
    require_float64(likelihood, parameters)
    return likelihood, parameters


@numpy_or_compiled
def _hessian(likelihood: AbstractNegativeLogLikelihood, y: Array) -> Matrix:
    return likelihood.derivatives(y).hessian.dense()


@numpy_or_compiled
def _covariance(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors, y: Array
) -> Matrix:
    matrix, movable, free = free_entries(likelihood, parameters, y)
    of_free = covariance_of(matrix, free)
    known = of_free.determined | ~movable
    return xp.where(known[:, None] & known, of_free.table, xp.nan)


@numpy_or_compiled
def _uncertainties(
    likelihood: AbstractNegativeLogLikelihood, parameters: ParameterVectors, y: Array
) -> Vector:
    matrix, movable, free = free_entries(likelihood, parameters, y)
    return xp.where(movable, covariance_of(matrix, free).widths, 0.0)
