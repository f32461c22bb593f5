"""Hypothesis tests of the parameter of interest."""

from collections.abc import Mapping
from typing import final, overload

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, ArrayLike, Bool, Float

from .._numerics.compiled import compiled
from .._fit.diagnose import FitError
from .._fit.fit import fit_options, poi_mask
from .._model.model import AbstractModel, Data
from .._numerics.precision import require_float64
from .asymptotics import Asymptotics, expected_tails, observed_tails, safe_sqrt
from .fits import Held, Twin, fit_twins
from .statistic import (
    Q0,
    AbstractTestStatistic,
    QMu,
    QMuTilde,
    TMu,
    TMuTilde,
    as_array,
)
from .toys import Toys, ToysResult, start_toys, toys_test


@final
class HypotestResult(eqx.Module):
    """The test of a signal strength against its absence.

    Probabilities come with their logarithms, which stay exact where they underflow.

    Attributes:
        poi_value: the tested value.
        statistic, statistic_asimov: the test statistic of the data, and of the
            background-only Asimov data.
        best: best fit of the parameter of interest, at least 0 for `QMuTilde`.
        cl_sb, cl_b: tail probabilities under the tested and the background-only
            hypothesis.
        cls_observed: their ratio.
        cls_expected: CLs for outcomes at -2, -1, 0, 1, 2 standard deviations of the
            background, or as `band` says, `[5]`.
        log_cl_sb, log_cl_b, log_cls_observed, log_cls_expected: logarithms.
        converged: whether all fits found their minima.
        test: the name of the test statistic.
        band: the convention of the expected result; see `Asymptotics`.
    """

    poi_value: Float[Array, ""]
    statistic: Float[Array, ""]
    statistic_asimov: Float[Array, ""]
    best: Float[Array, ""]
    log_cl_sb: Float[Array, ""]
    log_cl_b: Float[Array, ""]
    log_cls_expected: Float[Array, "5"]
    converged: Bool[Array, ""]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    @property
    def cl_sb(self) -> Float[Array, ""]:
        """The probability of less signal-like data, if the tested signal is there."""
        return jnp.exp(self.log_cl_sb)

    @property
    def cl_b(self) -> Float[Array, ""]:
        """The probability of less signal-like data, if there is only background."""
        return jnp.exp(self.log_cl_b)

    @property
    def p_sb(self) -> Float[Array, ""]:
        """The p-value of the tested hypothesis, the same as `cl_sb`."""
        return self.cl_sb

    @property
    def p_b(self) -> Float[Array, ""]:
        """The p-value of the background-only hypothesis, `1 - cl_b`."""
        return -jnp.expm1(self.log_cl_b)

    @property
    def log_cls_observed(self) -> Float[Array, ""]:
        """The logarithm of the observed CLs."""
        return self.log_cl_sb - self.log_cl_b

    @property
    def cls_observed(self) -> Float[Array, ""]:
        """The observed CLs."""
        return jnp.exp(self.log_cls_observed)

    @property
    def cls_expected(self) -> Float[Array, "5"]:
        """The expected CLs at -2, -1, 0, 1, 2 standard deviations."""
        return jnp.exp(self.log_cls_expected)

    def __repr__(self) -> str:
        if isinstance(self.statistic, jax.core.Tracer) or jnp.ndim(self.statistic):
            return f"HypotestResult(shape={jnp.shape(self.statistic)})"
        band = ", ".join(f"{x:.6g}" for x in self.cls_expected)
        status = "" if bool(self.converged) else "  (a fit did not converge)"
        return (
            f"CLs at {float(self.poi_value):g}: "
            f"observed {float(self.cls_observed):.6g}, "
            f"expected [{band}] ({self.test}, band {self.band}){status}"
        )


@final
class DiscoveryResult(eqx.Module):
    """The test of the absence of a signal.

    Attributes:
        signal: the signal strength that the expected result assumes, as `Q0` says.
        statistic, statistic_asimov: the test statistic of the data, and of the Asimov
            data with that signal.
        best: best fit of the parameter of interest.
        log_p0_observed: logarithm of the p-value of the background-only hypothesis.
        log_p0_expected: the same for outcomes at -2, -1, 0, 1, 2 standard deviations
            *below* the median with signal, `[5]`, rising.
        significance_band: the significances of those outcomes, `[5]`, falling.
        converged: whether all fits found their minima.
        test: the name of the test statistic.
        band: the convention of the expected result; see `Asymptotics`.
    """

    signal: Float[Array, ""]
    statistic: Float[Array, ""]
    statistic_asimov: Float[Array, ""]
    best: Float[Array, ""]
    log_p0_observed: Float[Array, ""]
    log_p0_expected: Float[Array, "5"]
    significance_band: Float[Array, "5"]
    converged: Bool[Array, ""]
    test: str = eqx.field(static=True)
    band: str = eqx.field(static=True)

    @property
    def p0_observed(self) -> Float[Array, ""]:
        """The p-value of the background-only hypothesis."""
        return jnp.exp(self.log_p0_observed)

    @property
    def p0_expected(self) -> Float[Array, "5"]:
        """Expected p-values with the signal present."""
        return jnp.exp(self.log_p0_expected)

    @property
    def significance_observed(self) -> Float[Array, ""]:
        """The observed significance in standard deviations."""
        return safe_sqrt(self.statistic)

    @property
    def significance_expected(self) -> Float[Array, ""]:
        """The median significance with the signal present."""
        return safe_sqrt(self.statistic_asimov)

    def __repr__(self) -> str:
        if isinstance(self.statistic, jax.core.Tracer) or jnp.ndim(self.statistic):
            return f"DiscoveryResult(shape={jnp.shape(self.statistic)})"
        band = ", ".join(f"{x:.6g}" for x in self.p0_expected)
        status = "" if bool(self.converged) else "  (a fit did not converge)"
        return (
            f"p0 observed {float(self.p0_observed):.6g} "
            f"({float(self.significance_observed):.4g} sigma), expected for a signal "
            f"of {float(self.signal):g} [{band}] (median "
            f"{float(self.significance_expected):.4g} sigma; {self.test}, band "
            f"{self.band}){status}"
        )


