"""Derivatives of limits and significances by templates, against finite differences."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit

pytestmark = pytest.mark.slow


def numbers(signal):
    """Observed and median expected limit, and the observed significance."""
    model = fitkit.uncorrelated_background(signal, [50.0, 52.0], [3.0, 7.0])
    data = model.data({"singlechannel": [58.0, 60.0]})
    limit = fitkit.upper_limit(model, data)
    test = fitkit.hypotest(0.0, model, data, statistic=fitkit.Q0())
    return jnp.array([limit.observed, limit.expected[2], test.significance_observed])


@pytest.mark.parametrize("entry", [0, 1])
def test_a_small_model(entry):
    at, step = jnp.array([12.0, 11.0]), 1e-3
    towards = jnp.zeros(2).at[entry].set(1.0)
    slope = (numbers(at + step * towards) - numbers(at - step * towards)) / (2 * step)
    found = jax.jacrev(numbers)(at)[:, entry]
    # central differences with limits to 1e-8: 1e-5 of their size
    np.testing.assert_allclose(found, slope, rtol=2e-5, atol=2e-6)


@pytest.fixture(scope="module")
def published(likelihoods, load_json):
    """One of ATLAS's points, where the observed limit is inside and data exceed."""
    patchset = fitkit.read_patchset(likelihoods / "1Lbb_simplified" / "patchset.json")
    return fitkit.read_workspace(
        load_json("likelihoods/1Lbb_simplified/BkgOnly.json"),
        patch=patchset["C1N2_Wh_hbb_800_250"],
    )


@pytest.mark.parametrize("what", ["limit", "significance"])
def test_a_published_likelihood(published, what):
    """All yields and uncertainties move along random directions.

    Limits are found to 1e-8, so that central differences of fourth order over one part
    in 1e3 are good to 1e-5.
    """
    model, data = published
    fields = ("nominal", "uncertainty", "histosys_lo", "histosys_hi")

    @jax.jit
    def number(values):
        arrays = dataclasses.replace(model.arrays, **values)
        changed = eqx.tree_at(lambda m: m.arrays, model, arrays)
        if what == "limit":
            return fitkit.upper_limit(changed, data, throw=False).observed
        test = fitkit.hypotest(0.0, changed, data, statistic=fitkit.Q0(), throw=False)
        return test.significance_observed

    nominal = {name: jnp.asarray(getattr(model.arrays, name)) for name in fields}
    gradient = jax.grad(number)(nominal)
    assert float(number(nominal)) > 0.05, "on neither edge"
    rng = np.random.default_rng(4)
    for _ in range(4):
        direction = {
            name: value * rng.normal(0.0, 1.0, value.shape)
            for name, value in nominal.items()
        }
        low2, low1, high1, high2 = (
            float(number({n: nominal[n] + k * 1e-3 * direction[n] for n in fields}))
            for k in (-2, -1, 1, 2)
        )
        numerical = (low2 - 8 * low1 + 8 * high1 - high2) / 12e-3
        slope = sum(float(jnp.sum(gradient[n] * direction[n])) for n in fields)
        assert abs(slope) > 1e-3
        np.testing.assert_allclose(slope, numerical, rtol=1e-4)
