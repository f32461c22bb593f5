"""Upper limits on the parameter of interest."""

import warnings
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from .._custom_types import Mask
from .._fit.diagnose import checked
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel, Data
from .._model.parameters import ParameterVectors
from .._numerics.batch import in_batch
from .._numerics.compiled import numpy_or_compiled, runs_on_numpy
from .._numerics.namespace import (
    as_floats,
    choose,
    filter_custom_jvp,
    freeze,
    traced,
    xp,
)
from .._numerics.roots import falling_roots
from .asymptotics import Asymptotics, expected_tails, observed_tails
from .fits import (
    ConditionalFits,
    FreeFits,
    conditional_fit,
    fits_of_test,
    question,
    succeeded,
    warn_of_active_bounds,
)
from .pseudo_experiments import Toys
from .results import UpperLimit, names_of_missing
from .statistic import AbstractTestStatistic, QMuTilde, require_statistic
from .toy_limit import TESTED_VALUES, limits_by_toys
from .toys import fit_of_toys

# A signal strength at which the width of the best fit is found.
_FIRST = 1.0
# A statistic below this is rounding, of which no width can be had.
_ROUNDING = 1e-10
# Where CLs has not fallen to the level at so many times the first guess, it never will.
_FARTHEST = 1e5


class MissingLimitWarning(UserWarning):
    """Some limit of the expected band does not exist, or was not found."""


def upper_limit(
    model: AbstractModel,
    data: Data,
    *,
    level: ArrayLike = 0.05,
    statistic: AbstractTestStatistic = QMuTilde(),
    calculator: Asymptotics | Toys = Asymptotics(),
    tolerance: float = 1e-8,
    throw: bool = True,
) -> UpperLimit:
    """The values of the parameter of interest at which CLs falls to `level`.

    The observed limit and the band are searched at once, from what a best fit of one
    width everywhere would give (arXiv:1007.1727, eq. 89): four or five steps, each
    seven conditional fits.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        level: one minus the confidence level, between 0 and 1; traced.
        statistic: `QMuTilde()` (default) or `QMu()`.
        calculator: `Asymptotics()`, also says which outcomes the expected band stands
            for, or `Toys(key, n)`: the same pseudo-experiments at every tested value,
            as far as their random numbers go.
        tolerance: relative precision of the limits; with `Toys` that of the limits is a
            part of their statistical error.
        throw: whether to raise where there is no observed limit, and to warn where one
            of the band is missing; `converged` tells otherwise.

    Returns:
        Observed and expected limits; with `Asymptotics` differentiable with respect to
        everything traced, by the implicit function theorem.

        Expected is what data without a signal give. From Asimov data with a signal,
        `asimov_data(model, strength)`, the observed limit is the one expected with it.

    Raises:
        ValueError: where the model has no parameter of interest, or it is fixed, for a
            level outside (0, 1) or a statistic that is not for limits.
        FitError: where there is no observed limit and `throw` is set: a fit failed, or
            CLs does not fall to the level, as where uncertainties grow with the signal
            as fast as itself.

    Warns:
        MissingLimitWarning: where one of the expected limits is missing; it is infinite
            or NaN then.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, upper_limit
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [5.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> limit = upper_limit(model, model.data({"SR": [12.0]}))
        >>> round(float(limit.observed), 6)
        1.367255
    """
    require_statistic("upper_limit", statistic)
    if statistic.discovery or statistic.two_sided:
        raise ValueError(
            "`upper_limit` needs a statistic for exclusion, `QMuTilde()` or `QMu()`; "
            f"got {type(statistic).__name__}."
        )
    level = as_floats(level)
    if not traced(level) and not 0 < float(level) < 1:
        raise ValueError(
            "`upper_limit(level=...)` is one minus the confidence level, between 0 and "
            f"1, such as 0.05; got {float(level):g}."
        )
    likelihood, parameters, poi = question(model, data, "upper_limit", level)
    # Toys start their search at the asymptotic limits.
    formulae = Asymptotics() if isinstance(calculator, Toys) else calculator
    limits, converged, best = asymptotic_limits(
        likelihood, parameters, poi, xp.log(level), statistic, formulae, tolerance
    )
    warn_of_active_bounds(model, best, statistic, "upper_limit")
    if isinstance(calculator, Toys):
        fits = fit_of_toys(
            likelihood, parameters, poi, statistic, calculator, TESTED_VALUES
        )
        result = limits_by_toys(fits, limits, level)
    else:
        result = UpperLimit(
            observed=limits[0],
            expected=limits[1:],
            observed_error=np.zeros(()),
            expected_error=np.zeros(5),
            level=level,
            converged=converged,
            tested=np.zeros(0),
            curves=np.zeros((0, 6)),
            failed=np.zeros((0, 2), int),
            test=type(statistic).__name__,
            band=formulae.band,
        )
    return _checked(result) if throw else result


def _checked(result: UpperLimit) -> UpperLimit:
    """The result; raise without an observed limit, warn of others that are missing."""
    reason = "no observed limit: CLs does not fall to the level, or a fit failed"
    concrete = not traced(result.converged)
    if concrete and (missing := names_of_missing(result.converged)):
        reason += f" (missing: {missing})"
    result = checked(result, result.converged[0], "upper_limit", reason)
    if concrete and missing:
        warnings.warn(
            f"`upper_limit`: no limit at {missing}: CLs does not fall to "
            f"{float(result.level):g} there, or a fit failed. The others stand.",
            MissingLimitWarning,
            stacklevel=3,
        )
    return result


