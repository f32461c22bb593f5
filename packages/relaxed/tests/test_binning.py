import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import relaxed


def test_regular_edges():
    assert_allclose(relaxed.regular_edges(-1, 1, 4), [-1, -0.5, 0, 0.5, 1])


def test_quantile_edges_share_the_weight(rng):
    data = rng.normal(size=20_000)
    weights = rng.uniform(0, 2, size=data.size)
    edges = relaxed.quantile_edges(data, 7, weights=weights)
    counts, _ = np.histogram(data, edges, weights=weights)
    # One event may fall on either side of an edge: its weight is at most 2.
    assert_allclose(counts, weights.sum() / 7, atol=2.5)
    assert (edges[0], edges[-1]) == (data.min(), data.max())
    ends = relaxed.quantile_edges(data, 7, low=-9.0, high=9.0)
    assert (ends[0], ends[-1]) == (-9, 9)


@pytest.mark.parametrize("scale", [0.1, 10.0, 1e4])
def test_monotone_edges_are_ordered(rng, scale):
    raw = jnp.asarray(scale * rng.normal(size=12))
    edges = relaxed.monotone_edges(raw, -2.0, 3.0, min_width=0.05)
    assert (edges[0], edges[-1]) == (-2, 3)
    # Rounding of a sum of 12 widths.
    assert jnp.min(jnp.diff(edges)) >= 0.05 - 1e-13


def test_monotone_edges_reach_given_ones():
    wanted = jnp.array([-1.0, -0.3, 0.4, 2.0])
    raw = jnp.log(jnp.diff(wanted))
    assert_allclose(relaxed.monotone_edges(raw, -1, 2), wanted, rtol=1e-12)


def test_a_binning_is_learned(rng):
    """Gradient steps on the edges bring two bins of a sample to equal content."""
    data = jnp.asarray(rng.exponential(size=4000))

    def imbalance(raw):
        edges = relaxed.monotone_edges(raw, 0.0, 10.0)
        counts = relaxed.hist(data, edges, bandwidth=0.05, flow="clip")
        return jnp.log(counts[0] / counts[1]) ** 2

    raw = jnp.zeros(2)
    step = jax.jit(lambda raw: raw - 0.1 * jax.grad(imbalance)(raw))
    for _ in range(300):
        raw = step(raw)
    edges = relaxed.monotone_edges(raw, 0.0, 10.0)
    assert_allclose(edges[1], np.median(data), atol=0.02)
