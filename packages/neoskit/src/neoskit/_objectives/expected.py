"""Model → one number to minimise: the expected result of the measurement.

An objective is any function from a `fitkit.Model` to a scalar that jax can
differentiate. For all of these smaller is better. To choose another `mu` write a
function of your own, or `functools.partial(expected_cls, mu=2.0)`.

All look at Asimov data of the nominal model, which is fitted best by the nominal
parameters themselves: of the two fits that a likelihood ratio compares, only the
constrained one is left to do. Where that finds no minimum the result is NaN; `train`
and `evaluate` make an error of it.
"""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

import fitkit
from fitkit import xp

from .._custom_types import Scalar
from .weighted_sum import ModelObjective

Objective: TypeAlias = Callable[[fitkit.Model], Scalar]
"""What a training minimises; see the functions of this module."""

# Made of the likelihood at its maximum in the factors of the finite samples.
_of_profile_likelihood = functools.partial(ModelObjective, statistics="profiled")

# Below this, the test statistic of Asimov data is rounding: −2 ln L of a hundred bins
# is known to about 1e-12. √q and its derivative are taken as 0 there, which is what a
# model without any signal must give.
_ROUNDING = 1e-12


@_of_profile_likelihood
def expected_cls(
    model: fitkit.Model, mu: ArrayLike = 1.0, *, on_host: bool = False
) -> Scalar:
    r"""The median CLs at which background-only data exclude the strength `mu`.

    $$\mathrm{CL_s} = \frac{1 - \Phi(\sqrt{q_A})}{1 - \Phi(0)}
      = 2\,(1 - \Phi(\sqrt{q_A}))$$

    q_A is the likelihood ratio of `mu` on the background-only Asimov data set. Its best
    fit is at a signal strength of 0, where q and q̃ are the same.

    Args:
        model: built of smooth templates in training, of hard ones to quote.
        mu: the signal strength that is tested.
        on_host: whether the fit of a training step runs on NumPy, called from the
            program, see `fitkit.smallest_twice_nll`: sooner compiled, a step takes some
            milliseconds more. `functools.partial(expected_cls, on_host=True)`.

    References:
        arXiv:1007.1727, eqs. 57 and 65 (medians); arXiv:2203.05570 uses it as loss.
    """
    q = _likelihood_ratio(model, tested=mu, truth=0.0, on_host=on_host)
    return 2.0 * _upper_tail(_root(q))


@_of_profile_likelihood
def expected_limit(model: fitkit.Model, level: float = 0.05) -> Scalar:
    r"""The median upper limit on the signal strength if there is no signal.

    The strength at which the expected CLs is the level: with background-only Asimov
    data, where the median CLs is 2 (1 − Φ(√q)),

    $$q(\mu_\mathrm{up}) = \left[\Phi^{-1}(1 - \alpha / 2)\right]^2 .$$

    Args:
        model: built of smooth templates in training, of hard ones to quote.
        level: α, between 0 and 1; 0.05 for a limit at 95 % confidence level.

    Raises:
        ValueError: `level` is not between 0 and 1.

    References:
        arXiv:1007.1727, eqs. 57 and 65 (medians).
    """
    if not 0 < level < 1:
        raise ValueError(
            f"`expected_limit(level=...)` must be between 0 and 1; got {level}."
        )
    limit = fitkit.expected_limit(model, level=level)
    # Where CLs never falls to the level there is nothing to train on.
    return xp.where(xp.isfinite(limit), limit, xp.nan)


@_of_profile_likelihood
def discovery_pvalue(
    model: fitkit.Model, mu: ArrayLike = 1.0, *, on_host: bool = False
) -> Scalar:
    r"""The median p-value of the background-only hypothesis if there is signal.

    $$p_0 = 1 - \Phi(\sqrt{q_{0,A}})$$

    q₀ is the likelihood ratio of no signal on the Asimov data set with the signal
    strength `mu`.

    Args:
        model: built of smooth templates in training, of hard ones to quote.
        mu: the signal strength that is assumed.
        on_host: as of `expected_cls`.

    References:
        arXiv:1007.1727, eqs. 12 and 52.
    """
    q = _likelihood_ratio(model, tested=0.0, truth=mu, on_host=on_host)
    return _upper_tail(_root(q))


