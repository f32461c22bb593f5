"""Upper limits on the parameter of interest."""

from collections.abc import Mapping
from typing import NamedTuple, final, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, ArrayLike, Bool, Float

from .._numerics.compiled import compiled
from .._custom_types import Mask
from .._fit.fit import fit_options, poi_mask
from .._fit.implicit import freeze
from .._fit.kept import call_kept
from .._numerics.batch import in_lanes
from .._fit.minimise import FitOptions, keepable, minimise
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._numerics.precision import require_float64
from .._numerics.roots import falling_roots
from .asymptotics import Asymptotics, expected_tails, observed_tails
from .hypotest import require_converged
from .fits import Held, Twin, fit_twins
from .statistic import AbstractTestStatistic, QMuTilde, as_array
from .toy_limit import ToysLimit, limits_by_toys
from .toys import Toys

# A signal strength at which the width of the best fit is found.
_FIRST = 1.0
# Where CLs has not fallen to the level at so many times the first guess, it never will.
_FARTHEST = 1e4


@final
class UpperLimit(eqx.Module):
    """An upper limit on the parameter of interest.

    Attributes:
        observed: the value at which the observed CLs equals `level`; infinite where it
            never does.
        expected: the same for outcomes at -2, -1, 0, 1, 2 standard deviations of the
            background, `[5]`.
        level: one minus the confidence level.
        converged: whether all fits and all searches ended, for the observed limit and
            each of the band, `[6]`.
        test: the name of the test statistic.
        band: the convention of the band; see `Asymptotics`.
    """

    observed: Float[Array, ""]
    expected: Float[Array, "5"]
    level: Float[Array, ""]
    converged: Bool[Array, "6"]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    def __repr__(self) -> str:
        if isinstance(self.observed, jax.core.Tracer) or jnp.ndim(self.observed):
            return f"UpperLimit(shape={jnp.shape(self.observed)})"
        band = ", ".join(f"{x:.6g}" for x in self.expected)
        status = "" if bool(jnp.all(self.converged)) else "  (NOT CONVERGED)"
        return (
            f"upper limit at {100 * (1 - float(self.level)):g} % CLs: observed "
            f"{float(self.observed):.6g}, expected [{band}] ({self.test}, band "
            f"{self.band}){status}"
        )


