r"""Poisson and normal terms of a likelihood, written so that nothing cancels.

\(n\log\nu - \nu - \log n!\) loses all its digits where \(n\) is large: an auxiliary
count of 1.9e11, which a published likelihood has, costs 2e-3 in \(-2\log L\). Here each
Poisson term is its *deviance* from saturation, \(D = \nu - n + n\log(n/\nu) \ge 0\),
which is small wherever the fit is good, plus the saturated term, which no parameter
changes.

References:
    C. Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000).
"""

from typing import final

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from .._numerics.namespace import as_floats, custom_jvp, xp

# Below this |x|, x - log1p(x) is summed as a series: what nine terms leave
# is below 1e-17 x^2.
_SERIES_REACH = 0.01
# From this count on, Stirling's series to n^-9 is exact to float64.
_STIRLING_FROM = 20.0
_LOG_OF_NOTHING = np.log(np.finfo(float).tiny)
_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


@final
class Normal(eqx.Module):
    """A normal constraint: the auxiliary measurement `aux` of the parameter itself.

    Attributes:
        aux: nominal auxiliary measurement, of the parameter's shape.
        sigma: its standard deviation, of the parameter's shape.
    """

    aux: Array
    sigma: Array


@final
class Poisson(eqx.Module):
    """A Poisson constraint: the count `aux` expects `tau` times the parameter.

    Attributes:
        aux: nominal auxiliary count, of the parameter's shape.
        tau: expected count at parameter value 1, of the parameter's shape.
    """

    aux: Array
    tau: Array


def _excess(x: Array) -> Array:
    """x - log1p(x) >= 0, to full relative precision also for small x."""
    small = xp.abs(x) < _SERIES_REACH
    s = xp.where(small, x, 0.0)
    series = xp.zeros_like(s)
    for power in range(10, 1, -1):
        series = (-1.0) ** power / power + s * series
    large = xp.where(small, 1.0, x)
    return xp.where(small, s**2 * series, large - xp.log1p(large))


@custom_jvp
def poisson_deviance(
    count: Float[Array, "..."], rate: Float[Array, "..."]
) -> Float[Array, "..."]:
    r"""Half the deviance of a Poisson term, \(\nu - n + n\log(n/\nu)\).

    Args:
        count: observed counts \(n \ge 0\), not necessarily whole numbers.
        rate: expected counts \(\nu\), the same shape.

    Returns:
        \(D \ge 0\); infinite where the rate is negative, or zero with a count above
        zero. Its derivative with respect to a count of exactly zero leaves out the
        \(\log n\) that every difference of two deviances of the same data loses.

    Example:
        >>> import jax.numpy as jnp
        >>> float(poisson_deviance(xp.array(5.0), xp.array(5.0)))
        0.0
    """
    has_count = count > 0
    n = xp.where(has_count, count, 1.0)
    possible = (rate > 0) | (~has_count & (rate == 0))
    nu = xp.where(rate > 0, rate, 1.0)
    deviance = xp.where(
        has_count, n * _excess((nu - n) / n), xp.where(possible, rate, 0)
    )
    return xp.where(possible, deviance, xp.inf)


@poisson_deviance.def_jvp
def _poisson_deviance_jvp(primals, tangents):
    count, rate = primals
    count_dot, rate_dot = tangents
    has_count = count > 0
    n = xp.where(has_count, count, 1.0)
    nu = xp.where(rate > 0, rate, 1.0)
    by_rate = xp.where(rate > 0, (nu - count) / nu, xp.where(has_count, -xp.inf, 1.0))
    # Of an empty bin without expected events the slope is infinite; infinite times a
    # count that does not change would be NaN. The largest logarithm has its sign.
    log_nu = xp.where(rate > 0, xp.log(nu), _LOG_OF_NOTHING)
    by_count = xp.where(has_count, -xp.log1p((nu - n) / n), -log_nu)
    return poisson_deviance(count, rate), by_rate * rate_dot + by_count * count_dot


def _stirling_remainder(n: Array) -> Array:
    r"""\(\log n! - (n + 1/2)\log n + n - \log\sqrt{2\pi}\)."""
    large = n >= _STIRLING_FROM
    m = xp.where(large, n, _STIRLING_FROM)
    square = m**-2
    series = 1 / 12 - square * (
        1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))
    )
    s = xp.where(large | (n <= 0), 1.0, n)
    exact = xp.gammaln(s + 1) - (s + 0.5) * xp.log(s) + s - _HALF_LOG_2PI
    return xp.where(large, series / m, exact)


@custom_jvp
def poisson_saturated(count: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""\(\log P(n | \nu = n)\), the largest log-probability that a count can have.

    Args:
        count: observed counts \(n \ge 0\).

    Returns:
        \(n\log n - n - \log n!\), and 0 for \(n = 0\).

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(poisson_saturated(xp.array(1.0))), 12)
        -1.0
    """
    n = xp.where(count > 0, count, 1.0)
    value = -_HALF_LOG_2PI - 0.5 * xp.log(n) - _stirling_remainder(n)
    return xp.where(count > 0, value, 0.0)


@poisson_saturated.def_jvp
def _poisson_saturated_jvp(primals, tangents):
    (count,), (count_dot,) = primals, tangents
    n = xp.where(count > 0, count, 1.0)
    return poisson_saturated(count), (xp.log(n) - xp.digamma(count + 1)) * count_dot


def poisson_logpdf(
    count: Float[ArrayLike, "..."], rate: Float[ArrayLike, "..."]
) -> Float[Array, "..."]:
    r"""\(\log P(n | \nu)\) for counts that need not be whole, for models of your own.

    Asimov data are expectations, and `jax.scipy.stats.poisson.logpmf` gives `-inf` for
    any count that is not a whole number. Nothing cancels here, also for large counts.

    Args:
        count: observed or expected counts \(n \ge 0\).
        rate: expected counts \(\nu\), broadcast against `count`.

    Returns:
        \(n\log\nu - \nu - \log\Gamma(n + 1)\); `-inf` where the rate is negative, or
        zero with a count above zero.

    Example:
        >>> round(float(poisson_logpdf(2.5, 3.0)), 6)
        -1.454443
    """
    n, nu = xp.broadcast_arrays(as_floats(count), as_floats(rate))
    return poisson_saturated(n) - poisson_deviance(n, nu)


def normal_saturated(sigma: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""\(\log N(a | a, \sigma)\), the largest log-density of a normal term.

    Args:
        sigma: standard deviation, positive.

    Returns:
        \(-\log(\sigma\sqrt{2\pi})\).
    """
    return -_HALF_LOG_2PI - xp.log(sigma)
