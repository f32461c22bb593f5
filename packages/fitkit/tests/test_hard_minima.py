"""Minima that are hard to reach: flat directions, saddles, indefinite Hessians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit
from fitkit import Channel, HistoSys, Model, NormFactor, NormSys, Sample


def one_bin(*modifiers, nominal=50.0):
    return Model([Channel("c", [Sample("s", [nominal], modifiers)])], poi=None)


def test_a_direction_that_is_not_determined():
    """Two free factors of one bin: only their product is known."""
    model = one_bin(NormFactor("a"), NormFactor("b"))
    found = fitkit.fit(model, model.data({"c": [60.0]}))
    assert bool(found.converged)
    assert 0 <= float(found.edm) < 1e-6  # and not infinite
    product = found.params["a"] * found.params["b"]
    np.testing.assert_allclose(product, 1.2, rtol=1e-9)
    assert not bool(found.unique)

    def best(count):
        return fitkit.fit(model, model.data({"c": count[None]})).params["a"]

    assert np.isnan(jax.grad(best)(jnp.array(60.0)))


def test_off_a_saddle():
    """A variation whose sides are equal: every derivative vanishes at the start.

    With nu(a) = 50 + 6 a^2 (15 - 10 a^2 + 3 a^4) / 8 the minimum is found by a scan.
    """
    model = one_bin(HistoSys("a", lo=[56.0], hi=[56.0]))
    found = fitkit.fit(model, model.data({"c": [70.0]}))
    scan = np.linspace(0, 3, 300_001)
    bend = np.where(scan < 1, scan**2 * (15 - 10 * scan**2 + 3 * scan**4) / 8, scan)
    rate = 50 + 6 * bend
    value = rate - 70 * np.log(rate) + scan**2 / 2
    np.testing.assert_allclose(
        jnp.abs(found.params["a"]), scan[np.argmin(value)], atol=1e-4
    )
    assert float(found.params["a"]) != 0
    assert int(found.steps) <= 20


def test_no_saddle_where_the_sides_are_equal():
    """The same variation with data below nominal: the start is the minimum."""
    model = one_bin(HistoSys("a", lo=[56.0], hi=[56.0]), NormSys("b", 0.9, 1.1))
    found = fitkit.fit(model, model.data({"c": [40.0]}))
    np.testing.assert_allclose(found.params["a"], 0.0, atol=1e-9)


def test_an_entry_that_its_bound_lets_go(likelihoods):
    """AGC's model with 6 times its top pairs: on the way some entries leave their
    bounds, and on those the Hessian is not positive definite."""
    path = likelihoods / "measurements" / "agc_ttbar.json"
    model, data = fitkit.read_workspace(path)
    beside = fitkit.fixed_poi_fit(model, data, 6.1)
    for value in (5.9, 6.0):
        found = fitkit.fixed_poi_fit(model, data, value)
        again = fitkit.fixed_poi_fit(
            model.with_init({k: v for k, v in beside.params.items() if k != model.poi}),
            data,
            value,
        )
        assert int(found.steps) <= 30
        np.testing.assert_allclose(found.twice_nll, again.twice_nll, rtol=1e-10)


@pytest.mark.slow
def test_a_signal_that_fades_at_the_start(sbottom):
    """The signal point whose Hessian stays indefinite longest, of 650."""
    model, data = fitkit.read_workspace(
        sbottom("RegionC/BkgOnly.json"),
        patch=sbottom("RegionC/patch.sbottom_1000_730_600.json"),
    )
    found = fitkit.fit(model, data)
    assert bool(found.converged)
    assert int(found.steps) <= 20


@pytest.mark.parametrize(
    ("region", "point", "poi", "at_most"),
    [
        # By a walk along the profile; SciPy's SLSQP in pyhf stops at 620.944 for 8.
        ("A", "600_400_60", 8.0, 620.944),
        ("B", "500_400_60", 50.0, 305.0),
    ],
)
def test_strengths_far_from_what_the_data_allow(sbottom, region, point, poi, at_most):
    """There the likelihood is ragged: a search from the start ends between walls."""
    background = sbottom(f"Region{region}/BkgOnly.json")
    patch = sbottom(f"Region{region}/patch.sbottom_{point}.json")
    model, data = fitkit.read_workspace(background, patch=patch)
    found = fitkit.fixed_poi_fit(model, data, poi)
    assert bool(found.converged)
    assert float(found.edm) < 1e-6
    assert float(found.twice_nll) < at_most
    # A minimum: a fit that starts there stays, and no neighbour is lower.
    again = fitkit.fixed_poi_fit(model.with_init(found.params), data, poi)
    np.testing.assert_allclose(again.twice_nll, found.twice_nll, rtol=1e-9)


@pytest.mark.parametrize("poi", [None, 0.0])
def test_asimov_data_with_a_bin_of_no_events(likelihoods, poi):
    """A best fit at which the rate of one bin is zero, but for rounding: 6e-16.

    Data that the model made have an exact answer: nothing is left above saturation.
    From the start a search ends on the way there, along the wall of that bin.
    """
    path = likelihoods / "measurements" / "agc_ttbar_ml.json"
    model, data = fitkit.read_workspace(path)
    asimov = fitkit.asimov_data(model, 0.0, data=data)
    if poi is None:
        found = fitkit.fit(model, asimov)
    else:
        found = fitkit.fixed_poi_fit(model, asimov, poi)
    assert bool(found.converged)
    saturated = model.negative_log_likelihood(asimov).saturated()
    np.testing.assert_allclose(found.twice_nll, 2 * saturated, atol=1e-8)
