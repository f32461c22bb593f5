"""Derivatives of limits and significances by templates, against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fitkit


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