@overload
def upper_limit(
    model: AbstractModel,
    data: Data,
    *,
    level: ArrayLike = ...,
    statistic: AbstractTestStatistic = ...,
    calculator: Asymptotics = ...,
    tolerance: float = ...,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> UpperLimit: ...
@overload
def upper_limit(
    model: AbstractModel,
    data: Data,
    *,
    level: ArrayLike = ...,
    statistic: AbstractTestStatistic = ...,
    calculator: Toys,
    tolerance: float = ...,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> ToysLimit: ...
def upper_limit(
    model: AbstractModel,
    data: Data,
    *,
    level: ArrayLike = 0.05,
    statistic: AbstractTestStatistic = QMuTilde(),
    calculator: Asymptotics | Toys = Asymptotics(),
    tolerance: float = 1e-8,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> UpperLimit | ToysLimit:
    """The values of the parameter of interest at which CLs falls to `level`.

    The observed limit and the band are searched at once, from what a best fit of one
    width everywhere would give (arXiv:1007.1727, eq. 89): four or five steps, each one
    batch of fits.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        level: one minus the confidence level, between 0 and 1; traced.
        statistic: `QMuTilde()` (default) or `QMu()`.
        calculator: `Asymptotics()`, also says which outcomes the expected band stands
            for, or `Toys(key, n)`: the same pseudo-experiments at every tested value,
            as far as their random numbers go.
        tolerance: relative precision of the limits.
        init, fixed, bounds, solver: of all fits; see `fit`.
        throw: whether to raise where a fit or a search fails; the result says so
            otherwise.

    Returns:
        Observed and expected limits; differentiable with respect to everything traced,
        by the implicit function theorem. With `Toys` a `ToysLimit` with statistical
        errors, which is not differentiable.

        Expected is what data without a signal give. From Asimov data with a signal,
        `asimov_data(strength, ...)`, the observed limit is the one expected with it.

    Raises:
        ValueError: where the model has no parameter of interest, or for a statistic
            that is not for limits.
        FitError: where a fit or a search fails and `throw` is set: there need not be a
            limit, as CLs does not fall to the level where uncertainties grow with the
            signal as fast as itself.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, upper_limit
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [5.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> limit = upper_limit(model, model.data({"SR": [12.0]}))
        >>> round(float(limit.observed), 6)
        1.367255
    """
    require_float64()
    if statistic.discovery or statistic.two_sided:
        raise ValueError(
            "`upper_limit` needs a statistic for exclusion, `QMuTilde()` or `QMu()`; "
            f"got {type(statistic).__name__}."
        )
    mask = poi_mask(model, "upper_limit")
    likelihood = model.negative_log_likelihood(data)
    options = fit_options(model, init, fixed, bounds)
    # Toys start their search at the asymptotic limits.
    formulae = Asymptotics() if isinstance(calculator, Toys) else calculator
    log_level = jnp.log(jnp.asarray(level, dtype=float))
    limits, converged = asymptotic_limits(
        likelihood, options, mask, log_level, statistic, formulae, solver, tolerance
    )
    if isinstance(calculator, Toys):
        result = limits_by_toys(
            likelihood, options, mask, limits, level, statistic, solver, calculator
        )
        if throw:
            require_converged(result.observed, result.converged, "upper_limit")
        return result
    if throw:
        reason = "CLs does not fall to the level, or a fit found no minimum"
        limits = require_converged(limits, jnp.all(converged), "upper_limit", reason)
    return UpperLimit(
        limits[0],
        limits[1:],
        jnp.exp(log_level),
        converged,
        type(statistic).__name__,
        formulae.band,
    )


@final
class _Subject(NamedTuple):
    """What limits are derived from.

    Attributes:
        likelihood: at the data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        twin: the data and their Asimov twin, fitted.
        held: their fits at a first guess of the limits, `_FIRST`.
        log_level: logarithm of the CLs that limits have.
    """

    likelihood: AbstractNegativeLogLikelihood
    options: FitOptions
    poi: Mask
    twin: Twin
    held: Held
    log_level: Float[Array, ""]


def _excess(
    subject: _Subject,
    tested: Float[Array, "6"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    """Log CLs - log level: of the data at the first value, of the band at others."""

    def at(observations, mu):
        options = subject.options.holding(subject.poi, mu)
        minimum = minimise(likelihood.at(observations), options, solver)
        return minimum.value, minimum.converged

    # The data at the first value; the Asimov data at all six.
    likelihood, twin = subject.likelihood.prepared(), subject.twin
    lanes = jax.tree.map(
        lambda a, b: jnp.stack([a] + [b] * 6), likelihood.observations(), twin.asimov
    )
    where = jnp.concatenate([tested[:1], tested])
    values, converged = in_lanes(
        lambda lane: at(*lane), (lanes, where), subject.poi.shape[0]
    )
    q = statistic.ratio(twin.best, tested[0], values[0], twin.at_best)
    q_asimov = statistic.ratio(
        twin.asimov_best, tested, values[1:], twin.asimov_at_best
    )
    observed = observed_tails(statistic, q, q_asimov[0]).log_cls
    band = expected_tails(statistic, q_asimov[1:], calculator).log_cls
    expected = jnp.diagonal(band)
    good = converged[1:] & (converged[0] | (jnp.arange(6) > 0))
    return jnp.append(observed, expected) - subject.log_level, good & twin.converged


def _guess(
    subject: _Subject, statistic: AbstractTestStatistic, calculator: Asymptotics
) -> Float[Array, "6"]:
    r"""Limits of a best fit that is normal with one width \(\sigma\) everywhere.

    With the Asimov data's \(q = \mu^2/\sigma^2\), and best fits N widths above 0, they
    are \(\sigma\,[N + \Phi^{-1}(1 - \alpha\,\Phi(N))]\) (arXiv:1007.1727, eq. 89). NaN
    where such a width is not known.
    """
    twin, level = subject.twin, jnp.exp(subject.log_level)
    q = statistic.ratio(
        twin.asimov_best, _FIRST, subject.held.asimov, twin.asimov_at_best
    )
    width = _FIRST / jnp.sqrt(q)
    above = jnp.append(twin.best / width, calculator.outcomes(q))
    guess = width * (above - ndtri(level * ndtr(above)))
    return jnp.where(jnp.isfinite(guess) & (guess > 0), guess, jnp.nan)


def asymptotic_limits(
    likelihood: AbstractNegativeLogLikelihood,
    options: FitOptions,
    poi: Mask | np.ndarray,
    log_level: Float[Array, ""],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
    tolerance: float,
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    """The observed limit and the five of the band, differentiable.

    Args:
        likelihood: at the data.
        options: of every fit.
        poi: the entry of the parameter of interest.
        log_level: logarithm of the CLs that limits have.
        statistic, calculator, solver, tolerance: as in `upper_limit`.

    Returns:
        The limits, and whether all fits and the search of each ended.
    """
    # The program of `hypotest`.
    fits = likelihood, options, poi, as_array(_FIRST), statistic, solver, calculator
    subject = _Subject(likelihood, options, poi, *fit_twins(*fits), log_level)
    args = subject, statistic, calculator, solver, as_array(tolerance)
    if solver is None and keepable(args, likelihood, statistic, calculator):
        limits, converged = call_kept(_search, *args)
        return limits, converged
    return _compiled_search(*args)


def _search(
    subject: _Subject,
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
    tolerance: Float[Array, ""],
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    still = freeze(subject)
    at_zero = jnp.sqrt(-2 * still.log_level)

    def excess(mu):
        # √(-2 log CLs) is nearly linear where log CLs is a parabola.
        log_cls, good = _excess(still, mu, statistic, calculator, solver)
        far = -2 * jnp.minimum(log_cls + still.log_level, 0.0)
        return at_zero - jnp.sqrt(far), good

    guess = _guess(still, statistic, calculator)
    known = ~jnp.isnan(guess)
    roots = falling_roots(
        excess,
        jnp.where(known, guess, _FIRST),
        jnp.full(6, at_zero),
        largest=jnp.where(known, _FARTHEST * guess, jnp.inf),
        tolerance=tolerance,
    )
    limits = _root(subject, roots.x, statistic, calculator, solver)
    limits = jnp.where(roots.beyond, jnp.inf, limits)
    return limits, roots.converged & ~roots.beyond


_compiled_search = compiled(_search)


@eqx.filter_custom_jvp
def _root(subject, mu, statistic, calculator, solver):
    """The limits as differentiable functions; `mu` was found by any means."""
    return mu


@_root.def_jvp
def _root_jvp(primals, tangents):
    subject, mu, statistic, calculator, solver = primals
    mu = _root(subject, mu, statistic, calculator, solver)

    def excess(subject, mu):
        return _excess(subject, mu, statistic, calculator, solver)[0]

    _, slope = jax.jvp(lambda m: excess(subject, m), (mu,), (jnp.ones_like(mu),))
    _, change = eqx.filter_jvp(lambda s: excess(s, mu), (subject,), (tangents[0],))
    return mu, -change / slope
