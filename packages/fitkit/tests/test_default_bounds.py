"""A bound that nobody chose changes no answer; one that somebody chose is told."""

import numpy as np
import pytest

import fitkit
from fitkit import Channel, Model, NormFactor, QMu, Sample, TMu

# Closed forms of a counting experiment: n = 65 (40), b = 50.
SIGNIFICANCE, LIMIT = 2.0266608943712843, 29.31533694686734
Q_MU = 7.562791351346846


def counting(signal: float, count: float) -> tuple[Model, fitkit.Data]:
    sample = Sample("s", [signal], [NormFactor("mu")])
    model = Model([Channel("c", [sample, Sample("b", [50.0])])])
    return model, model.data({"c": [count]})


@pytest.mark.parametrize("signal", [10.0, 1.0, 0.1])
def test_the_unit_of_a_signal_changes_nothing(signal):
    model, data = counting(signal, 65.0)
    found = fitkit.discovery(model, data).significance
    np.testing.assert_allclose(found, SIGNIFICANCE, rtol=1e-7)
    limit = fitkit.upper_limit(model, data)
    np.testing.assert_allclose(limit.observed * signal, LIMIT, rtol=1e-7)


def test_a_free_fit_is_never_worse_than_a_conditional_one():
    model = fitkit.uncorrelated_background([1.0], [10000.0], [100.0])
    data = model.data({"singlechannel": [100000.0]})
    free = fitkit.fit(model, data).twice_nll
    assert free <= fitkit.fixed_poi_fit(model, data, 9e4).twice_nll + 1e-6


@pytest.mark.parametrize("statistic", [QMu(), TMu()], ids=["q", "t"])
def test_a_best_fit_of_any_sign_is_one(statistic):
    model, data = counting(10.0, 40.0)
    test = fitkit.hypotest(model, data, 1.0, statistic=statistic)
    np.testing.assert_allclose(test.statistic, Q_MU, rtol=1e-9)
    np.testing.assert_allclose(test.best, -1.0, rtol=1e-9)


@pytest.mark.parametrize("bounds", [(0.0, 10.0), (-0.5, 10.0)])
def test_a_bound_that_is_given_holds_and_is_told(bounds):
    model, data = counting(10.0, 40.0)
    bounded = model.with_bounds(mu=bounds)
    with pytest.warns(fitkit.ActiveBoundWarning, match=r"'mu'.*lower bound"):
        test = fitkit.hypotest(bounded, data, 1.0, statistic=QMu())
    np.testing.assert_allclose(test.best, bounds[0], atol=1e-9)


def test_a_physical_statistic_needs_no_warning_at_zero():
    model, data = counting(10.0, 40.0)
    assert fitkit.hypotest(model.with_bounds(mu=(0.0, 5.0)), data).best == 0
