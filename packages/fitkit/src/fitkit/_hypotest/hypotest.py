"""Tests of a value of the parameter of interest against its absence."""

import numpy as np
from jaxtyping import Array, ArrayLike

from .._fit.diagnose import checked
from .._model.model import AbstractModel, Data
from .._numerics.compiled import numpy_or_compiled
from .._numerics.namespace import as_floats
from .asymptotics import Asymptotics, expected_tails, observed_tails
from .fits import (
    ConditionalFits,
    FreeFits,
    fits_of_test,
    question,
    warn_of_active_bounds,
)
from .pseudo_experiments import Toys
from .results import HypotestResult
from .statistic import AbstractTestStatistic, QMuTilde, require_statistic
from .toys import NO_TOYS, fit_of_toys, hypotest_by_toys


def hypotest(
    model: AbstractModel,
    data: Data,
    poi_value: ArrayLike = 1.0,
    *,
    statistic: AbstractTestStatistic = QMuTilde(),
    calculator: Asymptotics | Toys = Asymptotics(),
    throw: bool = True,
) -> HypotestResult:
    """Test a value of the parameter of interest.

    The Asimov data or pseudo-experiments that give the expected result are those at the
    best fit to the data with the alternative's signal strength fixed, auxiliary data
    included.

    Args:
        model: any model with a parameter of interest.
        data: observed or expected data.
        poi_value: the tested value; traced.
        statistic: `QMuTilde()` (default) or `QMu()` for exclusion, `TMu()` or
            `TMuTilde()` for a two-sided test. A default bound of the parameter of
            interest does not limit its best fit, one that was given does.
        calculator: `Asymptotics()`, also says which outcomes the expected band stands
            for, or `Toys(key, n)`, pseudo-experiments.
        throw: whether to raise where a fit finds no minimum; the result says so
            otherwise.

    Returns:
        The result; with `Asymptotics` differentiable with respect to everything traced.

    Raises:
        ValueError: where the model has no parameter of interest, where it is fixed, or
            for a statistic that is for discovery.
        FitError: where a fit finds no minimum and `throw` is set.

    Example:
        >>> from fitkit import Channel, Model, NormFactor, Sample, QMu, hypotest
        >>> signal = Sample("signal", [10.0], (NormFactor("mu"),))
        >>> background = Sample("background", [5.0])
        >>> model = Model([Channel("SR", [signal, background])], poi="mu")
        >>> result = hypotest(model, model.data({"SR": [12.0]}), 1.0)
        >>> round(float(result.cls), 6)
        0.214013

    References:
        arXiv:1007.1727; A. L. Read, J. Phys. G 28 (2002) 2693 (CLs).
    """
    require_statistic("hypotest", statistic)
    if statistic.discovery:
        raise ValueError(
            "`hypotest` tests a signal; the test of its absence is `discovery(model, "
            f"data, statistic={type(statistic).__name__}())`."
        )
    tested = as_floats(poi_value)
    asked = question(model, data, "hypotest", tested)
    if isinstance(calculator, Toys):
        fits = fit_of_toys(*asked, statistic, calculator)
        result = hypotest_by_toys(fits, tested)
    else:
        free, conditional = fits_of_test(*asked, tested, statistic, calculator)
        result = result_of_fits(tested, free, conditional, statistic, calculator)
    warn_of_active_bounds(model, result.best, statistic, "hypotest")
    return checked(result, result.converged, "hypotest") if throw else result


@numpy_or_compiled
def result_of_fits(
    tested: Array,
    free: FreeFits,
    conditional: ConditionalFits,
    statistic: AbstractTestStatistic,
    calculator: Asymptotics,
) -> HypotestResult:
    """What the fits of a test say.

    Args:
        tested: the tested value.
        free, conditional: of `fits_of_test`.
        statistic, calculator: as in `hypotest`.
    """
    values = conditional.data, conditional.asimov
    q, q_asimov = free.statistics(statistic, tested, *values)
    observed = observed_tails(statistic, q, q_asimov)
    expected = expected_tails(statistic, q_asimov, calculator)
    none = np.zeros(np.shape(tested))
    return HypotestResult(
        poi_value=tested,
        statistic=q,
        statistic_asimov=q_asimov,
        best=free.best,
        log_cl_sb=observed.log_cl_sb,
        log_cl_b=observed.log_cl_b,
        log_cls_expected=expected.log_cls,
        cl_sb_error=none,
        cl_b_error=none,
        cls_error=none,
        cls_expected_error=np.zeros((*np.shape(tested), 5)),
        toys_sb=NO_TOYS,
        toys_b=NO_TOYS,
        converged=conditional.converged,
        test=type(statistic).__name__,
        band=calculator.band,
    )
