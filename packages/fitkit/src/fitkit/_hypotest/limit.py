"""Upper limits on the parameter of interest."""

from collections.abc import Mapping
from typing import final, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._fit.fit import fit_options, poi_mask
from .._fit.implicit import freeze
from .._fit.minimum import minimise
from .._model import AbstractModel, Data
from .._precision import require_float64
from .._roots import falling_roots
from .asymptotics import Asymptotics, expected_tails, observed_tails
from .hypotest import require_converged
from .profiling import Twin, prepare
from .statistic import AbstractTestStatistic, QMuTilde
from .toy_limit import ToysLimit, limits_by_toys
from .toys import Toys


@final
class UpperLimit(eqx.Module):
    """An upper limit on the parameter of interest.

    Attributes:
        observed: the value at which the observed CLs equals `level`.
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

    The observed limit and the band are searched at once: the logarithm of CLs is
    followed by a bracketing secant method, each step one batch of fits.

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
        FitError: where a fit or a search fails and `throw` is set.

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
    likelihood = model.negative_log_likelihood(data).at_hand()
    options = fit_options(model, init, fixed, bounds)
    # Toys start their search at the asymptotic limits.
    formulae = Asymptotics() if isinstance(calculator, Toys) else calculator
    twin = prepare(likelihood, options, mask, statistic, solver, formulae.nominal_aux)
    log_level = jnp.log(jnp.asarray(level, dtype=float))
    limits, converged = limits_of_twin(
        twin, log_level, statistic, formulae, solver, tolerance
    )
    if isinstance(calculator, Toys):
        result = limits_by_toys(
            likelihood, options, mask, limits, level, statistic, solver, calculator
        )
        if throw:
            require_converged(result.observed, result.converged, "upper_limit")
        return result
    if throw:
        limits = require_converged(limits, jnp.all(converged), "upper_limit")
    return UpperLimit(
        limits[0],
        limits[1:],
        jnp.exp(log_level),
        converged,
        type(statistic).__name__,
        formulae.band,
    )


def _excess(
    twin: Twin,
    log_level: Array,
    tested: Float[Array, "6"],
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    """Log CLs - log level: of the data at the first value, of the band at others."""

    def at(observations, mu):
        options = twin.options.holding(twin.poi, mu)
        minimum = minimise(likelihood.at(observations), options, solver)
        return minimum.value, minimum.converged

    # The data at the first value; the Asimov data at all six.
    likelihood = twin.likelihood.prepared()
    lanes = jax.tree.map(
        lambda a, b: jnp.stack([a] + [b] * 6), likelihood.observations(), twin.asimov
    )
    values, converged = jax.vmap(at)(lanes, jnp.concatenate([tested[:1], tested]))
    q = statistic.ratio(twin.best, tested[0], values[0], twin.at_best)
    q_asimov = statistic.ratio(
        twin.asimov_best, tested, values[1:], twin.asimov_at_best
    )
    observed = observed_tails(statistic, q, q_asimov[0]).log_cls
    band = expected_tails(statistic, q_asimov[1:], calculator).log_cls
    expected = jnp.diagonal(band)
    good = converged[1:] & (converged[0] | (jnp.arange(6) > 0))
    return jnp.append(observed, expected) - log_level, good & twin.converged


def _as_jax(tree):
    """The same tree with jax arrays in place of numpy's."""
    return jax.tree.map(
        lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, tree
    )


@eqx.filter_jit
def limits_of_twin(
    twin: Twin,
    log_level: Array,
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
    solver: optx.AbstractMinimiser | None,
    tolerance: float,
) -> tuple[Float[Array, "6"], Bool[Array, "6"]]:
    """The observed limit and the five of the band, differentiable.

    Args:
        twin: the data and their Asimov twin, fitted.
        log_level: logarithm of the CLs that limits have.
        statistic, calculator, solver, tolerance: as in `upper_limit`.

    Returns:
        The limits, and whether all fits and the search of each ended.
    """
    still, still_level = freeze(_as_jax(twin)), jax.lax.stop_gradient(log_level)

    def excess(mu):
        return _excess(still, still_level, mu, statistic, calculator, solver)

    six = jnp.ones(6)
    roots = falling_roots(excess, six, excess(0 * six)[0], tolerance=tolerance)
    limits = _root(_as_jax(twin), log_level, roots.x, statistic, calculator, solver)
    return limits, roots.converged


@eqx.filter_custom_jvp
def _root(twin, log_level, mu, statistic, calculator, solver):
    """The limits as differentiable functions; `mu` was found by any means."""
    return mu


@_root.def_jvp
def _root_jvp(primals, tangents):
    twin, log_level, mu, statistic, calculator, solver = primals
    twin_dot, level_dot, *_ = tangents
    mu = _root(twin, log_level, mu, statistic, calculator, solver)

    def excess(twin, log_level, mu):
        return _excess(twin, log_level, mu, statistic, calculator, solver)[0]

    _, slope = jax.jvp(
        lambda m: excess(twin, log_level, m), (mu,), (jnp.ones_like(mu),)
    )
    _, change = eqx.filter_jvp(
        lambda t, a: excess(t, a, mu), (twin, log_level), (twin_dot, level_dot)
    )
    return mu, -change / slope
