"""Tests of the absence of a signal."""

import numpy as np

from .._fit.diagnose import checked
from .._model.model import AbstractModel, Data
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats
from .asymptotics import Asymptotics, expected_tails, observed_tails, safe_sqrt
from .fits import (
    ConditionalFits,
    FreeFits,
    fits_of_test,
    question,
    warn_of_active_bounds,
)
from .pseudo_experiments import Toys
from .results import DiscoveryResult
from .statistic import Q0, require_statistic
from .toys import NO_TOYS, discovery_by_toys, fit_of_toys


def discovery(
    model: AbstractModel,
    data: Data,
    *,
    statistic: Q0 = Q0(),
    calculator: Asymptotics | Toys = Asymptotics(),
    throw: bool = True,
) -> DiscoveryResult:
    """Test the absence of a signal: p-value and significance.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        statistic: `Q0(asimov_poi)` also says which signal strength the expected result
            assumes, 1 by default.
        calculator: `Asymptotics()`, also says which outcomes the expected band stands
            for, or `Toys(key, n)`, pseudo-experiments.
        throw: whether to raise where a fit finds no minimum; the result says so
            otherwise.

    Returns:
        The result; with `Asymptotics` differentiable with respect to everything traced.
        Where data cannot come from the background at all, p0 is 0 and the significance
        infinite.

    Raises:
        ValueError: where the model has no parameter of interest, where it is fixed, or
            for another statistic.
        FitError: where a fit finds no minimum and `throw` is set.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, discovery
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [5.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> result = discovery(model, model.data({"SR": [12.0]}))
        >>> round(float(result.significance), 4)
        2.6479

    References:
        G. Cowan et al., arXiv:1007.1727, eqs. 12, 52, 53.
    """
    require_statistic("discovery", statistic)
    if not statistic.discovery:
        raise ValueError(
            "`discovery` needs the statistic `Q0(...)`; got "
            f"{type(statistic).__name__}. The test of a signal strength is `hypotest`."
        )
    asked = question(model, data, "discovery")
    if isinstance(calculator, Toys):
        result = discovery_by_toys(fit_of_toys(*asked, statistic, calculator))
    else:
        free, conditional = fits_of_test(*asked, np.zeros(()), statistic, calculator)
        result = result_of_fits(free, conditional, statistic, calculator)
    warn_of_active_bounds(model, result.best, statistic, "discovery")
    return checked(result, result.converged, "discovery") if throw else result


@numpy_or_compiled
def result_of_fits(
    free: FreeFits, conditional: ConditionalFits, statistic: Q0, calculator: Asymptotics
) -> DiscoveryResult:
    """What the fits of the test say; arguments as in `hypotest.result_of_fits`."""
    none = np.zeros(())
    values = conditional.data, conditional.asimov
    q, q_asimov = free.statistics(statistic, none, *values)
    return DiscoveryResult(
        signal=as_floats(statistic.asimov_poi),
        statistic=q,
        statistic_asimov=q_asimov,
        best=free.best,
        log_p0=observed_tails(statistic, q, q_asimov).log_cl_sb,
        log_p0_expected=expected_tails(statistic, q_asimov, calculator).log_cl_sb,
        significance=safe_sqrt(q),
        significance_expected=safe_sqrt(q_asimov) - calculator.outcomes(q_asimov),
        p0_error=none,
        p0_expected_error=np.zeros(5),
        toys_b=NO_TOYS,
        toys_sb=NO_TOYS,
        converged=conditional.converged,
        test=type(statistic).__name__,
        band=calculator.band,
    )