@final
class _Subject(NamedTuple):
    """What limits are derived from.

    Attributes:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        free: what tests of every value have in common.
        conditional: the fits at a first guess of the limits, `_FIRST`.
        log_level: logarithm of the CLs that limits have.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    poi: Mask
    free: FreeFits
    conditional: ConditionalFits
    log_level: Float[Array, ""]


def _excess(
    subject: _Subject,
    tested: Float[Array, "6"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    made: dict[tuple[bool, float], tuple[Any, Any]] | None = None,
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    """Log CLs - log level: of the data at the first value, of the band at others.

    Args:
        subject, tested, statistic, calculator: as everywhere here.
        made: fits of earlier calls on NumPy, which are not made again: a limit that is
            found stays where it is while others are still searched for.
    """
    likelihood, parameters, poi, free, _, log_level = subject
    data = likelihood.observations()

    def at(member: tuple[Array, Array]) -> tuple[Array, Array]:
        is_data, mu = member
        if made is not None and (bool(is_data), float(mu)) in made:
            return made[bool(is_data), float(mu)]
        found = conditional_fit(
            likelihood.at(choose(is_data, data, free.asimov)),
            parameters,
            poi,
            mu,
            choose(is_data, free.near, free.asimov_near),
        )
        result = found.value, succeeded(found)
        if made is not None:
            made[bool(is_data), float(mu)] = result
        return result

    # The data at the first value; the Asimov data at all six.
    where = xp.concatenate([tested[:1], tested])
    values, good = in_batch(
        at, (np.arange(7) == 0, where), poi.shape[0], subject, tested
    )
    q = statistic.ratio(free.best, tested[0], values[0], free.at_best)
    q_asimov = statistic.ratio(
        free.asimov_best, tested, values[1:], free.asimov_at_best
    )
    observed = observed_tails(statistic, q, q_asimov[0]).log_cls
    band = expected_tails(statistic, q_asimov[1:], calculator).log_cls
    log_cls = xp.append(observed, xp.diagonal(band))
    good = good[1:] & (good[0] | (np.arange(6) > 0))
    return log_cls - log_level, good & free.converged


def _guess(
    subject: _Subject, statistic: AbstractTestStatistic, calculator: Asymptotics
) -> Float[Array, "6"]:
    r"""Limits of a best fit that is normal with one width \(\sigma\) everywhere.

    With the Asimov data's \(q = \mu^2/\sigma^2\), and best fits N widths above 0, they
    are \(\sigma\,[N + \Phi^{-1}(1 - \alpha\,\Phi(N))]\) (arXiv:1007.1727, eq. 89). NaN
    where such a width is not known.
    """
    free, level = subject.free, xp.exp(subject.log_level)
    q = statistic.ratio(
        free.asimov_best, _FIRST, subject.conditional.asimov, free.asimov_at_best
    )
    width = _FIRST / xp.sqrt(q)
    above = xp.append(free.best / width, calculator.outcomes(q))
    guess = width * (above - xp.ndtri(level * xp.ndtr(above)))
    known = (q > _ROUNDING) & xp.isfinite(guess) & (guess > 0)
    return xp.where(known, guess, xp.nan)


def asymptotic_limits(
    likelihood: AbstractNegativeLogLikelihood,
    parameters: ParameterVectors,
    poi: Mask,
    log_level: Float[Array, ""],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    tolerance: ArrayLike,
) -> tuple[Float[Array, "6"], Bool[Array, "6"], Float[Array, ""]]:
    """The observed limit and the five of the band, differentiable.

    Args:
        likelihood: at the data.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        log_level: logarithm of the CLs that limits have.
        statistic, calculator, tolerance: as in `upper_limit`.

    Returns:
        The limits, whether all fits and the search of each ended, and the best fit of
        the parameter of interest.
    """
    # The program of `hypotest`.
    fits = fits_of_test(
        likelihood, parameters, poi, as_floats(_FIRST), statistic, calculator
    )
    subject = _Subject(likelihood, parameters, poi, *fits, log_level)
    found = _search(subject, statistic, calculator, as_floats(tolerance))
    return *found, subject.free.best


@numpy_or_compiled
def _search(
    subject: _Subject,
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    tolerance: Float[Array, ""],
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    still = freeze(subject)
    at_zero = xp.sqrt(-2 * still.log_level)
    made: dict[tuple[bool, float], tuple[Any, Any]] | None = (
        {} if runs_on_numpy(subject, tolerance) else None
    )

    def excess(mu: Array) -> tuple[Array, Array]:
        # √(-2 log CLs) is nearly linear where log CLs is a parabola.
        log_cls, good = _excess(still, mu, statistic, calculator, made)
        far = -2 * xp.minimum(log_cls + still.log_level, 0.0)
        return at_zero - xp.sqrt(far), good

    guess = _guess(still, statistic, calculator)
    known = ~xp.isnan(guess)
    roots = falling_roots(
        excess,
        xp.where(known, guess, _FIRST),
        xp.broadcast_to(at_zero, (6,)),
        largest=xp.where(known, _FARTHEST * guess, xp.inf),
        tolerance=tolerance,
        operands=still,
    )
    limits = _root(subject, roots.x, statistic, calculator)
    limits = xp.where(roots.beyond, xp.inf, limits)
    return limits, roots.converged & ~roots.beyond


@filter_custom_jvp
def _root(
    subject: _Subject,
    mu: Float[Array, "6"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> Float[Array, "6"]:
    """The limits as differentiable functions; `mu` was found by any means."""
    return mu


@_root.def_jvp
def _root_jvp(primals, tangents):
    subject, mu, statistic, calculator = primals
    mu = _root(subject, mu, statistic, calculator)

    def excess(subject, mu):
        return _excess(subject, mu, statistic, calculator)[0]

    _, slope = jax.jvp(lambda m: excess(subject, m), (mu,), (xp.ones_like(mu),))
    _, change = eqx.filter_jvp(lambda s: excess(s, mu), (subject,), (tangents[0],))
    return mu, -change / slope
