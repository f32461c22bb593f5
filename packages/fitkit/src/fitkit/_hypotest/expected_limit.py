"""The median upper limit that a model expects without signal: one search, not seven."""

from typing import NamedTuple, final

import equinox as eqx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._custom_types import Mask, Vector
from .._fit.poi import free_poi_mask
from .._model.likelihood import AbstractNegativeLogLikelihood
from .._model.model import AbstractModel
from .._model.parameters import ParameterVectors
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import (
    as_floats,
    choose,
    filter_custom_jvp,
    freeze,
    traced,
    xp,
)
from .._numerics.precision import require_float64
from .._numerics.roots import falling_roots
from .asimov import asimov_data
from .fits import Near, conditional_fit, pick, succeeded

# Where the first fit is made, to learn how wide the likelihood is.
_FIRST = 1.0
# Where the limit has not been found at so many times the first guess, there is none.
_FARTHEST = 1e5


def expected_limit(
    model: AbstractModel,
    *,
    level: ArrayLike = 0.05,
    tolerance: float = 1e-8,
) -> Float[Array, ""]:
    r"""The median upper limit on the parameter of interest if there is no signal.

    That of the Asimov data of no signal at the nominal parameters, whose best fit is
    known: the median CLs is \(2\,(1 - \Phi(\sqrt{q_A}))\), so that

    \[ q_A(\mu_\mathrm{up}) = \left[\Phi^{-1}(1 - \alpha / 2)\right]^2 . \]

    The same as the middle of `upper_limit(model, asimov_data(model, 0.0)).expected`, at
    a seventh of its price: what a training or an optimisation looks at.

    Args:
        model: any model with a parameter of interest.
        level: \(\alpha\), one minus the confidence level, between 0 and 1; traced.
        tolerance: relative precision.

    Returns:
        The limit, differentiable with respect to everything traced, by the implicit
        function theorem; infinite where CLs never falls to the level, NaN where a fit
        finds no minimum.

    Raises:
        ValueError: where the model has no parameter of interest, or it is fixed, or for
            a level outside (0, 1).
        RuntimeError: traced, where float64 is off.

    Example:
        >>> from fitkit import expected_limit, uncorrelated_background
        >>> model = uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
        >>> round(float(expected_limit(model)), 4)
        1.0688

    References:
        arXiv:1007.1727, eqs. 57 and 65 (medians) and 89 (the first guess).
    """
    level = as_floats(level)
    if not traced(level) and not 0 < float(level) < 1:
        raise ValueError(
            "`expected_limit(level=...)` is one minus the confidence level, between 0 "
            f"and 1, such as 0.05; got {float(level):g}."
        )
    poi = free_poi_mask(model, "expected_limit")
    likelihood = model.negative_log_likelihood(asimov_data(model, 0.0))
    parameters = model.parameter_vectors()
    require_float64(likelihood, parameters, level)
    needed = -xp.ndtri(0.5 * level)
    truth = xp.where(poi, 0.0, parameters.declared_init)
    subject = _Subject(likelihood, parameters, poi, truth, needed)
    limit, converged = _search(subject, as_floats(tolerance))
    return xp.where(converged | xp.isinf(limit), limit, xp.nan)


@final
class _Subject(NamedTuple):
    """What the limit is derived from.

    Attributes:
        likelihood: at the Asimov data of no signal.
        parameters: of every fit.
        poi: the entry of the parameter of interest.
        truth: the parameters of the Asimov data, their best fit.
        needed: the root of the statistic at the limit.
    """

    likelihood: AbstractNegativeLogLikelihood
    parameters: ParameterVectors
    poi: Mask
    truth: Vector
    needed: Float[Array, ""]


def _statistic(
    subject: _Subject, mu: Float[Array, ""], near: Vector
) -> tuple[Float[Array, ""], Vector, Bool[Array, ""]]:
    """The likelihood ratio at a value, where its fit ended, and whether it did."""
    likelihood, parameters, poi, truth, _ = subject
    unit = xp.where(poi, 1.0, 0.0)
    found = conditional_fit(likelihood, parameters, poi, mu, Near(near, unit))
    q = 2 * (found.value - likelihood.value(truth))
    return q, found.y, succeeded(found)


@numpy_or_compiled
def _search(
    subject: _Subject, tolerance: Float[Array, ""]
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    still = freeze(subject)

    def distance(mu: Array, near: Vector) -> tuple[Array, Array, Vector]:
        # √q is nearly linear in the strength.
        q, y, good = _statistic(still, mu, near)
        y = choose(good, y, near)
        return still.needed - xp.sqrt(xp.maximum(q, 0.0)), good, y

    first, good, near = distance(as_floats(_FIRST), still.truth)
    reached = still.needed - first
    known = good & (reached > 1e-6)
    guess = xp.where(known, _FIRST * still.needed / reached, _FIRST)
    roots = falling_roots(
        distance,
        guess,
        still.needed,
        largest=xp.where(known, _FARTHEST * guess, xp.inf),
        tolerance=tolerance,
        operands=still,
        memory=near,
    )
    limit = _root(subject, roots.x, near)
    return xp.where(roots.beyond, xp.inf, limit), roots.converged & ~roots.beyond


@filter_custom_jvp
def _root(subject: _Subject, mu: Float[Array, ""], near: Vector) -> Float[Array, ""]:
    """The limit as a differentiable function; `mu` was found by any means."""
    return mu


@_root.def_jvp
def _root_jvp(primals, tangents):
    subject, mu, near = primals
    mu = _root(subject, mu, near)

    def at(subject: _Subject) -> tuple[Array, Array]:
        q, y, _ = _statistic(subject, mu, near)
        # How the value follows the fixed parameter: its gradient there (envelope).
        pull = 2 * pick(subject.likelihood.gradient(y), subject.poi)
        return q - subject.needed**2, pull

    (_, slope), (change, _) = eqx.filter_jvp(at, (subject,), (tangents[0],))
    return mu, -change / slope