@overload
def hypotest(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data,
    *,
    statistic: Q0,
    calculator: Asymptotics = ...,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> DiscoveryResult: ...
@overload
def hypotest(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data,
    *,
    statistic: QMu | QMuTilde | TMu | TMuTilde = ...,
    calculator: Asymptotics = ...,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> HypotestResult: ...
@overload
def hypotest(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data,
    *,
    statistic: AbstractTestStatistic = ...,
    calculator: Toys,
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> ToysResult: ...
def hypotest(
    poi_value: ArrayLike,
    model: AbstractModel,
    data: Data,
    *,
    statistic: AbstractTestStatistic = QMuTilde(),
    calculator: Asymptotics | Toys = Asymptotics(),
    init: Mapping[str, ArrayLike] | None = None,
    fixed: Mapping[str, ArrayLike] | None = None,
    bounds: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    solver: optx.AbstractMinimiser | None = None,
    throw: bool = True,
) -> HypotestResult | DiscoveryResult | ToysResult:
    """Test a value of the parameter of interest.

    The Asimov data or pseudo-experiments that give the expected result are those at the
    best fit to the data with the alternative's signal strength held, auxiliary data
    included.

    Args:
        poi_value: the tested value; 0 for `Q0`. Traced.
        model: any model with a parameter of interest.
        data: observed or expected data.
        statistic: `QMuTilde()` (default) or `QMu()` for exclusion, `Q0()` for
            discovery, `TMu()` or `TMuTilde()` for a two-sided test.
        calculator: `Asymptotics()`, also says which outcomes the expected band stands
            for, or `Toys(key, n)`, pseudo-experiments.
        init, fixed, bounds, solver: of all fits; see `fit`.
        throw: whether to raise where a fit finds no minimum; the result says so
            otherwise.

    Returns:
        A `DiscoveryResult` for `Q0`, a `HypotestResult` for the others; differentiable
        with respect to everything traced. With `Toys` a `ToysResult`.

    Raises:
        ValueError: where the model has no parameter of interest.
        FitError: where a fit finds no minimum and `throw` is set.

    Example:
        >>> import jax
        >>> jax.config.update("jax_enable_x64", True)
        >>> from fitkit import Channel, Model, NormFactor, Sample, QMu, hypotest
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [5.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> result = hypotest(1.0, model, model.data({"SR": [12.0]}))
        >>> round(float(result.cls_observed), 6)
        0.214013

    References:
        arXiv:1007.1727; A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
    """
    require_float64()
    mask = poi_mask(model, "hypotest")
    likelihood = model.negative_log_likelihood(data)
    options = fit_options(model, init, fixed, bounds)
    tested = as_array(poi_value)
    if isinstance(calculator, Toys):
        common = likelihood, options, mask
        start = start_toys(*common, statistic, solver, calculator)
        result = toys_test(*common, tested, statistic, solver, calculator, start)
        if not throw:
            return result
        q = require_converged(result.statistic, result.converged, "hypotest")
        return eqx.tree_at(lambda r: r.statistic, result, q)
    fits = likelihood, options, mask, tested, statistic, solver, calculator
    twin, held = fit_twins(*fits)
    if throw:
        at = require_converged(held.data, held.converged, "hypotest")
        held = held._replace(data=at)
    return result_of_test(tested, twin, held, statistic, calculator)


def require_converged(
    value: Array,
    converged: Bool[Array, ""],
    call: str,
    reason: str = "a fit found no minimum",
) -> Array:
    """Return `value`; raise where a fit behind it found no minimum."""
    way_out = (
        "`fit` and `fixed_poi_fit` on the same data tell of a fit; `throw=False` "
        "returns the last point, and the status of each lane."
    )
    if isinstance(converged, jax.core.Tracer):
        return eqx.error_if(value, ~converged, f"`{call}`: {reason}. {way_out}")
    if not bool(jnp.all(converged)):
        raise FitError(f"`{call}`: {reason}. {way_out}")
    return value


@compiled
def result_of_test(
    tested: Array,
    twin: Twin,
    held: Held,
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> HypotestResult | DiscoveryResult:
    """What the fits of a test say, in words of the statistic's kind.

    Args:
        tested: the tested value; 0 for discovery.
        twin, held: what `fit_twins` found.
        statistic, calculator: as in `hypotest`.
    """
    q = statistic.ratio(twin.best, tested, held.data, twin.at_best)
    q_asimov = statistic.ratio(
        twin.asimov_best, tested, held.asimov, twin.asimov_at_best
    )
    observed = observed_tails(statistic, q, q_asimov)
    expected = expected_tails(statistic, q_asimov, calculator)
    convention = type(statistic).__name__, calculator.band
    if statistic.discovery:
        return DiscoveryResult(
            jnp.asarray(statistic.asimov_poi, dtype=float),
            q,
            q_asimov,
            twin.best,
            observed.log_cl_sb,
            expected.log_cl_sb,
            safe_sqrt(q_asimov)[..., None] - calculator.outcomes(q_asimov),
            held.converged,
            *convention,
        )
    return HypotestResult(
        tested,
        q,
        q_asimov,
        twin.best,
        observed.log_cl_sb,
        observed.log_cl_b,
        expected.log_cls,
        held.converged,
        *convention,
    )