def discovery_significance(model: fitkit.Model, mu: ArrayLike = 1.0) -> Scalar:
    """The median significance, in σ, with which signal of strength `mu` is discovered.

    Larger is better: it is quoted, and minimised as `discovery_pvalue`.

    Args:
        model: of hard templates.
        mu: the signal strength that is assumed.
    """
    return _root(_likelihood_ratio(model, tested=0.0, truth=mu))


@_of_profile_likelihood
def poi_variance(model: fitkit.Model, mu: ArrayLike = 1.0) -> Scalar:
    """The variance of the signal strength: its entry of the covariance matrix.

    The covariance is the inverse of the Fisher information of all free parameters, the
    second derivative of −ln L at the Asimov data of `mu`.

    Args:
        model: built of smooth templates in training, of hard ones to quote.
        mu: where the information is evaluated: 1 for a measurement of the signal, 0
            for its absence (the two differ much where the background is small).

    References:
        arXiv:1806.04743, eq. 12 (INFERNO's loss).
    """
    # At the Asimov data no fit is needed: the nominal parameters are their best fit.
    covariance = fitkit.covariance(model, *_asimov(model, mu))
    return model.unravel(xp.diagonal(covariance))[_poi(model)]


@ModelObjective
def generalised_variance(model: fitkit.Model, mu: ArrayLike = 1.0) -> Scalar:
    """The determinant of the covariance matrix of all free parameters.

    Args:
        model: built of smooth templates in training, of hard ones to quote.
        mu: where the covariance is evaluated.

    References:
        S. S. Wilks, Biometrika 24 (1932) 471; as an objective, arXiv:2203.05570.
    """
    covariance = fitkit.covariance(model, *_asimov(model, mu))
    # Fixed parameters have rows of zeros, and are no part of the determinant.
    fixed = xp.diagonal(covariance) == 0
    engine = jnp if isinstance(covariance, jax.core.Tracer) else np
    return xp.exp(engine.linalg.slogdet(covariance + xp.diag(1.0 * fixed))[1])


def _poi(model: fitkit.Model) -> str:
    if not isinstance(model.poi, str):
        has = "no" if model.poi is None else "more than one"
        raise ValueError(
            f"The model has {has} parameter of interest. Name one with "
            "`Measurement(poi=...)`."
        )
    return model.poi


def _asimov(model: fitkit.Model, mu: ArrayLike) -> tuple[fitkit.Params, fitkit.Data]:
    """The nominal parameters with the strength `mu`, and what they expect."""
    params = {**model.init, _poi(model): xp.asarray(mu, float)}
    return params, model.expected_data(params)


def _likelihood_ratio(
    model: fitkit.Model, *, tested: ArrayLike, truth: ArrayLike, on_host: bool = False
) -> Scalar:
    """−2 ln of the profile likelihood ratio on the Asimov data of `truth`."""
    _, data = _asimov(model, truth)
    # At the point that they were made at, Asimov data are saturated: what a conditional
    # fit lies above that is the ratio. A fit that finds no minimum gives NaN here, of
    # which `train` and `evaluate` make an error: raising inside a compiled step would
    # lose the training so far.
    return fitkit.smallest_twice_nll(
        model, data, tested, above_saturated=True, on_host=on_host
    )


def _root(q: Scalar) -> Scalar:
    """√q with a finite derivative at q = 0."""
    # Asked this way round, NaN stays NaN.
    rounding = q <= _ROUNDING
    return xp.where(rounding, 0.0, xp.sqrt(xp.where(rounding, 1.0, q)))


def _upper_tail(z: Scalar) -> Scalar:
    """1 − Φ(z), to full relative precision."""
    return xp.ndtr(-z)
