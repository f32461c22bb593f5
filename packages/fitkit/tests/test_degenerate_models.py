"""Models with less than others have: no parameter, no background, a fixed POI."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample


def document(**config) -> dict:
    signal = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "s", "data": [10.0], "modifiers": [signal]},
        {"name": "b", "data": [50.0], "modifiers": []},
    ]
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [65.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", **config}}],
        "version": "1.0.0",
    }


# --- a parameter of interest that a measurement fixes ---------------------------------
FIXED = document(parameters=[{"name": "mu", "fixed": True, "inits": [1.0]}])


@pytest.mark.parametrize(
    "call", [fitkit.upper_limit, fitkit.hypotest, fitkit.discovery]
)
def test_a_test_of_a_fixed_poi_is_refused(call):
    model, data = fitkit.read_workspace(FIXED)
    with pytest.raises(ValueError, match=r"'mu' is fixed.*with_free\('mu'\)"):
        call(model, data)


def test_a_poi_is_freed_again():
    model, data = fitkit.read_workspace(FIXED)
    free = model.with_free("mu")
    np.testing.assert_allclose(
        fitkit.upper_limit(free, data).observed, 2.9315336946867, rtol=1e-8
    )
    np.testing.assert_allclose(
        fitkit.discovery(free, data).significance, 2.0266608943712843, rtol=1e-8
    )
    assert float(fitkit.fit(model, data).params["mu"]) == 1.0


# --- no parameter at all --------------------------------------------------------------
def test_a_fit_without_parameters_has_nothing_to_do():
    model = Model([Channel("c", [Sample("b", [50.0, 20.0])])], poi=None)
    data = model.data({"c": [55.0, 30.0]})
    result = fitkit.fit(model, data)
    assert result.y.shape == (0,)
    # -2 log of both Poisson probabilities.
    np.testing.assert_allclose(result.twice_nll, 15.904896584, rtol=1e-9)


def test_a_fit_of_nothing_but_fixed_parameters():
    model, data = fitkit.read_workspace(FIXED)
    result = fitkit.fit(model, data)
    assert result.converged
    assert not result.stationarity.free.any()


# --- events where no background is expected -------------------------------------------
def without_background() -> Model:
    return Model([Channel("c", [Sample("s", [5.0], [NormFactor("mu")])])])


def test_a_signal_alone():
    model = without_background()
    data = model.data({"c": [3.0]})
    # The best fit is 0.6; q = 2 [5 - 3 - 3 log(5 / 3)] is 0 above it, and 3 events are
    # impossible without signal: CLs = P(n <= 3 | 5) in the asymptotic formulae's words.
    test = fitkit.hypotest(model, data, 1.0)
    np.testing.assert_allclose(test.cls, 0.16915776865973, rtol=1e-9)
    limit = fitkit.upper_limit(model, data)
    np.testing.assert_allclose(limit.observed, 1.368635872085406, rtol=1e-8)


def test_what_no_background_can_make_is_discovered():
    model = without_background()
    found = fitkit.discovery(model, model.data({"c": [3.0]}))
    assert found.p0 == 0.0
    assert found.significance == np.inf
    nothing = fitkit.discovery(model, model.data({"c": [0.0]}))
    assert nothing.p0 == 0.5
    assert nothing.significance == 0.0


def test_an_impossible_hypothesis_is_excluded():
    signal = Sample("s", [-1.0], [NormFactor("mu")])
    model = Model([Channel("c", [signal, Sample("b", [10.0])])])
    test = fitkit.hypotest(model, model.data({"c": [10.0]}), 20.0)
    assert test.statistic == np.inf
    assert test.cls == 0.0


def test_one_empty_bin_is_the_limit_of_a_nearly_empty_one():
    def limit(background: float) -> float:
        sample = Sample("b", [background, 20.0], [NormSys("n", 0.9, 1.1)])
        signal = Sample("s", [5.0, 1.0], [NormFactor("mu")])
        model = Model([Channel("c", [signal, sample])])
        return float(fitkit.upper_limit(model, model.data({"c": [3.0, 20.0]})).observed)

    np.testing.assert_allclose(limit(0.0), limit(1e-6), atol=1e-4)


def test_the_derivative_at_an_empty_bin_has_no_wrong_sign():
    def median(background):
        yields = jnp.stack([50.0, background])
        sample = Sample("b", yields, [NormSys("k", 0.9, 1.1)])
        signal = Sample("s", [10.0, 5.0], [NormFactor("mu")])
        model = Model([Channel("c", [signal, sample])])
        data = model.data({"c": [40.0, 0.0]})
        return fitkit.upper_limit(model, data, throw=False).expected[0]

    # From the right it is infinite: b log b of the Asimov data. More background, a
    # weaker limit; a finite negative slope would mislead.
    slope = jax.jit(jax.grad(median))(0.0)
    assert slope > 0 or not np.isfinite(slope)


# --- one missing limit ----------------------------------------------------------------
def test_a_limit_that_does_not_exist_loses_no_other():
    signal = Sample("s", [10.0], [NormFactor("mu"), NormSys("k", 0.01, 1.99)])
    model = Model([Channel("c", [signal, Sample("b", [50.0])])])
    data = model.data({"c": [53.0]})
    with pytest.warns(fitkit.MissingLimitWarning, match=r"\+2 sigma"):
        limit = fitkit.upper_limit(model, data)
    np.testing.assert_allclose(limit.observed, 3462.4, rtol=1e-3)
    assert np.isfinite(limit.expected[:4]).all()
    np.testing.assert_allclose(
        fitkit.hypotest(model, data, limit.expected[3]).cls_expected[3], 0.05, rtol=1e-6
    )
    assert not np.isfinite(limit.expected[4])
    assert list(limit.converged) == [True] * 5 + [False]


@pytest.mark.parametrize("level", [0.0, 1.5, -0.1, float("nan")])
def test_a_level_is_a_probability(level):
    model = without_background()
    with pytest.raises(ValueError, match="between 0 and 1"):
        fitkit.upper_limit(model, model.data({"c": [3.0]}), level=level)


def test_a_statistic_is_an_object_for_its_question():
    model = without_background()
    data = model.data({"c": [3.0]})
    with pytest.raises(TypeError, match=r"give an object, `QMu\(\)`"):
        fitkit.hypotest(model, data, statistic=fitkit.QMu)
    with pytest.raises(TypeError, match="'qtilde'"):
        fitkit.hypotest(model, data, statistic="qtilde")
    with pytest.raises(ValueError, match=r"`discovery\(model, data"):
        fitkit.hypotest(model, data, statistic=fitkit.Q0())
    with pytest.raises(ValueError, match="`hypotest`"):
        fitkit.discovery(model, data, statistic=fitkit.QMu())


def test_pseudo_experiments_of_large_counts():
    # jax's own sampler computes in float32: tails of 1e8 counts would be those of
    # another distribution.
    rate = 1e8
    signal = Sample("s", [2 * np.sqrt(rate)], [NormFactor("mu")])
    model = Model([Channel("c", [signal, Sample("b", [rate])])])
    toys = fitkit.Toys(jax.random.key(5), n=400)
    test = fitkit.hypotest(model, model.data({"c": [rate]}), 1.0, calculator=toys)
    exact = norm.cdf(-2.0)  # of a Poisson distribution of 1e8, to 1e-4
    assert abs(test.cl_sb - exact) < 4 * np.sqrt(exact / toys.n)
