"""Fits whose start is impossible: the counts that are seen cannot come from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import fitkit
from fitkit import Channel, Model, NormFactor, NormSys, Sample

WIDE = {"mu": (-50.0, 10.0)}
BACKGROUND, SIGNAL, COUNTS = [40.0, 30.0], [5.0, 12.0], [47.0, 25.0]


@pytest.fixture(scope="module")
def model():
    """With mu = -3 the second bin expects -6 events, but for more background."""
    norm = NormSys("norm", lo=0.8, hi=1.35)
    samples = [
        Sample("signal", SIGNAL, (NormFactor("mu"),)),
        Sample("background", BACKGROUND, (norm,)),
    ]
    return Model([Channel("SR", samples)], normsys_code="1")


@pytest.fixture(scope="module")
def data(model):
    return model.data({"SR": COUNTS})


def profiled(mu):
    """The best `norm`, by a search of the one-dimensional closed form."""

    def value(norm):
        rate = 1.35**norm * np.array(BACKGROUND) + mu * np.array(SIGNAL)
        return np.sum(rate - COUNTS * np.log(rate)) + norm**2 / 2

    # Just above where the second bin is empty.
    lowest = max(np.log(max(-0.4 * mu, 1e-9)) / np.log(1.35), -1.0) + 1e-6
    return minimize_scalar(
        value, bounds=(lowest, 5.0), method="bounded", options={"xatol": 1e-9}
    ).x


@pytest.mark.parametrize("mu", [-3.0, -4.0, -8.0])
def test_a_held_value_that_the_nominal_start_does_not_allow(model, data, mu):
    nominal = model.expected_data({**model.init, "mu": jnp.asarray(mu)}).main["SR"]
    assert float(nominal[1]) < 0
    found = fitkit.fixed_poi_fit(model.with_bounds(WIDE), data, mu)
    assert float(found.params["mu"]) == mu
    # A search by values alone finds a minimum to the root of their rounding.
    np.testing.assert_allclose(found.params["norm"], profiled(mu), atol=1e-6)


def test_its_derivative_is_that_of_the_minimum(model, data):
    def norm(mu):
        found = fitkit.fixed_poi_fit(model.with_bounds(WIDE), data, mu, throw=False)
        return found.params["norm"]

    # The search's 1e-8 over the step, and the third derivative times its square.
    numerical = (profiled(-2.99) - profiled(-3.01)) / 0.02
    np.testing.assert_allclose(jax.grad(norm)(-3.0), numerical, rtol=1e-4)


def test_where_no_start_is_possible_the_bins_are_named(model, data):
    # 1.35^5 = 4.5 times the background is all that the bounds of `norm` allow.
    with pytest.raises(fitkit.FitError, match=r"zero.*channel 'SR' bin 1 \(25 seen"):
        fitkit.fixed_poi_fit(model.with_bounds(WIDE), data, -30.0)


def test_a_lane_on_a_walk_harms_no_other(model, data):
    def fit(mu):
        return fitkit.fixed_poi_fit(model.with_bounds(WIDE), data, mu, throw=False)

    values = jnp.array([1.0, -3.0, -30.0, 0.5])
    lanes = jax.vmap(fit)(values)
    assert lanes.converged.tolist() == [True, True, False, True]
    for i in (0, 1, 3):
        alone = fit(values[i])
        assert int(lanes.steps[i]) == int(alone.steps)
        # Rounding of products over a batch.
        np.testing.assert_allclose(lanes.y[i], alone.y, rtol=1e-12)


def test_an_impossible_start_of_what_is_fitted(model, data):
    best = fitkit.fit(model.with_bounds(WIDE), data)
    again = fitkit.fit(model.with_init({"mu": -3.0}).with_bounds(WIDE), data)
    np.testing.assert_allclose(again.y, best.y, rtol=1e-9)


@pytest.mark.slow
def test_less_signal_than_none_in_a_published_likelihood(likelihoods):
    path = likelihoods / "measurements" / "atlas_1Lbb_700_400.json"
    model, data = fitkit.read_workspace(path)
    found = fitkit.fixed_poi_fit(model, data, -1.0)
    # The same by hand, in steps after each of which the last minimum is possible.
    params = model.init
    for mu in np.linspace(1.0, -1.0, 21):
        init = params | {model.poi: mu}
        init_value = float(model.logpdf({**init, model.poi: jnp.asarray(mu)}, data))
        assert np.isfinite(init_value)
        params = fitkit.fit(model.with_init(init).with_fixed(model.poi), data).params
    best = -2 * float(model.logpdf(params, data))
    np.testing.assert_allclose(found.twice_nll, best, atol=1e-8)
